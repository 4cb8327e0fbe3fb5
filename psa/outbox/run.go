package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
)

const (
	// A page of events is larger where it holds nothing but events that wait.
	eventPage, mostEvents = 100, 1 << 16
)

// ErrRunning means that Run of this outbox is running already.
var ErrRunning = errors.New("outbox: it is running already")

// Run wakes streams that have something due, hands events to the recorder, and forgets what is older than
// Options.Retention, until ctx ends; then it finishes the work in hand and returns nil. Without Options.Queue the notes are
// written within it. Failures are logged and tried again. Any number of instances may run, each outbox once at a time:
// the second Run of one is [ErrRunning].
func (o *Outbox) Run(ctx context.Context) error {
	if !o.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer o.running.Store(false)
	var all sync.WaitGroup
	if o.loop != nil {
		all.Go(func() {
			if err := o.loop.Run(ctx); err != nil {
				o.o.Logger.LogAttrs(ctx, slog.LevelWarn, "outbox: the loop ended", slog.Any("error", err))
			}
		})
	}
	all.Go(func() { jobs.Repeat(ctx, o.o.Poll, o.nudge, o.record, o.failed) })
	jobs.Repeat(ctx, o.o.Poll, nil, func(ctx context.Context) error {
		return errors.Join(o.rows.Poll(ctx), o.rows.Sweep(ctx))
	}, o.failed)
	all.Wait()
	return nil
}

func (o *Outbox) failed(ctx context.Context, err error) {
	o.o.Logger.LogAttrs(ctx, slog.LevelWarn, "outbox: background work failed, it is tried again", slog.Any("error", err))
}

// RunOnce writes what is due, hands events over and forgets what is old, once, in this goroutine, for a host that has a
// timer instead of a long-lived process. It does not use the queue. It returns nil when ctx ends after the work in hand.
func (o *Outbox) RunOnce(ctx context.Context) error { return o.rows.Once(ctx, o.record) }

// record hands events over. A tenant whose event fails waits with all later ones. The others do not: where a page holds
// nothing but events that wait, a larger one is read.
func (o *Outbox) record(ctx context.Context) error {
	var errs []error
	failed := map[mspkit.TenantID]bool{}
	for limit := eventPage; ctx.Err() == nil; {
		list, err := o.store.Events(ctx, limit)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("outbox: read events: %w", err))...)
		}
		n, faults, err := o.handOverAll(ctx, list, failed)
		if errs = append(errs, faults...); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if len(list) < limit || n == 0 && limit >= mostEvents || len(failed) >= eventPage { // so many: it is the recorder
			break
		}
		if n == 0 {
			limit *= 2
		}
	}
	return errors.Join(errs...)
}

// handOverAll hands over the events of a list, but for tenants of which one failed, and forgets those. It returns how many.
func (o *Outbox) handOverAll(ctx context.Context, list []Event, failed map[mspkit.TenantID]bool) (n int, faults []error, err error) {
	var done []string
	forget := func() error {
		n += len(done)
		err := o.ack(ctx, done)
		done = nil
		return err
	}
	for _, ev := range list {
		if ctx.Err() != nil || len(failed) >= eventPage {
			break
		}
		if failed[ev.Tenant] {
			continue
		}
		if err := o.handOver(ctx, ev); err != nil {
			failed[ev.Tenant] = true
			faults = append(faults, fmt.Errorf("outbox: hand over event %s of note %s: %w", ev.ID, ev.Note, err))
			continue
		}
		if done = append(done, ev.ID); len(done) == eventPage {
			if err := forget(); err != nil {
				return n, faults, err
			}
		}
	}
	return n, faults, forget()
}

func (o *Outbox) ack(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := o.store.Ack(ctx, ids); err != nil {
		return fmt.Errorf("outbox: forget events: %w", err)
	}
	return nil
}

func (o *Outbox) handOver(ctx context.Context, ev Event) (err error) {
	if o.o.Recorder == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.o.TryTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the recorder panicked with a %T", v)
		}
	}()
	return o.o.Recorder.Record(ctx, ev)
}
