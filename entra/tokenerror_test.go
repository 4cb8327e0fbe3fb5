package entra_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
)

func TestTokenErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		status    int
		body      string
		want      error
		code      string
		permanent bool
	}{
		"a number":              {400, `{"error":"invalid_grant","error_codes":[65001]}`, entra.ErrConsent, "AADSTS65001", true},
		"a number in the text":  {400, `{"error":"invalid_grant","error_description":"AADSTS50173: The grant is expired"}`, entra.ErrSignIn, "AADSTS50173", true},
		"a number not known":    {400, `{"error":"invalid_grant","error_codes":[123456]}`, entra.ErrSignIn, "AADSTS123456", true},
		"an OAuth code":         {401, `{"error":"invalid_client"}`, entra.ErrCredentials, "invalid_client", true},
		"a tenant that is gone": {400, `{"error":"invalid_request","error_codes":[90002]}`, entra.ErrTenantGone, "AADSTS90002", true},
		"being worked on":       {400, `{"error":"invalid_client","error_codes":[650051]}`, entra.ErrUnavailable, "AADSTS650051", false},
		"a later number":        {400, `{"error":"invalid_grant","error_codes":[123456,65001]}`, entra.ErrConsent, "AADSTS65001", true},
		"a guest":               {400, `{"error":"invalid_grant","error_codes":[50020]}`, entra.ErrRefused, "AADSTS50020", true},
		"a session revoked":     {400, `{"error":"invalid_grant","error_codes":[50132]}`, entra.ErrSignIn, "AADSTS50132", true},
		"a new certificate":     {401, `{"error":"invalid_client","error_codes":[700027]}`, entra.ErrCredentials, "AADSTS700027", false},
		"an outage with a code": {503, `{"error":"invalid_grant"}`, entra.ErrUnavailable, "invalid_grant", false},
		"a number in an outage": {503, `{"error":"invalid_grant","error_codes":[65001]}`, entra.ErrConsent, "AADSTS65001", true},
		"throttled":             {429, `{"error":"x"}`, entra.ErrThrottled, "x", false},
		"an outage":             {503, `<html>s3cret</html>`, entra.ErrUnavailable, "", false},
		"nothing":               {400, ``, entra.ErrRefused, "", true},
		"a hostile code":        {400, `{"error":"x\ny; s3cret","error_codes":["1 s3cret"]}`, entra.ErrRefused, "", true},
		"a hostile number":      {400, `{"error":"invalid_scope","error_codes":[1e99]}`, entra.ErrRefused, "invalid_scope", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := entra.NewTokenError(c.status, http.Header{"Retry-After": {"7"}}, []byte(c.body), now)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, c.code, err.Code)
			require.Equal(t, c.permanent, err.Permanent())
			require.Equal(t, 7*time.Second, err.RetryAfter)
			require.NotEmpty(t, err.Advice())
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
	err := entra.NewTokenError(400, nil, []byte(`{"error":"interaction_required","error_codes":[50076],"claims":"{\"x\":1}","correlation_id":"5F0C9A7E-1b2c-4d3e-8f90-a1b2c3d4e5f6"}`), now)
	require.Equal(t, `{"x":1}`, err.Claims)
	require.Equal(t, "5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6", err.CorrelationID)
	require.Contains(t, err.Error(), "AADSTS50076")
	long := entra.NewTokenError(400, nil, []byte(`{"error":"interaction_required","claims":"`+strings.Repeat("x", 4<<10+1)+`"}`), now)
	require.Empty(t, long.Claims)
	require.ErrorIs(t, entra.TokenUnavailable(context.Canceled), context.Canceled)
	require.NotContains(t, entra.TokenUnavailable(errors.New("s3cret")).Error(), "s3cret")
}

// Whatever the token endpoint answers, an error has a meaning and short text in printable characters.
func FuzzTokenError(f *testing.F) {
	f.Add(400, []byte(`{"error":"invalid_grant","error_codes":[65001],"error_description":"AADSTS65001: x"}`))
	f.Add(500, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := entra.NewTokenError(status, nil, body, time.Unix(1_800_000_000, 0))
		text := err.Error()
		if len(text) > 400 {
			t.Fatalf("long: %q", text)
		}
		for _, r := range text {
			if r < ' ' || r > '~' {
				t.Fatalf("not printable: %q", text)
			}
		}
		if err.Advice() == "" || errors.Unwrap(err) != nil || len(err.Unwrap()) == 0 {
			t.Fatal("an error without a meaning")
		}
	})
}
