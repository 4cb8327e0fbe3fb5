package stores_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

func TestAServerThatStopsBetweenCountAndCompareConfirmsNothing(t *testing.T) {
	t.Parallel()
	server, d := ownPostgres(t)
	store, ring := openVerify(t, d), newRing(t)

	t.Run("and stays away", func(t *testing.T) { //nolint:paralleltest // one server
		desk := newDesk(t, between{store, func() error { server.Stop(); return nil }}, ring)
		right := desk.begin(t, "dana")
		res, err := desk.Check(t.Context(), right)
		require.ErrorContains(t, err, "sqlstore: finish: ")
		require.Empty(t, res)
		_, err = desk.Start(t.Context(), codeRequest("erin"))
		require.ErrorContains(t, err, "sqlstore: begin: ")
		server.Start()
		requireCounted(t, store, ring, right)
	})
	t.Run("and comes back", func(t *testing.T) { //nolint:paralleltest // one server
		desk := newDesk(t, between{store, func() error { server.Stop(); server.Start(); return nil }}, ring)
		right := desk.begin(t, "kim")
		res, err := desk.Check(t.Context(), right)
		if err != nil { // on a connection that the driver took for a live one
			require.Empty(t, res)
			requireCounted(t, store, ring, right)
			return
		}
		require.Equal(t, verify.StateConfirmed, res.State)
		r, _, err := store.Get(t.Context(), verify.Ref{Tenant: right.Tenant, ID: right.ID})
		require.NoError(t, err)
		require.Equal(t, []any{verify.StateConfirmed, 1}, []any{r.State, r.Tries})
	})
}

func TestDeadlocksAreRunAgainAndCountOnce(t *testing.T) {
	t.Parallel()
	_, d := ownPostgres(t, "deadlock_timeout=20ms")
	stores := []verify.Store{openVerify(t, d), openVerify(t, d)}
	now := time.Now()
	const limits = 5
	var many, turned []verify.Limit // the same global counters, in opposite orders
	for i := range limits {
		l := verify.Limit{Name: "l", Key: fmt.Sprint("destination/x/", i), Max: 1_000_000, Window: time.Hour, Global: true}
		many, turned = append(many, l), append([]verify.Limit{l}, turned...)
	}
	begun := 0
	db := d.open(t)
	deadlocks := func() (n int) {
		require.NoError(t, db.QueryRowContext(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = 'test'`).Scan(&n))
		return n
	}
	const racers = 6 // more would be in each other's way more often than a verb is run again
	for rounds := 0; deadlocks() == 0 && rounds < 1000; rounds++ {
		var wg sync.WaitGroup
		begin := func(st verify.Store, i int) {
			n := simple(fmt.Sprint(rounds, "-", i), now)
			n.Record.Tenant = mspkit.TenantID(fmt.Sprint("tenant-", i)) // no lock of a tenant keeps them apart
			order := many
			if i/2%2 == 0 {
				order = turned
			}
			if _, _, err := st.Begin(t.Context(), n, order, now); err != nil {
				t.Error(err)
			}
		}
		for i := range racers {
			wg.Go(func() { begin(stores[i%len(stores)], i) })
		}
		wg.Wait()
		begun += racers
	}
	require.Positive(t, deadlocks(), "there was nothing to run again")
	for _, counted := range column(t, db, `SELECT counted::text FROM verify.mspkit_verify_limits`) {
		require.Equal(t, strconv.Itoa(begun), counted)
	}
	require.Equal(t, []string{strconv.Itoa(begun)}, column(t, db, `SELECT COUNT(*)::text FROM verify.mspkit_verify_events`))
}

func TestAGlobalLimitHoldsBetweenTenants(t *testing.T) {
	t.Parallel()
	d := verifySchema(t)
	stores := []verify.Store{openVerify(t, d), openVerify(t, d)}
	now := time.Now()
	limits := []verify.Limit{
		{Name: "wide", Key: "destination/x/wide", Max: 1000, Window: time.Hour, Global: true},
		{Name: "tight", Key: "destination/x/tight", Max: 7, Window: time.Hour, Global: true},
	}
	var passed atomic.Int64
	race.On(stores, func(st verify.Store, i int) {
		n := simple("c", now)
		n.Record.Tenant = mspkit.TenantID(fmt.Sprint("tenant-", i))
		_, _, err := st.Begin(t.Context(), n, limits, now)
		var limited *verify.LimitError
		switch {
		case err == nil:
			passed.Add(1)
		case !errors.As(err, &limited) || limited.Limit != "tight":
			t.Error(err)
		}
	})
	require.Equal(t, int64(7), passed.Load())
	require.Equal(t, []string{"7", "7"}, column(t, d.open(t), `SELECT counted::text FROM mspkit_verify_limits`), "who was refused counted nothing")
}

func TestOneConnectionServesManyClientsAndTheirDeadlinesHold(t *testing.T) {
	t.Parallel()
	d, ring := verifySchema(t), newRing(t)
	db := d.open(t)
	db.SetMaxOpenConns(1)
	store, err := sqlstore.New(db, d.dialect, &sqlstore.Options{Schema: d.schema})
	require.NoError(t, err)
	race.On([]*sqlstore.Store{store}, func(st *sqlstore.Store, i int) {
		desk := newDesk(t, st, ring)
		right := desk.begin(t, fmt.Sprint("subject-", i))
		res, err := desk.Check(t.Context(), right)
		if err != nil || res.State != verify.StateConfirmed {
			t.Error(res.State, err)
		}
	})
	desk := newDesk(t, store, ring)
	right := desk.begin(t, "dana")
	conn, err := db.Conn(t.Context()) // somebody else of the host has it
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	res, err := desk.Check(ctx, right)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, res)
	require.NoError(t, conn.Close())

	// One who waits for the lock of the tenant leaves with the deadline too, and the connection is not lost.
	holder, err := d.open(t).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = holder.ExecContext(t.Context(), `LOCK TABLE mspkit_verify_challenges`)
	require.NoError(t, err)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = desk.Check(ctx, right)
	require.Error(t, err)
	require.NoError(t, holder.Rollback())
	requirePending(t, store, right)
	res, err = desk.Check(t.Context(), right)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
}

// requirePending checks that nothing was confirmed, whether or not the try was counted.
func requirePending(t *testing.T, store verify.Store, right verify.CheckRequest) {
	t.Helper()
	r, sub, err := store.Get(t.Context(), verify.Ref{Tenant: right.Tenant, ID: right.ID})
	require.NoError(t, err)
	require.Equal(t, verify.StatePending, r.State)
	require.Equal(t, r.Tries, sub.Failures)
}

func TestTwoThousandExpireAtOnceOnTwoInstances(t *testing.T) {
	t.Parallel()
	const challenges = 2000
	d := verifySchema(t)
	ring := newRing(t)
	stores := []verify.Store{openVerify(t, d), openVerify(t, d)}
	now := time.Now()
	race.On(stores, func(st verify.Store, i int) {
		for k := i; k < challenges; k += race.Goroutines {
			n := simple(strconv.Itoa(k), now)
			n.Record.Tenant = mspkit.TenantID(fmt.Sprint("tenant-", k%20))
			if _, _, err := st.Begin(t.Context(), n, nil, now); err != nil {
				t.Error(err)
			}
		}
	})
	// The clocks of the two are a minute apart.
	var events sync.Map
	var kinds atomic.Int64
	var services []*verify.Service
	for i, st := range stores {
		svc, err := verify.New(st, ring, "https://help.example/verify", verify.Same(verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}), &verify.Options{
			Now: func() time.Time { return now.Add(2*time.Hour + time.Duration(i)*time.Minute) },
			Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
				if e.Kind == verify.EventExpired {
					if was, repeated := events.LoadOrStore(e.Challenge, e.ID); repeated && was != e.ID {
						t.Errorf("challenge %s expired twice", e.Challenge)
					} else if !repeated {
						kinds.Add(1)
					}
				}
				return nil
			}),
		})
		require.NoError(t, err)
		services = append(services, svc)
	}
	var wg sync.WaitGroup
	for _, svc := range services {
		wg.Go(func() {
			if err := svc.RunOnce(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, services[0].RunOnce(t.Context()))
	require.Equal(t, int64(challenges), kinds.Load())
	require.Equal(t, []string{strconv.Itoa(challenges)}, column(t, d.open(t), `SELECT COUNT(*)::text FROM mspkit_verify_events WHERE kind = 'expired'`))
}

func TestClocksAMinuteApartConfirmOnceAndNeverAfterExpiry(t *testing.T) {
	t.Parallel()
	d, ring := verifySchema(t), newRing(t)
	behind := newDesk(t, openVerify(t, d), ring)
	ahead, err := verify.New(openVerify(t, d), ring, "https://help.example/verify", verify.Same(verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}),
		&verify.Options{Now: func() time.Time { return time.Now().Add(time.Minute) }, Channels: map[string]verify.Channel{"email": behind.sent}})
	require.NoError(t, err)

	right := behind.begin(t, "dana")
	res, err := ahead.Check(t.Context(), right)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
	expect := verify.Expect{Tenant: "contoso", Subject: "dana", Action: verify.ActionIdentify, Technician: jane.ID}
	require.NoError(t, behind.Redeem(t.Context(), res.Proof, expect, "job"))
	require.ErrorIs(t, ahead.Redeem(t.Context(), res.Proof, expect, "thief"), verify.ErrRedeemed)

	store := openVerify(t, d)
	right = behind.begin(t, "erin")
	n, err := store.Expire(t.Context(), time.Now().Add(24*time.Hour), 10) // by the one whose clock is ahead
	require.NoError(t, err)
	require.Equal(t, 1, n)
	res, err = behind.Check(t.Context(), right)
	require.NoError(t, err)
	require.Equal(t, verify.StateExpired, res.State)
	require.Empty(t, res.Proof.Reveal())
}
