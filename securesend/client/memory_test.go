package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
	"github.com/mspkit/mspkit/securesend/dirblob"
)

// growth is how much memory server and client may need together for a file of any size.
const growth = 32 << 20

// The server and the client of this test are one process, so each needs less than what is measured. With MSPKIT_SOAK=1 the
// file has 5 GiB.
func TestFilesOfAnySizeNeedLittleMemory(t *testing.T) { //nolint:paralleltest // it measures the process
	size := int64(64 << 20)
	if os.Getenv("MSPKIT_SOAK") != "" {
		size = 5 << 30
	}
	store, err := dirblob.New(t.TempDir(), nil)
	require.NoError(t, err)
	w := newWorld(t, func(o *securesend.Options) { o.Blobs = map[string]securesend.BlobStore{"Europe": store} })
	memory := newMeter()
	begin := time.Now()
	o := &client.CreateOptions{Files: []securesend.File{{Name: "image.vhdx", Size: size, Reader: io.LimitReader(stream(), size)}}}
	out := w.sent(o)
	up := time.Since(begin)
	got, err := client.Open(t.Context(), out.Link.Reveal(), right(out))
	require.NoError(t, err)
	f, err := got.File(t.Context(), 0)
	require.NoError(t, err)
	begin = time.Now()
	n, err := f.WriteTo(&same{want: stream()})
	require.NoError(t, err)
	require.Equal(t, size, n)
	down := time.Since(begin)
	require.NoError(t, got.Done(t.Context()))
	heap, rss := memory.end()
	mib := func(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB" }
	t.Logf("%s: up %s (%s/s), down %s (%s/s), Go memory +%s, resident +%s", mib(size), up.Round(time.Millisecond), mib(int64(float64(size)/up.Seconds())),
		down.Round(time.Millisecond), mib(int64(float64(size)/down.Seconds())), mib(heap), mib(rss))
	require.Less(t, heap, int64(growth))
	if !raceEnabled {
		require.Less(t, rss, int64(growth))
	}
}

func stream() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// same is a writer that wants the bytes of a stream and keeps none.
type same struct {
	want io.Reader
	buf  [64 << 10]byte
}

func (s *same) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		want := s.buf[:min(len(s.buf), len(p)-n)]
		if _, err := io.ReadFull(s.want, want); err != nil {
			return n, err
		}
		if !bytes.Equal(want, p[n:n+len(want)]) {
			return n, errors.New("these are other bytes")
		}
		n += len(want)
	}
	return len(p), nil
}

// meter samples the memory of the process.
type meter struct {
	heap, rss       int64
	maxHeap, maxRSS int64
	cancel          context.CancelFunc
	done            chan struct{}
}

func newMeter() *meter {
	runtime.GC()
	debug.FreeOSMemory()
	m := &meter{done: make(chan struct{})}
	m.heap, m.rss = sample()
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			heap, rss := sample()
			m.maxHeap, m.maxRSS = max(m.maxHeap, heap), max(m.maxRSS, rss)
			time.Sleep(2 * time.Millisecond) // between samples
		}
	}()
	return m
}

func (m *meter) end() (heap, rss int64) {
	m.cancel()
	<-m.done
	return m.maxHeap - m.heap, m.maxRSS - m.rss
}

// sample returns what the Go runtime holds of the system's memory, and what of the process is resident, 0 where that is
// not known.
func sample() (heap, rss int64) {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	heap = int64(s[0].Value.Uint64() - s[1].Value.Uint64())
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return heap, 0
	}
	if fields := strings.Fields(string(text)); len(fields) > 1 {
		pages, _ := strconv.ParseInt(fields[1], 10, 64)
		rss = pages * int64(os.Getpagesize())
	}
	return heap, rss
}
