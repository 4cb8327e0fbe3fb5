package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// challenge is the technician's view of r. Number, word and proof are for the technician who began only.
func (s *Service) challenge(r Record, sub SubjectState, now time.Time, own bool) (Challenge, error) {
	d, err := s.secrets.open(r)
	c := Challenge{
		Ref: r.Ref, Version: r.Version, Kind: r.Kind, State: r.Effective(sub, now), Delivery: r.Delivery,
		Channel: r.Channel, Method: r.Method, Assurance: r.Assurance, Fresh: d.Fresh, Sandbox: d.Sandbox, Failover: d.Failover, Subject: r.Subject,
		Name: d.Name, Action: r.Action, Purpose: d.Purpose, Technician: r.Technician, Ticket: r.Ticket,
		To: mask(d.Address), TriesLeft: max(r.MaxTries-r.Tries, 0), Hinted: r.Hinted,
		NeedsApproval: r.NeedsApproval, ApprovedBy: r.ApprovedBy, ApprovedAt: r.ApprovedAt,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, DecidedAt: r.DecidedAt, ProofUntil: r.ProofUntil, RedeemedBy: r.RedeemedBy,
	}
	if err != nil || !own {
		return c, err
	}
	if c.State == StatePending {
		c.Number, c.Word = mspkit.Redact(d.Number), mspkit.Redact(d.Word)
	}
	if c.State == StateConfirmed && r.Kind == KindCaller && r.RedeemedBy == "" && now.Before(r.ProofUntil) && r.approved() {
		c.Proof, err = s.secrets.proof(r)
	}
	return c, err
}

// Get returns a challenge. Number, word and proof are set only where technician is the one who began it (or, for
// a contact who verifies a technician, the one in the call).
func (s *Service) Get(ctx context.Context, ref Ref, technician string) (Challenge, error) {
	r, sub, err := s.store.Get(ctx, ref)
	if err != nil {
		return Challenge{}, wrap("get", err)
	}
	c, err := s.challenge(r, sub, s.o.Now(), r.Technician == technician && technician != "")
	return c, wrap("get", err)
}

// Open returns the challenges of a technician that can still be answered or renewed, the newest first.
func (s *Service) Open(ctx context.Context, tenant mspkit.TenantID, technician string) ([]Challenge, error) {
	if technician == "" {
		return nil, wrap("open", fmt.Errorf("no technician is named: %w", ErrInvalid))
	}
	return s.list(ctx, Query{Tenant: tenant, Technician: technician, OpenAt: s.o.Now()}, technician)
}

// History returns up to limit challenges of a subject, the newest first, without numbers, words and proofs.
func (s *Service) History(ctx context.Context, tenant mspkit.TenantID, subject string, limit int) ([]Challenge, error) {
	return s.list(ctx, Query{Tenant: tenant, Subject: subject, Limit: limit}, "")
}

func (s *Service) list(ctx context.Context, q Query, technician string) ([]Challenge, error) {
	rs, err := s.store.List(ctx, q)
	if err != nil {
		return nil, wrap("list", err)
	}
	return s.challenges(ctx, rs, technician), nil
}

func (s *Service) challenges(ctx context.Context, rs []Record, technician string) []Challenge {
	out := make([]Challenge, 0, len(rs))
	for _, r := range rs {
		c, err := s.challenge(r, SubjectState{}, s.o.Now(), technician != "" && r.Technician == technician)
		if err != nil { // a key that is gone, or a damaged record: the rest of the list is still true
			s.log.LogAttrs(ctx, slog.LevelWarn, "verify: a record could not be opened and is listed without its details", slog.String("challenge", r.ID), slog.Any("error", err))
		}
		out = append(out, c)
	}
	return out
}

// Wait returns the challenge once its state is final (confirmed, denied, failed, expired, cancelled, and frozen
// or locked) or ctx ends. It uses the store's [Watcher] where there is one and polls with backoff otherwise. A
// failed challenge can be renewed and waited for again. One that needs a second technician is returned confirmed and
// without a proof; then call [Service.WaitApproved], or look with [Service.Get] for [Challenge.Proof].
func (s *Service) Wait(ctx context.Context, ref Ref, technician string) (Challenge, error) {
	began := s.m.began()
	c, err := s.wait(ctx, ref, technician)
	s.m.ended(ctx, "wait", began, err)
	return c, err
}

func (s *Service) wait(ctx context.Context, ref Ref, technician string) (Challenge, error) {
	if w, ok := s.store.(Watcher); ok {
		for _, err := range w.Watch(ctx, ref) {
			if err != nil {
				return Challenge{}, wrap("wait", err)
			}
			c, err := s.Get(ctx, ref, technician)
			if err != nil || c.State.Final() {
				return c, err
			}
		}
		return Challenge{}, wrap("wait", context.Cause(ctx))
	}
	return s.poll(ctx, ref, technician, func(c Challenge) bool { return c.State.Final() })
}

func (s *Service) poll(ctx context.Context, ref Ref, technician string, done func(Challenge) bool) (Challenge, error) {
	pause := 200 * time.Millisecond
	for {
		c, err := s.Get(ctx, ref, technician)
		if err != nil || done(c) {
			return c, err
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return c, wrap("wait", context.Cause(ctx))
		case <-t.C:
		}
		pause = min(pause*3/2, 2*time.Second)
	}
}

// RenewRequest asks for a new number or code; the old one is dead at once.
type RenewRequest struct {
	Ref        Ref
	Technician string
	// Send sends the message again, after the cooldown. A code is always sent; number match and words need it
	// only where the first message did not arrive, because the link stays the same.
	Send bool
}

// Renew gives a challenge a new number, code or word with fresh tries. Errors are those of [Service.Start],
// [ErrNotPending] and [ErrForbidden].
func (s *Service) Renew(ctx context.Context, r RenewRequest) (Challenge, error) {
	began := s.m.began()
	c, err := s.renew(ctx, r, s.o.Now())
	s.m.ended(ctx, "renew", began, err)
	return c, wrap("renew", err)
}

func (s *Service) renew(ctx context.Context, q RenewRequest, now time.Time) (Challenge, error) {
	set, err := s.tenantSettings(ctx, q.Ref.Tenant)
	if err != nil {
		return Challenge{}, err
	}
	r, _, err := s.store.Get(ctx, q.Ref)
	if err != nil {
		return Challenge{}, err
	}
	if r.Technician != q.Technician {
		return Challenge{}, fmt.Errorf("the challenge was begun by another technician: %w", ErrForbidden)
	}
	if r.Sends >= set.Limits.Sends {
		return Challenge{}, &LimitError{Limit: LimitSends, RetryAfter: r.ExpiresAt.Sub(now)}
	}
	// However often it is renewed, the whole transaction ends after MaxTTL.
	end := now.Add(set.Limits.TTL)
	if last := r.CreatedAt.Add(MaxTTL); last.Before(end) {
		end = last
	}
	if end.Sub(now) < 30*time.Second {
		return Challenge{}, fmt.Errorf("it is too old to be renewed, begin a new one: %w", ErrNotPending)
	}
	d, err := s.secrets.open(r)
	if err != nil {
		return Challenge{}, err
	}
	ch := s.o.Channels[r.Channel]
	send := r.Method == MethodCode || q.Send && r.Method != MethodTOTP
	if ch == nil && send {
		return Challenge{}, fmt.Errorf("channel %q is not registered: %w", r.Channel, ErrNoChannel)
	}
	code, err := s.newAnswer(&r, &d, set)
	if err != nil {
		return Challenge{}, err
	}
	n := Renewal{
		KeyID: r.KeyID, MAC: r.MAC, WordMAC: r.WordMAC, Sealed: r.Sealed, MaxTries: r.MaxTries, ExpiresAt: end,
		Send: send, Stamp: stamp(EventRenewed, q.Technician, set.sandboxed("")),
	}
	var limits []Limit
	if send {
		limits = s.limits(set, pick{way: Way{Channel: r.Channel}, channel: ch, address: d.Address}, r.Tenant, r.Subject)
	}
	renewed, err := s.store.Renew(ctx, q.Ref, r.Version, n, limits, now)
	if err != nil {
		return Challenge{}, err
	}
	s.nudge()
	if send {
		renewed, err = s.deliver(ctx, set, ch, renewed, d, code, Receipt{ID: r.ReceiptID})
	}
	c, cerr := s.challenge(renewed, SubjectState{}, now, true)
	return c, errors.Join(err, cerr)
}

// Cancel ends a pending challenge. A technician may cancel their own; for another's [Options.Authorize] is asked.
func (s *Service) Cancel(ctx context.Context, ref Ref, technician, reason string) error {
	return wrap("cancel", s.cancel(ctx, ref, technician, reason))
}

func (s *Service) cancel(ctx context.Context, ref Ref, technician, reason string) error {
	r, _, err := s.store.Get(ctx, ref)
	if err != nil {
		return err
	}
	if technician == "" || r.Technician != technician {
		if err := s.authorize(ctx, ref.Tenant, technician, PermissionCancelOther); err != nil {
			return err
		}
	}
	defer s.nudge()
	_, err = s.store.Finish(ctx, ref, r.Version, Outcome{
		State: StateCancelled, Stamp: stamp(EventCancelled, technician, cleantext.Line(reason, 200)),
	}, s.o.Now())
	return err
}

// Redeem uses a proof. It succeeds once: the proof must be genuine, for exactly what e says, not over, not
// redeemed by anybody else, and its subject not frozen. With [Expect.Min] it is read once more before it is redeemed.
//
// by names this one use, so that it may ask again after an unclear answer: the id of the job that resets the
// password, or a random text for each press of a button. It must never be a constant or the name of a person, because
// whoever comes with the same by is taken for the same use. Errors: [ErrProof],
// [ErrProofExpired], [ErrUnapproved], [ErrRedeemed], [ErrFrozen], [ErrNotFound], or a failure of the store; on every error
// the action must not be done.
func (s *Service) Redeem(ctx context.Context, p Proof, e Expect, by string) error {
	began := s.m.began()
	err := s.redeem(ctx, p, e, by)
	s.m.redeemed(ctx, began, err)
	return wrap("redeem", err)
}

func (s *Service) redeem(ctx context.Context, p Proof, e Expect, by string) error {
	if err := errors.Join(e.Tenant.Validate(), validID("by", by)); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	id, err := s.secrets.checkProof(p, e)
	if err != nil {
		return err
	}
	if err := s.atLeast(ctx, Ref{e.Tenant, id}, e.Min); err != nil {
		return err
	}
	defer s.nudge()
	_, err = s.store.Redeem(ctx, Ref{e.Tenant, id}, by, stamp(EventRedeemed, by, ""), s.o.Now())
	return err
}

// Subject returns whether a subject is frozen and how often it has failed in a row.
func (s *Service) Subject(ctx context.Context, tenant mspkit.TenantID, subject string) (SubjectState, error) {
	st, err := s.store.Subject(ctx, tenant, subject)
	return st, wrap("subject", err)
}

// Freeze stops every verification of a subject for a while; Unfreeze ends that; Unlock clears the failures of a
// locked subject. Each asks [Options.Authorize] and needs a reason, which is stored with the event.
func (s *Service) Freeze(ctx context.Context, tenant mspkit.TenantID, subject, technician, reason string, d time.Duration) error {
	if d <= 0 || d > 30*day {
		return wrap("freeze", fmt.Errorf("the duration must be more than zero and at most 30 days: %w", ErrInvalid))
	}
	until := s.o.Now().Add(d)
	return wrap("freeze", s.change(ctx, tenant, subject, technician, reason, PermissionFreeze, EventFrozen, SubjectChange{FrozenUntil: &until}))
}

// Unfreeze ends a freeze; see [Service.Freeze].
func (s *Service) Unfreeze(ctx context.Context, tenant mspkit.TenantID, subject, technician, reason string) error {
	return wrap("unfreeze", s.change(ctx, tenant, subject, technician, reason, PermissionUnfreeze, EventUnfrozen, SubjectChange{FrozenUntil: &time.Time{}}))
}

// Unlock clears the failures of a subject; see [Service.Freeze].
func (s *Service) Unlock(ctx context.Context, tenant mspkit.TenantID, subject, technician, reason string) error {
	return wrap("unlock", s.change(ctx, tenant, subject, technician, reason, PermissionUnlock, EventUnlocked, SubjectChange{Unlock: true}))
}

func (s *Service) change(ctx context.Context, tenant mspkit.TenantID, subject, technician, reason string, p Permission, k EventKind, c SubjectChange) error {
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("a reason is required: %w", ErrInvalid)
	}
	if err := invalid(tenant.Validate(), validID("subject id", subject), validID("technician id", technician)); err != nil {
		return err
	}
	if err := s.authorize(ctx, tenant, technician, p); err != nil {
		return err
	}
	c.Stamp = stamp(k, technician, cleantext.Line(reason, 200))
	defer s.nudge()
	return s.store.ChangeSubject(ctx, tenant, subject, c, s.o.Now())
}

func (s *Service) authorize(ctx context.Context, tenant mspkit.TenantID, technician string, p Permission) error {
	if s.o.Authorize == nil {
		return fmt.Errorf("%s needs Options.Authorize: %w", p, ErrForbidden)
	}
	if err := s.o.Authorize(ctx, tenant, technician, p); err != nil {
		return fmt.Errorf("%s: %w: %w", p, ErrForbidden, err)
	}
	return nil
}
