package accounts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// Record is what a [Store] keeps of an invitation, and of the link by which the first admin comes.
type Record struct {
	// Owner is the MSP, ID names the invitation on pages and is no secret.
	Owner, ID string
	// Hash is the SHA-256 of the secret in the link.
	Hash []byte
	// Kind, Client, Role and UI are those of the account that comes of it.
	Kind   Kind
	Client mspkit.TenantID
	Role   entra.Role
	UI     entra.UI
	// AccountID is the account that comes of it, By who invited.
	AccountID, By string
	// Sealed is who was invited, bound to everything above.
	Sealed []byte
	// The invitation is good from CreatedAt until ExpiresAt, unless it was accepted or revoked before.
	CreatedAt, ExpiresAt, AcceptedAt, RevokedAt time.Time
}

// Open reports whether the invitation may still be accepted.
func (r Record) Open(now time.Time) bool {
	return r.AcceptedAt.IsZero() && r.RevokedAt.IsZero() && now.Before(r.ExpiresAt)
}

// Validate reports everything that keeps r from being stored, as [mspkit.ErrInvalid].
func (r Record) Validate() error {
	errs := []error{
		validName("owner", r.Owner), validName("id of the invitation", r.ID), validName("id of the account", r.AccountID), validName("one who invites", r.By),
		validPart(r.Kind, r.Client, r.Role, r.UI),
	}
	if len(r.Hash) != sha256.Size || len(r.Sealed) == 0 {
		errs = append(errs, fmt.Errorf("accounts: an invitation has a hash of %d bytes and something sealed: %w", sha256.Size, mspkit.ErrInvalid))
	}
	if r.CreatedAt.IsZero() || !r.ExpiresAt.After(r.CreatedAt) {
		errs = append(errs, fmt.Errorf("accounts: an invitation ends after it was made: %w", mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}

func (r Record) clone() Record {
	r.Hash, r.Sealed = bytes.Clone(r.Hash), bytes.Clone(r.Sealed)
	return r
}

// Store keeps accounts and invitations. It must be safe for concurrent use, and any number of instances may share what is behind it.
// Everything that a method decides it decides atomically with what it stores, also beside other instances. Package accountstest
// has the tests that every one must pass.
type Store interface {
	// Add stores a new account, whose Version is 1: [mspkit.ErrInvalid] where it cannot be stored, [ErrExists] where the owner has
	// one of that id, or what [Decide] says.
	Add(ctx context.Context, a Account) error
	// Account returns one by its id, ByIdentity by who it is of in Entra: [ErrNotFound] where there is none.
	Account(ctx context.Context, owner, id string) (Account, error)
	ByIdentity(ctx context.Context, owner, tenantID, objectID string) (Account, error)
	// Accounts returns all of an owner, ordered by the time of creation and the id, by bytes.
	Accounts(ctx context.Context, owner string) ([]Account, error)
	// Update stores the next version of an account, everything but Owner, ID, Kind, Client and CreatedAt, which stay:
	// [mspkit.ErrInvalid], [ErrNotFound], [ErrConflict] where what is stored is not the version before, or what [Decide] says.
	Update(ctx context.Context, a Account) error
	// Remove deletes an account: [ErrNotFound], or what [Decide] says.
	Remove(ctx context.Context, owner, id string) error

	// Invite stores an invitation: [mspkit.ErrInvalid], [ErrExists] where its id or hash is taken, [ErrTooMany] where most of the
	// owner are open at r.CreatedAt.
	Invite(ctx context.Context, r Record, most int) error
	// Invitation returns one by its hash, whatever became of it: [ErrNotFound] where there is none.
	Invitation(ctx context.Context, hash []byte) (Record, error)
	// Invitations returns all of an owner, ordered by the time of creation and the id, by bytes.
	Invitations(ctx context.Context, owner string) ([]Record, error)
	// Accept uses an invitation up and stores the account of whoever accepted it, which it returns: a where there is none of that
	// owner and id yet, and what [Account.Joined] makes of the one that there is otherwise. It fails, and changes nothing, with
	// [ErrState] where no invitation of that hash and owner is open now, [ErrSetUp] where it is a [Bootstrap] and the owner has a
	// [Account.LinkedAdmin], [mspkit.ErrInvalid], what Joined says, or what [Decide] says.
	Accept(ctx context.Context, hash []byte, a Account, now time.Time) (Account, error)
	// Revoke ends an invitation that is open now and returns it: [ErrState] where there is none.
	Revoke(ctx context.Context, owner, id string, now time.Time) (Record, error)
	// DeleteExpired deletes the invitations of all owners that ended by themselves at before or earlier, whatever became of them,
	// and returns how many.
	DeleteExpired(ctx context.Context, before time.Time) (int, error)
}
