package outbox_test

import (
	"testing"

	"github.com/mspkit/mspkit/psa/outbox"
	"github.com/mspkit/mspkit/psa/outbox/outboxtest"
)

func TestMemoryIsAStore(t *testing.T) {
	t.Parallel()
	outboxtest.TestStore(t, func(*testing.T) outbox.Store { return outbox.NewMemory() })
}
