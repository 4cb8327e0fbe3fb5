package workflows

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/mspkit/mspkit/internal/httpx"
)

// newClient returns the client for all posts. It has no logger: httpx would tell the host, which names the customer's
// environment. It never repeats: the queue does.
func newClient(o *Options) (*http.Client, error) {
	base := o.HTTPClient
	if base == nil {
		var allow []netip.Prefix
		if o.InsecureLoopback {
			allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		}
		base = &http.Client{Transport: httpx.Guard(&httpx.GuardOptions{Allow: allow})}
	}
	return httpx.NewClient(base, &httpx.Options{
		Timeout: o.Timeout, TryTimeout: o.Timeout, MaxRetries: -1, MaxBody: maxAnswer, Now: o.Now,
	})
}

// accepted is what Workflows says where it took a post.
type accepted struct {
	status int
	run    string
}

// send posts body once. tracking is a name for the post that the flow's run history shows
// (https://learn.microsoft.com/azure/logic-apps/monitor-workflows-collect-diagnostic-data).
func (s *Service) send(ctx context.Context, op, url string, body []byte, tracking string) (accepted, *Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil { // its text would hold the URL
		return accepted{}, &Error{Op: op, kind: ErrURL, reason: "the URL cannot be used", Advice: adviceCopy}
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "mspkit")
	req.Header.Set("x-ms-client-tracking-id", tracking)
	resp, err := httpx.Do(s.client, req)
	if err != nil {
		return accepted{}, unanswered(ctx, op, err)
	}
	defer resp.Body.Close() //nolint:errcheck // what matters is read
	var f fault
	if resp.StatusCode >= 300 {
		b, _ := io.ReadAll(resp.Body) // what is there says more than nothing
		f = parseFault(b)
	}
	if e := judge(op, resp.StatusCode, f, s.retryAfter(resp.Header)); e != nil {
		return accepted{}, e
	}
	return accepted{status: resp.StatusCode, run: runID(resp.Header)}, nil
}

// maxRetryAfter is the longest wait that is asked for and kept to.
const maxRetryAfter = time.Hour

func (s *Service) retryAfter(h http.Header) time.Duration {
	d, _ := httpx.ParseRetryAfter(h, s.o.Now())
	return min(d, maxRetryAfter)
}

// paced is send when the limits of the connection admit it. Where the wait would be long, it is [ErrThrottled] with it.
func (s *Service) paced(ctx context.Context, op string, at key, url string, body []byte, tracking string) (accepted, *Error) {
	now := s.o.Now()
	wait, ok := s.pace.reserve(at, now, maxWait)
	if !ok {
		return accepted{}, &Error{Op: op, kind: ErrThrottled, reason: "posts to this connection are as many as are allowed", RetryAfter: wait, Advice: adviceWait}
	}
	if !sleep(ctx, wait) {
		return accepted{}, &Error{Op: op, kind: ErrUnavailable, reason: "the caller gave up", cause: ctx.Err()}
	}
	a, e := s.send(ctx, op, url, body, tracking)
	s.pace.answered(at, now.Add(wait), s.o.Now())
	return a, e
}
