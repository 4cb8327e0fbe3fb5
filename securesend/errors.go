package securesend

import (
	"errors"
	"fmt"
	"time"
)

// The errors that callers tell apart.
var (
	// ErrInvalid means that a request cannot be used as it is; the text says what is wrong.
	ErrInvalid = errors.New("invalid request")
	// ErrNotFound means that there is no such send in this tenant.
	ErrNotFound = errors.New("no such send")
	// ErrConflict means that the record changed in between, or exists already.
	ErrConflict = errors.New("conflict")
	// ErrEnvelope means that something sealed does not open: it was altered, cut, or belongs elsewhere.
	ErrEnvelope = errors.New("the content was altered or does not belong here")
	// ErrLink means that a link is not complete or not one of ours.
	ErrLink = errors.New("the link is not complete")
	// ErrAuth means that the link's key is wrong. It changes and counts nothing.
	ErrAuth = errors.New("the key in the link is wrong")
	// ErrDraft means that the content has not been uploaded yet.
	ErrDraft = errors.New("the content is not there yet")
	// ErrOpening means that somebody else is opening the send.
	ErrOpening = errors.New("it is being opened")
	// ErrEnded means that the send was read, revoked or has expired; nobody can open it any more.
	ErrEnded = errors.New("it has ended")
	// ErrNumber means that the number or code was wrong or not given; ErrPassphrase the same of the passphrase.
	ErrNumber     = errors.New("the number is wrong")
	ErrPassphrase = errors.New("the passphrase is wrong")
	// ErrLocked means that the tries are used up; the sender can renew the number.
	ErrLocked = errors.New("the tries are used up")
	// ErrGate means that the [RevealGate] does not let the recipient pass, or not yet.
	ErrGate = errors.New("not let through")
	// ErrForbidden means that the technician may not do this.
	ErrForbidden = errors.New("not allowed")
	// ErrUnsupported means that a store or system cannot do what was asked.
	ErrUnsupported = errors.New("not supported")
	// ErrRegion means that no blob store of this instance serves the region.
	ErrRegion = errors.New("the region is not served here")
	// ErrTooLarge means that a text or file is larger than the tenant allows.
	ErrTooLarge = errors.New("too large")
	// ErrLimited means that a limit was reached; errors.As to [*LimitError] says which and until when.
	ErrLimited = errors.New("limit reached")
	// ErrDelivery means that the message with the link could not be sent; the send stands and can be revoked.
	ErrDelivery = errors.New("delivery failed")
)

// LimitError says which limit refused. It is an [ErrLimited].
type LimitError struct {
	Limit      string
	RetryAfter time.Duration
}

// Error names the limit and the wait.
func (e *LimitError) Error() string {
	return fmt.Sprintf("limit reached: %s, try again in %s", e.Limit, e.RetryAfter.Round(time.Second))
}

// Is reports whether target is [ErrLimited].
func (e *LimitError) Is(target error) bool { return target == ErrLimited }

// LockedFieldError says that a technician gave a field that the tenant has locked. It is an [ErrForbidden].
type LockedFieldError struct{ Field string }

// Error names the field.
func (e *LockedFieldError) Error() string {
	return e.Field + " is locked by the tenant's settings: leave it empty"
}

// Is reports whether target is [ErrForbidden].
func (e *LockedFieldError) Is(target error) bool { return target == ErrForbidden }

func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("securesend: %s: %w", verb, err)
}
