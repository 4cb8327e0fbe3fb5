package securesendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"testing/iotest"

	"github.com/mspkit/mspkit/securesend"
)

func blobPut(s *blobSuite) {
	s.lists(blobRef)
	s.hasNot(blobPart(0, 0))
	a, b := blobData(1, 1000), blobData(2, 70_000)
	s.put(blobPart(0, 0), a)
	s.has(blobPart(0, 0), a)
	s.ok(s.both[1].Put(s.Context(), blobPart(0, 1), bytes.NewReader(b)))
	s.has(blobPart(0, 1), b)
	s.has(blobPart(0, 0), a)
	s.hasNot(blobPart(1, 0))
	s.hasNot(blobPart(0, 2))
	s.lists(blobRef, securesend.PartInfo{Size: 1000}, securesend.PartInfo{N: 1, Size: 70_000})
}

func blobEmpty(s *blobSuite) {
	s.put(blobPart(0, 0), nil)
	s.has(blobPart(0, 0), nil)
	s.lists(blobRef, securesend.PartInfo{})
}

func blobReplace(s *blobSuite) {
	p := blobPart(0, 0)
	for i, size := range []int{1000, 2000, 1, 0, 100_000} {
		data := blobData(uint64(i), size)
		s.ok(s.both[i%2].Put(s.Context(), p, bytes.NewReader(data)))
		s.has(p, data)
		s.lists(blobRef, securesend.PartInfo{Size: int64(size)})
	}
}

func blobReaders(s *blobSuite) {
	data := blobData(1, 5000)
	for i, wrap := range []func(io.Reader) io.Reader{
		iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
		func(r io.Reader) io.Reader { return &blobStutter{r: r, size: 333} },
		func(r io.Reader) io.Reader { return io.MultiReader(io.LimitReader(r, 1234), r) },
	} {
		s.ok(s.Put(s.Context(), blobPart(i, 0), wrap(bytes.NewReader(data))))
		s.has(blobPart(i, 0), data)
	}
}

// blobSizes are of uploads that break off: at once, within a first piece, and later than any buffer is large.
var blobSizes = []int{0, 1, 1000, 2 << 20}

func blobReaderFails(s *blobSuite) {
	old, broken := blobData(1, 300), errors.New("the connection broke")
	s.put(blobPart(0, 0), old)
	for i, size := range blobSizes {
		for _, p := range []securesend.Part{blobPart(0, 0), blobPart(1, i)} {
			err := s.Put(s.Context(), p, &blobReader{blobData(2, size), 9999, func() error { return broken }})
			s.is(err, broken)
		}
		// What comes together with the last bytes is an error all the same.
		err := s.Put(s.Context(), blobPart(1, i), iotest.DataErrReader(&blobReader{blobData(2, size), 9999, func() error { return broken }}))
		s.is(err, broken)
		s.hasNot(blobPart(1, i))
	}
	s.is(s.Put(s.Context(), blobPart(0, 0), &blobReader{old, 7, func() error { return io.ErrUnexpectedEOF }}), io.ErrUnexpectedEOF)
	s.has(blobPart(0, 0), old)
	s.lists(blobRef, securesend.PartInfo{Size: 300})
	// A second try works.
	s.put(blobPart(1, 0), old)
	s.has(blobPart(1, 0), old)
}

func blobContextEnds(s *blobSuite) {
	old := blobData(1, 300)
	s.put(blobPart(0, 0), old)
	for i, size := range blobSizes {
		for _, p := range []securesend.Part{blobPart(0, 0), blobPart(1, i)} {
			// Before, in the middle, and with the last byte.
			ctx, cancel := context.WithCancel(s.Context())
			cancel()
			s.is(s.Put(ctx, p, bytes.NewReader(blobData(2, size))), context.Canceled)

			ctx, cancel = context.WithCancel(s.Context())
			first := &blobReader{blobData(2, size), 9999, func() error { cancel(); return io.EOF }}
			s.is(s.Put(ctx, p, io.MultiReader(first, bytes.NewReader(blobData(3, 100_000)))), context.Canceled)

			ctx, cancel = context.WithCancel(s.Context())
			s.is(s.Put(ctx, p, &blobReader{blobData(2, size), 9999, func() error { cancel(); return io.EOF }}), context.Canceled)
		}
		s.hasNot(blobPart(1, i))
	}
	s.has(blobPart(0, 0), old)
	s.lists(blobRef, securesend.PartInfo{Size: 300})
}

// blobLargest is the size of a full part: 8 chunks of 1 MiB with a tag each.
const blobLargest = 8<<20 + 128

func blobLarge(s *blobSuite) {
	data := blobData(1, blobLargest)
	s.ok(s.Put(s.Context(), blobPart(0, 0), &blobReader{data, 60_001, func() error { return io.EOF }}))
	s.lists(blobRef, securesend.PartInfo{Size: blobLargest})
	s.has(blobPart(0, 0), data)
	const chunk = 1<<20 + 16
	for k := range 8 {
		s.reads(s.both[k%2], blobPart(0, 0), int64(k)*chunk, data[k*chunk:(k+1)*chunk])
	}
}

func blobRanges(s *blobSuite) {
	p, data := blobPart(0, 0), blobData(1, 100_000)
	s.put(p, data)
	for _, r := range [][2]int{{0, 1}, {0, 99_999}, {1, 99_999}, {99_999, 1}, {50_000, 1}, {32_767, 2}, {512, 65_536}, {0, 0}, {7, 0}, {100_000, 0}} {
		s.reads(s.both[1], p, int64(r[0]), data[r[0]:r[0]+r[1]])
	}
	// Bytes at a time, in order, and no more after the end.
	r, err := s.Open(s.Context(), p, 10, 5000)
	s.ok(err)
	s.ok(iotest.TestReader(r, data[10:5010]))
	s.ok(r.Close())
}

func blobMissing(s *blobSuite) {
	s.put(blobPart(0, 1), blobData(1, 100))
	s.put(blobPart(0, 2), nil)
	for _, p := range []securesend.Part{blobPart(0, 0), blobPart(0, 3), blobPart(1, 1), blobPart(0, 11), {Ref: securesend.Ref{Tenant: "contoso", ID: "x"}, N: 1}} {
		s.hasNot(p)
		_, err := s.Open(s.Context(), p, 5, 10)
		s.is(err, securesend.ErrNoPart)
	}
	for _, o := range []struct {
		n         int
		off, size int64
	}{
		{1, 0, 101},
		{1, 1, 100},
		{1, 100, 1},
		{1, 101, 0},
		{1, 5000, 1},
		{1, math.MaxInt64, 0},
		{1, 0, math.MaxInt64},
		{1, math.MaxInt64, math.MaxInt64},
		{1, 1, math.MaxInt64},
		{1, -1, 1},
		{1, 0, -1},
		{1, -100, 100},
		{2, 0, 1},
		{2, 1, 0},
	} {
		r, err := s.Open(s.Context(), blobPart(0, o.n), o.off, o.size)
		if err == nil {
			s.ok(r.Close())
			s.Fatalf("%d bytes from %d on are said to be in part %d", o.size, o.off, o.n)
		}
		if errors.Is(err, securesend.ErrNoPart) {
			s.Fatalf("a part that is shorter is said to be none: %v", err)
		}
	}
}

// blobOpened: who reads while a part is replaced or deleted gets the old bytes or an error, never others.
func blobOpened(s *blobSuite) {
	old := blobData(1, 200_000)
	for i, change := range []func() error{
		func() error { return s.both[1].Put(s.Context(), blobPart(0, 0), bytes.NewReader(blobData(2, 200_000))) },
		func() error { return s.both[1].Delete(s.Context(), blobRef) },
	} {
		s.put(blobPart(0, i), old)
		r, err := s.Open(s.Context(), blobPart(0, i), 0, 200_000)
		s.ok(err)
		got := make([]byte, 200_000)
		n, err := io.ReadFull(r, got[:1000])
		s.ok(err)
		s.ok(change())
		more, err := io.ReadFull(r, got[1000:])
		n += more
		if !bytes.Equal(got[:n], old[:n]) {
			s.Fatal("a reader got bytes that were never in the part that it opened")
		}
		if err == nil && n != len(old) {
			s.Fatal("a reader got less than it asked for, and no error")
		}
		s.ok(r.Close())
	}
}
