package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// account returns one in a transaction, nil where there is none.
func (s *Store) account(ctx context.Context, tx *sqlx.Tx, owner, id string) (*accounts.Account, error) {
	a, err := scanAccount(tx.QueryRowContext(ctx, s.q.get, owner, id))
	if errors.Is(err, accounts.ErrNotFound) {
		return nil, nil
	}
	return &a, err
}

// decide asks [accounts.Decide] beside those that it must know.
func (s *Store) decide(ctx context.Context, tx *sqlx.Tx, owner string, before, after *accounts.Account) error {
	tenant, object := "", ""
	if after != nil {
		tenant, object = after.TenantID, after.ObjectID
	}
	others, err := s.others(ctx, tx, owner, tenant, object)
	if err != nil {
		return err
	}
	return accounts.Decide(before, after, others)
}

// others returns every admin of an owner, and the account of a person.
func (s *Store) others(ctx context.Context, tx *sqlx.Tx, owner, tenant, object string) ([]accounts.Account, error) {
	return all(ctx, tx, scanAccount, s.q.others, owner, tenant, object)
}

func (s *Store) insert(ctx context.Context, tx *sqlx.Tx, a accounts.Account) error {
	_, err := tx.ExecContext(ctx, s.q.insert, a.Owner, a.ID, a.Version, string(a.Kind), string(a.Client), a.Name, a.Role.String(), a.UI.String(), a.MFA.String(),
		a.TenantID, a.ObjectID, sqlx.Micros(a.CreatedAt), sqlx.Micros(a.LinkedAt), sqlx.Micros(a.DisabledAt))
	return err
}

func (s *Store) update(ctx context.Context, tx *sqlx.Tx, a accounts.Account) error {
	_, err := tx.ExecContext(ctx, s.q.update, a.Version, a.Name, a.Role.String(), a.UI.String(), a.MFA.String(), a.TenantID, a.ObjectID,
		sqlx.Micros(a.LinkedAt), sqlx.Micros(a.DisabledAt), a.Owner, a.ID)
	return err
}

// Add implements [accounts.Store].
func (s *Store) Add(ctx context.Context, a accounts.Account) error {
	if err := valid(a.Validate(), a.Name); err != nil {
		return err
	}
	return s.write(ctx, "add", func(ctx context.Context, tx *sqlx.Tx) error {
		switch had, err := s.account(ctx, tx, a.Owner, a.ID); {
		case err != nil:
			return err
		case had != nil:
			return accounts.ErrExists
		}
		if err := s.decide(ctx, tx, a.Owner, nil, &a); err != nil {
			return err
		}
		return s.insert(ctx, tx, a)
	})
}

// Account implements [accounts.Store].
func (s *Store) Account(ctx context.Context, owner, id string) (accounts.Account, error) {
	if foreign(owner, id) {
		return accounts.Account{}, accounts.ErrNotFound
	}
	a, err := scanAccount(s.db.QueryRowContext(ctx, s.q.get, owner, id))
	return a, wrap("account", err)
}

// ByIdentity implements [accounts.Store].
func (s *Store) ByIdentity(ctx context.Context, owner, tenantID, objectID string) (accounts.Account, error) {
	if foreign(owner, tenantID, objectID) {
		return accounts.Account{}, accounts.ErrNotFound
	}
	a, err := scanAccount(s.db.QueryRowContext(ctx, s.q.byIdentity, owner, tenantID, objectID))
	return a, wrap("by identity", err)
}

// Accounts implements [accounts.Store].
func (s *Store) Accounts(ctx context.Context, owner string) ([]accounts.Account, error) {
	if foreign(owner) {
		return nil, nil
	}
	out, err := all(ctx, s.db, scanAccount, s.q.list, owner)
	return out, wrap("accounts", err)
}

// Update implements [accounts.Store].
func (s *Store) Update(ctx context.Context, a accounts.Account) error {
	if err := valid(a.Validate(), a.Name); err != nil {
		return err
	}
	return s.write(ctx, "update", func(ctx context.Context, tx *sqlx.Tx) error {
		before, err := s.account(ctx, tx, a.Owner, a.ID)
		switch {
		case err != nil:
			return err
		case before == nil:
			return accounts.ErrNotFound
		case before.Version+1 != a.Version || before.Kind != a.Kind || before.Client != a.Client:
			return accounts.ErrConflict
		}
		if err := s.decide(ctx, tx, a.Owner, before, &a); err != nil {
			return err
		}
		return s.update(ctx, tx, a)
	})
}

// Remove implements [accounts.Store].
func (s *Store) Remove(ctx context.Context, owner, id string) error {
	if foreign(owner, id) {
		return accounts.ErrNotFound
	}
	return s.write(ctx, "remove", func(ctx context.Context, tx *sqlx.Tx) error {
		before, err := s.account(ctx, tx, owner, id)
		switch {
		case err != nil:
			return err
		case before == nil:
			return accounts.ErrNotFound
		}
		if err := s.decide(ctx, tx, owner, before, nil); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.q.remove, owner, id)
		return err
	})
}

// Invite implements [accounts.Store].
func (s *Store) Invite(ctx context.Context, r accounts.Record, most int) error {
	if err := r.Validate(); err != nil {
		return err
	}
	return s.write(ctx, "invite", func(ctx context.Context, tx *sqlx.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, s.q.clash, r.Owner, r.ID, r.Hash).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return accounts.ErrExists
		}
		if err := tx.QueryRowContext(ctx, s.q.countOpen, r.Owner, sqlx.Micros(r.CreatedAt)).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return accounts.ErrTooMany
		}
		_, err := tx.ExecContext(ctx, s.q.invite, r.Owner, r.ID, r.Hash, string(r.Kind), string(r.Client), r.Role.String(), r.UI.String(), r.AccountID, r.By, r.Sealed,
			sqlx.Micros(r.CreatedAt), sqlx.Micros(r.ExpiresAt), sqlx.Micros(r.AcceptedAt), sqlx.Micros(r.RevokedAt))
		return err
	})
}

// Invitation implements [accounts.Store].
func (s *Store) Invitation(ctx context.Context, hash []byte) (accounts.Record, error) {
	r, err := scanInvitation(s.db.QueryRowContext(ctx, s.q.invitation, hash))
	return r, wrap("invitation", err)
}

// Invitations implements [accounts.Store].
func (s *Store) Invitations(ctx context.Context, owner string) ([]accounts.Record, error) {
	if foreign(owner) {
		return nil, nil
	}
	out, err := all(ctx, s.db, scanInvitation, s.q.invitations, owner)
	return out, wrap("invitations", err)
}

// Accept implements [accounts.Store].
func (s *Store) Accept(ctx context.Context, hash []byte, a accounts.Account, now time.Time) (accounts.Account, error) {
	if err := valid(a.Validate(), a.Name); err != nil {
		return accounts.Account{}, err
	}
	var out accounts.Account
	err := s.write(ctx, "accept", func(ctx context.Context, tx *sqlx.Tx) error {
		out = a
		r, err := scanInvitation(tx.QueryRowContext(ctx, s.q.invitation, hash))
		switch {
		case errors.Is(err, accounts.ErrNotFound), err == nil && (r.Owner != a.Owner || !r.Open(now)):
			return accounts.ErrState
		case err != nil:
			return err
		}
		before, err := s.account(ctx, tx, a.Owner, a.ID)
		if err != nil {
			return err
		}
		others, err := s.others(ctx, tx, a.Owner, a.TenantID, a.ObjectID)
		if err != nil {
			return err
		}
		if r.Kind == accounts.Bootstrap && slices.ContainsFunc(others, accounts.Account.LinkedAdmin) {
			return accounts.ErrSetUp
		}
		if before != nil {
			if out, err = before.Joined(a); err != nil {
				return err
			}
		}
		if err := accounts.Decide(before, &out, others); err != nil {
			return err
		}
		// A revocation does not wait for the lock of the accounts: what it has ended meanwhile is not accepted.
		n, err := tx.Affected(ctx, s.q.accepted, sqlx.Micros(now), hash, sqlx.Micros(now))
		if err != nil {
			return err
		}
		if n == 0 {
			return accounts.ErrState
		}
		if before != nil {
			return s.update(ctx, tx, out)
		}
		return s.insert(ctx, tx, out)
	})
	if err != nil {
		return accounts.Account{}, err
	}
	return out, nil
}

// Revoke implements [accounts.Store].
func (s *Store) Revoke(ctx context.Context, owner, id string, now time.Time) (accounts.Record, error) {
	if foreign(owner, id) {
		return accounts.Record{}, accounts.ErrState
	}
	var r accounts.Record
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		r, err = scanInvitation(tx.QueryRowContext(ctx, s.q.revoke, sqlx.Micros(now), owner, id, sqlx.Micros(now)))
		return err
	})
	if errors.Is(err, accounts.ErrNotFound) {
		err = accounts.ErrState
	}
	return r, wrap("revoke", err)
}

// DeleteExpired implements [accounts.Store].
func (s *Store) DeleteExpired(ctx context.Context, before time.Time) (int, error) {
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.q.expire, sqlx.Micros(before))
		return err
	})
	return int(n), wrap("delete expired", err)
}
