package securesend

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
)

// Names of limits in [Limit] and [LimitError].
const (
	LimitCooldown    = "cooldown"
	LimitCodes       = "codes of this send"
	LimitRenewals    = "renewals of this number"
	LimitDestination = "messages to this destination per day"
	LimitSubject     = "messages to this person per day"
)

// Limit is one counter to be checked and counted. The window begins with the first count and ends after Window; then
// the counter begins again.
type Limit struct {
	// Name is shown in [LimitError].
	Name string
	// Key names the counter, another one for each limit of a call.
	Key string
	// Max is the most counts within a window; less than 1 refuses everything.
	Max    int
	Window time.Duration
	// Global marks a counter over all tenants; the key of every other one begins with the tenant.
	Global bool
}

// Query selects records of one tenant, the newest first.
type Query struct {
	Tenant mspkit.TenantID
	// Sender, Subject, Ticket and Kind select where they are not zero.
	Sender, Subject string
	Ticket          mspkit.Ticket
	Kind            Kind
	// Limit is the most records to return; stores treat less than 1 or more than 1000 as 1000.
	Limit int
}

// Capped returns the limit to be used.
func (q Query) Capped() int {
	if q.Limit < 1 || q.Limit > 1000 {
		return 1000
	}
	return q.Limit
}

// Match reports whether q selects r.
func (q Query) Match(r *Record) bool {
	return r.Tenant == q.Tenant && (q.Sender == "" || r.Sender == q.Sender) && (q.Subject == "" || r.Subject == q.Subject) &&
		(q.Ticket.IsZero() || r.Ticket == q.Ticket) && (q.Kind == "" || r.Kind == q.Kind)
}

// EventQuery selects events that were not acknowledged.
type EventQuery struct {
	Limit int
	// Skip leaves out tenants whose recorder fails, so that they do not hold up the others.
	Skip []mspkit.TenantID
}

// Remains are parts of files whose send has ended.
type Remains struct {
	Ref
	Region string
}

// MaxInline is the largest [Record.Inline] in bytes.
const MaxInline = MaxManifest + Overhead

// SecretStore keeps sends. Each method is one atomic step: it happens wholly, with its events, or not at all, on however
// many instances. The steps themselves are methods of [Record]: a store reads the record, calls the one that is named
// like its own method, and stores what it changed. Every verb is given now; a store never asks a clock of its own.
// Implementations must be safe for concurrent use and pass securesendtest.TestStore, which checks every sentence of this
// comment.
//
// Only Take and Rewrap ever hand out [Record.Half], Take alone [Record.Inline], and nothing hands out MACs; the
// other verbs return records as [Record.Hidden] does. Errors are those of the steps, [ErrNotFound], [ErrConflict], or
// what went wrong underneath.
type SecretStore interface {
	// Put stores a new record, a draft or one that is ready, with version 1 and its event. [ErrConflict] where its id is
	// taken. A zero or past ExpiresAt and less than one view are [ErrInvalid].
	Put(ctx context.Context, r Record, s Stamp, now time.Time) error
	// Commit completes a draft; see [Record.Commit].
	Commit(ctx context.Context, ref Ref, c Content, now time.Time) (Record, error)
	// Admit lets somebody answer a request; see [Record.Admit]. With an error it returns the hidden record, as Take does.
	Admit(ctx context.Context, ref Ref, a Admission, now time.Time) (Record, error)

	// Stat returns the record. It never counts as a view and changes nothing.
	Stat(ctx context.Context, ref Ref) (Record, error)
	// Open notes the first look with the right auth; see [Record.Open].
	Open(ctx context.Context, ref Ref, auth []byte, s Stamp, now time.Time) (Record, error)
	// Take hands out the half, to one claim; see [Record.Take]. With an error it returns the hidden record, so that the
	// service can say how many tries are left, and has stored what the step changed nevertheless.
	Take(ctx context.Context, ref Ref, t Take, now time.Time) (Record, error)
	// Extend notes fetched chunks and extends the lease; see [Record.Extend].
	Extend(ctx context.Context, ref Ref, f Fetch, now time.Time) (Record, error)
	// Ack ends the view; see [Record.Ack].
	Ack(ctx context.Context, ref Ref, claim, auth []byte, s Stamp, now time.Time) (Record, error)
	// SendCode notes a code before it is sent; see [Record.SendCode].
	SendCode(ctx context.Context, ref Ref, c Code, now time.Time) (Record, error)
	// Renew replaces the number; see [Record.Renew].
	Renew(ctx context.Context, ref Ref, version int64, n Renewal, now time.Time) (Record, error)
	// Revoke burns; see [Record.Revoke].
	Revoke(ctx context.Context, ref Ref, s Stamp, now time.Time) (Record, error)
	// Note stores an event that changes nothing.
	Note(ctx context.Context, ref Ref, s Stamp, now time.Time) error
	// List returns records, the newest first.
	List(ctx context.Context, q Query) ([]Record, error)

	// Count checks all limits and counts all of them, or none: then it is a [*LimitError]. What is refused begins no window.
	Count(ctx context.Context, limits []Limit, now time.Time) error

	// Expire sweeps up to limit records that are due and returns how many; see [Record.Sweep].
	Expire(ctx context.Context, now time.Time, limit int) (int, error)
	// Dead returns up to limit records that have ended and whose blobs were not forgotten, of the regions given, the
	// first ended first. Forget says that the blobs are gone; it is nil where that is known.
	Dead(ctx context.Context, regions []string, limit int) ([]Remains, error)
	Forget(ctx context.Context, ref Ref) error
	// DeleteExpired deletes up to limit records that ended before the time ended and whose blobs are forgotten, and up
	// to limit counters that are over at now. It returns how many it deleted.
	DeleteExpired(ctx context.Context, ended, now time.Time, limit int) (int, error)
	// Rewrap calls f for up to limit records that have not ended and whose half was sealed by another key than primary, and
	// stores what f returns, unless the version changed in between. It returns how many it stored. Where f fails it
	// stops. f runs outside of every lock and transaction, so it may call the store.
	Rewrap(ctx context.Context, primary string, limit int, f func(Record) (half, sealed []byte, err error)) (int, error)

	// Events returns stored events that were not acknowledged, those of one tenant in the order in which they were
	// stored. AckEvents deletes them; unknown ids are ignored.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	AckEvents(ctx context.Context, ids []string) error
}

// Supporter is implemented by a [SecretStore] that cannot do everything: Supports returns an [ErrUnsupported] that names the
// option, and the send is refused before anything is stored.
type Supporter interface{ Supports(r Record) error }
