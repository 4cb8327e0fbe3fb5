package securesendtest

import (
	"bytes"
	"errors"
	"io"

	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/securesend"
)

// All of them fail by Error, because they run in goroutines.

// whole reads the size bytes of a part and returns which of the seeds they are, or that there is no part.
func (s *blobSuite) whole(store securesend.BlobStore, p securesend.Part, size int, seeds uint64) (seed uint64, there bool) {
	r, err := store.Open(s.Context(), p, 0, int64(size))
	if errors.Is(err, securesend.ErrNoPart) {
		return 0, false
	}
	if err != nil {
		s.Error(err)
		return 0, false
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		s.Error(err)
		return 0, false
	}
	for seed := range seeds {
		if bytes.Equal(got, blobData(seed, size)) {
			return seed, true
		}
	}
	s.Errorf("%s is what nobody stored: %d bytes", blobName(p), len(got))
	return 0, false
}

// blobRaceOne: a part is what one of its writers stored, at any time.
func blobRaceOne(s *blobSuite) {
	const size = 100_000
	s.put(blobPart(0, 0), blobData(0, size))
	race.On(s.both, func(store securesend.BlobStore, i int) {
		if i%2 == 0 {
			if err := store.Put(s.Context(), blobPart(0, 0), bytes.NewReader(blobData(uint64(i), size))); err != nil {
				s.Error(err)
			}
			return
		}
		if _, there := s.whole(store, blobPart(0, 0), size, race.Goroutines); !there {
			s.Error("a part was gone while it was replaced")
		}
	})
	s.lists(blobRef, securesend.PartInfo{Size: size})
	s.whole(s.both[0], blobPart(0, 0), size, race.Goroutines)
}

// blobRaceMany: parts that are stored at once, of one send and of others, are all there.
func blobRaceMany(s *blobSuite) {
	refs := []securesend.Ref{blobRef, {Tenant: "fabrikam", ID: blobRef.ID}, {Tenant: "contoso", ID: "a"}}
	race.On(s.both, func(store securesend.BlobStore, i int) {
		for _, ref := range refs {
			if err := store.Put(s.Context(), securesend.Part{Ref: ref, File: i % 3, N: i}, bytes.NewReader(blobData(uint64(i), 5000+i))); err != nil {
				s.Error(err)
			}
		}
	})
	for _, ref := range refs {
		var want []securesend.PartInfo
		for file := range 3 {
			for i := file; i < race.Goroutines; i += 3 {
				want = append(want, securesend.PartInfo{File: file, N: i, Size: int64(5000 + i)})
				s.has(securesend.Part{Ref: ref, File: file, N: i}, blobData(uint64(i), 5000+i))
			}
		}
		s.lists(ref, want...)
	}
}

func blobRaceReaders(s *blobSuite) {
	data := blobData(1, 1<<20)
	s.put(blobPart(0, 0), data)
	race.On(s.both, func(store securesend.BlobStore, i int) {
		from, to := i*1000, len(data)-i*100
		r, err := store.Open(s.Context(), blobPart(0, 0), int64(from), int64(to-from))
		if err != nil {
			s.Error(err)
			return
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			s.Error(err)
		}
		if !bytes.Equal(got, data[from:to]) {
			s.Error("one of many readers got other bytes")
		}
	})
}

// blobRaceDelete: what is stored while its send is deleted is there as a whole or not at all, and the next Delete
// deletes it.
func blobRaceDelete(s *blobSuite) {
	const size = 20_000
	bystander := securesend.Part{Ref: securesend.Ref{Tenant: "fabrikam", ID: blobRef.ID}}
	s.put(bystander, blobData(9, size))
	for i := range 8 {
		s.put(blobPart(0, i), blobData(uint64(i), size))
	}
	race.On(s.both, func(store securesend.BlobStore, i int) {
		switch i % 4 {
		case 0:
			if err := store.Delete(s.Context(), blobRef); err != nil {
				s.Error(err)
			}
		case 1:
			// It may say that its send is being deleted.
			_ = store.Put(s.Context(), blobPart(0, i%8), bytes.NewReader(blobData(uint64(i%8), size)))
		case 2:
			if seed, there := s.whole(store, blobPart(0, i%8), size, 8); there && seed != uint64(i%8) {
				s.Error("a part has the bytes of another")
			}
		case 3:
			parts, err := store.List(s.Context(), blobRef)
			if err != nil {
				s.Error(err)
			}
			for _, p := range parts {
				if p.Size != size {
					s.Errorf("a part of %d bytes is listed with %d", size, p.Size)
				}
			}
		}
	})
	s.ok(s.Delete(s.Context(), blobRef))
	s.lists(blobRef)
	s.has(bystander, blobData(9, size))
	// Afterwards the name can be used.
	s.put(blobPart(0, 0), blobData(1, size))
	s.has(blobPart(0, 0), blobData(1, size))
}
