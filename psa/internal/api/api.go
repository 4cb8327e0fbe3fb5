// Package api is the JSON over HTTP that the clients of ticket systems share: one request, its answer decoded, and every
// fault told as a *psa.Error that says whether what was to be written may have been written.
//
// # Concurrency
//
// A [Client] is safe for concurrent use.
//
// # Errors
//
// Every error is a *psa.Error with a sentinel of package psa.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/psa"
)

// Client sends requests to one ticket system.
type Client struct {
	// System is the name in errors.
	System string
	// HTTP is the outbound pipeline, made by httpx.NewClient with the origins to which credentials may go.
	HTTP *http.Client
	// Sign adds the credentials. Its error ends the request unsent.
	Sign func(*http.Request) error
	// Explain reads the body of an answer that is not 2xx into Code, Fields, Message and, where the vendor's status does
	// not say what is meant, Err. It may be nil. e has Status, RetryAfter, RequestID and Err from the status set.
	Explain func(e *psa.Error, write bool, body []byte)
	// RequestID names the header with the vendor's request id; empty is none.
	RequestID string
	Now       func() time.Time
}

// Request is one request.
type Request struct {
	// Op is what is being done, for the error.
	Op     string
	Method string
	URL    *url.URL
	Header http.Header
	// Body is sent as JSON where it is not nil.
	Body any
	// Form is sent as a form where it is not nil.
	Form url.Values
	// Write is set where the request changes something: without a clear answer it is then a psa.ErrAmbiguousWrite.
	Write bool
}

const maxProblem = 8 << 10

// Do sends r and decodes a 2xx answer into out, which may be nil. It returns the answer's header.
func (c *Client) Do(ctx context.Context, r Request, out any) (http.Header, error) {
	fail := func(err error) *psa.Error { return &psa.Error{System: c.System, Op: r.Op, Err: err} }
	var body io.Reader
	contentType := ""
	switch {
	case r.Body != nil:
		raw, err := json.Marshal(r.Body)
		if err != nil {
			return nil, fail(psa.ErrValidation)
		}
		body, contentType = bytes.NewReader(raw), "application/json"
	case r.Form != nil:
		body, contentType = strings.NewReader(r.Form.Encode()), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL.String(), body)
	if err != nil {
		return nil, fail(mspkit.ErrInvalid) // the text of net/url holds the URL
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if c.Sign != nil {
		if err := c.Sign(req); err != nil {
			if e, ok := errors.AsType[*psa.Error](err); ok {
				return nil, e
			}
			return nil, fail(psa.ErrUnauthorized)
		}
	}
	resp, err := httpx.Do(c.HTTP, req)
	if err != nil {
		return nil, c.unanswered(r, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode/100 != 2 {
		return resp.Header, c.refused(r, resp)
	}
	if out == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProblem))
		return resp.Header, nil
	}
	if err := decode(resp.Body, out); err != nil {
		e := fail(unclear(r.Write))
		e.Status, e.RequestID = resp.StatusCode, c.requestID(resp)
		e.Advice = "the answer is not what the ticket system's API sends; is there a proxy or a sign-in page in between?"
		if errors.Is(err, ErrTooBig) || errors.Is(err, httpx.ErrBodyTooLarge) {
			e.Err = fmt.Errorf("%w: %w", e.Err, ErrTooBig)
			e.Advice = "so much is not read at once"
		}
		return resp.Header, e
	}
	return resp.Header, nil
}

func unclear(write bool) error {
	if write {
		return psa.ErrAmbiguousWrite
	}
	return psa.ErrUnavailable
}

// unanswered tells of a request that got no answer.
func (c *Client) unanswered(r Request, err error) error {
	e := &psa.Error{System: c.System, Op: r.Op, Err: unclear(r.Write)}
	he, ok := errors.AsType[*httpx.Error](err)
	switch {
	case errors.Is(err, httpx.ErrOrigin):
		e.Err, e.Advice = psa.ErrOrigin, "credentials go to the configured address only"
	case errors.Is(err, httpx.ErrAddress):
		e.Err, e.Advice = psa.ErrUnavailable, "the address is not allowed"
	case errors.Is(err, httpx.ErrLimited):
		e.Err, e.Advice = psa.ErrRateLimited, "this process has used up its own share of requests"
	case errors.Is(err, httpx.ErrRedirect):
		e.Err, e.Advice = psa.ErrUnavailable, "it redirects; is the address right?"
	case ok && !he.Sent:
		e.Err = psa.ErrUnavailable
	}
	if errors.Is(err, context.Canceled) { // by the caller
		e.Err = fmt.Errorf("%w: %w", e.Err, context.Canceled)
	}
	return e
}

// refused tells of an answer that is not 2xx.
func (c *Client) refused(r Request, resp *http.Response) error {
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	e := &psa.Error{System: c.System, Op: r.Op, Status: resp.StatusCode, RequestID: c.requestID(resp)}
	if d, ok := httpx.ParseRetryAfter(resp.Header, now()); ok {
		e.RetryAfter = d
	}
	switch s := resp.StatusCode; {
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
	case s == http.StatusRequestTimeout, s/100 == 5:
		e.Err = unclear(r.Write)
	case s/100 == 4:
		e.Err = psa.ErrValidation
	default:
		e.Err = psa.ErrUnavailable
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if c.Explain != nil {
		c.Explain(e, r.Write, body)
	}
	e.Code = Clean(e.Code)
	for i := range e.Fields {
		e.Fields[i] = Clean(e.Fields[i])
	}
	e.Fields = slices.DeleteFunc(e.Fields, func(s string) bool { return s == "" })
	return e
}

func (c *Client) requestID(resp *http.Response) string {
	if c.RequestID == "" {
		return ""
	}
	return Clean(resp.Header.Get(c.RequestID))
}

// Clean keeps of a vendor's code or field name what such a name is made of, up to 64 characters: anything else may be text
// that was sent.
func Clean(s string) string {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-', r == '/':
		default:
			return ""
		}
	}
	if len(s) > 64 {
		return ""
	}
	return s
}

// Page finds the address of the next page in what a server names: on the origin of base only. Anything else is a
// psa.ErrOrigin.
func Page(system, op string, base *url.URL, next string) (*url.URL, error) {
	u, err := base.Parse(next)
	if err != nil || !httpx.SameOrigin(base, u) || u.User != nil {
		return nil, &psa.Error{System: system, Op: op, Err: psa.ErrOrigin, Advice: "the next page is said to be at another address"}
	}
	return u, nil
}
