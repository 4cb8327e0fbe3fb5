package mfa

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Memory is a [Store] in memory, for tests and for trying things out: a restart forgets every factor, and everybody enrols
// again. The zero value is ready to use.
type Memory struct {
	mu   sync.Mutex
	rows map[memoryKey]memoryRow
}

type memoryKey struct{ owner, user string }

type memoryRow struct {
	record []byte
	rev    int64
}

var _ Store = (*Memory)(nil)

// Get implements [Store].
func (m *Memory) Get(_ context.Context, owner, user string) (record []byte, rev int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row := m.rows[memoryKey{owner, user}]
	return slices.Clone(row.record), row.rev, nil
}

// Swap implements [Store].
func (m *Memory) Swap(_ context.Context, owner, user string, record []byte, rev int64, _ time.Time) error {
	if err := ValidRecord(owner, user, record); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k := memoryKey{owner, user}
	if m.rows[k].rev != rev {
		return ErrConflict
	}
	if m.rows == nil {
		m.rows = map[memoryKey]memoryRow{}
	}
	m.rows[k] = memoryRow{slices.Clone(record), rev + 1}
	return nil
}

// Delete implements [Store].
func (m *Memory) Delete(_ context.Context, owner, user string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := memoryKey{owner, user}
	if row := m.rows[k]; row.record != nil {
		m.rows[k] = memoryRow{rev: row.rev + 1}
	}
	return nil
}
