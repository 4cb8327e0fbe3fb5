package entratest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

// read returns the claims of a token, whoever signed it.
func read(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	claims := map[string]any{}
	require.NoError(t, json.Unmarshal(raw, &claims))
	return claims
}

func (b *browser) identity() (entra.Identity, error) {
	b.w.t.Helper()
	return b.w.verify(b.w.token("organizations", b.asks("organizations").Get("code")))
}

func TestEveryAttackIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	w.SignIn(w.paula)
	b := w.browser()
	names := map[string]bool{}
	attacks := w.Attacks(w.customer, "00000000-0000-4000-8000-000000000001")
	for _, a := range attacks {
		require.False(t, names[a.Name], a.Name)
		names[a.Name] = true
		w.Tamper(0, a.Change)
		_, err := b.identity()
		if a.Name == "another tenant altogether" { // which the verifier here admits
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, entra.ErrToken, a.Name)
	}
	_, err := b.identity()
	require.NoError(t, err, "all are used up")
}

func TestChangesAreUsedUpInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	w.SignIn(w.paula)
	b := w.browser()
	w.Tamper(2, entratest.Set("name", "first"))
	w.Tamper(0, entratest.Set("name", nil))
	w.Tamper(-1, entratest.Set("name", "last"))
	for _, want := range []any{"first", "first", nil, "last", "last", "last"} {
		require.Equal(t, want, b.claims("organizations")["name"])
	}
	late := w.IDClaims(w.paula, w.app.ID, "n")
	entratest.Shift(10*time.Minute)(late, nil)
	require.Equal(t, at.Add(10*time.Minute).Unix(), late["iat"])
	require.Equal(t, at.Add(10*time.Minute).Unix(), late["auth_time"])
}

func TestAKeyIsWithdrawnMidFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	w.SignIn(w.paula)
	b := w.browser()
	w.RotateMidFlight()
	_, err := b.identity()
	require.ErrorIs(t, err, entra.ErrToken)
	_, err = b.identity()
	require.NoError(t, err, "the next one is of the new key")
	w.Fail(entratest.Fault{Endpoint: entratest.Keys, Status: http.StatusServiceUnavailable, Times: -1})
	_, err = b.identity()
	require.ErrorIs(t, err, entra.ErrUnavailable)
}

func TestACodeIsSlippedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	w.SignIn(w.paula)
	b := w.browser()
	first := b.asks("organizations").Get("code")
	w.ReplayCode()
	again := b.asks("organizations", "state", "another")
	require.Equal(t, first, again.Get("code"))
	require.Equal(t, "another", again.Get("state"))
	require.NotEqual(t, first, b.asks("organizations").Get("code"))
	w.token("organizations", first)
	_, answer := w.post("organizations", url.Values{"grant_type": {"authorization_code"}, "code": {first}, "redirect_uri": {redirect}, "code_verifier": {pkce}})
	require.Equal(t, 54005, code(answer), "it is good once")
}

func TestAnAnswerCanBeSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	get := func(ctx context.Context) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL()+"/organizations/discovery/v2.0/keys", http.NoBody)
		require.NoError(t, err)
		res, err := w.Client().Do(req)
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	w.Fail(entratest.Fault{Endpoint: entratest.Keys, Delay: time.Millisecond})
	w.Fail(entratest.Fault{Endpoint: entratest.Keys, Delay: time.Millisecond, Status: http.StatusBadGateway})
	for _, want := range []int{http.StatusOK, http.StatusBadGateway} {
		status, err := get(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, status)
	}
	w.Fail(entratest.Fault{Endpoint: entratest.Keys, Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := get(ctx)
		done <- err
	}()
	for len(w.Requests(entratest.Keys)) < 3 {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-done:
		require.Fail(t, "there is an answer", "%v", err)
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}
