package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
	"github.com/mspkit/mspkit/internal/sqlx"
)

const checkpointColumns = `tenant, source, next_page, running, whole, run, pages, contacts, rev, begun_at, ended_at, whole_at, due,
	failures, failure, failed_at`

func scanCheckpoint(row scanner) (contacts.Checkpoint, error) {
	var c contacts.Checkpoint
	var cursor []byte
	var begun, ended, whole, due, failed int64
	err := row.Scan(&c.Tenant, &c.Source, &cursor, &c.Running, &c.Whole, &c.Run, &c.Pages, &c.Contacts, &c.Rev, &begun, &ended,
		&whole, &due, &c.Failures, &c.Failure, &failed)
	c.Cursor = contacts.Cursor(cursor)
	c.BegunAt, c.EndedAt, c.WholeAt = sqlx.Time(begun), sqlx.Time(ended), sqlx.Time(whole)
	c.DueAt, c.FailedAt = sqlx.Time(due), sqlx.Time(failed)
	return c, err
}

// Checkpoint implements [contacts.Directory].
func (s *Store) Checkpoint(ctx context.Context, tenant mspkit.TenantID, source string) (contacts.Checkpoint, error) {
	if err := people.ValidateSource(tenant, source); err != nil {
		return contacts.Checkpoint{}, err
	}
	c, err := s.checkpoint(ctx, s.db, tenant, source)
	return c, wrap("checkpoint", err)
}

// checkpoint reads one; Rev is 0 where there is none.
func (s *Store) checkpoint(ctx context.Context, q sqlx.Querier, tenant mspkit.TenantID, source string) (contacts.Checkpoint, error) {
	c, err := scanCheckpoint(q.QueryRowContext(ctx, s.q.checkpoint, string(tenant), source))
	if errors.Is(err, sql.ErrNoRows) {
		return contacts.Checkpoint{Tenant: tenant, Source: source}, nil
	}
	return c, err
}

// SetCheckpoint implements [contacts.Directory].
func (s *Store) SetCheckpoint(ctx context.Context, c contacts.Checkpoint) (contacts.Checkpoint, error) {
	if err := people.ValidateSource(c.Tenant, c.Source); err != nil {
		return contacts.Checkpoint{}, err
	}
	var out contacts.Checkpoint
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		old, err := s.checkpoint(ctx, tx, c.Tenant, c.Source)
		if err != nil {
			return err
		}
		if out, err = people.SetCheckpoint(old, c); err != nil {
			return err
		}
		return s.putCheckpoint(ctx, tx, out, old.Rev)
	})
	if err != nil {
		return contacts.Checkpoint{}, wrapUnlessKnown("set checkpoint", err)
	}
	return out, nil
}

// putCheckpoint stores c over the one with the revision old, 0 for none.
func (s *Store) putCheckpoint(ctx context.Context, tx *sqlx.Tx, c contacts.Checkpoint, old int64) error {
	values := []any{
		[]byte(c.Cursor), truth(c.Running), truth(c.Whole), c.Run, c.Pages, c.Contacts, c.Rev, sqlx.Micros(c.BegunAt),
		sqlx.Micros(c.EndedAt), sqlx.Micros(c.WholeAt), sqlx.Micros(c.DueAt), c.Failures, c.Failure, sqlx.Micros(c.FailedAt),
		string(c.Tenant), c.Source,
	}
	text := s.q.addCheckpoint
	if old != 0 {
		text, values = s.q.setCheckpoint, append(values, old)
	}
	n, err := tx.Affected(ctx, text, values...)
	if err == nil && n == 0 {
		err = contacts.ErrStale // another one came first
	}
	return err
}

// Due implements [contacts.Directory].
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]contacts.Checkpoint, error) {
	limit, err := people.Limit(limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, s.q.due, sqlx.Micros(now), limit)
	out, err := all(rows, err, scanCheckpoint)
	return out, wrap("due", err)
}

// Checkpoints implements [contacts.Directory].
func (s *Store) Checkpoints(ctx context.Context, tenant mspkit.TenantID) ([]contacts.Checkpoint, error) {
	text, args := s.q.checkpoints, []any(nil)
	if tenant != "" {
		if err := tenant.Validate(); err != nil {
			return nil, err
		}
		text, args = s.q.checkpointsOf, []any{string(tenant)}
	}
	rows, err := s.db.QueryContext(ctx, text, args...)
	out, err := all(rows, err, scanCheckpoint)
	return out, wrap("checkpoints", err)
}
