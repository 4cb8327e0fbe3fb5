package changefeed

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/mspkit/mspkit"
)

// Kind is what kind of thing changed.
type Kind string

// The kinds.
const (
	ChatMessage    Kind = "chat-message"
	ChannelMessage Kind = "channel-message"
	User           Kind = "user"
	Presence       Kind = "presence"
)

// Change says what happened.
type Change string

// The changes. A reaction to a message, and an edit, is Updated; so is a user that was created or that can still be
// restored, see https://learn.microsoft.com/graph/api/subscription-post-subscriptions.
const (
	Created Change = "created"
	Updated Change = "updated"
	Deleted Change = "deleted"
)

// Event is one change, as a handler gets it.
type Event struct {
	// ID is the same whenever the same change is handed over again: after a crash, when Graph repeats a notification, when
	// two subscriptions tell of the same change, and when a backfill finds what a notification had told.
	ID     string
	Tenant mspkit.TenantID
	// EntraTenant is the id of the customer's Entra tenant, in lower case.
	EntraTenant string
	// Resource is what was subscribed to, Path what changed: chats('…')/messages('…').
	Resource Resource
	Path     string
	Kind     Kind
	Change   Change
	// CreatedAt is when Teams says that a message was made, ChangedAt when it was last changed; both are zero where that is
	// not known. AcceptedAt is when it was accepted here: the events of a conversation come in this order.
	CreatedAt, ChangedAt, AcceptedAt time.Time
	// Message is there for messages, User for users, Presence for presence; nil where Graph sent or gave no more than Path.
	Message  *Message
	User     *UserChange
	Presence *PresenceChange
	// Backfilled says that the event was read after notifications were missed.
	Backfilled bool
	// Raw is the resource as Graph wrote it; nil where there was none.
	Raw json.RawMessage
}

// Message is a message of a chat or a channel.
type Message struct {
	ID, ChatID, TeamID, ChannelID, ReplyToID string
	From                                     Person
	// Subject is that of a channel's message; it is often empty.
	Subject string
	// Text is the body as plain text, HTML as it came, which is not safe to show; it is empty where the body is text.
	Text, HTML  string
	Attachments []Attachment
	Reactions   []Reaction
	// Hosted are the ids of pictures in the message, for [Feed.Hosted].
	Hosted []string
	// Deleted says that the message was deleted, which leaves it without a text. System is a message of Teams itself, such as
	// that somebody was added.
	Deleted, System bool
}

// Person is who wrote.
type Person struct {
	// ObjectID is the id of a user, AppID that of a bot; both may be empty.
	ObjectID, AppID, Name string
}

// Attachment is what hangs on a message.
type Attachment struct {
	ID, Name, ContentType, URL string
	Content                    string
}

// Reaction is one person's reaction to a message.
type Reaction struct {
	Type, ObjectID string
}

// UserChange is what is known of a user that changed. Where [Options.ReadUsers] is not set it is the id.
type UserChange struct {
	ObjectID, Name, UPN, Mail string
	// Enabled is nil where that is not known.
	Enabled *bool
}

// PresenceChange is the new presence of a person.
type PresenceChange struct{ ObjectID, Availability, Activity string }

// Sink takes events: a host's agent desktop, for example. An error hands the event over again later, with the same ID; events
// behind it in the same conversation wait, others do not. It is called by several goroutines at once, for one conversation by
// one at a time.
type Sink interface {
	Handle(ctx context.Context, e Event) error
}

// SinkFunc is a function as a [Sink].
type SinkFunc func(ctx context.Context, e Event) error

// Handle implements [Sink].
func (f SinkFunc) Handle(ctx context.Context, e Event) error { return f(ctx, e) }

var idLetters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// digest returns 160 bits of a hash of parts, each with its length in front.
func digest(parts ...string) string {
	h := sha256.New()
	var n [4]byte
	for _, p := range parts {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return idLetters.EncodeToString(h.Sum(nil)[:20])
}

// eventID returns the id of a change. path is the canonical one of [parsePath]. version tells the changes of one thing apart:
// the etag of a message. A thing is created once, whatever it looked like when it was read.
func eventID(tenant mspkit.TenantID, path string, change Change, version string) string {
	if change == Created {
		version = ""
	}
	return digest("mspkit/changefeed/event", string(tenant), path, string(change), version)
}
