package backlog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// Memory is a [Store] that forgets everything when the program ends, for tests, examples and trials: an item in it is only
// as safe as the process. One lock makes every method one atomic step.
type Memory struct {
	mu      sync.Mutex
	seq     int64
	items   map[memoryID]*memoryItem
	streams map[mspkit.Stream][]*memoryItem // what is pending, in order of Seq; the streams have no Kind
}

type memoryID struct {
	tenant mspkit.TenantID
	id     string
}

// memoryItem is an item and who has it in hand.
type memoryItem struct {
	Item
	holder string
	until  time.Time
}

func (x *memoryItem) free(now time.Time) bool { return !x.until.After(now) }

// copied is the item, with nothing that the store keeps.
func (x *memoryItem) copied() Item {
	it := x.Item
	it.Sealed = bytes.Clone(it.Sealed)
	return it
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{items: map[memoryID]*memoryItem{}, streams: map[mspkit.Stream][]*memoryItem{}}
}

// micro is t as every store keeps it.
func micro(t time.Time) time.Time { return sqlx.Time(sqlx.Micros(t)) }

// lock begins a step, unless ctx has ended.
func (m *Memory) lock(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

// Add implements [Store].
func (m *Memory) Add(ctx context.Context, items []Item) (int, error) {
	if err := checkItems(items); err != nil {
		return 0, err
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	added := 0
	for _, it := range items {
		at := memoryID{it.Tenant, it.ID}
		if m.items[at] != nil {
			continue
		}
		added++
		it.State, it.Tries, it.Fault, it.EndedAt = Pending, 0, "", time.Time{}
		it.AddedAt, it.Due = micro(it.AddedAt), micro(it.Due)
		if it.Due.IsZero() {
			it.Due = it.AddedAt
		}
		x := &memoryItem{Item: it}
		x.Sealed = bytes.Clone(it.Sealed)
		m.items[at] = x
		m.append(x)
	}
	return added, nil
}

// append puts x at the end of its stream.
func (m *Memory) append(x *memoryItem) {
	m.seq++
	x.Seq = m.seq
	s := x.Stream("")
	m.streams[s] = append(m.streams[s], x)
}

// first is the first pending item of a stream, or nil.
func (m *Memory) first(s mspkit.Stream) *memoryItem {
	s.Kind = ""
	if list := m.streams[s]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// Next implements [Store].
func (m *Memory) Next(ctx context.Context, s mspkit.Stream, holder string, now, until time.Time) (Item, error) {
	if err := checkHolder(holder); err != nil {
		return Item{}, err
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return Item{}, err
	}
	defer unlock()
	x := m.first(s)
	now, until = micro(now), micro(until)
	switch {
	case x == nil:
		return Item{}, ErrNone
	case x.holder != holder && !x.free(now):
		return Item{Due: x.until}, ErrHeld
	case x.Due.After(now):
		if x.holder == holder {
			x.holder, x.until = "", time.Time{}
		}
		return Item{Due: x.Due}, ErrNone
	}
	x.holder, x.until = holder, until
	x.Tries++
	return x.copied(), nil
}

// Finish implements [Store].
func (m *Memory) Finish(ctx context.Context, it Item, holder string, o Outcome, now time.Time) error {
	if err := errors.Join(checkHolder(holder), o.check()); err != nil {
		return err
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	x := m.items[memoryID{it.Tenant, it.ID}]
	if x == nil || x.holder != holder || x.State != Pending || x.Tries != it.Tries || x.Seq != it.Seq {
		return ErrLost
	}
	switch {
	case o.Done:
		m.end(x, Done, "", now)
	case o.Dead:
		m.end(x, Dead, o.Fault, now)
	default:
		x.Due, x.Fault = micro(o.Due), sqlx.Words(o.Fault)
		x.holder, x.until = "", time.Time{}
	}
	return nil
}

// end takes x out of its stream. Only a dead item keeps what is sealed.
func (m *Memory) end(x *memoryItem, state State, fault string, now time.Time) {
	x.State, x.EndedAt, x.Fault = state, micro(now), sqlx.Words(fault)
	x.holder, x.until = "", time.Time{}
	if state != Dead {
		x.Sealed = nil
	}
	s := x.Stream("")
	list := slices.DeleteFunc(m.streams[s], func(y *memoryItem) bool { return y == x })
	if len(list) == 0 {
		delete(m.streams, s)
	} else {
		m.streams[s] = list
	}
}

// Release implements [Store].
func (m *Memory) Release(ctx context.Context, s mspkit.Stream, holder string) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if x := m.first(s); x != nil && x.holder == holder {
		x.holder, x.until = "", time.Time{}
	}
	return nil
}

// Due implements [Store].
func (m *Memory) Due(ctx context.Context, kind string, now time.Time, limit int) ([]mspkit.Stream, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now = micro(now)
	var all []*memoryItem
	for _, list := range m.streams {
		if x := list[0]; !x.Due.After(now) && x.free(now) {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(a, b *memoryItem) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Seq, b.Seq)) })
	var out []mspkit.Stream
	for _, x := range all[:min(len(all), max(limit, 0))] {
		out = append(out, x.Stream(kind))
	}
	return out, nil
}

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, tenant mspkit.TenantID, id string) (Item, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return Item{}, err
	}
	defer unlock()
	x := m.items[memoryID{tenant, id}]
	if x == nil {
		return Item{}, ErrNotFound
	}
	return x.copied(), nil
}

// List implements [Store].
func (m *Memory) List(ctx context.Context, f Filter) ([]Item, error) {
	if err := f.State.check(); err != nil {
		return nil, err
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []Item
	for _, x := range m.items {
		if (f.Tenant == "" || x.Tenant == f.Tenant) && (f.Key == "" || x.Key == f.Key) && (f.State == "" || x.State == f.State) && x.Seq > f.After {
			it := x.Item
			it.Sealed = nil
			out = append(out, it)
		}
	}
	slices.SortFunc(out, func(a, b Item) int { return cmp.Compare(a.Seq, b.Seq) })
	return out[:min(len(out), f.limit())], nil
}

// Count implements [Store].
func (m *Memory) Count(ctx context.Context, tenant mspkit.TenantID) (Counts, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return Counts{}, err
	}
	defer unlock()
	var c Counts
	for _, x := range m.items {
		if tenant != "" && x.Tenant != tenant {
			continue
		}
		switch x.State {
		case Pending:
			c.Pending++
			if c.Oldest.IsZero() || x.AddedAt.Before(c.Oldest) {
				c.Oldest = x.AddedAt
			}
		case Dead:
			c.Dead++
		case Done, Dropped:
		}
	}
	return c, nil
}

// Replay implements [Store].
func (m *Memory) Replay(ctx context.Context, tenant mspkit.TenantID, id string, now time.Time) (mspkit.Stream, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return mspkit.Stream{}, err
	}
	defer unlock()
	x := m.items[memoryID{tenant, id}]
	switch {
	case x == nil:
		return mspkit.Stream{}, ErrNotFound
	case x.State != Dead:
		return mspkit.Stream{}, ErrState
	}
	x.State, x.Due, x.Tries, x.Fault, x.EndedAt = Pending, micro(now), 0, "", time.Time{}
	m.append(x)
	return x.Stream(""), nil
}

// Drop implements [Store].
func (m *Memory) Drop(ctx context.Context, tenant mspkit.TenantID, id string, now time.Time) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	x := m.items[memoryID{tenant, id}]
	switch {
	case x == nil:
		return ErrNotFound
	case x.State != Dead && (x.State != Pending || !x.free(micro(now))):
		return ErrState
	}
	m.end(x, Dropped, x.Fault, now)
	return nil
}

// Expire implements [Store].
func (m *Memory) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	before = micro(before)
	n := 0
	for at, x := range m.items {
		if n < limit && (x.State == Done || x.State == Dropped) && x.EndedAt.Before(before) {
			delete(m.items, at)
			n++
		}
	}
	return n, nil
}

// Rewrap implements [Store].
func (m *Memory) Rewrap(ctx context.Context, primary string, reseal func(Item) ([]byte, error), limit int) (int, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	n := 0
	var errs []error
	for _, x := range m.items {
		if n >= limit {
			break
		}
		if key, _ := seal.KeyID(x.Sealed); len(x.Sealed) == 0 || key == primary {
			continue
		}
		sealed, err := reseal(x.copied())
		if err == nil {
			_, err = seal.KeyID(sealed)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("backlog: rewrap %s: %w", x.ID, err))
			continue
		}
		x.Sealed = bytes.Clone(sealed)
		n++
	}
	return n, errors.Join(errs...)
}
