package stores_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/redisstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// commandCount is a hook that counts commands and pipelines.
type commandCount struct{ n atomic.Int64 }

func (c *commandCount) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *commandCount) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c *commandCount) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmds)
	}
}

// unsent leaves out the step that stores the channel's receipt.
type unsent struct{ verify.Store }

func (unsent) Sent(context.Context, verify.Ref, string, verify.DeliveryStatus, verify.Stamp, time.Time) error {
	return nil
}

func TestAStartTakesTwoRoundTripsToRedisAndACheckTwo(t *testing.T) {
	t.Parallel()
	countTrips(t, false) // a server must be sent each script once
	countTrips(t, true)
}

func countTrips(t *testing.T, strict bool) {
	t.Helper()
	k := redisKeys(t)
	proxy, client := k.through(t)
	store, err := redisstore.New(t.Context(), client, k.options(0))
	require.NoError(t, err)
	ch := &verifytest.Channel{Level: verify.AssuranceTeams}
	svc, err := verify.New(unsent{store}, newRing(t), "https://help.example/verify", verify.Same(verify.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"}, Limits: verify.Limits{PerSubject: 2, Cooldown: -1},
	}), &verify.Options{Channels: map[string]verify.Channel{"email": ch}})
	require.NoError(t, err)
	desk := desk{svc, ch}
	var res verify.Result
	var commands commandCount
	client.AddHook(&commands)
	trips := func(what string, want int64, f func()) {
		t.Helper()
		proxy.trips.Store(0)
		commands.n.Store(0)
		f()
		if !strict {
			return
		}
		require.Equal(t, want, proxy.trips.Load(), "%s: round trips on the wire", what)
		require.Equal(t, want, commands.n.Load(), "%s: commands", what)
	}
	for range 2 {
		var right verify.CheckRequest
		trips("an accepted Start", 2, func() { right = desk.begin(t, "dana") })
		wrong := right
		wrong.Response = otherCode(right.Response)
		trips("a wrong Check", 1, func() { _, err = desk.Check(t.Context(), wrong) })
		require.NoError(t, err)
		trips("a right Check", 2, func() { res, err = desk.Check(t.Context(), right) })
		require.NoError(t, err)
		require.Equal(t, verify.StateConfirmed, res.State)
		trips("Redeem", 1, func() {
			_, err = store.Redeem(t.Context(), verify.Ref{Tenant: right.Tenant, ID: right.ID}, "job", stamp(verify.EventRedeemed), time.Now())
		})
		require.NoError(t, err)
	}
	trips("a Start that a limit of the tenant refuses", 3, func() { _, err = desk.Start(t.Context(), codeRequest("dana")) })
	require.ErrorIs(t, err, verify.ErrLimited)

	now := time.Now()
	trips("a refusal by a global limit", 2, func() {
		n := newRecord(now, "over")
		_, _, err = store.Begin(t.Context(), n, []verify.Limit{{Name: "g", Key: "g/none", Max: 0, Window: time.Hour, Global: true}}, now)
	})
	require.ErrorIs(t, err, verify.ErrLimited)
	es, err := store.Events(t.Context(), verify.EventQuery{Limit: 100})
	require.NoError(t, err)
	for _, e := range es {
		require.NoError(t, store.Ack(t.Context(), []string{e.ID}))
	}
	trips("a pass with nothing to do", 5, func() {
		_, err = store.Expire(t.Context(), now, 100)
		require.NoError(t, err)
		_, err = store.Events(t.Context(), verify.EventQuery{Limit: 100})
		require.NoError(t, err)
		_, err = store.Due(t.Context(), now, time.Minute, 100)
		require.NoError(t, err)
		_, err = store.DeleteExpired(t.Context(), now.Add(-time.Hour), now.Add(-time.Hour), now, 100)
		require.NoError(t, err)
		_, err = store.Unchained(t.Context(), 0)
		require.NoError(t, err)
	})
}

// otherCode returns a code that is not the given one.
func otherCode(code string) string {
	b := []byte(code)
	b[0] = '0' + (b[0]-'0'+1)%10
	return string(b)
}
