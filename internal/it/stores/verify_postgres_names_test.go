package stores_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

// Instances whose options name the same tables in different ways do not have the same lock: that must cost time and no double.
func TestInstancesThatNameTheSameTablesDifferentlyRedeemAndConfirmOnceOnPostgres(t *testing.T) {
	t.Parallel()
	d := verifySchema(t)
	var stores []verify.Store
	for _, o := range []*sqlstore.Options{{Schema: d.schema}, nil} { // the connections' search path leads there too
		db := d.open(t)
		db.SetMaxOpenConns(8)
		store, err := sqlstore.New(db, d.dialect, o)
		require.NoError(t, err)
		stores = append(stores, store)
	}
	ctx, now := t.Context(), time.Now()
	for i := range 20 {
		n := newRecord(now, fmt.Sprint("one-", i))
		n.Record.MaxTries = 3
		r, _, err := stores[0].Begin(ctx, n, nil, now)
		require.NoError(t, err)
		var macs, confirms, redeems atomic.Int32
		race.On(stores, func(st verify.Store, i int) {
			got, _, err := st.Attempt(ctx, r.Ref, try(), now)
			if err == nil && len(got.MAC) > 0 {
				macs.Add(1)
			}
			if _, err := st.Finish(ctx, r.Ref, r.Version, confirmed(now), now); err == nil {
				confirms.Add(1)
			} else if !errors.Is(err, verify.ErrNotPending) && !errors.Is(err, verify.ErrConflict) {
				t.Error(err)
			}
			switch _, err := st.Redeem(ctx, r.Ref, fmt.Sprint("job-", i), stamp(verify.EventRedeemed), now); {
			case err == nil:
				redeems.Add(1)
			case !errors.Is(err, verify.ErrRedeemed):
				t.Error(err)
			}
		})
		require.LessOrEqual(t, macs.Load(), int32(3))
		require.Equal(t, []int32{1, 1}, []int32{confirms.Load(), redeems.Load()}, "confirmed and redeemed")
	}
}
