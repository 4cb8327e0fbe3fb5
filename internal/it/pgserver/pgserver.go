// Package pgserver starts PostgreSQL servers that belong to one test, which may stop, kill and reconfigure them. A test
// skips where the programs of PostgreSQL are not installed.
package pgserver

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Server is a server with an empty database "test" and the user "postgres", whom it trusts. Its methods fail the test.
type Server struct {
	t         testing.TB
	bin, home string
	as        []string
	port      int
	settings  []string
	cmd       *exec.Cmd
}

// patience is how long a server may take to start or stop on a busy machine.
const patience = time.Minute

// New makes a server with settings such as "synchronous_commit=off" and starts it. It is removed after the test.
func New(t testing.TB, settings ...string) *Server {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		t.Skip("mspkit-needs: postgres binaries, in /usr/lib/postgresql/*/bin")
	}
	slices.Sort(found)
	s := &Server{t: t, bin: filepath.Dir(found[len(found)-1]), settings: settings}
	s.home, err = os.MkdirTemp("", "mspkit-postgres-") //nolint:usetesting // t.TempDir is closed to the user under whom the server runs
	s.ok(err)
	t.Cleanup(func() { _ = os.RemoveAll(s.home) })
	s.ok(os.Chmod(s.home, 0o755)) //nolint:gosec // the data folder in it is closed by initdb
	if os.Getuid() == 0 {         // PostgreSQL does not run as root
		s.as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"}
		u, err := user.Lookup("postgres")
		s.ok(err)
		uid, err := strconv.Atoi(u.Uid)
		s.ok(err)
		gid, err := strconv.Atoi(u.Gid)
		s.ok(err)
		s.ok(os.Chown(s.home, uid, gid))
	}
	s.run("initdb", "-D", s.data(), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
	var free net.Listener
	free, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	s.ok(err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	s.ok(err)
	s.port, err = strconv.Atoi(port)
	s.ok(err)
	s.ok(free.Close())
	s.Start()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.Kill()
		}
	})
	s.run("createdb", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "postgres", "test")
	return s
}

func (s *Server) data() string { return filepath.Join(s.home, "data") }

// Addr is the host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL returns a connection string with more parameters such as "search_path=x".
func (s *Server) URL(params ...string) string {
	return "postgres://postgres@" + s.Addr() + "/test?" + strings.Join(append([]string{"sslmode=disable"}, params...), "&")
}

// Start starts the server again, on its old port, with its settings and more.
func (s *Server) Start(settings ...string) {
	s.t.Helper()
	args := []string{"-D", s.data(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300", "-p", strconv.Itoa(s.port)}
	for _, v := range append(slices.Clone(s.settings), settings...) {
		args = append(args, "-c", v)
	}
	log, err := os.OpenFile(filepath.Join(s.home, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	s.ok(err)
	defer log.Close() //nolint:errcheck // the server has a handle of its own
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		cmd := s.command(context.Background(), "postgres", args...)
		cmd.Stdout, cmd.Stderr = log, log
		s.ok(cmd.Start())
		if s.ready(ctx, cmd) {
			s.cmd = cmd
			return
		}
		if ctx.Err() != nil {
			text, _ := os.ReadFile(filepath.Join(s.home, "log"))
			s.t.Fatalf("the server does not start: %s", text)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// ready waits until cmd takes connections, and reports false where it ended instead: what is left of a server that was
// killed may need a moment to go.
func (s *Server) ready(ctx context.Context, cmd *exec.Cmd) bool {
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	for ctx.Err() == nil {
		if s.command(ctx, "pg_isready", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port)).Run() == nil {
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// Stop ends the server in order; connections are closed at once.
func (s *Server) Stop() {
	s.t.Helper()
	s.run("pg_ctl", "stop", "-D", s.data(), "-m", "fast", "-w", "-t", strconv.Itoa(int(patience.Seconds())))
	s.cmd = nil
}

// Kill kills every process of the server, as kill -9 does.
func (s *Server) Kill() {
	s.t.Helper()
	// The first one goes first, so that it makes no more. What it has made would end by itself, but not where it waits
	// for a lock of one that is gone.
	for pids := []int{s.cmd.Process.Pid}; len(pids) > 0; pids = s.inhabitants() {
		for _, pid := range pids {
			if p, err := os.FindProcess(pid); err == nil {
				if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
					s.t.Errorf("kill: %v", err)
				}
			}
		}
	}
	s.cmd = nil
}

// inhabitants returns the processes that work in the data folder, as all of a server do. Where there is no /proc they
// are not found.
func (s *Server) inhabitants() (pids []int) {
	homes, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, name := range homes {
		if home, err := os.Readlink(name); err != nil || home != s.data() {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	words := append(append(slices.Clone(s.as), filepath.Join(s.bin, program)), args...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the programs of PostgreSQL
	cmd.Dir = s.home
	return cmd
}

func (s *Server) run(program string, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if out, err := s.command(ctx, program, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v: %s", program, err, out)
	}
}

func (s *Server) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
