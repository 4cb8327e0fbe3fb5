package psa

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// The sentinels that an [*Error] wraps. Their texts have no prefix because they are printed within one; the table in the package comment says what each one means.
var (
	ErrNotFound       = errors.New("not found")
	ErrUnauthorized   = errors.New("credentials are not accepted")
	ErrForbidden      = errors.New("permission is missing")
	ErrRateLimited    = errors.New("rate limit reached")
	ErrValidation     = errors.New("the ticket system refuses the values")
	ErrConflict       = errors.New("somebody else changed it")
	ErrClosed         = errors.New("the ticket is closed or merged")
	ErrTooLong        = errors.New("the text is too long")
	ErrUnsupported    = errors.New("the ticket system cannot do this")
	ErrUnavailable    = errors.New("the ticket system does not answer")
	ErrAmbiguousWrite = errors.New("it is not known whether this was written")
	ErrOrigin         = errors.New("an address leads elsewhere")
	ErrWebhook        = errors.New("the webhook call is not authentic")
	ErrCursor         = errors.New("the cursor cannot be used any more")
)

// Error is what a ticket system answered, or that it did not. It can be printed and logged: it holds no credential and
// nothing of what was to be written.
type Error struct {
	// System is whose answer it is, for example "connectwise".
	System string
	// Op is what was being done, for example "add note".
	Op string
	// Status is the HTTP status, 0 where there was no answer.
	Status int
	// Code is the system's own code of the error, letters, digits and ". _ -" only.
	Code string
	// Fields are the names of the fields that it complains about.
	Fields []string
	// Advice says what to do, in one sentence of our own words; it may be empty.
	Advice string
	// Message is the system's own text. It may repeat what was sent to it, so it is not part of Error().
	Message mspkit.Redacted[string]
	// RetryAfter is how long the system asked to wait, 0 where it did not.
	RetryAfter time.Duration
	// RequestID is what the system's support asks for.
	RequestID string
	// MergedInto is the ticket that took over this one, where Err is [ErrClosed] and the system tells.
	MergedInto string
	// Err is a sentinel of this package, perhaps with a cause.
	Err error
}

// Error says who refused what and why, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "psa: %s: %s", e.System, e.Op)
	if e.Err != nil {
		b.WriteString(": " + strings.TrimPrefix(e.Err.Error(), "psa: "))
	}
	var more []string
	if e.Status != 0 {
		more = append(more, fmt.Sprintf("status %d", e.Status))
	}
	if e.Code != "" {
		more = append(more, "code "+e.Code)
	}
	if len(e.Fields) > 0 {
		more = append(more, "fields "+strings.Join(e.Fields, ", "))
	}
	if e.RetryAfter > 0 {
		more = append(more, "asks to wait "+e.RetryAfter.String())
	}
	if len(more) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(more, "; "))
	}
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Fate says what an error means for what was to be written.
type Fate int

// The fates.
const (
	// Unclear: it may have been written. Look before writing again.
	Unclear Fate = iota
	// Later: it was not written, and the same may succeed later.
	Later
	// Never: it was not written, and the same will not succeed.
	Never
)

// String names the fate.
func (f Fate) String() string {
	switch f {
	case Later:
		return "later"
	case Never:
		return "never"
	case Unclear:
	}
	return "unclear"
}

// FateOf reads an error of a write, which must not be nil. An error that says nothing is [Unclear]. What an administrator can repair, such as
// credentials, a permission, an address or a ticket system that is down, is [Later].
func FateOf(err error) Fate {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(ErrAmbiguousWrite):
		return Unclear
	case is(ErrRateLimited, ErrUnauthorized, ErrForbidden, ErrUnavailable, ErrConflict, ErrOrigin):
		return Later
	case is(ErrNotFound, ErrValidation, ErrClosed, ErrTooLong, ErrUnsupported, mspkit.ErrInvalid):
		return Never
	}
	return Unclear
}
