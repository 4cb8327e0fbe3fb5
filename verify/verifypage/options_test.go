package verifypage_test

import (
	"context"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifypage"
)

var headersOfAPage = webpage.Headers{HTTPS: true}

func file(name, content string) fstest.MapFS { return fstest.MapFS{name: {Data: []byte(content)}} }

func service(t *testing.T, baseURL string, o *verify.Options) *verify.Service {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	svc, err := verify.New(memstore.New(), ring, baseURL, verify.Same(verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}), o)
	require.NoError(t, err)
	return svc
}

func lookup(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) {
	return nil, nil
}

func TestNewReportsWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	svc := service(t, base, nil)
	_, err := verifypage.New(nil, nil)
	require.ErrorIs(t, err, verify.ErrInvalid)
	for _, tc := range []struct {
		name string
		o    verifypage.Options
		is   error
		want string
	}{
		{"unknown key", verifypage.Options{Texts: file("en.json", `{"caller.titel":"x"}`)}, mspkit.ErrInvalid, `key "caller.titel"`},
		{"missing placeholder", verifypage.Options{Texts: file("de.json", `{"caller.lead":"ohne"}`)}, mspkit.ErrInvalid, "{technician} is missing"},
		{"incomplete new language", verifypage.Options{Texts: file("fr.json", `{"caller.title":"Est-ce vous ?"}`)}, mspkit.ErrInvalid, "the text is missing"},
		{"a tenant's text", verifypage.Options{TenantTexts: map[mspkit.TenantID]fs.FS{"fabrikam": file("en.json", `{"nope":"x"}`)}}, mspkit.ErrInvalid, `tenant "fabrikam"`},
		{"prefix", verifypage.Options{Prefix: "verify/"}, mspkit.ErrInvalid, "prefix"},
		{"brand", verifypage.Options{Brand: mspkit.Brand{Name: "x", Color: "red"}}, mspkit.ErrInvalid, "colour"},
		{"public form without lookup", verifypage.Options{PublicForm: true}, verify.ErrInvalid, "Options.Lookup"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := verifypage.New(svc, &tc.o)
			require.ErrorIs(t, err, tc.is)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestThePublicFormAnswers503UntilRunIsGoing(t *testing.T) {
	t.Parallel()
	svc := service(t, base, &verify.Options{Lookup: lookup})
	pages, err := verifypage.New(svc, &verifypage.Options{PublicForm: true, Prefix: "/verify"})
	require.NoError(t, err)
	require.Error(t, pages.Check())
	form := strings.TrimPrefix(pages.PublicURL(tenant), "https://help.example")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		require.Equal(t, http.StatusServiceUnavailable, send(t, pages, method, form, url.Values{"address": {"dana"}}).Code)
	}
	require.NoError(t, svc.RunOnce(t.Context()))
	require.NoError(t, pages.Check())
	require.Equal(t, http.StatusOK, send(t, pages, http.MethodGet, form, nil).Code)
	require.Equal(t, http.StatusNotFound, send(t, pages, http.MethodGet, form+"x", nil).Code, "an altered tag")

	off, err := verifypage.New(svc, nil)
	require.NoError(t, err)
	require.NoError(t, off.Check())
	require.Equal(t, http.StatusNotFound, send(t, http.StripPrefix("/verify", off), http.MethodGet, form, nil).Code, "off by default")
}

func TestThePublicFormSaysWhatIsWrongAndCountsTheRightClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *verifypage.Options) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	form := strings.TrimPrefix(w.pages.PublicURL(tenant), "https://help.example")
	for typed, want := range map[string]string{"": "Type your e-mail address", "  ": "Type your e-mail address", strings.Repeat("x", 321): "too long"} {
		body, _, code := w.post(form, url.Values{"address": {typed}})
		require.Equal(t, http.StatusUnprocessableEntity, code)
		require.Contains(t, body, want)
	}
	body, at, _ := w.post(form, url.Values{"address": {"dana@northwind.example"}})
	require.Equal(t, form+"/sent", at)
	require.Contains(t, body, "If we have this address on record")

	// The 20 requests an hour of one client are counted for that client: its neighbour still gets through.
	w.known["eve@northwind.example"] = &verify.TechnicianRequest{Subject: subject("eve"), Call: w.inCall()}
	for i := range 25 {
		w.do(http.MethodPost, form, url.Values{"address": {strings.Repeat("a", i+1)}}, "X-Forwarded-For", "203.0.113.7")
	}
	w.do(http.MethodPost, form, url.Values{"address": {"eve@northwind.example"}}, "X-Forwarded-For", "203.0.113.7")
	w.pass(10 * time.Second)
	require.NoError(t, w.svc.RunOnce(t.Context()))
	require.Empty(t, w.mail.Sent())
	w.do(http.MethodPost, form, url.Values{"address": {"eve@northwind.example"}}, "X-Forwarded-For", "203.0.113.8")
	w.pass(10 * time.Second)
	require.NoError(t, w.svc.RunOnce(t.Context()))
	require.Len(t, w.mail.Sent(), 1)
}

func TestTextsFollowTheChallengeThenTheBrowserAndCanBeReplacedForOneTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *verifypage.Options) {
		o.Texts = file("de.json", `{"caller.button":"Ja, ich"}`)
		o.TenantTexts = map[mspkit.TenantID]fs.FS{tenant: file("de.json", `{"caller.title":"Moin, sind Sie das?"}`)}
	})
	_, link := w.start("dana", func(r *verify.StartRequest) { r.Subject.Locale = "de-AT" })
	body := w.get(link, "Accept-Language", "en")
	require.Contains(t, body, `<html lang="de" dir="ltr">`)
	require.Contains(t, body, "Moin, sind Sie das?")
	require.Contains(t, body, "Ja, ich")
	require.Contains(t, body, "Ihre Identität bestätigen")

	_, link = w.start("dana", func(r *verify.StartRequest) { r.Subject.Locale = "ar-XB" })
	require.Contains(t, w.get(link), `<html lang="ar-XB" dir="rtl">`)

	form := strings.TrimPrefix(w.pages.PublicURL(tenant), "https://help.example")
	require.Contains(t, w.get(form, "Accept-Language", "de"), "Ist dieser Anruf echt?")
	require.Contains(t, w.get(form), "Is this call real?")
	rec := w.do(http.MethodGet, "/verify/v/unknown", nil, "Accept-Language", "de-DE,de;q=0.9")
	require.Contains(t, rec.Body.String(), "Dieser Link funktioniert nicht")
}

func TestEveryLanguageHasEveryText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, []string{"ar-XB", "de", "en"}, w.pages.Catalog().Locales())
}
