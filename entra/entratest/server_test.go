package entratest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

const redirect = "https://msp.example/callback"

// world is an issuer with a partner, a customer and an application.
type world struct {
	*entratest.Server
	t                 *testing.T
	app               *entratest.App
	partner, customer *entratest.Tenant
	paula             *entratest.User
}

func newWorld(t *testing.T, o *entratest.Options) *world {
	t.Helper()
	s, err := entratest.Start(o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	w := &world{Server: s, t: t, app: s.AddApp(entratest.App{Secret: "secret", RedirectURIs: []string{redirect}, Permissions: []string{"User.Read.All"}})}
	w.partner, w.customer = s.AddTenant("Partner", "partner.example"), s.AddTenant("Customer", "customer.example")
	w.paula = w.partner.AddUser(entratest.User{Name: "Paula", Username: "paula@partner.example"})
	return w
}

func (w *world) post(tenant string, form url.Values) (int, map[string]any) {
	w.t.Helper()
	if form.Get("client_id") == "" {
		form.Set("client_id", w.app.ID)
		form.Set("client_secret", "secret")
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.URL()+"/"+tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := w.Client().Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	answer := map[string]any{}
	require.NoError(w.t, json.Unmarshal(raw, &answer), string(raw))
	return res.StatusCode, answer
}

// code returns the number of the error that a refusal has.
func code(answer map[string]any) int {
	list, _ := answer["error_codes"].([]any)
	if len(list) == 0 {
		return 0
	}
	return int(list[0].(float64))
}

func (w *world) refresh(tenant, token string) (int, map[string]any) {
	w.t.Helper()
	return w.post(tenant, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {"https://graph.microsoft.com/.default"}})
}

func TestARefreshTokenReachesTheTenantsThatAdmitItsOwner(t *testing.T) {
	t.Parallel()
	for _, opaque := range []bool{false, true} {
		w := newWorld(t, &entratest.Options{Opaque: opaque})
		token := w.RefreshToken(w.paula, w.app.ID)
		status, answer := w.refresh(w.partner.ID, token)
		require.Equal(t, http.StatusOK, status)
		require.NotEqual(t, token, answer["refresh_token"])
		tenant, ok := w.AccessTokenTenant("Bearer " + answer["access_token"].(string))
		require.True(t, ok)
		require.Equal(t, w.partner.ID, tenant)
		require.Equal(t, opaque, strings.Count(answer["access_token"].(string), ".") != 2)

		status, answer = w.refresh(w.customer.ID, token)
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, 50020, code(answer))
		w.customer.Admit(w.paula)
		_, answer = w.refresh(w.customer.ID, token)
		require.Equal(t, 65001, code(answer))
		w.customer.Consent(w.app.ID)
		status, answer = w.refresh("customer.example", token)
		require.Equal(t, http.StatusOK, status)
		tenant, ok = w.AccessTokenTenant(answer["access_token"].(string))
		require.True(t, ok)
		require.Equal(t, w.customer.ID, tenant)
		w.customer.Expel(w.paula)
		_, answer = w.refresh(w.customer.ID, token)
		require.Equal(t, 50020, code(answer))
		w.Revoke(w.paula)
		_, answer = w.refresh(w.partner.ID, token)
		require.Equal(t, 50173, code(answer))
	}
}

func TestAStrictIssuerNoticesReuse(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 0)
	w := newWorld(t, &entratest.Options{StrictRefresh: true, Now: func() time.Time { return at }})
	first := w.RefreshToken(w.paula, w.app.ID)
	_, answer := w.refresh(w.partner.ID, first)
	second := answer["refresh_token"].(string)
	_, answer = w.refresh(w.partner.ID, first)
	require.Equal(t, 50173, code(answer))
	_, answer = w.refresh(w.partner.ID, second)
	require.Equal(t, 50173, code(answer), "the whole family")
	old := w.RefreshToken(w.paula, w.app.ID)
	at = at.Add(90 * 24 * time.Hour)
	_, answer = w.refresh(w.partner.ID, old)
	require.Equal(t, 700082, code(answer))
}

func TestACodeIsForItsClientOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.SignIn(w.paula)
	other := w.AddApp(entratest.App{Secret: "another", RedirectURIs: []string{redirect}})
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	ask := func(change func(url.Values)) url.Values {
		q := url.Values{
			"client_id": {w.app.ID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid profile offline_access"}, "state": {"s"}, "nonce": {"n"},
			"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		}
		if change != nil {
			change(q)
		}
		c := *w.Client()
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL()+"/organizations/oauth2/v2.0/authorize?"+q.Encode(), http.NoBody)
		require.NoError(t, err)
		res, err := c.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		u, err := url.Parse(res.Header.Get("Location"))
		require.NoError(t, err)
		require.True(t, u.Host == "" || strings.HasPrefix(u.String(), redirect), "never to a foreign address")
		return u.Query()
	}
	redeem := func(change func(url.Values)) (int, map[string]any) {
		f := url.Values{"grant_type": {"authorization_code"}, "code": {ask(nil).Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
		if change != nil {
			change(f)
		}
		return w.post("organizations", f)
	}
	status, answer := redeem(nil)
	require.Equal(t, http.StatusOK, status, answer)
	v, err := entra.NewVerifier(w.Cloud(), w.app.ID, &entra.VerifierOptions{HTTPClient: w.Client()})
	require.NoError(t, err)
	who, err := v.Verify(t.Context(), answer["id_token"].(string), "n")
	require.NoError(t, err)
	require.Equal(t, w.paula.ObjectID, who.ObjectID)
	_, ok := w.AccessTokenTenant(answer["id_token"].(string))
	require.False(t, ok, "an id token is no access token")
	require.NotEmpty(t, answer["refresh_token"])

	var spent string
	redeem(func(f url.Values) { spent = f.Get("code") })
	for name, x := range map[string]struct {
		change func(url.Values)
		want   int
	}{
		"another verifier":       {func(f url.Values) { f.Set("code_verifier", strings.Repeat("w", 43)) }, 501481},
		"another address":        {func(f url.Values) { f.Set("redirect_uri", redirect+"/x") }, 500112},
		"another application":    {func(f url.Values) { f.Set("client_id", other.ID); f.Set("client_secret", "another") }, 700003},
		"a code that was used":   {func(f url.Values) { f.Set("code", spent) }, 54005},
		"a code that never was":  {func(f url.Values) { f.Set("code", "x") }, 9002313},
		"a wrong secret":         {func(f url.Values) { f.Set("client_id", w.app.ID); f.Set("client_secret", "x") }, 7000215},
		"no secret":              {func(f url.Values) { f.Set("client_id", w.app.ID) }, 7000218},
		"no such application":    {func(f url.Values) { f.Set("client_id", "x") }, 700016},
		"a grant of another age": {func(f url.Values) { f.Set("grant_type", "password") }, 70003},
	} {
		_, answer := redeem(x.change)
		require.Equal(t, x.want, code(answer), name)
		require.Empty(t, answer["id_token"], name)
	}
	require.Equal(t, "invalid_request", ask(func(q url.Values) { q.Del("code_challenge") }).Get("error"))
	require.Equal(t, "invalid_request", ask(func(q url.Values) { q.Set("code_challenge_method", "plain") }).Get("error"))
	require.Equal(t, "invalid_scope", ask(func(q url.Values) { q.Set("scope", "profile") }).Get("error"))
	require.Equal(t, "unsupported_response_type", ask(func(q url.Values) { q.Set("response_type", "token") }).Get("error"))
	require.Empty(t, ask(func(q url.Values) { q.Set("redirect_uri", "https://mallory.example") }))
	require.Empty(t, ask(func(q url.Values) { q.Set("client_id", "x") }))
	w.Decline(true)
	require.Equal(t, "access_denied", ask(nil).Get("error"))
}

func TestAnApplicationsOwnTokenNeedsConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ask := func(tenant, scope string) (int, map[string]any) {
		return w.post(tenant, url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
	}
	_, answer := ask(w.customer.ID, "https://graph.microsoft.com/.default")
	require.Equal(t, 700016, code(answer))
	w.customer.Consent(w.app.ID)
	_, answer = ask(w.customer.ID, "https://graph.microsoft.com/.default")
	claims, ok := w.AccessClaims(answer["access_token"].(string))
	require.True(t, ok)
	require.Equal(t, []any{"User.Read.All"}, claims["roles"])
	require.Equal(t, "https://graph.microsoft.com", claims["aud"])
	_, answer = ask(w.customer.ID, "User.Read")
	require.Equal(t, 1002012, code(answer))
	_, answer = ask("nowhere.example", "https://graph.microsoft.com/.default")
	require.Equal(t, 90002, code(answer))
	w.customer.Close()
	_, answer = ask(w.customer.ID, "https://graph.microsoft.com/.default")
	require.Equal(t, 90002, code(answer))
	for _, token := range []string{"", "x", "a.b.c", w.Sign(map[string]any{"azp": "x", "exp": 1}, nil), w.Sign(map[string]any{"azp": "x", "exp": 9e9, "tid": "x"}, &entratest.SignOptions{Foreign: true})} {
		_, ok := w.AccessTokenTenant(token)
		require.False(t, ok)
	}
}

func TestFormsLetAPersonChoose(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Forms: true, PlainHTTP: true, Prefix: "/login"})
	admin := w.customer.AddUser(entratest.User{Name: "<b>Anna", Username: "anna@customer.example", Admin: true})
	at := w.URL() + "/organizations/v2.0/adminconsent?" + url.Values{"client_id": {w.app.ID}, "redirect_uri": {redirect}, "scope": {"x/.default"}, "state": {"s"}}.Encode()
	c := *w.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	send := func(method string, form url.Values) (location, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := c.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.Header.Get("Location"), string(raw)
	}
	_, body := send(http.MethodGet, nil)
	require.Contains(t, body, "&lt;b&gt;Anna")
	require.Contains(t, body, "not Microsoft")
	require.Contains(t, body, `<button name="user" value="`+admin.ObjectID+`"`)
	for _, form := range []url.Values{{"answer": {"no"}}, {"user": {admin.ObjectID}, "answer": {"no"}}} {
		location, _ := send(http.MethodPost, form)
		require.Contains(t, location, "error=access_denied")
		require.Contains(t, location, "AADSTS65004")
	}
	require.False(t, w.customer.Consented(w.app.ID))
	location, body := send(http.MethodPost, url.Values{"user": {"somebody"}})
	require.Empty(t, location)
	require.Contains(t, body, "Who are you?", "nobody of that name is there")
	location, _ = send(http.MethodPost, url.Values{"user": {admin.ObjectID}}) // what the button sends
	require.Contains(t, location, "admin_consent=True")
	require.Contains(t, location, "state=s")
	require.True(t, w.customer.Consented(w.app.ID))
}

func TestFormsShowThePeopleOfTheTenantFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Forms: true, PlainHTTP: true})
	zeta := w.AddTenant("Zeta", "zeta.example")
	zed := zeta.AddUser(entratest.User{Name: "Zed", Username: "zed@zeta.example"})
	alpha := w.AddTenant("Alpha", "alpha.example")
	al := alpha.AddUser(entratest.User{Name: "Al", Username: "al@alpha.example"})
	guest := alpha.AddUser(entratest.User{Name: "Gus", Username: "gus@alpha.example"})
	zeta.Invite(guest)
	b := w.browser()
	shown := func(path string, pairs ...string) (people, others []string, page string) {
		t.Helper()
		_, page = b.open("/"+path+"/oauth2/v2.0/authorize", w.question(pairs...))
		first, rest, _ := strings.Cut(page, "<details")
		of := func(text string) (names []string) {
			for _, m := range regexp.MustCompile(`(?:<legend>|<b>)([^<]+)<`).FindAllStringSubmatch(text, -1) {
				if n := m[1]; slices.Contains([]string{"Zeta", "Zed", "Alpha", "Al", "Gus"}, n) {
					names = append(names, n)
				}
			}
			return names
		}
		return of(first), of(rest), page
	}
	people, others, page := shown("organizations")
	require.Equal(t, []string{"Alpha", "Al", "Gus", "Zeta", "Zed"}, people)
	require.Empty(t, others)
	require.NotContains(t, page, "Somebody else")

	people, others, page = shown(zeta.ID)
	require.Equal(t, []string{"Zeta", "Zed", "Alpha", "Gus"}, people, "a guest can sign in there, too")
	require.Equal(t, []string{"Alpha", "Al"}, others)
	require.Contains(t, page, "<details><summary>Somebody else")
	people, _, _ = shown("ZETA.example")
	require.Equal(t, []string{"Zeta", "Zed", "Alpha", "Gus"}, people)

	// Whom the application names stands first, also among the others.
	people, _, page = shown("organizations", "login_hint", strings.ToUpper(zed.Username))
	require.Equal(t, []string{"Zeta", "Zed", "Alpha", "Al", "Gus"}, people)
	require.Contains(t, page, `value="`+zed.ObjectID+`" class="first"`)
	_, _, page = shown(zeta.ID, "login_hint", al.Username)
	require.Contains(t, page, "<details open>")
	people, _, _ = shown(zeta.ID, "login_hint", guest.Username)
	require.Equal(t, []string{"Alpha", "Gus", "Zeta", "Zed"}, people)

	// And whom the browser remembers, a guest by their account at home.
	b.send(http.MethodPost, "/"+zeta.ID+"/oauth2/v2.0/authorize", w.question(), url.Values{"user": {guest.ObjectID}})
	people, _, page = shown("organizations")
	require.Equal(t, []string{"Alpha", "Gus", "Al", "Zeta", "Zed"}, people)
	require.Equal(t, 1, strings.Count(page, `class="first"`))

	// A tenant without people leaves only the others.
	_, others, page = shown(w.AddTenant("Empty", "empty.example").ID)
	require.Equal(t, []string{"Alpha", "Gus", "Al", "Zeta", "Zed"}, others)
	require.Contains(t, page, "<details open>")
}
