package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mspkit/mspkit"
)

// Recorder takes over events: into an audit log, an alert, the host's own row of the note. [Outbox.Run] hands every event
// over at least once and in order per tenant; a repeat has the same ID. An error means that the event is handed over again
// later, before any later one of the same tenant.
type Recorder interface {
	Record(ctx context.Context, e Event) error
}

// RecorderFunc is a function as a [Recorder].
type RecorderFunc func(ctx context.Context, e Event) error

// Record calls f.
func (f RecorderFunc) Record(ctx context.Context, e Event) error { return f(ctx, e) }

// UnclearPolicy says what happens to a note that may have been written where the ticket system cannot be asked: it is no
// [psa.NoteReader], or ListNotes is [psa.ErrUnsupported].
type UnclearPolicy int

// The policies.
const (
	// RepeatUnclear writes it again with the same Note.Key: it may stand in the ticket twice, and is never missing.
	RepeatUnclear UnclearPolicy = iota
	// DeadUnclear makes it a dead letter: somebody looks into the ticket and replays or drops it. A replay writes it.
	DeadUnclear
)

// Breaker says when a ticket system of a tenant is left alone for a while. The zero value is the default.
type Breaker struct {
	// Failures is how many tries in a row must find the system down, refusing the credentials or unclear: default 5.
	// Negative means that it never opens.
	Failures int
	// Open is how long nothing is sent after that: default 30 s. Then one note is tried, and the others follow if it
	// comes through.
	Open time.Duration
}

// Options are the settings of an [Outbox]. The zero value is fine.
type Options struct {
	// Queue has the streams drained, on this machine or another one. Nil is a loop in this process, which runs within
	// [Outbox.Run].
	Queue mspkit.Queue
	// Workers is how many tickets the loop in this process works on at once: default 4. It is of no use with a Queue.
	Workers int
	// Recorder takes over events from Run, each within TryTimeout; nil drops them. All instances that run need the same.
	Recorder Recorder
	// Backoff is how long a note waits after its first failed try: default 2 s. It doubles up to MaxBackoff, default 5
	// minutes, and up to half of it is taken off at random. A system that asks to wait gets what it asks for, up to an
	// hour.
	Backoff, MaxBackoff time.Duration
	// TryTimeout bounds one write, and one look before it: default 30 s.
	TryTimeout time.Duration
	// Settle is how long after an unclear try the ticket is looked at: default 10 s, negative is at once. It must be
	// longer than the ticket system may still be busy with a request that we gave up; what it writes later than this
	// cannot be seen in time, and the note is there twice.
	Settle time.Duration
	// Skew is by how much the clocks of the instances may differ: default 1 minute with a Queue, 1 s without, negative
	// is not at all. After a crash, the ticket in hand waits for twice TryTimeout, Settle and Skew.
	Skew time.Duration
	// MaxAge is how long a note is tried before it is a dead letter: default 7 days, negative is for ever. It is tried
	// ten times at least, also after a replay.
	MaxAge time.Duration
	// Breaker is per tenant and system, in this process.
	Breaker Breaker
	// Unclear is for ticket systems that cannot be asked what is in a ticket.
	Unclear UnclearPolicy
	// Poll is how often Run looks for notes that nobody woke: default 5 s.
	Poll time.Duration
	// Retention is how long ids and the hash of the key of a written or dropped note are kept, so that a repeat is
	// recognised: default 30 days, negative is for ever.
	Retention time.Duration
	// Now is the clock: default time.Now.
	Now func() time.Time
	// Logger gets warnings; nil discards them. No text of a note is logged.
	Logger *slog.Logger
}

func (o *Options) complete() error {
	var errs []error
	set := func(name string, d *time.Duration, std, least time.Duration, off bool) {
		switch {
		case *d == 0:
			*d = std
		case *d < 0 && off:
			*d = -1
		case *d < least:
			errs = append(errs, fmt.Errorf("option %s must be at least %s, it is %s: %w", name, least, *d, mspkit.ErrInvalid))
		}
	}
	skew := time.Second
	if o.Queue != nil {
		skew = time.Minute
	}
	set("Backoff", &o.Backoff, 2*time.Second, time.Millisecond, false)
	set("MaxBackoff", &o.MaxBackoff, max(5*time.Minute, o.Backoff), time.Millisecond, false)
	set("TryTimeout", &o.TryTimeout, 30*time.Second, time.Millisecond, false)
	set("Settle", &o.Settle, 10*time.Second, 0, true)
	set("Skew", &o.Skew, skew, 0, true)
	set("MaxAge", &o.MaxAge, 7*24*time.Hour, time.Second, true)
	set("Breaker.Open", &o.Breaker.Open, 30*time.Second, time.Millisecond, false)
	set("Poll", &o.Poll, 5*time.Second, time.Millisecond, false)
	set("Retention", &o.Retention, 30*24*time.Hour, time.Minute, true)
	if o.MaxBackoff < o.Backoff {
		errs = append(errs, fmt.Errorf("option MaxBackoff %s is shorter than Backoff %s: %w", o.MaxBackoff, o.Backoff, mspkit.ErrInvalid))
	}
	if o.Workers < 0 {
		errs = append(errs, fmt.Errorf("option Workers must not be negative, it is %d: %w", o.Workers, mspkit.ErrInvalid))
	}
	if o.Unclear != RepeatUnclear && o.Unclear != DeadUnclear {
		errs = append(errs, fmt.Errorf("option Unclear %d is no policy: %w", o.Unclear, mspkit.ErrInvalid))
	}
	if o.Breaker.Failures == 0 {
		o.Breaker.Failures = 5
	}
	o.Settle, o.Skew = max(o.Settle, 0), max(o.Skew, 0)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}
