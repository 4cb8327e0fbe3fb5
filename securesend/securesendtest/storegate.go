package securesendtest

import (
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// The parts about what a recipient must bring: auth, number, code, passphrase, another's word.

func wrongAuth(s *suite) {
	refs := []securesend.Ref{s.begun(), s.begun(), s.begun(), s.put(s.request(contoso))}
	s.took(refs[1], "mine")
	_, err := s.revoke(refs[2])
	s.ok(err)
	r := s.fresh(contoso)
	r.Gate, r.MaxTries, r.PassKeyID, r.PassMAC = securesend.GateCode, 3, "k1", hash("pass")
	refs = append(refs, s.put(r))
	for _, ref := range refs {
		right := hash("auth" + ref.ID)
		flipped := hash("auth" + ref.ID)
		flipped[31] ^= 1
		for _, auth := range [][]byte{nil, {}, hash("another"), hash("auth" + refs[0].ID + "x"), right[:31], append(right, 0), flipped} {
			before, told := s.stat(ref), s.events()
			t := s.asks(ref, "mine")
			t.Auth, t.Number = auth, wrong()
			_, err := s.take(ref, t)
			s.is(err, securesend.ErrAuth)
			_, err = s.look(ref, auth)
			s.is(err, securesend.ErrAuth)
			_, err = s.extend(ref, securesend.Fetch{Claim: hash("mine"), Auth: auth, To: 1})
			s.is(err, securesend.ErrAuth)
			_, err = s.ack(ref, "mine", auth)
			s.is(err, securesend.ErrAuth)
			_, err = s.sendCode(ref, s.code(auth, "c"))
			s.is(err, securesend.ErrAuth)
			s.same(s.stat(ref), before, "after a wrong auth the record")
			s.equal(s.events(), told, "after a wrong auth the events")
		}
	}
}

func numbers(s *suite) {
	ref := s.begun()
	t := s.asks(ref, "mine")
	t.Number = nil
	_, err := s.take(ref, t)
	s.is(err, securesend.ErrNumber)
	s.equal(s.stat(ref).Tries, 0, "not given is not wrong")
	for _, number := range []securesend.MACs{
		wrong(), {"k2": s.number(ref)["k1"]}, // right, of another key
	} {
		r := s.fresh(contoso)
		r.MaxTries = 9
		s.put(r)
		t := s.asks(r.Ref, "mine")
		t.Number = number
		_, err := s.take(r.Ref, t)
		s.is(err, securesend.ErrNumber)
	}
	t.Number = wrong()
	got, err := s.take(ref, t)
	s.is(err, securesend.ErrNumber)
	s.equal([]any{got.Tries, got.Refusals, got.Locked(), got.Version}, []any{1, 1, false, int64(1)}, "the first wrong number")
	t.Stamp = s.seen(securesend.EventRevealed)
	got, err = s.take(ref, t)
	s.is(err, securesend.ErrLocked)
	s.equal([]any{got.Tries, got.Refusals, got.Locked(), got.State}, []any{2, 2, true, securesend.StateReady}, "the second")
	es := s.events()[contoso]
	es = es[len(es)-2:]
	s.equal([]any{es[0].Kind, es[0].Reason, es[1].Kind, es[0].ID != es[1].ID}, []any{securesend.EventRefused, "number", securesend.EventLocked, true}, "the events")
	_, err = s.take(ref, s.asks(ref, "mine")) // the right one is no help now
	s.is(err, securesend.ErrLocked)

	r, err := s.renew(ref, 1, securesend.Renewal{KeyID: "k2", MAC: hash("second"), Sealed: []byte("second"), Stamp: s.stamp(securesend.EventRenewed)})
	s.ok(err)
	s.equal([]any{r.Tries, r.Locked(), r.Refusals}, []any{0, false, 2}, "after the renewal")
	t = s.asks(ref, "mine")
	t.Number = securesend.MACs{"k1": hash("number" + ref.ID)}
	_, err = s.take(ref, t)
	s.is(err, securesend.ErrNumber)
	s.took(ref, "mine")

	none := s.fresh(contoso)
	none.NumberMAC, none.KeyID = nil, ""
	s.put(none)
	t = s.asks(none.Ref, "mine")
	t.Number = securesend.MACs{"": nil, "k1": {}}
	_, err = s.take(none.Ref, t) // nothing is not right where there is none
	s.is(err, securesend.ErrNumber)
}

func (s *suite) code(auth []byte, text string) securesend.Code {
	return securesend.Code{
		Auth: auth, KeyID: "k3", MAC: hash("code" + text), Until: s.now.Add(10 * time.Minute), Cooldown: 45 * time.Second, MaxSends: 3,
		Stamp: s.seen(securesend.EventCodeSent),
	}
}

func codes(s *suite) {
	r := s.fresh(contoso)
	r.Gate, r.KeyID, r.NumberMAC, r.MaxTries = securesend.GateCode, "", nil, 3
	ref := s.put(r)
	t := s.asks(ref, "mine")
	t.Number = wrong()
	_, err := s.take(ref, t)
	s.is(err, securesend.ErrNumber)
	s.equal(s.stat(ref).Tries, 0, "tries before a code was sent")

	got, err := s.sendCode(ref, s.code(r.Auth, "1"))
	s.ok(err)
	s.equal([]any{got.CodeSends, utc(got.CodeSentAt), utc(got.CodeUntil), got.Version}, []any{1, s.now, s.now.Add(10 * time.Minute), int64(1)}, "the code")
	s.now = s.now.Add(45*time.Second - tick)
	_, err = s.sendCode(ref, s.code(r.Auth, "2"))
	s.limited(err, securesend.LimitCooldown)
	_, err = s.take(ref, t)
	s.is(err, securesend.ErrNumber)
	s.equal(s.stat(ref).Tries, 1, "tries")
	s.now = s.now.Add(tick)
	first := s.number(ref)
	_, err = s.sendCode(ref, s.code(r.Auth, "2"))
	s.ok(err)
	s.equal(s.stat(ref).Tries, 1, "another code gives no tries back")
	t.Number, t.Stamp = first, s.seen(securesend.EventRevealed) // the code before is over
	_, err = s.take(ref, t)
	s.is(err, securesend.ErrNumber)
	s.now = s.now.Add(time.Minute)
	_, err = s.sendCode(ref, s.code(r.Auth, "3"))
	s.ok(err)
	s.now = s.now.Add(time.Minute)
	_, err = s.sendCode(ref, s.code(r.Auth, "4"))
	s.limited(err, securesend.LimitCodes)

	s.now = utc(s.stat(ref).CodeUntil)
	_, err = s.take(ref, s.asks(ref, "mine")) // over: that is no guess
	s.is(err, securesend.ErrNumber)
	s.equal(s.stat(ref).Tries, 2, "tries")
	s.now = s.now.Add(-tick)
	s.took(ref, "mine")

	views := s.fresh(contoso)
	views.Gate, views.KeyID, views.NumberMAC, views.MaxTries, views.MaxViews = securesend.GateCode, "", nil, 3, 2
	s.put(views)
	_, err = s.sendCode(views.Ref, s.code(views.Auth, "1"))
	s.ok(err)
	t = s.asks(views.Ref, "mine")
	t.Number = securesend.MACs{"k3": hash("code1")}
	got, err = s.take(views.Ref, t)
	s.ok(err)
	s.equal([]any{got.CodeSends, got.CodeUntil.IsZero(), got.CodeSentAt.IsZero()}, []any{0, true, false}, "a view uses the code up")
	_, err = s.ack(views.Ref, "mine", views.Auth)
	s.ok(err)
	_, err = s.take(views.Ref, t) // over: that is no guess
	s.is(err, securesend.ErrNumber)
	s.equal(s.stat(views.Ref).Tries, 0, "tries")

	locked := s.fresh(contoso)
	locked.Gate, locked.MaxTries = securesend.GateCode, 1
	s.put(locked)
	_, err = s.sendCode(locked.Ref, s.code(locked.Auth, "1"))
	s.ok(err)
	t = s.asks(locked.Ref, "mine")
	t.Number = wrong()
	_, err = s.take(locked.Ref, t)
	s.is(err, securesend.ErrLocked)
	s.now = s.now.Add(time.Minute)
	_, err = s.sendCode(locked.Ref, s.code(locked.Auth, "2"))
	s.is(err, securesend.ErrLocked)
	got, err = s.renew(locked.Ref, 1, securesend.Renewal{Stamp: s.stamp(securesend.EventRenewed)})
	s.ok(err)
	s.equal([]any{got.CodeSends, got.CodeUntil.IsZero(), got.CodeSentAt.IsZero()}, []any{0, true, true}, "a renewal gives the codes back")
	_, err = s.sendCode(locked.Ref, s.code(locked.Auth, "2"))
	s.ok(err)

	number := s.begun()
	_, err = s.sendCode(number, s.code(hash("auth"+number.ID), "1"))
	s.is(err, securesend.ErrInvalid)
	s.now = s.now.Add(2 * day)
	_, err = s.sendCode(locked.Ref, s.code(locked.Auth, "2"))
	s.is(err, securesend.ErrEnded)
	_, err = s.sendCode(securesend.Ref{Tenant: contoso, ID: "none"}, s.code(locked.Auth, "2"))
	s.is(err, securesend.ErrNotFound)
}

func passphrases(s *suite) {
	r := s.fresh(contoso)
	r.PassKeyID, r.PassMAC, r.Gate = "k2", hash("pass"), securesend.GateNone
	ref := s.put(r)
	t := s.asks(ref, "mine")
	t.Pass = nil
	_, err := s.take(ref, t)
	s.is(err, securesend.ErrPassphrase)
	s.equal(s.stat(ref).PassTries, 0, "not given is not wrong")
	t.Pass = securesend.MACs{"k1": hash("pass"), "k2": hash("wrong")}
	_, err = s.take(ref, t)
	s.is(err, securesend.ErrPassphrase)
	s.took(ref, "mine")
	t.Stamp = s.seen(securesend.EventRevealed)
	_, err = s.take(ref, t) // a repeat needs it as well
	s.is(err, securesend.ErrPassphrase)
	t.Stamp = s.seen(securesend.EventRevealed)
	got, err := s.take(ref, t)
	s.is(err, securesend.ErrLocked)
	s.equal([]any{got.PassTries, got.Refusals, got.Tries, got.Locked()}, []any{3, 3, 0, true}, "the tries")
	es := s.events()[contoso]
	s.equal([]any{es[len(es)-2].Reason, es[len(es)-1].Kind, es[len(es)-1].Reason}, []any{"passphrase", securesend.EventLocked, "passphrase"}, "the events")
	_, err = s.take(ref, s.asks(ref, "mine"))
	s.is(err, securesend.ErrLocked)

	// The number comes first, and each has its own tries.
	both := s.fresh(contoso)
	both.PassKeyID, both.PassMAC = "k2", hash("pass")
	s.put(both)
	t = s.asks(both.Ref, "mine")
	t.Number, t.Pass = wrong(), wrong()
	got, err = s.take(both.Ref, t)
	s.is(err, securesend.ErrNumber)
	s.equal([]any{got.Tries, got.PassTries}, []any{1, 0}, "the tries")
	t = s.asks(both.Ref, "mine")
	t.Pass = wrong()
	got, err = s.take(both.Ref, t)
	s.is(err, securesend.ErrPassphrase)
	s.equal([]any{got.Tries, got.PassTries, got.State}, []any{1, 1, securesend.StateReady}, "the tries")
	got, err = s.renew(both.Ref, 1, securesend.Renewal{KeyID: "k1", MAC: hash("2"), Stamp: s.stamp(securesend.EventRenewed)})
	s.ok(err)
	s.equal([]any{got.Tries, got.PassTries}, []any{0, 0}, "the tries")
	s.took(both.Ref, "mine")
}

func proofs(s *suite) {
	r := s.fresh(contoso)
	r.Gate = securesend.GateProof
	ref := s.put(r)
	t := s.asks(ref, "mine")
	t.Allowed, t.Number = false, wrong()
	_, err := s.take(ref, t)
	s.is(err, securesend.ErrGate)
	s.took(ref, "mine")
	_, err = s.take(ref, t) // a repeat was let through before
	s.ok(err)
	none := s.fresh(contoso)
	none.Gate = securesend.GateNone
	s.put(none)
	t = s.asks(none.Ref, "mine")
	t.Allowed, t.Number = false, nil
	_, err = s.take(none.Ref, t)
	s.ok(err)
}

func regions(s *suite) {
	r := s.fresh(contoso)
	r.Region = "Europe"
	r.PassKeyID, r.PassMAC = "k2", hash("pass")
	ref := s.put(r)
	here := []string{"UK South", "Europe"}
	elsewhere := [][]string{{"UK South"}, {"UK South", "Europe "}, {""}, {"europe"}}
	for _, names := range elsewhere {
		t := s.asks(ref, "mine")
		t.Regions, t.Number, t.Pass = names, wrong(), wrong()
		_, err := s.take(ref, t)
		s.is(err, securesend.ErrRegion)
		t.Auth = hash("another")
		_, err = s.take(ref, t) // to who has not the link, nothing is said of it
		s.is(err, securesend.ErrAuth)
	}
	got := s.stat(ref)
	s.equal([]any{got.Tries, got.PassTries, got.Refusals, got.State}, []any{0, 0, 0, securesend.StateReady}, "what was counted")
	for _, names := range [][]string{here, nil, {}} { // the first view, and repeats
		t := s.asks(ref, "mine")
		t.Regions = names
		_, err := s.take(ref, t)
		s.ok(err)
	}
	before := s.stat(ref)
	s.now = s.now.Add(time.Second)
	t := s.asks(ref, "mine")
	t.Regions = elsewhere[0]
	_, err := s.take(ref, t)
	s.is(err, securesend.ErrRegion)
	s.equal(s.stat(ref).LeaseUntil, before.LeaseUntil, "a lease that nobody extended")
	t = s.asks(ref, "another")
	t.Regions = elsewhere[0]
	_, err = s.take(ref, t)
	s.is(err, securesend.ErrOpening)
	_, err = s.revoke(ref)
	s.ok(err)
	_, err = s.take(ref, t)
	s.is(err, securesend.ErrEnded)

	proof := s.fresh(contoso)
	proof.Region, proof.Gate = "Europe", securesend.GateProof
	s.put(proof)
	t = s.asks(proof.Ref, "mine")
	t.Allowed, t.Regions = false, elsewhere[0]
	_, err = s.take(proof.Ref, t) // before the gate is asked
	s.is(err, securesend.ErrRegion)
	t.Regions = here
	_, err = s.take(proof.Ref, t)
	s.is(err, securesend.ErrGate)
}

func renews(s *suite) {
	ref := s.begun()
	n := func(text string) securesend.Renewal {
		return securesend.Renewal{KeyID: "k" + text, MAC: hash(text), Sealed: []byte("sealed " + text), Stamp: s.stamp(securesend.EventRenewed)}
	}
	for _, version := range []int64{0, 2, -1} {
		_, err := s.renew(ref, version, n("x"))
		s.is(err, securesend.ErrConflict)
	}
	for i := range int64(securesend.MaxRenewals) {
		r, err := s.renew(ref, i+1, n("x"))
		s.ok(err)
		s.equal([]any{r.Version, r.Renewals, string(r.Sealed), r.KeyID}, []any{i + 2, int(i) + 1, "sealed x", "kx"}, "what was renewed")
	}
	_, err := s.renew(ref, securesend.MaxRenewals+1, n("x"))
	s.limited(err, securesend.LimitRenewals)
	s.took(ref, "mine")

	two := s.fresh(contoso)
	two.MaxViews = 2
	s.put(two)
	r := s.took(two.Ref, "mine")
	_, err = s.renew(two.Ref, r.Version, n("x"))
	s.is(err, securesend.ErrOpening)
	s.now = s.now.Add(securesend.Lease + securesend.LeaseMargin - tick)
	_, err = s.renew(two.Ref, r.Version, n("x"))
	s.is(err, securesend.ErrOpening)
	s.now = s.now.Add(tick)
	_, err = s.renew(two.Ref, r.Version, n("x"))
	s.ok(err)
	s.now = s.now.Add(day)
	_, err = s.renew(two.Ref, r.Version+1, n("x"))
	s.is(err, securesend.ErrEnded)
	_, err = s.renew(securesend.Ref{Tenant: contoso, ID: "none"}, 1, n("x"))
	s.is(err, securesend.ErrNotFound)
}
