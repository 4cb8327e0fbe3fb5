package workflows

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/seal"
)

// Memory is a [Store] in the memory of one process, for tests and demos: what waits is lost with the process.
type Memory struct {
	posts Posts

	mu   sync.Mutex
	rows map[key]*Record
}

type key struct {
	tenant mspkit.TenantID
	id     string
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{posts: backlog.NewMemory(), rows: map[key]*Record{}}
}

// Posts implements [Store].
func (m *Memory) Posts() Posts { return m.posts }

// PutConnection implements [Store].
func (m *Memory) PutConnection(_ context.Context, r Record, most int) error {
	if err := r.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := key{r.Tenant, r.ID}
	have := m.rows[at]
	switch {
	case have == nil && r.Version > 1:
		return ErrNotFound
	case have == nil:
		n := 0
		for k := range m.rows {
			if k.tenant == r.Tenant {
				n++
			}
		}
		if n >= most {
			return ErrTooMany
		}
	case have.Version+1 != r.Version:
		return ErrConflict
	default:
		r.CreatedAt = have.CreatedAt
	}
	r.Sealed = bytes.Clone(r.Sealed)
	m.rows[at] = &r
	return nil
}

// Connection implements [Store].
func (m *Memory) Connection(_ context.Context, tenant mspkit.TenantID, id string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rows[key{tenant, id}]
	if r == nil {
		return Record{}, ErrNotFound
	}
	return r.clone(), nil
}

func (r *Record) clone() Record {
	out := *r
	out.Sealed = bytes.Clone(r.Sealed)
	return out
}

// Connections implements [Store].
func (m *Memory) Connections(_ context.Context, tenant mspkit.TenantID) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Record
	for k, r := range m.rows {
		if k.tenant == tenant {
			out = append(out, r.clone())
		}
	}
	slices.SortFunc(out, func(a, b Record) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// NoteConnection implements [Store].
func (m *Memory) NoteConnection(_ context.Context, tenant mspkit.TenantID, id string, version int64, n Note) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rows[key{tenant, id}]
	switch {
	case r == nil:
		return Record{}, ErrNotFound
	case r.Version != version:
		return Record{}, ErrConflict
	}
	r.Apply(n)
	return r.clone(), nil
}

// DeleteConnection implements [Store].
func (m *Memory) DeleteConnection(_ context.Context, tenant mspkit.TenantID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := key{tenant, id}
	if m.rows[at] == nil {
		return ErrNotFound
	}
	delete(m.rows, at)
	return nil
}

// RewrapConnections implements [Store].
func (m *Memory) RewrapConnections(_ context.Context, primary string, reseal func(Record) ([]byte, error), limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	done := 0
	for _, r := range m.rows {
		if done >= limit {
			break
		}
		if id, err := seal.KeyID(r.Sealed); err == nil && id == primary {
			continue
		}
		sealed, err := reseal(r.clone())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.Sealed = bytes.Clone(sealed)
		done++
	}
	return done, errors.Join(errs...)
}
