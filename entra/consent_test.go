package entra_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

func TestAnAdministratorConnectsTheirTenant(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *site) {
		s.options.Check = func(_ context.Context, c entra.Connection) (entra.Organization, error) {
			return entra.Organization{Name: s.contoso.Name, Domain: s.contoso.Domain}, nil
		}
	})
	link := s.link(t, "contoso", "north")
	require.True(t, strings.HasPrefix(link, s.base+"/c/"))
	b := newBrowser(t)
	p := b.open(link)
	require.Equal(t, http.StatusOK, p.status)
	for _, text := range []string{
		"Connect Microsoft 365 with IT of north", "CONTOSO", "Contacts in step", "User.Read.All", "Read the profiles of all users", "For teams",
		"See the list at Microsoft", "7 more days", "Call us: +1 555 0100",
	} {
		require.Contains(t, p.text(), text)
	}
	require.Contains(t, p.header.Get("Content-Security-Policy"), "form-action 'self' "+strings.TrimSuffix(s.URL(), "/login")+";", "the page with the button says where it may lead")

	s.SignIn(s.anna)
	p = b.press(link, nil)
	require.Equal(t, http.StatusOK, p.status, p.text())
	require.Contains(t, p.text(), "Contoso Ltd is now connected with IT of north")
	require.Contains(t, p.text(), "contoso.onmicrosoft.com")
	require.True(t, s.contoso.Consented(s.app.ID))
	require.Equal(t, []entra.Connection{{
		Tenant: "contoso", Owner: "north", Integration: "contacts", EntraID: s.contoso.ID, Domain: "contoso.onmicrosoft.com", Name: "Contoso Ltd",
		Via: entra.ViaConsent, By: s.anna.ObjectID, ConnectedAt: s.now(), CheckedAt: s.now(),
	}}, s.connections(t))
	require.NotContains(t, p.at.String(), "code=", "the code does not stay in the address")
	require.Equal(t, http.StatusOK, b.open(p.at.String()).status, "the last page may be loaded again")
	s.pass(2 * time.Hour)
	require.Equal(t, http.StatusNotFound, b.open(p.at.String()).status)

	// The first request says what is asked for, the second one only who it is.
	consent, signIn := p.via[0].Query(), p.via[2].Query()
	require.Equal(t, "/login/organizations/v2.0/adminconsent", p.via[0].Path)
	require.Equal(t, s.Cloud().Scope(), consent.Get("scope"))
	require.Equal(t, "/login/organizations/oauth2/v2.0/authorize", p.via[2].Path)
	require.Equal(t, "openid profile", signIn.Get("scope"))
	require.Equal(t, "S256", signIn.Get("code_challenge_method"))
	require.NotEmpty(t, signIn.Get("nonce"))
	require.NotEqual(t, consent.Get("state"), signIn.Get("state"))
	for _, secret := range []string{strings.TrimPrefix(link, s.base+"/c/"), "contoso", "north"} {
		require.NotContains(t, p.via[0].RawQuery+p.via[2].RawQuery, secret)
	}

	p = b.open(link)
	require.Equal(t, http.StatusNotFound, p.status)
	require.Contains(t, p.text(), "does not work any more")
	require.Empty(t, s.log.String())
}

// The link goes by mail, and programs open what comes by mail.
func TestAScannerConnectsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.SignIn(nil) // no scanner has an account at the customer's
	link := s.link(t, "contoso", "north")
	for range 3 {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			req, err := http.NewRequestWithContext(t.Context(), method, link, http.NoBody)
			require.NoError(t, err)
			p := newBrowser(t).send(req, nil)
			require.Equal(t, http.StatusOK, p.status)
			require.Empty(t, p.header.Values("Set-Cookie"))
		}
		p := newBrowser(t).press(link, nil)
		require.Contains(t, p.body, "Nobody is signed in")
	}
	for _, at := range []string{"/callback", "/callback?admin_consent=True&tenant=" + s.contoso.ID, "/callback?code=1&state=" + strings.Repeat("A", 43)} {
		p := newBrowser(t).open(s.base + at)
		require.Equal(t, http.StatusBadRequest, p.status)
	}
	require.Empty(t, s.connections(t))
	s.SignIn(s.anna)
	require.Equal(t, http.StatusOK, newBrowser(t).press(link, nil).status, "the link was not used up")
	require.Len(t, s.connections(t), 1)
}

func TestWhatMicrosoftSaysAboutTheTenantIsIgnored(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.SignIn(s.anna)
	b := newBrowser(t)
	p := b.press(s.link(t, "contoso", "north"), s.callback(1))
	forged, err := url.Parse(p.last())
	require.NoError(t, err)
	q := forged.Query()
	require.Equal(t, s.contoso.ID, q.Get("tenant"))
	q.Set("tenant", s.fabrikam.ID)
	forged.RawQuery = q.Encode()
	require.Equal(t, http.StatusOK, b.open(forged.String()).status)
	list := s.connections(t)
	require.Len(t, list, 1)
	require.Equal(t, s.contoso.ID, list[0].EntraID)
}

// What is no error is no consent either.
func TestAnAnswerThatSaysNothingIsNoConsent(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "False", "yes"} {
		s := newSite(t, nil)
		s.SignIn(s.anna)
		b := newBrowser(t)
		answer, err := url.Parse(b.press(s.link(t, "contoso", "north"), s.callback(1)).last())
		require.NoError(t, err)
		q := answer.Query()
		q.Set("admin_consent", said)
		answer.RawQuery = q.Encode()
		p := b.open(answer.String())
		require.Equal(t, http.StatusForbidden, p.status, said)
		require.Contains(t, p.text(), "The permissions were not accepted", said)
		require.Empty(t, s.connections(t))
	}
}

// An attacker skips Microsoft's consent page and says that an administrator has consented. Contoso has, long ago, to another
// owner.
func TestAMemberCannotConnectTheirEmployersTenant(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.contoso.Consent(s.app.ID)
	s.SignIn(s.otto)
	b := newBrowser(t)
	p := b.press(s.link(t, "mallorys-customer", "mallory"), s.callback(1))
	refused, err := url.Parse(p.last())
	require.NoError(t, err)
	require.Equal(t, "access_denied", refused.Query().Get("error"))
	refused.RawQuery = url.Values{"admin_consent": {"True"}, "tenant": {s.contoso.ID}, "state": {refused.Query().Get("state")}}.Encode()
	p = b.open(refused.String())
	require.Equal(t, http.StatusForbidden, p.status)
	require.Contains(t, p.text(), "This takes an administrator")
	require.Empty(t, s.connections(t))
}

func TestAnApplicationThatIsNotToldRolesSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.app.HideRoles = true
	s.SignIn(s.anna)
	link := s.link(t, "contoso", "north")
	require.Equal(t, http.StatusForbidden, newBrowser(t).press(link, nil).status)
	require.Contains(t, s.log.String(), "groupMembershipClaims")

	lax := newSite(t, func(s *site) { s.options.InsecureAnyMember = true })
	lax.app.HideRoles = true
	lax.SignIn(lax.anna)
	require.Equal(t, http.StatusOK, newBrowser(t).press(lax.link(t, "contoso", "north"), nil).status)
}

// Mallory got hold of the link for Contoso's mail and is an administrator of Fabrikam, from where it would be sent.
func TestACustomerIsNotConnectedToTwoTenantsByChance(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.SignIn(s.anna)
	require.Equal(t, http.StatusOK, newBrowser(t).press(s.link(t, "contoso", "north"), nil).status)
	mail, err := s.consent.Link(t.Context(), "contoso", "north", "mail")
	require.NoError(t, err)
	s.SignIn(s.mallory)
	p := newBrowser(t).press(mail, nil)
	require.Equal(t, http.StatusForbidden, p.status)
	require.Contains(t, p.text(), "This is another organisation")
	require.Len(t, s.connections(t), 1)
	s.SignIn(s.anna)
	require.Equal(t, http.StatusOK, newBrowser(t).press(mail, nil).status, "the link is left for the right person")
	require.Len(t, s.connections(t), 2)

	// A customer of two tenants: the MSP says so.
	require.NoError(t, s.store.Release(t.Context(), "contoso", "mail", "north"))
	mail, err = s.consent.LinkTo(t.Context(), "contoso", "north", "mail", s.fabrikam.ID)
	require.NoError(t, err)
	s.SignIn(s.mallory)
	require.Equal(t, http.StatusOK, newBrowser(t).press(mail, nil).status)
	require.Len(t, s.connections(t), 2)
}

func TestALinkThatWentToTheWrongPersonCanBeRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.SignIn(s.anna)
	link, other := s.link(t, "contoso", "north"), s.link(t, "contoso", "north")
	b := newBrowser(t)
	half := b.press(link, s.callback(2)).last() // the thief is about to sign in
	require.ErrorIs(t, s.consent.Revoke(t.Context(), link, "south"), entra.ErrState, "another owner")
	require.ErrorIs(t, s.consent.Revoke(t.Context(), "https://elsewhere.example/c/x", "north"), entra.ErrState)
	require.ErrorIs(t, s.consent.Revoke(t.Context(), s.base+"/c/x", "north"), entra.ErrState)
	require.Equal(t, http.StatusOK, newBrowser(t).open(link).status)
	require.NoError(t, s.consent.Revoke(t.Context(), link, "north"))
	require.ErrorIs(t, s.consent.Revoke(t.Context(), link, "north"), entra.ErrState)
	require.Equal(t, http.StatusNotFound, newBrowser(t).open(link).status)
	require.Equal(t, http.StatusNotFound, b.open(half).status)
	require.Empty(t, s.connections(t))
	require.Equal(t, http.StatusOK, newBrowser(t).open(other).status, "other links work on")
}

// Asking the tenant takes a while. What it was then must not be written over what it is now.
func TestACheckChangesNoOtherConnection(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *site) error{
		"released": func(*site) error { return nil },
		"of another owner": func(s *site) error {
			return s.store.Connect(t.Context(), entra.Connection{Tenant: "contoso", Owner: "south", Integration: "contacts", EntraID: s.fabrikam.ID})
		},
		"by GDAP": func(s *site) error {
			return s.store.Connect(t.Context(), entra.Connection{
				Tenant: "contoso", Owner: "north", Integration: "contacts", EntraID: s.contoso.ID, Via: entra.ViaGDAP, ExpiresAt: s.now().Add(time.Hour),
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var during func()
			s := newSite(t, func(s *site) {
				s.options.Check = func(context.Context, entra.Connection) (entra.Organization, error) {
					during()
					return entra.Organization{Name: "Contoso Ltd"}, errors.New("not yet")
				}
			})
			var want []entra.Connection
			during = func() {
				require.NoError(t, s.store.Release(t.Context(), "contoso", "contacts", "north"))
				require.NoError(t, change(s))
				want = s.connections(t)
			}
			s.SignIn(s.anna)
			newBrowser(t).press(s.link(t, "contoso", "north"), nil)
			require.Equal(t, want, s.connections(t))
			for _, c := range want {
				require.NoError(t, s.store.Release(t.Context(), c.Tenant, c.Integration, c.Owner))
			}

			require.NoError(t, s.store.Connect(t.Context(), entra.Connection{
				Tenant: "contoso", Owner: "north", Integration: "contacts", EntraID: s.contoso.ID, Via: entra.ViaConsent,
			}))
			_, err := s.consent.Check(t.Context(), "contoso", "contacts", "north")
			require.ErrorIs(t, err, entra.ErrNotConnected)
			require.Equal(t, want, s.connections(t))
		})
	}
}

// A guest was let in to read a document, not to give the tenant away, unless they were given a role there.
func TestAGuestDoesNotConnectTheTenantOfTheirHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		user   entratest.User
		status int
	}{
		"a guest":              {entratest.User{Provider: "https://sts.windows.net/4a2b7c1d-0000-4000-8000-000000000001/"}, http.StatusForbidden},
		"a personal account":   {entratest.User{Provider: "live.com"}, http.StatusForbidden},
		"a guest with a role":  {entratest.User{Provider: "live.com", DirectoryRoles: []string{"62e90394-69f5-4237-9190-012177145e10"}}, http.StatusOK},
		"a member":             {entratest.User{}, http.StatusOK},
		"a member, said twice": {entratest.User{Provider: "own"}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(s *site) { s.options.InsecureAnyMember = true })
			c.user.Username = "anna@contoso.com"
			if c.user.Provider == "own" {
				c.user.Provider = s.Cloud().Login + "/" + s.contoso.ID + "/v2.0"
			}
			c.user.Admin = false
			b, link := newBrowser(t), s.link(t, "contoso", "north")
			// The consent was given before, by an administrator: its answer is not authenticated.
			s.SignIn(s.anna)
			first := b.press(link, s.callback(1)).last()
			s.SignIn(s.contoso.AddUser(c.user))
			require.Equal(t, c.status, b.open(first).status)
		})
	}
}

func TestCookiesAreSecureHoweverTheAddressIsSpelled(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *site) { s.options.BaseURL = "HTTPS://msp.example/connect" })
	h, err := s.consent.Handler("/connect")
	require.NoError(t, err)
	link := s.link(t, "contoso", "north")
	req := httptest.NewRequest(http.MethodPost, strings.TrimPrefix(link, "HTTPS://msp.example"), http.NoBody)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res := httptest.NewRecorder()
	h.ServeHTTP(res, req)
	require.Equal(t, http.StatusSeeOther, res.Code)
	cookies := res.Result().Cookies()
	require.Len(t, cookies, 1)
	require.True(t, cookies[0].Secure && cookies[0].HttpOnly)
	require.True(t, strings.HasPrefix(cookies[0].Name, "__Host-"))
}

func TestRefusalsLeaveTheLinkForTheRightPerson(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(s *site)
		status  int
		text    string
	}{
		"declined":     {func(s *site) { s.SignIn(s.anna); s.Decline(true) }, http.StatusForbidden, "AADSTS65004"},
		"no admin":     {func(s *site) { s.SignIn(s.otto) }, http.StatusForbidden, "AADSTS90094"},
		"other tenant": {func(s *site) { s.SignIn(s.mallory) }, http.StatusForbidden, "This is another organisation"},
		"Entra fails": {func(s *site) {
			s.SignIn(s.anna)
			s.Fail(entratest.Fault{Endpoint: entratest.Token, Code: 53003})
		}, http.StatusBadGateway, "AADSTS53003"},
		"Entra is away": {func(s *site) {
			s.SignIn(s.anna)
			s.Fail(entratest.Fault{Endpoint: entratest.Token, Drop: true})
		}, http.StatusServiceUnavailable, "Not possible at the moment"},
		"no keys": {func(s *site) {
			s.SignIn(s.anna)
			s.Fail(entratest.Fault{Endpoint: entratest.Keys, Status: http.StatusInternalServerError, Times: 2})
		}, http.StatusServiceUnavailable, "Not possible at the moment"},
		"no token": {func(s *site) {
			s.SignIn(s.anna)
			s.Fail(entratest.Fault{Endpoint: entratest.Token, Status: http.StatusOK, Body: `{"token_type":"Bearer"}`})
		}, http.StatusBadGateway, "Microsoft did not let it happen"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			c.prepare(s)
			link, err := s.consent.LinkTo(t.Context(), "contoso", "north", "contacts", strings.ToUpper(s.contoso.ID))
			require.NoError(t, err)
			p := newBrowser(t).press(link, nil)
			require.Equal(t, c.status, p.status, p.text())
			require.Contains(t, p.text(), c.text)
			require.Contains(t, p.body, "Start again")
			require.Empty(t, s.connections(t))
			for _, secret := range []string{"the client secret", strings.TrimPrefix(link, s.base)} {
				require.NotContains(t, s.log.String(), secret)
			}
			s.SignIn(s.anna)
			s.Decline(false)
			s.pass(time.Minute)
			require.Equal(t, http.StatusOK, newBrowser(t).press(link, nil).status, "the right person may still come")
			require.Len(t, s.connections(t), 1)
		})
	}
}

func TestTheHostHasTheLastWord(t *testing.T) {
	t.Parallel()
	var asked atomic.Value
	s := newSite(t, func(s *site) {
		s.options.Authorize = func(_ context.Context, who entra.Identity, c entra.Connection) error {
			asked.Store([2]string{who.ObjectID, c.EntraID + " " + string(c.Tenant)})
			return errors.New("not this one")
		}
	})
	s.SignIn(s.anna)
	p := newBrowser(t).press(s.link(t, "contoso", "north"), nil)
	require.Equal(t, http.StatusForbidden, p.status)
	require.Contains(t, p.text(), "cannot be connected here")
	require.Equal(t, [2]string{s.anna.ObjectID, s.contoso.ID + " contoso"}, asked.Load())
	require.Empty(t, s.connections(t))
}

func TestATenantBelongsToOneOwnerAndOneCustomer(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.SignIn(s.anna)
	require.Equal(t, http.StatusOK, newBrowser(t).press(s.link(t, "contoso", "north"), nil).status)

	foreign := s.link(t, "souths-contoso", "south")
	p := newBrowser(t).press(foreign, nil)
	require.Equal(t, http.StatusConflict, p.status)
	require.Contains(t, p.text(), "must be released there first")
	require.NotContains(t, p.body, "north", "who it is is not told")
	require.Equal(t, http.StatusNotFound, newBrowser(t).open(foreign).status)

	p = newBrowser(t).press(s.link(t, "another customer", "north"), nil)
	require.Equal(t, http.StatusConflict, p.status)
	require.Contains(t, p.text(), "Already connected to another customer")
	s.SignIn(s.mallory) // and nobody puts their own tenant in the place of Contoso's
	p = newBrowser(t).press(s.link(t, "contoso", "north"), nil)
	require.Equal(t, http.StatusConflict, p.status)
	require.Len(t, s.connections(t), 1)
	require.Equal(t, s.contoso.ID, s.connections(t)[0].EntraID)

	require.ErrorIs(t, s.consent.Release(t.Context(), "contoso", "contacts", "south"), entra.ErrNotConnected)
	require.NoError(t, s.consent.Release(t.Context(), "contoso", "contacts", "north"))
	s.SignIn(s.anna)
	require.Equal(t, http.StatusOK, newBrowser(t).press(s.link(t, "souths-contoso", "south"), nil).status)
	require.Equal(t, "south", s.connections(t)[0].Owner)
}

// Each of these brings a callback that is not the one of this browser, this step or this link.
func TestCallbacksOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.SignIn(s.anna)
	refused := func(t *testing.T, p page) {
		t.Helper()
		require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, p.status)
		require.Contains(t, p.text(), "does not work any more")
	}
	t.Run("in another browser", func(t *testing.T) {
		t.Parallel()
		for n := 1; n <= 2; n++ {
			p := newBrowser(t).press(s.link(t, "a", "north"), s.callback(n))
			refused(t, newBrowser(t).open(p.last()))
		}
	})
	t.Run("the other owner's in this browser", func(t *testing.T) {
		t.Parallel()
		mallorys := newBrowser(t).press(s.link(t, "mallorys", "mallory"), s.callback(2)).last()
		victim := newBrowser(t)
		victim.press(s.link(t, "a", "north"), s.callback(2))
		refused(t, victim.open(mallorys))
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		for n := 1; n <= 2; n++ {
			b := newBrowser(t)
			link := s.link(t, "a", "north")
			p := b.press(link, s.callback(n))
			cookies := b.http.Jar.Cookies(p.at)
			b.open(p.last())
			refused(t, b.open(p.last()))
			b.http.Jar.SetCookies(p.at, cookies) // somebody kept them
			again := b.open(p.last())
			require.NotEqual(t, http.StatusOK, again.status)
			require.NoError(t, s.consent.Release(t.Context(), "a", "contacts", "north"))
		}
	})
	t.Run("a state of the wrong form", func(t *testing.T) {
		t.Parallel()
		for _, state := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 100_000)} {
			refused(t, newBrowser(t).open(s.base+"/callback?admin_consent=True&state="+state))
		}
	})
	t.Run("a forged cookie", func(t *testing.T) {
		t.Parallel()
		b := newBrowser(t)
		p := b.press(s.link(t, "forged", "north"), s.callback(1))
		other := newBrowser(t)
		q := other.press(s.link(t, "forged2", "north"), s.callback(1))
		mine, theirs := b.http.Jar.Cookies(p.at)[0], other.http.Jar.Cookies(q.at)[0]
		b.http.Jar.SetCookies(p.at, []*http.Cookie{{Name: mine.Name, Value: theirs.Value, Path: "/"}}) // of another state
		refused(t, b.open(p.last()))
		b.http.Jar.SetCookies(p.at, []*http.Cookie{{Name: mine.Name, Value: "bm90IHNlYWxlZA", Path: "/"}})
		refused(t, b.open(p.last()))
	})
	t.Run("after too long", func(t *testing.T) {
		t.Parallel()
		own := newSite(t, nil)
		own.SignIn(own.anna)
		b := newBrowser(t)
		p := b.press(own.link(t, "a", "north"), own.callback(1))
		own.pass(time.Hour)
		refused(t, b.open(p.last()))
	})
	t.Run("another sign-in's code", func(t *testing.T) {
		t.Parallel()
		own := newSite(t, nil)
		own.SignIn(own.mallory)
		stolen, err := url.Parse(newBrowser(t).press(own.link(t, "a", "mallory"), own.callback(2)).last())
		require.NoError(t, err)
		own.SignIn(own.anna)
		b := newBrowser(t)
		mine, err := url.Parse(b.press(own.link(t, "b", "north"), own.callback(2)).last())
		require.NoError(t, err)
		q := mine.Query()
		q.Set("code", stolen.Query().Get("code"))
		mine.RawQuery = q.Encode()
		require.Equal(t, http.StatusBadGateway, b.open(mine.String()).status)
		require.Empty(t, own.connections(t))
	})
	t.Run("HEAD", func(t *testing.T) {
		t.Parallel()
		b := newBrowser(t)
		p := b.press(s.link(t, "head", "north"), s.callback(2))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, p.last(), http.NoBody)
		require.NoError(t, err)
		require.Equal(t, http.StatusMethodNotAllowed, b.send(req, nil).status)
		_, err = s.store.Connection(t.Context(), "head", "contacts")
		require.ErrorIs(t, err, entra.ErrNotConnected)
	})
}

func TestOneOfManyWhoFinishAtOnceConnects(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.SignIn(s.anna)
	link := s.link(t, "contoso", "north")
	var ready []*browser
	var at []string
	for range 8 {
		b := newBrowser(t)
		ready = append(ready, b)
		at = append(at, b.press(link, s.callback(2)).last())
	}
	var wg sync.WaitGroup
	var ok atomic.Int32
	for i, b := range ready {
		wg.Go(func() {
			switch status := b.open(at[i]).status; status {
			case http.StatusOK:
				ok.Add(1)
			case http.StatusNotFound:
			default:
				t.Errorf("who came too late is told %d", status)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, ok.Load())
	require.Len(t, s.connections(t), 1)
}

func TestLinksEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	link := s.link(t, "contoso", "north")
	s.pass(7*24*time.Hour - time.Minute)
	p := newBrowser(t).open(link)
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.text(), "within two hours")
	n, err := s.consent.DeleteExpired(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	s.pass(time.Minute)
	over := newBrowser(t).open(link)
	require.Equal(t, http.StatusNotFound, over.status)
	n, err = s.consent.DeleteExpired(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	made := newBrowser(t).open(s.base + "/c/AAAA")
	require.Equal(t, over.body, made.body, "one that is over looks like one that never was")
	other := newSite(t, nil)
	foreign := strings.TrimPrefix(other.link(t, "contoso", "north"), other.base)
	require.Equal(t, http.StatusNotFound, newBrowser(t).open(s.base+foreign).status)
}

// Whoever can write to the database gives a link of one customer to another one.
func TestALinkCannotBeMovedInTheDatabase(t *testing.T) {
	t.Parallel()
	moved := &movingStore{ConnectionStore: entra.NewMemory()}
	s := newSite(t, func(s *site) { s.store = moved })
	link := s.link(t, "contoso", "north")
	require.Equal(t, http.StatusOK, newBrowser(t).open(link).status)
	for _, move := range []func(*entra.LinkState){
		func(s *entra.LinkState) { s.Owner = "mallory" },
		func(s *entra.LinkState) { s.Tenant = "fabrikam" },
		func(s *entra.LinkState) { s.Integration = "mail" },
	} {
		moved.move.Store(&move)
		require.Equal(t, http.StatusNotFound, newBrowser(t).open(link).status)
	}
}

type movingStore struct {
	entra.ConnectionStore
	move atomic.Pointer[func(*entra.LinkState)]
}

func (m *movingStore) State(ctx context.Context, hash []byte, now time.Time) (entra.LinkState, error) {
	s, err := m.ConnectionStore.State(ctx, hash, now)
	if move := m.move.Load(); move != nil {
		(*move)(&s)
	}
	return s, err
}

func TestALinkIsGivenBackWhereTheStoreFails(t *testing.T) {
	t.Parallel()
	failing := &failingStore{ConnectionStore: entra.NewMemory()}
	s := newSite(t, func(s *site) { s.store = failing })
	s.SignIn(s.anna)
	link := s.link(t, "contoso", "north")
	failing.on.Store(true)
	require.Equal(t, http.StatusServiceUnavailable, newBrowser(t).press(link, nil).status)
	failing.on.Store(false)
	require.Equal(t, http.StatusOK, newBrowser(t).press(link, nil).status)
}

// What the host has allowed is done, also where nobody waits for the page any more.
func TestWhoHangsUpAtTheEndIsConnected(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	s := newSite(t, func(s *site) {
		s.options.Authorize = func(context.Context, entra.Identity, entra.Connection) error {
			hangUp()
			return nil
		}
	})
	s.SignIn(s.anna)
	b := newBrowser(t)
	p := b.press(s.link(t, "contoso", "north"), s.callback(2))
	pages, err := s.consent.Handler("/connect")
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, p.last(), http.NoBody)
	for _, c := range b.http.Jar.Cookies(p.at) {
		r.AddCookie(c)
	}
	pages.ServeHTTP(httptest.NewRecorder(), r)
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.Len(t, s.connections(t), 1)
}

type failingStore struct {
	entra.ConnectionStore
	on atomic.Bool
}

func (f *failingStore) Connect(ctx context.Context, c entra.Connection) error {
	if f.on.Load() {
		return errors.New("the database is away")
	}
	return f.ConnectionStore.Connect(ctx, c)
}

func TestCookiesAreForThisHostAndTLSOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.options
	o.BaseURL = "https://msp.example/connect"
	v, err := entra.NewVerifier(s.Cloud(), s.app.ID, nil)
	require.NoError(t, err)
	c, err := entra.NewConsent(s.store, v, s.ring, &o)
	require.NoError(t, err)
	require.Equal(t, "https://msp.example/connect/callback", c.RedirectURL())
	h, err := c.Handler("/connect")
	require.NoError(t, err)
	link, err := c.Link(t.Context(), "contoso", "north", "mail")
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, link, http.NoBody)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusSeeOther, w.Code)
	cookie := w.Result().Cookies()[0]
	require.True(t, strings.HasPrefix(cookie.Name, "__Host-"))
	require.True(t, cookie.Secure && cookie.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	require.Equal(t, "/", cookie.Path)
	require.Empty(t, cookie.Domain)
	require.Equal(t, 3600, cookie.MaxAge)
	to, err := url.Parse(w.Header().Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "https://graph.example/Mail.Send", to.Query().Get("scope"))
	require.Equal(t, "max-age=31536000", w.Header().Get("Strict-Transport-Security"))
}

func TestHealthOfConnectedTenants(t *testing.T) {
	t.Parallel()
	var problem atomic.Value
	s := newSite(t, func(s *site) {
		s.options.Check = func(context.Context, entra.Connection) (entra.Organization, error) {
			err, _ := problem.Load().(error)
			return entra.Organization{Name: "Contoso\u202e Ltd"}, err
		}
	})
	require.NoError(t, s.store.Connect(t.Context(), entra.Connection{
		Tenant: "contoso", Owner: "north", Integration: "contacts", EntraID: s.contoso.ID, ExpiresAt: s.now().Add(31 * 24 * time.Hour),
	}))
	health := func() entra.Health {
		list, err := s.consent.Connections(t.Context(), "north")
		require.NoError(t, err)
		require.Len(t, list, 1)
		return list[0].Health(s.now())
	}
	require.Equal(t, entra.HealthUnknown, health())
	c, err := s.consent.Check(t.Context(), "contoso", "contacts", "north")
	require.NoError(t, err)
	require.NotContains(t, c.Name, "\u202e")
	require.Equal(t, entra.HealthOK, health())
	problem.Store(error(entra.NewTokenError(http.StatusBadRequest, nil, []byte(`{"error":"unauthorized_client","error_codes":[700016]}`), s.now())))
	c, err = s.consent.Check(t.Context(), "contoso", "contacts", "north")
	require.NoError(t, err)
	require.Contains(t, c.Problem, "AADSTS700016")
	require.Contains(t, c.Problem, "new consent link")
	require.Equal(t, entra.HealthProblem, health())
	require.NoError(t, s.store.Checked(t.Context(), "contoso", "contacts", s.now(), ""))
	s.pass(2 * 24 * time.Hour)
	require.Equal(t, entra.HealthExpiring, health())
	s.pass(30 * 24 * time.Hour)
	require.Equal(t, entra.HealthExpired, health())
	_, err = s.consent.Check(t.Context(), "contoso", "contacts", "south")
	require.ErrorIs(t, err, entra.ErrNotConnected)
	_, err = s.consent.Connections(t.Context(), "")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestConsentOptionsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	v, err := entra.NewVerifier(s.Cloud(), s.app.ID, nil)
	require.NoError(t, err)
	for name, change := range map[string]func(*entra.ConsentOptions){
		"no client":      func(o *entra.ConsentOptions) { o.ClientID = "" },
		"another client": func(o *entra.ConsentOptions) { o.ClientID = consumers },
		"no secret":      func(o *entra.ConsentOptions) { o.Secret = mspkit.Redacted[string]{} },
		"two proofs": func(o *entra.ConsentOptions) {
			o.Assertion = func(context.Context, string) (string, error) { return "", nil }
		},
		"no base":           func(o *entra.ConsentOptions) { o.BaseURL = "" },
		"plain base":        func(o *entra.ConsentOptions) { o.BaseURL = "http://msp.example" },
		"redirect":          func(o *entra.ConsentOptions) { o.RedirectPath = "callback" },
		"no integration":    func(o *entra.ConsentOptions) { o.Integrations = nil },
		"nameless":          func(o *entra.ConsentOptions) { o.Integrations = []entra.Integration{{}} },
		"for ever":          func(o *entra.ConsentOptions) { o.LinkTTL = 31 * 24 * time.Hour },
		"negative":          func(o *entra.ConsentOptions) { o.LinkTTL = -1 },
		"nobody":            func(o *entra.ConsentOptions) { o.AdminRoles = []string{} },
		"a role by name":    func(o *entra.ConsentOptions) { o.AdminRoles = []string{"Global Administrator"} },
		"nobody to ask":     func(o *entra.ConsentOptions) { o.Describe = nil },
		"a cloud of no use": func(o *entra.ConsentOptions) { o.Cloud.Login = "http://login.example" },
	} {
		o := s.options
		change(&o)
		_, err := entra.NewConsent(s.store, v, s.ring, &o)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		require.NotContains(t, err.Error(), "the client secret")
	}
	_, err = entra.NewConsent(nil, v, s.ring, &s.options)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = s.consent.Handler("connect/")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, link := range []func() (string, error){
		func() (string, error) { return s.consent.Link(t.Context(), "contoso", "north", "teams") },
		func() (string, error) { return s.consent.Link(t.Context(), "", "north", "mail") },
		func() (string, error) { return s.consent.Link(t.Context(), "contoso", "", "mail") },
		func() (string, error) {
			return s.consent.LinkTo(t.Context(), "contoso", "north", "mail", "contoso.com")
		},
	} {
		_, err := link()
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
}

func TestALinkForWhatIsNotOfferedAnyMoreIsOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	link := s.link(t, "contoso", "north")
	o := s.options
	o.Integrations = []entra.Integration{{Name: "mail"}}
	v, err := entra.NewVerifier(s.Cloud(), s.app.ID, nil)
	require.NoError(t, err)
	c, err := entra.NewConsent(s.store, v, s.ring, &o)
	require.NoError(t, err)
	h, err := c.Handler("/connect")
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, link, http.NoBody))
	require.Equal(t, http.StatusNotFound, w.Code)
}

// The pages speak the language of the customer, whatever the reason is for which they end.
func TestPagesInGerman(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *site) {
		s.options.Describe = func(context.Context, entra.LinkState) (entra.Asking, error) {
			return entra.Asking{Brand: mspkit.Brand{Name: "Nord IT"}, Locale: "de"}, nil
		}
	})
	s.SignIn(s.anna)
	link := s.link(t, "contoso", "north")
	b := newBrowser(t)
	require.Contains(t, b.open(link).text(), "Microsoft 365 mit Nord IT verbinden")
	require.Contains(t, b.press(link, nil).text(), "ist jetzt mit Nord IT")
	p := b.press(s.link(t, "another", "north"), nil)
	require.Contains(t, p.text(), "Schon mit einem anderen Kunden verbunden")
	require.Equal(t, "de", p.header.Get("Content-Language"))
}
