package psa_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mspkit/mspkit/psa"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var numbered = regexp.MustCompile(`\n\((\d+)/(\d+)\)$`)

// checkSplit checks everything that Split promises.
func checkSplit(t require.TestingT, text string, limit int) {
	parts := psa.Split(text, limit)
	require.Equal(t, parts, psa.Split(text, limit), "the same gives the same")
	limit = max(limit, 64)
	if len(text) <= limit {
		require.Equal(t, []string{text}, parts)
		return
	}
	require.Greater(t, len(parts), 1)
	at := 0
	for i, p := range parts {
		require.LessOrEqual(t, len(p), limit)
		if utf8.ValidString(text) {
			require.True(t, utf8.ValidString(p), "%q", p)
		}
		m := numbered.FindStringSubmatch(p[max(0, len(p)-20):])
		require.NotNil(t, m, "%q", p)
		require.Equal(t, strconv.Itoa(i+1), m[1])
		require.Equal(t, strconv.Itoa(len(parts)), m[2])
		piece := strings.TrimSuffix(p, m[0])
		for !strings.HasPrefix(text[at:], piece) { // only line breaks are left out, where it was cut
			require.True(t, strings.HasPrefix(text[at:], "\n"), "part %d leaves something out", i+1)
			at++
		}
		at += len(piece)
	}
	require.Empty(t, strings.Trim(text[at:], "\n"))
}

func TestSplitLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"word ", "A sentence. ", "line\n", "paragraph\n\n", "ü", "🔐", "日本語", "nospacehereatall", "x"})
		text := strings.Join(rapid.SliceOfN(piece, 0, 400).Draw(t, "text"), "")
		checkSplit(t, text, rapid.IntRange(0, 300).Draw(t, "limit"))
	})
}

func TestSplitCutsWhereAReaderWould(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 40)
	require.Equal(t, []string{long + "\n(1/2)", long + "\n(2/2)"}, psa.Split(long+"\n\n"+long, 70))
	require.Equal(t, []string{long + " \n(1/2)", long + "\n(2/2)"}, psa.Split(long+" "+long, 70))
	require.Equal(t, []string{"short"}, psa.Split("short", 0))
	require.Equal(t, []string{""}, psa.Split("", 100))
	parts := psa.Split(strings.Repeat("🔐", 30), 64)
	for _, p := range parts {
		require.True(t, utf8.ValidString(p))
	}
	// What is not text must not keep it busy for ever, and more parts than a thousand still keep to the limit.
	checkSplit(t, strings.Repeat("\x80", 1000), 64)
	checkSplit(t, strings.Repeat("y", 64*1100), 64)
	parts = psa.Split(strings.Repeat("z", 60*12000), 64)
	for i, p := range parts {
		if len(p) > 64 || !strings.HasSuffix(p, fmt.Sprintf("\n(%d/%d)", i+1, len(parts))) {
			t.Fatalf("part %d of %d is %q", i+1, len(parts), p)
		}
	}
}

func FuzzPhone(f *testing.F) {
	f.Add("+1 (202) 555-0143 ext. 7", "030 901820")
	f.Add("00", "+")
	f.Add("tel:+49;ext=1", "x")
	f.Fuzz(func(t *testing.T, a, b string) {
		if psa.SamePhone(a, b) != psa.SamePhone(b, a) {
			t.Fatalf("%q and %q are the same one way only", a, b)
		}
		if d := psa.PhoneDigits(a); len(d) > 10 || strings.Trim(d, "0123456789") != "" {
			t.Fatalf("the digits of %q are %q", a, d)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add("A text that is longer than sixty-four bytes, so that it is cut in two. And more.", 64)
	f.Add("", 0)
	f.Add(strings.Repeat("\x80", 200), 64)
	f.Add(strings.Repeat("\n", 300), 70)
	f.Add(strings.Repeat("🔐\n(1/2)", 40), 65)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if strings.Contains(text, "/") && numbered.MatchString(text) {
			t.Skip("what looks like our own numbering cannot be told apart")
		}
		parts := psa.Split(text, limit)
		total := 0
		for _, p := range parts {
			if len(p) > max(limit, 64) {
				t.Fatalf("a part has %d bytes", len(p))
			}
			if utf8.ValidString(text) && !utf8.ValidString(p) {
				t.Fatalf("%q is cut within a character", p)
			}
			if len(parts) > 1 {
				p = numbered.ReplaceAllString(p, "")
			}
			total += len(strings.ReplaceAll(p, "\n", ""))
		}
		if want := len(strings.ReplaceAll(text, "\n", "")); total != want {
			t.Fatalf("%d bytes of %d are left", total, want)
		}
	})
}

func TestPlainReplacesWhatASystemRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                         "",
		"plain\n\ttext":            "plain\n\ttext",
		"🔐 locked":                 "[U+1F510] locked",
		"ü ß 日本語 €":                "ü ß 日本語 €",
		"a\r\nb\rc":                "a\nb\nc",
		"bell\a null\x00 del\x7f.": "bell null del.",
		"c1\u0085.":                "c1.",
	} {
		require.Equal(t, want, psa.Plain(in), "%q", in)
		require.Equal(t, want, psa.Plain(psa.Plain(in)), "again: %q", in)
	}
}

func TestSamePhoneComparesAsFarAsASystemCanTell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"+12025550143", "(202) 555-0143", true},
		{"+1 202 555 0143 ext. 12", "2025550143", true},
		{"202.555.0143 x12", "1-202-555-0143", true},
		{"202.555.0143 #12", "tel:+1-202-555-0143;ext=12", true},
		{"Fax 2025550143", "2025550143", true},
		{"+12025550143", "+12025550144", false},
		{"5550143", "555-0143", true},
		{"5550143", "2025550143", false},
		{"", "", false},
		{"123456", "123456", false},
		{"abc", "abc", false},
		{"+49 30 901820", "030 901820", true},
		{"+49 (0)30 901820", "+4930901820", true},
		{"004930901820", "030-901820", true},
		{"+33 1 23 45 67 89", "01 23 45 67 89", true},
		{"+41 44 668 18 00", "044 668 18 00", true},
		{"+31 20 123 4567", "020 1234567", true},
		{"+44 20 7946 0018", "020 7946 0018", true},
		{"+39 06 1234567", "06 1234567", true},
		{"+33 1 23 45 67 89", "01 23 45 67 80", false},
		{"+123433123456789", "0123456789", false},
		{"+49 030 901820", "030 901820", true},
		{"4930901820", "+4930901820", true},
		{"+354 555 1234", "5551234", true},
		{"+7 495 123 45 67", "495 1234567", true},
		{"+1 202 555 0143", "+44 202 555 0143", false},
		{"+1 930 123 4567", "030 1234567", false},
		{"+", "00", false},
		{"+49", "0049", false},
	} {
		require.Equal(t, c.same, psa.SamePhone(c.a, c.b), "%s and %s", c.a, c.b)
		require.Equal(t, c.same, psa.SamePhone(c.b, c.a), "%s and %s", c.b, c.a)
	}
	require.Equal(t, "2025550143", psa.PhoneDigits("+1 (202) 555-0143 ext 7"))
	require.Equal(t, "30901820", psa.PhoneDigits("030 901820"))
	require.Equal(t, "30901820", psa.PhoneDigits("+49 (0)30 901820"))
	for _, empty := range []string{"", "+", "00", "+4", "+49", "abc", "0"} {
		require.Empty(t, psa.PhoneDigits(empty), empty)
	}
}
