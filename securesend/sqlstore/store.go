package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
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

var (
	// ErrOutdated means that the tables are older than this release: run [Migrate].
	ErrOutdated = sqlx.ErrOutdated
	// ErrEdited means that a migration reads differently than when it ran.
	ErrEdited = sqlx.ErrEdited
	// ErrUnsafe means that settings of SQLite leave deleted content in the file, or may bring back after a power cut
	// what was handed out; the text names them.
	ErrUnsafe = errors.New("the database's settings break what a one-time secret promises")
)

// Options say where the tables are. Nil and the zero value are fine. [New] and [Migrate] need the same ones, and so do all
// instances: they name the locks too.
type Options struct {
	// Prefix begins the name of every table and index: 1 to 24 of a-z, 0-9 and '_', a letter first. Empty
	// means "mspkit_".
	Prefix string
	// Schema is the PostgreSQL schema of the tables. Empty means the connection's search path. SQLite has none.
	Schema string
	// AcceptUnsafe has [New] accept a SQLite whose settings are an [ErrUnsafe].
	AcceptUnsafe bool
}

func (o *Options) tables() *sqlx.Tables {
	if o == nil {
		return nil
	}
	return &sqlx.Tables{Prefix: o.Prefix, Schema: o.Schema}
}

// Store is a [securesend.SecretStore] in an SQL database. Use [New].
type Store struct {
	db *sqlx.DB
	q  *statements
	// key is for PostgreSQL alone.
	key int64
}

var _ securesend.SecretStore = (*Store)(nil)

// wait is how long a store waits for SQLite, and New for any database.
const wait = 10 * time.Second

// New returns a store on the tables that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the tables once and fails with [ErrOutdated] where they are missing or older than this
// release; newer ones are fine. On SQLite it fails with [ErrUnsafe] where a connection has not secure_delete(ON) and
// synchronous(FULL). Within 20 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component.Open(db, d, o.tables())
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &Options{}
	}
	s := &Store{db: x, q: newStatements(x), key: key(*o)}
	if d == SQLite && !o.AcceptUnsafe {
		if err := s.checkSettings(); err != nil {
			return nil, fmt.Errorf("sqlstore: new: %w", err)
		}
	}
	return s, nil
}

// checkSettings looks at one connection to SQLite: whoever opens the pool gives all of them the same settings.
func (s *Store) checkSettings() error {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	var errs []error
	for _, c := range []struct {
		pragma string
		safe   []int64
		why    string
	}{
		{"secure_delete", []int64{1}, "ON: otherwise the server half of what was read stays in the file"},
		{"synchronous", []int64{2, 3}, "FULL: otherwise a power cut may bring back what was just read"},
	} {
		var value int64
		if err := s.db.CallRow(ctx, "PRAGMA "+c.pragma, nil, &value); err != nil {
			return err
		}
		if !slices.Contains(c.safe, value) {
			errs = append(errs, fmt.Errorf("%w: PRAGMA %s is %d and must be %s; set it for every connection, or see AcceptUnsafe in Options",
				ErrUnsafe, c.pragma, value, c.why))
		}
	}
	return errors.Join(errs...)
}

func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: %s: %w", verb, err)
}

// key names the lock between those who store events and those who read them.
func key(o Options) int64 {
	sum := sha256.Sum256([]byte("mspkit securesend\x00" + o.Schema + "\x00" + o.Prefix))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// lock is for transactions that store events in several statements; see [Store.settled]. SQLite has one writer anyway.
func (s *Store) lock(ctx context.Context, tx *sqlx.Tx) error {
	if s.db.Dialect() != sqlx.Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock_shared(?)", s.key)
	return err
}

// row runs a query of at most one row outside of a transaction. On SQLite a reader may have to wait too, while another
// process recovers the file.
func (s *Store) row(ctx context.Context, query string, args []any, scan func(*sql.Row) error) error {
	if s.db.Dialect() == sqlx.SQLite {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	return s.db.Call(ctx, query, args, scan)
}

// all reads every row and closes rows.
func all[T any](rows *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
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
