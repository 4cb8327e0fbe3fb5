package ticketlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// AlertPrefix begins the title of a note that somebody should look at, in every language.
const AlertPrefix = "ALERT: "

// Place says where what has no ticket is noted.
type Place int

// The places.
const (
	// Nowhere leaves it out. An alert that is left out is logged as a warning.
	Nowhere Place = iota
	// OnContact makes a note on the contact.
	OnContact
	// InNewTicket makes a ticket with the tenant's defaults: one for everything about one challenge or send.
	InNewTicket
)

// Settings are what one tenant decided.
type Settings struct {
	// Visibility is that of notes about verifications; a send says itself who sees its notes. Alerts, and what helps somebody
	// who poses as somebody else, are always internal. A public note leaves out the reasons that technicians gave.
	Visibility psa.Visibility
	// Detail says how much is noted.
	Detail Detail
	// Evidence adds the number of the event in the tenant's chain and the first half of its hash, of [verify.Link.Anchor].
	// Whoever checks an export of the chain can compare it.
	Evidence bool
	// NoTicket says where what has no ticket is noted. All but Nowhere need a [Router].
	NoTicket Place
}

// Person is what the host knows of a contact.
type Person struct {
	Name string
	// Ticket is the one that is open for them. It takes what has no ticket of its own.
	Ticket mspkit.Ticket
}

// Options are the optional parts of [New].
type Options struct {
	// Settings are those of a tenant; nil means the zero value for all. An error has the event come again later, as with
	// People and Technicians, and later events of the tenant wait for it.
	Settings func(ctx context.Context, tenant mspkit.TenantID) (Settings, error)
	// People returns what is known of a subject of a verification or a recipient, and the zero value for one who is not
	// known. Without a name the id is shown.
	People func(ctx context.Context, tenant mspkit.TenantID, subject string) (Person, error)
	// Technicians returns the name of a technician, empty for one who is not known: the id is shown then.
	Technicians func(ctx context.Context, tenant mspkit.TenantID, technician string) (string, error)
	// Data writes what is sent into a note in clear, where a send wants that; see [Log.SecureSend]. It must be a
	// [psa.DataNoter] that writes at once, such as the client of the ticket system or a [Router] over it. An outbox is
	// refused: what it keeps outlives the send. Nil means that no send can want it.
	Data psa.TicketNoter
	// Texts replaces some of [DefaultTexts].
	Texts Texts
	// Logger gets what cannot be noted; nil discards.
	Logger *slog.Logger
}

// Log writes events into tickets. It is immutable and safe for concurrent use where what it is given is.
type Log struct {
	noter psa.TicketNoter
	o     Options
	texts Texts
	log   *slog.Logger
}

// outbox is what an outbox has and a client of a ticket system does not.
type outbox interface {
	AddNoteTx(ctx context.Context, tx *sql.Tx, ref psa.TicketRef, note psa.Note) (string, error)
}

// New returns a log that writes by noter: an outbox, so that no note is lost where the ticket system is down, or the
// client of a ticket system itself.
func New(noter psa.TicketNoter, o *Options) (*Log, error) {
	l := &Log{noter: noter}
	if o != nil {
		l.o = *o
	}
	texts, errs := l.o.Texts.merge()
	l.texts, l.log = texts, l.o.Logger
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if noter == nil {
		errs = append(errs, fmt.Errorf("a noter is needed, such as an outbox: %w", mspkit.ErrInvalid))
	}
	if l.o.Data != nil {
		if _, ok := l.o.Data.(outbox); ok {
			errs = append(errs, fmt.Errorf("Options.Data is an outbox, which keeps what it writes: give the client of the ticket system: %w", mspkit.ErrInvalid))
		}
		if _, ok := l.o.Data.(psa.DataNoter); !ok {
			errs = append(errs, fmt.Errorf("Options.Data does not tell whether its notes are internal and mail nobody (psa.DataNoter): %w", mspkit.ErrInvalid))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("ticketlog: %w", err)
	}
	return l, nil
}

func (l *Log) settings(ctx context.Context, tenant mspkit.TenantID) (Settings, error) {
	if l.o.Settings == nil {
		return Settings{}, nil
	}
	s, err := l.o.Settings(ctx, tenant)
	if err != nil {
		return Settings{}, fmt.Errorf("ticketlog: the settings of the tenant: %w", err)
	}
	return s, nil
}

// person returns what is known of a subject, with a name that can be shown.
func (l *Log) person(ctx context.Context, tenant mspkit.TenantID, subject string) (p Person, err error) {
	if l.o.People != nil && subject != "" {
		if p, err = l.o.People(ctx, tenant, subject); err != nil {
			return Person{}, fmt.Errorf("ticketlog: look up a contact: %w", err)
		}
	}
	p.Name = or(plain(p.Name, maxWord, nameDigits), plainID(subject), l.texts["subject"])
	return p, nil
}

// technician returns a name that can be shown.
func (l *Log) technician(ctx context.Context, tenant mspkit.TenantID, id string) (name string, err error) {
	if l.o.Technicians != nil && id != "" {
		if name, err = l.o.Technicians(ctx, tenant, id); err != nil {
			return "", fmt.Errorf("ticketlog: look up a technician: %w", err)
		}
	}
	return or(plain(name, maxWord, nameDigits), plainID(id), l.texts["technician"]), nil
}

func or(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// entry is one event on its way into a ticket.
type entry struct {
	tenant mspkit.TenantID
	// id and kind are the event's.
	id, kind string
	at       time.Time
	ticket   mspkit.Ticket
	subject  string
	group    string
	// story is the id of the challenge or send, empty where it concerns a person alone.
	story string
	// onContact has it noted on the contact even where there is a ticket.
	onContact     bool
	alert, public bool
	text          string
}

// write puts e where it belongs. An error means that the event must come again.
func (l *Log) write(ctx context.Context, e entry, open mspkit.Ticket, place Place) error {
	ref, ok := e.ref(open, place)
	if !ok {
		if e.alert || e.onContact {
			l.lost(ctx, e, "it has no ticket and nobody decided where it belongs then")
		}
		return nil
	}
	n := psa.Note{Title: l.texts["title."+e.group], Text: e.text, Key: e.id}
	if e.alert {
		n.Title = AlertPrefix + n.Title
	}
	if e.public && !e.alert && ref.Ticket.System != ContactSystem {
		n.Visibility = psa.Public
	}
	_, err := l.noter.AddNote(ctx, ref, n)
	if err != nil && ctx.Err() == nil && psa.FateOf(err) == psa.Never {
		// It would be refused again and again, and hold up all that happens to this tenant.
		l.lost(ctx, e, l.said(err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("ticketlog: %w", err)
	}
	return nil
}

// said is an error in words that can be logged. An outbox says nothing of the note, nor does a [*psa.Error]; of what any
// other noter says, which may be all of it, only the sentinel is known.
func (l *Log) said(err error) string {
	if _, ok := l.noter.(outbox); ok {
		return err.Error()
	}
	if e, ok := errors.AsType[*psa.Error](err); ok {
		return e.Error()
	}
	for _, known := range []error{psa.ErrNotFound, psa.ErrValidation, psa.ErrClosed, psa.ErrTooLong, psa.ErrUnsupported, psa.ErrOrigin} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return mspkit.ErrInvalid.Error()
}

func (l *Log) lost(ctx context.Context, e entry, why string) {
	l.log.LogAttrs(ctx, slog.LevelWarn, "ticketlog: an event is in no ticket",
		slog.String("tenant", string(e.tenant)), slog.String("event", e.id), slog.String("kind", e.kind), slog.Bool("alert", e.alert), slog.String("reason", why))
}

// ref returns where e belongs, if anywhere. open is the ticket that is open for the person.
func (e entry) ref(open mspkit.Ticket, place Place) (psa.TicketRef, bool) {
	if e.onContact {
		return e.contact()
	}
	for _, t := range []mspkit.Ticket{e.ticket, open} {
		// A reserved name in an event is somebody's try to have a note written elsewhere.
		if !t.IsZero() && !reserved(t) && t.Validate() == nil {
			return psa.TicketRef{Tenant: e.tenant, Ticket: t}, true
		}
	}
	switch place {
	case OnContact:
		return e.contact()
	case InNewTicket:
		return newStory(e.group, e.story, e.subject, e.at).ref(e.tenant), true
	case Nowhere:
	}
	return psa.TicketRef{}, false
}

func (e entry) contact() (psa.TicketRef, bool) {
	ref := psa.TicketRef{Tenant: e.tenant, Ticket: mspkit.Ticket{System: ContactSystem, ID: e.subject}}
	return ref, e.subject != "" && ref.Validate() == nil
}
