package stores_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/redisstore"
	"github.com/mspkit/mspkit/securesend/securesendpage"
	sendsql "github.com/mspkit/mspkit/securesend/sqlstore"
)

const sendServerEnv = "MSPKIT_TEST_SEND_SERVER"

// sendServer says what a server in a process of its own serves.
type sendServer struct {
	// Kind is "redis", "memory", "sqlite" or "postgres" for the pages of sends, and "bare" for SET and GETDEL.
	Kind string
	// DSN is where Redis or a database is, Prefix that of the keys on Redis, Schema that of the tables.
	Prefix, DSN, Schema string
	// Files gives the service a region, as hosts need for files.
	Files bool
	// Run has the service hand over events and sweep beside the requests.
	Run bool
}

// granted is a send that waits for its content.
type granted struct{ Link string }

// TestSendServer is the process that benchmarks start; elsewhere it does nothing.
func TestSendServer(t *testing.T) {
	t.Parallel()
	given := os.Getenv(sendServerEnv)
	if given == "" {
		return
	}
	var o sendServer
	require.NoError(t, json.Unmarshal([]byte(given), &o))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/cpu", func(w http.ResponseWriter, _ *http.Request) {
		var used syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
		_ = json.NewEncoder(w).Encode(used.Utime.Nano() + used.Stime.Nano())
	})
	if o.Kind == "bare" {
		o.bare(t, mux)
	} else {
		o.pages(t, mux)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark is over
		_ = l.Close()
	}()
	fmt.Printf("serving http://%s\n", l.Addr())
	require.ErrorIs(t, (&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(l), net.ErrClosed)
}

// bare is the least that gives a text once: no auth, no claim, no number, no event, and lost with its answer.
func (o sendServer) bare(t *testing.T, mux *http.ServeMux) {
	t.Helper()
	client := o.redis(t)
	mux.HandleFunc("POST /set/{id}", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil {
			err = client.Set(r.Context(), o.Prefix+":bare:"+r.PathValue("id"), text, 24*time.Hour).Err()
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /get/{id}", func(w http.ResponseWriter, r *http.Request) {
		text, err := client.GetDel(r.Context(), o.Prefix+":bare:"+r.PathValue("id")).Bytes()
		if err != nil {
			http.Error(w, "failed", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(text)
	})
}

func (o sendServer) redis(t *testing.T) redis.UniversalClient {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: o.DSN, PoolSize: 64})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (o sendServer) store(t *testing.T) securesend.SecretStore {
	t.Helper()
	switch o.Kind {
	case "memory":
		return memstore.New()
	case "redis":
		s, err := redisstore.New(t.Context(), o.redis(t), &redisstore.Options{Prefix: o.Prefix, AcceptLostWrites: true})
		require.NoError(t, err)
		return s
	}
	driver, dialect := "sqlite", sqlx.SQLite
	if o.Kind == "postgres" {
		driver, dialect = "pgx", sqlx.Postgres
	}
	db, err := sql.Open(driver, o.DSN)
	require.NoError(t, err)
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	s, err := sendsql.New(db, dialect, &sendsql.Options{Schema: o.Schema})
	require.NoError(t, err)
	return s
}

// pages are the real ones, of one tenant.
func (o sendServer) pages(t *testing.T, mux *http.ServeMux) {
	t.Helper()
	options := &securesend.Options{}
	if o.Files {
		options.Blobs = map[string]securesend.BlobStore{"Europe": memstore.NewBlobs()}
	}
	svc, err := securesend.New(o.store(t), newRing(t), "https://help.example/send", securesend.Same(securesend.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"}, Defaults: securesend.Choice{Header: "From Contoso IT", Message: "Change it when you have used it."},
	}), options)
	require.NoError(t, err)
	pages, err := securesendpage.New(svc, nil)
	require.NoError(t, err)
	mux.Handle("/send/", http.StripPrefix("/send", pages))
	mux.HandleFunc("POST /control/grant", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		out := make([]granted, n)
		for i := range out {
			s, err := svc.Grant(r.Context(), securesend.SendRequest{
				Tenant: "contoso", By: securesend.Technician{ID: "jane", Name: "Jane Doe"}, Subject: "dana", Ticket: mspkit.Ticket{System: "psa", ID: "4711"},
			})
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			out[i].Link = s.Link.Reveal()
		}
		_ = json.NewEncoder(w).Encode(out)
	})
	if o.Run {
		go func() { _ = svc.Run(context.Background()) }()
	}
}

// startServer starts a process that serves and returns its address. It ends with the benchmark. It writes a profile of
// its processors' time into the folder MSPKIT_BENCH_PROFILES.
func startServer(b *testing.B, o sendServer) string {
	b.Helper()
	given, err := json.Marshal(o)
	require.NoError(b, err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestSendServer$", "-test.v")
	if dir := os.Getenv("MSPKIT_BENCH_PROFILES"); dir != "" {
		cmd.Args = append(cmd.Args, "-test.cpuprofile="+filepath.Join(dir, o.Kind+".prof"))
	}
	cmd.Env = append(os.Environ(), sendServerEnv+"="+string(given))
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	cmd.Stderr = os.Stderr
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return url
		}
		said = append(said, lines.Text())
	}
	b.Fatalf("the server does not serve: %s", said)
	return ""
}

// benchName names something that nothing else has.
func benchName() string { return strings.ToLower(rand.Text()) }
