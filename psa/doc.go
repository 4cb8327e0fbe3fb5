// Package psa is the vocabulary for the ticket systems of managed service providers: tickets, notes, contacts and
// companies, what a system can do with them, and what its errors mean.
//
// A host with its own ticket system implements [TicketNoter] and is done; package custom makes more of a few functions:
//
//	func (h *Helpdesk) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error)
//
// Hosts ask for the smallest interface that does: [TicketReader], [TicketCreator], [StatusSetter], [NoteReader],
// [ContactLister], [ContactFinder], [CompanyLister], [OptionLister], and by a type assertion for [ContactNoter],
// [TimeLogger], [DataNoter] and [WebhookVerifier]. The clients of this module are each a [System]; [Capabilities] says how
// they differ. The suite in psatest holds all of them to what is written here.
//
// Setting a system up goes like this:
//
//	info, err := sys.Ping(ctx)                        // address, credentials and permission are right
//	defaults, err = defaults.Validate(ctx, sys)       // what tickets get; an error lists what may be chosen
//	err = store.SaveDefaults(ctx, tenant, sys.Name(), defaults)
//	list := psa.Suggest(companies, tenants, mapped)   // which company is which tenant, for an administrator to confirm
//	err = store.SaveMapping(ctx, mapping)
//
// and writing to it like this:
//
//	id, err := sys.AddNote(ctx, ref, note)
//	switch psa.FateOf(err) {
//	case psa.Unclear: // it may stand in the ticket: look with ListNotes before writing again
//	case psa.Later:   // it does not; the same may succeed later
//	case psa.Never:   // it does not, and will not
//	}
//
// which is what package outbox does, so that a note always arrives and does so once. Long texts are cut by [Split];
// [Plain] is for systems that refuse emoji. [Launches] open a page of the host within the ticket system's own page.
//
// # Security
//
// The zero value of [Visibility] is [Internal], so that a note is never public by omission. Whose note it is, a system
// tells by who signed in and never by the text ([WrittenNote.Ours]), because contacts can copy texts. Nothing is mapped to
// a tenant before an administrator confirms it, and a company of one tenant cannot be moved to another one by saving.
//
// An [Error] prints no credential and nothing of what was to be written; what the system itself said, which may repeat it,
// is in Message and redacted. A [Launch] is worth a technician's rights on a ticket: keep its life short.
//
// # Concurrency
//
// Implementations of every interface here must be safe for concurrent use. [Memory] and [Launches] are; the other types
// are plain values. [Fields] must not be changed.
//
// # Errors
//
// The clients return an [*Error] that wraps one of these.
//
//	errors.Is            fate      meaning
//	ErrNotFound          never     there is no such ticket, contact or company, or we may not see it
//	ErrUnauthorized      later     the credentials are wrong, have expired or were withdrawn
//	ErrForbidden         later     a permission is missing; Advice says which, where the system tells
//	ErrRateLimited       later     too many requests; RetryAfter says how long to wait, where the system tells
//	ErrValidation        never     the system refuses the values; Fields names them. Also every [*DefaultsError]
//	ErrConflict          later     somebody else changed it; of a mapping: the company belongs to another tenant
//	ErrClosed            never     the ticket is closed or merged; MergedInto names the other one, where the system tells
//	ErrTooLong           never     the note is longer than NoteLimit; nothing was written
//	ErrUnsupported       never     the system cannot do this
//	ErrUnavailable       later     no answer to what only reads, or no connection
//	ErrAmbiguousWrite    unclear   no clear answer to what writes: it may have been written
//	ErrOrigin            later     an address in an answer leads away from the configured one; it was not followed
//	ErrWebhook           –         the call is not the system's, too old, or was seen before
//	ErrCursor            –         a listing cannot go on from this cursor; begin again
//	ErrLaunch            –         a launch that was not made here, or was altered
//	ErrLaunchExpired     –         a launch whose time is over
//	mspkit.ErrInvalid    never     what no system takes: no ticket named, no title, a key of other characters
package psa
