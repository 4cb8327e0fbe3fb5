package token

import (
	"strings"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/stretchr/testify/require"
)

func ring(t testing.TB, keys ...mspkit.Key) *mspkit.KeyRing {
	t.Helper()
	r, err := mspkit.NewKeyRing(keys...)
	require.NoError(t, err)
	return r
}

func codec(t testing.TB, label string, keys ...mspkit.Key) *Codec {
	t.Helper()
	c, err := NewCodec(ring(t, keys...), label)
	require.NoError(t, err)
	return c
}

func TestATokenCarriesItsTenantAndHidesIt(t *testing.T) {
	t.Parallel()
	c := codec(t, "link", mspkit.NewKey("k1"))
	secret := NewSecret()
	tok := c.Encode(secret, "contoso")
	require.NotContains(t, tok, "contoso")
	gotSecret, tenant, err := c.Decode(tok)
	require.NoError(t, err)
	require.Equal(t, secret, gotSecret)
	require.Equal(t, "contoso", tenant)
}

func TestAlteredAndForeignTokensAreRefused(t *testing.T) {
	t.Parallel()
	key := mspkit.NewKey("k1")
	c := codec(t, "link", key)
	a, b := c.Encode(NewSecret(), "contoso"), c.Encode(NewSecret(), "fabrikam")
	head := len(a) * 32 / (32 + 7 + 16)
	for name, tok := range map[string]string{
		"empty":                             "",
		"garbage":                           "///",
		"short":                             a[:20],
		"truncated":                         a[:len(a)-2],
		"trailing text":                     a + "A",
		"too long":                          strings.Repeat("A", MaxToken+1),
		"one tenant's secret under another": a[:head] + b[head:],
		"another ring":                      codec(t, "link", mspkit.NewKey("k1")).Encode(NewSecret(), "contoso"),
		"another label":                     codec(t, "who", key).Encode(NewSecret(), "contoso"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := c.Decode(tok)
			require.ErrorIs(t, err, ErrMalformed)
		})
	}
}

func TestTokensOutliveARotationWhileTheOldKeyIsKept(t *testing.T) {
	t.Parallel()
	k1, k2 := mspkit.NewKey("k1"), mspkit.NewKey("k2")
	tok := codec(t, "link", k1).Encode(NewSecret(), "contoso")
	_, tenant, err := codec(t, "link", k2, k1).Decode(tok)
	require.NoError(t, err)
	require.Equal(t, "contoso", tenant)
	_, _, err = codec(t, "link", k2).Decode(tok)
	require.ErrorIs(t, err, ErrMalformed)
}

func TestDigitsAreEvenlySpread(t *testing.T) {
	t.Parallel()
	const rounds = 20000
	var seen [10][3]int
	for range rounds {
		d := Digits(3)
		require.Len(t, d, 3)
		for i, c := range d {
			seen[c-'0'][i]++
		}
	}
	for d := range seen {
		for i, n := range seen[d] {
			// 2,000 expected; 6 standard deviations are 255.
			require.InDelta(t, rounds/10, n, 255, "digit %d at place %d", d, i)
		}
	}
}

func TestHashesAreBoundToLabelPartsAndKey(t *testing.T) {
	t.Parallel()
	k1, k2 := mspkit.NewKey("k1"), mspkit.NewKey("k2")
	h, err := NewHasher(ring(t, k1, k2), "code")
	require.NoError(t, err)
	other, err := NewHasher(ring(t, k1, k2), "proof")
	require.NoError(t, err)
	sum, err := h.Sum("k1", "ab", "c")
	require.NoError(t, err)

	check := func(h *Hasher, key string, parts ...string) bool {
		ok, err := h.Verify(key, sum, parts...)
		require.NoError(t, err)
		return ok
	}
	require.True(t, check(h, "k1", "ab", "c"))
	require.False(t, check(h, "k1", "a", "bc"), "parts shifted")
	require.False(t, check(h, "k2", "ab", "c"), "other key")
	require.False(t, check(other, "k1", "ab", "c"), "other label")
	_, err = h.Verify("k3", sum, "ab", "c")
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
}

func FuzzDecode(f *testing.F) {
	c := codec(f, "link", mspkit.NewKey("k1"))
	good := c.Encode(NewSecret(), "contoso")
	f.Add(good)
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if _, _, err := c.Decode(s); err == nil && s != good {
			t.Fatalf("accepted %q", s)
		}
	})
}
