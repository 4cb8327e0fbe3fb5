package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/langtag"
)

// Connection is a webhook of Workflows: a flow of the customer that posts into one chat or channel. Printed, logged or
// encoded as JSON it shows no URL.
type Connection struct {
	Tenant mspkit.TenantID
	// ID is given by [Service.Connect].
	ID string
	// Name is what administrators call it: 1 to 64 characters on one line.
	Name string
	// URL is the secret: whoever has it can post. It is empty in what the service returns.
	URL mspkit.Redacted[string] `json:"-"`
	// Host is that of the URL, for telling connections apart. It is set by the service.
	Host string
	// Form is what the flow understands; the zero value suits both kinds of flow.
	Form Form
	// Events are posted by [Service.Notify].
	Events []Event
	// Locale is the language of the people who read the channel, a BCP 47 tag such as "de"; empty is Options.Locale.
	Locale string
	// Warning says what may be wrong with the URL although it was accepted; empty is nothing. It is set by the service.
	Warning string
	// Broken is when the flow had refused so many tries in a row that somebody must look at it, and zero while it works.
	// It is tried all the same, and heals with the first post that is accepted.
	Broken time.Time
	// Fault says why the last try was refused, in words; empty where it was accepted.
	Fault string
	// CreatedAt is when it was first connected, TestedAt when [Service.Test] was last accepted with the present URL.
	CreatedAt, TestedAt time.Time
}

// Form is what the body of a post holds.
type Form string

// The forms.
const (
	// FormBoth is one body for both kinds of flow: the text for one that is made by hand with "Parse JSON" and posts the
	// text, and the card for the template, which ignores the text. It is the zero value.
	FormBoth Form = ""
	// FormText is {"text": …} and nothing else, for a flow whose trigger has a strict schema.
	FormText Form = "text"
	// FormCard leaves out the text, for twice as much room in the card.
	FormCard Form = "card"
)

// Event is a kind of message that a connection may want.
type Event string

// The events.
const (
	// NewText is a text message (SMS) that came in.
	NewText Event = "new-text"
	// LiveChat is somebody who waits in the live chat of a web site.
	LiveChat Event = "live-chat"
	// PortalChat is a message in the chat of the customer portal.
	PortalChat Event = "portal-chat"
)

// Events returns all events, for a page that offers them.
func Events() []Event { return []Event{NewText, LiveChat, PortalChat} }

// MaxConnections is how many connections a tenant may have.
const MaxConnections = 100

const maxName = 64 // characters

// validate says what is wrong with c, but for its URL.
func (c *Connection) validate() error {
	var errs []error
	fault := func(text string) { errs = append(errs, fmt.Errorf("%s: %w", text, mspkit.ErrInvalid)) }
	if err := c.Tenant.Validate(); err != nil {
		errs = append(errs, err)
	}
	if n := utf8.RuneCountInString(c.Name); n == 0 || n > maxName || strings.TrimSpace(c.Name) != c.Name || strings.ContainsFunc(c.Name, oddInName) {
		fault(fmt.Sprintf("the name must be 1 to %d characters on one line, it has %d", maxName, n))
	}
	if !slices.Contains([]Form{FormBoth, FormText, FormCard}, c.Form) {
		fault("the form is none of those that there are")
	}
	for i, e := range c.Events {
		if !slices.Contains(Events(), e) {
			fault(fmt.Sprintf("event %d is none of those that there are", i+1))
		}
		if slices.Contains(c.Events[:i], e) {
			fault(fmt.Sprintf("event %d is there twice", i+1))
		}
	}
	if c.Locale != "" && !isLocale(c.Locale) {
		fault("the locale is not a language tag such as \"de\"")
	}
	return errors.Join(errs...)
}

func oddInName(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// isLocale reports whether s has the form of a language tag with a region or script.
func isLocale(s string) bool {
	if len(s) > 35 {
		return false
	}
	for i, part := range strings.Split(langtag.Normal(s), "-") {
		letters := strings.Trim(part, "abcdefghijklmnopqrstuvwxyz") == ""
		if i == 0 && (!letters || len(part) < 2 || len(part) > 3) || len(part) < 1 || len(part) > 8 || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return false
		}
	}
	return true
}

// wants reports whether the connection wants the event.
func (c *Connection) wants(e Event) bool { return slices.Contains(c.Events, e) }
