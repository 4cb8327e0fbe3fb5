package teamsapp_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	. "github.com/mspkit/mspkit/teamsapp"
)

// FuzzCardText puts any texts where foreign ones may stand: the card is refused with a reason, or is JSON in which they
// mean nothing.
func FuzzCardText(f *testing.F) {
	for i, s := range foreign {
		f.Add(s, foreign[(i+7)%len(foreign)], "481516")
	}
	f.Add("Code: 4 8 1 5 1 6", "x", "481-516")
	f.Add("a\u202Eb\u200B", "{\u200B{DATE(2017-02-14T06:08:39Z)}}", "１２３４５６")
	f.Add(strings.Repeat("x", 1001), "\r\n\x00", "\xff")
	f.Fuzz(func(t *testing.T, one, two, secret string) {
		c := &Card{
			Summary: one,
			Locale:  two,
			Body: []Element{
				Heading{two},
				Text{Text: one, Strong: true},
				Facts{{one, two}, {two, one}},
				Secret{Value: mspkit.Redact(secret), Label: two},
				Input{ID: "a", Label: one, Placeholder: two, Error: two, Required: true},
				Section{Body: []Element{Columns{{Text{Text: two}}, {Heading{one}}}}},
				Image{URL: "https://contoso.example/x.png", Alt: one},
			},
			Actions: []Action{Press{Title: two, Verb: "x", Data: map[string]string{"x": one}}, OpenURL{Title: one, URL: two}},
		}
		refuse(t, c)
		// What is refused for its place only must not hide the rest.
		c.Locale, c.Actions[1] = "", OpenURL{Title: one, URL: "https://contoso.example"}
		refuse(t, c)
		if flat := bare(secret); len(flat) > 0 {
			require.NotContains(t, bare(c.Text()), flat, "the text gives the secret away")
		}
	})
}

// refuse checks that the card is refused with a reason or is sound.
func refuse(t *testing.T, c *Card) {
	t.Helper()
	b, err := json.Marshal(c)
	if verr := c.Validate(); verr != nil {
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		return
	}
	require.NoError(t, err)
	require.Len(t, b, c.Size())
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	inertTexts(t, m)
	summary, _ := m["fallbackText"].(string)
	require.NotEmpty(t, summary)
	require.NotContains(t, strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Bidi_Control) && r != '\u200E' && r != '\u200F' && r != '\u061C' {
			return '!'
		}
		return 'x'
	}, strings.Join(inertTexts(t, m), "")), "!")
}

// bare drops all but ASCII letters and digits.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}
