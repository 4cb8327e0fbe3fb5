package twilio

import (
	"errors"
	"fmt"
	"net/http"
)

// The sentinels; the table in the package comment says what they mean.
var (
	ErrInvalidNumber = errors.New("the recipient's number is not valid")
	ErrNotMobile     = errors.New("the recipient's number cannot receive text messages")
	ErrOptedOut      = errors.New("the recipient has opted out")
	ErrRegion        = errors.New("the recipient's country is not enabled")
	ErrSender        = errors.New("the sender cannot be used")
	ErrAuth          = errors.New("the credentials were refused")
	ErrUndeliverable = errors.New("the handset could not be reached")
	ErrBlocked       = errors.New("the message was blocked")
	ErrLimited       = errors.New("too many requests")
	ErrAmbiguous     = errors.New("the message may or may not have been sent")
	ErrNoFacts       = errors.New("nothing could be found out about the number")
)

// Error is what Twilio refused. Its text is safe to log: it never repeats Twilio's own message, which quotes the
// recipient's number.
type Error struct {
	// Code is Twilio's error code (https://www.twilio.com/docs/api/errors), 0 where there was none.
	Code int
	// Status is the HTTP status.
	Status int
	// Permanent is true where sending the same again cannot help.
	Permanent bool
}

// Error says code and meaning.
func (e *Error) Error() string {
	s := fmt.Sprintf("twilio: status %d, code %d", e.Status, e.Code)
	if err := e.Unwrap(); err != nil {
		s += ": " + err.Error()
	}
	return s
}

// Unwrap returns the sentinel for the code, or nil.
func (e *Error) Unwrap() error {
	if err := meaning(e.Code).err; err != nil {
		return err
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return ErrAuth
	case http.StatusTooManyRequests:
		return ErrLimited
	}
	return nil
}

type codeMeaning struct {
	err       error
	permanent bool
}

// meaning says what a code stands for. Codes of undelivered messages are among them, so that a status callback is
// read by the same table.
func meaning(code int) codeMeaning {
	switch code {
	case 21211, 21217:
		return codeMeaning{ErrInvalidNumber, true}
	case 21614, 30006:
		return codeMeaning{ErrNotMobile, true}
	case 21610:
		return codeMeaning{ErrOptedOut, true}
	case 21408:
		return codeMeaning{ErrRegion, true}
	case 21212, 21603, 21606, 21659, 21701, 21703, 30034:
		return codeMeaning{ErrSender, true}
	case 20003:
		return codeMeaning{ErrAuth, true}
	case 30003:
		return codeMeaning{ErrUndeliverable, false} // switched off or out of reach for now
	case 30005:
		return codeMeaning{ErrUndeliverable, true}
	case 30004, 30007, 30450:
		return codeMeaning{ErrBlocked, true}
	case 20429:
		return codeMeaning{ErrLimited, false}
	}
	return codeMeaning{}
}

func newError(status, code int) *Error {
	m := meaning(code)
	permanent := m.permanent
	if m.err == nil { // an unknown refusal of this very request
		permanent = status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout
	}
	return &Error{Code: code, Status: status, Permanent: permanent}
}

// Explain says why SendText failed, in words without a number or text that can be shown and stored, and whether
// trying again cannot help. An error that is not of this package gives "".
func (c *Client) Explain(err error) (reason string, permanent bool) {
	if errors.Is(err, ErrAmbiguous) { // it may wrap the refusal of a lookup
		return ErrAmbiguous.Error(), false
	}
	api, refused := errors.AsType[*Error](err)
	for _, known := range []error{
		ErrInvalidNumber, ErrNotMobile, ErrOptedOut, ErrRegion, ErrSender, ErrAuth, ErrUndeliverable, ErrBlocked, ErrLimited,
	} {
		switch {
		case !errors.Is(err, known):
		case !refused: // our own check of the number
			return known.Error(), errors.Is(known, ErrInvalidNumber)
		case api.Code == 0:
			return known.Error(), api.Permanent
		default:
			return fmt.Sprintf("%v (%d)", known, api.Code), api.Permanent
		}
	}
	if refused {
		return fmt.Sprintf("Twilio refused the message (status %d, code %d)", api.Status, api.Code), api.Permanent
	}
	return "", false
}
