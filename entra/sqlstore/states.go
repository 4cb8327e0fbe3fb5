package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// PutState implements [entra.ConnectionStore].
func (s *Store) PutState(ctx context.Context, l entra.LinkState) error {
	if err := l.Validate(); err != nil {
		return err
	}
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.q.putState, l.Hash, string(l.Tenant), l.Owner, l.Integration, l.Data, sqlx.Micros(l.ExpiresAt))
		return err
	})
	if err == nil && n == 0 {
		return fmt.Errorf("sqlstore: put state: the state of this link is there already: %w", mspkit.ErrInvalid)
	}
	return wrap("put state", err)
}

func scanState(row scanner) (entra.LinkState, error) {
	var l entra.LinkState
	var expires int64
	err := row.Scan(&l.Hash, &l.Tenant, &l.Owner, &l.Integration, &l.Data, &expires)
	l.ExpiresAt = sqlx.Time(expires)
	return l, err
}

// State implements [entra.ConnectionStore].
func (s *Store) State(ctx context.Context, hash []byte, now time.Time) (entra.LinkState, error) {
	l, err := scanState(s.db.QueryRowContext(ctx, s.q.state, hash, sqlx.Micros(now)))
	return known(l, "state", err)
}

// TakeState implements [entra.ConnectionStore].
func (s *Store) TakeState(ctx context.Context, hash []byte, now time.Time) (entra.LinkState, error) {
	var l entra.LinkState
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		l, err = scanState(tx.QueryRowContext(ctx, s.q.takeState, hash, sqlx.Micros(now)))
		return err
	})
	return known(l, "take state", err)
}

func known(l entra.LinkState, method string, err error) (entra.LinkState, error) {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return entra.LinkState{}, entra.ErrState
	case err != nil:
		return entra.LinkState{}, wrap(method, err)
	}
	return l, nil
}

// DeleteExpired implements [entra.ConnectionStore] and [entra.Revocations]: it counts both.
func (s *Store) DeleteExpired(ctx context.Context, now time.Time) (int, error) {
	var states, revoked int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		if states, err = tx.Affected(ctx, s.q.dropStates, sqlx.Micros(now)); err != nil {
			return err
		}
		revoked, err = tx.Affected(ctx, s.q.dropRevoked, sqlx.Micros(now))
		return err
	})
	return int(states + revoked), wrap("delete expired", err)
}

// Token implements [entra.TokenStore].
func (s *Store) Token(ctx context.Context, name string) (sealed []byte, rev int64, err error) {
	if foreign(name) {
		return nil, 0, entra.ErrNotConnected
	}
	err = s.db.QueryRowContext(ctx, s.q.token, name).Scan(&sealed, &rev)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, entra.ErrNotConnected
	}
	return sealed, rev, wrap("token", err)
}

// SwapToken implements [entra.TokenStore].
func (s *Store) SwapToken(ctx context.Context, name string, sealed []byte, rev int64, now time.Time) (int64, error) {
	if err := entra.ValidToken(name, sealed); err != nil {
		return 0, err
	}
	var newRev int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if rev == 0 {
			return tx.QueryRowContext(ctx, s.q.firstToken, name, sealed, sqlx.Micros(now)).Scan(&newRev)
		}
		return tx.QueryRowContext(ctx, s.q.swapToken, sealed, sqlx.Micros(now), name, rev).Scan(&newRev)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, entra.ErrStale
	case err != nil:
		return 0, wrap("swap token", err)
	}
	return newRev, nil
}

// DeleteToken implements [entra.TokenStore].
func (s *Store) DeleteToken(ctx context.Context, name string) error {
	if foreign(name) {
		return nil
	}
	return wrap("delete token", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.q.dropToken, name)
		return err
	}))
}
