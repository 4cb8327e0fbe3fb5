package ticketlog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// The systems of tickets that are none. [Router] knows what to do with them; no ticket system has one of these names.
const (
	// ContactSystem is a note on a contact. The ticket's id is the id of the subject.
	ContactSystem = "mspkit-contact"
	// NewSystem is a note in a ticket that is still to be made, once for everything that has the same id.
	NewSystem = "mspkit-new"
)

// reserved reports whether t is none of a ticket system's. Names are compared as people read them.
func reserved(t mspkit.Ticket) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(t.System)), "mspkit-")
}

// Describe names a ticket for a list of notes that wait: the reserved ones in words, all others as they are.
func Describe(t mspkit.Ticket) string {
	switch t.System {
	case ContactSystem:
		return "contact " + plainID(t.ID)
	case NewSystem:
		s, err := parseStory(t.ID)
		switch {
		case err != nil:
		case s.subject == "":
			return "new ticket: " + defaultTexts["title."+s.group]
		default:
			return "new ticket: " + defaultTexts["title."+s.group] + ", " + plainID(s.subject)
		}
	}
	return t.String()
}

// story is what a new ticket is about. Its text is the id of a ticket in [NewSystem]: "group.id.subject".
type story struct {
	group string // one letter, see groupLetters
	// id is the challenge's or send's: letters, digits, '-' and '_'.
	id string
	// subject is empty where it is not known or too long.
	subject string
}

// groupLetters are short because an id has 128 bytes and most of them are the subject's.
var groupLetters = map[string]string{groupCaller: "c", groupTechnician: "t", groupPerson: "p", groupSend: "s", groupRequest: "r"}

func groupOf(letter string) string {
	for g, l := range groupLetters {
		if l == letter {
			return g
		}
	}
	return ""
}

const maxStory = 64

// newStory returns the story of a challenge or send. What belongs to a person alone has one per person and day, so that an
// alert that comes again and again makes one ticket.
func newStory(group, id, subject string, at time.Time) story {
	if id == "" {
		group, id = groupPerson, at.UTC().Format("20060102")+"-"+digest(subject)[:24]
	}
	if !storyID(id) {
		id = digest(id)[:40]
	}
	s := story{group: group, id: id, subject: subject}
	if mspkit.TenantID(subject).Validate() != nil || len(s.String()) > mspkit.MaxID {
		s.subject = ""
	}
	return s
}

func storyID(s string) bool {
	return s != "" && len(s) <= maxStory && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// String returns the id of a ticket.
func (s story) String() string { return groupLetters[s.group] + "." + s.id + "." + s.subject }

// parseStory reads what String wrote.
func parseStory(id string) (story, error) {
	letter, rest, ok := strings.Cut(id, ".")
	name, subject, more := strings.Cut(rest, ".")
	s := story{group: groupOf(letter), id: name, subject: subject}
	if !ok || !more || s.group == "" || !storyID(name) || subject != "" && mspkit.TenantID(subject).Validate() != nil {
		return story{}, fmt.Errorf("psa: this is no new ticket of ours: %w", mspkit.ErrInvalid)
	}
	return s, nil
}

// key is [psa.NewTicket.Key]: the same for everything that goes into the same ticket.
func (s story) key(tenant mspkit.TenantID) string {
	return "mspkit-" + digest(string(tenant), s.group, s.id)[:40]
}

func (s story) ref(tenant mspkit.TenantID) psa.TicketRef {
	return psa.TicketRef{Tenant: tenant, Ticket: mspkit.Ticket{System: NewSystem, ID: s.String()}}
}

// digest is a hash of parts, each with its length in front, in hexadecimal.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return hex.EncodeToString(h.Sum(nil))
}
