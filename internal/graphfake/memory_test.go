package graphfake

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A benchmark reads a million people of a thousand tenants and counts the memory of the reader: the fake must not take any.
func TestAThousandTenantsTakeLittleMemory(t *testing.T) { //nolint:paralleltest // it measures memory
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	s := New(nil)
	for i := range 1000 {
		s.AddTenant("", "Tenant "+strconv.Itoa(i), "").Seed(1000, int64(i))
	}
	require.Less(t, heap()-before, int64(4<<20))
	runtime.KeepAlive(s)
}
