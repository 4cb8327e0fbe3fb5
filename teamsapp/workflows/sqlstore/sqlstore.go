package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/teamsapp/workflows"
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
	// ErrOutdated means that a table is older than this release: run [Migrate].
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

// Store is a [workflows.Store] in an SQL database. Use [New].
type Store struct {
	db    *sqlx.DB
	posts *backlog.SQL

	lock, count, version, insert, update string
	get, getForUpdate, list, note        string
	remove, older, rewrap                string
}

var _ workflows.Store = (*Store)(nil)

// New returns a store on the tables that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the tables once and fails with [ErrOutdated] where they are missing or older than this
// release; newer ones are fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component().Open(db, d, (*sqlx.Tables)(o))
	if err != nil {
		return nil, err
	}
	const (
		columns = `tenant, id, version, sealed, failures, fault, broken_at, created_at, tested_at`
		from    = ` FROM {t}workflows_connections WHERE tenant = ?`
	)
	s := &Store{
		db: x, posts: backlog.NewSQL(x, name),
		count:   x.SQL(`SELECT count(*)` + from),
		version: x.SQL(`SELECT version` + from + ` AND id = ? {for_update}`),
		insert:  x.SQL(`INSERT INTO {t}workflows_connections (` + columns + `, sealed_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
		update: x.SQL(`UPDATE {t}workflows_connections SET version = ?, sealed = ?, failures = ?, fault = ?, broken_at = ?, tested_at = ?, sealed_key = ?
			WHERE tenant = ? AND id = ?`),
		get:          x.SQL(`SELECT ` + columns + from + ` AND id = ?`),
		getForUpdate: x.SQL(`SELECT ` + columns + from + ` AND id = ? {for_update}`),
		list:         x.SQL(`SELECT ` + columns + from + ` ORDER BY created_at, id`),
		note:         x.SQL(`UPDATE {t}workflows_connections SET failures = ?, fault = ?, broken_at = ?, tested_at = ? WHERE tenant = ? AND id = ?`),
		remove:       x.SQL(`DELETE` + from + ` AND id = ?`),
		older: x.SQL(`SELECT ` + columns + ` FROM {t}workflows_connections
			WHERE sealed_key <> ? AND (tenant > ? OR tenant = ? AND id > ?) ORDER BY tenant, id LIMIT ?`),
		rewrap: x.SQL(`UPDATE {t}workflows_connections SET sealed = ?, sealed_key = ? WHERE tenant = ? AND id = ? AND version = ?`),
	}
	if d == Postgres {
		// Of two that add one each, neither would see the other's. Nobody adds one often.
		s.lock = x.SQL(`LOCK TABLE {t}workflows_connections IN SHARE ROW EXCLUSIVE MODE`)
	}
	return s, nil
}

// Posts implements [workflows.Store].
func (s *Store) Posts() workflows.Posts { return s.posts }

// wrap names the method where the database failed.
func wrap(method string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, workflows.ErrNotFound), errors.Is(err, workflows.ErrConflict), errors.Is(err, workflows.ErrTooMany):
		return err
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

func scan(row interface{ Scan(dest ...any) error }) (workflows.Record, error) {
	var r workflows.Record
	var broken, created, tested int64
	err := row.Scan(&r.Tenant, &r.ID, &r.Version, &r.Sealed, &r.Failures, &r.Fault, &broken, &created, &tested)
	if errors.Is(err, sql.ErrNoRows) {
		err = workflows.ErrNotFound
	}
	if err != nil {
		return workflows.Record{}, err
	}
	r.BrokenAt, r.CreatedAt, r.TestedAt = sqlx.Time(broken), sqlx.Time(created), sqlx.Time(tested)
	return r, nil
}

// PutConnection implements [workflows.Store].
func (s *Store) PutConnection(ctx context.Context, r workflows.Record, most int) error {
	if err := r.Validate(); err != nil {
		return err
	}
	key, err := seal.KeyID(r.Sealed)
	if err != nil {
		return fmt.Errorf("sqlstore: put connection: what is sealed is no record of the key ring: %w", mspkit.ErrInvalid)
	}
	tenant, id, fault := string(r.Tenant), sqlx.Words(r.ID), sqlx.Words(r.Fault)
	broken, tested := sqlx.Micros(r.BrokenAt), sqlx.Micros(r.TestedAt)
	return wrap("put connection", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if s.lock != "" && r.Version == 1 {
			if _, err := tx.ExecContext(ctx, s.lock); err != nil {
				return err
			}
		}
		var have int64
		err := tx.QueryRowContext(ctx, s.version, tenant, id).Scan(&have)
		none := errors.Is(err, sql.ErrNoRows)
		switch {
		case err != nil && !none:
			return err
		case none && r.Version > 1:
			return workflows.ErrNotFound
		case !none && have+1 != r.Version:
			return workflows.ErrConflict
		case !none:
			_, err := tx.ExecContext(ctx, s.update, r.Version, r.Sealed, r.Failures, fault, broken, tested, key, tenant, id)
			return err
		}
		var n int
		if err := tx.QueryRowContext(ctx, s.count, tenant).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return workflows.ErrTooMany
		}
		_, err = tx.ExecContext(ctx, s.insert, tenant, id, r.Version, r.Sealed, r.Failures, fault, broken, sqlx.Micros(r.CreatedAt), tested, key)
		return err
	}))
}

// Connection implements [workflows.Store].
func (s *Store) Connection(ctx context.Context, tenant mspkit.TenantID, id string) (workflows.Record, error) {
	r, err := scan(s.db.QueryRowContext(ctx, s.get, sqlx.Words(string(tenant)), sqlx.Words(id)))
	return r, wrap("connection", err)
}

// Connections implements [workflows.Store].
func (s *Store) Connections(ctx context.Context, tenant mspkit.TenantID) ([]workflows.Record, error) {
	out, err := s.all(ctx, s.list, sqlx.Words(string(tenant)))
	return out, wrap("connections", err)
}

func (s *Store) all(ctx context.Context, query string, args ...any) ([]workflows.Record, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []workflows.Record
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// NoteConnection implements [workflows.Store].
func (s *Store) NoteConnection(ctx context.Context, tenant mspkit.TenantID, id string, version int64, n workflows.Note) (workflows.Record, error) {
	var r workflows.Record
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		if r, err = scan(tx.QueryRowContext(ctx, s.getForUpdate, sqlx.Words(string(tenant)), sqlx.Words(id))); err != nil {
			return err
		}
		if r.Version != version {
			return workflows.ErrConflict
		}
		n.Fault = sqlx.Words(n.Fault)
		r.Apply(n)
		_, err = tx.ExecContext(ctx, s.note, r.Failures, r.Fault, sqlx.Micros(r.BrokenAt), sqlx.Micros(r.TestedAt), string(r.Tenant), r.ID)
		return err
	})
	if err != nil {
		return workflows.Record{}, wrap("note connection", err)
	}
	return r, nil
}

// DeleteConnection implements [workflows.Store].
func (s *Store) DeleteConnection(ctx context.Context, tenant mspkit.TenantID, id string) error {
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.remove, sqlx.Words(string(tenant)), sqlx.Words(id))
		return err
	})
	if err == nil && n == 0 {
		return workflows.ErrNotFound
	}
	return wrap("delete connection", err)
}

// RewrapConnections implements [workflows.Store].
func (s *Store) RewrapConnections(ctx context.Context, primary string, reseal func(workflows.Record) ([]byte, error), limit int) (int, error) {
	const page = 100
	var errs []error
	done := 0
	tenant, id := "", ""
	for done < limit {
		rs, err := s.all(ctx, s.older, primary, tenant, tenant, id, page)
		if err != nil {
			return done, errors.Join(append(errs, wrap("rewrap connections", err))...)
		}
		for i := 0; i < len(rs) && done < limit; i++ {
			r := rs[i]
			tenant, id = string(r.Tenant), r.ID
			n, err := s.rewrapOne(ctx, r, reseal)
			if err != nil {
				errs = append(errs, err)
			}
			done += int(n)
		}
		if len(rs) < page {
			break
		}
	}
	return done, errors.Join(errs...)
}

// rewrapOne stores one that is sealed anew, unless somebody changed it meanwhile.
func (s *Store) rewrapOne(ctx context.Context, r workflows.Record, reseal func(workflows.Record) ([]byte, error)) (int64, error) {
	sealed, err := reseal(r)
	if err != nil {
		return 0, err
	}
	key, err := seal.KeyID(sealed)
	if err != nil {
		return 0, err
	}
	var n int64
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.rewrap, sealed, key, string(r.Tenant), r.ID, r.Version)
		return err
	})
	return n, wrap("rewrap connections", err)
}
