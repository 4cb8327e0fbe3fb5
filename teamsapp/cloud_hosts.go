package teamsapp

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/mspkit/mspkit"
)

// maxServiceURL is in bytes; real ones have less than a hundred.
const maxServiceURL = 512

// trusted returns a service URL that the bot's token may be sent to, with its host in lower case and without a slash at
// the end of its path. The error is [ErrServiceURL] and does not repeat the URL.
//
// It accepts one plain spelling only. Whatever two programs could read differently (user names, escapes, backslashes,
// dots at the end of the host, dot segments, other alphabets) is refused, because the HTTP client and not this function
// decides in the end where the token goes.
func (c Cloud) trusted(serviceURL string) (*url.URL, error) {
	u, err := plainURL(serviceURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" && !loopbackHost(u.Hostname()) {
		return nil, fmt.Errorf("not https: %w", ErrServiceURL)
	}
	for _, h := range c.Hosts {
		if matchHost(h, u) {
			return u, nil
		}
	}
	return nil, fmt.Errorf("foreign host: %w", ErrServiceURL)
}

// trusted is [Cloud.trusted], and accepts every loopback address where the bot takes activities from emulators.
func (o *Options) trusted(serviceURL string) (*url.URL, error) {
	if o.InsecureLoopback {
		if u, err := plainURL(serviceURL); err == nil && loopbackHost(u.Hostname()) {
			return u, nil
		}
	}
	return o.Cloud.trusted(serviceURL)
}

// plainURL reads an absolute http(s) URL in its plainest spelling.
func plainURL(s string) (*url.URL, error) {
	bad := fmt.Errorf("not a plain URL: %w", ErrServiceURL)
	if s == "" || len(s) > maxServiceURL || strings.ContainsAny(s, `\%?#@"<>{}|^`+"`") || strings.ContainsFunc(s, notPrintable) {
		return nil, bad
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Opaque != "" || strings.HasSuffix(u.Host, ":") {
		return nil, bad
	}
	u.Host = strings.ToLower(u.Host)
	if !plainHost(u.Hostname()) {
		return nil, bad
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return nil, bad
		}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// notPrintable reports whether r is not a printable ASCII character other than the space.
func notPrintable(r rune) bool { return r <= ' ' || r > '~' }

// plainHost reports whether host is an IP address without a zone or a name of ASCII labels without a dot at the end.
// Names are in lower case.
func plainHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == ""
	}
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

func loopbackHost(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && a.Unmap().IsLoopback())
}

// matchHost reports whether u lies on the host h of [Cloud.Hosts].
func matchHost(h string, u *url.URL) bool {
	name, port, err := splitHost(h)
	if err != nil || effectivePort(u) != port {
		return false
	}
	if strings.HasPrefix(name, ".") {
		return len(u.Hostname()) > len(name) && strings.HasSuffix(u.Hostname(), name)
	}
	return u.Hostname() == name
}

func effectivePort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// splitHost takes apart an entry of [Cloud.Hosts]. Without a port it is 443.
func splitHost(entry string) (name, port string, err error) {
	rest, below := strings.CutPrefix(strings.ToLower(entry), ".")
	u, err := url.Parse("https://" + rest)
	if err != nil || u.Host != rest || strings.HasSuffix(rest, ":") || !plainHost(u.Hostname()) {
		return "", "", errors.New("not a host name")
	}
	name = u.Hostname()
	if below {
		if _, err := netip.ParseAddr(name); err == nil {
			return "", "", errors.New("an address has no hosts below it")
		}
		name = "." + name
	}
	return name, effectivePort(u), nil
}

// checkHosts reports what is wrong with the hosts, as [mspkit.ErrInvalid].
func (c Cloud) checkHosts() error {
	var errs []error
	if len(c.Hosts) == 0 {
		errs = append(errs, fmt.Errorf("the cloud has no hosts that the bot's token may be sent to: %w", mspkit.ErrInvalid))
	}
	for i, h := range c.Hosts {
		if _, _, err := splitHost(h); err != nil {
			errs = append(errs, fmt.Errorf("host %d of the cloud: %w: %w", i+1, err, mspkit.ErrInvalid))
		}
	}
	return errors.Join(errs...)
}
