package graphfake

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exchange asks the token endpoint; the answer is "token" or the number of the error.
func (f *fixture) exchange(tenant string, form ...string) (string, answered) {
	v := url.Values{"client_id": {"app"}, "client_secret": {"s3cret"}, "scope": {"https://graph.microsoft.com/.default"}}
	for i := 0; i < len(form); i += 2 {
		v.Set(form[i], form[i+1])
	}
	a := f.do(http.MethodPost, "/"+tenant+"/oauth2/v2.0/token", v.Encode(), "Content-Type: application/x-www-form-urlencoded", "Authorization: ")
	if a.status == http.StatusOK {
		return "token", a
	}
	codes, _ := a.m["error_codes"].([]any)
	number, _ := codes[0].(float64)
	return strconv.Itoa(int(number)), a
}

func TestTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &Options{ClientID: "app", ClientSecret: "s3cret"})
	id := f.tenant.ID
	for _, c := range []struct {
		name, tenant string
		form         []string
		want         string
	}{
		{"an application", id, []string{"grant_type", "client_credentials"}, "token"},
		{"by domain", "fabrikam.example", []string{"grant_type", "client_credentials"}, "token"},
		{"an assertion", id, []string{
			"grant_type", "client_credentials", "client_secret", "", "client_assertion", "a.b.c",
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		}, "token"},
		{"no tenant", newID(), []string{"grant_type", "client_credentials"}, "90002"},
		{"another application", id, []string{"grant_type", "client_credentials", "client_id", "x"}, "700016"},
		{"a wrong secret", id, []string{"grant_type", "client_credentials", "client_secret", "x"}, "7000215"},
		{"no secret", id, []string{"grant_type", "client_credentials", "client_secret", ""}, "7000218"},
		{"a bad assertion", id, []string{"grant_type", "client_credentials", "client_assertion", "x"}, "700027"},
		{"no scope", id, []string{"grant_type", "client_credentials", "scope", ""}, "70011"},
		{"a scope that is not .default", id, []string{"grant_type", "client_credentials", "scope", "User.Read"}, "70011"},
		{"another grant", id, []string{"grant_type", "password"}, "70003"},
		{"no grant", id, nil, "900144"},
		{"an unknown refresh token", id, []string{"grant_type", "refresh_token", "refresh_token", "x"}, "70000"},
	} {
		got, a := f.exchange(c.tenant, c.form...)
		require.Equal(t, c.want, got, "%s: %s", c.name, a.body)
		if got != "token" {
			require.Contains(t, a.m["error_description"], "AADSTS"+got+": ")
			require.NotEmpty(t, a.m["error"])
			require.NotEmpty(t, a.m["correlation_id"])
		}
	}
	_, a := f.exchange(id, "grant_type", "client_credentials")
	f.token = a.m["access_token"].(string)
	require.Equal(t, 200, f.get("/v1.0/users").status)
	require.NotContains(t, a.m, "refresh_token")
	f.now = f.now.Add(time.Hour)
	require.Equal(t, "InvalidAuthenticationToken", f.get("/v1.0/users").code())

	f.tenant.SetTokenError(53003)
	got, a := f.exchange(id, "grant_type", "client_credentials")
	require.Equal(t, "53003", got)
	require.Contains(t, a.m["claims"], "capolids")
	f.tenant.SetTokenError(0)
	doc := f.get("/"+id+"/v2.0/.well-known/openid-configuration", "Authorization: ")
	require.Equal(t, f.url+"/"+id+"/oauth2/v2.0/token", doc.m["token_endpoint"])
}

func TestBearersReadTheirTenantOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ann, _, _ := staff(f)
	other := f.s.AddTenant("", "Other", "other.example")
	other.Put(User{DisplayName: "Zoe", Mail: "zoe@other.example"})
	f.token = f.s.Bearer(other.ID)
	require.Equal(t, "Zoe", names4(f.get("/v1.0/users")))
	require.Equal(t, http.StatusNotFound, f.get("/v1.0/users/"+ann).status)
	require.Equal(t, "ErrorInvalidUser", f.get("/v1.0/users/ann@fabrikam.example/mailboxSettings").code())
	require.Equal(t, "Other", f.get("/v1.0/organization").value()[0]["displayName"])
	for _, h := range []string{"Authorization: ", "Authorization: Bearer x", "Authorization: Basic " + f.token, "Authorization: Bearer " + f.s.Bearer(newID())} {
		a := f.get("/v1.0/users", h, "Client-Request-Id: mine")
		require.Equal(t, http.StatusUnauthorized, a.status)
		require.Contains(t, a.header.Get("Www-Authenticate")+"Bearer", "Bearer")
		require.Equal(t, "mine", a.m["error"].(map[string]any)["innerError"].(map[string]any)["client-request-id"])
		require.Equal(t, "mine", a.header.Get("Client-Request-Id"))
		require.NotEmpty(t, a.header.Get("Request-Id"))
	}
	f.s.RevokeBearers()
	require.Equal(t, 401, f.get("/v1.0/users").status)

	f = newFixture(t, &Options{Token: func(bearer string) (string, bool) {
		return strings.ToUpper("11111111-2222-4333-8444-555555555555"), bearer == "let me in"
	}})
	require.Equal(t, 401, f.get("/v1.0/users").status)
	require.Equal(t, 200, f.get("/v1.0/users", "Authorization: Bearer let me in").status)
}

func TestConsentWithdrawn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	rt := f.s.RefreshToken(f.tenant.ID, "u")
	f.tenant.Revoke()
	a := f.get("/v1.0/users")
	require.Equal(t, "401 Authorization_IdentityNotFound", fmt.Sprint(a.status, " ", a.code()))
	got, _ := f.exchange(f.tenant.ID, "grant_type", "client_credentials")
	require.Equal(t, "700016", got)
	got, a = f.exchange(f.tenant.ID, "grant_type", "refresh_token", "refresh_token", rt)
	require.Equal(t, "65001", got)
	require.Equal(t, "consent_required", a.m["suberror"])
	f.tenant.Restore()
	require.Equal(t, 200, f.get("/v1.0/users").status)
	f.tenant.Deny()
	a = f.get("/v1.0/users")
	require.Equal(t, "403 Authorization_RequestDenied", fmt.Sprint(a.status, " ", a.code()))
	got, _ = f.exchange(f.tenant.ID, "grant_type", "client_credentials")
	require.Equal(t, "token", got)
}

func TestRefreshTokens(t *testing.T) {
	t.Parallel()
	for name, once := range map[string]bool{"used again": false, "used once": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, &Options{SingleUseRefresh: once})
			rt := f.s.RefreshToken(f.tenant.ID, "u")
			var mu sync.Mutex
			count := map[string]int{}
			var next string
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					got, a := f.exchange(f.tenant.ID, "grant_type", "refresh_token", "refresh_token", rt)
					mu.Lock()
					defer mu.Unlock()
					count[got]++
					if got == "token" {
						next = a.m["refresh_token"].(string)
					}
				})
			}
			wg.Wait()
			if once {
				require.Equal(t, map[string]int{"token": 1, "70000": 7}, count)
			} else {
				require.Equal(t, map[string]int{"token": 8}, count)
			}
			require.NotEqual(t, rt, next)
			got, _ := f.exchange(f.tenant.ID, "grant_type", "refresh_token", "refresh_token", next)
			require.Equal(t, "token", got)
			f.s.RevokeRefresh(700082)
			got, _ = f.exchange(f.tenant.ID, "grant_type", "refresh_token", "refresh_token", next)
			require.Equal(t, "700082", got)
		})
	}
}

func TestFaultsAndRecords(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &Options{Record: true, BasePath: "/fake/graph"})
	staff(f)
	f.s.SetFault(Times(1, TooMany(1500*time.Millisecond), "/users"))
	require.Equal(t, 200, f.get("/v1.0/organization").status)
	a := f.get("/v1.0/users")
	require.Equal(t, 429, a.status)
	require.Equal(t, "2", a.header.Get("Retry-After"))
	require.NotEmpty(t, a.header.Get("X-Ms-Throttle-Scope"))
	require.Equal(t, 200, f.get("/v1.0/users").status)

	f.s.SetFault(Times(-1, Fault{Redirect: "https://evil.example/"}))
	require.Equal(t, "https://evil.example/", f.get("/v1.0/users").header.Get("Location"))
	f.s.SetFault(Times(-1, Fault{Status: 200, Body: "cut off"}))
	require.Equal(t, "cut off", f.get("/v1.0/users").body)
	f.s.SetFault(Times(-1, Fault{Status: 503, Code: "ServiceUnavailable", RetryAfter: "x"}))
	require.Equal(t, "ServiceUnavailable", f.get("/v1.0/users").code())

	for _, after := range []bool{false, true} {
		f.s.SetFault(Times(-1, Fault{Drop: true, After: after}))
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, f.url+"/v1.0/users/help@fabrikam.example/sendMail", strings.NewReader(fmt.Sprintf(oneMail, "")))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+f.token)
		r.Header.Set("Content-Type", "application/json")
		res, err := (&http.Client{Transport: &http.Transport{}}).Do(r)
		if err == nil {
			res.Body.Close()
		}
		require.Error(t, err)
	}
	require.Len(t, f.tenant.Sent(), 1, "done although nobody was told")
	f.s.SetFault(nil)

	reqs := f.s.Requests()
	last := reqs[len(reqs)-1]
	require.Equal(t, "POST /fake/graph/v1.0/users/help@fabrikam.example/sendMail", last.Method+" "+last.Path)
	require.Empty(t, last.Header.Get("Authorization"))
	require.Contains(t, string(last.Body), "x@customer.example")
	f.s.Forget()
	require.Empty(t, f.s.Requests())

	a = f.get("/v1.0/users?$top=2")
	require.True(t, strings.HasPrefix(a.link("nextLink"), f.url+"/v1.0/users?"), a.link("nextLink"))
	require.Equal(t, http.StatusNotFound, f.do(http.MethodGet, strings.TrimSuffix(f.url, "/fake/graph")+"/v1.0/users", "").status)
	require.Equal(t, "BadRequest", f.get("/v1.0/nothing").code())
	require.Equal(t, http.StatusMethodNotAllowed, f.do(http.MethodDelete, "/v1.0/users", "").status)
	require.Equal(t, http.StatusNotFound, f.get("/v2.0/users").status)
	require.Equal(t, http.StatusNotFound, f.get("//v1.0/users").status)
}

func TestStart(t *testing.T) {
	t.Parallel()
	s, err := Start(nil)
	require.NoError(t, err)
	tn := s.AddTenant("", "", "")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/v1.0/organization", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+s.Bearer(tn.ID))
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
	require.NoError(t, s.Close())
	require.NoError(t, New(nil).Close())
}
