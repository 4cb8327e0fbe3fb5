package graphfake

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/webtest"
)

// fixture is a server with one tenant and whoever calls it.
type fixture struct {
	t      *testing.T
	s      *Server
	tenant *Tenant
	url    string
	token  string
	now    time.Time
}

func newFixture(t *testing.T, o *Options) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Now == nil {
		opts.Now = func() time.Time { return f.now }
	}
	f.s = New(&opts)
	srv := httptest.NewServer(f.s)
	t.Cleanup(srv.Close)
	f.url = srv.URL + opts.BasePath
	f.tenant = f.s.AddTenant("11111111-2222-4333-8444-555555555555", "Fabrikam", "fabrikam.example")
	f.token = f.s.Bearer(f.tenant.ID)
	return f
}

type answered struct {
	status int
	header http.Header
	body   string
	m      map[string]any
}

func (a answered) code() string {
	e, _ := a.m["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

func (a answered) value() []map[string]any {
	list, _ := a.m["value"].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, v := range list {
		out = append(out, v.(map[string]any))
	}
	return out
}

func (a answered) link(name string) string {
	s, _ := a.m["@odata."+name].(string)
	return s
}

// do sends a request; headers are "Name: value". A path that begins with a slash is below the server.
func (f *fixture) do(method, path, body string, headers ...string) answered {
	f.t.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = f.url + path
	}
	r, err := http.NewRequestWithContext(f.t.Context(), method, strings.ReplaceAll(url, " ", "%20"), strings.NewReader(body))
	require.NoError(f.t, err)
	if f.token != "" {
		r.Header.Set("Authorization", "Bearer "+f.token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Set(k, v)
		if v == "" {
			r.Header.Del(k)
		}
	}
	c := webtest.Client(f.t)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Do(r)
	require.NoError(f.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(f.t, err)
	a := answered{status: res.StatusCode, header: res.Header, body: string(b)}
	_ = json.Unmarshal(b, &a.m)
	return a
}

func (f *fixture) get(path string, headers ...string) answered {
	f.t.Helper()
	return f.do(http.MethodGet, path, "", headers...)
}

// round reads pages until there is a deltaLink.
func (f *fixture) round(path string, headers ...string) (items []map[string]any, pages int, delta string) {
	f.t.Helper()
	for {
		a := f.get(path, headers...)
		require.Equal(f.t, http.StatusOK, a.status, a.body)
		items = append(items, a.value()...)
		pages++
		if delta = a.link("deltaLink"); delta != "" {
			return items, pages, delta
		}
		path = a.link("nextLink")
		require.NotEmpty(f.t, path)
	}
}
