package sqlstore

import (
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/internal/sqlx"
)

// bulk are rows of one table on their way to the database: as many as there are, in one statement. PostgreSQL gets an
// array for each column, as text in its own notation, because it reads that faster than JSON and every driver can send a
// text; SQLite gets one JSON array of arrays.
type bulk struct {
	d    sqlx.Dialect
	rows int
	cols []strings.Builder // PostgreSQL
	json strings.Builder   // SQLite
	at   int
}

func newBulk(d sqlx.Dialect, columns int) *bulk {
	b := &bulk{d: d}
	if d == Postgres {
		b.cols = make([]strings.Builder, columns)
	}
	return b
}

// begin begins a row; text and number then add its columns in order.
func (b *bulk) begin() *bulk {
	if b.d != Postgres {
		b.json.WriteString([]string{"[[", "],["}[min(b.rows, 1)])
	}
	b.rows++
	b.at = 0
	return b
}

// next returns where the next value goes, after the comma.
func (b *bulk) next() *strings.Builder {
	out, first := &b.json, b.at == 0
	if b.d == Postgres {
		out, first = &b.cols[b.at], b.rows == 1
	}
	switch {
	case !first:
		out.WriteByte(',')
	case b.d == Postgres:
		out.WriteByte('{')
	}
	b.at++
	return out
}

// text adds a text. What PostgreSQL does not store is replaced.
func (b *bulk) text(s string) *bulk {
	out := b.next()
	s = sqlx.Words(s)
	out.Grow(len(s) + 2)
	out.WriteByte('"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' || c < ' ' && b.d == Postgres {
			continue
		}
		out.WriteString(s[from:i])
		from = i + 1
		if c >= ' ' {
			out.WriteByte('\\')
			out.WriteByte(c)
			continue
		}
		const hex = "0123456789abcdef"
		out.WriteString(`\u00`)
		out.WriteByte(hex[c>>4])
		out.WriteByte(hex[c&15])
	}
	out.WriteString(s[from:])
	out.WriteByte('"')
	return b
}

func (b *bulk) number(n int64) *bulk {
	b.next().WriteString(strconv.FormatInt(n, 10))
	return b
}

func (b *bulk) truth(v bool) *bulk {
	if v {
		return b.number(1)
	}
	return b.number(0)
}

// args are the values of the statement's placeholders, see from. They end the bulk.
func (b *bulk) args() []any {
	if b.d != Postgres {
		if b.rows == 0 {
			return []any{"[]"}
		}
		b.json.WriteString("]]")
		return []any{b.json.String()}
	}
	out := make([]any, len(b.cols))
	for i := range b.cols {
		if b.rows == 0 {
			b.cols[i].WriteByte('{')
		}
		b.cols[i].WriteByte('}')
		out[i] = b.cols[i].String()
	}
	return out
}

// from is the table expression of a bulk in FROM, named b, with the columns c0, c1 and so on. kinds has a letter for each
// column: t for text, i for a number. It takes the placeholders of args.
func from(d sqlx.Dialect, kinds string) string {
	parts := make([]string, len(kinds))
	if d != Postgres {
		for i := range kinds {
			n := strconv.Itoa(i)
			parts[i] = "json_extract(value, '$[" + n + "]') AS c" + n
		}
		return "(SELECT " + strings.Join(parts, ", ") + " FROM json_each(?)) AS b"
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		parts[i], names[i] = "?::text::text[]", "c"+strconv.Itoa(i)
		if k == 'i' {
			parts[i] = "?::text::bigint[]"
		}
	}
	return "unnest(" + strings.Join(parts, ", ") + ") AS b (" + strings.Join(names, ", ") + ")"
}

// list is a bulk of one text column.
func list(d sqlx.Dialect, values []string) []any {
	b := newBulk(d, 1)
	for _, v := range values {
		b.begin().text(v)
	}
	return b.args()
}
