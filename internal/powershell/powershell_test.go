package powershell

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                     "''",
		"Contoso Helpdesk":     "'Contoso Helpdesk'",
		"O'Brien":              "'O''Brien'",
		"$(Remove-Item C:\\)":  "'$(Remove-Item C:\\)'",
		"`n":                   "'`n'",
		"a\nb":                 "('a' + [char]0x000A + 'b')",
		"x\u2019; evil":        "('x' + [char]0x2019 + '; evil')",
		"\u0451; evil #":       "('' + [char]0x0451 + '; evil #')",
		"caf\u00e9":            "('caf' + [char]0x00E9)",
		"\U0001F600'":          "('' + [char]::ConvertFromUtf32(0x1F600) + '''')",
		"\xff":                 "('' + [char]0xFFFD)",
		"\u2018\u201a\u201b\r": "('' + [char]0x2018 + [char]0x201A + [char]0x201B + [char]0x000D)",
	} {
		require.Equal(t, want, Quote(in), "%q", in)
	}
}

func Example() {
	fmt.Println("Grant-CsTeamsAppSetupPolicy -PolicyName " + Quote("Dana\u2019s '1st'") + " -Rank 1")
	// Output: Grant-CsTeamsAppSetupPolicy -PolicyName ('Dana' + [char]0x2019 + 's ''1st''') -Rank 1
}

// FuzzQuote holds what is written to be read back as the same value, and nothing else, by PowerShell's rules: also where the
// file is taken for one in the code page of the machine.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "'", "''", "a'b", "\u2018x\u2019", "\u201a\u201b", "\n", "\r\n# x", "'; Remove-Item x; '", "\u0451'", "\U0001F600", "\xd1", "`'", "$x", "(", "[char]0x41", "\x00", "' + [char]0x27 + '"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lit := Quote(s)
		want := string([]rune(s)) // each byte that is not UTF-8 is U+FFFD
		for i := range len(lit) {
			if lit[i] < ' ' || lit[i] > '~' {
				t.Fatalf("%q has a character that is not printable ASCII: %q", s, lit)
			}
		}
		for _, m := range []*charmap.Charmap{charmap.Windows1252, charmap.Windows1251, charmap.CodePage437} {
			read, err := m.NewDecoder().String(lit + " -Next")
			require.NoError(t, err)
			got, rest, err := readLiteral(read)
			require.NoError(t, err, "%q is written as %q", s, lit)
			require.Equal(t, want, got)
			require.Equal(t, " -Next", rest)
		}
	})
}

// readLiteral reads one argument of PowerShell: a text in single quotes, or in parentheses a sum of such texts and of
// characters. It returns what is left.
func readLiteral(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, "(") {
		return readText(s)
	}
	s = s[1:]
	for first := true; ; first = false {
		var part string
		switch {
		case strings.HasPrefix(s, "[char]0x") && !first:
			part, s, err = readNumber(s[len("[char]0x"):], 0xffff)
		case strings.HasPrefix(s, "[char]::ConvertFromUtf32(0x") && !first:
			if part, s, err = readNumber(s[len("[char]::ConvertFromUtf32(0x"):], 0x10ffff); err == nil && !strings.HasPrefix(s, ")") {
				return "", "", fmt.Errorf("a call that does not end: %q", s)
			}
			s = strings.TrimPrefix(s, ")")
		default:
			part, s, err = readText(s)
		}
		if err != nil {
			return "", "", err
		}
		value += part
		if strings.HasPrefix(s, ")") {
			return value, s[1:], nil
		}
		if !strings.HasPrefix(s, " + ") {
			return "", "", fmt.Errorf("neither a sum nor its end: %q", s)
		}
		s = s[3:]
	}
}

// marks are all that PowerShell takes for a single quotation mark.
const marks = "'\u2018\u2019\u201a\u201b"

func readText(s string) (value, rest string, err error) {
	r := []rune(s)
	if len(r) == 0 || !strings.ContainsRune(marks, r[0]) {
		return "", "", fmt.Errorf("no text: %q", s)
	}
	var b strings.Builder
	for i := 1; i < len(r); i++ {
		if !strings.ContainsRune(marks, r[i]) {
			b.WriteRune(r[i])
			continue
		}
		if i+1 < len(r) && strings.ContainsRune(marks, r[i+1]) {
			b.WriteRune(r[i])
			i++
			continue
		}
		return b.String(), string(r[i+1:]), nil
	}
	return "", "", fmt.Errorf("a text that does not end: %q", s)
}

func readNumber(s string, most uint64) (value, rest string, err error) {
	n := 0
	for n < len(s) && strings.IndexByte("0123456789ABCDEFabcdef", s[n]) >= 0 {
		n++
	}
	v, err := strconv.ParseUint(s[:n], 16, 32)
	if err != nil || v > most {
		return "", "", fmt.Errorf("no number of a character: %q", s)
	}
	return string(rune(v)), s[n:], nil
}
