package accounts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
)

// ByHost is who does something where it is the host itself and no person, such as a command line or an import. No account can have
// this id.
const ByHost = "(host)"

// The kinds of event of this package, besides those of package entra.
const (
	// EventAdded and EventRemoved are of accounts.
	EventAdded   entra.EventKind = "account-added"
	EventRemoved entra.EventKind = "account-removed"
	// EventAccessChanged is of access to the interface, of the use of MFA, and of accounts that are disabled and enabled. Its reason
	// says what it is now, such as "pod", "mfa-on" or "disabled".
	EventAccessChanged entra.EventKind = "access-changed"
	// EventLinkRefused is of a sign-in that did not link an account or accept an invitation; its reason says why.
	EventLinkRefused entra.EventKind = "link-refused"
)

// Service knows the accounts of one owner. It is safe for concurrent use, also beside others on the same store and key ring. Use
// [New].
type Service struct {
	store  Store
	o      Options
	links  *token.Codec
	sealed *seal.Box // who was invited
	flows  *seal.Box // what a browser remembers
	shown  *seal.Box // what a page says at the end
}

// New returns the accounts of an owner. It reports all faults at once and does nothing on the network.
func New(store Store, ring *mspkit.KeyRing, o *Options) (*Service, error) {
	s := &Service{store: store}
	if o != nil {
		s.o = *o
	}
	if store == nil || ring == nil {
		return nil, fmt.Errorf("accounts: a store and a key ring are required: %w", mspkit.ErrInvalid)
	}
	if err := s.o.prepare(); err != nil {
		return nil, err
	}
	var errs [4]error
	s.links, errs[0] = token.NewCodec(ring, "entra/accounts")
	s.sealed, errs[1] = seal.New(ring, "entra/accounts-invitation")
	s.flows, errs[2] = seal.New(ring, "entra/accounts-flow")
	s.shown, errs[3] = seal.New(ring, "entra/accounts-result")
	return s, errors.Join(errs[:]...)
}

// Resolve returns who it is that signed in, as [entra.SSOOptions.Resolve] wants it: a technician of the owner. The error is
// [ErrUnknown], [ErrDisabled] or [ErrNoRole], which are [entra.ErrForbidden], or that of the store.
func (s *Service) Resolve(ctx context.Context, who entra.Identity) (*entra.User, error) {
	a, err := s.resolve(ctx, who, Technician)
	if err != nil {
		return nil, err
	}
	role := a.Role
	if s.o.Roles != RolesStored {
		switch got := entra.RoleOf(who.Roles); {
		case got != entra.RoleNone:
			role = got
		case s.o.Roles == RolesRequired:
			return nil, ErrNoRole
		}
	}
	u := s.user(a, who)
	u.Role, u.UI = role, a.UI
	return u, nil
}

// ResolvePortal is [Service.Resolve] for an [entra.SSO] of the client portal. [Service.Get] with the id of the user says whose portal it
// is. Their tenant must still be one of [Options.ClientTenants], which is asked each time, else it is [ErrTenant]. The user has [Options.PortalPolicy] and [entra.UIPod], which keep everything from them that is for technicians.
func (s *Service) ResolvePortal(ctx context.Context, who entra.Identity) (*entra.User, error) {
	a, err := s.resolve(ctx, who, Portal)
	if err != nil {
		return nil, err
	}
	// A tenant that was disconnected, or is another client's now, takes its people with it.
	tenants, err := s.tenantsFor(ctx, Portal, a.Client)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(tenants, who.TenantID) {
		return nil, ErrTenant
	}
	u := s.user(a, who)
	u.Role, u.UI, u.Policy = entra.RoleTechnician, entra.UIPod, s.o.PortalPolicy // a session needs a role
	return u, nil
}

func (s *Service) user(a Account, who entra.Identity) *entra.User {
	return &entra.User{
		Owner: a.Owner, ID: a.ID, Name: a.Name, TenantID: who.TenantID, ObjectID: who.ObjectID,
		Policy: s.o.Policy, MFA: s.factor(a), AuthTime: who.AuthTime, ACRS: slices.Clone(who.ACRS),
	}
}

func (s *Service) resolve(ctx context.Context, who entra.Identity, k Kind) (Account, error) {
	if who.TenantID == "" || who.ObjectID == "" {
		return Account{}, ErrUnknown
	}
	a, err := s.store.ByIdentity(ctx, s.o.Owner, who.TenantID, who.ObjectID)
	switch {
	case errors.Is(err, ErrNotFound):
		return Account{}, ErrUnknown
	case err != nil:
		return Account{}, err
	case a.Kind != k:
		return Account{}, ErrUnknown
	case a.Disabled():
		return Account{}, ErrDisabled
	}
	return a, nil
}

// Get returns an account: [ErrNotFound] where there is none.
func (s *Service) Get(ctx context.Context, id string) (Account, error) {
	return s.store.Account(ctx, s.o.Owner, id)
}

// List returns all accounts, the oldest first.
func (s *Service) List(ctx context.Context) ([]Account, error) {
	return s.store.Accounts(ctx, s.o.Owner)
}

// permit reports whether by may invite and change others, as [entra.ErrForbidden]. Who is signed in is asked for their session, which
// knows the role that Entra gave them; anybody else goes by their account.
// It returns their role, which is the most that they can give.
func (s *Service) permit(ctx context.Context, by, whom string) (entra.Role, error) {
	if by == ByHost {
		return entra.RoleAdmin, nil
	}
	most, err := s.may(ctx, by)
	if errors.Is(err, entra.ErrForbidden) {
		return entra.RoleNone, s.forbidden(ctx, by, whom)
	}
	return most, err
}

func (s *Service) may(ctx context.Context, by string) (entra.Role, error) {
	if u := entra.UserOf(ctx); u != nil {
		if u.Owner != s.o.Owner || u.ID != by {
			return entra.RoleNone, entra.ErrForbidden
		}
		return u.Role, entra.Authorize(ctx, entra.PermissionInvitations)
	}
	a, err := s.store.Account(ctx, s.o.Owner, by)
	switch {
	case errors.Is(err, ErrNotFound):
		return entra.RoleNone, entra.ErrForbidden
	case err != nil:
		return entra.RoleNone, err
	case a.Disabled() || a.Kind != Technician || !s.o.Policy.Allows(a.Role, a.UI, entra.PermissionInvitations):
		return entra.RoleNone, entra.ErrForbidden
	}
	return a.Role, nil
}

// audit keeps an event. What was done stays done: the request may have ended meanwhile.
func (s *Service) audit(ctx context.Context, e entra.Event) {
	if s.o.Auditor == nil {
		return
	}
	e.At, e.Owner = s.now(), s.o.Owner
	if e.By == e.User {
		e.By = ""
	}
	if u := entra.UserOf(ctx); u != nil {
		e.Session = u.Session
	}
	if err := s.o.Auditor.Audit(context.WithoutCancel(ctx), e); err != nil {
		s.o.Logger.ErrorContext(ctx, "accounts: an event could not be kept", slog.String("kind", string(e.Kind)), slog.Any("error", err))
	}
}

// now is the time as every store keeps it.
func (s *Service) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }
