package teamsapp_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
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
		c := &teamsapp.Card{
			Summary: one,
			Locale:  two,
			Body: []teamsapp.Element{
				teamsapp.Heading{two},
				teamsapp.Text{Text: one, Strong: true},
				teamsapp.Facts{{one, two}, {two, one}},
				teamsapp.Secret{Value: mspkit.Redact(secret), Label: two},
				teamsapp.Input{ID: "a", Label: one, Placeholder: two, Error: two, Required: true},
				teamsapp.Section{Body: []teamsapp.Element{teamsapp.Columns{{teamsapp.Text{Text: two}}, {teamsapp.Heading{one}}}}},
				teamsapp.Image{URL: "https://contoso.example/x.png", Alt: one},
			},
			Actions: []teamsapp.Action{teamsapp.Press{Title: two, Verb: "x", Data: map[string]string{"x": one}}, teamsapp.OpenURL{Title: one, URL: two}},
		}
		refuseCard(t, c)
		// What is refused for its place only must not hide the rest.
		c.Locale, c.Actions[1] = "", teamsapp.OpenURL{Title: one, URL: "https://contoso.example"}
		refuseCard(t, c)
		if s := spaceless(secret); strings.ContainsFunc(s, unicode.IsLetter) || strings.ContainsFunc(s, unicode.IsDigit) {
			require.NotContains(t, spaceless(c.Text()), s, "the text gives the secret away")
		}
	})
}

// refuseCard checks that the card is refused with a reason or is sound.
func refuseCard(t *testing.T, c *teamsapp.Card) {
	t.Helper()
	b, err := c.JSON()
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

func spaceless(s string) string { return strings.Join(strings.Fields(s), "") }
