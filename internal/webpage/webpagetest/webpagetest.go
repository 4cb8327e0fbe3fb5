// Package webpagetest checks that a handler made of webpage routes keeps the promises of that package on
// every one of them: one call in the tests of each package of pages.
package webpagetest

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/internal/webpage"
)

// T is the part of *testing.T that the checks need.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Context() context.Context
}

const (
	urlencoded = "application/x-www-form-urlencoded"
	multipart  = "multipart/form-data; boundary=x"
)

// form returns the type of the forms that a route takes, and a field of it.
func form(route webpage.Route, value string) (contentType, body string) {
	if route.Kind == webpage.UploadKind {
		return multipart, "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + value + "\r\n--x--\r\n"
	}
	return urlencoded, "a=" + value
}

// Run walks routes, which h serves below prefix ("" where it serves them at the root): each by its own method,
// by HEAD, by methods that it does not have, from a foreign page, with a wrong body and with one that is too
// large. Whatever the answer, it must carry the header set, and what must be refused must be. Set https where
// the site is configured so.
func Run(t T, h http.Handler, prefix string, https bool, routes []webpage.Route) {
	t.Helper()
	if len(routes) == 0 {
		t.Errorf("there are no routes")
	}
	for _, route := range routes {
		c := checker{T: named{t, "route " + route.Name}, h: h, target: prefix + route.SamplePath(), route: route, https: https}
		c.own()
		c.wrongMethods(routes)
		if route.Method != http.MethodGet {
			c.foreign()
			c.tooLarge()
		}
		if route.Kind == webpage.FormKind || route.Kind == webpage.UploadKind {
			c.wrongType()
		}
	}
	for _, p := range []string{"/no-such-path", "/a//b", "/a/../b", "/assets/none.css", "/%2e%2e/x", "/a%2Fb/"} {
		c := checker{T: named{t, "unknown path " + p}, h: h, target: prefix + p, https: https}
		w := c.do(http.MethodGet, nil, "")
		c.status(w, http.StatusNotFound)
		CheckHeaders(c, w.Header(), webpage.Headers{HTTPS: https})
	}
}

// named says in front of every fault what was asked.
type named struct {
	T
	what string
}

func (n named) Errorf(format string, args ...any) {
	n.Helper()
	n.T.Errorf("%s: "+format, append([]any{n.what}, args...)...)
}

type checker struct {
	T
	h      http.Handler
	target string
	route  webpage.Route
	https  bool
}

// do sends a request as net/http would hand it over.
func (c checker) do(method string, header http.Header, body string) *httptest.ResponseRecorder {
	c.Helper()
	r := httptest.NewRequestWithContext(c.Context(), method, c.target, strings.NewReader(body))
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	return w
}

func (c checker) status(w *httptest.ResponseRecorder, want int) {
	c.Helper()
	if w.Code != want {
		c.Errorf("status %d, want %d", w.Code, want)
	}
}

func (c checker) headers(w *httptest.ResponseRecorder) {
	c.Helper()
	h := w.Header().Clone()
	if c.route.Kind == webpage.AssetKind && w.Code == http.StatusOK && strings.HasSuffix(h.Get("Cache-Control"), ", immutable") {
		h.Set("Cache-Control", "no-store") // files under a hashed name are the one exception
	}
	CheckHeaders(c, h, webpage.Headers{
		FrameAncestors: c.route.FrameAncestors, FormAction: c.route.FormAction,
		Script: c.route.Script, Connect: c.route.Connect, Worker: c.route.Worker, DataImages: c.route.DataImages, HTTPS: c.https,
	})
	if n, err := strconv.Atoi(h.Get("Content-Length")); err == nil && w.Body.Len() > 0 && n != w.Body.Len() {
		c.Errorf("Content-Length %d, body has %d bytes", n, w.Body.Len())
	}
}

func (c checker) own() {
	c.Helper()
	contentType, _ := form(c.route, "")
	w := c.do(c.route.Method, http.Header{"Content-Type": {contentType}}, "")
	c.headers(w)
	if c.route.Method == http.MethodGet {
		head := c.do(http.MethodHead, nil, "")
		c.headers(head)
		c.status(head, w.Code)
		if head.Body.Len() != 0 {
			c.Errorf("the answer to HEAD has a body")
		}
	}
}

func (c checker) wrongMethods(routes []webpage.Route) {
	c.Helper()
	var allowed []string
	for _, r := range routes {
		if r.Pattern == c.route.Pattern {
			allowed = append(allowed, r.Methods()...)
		}
	}
	slices.Sort(allowed)
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"} {
		if slices.Contains(allowed, m) {
			continue
		}
		w := c.do(m, http.Header{"Content-Type": {urlencoded}}, "")
		c.status(w, http.StatusMethodNotAllowed)
		if got := w.Header().Get("Allow"); got != strings.Join(allowed, ", ") {
			c.Errorf("%s: Allow is %q, want %q", m, got, strings.Join(allowed, ", "))
		}
		CheckHeaders(c, w.Header(), webpage.Headers{HTTPS: c.https})
	}
}

func (c checker) foreign() {
	c.Helper()
	contentType, body := form(c.route, "b")
	for _, h := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Sec-Fetch-Site": {"same-site"}},
		{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"null"}},
		{"Origin": {"https://attacker.example"}},
	} {
		h.Set("Content-Type", contentType)
		w := c.do(c.route.Method, h, body)
		c.status(w, http.StatusForbidden)
		c.headers(w)
	}
	if !c.route.Capability {
		c.status(c.do(c.route.Method, http.Header{"Content-Type": {contentType}, "Origin": {"null"}}, body), http.StatusForbidden)
	}
}

func (c checker) tooLarge() {
	c.Helper()
	limit := c.route.MaxBody
	if limit == 0 {
		limit = webpage.MaxForm
	}
	if (c.route.Kind != webpage.FormKind && c.route.Kind != webpage.UploadKind) || limit > 64<<20 {
		return // other handlers read the body themselves, and meet the limit there
	}
	contentType, body := form(c.route, strings.Repeat("x", int(limit)))
	w := c.do(c.route.Method, http.Header{"Content-Type": {contentType}}, body)
	c.status(w, http.StatusRequestEntityTooLarge)
	c.headers(w)
}

func (c checker) wrongType() {
	c.Helper()
	_, body := form(c.route, "b")
	other := multipart
	if c.route.Kind == webpage.UploadKind {
		other = urlencoded
	}
	for _, ct := range []string{"", "text/plain", "application/json", other, "multipart/form-data", "multipart/mixed; boundary=x", ";"} {
		w := c.do(c.route.Method, http.Header{"Content-Type": {ct}}, body)
		c.status(w, http.StatusUnsupportedMediaType)
		c.headers(w)
	}
}

// CheckHeaders reports where h differs from the header set that want gives.
func CheckHeaders(t T, h http.Header, want webpage.Headers) {
	t.Helper()
	set := http.Header{}
	want.Apply(set)
	for k := range set {
		if len(h.Values(k)) != 1 || h.Get(k) != set.Get(k) {
			t.Errorf("header %s is %q, want %q", k, h.Values(k), set.Get(k))
		}
	}
	for _, k := range []string{"X-Frame-Options", "Strict-Transport-Security"} {
		if set.Get(k) == "" && h.Get(k) != "" {
			t.Errorf("header %s is %q, want none", k, h.Get(k))
		}
	}
	if h.Get("Set-Cookie") != "" && h.Get("Cache-Control") != "no-store" {
		t.Errorf("a response that sets a cookie may be cached")
	}
}
