package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/psa"
)

// serve returns a client of a server that answers by h.
func serve(t *testing.T, h http.HandlerFunc) (*Client, *url.URL) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	base, err := url.Parse(srv.URL)
	require.NoError(t, err)
	hc, err := httpx.NewClient(nil, &httpx.Options{Origins: []string{srv.URL}, MaxRetries: -1, TryTimeout: 2 * time.Second})
	require.NoError(t, err)
	return &Client{System: "testdesk", HTTP: hc, RequestID: "X-Request", Sign: func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer canary-key")
		return nil
	}}, base
}

// What a status means depends on whether something was to be written.
func TestAnAnswerSaysWhetherSomethingWasWritten(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ read, write error }{
		400: {psa.ErrValidation, psa.ErrValidation}, 401: {psa.ErrUnauthorized, psa.ErrUnauthorized}, 403: {psa.ErrForbidden, psa.ErrForbidden},
		404: {psa.ErrNotFound, psa.ErrNotFound}, 408: {psa.ErrUnavailable, psa.ErrAmbiguousWrite}, 409: {psa.ErrConflict, psa.ErrConflict},
		410: {psa.ErrNotFound, psa.ErrNotFound}, 412: {psa.ErrConflict, psa.ErrConflict}, 422: {psa.ErrValidation, psa.ErrValidation},
		429: {psa.ErrRateLimited, psa.ErrRateLimited}, 500: {psa.ErrUnavailable, psa.ErrAmbiguousWrite}, 502: {psa.ErrUnavailable, psa.ErrAmbiguousWrite},
		503: {psa.ErrUnavailable, psa.ErrAmbiguousWrite}, 504: {psa.ErrUnavailable, psa.ErrAmbiguousWrite},
	} {
		c, base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("X-Request", "abc-1")
			w.WriteHeader(status)
		})
		for _, write := range []bool{false, true} {
			method, sentinel := http.MethodGet, want.read
			if write {
				method, sentinel = http.MethodPost, want.write
			}
			_, err := c.Do(t.Context(), Request{Op: "try", Method: method, URL: base, Write: write}, nil)
			require.ErrorIs(t, err, sentinel, "%d, write %v", status, write)
			e, ok := errors.AsType[*psa.Error](err)
			require.True(t, ok)
			require.Equal(t, status, e.Status)
			require.Equal(t, 7*time.Second, e.RetryAfter)
			require.Equal(t, "abc-1", e.RequestID)
			require.Equal(t, "testdesk", e.System)
		}
	}
}

// Without an answer a read is unavailable and a write is unclear; what never left is neither.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	c, base := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := c.Do(t.Context(), Request{Op: "read", Method: http.MethodGet, URL: base}, nil)
	require.ErrorIs(t, err, psa.ErrUnavailable)
	_, err = c.Do(t.Context(), Request{Op: "write", Method: http.MethodPost, URL: base, Write: true, Body: map[string]string{"a": "b"}}, nil)
	require.ErrorIs(t, err, psa.ErrAmbiguousWrite)
	require.NotContains(t, err.Error(), "canary")

	away, err := url.Parse("http://127.0.0.1:1/x")
	require.NoError(t, err)
	hc, err := httpx.NewClient(nil, &httpx.Options{MaxRetries: -1})
	require.NoError(t, err)
	_, err = (&Client{System: "testdesk", HTTP: hc}).Do(t.Context(), Request{Op: "write", Method: http.MethodPost, URL: away, Write: true}, nil)
	require.ErrorIs(t, err, psa.ErrUnavailable, "nothing was sent, so nothing was written")
	require.NotErrorIs(t, err, psa.ErrAmbiguousWrite)

	foreign, err := url.Parse("http://127.0.0.2:1/x")
	require.NoError(t, err)
	_, err = c.Do(t.Context(), Request{Op: "write", Method: http.MethodPost, URL: foreign, Write: true}, nil)
	require.ErrorIs(t, err, psa.ErrOrigin, "credentials would have gone elsewhere")

	ctx, cancel := context.WithCancel(t.Context())
	slow, base := serve(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	_, err = slow.Do(ctx, Request{Op: "write", Method: http.MethodPost, URL: base, Write: true}, nil)
	require.ErrorIs(t, err, psa.ErrAmbiguousWrite, "the caller gave up, the server may go on")
	require.ErrorIs(t, err, context.Canceled)
}

func TestAnAnswerThatIsNotOne(t *testing.T) {
	t.Parallel()
	c, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("<html>canary: sign in</html>"))
	})
	var out struct{ ID string }
	_, err := c.Do(t.Context(), Request{Op: "read", Method: http.MethodGet, URL: base}, &out)
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.ErrorContains(t, err, "proxy or a sign-in page")
	require.NotContains(t, err.Error(), "canary")
	_, err = c.Do(t.Context(), Request{Op: "write", Method: http.MethodPost, URL: base, Write: true}, &out)
	require.ErrorIs(t, err, psa.ErrAmbiguousWrite, "it said 200, so it may have been written")
	_, err = c.Do(t.Context(), Request{Op: "read", Method: http.MethodGet, URL: base.JoinPath("redirect")}, &out)
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.ErrorContains(t, err, "redirects")
}

// Codes and fields are the vendor's names, or nothing: a value that was sent must not come back in an error.
func TestWhatAVendorNamesIsANameOrNothing(t *testing.T) {
	t.Parallel()
	c, base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte("canary"))
	})
	c.Explain = func(e *psa.Error, _ bool, body []byte) {
		e.Code, e.Fields, e.Message = "Wrong canary value", []string{"board/id", "pass word", "summary"}, mspkit.Redact(string(body))
	}
	_, err := c.Do(t.Context(), Request{Op: "write", Method: http.MethodPost, URL: base, Write: true}, nil)
	e, ok := errors.AsType[*psa.Error](err)
	require.True(t, ok)
	require.Empty(t, e.Code)
	require.Equal(t, []string{"board/id", "summary"}, e.Fields)
	require.Equal(t, "canary", e.Message.Reveal())
	require.NotContains(t, err.Error(), "canary")
	require.Empty(t, Clean(strings.Repeat("a", 65)))
}

func TestTheNextPageIsOnTheSameOrigin(t *testing.T) {
	t.Parallel()
	base, err := url.Parse("https://api-na.myconnectwise.net/v4_6_release/apis/3.0")
	require.NoError(t, err)
	for next, ok := range map[string]bool{
		"https://api-na.myconnectwise.net/v4_6_release/apis/3.0/company/contacts?pageId=5": true,
		"/v4_6_release/apis/3.0/company/contacts?pageId=5":                                 true,
		"?pageId=5": true,
		"https://api-na.myconnectwise.net.evil.example/x":        false,
		"http://api-na.myconnectwise.net/x":                      false,
		"https://api-na.myconnectwise.net:8443/x":                false,
		"https://user:pass@api-na.myconnectwise.net/x":           false,
		"//evil.example/x":                                       false,
		"https://API-NA.MyConnectWise.net:443/x":                 true,
		"https://api-na.myconnectwise.net./x":                    true,
		"https://api-na.myconnectwise.net../x":                   false,
		"https://api-na.myconnectwise.net:0443/x":                false,
		"https://api-na.myconnectwise.net:443:443/x":             false,
		"https://api-na.myconnectwise.net%2eevil.example/x":      false,
		"https://api-na.myconnectwise.net\\@evil.example/x":      false,
		"https://evil.example#@api-na.myconnectwise.net/x":       false,
		"https://evil.example\\.api-na.myconnectwise.net/x":      false,
		"https://@api-na.myconnectwise.net/x":                    false,
		"https://[::ffff:api-na.myconnectwise.net]/x":            false,
		"https:api-na.myconnectwise.net/x":                       false,
		"https:///x":                                             false,
		"HTTPS://api-na.myconnectwise.net/x":                     true,
		"javascript:alert(1)":                                    false,
		"https://evil.example/?https://api-na.myconnectwise.net": false,
		"\x7f": false,
	} {
		u, err := Page("testdesk", "list", base, next)
		if ok {
			require.NoError(t, err, next)
			require.True(t, httpx.SameOrigin(base, u), next)
			continue
		}
		require.ErrorIs(t, err, psa.ErrOrigin, next)
	}
}

func TestTheNextPageOfAnIPv6Host(t *testing.T) {
	t.Parallel()
	base, err := url.Parse("https://[2001:db8::1]:8443/api")
	require.NoError(t, err)
	for next, ok := range map[string]bool{
		"https://[2001:db8::1]:8443/api?page=2": true, "https://[2001:DB8::1]:8443/": true, "https://[2001:db8::1]/": false, "https://[2001:db8::1:8443]/": false,
		"https://[2001:db8::2]:8443/": false, "https://[2001:db8::1%25eth0]:8443/": false, "https://2001:db8::1:8443/": false,
	} {
		_, err := Page("testdesk", "list", base, next)
		require.Equal(t, ok, err == nil, next)
	}
}

// A signer that fails says nothing was sent.
func TestASignerThatFails(t *testing.T) {
	t.Parallel()
	c, base := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	c.Sign = func(*http.Request) error { return errors.New("canary") }
	_, err := c.Do(t.Context(), Request{Op: "write", Method: http.MethodPost, URL: base, Write: true}, nil)
	require.ErrorIs(t, err, psa.ErrUnauthorized)
	require.NotContains(t, err.Error(), "canary")
	c.Sign = func(*http.Request) error {
		return &psa.Error{System: "testdesk", Op: "sign in", Err: psa.ErrUnavailable}
	}
	_, err = c.Do(t.Context(), Request{Op: "write", Method: http.MethodPost, URL: base, Write: true}, nil)
	require.ErrorIs(t, err, psa.ErrUnavailable)
}
