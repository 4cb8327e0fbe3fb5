package graphx

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/mspkit/mspkit/internal/httpx"
)

// transient are the statuses after which a request may be tried again that does no harm twice.
var transient = []int{
	http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
	http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// retry makes azcore's retry policy ask us about cl.
func (c *Client) retry(cl *call) policy.RetryOptions {
	o := c.o.Retry
	o.TryTimeout = 0 // azcore's includes the body; see timeTry
	o.MaxRetryDelay = max(c.o.MaxRetryAfter, o.RetryDelay, time.Second)
	o.StatusCodes = nil
	o.ShouldRetry = func(res *http.Response, err error) bool {
		if err != nil {
			return retryError(cl, err)
		}
		wait := retryAfter(res.Header, c.o.Now())
		if !c.repeats(res.StatusCode, wait, cl.idempotent) {
			return false
		}
		if !c.worthWaiting(wait, cl.deadline) {
			return false
		}
		// Kept for the case that time runs out while waiting.
		b, err := runtime.Payload(res)
		if err != nil {
			b = nil // the status says enough
		}
		cl.mu.Lock()
		cl.last = c.newError(res.StatusCode, res.Header, b, cl.id)
		cl.mu.Unlock()
		return true
	}
	return o
}

// repeats reports whether a request that was answered so may be sent again. A 429 says that Graph did not act.
func (c *Client) repeats(status int, wait time.Duration, idempotent bool) bool {
	switch {
	case status == http.StatusTooManyRequests:
		return true
	case status == http.StatusServiceUnavailable && wait > 0 && c.o.RepeatUnavailable:
		return true
	}
	return idempotent && slices.Contains(transient, status)
}

// worthWaiting reports whether a Retry-After fits into the call.
func (c *Client) worthWaiting(wait time.Duration, deadline time.Time) bool {
	return wait <= max(c.o.MaxRetryAfter, 0) && time.Until(deadline) > wait
}

func retryError(cl *call, err error) bool {
	e, ok := errors.AsType[*httpx.Error](err)
	if !ok || cl.ctx.Err() != nil {
		return false // of a limiter, a credential, or the end of the call
	}
	for _, final := range []error{httpx.ErrRedirect, httpx.ErrOrigin, httpx.ErrAddress, httpx.ErrLimited} {
		if errors.Is(e, final) {
			return false
		}
	}
	return cl.idempotent || !e.Sent
}
