package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/teamsapp"
)

// errTaken undoes a claim of which a key is another's.
var errTaken = errors.New("taken")

// Claim implements [teamsapp.Store].
func (s *Store) Claim(ctx context.Context, c teamsapp.Claim, now time.Time) (teamsapp.Claimed, error) {
	if err := c.Validate(); err != nil {
		return teamsapp.Claimed{}, err
	}
	at, keys := sqlx.Micros(now), sorted(c.Keys)
	args := make([]any, 0, 4*len(keys)+2)
	for _, k := range keys {
		args = append(args, k.Key, c.Owner, sqlx.Micros(k.Until), sqlx.Micros(c.LeaseUntil))
	}
	args = append(args, at, at)
	var reply []byte
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		reply = nil
		n, err := tx.Affected(ctx, s.q.claim[len(keys)], args...)
		if err != nil || n == int64(len(keys)) {
			return err
		}
		if reply, err = s.reply(ctx, tx, c.Keys); err != nil {
			return err
		}
		return errTaken
	})
	switch {
	case errors.Is(err, errTaken):
		return teamsapp.Claimed{Reply: reply}, nil
	case err != nil:
		return teamsapp.Claimed{}, wrap("claim", err)
	}
	return teamsapp.Claimed{Mine: true}, nil
}

// sorted returns keys in the order in which every instance locks them, each once with the Until that was named last.
func sorted(keys []teamsapp.ClaimKey) []teamsapp.ClaimKey {
	out := slices.Clone(keys)
	slices.Reverse(out)
	slices.SortStableFunc(out, func(a, b teamsapp.ClaimKey) int { return strings.Compare(a.Key, b.Key) })
	return slices.CompactFunc(out, func(a, b teamsapp.ClaimKey) bool { return a.Key == b.Key })
}

// reply returns the reply of the first of keys that has one, or nil. It comes after the attempt to take them, in the
// same transaction: that has taken the reply away from every key that is not remembered.
func (s *Store) reply(ctx context.Context, tx *sqlx.Tx, keys []teamsapp.ClaimKey) ([]byte, error) {
	args := make([]any, 0, len(keys))
	for _, k := range keys {
		args = append(args, k.Key)
	}
	rows, err := tx.QueryContext(ctx, s.q.replies[len(keys)], args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var reply []byte
	first := len(keys)
	for rows.Next() {
		var name string
		var this []byte
		if err := rows.Scan(&name, &this); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(keys, func(k teamsapp.ClaimKey) bool { return k.Key == name })
		if i >= 0 && i < first {
			first, reply = i, this
		}
	}
	return reply, rows.Err()
}

// Answer implements [teamsapp.Store].
func (s *Store) Answer(ctx context.Context, owner string, reply []byte, now time.Time) error {
	at := sqlx.Micros(now)
	return wrap("answer", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if s.db.Dialect() == Postgres {
			// An UPDATE locks rows as it finds them; a claim of the same keys could wait for it in a circle.
			if _, err := tx.ExecContext(ctx, s.q.lockOwned, owner, at); err != nil {
				return err
			}
		}
		var err error
		if len(reply) == 0 {
			_, err = tx.ExecContext(ctx, s.q.forget, owner, at)
		} else {
			_, err = tx.ExecContext(ctx, s.q.answer, reply, owner, at)
		}
		return err
	}))
}

// DeleteExpired implements [teamsapp.Store]. Where nothing is over it only reads.
func (s *Store) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	at := sqlx.Micros(now)
	var work int
	if err := s.db.QueryRowContext(ctx, s.q.anyExpired, at).Scan(&work); err != nil || work == 0 || limit < 1 {
		return 0, wrap("delete expired", err)
	}
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.q.dropExpired, at, limit, at)
		return err
	})
	if err != nil {
		return 0, wrap("delete expired", err)
	}
	return int(n), nil
}
