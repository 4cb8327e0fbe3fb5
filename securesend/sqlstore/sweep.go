package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
)

// Expire implements [securesend.SecretStore]. Where nothing is due it only reads.
func (s *Store) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	at, limit := sqlx.Micros(now), max(limit, 0)
	var work int
	err := s.row(ctx, s.q.anyDue, []any{at}, func(row *sql.Row) error { return row.Scan(&work) })
	if err != nil || work == 0 {
		return 0, wrap("expire", err)
	}
	n := 0
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		n = 0
		if err := s.lock(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, s.q.due, at, limit)
		if err != nil {
			return err
		}
		type found struct {
			securesend.Record
			revision int64
		}
		due, err := all(rows, func(row scanner) (f found, err error) {
			f.Record, f.revision, err = scan(row)
			return f, err
		})
		if err != nil {
			return err
		}
		for _, d := range due {
			swept, err := s.sweep(ctx, tx, d.Record, d.revision, now)
			if err != nil {
				return err
			}
			if swept {
				n++
			}
		}
		return nil
	})
	if err != nil {
		return 0, wrap("expire", err)
	}
	return n, nil
}

func (s *Store) sweep(ctx context.Context, tx *sqlx.Tx, r securesend.Record, revision int64, now time.Time) (bool, error) {
	stamps := r.Sweep(securesend.NewEventID(), now)
	if len(stamps) == 0 {
		return false, nil
	}
	r = rounded(r)
	u, values := s.q.keep, append(args(changingOf(&r)), sqlx.Micros(r.SweepAt()))
	if r.State.Final() {
		u, values = s.q.all, append(values, []byte{}, []byte{})
	}
	_, _, stored, err := s.store(ctx, tx, u, append(values, string(r.Tenant), r.ID, revision), &r, now, stamps)
	if err == nil && !stored {
		err = errors.New("the record changed although it was locked")
	}
	return stored, err
}

// Dead implements [securesend.SecretStore].
func (s *Store) Dead(ctx context.Context, regions []string, limit int) ([]securesend.Remains, error) {
	if len(regions) == 0 || limit < 1 {
		return nil, nil
	}
	if len(regions) > maxParameters {
		return nil, fmt.Errorf("sqlstore: dead: %d regions cannot be asked for at once, %d can", len(regions), maxParameters)
	}
	values := make([]any, 0, len(regions)+1)
	for _, r := range regions {
		values = append(values, r)
	}
	text := s.q.dead + ` AND region IN (` + sqlx.Repeat("?", len(regions)) + `) ORDER BY ended_at, id LIMIT ?`
	rows, err := s.db.QueryContext(ctx, s.db.SQL(text), append(values, limit)...)
	if err != nil {
		return nil, wrap("dead", err)
	}
	out, err := all(rows, func(row scanner) (r securesend.Remains, err error) {
		err = row.Scan(&r.Tenant, &r.ID, &r.Region)
		return r, err
	})
	return out, wrap("dead", err)
}

// Forget implements [securesend.SecretStore].
func (s *Store) Forget(ctx context.Context, ref securesend.Ref) error {
	var at, blobs int64
	key := []any{string(ref.Tenant), ref.ID}
	err := s.row(ctx, s.q.remains, key, func(row *sql.Row) error { return row.Scan(&at, &blobs) })
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return securesend.ErrNotFound
	case err != nil:
		return wrap("forget", err)
	case at == 0:
		return securesend.ErrConflict
	case blobs == 0:
		return nil
	}
	return wrap("forget", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error { // an end is for good: nothing changes in between
		_, err := tx.ExecContext(ctx, s.q.forget, key...)
		return err
	}))
}

// DeleteExpired implements [securesend.SecretStore]. Where nothing is old it only reads.
func (s *Store) DeleteExpired(ctx context.Context, ended, now time.Time, limit int) (int, error) {
	limit = max(limit, 0)
	before, at := sqlx.Micros(ended), sqlx.Micros(now)
	var work int
	err := s.row(ctx, s.q.anyOld, []any{before, at}, func(row *sql.Row) error { return row.Scan(&work) })
	if err != nil || work == 0 {
		return 0, wrap("delete expired", err)
	}
	var n int64
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		n = 0
		gone, err := tx.Affected(ctx, s.q.dropEnded, before, limit)
		if err != nil {
			return err
		}
		n += gone
		gone, err = tx.Affected(ctx, s.q.dropCounters, at, at, limit)
		n += gone
		return err
	})
	if err != nil {
		return 0, wrap("delete expired", err)
	}
	return int(n), nil
}

// Rewrap implements [securesend.SecretStore]. No transaction is open while f runs.
func (s *Store) Rewrap(ctx context.Context, primary string, limit int, f func(securesend.Record) (half, sealed []byte, err error)) (int, error) {
	rows, err := s.db.QueryContext(ctx, s.q.stale, primary, max(limit, 0))
	if err != nil {
		return 0, wrap("rewrap", err)
	}
	stale, err := all(rows, func(row scanner) (securesend.Record, error) {
		var half []byte
		r, _, err := scan(row, &half)
		r.Half = half
		return r, err
	})
	if err != nil {
		return 0, wrap("rewrap", err)
	}
	n := 0
	for _, r := range stale {
		half, sealed, err := f(r.Taken().Clone())
		if err != nil {
			return n, err
		}
		was := r.Version
		r.Rewrap(primary, half, sealed)
		var changed int64
		err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) (err error) {
			changed, err = tx.Affected(ctx, s.q.rewrap, present(r.Half), present(r.Sealed), r.HalfKey, r.Version, string(r.Tenant), r.ID, was)
			return err
		})
		if err != nil {
			return n, wrap("rewrap", err)
		}
		n += int(changed)
	}
	return n, nil
}
