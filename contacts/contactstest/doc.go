// Package contactstest tests what gives and keeps contacts, and gives contacts to what is tested: [TestSource] is the suite
// that every [contacts.ContactSource] passes, [TestDirectory] the one that every [contacts.Directory] passes, and [Source]
// is a source in memory, with faults on demand.
//
//	func TestMine(t *testing.T) {
//		contactstest.TestSource(t, func(t *testing.T) (contacts.ContactSource, contactstest.Fixture) { … })
//	}
//
// A directory is tested by examples of each rule, by instances that race each other, and by random histories that are
// compared with a model. A failed history prints its seed; set [DirectoryOptions.Seed] to it, and Histories to 1.
//
// It needs the standard library only.
//
// # Security
//
// The people of a [Source] are what a test puts there. It is for tests alone.
//
// # Concurrency
//
// A [Source] is safe for concurrent use.
//
// # Errors
//
//	errors.Is            meaning
//	contacts.ErrCursor   the cursor is not one of this source for this tenant, or was forgotten by Forget
//	contacts.ErrTenant   the tenant was refused by a fault; by itself a Source has an empty run for every tenant
package contactstest
