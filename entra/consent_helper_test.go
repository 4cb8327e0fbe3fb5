package entra_test

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
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/internal/webtest"
)

// site is an MSP's platform with consent pages, beside an issuer with two customers and what their people may do.
type site struct {
	*entratest.Server
	app                 *entratest.App
	contoso, fabrikam   *entratest.Tenant
	anna, otto, mallory *entratest.User // an administrator and a member of Contoso, an administrator of Fabrikam
	store               entra.ConnectionStore
	consent             *entra.Consent
	options             entra.ConsentOptions
	base                string
	log                 *lockedBuffer
	mu                  sync.Mutex
	at                  time.Time
	ring                *mspkit.KeyRing
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

func (s *site) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.at.Add(d)
}

// newSite starts everything; change may change the options before.
func newSite(t testing.TB, change func(*site)) *site {
	t.Helper()
	s := &site{at: time.Unix(1_800_000_000, 0), store: entra.NewMemory(), log: &lockedBuffer{}}
	var err error
	s.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Prefix: "/login", Now: s.now})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	mux := http.NewServeMux()
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	s.base = front.URL + "/connect"
	s.app = s.AddApp(entratest.App{Secret: "the client secret", RedirectURIs: []string{s.base + "/callback"}})
	s.contoso, s.fabrikam = s.AddTenant("Contoso Ltd", "contoso.onmicrosoft.com"), s.AddTenant("Fabrikam", "fabrikam.onmicrosoft.com")
	s.anna = s.contoso.AddUser(entratest.User{Name: "Anna Admin", Username: "anna@contoso.com", Admin: true})
	s.otto = s.contoso.AddUser(entratest.User{Name: "Otto", Username: "otto@contoso.com"})
	s.mallory = s.fabrikam.AddUser(entratest.User{Name: "Mallory", Username: "mallory@fabrikam.com", Admin: true})
	s.ring, err = mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	s.options = entra.ConsentOptions{
		Cloud: s.Cloud(), ClientID: s.app.ID, Secret: mspkit.Redact("the client secret"), BaseURL: s.base, Now: s.now,
		Integrations: []entra.Integration{
			{Name: "contacts", Title: "Contacts in step", Permissions: []entra.GraphPermission{{Name: "User.Read.All"}, {Name: "Group.Read.All", Text: "For teams"}, {Name: "X.Y"}}},
			{Name: "mail", Scopes: []string{"https://graph.example/Mail.Send"}},
		},
		Describe: func(_ context.Context, l entra.LinkState) (entra.Asking, error) {
			return entra.Asking{Brand: mspkit.Brand{Name: "IT of " + l.Owner, Phone: "+1 555 0100"}, Customer: strings.ToUpper(string(l.Tenant))}, nil
		},
		Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	if change != nil {
		change(s)
	}
	verifier, err := entra.NewVerifier(s.Cloud(), s.app.ID, &entra.VerifierOptions{Now: s.now})
	require.NoError(t, err)
	s.consent, err = entra.NewConsent(s.store, verifier, s.ring, &s.options)
	require.NoError(t, err)
	h, err := s.consent.Handler("/connect")
	require.NoError(t, err)
	mux.Handle("/", h)
	return s
}

func (s *site) link(t testing.TB, tenant mspkit.TenantID, owner string) string {
	t.Helper()
	link, err := s.consent.Link(t.Context(), tenant, owner, "contacts")
	require.NoError(t, err)
	return link
}

// browser is somebody's, with cookies.
type browser struct {
	t    testing.TB
	http *http.Client
}

// page is what a browser shows, with the address and the addresses that led to it.
type page struct {
	status int
	body   string
	at     *url.URL
	via    []*url.URL
	header http.Header
}

func newBrowser(t testing.TB) *browser {
	t.Helper()
	return &browser{t: t, http: webtest.Browser(t)}
}

// send follows redirects until a page, or until one leads to an address for which stop is true.
func (b *browser) send(req *http.Request, stop func(*url.URL) bool) page {
	b.t.Helper()
	var via []*url.URL
	c := *b.http
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

func (b *browser) open(link string) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, link, http.NoBody)
	require.NoError(b.t, err)
	return b.send(req, nil)
}

// press presses the button of the page behind link and goes on until stop.
func (b *browser) press(link string, stop func(*url.URL) bool) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, link, http.NoBody)
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(req, stop)
}

// callback stops before the n-th callback.
func (s *site) callback(n int) func(*url.URL) bool {
	return func(u *url.URL) bool {
		if strings.HasPrefix(u.String(), s.base+"/callback") {
			n--
		}
		return n == 0
	}
}

// last is where a browser was stopped.
func (p page) last() string { return p.via[len(p.via)-1].String() }

var tags = regexp.MustCompile(`(?s)<style.*?</style>|<[^>]*>`)

// text is what people read on the page.
func (p page) text() string {
	return html.UnescapeString(strings.Join(strings.Fields(tags.ReplaceAllString(p.body, " ")), " "))
}

func (s *site) connections(t testing.TB) []entra.Connection {
	t.Helper()
	list, err := s.store.Connections(t.Context(), "")
	require.NoError(t, err)
	return list
}
