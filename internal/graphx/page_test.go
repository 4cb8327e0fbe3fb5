package graphx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/httpx"
)

type user struct {
	ID             string   `json:"id"`
	DisplayName    string   `json:"displayName"`
	Mail           string   `json:"mail"`
	BusinessPhones []string `json:"businessPhones"`
}

func TestPage(t *testing.T) {
	t.Parallel()
	const base = "https://graph.example/v1.0/users/delta?$skiptoken="
	for name, tc := range map[string]struct {
		body  string
		items []string
		links Links
		err   error
		what  string
	}{
		"links before": {
			body:  `{"@odata.context":"x","@odata.nextLink":"` + base + `1","value":[{"id":"a"},{"id":"b"}]}`,
			items: []string{`{"id":"a"}`, `{"id":"b"}`}, links: Links{Next: base + "1"},
		},
		"links after": {
			body:  ` {"value": [ {"id":"a"} ], "@odata.deltaLink":"` + base + "2\"} \n",
			items: []string{`{"id":"a"}`}, links: Links{Delta: base + "2"},
		},
		"empty with next": {body: `{"value":[],"@odata.nextLink":"` + base + `3"}`, links: Links{Next: base + "3"}},
		"unknown members": {body: `{"x":{"value":[1],"y":[[]]},"value":[],"z":"value","@odata.count":3,"n":null}`},
		"nothing":         {body: ``, err: ErrAnswer},
		"an array":        {body: `[]`, err: ErrAnswer},
		"no value":        {body: `{"@odata.nextLink":"` + base + `"}`, err: ErrAnswer, what: "no value"},
		"null value":      {body: `{"value":null}`, err: ErrAnswer},
		"object value":    {body: `{"value":{}}`, err: ErrAnswer},
		"two values":      {body: `{"value":[1],"value":[2]}`, items: []string{"1"}, err: ErrAnswer, what: "two values"},
		"two links":       {body: `{"value":[],"@odata.nextLink":"` + base + `","@odata.nextLink":"` + base + `"}`, err: ErrAnswer, what: "twice"},
		"both links":      {body: `{"value":[],"@odata.nextLink":"` + base + `","@odata.deltaLink":"` + base + `"}`, err: ErrAnswer, what: "delta link"},
		"empty link":      {body: `{"value":[],"@odata.nextLink":""}`, err: ErrAnswer, what: "empty link"},
		"null link":       {body: `{"value":[],"@odata.nextLink":null}`, err: ErrAnswer, what: "empty link"},
		"number link":     {body: `{"value":[],"@odata.nextLink":5}`, err: ErrAnswer},
		"something after": {body: `{"value":[]}{}`, err: ErrAnswer, what: "after"},
		"breaks off":      {body: `{"value":[{"id":"a"},{"id"`, items: []string{`{"id":"a"}`}, err: ErrAnswer},
		"breaks off late": {body: `{"value":[{"id":"a"}]`, items: []string{`{"id":"a"}`}, err: ErrAnswer},
		"no JSON":         {body: `<html>`, err: ErrAnswer},
		"foreign next":    {body: `{"value":[1],"@odata.nextLink":"https://evil.example/v1.0/users"}`, items: []string{"1"}, err: ErrOrigin},
		"foreign delta":   {body: `{"value":[],"@odata.deltaLink":"https://graph.example.evil/v1.0/users"}`, err: ErrOrigin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := offline(t, &answers{list: []answer{{status: 200, body: tc.body}}})
			var items []string
			links, err := c.Page(t.Context(), &Request{Tenant: "a", Path: "/users/delta"}, func(raw json.RawMessage) error {
				items = append(items, string(raw))
				return nil
			})
			require.ErrorIs(t, err, tc.err)
			require.Equal(t, tc.items, items)
			require.Equal(t, tc.links, links)
			if tc.what != "" {
				require.ErrorContains(t, err, tc.what)
			}
		})
	}
}

func TestPageEndsWithTheCallersError(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	c := offline(t, &answers{list: []answer{{status: 200, body: `{"value":[1,2,3]}`}}})
	n := 0
	_, err := c.Page(t.Context(), &Request{Tenant: "a", Path: "/users"}, func(json.RawMessage) error {
		n++
		return mine
	})
	require.Equal(t, mine, err)
	require.Equal(t, 1, n)
}

func TestPageWithAnErrorInIt(t *testing.T) {
	t.Parallel()
	c := offline(t, &answers{list: []answer{{status: 200, body: `{"value":[1],"error":{"code":"serviceBroke","message":"for Alice"}}`}}})
	_, err := c.Page(t.Context(), &Request{Tenant: "a", Path: "/users"}, func(json.RawMessage) error { return nil })
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "serviceBroke", e.Code)
	require.NotContains(t, err.Error(), "Alice")
}

func TestPageOf(t *testing.T) {
	t.Parallel()
	c := offline(t, &answers{list: []answer{{status: 200, body: `{"value":[
		{"id":"a","displayName":"Ada","businessPhones":["1","2"]},{"id":"b"},{"id":"c","businessPhones":["3"],"mail":null}]}`}}})
	var users []user
	_, err := PageOf(t.Context(), c, &Request{Tenant: "a", Path: "/users"}, func(u *user) error {
		users = append(users, *u)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []user{
		{ID: "a", DisplayName: "Ada", BusinessPhones: []string{"1", "2"}}, {ID: "b"}, {ID: "c", BusinessPhones: []string{"3"}},
	}, users)

	c = offline(t, &answers{list: []answer{{status: 200, body: `{"value":[{"id":15551234567}]}`}}})
	_, err = PageOf(t.Context(), c, &Request{Tenant: "a", Path: "/users"}, func(*user) error { return nil })
	require.ErrorIs(t, err, ErrAnswer)
	require.NotContains(t, err.Error(), "15551234567")
}

func TestPageBoundsItemsAndBody(t *testing.T) {
	t.Parallel()
	small := func(o *Options) { o.MaxItem, o.MaxBody = 2000, 20_000 }
	item := func(n int) string { return `{"x":"` + strings.Repeat("a", n-8) + `"}` }
	for name, tc := range map[string]struct {
		body  string
		items int
		err   error
	}{
		"just fits":          {`{"value":[` + item(2000) + `]}`, 1, nil},
		"one byte more":      {`{"value":[` + item(2001) + `]}`, 0, ErrTooBig},
		"far too big":        {`{"value":[1,` + item(15_000) + `]}`, 1, ErrTooBig},
		"member too big":     {`{"x":` + item(15_000) + `,"value":[]}`, 0, ErrTooBig},
		"name too big":       {`{"` + strings.Repeat("x", 15_000) + `":1,"value":[]}`, 0, ErrTooBig},
		"link too big":       {`{"value":[],"@odata.nextLink":"` + strings.Repeat("x", 15_000) + `"}`, 0, ErrTooBig},
		"many small fit":     {`{"value":[` + strings.TrimSuffix(strings.Repeat(item(100)+",", 150), ",") + `]}`, 150, nil},
		"page too big":       {`{"value":[` + strings.TrimSuffix(strings.Repeat(item(100)+",", 250), ",") + `]}`, -1, ErrTooBig},
		"spaces too big":     {`{"value":[` + strings.Repeat(" ", 25_000) + `]}`, 0, ErrTooBig},
		"spaces after it":    {`{"value":[]}` + strings.Repeat(" ", 25_000), 0, ErrTooBig},
		"body just fits":     {`{"value":[]}` + strings.Repeat(" ", 20_000-12), 0, nil},
		"body one byte more": {`{"value":[]}` + strings.Repeat(" ", 20_001-12), 0, ErrTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := offline(t, &answers{list: []answer{{status: 200, body: tc.body}}}, small, func(o *Options) {
				if strings.HasPrefix(name, "body just") || strings.HasPrefix(name, "body one") {
					o.MaxItem = 20_000
				}
			})
			n := 0
			_, err := c.Page(t.Context(), &Request{Tenant: "a", Path: "/users"}, func(json.RawMessage) error {
				n++
				return nil
			})
			require.ErrorIs(t, err, tc.err)
			if tc.items >= 0 {
				require.Equal(t, tc.items, n)
			}
		})
	}
}

// endless is a page that never ends.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		e.n = 1
		return copy(p, `{"value":[{}`), nil
	}
	return copy(p, `,{"id":"0123456789","displayName":"somebody"}`), nil
}

func (*endless) Close() error { return nil }

func TestPageMemoryDoesNotGrow(t *testing.T) { //nolint:paralleltest // it measures memory
	c := offline(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: &endless{}, Request: r}, nil
	}), func(o *Options) { o.MaxBody = 32 << 20 })
	var before, now runtime.MemStats
	n, most := 0, uint64(0)
	_, err := c.Page(t.Context(), &Request{Tenant: "a", Path: "/users"}, func(json.RawMessage) error {
		n++
		if n%200_000 == 1 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			if before.HeapAlloc == 0 {
				before = now
			}
			most = max(most, now.HeapAlloc)
		}
		return nil
	})
	require.ErrorIs(t, err, ErrTooBig)
	require.Greater(t, n, 600_000)
	require.Less(t, most, before.HeapAlloc+2<<20)
}

func TestPageBreaksOffOnTheWire(t *testing.T) {
	t.Parallel()
	c, _ := served(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"value":[1,2`)
	})
	_, err := c.Page(t.Context(), &Request{Tenant: "a", Path: "/users"}, func(json.RawMessage) error { return nil })
	var e *httpx.Error
	require.ErrorAs(t, err, &e)
	require.True(t, e.Sent)
}

func TestListFollowsPages(t *testing.T) {
	t.Parallel()
	var seen counter
	c, srv := served(t, nil, nil)
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := seen.next()
		if r.Header.Get("ConsistencyLevel") != "eventual" || r.Header.Get("Prefer") != "odata.maxpagesize=2" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if n == 0 && r.URL.Query().Get("$select") != "id" || n > 0 && r.URL.RawQuery != fmt.Sprintf("$skiptoken=%d+%%20", n) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		next := ""
		if n < 3 {
			next = fmt.Sprintf(`,"@odata.nextLink":"http://%s/graph/v1.0/users?$skiptoken=%d+%%20"`, r.Host, n+1)
		}
		_, _ = fmt.Fprintf(w, `{"value":[{"id":"%d"},{"id":"%d"}]%s}`, 2*n, 2*n+1, next)
	})
	r := &Request{
		Tenant: "a", Path: "/users", Query: map[string][]string{"$select": {"id"}}, Eventual: true,
		Header: http.Header{"prefer": {"odata.maxpagesize=2"}},
	}
	var ids []string
	for u, err := range ListOf[user](t.Context(), c, r) {
		require.NoError(t, err)
		ids = append(ids, u.ID)
	}
	require.Equal(t, "01234567", strings.Join(ids, ""))

	seen.n.Store(0)
	ids = nil
	for raw, err := range c.List(t.Context(), r) {
		require.NoError(t, err)
		ids = append(ids, string(raw))
		if len(ids) == 3 {
			break
		}
	}
	require.Equal(t, []string{`{"id":"0"}`, `{"id":"1"}`, `{"id":"2"}`}, ids)
	require.EqualValues(t, 2, seen.n.Load())
}

func TestListFindsCircles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		next func(n int) int // the page after page n
		max  int
		most int // requests
	}{
		"itself":        {func(int) int { return 1 }, 0, 2},
		"itself later":  {func(n int) int { return min(n+1, 7) }, 0, 8},
		"circle of 3":   {func(n int) int { return n%3 + 1 }, 0, 8},
		"circle of 100": {func(n int) int { return n%100 + 1 }, 0, 300},
		"lead in":       {func(n int) int { return map[bool]int{true: n + 1, false: 20}[n < 50] }, 0, 110},
		"too many":      {func(n int) int { return n + 1 }, 25, 25},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen counter
			c, _ := served(t, nil, func(w http.ResponseWriter, r *http.Request) {
				seen.next()
				page := 0
				_, _ = fmt.Sscanf(r.URL.RawQuery, "page=%d", &page)
				_, _ = fmt.Fprintf(w, `{"value":[%d],"@odata.nextLink":"http://%s/graph/v1.0/users?page=%d"}`, page, r.Host, tc.next(page))
			}, func(o *Options) { o.MaxPages = tc.max })
			var last error
			for _, err := range c.List(t.Context(), &Request{Tenant: "a", Path: "/users"}) {
				last = err
			}
			require.ErrorIs(t, last, ErrCircle)
			require.LessOrEqual(t, int(seen.n.Load()), tc.most)
		})
	}
}
