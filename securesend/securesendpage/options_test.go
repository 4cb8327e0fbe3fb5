package securesendpage_test

import (
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

func textFile(name, content string) fstest.MapFS { return fstest.MapFS{name: {Data: []byte(content)}} }

func TestNewReportsWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := securesendpage.New(nil, nil)
	require.ErrorIs(t, err, securesend.ErrInvalid)
	for _, tc := range []struct {
		name string
		o    securesendpage.Options
		want string
	}{
		{"unknown key", securesendpage.Options{Texts: textFile("en.json", `{"reveal.titel":"x"}`)}, `key "reveal.titel"`},
		{"incomplete new language", securesendpage.Options{Texts: textFile("fr.json", `{"gone.title":"Parti"}`)}, "the text is missing"},
		{"a tenant's text", securesendpage.Options{TenantTexts: map[mspkit.TenantID]fs.FS{"fabrikam": textFile("en.json", `{"nope":"x"}`)}}, `tenant "fabrikam"`},
		{"prefix", securesendpage.Options{Prefix: "send/"}, "prefix"},
		{"brand", securesendpage.Options{Brand: mspkit.Brand{Name: "x", Color: "red"}}, "colour"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := securesendpage.New(w.svc, &tc.o)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestThePrefixMayBeStrippedHereOrBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create()
	stripped := w.get(s.path)
	var err error
	w.pages, err = securesendpage.New(w.svc, &securesendpage.Options{Prefix: "/send", Now: w.now})
	require.NoError(t, err)
	w.handler = w.pages
	require.Equal(t, everything(stripped), everything(w.get(s.path)))
	require.Equal(t, http.StatusNotFound, w.get(strings.TrimPrefix(s.path, "/send")).Code)
}

func TestTextsFollowTheSendThenTheBrowserAndCanBeReplacedForOneTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *securesendpage.Options) {
		o.TenantTexts = map[mspkit.TenantID]fs.FS{tenant: textFile("en.json", `{"gone.title":"x","reveal.title":"For you alone"}`)}
	})
	s := w.create()
	require.Contains(t, w.get(s.path).Body.String(), "For you alone")
	require.NotContains(t, w.get("/send/s/x").Body.String(), "<h1>x</h1>", "who is not known is of no tenant")
	s = w.create(func(r *securesend.SendRequest) { r.Locale = "ar-XB" })
	require.Contains(t, w.get(s.path, "Accept-Language", "en").Body.String(), `<html lang="ar-XB" dir="rtl">`)
}

func TestThePageShowsWhoSends(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create(func(r *securesend.SendRequest) { r.Choice.Header, r.By.Name = "<b>Only</b> for you", "Jane <Doe>" })
	body := w.get(s.path).Body.String()
	require.Contains(t, body, "&lt;b&gt;Only&lt;/b&gt; for you")
	require.Contains(t, body, "Contoso IT")
	require.NotContains(t, body, "<b>")
	require.NotContains(t, body, s.Number.Reveal()+"<")
	require.NotContains(t, body, "hunter2")
}
