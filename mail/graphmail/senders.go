package graphmail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
)

func unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// recheck is how long a look at a mailbox is good for, so that a mailbox that becomes a person's is noticed.
const recheck = 24 * time.Hour

// Senders are the mailboxes that were chosen as senders, one for each tenant. They are the [mail.TenantMailers] of a
// [mail.Router]. Use [NewSenders]; it is safe for concurrent use, and any number of instances may share a store.
type Senders struct {
	c     *Client
	store mail.SenderStore

	mu     sync.Mutex
	noted  map[mspkit.TenantID]string    // the last problem that was stored
	looked map[mspkit.TenantID]time.Time // when the mailbox was looked at by this instance
}

var _ mail.TenantMailers = (*Senders)(nil)

// NewSenders returns the senders that store keeps.
func NewSenders(c *Client, store mail.SenderStore) (*Senders, error) {
	if c == nil || store == nil {
		return nil, fmt.Errorf("graphmail: senders need a client and a store: %w", mspkit.ErrInvalid)
	}
	return &Senders{c: c, store: store, noted: map[mspkit.TenantID]string{}, looked: map[mspkit.TenantID]time.Time{}}, nil
}

// Choose makes the mailbox with an address the sender of a tenant, once [Client.Check] has said that it is a shared one. by
// is the administrator, name what people see as sender; empty is the name that the mailbox has.
func (s *Senders) Choose(ctx context.Context, tenant mspkit.TenantID, email, name, by string) (mail.Sender, error) {
	m, err := s.c.Check(ctx, tenant, email)
	if err != nil {
		return mail.Sender{}, err
	}
	now := s.c.o.Now()
	out := mail.Sender{Tenant: tenant, Address: m.Address, MailboxID: m.ID, By: by, ChosenAt: now, CheckedAt: now}
	if name != "" {
		out.Address.Name = name
	}
	if err := out.Validate(); err != nil {
		return mail.Sender{}, err
	}
	if err := s.store.PutSender(ctx, out); err != nil {
		return mail.Sender{}, err
	}
	s.remember(tenant, "", now)
	return out, nil
}

// Sender returns that of a tenant with its health, [mail.ErrNotSetUp] where there is none.
func (s *Senders) Sender(ctx context.Context, tenant mspkit.TenantID) (mail.Sender, error) {
	return s.store.Sender(ctx, tenant)
}

// Delete takes the sender of a tenant away. The mailbox stays as it is.
func (s *Senders) Delete(ctx context.Context, tenant mspkit.TenantID) error {
	s.mu.Lock()
	delete(s.noted, tenant)
	delete(s.looked, tenant)
	s.mu.Unlock()
	return s.store.DeleteSender(ctx, tenant)
}

// Test sends the sample of a template, marked as a test, to an address of the administrator's, and notes how it went. Taken
// over is not delivered: have them look.
func (s *Senders) Test(ctx context.Context, t *mail.Templates, test mail.TestMail) (mail.Receipt, error) {
	m, err := s.mailer(ctx, test.Tenant, true)
	if err != nil {
		return mail.Receipt{}, err
	}
	r, err := mail.TestSend(ctx, m, t, test)
	if err == nil {
		now := s.c.o.Now()
		err = s.store.NoteSender(ctx, test.Tenant, m.m.s.MailboxID, now, now, "")
	}
	return r, err
}

// Look looks at the mailbox of a tenant now: that it is still there, still shared, and still has its address. What is wrong
// is stored with the sender and returned.
func (s *Senders) Look(ctx context.Context, tenant mspkit.TenantID) error {
	sender, err := s.store.Sender(ctx, tenant)
	if err != nil {
		return err
	}
	return s.look(ctx, sender)
}

func (s *Senders) look(ctx context.Context, sender mail.Sender) error {
	m, err := s.c.check(ctx, sender.Tenant, sender.MailboxID)
	if err == nil && m.Address.Email != sender.Address.Email {
		err = &Error{Op: "check the mailbox", Err: mail.ErrAuth, Advice: "the mailbox has another address now: choose it again"}
	}
	if err == nil || !errors.Is(err, mail.ErrTemporary) {
		s.note(ctx, sender, err)
	}
	return err
}

// Mailer implements [mail.TenantMailers]. A mailbox is looked at once a day before it is used: one that has become a
// person's mailbox or was removed is an error that matches [mail.ErrAuth], and nothing is sent.
func (s *Senders) Mailer(ctx context.Context, tenant mspkit.TenantID) (mail.Mailer, error) {
	m, err := s.mailer(ctx, tenant, false)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (s *Senders) mailer(ctx context.Context, tenant mspkit.TenantID, now bool) (*noting, error) {
	sender, err := s.store.Sender(ctx, tenant)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	last, noted := s.looked[tenant], s.noted[tenant]
	s.mu.Unlock()
	if sender.CheckedAt.After(last) && sender.Problem == "" {
		last = sender.CheckedAt // another instance has looked
	}
	m, err := s.c.Mailer(sender)
	if err != nil {
		return nil, err
	}
	out := &noting{s: s, m: m}
	// What this instance has found counts also where the store has not taken it.
	wrong := sender.Problem != "" || noted != ""
	if now || wrong || s.c.o.Now().Sub(last) >= recheck {
		err := s.look(ctx, sender)
		switch {
		case errors.Is(err, ErrNotShared):
			out.refuse = &Error{Op: "send", Err: mail.ErrAuth, Cause: err, Advice: explain(err)}
		case err != nil && (now || wrong || errors.Is(err, mail.ErrAuth)): // what was wrong is so until a look says otherwise
			out.refuse = err
		}
	}
	return out, nil
}

func explain(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Advice
	}
	return "the mailbox cannot be used"
}

func (s *Senders) remember(tenant mspkit.TenantID, problem string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted[tenant], s.looked[tenant] = problem, at
}

// note stores how a sender is, where that is news. Nobody waits for the store to work: the mail matters more.
func (s *Senders) note(ctx context.Context, sender mail.Sender, err error) {
	problem := ""
	if err != nil {
		problem = explain(err)
	}
	now := s.c.o.Now()
	s.remember(sender.Tenant, problem, now)
	if problem == sender.Problem && now.Sub(sender.CheckedAt) < recheck {
		return
	}
	if err := s.store.NoteSender(context.WithoutCancel(ctx), sender.Tenant, sender.MailboxID, now, time.Time{}, problem); err != nil {
		s.c.o.Logger.WarnContext(ctx, "graphmail: the state of a sender could not be stored", slog.String("tenant", string(sender.Tenant)), slog.Any("error", err))
	}
}

// noting is a mailer that stores what goes wrong for good.
type noting struct {
	s      *Senders
	m      *Mailer
	refuse error
}

func (n *noting) Send(ctx context.Context, msg *mail.Message) (mail.Receipt, error) {
	if n.refuse != nil {
		return mail.Receipt{}, n.refuse
	}
	r, err := n.m.Send(ctx, msg)
	if errors.Is(err, mail.ErrAuth) {
		n.s.note(ctx, n.m.s, err)
	}
	return r, err
}
