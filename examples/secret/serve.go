package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/dirblob"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

const tenant = mspkit.TenantID("example")

var technician = securesend.Technician{ID: "you", Name: "You"}

// server is everything that securesend needs: records in memory, files in a folder that is deleted in the end.
type server struct {
	svc  *securesend.Service
	stop func() error
}

func start(ctx context.Context, addr string, wrap func(http.Handler) http.Handler) (_ *server, err error) {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("-addr %q is not like 127.0.0.1:8080: this server has no TLS, so it is for this machine alone", addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("something else listens on %s; choose another address, for example -addr 127.0.0.1:0", addr)
	}
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "secret-")
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	remove := func() error { return errors.Join(l.Close(), os.RemoveAll(dir)) }
	blobs, err := dirblob.New(dir, nil)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("example"))
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	settings := securesend.Same(securesend.Settings{Brand: mspkit.Brand{Name: "Example IT"}, MaxSize: 100 << 30})
	svc, err := securesend.New(memstore.New(), ring, "http://"+l.Addr().String(), settings,
		&securesend.Options{Blobs: map[string]securesend.BlobStore{"here": blobs}})
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	pages, err := securesendpage.New(svc, nil)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	handler := http.Handler(pages)
	if wrap != nil {
		handler = wrap(handler)
	}
	running, cancel := context.WithCancel(ctx)
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 2)
	go func() { done <- svc.Run(running) }()
	go func() { done <- srv.Serve(l) }()
	return &server{svc, func() error {
		cancel()
		err := srv.Close()
		for range 2 {
			if e := <-done; !errors.Is(e, http.ErrServerClosed) {
				err = errors.Join(err, e)
			}
		}
		return errors.Join(err, os.RemoveAll(dir))
	}}, nil
}

// serve prints a grant whenever Enter is pressed, or asks one question and shows the answer.
func serve(ctx context.Context, t *terminal, o options) (err error) {
	s, err := start(ctx, o.addr, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if o.ask != "" {
		return s.ask(ctx, t, o)
	}
	lines := make(chan struct{})
	go func() {
		defer close(lines)
		for {
			if _, err := t.in.ReadString('\n'); err != nil {
				return
			}
			select {
			case lines <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		grant, err := s.grant(ctx)
		if err != nil {
			return err
		}
		t.say("A grant, which allows one send: open it in a browser, or give it to secret send. Enter makes another one, Ctrl-C ends the server.\n\n  %s\n", grant)
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-lines:
			if !ok {
				<-ctx.Done()
				return nil
			}
		}
	}
}

func (s *server) grant(ctx context.Context) (string, error) {
	sent, err := s.svc.Grant(ctx, securesend.SendRequest{Tenant: tenant, By: technician})
	return sent.Link.Reveal(), err
}

// ask makes a request and waits until somebody has answered it.
func (s *server) ask(ctx context.Context, t *terminal, o options) error {
	sent, err := s.svc.Ask(ctx, securesend.SendRequest{Tenant: tenant, By: technician}, o.ask)
	if err != nil {
		return err
	}
	t.say("link    %s\nnumber  %s\n\nWaiting for the answer.", sent.Link.Reveal(), sent.Number.Reveal())
	claim := securesend.RandomKey()
	for ctx.Err() == nil {
		got, err := s.svc.Receive(ctx, sent.Ref, technician.ID, claim)
		if errors.Is(err, securesend.ErrDraft) {
			wait(ctx, 500*time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		if text := got.Text.Reveal(); text != "" {
			t.say("%s", text)
		}
		for i := range got.Files {
			if err := save(ctx, got, i, o.dir); err != nil {
				return err
			}
			t.say("saved %s", filepath.Join(o.dir, got.Files[i].Name))
		}
		return s.svc.AckReceived(ctx, got)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// save writes one file of an answer. Its name is clean.
func save(ctx context.Context, got *securesend.Received, i int, dir string) error {
	in, err := got.Open(ctx, i)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it is only read
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	out, err := root.OpenFile(got.Files[i].Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err != nil {
		return errors.Join(err, out.Close(), root.Remove(got.Files[i].Name))
	}
	return out.Close()
}
