package securesendtest

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/mspkit/mspkit/securesend"
)

// blobRef is where the parts of the suite are that need one send.
var blobRef = securesend.Ref{Tenant: "contoso", ID: "5f4dcc3b5aa765d61d8327deb882cf99"}

// blobPart is part n of a file of blobRef.
func blobPart(file, n int) securesend.Part { return securesend.Part{Ref: blobRef, File: file, N: n} }

func blobName(p securesend.Part) string {
	return fmt.Sprintf("part %d of file %d of %q", p.N, p.File, p.Ref)
}

// blobData returns n bytes that differ for different seeds and nowhere repeat.
func blobData(seed uint64, n int) []byte {
	out := make([]byte, 0, n+8)
	for i := uint64(0); len(out) < n; i++ {
		x := seed<<32 + i + 1
		x ^= x >> 30
		x *= 0xbf58476d1ce4e5b9
		x ^= x >> 27
		x *= 0x94d049bb133111eb
		x ^= x >> 31
		out = binary.LittleEndian.AppendUint64(out, x)
	}
	return out[:n]
}

// blobReader hands out data in steps and calls then where data ends, whose error it returns.
type blobReader struct {
	data []byte
	step int
	then func() error
}

func (r *blobReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, r.then()
	}
	n := copy(p[:min(len(p), max(r.step, 1))], r.data)
	r.data = r.data[n:]
	return n, nil
}

// blobStutter hands out nothing every other time.
type blobStutter struct {
	r    io.Reader
	odd  bool
	size int
}

func (r *blobStutter) Read(p []byte) (int, error) {
	r.odd = !r.odd
	if r.odd {
		return 0, nil
	}
	return r.r.Read(p[:min(len(p), r.size)])
}
