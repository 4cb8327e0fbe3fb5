package halopsa_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// recorder keeps what was sent.
type recorder struct {
	to  http.RoundTripper
	off atomic.Bool
	mu  sync.Mutex
	all []sent
}

type sent struct {
	Method, Path, Body string
	Query              url.Values
	Header             http.Header
	Host               string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.off.Load() {
		return r.to.RoundTrip(req)
	}
	s := sent{Method: req.Method, Path: req.URL.Path, Query: req.URL.Query(), Header: req.Header.Clone(), Host: req.URL.Host}
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		_ = req.Body.Close()
		s.Body = string(b)
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(b))
	}
	r.mu.Lock()
	r.all = append(r.all, s)
	r.mu.Unlock()
	return r.to.RoundTrip(req)
}

// to returns what was sent to paths that end so.
func (r *recorder) list(method, suffix string) (out []sent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.all {
		if s.Method == method && strings.HasSuffix(s.Path, suffix) {
			out = append(out, s)
		}
	}
	return out
}

func (r *recorder) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = nil
}
