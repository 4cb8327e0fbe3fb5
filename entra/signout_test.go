package entra_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

const sidOfOtto = "00000000-aaaa-bbbb-cccc-000000000001"

// withSID signs somebody in whose token names the session at Entra.
func (h *host) withSID(t testing.TB, u *entratest.User, sid string) *browser {
	t.Helper()
	a := h.begin(t, u).token(u, map[string]any{"sid": sid}, nil)
	require.Equal(t, http.StatusOK, a.finish().status)
	h.audit.take()
	return a.b
}

func TestASignOutEndsTheSessionHereAndAtEntra(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	u := b.who(h)
	at, _ := url.Parse(h.origin)
	copied := newBrowser(t)
	copied.http.Jar.SetCookies(at, b.http.Jar.Cookies(at))
	require.NotNil(t, copied.who(h))
	h.audit.take()

	require.Equal(t, http.StatusMethodNotAllowed, b.get(h.base+"/signout", nil).status)
	p := b.signOut(h)
	require.Equal(t, h.URL()+"/"+h.contoso.ID+"/oauth2/v2.0/logout?"+url.Values{"post_logout_redirect_uri": {h.sso.SignedOutURL()}}.Encode(), p.last())
	require.Equal(t, []entra.Event{{
		At: h.now(), Kind: entra.EventSignedOut, Owner: "north", User: u.ID, TenantID: u.TenantID, ObjectID: u.ObjectID, Session: u.Session,
	}}, h.audit.take())
	require.Nil(t, b.who(h))
	require.Nil(t, copied.who(h), "a copy of the cookie is of no use")
	p = b.get(h.base+"/signedout", nil)
	require.Contains(t, p.text(), "You are signed out")

	p = b.post(h.base+"/signout", nil, nil)
	require.Equal(t, "/auth/signedout", p.at.Path, "twice is no fault, and has nothing to end at Entra")
	require.Empty(t, h.audit.take())
}

func TestAForeignPageSignsNobodyInOrOut(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	for _, path := range []string{"/signin", "/signout", "/stepup"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		req.Header.Set("Origin", "https://mallory.example")
		require.Equal(t, http.StatusForbidden, b.send(req, nil).status, path)
	}
	require.NotNil(t, b.who(h))
}

func TestTheHostSaysWhereASignOutEnds(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.SignedOut = "/bye" })
	h.mux.HandleFunc("/bye", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("bye")) })
	h.serve(t)
	require.Equal(t, "bye", newBrowser(t).get(h.base+"/signedout", nil).body)
}

func TestEntraEndsOneSessionByTheFrontChannel(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b := h.withSID(t, h.otto, sidOfOtto)
	other := h.withSID(t, h.otto, "00000000-aaaa-bbbb-cccc-000000000002")
	frame := newBrowser(t) // from a frame no cookie comes along
	front := func(method string, q url.Values) int {
		req, err := http.NewRequestWithContext(t.Context(), method, h.sso.FrontChannelURL()+"?"+q.Encode(), http.NoBody)
		require.NoError(t, err)
		return frame.send(req, nil).status
	}
	iss := h.issuer(h.contoso.ID)
	for name, q := range map[string]url.Values{
		"nothing": {}, "no sid": {"iss": {iss}}, "no issuer": {"sid": {sidOfOtto}}, "another issuer": {"iss": {"https://x.example/" + h.contoso.ID + "/v2.0"}, "sid": {sidOfOtto}},
		"a placeholder": {"iss": {h.issuer("{tenantid}")}, "sid": {sidOfOtto}}, "two": {"iss": {iss}, "sid": {sidOfOtto, sidOfOtto}}, "long": {"iss": {iss}, "sid": {strings.Repeat("x", 129)}},
	} {
		require.Equal(t, http.StatusBadRequest, front(http.MethodGet, q), name)
	}
	good := url.Values{"iss": {iss}, "sid": {sidOfOtto}}
	require.Equal(t, http.StatusBadRequest, front(http.MethodHead, good), "HEAD changes nothing")
	require.Equal(t, http.StatusOK, front(http.MethodGet, url.Values{"iss": {h.issuer(h.fabrikam.ID)}, "sid": {sidOfOtto}}), "of another tenant")
	require.Equal(t, http.StatusOK, front(http.MethodGet, url.Values{"iss": {iss}, "sid": {"unknown"}}))
	require.NotNil(t, b.who(h))
	h.audit.take()
	require.Equal(t, http.StatusOK, front(http.MethodGet, good))
	require.Equal(t, []entra.Event{{At: h.now(), Kind: entra.EventSignedOut, Owner: "north", Reason: "front-channel"}}, h.audit.take())
	require.Nil(t, b.who(h))
	require.NotNil(t, other.who(h), "only the session that was named")
	// Without a network, which has trouble of its own with so many.
	flood := h.sso.FrontChannelURL() + "?" + url.Values{"iss": {iss}, "sid": {"unknown"}}.Encode()
	var status int
	for range 600 {
		w := httptest.NewRecorder()
		h.mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, flood, http.NoBody))
		if status = w.Code; status != http.StatusOK {
			break
		}
	}
	require.Equal(t, http.StatusTooManyRequests, status)
	h.pass(time.Second)
	require.Equal(t, http.StatusOK, front(http.MethodGet, good))
}

func TestOnlyTheFrontChannelMayBeFramedAndOnlyByMicrosoft(t *testing.T) {
	t.Parallel()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	app := "11111111-2222-3333-4444-555555555555"
	v, err := entra.NewVerifier(entra.PublicCloud(), app, nil)
	require.NoError(t, err)
	sso, err := entra.NewSSO(v, ring, &entra.SSOOptions{
		ClientID: app, Secret: mspkit.Redact("x"), Owner: "north", BaseURL: "https://msp.example/auth", Tenants: []string{app},
		Resolve: (&host{}).resolve,
	})
	require.NoError(t, err)
	pages, err := sso.Handler("")
	require.NoError(t, err)
	for path, want := range map[string]string{
		"/frontchannel-logout": "frame-ancestors https://login.microsoftonline.com https://*.login.microsoftonline.com",
		"/signin":              "frame-ancestors 'none'", "/signedout": "frame-ancestors 'none'", "/stepup": "frame-ancestors 'none'", "/callback": "frame-ancestors 'none'",
	} {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		require.Contains(t, w.Header().Get("Content-Security-Policy"), want, path)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
	require.Equal(t, "https://msp.example/auth/callback", sso.RedirectURL())
	require.Equal(t, "/auth/signin", sso.SignInPath())
	require.Equal(t, "/auth/signout", sso.SignOutPath())
	require.Equal(t, []string{"https://login.microsoftonline.com", "https://*.login.microsoftonline.com"}, sso.LoginOrigins())
}

// logoutClaims are those of a logout token.
func (h *host) logoutClaims() map[string]any {
	return map[string]any{
		"iss": h.issuer(h.contoso.ID), "aud": h.app.ID, "iat": h.now().Unix(), "exp": h.now().Add(2 * time.Minute).Unix(), "jti": "token 1",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}, "sid": sidOfOtto,
	}
}

// backChannel tells the host of a logout and returns the status and the reason.
func (h *host) backChannel(t testing.TB, form url.Values) (status int, reason string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+"/backchannel-logout", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p := newBrowser(t).send(req, nil)
	require.Equal(t, "no-store", p.header.Get("Cache-Control"))
	if _, after, ok := strings.Cut(p.body, `"error_description":"`); ok {
		reason, _, _ = strings.Cut(after, `"`)
	}
	return p.status, reason
}

func TestALogoutTokenIsJudged(t *testing.T) {
	t.Parallel()
	type change = map[string]any
	for name, x := range map[string]struct {
		reason entra.Reason
		claims func(h *host) change
		typ    string
		sign   entratest.SignOptions
		form   func(token string) url.Values
	}{
		"good":                     {},
		"good, the other spelling": {typ: "application/Logout+JWT"},
		"an id token":              {reason: entra.ReasonLogout, typ: "JWT", claims: func(h *host) change { return h.IDClaims(h.otto, h.app.ID, "n") }},
		"no type":                  {reason: entra.ReasonLogout, typ: "at+jwt"},
		"with a nonce":             {reason: entra.ReasonLogout, claims: func(*host) change { return change{"nonce": "n"} }},
		"without events":           {reason: entra.ReasonLogout, claims: func(*host) change { return change{"events": nil} }},
		"another event":            {reason: entra.ReasonLogout, claims: func(*host) change { return change{"events": change{"x": change{}}} }},
		"an event that is no object": {reason: entra.ReasonLogout, claims: func(*host) change {
			return change{"events": change{"http://schemas.openid.net/event/backchannel-logout": true}}
		}},
		"without jti":       {reason: entra.ReasonLogout, claims: func(*host) change { return change{"jti": nil} }},
		"of nobody":         {reason: entra.ReasonNobody, claims: func(*host) change { return change{"sid": nil} }},
		"another app":       {reason: entra.ReasonAudience, claims: func(*host) change { return change{"aud": "11111111-2222-3333-4444-555555555555"} }},
		"another issuer":    {reason: entra.ReasonIssuer, claims: func(h *host) change { return change{"iss": "https://x.example/" + h.contoso.ID + "/v2.0"} }},
		"placeholder":       {reason: entra.ReasonPlaceholder, claims: func(h *host) change { return change{"iss": h.issuer("{tenantid}")} }},
		"personal accounts": {reason: entra.ReasonIssuer, claims: func(h *host) change { return change{"iss": h.issuer(personalID)} }},
		"old":               {reason: entra.ReasonExpired, claims: func(h *host) change { return change{"iat": later(h, -30*time.Minute), "exp": later(h, time.Hour)} }},
		"over": {reason: entra.ReasonExpired, claims: func(h *host) change {
			return change{"iat": later(h, -12*time.Minute), "exp": later(h, -10*time.Minute)}
		}},
		"of the future":  {reason: entra.ReasonClock, claims: func(h *host) change { return change{"iat": later(h, 10*time.Minute), "exp": later(h, 12*time.Minute)} }},
		"without times":  {reason: entra.ReasonLife, claims: func(*host) change { return change{"exp": nil} }},
		"for a week":     {reason: entra.ReasonLife, claims: func(h *host) change { return change{"exp": later(h, 7*24*time.Hour)} }},
		"no claims":      {reason: entra.ReasonMalformed, claims: func(*host) change { return change{"iss": 7} }},
		"none":           {reason: entra.ReasonAlgorithm, sign: entratest.SignOptions{Algorithm: "none"}},
		"HS256":          {reason: entra.ReasonAlgorithm, sign: entratest.SignOptions{Algorithm: "HS256"}},
		"a foreign key":  {reason: entra.ReasonSignature, sign: entratest.SignOptions{Foreign: true}},
		"an unknown key": {reason: entra.ReasonKey, sign: entratest.SignOptions{KeyID: "x"}},
		"none at all":    {reason: entra.ReasonLogout, form: func(string) url.Values { return url.Values{} }},
		"two":            {reason: entra.ReasonLogout, form: func(s string) url.Values { return url.Values{"logout_token": {s, s}} }},
		"no token":       {reason: entra.ReasonAlgorithm, form: func(string) url.Values { return url.Values{"logout_token": {"a.b.c"}} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, nil).serve(t)
			b := h.withSID(t, h.otto, sidOfOtto)
			claims := h.logoutClaims()
			if x.claims != nil {
				for k, v := range x.claims(h) {
					if claims[k] = v; v == nil {
						delete(claims, k)
					}
				}
			}
			o := x.sign
			if o.Type = x.typ; x.typ == "" {
				o.Type = "logout+jwt"
			}
			form := url.Values{"logout_token": {h.Sign(claims, &o)}}
			if x.form != nil {
				form = x.form(form.Get("logout_token"))
			}
			h.audit.take()
			status, reason := h.backChannel(t, form)
			require.Equal(t, string(x.reason), reason)
			list := h.audit.take()
			require.Len(t, list, 1)
			if x.reason == "" {
				require.Equal(t, http.StatusOK, status)
				require.Equal(t, entra.Event{At: h.now(), Kind: entra.EventSignedOut, Owner: "north", TenantID: h.contoso.ID, Reason: "back-channel"}, list[0])
				require.Nil(t, b.who(h))
				return
			}
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, entra.EventSignInRefused, list[0].Kind)
			require.Equal(t, string(x.reason), list[0].Reason)
			require.NotNil(t, b.who(h))
		})
	}
}

func TestALogoutTokenIsUsedOnceAndEndsWhatBeganBefore(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	first := h.withSID(t, h.otto, sidOfOtto)
	others := h.withSID(t, h.anna, "another")
	h.pass(time.Minute)
	claims := h.logoutClaims()
	delete(claims, "sid")
	claims["sub"] = h.IDClaims(h.otto, h.app.ID, "")["sub"]
	raw := h.Sign(claims, &entratest.SignOptions{Type: "logout+jwt"})
	h.pass(6 * time.Minute)
	later := h.withSID(t, h.otto, "a third") // while the token is on its way
	status, _ := h.backChannel(t, url.Values{"logout_token": {raw}})
	require.Equal(t, http.StatusOK, status)
	require.Nil(t, first.who(h))
	require.NotNil(t, others.who(h))
	require.NotNil(t, later.who(h))
	h.audit.take()
	status, reason := h.backChannel(t, url.Values{"logout_token": {raw}})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "replay", reason)
	require.Equal(t, string(entra.ReasonReplay), h.audit.take()[0].Reason)
}

func TestWhoSignsInAgainAfterALogoutStays(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b := h.withSID(t, h.otto, sidOfOtto)
	claims := h.logoutClaims()
	delete(claims, "sid")
	claims["sub"] = h.IDClaims(h.otto, h.app.ID, "")["sub"]
	status, _ := h.backChannel(t, url.Values{"logout_token": {h.Sign(claims, &entratest.SignOptions{Type: "logout+jwt"})}})
	require.Equal(t, http.StatusOK, status)
	require.Nil(t, b.who(h))
	h.pass(time.Second)
	require.NotNil(t, h.withSID(t, h.otto, "another").who(h))
}

// A mark that is forgotten before the session is over by itself would bring it back.
func TestALogoutIsRememberedAsLongAsASessionLasts(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{false, true} {
		store := entra.NewMemory()
		h := newHost(t, func(h *host) {
			h.options.Revocations, h.options.TTL, h.options.Idle = store, 2*time.Hour, 2*time.Hour
		}).serve(t)
		b := h.withSID(t, h.otto, sidOfOtto)
		if back {
			status, _ := h.backChannel(t, url.Values{"logout_token": {h.Sign(h.logoutClaims(), &entratest.SignOptions{Type: "logout+jwt"})}})
			require.Equal(t, http.StatusOK, status)
		} else {
			frame := h.sso.FrontChannelURL() + "?" + url.Values{"iss": {h.issuer(h.contoso.ID)}, "sid": {sidOfOtto}}.Encode()
			require.Equal(t, http.StatusOK, newBrowser(t).open(frame).status)
		}
		h.pass(2*time.Hour - time.Minute)
		_, err := store.DeleteExpired(t.Context(), h.now())
		require.NoError(t, err)
		require.Nil(t, b.who(h), back)
	}
}

// Who is back in the same session at Entra is not put out by whoever has kept the token of the logout before.
func TestALogoutTokenSentAgainEndsNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b := h.withSID(t, h.otto, sidOfOtto)
	form := url.Values{"logout_token": {h.Sign(h.logoutClaims(), &entratest.SignOptions{Type: "logout+jwt"})}}
	status, _ := h.backChannel(t, form)
	require.Equal(t, http.StatusOK, status)
	require.Nil(t, b.who(h))
	h.pass(time.Second)
	b = h.withSID(t, h.otto, sidOfOtto)
	status, reason := h.backChannel(t, form)
	require.Equal(t, []any{http.StatusBadRequest, string(entra.ReasonReplay)}, []any{status, reason})
	require.NotNil(t, b.who(h))
}

// late is what an instance sees that asks just before another one has used up the same logout token.
type late struct{ entra.Revocations }

func (l late) Revoked(ctx context.Context, owner string, marks []string, since time.Time) (bool, error) {
	if strings.HasPrefix(marks[0], "j:") {
		return false, nil
	}
	return l.Revocations.Revoked(ctx, owner, marks, since)
}

func TestOfTwoWhoGetTheSameLogoutTokenOneCounts(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.Revocations = late{entra.NewMemory()} }).serve(t)
	form := url.Values{"logout_token": {h.Sign(h.logoutClaims(), &entratest.SignOptions{Type: "logout+jwt"})}}
	status, _ := h.backChannel(t, form)
	require.Equal(t, http.StatusOK, status)
	status, reason := h.backChannel(t, form)
	require.Equal(t, []any{http.StatusBadRequest, string(entra.ReasonReplay)}, []any{status, reason})
	require.Equal(t, []entra.EventKind{entra.EventSignedOut, entra.EventSignInRefused}, kinds(h.audit.take()))
}

func TestALogoutThatCannotBeNotedIsTriedAgain(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.Revocations = awayStore{} }).serve(t)
	status, _ := h.backChannel(t, url.Values{"logout_token": {h.Sign(h.logoutClaims(), &entratest.SignOptions{Type: "logout+jwt"})}})
	require.Equal(t, http.StatusServiceUnavailable, status)
}
