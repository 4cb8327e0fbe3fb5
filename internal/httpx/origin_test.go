package httpx_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

func TestCredentialsNeverLeaveTheirOrigin(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, url, header string
		sent              bool
	}{
		{name: "the origin", url: "https://api.autotask.net/v1/x", header: "Authorization", sent: true},
		{name: "its default port", url: "https://API.autotask.net:443/v1/x", header: "Authorization", sent: true},
		{name: "another host that begins alike", url: "https://api.autotask.net.evil.com/v1/x", header: "Authorization"},
		{name: "the host as user", url: "https://api.autotask.net@evil.com/"},
		{name: "a subdomain", url: "https://x.api.autotask.net/", header: "Authorization"},
		{name: "another port", url: "https://api.autotask.net:8443/", header: "Authorization"},
		{name: "plain text", url: "http://api.autotask.net/", header: "Authorization"},
		{name: "a cookie", url: "https://evil.com/", header: "Cookie"},
		{name: "a listed header", url: "https://evil.com/", header: "ApiIntegrationCode"},
		{name: "nothing to lose", url: "https://evil.com/", header: "Accept", sent: true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return status(200), nil }}
			c := client(t, f, &httpx.Options{Origins: []string{"https://api.autotask.net/atservices"}, Credentials: []string{"apiintegrationcode"}})
			req := request(t, t.Context(), "GET", tc.url, "")
			if tc.header != "" {
				req.Header.Set(tc.header, secret)
			}
			resp, err := httpx.Do(c, req)
			if tc.sent {
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				return
			}
			require.ErrorIs(t, err, httpx.ErrOrigin)
			require.Zero(t, f.n)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestRedirectsAreRefusedUnlessAskedFor(t *testing.T) {
	t.Parallel()
	var got []http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Clone()) }))
	defer other.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/base/go") {
			http.Redirect(w, r, other.URL+"/base/there", http.StatusTemporaryRedirect)
		}
	}))
	defer srv.Close()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()

	_, err := httpx.Do(client(t, tr, nil), request(t, t.Context(), "GET", srv.URL+"/base/go", ""))
	require.ErrorIs(t, err, httpx.ErrRedirect)
	require.Empty(t, got)

	req := request(t, t.Context(), "GET", srv.URL+"/base/go?token="+secret, "")
	req.Header.Set("Authorization", secret)
	req.Header.Set("X-Api-Key", secret)
	resp, err := httpx.Do(client(t, tr, &httpx.Options{Redirects: 1, Credentials: []string{"X-Api-Key"}}), req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, got, 1)
	require.NotContains(t, strings.Join(flat(got[0]), "\n"), secret, "credentials stay with the first origin")
}

func flat(h http.Header) []string {
	var out []string
	for k, vs := range h {
		out = append(out, k+": "+strings.Join(vs, ","))
	}
	return out
}

func TestGuardRefusesWhatIsNotPublic(t *testing.T) {
	t.Parallel()
	for _, a := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.168.1.1", "192.0.0.192", "198.18.0.1", "203.0.113.1", "224.0.0.1", "255.255.255.255", "168.63.129.16",
		"::", "::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "ff02::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::7f00:1",
		"64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1",
	} {
		require.False(t, httpx.Public(netip.MustParseAddr(a)), a)
	}
	for _, a := range []string{"8.8.8.8", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "2606:4700:4700::1111"} {
		require.True(t, httpx.Public(netip.MustParseAddr(a)), a)
	}
	require.False(t, httpx.Public(netip.Addr{}))
	ten := netip.MustParsePrefix("10.0.0.0/24")
	require.True(t, httpx.Public(netip.MustParseAddr("10.0.0.7"), ten))
	require.True(t, httpx.Public(netip.MustParseAddr("::ffff:10.0.0.7"), ten))
	require.False(t, httpx.Public(netip.MustParseAddr("10.0.1.7"), ten))
}

func TestGuardLooksAtTheAddressAfterDNS(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	byName := "http://localhost:" + u.Port() + "/base/hook"

	start := time.Now()
	_, err = httpx.Do(client(t, httpx.Guard(nil), &httpx.Options{Backoff: 10 * time.Second}), request(t, t.Context(), "GET", byName, ""))
	require.ErrorIs(t, err, httpx.ErrAddress)
	e, _ := errors.AsType[*httpx.Error](err)
	require.False(t, e.Sent)
	require.Less(t, time.Since(start), 7*time.Second, "not tried again, which would have come after eight")
	require.NotContains(t, err.Error(), "127.0.0.1")

	g := httpx.Guard(&httpx.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
	defer g.CloseIdleConnections()
	resp, err := httpx.Do(client(t, g, nil), request(t, t.Context(), "GET", byName, ""))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}

func TestRedactURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://api.test/v4_6_release/apis/3.0/service/tickets/4711/notes?x=1":     "https://api.test/v4_6_release/apis/3.0/service/tickets/…/notes?…",
		"https://u:p@api.test:8443/a#frag":                                          "https://api.test:8443/a",
		"https://graph.test/v1.0/users/dana@contoso.test/messages":                  "https://graph.test/v1.0/users/…/messages",
		"https://api.test/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/M": "https://api.test/2010-04-01/Accounts/…/M",
		"https://l.test/v2/PhoneNumbers/+15551234567":                               "https://l.test/v2/PhoneNumbers/…",
		"https://l.test/v2/PhoneNumbers/15551234567":                                "https://l.test/v2/PhoneNumbers/…",
		"https://h.test/hook/TQ4ZC2MVN7SJQHYKDDFX3RAWGE":                            "https://h.test/hook/…",
		"mailto:dana@contoso.test":                                                  "mailto://…",
	} {
		u, err := url.Parse(in)
		require.NoError(t, err)
		require.Equal(t, want, httpx.RedactURL(u))
	}
	require.Empty(t, httpx.RedactURL(nil))
}

func TestRedactHeaderKeepsOnlyWhatIsKnownToBeHarmless(t *testing.T) {
	t.Parallel()
	got := httpx.RedactHeader(http.Header{"Authorization": {secret}, "Set-Cookie": {secret}, "X-Api-Key": {secret}, "Retry-After": {"5"}})
	require.Equal(t, http.Header{"Retry-After": {"5"}}, got)
}

func TestParseBaseURL(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"https://api.test", "https://api.test/p/", "http://127.0.0.1:80/p", "http://localhost", "http://[::1]:8080"} {
		u, err := httpx.ParseBaseURL(ok)
		require.NoError(t, err, ok)
		require.False(t, strings.HasSuffix(u.Path, "/"))
	}
	for _, bad := range []string{"", "api.test", "http://api.test", "http://127.evil.test", "ftp://api.test", "https://u:" + secret + "@api.test", "https://api.test?x=1", "https://api.test#f", "https:///x", "https:api.test", "https://a b/" + secret} {
		_, err := httpx.ParseBaseURL(bad)
		require.ErrorIs(t, err, mspkit.ErrInvalid, bad)
		require.NotContains(t, err.Error(), secret)
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "5", " 7 ", "-1", "+1", "1.5", "99999999999999999999", "Sun, 22 Nov 2026 10:00:30 GMT", "Sunday, 22-Nov-26 10:00:30 GMT", "garbage", "٣"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := httpx.ParseRetryAfter(http.Header{"Retry-After": {s}}, now)
		if d < 0 || d > 24*time.Hour || (!ok && d != 0) {
			t.Fatalf("ParseRetryAfter(%q) = %v, %v", s, d, ok)
		}
	})
}

func TestParseRetryAfterReadsBothForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"0": 0, "5": 5 * time.Second, "99999999999999999999": 24 * time.Hour,
		"Sun, 22 Nov 2026 10:00:30 GMT": 30 * time.Second, "Sun, 22 Nov 2026 09:00:00 GMT": 0,
	} {
		d, ok := httpx.ParseRetryAfter(http.Header{"Retry-After": {in}}, now)
		require.True(t, ok, in)
		require.Equal(t, want, d, in)
	}
	for _, in := range []string{"", "-1", "+1", "1.5", "soon"} {
		_, ok := httpx.ParseRetryAfter(http.Header{"Retry-After": {in}}, now)
		require.False(t, ok, in)
	}
}
