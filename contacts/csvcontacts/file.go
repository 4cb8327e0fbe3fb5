package csvcontacts

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cursor"
)

const (
	owner   = "csvcontacts"
	bufSize = 64 << 10
	// settled is how long a file must not have changed before its time is trusted: some file systems count in two seconds.
	settled = 3 * time.Second
)

// place is where a page begins; it is what a cursor says.
type place struct {
	Digest string `json:"d"` // of the whole file
	Offset int64  `json:"o"`
	Line   int    `json:"l"` // of the line at Offset, from 1
	Rows   int    `json:"n"` // before Offset
}

func (s *Source) from(q contacts.Query) (place, error) {
	var p place
	if q.Cursor == "" {
		return p, nil
	}
	if !cursor.Decode(string(q.Cursor), &p, owner, string(q.Tenant)) || p.Offset <= 0 || p.Line <= 0 || p.Rows < 0 || p.Digest == "" {
		return p, fmt.Errorf("csvcontacts: the cursor is foreign or damaged: %w", contacts.ErrCursor)
	}
	return p, nil
}

func (s *Source) next(p place) (contacts.Cursor, error) {
	text, err := cursor.Encode(p, owner, string(s.tenant))
	return contacts.Cursor(text), err
}

func errChanged() error {
	return fmt.Errorf("csvcontacts: the file has changed since the first page: %w", contacts.ErrCursor)
}

// imprint is how a file is known again without reading it.
type imprint struct {
	info   fs.FileInfo
	digest string
}

func (p imprint) same(info fs.FileInfo) bool {
	if p.info == nil || info == nil || p.info.Size() != info.Size() || !p.info.ModTime().Equal(info.ModTime()) {
		return false
	}
	return os.SameFile(p.info, info) || !os.SameFile(info, info) // what does not come from os has no identity
}

func (s *Source) known(info fs.FileInfo) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.same(info) {
		return s.last.digest
	}
	return ""
}

func (s *Source) learn(info fs.FileInfo, digest string) {
	if info == nil || s.o.Now().Sub(info.ModTime()) < settled {
		return // it may change again without getting another time
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = imprint{info: info, digest: digest}
}

// file is an open file at a place.
type file struct {
	s    *Source
	c    io.Closer
	in   *input
	rows *rows
	info fs.FileInfo // nil where the reader has none
	want string      // the digest that the cursor names
	// trusted is the digest where the file is known to be as it was, so that it need not be read as a whole.
	trusted string
}

// openAt opens the file, reads its header and goes to a place.
func (s *Source) openAt(ctx context.Context, from place) (_ *file, err error) {
	r, err := s.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("csvcontacts: open the file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	f := &file{s: s, c: r, want: from.Digest, in: &input{ctx: ctx, r: r, most: s.o.MaxBytes, stop: 1<<63 - 1}}
	if st, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if f.info, err = st.Stat(); err != nil {
			return nil, fmt.Errorf("csvcontacts: open the file: %w", err)
		}
		if f.info.IsDir() {
			return nil, &Error{Reason: "this is a directory: name the file in it"}
		}
		f.trusted = s.known(f.info)
	}
	seeker, _ := r.(io.Seeker)
	switch {
	case f.trusted != "" && f.want != "" && f.trusted != f.want:
		return nil, errChanged()
	case f.trusted == "" || seeker == nil:
		f.trusted, f.in.hash = "", sha256.New()
	}
	buf := bufio.NewReaderSize(f.in, bufSize)
	if f.rows, err = s.header(f.in, buf); err != nil || from.Offset == 0 {
		if err != nil && f.want != "" {
			if _, err := f.finish(); errors.Is(err, contacts.ErrCursor) {
				return nil, err
			}
		}
		return f, err
	}
	if from.Offset < f.rows.base {
		return nil, fmt.Errorf("csvcontacts: the cursor is of no row: %w", contacts.ErrCursor)
	}
	f.in.stop = 1<<63 - 1
	if f.in.hash == nil {
		if _, err = seeker.Seek(from.Offset, io.SeekStart); err != nil {
			return nil, fmt.Errorf("csvcontacts: read the file: %w", err)
		}
		f.in.n = from.Offset
		buf.Reset(f.in)
	} else if err := discard(buf, from.Offset-f.rows.base); err != nil {
		return nil, err
	}
	f.rows.goOn(buf, from)
	return f, nil
}

func discard(buf *bufio.Reader, n int64) error {
	_, err := io.CopyN(io.Discard, buf, n)
	if errors.Is(err, io.EOF) {
		return errChanged() // it has become shorter
	}
	return err
}

func (f *file) at() place { return f.rows.at() }

// finish returns the digest of the file, and [contacts.ErrCursor] where it is not the file whose page was asked for.
func (f *file) finish() (string, error) {
	if f.trusted != "" {
		st, ok := f.c.(interface{ Stat() (fs.FileInfo, error) })
		if !ok {
			return f.trusted, nil
		}
		if info, err := st.Stat(); err != nil || !(imprint{info: f.info}).same(info) {
			return "", errChanged()
		}
		return f.trusted, nil
	}
	f.in.stop = 1<<63 - 1
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{f.in}, make([]byte, bufSize)); err != nil {
		return "", err
	}
	digest := hex.EncodeToString(f.in.hash.Sum(nil)[:16])
	if f.want != "" && digest != f.want {
		return "", errChanged()
	}
	f.s.learn(f.info, digest)
	return digest, nil
}

// Close closes what was opened.
func (f *file) Close() error { return f.c.Close() }

// input counts and hashes what is read, and reads no further than stop: a row without an end must not fill memory.
type input struct {
	ctx  context.Context //nolint:containedctx // a reader has no argument for it, and lives as long as one call
	r    io.Reader
	hash hash.Hash
	n    int64
	stop int64
	most int64
}

var errRow = errors.New("csvcontacts: a row is too long")

func (i *input) Read(p []byte) (int, error) {
	switch err := i.ctx.Err(); {
	case err != nil:
		return 0, err
	case i.n >= i.stop:
		return 0, errRow
	}
	n, err := i.r.Read(p[:min(int64(len(p)), i.stop-i.n)])
	if n > 0 && i.hash != nil {
		_, _ = i.hash.Write(p[:n])
	}
	if i.n += int64(n); i.n > i.most {
		return 0, &Error{Reason: fmt.Sprintf("the file has more than %d bytes, which Options.MaxBytes allows", i.most)}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("csvcontacts: read the file: %w", err)
	}
	return n, err
}
