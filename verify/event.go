package verify

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// EventKind says what happened.
type EventKind string

// The events.
const (
	EventStarted     EventKind = "started"
	EventSent        EventKind = "sent"
	EventDelivered   EventKind = "delivered"
	EventUndelivered EventKind = "undelivered"
	// EventAttempted is stored with every counted try, before anybody knows whether it is right.
	EventAttempted EventKind = "attempted"
	// EventFailed means that all tries of this code or number are used up; the technician may renew it.
	EventFailed    EventKind = "failed"
	EventRenewed   EventKind = "renewed"
	EventConfirmed EventKind = "confirmed"
	// EventDenied means that the subject said "not me". It is an alert.
	EventDenied EventKind = "denied"
	// EventDenialHint means that somebody who holds the link pressed "not me" but did not know the word. It may
	// be the subject or a mail scanner; it changes nothing.
	EventDenialHint EventKind = "denial-hint"
	// EventSignInRefused means that a sign-in by the link of a challenge did not count, because it was somebody else's or proved
	// too little; Reason says which. It changes nothing.
	EventSignInRefused EventKind = "sign-in-refused"
	// EventMismatch means that a contact heard another word than the technician was given: somebody may be
	// posing as the technician. It is an alert.
	EventMismatch  EventKind = "mismatch"
	EventExpired   EventKind = "expired"
	EventCancelled EventKind = "cancelled"
	// EventFailedOver ends a challenge that could not be delivered, because another one is begun by another way.
	EventFailedOver EventKind = "failed-over"
	// EventApproved means that a second technician agreed to what was confirmed.
	EventApproved EventKind = "approved"
	EventRedeemed EventKind = "redeemed"
	EventFrozen   EventKind = "frozen"
	EventUnfrozen EventKind = "unfrozen"
	// EventLocked means that the subject failed too often in a row. It is an alert.
	EventLocked   EventKind = "locked"
	EventUnlocked EventKind = "unlocked"
	// EventFactorLink means that a link was made by which the subject sets up what they verify with, or gets new recovery
	// codes; EventFactorFailed that somebody with that link did not know the number and it is dead.
	EventFactorLink   EventKind = "factor-link"
	EventFactorFailed EventKind = "factor-failed"
	// EventFactorAdded and EventFactorRemoved mean that the subject has an authenticator app, or none any more.
	EventFactorAdded     EventKind = "factor-added"
	EventFactorRemoved   EventKind = "factor-removed"
	EventRecoveryRenewed EventKind = "recovery-renewed"
	// EventRecoveryUsed comes besides the [EventConfirmed], whose reason says the same.
	EventRecoveryUsed EventKind = "recovery-used"
	// EventNoticeFailed means that a subject could not be told of one of these; Reason says by which channel.
	EventNoticeFailed EventKind = "notice-failed"
	// EventLimit means that a limit with an alert was reached; Reason is its name. It is an alert.
	EventLimit EventKind = "limit-reached"
)

// Alert reports whether somebody should look at once.
func (k EventKind) Alert() bool {
	return k == EventDenied || k == EventMismatch || k == EventLocked || k == EventFrozen || k == EventLimit
}

// Event tells of one state change. It is stored in the same step as the change and holds no code, link,
// address or name.
type Event struct {
	// Seq orders the events of one tenant in a store. ID stays the same when an event is handed over again.
	Seq        int64
	ID         string
	Kind       EventKind
	At         time.Time
	Tenant     mspkit.TenantID
	Challenge  string // empty for events of a subject alone
	Verifies   Kind
	Subject    string
	Action     Action
	Technician string
	Ticket     mspkit.Ticket
	Channel    string
	Method     Method
	Assurance  Assurance
	State      State
	Tries      int
	Sends      int
	// By is who caused it: a technician's id, "caller", "channel" or "system".
	By string
	// Reason is what a technician or channel gave as reason.
	Reason string
	// Link is the event's place in the chain of its tenant, zero until [Service.Run] has added it. A [Recorder] gets events
	// with it, unless the chain cannot be kept up; who keeps [Link.Anchor] can tell later whether the chain was
	// rewritten.
	Link Link
}

// Who causes an event where it is not a technician.
const (
	ByCaller  = "caller"
	ByChannel = "channel"
	BySystem  = "system"
)

// Stamp is what the service says of a change; the store completes it to an [Event] from the record.
type Stamp struct {
	ID     string
	Kind   EventKind
	By     string
	Reason string
}

// Locked returns the stamp of the [EventLocked] that comes with s.
func (s Stamp) Locked() Stamp { return Stamp{ID: s.ID + "-locked", Kind: EventLocked, By: s.By} }

func stamp(kind EventKind, by, reason string) Stamp {
	return Stamp{ID: NewEventID(), Kind: kind, By: by, Reason: reason}
}

// NewEventID returns a new event id, for stores that make events of their own (Expire).
func NewEventID() string { return token.Random() }

// Event returns the event of r as it is after the change. Seq is left to the store.
func (r Record) Event(s Stamp, now time.Time) Event {
	return Event{
		ID: s.ID, Kind: s.Kind, At: now, By: s.By, Reason: s.Reason,
		Tenant: r.Tenant, Challenge: r.ID, Verifies: r.Kind, Subject: r.Subject, Action: r.Action,
		Technician: r.Technician, Ticket: r.Ticket, Channel: r.Channel, Method: r.Method,
		Assurance: r.Assurance, State: r.State, Tries: r.Tries, Sends: r.Sends,
	}
}

// SubjectEvent returns the event of a change that concerns no single challenge.
func SubjectEvent(tenant mspkit.TenantID, subject string, s Stamp, now time.Time) Event {
	return Event{ID: s.ID, Kind: s.Kind, At: now, By: s.By, Reason: s.Reason, Tenant: tenant, Subject: subject}
}

// Recorder takes over events: into a ticket, an audit log, an alert. [Service.Run] hands every event over at
// least once and in order per tenant; a repeat has the same ID. An error means that the event is handed over
// again later, before any later one of the same tenant.
type Recorder interface {
	Record(ctx context.Context, e Event) error
}

// RecorderFunc is a function as a [Recorder].
type RecorderFunc func(ctx context.Context, e Event) error

// Record calls f.
func (f RecorderFunc) Record(ctx context.Context, e Event) error { return f(ctx, e) }
