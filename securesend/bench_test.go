package securesend

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const benchSize = 64 << 20

// bare is AES-GCM and nothing else: no format, no associated data.
func bare(b *testing.B) cipher.AEAD {
	b.Helper()
	block, err := aes.NewCipher(RandomKey())
	require.NoError(b, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(b, err)
	return aead
}

// compare runs ours, bare AES-GCM over chunks that lie in memory, and bare AES-GCM over chunks that are read from an
// io.Reader first, in turns, and reports how fast ours is beside each. 1 is as fast, 2 is twice as fast.
func compare(b *testing.B, ours, memory, reading func()) {
	b.Helper()
	var spent [3]time.Duration
	rounds := 0
	for _, f := range []func(){ours, memory, reading} {
		f()
	}
	for b.Loop() {
		rounds++
		for i, f := range []func(){ours, memory, reading} {
			begun := time.Now()
			f()
			spent[i] += time.Since(begun)
		}
	}
	b.ReportMetric(float64(rounds)*benchSize/spent[0].Seconds()/1e6, "MB/s")
	b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "x-of-bare")
	b.ReportMetric(spent[2].Seconds()/spent[0].Seconds(), "x-of-bare-reading")
}

// Without WriterTo and the like, as a connection or a file is.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

func BenchmarkSealFile(b *testing.B) {
	plain := pattern(benchSize)
	c, aead := newBox(b).cipher(b, 0), bare(b)
	in, out, nonce := make([]byte, ChunkSize), make([]byte, 0, ChunkSize+Overhead), make([]byte, 12)
	memory := func() {
		for k := 0; k < benchSize; k += ChunkSize {
			nonce[11]++
			out = aead.Seal(out[:0], nonce, plain[k:k+ChunkSize], nil)
		}
	}
	reading := func() {
		r := bytes.NewReader(plain)
		for range Chunks(benchSize) {
			_, err := io.ReadFull(r, in)
			require.NoError(b, err)
			nonce[11]++
			out = aead.Seal(out[:0], nonce, in, nil)
		}
	}
	part, small := make([]byte, PartSize(benchSize, 0)), make([]byte, 32<<10)
	for _, tc := range []struct {
		name string
		ours func() error
	}{
		{"chunks in memory", func() (err error) {
			for k := range Chunks(benchSize) {
				if out, err = c.SealChunk(out[:0], plain[k*ChunkSize:][:ChunkSize], k, k == Chunks(benchSize)-1); err != nil {
					return err
				}
			}
			return nil
		}},
		{"from a reader, a part into a buffer", func() error {
			s := c.SealReader(bytes.NewReader(plain), benchSize)
			for range Parts(benchSize) {
				if _, err := io.ReadFull(s, part); err != nil {
					return err
				}
			}
			return nil
		}},
		{"from a reader to a writer", func() error {
			_, err := io.Copy(io.Discard, c.SealReader(bytes.NewReader(plain), benchSize))
			return err
		}},
		{"from a reader, read in 32 KiB", func() error {
			_, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{c.SealReader(bytes.NewReader(plain), benchSize)}, small)
			return err
		}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			compare(b, func() { require.NoError(b, tc.ours()) }, memory, reading)
		})
	}
}

func BenchmarkOpenFile(b *testing.B) {
	plain := pattern(benchSize)
	c, aead := newBox(b).cipher(b, 0), bare(b)
	sealed := sealAll(b, c, plain)
	const sealedChunk = ChunkSize + Overhead
	in, out, nonce := make([]byte, sealedChunk), make([]byte, 0, ChunkSize), make([]byte, 12)
	theirs := make([]byte, 0, len(sealed))
	for k := 0; k < benchSize; k += ChunkSize {
		theirs = aead.Seal(theirs, nonce, plain[k:k+ChunkSize], nil)
	}
	memory := func() {
		for k := 0; k < len(theirs); k += sealedChunk {
			var err error
			out, err = aead.Open(out[:0], nonce, theirs[k:k+sealedChunk], nil)
			require.NoError(b, err)
		}
	}
	reading := func() {
		r := bytes.NewReader(theirs)
		for range Chunks(benchSize) {
			_, err := io.ReadFull(r, in)
			require.NoError(b, err)
			out, err = aead.Open(out[:0], nonce, in, nil)
			require.NoError(b, err)
		}
	}
	small := make([]byte, 32<<10)
	for _, tc := range []struct {
		name string
		ours func() error
	}{
		{"chunks in memory", func() (err error) {
			for k := range Chunks(benchSize) {
				if out, err = c.OpenChunk(out[:0], sealed[k*sealedChunk:][:sealedChunk], k, k == Chunks(benchSize)-1); err != nil {
					return err
				}
			}
			return nil
		}},
		{"from a reader to a writer", func() error {
			_, err := io.Copy(io.Discard, c.OpenReader(bytes.NewReader(sealed), benchSize, 0))
			return err
		}},
		{"from a reader, read in 32 KiB", func() error {
			_, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{c.OpenReader(bytes.NewReader(sealed), benchSize, 0)}, small)
			return err
		}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			compare(b, func() { require.NoError(b, tc.ours()) }, memory, reading)
		})
	}
}
