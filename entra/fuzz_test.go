package entra_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

const (
	benchApp    = "11111111-2222-3333-4444-555555555555"
	benchTenant = "aaaaaaaa-2222-3333-4444-555555555555"
	benchPerson = "bbbbbbbb-2222-3333-4444-555555555555"
	benchIssuer = "https://login.microsoftonline.com/" + benchTenant + "/v2.0"
)

// rig is a sign-in without a network: the token endpoint and the keys are functions.
type rig struct {
	key      func() *rsa.PrivateKey // made when it is needed, which takes long in a fuzzer
	answer   string                 // of the token endpoint
	keyless  bool                   // publishes no keys
	verifier *entra.Verifier
	sso      *entra.SSO
	pages    http.Handler
	audit    audit
	at       time.Time
}

// RoundTrip implements http.RoundTripper.
func (g *rig) RoundTrip(r *http.Request) (*http.Response, error) {
	body := g.answer
	switch keys := strings.HasSuffix(r.URL.Path, "/keys"); {
	case keys && g.keyless:
		body = `{"keys":[]}`
	case keys:
		raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &g.key().PublicKey, KeyID: "k1", Use: "sig", Algorithm: "RS256"}}})
		if err != nil {
			return nil, err
		}
		body = string(raw)
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

func newRig(t testing.TB) *rig {
	t.Helper()
	g := &rig{at: time.Unix(1_800_000_000, 0), key: sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		return key
	})}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	now := func() time.Time { return g.at }
	client := &http.Client{Transport: g}
	g.verifier, err = entra.NewVerifier(entra.PublicCloud(), benchApp, &entra.VerifierOptions{HTTPClient: client, Now: now})
	require.NoError(t, err)
	g.sso, err = entra.NewSSO(g.verifier, ring, &entra.SSOOptions{
		ClientID: benchApp, Secret: mspkit.Redact("x"), Owner: "north", BaseURL: "https://msp.example/auth", Tenants: []string{benchTenant}, HTTPClient: client,
		Resolve: func(_ context.Context, who entra.Identity) (*entra.User, error) {
			return &entra.User{ID: "1", Role: entra.RoleOf(who.Roles)}, nil
		},
		Auditor: &g.audit, Now: now,
	})
	require.NoError(t, err)
	g.pages, err = g.sso.Handler("")
	require.NoError(t, err)
	return g
}

// sign signs any bytes.
func (g *rig) sign(t testing.TB, typ string, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: g.key()}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", "k1"))
	require.NoError(t, err)
	jws, err := signer.Sign(payload)
	require.NoError(t, err)
	raw, err := jws.CompactSerialize()
	require.NoError(t, err)
	return raw
}

// claims are those of a token as Entra gives it out.
func (g *rig) claims(nonce string) map[string]any {
	return map[string]any{
		"iss": benchIssuer, "aud": benchApp, "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "tid": benchTenant, "oid": benchPerson, "ver": "2.0", "nonce": nonce,
		"iat": g.at.Unix(), "nbf": g.at.Unix(), "exp": g.at.Add(time.Hour).Unix(), "auth_time": g.at.Unix(), "name": "Anna Admin",
		"preferred_username": "anna@contoso.com", "roles": []string{"Admin"}, "sid": "00000000-aaaa-bbbb-cccc-000000000001", "uti": "x4XFkRVPkEq1hQzXWAUGAA",
		"rh": "0.AXEAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.", "wids": []string{"62e90394-69f5-4237-9190-012177145e10", "b79fbf4d-3ef9-4689-8143-76b194e85509"},
	}
}

func (g *rig) idToken(t testing.TB, nonce string) string {
	t.Helper()
	raw, err := json.Marshal(g.claims(nonce))
	require.NoError(t, err)
	return g.sign(t, "JWT", raw)
}

// begin returns the answer that Microsoft would send the browser back with, its cookie and the nonce.
func (g *rig) begin(t testing.TB) (answer url.Values, cookie *http.Cookie, nonce string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/signin", strings.NewReader("to=/tickets"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	g.pages.ServeHTTP(w, r)
	require.Equal(t, http.StatusSeeOther, w.Code)
	u, err := url.Parse(w.Header().Get("Location"))
	require.NoError(t, err)
	q := u.Query()
	return url.Values{"state": {q.Get("state")}, "code": {"0.AXEA-code"}, "session_state": {"00000000-aaaa-bbbb-cccc-000000000001"}}, w.Result().Cookies()[0], q.Get("nonce")
}

// back sends an answer with cookies.
func (g *rig) back(query string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/callback", http.NoBody)
	r.URL.RawQuery = query
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	g.pages.ServeHTTP(w, r)
	return w
}

func TestTheRigSignsIn(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	answer, cookie, nonce := g.begin(t)
	g.answer = `{"token_type":"Bearer","id_token":"` + g.idToken(t, nonce) + `"}`
	w := g.back(answer.Encode(), cookie)
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
	require.Equal(t, "/tickets", w.Header().Get("Location"))
}

// FuzzCallback sends any answer, cookie and answer of the token endpoint: without a token for the nonce nobody gets a session.
func FuzzCallback(f *testing.F) {
	g := newRig(f)
	g.keyless = true
	answer, cookie, nonce := g.begin(f)
	claims, err := json.Marshal(g.claims("another"))
	require.NoError(f, err)
	good := "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0." + base64.RawURLEncoding.EncodeToString(claims) + ".AAAA"
	for _, q := range []string{
		answer.Encode(), "state=" + answer.Get("state"), "error=access_denied&state=" + answer.Get("state"), "code=x", "", "state=&code=", answer.Encode() + "&state=x",
		answer.Encode() + "&iss=https://login.microsoftonline.com/common/v2.0", "state=%00&code=%ff", "%zz", answer.Encode() + ";x",
	} {
		f.Add(q, cookie.Value, `{"id_token":"`+good+`"}`)
		f.Add(q, "", `{}`)
		f.Add(q, cookie.Value[:len(cookie.Value)-1], `{"id_token":"a.b.c","token_type":7}`)
	}
	f.Fuzz(func(t *testing.T, query, value, body string) {
		if strings.Contains(body, nonce) {
			t.Skip("nobody knows the nonce")
		}
		g.answer = body
		g.audit.take()
		w := g.back(query, &http.Cookie{Name: cookie.Name, Value: value})
		require.GreaterOrEqual(t, w.Code, 400)
		require.Less(t, w.Code, 600)
		require.Empty(t, w.Header().Get("Location"))
		for _, c := range w.Result().Cookies() {
			require.True(t, strings.HasPrefix(c.Name, "__Host-mspkit-sso-"), c.Name)
			require.Negative(t, c.MaxAge)
		}
		list := g.audit.take()
		require.Len(t, list, 1)
		require.Equal(t, entra.EventSignInRefused, list[0].Kind)
		require.NotEmpty(t, list[0].Reason)
		require.Empty(t, list[0].ObjectID)
	})
}

// FuzzClaims reads any claims whose signature is right.
func FuzzClaims(f *testing.F) {
	g := newRig(f)
	good, err := json.Marshal(g.claims("n"))
	require.NoError(f, err)
	_, err = entra.JudgeClaims(g.verifier, good, "n")
	require.NoError(f, err)
	f.Add(good)
	for _, x := range [][2]string{
		{`"ver":"2.0"`, `"ver":"2.0","Ver":"1.0"`},
		{`"nonce":"n"`, `"nonce":"n","nonce":"m"`},
		{`"iat":`, `"iat":-`},
		{`"exp":`, `"exp":1e`},
		{benchTenant, "{tenantid}"},
		{`"roles":["Admin"]`, `"roles":null,"groups":"src1","hasgroups":"true","acct":"1","_claim_names":{"groups":1}`},
		{benchPerson, strings.ToUpper(benchPerson)},
		{`"aud":"`, `"aud":["`},
		{"{", "[{"},
	} {
		f.Add(bytes.Replace(good, []byte(x[0]), []byte(x[1]), 1))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		who, err := entra.JudgeClaims(g.verifier, payload, "n")
		if err != nil {
			require.ErrorIs(t, err, entra.ErrToken)
			require.NotEmpty(t, entra.ReasonTexts[entra.ReasonOf(err)])
			return
		}
		tenant, err := entra.CanonicalID(who.TenantID)
		require.NoError(t, err)
		require.Equal(t, tenant, who.TenantID)
		require.NotEqual(t, personalID, tenant)
		require.Equal(t, "https://login.microsoftonline.com/"+tenant+"/v2.0", who.Issuer)
		object, err := entra.CanonicalID(who.ObjectID)
		require.NoError(t, err)
		require.Equal(t, object, who.ObjectID)
		require.NotEmpty(t, who.Subject)
		require.False(t, g.at.Before(who.IssuedAt.Add(-5*time.Minute)))
		require.True(t, g.at.Before(who.ExpiresAt.Add(5*time.Minute)))
		require.LessOrEqual(t, who.ExpiresAt.Sub(who.IssuedAt), 25*time.Hour)
		var claims map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(payload, &claims))
		require.JSONEq(t, `"n"`, string(claims["nonce"]))
	})
}

// FuzzLogoutToken reads any logout token, and any claims of one whose signature is right.
func FuzzLogoutToken(f *testing.F) {
	g := newRig(f)
	g.keyless = true
	good, err := json.Marshal(map[string]any{
		"iss": benchIssuer, "aud": benchApp, "iat": g.at.Unix(), "exp": g.at.Add(time.Minute).Unix(), "jti": "1", "sid": "s", "sub": "t",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	})
	require.NoError(f, err)
	_, err = entra.JudgeLogout(g.verifier, good)
	require.NoError(f, err)
	const head = `{"alg":"RS256","kid":"k","typ":"logout+jwt"}`
	f.Add(head, good)
	for _, h := range []string{`{"alg":"none"}`, `{"alg":"HS256","typ":"logout+jwt"}`, `{"alg":"RS256","kid":"","typ":7}`, `{"alg":"RS256","crit":["b64"],"b64":false,"typ":"logout+jwt"}`, "", "{"} {
		f.Add(h, good)
	}
	for _, x := range [][2]string{
		{`"jti":"1"`, `"jti":"1","nonce":"n"`},
		{`"jti":"1"`, `"jti":"1","nonce":null`},
		{"{}", "null"},
		{"{}", "[]"},
		{`"sid":"s"`, `"sid":7`},
		{benchTenant, "common"},
		{`"iat":`, `"iat":-`},
		{`"aud":"`, `"aud":["`},
	} {
		f.Add(head, bytes.Replace(good, []byte(x[0]), []byte(x[1]), 1))
	}
	b64 := base64.RawURLEncoding
	f.Fuzz(func(t *testing.T, head string, payload []byte) {
		l, err := g.verifier.VerifyLogout(t.Context(), b64.EncodeToString([]byte(head))+"."+b64.EncodeToString(payload)+".AAAA")
		require.Error(t, err, "nobody has signed it")
		require.NotEqual(t, entra.ReasonFailed, entra.ReasonOf(err))
		require.Equal(t, entra.Logout{}, l)
		l, err = entra.JudgeLogout(g.verifier, payload)
		if err != nil {
			require.ErrorIs(t, err, entra.ErrToken)
			require.NotEmpty(t, entra.ReasonTexts[entra.ReasonOf(err)])
			return
		}
		tenant, err := entra.CanonicalID(l.TenantID)
		require.NoError(t, err)
		require.Equal(t, tenant, l.TenantID)
		require.NotEmpty(t, l.Subject+l.SID)
		require.NotEmpty(t, l.ID)
		require.True(t, g.at.Before(l.ExpiresAt.Add(5*time.Minute)))
		var claims map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(payload, &claims))
		require.NotContains(t, claims, "nonce")
	})
}

// FuzzClaimsChallenge reads any header.
func FuzzClaimsChallenge(f *testing.F) {
	for _, s := range []string{
		`Bearer error="insufficient_claims", claims="eyJhIjp7fX0"`, `Bearer error=insufficient_claims,claims=eyJhIjp7fX0`, `Bearer a="\`, "Bearer ,,,=", "Bearer", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		claims, ok := entra.ClaimsChallenge(http.Header{"Www-Authenticate": {s}})
		require.Equal(t, ok, claims != "")
		if ok {
			var object map[string]any
			require.NoError(t, json.Unmarshal([]byte(claims), &object))
			require.NotEmpty(t, object)
		}
	})
}
