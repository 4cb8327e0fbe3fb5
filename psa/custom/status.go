package custom

import (
	"net/http"
	"time"

	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/psa"
)

// Status returns nil for an answer of 2xx, and otherwise what its status means, with the Retry-After that it asks for. A
// function over HTTP returns it as it is. It reads nothing of the body.
//
// 408 and 5xx say nothing of whether something was written: of a function that writes that is psa.ErrAmbiguousWrite.
func Status(resp *http.Response) error {
	e := &psa.Error{Status: resp.StatusCode}
	if d, ok := httpx.ParseRetryAfter(resp.Header, time.Now()); ok { //nolint:forbidigo // the answer is of now
		e.RetryAfter = d
	}
	switch s := resp.StatusCode; {
	case s/100 == 2:
		return nil
	case s == http.StatusUnauthorized:
		e.Err = psa.ErrUnauthorized
	case s == http.StatusForbidden:
		e.Err = psa.ErrForbidden
	case s == http.StatusNotFound, s == http.StatusGone:
		e.Err = psa.ErrNotFound
	case s == http.StatusConflict, s == http.StatusPreconditionFailed:
		e.Err = psa.ErrConflict
	case s == http.StatusTooManyRequests:
		e.Err = psa.ErrRateLimited
	case s == http.StatusRequestTimeout:
	case s/100 == 4:
		e.Err = psa.ErrValidation
	}
	return e
}
