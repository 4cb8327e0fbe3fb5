package securesend

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// box is what is needed to seal and open the content of one send.
type box struct {
	keys    Keys
	context [KeySize]byte
	header  Header
}

func testPlace() Place {
	return Place{Tenant: "contoso", ID: "abc", Region: "Europe", Purpose: "send", Expiry: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)}
}

func newBox(t testing.TB) box {
	t.Helper()
	keys, err := NewSendKeys(RandomKey(), RandomKey(), nil)
	require.NoError(t, err)
	return box{keys: keys, context: testPlace().Context()}
}

func (b box) cipher(t testing.TB, file int) *FileCipher {
	t.Helper()
	c, err := b.keys.File(b.context, b.header, file)
	require.NoError(t, err)
	return c
}

func point(t testing.TB) []byte {
	t.Helper()
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	return k.PublicKey().Bytes()
}

func headers(t testing.TB) map[string]Header {
	t.Helper()
	return map[string]Header{
		"plain":                    {},
		"held":                     {Held: true},
		"passphrase":               {Passphrase: true, Salt: RandomSalt()},
		"held and with passphrase": {Held: true, Passphrase: true, Salt: RandomSalt()},
		"request":                  {Request: true, Ephemeral: point(t)},
	}
}

func TestAHeaderIsReadAsItWasWrittenAndNoOtherWay(t *testing.T) {
	t.Parallel()
	for name, h := range headers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Bytes()
			got, err := ParseHeader(b)
			require.NoError(t, err)
			require.Equal(t, h, got)
			for n := range b {
				_, err := ParseHeader(b[:n])
				require.ErrorIs(t, err, ErrEnvelope, "the first %d bytes", n)
			}
			_, err = ParseHeader(append(slices.Clone(b), 0))
			require.ErrorIs(t, err, ErrEnvelope)
		})
	}
}

func TestHeadersThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	salt, key := RandomSalt(), point(t)
	off := slices.Clone(key)
	off[PointSize-1] ^= 1
	for name, b := range map[string][]byte{
		"nothing":                    nil,
		"version 0":                  {0, 0, 20},
		"version 2":                  {2, 0, 20},
		"an unknown flag":            {1, 8, 20},
		"the highest flag":           {1, 128, 20},
		"another chunk size":         {1, 0, 16},
		"a request and a passphrase": slices.Concat([]byte{1, 3, 20}, salt, key),
		"a request that is held":     slices.Concat([]byte{1, 6, 20}, key),
		"a point off the curve":      slices.Concat([]byte{1, 2, 20}, off),
		"a compressed point":         slices.Concat([]byte{1, 2, 20, 2}, key[1:33]),
		"infinity":                   slices.Concat([]byte{1, 2, 20}, make([]byte, PointSize)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseHeader(b)
			require.ErrorIs(t, err, ErrEnvelope)
		})
	}
}

func TestNothingIsSealedWithAHeaderThatDoesNotFitTheKeys(t *testing.T) {
	t.Parallel()
	plain, err := NewSendKeys(RandomKey(), RandomKey(), nil)
	require.NoError(t, err)
	pass, err := NewSendKeys(RandomKey(), RandomKey(), RandomKey())
	require.NoError(t, err)
	request, ephemeral, err := SealRequestKeys(point(t))
	require.NoError(t, err)
	salt := RandomSalt()
	for name, tc := range map[string]struct {
		keys   Keys
		header Header
	}{
		"no keys":                   {Keys{}, Header{}},
		"a passphrase too much":     {plain, Header{Passphrase: true, Salt: salt}},
		"a passphrase too few":      {pass, Header{}},
		"a salt too short":          {pass, Header{Passphrase: true, Salt: salt[1:]}},
		"a salt without passphrase": {plain, Header{Salt: salt}},
		"a request too much":        {plain, Header{Request: true, Ephemeral: ephemeral}},
		"a request too few":         {request, Header{}},
		"another ephemeral key":     {request, Header{Request: true, Ephemeral: point(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tc.keys.SealManifest([KeySize]byte{}, tc.header, Manifest{Text: "x"})
			require.ErrorIs(t, err, ErrInvalid)
			_, err = tc.keys.File([KeySize]byte{}, tc.header, 0)
			require.ErrorIs(t, err, ErrInvalid)
			_, err = tc.keys.OpenManifest([KeySize]byte{}, tc.header, make([]byte, 40))
			require.Error(t, err)
		})
	}
}

func TestEverythingOfAPlaceIsPartOfItsContext(t *testing.T) {
	t.Parallel()
	p := testPlace()
	require.Equal(t, p.Context(), p.Context())
	same := p
	same.Expiry = p.Expiry.Add(time.Second - 1).In(time.FixedZone("", 3600))
	require.Equal(t, p.Context(), same.Context(), "the zone and fractions do not count")
	seen := map[[KeySize]byte]string{p.Context(): "itself"}
	for name, change := range map[string]func(*Place){
		"tenant":              func(p *Place) { p.Tenant = "fabrikam" },
		"id":                  func(p *Place) { p.ID = "abd" },
		"region":              func(p *Place) { p.Region = "UK South" },
		"purpose":             func(p *Place) { p.Purpose = "request" },
		"expiry":              func(p *Place) { p.Expiry = p.Expiry.Add(time.Second) },
		"a border that moved": func(p *Place) { p.Tenant, p.ID = "contosoa", "bc" },
	} {
		other := testPlace()
		change(&other)
		require.NotContains(t, seen, other.Context(), name)
		seen[other.Context()] = name
	}
}

func TestSizesAreRightAndNeverOverflow(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, tc := range []struct{ size, chunks, parts, sealed int64 }{
		{0, 1, 1, 16},
		{1, 1, 1, 17},
		{mib - 1, 1, 1, mib + 15},
		{mib, 1, 1, mib + 16},
		{mib + 1, 2, 1, mib + 33},
		{8 * mib, 8, 1, 8*mib + 128},
		{8*mib + 1, 9, 2, 8*mib + 145},
		{16 * mib, 16, 2, 16*mib + 256},
		{MaxFileSize, mib, mib / 8, MaxFileSize + 16*mib},
		{MaxFileSize + 1, 0, 0, 0},
		{math.MaxInt64, 0, 0, 0},
		{-1, 0, 0, 0},
		{math.MinInt64, 0, 0, 0},
	} {
		t.Run(strconv.FormatInt(tc.size, 10), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.chunks, Chunks(tc.size))
			require.Equal(t, tc.parts, Parts(tc.size))
			require.Equal(t, tc.sealed, SealedSize(tc.size))
			var sum int64
			for n := range Parts(tc.size) {
				part := PartSize(tc.size, int(n))
				require.Positive(t, part)
				sum += part
			}
			require.Equal(t, tc.sealed, sum)
			for _, n := range []int{-1, int(tc.parts), math.MaxInt, math.MinInt} {
				require.Zero(t, PartSize(tc.size, n))
			}
		})
	}
}

func TestSecretsOfAnotherLengthAreRefused(t *testing.T) {
	t.Parallel()
	good, short, long := RandomKey(), RandomKey()[1:], append(RandomKey(), 0)
	for _, bad := range [][]byte{nil, short, long} {
		_, err := NewSendKeys(bad, good, nil)
		require.ErrorIs(t, err, ErrInvalid)
		_, err = NewSendKeys(good, bad, nil)
		require.ErrorIs(t, err, ErrInvalid)
		if bad != nil {
			_, err = NewSendKeys(good, good, bad)
			require.ErrorIs(t, err, ErrInvalid)
		}
	}
	for name, tc := range map[string]struct {
		pass string
		salt []byte
	}{"empty": {"", RandomSalt()}, "not UTF-8": {"\xff", RandomSalt()}, "no salt": {"x", nil}, "short salt": {"x", RandomSalt()[1:]}} {
		_, err := PassKey(tc.pass, tc.salt)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

func TestEverySecretIsPartOfTheKey(t *testing.T) {
	t.Parallel()
	a, b, c := RandomKey(), RandomKey(), RandomKey()
	header := Header{Passphrase: true, Salt: RandomSalt()}
	keys, err := NewSendKeys(a, b, c)
	require.NoError(t, err)
	sealed, err := keys.SealManifest([KeySize]byte{}, header, Manifest{Text: "x"})
	require.NoError(t, err)
	for _, s := range [][3][]byte{{RandomKey(), b, c}, {a, RandomKey(), c}, {a, b, RandomKey()}, {b, a, c}} {
		other, err := NewSendKeys(s[0], s[1], s[2])
		require.NoError(t, err)
		_, err = other.OpenManifest([KeySize]byte{}, header, sealed)
		require.ErrorIs(t, err, ErrEnvelope)
	}
	data := keys.data.Reveal()
	for _, secret := range []string{hex.EncodeToString(data), strings.Trim(fmt.Sprint([]int{int(data[0]), int(data[1]), int(data[2]), int(data[3])}), "[]")} {
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", keys, keys, keys, fmt.Sprint(keys)), secret)
	}
}

func TestOnlyTheKeyOfTheRequestOpensItsAnswer(t *testing.T) {
	t.Parallel()
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	sealer, ephemeral, err := SealRequestKeys(private.PublicKey().Bytes())
	require.NoError(t, err)
	header := Header{Request: true, Ephemeral: ephemeral}
	context := testPlace().Context()
	sealed, err := sealer.SealManifest(context, header, Manifest{Text: "the answer"})
	require.NoError(t, err)

	opener, err := NewRequestKeys(private, ephemeral)
	require.NoError(t, err)
	m, err := opener.OpenManifest(context, header, sealed)
	require.NoError(t, err)
	require.Equal(t, "the answer", m.Text)

	other, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	wrong, err := NewRequestKeys(other, ephemeral)
	require.NoError(t, err)
	_, err = wrong.OpenManifest(context, header, sealed)
	require.ErrorIs(t, err, ErrEnvelope)

	foreign, err := ecdh.P384().GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, k := range []*ecdh.PrivateKey{nil, foreign} {
		_, err = NewRequestKeys(k, ephemeral)
		require.ErrorIs(t, err, ErrInvalid)
	}
	for _, bad := range [][]byte{nil, ephemeral[1:], make([]byte, PointSize), {0}} {
		_, err = NewRequestKeys(private, bad)
		require.ErrorIs(t, err, ErrEnvelope)
		_, _, err = SealRequestKeys(bad)
		require.ErrorIs(t, err, ErrInvalid)
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, h := range headers(f) {
		f.Add(h.Bytes())
	}
	f.Add([]byte{1, 8, 20})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			require.ErrorIs(t, err, ErrEnvelope)
			return
		}
		require.True(t, bytes.Equal(b, h.Bytes()), "there is one way to write a header")
	})
}
