package entra_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
)

// good and bad are addresses to come back to.
var (
	goodReturns = []string{
		"/", "/tickets/7", "/tickets/7/", "/tickets?tab=notes&x=%2F%2Fevil.example", "/a%20b", "/%C3%BC", "/x;y=1", "/a?u=https://evil.example", "/a:b", "/?",
	}
	badReturns = []string{
		"//", "//?x=y", "/%2F", "//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example", "\\\\evil.example", "https://evil.example", "HTTPS:evil.example",
		"https:/evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example", "@evil.example", "/@evil.example", "/x@evil.example",
		"http://127.0.0.1@evil.example/", "/%2Fevil.example", "/%2f%2fevil.example", "/%5Cevil.example", "/%5cevil.example", "/%252Fevil.example",
		"/%25252Fevil.example", "/.//evil.example", "/..//evil.example", "/x/..//evil.example", "/%2e%2e//evil.example", "/x/%2e%2e/%2fevil.example",
		"/../auth", "/.", "/a//b", "/\tevil.example", "/%09/evil.example", "/\n//evil.example", "/%0a", "/%0d%0aSet-Cookie:x=y", "/%00", "/%7f", " //evil.example",
		"/ /evil.example", "/\u00a0/evil.example", "/\u2215evil.example", "/\uff0fevil.example", "/a#b", "/a%", "/a%zz", "/a?%zz", "/a?x;y", "?x=y", "#x",
		"/" + strings.Repeat("a", 1100), "/\"onmouseover=x", "/<script>", "/%40evil.example",
	}
)

func TestOnlyAPathOfTheHostIsAnAddressToComeBackTo(t *testing.T) {
	t.Parallel()
	for _, s := range goodReturns {
		got, err := entra.ReturnTo(s)
		require.NoError(t, err, s)
		require.Equal(t, s, got)
	}
	for _, s := range badReturns {
		_, err := entra.ReturnTo(s)
		require.Error(t, err, s)
		require.Equal(t, entra.ReasonReturn, entra.ReasonOf(err), s)
	}
	_, err := entra.ReturnTo("")
	require.Error(t, err)
}

func TestEveryBadReturnAddressIsRefusedWithAPageAndAnEvent(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil).serve(t)
	for _, s := range badReturns {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			b := newBrowser(t)
			var p page
			if method == http.MethodGet {
				p = b.get(h.base+"/signin?to="+url.QueryEscape(s), nil)
			} else {
				p = b.post(h.base+"/signin", url.Values{"to": {s}}, nil)
			}
			require.Equal(t, http.StatusBadRequest, p.status, s)
			require.NotContains(t, p.body, "evil.example", s)
			list := h.audit.take()
			require.Len(t, list, 1)
			require.Equal(t, string(entra.ReasonReturn), list[0].Reason)
		}
	}
	require.Empty(t, h.Requests(""))
}

func FuzzReturnTo(f *testing.F) {
	for _, s := range append(goodReturns, badReturns...) {
		f.Add(s)
	}
	base, _ := url.Parse("https://msp.example/auth/callback")
	f.Fuzz(func(t *testing.T, s string) {
		to, err := entra.ReturnTo(s)
		if err != nil {
			require.Equal(t, entra.ReasonReturn, entra.ReasonOf(err))
			return
		}
		require.Equal(t, s, to)
		// What browsers make of it: white space is dropped, a backslash is a slash.
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(strings.TrimSpace(to))
		require.Equal(t, to, seen)
		u, err := base.Parse(seen)
		require.NoError(t, err)
		require.Equal(t, "msp.example", u.Host)
		require.Equal(t, "https", u.Scheme)
		for p := u.EscapedPath(); ; {
			require.False(t, strings.HasPrefix(p, "//"))
			require.NotContains(t, p, "..//")
			require.Equal(t, strings.TrimSuffix(p, "/"), strings.TrimSuffix(path.Clean(p), "/"))
			next, err := url.PathUnescape(p)
			require.NoError(t, err)
			if next == p {
				break
			}
			p = next
		}
		w := httptest.NewRecorder()
		w.Header().Set("Location", to)
		require.Equal(t, to, w.Header().Get("Location"))
	})
}
