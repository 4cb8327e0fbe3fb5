package entratest

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// discard takes the complaints of the server about clients that refuse its certificate.
var discard = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

// Endpoint is one of the server's.
type Endpoint string

// The endpoints.
const (
	Metadata     Endpoint = "metadata"
	Keys         Endpoint = "keys"
	Authorize    Endpoint = "authorize"
	AdminConsent Endpoint = "adminconsent"
	Token        Endpoint = "token"
	DeviceCode   Endpoint = "devicecode"
	Logout       Endpoint = "logout"
)

// Fault is what becomes of requests in place of what should.
type Fault struct {
	Endpoint Endpoint
	// Tenant is the tenant whose requests fail, by id; empty is all.
	Tenant string
	// Times is how many requests fail; 0 is one, negative all.
	Times int
	// Status is the HTTP status; 0 is 400.
	Status int
	// Code is the number of an error, for example 65001, and OAuth its code, such as "invalid_grant", which it is where
	// empty.
	Code  int
	OAuth string
	// RetryAfter is asked for where it is not zero.
	RetryAfter time.Duration
	// Claims is a challenge of Conditional Access.
	Claims string
	// Body is sent as it is where it is not empty.
	Body string
	// Drop closes the connection without an answer.
	Drop bool
	// Delay is how long the answer takes. Where nothing else is set, it is the one that it should be.
	Delay time.Duration
}

// slow reports whether the request gets its answer after all.
func (f *Fault) slow() bool {
	return f.Delay > 0 && f.Status == 0 && f.Code == 0 && f.OAuth == "" && f.RetryAfter == 0 && f.Claims == "" && f.Body == "" && !f.Drop
}

// Fail makes requests fail. Faults are used up in the order in which they were given.
func (s *Server) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Request is one that the server got.
type Request struct {
	Endpoint Endpoint
	// Tenant is what stood in the path.
	Tenant string
	// Grant is the grant type, Client the application and Scope what was asked for, at the token endpoint.
	Grant, Client, Scope string
	// Prompt, MaxAge, LoginHint and Claims are parameters of the authorize endpoint.
	Prompt, MaxAge, LoginHint, Claims string
}

// Requests returns what the endpoint was asked; no endpoint is all.
func (s *Server) Requests(e Endpoint) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Request
	for _, r := range s.requests {
		if e == "" || r.Endpoint == e {
			out = append(out, r)
		}
	}
	return out
}

// maxForm is in bytes.
const maxForm = 64 << 10

// endpoint notes requests and lets them fail where they should.
func (s *Server) endpoint(e Endpoint, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			s.refuse(w, http.StatusBadRequest, "invalid_request", 9002313)
			return
		}
		note := Request{
			Endpoint: e, Tenant: r.PathValue("tenant"), Grant: r.PostForm.Get("grant_type"), Client: r.Form.Get("client_id"), Scope: r.Form.Get("scope"),
			Prompt: r.Form.Get("prompt"), MaxAge: r.Form.Get("max_age"), LoginHint: r.Form.Get("login_hint"), Claims: r.Form.Get("claims"),
		}
		s.mu.Lock()
		s.requests = append(s.requests, note)
		f := s.fault(e, note.Tenant)
		s.mu.Unlock()
		if f != nil && f.Delay > 0 {
			select {
			case <-time.After(f.Delay):
			case <-r.Context().Done():
				return
			}
		}
		if f != nil && !f.slow() {
			s.fail(w, f)
			return
		}
		h(w, r)
	}
}

// fault returns what the request must fail with, or nil. The caller holds the lock.
func (s *Server) fault(e Endpoint, tenant string) *Fault {
	for _, f := range s.faults {
		if f.Endpoint != e || f.Times == 0 || f.Tenant != "" && !strings.EqualFold(f.Tenant, tenant) {
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		return f
	}
	return nil
}

func (s *Server) fail(w http.ResponseWriter, f *Fault) {
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	status, oauth := f.Status, f.OAuth
	if status == 0 {
		status = http.StatusBadRequest
	}
	if oauth == "" {
		oauth = "invalid_grant"
	}
	if f.Body != "" {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, f.Body)
		return
	}
	body := s.errorBody(oauth, f.Code)
	if f.Claims != "" {
		body["claims"] = f.Claims
	}
	writeJSON(w, status, body)
}

// refuse answers as Entra's token endpoint refuses.
func (s *Server) refuse(w http.ResponseWriter, status int, oauth string, code int) {
	writeJSON(w, status, s.errorBody(oauth, code))
}

func (s *Server) errorBody(oauth string, code int) map[string]any {
	trace, correlation := newGUID(), newGUID()
	at := s.o.Now().UTC().Format("2006-01-02 15:04:05Z")
	body := map[string]any{
		"error": oauth, "timestamp": at, "trace_id": trace, "correlation_id": correlation,
		"error_description": fmt.Sprintf("AADSTS%d: It was refused. Trace ID: %s Correlation ID: %s Timestamp: %s", code, trace, correlation, at),
		"error_uri":         fmt.Sprintf("%s/error?code=%d", s.base, code),
	}
	if code != 0 {
		body["error_codes"] = []int{code}
	} else {
		body["error_description"] = "It was refused."
	}
	return body
}
