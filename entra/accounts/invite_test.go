package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/entra/entratest"
)

func TestATechnicianAcceptsAnInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.set(t)
	boss := w.boss(t)
	inv, redacted, err := w.service.Invite(t.Context(), boss.ID, accounts.Invite{Name: "Otto", Address: "otto@north.example"})
	require.NoError(t, err)
	link := redacted.Reveal()
	require.Equal(t, accounts.Invitation{
		Owner: "north", ID: inv.ID, Kind: accounts.Technician, Name: "Otto", Address: "otto@north.example", Role: entra.RoleTechnician, AccountID: inv.AccountID,
		By: boss.ID, ByName: "Anna", State: accounts.StateOpen, CreatedAt: w.now(), ExpiresAt: w.now().Add(7 * 24 * time.Hour),
	}, inv)
	require.Equal(t, []string{"invited|" + inv.AccountID + "|" + boss.ID + "|Technician"}, w.audit.told())
	b := newBrowser(t)
	for range 3 {
		p := b.get(link)
		require.Equal(t, http.StatusOK, p.status)
		require.Contains(t, p.text(), "You are invited")
		require.Contains(t, p.text(), "Otto")
	}
	list, err := w.service.Invitations(t.Context())
	require.NoError(t, err)
	require.Equal(t, []accounts.Invitation{inv}, list, "opening changes nothing")

	for _, u := range []*entratest.User{w.carl, w.mallory, w.eve} { // the right person may still come
		w.SignIn(u)
		require.GreaterOrEqual(t, newBrowser(t).post(link, nil).status, 400, u.Name)
	}
	w.audit.take()
	w.SignIn(w.otto)
	p := b.post(link, nil)
	require.Equal(t, http.StatusOK, p.status, p.text())
	require.Contains(t, p.text(), "Welcome")
	require.Equal(t, "login", p.asked(t, "/authorize").Get("prompt"))
	require.Contains(t, p.asked(t, "/authorize").Get("asked at"), w.north.ID)
	a, err := w.service.Get(t.Context(), inv.AccountID)
	require.NoError(t, err)
	require.True(t, a.Is(w.north.ID, w.otto.ObjectID))
	require.Equal(t, entra.RoleTechnician, a.Role)
	require.Equal(t, []string{"invitation-accepted|" + a.ID + "|" + boss.ID + "|Technician", "linked|" + a.ID + "||technician"}, w.audit.told())
	require.Equal(t, a.ID+" Technician", b.get(w.origin+"/home").body)
	require.Equal(t, http.StatusForbidden, b.get(w.base+"/").status)
	require.Equal(t, http.StatusNotFound, newBrowser(t).get(link).status)
	list, err = w.service.Invitations(t.Context())
	require.NoError(t, err)
	require.Equal(t, accounts.StateAccepted, list[0].State)
	require.NotContains(t, w.log.String(), token(link))
}

func TestSomebodyOfAClientAcceptsAnInvitationToThePortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.set(t)
	_, link := w.invite(t, accounts.Invite{Kind: accounts.Portal, Client: "contoso", Name: "Carl"})
	b := newBrowser(t)
	require.Contains(t, b.get(link).text(), "invited to the client portal")
	w.SignIn(w.otto)
	require.GreaterOrEqual(t, newBrowser(t).post(link, nil).status, 400, "of the MSP and not of the client")
	w.SignIn(w.carl)
	p := b.post(link, nil)
	require.Equal(t, http.StatusOK, p.status, p.text())
	require.Contains(t, p.asked(t, "/authorize").Get("asked at"), w.contoso.ID)
	require.Contains(t, p.body, `href="/portal"`)
	require.Equal(t, "nobody", b.get(w.origin+"/home").body, "there is nothing for him among the technicians")
	a, err := w.store.ByIdentity(t.Context(), "north", w.contoso.ID, w.carl.ObjectID)
	require.NoError(t, err)
	require.Equal(t, accounts.Portal, a.Kind)
	require.Equal(t, mspkit.TenantID("contoso"), a.Client)
	require.Equal(t, entra.RoleNone, a.Role)
}

func TestInviteRefusesWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	for name, tt := range map[string]struct {
		in  accounts.Invite
		err error
	}{
		"another kind":             {accounts.Invite{Kind: "x"}, mspkit.ErrInvalid},
		"the kind of the first":    {accounts.Invite{Kind: accounts.Bootstrap, Role: entra.RoleAdmin}, mspkit.ErrInvalid},
		"another role":             {accounts.Invite{Role: 9}, mspkit.ErrInvalid},
		"another interface":        {accounts.Invite{UI: 9}, mspkit.ErrInvalid},
		"a technician of a client": {accounts.Invite{Client: "contoso"}, mspkit.ErrInvalid},
		"a portal of nobody":       {accounts.Invite{Kind: accounts.Portal}, mspkit.ErrInvalid},
		"a portal with a role":     {accounts.Invite{Kind: accounts.Portal, Client: "contoso", Role: entra.RoleAdmin}, mspkit.ErrInvalid},
		"a client without tenant":  {accounts.Invite{Kind: accounts.Portal, Client: "fabrikam"}, mspkit.ErrInvalid},
		"the id of the host":       {accounts.Invite{AccountID: accounts.ByHost}, mspkit.ErrInvalid},
		"a long id":                {accounts.Invite{AccountID: strings.Repeat("x", 200)}, mspkit.ErrInvalid},
		"a long address":           {accounts.Invite{Address: strings.Repeat("x", 300)}, mspkit.ErrInvalid},
		"an address of two lines":  {accounts.Invite{Address: "a@b.example\nBcc: c@d.example"}, mspkit.ErrInvalid},
		"31 days":                  {accounts.Invite{TTL: 31 * 24 * time.Hour}, mspkit.ErrInvalid},
		"a negative time":          {accounts.Invite{TTL: -1}, mspkit.ErrInvalid},
		"an account of somebody":   {accounts.Invite{AccountID: "anna"}, accounts.ErrLinked},
		"a disabled account":       {accounts.Invite{AccountID: "off"}, accounts.ErrDisabled},
		"an account of the portal": {accounts.Invite{AccountID: "carl"}, accounts.ErrConflict},
	} {
		_, link, err := w.service.Invite(t.Context(), "anna", tt.in)
		require.ErrorIs(t, err, tt.err, name)
		require.Empty(t, link.Reveal(), name)
	}
	require.Empty(t, w.audit.take())
	o := w.options
	o.ClientTenants = nil
	s, err := accounts.New(w.store, w.ring, &o)
	require.NoError(t, err)
	_, _, err = s.Invite(t.Context(), "anna", accounts.Invite{Kind: accounts.Portal, Client: "contoso"})
	require.ErrorContains(t, err, "no portal")
	o.ClientTenants = func(context.Context, mspkit.TenantID) ([]string, error) { return nil, errors.New("down") }
	s, err = accounts.New(w.store, w.ring, &o)
	require.NoError(t, err)
	_, _, err = s.Invite(t.Context(), "anna", accounts.Invite{Kind: accounts.Portal, Client: "contoso"})
	require.ErrorContains(t, err, "down")
}

func TestAnInvitationEndsAndIsRevoked(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	inv, link := w.invite(t, accounts.Invite{Name: "Otto", TTL: time.Hour})
	w.pass(time.Hour)
	_, err := w.service.Accept(t.Context(), token(link), answer(w.otto), "")
	require.ErrorIs(t, err, accounts.ErrState)
	list, err := w.service.Invitations(t.Context())
	require.NoError(t, err)
	require.Equal(t, accounts.StateExpired, list[0].State)
	require.ErrorIs(t, w.service.Revoke(t.Context(), "anna", inv.ID), accounts.ErrState)
	w.audit.take()

	inv, link = w.invite(t, accounts.Invite{Name: "Otto", TTL: 30 * 24 * time.Hour})
	w.audit.take()
	require.NoError(t, w.service.Revoke(t.Context(), "anna", inv.ID))
	require.Equal(t, []string{"invitation-revoked|" + inv.AccountID + "|anna|Technician"}, w.audit.told())
	_, err = w.service.Accept(t.Context(), token(link), answer(w.otto), "")
	require.ErrorIs(t, err, accounts.ErrState)
	require.Equal(t, []string{"link-refused|||state"}, w.audit.told())
	require.Equal(t, http.StatusNotFound, newBrowser(t).get(link).status)
	w.pass(31 * 24 * time.Hour)
	n, err := w.service.DeleteExpired(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	w.pass(90 * 24 * time.Hour)
	n, err = w.service.DeleteExpired(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// An admin who was shown the door must not come back by an invitation that they made before.
func TestAnInvitationEndsWithTheRightOfWhoMadeIt(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(ctx context.Context, s *accounts.Service) error{
		"demoted": func(ctx context.Context, s *accounts.Service) error {
			return s.SetRole(ctx, "anna", "second", entra.RoleTechnician)
		},
		"limited": func(ctx context.Context, s *accounts.Service) error {
			return s.SetUI(ctx, "anna", "second", entra.UIPod)
		},
		"disabled": func(ctx context.Context, s *accounts.Service) error { return s.Disable(ctx, "anna", "second") },
		"removed":  func(ctx context.Context, s *accounts.Service) error { return s.Remove(ctx, "anna", "second") },
	} {
		w := team(t, nil)
		_, err := w.service.Add(t.Context(), "anna", accounts.Account{ID: "second", Role: entra.RoleAdmin})
		require.NoError(t, err)
		_, link, err := w.service.Invite(t.Context(), "second", accounts.Invite{Name: "Me again", Role: entra.RoleAdmin})
		require.NoError(t, err)
		_, err = w.service.Open(t.Context(), token(link.Reveal()))
		require.NoError(t, err)
		require.NoError(t, f(t.Context(), w.service))
		_, err = w.service.Accept(t.Context(), token(link.Reveal()), answer(w.otto), "")
		require.ErrorIs(t, err, accounts.ErrState, name)
		list, err := w.service.Invitations(t.Context())
		require.NoError(t, err)
		require.Equal(t, accounts.StateRevoked, list[0].State, name)
	}
	// Where roles come from Entra, that of the account says nothing.
	w := team(t, source(accounts.RolesFromEntra))
	byEntra := entra.WithUser(t.Context(), &entra.User{Owner: "north", ID: "otto", Role: entra.RoleAdmin, Policy: entra.DefaultPolicy()})
	_, link, err := w.service.Invite(byEntra, "otto", accounts.Invite{Name: "New"})
	require.NoError(t, err)
	_, err = w.service.Open(t.Context(), token(link.Reveal()))
	require.NoError(t, err)
	require.NoError(t, w.service.Disable(t.Context(), "anna", "otto"))
	_, err = w.service.Open(t.Context(), token(link.Reveal()))
	require.ErrorIs(t, err, accounts.ErrState)
}

func TestTheHostMailsTheLink(t *testing.T) {
	t.Parallel()
	var sent []accounts.Invitation
	var links []string
	fail := false
	w := team(t, func(w *world) {
		w.options.Send = func(_ context.Context, inv accounts.Invitation, link mspkit.Redacted[string]) error {
			if fail {
				return errors.New("no mail today")
			}
			sent, links = append(sent, inv), append(links, link.Reveal())
			return nil
		}
	})
	inv, link := w.invite(t, accounts.Invite{Name: "Otto", Address: "otto@north.example"})
	require.Equal(t, []accounts.Invitation{inv}, sent)
	require.Equal(t, []string{link}, links)
	fail = true
	w.audit.take()
	_, none, err := w.service.Invite(t.Context(), "anna", accounts.Invite{Name: "Third"})
	require.ErrorContains(t, err, "no mail today")
	require.Empty(t, none.Reveal())
	require.Empty(t, w.audit.take())
	list, err := w.service.Invitations(t.Context())
	require.NoError(t, err)
	states := map[string]string{}
	for _, i := range list {
		states[i.Name] = i.State
	}
	require.Equal(t, map[string]string{"Otto": accounts.StateOpen, "Third": accounts.StateRevoked}, states, "nobody has the link")
}

func TestAcceptRefusesTheWrongSignIn(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	inv, link := w.invite(t, accounts.Invite{Name: "New"})
	_, portal := w.invite(t, accounts.Invite{Kind: accounts.Portal, Client: "contoso"})
	south := w.options
	south.Owner = "south"
	other, err := accounts.New(w.store, w.ring, &south)
	require.NoError(t, err)
	w.audit.take()
	for name, tt := range map[string]struct {
		service *accounts.Service
		link    string
		answer  entra.Answer
		err     error
	}{
		"another tenant":           {w.service, link, answer(w.carl), accounts.ErrTenant},
		"a guest":                  {w.service, link, answer(w.otto, func(a *entra.Answer) { a.Identity.Guest = true }), accounts.ErrGuest},
		"an old sign-in":           {w.service, link, answer(w.otto, func(a *entra.Answer) { a.Fresh = false }), accounts.ErrNotFresh},
		"somebody who has one":     {w.service, link, answer(w.anna), accounts.ErrTaken},
		"a technician at a portal": {w.service, portal, answer(w.otto), accounts.ErrTenant},
		"a guest at a portal":      {w.service, portal, answer(w.carl, func(a *entra.Answer) { a.Identity.Guest = true }), accounts.ErrGuest},
		"a made-up token":          {w.service, "/xxxx", answer(w.otto), accounts.ErrState},
		"no token":                 {w.service, "/", answer(w.otto), accounts.ErrState},
		"another owner":            {other, link, answer(w.otto), accounts.ErrState},
	} {
		_, err := tt.service.Accept(t.Context(), token(tt.link), tt.answer, "")
		require.ErrorIs(t, err, tt.err, name)
		told := w.audit.told()
		require.Len(t, told, 1, name)
		require.True(t, strings.HasPrefix(told[0], "link-refused|"), told[0])
	}
	a, err := w.service.Accept(t.Context(), token(link), answer(w.otto), "anna")
	require.NoError(t, err)
	require.Equal(t, inv.AccountID, a.ID, "the id of a session says nothing here")
}

// meddler is a store whose database somebody writes to.
type meddler struct {
	accounts.Store
	change func(*accounts.Record)
}

func (m *meddler) Invitation(ctx context.Context, hash []byte) (accounts.Record, error) {
	r, err := m.Store.Invitation(ctx, hash)
	m.change(&r)
	return r, err
}

func (m *meddler) Invitations(ctx context.Context, owner string) ([]accounts.Record, error) {
	rs, err := m.Store.Invitations(ctx, owner)
	for i := range rs {
		m.change(&rs[i])
	}
	return rs, err
}

func TestAnInvitationThatWasChangedInTheDatabaseDoesNotOpen(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*accounts.Record){
		"the role":    func(r *accounts.Record) { r.Role = entra.RoleAdmin },
		"the access":  func(r *accounts.Record) { r.UI = entra.UIPod },
		"the account": func(r *accounts.Record) { r.AccountID = "anna" },
		"the kind":    func(r *accounts.Record) { r.Kind, r.Client, r.Role = accounts.Portal, "contoso", entra.RoleNone },
		"who invited": func(r *accounts.Record) { r.By = "anna" },
		"the end":     func(r *accounts.Record) { r.ExpiresAt = r.ExpiresAt.Add(time.Hour) },
		"the name":    func(r *accounts.Record) { r.Sealed = append([]byte{}, r.Sealed[:len(r.Sealed)-1]...) },
	} {
		m := &meddler{accounts.NewMemory(), func(*accounts.Record) {}}
		w := team(t, func(w *world) { w.store = m })
		_, link := w.invite(t, accounts.Invite{Name: "Otto"})
		_, err := w.service.Open(t.Context(), token(link))
		require.NoError(t, err)
		m.change = change
		_, err = w.service.Open(t.Context(), token(link))
		require.ErrorIs(t, err, accounts.ErrState, name)
		_, err = w.service.Accept(t.Context(), token(link), answer(w.otto), "")
		require.ErrorIs(t, err, accounts.ErrState, name)
		list, err := w.service.Invitations(t.Context())
		require.NoError(t, err)
		require.Empty(t, list, name)
	}

	m := &meddler{accounts.NewMemory(), func(*accounts.Record) {}}
	w := team(t, func(w *world) {
		w.store = m
		w.options.ClientTenants = func(context.Context, mspkit.TenantID) ([]string, error) { return []string{w.contoso.ID}, nil }
	})
	_, link := w.invite(t, accounts.Invite{Kind: accounts.Portal, Client: "contoso"})
	_, err := w.service.Open(t.Context(), token(link))
	require.NoError(t, err)
	m.change = func(r *accounts.Record) { r.Client = "fabrikam" }
	_, err = w.service.Open(t.Context(), token(link))
	require.ErrorIs(t, err, accounts.ErrState, "the client")
}

func TestOf64WhoAcceptAtOnceOneIsLetIn(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	two, err := accounts.New(w.store, w.ring, &w.options)
	require.NoError(t, err)
	_, link := w.invite(t, accounts.Invite{Name: "Whoever"})
	errs := make([]error, 64)
	var all sync.WaitGroup
	for i := range errs {
		u := w.north.AddUser(entratest.User{Name: fmt.Sprint("person ", i)})
		all.Go(func() {
			s := []*accounts.Service{w.service, two}[i%2]
			_, errs[i] = s.Accept(t.Context(), token(link), answer(u), "")
		})
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			require.ErrorIs(t, err, accounts.ErrState)
		}
	}
	require.Equal(t, 1, won)
}
