package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/outbox"
)

// Get implements [outbox.Store].
func (s *Store) Get(ctx context.Context, tenant mspkit.TenantID, id string) (outbox.Entry, error) {
	var sealed []byte
	e, err := scanEntry(s.db.QueryRowContext(ctx, s.q.get, string(tenant), id), &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return outbox.Entry{}, outbox.ErrNotFound
	}
	e.Sealed = sealed
	return e, wrap("get", err)
}

const (
	listed     = 100
	mostListed = 500
)

// List implements [outbox.Store].
func (s *Store) List(ctx context.Context, f outbox.Filter) ([]outbox.Entry, error) {
	text, args := `SELECT `+noteColumns+` FROM `+notes+` WHERE id > ?`, []any{f.After}
	if f.Tenant != "" {
		text, args = text+` AND tenant = ?`, append(args, string(f.Tenant))
	}
	switch f.State {
	case "":
	case outbox.Pending, outbox.Delivered, outbox.Dead, outbox.Dropped:
		text += ` AND state = '` + string(f.State) + `'` // as it is, so that the index of the open ones can be used
	default:
		return nil, fmt.Errorf("sqlstore: list: there is no state %q: %w", f.State, mspkit.ErrInvalid)
	}
	limit := f.Limit
	if limit < 1 {
		limit = listed
	}
	rows, err := s.db.QueryContext(ctx, s.db.SQL(text+` ORDER BY id LIMIT ?`), append(args, min(limit, mostListed))...)
	out, err := all(rows, err, func(row scanner) (outbox.Entry, error) { return scanEntry(row) })
	return out, wrap("list", err)
}

// Count implements [outbox.Store].
func (s *Store) Count(ctx context.Context, tenant mspkit.TenantID) (outbox.Counts, error) {
	text, args := s.q.count, []any(nil)
	if tenant != "" {
		text, args = s.q.countOf, []any{string(tenant)}
	}
	var c outbox.Counts
	rows, err := s.db.QueryContext(ctx, text, args...)
	_, err = all(rows, err, func(row scanner) (struct{}, error) {
		var state outbox.State
		var n int
		var oldest int64
		err := row.Scan(&state, &n, &oldest)
		if state == outbox.Dead {
			c.Dead = n
		} else {
			c.Pending, c.Oldest = n, sqlx.Time(oldest)
		}
		return struct{}{}, err
	})
	if err != nil {
		return outbox.Counts{}, wrap("count", err)
	}
	return c, nil
}

// Replay implements [outbox.Store]. What of ev is not UTF-8 is replaced.
func (s *Store) Replay(ctx context.Context, tenant mspkit.TenantID, id string, ev outbox.Event, now time.Time) (mspkit.Stream, error) {
	ref := psa.TicketRef{Tenant: tenant}
	err := s.change(ctx, tenant, id, ev, func(ctx context.Context, tx *sqlx.Tx) (bool, error) {
		err := tx.QueryRowContext(ctx, s.q.replay, sqlx.Micros(now), string(tenant), id).Scan(&ref.Ticket.System, &ref.Ticket.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return mspkit.Stream{}, wrapUnlessKnown("replay", err)
	}
	return outbox.StreamOf(ref), nil
}

// Drop implements [outbox.Store]. What of ev is not UTF-8 is replaced.
func (s *Store) Drop(ctx context.Context, tenant mspkit.TenantID, id string, ev outbox.Event, now time.Time) error {
	at := sqlx.Micros(now)
	return wrapUnlessKnown("drop", s.change(ctx, tenant, id, ev, func(ctx context.Context, tx *sqlx.Tx) (bool, error) {
		n, err := tx.Affected(ctx, s.q.drop, at, string(tenant), id, at, at, at)
		return n > 0, err
	}))
}

// change runs a change of one entry with its event. Where there was nothing to change it says why.
func (s *Store) change(ctx context.Context, tenant mspkit.TenantID, id string, ev outbox.Event,
	f func(context.Context, *sqlx.Tx) (bool, error),
) error {
	return s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		changed, err := f(ctx, tx)
		if err != nil {
			return err
		}
		if !changed {
			var state string
			err := tx.QueryRowContext(ctx, s.q.state, string(tenant), id).Scan(&state)
			if errors.Is(err, sql.ErrNoRows) {
				return outbox.ErrNotFound
			}
			if err != nil {
				return err
			}
			return outbox.ErrState
		}
		_, err = tx.ExecContext(ctx, s.q.told, sqlx.Words(ev.ID), string(ev.Kind), sqlx.Micros(ev.At), string(ev.Tenant), sqlx.Words(ev.Note),
			sqlx.Words(ev.Ticket.System), sqlx.Words(ev.Ticket.ID), encodeIDs(ev.NoteIDs), sqlx.Words(ev.By), sqlx.Words(ev.Fault))
		return err
	})
}

func wrapUnlessKnown(method string, err error) error {
	if errors.Is(err, outbox.ErrNotFound) || errors.Is(err, outbox.ErrState) {
		return err
	}
	return wrap(method, err)
}
