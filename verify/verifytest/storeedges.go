package verifytest

import (
	"math"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// The parts about what lies at the edge: limits that allow nothing, times that meet, and names that somebody chose to be
// taken for others.

func limitsBelowOne(s *suite) {
	r := s.begun()
	before := func(global bool) verify.Limit {
		return verify.Limit{Name: "before", Key: "all/before", Max: 1, Window: time.Hour, Global: global}
	}
	for _, maximum := range []int{0, -1, math.MinInt32} {
		for _, global := range []bool{false, true} {
			l := []verify.Limit{before(global), {Name: "none", Key: "all/none", Max: maximum, Window: time.Hour, Global: global}}
			_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), l, s.now)
			s.is(err, verify.ErrLimited)
			_, err = s.Renew(s.Context(), r.Ref, r.Version, s.renewal(), l, s.now)
			s.is(err, verify.ErrLimited)
			q := verify.Queued{Tenant: contoso, ID: verify.NewEventID(), At: s.now, Due: s.now}
			s.is(s.Enqueue(s.Context(), q, l, s.now), verify.ErrLimited)
		}
	}
	s.same(s.get(r.Ref), r)
	s.begin(s.fresh(contoso, "dana"), before(false)) // was not counted
}

func limitsRefusedBegin(s *suite) {
	cooldown := verify.Limit{Name: "cooldown", Key: "destination/x/cooldown", Max: 1, Window: time.Minute, Global: true}
	none := verify.Limit{Name: "none", Key: "none", Max: 0, Window: time.Minute}
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{cooldown, none}, s.now)
	s.is(err, verify.ErrLimited)
	s.now = s.now.Add(59 * time.Second)
	s.begin(s.fresh(contoso, "dana"), cooldown)
	s.now = s.now.Add(time.Second)
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{cooldown}, s.now)
	s.is(err, verify.ErrLimited) // a second after the first message, not a minute after what was refused
}

func nothingAsked(s *suite) {
	ctx := s.Context()
	s.confirm(s.attempt(s.begin(s.fresh(contoso, "dana"), verify.Limit{Name: "l", Key: "l", Max: 1, Window: time.Minute}).Ref))
	s.chain()
	var ids []string
	for _, e := range s.events() {
		ids = append(ids, e.ID)
	}
	s.ok(s.Ack(ctx, ids))
	open := s.begun()
	s.ok(s.Enqueue(ctx, verify.Queued{Tenant: contoso, ID: "q", At: s.now, Due: s.now}, nil, s.now))
	later := s.now.Add(time.Hour)
	for _, limit := range []int{0, -1, math.MinInt32} {
		events, err := s.Events(ctx, verify.EventQuery{Limit: limit})
		s.ok(err)
		tails, err := s.Unchained(ctx, limit)
		s.ok(err)
		due, err := s.Due(ctx, s.now, time.Minute, limit)
		s.ok(err)
		expired, err := s.Expire(ctx, later, limit)
		s.ok(err)
		deleted, err := s.DeleteExpired(ctx, later, later, later, limit)
		s.ok(err)
		s.equal([]int{len(events), len(tails), len(due), expired, deleted, len(s.evidence(contoso, 0, limit).Events)}, make([]int, 6), "with a limit below one")
	}
	s.equal(s.get(open.Ref).State, verify.StatePending, "state")
	s.equal(len(s.evidence(contoso, -1, 10).Events), len(ids), "evidence from before the beginning, without what is in no chain")
	s.equal(len(s.evidence(contoso, math.MaxInt64, 10).Events), 0, "evidence after the end")
}

func freezeEnds(s *suite) {
	ctx := s.Context()
	n := s.fresh(contoso, "dana")
	n.Record.NeedsApproval, n.Record.MaxTries = true, 9
	r, other := s.begin(n), s.begin(s.fresh(contoso, "dana"))
	until := s.now.Add(time.Minute)
	s.ok(s.ChangeSubject(ctx, contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	verbs := []func() error{
		func() error {
			_, _, err := s.Begin(ctx, s.fresh(contoso, "dana"), nil, s.now)
			return err
		},
		func() error {
			_, err := s.Renew(ctx, other.Ref, other.Version, s.renewal(), nil, s.now)
			return err
		},
		func() error {
			got, _, err := s.Attempt(ctx, r.Ref, s.try(), s.now)
			s.ok(err)
			if len(got.MAC) == 0 {
				return verify.ErrFrozen
			}
			return nil
		},
		func() error {
			_, err := s.Finish(ctx, r.Ref, r.Version, s.confirmed(), s.now)
			return err
		},
	}
	s.now = until.Add(-time.Microsecond)
	for _, verb := range verbs {
		s.is(verb(), verify.ErrFrozen)
	}
	s.now = until
	for _, verb := range verbs {
		s.ok(verb())
	}
	again := until.Add(time.Minute)
	s.ok(s.ChangeSubject(ctx, contoso, "dana", verify.SubjectChange{FrozenUntil: &again, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	for _, at := range []time.Time{again.Add(-time.Microsecond), again} {
		_, approved := s.Approve(ctx, r.Ref, "joe", s.stamp(verify.EventApproved), at)
		_, redeemed := s.Redeem(ctx, r.Ref, "job", s.stamp(verify.EventRedeemed), at)
		if at.Before(again) {
			s.is(approved, verify.ErrFrozen)
			s.is(redeemed, verify.ErrFrozen)
			continue
		}
		s.ok(approved)
		s.ok(redeemed)
	}
}

func eventsBeside(s *suite) {
	ctx := s.Context()
	last := func(want verify.Event) {
		s.Helper()
		events := s.events()
		got := events[len(events)-1]
		got.Seq = 0
		if want.ID == "" {
			got.ID = ""
		}
		s.equal(got, want, "the event")
	}
	n := s.fresh(contoso, "dana")
	n.Record.LockAfter = 1
	r := s.begin(n)
	t := s.try()
	got, _, err := s.Attempt(ctx, r.Ref, t, s.now)
	s.ok(err)
	last(got.Event(t.Stamp.Locked(), s.now))

	o := verify.Outcome{
		State: verify.StateDenied, Stamp: s.stamp(verify.EventDenied), FreezeUntil: s.now.Add(time.Hour),
		FreezeStamp: verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventFrozen, By: "another", Reason: "of its own"},
	}
	got, err = s.Finish(ctx, r.Ref, r.Version, o, s.now)
	s.ok(err)
	last(got.Event(o.FreezeStamp, s.now))

	r = s.begin(s.fresh(contoso, "erin"))
	_, err = s.Expire(ctx, r.ExpiresAt, 10)
	s.ok(err)
	last(s.get(r.Ref).Event(verify.Stamp{Kind: verify.EventExpired, By: verify.BySystem}, r.ExpiresAt))
}

// alike are names of which each, with what a store may put before, between and behind them, looks like others.
var alike = []string{
	"a", "A", "a:", ":a", "1:a", "1:a:", "a:1:a", "a/b", "a/", "/a", "a~", "~", "{a}", "}{", "a%", "%", "_", "a_", "a*", "[a", "(a",
	"a'--", `a"`, `a\`, `\u0000`, "a\tb", "a b", "\u00e9", "e\u0301", "\U0001f600", "\uffff", "\u202ea", "?", "$1", "0", "00", "-1", "nil", "null", "1:1:1:",
}

func namesApart(s *suite) {
	ctx := s.Context()
	names := append(slices.Clone(alike), string(slices.Repeat([]byte("ü"), 64)))
	for i, name := range names {
		other := names[(i+1)%len(names)]
		n := s.fresh(mspkit.TenantID(name), other)
		n.Record.ID, n.Record.Technician, n.Record.ReceiptID, n.Record.Answerer = other, name, other, name
		n.Record.Ticket = mspkit.Ticket{System: name, ID: other}
		n.Idempotency, n.Fingerprint = other, name
		limit := verify.Limit{Name: name, Key: name, Max: 1, Window: time.Hour, Refund: true, Alert: true}
		r := s.begin(n, limit)
		s.equal(r.Refund, []string{name}, "the counter to be given back")
		t := s.try()
		t.Answerers = []string{other, name}
		got, sub, err := s.Attempt(ctx, r.Ref, t, s.now)
		s.ok(err)
		s.equal([]any{got.Tries, sub.Failures, got.MAC}, []any{1, 1, n.Record.MAC}, "a try of "+name)
	}
	for i, name := range names {
		tenant, other := mspkit.TenantID(name), names[(i+1)%len(names)]
		for _, q := range []verify.Query{{}, {Technician: name}, {Subject: other}, {OpenAt: s.now}, {Subject: other, Technician: name, OpenAt: s.now}} {
			q.Tenant = tenant
			rs, err := s.List(ctx, q)
			s.ok(err)
			s.equal(len(rs), 1, "challenges of "+name)
			s.equal([]string{string(rs[0].Tenant), rs[0].ID, rs[0].Technician, rs[0].Subject}, []string{name, other, name, other}, "the challenge")
		}
		rs, err := s.List(ctx, verify.Query{Tenant: tenant, Subject: name})
		s.ok(err)
		s.equal(len(rs), 0, "challenges of another subject")
		r := s.confirm(s.get(verify.Ref{Tenant: tenant, ID: other}))
		r, err = s.Redeem(ctx, r.Ref, name, s.stamp(verify.EventRedeemed), s.now)
		s.ok(err)
		s.equal(r.RedeemedBy, name, "redeemed by")
		_, err = s.Redeem(ctx, r.Ref, other, s.stamp(verify.EventRedeemed), s.now)
		s.is(err, verify.ErrRedeemed)
		again := s.fresh(tenant, "somebody") // the count was given back
		s.begin(again, verify.Limit{Name: name, Key: name, Max: 1, Window: time.Hour})
	}
	s.chain()
	for _, name := range names {
		e := s.evidence(mspkit.TenantID(name), 0, 100)
		s.equal(len(e.Events), int(e.Head.N), "events in the chain of "+name)
		for _, event := range e.Events {
			s.equal(string(event.Tenant), name, "the tenant of an event")
		}
	}
}

func namesRefused(s *suite) {
	ctx := s.Context()
	for _, name := range []string{"a\x00b", "\x00", "\xff", "a\xc3", "\xed\xa0\x80"} {
		limits := []verify.Limit{{Name: "t", Key: "counted/" + verify.NewEventID(), Max: 1, Window: time.Hour}}
		n, before := s.fresh(contoso, name), len(s.events())
		n.Record.Technician = name
		r, _, err := s.Begin(ctx, n, limits, s.now)
		if err == nil { // it can be stored, so it must be what it was
			s.equal([]string{r.Subject, r.Technician, s.get(r.Ref).Subject}, []string{name, name, name}, "the name")
		} else {
			s.equal(len(s.events()), before, "events")
			s.begin(s.fresh(contoso, "dana"), limits...)
		}
		if _, _, err := s.Get(ctx, verify.Ref{Tenant: contoso, ID: name}); err == nil {
			s.Fatal("a challenge has the name of another")
		}
	}
}
