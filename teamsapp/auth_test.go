package teamsapp_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	bearer := func(claim string, value any) func(*testing.T, *rig, activity) string {
		return func(t *testing.T, r *rig, _ activity) string {
			t.Helper()
			c := r.claims()
			if value == nil {
				delete(c, claim)
			} else {
				c[claim] = value
			}
			return "Bearer " + sign(t, "one", keyOne(), c)
		}
	}
	at := func(claim string, d time.Duration) func(*testing.T, *rig, activity) string {
		return func(t *testing.T, r *rig, a activity) string {
			t.Helper()
			return bearer(claim, r.clock.Now().Add(d).Unix())(t, r, a)
		}
	}
	// service has the activity and the token name the same service URL.
	service := func(u string) func(*testing.T, *rig, activity) string {
		return func(t *testing.T, r *rig, a activity) string {
			t.Helper()
			a["serviceUrl"] = u
			return bearer("serviceurl", u)(t, r, a)
		}
	}
	text := func(s string) func(*testing.T, *rig, activity) string {
		return func(*testing.T, *rig, activity) string { return s }
	}
	for name, tc := range map[string]struct {
		header  func(*testing.T, *rig, activity) string
		options func(*teamsapp.Options)
		want    int
		reason  string
	}{
		"good":                            {header: bearer("iss", issuer), want: 200},
		"audience is a list":              {header: bearer("aud", []string{"other", botID}), want: 200},
		"audience is an empty list":       {header: bearer("aud", []string{}), want: 401, reason: "wrong audience"},
		"audience from Options":           {header: bearer("aud", "api://"+botID), options: func(o *teamsapp.Options) { o.Audiences = []string{"api://" + botID} }, want: 200},
		"that audience without Options":   {header: bearer("aud", "api://"+botID), want: 401, reason: "wrong audience"},
		"another bot's audience":          {header: bearer("aud", contoso), want: 401, reason: "wrong audience"},
		"no audience":                     {header: bearer("aud", nil), want: 401, reason: "wrong audience"},
		"wrong issuer":                    {header: bearer("iss", "https://sts.windows.net/"+contoso+"/"), want: 401, reason: "wrong issuer"},
		"issuer of a national cloud":      {header: bearer("iss", "https://api.botframework.us"), want: 401, reason: "wrong issuer"},
		"national cloud in a bot of that": {header: bearer("iss", "https://api.botframework.us"), options: func(o *teamsapp.Options) { o.Cloud.Issuer = teamsapp.USGovCloud().Issuer }, want: 200},
		"public issuer in a national bot": {header: bearer("iss", issuer), options: func(o *teamsapp.Options) { o.Cloud.Issuer = teamsapp.ChinaCloud().Issuer }, want: 401, reason: "wrong issuer"},
		"expired within the skew":         {header: at("exp", -5*time.Minute+time.Second), want: 200},
		"expired beyond the skew":         {header: at("exp", -5*time.Minute), want: 401, reason: "expired"},
		"no expiry":                       {header: bearer("exp", nil), want: 401, reason: "no expiry"},
		"expiry is no number":             {header: bearer("exp", "tomorrow"), want: 401, reason: "unreadable claims"},
		"valid soon, within the skew":     {header: at("nbf", 5*time.Minute), want: 200},
		"not valid yet":                   {header: at("nbf", 5*time.Minute+time.Second), want: 401, reason: "not valid yet"},
		"no nbf":                          {header: bearer("nbf", nil), want: 200},
		"serviceurl without its slash": {header: func(t *testing.T, r *rig, a activity) string {
			return bearer("serviceurl", strings.TrimSuffix(r.service(), "/"))(t, r, a)
		}, want: 200},
		"serviceurl differs":               {header: bearer("serviceurl", "https://smba.trafficmanager.net/emea/"), want: 403, reason: "service URL is not the token's"},
		"serviceurl is missing":            {header: bearer("serviceurl", nil), want: 403, reason: "service URL is not the token's"},
		"service URL of Teams":             {header: service("https://smba.trafficmanager.net/amer/"), want: 200},
		"service URL of Teams in any case": {header: service("https://SMBA.trafficmanager.net/amer/"), want: 200},
		"service URL of another host":      {header: service("https://smba.trafficmanager.net.evil.example/amer/"), want: 403, reason: "service URL is not trusted"},
		"service URL in clear":             {header: service("http://smba.trafficmanager.net/amer/"), want: 403, reason: "service URL is not trusted"},
		"service URL names the tenant":     {header: service("https://smba.trafficmanager.net/amer/" + contoso + "/"), want: 200},
		"names the tenant in upper case":   {header: service("https://smba.trafficmanager.net/amer/" + strings.ToUpper(contoso)), want: 200},
		"only the activity names the tenant": {header: func(t *testing.T, r *rig, a activity) string {
			a["serviceUrl"] = "https://smba.trafficmanager.net/amer/" + contoso + "/"
			return bearer("serviceurl", "https://smba.trafficmanager.net/amer/")(t, r, a)
		}, want: 200},
		"only the token names the tenant": {header: func(t *testing.T, r *rig, a activity) string {
			a["serviceUrl"] = "https://smba.trafficmanager.net/amer/"
			return bearer("serviceurl", "https://smba.trafficmanager.net/amer/"+strings.ToUpper(contoso))(t, r, a)
		}, want: 200},
		"the token names another tenant": {header: func(t *testing.T, r *rig, a activity) string {
			a["serviceUrl"] = "https://smba.trafficmanager.net/amer/"
			return bearer("serviceurl", "https://smba.trafficmanager.net/amer/"+fabrikam)(t, r, a)
		}, want: 403, reason: "service URL is not the token's"},
		"the token names a host with the tenant": {header: bearer("serviceurl", "https://evil.example/"+contoso), want: 403, reason: "service URL is not the token's"},
		"service URL names another tenant":       {header: service("https://smba.trafficmanager.net/amer/" + fabrikam + "/"), want: 403, reason: "service URL of another tenant"},
		"no header":                              {header: text(""), want: 401, reason: "no token"},
		"Basic":                                  {header: text("Basic Ym90OmJvdA=="), want: 401, reason: "no bearer token"},
		"Bearer without a token":                 {header: text("Bearer "), want: 401, reason: "no bearer token"},
		"two dots":                               {header: text("Bearer .."), want: 401, reason: "no RS256 token"},
		"garbage with two dots":                  {header: text("Bearer e30.e30.e30"), want: 401, reason: "no RS256 token"},
		"oversized header": {header: func(t *testing.T, r *rig, a activity) string {
			return bearer("iss", issuer)(t, r, a) + strings.Repeat("A", teamsapp.MaxAuthorization)
		}, want: 401, reason: "oversized header"},
		"a large but allowed header": {header: bearer("filler", strings.Repeat("A", teamsapp.MaxAuthorization/2)), want: 200},
		"unknown key": {header: func(t *testing.T, r *rig, _ activity) string {
			return "Bearer " + sign(t, "nobody", keyTwo(), r.claims())
		}, want: 401, reason: "unknown key"},
		"no key is named":                    {header: func(t *testing.T, r *rig, _ activity) string { return "Bearer " + sign(t, "", keyOne(), r.claims()) }, want: 401, reason: "unknown key"},
		"signed by another under our key id": {header: func(t *testing.T, r *rig, _ activity) string { return "Bearer " + sign(t, "one", keyTwo(), r.claims()) }, want: 401, reason: "wrong signature"},
		"claims altered": {header: func(t *testing.T, r *rig, _ activity) string {
			parts := strings.Split(sign(t, "one", keyOne(), r.claims()), ".")
			c := r.claims()
			c["aud"] = []string{botID, "more"}
			raw, err := json.Marshal(c)
			require.NoError(t, err)
			return "Bearer " + parts[0] + "." + base64.RawURLEncoding.EncodeToString(raw) + "." + parts[2]
		}, want: 401, reason: "wrong signature"},
		"rotated key": {header: func(t *testing.T, r *rig, a activity) string {
			t.Helper()
			require.Equal(t, 200, r.deliver(t, a).Code) // with the old one
			r.ms.publish(jwk("two", keyTwo(), "msteams"))
			r.clock.move(teamsapp.KeysPause)
			return "Bearer " + sign(t, "two", keyTwo(), r.claims())
		}, want: 200},
		"key is not endorsed for Teams": {header: func(t *testing.T, r *rig, a activity) string {
			r.ms.publish(jwk("one", keyOne(), "webchat", "emulator"))
			return bearer("iss", issuer)(t, r, a)
		}, want: 403, reason: "key is not endorsed"},
		"key without endorsements": {header: func(t *testing.T, r *rig, a activity) string {
			r.ms.publish(jwk("one", keyOne()))
			return bearer("iss", issuer)(t, r, a)
		}, want: 200},
		"key with an empty list of endorsements": {header: func(t *testing.T, r *rig, a activity) string {
			r.ms.publish(jwk("one", keyOne(), []string{}...))
			return bearer("iss", issuer)(t, r, a)
		}, want: 200},
		"another channel than Teams": {header: func(t *testing.T, r *rig, a activity) string {
			a["channelId"] = "webchat" // which the key is endorsed for
			return bearer("iss", issuer)(t, r, a)
		}, want: 403, reason: "foreign channel"},
		"alg none": {header: func(t *testing.T, r *rig, _ activity) string {
			raw, err := json.Marshal(r.claims())
			require.NoError(t, err)
			return "Bearer " + base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"one"}`)) + "." + base64.RawURLEncoding.EncodeToString(raw) + "."
		}, want: 401, reason: "no RS256 token"},
		"HS256 with the public key as secret": {header: func(t *testing.T, r *rig, _ activity) string {
			der, err := x509.MarshalPKIXPublicKey(&keyOne().PublicKey)
			require.NoError(t, err)
			raw, err := json.Marshal(r.claims())
			require.NoError(t, err)
			input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"one"}`)) + "." + base64.RawURLEncoding.EncodeToString(raw)
			mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
			mac.Write([]byte(input))
			return "Bearer " + input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		}, want: 401, reason: "no RS256 token"},
		"PS256 with the right key": {header: func(t *testing.T, r *rig, _ activity) string {
			s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: jose.JSONWebKey{Key: keyOne(), KeyID: "one"}}, nil)
			require.NoError(t, err)
			return "Bearer " + signWith(t, s, r.claims())
		}, want: 401, reason: "no RS256 token"},
		"a key that the token brings along": {header: func(t *testing.T, r *rig, _ activity) string {
			s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: keyTwo()}, &jose.SignerOptions{EmbedJWK: true})
			require.NoError(t, err)
			return "Bearer " + signWith(t, s, r.claims())
		}, want: 401, reason: "unknown key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tc.options)
			handled := 0
			r.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
				handled++
				return teamsapp.Reply{}, nil
			})
			a := r.execute("turn-of-the-case", "approve", nil)
			header := tc.header(t, r, a)
			a["id"], a["replyToId"] = "last", "another-card"
			handled = 0
			w := post(r, header, a)
			require.Equal(t, tc.want, w.Code, w.Body)
			if tc.want == 200 {
				require.Equal(t, 1, handled)
				return
			}
			require.Zero(t, handled)
			require.Contains(t, r.log.String(), `"reason":"`+tc.reason+`"`)
			require.JSONEq(t, fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, http.StatusText(tc.want), http.StatusText(tc.want)), w.Body.String())
			if len(header) > 20 {
				require.NotContains(t, r.log.String(), header[len(header)-20:], "a token is in the log")
			}
			require.Equal(t, tc.want == 401, w.Header().Get("WWW-Authenticate") == "Bearer")
		})
	}
}

func TestJunkDoesNotAskForKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, claims := range []map[string]any{
		{"iss": "https://evil.example", "aud": botID, "exp": 1 << 40},
		{"iss": issuer, "aud": "another-bot", "exp": 1 << 40},
		{"iss": issuer, "aud": botID, "exp": 1},
	} {
		require.Equal(t, 401, post(r, "Bearer "+sign(t, "unknown", keyTwo(), claims), r.says("1", "hi")).Code)
	}
	require.Zero(t, r.ms.questions())
}

func TestABodyIsNotReadBeforeTheTokenIsGood(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	req := httptest.NewRequest(http.MethodPost, "/", unreadable{t})
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+sign(t, "one", keyTwo(), r.claims()))
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	require.Equal(t, 401, w.Code)
}

func TestABodyThatIsSaidToBeTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	req := httptest.NewRequest(http.MethodPost, "/", unreadable{t})
	req.ContentLength = teamsapp.MaxActivity + 1
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+sign(t, "one", keyOne(), r.claims()))
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	require.Equal(t, 413, w.Code)
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestTwoTokensAreNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	raw, err := json.Marshal(r.says("1", "hi"))
	require.NoError(t, err)
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(raw))
	req.Header.Set("Content-Type", "application/json")
	good := "Bearer " + sign(t, "one", keyOne(), r.claims())
	req.Header["Authorization"] = []string{good, good}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	require.Equal(t, 401, w.Code)
}

func TestABotWithoutItsCloudIsRefused(t *testing.T) {
	t.Parallel()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k"))
	require.NoError(t, err)
	for name, change := range map[string]func(*teamsapp.Options){
		"no issuer":          func(o *teamsapp.Options) { o.Cloud.Issuer = "" },
		"metadata in clear":  func(o *teamsapp.Options) { o.Cloud.Metadata = "http://login.botframework.com/openid" },
		"no metadata":        func(o *teamsapp.Options) { o.Cloud.Metadata = "" },
		"metadata of a file": func(o *teamsapp.Options) { o.Cloud.Metadata = "file:///etc/keys" },
		"no hosts":           func(o *teamsapp.Options) { o.Cloud.Hosts = nil },
		"a URL as host":      func(o *teamsapp.Options) { o.Cloud.Hosts = []string{"https://smba.trafficmanager.net"} },
		"an empty host":      func(o *teamsapp.Options) { o.Cloud.Hosts = []string{""} },
		"all hosts":          func(o *teamsapp.Options) { o.Cloud.Hosts = []string{"."} },
		"a wildcard":         func(o *teamsapp.Options) { o.Cloud.Hosts = []string{"*.botframework.com"} },
		"below an address":   func(o *teamsapp.Options) { o.Cloud.Hosts = []string{".127.0.0.1"} },
		"an empty audience":  func(o *teamsapp.Options) { o.Audiences = []string{""} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &teamsapp.Options{Cloud: teamsapp.PublicCloud()}
			change(o)
			_, err := teamsapp.New(teamsapp.App{ID: botID, TenantID: homeTenant, Credential: teamsapp.ClientSecret("s")}, ring, teamsapp.NewMemory(), tenants, o)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
		})
	}
}
