package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
)

// Subject implements [verify.Store].
func (s *Store) Subject(ctx context.Context, tenant mspkit.TenantID, subject string) (verify.SubjectState, error) {
	sub, err := s.subject(ctx, s.db, tenant, subject)
	return sub, wrap("subject", err)
}

// ChangeSubject implements [verify.Store].
func (s *Store) ChangeSubject(ctx context.Context, tenant mspkit.TenantID, subject string, c verify.SubjectChange, now time.Time) error {
	return wrap("change subject", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if err := s.lock(ctx, tx, tenant); err != nil {
			return err
		}
		sub, err := s.subject(ctx, tx, tenant, subject)
		if err != nil {
			return err
		}
		sub.Change(c)
		if err := s.setSubject(ctx, tx, tenant, subject, sub); err != nil {
			return err
		}
		return s.emit(ctx, tx, verify.SubjectEvent(tenant, subject, c.Stamp, now))
	}))
}

func (s *Store) subject(ctx context.Context, q sqlx.Querier, tenant mspkit.TenantID, subject string) (verify.SubjectState, error) {
	var sub verify.SubjectState
	var frozen int64
	err := q.QueryRowContext(ctx, s.q.subject, tenant, subject).Scan(&sub.Failures, &frozen)
	if errors.Is(err, sql.ErrNoRows) {
		return verify.SubjectState{}, nil
	}
	sub.FrozenUntil = sqlx.Time(frozen)
	return sub, err
}

// setSubject stores sub; the zero state needs no row.
func (s *Store) setSubject(ctx context.Context, tx *sqlx.Tx, tenant mspkit.TenantID, subject string, sub verify.SubjectState) error {
	var err error
	if sub.Failures == 0 && sub.FrozenUntil.IsZero() {
		_, err = tx.ExecContext(ctx, s.q.dropSubject, tenant, subject)
	} else {
		_, err = tx.ExecContext(ctx, s.q.setSubject, tenant, subject, sub.Failures, sqlx.Micros(sub.FrozenUntil))
	}
	return err
}

// key names the lock of a tenant.
func (s *Store) key(tenant mspkit.TenantID) int64 {
	sum := sha256.Sum256([]byte("mspkit verify\x00" + s.o.Schema + "\x00" + s.o.Prefix + "\x00" + string(tenant)))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// lock makes this transaction the only writer of its tenants, as SQLite has one writer anyway. On PostgreSQL it
// keeps what was read true until the commit and the events of a tenant in the order of their commits.
func (s *Store) lock(ctx context.Context, tx *sqlx.Tx, tenants ...mspkit.TenantID) error {
	if s.db.Dialect() != sqlx.Postgres {
		return nil
	}
	keys := make([]int64, 0, len(tenants))
	for _, t := range tenants {
		keys = append(keys, s.key(t))
	}
	slices.Sort(keys) // everybody in the same order, so that nobody waits in a circle
	for _, k := range slices.Compact(keys) {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", k); err != nil {
			return err
		}
	}
	return nil
}

// counted counts all limits and stores the event of st with the alerts of limits that are reached. It fails with a
// [*verify.LimitError] where one is exceeded; then the transaction must be undone, which takes all counts back.
func (s *Store) counted(ctx context.Context, tx *sqlx.Tx, r verify.Record, st verify.Stamp, limits []verify.Limit, now time.Time) error {
	reached, err := s.count(ctx, tx, limits, now)
	if err == nil {
		err = s.emit(ctx, tx, r.Event(st, now))
	}
	for _, i := range reached {
		if err == nil && limits[i].Alert {
			err = s.emit(ctx, tx, r.Event(limits[i].Reached(st, i), now))
		}
	}
	return err
}

// count counts all limits like counted and returns the places of those that are reached.
func (s *Store) count(ctx context.Context, tx *sqlx.Tx, limits []verify.Limit, now time.Time) (reached []int, err error) {
	at := sqlx.Micros(now)
	for i, l := range limits {
		if l.Max < 1 {
			return nil, &verify.LimitError{Limit: l.Name, RetryAfter: l.Window}
		}
		var counted int
		var ends int64
		err := tx.QueryRowContext(ctx, s.q.count, l.Key, sqlx.Micros(now.Add(l.Window)), at, at).Scan(&counted, &ends)
		if err != nil {
			return nil, err
		}
		if counted > l.Max {
			return nil, &verify.LimitError{Limit: l.Name, RetryAfter: time.Duration(ends-at) * time.Microsecond}
		}
		if counted == l.Max {
			reached = append(reached, i)
		}
	}
	return reached, nil
}

func refundable(limits []verify.Limit) []string {
	var out []string
	for _, l := range limits {
		if l.Refund {
			out = append(out, l.Key)
		}
	}
	return out
}
