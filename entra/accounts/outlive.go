package accounts

import (
	"context"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit/entra"
)

// above reports what nobody may do to an account whose own role is most: give or change more than they have themselves, and do without
// their own second factor, which somebody else must allow.
func (s *Service) above(most entra.Role, by string, was, is Account) bool {
	if was == is {
		return false
	}
	return tops(was.Role, most) || tops(is.Role, most) || by == is.ID && s.factor(was) && !s.factor(is)
}

// tops reports whether a role is above another one. What is no role at all is for others to refuse.
func tops(role, most entra.Role) bool { return role > most && role <= entra.RoleAdmin }

// factor reports whether the host must see a second factor of somebody.
func (s *Service) factor(a Account) bool { return a.MFA == MFAOn || a.MFA == MFADefault && s.o.MFA }

// forbidden keeps that somebody wanted what they may not do, and returns [entra.ErrForbidden].
func (s *Service) forbidden(ctx context.Context, by, whom string) error {
	s.audit(ctx, entra.Event{Kind: entra.EventForbidden, User: whom, By: by, Reason: entra.PermissionInvitations.String()})
	return entra.ErrForbidden
}

// overtaken reports whether an invitation to an account would undo a change to it: who was put out must not come back by a mail of
// before, nor with more than they were left.
func overtaken(r Record, was, is Account) bool {
	switch {
	case r.AccountID != is.ID:
		return false
	case was.Linked() && !is.Linked(), !was.Disabled() && is.Disabled():
		return true
	case was.Role == is.Role && was.UI == is.UI:
		return false
	}
	return r.Role > is.Role || r.UI == entra.UIFull && is.UI != entra.UIFull
}

// endInvitations revokes the open invitations that which says.
func (s *Service) endInvitations(ctx context.Context, by string, which func(Record) bool) error {
	rs, err := s.store.Invitations(ctx, s.o.Owner)
	if err != nil {
		return fmt.Errorf("accounts: invitations could not be ended: %w", err)
	}
	for _, r := range rs {
		if r.Kind == Bootstrap || !r.Open(s.now()) || !which(r) {
			continue
		}
		if _, err := s.store.Revoke(ctx, s.o.Owner, r.ID, s.now()); errors.Is(err, ErrState) {
			continue
		} else if err != nil {
			return fmt.Errorf("accounts: an invitation could not be ended: %w", err)
		}
		s.audit(ctx, entra.Event{Kind: entra.EventInviteRevoked, User: r.AccountID, By: by, Reason: invitedAs(r.Kind, r.Role)})
	}
	return nil
}
