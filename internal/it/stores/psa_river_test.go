package stores_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa/riverqueue"
)

// riverWorld is a database with River's tables, and clients that stand for machines.
type riverWorld struct {
	testing.TB
	pool   *pgxpool.Pool
	schema string
}

func newRiverWorld(t testing.TB) *riverWorld {
	t.Helper()
	return riverOn(t, postgresSchema(t))
}

// riverOn makes River's tables in the schema of d.
func riverOn(t testing.TB, d database) *riverWorld {
	t.Helper()
	w := &riverWorld{TB: t, schema: d.schema}
	c, err := pgxpool.ParseConfig(d.dsn)
	require.NoError(t, err)
	c.MaxConns = 12
	w.pool, err = pgxpool.NewWithConfig(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(w.pool.Close)
	_, err = w.pool.Exec(t.Context(), `CREATE SCHEMA IF NOT EXISTS "`+w.schema+`"`)
	require.NoError(t, err)
	m, err := rivermigrate.New(riverpgxv5.New(w.pool), &rivermigrate.Config{Schema: w.schema, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = m.Migrate(t.Context(), rivermigrate.DirectionUp, nil)
	require.NoError(t, err)
	return w
}

// machine is a process with a client.
type machine struct {
	queue  *riverqueue.Queue
	client *river.Client[pgx.Tx]
}

// machine returns one whose streams are drained so. It works from [machine.start].
func (w *riverWorld) machine(o riverqueue.Options, workers int, drain mspkit.Drain) *machine {
	w.Helper()
	q, err := riverqueue.New(&o)
	require.NoError(w, err)
	require.NoError(w, q.Handle("psa-notes", drain))
	ws := river.NewWorkers()
	require.NoError(w, q.AddTo(ws))
	client, err := river.NewClient(riverpgxv5.New(w.pool), &river.Config{
		Schema: w.schema, Workers: ws, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Logger: slog.New(slog.DiscardHandler), JobTimeout: time.Second, RescueStuckJobsAfter: time.Second, TestOnly: true, // no random pauses
	})
	require.NoError(w, err)
	require.NoError(w, q.Use(client))
	return &machine{q, client}
}

func (w *riverWorld) start(ms ...*machine) {
	w.Helper()
	for _, m := range ms {
		require.NoError(w, m.client.Start(context.WithoutCancel(w.Context())))
		w.Cleanup(func() { _ = m.client.StopAndCancel(context.Background()) })
	}
}

func (w *riverWorld) one(dest any, query string) {
	w.Helper()
	require.NoError(w, w.pool.QueryRow(w.Context(), query).Scan(dest))
}

func note(key any) mspkit.Stream {
	return mspkit.Stream{Kind: "psa-notes", Tenant: "contoso", Key: fmt.Sprint(key)}
}

// soon is enough for River on a machine that is busy.
const soon = 30 * time.Second

// after waits for what a drain says.
func after[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(2 * soon):
		t.Fatal("nothing is drained")
	}
	return v
}

// work is rows that wakes are for, with the lease that keeps two from draining them at once.
type work struct {
	mu         sync.Mutex
	rows, done map[string]int
	held       map[string]bool
	drains     int
	most       int // rows that one drain found
}

func newWork() *work {
	return &work{rows: map[string]int{}, done: map[string]int{}, held: map[string]bool{}}
}

func (w *work) add(s mspkit.Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows[s.Key]++
}

func (w *work) drain(ctx context.Context, s mspkit.Stream) (time.Time, error) {
	w.mu.Lock()
	w.drains++
	if w.held[s.Key] {
		w.mu.Unlock()
		return time.Now().Add(2 * time.Second), nil
	}
	w.held[s.Key] = true
	for {
		n := w.rows[s.Key]
		w.most = max(w.most, n-w.done[s.Key])
		if n == w.done[s.Key] {
			w.held[s.Key] = false
			w.mu.Unlock()
			// The drain still has something to tidy up when a row comes that it does not see.
			select {
			case <-ctx.Done():
			case <-time.After(time.Millisecond):
			}
			return time.Time{}, nil
		}
		w.mu.Unlock()
		time.Sleep(time.Millisecond) // a call to the ticket system
		w.mu.Lock()
		w.done[s.Key] = n
	}
}

func (w *work) left() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, rows := range w.rows {
		n += rows - w.done[key]
	}
	return n
}

func TestRiverAThousandWakesAreFewJobsAndNoneIsLost(t *testing.T) {
	t.Parallel()
	w := newRiverWorld(t)
	rows := newWork()
	a, b := w.machine(riverqueue.Options{}, 4, rows.drain), w.machine(riverqueue.Options{}, 4, rows.drain)
	const streams, wakes = 5, 1000
	for i := range wakes / 2 { // while nobody works
		s := note(i % streams)
		rows.add(s)
		require.NoError(t, a.queue.Wake(t.Context(), s, time.Time{}))
	}
	var jobs int
	w.one(&jobs, `SELECT count(*) FROM river_job`)
	require.Equal(t, streams, jobs, "one job per stream")
	w.start(a, b)
	var wg sync.WaitGroup
	for n, m := range []*machine{a, b} {
		wg.Go(func() {
			for i := range wakes / 4 { // while they work; nobody polls
				s := note((i + n) % streams)
				rows.add(s)
				if err := m.queue.Wake(t.Context(), s, time.Time{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool { return rows.left() == 0 }, soon, 5*time.Millisecond, "a wake is lost")
	w.one(&jobs, `SELECT count(*) FROM river_job`)
	t.Logf("%d wakes: %d jobs, %d drains", wakes, jobs, rows.drains)
	require.Less(t, jobs, wakes/2)
}

func TestRiverAWakeWhileAnotherMachineDrainsIsNotLost(t *testing.T) {
	t.Parallel()
	w := newRiverWorld(t)
	began, finish := make(chan string, 10), make(chan struct{})
	drain := func(name string) mspkit.Drain {
		return func(ctx context.Context, _ mspkit.Stream) (time.Time, error) {
			began <- name
			select {
			case <-finish:
			case <-ctx.Done():
			}
			return time.Time{}, ctx.Err()
		}
	}
	a, b := w.machine(riverqueue.Options{}, 1, drain("a")), w.machine(riverqueue.Options{}, 1, drain("b"))
	w.start(a)
	require.NoError(t, b.queue.Wake(t.Context(), note(1), time.Time{}))
	require.Equal(t, "a", after(t, began))
	for range 10 { // the machine that drains remembers
		require.NoError(t, a.queue.Wake(t.Context(), note(1), time.Time{}))
	}
	var jobs int
	w.one(&jobs, `SELECT count(*) FROM river_job`)
	require.Equal(t, 1, jobs)
	for range 10 { // another one makes a second job
		require.NoError(t, b.queue.Wake(t.Context(), note(1), time.Time{}))
	}
	w.one(&jobs, `SELECT count(*) FROM river_job`)
	require.Equal(t, 2, jobs)
	w.start(b)
	require.Equal(t, "b", after(t, began))
	close(finish)
	require.Equal(t, "a", after(t, began), "once more for its own wakes")
	require.Eventually(t, func() bool {
		w.one(&jobs, `SELECT count(*) FROM river_job WHERE state <> 'completed'`)
		return jobs == 0
	}, soon, 10*time.Millisecond)
	require.Empty(t, began)
}

func TestRiverADrainComesBackAndAWakeBringsItForward(t *testing.T) {
	t.Parallel()
	w := newRiverWorld(t)
	var n atomic.Int32
	began := make(chan time.Time, 10)
	m := w.machine(riverqueue.Options{}, 2, func(context.Context, mspkit.Stream) (time.Time, error) {
		began <- time.Now()
		switch n.Add(1) {
		case 1:
			return time.Now().Add(700 * time.Millisecond), nil
		case 2:
			return time.Now().Add(time.Hour), nil
		}
		return time.Time{}, nil
	})
	w.start(m)
	require.NoError(t, m.queue.Wake(t.Context(), note(1), time.Time{}))
	first, second := after(t, began), after(t, began)
	require.GreaterOrEqual(t, second.Sub(first), 700*time.Millisecond)
	state := ""
	require.Eventually(t, func() bool {
		w.one(&state, `SELECT state::text FROM river_job`)
		return state == "scheduled"
	}, soon, 5*time.Millisecond)
	require.NoError(t, m.queue.Wake(t.Context(), note(1), time.Now().Add(2*time.Hour)))
	w.one(&state, `SELECT state::text FROM river_job`)
	require.Equal(t, "scheduled", state, "a later wake changes nothing")
	require.NoError(t, m.queue.Wake(t.Context(), note(1), time.Now().Add(time.Minute)))
	require.Less(t, after(t, began).Sub(second), soon)
	var jobs, attempt int
	w.one(&jobs, `SELECT count(*) FROM river_job`)
	w.one(&attempt, `SELECT attempt FROM river_job`)
	require.Equal(t, []int{1, 1}, []int{jobs, attempt}, "to rest is no failure")
}

func TestRiverAWakeForLaterWaits(t *testing.T) {
	t.Parallel()
	w := newRiverWorld(t)
	began := make(chan time.Time, 10)
	m := w.machine(riverqueue.Options{}, 2, func(context.Context, mspkit.Stream) (time.Time, error) {
		began <- time.Now()
		return time.Time{}, nil
	})
	w.start(m)
	at := time.Now().Add(1500 * time.Millisecond)
	require.NoError(t, m.queue.Wake(t.Context(), note(1), at))
	late := after(t, began).Sub(at)
	t.Logf("%s late", late)
	require.Positive(t, late)
}

func TestRiverDrainsThatFailAreTriedAgainAndTellNoText(t *testing.T) {
	t.Parallel()
	w := newRiverWorld(t)
	var n atomic.Int32
	done := make(chan struct{})
	m := w.machine(riverqueue.Options{MaxAttempts: 3, Backoff: func(fails int) time.Duration { return time.Duration(fails) * 10 * time.Millisecond }}, 2,
		func(_ context.Context, s mspkit.Stream) (time.Time, error) {
			if s.Key == "hopeless" {
				return time.Time{}, errors.New("never")
			}
			switch n.Add(1) {
			case 1:
				return time.Time{}, errors.New("the database is away")
			case 2:
				panic("the note says: secret")
			}
			close(done)
			return time.Time{}, nil
		})
	w.start(m)
	require.NoError(t, m.queue.Wake(t.Context(), note(1), time.Time{}))
	after(t, done)
	var told string
	w.one(&told, `SELECT array_to_string(errors, ' ') FROM river_job`)
	require.Contains(t, told, "the database is away")
	require.Contains(t, told, "psa_river_test.go", "where it panicked")
	require.NotContains(t, told, "secret")

	s := note("hopeless")
	gone := func() (discarded int) {
		w.one(&discarded, `SELECT count(*) FROM river_job WHERE state = 'discarded'`)
		return discarded
	}
	for i := range 2 { // what River gave up is taken up by the next wake
		require.NoError(t, m.queue.Wake(t.Context(), s, time.Time{}))
		require.Eventually(t, func() bool { return gone() == i+1 }, soon, 5*time.Millisecond)
	}
}

func TestRiverAMachineThatStopsHandsItsJobsOver(t *testing.T) {
	t.Parallel()
	w := newRiverWorld(t)
	began, done := make(chan struct{}), make(chan struct{})
	a := w.machine(riverqueue.Options{MaxAttempts: 1}, 1, func(ctx context.Context, _ mspkit.Stream) (time.Time, error) {
		close(began)
		<-ctx.Done()
		return time.Time{}, errors.New("I was told to stop")
	})
	b := w.machine(riverqueue.Options{}, 1, func(context.Context, mspkit.Stream) (time.Time, error) {
		close(done) // the only attempt was not used up
		return time.Time{}, nil
	})
	w.start(a)
	require.NoError(t, a.queue.Wake(t.Context(), note(1), time.Time{}))
	after(t, began)
	w.start(b)
	require.NoError(t, a.client.StopAndCancel(t.Context()))
	after(t, done)
}

// kill leaves the job of a stream as a worker that was killed does.
func (w *riverWorld) kill(turn int) {
	w.Helper()
	tag, err := w.pool.Exec(w.Context(), `UPDATE river_job SET state = 'running', attempt = 1, attempted_by = '{dead}',
		attempted_at = now() - interval '10 seconds' WHERE (args->>'turn')::int = $1`, turn)
	require.NoError(w, err)
	require.EqualValues(w, 1, tag.RowsAffected())
}

func TestRiverRescuesTheJobOfAKilledWorker(t *testing.T) {
	t.Parallel()
	w := newRiverWorld(t)
	done := make(chan struct{})
	m := w.machine(riverqueue.Options{Timeout: time.Second, Backoff: func(int) time.Duration { return time.Millisecond }}, 1,
		func(context.Context, mspkit.Stream) (time.Time, error) {
			close(done)
			return time.Time{}, nil
		})
	require.NoError(t, m.queue.Wake(t.Context(), note(1), time.Time{}))
	w.kill(0)
	start := time.Now()
	w.start(m)
	after(t, done)
	t.Logf("after %s", time.Since(start))
}

func TestRiverAKilledWorkerDoesNotHoldUpItsStream(t *testing.T) {
	t.Parallel()
	w := newRiverWorld(t)
	done := make(chan struct{}, 1)
	m := w.machine(riverqueue.Options{Timeout: time.Hour}, 1, func(context.Context, mspkit.Stream) (time.Time, error) {
		done <- struct{}{}
		return time.Time{}, nil
	})
	for turn := range 5 { // five died over it, and nobody rescues their jobs for an hour
		require.NoError(t, m.queue.Wake(t.Context(), note(1), time.Time{}))
		w.kill(turn)
	}
	w.start(m)
	require.NoError(t, m.queue.Wake(t.Context(), note(1), time.Time{}))
	after(t, done)
}

func TestRiverAProcessThatOnlyWakesNeedsNoWorkers(t *testing.T) {
	t.Parallel()
	w := newRiverWorld(t)
	q, err := riverqueue.New(&riverqueue.Options{Queue: "mspkit", Priority: 3})
	require.NoError(t, err)
	client, err := river.NewClient(riverpgxv5.New(w.pool), &river.Config{Schema: w.schema})
	require.NoError(t, err)
	require.NoError(t, q.Use(client))
	require.NoError(t, q.Wake(t.Context(), note("halopsa/4711"), time.Time{}))
	var got []string
	rows, err := w.pool.Query(t.Context(), `SELECT kind || ' ' || queue || ' ' || priority || ' ' || args FROM river_job`)
	require.NoError(t, err)
	got, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.True(t, slices.Contains(got, `mspkit_drain mspkit 3 {"key": "halopsa/4711", "kind": "psa-notes", "turn": 0, "tenant": "contoso"}`), got)
}
