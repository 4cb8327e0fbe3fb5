package webpage_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
)

func TestEveryRouteKeepsThePromises(t *testing.T) {
	t.Parallel()
	walkable := func(routes []webpage.Route) (out []webpage.Route) {
		for _, r := range routes {
			if r.Name != "panic late" { // aborts the connection, see its own test
				out = append(out, r)
			}
		}
		return out
	}
	t.Run("at the root", func(t *testing.T) {
		t.Parallel()
		site, _ := newSite(t, nil)
		webpagetest.Run(t, site, "", false, walkable(site.Routes()))
	})
	t.Run("with a prefix of its own and HTTPS", func(t *testing.T) {
		t.Parallel()
		site, _ := newSite(t, func(o *webpage.Options) { o.Prefix, o.HTTPS = "/in/verify", true })
		webpagetest.Run(t, site, "/in/verify", true, walkable(site.Routes()))
	})
	t.Run("behind StripPrefix", func(t *testing.T) {
		t.Parallel()
		site, _ := newSite(t, nil)
		webpagetest.Run(t, http.StripPrefix("/verify", site), "/verify", false, walkable(site.Routes()))
	})
}

func TestLooserHeadersAreWritten(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	webpage.Headers{}.Apply(h)
	require.Equal(t, "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"))
	require.Equal(t, "DENY", h.Get("X-Frame-Options"))
	require.Equal(t, "no-store", h.Get("Cache-Control"))
	require.Equal(t, "no-referrer", h.Get("Referrer-Policy"))
	require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
	require.Equal(t, "noindex, nofollow", h.Get("X-Robots-Tag"))
	require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"))
	require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"))
	require.Empty(t, h.Get("Strict-Transport-Security"))
	webpage.Headers{FrameAncestors: []string{"'self'", "https://a.example"}, FormAction: []string{"https://b.example"}, Script: true, Connect: true, Worker: true, DataImages: true, HTTPS: true}.Apply(h)
	require.Equal(t, "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; worker-src 'self'; form-action 'self' https://b.example; base-uri 'none'; frame-ancestors 'self' https://a.example", h.Get("Content-Security-Policy"))
	require.Empty(t, h.Get("X-Frame-Options"))
	require.Equal(t, "max-age=31536000", h.Get("Strict-Transport-Security"))
}

func TestFormsFromWhere(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	for _, tc := range []struct {
		name   string
		path   string
		header []string
		want   int
	}{
		{"modern browser, same origin", "/settings", []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, 200},
		{"typed address", "/settings", []string{"Sec-Fetch-Site", "none"}, 200},
		{"no metadata at all", "/settings", nil, 200},
		{"old browser with its origin", "/settings", []string{"Origin", "https://example.com"}, 200},
		{"old browser without referrer, cookie route", "/settings", []string{"Origin", "null"}, 403},
		{"old browser without referrer, capability route", "/c/t", []string{"Origin", "null"}, 303},
		{"foreign page, capability route", "/c/t", []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, post(t, site, tc.path, "to=x", tc.header...).Code)
		})
	}
}

func TestMalformedFormIsRefused(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	require.Equal(t, 400, post(t, site, "/settings", "a=%zz").Code)
	require.Equal(t, 400, post(t, site, "/settings", "a=1;b=2").Code)
}

func TestRedirectStaysBelowThePrefix(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	own, _ := newSite(t, func(o *webpage.Options) { o.Prefix = "/x/y" })
	for target, h := range map[string]http.Handler{
		"/c/t": site, "/verify/c/t": http.StripPrefix("/verify", site), "/verify/c/a%2Fb": http.StripPrefix("/verify", site),
		"/x/y/c/a%2Fb": own, "/x/y/c/%C3%A4": own,
	} {
		w := post(t, h, target, "to=next")
		require.Equal(t, 303, w.Code, target)
		base, err := url.Parse("http://h" + target)
		require.NoError(t, err)
		to, err := base.Parse(w.Header().Get("Location"))
		require.NoError(t, err)
		prefix, _, _ := strings.Cut(target, "/c/")
		require.Equal(t, prefix+"/c/next", to.Path, target)
	}
}

var links = regexp.MustCompile(`(?:href|src)="([^"]+)"`)

// Every address on a page must lead to something, wherever the site is mounted and however deep the page.
func TestEveryLinkOnEveryPageResolves(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	own, _ := newSite(t, func(o *webpage.Options) { o.Prefix = "/verify" })
	for name, h := range map[string]http.Handler{"stripped": http.StripPrefix("/verify", site), "own": own} {
		for _, page := range []string{"/", "/c/t", "/c/a%2Fb", "/deep/er/and/deeper", "/c/", "/framed"} {
			w := get(t, h, "/verify"+page)
			base, err := url.Parse("http://h/verify" + page)
			require.NoError(t, err)
			found := 0
			for _, m := range links.FindAllStringSubmatch(w.Body.String(), -1) {
				if strings.HasSuffix(m[1], "other") || strings.HasPrefix(m[1], "tel:") || strings.HasPrefix(m[1], "https:") {
					continue
				}
				to, err := base.Parse(m[1])
				require.NoError(t, err)
				a := get(t, h, to.EscapedPath())
				require.Equal(t, 200, a.Code, "%s: %s links to %s", name, page, m[1])
				require.NotContains(t, a.Header().Get("Content-Type"), "html")
				found++
			}
			require.GreaterOrEqual(t, found, 3, page)
		}
	}
}

func TestPathsThatServeMuxWouldRedirectAreNotFound(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	own, _ := newSite(t, func(o *webpage.Options) { o.Prefix = "/v" })
	for _, p := range []string{"//c/t", "/c//t", "/c/./t", "/c/../c/t", "/c/t/", "/c", "/c/"} {
		require.Equal(t, 404, get(t, site, p).Code, p)
		require.Equal(t, 404, get(t, own, "/v"+p).Code, p)
	}
	for _, p := range []string{"/", "/c/t", "/vv/c/t", "/v", "/%76/c/t"} {
		require.Equal(t, 404, get(t, own, p).Code, p)
	}
	r := httptest.NewRequestWithContext(t.Context(), "OPTIONS", "/", nil)
	r.URL.Path, r.RequestURI = "*", "*"
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	require.Equal(t, 404, w.Code)
}

func TestTemplateFaultIsACleanErrorPage(t *testing.T) {
	t.Parallel()
	site, log := newSite(t, nil)
	w := get(t, site, "/broken")
	require.Equal(t, 500, w.Code)
	require.NotContains(t, w.Body.String(), "half a page")
	require.NotContains(t, w.Body.String(), "no.such.key")
	require.Contains(t, w.Body.String(), "Something went wrong on our side")
	require.Contains(t, log.String(), "no.such.key")
}

func TestPanicIsAnErrorPageAndTellsNothing(t *testing.T) {
	t.Parallel()
	site, log := newSite(t, nil)
	w := get(t, site, "/panic/link-token")
	require.Equal(t, 500, w.Code)
	webpagetest.CheckHeaders(t, w.Header(), webpage.Headers{})
	require.Contains(t, w.Body.String(), "Something went wrong on our side")
	for _, s := range []string{w.Body.String(), log.String()} {
		require.NotContains(t, s, "hunter")
		require.NotContains(t, s, "0x", "a stack must not print arguments")
		require.NotContains(t, s, "link-token")
	}
	require.Contains(t, log.String(), "panic=string")
	require.Contains(t, log.String(), "helper_test.go:", "the place of the panic")
}

func TestPanicAfterWritingAbortsTheConnection(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { get(t, site, "/panic-late") })
}

func TestEqualPagesAreEqualBytes(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	a, b := get(t, site, "/c/one"), get(t, site, "/c/two")
	require.Equal(t, a.Body.String(), b.Body.String())
	require.Equal(t, a.Header(), b.Header())
}

func TestNoPageHasInlineStyleOrScript(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	for _, p := range []string{"/", "/c/t", "/none", "/broken", "/framed"} {
		body := get(t, site, p).Body.String()
		require.NotRegexp(t, `<style|\sstyle=|\son[a-z]+=|<script>|javascript:|data:`, body, p)
		require.NotContains(t, body, "ZgotmplZ", p)
	}
}

func TestPageShowsBrandAndEscapesData(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	body := get(t, site, "/c/t").Body.String()
	require.Contains(t, body, "<strong><bdi>Jonas &lt;b&gt;</bdi></strong> is asking.")
	require.Contains(t, body, `<i>shared</i>`)
	require.Contains(t, body, `href="tel:&#43;496912`)
	require.Contains(t, body, `href="https://help.contoso.example/"`)
	require.Contains(t, body, `>help.contoso.example<`)
	require.Contains(t, body, `alt="Contoso IT"`)
	require.Contains(t, body, "assets/accent-d97706.")
	require.Contains(t, get(t, site, "/none").Body.String(), `alt="Northwind MSP"`)
}

func TestLanguageOfThePage(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	w := get(t, site, "/c/t", "Accept-Language", "fr, de-AT;q=0.9, en;q=0.5")
	require.Contains(t, w.Body.String(), `<html lang="de" dir="ltr">`)
	require.Contains(t, w.Body.String(), "Es fragt <strong>")
	require.Equal(t, "de", w.Header().Get("Content-Language"))
	w = get(t, site, "/none", "Accept-Language", "ar-XB")
	require.Contains(t, w.Body.String(), `<html lang="ar-XB" dir="rtl">`)
}

func TestLogo(t *testing.T) {
	t.Parallel()
	site, log := newSite(t, nil)
	for _, tc := range []struct {
		path   string
		status int
		cache  string
	}{
		{"/assets/logo/0000000000000000/a%2Fb", 200, "no-store"},
		{"/assets/logo/" + hashOf(t, site, "/none") + "/-", 200, "public, max-age=31536000, immutable"},
		{"/assets/logo/0/unknown", 404, "no-store"},
		{"/assets/logo/0/svg", 404, "no-store"},
		{"/assets/logo/0/down", 500, "no-store"},
	} {
		w := get(t, site, tc.path)
		require.Equal(t, tc.status, w.Code, tc.path)
		require.Equal(t, tc.cache, w.Header().Get("Cache-Control"), tc.path)
		if w.Code == 200 {
			require.Equal(t, "image/png", w.Header().Get("Content-Type"))
		} else {
			require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
		}
	}
	require.Contains(t, log.String(), "store is down")
}

func hashOf(t *testing.T, h http.Handler, page string) string {
	t.Helper()
	m := regexp.MustCompile(`assets/logo/([0-9a-f]+)/-`).FindStringSubmatch(get(t, h, page).Body.String())
	require.NotNil(t, m)
	return m[1]
}

func TestAccentFileOfAnotherReleaseIsServedButNotCached(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	w := get(t, site, "/assets/accent-d97706.0000000000000000.css")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Contains(t, w.Body.String(), "--accent:#d97706")
	for _, bad := range []string{"accent-red.0000000000000000.css", "accent-d97706.css", "accent-D97706.0000000000000000.css", "accent-d97706;x.0000000000000000.css", "app.css", "..%2fdoc.go"} {
		require.Equal(t, 404, get(t, site, "/assets/"+bad).Code, bad)
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	ok := func(http.ResponseWriter, *http.Request) {}
	catalog, err := webpage.LoadCatalog(texts())
	require.NoError(t, err)
	page := func(main string) fstest.MapFS {
		return fstest.MapFS{"p.html": file(`{{define "title"}}x{{end}}{{define "main"}}` + main + `{{end}}`)}
	}
	r := webpage.Route{Name: "a", Method: "GET", Pattern: "/a", Kind: webpage.PageKind, Handler: ok}
	with := func(f func(*webpage.Route)) []webpage.Route { c := r; f(&c); return []webpage.Route{c} }
	for _, tc := range []struct {
		name   string
		routes []webpage.Route
		opts   webpage.Options
		want   string
	}{
		{"no name", with(func(r *webpage.Route) { r.Name = "" }), webpage.Options{}, "it has no name"},
		{"no kind", with(func(r *webpage.Route) { r.Kind = 0 }), webpage.Options{}, "it has no kind"},
		{"no handler", with(func(r *webpage.Route) { r.Handler = nil }), webpage.Options{}, "it has no handler"},
		{"page by POST", with(func(r *webpage.Route) { r.Method = "POST" }), webpage.Options{}, `a page has the method GET, not "POST"`},
		{"form by GET", with(func(r *webpage.Route) { r.Kind = webpage.FormKind }), webpage.Options{}, `the kind form has the method POST, not "GET"`},
		{"upload by GET", with(func(r *webpage.Route) { r.Kind = webpage.UploadKind }), webpage.Options{}, `the kind upload has the method POST, not "GET"`},
		{"file of a page", with(func(r *webpage.Route) { r.MaxFile = 1 }), webpage.Options{}, "a file of 1 bytes is not a limit of a route of the kind page"},
		{"subtree", with(func(r *webpage.Route) { r.Pattern = "/a/" }), webpage.Options{}, "must begin with a slash and not end in one"},
		{"host", with(func(r *webpage.Route) { r.Pattern = "h.example/a" }), webpage.Options{}, "must begin with a slash"},
		{"bad wildcard", with(func(r *webpage.Route) { r.Pattern = "/{a" }), webpage.Options{}, "webpage: pattern"},
		{"assets are taken", with(func(r *webpage.Route) { r.Pattern = "/assets/{x}" }), webpage.Options{}, "webpage: pattern"},
		{"frame by any", with(func(r *webpage.Route) { r.FrameAncestors = []string{"*"} }), webpage.Options{}, `frame ancestor "*"`},
		{"frame injection", with(func(r *webpage.Route) { r.FrameAncestors = []string{"https://a; script-src *"} }), webpage.Options{}, "frame ancestor"},
		{"form action", with(func(r *webpage.Route) { r.FormAction = []string{"http://a.example"} }), webpage.Options{}, "form action"},
		{"form action to a plain address", with(func(r *webpage.Route) { r.FormAction = []string{"http://192.0.2.1:80"} }), webpage.Options{}, "form action"},
		{"form action that goes on", with(func(r *webpage.Route) { r.FormAction = []string{"http://127.0.0.1:80 *"} }), webpage.Options{}, "form action"},
		{"plain frame", with(func(r *webpage.Route) { r.FrameAncestors = []string{"http://127.0.0.1:80"} }), webpage.Options{}, "frame ancestor"},
		{"twice", []webpage.Route{r, r}, webpage.Options{}, "the name is taken"},
		{"prefix", nil, webpage.Options{Prefix: "/a/"}, `prefix "/a/"`},
		{"brand", nil, webpage.Options{Brand: mspkit.Brand{Name: "x", Color: "red"}}, `colour "red"`},
		{"asset type", nil, webpage.Options{Assets: fstest.MapFS{"a.html": file("x")}}, `asset "a.html"`},
		{"asset taken", nil, webpage.Options{Assets: fstest.MapFS{"app.css": file("x")}}, `asset "app.css"`},
		{"template syntax", nil, webpage.Options{Templates: page("{{")}, "template p.html"},
		{"no main", nil, webpage.Options{Templates: fstest.MapFS{"p.html": file(`{{define "title"}}x{{end}}`)}}, `p.html: it does not define "main"`},
		{"unknown text", nil, webpage.Options{Catalog: catalog, Templates: page(`{{if true}}{{.T "t.nope"}}{{end}}`)}, `p.html: there is no text "t.nope"`},
		{"unknown text in a range", nil, webpage.Options{Catalog: catalog, Templates: page(`{{range .Data}}{{$.T "t.nope"}}{{end}}`)}, `there is no text "t.nope"`},
		{"placeholder not given", nil, webpage.Options{Catalog: catalog, Templates: page(`{{template "rich" (.Parts "t.who")}}`)}, `text "t.who": placeholders [] are given, the text has ["technician"]`},
		{"unknown asset", nil, webpage.Options{Templates: page(`<script src="{{.Asset "x.js"}}"></script>`)}, `there is no asset "x.js"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := webpage.New(tc.routes, &tc.opts)
			require.ErrorContains(t, err, tc.want)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
		})
	}
	_, err = webpage.New(nil, nil)
	require.NoError(t, err)
}

func TestOverTheWire(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	mux := http.NewServeMux()
	mux.Handle("/verify/", http.StripPrefix("/verify", site))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	client := srv.Client()
	for _, method := range []string{"GET", "HEAD"} {
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/verify/c/a%2Fb", nil)
		require.NoError(t, err)
		res, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 200, res.StatusCode)
		require.Positive(t, res.ContentLength)
		require.Empty(t, res.TransferEncoding)
	}
	res, err := client.Get(srv.URL + "/verify/panic-late")
	if err == nil {
		_ = res.Body.Close()
	}
	require.Error(t, err, "a half-written page must not look complete")
}

// The header set is made once. What a handler does to it must not reach the next request.
func TestAHandlersHeadersAreItsOwn(t *testing.T) {
	t.Parallel()
	site, err := webpage.New([]webpage.Route{{
		Name: "adds", Method: http.MethodPost, Pattern: "/adds", Kind: webpage.APIKind,
		Handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("X-Robots-Tag", "noarchive")
			w.Header().Set("Cache-Control", "public")
			w.WriteHeader(http.StatusNoContent)
		},
	}}, nil)
	require.NoError(t, err)
	for range 2 {
		w := httptest.NewRecorder()
		w.Header().Set("Strict-Transport-Security", "of the host")
		site.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/adds", nil))
		require.Equal(t, http.StatusNoContent, w.Code)
		require.Equal(t, []string{"noindex, nofollow", "noarchive"}, w.Header()["X-Robots-Tag"])
		require.Equal(t, "public", w.Header().Get("Cache-Control"))
		require.Empty(t, w.Header().Get("Strict-Transport-Security"))
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/nothing", nil))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
}
