package gdap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
)

var (
	// ErrRelationship means that the partner's user cannot reach a customer: the relationship was ended, has not begun, or
	// gives this user nothing.
	ErrRelationship = errors.New("gdap: no working relationship with the customer")
	// ErrAnswer means that Microsoft answered with what cannot be read.
	ErrAnswer = errors.New("gdap: the answer cannot be used")
	// ErrMFA means that Partner Center wants a sign-in with multifactor authentication.
	ErrMFA = errors.New("gdap: Partner Center asks for multifactor authentication")
)

// refusal is an error of ours about a token that nobody should ask for again at once. It may be shown to an administrator.
type refusal struct {
	text  string
	is    error
	cause error // its text is not repeated
}

// Error says what is wrong.
func (r *refusal) Error() string { return "gdap: " + r.is.Error() + ": " + r.text }

// Advice is for [entra.Problem].
func (r *refusal) Advice() string { return r.text }

// Unwrap returns the sentinel and, where there is one, the cause.
func (r *refusal) Unwrap() []error {
	if r.cause == nil {
		return []error{r.is}
	}
	return []error{r.is, r.cause}
}

// NonRetriable keeps azcore from repeating a request for which there is no token.
func (*refusal) NonRetriable() {}

// unreachable is a [*entra.TokenError] of one customer whose relationship does not work.
type unreachable struct{ *entra.TokenError }

// Error says so, and what Entra answered.
func (e *unreachable) Error() string { return ErrRelationship.Error() + ": " + e.TokenError.Error() }

// Unwrap returns the sentinel and Entra's error.
func (e *unreachable) Unwrap() []error { return []error{ErrRelationship, e.TokenError} }

// listError is a call of Graph that failed, with the sentinel that says what it means.
type listError struct {
	is  error
	err error
}

func (e *listError) Error() string   { return e.err.Error() }
func (e *listError) Unwrap() []error { return []error{e.is, e.err} }

// graphError makes an error that callers know of one of internal/graphx.
func graphError(err error) error {
	// Why there was no token is said better by who asked for it.
	if e, ok := errors.AsType[*entra.TokenError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*refusal](err); ok {
		return e
	}
	is := entra.ErrUnavailable
	e, answered := errors.AsType[*graphx.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, graphx.ErrAnswer), errors.Is(err, graphx.ErrTooBig), errors.Is(err, graphx.ErrOrigin), errors.Is(err, graphx.ErrCircle):
		is = ErrAnswer
	case errors.Is(err, graphx.ErrThrottled):
		is = entra.ErrThrottled
	case errors.Is(err, graphx.ErrToken):
		is = entra.ErrSignIn
	case answered && e.Status < 500:
		is = entra.ErrRefused
	}
	return &listError{is, err}
}

// Error is an answer of Partner Center that is no success. Its text is safe to log: of what Partner Center wrote it repeats a
// number and ids.
type Error struct {
	// Status is the HTTP status, Code is Partner Center's number or empty.
	Status int
	Code   string
	// RequestID and CorrelationID are what Microsoft's support asks for.
	RequestID, CorrelationID string
	// RetryAfter is how long Partner Center asked to wait, or 0.
	RetryAfter time.Duration
	// Advice is what an administrator can do.
	Advice string

	is     error // a sentinel or nil
	exists bool  // the consent is there already
}

// Error says what was answered, and what can be done.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("gdap: Partner Center: status " + strconv.Itoa(e.Status))
	if e.Code != "" {
		b.WriteString(", code " + e.Code)
	}
	if e.RequestID != "" {
		b.WriteString(", request " + e.RequestID)
	}
	if e.RetryAfter > 0 {
		b.WriteString(", retry after " + e.RetryAfter.String())
	}
	fmt.Fprintf(&b, ": %s", e.Advice)
	return b.String()
}

// Unwrap returns the sentinels that say what it means.
func (e *Error) Unwrap() []error {
	switch {
	case e.is == nil:
		return nil
	case errors.Is(e.is, ErrMFA):
		return []error{ErrMFA, entra.ErrSignIn}
	}
	return []error{e.is}
}

// newCenterError reads an answer of Partner Center. body may be anything.
func newCenterError(status int, header http.Header, body []byte, now time.Time) *Error {
	e := &Error{Status: status, Advice: "look the status and the code up in Partner Center's list of error codes"}
	e.RetryAfter, _ = httpx.ParseRetryAfter(header, now)
	for name, into := range map[string]*string{"Ms-Requestid": &e.RequestID, "Ms-Correlationid": &e.CorrelationID} {
		if id, err := entra.CanonicalID(header.Get(name)); err == nil {
			*into = id
		}
	}
	code, text := centerText(body)
	e.Code = code
	text = strings.ToLower(text)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("permission entry already exists"):
		e.exists, e.Advice = true, "the application has consent already: replace it to change its scopes"
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && has("mfa", "multi-factor", "multifactor"):
		e.is, e.Advice = ErrMFA, "sign the partner's service user in again and complete multifactor authentication; an old sign-in without it does not do"
	case status == http.StatusUnauthorized:
		e.is, e.Advice = entra.ErrSignIn, "the token was not accepted: give the application the delegated permission user_impersonation of "+
			"Partner Center, then sign the service user in again with multifactor authentication"
	case status == http.StatusForbidden:
		e.is, e.Advice = entra.ErrRefused, "the service user must be in the group AdminAgents, and the relationship must give one of its groups "+
			"Application Administrator, Cloud Application Administrator or Privileged Role Administrator"
	case status == http.StatusNotFound:
		e.is, e.Advice = ErrRelationship, "the customer has no relationship with the partner, or a new one that Partner Center does not know yet"
	case status == http.StatusTooManyRequests:
		e.is, e.Advice = entra.ErrThrottled, "try again later, with fewer customers at once"
	case status >= 500 || status == http.StatusRequestTimeout:
		e.is, e.Advice = entra.ErrUnavailable, "try again later"
	case status == http.StatusBadRequest:
		e.is, e.Advice = entra.ErrRefused, "check that the application asks for these scopes and that the customer has the services they are of"
	}
	return e
}
