package httpx

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
)

// origin is scheme, host and port of u in one canonical spelling, or "" where u is not an absolute http(s) URL.
func origin(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	switch {
	case scheme != "https" && scheme != "http", u.Hostname() == "", u.Opaque != "":
		return ""
	case port == "" && scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return scheme + "://" + host + ":" + port
}

// SameOrigin reports whether a and b have the same scheme, host and port. It compares whole values, never
// prefixes, so that api.example.com.evil.test is not api.example.com.
func SameOrigin(a, b *url.URL) bool {
	return a != nil && b != nil && origin(a) != "" && origin(a) == origin(b)
}

// ParseBaseURL reads the base URL of an API: absolute, https, or http on loopback as emulators have it, without user,
// query or fragment. A slash at the end is removed from the path. Errors do not repeat what was given.
func ParseBaseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || origin(u) == "":
		return nil, fmt.Errorf("httpx: base URL is not an absolute http(s) URL: %w", mspkit.ErrInvalid)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("httpx: base URL must not have a user, a query or a fragment: %w", mspkit.ErrInvalid)
	case strings.EqualFold(u.Scheme, "http") && !loopback(u.Hostname()):
		return nil, fmt.Errorf("httpx: base URL must be https, except on loopback: %w", mspkit.ErrInvalid)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && a.IsLoopback())
}

// guardOrigin fails where r carries credentials to an origin that is not configured.
func (t *Transport) guardOrigin(r *http.Request) error {
	if len(t.origins) == 0 || slices.Contains(t.origins, origin(r.URL)) {
		return nil
	}
	if r.URL.User != nil || slices.ContainsFunc(t.credentials, func(h string) bool { return len(r.Header.Values(h)) > 0 }) {
		return ErrOrigin
	}
	return nil
}

// checkRedirect allows up to t.redirects redirects and takes the credentials from those that leave the origin.
// net/http itself keeps Authorization for subdomains and other headers for everybody.
func (t *Transport) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > t.redirects {
		return ErrRedirect
	}
	if !SameOrigin(req.URL, via[0].URL) {
		if strings.EqualFold(via[0].URL.Scheme, "https") && !strings.EqualFold(req.URL.Scheme, "https") {
			return ErrRedirect // never from TLS to plain text
		}
		for _, h := range t.credentials {
			req.Header.Del(h)
		}
		req.Header.Del("Referer")
	}
	return nil
}
