package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/securesend"
)

// sendRecorder writes what became of a send into the ticket, or into the contact's own log. It is given ids only; it never
// sees a link, a number, a name of a file or what was sent.
type sendRecorder struct {
	noter  *noter
	person func(tenant mspkit.TenantID, id string) (person, bool)
}

var _ securesend.Recorder = (*sendRecorder)(nil)

// Record writes one note for each event that somebody reading the ticket wants to know of.
func (r *sendRecorder) Record(ctx context.Context, e securesend.Event) error {
	if e.Kind == securesend.EventSent {
		r.noter.went(e.Send, channelWords(e.Reason))
	}
	p, ok := r.person(e.Tenant, e.Subject)
	text := ""
	if ok {
		text = sendSentence(e, p.Name)
	}
	ref := psa.TicketRef{Tenant: e.Tenant, Ticket: e.Ticket}
	switch {
	case text == "" || e.Log.To == "none":
		return nil
	case e.Log.To == "contact":
		ref = contactLog(p)
	case e.Ticket.IsZero():
		ref.Ticket = p.Ticket
	}
	n := psa.Note{Title: "Secure send", Text: text, Key: e.ID}
	if e.What == securesend.KindRequest {
		n.Title = "Secure request"
	}
	if e.Kind.Alert() {
		n.Title = "ALERT: " + n.Title
	}
	if e.Log.Public {
		n.Visibility = psa.Public
	}
	_, err := r.noter.AddNote(ctx, ref, n)
	return err
}

// contactLog is where the demo keeps what belongs to a person and not to a ticket.
func contactLog(p person) psa.TicketRef {
	return psa.TicketRef{Tenant: p.Tenant, Ticket: mspkit.Ticket{System: "contact", ID: p.ID}}
}

// sendSentence says in words what happened, or nothing.
func sendSentence(e securesend.Event, name string) string {
	who := func(id string) string {
		if t, ok := technicianByID(id); ok {
			return t.Name
		}
		return name
	}
	tech, short, request := who(e.Sender), e.Send[:min(6, len(e.Send))], e.What == securesend.KindRequest
	it := "Send " + short
	if request {
		it = "Request " + short
	}
	switch e.Kind {
	case securesend.EventCreated:
		if request {
			return fmt.Sprintf("%s: %s asks %s for something in confidence.", it, tech, name)
		}
		return fmt.Sprintf("%s: %s has something for %s.", it, tech, name)
	case securesend.EventUploaded:
		if request {
			return fmt.Sprintf("%s: %s has answered. %s can receive it once.", it, name, tech)
		}
		return it + ": the content is complete, it can be opened."
	case securesend.EventSent:
		return fmt.Sprintf("%s: the link went out by %s.", it, channelWords(e.Reason))
	case securesend.EventUnsent:
		return fmt.Sprintf("%s: the message by %s could not be sent.", it, channelWords(e.Reason))
	case securesend.EventOpened:
		if request {
			return fmt.Sprintf("%s: somebody with the link and the number has begun to answer.", it)
		}
		return it + ": the page was opened, by a person or a program. Nothing was revealed by that."
	case securesend.EventCodeSent:
		return fmt.Sprintf("%s: a code was asked for and went out by %s.", it, channelWords(e.Reason))
	case securesend.EventRefused:
		return fmt.Sprintf("%s: a wrong %s was typed (%d so far).", it, e.Reason, e.Refusals)
	case securesend.EventLocked:
		return fmt.Sprintf("%s: every try of the %s was wrong, so it is locked. A new number opens it again.", it, e.Reason)
	case securesend.EventRenewed:
		return fmt.Sprintf("%s: %s has a new number to say.", it, who(e.By))
	case securesend.EventRevealed:
		if request {
			return fmt.Sprintf("%s: the answer was handed to %s.", it, tech)
		}
		return fmt.Sprintf("%s: it was revealed%s.", it, views(e))
	case securesend.EventAcknowledged:
		if e.State == securesend.StateAcknowledged {
			return it + ": it has arrived" + unfetched(e) + ". It is burnt, nobody can open it again."
		}
		return it + ": it has arrived" + unfetched(e) + "."
	case securesend.EventLapsed:
		return it + ": it was revealed, and nobody said that it arrived" + unfetched(e) + "."
	case securesend.EventExpired:
		return it + ": nobody opened it in time. It is destroyed."
	case securesend.EventRevoked:
		if e.By == securesend.BySystem {
			return fmt.Sprintf("%s: it was taken back: %s.", it, e.Reason)
		}
		if e.Reason != "" {
			return fmt.Sprintf("%s: %s took it back (%s).", it, who(e.By), e.Reason)
		}
		return fmt.Sprintf("%s: %s took it back. It is destroyed.", it, who(e.By))
	default:
		return ""
	}
}

func views(e securesend.Event) string {
	if e.MaxViews < 2 {
		return ""
	}
	return fmt.Sprintf(", view %d of %d", e.Views, e.MaxViews)
}

// unfetched names files by their numbers only: names may tell something.
func unfetched(e securesend.Event) string {
	if len(e.Files) == 0 {
		return ""
	}
	return "; not fetched: file " + strings.Trim(strings.ReplaceAll(fmt.Sprint(e.Files), " ", ", "), "[]")
}

// dataNoter writes what was sent into the ticket, where a tenant wants that. The demo's notes mail nobody.
type dataNoter struct{ noter psa.TicketNoter }

var _ securesend.DataNoter = (*dataNoter)(nil)

// CanNote says yes: an internal note stays internal here.
func (*dataNoter) CanNote(context.Context, mspkit.TenantID, mspkit.Ticket) error { return nil }

// NoteData writes an internal note with the text in clear.
func (d *dataNoter) NoteData(ctx context.Context, n securesend.DataNote) error {
	text := n.Technician.Name + " sent, and the client's settings keep it here: " + n.Text.Reveal()
	if len(n.Files) > 0 {
		text += " Files, which are not kept: " + strings.Join(n.Files, ", ") + "."
	}
	_, err := d.noter.AddNote(ctx, psa.TicketRef{Tenant: n.Tenant, Ticket: n.Ticket}, psa.Note{Title: "Secure send, content", Text: text, Key: uuid.NewString()})
	return err
}
