package graphx

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
)

const testToken = "secret-token"

// fakeCredential hands out a token for each tenant and counts.
type fakeCredential struct {
	mu    sync.Mutex
	asked []policy.TokenRequestOptions
	err   error
	token string
}

func (f *fakeCredential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, o)
	if f.err != nil {
		return azcore.AccessToken{}, f.err
	}
	return azcore.AccessToken{Token: f.token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (f *fakeCredential) requests() []policy.TokenRequestOptions {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]policy.TokenRequestOptions(nil), f.asked...)
}

// credentialsFunc are Credentials.
type credentialsFunc func(ctx context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error)

func (f credentialsFunc) TenantCredential(ctx context.Context, t mspkit.TenantID) (azcore.TokenCredential, error) {
	return f(ctx, t)
}

// perTenant gives each tenant a credential whose token names it.
func perTenant() Credentials {
	return credentialsFunc(func(_ context.Context, t mspkit.TenantID) (azcore.TokenCredential, error) {
		return &fakeCredential{token: testToken + "-" + string(t)}, nil
	})
}

func the(f *fakeCredential) Credentials {
	if f.token == "" {
		f.token = testToken
	}
	return credentialsFunc(func(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) { return f, nil })
}

// roundTrip is a transport without a network, for tests in a synctest bubble.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answers is a transport that gives one answer after the other, and the last one again.
type answers struct {
	mu   sync.Mutex
	list []answer
	got  []*http.Request
	body []string
	at   []time.Time
}

type answer struct {
	status int
	header map[string]string
	body   string
	err    error
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
	}
	now := a.list[min(len(a.got), len(a.list)-1)]
	a.got, a.body, a.at = append(a.got, r), append(a.body, string(sent)), append(a.at, time.Now())
	if now.err != nil {
		return nil, now.err
	}
	res := &http.Response{StatusCode: now.status, Header: make(http.Header), Body: io.NopCloser(strings.NewReader(now.body)), Request: r}
	for k, v := range now.header {
		res.Header.Set(k, v)
	}
	return res, nil
}

func (a *answers) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.got)
}

// offline is a client on a transport.
func offline(t *testing.T, rt http.RoundTripper, change ...func(*Options)) *Client {
	t.Helper()
	o := &Options{BaseURL: "https://graph.example", HTTPClient: &http.Client{Transport: rt}}
	for _, f := range change {
		f(o)
	}
	c, err := New(perTenant(), o)
	require.NoError(t, err)
	return c
}

// served is a client of a server that runs h.
func served(t *testing.T, creds Credentials, h http.HandlerFunc, change ...func(*Options)) (*Client, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	o := &Options{BaseURL: srv.URL + "/graph", HTTPClient: srv.Client(), Retry: policy.RetryOptions{RetryDelay: -1}, Pause: -1}
	for _, f := range change {
		f(o)
	}
	if creds == nil {
		creds = perTenant()
	}
	c, err := New(creds, o)
	require.NoError(t, err)
	return c, srv
}

// counter counts requests and says how many there were before.
type counter struct{ n atomic.Int32 }

func (c *counter) next() int { return int(c.n.Add(1)) - 1 }
