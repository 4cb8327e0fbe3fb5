package backlog

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// SQL is a [Store] in the host's own SQL database, SQLite or PostgreSQL. Use [NewSQL].
//
// On PostgreSQL whatever was answered about an item is on the disk: a trigger sets synchronous_commit to on for the
// transaction where the host has it off. On SQLite synchronous(FULL) loses nothing in a power cut; with NORMAL a power cut
// may lose items of the last moments. A killed process loses nothing in either.
type SQL struct {
	db   *sqlx.DB
	q    *statements
	lock [sha256.Size]byte // what advisory locks of this table are made of
	adds grouper
}

var _ Store = (*SQL)(nil)

// NewSQL returns a store on the table that the migration of the component name made of [Schema] in db. It asks the database
// nothing.
func NewSQL(db *sqlx.DB, name string) *SQL {
	s := &SQL{db: db, q: newStatements(db, name), lock: sha256.Sum256([]byte("mspkit backlog\x00" + db.SQL("{t}"+name+"_items")))}
	s.adds.commit, s.adds.most = s.addGroup, 1
	if db.Dialect() == sqlx.Postgres {
		s.adds.most = 4 // more gained nothing, and fewer waited longer for the disk
	}
	return s
}

// places is how many advisory locks a table has: so few that no number of items fills up PostgreSQL's table of locks, and so
// many that two streams seldom share one.
const places = 256

// place is the advisory lock of a stream, under which its items get their numbers.
func (s *SQL) place(tenant mspkit.TenantID, key string) int64 {
	sum := sha256.Sum256([]byte(string(tenant) + "\x00" + key))
	base := int64(binary.BigEndian.Uint64(s.lock[:8]) &^ (places - 1))
	return base + int64(binary.BigEndian.Uint64(sum[:8])%places)
}

func wrap(method string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrState):
		return err
	}
	return fmt.Errorf("backlog: %s: %w", method, err)
}

type scanner interface{ Scan(dest ...any) error }

// scanItem reads itemColumns.
func scanItem(row scanner, more ...any) (Item, error) {
	var it Item
	var due, added, end int64
	err := row.Scan(append([]any{&it.Seq, &it.Tenant, &it.Key, &it.ID, &it.State, &it.Tries, &due, &added, &end, &it.Fault}, more...)...)
	if err != nil {
		return Item{}, err
	}
	it.Due, it.AddedAt, it.EndedAt = sqlx.Time(due), sqlx.Time(added), sqlx.Time(end)
	return it, nil
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

// attempts is how often the first item of a stream is asked for that changes while it is.
const attempts = 10

// Next implements [Store].
func (s *SQL) Next(ctx context.Context, stream mspkit.Stream, holder string, now, until time.Time) (Item, error) {
	if err := checkHolder(holder); err != nil {
		return Item{}, err
	}
	at, tenant := sqlx.Micros(now), string(stream.Tenant)
	values := []any{holder, sqlx.Micros(until), tenant, stream.Key, at, at, holder}
	// SQLite has one writer: it is not asked to write where there is nothing to do. PostgreSQL is asked once where there is.
	look := s.db.Dialect() == sqlx.SQLite
	for range attempts {
		if look {
			if it, err := s.head(ctx, stream, holder, at); err != nil {
				return it, err
			}
		}
		var it Item
		err := s.row(ctx, s.q.next, values, func(row scanner) error {
			var sealed []byte
			var err error
			it, err = scanItem(row, &sealed)
			it.Sealed = sealed
			return err
		})
		if !errors.Is(err, sql.ErrNoRows) {
			return it, wrap("next", err)
		}
		look = true
	}
	return Item{}, wrap("next", errors.New("the first item of the stream changed again and again"))
}

// head returns the error of a Next that has nothing to do, with when to come back, or nil.
func (s *SQL) head(ctx context.Context, stream mspkit.Stream, holder string, now int64) (Item, error) {
	var due, held int64
	var by string
	err := s.db.QueryRowContext(ctx, s.q.head, string(stream.Tenant), stream.Key).Scan(&due, &by, &held)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Item{}, ErrNone
	case err != nil:
		return Item{}, wrap("next", err)
	case by != holder && held > now:
		return Item{Due: sqlx.Time(held)}, ErrHeld
	case due <= now:
		return Item{}, nil
	case by == holder:
		if err := s.Release(ctx, stream, holder); err != nil {
			return Item{}, err
		}
	}
	return Item{Due: sqlx.Time(due)}, ErrNone
}

// row runs a statement that writes and returns at most one row. f may run more than once.
func (s *SQL) row(ctx context.Context, query string, args []any, f func(scanner) error) error {
	if s.db.Dialect() == sqlx.Postgres {
		return s.db.Call(ctx, query, args, func(row *sql.Row) error { return f(row) })
	}
	none := false
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		err := f(tx.QueryRowContext(ctx, query, args...))
		if none = errors.Is(err, sql.ErrNoRows); none {
			return nil
		}
		return err
	})
	if err == nil && none {
		return sql.ErrNoRows
	}
	return err
}

// write runs one statement of [statements] that writes, as a transaction, and returns how many rows it changed.
func (s *SQL) write(ctx context.Context, query string, args ...any) (n int64, err error) {
	if s.db.Dialect() == sqlx.Postgres {
		err = s.db.CallRow(ctx, query, args, &n)
		return n, err
	}
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, query, args...)
		return err
	})
	return n, err
}

// Finish implements [Store].
func (s *SQL) Finish(ctx context.Context, it Item, holder string, o Outcome, now time.Time) error {
	if err := errors.Join(checkHolder(holder), o.check()); err != nil {
		return err
	}
	text, values := s.q.retry, []any{sqlx.Micros(o.Due), sqlx.Words(o.Fault)}
	switch {
	case o.Done:
		text, values = s.q.done, []any{sqlx.Micros(now)}
	case o.Dead:
		text, values = s.q.dead, []any{sqlx.Micros(now), sqlx.Words(o.Fault)}
	}
	n, err := s.write(ctx, text, append(values, string(it.Tenant), it.ID, it.Seq, it.Tries, holder)...)
	if err == nil && n == 0 {
		return ErrLost
	}
	return wrap("finish", err)
}

// Release implements [Store].
func (s *SQL) Release(ctx context.Context, stream mspkit.Stream, holder string) error {
	if holder == "" {
		return nil
	}
	_, err := s.write(ctx, s.q.release, string(stream.Tenant), stream.Key, holder)
	return wrap("release", err)
}

// Due implements [Store]. It only reads: the first item of every stream.
func (s *SQL) Due(ctx context.Context, kind string, now time.Time, limit int) ([]mspkit.Stream, error) {
	if limit < 1 {
		return nil, nil
	}
	at := sqlx.Micros(now)
	rows, err := s.db.QueryContext(ctx, s.q.due, at, at, limit)
	out, err := all(rows, err, func(row scanner) (mspkit.Stream, error) {
		x := mspkit.Stream{Kind: kind}
		err := row.Scan(&x.Tenant, &x.Key)
		return x, err
	})
	return out, wrap("due", err)
}

// sealedKey is the id of the key that a record is sealed under.
func sealedKey(sealed []byte) string {
	key, _ := seal.KeyID(sealed) // checkItem has seen it
	return key
}
