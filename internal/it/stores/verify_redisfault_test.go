package stores_test

import (
	"context"
	"fmt"
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
	"github.com/mspkit/mspkit/verify/redisstore"
)

// ownRedis starts a server and returns a keyspace on it.
func ownRedis(t *testing.T, args ...string) (*redisproc.Server, keyspace) {
	t.Helper()
	server := redisproc.Start(t, args...)
	return server, keyspace{"test", func() redis.UniversalClient { return server.Client() }}
}

func TestAServerThatForgetsItsScriptsIsSentThemAgain(t *testing.T) {
	t.Parallel()
	server, k := ownRedis(t)
	store := k.open(t)
	flusher := server.Client()
	defer flusher.Close()
	var flushes int
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			_ = flusher.ScriptFlush(context.Background()).Err()
			flushes++
		}
	})
	now := time.Now()
	for i := range 100 {
		r := confirmedRecord(t, store, now, fmt.Sprint("challenge-", i))
		_, err := store.Redeem(t.Context(), r.Ref, "a", stamp(verify.EventRedeemed), now)
		require.NoError(t, err)
	}
	es, err := store.Events(t.Context(), verify.EventQuery{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, es, 400)
	stop.Store(true)
	wg.Wait()
	require.NotZero(t, flushes)
}

func TestAServerThatBecameAReplicaConfirmsNothingUntilItIsAMasterAgain(t *testing.T) {
	t.Parallel()
	server, k := ownRedis(t)
	other := redisproc.Start(t)
	admin := server.Client()
	defer admin.Close()
	ctx, ring := t.Context(), newRing(t)
	host, port, _ := strings.Cut(other.Addr, ":")
	store := k.open(t)
	desk := newDesk(t, between{store, func() error {
		require.NoError(t, admin.Do(ctx, "CONFIG", "SET", "replica-read-only", "yes").Err())
		// The other server is told to follow, so that nothing is lost, and this one to follow it.
		follower := other.Client()
		defer follower.Close()
		mine, myPort, _ := strings.Cut(server.Addr, ":")
		require.NoError(t, follower.Do(ctx, "REPLICAOF", mine, myPort).Err())
		require.Eventually(t, func() bool { return strings.Contains(follower.Info(ctx, "replication").Val(), "master_link_status:up") }, 20*time.Second, 20*time.Millisecond)
		require.NoError(t, follower.Do(ctx, "REPLICAOF", "NO", "ONE").Err())
		return admin.Do(ctx, "REPLICAOF", host, port).Err()
	}}, ring)
	right := desk.begin(t, "dana")
	res, err := desk.Check(ctx, right)
	require.ErrorContains(t, err, "READONLY")
	require.ErrorContains(t, err, "redisstore: finish: ")
	require.Empty(t, res)
	_, err = desk.Check(ctx, right)
	require.ErrorContains(t, err, "redisstore: attempt: ")
	_, err = desk.Start(ctx, codeRequest("erin"))
	require.ErrorContains(t, err, "READONLY")
	_, err = store.Expire(ctx, time.Now().Add(time.Hour), 10)
	require.ErrorContains(t, err, "READONLY")

	require.Eventually(t, func() bool { return strings.Contains(admin.Info(ctx, "replication").Val(), "master_link_status:up") }, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, admin.Do(ctx, "REPLICAOF", "NO", "ONE").Err())
	requireCounted(t, store, ring, right)
}

func TestAConnectionThatIsCutBetweenCountAndCompareConfirmsNothing(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	proxy, client := k.through(t)
	store, err := redisstore.New(t.Context(), client, k.options(8))
	require.NoError(t, err)
	ring := newRing(t)
	desk := newDesk(t, between{store, func() error {
		proxy.down.Store(true)
		proxy.cut()
		return nil
	}}, ring)
	right := desk.begin(t, "dana")
	res, err := desk.Check(t.Context(), right)
	require.ErrorContains(t, err, "redisstore: finish: ")
	require.Empty(t, res)
	requireCounted(t, k.open(t), ring, right)
}

func TestAClientWithoutAFreeConnectionConfirmsNothing(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	_, client := k.through(t, func(o *redis.Options) { o.PoolTimeout, o.MaxRetries = 50*time.Millisecond, -1 })
	store, err := redisstore.New(t.Context(), client, k.options(8))
	require.NoError(t, err)
	ring := newRing(t)
	desk := newDesk(t, store, ring)
	right := desk.begin(t, "dana")
	taken := client.Conn()
	require.NoError(t, taken.Ping(t.Context()).Err())
	_, err = desk.Check(t.Context(), right)
	require.ErrorIs(t, err, redis.ErrPoolTimeout)
	require.NoError(t, taken.Close())
	r, _, err := store.Get(t.Context(), verify.Ref{Tenant: right.Tenant, ID: right.ID})
	require.NoError(t, err)
	require.Zero(t, r.Tries, "nothing was compared, so nothing was counted")
	res, err := desk.Check(t.Context(), right)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
}

func TestTwoInstancesExpireTwoThousandChallengesOnce(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	stores := []*redisstore.Store{k.open(t), k.open(t)}
	const challenges = 2000
	now := time.Now()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for c := i; c < challenges; c += 8 {
				n := newRecord(now, fmt.Sprint("challenge-", c))
				n.Record.Tenant = mspkit.TenantID(fmt.Sprint("tenant-", c%50))
				if _, _, err := stores[0].Begin(context.Background(), n, nil, now); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	late := now.Add(6 * time.Minute)
	var total atomic.Int64
	for i := range 4 {
		wg.Go(func() {
			for {
				n, err := stores[i%2].Expire(context.Background(), late, 100)
				if err != nil {
					t.Error(err)
				}
				if total.Add(int64(n)); n == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, int64(challenges), total.Load())
	seen := map[string]string{}
	var acked int
	for {
		es, err := stores[1].Events(t.Context(), verify.EventQuery{Limit: 333})
		require.NoError(t, err)
		if len(es) == 0 {
			break
		}
		ids := make([]string, len(es))
		for i, e := range es {
			ids[i] = e.ID
			seen[e.Challenge] += string(e.Kind) + " "
		}
		acked += len(ids)
		require.NoError(t, stores[0].Ack(t.Context(), ids)) // another instance than handed them out
	}
	require.Equal(t, 2*challenges, acked)
	require.Len(t, seen, challenges)
	for id, kinds := range seen {
		require.Equal(t, "started expired ", kinds, id)
	}
	left, err := stores[0].DeleteExpired(t.Context(), late.Add(time.Hour), late.Add(time.Hour), late, 10*challenges)
	require.NoError(t, err)
	require.Equal(t, challenges, left)
}

func TestGlobalLimitsOnRedis(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	a, b := k.open(t), k.open(t)
	ctx, now := t.Context(), time.Now().Truncate(time.Microsecond)
	n := 0
	begin := func(s *redisstore.Store, now time.Time, limits ...verify.Limit) error {
		n++
		_, _, err := s.Begin(ctx, newRecord(now, fmt.Sprint("challenge-", n)), limits, now)
		return err
	}
	day := verify.Limit{Name: "day", Key: "to/dana/day", Max: 2, Window: time.Hour, Global: true, Refund: true}
	own := verify.Limit{Name: "own", Key: "own", Max: 1, Window: time.Hour}

	// What the tenant's limit refuses is given back, in the window in which it was counted only.
	require.NoError(t, begin(a, now, own))
	for range 3 {
		require.ErrorIs(t, begin(a, now, day, own), verify.ErrLimited)
	}
	require.NoError(t, begin(a, now, day))
	require.NoError(t, begin(b, now.Add(-time.Minute), day)) // a clock that is behind
	var limit *verify.LimitError
	require.ErrorAs(t, begin(b, now.Add(time.Minute), day), &limit) // and one that is ahead
	require.Equal(t, verify.LimitError{Limit: "day", RetryAfter: 59 * time.Minute}, *limit)

	// A confirmed challenge gives its count back with the next pass, once.
	r, _, err := a.Get(ctx, verify.Ref{Tenant: "contoso", ID: "challenge-5"})
	require.NoError(t, err)
	require.Equal(t, []string{day.Key}, r.Refund)
	_, err = a.Finish(ctx, r.Ref, r.Version, confirmed(now), now)
	require.NoError(t, err)
	require.ErrorIs(t, begin(a, now, day), verify.ErrLimited)
	for range 3 {
		for _, s := range []*redisstore.Store{a, b} {
			_, err = s.DeleteExpired(ctx, now.Add(-time.Hour), now.Add(-time.Hour), now, 100)
			require.NoError(t, err)
		}
	}
	require.NoError(t, begin(a, now, day))
	require.ErrorIs(t, begin(a, now, day), verify.ErrLimited)

	// One that is confirmed after its window leaves the next one alone.
	long := newRecord(now, "long")
	long.Record.ExpiresAt = now.Add(10 * time.Hour)
	short := day
	short.Key, short.Window = "to/erin/day", time.Minute
	held, _, err := a.Begin(ctx, long, []verify.Limit{short}, now)
	require.NoError(t, err)
	later := now.Add(2 * time.Minute)
	require.NoError(t, begin(a, later, short))
	require.NoError(t, begin(a, later, short))
	_, err = a.Finish(ctx, held.Ref, held.Version, confirmed(later), later)
	require.NoError(t, err)
	_, err = a.DeleteExpired(ctx, now.Add(-time.Hour), now.Add(-time.Hour), later, 100)
	require.NoError(t, err)
	require.ErrorIs(t, begin(a, later, short), verify.ErrLimited, "a count of the first window was given back in the second")

	// A known key wins over a limit that is reached, and a frozen subject too.
	again := newRecord(now, "again")
	again.Idempotency, again.Fingerprint = "key", "f"
	once := verify.Limit{Name: "once", Key: "to/kim/cooldown", Max: 1, Window: time.Hour, Global: true}
	_, _, err = a.Begin(ctx, again, []verify.Limit{once}, now)
	require.NoError(t, err)
	repeat := newRecord(now, "repeat")
	repeat.Idempotency, repeat.Fingerprint = "key", "f"
	got, existing, err := b.Begin(ctx, repeat, []verify.Limit{once}, now)
	require.NoError(t, err)
	require.True(t, existing)
	require.Equal(t, "again", got.ID)

	// Redis forgets them an hour after their end, and not before.
	c := k.connect(t)
	found := 0
	for _, key := range k.keys(ctx, c) {
		if strings.HasSuffix(key, ":c") {
			found++
			ttl, err := c.PTTL(ctx, key).Result()
			require.NoError(t, err)
			require.Greater(t, ttl, time.Hour)
			require.LessOrEqual(t, ttl, 2*time.Hour)
		}
	}
	require.Equal(t, 3, found)

	_, _, err = a.Begin(ctx, newRecord(now, "apart"), []verify.Limit{day, once}, now)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

// What is read in steps comes whole, and work that is more than a script may do is done in several.
func TestMoreThanOneScriptMayHandleOnRedis(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	client := k.connect(t)
	store, err := redisstore.New(t.Context(), client, k.options(1))
	require.NoError(t, err)
	ctx, now := t.Context(), time.Now()
	const each = 450
	for i := range 2 * each {
		n := newRecord(now.Add(time.Duration(i)*time.Millisecond), fmt.Sprintf("challenge-%04d", i))
		n.Record.Technician = []string{"jane", "joe", "kim"}[i%3]
		if i%2 == 1 {
			n.Record.Tenant = "fabrikam"
		}
		_, _, err := store.Begin(ctx, n, []verify.Limit{{Name: "l", Key: n.Record.ID, Max: 1, Window: time.Minute}}, now)
		require.NoError(t, err)
	}
	list := func(q verify.Query) []verify.Record {
		q.Tenant = "contoso"
		rs, err := store.List(ctx, q)
		require.NoError(t, err)
		for i := range rs[1:] {
			require.Greater(t, rs[i].ID, rs[i+1].ID, "not the newest first")
		}
		return rs
	}
	require.Len(t, list(verify.Query{}), each)
	require.Len(t, list(verify.Query{Limit: 401}), 401)
	require.Len(t, list(verify.Query{Limit: 400}), 400)
	require.Len(t, list(verify.Query{Technician: "joe"}), each/3)
	require.Len(t, list(verify.Query{Technician: "joe", OpenAt: now}), each/3)
	require.Len(t, list(verify.Query{OpenAt: now}), each)

	read := func(limit int, skip ...mspkit.TenantID) map[mspkit.TenantID]int {
		es, err := store.Events(ctx, verify.EventQuery{Limit: limit, Skip: skip})
		require.NoError(t, err)
		out, last := map[mspkit.TenantID]int{}, map[mspkit.TenantID]int64{}
		for _, e := range es {
			require.Greater(t, e.Seq, last[e.Tenant])
			last[e.Tenant] = e.Seq
			out[e.Tenant]++
		}
		return out
	}
	require.Equal(t, map[mspkit.TenantID]int{"contoso": each, "fabrikam": each}, read(10_000))
	require.Equal(t, map[mspkit.TenantID]int{"fabrikam": each}, read(10_000, "contoso"))
	require.Equal(t, map[mspkit.TenantID]int{"contoso": each, "fabrikam": 1}, read(each+1))

	tails, err := store.Unchained(ctx, 10_000)
	require.NoError(t, err)
	require.Len(t, tails, 2)
	for _, tail := range tails {
		require.Len(t, tail.Events, each)
		for i := range tail.Events {
			tail.Events[i].Link = verify.Link{N: int64(i + 1), Value: []byte{byte(i), 1}}
		}
		require.NoError(t, store.Chain(ctx, tail.Tenant, 0, tail.Events))
		e, err := store.Evidence(ctx, tail.Tenant, 0, 10_000)
		require.NoError(t, err)
		require.Equal(t, verify.Evidence{Head: tail.Events[each-1].Link, Events: tail.Events}, e)
		e, err = store.Evidence(ctx, tail.Tenant, 7, 201)
		require.NoError(t, err)
		require.Equal(t, tail.Events[7:208], e.Events)
	}
	es, err := store.Events(ctx, verify.EventQuery{Limit: 10_000})
	require.NoError(t, err)
	ids := make([]string, 0, len(es))
	for _, e := range es {
		ids = append(ids, e.ID)
	}
	require.NoError(t, store.Ack(ctx, ids))
	late := now.Add(24 * time.Hour)
	n, err := store.Expire(ctx, late, 10_000)
	require.NoError(t, err)
	require.Equal(t, 2*each, n)
	n, err = store.DeleteExpired(ctx, late.Add(time.Hour), late.Add(time.Hour), late, 300)
	require.NoError(t, err)
	require.Equal(t, 900, n, "300 of each")
	n, err = store.DeleteExpired(ctx, late.Add(time.Hour), late.Add(time.Hour), late, 10_000)
	require.NoError(t, err)
	require.Equal(t, 3*(2*each-300), n, "challenges, events, counters")

	// The rest is acknowledged, chained and deleted, and then nothing is left of all of it.
	es, err = store.Events(ctx, verify.EventQuery{Limit: 10_000})
	require.NoError(t, err)
	ids = ids[:0]
	for _, e := range es {
		ids = append(ids, e.ID)
	}
	require.NoError(t, store.Ack(ctx, ids))
	tails, err = store.Unchained(ctx, 10_000)
	require.NoError(t, err)
	for _, tail := range tails {
		for i := range tail.Events {
			tail.Events[i].Link = verify.Link{N: tail.Head.N + int64(i+1), Value: []byte{2}}
		}
		require.NoError(t, store.Chain(ctx, tail.Tenant, tail.Head.N, tail.Events))
	}
	_, err = store.DeleteExpired(ctx, late.Add(time.Hour), late.Add(time.Hour), late, 10_000)
	require.NoError(t, err)
	for _, key := range k.keys(ctx, client) {
		switch {
		case strings.HasSuffix(key, ":x"):
			members, err := client.ZRange(ctx, key, 0, -1).Result()
			require.NoError(t, err)
			require.Equal(t, []string{"~"}, members)
		case strings.HasSuffix(key, ":h"):
			fields, err := client.HKeys(ctx, key).Result()
			require.NoError(t, err)
			require.ElementsMatch(t, []string{"seq", "hcontoso", "hfabrikam"}, fields)
		}
	}
}
