package gdap

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
)

// maxClaims is in bytes.
const maxClaims = 8 << 10

// forgetTimeout bounds the lookup of [Credentials.Forget], which has no context.
const forgetTimeout = 5 * time.Second

// Connected looks up the tenants that an owner has connected for an integration by this package; those of others, and those
// connected by their administrator's consent, are [entra.ErrNotConnected]. So is one that has expired by now; nil is time.Now.
func Connected(store entra.ConnectionStore, owner, integration string, now func() time.Time) azurecred.Lookup {
	if now == nil {
		now = time.Now
	}
	return func(ctx context.Context, tenant mspkit.TenantID) (string, error) {
		c, err := store.Connection(ctx, tenant, integration)
		switch {
		case err != nil:
			return "", err
		case c.Tenant != tenant, c.Integration != integration, c.Owner != owner, c.Via != entra.ViaGDAP, c.Expired(now()):
			return "", entra.ErrNotConnected
		}
		return c.EntraID, nil
	}
}

// Credentials are the credentials of the partner's customers. Use [Partner.Credentials].
type Credentials struct {
	p      *Partner
	lookup azurecred.Lookup
}

var _ azurecred.TenantCredentials = (*Credentials)(nil)

// Credentials returns what gives the credential of each customer whose tenant lookup knows, such as [Connected]. Keep one:
// credentials of two do not share what clients keep for them.
func (p *Partner) Credentials(lookup azurecred.Lookup) (*Credentials, error) {
	if lookup == nil {
		return nil, fmt.Errorf("gdap: a lookup is required: %w", mspkit.ErrInvalid)
	}
	return &Credentials{p, lookup}, nil
}

// TenantCredential implements [azurecred.TenantCredentials]. The credential asks where the tenant leads to for every token, so
// it may be kept as long as the Partner; two of the same tenant are equal unless it was connected to another one between them.
func (c *Credentials) TenantCredential(ctx context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	id, err := c.resolve(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return credential{c, tenant, id}, nil
}

// Forget is [Partner.Forget] of a tenant of the host's.
func (c *Credentials) Forget(tenant mspkit.TenantID) {
	ctx, cancel := context.WithTimeout(context.Background(), forgetTimeout)
	defer cancel()
	if id, err := c.resolve(ctx, tenant); err == nil {
		c.p.tokens.forget(id)
	} else {
		c.p.tokens.forget("") // better all than the one that was meant not
	}
}

// String names the partner whose they are.
func (c *Credentials) String() string { return "gdap.Credentials(" + c.p.o.Name + ")" }

// Format prints String for every verb.
func (c *Credentials) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// resolve returns the id of the tenant of Microsoft 365. What is not a plain id must never get into the URL that the refresh
// token is sent to.
func (c *Credentials) resolve(ctx context.Context, tenant mspkit.TenantID) (string, error) {
	id, err := c.lookup(ctx, tenant)
	if err != nil {
		return "", fmt.Errorf("gdap: tenant %q: %w", tenant, err)
	}
	if id, err = entra.CanonicalID(id); err != nil {
		return "", fmt.Errorf("gdap: tenant %q: the lookup: %w", tenant, err)
	}
	return id, nil
}

// credential is the credential of one tenant of the host's. It is a value that can be compared.
type credential struct {
	c      *Credentials
	tenant mspkit.TenantID
	first  string // where the tenant led to: a cache of one must not serve another
}

// GetToken implements [azcore.TokenCredential].
func (c credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	id, err := c.c.resolve(ctx, c.tenant)
	if err != nil {
		return azcore.AccessToken{}, final(err)
	}
	return c.c.p.token(ctx, id, o)
}

// String names the tenant.
func (c credential) String() string { return fmt.Sprintf("gdap.Credential(%q)", c.tenant) }

// Format prints String for every verb.
func (c credential) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// token returns an access token of the partner's user in one tenant, and in no other, whatever o names.
func (p *Partner) token(ctx context.Context, entraID string, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if o.TenantID != "" {
		if id, err := entra.CanonicalID(o.TenantID); err != nil || id != entraID {
			return azcore.AccessToken{}, final(fmt.Errorf("gdap: a token of another tenant was asked for: %w", mspkit.ErrInvalid))
		}
	}
	w := want{tenant: entraID, scope: strings.Join(o.Scopes, " "), cae: o.EnableCAE, fresh: o.Claims != ""}
	if !plainScope(w.scope) {
		return azcore.AccessToken{}, final(fmt.Errorf("gdap: a token needs a scope: %w", mspkit.ErrInvalid))
	}
	var err error
	if w.claims, err = claims(o.Claims, o.EnableCAE); err != nil {
		return azcore.AccessToken{}, final(err)
	}
	t, err := p.tokens.get(ctx, w, p.redeem)
	return t, final(err)
}

func plainScope(s string) bool {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return false
		}
	}
	return strings.TrimSpace(s) != ""
}

// claims returns a challenge with what says that this client knows continuous access evaluation, which gives tokens that live
// longer and can be revoked.
//
// Source: https://learn.microsoft.com/entra/identity-platform/claims-challenge.
func claims(challenge string, cae bool) (string, error) {
	if !cae {
		if challenge != "" && !json.Valid([]byte(challenge)) || len(challenge) > maxClaims {
			return "", fmt.Errorf("gdap: the claims challenge is not JSON: %w", mspkit.ErrInvalid)
		}
		return challenge, nil
	}
	all := map[string]json.RawMessage{}
	token := map[string]json.RawMessage{}
	if challenge != "" && (len(challenge) > maxClaims || json.Unmarshal([]byte(challenge), &all) != nil) || all == nil {
		return "", fmt.Errorf("gdap: the claims challenge is not a JSON object: %w", mspkit.ErrInvalid)
	}
	if raw, ok := all["access_token"]; ok && (json.Unmarshal(raw, &token) != nil || token == nil) {
		return "", fmt.Errorf("gdap: the claims challenge asks for no claims: %w", mspkit.ErrInvalid)
	}
	token["xms_cc"] = json.RawMessage(`{"values":["cp1"]}`)
	raw, err := json.Marshal(token)
	if err == nil {
		all["access_token"] = raw
		raw, err = json.Marshal(all)
	}
	if err != nil {
		return "", fmt.Errorf("gdap: the claims challenge cannot be repeated: %w", mspkit.ErrInvalid)
	}
	return string(raw), nil
}
