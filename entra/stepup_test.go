package entra_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

var forField = regexp.MustCompile(`name="for" value="([^"]*)"`)

// confirm presses the button of the page that asks for a step-up.
func (b *browser) confirm(h *host, p page, stop func(*url.URL) bool) page {
	b.t.Helper()
	m := forField.FindStringSubmatch(p.body)
	require.NotNil(b.t, m, p.body)
	return b.post(h.base+"/stepup", url.Values{"for": {m[1]}}, stop)
}

// asked is the query of the question to Microsoft that led to a page.
func asked(t testing.TB, p page) url.Values {
	t.Helper()
	for _, u := range p.via {
		if strings.HasSuffix(u.Path, "/authorize") {
			return u.Query()
		}
	}
	t.Fatal("nobody asked Microsoft")
	return nil
}

func TestWhatIsDangerousNeedsAFreshSignIn(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	require.Equal(t, "/danger/1", b.get(h.origin+"/danger/1", nil).at.Path, "who has just signed in is fresh")
	h.pass(11 * time.Minute)
	h.audit.take()
	p := b.get(h.origin+"/danger/1?x=y", nil)
	require.Equal(t, "/auth/stepup", p.at.Path)
	require.Contains(t, p.text(), "Give your credentials at Microsoft once more")
	p = b.confirm(h, p, nil)
	require.Equal(t, "/danger/1?x=y", p.at.RequestURI())
	q := asked(t, p)
	require.Equal(t, "login", q.Get("prompt"))
	require.Equal(t, "0", q.Get("max_age"))
	require.Equal(t, "otto@contoso.com", q.Get("login_hint"))
	require.Empty(t, q.Get("claims"))
	list := h.audit.take()
	require.Equal(t, []entra.EventKind{entra.EventSteppedUp}, kinds(list))
	require.Equal(t, h.otto.ObjectID, list[0].ObjectID)
	require.Equal(t, b.who(h).Session, list[0].Session, "the session stays")
	h.pass(11 * time.Minute)
	require.Equal(t, "/auth/stepup", b.get(h.origin+"/danger/1", nil).at.Path)
}

// Nobody would come back in no time, and be sent away again for ever.
func TestFreshIsAMinuteAtLeast(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	h.mux.Handle("/now/", h.sso.Load(h.sso.RequireFresh(entra.PermissionFeatures, 0, http.NotFoundHandler())))
	h.serve(t)
	b, _ := h.signIn(t, h.otto, "")
	h.pass(time.Minute)
	require.Equal(t, "/now/", b.get(h.origin+"/now/", nil).at.Path)
	h.pass(time.Second)
	require.Equal(t, "/auth/stepup", b.get(h.origin+"/now/", nil).at.Path)
}

// A sign-in of the future is none of just now: the clock was put back, or is another instance's and wrong.
func TestASignInOfTheFutureIsNotFresh(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	h.pass(-5 * time.Minute)
	require.Equal(t, "/danger/1", b.get(h.origin+"/danger/1", nil).at.Path, "clocks may be five minutes apart")
	h.pass(-time.Second)
	require.Equal(t, "/auth/stepup", b.get(h.origin+"/danger/1", nil).at.Path)
}

func TestAnActionIsRepeatedByThePerson(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	h.pass(11 * time.Minute)
	p := b.post(h.origin+"/danger/delete", url.Values{"id": {"7"}}, nil)
	require.Equal(t, "/auth/stepup", p.at.Path)
	require.Contains(t, p.text(), "Nothing has been changed yet")
	p = b.confirm(h, p, nil)
	require.Equal(t, "/auth/callback", p.at.Path)
	require.Contains(t, p.text(), "do it again now")
	require.Equal(t, "/danger/delete", b.post(h.origin+"/danger/delete", nil, nil).at.Path)
}

func TestProgramsAreToldThatAStepUpIsMissing(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	h.pass(11 * time.Minute)
	p := b.open(h.origin + "/danger/1")
	require.Equal(t, http.StatusUnauthorized, p.status)
	require.Equal(t, "StepUp", p.header.Get("WWW-Authenticate"))
	p = newBrowser(t).open(h.origin + "/danger/1")
	require.Equal(t, http.StatusUnauthorized, p.status)
	require.Equal(t, "SignIn", p.header.Get("WWW-Authenticate"))
	require.Equal(t, "no-store", p.header.Get("Cache-Control"))
}

func TestAnAuthenticationContextMustBeInTheAnswer(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.ACR = "c3" }).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	p := b.get(h.origin+"/danger/1", nil)
	require.Equal(t, "/auth/stepup", p.at.Path, "a password just now is not the context")
	require.Contains(t, p.text(), "stronger sign-in")
	h.audit.take()
	h.Tamper(1, func(claims map[string]any, _ *entratest.SignOptions) { delete(claims, "acrs") })
	again := b.confirm(h, p, nil)
	require.Equal(t, http.StatusForbidden, again.status)
	require.Contains(t, again.text(), "not-strong")
	require.JSONEq(t, `{"id_token":{"acrs":{"essential":true,"value":"c3"}}}`, asked(t, again).Get("claims"))
	list := h.audit.take()
	require.Equal(t, string(entra.ReasonStrong), list[0].Reason)
	require.Equal(t, h.otto.ObjectID, list[0].ObjectID)

	// The same person with the passkey that the context wants.
	a := h.stepUp(t, b, p)
	a.token(h.otto, map[string]any{"acrs": []string{"c1", "c3"}}, nil)
	require.Equal(t, "/danger/1", a.finish().at.Path)
	require.Equal(t, []string{"c1", "c3"}, b.who(h).ACRS)
	h.pass(11 * time.Minute)
	require.Equal(t, "/auth/stepup", b.get(h.origin+"/danger/1", nil).at.Path)
}

// Who satisfied the context when they signed in is not asked once more.
func TestASignInWithTheContextIsAStepUp(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.ACR = "c3" }).serve(t)
	a := h.begin(t, h.otto).token(h.otto, map[string]any{"acrs": []string{"c3"}}, nil)
	require.Equal(t, "/tickets/1", a.finish().at.Path)
	require.Equal(t, "/danger/1", a.b.get(h.origin+"/danger/1", nil).at.Path)
	h.pass(11 * time.Minute)
	require.Equal(t, "/auth/stepup", a.b.get(h.origin+"/danger/1", nil).at.Path)
}

// stepUp confirms until Microsoft's answer.
func (h *host) stepUp(t testing.TB, b *browser, p page) *attempt {
	t.Helper()
	p = b.confirm(h, p, func(u *url.URL) bool { return strings.HasPrefix(u.String(), h.base+"/callback") })
	answer, err := url.Parse(p.last())
	require.NoError(t, err)
	q := asked(t, p)
	return &attempt{host: h, t: t, b: b, answer: answer, asked: q, nonce: q.Get("nonce")}
}

func TestAStepUpIsRefused(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		reason entra.Reason
		who    func(h *host) *entratest.User
		do     func(a *attempt) page
	}{
		"by another person": {entra.ReasonPerson, anna, func(a *attempt) page { return a.token(a.anna, nil, nil).finish() }},
		"by the same object in another tenant": {entra.ReasonTenant, nil, func(a *attempt) page {
			return a.token(a.otto, map[string]any{"tid": a.fabrikam.ID, "iss": a.issuer(a.fabrikam.ID)}, nil).finish()
		}},
		"with a sign-in of yesterday": {entra.ReasonFresh, otto, func(a *attempt) page {
			return a.token(a.otto, map[string]any{"auth_time": a.now().Add(-24 * time.Hour).Unix()}, nil).finish()
		}},
		"with a sign-in of more than five minutes ago": {entra.ReasonFresh, otto, func(a *attempt) page {
			return a.token(a.otto, map[string]any{"auth_time": a.now().Add(-5*time.Minute - time.Second).Unix()}, nil).finish()
		}},
		"without auth_time": {entra.ReasonFresh, otto, func(a *attempt) page { return a.token(a.otto, map[string]any{"auth_time": nil}, nil).finish() }},
		"after the session has ended": {entra.ReasonSession, nil, func(a *attempt) page {
			require.NoError(a.t, a.sso.EndSessions(a.t.Context(), a.contoso.ID, a.otto.ObjectID))
			return a.finish()
		}},
		"for another session of the same person": {entra.ReasonSession, otto, func(a *attempt) page {
			at := a.answer
			a.SignIn(a.otto)
			a.b.post(a.base+"/signin", nil, nil)
			a.audit.take()
			return a.b.get(at.String(), nil)
		}},
		"cancelled": {entra.ReasonDeclined, nil, func(a *attempt) page {
			a.answer.RawQuery = url.Values{"state": {a.asked.Get("state")}, "error": {"access_denied"}, "error_description": {"AADSTS65004: no"}}.Encode()
			return a.finish()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, nil).serve(t)
			b, _ := h.signIn(t, h.otto, "")
			h.pass(11 * time.Minute)
			a := h.stepUp(t, b, b.get(h.origin+"/danger/1", nil))
			h.audit.take()
			p := x.do(a)
			require.GreaterOrEqual(t, p.status, 400)
			e := entra.Event{At: h.now(), Kind: entra.EventSignInRefused, Owner: "north", Reason: string(x.reason)}
			if x.who != nil {
				e.TenantID, e.ObjectID = x.who(h).Tenant().ID, x.who(h).ObjectID
			}
			list := h.audit.take()
			if name == "by the same object in another tenant" {
				e.TenantID, e.ObjectID = h.fabrikam.ID, h.otto.ObjectID
			}
			require.Equal(t, []entra.Event{e}, list)
			if x.reason != entra.ReasonSession { // whose new session is fresh by itself, or there is none
				require.Equal(t, "/auth/stepup", b.get(h.origin+"/danger/1", nil).at.Path)
			}
		})
	}
}

func otto(h *host) *entratest.User { return h.otto }

func TestThePageOfAStepUpIsBoundToItsSession(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	h.pass(11 * time.Minute)
	p := b.get(h.origin+"/danger/1", nil)
	other, _ := h.signIn(t, h.anna, "")
	h.audit.take()
	require.Equal(t, http.StatusBadRequest, other.get(p.at.String(), nil).status)
	require.Equal(t, string(entra.ReasonState), h.audit.take()[0].Reason)
	require.Equal(t, http.StatusBadRequest, newBrowser(t).get(p.at.String(), nil).status)
	for _, bad := range []string{"", "x", strings.Repeat("A", 9000)} {
		require.Equal(t, http.StatusBadRequest, b.get(h.base+"/stepup?for="+bad, nil).status)
		require.Equal(t, http.StatusBadRequest, b.post(h.base+"/stepup", url.Values{"for": {bad}}, nil).status)
	}
	h.pass(31 * time.Minute)
	b.who(h)
	h.pass(30 * time.Minute)
	require.Equal(t, http.StatusBadRequest, b.get(p.at.String(), nil).status, "after an hour")
}

func TestAChallengeOfAnAPIIsPassedOn(t *testing.T) {
	t.Parallel()
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c3"}}}`
	h := newHost(t, nil)
	challenge := func(text string) http.Handler {
		return h.sso.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.sso.Challenge(w, r, text) }))
	}
	h.mux.Handle("/graph", challenge(claims))
	h.mux.Handle("/bad", challenge("no JSON"))
	h.mux.Handle("/empty", challenge(""))
	h.serve(t)
	require.Equal(t, "/auth/signin", newBrowser(t).get(h.origin+"/graph", nil).at.Path)
	b, _ := h.signIn(t, h.otto, "")
	p := b.get(h.origin+"/graph", nil)
	require.Equal(t, "/auth/stepup", p.at.Path)
	a := h.stepUp(t, b, p)
	require.JSONEq(t, claims, a.asked.Get("claims"))
	require.Empty(t, a.asked.Get("prompt"))
	require.Equal(t, "/auth/stepup", a.finish().at.Path, "where they were, which challenges again")
	for _, path := range []string{"/bad", "/empty"} {
		require.Equal(t, http.StatusServiceUnavailable, b.get(h.origin+path, nil).status)
	}
}

func TestClaimsChallenge(t *testing.T) {
	t.Parallel()
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	const b64 = "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19"
	for name, x := range map[string]struct {
		header []string
		want   string
	}{
		"as Microsoft has it": {[]string{`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="` + b64 + `", cc_type="authcontext"`}, claims},
		"without quotes":      {[]string{`bearer error=insufficient_claims,claims=` + b64}, claims},
		"with padding":        {[]string{`Bearer error="insufficient_claims", claims="eyJhIjp7ImIiOiI_In19Cg=="`}, "{\"a\":{\"b\":\"?\"}}\n"},
		"the other alphabet":  {[]string{`Bearer error="insufficient_claims", claims="eyJhIjp7ImIiOiI/In19Cg=="`}, "{\"a\":{\"b\":\"?\"}}\n"},
		"another line":        {[]string{"Negotiate", `Bearer error="insufficient_claims", claims="` + b64 + `"`}, claims},
		"escaped":             {[]string{`Bearer realm="a\"b", error="insufficient_claims", claims="` + b64 + `"`}, claims},
		"another error":       {[]string{`Bearer error="invalid_token", claims="` + b64 + `"`}, ""},
		"no claims":           {[]string{`Bearer error="insufficient_claims"`}, ""},
		"no base64":           {[]string{`Bearer error="insufficient_claims", claims="{}"`}, ""},
		"no object":           {[]string{`Bearer error="insufficient_claims", claims="W10"`}, ""},
		"empty object":        {[]string{`Bearer error="insufficient_claims", claims="e30"`}, ""},
		"not ended":           {[]string{`Bearer error="insufficient_claims", claims="` + b64}, ""},
		"the first counts":    {[]string{`Bearer error="insufficient_claims", claims="e30", claims="` + b64 + `"`}, ""},
		"basic":               {[]string{`Basic error="insufficient_claims", claims="` + b64 + `"`}, ""},
		"too long":            {[]string{`Bearer error="insufficient_claims", claims="` + b64 + `", x="` + strings.Repeat("x", 9000) + `"`}, ""},
		"nothing":             {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := entra.ClaimsChallenge(http.Header{"Www-Authenticate": x.header})
			require.Equal(t, x.want, got)
			require.Equal(t, x.want != "", ok)
		})
	}
}
