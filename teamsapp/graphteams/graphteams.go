package graphteams

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
)

// Options of a [Client]. Nil and the zero value are fine.
type Options struct {
	// Cloud has the hosts; the zero value is the public cloud.
	Cloud azurecred.Cloud
	// HTTPClient sends the requests; nil is one of our own. Redirects are refused in any case.
	HTTPClient *http.Client
	// Retry says how often and how long what failed is repeated; the zero value is azcore's default.
	Retry policy.RetryOptions
	// TenantRate is how many requests a second go out about the apps of one tenant; half of it for deleting. 0 is 30, the limit
	// that Microsoft states (https://learn.microsoft.com/graph/throttling-limits#microsoft-teams-service-limits); with n
	// instances it should be 30/n. Negative is no limit.
	TenantRate int
	// Logger gets the ids and codes of what is given up; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is [time.Now]. Waiting uses the machine's.
	Now func() time.Time
}

// withDefaults reports all that is wrong and fills in the defaults.
func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Cloud == (azurecred.Cloud{}) {
		out.Cloud = azurecred.PublicCloud()
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out, out.Cloud.Validate()
}

// limits are those of graphx, where [Options.TenantRate] says otherwise.
func (o *Options) limits() map[graphx.Workload]graphx.Limit {
	switch {
	case o.TenantRate == 0:
		return nil
	case o.TenantRate < 0:
		none := graphx.Limit{Requests: -1, Concurrent: -1}
		return map[graphx.Workload]graphx.Limit{graphx.TeamsApps: none, graphx.TeamsAppsDelete: none}
	}
	return map[graphx.Workload]graphx.Limit{
		graphx.TeamsApps:       {Requests: o.TenantRate, Per: time.Second},
		graphx.TeamsAppsDelete: {Requests: o.TenantRate, Per: 2 * time.Second},
	}
}

// Client is the way to the apps of many tenants. It is safe for concurrent use and starts no goroutine. It keeps within the
// limits of Graph by itself, per tenant: make one and share it. Use [New].
type Client struct {
	graph *graphx.Client
	o     Options
	// alone says that the credentials are known to be those of an application without a person.
	alone bool
}

// New returns a client. creds say with which credential a tenant is reached: an application's for installing and looking
// (entra/azurecred), and that of a person for the catalog (a device code of azurecred, or entra/gdap for a partner's
// administrator in the tenant of a customer). The package comment has the permissions of each method.
func New(creds azurecred.TenantCredentials, o *Options) (*Client, error) {
	opts, err := o.withDefaults()
	if creds == nil {
		err = errors.Join(err, fmt.Errorf("graphteams: credentials are needed: %w", mspkit.ErrInvalid))
	}
	if err != nil {
		return nil, err
	}
	graph, err := graphx.New(creds, &graphx.Options{
		BaseURL: opts.Cloud.Graph, Scope: opts.Cloud.Scope(), HTTPClient: opts.HTTPClient, Retry: opts.Retry, Logger: opts.Logger, Now: opts.Now,
		Limits: opts.limits(),
	})
	if err != nil {
		return nil, fmt.Errorf("graphteams: %w", err)
	}
	_, alone := creds.(*azurecred.App)
	return &Client{graph: graph, o: opts, alone: alone}, nil
}

// Forget drops what is kept of a tenant's credential, so that the next call asks for a new token. Call it after consent,
// roles or the connection have changed.
func (c *Client) Forget(tenant mspkit.TenantID) { c.graph.Forget(tenant) }
