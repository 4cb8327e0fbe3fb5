package httpx

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// GuardOptions configures [Guard].
type GuardOptions struct {
	// Allow lists addresses that may be reached although they are not public, for example a ticket system in the
	// host's own network.
	Allow []netip.Prefix
}

// Guard returns a transport for addresses that a tenant can type. It checks every address after DNS, right before
// the connection is made, so that a name which resolves to something else at the second lookup gains nothing.
// Only public unicast addresses pass: none that is private, loopback, link-local, shared (CGNAT), multicast,
// reserved, translated (NAT64, 6to4, Teredo) or a cloud's metadata service, unless it is listed. It takes no proxy
// from the environment, because a proxy would make the connection in its place.
func Guard(o *GuardOptions) *http.Transport {
	var allow []netip.Prefix
	if o != nil {
		allow = slices.Clone(o.Allow)
	}
	dialer := &net.Dialer{
		Timeout:   10 * time.Second,
		KeepAlive: 30 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !Public(ap.Addr(), allow...) {
				// The address is not named: it would tell the tenant what stands in the host's network.
				return fmt.Errorf("httpx: %w", ErrAddress)
			}
			return nil
		},
	}
	return &http.Transport{
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Public reports whether a is a public unicast address or lies in allow. IPv4-mapped IPv6 addresses count as the
// IPv4 address that they mean; for IPv6 a zone is never public.
func Public(a netip.Addr, allow ...netip.Prefix) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	in := func(p netip.Prefix) bool { return p.Contains(a) }
	switch {
	case !a.IsValid():
		return false
	case slices.ContainsFunc(allow, in):
		return true
	case a.Is4():
		return !slices.ContainsFunc(special4, in)
	}
	return globalUnicast6.Contains(a) && !slices.ContainsFunc(special6, in)
}

// From the IANA registries of special-purpose addresses,
// https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry.
var (
	special4 = prefixes(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"168.63.129.16/32", // Azure's virtual host service: public by its number, local by its meaning
	)
	// What IPv6 has outside 2000::/3 is not global unicast: ::1, ULA (with fd00:ec2::254), link-local,
	// multicast, and both NAT64 prefixes, 64:ff9b::/96 and 64:ff9b:1::/48.
	globalUnicast6 = netip.MustParsePrefix("2000::/3")
	special6       = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}
