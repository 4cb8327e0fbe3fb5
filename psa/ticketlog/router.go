package ticketlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// RouterOptions are the optional parts of [NewRouter]. What is nil is taken from the inner noter where that has it.
type RouterOptions struct {
	// System is the ticket system's name, as in mappings and defaults; empty is what the inner noter's Name returns.
	System string
	// Creator makes tickets. One that says by Capabilities that it does not find tickets by their key is not used: after
	// an unclear outcome there would be two.
	Creator psa.TicketCreator
	// Contacts writes notes on contacts.
	Contacts psa.ContactNoter
	// Reader reads tickets, for CheckCompany.
	Reader psa.TicketReader
	// Contact returns the person in the ticket system who a subject of this module is: at least the id, and the company
	// where the tenant has several or CheckCompany is set, which refuses a note on a contact of no known company. The subject may be empty; then only the company is asked for. The zero value is nobody.
	// Nil knows nobody, so that no contact gets a note: an id of one system may be somebody else's in another.
	Contact func(ctx context.Context, tenant mspkit.TenantID, subject string) (psa.Contact, error)
	// Mappings says which companies are which tenant. New tickets and CheckCompany need it.
	Mappings psa.MappingStore
	// Defaults are the properties of new tickets; nil leaves them to the ticket system.
	Defaults psa.DefaultsStore
	// CheckCompany refuses notes for a ticket or contact whose company is not mapped to the tenant, and for a ticket of
	// another system. It costs one read of the ticket and of the mappings per CheckFor. The error is [psa.ErrValidation],
	// so that an outbox does not try again by itself: after a company was mapped, the note is replayed.
	CheckCompany bool
	// CheckFor is how long a ticket that was found to be right is trusted: 0 is one minute, negative is not at all.
	CheckFor time.Duration
	// Texts replaces some of [DefaultTexts], for titles of new tickets.
	Texts Texts
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger is told of new tickets, and why a note has to wait; nil discards.
	Logger *slog.Logger
}

// Router is the noter between an outbox, or a [Log], and a ticket system. Notes for [NewSystem] and [ContactSystem] are
// written where they belong; all others pass through. It is safe for concurrent use where what it is given is.
type Router struct {
	inner psa.TicketNoter
	o     RouterOptions
	texts Texts
	log   *slog.Logger

	mu      sync.Mutex
	made    map[string]*made
	checked map[psa.TicketRef]time.Time
}

var (
	_ psa.TicketNoter = (*Router)(nil)
	_ psa.NoteReader  = (*Router)(nil)
	_ psa.NoteLimiter = (*Router)(nil)
	_ psa.DataNoter   = (*Router)(nil)
)

// NewRouter returns a router over inner, the client of a ticket system. It must not be an outbox: the outbox is given the
// router.
func NewRouter(inner psa.TicketNoter, o *RouterOptions) (*Router, error) {
	r := &Router{inner: inner, made: map[string]*made{}, checked: map[psa.TicketRef]time.Time{}}
	if o != nil {
		r.o = *o
	}
	texts, errs := r.o.Texts.merge()
	r.texts, r.log = texts, r.o.Logger
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.o.Now == nil {
		r.o.Now = time.Now
	}
	if r.o.CheckFor == 0 {
		r.o.CheckFor = time.Minute
	}
	r.fromInner()
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %w", what, mspkit.ErrInvalid))
		}
	}
	_, queued := inner.(outbox)
	need(inner != nil, "an inner noter is needed, the client of the ticket system")
	need(!queued, "the inner noter is an outbox: give the router to the outbox and not the other way round")
	need(r.o.System == "" || mspkit.Ticket{System: r.o.System, ID: "1"}.Validate() == nil, "RouterOptions.System cannot be the name of a system")
	need(!reserved(mspkit.Ticket{System: r.o.System}), "RouterOptions.System is a reserved name")
	if r.o.CheckCompany {
		need(r.o.Reader != nil, "CheckCompany needs a Reader")
		need(r.o.Mappings != nil, "CheckCompany needs Mappings")
		need(r.o.System != "", "CheckCompany needs the System whose mappings count")
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("ticketlog: router: %w", err)
	}
	return r, nil
}

// fromInner takes from the inner noter what the options leave out.
func (r *Router) fromInner() {
	if n, ok := r.inner.(interface{ Name() string }); ok && r.o.System == "" {
		r.o.System = n.Name()
	}
	if c, ok := r.inner.(psa.TicketCreator); ok && r.o.Creator == nil {
		r.o.Creator = c
	}
	if c, ok := r.inner.(psa.ContactNoter); ok && r.o.Contacts == nil {
		r.o.Contacts = c
	}
	if g, ok := r.inner.(psa.TicketReader); ok && r.o.Reader == nil {
		r.o.Reader = g
	}
}

// AddNote writes the note where ref leads. Where it could not find out where that is, or could not make the ticket, the
// note was certainly not written, and the error's [psa.FateOf] is Later or Never.
func (r *Router) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	const op = "add note"
	if err := ref.Validate(); err != nil {
		return "", err
	}
	if ref.Ticket.System == ContactSystem {
		return r.contactNote(ctx, ref, n)
	}
	at, err := r.resolve(ctx, op, ref)
	if err != nil {
		return "", err
	}
	id, err := r.inner.AddNote(ctx, at, n)
	if errors.Is(err, psa.ErrNotFound) {
		r.forget(ref)
	}
	return id, err
}

// ListNotes reads the notes of the ticket where ref leads. A new ticket that is not known is looked up by its key, which
// makes it where there is none: whoever asks is about to write into it. Notes on contacts cannot be read.
func (r *Router) ListNotes(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
	const op = "list notes"
	reader, ok := r.inner.(psa.NoteReader)
	if !ok {
		return nil, r.fail(op, psa.ErrUnsupported, "")
	}
	if err := ref.Validate(); err != nil {
		return nil, err
	}
	if ref.Ticket.System == ContactSystem {
		return nil, r.fail(op, psa.ErrUnsupported, "notes on contacts cannot be read")
	}
	at, err := r.resolve(ctx, op, ref)
	if err != nil {
		return nil, err
	}
	return reader.ListNotes(ctx, at, since)
}

// NoteLimit is the inner noter's, or no limit at all.
func (r *Router) NoteLimit() int {
	if l, ok := r.inner.(psa.NoteLimiter); ok {
		return l.NoteLimit()
	}
	return math.MaxInt32
}

// CanNoteData asks the inner noter, about tickets that there are and that are the tenant's.
func (r *Router) CanNoteData(ctx context.Context, ref psa.TicketRef) error {
	const op = "note data"
	d, ok := r.inner.(psa.DataNoter)
	if !ok {
		return r.fail(op, psa.ErrUnsupported, "it does not tell whether an internal note mails somebody")
	}
	if reserved(ref.Ticket) {
		return r.fail(op, psa.ErrUnsupported, "content is noted in a ticket that there is, and nowhere else")
	}
	if _, err := r.resolve(ctx, op, ref); err != nil {
		return err
	}
	return d.CanNoteData(ctx, ref)
}

// resolve returns the real ticket that ref leads to, which is the tenant's.
func (r *Router) resolve(ctx context.Context, op string, ref psa.TicketRef) (psa.TicketRef, error) {
	switch {
	case ref.Ticket.System == NewSystem:
		return r.newTicket(ctx, ref)
	case reserved(ref.Ticket):
		return psa.TicketRef{}, r.fail(op, psa.ErrUnsupported, "the name of the ticket's system is reserved")
	}
	return ref, r.check(ctx, op, ref)
}

// check makes sure that the ticket is one of the tenant's.
func (r *Router) check(ctx context.Context, op string, ref psa.TicketRef) error {
	switch {
	case !r.o.CheckCompany || r.trusted(ref):
		return nil
	case ref.Ticket.System != "" && ref.Ticket.System != r.o.System:
		// The reader would read the ticket of this number in its own system.
		return r.fail(op, psa.ErrValidation, "the ticket is one of another system: nothing was written")
	}
	t, err := r.o.Reader.GetTicket(ctx, ref)
	if err != nil {
		return r.notYet(ctx, op, "the ticket could not be read to see whose it is", err)
	}
	ours, err := r.companies(ctx, op, ref.Tenant)
	if err != nil {
		return err
	}
	if t.Company.ID == "" || !ours[t.Company.ID] {
		return r.fail(op, psa.ErrValidation, "the ticket belongs to a company that is not mapped to this tenant: nothing was written. Map the company, or correct the ticket's number")
	}
	r.trust(ref)
	return nil
}

// companies returns the ids of the companies that are mapped to the tenant.
func (r *Router) companies(ctx context.Context, op string, tenant mspkit.TenantID) (map[string]bool, error) {
	all, err := r.o.Mappings.Mappings(ctx, r.o.System)
	if err != nil {
		return nil, r.notYet(ctx, op, "the mappings of companies could not be read", err)
	}
	out := map[string]bool{}
	for _, m := range all {
		if m.Tenant == tenant {
			out[m.CompanyID] = true
		}
	}
	return out, nil
}

// maxKept bounds what is remembered of tickets.
const maxKept = 10_000

func (r *Router) trusted(ref psa.TicketRef) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.checked[ref]
	return ok && r.o.Now().Before(until)
}

func (r *Router) trust(ref psa.TicketRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.checked) >= maxKept {
		clear(r.checked)
	}
	if r.o.CheckFor > 0 {
		r.checked[ref] = r.o.Now().Add(r.o.CheckFor)
	}
}

// contactNote writes a note on a contact. It is internal: nobody asked the contact's company who reads it.
func (r *Router) contactNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	const op = "add contact note"
	if r.o.Contacts == nil {
		return "", r.fail(op, psa.ErrUnsupported, "contacts take no notes here")
	}
	c, err := r.contact(ctx, op, ref.Tenant, ref.Ticket.ID)
	if err != nil {
		return "", err
	}
	if c.ID == "" {
		return "", r.fail(op, psa.ErrValidation, "the contact is not known in the ticket system (RouterOptions.Contact): nothing was written")
	}
	if r.o.CheckCompany {
		ours, err := r.companies(ctx, op, ref.Tenant)
		if err != nil {
			return "", err
		}
		switch {
		case c.Company.ID == "":
			return "", r.fail(op, psa.ErrValidation, "RouterOptions.Contact does not say which company the contact belongs to, and CheckCompany is set: nothing was written")
		case !ours[c.Company.ID]:
			return "", r.fail(op, psa.ErrValidation, "the contact belongs to a company that is not mapped to this tenant: nothing was written")
		}
	}
	n.Visibility = psa.Internal
	return r.o.Contacts.AddContactNote(ctx, ref.Tenant, c.ID, n)
}

func (r *Router) contact(ctx context.Context, op string, tenant mspkit.TenantID, subject string) (psa.Contact, error) {
	if r.o.Contact == nil {
		return psa.Contact{}, nil
	}
	c, err := r.o.Contact(ctx, tenant, subject)
	if err != nil {
		return psa.Contact{}, r.notYet(ctx, op, "the contact could not be looked up", err)
	}
	return c, nil
}

// fail is an error of the router's own.
func (r *Router) fail(op string, err error, advice string) error {
	system := r.o.System
	if system == "" {
		system = "router"
	}
	return &psa.Error{System: system, Op: op, Err: err, Advice: advice}
}

// notYet reports a failure before anything was written. It keeps a fate that is certain; an unclear one is Later, because
// it is certain that the note was not written.
func (r *Router) notYet(ctx context.Context, op, what string, err error) error {
	if psa.FateOf(err) != psa.Unclear {
		return fmt.Errorf("ticketlog: %s: %w", what, err)
	}
	r.log.LogAttrs(ctx, slog.LevelWarn, "ticketlog: a note has to wait", slog.String("what", what), slog.Any("error", err))
	return r.fail(op, &unwritten{what: what, err: err}, "")
}

// unwritten is why a note was not written. The text of its cause is the host's and may say anything, so it is only logged.
type unwritten struct {
	what string
	err  error
}

func (u *unwritten) Error() string { return u.what + "; nothing was written yet" }

// Unwrap leaves out that something else is unclear: it must not be taken for the note.
func (u *unwritten) Unwrap() []error {
	if errors.Is(u.err, psa.ErrAmbiguousWrite) {
		return []error{psa.ErrUnavailable}
	}
	return []error{psa.ErrUnavailable, u.err}
}
