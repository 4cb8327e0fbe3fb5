package teamsapp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
)

// Reference is what a bot knows of the way to a person, without Teams' ids.
type Reference struct {
	// Tenant is the host's tenant of the person.
	Tenant mspkit.TenantID
	// Known says that the bot has heard of the person: they have, or had, the app. Without it everything below is zero, and a
	// message can still get through, see [Options.NoObjectID].
	Known bool
	// Conversation says that the private chat is known.
	Conversation bool
	// Removed says that Teams told that the app was removed, and of no installation since.
	Removed bool
	// UpdatedAt is when the bot last learned something of the person.
	UpdatedAt time.Time
}

// Reference returns what the bot knows of the way to a person. It asks the store alone and sends nothing. For a tenant that was
// not onboarded the error is [ErrUnknownTenant].
func (b *Bot) Reference(ctx context.Context, u User) (Reference, error) {
	u, err := NewUser(u.TenantID, u.ObjectID)
	if err != nil {
		return Reference{}, err
	}
	tenant, err := b.Tenant(ctx, u)
	if err != nil {
		return Reference{}, err
	}
	out := Reference{Tenant: tenant}
	k := b.key(tenant, u)
	r, err := b.store.Load(ctx, k)
	switch {
	case errors.Is(err, ErrNotFound):
		return out, nil
	case err != nil:
		return Reference{}, fmt.Errorf("teamsapp: reference: load the conversation: %w", err)
	}
	ref := b.open(ctx, k, r)
	if ref == (reference{Removed: ref.Removed}) { // it does not open
		return out, nil
	}
	out.Known, out.Conversation, out.Removed, out.UpdatedAt = true, ref.Conversation != "", ref.Removed, r.UpdatedAt
	return out, nil
}

// CheckCredentials gets the bot's token, which is what sending needs first, and sends nothing. A token that is kept counts. The
// error is an [*Error], mostly [ErrCredentials].
func (b *Bot) CheckCredentials(ctx context.Context) error {
	if _, err := b.conn.token(ctx); err != nil {
		return fmt.Errorf("teamsapp: %w", err)
	}
	return nil
}
