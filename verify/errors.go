package verify

import (
	"errors"
	"fmt"
	"time"
)

// The errors that callers tell apart. A wrong, expired, used or locked answer is a [State] of the [Result] and
// not an error: an error means that the outcome is not known, and a caller must fail closed.
var (
	// ErrInvalid means that a request cannot be used as it is; the text says what is wrong.
	ErrInvalid = errors.New("invalid request")
	// ErrFormat means that a response has characters that no code has. It is not counted as a try.
	ErrFormat = errors.New("a code has digits only")
	// ErrNotFound means that there is no such challenge in this tenant.
	ErrNotFound = errors.New("no such challenge")
	// ErrConflict means that the record changed in between, or that an idempotency key was used for something else.
	ErrConflict = errors.New("conflict")
	// ErrNotPending means that the challenge has ended and cannot be renewed, cancelled or answered.
	ErrNotPending = errors.New("the challenge has ended")
	// ErrForbidden means that the technician may not do this; see [Options.Authorize].
	ErrForbidden = errors.New("not allowed")
	// ErrFrozen means that somebody said "not me" and the subject is frozen.
	ErrFrozen = errors.New("the subject is frozen")
	// ErrLocked means that the subject failed too often in a row and must be unlocked.
	ErrLocked = errors.New("the subject is locked")
	// ErrLimited means that a limit was reached; errors.As to [*LimitError] says which and until when.
	ErrLimited = errors.New("limit reached")
	// ErrPolicy means that the tenant's policy does not allow this action by this way; errors.As to
	// [*PolicyError] says what it needs.
	ErrPolicy = errors.New("not allowed by the policy")
	// ErrNoChannel means that no channel is registered or usable for the subject.
	ErrNoChannel = errors.New("no usable channel")
	// ErrDelivery means that the channel could not deliver; the challenge stands and can be sent again.
	ErrDelivery = errors.New("delivery failed")
	// ErrProof means that a proof is not genuine or not for what was expected.
	ErrProof = errors.New("the proof does not match")
	// ErrProofExpired means that a proof was not redeemed in time.
	ErrProofExpired = errors.New("the proof has expired")
	// ErrUnapproved means that a second technician has not approved yet.
	ErrUnapproved = errors.New("a second technician must approve first")
	// ErrRedeemed means that a proof was redeemed already, by somebody else.
	ErrRedeemed = errors.New("the proof was redeemed already")
)

// LimitError says which limit refused. It is an [ErrLimited].
type LimitError struct {
	// Limit is one of the Limit… names.
	Limit string
	// RetryAfter is how long it takes until the limit may let the next one pass.
	RetryAfter time.Duration
}

// Error names the limit and the wait.
func (e *LimitError) Error() string {
	return fmt.Sprintf("limit reached: %s, try again in %s", e.Limit, e.RetryAfter.Round(time.Second))
}

// Is reports whether target is [ErrLimited].
func (e *LimitError) Is(target error) bool { return target == ErrLimited }

// PolicyError says why the policy refused. It is an [ErrPolicy].
type PolicyError struct {
	Action Action
	// Need is what the action needs, Have what this way would give.
	Need, Have Assurance
	// Reason is a sentence for the technician.
	Reason string
}

// Error says what the action needs.
func (e *PolicyError) Error() string { return "not allowed by the policy: " + e.Reason }

// Is reports whether target is [ErrPolicy].
func (e *PolicyError) Is(target error) bool { return target == ErrPolicy }

// DeliveryError is what a [Channel] may return to say why it could not deliver, in words that can be stored and
// shown: no address, no code. Reasons of other errors are not shown, because nobody knows what is in them.
type DeliveryError struct {
	Reason string
	// Permanent is true where trying again cannot help.
	Permanent bool
	Err       error
}

// Error returns the reason.
func (e *DeliveryError) Error() string { return e.Reason }

// Unwrap returns what went wrong underneath.
func (e *DeliveryError) Unwrap() error { return e.Err }
