package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/teamsapp"
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

// Store is a [teamsapp.Store] in an SQL database. Use [New].
type Store struct {
	db *sqlx.DB
	q  *statements
}

var _ teamsapp.Store = (*Store)(nil)

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

const referenceColumns = `bot, tenant, user_tenant, user_id, sealed, removed, updated_at`

// Save implements [teamsapp.Store].
func (s *Store) Save(ctx context.Context, r teamsapp.Record) error {
	removed, sealed := 0, r.Sealed
	if r.Removed {
		removed = 1
	}
	if sealed == nil {
		sealed = []byte{} // the column is not null
	}
	return wrap("save", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.q.save,
			r.Bot, r.Tenant, r.User.TenantID, r.User.ObjectID, sealed, removed, sqlx.Micros(r.UpdatedAt))
		return err
	}))
}

// Load implements [teamsapp.Store].
func (s *Store) Load(ctx context.Context, k teamsapp.Key) (teamsapp.Record, error) {
	r, err := scanRecord(s.db.QueryRowContext(ctx, s.q.load, k.Bot, k.Tenant, k.User.TenantID, k.User.ObjectID))
	if errors.Is(err, sql.ErrNoRows) {
		return teamsapp.Record{}, teamsapp.ErrNotFound
	}
	return r, wrap("load", err)
}

// List implements [teamsapp.Store].
func (s *Store) List(ctx context.Context, q teamsapp.Query) ([]teamsapp.Record, error) {
	// Where the tenant is given, the page begins within it or at its first record, so that the index leads there.
	text, args, after := s.q.list, []any{q.Bot}, q.After
	if q.Tenant != "" {
		text, args = s.q.listTenant, append(args, q.Tenant)
		switch {
		case after.Tenant > q.Tenant:
			return nil, ctx.Err()
		case after.Tenant < q.Tenant:
			after = teamsapp.Key{}
		}
	}
	if after == (teamsapp.Key{}) {
		text.after = text.all
	} else {
		if q.Tenant == "" {
			args = append(args, after.Tenant)
		}
		args = append(args, after.User.TenantID, after.User.ObjectID)
	}
	rows, err := s.db.QueryContext(ctx, text.after, append(args, q.Capped())...)
	if err != nil {
		return nil, wrap("list", err)
	}
	out, err := scanRecords(rows)
	return out, wrap("list", err)
}

func scanRecords(rows *sql.Rows) ([]teamsapp.Record, error) {
	defer rows.Close()
	var out []teamsapp.Record
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func scanRecord(row interface{ Scan(dest ...any) error }) (teamsapp.Record, error) {
	var r teamsapp.Record
	var updated int64
	err := row.Scan(&r.Bot, &r.Tenant, &r.User.TenantID, &r.User.ObjectID, &r.Sealed, &r.Removed, &updated)
	if err != nil {
		return teamsapp.Record{}, err
	}
	r.UpdatedAt = sqlx.Time(updated)
	return r, nil
}
