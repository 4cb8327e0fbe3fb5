package psa

import "context"

// Capabilities says what a ticket system can do, so that a host can leave out what it cannot. What takes an interface of
// its own is asked for by a type assertion; these are the differences behind the interfaces.
type Capabilities struct {
	// PublicNotes is false where every note is internal; [Public] is then [ErrUnsupported].
	PublicNotes bool
	// NotifiesContact is true where the system may mail the contact about a public note by its own rules.
	NotifiesContact bool
	// ContactsSince and CompaniesSince are true where [Query.Since] is obeyed; otherwise every listing is whole.
	ContactsSince, CompaniesSince bool
	// FindByEmail and FindByPhone are true where [ContactFinder] finds by them; otherwise that is [ErrUnsupported].
	FindByEmail, FindByPhone bool
	// Fields are the defaults of a ticket that the system has.
	Fields []Field
	// TicketKey is true where a ticket is found again by [NewTicket.Key].
	TicketKey bool
	// ContactNotes, TimeEntries and Webhooks are true where the system is a [ContactNoter], a [TimeLogger] and a
	// [WebhookVerifier] that does not answer with [ErrUnsupported].
	ContactNotes, TimeEntries, Webhooks bool
	// MaxPage is the most items of a page.
	MaxPage int
}

// System is a whole ticket system as the clients of this module implement it. Hosts ask for the small interfaces; this
// one is for wiring and for the conformance suite in psatest.
type System interface {
	// Name is what [mspkit.Ticket] names as its System, for example "connectwise".
	Name() string
	Capabilities() Capabilities
	Pinger
	TicketNoter
	TicketReader
	TicketCreator
	StatusSetter
	NoteReader
	NoteLimiter
	ContactLister
	ContactFinder
	CompanyLister
	OptionLister
}

// DataNoter tells whether a note is certainly internal and mails nobody, so that confidential data may be in it.
type DataNoter interface {
	// CanNoteData returns an [ErrUnsupported] with the reason where that is not certain.
	CanNoteData(ctx context.Context, ref TicketRef) error
}
