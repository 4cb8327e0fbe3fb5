package graphx

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := New(nil, &Options{BaseURL: "https://graph.example"})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = New(perTenant(), nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = New(perTenant(), &Options{
		BaseURL: "http://graph.example", UserAgent: "a\nb", Timeout: -1, MaxBody: -1, MaxItem: -1, MaxPages: -1, MaxTenants: -1,
		Limits: map[Workload]Limit{Teams: {Per: -1}},
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, what := range []string{"base URL", "user agent", "Timeout", "MaxBody", "MaxItem", "MaxPages", "MaxTenants", "teams"} {
		require.ErrorContains(t, err, what)
	}
	for _, base := range []string{"", "graph.example", "https://user@graph.example", "https://graph.example?x", "ftp://graph.example"} {
		_, err = New(perTenant(), &Options{BaseURL: base})
		require.ErrorIs(t, err, mspkit.ErrInvalid, base)
	}
}

func TestEachTenantHasItsToken(t *testing.T) {
	t.Parallel()
	c, _ := served(t, nil, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"id":%q}`, r.Header.Get("Authorization"))
	})
	var wg sync.WaitGroup
	for n := range 60 {
		wg.Go(func() {
			tenant := fmt.Sprint("t", n%6)
			var out struct{ ID string }
			if err := c.Do(t.Context(), &Request{Tenant: mspkit.TenantID(tenant), Path: "/me"}, &out); err != nil || out.ID != "Bearer "+testToken+"-"+tenant {
				t.Errorf("%s: %v, %v", tenant, out, err)
			}
		})
	}
	wg.Wait()
}

func TestScopesHeadersAndUserAgent(t *testing.T) {
	t.Parallel()
	for scope, want := range map[string]string{"": "https://graph.example/.default", "https://graph.microsoft.us/.default": "https://graph.microsoft.us/.default"} {
		f := &fakeCredential{}
		a := &answers{list: []answer{{status: 204}}}
		c, err := New(the(f), &Options{
			BaseURL: "https://graph.example", Scope: scope, UserAgent: "ISV|acme|helpdesk/1", HTTPClient: &http.Client{Transport: a},
		})
		require.NoError(t, err)
		require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/users"}, nil))
		require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/users"}, nil))
		require.Len(t, f.requests(), 1)
		require.Equal(t, []string{want}, f.requests()[0].Scopes)
		require.True(t, f.requests()[0].EnableCAE)
		require.Equal(t, "ISV|acme|helpdesk/1 mspkit", a.got[0].Header.Get("User-Agent"))
		require.NotEqual(t, a.got[0].Header.Get("Client-Request-Id"), a.got[1].Header.Get("Client-Request-Id"))
		require.Equal(t, "Bearer "+testToken, a.got[0].Header.Get("Authorization"))
	}
}

func TestRedirectsAreRefused(t *testing.T) {
	t.Parallel()
	var foreign atomic.Int32
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { foreign.Add(1) }))
	t.Cleanup(evil.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{evil.URL + "/v1.0/users", "/graph/v1.0/other"} {
			var n counter
			c, srv := served(t, nil, func(w http.ResponseWriter, r *http.Request) {
				n.next()
				http.Redirect(w, r, to, status)
			}, func(o *Options) {
				o.HTTPClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
			})
			_ = srv
			for _, method := range []string{"GET", "POST"} {
				err := c.Do(t.Context(), &Request{Tenant: "a", Method: method, Path: "/users"}, nil)
				require.ErrorIs(t, err, httpx.ErrRedirect)
				require.NotContains(t, err.Error(), "other")
			}
			require.EqualValues(t, 2, n.n.Load())
		}
	}
	require.Zero(t, foreign.Load())
}

func TestTheHostsClientIsNotChanged(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	hc := &http.Client{Jar: jar}
	var cookies atomic.Int32
	c, _ := served(t, nil, func(w http.ResponseWriter, r *http.Request) {
		cookies.Add(int32(len(r.Cookies())))
		http.SetCookie(w, &http.Cookie{Name: "tenant", Value: "a", Path: "/"})
		w.WriteHeader(http.StatusNoContent)
	}, func(o *Options) { o.HTTPClient = hc })
	require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil))
	require.NoError(t, c.Do(t.Context(), &Request{Tenant: "b", Path: "/me"}, nil))
	require.Zero(t, cookies.Load(), "a cookie of one tenant went with another's request")
	require.Equal(t, http.CookieJar(jar), hc.Jar)
	require.Nil(t, hc.CheckRedirect)
}

func TestTransportIsTheLastLock(t *testing.T) {
	t.Parallel()
	a := &answers{list: []answer{{status: 204}}}
	c := offline(t, a)
	for _, u := range []string{"https://evil.example/v1.0/me", "http://graph.example/v1.0/me"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, http.NoBody)
		require.NoError(t, err)
		_, err = c.pipes.transport.Do(req) //nolint:bodyclose // there is none
		require.ErrorIs(t, err, httpx.ErrOrigin)
	}
	require.Zero(t, a.count())
}

// counting makes credentials and counts them.
type counting struct {
	made   atomic.Int32
	forgot atomic.Int32
	err    error
	wait   chan struct{}
}

func (c *counting) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	n := c.made.Add(1)
	if c.wait != nil {
		<-c.wait
	}
	if c.err != nil {
		return nil, c.err
	}
	return &fakeCredential{token: fmt.Sprint(testToken, n)}, nil
}

func (c *counting) Forget(mspkit.TenantID) { c.forgot.Add(1) }

func TestForget(t *testing.T) {
	t.Parallel()
	creds := &counting{}
	var token atomic.Value
	c, _ := served(t, creds, func(w http.ResponseWriter, r *http.Request) {
		token.Store(r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusNoContent)
	})
	call := func(tenant mspkit.TenantID) any {
		require.NoError(t, c.Do(t.Context(), &Request{Tenant: tenant, Path: "/me"}, nil))
		return token.Load()
	}
	require.Equal(t, "Bearer "+testToken+"1", call("a"))
	require.Equal(t, "Bearer "+testToken+"2", call("b"))
	require.Equal(t, "Bearer "+testToken+"1", call("a"))
	c.Forget("a")
	c.Forget("never seen")
	require.Equal(t, "Bearer "+testToken+"3", call("a"))
	require.Equal(t, "Bearer "+testToken+"2", call("b"))
	require.EqualValues(t, 2, creds.forgot.Load())
}

func TestForgetWhileACredentialIsMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		creds := &counting{wait: make(chan struct{})}
		a := &answers{list: []answer{{status: 204}}}
		c, err := New(creds, &Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: a}})
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil) })
		synctest.Wait()
		c.Forget("a")
		close(creds.wait)
		wg.Wait()
		require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil))
		require.EqualValues(t, 2, creds.made.Load(), "the credential from before was kept")
	})
}

func TestPipelinesAreBounded(t *testing.T) {
	t.Parallel()
	creds := &counting{}
	a := &answers{list: []answer{{status: 204}}}
	c, err := New(creds, &Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: a}, MaxTenants: 3})
	require.NoError(t, err)
	call := func(tenant mspkit.TenantID) int32 {
		require.NoError(t, c.Do(t.Context(), &Request{Tenant: tenant, Path: "/me"}, nil))
		return creds.made.Load()
	}
	for _, tenant := range []mspkit.TenantID{"a", "b", "c", "a", "d"} { // b goes
		call(tenant)
	}
	require.EqualValues(t, 4, call("a"))
	require.EqualValues(t, 4, call("c"))
	require.EqualValues(t, 5, call("b"))
	require.Len(t, c.pipes.of, 3)
	require.Equal(t, 3, c.pipes.order.Len())
}

func TestNoCredential(t *testing.T) {
	t.Parallel()
	mine := errors.New("not connected")
	a := &answers{list: []answer{{status: 204}}}
	c, err := New(&counting{err: mine}, &Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: a}})
	require.NoError(t, err)
	err = c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil)
	require.ErrorIs(t, err, mine)
	var e *CredentialsError
	require.ErrorAs(t, err, &e)

	c, err = New(credentialsFunc(func(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) { return nil, nil }),
		&Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: a}})
	require.NoError(t, err)
	require.ErrorIs(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil), mspkit.ErrInvalid)
	require.Zero(t, a.count())
}

// A token is kept for an hour and more, a connection may end at any time.
func TestATenantThatWasReleasedIsNotReadOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		released := errors.New("not connected")
		first, second := &fakeCredential{token: testToken + "1"}, &fakeCredential{token: testToken + "2"}
		var cred azcore.TokenCredential = first
		var refused error
		asked := 0
		a := &answers{list: []answer{{status: 204}}}
		c, err := New(credentialsFunc(func(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
			asked++
			return cred, refused
		}), &Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: a}})
		require.NoError(t, err)
		call := func() error { return c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil) }
		for range 10 {
			require.NoError(t, call())
		}
		require.Equal(t, 1, asked)
		time.Sleep(30 * time.Second)
		require.NoError(t, call())
		require.NoError(t, call())
		require.Equal(t, 2, asked)
		require.Len(t, first.requests(), 1, "the same credential keeps its token")

		refused = released
		time.Sleep(30 * time.Second)
		sent := a.count()
		require.ErrorIs(t, call(), released)
		require.ErrorIs(t, call(), released)
		require.Equal(t, sent, a.count())

		// It is back with the same credential, which may lead elsewhere by now: the token from before is not used on.
		refused = nil
		require.NoError(t, call())
		require.Len(t, first.requests(), 2)

		// It is back, and leads elsewhere; then it leads elsewhere without having been away.
		refused = released
		time.Sleep(30 * time.Second)
		require.ErrorIs(t, call(), released)
		sent = a.count()
		refused, cred = nil, second
		require.NoError(t, call())
		require.Equal(t, "Bearer "+testToken+"2", a.got[sent].Header.Get("Authorization"))
		cred = first
		time.Sleep(30 * time.Second)
		require.NoError(t, call())
		require.Equal(t, "Bearer "+testToken+"1", a.got[sent+1].Header.Get("Authorization"))
		require.Len(t, c.pipes.of, 1)
	})
}

// loose is a credential that cannot be compared.
type loose struct{ tokens []string }

func (l loose) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: l.tokens[0], ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestCredentialsNeedNotBeComparable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{list: []answer{{status: 204}}}
		l := loose{[]string{"1"}}
		c, err := New(credentialsFunc(func(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) { return l, nil }),
			&Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: a}})
		require.NoError(t, err)
		for _, token := range []string{"1", "2"} {
			l = loose{[]string{token}}
			require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil))
			require.Equal(t, "Bearer "+token, a.got[len(a.got)-1].Header.Get("Authorization"))
			time.Sleep(30 * time.Second)
		}
	})
}

func challenge(claims string) map[string]string {
	return map[string]string{"WWW-Authenticate": `Bearer realm="", authorization_uri="https://login.example/common/oauth2/authorize", ` +
		`error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte(claims)) + `"`}
}

func TestClaimsChallenge(t *testing.T) {
	t.Parallel()
	const claims = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`
	unauthorized := answer{status: 401, header: challenge(claims), body: `{"error":{"code":"InvalidAuthenticationToken"}}`}
	f := &fakeCredential{}
	a := &answers{list: []answer{unauthorized, {status: 204}}}
	o := &Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: a}}
	c, err := New(the(f), o)
	require.NoError(t, err)
	require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/me", Method: "POST", Body: "x"}, nil))
	require.Len(t, f.requests(), 2)
	require.Empty(t, f.requests()[0].Claims)
	require.JSONEq(t, claims, f.requests()[1].Claims)
	require.True(t, f.requests()[1].EnableCAE)
	require.Equal(t, []string{`"x"`, `"x"`}, a.body)
	require.NoError(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil))
	require.Len(t, f.requests(), 2)

	// Refused again.
	f, a.got, a.list = &fakeCredential{}, nil, []answer{unauthorized}
	c, err = New(the(f), o)
	require.NoError(t, err)
	err = c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil)
	require.ErrorIs(t, err, ErrToken)
	require.NotContains(t, err.Error(), "nbf")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Advice)
	require.Len(t, f.requests(), 2)
	require.Equal(t, 2, a.count())

	// Without a challenge there is no second try.
	a.got, a.list = nil, []answer{{status: 401}}
	require.ErrorIs(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil), ErrToken)
	require.Equal(t, 1, a.count())

	// A challenge that cannot be read is not repeated in the error.
	a.list = []answer{{status: 401, header: map[string]string{"WWW-Authenticate": `Bearer error="insufficient_claims", claims="!alice!"`}}}
	err = c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "alice")
}

// stuck is a credential that does not answer.
type stuck struct{}

func (stuck) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	<-ctx.Done()
	return azcore.AccessToken{}, ctx.Err()
}

// azcore lets those who wait for a token ask one after the other, also where their call is over.
func TestWhoHasGoneAsksForNoToken(t *testing.T) {
	t.Parallel()
	f := &fakeCredential{token: testToken}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&credential{f, time.Minute}).GetToken(ctx, policy.TokenRequestOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, f.requests())
}

func TestTokensHaveADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, err := New(credentialsFunc(func(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) { return stuck{}, nil }),
			&Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: roundTrip(hang)}})
		require.NoError(t, err)
		begin := time.Now()
		err = c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var e *AuthError
		require.ErrorAs(t, err, &e)
		require.True(t, e.Temporary)
		require.Equal(t, 30*time.Second, time.Since(begin))

		// Many who wait for the same token do not wait one after the other.
		begin = time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _ = c.Do(t.Context(), &Request{Tenant: "a", Path: "/me", Timeout: 10 * time.Second}, nil) })
		}
		wg.Wait()
		require.Equal(t, 10*time.Second, time.Since(begin))
	})
}

func TestCredentialErrorsAreExplained(t *testing.T) {
	t.Parallel()
	secretText := "AADSTS50020: User account 'alice@contoso.com' from identity provider does not exist"
	f := &fakeCredential{err: errors.New("ClientSecretCredential authentication failed.\nRESPONSE 400\n" + strings.Repeat("-", 80) +
		"\n{\n  \"error\": \"invalid_grant\",\n  \"error_description\": \"" + secretText + "\",\n  \"error_codes\": [50020]\n}\n" + strings.Repeat("-", 80))}
	a := &answers{list: []answer{{status: 204}}}
	c, err := New(the(f), &Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: a}})
	require.NoError(t, err)
	err = c.Do(t.Context(), &Request{Tenant: "a", Path: "/me"}, nil)
	require.ErrorIs(t, err, ErrDenied)
	require.NotContains(t, err.Error(), "alice")
	require.Contains(t, err.Error(), "AADSTS50020")
	require.Len(t, f.requests(), 1, "it was asked again")
	require.Zero(t, a.count())
}
