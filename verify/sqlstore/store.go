package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
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

// Options say where the tables are. Nil and the zero value are fine. [New] and [Migrate] need the same ones, and so do all
// instances: they name the locks too.
type Options struct {
	// Prefix begins the name of every table and index: 1 to 24 of a-z, 0-9 and '_', a letter first. Empty
	// means "mspkit_".
	Prefix string
	// Schema is the PostgreSQL schema of the tables. Empty means the connection's search path. SQLite has none.
	Schema string
}

// Store is a [verify.Store] in an SQL database. Use [New].
type Store struct {
	db *sqlx.DB
	q  *statements
	o  Options
	// call is for PostgreSQL alone.
	call calls
}

var _ verify.Store = (*Store)(nil)

// New returns a store on the tables that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the tables once and fails with [ErrOutdated] where they are missing or older than this
// release; newer ones are fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component.Open(db, d, (*sqlx.Tables)(o))
	if err != nil {
		return nil, err
	}
	s := &Store{db: x, q: newStatements(x), call: newCalls(x)}
	if o != nil {
		s.o = *o
	}
	return s, nil
}

// wrap names the verb where the database failed. What the store decided is returned as it is.
func wrap(verb string, err error) error {
	var limited *verify.LimitError
	if err == nil || errors.As(err, &limited) {
		return err
	}
	for _, decided := range []error{
		verify.ErrNotFound, verify.ErrConflict, verify.ErrNotPending, verify.ErrFrozen, verify.ErrLocked,
		verify.ErrProof, verify.ErrProofExpired, verify.ErrRedeemed, verify.ErrUnapproved, verify.ErrForbidden,
	} {
		if errors.Is(err, decided) {
			return err
		}
	}
	return fmt.Errorf("sqlstore: %s: %w", verb, err)
}

// Channel returns the name of the channel on which PostgreSQL tells of changes, each time with the id of a challenge. It
// is told of nothing until this was called once, by any instance; to stop it, delete the row of verify_listening. The
// name is made of schema and prefix, so that two installations in one database do not wake each other. It is for package
// pgwatch; on SQLite it is [mspkit.ErrInvalid].
func (s *Store) Channel(ctx context.Context) (string, error) {
	if s.db.Dialect() != sqlx.Postgres {
		return "", fmt.Errorf("sqlstore: channel: %s does not notify: %w", s.db.Dialect(), mspkit.ErrInvalid)
	}
	var name string
	err := s.db.QueryRowContext(ctx, s.q.channel).Scan(&name)
	return name, wrap("channel", err)
}
