package redisstore_test

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/redisstore"
)

// A host gives the store its own Redis. One address is one server, several are a cluster.
func Example() {
	store := func(ctx context.Context, addrs []string) (securesend.SecretStore, error) {
		client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addrs})
		return redisstore.New(ctx, client, &redisstore.Options{Prefix: "helpdesk"})
	}
	_ = store
}
