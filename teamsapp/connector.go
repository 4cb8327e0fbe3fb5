package teamsapp

import (
	"context"
	"errors"

	"github.com/mspkit/mspkit"
)

// Credential gets tokens for a bot.
type Credential interface{ credential() }

// ClientSecret is a credential of the application's client secret.
func ClientSecret(secret string) Credential { return nil }

type connector struct{}

func newConnector(App, Options) (*connector, error) { return &connector{}, nil }

// Notify implements [TeamsNotifier].
func (b *Bot) Notify(ctx context.Context, n Notification) (Receipt, error) {
	return Receipt{}, errors.New("not yet")
}

// Reply sends m as an answer to the message to, in its chat.
func (b *Bot) Reply(ctx context.Context, to MessageRef, m Message) (Receipt, error) {
	return Receipt{}, errors.New("not yet")
}

// Update puts m in the place of a message that the bot sent.
func (b *Bot) Update(ctx context.Context, ref MessageRef, m Message) error {
	return errors.New("not yet")
}

// Delete takes back a message that the bot sent. One that is gone is no error.
func (b *Bot) Delete(ctx context.Context, ref MessageRef) error { return errors.New("not yet") }

// send sends m into the chat that is known of u, or begins one.
func (b *Bot) send(ctx context.Context, tenant mspkit.TenantID, u User, m Message) (Receipt, error) {
	return Receipt{}, errors.New("not yet")
}
