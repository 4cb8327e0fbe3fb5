package securesendtest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/securesend"
)

func blobList(s *blobSuite) {
	var want []securesend.PartInfo
	for _, file := range []int{0, 1, 2, 10, 123} {
		for _, n := range []int{0, 1, 2, 9, 10, 11, 100} {
			want = append(want, securesend.PartInfo{File: file, N: n, Size: int64(file*100 + n)})
		}
	}
	for i := range want { // in an order that is none
		w := want[i*16%len(want)]
		s.put(blobPart(w.File, w.N), blobData(1, int(w.Size)))
	}
	s.lists(blobRef, want...)
	s.lists(securesend.Ref{Tenant: "fabrikam", ID: blobRef.ID})
	s.lists(securesend.Ref{Tenant: blobRef.Tenant, ID: blobRef.ID[:8]})
}

// blobMany stores more parts than a page of an object store's list has, which is 1000 mostly.
func blobMany(s *blobSuite) {
	const per = 17
	want := make([]securesend.PartInfo, per*race.Goroutines)
	race.On(s.both, func(store securesend.BlobStore, i int) {
		for j := range per {
			n := i*per + j
			want[n] = securesend.PartInfo{File: n / 1000, N: n % 1000, Size: 1}
			if err := store.Put(s.Context(), blobPart(n/1000, n%1000), strings.NewReader("x")); err != nil {
				s.Error(err)
				return
			}
		}
	})
	s.lists(blobRef, want...)
	s.ok(s.Delete(s.Context(), blobRef))
	s.lists(blobRef)
}

func blobDelete(s *blobSuite) {
	other := securesend.Part{Ref: securesend.Ref{Tenant: blobRef.Tenant, ID: "0"}}
	stranger := securesend.Part{Ref: securesend.Ref{Tenant: "fabrikam", ID: blobRef.ID}}
	data := blobData(1, 3000)
	s.ok(s.Delete(s.Context(), blobRef)) // there is none
	for _, p := range []securesend.Part{blobPart(0, 0), blobPart(0, 1), blobPart(7, 0), other, stranger} {
		s.put(p, data)
	}
	s.ok(s.both[1].Delete(s.Context(), blobRef))
	for _, p := range []securesend.Part{blobPart(0, 0), blobPart(0, 1), blobPart(7, 0)} {
		s.hasNot(p)
	}
	s.lists(blobRef)
	s.has(other, data)
	s.has(stranger, data)
	s.ok(s.Delete(s.Context(), blobRef)) // again
	// The name is free for another.
	s.put(blobPart(0, 1), data[:10])
	s.lists(blobRef, securesend.PartInfo{N: 1, Size: 10})
	s.has(blobPart(0, 1), data[:10])
}

func blobAbandoned(s *blobSuite) {
	broken := errors.New("the connection broke")
	for range 3 {
		s.is(s.Put(s.Context(), blobPart(0, 0), &blobReader{blobData(1, 1<<20), 9999, func() error { return broken }}), broken)
	}
	s.ok(s.Delete(s.Context(), blobRef))
	s.lists(blobRef)

	// One that goes on while its send is deleted ends with an error or is there as a whole.
	begun, deleted, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	data := blobData(2, 100_000)
	go func() {
		r := &blobReader{data[:50_000], 9999, func() error { close(begun); <-deleted; return io.EOF }}
		ended <- s.both[1].Put(s.Context(), blobPart(0, 0), io.MultiReader(r, bytes.NewReader(data[50_000:])))
	}()
	<-begun
	s.hasNot(blobPart(0, 0))
	s.lists(blobRef)
	err := s.Delete(s.Context(), blobRef)
	close(deleted)
	putErr := <-ended
	s.ok(err)
	if putErr == nil {
		s.has(blobPart(0, 0), data)
	} else {
		s.hasNot(blobPart(0, 0))
	}
	s.ok(s.Delete(s.Context(), blobRef))
	s.hasNot(blobPart(0, 0))
	s.lists(blobRef)
}

// apart fails unless every ref has parts of its own, and is deleted alone.
func (s *blobSuite) apart(refs []securesend.Ref) {
	s.Helper()
	for i, ref := range refs {
		s.put(securesend.Part{Ref: ref}, blobData(uint64(i), 100+i))
	}
	for i, ref := range refs {
		s.has(securesend.Part{Ref: ref}, blobData(uint64(i), 100+i))
		s.lists(ref, securesend.PartInfo{Size: int64(100 + i)})
	}
	for i, ref := range refs {
		s.ok(s.Delete(s.Context(), ref))
		s.hasNot(securesend.Part{Ref: ref})
		for j := i + 1; j < len(refs); j++ {
			s.has(securesend.Part{Ref: refs[j]}, blobData(uint64(j), 100+j))
		}
	}
}

func blobTenants(s *blobSuite) {
	long := strings.Repeat("x", mspkit.MaxID-1)
	var refs []securesend.Ref
	for _, tenant := range []string{
		"a", "A", "a.", "a/b", "a/b/", "a//b", "a%2Fb", "a%2fb", "a\\b", "a:b", "a b", "a_b", "a-b",
		".", "..", "../x", "../../x", "/", "/x", "x", "~", "*", "?", "%00", "-rf", "con", "CON", "nul.txt", "COM1", "lpt1",
		"ä", "a\u0308", "Ä", "日本", "😀", "<x>", "\"x\"", "|", "$x", "x.part", "x.tmp", long + "1", long + "2",
	} {
		refs = append(refs, securesend.Ref{Tenant: mspkit.TenantID(tenant), ID: "4711"})
	}
	s.apart(refs)
}

func blobIDs(s *blobSuite) {
	long := strings.Repeat("f", 63)
	var refs []securesend.Ref
	for _, r := range [][2]string{
		{"t", "a"},
		{"t", "ab"},
		{"t", "abc"},
		{"t", "0"},
		{"t", "00"},
		{"t", "con"},
		{"t", "nul"},
		{"t", long + "0"},
		{"t", long + "1"},
		// Together they are the same text.
		{"tt", "aa"},
		{"tta", "a"},
		{"t/a", "b"},
		{"t", "tmp"},
		{"u", "a"},
	} {
		refs = append(refs, securesend.Ref{Tenant: mspkit.TenantID(r[0]), ID: r[1]})
	}
	s.apart(refs)
}

func blobInvalid(s *blobSuite) {
	p := blobPart(0, 0)
	s.put(p, []byte("sealed"))
	for _, bad := range []securesend.Part{
		{},
		{Ref: securesend.Ref{ID: blobRef.ID}},
		{Ref: securesend.Ref{Tenant: blobRef.Tenant}},
		{Ref: securesend.Ref{Tenant: "a\x00b", ID: "a"}},
		{Ref: securesend.Ref{Tenant: mspkit.TenantID(strings.Repeat("x", mspkit.MaxID+1)), ID: "a"}},
		{Ref: securesend.Ref{Tenant: blobRef.Tenant, ID: strings.ToUpper(blobRef.ID)}},
		{Ref: securesend.Ref{Tenant: blobRef.Tenant, ID: "../" + blobRef.ID}},
		{Ref: securesend.Ref{Tenant: blobRef.Tenant, ID: "."}},
		{Ref: securesend.Ref{Tenant: blobRef.Tenant, ID: "a/b"}},
		{Ref: securesend.Ref{Tenant: blobRef.Tenant, ID: strings.Repeat("a", 65)}},
		blobPart(-1, 0),
		blobPart(0, -1),
	} {
		s.is(s.Put(s.Context(), bad, strings.NewReader("x")), securesend.ErrInvalid)
		_, err := s.Open(s.Context(), bad, 0, 1)
		s.is(err, securesend.ErrInvalid)
		if bad.Ref == blobRef {
			continue
		}
		_, err = s.List(s.Context(), bad.Ref)
		s.is(err, securesend.ErrInvalid)
		s.is(s.Delete(s.Context(), bad.Ref), securesend.ErrInvalid)
	}
	s.has(p, []byte("sealed"))
	s.lists(blobRef, securesend.PartInfo{Size: 6})
}

func blobRestart(s *blobSuite) {
	data := blobData(1, 10_000)
	s.put(blobPart(0, 0), data)
	s.put(blobPart(3, 4), data[:99])
	s.both = []securesend.BlobStore{s.open()}
	s.has(blobPart(0, 0), data)
	s.has(blobPart(3, 4), data[:99])
	s.lists(blobRef, securesend.PartInfo{Size: 10_000}, securesend.PartInfo{File: 3, N: 4, Size: 99})
	s.ok(s.both[0].Delete(s.Context(), blobRef))
	s.both = []securesend.BlobStore{s.open()}
	s.lists(blobRef)
}

// blobLeaking lets one part at a time count.
var blobLeaking sync.Mutex

// blobLeaks does everything a few hundred times and counts goroutines and open files.
func blobLeaks(s *blobSuite) {
	const rounds, tolerated = 200, 100 // other tests may run beside
	blobLeaking.Lock()
	defer blobLeaking.Unlock()
	// The garbage collector closes forgotten files, so it must not run.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	broken := errors.New("the connection broke")
	data := blobData(1, 100_000)
	s.put(blobPart(0, 0), data)
	files, goroutines := blobFiles(), runtime.NumGoroutine()
	for range rounds {
		s.is(s.Put(s.Context(), blobPart(0, 1), &blobReader{data, 9999, func() error { return broken }}), broken)
		r, err := s.Open(s.Context(), blobPart(0, 0), 1, 90_000)
		s.ok(err)
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			s.Fatal(err)
		}
		s.ok(r.Close())
		if _, err := s.Open(s.Context(), blobPart(0, 0), 1, 100_000); err == nil {
			s.Fatal("a part can be read beyond its end")
		}
		s.hasNot(blobPart(0, 2))
		s.lists(blobRef, securesend.PartInfo{Size: 100_000})
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		moreFiles, moreGoroutines := blobFiles()-files, runtime.NumGoroutine()-goroutines
		if moreFiles < tolerated && moreGoroutines < tolerated {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("after %d rounds %d more files are open and %d more goroutines run", rounds, moreFiles, moreGoroutines)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// blobFiles counts the open files of the process; 0 where the system does not tell.
func blobFiles() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}
