package mfa

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// maxReason is the longest reason of a reset.
const maxReason = 200

// Factor is a factor that somebody has.
type Factor struct {
	// ID names it among those of the person.
	ID   string
	Kind Kind
	// Name is what the person called a passkey; it may be empty.
	Name string
	// Since is when it was enrolled, Used when it was used last.
	Since, Used time.Time
	// Synced is whether a passkey is copied between devices by its maker.
	Synced bool
}

// Status is what there is of somebody. It holds no secret.
type Status struct {
	// Factors are the app and the passkeys, in the order in which they were enrolled.
	Factors []Factor
	// Recovery is how many recovery codes are left.
	Recovery int
	// LockedUntil is until when no code is taken, past or zero where one is. Passkeys are never locked.
	LockedUntil time.Time
}

// Status returns what there is of a person; nothing is the zero Status.
func (s *Service) Status(ctx context.Context, owner, user string) (Status, error) {
	st, err := s.cell.Load(ctx, owner, user)
	if err != nil {
		return Status{}, fmt.Errorf("mfa: status: %w", err)
	}
	return st.status(), nil
}

func (st *state) status() Status {
	out := Status{Recovery: len(st.Codes.Hashes), LockedUntil: st.Typed.Until}
	if a := st.App; a != nil {
		out.Factors = append(out.Factors, Factor{ID: appID, Kind: KindApp, Since: a.Since, Used: a.Used})
	}
	for _, k := range st.Keys {
		out.Factors = append(out.Factors, Factor{ID: factorID(k.ID), Kind: KindPasskey, Name: k.Name, Since: k.Since, Used: k.Used, Synced: k.BackedUp})
	}
	slices.SortStableFunc(out.Factors, func(a, b Factor) int { return a.Since.Compare(b.Since) })
	return out
}

// Reset removes all factors of another person of the same owner, with their recovery codes, and ends their sessions. They enrol
// anew after their next sign-in. Who does it is [entra.UserOf] of ctx (or Options.User): they need [entra.PermissionInvitations]
// and, unless they sign in without a second factor, one that was seen lately. Which role the other person has is not known here: a
// host whose technicians have that permission must keep them from resetting admins. The reason is for the audit, 1 to 200 bytes.
//
// Errors are [entra.ErrNoSession], [entra.ErrForbidden], [ErrStale], [mspkit.ErrInvalid] (no reason, no such id, or no
// Options.EndSessions), [ErrSessions] (the factors are gone, the sessions may not be: call it again) and those of the store. A
// person who has no factor is reset all the same.
func (s *Service) Reset(ctx context.Context, user, reason string) error {
	now, by := s.o.Now(), s.o.User(ctx)
	reason = cleantext.Line(reason, maxReason+1)
	var err error
	switch {
	case by == nil:
		return fmt.Errorf("mfa: reset: %w", entra.ErrNoSession)
	case !by.May(entra.PermissionInvitations), by.ID == user:
		err = entra.ErrForbidden
	case by.MFA && !fresh(by.Factor, now, s.o.Fresh):
		err = ErrStale
	case reason == "" || len(reason) > maxReason:
		return fmt.Errorf("mfa: reset: the reason must have 1 to %d bytes: %w", maxReason, mspkit.ErrInvalid)
	case s.o.EndSessions == nil:
		return fmt.Errorf("mfa: reset: Options.EndSessions is not set: %w", mspkit.ErrInvalid)
	case user == "" || len(user) > MaxID:
		return fmt.Errorf("mfa: reset: the user must have 1 to %d bytes: %w", MaxID, mspkit.ErrInvalid)
	}
	if err != nil {
		why := ReasonForbidden
		if errors.Is(err, ErrStale) {
			why = ReasonNotFresh
		}
		s.tell(ctx, entra.Event{At: now, Kind: entra.EventFactorRefused, Owner: by.Owner, User: user, By: by.ID, Session: by.Session, Reason: why})
		return fmt.Errorf("mfa: reset: %w", err)
	}
	err = s.cell.Change(ctx, now, func(st *state) (bool, error) {
		*st = state{Gen: st.Gen, Answered: st.Answered}
		st.changed()
		return true, nil
	}, by.Owner, user)
	if err != nil {
		return fmt.Errorf("mfa: reset: %w", err)
	}
	s.tell(ctx, entra.Event{At: now, Kind: entra.EventFactorRemoved, Owner: by.Owner, User: user, By: by.ID, Session: by.Session, Reason: reason})
	if err := s.o.EndSessions(ctx, by.Owner, user); err != nil {
		return fmt.Errorf("mfa: reset: %w: %w", ErrSessions, err)
	}
	return nil
}

// Forget deletes all that is kept of somebody who is gone, before anybody else gets their id. The host decides who may ask for it.
func (s *Service) Forget(ctx context.Context, owner, user string) error {
	now := s.o.Now()
	if err := s.store.Delete(ctx, owner, user, now); err != nil {
		return fmt.Errorf("mfa: forget: %w", err)
	}
	e := entra.Event{At: now, Kind: entra.EventFactorRemoved, Owner: owner, User: user, Reason: reasonForgotten}
	if by := s.o.User(ctx); by != nil {
		e.By, e.Session = by.ID, by.Session
	}
	s.tell(ctx, e)
	return nil
}

// reasonForgotten is the reason of the event of [Service.Forget].
const reasonForgotten = "forgotten"

// remove takes a factor away from whoever is signed in.
func (s *Service) remove(ctx context.Context, u *entra.User, id string) error {
	now := s.o.Now()
	kind := KindPasskey
	if id == appID {
		kind = KindApp
	}
	was := false
	err := s.change(ctx, u, now, func(st *state) (bool, error) {
		was = false
		if err := st.mayChange(u, now, s.o.Fresh); err != nil {
			return false, err
		}
		n := st.factors()
		if id == appID {
			st.App = nil
		}
		st.Keys = slices.DeleteFunc(st.Keys, func(k passkey) bool { return factorID(k.ID) == id })
		switch {
		case st.factors() == n: // it is gone already
			return false, nil
		case u.MFA && !st.has():
			return false, refusal(ReasonLast)
		}
		st.changed()
		was = true
		return true, nil
	})
	if err == nil && was {
		s.audit(ctx, u, now, entra.EventFactorRemoved, string(kind))
	}
	return s.refused(ctx, u, now, err)
}

func (s *Service) change(ctx context.Context, u *entra.User, now time.Time, decide func(*state) (bool, error)) error {
	return s.cell.Change(ctx, now, decide, u.Owner, u.ID)
}

// refused tells the auditor of err where it is a refusal, and returns it.
func (s *Service) refused(ctx context.Context, u *entra.User, now time.Time, err error) error {
	if why := reasonOf(err); why != "" {
		s.audit(ctx, u, now, entra.EventFactorRefused, why)
	}
	return err
}

func (s *Service) audit(ctx context.Context, u *entra.User, now time.Time, kind entra.EventKind, reason string) {
	s.tell(ctx, entra.Event{
		At: now, Kind: kind, Owner: u.Owner, User: u.ID, TenantID: u.TenantID, ObjectID: u.ObjectID, Session: u.Session, Reason: reason,
	})
}

// tell also does so when the browser has gone.
func (s *Service) tell(ctx context.Context, e entra.Event) {
	if err := s.o.Auditor.Audit(context.WithoutCancel(ctx), e); err != nil {
		s.o.Logger.ErrorContext(ctx, "mfa: an event could not be kept", slog.String("kind", string(e.Kind)), slog.String("user", e.User), slog.Any("error", err))
	}
}
