// Package verifytest checks what others build for package verify: [TestStore] runs a store through every
// sentence of [verify.Store], [Channel] is a channel that keeps what it is given, and [Scanner] behaves like the
// mail scanners that open links and submit forms.
//
//	func TestMyStore(t *testing.T) {
//		verifytest.TestStore(t, func(t *testing.T) func() verify.Store {
//			db := freshDatabase(t)
//			return func() verify.Store { return mystore.New(db) }
//		})
//	}
//
// [Sandbox] makes a tenant answer to fixed numbers, codes and words, for tests of what is built around a verification:
//
//	settings := verify.Settings{Brand: brand, Sandbox: verifytest.Sandbox(t)}
//	// … start, then answer with verifytest.SandboxNumber
//
// # Security
//
// Nothing here belongs into a program that serves people: [Channel] keeps codes and links in the clear.
// [Sandbox] panics outside a test.
//
// # Concurrency
//
// [TestStore] runs its parts in parallel and races every verb; run it with -race. [Channel] is safe for
// concurrent use.
//
// # Errors
//
// The suite reports through testing.T. [Scanner] returns the error of a request that could not be made.
package verifytest
