package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

const partSize = securesend.PartChunks * sealedChunk

// uploader fills one send or answers one request.
type uploader struct {
	*caller
	secret   wire.Bytes
	context  [securesend.KeySize]byte
	limits   wire.Limits
	keys     securesend.Keys
	header   securesend.Header
	progress func(Progress)
	// before are the parts that were there before the first of ours was sent, by file and number.
	before map[[2]int]bool
}

// check refuses what the tenant does not allow, before anything is sent.
func (u *uploader) check(text string, files []securesend.File) error {
	switch {
	case text == "" && len(files) == 0:
		return fmt.Errorf("there is neither a text nor a file: %w", securesend.ErrInvalid)
	case len(text) > u.limits.Text:
		return fmt.Errorf("the text has %d bytes, at most %d are allowed: send it as a file: %w", len(text), u.limits.Text, securesend.ErrTooLarge)
	case len(files) > 0 && u.limits.Files == 0:
		return fmt.Errorf("files are not allowed: %w", securesend.ErrForbidden)
	case len(files) > u.limits.Files:
		return fmt.Errorf("there are %d files, at most %d are allowed: %w", len(files), u.limits.Files, securesend.ErrTooLarge)
	}
	left := u.limits.Total
	for i, f := range files {
		if f.Reader == nil {
			return fmt.Errorf("file %d has no Reader: %w", i+1, securesend.ErrInvalid)
		}
		if f.Size > left {
			return fmt.Errorf("the files have more than %d bytes together, which is the tenant's limit: %w", u.limits.Total, securesend.ErrTooLarge)
		}
		left -= max(f.Size, 0)
	}
	return nil
}

// fresh makes sure that nothing is left of an upload that broke off: its key is gone, and its parts would be in the way.
func (u *uploader) fresh(ctx context.Context, files []securesend.File) error {
	if u.limits.Files == 0 {
		return nil
	}
	var have wire.Parts
	if err := u.persist(ctx, "parts", wire.Upload{Upload: u.secret}, &have); err != nil {
		return err
	}
	u.before = map[[2]int]bool{}
	for file, parts := range have.Files {
		for _, n := range parts {
			u.before[[2]int{file, n}] = true
			if file >= len(files) || files[file].Size < 0 || int64(n) >= securesend.Parts(files[file].Size) {
				return fmt.Errorf("an upload has broken off here that had more or larger files: a new link is needed: %w", securesend.ErrConflict)
			}
		}
	}
	return nil
}

// files seals all files and uploads them, with one part of them in memory.
func (u *uploader) files(ctx context.Context, files []securesend.File) ([]securesend.FileInfo, error) {
	if len(files) == 0 {
		return nil, nil
	}
	buf := make([]byte, partSize)
	var out []securesend.FileInfo
	for i, f := range files {
		size, err := u.file(ctx, files, i, buf)
		if err != nil {
			return nil, fmt.Errorf("file %d: %w", i+1, err)
		}
		out = append(out, securesend.FileInfo{Name: f.Name, Size: size})
	}
	return out, nil
}

func (u *uploader) file(ctx context.Context, files []securesend.File, i int, buf []byte) (int64, error) {
	cipher, err := u.keys.File(u.context, u.header, i)
	if err != nil {
		return 0, err
	}
	f := files[i]
	sealed := cipher.SealReader(f.Reader, f.Size)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return 0, context.Cause(ctx)
		}
		size, err := io.ReadFull(sealed, buf)
		switch err { // ReadFull's own: what the caller's reader says is wrapped, and no end of the file
		case nil, io.ErrUnexpectedEOF:
		case io.EOF:
			return sealed.Size(), nil
		default:
			return 0, err
		}
		if sealed.Size() > u.limits.Total {
			return 0, fmt.Errorf("it has more than %d bytes, which is the tenant's limit: %w", u.limits.Total, securesend.ErrTooLarge)
		}
		if err := u.part(ctx, i, n, buf[:size]); err != nil {
			return 0, err
		}
		if u.progress != nil {
			u.progress(Progress{File: i, Files: len(files), Name: securesend.CleanName(f.Name), Done: sealed.Size(), Total: f.Size})
		}
		if size < len(buf) {
			return sealed.Size(), nil
		}
	}
}

// part uploads one part, and where the connection drops asks whether it has arrived before it sends the same bytes again.
func (u *uploader) part(ctx context.Context, file, n int, sealed []byte) error {
	secret, err := u.secret.MarshalText()
	if err != nil {
		return err
	}
	name := "part/" + strconv.Itoa(file) + "/" + strconv.Itoa(n)
	return u.retry(ctx, func() error {
		resp, w, err := u.request(ctx, name, wire.Octet, sealed, wire.UploadHeader, string(secret))
		if err == nil {
			_, _ = io.CopyN(io.Discard, resp.Body, 1<<10) // so that the connection can be used again
			w.end()
			return resp.Body.Close()
		}
		if _, ok := errors.AsType[*droppedError](err); !ok {
			return err
		}
		if u.arrived(ctx, file, n) {
			return nil
		}
		return err
	})
}

// arrived reports whether a part of ours is there, though its answer was lost.
func (u *uploader) arrived(ctx context.Context, file, n int) bool {
	var have wire.Parts
	return !u.before[[2]int{file, n}] && u.call(ctx, "parts", wire.Upload{Upload: u.secret}, &have) == nil &&
		file < len(have.Files) && slices.Contains(have.Files[file], n)
}

// commit completes the upload.
func (u *uploader) commit(ctx context.Context, text string, files []securesend.FileInfo, c wire.Commit) (wire.Committed, error) {
	var done wire.Committed
	var err error
	if c.Manifest, err = u.keys.SealManifest(u.context, u.header, securesend.Manifest{Text: text, Files: files}); err != nil {
		return done, err
	}
	c.Upload, c.Header = u.secret, u.header.Bytes()
	for _, f := range files {
		c.Sizes = append(c.Sizes, f.Size)
	}
	err = u.persist(ctx, "commit", c, &done)
	return done, err
}
