package flight_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit/internal/flight"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// airport counts what runs, and lets it go when told.
type airport struct {
	group flight.Group[string, int]
	runs  int
	ended []error // of the contexts of work that was cancelled
	free  chan int
}

func (a *airport) work(ctx context.Context) (int, error) {
	a.runs++
	select {
	case n := <-a.free:
		return n, errors.ErrUnsupported
	case <-ctx.Done():
		a.ended = append(a.ended, ctx.Err())
		return 0, ctx.Err()
	}
}

type result struct {
	value  int
	landed bool
	err    error
}

func (a *airport) call(ctx context.Context, key string) <-chan result {
	out := make(chan result, 1)
	go func() {
		v, landed, err := a.group.Do(ctx, key, time.Minute, a.work)
		out <- result{v, landed, err}
	}()
	synctest.Wait()
	return out
}

func TestOneWorksForAllWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &airport{free: make(chan int)}
		first, second := a.call(t.Context(), "x"), a.call(t.Context(), "x")
		require.Equal(t, 1, a.runs)
		other := a.call(t.Context(), "y")
		require.Equal(t, 2, a.runs)
		a.free <- 1
		a.free <- 1
		for _, c := range []<-chan result{first, second, other} {
			require.Equal(t, result{1, true, errors.ErrUnsupported}, <-c)
		}
		later := a.call(t.Context(), "x")
		require.Equal(t, 3, a.runs, "nothing is kept")
		a.free <- 2
		require.Equal(t, 2, (<-later).value)
	})
}

func TestTheLastWhoLeavesEndsTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &airport{free: make(chan int)}
		one, leaveOne := context.WithCancel(t.Context())
		two, leaveTwo := context.WithCancel(t.Context())
		first, second := a.call(one, "x"), a.call(two, "x")
		leaveOne()
		require.Equal(t, result{0, false, context.Canceled}, <-first)
		require.Empty(t, a.ended, "the other waits still")
		leaveTwo()
		require.Equal(t, result{0, false, context.Canceled}, <-second)
		third := a.call(t.Context(), "x") // before or after the work has ended
		require.Equal(t, []error{context.Canceled}, a.ended)
		require.Equal(t, 2, a.runs)
		a.free <- 3
		require.Equal(t, result{3, true, errors.ErrUnsupported}, <-third)
		_, landed, err := a.group.Do(one, "x", time.Minute, a.work)
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, landed)
		require.Equal(t, 2, a.runs, "who has left already begins nothing")
	})
}

func TestWorkEndsAfterItsTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &airport{free: make(chan int)}
		require.Equal(t, result{0, true, context.DeadlineExceeded}, <-a.call(t.Context(), "x"))
		require.Equal(t, []error{context.DeadlineExceeded}, a.ended)
	})
}
