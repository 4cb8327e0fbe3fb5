package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/psa/outbox"
)

// batch is how many rows one statement names.
const batch = 1000

// Events implements [outbox.Store].
func (s *Store) Events(ctx context.Context, limit int) ([]outbox.Event, error) {
	if limit < 1 {
		return nil, nil
	}
	rows, err := s.db.QueryContext(ctx, s.q.events, limit)
	out, err := all(rows, err, func(row scanner) (outbox.Event, error) {
		var e outbox.Event
		var at int64
		var ids string
		if err := row.Scan(&e.ID, &e.Kind, &at, &e.Tenant, &e.Note, &e.Ticket.System, &e.Ticket.ID, &ids, &e.By, &e.Fault); err != nil {
			return outbox.Event{}, err
		}
		var err error
		if e.NoteIDs, err = decodeIDs(ids); err != nil {
			return outbox.Event{}, fmt.Errorf("column note_ids of event %s: %w", e.ID, err)
		}
		e.At = sqlx.Time(at)
		return e, nil
	})
	return out, wrap("events", err)
}

// Ack implements [outbox.Store].
func (s *Store) Ack(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return wrap("ack", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		for part := range slices.Chunk(ids, batch) {
			values := make([]any, len(part))
			for i, id := range part {
				values[i] = sqlx.Words(id)
			}
			if _, err := tx.ExecContext(ctx, s.db.SQL(`DELETE FROM `+told+` WHERE id IN `+marks(len(part))), values...); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Expire implements [outbox.Store]. Dead notes stay. Where nothing is over it only reads.
func (s *Store) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	at := sqlx.Micros(before)
	var work int
	if err := s.db.QueryRowContext(ctx, s.q.anyOld, at, at).Scan(&work); err != nil || work == 0 || limit < 1 {
		return 0, wrap("expire", err)
	}
	gone := 0
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		gone = 0
		rows, err := tx.QueryContext(ctx, s.q.old, at, limit)
		old, err := all(rows, err, func(row scanner) (any, error) {
			var seq int64
			err := row.Scan(&seq)
			return seq, err
		})
		if err != nil {
			return err
		}
		for part := range slices.Chunk(old, batch) {
			in := ` WHERE seq IN ` + marks(len(part))
			text := `DELETE FROM ` + keys + ` WHERE (tenant, note) IN (SELECT tenant, id FROM ` + notes + in + `)`
			if _, err := tx.ExecContext(ctx, s.db.SQL(text), part...); err != nil {
				return err
			}
			n, err := tx.Affected(ctx, s.db.SQL(`DELETE FROM `+notes+in), part...)
			if err != nil {
				return err
			}
			gone += int(n)
		}
		_, err = tx.ExecContext(ctx, s.q.abandoned, at)
		return err
	})
	if err != nil {
		return 0, wrap("expire", err)
	}
	return gone, nil
}

// stale is an entry that is sealed under an older key.
type stale struct {
	outbox.Entry
	key string
}

// Rewrap implements [outbox.Store]. An entry that seal refuses stays as it is; the others are done, and the refusals are
// returned together.
func (s *Store) Rewrap(ctx context.Context, primary string, reseal func(outbox.Entry) ([]byte, error), limit int) (int, error) {
	var errs []error
	done, after := 0, int64(0)
	for done < limit {
		rows, err := s.db.QueryContext(ctx, s.q.stale, primary, after, min(limit-done, batch))
		page, err := all(rows, err, func(row scanner) (stale, error) {
			var x stale
			var sealed []byte
			var err error
			x.Entry, err = scanEntry(row, &sealed, &x.key)
			x.Sealed = sealed
			return x, err
		})
		if err != nil {
			return done, wrap("rewrap", errors.Join(append(errs, err)...))
		}
		if len(page) == 0 {
			break
		}
		for _, x := range page {
			after = x.Seq
			ok, err := s.rewrap(ctx, x, reseal)
			if err != nil {
				errs = append(errs, fmt.Errorf("note %s: %w", x.ID, err))
			}
			if ok {
				done++
			}
		}
	}
	return done, wrap("rewrap", errors.Join(errs...))
}

func (s *Store) rewrap(ctx context.Context, x stale, reseal func(outbox.Entry) ([]byte, error)) (bool, error) {
	sealed, err := reseal(x.Entry)
	if err != nil {
		return false, err
	}
	key, err := seal.KeyID(sealed)
	if err != nil {
		return false, err
	}
	var n int64
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.q.rewrap, sealed, key, string(x.Tenant), x.ID, x.key)
		return err
	})
	return n > 0, err
}
