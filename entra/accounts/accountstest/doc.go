// Package accountstest has the tests that every [accounts.Store] must pass.
//
//	func TestStore(t *testing.T) {
//		accountstest.TestStore(t, func(t *testing.T) (first, second accounts.Store) { … })
//	}
//
// # Security
//
// Nothing here is for production.
//
// # Concurrency
//
// Parts of the suite run in parallel, each on a storage of its own.
//
// # Errors
//
// Faults are reported to the test.
package accountstest
