package dirblob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/mspkit/mspkit/securesend"
)

// Open implements [securesend.BlobStore]. What it returns goes on after ctx has ended and after the part was replaced or
// deleted.
func (s *Store) Open(ctx context.Context, p securesend.Part, off, n int64) (io.ReadCloser, error) {
	if err := check(ctx, p); err != nil {
		return nil, wrap("open", err)
	}
	if off < 0 || n < 0 {
		return nil, wrap("open", fmt.Errorf("an offset or length below 0: %w", securesend.ErrInvalid))
	}
	f, err := s.root.Open(filepath.Join(folderOf(p.Ref).dir, stem(p.File, p.N)+partSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		err = securesend.ErrNoPart
	}
	if err != nil {
		return nil, wrap("open", err)
	}
	if err := seek(f, off, n); err != nil {
		return nil, wrap("open", errors.Join(err, f.Close()))
	}
	return &reader{f, n}, nil
}

// seek goes to off where n bytes follow.
func seek(f *os.File, off, n int64) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if size := fi.Size(); off > size || n > size-off {
		return fmt.Errorf("%d bytes from %d on, of %d: %w", n, off, size, io.ErrUnexpectedEOF)
	}
	_, err = f.Seek(off, io.SeekStart)
	return err
}

// reader hands out the next left bytes of f. A file that ends before is an error: somebody cut it.
type reader struct {
	f    *os.File
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.f.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = wrap("read", io.ErrUnexpectedEOF)
	}
	return n, err
}

func (r *reader) Close() error { return r.f.Close() }

// List implements [securesend.BlobStore].
func (s *Store) List(ctx context.Context, ref securesend.Ref) ([]securesend.PartInfo, error) {
	if err := check(ctx, ref); err != nil {
		return nil, wrap("list", err)
	}
	dir := folderOf(ref).dir
	entries, err := s.readDir(dir)
	if err != nil {
		return nil, wrap("list", err)
	}
	out := make([]securesend.PartInfo, 0, len(entries))
	for _, e := range entries {
		file, n, ok := parsePart(e.Name())
		if !ok {
			continue
		}
		fi, err := s.root.Lstat(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted in between
		}
		if err != nil {
			return nil, wrap("list", err)
		}
		out = append(out, securesend.PartInfo{File: file, N: n, Size: fi.Size()})
	}
	slices.SortFunc(out, func(x, y securesend.PartInfo) int {
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.N, y.N))
	})
	return out, nil
}
