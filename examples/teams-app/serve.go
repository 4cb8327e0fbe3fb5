package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mspkit/mspkit/teamsapp/brandpage"
)

// serve shows the page until ctx ends. Whoever reaches it may change the app, so it is for this machine alone; a host puts
// the page behind its sign-in.
func serve(ctx context.Context, out io.Writer, o options) error {
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return fmt.Errorf("-addr must look like 127.0.0.1:8086: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("-addr %s can be reached by others, and the page has no sign-in of its own: it is for this machine alone", o.addr)
	}
	h, err := handler(o)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("something else listens on %s; choose another address, for example -addr 127.0.0.1:0", o.addr)
	}
	if err != nil {
		return err
	}
	kept := "Everything is kept in memory, until this ends."
	if o.brand != "" {
		kept = "What is downloaded is kept in " + filepath.Clean(o.brand) + " and beside it."
	}
	_, _ = fmt.Fprintf(out, "Make the app on http://%s/\n%s Ctrl-C ends it.\n", l.Addr(), kept)
	srv := &http.Server{Handler: local(h), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
	}
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	return srv.Shutdown(grace)
}

// local answers for this machine's own names alone: a name of somebody else can be made to lead here, and its pages would
// then count as this one.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "open it by the address that was printed", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// handler is the page over what is kept.
func handler(o options) (http.Handler, error) {
	k := &keeper{path: o.brand}
	s, err := k.load(o.logo)
	if err != nil {
		return nil, err
	}
	k.state = s
	return brandpage.New(k.current, &brandpage.Options{Save: k.save})
}
