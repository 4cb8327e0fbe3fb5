package httpx

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// Transport is the pipeline as an http.RoundTripper. Its responses must be closed, as always: the call's deadline
// goes on until then.
type Transport struct {
	base        http.RoundTripper
	opts        Options // with defaults
	origins     []string
	credentials []string
	redirects   int
	limiter     *limiter
}

var own struct {
	once sync.Once
	base http.RoundTripper
}

// ownTransport returns a copy of http.DefaultTransport, for whose idle connections nobody else decides: whoever closes those of
// the default one, as each test server does at its end, lets requests fail that are about to use one. There is one copy in a
// program, made when it is wanted, so that who only imports this package does not link it.
func ownTransport() http.RoundTripper {
	own.once.Do(func() {
		own.base = http.DefaultTransport
		if t, ok := own.base.(*http.Transport); ok {
			own.base = t.Clone()
		}
	})
	return own.base
}

// New returns the pipeline over base; nil is what http.DefaultTransport is when it is first wanted, with connections of its
// own, or http.DefaultTransport itself where the program has put something else there. It fails with [mspkit.ErrInvalid] where
// an option cannot be used.
func New(base http.RoundTripper, o *Options) (*Transport, error) {
	if base == nil {
		base = http.DefaultTransport
		if _, ok := base.(*http.Transport); ok {
			base = ownTransport()
		}
	}
	t := &Transport{base: base}
	if err := t.configure(o); err != nil {
		return nil, err
	}
	return t, nil
}

// NewClient returns a copy of base whose transport is the pipeline over base's own and which refuses redirects.
// nil base means a new client. A base that came from NewClient is not wrapped twice: that would multiply the tries.
func NewClient(base *http.Client, o *Options) (*http.Client, error) {
	var c http.Client
	if base != nil {
		c = *base
	}
	inner := c.Transport
	if t, ok := inner.(*Transport); ok {
		inner = t.base
	}
	t, err := New(inner, o)
	if err != nil {
		return nil, err
	}
	c.Transport, c.CheckRedirect = t, t.checkRedirect
	return &c, nil
}

// call is the state of one RoundTrip.
type call struct {
	t     *Transport
	req   *http.Request
	ctx   context.Context //nolint:containedctx // lives as long as the call: req's context with our deadline
	tries int
	sent  bool           // a connection was made at least once
	held  bool           // Pace refused a repeat
	last  *http.Response // of the last try
}

// RoundTrip sends req with the deadlines, the limits and the retries of t. Its errors are of type *[Error].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := &call{t: t, req: req}
	if err := t.guardOrigin(req); err != nil {
		return nil, c.fail(err)
	}
	ctx, cancel := req.Context(), context.CancelFunc(func() {})
	if t.opts.Timeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, t.opts.Timeout, errCallTimeout)
	}
	// The policies see a request without body: failsafehttp would read it into memory, and we have GetBody.
	c.ctx = ctx
	bare := req.WithContext(ctx)
	bare.Body = nil
	resp, err := failsafehttp.NewRoundTripper(roundTripper(c.try), c.policy()).RoundTrip(bare)
	if err != nil {
		if c.last != nil { // answered, but the call was cancelled meanwhile
			_ = c.last.Body.Close()
		}
		if errors.Is(context.Cause(ctx), errCallTimeout) && req.Context().Err() == nil {
			err = errCallTimeout
		}
		cancel()
		return nil, c.fail(err)
	}
	resp.Body = &body{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, left: t.opts.MaxBody, capped: t.opts.MaxBody >= 0}
	resp.Request = req
	return resp, nil
}

// fail closes what was not sent and makes the error.
func (c *call) fail(err error) error {
	if c.tries == 0 && c.req.Body != nil {
		_ = c.req.Body.Close()
	}
	e := wrap(c.req, err)
	e.Tries, e.Sent = c.tries, c.sent
	if c.tries > 1 {
		c.t.opts.Logger.WarnContext(c.req.Context(), "outbound call given up",
			slog.String("method", e.Method), slog.String("url", e.URL), slog.Int("tries", e.Tries), slog.String("reason", reason(err)))
	}
	return e
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// try is one attempt. Its deadline ends when the headers are there; the body has the call's.
func (c *call) try(r *http.Request) (*http.Response, error) {
	c.last = nil
	if c.t.limiter != nil {
		if err := c.t.limiter.wait(r); err != nil {
			return nil, err
		}
	}
	if c.t.opts.Pace != nil && c.tries > 0 {
		if err := c.t.opts.Pace(r); err != nil {
			c.held = true
			return nil, err
		}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	r = r.WithContext(ctx)
	r.Header = r.Header.Clone() // a transport may add to it
	r.Body = c.req.Body
	if c.tries > 0 && c.req.GetBody != nil {
		b, err := c.req.GetBody()
		if err != nil {
			cancel(nil)
			return nil, err
		}
		r.Body = b
	}
	c.tries++
	stop := func() bool { return true }
	if c.t.opts.TryTimeout > 0 {
		stop = time.AfterFunc(c.t.opts.TryTimeout, func() { cancel(errTryTimeout) }).Stop
	}
	start := time.Now()
	resp, err := c.t.base.RoundTrip(r)
	if !stop() && err == nil { // the headers came with the deadline: the body cannot be read any more
		_ = resp.Body.Close()
		err = errTryTimeout
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), errTryTimeout) {
			err = errTryTimeout
		}
		cancel(nil)
		c.sent = c.sent || !neverSent(err)
		c.debug(slog.String("reason", reason(err)), start)
		return nil, err
	}
	c.sent = true
	c.debug(slog.Int("status", resp.StatusCode), start)
	if c.t.opts.Answered != nil {
		c.t.opts.Answered(c.req, resp)
	}
	resp.Body = &tryBody{ReadCloser: resp.Body, cancel: cancel}
	c.last = resp
	return resp, nil
}

func (c *call) debug(outcome slog.Attr, start time.Time) {
	l := c.t.opts.Logger
	if ctx := c.req.Context(); l.Enabled(ctx, slog.LevelDebug) {
		l.LogAttrs(ctx, slog.LevelDebug, "outbound call", slog.String("method", c.req.Method), slog.String("url", RedactURL(c.req.URL)),
			slog.Int("try", c.tries), outcome, slog.Duration("took", time.Since(start)))
	}
}

// tryBody releases the context of its try.
type tryBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b *tryBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// policy is the retry policy for this call. It is built per call because what may be retried hangs on the request.
func (c *call) policy() failsafe.Policy[*http.Response] {
	var wait time.Duration // decided together with whether to retry: no retry where the wait would be too long
	return retrypolicy.NewBuilder[*http.Response]().
		WithMaxRetries(max(c.t.opts.MaxRetries, 0)).
		ReturnLastFailure().
		HandleIf(func(resp *http.Response, err error) bool {
			if c.tries > c.t.opts.MaxRetries || !c.mayRetry(resp, err) {
				return false
			}
			var ok bool
			wait, ok = c.wait(resp)
			return ok
		}).
		WithDelayFunc(func(failsafe.ExecutionAttempt[*http.Response]) time.Duration {
			if c.last != nil { // free the connection while we wait
				_ = c.last.Body.Close()
				c.last = nil
			}
			return wait
		}).
		Build()
}

// mayRetry decides by method, marks and outcome.
func (c *call) mayRetry(resp *http.Response, err error) bool {
	if c.held {
		return false
	}
	if c.req.Body != nil && c.req.Body != http.NoBody && c.req.GetBody == nil {
		return false // the body cannot be read a second time
	}
	if err != nil && neverSent(err) {
		return !permanent(err)
	}
	repeatable := idempotentMethod(c.req.Method) || c.req.Context().Value(idempotentKey{}) != nil
	if err != nil {
		return repeatable && !permanent(err)
	}
	if !repeatable {
		// 503 alone may come from a proxy behind which the work was done.
		_, asked := ParseRetryAfter(resp.Header, c.t.opts.Now())
		return slices.Contains(c.t.opts.Rejects, resp.StatusCode) && (asked || resp.StatusCode == http.StatusTooManyRequests)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return slices.Contains(c.t.opts.Retry, resp.StatusCode)
}

// wait is how long to wait before the next try; ok is false where that is longer than allowed or than the call has
// left, so that the caller gets the answer at once instead of a timeout later.
func (c *call) wait(resp *http.Response) (d time.Duration, ok bool) {
	o := c.t.opts
	limit := o.MaxBackoff
	d = min(o.Backoff<<min(c.tries-1, 16), limit)
	d = time.Duration(float64(d) * (0.8 + 0.5*rand.Float64())) //nolint:gosec // jitter, not a secret
	if resp != nil {
		if asked, given := ParseRetryAfter(resp.Header, o.Now()); given {
			// Never earlier than asked; a little later, so that many callers do not come back at once.
			d, limit = asked+time.Duration(rand.Int64N(int64(asked/10)+1)), o.MaxRetryAfter //nolint:gosec // jitter
			if asked > limit {
				return 0, false
			}
		}
	}
	if deadline, has := c.ctx.Deadline(); has && time.Until(deadline) <= d {
		return 0, false
	}
	return d, true
}

func idempotentMethod(m string) bool {
	switch m {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

type idempotentKey struct{}

// Idempotent marks the requests made with ctx as safe to repeat whatever their method is, because the server
// recognises a repeat by a key or because doing it twice does no harm.
func Idempotent(ctx context.Context) context.Context {
	return context.WithValue(ctx, idempotentKey{}, true)
}
