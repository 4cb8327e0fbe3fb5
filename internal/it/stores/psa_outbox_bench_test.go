package stores_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/custom"
	"github.com/mspkit/mspkit/psa/outbox"
	outboxsql "github.com/mspkit/mspkit/psa/outbox/sqlstore"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/mspkit/mspkit/psa/riverqueue"
)

// noteBench is a fake ticket system over HTTP without limits, outboxes in front of it that share a store, and a table
// beside it with the columns of a note and nothing else.
type noteBench struct {
	b       *testing.B
	direct  psa.TicketNoter
	boxes   []*outbox.Outbox // accept; each is a process
	db      *sql.DB
	insert  string
	tickets []mspkit.Ticket
	made    atomic.Int64

	arrived atomic.Int64
	when    sync.Map // of the note with a title, where somebody waits for it
}

// The clients that add notes at once, and how many tickets each process works on at once.
const noteClients, noteWorkers, noteTickets = 8, 4, 64

func newNoteBench(b *testing.B, d database) *noteBench {
	b.Helper()
	x := &noteBench{b: b, db: d.open(b)}
	if d.dialect == sqlx.SQLite {
		x.db.SetMaxOpenConns(1)
	} else {
		x.db.SetMaxOpenConns(noteClients)
		x.db.SetMaxIdleConns(noteClients)
	}
	desk := psatest.NewDesk(nil)
	srv, err := psatest.NewHomegrown(desk)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, srv.Close()) })
	for range noteTickets {
		x.tickets = append(x.tickets, mspkit.Ticket{System: "homegrown", ID: desk.PutTicket(psa.Ticket{Title: "A ticket"}).ID})
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Cleanup(client.CloseIdleConnections)
	x.direct, err = custom.New("homegrown", custom.Funcs{AddNote: func(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
		in, err := json.Marshal(map[string]any{"title": n.Title, "text": n.Text, "public": n.Visibility == psa.Public})
		if err != nil {
			return "", err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/v1/tickets/"+ref.Ticket.ID+"/notes", bytes.NewReader(in))
		if err != nil {
			return "", err
		}
		req.Header.Set("Authorization", "Bearer "+srv.Key)
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		var out struct {
			ID string `json:"id"`
		}
		err = errors.Join(custom.Status(resp), json.NewDecoder(resp.Body).Decode(&out))
		_, _ = io.Copy(io.Discard, resp.Body)
		if err == nil && out.ID == "" {
			return "", errors.New("the desk refuses")
		}
		return out.ID, err
	}}, nil)
	require.NoError(b, err)

	bytea := map[sqlx.Dialect]string{sqlx.SQLite: "BLOB", sqlx.Postgres: "BYTEA"}[d.dialect]
	_, err = x.db.ExecContext(b.Context(), `CREATE TABLE bare (tenant TEXT NOT NULL, id TEXT NOT NULL, ticket TEXT NOT NULL, state TEXT NOT NULL,
		sealed `+bytea+`, due BIGINT NOT NULL, added BIGINT NOT NULL, PRIMARY KEY (tenant, id))`)
	require.NoError(b, err)
	x.insert = d.dialect.Rebind("INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?)")
	return x
}

// box adds a process. Without a queue it has the loop of the outbox.
func (x *noteBench) box(d database, ring *mspkit.KeyRing, q mspkit.Queue) {
	x.b.Helper()
	db := d.open(x.b)
	conns := noteClients
	if d.dialect == sqlx.SQLite { // which has one writer: others would sleep until it is done
		conns = 1
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	o := &outboxsql.Options{Schema: d.schema}
	require.NoError(x.b, outboxsql.Migrate(x.b.Context(), db, d.dialect, o))
	store, err := outboxsql.New(db, d.dialect, o)
	require.NoError(x.b, err)
	box, err := outbox.New(arriving{x}, store, ring, &outbox.Options{Queue: q, Workers: noteWorkers})
	require.NoError(x.b, err)
	x.boxes = append(x.boxes, box)
}

// run runs the outboxes until the end of the benchmark.
func (x *noteBench) run() {
	ctx, stop := context.WithCancel(context.WithoutCancel(x.b.Context()))
	var all sync.WaitGroup
	for _, box := range x.boxes {
		all.Go(func() {
			if err := box.Run(ctx); err != nil {
				x.b.Error(err)
			}
		})
	}
	x.b.Cleanup(func() { stop(); all.Wait() })
}

// arriving is the ticket system, as the outboxes see it.
type arriving struct{ x *noteBench }

func (s arriving) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	id, err := s.x.direct.AddNote(ctx, ref, n)
	if err != nil {
		s.x.b.Error(err)
		return id, err
	}
	if c, ok := s.x.when.LoadAndDelete(n.Title); ok {
		if c, ok := c.(chan time.Time); ok {
			c <- time.Now()
		}
	}
	s.x.arrived.Add(1)
	return id, nil
}

func (x *noteBench) note() (psa.TicketRef, psa.Note) {
	n := x.made.Add(1)
	return psa.TicketRef{Tenant: "contoso", Ticket: x.tickets[n%noteTickets]}, psa.Note{
		Title: fmt.Sprint("Caller verified ", n), Text: strings.Repeat("Verified by a code sent to a known number. ", 5), Key: fmt.Sprint("event-", n),
	}
}

// crowd runs f n times by so many clients, and returns the time it took.
func (x *noteBench) crowd(clients, n int, f func(client int) error) time.Duration {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	begun := time.Now()
	for c := range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(c); err != nil {
					x.b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begun)
}

// throughput lets the outboxes, a loop that writes the same notes without one, and inserts of such rows take turns.
func (x *noteBench) throughput() {
	ctx := x.b.Context()
	var accept, all, direct, insert time.Duration
	const chunk = 500
	done := 0
	for done < x.b.N {
		direct += x.crowd(noteWorkers*len(x.boxes), chunk, func(int) error {
			ref, n := x.note()
			_, err := x.direct.AddNote(ctx, ref, n)
			return err
		})
		sealed := make([]byte, 400)
		insert += x.crowd(noteClients, chunk, func(int) error {
			ref, n := x.note()
			now := time.Now().UnixMicro()
			_, err := x.db.ExecContext(ctx, x.insert, ref.Tenant, n.Key, ref.Ticket.ID, "pending", sealed, now, now)
			return err
		})
		want := x.arrived.Load() + chunk
		begun := time.Now()
		accept += x.crowd(noteClients, chunk, func(c int) error {
			ref, n := x.note()
			_, err := x.boxes[c%len(x.boxes)].AddNote(ctx, ref, n)
			return err
		})
		for x.arrived.Load() < want {
			time.Sleep(time.Millisecond)
			if time.Since(begun) > time.Minute {
				x.b.Fatalf("%d notes of %d did not arrive", want-x.arrived.Load(), chunk)
			}
		}
		all += time.Since(begun)
		done += chunk
	}
	rate := func(d time.Duration) float64 { return float64(done) / d.Seconds() }
	x.b.ReportMetric(rate(all), "notes/s")
	x.b.ReportMetric(rate(accept), "accepted/s")
	x.b.ReportMetric(rate(direct), "direct/s")
	x.b.ReportMetric(rate(insert), "inserts/s")
	x.b.ReportMetric(float64(all)/float64(direct), "x/direct")
	x.b.ReportMetric(float64(accept)/float64(insert), "accept-x/insert")
	x.b.ReportMetric(0, "ns/op") // of both sides, which nobody needs
}

// latency adds one note after the other, and compares when it is in the ticket system with a call without an outbox.
func (x *noteBench) latency() {
	ctx := x.b.Context()
	var ours, accept, direct []time.Duration
	for i := range x.b.N {
		ref, n := x.note()
		begun := time.Now()
		_, err := x.direct.AddNote(ctx, ref, n)
		require.NoError(x.b, err)
		direct = append(direct, time.Since(begun))

		ref, n = x.note()
		c := make(chan time.Time, 1)
		x.when.Store(n.Title, c)
		begun = time.Now()
		_, err = x.boxes[i%len(x.boxes)].AddNote(ctx, ref, n)
		require.NoError(x.b, err)
		accept = append(accept, time.Since(begun))
		select {
		case at := <-c:
			ours = append(ours, at.Sub(begun))
		case <-time.After(time.Minute):
			x.b.Fatal("a note did not arrive")
		}
		time.Sleep(time.Duration(i%7) * time.Millisecond) // not in step with anything
	}
	for name, d := range map[string][]time.Duration{"arrival": ours, "accept": accept, "direct": direct} {
		slices.Sort(d)
		x.b.ReportMetric(float64(d[len(d)/2].Microseconds())/1000, name+"-p50-ms")
		x.b.ReportMetric(float64(d[len(d)*99/100].Microseconds())/1000, name+"-p99-ms")
	}
	x.b.ReportMetric(0, "ns/op")
}

func sqliteNotes(b *testing.B) *noteBench {
	b.Helper()
	d := sqliteFile(b)
	d.dsn = strings.Replace(d.dsn, "synchronous(NORMAL)", "synchronous(FULL)&_pragma=busy_timeout(5000)", 1)
	x := newNoteBench(b, d)
	x.box(d, newRing(b), nil)
	x.run()
	return x
}

// riverNotes is two processes on a server of their own, with River as it comes or looking so often.
func riverNotes(b *testing.B, cooldown time.Duration) *noteBench {
	b.Helper()
	d := database{dialect: sqlx.Postgres, driver: "pgx", dsn: pgserver.New(b).URL(), schema: "public"}
	w := riverOn(b, d)
	x := newNoteBench(b, d)
	ring := newRing(b)
	for range 2 {
		q, err := riverqueue.New(nil)
		require.NoError(b, err)
		x.box(d, ring, q)
		workers := river.NewWorkers()
		require.NoError(b, q.AddTo(workers))
		client, err := river.NewClient(riverpgxv5.New(w.pool), &river.Config{
			Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: noteWorkers}}, FetchCooldown: cooldown,
			Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(b, err)
		require.NoError(b, q.Use(client))
		w.start(&machine{q, client})
	}
	x.run()
	return x
}

// BenchmarkOutbox measures how many notes an outbox accepts and delivers per second, beside a loop of as many workers that
// writes the same notes without one (x/direct), and accepting beside inserts of such rows by as many clients
// (accept-x/insert); the sides take turns. The ticket system is a fake over HTTP in the same process. SQLite is one
// process with FULL, PostgreSQL two on River, on a server of its own with fsync. Run it with a fixed count such as
// -benchtime 2000x.
func BenchmarkOutbox(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { sqliteNotes(b).throughput() })
	b.Run("River", func(b *testing.B) { riverNotes(b, 0).throughput() })
	b.Run("River, FetchCooldown 10ms", func(b *testing.B) { riverNotes(b, 10*time.Millisecond).throughput() })
}

// BenchmarkOutboxLatency measures how long after AddNote a note is in the ticket system, how long AddNote takes, and the
// same without an outbox, one note at a time. Run it with a fixed count such as -benchtime 300x.
func BenchmarkOutboxLatency(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { sqliteNotes(b).latency() })
	b.Run("River", func(b *testing.B) { riverNotes(b, 0).latency() })
	b.Run("River, FetchCooldown 10ms", func(b *testing.B) { riverNotes(b, 10*time.Millisecond).latency() })
}
