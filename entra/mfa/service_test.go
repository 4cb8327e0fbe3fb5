package mfa_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/entra/mfa/mfatest"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/internal/totp"
)

func TestMemoryIsAStore(t *testing.T) {
	t.Parallel()
	mfatest.TestStore(t, func(*testing.T) (first, second mfa.Store) {
		m := &mfa.Memory{}
		return m, m
	})
}

func TestNewReportsWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*mfa.Options)
		text   string
	}{
		"no domain":              {func(o *mfa.Options) { o.RPID = "" }, "Options.RPID"},
		"a domain with scheme":   {func(o *mfa.Options) { o.RPID = "https://msp.example" }, "Options.RPID"},
		"a domain with port":     {func(o *mfa.Options) { o.RPID = "msp.example:443" }, "Options.RPID"},
		"a domain in capitals":   {func(o *mfa.Options) { o.RPID = "MSP.example" }, "Options.RPID"},
		"an address":             {func(o *mfa.Options) { o.RPID, o.Origins = "127.0.0.1", []string{"http://127.0.0.1:80"} }, "Options.RPID"},
		"no origin":              {func(o *mfa.Options) { o.Origins = nil }, "Options.Origins"},
		"an origin of others":    {func(o *mfa.Options) { o.Origins = []string{"https://evil-msp.example"} }, "is not of the domain"},
		"an origin above":        {func(o *mfa.Options) { o.Origins = []string{"https://example"} }, "is not of the domain"},
		"an origin with a path":  {func(o *mfa.Options) { o.Origins = []string{origin + "/"} }, "nothing behind"},
		"an origin without TLS":  {func(o *mfa.Options) { o.Origins = []string{"http://desk.msp.example"} }, "must have https"},
		"an origin of an app":    {func(o *mfa.Options) { o.Origins = []string{"android:apk-key-hash:x"} }, "nothing behind"},
		"nobody to tell":         {func(o *mfa.Options) { o.Passed = nil }, "Options.Passed"},
		"a path elsewhere":       {func(o *mfa.Options) { o.Path = "//evil.example" }, "Options.Path"},
		"the root":               {func(o *mfa.Options) { o.Path = "/" }, "Options.Path"},
		"a slash at the end":     {func(o *mfa.Options) { o.Path = "/mfa/" }, "Options.Path"},
		"a path with a query":    {func(o *mfa.Options) { o.Path = "/mfa?x" }, "Options.Path"},
		"a home elsewhere":       {func(o *mfa.Options) { o.Home = "https://evil.example" }, "Options.Home"},
		"a sign-in elsewhere":    {func(o *mfa.Options) { o.SignIn = "evil" }, "Options.SignIn"},
		"an old factor as fresh": {func(o *mfa.Options) { o.Fresh = 2 * time.Hour }, "Options.Fresh"},
		"fresh below zero":       {func(o *mfa.Options) { o.Fresh = -1 }, "Options.Fresh"},
		"a long challenge":       {func(o *mfa.Options) { o.TTL = 2 * time.Hour }, "Options.TTL"},
		"a long pause":           {func(o *mfa.Options) { o.Pause = 2 * time.Hour }, "Options.Pause"},
		"many tries":             {func(o *mfa.Options) { o.MaxTries = 21 }, "Options.MaxTries"},
		"no tries":               {func(o *mfa.Options) { o.MaxTries = -1 }, "Options.MaxTries"},
		"a wide window":          {func(o *mfa.Options) { o.Skew = 3 }, "Options.Skew"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := w.options()
			c.change(o)
			_, err := mfa.New(w.store, w.ring, o)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, c.text)
		})
	}
	_, err := mfa.New(nil, nil, nil)
	for _, text := range []string{"a store", "a key ring", "Options.RPID", "Options.Origins", "Options.Passed"} {
		require.ErrorContains(t, err, text)
	}
	o := w.options()
	o.Texts = fstest.MapFS{"en.json": {Data: []byte(`{"nothing.of.this": "x"}`)}}
	svc, err := mfa.New(w.store, w.ring, o)
	require.NoError(t, err)
	_, err = svc.Handler("/mfa")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = w.instance().svc.Handler("mfa/")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	o = w.options()
	o.RPID, o.Origins, o.Path, o.Skew = "localhost", []string{"http://localhost:8080"}, "/account/mfa", -1
	_, err = mfa.New(w.store, w.ring, o)
	require.NoError(t, err)
}

func admin(w *world) *entra.User {
	return &entra.User{
		Owner: "north", ID: "ada", Role: entra.RoleAdmin, Policy: entra.DefaultPolicy(), MFA: true, Factor: w.now(), Session: "a1", AuthTime: w.now(),
	}
}

func TestAnAdminResetsAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.instance()
	c, same := i.client(w.dana()), i.client(w.dana())
	secret := c.enrolApp()
	same.user.Owner = "south"
	same.enrolApp()
	p := c.page("/mfa/passkey")
	answer, err := device().Create(p.Options)
	require.NoError(t, err)
	w.told()
	reset := func(change func(*entra.User), user, reason string) error {
		by := admin(w)
		change(by)
		return i.svc.Reset(entra.WithUser(t.Context(), by), user, reason)
	}
	as := func(*entra.User) {}
	require.ErrorIs(t, i.svc.Reset(t.Context(), "dana", "lost phone"), entra.ErrNoSession)
	require.Empty(t, w.told())
	for name, f := range map[string]struct {
		change             func(*entra.User)
		user, reason, told string
		want               error
	}{
		"a technician":          {func(u *entra.User) { u.Role = entra.RoleTechnician }, "dana", "r", "factor-refused:forbidden", entra.ErrForbidden},
		"no role":               {func(u *entra.User) { u.Role = entra.RoleNone }, "dana", "r", "factor-refused:forbidden", entra.ErrForbidden},
		"pod only":              {func(u *entra.User) { u.UI = entra.UIPod }, "dana", "r", "factor-refused:forbidden", entra.ErrForbidden},
		"oneself":               {as, "ada", "r", "factor-refused:forbidden", entra.ErrForbidden},
		"no factor seen":        {func(u *entra.User) { u.Factor = time.Time{} }, "dana", "r", "factor-refused:forbidden", entra.ErrForbidden},
		"a factor long ago":     {func(u *entra.User) { u.Factor = w.now().Add(-time.Hour) }, "dana", "r", "factor-refused:not-fresh", mfa.ErrStale},
		"no reason":             {as, "dana", " \u202e\n", "", mspkit.ErrInvalid},
		"a reason that is long": {as, "dana", strings.Repeat("x", 300), "", mspkit.ErrInvalid},
		"nobody":                {as, "", "r", "", mspkit.ErrInvalid},
		"a long id":             {as, strings.Repeat("x", 300), "r", "", mspkit.ErrInvalid},
	} {
		require.ErrorIs(t, reset(f.change, f.user, f.reason), f.want, name)
		if f.told == "" {
			require.Empty(t, w.told(), name)
		} else {
			require.Equal(t, []string{f.told}, w.told(), name)
		}
	}
	require.Len(t, c.status().Factors, 1)
	require.Empty(t, w.ended)

	require.NoError(t, reset(as, "dana", "lost phone, called back"))
	require.Equal(t, []string{"north/dana"}, w.ended)
	require.Equal(t, entra.Event{
		At: w.now(), Kind: entra.EventFactorRemoved, Owner: "north", User: "dana", By: "ada", Session: "a1", Reason: "lost phone, called back",
	}, w.events[0])
	w.told()
	require.Equal(t, mfa.Status{}, c.status())
	require.Len(t, same.status().Factors, 1, "that of another owner stays")
	c.post("/mfa/challenge", "code", w.codeOf(secret))
	c.post("/mfa/passkey", "challenge", p.Challenge, "answer", answer)
	require.Equal(t, []string{"factor-refused:wrong-code", "factor-refused:challenge"}, w.told())

	w.endErr = errDown
	err = reset(as, "dana", "again")
	require.ErrorIs(t, err, mfa.ErrSessions)
	require.ErrorIs(t, err, errDown)
	without := w.instance(func(o *mfa.Options) { o.EndSessions = nil })
	require.ErrorIs(t, without.svc.Reset(entra.WithUser(t.Context(), admin(w)), "dana", "r"), mspkit.ErrInvalid)

	// An admin of a host that asks admins for no factor.
	w.endErr = nil
	require.NoError(t, reset(func(u *entra.User) { u.MFA, u.Factor = false, time.Time{} }, "nobody-yet", "r"))

	w.told()
	require.NoError(t, i.svc.Forget(t.Context(), "south", "dana"))
	require.Equal(t, mfa.Status{}, same.status())
	require.Equal(t, []string{"factor-removed:forgotten"}, w.told())
}

// Two instances, 64 browsers, one code.
func TestACodeIsAcceptedOnceByTwoInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	instances := []*instance{w.instance(), w.instance()}
	c := instances[0].client(w.dana())
	secret := c.enrolApp()
	codes := c.recoveryCodes()
	for round := range 3 {
		for target, code := range map[string]string{"/mfa/challenge": "", "/mfa/recovery": codes[round]} {
			w.pass(2 * time.Hour)
			if code == "" {
				code = w.codeOf(secret)
			}
			var right atomic.Int32
			race.On(instances, func(i *instance, _ int) {
				if i.client(w.dana()).post(target, "code", code).at == "/desk" {
					right.Add(1)
				}
			})
			require.EqualValues(t, 1, right.Load(), "%s in round %d", target, round)
		}
	}
	require.Equal(t, totp.RecoveryCodes-3, c.status().Recovery)
}

// Of 64 tries at once no more are compared than are allowed.
func TestNoTryGoesUncountedAcrossInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	instances := []*instance{w.instance(), w.instance()}
	instances[0].client(w.dana()).enrolApp()
	w.pass(time.Hour)
	w.told()
	race.On(instances, func(i *instance, _ int) { i.client(w.dana()).post("/mfa/recovery", "code", "0000000000") })
	counts := map[string]int{}
	for _, e := range w.told() {
		counts[e]++
	}
	require.Equal(t, map[string]int{"factor-refused:wrong-code": 5, "factor-refused:locked": race.Goroutines - 5}, counts)
}

func TestAnAnswerIsAcceptedOnceByTwoInstances(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), device()
	a.Counting = false // so that the counter does not decide
	instances := []*instance{w.instance(), w.instance()}
	c := instances[0].client(w.dana())
	p := c.page("/mfa/passkey")
	made, err := a.Create(p.Options)
	require.NoError(t, err)
	race.On(instances, func(i *instance, _ int) {
		i.client(w.dana()).post("/mfa/passkey", "challenge", p.Challenge, "answer", made)
	})
	require.Len(t, c.status().Factors, 1)
	challenge, answer := signed(c, a)
	var right atomic.Int32
	race.On(instances, func(i *instance, _ int) {
		if i.client(w.dana()).post("/mfa/challenge/passkey", "challenge", challenge, "answer", answer).at == "/desk" {
			right.Add(1)
		}
	})
	require.EqualValues(t, 1, right.Load())
}

// broken is a store that fails.
type broken struct{ mfa.Memory }

func (*broken) Get(context.Context, string, string) ([]byte, int64, error) { return nil, 0, errDown }

func (*broken) Delete(context.Context, string, string, time.Time) error { return errDown }

func TestWhereNothingIsKnownNobodyPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.instance().client(w.dana())
	secret := good.enrolApp()
	w.pass(time.Minute)
	kept := w.store
	w.store = &broken{}
	i := w.instance()
	c := i.client(w.dana())
	for _, target := range []string{"/mfa/", "/mfa/challenge", "/mfa/passkey"} {
		require.Equal(t, http.StatusServiceUnavailable, c.get(target).code, target)
	}
	require.Equal(t, http.StatusServiceUnavailable, c.post("/mfa/challenge", "code", w.codeOf(secret)).code)
	require.True(t, c.user.Factor.IsZero())
	_, err := i.svc.Status(t.Context(), "north", "dana")
	require.ErrorIs(t, err, errDown)
	require.ErrorIs(t, i.svc.Forget(t.Context(), "north", "dana"), errDown)
	require.ErrorIs(t, i.svc.Reset(entra.WithUser(t.Context(), admin(w)), "dana", "r"), errDown)
	require.Empty(t, w.ended)

	// A session that cannot remember the factor is told so; the recovery codes of an enrolment are not lost by it.
	w.store = kept
	failing := w.instance(func(o *mfa.Options) {
		o.Passed = func(http.ResponseWriter, *http.Request) error { return errDown }
		o.Auditor = entra.AuditorFunc(func(context.Context, entra.Event) error { return errors.New("full") })
	})
	c = failing.client(w.dana())
	require.Equal(t, http.StatusServiceUnavailable, c.post("/mfa/challenge", "code", w.codeOf(secret)).code)
	lee := failing.client(w.dana())
	lee.user.ID = "lee"
	lee.post("/mfa/app").follow()
	require.Equal(t, http.StatusServiceUnavailable, lee.post("/mfa/app/code", "code", w.codeOf(lee.secret())).code)
	require.Len(t, lee.get("/mfa/codes").recoveryCodes(), totp.RecoveryCodes)
}

// A foreign page can post nothing, and no page runs what is not in a file.
func TestPagesAreClosedToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.instance().client(w.dana())
	c.enrolKey(device(), `"><script>alert(1)</script>`)
	c.get("/mfa/")
	require.NotContains(t, c.body, "<script>alert")
	for _, target := range []string{"/mfa/", "/mfa/passkey", "/mfa/challenge", "/mfa/recovery", "/mfa/remove/" + c.status().Factors[0].ID} {
		c.get(target)
		require.Equal(t, http.StatusOK, c.code, target)
		csp := c.header.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'")
		require.Contains(t, csp, "script-src 'self'")
		require.NotContains(t, csp, "unsafe")
		require.NotContains(t, csp, "connect-src")
		require.Equal(t, "no-store", c.header.Get("Cache-Control"))
	}
	r := requestOf(t, http.MethodPost, "/mfa/codes/new", c.user)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, record(c.handler, r).Code)

	german := requestOf(t, http.MethodGet, "/mfa/", c.user)
	german.Header.Set("Accept-Language", "de")
	require.Contains(t, record(c.handler, german).Body.String(), "Ihr zweiter Schritt")
}
