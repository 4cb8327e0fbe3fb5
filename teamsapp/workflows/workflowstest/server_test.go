package workflowstest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

// cutOff is where net/http's server stays for half a second after it has cut off a request's body.
var cutOff = goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, cutOff) }

const (
	text = `{"text":"Hello, World"}`
	card = `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","contentUrl":null,"content":{"type":"AdaptiveCard","version":"1.4",
		"body":[{"type":"TextBlock","text":"Hello,"},{"type":"ColumnSet","columns":[{"type":"Column","items":[{"type":"RichTextBlock","inlines":["Wor",{"type":"TextRun","text":"ld"}]}]}]}],
		"actions":[{"type":"Action.OpenUrl","title":"Open","url":"https://contoso.example"}]}}]}`
)

// outside is a server with a client of its own.
type outside struct {
	*workflowstest.Server

	t      *testing.T
	client *http.Client
}

func start(t *testing.T) *outside {
	t.Helper()
	s, err := workflowstest.NewServer()
	require.NoError(t, err)
	o := &outside{Server: s, t: t, client: &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	t.Cleanup(func() {
		o.client.CloseIdleConnections()
		s.Close()
		s.Close() // twice is fine
	})
	return o
}

// post posts body and returns the status, the code and the header.
func (o *outside) post(url, body string, change ...func(*http.Request)) (int, string, http.Header) {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(o.t, err)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("x-ms-client-tracking-id", "mine")
	for _, f := range change {
		f(r)
	}
	resp, err := o.client.Do(r)
	require.NoError(o.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(o.t, err)
	var f struct {
		Error struct{ Code, Message string }
	}
	if len(b) > 0 {
		require.NoError(o.t, json.Unmarshal(b, &f))
		require.NotEmpty(o.t, f.Error.Message)
	}
	return resp.StatusCode, f.Error.Code, resp.Header
}

func TestFlowsRunAfterTheyAnswered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		flow  workflowstest.Flow
		body  string
		typ   string
		shown string
		fails string
	}{
		"the template, a card":      {body: card, shown: "Hello,\nWorld\nOpen"},
		"the template, a text":      {body: text, fails: "'foreach'"},
		"the template, null":        {body: `{"attachments":null}`, fails: "'Null'"},
		"the template, no cards":    {body: `{"attachments":[]}`},
		"another attachment":        {body: strings.Replace(card, "adaptive", "thumbnail", 1), fails: "no Adaptive Card"},
		"another card":              {body: strings.Replace(card, "AdaptiveCard", "MessageCard", 1), fails: "'AdaptiveCard'"},
		"a card that is too new":    {body: strings.Replace(card, "1.4", "1.6", 1), fails: "version"},
		"a card of no version":      {body: strings.Replace(card, "1.4", "new", 1), fails: "version"},
		"a card that is too large":  {body: strings.Replace(card, "Hello", strings.Repeat("x", 28_000), 1), fails: "RequestEntityTooLarge"},
		"by hand, a text":           {flow: workflowstest.Flow{Kind: workflowstest.Text}, body: text, shown: "Hello, World"},
		"by hand, a card":           {flow: workflowstest.Flow{Kind: workflowstest.Text}, body: card, fails: "Parse JSON"},
		"by hand, a number":         {flow: workflowstest.Flow{Kind: workflowstest.Text}, body: `{"text":1}`, fails: "Float"},
		"by hand, too large":        {flow: workflowstest.Flow{Kind: workflowstest.Text}, body: `{"text":"` + strings.Repeat("x", 28_001) + `"}`, fails: "RequestEntityTooLarge"},
		"no JSON":                   {body: "hello", fails: "not JSON"},
		"JSON that does not say so": {body: card, typ: "text/plain", fails: "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.Add("flow", tc.flow)
			status, _, h := s.post(s.URL("flow"), tc.body, func(r *http.Request) {
				if tc.typ != "" {
					r.Header.Set("Content-Type", tc.typ)
				}
			})
			require.Equal(t, 202, status, "also where the run fails: the caller does not learn of it")
			runs := s.Runs()
			require.Len(t, runs, 1)
			run := runs[0]
			require.Equal(t, run.ID, h.Get("x-ms-workflow-run-id"))
			require.Equal(t, "mine", run.TrackingID)
			require.Equal(t, "flow", run.Flow)
			require.Equal(t, tc.body, string(run.Body))
			require.Equal(t, tc.shown, run.Shown())
			if tc.fails == "" {
				require.Empty(t, run.Error)
			} else {
				require.Contains(t, run.Error, tc.fails)
			}
			if strings.Contains(tc.shown, "Open") {
				require.Equal(t, map[string]string{"Open": "https://contoso.example"}, run.Buttons())
			}
		})
	}
}

func TestTriggersRefuse(t *testing.T) {
	t.Parallel()
	s := start(t)
	good := s.URL("good")
	s.Add("off", workflowstest.Flow{State: workflowstest.Off})
	s.Add("deleted", workflowstest.Flow{State: workflowstest.Deleted})
	s.Add("unknown", workflowstest.Flow{State: workflowstest.Unknown})
	s.Add("sign-in", workflowstest.Flow{SignIn: true})
	s.Add("no signatures", workflowstest.Flow{NoSignatures: true})
	s.Add("cards", workflowstest.Flow{Schema: true})
	s.Add("texts", workflowstest.Flow{Kind: workflowstest.Text, Schema: true})
	old := s.URL("renewed")
	s.Renew("renewed")
	for name, tc := range map[string]struct {
		url, body string
		change    func(*http.Request)
		status    int
		code      string
	}{
		"nothing":             {url: good, body: card, status: 202},
		"the form":            {url: s.URL("renewed"), body: card, status: 202},
		"a slash":             {url: strings.Replace(good, "?", "/?", 1), body: card, status: 202},
		"another signature":   {url: good + "x", body: card, status: 401, code: "DirectApiAuthorizationRequired"},
		"another's signature": {url: strings.Split(good, "&sig=")[0] + "&sig=" + strings.Split(strings.Split(old, "sig=")[1], "&")[0], body: card, status: 401, code: "DirectApiAuthorizationRequired"},
		"no query":            {url: strings.Split(good, "?")[0], body: card, status: 400, code: "MissingApiVersionParameter"},
		"an old URL":          {url: old, body: card, status: 404, code: "WorkflowNotFound"},
		"another path":        {url: strings.Replace(good, "/powerautomate/automations/direct", "", 1), body: card, status: 404, code: "NotFound"},
		"GET":                 {url: good, change: func(r *http.Request) { r.Method = http.MethodGet }, status: 405},
		"a token besides":     {url: good, body: card, change: func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, status: 400, code: "DirectApiRequestHasMoreThanOneAuthorization"},
		"off":                 {url: s.URL("off"), body: card, status: 400, code: "WorkflowTriggerIsNotEnabled"},
		"deleted":             {url: s.URL("deleted"), body: card, status: 400, code: "WorkflowTriggerIsNotEnabled"},
		"unknown":             {url: s.URL("unknown"), body: card, status: 404, code: "WorkflowNotFound"},
		"sign-in":             {url: s.URL("sign-in"), body: card, status: 401, code: "DirectApiAuthorizationRequired"},
		"no signatures":       {url: s.URL("no signatures"), body: card, status: 401, code: "DirectApiInvalidAuthorizationScheme"},
		"a text for cards":    {url: s.URL("cards"), body: text, status: 400, code: "TriggerInputSchemaMismatch"},
		"cards for cards":     {url: s.URL("cards"), body: card, status: 202},
		"a card for texts":    {url: s.URL("texts"), body: card, status: 400, code: "TriggerInputSchemaMismatch"},
		"a null for texts":    {url: s.URL("texts"), body: `{"text":null}`, status: 400, code: "TriggerInputSchemaMismatch"},
		"a text for texts":    {url: s.URL("texts"), body: text, status: 202},
		"a megabyte":          {url: good, body: strings.Repeat("x", 1<<20+1), status: 413, code: "RequestEntityTooLarge"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := tc.change
			if change == nil {
				change = func(*http.Request) {}
			}
			status, code, _ := s.post(tc.url, tc.body, change)
			require.Equal(t, tc.status, status)
			require.Equal(t, tc.code, code)
		})
	}
}

func TestFaultsHappenOnceEach(t *testing.T) {
	t.Parallel()
	s := start(t)
	url := s.URL("flow")
	s.Fail("flow",
		workflowstest.Fault{Status: 503, RetryAfter: 1500 * time.Millisecond},
		workflowstest.Fault{},
		workflowstest.Fault{Status: 504, After: true},
		workflowstest.Fault{Status: 302, Location: "https://evil.example/"},
	)
	status, _, h := s.post(url, card)
	require.Equal(t, 503, status)
	require.Equal(t, "2", h.Get("Retry-After"), "whole seconds, and not too early")
	status, _, _ = s.post(url, card)
	require.Equal(t, 202, status)
	status, _, _ = s.post(url, card)
	require.Equal(t, 504, status)
	status, _, h = s.post(url, card)
	require.Equal(t, 302, status)
	require.Equal(t, "https://evil.example/", h.Get("Location"))
	status, _, _ = s.post(url, card)
	require.Equal(t, 202, status)
	require.Len(t, s.RunsOf("flow"), 3)
	require.Empty(t, s.RunsOf("another"))
	require.Equal(t, 5, s.Requests())

	s.Fail("flow", workflowstest.Fault{Drop: true})
	resp, err := s.client.Post(url, "application/json", strings.NewReader(card)) //nolint:bodyclose // there is none
	require.Error(t, err)
	require.Nil(t, resp)

	s.Fail("flow", workflowstest.Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(card))
	require.NoError(t, err)
	resp, err = s.client.Do(r) //nolint:bodyclose // there is none
	require.Nil(t, resp)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Len(t, s.Runs(), 3)
}

func TestFlowsAreThrottled(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Limit(2, time.Hour)
	for _, flow := range []string{"a", "b"} {
		for i := range 3 {
			status, code, h := s.post(s.URL(flow), card)
			if i < 2 {
				require.Equal(t, 202, status)
				continue
			}
			require.Equal(t, 429, status)
			require.Equal(t, "TooManyRequests", code)
			require.Regexp(t, `^3(600|[0-9]{3})$`, h.Get("Retry-After"), "until the first one is an hour old")
		}
	}
	s.Limit(2, 50*time.Millisecond)
	require.Eventually(t, func() bool { status, _, _ := s.post(s.URL("a"), card); return status == 202 }, 5*time.Second, 50*time.Millisecond)
	s.Limit(0, 0)
	for range 5 {
		status, _, _ := s.post(s.URL("b"), card)
		require.Equal(t, 202, status)
	}
}

func TestWaitSeesRuns(t *testing.T) {
	t.Parallel()
	s := start(t)
	url := s.URL("flow")
	var all sync.WaitGroup
	all.Go(func() {
		runs, err := s.Wait(t.Context(), 2)
		if err != nil || len(runs) < 2 {
			t.Errorf("%d runs, %v", len(runs), err)
		}
	})
	for range 2 {
		s.post(url, card)
	}
	all.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	runs, err := s.Wait(ctx, 3)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Len(t, runs, 2)
}

func TestChangeSwitchesAFlowOffAndOn(t *testing.T) {
	t.Parallel()
	s := start(t)
	url := s.URL("flow")
	require.Equal(t, url, s.URL("flow"))
	require.NotEqual(t, url, s.URL("another"))
	s.Change("flow", func(f *workflowstest.Flow) { f.State = workflowstest.Off })
	status, _, _ := s.post(url, card)
	require.Equal(t, 400, status)
	s.Change("flow", func(f *workflowstest.Flow) { f.State = workflowstest.On })
	status, _, _ = s.post(url, card)
	require.Equal(t, 202, status)
}
