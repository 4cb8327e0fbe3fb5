// Package contacts is the vocabulary for the people whom a helpdesk serves: one [Contact] with its addresses and how long
// each of them has been known, a [ContactSource] that lists the contacts of a tenant page by page, and a [Directory] that
// keeps them, joins what several sources know of one person, and tells what happened.
//
// A page goes into a directory together with where its source stands, so that a crash repeats a page and skips none:
//
//	at, err := dir.Checkpoint(ctx, "contoso", "entra")
//	page, err := source.FetchContacts(ctx, contacts.Query{Tenant: "contoso", Cursor: at.Cursor})
//	applied, err := dir.Apply(ctx, contacts.Batch{At: at, Page: page, Now: now, MaxLeft: 0.3}) // all or nothing
//	…
//	calling, err := dir.Find(ctx, contacts.Search{Tenant: "contoso", Phone: "+12025550143"})
//	news, err := dir.Unhandled(ctx, "welcome-mails", 0) // who joined, changed, left; then dir.Handled
//
// The Syncer does the first three of many tenants and sources. Directories are contacts/memstore, in memory, and
// contacts/sqlstore. Without one, a source is read as it is:
//
//	for p, err := range contacts.Pages(ctx, source, contacts.Query{Tenant: "contoso", Cursor: lastRun}) {
//		if errors.Is(err, contacts.ErrCursor) { … begin again with the empty cursor … }
//		if err != nil { return err }
//		store(p.Contacts, p.Removed)
//		lastRun, whole = p.Next, p.Whole // kept after the last page; whole: who was on no page is gone
//	}
//
// Sources are contacts/csvcontacts (a file) and contacts/psacontacts (a ticket system); a function is one by
// [SourceFunc]. contacts/contactstest has the suites that every source and every directory passes, and a source in memory
// for tests.
//
// # Security
//
// An address counts as fresh until it has been known for a while: somebody who talks a technician into
// changing a phone number must not be verified with it a minute later. [Address.FirstSeen] carries that age;
// the zero time means unknown, and unknown counts as new.
//
// A source is asked for one tenant and gives contacts of that tenant only. [Pages], [All] and [Find] do not rely on it:
// a contact of another tenant ends the run. Names and numbers are text that somebody else typed: escape them where they
// are shown. A phone number that cannot be read has no [Address.Value], so that nothing is sent to a guess.
//
// A run that ends with an error says nothing of who is gone, and neither does [ErrTenant].
//
// A directory counts an address as known since it saw it for that person without a break, whatever its source says. It
// joins records of two sources by an e-mail address only where nothing is in doubt, and never to somebody who has left:
// an address that is used again is somebody else's. What is in doubt is a [Conflict] for a person to decide. Who may link,
// separate and write is the host's to check.
//
// # Concurrency
//
// The types are plain values. A source and a directory are safe for concurrent use; the sequences of [Pages] and [All] are for one
// goroutine at a time, and each time that one is ranged over is a run of its own.
//
// # Errors
//
//	errors.Is           meaning
//	ErrCursor           the cursor is stale, altered or of another tenant: begin again from the empty cursor
//	ErrTenant           the source is not set up for this tenant; nobody has left because of that
//	ErrSource           the source breaks its promises: cursors in a circle, contacts of another tenant
//	ErrNotFound         the directory has no such contact, record or picture in that tenant
//	ErrStale            another instance moved the checkpoint on: read it again
//	ErrMassLeave        so many people are missing that it looks like a fault of the source; nothing was stored
//	ErrConflict         two contacts that one source has cannot be linked
//	mspkit.ErrInvalid   a tenant, limit or address that cannot be used
package contacts
