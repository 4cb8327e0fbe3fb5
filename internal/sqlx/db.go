package sqlx

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
)

// DB is a host's database as one store sees it: its dialect, its names, and the order of its writers.
type DB struct {
	db     *sql.DB
	d      Dialect
	opts   Options
	expand *strings.Replacer
	// gate lets one writer of this DB at a time ask SQLite for its write lock. SQLite has no queue: without
	// the gate, writers of one process would wake each other by polling.
	gate chan struct{}
}

var _ Querier = (*DB)(nil)

// New returns db with the names of o. It does not touch the database and does not take it over: the host
// closes it.
func New(db *sql.DB, d Dialect, o *Options) (*DB, error) {
	opts := o.withDefaults()
	if db == nil {
		return nil, fmt.Errorf("sqlx: the database is nil: %w", mspkit.ErrInvalid)
	}
	if err := opts.validate(d); err != nil {
		return nil, err
	}
	out := &DB{db: db, d: d, opts: opts, expand: opts.expander(d)}
	if d == SQLite {
		out.gate = make(chan struct{}, 1)
	}
	return out, nil
}

// Dialect returns the dialect given to [New].
func (db *DB) Dialect() Dialect { return db.d }

// SQL returns a statement for this database: placeholders in the dialect's form, and these tokens replaced.
// Call it once per statement, not once per use.
//
//	{t}            begins a table name: prefix, with the schema in front where there is one
//	{p}            begins an index name: prefix alone
//	{text}         a text column that sorts by bytes in both databases
//	{int}          a 64-bit integer column; also times, see [Micros], and truth as 0 and 1
//	{bytes}        a binary column
//	{identity}     a 64-bit integer primary key that counts up and is never used again
//	{for_update}   ends a query whose rows the transaction will change
//	{skip_locked}  the same, leaving out rows that another transaction holds
func (db *DB) SQL(text string) string { return db.d.Rebind(db.expand.Replace(text)) }

// ExecContext runs one statement outside of a transaction of its own. On SQLite it does not wait for other
// writers; use [DB.WriteTx] for anything that must succeed.
func (db *DB) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return db.db.ExecContext(ctx, db.d.Rebind(query), args...)
}

// QueryContext runs a query outside of a transaction.
func (db *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return db.db.QueryContext(ctx, db.d.Rebind(query), args...)
}

// QueryRowContext runs a query of at most one row outside of a transaction.
func (db *DB) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return db.db.QueryRowContext(ctx, db.d.Rebind(query), args...)
}

// WriteTx is [WriteTx] on this database, with the writers of this DB in a queue where it is SQLite.
func (db *DB) WriteTx(ctx context.Context, f func(context.Context, *Tx) error) error {
	if db.gate != nil {
		select {
		case db.gate <- struct{}{}:
			defer func() { <-db.gate }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return WriteTx(ctx, db.db, db.d, f)
}

// Call runs one statement that returns at most one row and is a transaction of its own, such as the call of a function
// that writes. It needs one round trip, and as with [DB.WriteTx] it runs again, with its scan, after a serialization
// failure or a deadlock. An error that came with the commit is returned although the row was scanned. Where the
// connection breaks it is not known whether the statement took effect. It is for PostgreSQL: on SQLite it does not wait
// for other writers.
func (db *DB) Call(ctx context.Context, query string, args []any, scan func(*sql.Row) error) error {
	return again(ctx, ctx, db.d, func() error { return scan(db.QueryRowContext(ctx, query, args...)) })
}

// CallRow is [DB.Call] that scans into dest.
func (db *DB) CallRow(ctx context.Context, query string, args []any, dest ...any) error {
	return db.Call(ctx, query, args, func(row *sql.Row) error { return row.Scan(dest...) })
}

// Check is [Check] with the names of this DB.
func (db *DB) Check(ctx context.Context, component string, want int) error {
	return Check(ctx, db.db, db.d, component, want, &db.opts)
}
