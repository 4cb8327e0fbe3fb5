package kill_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/dirblob"
	"github.com/mspkit/mspkit/securesend/redisstore"
	"github.com/mspkit/mspkit/securesend/securesendpage"
	"github.com/mspkit/mspkit/securesend/sqlstore"
)

const (
	sendChildEnv = "MSPKIT_TEST_SEND_CHILD"
	region       = "Europe"
)

var sender = securesend.Technician{ID: "jane", Name: "Jane Doe"}

// place is where sends are kept, and what every process needs to know of it.
type place struct {
	Kind    string // "sqlite", "postgres" or "redis"
	Address string
	Blobs   string // a folder
	Journal string
	Key     string
	Once    bool // nothing is sent to Redis again
}

// dialect is that of a place in SQL.
func (p place) dialect() sqlx.Dialect {
	if p.Kind == "postgres" {
		return sqlx.Postgres
	}
	return sqlx.SQLite
}

// db opens a place in SQL with at most so many connections, until the test ends.
func (p place) db(t *testing.T, connections int) *sql.DB {
	t.Helper()
	driver := map[string]string{"postgres": "pgx", "sqlite": "sqlite"}[p.Kind]
	db, err := sql.Open(driver, p.Address)
	require.NoError(t, err)
	db.SetMaxOpenConns(connections)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// open opens a store with connections of its own.
func (p place) open(t *testing.T) securesend.SecretStore {
	t.Helper()
	if p.Kind == "redis" {
		o := &redis.Options{Addr: p.Address}
		if p.Once {
			o.MaxRetries, o.DialerRetries = -1, 1
		}
		client := redis.NewClient(o)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		s, err := redisstore.New(context.Background(), client, &redisstore.Options{Shards: 4})
		require.NoError(t, err)
		return s
	}
	s, err := sqlstore.New(p.db(t, 16), p.dialect(), nil)
	require.NoError(t, err)
	return s
}

// instance is a service with its pages on a place.
type instance struct {
	svc   *securesend.Service
	store securesend.SecretStore
	pages http.Handler // below /send
}

// start starts an instance whose clock is ahead; steps may be nil.
func (p place) start(t *testing.T, steps *points, ahead *atomic.Int64) instance {
	t.Helper()
	k, err := mspkit.ParseKey(p.Key)
	require.NoError(t, err)
	ring, err := mspkit.NewKeyRing(k)
	require.NoError(t, err)
	folder, err := dirblob.New(p.Blobs, &dirblob.Options{Region: region})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, folder.Close()) })
	if steps == nil {
		steps = &points{}
	}
	j := openJournal(t, p.Journal)
	out := instance{store: p.open(t)}
	out.svc, err = securesend.New(pointed{out.store, steps}, ring, "https://help.example/send", securesend.Same(securesend.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"},
	}), &securesend.Options{
		Now:   func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		Blobs: map[string]securesend.BlobStore{region: pointedBlobs{folder, steps}},
		Recorder: securesend.RecorderFunc(func(_ context.Context, e securesend.Event) error {
			return steps.verb("Record", func() error { return j.add(line{What: "send", ID: e.Send, Send: &e}) })
		}),
	})
	require.NoError(t, err)
	pages, err := securesendpage.New(out.svc, nil)
	require.NoError(t, err)
	out.pages = http.StripPrefix("/send", steps.handler(pages))
	return out
}

// sendOrders are what a serving child is told.
type sendOrders struct {
	Place place
	Ahead time.Duration
}

// TestSendChild is the process that serves sends until it is killed, or the parent is gone; elsewhere it does nothing. What is
// below /control is for the parent.
func TestSendChild(t *testing.T) {
	given := os.Getenv(sendChildEnv)
	if given == "" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		die()
	}()
	var o sendOrders
	require.NoError(t, json.Unmarshal([]byte(given), &o))
	p := &points{}
	var ahead atomic.Int64
	ahead.Store(int64(o.Ahead))
	me := o.Place.start(t, p, &ahead)
	mux := http.NewServeMux()
	mux.Handle("/send/", me.pages)
	mux.HandleFunc("POST /control/arm", func(_ http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n")) // 0 is never reached, and noticed
		p.arm(r.FormValue("point"), n)
	})
	mux.HandleFunc("POST /control/run", func(w http.ResponseWriter, r *http.Request) {
		now, err := strconv.ParseInt(r.FormValue("ahead"), 10, 64)
		if err == nil {
			ahead.Store(now)
			err = me.svc.RunOnce(r.Context())
		}
		answer(w, err)
	})
	mux.HandleFunc("POST /control/create", func(w http.ResponseWriter, r *http.Request) {
		_, err := me.svc.Create(r.Context(), fileRequest(securesend.GateNone))
		answer(w, err)
	})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	fmt.Printf("serving http://%s\n", l.Addr())
	require.NoError(t, (&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(l))
}

// answer says what became of an order.
func answer(w http.ResponseWriter, err error) {
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
		return
	}
	_, _ = w.Write([]byte("{}"))
}
