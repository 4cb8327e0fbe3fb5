package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
)

// maxTries is how often a change is tried that somebody else's comes before.
const maxTries = 10

// Add stores an account that nobody is linked to yet, such as when the host has a new employee: who they are in Entra is found out by
// the wizard or by an invitation only. Kind, Name, Role, UI, MFA and Client are taken; an empty ID is a random one, an empty kind
// is [Technician], and a technician without a role is [entra.RoleTechnician]. by is the id of who does it, who needs
// [entra.PermissionInvitations] and a role that is no lower than that of the account, or [ByHost]; so it is with all that follow. It
// fails with [entra.ErrForbidden], [ErrExists] or [mspkit.ErrInvalid].
func (s *Service) Add(ctx context.Context, by string, a Account) (Account, error) {
	most, err := s.permit(ctx, by, a.ID)
	if err != nil {
		return Account{}, err
	}
	if a.Owner != "" && a.Owner != s.o.Owner {
		return Account{}, fmt.Errorf("accounts: the account is another owner's: %w", mspkit.ErrInvalid)
	}
	n := Account{
		Owner: s.o.Owner, ID: a.ID, Version: 1, Kind: a.Kind, Client: a.Client, Name: cleantext.Line(a.Name, maxName), Role: a.Role, UI: a.UI, MFA: a.MFA, CreatedAt: s.now(),
	}
	n.ID, n.Kind, n.Role = defaults(n.ID, n.Kind, n.Role)
	if tops(n.Role, most) {
		return Account{}, s.forbidden(ctx, by, n.ID)
	}
	if err := s.store.Add(ctx, n); err != nil {
		return Account{}, err
	}
	s.audit(ctx, entra.Event{Kind: EventAdded, User: n.ID, By: by, Reason: n.Role.String()})
	return n, nil
}

func defaults(id string, k Kind, role entra.Role) (string, Kind, entra.Role) {
	if id == "" {
		id = token.Random()
	}
	if k == "" {
		k = Technician
	}
	if k == Technician && role == entra.RoleNone {
		role = entra.RoleTechnician
	}
	return id, k, role
}

// SetRole gives a technician another role: [ErrLastAdmin] where nobody could let others in any more.
func (s *Service) SetRole(ctx context.Context, by, id string, role entra.Role) error {
	return s.change(ctx, by, id, func(a *Account) { a.Role = role })
}

// SetUI says which part of the interface a person gets to see: [ErrLastAdmin] where nobody could let others in any more.
func (s *Service) SetUI(ctx context.Context, by, id string, ui entra.UI) error {
	return s.change(ctx, by, id, func(a *Account) { a.UI = ui })
}

// SetMFA says whether the host must see a second factor of its own of a person. Nobody does without their own.
func (s *Service) SetMFA(ctx context.Context, by, id string, mfa MFA) error {
	return s.change(ctx, by, id, func(a *Account) { a.MFA = mfa })
}

// Disable keeps a person from signing in: [ErrLastAdmin] where nobody could let others in any more. Sessions that they have are refused,
// and are good again where they are enabled in time: the pages end them, and so does [entra.SSO.EndSessions]. Invitations to the account
// and by them end.
func (s *Service) Disable(ctx context.Context, by, id string) error {
	return s.change(ctx, by, id, func(a *Account) { s.disable(a, true) })
}

// Enable lets a person sign in again who was disabled.
func (s *Service) Enable(ctx context.Context, by, id string) error {
	return s.change(ctx, by, id, func(a *Account) { s.disable(a, false) })
}

func (s *Service) disable(a *Account, off bool) {
	if off != a.Disabled() {
		if a.DisabledAt = (time.Time{}); off {
			a.DisabledAt = s.now()
		}
	}
}

// Unlink forgets who a person is in Entra, so that they cannot sign in before they are linked anew: [ErrLastAdmin] where nobody
// could let others in any more. Their account stays, and invitations to it and by them end.
func (s *Service) Unlink(ctx context.Context, by, id string) error {
	return s.change(ctx, by, id, func(a *Account) { a.TenantID, a.ObjectID, a.LinkedAt = "", "", time.Time{} })
}

// change makes changes to an account, all or none, however many others are made at the same time.
func (s *Service) change(ctx context.Context, by, id string, f func(*Account)) error {
	most, err := s.permit(ctx, by, id)
	if err != nil {
		return err
	}
	stop := false
	allowed := func(a *Account) {
		was := *a
		if f(a); s.above(most, by, was, *a) {
			stop, *a = true, was
		}
	}
	was, err := s.store.Account(ctx, s.o.Owner, id)
	if err != nil {
		return err
	}
	is := was
	if allowed(&is); stop {
		return s.forbidden(ctx, by, id)
	}
	// First, so that whoever tries again after a failure in between ends them as well.
	if is != was {
		if err := s.endInvitations(ctx, by, func(r Record) bool { return overtaken(r, was, is) }); err != nil {
			return err
		}
	}
	before, after, err := s.update(ctx, id, allowed)
	if stop {
		return s.forbidden(ctx, by, id)
	}
	if err != nil || before == after {
		return s.guarded(ctx, by, id, err)
	}
	s.noted(ctx, by, before, after)
	if out := before.Linked() && !after.Linked(); out || s.vouches(after) < s.vouches(before) {
		return s.endInvitations(context.WithoutCancel(ctx), by, func(r Record) bool { return r.By == id && (out || !covers(s.vouches(after), r.Role)) })
	}
	return nil
}

// guarded keeps that somebody wanted the last admin away.
func (s *Service) guarded(ctx context.Context, by, id string, err error) error {
	if errors.Is(err, ErrLastAdmin) {
		s.audit(ctx, entra.Event{Kind: entra.EventForbidden, User: id, By: by, Reason: string(ReasonLastAdmin)})
	}
	return err
}

// noted keeps what is different, one event for each.
func (s *Service) noted(ctx context.Context, by string, before, after Account) {
	e := entra.Event{User: after.ID, By: by, TenantID: before.TenantID, ObjectID: before.ObjectID}
	event := func(k entra.EventKind, reason string) {
		e.Kind, e.Reason = k, reason
		s.audit(ctx, e)
	}
	if before.Role != after.Role {
		event(entra.EventRoleChanged, after.Role.String())
	}
	if before.UI != after.UI {
		event(EventAccessChanged, after.UI.String())
	}
	if before.MFA != after.MFA {
		event(EventAccessChanged, "mfa-"+after.MFA.String())
	}
	switch {
	case before.Disabled() == after.Disabled():
	case after.Disabled():
		event(EventAccessChanged, "disabled")
	default:
		event(EventAccessChanged, "enabled")
	}
	switch {
	case before.Linked() == after.Linked():
	case after.Linked():
		e.TenantID, e.ObjectID = after.TenantID, after.ObjectID
		event(entra.EventLinked, "")
	default:
		event(entra.EventUnlinked, "")
	}
	s.changed(ctx, before, after)
}

// update returns an account before and after f, which are equal where nothing was to be changed.
func (s *Service) update(ctx context.Context, id string, f func(*Account)) (before, after Account, err error) {
	for range maxTries {
		if before, err = s.store.Account(ctx, s.o.Owner, id); err != nil {
			return before, before, err
		}
		after = before
		if f(&after); after == before {
			return before, before, nil
		}
		after.Version++
		if err = s.store.Update(ctx, after); !errors.Is(err, ErrConflict) {
			return before, after, err
		}
	}
	return before, before, err
}

func (s *Service) changed(ctx context.Context, before, after Account) {
	if s.o.Changed != nil {
		s.o.Changed(context.WithoutCancel(ctx), before, after)
	}
}

// Remove deletes an account, and ends the invitations to it and by that person: [ErrNotFound], or [ErrLastAdmin] where nobody could
// let others in any more.
func (s *Service) Remove(ctx context.Context, by, id string) error {
	most, err := s.permit(ctx, by, id)
	if err != nil {
		return err
	}
	before, err := s.store.Account(ctx, s.o.Owner, id)
	if err != nil {
		return err
	}
	if tops(before.Role, most) {
		return s.forbidden(ctx, by, id)
	}
	// Else who was invited and is gone again would come back. First, as with a change.
	if err := s.endInvitations(ctx, by, func(r Record) bool { return r.AccountID == id }); err != nil {
		return err
	}
	if err := s.store.Remove(ctx, s.o.Owner, id); err != nil {
		return s.guarded(ctx, by, id, err)
	}
	s.audit(ctx, entra.Event{Kind: EventRemoved, User: id, By: by, TenantID: before.TenantID, ObjectID: before.ObjectID})
	s.changed(ctx, before, Account{})
	return s.endInvitations(context.WithoutCancel(ctx), by, func(r Record) bool { return r.By == id })
}

// Link notes who a person is in Entra, by a sign-in that they have just made. The caller must know by a session of its own that it is
// that person; nothing is concluded from names and addresses. It fails with [ErrTenant], [ErrGuest], [ErrNotFresh], [ErrDisabled],
// [ErrLinked] where the account is somebody else's in Entra, and [ErrTaken] where whoever signed in has another account. To link
// the same person again changes nothing.
func (s *Service) Link(ctx context.Context, id string, answer entra.Answer) (Account, error) {
	a, err := s.link(ctx, id, answer)
	s.refused(ctx, id, answer, err)
	return a, err
}

func (s *Service) link(ctx context.Context, id string, answer entra.Answer) (Account, error) {
	if err := s.judge(answer, Technician, []string{s.o.TenantID}); err != nil {
		return Account{}, err
	}
	who := answer.Identity
	var stop error
	before, after, err := s.update(ctx, id, func(a *Account) {
		switch stop = nil; {
		case a.Kind != Technician:
			stop = ErrNotFound
		case a.Disabled():
			stop = ErrDisabled
		case a.Linked() && !a.Is(who.TenantID, who.ObjectID):
			stop = ErrLinked
		case !a.Linked():
			a.TenantID, a.ObjectID, a.LinkedAt = who.TenantID, who.ObjectID, s.now()
		}
	})
	if err := errors.Join(stop, err); err != nil {
		return Account{}, err
	}
	if before != after {
		s.noted(ctx, id, before, after)
	}
	return after, nil
}

// refused keeps that a sign-in did not link anybody.
func (s *Service) refused(ctx context.Context, id string, answer entra.Answer, err error) {
	if err != nil {
		s.audit(ctx, entra.Event{
			Kind: EventLinkRefused, User: id, TenantID: answer.Identity.TenantID, ObjectID: answer.Identity.ObjectID, Reason: string(reasonOf(err)),
		})
	}
}

// judge says whether a sign-in may link somebody of one of the tenants.
func (s *Service) judge(answer entra.Answer, k Kind, tenants []string) error {
	switch who := answer.Identity; {
	case who.ObjectID == "" || !slices.Contains(tenants, who.TenantID):
		return ErrTenant
	case who.Guest:
		return ErrGuest
	case !answer.Fresh:
		return ErrNotFresh
	case k != Portal && s.o.Roles == RolesRequired && entra.RoleOf(who.Roles) == entra.RoleNone:
		return ErrNoRole // they could not sign in afterwards
	case k == Bootstrap && s.o.Roles != RolesStored && entra.RoleOf(who.Roles) == entra.RoleTechnician:
		return ErrNoRole // they would be no admin, and nobody else could become one
	}
	return nil
}
