package verify

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// Ref names one challenge.
type Ref struct {
	Tenant mspkit.TenantID
	ID     string
}

// Kind says who verifies whom.
type Kind string

const (
	// KindCaller verifies the caller; only this kind yields a [Proof].
	KindCaller Kind = "caller"
	// KindTechnician lets the contact verify the technician.
	KindTechnician Kind = "technician"
)

// State is what has become of a challenge.
type State string

// The states of a record. A record leaves [StatePending] once and for all, except that [StateFailed] becomes
// pending again by a renewal.
const (
	StatePending   State = "pending"
	StateConfirmed State = "confirmed"
	StateDenied    State = "denied"    // "this is not me"
	StateFailed    State = "failed"    // every try of the code or number is used up
	StateExpired   State = "expired"   //
	StateCancelled State = "cancelled" //
)

// The states that a [Result] may have besides: they are true of the subject or of one answer, not of the record.
const (
	StateWrong  State = "wrong" // this answer was wrong, tries are left
	StateFrozen State = "frozen"
	StateLocked State = "locked"
)

// Final reports whether nothing can change s any more but a renewal.
func (s State) Final() bool { return s != StatePending && s != StateWrong }

// DeliveryStatus is how far the message came. It only ever rises.
type DeliveryStatus int

// The statuses.
const (
	DeliveryPending DeliveryStatus = iota
	DeliverySent
	// DeliveryFailed is below DeliveryDelivered: a message that was given up may still arrive, and one that has
	// arrived cannot fail any more.
	DeliveryFailed
	DeliveryDelivered
)

// String returns the status in one word.
func (d DeliveryStatus) String() string {
	return [...]string{"pending", "sent", "failed", "delivered"}[min(max(d, 0), 3)]
}

// Record is a challenge as a store keeps it. Everything that could be misused is a MAC or sealed before it gets
// here, so a store needs no key.
type Record struct {
	Ref
	// Version counts the changes that end or renew the challenge; tries do not change it.
	Version    int64
	Kind       Kind
	State      State
	Delivery   DeliveryStatus
	Method     Method
	Channel    string
	Subject    string
	Action     Action
	Technician string
	Ticket     mspkit.Ticket
	Assurance  Assurance
	// Answerer, where not empty, is a hash of the only address that may answer; see [Authenticator].
	Answerer string

	// KeyID names the key of the MACs. MAC is of the expected answer, WordMAC of the word that confirms a
	// denial. Only Attempt hands them out; every other verb returns them empty.
	KeyID   string
	MAC     []byte
	WordMAC []byte
	// Sealed holds what must be read again: the address, the names, the link. See internal/seal.
	Sealed []byte

	Tries, MaxTries int
	// Sends counts the answers that were given out, Messages those that went with a message.
	Sends, Messages int
	LockAfter       int
	// Hinted is set when somebody pressed "not me" without proving that they are the subject, or signed in as somebody else.
	Hinted bool
	// Refund lists the counters that go down by one when the challenge is confirmed.
	Refund []string
	// ReceiptID is the channel's own id of the last message.
	ReceiptID string

	CreatedAt, ExpiresAt time.Time
	DecidedAt            time.Time // zero while pending
	ProofUntil           time.Time // zero unless confirmed
	// NeedsApproval makes the proof worthless until a second technician has approved.
	NeedsApproval bool
	ApprovedBy    string
	ApprovedAt    time.Time
	RedeemedBy    string
	RedeemedAt    time.Time
}

// Effective returns the state that r has at now for a subject in state sub: what is stored, or expired, failed,
// frozen or locked where that is not stored yet. Only [StatePending] can be answered.
func (r Record) Effective(sub SubjectState, now time.Time) State {
	switch {
	case r.State != StatePending:
		return r.State
	case !now.Before(r.ExpiresAt):
		return StateExpired
	case r.Tries >= r.MaxTries:
		return StateFailed
	case sub.FrozenUntil.After(now):
		return StateFrozen
	case sub.Failures >= r.LockAfter:
		return StateLocked
	}
	return StatePending
}

// Hidden returns r without its MACs.
func (r Record) Hidden() Record {
	r.MAC, r.WordMAC = nil, nil
	return r
}

// SubjectState is what a store keeps of a subject beyond its challenges.
type SubjectState struct {
	// Failures counts tries since the last confirmed one.
	Failures int
	// FrozenUntil is zero or past where the subject is not frozen.
	FrozenUntil time.Time
}

// NewChallenge is what Begin stores.
type NewChallenge struct {
	Record Record
	// Idempotency is a hash of the caller's key, or empty. Fingerprint is a hash of the request: the same key
	// with another fingerprint is ErrConflict.
	Idempotency string
	Fingerprint string
	Stamp       Stamp
}

// Names of limits in [Limit] and [LimitError].
const (
	LimitCooldown    = "cooldown"
	LimitDestination = "messages to this destination per day"
	LimitSubject     = "messages to this person per day"
	LimitBudget      = "unverified messages of this tenant"
	LimitUnverified  = "unverified messages to this destination per day"
	LimitSends       = "sends of this challenge"
	LimitChecks      = "authenticator checks of this person per day"
	LimitRequests    = "public requests"
)

// Limit is one counter to be checked and counted. The window begins with the first count and ends after
// Window; then the counter begins again.
type Limit struct {
	// Name is shown in [LimitError].
	Name string
	// Key names the counter, another one for each limit of a call. It begins with the tenant, except where the limit is
	// Global.
	Key string
	// Max is the most counts within a window; less than 1 refuses everything.
	Max    int
	Window time.Duration
	// Refund makes a confirmed challenge give the count back.
	Refund bool
	// Global marks a counter over all tenants. The keys of all global limits of one call are the same up to their
	// last slash, so that a store on many machines can keep them on one.
	Global bool
	// Alert stores an [EventLimit] after the event of the Begin or Renew whose count reaches Max: whatever comes
	// next is refused.
	Alert bool
}

// Reached returns the stamp of the [EventLimit] that comes with s because l, the i-th limit of the call, has reached
// its maximum.
func (l Limit) Reached(s Stamp, i int) Stamp {
	return Stamp{ID: s.ID + "-limit-" + strconv.Itoa(i), Kind: EventLimit, By: BySystem, Reason: l.Name}
}

// Renewal replaces the answer of a challenge.
type Renewal struct {
	KeyID        string
	MAC, WordMAC []byte
	Sealed       []byte
	MaxTries     int
	ExpiresAt    time.Time
	// Send is false where only a new number is said and nothing is delivered.
	Send  bool
	Stamp Stamp
}

// Outcome ends a challenge.
type Outcome struct {
	// State is confirmed, denied, failed or cancelled.
	State State
	Stamp Stamp
	// ProofUntil is set with [StateConfirmed] of [KindCaller].
	ProofUntil time.Time
	// FreezeUntil, where not zero, freezes the subject with the same step and stores a second event with
	// FreezeStamp.
	FreezeUntil time.Time
	FreezeStamp Stamp
}

// Try is one try of an answer.
type Try struct {
	// Method is what is answered, Technician who answers, or empty where it is the caller. A try that does not
	// fit the record is not counted.
	Method     Method
	Technician string
	// Answerers are hashes of the address that answers, one for each key; none where it is not known.
	Answerers []string
	Stamp     Stamp
}

// SubjectChange changes what is kept of a subject.
type SubjectChange struct {
	// FrozenUntil, where not nil, freezes; a freeze that lasts longer already stays. The zero time unfreezes.
	FrozenUntil *time.Time
	// Unlock sets the failures to zero.
	Unlock bool
	Stamp  Stamp
}

// Query selects records of one tenant, the newest first.
type Query struct {
	Tenant mspkit.TenantID
	// Technician and Subject select where they are not empty.
	Technician string
	Subject    string
	// OpenAt, where not zero, selects the records that are pending or failed and not expired at that time.
	OpenAt time.Time
	// Limit is the most records to return; stores treat less than 1 or more than 1000 as 1000.
	Limit int
}

// Queued is a sealed delivery that a public form asked for.
type Queued struct {
	Tenant mspkit.TenantID
	ID     string
	Sealed []byte
	// Attempts counts how often Due handed it out.
	Attempts int
	// At is when it was asked for, Due when it is to be delivered at the earliest.
	At, Due time.Time
}

// EventQuery selects events that were not acknowledged.
type EventQuery struct {
	Limit int
	// Skip leaves out tenants whose recorder fails, so that they do not hold up the others.
	Skip []mspkit.TenantID
}

// Store keeps challenges. Each method is one atomic step: it happens wholly, with its events, or not at all, on
// however many instances. Every verb is given now; a store never asks a clock of its own. Implementations must
// be safe for concurrent use and pass verifytest.TestStore, which checks every sentence of this comment.
//
// Errors are [ErrNotFound], [ErrConflict], [ErrNotPending], [ErrFrozen], [ErrLocked], a [*LimitError],
// [ErrRedeemed], [ErrProofExpired], [ErrUnapproved], [ErrForbidden], or what went wrong underneath.
type Store interface {
	// Begin stores a new challenge. In this order: a known idempotency key returns the stored record and true
	// (or ErrConflict); a frozen subject is ErrFrozen, a locked one ErrLocked; then all limits are checked and
	// counted together, or none of them is: what is refused begins no window either.
	Begin(ctx context.Context, n NewChallenge, limits []Limit, now time.Time) (r Record, existing bool, err error)

	// Sent stores how far the delivery came and the channel's receipt id. A status that is not higher than the
	// stored one stores no event and changes nothing, but for a receipt id where none is stored yet: a status
	// may come before the channel has answered.
	Sent(ctx context.Context, ref Ref, receiptID string, status DeliveryStatus, s Stamp, now time.Time) error

	// Attempt counts a try and, where the caller is verified, a failure of the subject, and only then hands out
	// the MACs; see [Record.Try]. Where [Record.Effective] is not pending, or the try does not fit the record, it
	// counts nothing and returns the record without MACs. A try that reaches LockAfter also stores an
	// [EventLocked] with the id of the stamp and the suffix "-locked".
	Attempt(ctx context.Context, ref Ref, t Try, now time.Time) (r Record, sub SubjectState, err error)

	// Finish ends a pending challenge if its version is still version, else it is ErrConflict or ErrNotPending.
	// Confirming a caller clears the subject's failures; confirming lowers the refunded counters, and is refused
	// with ErrFrozen or ErrNotPending where the subject was frozen or the challenge expired in between. A freeze
	// only lengthens.
	Finish(ctx context.Context, ref Ref, version int64, o Outcome, now time.Time) (Record, error)

	// Renew replaces the answer of a pending or failed challenge that has not expired, if its version is still
	// version: tries start at zero, sends go up by one, limits are counted as in Begin.
	Renew(ctx context.Context, ref Ref, version int64, n Renewal, limits []Limit, now time.Time) (Record, error)

	// Hint sets Hinted on a pending challenge and stores the event, the first time only; later it does nothing.
	Hint(ctx context.Context, ref Ref, s Stamp, now time.Time) error

	// Approve stores that a second technician agrees to a confirmed challenge that needs it, once: a later one
	// changes nothing and stores no event. See [Record.Approvable].
	Approve(ctx context.Context, ref Ref, by string, s Stamp, now time.Time) (Record, error)

	// Redeem marks the proof of a confirmed challenge as used. The same by may repeat it without effect;
	// another is ErrRedeemed. From ProofUntil on it is ErrProofExpired, while the subject is frozen ErrFrozen, and
	// before an approval that it needs ErrUnapproved, whoever asks and whether or not it was redeemed.
	Redeem(ctx context.Context, ref Ref, by string, s Stamp, now time.Time) (Record, error)

	// Get returns the record and what is kept of its subject. List returns records, the newest first.
	Get(ctx context.Context, ref Ref) (Record, SubjectState, error)
	List(ctx context.Context, q Query) ([]Record, error)

	// Subject returns what is kept of a subject; an unknown one is the zero state. ChangeSubject freezes,
	// unfreezes or unlocks and stores the event.
	Subject(ctx context.Context, tenant mspkit.TenantID, subject string) (SubjectState, error)
	ChangeSubject(ctx context.Context, tenant mspkit.TenantID, subject string, c SubjectChange, now time.Time) error

	// Events returns stored events that were not acknowledged, those of one tenant in the order in which they were
	// stored. Ack acknowledges them; unknown ids are ignored.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	Ack(ctx context.Context, ids []string) error

	// Unchained returns events that are in no chain yet, up to limit in all, those of one tenant in the order in which
	// they were stored. Chain adds links to events of one tenant, in their order, if the chain still ends with number
	// head; else it is ErrConflict and nothing is stored. Evidence returns up to limit chained events after number
	// after, in their order.
	Unchained(ctx context.Context, limit int) ([]Tail, error)
	Chain(ctx context.Context, tenant mspkit.TenantID, head int64, events []Event) error
	Evidence(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) (Evidence, error)

	// Expire ends up to limit pending challenges that have expired, each with an event, and returns how many.
	// DeleteExpired deletes up to limit each of challenges that ended before the time challenges, of events from before
	// the time events that are acknowledged and chained, and of counters that are over at now; it returns how many
	// records of all kinds it deleted. Events of a tenant go from the beginning of the chain on without a gap, and the
	// link of the last one stays as the chain's base.
	Expire(ctx context.Context, now time.Time, limit int) (int, error)
	DeleteExpired(ctx context.Context, challenges, events, now time.Time, limit int) (int, error)

	// Enqueue stores a delivery that is due at q.Due, counting limits as in Begin. Due hands out deliveries that are due and hides
	// them for lease, so that another instance does not take them. Done deletes one.
	Enqueue(ctx context.Context, q Queued, limits []Limit, now time.Time) error
	Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Queued, error)
	Done(ctx context.Context, tenant mspkit.TenantID, id string) error
}

// Watcher is a [Store] that can tell when a record changes. Watch yields the record now and after each change
// until ctx ends or an error is yielded. A notification is a hint: implementations read the record again.
type Watcher interface {
	Watch(ctx context.Context, ref Ref) iter.Seq2[Record, error]
}

// The following are the rules that every store shares.

// Refused returns the error for a message to a subject in state sub: [ErrFrozen], [ErrLocked] or nil.
func (r Record) Refused(sub SubjectState, now time.Time) error {
	if sub.FrozenUntil.After(now) {
		return ErrFrozen
	}
	if sub.Failures >= r.LockAfter {
		return ErrLocked
	}
	return nil
}

// AnsweredBy reports whether t comes from somebody who may answer r: the technician who began where a technician
// answers, else the address that r is bound to, or the holder of the link where it is bound to none.
func (r Record) AnsweredBy(t Try) bool {
	switch {
	case t.Technician != "":
		return t.Technician == r.Technician
	case r.Answerer == "":
		return len(t.Answerers) == 0
	}
	return slices.Contains(t.Answerers, r.Answerer)
}

// Try counts t on r and sub if it can be answered and fits, and reports whether it was counted and whether that
// locked the subject. A contact who verifies a technician proves and risks nothing of their own, so their tries
// are no failures of theirs.
func (r *Record) Try(t Try, sub *SubjectState, now time.Time) (counted, locked bool) {
	if r.Effective(*sub, now) != StatePending || t.Method != r.Method || !r.AnsweredBy(t) {
		return false, false
	}
	r.Tries++
	if r.Kind == KindCaller {
		sub.Failures++
		locked = sub.Failures == r.LockAfter
	}
	return true, locked
}

// End applies o to r and sub and reports whether the counters of Refund go down.
func (r *Record) End(version int64, o Outcome, sub *SubjectState, now time.Time) (refund bool, err error) {
	switch {
	case r.State != StatePending:
		return false, ErrNotPending
	case r.Version != version:
		return false, ErrConflict
	case o.State == StateConfirmed && !now.Before(r.ExpiresAt):
		return false, ErrNotPending
	case o.State == StateConfirmed && sub.FrozenUntil.After(now):
		return false, ErrFrozen
	}
	r.Version++
	r.State, r.DecidedAt, r.ProofUntil = o.State, now, o.ProofUntil
	if o.State == StateConfirmed && r.Kind == KindCaller {
		sub.Failures = 0
	}
	if !o.FreezeUntil.IsZero() {
		sub.Change(SubjectChange{FrozenUntil: &o.FreezeUntil})
	}
	return o.State == StateConfirmed, nil
}

// Change applies c. A freeze never ends one that lasts longer: only the zero time, which needs a permission of its
// own, unfreezes.
func (s *SubjectState) Change(c SubjectChange) {
	if f := c.FrozenUntil; f != nil && (f.IsZero() || f.After(s.FrozenUntil)) {
		s.FrozenUntil = *f
	}
	if c.Unlock {
		s.Failures = 0
	}
}

// Renewable reports whether r can be given a new answer at now, its version and subject aside.
func (r Record) Renewable(now time.Time) bool {
	return (r.State == StatePending || r.State == StateFailed) && now.Before(r.ExpiresAt)
}

// Renewed applies n to r and adds the counters to be refunded.
func (r *Record) Renewed(n Renewal, refund []string) {
	r.Version++
	r.State, r.DecidedAt = StatePending, time.Time{}
	r.KeyID, r.MAC, r.WordMAC, r.Sealed = n.KeyID, n.MAC, n.WordMAC, n.Sealed
	r.Tries, r.MaxTries, r.ExpiresAt = 0, n.MaxTries, n.ExpiresAt
	r.Sends++
	r.Hinted = false
	r.Refund = append(r.Refund, refund...)
	if n.Send {
		r.Messages++
		r.Delivery, r.ReceiptID = DeliveryPending, ""
	}
}

// Redeemable reports whether by may redeem the proof of r at now, and whether it is the first time.
func (r Record) Redeemable(sub SubjectState, by string, now time.Time) (first bool, err error) {
	switch {
	case r.State != StateConfirmed || r.Kind != KindCaller:
		return false, ErrProof
	case sub.FrozenUntil.After(now):
		return false, ErrFrozen
	case !now.Before(r.ProofUntil):
		return false, ErrProofExpired
	case !r.approved():
		return false, ErrUnapproved
	case r.RedeemedBy == by:
		return false, nil
	case r.RedeemedBy != "":
		return false, ErrRedeemed
	}
	return true, nil
}

// approved reports whether r has every approval that it needs.
func (r Record) approved() bool { return !r.NeedsApproval || r.ApprovedBy != "" }

// Approvable reports whether by may approve r at now, and whether it is the first time. The technician who began may
// not approve ([ErrForbidden]), in whatever case the id is written: directories take them for the same.
func (r Record) Approvable(sub SubjectState, by string, now time.Time) (first bool, err error) {
	switch {
	case r.State != StateConfirmed || r.Kind != KindCaller || !r.NeedsApproval:
		return false, ErrNotPending
	case by == "" || strings.EqualFold(by, r.Technician):
		return false, ErrForbidden
	case sub.FrozenUntil.After(now):
		return false, ErrFrozen
	case !now.Before(r.ProofUntil):
		return false, ErrProofExpired
	}
	return r.ApprovedBy == "", nil
}

// Sent applies a delivery to r and reports whether r changed and whether that is an event.
func (r *Record) Sent(receiptID string, status DeliveryStatus) (changed, event bool) {
	if status > r.Delivery {
		r.Delivery, r.ReceiptID = status, receiptID
		return true, true
	}
	if r.ReceiptID == "" && receiptID != "" {
		r.ReceiptID = receiptID
		return true, false
	}
	return false, false
}

// Capped returns the limit of q within its bounds.
func (q Query) Capped() int {
	if q.Limit < 1 || q.Limit > 1000 {
		return 1000
	}
	return q.Limit
}
