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

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	contactmem "github.com/mspkit/mspkit/contacts/memstore"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/contactdest"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/signin"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// signinWorld is a helpdesk whose callers sign in, beside a played Entra. Dana is in the directory that a sync has filled.
type signinWorld struct {
	*entratest.Server
	t          testing.TB
	svc        *verify.Service
	app        *entratest.App
	contoso    *entratest.Tenant
	dana, otto *entratest.User
	people     *contactdest.Resolver
	id         string // of Dana in the directory
	mail       *verifytest.Channel

	mu    sync.Mutex
	clock time.Time
}

func (w *signinWorld) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *signinWorld) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func newSigninWorld(t testing.TB, locale string) *signinWorld {
	t.Helper()
	w := &signinWorld{t: t, mail: &verifytest.Channel{Level: verify.AssuranceEmail}, clock: time.Now()}
	var err error
	w.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Prefix: "/login", Now: w.now})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	mux := http.NewServeMux()
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	base := front.URL + "/verify"
	w.app = w.AddApp(entratest.App{Secret: "the client secret", RedirectURIs: []string{base + "/signin/callback"}})
	w.contoso = w.AddTenant("Contoso", "contoso.onmicrosoft.com")
	w.dana = w.contoso.AddUser(entratest.User{Name: "Dana Smith", Username: "dana@contoso.com", CanSatisfy: []string{"c1"}})
	w.otto = w.contoso.AddUser(entratest.User{Name: "Otto", Username: "otto@contoso.com", CanSatisfy: []string{"c1"}})

	dir, err := contactmem.New(nil)
	require.NoError(t, err)
	_, err = dir.Apply(t.Context(), contacts.Batch{
		At: contacts.Checkpoint{Tenant: tenant, Source: "entra"}, Now: w.clock, Known: 365 * 24 * time.Hour,
		Page: contacts.Page{Whole: true, Contacts: []contacts.Contact{{
			Tenant: tenant, ID: w.dana.ObjectID, Name: "Dana Schmidt-Rottluff von Hohenzollern", Company: "Contoso Rindfleischetikettierungsüberwachung",
			Locale: locale, Enabled: true, Emails: []contacts.Address{{Value: "dana@contoso.example"}},
		}}},
	})
	require.NoError(t, err)
	organisation := func(context.Context, mspkit.TenantID) (string, error) { return w.contoso.ID, nil }
	w.people, err = contactdest.New(dir, &contactdest.Options{EntraTenant: organisation, Known: 365 * 24 * time.Hour, Channels: []contactdest.Channel{
		{Name: "signin-strong", Takes: contactdest.Entra}, {Name: "email", Takes: contactdest.Email},
	}})
	require.NoError(t, err)
	c, err := dir.BySource(t.Context(), tenant, "entra", w.dana.ObjectID)
	require.NoError(t, err)
	w.id = c.ID

	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	// The mail goes where the directory says that the person is reached.
	via, err := signin.Via(w.mail, func(ctx context.Context, tenant mspkit.TenantID, identity string) (string, error) {
		found, err := w.people.Lookup(ctx, tenant, identity)
		if err != nil || found == nil {
			return "", err
		}
		i := slices.IndexFunc(found.Subject.Destinations, func(d verify.Destination) bool { return d.Channel == "email" })
		return found.Subject.Destinations[i].Address, nil
	})
	require.NoError(t, err)
	strong, err := signin.New(ring, base, via, organisation, &signin.Options{
		ACR: func(context.Context, mspkit.TenantID) (string, error) { return "c1", nil },
	})
	require.NoError(t, err)
	w.svc, err = verify.New(memstore.New(), ring, base, verify.Same(verify.Settings{
		Brand:  mspkit.Brand{Name: "Northwind IT-Dienstleistungen und Telekommunikation", Color: "#ffe98a", Phone: "+49 30 1234567"},
		Limits: verify.Limits{Cooldown: -1},
	}), &verify.Options{Channels: map[string]verify.Channel{"email": w.mail, "signin-strong": strong}, Now: w.now})
	require.NoError(t, err)
	verifier, err := entra.NewVerifier(w.Cloud(), w.app.ID, &entra.VerifierOptions{Now: w.now})
	require.NoError(t, err)
	pages, err := signin.NewPages(w.svc, ring, verifier, &signin.PagesOptions{
		Cloud: w.Cloud(), ClientID: w.app.ID, Secret: mspkit.Redact("the client secret"), Now: w.now,
	})
	require.NoError(t, err)
	mux.Handle("/verify/signin/", http.StripPrefix("/verify/signin", pages))
	return w
}

// begin begins a verification and returns the link from the mail.
func (w *signinWorld) begin() (verify.Challenge, string) {
	w.t.Helper()
	subject, err := w.people.Subject(w.t.Context(), tenant, w.id)
	require.NoError(w.t, err)
	c, err := w.svc.Start(w.t.Context(), verify.StartRequest{
		Tenant: tenant, Subject: subject, Action: verify.ActionResetMFA, Technician: jane, Ticket: mspkit.Ticket{System: "psa", ID: "T20261127.0042"},
	})
	require.NoError(w.t, err)
	require.Equal(w.t, []any{"signin-strong", verify.AssuranceStrong}, []any{c.Channel, c.Assurance})
	d, err := w.mail.Last()
	require.NoError(w.t, err)
	require.Equal(w.t, "dana@contoso.example", d.To)
	return c, d.Link.Reveal()
}

func (w *signinWorld) state(c verify.Challenge) verify.State {
	w.t.Helper()
	c, err := w.svc.Get(w.t.Context(), c.Ref, jane.ID)
	require.NoError(w.t, err)
	return c.State
}

// through opens a link and signs in: what a page's button may lead to is for browsers to enforce, and no other client does.
func (b *tab) through(w *signinWorld, link string, who *entratest.User) {
	b.Helper()
	w.SignIn(who)
	b.open(link)
	b.click("main form button")
}

func (b *tab) click(selector string) {
	b.Helper()
	b.then(chromedp.Click(chromedp.CSS(selector)))
}

// signinLooks checks a page in all looks, and takes its picture where that is wanted.
func (b *tab) signinLooks(name, locale string) {
	b.Helper()
	shots := os.Getenv("MSPKIT_SHOTS")
	for _, l := range consentLooks {
		if shots == "" && !slices.Contains(l.locales, locale) {
			continue
		}
		b.look(l)
		require.Empty(b, eval[[]string](b, inspect), "%s %s %d %s", name, locale, l.width, l.scheme)
		if shots != "" {
			b.shoot(filepath.Join(shots, fmt.Sprintf("signin.%s.%s.%d.%s.png", name, locale, l.width, l.scheme)))
		}
	}
}

func TestACallerSignsInWithTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSigninWorld(t, "en")
	c, link := w.begin()
	w.SignIn(w.dana)
	b.open(link + "#from-a-mail")
	require.Equal(t, "Confirm with a sign-in", b.heading())
	b.focus("main form button")
	b.enter("")
	require.Equal(t, "Type the number", b.heading())
	require.Equal(t, link, eval[string](b, "location.href"), "nothing of Microsoft's answer stays in the address")
	require.Equal(t, verify.StatePending, w.state(c))
	b.open(link) // as by a reload
	require.Equal(t, 1, b.focus("input[name=number]"), "the field is the first stop")
	b.enter(c.Number.Reveal())
	require.Equal(t, "Thank you, it is confirmed", b.heading())
	require.Equal(t, verify.StateConfirmed, w.state(c))

	// And thinks better of it.
	b.click(".danger-quiet")
	require.Equal(t, "Thank you, we have stopped it", b.heading())
	sub, err := w.svc.Subject(t.Context(), tenant, w.id)
	require.NoError(t, err)
	require.True(t, sub.FrozenUntil.After(w.now()))
	b.quiet()
}

func TestEveryPageOfASignInIsReadable(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	pages := []struct {
		name  string
		reach func(w *signinWorld, c verify.Challenge, link string)
		title [2]string // in English and German
	}{
		{"ask", func(_ *signinWorld, _ verify.Challenge, link string) { b.open(link) }, [2]string{"Confirm with a sign-in", "Mit einer Anmeldung bestätigen"}},
		{"again", func(_ *signinWorld, _ verify.Challenge, link string) { b.open(link + "?e=over") }, [2]string{"Confirm with a sign-in", "Mit einer Anmeldung bestätigen"}},
		{"number", func(w *signinWorld, _ verify.Challenge, link string) { b.through(w, link, w.dana) }, [2]string{"Type the number", "Geben Sie die Zahl ein"}},
		{"wrong", func(w *signinWorld, c verify.Challenge, link string) {
			b.through(w, link, w.dana)
			b.fill("number", differs(c.Number.Reveal()))
		}, [2]string{"Type the number", "Geben Sie die Zahl ein"}},
		{"failed", func(w *signinWorld, c verify.Challenge, link string) {
			b.through(w, link, w.dana)
			b.fill("number", differs(c.Number.Reveal()))
			b.fill("number", differs(c.Number.Reveal()))
		}, [2]string{"Ask for a new number", "Lassen Sie sich eine neue Zahl nennen"}},
		{"confirmed", func(w *signinWorld, c verify.Challenge, link string) {
			b.through(w, link, w.dana)
			b.fill("number", c.Number.Reveal())
		}, [2]string{"Thank you, it is confirmed", "Danke, das ist bestätigt"}},
		{"late", func(w *signinWorld, c verify.Challenge, link string) {
			b.through(w, link, w.dana)
			b.fill("number", c.Number.Reveal())
			b.click(".danger-quiet")
		}, [2]string{"Thank you, we have stopped it", "Danke, wir haben es gestoppt"}},
		{"denied", func(w *signinWorld, _ verify.Challenge, link string) {
			b.through(w, link, w.dana)
			b.click(".danger-quiet")
		}, [2]string{"The request is stopped", "Die Anfrage ist gestoppt"}},
		{"notme", func(_ *signinWorld, _ verify.Challenge, link string) {
			b.open(link)
			b.click(".danger-quiet")
		}, [2]string{"Good that you said so", "Gut, dass Sie das sagen"}},
		{"stop", func(w *signinWorld, _ verify.Challenge, link string) {
			w.SignIn(w.dana)
			b.open(link)
			b.click(".danger-quiet")
			b.click(".danger")
		}, [2]string{"Type the number", "Geben Sie die Zahl ein"}},
		{"expired", func(w *signinWorld, _ verify.Challenge, link string) {
			w.pass(6 * time.Minute)
			b.open(link)
		}, [2]string{"This link has expired", "Dieser Link ist abgelaufen"}},
		{"person", func(w *signinWorld, _ verify.Challenge, link string) { b.through(w, link, w.otto) }, [2]string{"This is another account", "Das ist ein anderes Konto"}},
		{"tenant", func(w *signinWorld, _ verify.Challenge, link string) {
			b.through(w, link, w.AddTenant("Fabrikam", "fabrikam.example").AddUser(entratest.User{Name: "Mallory"}))
		}, [2]string{"This is another organisation", "Das ist eine andere Organisation"}},
		{"guest", func(w *signinWorld, _ verify.Challenge, link string) {
			w.Tamper(0, entratest.Set("idp", "https://sts.windows.net/00000000-0000-0000-0000-000000000000/"))
			b.through(w, link, w.dana)
		}, [2]string{"This is a guest account", "Das ist ein Gastkonto"}},
		{"personal", func(w *signinWorld, _ verify.Challenge, link string) {
			w.Tamper(0, entratest.Set("tid", entratest.ConsumersID))
			b.through(w, link, w.dana)
		}, [2]string{"This is a personal account", "Das ist ein persönliches Konto"}},
		{"fresh", func(w *signinWorld, _ verify.Challenge, link string) {
			w.app.OptionalClaims = []string{"acrs"}
			b.through(w, link, w.dana)
		}, [2]string{"Please sign in afresh", "Bitte melden Sie sich neu an"}},
		{"strong", func(w *signinWorld, _ verify.Challenge, link string) {
			w.app.OptionalClaims = []string{"auth_time"}
			b.through(w, link, w.dana)
		}, [2]string{"A stronger sign-in is needed", "Es braucht eine stärkere Anmeldung"}},
		{"declined", func(w *signinWorld, _ verify.Challenge, link string) {
			w.Decline(true)
			b.through(w, link, w.dana)
		}, [2]string{"You did not sign in", "Sie haben sich nicht angemeldet"}},
		{"failure", func(w *signinWorld, _ verify.Challenge, link string) {
			w.Tamper(0, entratest.Signed(entratest.SignOptions{Foreign: true}))
			b.through(w, link, w.dana)
		}, [2]string{"Microsoft did not let it happen", "Microsoft hat es nicht zugelassen"}},
		{"unable", func(w *signinWorld, _ verify.Challenge, link string) {
			w.Fail(entratest.Fault{Endpoint: entratest.Token, Drop: true, Times: -1})
			b.through(w, link, w.dana)
		}, [2]string{"Not possible at the moment", "Zurzeit nicht möglich"}},
	}
	for i, locale := range []string{"en", "de"} {
		call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": locale}})
		for j, p := range pages {
			if !sampled(j, locale) {
				continue
			}
			w := newSigninWorld(t, locale)
			c, link := w.begin()
			p.reach(w, c, link)
			require.Equal(t, p.title[i], b.heading(), p.name)
			require.Equal(t, locale, eval[string](b, "document.documentElement.lang"))
			b.signinLooks(p.name, locale)
			b.leave()
		}
		// What belongs to no challenge is in the browser's language.
		w := newSigninWorld(t, locale)
		_, link := w.begin()
		site, _, _ := strings.Cut(link, "/s/")
		b.open(site + "/callback?state=none")
		require.Equal(t, [2]string{"This sign-in cannot be used", "Diese Anmeldung gilt nicht"}[i], b.heading())
		b.signinLooks("state", locale)
		b.open(site + "/s/none")
		require.Equal(t, [2]string{"This link does not work", "Dieser Link funktioniert nicht"}[i], b.heading())
		b.leave()
	}
	b.quiet()
}

// differs returns a number that is not n.
func differs(n string) string {
	if n == "111" {
		return "222"
	}
	return "111"
}
