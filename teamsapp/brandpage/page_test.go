package brandpage_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/brandpage"
)

func TestThePageShowsWhatTheHostKeeps(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.state.Brand.More = []teamsapp.Translation{{Language: "de", Texts: teamsapp.Texts{ShortName: "Contoso Hilfe"}}}
	h.state.Published = teamsapp.Published{Version: "1.4.2"}
	w := h.get()
	require.Equal(t, http.StatusOK, w.Code)
	body := w.Body.String()
	for _, want := range []string{
		`id="short" name="short" type="text" value="Contoso Helpdesk"`, "16 of 30 characters", `value="#0a64a4"`, "It shows who asks.\nAnd for what.</textarea>",
		`id="short-1" name="more_short" type="text" value="Contoso Hilfe"`, `value="remove-0"`,
	} {
		require.Contains(t, body, want)
	}
	require.Empty(t, summary(body), "what is missing is no fault before somebody has asked")
	require.NotContains(t, body, `name="version"`, "the host knows")
	require.Len(t, pictures(t, body), 12, "without a logo there is a sign of ours")
	require.Contains(t, newHost(t, keepsNothing).get().Body.String(), `name="version"`)
}

func TestPreviewShowsTheIconsOnLightAndDarkAndKeepsNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	w := h.send(typed(nil), logo(t, color.White))
	require.Equal(t, http.StatusOK, w.Code)
	body := w.Body.String()
	require.Empty(t, summary(body))
	sizes := map[image.Point]int{}
	for _, p := range pictures(t, body) {
		sizes[p.Bounds().Size()]++
	}
	require.Equal(t, map[image.Point]int{image.Pt(192, 192): 6, image.Pt(32, 32): 6}, sizes)
	require.Equal(t, color.NRGBA{0x0a, 0x64, 0xa4, 0xff}, color.NRGBAModel.Convert(pictures(t, body)[3].At(1, 1)), "the ground of the colour icon")
	for _, class := range []string{"teams-light", "teams-dark", "crop-square", "crop-hexagon", "crop-circle"} {
		require.Contains(t, body, class)
	}
	require.Contains(t, text(body), "It is the first.")
	require.Contains(t, body, teamsapp.PackageID("contoso", botID))
	require.Zero(t, h.saved)

	// The logo comes back with the form, and gives the same icons again.
	again := h.send(typed(fields{"logo_kept": {kept(body)}}), nil).Body.String()
	require.Equal(t, kept(body), kept(again))
	require.Equal(t, pictures(t, body), pictures(t, again))
}

// readZip returns the files of a package, and its manifest.
func readZip(t *testing.T, b []byte) (names []string, m struct {
	ID, Version string
	Name        struct{ Short, Full string }
	Bots        []struct{ BotID string }
},
) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	for _, f := range z.File {
		names = append(names, f.Name)
		if f.Name == "manifest.json" {
			r, err := f.Open()
			require.NoError(t, err)
			require.NoError(t, json.NewDecoder(r).Decode(&m))
		}
	}
	return names, m
}

func TestDownloadHandsOutThePackageAndKeepsIt(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	f := typed(fields{"do": {"download"}, "short": {"Contoso Hilfe"}, "more_language": {"de"}, "more_short": {"Hilfe"}, "more_full": {""}, "more_summary": {"Wer fragt"}, "more_description": {"Und wofür"}})
	w := h.send(f, logo(t, color.White))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/zip", w.Header().Get("Content-Type"))
	require.Equal(t, `attachment; filename="contoso-hilfe-1.0.0.zip"`, w.Header().Get("Content-Disposition"))
	names, m := readZip(t, w.Body.Bytes())
	require.ElementsMatch(t, []string{"manifest.json", "color.png", "outline.png", "lang.de.json"}, names)
	require.Equal(t, "Contoso Hilfe", m.Name.Short)
	require.Equal(t, teamsapp.PackageID("contoso", botID), m.ID)
	require.Equal(t, 1, h.saved)
	require.Equal(t, "1.0.0", h.state.Published.Version)
	require.Equal(t, "It shows who asks.\nAnd for what.", h.state.Brand.Description)
	require.Equal(t, "Hilfe", h.state.Brand.More[0].ShortName)
	require.NotEmpty(t, h.state.Brand.Logo)

	require.Equal(t, http.StatusOK, h.send(f, nil).Code, "the logo is kept, and the same content has the same version")
	require.Equal(t, "1.0.0", h.state.Published.Version)
	f["summary"] = []string{"Something else"}
	require.Equal(t, `attachment; filename="contoso-hilfe-1.0.1.zip"`, h.send(f, nil).Header().Get("Content-Disposition"))
	require.Equal(t, "1.0.1", h.state.Published.Version)
	require.Contains(t, text(h.get().Body.String()), "Nothing has changed since the last package.")
	f["do"] = nil
	f["summary"] = []string{"Once more"}
	require.Contains(t, text(h.send(f, nil).Body.String()), "The last package has the version 1.0.1.")
}

func TestWithoutAHostThatKeepsItTheFormSaysWhichVersionIsInTeams(t *testing.T) {
	t.Parallel()
	h := newHost(t, keepsNothing)
	for version, want := range map[string]string{"": "1.0.0", "2.3.4": "2.3.5"} {
		w := h.send(typed(fields{"do": {"download"}, "version": {version}}), nil)
		require.Contains(t, w.Header().Get("Content-Disposition"), "-"+want+".zip")
	}
	w := h.send(typed(fields{"do": {"download"}, "version": {"v2"}}), nil)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Equal(t, `It must be a version of the form 1.2.3. It was given as "v2".`, fault(w.Body.String(), "version"))
}

func TestLanguagesAreAddedAndRemoved(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	three := fields{"more_language": {"de", "fr"}, "more_short": {"Hilfe", "Aide"}, "more_full": {"", ""}, "more_summary": {"a", "b"}, "more_description": {"c", "d"}}
	f := typed(three)
	f["do"] = []string{"add"}
	f["summary"] = []string{""}
	body := h.send(f, nil).Body.String()
	require.Contains(t, body, `id="language-3" name="more_language" type="text" value="" dir="ltr"`)
	require.Regexp(t, `id="language-3"[^>]* autofocus`, body)
	require.Empty(t, summary(body), "nobody has asked what is wrong")
	f["do"] = []string{"remove-0"}
	body = h.send(f, nil).Body.String()
	require.Contains(t, body, `name="more_short" type="text" value="Aide"`)
	require.NotContains(t, body, "Hilfe")
	for _, do := range []string{"remove-2", "remove--1", "remove-x", "remove-99999999999999999999"} {
		f["do"] = []string{do}
		body = h.send(f, nil).Body.String()
		require.Contains(t, body, "Hilfe")
		require.Contains(t, body, "Aide")
	}
	many := make([]string, 200)
	f = typed(fields{"do": {"add"}, "more_language": many})
	require.Equal(t, 64, strings.Count(h.send(f, nil).Body.String(), `name="more_short"`))
	require.Zero(t, h.saved)
}

func TestEveryFaultStandsAtItsFieldWithLimitAndValue(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	long := func(n int) []string { return []string{strings.Repeat("ä", n)} }
	for _, tc := range []struct {
		name   string
		change fields
		logo   []byte
		id     string
		en, de string
	}{
		{name: "short name", change: fields{"short": long(31)}, id: "short", en: "It has 31 characters, at most 30 are allowed.", de: "Es hat 31 Zeichen, erlaubt sind höchstens 30."},
		{name: "no short name", change: fields{"short": {" "}}, id: "short", en: "This is needed.", de: "Das wird gebraucht."},
		{name: "full name", change: fields{"full": long(101)}, id: "full", en: "It has 101 characters, at most 100 are allowed.", de: "Es hat 101 Zeichen, erlaubt sind höchstens 100."},
		{name: "summary", change: fields{"summary": long(81)}, id: "summary", en: "It has 81 characters, at most 80 are allowed.", de: "81 Zeichen"},
		{name: "description", change: fields{"description": long(4001)}, id: "description", en: "It has 4001 characters, at most 4000 are allowed.", de: "4001 Zeichen"},
		{name: "bidi", change: fields{"short": {"pay\u202eexe.gpj"}}, id: "short", en: `It was given as "pay\u202eexe.gpj".`, de: `Angegeben war "pay\u202eexe.gpj".`},
		{name: "control", change: fields{"summary": {"a\x00b"}}, id: "summary", en: `It was given as "a\x00b".`, de: `Angegeben war "a\x00b".`},
		{name: "no UTF-8", change: fields{"summary": {"a\xffb"}}, id: "summary", en: "It holds a character that cannot be seen", de: "Es enthält ein Zeichen"},
		{name: "a word", change: fields{"full": {"null"}}, id: "full", en: `"null" alone is refused by Microsoft.`, de: `"null" allein lehnt Microsoft ab.`},
		{name: "nothing more", change: fields{"description": {"Confirm that it is you."}}, id: "description", en: "This is the same as the summary.", de: "Das ist dasselbe wie die Kurzbeschreibung."},
		{name: "no full name", change: fields{"more_language": {"de"}, "more_full": {"Hilfe"}}, id: "full-1", en: "This translates a full name that is not there.", de: "Das übersetzt einen vollen Namen, den es nicht gibt."},
		{name: "space in a URL", change: fields{"website": {"https://contoso.example/a b"}}, id: "website", en: "It must be a whole https address", de: "Nötig ist eine ganze https-Adresse"},
		{name: "nothing of a URL", change: fields{"website": {"%zz"}}, id: "website", en: "It must be a whole https address", de: "Nötig ist eine ganze https-Adresse"},
		{name: "no host", change: fields{"website": {"https://localhost"}}, id: "website", en: "It must be a whole https address", de: "Nötig ist eine ganze https-Adresse"},
		{name: "developer", change: fields{"developer": long(33)}, id: "developer", en: "It has 33 characters, at most 32 are allowed.", de: "33 Zeichen"},
		{name: "script for a URL", change: fields{"website": {"javascript:alert(1)"}}, id: "website", en: `It must be a whole https address such as https://www.contoso.example. It was given as "javascript:alert(1)".`, de: `Angegeben war "javascript:alert(1)".`},
		{name: "http", change: fields{"privacy": {"http://contoso.example"}}, id: "privacy", en: "It must be a whole https address", de: "Nötig ist eine ganze https-Adresse"},
		{name: "no URL", change: fields{"terms": {""}}, id: "terms", en: "This is needed.", de: "Das wird gebraucht."},
		{name: "password in a URL", change: fields{"terms": {"https://me:secret@contoso.example"}}, id: "terms", en: "It has a user name or password in it.", de: "Es enthält einen Benutzernamen"},
		{name: "long URL", change: fields{"terms": {"https://contoso.example/" + strings.Repeat("a", 2048)}}, id: "terms", en: "It has 2072 bytes, at most 2048 are allowed.", de: "Es hat 2072 Bytes"},
		{name: "accent", change: fields{"accent": {"red"}}, id: "accent", en: `It must be a colour of the form #RRGGBB. It was given as "RED".`, de: "Nötig ist eine Farbe der Form #RRGGBB."},
		{name: "language", change: fields{"language": {"English"}}, id: "language", en: `It must be a tag such as en, de or pt-br. It was given as "english".`, de: "Nötig ist ein Kürzel"},
		{name: "language twice", change: fields{"more_language": {"EN"}}, id: "language-1", en: `The language "en" is there already.`, de: `Die Sprache "en" ist schon da.`},
		{name: "translation", change: fields{"more_language": {"de", "fr"}, "more_short": {"a", strings.Repeat("x", 40)}}, id: "short-2", en: "It has 40 characters, at most 30 are allowed.", de: "Es hat 40 Zeichen"},
		{name: "SVG", logo: []byte(`<?xml version="1.0"?><svg onload="alert(1)"/>`), id: "logo", en: "This is SVG, which can carry script.", de: "Das ist SVG, das Skripte enthalten kann."},
		{name: "no picture", logo: []byte("MZ\x90"), id: "logo", en: "This is not a PNG, JPEG, GIF or WebP picture.", de: "Das ist kein Bild in PNG"},
		{name: "animation", logo: animation(t), id: "logo", en: "This picture moves.", de: "Dieses Bild bewegt sich."},
		{name: "cut picture", logo: logo(t, color.White)[:400], id: "logo", en: "The picture is damaged or not complete.", de: "Das Bild ist beschädigt"},
		{name: "empty file", logo: []byte{}, id: "logo", en: "The picture is damaged or not complete.", de: "Das Bild ist beschädigt"},
		{name: "picture bomb", logo: bomb(), id: "logo", en: "The picture has 3600000000 pixels, at most 24000000 are allowed.", de: "Das Bild hat 3600000000 Pixel"},
		{name: "large file", logo: make([]byte, teamsapp.DefaultMaxLogo+1), id: "logo", en: "The file has 16777217 bytes, at most 16777216 are allowed.", de: "Die Datei hat 16777217 Bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for lang, want := range map[string]string{"en": tc.en, "de": tc.de} {
				f := typed(tc.change)
				f["do"] = []string{"download"}
				w := h.send(f, tc.logo, "Accept-Language", lang)
				require.Equal(t, http.StatusUnprocessableEntity, w.Code, lang)
				body := w.Body.String()
				require.Contains(t, fault(body, tc.id), want, lang)
				require.NotContains(t, body, "cannot be used: it")
				require.Contains(t, strings.Join(summary(body), "\n"), want, lang)
				require.Contains(t, body, `<a href="#`+tc.id+`">`)
				require.Regexp(t, `id="`+tc.id+`"[^>]* aria-describedby="`+tc.id+`-error[^>]* aria-invalid="true"`, body)
				require.Regexp(t, `id="faults"[^>]* autofocus`, body)
			}
		})
	}
	t.Cleanup(func() { require.Zero(t, h.saved) })
}

func TestIconsAreShownWhateverIsWrongWithTheTexts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	body := h.send(typed(fields{"short": {""}, "accent": {"red"}}), logo(t, color.White)).Body.String()
	require.Len(t, pictures(t, body), 12)
	require.Equal(t, []string{`Accent colour: It must be a colour of the form #RRGGBB. It was given as "RED".`, "Name of the app: This is needed."}, summary(body), "in the order of the page")
	require.NotContains(t, body, "1.0.0", "there is no package yet")

	// A logo that cannot be read takes nothing away.
	before := kept(body)
	body = h.send(typed(fields{"logo_kept": {before}}), []byte("no picture")).Body.String()
	require.Equal(t, before, kept(body))
	require.Len(t, summary(body), 1)

	// Neither is it said away by another button.
	require.NotEmpty(t, fault(h.send(typed(fields{"do": {"add"}}), []byte("no picture")).Body.String(), "logo"))
}

func TestWarningsAreShown(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	wide := image.NewNRGBA(image.Rect(0, 0, 400, 40))
	for i := range wide.Pix {
		wide.Pix[i] = 255
	}
	for x := 20; x < 380; x++ {
		for y := 10; y < 30; y++ {
			wide.Set(x, y, color.Black)
		}
	}
	for _, tc := range []struct {
		name   string
		change fields
		logo   []byte
		en, de string
	}{
		{"accent", fields{"accent": {"#ffd400"}}, logo(t, color.Black), "White on this colour has a contrast of 1.4 to 1.", "Weiß hat auf dieser Farbe einen Kontrast von 1.4 zu 1."},
		{"no logo", nil, nil, "There is no logo yet", "Es gibt noch kein Logo"},
		{"wide", nil, encoded(t, wide), "much wider or higher than an icon", "viel breiter oder höher"},
		{"like the ground", nil, logo(t, color.NRGBA{0x0a, 0x64, 0xa4, 0xff}), "so the colour icon has another ground", "hat das farbige Symbol einen anderen Grund"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for lang, want := range map[string]string{"en": tc.en, "de": tc.de} {
				w := h.send(typed(tc.change), tc.logo, "Accept-Language", lang)
				require.Equal(t, http.StatusOK, w.Code)
				require.Contains(t, strings.Join(warnings(w.Body.String()), "\n"), want)
			}
		})
	}
}

func TestEveryWarningHasWordsOfThePage(t *testing.T) {
	t.Parallel()
	var texts map[string]string
	b, err := os.ReadFile("texts/en.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &texts))
	for _, code := range []string{
		teamsapp.WarnBackground, teamsapp.WarnContrast, teamsapp.WarnNoLogo, teamsapp.WarnGeneric, teamsapp.WarnWide, teamsapp.WarnCropped, teamsapp.WarnSmall, teamsapp.WarnSchema,
	} {
		require.NotEmpty(t, texts["warning."+strings.ReplaceAll(code, "-", "_")], code)
	}
}

func TestSomebodyElseWasFirst(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.saveErr = fmt.Errorf("swap: %w", brandpage.ErrConflict)
	w := h.send(typed(fields{"do": {"download"}, "summary": {"Mine"}}), nil)
	require.Equal(t, http.StatusConflict, w.Code)
	require.Contains(t, w.Body.String(), "Somebody else has made a package meanwhile")
	require.Contains(t, w.Body.String(), `value="Mine"`)
	require.Empty(t, w.Header().Get("Content-Disposition"))
}
