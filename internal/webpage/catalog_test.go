package webpage_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
)

func catalog(t testing.TB) *webpage.Catalog {
	t.Helper()
	c, err := webpage.LoadCatalog(texts())
	require.NoError(t, err)
	return c
}

func TestEveryLocaleHasEveryText(t *testing.T) {
	t.Parallel()
	c := catalog(t)
	require.Equal(t, []string{"ar-XB", "de", "en"}, c.Locales())
	for _, key := range c.Keys() {
		names, ok := c.Placeholders(key)
		require.True(t, ok)
		var pairs []any
		for _, n := range names {
			pairs = append(pairs, n, "<"+n+">")
		}
		seen := map[string]string{}
		for _, l := range c.Locales() {
			s, err := c.Texts(l).Text(key, pairs...)
			require.NoError(t, err)
			require.NotEmpty(t, s)
			for _, n := range names {
				require.Contains(t, s, "<"+n+">", "%s in %s", key, l)
			}
			seen[s] = l
		}
		if !strings.HasPrefix(key, "page.site") && key != "page.helpdesk" { // the same word in both languages
			require.Len(t, seen, 3, "%s is not translated: %v", key, seen)
		}
	}
}

func TestLoadCatalogChecksTheLanguagesAgainstEachOther(t *testing.T) {
	t.Parallel()
	en := `{"a.b":"for {who}"}`
	for _, tc := range []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"no English", fstest.MapFS{"de.json": file(en)}, "texts have no en.json"},
		{"missing text", fstest.MapFS{"en.json": file(en), "de.json": file(`{}`)}, `texts de.json, key "a.b": the text is missing`},
		{"missing placeholder", fstest.MapFS{"en.json": file(en), "de.json": file(`{"a.b":"x"}`)}, `texts de.json, key "a.b": the placeholder {who} is missing`},
		{"unknown key", fstest.MapFS{"en.json": file(en), "de.json": file(`{"a.b":"{who}","a.c":"x"}`)}, `texts de.json, key "a.c": there is no such text`},
		{"stray file", fstest.MapFS{"en.json": file(en), "readme.txt": file("x")}, `texts "readme.txt"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := webpage.LoadCatalog(tc.files)
			require.ErrorContains(t, err, tc.want)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
		})
	}
}

func TestOverridesAreCheckedAtStart(t *testing.T) {
	t.Parallel()
	c := catalog(t)
	for _, tc := range []struct{ name, file, content, want string }{
		{"unknown key", "de.json", `{"t.tilte":"x"}`, `texts de.json, key "t.tilte": there is no such text`},
		{"missing placeholder", "de.json", `{"t.who":"Jemand fragt."}`, `texts de.json, key "t.who": the placeholder {technician} is missing`},
		{"unknown placeholder", "de-AT.json", `{"t.who":"{technician} {firm}"}`, `texts de-AT.json, key "t.who": there is no placeholder {firm}`},
		{"open brace", "de.json", `{"t.title":"a {b"}`, `texts de.json: key "t.title": a brace`},
		{"closing brace", "de.json", `{"t.title":"a } {technician}"}`, `key "t.title": a brace`},
		{"bad name", "de.json", `{"t.title":"{Tech nician}"}`, `key "t.title": a brace`},
		{"template syntax", "de.json", `{"t.title":"{{.Data}}"}`, `key "t.title": a brace`},
		{"empty", "de.json", `{"t.title":" "}`, `key "t.title": it is empty`},
		{"control character", "de.json", `{"t.title":"a\u0007"}`, `key "t.title": it has a control character`},
		{"not a string", "de.json", `{"t.title":7}`, `key "t.title": it is not a string`},
		{"nested", "de.json", `{"t.title":{"a":"b"}}`, `key "t.title": it is not a string`},
		{"twice", "de.json", `{"t.title":"a","t.title":"b"}`, `key "t.title": it stands there twice`},
		{"key syntax", "de.json", `{"T Title":"a"}`, `key "T Title"`},
		{"bad JSON", "de.json", `{"t.title":"a"`, `texts de.json: bad JSON`},
		{"not an object", "de.json", `["a"]`, `texts de.json: the file is not a JSON object`},
		{"rest", "de.json", `{} {}`, `texts de.json: there is something after the object`},
		{"too long", "de.json", `{"t.title":"` + strings.Repeat("x", 5000) + `"}`, `key "t.title": it has 5000 bytes`},
		{"too large", "de.json", strings.Repeat(" ", 300<<10), `texts de.json: more than`},
		{"bad locale", "german.json", `{}`, `texts "german.json"`},
		{"wrong kind of file", "de.yaml", ``, `texts "de.yaml"`},
		{"pseudo locale", "ar-XB.json", `{}`, `texts "ar-XB.json"`},
		{"new language, incomplete", "fr.json", `{"t.title":"C'est vous ?"}`, `texts fr.json, key "t.who": the text is missing`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := c.With(fstest.MapFS{tc.file: file(tc.content)})
			require.ErrorContains(t, err, tc.want)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
		})
	}
}

func TestOverridesStandInFront(t *testing.T) {
	t.Parallel()
	c := catalog(t)
	d, err := c.With(fstest.MapFS{
		"de.json":    file(`{"t.title":"Bist du es?","page.error.404.title":"Weg"}`),
		"de-AT.json": file(`{"t.title":"Servus!"}`),
	})
	require.NoError(t, err)
	for tag, want := range map[string]string{"de": "Bist du es?", "de-CH": "Bist du es?", "de-AT": "Servus!", "DE-at": "Servus!", "en": "Is it you?", "fr": "Is it you?", "": "Is it you?"} {
		got, err := d.Texts(tag).Text("t.title")
		require.NoError(t, err)
		require.Equal(t, want, got, tag)
	}
	who, err := d.Texts("de-AT").Text("t.who", "technician", "Jonas")
	require.NoError(t, err)
	require.Equal(t, "Es fragt Jonas.", who)
	before, err := c.Texts("de").Text("t.title")
	require.NoError(t, err)
	require.Equal(t, "Sind Sie es?", before, "the catalogue itself is unchanged")
	same, err := c.With(nil)
	require.NoError(t, err)
	require.Same(t, c, same)
}

func TestPlaceholdersMustBeGivenExactly(t *testing.T) {
	t.Parallel()
	en := catalog(t).Texts("en")
	for _, pairs := range [][]any{{}, {"technician"}, {7, "x"}, {"technician", "x", "more", "y"}, {"tech", "x"}} {
		_, err := en.Text("t.who", pairs...)
		require.Error(t, err, "%v", pairs)
	}
	_, err := en.Text("t.none")
	require.ErrorContains(t, err, "there is no such text")
	s, err := en.Text("t.who", "technician", "{technician}")
	require.NoError(t, err)
	require.Equal(t, "{technician} is asking.", s, "a value is not substituted again")
}

func TestNegotiate(t *testing.T) {
	t.Parallel()
	c, err := catalog(t).With(fstest.MapFS{"de-AT.json": file(`{"t.title":"Servus!"}`)})
	require.NoError(t, err)
	for _, tc := range []struct{ accept, fallback, want string }{
		{"", "", "en"},
		{"", "de", "de"},
		{"de", "", "de"},
		{"de-CH,de;q=0.9,en;q=0.8", "", "de"},
		{"de-at", "", "de-AT"},
		{"fr, en;q=0.2, de;q=0.7", "", "de"},
		{"fr,it", "de", "de"},
		{"de;q=0, en;q=0.1", "", "en"},
		{"de;q=0", "", "en"},
		{"de;q=nan, en", "", "en"},
		{"de;q=9", "", "en"},
		{"*", "de", "de"},
		{"ar", "", "en"},
		{"ar-XB", "", "ar-XB"},
		{",;,q=1,;;", "de", "de"},
		{strings.Repeat("x,", 600) + "de", "", "en"},
	} {
		require.Equal(t, tc.want, c.Negotiate(tc.accept, tc.fallback).Lang(), "%q", tc.accept)
	}
	require.Equal(t, "rtl", c.Texts("ar-XB").Dir())
	require.Equal(t, "ltr", c.Texts("de").Dir())
}

func TestAnotherRegionIsNearerThanEnglish(t *testing.T) {
	t.Parallel()
	c, err := webpage.LoadCatalog(fstest.MapFS{"en.json": file(`{"a":"x"}`), "pt-BR.json": file(`{"a":"y"}`)})
	require.NoError(t, err)
	require.Equal(t, "pt-BR", c.Negotiate("pt-PT", "").Lang())
}

func TestScriptsGetTextsAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	c, err := webpage.LoadCatalog(fstest.MapFS{"en.json": file(`{"js.left":"{n} left","js.done":"Done","other":"x"}`), "de.json": file(`{"js.left":"noch {n}","js.done":"Fertig","other":"y"}`)})
	require.NoError(t, err)
	c, err = c.With(fstest.MapFS{"de-AT.json": file(`{"js.done":"Passt"}`)})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"left": "noch {n}", "done": "Passt"}, c.Texts("de-AT").Below("js."))
	require.Equal(t, map[string]string{"left": "{n} left", "done": "Done"}, c.Texts("en").Below("js."))
}

func FuzzNegotiate(f *testing.F) {
	c := catalog(f)
	for _, s := range []string{"", "de-AT;q=0.5,*", "a-b-c-d-e", ";q=;", "-,--", "de;q=1e-400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		l := c.Negotiate(accept, "de").Lang()
		require.Contains(t, c.Locales(), l)
	})
}

func FuzzOverrides(f *testing.F) {
	c := catalog(f)
	for _, s := range []string{`{"t.title":"x"}`, `{"t.who":"{technician}{technician}"}`, `{"t.who":"{"}`, `[`, `{"a":`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		d, err := c.With(fstest.MapFS{"de.json": file(content)})
		if err != nil {
			return
		}
		s, err := d.Texts("de").Text("t.who", "technician", "Jonas")
		require.NoError(t, err)
		require.Contains(t, s, "Jonas")
	})
}
