package memstore

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// Store is a [securesend.SecretStore] in memory. Use [New].
type Store struct {
	mu       sync.Mutex
	records  map[securesend.Ref]*securesend.Record
	counters map[string]counter
	events   []securesend.Event
	seq      int64
}

type counter struct {
	n   int
	end time.Time
}

var _ securesend.SecretStore = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{records: map[securesend.Ref]*securesend.Record{}, counters: map[string]counter{}}
}

// Put implements [securesend.SecretStore].
func (s *Store) Put(_ context.Context, r securesend.Record, st securesend.Stamp, now time.Time) error {
	if err := r.Storable(now); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.records[r.Ref]; taken {
		return securesend.ErrConflict
	}
	r = r.Clone()
	r.Version = 1
	s.records[r.Ref] = &r
	s.emit(&r, now, st)
	return nil
}

// step runs one step of a record and stores its events.
func (s *Store) step(ref securesend.Ref, now time.Time, f func(r *securesend.Record) ([]securesend.Stamp, error)) (securesend.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	if !ok {
		return securesend.Record{}, securesend.ErrNotFound
	}
	stamps, err := f(r)
	s.emit(r, now, stamps...)
	return r.Hidden().Clone(), err
}

// Commit implements [securesend.SecretStore].
func (s *Store) Commit(_ context.Context, ref securesend.Ref, c securesend.Content, now time.Time) (securesend.Record, error) {
	return s.step(ref, now, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Commit(c, now) })
}

// Admit implements [securesend.SecretStore].
func (s *Store) Admit(_ context.Context, ref securesend.Ref, a securesend.Admission, now time.Time) (securesend.Record, error) {
	return s.step(ref, now, func(r *securesend.Record) ([]securesend.Stamp, error) {
		stamps, _, err := r.Admit(a, now)
		return stamps, err
	})
}

// Stat implements [securesend.SecretStore].
func (s *Store) Stat(_ context.Context, ref securesend.Ref) (securesend.Record, error) {
	return s.step(ref, time.Time{}, func(*securesend.Record) ([]securesend.Stamp, error) { return nil, nil })
}

// Open implements [securesend.SecretStore].
func (s *Store) Open(_ context.Context, ref securesend.Ref, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return s.step(ref, now, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Open(auth, st, now) })
}

// Take implements [securesend.SecretStore].
func (s *Store) Take(_ context.Context, ref securesend.Ref, t securesend.Take, now time.Time) (securesend.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	if !ok {
		return securesend.Record{}, securesend.ErrNotFound
	}
	stamps, _, err := r.Take(t, now)
	s.emit(r, now, stamps...)
	if err != nil {
		return r.Hidden().Clone(), err
	}
	return r.Taken().Clone(), nil
}

// Extend implements [securesend.SecretStore].
func (s *Store) Extend(_ context.Context, ref securesend.Ref, f securesend.Fetch, now time.Time) (securesend.Record, error) {
	return s.step(ref, now, func(r *securesend.Record) ([]securesend.Stamp, error) { return nil, r.Extend(f, now) })
}

// Ack implements [securesend.SecretStore].
func (s *Store) Ack(_ context.Context, ref securesend.Ref, claim, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return s.step(ref, now, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Ack(claim, auth, st, now) })
}

// SendCode implements [securesend.SecretStore].
func (s *Store) SendCode(_ context.Context, ref securesend.Ref, c securesend.Code, now time.Time) (securesend.Record, error) {
	return s.step(ref, now, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.SendCode(c, now) })
}

// Renew implements [securesend.SecretStore].
func (s *Store) Renew(_ context.Context, ref securesend.Ref, version int64, n securesend.Renewal, now time.Time) (securesend.Record, error) {
	return s.step(ref, now, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Renew(version, n, now) })
}

// Revoke implements [securesend.SecretStore].
func (s *Store) Revoke(_ context.Context, ref securesend.Ref, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return s.step(ref, now, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Revoke(st, now) })
}

// Note implements [securesend.SecretStore].
func (s *Store) Note(_ context.Context, ref securesend.Ref, st securesend.Stamp, now time.Time) error {
	_, err := s.step(ref, now, func(*securesend.Record) ([]securesend.Stamp, error) { return []securesend.Stamp{st}, nil })
	return err
}

// List implements [securesend.SecretStore].
func (s *Store) List(_ context.Context, q securesend.Query) ([]securesend.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []securesend.Record
	for _, r := range s.records {
		if q.Match(r) {
			out = append(out, r.Hidden().Clone())
		}
	}
	slices.SortFunc(out, func(a, b securesend.Record) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(len(out), q.Capped())], nil
}

// Count implements [securesend.SecretStore].
func (s *Store) Count(_ context.Context, limits []securesend.Limit, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range limits {
		c := s.counters[l.Key]
		if l.Max < 1 {
			return &securesend.LimitError{Limit: l.Name, RetryAfter: l.Window}
		}
		if now.Before(c.end) && c.n >= l.Max {
			return &securesend.LimitError{Limit: l.Name, RetryAfter: c.end.Sub(now)}
		}
	}
	for _, l := range limits {
		c := s.counters[l.Key]
		if !now.Before(c.end) {
			c = counter{end: now.Add(l.Window)}
		}
		c.n++
		s.counters[l.Key] = c
	}
	return nil
}

// Expire implements [securesend.SecretStore].
func (s *Store) Expire(_ context.Context, now time.Time, limit int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.records {
		if n >= limit {
			break
		}
		if stamps := r.Sweep(securesend.NewEventID(), now); len(stamps) > 0 {
			s.emit(r, now, stamps...)
			n++
		}
	}
	return n, nil
}

// Dead implements [securesend.SecretStore].
func (s *Store) Dead(_ context.Context, regions []string, limit int) ([]securesend.Remains, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var dead []*securesend.Record
	for _, r := range s.records {
		if r.State.Final() && r.Blobs && slices.Contains(regions, r.Region) {
			dead = append(dead, r)
		}
	}
	slices.SortFunc(dead, func(a, b *securesend.Record) int {
		return cmp.Or(a.EndedAt.Compare(b.EndedAt), cmp.Compare(a.ID, b.ID))
	})
	var out []securesend.Remains
	for _, r := range dead[:min(len(dead), max(limit, 0))] {
		out = append(out, securesend.Remains{Ref: r.Ref, Region: r.Region})
	}
	return out, nil
}

// Forget implements [securesend.SecretStore].
func (s *Store) Forget(_ context.Context, ref securesend.Ref) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	switch {
	case !ok:
		return securesend.ErrNotFound
	case !r.State.Final():
		return securesend.ErrConflict
	}
	r.Blobs = false
	return nil
}

// DeleteExpired implements [securesend.SecretStore].
func (s *Store) DeleteExpired(_ context.Context, ended, now time.Time, limit int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	records, counters := 0, 0
	for ref, r := range s.records {
		if records < limit && r.State.Final() && !r.Blobs && r.EndedAt.Before(ended) {
			delete(s.records, ref)
			records++
		}
	}
	for k, c := range s.counters {
		if counters < limit && !now.Before(c.end) {
			delete(s.counters, k)
			counters++
		}
	}
	return records + counters, nil
}

// Rewrap implements [securesend.SecretStore]. While f runs the store is not locked.
func (s *Store) Rewrap(_ context.Context, primary string, limit int, f func(securesend.Record) (half, sealed []byte, err error)) (int, error) {
	n := 0
	for _, r := range s.foreign(primary, limit) {
		half, sealed, err := f(r)
		if err != nil {
			return n, err
		}
		s.mu.Lock()
		if now, ok := s.records[r.Ref]; ok && now.Version == r.Version {
			now.Rewrap(primary, half, sealed)
			n++
		}
		s.mu.Unlock()
	}
	return n, nil
}

// foreign returns records whose half was sealed by another key than primary.
func (s *Store) foreign(primary string, limit int) []securesend.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []securesend.Record
	for _, r := range s.records {
		if len(out) < limit && !r.State.Final() && len(r.Half) > 0 && r.HalfKey != primary {
			sealed := r.Taken().Clone()
			sealed.Inline = nil // which Take alone hands out
			out = append(out, sealed)
		}
	}
	return out
}

// Events implements [securesend.SecretStore].
func (s *Store) Events(_ context.Context, q securesend.EventQuery) ([]securesend.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []securesend.Event
	for _, e := range s.events {
		if len(out) >= q.Limit {
			break
		}
		if !slices.Contains(q.Skip, e.Tenant) {
			out = append(out, e)
		}
	}
	return out, nil
}

// AckEvents implements [securesend.SecretStore].
func (s *Store) AckEvents(_ context.Context, ids []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = slices.DeleteFunc(s.events, func(e securesend.Event) bool { return slices.Contains(ids, e.ID) })
	return nil
}

func (s *Store) emit(r *securesend.Record, now time.Time, stamps ...securesend.Stamp) {
	for _, st := range stamps {
		s.seq++
		e := r.Event(st, now)
		e.Seq = s.seq
		s.events = append(s.events, e)
	}
}
