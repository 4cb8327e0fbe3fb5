package teamsapp

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"
)

// Memory is a [Store] in memory, for tests, for trying things out, and for a program of one instance that may forget
// what Teams tells again. It is safe for concurrent use. Use [NewMemory].
type Memory struct {
	mu      sync.Mutex
	records []*Record // by compareKeys
	claims  map[string]claimed
	owned   map[string][]string // by owner, the keys it has
	ends    ends                // of all keys, and of some that were dropped since
	sweepAt int                 // at so many keys Claim looks for those that are not remembered
}

// claimed is what is kept of a key.
type claimed struct {
	owner             string
	until, leaseUntil time.Time
	reply             []byte // never changed in place; nil is none
}

// end says until when a key was to be remembered when it was claimed.
type end struct {
	until time.Time
	key   string
}

// ends is a heap, the earliest first.
type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].until.Before(e[j].until) }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) } //nolint:errcheck,forcetypeassert // only Claim pushes
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// leastSweep is how many keys may lie around without being looked at.
const leastSweep = 1024

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{claims: map[string]claimed{}, owned: map[string][]string{}, sweepAt: leastSweep}
}

// compareKeys orders as [Query] says, with the bot before all.
func compareKeys(a, b Key) int {
	return cmp.Or(
		cmp.Compare(a.Bot, b.Bot), cmp.Compare(a.Tenant, b.Tenant),
		cmp.Compare(a.User.TenantID, b.User.TenantID), cmp.Compare(a.User.ObjectID, b.User.ObjectID),
	)
}

// find returns where the record of k is, or would be. The caller holds the lock.
func (m *Memory) find(k Key) (int, bool) {
	return slices.BinarySearchFunc(m.records, k, func(r *Record, k Key) int { return compareKeys(r.Key, k) })
}

// Save implements [Store].
func (m *Memory) Save(ctx context.Context, r Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.Sealed = bytes.Clone(r.Sealed)
	m.mu.Lock()
	defer m.mu.Unlock()
	i, known := m.find(r.Key)
	switch {
	case !known:
		m.records = slices.Insert(m.records, i, &r)
	case !m.records[i].UpdatedAt.After(r.UpdatedAt):
		m.records[i] = &r
	}
	return nil
}

// Load implements [Store].
func (m *Memory) Load(ctx context.Context, k Key) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, known := m.find(k)
	if !known {
		return Record{}, ErrNotFound
	}
	return m.records[i].clone(), nil
}

func (r *Record) clone() Record {
	out := *r
	out.Sealed = bytes.Clone(r.Sealed)
	return out
}

// List implements [Store].
func (m *Memory) List(ctx context.Context, q Query) ([]Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, _ := m.find(Key{Bot: q.Bot, Tenant: q.Tenant})
	if after := q.After; after != (Key{}) {
		after.Bot = q.Bot
		j, known := m.find(after)
		if known {
			j++
		}
		i = max(i, j)
	}
	limit := q.Capped()
	var out []Record
	for _, r := range m.records[i:] {
		if r.Bot != q.Bot || q.Tenant != "" && r.Tenant != q.Tenant || len(out) == limit {
			break
		}
		if !r.Removed {
			out = append(out, r.clone())
		}
	}
	return out, nil
}

// Claim implements [Store]. Besides, it drops keys that are not remembered any more, so that the store does not grow
// where nobody calls DeleteExpired.
func (m *Memory) Claim(ctx context.Context, c Claim, now time.Time) (Claimed, error) {
	if err := ctx.Err(); err != nil {
		return Claimed{}, err
	}
	if err := c.Validate(); err != nil {
		return Claimed{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := false
	for _, k := range c.Keys {
		old, known := m.claims[k.Key]
		if !known || !old.until.After(now) {
			continue
		}
		if old.reply != nil {
			return Claimed{Reply: bytes.Clone(old.reply)}, nil
		}
		taken = taken || old.leaseUntil.After(now)
	}
	if taken {
		return Claimed{}, nil
	}
	for _, k := range c.Keys {
		m.drop(k.Key)
		m.claims[k.Key] = claimed{owner: c.Owner, until: k.Until, leaseUntil: c.LeaseUntil}
		m.owned[c.Owner] = append(m.owned[c.Owner], k.Key)
		heap.Push(&m.ends, end{k.Until, k.Key})
	}
	if len(m.ends) >= m.sweepAt {
		m.sweep(now, len(m.ends))
		m.sweepAt = max(leastSweep, 2*len(m.ends))
	}
	return Claimed{Mine: true}, nil
}

// drop forgets a key, if it is known. The caller holds the lock.
func (m *Memory) drop(key string) {
	owner := m.claims[key].owner
	delete(m.claims, key)
	if left := slices.DeleteFunc(m.owned[owner], func(k string) bool { return k == key }); len(left) > 0 {
		m.owned[owner] = left
	} else {
		delete(m.owned, owner)
	}
}

// sweep drops up to limit keys that are not remembered at now. The caller holds the lock.
func (m *Memory) sweep(now time.Time, limit int) int {
	n := 0
	for n < limit && len(m.ends) > 0 && !m.ends[0].until.After(now) {
		e, _ := heap.Pop(&m.ends).(end)
		// Meanwhile it may have been dropped, or claimed again for longer.
		if c, known := m.claims[e.key]; known && !c.until.After(now) {
			m.drop(e.key)
			n++
		}
	}
	return n
}

// Answer implements [Store].
func (m *Memory) Answer(ctx context.Context, owner string, reply []byte, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	reply = bytes.Clone(reply)
	for _, key := range slices.Clone(m.owned[owner]) {
		c := m.claims[key]
		switch {
		case !c.until.After(now):
		case len(reply) == 0:
			m.drop(key)
		default:
			c.reply = reply
			m.claims[key] = c
		}
	}
	return nil
}

// DeleteExpired implements [Store].
func (m *Memory) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sweep(now, limit), nil
}
