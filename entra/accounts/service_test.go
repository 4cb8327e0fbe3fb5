package accounts_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/entra/entratest"
)

const someTenant = "11111111-1111-4111-8111-111111111111"

func good() accounts.Options {
	return accounts.Options{Owner: "north", TenantID: someTenant, BaseURL: "https://north.example/accounts"}
}

func newRing(t testing.TB) *mspkit.KeyRing {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	return ring
}

func TestNewReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	for name, tt := range map[string]struct {
		change func(*accounts.Options)
		says   string
	}{
		"no owner":             {func(o *accounts.Options) { o.Owner = "" }, "owner"},
		"no tenant":            {func(o *accounts.Options) { o.TenantID = "" }, "TenantID"},
		"a domain":             {func(o *accounts.Options) { o.TenantID = "contoso.com" }, "TenantID"},
		"no address":           {func(o *accounts.Options) { o.BaseURL = "" }, "BaseURL"},
		"plain http":           {func(o *accounts.Options) { o.BaseURL = "http://north.example/accounts" }, "https"},
		"another scheme":       {func(o *accounts.Options) { o.BaseURL = "ftp://127.0.0.1/accounts" }, "https"},
		"a slash at the end":   {func(o *accounts.Options) { o.BaseURL += "/" }, "BaseURL"},
		"a query":              {func(o *accounts.Options) { o.BaseURL += "?x" }, "BaseURL"},
		"a fragment":           {func(o *accounts.Options) { o.BaseURL += "#" }, "BaseURL"},
		"a user":               {func(o *accounts.Options) { o.BaseURL = "https://u:p@north.example" }, "BaseURL"},
		"another source":       {func(o *accounts.Options) { o.Roles = 9 }, "Roles"},
		"a long invitation":    {func(o *accounts.Options) { o.InviteTTL = 31 * 24 * time.Hour }, "InviteTTL"},
		"a negative one":       {func(o *accounts.Options) { o.InviteTTL = -1 }, "InviteTTL"},
		"a long bootstrap":     {func(o *accounts.Options) { o.BootstrapTTL = 25 * time.Hour }, "BootstrapTTL"},
		"a negative bootstrap": {func(o *accounts.Options) { o.BootstrapTTL = -1 }, "BootstrapTTL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := good()
			tt.change(&o)
			_, err := accounts.New(accounts.NewMemory(), ring, &o)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tt.says)
		})
	}
	o := good()
	for _, err := range []error{
		second(accounts.New(nil, ring, &o)), second(accounts.New(accounts.NewMemory(), nil, &o)), second(accounts.New(accounts.NewMemory(), ring, nil)),
	} {
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	_, err := accounts.New(accounts.NewMemory(), ring, &accounts.Options{InviteTTL: -1})
	for _, part := range []string{"owner", "BaseURL", "TenantID", "InviteTTL"} {
		require.ErrorContains(t, err, part)
	}
	for _, base := range []string{"http://127.0.0.1:8080/a", "http://localhost/a", "http://[::1]:1", "https://north.example"} {
		o.BaseURL = base
		_, err := accounts.New(accounts.NewMemory(), ring, &o)
		require.NoError(t, err, base)
	}
}

func second[T any](_ T, err error) error { return err }

// team is a service with an admin, a technician, an admin limited to the pod, one who is disabled, and somebody of a portal.
func team(t testing.TB, change func(*world)) *world {
	t.Helper()
	w := newWorld(t, change)
	for _, a := range []accounts.Account{
		{ID: "anna", Name: "Anna", Role: entra.RoleAdmin},
		{ID: "otto", Name: "Otto"},
		{ID: "pod", Role: entra.RoleAdmin, UI: entra.UIPod},
		{ID: "off", Role: entra.RoleAdmin},
		{ID: "carl", Kind: accounts.Portal, Client: "contoso"},
	} {
		_, err := w.service.Add(t.Context(), accounts.ByHost, a)
		require.NoError(t, err)
	}
	_, err := w.service.Link(t.Context(), "anna", answer(w.anna))
	require.NoError(t, err)
	require.NoError(t, w.service.Disable(t.Context(), accounts.ByHost, "off"))
	w.audit.take()
	return w
}

// changes are all that somebody can do to the account "otto".
var changes = map[string]func(ctx context.Context, s *accounts.Service, by string) error{
	"add": func(ctx context.Context, s *accounts.Service, by string) error {
		return second(s.Add(ctx, by, accounts.Account{ID: "new"}))
	},
	"role": func(ctx context.Context, s *accounts.Service, by string) error {
		return s.SetRole(ctx, by, "otto", entra.RoleAdmin)
	},
	"ui": func(ctx context.Context, s *accounts.Service, by string) error {
		return s.SetUI(ctx, by, "otto", entra.UIPod)
	},
	"mfa": func(ctx context.Context, s *accounts.Service, by string) error {
		return s.SetMFA(ctx, by, "otto", accounts.MFAOff)
	},
	"disable": func(ctx context.Context, s *accounts.Service, by string) error { return s.Disable(ctx, by, "otto") },
	"enable":  func(ctx context.Context, s *accounts.Service, by string) error { return s.Enable(ctx, by, "otto") },
	"unlink":  func(ctx context.Context, s *accounts.Service, by string) error { return s.Unlink(ctx, by, "otto") },
	"remove":  func(ctx context.Context, s *accounts.Service, by string) error { return s.Remove(ctx, by, "otto") },
	"invite": func(ctx context.Context, s *accounts.Service, by string) error {
		_, _, err := s.Invite(ctx, by, accounts.Invite{Name: "X"})
		return err
	},
	"revoke": func(ctx context.Context, s *accounts.Service, by string) error { return s.Revoke(ctx, by, "no such") },
}

func TestOnlyAnAdminChangesAnything(t *testing.T) {
	t.Parallel()
	user := func(u entra.User) context.Context {
		if u.Policy == (entra.Policy{}) {
			u.Policy = entra.DefaultPolicy()
		}
		return entra.WithUser(t.Context(), &u)
	}
	admin := entra.User{Owner: "north", ID: "anna", Role: entra.RoleAdmin}
	tech, other, pod, factor := admin, admin, admin, admin
	tech.Role, other.Owner, pod.UI, factor.MFA = entra.RoleTechnician, "south", entra.UIPod, true
	less := admin
	less.Policy = entra.DefaultPolicy().Without(entra.RoleAdmin, entra.PermissionInvitations)
	for name, tt := range map[string]struct {
		ctx     context.Context
		by      string
		allowed bool
	}{
		"an admin by their account":               {t.Context(), "anna", true},
		"an admin by their session":               {user(admin), "anna", true},
		"an admin of Entra alone, by the session": {user(entra.User{Owner: "north", ID: "otto", Role: entra.RoleAdmin}), "otto", true},
		"the host":                               {t.Context(), accounts.ByHost, true},
		"nobody":                                 {t.Context(), "", false},
		"somebody unknown":                       {t.Context(), "mallory", false},
		"a technician":                           {t.Context(), "otto", false},
		"a technician by their session":          {user(tech), "anna", false},
		"an admin with the pod only":             {t.Context(), "pod", false},
		"the same by their session":              {user(pod), "anna", false},
		"an admin who is disabled":               {t.Context(), "off", false},
		"somebody of the portal":                 {t.Context(), "carl", false},
		"an admin of another owner":              {user(other), "anna", false},
		"an admin in the name of somebody":       {user(admin), "otto", false},
		"an admin without the second factor":     {user(factor), "anna", false},
		"an admin where the policy is otherwise": {user(less), "anna", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := team(t, nil)
			for what, f := range changes {
				err := f(tt.ctx, w.service, tt.by)
				if tt.allowed {
					require.NotErrorIs(t, err, entra.ErrForbidden, what)
					continue
				}
				require.ErrorIs(t, err, entra.ErrForbidden, what)
				told := w.audit.told()
				require.Len(t, told, 1, what)
				require.Regexp(t, `^forbidden\|.*\|invitations$`, told[0])
				require.Contains(t, told[0], "|"+tt.by+"|", "who it was, also where it is about themselves")
			}
			if !tt.allowed {
				a, err := w.service.Get(t.Context(), "otto")
				require.NoError(t, err)
				require.Equal(t, int64(1), a.Version)
			}
		})
	}
}

func TestWhatIsDoneIsKeptForTheAudit(t *testing.T) {
	t.Parallel()
	var seen []string
	w := team(t, func(w *world) {
		w.options.Changed = func(_ context.Context, before, after accounts.Account) { seen = append(seen, before.ID+">"+after.ID) }
	})
	seen = nil
	ctx, s := entra.WithUser(t.Context(), &entra.User{Owner: "north", ID: "anna", Role: entra.RoleAdmin, Policy: entra.DefaultPolicy(), Session: "s1"}), w.service
	require.NoError(t, s.SetRole(ctx, "anna", "otto", entra.RoleAdmin))
	require.NoError(t, s.SetRole(ctx, "anna", "otto", entra.RoleAdmin), "nothing to do")
	require.NoError(t, s.SetUI(ctx, "anna", "otto", entra.UIPod))
	require.NoError(t, s.SetMFA(ctx, "anna", "otto", accounts.MFAOn))
	require.NoError(t, s.Disable(ctx, "anna", "otto"))
	require.NoError(t, s.Disable(ctx, "anna", "otto"))
	require.NoError(t, s.Enable(ctx, "anna", "otto"))
	require.NoError(t, s.Unlink(ctx, "anna", "otto"), "nobody is linked")
	require.NoError(t, s.Remove(ctx, "anna", "otto"))
	events := w.audit.take()
	var told []string
	for _, e := range events {
		told = append(told, string(e.Kind)+" "+e.User+" "+e.By+" "+e.Reason)
		require.Equal(t, "s1", e.Session)
		require.Equal(t, "north", e.Owner)
		require.Equal(t, w.now(), e.At)
	}
	require.Equal(t, []string{
		"role-changed otto anna Admin", "access-changed otto anna pod", "access-changed otto anna mfa-on", "access-changed otto anna disabled",
		"access-changed otto anna enabled", "account-removed otto anna ",
	}, told)
	require.Equal(t, []string{"otto>otto", "otto>otto", "otto>otto", "otto>otto", "otto>otto", "otto>"}, seen)
	require.ErrorIs(t, s.SetRole(ctx, "anna", "otto", entra.RoleAdmin), accounts.ErrNotFound)
}

func TestAnAuditThatFailsIsLogged(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	o := w.options
	o.Auditor = entra.AuditorFunc(func(context.Context, entra.Event) error { return errors.New("full") })
	s, err := accounts.New(w.store, w.ring, &o)
	require.NoError(t, err)
	require.NoError(t, s.SetRole(t.Context(), "anna", "otto", entra.RoleAdmin))
	require.Contains(t, w.log.String(), "full")
}

func TestTheLastAdminStays(t *testing.T) {
	t.Parallel()
	w := team(t, nil) // Anna is the only one who is linked
	s := w.service
	for name, f := range map[string]func() error{
		"demoted":  func() error { return s.SetRole(t.Context(), "anna", "anna", entra.RoleTechnician) },
		"limited":  func() error { return s.SetUI(t.Context(), "anna", "anna", entra.UIPod) },
		"disabled": func() error { return s.Disable(t.Context(), "anna", "anna") },
		"unlinked": func() error { return s.Unlink(t.Context(), "anna", "anna") },
		"removed":  func() error { return s.Remove(t.Context(), "anna", "anna") },
		"by the host": func() error {
			return s.Unlink(t.Context(), accounts.ByHost, "anna")
		},
	} {
		require.ErrorIs(t, f(), accounts.ErrLastAdmin, name)
		told := w.audit.told()
		require.Len(t, told, 1, name)
		require.True(t, strings.HasPrefix(told[0], "forbidden|anna|") && strings.HasSuffix(told[0], "|last-admin"), told[0])
	}
	require.NoError(t, s.SetMFA(t.Context(), "anna", "anna", accounts.MFAOn))
	require.NoError(t, s.SetRole(t.Context(), "anna", "otto", entra.RoleAdmin))
	require.ErrorIs(t, s.Unlink(t.Context(), "anna", "anna"), accounts.ErrLastAdmin, "Otto cannot sign in yet")
	_, err := s.Link(t.Context(), "otto", answer(w.otto))
	require.NoError(t, err)
	require.NoError(t, s.SetRole(t.Context(), "anna", "anna", entra.RoleTechnician))
	require.ErrorIs(t, s.SetRole(t.Context(), "anna", "otto", entra.RoleTechnician), entra.ErrForbidden, "she is no admin any more")
}

func TestAddRefusesWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	for name, a := range map[string]accounts.Account{
		"the id of the host":       {ID: accounts.ByHost},
		"a long id":                {ID: strings.Repeat("x", 200)},
		"another owner":            {Owner: "south"},
		"another role":             {Role: 9},
		"a portal of nobody":       {Kind: accounts.Portal},
		"a portal with a role":     {Kind: accounts.Portal, Client: "contoso", Role: entra.RoleAdmin},
		"a technician of a client": {Client: "contoso"},
		"the kind of a link":       {Kind: accounts.Bootstrap, Role: entra.RoleAdmin},
	} {
		_, err := w.service.Add(t.Context(), "anna", a)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	_, err := w.service.Add(t.Context(), "anna", accounts.Account{ID: "otto"})
	require.ErrorIs(t, err, accounts.ErrExists)
	a, err := w.service.Add(t.Context(), "anna", accounts.Account{Name: " A\u202e\n B ", TenantID: someTenant, ObjectID: someTenant})
	require.NoError(t, err)
	require.Equal(t, "A B", a.Name)
	require.NotEmpty(t, a.ID)
	require.False(t, a.Linked(), "nobody is linked by saying so")
	require.Equal(t, entra.RoleTechnician, a.Role)
	for name, err := range map[string]error{
		"role":       w.service.SetRole(t.Context(), "anna", "otto", entra.RoleNone),
		"ui":         w.service.SetUI(t.Context(), "anna", "otto", 9),
		"mfa":        w.service.SetMFA(t.Context(), "anna", "otto", 9),
		"the portal": w.service.SetRole(t.Context(), "anna", "carl", entra.RoleAdmin),
	} {
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
}

func TestResolveSaysWhoItIs(t *testing.T) {
	t.Parallel()
	carl := func(w *world) {
		_, link := w.invite(t, accounts.Invite{Kind: accounts.Portal, Client: "contoso", AccountID: "carl"})
		_, err := w.service.Accept(t.Context(), token(link), answer(w.carl), "")
		require.NoError(t, err)
	}
	for name, tt := range map[string]struct {
		change  func(*world)
		prepare func(*world)
		who     func(*world) entra.Identity
		err     error
		reason  entra.Reason
		role    entra.Role
	}{
		"an admin":             {role: entra.RoleAdmin},
		"somebody unknown":     {who: func(w *world) entra.Identity { return answer(w.otto).Identity }, err: accounts.ErrUnknown, reason: entra.ReasonAccount},
		"the same address":     {who: func(w *world) entra.Identity { return answer(w.mallory).Identity }, err: accounts.ErrUnknown, reason: entra.ReasonAccount},
		"nobody":               {who: func(*world) entra.Identity { return entra.Identity{} }, err: accounts.ErrUnknown, reason: entra.ReasonAccount},
		"somebody of a portal": {prepare: carl, who: func(w *world) entra.Identity { return answer(w.carl).Identity }, err: accounts.ErrUnknown, reason: entra.ReasonAccount},
		"somebody disabled": {prepare: func(w *world) {
			_, err := w.service.Link(t.Context(), "otto", answer(w.otto))
			require.NoError(t, err)
			require.NoError(t, w.service.Disable(t.Context(), "anna", "otto"))
		}, who: func(w *world) entra.Identity { return answer(w.otto).Identity }, err: accounts.ErrDisabled, reason: accounts.ReasonDisabled},
		"stored, whatever the token says": {who: func(w *world) entra.Identity { return roles(w.anna, "Technician") }, role: entra.RoleAdmin},
		"the token wins":                  {change: source(accounts.RolesFromEntra), who: func(w *world) entra.Identity { return roles(w.anna, "x", "Technician") }, role: entra.RoleTechnician},
		"stored where the token has none": {change: source(accounts.RolesFromEntra), who: func(w *world) entra.Identity { return roles(w.anna, "x") }, role: entra.RoleAdmin},
		"required and there":              {change: source(accounts.RolesRequired), who: func(w *world) entra.Identity { return roles(w.anna, "Technician", "Admin") }, role: entra.RoleAdmin},
		"required and missing":            {change: source(accounts.RolesRequired), err: accounts.ErrNoRole, reason: entra.ReasonRole},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := team(t, nil)
			if tt.change != nil {
				tt.change(w)
				var err error
				w.service, err = accounts.New(w.store, w.ring, &w.options)
				require.NoError(t, err)
			}
			if tt.prepare != nil {
				tt.prepare(w)
			}
			who := answer(w.anna).Identity
			if tt.who != nil {
				who = tt.who(w)
			}
			u, err := w.service.Resolve(t.Context(), who)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
				require.ErrorIs(t, err, entra.ErrForbidden)
				require.Equal(t, tt.reason, entra.ReasonOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, "anna", u.ID)
			require.Equal(t, "north", u.Owner)
			require.Equal(t, tt.role, u.Role)
			require.Equal(t, tt.role == entra.RoleAdmin, u.May(entra.PermissionInvitations))
		})
	}
}

func source(r accounts.RoleSource) func(*world) { return func(w *world) { w.options.Roles = r } }

func roles(u *entratest.User, values ...string) entra.Identity {
	who := answer(u).Identity
	who.Roles = values
	return who
}

func TestOverridesOfAPersonApply(t *testing.T) {
	t.Parallel()
	for _, byDefault := range []bool{false, true} {
		w := team(t, func(w *world) { w.options.MFA = byDefault })
		for mfa, want := range map[accounts.MFA]bool{accounts.MFADefault: byDefault, accounts.MFAOn: true, accounts.MFAOff: false} {
			require.NoError(t, w.service.SetMFA(t.Context(), accounts.ByHost, "anna", mfa))
			u, err := w.service.Resolve(t.Context(), answer(w.anna).Identity)
			require.NoError(t, err)
			require.Equal(t, want, u.MFA, "%v %v", byDefault, mfa)
			require.Equal(t, !want, u.May(entra.PermissionPod))
		}
	}
	w := team(t, nil)
	_, err := w.service.Link(t.Context(), "pod", answer(w.otto))
	require.NoError(t, err)
	u, err := w.service.Resolve(t.Context(), answer(w.otto).Identity)
	require.NoError(t, err)
	require.True(t, u.May(entra.PermissionFeatures))
	require.False(t, u.May(entra.PermissionUI))
}

func TestThePortalIsApart(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	_, link := w.invite(t, accounts.Invite{Kind: accounts.Portal, Client: "contoso"})
	a, err := w.service.Accept(t.Context(), token(link), answer(w.carl), "")
	require.NoError(t, err)
	u, err := w.service.ResolvePortal(t.Context(), answer(w.carl).Identity)
	require.NoError(t, err)
	require.Equal(t, a.ID, u.ID)
	for _, p := range entra.Permissions() {
		require.False(t, u.May(p), p)
	}
	_, err = w.service.ResolvePortal(t.Context(), answer(w.anna).Identity)
	require.ErrorIs(t, err, accounts.ErrUnknown)
	o := w.options
	o.PortalPolicy = entra.DefaultPolicy()
	s, err := accounts.New(w.store, w.ring, &o)
	require.NoError(t, err)
	u, err = s.ResolvePortal(t.Context(), answer(w.carl).Identity)
	require.NoError(t, err)
	require.True(t, u.May(entra.PermissionFeatures))
	require.False(t, u.May(entra.PermissionUI))
}

func token(link string) string { return link[strings.LastIndex(link, "/")+1:] }

func TestLinkTakesAFreshSignInOfTheOwnTenant(t *testing.T) {
	t.Parallel()
	w := team(t, nil)
	for name, tt := range map[string]struct {
		id     string
		answer entra.Answer
		err    error
		reason string
	}{
		"another tenant":         {"otto", answer(w.carl), accounts.ErrTenant, "tenant"},
		"nobody":                 {"otto", entra.Answer{Fresh: true}, accounts.ErrTenant, "tenant"},
		"a guest":                {"otto", answer(w.eve, func(a *entra.Answer) { a.Identity.Guest = true }), accounts.ErrGuest, "guest"},
		"an old sign-in":         {"otto", answer(w.otto, func(a *entra.Answer) { a.Fresh = false }), accounts.ErrNotFresh, "not-fresh"},
		"somebody who has one":   {"otto", answer(w.anna), accounts.ErrTaken, "taken"},
		"an account of somebody": {"anna", answer(w.otto), accounts.ErrLinked, "linked"},
		"a disabled account":     {"off", answer(w.otto), accounts.ErrDisabled, "disabled"},
		"one of the portal":      {"carl", answer(w.otto), accounts.ErrNotFound, "no-account"},
		"none":                   {"no such", answer(w.otto), accounts.ErrNotFound, "no-account"},
	} {
		_, err := w.service.Link(t.Context(), tt.id, tt.answer)
		require.ErrorIs(t, err, tt.err, name)
		require.Equal(t, []string{"link-refused|" + tt.id + "||" + tt.reason}, w.audit.told(), name)
	}
	again, err := w.service.Link(t.Context(), "anna", answer(w.anna))
	require.NoError(t, err)
	require.Equal(t, int64(2), again.Version, "to link the same person again changes nothing")
	require.Empty(t, w.audit.take())

	w.options.Roles = accounts.RolesRequired
	s, err := accounts.New(w.store, w.ring, &w.options)
	require.NoError(t, err)
	_, err = s.Link(t.Context(), "otto", answer(w.otto))
	require.ErrorIs(t, err, accounts.ErrNoRole)
}
