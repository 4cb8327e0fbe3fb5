package graphx

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
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

// timeoutError makes a deadline of ours match httpx.ErrTimeout and context.DeadlineExceeded.
type timeoutError struct {
	what string
	last error // what the last try ended with, or nil
}

func (e *timeoutError) Error() string { return e.what + " timed out" }
func (e *timeoutError) Timeout() bool { return true }
func (e *timeoutError) Is(target error) bool {
	return target == httpx.ErrTimeout || target == context.DeadlineExceeded
}
func (e *timeoutError) Unwrap() error { return e.last }

var (
	errCallTimeout = &timeoutError{what: "the call"}
	errTryTimeout  = &timeoutError{what: "the try"}
)

// call is a request on its way, until its body is closed.
type call struct {
	req        *Request
	url        *url.URL
	method     string
	header     http.Header
	body       []byte
	bodyType   string
	id         string // client-request-id, the same for all tries
	idempotent bool
	key        limitKey
	cost       int

	ctx      context.Context //nolint:containedctx // a call is what has the context
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	timeout  time.Duration
	deadline time.Time

	tries atomic.Int32
	sent  atomic.Bool // a try may have reached Graph

	mu      sync.Mutex
	last    error  // what the last try that Graph answered ended with
	release func() // gives back the place in the limiter
}

// forbidden are headers that a caller does not set: they belong to the credential or to this package.
var forbidden = []string{"Authorization", "Cookie", "Host", "Client-Request-Id", "Content-Length", "Transfer-Encoding"}

func (c *Client) newCall(ctx context.Context, r *Request) (*call, error) {
	if err := r.Tenant.Validate(); err != nil {
		return nil, fmt.Errorf("graphx: %w", err)
	}
	cl := &call{
		req: r, method: r.Method, header: make(http.Header), id: uuid.NewString(), timeout: r.Timeout,
		key: limitKey{r.Tenant, r.Workload, r.LimitKey}, cost: max(r.cost, 1),
	}
	if cl.method == "" {
		cl.method = http.MethodGet
	}
	if cl.key.workload == "" {
		cl.key.workload = Directory
	}
	if cl.timeout <= 0 {
		cl.timeout = c.o.Timeout
	}
	switch cl.method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		cl.idempotent = true
	case http.MethodPost, http.MethodPatch:
		cl.idempotent = r.Idempotent
	default:
		return nil, fmt.Errorf("graphx: a method that Graph does not know: %w", mspkit.ErrInvalid)
	}
	var err error
	if cl.url, err = c.resolve(r); err != nil {
		return nil, err
	}
	for k, v := range r.Header {
		k = http.CanonicalHeaderKey(k)
		if slices.Contains(forbidden, k) {
			return nil, fmt.Errorf("graphx: the header %s is set here: %w", k, mspkit.ErrInvalid)
		}
		cl.header[k] = slices.Clone(v)
	}
	cl.header.Set("Client-Request-Id", cl.id)
	cl.header.Set("User-Agent", c.o.UserAgent)
	if r.Eventual {
		cl.header.Set("ConsistencyLevel", "eventual")
	}
	if cl.header.Get("Accept") == "" {
		cl.header.Set("Accept", "application/json")
	}
	switch b := r.Body.(type) {
	case nil:
	case Raw:
		cl.body, cl.bodyType = b.Data, b.Type
		if cl.bodyType == "" {
			cl.bodyType = "application/octet-stream"
		}
	default:
		if cl.body, err = json.Marshal(b); err != nil {
			return nil, fmt.Errorf("graphx: the body cannot be written as JSON: %w", mspkit.ErrInvalid)
		}
		cl.bodyType = "application/json"
	}

	cl.deadline = time.Now().Add(cl.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(cl.deadline) {
		cl.deadline = d
	}
	cl.ctx, cl.cancel = context.WithCancelCause(ctx)
	cl.timer = time.AfterFunc(cl.timeout, func() { cl.cancel(errCallTimeout) })
	return cl, nil
}

// end frees all that the call holds. It may be called again.
func (cl *call) end() {
	cl.free()
	cl.timer.Stop()
	cl.cancel(context.Canceled)
}

// hold keeps what gives back the place in the limiter, free gives it back.
func (cl *call) hold(release func()) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.release = release
}

func (cl *call) free() {
	cl.mu.Lock()
	release := cl.release
	cl.release = nil
	cl.mu.Unlock()
	if release != nil {
		release()
	}
}

// fault returns err as what callers know: an [*Error], an [*AuthError], an [*httpx.Error] whose text is safe, or an error
// of the credentials.
func (cl *call) fault(err error) error {
	if e, ok := errors.AsType[*AuthError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	cause := context.Cause(cl.ctx)
	if e, ok := errors.AsType[*CredentialsError](err); ok && cause == nil {
		return e
	}
	if cause != nil {
		if errors.Is(cause, errCallTimeout) {
			cl.mu.Lock()
			cause = &timeoutError{what: errCallTimeout.what, last: cl.last}
			cl.mu.Unlock()
		}
		return cl.transport(cause, cl.sent.Load())
	}
	if e, ok := errors.AsType[*httpx.Error](err); ok {
		e.Tries = int(cl.tries.Load())
		e.Sent = cl.sent.Load() // of any try
		return e
	}
	if errors.Is(err, mspkit.ErrInvalid) {
		return err
	}
	return cl.transport(err, cl.sent.Load())
}

func (cl *call) transport(err error, sent bool) *httpx.Error {
	return &httpx.Error{Method: cl.method, URL: httpx.RedactURL(cl.url), Tries: int(cl.tries.Load()), Sent: sent, Err: err}
}

// send runs the pipeline.
func (c *Client) send(cl *call) (*http.Response, error) {
	pipe, err := c.pipes.get(cl.ctx, cl.req.Tenant)
	if err != nil {
		return nil, err
	}
	ctx := policy.WithRetryOptions(cl.ctx, c.retry(cl))
	req, err := runtime.NewRequest(ctx, cl.method, cl.url.String())
	if err != nil {
		return nil, fmt.Errorf("graphx: the request cannot be made: %w", mspkit.ErrInvalid)
	}
	req.Raw().Header = cl.header
	if cl.bodyType != "" {
		if err := req.SetBody(nopCloser{bytes.NewReader(cl.body)}, cl.bodyType); err != nil {
			return nil, fmt.Errorf("graphx: the body cannot be sent: %w", mspkit.ErrInvalid)
		}
	}
	req.SetOperationValue(cl)
	runtime.SkipBodyDownload(req)
	return pipe.Do(req)
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// body is the body of a success: bounded in size and time, and ending its call.
type body struct {
	io.ReadCloser
	call *call
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than allowed, to tell a body of just the limit from a longer one
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, b.left = int(b.left), 0
		return n, ErrTooBig
	}
	b.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF):
		b.call.free()
	case err != nil:
		err = b.call.fault(err)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.call.end()
	return err
}
