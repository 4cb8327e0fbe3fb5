package accounts_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	tokens "github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/webtest"
)

// Who was put out must not come back by a mail of before, whether they had an account already or not.
func TestAnInvitationDoesNotOutliveTheAccountThatItIsTo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in     accounts.Invite
		change func(ctx context.Context, s *accounts.Service) error
		stays  bool
	}{
		"removed": {
			change: func(ctx context.Context, s *accounts.Service) error { return s.Remove(ctx, "anna", "otto") },
		},
		"disabled and enabled": {
			change: func(ctx context.Context, s *accounts.Service) error {
				return errors.Join(s.Disable(ctx, "anna", "otto"), s.Enable(ctx, "anna", "otto"))
			},
		},
		"demoted": {
			in: accounts.Invite{Role: entra.RoleAdmin},
			change: func(ctx context.Context, s *accounts.Service) error {
				return errors.Join(s.SetRole(ctx, "anna", "otto", entra.RoleAdmin), s.SetRole(ctx, "anna", "otto", entra.RoleTechnician))
			},
		},
		"limited": {
			change: func(ctx context.Context, s *accounts.Service) error { return s.SetUI(ctx, "anna", "otto", entra.UIPod) },
		},
		"changed in another way": {
			change: func(ctx context.Context, s *accounts.Service) error {
				return s.SetMFA(ctx, "anna", "otto", accounts.MFAOn)
			},
			stays: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := team(t, nil)
			tt.in.AccountID = "otto"
			_, link := w.invite(t, tt.in)
			_, other := w.invite(t, accounts.Invite{AccountID: "somebody-else"})
			require.NoError(t, tt.change(t.Context(), w.service))
			_, err := w.service.Accept(t.Context(), token(link), answer(w.otto), "")
			if tt.stays {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, accounts.ErrState)
			require.Contains(t, w.audit.told(), "invitation-revoked|otto|anna|"+max(tt.in.Role, entra.RoleTechnician).String())
			_, err = w.service.Open(t.Context(), token(other))
			require.NoError(t, err)
			_, err = w.store.ByIdentity(t.Context(), "north", w.north.ID, w.otto.ObjectID)
			require.ErrorIs(t, err, accounts.ErrNotFound)
		})
	}
}

// Two invitations to one account, of which the first was accepted: the second is no way back for whoever has it.
func TestASecondInvitationIsNoWayBackAfterUnlinking(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	_, first := w.invite(t, accounts.Invite{AccountID: "otto"})
	_, second := w.invite(t, accounts.Invite{AccountID: "otto"})
	_, err := w.service.Accept(t.Context(), token(first), answer(w.otto), "")
	require.NoError(t, err)
	require.NoError(t, w.service.Unlink(t.Context(), "anna", "otto"))
	_, err = w.service.Accept(t.Context(), token(second), answer(w.otto), "")
	require.ErrorIs(t, err, accounts.ErrState)
}

// An admin who was unlinked, or whose right came back later, does not have what they made before.
func TestInvitationsOfWhoWasPutOutStayEnded(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(ctx context.Context, s *accounts.Service) error{
		"unlinked": func(ctx context.Context, s *accounts.Service) error { return s.Unlink(ctx, "anna", "second") },
		"enabled again": func(ctx context.Context, s *accounts.Service) error {
			return errors.Join(s.Disable(ctx, "anna", "second"), s.Enable(ctx, "anna", "second"))
		},
		"promoted again": func(ctx context.Context, s *accounts.Service) error {
			return errors.Join(s.SetRole(ctx, "anna", "second", entra.RoleTechnician), s.SetRole(ctx, "anna", "second", entra.RoleAdmin))
		},
		"with the same id again": func(ctx context.Context, s *accounts.Service) error {
			return errors.Join(s.Remove(ctx, "anna", "second"), second(s.Add(ctx, "anna", accounts.Account{ID: "second", Role: entra.RoleAdmin})))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := team(t, nil)
			_, err := w.service.Add(t.Context(), "anna", accounts.Account{ID: "second", Role: entra.RoleAdmin})
			require.NoError(t, err)
			_, err = w.service.Link(t.Context(), "second", answer(w.otto))
			require.NoError(t, err)
			_, link, err := w.service.Invite(t.Context(), "second", accounts.Invite{Name: "Me again", Role: entra.RoleAdmin})
			require.NoError(t, err)
			require.NoError(t, f(t.Context(), w.service))
			_, err = w.service.Open(t.Context(), token(link.Reveal()))
			require.ErrorIs(t, err, accounts.ErrState)
		})
	}
}

// A host may let technicians invite. That makes them no admins, and gives them nothing over admins.
func TestNobodyGivesMoreThanTheyHave(t *testing.T) {
	t.Parallel()
	policy := entra.DefaultPolicy().With(entra.RoleTechnician, entra.PermissionInvitations)
	w := team(t, func(w *world) { w.options.Policy = policy })
	s := w.service
	_, err := s.Add(t.Context(), "otto", accounts.Account{ID: "low"})
	require.NoError(t, err, "what they may")
	session := entra.WithUser(t.Context(), &entra.User{Owner: "north", ID: "otto", Role: entra.RoleTechnician, Policy: policy})
	for name, ctx := range map[string]context.Context{"by the account": t.Context(), "by the session": session} {
		before, err := s.List(t.Context())
		require.NoError(t, err)
		w.audit.take()
		for what, f := range map[string]func() error{
			"promote themselves":   func() error { return s.SetRole(ctx, "otto", "otto", entra.RoleAdmin) },
			"promote another":      func() error { return s.SetRole(ctx, "otto", "low", entra.RoleAdmin) },
			"demote an admin":      func() error { return s.SetRole(ctx, "otto", "pod", entra.RoleTechnician) },
			"give an admin the UI": func() error { return s.SetUI(ctx, "otto", "pod", entra.UIFull) },
			"disable an admin":     func() error { return s.Disable(ctx, "otto", "pod") },
			"enable an admin":      func() error { return s.Enable(ctx, "otto", "off") },
			"ease an admin":        func() error { return s.SetMFA(ctx, "otto", "anna", accounts.MFAOff) },
			"remove an admin":      func() error { return s.Remove(ctx, "otto", "pod") },
			"add an admin":         func() error { return second(s.Add(ctx, "otto", accounts.Account{ID: "new", Role: entra.RoleAdmin})) },
			"invite an admin": func() error {
				_, _, err := s.Invite(ctx, "otto", accounts.Invite{Role: entra.RoleAdmin})
				return err
			},
			"invite to the account of an admin": func() error {
				_, _, err := s.Invite(ctx, "otto", accounts.Invite{AccountID: "pod"})
				return err
			},
		} {
			require.ErrorIs(t, f(), entra.ErrForbidden, name+": "+what)
			told := w.audit.told()
			require.Len(t, told, 1, what)
			require.Regexp(t, `^forbidden\|.*\|invitations$`, told[0])
		}
		after, err := s.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
	_, _, err = s.Invite(session, "otto", accounts.Invite{Name: "A colleague"})
	require.NoError(t, err)

	// Nor does an invitation that an admin made give more than they still have.
	_, err = s.Add(t.Context(), "anna", accounts.Account{ID: "second", Role: entra.RoleAdmin})
	require.NoError(t, err)
	_, link, err := s.Invite(t.Context(), "second", accounts.Invite{Role: entra.RoleAdmin})
	require.NoError(t, err)
	_, plain, err := s.Invite(t.Context(), "second", accounts.Invite{})
	require.NoError(t, err)
	require.NoError(t, s.SetRole(t.Context(), "anna", "second", entra.RoleTechnician))
	_, err = s.Open(t.Context(), token(link.Reveal()))
	require.ErrorIs(t, err, accounts.ErrState)
	_, err = s.Open(t.Context(), token(plain.Reveal()))
	require.NoError(t, err)
}

// Whoever has the session of an admin must not rid it of the second factor for good.
func TestNobodyDoesWithoutTheirOwnSecondFactor(t *testing.T) {
	t.Parallel()
	for byDefault, off := range map[bool][]accounts.MFA{true: {accounts.MFAOff}, false: {accounts.MFAOff, accounts.MFADefault}} {
		w := team(t, func(w *world) { w.options.MFA = byDefault })
		require.NoError(t, w.service.SetMFA(t.Context(), "anna", "anna", accounts.MFAOn))
		w.audit.take()
		for _, m := range off {
			require.ErrorIs(t, w.service.SetMFA(t.Context(), "anna", "anna", m), entra.ErrForbidden)
			require.Equal(t, []string{"forbidden|anna||invitations"}, w.audit.told())
		}
		require.NoError(t, w.service.SetMFA(t.Context(), "anna", "otto", accounts.MFAOn))
		require.NoError(t, w.service.SetMFA(t.Context(), "anna", "otto", accounts.MFAOff), "that of somebody else")
		require.NoError(t, w.service.SetMFA(t.Context(), accounts.ByHost, "anna", accounts.MFAOff))
	}
}

// A client that is disconnected takes its people out of the portal, and a tenant that is another client's brings them to no other.
func TestThePortalEndsWithTheTenant(t *testing.T) {
	t.Parallel()
	connected := true
	w := team(t, func(w *world) {
		ask := w.options.ClientTenants
		w.options.ClientTenants = func(ctx context.Context, client mspkit.TenantID) ([]string, error) {
			if !connected {
				return nil, nil
			}
			return ask(ctx, client)
		}
	})
	_, link := w.invite(t, accounts.Invite{Kind: accounts.Portal, Client: "contoso"})
	_, err := w.service.Accept(t.Context(), token(link), answer(w.carl), "")
	require.NoError(t, err)
	_, err = w.service.ResolvePortal(t.Context(), answer(w.carl).Identity)
	require.NoError(t, err)
	connected = false
	_, err = w.service.ResolvePortal(t.Context(), answer(w.carl).Identity)
	require.ErrorIs(t, err, accounts.ErrTenant)
}

// A first admin whose token says otherwise could do nothing, and nobody could come after them.
func TestTheFirstAdminIsOneInEntraAsWell(t *testing.T) {
	t.Parallel()
	for _, from := range []accounts.RoleSource{accounts.RolesFromEntra, accounts.RolesRequired} {
		w := newWorld(t, source(from))
		link := w.bootstrap(t)
		as := func(role string) error {
			_, err := w.service.Accept(t.Context(), token(link), answer(w.anna, func(a *entra.Answer) { a.Identity.Roles = []string{role} }), "")
			return err
		}
		require.ErrorIs(t, as("Technician"), accounts.ErrNoRole)
		require.NoError(t, as("Admin"), "the link is as it was")
	}
}

// A mail scanner opens every link and submits every form, also again and later.
func TestAScannerUsesNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	setup := w.bootstrap(t)
	_, join := w.invite(t, accounts.Invite{Name: "Otto"})
	for range 3 {
		for _, link := range []string{setup, join} {
			b := newBrowser(t)
			require.Equal(t, http.StatusOK, b.get(link).status)
			w.SignIn(nil) // it has no account
			b.post(link, nil)
			b.post(link+"/install", nil)
		}
		w.pass(time.Minute)
	}
	w.SignIn(w.anna)
	require.Equal(t, http.StatusOK, newBrowser(t).post(setup, nil).status)
	w.SignIn(w.otto)
	require.Equal(t, http.StatusOK, newBrowser(t).post(join, nil).status)
}

// With the session of an admin alone nobody becomes one.
func TestAChangeTakesAStepUpWhereTheHostWantsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.pages.Fresh = 10 * time.Minute })
	anna := w.set(t)
	_, a := w.signedIn(t, accounts.Invite{Name: "Otto"})
	inv, _ := w.invite(t, accounts.Invite{Name: "Lena"})
	require.Contains(t, anna.post(w.base+"/a/"+a.ID, form("Technician", "pod", "default", "allowed")).text(), "Saved")
	w.pass(11 * time.Minute)
	before, err := w.service.List(t.Context())
	require.NoError(t, err)
	w.audit.take()
	for _, at := range []string{"/a/" + a.ID, "/a/" + a.ID + "/unlink", "/a/" + a.ID + "/remove", "/invite", "/i/" + inv.ID + "/revoke"} {
		f := form("Admin", "full", "default", "allowed")
		f.Set("kind", "technician")
		p := anna.post(w.base+at, f)
		require.Equal(t, "/auth/stepup", p.at.Path, at)
	}
	require.Equal(t, http.StatusOK, anna.get(w.base+"/").status, "looking changes nothing")
	after, err := w.service.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Empty(t, w.audit.take())
}

// Whatever comes first, an acceptance or the removal: who was removed is not there afterwards.
func TestAnAcceptanceBesideARemovalBringsNobodyBack(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	other, err := accounts.New(w.store, w.ring, &w.options)
	require.NoError(t, err)
	for range 50 {
		_, link := w.invite(t, accounts.Invite{AccountID: "otto"})
		var removed error
		var both sync.WaitGroup
		both.Go(func() { _, _ = other.Accept(t.Context(), token(link), answer(w.otto), "") })
		both.Go(func() { removed = w.service.Remove(t.Context(), "anna", "otto") })
		both.Wait()
		require.NoError(t, removed)
		_, err = w.service.Get(t.Context(), "otto")
		require.ErrorIs(t, err, accounts.ErrNotFound)
		_, err = w.service.Add(t.Context(), accounts.ByHost, accounts.Account{ID: "otto"})
		require.NoError(t, err)
	}
}

// Two MSPs may share a store and a key ring: the link of one is worth nothing at the other.
func TestAnInvitationOfAnotherOwnerDoesNotOpen(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	o := w.options
	o.Owner = "south"
	south, err := accounts.New(w.store, w.ring, &o)
	require.NoError(t, err)
	_, link, err := south.Invite(t.Context(), accounts.ByHost, accounts.Invite{AccountID: "otto", Name: "Of the south"})
	require.NoError(t, err)
	text := token(link.Reveal())
	codec, err := tokens.NewCodec(w.ring, "entra/accounts")
	require.NoError(t, err)
	secret, owner, err := codec.Decode(text)
	require.NoError(t, err)
	require.Equal(t, "south", owner)
	for name, text := range map[string]string{"as it is": text, "with the owner in it changed": codec.Encode(secret, "north")} {
		_, err = w.service.Open(t.Context(), text)
		require.ErrorIs(t, err, accounts.ErrState, name)
		_, err = w.service.Accept(t.Context(), text, answer(w.otto), "")
		require.ErrorIs(t, err, accounts.ErrState, name)
	}
	_, err = south.Open(t.Context(), text)
	require.NoError(t, err, "it is still good where it is of")
}

// An instance may end between a change of an account and the end of the invitations by that person.
func TestAnInvitationThatACrashLeftOpenIsNotGood(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(a *accounts.Account){
		"demoted":  func(a *accounts.Account) { a.Role = entra.RoleTechnician },
		"limited":  func(a *accounts.Account) { a.UI = entra.UIPod },
		"disabled": func(a *accounts.Account) { a.DisabledAt = a.CreatedAt },
		"removed":  nil,
	} {
		w := team(t, nil)
		_, err := w.service.Add(t.Context(), accounts.ByHost, accounts.Account{ID: "second", Role: entra.RoleAdmin})
		require.NoError(t, err)
		_, link, err := w.service.Invite(t.Context(), "second", accounts.Invite{Role: entra.RoleAdmin})
		require.NoError(t, err)
		a, err := w.service.Get(t.Context(), "second")
		require.NoError(t, err)
		if f == nil {
			require.NoError(t, w.store.Remove(t.Context(), a.Owner, a.ID))
		} else {
			f(&a)
			a.Version++
			require.NoError(t, w.store.Update(t.Context(), a))
		}
		_, err = w.service.Open(t.Context(), token(link.Reveal()))
		require.ErrorIs(t, err, accounts.ErrState, name)
		_, err = w.service.Accept(t.Context(), token(link.Reveal()), answer(w.otto), "")
		require.ErrorIs(t, err, accounts.ErrState, name)
		list, err := w.service.Invitations(t.Context())
		require.NoError(t, err)
		require.Equal(t, accounts.StateRevoked, list[0].State, name)
	}
}

// A browser that hangs up in the middle must not leave a link that is used without an account.
func TestWhoHangsUpIsLetInAllTheSame(t *testing.T) {
	t.Parallel()
	m := &meddler{accounts.NewMemory(), func(*accounts.Record) {}}
	w := team(t, func(w *world) { w.store = m })
	_, link := w.invite(t, accounts.Invite{AccountID: "otto"})
	ctx, hangUp := context.WithCancel(t.Context())
	m.change = func(*accounts.Record) { hangUp() }
	a, err := w.service.Accept(ctx, token(link), answer(w.otto), "")
	require.NoError(t, err)
	require.Equal(t, "otto", a.ID)
	require.True(t, a.Linked())
}

// Pages that were put behind the sign-in of another MSP by mistake show its admins nothing.
func TestAnAdminOfAnotherOwnerSeesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	anna := w.set(t)
	client := webtest.Client(t)
	verifier, err := entra.NewVerifier(w.Cloud(), w.app.ID, &entra.VerifierOptions{Now: w.now, HTTPClient: client})
	require.NoError(t, err)
	north, err := entra.NewSSO(verifier, w.ring, &entra.SSOOptions{
		Cloud: w.Cloud(), ClientID: w.app.ID, Secret: mspkit.Redact("the client secret"), Owner: "north", BaseURL: w.origin + "/auth", Tenants: []string{w.north.ID},
		Resolve: w.service.Resolve, Now: w.now, Home: "/home", HTTPClient: client,
	})
	require.NoError(t, err)
	u, err := url.Parse(w.origin)
	require.NoError(t, err)
	o := w.options
	o.Owner = "south"
	service, err := accounts.New(w.store, w.ring, &o)
	require.NoError(t, err)
	south, err := service.Handler("/accounts", north, &w.pages)
	require.NoError(t, err)
	for status, h := range map[int]http.Handler{http.StatusOK: w.handler, http.StatusNotFound: south} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/", http.NoBody)
		for _, c := range anna.http.Jar.Cookies(u) {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		require.Equal(t, status, rec.Code)
	}
}
