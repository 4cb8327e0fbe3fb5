package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
)

// Put implements [securesend.SecretStore].
func (s *Store) Put(ctx context.Context, r securesend.Record, st securesend.Stamp, now time.Time) error {
	if err := r.Storable(now); err != nil {
		return err
	}
	r = rounded(r)
	r.Version = 1
	values := append(args(append(fixedOf(&r), changingOf(&r)...)), sqlx.Micros(r.SweepAt()), present(r.Half), present(r.Inline))
	put := func(ctx context.Context, tx *sqlx.Tx) (stored bool, err error) {
		_, _, stored, err = s.store(ctx, tx, s.q.put, values, &r, now, []securesend.Stamp{st})
		return stored, err
	}
	stored, err := put(ctx, nil)
	if crowded(err) {
		err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) (err error) {
			stored, err = put(ctx, tx)
			return err
		})
	}
	if err == nil && !stored {
		return securesend.ErrConflict
	}
	return wrap("put", err)
}

// Commit implements [securesend.SecretStore].
func (s *Store) Commit(ctx context.Context, ref securesend.Ref, c securesend.Content, now time.Time) (securesend.Record, error) {
	return s.run(ctx, "commit", filling, ref, now, func(r *securesend.Record) ([]securesend.Stamp, bool, error) {
		stamps, err := r.Commit(c, now)
		return stamps, false, err
	})
}

// Admit implements [securesend.SecretStore].
func (s *Store) Admit(ctx context.Context, ref securesend.Ref, a securesend.Admission, now time.Time) (securesend.Record, error) {
	return s.run(ctx, "admit", ordinary, ref, now, func(r *securesend.Record) ([]securesend.Stamp, bool, error) { return r.Admit(a, now) })
}

// Stat implements [securesend.SecretStore].
func (s *Store) Stat(ctx context.Context, ref securesend.Ref) (securesend.Record, error) {
	r, _, err := s.load(ctx, nil, ref, false)
	if errors.Is(err, sql.ErrNoRows) {
		return securesend.Record{}, securesend.ErrNotFound
	}
	return r.Hidden(), wrap("stat", err)
}

// Open implements [securesend.SecretStore].
func (s *Store) Open(ctx context.Context, ref securesend.Ref, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return s.run(ctx, "open", ordinary, ref, now, func(r *securesend.Record) ([]securesend.Stamp, bool, error) {
		stamps, err := r.Open(auth, st, now)
		return stamps, false, err
	})
}

// Take implements [securesend.SecretStore]. The half is read by the statement that stores the claim, and by no other.
func (s *Store) Take(ctx context.Context, ref securesend.Ref, t securesend.Take, now time.Time) (securesend.Record, error) {
	return s.run(ctx, "take", taking, ref, now, func(r *securesend.Record) ([]securesend.Stamp, bool, error) { return r.Take(t, now) })
}

// Extend implements [securesend.SecretStore].
func (s *Store) Extend(ctx context.Context, ref securesend.Ref, f securesend.Fetch, now time.Time) (securesend.Record, error) {
	return s.run(ctx, "extend", extending, ref, now, func(r *securesend.Record) ([]securesend.Stamp, bool, error) {
		err := r.Extend(f, now)
		return nil, err == nil, err
	})
}

// Ack implements [securesend.SecretStore].
func (s *Store) Ack(ctx context.Context, ref securesend.Ref, claim, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return s.run(ctx, "ack", ordinary, ref, now, func(r *securesend.Record) ([]securesend.Stamp, bool, error) {
		stamps, err := r.Ack(claim, auth, st, now)
		return stamps, false, err
	})
}

// SendCode implements [securesend.SecretStore].
func (s *Store) SendCode(ctx context.Context, ref securesend.Ref, c securesend.Code, now time.Time) (securesend.Record, error) {
	return s.run(ctx, "send code", ordinary, ref, now, func(r *securesend.Record) ([]securesend.Stamp, bool, error) {
		stamps, err := r.SendCode(c, now)
		return stamps, false, err
	})
}

// Renew implements [securesend.SecretStore].
func (s *Store) Renew(ctx context.Context, ref securesend.Ref, version int64, n securesend.Renewal, now time.Time) (securesend.Record, error) {
	return s.run(ctx, "renew", ordinary, ref, now, func(r *securesend.Record) ([]securesend.Stamp, bool, error) {
		stamps, err := r.Renew(version, n, now)
		return stamps, false, err
	})
}

// Revoke implements [securesend.SecretStore].
func (s *Store) Revoke(ctx context.Context, ref securesend.Ref, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return s.run(ctx, "revoke", ordinary, ref, now, func(r *securesend.Record) ([]securesend.Stamp, bool, error) {
		stamps, err := r.Revoke(st, now)
		return stamps, false, err
	})
}

// Note implements [securesend.SecretStore]. The record is stored as it was, so that the event tells of its present state.
func (s *Store) Note(ctx context.Context, ref securesend.Ref, st securesend.Stamp, now time.Time) error {
	_, err := s.run(ctx, "note", ordinary, ref, now, func(*securesend.Record) ([]securesend.Stamp, bool, error) {
		return []securesend.Stamp{st}, false, nil
	})
	return err
}

// List implements [securesend.SecretStore].
func (s *Store) List(ctx context.Context, q securesend.Query) ([]securesend.Record, error) {
	text, values := s.q.list, []any{string(q.Tenant)}
	and := func(column, value string) {
		if value != "" {
			text, values = text+` AND `+column+` = ?`, append(values, value)
		}
	}
	and("sender", q.Sender)
	and("subject", q.Subject)
	if !q.Ticket.IsZero() {
		text, values = text+` AND ticket_id = ? AND ticket_system = ?`, append(values, q.Ticket.ID, q.Ticket.System)
	}
	and("kind", string(q.Kind))
	text += ` ORDER BY created_at DESC, id LIMIT ?`
	rows, err := s.db.QueryContext(ctx, s.db.SQL(text), append(values, q.Capped())...)
	if err != nil {
		return nil, wrap("list", err)
	}
	out, err := all(rows, func(row scanner) (securesend.Record, error) {
		r, _, err := scan(row)
		return r.Hidden(), err
	})
	return out, wrap("list", err)
}
