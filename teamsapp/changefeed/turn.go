package changefeed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/token"
)

// margin is how long before the last time that a subscription was known to deliver is read again: notifications are late and
// come in no order.
const margin = 5 * time.Minute

// apart is how far the clocks of instances, and that of Graph, may differ.
const apart = time.Minute

// errEnough ends a turn after something was stored that says when to go on.
var errEnough = errors.New("changefeed: the turn has ended")

// turn is one look after a record, by one holder.
type turn struct {
	k *keeper
	s Subscription
	r Resource
	// home is the notification URL that subscriptions shall have.
	home string
	// host is the context of the run: when it ends nothing new is begun, and what is in hand is ended within the lease.
	host context.Context //nolint:containedctx // a turn is what has the context
	// over is when nothing more is read in this turn: others wait.
	over time.Time
	// named are the users or teams whose messages are read, in order.
	named []string
}

// turn takes a record and does for it what is due. An error is that of the store.
func (k *keeper) turn(host context.Context, ref Ref) error {
	now := k.now()
	t := &turn{k: k, host: host}
	var err error
	// A lease is stored longer than it is used: another instance's clock may be fast.
	t.s, err = k.c.store.Lease(host, ref, rand.Text(), now, now.Add(k.o.Lease+apart))
	switch {
	case errors.Is(err, ErrHeld), errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("changefeed: take a subscription: %w", err)
	}
	t.over = now.Add(k.o.Lease / 2)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(host), k.o.Lease)
	defer cancel()
	if t.r, err = ParseResource(t.s.Resource); err != nil {
		return t.rest(ctx, Denied, "what is to be followed cannot be read: follow it again", k.o.SlowRetry)
	}
	// It is read with the lease in hand: whoever moves the feed after that marks the record, and the mark outlives this turn.
	if t.home, err = k.c.store.Home(ctx, "", k.now()); err != nil {
		return fmt.Errorf("changefeed: read the notification URL: %w", err)
	}
	err = t.do(ctx)
	switch {
	case errors.Is(err, errEnough), errors.Is(err, ErrChanged):
		return nil // or somebody else has it: nothing of ours is stored
	case err != nil:
		return err
	}
	return t.end(ctx)
}

// do is the order of things.
func (t *turn) do(ctx context.Context) error {
	marks := t.marks()
	if !t.s.Wanted {
		return t.leave(ctx)
	}
	if t.s.ID != "" && !t.k.now().Before(t.s.ExpiresAt) {
		t.lose()
	}
	if t.s.ID != "" && marks&Removed != 0 {
		// Where it is there all the same it would deliver for days to nobody.
		if err := t.remove(ctx, t.s.ID); err != nil {
			return t.fault(ctx, err)
		}
		t.lose()
	}
	if err := t.settle(ctx, marks&Doubt != 0); err != nil {
		return err
	}
	if t.s.ID != "" && (t.s.URL != t.home || t.s.Changes != t.changes() || !t.k.opens(t.s)) {
		if err := t.replace(ctx); err != nil {
			return err
		}
	}
	if t.s.ID != "" {
		if err := t.renew(ctx, marks&Reauthorize != 0); err != nil {
			return err
		}
	}
	if t.s.ID == "" {
		if err := t.create(ctx); err != nil {
			return err
		}
	}
	return t.backfill(ctx)
}

// marks takes over what was noted. It is stored with the next save.
func (t *turn) marks() Mark {
	marks, from := t.s.Marks, t.s.MarkFrom
	t.s.Marks, t.s.MarkFrom = 0, time.Time{}
	if marks&Missed != 0 {
		if from.IsZero() {
			from = t.s.delivered()
		}
		t.gap(from.Add(-margin))
	}
	return marks
}

// delivered is the last time that the subscription is known to have delivered; zero where it never did.
func (s *Subscription) delivered() time.Time {
	at := s.ConfirmedAt
	if s.NotifiedAt.After(at) {
		at = s.NotifiedAt
	}
	if !s.ExpiresAt.IsZero() && at.After(s.ExpiresAt) {
		at = s.ExpiresAt
	}
	return at
}

// gap notes that notifications may be missing from a time on until now.
func (t *turn) gap(from time.Time) {
	if t.s.MadeAt.IsZero() || t.k.o.MaxGap < 0 {
		return // nothing was promised before there was a subscription
	}
	if from.Before(t.s.MadeAt) && t.s.GapFrom.IsZero() {
		from = t.s.MadeAt
	}
	if t.s.GapFrom.IsZero() || from.Before(t.s.GapFrom) {
		t.s.GapFrom = stored(from)
	}
	t.s.GapTo = t.k.now()
	c := cursor{Delta: t.cursor().Delta} // of users: what has changed is asked for from there on again
	if t.s.Cursor = nil; c.Delta != "" {
		t.keepCursor(c)
	}
}

// lose forgets a subscription that is no more, and notes the gap.
func (t *turn) lose() {
	t.gap(t.s.delivered().Add(-margin))
	t.k.half.forget(t.s.ID)
	t.s.ID, t.s.Tag, t.s.Secret = "", "", nil
	t.s.Certificate, t.s.NextCertificate = "", ""
	t.s.State = Wanted
}

func (t *turn) changes() string {
	var list []string
	for _, c := range table[t.r.what].Changes {
		list = append(list, string(c))
	}
	return strings.Join(list, ",")
}

// save stores the record and goes on with it, with a new lease.
func (t *turn) save(ctx context.Context) error {
	t.s.LeaseUntil = t.k.now().Add(t.k.o.Lease + apart)
	s, err := t.k.c.store.Save(ctx, t.s)
	if err != nil {
		return t.failed(err)
	}
	t.s = s
	return nil
}

// storeError is an error of the store, which ends a turn: nothing can be noted.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

func (t *turn) failed(err error) error {
	if errors.Is(err, ErrChanged) {
		return ErrChanged
	}
	return storeError{fmt.Errorf("changefeed: store a subscription: %w", err)}
}

// at is a point where a process may die.
func (t *turn) at(point string) error {
	if err := t.k.step(point); err != nil {
		return storeError{err}
	}
	return nil
}

// end gives the record up, with what is next.
func (t *turn) end(ctx context.Context) error {
	t.s.State, t.s.Fault, t.s.Tries = Active, "", 0
	t.s.Due = t.next()
	return t.release(ctx)
}

// next is when the subscription is to be looked after again: at about half of its life, and for all users while the link to
// their changes still works, which is 7 days.
func (t *turn) next() time.Time {
	half := t.s.ExpiresAt.Sub(t.s.ConfirmedAt) / 2
	due := t.s.ConfirmedAt.Add(half - token.Jitter(half/10))
	if fresh := t.k.now().Add(linkFresh - token.Jitter(linkFresh/10)); t.r.what == allUsers && fresh.Before(due) {
		due = fresh
	}
	return due
}

// linkFresh is how old the link to changes of users may get.
const linkFresh = 2 * day

// rest gives the record up with a state and a fault, to be tried again after a wait that grows from first, and ends the turn.
func (t *turn) rest(ctx context.Context, st State, fault string, first time.Duration) error {
	if t.s.State != st || t.s.Fault != fault {
		t.k.c.o.Logger.WarnContext(ctx, "changefeed: a subscription could not be made or renewed",
			slog.String("tenant", string(t.s.Tenant)), slog.String("kind", string(t.r.Kind())), slog.String("state", string(st)), slog.String("fault", fault))
	}
	if !t.s.Wanted {
		st = Leaving
	}
	t.s.State, t.s.Fault = st, fault
	return t.wait(ctx, first)
}

func (t *turn) wait(ctx context.Context, first time.Duration) error {
	wait := min(first<<min(t.s.Tries, 8), 12*first)
	t.s.Tries = min(t.s.Tries+1, 1000)
	t.s.Due = t.k.now().Add(wait + token.Jitter(wait/10))
	if err := t.release(ctx); err != nil {
		return err
	}
	return errEnough
}

// release stores the record without a holder.
func (t *turn) release(ctx context.Context) error {
	t.s.Holder, t.s.LeaseUntil = "", time.Time{}
	if now := t.k.now(); t.s.Marks != 0 && t.s.Due.After(now) {
		t.s.Due = now // they were noted in this turn, and a save of it has read them
	}
	// The lease may be over by the machine's clock: if nobody took it, this may still be stored.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if _, err := t.k.c.store.Save(ctx, t.s); err != nil {
		return t.failed(err)
	}
	return nil
}

// storeTime bounds what is stored when a turn ends.
const storeTime = 10 * time.Second
