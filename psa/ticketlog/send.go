package ticketlog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/securesend"
)

// Sends records what becomes of sends and writes their content into a note where one wants that.
type Sends struct{ l *Log }

var (
	_ securesend.Recorder  = (*Sends)(nil)
	_ securesend.DataNoter = (*Sends)(nil)
)

// SecureSend returns the recorder for securesend.Options.Recorder, which is the value for its DataNoter as well.
func (l *Log) SecureSend() *Sends { return &Sends{l} }

// Record implements [securesend.Recorder]: where a note goes and who sees it is what [securesend.Log] says.
func (s *Sends) Record(ctx context.Context, e securesend.Event) error {
	l := s.l
	d, known := sendKinds[e.Kind]
	if !known || d.when == never || e.Log.To == "none" {
		return nil
	}
	set, err := l.settings(ctx, e.Tenant)
	if err != nil || !set.Detail.notes(d.when) {
		return err
	}
	group := groupSend
	if e.What == securesend.KindRequest {
		group = groupRequest
	}
	text := l.texts.sentence(group, string(e.Kind), sendSpecial(e))
	if text == "" {
		return nil
	}
	p, err := l.person(ctx, e.Tenant, e.Subject)
	if err != nil {
		return err
	}
	values, err := l.sendValues(ctx, e, p.Name)
	if err != nil {
		return err
	}
	return l.write(ctx, entry{
		tenant: e.Tenant, id: e.ID, kind: string(e.Kind), at: e.At, ticket: e.Ticket, subject: e.Subject, group: group, story: e.Send,
		onContact: e.Log.To == "contact", alert: e.Kind.Alert(), public: e.Log.Public && d.public, text: fill(text, values),
	}, p.Ticket, set.NoTicket)
}

func sendSpecial(e securesend.Event) string {
	switch {
	case e.Kind == securesend.EventRevealed && e.MaxViews > 1:
		return "views"
	case e.Kind == securesend.EventAcknowledged && e.State == securesend.StateAcknowledged:
		return "done"
	case e.Kind == securesend.EventRevoked && e.Reason != "" && e.By == securesend.BySystem:
		return "system"
	case e.Kind == securesend.EventRevoked && e.Reason != "":
		return "why"
	}
	return ""
}

func (l *Log) sendValues(ctx context.Context, e securesend.Event, name string) (map[string]string, error) {
	tech, err := l.technician(ctx, e.Tenant, e.Sender)
	if err != nil {
		return nil, err
	}
	by := l.texts["system"]
	switch e.By {
	case "", securesend.BySystem:
	case securesend.ByRecipient:
		by = name
	case e.Sender:
		by = tech
	default:
		if by, err = l.technician(ctx, e.Tenant, e.By); err != nil {
			return nil, err
		}
	}
	files := ""
	if len(e.Files) > 0 { // by their numbers only: names may tell something
		list := make([]string, len(e.Files))
		for i, n := range e.Files {
			list[i] = strconv.Itoa(n)
		}
		files = fill(l.texts["files"], map[string]string{"numbers": strings.Join(list, ", ")})
	}
	channel := l.texts.word("channel", e.Reason)
	return map[string]string{
		"id": shortID(e.Send), "subject": name, "technician": tech, "by": by, "channel": channel, "Channel": capital(channel),
		"method": l.texts.word("method", e.Reason), "reason": plain(e.Reason, maxReason, codeDigits), "files": files,
		"refusals": strconv.Itoa(e.Refusals), "view": strconv.Itoa(e.Views), "views": strconv.Itoa(e.MaxViews),
	}, nil
}

// shortID is enough of an id to tell the sends of one ticket apart.
func shortID(id string) string {
	rs := []rune(plainID(id))
	return string(rs[:min(6, len(rs))])
}

// CanNote implements [securesend.DataNoter]: it asks the ticket system whether an internal note stays internal and mails
// nobody. Where it does not, or nothing can write, the error is [securesend.ErrUnsupported]; others are the ticket system's.
func (s *Sends) CanNote(ctx context.Context, tenant mspkit.TenantID, ticket mspkit.Ticket) error {
	data, ok := s.l.o.Data.(psa.DataNoter)
	ref := psa.TicketRef{Tenant: tenant, Ticket: ticket}
	switch {
	case !ok:
		return fmt.Errorf("ticketlog: there is nothing that writes content into notes (Options.Data): %w", securesend.ErrUnsupported)
	case ref.Validate() != nil || reserved(ticket):
		return fmt.Errorf("ticketlog: content is noted in a ticket that there is, and nowhere else: %w", securesend.ErrUnsupported)
	}
	switch err := data.CanNoteData(ctx, ref); {
	case err == nil:
		return nil
	case errors.Is(err, psa.ErrUnsupported):
		return fmt.Errorf("ticketlog: %w: %w", securesend.ErrUnsupported, err)
	default:
		return fmt.Errorf("ticketlog: %w", err)
	}
}

// NoteData implements [securesend.DataNoter]. The note is internal and is written now, by Options.Data. One that is too
// long for the ticket system is refused, which takes the send back: parts of a secret are of use to nobody.
func (s *Sends) NoteData(ctx context.Context, n securesend.DataNote) error {
	if err := s.CanNote(ctx, n.Tenant, n.Ticket); err != nil {
		return err
	}
	texts := s.l.texts
	text := fill(texts["data"], map[string]string{"technician": or(plain(n.Technician.Name, maxWord, nameDigits), plainID(n.Technician.ID), texts["technician"])})
	if secret := n.Text.Reveal(); secret != "" {
		text += "\n\n" + secret
	}
	if len(n.Files) > 0 {
		names := make([]string, len(n.Files))
		for i, f := range n.Files {
			names[i] = cleantext.Line(f, maxReason)
		}
		text += "\n\n" + fill(texts["data.files"], map[string]string{"names": strings.Join(names, ", ")})
	}
	_, err := s.l.o.Data.AddNote(ctx, psa.TicketRef{Tenant: n.Tenant, Ticket: n.Ticket}, psa.Note{
		Title: texts["title.data"], Text: text, Visibility: psa.Internal, Key: token.Random(),
	})
	if err != nil {
		return fmt.Errorf("ticketlog: note the content: %w", err)
	}
	return nil
}
