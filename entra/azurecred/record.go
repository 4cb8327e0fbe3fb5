package azurecred

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/mspkit/mspkit/internal/httpx"
)

// record keeps the last answer to a request for a token that was a refusal. The libraries below may have read it to its end
// before they hand it over, and then nobody would know why.
type record struct {
	mu      sync.Mutex
	refusal answer
}

type answer struct {
	err    error // that nothing was sent, or nil
	status int   // 0 is none
	header http.Header
	body   []byte
}

type recordKey struct{}

func withRecord(ctx context.Context, r *record) context.Context {
	return context.WithValue(ctx, recordKey{}, r)
}

// last returns the refusal. It is the zero answer where the last request was not refused.
func (r *record) last() answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refusal
}

func (r *record) set(a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal = a
}

// recorder fills in the record of a request's context. It is the last lock before the application's secret leaves: where tokens
// come from the libraries below are told by an answer, and what is posted goes to the hosts of the cloud only.
type recorder struct {
	next  http.RoundTripper
	hosts []*url.URL
}

// RoundTrip implements [http.RoundTripper].
func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	rec, ok := req.Context().Value(recordKey{}).(*record)
	if req.Method != http.MethodGet && !slices.ContainsFunc(r.hosts, func(u *url.URL) bool { return httpx.SameOrigin(u, req.URL) }) {
		if req.Body != nil {
			_ = req.Body.Close() // as a transport must
		}
		err := &refusal{&httpx.Error{Method: req.Method, URL: httpx.RedactURL(req.URL), Err: httpx.ErrOrigin}}
		if ok {
			rec.set(answer{err: err}) // the libraries below keep its text only
		}
		return nil, err
	}
	if !ok {
		return r.next.RoundTrip(req)
	}
	rec.set(answer{})
	res, err := r.next.RoundTrip(req)
	if err != nil || res.StatusCode < http.StatusBadRequest {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close() // it was read
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	rec.set(answer{status: res.StatusCode, header: res.Header.Clone(), body: body})
	return res, nil
}
