package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// Certificates implements [changefeed.Store].
func (s *Store) Certificates(ctx context.Context) ([]changefeed.Certificate, error) {
	rows, err := s.db.QueryContext(ctx, s.q.certificates)
	if err != nil {
		return nil, wrap("certificates", err)
	}
	defer rows.Close()
	var out []changefeed.Certificate
	for rows.Next() {
		var c changefeed.Certificate
		var created, after, used int64
		if err := rows.Scan(&c.ID, &c.DER, &c.Sealed, &created, &after, &used); err != nil {
			return nil, wrap("certificates", err)
		}
		c.CreatedAt, c.NotAfter, c.UsedAt = sqlx.Time(created), sqlx.Time(after), sqlx.Time(used)
		out = append(out, c)
	}
	return out, wrap("certificates", rows.Err())
}

// AddCertificate implements [changefeed.Store].
func (s *Store) AddCertificate(ctx context.Context, c changefeed.Certificate, after string) error {
	return wrap("add certificate", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var beat int64
		if err := tx.QueryRowContext(ctx, s.q.lock).Scan(&beat); err != nil {
			return err
		}
		newest := ""
		if err := tx.QueryRowContext(ctx, s.q.newest).Scan(&newest); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if newest != after {
			return changefeed.ErrChanged
		}
		n, err := tx.Affected(ctx, s.q.addCertificate, c.ID, c.DER, c.Sealed, sqlx.Micros(c.CreatedAt), sqlx.Micros(c.NotAfter), sqlx.Micros(c.UsedAt))
		if err == nil && n == 0 {
			return changefeed.ErrChanged
		}
		return err
	}))
}

// CertificatesInUse implements [changefeed.Store].
func (s *Store) CertificatesInUse(ctx context.Context) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, s.q.inUse)
	if err != nil {
		return nil, wrap("certificates in use", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, wrap("certificates in use", err)
		}
		out = append(out, id)
	}
	return out, wrap("certificates in use", rows.Err())
}

// CertificateUsed implements [changefeed.Store].
func (s *Store) CertificateUsed(ctx context.Context, ids []string, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	at := sqlx.Micros(now)
	return wrap("certificate used", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		for _, id := range sorted(ids) {
			if _, err := tx.ExecContext(ctx, s.q.used, at, id, at); err != nil {
				return err
			}
		}
		return nil
	}))
}

// DropCertificate implements [changefeed.Store].
func (s *Store) DropCertificate(ctx context.Context, id string) error {
	return wrap("drop certificate", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		n, err := tx.Affected(ctx, s.q.dropCertificate, id, id, id)
		if err != nil || n > 0 {
			return err
		}
		var one int
		switch err := tx.QueryRowContext(ctx, s.q.hasCertificate, id).Scan(&one); {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		}
		return changefeed.ErrChanged
	}))
}

// RewrapCertificate implements [changefeed.Store].
func (s *Store) RewrapCertificate(ctx context.Context, id string, old, sealed []byte) error {
	return wrap("rewrap certificate", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.q.rewrap, sealed, id, old)
		return err
	}))
}

// Seen implements [changefeed.Store].
func (s *Store) Seen(ctx context.Context, tenant mspkit.TenantID, event string, now time.Time) (bool, error) {
	var one int
	err := s.db.QueryRowContext(ctx, s.q.seen, string(tenant), event, sqlx.Micros(now)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, wrap("seen", err)
}

// MarkSeen implements [changefeed.Store].
func (s *Store) MarkSeen(ctx context.Context, tenant mspkit.TenantID, event string, until time.Time) error {
	return wrap("mark seen", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.q.markSeen, string(tenant), event, sqlx.Micros(until))
		return err
	}))
}

// ExpireSeen implements [changefeed.Store]. Where nothing is over it only reads.
func (s *Store) ExpireSeen(ctx context.Context, now time.Time, limit int) (int, error) {
	at := sqlx.Micros(now)
	var work int
	if err := s.db.QueryRowContext(ctx, s.q.anySeen, at).Scan(&work); err != nil || work == 0 || limit < 1 {
		return 0, wrap("expire seen", err)
	}
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.q.dropSeen, at, limit, at)
		return err
	})
	if err != nil {
		return 0, wrap("expire seen", err)
	}
	return int(n), nil
}

func sorted(ids []string) []string {
	out := slices.Clone(ids)
	slices.Sort(out)
	return out
}
