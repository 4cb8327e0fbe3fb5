package csvcontacts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/phone"
)

// The defaults of [Options].
const (
	DefaultMaxPage  = 1000
	DefaultMaxField = 4 << 10
	DefaultMaxRow   = 64 << 10
	DefaultMaxRows  = 1_000_000
	DefaultMaxBytes = 1 << 30
)

// Options of a [Source]. The zero value reads what the programs in the package comment export. A limit that is negative
// is none, but for MaxRow, which bounds memory.
type Options struct {
	// Comma is what stands between two columns: 0 means that comma, semicolon or tab is found out from the header.
	Comma rune
	// Columns says what a column is for, by its name in the header; case and spaces around it do not matter. It comes
	// before the names that are known. [FieldIgnore] leaves one out.
	Columns map[string]Field
	// Region is the ISO 3166-1 code in upper case in which national phone numbers are read, for example "US". Empty means
	// that only numbers with their country code get an E.164 form; the others are there as they were written.
	Region string
	// MaxPage is the most contacts of a page, MaxRows of a file.
	MaxPage, MaxRows int
	// MaxField and MaxRow are the longest cell and row in bytes, MaxBytes the longest file.
	MaxField, MaxRow int
	MaxBytes         int64
	// Now is the clock by which a file's time is told to be old enough to be trusted; nil means [time.Now].
	Now func() time.Time
}

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	var errs []error
	if out.Region != "" && !phone.KnownRegion(out.Region) {
		errs = append(errs, fmt.Errorf("csvcontacts: Options.Region %q is not an ISO 3166-1 code in upper case such as \"US\": %w", out.Region, mspkit.ErrInvalid))
	}
	switch out.Comma {
	case '"', '\r', '\n', '\uFFFD':
		errs = append(errs, fmt.Errorf("csvcontacts: Options.Comma %q cannot stand between columns: %w", out.Comma, mspkit.ErrInvalid))
	}
	fields := slices.Collect(maps.Values(known))
	for name, f := range out.Columns {
		if f != FieldIgnore && !slices.Contains(fields, f) {
			errs = append(errs, fmt.Errorf("csvcontacts: Options.Columns[%q] is not a field of this package: %w", name, mspkit.ErrInvalid))
		}
	}
	out.Columns = maps.Clone(out.Columns)
	const none = 1<<31 - 1
	limit := func(v *int, standard int) {
		switch {
		case *v == 0:
			*v = standard
		case *v < 0:
			*v = none
		}
	}
	if out.MaxRow < 0 {
		errs = append(errs, fmt.Errorf("csvcontacts: Options.MaxRow cannot be turned off, it bounds memory: %w", mspkit.ErrInvalid))
	}
	limit(&out.MaxPage, DefaultMaxPage)
	limit(&out.MaxField, DefaultMaxField)
	limit(&out.MaxRow, DefaultMaxRow)
	limit(&out.MaxRows, DefaultMaxRows)
	switch {
	case out.MaxBytes == 0:
		out.MaxBytes = DefaultMaxBytes
	case out.MaxBytes < 0:
		out.MaxBytes = 1<<63 - 1
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out, errors.Join(errs...)
}

// Opener opens a file from its beginning, for one page. A reader with Stat and Seek, as [os.File] has them, is read from
// where a page begins; any other is read as a whole for each page.
type Opener func(ctx context.Context) (io.ReadCloser, error)

// Path opens the file of that name. The name is the host's: never let a user choose it.
func Path(name string) Opener {
	return func(context.Context) (io.ReadCloser, error) {
		return os.Open(name) //nolint:gosec // the host says which file
	}
}

// Bytes opens what is in memory. It must not be changed any more.
func Bytes(data []byte) Opener {
	return func(context.Context) (io.ReadCloser, error) { return memory{bytes.NewReader(data)}, nil }
}

type memory struct{ *bytes.Reader }

func (memory) Close() error                 { return nil }
func (m memory) Stat() (fs.FileInfo, error) { return m, nil }
func (memory) Name() string                 { return "" }
func (memory) Mode() fs.FileMode            { return 0 }
func (memory) ModTime() time.Time           { return time.Time{} }
func (memory) IsDir() bool                  { return false }
func (memory) Sys() any                     { return nil }

// Source is a file as a [contacts.ContactSource]. It is safe for concurrent use.
type Source struct {
	tenant mspkit.TenantID
	open   Opener
	phones phone.Reader
	o      Options

	mu   sync.Mutex
	last imprint
}

var _ contacts.ContactSource = (*Source)(nil)

// New returns the contacts of one tenant in the file that open opens. The file is not opened yet; see [Source.Check].
func New(tenant mspkit.TenantID, open Opener, o *Options) (*Source, error) {
	opts, err := o.withDefaults()
	errs := []error{err, tenant.Validate()}
	if open == nil {
		errs = append(errs, fmt.Errorf("csvcontacts: a function that opens the file is needed: %w", mspkit.ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Source{tenant: tenant, open: open, phones: phone.Reader{Region: opts.Region}, o: opts}, nil
}

// Error is a fault of the file. It can be printed and logged: of the file it has the name of a column that is known.
type Error struct {
	// Line is where the row begins, from 1; 0 means the file as a whole.
	Line int
	// Column is the name of the column in the header; empty means the row as a whole.
	Column string
	// Reason says what is wrong and what to do.
	Reason string
}

// Error says where, what, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("csvcontacts: ")
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d", e.Line)
		if e.Column != "" {
			fmt.Fprintf(&b, ", column %q", e.Column)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap returns [mspkit.ErrInvalid].
func (*Error) Unwrap() error { return mspkit.ErrInvalid }

// FetchContacts returns a page of the file, in its order. Every run is whole. A fault of the file, which is an [*Error],
// ends the run: nobody may be taken for gone because a row cannot be read.
func (s *Source) FetchContacts(ctx context.Context, q contacts.Query) (contacts.Page, error) {
	if err := ctx.Err(); err != nil {
		return contacts.Page{}, err
	}
	if err := q.Validate(); err != nil {
		return contacts.Page{}, err
	}
	from, err := s.from(q)
	if err != nil {
		return contacts.Page{}, err
	}
	if q.Tenant != s.tenant {
		return contacts.Page{}, fmt.Errorf("csvcontacts: %w: the file is of another one", contacts.ErrTenant)
	}
	f, err := s.openAt(ctx, from)
	if err != nil {
		return contacts.Page{}, err
	}
	defer func() { _ = f.Close() }()
	limit := s.o.MaxPage
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	p := contacts.Page{Whole: true}
	var fault error
	for {
		at := f.at()
		c, _, err := f.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if len(p.Contacts) == limit { // there is more, good or bad
			p.More = true
			from = at
			break
		}
		if fault = err; fault != nil {
			break
		}
		p.Contacts = append(p.Contacts, c)
	}
	digest, err := f.finish()
	switch {
	case err != nil && fault == nil, errors.Is(err, contacts.ErrCursor):
		return contacts.Page{}, err // what changed is not what is wrong with the file
	case fault != nil:
		return contacts.Page{}, fault
	}
	if p.More {
		from.Digest = digest
		if p.Next, err = s.next(from); err != nil {
			return contacts.Page{}, err
		}
	}
	return p, nil
}
