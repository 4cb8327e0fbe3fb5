package sendvia

import (
	"context"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/teamsapp"
)

// Bot writes to one person in Teams and knows whose person it is; [*teamsapp.Bot] is one.
type Bot interface {
	teamsapp.TeamsNotifier
	Tenant(ctx context.Context, u teamsapp.User) (mspkit.TenantID, error)
}

// TeamsMessages is a [securesend.Sender] by the MSP's bot in Teams. Addresses are as teamsapp.ParseUser reads them.
type TeamsMessages struct{ bot Bot }

var (
	_ securesend.Sender = (*TeamsMessages)(nil)
	_ Bot               = (*teamsapp.Bot)(nil)
)

// Teams returns a sender by bot, which is required.
func Teams(bot Bot) (*TeamsMessages, error) {
	if bot == nil {
		return nil, missing("a bot")
	}
	return &TeamsMessages{bot}, nil
}

// Send implements [securesend.Sender]. The card has the link in its button only, so that nothing unfurls it, and a code in
// its text only, which no notification shows.
func (t *TeamsMessages) Send(ctx context.Context, m securesend.Message) error {
	to, err := teamsapp.ParseUser(m.To)
	if err != nil {
		return fail(mspkit.ErrInvalid)
	}
	tenant, err := t.bot.Tenant(ctx, to)
	if err != nil {
		return fail(err)
	}
	if tenant != m.Ref.Tenant {
		return fail(teamsapp.ErrUnknownTenant)
	}
	link := m.Link.Reveal()
	text := strings.TrimRight(strings.TrimSpace(strings.Replace(m.Text.Reveal(), link, "", 1)), ":")
	card := &teamsapp.Card{
		Summary: m.Subject, Locale: m.Locale,
		Body: []teamsapp.Element{teamsapp.Heading{Text: m.Brand.Name}, teamsapp.Text{Text: text}},
	}
	if link != "" {
		card.Actions = []teamsapp.Action{teamsapp.OpenURL{Title: button(m.Locale, m.Request), URL: link}}
	}
	_, err = t.bot.Notify(ctx, teamsapp.Notification{To: to, Message: teamsapp.Message{Card: card}})
	return fail(err)
}
