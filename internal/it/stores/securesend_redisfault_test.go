package stores_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/redisproc"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/redisstore"
	"github.com/mspkit/mspkit/securesend/securesendtest"
)

func TestSecretStoreOnARedisCluster(t *testing.T) {
	t.Parallel()
	cluster := redisproc.StartCluster(t)
	securesendtest.TestStore(t, func(t *testing.T) func() securesend.SecretStore {
		t.Helper()
		k := clusterKeys(t, cluster)
		return func() securesend.SecretStore { return k.openSends(t) }
	})
}

func TestNothingOfAnEndedSendIsLeftInRedis(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	securesendtest.TestDump(t, func() securesend.SecretStore { return k.openSends(t) }, func() []byte { return []byte(k.dump(t)) })
}

// When everything is deleted, all that is left is what keeps the keys of a shard, and how many events each tenant had.
func TestAnEmptyStoreIsEmptyOnRedis(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	s := k.openSends(t)
	ctx, now := t.Context(), time.Now()
	for i := range 20 {
		r, take := benchSend(int64(i), now)
		r.Blobs = i%2 == 0
		require.NoError(t, s.Put(ctx, r, sendStamp(securesend.EventCreated), now))
		take.Stamp = sendStamp(securesend.EventRevealed)
		_, err := s.Take(ctx, r.Ref, take, now)
		require.NoError(t, err)
		if i%3 == 0 {
			_, err = s.Ack(ctx, r.Ref, take.Claim, take.Auth, sendStamp(securesend.EventAcknowledged), now)
			require.NoError(t, err)
		}
		require.NoError(t, s.Count(ctx, []securesend.Limit{{Name: "l", Key: fmt.Sprint("tenant/", i), Max: 9, Window: time.Hour}}, now))
	}
	later := now.Add(48 * time.Hour)
	n, err := s.Expire(ctx, later, 100)
	require.NoError(t, err)
	require.Equal(t, 13, n)
	dead, err := s.Dead(ctx, []string{"europe"}, 100)
	require.NoError(t, err)
	require.Len(t, dead, 10)
	for _, d := range dead {
		require.NoError(t, s.Forget(ctx, d.Ref))
	}
	n, err = s.DeleteExpired(ctx, later.Add(time.Second), later, 100)
	require.NoError(t, err)
	require.Equal(t, 40, n)
	es, err := s.Events(ctx, securesend.EventQuery{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, es, 60)
	var ids []string
	for _, e := range es {
		ids = append(ids, e.ID)
	}
	require.NoError(t, s.AckEvents(ctx, ids))

	c := k.connect(t)
	for _, key := range k.keys(ctx, c) {
		switch {
		case strings.HasSuffix(key, ":h"):
			fields, err := c.HKeys(ctx, key).Result()
			require.NoError(t, err)
			for _, f := range fields {
				require.Regexp(t, "^u9:tenant-[0-9]{2}:$", f)
			}
		case strings.HasSuffix(key, ":x"):
			members, err := c.ZRange(ctx, key, 0, -1).Result()
			require.NoError(t, err)
			require.Equal(t, []string{"~"}, members)
		default:
			require.Equal(t, k.prefix+":send:shards", key)
		}
	}
}

func TestAServerThatForgetsItsScriptsIsSentThoseOfSendsAgain(t *testing.T) {
	t.Parallel()
	server, k := ownRedis(t)
	s := k.openSends(t)
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
	x := &sendBench{store: s, client: k.connect(t)}
	for range 100 {
		require.NoError(t, x.ours(t.Context()))
	}
	es, err := s.Events(t.Context(), securesend.EventQuery{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, es, 300)
	stop.Store(true)
	wg.Wait()
	require.NotZero(t, flushes)
}

func TestServersThatCouldBringASendBackAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing is kept":    {nil, ""},
		"everything is kept": {[]string{"--appendonly", "yes", "--appendfsync", "always"}, ""},
		"once a second":      {[]string{"--appendonly", "yes", "--appendfsync", "everysec"}, "appendfsync is everysec"},
		"snapshots":          {[]string{"--save", "3600 1"}, `save is "3600 1"`},
		"eviction":           {[]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, "maxmemory-policy is allkeys-lru"},
		"a managed server":   {[]string{"--rename-command", "CONFIG", ""}, "the settings cannot be read (ERR unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redisproc.Start(t, c.args...)
			client := server.Client()
			defer client.Close()
			_, err := redisstore.New(t.Context(), client, nil)
			var log bytes.Buffer
			_, accepted := redisstore.New(t.Context(), client, &redisstore.Options{AcceptLostWrites: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			require.NoError(t, accepted)
			if c.want == "" {
				require.NoError(t, err)
				require.Empty(t, log.String())
				return
			}
			require.ErrorIs(t, err, redisstore.ErrUnsafe)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "AcceptLostWrites")
			require.Contains(t, log.String(), "what was burnt may be opened again")
		})
	}
}

func TestAllInstancesOfSendsHaveTheSameShards(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	k.openSends(t)
	_, err := redisstore.New(context.Background(), k.connect(t), k.sendOptions(0))
	require.ErrorIs(t, err, redisstore.ErrShards)
	k.open(t) // a store of another package under the same prefix has shards of its own
	k.openSends(t)
}

func TestTheRightsThatSendsNeedAreThoseOfTheDocumentation(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../securesend/redisstore/doc.go")
	require.NoError(t, err)
	_, rights, found := strings.Cut(string(doc), "The user of the client needs\n//\n//\t")
	require.True(t, found)
	rights, _, _ = strings.Cut(rights, "\n")
	server := redisproc.Start(t, strings.Fields("--user desk on >secret "+rights)...)
	admin := server.Client()
	defer admin.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Username: "desk", Password: "secret"})
	defer client.Close()
	store, err := redisstore.New(t.Context(), client, nil)
	require.NoError(t, err)
	x := &sendBench{store: store, client: client}
	require.NoError(t, x.ours(t.Context()))
	es, err := store.Events(t.Context(), securesend.EventQuery{Limit: 10})
	require.NoError(t, err)
	require.NoError(t, store.AckEvents(t.Context(), []string{es[0].ID}))
	_, err = store.Expire(t.Context(), time.Now(), 10)
	require.NoError(t, err)
	log, err := admin.ACLLog(t.Context(), 100).Result()
	require.NoError(t, err)
	for _, l := range log {
		require.Contains(t, []string{"client|setinfo", "client|maint_notifications", "client"}, l.Object, "refused: %+v", l)
	}
}

// With appendonly and appendfsync always, what was acknowledged is there after a kill; what was burnt stays burnt.
func TestABurntSendStaysBurntWhenRedisIsKilled(t *testing.T) {
	t.Parallel()
	server := redisproc.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	k := keyspace{"test", func() redis.UniversalClient { return server.Client() }}
	ctx, now := t.Context(), time.Now()
	s, err := redisstore.New(ctx, k.connect(t), &redisstore.Options{Prefix: k.prefix, Shards: 8})
	require.NoError(t, err)
	var burnt, held []securesend.Record
	takes := map[string]securesend.Take{}
	for i := range 20 {
		r, take := benchSend(int64(i), now)
		r.Half = []byte("the half of " + r.ID)
		take.Stamp = sendStamp(securesend.EventRevealed)
		takes[r.ID] = take
		require.NoError(t, s.Put(ctx, r, sendStamp(securesend.EventCreated), now))
		_, err := s.Take(ctx, r.Ref, take, now)
		require.NoError(t, err)
		if i%2 == 0 {
			held = append(held, r)
			continue
		}
		_, err = s.Ack(ctx, r.Ref, take.Claim, take.Auth, sendStamp(securesend.EventAcknowledged), now)
		require.NoError(t, err)
		burnt = append(burnt, r)
	}
	server.Kill(t)
	server.Resume(t)
	for _, r := range burnt {
		_, err := s.Take(ctx, r.Ref, takes[r.ID], now)
		require.ErrorIs(t, err, securesend.ErrEnded)
		dump := k.dump(t)
		require.NotContains(t, dump, string(r.Half))
		for _, field := range []string{"m", "t"} { // not even empty
			require.NotContains(t, dump, fmt.Sprintf("%s%d:%s:%s=", field, len(r.Tenant), r.Tenant, r.ID))
		}
	}
	for _, r := range held {
		got, err := s.Take(ctx, r.Ref, takes[r.ID], now)
		require.NoError(t, err, "the same claim, within its lease")
		require.Equal(t, r.Half, got.Half)
		other := takes[r.ID]
		other.Claim = []byte("another")
		_, err = s.Take(ctx, r.Ref, other, now)
		require.ErrorIs(t, err, securesend.ErrOpening)
	}
	// As the documentation says: the file keeps what was deleted until it is rewritten.
	_, file := server.File(t, ".aof")
	require.True(t, bytes.Contains(file, burnt[0].Half))
	server.Rewrite(t)
	for _, suffix := range []string{".aof", ".rdb"} {
		_, file = server.File(t, suffix)
		require.False(t, bytes.Contains(file, burnt[0].Half), "%s", suffix)
	}
}

// While the slot of a shard moves from one machine to another, verbs are redirected and none is lost or done twice.
func TestAShardOfSendsMovesToAnotherMachineWhileVerbsGoOn(t *testing.T) {
	t.Parallel()
	cluster := redisproc.StartCluster(t)
	k := clusterKeys(t, cluster)
	s := k.openSends(t)
	ctx, now := t.Context(), time.Now()
	n := 0
	var ref securesend.Ref
	verbs := func(step string) {
		r, take := benchSend(1, now)
		ref = r.Ref
		require.NoError(t, s.Put(ctx, r, sendStamp(securesend.EventCreated), now), step)
		take.Stamp = sendStamp(securesend.EventRevealed)
		_, err := s.Take(ctx, r.Ref, take, now)
		require.NoError(t, err, step)
		other := take
		other.Claim = []byte("another")
		_, err = s.Take(ctx, r.Ref, other, now)
		require.ErrorIs(t, err, securesend.ErrOpening, step)
		_, err = s.Ack(ctx, r.Ref, take.Claim, take.Auth, sendStamp(securesend.EventAcknowledged), now)
		require.NoError(t, err, step)
		require.NoError(t, s.Count(ctx, []securesend.Limit{{Key: string(r.Tenant), Max: 1000, Window: time.Hour}}, now), step)
		n++
	}
	verbs("before")
	c := k.connect(t)
	key := ""
	for _, name := range k.keys(ctx, c) {
		if c.HExists(ctx, name, "r9:"+string(ref.Tenant)+":"+ref.ID).Val() {
			key = name
		}
	}
	require.NotEmpty(t, key)
	for range 2 {
		cluster.Move(t, key, verbs)
	}
	require.Greater(t, n, 4)
	es, err := s.Events(ctx, securesend.EventQuery{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, es, 3*n)
	for i, e := range es {
		require.Equal(t, int64(i+1), e.Seq)
	}
}

// A cluster of one machine, asked by a client that does not know that it is one.
func TestLimitsAreCountedOnAClusterBehindOneAddress(t *testing.T) {
	t.Parallel()
	server := redisproc.Start(t, "--cluster-enabled", "yes")
	client := server.Client()
	defer client.Close()
	ctx, now := t.Context(), time.Now()
	require.NoError(t, client.ClusterAddSlotsRange(ctx, 0, 16383).Err())
	require.Eventually(t, func() bool { return strings.Contains(client.ClusterInfo(ctx).Val(), "cluster_state:ok") }, 20*time.Second, 10*time.Millisecond)
	s, err := redisstore.New(ctx, client, nil)
	require.NoError(t, err)
	limits := []securesend.Limit{
		{Name: "one", Key: "one", Max: 2, Window: time.Hour}, {Name: "two", Key: "two", Max: 1, Window: time.Hour}, {Name: "three", Key: "three", Max: 3, Window: time.Hour},
	}
	require.NoError(t, s.Count(ctx, limits, now))
	var l *securesend.LimitError
	require.ErrorAs(t, s.Count(ctx, limits, now), &l)
	require.Equal(t, "two", l.Limit)
	require.NoError(t, s.Count(ctx, limits[:1], now), "what was refused was given back")
	require.ErrorAs(t, s.Count(ctx, limits, now), &l)
	require.Equal(t, "one", l.Limit, "the first that refuses is named")
	require.NoError(t, s.Count(ctx, limits[2:], now))
	require.NoError(t, s.Count(ctx, limits[2:], now))
	require.ErrorIs(t, s.Count(ctx, limits[2:], now), securesend.ErrLimited)
	x := &sendBench{store: s, client: client}
	require.NoError(t, x.ours(ctx))
}
