// Teams-bot is a bot in Microsoft Teams and nothing else: it verifies whoever writes "verify" with a card and a number
// that stands on this terminal, and tells whoever writes "who" who is on the phone with them.
//
//	go run ./examples/teams-bot -selftest            plays the whole story without Teams and prints it
//	go run ./examples/teams-bot -insecure-loopback   for an emulator on this machine, nothing to configure
//	go run ./examples/teams-bot                      for Teams; it says which environment variables it needs
//
// Everything is kept in memory: after a restart, people write to the bot once to be known again.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// path is where the bot takes activities; the messaging endpoint of its registration is https://<your host> with it.
const path = "/api/messages"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "teams-bot:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("teams-bot", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is said once, by main
	addr := flags.String("addr", "127.0.0.1:3978", "address to listen on; a proxy with TLS stands in front of it")
	insecure := flags.Bool("insecure-loopback", false, "accept activities without a token, from emulators on this machine only")
	self := flags.Bool("selftest", false, "play the whole story without Teams, print it, and exit")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage(flags, out)
		return nil
	case err != nil:
		return fmt.Errorf("%w (-h says what there is)", err)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q (-h says what there is)", flags.Arg(0))
	}
	if *self {
		return selftest(ctx, out)
	}
	cfg, err := configFromEnv(os.Getenv, *insecure)
	if err != nil {
		return err
	}
	cfg.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	l, err := listen(ctx, *addr, *insecure)
	if err != nil {
		return err
	}
	a, err := newApp(cfg, out)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if *insecure {
		a.say("\n  !!! INSECURE: everything on this machine may pretend to be Teams. For emulators only. !!!")
	}
	a.say("\n  The bot listens on http://%s%s.\n  Enter sends a message to everybody who has it. Ctrl-C ends it.\n", l.Addr(), path)
	go a.keys(ctx, in)
	return a.serve(ctx, l)
}

func usage(flags *flag.FlagSet, out io.Writer) {
	_, _ = fmt.Fprint(out, "A bot in Microsoft Teams that verifies who writes \"verify\" to it.\n\n")
	flags.SetOutput(out)
	flags.PrintDefaults()
	_, _ = fmt.Fprint(out, "\nFor Teams it needs these environment variables; -selftest needs none, -insecure-loopback at most the first:\n\n")
	for _, v := range variables {
		_, _ = fmt.Fprintf(out, "  %s\n    \t%s\n", v.name, v.what)
	}
}

// keys sends to everybody for each line, and ends with the input or the program.
func (a *app) keys(ctx context.Context, in io.Reader) {
	for lines := bufio.NewScanner(in); lines.Scan() && ctx.Err() == nil; {
		a.toAll(ctx)
	}
}

// listen refuses addresses that others can reach where nobody has to prove who they are.
func listen(ctx context.Context, addr string, loopbackOnly bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("-addr must look like 127.0.0.1:3978: %w", err)
	}
	if ip := net.ParseIP(host); loopbackOnly && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("-addr %s is not a loopback address; with -insecure-loopback everybody who reaches it could pretend to be Teams", addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("something else listens on %s; choose another address, for example -addr 127.0.0.1:0", addr)
	}
	return l, err
}

// serve runs the background work and the web server until ctx ends, then ends both in order.
func (a *app) serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	served, background := make(chan error, 1), make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	go func() { background <- a.verify.Run(ctx) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		cancel()
	}
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	return errors.Join(err, srv.Shutdown(grace), <-background)
}
