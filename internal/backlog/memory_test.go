package backlog_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/backlog/backlogtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemoryIsAStore(t *testing.T) {
	t.Parallel()
	backlogtest.TestStore(t, func(*testing.T) backlog.Store { return backlog.NewMemory() })
}
