package stores_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/verify"
)

// redeems is how many of them race: 20,000, with MSPKIT_SOAK=1 a million.
func redeems() int {
	if os.Getenv("MSPKIT_SOAK") != "" {
		return 1_000_000
	}
	return 20_000
}

// raceRedeems lets n redeems race over the instances of one storage: 64 for each proof, each by somebody else. Of each proof one
// may win, and one event is stored. Proofs of several tenants race at once.
func raceRedeems(t *testing.T, stores []verify.Store, n int) {
	t.Helper()
	const atOnce = 8 // proofs
	proofs := (n + race.Goroutines - 1) / race.Goroutines
	now := time.Now()
	var next, won, doubles, calls atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for !t.Failed() {
				i := next.Add(1)
				if i > int64(proofs) {
					return
				}
				c := newRecord(now, fmt.Sprint("challenge-", i))
				c.Record.Tenant = mspkit.TenantID(fmt.Sprint("tenant-", i%16))
				r, err := confirmNew(t.Context(), stores[0], c, now)
				if err != nil {
					t.Errorf("challenge %d: %v", i, err)
					return
				}
				var winners atomic.Int64
				var winner atomic.Value
				race.On(stores, func(s verify.Store, k int) {
					by := fmt.Sprint("job-", k)
					calls.Add(1)
					switch _, err := s.Redeem(context.Background(), r.Ref, by, stamp(verify.EventRedeemed), now); {
					case err == nil:
						winners.Add(1)
						winner.Store(by)
					case !errors.Is(err, verify.ErrRedeemed):
						t.Errorf("challenge %d: %v", i, err)
					}
				})
				if winners.Load() != 1 {
					doubles.Add(1)
					t.Errorf("the proof of challenge %d was redeemed %d times", i, winners.Load())
					return
				}
				stored, _, err := stores[1%len(stores)].Get(t.Context(), r.Ref)
				if err != nil || stored.RedeemedBy != winner.Load() {
					t.Errorf("challenge %d was redeemed by %v, %q is stored: %v", i, winner.Load(), stored.RedeemedBy, err)
				}
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.False(t, t.Failed())
	require.Equal(t, int64(proofs), won.Load())
	require.GreaterOrEqual(t, calls.Load(), int64(n))
	events := map[string]int{}
	for {
		es, err := stores[0].Events(t.Context(), verify.EventQuery{Limit: 1000})
		require.NoError(t, err)
		if len(es) == 0 {
			break
		}
		ids := make([]string, len(es))
		for i, e := range es {
			ids[i] = e.ID
			if e.Kind == verify.EventRedeemed {
				events[string(e.Tenant)+"/"+e.Challenge]++
			}
		}
		require.NoError(t, stores[0].Ack(t.Context(), ids))
	}
	require.Len(t, events, proofs)
	for id, n := range events {
		require.Equal(t, 1, n, "events of %s", id)
	}
	t.Logf("%d redeems of %d proofs over %d instances, %d doubles", calls.Load(), proofs, len(stores), doubles.Load())
}

func TestAMillionRedeemsRaceOnRedisWithoutADouble(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	raceRedeems(t, []verify.Store{k.open(t), k.open(t)}, redeems())
}
