package dirblob_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

// BenchmarkPart stores and reads a full part, in turns with the same bytes written to a bare file that is flushed, and read.
// x-put, x-open and x-bare are how long the store takes, in units of the bare file: below 1 is faster.
func BenchmarkPart(b *testing.B) {
	const size = 8<<20 + 128
	data := bytes.Repeat([]byte("sealed1\n"), size/8)
	s, _ := fresh(b)
	bare, buf := filepath.Join(b.TempDir(), "bare"), make([]byte, 128<<10)
	var put, open, write, read time.Duration
	b.SetBytes(2 * size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := securesend.Part{Ref: ref, N: i % 8}
		at := time.Now()
		require.NoError(b, s.Put(b.Context(), p, bytes.NewReader(data)))
		put += time.Since(at)
		at = time.Now()
		r, err := s.Open(b.Context(), p, 0, size)
		require.NoError(b, err)
		drain(b, r, buf)
		open += time.Since(at)

		b.StopTimer()
		at = time.Now()
		writeFlushed(b, bare+string(rune('0'+i%8)), data)
		write += time.Since(at)
		at = time.Now()
		f, err := os.Open(bare + string(rune('0'+i%8)))
		require.NoError(b, err)
		drain(b, f, buf)
		read += time.Since(at)
		b.StartTimer()
	}
	b.ReportMetric(float64(put)/float64(write), "x-put")
	b.ReportMetric(float64(open)/float64(read), "x-open")
	b.ReportMetric(float64(put+open)/float64(write+read), "x-bare")
}

// drain reads r to its end as a handler does.
func drain(b *testing.B, r io.ReadCloser, buf []byte) {
	b.Helper()
	_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf)
	require.NoError(b, errors.Join(err, r.Close()))
}

func writeFlushed(b *testing.B, name string, data []byte) {
	b.Helper()
	f, err := os.Create(name)
	require.NoError(b, err)
	_, err = f.Write(data)
	require.NoError(b, errors.Join(err, f.Sync(), f.Close()))
}
