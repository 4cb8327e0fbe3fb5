package verify

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
)

// Factor is what a way of verification keeps of a subject, such as the secret of their authenticator app.
type Factor struct {
	Tenant  mspkit.TenantID
	Subject string
	// Kind tells the factors of a subject apart, for example "totp".
	Kind string
	// Version counts the changes from 1.
	Version int64
	// Sealed is opaque to the store.
	Sealed []byte
	// ChangedAt is when it was last put.
	ChangedAt time.Time
}

// FactorStore keeps factors, one of each kind for each subject. Every change is a compare-and-set, so that what two
// instances do at once is done by one of them. Implementations must be safe for concurrent use and pass
// verifytest.TestFactorStore; every store of this module that is a [Store] is one.
type FactorStore interface {
	// Factor returns a factor, or ErrNotFound.
	Factor(ctx context.Context, tenant mspkit.TenantID, subject, kind string) (Factor, error)
	// PutFactor stores f if the stored version is still f.Version, or none is stored and f.Version is zero; else it
	// is ErrConflict. It returns f with the version that it has now, and ChangedAt now.
	PutFactor(ctx context.Context, f Factor, now time.Time) (Factor, error)
	// DeleteFactor deletes a factor if its version is still version, else it is ErrConflict, or ErrNotFound where
	// there is none.
	DeleteFactor(ctx context.Context, tenant mspkit.TenantID, subject, kind string, version int64) error
}
