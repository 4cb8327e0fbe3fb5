package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const kind = "psa-notes"

func stream(key any) mspkit.Stream {
	return mspkit.Stream{Kind: kind, Tenant: "contoso", Key: fmt.Sprint(key)}
}

// world is a loop and what it drained, in the time of a bubble.
type world struct {
	*testing.T
	loop  *jobs.Loop
	start time.Time
	stop  context.CancelFunc
	ended chan error

	mu   sync.Mutex
	seen []string // "key at offset"
}

// newWorld returns a loop whose drains are noted and then done by f; nil does nothing.
func newWorld(t *testing.T, o *jobs.Options, f mspkit.Drain) *world {
	t.Helper()
	w := &world{T: t, start: time.Now()}
	var err error
	w.loop, err = jobs.New(o)
	require.NoError(t, err)
	require.NoError(t, w.loop.Handle(kind, func(ctx context.Context, s mspkit.Stream) (time.Time, error) {
		w.mu.Lock()
		w.seen = append(w.seen, fmt.Sprintf("%s at %s", s.Key, time.Since(w.start)))
		w.mu.Unlock()
		if f == nil {
			return time.Time{}, nil
		}
		return f(ctx, s)
	}))
	return w
}

func (w *world) run() {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	w.stop, w.ended = stop, make(chan error, 1)
	go func() { w.ended <- w.loop.Run(ctx) }()
	synctest.Wait()
}

func (w *world) end() {
	w.Helper()
	w.stop()
	require.NoError(w, <-w.ended)
}

// wake wakes after the time from the start.
func (w *world) wake(key any, after time.Duration) {
	w.Helper()
	require.NoError(w, w.loop.Wake(w.Context(), stream(key), w.start.Add(after)))
}

// pass lets time pass and requires what was drained since, in any order at one time.
func (w *world) pass(d time.Duration, want ...string) {
	w.Helper()
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.ElementsMatch(w, want, w.seen)
	w.seen = nil
}

func TestTheEarliestWakeWinsAndOneIsEnough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		w.run()
		defer w.end()
		w.wake("b", 5*time.Minute)
		for range 10 {
			w.wake("a", time.Hour)
		}
		w.wake("a", 10*time.Second)
		w.wake("a", 20*time.Second)
		w.pass(9 * time.Second)
		w.pass(time.Minute, "a at 10s")
		require.NoError(t, w.loop.Wake(t.Context(), stream("c"), time.Time{}), "zero is now")
		w.pass(0, "c at 1m9s")
		w.pass(2*time.Hour, "b at 5m0s")
	})
}

func TestAWakeDuringADrainIsOneMoreDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy := 0
		w := newWorld(t, nil, func(context.Context, mspkit.Stream) (time.Time, error) {
			busy++
			defer func() { busy-- }()
			require.Equal(t, 1, busy, "one stream is drained twice at once")
			time.Sleep(10 * time.Second)
			return time.Time{}, nil
		})
		w.run()
		defer w.end()
		w.wake("a", 0)
		w.pass(time.Second, "a at 0s")
		w.wake("a", time.Hour)
		for range 100 {
			w.wake("a", 0)
		}
		w.pass(30*time.Second, "a at 10s")
		w.pass(2 * time.Hour)
		w.wake("a", 0)
		synctest.Wait()
		w.wake("a", 3*time.Hour)
		w.pass(4*time.Hour, "a at 2h0m31s", "a at 3h0m0s")
	})
}

func TestADrainSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left := 3
		w := newWorld(t, nil, func(context.Context, mspkit.Stream) (time.Time, error) {
			left--
			switch left {
			case 0:
				return time.Time{}, nil
			case 1:
				return time.Now().Add(-time.Hour), nil // at once
			}
			return time.Now().Add(time.Minute), nil
		})
		w.run()
		defer w.end()
		w.wake("a", 0)
		w.pass(time.Hour, "a at 0s", "a at 1m0s", "a at 1m0s")
	})
}

func TestAStreamThatComesBackAtOnceLetsOthersGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		w := newWorld(t, &jobs.Options{Workers: 1}, func(_ context.Context, s mspkit.Stream) (time.Time, error) {
			order = append(order, s.Key)
			if s.Key == "a" && len(order) < 5 {
				return time.Unix(0, 0), nil
			}
			return time.Time{}, nil
		})
		for _, key := range []string{"a", "b", "c"} {
			w.wake(key, 0)
		}
		w.run()
		w.end()
		require.Equal(t, []string{"a", "b", "c", "a", "a"}, order)
	})
}

func TestDrainsThatFailComeBackLaterEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		fails := 0
		w := newWorld(t, &jobs.Options{
			Backoff: func(n int) time.Duration { return time.Duration(n) * time.Minute }, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}, func(context.Context, mspkit.Stream) (time.Time, error) {
			fails++
			if fails == 4 {
				return time.Now().Add(time.Hour), nil
			}
			if fails == 6 {
				return time.Time{}, nil
			}
			return time.Now().Add(time.Second), errors.New("the database is away")
		})
		w.run()
		w.wake("a", 0)
		w.pass(3*time.Hour, "a at 0s", "a at 1m0s", "a at 3m0s", "a at 6m0s", "a at 1h6m0s", "a at 1h7m0s")
		w.end()
		require.Contains(t, log.String(), "the database is away")
		require.Contains(t, log.String(), "stream=a fails=3 again_in=3m0s")
	})
}

func TestTheUsualBackoffIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var last time.Time
		var gaps []time.Duration
		w := newWorld(t, nil, func(context.Context, mspkit.Stream) (time.Time, error) {
			gaps, last = append(gaps, time.Since(last)), time.Now()
			return time.Time{}, errors.New("no")
		})
		w.run()
		w.wake("a", 0)
		time.Sleep(24 * time.Hour)
		w.end()
		require.Greater(t, len(gaps), 24*12)
		for i, gap := range gaps[1:] {
			most := 5 * time.Minute
			if i < 9 {
				most = time.Second << i
			}
			require.LessOrEqual(t, gap, most)
			require.Greater(t, gap, most/2-1)
		}
	})
}

func TestAPanicIsAnErrorWithoutWhatItWasGiven(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(){
		"a value":            func() { panic("the note says: secret") },
		"an error":           func() { panic(errors.New("secret")) },
		"a runtime error":    func() { clear(map[any]int{func() {}: 1}) },
		"an ended goroutine": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				n := 0
				w := newWorld(t, &jobs.Options{Workers: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(context.Context, mspkit.Stream) (time.Time, error) {
					if n++; n == 1 {
						f()
					}
					return time.Time{}, nil
				})
				w.run()
				w.wake("a", 0)
				time.Sleep(time.Minute)
				w.end()
				require.Equal(t, 2, n, "the stream or the worker is lost")
				require.NotContains(t, log.String(), "secret")
				require.Contains(t, log.String(), "the drain ")
				if name != "an ended goroutine" {
					require.Contains(t, log.String(), "jobs_test.go", "where it panicked")
				}
			})
		})
	}
}

func TestRunEndsAfterTheDrainsInHandAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var second atomic.Bool
		var log bytes.Buffer
		w := newWorld(t, &jobs.Options{Workers: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(ctx context.Context, s mspkit.Stream) (time.Time, error) {
			if s.Key == "c" || second.Load() {
				return time.Time{}, nil
			}
			<-ctx.Done()
			time.Sleep(3 * time.Second) // to clean up
			return time.Time{}, ctx.Err()
		})
		for _, key := range []string{"a", "b", "c"} {
			w.wake(key, 0)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		require.NoError(t, w.loop.Run(ctx))
		w.pass(0, "a at 0s", "b at 0s")
		require.Equal(t, time.Minute+3*time.Second, time.Since(w.start))
		require.Empty(t, log.String(), "to be told to stop is no failure")
		time.Sleep(10 * time.Minute)
		second.Store(true)
		ctx, stop = context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		require.NoError(t, w.loop.Run(ctx))
		w.pass(0, "c at 11m3s", "a at 11m3s", "b at 11m3s")
	})
}

func TestTwoRunsAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		w.run()
		require.ErrorIs(t, w.loop.Run(t.Context()), jobs.ErrRunning)
		w.end()
		w.run()
		w.end()
	})
}

func TestNothingRunsBeforeRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		w.wake("a", 0)
		w.wake("b", time.Hour)
		w.wake("b", time.Minute)
		w.pass(10 * time.Minute)
		w.run() // the bubble would not end with another goroutine
		w.pass(0, "b at 10m0s", "a at 10m0s")
		w.end()
	})
}

// What is due last is dropped, so that a ticket system that is down does not hold up what can be done now.
func TestWhereTooManyWaitThoseDueLastAreDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, &jobs.Options{MaxStreams: 10, Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil)
		for i := range 10 {
			w.wake(i, time.Duration(10-i)*time.Minute)
		}
		w.wake("now", 0)
		w.wake(0, 20*time.Minute) // was dropped and may come again
		w.run()
		w.pass(time.Hour, "now at 0s", "9 at 1m0s", "8 at 2m0s", "7 at 3m0s", "6 at 4m0s", "0 at 20m0s")
		w.end()
		require.Contains(t, log.String(), "dropped=6")
	})
}

// One tenant's flood must not keep the others waiting, neither in the order nor where there is too much.
func TestTenantsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		w := newWorld(t, &jobs.Options{Workers: 1, MaxStreams: 100}, func(_ context.Context, s mspkit.Stream) (time.Time, error) {
			order = append(order, string(s.Tenant))
			return time.Time{}, nil
		})
		wake := func(tenant mspkit.TenantID, n int) {
			for i := range n {
				require.NoError(t, w.loop.Wake(t.Context(), mspkit.Stream{Kind: kind, Tenant: tenant, Key: strconv.Itoa(i)}, time.Time{}))
			}
		}
		wake("noisy", 80)
		wake("a", 2)
		wake("b", 1)
		w.run()
		require.Equal(t, []string{"noisy", "a", "b", "noisy", "a", "noisy"}, order[:6])
		require.Len(t, order, 83)
		w.end()

		order = nil
		wake("noisy", 95)
		wake("a", 3)
		wake("b", 3)
		w.run()
		w.end()
		require.Len(t, order, 50)
		count := map[string]int{}
		for _, s := range order {
			count[s]++
		}
		require.Equal(t, map[string]int{"noisy": 44, "a": 3, "b": 3}, count, "what is dropped is the noisy one's")
	})
}

// What one tenant has set up may hang: the others must not wait for it.
func TestATenantWhoseDrainsHangLeavesWorkersToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &jobs.Options{Workers: 3, PerTenant: 2}, func(ctx context.Context, s mspkit.Stream) (time.Time, error) {
			if s.Tenant == "hangs" {
				select {
				case <-ctx.Done():
				case <-time.After(time.Minute):
				}
			}
			return time.Time{}, nil
		})
		wake := func(tenant mspkit.TenantID, keys ...string) {
			for _, key := range keys {
				require.NoError(t, w.loop.Wake(t.Context(), mspkit.Stream{Kind: kind, Tenant: tenant, Key: key}, time.Time{}))
			}
		}
		wake("hangs", "1", "2", "3", "4", "5")
		wake("a", "a1", "a2", "a3")
		w.run()
		defer w.end()
		w.pass(time.Second, "1 at 0s", "2 at 0s", "a1 at 0s", "a2 at 0s", "a3 at 0s")
		wake("b", "b1")
		w.pass(time.Second, "b1 at 1s")
		w.pass(time.Minute, "3 at 1m0s", "4 at 1m0s")
		wake("a", "a4")
		w.pass(time.Minute, "a4 at 1m2s", "5 at 2m0s")
	})
}

func TestAClockThatIsSetIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		w := newWorld(t, &jobs.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}, nil)
		w.run()
		defer w.end()
		w.wake("a", 24*time.Hour)
		w.pass(time.Hour)
		ahead.Store(int64(24 * time.Hour))
		w.pass(time.Minute, "a at 1h1m0s")
	})
}

func TestManyWakersAndWorkersLoseNothing(t *testing.T) {
	t.Parallel()
	const streams, wakers = 50, 8
	loop, err := jobs.New(&jobs.Options{Workers: 3})
	require.NoError(t, err)
	var rows, done [streams]atomic.Int64
	var busy [streams]atomic.Int32
	var drains atomic.Int64
	require.NoError(t, loop.Handle(kind, func(_ context.Context, s mspkit.Stream) (time.Time, error) {
		var i int
		if _, err := fmt.Sscan(s.Key, &i); err != nil {
			return time.Time{}, err
		}
		if busy[i].Add(1) != 1 {
			t.Error("one stream is drained twice at once")
		}
		defer busy[i].Add(-1)
		done[i].Store(rows[i].Load())
		if drains.Add(1)%7 == 0 {
			return time.Unix(1, 0), nil
		}
		return time.Time{}, nil
	}))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()
	var wg sync.WaitGroup
	for n := range wakers {
		wg.Go(func() {
			for i := range 2000 {
				k := (i*7 + n) % streams
				rows[k].Add(1)
				if err := loop.Wake(ctx, stream(k), time.Time{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool {
		for i := range rows {
			if done[i].Load() != rows[i].Load() {
				return false
			}
		}
		return true
	}, time.Minute, time.Millisecond, "a wake is lost")
	stop()
	require.NoError(t, <-ended)
	require.Less(t, drains.Load(), int64(wakers*2000*2))
}

func TestWhatCannotBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []jobs.Options{{Workers: -1}, {PerTenant: -1}, {MaxStreams: -1}, {MaxStreams: 1}} {
		_, err := jobs.New(&o)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	_, err := jobs.New(&jobs.Options{Workers: -2, MaxStreams: -3})
	require.ErrorContains(t, err, "-2")
	require.ErrorContains(t, err, "-3", "all at once")
	loop, err := jobs.New(nil)
	require.NoError(t, err)
	drain := func(context.Context, mspkit.Stream) (time.Time, error) { return time.Time{}, nil }
	require.ErrorIs(t, loop.Handle("", drain), mspkit.ErrInvalid)
	require.ErrorIs(t, loop.Handle(kind, nil), mspkit.ErrInvalid)
	require.ErrorIs(t, loop.Wake(t.Context(), stream("a"), time.Time{}), mspkit.ErrInvalid, "nobody handles it yet")
	require.NoError(t, loop.Handle(kind, drain))
	require.ErrorIs(t, loop.Handle(kind, drain), mspkit.ErrInvalid, "twice")
	require.NoError(t, loop.Wake(t.Context(), stream("a"), time.Time{}))
	require.ErrorIs(t, loop.Wake(t.Context(), stream(""), time.Time{}), mspkit.ErrInvalid)
	require.ErrorIs(t, loop.Wake(t.Context(), mspkit.Stream{Kind: kind, Key: "a"}, time.Time{}), mspkit.ErrInvalid)
}
