package contracts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/mspkit/mspkit/internal/it/graphcontract"
)

// request is one that was sent, or one in a $batch: its URL has path and query only then.
type request struct {
	graphcontract.Request

	batch bool // it is in a $batch
	// site is the line of the package that sent it: "mail/graphmail/send.go:12".
	site string
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
	out := &request{Request: graphcontract.Request{Method: r.Method, URL: r.URL, Header: r.Header.Clone()}}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		out.Body = b
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(b))
	}
	sites := callers()
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		out.Status = res.StatusCode
		if out.Answer, err = io.ReadAll(res.Body); err != nil {
			return nil, err
		}
		_ = res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(out.Answer))
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
		if !strings.HasSuffix(r.URL.Path, "/$batch") {
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
	d := json.NewDecoder(bytes.NewReader(r.Body))
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
	if r.Status == http.StatusOK {
		if err := json.Unmarshal(r.Answer, &answers); err != nil {
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
		u, err := url.Parse(graphcontract.Version + item.URL)
		if err != nil {
			return nil, err
		}
		h := http.Header{}
		for k, v := range item.Headers {
			h.Set(k, v)
		}
		out[i] = &request{Request: graphcontract.Request{Method: item.Method, URL: u, Header: h, Body: item.Body}, batch: true, site: r.site}
		for _, a := range answers.Responses {
			if a.ID == item.ID {
				out[i].Status, out[i].Answer = a.Status, a.Body
			}
		}
	}
	return out, nil
}
