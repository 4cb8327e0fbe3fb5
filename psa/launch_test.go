package psa_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/stretchr/testify/require"
)

func launches(t *testing.T, purpose string, keys ...mspkit.Key) *psa.Launches {
	t.Helper()
	ring, err := mspkit.NewKeyRing(keys...)
	require.NoError(t, err)
	l, err := psa.NewLaunches(ring, purpose)
	require.NoError(t, err)
	return l
}

func TestALaunchOpensWhatWasSigned(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	in := psa.Launch{Tenant: "contoso", Technician: "jane", Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"}, Contact: "201"}
	old, fresh := mspkit.NewKey("old"), mspkit.NewKey("new")
	l := launches(t, "pod", old)
	tok, err := l.Sign(in, time.Minute, now)
	require.NoError(t, err)
	for _, hidden := range []string{"contoso", "jane", "4711"} {
		require.NotContains(t, tok, hidden)
	}
	got, err := l.Open(tok, now.Add(time.Minute-time.Millisecond))
	require.NoError(t, err)
	require.Equal(t, in, got)
	got, err = launches(t, "pod", fresh, old).Open(tok, now)
	require.NoError(t, err, "after a change of keys")
	require.Equal(t, in, got)

	_, err = l.Open(tok, now.Add(time.Minute))
	require.ErrorIs(t, err, psa.ErrLaunchExpired)
	for name, c := range map[string]struct {
		l   *psa.Launches
		tok string
	}{
		"another purpose":   {launches(t, "tab", old), tok},
		"another ring":      {launches(t, "pod", mspkit.NewKey("old")), tok},
		"the key is gone":   {launches(t, "pod", fresh), tok},
		"empty":             {l, ""},
		"cut":               {l, tok[:len(tok)-1]},
		"longer":            {l, tok + "A"},
		"not of the letter": {l, strings.Repeat("!", 100)},
		"much too long":     {l, strings.Repeat("A", 10_000)},
	} {
		got, err := c.l.Open(c.tok, now)
		require.ErrorIs(t, err, psa.ErrLaunch, name)
		require.Empty(t, got, name)
	}
	for i := range tok { // any one letter
		other := byte('A')
		if tok[i] == other {
			other = 'B'
		}
		_, err := l.Open(tok[:i]+string(other)+tok[i+1:], now)
		require.ErrorIs(t, err, psa.ErrLaunch)
	}
	again, err := l.Sign(in, time.Minute, now)
	require.NoError(t, err)
	require.NotEqual(t, tok, again)
}

func TestALaunchIsCompleteAndShort(t *testing.T) {
	t.Parallel()
	l := launches(t, "pod", mspkit.NewKey("k"))
	good := psa.Launch{Tenant: "contoso", Technician: "jane", Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"}}
	for name, c := range map[string]struct {
		change func(*psa.Launch)
		ttl    time.Duration
	}{
		"no tenant":       {func(l *psa.Launch) { l.Tenant = "" }, time.Minute},
		"no ticket":       {func(l *psa.Launch) { l.Ticket = mspkit.Ticket{} }, time.Minute},
		"no technician":   {func(l *psa.Launch) { l.Technician = "" }, time.Minute},
		"no life":         {func(*psa.Launch) {}, 0},
		"a negative life": {func(*psa.Launch) {}, -time.Minute},
		"a long life":     {func(*psa.Launch) {}, psa.MaxLaunch + 1},
		"long ids":        {func(l *psa.Launch) { l.Technician = strings.Repeat("x", 600) }, time.Minute},
	} {
		in := good
		c.change(&in)
		_, err := l.Sign(in, c.ttl, time.Now())
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k"))
	require.NoError(t, err)
	_, err = psa.NewLaunches(ring, "")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = psa.NewLaunches(nil, "pod")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func FuzzLaunch(f *testing.F) {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k"))
	if err != nil {
		f.Fatal(err)
	}
	l, err := psa.NewLaunches(ring, "pod")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add("AAAA")
	f.Add(strings.Repeat("A", 200))
	f.Fuzz(func(t *testing.T, tok string) {
		if got, err := l.Open(tok, time.Unix(0, 0)); err == nil || got != (psa.Launch{}) {
			t.Fatalf("%q opens %+v, %v", tok, got, err)
		}
	})
}
