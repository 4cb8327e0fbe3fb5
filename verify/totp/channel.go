package totp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/verify"
)

// Options are the parts of a [Channel] beyond the required ones.
type Options struct {
	// Skew is how many steps of 30 seconds a phone's clock may be off, to both sides: default 1, at most 2; negative
	// means none.
	Skew int
}

// Channel is a [verify.Channel] on which nothing is sent: the contact reads the code of their app. It is safe for
// concurrent use, by any number of instances on one store.
type Channel struct {
	factors  *factors
	recovery *totp.Recovery
	numbers  *token.Hasher
	links    *token.Codec
	skew     int
}

var (
	_ verify.Channel       = (*Channel)(nil)
	_ verify.Assured       = (*Channel)(nil)
	_ verify.Canonicalizer = (*Channel)(nil)
	_ verify.Checker       = (*Channel)(nil)
)

// New returns a channel whose factors are in store, sealed under ring, which is that of the service. Both are required.
// All faults are reported together, as [mspkit.ErrInvalid].
func New(store verify.FactorStore, ring *mspkit.KeyRing, o *Options) (*Channel, error) {
	c := &Channel{skew: totp.DefaultSkew}
	var errs []error
	if store == nil {
		errs = append(errs, fmt.Errorf("a store is required: %w", mspkit.ErrInvalid))
	}
	if o != nil && o.Skew != 0 {
		c.skew = max(o.Skew, 0)
	}
	if c.skew > totp.MaxSkew {
		errs = append(errs, fmt.Errorf("Options.Skew is %d, at most %d is allowed: %w", c.skew, totp.MaxSkew, mspkit.ErrInvalid))
	}
	if ring == nil {
		errs = append(errs, fmt.Errorf("a key ring is required: %w", mspkit.ErrInvalid))
	} else {
		box, err := seal.New(ring, "verify/totp")
		errs = append(errs, err)
		c.factors = newFactors(store, box)
		c.recovery, err = totp.NewRecovery(ring, "verify/totp")
		errs = append(errs, err)
		c.numbers, err = token.NewHasher(ring, "verify/totp/number")
		errs = append(errs, err)
		c.links, err = token.NewCodec(ring, "verify/totp/link")
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("totp: new: %w", err)
	}
	return c, nil
}

// Assurance returns [verify.AssuranceTOTP].
func (c *Channel) Assurance() verify.Assurance { return verify.AssuranceTOTP }

// Canonical returns the address, which is the subject's id, as it is.
func (c *Channel) Canonical(address string) (string, error) { return address, nil }

// Deliver refuses: nothing is ever sent.
func (c *Channel) Deliver(context.Context, verify.Delivery) (verify.Receipt, error) {
	return verify.Receipt{}, &verify.DeliveryError{Reason: "nothing can be sent to an authenticator app", Permanent: true}
}

// Enrolled returns since when the app that the contact has now is set up, or [verify.ErrNotFound].
func (c *Channel) Enrolled(ctx context.Context, tenant mspkit.TenantID, subject string) (time.Time, error) {
	s, err := c.Status(ctx, tenant, subject)
	if err == nil && s.Since.IsZero() {
		err = fmt.Errorf("totp: there is no authenticator app: %w", verify.ErrNotFound)
	}
	return s.Since, err
}

// CheckAnswer decides on the code of an app or on a recovery code. What is right is stored as used before it is said to be
// right: each step once and never one before it, each recovery code once.
func (c *Channel) CheckAnswer(ctx context.Context, q verify.Question, now time.Time) (verify.Verdict, error) {
	var v verify.Verdict
	err := c.factors.change(ctx, q.Tenant, q.Subject, now, func(st *state) (bool, error) {
		v = verify.Verdict{}
		a, typed := st.Active, q.Response.Reveal()
		if a == nil || !a.Since.Equal(q.Since) {
			return false, nil
		}
		if len(typed) == totp.RecoveryDigits {
			left, ok, err := c.recovery.Find(a.Codes, typed, string(q.Tenant), q.Subject)
			if err != nil || !ok {
				return false, err
			}
			a.Codes = left
			v = verify.Verdict{Right: true, Recovery: true, Left: len(left.Hashes)}
			return true, nil
		}
		v.Right = a.accept(typed, now, c.skew)
		return v.Right, nil
	})
	if err != nil {
		return verify.Verdict{}, fmt.Errorf("totp: check: %w", err)
	}
	return v, nil
}

// accept takes a code that was not used and makes it used.
func (a *active) accept(typed string, now time.Time, skew int) bool {
	return totp.Accept(a.Secret, &a.Last, typed, now, skew)
}

// Status is what a technician may know of a contact's app.
type Status struct {
	// Since is when it was set up, zero where there is none.
	Since time.Time
	// Recovery is how many recovery codes are left.
	Recovery int
	// Waiting is until when a link that was sent can be used, past or zero where none can.
	Waiting time.Time
}

// Status returns what there is of a contact; nothing is the zero Status.
func (c *Channel) Status(ctx context.Context, tenant mspkit.TenantID, subject string) (Status, error) {
	st, err := c.factors.load(ctx, tenant, subject)
	if err != nil {
		return Status{}, fmt.Errorf("totp: status: %w", err)
	}
	var s Status
	if a := st.Active; a != nil {
		s.Since, s.Recovery = a.Since, len(a.Codes.Hashes)
	}
	if p := st.Pending; p != nil && p.Stage != stageDone && !p.dead() {
		s.Waiting = p.Until
	}
	return s, nil
}
