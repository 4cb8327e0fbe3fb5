package securesend

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// pattern returns n bytes of which every MiB differs.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16 ^ i>>20)
	}
	return b
}

func sealAll(t testing.TB, c *FileCipher, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := io.Copy(&b, c.SealReader(bytes.NewReader(plain), int64(len(plain))))
	require.NoError(t, err)
	require.EqualValues(t, SealedSize(int64(len(plain))), b.Len())
	return b.Bytes()
}

var fileSizes = []int{0, 1, 100, ChunkSize - 1, ChunkSize, ChunkSize + 1, 2 * ChunkSize, 2*ChunkSize + 77, PartChunks * ChunkSize, PartChunks*ChunkSize + 1}

func TestAFileOpensAsItWasSealedHoweverItIsRead(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for i, size := range fileSizes {
		plain := pattern(size)
		c := b.cipher(t, i)
		want := sealAll(t, c, plain)
		for name, source := range map[string]func([]byte) io.Reader{
			"plain":            func(b []byte) io.Reader { return bytes.NewReader(b) },
			"end with data":    func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) },
			"half of each":     func(b []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(b)) },
			"without WriterTo": func(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} },
		} {
			for _, said := range []int64{int64(size), -1} {
				s := c.SealReader(source(plain), said)
				got, err := io.ReadAll(s)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got), "%s of %d bytes", name, size)
				require.EqualValues(t, size, s.Size())
			}
			got, err := io.ReadAll(c.OpenReader(source(want), int64(size), 0))
			require.NoError(t, err)
			require.True(t, bytes.Equal(plain, got), "%s of %d bytes", name, size)
		}
		// Into a buffer that takes a whole chunk, and from every chunk on.
		o := c.OpenReader(bytes.NewReader(want), int64(size), 0)
		got := make([]byte, size+ChunkSize)
		n, err := io.ReadFull(o, got)
		require.True(t, errors.Is(err, io.ErrUnexpectedEOF) || (size == 0 && errors.Is(err, io.EOF)))
		require.True(t, bytes.Equal(plain, got[:n]))
		for k := range Chunks(int64(size)) {
			var rest bytes.Buffer
			_, err := io.Copy(&rest, c.OpenReader(bytes.NewReader(want[k*(ChunkSize+Overhead):]), int64(size), k))
			require.NoError(t, err)
			require.True(t, bytes.Equal(plain[k*ChunkSize:], rest.Bytes()))
		}
	}
}

func TestPartsAreCutFromTheStream(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const size = 2*PartChunks*ChunkSize + 5
	plain := pattern(size)
	c := b.cipher(t, 0)
	s := c.SealReader(bytes.NewReader(plain), size)
	var all []byte
	for n := range Parts(size) {
		part, err := io.ReadAll(io.LimitReader(s, PartSize(size, int(n))))
		require.NoError(t, err)
		require.Len(t, part, int(PartSize(size, int(n))))
		// A part opens by itself, chunk by chunk, in any order.
		for k := n * PartChunks; len(part) > 0; k++ {
			sealed := part[:min(len(part), ChunkSize+Overhead)]
			part = part[len(sealed):]
			plain, err := c.OpenChunk(nil, sealed, k, k == Chunks(size)-1)
			require.NoError(t, err)
			all = append(all, plain...)
		}
	}
	require.True(t, bytes.Equal(plain, all))
	n, err := s.Read(make([]byte, 1))
	require.Zero(t, n)
	require.ErrorIs(t, err, io.EOF)
}

func TestAFileThatIsNotAsLongAsSaidIsNeverSealedToItsEnd(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for _, tc := range []struct{ has, said int }{
		{0, 1},
		{1, 0},
		{5, 4},
		{4, 5},
		{ChunkSize, ChunkSize + 1},
		{ChunkSize + 1, ChunkSize},
		{ChunkSize, 2 * ChunkSize},
		{2 * ChunkSize, ChunkSize},
	} {
		c := b.cipher(t, 0)
		got, err := io.ReadAll(c.SealReader(bytes.NewReader(pattern(tc.has)), int64(tc.said)))
		require.ErrorIs(t, err, ErrInvalid, "%v", tc)
		for k := int64(0); len(got) > 0; k++ {
			sealed := got[:min(len(got), ChunkSize+Overhead)]
			got = got[len(sealed):]
			_, err := c.OpenChunk(nil, sealed, k, true)
			require.ErrorIs(t, err, ErrEnvelope, "no chunk says that it is the last")
		}
	}
	c := b.cipher(t, 0)
	_, err := c.SealReader(bytes.NewReader(nil), MaxFileSize+1).Read(make([]byte, 1))
	require.ErrorIs(t, err, ErrTooLarge)
}

// A connection that broke may say so with an error that wraps io.EOF. That is no end of the file.
func TestAReaderThatFailsIsNoEnd(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for _, has := range []int{0, 5, ChunkSize, ChunkSize + 5} {
		for _, size := range []int64{-1, 3 * ChunkSize} {
			broken := func() io.Reader {
				return io.MultiReader(bytes.NewReader(pattern(has)), iotest.ErrReader(fmt.Errorf("the connection: %w", io.EOF)))
			}
			c := b.cipher(t, 0)
			_, err := io.ReadAll(c.SealReader(broken(), size))
			require.ErrorContains(t, err, "the connection", has)
			c = b.cipher(t, 0)
			_, err = c.SealReader(broken(), size).WriteTo(io.Discard)
			require.ErrorContains(t, err, "the connection", has)
		}
	}
}

func TestChunksThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	c := b.cipher(t, 0)
	full := make([]byte, ChunkSize)
	for name, tc := range map[string]struct {
		plain []byte
		k     int64
		last  bool
	}{
		"short, not the last": {full[1:], 0, false},
		"empty, not the last": {nil, 0, false},
		"an empty end":        {nil, 1, true},
		"too long":            {make([]byte, ChunkSize+1), 0, true},
		"negative":            {full, -1, false},
		"beyond the largest":  {full, MaxFileSize / ChunkSize, false},
	} {
		_, err := c.SealChunk(nil, tc.plain, tc.k, tc.last)
		require.ErrorIs(t, err, ErrInvalid, name)
		// Also where somebody has sealed it anyway.
		_, err = c.OpenChunk(nil, c.aead.Seal(nil, c.at(tc.k, tc.last), tc.plain, c.aad), tc.k, tc.last)
		require.ErrorIs(t, err, ErrEnvelope, name)
	}
	for _, n := range []int{0, 1, Overhead - 1} {
		_, err := c.OpenChunk(nil, make([]byte, n), 0, true)
		require.ErrorIs(t, err, ErrEnvelope)
	}
	for _, file := range []int{-1, MaxFiles, math.MinInt} {
		_, err := b.keys.File(b.context, b.header, file)
		require.ErrorIs(t, err, ErrInvalid)
	}
	for _, from := range []int64{-1, 1, math.MaxInt64} {
		_, err := c.OpenReader(bytes.NewReader(nil), 5, from).Read(make([]byte, 1))
		require.ErrorIs(t, err, ErrInvalid)
	}
	for _, size := range []int64{-1, MaxFileSize + 1} {
		_, err := c.OpenReader(bytes.NewReader(nil), size, 0).Read(make([]byte, 1))
		require.ErrorIs(t, err, ErrInvalid)
	}
}

func TestNoByteOfAChunkCanBeChanged(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	c := b.cipher(t, 0)
	sealed := sealAll(t, c, pattern(100))
	for i := range sealed {
		for bit := range 8 {
			sealed[i] ^= 1 << bit
			_, err := io.ReadAll(c.OpenReader(bytes.NewReader(sealed), 100, 0))
			require.ErrorIs(t, err, ErrEnvelope, "byte %d", i)
			sealed[i] ^= 1 << bit
		}
		_, err := io.ReadAll(c.OpenReader(bytes.NewReader(sealed[:i]), 100, 0))
		require.ErrorIs(t, err, ErrEnvelope, "cut at %d", i)
	}
	for _, size := range []int64{0, 99, 101, 84, 116, ChunkSize, ChunkSize + 100} {
		_, err := io.ReadAll(c.OpenReader(bytes.NewReader(sealed), size, 0))
		require.ErrorIs(t, err, ErrEnvelope, "another size")
	}
	got, err := io.ReadAll(c.OpenReader(bytes.NewReader(sealed), 100, 0))
	require.NoError(t, err)
	require.Equal(t, pattern(100), got)
}

func TestChunksCannotBeMovedDroppedDoubledOrBroughtFromElsewhere(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const size = 2*ChunkSize + 9
	const sealedChunk = ChunkSize + Overhead
	plain := pattern(size)
	c := b.cipher(t, 0)
	good := sealAll(t, c, plain)
	split := func(b []byte) (one, two, three []byte) {
		return b[:sealedChunk], b[sealedChunk : 2*sealedChunk], b[2*sealedChunk:]
	}
	one, two, three := split(good)

	elsewhere := func(context [KeySize]byte, h Header, file int, keys Keys) []byte {
		c, err := keys.File(context, h, file)
		require.NoError(t, err)
		return sealAll(t, c, plain)
	}
	place := func(change func(*Place)) []byte {
		p := testPlace()
		change(&p)
		return elsewhere(p.Context(), b.header, 0, b.keys)
	}
	other := newBox(t)
	_, fileTwo, _ := split(elsewhere(b.context, b.header, 1, b.keys))
	_, sendTwo, _ := split(elsewhere(b.context, b.header, 0, other.keys))
	_, heldTwo, _ := split(elsewhere(b.context, Header{Held: true}, 0, b.keys))
	_, regionTwo, _ := split(place(func(p *Place) { p.Region = "UK South" }))
	_, tenantTwo, _ := split(place(func(p *Place) { p.Tenant = "fabrikam" }))
	_, expiryTwo, _ := split(place(func(p *Place) { p.Expiry = p.Expiry.Add(time.Second) }))
	shorter := sealAll(t, b.cipher(t, 0), plain[:2*ChunkSize])

	for name, tc := range map[string]struct {
		sealed [][]byte
		intact int // chunks that may be handed out
	}{
		"swapped":                   {[][]byte{two, one, three}, 0},
		"last ones swapped":         {[][]byte{one, three, two}, 1},
		"first dropped":             {[][]byte{two, three}, 0},
		"middle dropped":            {[][]byte{one, three}, 1},
		"last dropped":              {[][]byte{one, two}, 2},
		"doubled":                   {[][]byte{one, one, three}, 1},
		"last doubled":              {[][]byte{one, two, three, three}, 2},
		"a byte more":               {[][]byte{one, two, three, {0}}, 2},
		"a byte between":            {[][]byte{one, {0}, two, three}, 1},
		"a chunk more":              {[][]byte{one, two, one, three}, 2},
		"nothing":                   {nil, 0},
		"of another file":           {[][]byte{one, fileTwo, three}, 1},
		"of another send":           {[][]byte{one, sendTwo, three}, 1},
		"of another header":         {[][]byte{one, heldTwo, three}, 1},
		"of another region":         {[][]byte{one, regionTwo, three}, 1},
		"of another tenant":         {[][]byte{one, tenantTwo, three}, 1},
		"of another expiry":         {[][]byte{one, expiryTwo, three}, 1},
		"of a shorter file, sealed": {[][]byte{shorter}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := c.OpenReader(bytes.NewReader(slices.Concat(tc.sealed...)), size, 0)
			var got bytes.Buffer
			_, err := io.Copy(&got, o)
			require.ErrorIs(t, err, ErrEnvelope)
			require.Equal(t, tc.intact*ChunkSize, got.Len())
			require.True(t, bytes.Equal(plain[:got.Len()], got.Bytes()), "what came out is what was sealed")
			require.EqualValues(t, tc.intact, o.Next())
			_, err = o.Read(make([]byte, 1))
			require.ErrorIs(t, err, ErrEnvelope, "it stays refused")
		})
	}
	_, err := io.ReadAll(c.OpenReader(bytes.NewReader(good), size, 1))
	require.ErrorIs(t, err, ErrEnvelope, "from another chunk on")
	_, err = io.ReadAll(c.OpenReader(bytes.NewReader(good), 2*ChunkSize, 0))
	require.ErrorIs(t, err, ErrEnvelope, "a manifest that says less")
}

// A connection that breaks is not an attack, and what was read before counts.
func TestABrokenSourceIsNoAlteredContent(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	broken := errors.New("connection reset")
	plain := pattern(2 * ChunkSize)
	c := b.cipher(t, 0)
	sealed := sealAll(t, c, plain)
	for _, cause := range []error{broken, io.ErrUnexpectedEOF} {
		o := c.OpenReader(io.MultiReader(bytes.NewReader(sealed[:ChunkSize+Overhead+5]), iotest.ErrReader(cause)), 2*ChunkSize, 0)
		got, err := io.ReadAll(o)
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, ErrEnvelope)
		require.Len(t, got, ChunkSize)
		rest, err := io.ReadAll(c.OpenReader(bytes.NewReader(sealed[o.Next()*(ChunkSize+Overhead):]), 2*ChunkSize, o.Next()))
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, append(got, rest...)))

		_, err = io.ReadAll(c.SealReader(io.MultiReader(bytes.NewReader(plain), iotest.ErrReader(cause)), -1))
		require.ErrorIs(t, err, cause)
	}
}

type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if n := w.left; n < len(p) {
		w.left = 0
		return n, errors.New("disk full")
	}
	w.left -= len(p)
	return len(p), nil
}

func TestWhatAWriterDidNotTakeIsStillThere(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	plain := pattern(ChunkSize + 50)
	c := b.cipher(t, 0)
	sealed := sealAll(t, c, plain)
	for _, r := range []io.Reader{c.SealReader(bytes.NewReader(plain), -1), c.OpenReader(bytes.NewReader(sealed), int64(len(plain)), 0)} {
		want := plain
		if _, ok := r.(*SealReader); ok {
			want = sealed
		}
		n, err := io.Copy(&failingWriter{left: 1000}, r)
		require.ErrorContains(t, err, "disk full")
		require.EqualValues(t, 1000, n)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want[1000:], rest))
	}
}

func TestNothingIsAllocatedPerChunk(t *testing.T) { //nolint:paralleltest // counts what is allocated
	b := newBox(t)
	c := b.cipher(t, 0)
	plain, sealed := make([]byte, ChunkSize), make([]byte, 0, ChunkSize+Overhead)
	k := int64(0)
	require.Zero(t, testing.AllocsPerRun(5, func() {
		k++
		sealed, _ = c.SealChunk(sealed[:0], plain, k, false)
		plain, _ = c.OpenChunk(plain[:0], sealed, k, false)
	}))
	s := c.SealReader(zeros{}, -1)
	o := c.OpenReader(c.SealReader(zeros{}, -1), MaxFileSize, 0)
	small := make([]byte, 32<<10)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = s.Read(small)
		_, _ = o.Read(small)
	}))
	require.GreaterOrEqual(t, o.Next(), int64(3))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Each nine bytes of edits are an operation on a file of three chunks, so that the fuzzer needs no megabytes.
func edit(sealed, edits []byte) []byte {
	const chunk = ChunkSize + Overhead
	for ; len(edits) >= 9 && len(sealed) > 0 && len(sealed) < 8*chunk; edits = edits[9:] {
		a, b := binary.BigEndian.Uint32(edits[1:]), binary.BigEndian.Uint32(edits[5:])
		at := int(a) % len(sealed)
		from, to := int(a)%4*chunk, int(b)%4*chunk
		switch edits[0] % 6 {
		case 0:
			sealed[at] ^= byte(b)
		case 1:
			sealed = sealed[:at]
		case 2:
			sealed = append(sealed, edits[1:9]...)
		case 3: // a chunk over another
			if max(from, to) < len(sealed) {
				copy(sealed[to:], sealed[from:min(len(sealed), from+chunk)])
			}
		case 4: // a chunk away
			if from < len(sealed) {
				sealed = slices.Delete(sealed, from, min(len(sealed), from+chunk))
			}
		case 5: // a chunk twice
			if from < len(sealed) {
				sealed = append(sealed, sealed[from:min(len(sealed), from+chunk)]...)
			}
		}
	}
	return sealed
}

func FuzzOpenReader(f *testing.F) {
	b := newBox(f)
	const size = 2*ChunkSize + 33
	plain := pattern(size)
	c := b.cipher(f, 0)
	good := sealAll(f, c, plain)
	small := sealAll(f, b.cipher(f, 1), plain[:33])
	f.Add(int64(size), int64(0), []byte(nil), []byte(nil))
	f.Add(int64(33), int64(0), small, []byte(nil))
	f.Add(int64(size), int64(1), []byte(nil), []byte{4, 0, 0, 0, 0, 0, 0, 0, 0})
	for op := range byte(6) {
		f.Add(int64(size), int64(0), []byte(nil), []byte{op, 0, 0, 0, 1, 0, 0, 0, 2})
	}
	f.Fuzz(func(t *testing.T, said, from int64, raw, edits []byte) {
		sealed, file := raw, 1
		if len(raw) == 0 {
			sealed, file = edit(slices.Clone(good), edits), 0
		}
		got, err := io.ReadAll(b.cipher(t, file).OpenReader(bytes.NewReader(sealed), said, from))
		if err != nil {
			require.True(t, errors.Is(err, ErrEnvelope) || errors.Is(err, ErrInvalid), err)
			if len(got) > 0 {
				require.True(t, bytes.Equal(plain[from*ChunkSize:][:len(got)], got), "what came out is what was sealed")
			}
			return
		}
		whole, want := good, plain
		if file == 1 {
			whole, want = small, plain[:33]
		}
		require.EqualValues(t, len(want), said)
		require.True(t, bytes.Equal(whole[from*(ChunkSize+Overhead):], sealed), "only what was sealed opens")
		require.True(t, bytes.Equal(want[from*ChunkSize:], got))
	})
}
