package browser_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

// consentWorld is a platform with consent pages beside a played Entra where whoever is named is signed in.
type consentWorld struct {
	*entratest.Server
	consent *entra.Consent
	app     *entratest.App
	anna    *entratest.User // an administrator of Contoso
	refuse  bool
	now     time.Time
}

func newConsentWorld(t testing.TB) *consentWorld {
	t.Helper()
	w := &consentWorld{now: time.Now()}
	clock := func() time.Time { return w.now }
	var err error
	w.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Prefix: "/login", Now: clock})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	mux := http.NewServeMux()
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	base := front.URL + "/connect"
	w.app = w.AddApp(entratest.App{Secret: "the client secret", RedirectURIs: []string{base + "/callback"}})
	contoso := w.AddTenant("Contoso Rindfleischetikettierungsüberwachung und Beteiligungsgesellschaft mbH", "rindfleischetikettierungsueberwachung.contoso.onmicrosoft.com")
	w.anna = contoso.AddUser(entratest.User{Name: "Anna Admin", Username: "anna@contoso.com", Admin: true})
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	verifier, err := entra.NewVerifier(w.Cloud(), w.app.ID, &entra.VerifierOptions{Now: clock})
	require.NoError(t, err)
	var list []entra.GraphPermission
	for _, name := range []string{"User.Read.All", "User-Phone.ReadWrite.All", "ProfilePhoto.Read.All", "MailboxSettings.Read", "DeviceManagementConfiguration.ReadWrite.All"} {
		list = append(list, entra.GraphPermission{Name: name})
	}
	w.consent, err = entra.NewConsent(entra.NewMemory(), verifier, ring, &entra.ConsentOptions{
		Cloud: w.Cloud(), ClientID: w.app.ID, Secret: mspkit.Redact("the client secret"), BaseURL: base, Now: clock,
		Integrations: []entra.Integration{{Name: "contacts", Title: "Kontakte und Absender", Permissions: list}},
		Describe: func(_ context.Context, l entra.LinkState) (entra.Asking, error) {
			return entra.Asking{Brand: mspkit.Brand{Name: "Northwind IT-Dienstleistungen und Telekommunikation", Color: "#ffe98a", Phone: "+49 30 1234567"}, Customer: "Contoso Rindfleischetikettierungsüberwachung"}, nil
		},
		Authorize: func(context.Context, entra.Identity, entra.Connection) error {
			if w.refuse {
				return errors.New("not this one")
			}
			return nil
		},
		Check: func(_ context.Context, c entra.Connection) (entra.Organization, error) {
			return entra.Organization{Name: contoso.Name, Domain: contoso.Domain}, nil
		},
	})
	require.NoError(t, err)
	h, err := w.consent.Handler("/connect")
	require.NoError(t, err)
	mux.Handle("/connect/", h)
	return w
}

func (w *consentWorld) link(t testing.TB, tenant mspkit.TenantID, owner string) string {
	t.Helper()
	link, err := w.consent.Link(t.Context(), tenant, owner, "contacts")
	require.NoError(t, err)
	return link
}

// Every way in which a consent can end has a page, and a browser gets there by pressing the button: what a page may lead to
// is for browsers to enforce, and no other client does.
func TestEveryEndOfAConsentIsReadable(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	ends := []struct {
		name    string
		prepare func(w *consentWorld) (link string)
		title   [2]string // in English and German
	}{
		{"connected", func(w *consentWorld) string { return w.link(t, "contoso", "north") }, [2]string{"Connected", "Verbunden"}},
		{"declined", func(w *consentWorld) string { w.Decline(true); return w.link(t, "contoso", "north") }, [2]string{"The permissions were not accepted", "Den Berechtigungen wurde nicht zugestimmt"}},
		{"member", func(w *consentWorld) string { w.app.HideRoles = true; return w.link(t, "contoso", "north") }, [2]string{"This takes an administrator", "Das kann nur ein Administrator"}},
		{"failed", func(w *consentWorld) string {
			w.Fail(entratest.Fault{Endpoint: entratest.Token, Code: 53003})
			return w.link(t, "contoso", "north")
		}, [2]string{"Microsoft did not let it happen", "Microsoft hat es nicht zugelassen"}},
		{"refused", func(w *consentWorld) string { w.refuse = true; return w.link(t, "contoso", "north") }, [2]string{"This organisation cannot be connected here", "Diese Organisation kann hier nicht verbunden werden"}},
		{"owned", func(w *consentWorld) string {
			w.connect(t, b, "elsewhere", "south")
			return w.link(t, "contoso", "north")
		}, [2]string{"Already connected elsewhere", "Schon anderswo verbunden"}},
		{"taken", func(w *consentWorld) string {
			w.connect(t, b, "another", "north")
			return w.link(t, "contoso", "north")
		}, [2]string{"Already connected to another customer", "Schon mit einem anderen Kunden verbunden"}},
		{"unable", func(w *consentWorld) string {
			w.Fail(entratest.Fault{Endpoint: entratest.Token, Drop: true, Times: -1})
			return w.link(t, "contoso", "north")
		}, [2]string{"Not possible at the moment", "Zurzeit nicht möglich"}},
	}
	for i, locale := range []string{"en", "de"} {
		call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": locale}})
		for j, e := range ends {
			if !sampled(j, locale) {
				continue
			}
			w := newConsentWorld(t)
			w.SignIn(w.anna)
			link := e.prepare(w)
			b.open(link)
			if e.name == "connected" {
				b.looks("link", locale)
				w.now = w.now.Add(6*24*time.Hour + 23*time.Hour)
				b.open(link)
				b.looks("late", locale)
			}
			b.focus("main form button")
			b.then(chromedp.Click(chromedp.CSS("main form button")))
			require.Equal(t, e.title[i], b.heading())
			require.Equal(t, locale, eval[string](b, "document.documentElement.lang"))
			b.looks(e.name, locale)
			if e.name == "connected" {
				b.open(link)
				require.Equal(t, [2]string{"This link does not work any more", "Dieser Link gilt nicht mehr"}[i], b.heading())
				b.looks("used", locale)
			}
			b.leave()
		}
	}
	b.quiet()
}

// connect connects Contoso before somebody else tries.
func (w *consentWorld) connect(t testing.TB, b *tab, tenant mspkit.TenantID, owner string) {
	t.Helper()
	b.open(w.link(t, tenant, owner))
	b.then(chromedp.Click(chromedp.CSS("main form button")))
}

// The pictures show all of them in both languages.
var consentLooks = []look{
	{320, "light", []string{"de"}},
	{390, "light", []string{"en"}},
	{390, "dark", []string{"de"}},
	{1280, "light", []string{"de"}},
	{1280, "dark", []string{"en"}},
}

// looks checks a page of a consent.
func (b *tab) looks(name, locale string) {
	b.Helper()
	shots := os.Getenv("MSPKIT_SHOTS")
	for _, l := range consentLooks {
		if shots == "" && !slices.Contains(l.locales, locale) {
			continue
		}
		b.look(l)
		require.Empty(b, eval[[]string](b, inspect), "%s %s %d %s", name, locale, l.width, l.scheme)
		if shots != "" {
			b.shoot(filepath.Join(shots, fmt.Sprintf("consent.%s.%s.%d.%s.png", name, locale, l.width, l.scheme)))
		}
	}
}
