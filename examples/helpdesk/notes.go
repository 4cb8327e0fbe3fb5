package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/verify"
)

// recorder writes what happened into the ticket. It is given ids only and puts names to them from its own data;
// it never sees a code, a link or an address.
type recorder struct {
	noter  psa.TicketNoter
	person func(tenant mspkit.TenantID, id string) (person, bool)
}

var _ verify.Recorder = (*recorder)(nil)

// Record writes one note for each event that somebody reading the ticket wants to know of.
func (r *recorder) Record(ctx context.Context, e verify.Event) error {
	p, ok := r.person(e.Tenant, e.Subject)
	if !ok {
		return nil
	}
	text := sentence(e, p.Name)
	if text == "" {
		return nil
	}
	ticket := e.Ticket
	if ticket.IsZero() {
		ticket = p.Ticket
	}
	title := "Caller verification"
	if e.Verifies == verify.KindTechnician {
		title = "Technician verification"
	}
	if e.Kind.Alert() {
		title = "ALERT: " + title
	}
	if _, ok := technicianByID(e.By); e.Reason != "" && (ok && e.Kind != verify.EventStarted || e.Kind == verify.EventUndelivered) {
		text += " Reason: " + e.Reason + "."
	}
	_, err := r.noter.AddNote(ctx, psa.TicketRef{Tenant: e.Tenant, Ticket: ticket}, psa.Note{Title: title, Text: text, Key: e.ID})
	return err
}

func sentence(e verify.Event, name string) string {
	tech := e.Technician
	if t, ok := technicianByID(tech); ok {
		tech = t.Name
	}
	by := e.By
	if t, ok := technicianByID(by); ok {
		by = t.Name
	}
	if e.Kind == verify.EventFailedOver {
		// The note of the delivery, just before, says why.
		return fmt.Sprintf("%s could not be used, so the next way that the policy allows is taken.", wayWords(e.Channel))
	}
	if e.Verifies == verify.KindTechnician {
		switch e.Kind {
		case verify.EventStarted:
			switch {
			case e.By == verify.ByCaller && e.Channel == "teams":
				return fmt.Sprintf("%s asked who is calling.", name)
			case e.By == verify.ByCaller:
				return fmt.Sprintf("%s asked on the public page whether this call is real.", name)
			}
			return fmt.Sprintf("%s offered %s a way to check who is calling.", tech, name)
		case verify.EventConfirmed:
			return fmt.Sprintf("%s heard the right words: this is really %s.", name, tech)
		case verify.EventMismatch:
			if e.Channel == "teams" {
				return fmt.Sprintf("%s typed other words than %s was given. Somebody may be posing as the helpdesk.", name, or(tech, "a technician"))
			}
			return fmt.Sprintf("Other words than %s was given were typed behind %s's link. Somebody may be posing as the helpdesk, or a mail scanner guessed.", or(tech, "a technician"), name)
		default:
			return ""
		}
	}
	switch e.Kind {
	case verify.EventStarted:
		return fmt.Sprintf("%s began to verify %s by %s (%s) for %s.", tech, name, channelWords(e.Channel), methodWords(e.Method), actionWords(e.Action))
	case verify.EventUndelivered:
		return fmt.Sprintf("The message by %s was not delivered.", channelWords(e.Channel))
	case verify.EventFailed:
		return fmt.Sprintf("Every try of the %s was wrong.", methodWords(e.Method))
	case verify.EventRenewed:
		return fmt.Sprintf("%s gave a new %s.", by, methodWords(e.Method))
	case verify.EventConfirmed:
		if e.Reason != "" {
			return fmt.Sprintf("%s confirmed %s. Assurance: %s. But %s.", name, actionWords(e.Action), e.Assurance, e.Reason)
		}
		return fmt.Sprintf("%s is verified for %s. Assurance: %s.", name, actionWords(e.Action), e.Assurance)
	case verify.EventApproved:
		return fmt.Sprintf("%s approved as second technician: %s is verified for %s.", by, name, actionWords(e.Action))
	case verify.EventDenied:
		return fmt.Sprintf("%s said: this is not me. Somebody may be posing as %s.", name, name)
	case verify.EventDenialHint:
		return `Somebody who has the link pressed "this is not me" (not confirmed).`
	case verify.EventExpired:
		return "The verification expired without an answer."
	case verify.EventCancelled:
		return fmt.Sprintf("%s cancelled the verification.", by)
	case verify.EventRedeemed:
		return fmt.Sprintf("The verification was used for %s, once and for all.", actionWords(e.Action))
	case verify.EventFrozen:
		return fmt.Sprintf("%s is frozen: nobody can be verified as %s.", name, name)
	case verify.EventUnfrozen:
		return fmt.Sprintf("%s unfroze %s.", by, name)
	case verify.EventLocked:
		return fmt.Sprintf("%s is locked after too many wrong answers in a row.", name)
	case verify.EventUnlocked:
		return fmt.Sprintf("%s unlocked %s.", by, name)
	default:
		return ""
	}
}

// actionWords names an action in a note. What opens a send is named by an id, which says nothing to a reader.
func actionWords(a verify.Action) string {
	if strings.HasPrefix(string(a), revealing) {
		return "opening what was sent"
	}
	return string(a)
}

func channelWords(c string) string {
	switch c {
	case "teams":
		return "Teams"
	case "sms":
		return "text message"
	case "email":
		return "e-mail"
	}
	return c
}

// wayWords begins a sentence.
func wayWords(c string) string {
	if c == "teams" {
		return "Teams"
	}
	return "The " + channelWords(c)
}

// failoverWords reads [verify.Challenge.Failover] to the technician.
func failoverWords(failover, channel string) string {
	if failover == "" {
		return ""
	}
	var out []string
	for part := range strings.SplitSeq(failover, "; ") {
		c, reason, ok := strings.Cut(part, ": ")
		switch {
		case ok && channelWords(c) != c:
			out = append(out, fmt.Sprintf("%s could not be used: %s.", wayWords(c), reason))
		case len(out) > 0: // a reason with a semicolon in it
			out[len(out)-1] = strings.TrimSuffix(out[len(out)-1], ".") + "; " + part + "."
		default:
			out = append(out, part+".")
		}
	}
	return strings.Join(append(out, fmt.Sprintf("Sent by %s instead.", channelWords(channel))), " ")
}

func methodWords(m verify.Method) string {
	switch m {
	case verify.MethodNumber:
		return "number"
	case verify.MethodCode:
		return "code"
	case verify.MethodTOTP:
		return "authenticator app"
	case verify.MethodWord:
		return "words"
	}
	return string(m)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
