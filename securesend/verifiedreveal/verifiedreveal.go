package verifiedreveal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/verify"
)

// Starter begins verifications and redeems their proofs; [*verify.Service] is one.
type Starter interface {
	Start(ctx context.Context, r verify.StartRequest) (verify.Challenge, error)
	Redeem(ctx context.Context, p verify.Proof, e verify.Expect, by string) error
}

// Find returns who is to be verified for r, and the technician who may tell them the number: the sender. Channel and Method
// may choose a way. Tenant, Action, Ticket and IdempotencyKey are filled in. It must be safe for concurrent use.
type Find func(ctx context.Context, r securesend.Reveal) (verify.StartRequest, error)

// Options are the parts of a [Gate] beyond the required ones.
type Options struct {
	// Attempts is how many verifications one claim can start, each after the one before has failed or expired: default
	// 3, cap 10.
	Attempts int
	// Min is the least assurance that opens a send, beyond what the policy asks for. Zero asks for no more.
	Min verify.Assurance
}

// Gate is a [securesend.RevealGate] and [securesend.GateStarter]. Use [New].
type Gate struct {
	v    Starter
	find Find
	o    Options
}

var (
	_ securesend.RevealGate  = (*Gate)(nil)
	_ securesend.GateStarter = (*Gate)(nil)
	_ Starter                = (*verify.Service)(nil)
)

// New returns a gate that verifies with v whom find names. Both are required.
func New(v Starter, find Find, o *Options) (*Gate, error) {
	g := &Gate{v: v, find: find}
	if o != nil {
		g.o = *o
	}
	if g.o.Attempts == 0 {
		g.o.Attempts = 3
	}
	var errs []error
	if v == nil || find == nil {
		errs = append(errs, fmt.Errorf("a verifier and a function that finds the recipient are required: %w", mspkit.ErrInvalid))
	}
	if g.o.Attempts < 1 || g.o.Attempts > 10 {
		errs = append(errs, fmt.Errorf("options: Attempts is %d, it must be 1 to 10: %w", g.o.Attempts, mspkit.ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("verifiedreveal: new: %w", err)
	}
	return g, nil
}

// Start implements [securesend.GateStarter]: it begins a verification, or says how far the one is that was begun.
func (g *Gate) Start(ctx context.Context, r securesend.Reveal) (securesend.GateStatus, error) {
	c, _, err := g.challenge(ctx, r)
	if le, ok := errors.AsType[*verify.LimitError](err); ok {
		return securesend.GateStatus{}, &securesend.LimitError{Limit: le.Limit, RetryAfter: le.RetryAfter}
	}
	if err != nil {
		return securesend.GateStatus{}, fmt.Errorf("verifiedreveal: start: %w", err)
	}
	status := securesend.GateStatus{State: securesend.GateWaiting, Hint: hint(c)}
	switch {
	case c.State == verify.StateConfirmed && (c.Proof.Reveal() != "" || c.RedeemedBy == r.Claim):
		status.State = securesend.GatePassed
	case over(c), c.State == verify.StateConfirmed && !c.NeedsApproval:
		status.State = securesend.GateRefused
	}
	return status, nil
}

// Allow implements [securesend.RevealGate]: it redeems the proof with the claim.
func (g *Gate) Allow(ctx context.Context, r securesend.Reveal) error {
	c, start, err := g.challenge(ctx, r)
	switch {
	case errors.Is(err, verify.ErrLimited):
		return fmt.Errorf("verifiedreveal: allow: %w: %w", securesend.ErrGate, err)
	case err != nil:
		return fmt.Errorf("verifiedreveal: allow: %w", err)
	case c.State == verify.StateConfirmed && c.RedeemedBy == r.Claim:
		return nil // this claim was let through before
	case c.State != verify.StateConfirmed || c.Proof.Reveal() == "":
		return fmt.Errorf("verifiedreveal: allow: the verification is %s: %w", c.State, securesend.ErrGate)
	}
	err = g.v.Redeem(ctx, c.Proof, verify.Expect{
		Tenant: start.Tenant, Subject: start.Subject.ID, Action: start.Action, Technician: start.Technician.ID, Ticket: start.Ticket, Min: g.o.Min,
	}, r.Claim)
	for _, refused := range []error{verify.ErrProof, verify.ErrProofExpired, verify.ErrRedeemed, verify.ErrFrozen, verify.ErrUnapproved} {
		if errors.Is(err, refused) {
			return fmt.Errorf("verifiedreveal: allow: %w: %w", securesend.ErrGate, err)
		}
	}
	if err != nil {
		return fmt.Errorf("verifiedreveal: allow: %w", err)
	}
	return nil
}

// challenge returns the claim's verification, which the same key finds again on every instance. Where one has failed or
// expired, the next is begun.
func (g *Gate) challenge(ctx context.Context, r securesend.Reveal) (c verify.Challenge, start verify.StartRequest, err error) {
	if start, err = g.find(ctx, r); err != nil {
		return c, start, err
	}
	start.Tenant, start.Action, start.Ticket = r.Ref.Tenant, verify.Action(r.Action()), r.Ticket
	for i := range g.o.Attempts {
		start.IdempotencyKey = "reveal/" + r.Ref.ID + "/" + r.Claim + "/" + strconv.Itoa(i)
		c, err = g.v.Start(ctx, start)
		if errors.Is(err, verify.ErrDelivery) {
			err = nil // it stands, and may have arrived all the same
		}
		again := c.State == verify.StateFailed || c.State == verify.StateExpired
		if err != nil || !again {
			return c, start, err
		}
	}
	return c, start, nil
}

// hint says where the recipient must look. An address that shows nothing of itself, such as an account in Teams, is named by
// its channel.
func hint(c verify.Challenge) string {
	if strings.ContainsFunc(c.To, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) || c.Channel == "" {
		return c.To
	}
	first, size := utf8.DecodeRuneInString(c.Channel)
	return string(unicode.ToUpper(first)) + c.Channel[size:]
}

// over reports whether c will not be confirmed any more.
func over(c verify.Challenge) bool {
	return c.State.Final() && c.State != verify.StateConfirmed
}
