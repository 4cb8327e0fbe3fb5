package changefeed

import (
	"context"
	"encoding/json"
	"time"

	"github.com/mspkit/mspkit"
)

// A Feed has two halves: one keeps subscriptions, the other takes what they send. This file is all that they know of each
// other.

// subscribed is what receiving knows of a subscription. It is kept for a minute by whoever asked.
type subscribed struct {
	Tenant mspkit.TenantID
	// EntraTenant is in lower case.
	EntraTenant string
	Resource    Resource
	// ClientState is what Graph must send back.
	ClientState mspkit.Redacted[string]
}

// subscriber is the half that keeps subscriptions.
type subscriber interface {
	// known returns the subscription that a notification names, or [ErrNotFound]. A notification may come before the answer
	// to POST /subscriptions has told the id, so state, which is what the notification brought as clientState and is not yet
	// compared, may be needed to find it: what is found by it has the same ClientState. It is one read of the store, made
	// before Graph is answered, and takes no lock that creating a subscription holds.
	known(ctx context.Context, id, state string) (subscribed, error)
	// lifecycle is told what Graph says of a subscription that was made with a clientState of the tag, at least once, after the
	// answer; at is when it came. Where another one has taken its place it means nothing. An error has it told again.
	lifecycle(ctx context.Context, r Ref, tag string, event lifecycleEvent, at time.Time) error
	// run keeps subscriptions until ctx ends.
	run(ctx context.Context) error
}

// lifecycleEvent is what Graph says of a subscription
// (https://learn.microsoft.com/graph/change-notifications-lifecycle-events).
type lifecycleEvent string

const (
	reauthorizationRequired lifecycleEvent = "reauthorizationRequired"
	subscriptionRemoved     lifecycleEvent = "subscriptionRemoved"
	missed                  lifecycleEvent = "missed"
)

// receiving is the half that takes notifications.
type receiving interface {
	// certificate returns the id of the certificate that subscriptions are created and renewed with, and the certificate as
	// Graph wants it: DER in base64. It makes one where there is none yet, or where the newest is old.
	certificate(ctx context.Context) (id, der string, err error)
	// accept stores what a backfill found, at the ends of its conversations. It may be given the same again.
	accept(ctx context.Context, items []found) error
	// forget drops what is kept of a subscription that was changed or removed.
	forget(id string)
}

// found is one thing that a backfill read.
type found struct {
	Tenant      mspkit.TenantID
	EntraTenant string
	Resource    Resource
	// Path is chats('…')/messages('…'), teams('…')/channels('…')/messages('…') with /replies('…') for a reply, or users('…').
	// Change is what happened as far as one can tell; empty for messages, where the message tells.
	Path   string
	Change Change
	// Raw is the resource as Graph gave it; nil where it was not read.
	Raw json.RawMessage
	// Version tells what was found of something that does not say its version itself from what other backfills find of it: of
	// users and presence. The same backfill gives the same again.
	Version string
}

// Certificate is what Graph encrypts with: self-signed, and its private key sealed by the feed.
type Certificate struct {
	// ID is 1 to 64 letters and digits, given to Graph as encryptionCertificateId.
	ID string
	// DER is the certificate, Sealed the private key.
	DER, Sealed []byte
	// UsedAt is when a subscription was last known to have it.
	CreatedAt, NotAfter, UsedAt time.Time
}
