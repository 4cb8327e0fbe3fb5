package csvcontacts

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"slices"

	"github.com/mspkit/mspkit/internal/cleantext"
)

// maxReported is how many faults and duplicates a [Report] has.
const maxReported = 100

// Report is what [Source.Check] found.
type Report struct {
	// Rows are the contacts that can be read.
	Rows int
	// Columns says what each column of the header is taken for; [FieldIgnore] are those that are not read.
	Columns []Column
	// Faults are the rows that cannot be read, the first hundred of them. Any makes a run fail.
	Faults []*Error
	// Duplicates are rows whose id an earlier row has, the first hundred of them by line. The last one counts.
	Duplicates []Duplicate
	// More is true where there are more faults or duplicates than the report has.
	More bool
}

// Column is a column of the header.
type Column struct {
	Header string
	Field  Field
}

// Duplicate is a row whose id is that of an earlier one.
type Duplicate struct{ Line, First int }

// Check reads the whole file and reports everything that is wrong with it at once, for who uploads one. It takes 16 bytes
// of memory for each row. The error is that of opening or reading the file; a header that cannot be read is a fault.
func (s *Source) Check(ctx context.Context) (Report, error) {
	var rep Report
	f, err := s.openAt(ctx, place{})
	if err != nil {
		err = rep.fault(err)
		return rep, err
	}
	defer func() { _ = f.Close() }()
	for _, c := range f.rows.columns {
		rep.Columns = append(rep.Columns, Column{Header: cleantext.Line(c.header, cleantext.MaxName), Field: c.field})
	}
	type seen struct {
		id   uint64
		line int
	}
	var ids []seen
	seed := maphash.MakeSeed()
	for {
		c, line, err := f.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if err := rep.fault(err); err != nil {
				return rep, err
			}
			if line == 0 {
				break
			}
			continue
		}
		rep.Rows++
		ids = append(ids, seen{maphash.String(seed, c.ID), line})
	}
	slices.SortFunc(ids, func(a, b seen) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.line, b.line)) })
	for i, first := 1, 0; i < len(ids); i++ {
		if ids[i].id != ids[first].id {
			first = i
			continue
		}
		rep.Duplicates = append(rep.Duplicates, Duplicate{Line: ids[i].line, First: ids[first].line})
	}
	slices.SortFunc(rep.Duplicates, func(a, b Duplicate) int { return cmp.Compare(a.Line, b.Line) })
	if len(rep.Duplicates) > maxReported {
		rep.Duplicates, rep.More = slices.Clone(rep.Duplicates[:maxReported]), true
	}
	return rep, nil
}

// fault keeps a fault of the file and returns every other error.
func (r *Report) fault(err error) error {
	var e *Error
	switch {
	case !errors.As(err, &e):
		return err
	case len(r.Faults) == maxReported:
		r.More = true
	default:
		r.Faults = append(r.Faults, e)
	}
	return nil
}
