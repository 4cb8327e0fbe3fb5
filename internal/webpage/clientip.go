package webpage

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how far [ClientIP] walks back through X-Forwarded-For.
const maxHops = 32

// ClientIP returns the address of the client, for limits and for the record.
//
// Without trusted proxies that is the peer of the connection: anybody can write X-Forwarded-For. With them,
// and if the peer is one of them, it is the rightmost address of X-Forwarded-For that is not trusted, because
// every proxy appends the address that it saw. A malformed entry ends the walk: what stands left of it was
// not written by a proxy of ours, and the last address that was is returned.
//
// The result is unmapped, without zone, and the zero Addr where the peer has no IP address (a Unix socket).
func ClientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	client, ok := parseHop(r.RemoteAddr)
	if !ok || !contains(trusted, client) {
		return client
	}
	hops := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for range maxHops {
		i := strings.LastIndexByte(hops, ',')
		hop, ok := parseHop(strings.Trim(hops[i+1:], " \t"))
		if !ok {
			return client
		}
		client = hop
		if i < 0 || !contains(trusted, client) {
			return client
		}
		hops = hops[:i]
	}
	return client
}

// parseHop reads an address with or without port, in the spellings that proxies write.
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
		if !strings.Contains(s, ":") {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		// A prefix written in the mapped form means the same addresses as its IPv4 form.
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.Contains(a) {
			return true
		}
	}
	return false
}
