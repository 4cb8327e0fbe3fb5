package teamsapp_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
)

// admitted runs n requests at once and returns when each went out, in order.
func admitted(t *testing.T, p teamsapp.Pacer, n int, thread func(i int) string) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var at []time.Duration
	start := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := p.Wait(t.Context(), "tenant", thread(i), false); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(start))
		})
	}
	wg.Wait()
	slices.Sort(at)
	return at
}

// most returns the largest number of requests in any span of length per.
func most(at []time.Duration, per time.Duration) int {
	best := 0
	for i, from := range at {
		j, _ := slices.BinarySearch(at, from+per)
		best = max(best, j-i)
	}
	return best
}

func own(i int) string { return strconv.Itoa(i) }

func same(int) string { return "thread" }

func TestATenantGetsItsRateAndNotMore(t *testing.T) {
	t.Parallel()
	for _, n := range []int{30, 31, 300, 1000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				at := admitted(t, teamsapp.NewPacer(30), n, own)
				require.Len(t, at, n)
				require.LessOrEqual(t, most(at, time.Second), 30)
				least := time.Duration((n-1)/30) * time.Second
				last := at[n-1]
				require.GreaterOrEqual(t, last, least)
				require.LessOrEqual(t, last, least+least*3/100, "no time is wasted")
			})
		})
	}
}

func TestAThreadKeepsEachOfItsWindows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := admitted(t, teamsapp.NewPacer(30), 1900, same)
		require.Equal(t, 7, most(at, time.Second))
		require.Equal(t, 8, most(at, 2*time.Second))
		require.Equal(t, 60, most(at, 30*time.Second))
		require.Equal(t, 1800, most(at, time.Hour))
		require.Zero(t, at[6])
		require.Greater(t, at[1899], time.Hour)
		require.Less(t, at[1899], 65*time.Minute)
	})
}

func TestNoRateIsNoLimitForTheTenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(-1)
		require.Zero(t, admitted(t, p, 500, own)[499])
		require.Positive(t, admitted(t, p, 9, same)[8], "the thread's limits stay")
	})
}

func TestTenantsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(1)
		start := time.Now()
		for i := range 100 {
			require.NoError(t, p.Wait(t.Context(), own(i), "thread", false))
		}
		require.Zero(t, time.Since(start))
	})
}

func TestAFullThreadDoesNotHoldUpTheTenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(30)
		for range 7 {
			require.NoError(t, p.Wait(t.Context(), "tenant", "busy", false))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = p.Wait(ctx, "tenant", "busy", false) })
		synctest.Wait()
		start := time.Now()
		require.NoError(t, p.Wait(t.Context(), "tenant", "other", false))
		require.Zero(t, time.Since(start))
		cancel()
		wg.Wait()
	})
}

func TestWhoGivesUpLeavesThePlaceToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(1)
		require.NoError(t, p.Wait(t.Context(), "tenant", "a", false))
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				start := time.Now()
				if err := p.Wait(ctx, "tenant", own(i), false); err == nil || time.Since(start) != 100*time.Millisecond {
					t.Error("it did not give up", err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		require.NoError(t, p.Wait(t.Context(), "tenant", "last", false))
		require.Equal(t, 1020*time.Millisecond, time.Since(start))
		wg.Wait()

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, p.Wait(ctx, "elsewhere", "a", false), context.Canceled)
	})
}

func TestRepeatsGoBeforeTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(1)
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		enter := func(name string, repeat bool) {
			wg.Go(func() {
				if err := p.Wait(t.Context(), "tenant", name, repeat); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			})
			synctest.Wait()
		}
		enter("a", false)
		enter("b", false)
		enter("c", false)
		enter("repeat", true)
		wg.Wait()
		require.Equal(t, []string{"a", "repeat", "b", "c"}, order)
	})
}

func TestWhoMustBeDoneSoonerGoesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(30)
		var wg sync.WaitGroup
		for i := range 600 { // news for everybody, in no hurry
			wg.Go(func() {
				if err := p.Wait(t.Context(), "tenant", "news"+strconv.Itoa(i), false); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for _, within := range []time.Duration{15 * time.Second, 10 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			began := time.Now()
			require.NoError(t, p.Wait(ctx, "tenant", "dana"+within.String(), false), "somebody is on the phone")
			require.LessOrEqual(t, time.Since(began), 1100*time.Millisecond)
			cancel()
		}
		wg.Wait()
	})
}

func TestWhoseTimeIsTooShortIsToldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(30)
		p.Hold("tenant", "thread", time.Minute)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		require.ErrorContains(t, p.Wait(ctx, "tenant", "thread", false), "the conversation is held for 1m0s")
		require.Zero(t, time.Since(began))
		require.NoError(t, p.Wait(ctx, "tenant", "another", false))
	})
}

func TestAHeldThreadWaitsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(30)
		p.Hold("tenant", "thread", 5*time.Second)
		p.Hold("tenant", "thread", time.Second) // the longer one counts
		start := time.Now()
		require.NoError(t, p.Wait(t.Context(), "tenant", "other", false))
		require.Zero(t, time.Since(start))
		require.NoError(t, p.Wait(t.Context(), "tenant", "thread", false))
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestAHoldAlsoStopsThoseWhoWaitAlready(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(30)
		for range 7 {
			require.NoError(t, p.Wait(t.Context(), "tenant", "thread", false))
		}
		start := time.Now()
		time.AfterFunc(500*time.Millisecond, func() { p.Hold("tenant", "thread", 10*time.Second) })
		require.NoError(t, p.Wait(t.Context(), "tenant", "thread", false))
		require.Equal(t, 10500*time.Millisecond, time.Since(start))
	})
}

func TestIdleKeysAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := teamsapp.NewPacer(30)
		for i := range 50_000 {
			require.NoError(t, p.Wait(t.Context(), own(i), "thread", false))
			time.Sleep(time.Minute)
		}
		require.Less(t, p.Keys(), 1100, "an hour's threads and what gathers before a sweep")

		for range 20_000 {
			require.NoError(t, p.Wait(t.Context(), "tenant", "thread", false))
		}
		require.LessOrEqual(t, p.Logged("tenant", "thread"), 8192, "what no window looks at is dropped")
	})
}
