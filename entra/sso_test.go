package entra_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

func TestSomebodySignsInAndComesBackToWhereTheyWere(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	b := newBrowser(t)
	p := b.get(h.origin+"/tickets/7?tab=notes", nil)
	require.Equal(t, http.StatusOK, p.status)
	require.Equal(t, "/auth/signin", p.at.Path)
	require.Contains(t, p.text(), "Sign in with Microsoft")
	require.Contains(t, p.body, `value="/tickets/7?tab=notes"`)
	require.Empty(t, h.Requests(""), "nothing begins by GET")
	h.SignIn(h.otto)
	p = b.post(h.base+"/signin", map[string][]string{"to": {"/tickets/7?tab=notes"}}, nil)
	require.Equal(t, "/tickets/7?tab=notes", p.at.RequestURI())
	name, u := shown(t, p)
	require.Equal(t, "tickets", name)
	require.Equal(t, h.contoso.ID, u.TenantID)
	require.Equal(t, h.otto.ObjectID, u.ObjectID)
	require.Equal(t, entra.RoleTechnician, u.Role)
	require.Equal(t, "north", u.Owner)
	require.NotEmpty(t, u.Session)
	require.Equal(t, []entra.Event{{
		At: h.now(), Kind: entra.EventSignedIn, Owner: "north", User: u.ID, TenantID: u.TenantID, ObjectID: u.ObjectID, Session: u.Session,
	}}, h.audit.take())
	require.Equal(t, http.StatusForbidden, b.get(h.origin+"/settings/", nil).status)
	require.Equal(t, []entra.Event{{
		At: h.now(), Kind: entra.EventForbidden, Owner: "north", User: u.ID, TenantID: u.TenantID, ObjectID: u.ObjectID, Session: u.Session,
		Reason: "account-settings",
	}}, h.audit.take())
}

func TestClocksMayBeFiveMinutesApart(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]func(h *host) map[string]any{
		"ahead": times(5*time.Minute, 65*time.Minute), "behind": times(-64*time.Minute, -4*time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, nil).serve(t)
			a := h.begin(t, h.otto).token(h.otto, x(h), nil)
			require.Equal(t, "/tickets/1", a.finish().at.Path)
		})
	}
}

func TestKeysMayRotateWhileSomebodySignsIn(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	h.signIn(t, h.otto, "") // the keys are known now
	h.pass(6 * time.Minute)
	a := h.begin(t, h.anna)
	h.Rotate()
	h.Retire()
	require.Equal(t, "/tickets/1", a.finish().at.Path)
}

func TestTooManyGroupsMatterOnlyToWhoWantsGroups(t *testing.T) {
	t.Parallel()
	groups := []string{"11111111-2222-3333-4444-555555555555"}
	var got []entra.Identity
	var mu sync.Mutex
	setup := func(want bool) *host {
		return newHost(t, func(h *host) {
			h.options.Groups = want
			h.options.Resolve = func(ctx context.Context, who entra.Identity) (*entra.User, error) {
				mu.Lock()
				got = append(got, who)
				mu.Unlock()
				return h.resolve(ctx, who)
			}
		}).serve(t)
	}
	h := setup(false)
	for _, claims := range []map[string]any{
		{"hasgroups": true},
		{"groups": "src1"},
		{"groups": groups},
		{"_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.windows.net/x"}}},
	} {
		a := h.begin(t, h.otto).token(h.otto, claims, nil)
		require.Equal(t, "/tickets/1", a.finish().at.Path)
	}
	for _, who := range got {
		require.Empty(t, who.Groups)
	}
	got = nil
	h = setup(true)
	a := h.begin(t, h.otto).token(h.otto, map[string]any{"groups": groups}, nil)
	require.Equal(t, "/tickets/1", a.finish().at.Path)
	require.Len(t, got, 2, "at the sign-in and with the request that followed")
	require.Equal(t, groups, got[0].Groups)
	require.Equal(t, groups, got[1].Groups)
}

func TestGuestsComeInWhereTheHostWantsThem(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) { h.options.AllowGuests = true }).serve(t)
	a := h.begin(t, h.otto).token(h.otto, map[string]any{"acct": 1}, nil)
	require.Equal(t, "/tickets/1", a.finish().at.Path)
}

func TestAPersonChoosesAnotherAccount(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	h.SignIn(h.otto)
	p := newBrowser(t).post(h.base+"/signin", url.Values{"account": {"other"}}, nil)
	q := asked(t, p)
	require.Equal(t, "select_account", q.Get("prompt"))
	require.Equal(t, "code", q.Get("response_type"))
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	require.Equal(t, "openid profile", q.Get("scope"))
	require.Equal(t, "/", p.at.Path)
}

func TestHEADOfTheCallbackChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	a := h.begin(t, h.otto)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, a.answer.String(), http.NoBody)
	require.NoError(t, err)
	require.Equal(t, http.StatusMethodNotAllowed, a.b.send(req, nil).status)
	require.Equal(t, "/tickets/1", a.finish().at.Path)
}

func TestThePagesSpeakGerman(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+"/signin", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Accept-Language", "de-AT,de;q=0.9")
	require.Contains(t, newBrowser(t).send(req, nil).text(), "Mit Microsoft anmelden")
}

func TestTheHostShowsItsOwnPageToWhoMayNot(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) {
		h.options.Forbidden = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("ask your admin, " + entra.UserOf(r.Context()).Name))
		})
	}).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	require.Equal(t, "ask your admin, Otto", b.get(h.origin+"/settings/x", nil).body)
}

// Who a person is for the host is the host's: it may keep it, and give the same one to many requests at once.
func TestWhatTheHostSaysOfAPersonIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	shared := &entra.User{ID: "7", Role: entra.RoleTechnician}
	h := newHost(t, func(h *host) {
		h.options.Resolve = func(context.Context, entra.Identity) (*entra.User, error) { return shared, nil }
	}).serve(t)
	b, _ := h.signIn(t, h.otto, "")
	require.Equal(t, h.otto.ObjectID, b.who(h).ObjectID)
	require.Equal(t, &entra.User{ID: "7", Role: entra.RoleTechnician}, shared)
}

func TestWhoHangsUpIsAudited(t *testing.T) {
	t.Parallel()
	var kept audit
	h := newHost(t, func(h *host) {
		h.options.Auditor = entra.AuditorFunc(func(ctx context.Context, e entra.Event) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return kept.Audit(ctx, e)
		})
	})
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody)
	require.NoError(t, h.sso.SignIn(httptest.NewRecorder(), r, entra.Identity{TenantID: h.contoso.ID, ObjectID: h.anna.ObjectID, Roles: []string{"Admin"}}))
	require.Equal(t, []entra.EventKind{entra.EventSignedIn}, kinds(kept.take()))
}

func TestAnApplicationProvesItselfByAnAssertion(t *testing.T) {
	t.Parallel()
	var audience atomic.Value
	var fault atomic.Pointer[error]
	h := newHost(t, func(h *host) {
		h.app.Secret, h.app.Assertion = "", func(s string) bool { return s == "the assertion" }
		h.options.Secret = mspkit.Redacted[string]{}
		h.options.Assertion = func(_ context.Context, aud string) (string, error) {
			audience.Store(aud)
			if err := fault.Load(); err != nil {
				return "", *err
			}
			return "the assertion", nil
		}
	}).serve(t)
	_, p := h.signIn(t, h.otto, "/tickets/1")
	require.Equal(t, "/tickets/1", p.at.Path)
	require.Equal(t, h.URL()+"/"+h.contoso.ID+"/oauth2/v2.0/token", audience.Load())
	h.audit.take()
	away := errors.New("the vault at 10.0.0.7 is closed")
	fault.Store(&away)
	b, p := h.signIn(t, h.otto, "")
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.Equal(t, string(entra.ReasonCredentials), h.audit.take()[0].Reason)
	require.NotContains(t, p.body+h.log.String(), "10.0.0.7")
	require.Nil(t, b.who(h))
}

// Nobody is sent back to an address that only took a form.
func TestWhoPostsBeforeTheSignInComesBackToTheFirstPage(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	p := newBrowser(t).post(h.origin+"/tickets/1", url.Values{"delete": {"it"}}, nil)
	require.Equal(t, "/auth/signin", p.at.RequestURI())
}

func TestAnAuditorThatFailsStopsNobody(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(h *host) {
		h.options.Auditor = entra.AuditorFunc(func(context.Context, entra.Event) error { return errors.New("the disk is full") })
	}).serve(t)
	_, p := h.signIn(t, h.otto, "/tickets/1")
	require.Equal(t, "/tickets/1", p.at.Path)
	require.Contains(t, h.log.String(), "the disk is full")
}

func TestNewSSOReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	v, err := entra.NewVerifier(h.Cloud(), h.app.ID, nil)
	require.NoError(t, err)
	_, err = entra.NewSSO(v, h.ring, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, text := range []string{"BaseURL", "owner", "Tenants", "Resolve", "ClientID", "Secret"} {
		require.ErrorContains(t, err, text)
	}
	for name, change := range map[string]func(o *entra.SSOOptions){
		"personal accounts": func(o *entra.SSOOptions) { o.Tenants = []string{personalID} },
		"a domain":          func(o *entra.SSOOptions) { o.Tenants = []string{"contoso.com"} },
		"long":              func(o *entra.SSOOptions) { o.TTL = 31 * 24 * time.Hour },
		"idle":              func(o *entra.SSOOptions) { o.Idle = 13 * time.Hour },
		"negative":          func(o *entra.SSOOptions) { o.TTL = -1 },
		"context":           func(o *entra.SSOOptions) { o.ACR = "mfa" },
		"home":              func(o *entra.SSOOptions) { o.Home = "//evil.example" },
		"signed out":        func(o *entra.SSOOptions) { o.SignedOut = "https://evil.example" },
		"factor":            func(o *entra.SSOOptions) { o.FactorPath = "factor" },
		"http":              func(o *entra.SSOOptions) { o.BaseURL = "http://msp.example/auth" },
		"another app":       func(o *entra.SSOOptions) { o.ClientID = personalID },
	} {
		o := h.options
		change(&o)
		_, err := entra.NewSSO(v, h.ring, &o)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	_, err = entra.NewSSO(nil, h.ring, &h.options)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = entra.NewSSO(v, nil, &h.options)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = h.sso.Handler("auth/")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}
