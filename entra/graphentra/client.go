package graphentra

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/microsoft/kiota-abstractions-go"
	kiotajson "github.com/microsoft/kiota-serialization-json-go"
	msgraphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/httpx"
)

// Credentials gives the credential of a tenant; that of package entra/azurecred and the partner of entra/gdap do. It must be safe
// for concurrent use.
type Credentials interface {
	TenantCredential(ctx context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error)
}

// Options configure a [Client]. The zero value is for the public cloud.
type Options struct {
	// Cloud is where Graph is; zero is [entra.PublicCloud].
	Cloud entra.Cloud
	// HTTPClient is what sends; nil makes one. Its Timeout must be zero or longer than a call may take.
	HTTPClient *http.Client
	// Lag is how long a step waits until what was written is visible, and repeats what fails because something is not visible yet; 0 is
	// 2 minutes. Microsoft's directory has replicas.
	Lag time.Duration
	// Patience is how long a call waits for Graph that throttles or has an outage, all waits together; 0 is 3 minutes.
	Patience time.Duration
	// Rate is how many requests a second may go to one tenant; 0 is 20, negative is no limit. Conditional Access has one a second
	// whatever is here.
	Rate int
	// Holds says whether the host has the value of a client secret, by the id of its key. nil believes that it has. With it a secret
	// that Entra has and the host does not, because a run ended between making and keeping it, is replaced.
	Holds func(ctx context.Context, tenant mspkit.TenantID, keyID string) (bool, error)
	// Auditor gets an [entra.EventProvisioned] for each step that was done and for each change of what is enforced, and an
	// [entra.EventProvisionRefused] for what was refused. Their Owner is the host's name of the tenant, By who is signed in in the
	// context, and Reason says what was tried and which of the errors of this package it met. Nil is nobody.
	Auditor entra.Auditor
	// Logger gets a line per step; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Client plans and applies in the tenants that its credentials reach. It is safe for concurrent use; make one and share it. Two
// that apply at once in the same tenant, of the same or different processes, get in each other's way: one of them ends with
// [ErrChanged].
type Client struct {
	creds  Credentials
	opts   Options
	http   *http.Client
	sleep  func(context.Context, time.Duration) error
	access pacer // of Conditional Access
}

// New returns a client. It reports all faults of the options at once and does nothing on the network.
func New(creds Credentials, o *Options) (*Client, error) {
	c := &Client{creds: creds, sleep: sleep}
	if o != nil {
		c.opts = *o
	}
	var errs []error
	if creds == nil {
		errs = append(errs, fmt.Errorf("graphentra: credentials are required: %w", mspkit.ErrInvalid))
	}
	if c.opts.Cloud == (entra.Cloud{}) {
		c.opts.Cloud = entra.PublicCloud()
	}
	if err := c.opts.Cloud.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.opts.Lag < 0 || c.opts.Patience < 0 {
		errs = append(errs, fmt.Errorf("graphentra: lag and patience cannot be negative: %w", mspkit.ErrInvalid))
	}
	if c.opts.Lag == 0 {
		c.opts.Lag = 2 * time.Minute
	}
	if c.opts.Patience == 0 {
		c.opts.Patience = 3 * time.Minute
	}
	if c.opts.Rate == 0 {
		c.opts.Rate = 20
	}
	if c.opts.Logger == nil {
		c.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if c.opts.Now == nil {
		c.opts.Now = time.Now
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out := &httpx.Options{
		Timeout: time.Minute, TryTimeout: 30 * time.Second, MaxRetries: -1, // repeats are up to the engine, which looks before it writes again
		Origins: []string{c.opts.Cloud.Graph}, Logger: c.opts.Logger, Now: c.opts.Now,
	}
	if c.opts.Rate > 0 {
		out.Limit = &httpx.Limit{Requests: uint(c.opts.Rate), Per: time.Second, MaxWait: 30 * time.Second, Key: limitKey}
	}
	var err error
	if c.http, err = httpx.NewClient(c.opts.HTTPClient, out); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Client) now() time.Time { return c.opts.Now() }

// audit tells of something that was done in a tenant, or refused where err is set.
func (c *Client) audit(ctx context.Context, id mspkit.TenantID, what string, err error) {
	if c.opts.Auditor == nil {
		return
	}
	ev := entra.Event{At: c.now(), Kind: entra.EventProvisioned, Owner: string(id), Reason: what}
	if u := entra.UserOf(ctx); u != nil {
		ev.By, ev.Session = u.ID, u.Session
	}
	if err != nil {
		ev.Kind = entra.EventProvisionRefused
		if e, ok := errors.AsType[*Error](err); ok && e.Err != nil {
			ev.Reason += ": " + e.Err.Error()
		}
	}
	if err := c.opts.Auditor.Audit(context.WithoutCancel(ctx), ev); err != nil {
		c.opts.Logger.ErrorContext(ctx, "provisioning: an event could not be audited", slog.String("kind", string(ev.Kind)), slog.Any("error", err))
	}
}

type tenantKey struct{}

// limitKey is the tenant that a request goes to.
func limitKey(r *http.Request) string {
	id, _ := r.Context().Value(tenantKey{}).(mspkit.TenantID)
	return string(id)
}

// sleep waits, or returns the error of the context that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// tenant is one run in one tenant: what it may call, and what it has read so far. It is used by one goroutine.
type tenant struct {
	c       *Client
	id      mspkit.TenantID
	key     string // Desired.Key
	foreign string // Desired.AppID
	planID  string
	adapter *msgraphcore.GraphRequestAdapterBase
	base    map[string]string // path parameters of the SDK's request builders

	resources map[string]*resource // by application id
	result    *Result              // of an Apply; ids and secrets are put here
	keep      func(context.Context, NewSecret) error
	seen      *seen // of a Plan, which reads things once; nil for an Apply, which looks again and again
}

// open begins a run.
func (c *Client) open(ctx context.Context, id mspkit.TenantID, key, foreign, planID string) (*tenant, error) {
	t := &tenant{c: c, id: id, key: key, foreign: foreign, planID: planID, resources: map[string]*resource{}, result: &Result{}}
	cred, err := c.creds.TenantCredential(ctx, id)
	if err != nil {
		return nil, t.failed("open", nil, &tokenError{err})
	}
	t.adapter, err = msgraphcore.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&bearer{cred, c.opts.Cloud}, msgraphcore.GraphClientOptions{}, kiotajson.NewJsonParseNodeFactory(), kiotajson.NewJsonSerializationWriterFactory(), c.http,
	)
	if err != nil {
		return nil, t.failed("open", nil, err)
	}
	base := strings.TrimSuffix(c.opts.Cloud.Graph, "/") + "/v1.0"
	t.adapter.SetBaseUrl(base)
	t.base = map[string]string{"baseurl": base}
	return t, nil
}

// seen is what a plan has read of the tenant, with the errors of reading.
type seen struct {
	app        models.Applicationable
	appErr     error
	sp         models.ServicePrincipalable
	spErr      error
	gotApp     bool
	gotService bool
}

// bearer puts the token into requests, for Microsoft's SDK.
type bearer struct {
	cred  azcore.TokenCredential
	cloud entra.Cloud
}

// tokenError is that there was no token.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return "no token: " + e.err.Error() }

func (e *tokenError) Unwrap() error { return e.err }

// AuthenticateRequest implements authentication.AuthenticationProvider. It gives the token to Graph's own host only.
func (b *bearer) AuthenticateRequest(ctx context.Context, r *abstractions.RequestInformation, more map[string]any) error {
	to, err := r.GetUri()
	if err != nil {
		return err
	}
	graph, err := url.Parse(b.cloud.Graph)
	if err != nil {
		return err
	}
	if !httpx.SameOrigin(to, graph) {
		return httpx.ErrOrigin
	}
	o := policy.TokenRequestOptions{Scopes: []string{b.cloud.Scope()}, EnableCAE: true}
	if claims, ok := more["claims"].(string); ok {
		o.Claims = challenge(claims)
	}
	token, err := b.cred.GetToken(ctx, o)
	if err != nil {
		return &tokenError{err}
	}
	r.Headers.Remove("Authorization")
	r.Headers.Add("Authorization", "Bearer "+token.Token)
	return nil
}

// challenge returns the claims that Graph asks for, which the SDK hands on as they are in the header: base64 of JSON, in one of its
// spellings (https://learn.microsoft.com/entra/identity-platform/claims-challenge).
func challenge(s string) string {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(s); err == nil && json.Valid(b) {
			return string(b)
		}
	}
	return s
}

// The waits between tries: they double from the first to the longest.
const (
	firstWait   = time.Second
	longestWait = 15 * time.Second
)

// pause is how long to wait before try n, counted from 1. What Graph asks for is waited for.
func pause(n int, a *answer) time.Duration {
	wait := min(firstWait<<min(n-1, 10), longestWait)
	if a != nil {
		wait = max(wait, a.retryAfter)
	}
	return wait
}

// read calls what only reads, again while Graph throttles or has an outage. What it returns of Graph's errors is an [*answer].
func read[T any](ctx context.Context, t *tenant, call func(context.Context) (T, error)) (T, error) {
	ctx = context.WithValue(ctx, tenantKey{}, t.id)
	waited := time.Duration(0)
	for n := 1; ; n++ {
		v, err := call(ctx)
		if err == nil {
			return v, nil
		}
		var zero T
		a := answered(err, t.c.now())
		if a != nil {
			err = a
		}
		wait := pause(n, a)
		if !temporary(err) || waited+wait > t.c.opts.Patience {
			return zero, err
		}
		waited += wait
		if err := t.c.sleep(ctx, wait); err != nil {
			return zero, err
		}
	}
}

// write calls what writes, once. What it returns of Graph's errors is an [*answer].
func write[T any](ctx context.Context, t *tenant, call func(context.Context) (T, error)) (T, error) {
	v, err := call(context.WithValue(ctx, tenantKey{}, t.id))
	if a := answered(err, t.c.now()); a != nil {
		err = a
	}
	return v, err
}
