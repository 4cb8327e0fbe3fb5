package psa

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
)

// Named is something that the ticket system knows by an id and by a name: a status, a queue, a company.
type Named struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// IsZero reports whether neither is set.
func (n Named) IsZero() bool { return n == Named{} }

// String returns the name, or the id where there is no name.
func (n Named) String() string {
	if n.Name != "" {
		return n.Name
	}
	return n.ID
}

// Ticket is one ticket as its system has it. What a system does not have is empty.
type Ticket struct {
	ID     string
	Number string // what people call it, where it differs from ID
	Title  string
	// Company and Contact are whose ticket it is.
	Company, Contact                  Named
	Queue, Status, Priority, Source   Named
	Type, SubType, Category, Assignee Named
	// Closed tickets take no notes in most systems. MergedInto is the id of the ticket that took over this one.
	Closed     bool
	MergedInto string
	URL        string
	CreatedAt  time.Time
	ModifiedAt time.Time
}

// NewTicket is a ticket to be created. [Defaults.Apply] fills what is empty.
type NewTicket struct {
	Title string
	// Text is the description in plain text; Visibility says who may read it.
	Text       string
	Visibility Visibility
	// CompanyID and ContactID are ids of the ticket system.
	CompanyID, ContactID string
	Defaults             Defaults
	// Key marks the ticket so that a repeat after an unclear outcome finds it: 1 to 64 letters, digits, '-' and '_'. The
	// same key never makes two tickets of one company, as far as the system can search for it, and never finds another
	// company's. Empty means no mark.
	Key string
}

// Validate reports what no ticket system takes.
func (n NewTicket) Validate() error {
	switch {
	case n.Title == "":
		return fmt.Errorf("psa: a ticket needs a title: %w", mspkit.ErrInvalid)
	case n.Key != "" && !validKey(n.Key):
		return fmt.Errorf("psa: the key of a ticket must be 1 to %d letters, digits, '-' and '_': %w", maxKey, mspkit.ErrInvalid)
	}
	return nil
}

const maxKey = 64

func validKey(s string) bool {
	if s == "" || len(s) > maxKey {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return false
		}
	}
	return true
}

// WrittenNote is a note as it stands in a ticket.
type WrittenNote struct {
	ID string
	// Ours is true where the ticket system says that the identity with which we sign in wrote it: not a contact, not a
	// technician, and not what somebody wrote into the text.
	Ours       bool
	Author     string
	Text       string // plain text; of HTML, what a reader sees
	Visibility Visibility
	CreatedAt  time.Time
}

// Contact is one person of a company in the ticket system.
type Contact struct {
	ID        string
	Company   Named
	Site      Named
	Name      string
	FirstName string
	LastName  string
	Title     string
	Emails    []string
	Phones    []Phone
	// EntraID is the object id in Microsoft Entra, where the system keeps it.
	EntraID    string
	Active     bool
	ModifiedAt time.Time // zero where the system does not tell
}

// Phone is a number as the ticket system has it, often national and unformatted.
type Phone struct {
	Raw  string
	Kind string // "mobile", "work", "home" or empty
}

// Company is one client of the MSP in the ticket system.
type Company struct {
	ID string
	// Key is the short name that people use, where the system has one.
	Key  string
	Name string
	// Domains are the company's e-mail and web domains, as far as the system tells.
	Domains    []string
	Active     bool
	ModifiedAt time.Time
}

// TimeEntry is working time on a ticket.
type TimeEntry struct {
	Start, End time.Time
	Text       string
	Visibility Visibility
	// Technician is the system's own name or id of who worked; empty is the identity with which we sign in.
	Technician string
	Billable   bool
}

// Validate reports what no ticket system takes: a time that does not begin, or does not end after it began.
func (e TimeEntry) Validate() error {
	switch {
	case e.Start.IsZero():
		return fmt.Errorf("psa: working time needs a start: %w", mspkit.ErrInvalid)
	case !e.End.After(e.Start):
		return fmt.Errorf("psa: working time must end after its start: %w", mspkit.ErrInvalid)
	}
	return nil
}

// Query asks for contacts or companies. The zero value asks for all of them, from the beginning.
type Query struct {
	// CompanyID restricts contacts to one company.
	CompanyID string
	// Since asks for what changed after it, where Capabilities say so. A client subtracts an overlap of its own, because
	// the clocks of two machines differ: the same item may come again.
	Since time.Time
	// Inactive asks for those as well who are not active.
	Inactive bool
	// Cursor goes on where a page ended. It is opaque, and of use only with the same other fields.
	Cursor string
	// Limit is the most items of a page; 0 is the system's most.
	Limit int
}

// Page is a part of a listing.
type Page[T any] struct {
	Items []T
	// Next is the cursor of what follows, empty at the end.
	Next string
}

// TicketReader reads tickets.
type TicketReader interface {
	// GetTicket returns the ticket, or an error that is [ErrNotFound].
	GetTicket(ctx context.Context, ref TicketRef) (Ticket, error)
}

// TicketCreator creates tickets.
type TicketCreator interface {
	// CreateTicket creates one ticket for the tenant. See [NewTicket.Key] for repeats. An error that is
	// [ErrAmbiguousWrite] means that it may exist.
	CreateTicket(ctx context.Context, tenant mspkit.TenantID, n NewTicket) (Ticket, error)
}

// StatusSetter changes the status of tickets.
type StatusSetter interface {
	// SetStatus gives the ticket a status, by id or by name. Setting the one that it has changes nothing.
	SetStatus(ctx context.Context, ref TicketRef, status Named) error
}

// NoteReader reads the notes of a ticket. It is how an unclear write is cleared up.
type NoteReader interface {
	// ListNotes returns the notes written at or after since, less an overlap for clocks; the zero time means all. The
	// order is not defined.
	ListNotes(ctx context.Context, ref TicketRef, since time.Time) ([]WrittenNote, error)
}

// NoteLimiter tells how long a note may be, in bytes of UTF-8 with the title. A longer one is refused with [ErrTooLong];
// nothing is ever cut. See [Split].
//
// The limit is that of the note as it is given, and holds for any text: whoever makes a text longer before it is sent
// ([Plain] makes ten bytes of four, HTML five of one) tells so much less than the ticket system takes. An outbox splits by
// it, and what is refused then is a dead letter that no replay delivers.
type NoteLimiter interface {
	NoteLimit() int
}

// ContactLister lists contacts.
type ContactLister interface {
	// ListContacts returns one page. Pages may repeat what changes meanwhile and never skip what does not.
	ListContacts(ctx context.Context, q Query) (Page[Contact], error)
}

// ContactFinder finds contacts by what is known of a caller.
type ContactFinder interface {
	// FindByEmail returns the contacts that have this address, whatever its case.
	FindByEmail(ctx context.Context, email string) ([]Contact, error)
	// FindByPhone returns the contacts that have this number, in E.164 or as the system's users write it. Numbers are
	// compared by their last digits; see [SamePhone].
	FindByPhone(ctx context.Context, number string) ([]Contact, error)
}

// CompanyLister lists companies.
type CompanyLister interface {
	ListCompanies(ctx context.Context, q Query) (Page[Company], error)
}

// ContactNoter adds notes to a contact instead of a ticket.
type ContactNoter interface {
	AddContactNote(ctx context.Context, tenant mspkit.TenantID, contactID string, n Note) (noteID string, err error)
}

// TimeLogger enters working time.
type TimeLogger interface {
	LogTime(ctx context.Context, ref TicketRef, t TimeEntry) (id string, err error)
}

// Pinger finds out whether the system can be used.
type Pinger interface {
	// Ping does the discovery and one cheap signed request. Its error names what is wrong: address, company, credentials,
	// permission.
	Ping(ctx context.Context) (Info, error)
}

// Info is what a ticket system says of itself.
type Info struct {
	System  string
	Version string
	// Base is the address of the API that was found.
	Base string
}
