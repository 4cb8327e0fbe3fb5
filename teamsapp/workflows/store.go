package workflows

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

// Record is what a [Store] keeps of a connection.
type Record struct {
	Tenant mspkit.TenantID
	// ID is unique in the tenant, 1 to [mspkit.MaxID] bytes.
	ID string
	// Version counts the changes of Sealed, from 1.
	Version int64
	// Sealed is everything that an administrator gave: the URL, the name, what is posted and how. It is sealed for the
	// tenant and the id.
	Sealed []byte
	// Failures counts the tries in a row that the flow refused because of its URL or state.
	Failures int
	// Fault says in words why the last try was refused; empty where it was accepted.
	Fault string
	// BrokenAt is when Failures became too many; zero while they are not.
	BrokenAt            time.Time
	CreatedAt, TestedAt time.Time
}

// Validate reports whether r can be stored, as [mspkit.ErrInvalid].
func (r *Record) Validate() error {
	if err := r.Tenant.Validate(); err != nil {
		return err
	}
	if r.ID == "" || len(r.ID) > mspkit.MaxID || len(r.Sealed) == 0 || r.Version < 1 || r.CreatedAt.IsZero() {
		return fmt.Errorf("workflows: a connection needs an id, a version, what is sealed and when it was made: %w", mspkit.ErrInvalid)
	}
	return nil
}

// Note is what one try says of a connection.
type Note struct {
	At time.Time
	// Fault says why it was refused, in words; empty where it was accepted.
	Fault string
	// Counts is set for a fault of the URL or the state of the flow, which counts towards Broken: how many in a row break
	// the connection.
	Counts bool
	Broken int
	// Tested is set where it was a test.
	Tested bool
}

// Apply does to r what [Store.NoteConnection] says, for those who write a [Store].
func (r *Record) Apply(n Note) {
	r.Fault = n.Fault
	switch {
	case n.Fault == "":
		r.Failures, r.BrokenAt = 0, time.Time{}
		if n.Tested {
			r.TestedAt = n.At
		}
	case n.Counts:
		r.Failures++
		if r.Failures >= n.Broken && r.BrokenAt.IsZero() {
			r.BrokenAt = n.At
		}
	}
}

// Store keeps connections, and posts until they were accepted. Each method is one atomic step. Implementations are
// [NewMemory] and workflows/sqlstore; the suite is in workflowstest. They must be safe for concurrent use, by any number
// of instances, and keep times to the microsecond.
type Store interface {
	// PutConnection stores r where Version is 1 and the tenant has no connection with that id, or where it is one more than
	// that of the one that is there; otherwise it returns [ErrConflict], or [ErrNotFound] where there is none to replace.
	// All of r is stored, except that CreatedAt stays what it was. Of most connections or more, none is added: that is
	// [ErrTooMany].
	PutConnection(ctx context.Context, r Record, most int) error
	// Connection returns one, or [ErrNotFound].
	Connection(ctx context.Context, tenant mspkit.TenantID, id string) (Record, error)
	// Connections returns those of a tenant in the order in which they were made, and by id where that is one time.
	Connections(ctx context.Context, tenant mspkit.TenantID) ([]Record, error)
	// NoteConnection stores what a try with the given version says and returns what is stored then. Another version is
	// [ErrConflict] and changes nothing: the try says nothing of what an administrator has changed since.
	//
	// An accepted one sets Failures to 0 and clears Fault and BrokenAt, and for a test sets TestedAt to At. A refused one
	// sets Fault; where it counts, Failures goes up by one, and BrokenAt becomes At where Failures reaches Broken and
	// BrokenAt is zero.
	NoteConnection(ctx context.Context, tenant mspkit.TenantID, id string, version int64, n Note) (Record, error)
	// DeleteConnection forgets one, or returns [ErrNotFound].
	DeleteConnection(ctx context.Context, tenant mspkit.TenantID, id string) error
	// RewrapConnections gives every connection that is sealed under another key than primary to seal and stores what that
	// returns, up to limit of them and without a new version. It returns how many. Errors of seal are joined; such a
	// connection is left as it is.
	RewrapConnections(ctx context.Context, primary string, seal func(Record) ([]byte, error), limit int) (int, error)
	// Posts is where posts are kept. It always returns the same.
	Posts() Posts
}

// The types of posts that wait, under names that those who write a [Store] can use.
type (
	// Posts keeps posts until they were accepted. Its methods say what they do.
	Posts = backlog.Store
	// Item is one post, sealed.
	Item = backlog.Item
	// Outcome is what became of a try.
	Outcome = backlog.Outcome
	// Filter chooses posts to list.
	Filter = backlog.Filter
	// Counts is how many posts wait and how many are dead.
	Counts = backlog.Counts
)

// The errors that the methods of [Posts] return. Those of [Service] return [ErrNotFound] and [ErrState] for the last two.
var (
	// ErrNothingDue is returned by Next where nothing is due.
	ErrNothingDue = backlog.ErrNone
	// ErrHeld is returned by Next where another worker has the stream.
	ErrHeld = backlog.ErrHeld
	// ErrLost is returned by Finish where the lease has ended.
	ErrLost = backlog.ErrLost
	// ErrNoPost is returned where there is no such post.
	ErrNoPost = backlog.ErrNotFound
	// ErrPostState is returned where the post is in another state.
	ErrPostState = backlog.ErrState
)
