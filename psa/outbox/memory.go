package outbox

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
)

// MaxPage is the largest [Filter.Limit]; defaultPage is what zero means.
const (
	MaxPage     = 500
	defaultPage = 100
)

// Memory is a [Store] that forgets everything when the program ends, for tests, examples and trials: a note in it is only
// as safe as the process. One lock makes every verb one atomic step.
type Memory struct {
	mu      sync.Mutex
	seq     int64
	entries map[memoryID]*Entry
	keys    map[memoryID]string // tenant and hash of a note's key: the id of the entry
	streams map[mspkit.Stream]*memoryStream
	events  []Event
}

type memoryID struct {
	tenant mspkit.TenantID
	id     string
}

// memoryStream is who works on a stream, and what waits in it in order of Seq.
type memoryStream struct {
	holder  string
	until   time.Time
	pending []*Entry
}

func (s *memoryStream) heldBy(other string, now time.Time) bool {
	return s.holder != "" && s.holder != other && s.until.After(now)
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{entries: map[memoryID]*Entry{}, keys: map[memoryID]string{}, streams: map[mspkit.Stream]*memoryStream{}}
}

// Add implements [Store].
func (m *Memory) Add(ctx context.Context, e Entry, keys [][]byte) (string, bool, error) {
	if err := ctx.Err(); err != nil {
		return "", false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		if id, ok := m.keys[memoryID{e.Tenant, string(k)}]; ok {
			return id, false, nil
		}
	}
	at := memoryID{e.Tenant, e.ID}
	if m.entries[at] != nil || e.ID == "" {
		return "", false, fmt.Errorf("outbox: add: the id %q is empty or in use: %w", e.ID, mspkit.ErrInvalid)
	}
	e = clone(e)
	e.State = Pending
	m.seq++
	e.Seq = m.seq
	m.entries[at] = &e
	if len(e.Key) > 0 {
		m.keys[memoryID{e.Tenant, string(e.Key)}] = e.ID
	}
	s := m.stream(e.Stream())
	s.pending = append(s.pending, &e)
	return e.ID, true, nil
}

func (m *Memory) stream(s mspkit.Stream) *memoryStream {
	if m.streams[s] == nil {
		m.streams[s] = &memoryStream{}
	}
	return m.streams[s]
}

// Next implements [Store].
func (m *Memory) Next(ctx context.Context, stream mspkit.Stream, holder string, now, until time.Time) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.streams[stream]
	switch {
	case s == nil:
		return Entry{}, ErrNone
	case s.heldBy(holder, now):
		return Entry{Due: s.until}, ErrHeld
	case len(s.pending) == 0:
		s.holder = ""
		return Entry{}, ErrNone
	case s.pending[0].Due.After(now):
		s.holder = ""
		return Entry{Due: s.pending[0].Due}, ErrNone
	}
	s.holder, s.until = holder, until
	e := s.pending[0]
	e.Tries++
	if e.TriedAt.IsZero() {
		e.TriedAt = now
	}
	out := clone(*e)
	e.Unclear = true
	return out, nil
}

// Finish implements [Store].
func (m *Memory) Finish(ctx context.Context, e Entry, holder string, o Outcome, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, have := m.streams[e.Stream()], m.entries[memoryID{e.Tenant, e.ID}]
	if s == nil || have == nil || s.holder != holder || have.State != Pending ||
		have.Done != e.Done || have.Tries != e.Tries || have.Seq != e.Seq {
		return ErrLost
	}
	switch {
	case o.NoteID != "":
		have.NoteIDs = append(have.NoteIDs, o.NoteID)
		have.Done++
		have.Unclear, have.TriedAt, have.Tries, have.Fault, have.Due = false, time.Time{}, 0, "", now
		if have.Done >= have.Parts {
			m.end(have, Delivered, now)
			m.events = append(m.events, eventOf(*have, o.EventID, EventDelivered, now))
		}
	case o.Dead:
		have.Unclear, have.Fault = o.Unclear, o.Fault
		m.end(have, Dead, now)
		m.events = append(m.events, eventOf(*have, o.EventID, EventDead, now))
	default:
		have.Due, have.Unclear, have.Fault = o.Due, o.Unclear, o.Fault
	}
	return nil
}

// end takes an entry out of its stream. Only a dead one keeps its text.
func (m *Memory) end(e *Entry, state State, now time.Time) {
	e.State, e.EndedAt = state, now
	if state != Dead {
		e.Sealed = nil
	}
	if s := m.streams[e.Stream()]; s != nil {
		s.pending = slices.DeleteFunc(s.pending, func(x *Entry) bool { return x == e })
	}
}

// Release implements [Store].
func (m *Memory) Release(ctx context.Context, stream mspkit.Stream, holder string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.streams[stream]; s != nil && s.holder == holder {
		s.holder = ""
	}
	return nil
}

// Due implements [Store].
func (m *Memory) Due(ctx context.Context, now time.Time, limit int) ([]mspkit.Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	type waiting struct {
		stream mspkit.Stream
		due    time.Time
		seq    int64
	}
	var all []waiting
	for k, s := range m.streams {
		if len(s.pending) > 0 && !s.pending[0].Due.After(now) && !s.heldBy("", now) {
			all = append(all, waiting{k, s.pending[0].Due, s.pending[0].Seq})
		}
	}
	slices.SortFunc(all, func(a, b waiting) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.seq, b.seq)) })
	var out []mspkit.Stream
	for _, w := range all[:min(len(all), max(limit, 0))] {
		out = append(out, w.stream)
	}
	return out, nil
}

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, tenant mspkit.TenantID, id string) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[memoryID{tenant, id}]
	if e == nil {
		return Entry{}, ErrNotFound
	}
	return clone(*e), nil
}

// List implements [Store].
func (m *Memory) List(ctx context.Context, f Filter) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Entry
	for _, e := range m.entries {
		if (f.Tenant == "" || e.Tenant == f.Tenant) && (f.State == "" || e.State == f.State) && e.ID > f.After {
			c := clone(*e)
			c.Sealed = nil
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Tenant, b.Tenant)) })
	limit := f.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	return out[:min(len(out), limit, MaxPage)], nil
}

// Count implements [Store].
func (m *Memory) Count(ctx context.Context, tenant mspkit.TenantID) (Counts, error) {
	if err := ctx.Err(); err != nil {
		return Counts{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var c Counts
	for _, e := range m.entries {
		if tenant != "" && e.Tenant != tenant {
			continue
		}
		switch e.State {
		case Pending:
			c.Pending++
			if c.Oldest.IsZero() || e.AddedAt.Before(c.Oldest) {
				c.Oldest = e.AddedAt
			}
		case Dead:
			c.Dead++
		case Delivered, Dropped:
		}
	}
	return c, nil
}

// Replay implements [Store].
func (m *Memory) Replay(ctx context.Context, tenant mspkit.TenantID, id string, ev Event, now time.Time) (mspkit.Stream, error) {
	if err := ctx.Err(); err != nil {
		return mspkit.Stream{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[memoryID{tenant, id}]
	if e == nil {
		return mspkit.Stream{}, ErrNotFound
	}
	if e.State != Dead {
		return mspkit.Stream{}, ErrState
	}
	m.seq++
	e.State, e.Seq, e.Due, e.Tries, e.Fault, e.EndedAt = Pending, m.seq, now, 0, "", time.Time{}
	s := m.stream(e.Stream())
	s.pending = append(s.pending, e)
	m.events = append(m.events, cloneEvent(ev))
	return e.Stream(), nil
}

// Drop implements [Store].
func (m *Memory) Drop(ctx context.Context, tenant mspkit.TenantID, id string, ev Event, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[memoryID{tenant, id}]
	if e == nil {
		return ErrNotFound
	}
	switch e.State {
	case Dead:
	case Pending:
		s := m.stream(e.Stream())
		if s.pending[0] == e && s.heldBy("", now) && !e.Due.After(now) {
			return ErrState
		}
	case Delivered, Dropped:
		return ErrState
	}
	m.end(e, Dropped, now)
	m.events = append(m.events, cloneEvent(ev))
	return nil
}

// Events implements [Store].
func (m *Memory) Events(ctx context.Context, limit int) ([]Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Event
	for _, ev := range m.events[:min(len(m.events), max(limit, 0))] {
		out = append(out, cloneEvent(ev))
	}
	return out, nil
}

// Ack implements [Store].
func (m *Memory) Ack(ctx context.Context, ids []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = slices.DeleteFunc(m.events, func(ev Event) bool { return slices.Contains(ids, ev.ID) })
	return nil
}

// Expire implements [Store].
func (m *Memory) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	kept := map[mspkit.Stream]bool{}
	for at, e := range m.entries {
		if n < limit && (e.State == Delivered || e.State == Dropped) && e.EndedAt.Before(before) {
			delete(m.entries, at)
			delete(m.keys, memoryID{e.Tenant, string(e.Key)})
			n++
			continue
		}
		kept[e.Stream()] = true
	}
	for k, s := range m.streams {
		if !kept[k] && !s.heldBy("", before) {
			delete(m.streams, k)
		}
	}
	return n, nil
}

// Rewrap implements [Store].
func (m *Memory) Rewrap(ctx context.Context, primary string, reseal func(Entry) ([]byte, error), limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	var errs []error
	for _, e := range m.entries {
		if n >= limit {
			break
		}
		if len(e.Sealed) == 0 {
			continue
		}
		if id, err := seal.KeyID(e.Sealed); err == nil && id == primary {
			continue
		}
		sealed, err := reseal(clone(*e))
		if err != nil {
			errs = append(errs, fmt.Errorf("outbox: rewrap %s: %w", e.ID, err))
			continue
		}
		e.Sealed = sealed
		n++
	}
	return n, errors.Join(errs...)
}

func eventOf(e Entry, id string, kind EventKind, now time.Time) Event {
	return Event{
		ID: id, Kind: kind, At: now, Tenant: e.Tenant, Note: e.ID, Ticket: e.Ticket,
		NoteIDs: slices.Clone(e.NoteIDs), Fault: e.Fault,
	}
}

func clone(e Entry) Entry {
	e.Key, e.Sealed, e.NoteIDs = bytes.Clone(e.Key), bytes.Clone(e.Sealed), slices.Clone(e.NoteIDs)
	return e
}

func cloneEvent(ev Event) Event {
	ev.NoteIDs = slices.Clone(ev.NoteIDs)
	return ev
}
