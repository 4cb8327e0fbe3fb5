package entra_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

// Logout tokens are marks of the far future; cleaning up on their account must not forget whose session has ended.
func TestMemoryForgetsNothingForWhatIsSetOnce(t *testing.T) {
	t.Parallel()
	m, now, never := entra.NewMemory(), time.Unix(1_800_000_000, 0), time.Unix(1<<33, 0)
	for i := range 600 {
		_, err := m.Revoke(t.Context(), "north", fmt.Sprintf("s:%d", i), now, now.Add(time.Hour))
		require.NoError(t, err)
		_, err = m.Revoke(t.Context(), "north", fmt.Sprintf("j:%d", i), never, now.Add(time.Hour))
		require.NoError(t, err)
	}
	for i := range 600 {
		for _, kind := range []string{"s", "j"} {
			over, err := m.Revoked(t.Context(), "north", []string{fmt.Sprintf("%s:%d", kind, i)}, now)
			require.NoError(t, err)
			require.True(t, over, "%s:%d", kind, i)
		}
	}
}

// Two instances whose clocks are a minute apart.
func TestASignOutOnAnInstanceWhoseClockIsBehindCounts(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.Revocations = entra.NewMemory() }).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	at, err := url.Parse(h.origin)
	require.NoError(t, err)
	copied := newBrowser(t)
	copied.http.Jar.SetCookies(at, b.http.Jar.Cookies(at))
	h.pass(-time.Minute)
	b.signOut(h)
	require.Nil(t, copied.who(h))
	h.pass(2 * time.Minute)
	require.Nil(t, copied.who(h))

	again, _ := h.signIn(t, h.otto, "")
	copied = newBrowser(t)
	copied.http.Jar.SetCookies(at, again.http.Jar.Cookies(at))
	h.pass(-time.Minute)
	h.SignIn(h.anna)
	again.post(h.base+"/signin", nil, nil)
	require.Nil(t, copied.who(h), "the session that another one replaced has ended as well")
}

// The clock of the host is ahead of the issuer's, by less than a token may differ.
func TestALogoutOfAPersonCountsWhereTheIssuersClockIsBehind(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b := h.withSID(t, h.otto, sidOfOtto)
	h.pass(30 * time.Second)
	claims := h.logoutClaims()
	delete(claims, "sid")
	claims["sub"] = h.IDClaims(h.otto, h.app.ID, "")["sub"]
	claims["iat"], claims["exp"] = later(h, -2*time.Minute), later(h, 0)
	status, _ := h.backChannel(t, url.Values{"logout_token": {h.Sign(claims, &entratest.SignOptions{Type: "logout+jwt"})}})
	require.Equal(t, http.StatusOK, status)
	require.Nil(t, b.who(h))
}

// A logout that names session and person ends a session of the person that has no name at Entra, because its token had no sid.
func TestALogoutEndsASessionWithoutSID(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	nameless := func(u *entratest.User) *browser {
		a := h.begin(t, u).token(u, map[string]any{"sid": nil}, nil)
		require.Equal(t, http.StatusOK, a.finish().status)
		return a.b
	}
	b, named, anna := nameless(h.otto), h.withSID(t, h.otto, "another"), nameless(h.anna)
	claims := h.logoutClaims()
	claims["sub"] = h.IDClaims(h.otto, h.app.ID, "")["sub"]
	status, _ := h.backChannel(t, url.Values{"logout_token": {h.Sign(claims, &entratest.SignOptions{Type: "logout+jwt"})}})
	require.Equal(t, http.StatusOK, status)
	require.Nil(t, b.who(h))
	require.NotNil(t, named.who(h), "it is known to be another session")
	require.NotNil(t, anna.who(h))
}

// flaky fails the revocations with the numbers that are set.
type flaky struct {
	entra.Revocations
	count, fail atomic.Int64
}

func (f *flaky) Revoke(ctx context.Context, owner, mark string, at, until time.Time) (bool, error) {
	if f.count.Add(1) == f.fail.Load() {
		return false, errors.New("the database is away")
	}
	return f.Revocations.Revoke(ctx, owner, mark, at, until)
}

// The issuer sends a token again where it was told that it could not be noted; it must not be a replay then.
func TestALogoutThatFailedHalfwayIsDoneTheNextTime(t *testing.T) {
	t.Parallel()
	for fail := range int64(2) {
		store := &flaky{Revocations: entra.NewMemory()}
		h := newHost(t, func(h *host) { h.options.Revocations = store }).serve(t)
		b := h.withSID(t, h.otto, sidOfOtto)
		store.fail.Store(store.count.Load() + fail + 1)
		form := url.Values{"logout_token": {h.Sign(h.logoutClaims(), &entratest.SignOptions{Type: "logout+jwt"})}}
		status, _ := h.backChannel(t, form)
		require.Equal(t, http.StatusServiceUnavailable, status)
		status, _ = h.backChannel(t, form)
		require.Equal(t, http.StatusOK, status)
		require.Nil(t, b.who(h))
		status, _ = h.backChannel(t, form)
		require.Equal(t, http.StatusBadRequest, status)
	}
}

// Whoever runs another tenant assigns roles there as they like.
func TestRolesOfATokenCountForTheTenantsOnTheListOnly(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.Groups = true })
	h.sso.On("portal", func(w http.ResponseWriter, r *http.Request, a entra.Answer, err error) {
		if err == nil {
			err = h.sso.SignIn(w, r, a.Identity)
		}
		if err != nil {
			http.Error(w, string(entra.ReasonOf(err)), http.StatusForbidden)
			return
		}
	})
	h.mux.HandleFunc("POST /portal", func(w http.ResponseWriter, r *http.Request) { h.sso.Begin(w, r, entra.Ask{Kind: "portal"}) })
	h.serve(t)
	h.SignIn(h.mallory) // an Admin by the roles of Fabrikam
	p := newBrowser(t).post(h.origin+"/portal", nil, nil)
	require.Equal(t, string(entra.ReasonRole), strings.TrimSpace(p.body))
	h.SignIn(h.anna)
	b := newBrowser(t)
	require.Equal(t, http.StatusOK, b.post(h.origin+"/portal", nil, nil).status)
	require.Equal(t, entra.RoleAdmin, b.who(h).Role)
}

// A policy from which the last right was taken is not one that was left out.
func TestAnEmptiedPolicyAllowsNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	h.set(h.otto, func(u *entra.User) {
		u.Policy = entra.Policy{}.With(entra.RoleTechnician, entra.PermissionFeatures).Without(entra.RoleTechnician, entra.PermissionFeatures)
	})
	b, _ := h.signIn(t, h.otto, "")
	require.Equal(t, http.StatusForbidden, b.get(h.origin+"/tickets/1", nil).status)
	require.Equal(t, entra.DefaultPolicy(), entra.DefaultPolicy().With(entra.RoleAdmin, entra.PermissionUI))
}

// Two applications of one owner with the same keys: what was asked for one is not answered at the other, also not by a browser that
// writes its own question to Microsoft, for which it knows state, nonce and challenge.
func TestAFlowIsOfOneApplicationAndRedirectURI(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	other := newHost(t, func(o *host) { o.ring = h.ring }).serve(t) // of the same owner
	a := h.begin(t, h.anna)
	state := a.asked.Get("state")
	there, err := url.Parse(other.base + "/callback?" + url.Values{"state": {state}, "error": {"access_denied"}}.Encode())
	require.NoError(t, err)
	here, err := url.Parse(h.base)
	require.NoError(t, err)
	a.b.http.Jar.SetCookies(there, a.b.http.Jar.Cookies(here))
	other.audit.take()
	p := a.b.get(there.String(), nil)
	require.Equal(t, http.StatusBadRequest, p.status)
	require.Equal(t, string(entra.ReasonCookie), other.audit.take()[0].Reason)
}

func TestASessionIsOfOneApplication(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	other := newHost(t, func(o *host) { // of the same owner, for the same people
		o.ring, o.options.Tenants = h.ring, append(o.options.Tenants, h.contoso.ID)
	}).serve(t)
	b, _ := h.signIn(t, h.anna, "")
	here, err := url.Parse(h.origin)
	require.NoError(t, err)
	there, err := url.Parse(other.origin)
	require.NoError(t, err)
	moved := newBrowser(t)
	moved.http.Jar.SetCookies(there, b.http.Jar.Cookies(here))
	require.NotNil(t, b.who(h))
	require.Nil(t, moved.who(other))
}

// What an API demands and the context that the host wants go to Microsoft together; what cannot be asked for is said before.
func TestAFlowAsksForEverythingAtOnce(t *testing.T) {
	t.Parallel()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	const id = "11111111-2222-3333-4444-555555555555"
	v, err := entra.NewVerifier(entra.PublicCloud(), id, nil)
	require.NoError(t, err)
	o := entra.FlowOptions{ClientID: id, Secret: mspkit.Redact("x"), RedirectURL: "https://msp.example/callback"}
	f, err := entra.NewFlow("flow", v, ring, &o)
	require.NoError(t, err)
	at, err := f.Begin(httptest.NewRecorder(), entra.Ask{ACR: "c99", Claims: `{"id_token":{"x":null},"access_token":{"acrs":{"value":"c1"}}}`})
	require.NoError(t, err)
	u, err := url.Parse(at)
	require.NoError(t, err)
	require.JSONEq(t, `{"id_token":{"x":null,"acrs":{"essential":true,"value":"c99"}},"access_token":{"acrs":{"value":"c1"}}}`, u.Query().Get("claims"))
	for _, a := range []entra.Ask{
		{ACR: "c0"},
		{ACR: "c100"},
		{ACR: "c01"},
		{ACR: "7"},
		{Claims: "null"},
		{Claims: "[]"},
		{Claims: "{"},
		{ACR: "c1", Claims: `{"id_token":7}`},
		{Claims: `{"x":"` + strings.Repeat("x", 2<<10) + `"}`},
		{Tenant: "contoso.com"},
		{Data: make([]byte, 2<<10+1)},
	} {
		w := httptest.NewRecorder()
		_, err := f.Begin(w, a)
		require.ErrorIs(t, err, mspkit.ErrInvalid, "%+v", a)
		require.Empty(t, w.Result().Cookies())
	}
	for _, ttl := range []time.Duration{-1, time.Hour + 1} {
		o := o
		o.TTL = ttl
		_, err := entra.NewFlow("flow", v, ring, &o)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	for _, name := range []string{"", "Flow", strings.Repeat("x", 33), "a b"} {
		_, err := entra.NewFlow(name, v, ring, &o)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
}

// A browser drops a cookie of more than 4096 bytes without a word.
func TestWhatAFlowCarriesFitsIntoACookie(t *testing.T) {
	t.Parallel()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("a-key-with-a-long-name-of-2026"))
	require.NoError(t, err)
	const id = "11111111-2222-3333-4444-555555555555"
	v, err := entra.NewVerifier(entra.PublicCloud(), id, nil)
	require.NoError(t, err)
	f, err := entra.NewFlow("a-flow-with-a-name-of-32-letters", v, ring, &entra.FlowOptions{
		ClientID: id, Secret: mspkit.Redact("x"), RedirectURL: "https://msp.example/callback",
	})
	require.NoError(t, err)
	for n := 0; n <= 2<<10; n += 16 {
		w := httptest.NewRecorder()
		_, err := f.Begin(w, entra.Ask{Kind: "the kind of a link wizard", Data: make([]byte, n), Tenant: id, Fresh: true, ACR: "c99"})
		if err != nil {
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Greater(t, n, 1<<10)
			continue
		}
		c := w.Result().Cookies()[0]
		require.LessOrEqual(t, len(c.Name)+len(c.Value), 4096, "%d bytes of data", n)
	}
}

// Caches keep answers that do not say otherwise, with the cookies in them.
func TestWhatIsForOnePersonIsKeptByNoSharedCache(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	h.mux.Handle("/logo", h.sso.Load(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "public") })))
	b, _ := h.signIn(t, h.otto, "")
	h.pass(2 * time.Minute)
	p := b.get(h.origin+"/tickets/1", nil)
	require.Equal(t, "private", p.header.Get("Cache-Control"))
	require.NotEmpty(t, p.header.Get("Set-Cookie"))
	require.Equal(t, "public", b.get(h.origin+"/logo", nil).header.Get("Cache-Control"), "the host knows better")
	require.Empty(t, newBrowser(t).get(h.origin+"/", nil).header.Get("Cache-Control"))
}

// The sign-in of an instance with a short lifetime ends sessions of one with a long one as well.
func TestWhatIsEndedStaysSoWhereSessionsLastLonger(t *testing.T) {
	t.Parallel()
	store := entra.NewMemory()
	h := newHost(t, func(h *host) {
		h.options.Revocations, h.options.TTL, h.options.Idle = store, 20*24*time.Hour, 20*24*time.Hour
	}).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	h.options.TTL, h.options.Idle = time.Hour, time.Hour
	require.NoError(t, h.newSSO(t).EndSessions(t.Context(), h.contoso.ID, h.otto.ObjectID))
	h.pass(7 * 24 * time.Hour)
	_, err := store.DeleteExpired(t.Context(), h.now())
	require.NoError(t, err)
	require.Nil(t, b.who(h))
}

// A route of one owner that stands behind the session of another one by mistake is closed.
func TestWhoIsSignedInNextDoorIsNotSignedInHere(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	south := h.south(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("the tickets of south")) })
	h.mux.Handle("/south/", h.sso.Load(south.sso.Require(entra.PermissionFeatures, page)))
	h.mux.Handle("/north/", h.sso.Load(h.sso.Require(entra.PermissionFeatures, page)))
	h.mux.Handle("/both/", h.sso.Load(south.sso.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, entra.UserOf(r.Context()) == nil)
	}))))
	h.mux.Handle("/factor/", h.sso.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, south.sso.NoteFactor(w, r))
	})))
	h.serve(t)
	b, _ := h.signIn(t, h.anna, "")
	require.Equal(t, http.StatusOK, b.open(h.origin+"/north/").status)
	p := b.open(h.origin + "/south/")
	require.Equal(t, http.StatusUnauthorized, p.status)
	require.NotContains(t, p.body, "tickets")
	require.Equal(t, "true", b.open(h.origin+"/both/").body, "who was found last counts, also where that is nobody")
	p = b.open(h.origin + "/factor/")
	require.Equal(t, entra.ErrNoSession.Error(), p.body)
	require.Empty(t, p.header.Get("Set-Cookie"))
}
