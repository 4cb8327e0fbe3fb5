package changefeedtest_test

import (
	"testing"

	"github.com/mspkit/mspkit/teamsapp/changefeed"
	"github.com/mspkit/mspkit/teamsapp/changefeed/changefeedtest"
)

func ExampleTestStore() {
	// In the tests of your own store:
	_ = func(t *testing.T) {
		changefeedtest.TestStore(t, func(*testing.T) (first, second changefeed.Store) {
			s := changefeed.NewMemory() // two instances of yours on one fresh database
			return s, s
		})
	}
}
