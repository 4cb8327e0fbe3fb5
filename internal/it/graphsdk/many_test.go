package graphsdk

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

// crowd is many tenants behind one URL, told apart by the token, which is the name. It notes when who asks.
type crowd struct {
	names []mspkit.TenantID
	by    map[string]*entratest.Directory

	mu        sync.Mutex
	now, peak map[string]int // requests at once by tenant; "" is all
	at        map[string][]time.Time
}

func newCrowd(n int) *crowd {
	c := &crowd{by: map[string]*entratest.Directory{}, now: map[string]int{}, peak: map[string]int{}, at: map[string][]time.Time{}}
	for i := range n {
		name := fmt.Sprintf("tenant-%04d", i)
		c.by[name] = entratest.NewDirectory("", nil)
		c.names = append(c.names, mspkit.TenantID(name))
	}
	return c
}

// count notes the begin of a request, or its end.
func (c *crowd) count(name string, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if by > 0 {
		c.at[name] = append(c.at[name], time.Now())
	}
	for _, k := range []string{"", name} {
		c.now[k] += by
		c.peak[k] = max(c.peak[k], c.now[k])
	}
}

// requests is how many there were.
func (c *crowd) requests() (n int) {
	for _, at := range c.at {
		n += len(at)
	}
	return n
}

func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	d := c.by[name]
	if d == nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	c.count(name, 1)
	defer c.count(name, -1)
	d.ServeHTTP(w, r)
}

// planned plans one of the three applications in each tenant.
func (c *crowd) planned(tb testing.TB, rate int, o *graphentra.ManyOptions) {
	tb.Helper()
	srv := httptest.NewServer(c)
	defer srv.Close()
	cloud := entra.PublicCloud()
	cloud.Graph = srv.URL
	cl, err := graphentra.New(bearer{}, &graphentra.Options{Cloud: cloud, Rate: rate})
	require.NoError(tb, err)
	plans, err := cl.PlanMany(tb.Context(), c.names, func(_ context.Context, id mspkit.TenantID) (graphentra.Desired, error) {
		d := orders{Preset: presets[int(id[len(id)-1])%len(presets)]}.desired()
		d.Assignments = nil // people differ
		return d, nil
	}, o)
	require.NoError(tb, err)
	require.Len(tb, plans, len(c.names))
	for i, p := range plans {
		require.NoError(tb, p.Err)
		require.Equal(tb, c.names[i], p.Tenant)
		require.False(tb, p.Plan.Empty())
	}
}

// TestPlansOfManyTenantsAreBounded plans in 40 tenants at one request a second each: no more are asked at once than there are
// workers, each tenant once at a time and no faster than it may be, and each is told of.
func TestPlansOfManyTenantsAreBounded(t *testing.T) {
	t.Parallel()
	const (
		workers = 20
		rate    = 1
	)
	c := newCrowd(40)
	var told []graphentra.ManyProgress
	c.planned(t, rate, &graphentra.ManyOptions{Workers: workers, Progress: func(p graphentra.ManyProgress) { told = append(told, p) }})
	require.LessOrEqual(t, c.peak[""], workers)
	for _, id := range c.names {
		name := string(id)
		require.Equal(t, 1, c.peak[name], name)
		at := c.at[name]
		require.Greater(t, len(at), rate, "there is something to bound")
		least := time.Duration(len(at)-rate-1) * time.Second / rate
		require.GreaterOrEqual(t, at[len(at)-1].Sub(at[0]), least-50*time.Millisecond, "%s: %d requests", name, len(at))
	}
	require.Len(t, told, len(c.names))
	seen := map[mspkit.TenantID]bool{}
	for i, p := range told {
		require.Equal(t, i+1, p.Over)
		require.Equal(t, len(c.names), p.Total)
		require.Equal(t, i+1, p.Changes)
		require.Zero(t, p.Failed)
		seen[p.Last.Tenant] = true
	}
	require.Len(t, seen, len(c.names))
}

// BenchmarkPlanThousandTenants plans in 1,000 tenants, 32 at once, each bounded to 20 requests a second as by default. The
// directories are in this process, so that what they cost is in it.
func BenchmarkPlanThousandTenants(b *testing.B) {
	const workers = 32
	c := newCrowd(1000)
	told := 0
	for b.Loop() {
		c.planned(b, 0, &graphentra.ManyOptions{Workers: workers, Progress: func(graphentra.ManyProgress) { told++ }})
	}
	require.Equal(b, b.N*len(c.names), told)
	require.LessOrEqual(b, c.peak[""], workers)
	n := float64(b.N * len(c.names))
	b.ReportMetric(n/b.Elapsed().Seconds(), "tenants/s")
	b.ReportMetric(float64(c.requests())/n, "requests/tenant")
	b.ReportMetric(float64(c.peak[""]), "at-once")
}
