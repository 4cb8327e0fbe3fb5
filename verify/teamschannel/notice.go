package teamschannel

import (
	"context"
	"strconv"
	"time"

	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
)

// Notice sends the card that tells of a change, or that holds a link. Every error is a [*verify.DeliveryError].
func (c *Channel) Notice(ctx context.Context, n verify.Notice) error {
	to, err := teamsapp.ParseUser(n.To)
	if err != nil {
		return failure(err)
	}
	tenant, err := c.bot.Tenant(ctx, to)
	if err != nil {
		return failure(err)
	}
	if tenant != n.Tenant { // as in Deliver
		return &verify.DeliveryError{Reason: foreignTenant, Permanent: true}
	}
	card := c.w.notice(n, c.o.Now().Add(n.TTL))
	if card == nil {
		return &verify.DeliveryError{Reason: "no card is known for this notice", Permanent: true}
	}
	if _, err := c.bot.Notify(ctx, teamsapp.Notification{To: to, Message: teamsapp.Message{Card: card}}); err != nil {
		return failure(err)
	}
	return nil
}

// notice returns the card of n, or nil for a kind that is newer than this package. A link works until the time given.
func (w *writer) notice(n verify.Notice, until time.Time) *teamsapp.Card {
	s := w.sheet(verify.View{
		Ref: verify.Ref{Tenant: n.Tenant}, Kind: verify.KindCaller, Brand: n.Brand, Locale: n.Locale, Name: n.Name, Company: n.Company,
		Technician: n.Technician, Ticket: n.Ticket, Purpose: n.Purpose,
	})
	if n.Kind == verify.NoticeLink {
		return s.setup(n, until)
	}
	name := string(n.Kind)
	if s.texts[name+".title"] == "" {
		return nil
	}
	s.brand()
	s.add(
		teamsapp.Heading{Text: s.t(name + ".title")},
		teamsapp.Text{Text: s.fill(name+".text", "{left}", strconv.Itoa(n.Left))},
		teamsapp.Facts{
			{Name: s.t("fact.when"), Value: s.time(n.At)},
			{Name: s.t("fact.with"), Value: s.v.Technician + "\n" + s.v.Brand.Name},
			{Name: s.t("fact.about"), Value: s.person()},
			{Name: s.t("fact.ticket"), Value: s.v.Ticket.ID},
		},
		teamsapp.Section{Color: teamsapp.ColorWarning, Body: []teamsapp.Element{
			teamsapp.Text{Text: s.t("notice.warning") + " " + s.phone()},
		}},
	)
	return s.card(name + ".summary")
}

// setup holds a link. It does not say the number, which the technician does.
func (s *sheet) setup(n verify.Notice, until time.Time) *teamsapp.Card {
	s.brand()
	s.add(
		teamsapp.Heading{Text: s.t("setup.title")},
		teamsapp.Text{Text: s.fill("setup.lead", "{brand}", s.v.Brand.Name, "{technician}", s.v.Technician, "{purpose}", cleantext.Line(n.Purpose, maxWords))},
	)
	s.warning("setup.warning")
	s.add(teamsapp.Text{Text: s.fill("setup.until", "{time}", s.time(until)), Subtle: true})
	return s.card("setup.summary", teamsapp.OpenURL{Title: s.t("setup.button"), URL: n.Link.Reveal()})
}
