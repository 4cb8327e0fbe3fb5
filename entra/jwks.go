package entra

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/jwks"
)

const (
	// keysGood is how long keys are used that cannot be asked for again: an outage of the endpoint must not lock everybody
	// out, but a key that was withdrawn must not live for ever. That they are asked for daily is what
	// https://learn.microsoft.com/entra/identity-platform/signing-key-rollover wants.
	keysGood = 3 * 24 * time.Hour
	// keysTimeout bounds a question with its tries.
	keysTimeout = 10 * time.Second
)

// placeholder stands in the issuer of keys that sign for every tenant.
const placeholder = "{tenantid}"

// keySet differs from go-oidc's in three things: it asks no more often than it may, forgets keys in time, and holds every key to
// the issuer for which Microsoft publishes it, without which a key of one tenant, or of personal accounts, would sign for all. It is
// safe for concurrent use.
type keySet struct{ keys *jwks.Set }

// find returns the key named id. ok is false where there is none; the error is [ErrUnavailable] where nobody knows, or that
// of ctx.
func (s keySet) find(ctx context.Context, id string) (key jwks.Key, ok bool, err error) {
	if key, ok, err = s.keys.Find(ctx, id); errors.Is(err, jwks.ErrUnknown) {
		err = ErrUnavailable
	}
	return key, ok, err
}

// signsFor reports whether the key is published for the issuer of a token
// (https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer).
func signsFor(key jwks.Key, issuer, tenant string) bool {
	return key.Issuer == "" || strings.ReplaceAll(key.Issuer, placeholder, tenant) == issuer
}
