package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// Revoke implements [entra.Revocations].
func (s *Store) Revoke(ctx context.Context, owner, mark string, at, until time.Time) (first bool, err error) {
	if err := entra.ValidMark(owner, mark); err != nil {
		return false, err
	}
	var n int64
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.q.revoke, owner, mark, sqlx.Micros(at), sqlx.Micros(until))
		return err
	})
	return n > 0, wrap("revoke", err)
}

// Revoked implements [entra.Revocations].
func (s *Store) Revoked(ctx context.Context, owner string, marks []string, since time.Time) (bool, error) {
	switch {
	case len(marks) > entra.MaxMarks:
		return false, fmt.Errorf("sqlstore: revoked: %d marks are more than %d: %w", len(marks), entra.MaxMarks, mspkit.ErrInvalid)
	case len(marks) == 0, foreign(owner), foreign(marks...):
		return false, nil
	}
	args := []any{owner}
	for i := range entra.MaxMarks {
		args = append(args, marks[min(i, len(marks)-1)])
	}
	var n int
	err := s.db.QueryRowContext(ctx, s.q.revoked, append(args, sqlx.Micros(since))...).Scan(&n)
	return n > 0, wrap("revoked", err)
}
