package changefeed_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// brittle is a store whose parts fail or hang on request.
type brittle struct {
	changefeed.Store

	mu       sync.Mutex
	byTag    error
	add      error
	slow     bool
	markSeen error
	asked    int
}

func (b *brittle) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *brittle) ByTag(ctx context.Context, tag string) (changefeed.Subscription, error) {
	b.mu.Lock()
	err := b.byTag
	b.asked++
	b.mu.Unlock()
	if err != nil {
		return changefeed.Subscription{}, err
	}
	return b.Store.ByTag(ctx, tag)
}

func (b *brittle) MarkSeen(ctx context.Context, tenant mspkit.TenantID, id string, until time.Time) error {
	b.mu.Lock()
	err := b.markSeen
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return b.Store.MarkSeen(ctx, tenant, id, until)
}

func (b *brittle) Backlog() backlog.Store { return brittleInbox{b.Store.Backlog(), b} }

type brittleInbox struct {
	backlog.Store

	b *brittle
}

func (i brittleInbox) Add(ctx context.Context, items []backlog.Item) (int, error) {
	i.b.mu.Lock()
	err, slow := i.b.add, i.b.slow
	i.b.mu.Unlock()
	if slow {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	return i.Store.Add(ctx, items)
}

func withBrittle(w *feedWorld) *brittle {
	b := &brittle{Store: w.store}
	w.store = b
	return b
}

// post sends a body to the feed without a network.
func (w *feedWorld) post(target, contentType string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, body)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	rec := httptest.NewRecorder()
	w.feed.ServeHTTP(rec, r)
	return rec
}

func TestTheHandshakeIsAnsweredWithTheDecodedToken(t *testing.T) {
	t.Parallel()
	var b *brittle
	w := newFeedWorld(t, func(w *feedWorld) { b = withBrittle(w) })
	b.set(func() { b.byTag, b.add = errors.New("nobody may be asked"), errors.New("nobody may be asked") })
	for name, token := range map[string]string{
		"as Graph writes it": "Validation: Testing client application reachability for subscription Request-Id: 8d0ab76d-bc22-4a77-8a5b-3e5f6c4a1c7e",
		"with what is coded": "a b+c%2B&d=é\n<script>alert(1)</script>",
		"as long as may be":  strings.Repeat("x", 2048),
	} {
		for _, path := range []string{"/graph", "/graph/lifecycle", "/graph?s=ABC"} {
			u := path + map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "validationToken=" + url.QueryEscape(token)
			rec := w.post(u, "text/plain; charset=utf-8", http.NoBody)
			require.Equal(t, 200, rec.Code, name)
			require.Equal(t, token, rec.Body.String(), name)
			require.Equal(t, "text/plain", rec.Header().Get("Content-Type"))
			require.Equal(t, "nosniff", rec.Header().Get("X-Content-Type-Options"))
			require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
			require.Contains(t, rec.Header().Get("Content-Security-Policy"), "sandbox")
		}
	}
	require.Zero(t, b.asked)
}

func TestRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, func(w *feedWorld) { w.options.MaxBody = 1000 })
	long := strings.Repeat("x", 1<<20)
	for name, tc := range map[string]struct {
		method, target, contentType, body string
		want                              int
	}{
		"GET":                        {method: "GET", target: "/?validationToken=x", want: 405},
		"HEAD":                       {method: "HEAD", target: "/", want: 405},
		"OPTIONS":                    {method: "OPTIONS", target: "/", want: 405},
		"PUT":                        {method: "PUT", target: "/", contentType: "application/json", body: `{"value":[{}]}`, want: 405},
		"an empty token":             {target: "/?validationToken=", want: 400},
		"two tokens":                 {target: "/?validationToken=a&validationToken=b", want: 400},
		"a token that is too long":   {target: "/?validationToken=" + strings.Repeat("x", 2049), want: 400},
		"a huge token":               {target: "/?validationToken=" + long, want: 400},
		"a huge token that is coded": {target: "/?validationToken=" + strings.Repeat("%20", 1<<18), want: 400},
		"a huge query":               {target: "/?x=" + long, want: 400},
		"a broken query":             {target: "/?validationToken=%zz", want: 400},
		"no content type":            {target: "/", body: `{"value":[{}]}`, want: 415},
		"a form":                     {target: "/", contentType: "application/x-www-form-urlencoded", body: "a=b", want: 415},
		"no JSON":                    {target: "/", contentType: "application/json", body: `{"value":[`, want: 400},
		"nothing":                    {target: "/", contentType: "application/json", want: 400},
		"null":                       {target: "/", contentType: "application/json", body: `null`, want: 400},
		"a list":                     {target: "/", contentType: "application/json", body: `[]`, want: 400},
		"no notifications":           {target: "/", contentType: "application/json", body: `{"value":[]}`, want: 400},
		"value is a text":            {target: "/", contentType: "application/json", body: `{"value":"x"}`, want: 400},
		"more behind the end":        {target: "/", contentType: "application/json", body: `{"value":[{}]} {}`, want: 400},
		"oversized":                  {target: "/", contentType: "application/json", body: `{"value":["` + long + `"]}`, want: 413},
		"items that are none":        {target: "/", contentType: "application/json; charset=utf-8", body: `{"value":[null,1,"x",[],{}],"validationTokens":null}`, want: 202},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.method == "" {
				tc.method = http.MethodPost
			}
			for _, chunked := range []bool{false, true} {
				r := httptest.NewRequest(tc.method, tc.target, strings.NewReader(tc.body))
				if chunked {
					r.ContentLength = -1
				}
				r.Header.Set("Content-Type", tc.contentType)
				rec := httptest.NewRecorder()
				w.feed.ServeHTTP(rec, r)
				require.Equal(t, tc.want, rec.Code)
				require.Empty(t, rec.Body.String())
				require.Equal(t, "nosniff", rec.Header().Get("X-Content-Type-Options"))
				require.Equal(t, tc.want == 405, rec.Header().Get("Allow") == http.MethodPost)
			}
		})
	}
}

// stuck is a connection whose other side does not send on.
type stuck struct {
	*httptest.ResponseRecorder

	deadline time.Time
}

func (s *stuck) SetReadDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *stuck) Read([]byte) (int, error) {
	if s.deadline.IsZero() {
		return 0, errors.New("the test would hang")
	}
	return 0, os.ErrDeadlineExceeded
}

func TestABodyThatDoesNotEndIsCutOffWithinTheBudget(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, func(w *feedWorld) { w.options.Budget = 0 })
	conn := &stuck{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(conn))
	r.ContentLength = -1
	r.Header.Set("Content-Type", "application/json")
	before := time.Now()
	w.feed.ServeHTTP(conn, r)
	require.Equal(t, 408, conn.Code)
	require.Equal(t, "close", conn.Header().Get("Connection"))
	require.WithinRange(t, conn.deadline, before.Add(changefeed.DefaultBudget), time.Now().Add(changefeed.DefaultBudget))
}

func TestWhatCannotBeStoredIsRepeatedByGraph(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(b *brittle){
		"the inbox fails":              func(b *brittle) { b.add = errors.New("disk full") },
		"the inbox hangs":              func(b *brittle) { b.slow = true },
		"subscriptions cannot be read": func(b *brittle) { b.byTag = errors.New("no database") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b *brittle
			w := newFeedWorld(t, func(w *feedWorld) {
				b = withBrittle(w)
				w.options.Budget = time.Second
			})
			w.follow("contoso", changefeed.AllChats())
			n := w.said(w.contoso, "hello")
			b.set(func() { broken(b) })
			body := w.graph.Batch(n)
			rec := w.post("/", "application/json", bytes.NewReader(body))
			require.Equal(t, 503, rec.Code)
			require.NotEmpty(t, rec.Header().Get("Retry-After"))
			b.set(func() { b.add, b.byTag, b.slow = nil, nil, false })
			require.Equal(t, 202, w.post("/", "application/json", bytes.NewReader(body)).Code)
			w.handle()
			require.Equal(t, []string{"hello"}, w.sink.texts())
			require.NotContains(t, w.log.String(), "hello")
		})
	}
}

func TestForgeriesGetTheSameAnswerAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	w.follow("fabrikam", changefeed.AllChats())
	good, foreign := w.said(w.contoso, "of contoso"), w.said(w.fabrikam, "of fabrikam")
	genuine := w.post("/", "application/json", bytes.NewReader(w.graph.Batch(good)))
	require.Equal(t, 202, genuine.Code)
	for name, tc := range map[string]struct {
		change func(item map[string]any)
		reason string
	}{
		"no clientState":               {func(m map[string]any) { delete(m, "clientState") }, "unknown-subscription"},
		"another clientState":          {func(m map[string]any) { m["clientState"] = strings.Repeat("A", 26) + ".secret" }, "unknown-subscription"},
		"only the tag":                 {func(m map[string]any) { m["clientState"] = m["clientState"].(string)[:27] + "guess" }, "wrong-client-state"},
		"a clientState that is longer": {func(m map[string]any) { m["clientState"] = m["clientState"].(string) + "x" }, "wrong-client-state"},
		"an oversized clientState":     {func(m map[string]any) { m["clientState"] = m["clientState"].(string) + strings.Repeat("x", 200) }, "unreadable"},
		"the clientState of another":   {func(m map[string]any) { m["clientState"] = foreign.Item["clientState"] }, "unknown-subscription"},
		"the subscription of another":  {func(m map[string]any) { m["subscriptionId"] = foreign.Item["subscriptionId"] }, "unknown-subscription"},
		"both of another": {func(m map[string]any) {
			m["clientState"], m["subscriptionId"] = foreign.Item["clientState"], foreign.Item["subscriptionId"]
		}, "another-tenant"},
		"a subscription that there is not": {func(m map[string]any) { m["subscriptionId"] = "00000000-0000-0000-0000-000000000000" }, "unknown-subscription"},
		"another tenant":                   {func(m map[string]any) { m["tenantId"] = fabrikamID }, "another-tenant"},
		"no tenant":                        {func(m map[string]any) { delete(m, "tenantId") }, "unreadable"},
		"a tenant that is no id":           {func(m map[string]any) { m["tenantId"] = "contoso.example" }, "unreadable"},
		"no resource":                      {func(m map[string]any) { delete(m, "resource") }, "unreadable"},
		"a change that there is not":       {func(m map[string]any) { m["changeType"] = "renamed" }, "unreadable"},
		"an id that is a number":           {func(m map[string]any) { m["subscriptionId"] = 7 }, "unreadable"},
	} {
		n := good.Clone()
		tc.change(n.Item)
		before := w.meter.of(changefeed.MetricDropped + "/" + tc.reason)
		rec := w.post("/", "application/json", bytes.NewReader(w.graph.Batch(n)))
		require.Equal(t, genuine.Code, rec.Code, name)
		require.Equal(t, genuine.Header(), rec.Header(), name)
		require.Equal(t, genuine.Body, rec.Body, name)
		require.Equal(t, before+1, w.meter.of(changefeed.MetricDropped+"/"+tc.reason), name)
	}
	w.handle()
	require.Equal(t, []string{"of contoso"}, w.sink.texts())
	waiting, dead, _, err := w.feed.Backlog(t.Context(), "")
	require.NoError(t, err)
	require.Zero(t, waiting+dead)
	for _, secret := range []string{good.Item["subscriptionId"].(string), foreign.Item["subscriptionId"].(string), good.Item["clientState"].(string)[:26], "of contoso", contosoID} {
		require.NotContains(t, w.log.String(), secret)
	}
}

func TestAFloodOfForgeriesAsksTheStoreALittle(t *testing.T) {
	t.Parallel()
	var b *brittle
	w := newFeedWorld(t, func(w *feedWorld) { b = withBrittle(w) })
	w.follow("contoso", changefeed.AllChats())
	good := w.said(w.contoso, "hello")
	notices := []graphfake.Notice{good}
	for i := range 500 {
		n := good.Clone()
		n.Item["clientState"] = strings.Repeat("A", 24) + string(rune('A'+i%26)) + string(rune('A'+i/26)) + ".x"
		notices = append(notices, n)
	}
	b.set(func() { b.asked = 0 })
	require.Equal(t, 202, w.send(notices...))
	require.LessOrEqual(t, b.asked, 65)
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
}

func TestABatchMixesTenants(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	w.follow("fabrikam", changefeed.AllChats())
	c1, f1 := w.said(w.contoso, "c1"), w.said(w.fabrikam, "f1")
	c2, f2 := w.said(w.contoso, "c2"), w.said(w.fabrikam, "f2")
	forged := c1.Clone()
	forged.Item["clientState"] = "forged"
	require.Equal(t, 202, w.send(c1, forged, f1, f2, c2))
	w.handle()
	got := map[mspkit.TenantID][]string{}
	for _, e := range w.sink.all() {
		got[e.Tenant] = append(got[e.Tenant], e.Message.Text)
	}
	require.Equal(t, map[mspkit.TenantID][]string{"contoso": {"c1", "c2"}, "fabrikam": {"f1", "f2"}}, got)
	require.Empty(t, w.dead(""))
}

func TestATokenOfOneTenantProvesNothingOfAnother(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	w.follow("fabrikam", changefeed.AllChats())
	c, f := w.said(w.contoso, "c"), w.said(w.fabrikam, "f")
	f.Tenant = "" // without a token of its own
	require.Equal(t, 202, w.send(c, f))
	w.handle()
	require.Equal(t, []string{"c"}, w.sink.texts())
	dead := w.dead("")
	require.Len(t, dead, 1)
	require.Equal(t, mspkit.TenantID("fabrikam"), dead[0].Tenant)
	require.Contains(t, dead[0].Fault, "there is none for the tenant")
}

func TestARepeatIsHandledOnce(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	n := w.said(w.contoso, "hello")
	body := w.graph.Batch(n, n)
	for range 3 {
		status, err := w.graph.SendRaw(t.Context(), n.To, body)
		require.NoError(t, err)
		require.Equal(t, 202, status)
		w.handle()
	}
	// The same change once more, encrypted anew, as from a second subscription.
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
	require.EqualValues(t, 1, w.meter.of(changefeed.MetricEvents+"/repeated"))
	require.EqualValues(t, 5, w.meter.of(changefeed.MetricRepeated))
	// When all is forgotten, its token has expired.
	w.clock.move(8 * 24 * time.Hour)
	w.handle()
	w.follow("contoso", changefeed.AllChats())
	_, err := w.graph.SendRaw(t.Context(), n.To, body)
	require.NoError(t, err)
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
}

// hungQueue is a queue whose Wake hangs until it is let go.
type hungQueue struct {
	free chan struct{}
	left atomic.Bool
}

func (*hungQueue) Handle(string, mspkit.Drain) error { return nil }

func (q *hungQueue) Wake(ctx context.Context, _ mspkit.Stream, _ time.Time) error {
	select {
	case <-ctx.Done():
	case <-q.free:
	case <-time.After(time.Minute):
	}
	q.left.Store(true)
	return errors.New("the queue hangs")
}

func TestAQueueThatHangsDoesNotHoldUpTheAnswer(t *testing.T) {
	t.Parallel()
	q := &hungQueue{free: make(chan struct{})}
	w := newFeedWorld(t, func(w *feedWorld) { w.options.Queue = q })
	w.follow("contoso", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
	require.False(t, q.left.Load(), "Graph has its answer before anybody is woken")
	close(q.free)
	require.Eventually(t, q.left.Load, 20*time.Second, time.Millisecond)
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
}

func TestASlowHandlerDoesNotHoldUpTheAnswer(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	in, out := make(chan struct{}), make(chan struct{})
	w.sink.failing(func(changefeed.Event) error {
		in <- struct{}{}
		<-out
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.feed.Run(ctx) }()
	require.Equal(t, 202, w.send(w.said(w.contoso, "one")))
	<-in // the handler hangs
	begun := time.Now()
	for range 20 {
		require.Equal(t, 202, w.send(w.said(w.contoso, "more")))
	}
	require.Less(t, time.Since(begun), 30*time.Second) // a busy machine needs seconds; the handler hangs for longer
	w.sink.failing(nil)
	close(out)
	require.Eventually(t, func() bool { return len(w.sink.all()) == 21 }, 10*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}
