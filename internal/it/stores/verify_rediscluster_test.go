package stores_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/it/redisproc"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/verifytest"
)

func clusterKeys(t testing.TB, c *redisproc.Cluster) keyspace {
	t.Helper()
	return newKeyspace(t, func() redis.UniversalClient { return c.Client() })
}

func TestVerifyStoreOnARedisCluster(t *testing.T) {
	t.Parallel()
	cluster := redisproc.StartCluster(t)
	t.Run("Store", func(t *testing.T) {
		t.Parallel()
		verifytest.TestStore(t, func(t *testing.T) func() verify.Store {
			t.Helper()
			k := clusterKeys(t, cluster)
			return func() verify.Store { return k.open(t) }
		})
	})
	t.Run("FactorStore", func(t *testing.T) {
		t.Parallel()
		verifytest.TestFactorStore(t, func(t *testing.T) func() verify.FactorStore {
			t.Helper()
			k := clusterKeys(t, cluster)
			return func() verify.FactorStore { return k.open(t) }
		})
	})
}

// While the slot of a shard moves from one machine to another, verbs are redirected and none is lost or done twice.
func TestAShardMovesToAnotherMachineWhileVerbsGoOn(t *testing.T) {
	t.Parallel()
	cluster := redisproc.StartCluster(t)
	k := clusterKeys(t, cluster)
	store := k.open(t)
	ctx, now := t.Context(), time.Now()
	key := shardKeyOf(t, k, "contoso")
	done := map[string]bool{}
	n := 0
	verbs := func(step string) {
		n++
		r := confirmedRecord(t, store, now, fmt.Sprint("challenge-", n))
		_, err := store.Redeem(ctx, r.Ref, "a", stamp(verify.EventRedeemed), now)
		require.NoError(t, err, step)
		_, err = store.Redeem(ctx, r.Ref, "b", stamp(verify.EventRedeemed), now)
		require.ErrorIs(t, err, verify.ErrRedeemed, step)
		done[r.ID] = true
	}
	verbs("before")
	for range 2 {
		cluster.Move(t, key, verbs)
	}
	// Also with many at once.
	var wg sync.WaitGroup
	var stop atomic.Bool
	var count atomic.Int32
	for i := range 4 {
		wg.Go(func() {
			for k := 0; !stop.Load(); k++ {
				r, err := tryConfirmed(ctx, store, now, fmt.Sprintf("racer-%d-%d", i, k))
				if err != nil || r.State != verify.StateConfirmed {
					t.Errorf("%+v, %v", r.State, err)
					return
				}
				count.Add(1)
			}
		})
	}
	for range 3 {
		cluster.Move(t, key, func(string) { time.Sleep(50 * time.Millisecond) })
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d challenges while the slot moved three times", count.Load())
	require.NotZero(t, count.Load())
	for _, kind := range []string{"errorstat_MOVED", "errorstat_ASK"} {
		require.True(t, slices.ContainsFunc(cluster.Nodes, func(n *redisproc.Server) bool {
			c := n.Client()
			defer c.Close()
			return strings.Contains(c.Info(ctx, "errorstats").Val(), kind)
		}), "no redirection was needed: %s", kind)
	}
	es, err := store.Events(ctx, verify.EventQuery{Limit: 1_000_000})
	require.NoError(t, err)
	kinds := map[string]string{}
	for _, e := range es {
		kinds[e.Challenge] += string(e.Kind) + " "
	}
	require.Len(t, kinds, int(count.Load())+len(done))
	for id, got := range kinds {
		want := "started attempted confirmed "
		if done[id] {
			want += "redeemed "
		}
		require.Equal(t, want, got, id)
	}
}

// shardKeyOf returns the name of a key of the shard of a tenant.
func shardKeyOf(t *testing.T, k keyspace, tenant mspkit.TenantID) string {
	t.Helper()
	c := k.connect(t)
	has := func() map[string]bool {
		out := map[string]bool{}
		for _, key := range k.keys(t.Context(), c) {
			out[key] = true
		}
		return out
	}
	before := has()
	store := k.open(t)
	require.NoError(t, store.ChangeSubject(t.Context(), tenant, "somebody", verify.SubjectChange{Unlock: true, Stamp: stamp(verify.EventUnlocked)}, time.Now()))
	es, err := store.Events(t.Context(), verify.EventQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, es, 1)
	require.NoError(t, store.Ack(t.Context(), []string{es[0].ID}))
	for key := range has() {
		if !before[key] && key[0] == '{' {
			return key
		}
	}
	t.Fatal("the shard has no key")
	return ""
}
