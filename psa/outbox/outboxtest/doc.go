// Package outboxtest checks what others build for package outbox: [TestStore] runs a store through every sentence of
// [outbox.Store], and [TestStorePair] does the same with two instances on one database.
//
//	func TestMyStore(t *testing.T) {
//		outboxtest.TestStore(t, func(t *testing.T) outbox.Store { return mystore.New(freshDatabase(t)) })
//	}
//
// # Security
//
// Nothing here belongs into a program that serves people.
//
// # Concurrency
//
// The parts run in parallel, each on a store of its own, and race the verbs that decide something; run them with -race.
// The clock of the suite stands still except where a part moves it, so a slow machine fails nothing.
//
// # Errors
//
// The suite reports through testing.T.
package outboxtest
