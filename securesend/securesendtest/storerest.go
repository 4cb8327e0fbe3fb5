package securesendtest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// The parts about limits, lists, events and names.

func counts(s *suite) {
	one := securesend.Limit{Name: "one", Key: "contoso/one", Max: 1, Window: time.Minute}
	two := securesend.Limit{Name: "two", Key: "contoso/two", Max: 2, Window: time.Hour}
	all := securesend.Limit{Name: "all", Key: "all/three", Max: 3, Window: time.Hour, Global: true}
	s.ok(s.count(one, two, all))
	s.limited(s.count(one, two, all), "one")
	s.limited(s.count(two, one), "one") // counted nothing of the other
	s.limited(s.count(all, one), "one")
	s.ok(s.count(two, all))
	s.limited(s.count(two, all), "two")
	s.ok(s.count(all))
	s.limited(s.count(all), "all")
	other := two
	other.Key = "fabrikam/two"
	s.limited(s.count(other, all), "all")
	s.ok(s.count(other))
	s.ok(s.count(other)) // not counted before
	s.limited(s.count(other), "two")

	s.now = start.Add(time.Minute - tick)
	s.limited(s.count(one), "one")
	s.now = s.now.Add(tick)
	s.ok(s.count(one))
	s.now = start.Add(2*time.Minute - tick)
	s.limited(s.count(one), "one") // a window of its own
	s.now = start.Add(2*time.Minute + time.Second)
	s.ok(s.count(one))
	s.now = start.Add(3 * time.Minute) // begun with the first count, not at a full minute
	s.limited(s.count(one), "one")
	s.now = start.Add(time.Hour)
	s.ok(s.count(two, all))

	slow := securesend.Limit{Name: "slow", Key: "contoso/slow", Max: 2, Window: time.Hour}
	s.ok(s.count(slow))
	s.now = s.now.Add(30 * time.Minute)
	s.ok(s.count(slow))
	s.now = s.now.Add(30*time.Minute - tick)
	s.limited(s.count(slow), "slow")
	s.now = s.now.Add(tick)
	s.ok(s.count(slow)) // a later count does not make the window longer
}

func countsBelowOne(s *suite) {
	for _, maximum := range []int{0, -1, math.MinInt32} {
		for _, global := range []bool{false, true} {
			before := securesend.Limit{Name: "before", Key: "all/before", Max: 1, Window: time.Hour, Global: global}
			none := securesend.Limit{Name: "none", Key: "contoso/none", Max: maximum, Window: time.Hour, Global: global}
			s.limited(s.count(none), "none")
			s.limited(s.count(before, none), "none")
			s.limited(s.count(none, before), "none")
		}
	}
	s.ok(s.count(securesend.Limit{Name: "before", Key: "all/before", Max: 1, Window: time.Hour}))
}

func countsRefusedBegin(s *suite) {
	cooldown := securesend.Limit{Name: "cooldown", Key: "all/x", Max: 1, Window: time.Minute, Global: true}
	s.limited(s.count(cooldown, securesend.Limit{Name: "none", Key: "contoso/none", Window: time.Minute}), "none")
	s.now = s.now.Add(59 * time.Second)
	s.ok(s.count(cooldown))
	s.now = s.now.Add(time.Second)
	s.limited(s.count(cooldown), "cooldown") // a second after what was counted, not a minute after what was refused
	s.now = s.now.Add(59*time.Second - tick)
	s.limited(s.count(cooldown), "cooldown")
	s.now = s.now.Add(tick)
	s.ok(s.count(cooldown))
}

func lists(s *suite) {
	var ids []string
	for i := range 8 {
		r := s.fresh([]mspkit.TenantID{contoso, contoso, contoso, fabrikam}[i%4])
		r.Sender = []string{"jane", "joe"}[i%2]
		r.Subject = []string{"dana", "erin", ""}[i%3]
		r.Ticket = []mspkit.Ticket{{System: "psa", ID: "1"}, {}, {System: "psa", ID: "2"}, {System: "other", ID: "1"}, {ID: "1"}}[i%5]
		if i >= 5 {
			r.Kind = securesend.KindRequest
		}
		s.now = s.now.Add(tick)
		r.CreatedAt = s.now.Add(-time.Hour)
		if i == 2 {
			r.CreatedAt = s.now.Add(time.Hour) // the newest, though it was not stored last
		}
		ids = append(ids, s.put(r).ID)
	}
	of := func(q securesend.Query) []string {
		s.Helper()
		q.Tenant = contoso
		var out []string
		for _, r := range s.list(q) {
			out = append(out, r.ID)
		}
		return out
	}
	pick := func(is ...int) []string {
		var out []string
		for _, i := range is {
			out = append(out, ids[i])
		}
		return out
	}
	s.equal(of(securesend.Query{}), pick(2, 6, 5, 4, 1, 0), "all, the newest first")
	s.equal(of(securesend.Query{Limit: 2}), pick(2, 6), "a limit")
	s.equal(of(securesend.Query{Limit: -1}), pick(2, 6, 5, 4, 1, 0), "a limit below one")
	s.equal(of(securesend.Query{Limit: 5000}), pick(2, 6, 5, 4, 1, 0), "a limit above a thousand")
	s.equal(of(securesend.Query{Sender: "joe"}), pick(5, 1), "of a sender")
	s.equal(of(securesend.Query{Subject: "dana"}), pick(6, 0), "of a recipient")
	s.equal(of(securesend.Query{Ticket: mspkit.Ticket{System: "psa", ID: "1"}}), pick(5, 0), "of a ticket")
	s.equal(of(securesend.Query{Ticket: mspkit.Ticket{ID: "1"}}), pick(4), "of a ticket without a system")
	s.equal(of(securesend.Query{Kind: securesend.KindRequest}), pick(6, 5), "of a kind")
	s.equal(of(securesend.Query{Kind: securesend.KindSend, Sender: "jane", Subject: "dana", Ticket: mspkit.Ticket{System: "psa", ID: "1"}}), pick(0), "of everything")
	s.equal(of(securesend.Query{Sender: "joe", Limit: 1}), pick(5), "of a sender with a limit")
	for _, q := range []securesend.Query{{Sender: "j%"}, {Sender: "JANE"}, {Subject: "*"}, {Ticket: mspkit.Ticket{System: "psa"}}, {Kind: "s"}} {
		s.equal(of(q), []string(nil), "what nothing has")
	}
	s.equal(len(s.list(securesend.Query{})), 0, "of no tenant")
	_, err := s.revoke(securesend.Ref{Tenant: contoso, ID: ids[6]})
	s.ok(err)
	s.took(securesend.Ref{Tenant: contoso, ID: ids[0]}, "mine")
	s.equal(of(securesend.Query{}), pick(2, 6, 5, 4, 1, 0), "what has ended stays in the list")
	s.equal(of(securesend.Query{Sender: "jane", Limit: 3}), pick(2, 6, 4), "of a sender")
}

func listsMany(s *suite) {
	for range 1001 {
		r := s.fresh(contoso)
		s.now = s.now.Add(tick)
		r.CreatedAt = s.now
		st := s.stamp(securesend.EventCreated)
		s.ok(s.stores[0].Put(s.Context(), r, st, s.now))
		s.ok(s.model.put(r, st, s.now))
	}
	s.equal(len(s.list(securesend.Query{Tenant: contoso})), 1000, "without a limit")
	s.equal(len(s.list(securesend.Query{Tenant: contoso, Limit: 1001})), 1000, "with one above a thousand")
	s.equal(len(s.list(securesend.Query{Tenant: contoso, Limit: 999})), 999, "with one below")
}

func eventsInOrder(s *suite) {
	var want []string
	for i := range 7 {
		ref := s.put(s.fresh([]mspkit.TenantID{contoso, fabrikam}[i%2]))
		es := s.model.events[ref.Tenant]
		want = append(want, es[len(es)-1].ID)
	}
	ids := func(q securesend.EventQuery) map[mspkit.TenantID][]string {
		s.Helper()
		es, err := s.next().Events(s.Context(), q)
		s.ok(err)
		out := map[mspkit.TenantID][]string{}
		for _, e := range es {
			out[e.Tenant] = append(out[e.Tenant], e.ID)
		}
		return out
	}
	all := map[mspkit.TenantID][]string{contoso: {want[0], want[2], want[4], want[6]}, fabrikam: {want[1], want[3], want[5]}}
	three := ids(securesend.EventQuery{Limit: 3})
	s.equal(len(three[contoso])+len(three[fabrikam]), 3, "a limit of 3")
	for tenant, first := range three {
		s.equal(first, all[tenant][:len(first)], "the first of "+string(tenant))
	}
	s.equal(ids(securesend.EventQuery{Limit: 3}), three, "again, not acknowledged")
	s.equal(ids(securesend.EventQuery{Limit: 2, Skip: []mspkit.TenantID{contoso}}), map[mspkit.TenantID][]string{fabrikam: {want[1], want[3]}}, "skipping a tenant")
	s.equal(ids(securesend.EventQuery{Limit: 9, Skip: []mspkit.TenantID{contoso, fabrikam, "none"}}), map[mspkit.TenantID][]string{}, "skipping both")
	s.equal(ids(securesend.EventQuery{Limit: 9, Skip: []mspkit.TenantID{"cont", "contoso%", "CONTOSO", ""}}), all, "skipping others")
	s.ackEvents(want[0], want[2], "unknown", "", want[0])
	s.ackEvents(want[0])
	s.ackEvents()
	s.ackEvents(want[5]) // not the first of its tenant
	ref := s.put(s.fresh(contoso))
	es := s.events()[contoso]
	s.equal([]any{len(es), es[2].Send}, []any{3, ref.ID}, "what was not acknowledged, and what came later")
	for _, tenant := range []mspkit.TenantID{contoso, fabrikam} {
		for _, e := range s.events()[tenant] {
			s.ackEvents(e.ID)
		}
	}
	before := s.seq()
	s.put(s.fresh(contoso))
	s.equal(s.seq() > before, true, "whether Seq begins again")
}

// seq returns the highest one.
func (s *suite) seq() int64 {
	es, err := s.next().Events(s.Context(), securesend.EventQuery{Limit: 1000})
	s.ok(err)
	var n int64
	for _, e := range es {
		n = max(n, e.Seq)
	}
	return n
}

func (s *suite) ackEvents(ids ...string) {
	s.Helper()
	s.note("AckEvents %d", len(ids))
	s.ok(s.next().AckEvents(s.Context(), ids))
	s.model.ack(ids)
	s.told()
}

// eventsStay says that events outlive their record.
func eventsStay(s *suite) {
	r := s.fresh(contoso)
	r.Blobs = false
	_, err := s.revoke(s.put(r))
	s.ok(err)
	s.now = s.now.Add(day)
	s.equal(s.deleteExpired(deletion{limit: 10}), 1, "deleted")
	s.equal(len(s.events()[contoso]), 2, "events of a record that is not there any more")
}

func tenants(s *suite) {
	mine := s.begun()
	r := s.fresh(fabrikam)
	r.ID, r.Auth = mine.ID, hash("auth"+mine.ID)
	theirs := s.put(r)
	auth := hash("auth" + mine.ID)
	none := securesend.Ref{Tenant: "none", ID: mine.ID}
	_, err := s.look(none, auth)
	s.is(err, securesend.ErrNotFound)
	_, err = s.take(none, s.asks(mine, "claim"))
	s.is(err, securesend.ErrNotFound)
	s.took(mine, "claim")
	s.equal(s.stat(theirs).State, securesend.StateReady, "the state of the other tenant's")
	_, err = s.ack(theirs, "claim", auth)
	s.is(err, securesend.ErrOpening)
	_, err = s.revoke(theirs)
	s.ok(err)
	s.equal(s.stat(mine).State, securesend.StateOpening, "the state of mine")
	s.is(s.forget(mine), securesend.ErrConflict)
	s.ok(s.forget(theirs))
	s.equal(s.stat(mine).Blobs, true, "blobs of mine")
	s.now = s.now.Add(tick)
	s.equal(s.deleteExpired(deletion{limit: 10}), 1, "deleted: theirs")
	s.took(mine, "claim")
	s.equal(len(s.list(securesend.Query{Tenant: fabrikam})), 0, "of the other tenant")
}

// alike are names of which each, with what a store may put before, between and behind them, looks like others.
var alike = []string{
	"a", "A", "a:", ":a", "1:a", "1:a:", "a:1:a", "a/b", "a/", "/a", "a~", "~", "{a}", "}{", "a%", "%", "_", "a_", "a*", "[a", "(a",
	"a'--", `a"`, `a\`, `\u0000`, "a b", "\u00e9", "e\u0301", "\U0001f600", "?", "$1", "0", "00", "-1", "nil", "null", "1:1:1:",
}

func namesApart(s *suite) {
	names := append(slices.Clone(alike), string(slices.Repeat([]byte("ü"), 64)))
	for i, name := range names {
		other := names[(i+1)%len(names)]
		r := s.fresh(mspkit.TenantID(name))
		r.ID, r.Auth = "a", hash("autha")
		r.Sender, r.Subject, r.Region, r.Blobs = name, other, name, true
		r.Ticket = mspkit.Ticket{System: other, ID: name}
		s.put(r)
		s.ok(s.count(securesend.Limit{Name: name, Key: name, Max: 1, Window: time.Hour}))
	}
	for i, name := range names {
		tenant, other := mspkit.TenantID(name), names[(i+1)%len(names)]
		ref := securesend.Ref{Tenant: tenant, ID: "a"}
		s.limited(s.count(securesend.Limit{Name: name, Key: name, Max: 1, Window: time.Hour}), name)
		for _, q := range []securesend.Query{{}, {Sender: name}, {Subject: other}, {Ticket: mspkit.Ticket{System: other, ID: name}}} {
			q.Tenant = tenant
			s.equal(len(s.list(q)), 1, "sends of "+name)
		}
		s.equal(len(s.list(securesend.Query{Tenant: tenant, Sender: other})), 0, "sends of another sender")
		s.equal(s.took(ref, "claim").Views, 1, "views of "+name)
		_, err := s.ack(ref, "claim", hash("autha"))
		s.ok(err)
		s.equal(s.dead(10, name), []securesend.Ref{ref}, "dead in the region "+name)
	}
}

func namesRefused(s *suite) {
	for _, name := range []string{"a\x00b", "\x00", "\xff", "a\xc3", "\xed\xa0\x80"} {
		r := s.fresh(contoso)
		r.Sender, r.Subject, r.Ticket.ID = name, name, name
		before := s.events()
		if err := s.stores[0].Put(s.Context(), r, s.stamp(securesend.EventCreated), s.now); err != nil {
			s.equal(s.events(), before, "events") // it cannot be stored, so nothing was
			_, err = s.stores[0].Stat(s.Context(), r.Ref)
			s.is(err, securesend.ErrNotFound)
			continue
		}
		got := s.stat(r.Ref)
		s.equal([]string{got.Sender, got.Subject, got.Ticket.ID}, []string{name, name, name}, fmt.Sprintf("the name %q", name))
	}
	s.raced = true // the model does not know what can be stored
}

func clockSkew(s *suite) {
	ref := s.begun()
	s.took(ref, "mine")
	until := utc(s.stat(ref).LeaseUntil)
	for _, skew := range []time.Duration{-time.Minute, time.Minute - tick} {
		s.now = start.Add(skew)
		_, err := s.take(ref, s.asks(ref, "another"))
		s.is(err, securesend.ErrOpening)
		s.equal(s.expire(10), 0, "swept")
		_, err = s.extend(ref, securesend.Fetch{Claim: hash("mine"), Auth: hash("auth" + ref.ID), To: 1})
		s.ok(err)
		if utc(s.stat(ref).LeaseUntil).Before(until) {
			s.Fatal("a clock that is behind shortens the lease")
		}
	}
}

func restart(s *suite) {
	r := s.fresh(contoso)
	r.MaxViews = 2
	ref, draft := s.put(r), s.put(s.draft(fabrikam))
	s.took(ref, "mine")
	s.ok(s.count(securesend.Limit{Name: "l", Key: "contoso/l", Max: 1, Window: time.Hour}))
	s.stores = []securesend.SecretStore{s.open()}
	s.took(ref, "mine")
	_, err := s.take(ref, s.asks(ref, "another"))
	s.is(err, securesend.ErrOpening)
	s.limited(s.count(securesend.Limit{Name: "l", Key: "contoso/l", Max: 1, Window: time.Hour}), "l")
	_, err = s.commit(draft, s.content(draft))
	s.ok(err)
	s.now = s.now.Add(2 * day)
	s.stores = []securesend.SecretStore{s.open()}
	s.equal(s.expire(10), 2, "swept")
}
