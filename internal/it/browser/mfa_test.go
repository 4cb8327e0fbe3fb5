package browser_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/mfa"
	mechanism "github.com/mspkit/mspkit/internal/totp"
)

// factorDesk is a host with one technician, who is signed in by themselves and must have a second factor.
type factorDesk struct {
	testing.TB
	base string

	mu    sync.Mutex
	clock time.Time
	user  entra.User
}

// newFactorDesk serves at localhost: a passkey belongs to a name and never to an address.
func newFactorDesk(t testing.TB) *factorDesk {
	t.Helper()
	d := &factorDesk{TB: t, clock: time.Date(2026, 11, 27, 9, 0, 5, 0, time.UTC)}
	d.signIn("s1")
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	srv := httptest.NewUnstartedServer(nil)
	_, port, _ := strings.Cut(srv.Listener.Addr().String(), ":")
	d.base = "http://localhost:" + port
	svc, err := mfa.New(&mfa.Memory{}, ring, &mfa.Options{
		RPID: "localhost", Origins: []string{d.base}, Home: "/desk", SignIn: "/login", Now: d.now,
		Brand: mspkit.Brand{Name: "Contoso IT", Phone: "+1 5550 0100", Site: "https://help.contoso.example"},
		Passed: func(http.ResponseWriter, *http.Request) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.user.Factor = d.clock
			return nil
		},
		EndSessions: func(context.Context, string, string) error { return nil },
	})
	require.NoError(t, err)
	pages, err := svc.Handler("/mfa")
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/mfa/", pages)
	mux.HandleFunc("/desk", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<!doctype html><html lang=en><title>desk</title><link rel=icon href=data:,><h1>The desk, by %s</h1>", r.URL.Query().Get("by"))
	})
	srv.Config.Handler = d.load(svc.Gate(mux))
	srv.Start()
	t.Cleanup(srv.Close)
	return d
}

func (d *factorDesk) load(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		u := d.user
		d.mu.Unlock()
		next.ServeHTTP(w, r.WithContext(entra.WithUser(r.Context(), &u)))
	})
}

func (d *factorDesk) now() time.Time { d.mu.Lock(); defer d.mu.Unlock(); return d.clock }

func (d *factorDesk) pass(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = d.clock.Add(by)
}

// signIn begins a session.
func (d *factorDesk) signIn(session string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user = entra.User{
		Owner: "north", ID: "dana", Name: "Dana Whitfield", Role: entra.RoleTechnician, Policy: entra.DefaultPolicy(), MFA: true, Session: session, AuthTime: d.clock,
	}
}

// withAuthenticator gives the tab a platform authenticator that recognises its user.
func (b *tab) withAuthenticator() webauthn.AuthenticatorID {
	b.Helper()
	call(b, webauthn.Enable, webauthn.EnableParams{})
	var id webauthn.AuthenticatorID
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		made, err := cdp.Call(ctx, t, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		id = made.AuthenticatorID
		return err
	}))
	return id
}

// localOnly reports what the console says; requests are to localhost, which quiet does not know.
func (b *tab) localOnly(base string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b, b.console, "the console")
	for _, u := range b.requests {
		require.True(b, strings.HasPrefix(u, base+"/") || strings.HasPrefix(u, "data:,") || u == "about:blank", "a request left the site: %s", u)
	}
}

func (d *factorDesk) code(secret []byte) string {
	return mechanism.Code(secret, mechanism.Step(d.now()))
}

// clicked presses what leads to another page by way of the authenticator, and waits for a heading.
func (b *tab) clicked(selector, heading string) {
	b.Helper()
	eval[bool](b, drawn)
	b.run(chromedp.Click(chromedp.CSS(selector)))
	b.reached(heading)
}

// reached waits for a page, whatever its way there.
func (b *tab) reached(heading string) {
	b.Helper()
	deadline := time.Now().Add(patience)
	for {
		h, err := runEval[string](b, `document.readyState === "complete" && document.querySelector("h1") ? document.querySelector("h1").innerText : ""`)
		if err == nil && h == heading {
			return
		}
		if time.Now().After(deadline) {
			require.FailNow(b, "waited for "+heading, "the heading is %q", h)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const createButton, useButton = "form[data-passkey=create] button", "form[data-passkey=get] button"

func TestAPasskeyIsEnrolledAndUsedInABrowser(t *testing.T) {
	t.Parallel()
	b, d := newTab(t), newFactorDesk(t)
	id := b.withAuthenticator()
	b.open(d.base + "/desk?by=passkey")
	b.reached("Add a second step to your sign-in")
	b.clicks("a[href^='./passkey']")
	b.reached("Add a passkey")
	require.False(t, eval[bool](b, `[...document.querySelectorAll("[data-unsupported], [data-failed]")].some((e) => e.checkVisibility())`))
	b.run(chromedp.SetValue(chromedp.CSS("#name"), "Laptop"))
	b.clicked(createButton, "Keep your recovery codes")
	require.Equal(t, 10, b.count(".codes li"))
	b.clicked("form[action$=codes] button", "The desk, by passkey")

	b.open(d.base + "/mfa/")
	require.Contains(t, b.says(".factors"), "Laptop")
	b.open(d.base + "/mfa/passkey")
	b.clicked(createButton, "Add a passkey")
	b.until("the excluded passkey", `document.querySelector("[data-failed=known]").checkVisibility()`)

	d.signIn("s2")
	b.open(d.base + "/desk?by=challenge")
	b.reached("One more step")
	require.Zero(t, b.count("input[name=code]"))
	b.clicked(useButton, "The desk, by challenge")

	// An authenticator that does not know its user does not pass, and the page can be used again.
	d.signIn("s3")
	b.open(d.base + "/desk?by=somebody")
	b.reached("One more step")
	call(b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: id, IsUserVerified: false})
	b.clicked(useButton, "One more step")
	b.until("the message", `document.querySelector("[data-failed=cancelled]").checkVisibility()`)
	call(b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: id, IsUserVerified: true})
	b.clicked(useButton, "The desk, by somebody")
	b.leave()
	b.localOnly(d.base)
}

func TestAPasskeyThatIsCancelledCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	b, d := newTab(t), newFactorDesk(t)
	call(b, webauthn.Enable, webauthn.EnableParams{})
	b.open(d.base + "/mfa/passkey")
	// With no authenticator there is nothing to wait for: the browser's wait is cut short as a person does it.
	eval[bool](b, `navigator.credentials.create = () => Promise.reject(new DOMException("", "NotAllowedError")), true`)
	b.run(chromedp.Click(chromedp.CSS(createButton)))
	b.until("the message", `document.querySelector("[data-failed=cancelled]").checkVisibility() && !document.querySelector("`+createButton+`").disabled`)
	require.True(t, eval[bool](b, `document.activeElement.matches("`+createButton+`")`))
	b.open(d.base + "/mfa/passkey")
	b.withAuthenticator()
	b.clicked(createButton, "Keep your recovery codes")
	b.leave()
	b.localOnly(d.base)
}

func TestAnAppIsEnrolledAndUsedInABrowser(t *testing.T) {
	t.Parallel()
	b, d := newTab(t), newFactorDesk(t)
	b.open(d.base + "/desk?by=app")
	b.reached("Add a second step to your sign-in")
	b.clicked("form[action$=app] button", "Add it to your app")
	secret := b.secret()
	require.Equal(t, mechanism.URL(secret, "Contoso IT", "Dana Whitfield"), b.scanQR(looks[0]))
	b.fill("code", "000000")
	require.Contains(t, b.says("#error"), "That is not the code")
	b.fill("code", d.code(secret))
	b.reached("Keep your recovery codes")
	codes := b.says(".codes")
	b.run(chromedp.Reload())
	require.Equal(t, codes, b.says(".codes"))
	b.clicked("form[action$=codes] button", "The desk, by app")

	d.pass(time.Minute)
	d.signIn("s2")
	b.open(d.base + "/desk?by=code")
	b.reached("One more step")
	b.fill("code", d.code(secret))
	b.reached("The desk, by code")

	d.signIn("s3")
	b.open(d.base + "/desk?by=recovery")
	b.reached("One more step")
	eval[bool](b, `document.querySelector("summary").click(), true`)
	b.clicks("a[href*=recovery]")
	b.fill("code", strings.Fields(codes)[0]+" "+strings.Fields(codes)[1])
	b.reached("The desk, by recovery")
	b.leave()
	b.localOnly(d.base)
}

// factorPages are the pages that a technician can meet.
var factorPages = []struct {
	name string
	open func(d *factorDesk, b *tab)
}{
	{"forced", func(d *factorDesk, b *tab) { b.open(d.base + "/mfa/") }},
	{"again", func(d *factorDesk, b *tab) { d.pass(time.Hour); b.open(d.base + "/mfa/") }},
	{"passkey", func(d *factorDesk, b *tab) { b.open(d.base + "/mfa/passkey") }},
	{"app", func(d *factorDesk, b *tab) { b.open(d.base + "/mfa/"); b.clicks("form[action$=app] button") }},
	{"app-wrong", func(d *factorDesk, b *tab) {
		b.open(d.base + "/mfa/")
		b.clicks("form[action$=app] button")
		b.fill("code", "000000")
	}},
	{"codes", func(d *factorDesk, b *tab) { d.enrolled(b) }},
	{"home", func(d *factorDesk, b *tab) { d.enrolled(b); b.open(d.base + "/mfa/") }},
	{"challenge", func(d *factorDesk, b *tab) { d.enrolled(b); d.signIn("s2"); b.open(d.base + "/mfa/") }},
	{"challenge-wrong", func(d *factorDesk, b *tab) {
		d.enrolled(b)
		d.signIn("s2")
		b.open(d.base + "/mfa/")
		b.fill("code", "000000")
		eval[bool](b, `document.querySelector("details").open = true`)
	}},
	{"locked", func(d *factorDesk, b *tab) {
		d.enrolled(b)
		d.signIn("s2")
		b.open(d.base + "/mfa/")
		for range 5 {
			b.fill("code", "000000")
		}
	}},
	{"recovery", func(d *factorDesk, b *tab) { d.enrolled(b); b.open(d.base + "/mfa/recovery") }},
	{"remove", func(d *factorDesk, b *tab) { d.enrolled(b); b.open(d.base + "/mfa/remove/app") }},
	{"remove-last", func(d *factorDesk, b *tab) {
		b.open(d.base + "/mfa/")
		b.clicks("form[action$=app] button")
		b.fill("code", d.code(b.secret()))
		b.open(d.base + "/mfa/remove/app")
	}},
}

// enrolled has an app and a passkey and is at the recovery codes.
func (d *factorDesk) enrolled(b *tab) {
	b.Helper()
	b.open(d.base + "/mfa/passkey")
	b.run(chromedp.SetValue(chromedp.CSS("#name"), "Laptop in the office"))
	eval[bool](b, drawn)
	b.then(chromedp.Click(chromedp.CSS(createButton)))
	b.open(d.base + "/mfa/")
	b.clicks("form[action$=app] button")
	b.fill("code", d.code(b.secret()))
	d.pass(time.Minute)
	b.open(d.base + "/mfa/codes")
}

func TestEveryPageOfSecondFactorsIsUsableInEveryLook(t *testing.T) {
	t.Parallel()
	b, shots := newTab(t), os.Getenv("MSPKIT_SHOTS")
	b.withAuthenticator()
	for i, s := range factorPages { //nolint:paralleltest // they share a tab
		t.Run(s.name, func(t *testing.T) {
			b.TB = t
			for _, locale := range []string{"en", "de", "ar-XB"} {
				if !sampled(i, locale) {
					continue
				}
				d := newFactorDesk(t)
				b.mu.Lock()
				b.requests = nil
				b.mu.Unlock()
				call(b, network.ClearBrowserCookies, struct{}{})
				call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": locale}})
				b.look(look{width: 390, scheme: "light"})
				s.open(d, b)
				require.Equal(t, locale, eval[string](b, "document.documentElement.lang"))
				for _, l := range looks {
					if shots == "" && !slices.Contains(l.locales, locale) {
						continue
					}
					b.look(l)
					require.Empty(t, eval[[]string](b, inspectOffice), "%s %d %s", locale, l.width, l.scheme)
					if shots != "" && l.width != 320 {
						b.shoot(filepath.Join(shots, fmt.Sprintf("mfa-%s.%s.%d.%s.png", s.name, locale, l.width, l.scheme)))
					}
				}
				b.leave()
				b.localOnly(d.base)
			}
		})
	}
	b.TB = t
}
