package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/internal/sqlx"
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
	// ErrOutdated means that the table is older than this release: run [Migrate].
	ErrOutdated = sqlx.ErrOutdated
	// ErrEdited means that a migration reads differently than when it ran.
	ErrEdited = sqlx.ErrEdited
)

// Options say where the table is. Nil and the zero value are fine. [New] and [Migrate] need the same ones.
type Options struct {
	// Prefix begins the name of the table: 1 to 24 of a-z, 0-9 and '_', a letter first. Empty means "mspkit_".
	Prefix string
	// Schema is the PostgreSQL schema of the table. Empty means the connection's search path. SQLite has none.
	Schema string
}

// Store is an [mfa.Store] in an SQL database. Use [New].
type Store struct {
	db                       *sqlx.DB
	get, first, swap, remove string
}

var _ mfa.Store = (*Store)(nil)

// New returns a store on the table that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the table once and fails with [ErrOutdated] where it is missing or older than this
// release; a newer one is fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component.Open(db, d, (*sqlx.Tables)(o))
	if err != nil {
		return nil, err
	}
	return &Store{
		db:  x,
		get: x.SQL(`SELECT sealed, rev FROM {t}mfa_factors WHERE owner = ? AND person = ?`),
		first: x.SQL(`INSERT INTO {t}mfa_factors (owner, person, sealed, rev, changed_at) VALUES (?, ?, ?, 1, ?)
			ON CONFLICT (owner, person) DO NOTHING`),
		swap:   x.SQL(`UPDATE {t}mfa_factors SET sealed = ?, rev = rev + 1, changed_at = ? WHERE owner = ? AND person = ? AND rev = ?`),
		remove: x.SQL(`UPDATE {t}mfa_factors SET sealed = NULL, rev = rev + 1, changed_at = ? WHERE owner = ? AND person = ? AND sealed IS NOT NULL`),
	}, nil
}

// wrap names the method where the database failed.
func wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

// foreign reports whether a key cannot be stored as it is, so that nothing is stored under it.
func foreign(owner, user string) bool { return sqlx.Words(owner) != owner || sqlx.Words(user) != user }

// Get implements [mfa.Store].
func (s *Store) Get(ctx context.Context, owner, user string) (record []byte, rev int64, err error) {
	if foreign(owner, user) {
		return nil, 0, nil
	}
	err = s.db.QueryRowContext(ctx, s.get, owner, user).Scan(&record, &rev)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, wrap("get", err)
	}
	return record, rev, nil
}

// Swap implements [mfa.Store].
func (s *Store) Swap(ctx context.Context, owner, user string, record []byte, rev int64, now time.Time) error {
	if err := mfa.ValidRecord(owner, user, record); err != nil {
		return err
	}
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if rev == 0 {
			n, err = tx.Affected(ctx, s.first, owner, user, record, sqlx.Micros(now))
		} else {
			n, err = tx.Affected(ctx, s.swap, record, sqlx.Micros(now), owner, user, rev)
		}
		return err
	})
	if err == nil && n == 0 {
		return mfa.ErrConflict
	}
	return wrap("swap", err)
}

// Delete implements [mfa.Store].
func (s *Store) Delete(ctx context.Context, owner, user string, now time.Time) error {
	if foreign(owner, user) {
		return nil
	}
	return wrap("delete", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.remove, sqlx.Micros(now), owner, user)
		return err
	}))
}
