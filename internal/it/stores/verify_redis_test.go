package stores_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/redisstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// redisOptions names the Redis of MSPKIT_TEST_REDIS (a URL, or host:port), or the one on this machine's loopback.
func redisOptions(t testing.TB) *redis.Options {
	t.Helper()
	given := os.Getenv("MSPKIT_TEST_REDIS")
	o := &redis.Options{Addr: given}
	switch {
	case given == "":
		o.Addr = "127.0.0.1:6379"
	case strings.Contains(given, "://"):
		var err error
		o, err = redis.ParseURL(given)
		require.NoError(t, err)
	}
	c := redis.NewClient(o)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.Ping(ctx).Err(); err != nil {
		require.Empty(t, given, "MSPKIT_TEST_REDIS does not answer: %v", err)
		t.Skip("mspkit-needs: a Redis on 127.0.0.1:6379, or MSPKIT_TEST_REDIS")
	}
	return o
}

// keyspace is a prefix of its own on a server or cluster, whose keys are deleted after the test.
type keyspace struct {
	prefix string
	client func() redis.UniversalClient
}

// redisKeys returns one on the shared Redis.
func redisKeys(t testing.TB) keyspace {
	t.Helper()
	o := redisOptions(t)
	return newKeyspace(t, func() redis.UniversalClient {
		own := *o
		own.PoolSize = 16
		return redis.NewClient(&own)
	})
}

func newKeyspace(t testing.TB, client func() redis.UniversalClient) keyspace {
	t.Helper()
	k := keyspace{"test-" + strings.ToLower(rand.Text())[:16], client}
	t.Cleanup(func() {
		c := client()
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, key := range k.keys(ctx, c) {
			_ = c.Unlink(ctx, key).Err()
		}
	})
	return k
}

// keys returns the names of all keys, also of those that are new while it looks.
func (k keyspace) keys(ctx context.Context, c redis.UniversalClient) []string {
	var out []string
	var mu sync.Mutex // a cluster's masters are asked at once
	collect := func(ctx context.Context, c *redis.Client) error {
		for _, pattern := range []string{"{" + k.prefix + ":*", k.prefix + ":*"} {
			all := c.Scan(ctx, 0, pattern, 1000).Iterator()
			for all.Next(ctx) {
				mu.Lock()
				out = append(out, all.Val())
				mu.Unlock()
			}
			if err := all.Err(); err != nil {
				return err
			}
		}
		return nil
	}
	if cluster, ok := c.(*redis.ClusterClient); ok {
		_ = cluster.ForEachMaster(ctx, collect)
		return out
	}
	_ = collect(ctx, c.(*redis.Client))
	return out
}

// dump returns every name and value.
func (k keyspace) dump(t testing.TB) string {
	t.Helper()
	c := k.connect(t)
	var out strings.Builder
	for _, key := range k.keys(t.Context(), c) {
		out.WriteString(key + "\n")
		if text, err := c.Get(t.Context(), key).Result(); err == nil {
			out.WriteString(text + "\n")
		}
		if fields, err := c.HGetAll(t.Context(), key).Result(); err == nil {
			for name, value := range fields {
				out.WriteString(name + "=" + value + "\n")
			}
		}
		if members, err := c.ZRange(t.Context(), key, 0, -1).Result(); err == nil {
			out.WriteString(strings.Join(members, "\n") + "\n")
		}
	}
	return out.String()
}

// connect returns a client that is closed after the test.
func (k keyspace) connect(t testing.TB) redis.UniversalClient {
	t.Helper()
	c := k.client()
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// options accept whatever server it is: what it keeps is not what these tests are about.
func (k keyspace) options(shards int) *redisstore.Options {
	return &redisstore.Options{Prefix: k.prefix, Shards: shards, AcceptLostWrites: true}
}

// open opens an instance with connections of its own, as another process has.
func (k keyspace) open(t testing.TB) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(context.Background(), k.connect(t), k.options(8))
	require.NoError(t, err)
	return s
}

func TestVerifyStoreOnRedis(t *testing.T) {
	t.Parallel()
	verifytest.TestStore(t, func(t *testing.T) func() verify.Store {
		t.Helper()
		k := redisKeys(t)
		return func() verify.Store { return k.open(t) }
	})
}

func TestVerifyFactorStoreOnRedis(t *testing.T) {
	t.Parallel()
	verifytest.TestFactorStore(t, func(t *testing.T) func() verify.FactorStore {
		t.Helper()
		k := redisKeys(t)
		return func() verify.FactorStore { return k.open(t) }
	})
}
