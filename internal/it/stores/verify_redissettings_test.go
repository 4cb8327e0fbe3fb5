package stores_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/redisproc"
	"github.com/mspkit/mspkit/verify/redisstore"
)

func TestServersThatCouldBringAProofBackAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing is kept":          {nil, ""},
		"everything is kept":       {[]string{"--appendonly", "yes", "--appendfsync", "always"}, ""},
		"once a second":            {[]string{"--appendonly", "yes", "--appendfsync", "everysec"}, "appendfsync is everysec"},
		"snapshots":                {[]string{"--save", "3600 1"}, `save is "3600 1"`},
		"eviction":                 {[]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, "maxmemory-policy is allkeys-lru"},
		"memory without eviction":  {[]string{"--maxmemory", "100mb", "--maxmemory-policy", "noeviction"}, ""},
		"eviction without a limit": {[]string{"--maxmemory-policy", "allkeys-lru"}, ""},
		"a managed server":         {[]string{"--rename-command", "CONFIG", ""}, "the settings cannot be read (ERR unknown command"},
		"a user who may not ask":   {strings.Fields("--user default on nopass ~* &* +@all -config"), "the settings cannot be read (NOPERM"},
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
			require.ErrorContains(t, err, server.Addr)
			require.Contains(t, log.String(), "may be redeemed again")
		})
	}
}

func TestOneUnsafeMasterOfAClusterIsEnough(t *testing.T) {
	t.Parallel()
	cluster := redisproc.StartCluster(t)
	client := cluster.Client()
	defer client.Close()
	_, err := redisstore.New(t.Context(), client, nil)
	require.NoError(t, err)
	node := cluster.Nodes[2].Client()
	defer node.Close()
	require.NoError(t, node.ConfigSet(t.Context(), "save", "60 1").Err())
	_, err = redisstore.New(t.Context(), client, nil)
	require.ErrorIs(t, err, redisstore.ErrUnsafe)
	require.ErrorContains(t, err, cluster.Nodes[2].Addr)
	require.NotContains(t, err.Error(), cluster.Nodes[0].Addr)
}

func TestTheRightsInTheDocumentationAreEnough(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../verify/redisstore/doc.go")
	require.NoError(t, err)
	_, rights, _ := strings.Cut(string(doc), "The user of the client needs\n//\n//\t")
	rights, _, _ = strings.Cut(rights, "\n")
	server := redisproc.Start(t, strings.Fields("--user desk on >secret "+rights)...)
	admin := server.Client()
	defer admin.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Username: "desk", Password: "secret"})
	defer client.Close()
	store, err := redisstore.New(t.Context(), client, nil)
	require.NoError(t, err)
	desk := newDesk(t, store, newRing(t))
	res, err := desk.Check(t.Context(), desk.begin(t, "dana"))
	require.NoError(t, err)
	require.NotEmpty(t, res.Proof.Reveal())
	require.NoError(t, desk.RunOnce(t.Context()))
	for _, err := range store.Watch(t.Context(), res.Ref) {
		require.NoError(t, err)
		break
	}
	log, err := admin.ACLLog(t.Context(), 100).Result()
	require.NoError(t, err)
	for _, l := range log {
		require.Contains(t, []string{"client|setinfo", "client|maint_notifications", "client"}, l.Object, "refused: %+v", l)
	}
}

func TestAllInstancesHaveTheSameShards(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	k.open(t)
	_, err := redisstore.New(context.Background(), k.connect(t), k.options(0))
	require.ErrorIs(t, err, redisstore.ErrShards)
	require.ErrorContains(t, err, "the number of shards is 64, the keys were made with 8")
	k.open(t)
}
