package totp

import (
	"encoding/base32"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// The table of RFC 6238, appendix B. Its secrets have the length of each hash (errata 2866).
func TestTheVectorsOfRFC6238(t *testing.T) {
	t.Parallel()
	const s = "1234567890123456789012345678901234567890123456789012345678901234"
	for _, tc := range []struct {
		at                   int64
		sha1, sha256, sha512 string
	}{
		{59, "94287082", "46119246", "90693936"},
		{1111111109, "07081804", "68084774", "25091201"},
		{1111111111, "14050471", "67062674", "99943326"},
		{1234567890, "89005924", "91819424", "93441116"},
		{2000000000, "69279037", "90698825", "38618901"},
		{20000000000, "65353130", "77737706", "47863826"},
	} {
		at := time.Unix(tc.at, 0)
		require.Equal(t, tc.sha1, code([]byte(s[:20]), Step(at), otp.AlgorithmSHA1, 8), tc.at)
		require.Equal(t, tc.sha256, code([]byte(s[:32]), Step(at), otp.AlgorithmSHA256, 8), tc.at)
		require.Equal(t, tc.sha512, code([]byte(s), Step(at), otp.AlgorithmSHA512, 8), tc.at)
		require.Equal(t, tc.sha1[2:], Code([]byte(s[:20]), Step(at)), "what apps show are its last six digits")
		step, ok := Match([]byte(s[:20]), tc.sha1[2:], at, 0)
		require.True(t, ok)
		require.Equal(t, Step(at), step)
	}
}

func TestACodeMatchesItsStepWithinTheSkewAndNowhereElse(t *testing.T) {
	t.Parallel()
	secret, now := []byte("12345678901234567890"), time.Unix(1111111111, 0)
	for _, tc := range []struct {
		skew, off int
		ok        bool
	}{
		{0, 0, true},
		{0, 1, false},
		{0, -1, false},
		{1, 0, true},
		{1, 1, true},
		{1, -1, true},
		{1, 2, false},
		{1, -2, false},
		{2, 2, true},
		{2, -2, true},
		{2, 3, false},
		{2, -3, false},
		{99, 3, false},
		{99, -3, false},
		{99, 2, true},
		{-1, 0, true},
		{-1, 1, false},
	} {
		want := Step(now) + int64(tc.off)
		step, ok := Match(secret, Code(secret, want), now, tc.skew)
		require.Equal(t, tc.ok, ok, "skew %d, %d steps off", tc.skew, tc.off)
		if ok {
			require.Equal(t, want, step)
		}
	}
	for _, typed := range []string{"", " ", "12345", "1234567", "abcdef", "٠٥٠٤٧١", Code(secret, Step(now)) + " ", "-" + Code(secret, Step(now))[1:]} {
		_, ok := Match(secret, typed, now, MaxSkew)
		require.False(t, ok, "%q", typed)
	}
	_, ok := Match(secret, "", time.Unix(0, 0), MaxSkew) // steps before 1970 have no code, and none is typed
	require.False(t, ok)
}

// Two steps may have the same code. Accepting it for the earlier one would leave a second use.
func TestOfTwoStepsWithTheSameCodeTheLaterOneMatches(t *testing.T) {
	t.Parallel()
	secret, seen := []byte("12345678901234567890"), map[string]int64{}
	var early int64
	for step := int64(1); early == 0; step++ {
		c := Code(secret, step)
		if before, ok := seen[c]; ok && step-before <= 2*MaxSkew {
			early = before
			got, ok := Match(secret, c, time.Unix((before+MaxSkew)*30, 0), MaxSkew)
			require.True(t, ok)
			require.Equal(t, step, got)
		}
		seen[c] = step
	}
}

func TestAStepIsAcceptedOnceAndNeverAfterALaterOne(t *testing.T) {
	t.Parallel()
	require.True(t, Fresh(0, 1))
	require.True(t, Fresh(7, 8))
	require.True(t, Fresh(7, 100))
	require.False(t, Fresh(7, 7))
	require.False(t, Fresh(7, 6))
}

// Whatever is typed when on however many clocks: no code is accepted twice, and the accepted steps rise.
func TestNoCodeIsAcceptedTwiceWhateverTheClocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret, last, used := NewSecret(), int64(0), map[string]bool{}
		start := time.Unix(rapid.Int64Range(1e9, 4e9).Draw(t, "start"), 0)
		skew := rapid.IntRange(0, MaxSkew).Draw(t, "skew")
		for range 40 {
			clock := start.Add(time.Duration(rapid.IntRange(-120, 600).Draw(t, "clock")) * time.Second)
			typed := Code(secret, Step(start)+int64(rapid.IntRange(-4, 20).Draw(t, "step")))
			step, ok := Match(secret, typed, clock, skew)
			if !ok || !Fresh(last, step) {
				continue
			}
			if used[typed] {
				// The same six digits may come back after many steps by chance; never within one window.
				require.Greater(t, step-last, int64(2*skew))
			}
			if off := step - Step(clock); off > int64(skew) || off < -int64(skew) {
				t.Fatalf("step %d was accepted %d steps away", step, off)
			}
			used[typed], last = true, step
		}
	})
}

func TestTheAddressSaysWhoseItIsAndNothingAppsIgnore(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	require.Len(t, secret, SecretSize)
	require.NotEqual(t, secret, NewSecret())
	for _, tc := range []struct{ issuer, account, path, want string }{
		{"Contoso IT", "dana@northwind.example", "/Contoso IT:dana@northwind.example", "Contoso IT"},
		{"A:B", "c:d", "/A B:c d", "A B"},
		{"", "\xff", "/Helpdesk:account", "Helpdesk"},
		{strings.Repeat("ü", 50), "x", "/" + strings.Repeat("ü", 16) + ":x", strings.Repeat("ü", 16)},
		{`"><script>&issuer=Evil#`, "x", `/"><script>&issuer=Evil#:x`, `"><script>&issuer=Evil#`},
	} {
		u, err := url.Parse(URL(secret, tc.issuer, tc.account))
		require.NoError(t, err)
		require.Equal(t, "otpauth://totp", u.Scheme+"://"+u.Host)
		require.Equal(t, tc.path, u.Path)
		q := u.Query()
		require.Equal(t, tc.want, q.Get("issuer"))
		require.Len(t, q["issuer"], 1)
		require.Len(t, q, 2, "what apps take for granted is left out")
		got, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(q.Get("secret"))
		require.NoError(t, err)
		require.Equal(t, secret, got)
		require.Equal(t, q.Get("secret"), strings.ReplaceAll(Text(secret), " ", ""))
	}
}

func TestAPictureHasItsMarginAndItsPathTheSameSquares(t *testing.T) {
	t.Parallel()
	p, err := QR(URL(NewSecret(), strings.Repeat("ü", 50), strings.Repeat("日", 50)))
	require.NoError(t, err)
	require.LessOrEqual(t, p.Size, 85, "the longest names still fit into a picture that a phone reads")
	for i := range p.Size {
		for _, j := range []int{0, quiet - 1, p.Size - quiet, p.Size - 1} {
			require.False(t, p.Dark(i, j) || p.Dark(j, i), "the margin is empty")
		}
	}
	require.True(t, p.Dark(quiet, quiet))
	dark, drawn := 0, 0
	for y := range p.Size {
		for x := range p.Size {
			if p.Dark(x, y) {
				dark++
			}
		}
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(p.Path(), "z"), "z") {
		at, width, ok := strings.Cut(strings.TrimPrefix(part, "M"), "h")
		require.True(t, ok)
		width, _, _ = strings.Cut(width, "v")
		var x, y, w big.Int
		xs, ys, _ := strings.Cut(at, " ")
		x.SetString(xs, 10)
		y.SetString(ys, 10)
		w.SetString(width, 10)
		for i := range w.Int64() {
			require.True(t, p.Dark(int(x.Int64()+i), int(y.Int64())))
			drawn++
		}
	}
	require.Equal(t, dark, drawn)
	secret := strings.Repeat("secret", 1000)
	_, err = QR(secret)
	require.ErrorContains(t, err, "too long")
	require.NotContains(t, err.Error(), "secretsecret")
}

func TestARecoveryCodeWorksOnceAtItsPlaceOnly(t *testing.T) {
	t.Parallel()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	r, err := NewRecovery(ring, "test")
	require.NoError(t, err)
	secret := token.NewSecret()
	plain, stored, err := r.Draw(secret, "contoso", "dana")
	require.NoError(t, err)
	require.Len(t, plain, RecoveryCodes)
	for _, c := range plain {
		require.Len(t, c, RecoveryDigits)
		require.Empty(t, strings.Trim(c, "0123456789"))
	}
	again, err := r.Again(stored, secret, "contoso", "dana")
	require.NoError(t, err)
	require.Equal(t, plain, again, "whoever has the secret sees them again")
	for _, place := range [][]string{{"contoso", "erin"}, {"fabrikam", "dana"}, {"contosod", "ana"}} {
		_, ok, err := r.Find(stored, plain[0], place...)
		require.NoError(t, err)
		require.False(t, ok, place)
		other, err := r.Again(stored, secret, place...)
		require.NoError(t, err)
		require.Nil(t, other)
	}
	none, err := r.Again(stored, token.NewSecret(), "contoso", "dana")
	require.NoError(t, err)
	require.Nil(t, none)

	left, ok, err := r.Find(stored, plain[3], "contoso", "dana")
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, left.Hashes, RecoveryCodes-1)
	require.Len(t, stored.Hashes, RecoveryCodes, "what was given is as it was")
	_, ok, err = r.Find(left, plain[3], "contoso", "dana")
	require.NoError(t, err)
	require.False(t, ok, "it was used")
	for i, c := range plain {
		if i != 3 {
			left, ok, err = r.Find(left, c, "contoso", "dana")
			require.NoError(t, err)
			require.True(t, ok)
		}
	}
	require.Empty(t, left.Hashes)
	_, ok, err = r.Find(left, plain[0], "contoso", "dana")
	require.NoError(t, err)
	require.False(t, ok)

	fresh, err := mspkit.NewKeyRing(mspkit.NewKey("k2"))
	require.NoError(t, err)
	other, err := NewRecovery(fresh, "test")
	require.NoError(t, err)
	_, _, err = other.Find(stored, plain[0], "contoso", "dana")
	require.ErrorIs(t, err, mspkit.ErrUnknownKey, "not known is not wrong")
	_, err = other.Again(stored, secret, "contoso", "dana")
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
}

func FuzzMatch(f *testing.F) {
	secret := []byte("12345678901234567890")
	f.Add("050471", int64(1111111111), 1)
	f.Add("", int64(-1), 2)
	f.Add("٠٥٠٤٧١", int64(1), 0)
	f.Fuzz(func(t *testing.T, typed string, at int64, skew int) {
		step, ok := Match(secret, typed, time.Unix(at, 0), skew)
		if ok && (Code(secret, step) != typed || len(typed) != Digits) {
			t.Fatalf("%q is not the code of step %d", typed, step)
		}
	})
}
