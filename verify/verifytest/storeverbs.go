package verifytest

import (
	"errors"
	"time"

	"github.com/mspkit/mspkit/verify"
)

// The parts about the verbs that move one challenge.

func beginStores(s *suite) {
	n := s.fresh(contoso, "dana")
	want := n.Record
	r := s.begin(n)
	s.hidden(r)
	want.Version, want.MAC, want.WordMAC = 1, nil, nil
	s.same(r, want)
	got := s.get(n.Record.Ref)
	s.hidden(got)
	s.same(got, want)

	tried := s.attempt(n.Record.Ref)
	s.equal(tried.MAC, n.Record.MAC, "MAC")
	s.equal(tried.WordMAC, n.Record.WordMAC, "WordMAC")

	e := s.events()[0]
	e.Seq = 0
	want.Tries = 0
	s.equal(e, want.Event(n.Stamp, s.now), "the event")

	n.Stamp = s.stamp(verify.EventStarted) // of another call: the same stamp is the same call, which a client may repeat
	_, _, err := s.Begin(s.Context(), n, nil, s.now)
	s.is(err, verify.ErrConflict)
	_, _, err = s.Get(s.Context(), verify.Ref{Tenant: contoso, ID: "none"})
	s.is(err, verify.ErrNotFound)
}

func attemptBound(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Record.Answerer = "hash-of-dana"
	want := n.Record
	want.Version, want.MAC, want.WordMAC = 1, nil, nil
	r := s.begin(n)
	s.same(r, want)
	s.same(s.get(r.Ref), want)
	rs, err := s.List(s.Context(), verify.Query{Tenant: contoso})
	s.ok(err)
	s.equal(rs[0].Answerer, "hash-of-dana", "the answerer in a list")

	for _, answerers := range [][]string{nil, {""}, {"hash-of-erin"}, {"hash-of-dan", "hash-of-dana "}} {
		t := s.try()
		t.Answerers = answerers
		got, sub, err := s.Attempt(s.Context(), r.Ref, t, s.now)
		s.ok(err)
		s.hidden(got)
		s.equal(got.Tries+sub.Failures, 0, "tries and failures after an answer from somebody else")
	}
	t := s.try()
	t.Answerers = []string{"under an old key", "hash-of-dana"}
	got, sub, err := s.Attempt(s.Context(), r.Ref, t, s.now)
	s.ok(err)
	s.equal(got.MAC, n.Record.MAC, "MAC")
	s.equal(got.Tries+sub.Failures, 2, "tries and failures after an answer")

	open := s.begun() // bound to nobody: the link is what counts, so a name is not enough
	got, _, err = s.Attempt(s.Context(), open.Ref, t, s.now)
	s.ok(err)
	s.hidden(got)

	code := s.fresh(contoso, "dana")
	code.Record.Answerer, code.Record.Method = "hash-of-dana", verify.MethodCode
	c := s.begin(code)
	byTechnician := s.try()
	byTechnician.Method, byTechnician.Technician = verify.MethodCode, "jane"
	got, _, err = s.Attempt(s.Context(), c.Ref, byTechnician, s.now)
	s.ok(err)
	s.equal(got.MAC, code.Record.MAC, "MAC of a code that the technician types")

	renewed, err := s.Renew(s.Context(), r.Ref, r.Version, verify.Renewal{
		KeyID: "k1", MAC: []byte{9}, WordMAC: []byte{8}, Sealed: []byte{7}, MaxTries: 2, ExpiresAt: r.ExpiresAt, Stamp: s.stamp(verify.EventRenewed),
	}, nil, s.now)
	s.ok(err)
	s.equal(renewed.Answerer, "hash-of-dana", "the answerer after a renewal")
}

func beginRepeats(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Idempotency, n.Fingerprint = "key", "same"
	limit := verify.Limit{Name: "one", Key: "one", Max: 1, Window: time.Hour}
	first := s.begin(n, limit)

	again := s.fresh(contoso, "dana")
	again.Idempotency, again.Fingerprint = "key", "same"
	r, existing, err := s.Begin(s.Context(), again, []verify.Limit{limit}, s.now)
	s.ok(err)
	if !existing {
		s.Fatal("the repeat is not recognised")
	}
	s.hidden(r)
	s.same(r, first)

	other := s.fresh(contoso, "dana")
	other.Idempotency, other.Fingerprint = "key", "another request"
	_, _, err = s.Begin(s.Context(), other, nil, s.now)
	s.is(err, verify.ErrConflict)

	tenant := s.fresh(fabrikam, "dana")
	tenant.Idempotency, tenant.Fingerprint = "key", "same"
	s.begin(tenant) // another tenant's key is another key
	s.equal(s.kinds(), "started started", "events")
}

func beginRefuses(s *suite) {
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), nil, s.now)
	s.is(err, verify.ErrFrozen)
	s.begin(s.fresh(contoso, "erin"))
	s.begin(s.fresh(fabrikam, "dana"))
	s.now = until
	s.begun()

	n := s.fresh(contoso, "kim")
	n.Record.LockAfter, n.Record.MaxTries = 3, 5
	r := s.begin(n)
	for range 3 {
		s.attempt(r.Ref)
	}
	locked := s.fresh(contoso, "kim")
	locked.Record.LockAfter = 3
	_, _, err = s.Begin(s.Context(), locked, nil, s.now)
	s.is(err, verify.ErrLocked)
}

func limitsTogether(s *suite) {
	wide := verify.Limit{Name: "wide", Key: "wide", Max: 2, Window: time.Hour}
	tight := verify.Limit{Name: "tight", Key: "tight", Max: 1, Window: time.Minute}
	s.begin(s.fresh(contoso, "dana"), wide, tight)
	for range 5 { // refused by the second limit: the first must not be counted
		_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{wide, tight}, s.now)
		var le *verify.LimitError
		if !errors.As(err, &le) || le.Limit != "tight" || le.RetryAfter != time.Minute {
			s.Fatalf("the refusal is %v (%+v)", err, le)
		}
	}
	s.begin(s.fresh(contoso, "dana"), wide)
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{wide}, s.now)
	s.is(err, verify.ErrLimited)
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{{Name: "none", Key: "none", Max: 0, Window: time.Hour}}, s.now)
	s.is(err, verify.ErrLimited)
	s.equal(s.kinds(), "started started", "events")
	rs, err := s.List(s.Context(), verify.Query{Tenant: contoso})
	s.ok(err)
	s.equal(len(rs), 2, "records after refusals")
}

func limitsEnd(s *suite) {
	l := verify.Limit{Name: "l", Key: "l", Max: 1, Window: time.Minute}
	s.begin(s.fresh(contoso, "dana"), l)
	s.now = s.now.Add(time.Minute - time.Microsecond)
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{l}, s.now)
	s.is(err, verify.ErrLimited)
	s.now = s.now.Add(time.Microsecond)
	s.begin(s.fresh(contoso, "dana"), l)
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{l}, s.now)
	s.is(err, verify.ErrLimited)
}

func limitsRefund(s *suite) {
	budget := verify.Limit{Name: "budget", Key: "budget", Max: 1, Window: time.Hour, Refund: true}
	plain := verify.Limit{Name: "plain", Key: "plain", Max: 2, Window: time.Hour}
	r := s.begin(s.fresh(contoso, "dana"), budget, plain)
	s.equal(r.Refund, []string{"budget"}, "counters to refund")
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{budget}, s.now)
	s.is(err, verify.ErrLimited)
	s.confirm(s.attempt(r.Ref))
	r = s.begin(s.fresh(contoso, "dana"), budget, plain) // the budget is back, the plain limit counts on
	r = s.attempt(r.Ref)
	_, err = s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{State: verify.StateFailed, Stamp: s.stamp(verify.EventFailed)}, s.now)
	s.ok(err)
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{budget}, s.now)
	s.is(err, verify.ErrLimited) // only a confirmation gives back
}

func sentRises(s *suite) {
	r := s.begun()
	sent := func(status verify.DeliveryStatus, receipt string) {
		s.Helper()
		kind := map[verify.DeliveryStatus]verify.EventKind{verify.DeliverySent: verify.EventSent, verify.DeliveryDelivered: verify.EventDelivered, verify.DeliveryFailed: verify.EventUndelivered}[status]
		s.ok(s.Sent(s.Context(), r.Ref, receipt, status, s.stamp(kind), s.now))
	}
	sent(verify.DeliveryDelivered, "m1")
	sent(verify.DeliverySent, "m2")
	sent(verify.DeliveryDelivered, "m3")
	got := s.get(r.Ref)
	s.equal(got.Delivery, verify.DeliveryDelivered, "delivery")
	s.equal(got.ReceiptID, "m1", "receipt")
	s.equal(got.Version, r.Version, "version: a delivery must not disturb an answer")
	s.equal(s.kinds(), "started delivered", "events")
	sent(verify.DeliveryFailed, "m4")
	s.equal(s.get(r.Ref).Delivery, verify.DeliveryDelivered, "delivery after a late failure")

	r = s.begin(s.fresh(contoso, "erin")) // the channel's answer comes after its callback
	sent(verify.DeliveryFailed, "")
	sent(verify.DeliveryDelivered, "")
	sent(verify.DeliverySent, "m5")
	got = s.get(r.Ref)
	s.equal([]any{got.Delivery, got.ReceiptID}, []any{verify.DeliveryDelivered, "m5"}, "delivery that overtook its receipt")
	s.equal(s.kinds(), "started delivered started undelivered delivered", "events")
	s.is(s.Sent(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, "", verify.DeliverySent, s.stamp(verify.EventSent), s.now), verify.ErrNotFound)
}

func attemptCounts(s *suite) {
	r := s.begun()
	for i := 1; i <= 2; i++ {
		got, sub, err := s.Attempt(s.Context(), r.Ref, s.try(), s.now)
		s.ok(err)
		s.equal([]int{got.Tries, sub.Failures}, []int{i, i}, "tries and failures")
		s.equal(got.Version, r.Version, "version")
		if len(got.MAC) == 0 {
			s.Fatal("no MAC was handed out")
		}
		stored := s.get(r.Ref)
		s.equal(stored.Tries, i, "stored tries")
	}
	got := s.attempt(r.Ref)
	s.hidden(got)
	s.equal(got.Effective(verify.SubjectState{}, s.now), verify.StateFailed, "state")
	s.equal(got.Tries, 2, "tries")
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	s.equal(sub.Failures, 2, "failures")
	s.equal(s.kinds(), "started attempted attempted", "events")
	_, _, err = s.Attempt(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, s.try(), s.now)
	s.is(err, verify.ErrNotFound)
}

func attemptRefuses(s *suite) {
	for name, prepare := range map[string]func() verify.Record{
		"expired": func() verify.Record {
			r := s.begin(s.fresh(contoso, "a"))
			s.now = r.ExpiresAt
			return r
		},
		"confirmed": func() verify.Record { return s.confirm(s.attempt(s.begin(s.fresh(contoso, "b")).Ref)) },
		"frozen": func() verify.Record {
			r := s.begin(s.fresh(contoso, "c"))
			until := s.now.Add(time.Hour)
			s.ok(s.ChangeSubject(s.Context(), contoso, "c", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
			return r
		},
		"pending": func() verify.Record { // answered by another method
			n := s.fresh(contoso, "e")
			n.Record.Method = verify.MethodCode
			return s.begin(n)
		},
		"locked": func() verify.Record {
			n := s.fresh(contoso, "d")
			n.Record.LockAfter = 1
			r := s.begin(n)
			s.attempt(r.Ref)
			return r
		},
	} {
		r := prepare()
		before := s.get(r.Ref)
		events := len(s.events())
		got, sub, err := s.Attempt(s.Context(), r.Ref, s.try(), s.now)
		s.ok(err)
		s.hidden(got)
		s.same(got, before)
		if state := got.Effective(sub, s.now); string(state) != name {
			s.Fatalf("%s: the state is %s", name, state)
		}
		s.equal(len(s.events()), events, name+": events")
		s.same(s.get(r.Ref), before)
	}
}

func attemptFits(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Record.Technician = "jane"
	r := s.begin(n)
	t := s.try()
	t.Technician = "joe"
	got, _, err := s.Attempt(s.Context(), r.Ref, t, s.now)
	s.ok(err)
	s.hidden(got)
	s.equal(got.Tries, 0, "tries of another technician")
	t.Technician = "jane"
	got, _, err = s.Attempt(s.Context(), r.Ref, t, s.now)
	s.ok(err)
	s.equal(got.Tries, 1, "tries")

	// A contact who verifies a technician neither fails nor is cleared of failures.
	tech := s.fresh(contoso, "dana")
	tech.Record.Kind = verify.KindTechnician
	failures := func() int {
		s.Helper()
		sub, err := s.Subject(s.Context(), contoso, "dana")
		s.ok(err)
		return sub.Failures
	}
	v := s.attempt(s.begin(tech).Ref)
	s.equal(v.Tries, 1, "tries of the technician's verification")
	s.equal(failures(), 1, "failures")
	s.confirm(v)
	s.equal(failures(), 1, "failures after the technician was verified")
	s.confirm(got)
	s.equal(failures(), 0, "failures after the caller was verified")
}

func attemptLocks(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Record.MaxTries, n.Record.LockAfter = 5, 2
	r := s.begin(n)
	s.attempt(r.Ref)
	t := s.try()
	got, _, err := s.Attempt(s.Context(), r.Ref, t, s.now)
	s.ok(err)
	if len(got.MAC) == 0 {
		s.Fatal("the try that reaches the limit may still be right")
	}
	s.equal(s.kinds(), "started attempted attempted locked", "events")
	s.equal(s.events()[3].ID, t.Stamp.ID+"-locked", "id of the lock event")
	s.hidden(s.attempt(r.Ref))

	s.confirm(got) // the right answer clears the failures
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	s.equal(sub.Failures, 0, "failures")
}

func finishOnce(s *suite) {
	r := s.attempt(s.begun().Ref)
	_, err := s.Finish(s.Context(), r.Ref, r.Version+1, s.confirmed(), s.now)
	s.is(err, verify.ErrConflict)
	o := s.confirmed()
	done, err := s.Finish(s.Context(), r.Ref, r.Version, o, s.now)
	s.ok(err)
	s.hidden(done)
	s.equal(done.State, verify.StateConfirmed, "state")
	if !done.DecidedAt.Equal(s.now) || !done.ProofUntil.Equal(o.ProofUntil) || done.Version <= r.Version {
		s.Fatalf("the outcome is not stored: %+v", done)
	}
	s.same(s.get(r.Ref), done)
	for _, version := range []int64{r.Version, done.Version} {
		_, err = s.Finish(s.Context(), r.Ref, version, verify.Outcome{State: verify.StateDenied, Stamp: s.stamp(verify.EventDenied)}, s.now)
		s.is(err, verify.ErrNotPending)
	}
	_, err = s.Finish(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, 1, s.confirmed(), s.now)
	s.is(err, verify.ErrNotFound)
	s.equal(s.kinds(), "started attempted confirmed", "events")
}

func finishRefuses(s *suite) {
	r := s.attempt(s.begun().Ref)
	_, err := s.Finish(s.Context(), r.Ref, r.Version, s.confirmed(), r.ExpiresAt)
	s.is(err, verify.ErrNotPending)
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	_, err = s.Finish(s.Context(), r.Ref, r.Version, s.confirmed(), s.now)
	s.is(err, verify.ErrFrozen)
	s.equal(s.get(r.Ref).State, verify.StatePending, "state")
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	s.equal(sub.Failures, 1, "failures")
	// It may still be cancelled or denied.
	_, err = s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{State: verify.StateDenied, Stamp: s.stamp(verify.EventDenied)}, s.now)
	s.ok(err)
	s.equal(s.kinds(), "started attempted frozen denied", "events")
}

func finishFreezes(s *suite) {
	r := s.begun()
	until := s.now.Add(time.Hour).Truncate(time.Microsecond)
	_, err := s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{
		State: verify.StateDenied, Stamp: s.stamp(verify.EventDenied), FreezeUntil: until, FreezeStamp: s.stamp(verify.EventFrozen),
	}, s.now)
	s.ok(err)
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	if !sub.FrozenUntil.Equal(until) {
		s.Fatalf("frozen until %v, it should be %v", sub.FrozenUntil, until)
	}
	s.equal(s.kinds(), "started denied frozen", "events")
}

func (s *suite) renewal() verify.Renewal {
	return verify.Renewal{
		KeyID: "k2", MAC: []byte("new"), WordMAC: []byte("word"), Sealed: []byte("sealed"), MaxTries: 5,
		ExpiresAt: s.now.Add(7 * time.Minute), Send: true, Stamp: s.stamp(verify.EventRenewed),
	}
}

func renewReplaces(s *suite) {
	r := s.begun()
	s.ok(s.Sent(s.Context(), r.Ref, "m1", verify.DeliverySent, s.stamp(verify.EventSent), s.now))
	s.ok(s.Hint(s.Context(), r.Ref, s.stamp(verify.EventDenialHint), s.now))
	s.attempt(r.Ref)
	old := s.attempt(r.Ref)
	_, err := s.Finish(s.Context(), r.Ref, old.Version, verify.Outcome{State: verify.StateFailed, Stamp: s.stamp(verify.EventFailed)}, s.now)
	s.ok(err)
	failed := s.get(r.Ref)
	n := s.renewal()
	got, err := s.Renew(s.Context(), r.Ref, failed.Version, n, []verify.Limit{{Name: "l", Key: "l", Max: 1, Window: time.Hour, Refund: true}}, s.now)
	s.ok(err)
	s.hidden(got)
	want := failed
	want.Renewed(n, []string{"l"})
	s.same(got, want.Hidden())
	s.same(s.get(r.Ref), got)
	s.equal([]any{got.State, got.Tries, got.Sends, got.Delivery, got.ReceiptID, got.Hinted}, []any{verify.StatePending, 0, 2, verify.DeliveryPending, "", false}, "renewed fields")
	tried := s.attempt(r.Ref)
	s.equal(tried.MAC, n.MAC, "the new MAC")
	s.equal(tried.WordMAC, n.WordMAC, "the new word's MAC")

	// An answer to the old number must not be able to finish.
	_, err = s.Finish(s.Context(), r.Ref, old.Version, s.confirmed(), s.now)
	s.is(err, verify.ErrConflict)

	// Without a send the delivery stays.
	s.ok(s.Sent(s.Context(), r.Ref, "m2", verify.DeliveryDelivered, s.stamp(verify.EventDelivered), s.now))
	quiet := s.renewal()
	quiet.Send = false
	got, err = s.Renew(s.Context(), r.Ref, got.Version, quiet, nil, s.now)
	s.ok(err)
	s.equal([]any{got.Delivery, got.ReceiptID, got.Sends}, []any{verify.DeliveryDelivered, "m2", 3}, "delivery after a renewal without a send")
}

func renewRefuses(s *suite) {
	r := s.begun()
	_, err := s.Renew(s.Context(), r.Ref, r.Version+1, s.renewal(), nil, s.now)
	s.is(err, verify.ErrConflict)
	_, err = s.Renew(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, 1, s.renewal(), nil, s.now)
	s.is(err, verify.ErrNotFound)
	_, err = s.Renew(s.Context(), r.Ref, r.Version, s.renewal(), []verify.Limit{{Name: "none", Key: "none", Max: 0, Window: time.Hour}}, s.now)
	s.is(err, verify.ErrLimited)
	_, err = s.Renew(s.Context(), r.Ref, r.Version, s.renewal(), nil, r.ExpiresAt)
	s.is(err, verify.ErrNotPending)
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	_, err = s.Renew(s.Context(), r.Ref, r.Version, s.renewal(), nil, s.now)
	s.is(err, verify.ErrFrozen)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &time.Time{}, Stamp: s.stamp(verify.EventUnfrozen)}, s.now))

	done := s.confirm(s.attempt(r.Ref))
	_, err = s.Renew(s.Context(), r.Ref, done.Version, s.renewal(), nil, s.now)
	s.is(err, verify.ErrNotPending)

	n := s.fresh(contoso, "kim")
	n.Record.LockAfter = 1
	r = s.attempt(s.begin(n).Ref)
	_, err = s.Renew(s.Context(), r.Ref, r.Version, s.renewal(), nil, s.now)
	s.is(err, verify.ErrLocked)
	s.equal(s.kinds(), "started frozen unfrozen attempted confirmed started attempted locked", "events")
}

func hintOnce(s *suite) {
	r := s.begun()
	for range 3 {
		s.ok(s.Hint(s.Context(), r.Ref, s.stamp(verify.EventDenialHint), s.now))
	}
	got := s.get(r.Ref)
	s.equal([]any{got.Hinted, got.State, got.Version}, []any{true, verify.StatePending, r.Version}, "after a hint")
	s.equal(s.kinds(), "started denial-hint", "events")
	s.is(s.Hint(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, s.stamp(verify.EventDenialHint), s.now), verify.ErrNotFound)
	s.confirm(s.attempt(r.Ref))
	s.is(s.Hint(s.Context(), r.Ref, s.stamp(verify.EventDenialHint), s.now), verify.ErrNotPending)
}

func redeemOnce(s *suite) {
	r := s.begun()
	redeem := func(by string, now time.Time) error {
		_, err := s.Redeem(s.Context(), r.Ref, by, s.stamp(verify.EventRedeemed), now)
		return err
	}
	s.is(redeem("a", s.now), verify.ErrProof)
	r = s.confirm(s.attempt(r.Ref))
	s.is(redeem("a", r.ProofUntil), verify.ErrProofExpired)
	s.ok(redeem("a", s.now))
	s.ok(redeem("a", s.now))
	s.is(redeem("b", s.now), verify.ErrRedeemed)
	s.is(redeem("a", r.ProofUntil), verify.ErrProofExpired)
	got := s.get(r.Ref)
	if got.RedeemedBy != "a" || !got.RedeemedAt.Equal(s.now) {
		s.Fatalf("who redeemed is not stored: %+v", got)
	}
	s.equal(s.kinds(), "started attempted confirmed redeemed", "events")
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	s.is(redeem("a", s.now), verify.ErrFrozen)

	n := s.fresh(contoso, "erin")
	n.Record.Kind = verify.KindTechnician
	r = s.confirm(s.attempt(s.begin(n).Ref))
	s.is(redeem("a", s.now), verify.ErrProof) // verifying a technician proves nothing about the contact
	_, err := s.Redeem(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, "a", s.stamp(verify.EventRedeemed), s.now)
	s.is(err, verify.ErrNotFound)
}
