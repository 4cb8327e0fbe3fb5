package redisstore

import (
	"fmt"
	"strconv"
	"testing"
	"time"

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

func TestATenantKeepsItsShard(t *testing.T) {
	t.Parallel()
	s := &Store{shards: newShards("p", 64)}
	require.Equal(t, []int{32, 38}, []int{s.place("contoso"), s.place("fabrikam")}, "what is stored would not be found any more")
	seen := map[int]bool{}
	for i := range 2000 {
		seen[s.place(mspkit.TenantID(fmt.Sprint("tenant-", i)))] = true
	}
	require.Len(t, seen, 64, "shards without tenants")
}

func TestSharesAreEvenAndNeverTooMany(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n    int
		has  []int
		want []int
	}{
		{10, []int{0, 0}, []int{0, 0}},
		{10, []int{3, 0, 2}, []int{3, 0, 2}},
		{10, []int{100, 100}, []int{5, 5}},
		{10, []int{100, 2, 0, 100}, []int{4, 2, 0, 4}},
		{2, []int{9, 9, 9}, []int{1, 1, 0}},
		{0, []int{9}, []int{0}},
		{-1, []int{9}, []int{0}},
		{7, []int{9, -1}, []int{7, 0}},
	} {
		require.Equal(t, c.want, share(c.n, c.has), "%d of %v", c.n, c.has)
	}
}

func TestEveryShardHasItsTurn(t *testing.T) {
	t.Parallel()
	s := &Store{}
	require.Equal(t, []int{3, 0, 9}, s.some([]int{3, 0, 9}))
	has := make([]int, 64)
	for i := range has {
		has[i] = i % 2 // 32 have something
	}
	seen := map[int]bool{}
	for range 8 {
		n := 0
		for i, h := range s.some(has) {
			if h > 0 {
				seen[i] = true
				n++
			}
		}
		require.Equal(t, few, n)
	}
	require.Len(t, seen, 32)
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

func TestEventsThatWereHandedOutAreFoundAgain(t *testing.T) {
	t.Parallel()
	var h handed
	h.note("a", 1)
	require.Equal(t, [][]string{{"b"}, {"a", "b"}}, h.take([]string{"a", "b"}, 2), "what is not known is looked for everywhere")
	require.Equal(t, [][]string{{"a"}, {"a"}}, h.take([]string{"a"}, 2))
	for i := range maxHanded + 1 {
		h.note(strconv.Itoa(i), 0)
	}
	require.LessOrEqual(t, len(h.shards), maxHanded)
}

func TestRoundedIsWhatAStoreGivesBack(t *testing.T) {
	t.Parallel()
	at := time.Now()
	got, err := decodeTime(encodeTime(at))
	require.NoError(t, err)
	require.Equal(t, rounded(at), got)
	require.True(t, rounded(time.Time{}).IsZero())
}
