package verifytest

import (
	"cmp"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// The parts about time, lists, subjects, events, the queue, tenants and restarts.

func expiry(s *suite) {
	r, kept := s.begun(), s.fresh(contoso, "erin")
	kept.Record.ExpiresAt = s.now.Add(time.Hour)
	s.begin(kept)
	done := s.confirm(s.attempt(s.begin(s.fresh(contoso, "kim")).Ref))
	n, err := s.Expire(s.Context(), r.ExpiresAt.Add(-time.Microsecond), 10)
	s.ok(err)
	s.equal(n, 0, "expired too early")
	n, err = s.Expire(s.Context(), r.ExpiresAt, 10)
	s.ok(err)
	s.equal(n, 1, "expired")
	got := s.get(r.Ref)
	s.equal(got.State, verify.StateExpired, "state")
	if got.DecidedAt.IsZero() {
		s.Fatal("an expired challenge has no time of decision, so it would never be deleted")
	}
	s.equal(s.get(kept.Record.Ref).State, verify.StatePending, "the other challenge")
	s.equal(s.get(done.Ref).State, verify.StateConfirmed, "the ended challenge")
	last := s.events()[len(s.events())-1]
	s.equal([]any{last.Kind, last.Challenge, last.State}, []any{verify.EventExpired, r.ID, verify.StateExpired}, "the event")
	if last.ID == "" {
		s.Fatal("the event has no id")
	}
	for range 5 {
		s.begin(s.fresh(contoso, "lee"))
	}
	n, err = s.Expire(s.Context(), s.now.Add(24*time.Hour), 3)
	s.ok(err)
	s.equal(n, 3, "expired with a limit of 3")
}

func listSelects(s *suite) {
	var want []string
	for i := range 6 {
		n := s.fresh(contoso, []string{"dana", "erin"}[i%2])
		n.Record.Technician = []string{"jane", "joe", "jane"}[i%3]
		n.Record.CreatedAt = s.now.Add(time.Duration(i) * time.Second)
		s.begin(n)
		want = append(want, n.Record.ID)
	}
	s.begin(s.fresh(fabrikam, "dana"))
	slices.Reverse(want)
	ids := func(q verify.Query) []string {
		s.Helper()
		q.Tenant = contoso
		rs, err := s.List(s.Context(), q)
		s.ok(err)
		var out []string
		for _, r := range rs {
			s.hidden(r)
			out = append(out, r.ID)
		}
		return out
	}
	s.equal(ids(verify.Query{}), want, "all")
	s.equal(ids(verify.Query{Limit: 2}), want[:2], "limit")
	s.equal(ids(verify.Query{Technician: "joe"}), []string{want[1], want[4]}, "technician")
	s.equal(ids(verify.Query{Subject: "erin"}), []string{want[0], want[2], want[4]}, "subject")
	s.equal(ids(verify.Query{Subject: "erin", Technician: "joe"}), []string{want[4]}, "both")

	s.confirm(s.attempt(verify.Ref{Tenant: contoso, ID: want[0]}))
	r := s.attempt(verify.Ref{Tenant: contoso, ID: want[1]})
	_, err := s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{State: verify.StateFailed, Stamp: s.stamp(verify.EventFailed)}, s.now)
	s.ok(err)
	s.equal(ids(verify.Query{OpenAt: s.now}), want[1:], "open: pending and failed")
	s.equal(ids(verify.Query{OpenAt: s.now.Add(time.Hour)}), []string(nil), "open after expiry")
}

func changeSubject(s *suite) {
	state := func() verify.SubjectState {
		s.Helper()
		st, err := s.Subject(s.Context(), contoso, "dana")
		s.ok(err)
		return st
	}
	s.equal(state(), verify.SubjectState{}, "unknown subject")
	s.attempt(s.begun().Ref)
	until := s.now.Add(time.Hour)
	st := s.stamp(verify.EventFrozen)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: st}, s.now))
	if got := state(); !got.FrozenUntil.Equal(until) || got.Failures != 1 {
		s.Fatalf("after freezing: %+v", got)
	}
	events := s.events()
	last := events[len(events)-1]
	last.Seq = 0
	s.equal(last, verify.SubjectEvent(contoso, "dana", st, s.now), "the event")
	shorter := s.now.Add(time.Minute)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &shorter, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	denied := s.fresh(contoso, "dana")
	s.now = until
	r := s.begin(denied)
	s.now = until.Add(-time.Hour)
	_, err := s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{
		State: verify.StateDenied, Stamp: s.stamp(verify.EventDenied), FreezeUntil: shorter, FreezeStamp: s.stamp(verify.EventFrozen),
	}, s.now)
	s.ok(err)
	if got := state(); !got.FrozenUntil.Equal(until) {
		s.Fatalf("a shorter freeze replaced a longer one: %+v", got)
	}
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{Unlock: true, Stamp: s.stamp(verify.EventUnlocked)}, s.now))
	if got := state(); !got.FrozenUntil.Equal(until) || got.Failures != 0 {
		s.Fatalf("after unlocking: %+v", got)
	}
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &time.Time{}, Stamp: s.stamp(verify.EventUnfrozen)}, s.now))
	if got := state(); got.FrozenUntil.After(s.now) {
		s.Fatalf("after unfreezing: %+v", got)
	}
}

func eventsInOrder(s *suite) {
	var want []string
	for i := range 7 {
		n := s.fresh([]mspkit.TenantID{contoso, fabrikam}[i%2], "dana")
		s.begin(n)
		want = append(want, n.Stamp.ID)
	}
	ids := func(q verify.EventQuery) map[mspkit.TenantID][]string {
		s.Helper()
		es, err := s.Events(s.Context(), q)
		s.ok(err)
		out := map[mspkit.TenantID][]string{}
		seq := map[mspkit.TenantID]int64{}
		for _, e := range es {
			if e.Seq <= seq[e.Tenant] {
				s.Fatalf("events of a tenant are not in the order of Seq: %d after %d", e.Seq, seq[e.Tenant])
			}
			seq[e.Tenant] = e.Seq
			out[e.Tenant] = append(out[e.Tenant], e.ID)
		}
		return out
	}
	all := map[mspkit.TenantID][]string{contoso: {want[0], want[2], want[4], want[6]}, fabrikam: {want[1], want[3], want[5]}}
	three := ids(verify.EventQuery{Limit: 3})
	s.equal(len(three[contoso])+len(three[fabrikam]), 3, "a limit of 3")
	for tenant, first := range three {
		s.equal(first, all[tenant][:len(first)], "the first of "+string(tenant))
	}
	s.equal(ids(verify.EventQuery{Limit: 3}), three, "again, not acknowledged")
	s.equal(ids(verify.EventQuery{Limit: 2, Skip: []mspkit.TenantID{contoso}}), map[mspkit.TenantID][]string{fabrikam: {want[1], want[3]}}, "skipping a tenant")
	s.equal(ids(verify.EventQuery{Limit: 9, Skip: []mspkit.TenantID{contoso, fabrikam}}), map[mspkit.TenantID][]string{}, "skipping both")
	s.equal(ids(verify.EventQuery{Limit: 9}), all, "all")
	s.ok(s.Ack(s.Context(), []string{want[0], want[2], "unknown"}))
	s.ok(s.Ack(s.Context(), []string{want[0]}))
	s.ok(s.Ack(s.Context(), nil))
	all[contoso] = all[contoso][2:]
	s.equal(ids(verify.EventQuery{Limit: 9}), all, "after Ack")
}

func deletes(s *suite) {
	old := s.fresh(contoso, "dana")
	old.Idempotency, old.Fingerprint = "key", "f"
	done := s.confirm(s.attempt(s.begin(old, verify.Limit{Name: "l", Key: "l", Max: 1, Window: time.Minute}).Ref))
	pending := s.fresh(contoso, "erin")
	pending.Record.ExpiresAt = s.now.Add(1000 * time.Hour)
	s.begin(pending)
	var ids []string
	for _, e := range s.events() {
		ids = append(ids, e.ID)
	}
	s.ok(s.Ack(s.Context(), ids[:2]))
	s.chain()
	later := s.now.Add(time.Hour)

	early := s.now.Add(-time.Hour)
	_, err := s.DeleteExpired(s.Context(), early, early, s.now, 100) // nothing is old
	s.ok(err)
	s.get(done.Ref)

	// The outcome outlives the challenge.
	n, err := s.DeleteExpired(s.Context(), later, early, s.now, 100)
	s.ok(err)
	s.equal(n, 1, "one challenge")
	s.equal(len(s.evidence(contoso, 0, 100).Events), len(ids), "events of a challenge that was deleted")
	n, err = s.DeleteExpired(s.Context(), later, later, later, 100)
	s.ok(err)
	s.equal(n, 3, "two events, one counter")
	_, _, err = s.Get(s.Context(), done.Ref)
	s.is(err, verify.ErrNotFound)
	s.get(pending.Record.Ref)
	s.equal(len(s.events()), len(ids)-2, "events that were not acknowledged")
	n, err = s.DeleteExpired(s.Context(), later, later, later, 100)
	s.ok(err)
	s.equal(n, 0, "deleted again")

	again := s.fresh(contoso, "dana") // the key went with its challenge
	again.Idempotency, again.Fingerprint = "key", "another"
	s.begin(again)

	for range 4 {
		s.confirm(s.attempt(s.begin(s.fresh(contoso, "kim")).Ref))
	}
	n, err = s.DeleteExpired(s.Context(), later, later, later, 3)
	s.ok(err)
	s.equal(n, 3, "deleted with a limit of 3")
}

func queueLeases(s *suite) {
	limit := verify.Limit{Name: "q", Key: "all/q", Max: 2, Window: time.Hour, Global: true}
	q := verify.Queued{Tenant: contoso, ID: "q1", Sealed: []byte{1, 0, 2}, At: s.now, Due: s.now}
	s.ok(s.Enqueue(s.Context(), q, []verify.Limit{limit}, s.now))
	q2 := q
	q2.ID, q2.Tenant = "q2", fabrikam
	s.ok(s.Enqueue(s.Context(), q2, []verify.Limit{limit}, s.now))
	q3 := q
	q3.ID = "q3"
	s.is(s.Enqueue(s.Context(), q3, []verify.Limit{limit}, s.now), verify.ErrLimited)

	due := func(limit int) []verify.Queued {
		s.Helper()
		out, err := s.Due(s.Context(), s.now, time.Minute, limit)
		s.ok(err)
		for i := range out {
			out[i].At, out[i].Due = out[i].At.UTC(), time.Time{}
		}
		return out
	}
	late := q
	late.ID, late.Due = "late", s.now.Add(time.Hour)
	s.ok(s.Enqueue(s.Context(), late, nil, s.now))
	q.Due, q2.Due = time.Time{}, time.Time{}
	q.Attempts, q2.Attempts = 1, 1
	q.At, q2.At = s.now.UTC(), s.now.UTC()
	// The order is promised to nobody.
	both := append(due(1), due(9)...)
	byID := func(a, b verify.Queued) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(both, byID)
	s.equal(both, []verify.Queued{q, q2}, "one, and the other")
	s.equal(len(due(9)), 0, "all leased")
	s.now = s.now.Add(time.Minute)
	q.Attempts, q2.Attempts = 2, 2
	both = due(9)
	slices.SortFunc(both, byID)
	s.equal(both, []verify.Queued{q, q2}, "after the lease")
	s.ok(s.Done(s.Context(), fabrikam, "q1")) // another tenant's
	s.ok(s.Done(s.Context(), contoso, "q1"))
	s.ok(s.Done(s.Context(), contoso, "unknown"))
	s.now = s.now.Add(time.Minute)
	q2.Attempts = 3
	s.equal(due(9), []verify.Queued{q2}, "after Done")
}

func tenants(s *suite) {
	r := s.confirm(s.attempt(s.begun().Ref))
	p := s.begin(s.fresh(contoso, "erin"))
	events := len(s.events())
	foreign, open := verify.Ref{Tenant: fabrikam, ID: r.ID}, verify.Ref{Tenant: fabrikam, ID: p.ID}
	ctx := s.Context()
	_, _, err := s.Get(ctx, foreign)
	s.is(err, verify.ErrNotFound)
	_, _, err = s.Attempt(ctx, open, s.try(), s.now)
	s.is(err, verify.ErrNotFound)
	_, err = s.Finish(ctx, open, p.Version, s.confirmed(), s.now)
	s.is(err, verify.ErrNotFound)
	_, err = s.Renew(ctx, open, p.Version, s.renewal(), nil, s.now)
	s.is(err, verify.ErrNotFound)
	_, err = s.Redeem(ctx, foreign, "a", s.stamp(verify.EventRedeemed), s.now)
	s.is(err, verify.ErrNotFound)
	s.is(s.Hint(ctx, open, s.stamp(verify.EventDenialHint), s.now), verify.ErrNotFound)
	s.is(s.Sent(ctx, open, "m", verify.DeliverySent, s.stamp(verify.EventSent), s.now), verify.ErrNotFound)
	rs, err := s.List(ctx, verify.Query{Tenant: fabrikam})
	s.ok(err)
	s.equal(len(rs), 0, "records of the other tenant")
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(ctx, fabrikam, "erin", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	sub, err := s.Subject(ctx, contoso, "erin")
	s.ok(err)
	s.equal(sub, verify.SubjectState{}, "subject of the same name in another tenant")
	s.equal(len(s.events()), events+1, "events")
	same := s.fresh(fabrikam, "dana")
	same.Record.ID = r.ID // two tenants may have the same id
	s.begin(same)
	s.equal(s.get(r.Ref).State, verify.StateConfirmed, "the first tenant's record")
}

func clockSkew(s *suite) {
	r := s.begun()
	behind, ahead := s.now.Add(-time.Minute), s.now.Add(time.Minute)
	got, _, err := s.stores[1].Attempt(s.Context(), r.Ref, s.try(), behind)
	s.ok(err)
	if len(got.MAC) == 0 {
		s.Fatal("an instance whose clock is behind cannot check")
	}
	done, err := s.stores[1].Finish(s.Context(), r.Ref, got.Version, s.confirmed(), behind)
	s.ok(err)
	_, err = s.Redeem(s.Context(), r.Ref, "a", s.stamp(verify.EventRedeemed), ahead)
	s.ok(err)
	_, err = s.stores[1].Redeem(s.Context(), done.Ref, "b", s.stamp(verify.EventRedeemed), behind)
	s.is(err, verify.ErrRedeemed)

	l := verify.Limit{Name: "l", Key: "l", Max: 1, Window: 45 * time.Second}
	s.begin(s.fresh(contoso, "dana"), l)
	_, _, err = s.stores[1].Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{l}, behind)
	s.is(err, verify.ErrLimited)
}

func restart(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Idempotency, n.Fingerprint = "key", "f"
	l := verify.Limit{Name: "l", Key: "l", Max: 1, Window: time.Hour}
	r := s.begin(n, l)
	s.attempt(r.Ref)
	want := s.get(r.Ref)
	events := s.events()
	s.Store = s.open()
	s.same(s.get(r.Ref), want)
	s.equal(s.events(), events, "events")
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	s.equal(sub.Failures, 1, "failures")
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{l}, s.now)
	s.is(err, verify.ErrLimited)
	again := s.fresh(contoso, "dana")
	again.Idempotency, again.Fingerprint = n.Idempotency, n.Fingerprint
	_, existing, err := s.Begin(s.Context(), again, []verify.Limit{l}, s.now)
	s.ok(err)
	s.equal(existing, true, "the repeat")
}
