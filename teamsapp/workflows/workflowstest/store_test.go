package workflowstest_test

import (
	"testing"

	"github.com/mspkit/mspkit/teamsapp/workflows"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	workflowstest.TestStore(t, func(*testing.T) (first, second workflows.Store) {
		m := workflows.NewMemory()
		return m, m
	})
}
