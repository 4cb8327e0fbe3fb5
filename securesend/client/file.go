package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

const sealedChunk = securesend.ChunkSize + securesend.Overhead

// File reads one file of a send, and goes on by itself where the connection drops. Only [io.EOF] means that it is complete.
// It is not safe for concurrent use.
type File struct {
	*securesend.OpenReader
	r *remote
}

// File returns a file, counted from 0, from its beginning. It needs a little more than 1 MiB of memory. Read it without
// pauses of more than half a minute: the lease does not wait. Reading fails with [securesend.ErrEnvelope] where the file was
// altered, with [securesend.ErrEnded] where the lease or the send is over, and with [ErrServer]. The caller closes it.
func (c *Content) File(ctx context.Context, i int) (*File, error) {
	if i < 0 || i >= len(c.Files) {
		return nil, wrap("file", fmt.Errorf("there is no file %d: %w", i+1, securesend.ErrInvalid))
	}
	cipher, err := c.keys.File(c.context, c.header, i)
	if err != nil {
		return nil, wrap("file", err)
	}
	r := &remote{ctx: ctx, content: c, file: i, size: c.Files[i].Size, end: securesend.SealedSize(c.Files[i].Size)}
	return &File{cipher.OpenReader(r, r.size, 0), r}, nil
}

// Close ends the reading. It never fails.
func (f *File) Close() error {
	f.r.close()
	return nil
}

// Save writes all files into the folder dir, under their names, and returns these. A file that is there already is an
// [os.ErrExist] and stays as it is; what could not be read completely is removed again.
func (c *Content) Save(ctx context.Context, dir string) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, wrap("save", err)
	}
	defer func() { _ = root.Close() }()
	var names []string
	for i, f := range c.Files {
		if err := c.save(ctx, root, i); err != nil {
			return names, wrap("save", err)
		}
		names = append(names, f.Name)
	}
	return names, nil
}

func (c *Content) save(ctx context.Context, root *os.Root, i int) (err error) {
	f, err := c.File(ctx, i)
	if err != nil {
		return err
	}
	defer f.r.close()
	out, err := root.OpenFile(c.Files[i].Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.WriteTo(out); err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		err = errors.Join(err, root.Remove(c.Files[i].Name))
	}
	return err
}

// remote reads the sealed bytes of a file, range by range. Where the connection drops it asks again for the chunk in which
// that happened, and leaves out what it has handed over of it.
type remote struct {
	ctx      context.Context //nolint:containedctx // a reader belongs to the call that made it
	content  *Content
	file     int
	size     int64 // before sealing
	off, end int64
	resp     io.ReadCloser // of the present range
	w        *watch
	until    int64 // the end of the present range
	told     int64 // chunks that Progress was told about
}

// Read implements [io.Reader].
func (r *remote) Read(p []byte) (int, error) {
	if r.off == r.end {
		r.close()
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	err := r.content.c.retry(r.ctx, func() (err error) {
		n, err = r.once(p)
		return err
	})
	r.off += int64(n)
	if err != nil {
		r.close()
		return n, err
	}
	if r.off == r.until {
		r.close()
	}
	r.tell()
	return n, nil
}

// once reads some bytes, of a new range where there is none.
func (r *remote) once(p []byte) (int, error) {
	if r.resp == nil {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	r.w.moved()
	n, err := r.resp.Read(p[:min(int64(len(p)), r.until-r.off)])
	r.w.rest()
	if n > 0 {
		return n, nil // an error comes again
	}
	if err == nil {
		return 0, nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the range is not complete
	}
	err = r.w.failed(r.ctx, err)
	r.close()
	return 0, err
}

// next asks for the range that follows.
func (r *remote) next() error {
	from := r.off / sealedChunk
	to := min(from+securesend.MaxRange, securesend.Chunks(r.size))
	c := r.content
	in, err := json.Marshal(wire.Chunks{Auth: c.auth, Claim: c.claim, File: r.file, From: from, To: to})
	if err != nil {
		return err
	}
	resp, w, err := c.c.request(r.ctx, "chunks", wire.JSON, in)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, body{resp.Body, w}, r.off-from*sealedChunk); err != nil {
		err = w.failed(r.ctx, err)
		w.end()
		_ = resp.Body.Close()
		return err
	}
	r.resp, r.w, r.until = resp.Body, w, min(to*sealedChunk, r.end)
	return nil
}

func (r *remote) close() {
	if r.resp == nil {
		return
	}
	if r.off == r.until { // so that the connection can be used again
		r.w.moved()
		_, _ = io.CopyN(io.Discard, r.resp, 1)
	}
	_ = r.resp.Close()
	r.w.end()
	r.resp = nil
}

// tell tells about progress once for each chunk.
func (r *remote) tell() {
	done := r.off / sealedChunk
	if r.off == r.end {
		done = securesend.Chunks(r.size)
	}
	if done == r.told || r.content.progress == nil {
		return
	}
	r.told = done
	f := r.content.Files[r.file]
	r.content.progress(Progress{File: r.file, Files: len(r.content.Files), Name: f.Name, Done: min(done*securesend.ChunkSize, r.size), Total: r.size})
}
