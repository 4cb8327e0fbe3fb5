package graphx

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func doWith(t *testing.T, a answer) error {
	t.Helper()
	c := offline(t, &answers{list: []answer{a}}, func(o *Options) { o.Retry.MaxRetries = -1 })
	return c.Do(t.Context(), &Request{Tenant: "a", Path: "/users/delta"}, nil)
}

func TestErrorFields(t *testing.T) {
	t.Parallel()
	err := doWith(t, answer{status: 403, header: map[string]string{"request-id": "5d1e8c3c-0000-4000-8000-000000000001"}, body: `{"error":{
		"code":"Authorization_RequestDenied","message":"Alice Smith <alice@contoso.com> may not",
		"details":[{"code":"X1","target":"alice@contoso.com","message":"m"}],
		"innerError":{"code":"Outer","date":"2026-02-13T10:17:06","request-id":"other","client-request-id":"5d1e8c3c-0000-4000-8000-000000000002",
			"innererror":{"code":"Innermost","details":[{"code":"X2"}]}}}}`})
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 403, e.Status)
	require.Equal(t, "Authorization_RequestDenied", e.Code)
	require.Equal(t, "Innermost", e.InnerCode)
	require.Equal(t, []Detail{{"X1", "alice@contoso.com"}, {"X2", ""}}, e.Details)
	require.Equal(t, "5d1e8c3c-0000-4000-8000-000000000001", e.RequestID)
	require.Equal(t, "5d1e8c3c-0000-4000-8000-000000000002", e.ClientRequestID)
	require.Contains(t, e.Message, "alice@contoso.com")
	require.ErrorIs(t, err, ErrDenied)
	require.NotErrorIs(t, err, ErrNotFound)
	for _, private := range []string{"lice", "contoso", "users/delta"} {
		require.NotContains(t, err.Error(), private)
	}
	require.Contains(t, err.Error(), "Authorization_RequestDenied")
	require.Contains(t, err.Error(), "request 5d1e8c3c")
}

func TestErrorSentinels(t *testing.T) {
	t.Parallel()
	all := []error{ErrNotFound, ErrDenied, ErrThrottled, ErrToken, ErrConsent, ErrResync}
	for name, tc := range map[string]struct {
		status int
		body   string
		want   []error
		advice string
	}{
		"not found":        {404, `{"error":{"code":"Request_ResourceNotFound"}}`, []error{ErrNotFound}, "no such object"},
		"denied":           {403, `{"error":{"code":""}}`, []error{ErrDenied}, "permission or role"},
		"throttled":        {429, ``, []error{ErrThrottled}, "throttles"},
		"token":            {401, `{"error":{"code":"InvalidAuthenticationToken"}}`, []error{ErrToken}, "national cloud"},
		"identity":         {401, `{"error":{"code":"Authorization_IdentityNotFound"}}`, []error{ErrToken, ErrConsent}, "consent"},
		"gone":             {410, ``, []error{ErrResync}, "too old"},
		"sync state":       {400, `{"error":{"code":"syncStateNotFound"}}`, []error{ErrResync}, "too old"},
		"sync state below": {400, `{"error":{"code":"badRequest","innerError":{"code":"SyncStateNotFound"}}}`, []error{ErrResync}, "too old"},
		"resync detail":    {404, `{"error":{"code":"x","details":[{"code":"resyncRequired"}]}}`, []error{ErrNotFound, ErrResync}, "too old"},
		"oauth":            {400, `{"error":"invalid_request","error_description":"about Bob"}`, nil, "not understood"},
		"bare":             {400, `{"code":"Bare","message":"Bob"}`, nil, "not understood"},
		"odata.error":      {400, `{"odata.error":{"code":"Old","message":{"lang":"en","value":"Bob"}}}`, nil, "not understood"},
		"null":             {400, `{"error":null}`, nil, "not understood"},
		"html":             {500, `<html>Bob</html>`, nil, "later"},
		"number code":      {400, `{"error":{"code":12,"message":null,"innerError":null}}`, nil, "not understood"},
		"hostile code":     {400, `{"error":{"code":"Bob\nSmith"}}`, nil, "(unreadable)"},
		"licence":          {402, ``, nil, "licence"},
		"unknown":          {418, ``, nil, "refused"},
		"not modified":     {304, ``, nil, "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := doWith(t, answer{status: tc.status, body: tc.body})
			for _, s := range all {
				want := false
				for _, w := range tc.want {
					want = want || errors.Is(w, s)
				}
				require.Equal(t, want, errors.Is(err, s), s)
			}
			require.ErrorContains(t, err, tc.advice)
			require.NotContains(t, err.Error(), "Bob")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestErrorLocationIsOnTheGraphHost(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"https://graph.example/v1.0/users/delta?$deltatoken=": "https://graph.example/v1.0/users/delta?$deltatoken=",
		"https://evil.example/v1.0/users/delta":               "",
		"http://graph.example/v1.0/users/delta":               "",
		"/v1.0/users/delta":                                   "",
		"":                                                    "",
	} {
		err := doWith(t, answer{status: 410, header: map[string]string{"Location": location}, body: `{"error":{"code":"syncStateNotFound"}}`})
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, want, e.Location)
		require.ErrorIs(t, err, ErrResync)
		require.NotContains(t, err.Error(), "example")
	}
}

func TestErrorBodiesAreBounded(t *testing.T) {
	t.Parallel()
	read := 0
	c := offline(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusBadRequest, Header: make(http.Header), Body: &noise{&read}, Request: r}, nil
	}))
	var e *Error
	require.ErrorAs(t, c.Do(t.Context(), &Request{Tenant: "a", Path: "/users"}, nil), &e)
	require.Equal(t, 400, e.Status)
	require.LessOrEqual(t, read, 2*maxErrorBody)
}

// noise is a body without an end.
type noise struct{ n *int }

func (b *noise) Read(p []byte) (int, error) {
	*b.n += len(p)
	return copy(p, strings.Repeat("x", len(p))), nil
}

func (*noise) Close() error { return nil }

func TestRetryAfterForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "5", 5 * time.Second},
		{"Retry-After", now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{"Retry-After", "-5", 0},
		{"Retry-After", "soon", 0},
		{"Retry-After", "99999999999999999999", 24 * time.Hour},
		{"Retry-After-Ms", "1500", 1500 * time.Millisecond},
		{"x-ms-retry-after-ms", "9223372036854775807", 24 * time.Hour},
	} {
		h := make(http.Header)
		h.Set(tc.name, tc.value)
		require.Equal(t, tc.want, retryAfter(h, now), tc)
	}
}

func TestAnswersThatAreNoJSON(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		a   answer
		err error
	}{
		"fine":         {answer{status: 200, body: `{"id":"a"} `}, nil},
		"accepted":     {answer{status: 202}, nil},
		"no content":   {answer{status: 204}, nil},
		"empty":        {answer{status: 200}, ErrAnswer},
		"html":         {answer{status: 200, body: `<html>`}, ErrAnswer},
		"more":         {answer{status: 200, body: `{}{}`}, ErrAnswer},
		"wrong type":   {answer{status: 200, body: `{"id":15551234567}`}, ErrAnswer},
		"wrong time":   {answer{status: 200, body: `{"at":"15551234567"}`}, ErrAnswer},
		"breaks off":   {answer{status: 200, body: `{"id":"155512345`}, ErrAnswer},
		"larger":       {answer{status: 200, body: `{"id":"` + strings.Repeat("a", 3000) + `"}`}, ErrTooBig},
		"larger after": {answer{status: 200, body: `{"id":"a"}` + strings.Repeat(" ", 3000)}, ErrTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := offline(t, &answers{list: []answer{tc.a}}, func(o *Options) { o.MaxBody = 2000 })
			var out struct {
				ID string
				At time.Time
			}
			err := c.Do(t.Context(), &Request{Tenant: "a", Path: "/users/a"}, &out)
			require.ErrorIs(t, err, tc.err)
			if err != nil {
				require.NotContains(t, err.Error(), "1555")
			}
		})
	}
}

func TestErrorWithin(t *testing.T) {
	t.Parallel()
	c := offline(t, &answers{})
	res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Request-Id": {"5d1e8c3c-0000-4000-8000-000000000001"}}}
	for body, want := range map[string]string{
		`{"error":{"code":"BadRequest","innerError":{"code":"Exact"}}}`: "Exact",
		`{"Error":{"code":"Conflict"}}`:                                 "Conflict",
		`{"error":"invalid_grant"}`:                                     "invalid_grant",
		`{"error":{"code":"Dana Whitfield"}}`:                           "(unreadable)",
		`{"error":{}}`:                                                  "",
	} {
		e := c.ErrorIn(res, []byte(body))
		require.NotNil(t, e, body)
		require.Equal(t, want, e.PlainCode(), body)
		require.Equal(t, http.StatusOK, e.Status)
		require.Equal(t, "5d1e8c3c-0000-4000-8000-000000000001", e.PlainRequestID())
		require.NotContains(t, e.Error(), "Dana")
	}
	for _, body := range []string{``, `null`, `[]`, `{"id":"x"}`, `{"error":null}`, `{"errors":{"code":"x"}}`, `<html>`} {
		require.Nil(t, c.ErrorIn(res, []byte(body)), body)
	}
	require.Equal(t, "(unreadable)", (&Error{RequestID: "a b"}).PlainRequestID())
}
