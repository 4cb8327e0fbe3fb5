package teamsapp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

func TestMemoryKeepsTheContractOfAStore(t *testing.T) {
	t.Parallel()
	teamstest.TestStore(t, func(*testing.T) (first, second teamsapp.Store) {
		m := teamsapp.NewMemory()
		return m, m
	})
}

func TestMemoryDoesNotGrowWhereNobodyDeletes(t *testing.T) {
	t.Parallel()
	m, now := teamsapp.NewMemory(), time.Unix(1_800_000_000, 0)
	const turns, perMinute = 20_000, 100
	for i := range turns {
		now = now.Add(time.Minute / perMinute)
		got, err := m.Claim(t.Context(), teamsapp.Claim{
			Owner: fmt.Sprint("owner", i),
			Keys:  []teamsapp.ClaimKey{{Key: fmt.Sprint("key", i), Until: now.Add(time.Minute)}},
		}, now)
		require.NoError(t, err)
		require.True(t, got.Mine)
	}
	left, err := m.DeleteExpired(t.Context(), now.Add(time.Hour), turns)
	require.NoError(t, err)
	require.Less(t, left, 1024+perMinute, "keys that are not remembered any more pile up")
	require.GreaterOrEqual(t, left, perMinute, "keys were dropped that are remembered")
}

func TestQueryCapsItsLimit(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{-1: 1000, 0: 1000, 1: 1, 1000: 1000, 1001: 1000} {
		require.Equal(t, want, teamsapp.Query{Limit: limit}.Capped(), limit)
	}
}

func TestClaimNeedsAnOwnerAndOneToFourKeys(t *testing.T) {
	t.Parallel()
	for n := range 7 {
		err := teamsapp.Claim{Owner: "o", Keys: make([]teamsapp.ClaimKey, n)}.Validate()
		if n >= 1 && n <= 4 {
			require.NoError(t, err, n)
		} else {
			require.ErrorIs(t, err, mspkit.ErrInvalid, n)
		}
	}
	require.ErrorIs(t, teamsapp.Claim{Keys: make([]teamsapp.ClaimKey, 1)}.Validate(), mspkit.ErrInvalid)
}
