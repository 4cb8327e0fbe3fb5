package halopsa_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/halopsa"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

// clock is a clock that is set by hand.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time      { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) add(d time.Duration) { c.ns.Add(int64(d)) }

func TestOneTokenForManyCalls(t *testing.T) {
	t.Parallel()
	clk := newClock()
	w := openDesk(t, psatest.NewDesk(clk.now), nil, &halopsa.Options{Now: clk.now})
	w.desk.SetFault(psatest.Times(-1, psatest.Fault{Delay: 50 * time.Millisecond}, psatest.OpToken))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := w.client.ListContacts(t.Context(), psa.Query{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, w.sent.list(http.MethodPost, "/auth/token"), 1)
	require.LessOrEqual(t, len(w.sent.list(http.MethodGet, "/api/authinfo")), 1)
	tok := w.sent.list(http.MethodPost, "/auth/token")[0]
	require.Contains(t, tok.Body, "grant_type=client_credentials")
	require.Contains(t, tok.Body, "scope=all")
	require.Empty(t, tok.Header.Get("Authorization"))
	require.Empty(t, w.sent.list(http.MethodGet, "/api/authinfo")[0].Header.Get("Authorization"))

	clk.add(58 * time.Minute)
	_, err := w.client.ListContacts(t.Context(), psa.Query{})
	require.NoError(t, err)
	require.Len(t, w.sent.list(http.MethodPost, "/auth/token"), 1)
	clk.add(90 * time.Second) // a little before it expires
	_, err = w.client.ListContacts(t.Context(), psa.Query{})
	require.NoError(t, err)
	require.Len(t, w.sent.list(http.MethodPost, "/auth/token"), 2)
}

func TestATokenThatIsRefusedIsRenewedOnce(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	_, err := w.client.GetTicket(t.Context(), ref("4711"))
	require.NoError(t, err)
	w.desk.SetFault(psatest.Times(1, psatest.Fault{Status: 401}, psatest.OpAddNote))
	_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.NoError(t, err)
	require.Len(t, w.desk.Notes("4711"), 1)
	require.Len(t, w.sent.list(http.MethodPost, "/auth/token"), 2)
	w.desk.SetFault(psatest.Times(-1, psatest.Fault{Status: 401}, psatest.OpGetTicket))
	w.sent.clear()
	_, err = w.client.GetTicket(t.Context(), ref("4711"))
	require.ErrorIs(t, err, psa.ErrUnauthorized)
	require.Len(t, w.sent.list(http.MethodPost, "/auth/token"), 1)
	require.Len(t, w.sent.list(http.MethodGet, "/api/Tickets/4711"), 2)
}

func TestNewPermissionsAreSeenWithoutARestart(t *testing.T) {
	t.Parallel()
	clk := newClock()
	w := openDesk(t, psatest.NewDesk(clk.now), nil, &halopsa.Options{Now: clk.now})
	w.desk.SetFault(psatest.Times(-1, psatest.Fault{Status: 403}, psatest.OpGetTicket))
	for range 3 {
		_, err := w.client.GetTicket(t.Context(), ref("4711"))
		require.ErrorIs(t, err, psa.ErrForbidden)
	}
	require.Len(t, w.sent.list(http.MethodPost, "/auth/token"), 1, "not a token for each refusal")
	clk.add(2 * time.Minute)
	for range 2 {
		_, err := w.client.GetTicket(t.Context(), ref("4711"))
		require.ErrorIs(t, err, psa.ErrForbidden)
	}
	require.Len(t, w.sent.list(http.MethodPost, "/auth/token"), 2)
}

func TestWaitersDoNotShareTheFateOfWhoGaveUp(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	release := make(chan struct{})
	var asked atomic.Int32
	w.desk.SetFault(func(op psatest.Op) psatest.Fault {
		if op.Name == psatest.OpToken && asked.Add(1) == 1 {
			close(release)
			return psatest.Fault{Hang: true}
		}
		return psatest.Fault{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := w.client.GetTicket(ctx, ref("4711"))
		first <- err
	}()
	<-release
	second := make(chan error, 1)
	go func() {
		_, err := w.client.GetTicket(t.Context(), ref("4711"))
		second <- err
	}()
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	require.NoError(t, <-second)
}

// Callers write to the errors that they get, so none of them is shared.
func TestWaitersDoNotShareAnError(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	gate := make(chan struct{})
	w.desk.SetFault(func(op psatest.Op) psatest.Fault {
		if op.Name == psatest.OpToken {
			<-gate
			return psatest.Fault{Status: http.StatusBadRequest, Body: `{"error":"invalid_scope"}`}
		}
		return psatest.Fault{}
	})
	const callers = 8
	errs := make(chan error, callers)
	for range callers {
		go func() {
			_, err := w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
			errs <- err
		}()
	}
	require.Eventually(t, func() bool { return len(w.sent.list(http.MethodPost, "/auth/token")) > 0 }, 20*time.Second, time.Millisecond)
	close(gate)
	seen := map[*psa.Error]bool{}
	for range callers {
		e, ok := errors.AsType[*psa.Error](<-errs)
		require.True(t, ok)
		require.ErrorIs(t, e, psa.ErrForbidden)
		require.Contains(t, e.Advice, "Options.Scope", "not that of a missing permission")
		require.False(t, seen[e])
		seen[e] = true
		e.Advice = "written by the caller"
	}
}

func TestSignInErrorsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fake   psatest.HaloPSAOptions
		client halopsa.Options
		secret string
		is     error
		says   string
	}{
		"wrong secret": {secret: "wrong", is: psa.ErrUnauthorized, says: "code invalid_client"},
		"wrong tenant": {
			fake: psatest.HaloPSAOptions{Tenant: "contoso"}, client: halopsa.Options{Tenant: "other"}, is: psa.ErrUnauthorized, says: "tenant",
		},
		"no tenant":     {fake: psatest.HaloPSAOptions{Tenant: "contoso", NoAuthInfo: true}, is: psa.ErrUnauthorized, says: "tenant"},
		"scope":         {fake: psatest.HaloPSAOptions{Scopes: []string{"read:tickets"}}, is: psa.ErrForbidden, says: "Options.Scope"},
		"not a HaloPSA": {client: halopsa.Options{BaseURL: "other"}, is: psa.ErrUnavailable, says: "does not answer like HaloPSA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, &tc.fake, nil)
			if tc.client.BaseURL != "" {
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, _ = w.Write([]byte("<html>Welcome</html>"))
				}))
				t.Cleanup(srv.Close)
				tc.client.BaseURL = srv.URL
			} else {
				tc.client.BaseURL = w.url
			}
			tc.client.Requests = -1
			if tc.secret == "" {
				tc.secret = secret
			}
			c, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "app-1", ClientSecret: mspkit.Redact(tc.secret)}, &tc.client)
			require.NoError(t, err)
			_, err = c.Ping(t.Context())
			require.ErrorIs(t, err, tc.is)
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), tc.secret+" ")
			require.NotContains(t, err.Error(), secret)
			// A note that cannot sign in was certainly not written.
			_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
			require.NotErrorIs(t, err, psa.ErrAmbiguousWrite)
		})
	}
}

func TestTenantIsDiscoveredOrSet(t *testing.T) {
	t.Parallel()
	for _, o := range []halopsa.Options{{}, {Tenant: "contoso"}} {
		w := open(t, &psatest.HaloPSAOptions{Tenant: "contoso", NoAuthInfo: o.Tenant != ""}, &o)
		_, err := w.client.Ping(t.Context())
		require.NoError(t, err)
		require.Equal(t, "contoso", w.sent.list(http.MethodPost, "/auth/token")[0].Query.Get("tenant"))
	}
	w := open(t, &psatest.HaloPSAOptions{Scopes: []string{"read:tickets", "edit:tickets"}}, &halopsa.Options{Scope: "read:tickets edit:tickets"})
	_, err := w.client.Ping(t.Context())
	require.NoError(t, err)
}

func TestTheSecretGoesToNoOtherHost(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	foreign := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = fmt.Fprint(w, `{"access_token":"x","expires_in":3600}`)
	}))
	t.Cleanup(foreign.Close)
	host := strings.TrimPrefix(foreign.URL, "https://")
	for _, at := range []string{
		foreign.URL + "/auth", "http://" + host + "/auth", "https://user:x@" + host + "/auth", "//" + host, "ftp://x", "https://127.0.0.1.evil.example/auth", "javascript:x", "https://%zz",
		"https://127.0.0.1:1/auth", "https://[::1]:" + host[strings.LastIndex(host, ":")+1:] + "/auth", "https:" + host, "https:///auth", "https://example.halopsa.com/auth",
		"https://evil.example\\@127.0.0.1/auth", foreign.URL + "/auth?x=1", foreign.URL + "/auth#x",
	} {
		w := open(t, &psatest.HaloPSAOptions{AuthURL: at}, nil)
		_, err := w.client.Ping(t.Context())
		require.ErrorIs(t, err, psa.ErrOrigin, at)
		require.NotContains(t, err.Error(), secret)
		_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
		require.ErrorIs(t, err, psa.ErrOrigin, at)
		require.Empty(t, w.sent.list(http.MethodPost, ""))
	}
	// A host that is allowed by name gets it, on https only.
	w := open(t, &psatest.HaloPSAOptions{AuthURL: "http://" + host + "/auth"}, &halopsa.Options{AuthHosts: []string{host}})
	_, err := w.client.Ping(t.Context())
	require.ErrorIs(t, err, psa.ErrOrigin)
	require.Zero(t, calls.Load())

	w = open(t, &psatest.HaloPSAOptions{AuthURL: foreign.URL + "/auth"}, nil)
	transport := &http.Transport{TLSClientConfig: foreign.Client().Transport.(*http.Transport).TLSClientConfig}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "app-1", ClientSecret: mspkit.Redact(secret)}, &halopsa.Options{
		BaseURL: w.url, AuthHosts: []string{host}, HTTPClient: &http.Client{Transport: transport},
	})
	require.NoError(t, err)
	_, err = c.Ping(t.Context())
	require.ErrorIs(t, err, psa.ErrUnauthorized, "the token is none of the fake's")
	require.Positive(t, calls.Load())
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(foreign.Close)
	w := open(t, nil, nil)
	w.desk.SetFault(psatest.Times(-1, psatest.Fault{Status: 307, Header: map[string]string{"Location": foreign.URL}}, psatest.OpToken, psatest.OpAddNote))
	_, err := w.client.Ping(t.Context())
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.Zero(t, calls.Load())
}

func TestTheAuthURLCanBeSet(t *testing.T) {
	t.Parallel()
	w := open(t, &psatest.HaloPSAOptions{AuthURL: "https://elsewhere.example/auth"}, nil)
	c := w.connect(t, &halopsa.Options{AuthURL: w.url + "/auth"})
	_, err := c.Ping(t.Context())
	require.NoError(t, err)
	require.Empty(t, w.sent.list(http.MethodGet, "/api/authinfo"))
}
