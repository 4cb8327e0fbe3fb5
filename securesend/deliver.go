package securesend

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/mspkit/mspkit"
)

// Sender sends one message to one address: a link, or a code. Implementations must be safe for concurrent use, must not
// retry for longer than ctx, and must not log the message. An error means that it was not sent, or that this is not
// known; its text is logged and must not repeat the address. See package sendvia.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Message is one message to be sent.
type Message struct {
	Ref Ref
	// Key is unique for this message.
	Key     string
	To      string
	Brand   mspkit.Brand
	Locale  string
	Subject string
	// Text is the whole message, with the link or code in it.
	Text mspkit.Redacted[string]
	// Link is the link alone, for messages with a button; zero for a code. Code is the code alone; zero for a link.
	Link, Code mspkit.Redacted[string]
	// Technician is the name of who sends.
	Technician string
	// Request says that the link asks for content.
	Request bool
}

// DataNoter writes what is sent into an internal note of a ticket, in clear.
type DataNoter interface {
	// CanNote returns an [ErrUnsupported] where the ticket system cannot guarantee that the note is internal and mails
	// nobody. It is asked before anything is stored.
	CanNote(ctx context.Context, tenant mspkit.TenantID, ticket mspkit.Ticket) error
	// NoteData writes the note now. It must not be queued.
	NoteData(ctx context.Context, n DataNote) error
}

// DataNote is the content of a send for [DataNoter].
type DataNote struct {
	Tenant     mspkit.TenantID
	Ticket     mspkit.Ticket
	Technician Technician
	Text       mspkit.Redacted[string]
	// Files are the names of files; their content is never noted.
	Files []string
}

// deliver sends the link to everybody in r.Deliver. out.Undelivered names the senders that failed; that one failed, or its
// event could not be stored, is [ErrDelivery].
func (s *Service) deliver(ctx context.Context, p *plan, r SendRequest, out *Sent) error {
	var errs []error
	for _, d := range r.Deliver {
		t := DefaultTemplate
		if p.record.Kind == KindRequest {
			t = DefaultRequestTemplate
		} else if own, ok := p.settings.Templates[d.Sender]; ok {
			t = own
		}
		link := out.Link.Reveal()
		m := Message{
			Ref: p.record.Ref, Key: NewEventID(), To: strings.TrimSpace(d.Address), Brand: p.settings.Brand, Locale: p.locale(), Link: out.Link,
			Subject:    fill(p.settings.Subject, "", p.settings.Brand.Name, r.By.Name),
			Text:       mspkit.Redact(fill(t, link, p.settings.Brand.Name, r.By.Name)),
			Technician: p.details.Technician, Request: p.record.Kind == KindRequest,
		}
		kind := EventSent
		err := s.send(ctx, d.Sender, m)
		if err != nil {
			kind = EventUnsent
			out.Undelivered = append(out.Undelivered, d.Sender)
			errs = append(errs, fmt.Errorf("by %s: %w: %w", d.Sender, ErrDelivery, err))
		}
		if err := s.note(ctx, p.record.Ref, stamp(kind, r.By.ID, d.Sender)); err != nil {
			errs = append(errs, fmt.Errorf("by %s: %w: the event %q was not stored: %w", d.Sender, ErrDelivery, kind, err))
		}
	}
	s.nudge()
	return errors.Join(errs...)
}

func (p *plan) locale() string {
	if p.details.Locale != "" {
		return p.details.Locale
	}
	return p.settings.Locale
}

func (s *Service) send(ctx context.Context, sender string, m Message) error {
	sctx, cancel := s.bounded(ctx)
	defer cancel()
	return withhold(call(func() error { return s.o.Senders[sender].Send(sctx, m) }), m.To, m.Link.Reveal(), m.Code.Reveal())
}

// note stores an event that changes nothing, also where ctx has ended.
func (s *Service) note(ctx context.Context, ref Ref, st Stamp) error {
	ctx, cancel := s.bounded(context.WithoutCancel(ctx))
	defer cancel()
	return s.store.Note(ctx, ref, st, s.now())
}

// call runs something of the host's. That it panics is a failure like others, and what it says then is not repeated.
func call(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it panicked")
		}
	}()
	return f()
}

// withheld is an error whose text is not shown.
type withheld struct{ error }

func (withheld) Error() string { return "failed; what it says repeats what must stay secret" }

func (w withheld) Unwrap() error { return w.error }

// withhold keeps the text of err back where it repeats one of secrets, as programs do that put an address they call into
// their errors.
func withhold(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, s := range secrets {
		address, fragment, _ := strings.Cut(s, "#")
		_, tok := cutLast(address) // which is all of a held link that is secret
		if len(tok) < minToken {
			tok = ""
		}
		for _, s := range []string{s, fragment, tok, url.QueryEscape(s), url.PathEscape(s)} {
			if s != "" && strings.Contains(text, s) {
				return withheld{err}
			}
		}
	}
	return err
}
