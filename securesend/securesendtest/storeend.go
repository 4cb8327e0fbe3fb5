package securesendtest

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// The parts about the end: revoked, expired, lapsed, forgotten, deleted; and about keys that go.

func revokes(s *suite) {
	ref := s.begun()
	s.took(ref, "mine")
	s.now = s.now.Add(time.Second)
	r, err := s.revoke(ref) // while it is being opened
	s.ok(err)
	s.equal([]any{r.State, utc(r.EndedAt), r.Version, r.AckedAt.IsZero()}, []any{securesend.StateRevoked, s.now, int64(3), true}, "what was revoked")
	s.equal([]any{len(r.Header), len(r.Sealed), r.HalfKey, r.KeyID, r.PassKeyID}, []any{0, 0, "", "", ""}, "what is left")
	s.equal([]any{string(r.Auth), string(r.Upload)}, []any{string(hash("auth" + ref.ID)), string(hash("upload" + ref.ID))}, "what survives")
	_, err = s.revoke(ref)
	s.is(err, securesend.ErrEnded)
	auth := hash("auth" + ref.ID)
	for _, verb := range []func() error{
		func() error { _, err := s.take(ref, s.asks(ref, "mine")); return err },
		func() error { _, err := s.ack(ref, "mine", auth); return err },
		func() error {
			_, err := s.extend(ref, securesend.Fetch{Claim: hash("mine"), Auth: auth})
			return err
		},
		func() error { _, err := s.sendCode(ref, s.code(auth, "1")); return err },
		func() error { _, err := s.renew(ref, r.Version, securesend.Renewal{}); return err },
		func() error { _, err := s.commit(ref, s.content(ref)); return err },
	} {
		s.is(verb(), securesend.ErrEnded)
	}
	_, err = s.look(ref, auth)
	s.ok(err) // says what has become of it
	s.ok(s.remark(ref, s.stamp(securesend.EventSent)))
	for _, r := range []securesend.Record{s.draft(contoso), s.request(contoso), s.fresh(contoso)} {
		_, err = s.revoke(s.put(r))
		s.ok(err)
	}
	_, err = s.revoke(securesend.Ref{Tenant: fabrikam, ID: ref.ID})
	s.is(err, securesend.ErrNotFound)
}

func notes(s *suite) {
	ref := s.begun()
	before := s.stat(ref)
	st := securesend.Stamp{ID: securesend.NewEventID(), Kind: securesend.EventUnsent, By: "jane \u202e", Reason: "teams\x01 'x\"", Files: []int{1 << 30, 2}}
	s.ok(s.remark(ref, st))
	s.same(s.stat(ref), before, "after a note the record")
	s.is(s.remark(securesend.Ref{Tenant: fabrikam, ID: ref.ID}, s.stamp(securesend.EventSent)), securesend.ErrNotFound)
}

func expires(s *suite) {
	ready, draft, asked := s.begun(), s.put(s.draft(fabrikam)), s.put(s.request(contoso))
	s.now = s.now.Add(day - tick)
	later := s.begun()
	s.equal(s.expire(10), 0, "before the expiry")
	s.now = s.now.Add(tick)
	s.equal(s.expire(10), 3, "at the expiry")
	for _, ref := range []securesend.Ref{ready, draft, asked} {
		r := s.stat(ref)
		s.equal([]any{r.State, utc(r.EndedAt), len(r.Sealed)}, []any{securesend.StateExpired, s.now, 0}, "what has expired")
	}
	s.equal(s.stat(later).State, securesend.StateReady, "state")
	s.equal(s.expire(10), 0, "again")

	var many []securesend.Ref
	for range 7 {
		many = append(many, s.begun())
	}
	s.now = s.now.Add(2 * day)
	s.equal(s.expire(3), 3, "with a limit")
	s.equal(s.expire(100), len(many)+1-3, "the rest")
}

func lapses(s *suite) {
	one := s.begun()
	r := s.fresh(contoso)
	r.MaxViews = 2
	two := s.put(r)
	end := s.now.Add(securesend.Lease + securesend.LeaseMargin)
	for _, ref := range []securesend.Ref{one, two} {
		s.took(ref, "mine")
		_, err := s.extend(ref, securesend.Fetch{Claim: hash("mine"), Auth: hash("auth" + ref.ID), File: 0, To: 1})
		s.ok(err)
	}
	s.now = end.Add(-tick)
	s.equal(s.expire(10), 0, "within the margin")
	s.now = end
	s.equal(s.expire(10), 2, "after it")
	s.equal([]any{s.stat(one).State, s.stat(two).State}, []any{securesend.StateLapsed, securesend.StateReady}, "states")
	for _, e := range s.events()[contoso] {
		if e.Kind == securesend.EventLapsed {
			s.equal([]any{e.Files, e.By}, []any{[]int{2}, securesend.BySystem}, "the event")
		}
	}
	s.equal(s.stat(two).LeaseUntil.IsZero(), true, "no lease")
	s.took(two, "another")
	s.now = s.now.Add(securesend.Lease + securesend.LeaseMargin)
	s.equal(s.expire(10), 1, "the last view")

	// An extension moves the end, and so does another view.
	moved := s.begun()
	s.took(moved, "mine")
	s.now = s.now.Add(50 * time.Second)
	_, err := s.extend(moved, securesend.Fetch{Claim: hash("mine"), Auth: hash("auth" + moved.ID), To: 1})
	s.ok(err)
	s.now = s.now.Add(securesend.Lease + securesend.LeaseMargin - tick)
	s.equal(s.expire(10), 0, "after an extension")
	s.now = s.now.Add(tick)
	s.equal(s.expire(10), 1, "after the extension ended")

	// A lease at the end of the life keeps its margin, and what was handed out is not said to have expired.
	for _, views := range []int{1, 2} {
		r := s.fresh(contoso)
		r.MaxViews = views
		ref := s.put(r)
		s.now = r.ExpiresAt.Add(-time.Second)
		s.took(ref, "mine")
		s.now = r.ExpiresAt.Add(securesend.LeaseMargin - tick)
		s.equal(s.expire(10), 0, "within the margin")
		s.now = s.now.Add(tick)
		s.equal(s.expire(10), 1, "after it")
		s.equal(s.stat(ref).State, securesend.StateLapsed, "state")
	}

	// The expiry that a first view brings forward is when it is swept.
	r = s.fresh(contoso)
	r.MaxViews, r.AfterView = 2, 10*time.Minute
	ref := s.put(r)
	s.took(ref, "mine")
	_, err = s.ack(ref, "mine", r.Auth)
	s.ok(err)
	s.now = s.now.Add(10*time.Minute - tick)
	s.equal(s.expire(10), 0, "before it")
	s.now = s.now.Add(tick)
	s.equal(s.expire(10), 1, "at it")
	s.equal(s.stat(ref).State, securesend.StateExpired, "state")
}

func forgets(s *suite) {
	var ended []securesend.Ref
	for i, region := range []string{"europe", "uk", "europe", "", "europe"} {
		r := s.fresh([]mspkit.TenantID{contoso, fabrikam}[i%2])
		r.Region = region
		ended = append(ended, s.put(r))
	}
	text := s.fresh(contoso)
	text.Blobs = false
	s.put(text)
	open := s.begun()
	s.is(s.forget(open), securesend.ErrConflict)
	s.took(open, "mine")
	s.is(s.forget(open), securesend.ErrConflict)
	s.equal(len(s.dead(10, "europe", "uk")), 0, "nothing has ended")
	for _, i := range []int{4, 1, 0, 3, 2} { // in another order than they were created
		s.now = s.now.Add(tick)
		_, err := s.revoke(ended[i])
		s.ok(err)
	}
	_, err := s.revoke(text.Ref)
	s.ok(err)
	s.equal(s.dead(10, "europe"), []securesend.Ref{ended[4], ended[0], ended[2]}, "in Europe")
	s.equal(s.dead(10, "europe", "uk"), []securesend.Ref{ended[4], ended[1], ended[0], ended[2]}, "in two regions")
	s.equal(s.dead(2, "uk", "europe"), []securesend.Ref{ended[4], ended[1]}, "the first two")
	s.equal(s.dead(10, ""), []securesend.Ref{ended[3]}, "in no region")
	s.equal(len(s.dead(10)), 0, "of no region")
	s.equal(len(s.dead(10, "euro", "EUROPE", "europe%", "*")), 0, "of regions that there are not")

	// What was not forgotten is not deleted: there would be nothing left that knows of its blobs.
	s.now = s.now.Add(day)
	s.equal(s.deleteExpired(deletion{limit: 100}), 1, "deleted: the text")
	version := s.stat(ended[0]).Version
	s.ok(s.forget(ended[0]))
	s.ok(s.forget(ended[0])) // it is known
	s.equal([]any{s.stat(ended[0]).Version, s.stat(ended[0]).Blobs}, []any{version, false}, "what was forgotten")
	s.equal(s.dead(10, "europe"), []securesend.Ref{ended[4], ended[2]}, "in Europe")
	s.equal(s.deleteExpired(deletion{limit: 100}), 1, "deleted: what was forgotten")
	s.is(s.forget(ended[0]), securesend.ErrNotFound)
	s.equal(s.deleteExpired(deletion{limit: 100}), 0, "deleted again")
	s.took(s.begun(), "mine")
}

func deletes(s *suite) {
	var refs []securesend.Ref
	for i := range 5 {
		r := s.fresh([]mspkit.TenantID{contoso, fabrikam}[i%2])
		r.Blobs = false
		refs = append(refs, s.put(r))
		_, err := s.revoke(r.Ref)
		s.ok(err)
	}
	open := s.fresh(contoso)
	open.Blobs = false
	s.put(open)
	acked := s.fresh(contoso)
	acked.Blobs = false
	s.put(acked)
	s.took(acked.Ref, "mine")
	_, err := s.ack(acked.Ref, "mine", acked.Auth)
	s.ok(err)
	s.ok(s.count(securesend.Limit{Name: "a", Key: "contoso/a", Max: 1, Window: time.Minute}, securesend.Limit{Name: "b", Key: "b", Max: 1, Window: day, Global: true}))
	s.equal(s.deleteExpired(deletion{limit: 100}), 0, "nothing ended before now")
	s.now = s.now.Add(tick)
	s.equal(s.deleteExpired(deletion{age: tick, limit: 100}), 0, "it ended at that time, not before")
	s.equal(s.deleteExpired(deletion{limit: 2}), 2, "with a limit")
	s.equal(s.deleteExpired(deletion{limit: 100}), 4, "the rest")
	s.now = start.Add(time.Minute)
	s.equal(s.deleteExpired(deletion{age: day, limit: 100}), 1, "a counter that is over")
	s.now = start.Add(day)
	s.equal(s.deleteExpired(deletion{age: 2 * day, limit: 100}), 1, "the other one")
	s.put(func() securesend.Record { r := s.fresh(contoso); r.Ref = refs[0]; return r }()) // nothing of it is left
	if len(s.list(securesend.Query{Tenant: contoso})) != 2 {
		s.Fatal("List returns what was deleted")
	}
}

func rewraps(s *suite) {
	seal := func(r securesend.Record) (half, sealed []byte, err error) {
		return append([]byte("new "), r.Half...), append([]byte("new "), r.Sealed...), nil
	}
	refs := []securesend.Ref{s.begun(), s.begun(), s.begun(), s.put(s.request(fabrikam))}
	s.put(s.draft(contoso)) // has no half yet
	s.took(refs[1], "mine") // may be opened in the meantime
	ended := s.begun()
	_, err := s.revoke(ended)
	s.ok(err)
	n, err := s.rewrap("k1", 10, seal)
	s.ok(err)
	s.equal(n, 0, "sealed by the primary key already")
	n, err = s.rewrap("k2", 3, seal)
	s.ok(err)
	s.equal(n, 3, "with a limit")
	n, err = s.rewrap("k2", 10, seal)
	s.ok(err)
	s.equal(n, 1, "the rest")
	for _, ref := range refs {
		r := s.stat(ref)
		s.equal([]any{r.HalfKey, string(r.Sealed)}, []any{"k2", "new \x09\x00\x08"}, "what was sealed again")
	}
	got := s.took(refs[1], "mine")
	s.equal(string(got.Half), "new "+string(hash("half"+refs[1].ID)), "the half")

	failure := errors.New("no key")
	calls := 0
	n, err = s.rewrap("k3", 10, func(r securesend.Record) (half, sealed []byte, err error) {
		if calls++; calls == 3 {
			return nil, nil, failure
		}
		return seal(r)
	})
	s.is(err, failure)
	s.equal(n, 2, "before the failure")

	// What changes while f runs stays as it is: the next call finds it.
	for _, change := range []func(ref securesend.Ref) error{
		func(ref securesend.Ref) error { _, err := s.take(ref, s.asks(ref, "meanwhile")); return err },
		func(ref securesend.Ref) error {
			_, err := s.renew(ref, s.model.records[ref].Version, securesend.Renewal{KeyID: "k8", MAC: hash("8"), Sealed: []byte("meanwhile"), Stamp: s.stamp(securesend.EventRenewed)})
			return err
		},
		func(ref securesend.Ref) error { _, err := s.revoke(ref); return err },
	} {
		_, err = s.rewrap("k4", 10, seal)
		s.ok(err)
		r := s.fresh(contoso)
		r.MaxViews = 2
		s.put(r)
		n, err = s.rewrap("k4", 10, func(r securesend.Record) (half, sealed []byte, err error) {
			s.ok(change(r.Ref))
			return seal(r)
		})
		s.ok(err)
		s.equal(n, 0, "stored although it changed")
	}
	tried := s.fresh(contoso) // a try is no such change
	s.put(tried)
	_, err = s.rewrap("k4", 10, seal)
	s.ok(err)
	n, err = s.rewrap("k5", 10, func(r securesend.Record) (half, sealed []byte, err error) {
		if r.ID == tried.ID {
			t := s.asks(r.Ref, "guess")
			t.Number = wrong()
			_, err = s.take(r.Ref, t)
			s.is(err, securesend.ErrNumber)
		}
		return seal(r)
	})
	s.ok(err)
	s.equal(s.stat(tried.Ref).Tries, 1, "the try that was made meanwhile")
	s.equal(n > 0, true, "sealed again")
}

func nothingAsked(s *suite) {
	ended := s.fresh(contoso)
	ended.Blobs = false
	_, err := s.revoke(s.put(ended))
	s.ok(err)
	_, err = s.revoke(s.begun())
	s.ok(err)
	s.ok(s.count(securesend.Limit{Name: "l", Key: "contoso/l", Max: 1, Window: time.Minute}))
	s.begun()
	s.now = s.now.Add(2 * day)
	for _, limit := range []int{0, -1, math.MinInt32} {
		s.equal(s.expire(limit), 0, "swept")
		s.equal(len(s.dead(limit, "europe")), 0, "dead")
		s.equal(s.deleteExpired(deletion{limit: limit}), 0, "deleted")
		n, err := s.rewrap("k7", limit, func(securesend.Record) (half, sealed []byte, err error) {
			return nil, nil, fmt.Errorf("limit %d", limit)
		})
		s.ok(err)
		s.equal(n, 0, "sealed again")
		es, err := s.next().Events(s.Context(), securesend.EventQuery{Limit: limit})
		s.ok(err)
		s.equal(len(es), 0, "events")
	}
	s.ok(s.count())
}
