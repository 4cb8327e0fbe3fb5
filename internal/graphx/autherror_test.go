package graphx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"
)

var authSentinels = []error{ErrConsent, ErrRevoked, ErrBlocked, ErrGone, ErrCredential, ErrDenied, ErrThrottled, ErrToken}

func TestExplainAADSTS(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]error{
		65001: ErrConsent, 700016: ErrConsent, 50020: ErrDenied, 50177: ErrDenied, 700082: ErrRevoked, 50173: ErrRevoked,
		50076: ErrBlocked, 50079: ErrBlocked, 53003: ErrBlocked, 530003: ErrBlocked, 7000215: ErrCredential, 7000222: ErrCredential,
		700027: ErrCredential, 90002: ErrGone, 5000224: ErrGone, 900023: ErrGone, 650051: nil, 9002313: nil, 1: nil,
	} {
		advice, sentinel := ExplainAADSTS(code)
		require.Equal(t, want, sentinel, code)
		require.NotEmpty(t, advice)
		e := ParseTokenError(fmt.Appendf(nil, `{"error":"some_error","error_codes":[%d]}`, code))
		require.Equal(t, []int{code}, e.Codes)
		require.Equal(t, advice, e.Advice)
		require.Contains(t, e.Error(), fmt.Sprint("AADSTS", code))
		for _, s := range authSentinels {
			require.Equal(t, want != nil && errors.Is(want, s), errors.Is(e, s), code)
		}
	}
}

func TestParseTokenError(t *testing.T) {
	t.Parallel()
	const trace, correlation = "5d1e8c3c-0000-4000-8000-000000000001", "5d1e8c3c-0000-4000-8000-000000000002"
	e := ParseTokenError([]byte(`{"error":"invalid_grant","error_description":"AADSTS65001: alice@contoso.com has not consented.\r\nTrace ID: ` + trace +
		`\r\nCorrelation ID: ` + correlation + `\r\nTimestamp: 2026-11-27 12:00:00Z","error_codes":[65001],"timestamp":"x","trace_id":"` + trace +
		`","correlation_id":"` + correlation + `","suberror":"consent_required","claims":"{\"access_token\":{}}"}`))
	require.Equal(t, &AuthError{
		Codes: []int{65001}, ErrorCode: "invalid_grant", SubError: "consent_required", Advice: e.Advice, Claims: `{"access_token":{}}`,
		TraceID: trace, CorrelationID: correlation, sentinel: ErrConsent,
	}, e)
	require.NotContains(t, e.Error(), "alice")
	require.NotContains(t, e.Error(), "access_token")
	require.Contains(t, e.Error(), correlation)

	for name, tc := range map[string]struct {
		body      string
		codes     []int
		want      error
		temporary bool
	}{
		"description only":  {`{"error":"invalid_grant","error_description":"AADSTS700082: expired"}`, []int{700082}, ErrRevoked, false},
		"strings":           {`{"error":"invalid_grant","error_codes":["53003"]}`, []int{53003}, ErrBlocked, false},
		"first known":       {`{"error":"invalid_grant","error_codes":[1234567,50076,65001]}`, []int{1234567, 50076, 65001}, ErrBlocked, false},
		"unknown, grant":    {`{"error":"invalid_grant","error_codes":[1234567]}`, []int{1234567}, ErrRevoked, false},
		"unknown, suberror": {`{"error":"invalid_grant","suberror":"consent_required"}`, nil, ErrConsent, false},
		"client":            {`{"error":"invalid_client"}`, nil, ErrCredential, false},
		"interaction":       {`{"error":"interaction_required"}`, nil, ErrBlocked, false},
		"temporary":         {`{"error":"temporarily_unavailable"}`, nil, nil, true},
		"propagation":       {`{"error":"invalid_client","error_codes":[700027]}`, []int{700027}, ErrCredential, true},
		"hostile":           {`{"error":"alice\nforged","error_codes":{"a":1},"suberror":5,"correlation_id":"alice"}`, nil, nil, false},
	} {
		e := ParseTokenError([]byte(tc.body))
		require.NotNil(t, e, name)
		require.Equal(t, tc.codes, e.Codes, name)
		require.Equal(t, tc.temporary, e.Temporary, name)
		for _, s := range authSentinels {
			require.Equal(t, tc.want != nil && errors.Is(tc.want, s), errors.Is(e, s), name)
		}
		require.NotContains(t, e.Error(), "alice", name)
		require.NotEmpty(t, e.Advice, name)
	}

	for _, body := range []string{
		"", "null", "[]", "{}", `{"error":""}`, `{"error":{"code":"x"}}`, "<html>", `{"error":"x"`,
		`{"error":"` + strings.Repeat("x", maxErrorBody) + `"}`,
	} {
		require.Nil(t, ParseTokenError([]byte(body)), body)
	}
}

func TestAuthErrorOfCredentials(t *testing.T) {
	t.Parallel()
	own := &AuthError{Codes: []int{1}}
	body := `{"error":"invalid_grant","error_codes":[50173]}`
	res := &http.Response{StatusCode: http.StatusBadRequest, Body: io.NopCloser(strings.NewReader(body)), Header: make(http.Header)}
	for name, tc := range map[string]struct {
		err   error
		codes []int
		want  error
	}{
		"nothing":  {nil, nil, nil},
		"own":      {fmt.Errorf("gdap: %w", own), []int{1}, nil},
		"response": {fmt.Errorf("x: %w", &azcore.ResponseError{StatusCode: 400, RawResponse: res}), []int{50173}, ErrRevoked},
		"text":     {errors.New("X authentication failed. \nPOST https://login.example/{tenant}/token\n---\nRESPONSE 400\n---\n" + body + "\n---\n"), []int{50173}, ErrRevoked},
		"code":     {errors.New("az: ERROR: AADSTS50079: alice must register. Trace ID: 5d1e8c3c-0000-4000-8000-000000000001"), []int{50079}, ErrBlocked},
		"unknown":  {errors.New("alice"), nil, nil},
		"huge":     {errors.New(strings.Repeat("{", 1<<20)), nil, nil},
		"context":  {fmt.Errorf("x: %w", context.Canceled), nil, context.Canceled},
	} {
		e := authError(tc.err)
		require.Equal(t, tc.codes, e.Codes, name)
		if tc.want != nil {
			require.ErrorIs(t, e, tc.want, name)
		}
		require.NotContains(t, e.Error(), "alice", name)
		require.True(t, tc.err == nil || name == "own" || errors.Is(e, tc.err), name)
	}
}

// advised is an error like those of package entra.
type advised struct {
	text, advice string
	permanent    bool
}

func (e *advised) Error() string   { return e.text }
func (e *advised) Advice() string  { return e.advice }
func (e *advised) Permanent() bool { return e.permanent }

func TestAuthErrorTakesWhatACredentialSaysOfItself(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err       advised
		want      error
		temporary bool
	}{
		"network":         {advised{"entra: cannot be reached: try later", "try later", false}, nil, true},
		"outage":          {advised{"entra: cannot be reached: invalid_grant: try later", "try later", false}, nil, true},
		"OAuth only":      {advised{"entra: refused: invalid_client: check", "check", true}, ErrCredential, false},
		"a number":        {advised{"entra: consent: AADSTS65001: send a link", "send a link", true}, ErrConsent, false},
		"a number, later": {advised{"entra: credentials: AADSTS700027: wait", "wait", false}, ErrCredential, true},
		"no number":       {advised{"gdap: somebody must sign in", "nobody has signed in", true}, nil, false},
	} {
		e := authError(fmt.Errorf("gdap: %w", &tc.err))
		require.Equal(t, tc.err.advice, e.Advice, name)
		require.Equal(t, tc.temporary, e.Temporary, name)
		for _, s := range authSentinels {
			require.Equal(t, tc.want != nil && errors.Is(tc.want, s), errors.Is(e, s), name)
		}
	}
	require.Equal(t, adviceNone, authError(&advised{text: "x"}).Advice, "no advice is none")
}
