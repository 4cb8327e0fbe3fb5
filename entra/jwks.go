package entra

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

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

// keySet is an oidc.KeySet that differs from go-oidc's in three things: it asks no more often than it may, forgets keys in
// time, and holds every key to the issuer for which Microsoft publishes it, without which a key of one tenant, or of personal
// accounts, would sign for all. It is safe for concurrent use.
type keySet struct{ keys *jwks.Set }

// find returns the key named id. ok is false where there is none; the error is [ErrUnavailable] where nobody knows, or that
// of ctx.
func (s keySet) find(ctx context.Context, id string) (key jwks.Key, ok bool, err error) {
	if key, ok, err = s.keys.Find(ctx, id); errors.Is(err, jwks.ErrUnknown) {
		err = ErrUnavailable
	}
	return key, ok, err
}

// VerifySignature implements oidc.KeySet: it returns the payload of a token whose signature is right.
func (s keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, badToken("it is not signed with RS256")
	}
	key, ok, err := s.find(ctx, jws.Signatures[0].Protected.KeyID)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, badToken("its key is not known")
	}
	payload, err := jws.Verify(key.Public)
	if err != nil {
		return nil, badToken("its signature is wrong")
	}
	var c struct {
		Issuer string `json:"iss"`
		Tenant string `json:"tid"`
	}
	if !readClaims(payload, &c) || !signsFor(key, c.Issuer, c.Tenant) {
		return nil, badToken("its key does not sign for this issuer")
	}
	return payload, nil
}

// signsFor reports whether the key is published for the issuer of a token
// (https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer).
func signsFor(key jwks.Key, issuer, tenant string) bool {
	return key.Issuer == "" || strings.ReplaceAll(key.Issuer, placeholder, tenant) == issuer
}
