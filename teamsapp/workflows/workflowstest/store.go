package workflowstest

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp/workflows"
)

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")

	many = 10
)

// start is a time that a store can keep.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

// TestStore runs a store through every sentence of [workflows.Store] about connections, and sees that its posts are kept
// per tenant. open returns two instances on one fresh, empty storage, which must see what the other one stored; what needs
// closing is closed by t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) (first, second workflows.Store)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"A connection is stored with every field", storesAll},
		{"What is not there is not found", findsNothing},
		{"A connection is replaced by its next version only", replaces},
		{"Tenants do not see each other", apart},
		{"Connections come in the order in which they were made", listed},
		{"There are not more than most", bounded},
		{"What cannot be used is not stored", refused},
		{"A try is noted", noted},
		{"A try of another version says nothing", notedOfAnother},
		{"Failures of two instances are all counted", countsAll},
		{"Of two that change it one wins", oneWins},
		{"Connections are sealed anew", rewraps},
		{"Byte slices are the caller's", slicesAreCopied},
		{"Posts are kept per tenant", keepsPosts},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			s := &suite{T: t, a: a, b: b, sealed: &sealer{"k1"}}
			part.run(s)
		})
	}
}

type suite struct {
	*testing.T
	a, b   workflows.Store
	sealed *sealer
}

func (s *suite) no(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("got %v, want %v", err, want)
	}
}

func (s *suite) equal(got, want any) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("got\n%+v, want\n%+v", got, want)
	}
}

// record is one that was just made.
func (s *suite) record(tenant mspkit.TenantID, id string) workflows.Record {
	return workflows.Record{Tenant: tenant, ID: id, Version: 1, Sealed: s.sealed.seal("x", tenant, id), CreatedAt: start}
}

func (s *suite) has(want workflows.Record) {
	s.Helper()
	for _, store := range []workflows.Store{s.a, s.b} {
		got, err := store.Connection(s.Context(), want.Tenant, want.ID)
		s.no(err)
		s.equal(got, want)
	}
}

func storesAll(s *suite) {
	r := s.record(contoso, "c “1” ü")
	s.no(s.a.PutConnection(s.Context(), r, many))
	s.has(r)
	r.Version, r.Sealed = 2, s.sealed.seal("y", r.Tenant, r.ID)
	r.Failures, r.Fault = 7, "status 404 \x22Grüße\x22"
	r.BrokenAt, r.TestedAt = start.Add(time.Hour), start.Add(2*time.Hour)
	s.no(s.b.PutConnection(s.Context(), r, many))
	s.has(r)
	again := r
	again.Version, again.CreatedAt, again.Failures, again.Fault, again.BrokenAt, again.TestedAt = 3, start.Add(time.Hour), 0, "", time.Time{}, time.Time{}
	s.no(s.a.PutConnection(s.Context(), again, many))
	again.CreatedAt = start
	s.has(again)
	s.no(s.a.DeleteConnection(s.Context(), r.Tenant, r.ID))
	_, err := s.b.Connection(s.Context(), r.Tenant, r.ID)
	s.is(err, workflows.ErrNotFound)
}

func findsNothing(s *suite) {
	_, err := s.a.Connection(s.Context(), contoso, "c1")
	s.is(err, workflows.ErrNotFound)
	s.is(s.a.DeleteConnection(s.Context(), contoso, "c1"), workflows.ErrNotFound)
	_, err = s.a.NoteConnection(s.Context(), contoso, "c1", 1, workflows.Note{At: start})
	s.is(err, workflows.ErrNotFound)
	r := s.record(contoso, "c1")
	r.Version = 2
	s.is(s.a.PutConnection(s.Context(), r, many), workflows.ErrNotFound)
	list, err := s.a.Connections(s.Context(), contoso)
	s.no(err)
	s.equal(len(list), 0)
}

func replaces(s *suite) {
	r := s.record(contoso, "c1")
	s.no(s.a.PutConnection(s.Context(), r, many))
	s.is(s.a.PutConnection(s.Context(), r, many), workflows.ErrConflict)
	for _, version := range []int64{1, 3} {
		bad := r
		bad.Version = version
		s.is(s.b.PutConnection(s.Context(), bad, many), workflows.ErrConflict)
	}
	s.has(r)
	s.no(s.a.DeleteConnection(s.Context(), contoso, "c1"))
	s.no(s.b.PutConnection(s.Context(), r, many))
	s.has(r)
}

func apart(s *suite) {
	a, b := s.record(contoso, "c1"), s.record(fabrikam, "c1")
	b.CreatedAt = start.Add(time.Hour)
	s.no(s.a.PutConnection(s.Context(), a, many))
	s.no(s.a.PutConnection(s.Context(), b, many))
	s.has(a)
	s.has(b)
	_, err := s.a.NoteConnection(s.Context(), fabrikam, "c1", 1, workflows.Note{At: start, Fault: "x", Counts: true, Broken: 1})
	s.no(err)
	s.has(a)
	list, err := s.b.Connections(s.Context(), contoso)
	s.no(err)
	s.equal(list, []workflows.Record{a})
	s.no(s.a.DeleteConnection(s.Context(), fabrikam, "c1"))
	s.has(a)
	for _, tenant := range []mspkit.TenantID{"Contoso", "conto", "contoso2", ""} {
		_, err := s.a.Connection(s.Context(), tenant, "c1")
		s.is(err, workflows.ErrNotFound)
		list, err := s.a.Connections(s.Context(), tenant)
		s.no(err)
		s.equal(len(list), 0)
	}
	_, err = s.a.Connection(s.Context(), contoso, "C1")
	s.is(err, workflows.ErrNotFound)
}

func listed(s *suite) {
	want := make([]workflows.Record, 0, 4)
	for i, id := range []string{"z", "B", "a", "c"} {
		r := s.record(contoso, id)
		r.CreatedAt = start.Add(time.Duration(max(i, 1)) * time.Microsecond) // the first two at one time
		want = append(want, r)
		s.no(s.a.PutConnection(s.Context(), r, many))
	}
	want[0], want[1] = want[1], want[0]
	list, err := s.b.Connections(s.Context(), contoso)
	s.no(err)
	s.equal(list, want)
}

func bounded(s *suite) {
	for i := range 3 {
		s.no(s.a.PutConnection(s.Context(), s.record(contoso, strconv.Itoa(i)), 3))
	}
	s.is(s.b.PutConnection(s.Context(), s.record(contoso, "x"), 3), workflows.ErrTooMany)
	s.no(s.b.PutConnection(s.Context(), s.record(fabrikam, "x"), 3))
	r := s.record(contoso, "1")
	r.Version = 2
	s.no(s.b.PutConnection(s.Context(), r, 3))
	s.no(s.a.DeleteConnection(s.Context(), contoso, "0"))
	s.no(s.b.PutConnection(s.Context(), s.record(contoso, "x"), 3))

	// The limit holds as well where many come at once.
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			store := []workflows.Store{s.a, s.b}[i%2]
			errs[i] = store.PutConnection(s.Context(), s.record("race", strconv.Itoa(i)), 3)
		})
	}
	all.Wait()
	stored := 0
	for _, err := range errs {
		if err == nil {
			stored++
		} else {
			s.is(err, workflows.ErrTooMany)
		}
	}
	s.equal(stored, 3)
}

func refused(s *suite) {
	for name, change := range map[string]func(r *workflows.Record){
		"no tenant":  func(r *workflows.Record) { r.Tenant = "" },
		"no id":      func(r *workflows.Record) { r.ID = "" },
		"a long id":  func(r *workflows.Record) { r.ID = string(bytes.Repeat([]byte("x"), mspkit.MaxID+1)) },
		"no version": func(r *workflows.Record) { r.Version = 0 },
		"no seal":    func(r *workflows.Record) { r.Sealed = nil },
		"no time":    func(r *workflows.Record) { r.CreatedAt = time.Time{} },
	} {
		r := s.record(contoso, "c1")
		change(&r)
		if err := s.a.PutConnection(s.Context(), r, many); !errors.Is(err, mspkit.ErrInvalid) {
			s.Errorf("%s: %v", name, err)
		}
	}
}

func noted(s *suite) {
	r := s.record(contoso, "c1")
	s.no(s.a.PutConnection(s.Context(), r, many))
	at := start
	note := func(n workflows.Note) {
		s.Helper()
		at = at.Add(time.Minute)
		n.At, n.Broken = at, 2
		got, err := []workflows.Store{s.a, s.b}[at.Minute()%2].NoteConnection(s.Context(), contoso, "c1", 1, n)
		s.no(err)
		s.equal(got, r)
		s.has(r)
	}
	r.Fault = "it does not fit"
	note(workflows.Note{Fault: r.Fault})
	r.Fault, r.Failures = "not there", 1
	note(workflows.Note{Fault: r.Fault, Counts: true, Tested: true})
	r.Fault = "it does not fit"
	note(workflows.Note{Fault: r.Fault})
	r.Fault, r.Failures, r.BrokenAt = "not there", 2, at.Add(time.Minute)
	note(workflows.Note{Fault: r.Fault, Counts: true})
	r.Failures = 3 // broken since then, and not since now
	note(workflows.Note{Fault: r.Fault, Counts: true})
	r.Fault, r.Failures, r.BrokenAt = "", 0, time.Time{}
	note(workflows.Note{})
	r.TestedAt = at.Add(time.Minute)
	note(workflows.Note{Tested: true})
	r.Fault = "it does not fit"
	note(workflows.Note{Fault: r.Fault, Tested: true})
}

func notedOfAnother(s *suite) {
	r := s.record(contoso, "c1")
	s.no(s.a.PutConnection(s.Context(), r, many))
	r.Version = 2
	s.no(s.a.PutConnection(s.Context(), r, many))
	for _, version := range []int64{1, 3} {
		_, err := s.b.NoteConnection(s.Context(), contoso, "c1", version, workflows.Note{At: start, Fault: "x", Counts: true, Broken: 1})
		s.is(err, workflows.ErrConflict)
	}
	s.has(r)
}

func countsAll(s *suite) {
	r := s.record(contoso, "c1")
	s.no(s.a.PutConnection(s.Context(), r, many))
	const each = 10
	var all sync.WaitGroup
	errs := make(chan error, 2*each)
	for _, store := range []workflows.Store{s.a, s.b} {
		all.Go(func() {
			for range each {
				_, err := store.NoteConnection(s.Context(), contoso, "c1", 1, workflows.Note{At: start, Fault: "x", Counts: true, Broken: 2 * each})
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		s.no(err)
	}
	r.Fault, r.Failures, r.BrokenAt = "x", 2*each, start
	s.has(r)
}

func oneWins(s *suite) {
	s.no(s.a.PutConnection(s.Context(), s.record(contoso, "c1"), many))
	for version := int64(2); version < 12; version++ {
		r := s.record(contoso, "c1")
		r.Version = version
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i, store := range []workflows.Store{s.a, s.b} {
			all.Go(func() { errs[i] = store.PutConnection(s.Context(), r, many) })
		}
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			s.Fatalf("of two one must win: %v and %v", errs[0], errs[1])
		}
		s.is(errors.Join(errs...), workflows.ErrConflict)
	}
}

func rewraps(s *suite) {
	var want []workflows.Record
	for i := range 5 {
		r := s.record(contoso, strconv.Itoa(i))
		s.no(s.a.PutConnection(s.Context(), r, many))
		want = append(want, r)
	}
	fresh := &sealer{"k2"}
	oops := errors.New("oops")
	reseal := func(r workflows.Record) ([]byte, error) {
		if r.ID == "3" {
			return nil, oops
		}
		if !slices.ContainsFunc(want, func(w workflows.Record) bool { return reflect.DeepEqual(w, r) }) {
			s.Errorf("it is given %+v", r)
		}
		return fresh.seal("new", r.Tenant, r.ID), nil
	}
	total, failed := 0, false
	for range 10 {
		n, err := s.b.RewrapConnections(s.Context(), "k2", reseal, 2)
		if err != nil {
			s.is(err, oops)
			failed = true
		}
		if n > 2 {
			s.Fatalf("%d were sealed anew, of 2", n)
		}
		total += n
	}
	s.equal(total, 4)
	s.equal(failed, true)
	for _, r := range want {
		got, err := s.a.Connection(s.Context(), contoso, r.ID)
		s.no(err)
		if r.ID != "3" {
			r.Sealed = got.Sealed
			s.equal(keyOf(got.Sealed), "k2")
		}
		s.equal(got, r)
	}
}

func slicesAreCopied(s *suite) {
	r := s.record(contoso, "c1")
	want := r
	want.Sealed = bytes.Clone(r.Sealed)
	s.no(s.a.PutConnection(s.Context(), r, many))
	clear(r.Sealed)
	s.has(want)
	got, err := s.a.Connection(s.Context(), contoso, "c1")
	s.no(err)
	clear(got.Sealed)
	list, err := s.a.Connections(s.Context(), contoso)
	s.no(err)
	clear(list[0].Sealed)
	s.has(want)
}

func keepsPosts(s *suite) {
	item := func(tenant mspkit.TenantID, id string) workflows.Item {
		return workflows.Item{Tenant: tenant, Key: "c1", ID: id, Sealed: s.sealed.seal("x", tenant, id), AddedAt: start}
	}
	n, err := s.a.Posts().Add(s.Context(), []workflows.Item{item(contoso, "p1"), item(contoso, "p2"), item(fabrikam, "p1")})
	s.no(err)
	s.equal(n, 3)
	n, err = s.b.Posts().Add(s.Context(), []workflows.Item{item(contoso, "p1")})
	s.no(err)
	s.equal(n, 0)
	it, err := s.b.Posts().Get(s.Context(), fabrikam, "p1")
	s.no(err)
	s.equal(it.Tenant, fabrikam)
	counts, err := s.a.Posts().Count(s.Context(), contoso)
	s.no(err)
	s.equal(counts.Pending, 2)
	due, err := s.b.Posts().Due(s.Context(), workflows.Kind, start, 10)
	s.no(err)
	s.equal(len(due), 2)
	first, err := s.a.Posts().Next(s.Context(), mspkit.Stream{Kind: workflows.Kind, Tenant: contoso, Key: "c1"}, "me", start, start.Add(time.Minute))
	s.no(err)
	s.equal(first.ID, "p1")
	s.no(s.a.Posts().Finish(s.Context(), first, "me", workflows.Outcome{Dead: true, Fault: "x"}, start))
	list, err := s.b.Posts().List(s.Context(), workflows.Filter{Tenant: contoso, State: "dead"})
	s.no(err)
	s.equal(len(list), 1)
}
