package entratest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

// at is when the tests take place.
var at = time.Unix(1_800_000_000, 0)

func clock() time.Time { return at }

// pkce is the verifier of all tests.
var pkce = strings.Repeat("v", 43)

// browser keeps cookies and follows nothing.
type browser struct {
	w      *world
	client http.Client
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	b := &browser{w: w, client: *w.Client()}
	b.client.Jar = jar
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// open loads an address below the issuer.
func (b *browser) open(path string, q url.Values) (location *url.URL, body string) {
	b.w.t.Helper()
	return b.send(http.MethodGet, path, q, nil)
}

func (b *browser) send(method, path string, q, form url.Values) (location *url.URL, body string) {
	b.w.t.Helper()
	req, err := http.NewRequestWithContext(b.w.t.Context(), method, b.w.URL()+path+"?"+q.Encode(), strings.NewReader(form.Encode()))
	require.NoError(b.w.t, err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.client.Do(req)
	require.NoError(b.w.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(b.w.t, err)
	location, err = url.Parse(res.Header.Get("Location"))
	require.NoError(b.w.t, err)
	return location, string(raw)
}

// question is an authorization request with changes: name, value; an empty value takes a parameter out.
func (w *world) question(changes ...string) url.Values {
	sum := sha256.Sum256([]byte(pkce))
	q := url.Values{
		"client_id": {w.app.ID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid profile"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return q
}

// asks returns what the browser is sent back with.
func (b *browser) asks(tenant string, changes ...string) url.Values {
	b.w.t.Helper()
	u, body := b.open("/"+tenant+"/oauth2/v2.0/authorize", b.w.question(changes...))
	require.True(b.w.t, strings.HasPrefix(u.String(), redirect), body)
	return u.Query()
}

// token redeems a code for an id token.
func (w *world) token(tenant, code string) string {
	w.t.Helper()
	status, answer := w.post(tenant, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {pkce}})
	require.Equal(w.t, http.StatusOK, status, answer)
	return answer["id_token"].(string)
}

// claims are those of the id token that a sign-in gives.
func (b *browser) claims(tenant string, changes ...string) map[string]any {
	b.w.t.Helper()
	q := b.asks(tenant, changes...)
	require.NotEmpty(b.w.t, q.Get("code"), q)
	return read(b.w.t, b.w.token(tenant, q.Get("code")))
}

func (w *world) verify(token string) (entra.Identity, error) {
	w.t.Helper()
	v, err := entra.NewVerifier(w.Cloud(), w.app.ID, &entra.VerifierOptions{HTTPClient: w.Client(), Now: clock})
	require.NoError(w.t, err)
	return v.Verify(w.t.Context(), token, "n")
}

func seconds(claims map[string]any, name string) time.Time {
	n, _ := claims[name].(float64)
	return time.Unix(int64(n), 0)
}

func TestAFreshSignInGivesANewTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	before := at.Add(-20 * time.Minute)
	w.SignIn(w.partner.AddUser(entratest.User{Name: "Pia", Username: "pia@partner.example", SignedInAt: before}))
	for name, x := range map[string]struct {
		changes []string
		want    time.Time
	}{
		"as it is":                       {nil, before},
		"prompt=login":                   {[]string{"prompt", "login"}, at},
		"max_age=0":                      {[]string{"max_age", "0"}, at},
		"max_age that is over":           {[]string{"max_age", "1199"}, at},
		"max_age that is not":            {[]string{"max_age", "1200"}, before},
		"silently":                       {[]string{"prompt", "none"}, before},
		"silently, within max_age":       {[]string{"prompt", "none", "max_age", "1200"}, before},
		"an account that they choose":    {[]string{"prompt", "select_account"}, before},
		"consent, of which there is one": {[]string{"prompt", "consent"}, before},
	} {
		require.Equal(t, x.want, seconds(w.browser().claims("organizations", x.changes...), "auth_time"), name)
	}
	b := w.browser()
	first := b.claims("organizations", "prompt", "login")
	second := b.claims("organizations")
	require.Equal(t, at, seconds(second, "auth_time"), "the browser remembers")
	require.Equal(t, first["sid"], second["sid"])
	require.NotEqual(t, first["sid"], w.browser().claims("organizations")["sid"], "another browser")
	require.Contains(t, b.asks("organizations", "prompt", "sometimes")["error"], "invalid_request")
	for _, no := range []string{"x", "-1", "99999999999"} {
		require.Equal(t, "invalid_request", b.asks("organizations", "max_age", no).Get("error"), no)
	}
	asked := w.Requests(entratest.Authorize)
	require.True(t, slices.ContainsFunc(asked, func(r entratest.Request) bool { return r.Prompt == "login" && r.MaxAge == "" }))
	require.True(t, slices.ContainsFunc(asked, func(r entratest.Request) bool { return r.MaxAge == "1199" }))
}

func TestASilentSignInNeedsOneBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	b := w.browser()
	require.Equal(t, "login_required", b.asks("organizations", "prompt", "none").Get("error"))
	w.SignIn(w.paula)
	require.NotEmpty(t, b.asks("organizations", "prompt", "none").Get("code"))
	require.NotEmpty(t, b.asks("organizations", "prompt", "none", "login_hint", "paula@partner.example").Get("code"))
	require.Equal(t, "login_required", b.asks("organizations", "prompt", "none", "login_hint", "otto@partner.example").Get("error"))
	require.NotEmpty(t, b.asks("organizations", "login_hint", "otto@partner.example").Get("code"), "a hint is only one")
	require.Equal(t, "login_required", b.asks("organizations", "prompt", "none", "max_age", "0").Get("error"))
	w.SignIn(nil)
	require.NotEmpty(t, b.asks("organizations", "prompt", "none").Get("code"), "the browser remembers")
	require.Equal(t, "login_required", w.browser().asks("organizations", "prompt", "none").Get("error"))
}

func TestAContextIsSatisfiedWhereThePersonCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	w.SignIn(w.partner.AddUser(entratest.User{Name: "Pia", ACRS: []string{"c3"}, CanSatisfy: []string{"c1"}}))
	ask := func(acr string) []string {
		return []string{"claims", fmt.Sprintf(`{"id_token":{"acrs":{"essential":true,"value":%q}}}`, acr)}
	}
	b := w.browser()
	require.Equal(t, []any{"c3"}, b.claims("organizations")["acrs"])
	require.Equal(t, "interaction_required", b.asks("organizations", append(ask("c1"), "prompt", "none")...).Get("error"))
	require.Equal(t, []any{"c1", "c3"}, b.claims("organizations", ask("c1")...)["acrs"])
	require.NotEmpty(t, b.asks("organizations", append(ask("c1"), "prompt", "none")...).Get("code"), "the session has it now")
	require.Equal(t, []any{"c3"}, w.browser().claims("organizations", ask("c3")...)["acrs"])
	require.Equal(t, []any{"c1", "c3"}, w.browser().claims("organizations", "claims", `{"access_token":{"acrs":{"essential":true,"values":["c9","c1"]}}}`)["acrs"])
	q := b.asks("organizations", ask("c2")...)
	require.Equal(t, "access_denied", q.Get("error"))
	require.Contains(t, q.Get("error_description"), "AADSTS53003")
	require.Equal(t, "invalid_request", b.asks("organizations", "claims", "[").Get("error"))
	w.Tamper(0, entratest.Set("acrs", nil))
	require.NotContains(t, b.claims("organizations", ask("c1")...), "acrs", "on request it is left out")
	w.SignIn(w.paula)
	require.NotContains(t, b.claims("organizations"), "acrs", "a session is of one person")
}

func TestOptionalClaimsAreOptional(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	anna := w.partner.AddUser(entratest.User{Name: "Anna", ACRS: []string{"c1"}})
	optional := []string{"auth_time", "acrs", "sid", "acct", "login_hint"}
	claims := w.IDClaims(anna, w.app.ID, "")
	for _, name := range optional {
		require.Contains(t, claims, name)
	}
	bare := w.AddApp(entratest.App{OptionalClaims: []string{}})
	some := w.AddApp(entratest.App{OptionalClaims: []string{"sid", "acrs"}})
	for _, name := range optional {
		require.NotContains(t, w.IDClaims(anna, bare.ID, ""), name)
		require.Equal(t, name == "sid" || name == "acrs", w.IDClaims(anna, some.ID, "")[name] != nil, name)
	}
	require.Contains(t, w.IDClaims(anna, bare.ID, ""), "oid")
}

func TestATenantsEndpointsAreForItsPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	b := w.browser()
	w.SignIn(w.paula)
	require.Equal(t, w.partner.ID, b.claims(w.partner.ID)["tid"])
	require.Equal(t, w.partner.ID, b.claims("partner.example")["tid"])
	for _, path := range []string{w.customer.ID, "customer.example", "nowhere.example"} {
		require.Contains(t, b.asks(path).Get("error_description"), "AADSTS50020", path)
	}
	guest := w.customer.Invite(w.paula)
	claims := b.claims(w.customer.ID)
	require.Equal(t, w.customer.ID, claims["tid"])
	require.Equal(t, guest.ObjectID, claims["oid"])
	require.NotEqual(t, w.paula.ObjectID, claims["oid"])
	require.Equal(t, w.URL()+"/"+w.partner.ID+"/v2.0", claims["idp"])
	require.InDelta(t, 1, claims["acct"], 0)
	who, err := w.verify(w.token(w.customer.ID, b.asks(w.customer.ID).Get("code")))
	require.NoError(t, err)
	require.True(t, who.Guest)
	claims = b.claims("organizations")
	require.Equal(t, w.paula.ObjectID, claims["oid"], "at home they are themselves")
	require.InDelta(t, 0, claims["acct"], 0)

	w.SignIn(w.Consumers().AddUser(entratest.User{Name: "Carl", Username: "carl@mail.example"}))
	require.Contains(t, b.asks("organizations").Get("error_description"), "AADSTS500200")
	require.Contains(t, b.asks(w.partner.ID).Get("error_description"), "AADSTS50020")
	for _, path := range []string{"common", "consumers"} {
		require.Equal(t, entratest.ConsumersID, b.claims(path)["tid"], path)
	}
	require.Same(t, w.Consumers(), w.Consumers())
}

func TestAnAssignmentIsRequiredWhereTheApplicationSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	w.app = w.AddApp(entratest.App{ID: w.app.ID, Secret: "secret", RedirectURIs: []string{redirect}, AssignmentRequired: true})
	b := w.browser()
	w.SignIn(w.paula)
	q := b.asks("organizations")
	require.Equal(t, "access_denied", q.Get("error"))
	require.Contains(t, q.Get("error_description"), "AADSTS50105")
	w.Assign(w.paula, "00000000-0000-4000-8000-000000000001", "Admin")
	require.Contains(t, b.asks("organizations").Get("error_description"), "AADSTS50105", "that was another application")
	w.Assign(w.paula, w.app.ID)
	require.NotContains(t, b.claims("organizations"), "roles")
	w.Assign(w.paula, w.app.ID, "Technician")
	require.Equal(t, []any{"Technician"}, b.claims("organizations")["roles"])
	w.Unassign(w.paula, w.app.ID)
	require.Empty(t, b.asks("organizations").Get("code"))
	w.SignIn(w.partner.AddUser(entratest.User{Name: "Rolf", Roles: []string{"Admin"}}))
	require.Equal(t, []any{"Admin"}, b.claims("organizations")["roles"])
}

func TestTooManyGroupsAreElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	groups := make([]string, 201)
	for i := range groups {
		groups[i] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
	}
	app := w.AddApp(entratest.App{GroupClaims: true})
	few, many := w.partner.AddUser(entratest.User{Groups: groups[:200]}), w.partner.AddUser(entratest.User{Groups: groups})
	require.Len(t, w.IDClaims(few, app.ID, "")["groups"], 200)
	require.NotContains(t, w.IDClaims(few, w.app.ID, ""), "groups")
	require.NotContains(t, w.IDClaims(w.paula, app.ID, ""), "groups")
	claims := w.IDClaims(many, app.ID, "")
	require.NotContains(t, claims, "groups")
	require.Equal(t, true, claims["hasgroups"])
	require.Equal(t, map[string]any{"groups": "src1"}, claims["_claim_names"])
	require.Contains(t, fmt.Sprint(claims["_claim_sources"]), "/users/"+many.ObjectID+"/getMemberObjects")
}

func TestAnAnswerCanBeAFormAndNameItsIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock, ResponseIssuer: true})
	w.SignIn(w.paula)
	b := w.browser()
	require.Equal(t, w.URL()+"/"+w.partner.ID+"/v2.0", b.asks("organizations").Get("iss"))
	w.Decline(true)
	require.Equal(t, w.URL()+"/"+w.partner.ID+"/v2.0", b.asks("organizations").Get("iss"), "once it is known who came")
	require.Equal(t, w.URL()+"/{tenantid}/v2.0", b.asks("organizations", "scope", "profile").Get("iss"))
	require.Equal(t, w.URL()+"/"+w.customer.ID+"/v2.0", b.asks(w.customer.ID).Get("iss"))
	w.Decline(false)
	_, page := b.open("/organizations/oauth2/v2.0/authorize", w.question("response_mode", "form_post", "state", `"><b>`))
	require.Contains(t, page, `action="`+redirect+`"`)
	require.Contains(t, page, `name="code"`)
	require.Contains(t, page, `name="state" value="&#34;&gt;&lt;b&gt;"`)
	require.Equal(t, "unsupported_response_type", b.asks("organizations", "response_mode", "fragment").Get("error"))

	quiet := newWorld(t, nil)
	quiet.SignIn(quiet.paula)
	require.Empty(t, quiet.browser().asks("organizations")["iss"], "Entra does not")
}
