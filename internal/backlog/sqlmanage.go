package backlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// Get implements [Store].
func (s *SQL) Get(ctx context.Context, tenant mspkit.TenantID, id string) (Item, error) {
	var sealed []byte
	it, err := scanItem(s.db.QueryRowContext(ctx, s.q.get, string(tenant), id), &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Item{}, ErrNotFound
	}
	it.Sealed = sealed
	return it, wrap("get", err)
}

// List implements [Store].
func (s *SQL) List(ctx context.Context, f Filter) ([]Item, error) {
	if err := f.State.check(); err != nil {
		return nil, err
	}
	text, args := s.q.list, []any{f.After}
	if f.Tenant != "" {
		text, args = text+` AND tenant = ?`, append(args, string(f.Tenant))
	}
	if f.Key != "" {
		text, args = text+` AND stream = ?`, append(args, f.Key)
	}
	if f.State != "" {
		text += ` AND state = '` + string(f.State) + `'` // as it is, so that the indexes of some states can be used
	}
	rows, err := s.db.QueryContext(ctx, s.db.SQL(text+` ORDER BY seq LIMIT ?`), append(args, f.limit())...)
	out, err := all(rows, err, func(row scanner) (Item, error) { return scanItem(row) })
	return out, wrap("list", err)
}

// Count implements [Store].
func (s *SQL) Count(ctx context.Context, tenant mspkit.TenantID) (Counts, error) {
	text, args := s.q.count, []any(nil)
	if tenant != "" {
		text, args = s.q.countOf, []any{string(tenant), string(tenant)}
	}
	var c Counts
	rows, err := s.db.QueryContext(ctx, text, args...)
	_, err = all(rows, err, func(row scanner) (struct{}, error) {
		var state State
		var n int
		var oldest int64
		err := row.Scan(&state, &n, &oldest)
		if state == Dead {
			c.Dead = n
		} else {
			c.Pending, c.Oldest = n, sqlx.Time(oldest)
		}
		return struct{}{}, err
	})
	if err != nil {
		return Counts{}, wrap("count", err)
	}
	return c, nil
}

// Replay implements [Store].
func (s *SQL) Replay(ctx context.Context, tenant mspkit.TenantID, id string, now time.Time) (mspkit.Stream, error) {
	stream := mspkit.Stream{Tenant: tenant}
	var state State
	err := s.db.QueryRowContext(ctx, s.q.streamOf, string(tenant), id).Scan(&stream.Key, &state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return mspkit.Stream{}, ErrNotFound
	case err != nil:
		return mspkit.Stream{}, wrap("replay", err)
	case state != Dead:
		return mspkit.Stream{}, ErrState
	}
	values := []any{sqlx.Micros(now), string(tenant), id, stream.Key}
	if s.db.Dialect() == sqlx.Postgres { // its new number is given in the order of those of Add
		values = []any{sqlx.Micros(now), s.place(tenant, stream.Key), string(tenant), id, stream.Key}
	}
	n, err := s.write(ctx, s.q.replay, values...)
	switch {
	case err != nil:
		return mspkit.Stream{}, wrap("replay", err)
	case n == 0: // somebody else was faster
		return mspkit.Stream{}, ErrState
	}
	return stream, nil
}

// Drop implements [Store].
func (s *SQL) Drop(ctx context.Context, tenant mspkit.TenantID, id string, now time.Time) error {
	at := sqlx.Micros(now)
	n, err := s.write(ctx, s.q.drop, at, string(tenant), id, at)
	if err != nil || n > 0 {
		return wrap("drop", err)
	}
	var state State
	err = s.db.QueryRowContext(ctx, s.q.state, string(tenant), id).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case err != nil:
		return wrap("drop", err)
	}
	return ErrState
}

// Expire implements [Store]. Where nothing is over it only reads.
func (s *SQL) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	at := sqlx.Micros(before)
	var work int
	if err := s.db.QueryRowContext(ctx, s.q.anyOld, at).Scan(&work); err != nil || work == 0 || limit < 1 {
		return 0, wrap("expire", err)
	}
	n, err := s.write(ctx, s.q.expire, at, limit)
	return int(n), wrap("expire", err)
}

// rewrapPage is how many items are read at once.
const rewrapPage = 100

// stale is an item that is sealed under an older key.
type stale struct {
	Item
	key string
}

// Rewrap implements [Store].
func (s *SQL) Rewrap(ctx context.Context, primary string, reseal func(Item) ([]byte, error), limit int) (int, error) {
	var errs []error
	done, after := 0, int64(0)
	for done < limit {
		rows, err := s.db.QueryContext(ctx, s.q.stale, primary, after, min(limit-done, rewrapPage))
		page, err := all(rows, err, func(row scanner) (stale, error) {
			var x stale
			var sealed []byte
			var err error
			x.Item, err = scanItem(row, &sealed, &x.key)
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
				errs = append(errs, fmt.Errorf("item %s: %w", x.ID, err))
			}
			if ok {
				done++
			}
		}
	}
	return done, wrap("rewrap", errors.Join(errs...))
}

func (s *SQL) rewrap(ctx context.Context, x stale, reseal func(Item) ([]byte, error)) (bool, error) {
	sealed, err := reseal(x.Item)
	if err != nil {
		return false, err
	}
	key, err := seal.KeyID(sealed)
	if err != nil {
		return false, err
	}
	n, err := s.write(ctx, s.q.rewrapItem, sealed, key, string(x.Tenant), x.ID, x.key)
	return n > 0, err
}
