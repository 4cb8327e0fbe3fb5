package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/mspkit/mspkit/securesend"
)

// Blobs keeps the sealed parts of files in memory, for tests, examples and programs that may forget everything when
// they end. A part that is being uploaded is in memory as a whole. It is safe for concurrent use.
type Blobs struct {
	mu   sync.RWMutex
	refs map[securesend.Ref]map[fileAndPart][]byte
}

// fileAndPart names a part within its send. What is stored under it is never written to again.
type fileAndPart struct{ file, n int }

var _ securesend.BlobStore = (*Blobs)(nil)

// NewBlobs returns an empty store.
func NewBlobs() *Blobs {
	return &Blobs{refs: map[securesend.Ref]map[fileAndPart][]byte{}}
}

// Put implements [securesend.BlobStore].
func (b *Blobs) Put(ctx context.Context, p securesend.Part, r io.Reader) error {
	if err := p.Validate(); err != nil {
		return wrapBlob("put", err)
	}
	data, err := io.ReadAll(untilDone{ctx, r})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return wrapBlob("put", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	parts := b.refs[p.Ref]
	if parts == nil {
		parts = map[fileAndPart][]byte{}
		b.refs[p.Ref] = parts
	}
	// Clipped, so that not up to twice its size stays in memory.
	parts[fileAndPart{p.File, p.N}] = bytes.Clone(data)
	return nil
}

// Open implements [securesend.BlobStore].
func (b *Blobs) Open(ctx context.Context, p securesend.Part, off, n int64) (io.ReadCloser, error) {
	if err := p.Validate(); err != nil {
		return nil, wrapBlob("open", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, wrapBlob("open", err)
	}
	b.mu.RLock()
	data, ok := b.refs[p.Ref][fileAndPart{p.File, p.N}]
	b.mu.RUnlock()
	if !ok {
		return nil, wrapBlob("open", securesend.ErrNoPart)
	}
	size := int64(len(data))
	if off < 0 || n < 0 {
		return nil, wrapBlob("open", fmt.Errorf("an offset or length below 0: %w", securesend.ErrInvalid))
	}
	if off > size || n > size-off {
		return nil, wrapBlob("open", fmt.Errorf("%d bytes from %d on, of %d: %w", n, off, size, io.ErrUnexpectedEOF))
	}
	return io.NopCloser(bytes.NewReader(data[off : off+n])), nil
}

// List implements [securesend.BlobStore].
func (b *Blobs) List(ctx context.Context, ref securesend.Ref) ([]securesend.PartInfo, error) {
	if err := ref.Validate(); err != nil {
		return nil, wrapBlob("list", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, wrapBlob("list", err)
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	var out []securesend.PartInfo
	for p, data := range b.refs[ref] {
		out = append(out, securesend.PartInfo{File: p.file, N: p.n, Size: int64(len(data))})
	}
	slices.SortFunc(out, func(x, y securesend.PartInfo) int {
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.N, y.N))
	})
	return out, nil
}

// Delete implements [securesend.BlobStore].
func (b *Blobs) Delete(ctx context.Context, ref securesend.Ref) error {
	if err := ref.Validate(); err != nil {
		return wrapBlob("delete", err)
	}
	if err := ctx.Err(); err != nil {
		return wrapBlob("delete", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.refs, ref)
	return nil
}

// untilDone reads from r until ctx ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

func wrapBlob(verb string, err error) error {
	return fmt.Errorf("memstore: %s: %w", verb, err)
}
