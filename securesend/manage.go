package securesend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// Status is a send or request as its technician sees it.
type Status struct {
	Ref             Ref
	Version         int64
	Kind            Kind
	State           State
	Sender, Subject string
	Ticket          mspkit.Ticket
	Gate            Gate
	// Number is what the technician says, until the end; for who sent it and who may see it.
	Number mspkit.Redacted[string]
	// TriesLeft is of the number or code. Locked is whether those or the passphrase's are used up.
	TriesLeft int
	Locked    bool
	Renewals  int
	// Refusals counts wrong numbers, codes and passphrases.
	Refusals        int
	Views, MaxViews int
	Region          string
	// Files is how many files it has, Unfetched the numbers of those that were not fetched in the last view, from 1.
	Files     int
	Unfetched []int
	// When each happened first; zero where it has not. Opened is a look at the page, by a person or program; Revealed
	// is when it was handed out, Acknowledged when it arrived.
	CreatedAt, ReadyAt, OpenedAt, RevealedAt, AcknowledgedAt, EndedAt time.Time
	ExpiresAt                                                         time.Time
	// Warning is as in [Sent].
	Warning string
}

func redactNumber(d details) mspkit.Redacted[string] { return mspkit.Redact(d.Number) }

func (s *Service) status(r Record, number bool, now time.Time) (Status, error) {
	out := Status{
		Ref: r.Ref, Version: r.Version, Kind: r.Kind, State: r.Effective(now), Sender: r.Sender, Subject: r.Subject, Ticket: r.Ticket,
		Gate: r.Gate, TriesLeft: max(r.MaxTries-r.Tries, 0), Locked: !r.State.Final() && r.Locked(), Renewals: r.Renewals, Refusals: r.Refusals,
		Views: r.Views, MaxViews: r.MaxViews, Region: r.Region, Files: len(r.Sizes),
		CreatedAt: r.CreatedAt, ReadyAt: r.ReadyAt, OpenedAt: r.OpenedAt, RevealedAt: r.RevealedAt, AcknowledgedAt: r.AckedAt,
		EndedAt: r.EndedAt, ExpiresAt: r.ExpiresAt,
	}
	if !r.RevealedAt.IsZero() {
		out.Unfetched = r.Unfetched()
	}
	if r.Gate == GateNone {
		out.Warning = warnNoGate
	}
	if number {
		d, err := s.secrets.open(r)
		if err != nil {
			return out, err
		}
		out.Number = redactNumber(d)
	}
	return out, nil
}

// owned returns the record where the technician sent it or may do p.
func (s *Service) owned(ctx context.Context, ref Ref, technician string, p Permission) (Record, error) {
	r, err := s.store.Stat(ctx, ref)
	if err != nil {
		return r, err
	}
	if technician == "" {
		return r, fmt.Errorf("no technician is named: %w", ErrInvalid)
	}
	if r.Sender == technician {
		return r, nil
	}
	if s.o.Authorize == nil {
		return r, fmt.Errorf("%s: %w", p, ErrForbidden)
	}
	if err := s.o.Authorize(ctx, ref.Tenant, technician, p); err != nil {
		return r, fmt.Errorf("%s: %w: %w", p, ErrForbidden, err)
	}
	return r, nil
}

// Status returns what has become of a send. The number is in it for who sent it, and for who may see it.
func (s *Service) Status(ctx context.Context, ref Ref, technician string) (Status, error) {
	r, err := s.owned(ctx, ref, technician, PermissionSeeNumber)
	if err != nil && !errors.Is(err, ErrForbidden) {
		return Status{}, wrap("status", err)
	}
	out, err := s.status(r, err == nil, s.now())
	return out, wrap("status", err)
}

// List returns sends and requests, the newest first, without numbers.
func (s *Service) List(ctx context.Context, q Query) ([]Status, error) {
	if err := q.Tenant.Validate(); err != nil {
		return nil, wrap("list", fmt.Errorf("%w: %w", ErrInvalid, err))
	}
	records, err := s.store.List(ctx, q)
	if err != nil {
		return nil, wrap("list", err)
	}
	out := make([]Status, 0, len(records))
	now := s.now()
	for _, r := range records {
		st, err := s.status(r, false, now)
		if err != nil {
			return nil, wrap("list", err)
		}
		out = append(out, st)
	}
	return out, nil
}

// Revoke burns a send or request, even while it is being opened. [ErrEnded] means that it was too late.
func (s *Service) Revoke(ctx context.Context, ref Ref, technician string) error {
	if _, err := s.owned(ctx, ref, technician, PermissionRevokeOther); err != nil {
		return wrap("revoke", err)
	}
	_, err := s.store.Revoke(ctx, ref, stamp(EventRevoked, technician, ""), s.now())
	s.nudge()
	return wrap("revoke", err)
}

// Renew gives a new number and all tries back, for a recipient whom a program or a slip of the finger has locked out. With
// [GateCode] the recipient asks for a new code. A request that somebody has begun to answer is open again, and what they
// uploaded is deleted; where that fails the result has the new number all the same.
func (s *Service) Renew(ctx context.Context, ref Ref, technician string) (Status, error) {
	out, err := s.renew(ctx, ref, technician)
	return out, wrap("renew", err)
}

func (s *Service) renew(ctx context.Context, ref Ref, technician string) (Status, error) {
	r, err := s.owned(ctx, ref, technician, PermissionRenewOther)
	if err != nil {
		return Status{}, err
	}
	now := s.now()
	if r.Effective(now).Final() {
		return Status{}, ErrEnded
	}
	d, err := s.secrets.open(r)
	if err != nil {
		return Status{}, err
	}
	n := Renewal{Stamp: stamp(EventRenewed, technician, "")}
	if r.Gate == GateNumber {
		// Another one in any case: the one that was guessed at is known not to be some of the others.
		for old := d.Number; d.Number == old; {
			d.Number = token.Digits(numberDigits)
		}
		n.KeyID, n.MAC = s.secrets.primary, s.secrets.number(ref, d.Number)
	}
	if n.Sealed, err = s.secrets.seal(ref, d); err != nil {
		return Status{}, err
	}
	if r, err = s.store.Renew(ctx, ref, r.Version, n, now); err != nil {
		return Status{}, err
	}
	s.nudge()
	out, err := s.status(r, true, now)
	if err == nil && r.Kind == KindRequest && r.State == StateDraft {
		// Whoever answers now must not find, or continue, what somebody else has begun to upload.
		err = s.deleteParts(ctx, r)
	}
	return out, err
}

// Rewrap seals the halves of up to limit sends again that were sealed by another key than the primary one, without
// touching what they open, and returns how many; call it until it returns 0. Links, and numbers, codes and passphrases,
// stay bound to the key that was primary when they were made, so the old key can be dropped from the ring once the sends
// made under it have ended: [MaxTTL] later at most.
func (s *Service) Rewrap(ctx context.Context, limit int) (int, error) {
	n, err := s.store.Rewrap(ctx, s.secrets.primary, limit, func(r Record) (half, sealed []byte, err error) {
		half, _, err = s.secrets.halves.Rewrap(r.Half, string(r.Tenant), r.ID)
		if err != nil {
			return nil, nil, err
		}
		sealed, _, err = s.secrets.box.Rewrap(r.Sealed, string(r.Tenant), r.ID)
		return half, sealed, err
	})
	return n, wrap("rewrap", err)
}
