package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

const (
	// maxDrain is after how many parts a stream makes room for others.
	maxDrain = 100
	// storeTimeout bounds one step in the store. It is not the caller's context: what was begun is finished.
	storeTimeout = 15 * time.Second
)

// Drain writes what is due for a stream, in order, and returns when to come back. It is what the queue calls. When ctx
// ends, the note in hand is finished first.
func (o *Outbox) Drain(ctx context.Context, s mspkit.Stream) (time.Time, error) {
	again, err := o.drain(ctx, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("outbox: drain: %w", err)
	}
	return again, nil
}

func (o *Outbox) drain(ctx context.Context, s mspkit.Stream) (time.Time, error) {
	name, _, _ := strings.Cut(s.Key, "/")
	at := system{s.Tenant, name}
	holder := token.Random()
	held := false
	leave := func(again time.Time) (time.Time, error) {
		if held {
			o.release(ctx, s, holder)
		}
		return again, nil
	}
	for range maxDrain {
		now := o.o.Now()
		if ctx.Err() != nil {
			return leave(now)
		}
		if until, ok := o.gates.enter(at, now); !ok {
			return leave(until)
		}
		e, err := o.next(ctx, s, holder, now)
		if err != nil {
			o.gates.leave(at, noVerdict, "", time.Time{}, now)
			if errors.Is(err, ErrNone) || errors.Is(err, ErrHeld) {
				return e.Due, nil
			}
			return time.Time{}, err
		}
		held = true
		t := o.try(ctx, e, now)
		o.gates.leave(at, t.verdict, t.Fault, t.pause, o.o.Now())
		switch err := o.finish(ctx, e, holder, t.Outcome); {
		case errors.Is(err, ErrLost):
			held = false // Next tells who has it
			o.o.Logger.LogAttrs(ctx, slog.LevelWarn, "outbox: another worker took the note over before the outcome was stored", about(e, t.Fault)...)
			continue
		case err != nil:
			// The lease stays until its end, so that whoever is next finds the outcome in the ticket.
			return time.Time{}, err
		}
		if t.NoteID == "" && !t.Dead {
			return leave(t.Due)
		}
	}
	return leave(o.o.Now())
}

func (o *Outbox) next(ctx context.Context, s mspkit.Stream, holder string, now time.Time) (Entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return o.store.Next(ctx, s, holder, now, now.Add(o.lease()))
}

// finish stores an outcome. A store that fails for a moment must not make a written note unclear, so it is asked again.
func (o *Outbox) finish(ctx context.Context, e Entry, holder string, out Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	out.EventID = token.Random()
	var err error
	for pause := o.hiccup; pause < 10*o.hiccup; pause *= 3 {
		if err = o.store.Finish(ctx, e, holder, out, o.o.Now()); err == nil || errors.Is(err, ErrLost) {
			break
		}
		sleep(ctx, pause, nil)
	}
	if err == nil && (out.Dead || out.NoteID != "" && e.Done+1 >= e.Parts) {
		o.tell()
	}
	return err
}

func (o *Outbox) release(ctx context.Context, s mspkit.Stream, holder string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := o.store.Release(ctx, s, holder); err != nil {
		o.o.Logger.LogAttrs(ctx, slog.LevelWarn, "outbox: a stream was not given up; it is free at the end of its lease", slog.Any("error", err))
	}
}

// tell has Run hand over events.
func (o *Outbox) tell() {
	select {
	case o.nudge <- struct{}{}:
	default:
	}
}

// about is what a log may say of a note.
func about(e Entry, fault string) []slog.Attr {
	return []slog.Attr{
		slog.String("tenant", string(e.Tenant)), slog.String("note", e.ID), slog.String("ticket", e.Ticket.String()),
		slog.Int("tries", e.Tries), slog.String("fault", fault),
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
