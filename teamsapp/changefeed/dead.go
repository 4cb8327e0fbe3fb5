package changefeed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

// DeadLetter is a notification that was accepted and could not be handled: it was not proven or did not open, the sink rejected
// it, or it failed for [Options.GiveUp].
type DeadLetter struct {
	Tenant mspkit.TenantID
	// ID is for [Feed.Replay] and [Feed.Drop].
	ID string
	// Seq is for the next page of [Feed.DeadLetters].
	Seq int64
	// AcceptedAt is when it came, DiedAt when it was given up, Tries how often it was tried.
	AcceptedAt, DiedAt time.Time
	Tries              int
	// Fault says in words why. It holds nothing of what is in the notification.
	Fault string
}

func deadLetter(it backlog.Item) DeadLetter {
	return DeadLetter{Tenant: it.Tenant, ID: it.ID, Seq: it.Seq, AcceptedAt: it.AddedAt, DiedAt: it.EndedAt, Tries: it.Tries, Fault: it.Fault}
}

// dead tells of a dead letter.
func (in *inbound) dead(ctx context.Context, it backlog.Item) {
	in.count(ctx, MetricEvents, 1, mspkit.Attr{Key: "outcome", Value: "dead"})
	if in.c.o.OnDead != nil {
		in.c.o.OnDead(ctx, deadLetter(it))
	}
}

// DeadLetters lists what could not be handled, of one tenant or, where that is empty, of all, in the order of acceptance: up to
// limit (0 is 100, at most 500) that come after the Seq given, 0 for the first page.
func (f *Feed) DeadLetters(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) ([]DeadLetter, error) {
	list, err := f.c.store.Backlog().List(ctx, backlog.Filter{Tenant: tenant, State: backlog.Dead, After: after, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("changefeed: list dead letters: %w", err)
	}
	out := make([]DeadLetter, len(list))
	for i, it := range list {
		out[i] = deadLetter(it)
	}
	return out, nil
}

// Replay has a dead letter handled again, at the end of its conversation. What was refused because of its tokens is judged by
// the time at which it came. [ErrNotFound] where the tenant has no such dead letter.
func (f *Feed) Replay(ctx context.Context, tenant mspkit.TenantID, id string) error {
	return managed("replay", f.in.worker.Replay(ctx, tenant, id))
}

// Drop gives a dead letter up and destroys what is stored of it. [ErrNotFound] where the tenant has no such dead letter.
func (f *Feed) Drop(ctx context.Context, tenant mspkit.TenantID, id string) error {
	it, err := f.c.store.Backlog().Get(ctx, tenant, id)
	if err == nil && it.State != backlog.Dead {
		err = backlog.ErrState // what waits is not given up by mistake
	}
	if err == nil {
		err = f.in.worker.Drop(ctx, tenant, id)
	}
	return managed("drop", err)
}

func managed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, backlog.ErrNotFound), errors.Is(err, backlog.ErrState):
		return fmt.Errorf("changefeed: %s: no such dead letter: %w", what, ErrNotFound)
	}
	return fmt.Errorf("changefeed: %s: %w", what, err)
}

// Backlog tells how many notifications wait to be handled, how many are dead letters, and when the oldest that waits came; an
// empty tenant is all.
func (f *Feed) Backlog(ctx context.Context, tenant mspkit.TenantID) (waiting, dead int, oldest time.Time, err error) {
	c, err := f.c.store.Backlog().Count(ctx, tenant)
	if err != nil {
		return 0, 0, time.Time{}, fmt.Errorf("changefeed: count: %w", err)
	}
	return c.Pending, c.Dead, c.Oldest, nil
}
