package api

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneAtATimePerKey(t *testing.T) {
	t.Parallel()
	var l Locks
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			unlock, err := l.Lock(t.Context(), "a")
			if err != nil || inside.Add(1) != 1 {
				t.Errorf("two are inside, or %v", err)
				return
			}
			inside.Add(-1)
			unlock()
		})
	}
	wg.Wait()
	require.Empty(t, l.held, "nothing is kept")

	unlock, err := l.Lock(t.Context(), "a")
	require.NoError(t, err)
	other, err := l.Lock(t.Context(), "b")
	require.NoError(t, err, "another key does not wait")
	other()
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	_, err = l.Lock(ctx, "a")
	require.ErrorIs(t, err, gone)
	unlock()
}
