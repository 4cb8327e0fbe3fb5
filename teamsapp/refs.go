package teamsapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/mspkit/mspkit"
)

// reference is what a [Record] holds sealed: how one person is reached.
type reference struct {
	// Member is Teams' id of the person for this bot ("29:…"), or empty where only the object id is known.
	Member string `json:"m,omitempty"`
	// Conversation is Teams' id of the private chat, or empty where there is none yet.
	Conversation string `json:"c,omitempty"`
	// ServiceURL is the last one seen, or empty.
	ServiceURL string `json:"s,omitempty"`
	// Locale is that of the person's client.
	Locale  string `json:"l,omitempty"`
	Removed bool   `json:"-"`
}

func (b *Bot) key(tenant mspkit.TenantID, u User) Key {
	return Key{Bot: b.app.ID, Tenant: tenant, User: u}
}

// reference returns what is known of u; an unknown person is the zero reference. One that does not open (a key that is
// gone, a record that was moved) counts as unknown, because it can be learned again.
func (b *Bot) reference(ctx context.Context, tenant mspkit.TenantID, u User) (reference, error) {
	k := b.key(tenant, u)
	r, err := b.store.Load(ctx, k)
	if errors.Is(err, ErrNotFound) {
		return reference{}, nil
	}
	if err != nil {
		return reference{}, fmt.Errorf("load the conversation: %w", err)
	}
	return b.open(ctx, k, r), nil
}

// open returns what the record of k holds, the zero reference where it does not open. What r says of its key does not count.
func (b *Bot) open(ctx context.Context, k Key, r Record) reference {
	var ref reference
	plain, err := b.refs.Open(r.Sealed, place(k)...)
	if err == nil {
		err = json.Unmarshal(plain, &ref)
	}
	if err != nil {
		b.log.WarnContext(ctx, "teamsapp: a conversation reference does not open and is learned again", slog.Any("error", err))
		return reference{}
	}
	ref.Removed = r.Removed
	return ref
}

func (b *Bot) saveReference(ctx context.Context, tenant mspkit.TenantID, u User, ref reference) error {
	k := b.key(tenant, u)
	plain, err := json.Marshal(ref)
	if err != nil {
		return err
	}
	err = b.store.Save(ctx, Record{
		Key: k, Sealed: b.refs.Seal(plain, place(k)...), Removed: ref.Removed, UpdatedAt: b.o.Now(),
	})
	if err != nil {
		return fmt.Errorf("save the conversation: %w", err)
	}
	return nil
}

func place(k Key) []string {
	return []string{k.Bot, string(k.Tenant), k.User.TenantID, k.User.ObjectID}
}
