// Package accounts knows the people of an MSP, who each of them is in Microsoft Entra, and lets in who was invited.
//
// An [Account] is a person as the host knows them, with a role, access to the interface and the use of MFA. It is linked to one person
// in Entra, by tenant and object id and never by a mail address. [Service.Resolve] says for an [entra.SSO] who signed in:
//
//	service, err := accounts.New(store, ring, &accounts.Options{
//		Owner: "msp-1", TenantID: tenantID, BaseURL: "https://msp.example/accounts", Auditor: auditor,
//	})
//	sso, err := entra.NewSSO(verifier, ring, &entra.SSOOptions{
//		Owner: "msp-1", Tenants: []string{tenantID}, Resolve: service.Resolve, …
//	})
//	pages, err := service.Handler("/accounts", sso, &accounts.PagesOptions{ClientID: clientID, Host: session})
//	auth, err := sso.Handler("/auth") // after the pages, which register their sign-ins
//	mux.Handle("/accounts/", pages)
//	mux.Handle("/auth/", auth)
//	link, err := service.Bootstrap(ctx) // for the first admin, on a command line
//
// The first admin opens the link of [Service.Bootstrap], installs the application in the MSP's tenant and signs in. From then on there
// are two ways for others: a colleague who has a session of the host links their own account at /link, without any rights in Entra; and
// an admin invites, at /invite or by [Service.Invite]. Stores are [NewMemory] and package sqlstore.
//
// # The application
//
// [Service.ConsentURI] must be registered as a redirect URI of the web platform, besides those of the SSO. For people of clients, who
// are invited to the portal, it must be multi-tenant, and the [entra.Verifier] must admit their tenants.
//
// # Mail
//
// [Options.Send] gets each invitation with its link: the host mails it, with a template of its own for each [Kind]. Where there is none,
// the page shows the link once to whoever invites.
//
// # Security
//
// Whoever does something is named, must have [entra.PermissionInvitations], and stands in the audit with what they did to whom;
// refusals do as well. Where somebody is signed in, the permission is that of their session, and they act in no other name but
// [ByHost], which a host must never take from a request. Nobody gives a role above their own or changes who has one, nor does without
// their own second factor. Pages check it again; what is not allowed is refused. With [PagesOptions.Fresh] they ask for a step-up.
//
// Every link, acceptance and first admin takes a sign-in that was just made (prompt=login, and auth_time proves it), of the MSP's own
// tenant or of that of the client, and no guest. A person links the account that the host's session is of, at the beginning and still
// at the end. One person is one account of an owner and the other way round.
//
// The last admin who can sign in cannot be demoted, limited to the pod, disabled, unlinked or removed: the [Store] decides that
// together with the change, so that of two admins who demote each other on two instances one stays. Roles from tokens do not count
// there, because nobody can say what the next token has.
//
// Links carry 256 random bits and are stored as a hash. They are good once, also when many come at once, and for a limited time; GET and
// HEAD use nothing up. Who was invited is sealed, bound to role, kind and end of the invitation. No link, token or secret is in an
// error, an event or a log. An invitation ends with the right of whoever made it, and where the account that it is to is removed,
// unlinked, disabled or left with less, for good. Whoever holds a link of an invitation and is of the right tenant can accept it: hand
// it to nobody else.
//
// Accounts are stored in clear, because the store decides about them. Whoever can write to the database can therefore make themselves
// an admin, and put back an invitation that was used.
// Nothing is sealed for longer than an invitation lasts, so an old key may be dropped from the ring 120 days after its rotation.
//
// What Microsoft says about a consent is not signed, and is believed only so far that the wizard goes on.
//
// # Concurrency
//
// Everything is safe for concurrent use, and any instance with the same store and key ring goes on with what another one began.
//
// # Errors
//
//	errors.Is           returned by                       meaning
//	mspkit.ErrInvalid   New, Handler, Add, Set…, Invite   an option or a value cannot be used; the text names all
//	ErrNotFound         Get, Set…, Unlink, Remove         there is no such account
//	ErrExists           Add                               the id is taken
//	ErrConflict         Invite, Accept, Set…              the account has been changed meanwhile, or is of another kind
//	ErrLastAdmin        SetRole, SetUI, Disable,          nobody could let others in any more: link another admin first
//	                    Unlink, Remove
//	ErrTaken            Link, Accept                      whoever signed in has another account: unlink that first
//	ErrLinked           Link, Accept, Invite              the account is somebody else's: unlink it first
//	ErrSetUp            Bootstrap, Accept                 there is an admin who can sign in
//	ErrState            Open, Accept, Revoke              the link was used, was revoked, is too old, or is not ours
//	ErrTooMany          Invite                            1,000 invitations are open
//	ErrUnknown          Resolve                           whoever signed in has no account
//	ErrDisabled         Resolve, Link, Accept, Invite     the account is disabled
//	ErrNoRole           Resolve, Link, Accept             the token has no role, or for a first admin another one: assign it in Entra
//	ErrTenant           Link, Accept, ResolvePortal       whoever signed in is of another tenant
//	ErrGuest            Link, Accept                      whoever signed in is a guest
//	ErrNotFresh         Link, Accept                      the sign-in does not prove that it was just made
//	entra.ErrForbidden  what changes something            by may not do this; also what ErrUnknown to ErrNotFresh are
//
// [entra.ReasonOf] tells those apart that are an [entra.ErrForbidden].
package accounts
