// Package securesendtest checks what others build for package securesend: [TestStore] runs a store through every sentence
// of [securesend.SecretStore] and every step of [securesend.Record], and [TestDump] looks into its storage for what should
// not be there any more.
//
//	func TestMyStore(t *testing.T) {
//		securesendtest.TestStore(t, func(t *testing.T) func() securesend.SecretStore {
//			db := freshDatabase(t)
//			return func() securesend.SecretStore { return mystore.New(db) }
//		})
//	}
//
// Each verb is done by the store and by a model, which is records in a map and their own steps. What the verb returns,
// the record that another instance sees, and all events must be equal after each call. Random sequences of verbs go the
// same way; a failure names the last of them, and a seed always gives the same.
//
// # Security
//
// Nothing here belongs into a program that serves people.
//
// # Concurrency
//
// [TestStore] runs its parts in parallel and races every verb that decides something on two instances; run it with -race.
// Where a store is too slow for all rounds of a race within a second, the environment variable MSPKIT_SOAK=1 runs them
// all: 64 readers in 200 rounds. [TestService] kills at some calls without it, and at all of them with it.
//
// # Errors
//
// The suite reports through testing.T.
package securesendtest
