package redisstore

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
)

func TestNewTellsEveryFaultOfItsOptions(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), nil, &Options{Prefix: "a{b", Shards: -1})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "redisstore: new: ")
	for _, part := range []string{"client", "prefix", "shards"} {
		require.ErrorContains(t, err, part)
	}
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer func() { require.NoError(t, ring.Close()) }()
	_, err = New(t.Context(), ring, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}
