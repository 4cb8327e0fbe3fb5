package webpage_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/webpage"
)

func prefixes(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	proxies := prefixes("10.0.0.0/8", "fd00::/8")
	for _, tc := range []struct {
		name    string
		remote  string
		xff     []string
		trusted []netip.Prefix
		want    string
	}{
		{"no proxies: the header is nobody's word", "203.0.113.9:1", []string{"1.2.3.4"}, nil, "203.0.113.9"},
		{"peer is not a proxy", "203.0.113.9:1", []string{"1.2.3.4"}, proxies, "203.0.113.9"},
		{"one proxy", "10.0.0.1:1", []string{"198.51.100.7"}, proxies, "198.51.100.7"},
		{"client forges the left", "10.0.0.1:1", []string{"1.2.3.4, 10.9.9.9, 198.51.100.7"}, proxies, "198.51.100.7"},
		{"client forges a header line", "10.0.0.1:1", []string{"1.2.3.4", "198.51.100.7"}, proxies, "198.51.100.7"},
		{"two proxies", "10.0.0.1:1", []string{"198.51.100.7, 10.0.0.2"}, proxies, "198.51.100.7"},
		{"two proxies in two lines", "10.0.0.1:1", []string{"198.51.100.7", "10.0.0.2"}, proxies, "198.51.100.7"},
		{"only proxies", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, proxies, "10.0.0.3"},
		{"no header", "10.0.0.1:1", nil, proxies, "10.0.0.1"},
		{"empty header", "10.0.0.1:1", []string{""}, proxies, "10.0.0.1"},
		{"malformed entry ends the walk", "10.0.0.1:1", []string{"1.2.3.4, unknown, 10.0.0.2"}, proxies, "10.0.0.2"},
		{"malformed last entry", "10.0.0.1:1", []string{"198.51.100.7, x"}, proxies, "10.0.0.1"},
		{"empty last entry", "10.0.0.1:1", []string{"198.51.100.7,"}, proxies, "10.0.0.1"},
		{"with port", "10.0.0.1:1", []string{"198.51.100.7:4711"}, proxies, "198.51.100.7"},
		{"IPv6 in brackets with port", "10.0.0.1:1", []string{"[2001:db8::1]:4711"}, proxies, "2001:db8::1"},
		{"IPv6 in brackets", "10.0.0.1:1", []string{"[2001:db8::1]"}, proxies, "2001:db8::1"},
		{"IPv4 in brackets is malformed", "10.0.0.1:1", []string{"[198.51.100.7]"}, proxies, "10.0.0.1"},
		{"IPv6 proxy", "[fd00::1]:1", []string{"2001:db8::1"}, proxies, "2001:db8::1"},
		{"mapped peer", "[::ffff:10.0.0.1]:1", []string{"198.51.100.7"}, proxies, "198.51.100.7"},
		{"mapped entry", "10.0.0.1:1", []string{"::ffff:198.51.100.7"}, proxies, "198.51.100.7"},
		{"mapped prefix", "10.0.0.1:1", []string{"198.51.100.7"}, prefixes("::ffff:10.0.0.0/104"), "198.51.100.7"},
		{"zone", "[fe80::1%eth0]:1", []string{"2001:db8::1%whatever"}, prefixes("fe80::/10"), "2001:db8::1"},
		{"Unix socket", "@", []string{"198.51.100.7"}, proxies, "invalid IP"},
		{"long chain is cut", "10.0.0.1:1", []string{"198.51.100.7" + strings.Repeat(",10.0.0.2", 100)}, proxies, "10.0.0.2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: tc.remote, Header: http.Header{"X-Forwarded-For": tc.xff}}
			require.Equal(t, tc.want, webpage.ClientIP(r, tc.trusted).String())
		})
	}
}

// What a client writes to the left of what our proxy appended never changes the result.
func FuzzClientIP(f *testing.F) {
	for _, s := range []string{"", "1.2.3.4", "10.0.0.2", "x,,", "[::1]:80, 10.0.0.3", "fe80::1%zone", strings.Repeat(",", 90)} {
		f.Add(s)
	}
	trusted := prefixes("10.0.0.0/8")
	f.Fuzz(func(t *testing.T, forged string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {forged, "198.51.100.7, 10.0.0.2"}}}
		if got := webpage.ClientIP(r, trusted); got != netip.MustParseAddr("198.51.100.7") {
			t.Fatalf("forged %q: %s", forged, got)
		}
		r.Header = http.Header{"X-Forwarded-For": {forged}}
		if got := webpage.ClientIP(r, trusted); !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Fatalf("forged %q: %s", forged, got)
		}
		if got := webpage.ClientIP(r, nil); got != netip.MustParseAddr("10.0.0.1") {
			t.Fatalf("untrusted %q: %s", forged, got)
		}
	})
}
