package ticketlog

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
)

var ticketKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func FuzzStory(f *testing.F) {
	f.Add("c", "a1b2c3", "dana")
	f.Add("p", "", "dana.whitfield@contoso.example")
	f.Add("s", "no.good/id", strings.Repeat("ä", 64))
	f.Add("r", strings.Repeat("x", 64), strings.Repeat("y", 128))
	f.Add("x", "..", " . ")
	f.Fuzz(func(t *testing.T, letter, id, subject string) {
		if g := groupOf(letter); g != "" {
			s := newStory(g, id, subject, time.Unix(1_800_000_000, 0))
			require.NoError(t, s.ref("contoso").Validate())
			got, err := parseStory(s.String())
			require.NoError(t, err)
			require.Equal(t, s, got)
			require.Regexp(t, ticketKey, s.key("contoso"))
			require.NotEqual(t, s.key("contoso"), s.key("fabrikam"))
		}
		// Whatever stands there: it is read as what it is, or not at all.
		text := letter + "." + id + "." + subject
		if s, err := parseStory(text); err == nil {
			require.Equal(t, text, s.String())
		} else {
			require.ErrorIs(t, err, mspkit.ErrInvalid)
		}
	})
}

func TestAStoryKeepsItsTicketWhateverIsKnownOfTheSubject(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 23, 59, 0, 0, time.UTC)
	short, long := newStory(groupCaller, "abc", "dana", at), newStory(groupCaller, "abc", strings.Repeat("d", 128), at)
	require.Empty(t, long.subject, "it does not fit")
	require.Equal(t, short.key("contoso"), long.key("contoso"))
	require.NotEqual(t, short.key("contoso"), newStory(groupTechnician, "abc", "dana", at).key("contoso"))

	// What belongs to a person alone has a ticket per day.
	today, tomorrow := newStory(groupPerson, "", "dana", at), newStory(groupPerson, "", "dana", at.Add(time.Hour))
	require.Equal(t, today.key("contoso"), newStory(groupCaller, "", "dana", at.Add(-time.Hour)).key("contoso"))
	require.NotEqual(t, today.key("contoso"), tomorrow.key("contoso"))
	require.NotEqual(t, today.key("contoso"), newStory(groupPerson, "", "omar", at).key("contoso"))
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for want, ticket := range map[string]mspkit.Ticket{
		"halopsa:4711":                         {System: "halopsa", ID: "4711"},
		"contact dana":                         {System: ContactSystem, ID: "dana"},
		"contact […]":                          {System: ContactSystem, ID: "+12025550143"},
		"new ticket: Caller verification, ana": {System: NewSystem, ID: "c.abc.ana"},
		"new ticket: Secure send":              {System: NewSystem, ID: "s.abc."},
		"mspkit-new:x":                         {System: NewSystem, ID: "x"},
	} {
		require.Equal(t, want, Describe(ticket))
	}
}

func TestNumbersAreHiddenHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"she read 123456 to me":           "she read […] to me",
		"1 2 3 - 4 5 6":                   "[…]",
		"+1 (202) 555-0143 rang":          "[…] rang",
		"١٢٣٤٥٦":                          "[…]",
		"①②③④⑤⑥":                          "[…]",
		"12\u200b34\u200b56":              "[…]",
		"123,456":                         "[…]",
		"ticket 4711":                     "ticket 4711",
		"3 of 5 tries":                    "3 of 5 tries",
		"write to dana@contoso.example":   "write to […]",
		"dana＠contoso.example":            "[…]",
		"see https://evil.example/v/abc ": "see […]",
		"www.evil.example":                "[…]",
		"one\r\ntwo\u202ethree":           "one twothree",
		"evil.example":                    "evil example",
		"":                                "",
	} {
		require.Equal(t, want, plain(in, maxReason, codeDigits), in)
	}
	require.Equal(t, "2f6b1c8e-0a4d-4e7b-9c35-61d812345678", plainID("2f6b1c8e-0a4d-4e7b-9c35-61d812345678"))
	require.Equal(t, "29683456", plainID("29683456"), "an id of a ticket system")
	require.Equal(t, "[…]", plainID("+12025550143"))
	require.Equal(t, "[…]", plainID("dana@contoso.example"))
}

func FuzzPlain(f *testing.F) {
	f.Add("she said 123 456, see https://x.example/a#b or a@b.example")
	f.Add("1.2.3.4.5.6")
	f.Add("1\u0301\u03012(3)4/5-6")
	f.Fuzz(func(t *testing.T, s string) {
		got := plain(s, maxReason, codeDigits)
		require.LessOrEqual(t, len([]rune(got)), maxReason)
		require.NotContains(t, got, "://")
		require.NotContains(t, got, "\n")
		run := 0
		for _, r := range got {
			if unicode.IsNumber(r) {
				run++
			} else {
				run = 0
			}
			require.Less(t, run, codeDigits, got)
		}
		require.Equal(t, got, cleantext.Name(got, maxReason), "it is clean already")
	})
}
