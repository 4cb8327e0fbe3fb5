package graphx

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
)

// sent is what a batch looks like to a server.
type sent struct {
	Requests []struct {
		ID, Method, URL string
		Headers         map[string]string
		Body            json.RawMessage
	}
}

// batchServer answers each item with what answer says of its URL and how often it came before, in reverse order.
func batchServer(t *testing.T, batches *[]sent, answer func(url string, n int) string) roundTrip {
	t.Helper()
	times := make(map[string]int)
	return func(r *http.Request) (*http.Response, error) {
		require.Equal(t, "https://graph.example/v1.0/$batch", r.URL.String())
		require.Equal(t, http.MethodPost, r.Method)
		var in sent
		require.NoError(t, json.NewDecoder(r.Body).Decode(&in))
		*batches = append(*batches, in)
		require.LessOrEqual(t, len(in.Requests), 20)
		var out []string
		ids := make(map[string]bool)
		for _, q := range in.Requests {
			require.False(t, ids[q.ID], "id twice")
			ids[q.ID] = true
			a := answer(q.URL, times[q.URL])
			times[q.URL]++
			if a != "" {
				out = append(out, strings.ReplaceAll(a, "ID", q.ID))
			}
		}
		slices.Reverse(out)
		body := `{"responses":[` + strings.Join(out, ",") + `]}`
		return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func TestBatchKeepsTheOrder(t *testing.T) {
	t.Parallel()
	var got []sent
	c := offline(t, batchServer(t, &got, func(url string, _ int) string {
		return fmt.Sprintf(`{"id":"ID","status":200,"headers":{"Content-Type":"application/json"},"body":{"url":%q}}`, url)
	}))
	items := make([]BatchItem, 45)
	for n := range items {
		items[n].URL = fmt.Sprintf("/users/%d", n)
	}
	out, err := c.Batch(t.Context(), "a", Directory, items)
	require.NoError(t, err)
	require.Len(t, out, 45)
	for n, r := range out {
		require.NoError(t, r.Err)
		require.Equal(t, 200, r.Status)
		require.JSONEq(t, fmt.Sprintf(`{"url":"/users/%d"}`, n), string(r.Body))
		require.Equal(t, "application/json", r.Get("content-type"))
	}
	require.Len(t, got, 3)
	require.Len(t, got[2].Requests, 5)

	out, err = c.Batch(t.Context(), "a", Directory, nil)
	require.NoError(t, err)
	require.Empty(t, out)
	require.Len(t, got, 3)
}

func TestBatchRepeatsOnlyWhatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []sent
		c := offline(t, batchServer(t, &got, func(url string, n int) string {
			switch {
			case url == "/throttled" && n == 0:
				return `{"id":"ID","status":429,"headers":{"Retry-After":"7"},"body":{"error":{"code":"TooManyRequests"}}}`
			case url == "/slow" && n == 0:
				return `{"id":"ID","status":429,"headers":{"retry-after":"3"}}`
			case url == "/broken" && n < 2, url == "/post" && n == 0, url == "/idempotent" && n == 0:
				return `{"id":"ID","status":503}`
			case url == "/missing":
				return `{"id":"ID","status":404,"headers":{"request-id":"00000000-0000-4000-8000-000000000001"},"body":{"error":{"code":"ImageNotFound","message":"Bob"}}}`
			case url == "/never":
				return `{"id":"ID","status":500}`
			case url == "/long":
				return `{"id":"ID","status":429,"headers":{"Retry-After":"3600"}}`
			}
			return `{"id":"ID","status":204}`
		}))
		begin := time.Now()
		urls := []string{"/fine", "/throttled", "/slow", "/broken", "/post", "/idempotent", "/missing", "/never", "/long"}
		items := make([]BatchItem, len(urls))
		for n, u := range urls {
			items[n] = BatchItem{URL: u, Method: map[string]string{"/post": "POST", "/idempotent": "PATCH"}[u], Idempotent: u == "/idempotent"}
		}
		out, err := c.BatchFor(t.Context(), &Request{Tenant: "a", Timeout: 2 * time.Hour}, items[:8])
		require.NoError(t, err)
		var status []int
		for _, r := range out {
			status = append(status, r.Status)
			require.Equal(t, r.Status/100 != 2, r.Err != nil)
		}
		require.Equal(t, []int{204, 204, 204, 204, 503, 204, 404, 500}, status)
		require.ErrorIs(t, out[6].Err, ErrNotFound)
		require.ErrorContains(t, out[6].Err, "request 00000000-")
		require.NotContains(t, out[6].Err.Error(), "Bob")

		var sizes []int
		for _, b := range got {
			sizes = append(sizes, len(b.Requests))
		}
		require.Equal(t, []int{8, 5, 2, 1}, sizes)
		require.GreaterOrEqual(t, time.Since(begin), 7*time.Second) // the longest Retry-After of the round

		// A Retry-After that is too long is handed to the caller at once.
		got = nil
		begin = time.Now()
		out, err = c.Batch(t.Context(), "b", Directory, items[8:])
		require.NoError(t, err)
		var e *Error
		require.ErrorAs(t, out[0].Err, &e)
		require.Equal(t, time.Hour, e.RetryAfter)
		require.Len(t, got, 1)
		require.Zero(t, time.Since(begin))

		// It holds the tenant's other calls back.
		_, err = c.Batch(t.Context(), "b", Directory, items[:1])
		require.ErrorIs(t, err, ErrThrottled)
		require.Len(t, got, 1)
	})
}

func TestBatchWithWrongResponses(t *testing.T) {
	t.Parallel()
	var got []sent
	c := offline(t, batchServer(t, &got, func(url string, _ int) string {
		switch url {
		case "/none":
			return ""
		case "/twice":
			return `{"id":"ID","status":200},{"id":"ID","status":200}`
		case "/thrice":
			return `{"id":"ID","status":200},{"id":"ID","status":200},{"id":"ID","status":200}`
		case "/stranger":
			return `{"id":"ID","status":200},{"id":"77","status":200},{"id":null,"status":200}`
		case "/status":
			return `{"id":"ID"}`
		case "/depends":
			return `{"id":"ID","status":424,"body":{"error":{"code":"FailedDependency"}}}`
		case "/redirect":
			return `{"id":"ID","status":302,"headers":{"Location":"https://cdn.example/x"}}`
		case "/photo":
			return `{"id":"ID","status":200,"headers":{"Content-Type":"image/jpeg","X":5},"body":"/9j/4AAQSkZJRg=="}`
		case "/numeric":
			return `{"id":ID,"status":200,"headers":null,"body":null}`
		}
		return `{"id":"ID","status":200}`
	}))
	urls := []string{"/fine", "/none", "/twice", "/thrice", "/stranger", "/status", "/depends", "/redirect", "/photo", "/numeric"}
	items := make([]BatchItem, len(urls))
	for n, u := range urls {
		items[n].URL = u
	}
	out, err := c.Batch(t.Context(), "a", Directory, items)
	require.NoError(t, err)
	for n, want := range []string{"", "no response to item 2", "two responses", "two responses", "", "no status", "another request", "elsewhere", "", ""} {
		if want == "" {
			require.NoError(t, out[n].Err, urls[n])
			continue
		}
		require.ErrorContains(t, out[n].Err, want, urls[n])
	}
	require.ErrorIs(t, out[1].Err, ErrAnswer)
	require.JSONEq(t, `"/9j/4AAQSkZJRg=="`, string(out[8].Body))
	require.Equal(t, "image/jpeg", out[8].Header["Content-Type"])
	require.Len(t, got, 1)
}

func TestBatchThatFailsAsAWhole(t *testing.T) {
	t.Parallel()
	items := make([]BatchItem, 25)
	for n := range items {
		items[n].URL = "/x"
	}
	a := &answers{list: []answer{{status: 403}}}
	out, err := offline(t, a).Batch(t.Context(), "a", Directory, items)
	require.ErrorIs(t, err, ErrDenied)
	require.Nil(t, out)

	// Later it is told to the items.
	var first []string
	for n := range 20 {
		first = append(first, fmt.Sprintf(`{"id":"%d","status":200}`, n+1))
	}
	a = &answers{list: []answer{{status: 200, body: `{"responses":[` + strings.Join(first, ",") + `]}`}, {status: 403}}}
	out, err = offline(t, a).Batch(t.Context(), "a", Directory, items)
	require.NoError(t, err)
	for n, r := range out {
		if n < 20 {
			require.NoError(t, r.Err)
			continue
		}
		require.ErrorIs(t, r.Err, ErrDenied)
	}

	a = &answers{list: []answer{{status: 200, body: `[]`}}}
	_, err = offline(t, a).Batch(t.Context(), "a", Directory, items)
	require.ErrorIs(t, err, ErrAnswer)
}

func TestBatchThatIsRepeatedAsAWhole(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method string
		status int
		tries  int
	}{{"GET", 503, 2}, {"POST", 503, 1}, {"POST", 429, 2}, {"DELETE", 500, 2}, {"GET", 400, 1}} {
		synctest.Test(t, func(t *testing.T) {
			a := &answers{list: []answer{{status: tc.status}, {status: 200, body: `{"responses":[{"id":"1","status":204},{"id":"2","status":204}]}`}}}
			_, err := offline(t, a).Batch(t.Context(), "a", Directory, []BatchItem{{URL: "/x"}, {URL: "/y", Method: tc.method}})
			require.Equal(t, tc.tries == 1, err != nil)
			require.Equal(t, tc.tries, a.count(), tc)
		})
	}
}

func TestBatchChecksItems(t *testing.T) {
	t.Parallel()
	a := &answers{list: []answer{{status: 200, body: `{"responses":[{"id":"1","status":204}]}`}}}
	c := offline(t, a)
	for _, bad := range []BatchItem{
		{},
		{URL: "users"},
		{URL: "//evil.example/users"},
		{URL: "https://graph.example/v1.0/users"},
		{URL: "/users/../me"},
		{URL: "/users#x"},
		{URL: "/users", Method: "TRACE"},
		{URL: "/users", Header: map[string]string{"authorization": "x"}},
		{URL: "/users", Body: func() {}},
	} {
		_, err := c.Batch(t.Context(), "a", Directory, []BatchItem{bad})
		require.ErrorIs(t, err, mspkit.ErrInvalid, bad.URL)
		require.NotContains(t, err.Error(), "users")
	}
	require.Zero(t, a.count())

	_, err := c.Batch(t.Context(), "a", Directory, []BatchItem{{
		URL: "/users/a?$select=id", Method: "PATCH", Header: map[string]string{"if-match": "*"}, Body: map[string]string{"mobilePhone": "+1"},
	}})
	require.NoError(t, err)
	require.JSONEq(t, `{"requests":[{"id":"1","method":"PATCH","url":"/users/a?$select=id",
		"headers":{"If-Match":"*","Content-Type":"application/json"},"body":{"mobilePhone":"+1"}}]}`, a.body[0])
}
