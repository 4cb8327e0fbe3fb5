package stores_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/redisstore"
)

// noted is a hook that notes the arguments of commands.
type noted struct{ sent [][]any }

func (n *noted) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (n *noted) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if name := strings.ToLower(cmd.Name()); name == "evalsha" || name == "eval" {
			n.sent = append(n.sent, slices.Clone(cmd.Args()))
		}
		return next(ctx, cmd)
	}
}

func (n *noted) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// redisBench is a service whose limits count and never refuse.
type redisBench struct {
	svc *verify.Service
	ch  *codes
}

func newRedisBench(b *testing.B, store verify.Store, ring *mspkit.KeyRing) redisBench {
	b.Helper()
	ch := &codes{}
	svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(verify.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"}, Limits: verify.Limits{Cooldown: -1, PerDestination: 1_000_000, PerSubject: 1_000_000},
	}), &verify.Options{Channels: map[string]verify.Channel{"email": ch}})
	require.NoError(b, err)
	return redisBench{svc, ch}
}

// request is of one of many tenants and people, as they come.
func benchRequest(n int64) verify.StartRequest {
	r := codeRequest(fmt.Sprint("subject-", n%1000))
	r.Tenant = mspkit.TenantID(fmt.Sprintf("tenant-%02d", n%50))
	r.IdempotencyKey = fmt.Sprint("key-", n)
	return r
}

func (x redisBench) start(ctx context.Context, n int64) (verify.CheckRequest, error) {
	r := benchRequest(n)
	c, err := x.svc.Start(ctx, r)
	if err != nil {
		return verify.CheckRequest{}, err
	}
	code, _ := x.ch.m.LoadAndDelete(c.Ref.ID)
	return verify.CheckRequest{Tenant: c.Ref.Tenant, ID: c.Ref.ID, Technician: jane.ID, Response: code.(string)}, nil
}

func (x redisBench) check(ctx context.Context, r verify.CheckRequest) error {
	res, err := x.svc.Check(ctx, r)
	if err == nil && res.State != verify.StateConfirmed {
		err = fmt.Errorf("the state is %s", res.State)
	}
	return err
}

// bareRedis sends noted commands by the client with nothing in between, with ids of their own in place of the noted ones.
type bareRedis struct {
	client       redis.UniversalClient
	start, check [][]any
	ids          []string
}

// newBareRedis notes one Start and one Check in a keyspace of its own.
func newBareRedis(b *testing.B, k keyspace) *bareRedis {
	b.Helper()
	client := k.client().(*redis.Client)
	defer client.Close()
	store, err := redisstore.New(b.Context(), client, k.options(0))
	require.NoError(b, err)
	x := newRedisBench(b, store, newRing(b))
	for i := range int64(2) { // the first time the server does not know the scripts
		var n noted
		if i == 1 {
			client.AddHook(&n)
		}
		r, err := x.start(b.Context(), i)
		require.NoError(b, err)
		cut := len(n.sent)
		require.NoError(b, x.check(b.Context(), r))
		if i == 0 {
			continue
		}
		require.Equal(b, []int{3, 5}, []int{cut, len(n.sent)}, "Start with its receipt, and Check")
		out := &bareRedis{client: k.connect(b), start: n.sent[:cut], check: n.sent[cut:]}
		for _, args := range n.sent {
			for _, a := range args[2:] { // behind the name of the script
				if text, ok := a.(string); ok {
					out.ids = append(out.ids, randomText.FindAllString(text, -1)...)
				}
			}
		}
		slices.Sort(out.ids)
		out.ids = slices.Compact(out.ids)
		require.Contains(b, out.ids, r.ID)
		return out
	}
	return nil
}

// randomText is an id, a stamp or a hash, as the service makes them.
var randomText = regexp.MustCompile("[A-Za-z0-9_-]{26,}")

// fresh returns the commands for the n-th challenge.
func (x *bareRedis) fresh(commands [][]any, n int64) [][]any {
	var pairs []string
	for _, id := range x.ids {
		pairs = append(pairs, id, id[:len(id)-13]+fmt.Sprintf("%013d", n))
	}
	replace := strings.NewReplacer(pairs...)
	out := make([][]any, len(commands))
	for i, args := range commands {
		out[i] = slices.Clone(args)
		for k, a := range args {
			if text, ok := a.(string); ok && k != 1 {
				out[i][k] = replace.Replace(text)
			}
		}
	}
	return out
}

func (x *bareRedis) run(ctx context.Context, commands [][]any) error {
	for _, args := range commands {
		a, err := x.client.Do(ctx, args...).StringSlice()
		if err != nil {
			return err
		}
		if a[0] != "ok" {
			return fmt.Errorf("the bare client got %s", a[0])
		}
	}
	return nil
}

// BenchmarkVerifyRedis measures Start, with the storing of its receipt, and Check of services, in turn with the same scripts
// with the same arguments on the bare client; x/bare is the ratio of the times that clients saw.
func BenchmarkVerifyRedis(b *testing.B) {
	for _, instances := range []int{1, 2} {
		for _, clients := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("instances=%d/clients=%d", instances, clients), func(b *testing.B) {
				ours, theirs := redisKeys(b), redisKeys(b)
				ring := newRing(b)
				services := make([]redisBench, instances)
				plains := make([]*bareRedis, instances)
				for i := range services {
					store, err := redisstore.New(b.Context(), ours.connect(b), ours.options(0))
					require.NoError(b, err)
					services[i], plains[i] = newRedisBench(b, store, ring), newBareRedis(b, theirs)
				}
				alternate(b, services, plains, clients)
			})
		}
	}
}

// alternate runs rounds of at least 20 steps for each client, first of the services, then of the bare clients.
func alternate(b *testing.B, services []redisBench, plains []*bareRedis, clients int) {
	b.Helper()
	const steps = 20
	var n atomic.Int64
	var spent [2][2]atomic.Int64 // of ours and theirs, Start and Check
	timed := func(sum *atomic.Int64, f func() error) {
		begun := time.Now()
		if err := f(); err != nil {
			b.Error(err)
		}
		sum.Add(int64(time.Since(begun)))
	}
	each := func(f func(client int)) {
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				for range steps {
					f(c)
				}
			})
		}
		wg.Wait()
	}
	rounds := 0
	for b.Loop() {
		if b.Failed() {
			b.FailNow()
		}
		rounds++
		each(func(c int) {
			x := services[c%len(services)]
			var r verify.CheckRequest
			timed(&spent[0][0], func() (err error) { r, err = x.start(b.Context(), n.Add(1)); return err })
			timed(&spent[0][1], func() error { return x.check(b.Context(), r) })
		})
		each(func(c int) {
			x := plains[c%len(plains)]
			i := n.Add(1)
			start, check := x.fresh(x.start, i), x.fresh(x.check, i)
			timed(&spent[1][0], func() error { return x.run(b.Context(), start) })
			timed(&spent[1][1], func() error { return x.run(b.Context(), check) })
		})
	}
	for i, verb := range []string{"start", "check"} {
		all := float64(rounds * steps * clients)
		b.ReportMetric(float64(spent[0][i].Load())/all, verb+"-ns")
		b.ReportMetric(float64(spent[0][i].Load())/float64(spent[1][i].Load()), verb+"-x/bare")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkVerifyRedisSweep lets challenges expire and be deleted, 2000 or MSPKIT_BENCH_EXPIRED of them, while others are
// checked, and compares the p99 of a Check with that before.
func BenchmarkVerifyRedisSweep(b *testing.B) {
	expired := 2000
	if given := os.Getenv("MSPKIT_BENCH_EXPIRED"); given != "" {
		var err error
		expired, err = strconv.Atoi(given)
		require.NoError(b, err)
	}
	k := redisKeys(b)
	store, err := redisstore.New(b.Context(), k.connect(b), k.options(0))
	require.NoError(b, err)
	sweeper, err := redisstore.New(b.Context(), k.connect(b), k.options(0))
	require.NoError(b, err)
	x := newRedisBench(b, store, newRing(b))
	ctx := b.Context()
	for b.Loop() {
		fill(b, k, expired)
		var n atomic.Int64
		n.Store(time.Now().UnixNano())
		checks := func(done func() bool) []time.Duration {
			var out []time.Duration
			for !done() {
				r, err := x.start(ctx, n.Add(1))
				if err != nil {
					b.Error(err)
					return out
				}
				begun := time.Now()
				if err := x.check(ctx, r); err != nil {
					b.Error(err)
					return out
				}
				out = append(out, time.Since(begun))
			}
			return out
		}
		count := 0
		before := checks(func() bool { count++; return count > 1000 })
		var over atomic.Bool
		var took time.Duration
		var wg sync.WaitGroup
		wg.Go(func() {
			defer over.Store(true)
			begun := time.Now()
			now := time.Now()
			total := 0
			for {
				n, err := sweeper.Expire(ctx, now, 100)
				if err != nil {
					b.Error(err)
					return
				}
				if total += n; n == 0 {
					break
				}
			}
			for {
				n, err := sweeper.DeleteExpired(ctx, now.Add(time.Nanosecond*1000), now.Add(time.Nanosecond*1000), now, 1000)
				if err != nil {
					b.Error(err)
					return
				}
				if n == 0 {
					break
				}
			}
			took = time.Since(begun)
			if total < expired {
				b.Errorf("%d of %d expired", total, expired)
			}
		})
		during := checks(over.Load)
		wg.Wait()
		b.ReportMetric(float64(p99(before).Microseconds()), "p99-before-µs")
		b.ReportMetric(float64(p99(during).Microseconds()), "p99-during-µs")
		b.ReportMetric(float64(expired)/took.Seconds(), "swept/s")
		b.ReportMetric(float64(len(during)), "checks-during")
	}
}

func p99(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)*99/100]
}

// fill stores challenges that expired long ago.
func fill(b *testing.B, k keyspace, n int) {
	b.Helper()
	store, err := redisstore.New(b.Context(), k.connect(b), k.options(0))
	require.NoError(b, err)
	past := time.Now().Add(-time.Hour)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				c := newRecord(past, fmt.Sprint("old-", i))
				c.Record.Tenant = mspkit.TenantID(fmt.Sprint("tenant-", i%200))
				if _, _, err := store.Begin(b.Context(), c, nil, past); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
