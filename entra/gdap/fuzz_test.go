package gdap_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/gdap"
)

var fuzzNow = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestTokenResponse(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{
		`{"token_type":"Bearer","access_token":"a","expires_in":3599}`:                                   3599 * time.Second,
		`{"token_type":"bearer","access_token":"a","expires_in":"3599"}`:                                 3599 * time.Second,
		`{"token_type":"Bearer","access_token":"a","expires_in":1}`:                                      time.Second,
		`{"token_type":"Bearer","access_token":"a","expires_in":99999999}`:                               gdap.MaxLife,
		`{"token_type":"Bearer","access_token":"a","expires_in":99999999999999999999999999999}`:          gdap.MaxLife,
		`{"token_type":"Bearer","access_token":"a","expires_in":0}`:                                      0,
		`{"token_type":"Bearer","access_token":"a","expires_in":-1}`:                                     0,
		`{"token_type":"Bearer","access_token":"a","expires_in":1e3}`:                                    0,
		`{"token_type":"Bearer","access_token":"a","expires_in":""}`:                                     0,
		`{"token_type":"Bearer","access_token":"a","expires_in":null}`:                                   0,
		`{"token_type":"Bearer","access_token":"a","expires_in":[3599]}`:                                 0,
		`{"token_type":"Bearer","access_token":"a"}`:                                                     0,
		`{"token_type":"pop","access_token":"a","expires_in":3599}`:                                      0,
		`{"access_token":"a","expires_in":3599}`:                                                         0,
		`{"token_type":"Bearer","access_token":"","expires_in":3599}`:                                    0,
		`{"token_type":"Bearer","expires_in":3599}`:                                                      0,
		`{"token_type":"Bearer","access_token":1,"expires_in":3599}`:                                     0,
		`{"token_type":"Bearer","access_token":"a\r\nX: y","expires_in":3599}`:                           0,
		`{"token_type":"Bearer","access_token":"a b","expires_in":3599}`:                                 0,
		`{"token_type":"Bearer","access_token":"a","expires_in":3599,"refresh_token":"r r"}`:             0,
		`{"token_type":"Bearer","access_token":"` + strings.Repeat("a", 65<<10) + `","expires_in":3599}`: 0,
		`[]`: 0, ``: 0, `null`: 0, `{"token_type":"Bearer","access_token":"a","expires_in":3599} x`: 0,
	} {
		access, _, expiresOn, err := gdap.ReadGrant([]byte(body), fuzzNow)
		if want == 0 {
			require.ErrorIs(t, err, gdap.ErrAnswer, body)
			require.Empty(t, access)
			continue
		}
		require.NoError(t, err, body)
		require.Equal(t, "a", access)
		require.Equal(t, fuzzNow.Add(want), expiresOn, body)
	}
	_, refresh, _, err := gdap.ReadGrant([]byte(`{"token_type":"Bearer","access_token":"a","expires_in":3599,"refresh_token":"r"}`), fuzzNow)
	require.NoError(t, err)
	require.Equal(t, "r", refresh)
}

func FuzzTokenResponse(f *testing.F) {
	for _, s := range []string{
		`{"token_type":"Bearer","scope":"https://graph.microsoft.com/.default","expires_in":4567,"ext_expires_in":4567,"access_token":"eyJ0.a.b","refresh_token":"1.AX"}`,
		`{"token_type":"Bearer","access_token":"a","expires_in":"3599"}`,
		`{"token_type":"Bearer","access_token":"a","expires_in":-1e99}`,
		`{"error":"invalid_grant","error_codes":[50173]}`, `{`, `null`, `"x"`, "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		access, refresh, expiresOn, err := gdap.ReadGrant(body, fuzzNow)
		if err != nil {
			if !errors.Is(err, gdap.ErrAnswer) || access != "" || refresh != "" {
				t.Fatalf("an error that is not one of an answer, or something beside it: %v", err)
			}
			return
		}
		if access == "" || strings.ContainsFunc(access+refresh, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("a token that cannot be sent: %q %q", access, refresh)
		}
		if life := expiresOn.Sub(fuzzNow); life < time.Second || life > gdap.MaxLife {
			t.Fatalf("a token lives %s", life)
		}
	})
}
