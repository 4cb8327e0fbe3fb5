package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
	"github.com/mspkit/mspkit/psa"
)

// Outbox is a [psa.TicketNoter] that takes a note at once and has it written by another one. It is safe for concurrent
// use; any number of instances may share a store.
type Outbox struct {
	inner   psa.TicketNoter
	store   Store
	secrets *secrets
	o       Options
	queue   mspkit.Queue
	loop    runner // the queue, where it is our own
	gates   *breakers
	running atomic.Bool
	nudge   chan struct{} // there are events
	hiccup  time.Duration // how long a store may fail for a moment
	rows    *jobs.Rows
}

// runner is a queue of our own.
type runner interface {
	mspkit.Queue
	Run(ctx context.Context) error
}

var _ psa.TicketNoter = (*Outbox)(nil)

// New returns an outbox in front of inner, which must obey the context and be safe for concurrent use. Where inner is a
// [psa.NoteReader] too, unclear writes are looked up; where it is a [psa.NoteLimiter], long notes are split. ring protects
// what is stored; all instances need the same one, and a key must stay in it until [Outbox.Rewrap] has been through and
// Options.Retention is over. Nil options are fine. Nothing is written before [Outbox.Run], or the given queue, runs.
func New(inner psa.TicketNoter, store Store, ring *mspkit.KeyRing, o *Options) (*Outbox, error) {
	b := &Outbox{inner: inner, store: store, nudge: make(chan struct{}, 1), hiccup: 50 * time.Millisecond}
	if o != nil {
		b.o = *o
	}
	var errs []error
	if inner == nil {
		errs = append(errs, fmt.Errorf("a ticket noter is required: %w", mspkit.ErrInvalid))
	}
	if store == nil {
		errs = append(errs, fmt.Errorf("a store is required: %w", mspkit.ErrInvalid))
	}
	var err error
	if b.secrets, err = newSecrets(ring); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, b.o.complete())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("outbox: new: %w", err)
	}
	b.gates = &breakers{o: b.o.Breaker, probe: b.lease(), keep: 2 * max(b.o.MaxBackoff, maxPause), all: map[system]*breaker{}}
	if b.queue = b.o.Queue; b.queue == nil {
		if b.loop, err = newLoop(b.o); err != nil {
			return nil, fmt.Errorf("outbox: new: %w", err)
		}
		b.queue = b.loop
	}
	if err := b.queue.Handle(Kind, b.Drain); err != nil {
		return nil, fmt.Errorf("outbox: new: the queue has another outbox already, or cannot be used: %w", err)
	}
	b.rows = &jobs.Rows{
		Name: "outbox", Wake: b.wake, Drain: b.Drain, Expire: store.Expire, Keep: b.o.Retention, Now: b.o.Now,
		Due: func(ctx context.Context, limit int) ([]mspkit.Stream, error) { return store.Due(ctx, b.o.Now(), limit) },
	}
	return b, nil
}

// lease is how long a stream is taken for: one look, one write, and the time after which the write has settled.
func (o *Outbox) lease() time.Duration { return 2*o.o.TryTimeout + o.o.Settle + o.o.Skew }

// AddNote stores the note and returns its id in the outbox; the id in the ticket system comes with the delivered event.
// When it returns without an error the note will be written, or somebody gets to know of it as a dead letter. A note of
// the same tenant with the same Key, whatever else is in it and whichever ticket it is for, is the same note: its id is
// returned and nothing is stored. After an error, call again with the same Key.
func (o *Outbox) AddNote(ctx context.Context, ref psa.TicketRef, note psa.Note) (string, error) {
	e, keys, err := o.entry(ref, note)
	if err != nil {
		return "", fmt.Errorf("outbox: add note: %w", err)
	}
	id, _, err := o.store.Add(ctx, e, keys)
	if err != nil {
		return "", fmt.Errorf("outbox: add note: %w", err)
	}
	if err := o.wake(ctx, e.Stream()); err != nil {
		o.o.Logger.LogAttrs(ctx, slog.LevelWarn, "outbox: a note is stored but its stream was not woken; the poll finds it",
			slog.String("note", id), slog.Any("error", err))
	}
	return id, nil
}

// AddNoteTx is AddNote within a transaction of the caller on the store's database: the note exists if the caller commits.
// Call [Outbox.Wake] after that; without it the note waits for the poll. A store that is no [TxStore] is an error that is
// [psa.ErrUnsupported].
func (o *Outbox) AddNoteTx(ctx context.Context, tx *sql.Tx, ref psa.TicketRef, note psa.Note) (string, error) {
	store, ok := o.store.(TxStore)
	if !ok {
		return "", fmt.Errorf("outbox: add note: the store cannot take part in a transaction: %w", psa.ErrUnsupported)
	}
	if tx == nil {
		return "", fmt.Errorf("outbox: add note: no transaction was given: %w", mspkit.ErrInvalid)
	}
	e, keys, err := o.entry(ref, note)
	if err != nil {
		return "", fmt.Errorf("outbox: add note: %w", err)
	}
	id, _, err := store.AddTx(ctx, tx, e, keys)
	if err != nil {
		return "", fmt.Errorf("outbox: add note: %w", err)
	}
	return id, nil
}

// Wake has the notes of a ticket written soon. It is for after the commit of what [Outbox.AddNoteTx] was part of; an error
// only means that they wait for the poll.
func (o *Outbox) Wake(ctx context.Context, ref psa.TicketRef) error {
	if err := checkRef(ref); err != nil {
		return fmt.Errorf("outbox: wake: %w", err)
	}
	if err := o.wake(ctx, StreamOf(ref)); err != nil {
		return fmt.Errorf("outbox: wake: %w", err)
	}
	return nil
}

// wake leaves a loop alone that does not run: in a process that only accepts notes it would fill up.
func (o *Outbox) wake(ctx context.Context, s mspkit.Stream) error {
	if o.loop != nil && !o.running.Load() {
		return nil
	}
	return o.queue.Wake(ctx, s, time.Time{})
}

// entry checks a note and makes what is stored of it.
func (o *Outbox) entry(ref psa.TicketRef, note psa.Note) (Entry, [][]byte, error) {
	if err := errors.Join(checkRef(ref), checkNote(note)); err != nil {
		return Entry{}, nil, err
	}
	limit := 0
	if l, ok := o.inner.(psa.NoteLimiter); ok {
		limit = l.NoteLimit()
	}
	now := o.o.Now()
	e := Entry{Tenant: ref.Tenant, ID: newID(now), Ticket: ref.Ticket, State: Pending, Due: now, AddedAt: now}
	p, err := o.secrets.plan(e.Tenant, e.ID, note, limit)
	if err != nil {
		return Entry{}, nil, err
	}
	e.Parts = len(p.Markers)
	if e.Sealed, err = o.secrets.seal(e, p); err != nil {
		return Entry{}, nil, err
	}
	keys := o.secrets.hashes(e.Tenant, note.Key)
	if len(keys) > 0 {
		e.Key = keys[0]
	}
	return e, keys, nil
}

func checkRef(ref psa.TicketRef) error {
	if err := ref.Validate(); err != nil {
		return err
	}
	if strings.Contains(ref.Ticket.System, "/") {
		return fmt.Errorf("the ticket system %q must not have a slash: %w", ref.Ticket.System, mspkit.ErrInvalid)
	}
	return nil
}

var idLetters = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newID returns an id that sorts by the time: 48 bits of milliseconds and 80 random ones.
func newID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(now.UnixMilli(), 0))<<16)
	_, _ = rand.Read(b[6:]) // never fails: crypto/rand aborts the program instead
	return idLetters.EncodeToString(b[:])
}
