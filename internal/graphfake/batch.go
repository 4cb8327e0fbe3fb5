package graphfake

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxBatch is how many requests a batch has at most.
const maxBatch = 20

type batchItem struct {
	id, method, url string
	header          map[string]string
	body            []byte
	after           []string
}

type batchAnswer struct {
	ID     string            `json:"id"`
	Status int               `json:"status"`
	Header map[string]string `json:"headers,omitempty"`
	Body   json.RawMessage   `json:"body,omitempty"`
}

// batch answers POST /$batch. Faults are asked for each of the requests in it as well; their answers come in reverse order,
// because any order is allowed.
func (c *call) batch() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	items, e := c.batchItems()
	if e != nil {
		return e
	}
	status := map[string]int{}
	answers := make([]batchAnswer, len(items))
	for i, it := range items {
		a := &answers[len(items)-1-i]
		for _, on := range it.after {
			if status[on]/100 != 2 {
				rec := newRecorder()
				c.s.idHeaders(rec, c.r)
				c.s.writeError(rec, fail(http.StatusFailedDependency, "FailedDependency", "A request that this one depends on failed."))
				*a = answer(it.id, rec)
			}
		}
		if a.ID == "" {
			*a = c.one(it)
		}
		status[it.id] = a.Status
	}
	return c.ok(map[string]any{"responses": answers})
}

func (c *call) batchItems() ([]batchItem, *apiError) {
	m, e := object(c.body, "batch", "requests")
	if e != nil {
		return nil, e
	}
	var raws []json.RawMessage
	if json.Unmarshal(m["requests"], &raws) != nil || len(raws) == 0 {
		return nil, badRequest("Invalid batch payload format.")
	}
	if len(raws) > maxBatch {
		return nil, fail(http.StatusBadRequest, "MaximumValueExceeded", "A batch has %d requests at most.", maxBatch)
	}
	var items []batchItem
	seen := map[string]bool{}
	for _, raw := range raws {
		m, e := object(raw, "batch request", "id", "method", "url", "headers", "body", "dependsOn")
		if e != nil {
			return nil, e
		}
		it := batchItem{body: m["body"]}
		for name, v := range map[string]any{"id": &it.id, "method": &it.method, "url": &it.url, "headers": &it.header, "dependsOn": &it.after} {
			if e := value(m, name, v); e != nil {
				return nil, e
			}
		}
		if it.id == "" || seen[it.id] || it.method == "" || it.url == "" {
			return nil, badRequest("Invalid batch payload format: every request has an id of its own, a method and a url.")
		}
		for _, on := range it.after {
			if !seen[on] {
				return nil, badRequest("The request '%s' depends on '%s', which does not come before it.", it.id, on)
			}
		}
		seen[it.id] = true
		items = append(items, it)
	}
	return items, nil
}

// one answers a request of a batch.
func (c *call) one(it batchItem) batchAnswer {
	rec := newRecorder()
	bad := func(format string, args ...any) batchAnswer {
		c.s.idHeaders(rec, c.r)
		c.s.writeError(rec, badRequest(format, args...))
		return answer(it.id, rec)
	}
	u, err := url.Parse(it.url)
	switch {
	case err != nil || u.IsAbs() || u.Host != "":
		return bad("The url of a request in a batch is relative.")
	case strings.HasPrefix(u.Path, "/v1.0/"), strings.HasPrefix(u.Path, "/$batch"), strings.HasPrefix(u.Path, "$batch"):
		return bad("Resource not found for the segment '%s'.", strings.Trim(u.Path, "/"))
	}
	if !strings.HasPrefix(u.Path, "/") {
		if u, err = url.Parse("/" + it.url); err != nil {
			return bad("The url of a request in a batch cannot be read.")
		}
	}
	r := c.r.Clone(c.r.Context())
	r.Method = it.method
	path := "/v1.0" + u.EscapedPath()
	r.URL = &url.URL{Path: "/v1.0" + u.Path, RawPath: path, RawQuery: u.RawQuery}
	r.RequestURI = ""
	r.Header = http.Header{"Authorization": c.r.Header["Authorization"], "Client-Request-Id": c.r.Header["Client-Request-Id"]}
	for k, v := range it.header {
		r.Header.Set(k, v)
	}
	body := it.body
	if len(body) > 0 {
		ct := r.Header.Get("Content-Type")
		if ct == "" {
			return bad("Write request id : %s does not contain Content-Type header or body.", it.id)
		}
		if !strings.HasPrefix(ct, "application/json") {
			var text string
			if json.Unmarshal(body, &text) != nil {
				return bad("The body of the request '%s' is not a string in base64.", it.id)
			}
			if body, err = base64.StdEncoding.DecodeString(text); err != nil {
				return bad("The body of the request '%s' is not a string in base64.", it.id)
			}
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	c.s.idHeaders(rec, r)
	c.s.mu.Lock()
	fault := c.s.fault
	c.s.mu.Unlock()
	if fault != nil {
		// The URL that a fault sees has the base path, as if the request had come alone.
		outer := r.Clone(r.Context())
		outer.URL.Path, outer.URL.RawPath = c.s.o.BasePath+r.URL.Path, ""
		if f := fault(outer); f != nil && !f.Drop {
			c.s.goWrong(rec, r, f)
			return answer(it.id, rec)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	c.s.mux.ServeHTTP(rec, r)
	return answer(it.id, rec)
}

// answer makes an answer of a batch; what is not JSON is in base64.
func answer(id string, rec *recorder) batchAnswer {
	a := batchAnswer{ID: id, Status: rec.status, Header: map[string]string{}}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	for k := range rec.header {
		if k != "Request-Id" && k != "Client-Request-Id" && k != "X-Ms-Ags-Diagnostic" {
			a.Header[k] = rec.header.Get(k)
		}
	}
	switch b := bytes.TrimSpace(rec.body.Bytes()); {
	case len(b) == 0:
	case strings.HasPrefix(a.Header["Content-Type"], "application/json"):
		a.Body = b
	default:
		a.Body, _ = json.Marshal(base64.StdEncoding.EncodeToString(b))
	}
	return a
}
