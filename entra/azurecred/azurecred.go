package azurecred

import (
	"context"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// Cloud is [entra.Cloud], for those who need not import package entra besides.
type Cloud = entra.Cloud

// TenantCredentials give the credential with which a customer's tenant is reached. The Graph packages of this module take
// one. It must be safe for concurrent use.
type TenantCredentials interface {
	// TenantCredential returns the credential of a tenant of the host's. The same tenant should get the same credential, so
	// that its tokens are kept.
	TenantCredential(ctx context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error)
}

// Lookup returns the id of the tenant of Microsoft 365 that a tenant of the host's is connected to. [entra.ErrNotConnected]
// where there is none. It must be safe for concurrent use; it is asked whenever a token is.
type Lookup func(ctx context.Context, tenant mspkit.TenantID) (entraID string, err error)

// Connected looks tenants up among the connections of one integration, whoever owns them: it is for hosts with one owner, and
// for those who have checked that the tenant is the caller's. Others take [ConnectedBy]. A connection that has expired by now,
// or that goes through a partner's GDAP relationship and not through the application's own consent, is [entra.ErrNotConnected];
// nil is time.Now.
func Connected(store entra.ConnectionStore, integration string, now func() time.Time) Lookup {
	return connected(store, integration, now, func(entra.Connection) bool { return true })
}

// ConnectedBy is [Connected] for the connections of one owner: those of others are [entra.ErrNotConnected], so that an owner who
// names another's tenant gets no token for it.
func ConnectedBy(store entra.ConnectionStore, owner, integration string, now func() time.Time) Lookup {
	return connected(store, integration, now, func(c entra.Connection) bool { return c.Owner == owner })
}

func connected(store entra.ConnectionStore, integration string, now func() time.Time, ours func(entra.Connection) bool) Lookup {
	if now == nil {
		now = time.Now
	}
	return func(ctx context.Context, tenant mspkit.TenantID) (string, error) {
		c, err := store.Connection(ctx, tenant, integration)
		switch {
		case err != nil:
			return "", err
		case c.Tenant != tenant, c.Integration != integration, c.Via == entra.ViaGDAP, c.Expired(now()), !ours(c):
			return "", entra.ErrNotConnected
		}
		return c.EntraID, nil
	}
}

// Configuration returns what clients of the Azure SDK call a cloud.
func Configuration(c entra.Cloud) cloud.Configuration {
	return cloud.Configuration{ActiveDirectoryAuthorityHost: c.Login + "/", Services: map[cloud.ServiceName]cloud.ServiceConfiguration{}}
}
