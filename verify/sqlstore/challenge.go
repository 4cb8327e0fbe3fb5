package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
)

// Begin implements [verify.Store].
func (s *Store) Begin(ctx context.Context, n verify.NewChallenge, limits []verify.Limit, now time.Time) (verify.Record, bool, error) {
	if s.db.Dialect() == sqlx.Postgres {
		r, existing, err := s.callBegin(ctx, n, limits, now)
		return r, existing, wrap("begin", err)
	}
	r, existing := rounded(n.Record), false
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		r, existing = rounded(n.Record), false
		if err := s.lock(ctx, tx, r.Tenant); err != nil {
			return err
		}
		if n.Idempotency != "" {
			var fingerprint string
			old, err := scanRecord(tx.QueryRowContext(ctx, s.q.repeat, r.Tenant, n.Idempotency), &fingerprint)
			switch {
			case err == nil && fingerprint != n.Fingerprint:
				return verify.ErrConflict
			case err == nil:
				r, existing = old, true
				return nil
			case !errors.Is(err, sql.ErrNoRows):
				return err
			}
		}
		sub, err := s.subject(ctx, tx, r.Tenant, r.Subject)
		if err == nil {
			err = r.Refused(sub, now)
		}
		if err != nil {
			return err
		}
		r.Version, r.Refund = 1, refundable(limits)
		added, err := tx.Affected(ctx, s.q.insert, insertArgs(r, n)...)
		if err != nil {
			return err
		}
		if added == 0 {
			return verify.ErrConflict
		}
		return s.counted(ctx, tx, r, n.Stamp, limits, now)
	})
	if err != nil {
		return verify.Record{}, false, wrap("begin", err)
	}
	return r.Hidden(), existing, nil
}

// Sent implements [verify.Store].
func (s *Store) Sent(ctx context.Context, ref verify.Ref, receiptID string, status verify.DeliveryStatus, st verify.Stamp, now time.Time) error {
	if s.db.Dialect() == sqlx.Postgres {
		return wrap("sent", s.callSent(ctx, ref, receiptID, status, st, now))
	}
	_, err := s.change(ctx, "sent", ref, func(ctx context.Context, tx *sqlx.Tx, r *verify.Record, _ verify.SubjectState) error {
		changed, event := r.Sent(receiptID, status)
		if !changed {
			return nil
		}
		if _, err := tx.ExecContext(ctx, s.q.sent, int64(r.Delivery), r.ReceiptID, r.Tenant, r.ID); err != nil || !event {
			return err
		}
		return s.emit(ctx, tx, r.Event(st, now))
	})
	return err
}

// Attempt implements [verify.Store].
func (s *Store) Attempt(ctx context.Context, ref verify.Ref, t verify.Try, now time.Time) (verify.Record, verify.SubjectState, error) {
	if s.db.Dialect() == sqlx.Postgres {
		r, sub, err := s.callAttempt(ctx, ref, t, now)
		return r, sub, wrap("attempt", err)
	}
	var r verify.Record
	var sub verify.SubjectState
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if err := s.lock(ctx, tx, ref.Tenant); err != nil {
			return err
		}
		var mac, wordMAC []byte
		var err error
		if r, sub, err = s.load(ctx, tx, s.q.attempt, ref, &mac, &wordMAC); err != nil {
			return err
		}
		was := sub
		counted, locked := r.Try(t, &sub, now)
		if !counted {
			return nil
		}
		if _, err := tx.ExecContext(ctx, s.q.tried, r.Tries, r.Tenant, r.ID); err != nil {
			return err
		}
		if sub != was {
			if err := s.setSubject(ctx, tx, r.Tenant, r.Subject, sub); err != nil {
				return err
			}
		}
		if err := s.emit(ctx, tx, r.Event(t.Stamp, now)); err != nil {
			return err
		}
		if locked {
			if err := s.emit(ctx, tx, r.Event(t.Stamp.Locked(), now)); err != nil {
				return err
			}
		}
		r.MAC, r.WordMAC = mac, wordMAC
		return nil
	})
	if err != nil { // not committed: the MACs must not leave
		return verify.Record{}, verify.SubjectState{}, wrap("attempt", err)
	}
	return r, sub, nil
}

// Finish implements [verify.Store].
func (s *Store) Finish(ctx context.Context, ref verify.Ref, version int64, o verify.Outcome, now time.Time) (verify.Record, error) {
	if s.db.Dialect() == sqlx.Postgres {
		r, err := s.callFinish(ctx, ref, version, o, now)
		return r, wrap("finish", err)
	}
	return s.change(ctx, "finish", ref, func(ctx context.Context, tx *sqlx.Tx, r *verify.Record, sub verify.SubjectState) error {
		was := sub
		refund, err := r.End(version, o, &sub, now)
		if err != nil {
			return err
		}
		if refund {
			for _, name := range r.Refund {
				if _, err := tx.ExecContext(ctx, s.q.refund, name, sqlx.Micros(now)); err != nil {
					return err
				}
			}
		}
		if err := s.finished(ctx, tx, *r, o.Stamp, now); err != nil {
			return err
		}
		if !o.FreezeUntil.IsZero() {
			if err := s.emit(ctx, tx, r.Event(o.FreezeStamp, now)); err != nil {
				return err
			}
		}
		if sub == was {
			return nil
		}
		return s.setSubject(ctx, tx, r.Tenant, r.Subject, sub)
	})
}

// finished stores the end of r and its event.
func (s *Store) finished(ctx context.Context, tx *sqlx.Tx, r verify.Record, st verify.Stamp, now time.Time) error {
	_, err := tx.ExecContext(ctx, s.q.finished, r.Version, r.State, sqlx.Micros(r.DecidedAt), sqlx.Micros(r.ProofUntil), r.Tenant, r.ID)
	if err != nil {
		return err
	}
	return s.emit(ctx, tx, r.Event(st, now))
}

// Renew implements [verify.Store].
func (s *Store) Renew(ctx context.Context, ref verify.Ref, version int64, n verify.Renewal, limits []verify.Limit, now time.Time) (verify.Record, error) {
	return s.change(ctx, "renew", ref, func(ctx context.Context, tx *sqlx.Tx, r *verify.Record, sub verify.SubjectState) error {
		switch {
		case !r.Renewable(now):
			return verify.ErrNotPending
		case r.Version != version:
			return verify.ErrConflict
		}
		if err := r.Refused(sub, now); err != nil {
			return err
		}
		r.Renewed(n, refundable(limits))
		_, err := tx.ExecContext(ctx, s.q.renewed, r.Version, r.State, sqlx.Micros(r.DecidedAt), r.KeyID, present(r.MAC),
			present(r.WordMAC), present(r.Sealed), r.Tries, r.MaxTries, sqlx.Micros(r.ExpiresAt), r.Sends, r.Messages, flag(r.Hinted),
			encodeList(r.Refund), int64(r.Delivery), r.ReceiptID, r.Tenant, r.ID)
		if err != nil {
			return err
		}
		return s.counted(ctx, tx, *r, n.Stamp, limits, now)
	})
}

// Hint implements [verify.Store].
func (s *Store) Hint(ctx context.Context, ref verify.Ref, st verify.Stamp, now time.Time) error {
	_, err := s.change(ctx, "hint", ref, func(ctx context.Context, tx *sqlx.Tx, r *verify.Record, _ verify.SubjectState) error {
		switch {
		case r.State != verify.StatePending || !now.Before(r.ExpiresAt):
			return verify.ErrNotPending
		case r.Hinted:
			return nil
		}
		r.Hinted = true
		if _, err := tx.ExecContext(ctx, s.q.hinted, r.Tenant, r.ID); err != nil {
			return err
		}
		return s.emit(ctx, tx, r.Event(st, now))
	})
	return err
}

// Approve implements [verify.Store].
func (s *Store) Approve(ctx context.Context, ref verify.Ref, by string, st verify.Stamp, now time.Time) (verify.Record, error) {
	return s.change(ctx, "approve", ref, func(ctx context.Context, tx *sqlx.Tx, r *verify.Record, sub verify.SubjectState) error {
		first, err := r.Approvable(sub, by, now)
		if err != nil || !first {
			return err
		}
		r.ApprovedBy, r.ApprovedAt = by, now
		r.Version++
		if _, err := tx.ExecContext(ctx, s.q.approved, r.Version, r.ApprovedBy, sqlx.Micros(now), r.Tenant, r.ID); err != nil {
			return err
		}
		return s.emit(ctx, tx, r.Event(st, now))
	})
}

// Redeem implements [verify.Store].
func (s *Store) Redeem(ctx context.Context, ref verify.Ref, by string, st verify.Stamp, now time.Time) (verify.Record, error) {
	if s.db.Dialect() == sqlx.Postgres {
		r, err := s.callRedeem(ctx, ref, by, st, now)
		return r, wrap("redeem", err)
	}
	return s.change(ctx, "redeem", ref, func(ctx context.Context, tx *sqlx.Tx, r *verify.Record, sub verify.SubjectState) error {
		first, err := r.Redeemable(sub, by, now)
		if err != nil || !first {
			return err
		}
		r.RedeemedBy, r.RedeemedAt = by, now
		r.Version++
		if _, err := tx.ExecContext(ctx, s.q.redeemed, r.Version, r.RedeemedBy, sqlx.Micros(now), r.Tenant, r.ID); err != nil {
			return err
		}
		return s.emit(ctx, tx, r.Event(st, now))
	})
}

// Get implements [verify.Store].
func (s *Store) Get(ctx context.Context, ref verify.Ref) (verify.Record, verify.SubjectState, error) {
	r, sub, err := s.load(ctx, s.db, s.q.get, ref)
	return r, sub, wrap("get", err)
}

// List implements [verify.Store].
func (s *Store) List(ctx context.Context, q verify.Query) ([]verify.Record, error) {
	text, args := s.q.list, []any{q.Tenant}
	if q.Technician != "" {
		text, args = text+` AND c.technician = ?`, append(args, q.Technician)
	}
	if q.Subject != "" {
		text, args = text+` AND c.subject = ?`, append(args, q.Subject)
	}
	if !q.OpenAt.IsZero() {
		text, args = text+` AND c.expires_at > ? AND c.state IN ('pending', 'failed')`, append(args, sqlx.Micros(q.OpenAt))
	}
	text += ` ORDER BY c.created_at DESC, c.id DESC LIMIT ?`
	rows, err := s.db.QueryContext(ctx, s.db.SQL(text), append(args, q.Capped())...)
	if err != nil {
		return nil, wrap("list", err)
	}
	out, err := all(rows, func(row scanner) (verify.Record, error) { return scanRecord(row) })
	return out, wrap("list", err)
}

// change runs f on a record in one write transaction and returns the record as f left it, without MACs.
func (s *Store) change(ctx context.Context, verb string, ref verify.Ref, f func(context.Context, *sqlx.Tx, *verify.Record, verify.SubjectState) error) (verify.Record, error) {
	var r verify.Record
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if err := s.lock(ctx, tx, ref.Tenant); err != nil {
			return err
		}
		var sub verify.SubjectState
		var err error
		if r, sub, err = s.load(ctx, tx, s.q.get, ref); err != nil {
			return err
		}
		return f(ctx, tx, &r, sub)
	})
	if err != nil {
		return verify.Record{}, wrap(verb, err)
	}
	return rounded(r.Hidden()), nil
}

// load reads a record with what is kept of its subject, and more.
func (s *Store) load(ctx context.Context, q sqlx.Querier, query string, ref verify.Ref, more ...any) (verify.Record, verify.SubjectState, error) {
	var sub verify.SubjectState
	var frozen int64
	r, err := scanRecord(q.QueryRowContext(ctx, query, ref.Tenant, ref.ID), append([]any{&sub.Failures, &frozen}, more...)...)
	sub.FrozenUntil = sqlx.Time(frozen)
	return r, sub, found(err)
}

// all reads every row and closes rows.
func all[T any](rows *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
