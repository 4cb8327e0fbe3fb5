package backlog

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// some returns n items of so many bytes.
func some(n, bytes int) []Item {
	out := make([]Item, n)
	for i := range out {
		out[i].Sealed = make([]byte, bytes)
	}
	return out
}

func TestCallsThatWaitAreCommittedTogetherWithinLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var groups [][]int
		g := &grouper{most: 1, commit: func(ctx context.Context, calls []*call) {
			_, bounded := ctx.Deadline()
			require.True(t, bounded)
			var sizes []int
			for _, c := range calls {
				sizes = append(sizes, len(c.items))
				c.added, c.err = len(c.items), nil
			}
			groups = append(groups, sizes)
			time.Sleep(time.Second)
		}}
		var all sync.WaitGroup
		for _, items := range [][]Item{
			some(1, 1), some(1, 1), some(2, 1), some(250, 1), some(3, 1), some(400, 1), some(1, groupBytes), some(1, groupBytes), some(1, 1),
		} {
			all.Go(func() {
				n, err := g.do(t.Context(), items)
				require.NoError(t, err)
				require.Len(t, items, n)
			})
			synctest.Wait()
		}
		all.Wait()
		require.Equal(t, [][]int{{1}, {1, 2, 250, 3}, {400}, {1}, {1}, {1}}, groups)
		synctest.Wait()
		g.mu.Lock()
		defer g.mu.Unlock()
		require.Zero(t, g.running)
	})
}

func TestWhoLeavesIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		committed := 0
		g := &grouper{most: 1, commit: func(ctx context.Context, calls []*call) {
			time.Sleep(time.Second)
			for _, c := range calls {
				committed++
				c.err = ctx.Err()
			}
		}}
		short, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		var all sync.WaitGroup
		for range 2 { // one is in the group that is committed, the other waits for the next
			all.Go(func() {
				_, err := g.do(short, some(1, 1))
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
			synctest.Wait()
		}
		_, err := g.do(t.Context(), some(1, 1))
		require.NoError(t, err, "the end of another's context is not its own")
		all.Wait()
		require.Equal(t, 2, committed, "who left before its group was begun is not in it")
	})
}

func TestADriverThatBreaksEndsNoProgramAndKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(){
		"panics":              func() { panic("Dana's message") },
		"ends its goroutine":  runtime.Goexit,
		"sets nothing at all": func() {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var works atomic.Bool
			g := &grouper{most: 1, commit: func(_ context.Context, calls []*call) {
				if !works.Load() {
					f()
					return
				}
				for _, c := range calls {
					c.err = nil
				}
			}}
			_, err := g.do(t.Context(), some(1, 1))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "Dana")
			works.Store(true)
			_, err = g.do(t.Context(), some(1, 1))
			require.NoError(t, err)
		})
	}
}

func TestOneOfManySizesIsChosen(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{1: 1, 2: 2, 3: 4, 64: 64, 65: 128, 513: MaxItems, MaxItems: MaxItems} {
		require.Equal(t, want, sizes[size(n)], n)
	}
}

func TestWaitOfIsBounded(t *testing.T) {
	t.Parallel()
	require.Equal(t, maxLater, waitOf(Later(errors.New("x"), 1<<62)))
	require.Zero(t, waitOf(errors.New("x")))
}
