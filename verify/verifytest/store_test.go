package verifytest_test

import (
	"testing"

	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	verifytest.TestStore(t, func(*testing.T) func() verify.Store {
		s := memstore.New()
		return func() verify.Store { return s }
	})
}
