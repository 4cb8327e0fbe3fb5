// Package backlogtest checks what is a store of package backlog: [TestStore] runs one through every sentence of
// [backlog.Store], and [TestPair] does the same with two instances on one database.
//
//	func TestMyStore(t *testing.T) {
//		backlogtest.TestStore(t, func(t *testing.T) backlog.Store { return mystore.New(freshDatabase(t)) })
//	}
//
// # Security
//
// Nothing here belongs into a program that serves people.
//
// # Concurrency
//
// The parts run in parallel, each on a store of its own, and race what decides something from 64 goroutines; run them with
// -race. The clock of the suite stands still except where a part moves it, so a slow machine fails nothing.
//
// # Errors
//
// The suite reports through testing.T.
package backlogtest
