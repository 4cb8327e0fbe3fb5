package securesendtest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// The verbs as the parts call them: each is done by an instance and by the model, then what it returned is compared,
// and on another instance the record and all events.

// sentinels are the errors that callers tell apart.
var sentinels = []error{
	securesend.ErrInvalid, securesend.ErrNotFound, securesend.ErrConflict, securesend.ErrAuth, securesend.ErrDraft, securesend.ErrOpening,
	securesend.ErrEnded, securesend.ErrNumber, securesend.ErrPassphrase, securesend.ErrLocked, securesend.ErrGate, securesend.ErrLimited,
	securesend.ErrTooLarge, securesend.ErrForbidden, securesend.ErrUnsupported, securesend.ErrRegion,
}

// sameError fails where callers would take got for another error than want.
func (s *suite) sameError(got, want error, what string) {
	s.Helper()
	if (got == nil) != (want == nil) {
		s.Fatalf("%s: the error is %v, it should be %v", what, got, want)
	}
	for _, e := range sentinels {
		if errors.Is(got, e) != errors.Is(want, e) {
			s.Fatalf("%s: the error is %v, it should be %v", what, got, want)
		}
	}
	var g, w *securesend.LimitError
	if errors.As(want, &w) && (!errors.As(got, &g) || g.Limit != w.Limit || (g.RetryAfter-w.RetryAfter).Abs() > time.Millisecond) {
		s.Fatalf("%s: the error is %v, it should be %v", what, got, want)
	}
}

// step does what all verbs of a record have in common. show makes of the record what is returned without an error.
func (s *suite) step(
	what string, ref securesend.Ref, show func(securesend.Record) securesend.Record,
	call func(st securesend.SecretStore) (securesend.Record, error), f func(r *securesend.Record) ([]securesend.Stamp, error),
) (securesend.Record, error) {
	s.Helper()
	s.note("%s %s", what, ref)
	got, err := call(s.next())
	want, wantErr := s.model.step(ref, s.now, f)
	s.sameError(err, wantErr, what)
	switch {
	case wantErr == nil:
		s.same(got, show(want), "what "+what+" returns")
	case what == "Take" && !errors.Is(wantErr, securesend.ErrNotFound):
		s.same(got, want.Hidden(), "what "+what+" returns with an error")
	default: // nothing is promised but that nothing is given away
		s.same(got.Hidden(), got, "what "+what+" returns with an error")
	}
	s.stored(ref)
	return got, err
}

func hidden(r securesend.Record) securesend.Record { return r.Hidden() }
func taken(r securesend.Record) securesend.Record  { return r.Taken() }

// note keeps what was called last, for the message of a failure.
func (s *suite) note(format string, args ...any) {
	s.trail = append(s.trail, fmt.Sprintf(format, args...))
	if len(s.trail) > 12 {
		s.trail = s.trail[1:]
	}
}

// stored compares the record and all events.
func (s *suite) stored(ref securesend.Ref) {
	s.Helper()
	s.kept(ref)
	s.told()
}

// kept compares the record.
func (s *suite) kept(ref securesend.Ref) {
	s.Helper()
	got, err := s.next().Stat(s.Context(), ref)
	want := s.model.records[ref]
	if want == nil {
		s.is(err, securesend.ErrNotFound)
		s.same(got, securesend.Record{}, "a record that is not there")
	} else {
		s.ok(err)
		s.same(got, want.Hidden(), "the record")
	}
}

// told compares all events; those of one tenant must come in the order in which they were stored.
func (s *suite) told() {
	s.Helper()
	got, want := s.events(), map[mspkit.TenantID][]securesend.Event{}
	for tenant, es := range s.model.events {
		for _, e := range es {
			want[tenant] = append(want[tenant], plainEvent(e))
		}
	}
	for tenant := range s.model.events {
		a, b := got[tenant], want[tenant]
		for i := range min(len(a), len(b)) {
			if !reflect.DeepEqual(a[i], b[i]) {
				s.Fatalf("event %d of %s differs:\n%s", i, tenant, brief(fields(a[i]), fields(b[i])))
			}
		}
	}
	s.equal(got, want, "the events")
}

// events returns all events by tenant, after a look at Seq.
func (s *suite) events() map[mspkit.TenantID][]securesend.Event {
	s.Helper()
	es, err := s.next().Events(s.Context(), securesend.EventQuery{Limit: 100_000})
	s.ok(err)
	out := map[mspkit.TenantID][]securesend.Event{}
	seq := map[mspkit.TenantID]int64{}
	for _, e := range es {
		if e.Seq <= seq[e.Tenant] {
			s.Fatalf("the events of %s do not come in the order of Seq: %d after %d", e.Tenant, e.Seq, seq[e.Tenant])
		}
		seq[e.Tenant] = e.Seq
		out[e.Tenant] = append(out[e.Tenant], plainEvent(e))
	}
	return out
}

// settled compares everything on an instance that was opened at last, and then the halves, which Rewrap shows.
func (s *suite) settled() {
	s.Helper()
	if s.raced || s.Failed() {
		return
	}
	s.stores = []securesend.SecretStore{s.open()}
	tenants := map[mspkit.TenantID]bool{}
	for ref := range s.model.records {
		tenants[ref.Tenant] = true
		s.kept(ref)
	}
	for tenant := range tenants {
		s.list(securesend.Query{Tenant: tenant})
	}
	s.told()
	_, err := s.rewrap("the end", 10_000, func(r securesend.Record) (half, sealed []byte, err error) { return r.Half, r.Sealed, nil })
	s.ok(err)
}

func (s *suite) put(r securesend.Record) securesend.Ref {
	s.Helper()
	s.ok(s.tryPut(r))
	return r.Ref
}

func (s *suite) tryPut(r securesend.Record) error {
	s.Helper()
	s.note("Put %s", r.Ref)
	st := s.stamp(securesend.EventCreated)
	given := r.Clone()
	err := s.next().Put(s.Context(), given, st, s.now)
	s.sameError(err, s.model.put(r, st, s.now), "Put")
	for _, b := range [][]byte{given.Half, given.Inline, given.Auth} { // what the caller does with its memory is no matter
		for i := range b {
			b[i] = 0xee
		}
	}
	s.stored(r.Ref)
	return err
}

func (s *suite) commit(ref securesend.Ref, c securesend.Content) (securesend.Record, error) {
	s.Helper()
	return s.step("Commit", ref, hidden, func(st securesend.SecretStore) (securesend.Record, error) {
		return st.Commit(s.Context(), ref, c, s.now)
	}, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Commit(c, s.now) })
}

func (s *suite) admit(ref securesend.Ref, a securesend.Admission) (securesend.Record, error) {
	s.Helper()
	return s.step("Admit", ref, hidden, func(st securesend.SecretStore) (securesend.Record, error) {
		return st.Admit(s.Context(), ref, a, s.now)
	}, func(r *securesend.Record) ([]securesend.Stamp, error) {
		stamps, _, err := r.Admit(a, s.now)
		return stamps, err
	})
}

func (s *suite) look(ref securesend.Ref, auth []byte) (securesend.Record, error) {
	s.Helper()
	stamp := s.seen(securesend.EventOpened)
	return s.step("Open", ref, hidden, func(st securesend.SecretStore) (securesend.Record, error) {
		return st.Open(s.Context(), ref, auth, stamp, s.now)
	}, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Open(auth, stamp, s.now) })
}

func (s *suite) take(ref securesend.Ref, t securesend.Take) (securesend.Record, error) {
	s.Helper()
	return s.step("Take", ref, taken, func(st securesend.SecretStore) (securesend.Record, error) {
		return st.Take(s.Context(), ref, t, s.now)
	}, func(r *securesend.Record) ([]securesend.Stamp, error) {
		stamps, _, err := r.Take(t, s.now)
		return stamps, err
	})
}

// took is a Take that must work.
func (s *suite) took(ref securesend.Ref, claim string) securesend.Record {
	s.Helper()
	r, err := s.take(ref, s.asks(ref, claim))
	s.ok(err)
	return r
}

func (s *suite) extend(ref securesend.Ref, f securesend.Fetch) (securesend.Record, error) {
	s.Helper()
	return s.step("Extend", ref, hidden, func(st securesend.SecretStore) (securesend.Record, error) {
		return st.Extend(s.Context(), ref, f, s.now)
	}, func(r *securesend.Record) ([]securesend.Stamp, error) { return nil, r.Extend(f, s.now) })
}

func (s *suite) ack(ref securesend.Ref, claim string, auth []byte) (securesend.Record, error) {
	s.Helper()
	stamp := s.seen(securesend.EventAcknowledged)
	return s.step("Ack", ref, hidden, func(st securesend.SecretStore) (securesend.Record, error) {
		return st.Ack(s.Context(), ref, hash(claim), auth, stamp, s.now)
	}, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Ack(hash(claim), auth, stamp, s.now) })
}

func (s *suite) sendCode(ref securesend.Ref, c securesend.Code) (securesend.Record, error) {
	s.Helper()
	return s.step("SendCode", ref, hidden, func(st securesend.SecretStore) (securesend.Record, error) {
		return st.SendCode(s.Context(), ref, c, s.now)
	}, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.SendCode(c, s.now) })
}

func (s *suite) renew(ref securesend.Ref, version int64, n securesend.Renewal) (securesend.Record, error) {
	s.Helper()
	return s.step("Renew", ref, hidden, func(st securesend.SecretStore) (securesend.Record, error) {
		return st.Renew(s.Context(), ref, version, n, s.now)
	}, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Renew(version, n, s.now) })
}

func (s *suite) revoke(ref securesend.Ref) (securesend.Record, error) {
	s.Helper()
	stamp := s.stamp(securesend.EventRevoked)
	return s.step("Revoke", ref, hidden, func(st securesend.SecretStore) (securesend.Record, error) {
		return st.Revoke(s.Context(), ref, stamp, s.now)
	}, func(r *securesend.Record) ([]securesend.Stamp, error) { return r.Revoke(stamp, s.now) })
}

func (s *suite) remark(ref securesend.Ref, stamp securesend.Stamp) error {
	s.Helper()
	_, err := s.step("Note", ref, func(securesend.Record) securesend.Record { return securesend.Record{} },
		func(st securesend.SecretStore) (securesend.Record, error) {
			return securesend.Record{}, st.Note(s.Context(), ref, stamp, s.now)
		}, func(*securesend.Record) ([]securesend.Stamp, error) { return []securesend.Stamp{stamp}, nil })
	return err
}

func (s *suite) count(limits ...securesend.Limit) error {
	s.Helper()
	s.note("Count %v", limits)
	err := s.next().Count(s.Context(), limits, s.now)
	s.sameError(err, s.model.count(limits, s.now), "Count")
	return err
}

// list compares what List returns. Records of one time may come in any order.
func (s *suite) list(q securesend.Query) []securesend.Record {
	s.Helper()
	got, err := s.next().List(s.Context(), q)
	s.ok(err)
	want := s.model.list(q)
	if len(got) != min(len(want), q.Capped()) {
		s.Fatalf("List %+v returns %d records, it should be %d", q, len(got), min(len(want), q.Capped()))
	}
	left := map[securesend.Ref]securesend.Record{}
	for _, w := range want {
		left[w.Ref] = w
	}
	for i, r := range got {
		w, ok := left[r.Ref]
		if !ok || !r.CreatedAt.Equal(want[i].CreatedAt) {
			s.Fatalf("List %+v: record %d is %v, created at %v, it should be %v or another of %v", q, i, r.Ref, r.CreatedAt, want[i].Ref, want[i].CreatedAt)
		}
		delete(left, r.Ref)
		s.same(r, w, "the record in a list")
	}
	return got
}
