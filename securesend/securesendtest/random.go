package securesendtest

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// random applies verbs by chance. The checked verbs compare everything with the model, so there is nothing to expect.
func random(seed uint64) func(s *suite) {
	return func(s *suite) {
		g := &gambler{suite: s, r: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // a seed must give the same steps again
		s.Cleanup(func() {
			if s.Failed() {
				s.Logf("the last steps: %q", s.trail)
			}
		})
		for range 250 {
			g.step()
		}
		s.now = s.now.Add(40 * day)
		s.expire(1000)
		for _, ref := range s.dead(1000, "europe", "uk") {
			s.ok(s.forget(ref))
		}
		s.now = s.now.Add(tick)
		s.deleteExpired(deletion{limit: 1000})
		s.equal(len(s.model.records), 0, "records that nothing deletes")
	}
}

// gambler plays with a suite.
type gambler struct {
	*suite
	r    *rand.Rand
	refs []securesend.Ref
}

func (g *gambler) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// ref is mostly one of those that are there, and mostly one of the last.
func (g *gambler) ref() securesend.Ref {
	if len(g.refs) == 0 || g.chance(3) {
		return securesend.Ref{Tenant: pick(g.r, contoso, fabrikam), ID: pick(g.r, "send1", "none")}
	}
	recent := min(len(g.refs), 4)
	if g.chance(15) {
		recent = len(g.refs)
	}
	return g.refs[len(g.refs)-1-g.r.IntN(recent)]
}

func (g *gambler) auth(ref securesend.Ref) []byte {
	if g.chance(8) {
		return pick(g.r, nil, hash("wrong"))
	}
	return hash("auth" + ref.ID)
}

func (g *gambler) claim() string { return pick(g.r, "one", "one", "two", "three") }

func (g *gambler) macs(right securesend.MACs) securesend.MACs {
	switch n := g.r.IntN(10); {
	case n == 0:
		return nil
	case n < 3:
		return wrong()
	}
	return right
}

// moves lets time go, to where something changes or anywhere, and seldom backwards.
func (g *gambler) moves() {
	if r := g.model.records[g.ref()]; r != nil && g.chance(30) {
		at := pick(g.r, r.ExpiresAt, r.LeaseUntil, r.SweepAt(), r.CodeUntil, r.CodeSentAt.Add(45*time.Second))
		at = at.Add(time.Duration(g.r.IntN(3)-1) * tick)
		if at.After(g.now) && at.Sub(g.now) < 3*day {
			g.now = at.UTC()
			return
		}
	}
	g.now = g.now.Add(pick(g.r, 0, 0, tick, time.Second, 20*time.Second, securesend.Lease, securesend.LeaseMargin, -time.Second, 10*time.Minute, 2*time.Hour))
}

func (g *gambler) create() {
	tenant := pick(g.r, contoso, contoso, fabrikam)
	r := g.fresh(tenant)
	if g.chance(40) {
		r = pick(g.r, g.draft, g.request)(tenant)
	}
	r.Gate = pick(g.r, securesend.GateNumber, securesend.GateNumber, securesend.GateCode, securesend.GateNone, securesend.GateProof)
	r.MaxViews, r.AfterView = pick(g.r, 1, 1, 2, 3), pick(g.r, 0, 0, 30*time.Second, 5*time.Minute)
	r.MaxTries, r.MaxPassTries = 1+g.r.IntN(3), 1+g.r.IntN(3)
	r.Sender, r.Subject = pick(g.r, "jane", "joe"), pick(g.r, "dana", "erin", "")
	r.Ticket = pick(g.r, mspkit.Ticket{}, mspkit.Ticket{System: "psa", ID: "1"})
	r.Region, r.Blobs = pick(g.r, "europe", "uk"), g.chance(70)
	if g.chance(30) && r.State == securesend.StateReady {
		r.PassKeyID, r.PassMAC = "k1", hash("pass"+r.ID)
	}
	if g.chance(20) {
		r.Sizes = nil
	}
	r.ExpiresAt = g.now.Add(pick(g.r, 30*time.Second, 5*time.Minute, time.Hour, day))
	r.Expiry = r.ExpiresAt
	if len(g.refs) > 0 && g.chance(5) {
		r.Ref = g.ref()
	}
	if g.tryPut(r) == nil {
		g.refs = append(g.refs, r.Ref)
	}
}

func (g *gambler) step() {
	g.moves()
	ref := g.ref()
	auth := g.auth(ref)
	switch n := g.r.IntN(100); {
	case n < 12:
		g.create()
	case n < 18:
		c := g.content(ref)
		c.Inline, c.Upload = []byte(pick(g.r, "a", "a", "a", "b")), pick(g.r, c.Upload, c.Upload, c.Upload, hash("other"), nil)
		if g.chance(50) {
			c.PassMAC, c.PassKeyID = nil, ""
		}
		g.commit(ref, c) //nolint:errcheck // what it returns has been compared
	case n < 24:
		a := securesend.Admission{Upload: hash(pick(g.r, "upload"+ref.ID, "other")), Stamp: g.seen(securesend.EventOpened)}
		if g.model.records[ref] != nil {
			a.Number = g.macs(g.number(ref))
		}
		g.admit(ref, a) //nolint:errcheck // the same
	case n < 27:
		g.look(ref, auth) //nolint:errcheck // the same
	case n < 47:
		t := g.asks(ref, g.claim())
		t.Auth, t.Number, t.Pass, t.Allowed = auth, g.macs(t.Number), g.macs(t.Pass), g.chance(70)
		g.take(ref, t) //nolint:errcheck // the same
	case n < 55:
		from := int64(g.r.IntN(3))
		g.extend(ref, securesend.Fetch{Claim: hash(g.claim()), Auth: auth, File: g.r.IntN(3), From: from, To: from + int64(g.r.IntN(3))}) //nolint:errcheck // the same
	case n < 62:
		g.ack(ref, g.claim(), auth) //nolint:errcheck // the same
	case n < 68:
		g.sendCode(ref, g.code(auth, strconv.Itoa(n))) //nolint:errcheck // the same
	case n < 73:
		version := int64(1)
		if r := g.model.records[ref]; r != nil && g.chance(85) {
			version = r.Version
		}
		g.renew(ref, version, securesend.Renewal{ //nolint:errcheck // the same
			KeyID: pick(g.r, "k1", "k2"), MAC: hash(strconv.Itoa(n)), Sealed: []byte("sealed"), Stamp: g.stamp(securesend.EventRenewed),
		})
	case n < 75:
		g.revoke(ref) //nolint:errcheck // the same
	case n < 77:
		g.remark(ref, g.stamp(pick(g.r, securesend.EventSent, securesend.EventUnsent))) //nolint:errcheck // the same
	default:
		g.sweep(n)
	}
}

// sweep does one of what a service does beside its callers.
func (g *gambler) sweep(n int) {
	switch {
	case n < 81:
		g.list(securesend.Query{
			Tenant: pick(g.r, contoso, fabrikam), Sender: pick(g.r, "", "", "jane"), Subject: pick(g.r, "", "", "dana"),
			Ticket: pick(g.r, mspkit.Ticket{}, mspkit.Ticket{}, mspkit.Ticket{System: "psa", ID: "1"}),
			Kind:   pick(g.r, "", "", securesend.KindSend, securesend.KindRequest), Limit: pick(g.r, 0, 1, 3, 50),
		})
	case n < 85:
		key := pick(g.r, "contoso/a", "contoso/b", "all/c")
		g.count(securesend.Limit{Name: key, Key: key, Max: 2, Window: time.Minute, Global: key == "all/c"}, //nolint:errcheck // the same
			securesend.Limit{Name: "d", Key: "contoso/d", Max: 3, Window: time.Hour})
	case n < 90:
		g.expire(pick(g.r, 1, 2, 100))
	case n < 92:
		for _, ref := range g.dead(pick(g.r, 1, 3, 100), pick(g.r, "europe", "uk"), "none") {
			if g.chance(50) {
				g.ok(g.forget(ref))
			}
		}
	case n < 94:
		g.deleteExpired(deletion{age: pick(g.r, 0, time.Minute, time.Hour), limit: 1000})
	case n < 96:
		g.rewrap(pick(g.r, "k1", "k2", "k3"), pick(g.r, 1, 100), func(r securesend.Record) (half, sealed []byte, err error) { //nolint:errcheck // the same
			return append([]byte("h"), r.Half...), append([]byte("s"), r.Sealed...), nil
		})
	default:
		var ids []string
		for _, e := range g.events()[pick(g.r, contoso, fabrikam)] {
			if g.chance(80) {
				ids = append(ids, e.ID)
			}
		}
		g.ackEvents(ids...)
	}
}
