package stores_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/dirblob"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendtest"
)

// A service dies at its calls, one after another, and another instance on the same stores goes on.

func TestASendServiceMayDieOnSQLite(t *testing.T) {
	t.Parallel()
	securesendtest.TestService(t, func(t *testing.T) func() (securesend.SecretStore, securesend.BlobStore) {
		t.Helper()
		d, folder := sendFile(t), filepath.Join(t.TempDir(), "files")
		return func() (securesend.SecretStore, securesend.BlobStore) {
			blobs, err := dirblob.New(folder, nil)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, blobs.Close()) })
			return openSend(t, d), blobs
		}
	})
}

func TestASendServiceMayDieOnPostgres(t *testing.T) {
	t.Parallel()
	securesendtest.TestService(t, func(t *testing.T) func() (securesend.SecretStore, securesend.BlobStore) {
		t.Helper()
		d, blobs := sendSchema(t), memstore.NewBlobs()
		return func() (securesend.SecretStore, securesend.BlobStore) { return openSend(t, d), blobs }
	})
}

func TestASendServiceMayDieOnRedis(t *testing.T) {
	t.Parallel()
	securesendtest.TestService(t, func(t *testing.T) func() (securesend.SecretStore, securesend.BlobStore) {
		t.Helper()
		k, blobs := redisKeys(t), memstore.NewBlobs()
		return func() (securesend.SecretStore, securesend.BlobStore) { return k.openSends(t), blobs }
	})
}
