// Package halopsa connects HaloPSA: tickets, notes, contacts, companies, working time and webhooks. HaloITSM and Halo
// Service Desk have the same API.
//
//	client, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: id, ClientSecret: secret}, &halopsa.Options{
//		InternalOutcome: "Private Note", // an action that is configured in this HaloPSA
//	})
//	if _, err := client.Ping(ctx); err != nil {
//		return err // says what is wrong: address, credentials, permission
//	}
//	id, err := client.AddNote(ctx, ref, psa.Note{Text: "Dana is verified."}) // internal
//
// The credentials are those of an API application of the kind "Client ID and Secret (Services)". What it may do is what
// both its scopes and the agent that it is tied to may do. Notes by that agent are ours, so give the application an agent
// of its own.
//
// # What is not certain
//
// HaloPSA's API description names parameters and fields but no answers, and says little of what they do. Where two
// behaviours are known or likely there is an option: how changes are found (Options.Since), whether pages are in the order
// of ids (Options.Paging), how tickets are found by key (Options.KeySearch), whether HTML is taken (Options.PlainText), in
// which zone dates are (Options.DateZone), who we are (Options.Agent), how webhooks are signed (Webhook.HMAC). Answers are
// read leniently: a record as an object or as an array of one, ids as numbers or text, dates with and without a zone.
//
// # Listing
//
// Contacts and companies come by page number. [Client.ListContacts] reads them in the order of their ids and lets every
// page begin with a record that was seen, so that what does not change is listed exactly once even where others come and go
// meanwhile. For that, sizes of pages differ. [CountedPages] is for servers that cannot do it.
//
// # Notes
//
// A note is an action whose outcome must be configured in HaloPSA; an unknown one is refused, and the error lists those
// that there are. A note to a closed or merged ticket is a psa.ErrClosed: HaloPSA itself would take it, and nobody would
// see it. Texts arrive as they are, also with HTML and emoji in them. There are no notes on contacts.
//
// # Security
//
// The secret goes to the configured host and to Options.AuthHosts only, tokens to the API only; redirects are refused.
// Internal notes always say hiddenfromuser, nobody is mailed and no rule runs unless an option asks for it. Errors and logs
// hold no credential and nothing of what was written. Webhooks are checked in constant time; what they say is a hint.
//
// # Concurrency
//
// A [Client] is safe for concurrent use and starts no goroutine that outlives a call. Many calls share one token and one
// rate. After a 429 all of them wait, and then go one by one until HaloPSA takes requests again.
//
// # Errors
//
// Errors are of type *psa.Error, except where an argument cannot be used (mspkit.ErrInvalid).
//
//	errors.Is                meaning
//	psa.ErrUnauthorized      the client id, the secret or the tenant is wrong
//	psa.ErrForbidden         the scopes or the agent do not allow it; the error says what is needed
//	psa.ErrNotFound          there is no such ticket or company
//	psa.ErrClosed            the ticket is closed, or merged (psa.Error.MergedInto)
//	psa.ErrValidation        a value is not taken; of fields also *psa.DefaultsError with those that are
//	psa.ErrTooLong           the text is longer than Options.MaxNote
//	psa.ErrUnsupported       this HaloPSA cannot do it; the error names the option that helps
//	psa.ErrRateLimited       too many requests; psa.Error.RetryAfter says how long to wait
//	psa.ErrUnavailable       there is no answer, or not one of HaloPSA
//	psa.ErrAmbiguousWrite    it is not known whether it was written
//	psa.ErrOrigin            the authorisation server is said to be elsewhere; nothing was sent there
//	psa.ErrCursor            the listing must begin again
//	psa.ErrWebhook           the webhook is not authentic, too old, or a repeat
//	mspkit.ErrInvalid        an argument or an option cannot be used
package halopsa
