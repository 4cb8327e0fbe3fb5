package entratest

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// TestTokens runs a store through every sentence of [entra.TokenStore]. open returns two instances of a fresh, empty store for
// one part; a store in memory returns itself twice.
func TestTokens(t *testing.T, open func(t *testing.T) (first, second entra.TokenStore)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(s storeSuite, a, b entra.TokenStore)
	}{
		{"A token is exchanged revision by revision", tokensSwapped},
		{"A revision is never given twice", tokensDeleted},
		{"A token is complete", tokensComplete},
		{"Race: one exchanges a revision", tokensRace},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			part.run(storeSuite{t}, a, b)
		})
	}
}

func (s storeSuite) swap(st entra.TokenStore, name, sealed string, rev int64) int64 {
	s.Helper()
	next, err := st.SwapToken(s.Context(), name, []byte(sealed), rev, suiteTime)
	s.ok(err)
	return next
}

func (s storeSuite) stale(st entra.TokenStore, name string, rev int64) {
	s.Helper()
	_, err := st.SwapToken(s.Context(), name, []byte("of a loser"), rev, suiteTime)
	s.is(err, entra.ErrStale)
}

func (s storeSuite) token(st entra.TokenStore, name, want string, wantRev int64) {
	s.Helper()
	sealed, rev, err := st.Token(s.Context(), name)
	s.ok(err)
	s.equal(string(sealed), want, "the token")
	s.equal(rev, wantRev, "its revision")
	sealed[0]++ // is not the store's
}

func tokensSwapped(s storeSuite, a, b entra.TokenStore) {
	_, _, err := a.Token(s.Context(), "partner")
	s.is(err, entra.ErrNotConnected)
	s.stale(a, "partner", 1)
	s.equal(s.swap(a, "partner", "\x00first\xff", 0), int64(1), "the first revision")
	s.token(b, "partner", "\x00first\xff", 1)
	s.token(b, "partner", "\x00first\xff", 1)
	s.stale(b, "partner", 0)
	s.stale(b, "partner", 2)
	s.equal(s.swap(b, "partner", "second", 1), int64(2), "the second revision")
	s.stale(a, "partner", 1)
	s.token(a, "partner", "second", 2)
	_, _, err = a.Token(s.Context(), "Partner")
	s.is(err, entra.ErrNotConnected)
	s.equal(s.swap(a, "another", "token", 0), int64(1), "another token's")
	s.token(b, "partner", "second", 2)
}

func tokensDeleted(s storeSuite, a, b entra.TokenStore) {
	ctx := s.Context()
	s.ok(a.DeleteToken(ctx, "partner"))
	s.swap(a, "partner", "first", 0)
	s.ok(b.DeleteToken(ctx, "partner"))
	s.ok(b.DeleteToken(ctx, "partner"))
	_, _, err := a.Token(ctx, "partner")
	s.is(err, entra.ErrNotConnected)
	s.stale(a, "partner", 1) // who had read it before
	rev := s.swap(a, "partner", "of a new sign-in", 0)
	if rev < 2 {
		s.Fatalf("the revision after a deletion is %d, which was given before", rev)
	}
	s.stale(b, "partner", 1)
	s.token(b, "partner", "of a new sign-in", rev)
	s.ok(a.DeleteToken(ctx, "a\x00b\xff"))
	_, _, err = a.Token(ctx, "a\x00b\xff")
	s.is(err, entra.ErrNotConnected)
}

func tokensComplete(s storeSuite, a, _ entra.TokenStore) {
	for _, x := range []struct{ name, sealed string }{
		{"", "x"}, {"partner", ""}, {"a\x00b", "x"}, {"\xff", "x"}, {strings.Repeat("x", mspkit.MaxID+1), "x"},
	} {
		if _, err := a.SwapToken(s.Context(), x.name, []byte(x.sealed), 0, suiteTime); !errors.Is(err, mspkit.ErrInvalid) {
			s.Fatalf("%q: the error is %v", x.name, err)
		}
	}
}

func tokensRace(s storeSuite, a, b entra.TokenStore) {
	both := [2]entra.TokenStore{a, b}
	for rev := range int64(5) {
		won := s.race(32, func(i int) error {
			_, err := both[i%2].SwapToken(s.Context(), "partner", []byte("of "+strconv.Itoa(i)), rev, suiteTime)
			return err
		}, entra.ErrStale)
		s.equal(won, 1, "who exchanged the token")
	}
	_, rev, err := a.Token(s.Context(), "partner")
	s.ok(err)
	s.equal(rev, int64(5), "the last revision")
}
