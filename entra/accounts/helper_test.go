package accounts_test

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/internal/webtest"
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

// told is what happened since the last time, as "kind user by reason".
func (a *audit) told() []string {
	var out []string
	for _, e := range a.take() {
		out = append(out, strings.Join([]string{string(e.Kind), e.User, e.By, e.Reason}, "|"))
	}
	return out
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// world is an MSP's software with accounts, beside an issuer with the MSP's own tenant and that of a client.
type world struct {
	*entratest.Server
	app             *entratest.App
	north, contoso  *entratest.Tenant
	anna, otto, eve *entratest.User // of the MSP: an administrator, a technician, a guest
	carl, mallory   *entratest.User // of the client, and of nobody
	store           accounts.Store
	ring            *mspkit.KeyRing
	service         *accounts.Service
	sso             *entra.SSO
	options         accounts.Options
	pages           accounts.PagesOptions
	handler         http.Handler
	origin, base    string
	log             *lockedBuffer
	audit           audit
	mu              sync.Mutex
	at              time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// hostCookie is the session of the host, as simple as a test needs it.
const hostCookie = "host-session"

func newWorld(t testing.TB, change func(*world)) *world {
	t.Helper()
	w := &world{at: time.Unix(1_800_000_000, 0).UTC(), store: accounts.NewMemory(), log: &lockedBuffer{}}
	var err error
	w.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Prefix: "/login", Now: w.now})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	mux := http.NewServeMux()
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	w.origin, w.base = front.URL, front.URL+"/accounts"
	w.app = w.AddApp(entratest.App{Secret: "the client secret", RedirectURIs: []string{w.origin + "/auth/callback", w.base + "/consented"}})
	w.north, w.contoso = w.AddTenant("North IT", "north.onmicrosoft.com"), w.AddTenant("Contoso", "contoso.onmicrosoft.com")
	w.anna = w.north.AddUser(entratest.User{Name: "Anna", Username: "anna@north.example", Admin: true})
	w.otto = w.north.AddUser(entratest.User{Name: "Otto", Username: "otto@north.example"})
	w.eve = w.north.AddUser(entratest.User{Name: "Eve", Username: "eve@elsewhere.example", Provider: "https://sts.windows.net/11111111-1111-4111-8111-111111111111/"})
	w.carl = w.contoso.AddUser(entratest.User{Name: "Carl", Username: "carl@contoso.example"})
	// Whoever runs a tenant can give people any address.
	w.mallory = w.AddTenant("Fabrikam", "fabrikam.onmicrosoft.com").AddUser(entratest.User{Name: "Anna", Username: "anna@north.example", Admin: true})
	w.ring, err = mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	w.options = accounts.Options{
		Owner: "north", TenantID: w.north.ID, BaseURL: w.base, Auditor: &w.audit, Now: w.now, Logger: slog.New(slog.NewTextHandler(w.log, nil)),
		ClientTenants: func(_ context.Context, client mspkit.TenantID) ([]string, error) {
			if client == "contoso" {
				return []string{w.contoso.ID}, nil
			}
			return nil, nil
		},
	}
	w.pages = accounts.PagesOptions{
		Cloud: w.Cloud(), ClientID: w.app.ID, HostSignIn: "/login-of-host", Home: "/home", PortalHome: "/portal",
		Brand: mspkit.Brand{Name: "North IT", Phone: "+1 555 0100"},
		Clients: func(context.Context) ([]accounts.Client, error) {
			return []accounts.Client{{ID: "contoso", Name: "Contoso Ltd"}}, nil
		},
		Host: func(r *http.Request) (string, string, bool) {
			c, err := r.Cookie(hostCookie)
			if err != nil {
				return "", "", false
			}
			return "north", c.Value, true
		},
	}
	if change != nil {
		change(w)
	}
	w.service, err = accounts.New(w.store, w.ring, &w.options)
	require.NoError(t, err)
	client := webtest.Client(t)
	verifier, err := entra.NewVerifier(w.Cloud(), w.app.ID, &entra.VerifierOptions{Now: w.now, HTTPClient: client})
	require.NoError(t, err)
	w.sso, err = entra.NewSSO(verifier, w.ring, &entra.SSOOptions{
		Cloud: w.Cloud(), ClientID: w.app.ID, Secret: mspkit.Redact("the client secret"), Owner: "north", BaseURL: w.origin + "/auth", Tenants: []string{w.north.ID},
		Resolve: w.service.Resolve, Now: w.now, Home: "/home", HTTPClient: client,
	})
	require.NoError(t, err)
	w.handler, err = w.service.Handler("/accounts", w.sso, &w.pages)
	require.NoError(t, err)
	mux.Handle("/accounts/", w.handler)
	auth, err := w.sso.Handler("/auth")
	require.NoError(t, err)
	mux.Handle("/auth/", auth)
	mux.Handle("/", w.sso.Load(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if u := entra.UserOf(r.Context()); u != nil {
			who = u.ID + " " + u.Role.String()
		}
		_, _ = io.WriteString(out, who)
	})))
	return w
}

// browser is somebody's, with cookies.
type browser struct {
	t    testing.TB
	http *http.Client
}

// page is what a browser shows.
type page struct {
	status int
	body   string
	at     *url.URL
	via    []*url.URL // the addresses that led to it
	header http.Header
}

func newBrowser(t testing.TB) *browser {
	t.Helper()
	return &browser{t: t, http: webtest.Browser(t)}
}

// as is a browser in which somebody is signed in to the host by its own session.
func (w *world) as(t testing.TB, id string) *browser {
	t.Helper()
	b := newBrowser(t)
	w.host(b, id)
	return b
}

// copy is another browser with the same cookies, as somebody has it who stole them.
func (b *browser) copy(origin string) *browser {
	b.t.Helper()
	u, err := url.Parse(origin)
	require.NoError(b.t, err)
	c := newBrowser(b.t)
	c.http.Jar.SetCookies(u, b.http.Jar.Cookies(u))
	return c
}

func (w *world) host(b *browser, id string) {
	u, err := url.Parse(w.origin)
	require.NoError(b.t, err)
	b.http.Jar.SetCookies(u, []*http.Cookie{{Name: hostCookie, Value: id, Path: "/"}})
}

// send follows redirects until a page, or until one leads to where stop says.
func (b *browser) send(req *http.Request, stop func(*url.URL) bool) page {
	b.t.Helper()
	c := *b.http
	var via []*url.URL
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		via = append(via, r.URL)
		if stop != nil && stop(r.URL) {
			return http.ErrUseLastResponse
		}
		if len(via) > 10 {
			return errors.New("too many redirects")
		}
		return nil
	}
	res, err := c.Do(req)
	require.NoError(b.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return page{status: res.StatusCode, body: string(body), at: res.Request.URL, via: via, header: res.Header}
}

func (b *browser) get(link string) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, link, http.NoBody)
	require.NoError(b.t, err)
	req.Header.Set("Accept", "text/html")
	return b.send(req, nil)
}

// post sends a form of the same origin.
func (b *browser) post(link string, form url.Values) page {
	b.t.Helper()
	return b.postUntil(link, form, nil)
}

func (b *browser) postUntil(link string, form url.Values, stop func(*url.URL) bool) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, link, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	return b.send(req, stop)
}

// asked returns the parameters with which Microsoft was asked on the way, and the path as "asked at".
func (p page) asked(t testing.TB, end string) url.Values {
	t.Helper()
	for _, u := range p.via {
		if strings.HasSuffix(u.Path, end) {
			q := u.Query()
			q.Set("asked at", u.Path)
			return q
		}
	}
	require.Fail(t, "Microsoft was not asked at "+end)
	return nil
}

var tags = regexp.MustCompile(`(?s)<style.*?</style>|<[^>]*>`)

// text is what people read on the page.
func (p page) text() string {
	return html.UnescapeString(strings.Join(strings.Fields(tags.ReplaceAllString(p.body, " ")), " "))
}

// bootstrap is a link for the first admin.
func (w *world) bootstrap(t testing.TB) string {
	t.Helper()
	link, err := w.service.Bootstrap(t.Context())
	require.NoError(t, err)
	return link.Reveal()
}

// set makes Anna the first admin and returns her browser.
func (w *world) set(t testing.TB) *browser {
	t.Helper()
	b := newBrowser(t)
	w.SignIn(w.anna)
	p := b.post(w.bootstrap(t), nil)
	require.Equal(t, http.StatusOK, p.status, p.text())
	w.audit.take()
	return b
}

// boss is Anna's account.
func (w *world) boss(t testing.TB) accounts.Account {
	t.Helper()
	a, err := w.store.ByIdentity(t.Context(), "north", w.north.ID, w.anna.ObjectID)
	require.NoError(t, err)
	return a
}

// invite makes an invitation by the host.
func (w *world) invite(t testing.TB, in accounts.Invite) (accounts.Invitation, string) {
	t.Helper()
	inv, link, err := w.service.Invite(t.Context(), accounts.ByHost, in)
	require.NoError(t, err)
	return inv, link.Reveal()
}

// answer is a fresh sign-in.
func answer(u *entratest.User, change ...func(*entra.Answer)) entra.Answer {
	a := entra.Answer{Identity: entra.Identity{TenantID: u.Tenant().ID, ObjectID: u.ObjectID, Name: u.Name, Roles: u.Roles, PreferredUsername: u.Username}, Fresh: true}
	for _, f := range change {
		f(&a)
	}
	return a
}
