package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
)

const (
	// LeastPoll is how many streams [Rows] asks for at first. It asks for twice as many as long as it gets all that it asked
	// for: those that cannot be done now must not hide the others.
	LeastPoll = 500
	mostPoll  = 1 << 16
	// MostFaults is how many streams in a row may fail until it is taken to be the store.
	MostFaults = 10

	sweepPage  = 1000
	sweepEvery = time.Minute
	mostPause  = time.Minute
)

// Repeat does f every so often until ctx ends; later each time while it fails, up to a minute or, where that is longer, every.
// failed is told of each failure. What comes from wake, which may be nil, has it done at once, but not after a failure.
func Repeat(ctx context.Context, every time.Duration, wake <-chan struct{}, f func(context.Context) error, failed func(context.Context, error)) {
	pause := every
	for ctx.Err() == nil {
		err := f(ctx)
		if err == nil || ctx.Err() != nil {
			pause = every
			sleep(ctx, pause, wake)
			continue
		}
		failed(ctx, err)
		pause = max(min(pause*2, mostPause), every)
		sleep(ctx, pause, nil)
	}
}

func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}

// Rows finds the streams of an owner whose work is in rows: what nobody woke, what a process that died held, and what is old.
// All fields are required. It is safe for concurrent use.
type Rows struct {
	// Name begins the texts of errors, such as "outbox".
	Name string
	// Due returns up to limit streams that have something due, those waiting longest first; Wake and Drain are those of the
	// owner's [mspkit.Queue].
	Due   func(ctx context.Context, limit int) ([]mspkit.Stream, error)
	Wake  func(ctx context.Context, s mspkit.Stream) error
	Drain mspkit.Drain
	// Expire forgets up to limit rows that ended before a time and returns how many; Keep is how long they are kept, negative
	// for ever.
	Expire func(ctx context.Context, before time.Time, limit int) (int, error)
	Keep   time.Duration
	Now    func() time.Time

	mu    sync.Mutex
	asks  int       // how many streams the next poll asks for; 0 is [LeastPoll]
	swept time.Time // when old rows were last forgotten
}

// Poll wakes the streams that have something due.
func (r *Rows) Poll(ctx context.Context) error {
	r.mu.Lock()
	limit := max(r.asks, LeastPoll)
	r.mu.Unlock()
	list, err := r.due(ctx, limit)
	if err != nil {
		return err
	}
	next := LeastPoll
	if len(list) == limit {
		next = min(2*limit, mostPoll)
	}
	r.mu.Lock()
	r.asks = next
	r.mu.Unlock()
	for _, s := range list {
		if err := r.Wake(ctx, s); err != nil {
			return fmt.Errorf("%s: wake a stream: %w", r.Name, err)
		}
	}
	return nil
}

func (r *Rows) due(ctx context.Context, limit int) ([]mspkit.Stream, error) {
	list, err := r.Due(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: look for what is due: %w", r.Name, err)
	}
	return list, nil
}

// Sweep forgets what is old, once a minute however often it is called.
func (r *Rows) Sweep(ctx context.Context) error {
	now := r.Now()
	r.mu.Lock()
	due := now.Sub(r.swept) >= sweepEvery
	if due {
		r.swept = now
	}
	r.mu.Unlock()
	if !due || r.Keep < 0 {
		return nil
	}
	for ctx.Err() == nil {
		n, err := r.Expire(ctx, now.Add(-r.Keep), sweepPage)
		if err != nil {
			return fmt.Errorf("%s: forget what is old: %w", r.Name, err)
		}
		if n < sweepPage {
			break
		}
	}
	return nil
}

// Once drains each stream that has something due until it has nothing for now, in this goroutine, then does each of after, and
// sweeps. It returns nil when ctx ends after the work in hand. After [MostFaults] streams in a row that failed it leaves the
// rest: it is the store, and each further stream would wait for it.
func (r *Rows) Once(ctx context.Context, after ...func(context.Context) error) error {
	var errs []error
	inARow := 0
	seen := map[mspkit.Stream]bool{}
	for limit := LeastPoll; ctx.Err() == nil; {
		list, err := r.due(ctx, limit)
		if err != nil {
			errs = append(errs, err)
			break
		}
		fresh := 0
		for _, s := range list {
			if seen[s] || ctx.Err() != nil {
				continue
			}
			seen[s] = true
			fresh++
			err := r.drainAll(ctx, s)
			if err == nil {
				inARow = 0
				continue
			}
			errs = append(errs, err)
			if inARow++; inARow == MostFaults {
				return errors.Join(errs...)
			}
		}
		if fresh == 0 {
			if len(list) < limit || limit >= mostPoll {
				break
			}
			limit *= 2
		}
	}
	if ctx.Err() == nil {
		for _, f := range append(after, r.Sweep) {
			errs = append(errs, f(ctx))
		}
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end of ctx is no failure
	}
	return errors.Join(errs...)
}

// drainAll drains a stream until it has nothing for now.
func (r *Rows) drainAll(ctx context.Context, s mspkit.Stream) error {
	for ctx.Err() == nil {
		again, err := r.Drain(ctx, s)
		if err != nil || again.IsZero() || again.After(r.Now()) {
			return err
		}
	}
	return nil
}
