package entra_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

// audit keeps events.
type audit struct {
	mu   sync.Mutex
	list []entra.Event
}

func (a *audit) Audit(_ context.Context, e entra.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, e)
	return nil
}

// take returns the events since the last time.
func (a *audit) take() []entra.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}

// host is an MSP's software with SSO, beside an issuer with two tenants.
type host struct {
	*entratest.Server
	t                 testing.TB
	app               *entratest.App
	contoso, fabrikam *entratest.Tenant
	anna, otto        *entratest.User // an administrator and a technician of Contoso
	mallory           *entratest.User // of Fabrikam
	sso               *entra.SSO
	ring              *mspkit.KeyRing
	options           entra.SSOOptions
	mux               *http.ServeMux
	origin, base      string
	log               *lockedBuffer
	audit             audit
	mu                sync.Mutex
	at                time.Time
	gone              map[string]bool // whom the host does not know any more
	users             map[string]func(*entra.User)
}

func (h *host) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *host) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

// resolve takes the role from the token.
func (h *host) resolve(_ context.Context, who entra.Identity) (*entra.User, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone[who.ObjectID] {
		return nil, entra.ErrForbidden
	}
	u := &entra.User{ID: "user-" + who.ObjectID[:4], Name: who.Name, Role: entra.RoleOf(who.Roles)}
	if change := h.users[who.ObjectID]; change != nil {
		change(u)
	}
	return u, nil
}

// set changes what the host knows of somebody.
func (h *host) set(u *entratest.User, change func(*entra.User)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users[u.ObjectID] = change
}

// newHost starts everything; change may change the options before.
func newHost(t testing.TB, change func(*host)) *host {
	t.Helper()
	h := &host{t: t, at: time.Unix(1_800_000_000, 0), log: &lockedBuffer{}, gone: map[string]bool{}, users: map[string]func(*entra.User){}, mux: http.NewServeMux()}
	var err error
	h.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Prefix: "/login", Now: h.now})
	require.NoError(t, err)
	t.Cleanup(h.Close)
	front := httptest.NewServer(h.mux)
	t.Cleanup(front.Close)
	h.origin, h.base = front.URL, front.URL+"/auth"
	h.app = h.AddApp(entratest.App{Secret: "the client secret", RedirectURIs: []string{h.base + "/callback", h.base + "/signedout"}})
	h.contoso, h.fabrikam = h.AddTenant("Contoso MSP", "contoso.onmicrosoft.com"), h.AddTenant("Fabrikam", "fabrikam.onmicrosoft.com")
	h.anna = h.contoso.AddUser(entratest.User{Name: "Anna", Username: "anna@contoso.com", Roles: []string{"Admin"}})
	h.otto = h.contoso.AddUser(entratest.User{Name: "Otto", Username: "otto@contoso.com", CanSatisfy: []string{"c3"}, Roles: []string{"Technician"}})
	h.mallory = h.fabrikam.AddUser(entratest.User{Name: "Mallory", Username: "mallory@fabrikam.com", Roles: []string{"Admin"}})
	h.ring, err = mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	h.options = entra.SSOOptions{
		Cloud: h.Cloud(), ClientID: h.app.ID, Secret: mspkit.Redact("the client secret"), Owner: "north", BaseURL: h.base, Tenants: []string{h.contoso.ID},
		Resolve: h.resolve, Auditor: &h.audit, Brand: mspkit.Brand{Name: "North IT"}, Logger: slog.New(slog.NewTextHandler(h.log, nil)), Now: h.now,
	}
	if change != nil {
		change(h)
	}
	h.sso = h.newSSO(t)
	return h
}

// newSSO serves another one of the same options.
func (h *host) newSSO(t testing.TB) *entra.SSO {
	t.Helper()
	verifier, err := entra.NewVerifier(h.Cloud(), h.app.ID, &entra.VerifierOptions{Now: h.now})
	require.NoError(t, err)
	sso, err := entra.NewSSO(verifier, h.ring, &h.options)
	require.NoError(t, err)
	return sso
}

// serve registers the pages of the host.
func (h *host) serve(t testing.TB) *host {
	t.Helper()
	pages, err := h.sso.Handler("/auth")
	require.NoError(t, err)
	h.mux.Handle("/auth/", pages)
	show := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u := entra.UserOf(r.Context())
			_ = json.NewEncoder(w).Encode(map[string]any{"page": name, "user": u})
		})
	}
	h.mux.Handle("/", h.sso.Load(show("home")))
	h.mux.Handle("/tickets/", h.sso.Load(h.sso.Require(entra.PermissionFeatures, show("tickets"))))
	h.mux.Handle("/settings/", h.sso.Load(h.sso.Require(entra.PermissionAccount, show("settings"))))
	h.mux.Handle("/danger/", h.sso.Load(h.sso.RequireFresh(entra.PermissionFeatures, 10*time.Minute, show("danger"))))
	return h
}

// get asks as a browser that shows pages does.
func (b *browser) get(link string, stop func(*url.URL) bool) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, link, http.NoBody)
	require.NoError(b.t, err)
	req.Header.Set("Accept", "text/html")
	return b.send(req, stop)
}

// post sends a form of the same origin.
func (b *browser) post(link string, form url.Values, stop func(*url.URL) bool) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, link, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	return b.send(req, stop)
}

// signIn signs somebody in, in a new browser.
func (h *host) signIn(t testing.TB, u *entratest.User, to string) (*browser, page) {
	t.Helper()
	b := newBrowser(t)
	h.SignIn(u)
	p := b.post(h.base+"/signin", url.Values{"to": {to}}, nil)
	return b, p
}

// shown is who a page of the host says is signed in.
func shown(t testing.TB, p page) (name string, u *entra.User) {
	t.Helper()
	require.Equal(t, http.StatusOK, p.status, p.body)
	var out struct {
		Page string
		User *entra.User
	}
	require.NoError(t, json.NewDecoder(bytes.NewReader([]byte(p.body))).Decode(&out), p.body)
	return out.Page, out.User
}

// signOut presses the button of the host, and stops before Microsoft.
func (b *browser) signOut(h *host) page {
	b.t.Helper()
	return b.post(h.base+"/signout", nil, func(u *url.URL) bool { return strings.HasSuffix(u.Path, "/logout") })
}
