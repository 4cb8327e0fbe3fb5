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

// exchange returns the id token for a code.
func (f *Flow) exchange(ctx context.Context, code string, c carried) (string, error) {
	at := f.endpoint(c.Tenant, "token")
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {f.o.ClientID}, "code": {code}, "redirect_uri": {f.o.RedirectURL},
		"code_verifier": {c.Verifier}, "scope": {"openid profile"},
	}
	if f.o.Assertion == nil {
		form.Set("client_secret", f.o.Secret.Reveal())
	} else {
		assertion, err := f.o.Assertion(ctx, at)
		if err != nil {
			return "", &TokenError{sentinel: ErrCredentials, cause: err}
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		return "", errors.New("entra: the request for a token cannot be made")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := httpx.Do(f.http, req)
	if err != nil {
		return "", TokenUnavailable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", TokenUnavailable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", NewTokenError(resp.StatusCode, resp.Header, body, f.o.Now())
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
