package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/entratest"
)

// inspectPlayed is inspect for the pages of the played Microsoft, which carry their style with them.
var inspectPlayed = strings.Replace(inspect, `if (document.querySelectorAll("script, [style], style").length) faults.push("script or inline style");`, "", 1)

// played looks at a page of the played Microsoft.
func (b *tab) played(name string) {
	b.Helper()
	for _, l := range []look{{320, "light", nil}, {390, "dark", nil}, {1280, "light", nil}} {
		b.look(l)
		require.Empty(b, eval[[]string](b, inspectPlayed), "%s %d %s", name, l.width, l.scheme)
		if shots := os.Getenv("MSPKIT_SHOTS"); shots != "" {
			b.shoot(filepath.Join(shots, fmt.Sprintf("issuer.%s.%d.%s.png", name, l.width, l.scheme)))
		}
	}
}

// relying is an application that notes what browsers bring.
type relying struct {
	mu    sync.Mutex
	notes []string // method, path and parameters, and the cookies that came along
}

func (a *relying) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/favicon.ico" {
		return
	}
	parts := []string{r.Method, r.URL.Path}
	for _, name := range []string{"code", "error", "state", "sid"} {
		if r.FormValue(name) != "" {
			parts = append(parts, name)
		}
	}
	for _, c := range r.Cookies() {
		if c.Name == "app" {
			parts = append(parts, "cookie")
		}
	}
	a.mu.Lock()
	a.notes = append(a.notes, strings.Join(parts, " "))
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "app", Value: "x", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte("<!doctype html><h1>The application</h1>"))
}

// hears waits for what browsers bring, in this order, and forgets it.
func (a *relying) hears(t testing.TB, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(patience); len(got) < len(want) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		a.mu.Lock()
		got = append(got, a.notes...)
		a.notes = nil
		a.mu.Unlock()
	}
	require.Equal(t, want, got)
}

// A person chooses who they are at the played Microsoft, on a phone and on a desk. The frames of a sign-out and a form that
// comes back reach the application without its cookies, as in every browser.
func TestThePlayedSignInIsUsable(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	app := &relying{}
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	home := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) // another site than the issuer
	s, err := entratest.Start(&entratest.Options{PlainHTTP: true, Forms: true})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	a := s.AddApp(entratest.App{Name: "Northwind IT-Dienstleistungen", RedirectURIs: []string{home + "/callback"}, FrontChannelLogoutURL: home + "/front"})
	north := s.AddTenant("Northwind Rindfleischetikettierungsüberwachung und Beteiligungsgesellschaft mbH", "northwind.example")
	south := s.AddTenant("Contoso", "contoso.example")
	south.AddUser(entratest.User{Name: "Carl Caller", Username: "carl@contoso.example"})
	north.AddUser(entratest.User{Name: "Anna Admin", Username: "anna@northwind.example", Admin: true})
	otto := north.AddUser(entratest.User{Name: "Otto Technician", Username: "otto@northwind.example"})
	at := "organizations"
	ask := func(pairs ...string) string {
		q := url.Values{
			"client_id": {a.ID}, "redirect_uri": {home + "/callback"}, "response_type": {"code"}, "scope": {"openid profile"}, "state": {"s"}, "nonce": {"n"},
			"code_challenge": {"x"}, "code_challenge_method": {"S256"},
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return s.URL() + "/" + at + "/oauth2/v2.0/authorize?" + q.Encode()
	}
	asks := func(pairs ...string) {
		t.Helper()
		b.open(ask(pairs...))
		b.until("the form", `document.querySelector("button[name=user]")`) // the page before may still have been on its way
	}
	first := func() string {
		return eval[string](b, `document.querySelector("button.first") === document.querySelector("button") ? document.querySelector("button").innerText : ""`)
	}

	asks("prompt", "login", "login_hint", "Otto@northwind.example")
	require.Equal(t, "Sign in", b.heading())
	text := eval[string](b, "document.body.innerText")
	for _, want := range []string{"This is a test and not Microsoft.", "Northwind IT-Dienstleistungen at localhost:", "It wants a fresh sign-in.", "profile"} {
		require.Contains(t, text, want)
	}
	require.True(t, strings.HasPrefix(first(), "Otto Technician"), "whom the application names stands first")
	b.played("form")
	require.Equal(t, 1, b.focus("button.first"), "one key goes to them")
	b.enter("")
	app.hears(t, "GET /callback code state")

	asks()
	require.True(t, strings.HasPrefix(first(), "Otto Technician"), "and whom the browser remembers")
	b.clicks("button[value=no]")
	app.hears(t, "GET /callback error state cookie")

	// A form that comes back is no link that was followed: it carries no cookie that is SameSite=Lax.
	asks("response_mode", "form_post")
	b.run(chromedp.Click(chromedp.CSS("button.first")))
	app.hears(t, "POST /callback code state")

	require.Len(t, s.Sessions(otto), 1)
	b.open(s.URL() + "/organizations/oauth2/v2.0/logout")
	require.Equal(t, "You are signed out", b.heading())
	require.Empty(t, s.Sessions(otto))
	app.hears(t, "GET /front sid") // a frame carries no cookie either
	b.played("signedout")

	asks()
	require.Empty(t, first(), "nobody is remembered")
	b.clicks("form > fieldset button")
	app.hears(t, "GET /callback code state cookie")
	b.open(s.URL() + "/organizations/oauth2/v2.0/logout?post_logout_redirect_uri=" + url.QueryEscape(home+"/callback"))
	app.hears(t, "GET /front sid", "GET /callback cookie")

	// Where the application asks for a tenant, its people are the choice, and everybody else is one step further.
	at = north.ID
	asks()
	require.Equal(t, []string{"Anna Admin", "Otto Technician"}, eval[[]string](b, `[...document.querySelectorAll("form > fieldset button b")].map((e) => e.innerText)`))
	require.False(t, eval[bool](b, `document.querySelector("details").open`))
	b.played("tenant")
	b.clicks("form > fieldset button")
	app.hears(t, "GET /callback code state cookie")
	at = south.ID
	asks()
	require.True(t, eval[bool](b, `document.querySelector("details").open`), "whom the browser remembers is in sight")
	require.Equal(t, "Anna Admin", eval[string](b, `document.querySelector("details button.first b").innerText`))
	b.leave()
}
