package redisx

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestATenantKeepsItsShard(t *testing.T) {
	t.Parallel()
	s := &Shards{keys: newKeys("p", 64)}
	require.Equal(t, []int{32, 38}, []int{s.Place("contoso"), s.Place("fabrikam")}, "what is stored would not be found any more")
	seen := map[int]bool{}
	for i := range 2000 {
		seen[s.Place(fmt.Sprint("tenant-", i))] = true
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
	s := &Shards{}
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
