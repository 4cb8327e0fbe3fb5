// Package azurecred makes credentials of azidentity, one per customer's tenant, from one multi-tenant app registration.
//
//	app, err := azurecred.NewApp(azurecred.ConnectedBy(store, "north", "contacts", nil), &azurecred.Options{
//		ClientID: "…",
//		Secret:   mspkit.Redact(secret),
//	})
//	cred, err := app.TenantCredential(ctx, "contoso") // for the Graph packages, and for every client of the Azure SDK
//
// The application proves itself with one of a client secret, a certificate, a federated assertion and a managed identity.
// [App.Organization] asks a connected tenant what it is called, which shows whether the connection works.
//
// For a program of one tenant [NewDeviceCode] signs a person in instead.
//
// # Security
//
// Which tenant of Microsoft 365 a tenant of the host's leads to is looked up for every token, so that a connection that was
// released or has expired gives none; a token that is out stays valid for its hour, but the Graph packages of this module ask
// again every 30 seconds whether they may still use theirs. A credential asks for tokens of its own
// tenant only, whatever a caller or a challenge names. Secrets go to the cloud's own login host by https and are in no error,
// log or printed value.
//
// # Concurrency
//
// An [App] and its credentials are safe for concurrent use. Callers who need the same token share a request, which goes on as
// long as one of them waits. The tokens of the tenants used last are kept, see [Options.MaxTenants].
//
// # Errors
//
//	errors.Is               returned by                       meaning
//	mspkit.ErrInvalid       NewApp, NewDeviceCode             an option cannot be used
//	entra.ErrNotConnected   TenantCredential, GetToken        the tenant is not connected, or not any more
//	entra.ErrConsent        GetToken                          the customer has not consented, or not any more
//	entra.ErrCredentials    GetToken                          the secret, certificate or assertion was refused
//	entra.ErrTenantGone     GetToken                          the customer's tenant was closed
//	entra.ErrSignIn         GetToken                          a person must sign in again
//	entra.ErrUnavailable    GetToken                          Entra could not be asked
//
// Errors of GetToken that come from Entra are of type [*entra.TokenError], which says what an administrator can do.
package azurecred
