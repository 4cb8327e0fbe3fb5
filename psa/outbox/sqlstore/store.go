package sqlstore

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/psa/outbox"
)

// Dialect is a kind of database. The zero value is none, so that a host has to choose.
type Dialect = sqlx.Dialect

// The dialects.
const (
	// SQLite is SQLite 3.35 or newer.
	SQLite = sqlx.SQLite
	// Postgres is PostgreSQL 12 or newer.
	Postgres = sqlx.Postgres
)

// The errors of migrations.
var (
	// ErrOutdated means that the tables are older than this release: run [Migrate].
	ErrOutdated = sqlx.ErrOutdated
	// ErrEdited means that a migration reads differently than when it ran.
	ErrEdited = sqlx.ErrEdited
)

// Options say where the tables are. Nil and the zero value are fine. [New] and [Migrate] need the same ones.
type Options struct {
	// Prefix begins the name of every table and index: 1 to 24 of a-z, 0-9 and '_', a letter first. Empty
	// means "mspkit_".
	Prefix string
	// Schema is the PostgreSQL schema of the tables. Empty means the connection's search path. SQLite has none.
	Schema string
}

// Store is an [outbox.TxStore] in an SQL database. Use [New].
type Store struct {
	db *sqlx.DB
	q  *statements
}

var _ outbox.TxStore = (*Store)(nil)

// New returns a store on the tables that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the tables once and fails with [ErrOutdated] where they are missing or older than this
// release; newer ones are fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component.Open(db, d, (*sqlx.Tables)(o))
	if err != nil {
		return nil, err
	}
	return &Store{db: x, q: newStatements(x)}, nil
}

// wrap names the method where the database failed.
func wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

// place is the stream of a ticket as its columns.
type place struct{ tenant, system, ticket string }

// placeOf reads a stream of this package's kind.
func placeOf(s mspkit.Stream) (place, error) {
	system, id, ok := strings.Cut(s.Key, "/")
	if s.Kind != outbox.Kind || !ok || id == "" {
		return place{}, fmt.Errorf("sqlstore: the stream of kind %q is not one of an outbox: %w", s.Kind, mspkit.ErrInvalid)
	}
	return place{string(s.Tenant), system, id}, nil
}

type scanner interface{ Scan(dest ...any) error }

// scanEntry reads noteColumns.
func scanEntry(row scanner, more ...any) (outbox.Entry, error) {
	var e outbox.Entry
	var ids string
	var tried, due, added, ended int64
	err := row.Scan(append([]any{
		&e.Seq, &e.Tenant, &e.ID, &e.Ticket.System, &e.Ticket.ID, &e.Key, &e.State, &e.Parts, &e.Done, &ids,
		&e.Tries, &e.Unclear, &tried, &due, &added, &ended, &e.Fault,
	}, more...)...)
	if err != nil {
		return outbox.Entry{}, err
	}
	if e.NoteIDs, err = decodeIDs(ids); err != nil {
		return outbox.Entry{}, fmt.Errorf("column note_ids of note %s: %w", e.ID, err)
	}
	e.TriedAt, e.Due, e.AddedAt, e.EndedAt = sqlx.Time(tried), sqlx.Time(due), sqlx.Time(added), sqlx.Time(ended)
	return e, nil
}

// all reads every row and closes rows.
func all[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func encodeIDs(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	b, _ := json.Marshal(ids) //nolint:errchkjson // texts can always be encoded
	return string(b)
}

func decodeIDs(text string) (ids []string, err error) {
	if text == "" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(text), &ids)
	return ids, err
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func present(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
