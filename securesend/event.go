package securesend

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
	EventCreated EventKind = "created"
	// EventUploaded means that the content of a draft is complete: it can be opened from now on.
	EventUploaded EventKind = "uploaded"
	// EventSent means that a sender took the message with the link, EventUnsent that it did not; Reason names the channel.
	EventSent   EventKind = "sent"
	EventUnsent EventKind = "unsent"
	// EventOpened means that somebody, or a program, looked at the page with the whole link; of a request, that
	// somebody began to answer it.
	EventOpened EventKind = "opened"
	// EventCodeSent means that the recipient asked for the code.
	EventCodeSent EventKind = "code-sent"
	// EventRefused means that a number, code or passphrase was wrong; Reason says which.
	EventRefused EventKind = "refused"
	// EventLocked means that the tries are used up. It is an alert.
	EventLocked  EventKind = "locked"
	EventRenewed EventKind = "renewed"
	// EventRevealed means that the server half was handed out, EventAcknowledged that the content arrived. Files lists
	// those that were not fetched.
	EventRevealed     EventKind = "revealed"
	EventAcknowledged EventKind = "acknowledged"
	// EventLapsed means that the lease ended without an acknowledgement; Files lists what was not fetched.
	EventLapsed  EventKind = "lapsed"
	EventExpired EventKind = "expired"
	EventRevoked EventKind = "revoked"
)

// Alert reports whether somebody should look at once.
func (k EventKind) Alert() bool { return k == EventLocked }

// Event tells of one change. It is stored in the same step as the change and holds no link, key, number, name of a file
// or address.
type Event struct {
	// Seq orders the events of one tenant in a store. ID stays the same when an event is handed over again.
	Seq    int64
	ID     string
	Kind   EventKind
	At     time.Time
	Tenant mspkit.TenantID
	// Send is the id of the send or request, What its kind.
	Send            string
	What            Kind
	Sender, Subject string
	Ticket          mspkit.Ticket
	// Log says where it goes.
	Log      Log
	State    State
	Region   string
	Views    int
	MaxViews int
	Refusals int
	// Files are numbers of files, counted from 1, that were not fetched.
	Files []int
	// By is who caused it: a technician's id, "recipient" or "system".
	By     string
	Reason string
}

// Who causes an event where it is not a technician.
const (
	ByRecipient = "recipient"
	BySystem    = "system"
)

// Stamp is what the service says of a change; the store completes it to an [Event] from the record.
type Stamp struct {
	ID     string
	Kind   EventKind
	By     string
	Reason string
	Files  []int
}

func (s Stamp) as(k EventKind, reason string) Stamp {
	s.Kind, s.Reason = k, reason
	return s
}

func stamp(kind EventKind, by, reason string) Stamp {
	return Stamp{ID: NewEventID(), Kind: kind, By: by, Reason: reason}
}

// NewEventID returns a new event id, for stores that make events of their own (Expire).
func NewEventID() string { return token.Random() }

// Event returns the event of r as it is after the change. Seq is left to the store.
func (r *Record) Event(s Stamp, now time.Time) Event {
	return Event{
		ID: s.ID, Kind: s.Kind, At: now, By: s.By, Reason: s.Reason, Files: s.Files,
		Tenant: r.Tenant, Send: r.ID, What: r.Kind, Sender: r.Sender, Subject: r.Subject, Ticket: r.Ticket, Log: r.Log,
		State: r.State, Region: r.Region, Views: r.Views, MaxViews: r.MaxViews, Refusals: r.Refusals,
	}
}

// Recorder takes over events: into a ticket, an audit log, an alert. [Service.Run] hands every event over at least once
// and in order per tenant; a repeat has the same ID. An error means that the event is handed over again later, before
// any later one of the same tenant.
type Recorder interface {
	Record(ctx context.Context, e Event) error
}

// RecorderFunc is a function as a [Recorder].
type RecorderFunc func(ctx context.Context, e Event) error

// Record calls f.
func (f RecorderFunc) Record(ctx context.Context, e Event) error { return f(ctx, e) }
