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
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/entra/entratest"
)

// accountsWorld is a platform whose technicians sign in, beside a played Entra where whoever is named is signed in.
type accountsWorld struct {
	*entratest.Server
	service      *accounts.Service
	north        *entratest.Tenant
	anna, otto   *entratest.User // an administrator and a member of the MSP
	guest        *entratest.User
	elsewhere    *entratest.User
	origin, base string
	session      string // of the host
	now          time.Time
}

func newAccountsWorld(t testing.TB) *accountsWorld {
	t.Helper()
	w := &accountsWorld{now: time.Now()}
	clock := func() time.Time { return w.now }
	var err error
	w.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Prefix: "/login", Now: clock})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	mux := http.NewServeMux()
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	w.origin, w.base = front.URL, front.URL+"/accounts"
	app := w.AddApp(entratest.App{Secret: "the client secret", RedirectURIs: []string{w.origin + "/auth/callback", w.origin + "/auth/signedout", w.base + "/consented"}})
	w.north = w.AddTenant("Northwind", "northwind.onmicrosoft.com")
	contoso := w.AddTenant("Contoso", "contoso.onmicrosoft.com")
	w.anna = w.north.AddUser(entratest.User{Name: "Anna-Katharina von Hohenstein-Wittelsbach", Username: "anna@northwind.example", Admin: true})
	w.otto = w.north.AddUser(entratest.User{Name: "Otto Brandt", Username: "otto@northwind.example"})
	w.guest = w.north.AddUser(entratest.User{Name: "Eve", Provider: "https://sts.windows.net/11111111-1111-4111-8111-111111111111/"})
	w.elsewhere = contoso.AddUser(entratest.User{Name: "Carl", Username: "carl@contoso.example"})
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	w.service, err = accounts.New(accounts.NewMemory(), ring, &accounts.Options{
		Owner: "north", TenantID: w.north.ID, BaseURL: w.base, Now: clock,
		ClientTenants: func(context.Context, mspkit.TenantID) ([]string, error) { return []string{contoso.ID}, nil },
	})
	require.NoError(t, err)
	transport := &http.Transport{} // of its own: a server of another test that closes cuts the connections of the shared one
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	verifier, err := entra.NewVerifier(w.Cloud(), app.ID, &entra.VerifierOptions{Now: clock, HTTPClient: client})
	require.NoError(t, err)
	sso, err := entra.NewSSO(verifier, ring, &entra.SSOOptions{
		Cloud: w.Cloud(), ClientID: app.ID, Secret: mspkit.Redact("the client secret"), Owner: "north", BaseURL: w.origin + "/auth", Tenants: []string{w.north.ID},
		Resolve: w.service.Resolve, Now: clock, HTTPClient: client,
	})
	require.NoError(t, err)
	pages, err := w.service.Handler("/accounts", sso, &accounts.PagesOptions{
		Cloud: w.Cloud(), ClientID: app.ID, HostSignIn: "/sign-in",
		Brand: mspkit.Brand{Name: "Northwind IT-Dienstleistungen und Telekommunikation", Color: "#0f766e", Phone: "+49 30 1234567", Site: "https://northwind.example"},
		Clients: func(context.Context) ([]accounts.Client, error) {
			return []accounts.Client{{ID: "contoso", Name: "Contoso Rindfleischetikettierungsüberwachung"}, {ID: "fabrikam", Name: "Fabrikam"}}, nil
		},
		Host: func(*http.Request) (string, string, bool) { return "north", w.session, w.session != "" },
	})
	require.NoError(t, err)
	mux.Handle("/accounts/", pages)
	auth, err := sso.Handler("/auth")
	require.NoError(t, err)
	mux.Handle("/auth/", auth)
	return w
}

// setup is the link for the first admin.
func (w *accountsWorld) setup(t testing.TB) string {
	t.Helper()
	link, err := w.service.Bootstrap(t.Context())
	require.NoError(t, err)
	return link.Reveal()
}

func (w *accountsWorld) add(t testing.TB, a accounts.Account) {
	t.Helper()
	_, err := w.service.Add(t.Context(), accounts.ByHost, a)
	require.NoError(t, err)
}

func (w *accountsWorld) invite(t testing.TB, in accounts.Invite) string {
	t.Helper()
	_, link, err := w.service.Invite(t.Context(), accounts.ByHost, in)
	require.NoError(t, err)
	return link.Reveal()
}

// clickOn presses a button and waits for the page that it leads to, over Microsoft and back: what a page may lead to is for browsers to
// enforce, and no other client does.
func (b *tab) clickOn(button string) {
	b.Helper()
	b.then(chromedp.Click(chromedp.CSS(button)))
}

// choose selects an option of a list.
func (b *tab) choose(list, value string) {
	b.Helper()
	require.True(b, eval[bool](b, fmt.Sprintf(`(e => (e.value = %q, e.value === %q))(document.querySelector(%q))`, value, value, list)))
}

// TestPeopleAreLetInAndOutInABrowser goes through the wizard, an invitation and the list of accounts as people do, and looks at every
// page on the way.
func TestPeopleAreLetInAndOutInABrowser(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	for _, locale := range []string{"en", "de"} {
		call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": locale}})
		say := func(en, de string) {
			b.Helper()
			require.Equal(b, map[string]string{"en": en, "de": de}[locale], b.heading())
			require.Equal(b, locale, eval[string](b, "document.documentElement.lang"))
		}
		w := newAccountsWorld(t)
		w.SignIn(w.anna)
		link := w.setup(t)
		b.open(link)
		say("Set up signing in with Microsoft", "Anmeldung mit Microsoft einrichten")
		b.accountsLook("setup", locale)
		b.clickOn(`form[action$="/install"] button`)
		require.True(t, strings.HasSuffix(eval[string](b, "location.href"), "?installed"))
		b.accountsLook("installed", locale)
		b.clickOn(`form:not([action$="/install"]) button`)
		say("You are the first admin", "Sie sind der erste Admin")
		b.accountsLook("first", locale)
		b.clickOn(`a.button.secondary`)
		say("Accounts", "Konten")

		w.add(t, accounts.Account{ID: "otto", Name: "Otto Brandt", UI: entra.UIPod, MFA: accounts.MFAOn})
		w.add(t, accounts.Account{ID: "lena", Name: "Lena Fuchs", Role: entra.RoleAdmin})
		w.add(t, accounts.Account{ID: "carl", Name: "Carl Peters", Kind: accounts.Portal, Client: "contoso"})
		require.NoError(t, w.service.Disable(t.Context(), accounts.ByHost, "lena"))
		b.open(w.base + "/invite")
		say("Invite somebody", "Jemanden einladen")
		b.accountsLook("invite", locale)
		b.run(chromedp.SendKeys(chromedp.CSS("#name"), "Jana Neumann"), chromedp.SendKeys(chromedp.CSS("#address"), "jana@northwind.example"))
		b.clickOn(`main form button`)
		say("The invitation is made", "Die Einladung ist fertig")
		b.accountsLook("invited", locale)
		w.invite(t, accounts.Invite{Kind: accounts.Portal, Client: "contoso", Name: "Petra Schulze"})
		join := eval[string](b, `document.querySelector(".key").innerText`)
		b.open(w.base + "/")
		b.accountsLook("accounts", locale)
		b.open(w.base + "/a/otto")
		say("Otto Brandt", "Otto Brandt")
		b.choose("#role", "Admin")
		b.choose("#ui", "full")
		b.clickOn(`main form:not([action$="/unlink"]):not([action$="/remove"]) button`)
		require.Equal(t, "Admin", eval[string](b, `document.querySelector("#role").value`))
		b.accountsLook("saved", locale)
		list, err := w.service.List(t.Context())
		require.NoError(t, err)
		boss := list[slices.IndexFunc(list, func(a accounts.Account) bool { return a.Linked() })]
		b.open(w.base + "/a/" + boss.ID)
		b.clickOn(`form[action$="/unlink"] button`)
		require.Contains(t, eval[string](b, `document.querySelector("[role=alert]").innerText`), map[string]string{"en": "This is the last admin", "de": "Das ist der letzte Admin"}[locale])
		b.accountsLook("last", locale)

		// A colleague with a session of the host.
		b.open(w.base + "/link")
		say("Sign in to the software first", "Melden Sie sich zuerst an der Software an")
		b.accountsLook("nosession", locale)
		w.session = "otto"
		w.SignIn(w.anna)
		b.open(w.base + "/link")
		say("Link your account with Microsoft", "Ihr Konto mit Microsoft verknüpfen")
		b.accountsLook("link", locale)
		b.clickOn("main form button")
		say("That Microsoft account has another account here", "Dieses Microsoft-Konto hat hier ein anderes Konto")
		b.accountsLook("taken", locale)
		w.SignIn(w.otto)
		b.clickOn("a.button")
		b.clickOn("main form button")
		say("Your account is linked", "Ihr Konto ist verknüpft")
		b.accountsLook("linked", locale)

		// Invited people.
		w.SignIn(w.guest)
		b.open(join)
		say("You are invited", "Sie sind eingeladen")
		b.accountsLook("join", locale)
		b.clickOn("main form button")
		say("Guests cannot be linked", "Gäste lassen sich nicht verknüpfen")
		b.accountsLook("guest", locale)
		w.SignIn(w.north.AddUser(entratest.User{Name: "Jana Neumann"}))
		b.clickOn("a.button")
		b.clickOn("main form button")
		say("Welcome", "Willkommen")
		b.accountsLook("joined", locale)
		b.open(join)
		say("This link does not work any more", "Dieser Link gilt nicht mehr")
		b.accountsLook("used", locale)
		b.open(w.invite(t, accounts.Invite{Kind: accounts.Portal, Client: "contoso", Name: "Carl"}))
		say("You are invited to the client portal", "Sie sind in das Kundenportal eingeladen")
		b.accountsLook("portal", locale)
		w.SignIn(w.elsewhere)
		b.clickOn("main form button")
		say("Welcome", "Willkommen")
		b.open(w.base + "/")
		require.Equal(t, "You may not do this.", strings.TrimSpace(eval[string](b, "document.body.innerText")), "Jana is no admin")

		// The way out, which leads over Microsoft.
		w.session = ""
		w.SignIn(w.anna)
		b.open(w.origin + "/auth/signin?to=/accounts/invite")
		b.clickOn("main form button")
		say("Invite somebody", "Jemanden einladen")
		require.Equal(t, "/", eval[string](b, `document.querySelector("header a").getAttribute("href")`))
		b.clickOn("#sign-out")
		b.until("the end of the sign-out", `location.pathname === "/auth/signedout"`)
		b.open(w.base + "/")
		say("Sign in", "Anmelden")
		b.leave()
	}
	b.quiet()
}

// accountsLook checks a page in the looks of [consentLooks].
func (b *tab) accountsLook(name, locale string) {
	b.Helper()
	shots := os.Getenv("MSPKIT_SHOTS")
	for _, l := range consentLooks {
		if shots == "" && !slices.Contains(l.locales, locale) {
			continue
		}
		b.look(l)
		require.Empty(b, eval[[]string](b, inspect), "%s %s %d %s", name, locale, l.width, l.scheme)
		if shots != "" {
			b.shoot(filepath.Join(shots, fmt.Sprintf("accounts.%s.%s.%d.%s.png", name, locale, l.width, l.scheme)))
		}
	}
}
