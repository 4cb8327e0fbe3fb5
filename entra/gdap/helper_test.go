package gdap_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/entra/gdap"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/webtest"
)

const (
	clientID = "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d"
	secret   = "the-client-secret-of-the-test"
	group    = "5b1c1f8e-3f52-4d59-9a0a-0d8f7f3f2a11"
	user     = "a5a4b1a0-1111-4222-8333-444455556666"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a partner with a customer who has a relationship, consent and a connection.
type world struct {
	*graphfake.Server
	clock   *clock
	home    *graphfake.Tenant
	contoso *graphfake.Tenant
	rel     graphfake.Relationship
	store   *entra.Memory
	ring    *mspkit.KeyRing
	options gdap.Options

	mu    sync.Mutex
	forms []url.Values // of requests for tokens
}

func newWorld(t *testing.T, o *graphfake.Options) *world {
	t.Helper()
	if o == nil {
		o = &graphfake.Options{}
	}
	w := &world{clock: &clock{now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}, store: entra.NewMemory()}
	o.Now, o.ClientID, o.ClientSecret = w.clock.Now, clientID, secret
	o.OnRequest = func(r *http.Request, body []byte) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			form, _ := url.ParseQuery(string(body))
			form.Set("path", r.URL.Path)
			w.mu.Lock()
			w.forms = append(w.forms, form)
			w.mu.Unlock()
		}
	}
	var err error
	w.Server, err = graphfake.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	w.home = w.AddTenant("", "MSP", "msp.example")
	w.contoso = w.customer("Contoso Ltd")
	w.ring, err = mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	w.options = gdap.Options{
		Cloud: entra.Cloud{
			Name: "fake", Login: w.URL(), Graph: w.URL(), GraphScope: "https://graph.microsoft.com/.default",
			PartnerCenter: w.URL(), PartnerCenterScope: "https://api.partnercenter.microsoft.com/.default",
		},
		PartnerTenant: w.home.ID, ClientID: clientID, Secret: mspkit.Redact(secret), Owner: "msp", Connections: w.store, Now: w.clock.Now,
	}
	require.NoError(t, w.store.Connect(t.Context(), entra.Connection{
		Tenant: "contoso", Owner: "msp", Integration: "contacts", EntraID: w.contoso.ID, Via: entra.ViaGDAP,
	}))
	return w
}

// customer adds a tenant with a relationship that works and consent.
func (w *world) customer(name string) *graphfake.Tenant {
	c := w.AddTenant("", name, "")
	rel := graphfake.Relationship{
		ID: "rel-" + c.ID, Customer: c.ID, CustomerName: name, Group: group,
		Roles: []string{gdap.ApplicationAdministrator, gdap.UserAdministrator},
	}
	w.home.Relate(rel)
	if w.rel.ID == "" {
		w.rel = rel
	}
	c.Consent(clientID, "User.Read.All")
	return c
}

func (w *world) partner(t *testing.T) *gdap.Partner {
	t.Helper()
	p, err := gdap.NewPartner(w.store, w.ring, &w.options)
	require.NoError(t, err)
	return p
}

// signedIn returns a partner whose user has signed in.
func (w *world) signedIn(t *testing.T) *gdap.Partner {
	t.Helper()
	p := w.partner(t)
	require.NoError(t, p.SignIn(t.Context(), mspkit.Redact(w.RefreshToken(w.home.ID, user)), "anna@msp.example"))
	return p
}

var graphScope = policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}}

// token asks for a token of Graph in a connected tenant.
func (w *world) token(ctx context.Context, p *gdap.Partner, tenant mspkit.TenantID, o policy.TokenRequestOptions) (string, error) {
	creds, err := p.Credentials(gdap.Connected(w.store, "msp", "contacts", w.clock.Now))
	if err != nil {
		return "", err
	}
	cred, err := creds.TenantCredential(ctx, tenant)
	if err != nil {
		return "", err
	}
	got, err := cred.GetToken(ctx, o)
	return got.Token, err
}

// tenantOf asks Graph whose a token is.
func (w *world) tenantOf(t *testing.T, token string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL()+"/v1.0/organization", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := webtest.Client(t).Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var list struct{ Value []struct{ ID string } }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&list))
	require.Len(t, list.Value, 1)
	return list.Value[0].ID
}

// redeemed returns the forms of the requests for tokens of a tenant since it was asked last.
func (w *world) redeemed(tenant string) []url.Values {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []url.Values
	for _, f := range w.forms {
		if f.Get("path") == "/"+tenant+"/oauth2/v2.0/token" {
			out = append(out, f)
		}
	}
	w.forms = nil
	return out
}

// tokenFault answers requests for tokens of a tenant; a negative n is all of them.
func (w *world) tokenFault(n int, tenant string, f graphfake.Fault) {
	w.SetFault(graphfake.Times(n, f, "/"+tenant+"/oauth2/v2.0/token"))
}

// aadsts is an answer of the token endpoint.
func aadsts(code, description string) graphfake.Fault {
	number := ""
	if strings.HasPrefix(description, "AADSTS") {
		number = `,"error_codes":[` + strings.TrimSuffix(strings.Fields(description)[0][6:], ":") + `]`
	}
	return graphfake.Fault{Status: http.StatusBadRequest, Body: `{"error":"` + code + `","error_description":"` + description + ` Trace ID: x"` + number + `}`}
}

func noPause(p *gdap.Partner) *gdap.Partner {
	p.OnPause(func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
	return p
}

// always is a lookup that knows one tenant.
func always(id string) azurecred.Lookup {
	return func(context.Context, mspkit.TenantID) (string, error) { return id, nil }
}
