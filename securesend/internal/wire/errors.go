package wire

import (
	"errors"
	"net/http"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// Error is every answer that is not a success.
type Error struct {
	// Code is one of the table below, stable for programs.
	Code    string `json:"error"`
	Message string `json:"message"`
	// TriesLeft and PassphraseTriesLeft stand where a number, code or passphrase was refused.
	TriesLeft           *int `json:"triesLeft,omitempty"`
	PassphraseTriesLeft *int `json:"passphraseTriesLeft,omitempty"`
	// Limit and RetryAfter, in seconds, stand where a limit was reached.
	Limit      string `json:"limit,omitempty"`
	RetryAfter int64  `json:"retryAfter,omitempty"`
}

// Codes that have no error of securesend's.
const (
	CodeType        = "type"        // 415: the body is not of the type that is expected
	CodeUnavailable = "unavailable" // 503: it is not known, try again
)

// kinds are all errors. The first that fits counts, so the narrower ones come first. Messages are fixed, so that nothing of
// what went wrong underneath gets out.
var kinds = []struct {
	code    string
	status  int
	is      error
	message string
}{
	{"not_found", http.StatusNotFound, securesend.ErrNotFound, "There is nothing here."},
	{"auth", http.StatusForbidden, securesend.ErrAuth, "The key in the link is wrong."},
	{"locked", http.StatusLocked, securesend.ErrLocked, "The tries are used up. The sender can renew the number."},
	{"number", http.StatusForbidden, securesend.ErrNumber, "The number is wrong or missing."},
	{"passphrase", http.StatusForbidden, securesend.ErrPassphrase, "The passphrase is wrong or missing."},
	{"gate", http.StatusForbidden, securesend.ErrGate, "Not let through, or not yet."},
	{"draft", http.StatusConflict, securesend.ErrDraft, "The content is not there yet."},
	{"opening", http.StatusConflict, securesend.ErrOpening, "It is being opened by somebody else."},
	{"conflict", http.StatusConflict, securesend.ErrConflict, "It was changed in between."},
	{"ended", http.StatusGone, securesend.ErrEnded, "It has ended."},
	{"limited", http.StatusTooManyRequests, securesend.ErrLimited, "Too often. Try again later."},
	{"too_large", http.StatusRequestEntityTooLarge, securesend.ErrTooLarge, "The text or file is too large."},
	{"forbidden", http.StatusForbidden, securesend.ErrForbidden, "This is not allowed."},
	{"region", http.StatusServiceUnavailable, securesend.ErrRegion, "The region is not served here."},
	{"unsupported", http.StatusUnprocessableEntity, securesend.ErrUnsupported, "This is not supported."},
	{"delivery", http.StatusServiceUnavailable, securesend.ErrDelivery, "The message could not be sent."},
	{"envelope", http.StatusUnprocessableEntity, securesend.ErrEnvelope, "The envelope cannot be read."},
	{"invalid", http.StatusUnprocessableEntity, securesend.ErrInvalid, "The request cannot be used."},
	{"invalid", http.StatusUnprocessableEntity, ErrBody, "The request cannot be used."},
}

// FromError returns the answer to an error.
func FromError(err error) (status int, e Error) {
	status, e = http.StatusServiceUnavailable, Error{Code: CodeUnavailable, Message: "It is not known. Try again."}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok && tooLarge != nil {
		err = securesend.ErrTooLarge
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			status, e.Code, e.Message = k.status, k.code, k.message
			break
		}
	}
	if r, ok := errors.AsType[*securesend.Refusal](err); ok {
		e.TriesLeft, e.PassphraseTriesLeft = &r.TriesLeft, &r.PassTriesLeft
	}
	if l, ok := errors.AsType[*securesend.LimitError](err); ok {
		e.Limit, e.RetryAfter = l.Limit, int64((l.RetryAfter+time.Second-1)/time.Second)
	}
	return status, e
}

// Err returns the error of an answer, and nil where the code is not known.
func (e Error) Err() error {
	for _, k := range kinds {
		if k.code != e.Code {
			continue
		}
		switch {
		case e.Code == "limited":
			return &securesend.LimitError{Limit: clean(e.Limit), RetryAfter: time.Duration(min(max(e.RetryAfter, 0), 1<<31)) * time.Second}
		case e.TriesLeft != nil || e.PassphraseTriesLeft != nil:
			return &securesend.Refusal{Err: k.is, TriesLeft: deref(e.TriesLeft), PassTriesLeft: deref(e.PassphraseTriesLeft)}
		}
		return k.is
	}
	return nil
}

func deref(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// clean takes the names of limits that we have; the server of somebody else might say anything.
func clean(limit string) string {
	switch limit {
	case securesend.LimitCooldown, securesend.LimitCodes, securesend.LimitRenewals, securesend.LimitDestination, securesend.LimitSubject:
		return limit
	}
	return "a limit of the server"
}
