package cleantext_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/cleantext"
)

func TestNameKeepsHonestNamesAndDisarmsTheRest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"plain":                   {"Dana Müller-Lüdenscheidt", "Dana Müller-Lüdenscheidt"},
		"initials":                {"J.R. O'Neill", "J.R. O'Neill"},
		"title and spaces":        {"  Dr.  Ana\tSilva ", "Dr. Ana Silva"},
		"version":                 {"Office 2.5", "Office 2.5"},
		"arabic":                  {"دانا", "دانا"},
		"devanagari marks":        {"हिन्दी", "हिन्दी"},
		"ticket":                  {"halopsa:4711", "halopsa:4711"},
		"url":                     {"Bob https://evil.com/x?y=1 IT", "Bob […] IT"},
		"url with full width":     {"http：／／evil．com", "[…]"},
		"www":                     {"(www.evil.com)", "[…]"},
		"domain":                  {"go to evil.com now", "go to evil com now"},
		"domain with path":        {"evil.com/login", "evil com/login"},
		"idn domain":              {"еvіl.рф", "еvіl рф"},
		"ideographic dot":         {"evil。com", "evil com"},
		"hidden dot":              {"evil\u200b.\u200dcom", "evil com"},
		"ip":                      {"10.0.0.1/login", "10 0 0 1/login"},
		"mail address":            {"dana@evil.com", "dana evil com"},
		"newline":                 {"Dana\r\nBcc: x", "Dana Bcc: x"},
		"nul":                     {"Da\x00na", "Dana"},
		"bidi override":           {"\u202emoc.live\u202c", "moc live"},
		"isolates and marks":      {"\u2066a\u2069\u200eb\u200fc\u061cd", "abcd"},
		"zero width":              {"a\u200bb\ufeffc\u2060d\u00ade", "abcde"},
		"tag characters":          {"a\U000e0041b", "ab"},
		"hangul filler":           {"a\u3164b\u115f", "ab"},
		"invalid utf-8":           {"a\xffb", "ab"},
		"zalgo":                   {"a" + strings.Repeat("\u0301", 40), "a" + strings.Repeat("\u0301", 3)},
		"line separator":          {"a\u2028b", "a b"},
		"nothing left":            {"\u202e\u200b", ""},
		"replacement in a name":   {"Contoso://Ltd", "[…]"},
		"company named as domain": {"Booking.com", "Booking com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, cleantext.Name(tc.in, 0))
		})
	}
}

func TestNameIsCutToTheLimitInRunes(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Repeat("ü", 64), cleantext.Name(strings.Repeat("ü", 64), 0))
	require.Equal(t, strings.Repeat("ü", 63)+"…", cleantext.Name(strings.Repeat("ü", 65), 0))
	require.Equal(t, "abc…", cleantext.Name("abc defgh", 5))
	require.Equal(t, "…", cleantext.Name("abc", 1))
}

func TestLineKeepsAddresses(t *testing.T) {
	t.Parallel()
	require.Equal(t, "https://it.contoso.example help@contoso.example", cleantext.Line("https://it.contoso.example\r\n\u202ehelp@contoso.example", 0))
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"Dana", "http://evil.com", "a\u202eb\r\nBcc:", "www.x.y", "：／／", "a.b.c.d", "1.2.3.4.5", "x:\u200b//y", "www\u200b.a", strings.Repeat("a.b ", 40)} {
		f.Add(s, 64)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		out := cleantext.Name(s, limit)
		if limit <= 0 {
			limit = cleantext.MaxName
		}
		require.LessOrEqual(t, utf8.RuneCountInString(out), limit)
		require.True(t, utf8.ValidString(out))
		require.NotContains(t, out, "://")
		for _, r := range out {
			require.False(t, unicode.IsControl(r) || unicode.Is(unicode.Cf, r), "%U", r)
		}
		for tok := range strings.FieldsSeq(out) {
			require.False(t, strings.HasPrefix(strings.ToLower(tok), "www."), out)
		}
		require.Equal(t, out, cleantext.Name(out, limit), "a second pass changes something")
	})
}
