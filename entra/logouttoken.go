package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Logout is what a logout token says: that a session at Entra, or all of a person, have ended.
type Logout struct {
	// TenantID is the tenant of the issuer.
	TenantID string
	// Subject and SID say who or which session; one of the two may be empty.
	Subject, SID string
	// ID is the token's own (claim jti), by which a replay is found.
	ID string
	// IssuedAt and ExpiresAt are those of the token.
	IssuedAt, ExpiresAt time.Time
}

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	logoutType  = "logout+jwt"
	// maxLogoutAge is how old a logout token may be: it is sent when it is made, and perhaps again where nobody answered.
	maxLogoutAge = 15 * time.Minute
)

type logoutClaims struct {
	Issuer   string                     `json:"iss"`
	Subject  string                     `json:"sub"`
	Audience json.RawMessage            `json:"aud"`
	SID      string                     `json:"sid"`
	ID       string                     `json:"jti"`
	Nonce    json.RawMessage            `json:"nonce"`
	Events   map[string]json.RawMessage `json:"events"`
	Expiry   *seconds                   `json:"exp"`
	IssuedAt *seconds                   `json:"iat"`
}

// VerifyLogout judges a logout token of the back channel (https://openid.net/specs/openid-connect-backchannel-1_0.html#Validation).
// Whether it was used before is for the caller to know, by its ID. An id token is none. The errors are those of [Verifier.Verify].
func (v *Verifier) VerifyLogout(ctx context.Context, raw string) (Logout, error) {
	jws, err := parseToken(raw)
	if err != nil {
		return Logout{}, err
	}
	head := jws.Signatures[0].Protected
	typ, _ := head.ExtraHeaders[jose.HeaderType].(string) // what is no text is no type
	if t := strings.ToLower(typ); t != logoutType && t != "application/"+logoutType {
		return Logout{}, badToken(ReasonLogout)
	}
	l, issuer, err := v.judgeLogout(jws.UnsafePayloadWithoutVerification())
	if err != nil {
		return Logout{}, err
	}
	if err := v.signed(ctx, jws, issuer, l.TenantID); err != nil {
		return Logout{}, err
	}
	if v.o.Tenants == nil {
		return l, nil
	}
	switch ok, err := v.o.Tenants(ctx, l.TenantID); {
	case err != nil:
		return Logout{}, fmt.Errorf("entra: verify: which tenants may sign in: %w", err)
	case !ok:
		return Logout{}, badToken(ReasonTenant)
	}
	return l, nil
}

// judgeLogout reports everything that can be said without the signature.
func (v *Verifier) judgeLogout(payload []byte) (l Logout, issuer string, err error) {
	var c logoutClaims
	if !readClaims(payload, &c) {
		return Logout{}, "", badToken(ReasonMalformed)
	}
	l = Logout{Subject: c.Subject, SID: c.SID, ID: c.ID, IssuedAt: c.IssuedAt.time(), ExpiresAt: c.Expiry.time()}
	tenant, ok := v.tenantOf(c.Issuer)
	l.TenantID = tenant
	var event map[string]json.RawMessage
	raw, has := c.Events[logoutEvent]
	now := v.o.Now()
	switch {
	case c.Nonce != nil, !has || json.Unmarshal(raw, &event) != nil || event == nil, c.ID == "", len(c.ID) > maxToken:
		return Logout{}, "", badToken(ReasonLogout)
	case v.placeholder(c.Issuer):
		return Logout{}, "", badToken(ReasonPlaceholder)
	case !ok || tenant == consumers:
		return Logout{}, "", badToken(ReasonIssuer)
	case !v.audience(c.Audience):
		return Logout{}, "", badToken(ReasonAudience)
	case c.Subject == "" && c.SID == "":
		return Logout{}, "", badToken(ReasonNobody)
	case l.IssuedAt.IsZero() || l.ExpiresAt.IsZero() || l.ExpiresAt.Sub(l.IssuedAt) > maxLife:
		return Logout{}, "", badToken(ReasonLife)
	case !now.Before(l.ExpiresAt.Add(skew)) || now.Sub(l.IssuedAt) > maxLogoutAge+skew:
		return Logout{}, "", badToken(ReasonExpired)
	case now.Add(skew).Before(l.IssuedAt):
		return Logout{}, "", badToken(ReasonClock)
	}
	return l, c.Issuer, nil
}
