package totp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/totp"
	"github.com/mspkit/mspkit/verify/verifytest"
)

func TestEveryRouteCarriesTheHeaderSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	webpagetest.Run(t, w.pages, "/verify/totp", true, w.enrol.Routes())
	// The sample of a path names nothing. The same with a link that does, at each stage.
	b, link := w.browser(), w.begin(tenant, "dana")
	check := func() {
		t.Helper()
		for _, path := range []string{link, link + "/code"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				rec := b.do(method, path, url.Values{})
				webpagetest.CheckHeaders(t, rec.Header(), webpage.Headers{HTTPS: true})
			}
		}
	}
	check()
	page := b.post(link, "number", w.number)
	check()
	b.post(link+"/code", "code", phone{secret: secretOn(t, page)}.shows(w.now(), 0))
	check()
}

func TestTheSessionIsKeptFromEverybodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, link := w.browser(), w.begin(tenant, "dana")
	rec := b.do(http.MethodPost, link, url.Values{"number": {w.number}})
	cookies := rec.Result().Cookies()
	require.Len(t, cookies, 1)
	c := cookies[0]
	require.True(t, strings.HasPrefix(c.Name, "__Secure-mspkit-totp-"))
	require.True(t, c.Secure && c.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Empty(t, c.Domain)
	require.LessOrEqual(t, c.MaxAge, int(verify.MaxTTL/time.Second)+1)
	changed := "A" + c.Value[1:]
	if changed == c.Value {
		changed = "B" + c.Value[1:]
	}
	for _, value := range []string{"", "x", c.Value[1:], changed, c.Value + "A"} {
		other := w.browser()
		other.cookies[c.Name] = value
		require.NotContains(t, other.get(link), "otpauth", "%q", value)
	}
	// The cookie of one link opens no other.
	w2 := w.begin(tenant, "erin")
	require.NotContains(t, b.get(w2), "otpauth")
}

// Guarantee 2, for these pages.
func TestGetAndHeadChangeNothingAndShowNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, link := w.browser(), w.begin(tenant, "dana")
	look := func(b *browser) string {
		t.Helper()
		var pages strings.Builder
		f, err := w.store.Factor(t.Context(), tenant, "dana", totp.Kind)
		require.NoError(t, err)
		kinds := w.kinds()
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			for _, path := range []string{link, link + "/code", link + "?number=" + w.number + "&_method=POST"} {
				pages.WriteString(b.do(method, path, nil).Body.String())
			}
		}
		after, err := w.store.Factor(t.Context(), tenant, "dana", totp.Kind)
		require.NoError(t, err)
		require.Equal(t, f, after)
		require.Equal(t, kinds, w.kinds())
		return pages.String()
	}
	require.NotContains(t, look(b), "otpauth")
	page := b.post(link, "number", w.number)
	p := phone{secret: secretOn(t, page)}
	require.NotContains(t, look(w.browser()), "otpauth")
	look(b)
	page = b.post(link+"/code", "code", p.shows(w.now(), 0))
	require.Empty(t, codesOn(look(w.browser())))
	look(b)
	require.Len(t, codesOn(page), 10)
}

func TestAForeignPageCannotUseTheForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, link := w.browser(), w.begin(tenant, "dana")
	from := func(number string, header ...string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, link, strings.NewReader("number="+number))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(header[0], header[1])
		rec := httptest.NewRecorder()
		w.pages.ServeHTTP(rec, r)
		return rec.Code
	}
	require.Equal(t, http.StatusForbidden, from(w.number, "Sec-Fetch-Site", "cross-site"))
	require.Equal(t, http.StatusForbidden, from(w.number, "Origin", "https://evil.example"))
	require.Equal(t, http.StatusUnprocessableEntity, from("", "Origin", "null"), "what an old browser sends from our own page")
	require.Contains(t, b.post(link, "number", w.number), "Scan this picture")
}

func TestUnknownAlteredAndForeignLinksGetTheSameBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, _ *totp.Options, eo *totp.EnrolmentOptions) {
		eo.Tenant = func(r *http.Request) mspkit.TenantID { return mspkit.TenantID(r.Header.Get("X-Tenant")) }
	})
	link := w.begin(tenant, "dana")
	replaced := link
	link = w.begin(tenant, "dana")
	as := func(path, tenant string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("X-Tenant", tenant)
		rec := httptest.NewRecorder()
		w.pages.ServeHTTP(rec, r)
		return fmt.Sprint(rec.Code, rec.Body.String())
	}
	require.Contains(t, as(link, "contoso"), "Set up your authenticator app")
	gone := as("/verify/totp/e/"+strings.Repeat("A", len(link)), "contoso")
	require.Contains(t, gone, "404")
	require.Equal(t, gone, as(link, "fabrikam"), "another tenant's site")
	require.Equal(t, gone, as(link, ""), "no tenant's site")
	require.Equal(t, gone, as(replaced, "contoso"))
	altered := link[:len(link)-4] + "AAAA"
	require.Equal(t, gone, as(altered, "contoso"))
}

// inProcess hands requests to a handler without a network.
type inProcess struct{ http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1234"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	t.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func TestAScannerWithTheWholeLinkSeesNothingAndSetsNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.enrolled(tenant, "dana")
	link := w.begin(tenant, "dana")
	jar := &cookieJar{}
	report, err := (&verifytest.Scanner{Exclude: []string{w.number}}).Scan(t.Context(), &http.Client{Transport: inProcess{w.pages}, Jar: jar}, "https://help.example"+link+"#fragment")
	require.NoError(t, err)
	require.Positive(t, report.Forms)
	require.Greater(t, report.Submissions, 500)
	for status := range report.Status {
		require.Less(t, status, 500)
	}
	require.Zero(t, jar.set, "no session was given out")
	kinds := w.kinds()
	require.Equal(t, []int{1, 1}, []int{count(kinds, verify.EventFactorFailed), count(kinds, verify.EventFactorAdded)}, "the number's tries are used up, no more")
	require.Equal(t, verify.StateConfirmed, w.check(t, w.ask(tenant, "dana"), old.shows(w.now(), 0)).State, "the app that was there works on")
}

// cookieJar counts what it is given.
type cookieJar struct{ set int }

func (j *cookieJar) SetCookies(_ *url.URL, c []*http.Cookie) { j.set += len(c) }

func (j *cookieJar) Cookies(*url.URL) []*http.Cookie { return nil }

func TestNoSecretIsInLogsEventsOrErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mail.Fail(fmt.Errorf("550 dana@northwind.example is unknown"))
	b, link := w.browser(), w.begin(tenant, "dana")
	w.browser().post(link, "number", other(w.number))
	page := b.post(link, "number", w.number)
	p := phone{secret: secretOn(t, page)}
	code := p.shows(w.now(), 0)
	p.recovery = codesOn(b.post(link+"/code", "code", code))
	w.pass(15 * 24 * time.Hour)
	w.check(t, w.ask(tenant, "dana"), p.recovery[0])
	w.kinds()
	everything := w.logs.String() + fmt.Sprintf("%+v", w.events)
	require.Contains(t, everything, "could not be told", "the search misses what is there")
	for what, secret := range map[string]string{
		"address": "northwind.example", "phone": "5550100", "link": link[len("/verify/totp/e/"):], "key": keyOnPage.FindStringSubmatch(page)[1],
		"code": code, "recovery code": p.recovery[0], "recovery code in one": compact(p.recovery[0]), "name": "Dana Smith",
	} {
		require.NotContains(t, everything, secret, what)
	}
	for _, c := range b.cookies {
		require.NotContains(t, everything, c)
	}
	// What the technician's program holds does not print.
	require.NotContains(t, fmt.Sprintf("%+v", totp.Pending{Number: w.teams.Notices()[0].Link}), "http")
}

func FuzzPages(f *testing.F) {
	w := newWorld(f)
	link := w.begin(tenant, "dana")
	before, err := w.store.Factor(f.Context(), tenant, "dana", totp.Kind)
	require.NoError(f, err)
	f.Add("/verify/totp/e/x", "12", "mspkit=1")
	f.Add(link, "٣٤", "__Secure-mspkit-totp-=AAAA")
	f.Add(link+"/code", "123456", "")
	f.Fuzz(func(t *testing.T, path, typed, cookie string) {
		u, err := url.Parse(path)
		if err != nil || !strings.HasPrefix(u.Path, "/") {
			t.Skip()
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(url.Values{"number": {typed}, "code": {typed}}.Encode()))
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Cookie", cookie)
		rec := httptest.NewRecorder()
		w.pages.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Fatalf("status %d", rec.Code)
		}
		if strings.Contains(rec.Body.String(), "otpauth") {
			t.Fatal("the secret is shown")
		}
		after, err := w.store.Factor(t.Context(), tenant, "dana", totp.Kind)
		if err != nil || !strings.HasPrefix(u.Path, link) && after.Version > before.Version+2 {
			t.Fatalf("the factor was changed: %v", err)
		}
	})
}
