package redisstore_test

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/redisstore"
)

// A host gives the service its own Redis. One address is one server, several are a cluster.
func Example() {
	service := func(ctx context.Context, addrs []string, ring *mspkit.KeyRing, settings verify.Settings) (*verify.Service, error) {
		client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addrs})
		store, err := redisstore.New(ctx, client, &redisstore.Options{Prefix: "helpdesk"})
		if err != nil {
			return nil, err
		}
		return verify.New(store, ring, "https://help.example/verify", verify.Same(settings), nil)
	}
	_ = service
}
