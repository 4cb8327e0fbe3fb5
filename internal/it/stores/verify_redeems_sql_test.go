package stores_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// TestOfAllWhoRedeemOneDoes lets many race for each of many proofs over two instances: 20,000 redeems, with
// MSPKIT_SOAK=1 on PostgreSQL 250,000, with -short 2,000.
func TestOfAllWhoRedeemOneDoes(t *testing.T) {
	t.Parallel()
	const racers = 250
	eachVerifyDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		redeems := 20_000
		switch {
		case os.Getenv("MSPKIT_SOAK") != "" && d.driver == "pgx":
			redeems = 250_000
		case testing.Short():
			redeems = 2_000
		}
		ctx, now := t.Context(), time.Now()
		stores := []verify.Store{openVerify(t, d), openVerify(t, d)}
		begun := time.Now()
		for k := range redeems / racers {
			n := simple(fmt.Sprint("c-", k), now)
			n.Record.Tenant = mspkit.TenantID(fmt.Sprint("tenant-", k%50))
			ref := n.Record.Ref
			_, _, err := stores[0].Begin(ctx, n, nil, now)
			require.NoError(t, err)
			_, err = stores[0].Finish(ctx, ref, 1, verify.Outcome{
				State: verify.StateConfirmed, ProofUntil: now.Add(24 * time.Hour), Stamp: verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventConfirmed},
			}, now)
			require.NoError(t, err)
			var won atomic.Int64
			var wg sync.WaitGroup
			for i := range racers {
				wg.Go(func() {
					_, err := stores[i%2].Redeem(ctx, ref, fmt.Sprint("job-", i), verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventRedeemed}, now)
					if err == nil {
						won.Add(1)
					} else if !errors.Is(err, verify.ErrRedeemed) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, int64(1), won.Load(), "%v", ref)
		}
		t.Logf("%d redeems of %d proofs in %v", redeems, redeems/racers, time.Since(begun).Round(time.Second))
		table := "mspkit_verify_events"
		require.Equal(t, []string{strconv.Itoa(redeems / racers)}, column(t, d.open(t), `SELECT CAST(COUNT(*) AS text) FROM `+table+` WHERE kind = 'redeemed'`))
		require.Equal(t, []string{"0"}, column(t, d.open(t), `SELECT CAST(COUNT(*) AS text) FROM (SELECT 1 FROM `+table+` WHERE kind = 'redeemed' GROUP BY tenant, challenge HAVING COUNT(*) > 1) AS twice`))
	})
}
