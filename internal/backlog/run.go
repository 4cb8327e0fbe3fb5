package backlog

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/mspkit/mspkit/internal/jobs"
)

// ErrRunning means that Run of this worker is running already.
var ErrRunning = errors.New("backlog: it is running already")

// Run wakes streams that have something due, which finds what nobody woke and what a dead process held, and forgets what is
// older than Options.Keep, until ctx ends; then it finishes the work in hand and returns nil. Without Options.Queue the items
// are done within it. Failures are logged and tried again. Any number of instances may run, each worker once at a time: the
// second Run of one is [ErrRunning].
func (w *Worker) Run(ctx context.Context) error {
	if !w.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer w.running.Store(false)
	var all sync.WaitGroup
	defer all.Wait()
	if w.loop != nil {
		all.Go(func() {
			if err := w.loop.Run(ctx); err != nil {
				w.o.Logger.LogAttrs(ctx, slog.LevelError, "backlog: the loop ended", slog.Any("error", err))
			}
		})
	}
	jobs.Repeat(ctx, w.o.Poll, nil, func(ctx context.Context) error {
		return errors.Join(w.rows.Poll(ctx), w.rows.Sweep(ctx))
	}, func(ctx context.Context, err error) {
		w.o.Logger.LogAttrs(ctx, slog.LevelWarn, "backlog: a look at the rows failed, it is tried again", slog.Any("error", err))
	})
	return nil
}

// RunOnce does what is due and forgets what is old, once, in this goroutine, for a host that has a timer instead of a
// long-lived process. It does not use the queue. It returns nil when ctx ends after the work in hand.
func (w *Worker) RunOnce(ctx context.Context) error { return w.rows.Once(ctx) }
