package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
)

// Enqueue implements [verify.Store].
func (s *Store) Enqueue(ctx context.Context, q verify.Queued, limits []verify.Limit, now time.Time) error {
	// Reading first keeps a flood, which the limits refuse, away from the lock of the writers.
	for _, l := range limits {
		var ends int64
		err := s.db.QueryRowContext(ctx, s.q.reached, l.Key, l.Max, sqlx.Micros(now)).Scan(&ends)
		switch {
		case err == nil:
			return &verify.LimitError{Limit: l.Name, RetryAfter: sqlx.Time(ends).Sub(now)}
		case !errors.Is(err, sql.ErrNoRows):
			return wrap("enqueue", err)
		}
	}
	return wrap("enqueue", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if _, err := s.count(ctx, tx, limits, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, s.q.enqueue, q.Tenant, q.ID, present(q.Sealed), q.Attempts, sqlx.Micros(q.At), sqlx.Micros(q.Due))
		return err
	}))
}

// Due implements [verify.Store]. Where nothing is due it only reads.
func (s *Store) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]verify.Queued, error) {
	at := sqlx.Micros(now)
	var due int
	if err := s.db.QueryRowContext(ctx, s.q.anyDue, at).Scan(&due); err != nil || due == 0 {
		return nil, wrap("due", err)
	}
	var out []verify.Queued
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		rows, err := tx.QueryContext(ctx, s.q.queueDue, at, max(limit, 0))
		if err != nil {
			return err
		}
		var seqs []int64
		out, err = all(rows, func(row scanner) (verify.Queued, error) {
			var q verify.Queued
			var seq, queued int64
			err := row.Scan(&seq, &q.Tenant, &q.ID, &q.Sealed, &q.Attempts, &queued)
			q.At = sqlx.Time(queued)
			q.Attempts++
			seqs = append(seqs, seq)
			return q, err
		})
		if err != nil {
			return err
		}
		until := sqlx.Micros(now.Add(lease))
		for _, seq := range seqs {
			if _, err := tx.ExecContext(ctx, s.q.lease, until, seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrap("due", err)
	}
	return out, nil
}

// Done implements [verify.Store].
func (s *Store) Done(ctx context.Context, tenant mspkit.TenantID, id string) error {
	return wrap("done", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.q.done, tenant, id)
		return err
	}))
}
