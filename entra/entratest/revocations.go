package entratest

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// TestRevocations runs a store through every sentence of [entra.Revocations]. open returns two instances of a fresh, empty store for
// one part; a store in memory returns itself twice.
func TestRevocations(t *testing.T, open func(t *testing.T) (first, second entra.Revocations)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(s storeSuite, a, b entra.Revocations)
	}{
		{"A revocation ends what began before", revocationsCount},
		{"A revocation is remembered as long as it must be", revocationsForgotten},
		{"A revocation is complete", revocationsComplete},
		{"Race: one is the first to revoke", revocationsRace},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			part.run(storeSuite{t}, a, b)
		})
	}
}

func (s storeSuite) revoke(st entra.Revocations, owner, mark string, at time.Time, first bool) {
	s.Helper()
	got, err := st.Revoke(s.Context(), owner, mark, at, suiteTime.Add(time.Hour))
	s.ok(err)
	s.equal(got, first, "whether it was the first")
}

func (s storeSuite) revoked(st entra.Revocations, owner string, since time.Time, want bool, marks ...string) {
	s.Helper()
	got, err := st.Revoked(s.Context(), owner, marks, since)
	s.ok(err)
	s.equal(got, want, "whether it is revoked")
}

func revocationsCount(s storeSuite, a, b entra.Revocations) {
	at := suiteTime
	s.revoked(a, "north", at, false, "s:1")
	s.revoked(a, "north", at, false)
	s.revoke(a, "north", "s:1", at, true)
	s.revoked(b, "north", at, true, "s:1")
	s.revoked(b, "north", at.Add(-time.Hour), true, "s:1")
	s.revoked(b, "north", at.Add(time.Microsecond), false, "s:1")
	s.revoked(b, "north", at, true, "s:0", "p:0", "b:0", "s:1")
	s.revoked(b, "north", at, true, "s:1", "s:0")
	s.revoked(b, "north", at, false, "s:0", "S:1", "s:1 ", "s:1\x00")
	s.revoked(b, "south", at, false, "s:1")
	s.revoked(b, "a\x00b\xff", at, false, "s:1")
	s.revoke(b, "north", "s:1", at, false)
	s.revoke(b, "north", "s:1", at.Add(-time.Minute), false)
	s.revoked(a, "north", at, true, "s:1") // the later time stays
	s.revoke(b, "north", "s:1", at.Add(time.Minute), true)
	s.revoked(a, "north", at.Add(time.Minute), true, "s:1")
	s.revoke(b, "south", "s:1", at, true)
}

func revocationsForgotten(s storeSuite, a, b entra.Revocations) {
	ctx := s.Context()
	s.revoke(a, "north", "s:1", suiteTime, true)
	_, err := a.Revoke(ctx, "north", "s:2", suiteTime, suiteTime.Add(2*time.Hour))
	s.ok(err)
	s.revoke(a, "north", "s:2", suiteTime.Add(time.Second), true) // for an hour only, which must not shorten the two
	n, err := b.DeleteExpired(ctx, suiteTime.Add(time.Hour-time.Second))
	s.ok(err)
	s.equal(n, 0, "what was forgotten too early")
	n, err = b.DeleteExpired(ctx, suiteTime.Add(time.Hour))
	s.ok(err)
	s.equal(n, 1, "what was forgotten")
	s.revoked(a, "north", suiteTime, false, "s:1")
	s.revoked(a, "north", suiteTime, true, "s:2")
	n, err = a.DeleteExpired(ctx, suiteTime.Add(2*time.Hour))
	s.ok(err)
	s.equal(n, 1, "what was forgotten in the end")
	s.revoked(b, "north", suiteTime, false, "s:2")
}

func revocationsComplete(s storeSuite, a, _ entra.Revocations) {
	for _, x := range []struct{ owner, mark string }{
		{"", "s:1"}, {"north", ""}, {"a\x00b", "s:1"}, {"north", "\xff"}, {"north", strings.Repeat("x", 65)}, {strings.Repeat("x", mspkit.MaxID+1), "s:1"},
	} {
		if _, err := a.Revoke(s.Context(), x.owner, x.mark, suiteTime, suiteTime); !errors.Is(err, mspkit.ErrInvalid) {
			s.Fatalf("%q, %q: the error is %v", x.owner, x.mark, err)
		}
	}
}

// errSecond is what those get who were not the first.
var errSecond = errors.New("another one was the first")

func revocationsRace(s storeSuite, a, b entra.Revocations) {
	both := [2]entra.Revocations{a, b}
	for round := range 5 {
		won := s.race(32, func(i int) error {
			first, err := both[i%2].Revoke(s.Context(), "north", "j:"+strconv.Itoa(round), suiteTime, suiteTime.Add(time.Hour))
			if err == nil && !first {
				return errSecond
			}
			return err
		}, errSecond)
		s.equal(won, 1, "who was the first")
	}
}
