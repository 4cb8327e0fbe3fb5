package mfa_test

import (
	"context"
	"encoding/base32"
	"errors"
	"html"
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
	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/entra/mfa/mfatest"
	"github.com/mspkit/mspkit/internal/totp"
)

const origin = "https://desk.msp.example"

var start = time.Date(2026, 11, 27, 9, 0, 5, 0, time.UTC)

// world is a host with its people, on as many instances of the service as a test wants.
type world struct {
	testing.TB
	store mfa.Store
	ring  *mspkit.KeyRing
	mu    sync.Mutex
	clock time.Time
	// events are what the auditor was told, ended whose sessions were ended.
	events []entra.Event
	ended  []string
	endErr error
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	return &world{TB: t, store: &mfa.Memory{}, ring: ring, clock: start}
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

// told returns the events since it was asked last, as "kind:reason".
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, e := range w.events {
		out = append(out, string(e.Kind)+":"+e.Reason)
	}
	w.events = nil
	return out
}

// instance is one process: a service and its pages.
type instance struct {
	*world
	svc     *mfa.Service
	handler http.Handler
}

func (w *world) options() *mfa.Options {
	return &mfa.Options{
		RPID: "msp.example", Origins: []string{origin}, Brand: mspkit.Brand{Name: "Contoso IT"}, Home: "/desk", SignIn: "/login", Now: w.now,
		Passed: func(_ http.ResponseWriter, r *http.Request) error {
			entra.UserOf(r.Context()).Factor = w.now()
			return nil
		},
		Auditor: entra.AuditorFunc(func(_ context.Context, e entra.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			return nil
		}),
		EndSessions: func(_ context.Context, owner, user string) error {
			w.ended = append(w.ended, owner+"/"+user)
			return w.endErr
		},
	}
}

func (w *world) instance(change ...func(*mfa.Options)) *instance {
	w.Helper()
	o := w.options()
	for _, f := range change {
		f(o)
	}
	svc, err := mfa.New(w.store, w.ring, o)
	require.NoError(w, err)
	h, err := svc.Handler("/mfa")
	require.NoError(w, err)
	return &instance{w, svc, h}
}

// dana is a technician who must have a second factor and has just signed in.
func (w *world) dana() *entra.User {
	return &entra.User{
		Owner: "north", ID: "dana", Name: "Dana Whitfield", Role: entra.RoleTechnician, Policy: entra.DefaultPolicy(), MFA: true, Session: "s1", AuthTime: w.now(),
	}
}

// client is a browser in which somebody is signed in; nobody where user is nil.
type client struct {
	*instance
	user    *entra.User
	cookies map[string]string
	// at is the path where it is, body and code are what it was answered last.
	at, body string
	code     int
	header   http.Header
}

func (i *instance) client(u *entra.User) *client {
	return &client{instance: i, user: u, cookies: map[string]string{}}
}

func (c *client) do(method, target string, form url.Values) {
	c.Helper()
	r := httptest.NewRequestWithContext(c.Context(), method, origin+target, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	if c.user != nil {
		r = r.WithContext(entra.WithUser(r.Context(), c.user))
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	for _, k := range w.Result().Cookies() {
		if k.MaxAge < 0 {
			delete(c.cookies, k.Name)
		} else {
			c.cookies[k.Name] = k.Value
		}
	}
	c.code, c.body, c.header = w.Code, w.Body.String(), w.Header()
	c.at = target
	if to := w.Header().Get("Location"); to != "" {
		base, err := url.Parse(origin + target)
		require.NoError(c, err)
		u, err := base.Parse(to)
		require.NoError(c, err)
		require.Equal(c, origin, u.Scheme+"://"+u.Host, "it leads to another host")
		c.at = u.RequestURI()
	}
}

func (c *client) get(target string) *client { c.Helper(); c.do(http.MethodGet, target, nil); return c }

// post sends a form with pairs of fields and follows to a page of ours.
func (c *client) post(target string, pairs ...string) *client {
	c.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	c.do(http.MethodPost, target, form)
	return c
}

var titles = regexp.MustCompile(`(?s)<h1>(.*?)</h1>`)

// follow goes where it was sent as long as that is a page of ours, and returns the heading of the last.
func (c *client) follow() string {
	c.Helper()
	for n := 0; c.code == http.StatusSeeOther && strings.HasPrefix(c.at, "/mfa"); n++ {
		require.Less(c, n, 10, "it is sent around: %s", c.at)
		c.get(c.at)
	}
	if c.code == http.StatusSeeOther {
		return "at " + c.at
	}
	return c.heading()
}

func (c *client) heading() string {
	if m := titles.FindStringSubmatch(c.body); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

var (
	keyText  = regexp.MustCompile(`class="key"><bdi dir="ltr">([A-Z2-7 ]+)</bdi>`)
	codeText = regexp.MustCompile(`<li><bdi dir="ltr">(\d{5}) (\d{5})</bdi></li>`)
)

func (c *client) secret() []byte {
	c.Helper()
	m := keyText.FindStringSubmatch(c.body)
	require.NotNil(c, m, "no key on the page %q", c.heading())
	s, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(m[1], " ", ""))
	require.NoError(c, err)
	return s
}

func (w *world) codeOf(secret []byte) string { return totp.Code(secret, totp.Step(w.now())) }

func (c *client) recoveryCodes() []string {
	var out []string
	for _, m := range codeText.FindAllStringSubmatch(c.body, -1) {
		out = append(out, m[1]+m[2])
	}
	return out
}

// enrolApp sets up an app.
func (c *client) enrolApp() []byte {
	c.Helper()
	c.post("/mfa/app").follow()
	secret := c.secret()
	c.post("/mfa/app/code", "code", c.codeOf(secret)).follow()
	return secret
}

// page opens a page with a ceremony.
func (c *client) page(target string) mfatest.Page {
	c.Helper()
	c.get(target).follow()
	p, ok := mfatest.ReadPage(c.body)
	require.True(c, ok, "no ceremony on the page %q", c.heading())
	return p
}

// enrolKey enrols a passkey of a.
func (c *client) enrolKey(a *mfatest.Authenticator, name string) string {
	c.Helper()
	p := c.page("/mfa/passkey")
	answer, err := a.Create(p.Options)
	require.NoError(c, err)
	return c.post("/mfa/passkey", "challenge", p.Challenge, "answer", answer, "name", name).follow()
}

// signKey passes the challenge by a passkey of a.
func (c *client) signKey(a *mfatest.Authenticator) string {
	c.Helper()
	p := c.page("/mfa/challenge")
	answer, err := a.Get(p.Options)
	require.NoError(c, err)
	return c.post("/mfa/challenge/passkey", "challenge", p.Challenge, "answer", answer).follow()
}

func (c *client) status() mfa.Status {
	c.Helper()
	s, err := c.svc.Status(c.Context(), c.user.Owner, c.user.ID)
	require.NoError(c, err)
	return s
}

func device() *mfatest.Authenticator { return &mfatest.Authenticator{Origin: origin, Counting: true} }

var errDown = errors.New("down")

func requestOf(t testing.TB, method, target string, u *entra.User) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	at, err := url.ParseRequestURI(target)
	require.NoError(t, err)
	r.URL, r.RequestURI = at, target
	return r.WithContext(entra.WithUser(r.Context(), u))
}

func record(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
