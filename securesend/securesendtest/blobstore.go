package securesendtest

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/mspkit/mspkit/securesend"
)

// TestBlobStore runs a blob store through every sentence of [securesend.BlobStore]. storage makes a fresh, empty storage
// for one part of the suite and returns a function that opens an instance on it. The function is called several times:
// two instances race each other, and an instance opened later must find what an earlier one stored. Instances that need
// closing are closed by t.Cleanup.
func TestBlobStore(t *testing.T, storage func(t *testing.T) (open func() securesend.BlobStore)) {
	t.Helper()
	start := func(t *testing.T) *blobSuite {
		t.Helper()
		open := storage(t)
		s := &blobSuite{T: t, open: open}
		s.both = []securesend.BlobStore{open(), open()}
		s.BlobStore = s.both[0]
		return s
	}
	// Before the others, because it counts.
	t.Run("Nothing is left open", func(t *testing.T) { blobLeaks(start(t)) })
	for _, part := range []struct {
		name string
		run  func(*blobSuite)
	}{
		{"Put stores a part for every instance", blobPut},
		{"Put takes an empty part", blobEmpty},
		{"Put replaces", blobReplace},
		{"Put reads what readers hand over in their ways", blobReaders},
		{"Put changes nothing where the reader fails", blobReaderFails},
		{"Put changes nothing where the context ends", blobContextEnds},
		{"Put streams a large part", blobLarge},
		{"Open reads ranges", blobRanges},
		{"Open refuses what is not there", blobMissing},
		{"Open goes on with what it has opened", blobOpened},
		{"List is sorted and has sizes", blobList},
		{"List tells many parts", blobMany},
		{"Delete deletes the parts of a send and nothing else", blobDelete},
		{"Delete deletes what uploads left that never ended", blobAbandoned},
		{"Tenants that look alike are apart", blobTenants},
		{"Ids that look alike are apart", blobIDs},
		{"What names nothing is refused", blobInvalid},
		{"A restart loses nothing", blobRestart},
		{"Race: one part", blobRaceOne},
		{"Race: many parts", blobRaceMany},
		{"Race: readers", blobRaceReaders},
		{"Race: Delete", blobRaceDelete},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(start(t))
		})
	}
}

// blobSuite is one part with its storage and two instances on it.
type blobSuite struct {
	*testing.T
	securesend.BlobStore // the first instance
	both                 []securesend.BlobStore
	open                 func() securesend.BlobStore
}

func (s *blobSuite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

func (s *blobSuite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("the error is %v, it should be %v", err, want)
	}
}

func (s *blobSuite) put(p securesend.Part, data []byte) {
	s.Helper()
	s.ok(s.Put(s.Context(), p, bytes.NewReader(data)))
}

// has fails unless every instance hands out data as the whole of p, and not a byte more.
func (s *blobSuite) has(p securesend.Part, data []byte) {
	s.Helper()
	for _, store := range s.both {
		s.reads(store, p, 0, data)
		if r, err := store.Open(s.Context(), p, 0, int64(len(data))+1); err == nil {
			s.ok(r.Close())
			s.Fatalf("%s can be read beyond its end", blobName(p))
		}
	}
}

// reads fails unless store hands out want from off on.
func (s *blobSuite) reads(store securesend.BlobStore, p securesend.Part, off int64, want []byte) {
	s.Helper()
	r, err := store.Open(s.Context(), p, off, int64(len(want)))
	if err != nil {
		s.Fatalf("%s, %d bytes from %d on: %v", blobName(p), len(want), off, err)
	}
	got, err := io.ReadAll(r)
	s.ok(err)
	s.ok(r.Close())
	if !bytes.Equal(got, want) {
		s.Fatalf("%s, %d bytes from %d on: these are other bytes, %d of them", blobName(p), len(want), off, len(got))
	}
}

// hasNot fails unless every instance says that there is no p.
func (s *blobSuite) hasNot(p securesend.Part) {
	s.Helper()
	for _, store := range s.both {
		r, err := store.Open(s.Context(), p, 0, 0)
		if err == nil {
			s.ok(r.Close())
		}
		s.is(err, securesend.ErrNoPart)
	}
}

// lists fails unless every instance lists want, which is sorted.
func (s *blobSuite) lists(ref securesend.Ref, want ...securesend.PartInfo) {
	s.Helper()
	for _, store := range s.both {
		got, err := store.List(s.Context(), ref)
		s.ok(err)
		if len(got) == 0 && len(want) == 0 {
			continue
		}
		if !reflect.DeepEqual(got, want) {
			s.Fatalf("the list of %q: got\n%+v\nwant\n%+v", ref, got, want)
		}
	}
}
