package securesendtest

import (
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// The verbs that go over all records. Which ones they take where there are more than the limit is theirs, so the model
// looks at what they did.

// expire sweeps and returns how many records changed.
func (s *suite) expire(limit int) int {
	s.Helper()
	s.note("Expire %d", limit)
	due := s.model.where(func(r *securesend.Record) bool { c := r.Clone(); return len(c.Sweep("", s.now)) > 0 })
	n, err := s.next().Expire(s.Context(), s.now, limit)
	s.ok(err)
	s.equal(n, min(len(due), max(limit, 0)), "how many Expire swept")

	// The events that are new say what was swept, in an order that is the store's.
	events, known := s.events(), map[mspkit.TenantID]int{}
	for tenant, es := range s.model.events {
		known[tenant] = len(es)
	}
	swept := 0
	for tenant, es := range events {
		if len(es) < known[tenant] {
			s.Fatalf("after Expire events of %s are missing", tenant)
		}
		for _, e := range es[known[tenant]:] {
			r := s.model.records[securesend.Ref{Tenant: tenant, ID: e.Send}]
			if e.ID == "" || !slices.Contains(due, r) {
				s.Fatalf("Expire tells of something that was not due: %+v", e)
			}
			stamps := r.Sweep(e.ID, s.now)
			if len(stamps) == 0 {
				s.Fatalf("Expire tells twice of %v", r.Ref)
			}
			s.model.emit(r, s.now, stamps...)
			swept++
		}
	}
	s.equal(swept, n, "how many events Expire stored")
	for _, r := range due {
		s.kept(r.Ref)
	}
	s.told()
	return n
}

// dead compares what Dead returns. Records that ended at one time may come in any order.
func (s *suite) dead(limit int, regions ...string) []securesend.Ref {
	s.Helper()
	s.note("Dead %d %v", limit, regions)
	got, err := s.next().Dead(s.Context(), regions, limit)
	s.ok(err)
	want := s.model.where(func(r *securesend.Record) bool {
		return r.State.Final() && r.Blobs && slices.Contains(regions, r.Region)
	})
	s.equal(len(got), min(len(want), max(limit, 0)), "how many are dead")
	var refs []securesend.Ref
	for i, d := range got {
		r := s.model.records[d.Ref]
		if r == nil || slices.Contains(refs, d.Ref) || !slices.Contains(want, r) || !r.EndedAt.Equal(want[i].EndedAt) {
			s.Fatalf("number %d of the dead is %v, it should be %v or another that ended with it", i, d, want[i].Ref)
		}
		s.equal(d.Region, r.Region, "the region")
		refs = append(refs, d.Ref)
	}
	return refs
}

func (s *suite) forget(ref securesend.Ref) error {
	s.Helper()
	s.note("Forget %v", ref)
	err := s.next().Forget(s.Context(), ref)
	r := s.model.records[ref]
	switch {
	case r == nil:
		s.is(err, securesend.ErrNotFound)
	case !r.State.Final():
		s.is(err, securesend.ErrConflict)
	default:
		s.ok(err)
		r.Blobs = false
	}
	s.stored(ref)
	return err
}

// deleteExpired deletes what ended more than age ago, and returns how many records and counters.
func (s *suite) deleteExpired(q deletion) int {
	s.Helper()
	s.note("DeleteExpired %+v", q)
	gone := s.model.where(func(r *securesend.Record) bool {
		return r.State.Final() && !r.Blobs && r.EndedAt.Before(s.now.Add(-q.age))
	})
	over := 0
	for key, c := range s.model.counters {
		if !s.now.Before(c.end) {
			over++
			if over <= q.limit {
				delete(s.model.counters, key) // which of them does not matter: none of them counts any more
			}
		}
	}
	n, err := s.next().DeleteExpired(s.Context(), s.now.Add(-q.age), s.now, q.limit)
	s.ok(err)
	want := min(len(gone), max(q.limit, 0))
	s.equal(n, want+min(over, max(q.limit, 0)), "how many were deleted")
	for ref := range s.model.records {
		_, err := s.next().Stat(s.Context(), ref)
		if err == nil {
			continue
		}
		s.is(err, securesend.ErrNotFound)
		if !slices.Contains(gone, s.model.records[ref]) {
			s.Fatalf("%v was deleted too early", ref)
		}
		delete(s.model.records, ref)
		want--
	}
	s.equal(want, 0, "how many records were not deleted after all")
	s.told()
	return n
}

// deletion says what deleteExpired deletes.
type deletion struct {
	age   time.Duration
	limit int
}

// rewrap seals again and returns how many records it changed.
func (s *suite) rewrap(primary string, limit int, f func(securesend.Record) (half, sealed []byte, err error)) (int, error) {
	s.Helper()
	s.note("Rewrap %s %d", primary, limit)
	want := s.model.where(func(r *securesend.Record) bool {
		return !r.State.Final() && len(r.Half) > 0 && r.HalfKey != primary
	})
	type wrapped struct {
		ref          securesend.Ref
		version      int64
		half, sealed []byte
	}
	var done []wrapped
	var failed error
	calls := 0
	n, err := s.next().Rewrap(s.Context(), primary, limit, func(r securesend.Record) (half, sealed []byte, err error) {
		calls++
		m := s.model.records[r.Ref]
		if m == nil || !slices.Contains(want, m) || failed != nil {
			s.Errorf("Rewrap calls for %v, which is not to be sealed again", r.Ref)
			return nil, nil, securesend.ErrInvalid
		}
		shown := m.Taken()
		shown.Inline = nil
		s.same(r, shown, "what Rewrap shows")
		half, sealed, err = f(r)
		if err == nil {
			done = append(done, wrapped{r.Ref, r.Version, half, sealed})
		}
		failed = err
		return half, sealed, err
	})
	s.equal(err != nil, failed != nil, "whether Rewrap fails")
	if failed != nil {
		s.is(err, failed)
	} else {
		s.equal(calls, min(len(want), max(limit, 0)), "how often Rewrap called")
	}
	stored := 0
	for _, d := range done {
		if m := s.model.records[d.ref]; m != nil && m.Version == d.version {
			m.Rewrap(primary, d.half, d.sealed)
			stored++
		}
	}
	s.equal(n, stored, "how many Rewrap stored")
	for _, r := range want {
		s.kept(r.Ref)
	}
	s.told()
	return n, err
}
