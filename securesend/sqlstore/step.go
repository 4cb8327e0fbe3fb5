package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
)

// step is one of the steps of a record, run on what was read. It may be run again on what is read anew.
type step func(r *securesend.Record) (stamps []securesend.Stamp, changed bool, err error)

// kind says how the record of a step is read and stored.
type kind int

const (
	ordinary  kind = iota
	taking         // a step without an error hands out half and content
	extending      // it changes the lease and what was fetched only
	filling        // it needs the content and may change it
)

// glances is how often a step reads and stores without a lock before it takes one.
const glances = 3

// run does a step. It reads the record, runs the step, and stores what it changed where the record is still as it was
// read, which is two round trips and no lock over both. What changes nothing only reads. Whoever loses that race a few
// times locks the row first.
func (s *Store) run(ctx context.Context, verb string, k kind, ref securesend.Ref, now time.Time, f step) (securesend.Record, error) {
	var r securesend.Record
	var decided error
	for range glances {
		var done bool
		var err error
		if r, done, decided, err = s.try(ctx, nil, k, ref, now, f); err != nil {
			return securesend.Record{}, wrap(verb, err)
		}
		if done {
			return r, decided
		}
	}
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if err := s.lock(ctx, tx); err != nil {
			return err
		}
		var done bool
		var err error
		if r, done, decided, err = s.try(ctx, tx, k, ref, now, f); err == nil && !done {
			err = errors.New("the record changed although it was locked")
		}
		return err
	})
	if err != nil { // not committed: nothing must leave
		return securesend.Record{}, wrap(verb, err)
	}
	return r, decided
}

// try runs a step once, within tx or, where that is nil, without a lock. It is done unless the record changed in between.
// decided is the error of the step, err what went wrong underneath.
func (s *Store) try(ctx context.Context, tx *sqlx.Tx, k kind, ref securesend.Ref, now time.Time, f step) (out securesend.Record, done bool, decided, err error) {
	r, revision, err := s.load(ctx, tx, ref, k == filling)
	if errors.Is(err, sql.ErrNoRows) {
		return securesend.Record{}, true, securesend.ErrNotFound, nil
	}
	if err != nil {
		return securesend.Record{}, false, nil, err
	}
	final := r.State.Final()
	stamps, changed, decided := f(&r)
	r = rounded(r)
	if !changed && len(stamps) == 0 {
		return r.Hidden(), true, decided, nil
	}
	u, values := s.q.keep, args(changingOf(&r))
	switch {
	case k == extending:
		u, values = s.q.extend, []any{arg(&r.LeaseUntil), arg(&r.Fetched)}
	case k == taking && decided == nil:
		u = s.q.take
	}
	values = append(values, sqlx.Micros(r.SweepAt()))
	if k == filling || r.State.Final() && !final {
		u, values = s.q.all, append(values, present(r.Half), present(r.Inline))
	}
	values = append(values, string(ref.Tenant), ref.ID, revision)
	half, content, stored, err := s.store(ctx, tx, u, values, &r, now, stamps)
	if tx == nil && crowded(err) {
		err = nil
	}
	if err != nil || !stored {
		return securesend.Record{}, false, nil, err
	}
	if k != taking || decided != nil {
		return r.Hidden(), true, decided, nil
	}
	r.Half, r.Inline = half, content
	return r.Taken(), true, nil, nil
}

// load reads a record, with half and content where everything is wanted, and locks it where there is a transaction.
func (s *Store) load(ctx context.Context, tx *sqlx.Tx, ref securesend.Ref, everything bool) (r securesend.Record, revision int64, err error) {
	var half, content []byte
	read := func(row *sql.Row) (err error) {
		if everything {
			r, revision, err = scan(row, &half, &content)
			r.Half, r.Inline = half, content
		} else {
			r, revision, err = scan(row)
		}
		return err
	}
	key := []any{string(ref.Tenant), ref.ID}
	switch {
	case tx == nil && everything:
		err = s.row(ctx, s.q.getAll, key, read)
	case tx == nil:
		err = s.row(ctx, s.q.get, key, read)
	case everything:
		err = read(tx.QueryRowContext(ctx, s.q.holdAll, key...))
	default:
		err = read(tx.QueryRowContext(ctx, s.q.hold, key...))
	}
	return r, revision, err
}

// store runs an update with its events, within tx or in a transaction of its own, and reports whether there was something
// to update. What it returns may leave only when its transaction is committed.
func (s *Store) store(ctx context.Context, tx *sqlx.Tx, u update, values []any, r *securesend.Record, now time.Time, stamps []securesend.Stamp) (half, content []byte, stored bool, err error) {
	if tx == nil && s.db.Dialect() == sqlx.SQLite {
		err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
			half, content, stored, err = s.store(ctx, tx, u, values, r, now, stamps)
			return err
		})
		if err != nil {
			return nil, nil, false, err
		}
		return half, content, stored, nil
	}
	text := u.plain
	if len(stamps) > 0 && s.db.Dialect() == sqlx.Postgres {
		text = u.emitting
		values = append([]any{s.key}, append(values, encodeEvents(r, stamps, now))...)
	}
	read := func(row *sql.Row) error { return row.Scan(&half, &content) }
	if tx == nil {
		err = s.db.Call(ctx, text, values, read)
	} else {
		err = read(tx.QueryRowContext(ctx, text, values...))
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil, false, nil
	case err != nil:
		return nil, nil, false, err
	}
	if s.db.Dialect() == sqlx.SQLite {
		for _, st := range stamps {
			e := r.Event(st, now)
			if _, err := tx.ExecContext(ctx, s.q.event, string(e.Tenant), e.ID, encodeEvent(e)); err != nil {
				return nil, nil, false, err
			}
		}
	}
	return half, content, true, nil
}

// crowded reports whether PostgreSQL undid a statement for the sake of others again and again. Where the host's default
// isolation level is serializable that happens to statements that do not meet; a transaction of [sqlx.DB.WriteTx] has
// a level of its own.
func crowded(err error) bool {
	var s interface{ SQLState() string }
	return errors.As(err, &s) && s.SQLState() == "40001"
}
