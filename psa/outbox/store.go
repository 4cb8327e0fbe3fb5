package outbox

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// State says where a note is.
type State string

// The states.
const (
	// Pending notes are still to be written.
	Pending State = "pending"
	// Delivered notes stand in the ticket; only their ids are kept.
	Delivered State = "delivered"
	// Dead notes were refused, or could not be written for too long. They wait for somebody to replay or drop them.
	Dead State = "dead"
	// Dropped notes were given up by somebody; only their ids are kept.
	Dropped State = "dropped"
)

// Entry is what a store keeps of one note. Only Sealed holds text, and only while the note may still be written.
type Entry struct {
	Tenant mspkit.TenantID
	ID     string
	Ticket mspkit.Ticket
	// Key is a hash of the note's own key, by which a repeat is recognised; empty where it has none.
	Key []byte
	// Seq is the place in the stream of its ticket, given by the store. A replay puts it at the end.
	Seq    int64
	State  State
	Sealed []byte
	// Parts is in how many parts it is written, Done how many are written, NoteIDs their ids in the ticket system.
	Parts, Done int
	NoteIDs     []string
	// Tries counts how often it was tried since it was added or replayed. Unclear is set before each try and cleared by
	// its outcome: where it is set, the present part may stand in the ticket.
	Tries   int
	Unclear bool
	// TriedAt is when the present part was first tried, for looking it up; zero where it was not.
	TriedAt time.Time
	// Due is when it may be tried.
	Due     time.Time
	AddedAt time.Time
	EndedAt time.Time
	// Fault says in words why the last try failed, and why it is dead.
	Fault string
}

// Stream is the stream of the entry's ticket.
func (e Entry) Stream() mspkit.Stream {
	return StreamOf(psa.TicketRef{Tenant: e.Tenant, Ticket: e.Ticket})
}

// Kind is the kind of the outbox's streams.
const Kind = "psa-notes"

// StreamOf returns the stream of a ticket. A system holds no slash here: the id may.
func StreamOf(ref psa.TicketRef) mspkit.Stream {
	return mspkit.Stream{Kind: Kind, Tenant: ref.Tenant, Key: ref.Ticket.System + "/" + ref.Ticket.ID}
}

// EventKind says what became of a note.
type EventKind string

// The events.
const (
	EventDelivered EventKind = "delivered"
	EventDead      EventKind = "dead"
	EventReplayed  EventKind = "replayed"
	EventDropped   EventKind = "dropped"
)

// Event tells what became of a note. It is stored in the same step as the change and holds no text.
type Event struct {
	// ID stays the same when the event is handed over again.
	ID     string
	Kind   EventKind
	At     time.Time
	Tenant mspkit.TenantID
	// Note is the id that AddNote returned.
	Note   string
	Ticket mspkit.Ticket
	// NoteIDs are the ids in the ticket system, one per part.
	NoteIDs []string
	// By is who replayed or dropped it; Fault why it is dead, in words without its text.
	By, Fault string
}

// Outcome is what became of one try.
type Outcome struct {
	// NoteID is the id of the written part; empty where it was not written.
	NoteID string
	// Unclear is set where it may have been written.
	Unclear bool
	// Due is when to try again, where NoteID is empty and Dead is not set.
	Due  time.Time
	Dead bool
	// Fault says why, in words.
	Fault string
	// EventID is the id of the event where this ends the note.
	EventID string
}

// Filter chooses entries to list.
type Filter struct {
	// Tenant restricts to one; empty is all.
	Tenant mspkit.TenantID
	// State restricts to one; empty is all.
	State State
	// After is the last id of the page before.
	After string
	// Limit is at most 500; 0 is 100.
	Limit int
}

// Counts is how many notes wait and how many are dead.
type Counts struct {
	Pending, Dead int
	// Oldest is when the oldest pending note was added; zero where there is none.
	Oldest time.Time
}

// The errors of stores.
var (
	// ErrNone means that there is nothing to do for the stream now.
	ErrNone = errors.New("outbox: nothing is due")
	// ErrHeld means that another worker has the stream.
	ErrHeld = errors.New("outbox: another worker has the stream")
	// ErrLost means that the lease ended before the outcome was stored: another worker may have the entry.
	ErrLost = errors.New("outbox: the lease has ended")
	// ErrState means that the entry is not in the state that this needs.
	ErrState = errors.New("outbox: the note is not in that state")
	// ErrNotFound means that there is no such entry.
	ErrNotFound = errors.New("outbox: there is no such note")
)

// Store keeps notes until they are written. Each verb is one atomic step. Implementations are [NewMemory] and
// outbox/sqlstore; the suite is in outboxtest.
type Store interface {
	// Add stores a pending entry at the end of its stream and returns its id, which the caller chose: e.Sealed is bound to
	// it. Seq is the store's to give. Where the tenant has an entry with the same
	// Key (one of keys, all hashes of one key under different keys of the ring), whatever its state, it stores nothing and
	// returns that one's id and false.
	Add(ctx context.Context, e Entry, keys [][]byte) (id string, added bool, err error)
	// Next takes the stream until the time until, or renews that for the same holder, and returns its first pending entry,
	// with Tries counted and Unclear set in the same step. Unclear in what is returned is as it was before: whether the
	// present part may have been written by an earlier try. TriedAt is set to now in the store where it was zero; what is
	// returned has it set.
	// An entry that is not due yet holds up those behind it: then, or where there is none, it gives the stream up and
	// returns [ErrNone] with the entry's Due, or zero. A stream that another holder has until later than now is [ErrHeld],
	// with the end of that lease as the entry's Due.
	Next(ctx context.Context, s mspkit.Stream, holder string, now, until time.Time) (Entry, error)
	// Finish stores the outcome of the try of e that Next gave to the holder, and fails with [ErrLost] where the holder
	// has the stream no more or the entry has moved on (its state, Done, Tries or Seq). A lease that is over by the clock
	// but that nobody else took is good enough: what is known should be stored. A written part counts Done up, clears Unclear, TriedAt, Tries and
	// Fault, and is due at once; the last one makes the entry [Delivered], drops Sealed, and stores the event. Dead
	// makes it [Dead] with the event, keeps Sealed, and keeps Unclear as the outcome says. Otherwise Due, Unclear and Fault
	// become the outcome's, and TriedAt stays. The event has o.EventID, the time now, the ids of the entry and its Fault;
	// EndedAt becomes now where the entry ends.
	Finish(ctx context.Context, e Entry, holder string, o Outcome, now time.Time) error
	// Release gives the stream up.
	Release(ctx context.Context, s mspkit.Stream, holder string) error
	// Due returns streams that have a first pending entry due at now and that nobody holds, those waiting longest first.
	Due(ctx context.Context, now time.Time, limit int) ([]mspkit.Stream, error)

	// Get returns one entry.
	Get(ctx context.Context, tenant mspkit.TenantID, id string) (Entry, error)
	// List returns entries by id, without Sealed.
	List(ctx context.Context, f Filter) ([]Entry, error)
	// Count counts; an empty tenant is all.
	Count(ctx context.Context, tenant mspkit.TenantID) (Counts, error)
	// Replay makes a dead entry pending again, due now, at the end of its stream, with its Done, NoteIDs, Unclear and
	// TriedAt kept, and Tries, Fault and EndedAt cleared. It stores ev as it is. Another state is [ErrState].
	Replay(ctx context.Context, tenant mspkit.TenantID, id string, ev Event, now time.Time) (mspkit.Stream, error)
	// Drop ends a dead or pending entry, drops Sealed and stores ev as it is. One that is being tried (the first pending
	// one, which is due, of a stream that somebody holds) is [ErrState], as is another state.
	Drop(ctx context.Context, tenant mspkit.TenantID, id string, ev Event, now time.Time) error

	// Events returns events that were not acknowledged, oldest first.
	Events(ctx context.Context, limit int) ([]Event, error)
	// Ack forgets events.
	Ack(ctx context.Context, ids []string) error
	// Expire forgets delivered and dropped entries that ended before the time (dead ones wait for somebody), and streams without entries. It returns how many entries.
	Expire(ctx context.Context, before time.Time, limit int) (int, error)
	// Rewrap gives every entry that is sealed under another key than primary to seal, and stores what that returns, up to
	// limit of them. It returns how many. An entry that seal fails for is left as it is; the errors are joined.
	Rewrap(ctx context.Context, primary string, seal func(Entry) ([]byte, error), limit int) (int, error)
}

// TxStore is a [Store] that can add within a transaction of the caller.
type TxStore interface {
	Store
	// AddTx is Add within tx, which the caller commits.
	AddTx(ctx context.Context, tx *sql.Tx, e Entry, keys [][]byte) (id string, added bool, err error)
}
