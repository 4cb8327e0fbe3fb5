// Package entra connects the tenants of Microsoft Entra to those of the host and knows who signed in there.
//
// A customer is connected by a link that their administrator follows. The link leads to our own page, Microsoft asks for the
// consent, and then the administrator signs in once more, because nothing but their id token says which tenant it was:
//
//	verifier, err := entra.NewVerifier(entra.PublicCloud(), clientID, nil)
//	consent, err := entra.NewConsent(store, verifier, ring, &entra.ConsentOptions{
//		ClientID: clientID, Secret: mspkit.Redact(secret), BaseURL: "https://msp.example/connect",
//		Integrations: []entra.Integration{{Name: "contacts", Title: "Contacts"}},
//		Describe:     describe, // whose brand the page shows
//	})
//	pages, err := consent.Handler("/connect")
//	mux.Handle("/connect/", pages)
//	link, err := consent.Link(ctx, "contoso", "msp-1", "contacts") // to be mailed
//
// From then on entra/azurecred makes credentials for the tenant. [Consent.Connections], [Consent.Check] and [Consent.Release]
// are the list of connected tenants; [Consent.DeleteExpired] is for a job that runs once a day. Every [Verifier] judges id
// tokens of any tenant, for whatever sign-in they came.
//
// # The application
//
// The app registration is multi-tenant ("Accounts in any organizational directory"), has [Consent.RedirectURL] as a redirect
// URI of the web platform, and "groupMembershipClaims": "DirectoryRole" in its manifest, by which id tokens say who is an
// administrator.
//
// # Security
//
// The parameters of Microsoft's answers are not authenticated. Of a consent, nothing is believed but that it is worth going on;
// the tenant is the claim tid of an id token whose signature, issuer, audience, nonce and times were checked, each key for the
// issuer that Microsoft publishes it for, and never that of personal accounts. Whoever ends the flow must be an administrator
// by the claim wids: otherwise every member of a tenant that consented once could connect it to whoever made a link.
//
// GET and HEAD of a link change nothing and use nothing up. What Microsoft sends back counts only in the browser that began,
// by a sealed cookie that is bound to the state, and only while the link is good; a link is used up once, with the connection
// that it makes. A tenant of Microsoft 365 belongs to one owner and one of their customers until it is released. A link is
// worth a connection to whoever is an administrator of some tenant: [Consent.LinkTo] binds it to one, and
// [ConsentOptions.Authorize] has the last word.
//
// Tokens of links are stored as hashes; what a link remembers is sealed and bound to whose it is. No token, code, secret or
// link is in an error or a log. Names and addresses in an [Identity] are for showing only.
//
// # Concurrency
//
// Everything is safe for concurrent use. Any instance with the same key ring and store goes on with a flow that another one
// began. No goroutine is left after a call but the one question for signing keys, which ends within 10 seconds.
//
// # Errors
//
//	errors.Is            returned by                         meaning
//	mspkit.ErrInvalid    New…, Link, CanonicalID, stores     an option or a value cannot be used; the text names all
//	ErrNotConnected      stores, Check, Release              the tenant is not connected, or not by this owner, or not any more
//	ErrOwned             ConnectionStore.Connect             another owner has connected the tenant and must release it
//	ErrTaken             ConnectionStore.Connect             another customer of the same owner has it, or the customer has another
//	ErrState             ConnectionStore, Consent.Revoke     the link was used, is too old or not ours
//	ErrStale             TokenStore.SwapToken                somebody else has exchanged the token
//	ErrToken             Verifier.Verify                     the id token is not accepted: sign in again
//	ErrUnavailable       Verifier.Verify, *TokenError        Entra cannot be asked now
//	ErrConsent           *TokenError                         consent is missing or was withdrawn: send a new link
//	ErrCredentials       *TokenError                         the application's secret, certificate or assertion was refused
//	ErrSignIn            *TokenError                         a person must sign in again
//	ErrTenantGone        *TokenError                         the tenant was closed: release it
//	ErrThrottled         *TokenError                         too many requests
//	ErrRefused           *TokenError                         another refusal, see its Code
//
// A [*TokenError] says in its Advice what an administrator can do. What an administrator of a customer does wrong is a page.
package entra
