package kill_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/custom"
	"github.com/mspkit/mspkit/psa/outbox"
	"github.com/mspkit/mspkit/psa/outbox/sqlstore"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/mspkit/mspkit/psa/riverqueue"
)

const outboxChildEnv = "MSPKIT_TEST_KILL_OUTBOX_CHILD"

// The times of the test. A try is given up after outboxTry, and what the fake ticket system does after that it does
// within a third of outboxSettle; the rest is for a machine that is busy.
const (
	outboxTry    = time.Second
	outboxSettle = 1500 * time.Millisecond
)

// outboxOrders are what the parent tells a child.
type outboxOrders struct {
	Place place
	// Desk and DeskKey are the ticket system.
	Desk, DeskKey string
	Ring          string
	// Name begins the keys of the notes that the child adds to Tickets: numbers from From on, Quota of them.
	Name        string
	Tickets     []string
	From, Quota int
	// Blind children cannot ask what is in a ticket.
	Blind bool
}

func (o outboxOrders) ref(n int) psa.TicketRef {
	return psa.TicketRef{Tenant: tenant, Ticket: mspkit.Ticket{System: "homegrown", ID: o.Tickets[n%len(o.Tickets)]}}
}

// note is the n-th note. Some are too long for one.
func (o outboxOrders) note(n int) psa.Note {
	id := fmt.Sprintf("%s-%d", o.Name, n)
	filler := ""
	if n%10 == 3 {
		filler = strings.Repeat("\nmore of it", psatest.HomegrownNoteLimit/11+20)
	}
	return psa.Note{Text: "note " + id + filler + "\ntail " + id, Key: id}
}

// TestOutboxChild is a process that adds notes to an outbox and delivers them until it is killed; elsewhere it does nothing.
func TestOutboxChild(t *testing.T) {
	given := os.Getenv(outboxChildEnv)
	if given == "" {
		return
	}
	go func() { // the parent is gone where this ends
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	var o outboxOrders
	require.NoError(t, json.Unmarshal([]byte(given), &o))
	ctx := t.Context()
	var say sync.Mutex
	tell := func(what string, v any) {
		b, _ := json.Marshal(v)
		say.Lock()
		defer say.Unlock()
		fmt.Printf("%s %s\n", what, b)
	}
	box, client := o.box(t, outbox.RecorderFunc(func(_ context.Context, e outbox.Event) error {
		tell("event", e)
		return nil
	}))
	if client != nil {
		require.NoError(t, client.Start(ctx))
	}
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx) }()
	tell("ready", nil)
	for n := o.From; n < o.From+o.Quota; n++ {
		_, err := box.AddNote(ctx, o.ref(n), o.note(n))
		require.NoError(t, err)
		tell("in", n)
		time.Sleep(rand.N(20 * time.Millisecond))
	}
	require.NoError(t, <-ended)
}

// box makes an outbox as orders say, with a River client on PostgreSQL.
func (o outboxOrders) box(t *testing.T, r outbox.Recorder) (*outbox.Outbox, interface{ Start(context.Context) error }) {
	t.Helper()
	k, err := mspkit.ParseKey(o.Ring)
	require.NoError(t, err)
	ring, err := mspkit.NewKeyRing(k)
	require.NoError(t, err)
	store, err := sqlstore.New(o.Place.db(t, 8), o.Place.dialect(), nil)
	require.NoError(t, err)
	settings := &outbox.Options{
		Recorder: r, Workers: 8, Backoff: 50 * time.Millisecond, MaxBackoff: 500 * time.Millisecond, TryTimeout: outboxTry, Settle: outboxSettle, Skew: -1,
		MaxAge: -1, Poll: 300 * time.Millisecond, Breaker: outbox.Breaker{Open: 100 * time.Millisecond},
	}
	var client interface{ Start(context.Context) error }
	if o.Place.Kind == "postgres" {
		q, c := riverClient(t, o.Place.Address, river.QueueDefault)
		settings.Queue, client = q, c
	}
	sys := o.system(t)
	var noter psa.TicketNoter = sys
	if o.Blind {
		noter = struct {
			psa.TicketNoter
			psa.NoteLimiter
		}{sys, sys}
	}
	box, err := outbox.New(noter, store, ring, settings)
	require.NoError(t, err)
	return box, client
}

// riverClient is the queue and the client of one machine, which works on a queue of River.
func riverClient(t *testing.T, address, works string) (*riverqueue.Queue, *river.Client[riverTx]) {
	t.Helper()
	c, err := pgxpool.ParseConfig(address)
	require.NoError(t, err)
	c.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	q, err := riverqueue.New(&riverqueue.Options{Timeout: 10 * time.Second})
	require.NoError(t, err)
	workers := river.NewWorkers()
	require.NoError(t, q.AddTo(workers))
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Workers: workers, Queues: map[string]river.QueueConfig{works: {MaxWorkers: 8}}, Logger: slog.New(slog.DiscardHandler),
		JobTimeout: 5 * time.Second, RescueStuckJobsAfter: 10 * time.Second, FetchPollInterval: 200 * time.Millisecond,
	})
	require.NoError(t, err)
	require.NoError(t, q.Use(client))
	return q, client
}

// system is the ticket system as somebody brings it in.
func (o outboxOrders) system(t *testing.T) *custom.System {
	t.Helper()
	client := &http.Client{}
	do := func(ctx context.Context, method string, ref psa.TicketRef, query string, in, out any) error {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, method, o.Desk+"/v1/tickets/"+url.PathEscape(ref.Ticket.ID)+"/notes"+query, bytes.NewReader(b))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+o.DeskKey)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if err := custom.Status(resp); err != nil {
			return err
		}
		var said struct {
			OK bool `json:"ok"`
		}
		b, err = io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if err := errors.Join(json.Unmarshal(b, &said), json.Unmarshal(b, out)); err != nil {
			return err
		}
		if !said.OK {
			return fmt.Errorf("the desk refuses: %s", b)
		}
		return nil
	}
	sys, err := custom.New("homegrown", custom.Funcs{
		AddNote: func(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
			var out struct {
				ID string `json:"id"`
			}
			err := do(ctx, http.MethodPost, ref, "", map[string]any{"title": n.Title, "text": n.Text, "public": n.Visibility == psa.Public}, &out)
			return out.ID, err
		},
		ListNotes: func(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
			var out struct {
				Me    int `json:"me"`
				Notes []struct {
					ID       string    `json:"id"`
					AuthorID int       `json:"author_id"`
					Text     string    `json:"text"`
					Created  time.Time `json:"created"`
				} `json:"notes"`
			}
			if err := do(ctx, http.MethodGet, ref, "?since="+url.QueryEscape(since.UTC().Format(time.RFC3339)), nil, &out); err != nil {
				return nil, err
			}
			var list []psa.WrittenNote
			for _, n := range out.Notes {
				list = append(list, psa.WrittenNote{ID: n.ID, Ours: n.AuthorID == out.Me, Text: n.Text, CreatedAt: n.Created})
			}
			return list, nil
		},
	}, &custom.Options{NoteLimit: psatest.HomegrownNoteLimit, Timeout: -1, MaxRetryAfter: -1})
	require.NoError(t, err)
	return sys
}
