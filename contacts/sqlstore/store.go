package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// Dialect is a kind of database. The zero value is none, so that a host has to choose.
type Dialect = sqlx.Dialect

// The dialects.
const (
	// SQLite is SQLite 3.35 or newer, with its JSON functions.
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

// Options say where the tables are and which source is believed. Nil and the zero value are fine. [New] and [Migrate] need
// the same Prefix and Schema.
type Options struct {
	// Prefix begins the name of every table and index: 1 to 24 of a-z, 0-9 and '_', a letter first. Empty
	// means "mspkit_".
	Prefix string
	// Schema is the PostgreSQL schema of the tables. Empty means the connection's search path. SQLite has none.
	Schema string
	// Precedence says which source is believed; all instances need the same. A change holds for whom a source tells of next.
	Precedence contacts.Precedence
}

func (o *Options) tables() *sqlx.Tables {
	if o == nil {
		return nil
	}
	return &sqlx.Tables{Prefix: o.Prefix, Schema: o.Schema}
}

// Store is a [contacts.Directory] in an SQL database. Use [New].
type Store struct {
	db    *sqlx.DB
	q     *statements
	o     Options
	known sync.Map // consumers that are noted
}

var _ contacts.Directory = (*Store)(nil)

// New returns a store on the tables that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the tables once and fails with [ErrOutdated] where they are missing or older than this
// release; newer ones are fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	s := &Store{}
	if o != nil {
		s.o = *o
	}
	if err := s.o.Precedence.Validate(); err != nil {
		return nil, fmt.Errorf("sqlstore: new: %w", err)
	}
	x, err := component.Open(db, d, o.tables())
	if err != nil {
		return nil, err
	}
	s.db, s.q = x, newStatements(x)
	return s, nil
}

// wrap names the method where the database failed.
func wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

// wrapUnlessKnown leaves the directory's own errors as they are.
func wrapUnlessKnown(method string, err error) error {
	for _, known := range []error{
		contacts.ErrNotFound, contacts.ErrStale, contacts.ErrMassLeave, contacts.ErrConflict, contacts.ErrSource, mspkit.ErrInvalid,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	return wrap(method, err)
}

type scanner interface{ Scan(dest ...any) error }

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

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lockTenant locks the row of a tenant, which it makes where there is none, and returns the number of the last event.
func (s *Store) lockTenant(ctx context.Context, tx *sqlx.Tx, tenant mspkit.TenantID) (seq int64, err error) {
	err = tx.QueryRowContext(ctx, s.q.lock, string(tenant)).Scan(&seq)
	return seq, err
}

// lockKnown locks the row of a tenant; 0 where there is none.
func (s *Store) lockKnown(ctx context.Context, tx *sqlx.Tx, tenant mspkit.TenantID) (seq int64, err error) {
	err = tx.QueryRowContext(ctx, s.q.lockKnown, string(tenant)).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}

// change runs f with the tenant locked, within one transaction.
func (s *Store) change(ctx context.Context, tenant mspkit.TenantID, f func(context.Context, *writer) error) error {
	return s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		seq, err := s.lockTenant(ctx, tx, tenant)
		if err != nil {
			return err
		}
		if s.q.plan != "" {
			if _, err := tx.ExecContext(ctx, s.q.plan); err != nil {
				return err
			}
		}
		return f(ctx, &writer{s: s, tx: tx, tenant: tenant, seq: seq})
	})
}
