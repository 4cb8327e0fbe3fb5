// Package people is what a [contacts.Directory] decides, without a database: which records of sources are one person, what
// a person's fields are, how long an address has been known, and what happened. The directories in memory and on SQL load
// what a change concerns, ask this package, and store what it says.
//
//	page, err := people.Begin(batch, storedCheckpoint)      // checks, cleans
//	state := load(page.Keys, page.Emails)                    // in one transaction, see State
//	state.Managers = resolve(state.ManagerKeys(page))
//	plan := page.Plan(state)
//	write(plan)
//	if page.Sweep {
//		err = people.CheckLeave(batch, gone, total)          // before anything of the sweep is written
//		for each part of the stale records { write(people.Remove(state of the part, change)) }
//	}
//	write(page.Next)
//
// # Rules
//
// A record is what one source has under one id. It stays when the source does not have it any more, as gone, so that the
// same id that comes back is the same person, and so that nobody else gets that person's history.
//
// A record that is new joins a person by e-mail address only where nothing is in doubt: one person alone has, or ever had
// last, any of its addresses; that person has not left; it has no record of the same source, not even one that is gone;
// no other record of that source has the address; and nobody has separated them. Everybody else is a person of their own.
//
// # Security
//
// An address that is re-used belongs to somebody else: who has left is never joined by a newcomer. An address counts as
// known since the directory saw it for that person without a break; a source's own word makes it newer and never older.
// One that was typed by hand stays so for as long as it is there.
//
// # Concurrency
//
// The functions are pure. What they return shares nothing that is changed later.
//
// # Errors
//
//	errors.Is                 meaning
//	contacts.ErrStale         the stored checkpoint is another one
//	contacts.ErrMassLeave     too many would be gone
//	contacts.ErrConflict      two people of one source are not one
//	contacts.ErrSource        a run is whole on one page and not on another
//	mspkit.ErrInvalid         a name, id or time that cannot be stored
package people
