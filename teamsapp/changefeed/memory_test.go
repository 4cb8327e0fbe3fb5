package changefeed_test

import (
	"testing"

	"github.com/mspkit/mspkit/teamsapp/changefeed"
	"github.com/mspkit/mspkit/teamsapp/changefeed/changefeedtest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	changefeedtest.TestStore(t, func(*testing.T) (first, second changefeed.Store) {
		m := changefeed.NewMemory()
		return m, m
	})
}
