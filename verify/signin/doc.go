// Package signin verifies callers by a sign-in to their own tenant of Microsoft 365: the contact gets a link, signs in at Microsoft
// with the account on record, and then types the number that the technician says.
//
// It joins [entra] and [verify]. The link is carried by a channel that there is anyway, or by what the host makes of it ([Carrier]):
//
//	via, err := signin.Via(mail, mailboxOf) // or text messages
//	plain, err := signin.New(ring, base, via, entraTenantOf, nil)
//	strong, err := signin.New(ring, base, via, entraTenantOf, &signin.Options{ACR: contextOf})
//	svc, err := verify.New(store, ring, base, settings, &verify.Options{
//		Channels: map[string]verify.Channel{"email": mail, "signin": plain, "signin-strong": strong},
//	})
//	pages, err := signin.NewPages(svc, ring, verifier, &signin.PagesOptions{ClientID: clientID, Secret: secret})
//	mux.Handle("/verify/signin/", http.StripPrefix("/verify/signin", pages)) // base ends in /verify
//
// The address of a contact is "tenant id/object id", as that of Teams; package verify/contactdest gives it to channels that take
// contactdest.Entra. The application must admit accounts of any organisation, have [Pages.RedirectURL] registered, and list
// auth_time, acrs and acct among the optional claims of id tokens: without auth_time no sign-in is fresh, without acrs none is strong,
// and without acct a guest is known by the claim idp alone.
//
// # What is proved
//
// A challenge is begun at one level and confirmed at that or not at all; what the sign-in proves decides which. A channel without
// [Options.ACR] is [verify.AssuranceSignIn]: somebody gave the credentials of the contact's account within the last five minutes, by
// the claim auth_time. A channel with it is [verify.AssuranceStrong]: besides, the claim acrs has the authentication context that
// the tenant was asked for, so that the demands of its Conditional Access were met. A sign-in without that claim is refused there,
// whatever was configured, and never counts as the lower level in silence: the technician begins again by the other channel, if the
// policy allows it. Register both and put the strong one first among the destinations: for a tenant without a context it delivers
// nothing, and the next way is taken.
//
// The flow asks for prompt=login and max_age=0, but a browser can change what it asks for; the claims of the token alone count.
//
// # What does not count
//
// Each refusal has its page, its [entra.Reason] in the log and the audit, and uses up no try. Where a token proves who signed in
// or how, the technician is told by a [verify.EventSignInRefused].
//
//	what                                             reason                          told   page
//	another person of the tenant                     entra.ReasonPerson              yes    person
//	a person of another tenant                       entra.ReasonTenant              yes    tenant
//	a guest account                                  entra.ReasonGuest               yes    guest
//	a personal account                               entra.ReasonPersonal            yes    personal
//	auth_time older than 5 minutes, or missing       entra.ReasonFresh               yes    fresh
//	acrs without the context                         entra.ReasonStrong              yes    strong
//	cancelled at Microsoft, or no consent            entra.ReasonDeclined            no     declined
//	replayed, too late, of another browser           entra.ReasonState, ReasonCookie no     state
//	refused by Microsoft, or a token that is wrong   the reason of package entra     no     failed, or by its number tenant, personal, strong
//	Microsoft or a store cannot be reached           entra.ReasonUnavailable etc.    no     unable
//
// # Security
//
// The link is no secret. Whoever has it sees who asks for what, and can press "not me", which is a hint; they answer nothing, deny
// nothing, freeze nothing and use up no tries, because the service takes answers from the address alone ([verify.Authenticator]) and
// the pages name one only once the token proves it. "Not me" after the sign-in holds at once and freezes, also where the request
// is over.
//
// Who must sign in stands in the link, encrypted when the challenge was delivered, and the service compares it with what it stored.
// Nothing in a form or address of the browser says who somebody is. The address must be of the client's own tenant, whatever was
// written on record. The canonical address begins with "signin:", so that a press in Teams by the same person is no sign-in.
//
// After the sign-in a cookie holds, sealed for this challenge and person, that there was one; it ends five minutes after the
// credentials were given. The forms after it need a value besides that stands on the page only. GET and HEAD change nothing, but for
// Microsoft's answer, which needs the cookie of the browser that asked, once. The pages run no script, load nothing from elsewhere,
// cannot be framed and are never cached; forms may lead to Microsoft. A link that is altered and one whose challenge is deleted get
// the same bytes after the same store work. No token, number, name or address is logged.
//
// What stays is a person who is talked into signing in and typing a number by whoever called them. The pages ask first whether
// somebody called, and name the technician and the action.
//
// # Concurrency
//
// [Channel] and [Pages] are safe for concurrent use and keep nothing that another instance needs: any instance with the same key
// ring and store takes any step.
//
// # Errors
//
// [New], [Via], [NewPages] and [Channel.Canonical] return [mspkit.ErrInvalid]. [Channel.Deliver] returns a [*verify.DeliveryError]
// with a sentence of its own, or what the carrier returned:
//
//	permanent   when
//	yes         the address is no person, or one of another organisation than the client's
//	yes         the client has no organisation in Microsoft 365, or no authentication context for a strong sign-in
//	yes         no address is on record to send the link to
//	no          the host could not say one of these
package signin
