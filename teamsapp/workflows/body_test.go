package workflows

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// raw is a body as its receiver reads it.
type raw struct {
	Type        *string `json:"type"`
	Text        *string `json:"text"`
	Attachments []struct {
		ContentType string          `json:"contentType"`
		ContentURL  json.RawMessage `json:"contentUrl"`
		Content     map[string]any  `json:"content"`
	} `json:"attachments"`
}

func TestOneBodySuitsBothKindsOfFlow(t *testing.T) {
	t.Parallel()
	p, err := Post{Text: "Hello, World"}.payload("de")
	require.NoError(t, err)
	b, err := p.body(FormBoth, DefaultMaxBody)
	require.NoError(t, err)
	var got raw
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, "message", *got.Type)
	require.Equal(t, "Hello, World", *got.Text)
	require.Len(t, got.Attachments, 1)
	a := got.Attachments[0]
	require.Equal(t, "application/vnd.microsoft.card.adaptive", a.ContentType)
	require.Equal(t, "null", string(a.ContentURL))
	require.Equal(t, "AdaptiveCard", a.Content["type"])
	require.Equal(t, "1.4", a.Content["version"])
	require.Equal(t, "de", a.Content["lang"])
	require.Equal(t, "Hello, World", a.Content["fallbackText"])

	b, err = p.body(FormText, DefaultMaxBody)
	require.NoError(t, err)
	require.JSONEq(t, `{"text":"Hello, World"}`, string(b))

	b, err = p.body(FormCard, DefaultMaxBody)
	require.NoError(t, err)
	got = raw{}
	require.NoError(t, json.Unmarshal(b, &got))
	require.Nil(t, got.Text)
	require.Equal(t, "message", *got.Type)
	require.Len(t, got.Attachments, 1)
}

func TestAPostIsNeverCutInSilence(t *testing.T) {
	t.Parallel()
	p, err := Post{Text: strings.Repeat("x", DefaultMaxBody/2)}.payload("en")
	require.NoError(t, err)
	_, err = p.body(FormBoth, DefaultMaxBody)
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorContains(t, err, "the limit is 25000")
	require.Regexp(t, `it has 25\d\d\d bytes`, err.Error())
	require.ErrorContains(t, err, "choose one form")
	_, err = p.body(FormText, DefaultMaxBody)
	require.NoError(t, err)
	_, err = p.body(FormCard, DefaultMaxBody)
	require.NoError(t, err)

	b, err := p.body(FormText, len(`{"text":""}`)+DefaultMaxBody/2)
	require.NoError(t, err, "a body of just the limit is fine")
	_, err = p.body(FormText, len(b)-1)
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestALongTextIsAllThere(t *testing.T) {
	t.Parallel()
	var words []string
	for i := range 2400 {
		words = append(words, strings.Repeat(string(rune('a'+i%26)), 1+i%7))
	}
	text := strings.Join(words, " ")
	require.Greater(t, utf8.RuneCountInString(text), 2*maxParagraph)
	p, err := Post{Text: text}.payload("en")
	require.NoError(t, err)
	require.Equal(t, text, p.Text)
	var card struct {
		FallbackText string
		Body         []struct{ Inlines []struct{ Text string } }
	}
	require.NoError(t, json.Unmarshal(p.Card, &card))
	var all []string
	for _, e := range card.Body {
		for _, i := range e.Inlines {
			all = append(all, i.Text)
		}
	}
	require.Greater(t, len(all), 2)
	require.Equal(t, text, strings.Join(all, " "))
	require.True(t, strings.HasSuffix(card.FallbackText, " …"), "the line for old clients says that it is not all")

	all = split(strings.Repeat("x", 2*maxParagraph+1), maxParagraph)
	require.Len(t, all, 3, "a text without spaces is cut all the same")
	require.Len(t, strings.Join(all, ""), 2*maxParagraph+1)
}

func TestTextsAreInert(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain & simple":                   "plain & simple",
		"<at>everyone</at>":                "＜at＞everyone＜/at＞",
		`<a href="https://evil">x</a>`:     `＜a href=”https://evil”＞x＜/a＞`,
		`C:\temp "x"`:                      `C:＼temp ”x”`,
		"[click](https://evil.example)":    "[click］(https://evil.example)",
		"[click][1]":                       "[click］[1]",
		"&lt;b&gt;":                        "&lt;b&gt;",
		"a\u202eb\u200bc\x00d\ufeff":       "abcd",
		"a\r\nb\rc\u2028d":                 "a\nb\nc\nd",
		"\u0645\u06cc\u200c\u062e\u0648":   "\u0645\u06cc\u200c\u062e\u0648",
		"  x  ":                            "x",
		"https://contoso.example/?a=1&b=2": "https://contoso.example/?a=1&b=2",
	} {
		require.Equal(t, want, inert(in))
		require.Equal(t, want, inert(inert(in)))
	}
}

func TestPostsThatCannotBeUsedAreRefused(t *testing.T) {
	t.Parallel()
	press := teamsapp.Press{Title: "x", Verb: "x"}
	secret := teamsapp.Secret{Value: mspkit.Redact("481516"), Label: "Code"}
	field := teamsapp.Input{ID: "x", Label: "x"}
	for name, tc := range map[string]struct {
		post Post
		says string
	}{
		"nothing":               {Post{}, "neither"},
		"spaces":                {Post{Text: " \n"}, "neither"},
		"what nobody sees":      {Post{Text: "\u200b\ufeff"}, "neither"},
		"no UTF-8":              {Post{Text: "a\xff"}, "UTF-8"},
		"a control character":   {Post{Text: "a\x1bb"}, "control"},
		"a card with a fault":   {Post{Card: &teamsapp.Card{}}, "summary"},
		"a secret":              {Post{Card: &teamsapp.Card{Summary: "x", Body: []teamsapp.Element{secret}}}, "secret"},
		"a secret in a section": {Post{Card: &teamsapp.Card{Summary: "x", Body: []teamsapp.Element{teamsapp.Section{Body: []teamsapp.Element{secret}}}}}, "secret"},
		"a secret in columns":   {Post{Card: &teamsapp.Card{Summary: "x", Body: []teamsapp.Element{teamsapp.Columns{{teamsapp.Text{Text: "x"}}, {secret}}}}}, "secret"},
		"a field":               {Post{Text: "x", Card: &teamsapp.Card{Summary: "x", Body: []teamsapp.Element{field}}}, "field"},
		"a button of the bot":   {Post{Card: &teamsapp.Card{Summary: "x", Actions: []teamsapp.Action{press}}}, "OpenURL"},
		"a button to a script":  {Post{Card: &teamsapp.Card{Summary: "x", Actions: []teamsapp.Action{teamsapp.OpenURL{Title: "x", URL: "javascript:x"}}}}, "https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := tc.post.payload("en")
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "481516")
			require.Zero(t, p)
		})
	}
}

func TestWhatAPersonWroteAlwaysFits(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":             "",
		"a sentence":          "My printer is on fire.",
		"very long":           strings.Repeat("word ", 20_000),
		"very many lines":     strings.Repeat("x\n", 20_000),
		"quotes":              strings.Repeat(`"\`, 20_000),
		"angle brackets":      strings.Repeat("<>&", 20_000),
		"functions of a card": strings.Repeat("{{a", 20_000),
		"emoji":               strings.Repeat("🖨️", 20_000),
		"combining marks":     "a" + strings.Repeat("\u0301", 20_000),
		"zero bytes":          strings.Repeat("\x00", 20_000),
		"no UTF-8":            strings.Repeat("\xff", 20_000),
		"what nobody sees":    strings.Repeat("\u200b", 20_000),
		"line separators":     strings.Repeat("\u2028x", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, form := range []Form{FormBoth, FormText, FormCard} {
				in := Incoming{
					Event: NewText, ID: "m1", From: text, Text: text, Ticket: mspkit.Ticket{System: "halopsa", ID: strings.Repeat("9", mspkit.MaxID)},
					URL: "https://contoso.example/?q=" + strings.Repeat("x", 2000), At: time.Unix(0, 0),
				}
				p, err := in.payload("de", form, DefaultMaxBody)
				require.NoError(t, err)
				b, err := p.body(form, DefaultMaxBody)
				require.NoError(t, err)
				require.True(t, utf8.Valid(b))
				if strings.HasPrefix(name, "very") {
					require.Contains(t, string(b), "gekürzt", "it is said that it was cut")
					require.Contains(t, p.Text, "gekürzt")
				}
			}
		})
	}
}

func TestWhatWasCutIsCounted(t *testing.T) {
	t.Parallel()
	w := languages["en"]
	said, note := cut("short", 10, w)
	require.Equal(t, "short", said)
	require.Empty(t, note)
	said, note = cut("0123456789", 10, w)
	require.Equal(t, "0123456789", said)
	require.Empty(t, note)
	said, note = cut("0123456789x", 10, w)
	require.Equal(t, "0123456789", said)
	require.Equal(t, "This message was cut: 10 of 11 characters are shown.", note)
	said, note = cut(strings.Repeat("ü\n", maxLines+5), 1000, w)
	require.Equal(t, maxLines-1, strings.Count(said, "\n"))
	require.Equal(t, "This message was cut: 79 of 90 characters are shown.", note)
}

func TestEveryLanguageHasEveryText(t *testing.T) {
	t.Parallel()
	for tag, w := range languages {
		for _, e := range Events() {
			require.NotEmpty(t, w.titles[e], tag)
			require.LessOrEqual(t, utf8.RuneCountInString(w.titles[e]), 100, tag)
		}
		for _, s := range []string{w.from, w.ticket, w.at, w.answer, w.somebody} {
			require.NotEmpty(t, s, tag)
		}
		require.Equal(t, 2, strings.Count(w.cut, "%d"), tag)
	}
	for locale, want := range map[string]string{"": "en", "en-GB": "en", "de": "de", "de_AT": "de", "DE-de": "de", "fr": "en", "x": "en"} {
		_, got := wordsFor(locale)
		require.Equal(t, want, got, locale)
	}
}

func FuzzIncoming(f *testing.F) {
	f.Add("Dana", "My printer is on fire.", "https://contoso.example/x")
	f.Add("<b>", "{{DATE(x)}}\n[a](b)", "")
	f.Fuzz(func(t *testing.T, from, text, url string) {
		in := Incoming{Event: LiveChat, ID: "1", From: from, Text: text, URL: url}
		if in.validate() != nil {
			return
		}
		for _, form := range []Form{FormBoth, FormText, FormCard} {
			p, err := in.payload("en", form, DefaultMaxBody)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := p.body(form, DefaultMaxBody); err != nil || !json.Valid(b) {
				t.Fatal(err)
			}
			if strings.ContainsAny(p.Text, `<>"\`) { // answerable refuses URLs with them
				t.Fatalf("%q is not inert", p.Text)
			}
			if _, said, ok := strings.Cut(p.Text, "\n\n"); ok {
				for line := range strings.SplitSeq(said, "\n") {
					if !strings.HasPrefix(line, "| ") {
						t.Fatalf("%q passes for one of ours", line)
					}
				}
			}
		}
	})
}

func TestAnAddressThatIsNotPublicIsSentNothing(t *testing.T) {
	t.Parallel()
	asked := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer srv.Close()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	s, err := New(NewMemory(), ring, nil)
	require.NoError(t, err)
	// As where DNS answers with it: what checkURL looked at was a name.
	_, e := s.send(t.Context(), "post", srv.URL+goodPath+goodQuery, []byte("{}"), "x")
	require.NotNil(t, e)
	require.ErrorIs(t, e, ErrURL)
	require.False(t, e.Unclear)
	require.True(t, e.ofConnection())
	require.False(t, asked)
	require.NotErrorIs(t, e, mspkit.ErrInvalid)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	asked := 0
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, srv.URL+"/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	s, err := New(NewMemory(), ring, &Options{InsecureLoopback: true})
	require.NoError(t, err)
	_, e := s.send(t.Context(), "post", srv.URL+goodPath+goodQuery, []byte("{}"), "x")
	require.NotNil(t, e)
	require.ErrorIs(t, e, ErrProtocol)
	require.Equal(t, 1, asked)
}

func TestPostsArePaced(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := key{"contoso", "c1"}

	p := newPacer(4, 6)
	for i := range 4 {
		wait, ok := p.reserve(at, start, time.Minute)
		require.True(t, ok)
		require.Zero(t, wait, i)
	}
	wait, ok := p.reserve(at, start, 500*time.Millisecond)
	require.False(t, ok, "it would have to wait for too long, and takes no place")
	require.Equal(t, 1020*time.Millisecond, wait)
	wait, ok = p.reserve(at, start, 2*time.Second)
	require.True(t, ok)
	require.Equal(t, 1020*time.Millisecond, wait)
	wait, ok = p.reserve(at, start.Add(time.Second), 2*time.Second)
	require.True(t, ok)
	require.Equal(t, 20*time.Millisecond, wait)
	wait, ok = p.reserve(at, start.Add(10*time.Second), 2*time.Second)
	require.False(t, ok, "the other window is full")
	require.Equal(t, 296*time.Second, wait)
	wait, ok = p.reserve(key{"fabrikam", "c1"}, start.Add(10*time.Second), 0)
	require.True(t, ok, "others do not wait for it")
	require.Zero(t, wait)
	_, ok = p.reserve(at, start.Add(306*time.Second), 0)
	require.True(t, ok)

	p.reserve(at, start.Add(time.Hour), 0)
	require.Len(t, p.lines, 1, "what counts no more is forgotten")
	wait, ok = p.reserve(at, start, 0)
	require.True(t, ok, "a clock that was set back does not hold up for ever")
	require.Zero(t, wait)

	p = newPacer(-1, -1)
	for range 10_000 {
		wait, ok = p.reserve(at, start, 0)
		require.True(t, ok)
		require.Zero(t, wait)
	}
	require.Empty(t, p.lines)
}

func TestASlowAnswerCountsWhenItComes(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at, p := key{"contoso", "c1"}, newPacer(2, -1)
	for range 2 {
		_, ok := p.reserve(at, start, 0)
		require.True(t, ok)
	}
	p.answered(at, start, start.Add(700*time.Millisecond))
	wait, ok := p.reserve(at, start.Add(800*time.Millisecond), time.Minute)
	require.True(t, ok)
	require.Equal(t, 220*time.Millisecond, wait, "the one that was not answered counts from when it was sent")
	wait, ok = p.reserve(at, start.Add(1020*time.Millisecond), time.Minute)
	require.True(t, ok)
	require.Equal(t, 700*time.Millisecond, wait)
	p.answered(key{"fabrikam", "c1"}, start, start.Add(time.Second))
	p.answered(at, start.Add(time.Hour), start.Add(2*time.Hour))
	require.Len(t, p.lines[at], 4)
}
