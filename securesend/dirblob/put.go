package dirblob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/mspkit/mspkit/securesend"
)

// Put implements [securesend.BlobStore]. It needs 512 KiB of memory whatever the size of the part. Where only the last
// step fails, which flushes the folder after the part got its name, Put returns an error although the part can be read.
func (s *Store) Put(ctx context.Context, p securesend.Part, r io.Reader) error {
	if err := check(ctx, p); err != nil {
		return wrap("put", err)
	}
	return wrap("put", s.put(ctx, p, r))
}

func (s *Store) put(ctx context.Context, p securesend.Part, r io.Reader) (err error) {
	in := folderOf(p.Ref)
	f, temp, err := s.create(in, stem(p.File, p.N))
	if err != nil {
		return err
	}
	named := false
	defer func() { // also where r panics
		if !named {
			_ = f.Close() // nothing of it is wanted any more, and Clean deletes what cannot be removed now
			_ = s.root.Remove(temp)
			s.tidy(in)
		}
	}()
	if err := fill(ctx, f, r); err != nil {
		return err
	}
	if err := s.sync(f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	named, err = s.publish(ctx, in, temp, filepath.Join(in.dir, stem(p.File, p.N)+partSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the send was deleted while the part was uploaded: %w", err)
	}
	return err
}

// publish gives what has been flushed its name, and says whether it has it.
func (s *Store) publish(ctx context.Context, in folder, temp, name string) (named bool, err error) {
	// The folders have been made by us, or by somebody who has not flushed them yet.
	for _, dir := range []string{in.shard, "."} {
		if err := s.syncDir(dir); err != nil {
			return false, err
		}
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := s.root.Rename(temp, name); err != nil {
		return false, err
	}
	return true, s.syncDir(in.dir)
}

// create opens a new file beside the part that it will be. Others remove folders while they are empty, so it may take
// some tries.
func (s *Store) create(in folder, stem string) (f *os.File, name string, err error) {
	for range 100 {
		if err = s.root.MkdirAll(in.dir, 0o700); err == nil {
			name = filepath.Join(in.dir, stem+"."+rand.Text()+tempSuffix)
			f, err = s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return f, name, err
		}
	}
	return nil, "", err
}

// buffers are of the size from which on a larger one copies no faster.
var buffers = sync.Pool{New: func() any { return new([512 << 10]byte) }}

// fill copies r into f until ctx ends.
func fill(ctx context.Context, f io.Writer, r io.Reader) error {
	buf, ok := buffers.Get().(*[512 << 10]byte)
	if !ok {
		buf = new([512 << 10]byte)
	}
	defer buffers.Put(buf)
	// Neither side may bring its own way of copying: it would not look at ctx.
	_, err := io.CopyBuffer(struct{ io.Writer }{f}, untilDone{ctx, r}, buf[:])
	if err != nil {
		return err
	}
	return ctx.Err()
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
