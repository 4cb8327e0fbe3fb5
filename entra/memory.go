package entra

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
)

// Memory is a [ConnectionStore], a [TokenStore] and a [Revocations] in memory, for tests and for trying things out: when the program ends,
// every customer must be connected again. It is safe for concurrent use. Use [NewMemory].
type Memory struct {
	mu          sync.Mutex
	connections map[connectionKey]Connection
	states      map[string]LinkState // by hash
	tokens      map[string]storedToken
	revoked     map[revocationKey]revocation
}

type connectionKey struct {
	tenant      mspkit.TenantID
	integration string
}

// storedToken stays when its token is deleted, so that its revisions go on.
type storedToken struct {
	sealed []byte // nil is none
	rev    int64
}

var (
	_ ConnectionStore = (*Memory)(nil)
	_ TokenStore      = (*Memory)(nil)
	_ Revocations     = (*Memory)(nil)
)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		connections: map[connectionKey]Connection{}, states: map[string]LinkState{}, tokens: map[string]storedToken{},
		revoked: map[revocationKey]revocation{},
	}
}

// enter takes the lock unless ctx has ended.
func (m *Memory) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	return nil
}

// Connect implements [ConnectionStore].
func (m *Memory) Connect(ctx context.Context, c Connection) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if err := Conflict(c, slices.Collect(maps.Values(m.connections))); err != nil {
		return err
	}
	m.connections[connectionKey{c.Tenant, c.Integration}] = c
	return nil
}

// Conflict returns what keeps c from being stored beside others, [ErrOwned] before [ErrTaken], or nil. It is for those who
// write a [ConnectionStore]: others must hold every connection of c.EntraID and of c.Tenant, and nobody may store one
// meanwhile.
func Conflict(c Connection, others []Connection) error {
	taken := false
	for _, o := range others {
		switch {
		case o.EntraID != c.EntraID && o.Tenant != c.Tenant:
		case o.Owner != c.Owner:
			return ErrOwned
		case o.EntraID == c.EntraID:
			taken = taken || o.Tenant != c.Tenant
		default:
			taken = taken || o.Integration == c.Integration
		}
	}
	if taken {
		return ErrTaken
	}
	return nil
}

// Connection implements [ConnectionStore].
func (m *Memory) Connection(ctx context.Context, tenant mspkit.TenantID, integration string) (Connection, error) {
	if err := m.enter(ctx); err != nil {
		return Connection{}, err
	}
	defer m.mu.Unlock()
	c, ok := m.connections[connectionKey{tenant, integration}]
	if !ok {
		return Connection{}, ErrNotConnected
	}
	return c, nil
}

// Connections implements [ConnectionStore].
func (m *Memory) Connections(ctx context.Context, owner string) ([]Connection, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var out []Connection
	for _, c := range m.connections {
		if owner == "" || c.Owner == owner {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Connection) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Integration, b.Integration))
	})
	return out, nil
}

// Checked implements [ConnectionStore].
func (m *Memory) Checked(ctx context.Context, tenant mspkit.TenantID, integration string, at time.Time, problem string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	key := connectionKey{tenant, integration}
	c, ok := m.connections[key]
	if !ok {
		return ErrNotConnected
	}
	if !at.Before(c.CheckedAt) {
		c.CheckedAt, c.Problem = at, problem
		m.connections[key] = c
	}
	return nil
}

// Release implements [ConnectionStore].
func (m *Memory) Release(ctx context.Context, tenant mspkit.TenantID, integration, owner string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	key := connectionKey{tenant, integration}
	if c, ok := m.connections[key]; !ok || c.Owner != owner {
		return ErrNotConnected
	}
	delete(m.connections, key)
	return nil
}

// PutState implements [ConnectionStore].
func (m *Memory) PutState(ctx context.Context, s LinkState) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if _, ok := m.states[string(s.Hash)]; ok {
		return fmt.Errorf("entra: the state of this link is there already: %w", mspkit.ErrInvalid)
	}
	m.states[string(s.Hash)] = s.clone()
	return nil
}

func (s LinkState) clone() LinkState {
	s.Hash, s.Data = bytes.Clone(s.Hash), bytes.Clone(s.Data)
	return s
}

// State implements [ConnectionStore].
func (m *Memory) State(ctx context.Context, hash []byte, now time.Time) (LinkState, error) {
	return m.state(ctx, hash, now, false)
}

// TakeState implements [ConnectionStore].
func (m *Memory) TakeState(ctx context.Context, hash []byte, now time.Time) (LinkState, error) {
	return m.state(ctx, hash, now, true)
}

func (m *Memory) state(ctx context.Context, hash []byte, now time.Time, take bool) (LinkState, error) {
	if err := m.enter(ctx); err != nil {
		return LinkState{}, err
	}
	defer m.mu.Unlock()
	s, ok := m.states[string(hash)]
	if !ok || !now.Before(s.ExpiresAt) {
		return LinkState{}, ErrState
	}
	if take {
		delete(m.states, string(hash))
	}
	return s.clone(), nil
}

// DeleteExpired implements [ConnectionStore] and [Revocations]: it counts both.
func (m *Memory) DeleteExpired(ctx context.Context, now time.Time) (int, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	before := len(m.states) + len(m.revoked)
	maps.DeleteFunc(m.states, func(_ string, s LinkState) bool { return !now.Before(s.ExpiresAt) })
	maps.DeleteFunc(m.revoked, func(_ revocationKey, r revocation) bool { return !now.Before(r.until) })
	return before - len(m.states) - len(m.revoked), nil
}

// Token implements [TokenStore].
func (m *Memory) Token(ctx context.Context, name string) ([]byte, int64, error) {
	if err := m.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer m.mu.Unlock()
	t := m.tokens[name]
	if t.sealed == nil {
		return nil, 0, ErrNotConnected
	}
	return bytes.Clone(t.sealed), t.rev, nil
}

// SwapToken implements [TokenStore].
func (m *Memory) SwapToken(ctx context.Context, name string, sealed []byte, rev int64, _ time.Time) (int64, error) {
	if err := ValidToken(name, sealed); err != nil {
		return 0, err
	}
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	t := m.tokens[name]
	if (t.sealed == nil) != (rev == 0) || t.sealed != nil && t.rev != rev {
		return 0, ErrStale
	}
	m.tokens[name] = storedToken{sealed: bytes.Clone(sealed), rev: t.rev + 1}
	return t.rev + 1, nil
}

// DeleteToken implements [TokenStore].
func (m *Memory) DeleteToken(ctx context.Context, name string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if t, ok := m.tokens[name]; ok {
		m.tokens[name] = storedToken{rev: t.rev}
	}
	return nil
}

// ValidToken reports what keeps a token from being stored, as [mspkit.ErrInvalid]. It is for those who write a [TokenStore].
func ValidToken(name string, sealed []byte) error {
	if err := validName("name of a token", name); err != nil {
		return err
	}
	if len(sealed) == 0 {
		return fmt.Errorf("entra: the token is empty: %w", mspkit.ErrInvalid)
	}
	return nil
}
