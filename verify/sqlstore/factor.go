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

var _ verify.FactorStore = (*Store)(nil)

// Factor implements [verify.FactorStore].
func (s *Store) Factor(ctx context.Context, tenant mspkit.TenantID, subject, kind string) (verify.Factor, error) {
	f := verify.Factor{Tenant: tenant, Subject: subject, Kind: kind}
	var changed int64
	err := s.db.QueryRowContext(ctx, s.q.factor, tenant, subject, kind).Scan(&f.Version, &f.Sealed, &changed)
	if errors.Is(err, sql.ErrNoRows) {
		err = verify.ErrNotFound
	}
	if err != nil {
		return verify.Factor{}, wrap("factor", err)
	}
	f.ChangedAt = sqlx.Time(changed)
	return f, nil
}

// PutFactor implements [verify.FactorStore].
func (s *Store) PutFactor(ctx context.Context, f verify.Factor, now time.Time) (verify.Factor, error) {
	at := sqlx.Micros(now)
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var n int64
		var err error
		if f.Version == 0 {
			n, err = tx.Affected(ctx, s.q.newFactor, f.Tenant, f.Subject, f.Kind, present(f.Sealed), at)
		} else {
			n, err = tx.Affected(ctx, s.q.setFactor, present(f.Sealed), at, f.Tenant, f.Subject, f.Kind, f.Version)
		}
		if err == nil && n == 0 {
			err = verify.ErrConflict
		}
		return err
	})
	if err != nil {
		return verify.Factor{}, wrap("put factor", err)
	}
	f.Version++
	f.ChangedAt = sqlx.Time(at)
	return f, nil
}

// DeleteFactor implements [verify.FactorStore].
func (s *Store) DeleteFactor(ctx context.Context, tenant mspkit.TenantID, subject, kind string, version int64) error {
	return wrap("delete factor", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		n, err := tx.Affected(ctx, s.q.dropFactor, tenant, subject, kind, version)
		if err != nil || n > 0 {
			return err
		}
		var stored int64
		err = tx.QueryRowContext(ctx, s.q.factor, tenant, subject, kind).Scan(&stored, new([]byte), new(int64))
		if errors.Is(err, sql.ErrNoRows) {
			return verify.ErrNotFound
		}
		if err != nil {
			return err
		}
		return verify.ErrConflict
	}))
}
