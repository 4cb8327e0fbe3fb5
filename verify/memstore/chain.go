package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// chain is the chain of one tenant; its events are among those of the store.
type chain struct{ base, head verify.Link }

// Unchained implements [verify.Store].
func (s *Store) Unchained(_ context.Context, limit int) ([]verify.Tail, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []verify.Tail
	if s.unchained == 0 {
		return nil, nil
	}
	at := map[mspkit.TenantID]int{}
	for _, e := range s.all(func(e *verify.Event) bool { return e.Link.N == 0 }, limit) {
		i, ok := at[e.Tenant]
		if !ok {
			i = len(out)
			at[e.Tenant] = i
			tail := verify.Tail{Tenant: e.Tenant}
			if c := s.chains[e.Tenant]; c != nil {
				tail.Head = c.head
			}
			out = append(out, tail)
		}
		out[i].Events = append(out[i].Events, e)
	}
	return out, nil
}

// Chain implements [verify.Store].
func (s *Store) Chain(_ context.Context, tenant mspkit.TenantID, head int64, events []verify.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chains[tenant]
	if c == nil {
		c = &chain{}
	}
	if c.head.N != head {
		return verify.ErrConflict
	}
	found := make([]*verify.Event, 0, len(events))
	for _, e := range events {
		stored := s.event(e.Seq)
		if stored == nil || stored.ID != e.ID || stored.Tenant != tenant || stored.Link.N != 0 {
			return verify.ErrConflict
		}
		found = append(found, stored)
	}
	for i, e := range events {
		found[i].Link = e.Link
		c.head = e.Link
	}
	s.unchained -= len(events)
	s.chains[tenant] = c
	return nil
}

// Evidence implements [verify.Store].
func (s *Store) Evidence(_ context.Context, tenant mspkit.TenantID, after int64, limit int) (verify.Evidence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chains[tenant]
	if c == nil {
		return verify.Evidence{}, nil
	}
	return verify.Evidence{Base: c.base, Head: c.head, Events: s.all(func(e *verify.Event) bool {
		return e.Tenant == tenant && e.Link.N > max(after, 0)
	}, limit)}, nil
}

// all returns the first limit events that match, acknowledged or not, in the order in which they were stored.
func (s *Store) all(match func(*verify.Event) bool, limit int) []verify.Event {
	var out []verify.Event
	i, k := 0, 0
	for len(out) < limit && i+k < len(s.acked)+len(s.events) {
		var e *verify.Event
		if k == len(s.events) || (i < len(s.acked) && s.acked[i].Seq < s.events[k].Seq) {
			e = &s.acked[i]
			i++
		} else {
			e = &s.events[k]
			k++
		}
		if match(e) {
			out = append(out, *e)
		}
	}
	return out
}

// event returns the stored event with a number, or nil.
func (s *Store) event(seq int64) *verify.Event {
	for _, list := range [][]verify.Event{s.events, s.acked} {
		if i, ok := slices.BinarySearchFunc(list, seq, func(e verify.Event, seq int64) int { return cmp.Compare(e.Seq, seq) }); ok {
			return &list[i]
		}
	}
	return nil
}

// deleteEvents deletes up to limit events that are acknowledged and older than before, of each tenant from the base of
// its chain on without a gap, and returns how many.
func (s *Store) deleteEvents(before time.Time, limit int) int {
	n := 0
	s.acked = slices.DeleteFunc(s.acked, func(e verify.Event) bool {
		c := s.chains[e.Tenant]
		if n >= limit || c == nil || e.Link.N != c.base.N+1 || !e.At.Before(before) {
			return false
		}
		c.base = e.Link
		n++
		return true
	})
	return n
}
