package outboxtest_test

import (
	"testing"

	"github.com/mspkit/mspkit/psa/outbox"
	"github.com/mspkit/mspkit/psa/outbox/outboxtest"
)

// Each part of the suite gets a store of its own.
func ExampleTestStore() {
	_ = func(t *testing.T) { // TestMyStore
		outboxtest.TestStore(t, func(*testing.T) outbox.Store { return outbox.NewMemory() })
	}
}

// A store that several processes share is tested with two instances on one database.
func ExampleTestStorePair() {
	_ = func(t *testing.T) { // TestMyStoreTwice
		outboxtest.TestStorePair(t, func(*testing.T) (first, second outbox.Store) {
			database := outbox.NewMemory()
			return database, database
		})
	}
}
