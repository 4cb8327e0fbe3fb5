package graphcontacts_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
)

var start = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

// clock is one that tests move.
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

// bearers is what gives a token for a tenant of Microsoft 365.
type bearers func(tenant string) string

// creds are the tenants that are connected, with their ids in Microsoft 365.
type creds struct {
	bearer bearers
	ids    map[mspkit.TenantID]string
}

func (c creds) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	id, ok := c.ids[tenant]
	if !ok {
		return nil, fmt.Errorf("tenant %s: %w", tenant, azurecred.ErrNotConnected)
	}
	return token{c.bearer, id}, nil
}

type token struct {
	bearer bearers
	id     string
}

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: t.bearer(t.id), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// world is a Graph with two tenants.
type world struct {
	*graphfake.Server

	url              string
	clock            *clock
	contoso, fabrika *graphfake.Tenant
	creds            creds
}

func newWorld(t *testing.T, o graphfake.Options) *world {
	t.Helper()
	w := &world{clock: &clock{now: start}}
	o.Now, o.Record = w.clock.Now, true
	w.Server = graphfake.New(&o)
	srv := httptest.NewServer(w.Server)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	w.contoso = w.AddTenant("", "Contoso", "contoso.example")
	w.fabrika = w.AddTenant("", "Fabrikam", "fabrikam.example")
	w.creds = creds{bearer: w.Bearer, ids: map[mspkit.TenantID]string{"contoso": w.contoso.ID, "fabrikam": w.fabrika.ID}}
	return w
}

// options are those under test, for this world.
func (w *world) options(o graphcontacts.Options) *graphcontacts.Options {
	o.Cloud = azurecred.Cloud{Name: "fake", Login: w.url, Graph: w.url}
	o.Retry = policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Millisecond}
	o.Now = w.clock.Now
	if o.Region == "" {
		o.Region = "US"
	}
	return &o
}

func (w *world) source(t *testing.T, o graphcontacts.Options) *graphcontacts.Source {
	t.Helper()
	s, err := graphcontacts.New(w.creds, w.options(o))
	require.NoError(t, err)
	return s
}

// people puts n users and returns their ids.
func people(t *graphfake.Tenant, n int, prefix string) []string {
	ids := make([]string, n)
	for i := range ids {
		name := fmt.Sprintf("%s%d", prefix, i)
		ids[i] = t.Put(graphfake.User{
			DisplayName: "Person " + name, GivenName: "Person", Surname: name, Mail: name + "@" + t.Domain, UPN: name + "@" + t.Domain,
			MobilePhone: fmt.Sprintf("(202) 555-01%02d", i), Licences: []string{"6fd2c87f-b296-42f0-b197-1e91e994b900"},
		})
	}
	return ids
}

// result is what a run had.
type result struct {
	contacts map[string]contacts.Contact
	removed  []string
	next     contacts.Cursor
	whole    bool
	pages    int
}

func run(ctx context.Context, s contacts.ContactSource, q contacts.Query) (result, error) {
	r := result{contacts: map[string]contacts.Contact{}}
	for p, err := range contacts.Pages(ctx, s, q) {
		if err != nil {
			return r, err
		}
		for _, c := range p.Contacts {
			r.contacts[c.ID] = c
		}
		for _, id := range p.Removed {
			delete(r.contacts, id)
		}
		r.removed = append(r.removed, p.Removed...)
		r.next, r.whole = p.Next, p.Whole
		r.pages++
	}
	return r, nil
}

func mustRun(t *testing.T, s contacts.ContactSource, q contacts.Query) result {
	t.Helper()
	r, err := run(t.Context(), s, q)
	require.NoError(t, err)
	return r
}

// without is a transport that drops a header, as what stands between may do.
type without struct {
	header string
	next   http.RoundTripper
}

func (w without) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del(w.header)
	return w.next.RoundTrip(r)
}
