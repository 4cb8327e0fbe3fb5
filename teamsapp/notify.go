package teamsapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mspkit/mspkit"
)

// Notify implements [TeamsNotifier]. It waits in a queue while Teams' limits are reached, for as long as ctx allows,
// and repeats what failed for the moment: after an answer that was lost a message may arrive twice, because one that
// is missing is worse. It begins the chat where there is none yet, also where the bot has not heard of the person (see
// [Options.NoObjectID]), and once more where Teams has forgotten it. The table in the package comment has the errors;
// [Explain] says what to do about them.
func (b *Bot) Notify(ctx context.Context, n Notification) (Receipt, error) {
	u, err := NewUser(n.To.TenantID, n.To.ObjectID)
	if err != nil {
		return Receipt{}, err
	}
	tenant, err := b.Tenant(ctx, u)
	if err != nil {
		return Receipt{}, err
	}
	return b.send(ctx, tenant, u, n.Message)
}

// Reply sends m as an answer to the message to, in its chat. Errors are those of [Bot.Notify], but the chat is not
// begun again: where it is gone, the error is [ErrConversationGone].
func (b *Bot) Reply(ctx context.Context, to MessageRef, m Message) (Receipt, error) {
	p, err := b.place(ctx, to)
	if err != nil {
		return Receipt{}, err
	}
	a, err := b.conn.message(m, p.ref.Locale)
	if err != nil {
		return Receipt{}, fmt.Errorf("teamsapp: reply: %w", err)
	}
	id, err := b.conn.send(ctx, p.serviceURL, p.at.User.TenantID, p.at.Conversation, p.at.Activity, a)
	if err != nil {
		return Receipt{}, b.failed(ctx, p, err)
	}
	return Receipt{Message: MessageRef{User: p.at.User, Conversation: p.at.Conversation, Activity: id}}, nil
}

// Update puts m in the place of a message that the bot sent, from any instance. Where the message or its chat is gone,
// the error is [ErrConversationGone].
func (b *Bot) Update(ctx context.Context, ref MessageRef, m Message) error {
	p, err := b.place(ctx, ref)
	if err != nil {
		return err
	}
	m.Silent = true // who is told of a change that they made?
	a, err := b.conn.message(m, p.ref.Locale)
	if err != nil {
		return fmt.Errorf("teamsapp: update: %w", err)
	}
	return b.failed(ctx, p, b.conn.update(ctx, p.serviceURL, p.at, a))
}

// Delete takes back a message that the bot sent. One that is gone is no error.
func (b *Bot) Delete(ctx context.Context, ref MessageRef) error {
	p, err := b.place(ctx, ref)
	if err != nil {
		return err
	}
	err = b.conn.remove(ctx, p.serviceURL, p.at)
	if errors.Is(err, ErrConversationGone) {
		return nil
	}
	return b.failed(ctx, p, err)
}

// placed is a message that exists and how it is reached: it stays in its chat, also where the person has another one
// by now, but the service URL is the last one seen.
type placed struct {
	at         MessageRef
	tenant     mspkit.TenantID
	ref        reference
	serviceURL string
}

func (b *Bot) place(ctx context.Context, m MessageRef) (placed, error) {
	u, err := NewUser(m.User.TenantID, m.User.ObjectID)
	if err != nil {
		return placed{}, err
	}
	if !validID(m.Conversation) || !validID(m.Activity) {
		return placed{}, fmt.Errorf("teamsapp: this names no message: %w", mspkit.ErrInvalid)
	}
	m.User = u
	p := placed{at: m}
	if p.tenant, err = b.Tenant(ctx, u); err != nil {
		return placed{}, err
	}
	if p.ref, err = b.reference(ctx, p.tenant, u); err != nil {
		return placed{}, fmt.Errorf("teamsapp: %w", err)
	}
	p.serviceURL = b.serviceURL(p.ref)
	return p, nil
}

// failed wraps err, and remembers where it says that the app was removed.
func (b *Bot) failed(ctx context.Context, p placed, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrNotInstalled) && p.ref != (reference{}) {
		b.learn(ctx, p.tenant, p.at.User, func(r *reference) { r.Removed = true })
	}
	return fmt.Errorf("teamsapp: %w", err)
}

// serviceURL is the last one seen, unless it is of an emulator or a cloud that this bot was moved away from.
func (b *Bot) serviceURL(ref reference) string {
	if _, err := b.o.trusted(ref.ServiceURL); err == nil {
		return ref.ServiceURL
	}
	return b.o.Cloud.ServiceURL
}

// send sends m into the chat that is known of u, or begins one.
func (b *Bot) send(ctx context.Context, tenant mspkit.TenantID, u User, m Message) (Receipt, error) {
	ref, err := b.reference(ctx, tenant, u)
	if err != nil {
		return Receipt{}, fmt.Errorf("teamsapp: send: %w", err)
	}
	p := placed{at: MessageRef{User: u, Conversation: ref.Conversation}, tenant: tenant, ref: ref, serviceURL: b.serviceURL(ref)}
	a, err := b.conn.message(m, ref.Locale)
	if err == nil {
		_, err = b.conn.encode(a) // before anything is begun
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("teamsapp: send: %w", err)
	}
	if ref.Removed || ref.Conversation == "" { // perhaps it was installed again, and nobody told us
		if err := b.begin(ctx, &p); err != nil {
			return Receipt{}, b.failed(ctx, p, err)
		}
	}
	deliver := func() (string, error) {
		return b.conn.send(ctx, p.serviceURL, u.TenantID, p.at.Conversation, "", a)
	}
	id, err := deliver()
	if errors.Is(err, ErrConversationGone) {
		gone := p.at.Conversation
		b.learn(ctx, tenant, u, func(r *reference) {
			if r.Conversation == gone {
				r.Conversation = ""
			}
		})
		if err = b.begin(ctx, &p); err == nil {
			id, err = deliver()
		}
	}
	if err != nil {
		return Receipt{}, b.failed(ctx, p, err)
	}
	if ref.Removed {
		b.learn(ctx, tenant, u, func(r *reference) { r.Removed = false })
	}
	return Receipt{Message: MessageRef{User: u, Conversation: p.at.Conversation, Activity: id}}, nil
}

// begin begins the chat with p's person and remembers it.
func (b *Bot) begin(ctx context.Context, p *placed) error {
	u, member := p.at.User, p.ref.Member
	if member == "" {
		if b.o.NoObjectID {
			return fmt.Errorf("create: the bot has not heard of the person: %w", ErrNotInstalled)
		}
		member = u.ObjectID
	}
	id, err := b.conn.create(ctx, p.serviceURL, u.TenantID, member)
	if err != nil {
		return err
	}
	p.at.Conversation, p.ref.Conversation = id, id
	b.learn(ctx, p.tenant, u, func(r *reference) { r.Conversation = id })
	return nil
}

// learn changes what is known of u. Where the store fails it only warns: the message matters more, and what is lost is
// learned again. It works on after the end of ctx, which is when a slow Teams is found out.
func (b *Bot) learn(ctx context.Context, tenant mspkit.TenantID, u User, change func(*reference)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	ref, err := b.reference(ctx, tenant, u) // Teams may have told something in the meantime
	if err == nil {
		before := ref
		if change(&ref); ref == before {
			return
		}
		err = b.saveReference(ctx, tenant, u, ref)
	}
	if err != nil {
		b.log.WarnContext(ctx, "teamsapp: what is known of a conversation could not be stored", slog.Any("error", err))
	}
}
