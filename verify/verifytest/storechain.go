package verifytest

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// The parts about approvals, alerts of limits, and chains.

// approvable returns a confirmed challenge that needs an approval.
func (s *suite) approvable() verify.Record {
	s.Helper()
	n := s.fresh(contoso, "dana")
	n.Record.NeedsApproval = true
	return s.confirm(s.attempt(s.begin(n).Ref))
}

func approves(s *suite) {
	ctx := s.Context()
	r := s.approvable()
	s.equal(r.NeedsApproval, true, "needs an approval")
	approve := func(by string) (verify.Record, error) {
		return s.Approve(ctx, r.Ref, by, s.stamp(verify.EventApproved), s.now)
	}
	_, err := s.Redeem(ctx, r.Ref, "a", s.stamp(verify.EventRedeemed), s.now)
	s.is(err, verify.ErrUnapproved)
	for _, nobody := range []string{"", r.Technician, strings.ToUpper(r.Technician)} {
		_, err = approve(nobody)
		s.is(err, verify.ErrForbidden)
	}
	until := s.now.Add(time.Minute)
	s.ok(s.ChangeSubject(ctx, contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	_, err = approve("joe")
	s.is(err, verify.ErrFrozen)
	s.ok(s.ChangeSubject(ctx, contoso, "dana", verify.SubjectChange{FrozenUntil: &time.Time{}, Stamp: s.stamp(verify.EventUnfrozen)}, s.now))

	before := len(s.events())
	got, err := approve("joe")
	s.ok(err)
	s.equal([]any{got.ApprovedBy, got.Version}, []any{"joe", r.Version + 1}, "approved by, version")
	if !got.ApprovedAt.Equal(s.now) {
		s.Fatalf("approved at %v", got.ApprovedAt)
	}
	s.hidden(got)
	again, err := approve("kim")
	s.ok(err)
	s.same(again, got)
	s.same(s.get(r.Ref), got)
	events := s.events()
	s.equal(len(events), before+1, "events of two approvals")
	s.equal(events[len(events)-1].Kind, verify.EventApproved, "the event")
	_, err = s.Redeem(ctx, r.Ref, "a", s.stamp(verify.EventRedeemed), s.now)
	s.ok(err)

	late := s.approvable()
	s.now = late.ProofUntil
	_, err = s.Approve(ctx, late.Ref, "joe", s.stamp(verify.EventApproved), s.now)
	s.is(err, verify.ErrProofExpired)
	for what, ref := range map[string]verify.Ref{
		"one that is pending": s.begun().Ref, "one that needs none": s.confirm(s.attempt(s.begun().Ref)).Ref,
	} {
		if _, err := s.Approve(ctx, ref, "joe", s.stamp(verify.EventApproved), s.now); err == nil {
			s.Fatalf("%s was approved", what)
		}
	}
	for _, ref := range []verify.Ref{{Tenant: fabrikam, ID: r.ID}, {Tenant: contoso, ID: "unknown"}} {
		_, err = s.Approve(ctx, ref, "joe", s.stamp(verify.EventApproved), s.now)
		s.is(err, verify.ErrNotFound)
	}
}

func raceApprove(s *suite) {
	r := s.approvable()
	before := len(s.events())
	s.race(func(st verify.Store, i int) {
		_, err := st.Approve(s.Context(), r.Ref, fmt.Sprint("technician-", i), s.stamp(verify.EventApproved), s.now)
		s.unexpected(err)
	})
	s.equal(len(s.events()), before+1, "events of one approval")
}

func limitAlerts(s *suite) {
	limits := []verify.Limit{
		{Name: "quiet", Key: "quiet", Max: 2, Window: time.Hour},
		{Name: "loud", Key: "loud", Max: 2, Window: time.Hour, Alert: true, Refund: true},
		{Name: "global", Key: "destination/x/day", Max: 3, Window: time.Hour, Alert: true, Global: true},
	}
	first, second := s.fresh(contoso, "dana"), s.fresh(contoso, "erin")
	r := s.begin(first, limits...)
	s.equal(s.kinds(), "started", "before the limit is reached")
	s.begin(second, limits...)
	events := s.events()
	s.equal(s.kinds(), "started started limit-reached", "when it is reached")
	want := s.get(second.Record.Ref).Event(limits[1].Reached(second.Stamp, 1), s.now)
	want.Seq = events[2].Seq
	s.equal(events[2], want, "the event")
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "kim"), limits, s.now)
	s.is(err, verify.ErrLimited)
	s.equal(len(s.events()), 3, "events after a refusal")

	// A global limit counts over tenants, and what was refused by another limit was not counted.
	third := s.fresh(fabrikam, "dana")
	s.begin(third, limits[2])
	events = s.events()
	got := slices.IndexFunc(events, func(e verify.Event) bool { return e.Tenant == fabrikam && e.Kind == verify.EventLimit })
	if got < 0 || events[got].ID != limits[2].Reached(third.Stamp, 0).ID || events[got].Reason != "global" {
		s.Fatalf("the alert of the global limit is missing: %+v", events)
	}
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "kim"), limits[2:], s.now)
	s.is(err, verify.ErrLimited)

	// A renewal counts too. The count that is given back makes room.
	s.confirm(s.attempt(r.Ref))
	renewal := s.renewal()
	_, err = s.Renew(s.Context(), second.Record.Ref, 1, renewal, limits[1:2], s.now)
	s.ok(err)
	events = s.events()
	got = slices.IndexFunc(events, func(e verify.Event) bool { return e.ID == limits[1].Reached(renewal.Stamp, 0).ID })
	if got < 0 {
		s.Fatalf("the alert of the renewal is missing: %+v", events)
	}
}

// link returns a link as a service might make it.
func link(n int64) verify.Link {
	return verify.Link{N: n, Value: []byte{byte(n), 0, 255, byte(n >> 8)}}
}

// chain adds everything to its chains.
func (s *suite) chain() {
	s.Helper()
	tails, err := s.Unchained(s.Context(), 100_000)
	s.ok(err)
	for _, t := range tails {
		for i := range t.Events {
			t.Events[i].Link = link(t.Head.N + int64(i) + 1)
		}
		s.ok(s.Chain(s.Context(), t.Tenant, t.Head.N, t.Events))
	}
}

func (s *suite) evidence(tenant mspkit.TenantID, after int64, limit int) verify.Evidence {
	s.Helper()
	e, err := s.Evidence(s.Context(), tenant, after, limit)
	s.ok(err)
	return e
}

func chainGrows(s *suite) {
	ctx := s.Context()
	s.equal(s.evidence(contoso, 0, 10), verify.Evidence{}, "evidence before there is any")
	for range 3 {
		s.begun()
	}
	s.begin(s.fresh(fabrikam, "dana"))
	stored := s.events()
	tails, err := s.Unchained(ctx, 2)
	s.ok(err)
	n := 0
	for _, t := range tails {
		n += len(t.Events)
	}
	s.equal(n, 2, "events with a limit of 2")
	tails, err = s.Unchained(ctx, 10)
	s.ok(err)
	s.equal(len(tails), 2, "tails")
	t := tails[slices.IndexFunc(tails, func(t verify.Tail) bool { return t.Tenant == contoso })]
	s.equal(t.Head, verify.Link{}, "the head of an empty chain")
	var want []verify.Event
	for _, e := range stored {
		if e.Tenant == contoso {
			want = append(want, e)
		}
	}
	s.equal(t.Events, want, "what is to be chained")
	for i := range t.Events {
		t.Events[i].Link = link(int64(i) + 1)
	}
	s.ok(s.Chain(ctx, contoso, 0, t.Events[:2]))
	s.is(s.Chain(ctx, contoso, 0, t.Events[2:]), verify.ErrConflict)
	s.is(s.Chain(ctx, contoso, 1, t.Events[2:]), verify.ErrConflict)
	s.is(s.Chain(ctx, contoso, 2, t.Events[1:2]), verify.ErrConflict) // is in it already
	s.is(s.Chain(ctx, fabrikam, 0, t.Events[2:]), verify.ErrConflict)
	got := s.evidence(contoso, 0, 10)
	s.equal(got, verify.Evidence{Head: link(2), Events: t.Events[:2]}, "the chain")
	s.ok(s.Chain(ctx, contoso, 2, t.Events[2:]))
	s.equal(s.evidence(contoso, 1, 1), verify.Evidence{Head: link(3), Events: t.Events[1:2]}, "a part of the chain")
	s.equal(s.evidence(fabrikam, 0, 10), verify.Evidence{}, "the other tenant's chain")

	// Handing over and chaining do not depend on each other.
	s.begun()
	tails, err = s.stores[1].Unchained(ctx, 10)
	s.ok(err)
	t = tails[slices.IndexFunc(tails, func(t verify.Tail) bool { return t.Tenant == contoso })]
	s.equal([]any{t.Head, len(t.Events)}, []any{link(3), 1}, "the tail after the chain has grown")
	s.ok(s.Ack(ctx, []string{t.Events[0].ID}))
	s.chain()
	got = s.evidence(contoso, 3, 10)
	s.equal([]any{len(got.Events), got.Events[0].ID, got.Head}, []any{1, t.Events[0].ID, link(4)}, "an acknowledged event in the chain")
	for _, e := range s.events() {
		if e.Link.N == 0 {
			s.Fatalf("an event that is in the chain is handed over without its link: %+v", e)
		}
	}
}

func chainDeletes(s *suite) {
	ctx := s.Context()
	began := s.now
	for range 6 {
		s.begun()
		s.now = s.now.Add(time.Minute)
	}
	s.chain()
	var ids []string
	for _, e := range s.events() {
		ids = append(ids, e.ID)
	}
	drop := func(before time.Time, limit int) int {
		s.Helper()
		n, err := s.DeleteExpired(ctx, began.Add(-time.Hour), before, began, limit)
		s.ok(err)
		return n
	}
	far := s.now.Add(time.Hour)
	s.equal(drop(far, 10), 0, "deleted although nothing was handed over")
	s.ok(s.Ack(ctx, []string{ids[0], ids[1], ids[3]}))
	s.equal(drop(began.Add(time.Minute), 10), 1, "deleted of what is old")
	s.equal(drop(far, 10), 1, "deleted up to what was not handed over")
	s.ok(s.Ack(ctx, []string{ids[2], ids[4]}))
	s.equal(drop(far, 2), 2, "deleted with a limit of 2")
	s.equal(drop(far, 10), 1, "deleted at last")
	got := s.evidence(contoso, 0, 10)
	s.equal([]any{got.Base, got.Head, len(got.Events), got.Events[0].ID}, []any{link(5), link(6), 1, ids[5]}, "what is left")
	s.ok(s.Ack(ctx, ids[5:]))
	s.equal(drop(far, 10), 1, "deleted to the end")
	s.equal(s.evidence(contoso, 0, 10), verify.Evidence{Base: link(6), Head: link(6)}, "an empty chain goes on where it was")
	s.begun()
	s.chain()
	s.equal(s.evidence(contoso, 0, 10).Events[0].Link, link(7), "the next link")

	s.begun() // in no chain yet
	last := s.events()
	s.ok(s.Ack(ctx, []string{last[0].ID, last[1].ID}))
	s.equal(drop(far, 10), 1, "deleted of two, one of them in no chain")
}

func raceChain(s *suite) {
	for range 5 {
		s.begun()
	}
	var won atomic.Int32
	s.race(func(st verify.Store, _ int) {
		tails, err := st.Unchained(s.Context(), 10)
		if s.unexpected(err) || len(tails) == 0 {
			return
		}
		for i := range tails[0].Events {
			tails[0].Events[i].Link = link(tails[0].Head.N + int64(i) + 1)
		}
		if !s.unexpected(st.Chain(s.Context(), contoso, tails[0].Head.N, tails[0].Events), verify.ErrConflict) {
			won.Add(1)
		}
	})
	s.equal(int(won.Load()), 1, "instances that added the same events")
	for i, e := range s.evidence(contoso, 0, 100).Events {
		s.equal(e.Link, link(int64(i)+1), "a link")
	}
}
