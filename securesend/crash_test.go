package securesend_test

import (
	"testing"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendtest"
)

func TestAServiceMayDieAtAnyTime(t *testing.T) {
	t.Parallel()
	securesendtest.TestService(t, func(*testing.T) func() (securesend.SecretStore, securesend.BlobStore) {
		store, blobs := memstore.New(), memstore.NewBlobs()
		return func() (securesend.SecretStore, securesend.BlobStore) { return store, blobs }
	})
}
