package graphx

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

// maxURL is the longest URL that is sent or taken from an answer, in bytes. Links of pages have some thousand.
const maxURL = 64 << 10

// resolve returns where r goes. It is always on the Graph host, below the base URL's path.
func (c *Client) resolve(r *Request) (*url.URL, error) {
	if !strings.HasPrefix(r.Path, "/") || strings.HasPrefix(r.Path, "//") {
		if len(r.Query) > 0 || r.Version != "" {
			return nil, fmt.Errorf("graphx: a link of Graph is followed as it is, without query or version: %w", mspkit.ErrInvalid)
		}
		return c.resolveLink(r.Path)
	}
	version := r.Version
	if version == "" {
		version = "v1.0"
	}
	u, err := url.Parse(c.base.String() + "/" + version + r.Path)
	if err != nil || !within(c.base, u) || u.Fragment != "" || strings.Contains(version, "/") || len(u.RequestURI()) > maxURL {
		return nil, fmt.Errorf("graphx: the path cannot be used: %w", mspkit.ErrInvalid)
	}
	if len(r.Query) > 0 {
		if u.RawQuery != "" {
			return nil, fmt.Errorf("graphx: a query in the path and another one: %w", mspkit.ErrInvalid)
		}
		// Graph takes "+" for a plus in some places.
		u.RawQuery = strings.ReplaceAll(r.Query.Encode(), "+", "%20")
	}
	return u, nil
}

// resolveLink returns a link that Graph gave, [ErrOrigin] where it leads elsewhere: to another scheme, host, port or path
// prefix, or with a user in it.
func (c *Client) resolveLink(link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil || link == "" || len(link) > maxURL || !within(c.base, u) {
		return nil, ErrOrigin // without the error of url.Parse, which quotes the link
	}
	u.Scheme, u.Host, u.Fragment, u.RawFragment = c.base.Scheme, c.base.Host, "", "" // in our spelling
	return u, nil
}

// within reports whether u is on the host of base and below its path.
func within(base, u *url.URL) bool {
	if u.User != nil || !httpx.SameOrigin(base, u) || slices.ContainsFunc(strings.FieldsFunc(u.Path, slash), dots) {
		return false
	}
	return base.Path == "" || strings.HasPrefix(u.EscapedPath(), base.EscapedPath()+"/")
}

func slash(r rune) bool { return r == '/' || r == '\\' }

func dots(segment string) bool { return segment == "." || segment == ".." }
