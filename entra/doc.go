// Package entra signs technicians in by Microsoft Entra and says what they may do, and connects customers' tenants to those of the
// host.
//
// [SSO] stands before the host's routes. It is denied by default: a route has a permission, and who is signed in has it or not, by
// role, access to the interface and second factor ([Policy], [User.May]):
//
//	verifier, err := entra.NewVerifier(entra.PublicCloud(), clientID, nil)
//	sso, err := entra.NewSSO(verifier, ring, &entra.SSOOptions{
//		ClientID: clientID, Secret: mspkit.Redact(secret), Owner: "msp-1", BaseURL: "https://msp.example/auth",
//		Tenants: []string{ownTenant}, Resolve: accounts.Resolve, Revocations: store, Auditor: auditor,
//	})
//	pages, err := sso.Handler("/auth")
//	mux.Handle("/auth/", pages)
//	mux.Handle("/tickets/", sso.Load(sso.Require(entra.PermissionFeatures, tickets)))
//	mux.Handle("/settings/", sso.Load(sso.RequireFresh(entra.PermissionAccount, 10*time.Minute, settings)))
//
// A customer is connected by a link that their administrator follows. The link leads to our own page, Microsoft asks for the
// consent, and then the administrator signs in once more, because nothing but their id token says which tenant it was:
//
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
// tokens of any tenant, for whatever sign-in they came; a [Flow] is one such sign-in of a browser.
//
// # The applications
//
// That of the sign-in is of the MSP's own tenant ("Accounts in this organizational directory only"). It has [SSO.RedirectURL] and
// [SSO.SignedOutURL] as redirect URIs of the web platform, [SSO.FrontChannelURL] as its front-channel logout URL, the app roles Admin
// and Technician where Resolve goes by them, and the optional claims of id tokens auth_time (for a fresh sign-in), acrs (for
// [SSOOptions.ACR]), sid (for logouts) and acct (for guests). Assignment should be required.
//
// That of the consent is multi-tenant ("Accounts in any organizational directory"), has [Consent.RedirectURL] as a redirect
// URI of the web platform, and "groupMembershipClaims": "DirectoryRole" in its manifest, by which id tokens say who is an
// administrator.
//
// # Security
//
// A person is known by tenant and object id of a token whose signature, issuer, audience, nonce and times were checked, each key for
// the issuer that Microsoft publishes it for, and by nothing else: never by an address. A sign-in is an authorization code with PKCE,
// state and nonce; what a browser must remember meanwhile is sealed in a cookie of its own, bound to the state. Nothing begins by GET.
// Personal accounts never sign in, guests only where the host says so, and only people of the tenants on the list. A refused sign-in
// has one [Reason] in the audit, in the error ([ReasonOf]) and on the page.
//
// A session is a sealed cookie, bound to owner and name, HttpOnly, SameSite=Lax and with the prefix __Host-; it has an absolute and an
// idle lifetime; a copy of it has an idle lifetime of its own. With every request it is asked whether it was revoked and what the host
// knows of the person now, so that neither an account that was removed nor, after a sign-out, a copied cookie outlives the next request;
// that is one question to [Revocations] and one to Resolve. Roles of the token are those of the last sign-in: where Resolve goes by
// them, one that is taken away in Entra counts until the session ends ([SSO.EndSessions], [SSOOptions.TTL]). They count for the tenants
// on the list only. An instance with Revocations of its own does not know of sign-outs on the others: share them (entra/sqlstore). The address to come back to is a
// path of the host, in a spelling that nobody reads as another one. Against posts of foreign pages the host's own forms need
// [net/http.CrossOriginProtection]; the pages here have it.
//
// Entra ends sessions by the front channel, a GET in a frame that carries no cookie of ours and that nobody has signed: it can end the
// one session whose sid it knows. Anybody may send one with a sid that they made up, so after a burst of 500 no more than 20 in a second are heard, and the
// lifetime of sessions has the last word. A logout token of the back channel is signed, and counts once. A step-up proves what it says: the
// answer has the authentication context or a fresh auth_time, and is of the person and the session that asked.
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
// Everything is safe for concurrent use, an [SSO] once its Handler was made. Any instance with the same key ring and store goes on with a flow that another one
// began. No goroutine is left after a call but the one question for signing keys, which ends within 10 seconds.
//
// # Errors
//
//	errors.Is            returned by                         meaning
//	mspkit.ErrInvalid    New…, Link, CanonicalID, stores     an option or a value cannot be used; the text names all
//	ErrNotConnected      stores, Check, Release              the tenant is not connected, or not by this owner, or not any more
//	ErrOwned             ConnectionStore.Connect             another owner has connected the tenant and must release it
//	ErrTaken             ConnectionStore.Connect             another customer of the same owner has it, or the customer has another
//	ErrState             ConnectionStore, Consent.Revoke,    the link or the sign-in was used, is too old or not ours
//	                     Flow.Finish
//	ErrStale             TokenStore.SwapToken                somebody else has exchanged the token
//	ErrToken             Verifier, Flow.Finish               the token is not accepted: sign in again
//	ErrUnavailable       Verifier, *TokenError               Entra cannot be asked now
//	ErrNoSession         Authorize, Sessions, NoteFactor     nobody is signed in
//	ErrForbidden         Authorize, SSO.SignIn, Refuse       this is not allowed, or there is no account
//	ErrTooLarge          Sessions, SSO.SignIn                the session does not fit into a cookie
//	ErrConsent           *TokenError                         consent is missing or was withdrawn: send a new link
//	ErrCredentials       *TokenError                         the application's secret, certificate or assertion was refused
//	ErrSignIn            *TokenError                         a person must sign in again
//	ErrTenantGone        *TokenError                         the tenant was closed: release it
//	ErrThrottled         *TokenError                         too many requests
//	ErrRefused           *TokenError                         another refusal, see its Code
//
// [ReasonOf] says for each of them why a sign-in was refused, [IdentityOf] whose it was where the token proves that. A [*TokenError] says in its Advice what an administrator can do. What an administrator of a customer does wrong is a page.
package entra
