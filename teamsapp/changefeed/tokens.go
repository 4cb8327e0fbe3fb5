package changefeed

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mspkit/mspkit/internal/jwks"
)

const (
	// skew is how far clocks may be apart.
	skew = 5 * time.Minute
	// keyPatience is how long after acceptance a token whose key is not known is judged again rather than refused: Microsoft
	// may sign with a key that is not in its metadata everywhere yet.
	keyPatience = time.Hour

	// DefaultPublisher is the application by which Graph sends change notifications, see
	// https://learn.microsoft.com/graph/change-notifications-with-resource-data#validating-the-authenticity-of-notifications.
	DefaultPublisher = "0bf30f3b-4a52-48df-9a82-234910c4a086"
)

// tokenError is why a token is refused for good, in words that hold nothing of it.
type tokenError string

func (e tokenError) Error() string { return "a validation token is refused: " + string(e) }

var errUnknownKey = errors.New("a validation token names a key that is not known yet")

// tokenJudge judges the validation tokens of notifications.
type tokenJudge struct {
	keys      *jwks.Set
	audiences []string // in lower case
	publisher string
	// issuers have {tenant} in them.
	issuers []string
	now     func() time.Time
}

// tokenClaims are those of both versions of tokens: the application that asked for it is appid in v1 and azp in v2.
type tokenClaims struct {
	Issuer    string           `json:"iss"`
	Audience  jwt.Audience     `json:"aud"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	Tenant    string           `json:"tid"`
	AppID     string           `json:"appid"`
	Party     string           `json:"azp"`
}

// judge reports why notifications of the tenant, accepted at the time at, are not proven by tokens: there must be one, and all
// must be good. A [tokenError] is final; other errors mean that nobody can tell now. Whether a token has expired is a matter of
// when it came, not of when somebody looks.
func (j *tokenJudge) judge(ctx context.Context, tokens []string, tenant string, at time.Time) error {
	if len(tokens) == 0 {
		return tokenError("there is none for the tenant")
	}
	for _, t := range tokens {
		if err := j.one(ctx, t, tenant, at); err != nil {
			return err
		}
	}
	return nil
}

// one judges a token. What costs nothing comes first, so that only a token that says it is for us leads to a question for
// keys.
func (j *tokenJudge) one(ctx context.Context, token, tenant string, at time.Time) error {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(jws.Signatures) != 1 {
		return tokenError("it is no RS256 token")
	}
	var c tokenClaims
	if json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &c) != nil {
		return tokenError("its claims cannot be read")
	}
	if err := j.claims(&c, tenant, at); err != nil {
		return err
	}
	key, ok, err := j.keys.Find(ctx, jws.Signatures[0].Protected.KeyID)
	switch {
	case err != nil:
		return err
	case !ok && j.now().Sub(at) < keyPatience:
		return errUnknownKey
	case !ok:
		return tokenError("its key is not known")
	}
	if _, err := jws.Verify(key.Public); err != nil {
		return tokenError("its signature is wrong")
	}
	return nil
}

func (j *tokenJudge) claims(c *tokenClaims, tenant string, at time.Time) error {
	party := c.AppID
	if party == "" {
		party = c.Party
	}
	switch {
	case !strings.EqualFold(c.Tenant, tenant):
		return tokenError("it is of another tenant")
	case !slices.ContainsFunc(j.issuers, func(i string) bool { return strings.EqualFold(c.Issuer, strings.ReplaceAll(i, "{tenant}", tenant)) }):
		return tokenError("its issuer is not the tenant's")
	case !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(j.audiences, strings.ToLower(a)) }):
		return tokenError("it is for another application")
	case !strings.EqualFold(party, j.publisher):
		return tokenError("it was not issued to the publisher of change notifications")
	case c.Expiry == nil:
		return tokenError("it has no expiry")
	case !at.Before(c.Expiry.Time().Add(skew)):
		return tokenError("it had expired when it came")
	case c.NotBefore != nil && at.Add(skew).Before(c.NotBefore.Time()):
		return tokenError("it was not valid yet when it came")
	}
	return nil
}
