package signin_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/signin"
	"github.com/mspkit/mspkit/verify/verifytest"
)

func TestEveryRouteCarriesTheHeaderSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	webpagetest.Run(t, http.StripPrefix("/verify/signin", w.pages), "/verify/signin", false, w.pages.Routes())
	_, link := w.begin("signin")
	origins := []string{w.Cloud().Login[:strings.LastIndex(w.Cloud().Login, "/")]}
	b := w.signIn(w.browser(), link, w.dana).stays()
	for _, b := range []*browser{b, w.browser().stays()} {
		for _, path := range []string{"", "/not-me", "/number", "/deny"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
				want := webpage.Headers{}
				if (path == "" || path == "/not-me") && (method == http.MethodGet || method == http.MethodHead) {
					want.FormAction = origins
				}
				webpagetest.CheckHeaders(t, b.do(method, link+path, url.Values{}).header, want)
			}
		}
	}
}

// GET and HEAD change nothing, with a sign-in and without.
func TestGetAndHeadChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	signedIn := w.signIn(w.browser(), link, w.dana)
	before, kinds := w.get(c), w.kinds()
	for _, b := range []*browser{w.browser().stays(), signedIn} {
		for _, path := range []string{"", "/not-me", "/number", "/deny", "?number=" + c.Number.Reveal() + "&_method=POST", "/../../callback"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodPatch} {
				b.do(method, link+path, nil)
			}
		}
	}
	require.Equal(t, before, w.get(c))
	require.Equal(t, kinds, w.kinds())
}

// Somebody who has the link and everything that a machine can do with it.
func TestAScannerWithTheLinkConfirmsDeniesAndUsesUpNothing(t *testing.T) {
	t.Parallel()
	for _, channel := range []string{"signin", "signin-strong"} {
		w := newWorld(t)
		c, link := w.begin(channel)
		report, err := (&verifytest.Scanner{Parallel: 4}).Scan(t.Context(), w.browser().c, link+"#fragment")
		require.NoError(t, err)
		require.Equal(t, 2, report.Forms, "sign in, and not me")
		require.Positive(t, report.Submissions)
		for status := range report.Status {
			require.Less(t, status, 500)
		}
		require.Equal(t, []any{verify.StatePending, 2}, []any{w.get(c).State, w.get(c).TriesLeft})
		require.False(t, w.frozen())
		require.Equal(t, []verify.EventKind{verify.EventStarted, verify.EventSent, verify.EventDenialHint}, w.kinds())
		b := w.signIn(w.browser(), link, w.dana).press("/number", "number", c.Number.Reveal())
		require.Equal(t, "Thank you, it is confirmed", b.heading(), "the contact is not kept from it")
	}
}

func TestAForeignPageCannotUseTheForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	b := w.signIn(w.browser(), link, w.dana)
	form := url.Values{"form": {hidden.FindStringSubmatch(b.text)[1]}, "number": {c.Number.Reveal()}}
	for _, h := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		for _, path := range []string{"", "/not-me", "/number", "/deny"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link+path, strings.NewReader(form.Encode()))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(h[0], h[1])
			resp, err := b.c.Do(r)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusForbidden, resp.StatusCode)
		}
	}
	require.Equal(t, verify.StatePending, w.get(c).State)
}

func TestLinksThatLeadNowhereGetTheSameBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, link := w.begin("signin")
	tok := link[strings.LastIndex(link, "/")+1:]
	at := func(tok, path string, method string) string {
		before := w.store.gets.Load()
		b := w.browser().stays().do(method, w.base+"/signin/s/"+tok+path, url.Values{})
		require.Equal(t, before+1, w.store.gets.Load(), "the store is asked once, also where the link says at once that it is none")
		return fmt.Sprint(b.status, b.text)
	}
	paths := []string{"", "/not-me", "/number", "/deny"}
	gone := map[string]string{}
	for _, path := range paths {
		gone[path] = at(strings.Repeat("A", len(tok)), path, http.MethodPost)
		require.Contains(t, gone[path], "404")
	}
	elsewhere := newWorld(t)
	_, foreign := elsewhere.begin("signin")
	// That of a mail, which is verify's own.
	_, err := w.svc.Start(t.Context(), verify.StartRequest{
		Tenant: tenant, Subject: w.request("email").Subject, Action: verify.ActionIdentify, Technician: jane, Channel: "email",
	})
	require.NoError(t, err)
	d, err := w.mail.Last()
	require.NoError(t, err)
	for _, bad := range []string{
		tok[:len(tok)-4] + "AAAA", tok[1:], tok + "A", "x", foreign[strings.LastIndex(foreign, "/")+1:],
		d.Link.Reveal()[strings.LastIndex(d.Link.Reveal(), "/")+1:], strings.Repeat("A", 600),
	} {
		for _, path := range paths {
			require.Equal(t, gone[path], at(bad, path, http.MethodPost), bad)
		}
		for _, path := range paths[:2] {
			require.Equal(t, gone[path], at(bad, path, http.MethodGet), bad)
		}
	}
}

// An https site's cookies are for it alone.
func TestTheSessionIsKeptFromEverybodyElse(t *testing.T) {
	t.Parallel()
	for base, name := range map[string]string{"https://help.example/verify": "__Host-mspkit-signed-in-", "http://127.0.0.1:8080/verify": "mspkit-signed-in-"} {
		w := newWorld(t, func(w *world) {
			w.app.RedirectURIs = append(w.app.RedirectURIs, "https://help.example/verify/signin/callback", "http://127.0.0.1:8080/verify/signin/callback")
			w.base = base
		})
		_, link := w.begin("signin")
		w.SignIn(w.dana)
		path, _ := strings.CutPrefix(link, base)
		// The browser is played by hand: nobody listens at that address.
		var cookies []*http.Cookie
		do := func(method, path string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), method, strings.TrimPrefix(path, "/signin"), strings.NewReader(""))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, c := range cookies {
				r.AddCookie(c)
			}
			rec := httptest.NewRecorder()
			w.pages.ServeHTTP(rec, r)
			return rec
		}
		begun := do(http.MethodPost, path)
		require.Equal(t, http.StatusSeeOther, begun.Code)
		cookies = set(begun)
		back := w.browser().stays().open(begun.Header().Get("Location")).header.Get("Location")
		done := do(http.MethodGet, strings.TrimPrefix(back, base))
		require.Equal(t, http.StatusSeeOther, done.Code)
		i := slices.IndexFunc(set(done), func(c *http.Cookie) bool { return strings.HasPrefix(c.Name, name) })
		require.GreaterOrEqual(t, i, 0)
		c := set(done)[i]
		require.Equal(t, []any{strings.HasPrefix(base, "https"), true, http.SameSiteLaxMode, "/", ""}, []any{c.Secure, c.HttpOnly, c.SameSite, c.Path, c.Domain})
		require.InDelta(t, 300, c.MaxAge, 1)
		require.NotContains(t, c.Value, w.dana.ObjectID)
	}
}

// set returns the cookies of an answer.
func set(rec *httptest.ResponseRecorder) []*http.Cookie {
	resp := rec.Result()
	defer func() { _ = resp.Body.Close() }()
	return resp.Cookies()
}

func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	for _, u := range []*entratest.User{w.otto, w.mallory, w.dana} {
		w.signIn(w.browser(), link, u)
	}
	b := w.signIn(w.browser(), link, w.dana)
	b.press("/number", "number", other(c.Number.Reveal())).press("/number", "number", c.Number.Reveal())
	log := w.logged()
	require.Contains(t, log, "a sign-in did not count")
	for _, secret := range []string{link[strings.LastIndex(link, "/")+1:], "dana@", "Dana", w.dana.ObjectID, w.otto.ObjectID, "the client secret", `"` + c.Number.Reveal() + `"`} {
		require.NotContains(t, log, secret)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Equal(t, []string{w.otto.ObjectID, "", w.dana.ObjectID, w.dana.ObjectID}, []string{w.audit[0].ObjectID, w.audit[1].ObjectID, w.audit[2].ObjectID, w.audit[3].ObjectID})
	for _, e := range w.audit {
		require.Equal(t, []any{"northwind", c.Ref.ID, w.clock}, []any{e.Owner, e.Session, e.At})
	}
}

func TestAStoreThatFailsIsNoAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, link := w.begin("signin")
	b := w.signIn(w.browser(), link, w.dana)
	text := b.text
	w.settings.Brand = mspkit.Brand{} // settings that cannot be used
	require.Equal(t, http.StatusServiceUnavailable, b.open(link).status)
	b.text = text
	b.at, _ = url.Parse(link)
	require.Equal(t, http.StatusServiceUnavailable, b.press("/number", "number", "123").status)
}

func TestEveryReasonHasItsTexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := w.pages.Texts().Keys()
	for _, r := range signin.Reasons() {
		require.Contains(t, keys, "refused."+r+".title")
		require.Contains(t, keys, "refused."+r+".text")
	}
}

func TestTextsCanBeReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.options.Texts = fstest.MapFS{"en.json": {Data: []byte(`{"ask.title": "For all"}`)}}
		w.options.TenantTexts = nil
	})
	_, link := w.begin("signin")
	require.Equal(t, "For all", w.browser().open(link).heading())

	verifier, err := entra.NewVerifier(w.Cloud(), w.app.ID, nil)
	require.NoError(t, err)
	o := w.options
	o.TenantTexts = map[mspkit.TenantID]fs.FS{tenant: fstest.MapFS{"en.json": {Data: []byte(`{"ask.title": "For Contoso"}`)}}}
	w.pages, err = signin.NewPages(w.svc, w.ring, verifier, &o)
	require.NoError(t, err)
	w.serve(w.instance)
	require.Equal(t, "For Contoso", w.browser().open(link).heading())

	o.Texts, o.Prefix, o.Secret = fstest.MapFS{"en.json": {Data: []byte(`{"no.such.text": "x", "ask.lead": "nobody"}`)}}, "", mspkit.Redacted[string]{}
	_, err = signin.NewPages(w.svc, w.ring, verifier, &o)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, want := range []string{"no.such.text", "{technician}", "Secret"} {
		require.ErrorContains(t, err, want)
	}
	o = w.options
	o.Prefix = "verify/"
	_, err = signin.NewPages(w.svc, w.ring, verifier, &o)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}
