package cloudblob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/mspkit/mspkit/securesend"
)

// bufferSize is a little more than a full part, so that drivers send it in one request.
const bufferSize = 9 << 20

// Put implements [securesend.BlobStore]. Drivers keep a part in memory while they send it: count
// with 20 MiB for each upload that runs.
func (s *Store) Put(ctx context.Context, p securesend.Part, r io.Reader) error {
	if err := p.Validate(); err != nil {
		return wrap("put", err)
	}
	return wrap("put", s.put(ctx, s.key(p), r))
}

func (s *Store) put(ctx context.Context, key string, r io.Reader) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	// A writer is given up by ending its context before it is closed.
	writing, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := s.bucket.NewWriter(writing, key, &blob.WriterOptions{
		ContentType: "application/octet-stream", BufferSize: bufferSize, MaxConcurrency: 1,
	})
	if err != nil {
		return err
	}
	whole := false
	defer func() { // also where r panics
		if !whole {
			cancel()
			_ = w.Close() // says that it was given up
		}
	}()
	// Neither side may bring its own way of copying: it would not look at ctx.
	if _, err := io.Copy(struct{ io.Writer }{w}, untilDone{ctx, r}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	whole = true
	return w.Close()
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

// Open implements [securesend.BlobStore]. The context must last until the reader is closed.
func (s *Store) Open(ctx context.Context, p securesend.Part, off, n int64) (io.ReadCloser, error) {
	if err := p.Validate(); err != nil {
		return nil, wrap("open", err)
	}
	if off < 0 || n < 0 {
		return nil, wrap("open", fmt.Errorf("an offset or length below 0: %w", securesend.ErrInvalid))
	}
	r, err := s.openRange(ctx, s.key(p), off, n)
	if gcerrors.Code(err) == gcerrors.NotFound {
		err = securesend.ErrNoPart
	}
	if err != nil {
		return nil, wrap("open", err)
	}
	return r, nil
}

func (s *Store) openRange(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if n == 0 { // a range of nothing is an error to some storages
		a, err := s.bucket.Attributes(ctx, key)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(strings.NewReader("")), fits(off, n, a.Size)
	}
	r, err := s.bucket.NewRangeReader(ctx, key, off, n, nil)
	if err != nil {
		return nil, s.shorter(ctx, key, off, n, err)
	}
	if err := fits(off, n, r.Size()); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return &reader{r, n}, nil
}

// shorter says it in our words where a storage refuses a range because it begins behind the end.
func (s *Store) shorter(ctx context.Context, key string, off, n int64, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return err
	}
	a, attrErr := s.bucket.Attributes(ctx, key)
	if attrErr != nil {
		return err
	}
	return cmp.Or(fits(off, n, a.Size), err)
}

func fits(off, n, size int64) error {
	if off > size || n > size-off {
		return fmt.Errorf("%d bytes from %d on, of %d: %w", n, off, size, io.ErrUnexpectedEOF)
	}
	return nil
}

// reader hands out the next left bytes of r. An answer that ends before is an error.
type reader struct {
	r    *blob.Reader
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.r.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF) && r.left > 0:
		err = wrap("read", io.ErrUnexpectedEOF)
	case err != nil && !errors.Is(err, io.EOF):
		err = wrap("read", err)
	}
	return n, err
}

func (r *reader) Close() error { return wrap("close", r.r.Close()) }

// List implements [securesend.BlobStore].
func (s *Store) List(ctx context.Context, ref securesend.Ref) ([]securesend.PartInfo, error) {
	if err := ref.Validate(); err != nil {
		return nil, wrap("list", err)
	}
	var out []securesend.PartInfo
	folder := s.folder(ref)
	err := s.each(ctx, folder, func(o *blob.ListObject) {
		if file, n, ok := parse(strings.TrimPrefix(o.Key, folder)); ok {
			out = append(out, securesend.PartInfo{File: file, N: n, Size: o.Size})
		}
	})
	if err != nil {
		return nil, wrap("list", err)
	}
	slices.SortFunc(out, func(x, y securesend.PartInfo) int {
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.N, y.N))
	})
	return out, nil
}

// each calls f with every object of a folder.
func (s *Store) each(ctx context.Context, folder string, f func(*blob.ListObject)) error {
	it := s.bucket.List(&blob.ListOptions{Prefix: folder})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f(o)
	}
}

// deleters is how many objects are deleted at once: a send of 5 GiB has 640.
const deleters = 8

// Delete implements [securesend.BlobStore]. It goes on after a failure and reports all of them; what is left is deleted
// by the next call.
func (s *Store) Delete(ctx context.Context, ref securesend.Ref) error {
	if err := ref.Validate(); err != nil {
		return wrap("delete", err)
	}
	var keys []string
	if err := s.each(ctx, s.folder(ref), func(o *blob.ListObject) { keys = append(keys, o.Key) }); err != nil {
		return wrap("delete", err)
	}
	todo, errs := make(chan string), make([]error, deleters)
	var done sync.WaitGroup
	for i := range errs {
		done.Go(func() {
			for key := range todo {
				if err := s.bucket.Delete(ctx, key); gcerrors.Code(err) != gcerrors.NotFound {
					errs[i] = cmp.Or(errs[i], err) // the first of each says enough
				}
			}
		})
	}
	for _, key := range keys {
		todo <- key
	}
	close(todo)
	done.Wait()
	return wrap("delete", errors.Join(errs...))
}
