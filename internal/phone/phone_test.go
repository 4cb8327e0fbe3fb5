package phone_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/phone"
)

func TestE164(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ region, in, want string }{
		"national":             {"US", "(202) 555-0143", "+12025550143"},
		"national elsewhere":   {"DE", "0151 12345678", "+4915112345678"},
		"international":        {"US", "+49 (0) 151 12345678", "+4915112345678"},
		"with zeros":           {"DE", "0043 664 1234567", "+436641234567"},
		"no region, national":  {"", "0151 12345678", ""},
		"extension":            {"US", "202-555-0143 x12", ""},
		"word":                 {"US", "switchboard", ""},
		"empty":                {"US", "", ""},
		"too short":            {"US", "55501", ""},
		"two numbers":          {"US", "2025550143 / 2025550144", ""},
		"a formula":            {"US", "=2025550143", ""},
		"toll-free is a phone": {"US", "800 555 0199", "+18005550199"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := phone.Reader{Region: tc.region}.E164(tc.in)
			require.Equal(t, tc.want, got)
			if tc.want == "" {
				require.ErrorIs(t, err, mspkit.ErrInvalid)
				require.NotContains(t, err.Error(), "555")
			}
		})
	}
	require.True(t, phone.KnownRegion("AT"))
	require.False(t, phone.KnownRegion("at"))
}

func FuzzE164(f *testing.F) {
	for _, s := range []string{"(202) 555-0143", "+49 151 12345678", "００４９", "x", "+"} {
		f.Add(s)
	}
	r := phone.Reader{Region: "US"}
	f.Fuzz(func(t *testing.T, s string) {
		out, err := r.E164(s)
		if err != nil {
			require.Empty(t, out)
			return
		}
		again, err := r.E164(out)
		require.NoError(t, err)
		require.Equal(t, out, again)
	})
}
