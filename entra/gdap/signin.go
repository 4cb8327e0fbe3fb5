package gdap

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// InactivityLimit is how long a refresh token is good for that is not used
// (https://learn.microsoft.com/entra/identity-platform/refresh-tokens).
const InactivityLimit = 90 * 24 * time.Hour

// SignIn stores the refresh token of the partner's service user, after it was redeemed in the partner's tenant, in the place of
// an earlier one. by says who did that, for people. The token must come from a sign-in to this application with the scope
// offline_access and multifactor authentication; see [Partner.SignInURL] for one. The error is a [*entra.TokenError] where the
// token is not good, and nothing was stored.
func (p *Partner) SignIn(ctx context.Context, refreshToken mspkit.Redacted[string], by string) error {
	if !plainToken(refreshToken.Reveal()) {
		return fmt.Errorf("gdap: this is not a refresh token: %w", mspkit.ErrInvalid)
	}
	return p.signIn(ctx, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken.Reveal()}, "scope": {p.home().scope + " offline_access"},
	}, refreshToken, by)
}

// signIn stores what a form gives, or old where that gives no newer one.
func (p *Partner) signIn(ctx context.Context, form url.Values, old mspkit.Redacted[string], by string) error {
	if by = cleantext.Line(by, cleantext.MaxName); by == "" {
		return fmt.Errorf("gdap: who signs in must be said: %w", mspkit.ErrInvalid)
	}
	g, err := p.ask(ctx, p.o.PartnerTenant, form)
	if err != nil {
		return err
	}
	if g.refresh.Reveal() == "" {
		g.refresh = old
	}
	if g.refresh.Reveal() == "" {
		return fmt.Errorf("%w: it has no refresh token: ask for offline_access", ErrAnswer)
	}
	now := p.o.Now().UTC()
	if err := p.replace(ctx, record{token: g.refresh, by: by, since: now, used: now}); err != nil {
		return err
	}
	p.forgetAll()
	return nil
}

// replace stores a record whatever was there.
func (p *Partner) replace(ctx context.Context, r record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	for range maxSwaps {
		_, rev, err := p.store.Token(ctx, p.o.Name) // not opened: one that does not open any more is replaced too
		if errors.Is(err, entra.ErrNotConnected) {
			rev, err = 0, nil
		}
		if err == nil {
			err = p.swap(ctx, r, rev)
		}
		if !errors.Is(err, entra.ErrStale) {
			return err
		}
	}
	return fmt.Errorf("gdap: store the refresh token: others were faster %d times: %w", maxSwaps, entra.ErrStale)
}

// SignOut forgets the refresh token. Access tokens that are out stay good for up to a day: to end them, and the refresh token
// at Microsoft, revoke the sessions of the service user.
func (p *Partner) SignOut(ctx context.Context) error {
	if err := p.store.DeleteToken(ctx, p.o.Name); err != nil {
		return fmt.Errorf("gdap: delete the refresh token: %w", err)
	}
	p.forgetAll()
	return nil
}

// forgetAll drops all that came of an earlier sign-in.
func (p *Partner) forgetAll() {
	p.tokens.forget("")
	p.graph.Forget(mspkit.TenantID(p.o.PartnerTenant))
	p.mu.Lock()
	p.dead, p.deadWhy = record{}, nil
	p.mu.Unlock()
}

// SignInURL returns where the partner's service user signs in with a browser, and the PKCE verifier that
// [Partner.FinishSignIn] needs. redirectURL must be registered with the application. state is the host's: random, bound to the
// session of who begins, and compared when the browser comes back, because whoever ends the flow becomes the partner.
func (p *Partner) SignInURL(redirectURL, state string) (address string, verifier mspkit.Redacted[string], err error) {
	if redirectURL == "" || len(state) < 16 {
		return "", verifier, fmt.Errorf("gdap: a sign-in needs a redirect URL and a random state of 16 characters or more: %w", mspkit.ErrInvalid)
	}
	secret := randomText()
	sum := sha256.Sum256([]byte(secret))
	q := url.Values{
		"client_id": {p.o.ClientID}, "response_type": {"code"}, "response_mode": {"query"}, "redirect_uri": {redirectURL}, "state": {state},
		"scope":          {"openid " + p.o.Cloud.Scope() + " offline_access"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		"prompt": {"login"}, // so that it is a fresh sign-in, of the service user and not of whoever is signed in
	}
	return p.o.Cloud.Login + "/" + p.o.PartnerTenant + "/oauth2/v2.0/authorize?" + q.Encode(), mspkit.Redact(secret), nil
}

// FinishSignIn exchanges the code that came back from [Partner.SignInURL] and stores the refresh token as [Partner.SignIn] does.
// A code works once.
func (p *Partner) FinishSignIn(ctx context.Context, code, verifier mspkit.Redacted[string], redirectURL, by string) error {
	if !plainToken(code.Reveal()) || !plainToken(verifier.Reveal()) {
		return fmt.Errorf("gdap: the code or its verifier is missing: %w", mspkit.ErrInvalid)
	}
	return p.signIn(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {code.Reveal()}, "code_verifier": {verifier.Reveal()}, "redirect_uri": {redirectURL},
		"scope": {p.home().scope + " offline_access"},
	}, mspkit.Redacted[string]{}, by)
}

// Health is the state of the partner's sign-in.
type Health struct {
	// SignedIn says that there is a refresh token; By is who gave it and Since is when.
	SignedIn bool
	By       string
	Since    time.Time
	// UsedAt is when it was used last, exact to an hour, InactiveAt when it dies if it is not used before.
	UsedAt, InactiveAt time.Time
	// NeedsSignIn says that somebody must sign in, Problem why, in words for an administrator.
	NeedsSignIn bool
	Problem     string
}

// Health returns what is known of the sign-in. It asks the store only; that nobody has signed in is no error.
func (p *Partner) Health(ctx context.Context) (Health, error) {
	r, _, err := p.load(ctx)
	if none, ok := errors.AsType[*refusal](err); ok && errors.Is(err, errNobody) {
		return Health{NeedsSignIn: true, Problem: none.text}, nil
	}
	if err != nil {
		return Health{}, err
	}
	h := Health{SignedIn: true, By: r.by, Since: r.since, UsedAt: r.used, InactiveAt: r.used.Add(InactivityLimit), Problem: r.problem}
	if h.Problem == "" && !p.o.Now().Before(h.InactiveAt) {
		h.Problem = "the refresh token was not used for 90 days: sign in again"
	}
	h.NeedsSignIn = h.Problem != ""
	return h, nil
}
