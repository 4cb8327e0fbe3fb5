package securesend

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mspkit/mspkit"
)

// Ref names one send or request.
type Ref struct {
	Tenant mspkit.TenantID
	// ID is a hash of the token in the link. It is no secret.
	ID string
}

// Part names one part of a file of a send: the sealed chunks PartChunks*N and those that follow it.
type Part struct {
	Ref
	// File counts from 0.
	File int
	// N counts from 0.
	N int
}

// ErrNoPart is returned where a part is not there.
var ErrNoPart = errors.New("no such part")

// BlobStore keeps the sealed parts of files. It never sees a key or a name of a file, and it need not be atomic beyond a
// part. Implementations must be safe for concurrent use and pass securesendtest.TestBlobStore.
//
// A tenant id is any printable text and must not become part of a path as it is: names that a store makes of a [Ref]
// must differ for different refs and must not lead out of the store.
type BlobStore interface {
	// Put stores a part, replacing one of the same name. Where r or the store fails, or ctx ends, nothing of it becomes
	// visible and what was there before stays. When Put has returned nil the part survives a crash, as far as the
	// store survives one at all.
	Put(ctx context.Context, p Part, r io.Reader) error
	// Open reads n bytes from off on. It is ErrNoPart where there is no such part, and an error where the part is
	// shorter. The caller closes what it gets.
	Open(ctx context.Context, p Part, off, n int64) (io.ReadCloser, error)
	// List returns the parts of a send with their sizes, sorted by file and number; none where there are none.
	List(ctx context.Context, ref Ref) ([]PartInfo, error)
	// Delete deletes all parts of a send, also those of uploads that never ended. It is nil where there are none.
	Delete(ctx context.Context, ref Ref) error
}

// PartInfo is a part as [BlobStore.List] tells it.
type PartInfo struct {
	File, N int
	// Size is in bytes, as sealed.
	Size int64
}

// Regioned is implemented by a [BlobStore] that knows its region: registering it under another one is an error of [New].
type Regioned interface{ Region() string }

// Validate reports whether r can name a send.
func (r Ref) Validate() error {
	if err := r.Tenant.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(r.ID) == 0 || len(r.ID) > 64 {
		return fmt.Errorf("the id has %d characters, it must have 1 to 64: %w", len(r.ID), ErrInvalid)
	}
	for _, c := range []byte(r.ID) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return fmt.Errorf("the id has a character other than a-z and 0-9: %w", ErrInvalid)
		}
	}
	return nil
}

// Validate reports whether p can name a part.
func (p Part) Validate() error {
	if p.File < 0 || p.N < 0 {
		return fmt.Errorf("a file or part has a number below 0: %w", ErrInvalid)
	}
	return p.Ref.Validate()
}
