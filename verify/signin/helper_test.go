package signin_test

import (
	"bytes"
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/internal/webtest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/signin"
	"github.com/mspkit/mspkit/verify/verifytest"
)

const tenant = mspkit.TenantID("contoso")

var jane = verify.Technician{ID: "jane", Name: "Jane Doe"}

// instance is one process of the helpdesk.
type instance struct {
	svc   *verify.Service
	pages *signin.Pages
}

// world is a helpdesk of two processes on one store, whose site is served by one of them at a time, beside a played Entra with two
// organisations. Its clock is moved by tests.
type world struct {
	*entratest.Server
	instance
	second            instance
	t                 testing.TB
	app               *entratest.App
	contoso, fabrikam *entratest.Tenant
	dana, otto        *entratest.User // of Contoso; Dana is the contact
	mallory           *entratest.User // of Fabrikam
	ring              *mspkit.KeyRing
	store             *countingStore
	mail              *verifytest.Channel
	base, site        string
	acr               string // of Contoso
	settings          verify.Settings
	options           signin.PagesOptions

	mu     sync.Mutex
	clock  time.Time
	behind http.Handler // the site
	events []verify.Event
	audit  []entra.Event
	logs   bytes.Buffer
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

// Write takes the logs.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.Write(p)
}

func (w *world) logged() string { w.mu.Lock(); defer w.mu.Unlock(); return w.logs.String() }

// serve puts a process behind the site.
func (w *world) serve(in instance) {
	mux := http.NewServeMux()
	mux.Handle("/verify/signin/", http.StripPrefix("/verify/signin", in.pages))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind = mux
}

// ServeHTTP is the site.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	h := w.behind
	w.mu.Unlock()
	h.ServeHTTP(rw, r)
}

func newWorld(t testing.TB, change ...func(*world)) *world {
	t.Helper()
	w := &world{
		t: t, store: &countingStore{Store: memstore.New()}, clock: time.Unix(1_800_000_000, 0), mail: &verifytest.Channel{Level: verify.AssuranceEmail}, acr: "c7",
		settings: verify.Settings{
			Brand:  mspkit.Brand{Name: "Northwind IT", Phone: "+1 5550 0100"},
			Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1, TTL: 8 * time.Minute},
		},
	}
	front := httptest.NewUnstartedServer(http.HandlerFunc(w.ServeHTTP))
	w.site = "http://" + front.Listener.Addr().String()
	w.base = w.site + "/verify"
	front.Start()
	t.Cleanup(front.Close)
	var err error
	w.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Prefix: "/login", Now: w.now})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	w.app = w.AddApp(entratest.App{Secret: "the client secret", RedirectURIs: []string{w.base + "/signin/callback"}})
	w.contoso, w.fabrikam = w.AddTenant("Contoso Ltd", "contoso.onmicrosoft.com"), w.AddTenant("Fabrikam", "fabrikam.onmicrosoft.com")
	w.dana = w.contoso.AddUser(entratest.User{Name: "Dana Smith", Username: "dana@contoso.com", CanSatisfy: []string{"c7"}})
	w.otto = w.contoso.AddUser(entratest.User{Name: "Otto", Username: "otto@contoso.com"})
	w.mallory = w.fabrikam.AddUser(entratest.User{Name: "Dana Smith", Username: "dana@contoso.com"})
	w.ring, err = mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	w.options = signin.PagesOptions{
		Cloud: w.Cloud(), ClientID: w.app.ID, Secret: mspkit.Redact("the client secret"), Now: w.now, Owner: "northwind",
		Logger: slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Auditor: entra.AuditorFunc(func(_ context.Context, e entra.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.audit = append(w.audit, e)
			return nil
		}),
	}
	for _, c := range change {
		c(w)
	}
	w.instance, w.second = w.start(), w.start()
	w.serve(w.instance)
	return w
}

// countingStore counts how often a challenge is asked for.
type countingStore struct {
	*memstore.Store
	gets atomic.Int64
}

func (s *countingStore) Get(ctx context.Context, ref verify.Ref) (verify.Record, verify.SubjectState, error) {
	s.gets.Add(1)
	return s.Store.Get(ctx, ref)
}

func (w *world) tenants(_ context.Context, t mspkit.TenantID) (string, error) {
	return map[mspkit.TenantID]string{tenant: w.contoso.ID, "fabrikam": w.fabrikam.ID}[t], nil
}

func (w *world) start() instance {
	w.t.Helper()
	via, err := signin.Via(w.mail, func(_ context.Context, _ mspkit.TenantID, identity string) (string, error) {
		if identity == w.contoso.ID+"/"+w.dana.ObjectID {
			return "dana@contoso.example", nil
		}
		return "", nil
	})
	require.NoError(w.t, err)
	plain, err := signin.New(w.ring, w.base, via, w.tenants, nil)
	require.NoError(w.t, err)
	strong, err := signin.New(w.ring, w.base, via, w.tenants, &signin.Options{
		ACR: func(context.Context, mspkit.TenantID) (string, error) { return w.acr, nil },
	})
	require.NoError(w.t, err)
	var in instance
	in.svc, err = verify.New(w.store, w.ring, w.base, func(context.Context, mspkit.TenantID) (verify.Settings, error) { return w.settings, nil },
		&verify.Options{
			Channels: map[string]verify.Channel{"email": w.mail, "signin": plain, "signin-strong": strong}, Now: w.now, Logger: w.options.Logger,
			Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.events = append(w.events, e)
				return nil
			}),
		})
	require.NoError(w.t, err)
	verifier, err := entra.NewVerifier(w.Cloud(), w.app.ID, &entra.VerifierOptions{Now: w.now})
	require.NoError(w.t, err)
	in.pages, err = signin.NewPages(in.svc, w.ring, verifier, &w.options)
	require.NoError(w.t, err)
	require.Equal(w.t, w.base+"/signin/callback", in.pages.RedirectURL())
	return in
}

// identity is the address of a person.
func identity(u *entratest.User) string { return u.Tenant().ID + "/" + u.ObjectID }

func (w *world) request(channel string) verify.StartRequest {
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	return verify.StartRequest{
		Tenant: tenant, Action: verify.ActionResetMFA, Technician: jane, Channel: channel, Ticket: mspkit.Ticket{System: "psa", ID: "4711"},
		Subject: verify.Subject{ID: "dana", Name: "Dana Smith", Company: "Contoso Ltd", Destinations: []verify.Destination{
			{Channel: "signin-strong", Address: strings.ToUpper(identity(w.dana)), FirstSeen: long},
			{Channel: "signin", Address: identity(w.dana), FirstSeen: long},
			{Channel: "email", Address: "dana@contoso.example", FirstSeen: long},
		}},
	}
}

// begin begins a verification by a channel and returns the link that was sent.
func (w *world) begin(channel string) (verify.Challenge, string) {
	w.t.Helper()
	c, err := w.svc.Start(w.t.Context(), w.request(channel))
	require.NoError(w.t, err)
	return c, w.link()
}

// link is the last one that was sent.
func (w *world) link() string {
	w.t.Helper()
	d, err := w.mail.Last()
	require.NoError(w.t, err)
	require.Equal(w.t, "dana@contoso.example", d.To)
	link := d.Link.Reveal()
	require.True(w.t, strings.HasPrefix(link, w.base+"/signin/s/"), link)
	return link
}

func (w *world) get(c verify.Challenge) verify.Challenge {
	w.t.Helper()
	c, err := w.svc.Get(w.t.Context(), c.Ref, jane.ID)
	require.NoError(w.t, err)
	return c
}

// kinds hands all events over and returns them.
func (w *world) kinds() []verify.EventKind {
	w.t.Helper()
	var out []verify.EventKind
	for _, e := range w.all() {
		out = append(out, e.Kind)
	}
	return out
}

func (w *world) all() []verify.Event {
	w.t.Helper()
	require.NoError(w.t, w.svc.RunOnce(w.t.Context()))
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]verify.Event(nil), w.events...)
}

// reasons are those of the audit, "" for a sign-in that counted.
func (w *world) reasons() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, e := range w.audit {
		if (e.Kind == entra.EventSignedIn) != (e.Reason == "") {
			w.t.Errorf("%s with reason %q", e.Kind, e.Reason)
		}
		out = append(out, e.Reason)
	}
	return out
}

func (w *world) frozen() bool {
	w.t.Helper()
	sub, err := w.svc.Subject(w.t.Context(), tenant, "dana")
	require.NoError(w.t, err)
	return sub.FrozenUntil.After(w.now())
}

// browser is a person's browser: it keeps cookies and follows redirects, also to Microsoft and back.
type browser struct {
	t      testing.TB
	c      *http.Client
	at     *url.URL // of the page
	status int
	text   string // of the page
	header http.Header
}

func (w *world) browser() *browser {
	c := webtest.Browser(w.t)
	c.Timeout = 30 * time.Second
	return &browser{t: w.t, c: c}
}

func (b *browser) do(method, address string, form url.Values) *browser {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.c.Do(r)
	require.NoError(b.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	b.at, b.status, b.text, b.header = resp.Request.URL, resp.StatusCode, html.UnescapeString(string(body)), resp.Header
	return b
}

func (b *browser) open(address string) *browser {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil)
}

// stays makes the browser show what it is sent instead of going there.
func (b *browser) stays() *browser {
	b.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

var (
	forms  = regexp.MustCompile(`(?s)<form method="post" action="([^"]+)">(.*?)</form>`)
	hidden = regexp.MustCompile(`<input type="hidden" name="form" value="([^"]*)">`)
	h1     = regexp.MustCompile(`(?s)<h1>(.*?)</h1>`)
)

// press sends the form whose address ends so, with what its page put into it and what the person typed.
func (b *browser) press(end string, pairs ...string) *browser {
	b.t.Helper()
	for _, f := range forms.FindAllStringSubmatch(b.text, -1) {
		to, err := b.at.Parse(f[1])
		require.NoError(b.t, err)
		if !strings.HasSuffix(to.Path, end) || end == "" && strings.Count(to.Path, "/") != 4 {
			continue
		}
		form := url.Values{}
		if m := hidden.FindStringSubmatch(f[2]); m != nil {
			form.Set("form", m[1])
		}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return b.do(http.MethodPost, to.String(), form)
	}
	require.Fail(b.t, "no such form", "%q on:\n%s", end, b.text)
	return nil
}

// heading is what the page says.
func (b *browser) heading() string {
	b.t.Helper()
	m := h1.FindStringSubmatch(b.text)
	require.NotNil(b.t, m, "no heading: %d %s", b.status, b.text)
	return m[1]
}

// signIn opens a link and signs in as somebody.
func (w *world) signIn(b *browser, link string, u *entratest.User) *browser {
	w.t.Helper()
	w.SignIn(u)
	return b.open(link).press("")
}

// other returns a number that is not n.
func other(n string) string {
	if n == "111" {
		return "222"
	}
	return "111"
}

func count[T comparable](list []T, v T) (n int) {
	for _, x := range list {
		if x == v {
			n++
		}
	}
	return n
}
