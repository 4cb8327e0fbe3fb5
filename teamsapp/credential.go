package teamsapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

// Credential proves to Entra that we are the bot. It is one of [ClientSecret], [ClientAssertion] and [TokenFunc].
type Credential interface {
	// valid reports whether there is anything in it.
	valid() bool
	token(ctx context.Context, r tokenRequest) (botToken, error)
}

// ClientSecret is the credential of an application's client secret: its value, not its id.
func ClientSecret(secret string) Credential { return clientSecret{mspkit.Redact(secret)} }

// ClientAssertion is the credential of a signed assertion: a federated identity, such as a managed identity or a
// Kubernetes service account, or a JWT signed with a certificate
// (https://learn.microsoft.com/entra/identity-platform/certificate-credentials). f is asked each time a token is
// needed, about once an hour, and must be safe for concurrent use. What it fails with is wrapped, but its text does
// not get into errors.
func ClientAssertion(f func(ctx context.Context) (string, error)) Credential {
	return clientAssertion(f)
}

// TokenFunc is a credential that gets the whole token elsewhere, such as azidentity's
// azcore.TokenCredential.GetToken. tenant is the one whose token is wanted, scope what for. A token is kept until five
// minutes before expires; with a zero time f is asked before every request. f must be safe for concurrent use. What
// it fails with is wrapped, but its text does not get into errors.
func TokenFunc(f func(ctx context.Context, tenant, scope string) (token string, expires time.Time, err error)) Credential {
	return tokenFunc(f)
}

// tokenRequest says which token is wanted and how Entra is reached.
type tokenRequest struct {
	tokenKey

	http          *http.Client
	url, clientID string
	now           func() time.Time
}

type tokenKey struct{ tenant, scope string }

type botToken struct {
	value   mspkit.Redacted[string]
	expires time.Time
}

type (
	clientSecret    struct{ secret mspkit.Redacted[string] }
	clientAssertion func(context.Context) (string, error)
	tokenFunc       func(context.Context, string, string) (string, time.Time, error)
)

func (c clientSecret) valid() bool    { return c.secret.Reveal() != "" }
func (f clientAssertion) valid() bool { return f != nil }
func (f tokenFunc) valid() bool       { return f != nil }

func (c clientSecret) token(ctx context.Context, r tokenRequest) (botToken, error) {
	return r.post(ctx, c.secret.Reveal(), nil)
}

func (f clientAssertion) token(ctx context.Context, r tokenRequest) (botToken, error) {
	assertion, err := f(ctx)
	if err != nil {
		return botToken{}, &Error{Op: opToken, sentinel: ErrCredentials, advice: adviceFunction, cause: err}
	}
	return r.post(ctx, "", url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	})
}

func (f tokenFunc) token(ctx context.Context, r tokenRequest) (botToken, error) {
	t, expires, err := f(ctx, r.tenant, r.scope)
	if err != nil {
		return botToken{}, &Error{Op: opToken, sentinel: ErrCredentials, advice: adviceFunction, cause: err}
	}
	return newToken(t, expires)
}

// post asks Entra for a token with the client credentials grant
// (https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication). Asking twice
// does no harm, so that it may be repeated.
func (r tokenRequest) post(ctx context.Context, secret string, params url.Values) (botToken, error) {
	conf := clientcredentials.Config{
		ClientID: r.clientID, ClientSecret: secret, TokenURL: r.url, Scopes: []string{r.scope},
		EndpointParams: params, AuthStyle: oauth2.AuthStyleInParams,
	}
	began := r.now()
	t, err := conf.Token(context.WithValue(httpx.Idempotent(ctx), oauth2.HTTPClient, r.http))
	if err != nil {
		return botToken{}, tokenFault(err)
	}
	seconds, _ := t.Extra("expires_in").(float64) // x/oauth2 asks the system's clock for Expiry; we have our own
	if seconds < 0 || seconds > 24*60*60 {
		seconds = 0
	}
	return newToken(t.AccessToken, began.Add(time.Duration(seconds)*time.Second))
}

// maxToken is in bytes; real tokens have about 1.5 KiB.
const maxToken = 16 << 10

// tokenForm is what fits a header: JWTs and opaque tokens.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

func newToken(t string, expires time.Time) (botToken, error) {
	if len(t) > maxToken || !tokenForm.MatchString(t) {
		return botToken{}, &Error{Op: opToken, sentinel: ErrProtocol, advice: adviceFunction}
	}
	return botToken{value: mspkit.Redact(t), expires: expires}, nil
}

var (
	aadsts    = regexp.MustCompile(`\bAADSTS(\d{4,9})\b`)
	requestID = http.CanonicalHeaderKey("x-ms-request-id")
)

// tokenFault makes our error of one of x/oauth2, whose text holds the whole answer.
func tokenFault(err error) error {
	if e, ok := errors.AsType[*httpx.Error](err); ok {
		return &Error{Op: opToken, sentinel: ErrUnavailable, cause: e}
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refused.Response == nil {
		return &Error{Op: opToken, sentinel: ErrProtocol}
	}
	e := &Error{
		Op: opToken, Status: refused.Response.StatusCode, Code: cleanCode(refused.ErrorCode),
		CorrelationID: cleanCorrelation(refused.Response.Header.Get(requestID)),
	}
	var number string
	if m := aadsts.FindStringSubmatch(refused.ErrorDescription); m != nil {
		number = m[1]
	} else {
		var body struct {
			Codes []json.Number `json:"error_codes"`
		}
		if json.Unmarshal(refused.Body, &body) == nil && len(body.Codes) > 0 {
			number = body.Codes[0].String()
		}
	}
	m, known := entraCodes[number]
	switch {
	case known:
		e.Code, e.sentinel, e.advice = "AADSTS"+number, m.sentinel, m.advice
	case e.Status == http.StatusTooManyRequests:
		e.sentinel = ErrThrottled
	case e.Status >= 500 || e.Status == http.StatusRequestTimeout || e.Code == "temporarily_unavailable":
		e.sentinel = ErrUnavailable
	case e.Code == "invalid_scope" || e.Code == "invalid_resource" || e.Code == "invalid_target":
		e.sentinel = ErrCloud
	case e.Status/100 == 2:
		e.sentinel = ErrProtocol
	default:
		e.sentinel = ErrCredentials
	}
	if !known && number != "" {
		e.Code = cleanCode("AADSTS" + number)
	}
	return e
}

// tokenMargin is how long before its end a token is replaced.
const tokenMargin = 5 * time.Minute

// tokenTimeout bounds what a host's function may take.
const tokenTimeout = 30 * time.Second

// tokens keeps tokens until shortly before they expire. Callers who need the same one share a request, which goes on
// as long as one of them waits.
type tokens struct {
	fetch func(ctx context.Context, k tokenKey) (botToken, error)
	now   func() time.Time

	mu      sync.Mutex
	kept    map[tokenKey]botToken
	flights map[tokenKey]*tokenFlight
}

type tokenFlight struct {
	done    chan struct{}
	token   botToken // when done
	err     error
	waiting int
	cancel  context.CancelFunc
}

func newTokens(now func() time.Time, fetch func(context.Context, tokenKey) (botToken, error)) *tokens {
	return &tokens{fetch: fetch, now: now, kept: map[tokenKey]botToken{}, flights: map[tokenKey]*tokenFlight{}}
}

// get returns a token for k.
func (t *tokens) get(ctx context.Context, k tokenKey) (botToken, error) {
	t.mu.Lock()
	if kept, ok := t.kept[k]; ok {
		if t.now().Before(kept.expires.Add(-tokenMargin)) {
			t.mu.Unlock()
			return kept, nil
		}
		delete(t.kept, k)
	}
	f := t.flights[k]
	if f == nil {
		f = &tokenFlight{done: make(chan struct{})}
		var shared context.Context // of no caller, so that none can end it for the others
		shared, f.cancel = context.WithTimeout(context.WithoutCancel(ctx), tokenTimeout)
		t.flights[k] = f
		go t.run(shared, k, f)
	}
	f.waiting++
	t.mu.Unlock()

	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		t.land(k, f) // who comes now must not share what was just cancelled
	}
	return botToken{}, fmt.Errorf("wait for the bot's token: %w", ctx.Err())
}

func (t *tokens) run(ctx context.Context, k tokenKey, f *tokenFlight) {
	defer f.cancel()
	got, err := t.fetch(ctx, k)
	t.mu.Lock()
	defer t.mu.Unlock()
	f.token, f.err = got, err
	if err == nil && t.flights[k] == f {
		t.kept[k] = got
	}
	t.land(k, f)
	close(f.done)
}

func (t *tokens) land(k tokenKey, f *tokenFlight) {
	if t.flights[k] == f {
		delete(t.flights, k)
	}
}

// drop forgets a token that was refused, unless another one is in its place already.
func (t *tokens) drop(k tokenKey, refused botToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept[k].value.Reveal() == refused.value.Reveal() {
		delete(t.kept, k)
	}
}
