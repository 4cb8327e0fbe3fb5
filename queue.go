package mspkit

import (
	"context"
	"fmt"
	"time"
)

// Stream names a line of work that is done in order, for example the notes of one ticket. It holds ids only: a queue may
// keep it in clear.
type Stream struct {
	// Kind says whose work it is, for example "psa-notes".
	Kind string `json:"kind"`
	// Tenant is whose data it is.
	Tenant TenantID `json:"tenant"`
	// Key tells the streams of one kind and tenant apart.
	Key string `json:"key"`
}

// MaxStreamKey is the longest [Stream.Key] in bytes: a ticket system, a ticket id and what separates them.
const MaxStreamKey = 2*MaxID + 16

// Validate reports whether every part is there and can be used.
func (s Stream) Validate() error {
	if err := validID("stream kind", s.Kind); err != nil {
		return err
	}
	if err := s.Tenant.Validate(); err != nil {
		return err
	}
	if s.Key == "" || len(s.Key) > MaxStreamKey {
		return fmt.Errorf("mspkit: stream key must have 1 to %d bytes, it has %d: %w", MaxStreamKey, len(s.Key), ErrInvalid)
	}
	return nil
}

// Drain does what there is to do for a stream, in order. It returns the time at which to come back, zero where nothing is
// left. An error means that it could not find out: the queue comes back by itself, later each time.
//
// A queue calls it for one stream at a time as far as it can; a process that was believed dead may still be at it, so the
// owner of the work keeps a lease of its own.
type Drain func(ctx context.Context, s Stream) (again time.Time, err error)

// Queue has streams drained. What is to be done is not in the queue but in rows that the owner of the work stored with
// the change that causes it: a queue that forgets everything loses nothing, because the owner looks for streams that have
// something due and wakes them again.
//
// Implementations are internal to the packages that need one (one process) and psa/riverqueue (many machines). They must
// be safe for concurrent use.
type Queue interface {
	// Handle names who drains the streams of a kind. It is called before the first Wake of that kind, once.
	Handle(kind string, drain Drain) error
	// Wake has s drained at the time at or soon after; the zero time is now. Waking twice is the same as waking once at
	// the earlier time. Waking a stream that is being drained may be lost.
	Wake(ctx context.Context, s Stream, at time.Time) error
}
