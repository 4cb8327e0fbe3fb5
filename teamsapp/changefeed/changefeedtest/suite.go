package changefeedtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// start is when the suite's records begin. It has no part below a microsecond, which is what stores must keep.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")
	entra    = "11111111-1111-4111-8111-111111111111"
	other    = "22222222-2222-4222-8222-222222222222"
)

// TestStore runs a store through every sentence of [changefeed.Store]. open makes a fresh, empty storage for one part
// and returns two instances on it, which race each other and must see what the other one stored. Instances that need
// closing are closed by t.Cleanup. What [changefeed.Store.Backlog] returns has a suite of its own.
func TestStore(t *testing.T, open func(t *testing.T) (first, second changefeed.Store)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"What is followed is there once", followOnce},
		{"What is named no more leaves, and comes back", followLeaves},
		{"Another Entra tenant begins anew", followMoves},
		{"What cannot be followed is refused", followRefuses},
		{"Tenants do not see each other", tenantsApart},
		{"Every field is kept", fieldsKept},
		{"A record is found by its tag", byTag},
		{"A lease is one holder's", leases},
		{"What is due comes, the oldest first", due},
		{"A save needs the version", saves},
		{"A mark outlives a save that did not see it", marks},
		{"A mark that was seen is taken away", marksSeen},
		{"Only what is not wanted is deleted", deletes},
		{"Notifications raise the time", notified},
		{"A beat after an outage marks all", beats},
		{"A feed that moves marks all", homes},
		{"Certificates follow one another", certificates},
		{"Certificates in use stay", certificatesUsed},
		{"Events are seen until their time", seen},
		{"A context that is over changes nothing", contextOver},
		{"Byte slices are the caller's", slicesCopied},
		{"Race: one holder of a lease", raceLease},
		{"Race: one save of a version", raceSave},
		{"Race: following at once", raceFollow},
		{"Race: no mark is lost", raceMarks},
		{"Race: one instance sees the outage", raceBeat},
		{"Race: a feed moves while its records do", raceHome},
		{"Race: one certificate follows", raceCertificates},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			first, second := open(t)
			part.run(&suite{T: t, Store: first, second: second, stores: []changefeed.Store{first, second}, now: start})
		})
	}
}

// suite is one part with two instances on its storage, and a clock.
type suite struct {
	*testing.T
	changefeed.Store // the first instance
	second           changefeed.Store
	stores           []changefeed.Store
	now              time.Time
}

func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

func (s *suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("the error is %v, it should be %v", err, want)
	}
}

func (s *suite) check(ok bool, what string, args ...any) {
	s.Helper()
	if !ok {
		s.Fatalf(what, args...)
	}
}

// noError is for races, where a test cannot be ended.
func (s *suite) noError(err error) {
	s.Helper()
	if err != nil {
		s.Errorf("unexpected error: %v", err)
	}
}

func wants(keys ...string) []changefeed.Followed {
	var out []changefeed.Followed
	for _, k := range keys {
		out = append(out, changefeed.Followed{Key: k, Resource: "/" + k})
	}
	return out
}

func (s *suite) follow(st changefeed.Store, tenant mspkit.TenantID, entraTenant string, keys ...string) bool {
	s.Helper()
	changed, err := st.Follow(s.Context(), tenant, entraTenant, wants(keys...), s.now)
	s.ok(err)
	return changed
}

// list returns the records of a tenant, of both instances.
func (s *suite) list(tenant mspkit.TenantID) []changefeed.Subscription {
	s.Helper()
	a, err := s.Subscriptions(s.Context(), tenant)
	s.ok(err)
	b, err := s.second.Subscriptions(s.Context(), tenant)
	s.ok(err)
	s.check(reflect.DeepEqual(a, b), "the instances have different records: %+v and %+v", a, b)
	return a
}

func (s *suite) keys(tenant mspkit.TenantID) []string {
	s.Helper()
	out := []string{}
	for _, r := range s.list(tenant) {
		out = append(out, r.Key)
	}
	return out
}

func (s *suite) get(key string) changefeed.Subscription {
	s.Helper()
	for _, r := range s.list(contoso) {
		if r.Key == key {
			return r
		}
	}
	s.Fatalf("there is no record %s", key)
	return changefeed.Subscription{}
}

func ref(key string) changefeed.Ref { return changefeed.Ref{Tenant: contoso, Key: key} }

func (s *suite) lease(st changefeed.Store, key, holder string) changefeed.Subscription {
	s.Helper()
	r, err := st.Lease(s.Context(), ref(key), holder, s.now, s.now.Add(time.Minute))
	s.ok(err)
	return r
}

func followOnce(s *suite) {
	s.check(s.follow(s.Store, contoso, entra, "b", "a"), "nothing was new")
	before := s.list(contoso)
	s.check(len(before) == 2 && before[0].Key == "a" && before[1].Key == "b", "the records are %+v", before)
	want := changefeed.NewSubscription(contoso, entra, changefeed.Followed{Key: "a", Resource: "/a"}, s.now)
	s.check(reflect.DeepEqual(before[0], want), "the record is %+v, it should be %+v", before[0], want)
	s.check(!s.follow(s.second, contoso, entra, "a", "b"), "the same changed something")
	s.check(reflect.DeepEqual(before, s.list(contoso)), "the same changed the records")
}

func followLeaves(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b")
	r := s.lease(s.Store, "a", "me")
	r.ID, r.Tag, r.State, r.Due, r.Holder = "id", "tag", changefeed.Active, s.now.Add(time.Hour), ""
	r, err := s.Save(s.Context(), r)
	s.ok(err)
	s.now = s.now.Add(time.Minute)
	s.check(s.follow(s.second, contoso, entra, "b"), "nothing changed")
	left := s.get("a")
	s.check(!left.Wanted && left.State == changefeed.Leaving && left.ID == "id" && left.Tag == "tag" && left.Due.Equal(s.now) && left.Version > r.Version,
		"the record that leaves is %+v", left)
	s.check(s.get("b").Wanted, "the other one leaves")
	_, err = s.Save(s.Context(), r)
	s.is(err, changefeed.ErrChanged)
	s.now = s.now.Add(time.Minute)
	s.check(s.follow(s.Store, contoso, entra, "a", "b"), "nothing changed")
	back := s.get("a")
	s.check(back.Wanted && back.State == changefeed.Wanted && back.ID == "id" && back.Due.Equal(s.now) && back.Version > left.Version,
		"the record that is back is %+v", back)
	s.check(s.follow(s.Store, contoso, entra), "nothing changed")
	s.check(!s.follow(s.Store, contoso, entra), "what leaves changed again")
}

func followMoves(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	r := s.lease(s.Store, "a", "me")
	r.ID, r.Tag, r.Secret, r.Cursor, r.GapFrom, r.GapTo, r.MadeAt = "id", "tag", []byte("x"), []byte("y"), s.now, s.now, s.now
	r, err := s.Save(s.Context(), r)
	s.ok(err)
	s.check(s.follow(s.second, contoso, other, "a"), "nothing changed")
	got := s.get("a")
	s.check(got.EntraTenant == other && got.ID == "" && got.Tag == "" && got.Secret == nil && got.Cursor == nil && got.GapFrom.IsZero() && got.MadeAt.IsZero() &&
		got.State == changefeed.Wanted && got.Version > r.Version, "the record is %+v", got)
	_, err = s.ByTag(s.Context(), "tag")
	s.is(err, changefeed.ErrNotFound)
	_, err = s.Save(s.Context(), r)
	s.is(err, changefeed.ErrChanged)
}

func followRefuses(s *suite) {
	for name, want := range map[string][]changefeed.Followed{
		"no key": {{Resource: "/a"}}, "no resource": {{Key: "a"}}, "a key twice": wants("a", "a"), "a long key": {{Key: fmt.Sprintf("%0201d", 0), Resource: "/a"}},
	} {
		_, err := s.Follow(s.Context(), contoso, entra, append(wants("fine"), want...), s.now)
		s.check(errors.Is(err, mspkit.ErrInvalid), "%s: the error is %v", name, err)
	}
	_, err := s.Follow(s.Context(), "", entra, wants("a"), s.now)
	s.is(err, mspkit.ErrInvalid)
	_, err = s.Follow(s.Context(), contoso, "", wants("a"), s.now)
	s.is(err, mspkit.ErrInvalid)
	s.check(len(s.keys(contoso)) == 0, "something was stored")
}

func tenantsApart(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b")
	s.follow(s.Store, fabrikam, other, "a")
	s.check(slices.Equal(s.keys(fabrikam), []string{"a"}), "the records are %v", s.keys(fabrikam))
	s.follow(s.second, fabrikam, other)
	s.check(s.get("a").Wanted, "another tenant ended it")
	s.ok(s.Mark(s.Context(), changefeed.Ref{Tenant: fabrikam, Key: "a"}, changefeed.Missed, s.now, s.now))
	s.check(s.get("a").Marks == 0, "another tenant marked it")
	s.check(len(s.list("nobody")) == 0, "there are records of nobody")
}

// full is a record with every field set.
func (s *suite) full(r changefeed.Subscription) changefeed.Subscription {
	r.State, r.Fault, r.Tries, r.Due = changefeed.Failing, "Größe \u0000\xff", 3, s.now.Add(time.Hour)
	r.ID, r.Tag, r.Secret, r.URL, r.Changes = "id", "tag", []byte("secret\x00\xff"), "https://h/graph", "created,updated"
	r.Certificate, r.NextCertificate = "one", "two"
	r.MadeAt, r.ExpiresAt, r.ConfirmedAt = s.now.Add(time.Second), s.now.Add(2*time.Second), s.now.Add(3*time.Second)
	r.GapFrom, r.GapTo, r.Cursor = s.now.Add(4*time.Second), s.now.Add(5*time.Second), []byte("cursor\x00\xff")
	r.LeaseUntil = s.now.Add(6 * time.Second)
	return r
}

func fieldsKept(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	r := s.full(s.lease(s.Store, "a", "me"))
	saved, err := s.second.Save(s.Context(), r)
	s.ok(err)
	got := s.get("a")
	s.check(reflect.DeepEqual(saved, got), "Save returned %+v, stored is %+v", saved, got)
	s.check(got.Version == r.Version+1, "the version is %d, it was %d", got.Version, r.Version)
	r.Version, r.Fault, got.Fault = got.Version, "", ""
	s.check(reflect.DeepEqual(r, got), "stored is %+v, it should be %+v", got, r)
	// What Save leaves as it is.
	r = got
	r.EntraTenant, r.Resource, r.Wanted, r.NotifiedAt = other, "/x", false, s.now
	_, err = s.Save(s.Context(), r)
	s.ok(err)
	got = s.get("a")
	s.check(got.EntraTenant == entra && got.Resource == "/a" && got.Wanted && got.NotifiedAt.IsZero(), "stored is %+v", got)
	// Times below a microsecond are cut off.
	got.Due = s.now.Add(999)
	got, err = s.Save(s.Context(), got)
	s.ok(err)
	s.check(got.Due.Equal(s.now) && s.get("a").Due.Equal(s.now), "the time is %v", got.Due)
}

func byTag(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b")
	_, err := s.ByTag(s.Context(), "")
	s.is(err, changefeed.ErrNotFound)
	r := s.lease(s.Store, "a", "me")
	r.Tag = "tag"
	_, err = s.Save(s.Context(), r)
	s.ok(err)
	got, err := s.second.ByTag(s.Context(), "tag")
	s.ok(err)
	s.check(reflect.DeepEqual(got, s.get("a")), "found is %+v", got)
	for _, tag := range []string{"TAG", "ta", "tag ", "tag' OR '1'='1"} {
		_, err = s.ByTag(s.Context(), tag)
		s.is(err, changefeed.ErrNotFound)
	}
}

func leases(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	_, err := s.Lease(s.Context(), ref("none"), "me", s.now, s.now.Add(time.Minute))
	s.is(err, changefeed.ErrNotFound)
	_, err = s.Lease(s.Context(), ref("a"), "", s.now, s.now.Add(time.Minute))
	s.is(err, mspkit.ErrInvalid)
	before := s.get("a")
	r := s.lease(s.Store, "a", "me")
	s.check(r.Holder == "me" && r.LeaseUntil.Equal(s.now.Add(time.Minute)) && r.Version == before.Version+1, "leased is %+v", r)
	s.check(reflect.DeepEqual(r, s.get("a")), "stored is %+v", s.get("a"))
	_, err = s.second.Lease(s.Context(), ref("a"), "you", s.now.Add(time.Minute-time.Microsecond), s.now.Add(time.Hour))
	s.is(err, changefeed.ErrHeld)
	again := s.lease(s.second, "a", "me")
	s.check(again.Version == r.Version+1, "the version is %d", again.Version)
	s.now = s.now.Add(time.Minute)
	you := s.lease(s.second, "a", "you")
	_, err = s.Save(s.Context(), again)
	s.is(err, changefeed.ErrChanged)
	you.Holder = ""
	_, err = s.Save(s.Context(), you)
	s.ok(err)
	s.lease(s.Store, "a", "me")
}

func due(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b", "c", "d")
	for i, key := range []string{"c", "a", "d"} {
		r := s.lease(s.Store, key, "me")
		r.Due, r.Holder = s.now.Add(time.Duration(i+1)*time.Hour), ""
		_, err := s.Save(s.Context(), r)
		s.ok(err)
	}
	s.lease(s.Store, "b", "me")
	at := func(d time.Duration, limit int, want ...string) {
		s.Helper()
		for _, st := range s.stores {
			refs, err := st.Due(s.Context(), s.now.Add(d), limit)
			s.ok(err)
			got := []string{}
			for _, r := range refs {
				got = append(got, r.Key)
			}
			s.check(slices.Equal(got, want), "due after %v are %v, not %v", d, got, want)
		}
	}
	at(0, 10)
	at(time.Minute-time.Microsecond, 10)
	at(time.Minute, 10, "b")
	at(2*time.Hour, 10, "b", "c", "a")
	at(10*time.Hour, 3, "b", "c", "a")
	at(10*time.Hour, 0)
}

func saves(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	r := s.lease(s.Store, "a", "me")
	next, err := s.Save(s.Context(), r)
	s.ok(err)
	_, err = s.second.Save(s.Context(), r)
	s.is(err, changefeed.ErrChanged)
	_, err = s.second.Save(s.Context(), next)
	s.ok(err)
	r.Key = "none"
	_, err = s.Save(s.Context(), r)
	s.is(err, changefeed.ErrChanged)
}

func marks(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	s.ok(s.Mark(s.Context(), ref("none"), changefeed.Missed, s.now, s.now))
	r := s.lease(s.Store, "a", "me")
	r.Due = s.now.Add(time.Hour)
	r, err := s.Save(s.Context(), r)
	s.ok(err)
	s.ok(s.second.Mark(s.Context(), ref("a"), changefeed.Missed, s.now.Add(-time.Minute), s.now.Add(time.Minute)))
	s.ok(s.second.Mark(s.Context(), ref("a"), changefeed.Removed, time.Time{}, s.now.Add(2*time.Minute)))
	s.ok(s.second.Mark(s.Context(), ref("a"), changefeed.Missed, s.now, s.now.Add(3*time.Minute)))
	got := s.get("a")
	s.check(got.Marks == changefeed.Missed|changefeed.Removed && got.MarkFrom.Equal(s.now.Add(-time.Minute)) && got.MarkSeq == r.MarkSeq+3 &&
		got.Due.Equal(s.now.Add(time.Minute)) && got.Version == r.Version, "marked is %+v", got)
	r.Due, r.Holder, r.Fault = s.now.Add(2*time.Hour), "", "saved all the same"
	r, err = s.Save(s.Context(), r)
	s.ok(err)
	s.check(r.Marks == got.Marks && r.MarkFrom.Equal(got.MarkFrom) && r.MarkSeq == got.MarkSeq && r.Due.Equal(got.Due) && r.Fault != "",
		"saved is %+v", r)
}

func marksSeen(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	s.ok(s.Mark(s.Context(), ref("a"), changefeed.Reauthorize, s.now, s.now))
	r := s.lease(s.second, "a", "me")
	s.check(r.Marks == changefeed.Reauthorize && r.MarkFrom.Equal(s.now), "leased is %+v", r)
	r.Marks, r.MarkFrom, r.Due = 0, time.Time{}, s.now.Add(time.Hour)
	r, err := s.Save(s.Context(), r)
	s.ok(err)
	s.check(r.Marks == 0 && r.MarkFrom.IsZero() && r.Due.Equal(s.now.Add(time.Hour)), "saved is %+v", r)
	s.ok(s.Mark(s.Context(), ref("a"), changefeed.Doubt, time.Time{}, s.now.Add(2*time.Hour)))
	s.check(s.get("a").Due.Equal(s.now.Add(time.Hour)), "a mark put it off")
}

func deletes(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b")
	s.is(s.Delete(s.Context(), s.get("a")), changefeed.ErrChanged)
	s.follow(s.Store, contoso, entra, "b")
	old := s.get("a")
	s.lease(s.Store, "a", "me")
	s.is(s.Delete(s.Context(), old), changefeed.ErrChanged)
	s.ok(s.second.Delete(s.Context(), s.get("a")))
	s.check(slices.Equal(s.keys(contoso), []string{"b"}), "left are %v", s.keys(contoso))
	s.is(s.Delete(s.Context(), old), changefeed.ErrChanged)
}

func notified(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b")
	v := s.get("a").Version
	for _, d := range []time.Duration{time.Hour, time.Minute} {
		s.ok(s.second.Notified(s.Context(), []changefeed.Ref{ref("none"), ref("a")}, s.now.Add(d)))
	}
	s.ok(s.Notified(s.Context(), nil, s.now))
	got := s.get("a")
	s.check(got.NotifiedAt.Equal(s.now.Add(time.Hour)) && got.Version == v, "the record is %+v", got)
	s.check(s.get("b").NotifiedAt.IsZero(), "the other one was notified")
}

func beats(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b")
	beat := func(st changefeed.Store, at time.Duration, want time.Time) {
		s.Helper()
		before, err := st.Beat(s.Context(), s.now.Add(at), time.Hour)
		s.ok(err)
		s.check(before.Equal(want), "the beat before is %v, not %v", before, want)
	}
	beat(s.Store, 0, time.Time{})
	beat(s.second, time.Hour, s.now)
	s.check(s.get("a").Marks == 0, "an hour is no outage")
	beat(s.second, time.Minute, s.now.Add(time.Hour))
	beat(s.Store, 2*time.Hour+time.Microsecond, s.now.Add(time.Hour))
	for _, r := range s.list(contoso) {
		s.check(r.Marks == changefeed.Missed && r.MarkFrom.Equal(s.now.Add(time.Hour)) && r.MarkSeq == 1, "marked is %+v", r)
	}
	beat(s.second, 2*time.Hour+2*time.Microsecond, s.now.Add(2*time.Hour+time.Microsecond))
	s.check(s.get("a").MarkSeq == 1, "it was marked twice")
}

func homes(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b")
	home := func(st changefeed.Store, url, want string) {
		s.Helper()
		got, err := st.Home(s.Context(), url, s.now.Add(time.Minute))
		s.ok(err)
		s.check(got == want, "the URL is %q, not %q", got, want)
	}
	home(s.Store, "", "")
	home(s.Store, "https://one.example/graph", "https://one.example/graph")
	home(s.second, "", "https://one.example/graph")
	s.check(s.get("a").MarkSeq == 0, "there was no URL before")
	r := s.lease(s.Store, "a", "me")
	r.Due = s.now.Add(time.Hour)
	r, err := s.Save(s.Context(), r)
	s.ok(err)
	home(s.second, "https://two.example/graph", "https://two.example/graph")
	home(s.Store, "https://two.example/graph", "https://two.example/graph")
	for _, got := range s.list(contoso) {
		s.check(got.Marks == changefeed.Missed && got.MarkSeq == 1 && got.MarkFrom.IsZero(), "marked is %+v", got)
	}
	got := s.get("a")
	s.check(got.Due.Equal(s.now.Add(time.Minute)) && got.Version == r.Version, "marked is %+v", got)
	home(s.Store, "https://one.example/graph", "https://one.example/graph")
	s.check(s.get("a").MarkSeq == 2, "the way back is a move as well")
}

func slicesCopied(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	r := s.full(s.lease(s.Store, "a", "me"))
	saved, err := s.Save(s.Context(), r)
	s.ok(err)
	r.Secret[0], saved.Cursor[0] = 'X', 'X'
	got := s.get("a")
	s.check(bytes.HasPrefix(got.Secret, []byte("secret")) && bytes.HasPrefix(got.Cursor, []byte("cursor")), "the caller's bytes are kept")
}

func contextOver(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	r := s.lease(s.Store, "a", "me")
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, err := s.Follow(ctx, contoso, entra, nil, s.now)
	s.is(err, context.Canceled)
	_, err = s.Lease(ctx, ref("a"), "me", s.now, s.now.Add(time.Hour))
	s.is(err, context.Canceled)
	_, err = s.Save(ctx, r)
	s.is(err, context.Canceled)
	s.is(s.Mark(ctx, ref("a"), changefeed.Missed, s.now, s.now), context.Canceled)
	_, err = s.Beat(ctx, s.now, time.Hour)
	s.is(err, context.Canceled)
	_, err = s.Home(ctx, "https://one.example/graph", s.now)
	s.is(err, context.Canceled)
	s.is(s.MarkSeen(ctx, contoso, "e", s.now.Add(time.Hour)), context.Canceled)
	s.check(reflect.DeepEqual(r, s.get("a")), "the record has changed")
}

// either reports whether there is no error, where there may be the one that is named. It is for races, where a test cannot be ended.
func (s *suite) either(err, other error) bool {
	s.Helper()
	if err != nil && !errors.Is(err, other) {
		s.Errorf("the error is %v, it should be %v", err, other)
	}
	return err == nil
}
