package memstore_test

import (
	"testing"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendtest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	securesendtest.TestStore(t, func(*testing.T) func() securesend.SecretStore {
		s := memstore.New()
		return func() securesend.SecretStore { return s }
	})
}

func TestDump(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	securesendtest.TestDump(t, func() securesend.SecretStore { return s }, func() []byte { return memstore.Dump(s) })
}
