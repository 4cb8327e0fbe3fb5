package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

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

// oauth is the flow of an administrator's own sign-in.
func (c *Consent) oauth() *oauth2.Config {
	at := c.o.Cloud.Login + "/organizations/oauth2/v2.0/"
	return &oauth2.Config{
		ClientID: c.o.ClientID, RedirectURL: c.RedirectURL(), Scopes: []string{"openid", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: at + "authorize", TokenURL: at + "token", AuthStyle: oauth2.AuthStyleInParams},
	}
}

// exchange returns the id token for a code.
func (c *Consent) exchange(ctx context.Context, code, verifier string) (string, error) {
	conf := c.oauth()
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {conf.ClientID}, "code": {code}, "redirect_uri": {conf.RedirectURL},
		"code_verifier": {verifier}, "scope": {strings.Join(conf.Scopes, " ")},
	}
	if c.o.Assertion == nil {
		form.Set("client_secret", c.o.Secret.Reveal())
	} else {
		assertion, err := c.o.Assertion(ctx, conf.Endpoint.TokenURL)
		if err != nil {
			return "", &TokenError{sentinel: ErrCredentials, cause: err}
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, conf.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", errors.New("entra: the request for a token cannot be made")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := httpx.Do(c.http, req)
	if err != nil {
		return "", TokenUnavailable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", TokenUnavailable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", NewTokenError(resp.StatusCode, resp.Header, body, c.o.Now())
	}
	return idToken(body)
}

// idToken reads the answer of the token endpoint.
func idToken(body []byte) (string, error) {
	var answer struct {
		Type  string `json:"token_type"`
		Token string `json:"id_token"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Token == "" || len(answer.Token) > maxToken {
		return "", fmt.Errorf("%w: the answer has no id token", ErrToken)
	}
	return answer.Token, nil
}
