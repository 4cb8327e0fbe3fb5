package mfa_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/internal/totp"
)

// The whole way of somebody who must have a factor: enrolment, codes, next session, challenge.
func TestAFirstAppIsEnrolledAndAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.instance().client(w.dana())
	require.Equal(t, "Add a second step to your sign-in", c.get("/mfa/?to=/desk/tickets%3Fq%3D1").follow())
	require.Contains(t, c.body, `name="to" value="/desk/tickets?q=1"`)
	require.Equal(t, "Add it to your app", c.post("/mfa/app", "to", "/desk/tickets?q=1").follow())
	require.Equal(t, "/mfa/app?to=%2Fdesk%2Ftickets%3Fq%3D1", c.at)
	secret := c.secret()
	require.Contains(t, c.body, "otpauth://totp/Contoso%20IT:Dana%20Whitfield?")
	c.get("/mfa/app")
	require.Equal(t, secret, c.secret(), "a reload shows the same secret")
	require.True(t, c.user.Factor.IsZero())

	require.Equal(t, "Keep your recovery codes", c.post("/mfa/app/code", "code", w.codeOf(secret), "to", "/desk/tickets?q=1").follow())
	require.Equal(t, w.now(), c.user.Factor, "the session was told")
	codes := c.recoveryCodes()
	require.Len(t, codes, totp.RecoveryCodes)
	require.Equal(t, codes, c.get("/mfa/codes").recoveryCodes(), "a reload loses nothing")
	cookies := maps.Clone(c.cookies)
	require.Equal(t, "at /desk/tickets?q=1", c.post("/mfa/codes", "to", "/desk/tickets?q=1").follow())
	require.Equal(t, "Your second step", c.get("/mfa/codes").follow(), "they are shown once")
	require.Empty(t, c.cookies)
	c.cookies = cookies
	require.Equal(t, "Your second step", c.get("/mfa/codes").follow(), "whatever the browser has kept")
	require.Equal(t, []string{"factor-enrolled:totp"}, w.told())

	// The next session, in which the code of the enrolment is used up.
	next := w.dana()
	next.Session = "s2"
	c = w.instance().client(next)
	require.Equal(t, "One more step", c.get("/mfa/?to=/desk/x").follow())
	require.NotContains(t, c.body, "Add a passkey")
	require.Equal(t, "One more step", c.post("/mfa/challenge", "code", w.codeOf(secret), "to", "/desk/x").follow())
	require.Contains(t, c.body, "This code was used already")
	require.True(t, next.Factor.IsZero())
	w.pass(totp.Period)
	code := w.codeOf(secret)
	require.Equal(t, "at /desk/x", c.post("/mfa/challenge", "code", code[:3]+" "+code[3:], "to", "/desk/x").follow())
	require.Equal(t, w.now(), next.Factor)
	require.Equal(t, []string{"factor-refused:used-code", "factor-used:totp"}, w.told())

	// A recovery code works once.
	third := w.dana()
	third.Session = "s3"
	c = w.instance().client(third)
	require.Equal(t, "at /desk", c.get("/mfa/recovery").post("/mfa/recovery", "code", codes[3]).follow())
	require.Equal(t, totp.RecoveryCodes-1, c.status().Recovery)
	require.Equal(t, "Use a recovery code", c.post("/mfa/recovery", "code", codes[3]).follow())
	require.Contains(t, c.body, "or it was used already")
	require.Equal(t, []string{"factor-used:recovery", "factor-refused:wrong-code"}, w.told())
}

func TestAPasskeyIsEnrolledAndAskedForAcrossRestarts(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), device()
	c := w.instance().client(w.dana())
	p := c.page("/mfa/passkey?to=/desk/x")
	answer, err := a.Create(p.Options)
	require.NoError(t, err)
	c.instance = w.instance() // a restart between begin and finish
	c.post("/mfa/passkey", "challenge", p.Challenge, "answer", answer, "name", "Laptop\u202e", "to", "/desk/x")
	require.Equal(t, "Keep your recovery codes", c.follow())
	require.Equal(t, w.now(), c.user.Factor)
	s := c.status()
	require.Len(t, s.Factors, 1)
	require.Equal(t, "Laptop", s.Factors[0].Name)
	require.Equal(t, mfa.KindPasskey, s.Factors[0].Kind)
	require.Equal(t, []string{"factor-enrolled:passkey"}, w.told())

	// The authenticator that has one is not enrolled twice.
	_, err = a.Create(c.page("/mfa/passkey").Options)
	require.Error(t, err)

	next := w.dana()
	next.Session = "s2"
	c = w.instance().client(next)
	p = c.page("/mfa/challenge?to=/desk/y")
	require.Contains(t, p.Options, `"userVerification":"required"`)
	answer, err = a.Get(p.Options)
	require.NoError(t, err)
	c.instance = w.instance()
	require.Equal(t, "at /desk/y", c.post("/mfa/challenge/passkey", "challenge", p.Challenge, "answer", answer, "to", "/desk/y").follow())
	require.Equal(t, w.now(), next.Factor)
	require.Equal(t, []string{"factor-used:passkey"}, w.told())
	require.Equal(t, "at /desk", c.signKey(a))

	// A second one, and one that is synced and does not count.
	b := device()
	b.Counting, b.Synced = false, true
	require.Equal(t, "Your second step", c.enrolKey(b, ""))
	require.Contains(t, c.body, "Copied between devices")
	require.Equal(t, "at /desk", c.signKey(b))
	require.Equal(t, "at /desk", c.signKey(b))
	require.Equal(t, "at /desk", c.signKey(a))
	require.Len(t, c.status().Factors, 2)
}

// Recovery codes stand in for a factor. Who has none must not be let in by codes that they drew themselves.
func TestRecoveryCodesComeWithAFactorOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.instance().client(w.dana())
	require.Equal(t, "Add a second step to your sign-in", c.post("/mfa/codes/new").follow())
	require.Equal(t, []string{"factor-refused:not-fresh"}, w.told())
	c.get("/mfa/codes").follow()
	require.Empty(t, c.recoveryCodes())
	require.Zero(t, c.status().Recovery)
}

func TestAChangeNeedsAFreshFactor(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), device()
	c := w.instance().client(w.dana())

	// The first one needs a sign-in that is fresh.
	c.user.AuthTime = w.now().Add(-11 * time.Minute)
	require.Equal(t, "Add a second step to your sign-in", c.get("/mfa/").follow())
	require.Contains(t, c.body, "Sign in again first")
	require.NotContains(t, c.body, "Add a passkey")
	for _, target := range []string{"/mfa/app", "/mfa/passkey", "/mfa/codes/new", "/mfa/remove/app"} {
		require.Equal(t, "Add a second step to your sign-in", c.post(target).follow(), target)
	}
	require.Equal(t, "Add a second step to your sign-in", c.get("/mfa/passkey").follow())
	require.Equal(t, "Add a second step to your sign-in", c.get("/mfa/challenge").follow(), "there is nothing to show")
	require.Equal(t, "Add a second step to your sign-in", c.get("/mfa/recovery").follow())
	c.user.AuthTime = time.Time{}
	c.post("/mfa/app")
	c.user.AuthTime = w.now().Add(2 * time.Minute)
	c.post("/mfa/app")
	require.Empty(t, c.status())
	for _, e := range w.told() {
		require.Contains(t, []string{"factor-refused:not-fresh", "factor-refused:challenge"}, e)
	}
	c.user.AuthTime = w.now()
	c.enrolKey(a, "")
	w.told()

	// Any other needs a factor, however fresh the sign-in is.
	for name, seen := range map[string]time.Time{"none": {}, "long ago": w.now().Add(-11 * time.Minute), "in the future": w.now().Add(2 * time.Minute)} {
		c.user.Factor = seen
		for _, target := range []string{"/mfa/app", "/mfa/codes/new", "/mfa/remove/" + c.status().Factors[0].ID} {
			require.Equal(t, "One more step", c.post(target).follow(), "%s %s", name, target)
			require.Contains(t, c.body, "show once more that it is you")
			require.Equal(t, []string{"factor-refused:not-fresh"}, w.told())
		}
		for _, target := range []string{"/mfa/passkey", "/mfa/remove/" + c.status().Factors[0].ID} {
			require.Equal(t, "One more step", c.get(target).follow(), "%s %s", name, target)
		}
	}
	require.Equal(t, totp.RecoveryCodes, c.status().Recovery)

	// The challenge leads back to the list.
	c.user.Factor = time.Time{}
	c.post("/mfa/app").follow()
	require.Contains(t, c.body, `name="to" value="/mfa/"`)
	p := c.page("/mfa/challenge?to=/mfa/")
	answer, err := a.Get(p.Options)
	require.NoError(t, err)
	require.Equal(t, "Your second step", c.post("/mfa/challenge/passkey", "challenge", p.Challenge, "answer", answer, "to", "/mfa/").follow())
	require.Equal(t, "Add it to your app", c.post("/mfa/app").follow())
}

func TestTheLastFactorStaysWhileItMustBeThere(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), device()
	c := w.instance().client(w.dana())
	c.enrolKey(a, "Laptop")
	id := c.status().Factors[0].ID
	require.Equal(t, "Remove it?", c.get("/mfa/remove/"+id).follow())
	require.Contains(t, c.body, "It is the last one")
	w.told()
	c.post("/mfa/remove/" + id).follow()
	require.Contains(t, c.body, "It is the last one")
	require.Equal(t, []string{"factor-refused:last-factor"}, w.told())
	require.Equal(t, "at /desk", c.signKey(a))

	c.enrolApp()
	require.Len(t, c.status().Factors, 2)
	c.get("/mfa/remove/" + id)
	require.NotContains(t, c.body, "It is the last one")
	w.told()
	require.Equal(t, "Your second step", c.post("/mfa/remove/"+id).follow())
	require.Contains(t, c.body, "It is removed.")
	require.Equal(t, []string{"factor-removed:passkey"}, w.told())
	require.Equal(t, "Your second step", c.post("/mfa/remove/"+id).follow(), "twice is nothing")
	require.Empty(t, w.told())
	require.Equal(t, "Your second step", c.get("/mfa/remove/"+id).follow())
	require.Equal(t, "Remove it?", c.post("/mfa/remove/app").follow())

	// Who need not have one removes the last, and the recovery codes with it.
	c.user.MFA = false
	w.told()
	require.Equal(t, "Your second step", c.post("/mfa/remove/app").follow())
	require.Contains(t, c.body, "With a second step a stolen password")
	require.Equal(t, []string{"factor-removed:totp"}, w.told())
	require.Equal(t, mfa.Status{}, c.status())
}

func TestAnotherAppTakesThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.instance().client(w.dana())
	first := c.enrolApp()
	codes := c.status().Recovery
	w.pass(time.Minute)
	w.told()
	second := c.enrolApp()
	require.NotEqual(t, first, second)
	require.Equal(t, []string{"factor-removed:totp", "factor-enrolled:totp"}, w.told())
	require.Len(t, c.status().Factors, 1)
	require.Equal(t, codes, c.status().Recovery)
	w.pass(time.Minute)
	require.Equal(t, "One more step", c.post("/mfa/challenge", "code", w.codeOf(first)).follow())
	require.Equal(t, "at /desk", c.post("/mfa/challenge", "code", w.codeOf(second)).follow())
}

func TestNewRecoveryCodesMakeOldOnesWorthless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.instance().client(w.dana())
	c.enrolApp()
	old := c.recoveryCodes()
	require.Len(t, old, totp.RecoveryCodes)
	w.told()
	require.Equal(t, "Keep your recovery codes", c.post("/mfa/codes/new").follow())
	fresh := c.recoveryCodes()
	require.Len(t, fresh, totp.RecoveryCodes)
	require.NotEqual(t, old, fresh)
	require.Equal(t, []string{"factor-enrolled:recovery"}, w.told())
	require.Equal(t, "Use a recovery code", c.post("/mfa/recovery", "code", old[0]).follow())
	require.Equal(t, "at /desk", c.post("/mfa/recovery", "code", fresh[0]).follow())

	// Another browser, another person and a later time see none.
	stolen := c.cookies
	other := w.dana()
	other.ID = "lee"
	for name, b := range map[string]*client{"another browser": c.client(c.user), "another person": c.client(other)} {
		if name == "another person" {
			b.cookies = stolen
		}
		b.get("/mfa/codes").follow()
		require.Empty(t, b.recoveryCodes(), name)
	}
	w.pass(10 * time.Minute)
	c.get("/mfa/codes").follow()
	require.Empty(t, c.recoveryCodes())
}

func TestTheGateTakesBrowsersToTheFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.instance()
	desk := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	i.handler = i.svc.Gate(desk)
	off, seen := w.dana(), w.dana()
	off.MFA, seen.Factor = false, w.now()
	for _, u := range []*entra.User{nil, off, seen} {
		require.Equal(t, http.StatusTeapot, i.client(u).get("/desk").code)
		require.Equal(t, http.StatusTeapot, i.client(u).post("/desk").code)
	}
	page := http.Header{"Accept": {"text/html,*/*"}}
	for name, c := range map[string]struct {
		method, target string
		header         http.Header
		code           int
		to             string
	}{
		"a page":            {http.MethodGet, "/desk?q=1", page, 303, "/mfa/?to=%2Fdesk%3Fq%3D1"},
		"the root":          {http.MethodGet, "/", page, 303, "/mfa/?to=%2F"},
		"a navigation":      {http.MethodGet, "/desk", http.Header{"Sec-Fetch-Mode": {"navigate"}}, 303, "/mfa/?to=%2Fdesk"},
		"a fetch":           {http.MethodGet, "/desk", http.Header{"Sec-Fetch-Mode": {"cors"}, "Accept": {"text/html"}}, 403, ""},
		"an API":            {http.MethodGet, "/api", http.Header{"Accept": {"application/json"}}, 403, ""},
		"nothing said":      {http.MethodGet, "/api", nil, 403, ""},
		"a form":            {http.MethodPost, "/desk", page, 403, ""},
		"two slashes":       {http.MethodGet, "//evil.example/x", page, 303, "/mfa/"},
		"the pages":         {http.MethodGet, "/mfa/challenge", page, 418, ""},
		"the pages' root":   {http.MethodPost, "/mfa/", nil, 418, ""},
		"next to the pages": {http.MethodGet, "/mfa-evil", nil, 403, ""},
		"dots":              {http.MethodGet, "/mfa/../desk", nil, 403, ""},
		"coded dots":        {http.MethodGet, "/mfa/%2e%2e/desk", nil, 403, ""},
		"a coded slash":     {http.MethodGet, "/mfa/..%2fdesk", nil, 403, ""},
		"a slash in a part": {http.MethodGet, "/mfa/remove%2fdesk", nil, 403, ""},
		"doubled slashes":   {http.MethodGet, "/mfa//desk", nil, 403, ""},
	} {
		r := requestOf(t, c.method, c.target, w.dana())
		r.Header = c.header
		if r.Header == nil {
			r.Header = http.Header{}
		}
		rec := record(i.handler, r)
		require.Equal(t, c.code, rec.Code, name)
		require.Equal(t, c.to, rec.Header().Get("Location"), name)
		if c.code == http.StatusForbidden {
			require.JSONEq(t, `{"error":"second_factor_required","location":"/mfa/"}`, rec.Body.String(), name)
			require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
		}
	}
}

func TestPagesAreForWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.instance()
	for _, target := range []string{"/mfa/", "/mfa/app", "/mfa/passkey", "/mfa/challenge", "/mfa/recovery", "/mfa/codes", "/mfa/remove/app"} {
		c := i.client(nil).get(target)
		require.Equal(t, http.StatusUnauthorized, c.code, target)
		require.Contains(t, c.body, `href="/login"`)
	}
	for _, target := range []string{"/mfa/app", "/mfa/app/code", "/mfa/passkey", "/mfa/challenge", "/mfa/challenge/passkey", "/mfa/recovery", "/mfa/codes", "/mfa/codes/new", "/mfa/remove/app"} {
		require.Equal(t, http.StatusUnauthorized, i.client(nil).post(target).code, target)
	}
	bare := w.dana()
	bare.Session = ""
	require.Equal(t, http.StatusServiceUnavailable, i.client(bare).get("/mfa/").code)
}

func TestNobodyIsSentElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.instance().client(w.dana())
	secret := c.enrolApp()
	for _, evil := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)", "desk", "\x00"} {
		w.pass(time.Minute)
		require.Equal(t, "at /desk", c.post("/mfa/challenge", "code", w.codeOf(secret), "to", evil).follow(), "%q", evil)
		require.Equal(t, "Your second step", c.post("/mfa/codes", "to", evil).follow(), "%q", evil)
		c.do(http.MethodGet, "/mfa/challenge?to="+strings.NewReplacer("\t", "%09", "\x00", "%00", `\`, "%5c").Replace(evil), nil)
		require.Equal(t, "One more step", c.follow(), "%q", evil)
		require.NotContains(t, c.body, "evil")
	}
	require.Equal(t, "at /desk/x", c.get("/mfa/challenge?to=/desk/x").follow(), "who has just shown one goes on")
}

// (*entra.SSO).Require takes whoever lacks the factor here, and they come back to where they were.
func TestWhoWasSentByTheSignInComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	verifier, err := entra.NewVerifier(entra.PublicCloud(), "11111111-1111-4111-8111-111111111111", nil)
	require.NoError(t, err)
	sso, err := entra.NewSSO(verifier, w.ring, &entra.SSOOptions{
		ClientID: "11111111-1111-4111-8111-111111111111", Secret: mspkit.Redact("secret"), Owner: "north", BaseURL: origin + "/auth",
		Tenants: []string{"22222222-2222-4222-8222-222222222222"}, FactorPath: "/mfa/",
		Resolve: func(context.Context, entra.Identity) (*entra.User, error) { return nil, entra.ErrForbidden },
	})
	require.NoError(t, err)
	c := w.instance().client(w.dana())
	r := requestOf(t, http.MethodGet, "/desk/x?y=z", c.user)
	r.Header.Set("Accept", "text/html")
	to := record(sso.Require(entra.PermissionFeatures, http.NotFoundHandler()), r).Header().Get("Location")
	require.Contains(t, to, "/mfa/?")
	c.get(to).follow()
	require.Contains(t, c.body, `value="/desk/x?y=z"`)
}
