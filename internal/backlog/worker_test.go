package backlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/jobs"
)

const secret = "Dana's message"

func record(text string) []byte { return append([]byte("\x01\x02k1"), text...) }

func item(key, id string) backlog.Item {
	return backlog.Item{Tenant: "contoso", Key: key, ID: id, Sealed: record(secret)}
}

// world is a worker on a store in memory, in the time of a bubble, and what it did.
type world struct {
	*testing.T
	store  *backlog.Memory
	worker *backlog.Worker
	start  time.Time
	log    bytes.Buffer
	logMu  sync.Mutex
	stop   context.CancelFunc
	ended  chan error

	mu   sync.Mutex
	seen []string // "id at offset"
}

func (w *world) Write(p []byte) (int, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.String()
}

// newWorld returns a world whose items are noted and then done by f; nil does nothing.
func newWorld(t *testing.T, o backlog.Options, f backlog.Handle) *world {
	t.Helper()
	w := &world{T: t, store: backlog.NewMemory(), start: time.Now()}
	w.worker = w.another(o, f)
	return w
}

// another returns a worker on the same store.
func (w *world) another(o backlog.Options, f backlog.Handle) *backlog.Worker {
	w.Helper()
	if o.Kind == "" {
		o.Kind = "posts"
	}
	o.Logger = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	worker, err := backlog.New(w.store, func(ctx context.Context, it backlog.Item) error {
		w.mu.Lock()
		w.seen = append(w.seen, fmt.Sprintf("%s at %s", it.ID, time.Since(w.start)))
		w.mu.Unlock()
		if f == nil {
			return nil
		}
		return f(ctx, it)
	}, &o)
	require.NoError(w, err)
	return worker
}

func (w *world) add(items ...backlog.Item) {
	w.Helper()
	n, err := w.worker.Add(w.Context(), items...)
	require.NoError(w, err)
	require.Equal(w, len(items), n)
}

func (w *world) run() {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	w.stop, w.ended = stop, make(chan error, 1)
	go func() { w.ended <- w.worker.Run(ctx) }()
	synctest.Wait()
}

func (w *world) end() {
	w.Helper()
	w.stop()
	require.NoError(w, <-w.ended)
}

// pass lets time pass and requires what was handed over since, in any order.
func (w *world) pass(d time.Duration, want ...string) {
	w.Helper()
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.ElementsMatch(w, want, w.seen)
	w.seen = nil
}

func (w *world) state(id string) backlog.Item {
	w.Helper()
	it, err := w.store.Get(context.WithoutCancel(w.Context()), "contoso", id)
	require.NoError(w, err)
	return it
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func TestOptionsAreCheckedTogether(t *testing.T) {
	t.Parallel()
	handle := func(context.Context, backlog.Item) error { return nil }
	_, err := backlog.New(nil, nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "option Kind")
	require.ErrorContains(t, err, "a store and a handle are needed")
	_, err = backlog.New(backlog.NewMemory(), handle, &backlog.Options{
		Kind: "a", Workers: -1, PerTenant: -1, Lease: time.Second, Timeout: time.Second, Poll: -1, GiveUp: 1,
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, text := range []string{"Workers", "PerTenant", "Timeout 1s must be shorter than Lease 1s", "Poll", "GiveUp"} {
		require.ErrorContains(t, err, text)
	}
	_, err = backlog.New(backlog.NewMemory(), handle, &backlog.Options{Kind: "a", GiveUp: -1, Keep: -1, Grace: -1})
	require.NoError(t, err)
	loop, err := jobs.New(nil)
	require.NoError(t, err)
	_, err = backlog.New(backlog.NewMemory(), handle, &backlog.Options{Kind: "a", Queue: loop})
	require.NoError(t, err)
	_, err = backlog.New(backlog.NewMemory(), handle, &backlog.Options{Kind: "a", Queue: loop})
	require.ErrorContains(t, err, "handled already")
}

func TestItemsAreDoneInOrderAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, backlog.Options{}, nil)
		w.add(item("a", "before"))
		w.run()
		w.pass(0, "before at 0s")
		w.pass(time.Second)
		w.add(item("a", "1"), item("b", "2"), item("a", "3"))
		w.pass(0, "1 at 1s", "2 at 1s", "3 at 1s")
		require.Equal(t, backlog.Done, w.state("3").State)
		require.ErrorIs(t, w.worker.Run(t.Context()), backlog.ErrRunning)
		w.end()
		w.run()
		w.end()
		n, err := w.worker.Add(t.Context(), item("a", "1"))
		require.NoError(t, err)
		require.Zero(t, n, "a repeat")
		_, err = w.worker.Add(t.Context(), backlog.Item{Tenant: "contoso"})
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	})
}

func TestWhatFailsIsTriedAgainAndHoldsUpItsStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, backlog.Options{Backoff: seconds}, func(_ context.Context, it backlog.Item) error {
			if it.ID == "1" && it.Tries < 4 {
				return errors.New("no answer\nfrom it")
			}
			return nil
		})
		w.run()
		defer w.end()
		w.add(item("a", "1"), item("a", "2"), item("b", "3"))
		w.pass(time.Second/2, "1 at 0s", "3 at 0s")
		it := w.state("1")
		require.Equal(t, []any{"no answer from it", 1}, []any{it.Fault, it.Tries})
		w.pass(10*time.Second, "1 at 1s", "1 at 3s", "1 at 6s", "2 at 6s")
		require.Empty(t, w.state("1").Fault)
		require.Contains(t, w.logged(), "item=1 tries=3 fault=\"no answer from it\"")
		require.NotContains(t, w.logged(), secret)
	})
}

func TestAServerMayAskToWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waits := []time.Duration{30 * time.Second, time.Millisecond, -time.Hour, 365 * 24 * time.Hour}
		w := newWorld(t, backlog.Options{Backoff: func(int) time.Duration { return time.Second }, GiveUp: -1}, func(_ context.Context, it backlog.Item) error {
			if it.Tries <= len(waits) {
				return fmt.Errorf("it says: %w", backlog.Later(errors.New("too many"), waits[it.Tries-1]))
			}
			return nil
		})
		w.run()
		defer w.end()
		w.add(item("a", "1"))
		w.pass(2*time.Hour, "1 at 0s", "1 at 30s", "1 at 31s", "1 at 32s", "1 at 1h0m32s")
		require.NoError(t, backlog.Later(nil, time.Second))
		require.NoError(t, backlog.Permanent(nil))
	})
}

func TestWhatCannotSucceedIsDeadAndTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []backlog.Item
		cause, good := errors.New("410 Gone"), false
		w := newWorld(t, backlog.Options{OnDead: func(ctx context.Context, it backlog.Item) {
			_, bounded := ctx.Deadline()
			require.True(t, bounded)
			told = append(told, it)
			panic(secret)
		}}, func(_ context.Context, it backlog.Item) error {
			if it.ID == "1" && !good {
				err := backlog.Later(fmt.Errorf("post: %w", backlog.Permanent(cause)), time.Hour)
				require.ErrorIs(t, err, cause)
				require.True(t, backlog.IsPermanent(err))
				return err
			}
			return nil
		})
		w.run()
		defer w.end()
		w.add(item("a", "1"), item("a", "2"))
		w.pass(0, "1 at 0s", "2 at 0s")
		require.Equal(t, w.state("1"), told[0])
		require.Equal(t, []any{backlog.Dead, "post: 410 Gone", record(secret)}, []any{told[0].State, told[0].Fault, told[0].Sealed})
		require.Contains(t, w.logged(), "OnDead panicked")
		require.NotContains(t, w.logged(), secret)
		good = true
		require.NoError(t, w.worker.Replay(t.Context(), "contoso", "1"))
		w.pass(0, "1 at 0s")
		require.ErrorIs(t, w.worker.Replay(t.Context(), "contoso", "1"), backlog.ErrState)
		require.ErrorIs(t, w.worker.Drop(t.Context(), "contoso", "1"), backlog.ErrState)
		require.Len(t, told, 1)
	})
}

func TestWhatFailsForTooLongIsGivenUpAfterTenTriesAtLeast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, backlog.Options{GiveUp: time.Hour, Backoff: func(int) time.Duration { return time.Minute }}, func(context.Context, backlog.Item) error {
			return errors.New("no answer")
		})
		w.run()
		defer w.end()
		w.add(item("a", "1"))
		time.Sleep(59*time.Minute + time.Second)
		require.Equal(t, backlog.Pending, w.state("1").State)
		time.Sleep(time.Minute)
		it := w.state("1")
		require.Equal(t, []any{backlog.Dead, 61, "no answer"}, []any{it.State, it.Tries, it.Fault})
		require.NoError(t, w.worker.Replay(t.Context(), "contoso", "1"))
		time.Sleep(8*time.Minute + time.Second)
		require.Equal(t, []any{backlog.Pending, 9}, []any{w.state("1").State, w.state("1").Tries})
		time.Sleep(time.Minute)
		require.Equal(t, []any{backlog.Dead, 10}, []any{w.state("1").State, w.state("1").Tries})
	})
}

func TestAPanicIsAFaultWithoutWhatItWasGiven(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(){
		"a value":         func() { panic(secret) },
		"an error":        func() { panic(errors.New(secret)) },
		"a runtime error": func() { clear(map[any]int{func() {}: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, backlog.Options{Backoff: seconds}, func(_ context.Context, it backlog.Item) error {
					if it.Tries == 1 {
						f()
					}
					return nil
				})
				w.run()
				defer w.end()
				w.add(item("a", "1"), item("a", "2"))
				w.pass(500*time.Millisecond, "1 at 0s")
				require.Contains(t, w.state("1").Fault, "the handler panicked with a ")
				require.NotContains(t, w.state("1").Fault+w.logged(), secret)
				require.Contains(t, w.logged(), "worker_test.go", "where it was")
				w.pass(time.Second, "1 at 1s", "2 at 1s")
			})
		})
	}
}

func TestAHandlerEndsBeforeItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, backlog.Options{Lease: time.Minute, Timeout: 50 * time.Second, Backoff: seconds}, func(ctx context.Context, it backlog.Item) error {
			if it.Tries > 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		w.run()
		defer w.end()
		w.add(item("a", "1"))
		w.pass(49*time.Second, "1 at 0s")
		require.Empty(t, w.state("1").Fault)
		w.pass(3*time.Second, "1 at 51s")
	})
}

func TestRunEndsAfterTheItemInHand(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		grace, takes, want time.Duration
		state              backlog.State
	}{
		"in time":        {0, 5 * time.Second, 5 * time.Second, backlog.Done},
		"too slow":       {0, 15 * time.Second, 10 * time.Second, backlog.Pending},
		"without a wait": {-1, time.Second, 0, backlog.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, backlog.Options{Grace: x.grace, Backoff: func(int) time.Duration { return time.Hour }}, func(ctx context.Context, _ backlog.Item) error {
					select {
					case <-ctx.Done():
						return fmt.Errorf("post: %w", ctx.Err())
					case <-time.After(x.takes):
						return nil
					}
				})
				w.run()
				w.add(item("a", "1"), item("a", "2"))
				synctest.Wait()
				begun := time.Now()
				w.end()
				require.Equal(t, x.want, time.Since(begun))
				require.Equal(t, x.state, w.state("1").State)
				require.Equal(t, backlog.Pending, w.state("2").State)
				require.Zero(t, w.state("2").Tries)
				if x.state == backlog.Pending {
					require.Equal(t, "the program ended while the item was in hand", w.state("1").Fault)
					due, err := w.store.Due(t.Context(), "posts", time.Now(), 10)
					require.NoError(t, err)
					require.Len(t, due, 1, "another instance may have it at once")
				}
			})
		})
	}
}

func TestThePollFindsWhatNobodyWokeAndWhatADeadProcessHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, backlog.Options{}, nil)
		lost, other := item("a", "lost"), item("b", "other")
		lost.AddedAt, other.AddedAt = w.start, w.start
		_, err := w.store.Add(t.Context(), []backlog.Item{lost})
		require.NoError(t, err)
		_, err = w.store.Next(t.Context(), lost.Stream(""), "dead process", w.start, w.start.Add(time.Minute))
		require.NoError(t, err)
		w.run()
		defer w.end()
		w.pass(11 * time.Second)
		_, err = w.store.Add(t.Context(), []backlog.Item{other})
		require.NoError(t, err)
		w.pass(80*time.Second, "other at 15s", "lost at 1m0s")
	})
}

// sleepy is a queue that forgets every wake.
type sleepy struct{ mspkit.Queue }

func (sleepy) Wake(context.Context, mspkit.Stream, time.Time) error { return errors.New("away") }

func TestAQueueThatIsAwayDoesNotFailAdd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		loop, err := jobs.New(nil)
		require.NoError(t, err)
		w := newWorld(t, backlog.Options{Queue: sleepy{loop}}, nil)
		w.run()
		w.add(item("a", "1"))
		w.pass(time.Hour)
		w.end()
		require.Contains(t, w.logged(), "a stream was not woken")
		require.Less(t, strings.Count(w.logged(), "a look at the rows failed"), 70, "less often each time")
		require.NoError(t, w.worker.RunOnce(t.Context()))
		w.pass(0, "1 at 1h0m0s")
	})
}

func TestAQueueOfTheHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		loop, err := jobs.New(nil)
		require.NoError(t, err)
		w := newWorld(t, backlog.Options{Queue: loop, Backoff: seconds}, func(_ context.Context, it backlog.Item) error {
			if it.Tries == 1 {
				return errors.New("no answer")
			}
			return nil
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- loop.Run(ctx) }()
		w.add(item("a", "1"))
		w.worker.Wake(t.Context(), "contoso", "a")
		w.pass(10*time.Second, "1 at 0s", "1 at 1s")
		stop()
		require.NoError(t, <-ended)
	})
}

func TestRunOnceDoesWhatIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, backlog.Options{Backoff: func(int) time.Duration { return 0 }}, func(_ context.Context, it backlog.Item) error {
			if it.ID == "bad" {
				return errors.New("no answer")
			}
			return nil
		})
		var want []string
		for i := range 250 { // more than one turn of a stream
			w.add(item("a", strconv.Itoa(i)))
			want = append(want, fmt.Sprint(i, " at 0s"))
		}
		w.add(item("b", "bad"), item("b", "behind"))
		for i := range 600 { // more than one page of streams
			w.add(item(fmt.Sprint("s", i), fmt.Sprint("x", i)))
			want = append(want, fmt.Sprint("x", i, " at 0s"))
		}
		require.NoError(t, w.worker.RunOnce(t.Context()))
		w.pass(0, append(want, "bad at 0s")...)
		c, err := w.store.Count(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, 2, c.Pending)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, w.worker.RunOnce(ctx))
	})
}

func TestATenantsFloodDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, backlog.Options{Workers: 1}, func(context.Context, backlog.Item) error {
			time.Sleep(time.Second)
			return nil
		})
		w.run()
		for stream := range 20 {
			for i := range 50 {
				w.add(item(fmt.Sprint("s", stream), fmt.Sprint(stream, "-", i)))
			}
		}
		other := item("a", "other")
		other.Tenant = "fabrikam"
		w.add(other)
		time.Sleep(25 * time.Second) // two turns of the other tenant
		w.end()
		require.True(t, slices.ContainsFunc(w.seen, func(s string) bool { return strings.HasPrefix(s, "other at ") }), "%v", w.seen)
	})
}

func TestOldIdsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, backlog.Options{Keep: time.Hour}, func(_ context.Context, it backlog.Item) error {
			if it.ID == "dead" {
				return backlog.Permanent(errors.New("no"))
			}
			return nil
		})
		w.run()
		defer w.end()
		w.add(item("a", "1"), item("a", "dead"))
		time.Sleep(59 * time.Minute)
		n, err := w.worker.Add(t.Context(), item("a", "1"))
		require.NoError(t, err)
		require.Zero(t, n)
		time.Sleep(3 * time.Minute)
		w.add(item("a", "1"))
		require.Equal(t, backlog.Dead, w.state("dead").State)
	})
}

// flaky is a store that fails for a while.
type flaky struct {
	*backlog.Memory
	fails map[string]int
}

func (f *flaky) fail(method string) error {
	if f.fails[method] > 0 {
		f.fails[method]--
		return errors.New("the database is away")
	}
	return nil
}

func (f *flaky) Next(ctx context.Context, s mspkit.Stream, holder string, now, until time.Time) (backlog.Item, error) {
	if err := f.fail("next"); err != nil {
		return backlog.Item{}, err
	}
	return f.Memory.Next(ctx, s, holder, now, until)
}

func (f *flaky) Finish(ctx context.Context, it backlog.Item, holder string, o backlog.Outcome, now time.Time) error {
	if err := f.fail("finish"); err != nil {
		return err
	}
	return f.Memory.Finish(ctx, it, holder, o, now)
}

func (f *flaky) Due(ctx context.Context, kind string, now time.Time, limit int) ([]mspkit.Stream, error) {
	if err := f.fail("due"); err != nil {
		return nil, err
	}
	return f.Memory.Due(ctx, kind, now, limit)
}

func TestAStoreThatFailsForAWhileLosesNothing(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		fails map[string]int
		want  []string
	}{
		"Next":             {map[string]int{"next": 1}, nil}, // after the pause of the loop, which is random
		"Finish, a moment": {map[string]int{"finish": 3}, []string{"1 at 0s", "2 at 1.3s"}},
		"Finish, for long": {map[string]int{"finish": 4}, []string{"1 at 0s", "1 at 1m0s", "2 at 1m0s"}},
		"Due":              {map[string]int{"due": 1}, []string{"1 at 10s", "2 at 10s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &flaky{backlog.NewMemory(), x.fails}
				start := time.Now()
				var mu sync.Mutex
				var seen []string
				worker, err := backlog.New(store, func(_ context.Context, it backlog.Item) error {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, fmt.Sprintf("%s at %s", it.ID, time.Since(start)))
					return nil
				}, &backlog.Options{Kind: "posts"})
				require.NoError(t, err)
				ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
				defer stop()
				_, err = worker.Add(t.Context(), item("a", "1"), item("a", "2"))
				require.NoError(t, err)
				require.NoError(t, worker.Run(ctx))
				if x.want == nil {
					require.Len(t, seen, 2)
					return
				}
				require.Equal(t, x.want, seen)
			})
		})
	}
}

// slow is a store that takes its time to hand an item out.
type slow struct{ *backlog.Memory }

func (s slow) Next(ctx context.Context, stream mspkit.Stream, holder string, now, until time.Time) (backlog.Item, error) {
	it, err := s.Memory.Next(ctx, stream, holder, now, until)
	time.Sleep(10 * time.Second)
	return it, err
}

// The lease began when it was asked for.
func TestWhatTheStoreTakesIsTakenOffTheHandlersTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		w, err := backlog.New(slow{backlog.NewMemory()}, func(ctx context.Context, _ backlog.Item) error {
			end, _ := ctx.Deadline()
			left = time.Until(end)
			return nil
		}, &backlog.Options{Kind: "posts", Lease: time.Minute, Timeout: 50 * time.Second})
		require.NoError(t, err)
		_, err = w.Add(t.Context(), item("a", "1"))
		require.NoError(t, err)
		require.NoError(t, w.RunOnce(t.Context()))
		require.Equal(t, 40*time.Second, left)
	})
}

func TestAStreamOfManyItemsMakesRoomForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := 0
		w, err := backlog.New(backlog.NewMemory(), func(context.Context, backlog.Item) error { done++; return nil }, &backlog.Options{Kind: "posts"})
		require.NoError(t, err)
		for i := range 150 {
			_, err := w.Add(t.Context(), item("a", strconv.Itoa(i)))
			require.NoError(t, err)
		}
		stream := mspkit.Stream{Kind: "posts", Tenant: "contoso", Key: "a"}
		again, err := w.Drain(t.Context(), stream)
		require.NoError(t, err)
		require.Equal(t, time.Now(), again, "it comes back at once, behind what waits")
		require.Equal(t, 100, done)
		again, err = w.Drain(t.Context(), stream)
		require.NoError(t, err)
		require.Zero(t, again)
		require.Equal(t, 150, done)
	})
}
