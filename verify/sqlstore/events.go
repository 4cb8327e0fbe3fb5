package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
)

// maxParameters is below what both databases take in one statement.
const maxParameters = 30_000

// Events implements [verify.Store]. It fails where more than 30000 tenants are to be skipped.
func (s *Store) Events(ctx context.Context, q verify.EventQuery) ([]verify.Event, error) {
	if q.Limit < 1 {
		return nil, nil
	}
	if len(q.Skip) > maxParameters {
		return nil, fmt.Errorf("sqlstore: events: %d tenants cannot be skipped at once, %d can", len(q.Skip), maxParameters)
	}
	text, args := unacked, make([]any, 0, len(q.Skip)+1)
	if len(q.Skip) > 0 {
		text += ` AND tenant NOT IN (` + sqlx.Repeat("?", len(q.Skip)) + `)`
		for _, t := range q.Skip {
			args = append(args, t)
		}
	}
	rows, err := s.db.QueryContext(ctx, s.db.SQL(text+` ORDER BY seq LIMIT ?`), append(args, q.Limit)...)
	if err != nil {
		return nil, wrap("events", err)
	}
	out, err := all(rows, event)
	return out, wrap("events", err)
}

// Ack implements [verify.Store].
func (s *Store) Ack(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return wrap("ack", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		for part := range slices.Chunk(ids, maxParameters) {
			args := make([]any, len(part))
			for i, id := range part {
				args[i] = id
			}
			text := s.db.SQL(`UPDATE {t}verify_events SET acked = 1 WHERE acked = 0 AND id IN (` + sqlx.Repeat("?", len(part)) + `)`)
			if _, err := tx.ExecContext(ctx, text, args...); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (s *Store) emit(ctx context.Context, tx *sqlx.Tx, e verify.Event) error {
	_, err := tx.ExecContext(ctx, s.q.event, e.ID, e.Kind, sqlx.Micros(e.At), e.Tenant, e.Challenge, e.Verifies, e.Subject, e.Action,
		e.Technician, e.Ticket.System, e.Ticket.ID, e.Channel, e.Method, int64(e.Assurance), e.State, e.Tries,
		e.Sends, e.By, e.Reason)
	return err
}

// Expire implements [verify.Store]. Where nothing has expired it only reads.
func (s *Store) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	limit, at := max(limit, 0), sqlx.Micros(now)
	rows, err := s.db.QueryContext(ctx, s.q.anyExpired, at, limit)
	if err != nil {
		return 0, wrap("expire", err)
	}
	tenants, err := all(rows, func(row scanner) (mspkit.TenantID, error) {
		var t mspkit.TenantID
		err := row.Scan(&t)
		return t, err
	})
	if err != nil || len(tenants) == 0 {
		return 0, wrap("expire", err)
	}
	n := 0
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		n = 0
		if err := s.lock(ctx, tx, tenants...); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, s.q.expired, at, limit)
		if err != nil {
			return err
		}
		records, err := all(rows, func(row scanner) (verify.Record, error) { return scanRecord(row) })
		if err != nil {
			return err
		}
		for _, r := range records {
			if !slices.Contains(tenants, r.Tenant) {
				continue // came in between and is not locked: the next call takes it
			}
			r.Version++
			r.State, r.DecidedAt = verify.StateExpired, now
			st := verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventExpired, By: verify.BySystem}
			if err := s.finished(ctx, tx, r, st, now); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, wrap("expire", err)
	}
	return n, nil
}

// DeleteExpired implements [verify.Store]. Where nothing is old it only reads.
func (s *Store) DeleteExpired(ctx context.Context, challenges, events, now time.Time, limit int) (int, error) {
	limit = max(limit, 0)
	ended, old, at := sqlx.Micros(challenges), sqlx.Micros(events), sqlx.Micros(now)
	var work int
	if err := s.db.QueryRowContext(ctx, s.q.anyOld, ended, old, at).Scan(&work); err != nil || work == 0 {
		return 0, wrap("delete expired", err)
	}
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		n = 0
		for _, drop := range []struct {
			text string
			args []any
		}{
			{s.q.dropEnded, []any{ended, ended, limit}},
			{s.q.dropLimits, []any{at, at, limit}},
		} {
			gone, err := tx.Affected(ctx, drop.text, drop.args...)
			if err != nil {
				return err
			}
			n += gone
		}
		gone, err := s.dropEvents(ctx, tx, old, limit)
		n += gone
		return err
	})
	if err != nil {
		return 0, wrap("delete expired", err)
	}
	return int(n), nil
}
