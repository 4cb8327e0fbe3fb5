package entra

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

const (
	// exchangeTimeout bounds the one request that exchanges a code: it is not repeated, because a code works once.
	exchangeTimeout = 15 * time.Second
	// maxAnswer is in bytes. Real answers have a few KiB.
	maxAnswer = 256 << 10
	// maxCode is in bytes. Real codes have about a KiB.
	maxCode = 8 << 10
)

// exchangeRequest is what a code is exchanged with.
type exchangeRequest struct {
	clientID                              string
	secret                                mspkit.Redacted[string]
	assertion                             func(ctx context.Context, audience string) (string, error)
	tokenURL, redirectURL, code, verifier string
	now                                   func() time.Time
}

// exchange returns the id token for a code.
func exchange(ctx context.Context, client *http.Client, e exchangeRequest) (string, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {e.clientID}, "code": {e.code}, "redirect_uri": {e.redirectURL},
		"code_verifier": {e.verifier}, "scope": {"openid profile"},
	}
	if e.assertion == nil {
		form.Set("client_secret", e.secret.Reveal())
	} else {
		assertion, err := e.assertion(ctx, e.tokenURL)
		if err != nil {
			return "", &TokenError{sentinel: ErrCredentials, cause: err}
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.tokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", errors.New("entra: the request for a token cannot be made")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := httpx.Do(client, req)
	if err != nil {
		return "", TokenUnavailable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", TokenUnavailable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", NewTokenError(resp.StatusCode, resp.Header, body, e.now())
	}
	return idToken(body)
}

// idToken reads the answer of the token endpoint.
func idToken(body []byte) (string, error) {
	var answer struct {
		Type  string `json:"token_type"`
		Token string `json:"id_token"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Token == "" {
		return "", badToken(ReasonNoToken)
	}
	return answer.Token, nil
}
