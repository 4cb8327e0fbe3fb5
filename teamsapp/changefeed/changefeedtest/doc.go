// Package changefeedtest checks implementations of [changefeed.Store]: a host that keeps subscriptions elsewhere than in
// package sqlstore calls [TestStore] in a test.
//
//	changefeedtest.TestStore(t, func(t *testing.T) (first, second changefeed.Store) {
//		db := emptyDatabase(t)
//		return newStore(t, db), newStore(t, db)
//	})
//
// # Concurrency
//
// The parts of the suite run in parallel, each on a storage of its own, with two instances that race each other.
package changefeedtest
