package graphx

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// maxBatch is how many requests Graph takes in one batch.
const maxBatch = 20

// BatchItem is one request of a $batch.
type BatchItem struct {
	// Method is GET where empty. URL is below the version: "/users/…", escaped, with its query.
	Method, URL string
	Header      map[string]string
	// Body is sent as JSON; nil sends none.
	Body any
	// Idempotent allows a POST or PATCH to be repeated after a failure that may have come after the act.
	Idempotent bool
}

func (i *BatchItem) idempotent() bool {
	return i.Idempotent || (i.Method != http.MethodPost && i.Method != http.MethodPatch)
}

// BatchResult is what became of one item. Err is an [*Error] where Status is not 2xx; where Status is 0 there is no answer,
// and Err says why.
type BatchResult struct {
	Status int
	Header map[string]string
	// Body is the JSON of the answer; binary answers are a JSON string in base64.
	Body json.RawMessage
	Err  error
}

// Get returns a header, whatever the case of its name.
func (r *BatchResult) Get(name string) string {
	for k, v := range r.Header {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// batchRequest and batchResponse are what is on the wire.
type batchRequest struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

type batchResponse struct {
	ID      text            `json:"id"`
	Status  int             `json:"status"`
	Headers map[string]text `json:"headers"`
	Body    json.RawMessage `json:"body"`
}

// Batch sends items, 20 a request, repeats those that were throttled, and returns a result for each in the same order. An
// error means that nothing is known of any: an item cannot be used, or the first request failed. Where a later one fails,
// its items and those behind them have that error.
//
// Items are repeated as a [Request] is: after 429 always, after what may have come after the act where the method or the
// item is idempotent, as often as [Options].Retry says, and no longer than [Options].Timeout for each 20. Items of one
// request run side by side and in no order.
func (c *Client) Batch(ctx context.Context, tenant mspkit.TenantID, w Workload, items []BatchItem) ([]BatchResult, error) {
	return c.BatchFor(ctx, &Request{Tenant: tenant, Workload: w}, items)
}

// BatchFor is [Client.Batch] with what r says of the tenant, the workload, the limiter, the version and the timeout. Its
// other fields are not used.
func (c *Client) BatchFor(ctx context.Context, r *Request, items []BatchItem) ([]BatchResult, error) {
	wire := make([]batchRequest, len(items))
	for n := range items {
		if err := c.batchRequest(r, &items[n], n, &wire[n]); err != nil {
			return nil, err
		}
	}
	out := make([]BatchResult, len(items))
	for from := 0; from < len(items); from += maxBatch {
		to := min(from+maxBatch, len(items))
		err := c.batchChunk(ctx, r, items[from:to], wire[from:to], out[from:to])
		if err == nil {
			continue
		}
		if from == 0 {
			return nil, err
		}
		for n := from; n < len(out); n++ {
			if out[n].Status == 0 && out[n].Err == nil {
				out[n].Err = err
			}
		}
		break
	}
	return out, nil
}

// batchRequest checks an item and writes it into w.
func (c *Client) batchRequest(r *Request, item *BatchItem, n int, w *batchRequest) error {
	bad := func(what string) error {
		return fmt.Errorf("graphx: batch item %d: %s: %w", n, what, mspkit.ErrInvalid)
	}
	*w = batchRequest{ID: strconv.Itoa(n%maxBatch + 1), Method: item.Method, URL: item.URL}
	switch w.Method {
	case "":
		w.Method = http.MethodGet
	case http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost, http.MethodPatch:
	default:
		return bad("a method that Graph does not know")
	}
	if !strings.HasPrefix(item.URL, "/") || strings.HasPrefix(item.URL, "//") {
		return bad("the URL does not begin with one slash")
	}
	if _, err := c.resolve(&Request{Path: item.URL, Version: r.Version}); err != nil {
		return bad("the URL cannot be used")
	}
	for k, v := range item.Header {
		name := textproto.CanonicalMIMEHeaderKey(k)
		for _, f := range forbidden {
			if name == f {
				return bad("the header " + f + " is not the item's")
			}
		}
		if w.Headers == nil {
			w.Headers = make(map[string]string)
		}
		w.Headers[name] = v
	}
	if item.Body == nil {
		return nil
	}
	b, err := json.Marshal(item.Body)
	if err != nil {
		return bad("the body cannot be written as JSON")
	}
	w.Body = b
	if w.Headers == nil {
		w.Headers = make(map[string]string)
	}
	if w.Headers["Content-Type"] == "" {
		w.Headers["Content-Type"] = "application/json"
	}
	return nil
}

// batchChunk sends up to 20 items until each has a result. An error means that the first request failed; those that are
// repeated in vain keep the result that they have.
func (c *Client) batchChunk(ctx context.Context, r *Request, items []BatchItem, wire []batchRequest, out []BatchResult) error {
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = c.o.Timeout
	}
	deadline := time.Now().Add(timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	left := make([]int, len(items))
	for n := range left {
		left[n] = n
	}
	for try := int32(0); ; try++ {
		if err := c.batchOnce(ctx, r, time.Until(deadline), items, wire, left, out); err != nil {
			if try == 0 {
				return err
			}
			return nil // the items have the errors of the try before
		}
		var (
			again []int
			wait  time.Duration
		)
		for _, n := range left {
			e, ok := out[n].Err.(*Error) //nolint:errorlint // it was made by batchOnce
			if !ok || !c.repeats(e.Status, e.RetryAfter, items[n].idempotent()) || !c.worthWaiting(e.RetryAfter, deadline) {
				continue
			}
			again = append(again, n)
			wait = max(wait, e.RetryAfter)
		}
		if len(again) == 0 || try >= c.o.Retry.MaxRetries {
			return nil
		}
		if wait == 0 {
			wait = c.backoff(try)
		}
		if time.Until(deadline) <= wait || !slept(ctx, wait) {
			return nil
		}
		left = again
	}
}

func slept(ctx context.Context, d time.Duration) bool { return sleep(ctx, d) == nil }

// backoff is how long to wait after a try, counted from 0, that did not say it.
func (c *Client) backoff(try int32) time.Duration {
	d := c.o.Retry.RetryDelay
	switch {
	case d < 0:
		return 0
	case d == 0:
		d = 800 * time.Millisecond
	}
	return min(d<<min(try, 10), time.Minute)
}

// batchOnce sends those of wire that left says and writes their results.
func (c *Client) batchOnce(
	ctx context.Context, r *Request, timeout time.Duration, items []BatchItem, wire []batchRequest, left []int, out []BatchResult,
) error {
	req := &Request{
		Tenant: r.Tenant, Workload: r.Workload, LimitKey: r.LimitKey, Version: r.Version, Timeout: max(timeout, 1),
		Method: http.MethodPost, Path: "/$batch", Idempotent: true, cost: len(left),
	}
	var body struct {
		Requests []batchRequest `json:"requests"`
	}
	for _, n := range left {
		body.Requests = append(body.Requests, wire[n])
		req.Idempotent = req.Idempotent && items[n].idempotent()
	}
	req.Body = body
	var answer struct {
		Responses []batchResponse `json:"responses"`
	}
	res, err := c.Open(ctx, req)
	if err != nil {
		return err
	}
	clientID := res.Header.Get("Client-Request-Id")
	err = decodeWhole(res, &answer)
	_ = res.Body.Close()
	if err != nil {
		return err
	}

	of := make(map[string]*batchResponse, len(answer.Responses))
	twice := make(map[string]bool)
	for n := range answer.Responses {
		id := string(answer.Responses[n].ID)
		twice[id] = of[id] != nil
		of[id] = &answer.Responses[n]
	}
	key := limitKey{r.Tenant, r.Workload, r.LimitKey}
	if key.workload == "" {
		key.workload = Directory
	}
	for _, n := range left {
		id := wire[n].ID
		switch a := of[id]; {
		case a == nil:
			out[n] = BatchResult{Err: badAnswer("the batch has no response to item %s", id)}
		case twice[id]:
			out[n] = BatchResult{Err: badAnswer("the batch has two responses to item %s", id)}
		case a.Status < 100 || a.Status > 599:
			out[n] = BatchResult{Err: badAnswer("the batch has no status for item %s", id)}
		default:
			out[n] = c.batchResult(a, clientID)
			if a.Status == http.StatusTooManyRequests {
				e, _ := out[n].Err.(*Error) //nolint:errorlint // batchResult makes it
				c.limits.pause(key, c.pauseOf(e.RetryAfter))
			}
		}
	}
	return nil
}

func (c *Client) batchResult(a *batchResponse, clientID string) BatchResult {
	r := BatchResult{Status: a.Status, Body: a.Body, Header: make(map[string]string, len(a.Headers))}
	h := make(http.Header, len(a.Headers))
	for k, v := range a.Headers {
		r.Header[k] = string(v)
		h.Set(k, string(v))
	}
	if a.Status/100 != 2 {
		r.Err = c.newError(a.Status, h, a.Body, clientID)
	}
	return r
}

// Segment escapes s, such as an id or an address, for one segment of a path.
func Segment(s string) string { return url.PathEscape(s) }
