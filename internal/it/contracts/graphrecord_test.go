package contracts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// request is one that was sent, or one in a $batch.
type request struct {
	method string
	url    *url.URL // of one in a batch: path and query only
	header http.Header
	body   []byte
	batch  bool // it is in a $batch
	// site is the line of the package that sent it: "mail/graphmail/send.go:12".
	site string
	// status and answer are what came back.
	status int
	answer []byte
}

// recorder is a transport that notes what is sent, and which line of the module sent it.
type recorder struct {
	mu       sync.Mutex
	requests []*request
	sites    map[string]bool // every line of the module that was on its way to a request
}

func (rec *recorder) client() *http.Client { return &http.Client{Transport: rec} }

// RoundTrip implements [http.RoundTripper].
func (rec *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	out := &request{method: r.Method, url: r.URL, header: r.Header.Clone()}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		out.body = b
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(b))
	}
	sites := callers()
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		out.status = res.StatusCode
		if out.answer, err = io.ReadAll(res.Body); err != nil {
			return nil, err
		}
		_ = res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(out.answer))
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.sites == nil {
		rec.sites = map[string]bool{}
	}
	for _, s := range sites {
		rec.sites[s] = true
	}
	if len(sites) > 0 {
		out.site = sites[0]
	}
	rec.requests = append(rec.requests, out)
	return res, err
}

const module = "github.com/mspkit/mspkit/"

// callers returns the lines of this module that lead here, the innermost first, without the clients that all share.
func callers() []string {
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var out []string
	for {
		f, more := frames.Next()
		if rel, ok := strings.CutPrefix(f.Function, module); ok && !strings.HasSuffix(f.File, "_test.go") {
			at := strings.LastIndexByte(rel, '/')
			dot := strings.IndexByte(rel[at+1:], '.')
			pkg := rel[:at+1+dot]
			if pkg != "internal/graphx" && pkg != "internal/httpx" {
				out = append(out, fmt.Sprintf("%s/%s:%d", pkg, filepath.Base(f.File), f.Line))
			}
		}
		if !more {
			return out
		}
	}
}

// all returns what was sent, and what is in each $batch behind it.
func (rec *recorder) all() ([]*request, error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	var out []*request
	for _, r := range rec.requests {
		out = append(out, r)
		if !strings.HasSuffix(r.url.Path, "/$batch") {
			continue
		}
		items, err := r.items()
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
	}
	return out, nil
}

// items returns the requests in a $batch. The description has no path for it, so what it may have stands here.
//
// Source: https://learn.microsoft.com/graph/json-batching.
func (r *request) items() ([]*request, error) {
	var in struct {
		Requests []struct {
			ID, Method, URL string
			Headers         map[string]string
			Body            json.RawMessage
			DependsOn       []string
		}
	}
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf("a batch: %w", err)
	}
	var answers struct {
		Responses []struct {
			ID     string
			Status int
			Body   json.RawMessage
		}
	}
	if r.status == http.StatusOK {
		if err := json.Unmarshal(r.answer, &answers); err != nil {
			return nil, fmt.Errorf("the answer to a batch: %w", err)
		}
	}
	if len(in.Requests) == 0 || len(in.Requests) > 20 {
		return nil, fmt.Errorf("a batch has %d requests, and may have 20", len(in.Requests))
	}
	ids := map[string]bool{}
	out := make([]*request, len(in.Requests))
	for i, item := range in.Requests {
		if item.ID == "" || ids[item.ID] || item.Method == "" || !strings.HasPrefix(item.URL, "/") {
			return nil, fmt.Errorf("item %d of a batch needs an id of its own, a method, and a URL below the version", i)
		}
		ids[item.ID] = true
		u, err := url.Parse(version + item.URL)
		if err != nil {
			return nil, err
		}
		h := http.Header{}
		for k, v := range item.Headers {
			h.Set(k, v)
		}
		out[i] = &request{method: item.Method, url: u, header: h, body: item.Body, batch: true, site: r.site}
		for _, a := range answers.Responses {
			if a.ID == item.ID {
				out[i].status, out[i].answer = a.Status, a.Body
			}
		}
	}
	return out, nil
}

// shape is a request without what differs from one to the next: ids, tokens, values.
func (r *request) shape(template string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-6s %s", r.method, template)
	query := r.url.Query()
	sep := "?"
	for _, name := range sortedKeys(query) {
		v := query.Get(name)
		switch {
		case strings.HasSuffix(name, "token"):
			v = "…"
		case name == "$filter":
			v = quoted.ReplaceAllString(guid.ReplaceAllString(v, "…"), "'…'")
		case name == "$search":
			v = "…"
		}
		b.WriteString(sep + name + "=" + v)
		sep = "&"
	}
	for _, name := range []string{"Consistencylevel", "Prefer", "Content-Range"} {
		for _, v := range r.header.Values(name) {
			if name == "Content-Range" {
				v = "…"
			}
			b.WriteString("  [" + name + ": " + v + "]")
		}
	}
	var v any
	if len(r.body) > 0 && json.Unmarshal(r.body, &v) == nil && !strings.HasSuffix(template, "/$batch") {
		names := map[string]bool{}
		properties("", v, names)
		b.WriteString("  {" + strings.Join(sortedKeys(names), " ") + "}")
	}
	return b.String()
}

// properties collects the names in a body.
func properties(at string, v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			name := strings.TrimPrefix(at+"."+k, ".")
			below := map[string]bool{}
			if properties(name, e, below); len(below) == 0 {
				below[name] = true
			}
			maps.Copy(into, below)
		}
	case []any:
		for _, e := range v {
			properties(at, e, into)
		}
	}
}

func sortedKeys[V any, M ~map[string]V](m M) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
