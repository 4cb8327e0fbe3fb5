package azurecred

import (
	"container/list"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// App is one multi-tenant app registration with what proves it. Use [NewApp].
type App struct {
	o      Options
	lookup Lookup
	prove  proof
	shared flights

	mu    sync.Mutex
	byID  map[string]*list.Element // of *held, by the id of the tenant of Microsoft 365
	order *list.List               // the one used last in front
}

// held is the credential of one tenant of Microsoft 365, which keeps its tokens.
type held struct {
	entraID string
	cred    azcore.TokenCredential
	// askers are the host's tenants that were led here. They are guarded by the App's lock.
	askers map[mspkit.TenantID]struct{}
}

var _ TenantCredentials = (*App)(nil)

// NewApp returns an application whose tenants lookup knows. It reports all faults of the options at once and does nothing on
// the network.
func NewApp(lookup Lookup, o *Options) (*App, error) {
	a := &App{lookup: lookup, byID: map[string]*list.Element{}, order: list.New()}
	if o != nil {
		a.o = *o
	}
	if lookup == nil {
		return nil, fmt.Errorf("azurecred: a lookup is required: %w", mspkit.ErrInvalid)
	}
	if err := a.o.prepare(); err != nil {
		return nil, err
	}
	prove, err := a.o.proof()
	if err != nil {
		return nil, err
	}
	a.prove, a.shared.timeout, a.shared.now = prove, tokenTimeout, a.o.Now
	return a, nil
}

// TenantCredential implements [TenantCredentials]. The credential asks where the tenant leads to for every token, so it may
// be kept as long as the App; two of the same tenant are equal unless it was connected to another one between them.
func (a *App) TenantCredential(ctx context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	id, err := a.resolve(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return tenantCredential{a, tenant, id}, nil
}

// Forget drops what is kept of the tokens that a tenant of the host's was given, wherever it leads to now. Do it after consent
// has changed: tokens hold the permissions of when they were made. The caches of clients that hold a token are theirs; that of
// internal/graphx calls this when it is told to forget.
func (a *App) Forget(tenant mspkit.TenantID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for e := a.order.Front(); e != nil; {
		next := e.Next()
		h := e.Value.(*held) //nolint:errcheck,forcetypeassert // only what is below puts them there
		if _, ok := h.askers[tenant]; ok {
			a.order.Remove(e)
			delete(a.byID, h.entraID)
		}
		e = next
	}
}

// ForgetID is [App.Forget] of a tenant of Microsoft 365, such as one that was just released.
func (a *App) ForgetID(entraID string) {
	id, err := entra.CanonicalID(entraID)
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.byID[id]; e != nil {
		delete(a.byID, id)
		a.order.Remove(e)
	}
}

// String names the application.
func (a *App) String() string { return "azurecred.App(" + a.o.ClientID + ")" }

// GoString is the same as String.
func (a *App) GoString() string { return a.String() }

// LogValue is the same as String.
func (a *App) LogValue() slog.Value { return slog.StringValue(a.String()) }

// resolve returns the id of the tenant of Microsoft 365. What is not a plain id must never get into the URL that the
// application's secret is sent to.
func (a *App) resolve(ctx context.Context, tenant mspkit.TenantID) (string, error) {
	id, err := a.lookup(ctx, tenant)
	if err != nil {
		return "", fmt.Errorf("azurecred: tenant %q: %w", tenant, err)
	}
	if id, err = entra.CanonicalID(id); err != nil {
		return "", fmt.Errorf("azurecred: tenant %q: the lookup: %w", tenant, err)
	}
	return id, nil
}

// credential returns the credential of a tenant of Microsoft 365, for one of the host's, and keeps it.
func (a *App) credential(entraID string, asker mspkit.TenantID) (*held, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.byID[entraID]; e != nil {
		a.order.MoveToFront(e)
		h := e.Value.(*held) //nolint:errcheck,forcetypeassert // only what is below puts them there
		h.askers[asker] = struct{}{}
		return h, nil
	}
	cred, err := a.prove(entraID)
	if err != nil {
		return nil, fmt.Errorf("azurecred: make a credential: %w", mspkit.ErrInvalid) // its text has seen the secret
	}
	h := &held{entraID: entraID, cred: cred, askers: map[mspkit.TenantID]struct{}{asker: {}}}
	a.byID[entraID] = a.order.PushFront(h)
	if a.order.Len() > a.o.MaxTenants {
		last := a.order.Back()
		a.order.Remove(last)
		delete(a.byID, last.Value.(*held).entraID) //nolint:errcheck,forcetypeassert // the same
	}
	return h, nil
}

// tenantCredential is the credential of one tenant of the host's. It is a value that can be compared.
type tenantCredential struct {
	app    *App
	tenant mspkit.TenantID
	first  string // where the tenant led to: a cache of one must not serve another
}

// GetToken implements [azcore.TokenCredential].
func (c tenantCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	id, err := c.app.resolve(ctx, c.tenant)
	if err != nil {
		return azcore.AccessToken{}, &refusal{err}
	}
	if err := ownTenant(id, o.TenantID); err != nil {
		return azcore.AccessToken{}, err
	}
	o.TenantID = id
	h, err := c.app.credential(id, c.tenant)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return c.app.shared.token(ctx, h, o)
}

// ownTenant refuses a request that names another tenant.
func ownTenant(own, asked string) error {
	if asked == "" {
		return nil
	}
	if id, err := entra.CanonicalID(asked); err != nil || id != own {
		return &refusal{fmt.Errorf("azurecred: a token of another tenant was asked for: %w", mspkit.ErrInvalid)}
	}
	return nil
}

// String names the tenant.
func (c tenantCredential) String() string { return fmt.Sprintf("azurecred.Credential(%q)", c.tenant) }

// Format prints String for every verb.
func (c tenantCredential) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// refusal keeps azcore from repeating a request for which there is no token.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }
func (*refusal) NonRetriable()   {}

// direct is the credential of one tenant of Microsoft 365.
type direct struct {
	app *App
	of  *held
}

// GetToken implements [azcore.TokenCredential].
func (d *direct) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if err := ownTenant(d.of.entraID, o.TenantID); err != nil {
		return azcore.AccessToken{}, err
	}
	o.TenantID = d.of.entraID
	return d.app.shared.token(ctx, d.of, o)
}
