package custom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// Funcs are what a system can do. Only AddNote is required. Each is called with a context that has a deadline, and must be
// safe for concurrent use. Arguments were checked: a reference names a ticket of this system, a note is not empty and not
// too long, a query has a limit.
//
// A function that writes returns an error that is a sentinel of package psa, such as psa.ErrNotFound or psa.ErrClosed, only
// where it knows that nothing was written. Any other error means that it does not know.
type Funcs struct {
	// AddNote writes a note and returns its id. See psa.TicketNoter.
	AddNote func(ctx context.Context, ref psa.TicketRef, n psa.Note) (noteID string, err error)
	// ListNotes returns the notes written at or after since, which is zero for all. Set Ours by who the system says has
	// written it. Without it a note whose answer was lost cannot be looked up.
	ListNotes func(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error)
	// GetTicket reads a ticket. With it SetStatus writes nothing where the status is that already.
	GetTicket func(ctx context.Context, ref psa.TicketRef) (psa.Ticket, error)
	// CreateTicket creates a ticket. Where Options.TicketKey is set, it returns the ticket of the same company that has the
	// same Key, if any: never another company's.
	CreateTicket func(ctx context.Context, tenant mspkit.TenantID, n psa.NewTicket) (psa.Ticket, error)
	// SetStatus sets a status; with ListOptions it is one of those, with id and name.
	SetStatus func(ctx context.Context, ref psa.TicketRef, status psa.Named) error
	// ListOptions returns the values of a field. See psa.OptionLister.
	ListOptions func(ctx context.Context, f psa.Field, given psa.Defaults) ([]psa.Option, error)
	// ListContacts and ListCompanies return one page. The easiest cursor is the id of the last item, in the order of ids: it
	// skips nobody when others come and go.
	ListContacts  func(ctx context.Context, q psa.Query) (psa.Page[psa.Contact], error)
	ListCompanies func(ctx context.Context, q psa.Query) (psa.Page[psa.Company], error)
	// FindByEmail and FindByPhone may return more than those who have exactly the address or number.
	FindByEmail func(ctx context.Context, email string) ([]psa.Contact, error)
	FindByPhone func(ctx context.Context, number string) ([]psa.Contact, error)
	// AddContactNote writes a note on a contact. See psa.ContactNoter.
	AddContactNote func(ctx context.Context, tenant mspkit.TenantID, contactID string, n psa.Note) (noteID string, err error)
	// LogTime enters working time. See psa.TimeLogger.
	LogTime func(ctx context.Context, ref psa.TicketRef, t psa.TimeEntry) (id string, err error)
	// Ping finds out whether the system can be used.
	Ping func(ctx context.Context) (psa.Info, error)
	// CanNoteData returns nil where an internal note to the ticket is certainly read by technicians only and mailed to
	// nobody. See psa.DataNoter.
	CanNoteData func(ctx context.Context, ref psa.TicketRef) error
}

// The defaults of [Options].
const (
	DefaultNoteLimit = 32 << 10
	DefaultMaxPage   = 500
	DefaultTimeout   = 30 * time.Second
)

// Options says what the system is like. The zero value is one with internal notes only and without limits of rate.
type Options struct {
	// PublicNotes is set where AddNote obeys Note.Visibility; otherwise public notes are refused.
	PublicNotes bool
	// NotifiesContact is set where the system may mail the contact about a public note.
	NotifiesContact bool
	// TicketKey is set where CreateTicket finds a ticket again by its Key.
	TicketKey bool
	// ContactsSince and CompaniesSince are set where the listings obey Query.Since. They get it less Overlap.
	ContactsSince, CompaniesSince bool
	// Overlap is subtracted from each time since which something is asked for, because clocks differ. 0 is 5 minutes;
	// negative is none.
	Overlap time.Duration
	// Fields are the defaults of a ticket that the system has. nil is all of them where ListOptions is given.
	Fields []psa.Field
	// NoteLimit is how long a note may be in bytes, with its title. 0 is [DefaultNoteLimit]. What AddNote makes of the text
	// must fit, too: psa.Plain makes up to ten bytes of four.
	NoteLimit int
	// MaxPage is the most items of a page. 0 is [DefaultMaxPage].
	MaxPage int
	// Timeout is for one call: all tries and the waits between them. 0 is [DefaultTimeout]; negative leaves it to the
	// caller's context. A function that goes on after it is left alone, and what it writes is unclear.
	Timeout time.Duration
	// Requests per Per are how many calls of functions may begin, in bursts of up to that many. 0 is no limit.
	Requests int
	Per      time.Duration
	// MaxRetryAfter is the longest wait that a function may ask for by a psa.ErrRateLimited with RetryAfter before it is
	// called again, up to three times. 0 is 20 s; negative is never.
	MaxRetryAfter time.Duration
	// Logger gets an error for a function that panics. nil discards.
	Logger *slog.Logger
}

// System is a [psa.System] of functions.
type System struct {
	name  string
	f     Funcs
	o     Options
	limit *limiter
	can   psa.Capabilities
}

var (
	_ psa.System       = (*System)(nil)
	_ psa.ContactNoter = (*System)(nil)
	_ psa.TimeLogger   = (*System)(nil)
	_ psa.DataNoter    = (*System)(nil)
)

// New returns the system of f. name is what tickets name as their System, such as "helpdesk". It reports everything that is
// wrong with f and o at once.
func New(name string, f Funcs, o *Options) (*System, error) {
	if o == nil {
		o = &Options{}
	}
	s := &System{name: name, f: f, o: *o}
	if err := s.configure(); err != nil {
		return nil, err
	}
	if s.o.Requests > 0 {
		s.limit = newLimiter(s.o.Requests, s.o.Per)
	}
	s.can = psa.Capabilities{
		PublicNotes: s.o.PublicNotes, NotifiesContact: s.o.NotifiesContact,
		ContactsSince: s.o.ContactsSince && f.ListContacts != nil, CompaniesSince: s.o.CompaniesSince && f.ListCompanies != nil,
		FindByEmail: f.FindByEmail != nil, FindByPhone: f.FindByPhone != nil,
		Fields: s.o.Fields, TicketKey: s.o.TicketKey && f.CreateTicket != nil,
		ContactNotes: f.AddContactNote != nil, TimeEntries: f.LogTime != nil, MaxPage: s.o.MaxPage,
	}
	return s, nil
}

func (s *System) configure() error {
	var errs []error
	bad := func(what string) { errs = append(errs, fmt.Errorf("custom: %s: %w", what, mspkit.ErrInvalid)) }
	if err := (mspkit.Ticket{System: s.name, ID: "1"}).Validate(); err != nil || s.name == "" {
		bad("the name cannot be that of a ticket system")
	}
	if s.f.AddNote == nil {
		bad("there is no AddNote")
	}
	o := &s.o
	if o.NoteLimit < 0 || o.NoteLimit > 0 && o.NoteLimit < 64 {
		bad("NoteLimit is below 64 bytes")
	}
	if o.MaxPage < 0 {
		bad("MaxPage is negative")
	}
	if o.Requests < 0 || o.Requests > 0 && o.Per <= 0 {
		bad("a rate needs both Requests and Per")
	}
	if len(o.Fields) > 0 && s.f.ListOptions == nil {
		bad("Fields are given without ListOptions")
	}
	for _, f := range o.Fields {
		if !slices.Contains(psa.Fields, f) {
			bad(fmt.Sprintf("there is no field %q", f))
		}
	}
	if o.Fields == nil && s.f.ListOptions != nil {
		o.Fields = psa.Fields
	}
	o.Fields = slices.Clone(o.Fields)
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Overlap, 5*time.Minute)
	def(&o.Timeout, DefaultTimeout)
	def(&o.MaxRetryAfter, 20*time.Second)
	if o.NoteLimit == 0 {
		o.NoteLimit = DefaultNoteLimit
	}
	if o.MaxPage == 0 {
		o.MaxPage = DefaultMaxPage
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

// Name returns what New was given.
func (s *System) Name() string { return s.name }

// Capabilities says what there are functions for.
func (s *System) Capabilities() psa.Capabilities {
	c := s.can
	c.Fields = slices.Clone(c.Fields)
	return c
}

// NoteLimit returns the limit of Options.
func (s *System) NoteLimit() int { return s.o.NoteLimit }

// Ping calls Ping. Where there is none it returns the name and no error: nothing is known.
func (s *System) Ping(ctx context.Context) (psa.Info, error) {
	if s.f.Ping == nil {
		return psa.Info{System: s.name}, nil
	}
	info, err := call(ctx, s, "ping", false, s.f.Ping)
	if info.System = s.name; err != nil {
		return psa.Info{}, err
	}
	return info, nil
}
