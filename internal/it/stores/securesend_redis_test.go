package stores_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/redisstore"
	"github.com/mspkit/mspkit/securesend/securesendtest"
)

// sendOptions accept whatever server it is: what it keeps is not what these tests are about.
func (k keyspace) sendOptions(shards int) *redisstore.Options {
	return &redisstore.Options{Prefix: k.prefix, Shards: shards, AcceptLostWrites: true}
}

// openSends opens an instance with connections of its own, as another process has.
func (k keyspace) openSends(t testing.TB) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(context.Background(), k.connect(t), k.sendOptions(8))
	require.NoError(t, err)
	return s
}

func TestSecretStoreOnRedis(t *testing.T) {
	t.Parallel()
	securesendtest.TestStore(t, func(t *testing.T) func() securesend.SecretStore {
		t.Helper()
		k := redisKeys(t)
		return func() securesend.SecretStore { return k.openSends(t) }
	})
}
