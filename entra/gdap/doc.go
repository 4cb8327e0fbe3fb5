// Package gdap reaches every customer of a Microsoft partner (CSP) with one sign-in, by granular delegated admin privileges.
//
//	partner, err := gdap.NewPartner(store, ring, &gdap.Options{
//		PartnerTenant: "…", ClientID: "…", Secret: mspkit.Redact(secret),
//		Owner: "msp", Connections: store,
//	})
//	err = partner.SignIn(ctx, refreshToken, "anna@msp.example")  // once, and when Health says so
//	customers, err := partner.Customers(ctx)                     // who there is, what is missing, when it ends
//	err = partner.Consent(ctx, customers[0].EntraID, gdap.Grant{Scopes: []string{"User.Read.All"}})
//	_, err = partner.Connect(ctx, customers[0], "contoso", "contacts")
//	creds, err := partner.Credentials(gdap.Connected(store, "msp", "contacts", nil)) // for the Graph packages
//	_, err = partner.Refresh(ctx)                                // daily
//
// Customers and their people are two steps: Customers and Refresh deal with tenants and relationships; the people are read by
// a contacts.Syncer with the credentials.
//
// # How it works
//
// A service user of the partner signs in once, to a multi-tenant application, with multifactor authentication and the scope
// offline_access ([Partner.SignInURL], [Partner.FinishSignIn], or the host's own flow and [Partner.SignIn]). The refresh token
// is redeemed at the token endpoint of any customer's tenant; what comes back acts for the service user there, within the
// roles of the relationship and the scopes that were consented to. Each redemption may give a newer refresh token, which is
// stored by compare-and-set: whoever is too late keeps its access token and drops its refresh token, which Entra allows. Where
// a refresh token was refused, the store is read again for a newer one before anybody is told to sign in.
//
// # Permissions
//
// Delegated, in the partner's tenant, on the application:
//
//	DelegatedAdminRelationship.Read.All      Microsoft Graph    relationships and their groups
//	Directory.Read.All                       Microsoft Graph    the reseller's contracts, unless Options.SkipContracts
//	user_impersonation                       Partner Center     Consent, Replace, Unconsent
//
// The service user is a member of AdminAgents and of the security groups to which relationships give their roles. What a
// relationship must hold is [RequiredRoles] unless Options.Roles says otherwise. What is done in a customer's tenant needs the
// scopes that [Partner.Consent] granted there. That the service user is in the right groups is not checked.
//
// # Security
//
// The refresh token opens every customer. It is stored sealed under the host's key ring, bound to its name, the partner's
// tenant and Options.Owner, and is in no error, log or printed value; access tokens are kept in memory only. Keep the key ring where the
// database is not: in a key vault (mspkit.KeyWrapper), never beside it. Give the service user no other use, a Conditional Access
// policy that admits it from the host's addresses only, and least roles. Whoever completes the sign-in becomes the partner: bind
// the state of [Partner.SignInURL] to the session of an administrator, and compare it.
//
// Since 2026-04-01 Partner Center refuses tokens of sign-ins without multifactor authentication
// (https://learn.microsoft.com/partner-center/developer/partner-center-authentication): a refresh token of a sign-in with a
// password only is worth nothing there.
//
// A credential gets tokens of its own tenant only, whatever a caller or a challenge names, and [Connected] leads to
// connections of the owner that were made here. A secret and a token go to the configured hosts only; redirects are refused, and
// so is a page of customers that leads to another host.
//
// # Concurrency
//
// Everything is safe for concurrent use, by any number of instances on one store; see Options.Exclusive where a refresh token
// works once. Callers who need the same access token share a request, which goes on as long as one of them waits. No goroutine
// outlives a call by more than a minute. [Partner.Forget], and the forgetting after a change of consent, are of one instance:
// the others keep their access tokens until those expire.
//
// # Errors
//
//	errors.Is               returned by                          meaning
//	mspkit.ErrInvalid       everything                           an option or an argument cannot be used
//	entra.ErrSignIn         tokens, Customers, Consent, SignIn   somebody must sign in for the partner again: see Health
//	gdap.ErrMFA             Consent, Replace, Unconsent          the same, with multifactor authentication
//	entra.ErrConsent        tokens, Consent                      the application has no consent in the customer's tenant
//	gdap.ErrRelationship    tokens, Connect, Consent             the relationship has ended, or the user is in none of its groups
//	entra.ErrCredentials    tokens, SignIn                       the application's secret or assertion was refused
//	entra.ErrTenantGone     tokens                               the customer's tenant was closed
//	entra.ErrThrottled      everything on the network            too many requests: TokenError and Error have RetryAfter
//	entra.ErrUnavailable    everything on the network            Microsoft could not be asked, or not now
//	entra.ErrRefused        tokens, Customers, Consent           a policy, a role or a permission is in the way
//	gdap.ErrAnswer          tokens, SignIn, Customers            Microsoft's answer cannot be used
//	entra.ErrNotConnected   Credentials                          the tenant is not connected, or not any more
//	entra.ErrOwned, ErrTaken  Connect                            the tenant is connected elsewhere
//
// What Entra answers is of type [*entra.TokenError], also inside the errors of the Graph packages, what Partner Center answers
// is of type [*Error]; both say what an administrator can do, as does [entra.Problem]. ErrRelationship of a token is besides
// entra.ErrRefused: ask for it first.
package gdap
