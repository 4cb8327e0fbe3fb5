package securesend

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

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
	t := Take{Claim: sha(claim), Auth: AuthHash(auth), Allowed: true}
	r, open, err := s.gated(ctx, ref, t)
	if err != nil {
		return GateStatus{}, wrap("gate", err)
	}
	if !open {
		return GateStatus{}, wrap("gate", ErrInvalid)
	}
	status, err := starter.Start(ctx, reveal(r, t))
	return status, wrap("gate", err)
}

// allowed asks the gate, once it is sure that nothing else is in the way of t: what the gate uses up is not to be wasted.
func (s *Service) allowed(ctx context.Context, ref Ref, t Take) (bool, error) {
	t.Allowed = true
	r, open, err := s.gated(ctx, ref, t)
	if err != nil || !open {
		return false, err
	}
	if same(r.Claim, t.Claim) && r.Effective(s.now()) == StateOpening {
		return true, nil // it was let through before, and its proof may be over by now
	}
	err = s.o.Gate.Allow(ctx, reveal(r, t))
	if errors.Is(err, ErrGate) {
		return false, nil
	}
	return err == nil, err
}

// gated returns the record, and whether its gate is the one thing between t and the content.
func (s *Service) gated(ctx context.Context, ref Ref, t Take) (Record, bool, error) {
	r, err := s.store.Stat(ctx, ref)
	if err != nil || r.Gate != GateProof {
		return r, false, err
	}
	trial := r.Clone() // without the MAC of a passphrase, which Take checks
	if _, _, err := trial.Take(t, s.now()); err != nil {
		return r, false, err
	}
	return r, true, nil
}

func reveal(r Record, t Take) Reveal {
	return Reveal{Ref: r.Ref, Sender: r.Sender, Subject: r.Subject, Ticket: r.Ticket, Claim: base64.RawURLEncoding.EncodeToString(t.Claim)}
}
