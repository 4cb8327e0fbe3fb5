//go:build unix

package graphsdk

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/stretchr/testify/require"
)

// used is what reading costs in this process; the server is another one. Times are those of the fastest round, which other
// load on the machine has disturbed least; the rest is of all rounds.
type used struct {
	wall, cpu     time.Duration
	bytes, allocs uint64
}

// measure runs f and adds what it used.
func (u *used) measure(b *testing.B, f func()) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.GC() // what the other one left is not to be paid for here
	runtime.ReadMemStats(&before)
	cpu, wall := cpuTime(b), time.Now()
	f()
	if d := time.Since(wall); u.wall == 0 || d < u.wall {
		u.wall = d
	}
	if d := cpuTime(b) - cpu; u.cpu == 0 || d < u.cpu {
		u.cpu = d
	}
	runtime.ReadMemStats(&after)
	u.bytes += after.TotalAlloc - before.TotalAlloc
	u.allocs += after.Mallocs - before.Mallocs
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func (u *used) report(b *testing.B, name string) {
	b.Helper()
	n := float64(b.N * pages)
	b.ReportMetric(float64(u.wall.Nanoseconds())/pages, name+"-ns/page")
	b.ReportMetric(float64(u.cpu.Nanoseconds())/pages, name+"-cpu-ns/page")
	b.ReportMetric(float64(u.bytes)/n, name+"-B/page")
	b.ReportMetric(float64(u.allocs)/n, name+"-allocs/page")
}

// BenchmarkUsersDelta reads pages of 999 users by delta from one server in turns, so that both have the same machine: by
// the SDK's page iterator, by internal/graphx, and by contacts/graphcontacts, which makes contacts of them besides.
// x-faster is of the time on the clock, x-less-cpu of the processor time, which a busy machine does not change.
func BenchmarkUsersDelta(b *testing.B) {
	p := start(b)
	their, our, src := newSDK(b, p), newThin(b, p), source(b, p)
	var sdk, thin, whole used
	once := func() {
		n := 0
		sdk.measure(b, func() {
			_, err := their.read(b.Context(), func(models.Userable) { n++ })
			require.NoError(b, err)
		})
		thin.measure(b, func() {
			_, err := our.read(b.Context(), func(*thinUser) { n-- })
			require.NoError(b, err)
		})
		require.Zero(b, n)
		whole.measure(b, func() {
			n, err := readSource(b.Context(), src)
			require.NoError(b, err)
			require.Equal(b, everyone, n)
		})
	}
	once() // connections, pages at the server, what is compiled once
	sdk, thin, whole = used{}, used{}, used{}
	for b.Loop() {
		once()
	}
	sdk.report(b, "sdk")
	thin.report(b, "graphx")
	whole.report(b, "contacts")
	for name, u := range map[string]used{"": thin, "contacts-": whole} {
		b.ReportMetric(float64(sdk.wall)/float64(u.wall), name+"x-faster")
		b.ReportMetric(float64(sdk.cpu)/float64(u.cpu), name+"x-less-cpu")
		b.ReportMetric(float64(sdk.bytes)/float64(u.bytes), name+"x-less-bytes")
		b.ReportMetric(float64(sdk.allocs)/float64(u.allocs), name+"x-fewer-allocs")
	}
}
