package accounts_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
)

// signedIn lets somebody accept an invitation and returns their browser and account.
func (w *world) signedIn(t testing.TB, in accounts.Invite) (*browser, accounts.Account) {
	t.Helper()
	inv, link := w.invite(t, in)
	b := newBrowser(t)
	w.SignIn(w.otto)
	p := b.post(link, nil)
	require.Equal(t, http.StatusOK, p.status, p.text())
	a, err := w.service.Get(t.Context(), inv.AccountID)
	require.NoError(t, err)
	w.audit.take()
	return b, a
}

// form is that of an account.
func form(role, ui, mfa, access string) url.Values {
	return url.Values{"role": {role}, "ui": {ui}, "mfa": {mfa}, "access": {access}}
}

func TestAnAdminChangesAccountsOnPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	anna := w.set(t)
	boss := w.boss(t)
	otto, a := w.signedIn(t, accounts.Invite{Name: "Otto <b>"})
	p := anna.get(w.base + "/")
	require.Equal(t, http.StatusOK, p.status)
	for _, part := range []string{"Accounts", "Anna", "Otto <b>", "Admin", "Technician", "Linked"} {
		require.Contains(t, p.text(), part)
	}
	require.NotContains(t, p.body, "<b>")
	at := w.base + "/a/" + a.ID
	require.Equal(t, http.StatusOK, anna.get(at).status)

	p = anna.post(at, form("Admin", "full", "on", "allowed"))
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.text(), "Saved")
	require.Equal(t, []string{"role-changed|" + a.ID + "|" + boss.ID + "|Admin", "access-changed|" + a.ID + "|" + boss.ID + "|mfa-on"}, w.audit.told())
	got, err := w.service.Get(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, entra.RoleAdmin, got.Role)
	require.Equal(t, http.StatusForbidden, otto.get(w.base+"/").status, "without the second factor he may do nothing")
	require.Equal(t, http.StatusOK, anna.post(at, form("Admin", "full", "default", "allowed")).status)
	require.Equal(t, http.StatusOK, otto.get(w.base+"/").status, "at once")
	require.Equal(t, http.StatusOK, anna.post(at, form("Technician", "pod", "default", "allowed")).status)
	require.Equal(t, http.StatusForbidden, otto.get(w.base+"/").status, "at once")

	// The last admin.
	self := w.base + "/a/" + boss.ID
	for _, f := range []url.Values{form("Technician", "full", "default", "allowed"), form("Admin", "pod", "default", "allowed"), form("Admin", "full", "default", "disabled")} {
		p = anna.post(self, f)
		require.Equal(t, http.StatusConflict, p.status)
		require.Contains(t, p.text(), "This is the last admin")
	}
	for _, end := range []string{"/unlink", "/remove"} {
		p = anna.post(self+end, nil)
		require.Equal(t, http.StatusConflict, p.status)
		require.Contains(t, p.text(), "This is the last admin")
	}
	require.Equal(t, boss, w.boss(t))
	w.audit.take()

	// Unlinked and disabled people are out at once, with their sessions.
	require.Equal(t, a.ID+" Technician", otto.get(w.origin+"/home").body)
	was := otto.copy(w.origin)
	require.Equal(t, a.ID+" Technician", was.get(w.origin+"/home").body)
	require.Equal(t, http.StatusOK, anna.post(at, form("Technician", "full", "default", "disabled")).status)
	require.Equal(t, "nobody", otto.get(w.origin+"/home").body)
	require.Equal(t, http.StatusOK, anna.post(at, form("Technician", "full", "default", "allowed")).status)
	require.Equal(t, "nobody", was.get(w.origin+"/home").body, "nor does a copy of his session come back")
	w.pass(time.Second)
	w.SignIn(w.otto)
	otto.post(w.origin+"/auth/signin", url.Values{"to": {"/home"}})
	require.Equal(t, a.ID+" Technician", otto.get(w.origin+"/home").body)
	w.pass(time.Second)
	require.Equal(t, http.StatusOK, anna.post(at+"/unlink", nil).status)
	_, err = w.service.Link(t.Context(), a.ID, answer(w.otto))
	require.NoError(t, err)
	require.Equal(t, "nobody", otto.get(w.origin+"/home").body, "the old session does not come back")
	p = anna.post(at+"/remove", nil)
	require.Equal(t, w.base+"/", p.at.String())
	require.NotContains(t, p.text(), "Otto")
	require.Equal(t, http.StatusNotFound, anna.get(at).status)
	require.Equal(t, http.StatusNotFound, anna.post(at, form("Admin", "full", "on", "allowed")).status)
	require.Equal(t, http.StatusNotFound, anna.post(at+"/remove", nil).status)
}

func TestTheFormOfAnAccountTakesNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	anna := w.set(t)
	_, a := w.signedIn(t, accounts.Invite{Name: "Otto"})
	for name, change := range map[string]func(url.Values){
		"nothing":           func(f url.Values) { clear(f) },
		"no role":           func(f url.Values) { f.Del("role") },
		"another role":      func(f url.Values) { f.Set("role", "admin") },
		"none":              func(f url.Values) { f.Set("role", "none") },
		"two roles":         func(f url.Values) { f.Add("role", "Admin") },
		"another interface": func(f url.Values) { f.Set("ui", "x") },
		"another use":       func(f url.Values) { f.Set("mfa", "x") },
		"another access":    func(f url.Values) { f.Set("access", "x") },
		"no access":         func(f url.Values) { f.Del("access") },
	} {
		f := form("Admin", "pod", "on", "disabled")
		change(f)
		p := anna.post(w.base+"/a/"+a.ID, f)
		require.Equal(t, http.StatusBadRequest, p.status, name)
		require.Contains(t, p.text(), "Something is missing", name)
	}
	got, err := w.service.Get(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, a, got)
	require.Empty(t, w.audit.take())
}

func TestAnAdminInvitesOnPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { // every client is connected: the list of clients decides
		w.options.ClientTenants = func(context.Context, mspkit.TenantID) ([]string, error) { return []string{w.contoso.ID}, nil }
	})
	anna := w.set(t)
	boss := w.boss(t)
	p := anna.get(w.base + "/invite")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.text(), "Contoso Ltd")
	require.Regexp(t, `value="Technician" selected`, p.body, "the default")
	f := url.Values{"kind": {"technician"}, "name": {"Otto"}, "address": {"otto@north.example"}, "role": {"Technician"}, "ui": {"pod"}, "client": {"contoso"}}
	p = anna.post(w.base+"/invite", f)
	require.Equal(t, http.StatusOK, p.status, p.text())
	link := regexp.MustCompile(regexp.QuoteMeta(w.base) + `/join/[\w-]+`).FindString(p.body)
	require.NotEmpty(t, link)
	require.Equal(t, http.StatusOK, newBrowser(t).get(link).status)
	list, err := w.service.Invitations(t.Context())
	require.NoError(t, err)
	require.Equal(t, entra.UIPod, list[0].UI)
	require.Equal(t, boss.ID, list[0].By)
	w.audit.take()
	p = anna.get(w.base + "/")
	require.Contains(t, p.text(), "Open")
	require.NotContains(t, p.body, token(link), "nobody gets it a second time")
	require.Equal(t, http.StatusOK, anna.post(w.base+"/i/"+list[0].ID+"/revoke", nil).status)
	require.Equal(t, []string{"invitation-revoked|" + list[0].AccountID + "|" + boss.ID + "|Technician"}, w.audit.told())
	require.Equal(t, http.StatusOK, anna.post(w.base+"/i/"+list[0].ID+"/revoke", nil).status, "somebody was faster")
	require.Equal(t, http.StatusNotFound, newBrowser(t).get(link).status)
	require.Contains(t, anna.get(w.base+"/").text(), "Revoked")

	f.Set("kind", "portal")
	p = anna.post(w.base+"/invite", f)
	require.Equal(t, http.StatusOK, p.status, p.text())
	require.Contains(t, anna.get(w.base+"/").text(), "Contoso Ltd")
	w.audit.take()
	for name, change := range map[string]func(url.Values){
		"nothing":           func(f url.Values) { clear(f) },
		"no kind":           func(f url.Values) { f.Del("kind") },
		"the first admin":   func(f url.Values) { f.Set("kind", "bootstrap") },
		"another role":      func(f url.Values) { f.Set("kind", "technician"); f.Set("role", "root") },
		"another interface": func(f url.Values) { f.Set("kind", "technician"); f.Set("ui", "") },
		"another client":    func(f url.Values) { f.Set("client", "fabrikam") },
		"no client":         func(f url.Values) { f.Del("client") },
		"a long address":    func(f url.Values) { f.Set("address", strings.Repeat("x", 300)) },
	} {
		bad := url.Values{"kind": {"portal"}, "name": {"X"}, "address": {"x@y.example"}, "role": {"Technician"}, "ui": {"full"}, "client": {"contoso"}}
		change(bad)
		p := anna.post(w.base+"/invite", bad)
		require.Equal(t, http.StatusBadRequest, p.status, name)
		require.Contains(t, p.text(), "Something is missing", name)
	}
	require.Empty(t, w.audit.take())
}

func TestTheLinkIsNotShownWhereItWasMailed(t *testing.T) {
	t.Parallel()
	mailed := ""
	w := newWorld(t, func(w *world) {
		w.options.Send = func(_ context.Context, _ accounts.Invitation, link mspkit.Redacted[string]) error {
			mailed = link.Reveal()
			return nil
		}
	})
	anna := w.set(t)
	f := url.Values{"kind": {"technician"}, "name": {"Otto"}, "address": {"otto@north.example"}, "role": {"Admin"}, "ui": {"full"}}
	p := anna.post(w.base+"/invite", f)
	require.Contains(t, p.text(), "The link was sent to Otto")
	require.NotEmpty(t, mailed)
	require.NotContains(t, p.body, token(mailed))
}

func TestThePagesOfAdminsAreClosedToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.set(t)
	boss := w.boss(t)
	otto, _ := w.signedIn(t, accounts.Invite{Name: "Otto"})
	inv, _ := w.invite(t, accounts.Invite{Name: "Open"})
	before, err := w.service.List(t.Context())
	require.NoError(t, err)
	for _, at := range []string{"/", "/invite", "/a/" + boss.ID, "POST /invite", "POST /a/" + boss.ID, "POST /a/" + boss.ID + "/unlink", "POST /a/" + boss.ID + "/remove", "POST /i/" + inv.ID + "/revoke"} {
		do := func(b *browser) page {
			if path, ok := strings.CutPrefix(at, "POST "); ok {
				return b.post(w.base+path, form("Admin", "full", "default", "allowed"))
			}
			return b.get(w.base + at)
		}
		require.Equal(t, http.StatusForbidden, do(otto).status, at)
		p := do(newBrowser(t))
		require.Equal(t, "/auth/signin", p.at.Path, at)
		p = do(w.as(t, boss.ID))
		require.Equal(t, "/auth/signin", p.at.Path, "a session of the host is none of Entra")
	}
	after, err := w.service.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	list, err := w.service.Invitations(t.Context())
	require.NoError(t, err)
	for _, i := range list {
		if i.ID == inv.ID {
			require.Equal(t, accounts.StateOpen, i.State)
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	anna := w.set(t)
	boss := w.boss(t)
	_, link := w.invite(t, accounts.Invite{Name: "Otto"})
	for _, at := range []string{w.base + "/a/" + boss.ID + "/remove", w.base + "/invite", w.base + "/link", link} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader("kind=technician&role=Admin&ui=full"))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		req.Header.Set("Sec-Fetch-Mode", "navigate")
		require.Equal(t, http.StatusForbidden, anna.send(req, nil).status, at)
	}
}

// broken is a store that fails.
type broken struct{ accounts.Store }

var errDown = errors.New("the database is down")

func (broken) Account(context.Context, string, string) (accounts.Account, error) {
	return accounts.Account{}, errDown
}
func (broken) Accounts(context.Context, string) ([]accounts.Account, error) { return nil, errDown }
func (broken) ByIdentity(context.Context, string, string, string) (accounts.Account, error) {
	return accounts.Account{}, errDown
}

func (broken) Invitation(context.Context, []byte) (accounts.Record, error) {
	return accounts.Record{}, errDown
}

func TestAStoreThatFailsLetsNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, link := w.invite(t, accounts.Invite{Name: "Otto"})
	down := newWorld(t, func(n *world) { n.store, n.ring = broken{w.store}, w.ring })
	_, err := down.service.Resolve(t.Context(), answer(w.anna).Identity)
	require.ErrorIs(t, err, errDown)
	require.NotErrorIs(t, err, entra.ErrForbidden)
	require.ErrorIs(t, down.service.SetRole(t.Context(), "anna", "otto", entra.RoleAdmin), errDown)
	_, err = down.service.Bootstrap(t.Context())
	require.ErrorIs(t, err, errDown)
	b := newBrowser(t)
	_, err = down.service.Open(t.Context(), token(link))
	require.Error(t, err)
	require.GreaterOrEqual(t, b.get(down.base+"/join/"+token(link)).status, 500)
	p := down.as(t, "u2").get(down.base + "/link")
	require.Equal(t, http.StatusServiceUnavailable, p.status)
}

func TestThePagesLeadBackToTheHostAndOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	anna := w.set(t)
	_, otto := w.signedIn(t, accounts.Invite{Name: "Otto"})
	for _, path := range []string{"/", "/a/" + otto.ID, "/invite"} {
		p := anna.get(w.base + path)
		require.Equal(t, http.StatusOK, p.status, path)
		require.Contains(t, p.body, `<a href="/home">Back to the software</a>`, path)
		require.Contains(t, p.body, `<form method="post" action="`+w.sso.SignOutPath()+`"><button class="button secondary small" id="sign-out"`, path)
		require.NotContains(t, p.body, "<script", path)
		require.Contains(t, p.header.Get("Content-Security-Policy"), w.sso.LoginOrigins()[0], "the browser must let the form lead to Microsoft: %s", path)
	}
	p := anna.post(w.base+"/a/"+otto.ID, form("Boss", "full", "on", "allowed"))
	require.Equal(t, http.StatusBadRequest, p.status)
	require.Contains(t, p.body, w.sso.SignOutPath(), "a page with a fault has it as well")
	require.Contains(t, p.header.Get("Content-Security-Policy"), w.sso.LoginOrigins()[0])
	require.Contains(t, anna.post(w.base+"/invite", url.Values{"kind": {"technician"}, "name": {"Jana"}, "role": {"Technician"}, "ui": {"full"}}).body, w.sso.SignOutPath())

	// Who signs out is out.
	anna.post(w.origin+w.sso.SignOutPath(), nil)
	require.Equal(t, w.sso.SignInPath(), anna.get(w.base+"/").at.Path)

	// Whose session is the host's signs out there, and who has none has nowhere to go back to.
	_, err := w.service.Add(t.Context(), accounts.ByHost, accounts.Account{ID: "u7", Name: "Uwe"})
	require.NoError(t, err)
	p = w.as(t, "u7").get(w.base + "/link")
	require.Contains(t, p.body, `<a href="/home">Back to the software</a>`)
	require.NotContains(t, p.body, w.sso.SignOutPath())
	require.NotContains(t, newBrowser(t).get(w.base+"/link").body, "Back to the software")
}

func TestHandlerRefusesWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	good := w.pages
	for name, change := range map[string]func(*accounts.PagesOptions){
		"no application":   func(o *accounts.PagesOptions) { o.ClientID = "" },
		"another host":     func(o *accounts.PagesOptions) { o.Home = "https://evil.example/" },
		"another host too": func(o *accounts.PagesOptions) { o.PortalHome = "//evil.example/" },
		"a backslash":      func(o *accounts.PagesOptions) { o.HostSignIn = `/\evil.example/` },
		"no path":          func(o *accounts.PagesOptions) { o.Home = "home" },
		"a negative time":  func(o *accounts.PagesOptions) { o.Fresh = -time.Second },
		"a dot":            func(o *accounts.PagesOptions) { o.Home = "/.//evil.example/" },
		"a bad brand":      func(o *accounts.PagesOptions) { o.Brand.Color = "red" },
	} {
		o := good
		change(&o)
		_, err := w.service.Handler("/accounts", w.sso, &o)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	_, err := w.service.Handler("/accounts", nil, &good)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = w.service.Handler("accounts", w.sso, &good)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestTheEndCannotBeMadeUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, q := range []string{"", "?r=", "?r=x", "?r=" + strings.Repeat("A", 9000), "?r=AAAA"} {
		p := newBrowser(t).get(w.base + "/done" + q)
		require.Equal(t, http.StatusNotFound, p.status, q)
		require.Contains(t, p.text(), "does not work any more")
	}
	b := newBrowser(t)
	w.SignIn(w.anna)
	p := b.post(w.bootstrap(t), nil)
	require.Equal(t, http.StatusOK, p.status)
	require.Equal(t, http.StatusOK, newBrowser(t).get(p.at.String()).status, "it may be loaded again")
	w.pass(2 * time.Hour)
	require.Equal(t, http.StatusNotFound, newBrowser(t).get(p.at.String()).status)
	require.NotContains(t, p.body, "href=\"//")
}
