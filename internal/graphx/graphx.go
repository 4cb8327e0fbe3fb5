package graphx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

// Credentials give the credential with which a tenant is reached. They are asked at the first call to a tenant and then every 30
// seconds at most, so that a tenant that was released is not read on with a token that is kept. As long as a tenant leads to the
// same place the credential should be the same by ==: a token is kept for each.
type Credentials interface {
	TenantCredential(ctx context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error)
}

// Options of a [Client]. Only BaseURL is required. Unless said otherwise zero is the default and negative turns off.
type Options struct {
	// BaseURL is the host of Graph without version, for example https://graph.microsoft.com. It may have a path; http is
	// for loopback only. Required.
	BaseURL string
	// Scope is what tokens are asked for; empty is BaseURL + "/.default". Where BaseURL is a stand-in for a national cloud,
	// say that cloud's.
	Scope string
	// HTTPClient sends the requests; nil is a client of our own. It is copied: redirects are refused and cookies are not
	// kept in any case.
	HTTPClient *http.Client
	// UserAgent goes before "mspkit" in the header; empty is "mspkit" alone.
	UserAgent string
	// Retry are azcore's: MaxRetries (3), RetryDelay (0.8 s, doubled each time), TryTimeout (30 s until the header of an
	// answer, and for a token; cannot be turned off). MaxRetryDelay, StatusCodes and ShouldRetry are not used.
	Retry policy.RetryOptions
	// MaxRetryAfter is how long a Retry-After is obeyed inside a call. Where Graph asks for more, or for more than is left
	// of Timeout, the call ends at once with an [*Error] that has RetryAfter. 0 is 60 s; negative never waits for one.
	MaxRetryAfter time.Duration
	// RepeatUnavailable repeats a POST or PATCH also after a 503 that has a Retry-After, which says that Graph did not act.
	// That it never acted then is not documented, so it is off by default.
	RepeatUnavailable bool
	// Timeout is the time for a call with all its tries and waits until the header of the answer, and again for its body.
	// 0 is 60 s; it cannot be turned off.
	Timeout time.Duration
	// Limits replace the limits of workloads, see [Limit]; those of [App] are for all tenants together.
	Limits map[Workload]Limit
	// MaxWait is how long a limiter may hold a try back; beyond that the call ends with an [*Error] that matches
	// [ErrThrottled], and nothing is sent. 0 is 30 s; negative does not wait.
	MaxWait time.Duration
	// Pause is how long a tenant's workload is left alone after a 429 without Retry-After. 0 is 2 s.
	Pause time.Duration
	// MaxBody is the longest answer and MaxItem the largest item of a page, in bytes. 0 is 64 MiB and 1 MiB; they cannot be
	// turned off.
	MaxBody, MaxItem int64
	// MaxPages is how many pages a [Client.List] may have. 0 is 100,000; it cannot be turned off.
	MaxPages int
	// MaxTenants is how many tenants' pipelines, with their tokens, are kept; the least recently used goes. 0 is 4096; it
	// cannot be turned off.
	MaxTenants int
	// Logger gets what is given up; nil discards.
	Logger *slog.Logger
	// Now is the clock for the dates in headers; nil is time.Now. Waiting uses the machine's.
	Now func() time.Time
}

// validate reports all that is wrong and fills in the defaults.
func (o *Options) validate() (*url.URL, error) {
	base, err := httpx.ParseBaseURL(o.BaseURL)
	if err != nil {
		err = fmt.Errorf("graphx: the base URL cannot be used: %w", err)
	} else if o.Scope == "" {
		o.Scope = base.String() + "/.default"
	}
	errs := []error{err}
	for _, r := range o.UserAgent {
		if r < ' ' || r > '~' {
			errs = append(errs, fmt.Errorf("graphx: the user agent must be printable ASCII: %w", mspkit.ErrInvalid))
			break
		}
	}
	for w, l := range o.Limits {
		if l.Per < 0 {
			errs = append(errs, fmt.Errorf("graphx: the limit of %q has a negative time: %w", w, mspkit.ErrInvalid))
		}
	}
	for name, n := range map[string]int64{
		"Timeout": int64(o.Timeout), "TryTimeout": int64(o.Retry.TryTimeout), "MaxBody": o.MaxBody, "MaxItem": o.MaxItem,
		"MaxPages": int64(o.MaxPages), "MaxTenants": int64(o.MaxTenants),
	} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("graphx: %s cannot be turned off: %w", name, mspkit.ErrInvalid))
		}
	}
	o.UserAgent = strings.TrimSpace(o.UserAgent + " mspkit")
	defaultTo(&o.MaxRetryAfter, time.Minute)
	defaultTo(&o.Timeout, time.Minute)
	defaultTo(&o.Retry.TryTimeout, 30*time.Second)
	defaultTo(&o.Retry.MaxRetries, 3)
	defaultTo(&o.MaxWait, 30*time.Second)
	defaultTo(&o.Pause, 2*time.Second)
	defaultTo(&o.MaxBody, 64<<20)
	defaultTo(&o.MaxItem, 1<<20)
	defaultTo(&o.MaxPages, 100_000)
	defaultTo(&o.MaxTenants, 4096)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return base, errors.Join(errs...)
}

func defaultTo[T int | int32 | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Client calls Microsoft Graph for many tenants. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	o      Options
	pipes  *pipes
	limits *limiter
}

// New returns a client.
func New(creds Credentials, o *Options) (*Client, error) {
	if creds == nil || o == nil {
		return nil, fmt.Errorf("graphx: credentials and a base URL are needed: %w", mspkit.ErrInvalid)
	}
	c := &Client{o: *o}
	var err error
	if c.base, err = c.o.validate(); err != nil {
		return nil, err
	}
	c.limits = newLimiter(c.o.Limits, c.o.MaxWait)
	c.pipes = newPipes(c, creds)
	return c, nil
}

// Forget drops the pipeline of a tenant with its tokens, so that the next call asks for a credential and a token anew. Call
// it after consent, roles or the connection have changed: Entra puts new permissions into new tokens only, and a token
// lasts up to 90 minutes. Calls in flight go on with what they have. Where the credentials have a method
// Forget(mspkit.TenantID) it is called too.
func (c *Client) Forget(tenant mspkit.TenantID) { c.pipes.forget(tenant) }

// Request is one call.
type Request struct {
	// Tenant says whose credential is used, and Workload, together with it, whose limiter. Tenant is required; an empty
	// Workload is [Directory].
	Tenant   mspkit.TenantID
	Workload Workload
	// LimitKey narrows the limiter, for example to a mailbox: Microsoft's pages disagree whether Outlook's limit of 4 calls
	// at once is for each app and mailbox. Empty is the whole tenant, which is the stricter reading.
	LimitKey string
	// Method is GET where empty.
	Method string
	// Version is "v1.0" where empty, or "beta".
	Version string
	// Path is below the version, "/users/delta", escaped, or an absolute URL that Graph gave (nextLink, deltaLink,
	// Location), which must be on the Graph host. Keep such a link with the tenant that it was given to: it does not say
	// whose it is, and would be followed with the credential of another.
	Path  string
	Query url.Values
	// Header is sent with this request and with those of the pages that follow.
	Header http.Header
	// Eventual asks for ConsistencyLevel: eventual, on every page.
	Eventual bool
	// Body is sent as JSON; a [Raw] as it is. nil sends none.
	Body any
	// Idempotent allows a POST or PATCH to be repeated after a failure that may have come after the act.
	Idempotent bool
	// Timeout is [Options].Timeout where 0.
	Timeout time.Duration

	cost int // how many requests this counts as in the limiter; 0 is 1
}

// Raw is a body that is not JSON.
type Raw struct {
	Type string // the content type
	Data []byte
}

// Do sends a request and decodes the answer into out, which may be nil. A status that is not 2xx is an [*Error]. Where
// there is no answer to decode, such as with 202 and 204, out stays what it is.
func (c *Client) Do(ctx context.Context, r *Request, out any) error {
	res, err := c.Open(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	return decodeWhole(res, out)
}

// decodeWhole reads one JSON value, after which there must be nothing.
func decodeWhole(res *http.Response, out any) error {
	dec := json.NewDecoder(res.Body)
	switch err := dec.Decode(out); {
	case errors.Is(err, io.EOF) && res.StatusCode == http.StatusAccepted:
		return nil
	case err != nil:
		return unreadable("the answer", err)
	}
	switch _, err := dec.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return badAnswer("there is something after the answer")
	default:
		return unreadable("what follows the answer", err)
	}
}

// Open sends a request and returns the response with its body, which the caller closes, for what is not JSON. A status
// that is not 2xx is an [*Error]; where no answer came at all it is an [*AuthError] or an [*httpx.Error]. Reading the body
// fails after [Options].Timeout, and with [ErrTooBig] beyond [Options].MaxBody.
func (c *Client) Open(ctx context.Context, r *Request) (*http.Response, error) {
	cl, err := c.newCall(ctx, r)
	if err != nil {
		return nil, err
	}
	res, err := c.send(cl)
	if err == nil && res.StatusCode/100 != 2 {
		err = c.readError(res, cl.id)
		_ = res.Body.Close()
	}
	if err != nil {
		err = cl.fault(err)
		cl.end()
		c.giveUp(cl, err)
		return nil, err
	}
	if res.Header.Get("Client-Request-Id") == "" {
		res.Header.Set("Client-Request-Id", cl.id)
	}
	cl.timer.Reset(cl.timeout) // the body has its own time
	res.Body = &body{ReadCloser: res.Body, call: cl, left: c.o.MaxBody}
	return res, nil
}

// giveUp logs what an operator wants to see. What the caller asked for and Graph does not have is not that.
func (c *Client) giveUp(cl *call, err error) {
	attrs := []slog.Attr{
		slog.String("tenant", string(cl.req.Tenant)), slog.String("workload", string(cl.key.workload)),
		slog.String("method", cl.method), slog.String("url", httpx.RedactURL(cl.url)),
		slog.Int("tries", int(cl.tries.Load())), slog.String("client_request_id", cl.id),
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if e.Status < 500 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusUnauthorized {
			return
		}
		attrs = append(attrs, slog.Int("status", e.Status), slog.String("code", token(e.Code)), slog.String("request_id", token(e.RequestID)))
	}
	if errors.Is(err, context.Canceled) {
		return
	}
	c.o.Logger.LogAttrs(cl.ctx, slog.LevelWarn, "a call to Graph was given up", append(attrs, slog.String("error", err.Error()))...)
}
