package entra

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jwks"
)

const (
	// maxToken is in bytes; real id tokens have one to four KiB.
	maxToken = 32 << 10
	// skew is how far clocks may be apart.
	skew = 5 * time.Minute
	// maxLife is the longest time that an id token may be good for. Entra's are for an hour, and administrators can make
	// that a day.
	maxLife = 25 * time.Hour
)

// consumers is the tenant of all personal Microsoft accounts. It belongs to nobody, so that nobody who signs in there speaks
// for an organisation (https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference).
const consumers = "9188040d-6c67-4c5b-b112-36a304b66dad"

// VerifierOptions are the optional parts of a [Verifier]. Nil and the zero value are fine.
type VerifierOptions struct {
	// Issuer is what the issuers of tokens begin with where that is not Cloud.Login, such as behind a recorder.
	Issuer string
	// Tenants says which tenants of Microsoft 365 may sign in, by their canonical id. Nil admits all, which is right only
	// where who signed in is looked up by tenant and object id afterwards. It must be safe for concurrent use.
	Tenants func(ctx context.Context, entraID string) (bool, error)
	// HTTPClient asks for the keys; nil is one of our own. Redirects are refused.
	HTTPClient *http.Client
	// Logger gets what the outbound pipeline gives up; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Identity is who signed in, as an id token says it. A person is known by TenantID and ObjectID together and by nothing
// else: all other fields can be changed by the person or their administrator.
type Identity struct {
	// TenantID and ObjectID are the claims tid and oid in their canonical spelling.
	TenantID, ObjectID string
	// Name and PreferredUsername are for showing only. Whoever runs a tenant can put any address there, also that of
	// somebody elsewhere.
	Name, PreferredUsername string
	// AuthTime is when the person gave their credentials last; zero where the token does not say.
	AuthTime time.Time
	// IssuedAt and ExpiresAt are those of the token.
	IssuedAt, ExpiresAt time.Time
	// ACRS are the authentication contexts of Conditional Access that were satisfied.
	ACRS []string
	// Roles are the application's roles that the person was assigned.
	Roles []string
	// DirectoryRoles are the template ids of the person's roles in the tenant (claim wids), where the application is
	// configured to be told.
	DirectoryRoles []string
	// Guest says that the person's account is of another tenant, or a personal one, and is in this tenant by invitation (claim
	// idp). False may also mean that the token does not say.
	Guest bool
	// Issuer and Subject are those of the token. The subject differs for each application.
	Issuer, Subject string
	// SID is the session at Entra, by which a logout names it (claim sid); empty where the application is not configured to be
	// told.
	SID string
	// Groups are the object ids of the person's groups, where the application is configured to be told. GroupOverage says that
	// the token does not list them because there are too many, and points to Graph instead: then nothing may be decided by Groups
	// (https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference#groups-overage-claim).
	Groups       []string
	GroupOverage bool
}

// Verifier judges id tokens of Microsoft Entra for one application, from any tenant. It is safe for concurrent use. Use
// [NewVerifier].
type Verifier struct {
	clientID string
	issuer   string // without tenant
	o        VerifierOptions
	keys     keySet
}

// NewVerifier returns a verifier for the application clientID. It does nothing on the network before the first token comes.
func NewVerifier(cloud Cloud, clientID string, o *VerifierOptions) (*Verifier, error) {
	v := &Verifier{}
	if o != nil {
		v.o = *o
	}
	if v.o.Now == nil {
		v.o.Now = time.Now
	}
	errs := []error{cloud.Validate()}
	var err error
	if v.clientID, err = CanonicalID(clientID); err != nil {
		errs = append(errs, fmt.Errorf("entra: the id of the application: %w", err))
	}
	if v.issuer = v.o.Issuer; v.issuer == "" {
		v.issuer = cloud.Login
	}
	errs = append(errs, validURL("Cloud.Login", v.issuer, true))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	keys, err := jwks.NewAt(cloud.Login+"/organizations/discovery/v2.0/keys", &jwks.Options{
		HTTPClient: v.o.HTTPClient, Logger: v.o.Logger, Now: v.o.Now, Timeout: keysTimeout, Good: keysGood,
	})
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	v.keys = keySet{keys}
	return v, nil
}

// seconds is a time as JWTs have it; nil is none.
type seconds float64

// maxSeconds is a year beyond which nobody signs in; what is larger would overflow.
const maxSeconds = 1 << 40

func (s *seconds) time() time.Time {
	if s == nil || !(*s > 0 && *s < maxSeconds) {
		return time.Time{}
	}
	return time.Unix(int64(*s), 0)
}

// claims are those of an id token.
type claims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Tenant    string          `json:"tid"`
	Object    string          `json:"oid"`
	Version   string          `json:"ver"`
	Nonce     string          `json:"nonce"`
	Expiry    *seconds        `json:"exp"`
	NotBefore *seconds        `json:"nbf"`
	IssuedAt  *seconds        `json:"iat"`
	AuthTime  *seconds        `json:"auth_time"`
	Name      string          `json:"name"`
	Username  string          `json:"preferred_username"`
	Provider  string          `json:"idp"`
	ACRS      []string        `json:"acrs"`
	Roles     []string        `json:"roles"`
	WIDs      []string        `json:"wids"`
	SID       string          `json:"sid"`
	// Account is 1 for guests.
	Account   json.RawMessage `json:"acct"`
	Groups    json.RawMessage `json:"groups"`
	HasGroups json.RawMessage `json:"hasgroups"`
	Elsewhere json.RawMessage `json:"_claim_names"`
}

// Verify judges an id token that came for a sign-in with this nonce, which must not be empty. The error is [ErrToken] where
// the token is not accepted, with the reason but nothing of the token in its text, and [ErrUnavailable] where the keys cannot
// be asked for.
func (v *Verifier) Verify(ctx context.Context, rawIDToken, nonce string) (Identity, error) {
	if nonce == "" {
		return Identity{}, fmt.Errorf("entra: verify: a nonce is required: %w", mspkit.ErrInvalid)
	}
	jws, err := parseToken(rawIDToken)
	if err != nil {
		return Identity{}, err
	}
	// A token that says itself that it is not for us must not lead to a question for keys.
	id, err := v.judge(jws.UnsafePayloadWithoutVerification(), nonce)
	if err != nil {
		return Identity{}, err
	}
	err = v.signed(ctx, jws, id.Issuer, id.TenantID)
	if err != nil {
		return Identity{}, err
	}
	if v.o.Tenants == nil {
		return id, nil
	}
	switch ok, err := v.o.Tenants(ctx, id.TenantID); {
	case err != nil:
		return Identity{}, fmt.Errorf("entra: verify: which tenants may sign in: %w", err)
	case !ok:
		return Identity{}, of(badToken(ReasonTenant), id)
	}
	return id, nil
}

// parseToken reads a token that claims to be signed with RS256.
func parseToken(raw string) (*jose.JSONWebSignature, error) {
	if len(raw) > maxToken {
		return nil, badToken(ReasonMalformed)
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, badToken(ReasonAlgorithm)
	}
	return jws, nil
}

// signed reports whether a token is signed with a key that signs for its issuer. What is signed is what
// UnsafePayloadWithoutVerification returned.
func (v *Verifier) signed(ctx context.Context, jws *jose.JSONWebSignature, issuer, tenant string) error {
	key, ok, err := v.keys.find(ctx, jws.Signatures[0].Protected.KeyID)
	switch {
	case err != nil:
		return fmt.Errorf("entra: verify: %w", err)
	case !ok:
		return badToken(ReasonKey)
	}
	if _, err := jws.Verify(key.Public); err != nil || !signsFor(key, issuer, tenant) {
		return badToken(ReasonSignature)
	}
	return nil
}

// readClaims reads a JSON object whose names are matched exactly. encoding/json takes "Tid" for "tid", the last one counts, and
// which further claims stand in a token can be up to the administrator of the tenant that it is for.
func readClaims(payload []byte, into any) bool {
	dec := json.NewDecoder(bytes.NewReader(payload))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	// What is matched exactly is written down once more and read by its struct.
	exact := bytes.NewBuffer(make([]byte, 0, len(payload)+2))
	exact.WriteByte('{')
	seen := make(map[string]struct{}, 32)
	var value json.RawMessage
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		value = value[:0]
		if err != nil || !ok || dec.Decode(&value) != nil {
			return false
		}
		if _, twice := seen[name]; twice {
			return false
		}
		seen[name] = struct{}{}
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" { // all that are read here have no others
			continue
		}
		if exact.Len() > 1 {
			exact.WriteByte(',')
		}
		exact.WriteByte('"')
		exact.WriteString(name)
		exact.WriteString(`":`)
		exact.Write(value)
	}
	exact.WriteByte('}')
	if _, err := dec.Token(); err != nil {
		return false
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return false
	}
	return json.Unmarshal(exact.Bytes(), into) == nil
}

// judge reads claims and reports everything that can be said without the signature.
func (v *Verifier) judge(payload []byte, nonce string) (Identity, error) {
	var c claims
	if !readClaims(payload, &c) {
		return Identity{}, badToken(ReasonMalformed)
	}
	tenant, err := CanonicalID(c.Tenant)
	if err != nil {
		return Identity{}, badToken(ReasonNobody)
	}
	object, err := CanonicalID(c.Object)
	if err != nil {
		return Identity{}, badToken(ReasonNobody)
	}
	switch {
	case c.Version != "2.0":
		return Identity{}, badToken(ReasonVersion)
	case tenant == consumers:
		return Identity{}, badToken(ReasonPersonal)
	case v.placeholder(c.Issuer):
		return Identity{}, badToken(ReasonPlaceholder)
	case c.Issuer != v.issuer+"/"+tenant+"/v2.0":
		return Identity{}, badToken(ReasonIssuer)
	case !v.audience(c.Audience):
		return Identity{}, badToken(ReasonAudience)
	case subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(nonce)) != 1:
		return Identity{}, badToken(ReasonNonce)
	case c.Subject == "":
		return Identity{}, badToken(ReasonNobody)
	}
	id := Identity{
		TenantID: tenant, ObjectID: object, Name: c.Name, PreferredUsername: c.Username, AuthTime: c.AuthTime.time(),
		IssuedAt: c.IssuedAt.time(), ExpiresAt: c.Expiry.time(), ACRS: c.ACRS, Roles: c.Roles, Issuer: c.Issuer, Subject: c.Subject,
		Guest: c.Provider != "" && !v.same(c.Provider, tenant) || strings.Trim(string(c.Account), `"`) == "1", SID: c.SID,
	}
	id.Groups, id.GroupOverage = c.groups()
	for _, role := range c.WIDs {
		if role, err := CanonicalID(role); err == nil {
			id.DirectoryRoles = append(id.DirectoryRoles, role)
		}
	}
	return id, v.timely(id, c.NotBefore.time())
}

// groups returns the groups that the token lists, and whether it says that there are more than it can list.
func (c *claims) groups() (list []string, overage bool) {
	var names map[string]json.RawMessage
	if len(c.Elsewhere) > 0 && json.Unmarshal(c.Elsewhere, &names) == nil {
		_, overage = names["groups"]
	}
	if strings.Trim(string(c.HasGroups), `"`) == "true" {
		overage = true
	}
	if len(c.Groups) > 0 && json.Unmarshal(c.Groups, &list) != nil { // a text such as src1 in the place of the list
		return nil, true
	}
	return list, overage
}

// placeholder reports whether an issuer is that of the metadata of many tenants, with the placeholder or their name in the
// place of one's id. No token is issued by it.
func (v *Verifier) placeholder(issuer string) bool {
	rest, ok := strings.CutPrefix(issuer, v.issuer+"/")
	name, _, _ := strings.Cut(rest, "/")
	return ok && (strings.EqualFold(name, placeholder) || name == "common" || name == "organizations" || name == "consumers")
}

// tenantOf returns the tenant whose issuer it is.
func (v *Verifier) tenantOf(issuer string) (string, bool) {
	rest, ok := strings.CutPrefix(issuer, v.issuer+"/")
	name, ok2 := strings.CutSuffix(rest, "/v2.0")
	id, err := CanonicalID(name)
	return id, ok && ok2 && err == nil && id == name
}

// firstIssuers are what the issuers of version 1 begin with, in the clouds that there are. A tenant can let people in by any issuer
// that one of its partners has, so that the end of the name says nothing.
var firstIssuers = []string{"https://sts.windows.net", "https://sts.chinacloudapi.cn", "https://sts.microsoftonline.us"}

// same reports whether an identity provider is the tenant itself, by its issuer of either version
// (https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference).
func (v *Verifier) same(provider, tenant string) bool {
	return provider == v.issuer+"/"+tenant+"/v2.0" || slices.Contains(firstIssuers, strings.TrimSuffix(provider, "/"+tenant+"/"))
}

func (v *Verifier) timely(id Identity, notBefore time.Time) error {
	now := v.o.Now()
	switch {
	case id.ExpiresAt.IsZero() || id.IssuedAt.IsZero():
		return badToken(ReasonLife)
	case !now.Before(id.ExpiresAt.Add(skew)):
		return badToken(ReasonExpired)
	case now.Add(skew).Before(id.IssuedAt), now.Add(skew).Before(notBefore), now.Add(skew).Before(id.AuthTime):
		return badToken(ReasonClock)
	case id.ExpiresAt.Sub(id.IssuedAt) > maxLife:
		return badToken(ReasonLife)
	}
	return nil
}

// audience accepts one audience only: a token that is for others as well could be replayed by them.
func (v *Verifier) audience(raw json.RawMessage) bool {
	var one string
	if json.Unmarshal(raw, &one) != nil {
		var list []string
		if json.Unmarshal(raw, &list) != nil || len(list) != 1 {
			return false
		}
		one = list[0]
	}
	return one == v.clientID
}
