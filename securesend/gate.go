package securesend

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
)

// Reveal is a recipient who wants to open a send with [GateProof].
type Reveal struct {
	Ref             Ref
	Sender, Subject string
	Ticket          mspkit.Ticket
	// Claim names the recipient's claim without telling it: whoever is let through is let through with this claim only,
	// and may be asked for again.
	Claim string
}

// Action is what a verification must be for to let r through.
func (r Reveal) Action() string { return "reveal:" + r.Ref.ID }

// RevealGate decides who may open a send with [GateProof]. It must be safe for concurrent use.
type RevealGate interface {
	// Allow returns nil where the claim may open the send: then it must do so again for the same claim and never for
	// another one. [ErrGate] means not, or not yet; everything else that it is not known.
	Allow(ctx context.Context, r Reveal) error
}

// GateStarter is implemented by a [RevealGate] that begins what is needed when the recipient asks for it.
type GateStarter interface {
	// Start begins, or says how far it is. It is called again and again while the page waits.
	Start(ctx context.Context, r Reveal) (GateStatus, error)
}

// GateStatus is how far a [GateStarter] is.
type GateStatus struct {
	// State is "waiting", "passed" or "refused".
	State string
	// Hint says where the recipient must look, such as "Teams" or "a message to ••• 42".
	Hint string
}

// The states of a [GateStatus].
const (
	GateWaiting = "waiting"
	GatePassed  = "passed"
	GateRefused = "refused"
)

// StartGate begins what the [RevealGate] asks for, for a claim with the right auth, or says how far it is.
func (s *Service) StartGate(ctx context.Context, ref Ref, auth, claim []byte) (GateStatus, error) {
	starter, ok := s.o.Gate.(GateStarter)
	if !ok {
		return GateStatus{}, wrap("gate", fmt.Errorf("the gate begins nothing: %w", ErrUnsupported))
	}
	if len(claim) != KeySize {
		return GateStatus{}, wrap("gate", fmt.Errorf("the claim has %d bytes, it must have %d: %w", len(claim), KeySize, ErrInvalid))
	}
	t := Take{Claim: sha(claim), Auth: AuthHash(auth), Regions: s.regions}
	r, err := s.store.Stat(ctx, ref)
	if err == nil && r.Gate != GateProof && same(r.Auth, t.Auth) {
		err = fmt.Errorf("the gate is %q: %w", r.Gate, ErrInvalid)
	}
	if err == nil {
		err = s.open(r, t)
	}
	if err != nil {
		return GateStatus{}, wrap("gate", err)
	}
	if r.holds(t.Claim, s.now()) {
		return GateStatus{State: GatePassed}, nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	status, err := starter.Start(ctx, reveal(r, t))
	return status, wrap("gate", err)
}

// admit asks the [RevealGate] to let t pass to r, unless what it uses up would be wasted.
func (s *Service) admit(ctx context.Context, r Record, t Take) error {
	switch {
	case r.PassKeyID != "" && r.PassTries >= r.MaxPassTries:
		return refusal(r, ErrLocked)
	case r.PassKeyID != "" && len(t.Pass) == 0:
		return refusal(r, ErrPassphrase)
	}
	if err := s.served(r); err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return s.o.Gate.Allow(ctx, reveal(r, t))
}

// open returns nil where the gate is the one thing that can be between t and the content of r, apart from a passphrase.
func (s *Service) open(r Record, t Take) error {
	t.Allowed = true
	trial := r.Clone() // without the MAC of a passphrase, so Take does not ask for one
	_, _, err := trial.Take(t, s.now())
	return err
}

// holds reports whether the claim is that of the lease.
func (r *Record) holds(claim []byte, now time.Time) bool {
	return same(r.Claim, claim) && r.Effective(now) == StateOpening && now.Before(r.LeaseUntil)
}

// served returns [ErrRegion] where the files of r are not kept here.
func (s *Service) served(r Record) error {
	if len(s.regions) == 0 && len(r.Sizes) == 0 {
		return nil
	}
	_, err := s.blobs(r.Region)
	return err
}

func reveal(r Record, t Take) Reveal {
	return Reveal{Ref: r.Ref, Sender: r.Sender, Subject: r.Subject, Ticket: r.Ticket, Claim: base64.RawURLEncoding.EncodeToString(t.Claim)}
}
