package sqlx

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// Dialect is a kind of database. The zero value is none, so that a host has to choose.
type Dialect int

// The dialects.
const (
	// SQLite is SQLite 3.35 or newer (RETURNING, upsert).
	SQLite Dialect = iota + 1
	// Postgres is PostgreSQL 12 or newer.
	Postgres
)

// String returns "sqlite", "postgres" or "unknown dialect".
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "sqlite"
	case Postgres:
		return "postgres"
	}
	return "unknown dialect"
}

// Validate reports whether d is one of the dialects, with [mspkit.ErrInvalid] if it is not.
func (d Dialect) Validate() error {
	if d != SQLite && d != Postgres {
		return fmt.Errorf("sqlx: %s %d: %w", d, int(d), mspkit.ErrInvalid)
	}
	return nil
}

// Rebind returns query with each ? placeholder in the dialect's form: unchanged on SQLite, $1, $2, … on
// PostgreSQL. Question marks within '…', "…", -- and /* */ stay. PostgreSQL's own operators with a question
// mark cannot be written; use their function forms.
func (d Dialect) Rebind(query string) string {
	if d != Postgres || strings.IndexByte(query, '?') < 0 {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 16)
	n := 0
	for i := 0; i < len(query); {
		if end := skipped(query, i); end > i {
			b.WriteString(query[i:end])
			i = end
			continue
		}
		if query[i] == '?' {
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		} else {
			b.WriteByte(query[i])
		}
		i++
	}
	return b.String()
}

// skipped returns the end of the quoted text or comment that begins at i, or i if none does. A doubled quote
// needs no care of its own: it ends one quoted text and begins the next.
func skipped(s string, i int) int {
	var closing string
	from := i + 1
	switch {
	case s[i] == '\'' || s[i] == '"':
		closing = s[i : i+1]
	case strings.HasPrefix(s[i:], "--"):
		closing = "\n"
	case strings.HasPrefix(s[i:], "/*"):
		closing, from = "*/", i+2
	default:
		return i
	}
	if n := strings.Index(s[from:], closing); n >= 0 {
		return from + n + len(closing)
	}
	return len(s)
}

// Micros returns t as Unix microseconds, the form in which every time is stored: both databases compare
// it exactly, and neither has a say in its zone. The zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of [Micros], in UTC. 0 is the zero time.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
