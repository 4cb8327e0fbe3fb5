package csvcontacts

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// rows reads row by row and knows where it is.
type rows struct {
	s       *Source
	in      *input
	csv     *csv.Reader
	comma   rune
	columns []column
	base    int64 // where csv began, in bytes from the beginning of the file
	lines   int   // lines before base
	next    int   // lines before what is read next, from lines on; blank lines are not counted yet
	n       int   // rows so far
}

const (
	bom      = "\xef\xbb\xbf"
	separate = "sep=" // what Excel writes and understands in a first line
)

// header reads the first line.
func (s *Source) header(in *input, buf *bufio.Reader) (*rows, error) {
	r := &rows{s: s, in: in, comma: s.o.Comma}
	in.stop = int64(s.o.MaxRow) + bufSize
	start, err := buf.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, r.fault(err)
	}
	switch {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return nil, &Error{Line: 1, Reason: "this is a workbook and not text: save it as CSV UTF-8"}
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")), bytes.IndexByte(start, 0) >= 0:
		return nil, &Error{Line: 1, Reason: "the file is in UTF-16: save it as CSV UTF-8"}
	case bytes.HasPrefix(start, []byte(bom)):
		n, _ := buf.Discard(len(bom))
		r.base = int64(n)
	}
	first, err := buf.Peek(min(s.o.MaxRow, bufSize))
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errRow) {
		return nil, r.fault(err)
	}
	line, _, found := bytes.Cut(first, []byte("\n"))
	if text := strings.TrimRight(string(line), "\r"); len(text) == len(separate)+1 && strings.EqualFold(text[:len(separate)], separate) {
		if r.comma == 0 {
			r.comma = rune(text[len(separate)])
		}
		n, _ := buf.Discard(min(len(line)+1, len(first)))
		r.base, r.lines, first = r.base+int64(n), 1, first[n:]
		line, _, found = bytes.Cut(first, []byte("\n"))
	}
	if r.comma == 0 {
		r.comma = comma(line)
	}
	if r.comma == '"' || r.comma == '\r' || r.comma == '\n' || r.comma == utf8.RuneError {
		return nil, &Error{Line: 1, Reason: "the line that begins with sep= names no separator"}
	}
	if !found && bytes.IndexByte(line, '\r') >= 0 && bytes.IndexByte(line, '\r') < len(line)-1 {
		return nil, &Error{Line: 1, Reason: "the lines end with a carriage return alone: save the file as CSV UTF-8"}
	}
	r.reset(buf)
	record, at, err := r.record()
	switch {
	case errors.Is(err, io.EOF):
		return nil, &Error{Reason: "the file is empty: it needs a first line with the names of the columns"}
	case err != nil:
		return nil, err
	}
	r.columns = columnsOf(record, s.o.Columns)
	if err := s.checkColumns(r.columns, at); err != nil {
		return nil, err
	}
	// What follows is read by a reader of its own, so that where the rows begin is the same on every page.
	here := r.at()
	r.base, r.lines, r.next = here.Offset, here.Line-1, 0
	r.reset(buf)
	return r, nil
}

func (s *Source) checkColumns(columns []column, line int) error {
	var ids, emails []string
	for _, c := range columns {
		if c.is(FieldID) {
			ids = append(ids, c.header)
		}
		if c.is(FieldEmail) {
			emails = append(emails, c.header)
		}
	}
	switch {
	case len(ids) == 0 && len(emails) == 0:
		return &Error{Line: line, Reason: "there is no column for an id or an e-mail address: the first line must have the names of the columns; see Options.Columns"}
	case len(ids) > 1:
		return &Error{Line: line, Column: cleantext.Line(ids[1], cleantext.MaxName), Reason: "there are two columns for the id: set one to FieldIgnore in Options.Columns"}
	}
	return nil
}

// comma is what stands between the names of a header most often, outside of quotes.
func comma(line []byte) rune {
	count := map[byte]int{}
	quoted := false
	for _, b := range line {
		if b == '"' {
			quoted = !quoted
		} else if !quoted {
			count[b]++
		}
	}
	best := byte(',')
	for _, b := range []byte{';', '\t'} {
		if count[b] > count[best] {
			best = b
		}
	}
	return rune(best)
}

func (r *rows) reset(buf *bufio.Reader) {
	r.csv = csv.NewReader(buf) // takes buf as it is, because it is large
	r.csv.Comma, r.csv.FieldsPerRecord, r.csv.ReuseRecord = r.comma, -1, true
}

func (r *rows) goOn(buf *bufio.Reader, from place) {
	r.base, r.lines, r.next, r.n = from.Offset, from.Line-1, 0, from.Rows
	r.reset(buf)
}

// at is where the next row begins, perhaps after blank lines.
func (r *rows) at() place {
	return place{Offset: r.base + r.csv.InputOffset(), Line: r.lines + r.next + 1, Rows: r.n}
}

// record returns the next row and the line on which it begins. The row is valid until the next call. The line is 0 where
// the error leaves open where the next row begins.
func (r *rows) record() ([]string, int, error) {
	r.in.stop = r.base + r.csv.InputOffset() + int64(r.s.o.MaxRow) + bufSize
	record, err := r.csv.Read()
	if err != nil {
		return nil, 0, r.fault(err)
	}
	line, _ := r.csv.FieldPos(0)
	r.next = line
	size := len(record) - 1
	for _, v := range record {
		r.next += strings.Count(v, "\n")
		size += len(v)
	}
	line += r.lines
	for i, v := range record {
		if len(v) > r.s.o.MaxField {
			return nil, line, &Error{Line: line, Column: r.name(i), Reason: fmt.Sprintf("a cell has %d bytes, at most %d are allowed: is a quote missing?", len(v), r.s.o.MaxField)}
		}
		if !utf8.ValidString(v) {
			return nil, line, &Error{Line: line, Column: r.name(i), Reason: "a cell is not in UTF-8: save the file as CSV UTF-8"}
		}
	}
	if size > r.s.o.MaxRow {
		return nil, line, &Error{Line: line, Reason: fmt.Sprintf("the row has more than %d bytes: is a quote missing?", r.s.o.MaxRow)}
	}
	return record, line, nil
}

// name returns the name of a column that is known.
func (r *rows) name(i int) string {
	if i < len(r.columns) && r.columns[i].field != FieldIgnore {
		return cleantext.Line(r.columns[i].header, cleantext.MaxName)
	}
	return ""
}

// fault says where reading ended.
func (r *rows) fault(err error) error {
	line := r.lines + r.next + 1
	var p *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, errRow):
		return &Error{Line: line, Reason: fmt.Sprintf("a row has more than %d bytes: is a quote missing?", r.s.o.MaxRow)}
	case errors.As(err, &p):
		return &Error{Line: r.lines + p.StartLine, Reason: "a quote is not where it can be: a text that has one stands in quotes, and the quote in it is doubled"}
	}
	return err
}

// next returns the next contact and the line on which it begins, or [io.EOF]. The line is 0 where the error leaves open
// where the next row begins.
func (f *file) next() (contacts.Contact, int, error) {
	r := f.rows
	for {
		record, line, err := r.record()
		if err != nil {
			return contacts.Contact{}, line, err
		}
		if blank(record) {
			continue
		}
		if r.n++; r.n > f.s.o.MaxRows {
			return contacts.Contact{}, 0, &Error{Line: line, Reason: fmt.Sprintf("the file has more than %d rows, which Options.MaxRows allows", f.s.o.MaxRows)}
		}
		c, err := r.contact(record, line)
		return c, line, err
	}
}

func blank(record []string) bool {
	for _, v := range record {
		if strings.TrimSpace(v) != "" {
			return false
		}
	}
	return true
}
