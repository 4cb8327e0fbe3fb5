package entra_test

import (
	"context"
	"encoding/json"
	"errors"
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

// who says who is signed in at the host's first page.
func (b *browser) who(h *host) *entra.User {
	b.t.Helper()
	_, u := shown(b.t, b.get(h.origin+"/", nil))
	return u
}

func TestASessionEnds(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		do   func(t *testing.T, h *host, b *browser)
		good bool
	}{
		"in use": {func(_ *testing.T, h *host, b *browser) {
			for range 11 {
				h.pass(50 * time.Minute)
				b.who(h)
			}
		}, true},
		"not used for an hour": {func(_ *testing.T, h *host, _ *browser) { h.pass(time.Hour) }, false},
		"after 12 hours": {func(_ *testing.T, h *host, b *browser) {
			for range 15 {
				h.pass(48 * time.Minute)
				b.who(h)
			}
		}, false},
		"the account is gone": {func(_ *testing.T, h *host, _ *browser) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.gone[h.otto.ObjectID] = true
		}, false},
		"the role is gone": {func(_ *testing.T, h *host, _ *browser) {
			h.set(h.otto, func(u *entra.User) { u.Role = entra.RoleNone })
		}, false},
		"unlinked": {func(t *testing.T, h *host, _ *browser) {
			require.NoError(t, h.sso.EndSessions(t.Context(), strings.ToUpper(h.contoso.ID), h.otto.ObjectID))
		}, false},
		"somebody else is unlinked": {func(t *testing.T, h *host, _ *browser) {
			require.NoError(t, h.sso.EndSessions(t.Context(), h.contoso.ID, h.anna.ObjectID))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, nil).serve(t)
			b, _ := h.signIn(t, h.otto, "")
			require.NotNil(t, b.who(h))
			x.do(t, h, b)
			require.Equal(t, x.good, b.who(h) != nil)
		})
	}
}

func TestEndSessionsWantsIDs(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	require.ErrorIs(t, h.sso.EndSessions(t.Context(), "contoso.com", h.otto.ObjectID), mspkit.ErrInvalid)
	require.ErrorIs(t, h.sso.EndSessions(t.Context(), h.contoso.ID, "otto@contoso.com"), mspkit.ErrInvalid)
}

func TestWhatWasTakenAwayIsGoneWithTheNextRequest(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b, _ := h.signIn(t, h.anna, "")
	require.Equal(t, http.StatusOK, b.get(h.origin+"/settings/", nil).status)
	h.set(h.anna, func(u *entra.User) { u.Role = entra.RoleTechnician })
	require.Equal(t, http.StatusForbidden, b.get(h.origin+"/settings/", nil).status)
	h.set(h.anna, func(u *entra.User) { u.UI = entra.UIPod })
	require.Equal(t, http.StatusForbidden, b.get(h.origin+"/settings/", nil).status)
	require.Equal(t, http.StatusOK, b.get(h.origin+"/tickets/", nil).status)
}

func TestATenantThatIsTakenOffTheListEndsItsSessions(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.Tenants = []string{h.contoso.ID, h.fabrikam.ID} }).serve(t)
	h.set(h.mallory, func(u *entra.User) { u.Role = entra.RoleAdmin }) // by the host, which still knows her
	b, _ := h.signIn(t, h.mallory, "")
	require.NotNil(t, b.who(h))
	h.options.Tenants = h.options.Tenants[:1]
	narrow := h.newSSO(t)
	u, _ := url.Parse(h.origin)
	for _, x := range []struct {
		sso  *entra.SSO
		want bool
	}{{h.sso, true}, {narrow, false}} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		for _, c := range b.http.Jar.Cookies(u) {
			r.AddCookie(c)
		}
		in := false
		x.sso.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { in = entra.UserOf(r.Context()) != nil })).ServeHTTP(w, r)
		require.Equal(t, x.want, in)
	}
}

func TestTheCookieOfASessionIsSealedAndGuarded(t *testing.T) {
	t.Parallel()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	now := time.Unix(1_800_000_000, 0)
	app := "11111111-2222-3333-4444-555555555555"
	v, err := entra.NewVerifier(entra.PublicCloud(), app, nil)
	require.NoError(t, err)
	who := entra.Identity{TenantID: app, ObjectID: app, Name: "Anna", Subject: "s", DirectoryRoles: make([]string, 2000), Groups: make([]string, 2000)}
	sso, err := entra.NewSSO(v, ring, &entra.SSOOptions{
		ClientID: app, Secret: mspkit.Redact("x"), Owner: "north", BaseURL: "https://msp.example/auth", Tenants: []string{app}, Now: func() time.Time { return now },
		Resolve: func(_ context.Context, who entra.Identity) (*entra.User, error) {
			require.Empty(t, who.Groups)
			return &entra.User{ID: "1", Role: entra.RoleAdmin}, nil
		},
	})
	require.NoError(t, err)
	save := func() *http.Cookie {
		w := httptest.NewRecorder()
		require.NoError(t, sso.SignIn(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody), who))
		list := w.Result().Cookies()
		require.Len(t, list, 1)
		return list[0]
	}
	c := save()
	require.True(t, strings.HasPrefix(c.Name, "__Host-mspkit-session-"))
	require.True(t, c.HttpOnly)
	require.True(t, c.Secure)
	require.Equal(t, http.SameSiteLaxMode, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain)
	require.Equal(t, 3600, c.MaxAge)
	require.NotEqual(t, c.Value, save().Value)
	require.NotContains(t, c.Value, "Anna")
	large := who
	large.Name = strings.Repeat("x", 3000)
	w := httptest.NewRecorder()
	err = sso.SignIn(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody), large)
	require.ErrorIs(t, err, entra.ErrTooLarge)
	require.Equal(t, entra.ReasonSize, entra.ReasonOf(err))
	require.Empty(t, w.Result().Cookies())
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.AddCookie(c)
	w = httptest.NewRecorder()
	var id string
	sso.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { id = entra.UserOf(r.Context()).ID })).ServeHTTP(w, r)
	require.Equal(t, "1", id)
	require.Empty(t, w.Result().Cookies(), "a session that was seen just now is not written again")
	now = now.Add(2 * time.Minute)
	for dest, want := range map[string]int{"": 1, "document": 1, "empty": 1, "style": 0, "image": 0, "script": 0} {
		w = httptest.NewRecorder()
		r.Header.Set("Sec-Fetch-Dest", dest)
		sso.Load(http.NotFoundHandler()).ServeHTTP(w, r)
		require.Len(t, w.Result().Cookies(), want, dest)
	}
}

func TestACookieOutlivesNoSession(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.TTL, h.options.Idle = 90*time.Minute, time.Hour }).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	h.pass(20 * time.Minute)
	require.Contains(t, b.get(h.origin+"/", nil).header.Get("Set-Cookie"), "Max-Age=3600;")
	h.pass(40 * time.Minute)
	require.Contains(t, b.get(h.origin+"/", nil).header.Get("Set-Cookie"), "Max-Age=1800;")
}

// hostSessions are what a host keeps by itself.
type hostSessions struct {
	byCookie map[string]entra.Session
	fail     error
}

func (s *hostSessions) Save(w http.ResponseWriter, _ *http.Request, sess entra.Session, until time.Time) error {
	raw, err := json.Marshal(sess)
	if err != nil {
		return err
	}
	var kept entra.Session
	if err := json.Unmarshal(raw, &kept); err != nil {
		return err
	}
	s.byCookie["c-"+sess.ID] = kept
	http.SetCookie(w, &http.Cookie{Name: "host", Value: "c-" + sess.ID, Path: "/", Expires: until.Add(20 * 365 * 24 * time.Hour)})
	return s.fail
}

func (s *hostSessions) Load(r *http.Request) (entra.Session, error) {
	c, err := r.Cookie("host")
	if err != nil {
		return entra.Session{}, entra.ErrNoSession
	}
	sess, ok := s.byCookie[c.Value]
	if !ok {
		return entra.Session{}, entra.ErrNoSession
	}
	return sess, s.fail
}

func (s *hostSessions) Delete(w http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie("host"); err == nil {
		delete(s.byCookie, c.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: "host", Path: "/", MaxAge: -1})
	return s.fail
}

func TestAHostKeepsSessionsOfItsOwn(t *testing.T) {
	t.Parallel()
	own := &hostSessions{byCookie: map[string]entra.Session{}}
	h := newHost(t, func(h *host) { h.options.Sessions = own }).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	u := b.who(h)
	require.Equal(t, h.otto.ObjectID, u.ObjectID)
	require.Len(t, own.byCookie, 1)
	own.fail = errors.New("the database is away")
	require.Equal(t, http.StatusServiceUnavailable, b.get(h.origin+"/", nil).status)
	own.fail = nil
	b.signOut(h)
	require.Empty(t, own.byCookie)
	require.Nil(t, b.who(h))
}

// A host that keeps the sessions of several owners in one place must not be able to mix them up.
func TestASessionOfAnotherOwnerIsNobodysHere(t *testing.T) {
	t.Parallel()
	own := &hostSessions{byCookie: map[string]entra.Session{}}
	h := newHost(t, func(h *host) { h.options.Sessions = own }).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	require.NotNil(t, b.who(h))
	h.audit.take()
	for id, s := range own.byCookie {
		s.Owner = "south"
		own.byCookie[id] = s
	}
	require.Nil(t, b.who(h))
	require.Equal(t, []entra.Event{{At: h.now(), Kind: entra.EventSignInRefused, Owner: "north", Reason: string(entra.ReasonCookie)}}, h.audit.take())
}

// keeping is a host's that cannot forget a session.
type keeping struct{ *hostSessions }

func (keeping) Delete(http.ResponseWriter, *http.Request) error {
	return errors.New("the database is away")
}

func TestASignOutThatFailsIsNoneThatHasHappened(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.Sessions = keeping{&hostSessions{byCookie: map[string]entra.Session{}}} }).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	h.audit.take()
	p := b.signOut(h)
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.NotContains(t, p.body, "database")
	require.Empty(t, h.audit.take())
	require.Nil(t, b.who(h), "it has ended all the same")
}

// away is a store that does not answer.
type awayStore struct{ entra.Revocations }

func (awayStore) Revoke(context.Context, string, string, time.Time, time.Time) (bool, error) {
	return false, errors.New("the database is away")
}

func (awayStore) Revoked(context.Context, string, []string, time.Time) (bool, error) {
	return false, errors.New("the database is away")
}

func TestWithoutRevocationsNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.Revocations = awayStore{} }).serve(t)
	b, p := h.signIn(t, h.otto, "/tickets/1")
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.NotContains(t, p.body, "database")
	require.Equal(t, http.StatusServiceUnavailable, b.signOut(h).status, "and nobody is told that a session had ended")
}

func TestAFactorCountsForItsSession(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.FactorPath = "/factor" })
	h.mux.Handle("POST /factor", h.sso.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.sso.NoteFactor(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
		}
	})))
	h.mux.HandleFunc("GET /factor", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("factor? " + r.URL.Query().Get("to")))
	})
	h.serve(t)
	h.set(h.otto, func(u *entra.User) { u.MFA = true })
	require.Equal(t, http.StatusUnauthorized, newBrowser(t).post(h.origin+"/factor", nil, nil).status)
	b, _ := h.signIn(t, h.otto, "")
	h.audit.take()
	p := b.get(h.origin+"/tickets/1?x=y", nil)
	require.Equal(t, "factor? /tickets/1?x=y", p.body)
	require.Empty(t, h.audit.take(), "to be asked for a factor is no refusal")
	require.Equal(t, "/settings/", b.get(h.origin+"/settings/", nil).at.Path, "what they may not do anyway does not ask for one")
	require.Len(t, h.audit.take(), 1)
	require.Equal(t, http.StatusOK, b.post(h.origin+"/factor", nil, nil).status)
	require.Equal(t, h.now(), b.who(h).Factor.Local())
	require.Equal(t, http.StatusOK, b.get(h.origin+"/tickets/1", nil).status)
	other, _ := h.signIn(t, h.otto, "")
	require.True(t, other.who(h).Factor.IsZero())
}

func TestASignInEndsTheSessionBefore(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	u, _ := url.Parse(h.origin)
	old := b.http.Jar.Cookies(u)
	first := b.who(h).Session
	h.SignIn(h.anna)
	b.post(h.base+"/signin", nil, nil)
	now := b.who(h)
	require.Equal(t, h.anna.ObjectID, now.ObjectID)
	require.NotEqual(t, first, now.Session)
	stolen := newBrowser(t)
	stolen.http.Jar.SetCookies(u, old)
	require.Nil(t, stolen.who(h))
}

func TestOtherKindsOfSignInComeBackToTheirHandler(t *testing.T) {
	t.Parallel()
	var got entra.Answer
	var gotErr error
	h := newHost(t, nil)
	h.sso.On("link", func(w http.ResponseWriter, r *http.Request, a entra.Answer, err error) {
		if got, gotErr = a, err; err == nil {
			err = h.sso.SignIn(w, r, a.Identity)
		}
		if err != nil {
			http.Error(w, string(entra.ReasonOf(err)), http.StatusForbidden)
			return
		}
	})
	for _, kind := range []string{"link", "", "entra/sign-in"} {
		require.Panics(t, func() { h.sso.On(kind, func(http.ResponseWriter, *http.Request, entra.Answer, error) {}) }, kind)
	}
	h.mux.HandleFunc("POST /link", func(w http.ResponseWriter, r *http.Request) {
		h.sso.Begin(w, r, entra.Ask{Kind: "link", Data: []byte("of user 7"), SelectAccount: true})
	})
	h.mux.HandleFunc("POST /other", func(w http.ResponseWriter, r *http.Request) { h.sso.Begin(w, r, entra.Ask{Kind: "other"}) })
	h.serve(t)
	require.Panics(t, func() { h.sso.On("late", func(http.ResponseWriter, *http.Request, entra.Answer, error) {}) })
	require.Equal(t, http.StatusServiceUnavailable, newBrowser(t).post(h.origin+"/other", nil, nil).status)

	h.set(h.mallory, func(u *entra.User) { u.Role = entra.RoleTechnician })
	h.SignIn(h.mallory) // of a tenant that is not on the list: the handler decides
	b := newBrowser(t)
	require.Equal(t, http.StatusOK, b.post(h.origin+"/link", nil, nil).status)
	require.Equal(t, "of user 7", string(got.Data))
	require.Equal(t, h.mallory.ObjectID, b.who(h).ObjectID)
	require.Equal(t, []entra.EventKind{entra.EventSignedIn}, kinds(h.audit.take()))

	h.Fail(entratest.Fault{Endpoint: entratest.Token, Code: 53003})
	require.Equal(t, "entra-refused", strings.TrimSpace(b.post(h.origin+"/link", nil, nil).body))
	require.Equal(t, entra.ReasonEntra, entra.ReasonOf(gotErr))
	require.Equal(t, entra.Identity{}, got.Identity)
	require.Equal(t, []entra.EventKind{entra.EventSignInRefused}, kinds(h.audit.take()))

	h.gone[h.mallory.ObjectID] = true
	require.Equal(t, "no-account", strings.TrimSpace(newBrowser(t).post(h.origin+"/link", nil, nil).body))
	require.Equal(t, []entra.EventKind{entra.EventSignInRefused}, kinds(h.audit.take()))
}

func kinds(list []entra.Event) (out []entra.EventKind) {
	for _, e := range list {
		out = append(out, e.Kind)
	}
	return out
}
