package graphentra_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	_, err := graphentra.New(nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for name, o := range map[string]graphentra.Options{
		"cloud":    {Cloud: entra.Cloud{Graph: "ftp://x"}},
		"lag":      {Lag: -1},
		"patience": {Patience: -1},
	} {
		_, err := graphentra.New(creds{}, &o)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
}

func TestDesiredThatIsRefused(t *testing.T) {
	t.Parallel()
	good := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
	require.NoError(t, good.Validate())
	for name, change := range map[string]func(d *graphentra.Desired){
		"no key":              func(d *graphentra.Desired) { d.Key = "" },
		"key in a filter":     func(d *graphentra.Desired) { d.Key = "x' or 1 eq 1" },
		"no name":             func(d *graphentra.Desired) { d.Name = "" },
		"name of two lines":   func(d *graphentra.Desired) { d.Name = "a\nb" },
		"name that is hidden": func(d *graphentra.Desired) { d.Name = "a\u202eb" },
		"audience":            func(d *graphentra.Desired) { d.Audience = "PersonalMicrosoftAccount" },
		"http":                func(d *graphentra.Desired) { d.RedirectURIs = []string{"http://msp.example/cb"} },
		"wildcard":            func(d *graphentra.Desired) { d.RedirectURIs = []string{"https://*.example/cb"} },
		"fragment":            func(d *graphentra.Desired) { d.RedirectURIs = []string{"https://msp.example/#x"} },
		"javascript":          func(d *graphentra.Desired) { d.RedirectURIs = []string{"javascript:alert(1)"} },
		"twice":               func(d *graphentra.Desired) { d.RedirectURIs = append(d.RedirectURIs, d.RedirectURIs[0]) },
		"user in a URI":       func(d *graphentra.Desired) { d.RedirectURIs = []string{"https://a@msp.example/"} },
		"logout":              func(d *graphentra.Desired) { d.LogoutURL = "x" },
		"permission kind":     func(d *graphentra.Desired) { d.Permissions = []graphentra.Permission{{Name: "User.Read"}} },
		"permission name":     func(d *graphentra.Desired) { d.Permissions[0].Name = "User.Read Mail.Send" },
		"permission resource": func(d *graphentra.Desired) { d.Permissions[0].Resource = "graph" },
		"permission twice":    func(d *graphentra.Desired) { d.Permissions = append(d.Permissions, d.Permissions[0]) },
		"role id":             func(d *graphentra.Desired) { d.Roles[0].ID = "1" },
		"role value":          func(d *graphentra.Desired) { d.Roles[0].Value = "a b" },
		"role twice":          func(d *graphentra.Desired) { d.Roles[1].Value = d.Roles[0].Value },
		"role id twice":       func(d *graphentra.Desired) { d.Roles[1].ID = d.Roles[0].ID },
		"role without words":  func(d *graphentra.Desired) { d.Roles[0].Description = "" },
		"claim":               func(d *graphentra.Desired) { d.Claims = []string{"a b"} },
		"group claims":        func(d *graphentra.Desired) { d.GroupClaims = "Everything" },
		"secret name":         func(d *graphentra.Desired) { d.Secrets = []graphentra.Secret{{Name: "a#b"}} },
		"secret life":         func(d *graphentra.Desired) { d.Secrets = []graphentra.Secret{{Name: "a", Life: -1}} },
		"renewed at once":     func(d *graphentra.Desired) { d.Secrets = []graphentra.Secret{{Name: "a", Life: day}} },
		"secret twice":        func(d *graphentra.Desired) { d.Secrets = []graphentra.Secret{{Name: "a"}, {Name: "a"}} },
		"no certificate":      func(d *graphentra.Desired) { d.Certificates = []graphentra.Certificate{{Name: "a"}} },
		"issuer": func(d *graphentra.Desired) {
			d.Federated = []graphentra.Federated{{Name: "a", Issuer: "http://x", Subject: "s"}}
		},
		"subject": func(d *graphentra.Desired) {
			d.Federated = []graphentra.Federated{{Name: "a", Issuer: "https://x.example"}}
		},
		"federated name": func(d *graphentra.Desired) {
			d.Federated = []graphentra.Federated{{Name: "a'b", Issuer: "https://x.example", Subject: "s"}}
		},
		"assignment by name": func(d *graphentra.Desired) {
			d.Assignments = []graphentra.Assignment{{Principal: "dana@x.example", Kind: graphentra.User, Role: "Admin"}}
		},
		"assignment kind": func(d *graphentra.Desired) {
			d.Assignments = []graphentra.Assignment{{Principal: fixed, Role: "Admin"}}
		},
		"assignment role": func(d *graphentra.Desired) {
			d.Assignments = []graphentra.Assignment{{Principal: fixed, Kind: graphentra.User, Role: "Owner"}}
		},
		"assignment of none": func(d *graphentra.Desired) {
			d.Assignments = []graphentra.Assignment{{Principal: fixed, Kind: graphentra.User}}
		},
		"of another tenant":    func(d *graphentra.Desired) { d.AppID = fixed },
		"id of another tenant": func(d *graphentra.Desired) { *d = d.At("x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
			change(&d)
			require.ErrorIs(t, d.Validate(), mspkit.ErrInvalid)
			var asked atomic.Int32
			c := client(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
			_, err := c.Plan(t.Context(), tenant, d)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			_, err = c.Report(t.Context(), tenant, d)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Zero(t, asked.Load())
		})
	}
}

func TestPresetsAskForWhatTheyNeedAndNoMore(t *testing.T) {
	t.Parallel()
	names := func(d graphentra.Desired) (out []string) {
		for _, p := range d.Permissions {
			out = append(out, p.String())
		}
		return out
	}
	require.ElementsMatch(t, []string{"delegated openid", "delegated profile"}, names(graphentra.SignIn("a", "b", "c", "https://x.example")))
	require.ElementsMatch(t, []string{"application Mail.Send"}, names(graphentra.OutboundMail("a", "b", false)))
	require.ElementsMatch(t, []string{"application Mail.Send", "application Mail.ReadWrite"}, names(graphentra.OutboundMail("a", "b", true)))
	require.ElementsMatch(t, []string{
		"delegated Chat.ReadWrite", "delegated ChatMessage.Send", "delegated ChannelMessage.Send", "delegated Directory.Read.All", "delegated Group.Read.All",
		"delegated Presence.Read.All", "delegated Subscription.Read.All", "delegated User.Read.All",
		"application Chat.ReadWrite.All", "application ChannelMessage.Read.All", "application User.Read.All",
	}, names(graphentra.TeamsMessenger("a", "b", "")))
	for _, d := range []graphentra.Desired{
		graphentra.SignIn("a", "b", "c", "https://x.example/auth/"), graphentra.OutboundMail("a", "b", true), graphentra.TeamsMessenger("a", "b", "https://x.example/cb"),
	} {
		require.NoError(t, d.Validate())
		require.NoError(t, new(d.At(fixed)).Validate())
		require.False(t, d.Unassigned)
	}
	require.Equal(t, []string{"https://x.example/auth/callback", "https://x.example/auth/signedout"}, graphentra.SignIn("a", "b", "c", "https://x.example/auth/").RedirectURIs)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault entratest.DirectoryFault
		want  error
	}{
		"denied":       {entratest.DirectoryFault{Status: 403, Code: "Authorization_RequestDenied"}, graphentra.ErrDenied},
		"token":        {entratest.DirectoryFault{Status: 401, Code: "InvalidAuthenticationToken", Times: -1}, graphentra.ErrSignIn},
		"throttled":    {entratest.DirectoryFault{Status: 429, RetryAfter: "3600", Times: -1}, graphentra.ErrThrottled},
		"outage":       {entratest.DirectoryFault{Status: 503, Times: -1}, graphentra.ErrTemporary},
		"no answer":    {entratest.DirectoryFault{Drop: true, Times: -1}, graphentra.ErrTemporary},
		"licence":      {entratest.DirectoryFault{Status: 403, Code: "LicenseRequired"}, graphentra.ErrLicence},
		"refused":      {entratest.DirectoryFault{Status: 400, Code: "Request_BadRequest"}, graphentra.ErrRefused},
		"precondition": {entratest.DirectoryFault{Status: 412, Code: "PreconditionFailed"}, graphentra.ErrChanged},
		"odd code":     {entratest.DirectoryFault{Status: 400, Code: "it is Dana's fault"}, graphentra.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := entratest.NewDirectory("", nil)
				dir.Fail(test.fault)
				_, err := client(t, dir).Plan(t.Context(), tenant, graphentra.OutboundMail("mail", "Mail", false))
				require.ErrorIs(t, err, test.want)
				require.NotEmpty(t, graphentra.Explain(err))
				require.Contains(t, err.Error(), "north")
				require.NotContains(t, err.Error(), "Dana")
				e, ok := errors.AsType[*graphentra.Error](err)
				require.True(t, ok)
				if !test.fault.Drop {
					require.Equal(t, test.fault.Status, e.Status)
				}
			})
		})
	}
	require.Empty(t, graphentra.Explain(nil))
	require.Empty(t, graphentra.Explain(errors.New("x")))
}

func TestNoToken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ err, want error }{
		{entra.ErrNotConnected, entra.ErrNotConnected},
		{errors.New("no"), graphentra.ErrSignIn},
	} {
		c, err := graphentra.New(creds{test.err}, nil)
		require.NoError(t, err)
		_, err = c.Plan(t.Context(), tenant, graphentra.OutboundMail("mail", "Mail", false))
		require.ErrorIs(t, err, test.want)
		require.NotEmpty(t, graphentra.Explain(err))
	}
}

// challenged gives the claims that it was asked for as the token.
type challenged struct{}

func (challenged) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	return challenged{}, nil
}

func (challenged) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "claims" + o.Claims, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestAClaimsChallengeIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const claims = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`
		dir := entratest.NewDirectory("", nil)
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer claims"+claims {
				w.Header().Set("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			dir.ServeHTTP(w, r)
		})
		c, err := graphentra.New(challenged{}, &graphentra.Options{HTTPClient: &http.Client{Transport: wire{h}}})
		require.NoError(t, err)
		plan(t, c, graphentra.OutboundMail("mail", "Mail", false))
	})
}

func TestTheTokenStaysWithGraph(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		d := graphentra.OutboundMail("mail", "Mail", false)
		c := client(t, dir)
		apply(t, c, plan(t, c, d))
		hostile := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "graph.microsoft.com" {
				t.Errorf("a request went to %s", r.Host)
			}
			if r.URL.Path == "/v1.0/servicePrincipals/"+servicePrincipalID(dir)+"/oauth2PermissionGrants" {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"value":[],"@odata.nextLink":"https://evil.example/v1.0/x"}`))
				return
			}
			dir.ServeHTTP(w, r)
		})
		_, err := client(t, hostile).Plan(t.Context(), tenant, d)
		require.ErrorIs(t, err, graphentra.ErrRefused)
	})
}

func servicePrincipalID(dir *entratest.Directory) string {
	app := dir.Objects("applications")[0]
	for _, sp := range dir.Objects("servicePrincipals") {
		if sp["appId"] == app["appId"] {
			return sp["id"].(string)
		}
	}
	return ""
}

func TestPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", &entratest.DirectoryOptions{PageSize: 2})
		c := client(t, dir)
		d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
		for range 7 {
			d.Assignments = append(d.Assignments, graphentra.Assignment{Principal: dir.AddUser(entratest.DirectoryUser{Name: "X"}), Kind: graphentra.User, Role: "Technician"})
		}
		apply(t, c, plan(t, c, d))
		require.True(t, plan(t, c, d).Empty())
	})
}

func TestApplyOfNothing(t *testing.T) {
	t.Parallel()
	c := client(t, entratest.NewDirectory("", nil))
	res, err := c.Apply(t.Context(), nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.NotNil(t, res)
	res, err = c.Apply(t.Context(), &graphentra.Plan{Steps: []graphentra.Step{{Kind: "x"}}}, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.NotNil(t, res.Remaining)
}

func TestManyTenants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many, workers, rate = 200, 8, 2
		dir := entratest.NewDirectory("", nil)
		d := graphentra.OutboundMail("mail", "Mail", false)
		var (
			mu       sync.Mutex
			at, most int
		)
		count := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			at += by
			most = max(most, at)
		}
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			count(1)
			defer count(-1)
			time.Sleep(5 * time.Millisecond)
			dir.ServeHTTP(w, r)
		})
		c := client(t, h, func(o *graphentra.Options) { o.Rate = rate })
		tenants := make([]mspkit.TenantID, many)
		for i := range tenants {
			tenants[i] = mspkit.TenantID("t" + string(rune('a'+i%26)) + time.Duration(i).String())
		}
		broken := errors.New("no such customer")
		begun := time.Now()
		var (
			told int
			last graphentra.ManyProgress
		)
		out, err := c.PlanMany(t.Context(), tenants, func(_ context.Context, id mspkit.TenantID) (graphentra.Desired, error) {
			if id == tenants[17] {
				return d, broken
			}
			return d, nil
		}, &graphentra.ManyOptions{Workers: workers, Progress: func(p graphentra.ManyProgress) {
			told, last = told+1, p
			require.Equal(t, told, p.Over)
			require.Equal(t, many, p.Total)
		}})
		require.NoError(t, err)
		require.Equal(t, many, told)
		require.Equal(t, 1, last.Failed)
		require.Equal(t, many-1, last.Changes)
		for i, p := range out {
			require.Equal(t, tenants[i], p.Tenant)
			if i == 17 {
				require.ErrorIs(t, p.Err, broken)
				continue
			}
			require.NoError(t, p.Err)
			require.Equal(t, tenants[i], p.Plan.Tenant)
			require.NotEmpty(t, p.Plan.Steps)
		}
		require.Equal(t, workers, most, "as many at once as were allowed")
		// Three reads a tenant at two a second take a second each, eight tenants at once.
		require.Greater(t, time.Since(begun), many/workers*time.Second*9/10, "the limiter of each tenant is kept")
		require.Less(t, time.Since(begun), many/workers*time.Second*2)
	})
}

func TestManyTenantsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		tenants := []mspkit.TenantID{"a", "b", "c", "d"}
		out, err := c.PlanMany(ctx, tenants, func(_ context.Context, id mspkit.TenantID) (graphentra.Desired, error) {
			if id == "b" {
				stop()
			}
			return graphentra.OutboundMail("mail", "Mail", false), nil
		}, &graphentra.ManyOptions{Workers: 1})
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, out[0].Err)
		for _, p := range out[1:] {
			require.ErrorIs(t, p.Err, context.Canceled)
		}
		_, err = c.PlanMany(t.Context(), tenants, nil, nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	})
}
