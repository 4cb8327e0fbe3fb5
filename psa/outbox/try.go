package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/psa"
)

const (
	// leastTries is how often a note is tried before its age counts: it may have waited in a store that nobody drained, or
	// been replayed after a week.
	leastTries = 10
	// maxPause is the longest wait that a ticket system is granted.
	maxPause = time.Hour
	// maxFault is how many bytes of words are kept.
	maxFault = 500
	// noID stands for the id of a note where the ticket system gives none.
	noID = "unknown"
)

// outcome is an [Outcome] with what it says about the ticket system.
type outcome struct {
	Outcome
	verdict verdict
	pause   time.Time
}

// try looks a part up if it may have been written, and writes it if it was not. began is when the lease began.
func (o *Outbox) try(ctx context.Context, e Entry, began time.Time) outcome {
	p, err := o.secrets.open(e)
	switch {
	case errors.Is(err, mspkit.ErrUnknownKey):
		return o.later(ctx, e, outcome{Outcome: Outcome{Unclear: e.Unclear, Fault: "the key ring does not hold the key of the note: " + err.Error()}})
	case err != nil:
		return o.dead(ctx, e, outcome{Outcome: Outcome{Unclear: e.Unclear, Fault: "what is stored of the note was altered or moved and does not open"}})
	}
	note := p.note(e.Done, e.ID)
	sticky := false
	if e.Unclear {
		out, looked, done := o.clearUp(ctx, e, note, p.Markers[e.Done])
		if done {
			return out
		}
		// Once a try was unclear, its write may come in at any time: each later try looks first.
		sticky = looked
	}
	if elapsed(began, o.o.Now()) > o.o.TryTimeout {
		// The process stood still, or the store was slow: the lease could end before the write does.
		return outcome{Outcome: Outcome{Unclear: e.Unclear, Due: o.o.Now(), Fault: "the lease was too short for another try"}}
	}
	id, err := o.write(ctx, e, note)
	if err == nil {
		if id == note.Key {
			id = "" // a client without ids gave it back; keys are kept as hashes only
		}
		return outcome{Outcome: Outcome{NoteID: noteID(id)}, verdict: works}
	}
	out := outcome{Outcome: Outcome{Fault: faultOf(err), Unclear: sticky}, verdict: verdictOf(err)}
	switch psa.FateOf(err) {
	case psa.Never:
		return o.dead(ctx, e, out)
	case psa.Later:
		o.wait(e, &out, err)
		return o.later(ctx, e, out)
	case psa.Unclear:
	}
	return o.unclear(ctx, e, out)
}

// elapsed is the longer of what the two clocks of a time say: one of them stands still with a machine that is suspended.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// clearUp finds out about a part that may have been written. done means that there is an outcome without writing; looked
// that the ticket system was asked and does not have it.
func (o *Outbox) clearUp(ctx context.Context, e Entry, note psa.Note, mark string) (out outcome, looked, done bool) {
	id, found, err := o.lookup(ctx, e, note, mark)
	switch {
	case found:
		return outcome{Outcome: Outcome{NoteID: id}, verdict: works}, true, true
	case errors.Is(err, psa.ErrUnsupported):
		// The first try after a replay writes: somebody has looked.
		if o.o.Unclear == DeadUnclear && e.Tries > 1 || o.tooOld(e, e.Tries-1) {
			return o.dead(ctx, e, outcome{Outcome: Outcome{Unclear: true, Fault: faultCannotAsk}}), false, true
		}
		return outcome{}, false, false
	case errors.Is(err, psa.ErrNotFound):
		return o.dead(ctx, e, outcome{Outcome: Outcome{Unclear: true, Fault: "look before writing again: " + faultOf(err)}, verdict: works}), false, true
	case err != nil:
		out = outcome{Outcome: Outcome{Unclear: true, Fault: "look before writing again: " + faultOf(err)}, verdict: verdictOf(err)}
		o.wait(e, &out, err)
		return o.later(ctx, e, out), false, true
	case o.tooOld(e, e.Tries-1): // this one is not made
		fault := e.Fault
		if fault == "" {
			fault = "the tries were unclear"
		}
		return o.dead(ctx, e, outcome{Outcome: Outcome{Unclear: true, Fault: "given up for its age, it is not in the ticket: " + fault}, verdict: works}), true, true
	}
	return outcome{}, true, false
}

const faultCannotAsk = "it may have been written, and the ticket system cannot be asked: look into the ticket, then replay or drop it"

// unclear is the outcome of a try that may have written.
func (o *Outbox) unclear(ctx context.Context, e Entry, out outcome) outcome {
	out.Unclear = true
	out.Due = o.o.Now().Add(max(o.o.Settle, o.backoff(e.Tries)))
	if o.cannotLook() {
		if o.o.Unclear == DeadUnclear {
			out.Fault = faultCannotAsk + "; " + out.Fault
			return o.dead(ctx, e, out)
		}
		return o.later(ctx, e, out)
	}
	return out // not given up for its age before it was looked up
}

func (o *Outbox) cannotLook() bool {
	_, ok := o.inner.(psa.NoteReader)
	return !ok
}

// later has the note tried again, unless it is too old.
func (o *Outbox) later(ctx context.Context, e Entry, out outcome) outcome {
	if out.Due.IsZero() {
		out.Due = o.o.Now().Add(o.backoff(e.Tries))
	}
	if o.tooOld(e, e.Tries) {
		out.Fault = "given up for its age: " + out.Fault
		return o.dead(ctx, e, out)
	}
	return out
}

func (o *Outbox) dead(ctx context.Context, e Entry, out outcome) outcome {
	out.Dead, out.Fault = true, cut(out.Fault)
	o.o.Logger.LogAttrs(ctx, slog.LevelWarn, "outbox: a note is dead", about(e, out.Fault)...)
	return out
}

func (o *Outbox) tooOld(e Entry, tries int) bool {
	return o.o.MaxAge > 0 && tries >= leastTries && o.o.Now().Sub(e.AddedAt) > o.o.MaxAge
}

// wait obeys a system that asks to wait: this note, and where there are too many requests everything of it.
func (o *Outbox) wait(e Entry, out *outcome, err error) {
	now := o.o.Now()
	out.Due = now.Add(o.backoff(e.Tries))
	pe, ok := errors.AsType[*psa.Error](err)
	if !ok || pe.RetryAfter <= 0 {
		return
	}
	if asked := now.Add(min(pe.RetryAfter, maxPause)); asked.After(out.Due) {
		out.Due = asked
	}
	if errors.Is(err, psa.ErrRateLimited) {
		out.pause = now.Add(min(pe.RetryAfter, maxPause))
	}
}

// backoff returns how long to wait after so many tries.
func (o *Outbox) backoff(tries int) time.Duration {
	d := o.o.MaxBackoff
	if shift := max(tries-1, 0); shift < 30 && o.o.Backoff<<shift>>shift == o.o.Backoff {
		d = min(d, o.o.Backoff<<shift)
	}
	if d < 2 {
		return d
	}
	return d - token.Jitter(d/2)
}

// write gives one part to the ticket system. A panic may have come after the write.
func (o *Outbox) write(ctx context.Context, e Entry, note psa.Note) (id string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.o.TryTimeout)
	defer cancel()
	defer o.recovered(ctx, e, &err)
	return o.inner.AddNote(ctx, psa.TicketRef{Tenant: e.Tenant, Ticket: e.Ticket}, note)
}

// lookup returns the note of the ticket that is ours, as visible as it should be, and ends with the marker. The text of a
// note is not proof of anything else: who reads one note may copy the marker into another.
func (o *Outbox) lookup(ctx context.Context, e Entry, note psa.Note, mark string) (id string, found bool, err error) {
	reader, ok := o.inner.(psa.NoteReader)
	if !ok {
		return "", false, psa.ErrUnsupported
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.o.TryTimeout)
	defer cancel()
	defer o.recovered(ctx, e, &err)
	list, err := reader.ListNotes(ctx, psa.TicketRef{Tenant: e.Tenant, Ticket: e.Ticket}, e.TriedAt.Add(-o.o.Skew)) // perhaps by another one's clock
	if err != nil {
		return "", false, err
	}
	for _, n := range list {
		if n.Ours && n.Visibility == note.Visibility && endsWith(n.Text, mark) {
			return noteID(n.ID), true, nil
		}
	}
	return "", false, nil
}

var errPanic = errors.New("the client of the ticket system panicked")

// recovered turns a panic into an error. Its value may hold the note, so only its type and the stack are logged.
func (o *Outbox) recovered(ctx context.Context, e Entry, err *error) {
	v := recover()
	if v == nil {
		return
	}
	*err = errPanic
	o.o.Logger.LogAttrs(ctx, slog.LevelError, "outbox: the client of the ticket system panicked", slog.String("note", e.ID),
		slog.String("type", fmt.Sprintf("%T", v)), slog.String("stack", string(debug.Stack())))
}

// verdictOf reads what an error says about the ticket system as a whole.
func verdictOf(err error) verdict {
	switch {
	case errors.Is(err, psa.ErrUnavailable), errors.Is(err, psa.ErrUnauthorized):
		return fails
	case psa.FateOf(err) == psa.Unclear:
		return fails
	}
	return works
}

// faultOf says an error in words that can be shown. A [*psa.Error] holds nothing of what was to be written; of any other
// error only what is known is said, because a client may well put the note into it.
func faultOf(err error) string {
	if pe, ok := errors.AsType[*psa.Error](err); ok {
		s := pe.Error()
		if pe.MergedInto != "" {
			s += "; the ticket was merged into " + pe.MergedInto
		}
		return cut(s)
	}
	for _, known := range []error{
		errPanic, psa.ErrAmbiguousWrite, psa.ErrRateLimited, psa.ErrUnauthorized, psa.ErrForbidden, psa.ErrUnavailable, psa.ErrConflict,
		psa.ErrNotFound, psa.ErrValidation, psa.ErrClosed, psa.ErrTooLong, psa.ErrUnsupported, psa.ErrOrigin,
		context.DeadlineExceeded, context.Canceled, mspkit.ErrInvalid,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fmt.Sprintf("the client of the ticket system failed with a %T, which says nothing that can be shown", err)
}

// cut keeps words short, on one line, and free of what a page or a log would not show: a ticket system chose some of them.
func cut(s string) string {
	s = cleantext.Line(s, maxFault)
	if len(s) <= maxFault {
		return s
	}
	return strings.ToValidUTF8(s[:maxFault], "") + "…"
}

// noteID is an id as it is kept and shown. What the ticket system gives may be anything; it only leads people to the note.
func noteID(id string) string {
	if len(id) > mspkit.MaxID {
		id = id[:mspkit.MaxID]
	}
	if id = cleantext.Line(id, mspkit.MaxID); id == "" {
		return noID
	}
	return id
}
