package azurecred

import "github.com/mspkit/mspkit/entra"

// PublicCloud is [entra.PublicCloud].
func PublicCloud() Cloud { return entra.PublicCloud() }

// ErrNotConnected is [entra.ErrNotConnected]: [TenantCredentials] return it for a tenant that has no tenant of
// Microsoft 365.
var ErrNotConnected = entra.ErrNotConnected

// CanonicalID is [entra.CanonicalID].
func CanonicalID(s string) (string, error) { return entra.CanonicalID(s) }
