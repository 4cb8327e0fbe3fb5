package entra

import (
	"context"
	"time"
)

// EventKind says what happened; it never changes its text.
type EventKind string

// The kinds of event.
const (
	EventSignedIn       EventKind = "signed-in"
	EventSignInRefused  EventKind = "sign-in-refused"
	EventSignedOut      EventKind = "signed-out"
	EventSteppedUp      EventKind = "stepped-up"
	EventForbidden      EventKind = "forbidden"
	EventLinked         EventKind = "linked"
	EventUnlinked       EventKind = "unlinked"
	EventInvited        EventKind = "invited"
	EventInviteAccepted EventKind = "invitation-accepted"
	EventInviteRevoked  EventKind = "invitation-revoked"
	EventRoleChanged    EventKind = "role-changed"
	EventFactorEnrolled EventKind = "factor-enrolled"
	EventFactorRemoved  EventKind = "factor-removed"
	EventFactorUsed     EventKind = "factor-used"
	EventFactorRefused  EventKind = "factor-refused"
	// EventProvisioned and EventProvisionRefused are of package graphentra: a step that was done in a tenant, and one that was refused.
	EventProvisioned      EventKind = "provisioned"
	EventProvisionRefused EventKind = "provision-refused"
)

// Event is something for the audit of who did what. It holds no token, code, secret or address.
type Event struct {
	At   time.Time
	Kind EventKind
	// Owner is the MSP, User the host's id of whom it is about, By that of who did it where it is somebody else.
	Owner, User, By string
	// TenantID and ObjectID are the person in Entra, as far as a checked token says.
	TenantID, ObjectID string
	// Session is the id of the session.
	Session string
	// Reason says why something was refused: a [Reason], or what was asked for, such as the name of a permission or role.
	Reason string
}

// Auditor keeps events. It must be safe for concurrent use. An error is logged; what was done stays done, and what was refused
// stays refused.
type Auditor interface {
	Audit(ctx context.Context, e Event) error
}

// AuditorFunc is a function as an [Auditor].
type AuditorFunc func(ctx context.Context, e Event) error

// Audit implements [Auditor].
func (f AuditorFunc) Audit(ctx context.Context, e Event) error { return f(ctx, e) }
