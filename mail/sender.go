package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
)

// Sender is the mailbox from which a tenant's end users hear, as an administrator chose it.
type Sender struct {
	Tenant mspkit.TenantID
	// Address is the mailbox with the name that people see.
	Address Address
	// MailboxID is the vendor's id of the mailbox, so that an address that moves to another mailbox is noticed.
	MailboxID string
	// By is the administrator who chose it.
	By       string
	ChosenAt time.Time
	// TestedAt is when a test mail was taken over last; zero is never.
	TestedAt time.Time
	// CheckedAt is when the mailbox was looked at last, Problem what was wrong then in words for an administrator; empty
	// is fine.
	CheckedAt time.Time
	Problem   string
}

// Validate reports everything that keeps s from being stored.
func (s Sender) Validate() error {
	errs := []error{s.Tenant.Validate(), s.Address.Validate()}
	if strings.ContainsAny(s.Address.Name, "@＠﹫") && !strings.EqualFold(s.Address.Name, s.Address.Email) {
		errs = append(errs, fmt.Errorf("mail: the name of a sender looks like another address, which people would take for the sender: %w", mspkit.ErrInvalid))
	}
	if s.MailboxID == "" || len(s.MailboxID) > mspkit.MaxID {
		errs = append(errs, fmt.Errorf("mail: a sender needs the id of its mailbox, of at most %d bytes: %w", mspkit.MaxID, mspkit.ErrInvalid))
	}
	if s.By == "" || len(s.By) > mspkit.MaxID {
		errs = append(errs, fmt.Errorf("mail: a sender needs who chose it, of at most %d bytes: %w", mspkit.MaxID, mspkit.ErrInvalid))
	}
	if s.ChosenAt.IsZero() {
		errs = append(errs, fmt.Errorf("mail: a sender needs the time at which it was chosen: %w", mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}

// SenderStore keeps one [Sender] for each tenant. It must be safe for concurrent use; package mailtest has the tests that
// each must pass.
type SenderStore interface {
	// PutSender stores s in the place of another one of its tenant.
	PutSender(ctx context.Context, s Sender) error
	// Sender returns that of a tenant, [ErrNotSetUp] where there is none.
	Sender(ctx context.Context, tenant mspkit.TenantID) (Sender, error)
	// Senders returns those of all tenants, ordered by tenant.
	Senders(ctx context.Context) ([]Sender, error)
	// NoteSender stores what a look at a sender's mailbox found, and a test where tested is not zero, if it is still the
	// one with this MailboxID; otherwise, and for an older look, nothing changes.
	NoteSender(ctx context.Context, tenant mspkit.TenantID, mailboxID string, checked, tested time.Time, problem string) error
	// DeleteSender removes that of a tenant; [ErrNotSetUp] where there is none.
	DeleteSender(ctx context.Context, tenant mspkit.TenantID) error
}

// MemorySenders is a [SenderStore] in memory, for tests and for trying things out. Use [NewMemorySenders].
type MemorySenders struct {
	mu  sync.Mutex
	all map[mspkit.TenantID]Sender
}

var _ SenderStore = (*MemorySenders)(nil)

// NewMemorySenders returns an empty store.
func NewMemorySenders() *MemorySenders {
	return &MemorySenders{all: map[mspkit.TenantID]Sender{}}
}

// PutSender implements [SenderStore].
func (m *MemorySenders) PutSender(_ context.Context, s Sender) error {
	if err := s.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[s.Tenant] = s
	return nil
}

// Sender implements [SenderStore].
func (m *MemorySenders) Sender(_ context.Context, tenant mspkit.TenantID) (Sender, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.all[tenant]
	if !ok {
		return Sender{}, errNoSender(tenant)
	}
	return s, nil
}

// Senders implements [SenderStore].
func (m *MemorySenders) Senders(context.Context) ([]Sender, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Sender
	for _, s := range m.all {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Sender) int { return cmp.Compare(a.Tenant, b.Tenant) })
	return out, nil
}

// NoteSender implements [SenderStore].
func (m *MemorySenders) NoteSender(_ context.Context, tenant mspkit.TenantID, mailboxID string, checked, tested time.Time, problem string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.all[tenant]
	if !ok || s.MailboxID != mailboxID || checked.Before(s.CheckedAt) {
		return nil
	}
	s.CheckedAt, s.Problem = checked, problem
	if tested.After(s.TestedAt) {
		s.TestedAt = tested
	}
	m.all[tenant] = s
	return nil
}

// DeleteSender implements [SenderStore].
func (m *MemorySenders) DeleteSender(_ context.Context, tenant mspkit.TenantID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.all[tenant]; !ok {
		return errNoSender(tenant)
	}
	delete(m.all, tenant)
	return nil
}

func errNoSender(tenant mspkit.TenantID) error {
	return fmt.Errorf("%w: tenant %q has no sender: an administrator must choose one", ErrNotSetUp, string(tenant))
}
