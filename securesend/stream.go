package securesend

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// FileCipher seals and opens the chunks of one file in any order. It allocates nothing per chunk, and is not safe for
// concurrent use: another one of the same file is made by [Keys.File].
type FileCipher struct {
	aead  cipher.AEAD
	aad   []byte
	nonce [12]byte
	file  int
}

// File returns the cipher of a file, counted from 0 in the order of the manifest. It is [ErrInvalid] where the header does
// not fit the keys.
func (k Keys) File(context [KeySize]byte, header Header, file int) (*FileCipher, error) {
	if why := k.fits(header); why != "" {
		return nil, fmt.Errorf("securesend: make the cipher of a file: %s: %w", why, ErrInvalid)
	}
	if file < 0 || file >= MaxFiles {
		return nil, fmt.Errorf("securesend: make the cipher of a file: there is no file %d: %w", file, ErrInvalid)
	}
	aead, err := k.gcm("securesend/v1/file/" + strconv.Itoa(file))
	if err != nil {
		return nil, wrap("make the cipher of a file", err)
	}
	return &FileCipher{aead: aead, aad: associated("file", context, header), file: file}, nil
}

// SealChunk appends chunk k, sealed, to dst, as [cipher.AEAD.Seal] does. Every chunk but the last has [ChunkSize] bytes, and
// the last has at least one, except that of an empty file. It is [ErrInvalid] otherwise. A chunk must be sealed once.
func (c *FileCipher) SealChunk(dst, plain []byte, k int64, last bool) ([]byte, error) {
	if !validChunk(int64(len(plain)), k, last) {
		return nil, fmt.Errorf("securesend: seal chunk %d of file %d: it must not have %d bytes there: %w", k, c.file, len(plain), ErrInvalid)
	}
	return c.aead.Seal(dst, c.at(k, last), plain, c.aad), nil
}

// OpenChunk appends the plaintext of chunk k to dst, as [cipher.AEAD.Open] does. It is [ErrEnvelope] where sealed is
// anything else than that chunk of this file, and where it is the last one and last is false, or the other way round.
func (c *FileCipher) OpenChunk(dst, sealed []byte, k int64, last bool) ([]byte, error) {
	if validChunk(int64(len(sealed))-Overhead, k, last) {
		if out, err := c.aead.Open(dst, c.at(k, last), sealed, c.aad); err == nil {
			return out, nil
		}
	}
	return nil, c.refuse(k, "it does not open")
}

func (c *FileCipher) refuse(k int64, why string) error {
	return fmt.Errorf("securesend: open chunk %d of file %d: %s: %w", k, c.file, why, ErrEnvelope)
}

func validChunk(n, k int64, last bool) bool {
	switch {
	case k < 0 || k >= MaxFileSize/ChunkSize:
		return false
	case n == ChunkSize:
		return true
	}
	return last && n < ChunkSize && (n > 0 || (n == 0 && k == 0))
}

// at returns the nonce of chunk k. It stands in c because it would be allocated elsewhere.
func (c *FileCipher) at(k int64, last bool) []byte {
	binary.BigEndian.PutUint64(c.nonce[3:11], uint64(k))
	c.nonce[11] = 0
	if last {
		c.nonce[11] = 1
	}
	return c.nonce[:]
}

// SealReader is a file that is sealed while it is read. Its length is [SealedSize]; part n are the next [PartSize] bytes.
// It holds one chunk in memory.
type SealReader struct {
	c     FileCipher
	r     io.Reader
	size  int64 // as said, or negative
	read  int64
	k     int64
	buf   []byte
	out   []byte // the part of buf that waits to be read
	ahead bool   // next was read already
	next  byte
	err   error
}

// SealReader returns a reader of what r has, sealed. A size that is not negative is how many bytes r must have: where it has
// more or fewer the reader fails with [ErrInvalid], and its last chunk is never sealed. A negative one means that the size
// is not known before; [SealReader.Size] tells it after the end. Errors of r are passed on.
func (c *FileCipher) SealReader(r io.Reader, size int64) *SealReader {
	s := &SealReader{c: *c, r: r, size: size}
	if size > MaxFileSize {
		s.err = s.refuse("it is larger than any file may be", ErrTooLarge)
		return s
	}
	s.buf = make([]byte, s.want()+Overhead)
	return s
}

// Size returns how many bytes of the file have been sealed so far.
func (s *SealReader) Size() int64 { return s.read }

// Read implements [io.Reader]. A p that is as long as a sealed chunk saves a copy.
func (s *SealReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(s.out) == 0 {
		if len(p) >= ChunkSize+Overhead {
			out, err := s.chunk(p[:0:len(p)])
			return len(out), err
		}
		var err error
		if s.out, err = s.chunk(s.buf[:0]); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// WriteTo implements [io.WriterTo]: it writes one sealed chunk at a time.
func (s *SealReader) WriteTo(w io.Writer) (int64, error) { return writeTo(w, &s.out, s.buf, s.chunk) }

// want returns how many bytes the next chunk has, unless the file ends before.
func (s *SealReader) want() int64 {
	if s.size < 0 {
		return ChunkSize
	}
	return min(ChunkSize, s.size-s.read)
}

// chunk appends the next chunk to dst, sealed.
func (s *SealReader) chunk(dst []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	out, last, err := s.seal(dst)
	switch {
	case err != nil:
		s.err = err
		return nil, err
	case last:
		s.err = io.EOF
	}
	s.k++
	return out, nil
}

func (s *SealReader) seal(dst []byte) (out []byte, last bool, err error) {
	want := s.want()
	// One byte more tells whether this chunk is the last. It waits outside of buf, where the tag will be.
	plain, begin := s.buf[:want+1], 0
	if s.ahead {
		plain[0], begin = s.next, 1
	}
	n, err := readAll(s.r, plain[begin:])
	if err != nil && err != io.EOF { //nolint:errorlint // an error that wraps it is no end, but a reader that failed
		return nil, false, wrap("read the file to seal", err)
	}
	n += int64(begin)
	if s.ahead = n > want; s.ahead {
		n, s.next = want, plain[want]
	}
	last = !s.ahead
	s.read += n
	switch {
	case s.size >= 0 && last != (s.read == s.size):
		return nil, false, s.refuse("it is not as long as was said", ErrInvalid)
	case s.read == MaxFileSize && !last:
		return nil, false, s.refuse("it is larger than any file may be", ErrTooLarge)
	}
	out, err = s.c.SealChunk(dst, plain[:n], s.k, last)
	return out, last, err
}

func (s *SealReader) refuse(why string, err error) error {
	return fmt.Errorf("securesend: seal file %d: %s: %w", s.c.file, why, err)
}

// OpenReader is a file that is opened while it is read. It holds one chunk in memory.
type OpenReader struct {
	c    FileCipher
	r    io.Reader
	size int64
	k    int64
	buf  []byte
	out  []byte
	err  error
}

// OpenReader returns a reader of the plaintext from chunk from on; r has the sealed chunks from there to the end of the
// file, and size is the one in the manifest. Nothing is returned of a chunk before all of it was found to be authentic. The
// reader fails with [ErrEnvelope] where chunks are altered, cut, missing, out of order, from elsewhere, or followed by
// anything; only [io.EOF] means that the file is complete. Errors of r are passed on: read anew from [OpenReader.Next].
// A size or from that cannot be is [ErrInvalid].
func (c *FileCipher) OpenReader(r io.Reader, size, from int64) *OpenReader {
	o := &OpenReader{c: *c, r: r, size: size, k: from}
	if from < 0 || from >= Chunks(size) {
		o.err = fmt.Errorf("securesend: open file %d: there is no chunk %d in %d bytes: %w", c.file, from, size, ErrInvalid)
		return o
	}
	o.buf = make([]byte, chunkSize(size, from)+Overhead+1)
	return o
}

// Next returns the number of the next chunk that is to be opened. The chunks before it have been read, once Read returned
// an error.
func (o *OpenReader) Next() int64 { return o.k }

// Read implements [io.Reader]. A p of [ChunkSize] bytes saves a copy.
func (o *OpenReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(o.out) == 0 {
		if len(p) >= ChunkSize {
			out, err := o.chunk(p[:0:len(p)])
			if len(out) > 0 || err != nil {
				return len(out), err
			}
			continue // the empty file
		}
		var err error
		if o.out, err = o.chunk(o.buf[:0]); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.out)
	o.out = o.out[n:]
	return n, nil
}

// WriteTo implements [io.WriterTo]: it writes one chunk at a time.
func (o *OpenReader) WriteTo(w io.Writer) (int64, error) { return writeTo(w, &o.out, o.buf, o.chunk) }

// chunk appends the next chunk to dst, opened.
func (o *OpenReader) chunk(dst []byte) ([]byte, error) {
	if o.err != nil {
		return nil, o.err
	}
	out, last, err := o.open(dst)
	switch {
	case err != nil:
		o.err = err
		return nil, err
	case last:
		o.err = io.EOF
	}
	o.k++
	return out, nil
}

func (o *OpenReader) open(dst []byte) (out []byte, last bool, err error) {
	want := chunkSize(o.size, o.k) + Overhead
	last = o.k == Chunks(o.size)-1
	sealed := o.buf[:want]
	if last {
		sealed = o.buf[:want+1] // nothing may follow
	}
	n, err := readAll(o.r, sealed)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, false, wrap("read the file to open", err)
	case n < want:
		return nil, false, o.c.refuse(o.k, "it is cut")
	case n > want:
		return nil, false, o.c.refuse(o.k, "something follows the last chunk")
	}
	out, err = o.c.OpenChunk(dst, sealed[:want], o.k, last)
	return out, last, err
}

// readAll fills b. It returns io.EOF where r ends before, and other errors as they are: a connection that broke is not an
// end.
func readAll(r io.Reader, b []byte) (n int64, err error) {
	for n < int64(len(b)) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += int64(m)
	}
	if n == int64(len(b)) {
		return n, nil
	}
	return n, err
}

// writeTo writes what waits in out, and then one chunk after the other, made in buf.
func writeTo(w io.Writer, out *[]byte, buf []byte, chunk func([]byte) ([]byte, error)) (int64, error) {
	var total int64
	for {
		if len(*out) > 0 {
			n, err := w.Write(*out)
			total += int64(n)
			*out = (*out)[n:]
			if err != nil {
				return total, err
			}
			if len(*out) > 0 {
				return total, io.ErrShortWrite
			}
		}
		var err error
		switch *out, err = chunk(buf[:0]); {
		case err == io.EOF: //nolint:errorlint // as above
			return total, nil
		case err != nil:
			return total, err
		}
	}
}
