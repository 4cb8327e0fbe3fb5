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
	folder := s.folder(ref)
	objects, err := s.objects(ctx, folder)
	if err != nil {
		return nil, wrap("list", err)
	}
	var out []securesend.PartInfo
	for _, o := range objects {
		if file, n, ok := parse(strings.TrimPrefix(o.Key, folder)); ok {
			out = append(out, securesend.PartInfo{File: file, N: n, Size: o.Size})
		}
	}
	slices.SortFunc(out, func(x, y securesend.PartInfo) int {
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.N, y.N))
	})
	return out, nil
}

// listings is how often a listing begins, at most.
const listings = 10

// objects returns every object of a folder. A bucket in a folder of files ends its listing with NotFound where a file, a
// temporary one of an upload perhaps, vanishes between the moment it finds its name and the one it looks at it; such a
// listing begins again. A bucket that does not exist says the same, and goes on saying it.
func (s *Store) objects(ctx context.Context, folder string) (out []*blob.ListObject, err error) {
	for range listings {
		out, err = s.listing(ctx, folder)
		if gcerrors.Code(err) != gcerrors.NotFound || ctx.Err() != nil {
			break
		}
	}
	return out, err
}

// listing lists a folder once. Where it fails it returns nothing: half a listing is none.
func (s *Store) listing(ctx context.Context, folder string) ([]*blob.ListObject, error) {
	var out []*blob.ListObject
	for it := s.bucket.List(&blob.ListOptions{Prefix: folder}); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, o)
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
	objects, err := s.objects(ctx, s.folder(ref))
	if err != nil {
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
	for _, o := range objects {
		todo <- o.Key
	}
	close(todo)
	done.Wait()
	return wrap("delete", errors.Join(errs...))
}
