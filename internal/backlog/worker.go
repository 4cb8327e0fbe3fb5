package backlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
)

// Handle does one item. nil is done. An error is tried again later, unless it is [Permanent]; its text becomes the item's
// Fault and goes to the log, so it must not hold what is sealed. It may be called again with an item that it has done. A
// panic is an error that says nothing of what it panicked with.
//
// The context ends after Options.Timeout, and, when that of Run has ended, after Options.Grace. A Handle that goes on after
// that may still be at it when another instance gets the same item.
type Handle func(ctx context.Context, it Item) error

// Options are the settings of a [Worker]. The zero value is fine but for Kind.
type Options struct {
	// Kind names the streams among those of other owners, such as "teams-posts".
	Kind string
	// Queue wakes streams, on this machine or another one; nil is a loop of the worker's own in this process, which runs
	// within [Worker.Run].
	Queue mspkit.Queue
	// Workers is how many streams are drained at once by the loop of the worker's own; 0 is 4. It is of no use with a Queue.
	Workers int
	// PerTenant is how many of these are of one tenant at most; 0 is all.
	PerTenant int
	// Lease is how long a stream is held for one item: 0 is a minute. Timeout bounds one call of Handle, from when the lease
	// was asked for: 0 is two thirds of Lease, and it must be shorter. So no lease is renewed: a Handle has ended, or was
	// told to, before its lease does. What is between them is by how much the clocks of the instances may differ.
	Lease, Timeout time.Duration
	// Grace is how long Handle may go on when the context of Run has ended: 0 is 10 s, negative is not at all.
	Grace time.Duration
	// Poll is how often rows are looked at that nobody woke: 0 is 5 s.
	Poll time.Duration
	// GiveUp is after how long from AddedAt a failing item is dead: 0 is 24 hours, negative is never. It is tried ten times
	// at least, also after a replay.
	GiveUp time.Duration
	// Backoff returns the wait after a number of tries, from 1; nil is 1 s, doubled each time up to 5 minutes, with up to
	// half of it taken off at random.
	Backoff func(tries int) time.Duration
	// Keep is how long done and dropped ids are remembered, so that a repeat is known: 0 is 7 days, negative is for ever.
	Keep time.Duration
	// OnDead is told of an item that became dead, with what is sealed in it, after that was stored; ctx ends after Timeout.
	// It is not told where the process dies just then: [Store.Count] tells how many there are.
	OnDead func(ctx context.Context, it Item)
	// Logger is told of failures; nil discards. Now is the clock; nil is time.Now.
	Logger *slog.Logger
	Now    func() time.Time
}

// leastTries is how often an item is tried before it is given up, however old it is.
const leastTries = 10

func (o *Options) complete() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("backlog: option "+format+": %w", append(args, mspkit.ErrInvalid)...))
	}
	set := func(name string, d *time.Duration, std, least time.Duration, off bool) {
		switch {
		case *d == 0:
			*d = std
		case *d < 0 && off:
			*d = -1
		case *d < least:
			bad("%s must be at least %s, it is %s", name, least, *d)
		}
	}
	if err := (mspkit.Stream{Kind: o.Kind, Tenant: "t", Key: "k"}).Validate(); err != nil {
		errs = append(errs, fmt.Errorf("backlog: option Kind: %w", err))
	}
	set("Lease", &o.Lease, time.Minute, 3*time.Millisecond, false)
	set("Timeout", &o.Timeout, max(o.Lease, 0)/3*2, time.Millisecond, false)
	set("Grace", &o.Grace, 10*time.Second, 0, true)
	set("Poll", &o.Poll, 5*time.Second, time.Millisecond, false)
	set("GiveUp", &o.GiveUp, 24*time.Hour, time.Millisecond, true)
	set("Keep", &o.Keep, 7*24*time.Hour, time.Millisecond, true)
	if o.Timeout >= o.Lease && o.Lease > 0 {
		bad("Timeout %s must be shorter than Lease %s", o.Timeout, o.Lease)
	}
	if o.Workers < 0 {
		bad("Workers must not be negative, it is %d", o.Workers)
	}
	if o.PerTenant < 0 {
		bad("PerTenant must not be negative, it is %d", o.PerTenant)
	}
	if o.Backoff == nil {
		o.Backoff = jobs.Backoff
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return errors.Join(errs...)
}

// Worker does the items of a store. Use [New].
type Worker struct {
	store  Store
	handle Handle
	o      Options
	queue  mspkit.Queue
	loop   *jobs.Loop // nil where the host has a queue

	rows    *jobs.Rows
	running atomic.Bool
}

// New returns a worker that has the items of store done by handle. It names itself to Options.Queue, once. It starts
// nothing: see [Worker.Run] and [Worker.RunOnce]. All faults of the options are reported together as mspkit.ErrInvalid.
func New(store Store, handle Handle, o *Options) (*Worker, error) {
	w := &Worker{store: store, handle: handle}
	if o != nil {
		w.o = *o
	}
	err := w.o.complete()
	if store == nil || handle == nil {
		err = errors.Join(err, fmt.Errorf("backlog: new: a store and a handle are needed: %w", mspkit.ErrInvalid))
	}
	if err != nil {
		return nil, err
	}
	w.queue = w.o.Queue
	if w.queue == nil {
		if w.loop, err = jobs.New(&jobs.Options{Workers: w.o.Workers, PerTenant: w.o.PerTenant, Logger: w.o.Logger, Now: w.o.Now}); err != nil {
			return nil, fmt.Errorf("backlog: new: %w", err)
		}
		w.queue = w.loop
	}
	if err := w.queue.Handle(w.o.Kind, w.Drain); err != nil {
		return nil, fmt.Errorf("backlog: new: %w", err)
	}
	w.rows = &jobs.Rows{
		Name: "backlog", Drain: w.Drain, Expire: store.Expire, Keep: w.o.Keep, Now: w.o.Now,
		Due: func(ctx context.Context, limit int) ([]mspkit.Stream, error) {
			return store.Due(ctx, w.o.Kind, w.o.Now(), limit)
		},
		Wake: func(ctx context.Context, s mspkit.Stream) error { return w.queue.Wake(ctx, s, time.Time{}) },
	}
	return w, nil
}

// Add stores items, with AddedAt from the clock where it is zero, and wakes their streams. It returns how many were new;
// when it returns nil all are durable. See [Store.Add].
func (w *Worker) Add(ctx context.Context, items ...Item) (added int, err error) {
	now := w.o.Now()
	list := make([]Item, len(items))
	for i, it := range items {
		if it.AddedAt.IsZero() {
			it.AddedAt = now
		}
		list[i] = it
	}
	added, err = w.store.Add(ctx, list)
	if err != nil || added == 0 {
		return added, err
	}
	woken := make(map[mspkit.Stream]bool, 1)
	for i := range list {
		if s := list[i].Stream(w.o.Kind); !woken[s] {
			woken[s] = true
			w.wake(ctx, s)
		}
	}
	return added, nil
}

// Wake has a stream drained soon. It costs what a Wake of the Queue does; with the worker's own loop that is next to
// nothing. It does not fail: what is not woken is found within Options.Poll.
func (w *Worker) Wake(ctx context.Context, tenant mspkit.TenantID, key string) {
	w.wake(ctx, mspkit.Stream{Kind: w.o.Kind, Tenant: tenant, Key: key})
}

func (w *Worker) wake(ctx context.Context, s mspkit.Stream) {
	if w.loop != nil && !w.running.Load() { // Run begins with a look at the rows
		return
	}
	if err := w.queue.Wake(ctx, s, time.Time{}); err != nil {
		w.o.Logger.LogAttrs(ctx, slog.LevelWarn, "backlog: a stream was not woken, it is found by the next look at the rows",
			slog.String("kind", s.Kind), slog.String("tenant", string(s.Tenant)), slog.String("stream", s.Key), slog.Any("error", err))
	}
}

// Replay makes a dead item pending again and wakes its stream. See [Store.Replay].
func (w *Worker) Replay(ctx context.Context, tenant mspkit.TenantID, id string) error {
	s, err := w.store.Replay(ctx, tenant, id, w.o.Now())
	if err != nil {
		return err
	}
	w.Wake(ctx, s.Tenant, s.Key)
	return nil
}

// Drop ends a dead or pending item. See [Store.Drop].
func (w *Worker) Drop(ctx context.Context, tenant mspkit.TenantID, id string) error {
	return w.store.Drop(ctx, tenant, id, w.o.Now())
}
