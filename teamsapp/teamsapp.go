package teamsapp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
)

// TeamsNotifier writes to one person in Teams; [*Bot] implements it.
type TeamsNotifier interface {
	// Notify sends n into the private chat of the bot with the person. It returns when Teams has taken the message.
	Notify(ctx context.Context, n Notification) (Receipt, error)
}

// User is a person in an Entra tenant. Both ids are GUIDs in lower case; [ParseUser] and [NewUser] make them so.
type User struct {
	// TenantID is the id of the customer's Entra tenant (tid), ObjectID that of the person in it (oid).
	TenantID, ObjectID string
}

// NewUser returns the user with these ids, which may be written in either case. The error is [mspkit.ErrInvalid].
func NewUser(tenantID, objectID string) (User, error) {
	tid, terr := guid(tenantID)
	oid, oerr := guid(objectID)
	if terr != nil || oerr != nil {
		return User{}, fmt.Errorf("teamsapp: a user is named by the GUIDs of tenant and person: %w", mspkit.ErrInvalid)
	}
	return User{TenantID: tid, ObjectID: oid}, nil
}

// ParseUser reads what [User.String] wrote, "tenant id/object id". The error is [mspkit.ErrInvalid] and does not
// repeat s.
func ParseUser(s string) (User, error) {
	tid, oid, _ := strings.Cut(s, "/")
	return NewUser(tid, oid)
}

// String returns "tenant id/object id".
func (u User) String() string { return u.TenantID + "/" + u.ObjectID }

// guid returns s in lower case if it is a GUID in its usual form.
func guid(s string) (string, error) {
	if len(s) != 36 {
		return "", errors.New("no GUID")
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// Message is what the bot says: a text, a card, or a text with a card.
type Message struct {
	// Text is sent as plain text, which has no formats. A client may still make a link of what looks like one. It must
	// not hold what is in a [Secret] of the card: notifications show it.
	Text string
	Card *Card
	// Silent sends without a notification on the person's devices.
	Silent bool
}

// Notification is a message to one person.
type Notification struct {
	To User
	Message
}

// Receipt names a message that Teams has taken.
type Receipt struct {
	Message MessageRef
}

// MessageRef names one message, so that any instance can update or delete it. It holds no secret.
type MessageRef struct {
	// User is the person in whose chat the message stands.
	User User
	// Conversation and Activity are Teams' ids of the chat and the message.
	Conversation, Activity string
}

// maxRef is the longest text that ParseMessageRef looks at.
const maxRef = 4096

// String returns r as one line of URL-safe text, for a database; [ParseMessageRef] reads it.
func (r MessageRef) String() string {
	b, _ := json.Marshal([]string{r.User.TenantID, r.User.ObjectID, r.Conversation, r.Activity}) //nolint:errchkjson // strings can always be encoded
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseMessageRef reads what [MessageRef.String] wrote. The error is [mspkit.ErrInvalid].
func ParseMessageRef(s string) (MessageRef, error) {
	bad := fmt.Errorf("teamsapp: this names no message: %w", mspkit.ErrInvalid)
	if len(s) > maxRef {
		return MessageRef{}, bad
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return MessageRef{}, bad
	}
	var parts []string
	if err := json.Unmarshal(raw, &parts); err != nil || len(parts) != 4 || parts[2] == "" || parts[3] == "" {
		return MessageRef{}, bad
	}
	u, err := NewUser(parts[0], parts[1])
	if err != nil {
		return MessageRef{}, bad
	}
	return MessageRef{User: u, Conversation: parts[2], Activity: parts[3]}, nil
}

// Turn is one thing that a person did: pressed a button of a card, or wrote a message. Tenant and User are proven:
// the activity was signed by the Bot Service and its tenant is an onboarded customer's. Everything else comes from
// the person's client and is to be trusted like a form field.
type Turn struct {
	Tenant mspkit.TenantID
	User   User
	// Name is what the person is called in Teams, cleaned, for display only.
	Name string
	// Locale is the language of the person's client, a BCP 47 tag, or empty.
	Locale string
	// Verb is the verb of the pressed button; empty for a written message.
	Verb string
	// Data is the button's data with what was typed into the card's fields. Values are strings, numbers and bools.
	Data map[string]any
	// Text is what was written, without mentions; empty for a button.
	Text string
	// Message is the message with the card for a button, and the written message otherwise.
	Message MessageRef
	// ID is the same when Teams delivers the same turn again.
	ID string
}

// Reply answers a [Turn]. The zero value says nothing.
type Reply struct {
	// Card takes the place of the pressed card, or is sent as an answer to a written message.
	Card *Card
	// Text is shown for a moment where a button was pressed and there is no Card, or is sent as a message.
	Text string
}

// Handler answers one kind of turn. It is called at most once for each turn, on whichever instance gets it first:
// duplicates get the same reply. It must return within [Options.HandleTimeout] and be safe for concurrent use. Where it
// fails, the person is asked to try again and a later press is handled anew; the error's text goes to the log only.
type Handler func(ctx context.Context, t Turn) (Reply, error)

// Installation tells that the bot was added to or removed from a person's Teams.
type Installation struct {
	Tenant    mspkit.TenantID
	User      User
	Installed bool
}
