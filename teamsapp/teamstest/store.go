package teamstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// start is when the suite's records begin, so that a test does not depend on the clock. It has no part below a
// microsecond, which is what stores must keep.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")

	ourBot   = "11111111-1111-4111-8111-111111111111"
	otherBot = "22222222-2222-4222-8222-222222222222"
)

// TestStore runs a store through every sentence of [teamsapp.Store]. open makes a fresh, empty storage for one part
// and returns two instances on it, which race each other and must see what the other one stored. Instances that need
// closing are closed by t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) (first, second teamsapp.Store)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*storeSuite)
	}{
		{"What is saved is loaded by every instance", saveLoads},
		{"A key that was never saved is not found", loadNothing},
		{"Save replaces what is not newer", saveReplaces},
		{"Tenants, bots and persons do not see each other", recordsApart},
		{"Removed records are loaded and not listed", removedHidden},
		{"List goes through tenants and persons page by page", listPages},
		{"List goes on behind a record that is gone", listBehindRemoved},
		{"List returns what Limit says, 1000 at most", listLimits},
		{"Ids are kept and sorted as they are", weirdIDs},
		{"Byte slices are the caller's", slicesAreCopied},
		{"A turn is the first asker's", claimFirst},
		{"The others get the reply", claimReply},
		{"Each key is remembered until its own time", claimKeysEnd},
		{"One remembered key is enough", claimAnyKey},
		{"A turn that is not the asker's changes nothing", claimLosesWhole},
		{"The first reply counts", claimFirstReply},
		{"A turn passes on when the lease is over", claimTakeover},
		{"Every lease must be over", claimLeases},
		{"An answer outlives the lease", answerOutlivesLease},
		{"Answer needs keys that are still the owner's", answerAfterTakeover},
		{"Answer keeps to keys that are remembered", answerExpired},
		{"Answer stores the last reply", answerTwice},
		{"An empty reply forgets the turn", answerForgets},
		{"A key may be named twice", claimSameKey},
		{"A claim without owner or keys is refused", claimInvalid},
		{"Replies may have 64 KiB and any bytes", replyBytes},
		{"DeleteExpired deletes what is over, up to the limit", deleteExpired},
		{"A context that is over changes nothing", contextOver},
		{"Race: one turn on two instances", raceClaim},
		{"Race: turns that share one key", raceShared},
		{"Race: many turns with their keys in any order", raceOrders},
		{"Race: takeover against the answer of the owner", raceTakeover},
		{"Race: the newest record stays", raceSave},
		{"Race: every key is deleted once", raceDelete},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			first, second := open(t)
			part.run(&storeSuite{T: t, Store: first, second: second, stores: []teamsapp.Store{first, second}, now: start})
		})
	}
}

// storeSuite is one part with two instances on its storage, and a clock.
type storeSuite struct {
	*testing.T
	teamsapp.Store // the first instance
	second         teamsapp.Store
	stores         []teamsapp.Store
	now            time.Time
}

func (s *storeSuite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

func (s *storeSuite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("the error is %v, it should be %v", err, want)
	}
}

func (s *storeSuite) check(ok bool, what string, args ...any) {
	s.Helper()
	if !ok {
		s.Fatalf(what, args...)
	}
}

// person returns a user of a tenant whose id sorts by n.
func person(tenant, n int) teamsapp.User {
	return teamsapp.User{
		TenantID: fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", tenant),
		ObjectID: fmt.Sprintf("bbbbbbbb-0000-4000-8000-%012d", n),
	}
}

func (s *storeSuite) record(bot string, tenant mspkit.TenantID, u teamsapp.User) teamsapp.Record {
	k := teamsapp.Key{Bot: bot, Tenant: tenant, User: u}
	return teamsapp.Record{Key: k, Sealed: []byte("sealed\x00\xff" + u.ObjectID), UpdatedAt: s.now}
}

func (s *storeSuite) saved(rs ...teamsapp.Record) {
	s.Helper()
	for _, r := range rs {
		s.ok(s.Save(s.Context(), r))
	}
}

// loads checks that both instances load r.
func (s *storeSuite) loads(r teamsapp.Record) {
	s.Helper()
	for _, st := range s.stores {
		got, err := st.Load(s.Context(), r.Key)
		s.ok(err)
		s.same(got, r)
	}
}

func (s *storeSuite) same(got, want teamsapp.Record) {
	s.Helper()
	s.check(got.Key == want.Key && bytes.Equal(got.Sealed, want.Sealed) && got.Removed == want.Removed &&
		got.UpdatedAt.Equal(want.UpdatedAt), "the record is\n%+v\nit should be\n%+v", got, want)
}

// lists checks that q selects exactly rs, in this order.
func (s *storeSuite) lists(q teamsapp.Query, rs ...teamsapp.Record) {
	s.Helper()
	got, err := s.second.List(s.Context(), q)
	s.ok(err)
	s.check(len(got) == len(rs), "%d records are listed, it should be %d: %+v", len(got), len(rs), got)
	for i := range rs {
		s.same(got[i], rs[i])
	}
}

func saveLoads(s *storeSuite) {
	r := s.record(ourBot, contoso, person(1, 1))
	s.saved(r)
	s.loads(r)
	empty := s.record(ourBot, contoso, person(1, 2))
	empty.Sealed, empty.UpdatedAt = nil, time.Time{}
	s.saved(empty)
	s.loads(empty)
	abroad := s.record(ourBot, contoso, person(1, 3))
	abroad.UpdatedAt = s.now.In(time.FixedZone("far", 9*3600))
	s.saved(abroad)
	s.loads(abroad)
}

func loadNothing(s *storeSuite) {
	_, err := s.Load(s.Context(), teamsapp.Key{Bot: ourBot, Tenant: contoso, User: person(1, 1)})
	s.is(err, teamsapp.ErrNotFound)
	_, err = s.Load(s.Context(), teamsapp.Key{})
	s.is(err, teamsapp.ErrNotFound)
	s.lists(teamsapp.Query{Bot: ourBot})
	s.lists(teamsapp.Query{})
}

func saveReplaces(s *storeSuite) {
	first := s.record(ourBot, contoso, person(1, 1))
	s.saved(first)

	newer := first
	newer.Sealed, newer.Removed, newer.UpdatedAt = []byte("newer"), true, s.now.Add(time.Microsecond)
	s.saved(newer)
	s.loads(newer)

	older := first
	older.Sealed = []byte("older")
	s.ok(s.second.Save(s.Context(), older))
	s.loads(newer)

	equal := newer
	equal.Sealed, equal.Removed = []byte("saved last"), false
	s.ok(s.second.Save(s.Context(), equal))
	s.loads(equal)
	s.lists(teamsapp.Query{Bot: ourBot}, equal)
}

func recordsApart(s *storeSuite) {
	u := person(1, 1)
	a, b, c := s.record(ourBot, contoso, u), s.record(ourBot, fabrikam, u), s.record(otherBot, contoso, u)
	d, e := s.record(ourBot, contoso, person(1, 2)), s.record(ourBot, contoso, person(2, 1))
	for i, r := range []*teamsapp.Record{&a, &b, &c, &d, &e} {
		r.Sealed = fmt.Append(nil, "record ", i)
	}
	s.saved(a, b, c, d, e)
	for _, r := range []teamsapp.Record{a, b, c, d, e} {
		s.loads(r)
	}
	s.lists(teamsapp.Query{Bot: ourBot}, a, d, e, b)
	s.lists(teamsapp.Query{Bot: ourBot, Tenant: contoso}, a, d, e)
	s.lists(teamsapp.Query{Bot: ourBot, Tenant: fabrikam}, b)
	s.lists(teamsapp.Query{Bot: otherBot}, c)
	s.lists(teamsapp.Query{Bot: otherBot, Tenant: fabrikam})
	s.lists(teamsapp.Query{Tenant: contoso})

	gone := a
	gone.Removed = true
	s.saved(gone)
	for _, r := range []teamsapp.Record{b, c, d, e} {
		s.loads(r)
	}
	_, err := s.Load(s.Context(), teamsapp.Key{Bot: otherBot, Tenant: fabrikam, User: u})
	s.is(err, teamsapp.ErrNotFound)
}

func removedHidden(s *storeSuite) {
	a, b := s.record(ourBot, contoso, person(1, 1)), s.record(ourBot, contoso, person(1, 2))
	a.Removed = true
	s.saved(a, b)
	s.loads(a)
	s.lists(teamsapp.Query{Bot: ourBot}, b)
	s.lists(teamsapp.Query{Bot: ourBot, Limit: 1}, b)
	a.Removed = false
	b.Removed = true
	s.saved(a, b)
	s.loads(b)
	s.lists(teamsapp.Query{Bot: ourBot, Tenant: contoso}, a)
}

func listPages(s *storeSuite) {
	var all, ours []teamsapp.Record
	for _, tenant := range []mspkit.TenantID{"a", "b", "c"} {
		for entra := range 2 {
			for n := range 3 {
				r := s.record(ourBot, tenant, person(entra, n))
				r.Removed = n == 1 && tenant == "b"
				other := r
				other.Bot, other.Removed = otherBot, false
				all = append(all, r, other)
				if !r.Removed {
					ours = append(ours, r)
				}
			}
		}
	}
	for i := range all { // neither in order nor backwards
		s.saved(all[(i*7+5)%len(all)])
	}
	for _, limit := range []int{1, 2, 3, 7, 100} {
		var got []teamsapp.Record
		q := teamsapp.Query{Bot: ourBot, Limit: limit}
		for {
			page, err := s.second.List(s.Context(), q)
			s.ok(err)
			s.check(len(page) <= limit, "a page of %d has %d records", limit, len(page))
			if got = append(got, page...); len(page) < limit || len(got) > len(ours) {
				break
			}
			q.After = page[len(page)-1].Key
		}
		s.check(len(got) == len(ours), "pages of %d: %d records, it should be %d", limit, len(got), len(ours))
		for i := range ours {
			s.same(got[i], ours[i])
		}
	}
	// ours: 6 of tenant a, 4 of b, 6 of c
	s.lists(teamsapp.Query{Bot: ourBot, Tenant: "b", After: ours[7].Key}, ours[8:10]...)
	s.lists(teamsapp.Query{Bot: ourBot, Tenant: "b", After: ours[2].Key}, ours[6:10]...)
	s.lists(teamsapp.Query{Bot: ourBot, Tenant: "b", After: ours[12].Key})
	s.lists(teamsapp.Query{Bot: ourBot, After: ours[15].Key})
}

func listBehindRemoved(s *storeSuite) {
	a, b, c := s.record(ourBot, contoso, person(1, 1)), s.record(ourBot, contoso, person(1, 2)), s.record(ourBot, fabrikam, person(1, 1))
	s.saved(a, c)
	s.lists(teamsapp.Query{Bot: ourBot, After: b.Key}, c) // never was there
	a.Removed = true
	s.saved(a, b)
	s.lists(teamsapp.Query{Bot: ourBot, After: a.Key}, b, c)
}

func listLimits(s *storeSuite) {
	const records = 1003
	for n := range records {
		s.saved(s.record(ourBot, contoso, person(1, n)))
	}
	for limit, want := range map[int]int{-1: 1000, 0: 1000, 1: 1, 999: 999, 1000: 1000, 1001: 1000, 1 << 40: 1000} {
		got, err := s.List(s.Context(), teamsapp.Query{Bot: ourBot, Tenant: contoso, Limit: limit})
		s.ok(err)
		s.check(len(got) == want, "with a limit of %d %d records are listed, it should be %d", limit, len(got), want)
	}
}

func weirdIDs(s *storeSuite) {
	ids := []string{ // in the order of their bytes
		" ", "%", `'; DROP TABLE x; --`, "10", "9", `A"b`, "A_", "Z", `\`, "_", "a", "a ", "a%", "ab", strings.Repeat("long", 60),
		"z", "{t}?$1", "ä", "日本", "ﬁ", "🙂",
	}
	var rs []teamsapp.Record
	for _, tenant := range ids {
		rs = append(rs, s.record(ourBot, mspkit.TenantID(tenant), teamsapp.User{TenantID: tenant, ObjectID: tenant}))
	}
	for _, id := range ids {
		rs = append(rs, s.record(ourBot, "🙂", teamsapp.User{TenantID: "🙂🙂", ObjectID: id}))
	}
	for _, id := range ids {
		rs = append(rs, s.record(ourBot, "🙂", teamsapp.User{TenantID: "🙂🙂" + id, ObjectID: "x"}))
	}
	for i := range rs {
		s.saved(rs[len(rs)-1-i])
	}
	for i, r := range rs {
		s.loads(r)
		if i > 0 {
			s.lists(teamsapp.Query{Bot: ourBot, After: rs[i-1].Key, Limit: 1}, r)
		}
	}
	s.lists(teamsapp.Query{Bot: ourBot}, rs...)
	s.lists(teamsapp.Query{Bot: ourBot, Tenant: "%"}, rs[1])
	s.lists(teamsapp.Query{Bot: ourBot, Tenant: "_"}, rs[9])

	for i, id := range ids {
		bot := s.record("bot "+id, contoso, person(1, i))
		s.saved(bot)
		s.lists(teamsapp.Query{Bot: "bot " + id}, bot)
		s.mine(s.Store, s.claim("owner "+id, "key "+id))
	}
	for _, id := range ids {
		s.ok(s.Answer(s.Context(), "owner "+id, []byte("reply "+id), s.now))
		s.replies(s.second, s.claim("late", "key "+id), "reply "+id)
	}
}

func slicesAreCopied(s *storeSuite) {
	want := s.record(ourBot, contoso, person(1, 1))
	given := want
	given.Sealed = bytes.Clone(want.Sealed)
	s.saved(given)
	given.Sealed[0]++
	s.loads(want)
	got, err := s.Load(s.Context(), want.Key)
	s.ok(err)
	got.Sealed[0]++
	s.loads(want)
	page, err := s.List(s.Context(), teamsapp.Query{Bot: ourBot})
	s.ok(err)
	page[0].Sealed[0]++
	s.loads(want)

	c := s.claim("owner", "a", "b")
	s.mine(s.Store, c)
	c.Keys[0].Key = "changed"
	s.taken(s.Store, s.claim("late", "a"))
	reply := []byte("reply")
	s.ok(s.Answer(s.Context(), "owner", reply, s.now))
	reply[0]++
	first, err := s.Claim(s.Context(), s.claim("late", "a"), s.now)
	s.ok(err)
	s.check(string(first.Reply) == "reply", "the reply is %q", first.Reply)
	first.Reply[0]++
	s.replies(s.Store, s.claim("late", "b"), "reply")
}

func contextOver(s *storeSuite) {
	r := s.record(ourBot, contoso, person(1, 1))
	s.saved(r)
	s.mine(s.Store, s.claim("owner", "a"))
	over, cancel := context.WithCancel(s.Context())
	cancel()

	changed := r
	changed.Sealed = []byte("changed")
	s.is(s.Save(over, changed), context.Canceled)
	_, err := s.Load(over, r.Key)
	s.is(err, context.Canceled)
	_, err = s.List(over, teamsapp.Query{Bot: ourBot})
	s.is(err, context.Canceled)
	_, err = s.Claim(over, s.claim("late", "b"), s.now)
	s.is(err, context.Canceled)
	s.is(s.Answer(over, "owner", []byte("reply"), s.now), context.Canceled)
	s.is(s.Answer(over, "owner", nil, s.now), context.Canceled)
	_, err = s.DeleteExpired(over, s.now.Add(time.Hour), 10)
	s.is(err, context.Canceled)

	s.loads(r)
	s.taken(s.Store, s.claim("late", "a"))
	s.mine(s.Store, s.claim("late", "b"))
	s.deletes(s.now.Add(time.Hour), 10, 2)
}
