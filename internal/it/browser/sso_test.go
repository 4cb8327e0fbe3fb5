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
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

// ssoWorld is an MSP's software whose technicians sign in, beside a played Entra where whoever is named is signed in.
type ssoWorld struct {
	*entratest.Server
	t            testing.TB
	app          *entratest.App
	otto, anna   *entratest.User // a technician and an admin of Northwind
	new, idle    *entratest.User // whom the host does not know, and who has no role
	mallory      *entratest.User // of an organisation whose people may not sign in
	origin, auth string
	mu           sync.Mutex
	clock        time.Time
}

func (w *ssoWorld) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *ssoWorld) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// hostPage is a page of the host with the forms that it has: one that signs out, and one whose request needs a step-up.
const hostPage = `<!doctype html><html lang="en"><title>Host</title><h1>The host</h1>
<form method="post" action="/auth/signout"><button id="out">Sign out</button></form>
<form method="post" action="/keys"><button id="keys">Show the keys</button></form>`

// newSSOWorld starts one. acr is the authentication context of its step-up; empty is a fresh sign-in.
func newSSOWorld(t testing.TB, acr string) *ssoWorld {
	t.Helper()
	w := &ssoWorld{t: t, clock: time.Now()}
	var err error
	w.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Prefix: "/login", Now: w.now})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	mux := http.NewServeMux()
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	w.origin, w.auth = front.URL, front.URL+"/auth"
	w.app = w.AddApp(entratest.App{Secret: "the client secret", RedirectURIs: []string{w.auth + "/callback", w.auth + "/signedout"}})
	north := w.AddTenant("Northwind", "northwind.example")
	w.otto = north.AddUser(entratest.User{Name: "Otto", Username: "otto@northwind.example", Roles: []string{"Technician"}, CanSatisfy: []string{"c3"}})
	w.anna = north.AddUser(entratest.User{Name: "Anna", Username: "anna@northwind.example", Roles: []string{"Admin"}, CanSatisfy: []string{"c3"}})
	w.new = north.AddUser(entratest.User{Name: "New", Username: "new@northwind.example", Roles: []string{"Technician"}})
	w.idle = north.AddUser(entratest.User{Name: "Idle", Username: "idle@northwind.example"})
	second := w.AddTenant("Northwind Holding", "holding.example") // with two of them Microsoft lets everybody choose
	w.mallory = w.AddTenant("Fabrikam", "fabrikam.example").AddUser(entratest.User{Name: "Mallory", Username: "mallory@fabrikam.example"})

	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	transport := &http.Transport{} // of its own: a server of another test that closes cuts the connections of the shared one
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	verifier, err := entra.NewVerifier(w.Cloud(), w.app.ID, &entra.VerifierOptions{Now: w.now, HTTPClient: client})
	require.NoError(t, err)
	sso, err := entra.NewSSO(verifier, ring, &entra.SSOOptions{
		Cloud: w.Cloud(), ClientID: w.app.ID, Secret: mspkit.Redact("the client secret"), Owner: "north", BaseURL: w.auth,
		Tenants: []string{north.ID, second.ID}, ACR: acr, Groups: true, Now: w.now, HTTPClient: client,
		Brand: mspkit.Brand{Name: "Northwind IT-Dienstleistungen und Telekommunikation", Color: "#ffe98a", Phone: "+49 30 1234567", Site: "https://northwind.example"},
		Resolve: func(_ context.Context, who entra.Identity) (*entra.User, error) {
			if who.ObjectID == w.new.ObjectID {
				return nil, entra.ErrForbidden
			}
			return &entra.User{ID: who.ObjectID, Name: who.Name, Role: entra.RoleOf(who.Roles)}, nil
		},
	})
	require.NoError(t, err)
	pages, err := sso.Handler("/auth")
	require.NoError(t, err)
	page := http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = out.Write([]byte(hostPage))
	})
	mux.Handle("/auth/", pages)
	mux.Handle("/", sso.Load(sso.Require(entra.PermissionFeatures, page)))
	mux.Handle("/keys", sso.Load(sso.RequireFresh(entra.PermissionFeatures, 5*time.Minute, page)))
	return w
}

// signs opens a page of the host, which leads to the sign-in, and goes through it.
func (b *tab) signs(w *ssoWorld, who *entratest.User) {
	b.Helper()
	w.SignIn(who)
	b.open(w.origin + "/tickets?id=7")
	b.click("main form button")
}

// stepsUp signs in, and opens ten minutes later what needs more than that.
func (b *tab) stepsUp(w *ssoWorld) {
	b.Helper()
	b.signs(w, w.otto)
	w.pass(10 * time.Minute)
	b.open(w.origin + "/keys")
}

// ssoPages are all pages of a sign-in. Those that are a refusal have its reason.
var ssoPages = []struct {
	name   string
	acr    string
	reach  func(w *ssoWorld, b *tab)
	title  [2]string // in English and German
	reason entra.Reason
}{
	{"signin", "", func(w *ssoWorld, b *tab) { b.open(w.origin + "/tickets?id=7") }, [2]string{"Sign in", "Anmelden"}, ""},
	{"stepup-fresh", "", func(w *ssoWorld, b *tab) { b.stepsUp(w) }, [2]string{"Confirm that it is you", "Bestätigen Sie, dass Sie es sind"}, ""},
	{"stepup-strong", "c3", func(w *ssoWorld, b *tab) { b.stepsUp(w) }, [2]string{"Confirm that it is you", "Bestätigen Sie, dass Sie es sind"}, ""},
	{"stepup-form", "", func(w *ssoWorld, b *tab) {
		b.signs(w, w.otto)
		w.pass(10 * time.Minute)
		b.click("#keys")
	}, [2]string{"Confirm that it is you", "Bestätigen Sie, dass Sie es sind"}, ""},
	{"repeat", "", func(w *ssoWorld, b *tab) {
		b.signs(w, w.otto)
		w.pass(10 * time.Minute)
		b.click("#keys")
		b.click("main form button")
	}, [2]string{"Confirmed", "Bestätigt"}, ""},
	{"signedout", "", func(w *ssoWorld, b *tab) {
		b.signs(w, w.otto)
		b.click("#out")
		b.until("the way back from Microsoft", `location.pathname === "/auth/signedout"`)
	}, [2]string{"You are signed out", "Sie sind abgemeldet"}, ""},

	{"state", "", func(w *ssoWorld, b *tab) { b.open(w.auth + "/callback?state=none") }, [2]string{"This sign-in does not work any more", "Diese Anmeldung gilt nicht mehr"}, entra.ReasonState},
	{"return", "", func(w *ssoWorld, b *tab) { b.open(w.auth + "/signin?to=//evil.example") }, [2]string{"This link is not right", "Dieser Link stimmt nicht"}, entra.ReasonReturn},
	{"session", "", func(w *ssoWorld, b *tab) {
		b.stepsUp(w)
		w.pass(2 * time.Hour)
		b.click("main form button")
	}, [2]string{"Your session has ended", "Ihre Sitzung ist beendet"}, entra.ReasonSession},
	{"declined", "", func(w *ssoWorld, b *tab) {
		w.Decline(true)
		b.signs(w, w.otto)
	}, [2]string{"You did not sign in", "Sie haben sich nicht angemeldet"}, entra.ReasonDeclined},
	{"failed", "", func(w *ssoWorld, b *tab) {
		w.Fail(entratest.Fault{Endpoint: entratest.Token, Code: 53003})
		b.signs(w, w.otto)
	}, [2]string{"Microsoft did not let you in", "Microsoft hat Sie nicht eingelassen"}, entra.ReasonEntra},
	{"unable", "", func(w *ssoWorld, b *tab) {
		w.Fail(entratest.Fault{Endpoint: entratest.Token, Drop: true, Times: -1})
		b.signs(w, w.otto)
	}, [2]string{"Not possible at the moment", "Zurzeit nicht möglich"}, entra.ReasonUnavailable},
	{"answer", "", func(w *ssoWorld, b *tab) {
		w.Tamper(0, entratest.Signed(entratest.SignOptions{Foreign: true}))
		b.signs(w, w.otto)
	}, [2]string{"The answer was not accepted", "Die Antwort wurde nicht angenommen"}, entra.ReasonSignature},
	{"clock", "", func(w *ssoWorld, b *tab) {
		w.Tamper(0, entratest.Shift(10*time.Minute))
		b.signs(w, w.otto)
	}, [2]string{"The clocks do not agree", "Die Uhren stimmen nicht überein"}, entra.ReasonClock},
	{"personal", "", func(w *ssoWorld, b *tab) {
		w.Tamper(0, entratest.Set("tid", entratest.ConsumersID))
		b.signs(w, w.otto)
	}, [2]string{"This is a personal account", "Das ist ein privates Konto"}, entra.ReasonPersonal},
	{"tenant", "", func(w *ssoWorld, b *tab) { b.signs(w, w.mallory) }, [2]string{"This is another organisation", "Das ist eine andere Organisation"}, entra.ReasonTenant},
	{"guest", "", func(w *ssoWorld, b *tab) {
		w.Tamper(0, entratest.Set("acct", 1))
		b.signs(w, w.otto)
	}, [2]string{"Guests cannot sign in here", "Gäste können sich hier nicht anmelden"}, entra.ReasonGuest},
	{"groups", "", func(w *ssoWorld, b *tab) {
		w.Tamper(0, entratest.Set("hasgroups", true))
		b.signs(w, w.otto)
	}, [2]string{"You are in too many groups", "Sie sind in zu vielen Gruppen"}, entra.ReasonGroups},
	{"account", "", func(w *ssoWorld, b *tab) { b.signs(w, w.new) }, [2]string{"There is no account for you yet", "Für Sie gibt es noch kein Konto"}, entra.ReasonAccount},
	{"role", "", func(w *ssoWorld, b *tab) { b.signs(w, w.idle) }, [2]string{"You have no role yet", "Sie haben noch keine Rolle"}, entra.ReasonRole},
	{"fresh", "", func(w *ssoWorld, b *tab) {
		b.stepsUp(w)
		w.Tamper(0, entratest.Set("auth_time", nil))
		b.click("main form button")
	}, [2]string{"That was no fresh sign-in", "Das war keine neue Anmeldung"}, entra.ReasonFresh},
	{"strong", "c3", func(w *ssoWorld, b *tab) {
		b.stepsUp(w)
		w.Tamper(0, entratest.Set("acrs", nil))
		b.click("main form button")
	}, [2]string{"The proof was not strong enough", "Der Nachweis war nicht stark genug"}, entra.ReasonStrong},
	{"person", "", func(w *ssoWorld, b *tab) {
		b.stepsUp(w)
		w.SignIn(w.anna)
		b.click("main form button")
	}, [2]string{"That was somebody else", "Das war jemand anderes"}, entra.ReasonPerson},
	{"size", "", func(w *ssoWorld, b *tab) {
		w.Tamper(0, entratest.Set("name", strings.Repeat("x", 4<<10)))
		b.signs(w, w.otto)
	}, [2]string{"Your account has too many entries", "Ihr Konto hat zu viele Einträge"}, entra.ReasonSize},
}

func TestEveryPageOfTheSignInOfTechniciansIsReadable(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	for i, locale := range []string{"en", "de"} {
		call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": locale}})
		for j, p := range ssoPages {
			if !sampled(j, locale) {
				continue
			}
			w := newSSOWorld(t, p.acr)
			call(b, network.ClearBrowserCookies, cdp.Empty{})
			p.reach(w, b)
			require.Equal(t, p.title[i], b.heading(), p.name)
			require.Equal(t, locale, eval[string](b, "document.documentElement.lang"))
			if p.reason != "" {
				require.Contains(t, eval[string](b, "document.body.innerText"), string(p.reason), p.name)
			}
			b.ssoLooks(p.name, locale)
			b.leave()
		}
	}
	b.quiet()
}

// ssoLooks checks a page in the looks of [consentLooks].
func (b *tab) ssoLooks(name, locale string) {
	b.Helper()
	shots := os.Getenv("MSPKIT_SHOTS")
	for _, l := range consentLooks {
		if shots == "" && !slices.Contains(l.locales, locale) {
			continue
		}
		b.look(l)
		require.Empty(b, eval[[]string](b, inspect), "%s %s %d %s", name, locale, l.width, l.scheme)
		if shots != "" {
			b.shoot(filepath.Join(shots, fmt.Sprintf("sso.%s.%s.%d.%s.png", name, locale, l.width, l.scheme)))
		}
	}
}
