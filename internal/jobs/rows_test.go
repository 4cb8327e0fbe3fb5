package jobs_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
)

func TestRepeatComesLaterWhileItFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		wake := make(chan struct{}, 1)
		begun := time.Now()
		var at []time.Duration
		var told int
		jobs.Repeat(ctx, 20*time.Second, wake, func(context.Context) error {
			at = append(at, time.Since(begun))
			switch len(at) {
			case 2:
				wake <- struct{}{}
			case 3, 4, 5:
				select {
				case wake <- struct{}{}: // nobody looks at it after a failure
				default:
				}
				return errors.New("no")
			case 7:
				cancel()
			}
			return nil
		}, func(context.Context, error) { told++ })
		s := time.Second
		require.Equal(t, []time.Duration{0, 20 * s, 20 * s, 60 * s, 120 * s, 180 * s, 180 * s}, at)
		require.Equal(t, 3, told)
	})
}

func TestRowsLeaveAStoreThatFails(t *testing.T) {
	t.Parallel()
	var drained, swept int
	r := &jobs.Rows{
		Name: "x", Keep: time.Hour, Now: time.Now,
		Due: func(_ context.Context, limit int) ([]mspkit.Stream, error) {
			out := make([]mspkit.Stream, min(limit, 3*jobs.MostFaults))
			for i := range out {
				out[i] = mspkit.Stream{Kind: "x", Tenant: "t", Key: string(rune('a' + i))}
			}
			return out, nil
		},
		Drain: func(context.Context, mspkit.Stream) (time.Time, error) {
			if drained++; drained == 5 { // which is no row of failures any more
				return time.Time{}, nil
			}
			return time.Time{}, errors.New("no")
		},
		Expire: func(context.Context, time.Time, int) (int, error) { swept++; return 0, nil },
	}
	require.Error(t, r.Once(t.Context()))
	require.Equal(t, 5+jobs.MostFaults, drained)
	require.Zero(t, swept)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, r.Once(ctx), "the end of ctx is no failure")
	for range 2 {
		require.NoError(t, r.Sweep(t.Context()))
	}
	require.Equal(t, 1, swept, "once a minute")
}

// due are so many streams that stay due whatever is done.
func due(n int) func(context.Context, int) ([]mspkit.Stream, error) {
	return func(_ context.Context, limit int) ([]mspkit.Stream, error) {
		out := make([]mspkit.Stream, min(limit, n))
		for i := range out {
			out[i] = mspkit.Stream{Kind: "x", Tenant: "t", Key: strconv.Itoa(i)}
		}
		return out, nil
	}
}

func TestRowsThatCannotBeDoneHideNoOthers(t *testing.T) {
	t.Parallel()
	const many = 3 * jobs.LeastPoll
	done, woken := map[mspkit.Stream]bool{}, map[mspkit.Stream]bool{}
	r := &jobs.Rows{
		Name: "x", Keep: time.Hour, Now: time.Now, Due: due(many),
		Drain:  func(_ context.Context, s mspkit.Stream) (time.Time, error) { done[s] = true; return time.Time{}, nil },
		Wake:   func(_ context.Context, s mspkit.Stream) error { woken[s] = true; return nil },
		Expire: func(context.Context, time.Time, int) (int, error) { return 0, nil },
	}
	require.NoError(t, r.Once(t.Context()))
	require.Len(t, done, many)
	for _, n := range []int{jobs.LeastPoll, 2 * jobs.LeastPoll, many} { // twice as many each time
		clear(woken)
		require.NoError(t, r.Poll(t.Context()))
		require.Len(t, woken, n)
	}
	r.Due = due(10 * jobs.LeastPoll)
	clear(woken)
	require.NoError(t, r.Poll(t.Context()))
	require.Len(t, woken, jobs.LeastPoll, "and as few again after a poll that found all")
}

func TestRowsThatAreKeptForEverAreNotSwept(t *testing.T) {
	t.Parallel()
	r := &jobs.Rows{
		Name: "x", Keep: -1, Now: time.Now, Due: due(0),
		Expire: func(context.Context, time.Time, int) (int, error) { t.Error("swept"); return 0, nil },
	}
	require.NoError(t, r.Sweep(t.Context()))
	require.NoError(t, r.Once(t.Context()))
}
