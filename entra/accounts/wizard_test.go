package accounts_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/entra/entratest"
)

func TestTheFirstAdminInstallsTheApplicationAndIsLetIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	link := w.bootstrap(t)
	require.Equal(t, []string{"invited||" + accounts.ByHost + "|bootstrap"}, w.audit.told())
	b := newBrowser(t)
	w.SignIn(w.anna)
	for range 3 { // a scanner opens every link
		p := b.get(link)
		require.Equal(t, http.StatusOK, p.status)
		require.Contains(t, p.text(), "Set up signing in with Microsoft")
	}
	require.Empty(t, w.Requests(""), "nothing begins by GET")
	require.Empty(t, w.audit.told())

	p := b.post(link+"/install", nil)
	require.Equal(t, http.StatusOK, p.status, p.text())
	require.True(t, w.north.Consented(w.app.ID), "consent of the MSP's own tenant")
	require.Equal(t, link+"?installed", p.at.String())
	require.Contains(t, p.text(), "Accepted at Microsoft")
	require.NotContains(t, p.asked(t, "/adminconsent").Encode(), strings.TrimPrefix(link, w.base+"/setup/"), "the token does not travel to Microsoft")
	require.Contains(t, p.via[0].Path, w.north.ID, "the MSP's own tenant is asked")
	list, err := w.service.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list, "a consent proves nothing")

	p = b.post(link, nil)
	require.Equal(t, http.StatusOK, p.status, p.text())
	require.Contains(t, p.text(), "You are the first admin")
	require.Contains(t, p.asked(t, "/authorize").Get("asked at"), w.north.ID)
	require.Equal(t, "login", p.asked(t, "/authorize").Get("prompt"))
	boss := w.boss(t)
	require.True(t, boss.LinkedAdmin())
	require.Equal(t, "Anna", boss.Name)
	require.Equal(t, []string{"linked|" + boss.ID + "||bootstrap"}, w.audit.told())
	require.Equal(t, boss.ID+" Admin", b.get(w.origin+"/home").body, "she is signed in")
	require.Equal(t, http.StatusOK, b.get(w.base+"/").status)
	require.Equal(t, http.StatusNotFound, newBrowser(t).get(link).status, "it is used up")
	_, err = w.service.Bootstrap(t.Context())
	require.ErrorIs(t, err, accounts.ErrSetUp)
	require.NotContains(t, w.log.String(), strings.TrimPrefix(link, w.base+"/setup/"))
}

func TestTheConsentIsBelievedOnlyInTheBrowserThatBegan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	link := w.bootstrap(t)
	b := newBrowser(t)
	w.SignIn(w.anna)
	p := b.postUntil(link+"/install", nil, func(u *url.URL) bool { return u.Path == "/accounts/consented" })
	back := p.header.Get("Location")
	require.Contains(t, back, "admin_consent=True")
	for name, at := range map[string]string{
		"another browser":  back,
		"no state":         w.base + "/consented?admin_consent=True",
		"a made-up answer": w.base + "/consented?admin_consent=True&state=x&tenant=" + w.north.ID,
	} {
		p := newBrowser(t).get(at)
		require.Equal(t, http.StatusNotFound, p.status, name)
		require.NotContains(t, p.body+p.at.String(), strings.TrimPrefix(link, w.base+"/setup/"), name)
	}
	require.Equal(t, http.StatusNotFound, b.get(w.base+"/consented?admin_consent=True&state=x").status, "another state")
	head, err := http.NewRequestWithContext(t.Context(), http.MethodHead, back, http.NoBody)
	require.NoError(t, err)
	require.Equal(t, http.StatusMethodNotAllowed, b.send(head, nil).status)
	p = b.get(back)
	require.Equal(t, link+"?installed", p.at.String())
	require.Equal(t, http.StatusNotFound, b.get(back).status, "once")

	w.Decline(true)
	p = b.post(link+"/install", nil)
	require.Equal(t, http.StatusForbidden, p.status)
	require.Contains(t, p.text(), "Nothing was accepted")
	w.Decline(false)
	w.SignIn(w.otto)
	p = b.post(link+"/install", nil)
	require.Contains(t, p.text(), "Start again", "a member cannot accept")
	late := b.postUntil(link+"/install", nil, func(u *url.URL) bool { return u.Path == "/accounts/consented" })
	w.pass(2 * time.Hour)
	require.Equal(t, http.StatusNotFound, b.get(late.header.Get("Location")).status)
}

func TestWhoMayNotBecomeTheFirstAdminDoesNot(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare func(w *world)
		says    string
		event   string
	}{
		"somebody of another tenant": {func(w *world) { w.SignIn(w.carl) }, "That is another organisation|Microsoft did not let it happen", ""},
		"somebody of the same name":  {func(w *world) { w.SignIn(w.mallory) }, "That is another organisation|Microsoft did not let it happen", ""},
		"a guest":                    {func(w *world) { w.SignIn(w.eve) }, "Guests cannot be linked", "link-refused|*||guest"},
		"who cancels":                {func(w *world) { w.SignIn(w.anna); w.Decline(true) }, "Nothing was accepted", ""},
		"who gave no password": {func(w *world) {
			w.SignIn(w.anna)
			w.Tamper(1, func(claims map[string]any, _ *entratest.SignOptions) {
				claims["auth_time"] = w.now().Add(-time.Hour).Unix()
			})
		}, "Microsoft did not ask for your password", ""},
		"when Microsoft is down": {func(w *world) {
			w.SignIn(w.anna)
			w.Fail(entratest.Fault{Endpoint: entratest.Token, Drop: true, Times: -1})
		}, "Not possible at the moment", ""},
		"when Microsoft refuses": {func(w *world) {
			w.SignIn(w.anna)
			w.Fail(entratest.Fault{Endpoint: entratest.Token, Code: 53003})
		}, "Microsoft did not let it happen", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			link := w.bootstrap(t)
			w.audit.take()
			tt.prepare(w)
			p := newBrowser(t).post(link, nil)
			require.GreaterOrEqual(t, p.status, 400, p.text())
			require.True(t, containsOne(p.text(), tt.says), p.text())
			require.Contains(t, p.text(), "Start again")
			list, err := w.service.List(t.Context())
			require.NoError(t, err)
			require.Empty(t, list)
			if tt.event != "" {
				told := w.audit.told()
				require.Len(t, told, 1)
				require.True(t, strings.HasSuffix(told[0], strings.Split(tt.event, "*")[1]), told[0])
			}
			require.Equal(t, http.StatusOK, newBrowser(t).get(link).status, "the right person may still come")
		})
	}
}

func containsOne(text, list string) bool {
	for one := range strings.SplitSeq(list, "|") {
		if strings.Contains(text, one) {
			return true
		}
	}
	return false
}

func TestTheLinkForTheFirstAdminEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	link := w.bootstrap(t)
	w.pass(time.Hour)
	require.Equal(t, http.StatusNotFound, newBrowser(t).get(link).status)
	w.SignIn(w.anna)
	require.Equal(t, http.StatusNotFound, newBrowser(t).post(link, nil).status)
	// Two links, one admin.
	one, two := w.bootstrap(t), w.bootstrap(t)
	require.Equal(t, http.StatusOK, newBrowser(t).post(one, nil).status)
	w.SignIn(w.otto)
	p := newBrowser(t).post(two, nil)
	require.Equal(t, http.StatusConflict, p.status)
	require.Contains(t, p.text(), "This is set up already")
	require.NotContains(t, p.text(), "Start again")
	// It is of no use as an invitation, nor the other way round.
	_, join := w.invite(t, accounts.Invite{Name: "Otto"})
	for _, at := range []string{strings.Replace(two, "/setup/", "/join/", 1), strings.Replace(join, "/join/", "/setup/", 1)} {
		require.Equal(t, http.StatusNotFound, newBrowser(t).get(at).status)
		require.Equal(t, http.StatusNotFound, newBrowser(t).post(at, nil).status)
	}
}

func TestTheFirstAdminKeepsTheAccountOfTheirSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, err := w.service.Add(t.Context(), accounts.ByHost, accounts.Account{ID: "u7", Name: "Anna of the host", Role: entra.RoleTechnician, MFA: accounts.MFAOn})
	require.NoError(t, err)
	b := w.as(t, "u7")
	w.SignIn(w.anna)
	require.Equal(t, http.StatusOK, b.post(w.bootstrap(t), nil).status)
	boss := w.boss(t)
	require.Equal(t, "u7", boss.ID)
	require.Equal(t, "Anna of the host", boss.Name)
	require.Equal(t, accounts.MFAOn, boss.MFA)
	require.True(t, boss.LinkedAdmin())
}

func TestAColleagueLinksTheirOwnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.set(t)
	_, err := w.service.Add(t.Context(), accounts.ByHost, accounts.Account{ID: "u2", Name: "Otto of the host"})
	require.NoError(t, err)
	require.Equal(t, []string{"account-added|u2|" + accounts.ByHost + "|Technician"}, w.audit.told())
	w.SignIn(w.otto)

	p := newBrowser(t).get(w.base + "/link")
	require.Equal(t, http.StatusUnauthorized, p.status)
	require.Contains(t, p.text(), "Sign in to the software first")
	require.Contains(t, p.body, `href="/login-of-host"`)
	require.Equal(t, http.StatusUnauthorized, newBrowser(t).post(w.base+"/link", nil).status)

	b := w.as(t, "u2")
	p = b.get(w.base + "/link")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.text(), "Otto of the host")
	p = b.post(w.base+"/link", nil)
	require.Equal(t, http.StatusOK, p.status, p.text())
	require.Contains(t, p.text(), "Your account is linked")
	a, err := w.service.Get(t.Context(), "u2")
	require.NoError(t, err)
	require.True(t, a.Is(w.north.ID, w.otto.ObjectID))
	require.Equal(t, []string{"linked|u2||"}, w.audit.told())
	asked := p.asked(t, "/authorize")
	require.Equal(t, "login", asked.Get("prompt"))
	require.Equal(t, "0", asked.Get("max_age"))
	require.Contains(t, asked.Get("asked at"), w.north.ID, "the MSP's own tenant is asked, and no other")
	require.NotContains(t, asked.Encode(), "otto", "no name and no address decides")
	require.Contains(t, b.get(w.base+"/link").text(), "Your account is linked", "and again")
	// From now on he signs in.
	other := newBrowser(t)
	other.post(w.origin+"/auth/signin", url.Values{"to": {"/home"}})
	require.Equal(t, "u2 Technician", other.get(w.origin+"/home").body)
}

// The same id is another person's at another MSP, whose software may be the same host.
func TestASessionOfAnotherOwnerLinksNobody(t *testing.T) {
	t.Parallel()
	owner := atomic.Pointer[string]{}
	is := func(name string) { owner.Store(&name) }
	is("south")
	w := newWorld(t, func(w *world) {
		host := w.pages.Host
		w.pages.Host = func(r *http.Request) (string, string, bool) {
			_, id, ok := host(r)
			return *owner.Load(), id, ok
		}
	})
	_, err := w.service.Add(t.Context(), accounts.ByHost, accounts.Account{ID: "u2", Name: "Otto of the north"})
	require.NoError(t, err)
	b := w.as(t, "u2")
	w.SignIn(w.anna)
	require.Equal(t, http.StatusOK, b.post(w.bootstrap(t), nil).status)
	require.NotEqual(t, "u2", w.boss(t).ID, "the first admin is not given the account of another")

	w.SignIn(w.otto)
	p := b.get(w.base + "/link")
	require.Equal(t, http.StatusUnauthorized, p.status)
	require.NotContains(t, p.text(), "Otto of the north")
	require.Equal(t, http.StatusUnauthorized, b.post(w.base+"/link", nil).status)

	t.Log("who comes back from Microsoft as somebody of another owner")
	is("north")
	p = b.postUntil(w.base+"/link", nil, func(u *url.URL) bool { return strings.HasPrefix(u.Path, "/login") })
	is("south")
	w.audit.take()
	require.Equal(t, http.StatusForbidden, b.get(p.header.Get("Location")).status)
	require.Equal(t, []string{"link-refused|u2||no-session"}, w.audit.told())
	a, err := w.service.Get(t.Context(), "u2")
	require.NoError(t, err)
	require.False(t, a.Linked())
}

func TestWhoMayNotLinkIsTold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, w *world, b *browser)
		status  int
		says    string
		reason  string
	}{
		"whose identity has another account": {func(t *testing.T, w *world, _ *browser) {
			t.Helper()
			w.SignIn(w.anna)
		}, http.StatusConflict, "That Microsoft account has another account here", "taken"},
		"a guest":           {func(_ *testing.T, w *world, _ *browser) { w.SignIn(w.eve) }, http.StatusForbidden, "Guests cannot be linked", "guest"},
		"of another tenant": {func(_ *testing.T, w *world, _ *browser) { w.SignIn(w.mallory) }, 0, "Microsoft did not let it happen|That is another organisation", ""},
		"whose account is linked": {func(t *testing.T, w *world, _ *browser) {
			t.Helper()
			third := w.north.AddUser(entratest.User{Name: "Third"})
			_, err := w.service.Link(t.Context(), "u2", answer(third))
			require.NoError(t, err)
			w.audit.take()
			w.SignIn(w.otto)
		}, http.StatusConflict, "This account is linked to somebody else", "linked"},
		"whose account is disabled": {func(t *testing.T, w *world, _ *browser) {
			t.Helper()
			require.NoError(t, w.service.Disable(t.Context(), accounts.ByHost, "u2"))
			w.audit.take()
			w.SignIn(w.otto)
		}, http.StatusForbidden, "This account is disabled", "disabled"},
		"whose account is gone": {func(t *testing.T, w *world, _ *browser) {
			t.Helper()
			require.NoError(t, w.service.Remove(t.Context(), accounts.ByHost, "u2"))
			w.audit.take()
			w.SignIn(w.otto)
		}, http.StatusForbidden, "There is no account for you", "no-account"},
		"who is somebody else when they come back": {
			func(_ *testing.T, w *world, b *browser) { w.SignIn(w.otto); w.host(b, "u3") },
			http.StatusForbidden, "You are not signed in any more", "other-person",
		},
		"who has signed out of the host": {func(_ *testing.T, w *world, b *browser) {
			w.SignIn(w.otto)
			u, _ := url.Parse(w.origin)
			b.http.Jar.SetCookies(u, []*http.Cookie{{Name: hostCookie, Path: "/", MaxAge: -1}})
		}, http.StatusForbidden, "You are not signed in any more", "no-session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.set(t)
			_, err := w.service.Add(t.Context(), accounts.ByHost, accounts.Account{ID: "u2", Name: "Otto"})
			require.NoError(t, err)
			w.audit.take()
			b := w.as(t, "u2")
			// The browser has left for Microsoft when it happens.
			p := b.postUntil(w.base+"/link", nil, func(u *url.URL) bool { return strings.HasPrefix(u.Path, "/login") })
			tt.prepare(t, w, b)
			p = b.get(p.header.Get("Location"))
			require.GreaterOrEqual(t, p.status, 400)
			if tt.status != 0 {
				require.Equal(t, tt.status, p.status)
			}
			require.True(t, containsOne(p.text(), tt.says), p.text())
			if tt.reason != "" {
				require.Equal(t, []string{"link-refused|u2||" + tt.reason}, w.audit.told())
			}
			if a, err := w.service.Get(t.Context(), "u2"); err == nil {
				require.False(t, a.Is(w.north.ID, w.otto.ObjectID))
			}
		})
	}
}

func TestASignInIsForWhatItWasBegunFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.set(t)
	_, err := w.service.Add(t.Context(), accounts.ByHost, accounts.Account{ID: "u2", Name: "Otto"})
	require.NoError(t, err)
	b := w.as(t, "u2")
	w.SignIn(w.otto)
	p := b.postUntil(w.base+"/link", nil, func(u *url.URL) bool { return u.Path == "/auth/callback" })
	back := p.header.Get("Location")
	require.Equal(t, http.StatusBadRequest, w.as(t, "u2").get(back).status, "another browser")
	require.Equal(t, http.StatusOK, b.get(back).status)
	require.Equal(t, http.StatusBadRequest, b.get(back).status, "once")
}
