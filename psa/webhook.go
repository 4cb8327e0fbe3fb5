package psa

import (
	"net/http"
	"time"
)

// WebhookEvent is what a ticket system says has changed. It is a hint: read the record again, because everything but the
// id may be old or invented.
type WebhookEvent struct {
	System string
	// ID is the same when the same event is delivered again.
	ID string
	// Entity is "ticket", "contact", "company" or the system's own word for something else.
	Entity string
	// Action is "added", "updated", "deleted" or empty.
	Action string
	// RecordID is the id of the changed record.
	RecordID string
	At       time.Time
}

// WebhookVerifier checks calls of a ticket system to us.
type WebhookVerifier interface {
	// VerifyWebhook reads the request once, checks that the system made it and that it was not seen before, and returns
	// what it says. A call that is not authentic, too old or a repeat is an [ErrWebhook]; answer it with 401 and nothing
	// else. Answer a good one at once and do the work later: systems wait a few seconds.
	VerifyWebhook(r *http.Request) (WebhookEvent, error)
}
