package teamsapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jwks"
)

const (
	// maxAuthorization is the longest header that is looked at; real ones have about 1.5 KiB.
	maxAuthorization = 16 << 10
	// skew is how far clocks may be apart
	// (https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication).
	skew = 5 * time.Minute

	channelTeams    = "msteams"
	channelEmulator = "emulator"
)

// refusal is why an activity is not taken. Its reason is a word or two for the log and holds nothing of the activity.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

func unauthorized(reason string) error { return &refusal{http.StatusUnauthorized, reason} }
func forbidden(reason string) error    { return &refusal{http.StatusForbidden, reason} }
func malformed(reason string) error    { return &refusal{http.StatusBadRequest, reason} }

// authenticator judges tokens of inbound activities.
type authenticator struct {
	appID     string
	audiences []string
	issuer    string
	o         Options
	keys      *jwks.Set
}

// caller is who sent an activity: the Bot Service, proven by a token, or an emulator on this machine.
type caller struct {
	emulator bool
	// serviceURL is what the token says.
	serviceURL   string
	endorsements []string
}

func newAuthenticator(app App, o Options) (*authenticator, error) {
	a := &authenticator{appID: app.ID, audiences: o.Audiences, issuer: o.Cloud.Issuer, o: o}
	var errs []error
	if o.Cloud.Issuer == "" {
		errs = append(errs, fmt.Errorf("the cloud has no issuer: %w", mspkit.ErrInvalid))
	}
	if slices.Contains(o.Audiences, "") {
		errs = append(errs, fmt.Errorf("an audience is empty: %w", mspkit.ErrInvalid))
	}
	errs = append(errs, o.Cloud.checkHosts())
	keys, err := jwks.New(o.Cloud.Metadata, &jwks.Options{HTTPClient: o.HTTPClient, Logger: o.Logger, Now: o.Now})
	a.keys = keys
	return a, errors.Join(append(errs, err)...)
}

// claims are those of a token of the Bot Service. The name of the last is in lower case in tokens.
type claims struct {
	Issuer     string           `json:"iss"`
	Audience   jwt.Audience     `json:"aud"`
	Expiry     *jwt.NumericDate `json:"exp"`
	NotBefore  *jwt.NumericDate `json:"nbf"`
	ServiceURL string           `json:"serviceurl"`
}

// caller judges what can be judged without the body. The error is a [*refusal], or of another kind where the token
// cannot be judged now.
func (a *authenticator) caller(ctx context.Context, r *http.Request) (caller, error) {
	if a.o.InsecureLoopback && fromEmulator(r) {
		return caller{emulator: true}, nil
	}
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return caller{}, unauthorized("no token")
	}
	if len(values) > 1 || len(values[0]) > maxAuthorization {
		return caller{}, unauthorized("oversized header")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return caller{}, unauthorized("no bearer token")
	}
	return a.token(ctx, token)
}

// token judges a token. What costs nothing comes first: only a token that says it is for this bot and valid now can
// lead to a question for keys, and only one with a known key to a check of its signature.
func (a *authenticator) token(ctx context.Context, token string) (caller, error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(jws.Signatures) != 1 {
		return caller{}, unauthorized("no RS256 token")
	}
	var c claims
	if json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &c) != nil {
		return caller{}, unauthorized("unreadable claims")
	}
	now := a.o.Now()
	switch {
	case c.Issuer != a.issuer:
		return caller{}, unauthorized("wrong issuer")
	case !slices.ContainsFunc(c.Audience, a.ours):
		return caller{}, unauthorized("wrong audience")
	case c.Expiry == nil:
		return caller{}, unauthorized("no expiry")
	case !now.Before(c.Expiry.Time().Add(skew)):
		return caller{}, unauthorized("expired")
	case c.NotBefore != nil && now.Add(skew).Before(c.NotBefore.Time()):
		return caller{}, unauthorized("not valid yet")
	}
	key, ok, err := a.keys.Find(ctx, jws.Signatures[0].Protected.KeyID)
	switch {
	case err != nil:
		return caller{}, err
	case !ok:
		return caller{}, unauthorized("unknown key")
	}
	if _, err := jws.Verify(key.Public); err != nil {
		return caller{}, unauthorized("wrong signature")
	}
	return caller{serviceURL: c.ServiceURL, endorsements: key.Endorsements}, nil
}

func (a *authenticator) ours(audience string) bool {
	return strings.EqualFold(audience, a.appID) || slices.Contains(a.audiences, audience)
}

// bind reports whether c may speak for act: the token must be for the same service and channel, and the service one
// that the bot's own token may go to.
func (a *authenticator) bind(c caller, act *activity) error {
	if c.emulator {
		if act.ChannelID != channelTeams && act.ChannelID != channelEmulator {
			return forbidden("foreign channel")
		}
		if u, err := plainURL(act.ServiceURL); err != nil || !loopbackHost(u.Hostname()) {
			return forbidden("service URL is not loopback")
		}
		return nil
	}
	if act.ChannelID != channelTeams {
		return forbidden("foreign channel")
	}
	if len(c.endorsements) > 0 && !slices.Contains(c.endorsements, act.ChannelID) {
		return forbidden("key is not endorsed")
	}
	if c.serviceURL == "" || bareService(c.serviceURL, act.tenant) != bareService(act.ServiceURL, act.tenant) {
		return forbidden("service URL is not the token's")
	}
	u, err := a.o.Cloud.trusted(act.ServiceURL)
	if err != nil {
		return forbidden("service URL is not trusted")
	}
	// Since 2025 the path may name the customer's tenant.
	for segment := range strings.SplitSeq(u.Path, "/") {
		if id, err := guid(segment); err == nil && id != act.tenant {
			return forbidden("service URL of another tenant")
		}
	}
	return nil
}

// bareService returns a service URL without a slash at its end and without the customer's tenant behind the region. Since
// 2025 that may stand there, and nobody says whether in the activity, in the token or in both.
func bareService(u, tenant string) string {
	u = strings.TrimRight(u, "/")
	if i := strings.LastIndexByte(u, '/'); i >= 0 && strings.EqualFold(u[i+1:], tenant) {
		u = strings.TrimRight(u[:i], "/")
	}
	return u
}

// passedOn are headers of requests that did not begin on this machine: proxies and tunnels add them, and browsers an
// Origin, also for a page from elsewhere that has the browser write to a local port.
var passedOn = []string{"Forwarded", "Via", "Origin", "X-Real-Ip", "X-Original-Host"}

// fromEmulator reports whether r comes from this machine and was not passed on.
func fromEmulator(r *http.Request) bool {
	if !loopbackAddr(r.RemoteAddr) {
		return false
	}
	for h := range r.Header {
		if slices.Contains(passedOn, h) || strings.HasPrefix(h, "X-Forwarded-") {
			return false
		}
	}
	return true
}

// loopbackAddr reports whether a request's RemoteAddr is a loopback address.
func loopbackAddr(remote string) bool {
	ap, err := netip.ParseAddrPort(remote)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
