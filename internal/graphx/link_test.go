package graphx

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
)

func TestLinks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		base, link, want string // want empty is ErrOrigin
	}{
		{"https://graph.example", "https://graph.example/v1.0/users?$skiptoken=a%20b+c%2B", "https://graph.example/v1.0/users?$skiptoken=a%20b+c%2B"},
		{"https://graph.example", "https://graph.example/beta/users/delta()?$deltatoken=x", "https://graph.example/beta/users/delta()?$deltatoken=x"},
		{"https://graph.example", "HTTPS://GRAPH.example:443/v1.0/users", "https://graph.example/v1.0/users"},
		{"https://graph.example", "https://graph.example/v1.0/users#x", "https://graph.example/v1.0/users"},
		{"https://graph.example:8443/p", "https://graph.example:8443/p/v1.0/users", "https://graph.example:8443/p/v1.0/users"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080/v1.0/users", "http://127.0.0.1:8080/v1.0/users"},

		{"https://graph.example", "https://evil.example/v1.0/users", ""},
		{"https://graph.example", "https://graph.example.evil/v1.0/users", ""},
		{"https://graph.example", "https://notgraph.example/v1.0/users", ""},
		{"https://graph.example", "https://graph.example@evil.example/v1.0/users", ""},
		{"https://graph.example", "https://user@graph.example/v1.0/users", ""},
		{"https://graph.example", "https://user:pw@graph.example/v1.0/users", ""},
		{"https://graph.example", "https://graph.example:8443/v1.0/users", ""},
		{"https://graph.example", "http://graph.example/v1.0/users", ""},
		{"https://graph.example", "http://graph.example:443/v1.0/users", ""},
		{"https://graph.example", "//graph.example/v1.0/users", ""},
		{"https://graph.example", "v1.0/users", ""},
		{"https://graph.example", "https:graph.example/v1.0/users", ""},
		{"https://graph.example", "https://graph.example\\@evil.example/", ""},
		{"https://graph.example", "ftp://graph.example/v1.0/users", ""},
		{"https://graph.example", "", ""},
		{"https://graph.example", "https://graph.example/v1.0/../../admin", ""},
		{"https://graph.example", "https://graph.example/v1.0/%2e%2e/admin", ""},
		{"https://graph.example/p", "https://graph.example/v1.0/users", ""},
		{"https://graph.example/p", "https://graph.example/p2/v1.0/users", ""},
		{"https://graph.example/p", "https://graph.example/p/../v1.0/users", ""},
		{"https://graph.example/p", "https://graph.example/p%2f..%2fv1.0/users", ""},
		{"https://graph.example/p", "https://graph.example/p/..\\v1.0/users", ""},
	} {
		a := &answers{list: []answer{{status: 200, body: `{}`}}}
		c := offline(t, a, func(o *Options) { o.BaseURL = tc.base })
		err := c.Do(t.Context(), &Request{Tenant: "a", Path: tc.link}, nil)
		if tc.want == "" {
			require.ErrorIs(t, err, ErrOrigin, tc.link)
			require.Zero(t, a.count(), tc.link)
			continue
		}
		require.NoError(t, err, tc.link)
		require.Equal(t, tc.want, a.got[0].URL.String())
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		r    Request
		want string // empty is ErrInvalid
	}{
		{Request{Path: "/users"}, "https://graph.example/p/v1.0/users"},
		{Request{Path: "/users", Version: "beta"}, "https://graph.example/p/beta/users"},
		{Request{Path: "/users?$top=5"}, "https://graph.example/p/v1.0/users?$top=5"},
		{Request{Path: "/users/" + Segment("a/b?c@d e#f")}, "https://graph.example/p/v1.0/users/a%2Fb%3Fc@d%20e%23f"},
		{Request{Path: "/users", Query: url.Values{"a": {"b c+d"}}}, "https://graph.example/p/v1.0/users?a=b%20c%2Bd"},

		{Request{Path: "/users?$top=5", Query: url.Values{"a": {"b"}}}, ""},
		{Request{Path: "/users/../me"}, ""},
		{Request{Path: "/users/" + Segment("..") + "/photo"}, ""},
		{Request{Path: "/../../v1.0/x"}, ""},
		{Request{Path: "/users#x"}, ""},
		{Request{Path: "/users\x00"}, ""},
		{Request{Path: "/users", Version: "v1.0/../beta"}, ""},
		{Request{Path: "/users", Version: "v1/x"}, ""},
		{Request{Path: "https://graph.example/p/v1.0/users", Query: url.Values{"a": {"b"}}}, ""},
		{Request{Path: "https://graph.example/p/v1.0/users", Version: "beta"}, ""},
		{Request{Path: "/users", Method: "TRACE"}, ""},
		{Request{Path: "/users", Header: map[string][]string{"authorization": {"Bearer x"}}}, ""},
		{Request{Path: "/users", Header: map[string][]string{"Cookie": {"x"}}}, ""},
		{Request{Path: "/users", Body: func() {}, Method: "POST"}, ""},
		{Request{Path: "/users", Tenant: " "}, ""},
	} {
		a := &answers{list: []answer{{status: 204}}}
		c := offline(t, a, func(o *Options) { o.BaseURL = "https://graph.example/p/" })
		if tc.r.Tenant == "" {
			tc.r.Tenant = "a"
		}
		err := c.Do(t.Context(), &tc.r, nil)
		if tc.want == "" {
			require.ErrorIs(t, err, mspkit.ErrInvalid, tc.r.Path)
			require.Zero(t, a.count())
			continue
		}
		require.NoError(t, err, tc.r.Path)
		require.Equal(t, tc.want, a.got[0].URL.String())
	}
}
