package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/httpx"
)

func body(code, message string) string {
	b, _ := json.Marshal(map[string]any{"error": map[string]string{"code": code, "message": message}})
	return string(b)
}

func TestAnswersAreUnderstood(t *testing.T) {
	t.Parallel()
	const state = "Could not execute workflow 'x' trigger 'manual' with state '%s': trigger is not enabled."
	for name, tc := range map[string]struct {
		status  int
		body    string
		kind    error
		says    string
		unclear bool
	}{
		"accepted":                 {status: 202},
		"answered by the flow":     {status: 200, body: "{}"},
		"no content":               {status: 204},
		"not changed":              {status: 304, kind: ErrProtocol, says: "redirect"},
		"schema":                   {status: 400, body: body(codeSchema, "x"), kind: ErrRefused, says: "schema"},
		"switched off":             {status: 400, body: body(codeNotOn, fmt.Sprintf(state, "Disabled")), kind: ErrGone, says: "switch it on"},
		"suspended":                {status: 400, body: body(codeNotOn, fmt.Sprintf(state, "Suspended")), kind: ErrGone, says: "switched off"},
		"deleted":                  {status: 400, body: body(codeNotOn, fmt.Sprintf(state, "Deleted")), kind: ErrGone, says: "deleted"},
		"two authorizations":       {status: 400, body: body(codeTwoAuths, "x"), kind: ErrRefused, says: "Authorization"},
		"half of the query":        {status: 400, body: body(codeNoVersion, "x"), kind: ErrUnauthorized, says: "copy the whole URL"},
		"another 400":              {status: 400, body: "oh no", kind: ErrRefused, says: "run history"},
		"sign-in":                  {status: 401, body: body("DirectApiAuthorizationRequired", "x"), kind: ErrUnauthorized, says: "Anyone"},
		"no signatures":            {status: 401, body: body(codeNoSAS, "x"), kind: ErrUnauthorized, says: "administrator"},
		"401 without a body":       {status: 401, kind: ErrUnauthorized, says: "Anyone"},
		"forbidden":                {status: 403, kind: ErrUnauthorized, says: "Anyone"},
		"no flow":                  {status: 404, body: body(codeNoFlow, "x"), kind: ErrGone, says: "no such flow"},
		"404 of a page":            {status: 404, body: "<html>", kind: ErrGone, says: "no such flow"},
		"gone":                     {status: 410, kind: ErrGone, says: "no such flow"},
		"another method":           {status: 405, kind: ErrProtocol, says: "proxy"},
		"a proxy":                  {status: 407, kind: ErrProtocol, says: "proxy"},
		"timeout there":            {status: 408, kind: ErrUnavailable, says: "by itself", unclear: true},
		"too large":                {status: 413, kind: ErrTooLarge, says: "shorter"},
		"another type":             {status: 415, kind: ErrRefused, says: "run history"},
		"throttled":                {status: 429, kind: ErrThrottled, says: "throttled"},
		"a fault there":            {status: 500, kind: ErrUnavailable, says: "outage", unclear: true},
		"not there":                {status: 501, kind: ErrUnavailable, says: "outage", unclear: true},
		"a gateway":                {status: 502, kind: ErrUnavailable, says: "outage", unclear: true},
		"busy":                     {status: 503, kind: ErrUnavailable, says: "outage"},
		"a slow gateway":           {status: 504, kind: ErrUnavailable, says: "outage", unclear: true},
		"a fault with a body":      {status: 500, body: body(codeNoFlow, "x"), kind: ErrUnavailable, says: "outage", unclear: true},
		"a status that is none":    {status: 999, kind: ErrUnavailable, says: "outage", unclear: true},
		"the switch, with a 404":   {status: 404, body: body(codeNotOn, "x"), kind: ErrGone, says: "switch it on"},
		"the code beside an error": {status: 400, body: `{"code":"TriggerInputSchemaMismatch","message":"x"}`, kind: ErrRefused, says: "schema"},
		"the code as the error":    {status: 404, body: `{"error":"WorkflowNotFound"}`, kind: ErrGone, says: "no such flow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := judge("post", tc.status, parseFault([]byte(tc.body)), 7*time.Second)
			if tc.kind == nil {
				require.Nil(t, e)
				return
			}
			require.NotNil(t, e)
			require.ErrorIs(t, e, tc.kind)
			require.Equal(t, tc.status, e.Status)
			require.Equal(t, tc.unclear, e.Unclear)
			require.Contains(t, e.Advice, tc.says)
			require.Contains(t, e.Error(), fmt.Sprintf("post: status %d", tc.status))
			want := time.Duration(0)
			if tc.status == 429 || tc.status == 503 {
				want = 7 * time.Second
			}
			require.Equal(t, want, e.RetryAfter)
		})
	}
}

func TestOfABodyOnlyACodeIsTaken(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{
		"nothing": "", "no JSON": "<html>sig=abc</html>", "null": "null", "a list": "[1]", "a number": "5",
		"a code that is a host":     `{"error":{"code":"www.evil.example"}}`,
		"a code that is a sentence": `{"error":{"code":"see https://evil.example/?sig=1"}}`,
		"a code of many lines":      `{"error":{"code":"a\nb"}}`,
		"a long code":               `{"error":{"code":"` + strings.Repeat("a", 65) + `"}}`,
		"a code that is a number":   `{"error":{"code":5}}`,
		"an error that is a list":   `{"error":[]}`,
		"half":                      `{"error":{"code":"Work`,
		"an error that says more":   `{"error":"it went wrong"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Zero(t, parseFault([]byte(s)))
		})
	}
	require.Equal(t, fault{code: "A", deleted: true}, parseFault([]byte(`{"error":{"code":"A","message":"'Deleted'"}}`)))
	require.Equal(t, fault{code: "B"}, parseFault([]byte(`{"error":{"code":""},"code":"B"}`)))
}

func TestARunHasAnIDThatLooksLikeOne(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"": "", "08584428434342342CU12": "08584428434342342CU12", "a_b-C": "a_b-C", "<script>": "", "a b": "", strings.Repeat("a", 129): "",
	} {
		h := http.Header{}
		h.Set("X-Ms-Workflow-Run-Id", id)
		require.Equal(t, want, runID(h))
	}
}

func TestFaultsOfTheNetworkAreUnderstood(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	const secret = "default0123.environment.api.powerplatform.com"
	for name, tc := range map[string]struct {
		ctx     context.Context //nolint:containedctx // a table
		err     error
		kind    error
		says    string
		unclear bool
	}{
		"redirect":             {err: &httpx.Error{URL: secret, Sent: true, Err: httpx.ErrRedirect}, kind: ErrProtocol, says: "redirect"},
		"a private address":    {err: &httpx.Error{URL: secret, Err: httpx.ErrAddress}, kind: ErrURL, says: "not public"},
		"timeout":              {err: &httpx.Error{URL: secret, Sent: true, Err: httpx.ErrTimeout}, kind: ErrUnavailable, says: "in time", unclear: true},
		"no such host":         {err: &httpx.Error{URL: secret, Err: &net.DNSError{Name: secret, IsNotFound: true}}, kind: ErrUnavailable, says: "not found"},
		"DNS is down":          {err: &httpx.Error{URL: secret, Err: &net.DNSError{Name: secret}}, kind: ErrUnavailable, says: "looked up"},
		"refused":              {err: &httpx.Error{URL: secret, Err: &net.OpError{Op: "dial", Err: errors.New(secret)}}, kind: ErrUnavailable, says: "no connection"},
		"lost":                 {err: &httpx.Error{URL: secret, Sent: true, Err: errors.New(secret)}, kind: ErrUnavailable, says: "lost", unclear: true},
		"the caller went away": {ctx: ended, err: &httpx.Error{URL: secret, Sent: true, Err: context.Canceled}, kind: ErrUnavailable, says: "gave up", unclear: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := tc.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			e := unanswered(ctx, "test", tc.err)
			require.ErrorIs(t, e, tc.kind)
			require.Equal(t, tc.ctx != nil, errors.Is(e, context.Canceled))
			require.Equal(t, tc.unclear, e.Unclear)
			require.Contains(t, e.Error(), tc.says)
			for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				require.NotContains(t, fmt.Sprintf(format, e), secret)
			}
		})
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(400, []byte(body(codeSchema, "x")))
	f.Add(400, []byte(body(codeNotOn, "state 'Deleted'")))
	f.Add(404, []byte(`{"error":"WorkflowNotFound"}`))
	f.Add(500, []byte("<html>"))
	f.Add(202, []byte{})
	f.Fuzz(func(t *testing.T, status int, b []byte) {
		got := parseFault(b)
		if got.code != "" && !isCode(got.code) {
			t.Fatalf("took the code %q", got.code)
		}
		e := judge("post", status, got, time.Minute)
		if (e == nil) != (status >= 200 && status < 300) {
			t.Fatalf("status %d gives %v", status, e)
		}
		if e == nil {
			return
		}
		if e.kind == nil || e.Advice == "" || strings.ContainsAny(e.Error(), "\r\n") || len(e.Error()) > 600 {
			t.Fatalf("%q does not say what to do", e.Error())
		}
		if e.ofConnection() && e.passing() {
			t.Fatal("both")
		}
	})
}
