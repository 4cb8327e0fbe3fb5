package webpage

import (
	"net/url"
	"path"
	"strings"
)

// maxLocalPath is in bytes: it stands in addresses and cookies of others.
const maxLocalPath = 1 << 10

// LocalPath reports whether s is a path of the same host, with its query, in the spelling that no browser and no proxy reads in
// another way: what begins with two slashes or a slash and a backslash is another host to a browser, and so may be what a proxy
// decodes or cleans before it. A browser that is sent there stays. A fragment is none of it.
func LocalPath(s string) bool {
	if s == "" || len(s) > maxLocalPath || s[0] != '/' {
		return false
	}
	for i := range len(s) { // also everything that is not ASCII: addresses have it encoded
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\\\"<>^`{|}#", c) >= 0 {
			return false
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return false
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return false
	}
	// Whoever decodes a second time must not find anything else either.
	for decoded, _, _ := strings.Cut(s, "?"); ; {
		if !plainPath(decoded) {
			return false
		}
		next, err := url.PathUnescape(decoded)
		if err != nil {
			return false
		}
		if next == decoded {
			return true
		}
		decoded = next
	}
}

// plainPath reports whether a path is one of this host and stays it when it is cleaned.
func plainPath(p string) bool {
	if strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\@") || !strings.HasPrefix(p, "/") {
		return false
	}
	for i := range len(p) {
		if p[i] < ' ' || p[i] == 0x7f {
			return false
		}
	}
	clean := path.Clean(p)
	return clean == p || clean+"/" == p
}
