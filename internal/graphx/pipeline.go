package graphx

import (
	"container/list"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

// pipes keeps the pipelines of the tenants that were used last.
type pipes struct {
	c         *Client
	creds     Credentials
	transport *transport

	mu     sync.Mutex
	order  list.List // of *pipe, the one used last first
	of     map[mspkit.TenantID]*list.Element
	forgot uint64 // how often forget was called
}

type pipe struct {
	tenant mspkit.TenantID
	cred   azcore.TokenCredential
	asked  time.Time // when the credentials were asked for cred last
	runtime.Pipeline
}

// askEvery is how long the credentials of a tenant are not asked again. A pipeline keeps a token for up to 90 minutes: without
// asking, a tenant that was released would be read on that long, and one that was connected to another tenant of Microsoft 365
// would get the data of the former.
const askEvery = 30 * time.Second

func pipeOf(e *list.Element) *pipe {
	p, _ := e.Value.(*pipe) // there is nothing else
	return p
}

func newPipes(c *Client, creds Credentials) *pipes {
	p := &pipes{c: c, creds: creds, of: make(map[mspkit.TenantID]*list.Element)}
	p.transport = newTransport(c.o.HTTPClient, c.base)
	return p
}

func (p *pipes) get(ctx context.Context, tenant mspkit.TenantID) (runtime.Pipeline, error) {
	now := time.Now()
	p.mu.Lock()
	if e, ok := p.of[tenant]; ok {
		p.order.MoveToFront(e)
		if pl := pipeOf(e); now.Sub(pl.asked) < askEvery {
			p.mu.Unlock()
			return pl.Pipeline, nil
		}
	}
	forgot := p.forgot
	p.mu.Unlock()

	cred, err := p.creds.TenantCredential(ctx, tenant)
	if err == nil && cred == nil {
		err = mspkit.ErrInvalid
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.of[tenant]
	switch {
	case err != nil:
		if ok && ctx.Err() == nil { // with its token: the tenant may be connected to another one when it is back
			p.drop(e)
		}
		return runtime.Pipeline{}, &CredentialsError{Err: err}
	case ok && same(pipeOf(e).cred, cred), ok && pipeOf(e).asked.After(now): // or somebody was faster: one pipeline, one token
		if pl := pipeOf(e); pl.asked.Before(now) {
			pl.asked = now
		}
		return pipeOf(e).Pipeline, nil
	}
	made := p.c.newPipeline(cred, p.transport)
	if forgot != p.forgot { // the credential may be the old one: use it for this call only
		return made, nil
	}
	if ok {
		p.drop(e)
	}
	p.of[tenant] = p.order.PushFront(&pipe{tenant, cred, now, made})
	for p.order.Len() > p.c.o.MaxTenants {
		p.drop(p.order.Back())
	}
	return made, nil
}

// drop forgets a pipeline. The caller holds the lock.
func (p *pipes) drop(e *list.Element) {
	p.order.Remove(e)
	delete(p.of, pipeOf(e).tenant)
}

// same reports whether two credentials are known to be the same one.
func same(a, b azcore.TokenCredential) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

func (p *pipes) forget(tenant mspkit.TenantID) {
	p.mu.Lock()
	p.forgot++
	if e, ok := p.of[tenant]; ok {
		p.drop(e)
	}
	p.mu.Unlock()
	if f, ok := p.creds.(interface{ Forget(tenant mspkit.TenantID) }); ok {
		f.Forget(tenant)
	}
}

// CredentialsError is that the [Credentials] have none for a tenant. Nothing was sent.
type CredentialsError struct{ Err error }

// Error repeats what the credentials said.
func (e *CredentialsError) Error() string {
	return "graphx: there is no credential for the tenant: " + e.Err.Error()
}

// Unwrap returns Err.
func (e *CredentialsError) Unwrap() error { return e.Err }

func (c *Client) newPipeline(cred azcore.TokenCredential, t *transport) runtime.Pipeline {
	bearer := runtime.NewBearerTokenPolicy(&credential{cred, c.o.Retry.TryTimeout}, []string{c.o.Scope},
		&policy.BearerTokenOptions{InsecureAllowCredentialWithHTTP: c.base.Scheme == "http"}) // on loopback, see New
	return runtime.NewPipeline("mspkit", "v0.0.0", runtime.PipelineOptions{
		// A try waits for its turn first, so that the token is fresh when it goes out.
		PerRetry: []policy.Policy{policyFunc(c.limitTry), bearer, policyFunc(c.timeTry)},
	}, &policy.ClientOptions{Transport: t, Telemetry: policy.TelemetryOptions{Disabled: true}})
}

type policyFunc func(*policy.Request) (*http.Response, error)

func (f policyFunc) Do(req *policy.Request) (*http.Response, error) { return f(req) }

func callOf(req *policy.Request) *call {
	var cl *call
	req.OperationValue(&cl)
	return cl
}

// limitTry waits for the limiters before a try, and holds others back after a 429.
func (c *Client) limitTry(req *policy.Request) (*http.Response, error) {
	cl := callOf(req)
	release, err := c.limits.acquire(req.Raw().Context(), cl.key, cl.cost, cl.deadline)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.ClientRequestID, e.Advice = cl.id, e.advice()
		}
		return nil, err
	}
	cl.hold(release)
	res, err := req.Next()
	if err != nil || res.StatusCode >= http.StatusBadRequest {
		cl.free() // the body of an error has been read already
	}
	if err == nil && res.StatusCode == http.StatusTooManyRequests {
		c.limits.pause(cl.key, c.pauseOf(retryAfter(res.Header, c.o.Now())))
	}
	return res, err
}

func (c *Client) pauseOf(d time.Duration) time.Duration {
	if d <= 0 {
		return c.o.Pause
	}
	return d
}

// timeTry bounds the time of one try until the header of its answer.
func (c *Client) timeTry(req *policy.Request) (*http.Response, error) {
	cl := callOf(req)
	cl.tries.Add(1)
	ctx, cancel := context.WithCancelCause(req.Raw().Context())
	timer := time.AfterFunc(c.o.Retry.TryTimeout, func() { cancel(errTryTimeout) })
	res, err := req.WithContext(ctx).Next()
	timer.Stop()
	if e, ok := errors.AsType[*httpx.Error](err); err == nil || !ok || e.Sent {
		cl.sent.Store(true)
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), errTryTimeout) {
			err = cl.transport(errTryTimeout, true)
		}
		cancel(context.Canceled)
		return nil, err
	}
	// ctx goes on for the body; the end of the call ends it.
	return res, nil
}

// credential asks for tokens with a deadline and explains what is wrong where there is none.
type credential struct {
	azcore.TokenCredential
	timeout time.Duration
}

func (c *credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	// azcore lets one caller ask and the others wait without looking at their contexts: whose time is over when it is
	// their turn must not ask.
	if err := ctx.Err(); err != nil {
		return azcore.AccessToken{}, err
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	t, err := c.TokenCredential.GetToken(limited, o)
	switch {
	case err == nil && t.Token != "":
		return t, nil
	case ctx.Err() != nil:
		return azcore.AccessToken{}, ctx.Err()
	case limited.Err() != nil:
		return azcore.AccessToken{}, &AuthError{Temporary: true, Advice: adviceSlow, err: limited.Err()}
	}
	return azcore.AccessToken{}, authError(err)
}

// transport sends to the Graph host only, follows nothing and keeps no cookies.
type transport struct {
	client *http.Client
	base   *url.URL
}

func newTransport(given *http.Client, base *url.URL) *transport {
	var hc http.Client
	switch t, ok := http.DefaultTransport.(*http.Transport); {
	case given != nil:
		hc = *given
	case ok:
		own := t.Clone()
		own.MaxIdleConnsPerHost = 32 // all tenants share one host
		hc.Transport = own
	}
	hc.Jar = nil // it would carry what one tenant's answer set to the next tenant's request
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return httpx.ErrRedirect }
	return &transport{client: &hc, base: base}
}

// Do is called by the pipeline.
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	if !within(t.base, req.URL) { // it was made from a resolved URL: the last lock before the token leaves
		return nil, &httpx.Error{Method: req.Method, URL: httpx.RedactURL(req.URL), Err: httpx.ErrOrigin}
	}
	res, err := httpx.Do(t.client, req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusBadRequest {
		// azcore reads these bodies whole.
		res.Body = &capped{io.LimitReader(res.Body, maxErrorBody), res.Body}
	}
	return res, nil
}

type capped struct {
	io.Reader
	io.Closer
}
