package webpagetest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
)

// faults collects what the checks report.
type faults struct {
	ctx context.Context //nolint:containedctx // it stands for the test's own
	all []string
}

func (f *faults) Helper()                  {}
func (f *faults) Context() context.Context { return f.ctx }
func (f *faults) Errorf(format string, args ...any) {
	f.all = append(f.all, fmt.Sprintf(format, args...))
}

func TestRunFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	var site *webpage.Site
	page := func(w http.ResponseWriter, r *http.Request) { site.Error(w, r, http.StatusOK) }
	site, err := webpage.New([]webpage.Route{
		{Name: "show", Method: "GET", Pattern: "/a/{x}", Kind: webpage.PageKind, Handler: page},
		{Name: "form", Method: "POST", Pattern: "/a/{x}", Kind: webpage.FormKind, Handler: page},
	}, nil)
	require.NoError(t, err)
	for _, tc := range []struct {
		name   string
		h      http.HandlerFunc
		routes []webpage.Route
		want   string
	}{
		{"nothing", site.ServeHTTP, site.Routes(), ""},
		{"no routes", site.ServeHTTP, nil, "there are no routes"},
		{"wrong prefix of routes", http.StripPrefix("/x", site).ServeHTTP, site.Routes(), "status 404, want 405"},
		{"a bare handler", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, site.Routes(), "header Content-Security-Policy is []"},
		{"a header is taken away", func(w http.ResponseWriter, r *http.Request) { site.ServeHTTP(lax{w}, r) }, site.Routes(), "header Cache-Control"},
		{"methods are not checked", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				r.Method = http.MethodGet
			}
			site.ServeHTTP(w, r)
		}, site.Routes(), "route show: status 200, want 405"},
		{"foreign pages are let in", func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Del("Origin")
			site.ServeHTTP(w, r)
		}, site.Routes(), "route form: status 200, want 403"},
		{"types are not checked", func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			site.ServeHTTP(w, r)
		}, site.Routes(), "route form: status 200, want 415"},
		{"bodies are cut", func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.NoBody
			site.ServeHTTP(w, r)
		}, site.Routes(), "route form: status 200, want 413"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &faults{ctx: t.Context()}
			webpagetest.Run(f, tc.h, "", false, tc.routes)
			if tc.want == "" {
				require.Empty(t, f.all)
				return
			}
			require.Contains(t, strings.Join(f.all, "\n"), tc.want)
		})
	}
}

// lax is a middleware that allows caching.
type lax struct{ http.ResponseWriter }

func (l lax) WriteHeader(status int) {
	l.Header().Set("Cache-Control", "public")
	l.ResponseWriter.WriteHeader(status)
}
