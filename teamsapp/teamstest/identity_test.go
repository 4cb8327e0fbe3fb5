package teamstest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

func TestEntraGivesATokenForTheRightSecretOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	home := w.s.AppTenant()
	for name, tc := range map[string]struct {
		tenant string
		change url.Values
		status int
		kind   string
	}{
		"right":         {home, nil, 200, ""},
		"upper case":    {strings.ToUpper(home), url.Values{"client_id": {strings.ToUpper(appID)}}, 200, ""},
		"secret":        {home, url.Values{"client_secret": {"x"}}, 401, "invalid_client"},
		"client":        {home, url.Values{"client_id": {home}}, 400, "unauthorized_client"},
		"scope":         {home, url.Values{"scope": {"https://graph.microsoft.com/.default"}}, 400, "invalid_scope"},
		"grant":         {home, url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type"},
		"tenant":        {other, nil, 400, "invalid_request"},
		"customer's":    {customer, nil, 200, ""},
		"shared tenant": {"botframework.com", nil, 200, ""},
	} {
		a := w.login(tc.tenant, tc.change)
		require.Equal(t, tc.status, a.status, name)
		if tc.status == http.StatusOK {
			require.NotEmpty(t, accessToken(a), name)
			continue
		}
		require.Contains(t, a.body, `"error":"`+tc.kind+`"`, name)
		require.NotContains(t, a.body, secret)
	}
	require.Equal(t, 9, w.s.Count(teamstest.OpToken))
}

func TestTheConnectorTakesTokensOfTheBotsTenantOnly(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, &teamstest.Options{TokenLife: time.Minute, Now: func() time.Time { return now }}).install()
	try := func(token string) int {
		a := w.do(http.MethodPost, "/teams/v3/conversations", token, createBody(danaID))
		if a.status == http.StatusUnauthorized {
			require.JSONEq(t, `{"message":"Authorization has been denied for this request."}`, a.body)
		}
		return a.status
	}
	good := w.token()
	require.Equal(t, http.StatusCreated, try(good))
	require.Equal(t, http.StatusUnauthorized, try(""))
	require.Equal(t, http.StatusUnauthorized, try("x.y.z"))
	require.Equal(t, http.StatusUnauthorized, try(accessToken(w.login(customer, nil))), "the customer's tenant")
	require.Equal(t, http.StatusUnauthorized, try(accessToken(w.login("botframework.com", nil))), "the shared tenant")
	require.Equal(t, http.StatusUnauthorized, try(w.s.Sign(map[string]any{
		"aud": "https://api.botframework.com", "tid": w.s.AppTenant(), "appid": appID, "exp": now.Add(time.Hour).Unix(), "n": 99,
	}, nil)), "signed with the wrong key")
	parts := strings.Split(good, ".")
	require.Equal(t, http.StatusUnauthorized, try(parts[0]+"."+parts[1]+"."+parts[2][1:]+"A"))
	w.s.RevokeTokens()
	require.Equal(t, http.StatusUnauthorized, try(good), "revoked")
	fresh := accessToken(w.login(w.s.AppTenant(), nil))
	require.Equal(t, http.StatusCreated, try(fresh))
	now = now.Add(time.Minute)
	require.Equal(t, http.StatusUnauthorized, try(fresh), "expired")
}

func TestAMultiTenantBotsTokenComesFromTheSharedTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &teamstest.Options{MultiTenant: true}).install()
	for tenant, want := range map[string]int{"botframework.com": http.StatusCreated, w.s.AppTenant(): http.StatusUnauthorized} {
		token := accessToken(w.login(tenant, nil))
		require.NotEmpty(t, token)
		require.Equal(t, want, w.do(http.MethodPost, "/teams/v3/conversations", token, createBody(danaID)).status)
	}
}

// keys fetches the JWKS by way of the metadata.
func (w *world) keys() (map[string]jose.JSONWebKey, map[string][]string) {
	var doc struct {
		Issuer string
		JWKS   string `json:"jwks_uri"`
	}
	get := func(url string, v any) {
		resp, err := w.http.Get(url)
		require.NoError(w.t, err)
		defer resp.Body.Close()
		require.Equal(w.t, http.StatusOK, resp.StatusCode)
		require.NoError(w.t, json.NewDecoder(resp.Body).Decode(v))
	}
	get(w.s.Cloud().Metadata, &doc)
	require.Equal(w.t, w.s.Cloud().Issuer, doc.Issuer)
	var set struct{ Keys []json.RawMessage }
	get(doc.JWKS, &set)
	keys, endorsed := map[string]jose.JSONWebKey{}, map[string][]string{}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		require.NoError(w.t, k.UnmarshalJSON(raw))
		var e struct{ Endorsements []string }
		require.NoError(w.t, json.Unmarshal(raw, &e))
		keys[k.KeyID], endorsed[k.KeyID] = k, e.Endorsements
	}
	return keys, endorsed
}

func (w *world) claims(token string) map[string]any {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	require.NoError(w.t, err)
	keys, _ := w.keys()
	key, ok := keys[jws.Signatures[0].Header.KeyID]
	require.True(w.t, ok, "the key is published")
	payload, err := jws.Verify(key)
	require.NoError(w.t, err)
	var c map[string]any
	require.NoError(w.t, json.Unmarshal(payload, &c))
	return c
}

func TestActivitiesAreSignedWithAPublishedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, form := range []teamstest.ServiceForm{teamstest.RegionalURL, teamstest.TenantURL, teamstest.GlobalURL} {
		w.dana.Form = form
		w.install()
		w.mu.Lock()
		token := w.auth[len(w.auth)-1]
		w.mu.Unlock()
		c := w.claims(token)
		require.Equal(t, w.s.Cloud().Issuer, c["iss"])
		require.Equal(t, appID, c["aud"])
		require.Equal(t, w.last()["serviceUrl"], c["serviceurl"])
		require.Equal(t, w.dana.ServiceURL(), c["serviceurl"])
		require.Greater(t, c["exp"], float64(time.Now().Unix()))
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	first := w.s.KeyID()
	require.NoError(t, w.s.AddKey())
	second := w.s.KeyID()
	w.s.Endorse("directline")
	keys, endorsed := w.keys()
	require.Len(t, keys, 2)
	require.Contains(t, endorsed[first], "msteams")
	require.Equal(t, []string{"directline"}, endorsed[second])
	w.install()
	require.NoError(t, w.s.RotateKey())
	w.s.Endorse()
	keys, endorsed = w.keys()
	require.Len(t, keys, 1)
	require.Empty(t, endorsed[w.s.KeyID()])
	w.install()
	w.mu.Lock()
	token := w.auth[len(w.auth)-1]
	w.mu.Unlock()
	require.NotEmpty(t, w.claims(token), "the cached token of the old key is not used")
}

func TestAnyTokenCanBeSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	header := func(token string) map[string]any {
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
		require.NoError(t, err)
		var h map[string]any
		require.NoError(t, json.Unmarshal(raw, &h))
		return h
	}
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	claims := w.s.Claims(w.dana.ServiceURL())
	for _, tc := range []struct {
		o   teamstest.SignOptions
		alg string
		kid any
	}{
		{teamstest.SignOptions{}, "RS256", w.s.KeyID()},
		{teamstest.SignOptions{Key: foreign}, "RS256", w.s.KeyID()},
		{teamstest.SignOptions{Key: foreign, KeyID: "mine", Alg: "PS256"}, "PS256", "mine"},
		{teamstest.SignOptions{Key: curve, Alg: "ES256"}, "ES256", w.s.KeyID()},
		{teamstest.SignOptions{Key: make([]byte, 32), Alg: "HS256"}, "HS256", w.s.KeyID()},
		{teamstest.SignOptions{NoKeyID: true}, "RS256", nil},
		{teamstest.SignOptions{Alg: "none"}, "none", w.s.KeyID()},
	} {
		token := w.s.Sign(claims, &tc.o)
		h := header(token)
		require.Equal(t, tc.alg, h["alg"])
		require.Equal(t, tc.kid, h["kid"])
		require.Equal(t, tc.alg == "none", strings.HasSuffix(token, "."))
		r, err := w.s.Deliver(t.Context(), w.s.Activity(w.dana, "message"), token)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, r.HTTPStatus)
		require.Equal(t, token, w.auth[len(w.auth)-1])
	}
	require.Equal(t, appID, w.claims(w.s.Sign(claims, nil))["aud"])
	require.Panics(t, func() { w.s.Sign(claims, &teamstest.SignOptions{Key: curve}) })
}

func TestAnEmulatorNeedsNoTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &teamstest.Options{Emulator: true}).install()
	require.Empty(t, w.auth[0])
	require.Equal(t, http.StatusCreated, w.do(http.MethodPost, w.chat(), "", `{"type":"message","text":"x"}`).status)
}

func TestStartNeedsAnAppID(t *testing.T) {
	t.Parallel()
	_, err := teamstest.Start("", secret, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}
