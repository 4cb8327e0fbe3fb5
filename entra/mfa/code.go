package mfa

import (
	"context"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/totp"
)

// beginApp makes a secret for the session of u. One that was begun before, in whatever session, is dead.
func (s *Service) beginApp(ctx context.Context, u *entra.User) error {
	now := s.o.Now()
	err := s.change(ctx, u, now, func(st *state) (bool, error) {
		if err := st.mayChange(u, now, s.o.Fresh); err != nil {
			return false, err
		}
		st.Pending = &pending{Secret: totp.NewSecret(), Session: u.Session, Until: now.Add(s.o.TTL), Gen: st.Gen}
		return true, nil
	})
	return s.refused(ctx, u, now, err)
}

// waiting returns what is being set up in the session of u, if anything.
func (st *state) waiting(u *entra.User, now time.Time) *pending {
	if p := st.Pending; p != nil && p.Session == u.Session && p.Gen == st.Gen && now.Before(p.Until) {
		return p
	}
	return nil
}

// confirmApp takes the first code of an app and sets it up. shown is the browser's secret for recovery codes, which are made
// where there are none; given reports that they were. A person who has an app gets the new one in its place.
func (s *Service) confirmApp(ctx context.Context, u *entra.User, typed string, shown token.Secret) (given bool, err error) {
	now := s.o.Now()
	wrong, had := false, false
	err = s.change(ctx, u, now, func(st *state) (bool, error) {
		wrong, given, had = false, false, false
		p := st.waiting(u, now)
		if p == nil {
			return false, refusal(ReasonExpired)
		}
		a := &app{Secret: p.Secret, Since: now, Used: now}
		if p.Tries++; !totp.Accept(a.Secret, &a.Last, typed, now, s.o.Skew) {
			wrong = true
			if p.Tries >= s.o.MaxTries {
				st.Pending = nil
			}
			return true, nil
		}
		had, st.App = st.App != nil, a
		st.changed()
		var err error
		given, err = s.firstCodes(st, u, shown, now)
		return true, err
	})
	if err == nil && wrong {
		err = refusal(ReasonCode)
	}
	if err == nil {
		if had {
			s.audit(ctx, u, now, entra.EventFactorRemoved, string(KindApp))
		}
		s.audit(ctx, u, now, entra.EventFactorEnrolled, string(KindApp))
	}
	return given, s.refused(ctx, u, now, err)
}

// firstCodes makes recovery codes where there are none.
func (s *Service) firstCodes(st *state, u *entra.User, shown token.Secret, now time.Time) (bool, error) {
	if len(st.Codes.Hashes) > 0 {
		return false, nil
	}
	return true, s.drawCodes(st, u, shown, now)
}

func (s *Service) drawCodes(st *state, u *entra.User, shown token.Secret, now time.Time) (err error) {
	_, st.Codes, err = s.recovery.Draw(shown, u.Owner, u.ID)
	st.ShowUntil = now.Add(s.o.TTL)
	return err
}

// useCode takes a code of the app or a recovery code, by its length. It counts the try in the change in which it compares, so
// that nobody learns anything from a try that was not counted.
func (s *Service) useCode(ctx context.Context, u *entra.User, typed string) error {
	now := s.o.Now()
	kind, why := KindApp, ""
	if len(typed) == totp.RecoveryDigits {
		kind = KindRecovery
	}
	err := s.change(ctx, u, now, func(st *state) (bool, error) {
		if why = ""; st.Typed.locked(now) {
			return false, refusal(ReasonLocked)
		}
		st.Typed.count(now, &s.o)
		var right bool
		var err error
		if kind == KindRecovery {
			st.Codes, right, err = s.recovery.Find(st.Codes, typed, u.Owner, u.ID)
		} else {
			right, why = s.acceptApp(st, typed, now)
		}
		switch {
		case err != nil:
			return false, err
		case right:
			st.Typed = tries{}
		case why == "":
			why = ReasonCode
		}
		return true, nil
	})
	if err == nil && why != "" {
		err = refusal(why)
	}
	if err == nil {
		s.audit(ctx, u, now, entra.EventFactorUsed, string(kind))
	}
	return s.refused(ctx, u, now, err)
}

// acceptApp takes a code of the app, and says where it was right but used.
func (s *Service) acceptApp(st *state, typed string, now time.Time) (right bool, why string) {
	if st.App == nil {
		return false, ReasonCode
	}
	if totp.Accept(st.App.Secret, &st.App.Last, typed, now, s.o.Skew) {
		st.App.Used = now
		return true, ""
	}
	if _, was := totp.Match(st.App.Secret, typed, now, s.o.Skew); was {
		return false, ReasonUsed
	}
	return false, ReasonCode
}

// newCodes makes new recovery codes; the old ones are worth nothing.
func (s *Service) newCodes(ctx context.Context, u *entra.User, shown token.Secret) error {
	now := s.o.Now()
	err := s.change(ctx, u, now, func(st *state) (bool, error) {
		if err := st.mayChange(u, now, s.o.Fresh); err != nil {
			return false, err
		}
		if !st.has() { // they would stand in for nothing
			return false, refusal(ReasonNotFresh)
		}
		return true, s.drawCodes(st, u, shown, now)
	})
	if err == nil {
		s.audit(ctx, u, now, entra.EventFactorEnrolled, string(KindRecovery))
	}
	return s.refused(ctx, u, now, err)
}

// shownCodes returns the recovery codes to the browser that got them, until it says that it has them.
func (s *Service) shownCodes(st *state, u *entra.User, shown token.Secret) ([]string, error) {
	if !s.o.Now().Before(st.ShowUntil) {
		return nil, nil
	}
	return s.recovery.Again(st.Codes, shown, u.Owner, u.ID)
}

// keptCodes notes that the recovery codes need not be shown again.
func (s *Service) keptCodes(ctx context.Context, u *entra.User) error {
	return s.change(ctx, u, s.o.Now(), func(st *state) (bool, error) {
		was := !st.ShowUntil.IsZero()
		st.ShowUntil = time.Time{}
		return was, nil
	})
}
