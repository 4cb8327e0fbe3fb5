package accounts

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Memory is a [Store] in memory, for tests and for trying things out: when the program ends, nobody has an account any more. It is
// safe for concurrent use. Use [NewMemory].
type Memory struct {
	mu          sync.Mutex
	accounts    map[key]Account
	invitations map[key]Record
}

// key is an owner and an id.
type key struct{ owner, id string }

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{accounts: map[key]Account{}, invitations: map[key]Record{}}
}

// enter takes the lock unless ctx has ended.
func (m *Memory) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	return nil
}

// of returns all accounts of an owner.
func (m *Memory) of(owner string) []Account {
	var out []Account
	for k, a := range m.accounts {
		if k.owner == owner {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Account) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Add implements [Store].
func (m *Memory) Add(ctx context.Context, a Account) error {
	if err := a.Validate(); err != nil {
		return err
	}
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if _, ok := m.accounts[key{a.Owner, a.ID}]; ok {
		return ErrExists
	}
	if err := Decide(nil, &a, m.of(a.Owner)); err != nil {
		return err
	}
	m.accounts[key{a.Owner, a.ID}] = a
	return nil
}

// Account implements [Store].
func (m *Memory) Account(ctx context.Context, owner, id string) (Account, error) {
	if err := m.enter(ctx); err != nil {
		return Account{}, err
	}
	defer m.mu.Unlock()
	a, ok := m.accounts[key{owner, id}]
	if !ok {
		return Account{}, ErrNotFound
	}
	return a, nil
}

// ByIdentity implements [Store].
func (m *Memory) ByIdentity(ctx context.Context, owner, tenantID, objectID string) (Account, error) {
	if err := m.enter(ctx); err != nil {
		return Account{}, err
	}
	defer m.mu.Unlock()
	for k, a := range m.accounts {
		if k.owner == owner && a.Is(tenantID, objectID) {
			return a, nil
		}
	}
	return Account{}, ErrNotFound
}

// Accounts implements [Store].
func (m *Memory) Accounts(ctx context.Context, owner string) ([]Account, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return m.of(owner), nil
}

// Update implements [Store].
func (m *Memory) Update(ctx context.Context, a Account) error {
	if err := a.Validate(); err != nil {
		return err
	}
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	before, ok := m.accounts[key{a.Owner, a.ID}]
	if !ok {
		return ErrNotFound
	}
	if before.Version+1 != a.Version || before.Kind != a.Kind || before.Client != a.Client {
		return ErrConflict
	}
	a.CreatedAt = before.CreatedAt
	if err := Decide(&before, &a, m.of(a.Owner)); err != nil {
		return err
	}
	m.accounts[key{a.Owner, a.ID}] = a
	return nil
}

// Remove implements [Store].
func (m *Memory) Remove(ctx context.Context, owner, id string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	before, ok := m.accounts[key{owner, id}]
	if !ok {
		return ErrNotFound
	}
	if err := Decide(&before, nil, m.of(owner)); err != nil {
		return err
	}
	delete(m.accounts, key{owner, id})
	return nil
}

// Invite implements [Store].
func (m *Memory) Invite(ctx context.Context, r Record, most int) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	open := 0
	for k, o := range m.invitations {
		if k == (key{r.Owner, r.ID}) || bytes.Equal(o.Hash, r.Hash) {
			return ErrExists
		}
		if k.owner == r.Owner && o.Open(r.CreatedAt) {
			open++
		}
	}
	if open >= most {
		return ErrTooMany
	}
	m.invitations[key{r.Owner, r.ID}] = r.clone()
	return nil
}

// find returns an invitation by its hash. What is looked up is a hash: how long it takes tells nothing about a secret.
func (m *Memory) find(hash []byte) (key, Record, bool) {
	for k, r := range m.invitations {
		if bytes.Equal(r.Hash, hash) {
			return k, r, true
		}
	}
	return key{}, Record{}, false
}

// Invitation implements [Store].
func (m *Memory) Invitation(ctx context.Context, hash []byte) (Record, error) {
	if err := m.enter(ctx); err != nil {
		return Record{}, err
	}
	defer m.mu.Unlock()
	_, r, ok := m.find(hash)
	if !ok {
		return Record{}, ErrNotFound
	}
	return r.clone(), nil
}

// Invitations implements [Store].
func (m *Memory) Invitations(ctx context.Context, owner string) ([]Record, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var out []Record
	for k, r := range m.invitations {
		if k.owner == owner {
			out = append(out, r.clone())
		}
	}
	slices.SortFunc(out, func(a, b Record) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Accept implements [Store].
func (m *Memory) Accept(ctx context.Context, hash []byte, a Account, now time.Time) (Account, error) {
	if err := a.Validate(); err != nil {
		return Account{}, err
	}
	if err := m.enter(ctx); err != nil {
		return Account{}, err
	}
	defer m.mu.Unlock()
	k, r, ok := m.find(hash)
	if !ok || r.Owner != a.Owner || !r.Open(now) {
		return Account{}, ErrState
	}
	all := m.of(a.Owner)
	if r.Kind == Bootstrap && slices.ContainsFunc(all, Account.LinkedAdmin) {
		return Account{}, ErrSetUp
	}
	var before *Account
	if had, ok := m.accounts[key{a.Owner, a.ID}]; ok {
		before = &had
		var err error
		if a, err = had.Joined(a); err != nil {
			return Account{}, err
		}
	}
	if err := Decide(before, &a, all); err != nil {
		return Account{}, err
	}
	r.AcceptedAt = now
	m.invitations[k], m.accounts[key{a.Owner, a.ID}] = r, a
	return a, nil
}

// Revoke implements [Store].
func (m *Memory) Revoke(ctx context.Context, owner, id string, now time.Time) (Record, error) {
	if err := m.enter(ctx); err != nil {
		return Record{}, err
	}
	defer m.mu.Unlock()
	r, ok := m.invitations[key{owner, id}]
	if !ok || !r.Open(now) {
		return Record{}, ErrState
	}
	r.RevokedAt = now
	m.invitations[key{owner, id}] = r
	return r.clone(), nil
}

// DeleteExpired implements [Store].
func (m *Memory) DeleteExpired(ctx context.Context, before time.Time) (int, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	had := len(m.invitations)
	maps.DeleteFunc(m.invitations, func(_ key, r Record) bool { return !r.ExpiresAt.After(before) })
	return had - len(m.invitations), nil
}
