package redisstore

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

func TestNewTellsEveryFaultOfItsOptions(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), nil, &Options{Prefix: "a{b", Shards: -1})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "redisstore: new: ")
	for _, part := range []string{"client", "prefix", "shards"} {
		require.ErrorContains(t, err, part)
	}
	var none *redis.Client
	_, err = New(t.Context(), none, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer func() { require.NoError(t, ring.Close()) }()
	_, err = New(t.Context(), ring, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	replicas := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, RouteRandomly: true})
	defer func() { require.NoError(t, replicas.Close()) }()
	_, err = New(t.Context(), replicas, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "replicas")
}

func TestGlobalLimitsOfOneCallMustBeOnOneMachine(t *testing.T) {
	t.Parallel()
	places, group, err := globals([]verify.Limit{{Key: "a/b/c", Global: true}, {Key: "x"}, {Key: "a/b/d", Global: true}})
	require.NoError(t, err)
	require.Equal(t, []int{0, 2}, places)
	require.Equal(t, "a/b", group)
	_, _, err = globals([]verify.Limit{{Key: "a/b", Global: true}, {Key: "b/b", Global: true}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}
