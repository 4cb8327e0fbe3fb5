package backlog

import (
	"context"
	"errors"
	"time"

	"github.com/mspkit/mspkit"
)

// State says where an item is.
type State string

// The states.
const (
	// Pending items are still to be done.
	Pending State = "pending"
	// Done items are done; only their ids are kept, so that a repeat of the same id is known.
	Done State = "done"
	// Dead items cannot be done, or could not for too long. They keep what is sealed and wait for somebody.
	Dead State = "dead"
	// Dropped items were given up by somebody; only their ids are kept.
	Dropped State = "dropped"
)

// Item is one piece of work.
type Item struct {
	Tenant mspkit.TenantID
	// Key is the stream within the tenant, 1 to [mspkit.MaxStreamKey] bytes. Items of one stream are done in order.
	Key string
	// ID is the owner's, 1 to [MaxID] bytes, unique in the tenant: an item whose id is there, in whatever state, is a repeat.
	ID string
	// Sealed is what is to be done, sealed by the owner for this tenant and id: a record of internal/seal of at most
	// [MaxSealed] bytes. It is gone when the item is done or dropped.
	Sealed []byte
	// Seq is the place among all items, from 1, given by the store in the order in which they were stored. A replay gives a
	// new one, behind all others.
	Seq   int64
	State State
	// Tries counts how often it was handed over since it was added or replayed.
	Tries int
	// AddedAt is when it was added, Due from when it may be done, EndedAt when it was done, dead or dropped; zero before.
	AddedAt, Due, EndedAt time.Time
	// Fault says in words why the last try failed. It holds nothing of what is sealed.
	Fault string
}

// Stream is the stream of the item, as the queue knows it.
func (it Item) Stream(kind string) mspkit.Stream {
	return mspkit.Stream{Kind: kind, Tenant: it.Tenant, Key: it.Key}
}

// What one item may be, and how many one Add takes.
const (
	MaxID     = 128
	MaxSealed = 4 << 20
	MaxItems  = 1000
)

// Outcome is what became of one try: exactly one of Done, Dead and a Due.
type Outcome struct {
	Done bool
	Dead bool
	// Due is when to try again.
	Due time.Time
	// Fault says why, in words.
	Fault string
}

// Filter chooses items to list.
type Filter struct {
	// Tenant restricts to one; empty is all.
	Tenant mspkit.TenantID
	// Key restricts to one stream of the tenant; empty is all.
	Key string
	// State restricts to one; empty is all.
	State State
	// After is the Seq of the last item of the page before.
	After int64
	// Limit is at most 500; 0 is 100.
	Limit int
}

// What [Filter.Limit] is at most, and what it is where it is 0.
const (
	maxPage     = 500
	defaultPage = 100
)

func (f Filter) limit() int {
	if f.Limit < 1 {
		return defaultPage
	}
	return min(f.Limit, maxPage)
}

// Counts is how many items wait and how many are dead.
type Counts struct {
	Pending, Dead int
	// Oldest is when the oldest pending item was added; zero where there is none.
	Oldest time.Time
}

// The errors of stores.
var (
	// ErrNone means that there is nothing to do in the stream now.
	ErrNone = errors.New("backlog: nothing is due")
	// ErrHeld means that another worker has the stream.
	ErrHeld = errors.New("backlog: another worker has the stream")
	// ErrLost means that the lease ended before the outcome was stored: another worker may have the item.
	ErrLost = errors.New("backlog: the lease has ended")
	// ErrState means that the item is not in the state that this needs.
	ErrState = errors.New("backlog: the item is not in that state")
	// ErrNotFound means that there is no such item.
	ErrNotFound = errors.New("backlog: there is no such item")
)

// Store keeps items until they are done. Each method is one atomic step; a store asks no clock of its own and keeps times
// to the microsecond, in UTC. Implementations are [NewMemory] and [NewSQL]; the suite is in backlogtest.
//
// Who has the first pending item of a stream has the stream. So a stream is free when an item of it ended or was put off,
// and a worker that wants the next one asks for it like any other.
type Store interface {
	// Add stores all items at the ends of their streams, pending, in one step: when it returns nil they are durable. Items
	// whose tenant and id are there already, in whatever state, or come twice in items, are left out. It returns how many
	// were new. State, Seq, Tries, Fault and EndedAt of what is given are not used; AddedAt is needed, and a zero Due is
	// AddedAt. Items that cannot be stored are [mspkit.ErrInvalid], all faults together, and then none is stored.
	//
	// No later item becomes visible to Next before an earlier one of its stream, whoever adds at once. After another error
	// it is not known whether they were stored, as where ctx ended or the connection broke: adding the same again is safe,
	// and how many were new may be told too low then. Sealed must not be changed after the call.
	Add(ctx context.Context, items []Item) (added int, err error)
	// Next takes the stream for holder until the time until, or renews that for the same holder, and returns its first
	// pending item with Tries counted up in the same step. Where that one is not due yet, or there is none, holder has
	// nothing, and it returns [ErrNone] with the item's Due, or zero. A stream that another holder has until later than now
	// is [ErrHeld], with the end of that lease as the item's Due. The Kind of s is not used.
	Next(ctx context.Context, s mspkit.Stream, holder string, now, until time.Time) (Item, error)
	// Finish stores what became of the try of it that Next gave to holder, which ends its lease, and fails with [ErrLost]
	// where holder has it no more (somebody else took the stream since, or it was released) or the item has moved on (state,
	// Tries or Seq). A lease that is over by the clock but that nobody else took is good enough: what is known should be
	// stored. Done drops Sealed and Fault; Dead keeps Sealed. EndedAt becomes now where it ends the item.
	Finish(ctx context.Context, it Item, holder string, o Outcome, now time.Time) error
	// Release gives the stream up, if holder has it.
	Release(ctx context.Context, s mspkit.Stream, holder string) error
	// Due returns streams whose first pending item is due at now and that nobody holds, those waiting longest first.
	// kind becomes their Kind.
	Due(ctx context.Context, kind string, now time.Time, limit int) ([]mspkit.Stream, error)

	// Get returns one item with what is sealed in it.
	Get(ctx context.Context, tenant mspkit.TenantID, id string) (Item, error)
	// List returns items in ascending order of Seq, without Sealed.
	List(ctx context.Context, f Filter) ([]Item, error)
	// Count counts; an empty tenant is all.
	Count(ctx context.Context, tenant mspkit.TenantID) (Counts, error)
	// Replay makes a dead item pending again, due now, at the end of its stream with Tries 0, no Fault and no EndedAt, and
	// returns its stream without Kind. An item in another state is [ErrState].
	Replay(ctx context.Context, tenant mspkit.TenantID, id string, now time.Time) (mspkit.Stream, error)
	// Drop ends a dead or pending item and drops what is sealed. One that is in somebody's hand at now is [ErrState], as is
	// one in another state.
	Drop(ctx context.Context, tenant mspkit.TenantID, id string, now time.Time) error
	// Expire forgets items that are done or dropped and ended before the time, up to limit of them, and returns how many.
	// Dead ones wait for somebody.
	Expire(ctx context.Context, before time.Time, limit int) (int, error)
	// Rewrap gives every item that is sealed under another key than primary to seal and stores what that returns, up to
	// limit of them. It returns how many. Errors of seal are joined; such an item is left as it is, and the others are done.
	Rewrap(ctx context.Context, primary string, seal func(Item) ([]byte, error), limit int) (int, error)
}
