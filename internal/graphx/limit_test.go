package graphx

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
)

// gauge is a server that notes how many requests it has at once.
type gauge struct {
	now, most, all atomic.Int32
	takes          time.Duration
}

func (g *gauge) RoundTrip(r *http.Request) (*http.Response, error) {
	g.all.Add(1)
	n := g.now.Add(1)
	defer g.now.Add(-1)
	for m := g.most.Load(); n > m; m = g.most.Load() {
		if g.most.CompareAndSwap(m, n) {
			break
		}
	}
	time.Sleep(g.takes)
	return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Request: r, Body: io.NopCloser(strings.NewReader(`{}`))}, nil
}

func many(t *testing.T, c *Client, n int, r func(n int) *Request) (failed int) {
	t.Helper()
	var wg sync.WaitGroup
	var errs atomic.Int32
	for i := range n {
		wg.Go(func() {
			if c.Do(t.Context(), r(i), nil) != nil {
				errs.Add(1)
			}
		})
	}
	wg.Wait()
	return int(errs.Load())
}

func TestOutlookRunsFourAtOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		key  func(n int) string
		want int32
	}{
		"per tenant":  {func(int) string { return "" }, 4},
		"per mailbox": {func(n int) string { return strconv.Itoa(n % 3) }, 12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := &gauge{takes: time.Second}
				c := offline(t, g)
				failed := many(t, c, 40, func(n int) *Request {
					return &Request{Tenant: "a", Workload: Outlook, LimitKey: tc.key(n), Path: "/users/x/messages"}
				})
				require.Zero(t, failed)
				require.Equal(t, tc.want, g.most.Load())
			})
		})
	}
}

func TestTenantsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{takes: time.Second}
		c := offline(t, g)
		many(t, c, 40, func(n int) *Request {
			return &Request{Tenant: mspkit.TenantID(fmt.Sprint("t", n%10)), Workload: Outlook, Path: "/x"}
		})
		require.EqualValues(t, 40, g.most.Load())
	})
}

func TestConditionalAccessGetsOneASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{list: []answer{{status: 204}}}
		c := offline(t, a)
		require.Zero(t, many(t, c, 10, func(int) *Request { return &Request{Tenant: "a", Workload: ConditionalAccess, Path: "/x"} }))
		for n := 1; n < 10; n++ {
			require.GreaterOrEqual(t, a.at[n].Sub(a.at[n-1]), 999*time.Millisecond)
		}
		// What would wait too long fails at once, and sends nothing.
		failed := many(t, c, 40, func(int) *Request { return &Request{Tenant: "a", Workload: ConditionalAccess, Path: "/x"} })
		require.Equal(t, 10, failed)
		require.Equal(t, 40, a.count())
		// They do not count.
		begin := time.Now()
		require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Workload: ConditionalAccess, Path: "/x"}, nil))
		require.LessOrEqual(t, time.Since(begin), 2*time.Second)
	})
}

func TestTeamsGetsThirtyASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{list: []answer{{status: 204}}}
		c := offline(t, a)
		require.Zero(t, many(t, c, 300, func(int) *Request { return &Request{Tenant: "a", Workload: Teams, Path: "/x"} }))
		for n := 33; n < 300; n++ { // 30 and a tenth in each second
			require.GreaterOrEqual(t, a.at[n].Sub(a.at[n-33]), 999*time.Millisecond)
		}
	})
}

func TestTheAppHasALimitOverAllTenants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{list: []answer{{status: 204}}}
		c := offline(t, a, func(o *Options) { o.Limits = map[Workload]Limit{App: {Requests: 10}} })
		begin := time.Now()
		require.Zero(t, many(t, c, 101, func(n int) *Request { return &Request{Tenant: mspkit.TenantID(fmt.Sprint("t", n)), Path: "/x"} }))
		require.InDelta(t, 10, time.Since(begin).Seconds(), 0.01)
	})
}

func TestLimitOptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{takes: time.Second}
		c := offline(t, g, func(o *Options) {
			o.Limits = map[Workload]Limit{
				Outlook: {Requests: -1, Concurrent: -1}, "own": {Concurrent: 2}, ConditionalAccess: {Requests: 600, Per: time.Minute},
			}
		})
		require.Equal(t, Limit{Requests: 600, Per: time.Minute}, c.limits.limits[ConditionalAccess])
		many(t, c, 50, func(int) *Request { return &Request{Tenant: "a", Workload: Outlook, Path: "/x"} })
		require.EqualValues(t, 50, g.most.Swap(0))
		many(t, c, 10, func(int) *Request { return &Request{Tenant: "a", Workload: "own", Path: "/x"} })
		require.EqualValues(t, 2, g.most.Swap(0))
		many(t, c, 10, func(int) *Request { return &Request{Tenant: "a", Workload: "unknown", Path: "/x"} })
		require.EqualValues(t, 10, g.most.Load())
	})
}

func TestWaitingObeysTheContextAndMaxWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := offline(t, roundTrip(hang), func(o *Options) { o.MaxWait = 5 * time.Second })
		busy, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _ = c.Do(busy, &Request{Tenant: "a", Workload: Outlook, Path: "/x"}, nil) })
		}
		synctest.Wait()
		begin := time.Now()
		err := c.Do(t.Context(), &Request{Tenant: "a", Workload: Outlook, Path: "/x"}, nil)
		require.ErrorIs(t, err, ErrThrottled)
		require.ErrorContains(t, err, "nothing was sent")
		require.Equal(t, 5*time.Second, time.Since(begin))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		require.Error(t, c.Do(ctx, &Request{Tenant: "a", Workload: Outlook, Path: "/x"}, nil))
		require.Equal(t, time.Second, time.Since(begin))

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		require.ErrorIs(t, c.Do(ctx, &Request{Tenant: "a", Workload: Outlook, Path: "/x"}, nil), context.Canceled)
		stop()
		wg.Wait()

		c = offline(t, &answers{list: []answer{{status: 204}}}, func(o *Options) { o.MaxWait = -1 })
		require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Workload: ConditionalAccess, Path: "/x"}, nil))
		begin = time.Now()
		require.ErrorIs(t, c.Do(t.Context(), &Request{Tenant: "a", Workload: ConditionalAccess, Path: "/x"}, nil), ErrThrottled)
		require.Zero(t, time.Since(begin))
	})
}

func TestThrottledTenantIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		header map[string]string
		pause  time.Duration
	}{
		"told":     {map[string]string{"Retry-After": "10"}, 10 * time.Second},
		"not told": {nil, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &answers{list: []answer{{status: 429, header: tc.header}, {status: 204}}}
				c := offline(t, a, func(o *Options) { o.Retry.MaxRetries = -1 })
				begin := time.Now()
				require.ErrorIs(t, c.Do(t.Context(), &Request{Tenant: "a", Workload: Teams, Path: "/x"}, nil), ErrThrottled)
				// Others are not held back.
				require.NoError(t, c.Do(t.Context(), &Request{Tenant: "b", Workload: Teams, Path: "/x"}, nil))
				require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Workload: Outlook, Path: "/x"}, nil))
				require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Workload: Teams, LimitKey: "k", Path: "/x"}, nil))
				require.Zero(t, time.Since(begin))
				require.Zero(t, many(t, c, 20, func(int) *Request { return &Request{Tenant: "a", Workload: Teams, Path: "/x"} }))
				require.GreaterOrEqual(t, a.at[4].Sub(begin), tc.pause)
				require.GreaterOrEqual(t, a.at[23].Sub(a.at[4]), 620*time.Millisecond, "no burst when it opens")
			})
		})
	}
}

func TestPlaceIsHeldUntilTheBodyHasBeenRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := offline(t, &gauge{}, func(o *Options) { o.Limits = map[Workload]Limit{Outlook: {Concurrent: 1}}; o.MaxWait = -1 })
		r := &Request{Tenant: "a", Workload: Outlook, Path: "/x"}
		res, err := c.Open(t.Context(), r)
		require.NoError(t, err)
		require.ErrorIs(t, c.Do(t.Context(), r, nil), ErrThrottled)
		_, err = io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, c.Do(t.Context(), r, nil)) // read, not closed yet
		require.NoError(t, res.Body.Close())
		res, err = c.Open(t.Context(), r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close()) // closed, not read
		require.NoError(t, c.Do(t.Context(), r, nil))
	})
}

func TestPlacesComeBackAfterErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{list: []answer{{err: errLost}, {status: 500}, {status: 404}, {status: 302, header: map[string]string{"Location": "/"}}, {status: 204}}}
		c := offline(t, a, func(o *Options) {
			o.Limits = map[Workload]Limit{Outlook: {Concurrent: 1}}
			o.MaxWait = -1
			o.Retry.MaxRetries = -1
		})
		for range 4 {
			require.Error(t, c.Do(t.Context(), &Request{Tenant: "a", Workload: Outlook, Path: "/x"}, nil))
		}
		require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Workload: Outlook, Path: "/x"}, nil))
		for _, g := range c.limits.gates {
			require.Zero(t, g.users)
		}
	})
}

func TestIdleGatesAreDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := offline(t, &answers{list: []answer{{status: 204}}}, func(o *Options) { o.Limits = map[Workload]Limit{App: {Requests: -1}} })
		c.limits.pause(limitKey{tenant: "held"}, time.Hour)
		for n := range 3 * maxGates {
			release, err := c.limits.acquire(t.Context(), limitKey{tenant: mspkit.TenantID(strconv.Itoa(n))}, 1, time.Now().Add(time.Minute))
			require.NoError(t, err)
			release()
			if n%1000 == 0 {
				time.Sleep(time.Second)
			}
		}
		require.LessOrEqual(t, len(c.limits.gates), maxGates)
		require.Contains(t, c.limits.gates, limitKey{tenant: "held"})
	})
}

func TestBatchCountsItsItems(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []sent
		c := offline(t, batchServer(t, &got, func(string, int) string { return `{"id":"ID","status":204}` }))
		items := make([]BatchItem, 20)
		for n := range items {
			items[n].URL = "/x"
		}
		begin := time.Now()
		_, err := c.Batch(t.Context(), "a", ConditionalAccess, items)
		require.NoError(t, err)
		require.InDelta(t, 19, time.Since(begin).Seconds(), 0.01)
	})
}
