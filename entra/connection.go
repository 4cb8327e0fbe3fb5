package entra

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
)

// Connection ties a tenant of the host's to a tenant of Microsoft 365, for one integration.
type Connection struct {
	// Tenant is the host's, Owner is who connected it, such as the MSP; an owner sees only what is theirs.
	Tenant mspkit.TenantID
	Owner  string
	// Integration is what it is connected for, such as "contacts" or "mail".
	Integration string
	// EntraID is the id of the Microsoft 365 tenant, Domain and Name are what it is called there, for people.
	EntraID, Domain, Name string
	// Via is how: "consent" by the customer's administrator, or "gdap".
	Via string
	// By is the oid of the administrator who consented.
	By          string
	ConnectedAt time.Time
	// ExpiresAt is when the connection ends by itself, such as with a GDAP relationship; zero is never.
	ExpiresAt time.Time
	// CheckedAt is when the connection was used last, Problem what was wrong then in words for an administrator; empty is
	// healthy.
	CheckedAt time.Time
	Problem   string
}

// The values of [Connection.Via] that this module writes.
const (
	ViaConsent = "consent"
	ViaGDAP    = "gdap"
)

// Validate reports everything that keeps c from being stored, as [mspkit.ErrInvalid]: a tenant, an owner, an integration
// and the canonical id of a tenant of Microsoft 365 are required.
func (c Connection) Validate() error {
	errs := []error{c.Tenant.Validate(), validName("owner", c.Owner), validName("integration", c.Integration)}
	if id, err := CanonicalID(c.EntraID); err != nil {
		errs = append(errs, err)
	} else if id != c.EntraID {
		errs = append(errs, fmt.Errorf("entra: the id of the Microsoft 365 tenant is not in lower case: %w", mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}

// Expired reports whether the connection has ended by itself.
func (c Connection) Expired(now time.Time) bool {
	return !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt)
}

// validName checks what is part of a key, by the rules of a tenant's id.
func validName(what, s string) error {
	if mspkit.TenantID(s).Validate() != nil {
		return fmt.Errorf("entra: the %s must be 1 to %d bytes of printable text without spaces at its ends: %w", what, mspkit.MaxID, mspkit.ErrInvalid)
	}
	return nil
}

// ConnectionStore keeps connections and the states of consent links. It must be safe for concurrent use, and any number of
// instances may share what is behind it. Package entratest has the tests that every one must pass.
type ConnectionStore interface {
	// Connect stores c, in the place of an earlier connection of the same tenant and integration to the same tenant of
	// Microsoft 365. What makes it fail, decided atomically:
	//
	//   - [mspkit.ErrInvalid]: c cannot be stored, see [Connection.Validate].
	//   - [ErrOwned]: another owner has connected c.EntraID or c.Tenant, for whatever integration.
	//   - [ErrTaken]: the same owner has connected c.EntraID to another tenant, or c.Tenant for c.Integration to another
	//     tenant of Microsoft 365.
	//
	// A connection that has expired counts until it is released.
	Connect(ctx context.Context, c Connection) error
	// Connection returns one, [ErrNotConnected] where there is none. An expired one is returned.
	Connection(ctx context.Context, tenant mspkit.TenantID, integration string) (Connection, error)
	// Connections lists an owner's, ordered by the bytes of tenant and integration; an empty owner lists all.
	Connections(ctx context.Context, owner string) ([]Connection, error)
	// Checked notes the health of a connection at a time; an older one changes nothing. [ErrNotConnected] where there is no
	// such connection.
	Checked(ctx context.Context, tenant mspkit.TenantID, integration string, at time.Time, problem string) error
	// Release removes a connection of an owner, so that others may connect the tenant. [ErrNotConnected] where the owner
	// has none.
	Release(ctx context.Context, tenant mspkit.TenantID, integration, owner string) error

	// PutState keeps the state of a link under the hash of its token until it expires. A hash that is there already is
	// [mspkit.ErrInvalid].
	PutState(ctx context.Context, s LinkState) error
	// State returns it without using it up, [ErrState] where there is none or it has expired by now.
	State(ctx context.Context, hash []byte, now time.Time) (LinkState, error)
	// TakeState uses it up: of all who take it one gets it, the others [ErrState].
	TakeState(ctx context.Context, hash []byte, now time.Time) (LinkState, error)
	// DeleteExpired removes states that had expired by now and returns how many.
	DeleteExpired(ctx context.Context, now time.Time) (int, error)
}

// LinkState is what a link in the hands of a customer's administrator stands for.
type LinkState struct {
	// Hash is the SHA-256 of the token in the link.
	Hash        []byte
	Tenant      mspkit.TenantID
	Owner       string
	Integration string
	// Data is what the flow remembers, such as a nonce and a PKCE verifier; it is sealed by who writes it.
	Data      []byte
	ExpiresAt time.Time
}

// Validate reports everything that keeps s from being stored, as [mspkit.ErrInvalid].
func (s LinkState) Validate() error {
	errs := []error{s.Tenant.Validate(), validName("owner", s.Owner), validName("integration", s.Integration)}
	if len(s.Hash) != sha256.Size {
		errs = append(errs, fmt.Errorf("entra: the hash of a link has %d bytes, it must have %d: %w", len(s.Hash), sha256.Size, mspkit.ErrInvalid))
	}
	if s.ExpiresAt.IsZero() {
		errs = append(errs, fmt.Errorf("entra: the state of a link must expire: %w", mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}

// TokenStore keeps tokens that are exchanged for new ones at every use, such as the refresh token of a partner. What it is
// given is sealed already. It must be safe for concurrent use, and any number of instances may share what is behind it.
type TokenStore interface {
	// Token returns the sealed token of a name and its revision, which begins at 1; [ErrNotConnected] where there is none.
	Token(ctx context.Context, name string) (sealed []byte, rev int64, err error)
	// SwapToken stores a token in the place of revision rev, 0 for none, and returns the revision it has now; [ErrStale]
	// where another one is there, or none. A revision is never given twice for a name, also after DeleteToken, so that who
	// read a token before it was deleted cannot put another one in the place of its successor. A name or a token that is
	// empty is [mspkit.ErrInvalid].
	SwapToken(ctx context.Context, name string, sealed []byte, rev int64, now time.Time) (newRev int64, err error)
	// DeleteToken removes a token. That there is none is no error.
	DeleteToken(ctx context.Context, name string) error
}
