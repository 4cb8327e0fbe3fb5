package redisx

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestStoresOfOnePrefixHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer func() { require.NoError(t, client.Close()) }()
	one, err := settle(client, Options{})
	require.NoError(t, err)
	require.Equal(t, "mspkit", one.Space())
	require.Equal(t, 64, one.Len())
	require.Equal(t, []string{"{mspkit:63}:h", "{mspkit:63}:x"}, one.Keys(63), "what is stored would not be found any more")
	other, err := settle(client, Options{Prefix: "desk", Part: "send", Shards: 2})
	require.NoError(t, err)
	require.Equal(t, []string{"{desk:send:1}:h", "{desk:send:1}:x"}, other.Keys(1), "what is stored would not be found any more")
}
