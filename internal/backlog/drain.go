package backlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
)

const (
	// A stream makes room for others after so many items, or after so long.
	maxDrain = 100
	maxTurn  = 10 * time.Second
	// storeTimeout bounds one step in the store. It is not the caller's context: what was begun is finished.
	storeTimeout = 15 * time.Second
	// hiccup is the first pause before an outcome is stored once more.
	hiccup = 100 * time.Millisecond
	// maxFault is the longest fault in runes.
	maxFault = 500
)

// Drain does what is due in a stream, in order, and returns when to come back, zero where nothing is left. It is what the
// queue calls. When ctx ends, the item in hand is finished first, within Options.Grace.
func (w *Worker) Drain(ctx context.Context, s mspkit.Stream) (time.Time, error) {
	holder := token.Random()
	begun := w.o.Now()
	for range maxDrain {
		now := w.o.Now()
		if ctx.Err() != nil || now.Sub(begun) >= maxTurn {
			return now, nil //nolint:nilerr // the end of ctx is no failure
		}
		it, left, err := w.next(ctx, s, holder, now)
		switch {
		case errors.Is(err, ErrNone), errors.Is(err, ErrHeld):
			return it.Due, nil
		case err != nil:
			return time.Time{}, fmt.Errorf("backlog: drain: take the next item: %w", err)
		}
		out := w.try(ctx, it, left)
		switch err := w.finish(ctx, it, holder, out); {
		case errors.Is(err, ErrLost):
			// Next tells who has it.
			w.o.Logger.LogAttrs(ctx, slog.LevelWarn, "backlog: another worker took the item over before the outcome was stored", w.about(it, out.Fault)...)
			continue
		case err != nil: // the lease ends by itself
			return time.Time{}, fmt.Errorf("backlog: drain: store what became of an item: %w", err)
		}
		switch {
		case out.Dead:
			w.dead(ctx, it, out)
		case !out.Done:
			w.o.Logger.LogAttrs(ctx, slog.LevelWarn, "backlog: an item failed, it is tried again", w.about(it, out.Fault)...)
			return out.Due, nil
		}
	}
	return w.o.Now(), nil
}

// next takes the next item, and says how long it may be handled.
func (w *Worker) next(ctx context.Context, s mspkit.Stream, holder string, now time.Time) (Item, time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	it, err := w.store.Next(ctx, s, holder, now, now.Add(w.o.Lease))
	return it, w.o.Timeout - max(w.o.Now().Sub(now), 0), err
}

// try hands an item over and says what became of it.
func (w *Worker) try(ctx context.Context, it Item, left time.Duration) Outcome {
	err := w.call(ctx, it, left)
	now := w.o.Now()
	if err == nil {
		return Outcome{Done: true}
	}
	out := Outcome{Fault: cleantext.Line(err.Error(), maxFault)}
	switch {
	case IsPermanent(err):
		out.Dead = true
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		out.Due, out.Fault = now, "the program ended while the item was in hand" // which says nothing about the item
	case w.o.GiveUp > 0 && it.Tries >= leastTries && now.Sub(it.AddedAt) >= w.o.GiveUp:
		out.Dead = true
	default:
		out.Due = now.Add(max(w.o.Backoff(it.Tries), waitOf(err), time.Millisecond)) // not at once, so that RunOnce comes to an end
	}
	return out
}

// call calls Handle with a context that ends in time, and makes a panic an error.
func (w *Worker) call(ctx context.Context, it Item, left time.Duration) (err error) {
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), left)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		grace := time.NewTimer(max(w.o.Grace, 0))
		defer grace.Stop()
		select {
		case <-grace.C:
			cancel()
		case <-inner.Done():
		}
	})
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			// Its type is ours, its value may be anything.
			err = fmt.Errorf("the handler panicked with a %T", p)
			w.o.Logger.LogAttrs(ctx, slog.LevelError, "backlog: the handler panicked", w.about(it, err.Error(), slog.String("stack", string(debug.Stack())))...)
		}
	}()
	return w.handle(inner, it)
}

// finish stores an outcome. A store that fails for a moment must not have a done item done again, so it is asked again.
func (w *Worker) finish(ctx context.Context, it Item, holder string, out Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var err error
	for pause := hiccup; ; pause *= 3 {
		err = w.store.Finish(ctx, it, holder, out, w.o.Now())
		if err == nil || errors.Is(err, ErrLost) || errors.Is(err, mspkit.ErrInvalid) || pause >= 10*hiccup {
			return err
		}
		sleep(ctx, pause)
	}
}

// dead tells of an item that is dead now.
func (w *Worker) dead(ctx context.Context, it Item, out Outcome) {
	w.o.Logger.LogAttrs(ctx, slog.LevelError, "backlog: an item is dead, it waits for somebody to replay or drop it", w.about(it, out.Fault)...)
	if w.o.OnDead == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.o.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			w.o.Logger.LogAttrs(ctx, slog.LevelError, "backlog: OnDead panicked", w.about(it, fmt.Sprintf("it panicked with a %T", p), slog.String("stack", string(debug.Stack())))...)
		}
	}()
	it.State, it.Fault, it.EndedAt = Dead, out.Fault, micro(w.o.Now())
	w.o.OnDead(ctx, it)
}

// about is what a log may say of an item: ids.
func (w *Worker) about(it Item, fault string, more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{
		slog.String("kind", w.o.Kind), slog.String("tenant", string(it.Tenant)), slog.String("stream", it.Key), slog.String("item", it.ID),
		slog.Int("tries", it.Tries), slog.String("fault", fault),
	}, more...)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
