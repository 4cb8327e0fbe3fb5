// Package connectwise is a client for the REST API of ConnectWise PSA (Manage).
//
//	client, err := connectwise.New("na.myconnectwise.net", "acme", connectwise.Credentials{…}, &connectwise.Options{Member: "mspkit"})
//	info, err := client.Ping(ctx)
//	noteID, err := client.AddNote(ctx, ref, psa.Note{Text: "Dana is verified."})
//
// [Client] is a psa.System, and adds notes to contacts, enters working time, and verifies callbacks besides. Notes that
// must arrive go through psa/outbox, which wraps it.
//
// # What is certain and what is not
//
// Comments name the source of a fact: the ConnectWise developer guide, the OpenAPI description, or memory. What is from
// memory, or differs between installs, is an option, and the tests run with either answer: the search for a ticket by its
// key ([Options].NoTicketKey), references by name (References), the longest note (MaxNote), characters and line breaks that
// are refused (PlainText, OneLine), notes on closed tickets (CheckOpen), who wrote a note (Member), and whether the signing
// key of a callback takes credentials (SignKeyRequest).
//
// # Addresses
//
// The client asks the site where the API is, once, when it is first used. A 404 is not believed at once, because it can mean
// that an upgrade has moved the API or that the credentials are wrong: the site is asked again, the request repeated where
// the answer has changed, and a cheap request made where nothing has proved the credentials for a minute. So a note is not
// given up as one to a missing ticket while an upgrade is going on.
//
// # Unclear writes
//
// A POST or PATCH is sent once, unless ConnectWise refused it with 429. Without a clear answer it is a
// psa.ErrAmbiguousWrite. A ticket with a key is looked for, before and after; a note cannot be, but by its text, its author
// and its visibility, which is what psa/outbox does.
//
// # Security
//
// Credentials go to the API's origin only. Addresses of next pages and of signing keys are checked for that before
// anything is sent, and redirects are refused. What could end a string in a condition is refused. Errors hold codes, names
// of fields and words of this package, never a text, an address, a number or a credential. On the cloud the host of the
// signing keys is shared by many companies: without Options.CallbackSecret every call is refused there. An event is a hint:
// read the record again.
//
// # Concurrency
//
// A [Client] is safe for concurrent use and starts no goroutine. The rate limit, the memory of replays and the lock on the
// keys of tickets are this client's own: use one per site and process.
//
// # Errors
//
// Every error is a [*psa.Error], and says in words what to do.
//
//	errors.Is             meaning
//	psa.ErrUnauthorized   the keys, the company id or the region are wrong, or the key has expired
//	psa.ErrForbidden      the security role of the API member lacks a right, which is named
//	psa.ErrNotFound       there is no such record, and the credentials are good
//	psa.ErrValidation     ConnectWise refuses the values; Fields names them
//	psa.ErrClosed         the ticket is closed, or merged into MergedInto
//	psa.ErrTooLong        the text or the title is too long; nothing is ever cut
//	psa.ErrRateLimited    too many requests, there (RetryAfter) or by the limit that is kept here
//	psa.ErrUnavailable    no answer, not ConnectWise's, or the wrong host
//	psa.ErrAmbiguousWrite it may have been written
//	psa.ErrUnsupported    a public note on a contact, data where a note may be mailed, or more notes than can be read
//	psa.ErrOrigin         the address of a next page leads elsewhere
//	psa.ErrCursor         the cursor belongs to another listing
//	psa.ErrWebhook        the call is not ConnectWise's, or was here before
//	mspkit.ErrInvalid     an argument cannot be used
package connectwise
