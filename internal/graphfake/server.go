package graphfake

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of a [Server].
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// PageSize is how many items a page has that was not asked for a size; 0 is 100, as in Graph. It is also the size where
	// that is smaller than what was asked for, if MaxPageSize says so.
	PageSize int
	// MaxPageSize is the most that a page holds whatever was asked for; 0 is 999.
	MaxPageSize int
	// Token tells the tenant of a bearer; nil accepts the tokens of the server's own token endpoint and of [Server.Bearer].
	Token func(bearer string) (tenant string, ok bool)
	// BasePath is in front of every path, without a slash at its end. Empty is none.
	BasePath string
	// URL is what links begin with, without a slash at its end and with BasePath; empty is http and the Host of the request,
	// followed by BasePath.
	URL string
	// ClientID and ClientSecret are what the token endpoint demands; empty is anything.
	ClientID, ClientSecret string
	// SingleUseRefresh makes a refresh token void when it is used. Entra leaves it valid.
	SingleUseRefresh bool
	// TokenTTL is how long access tokens live; 0 is an hour.
	TokenTTL time.Duration
	// OnRequest sees every request before it is answered.
	OnRequest func(r *http.Request, body []byte)
	// During is called while a request to a mailbox holds its place in the mailbox's limit of concurrent requests.
	During func(r *http.Request)
	// OnInstall is told when an app of Teams was installed for a user or taken from them, before that is answered: app is the id
	// in its manifest. Teams tells the bot then.
	OnInstall func(tenant, user, app string, installed bool)
	// Notifier asks the notification URLs of subscriptions whether they want them; nil is a client of its own.
	Notifier *http.Client
	// Record keeps every request for [Server.Requests].
	Record bool
}

// Server is the fake. It is an http.Handler.
type Server struct {
	o   Options
	mux *http.ServeMux

	mu       sync.Mutex
	tenants  map[string]*Tenant
	requests []Request
	fault    func(*http.Request) *Fault
	tokens   map[string]grant
	refresh  map[string]*refresh
	uploads  map[string]*upload
	busy     map[string]int
	sequence int64 // of changes of users

	url  string
	http *http.Server
	done chan error
}

// Request is one that came. Header is without Authorization.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
}

// New returns a server without tenants. A nil o is all defaults.
func New(o *Options) *Server {
	s := &Server{
		tenants: map[string]*Tenant{}, tokens: map[string]grant{}, refresh: map[string]*refresh{}, uploads: map[string]*upload{},
		busy: map[string]int{},
	}
	if o != nil {
		s.o = *o
	}
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
	if s.o.PageSize <= 0 {
		s.o.PageSize = 100
	}
	if s.o.MaxPageSize <= 0 {
		s.o.MaxPageSize = 999
	}
	if s.o.TokenTTL <= 0 {
		s.o.TokenTTL = time.Hour
	}
	s.mux = s.routes()
	return s
}

// Start returns a server that listens on a loopback port until [Server.Close].
func Start(o *Options) (*Server, error) {
	s := New(o)
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + l.Addr().String() + s.o.BasePath
	s.done = make(chan error, 1)
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		err := s.http.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		s.done <- err
	}()
	return s, nil
}

// URL is where a server of [Start] answers, or [Options.URL].
func (s *Server) URL() string {
	if s.o.URL != "" {
		return s.o.URL
	}
	return s.url
}

// Close stops a server of [Start].
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	return errors.Join(s.http.Close(), <-s.done)
}

// AddTenant adds a tenant. What is empty is made up: the id at random, the domain below .example.
func (s *Server) AddTenant(id, name, domain string) *Tenant {
	if id == "" {
		id = newID()
	}
	n := newTenant(s, strings.ToLower(id), name, domain)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tenants[n.ID] = n
	return n
}

// Tenant returns the tenant of an id, nil where there is none.
func (s *Server) Tenant(id string) *Tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tenants[strings.ToLower(id)]
}

// SetFault asks f before every request; nil answers of f, and a nil f, are none.
func (s *Server) SetFault(f func(*http.Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Requests returns what came since the beginning or [Server.Forget], where [Options.Record] is set.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Forget drops the requests recorded.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// maxBody is the longest body that is read. Graph refuses more than 4 MB itself.
const maxBody = 8 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if s.o.OnRequest != nil {
		s.o.OnRequest(r, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	s.mu.Lock()
	if s.o.Record {
		h := r.Header.Clone()
		h.Del("Authorization")
		s.requests = append(s.requests, Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: h, Body: body})
	}
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		f := fault(r)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if f != nil {
			s.goWrong(w, r, f)
			return
		}
	}
	s.serve(w, r)
}

func (s *Server) goWrong(w http.ResponseWriter, r *http.Request, f *Fault) {
	switch {
	case f.Drop && f.After:
		s.serve(newRecorder(), r)
		panic(http.ErrAbortHandler)
	case f.Drop:
		panic(http.ErrAbortHandler)
	}
	s.idHeaders(w, r)
	maps.Copy(w.Header(), f.Header)
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	switch {
	case f.Redirect != "":
		w.Header().Set("Location", f.Redirect)
		w.WriteHeader(http.StatusFound)
	case f.Body != "" || f.Status == 0 || f.Status/100 == 2:
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(max(f.Status, http.StatusOK))
		_, _ = io.WriteString(w, f.Body)
	default:
		s.writeError(w, &apiError{status: f.Status, code: f.Code, message: "A fault that was asked for."})
	}
}

// serve answers without hooks and faults.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, s.o.BasePath)
	if !ok || !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		http.NotFound(w, r)
		return
	}
	if s.o.BasePath != "" {
		r2 := r.Clone(r.Context())
		r2.URL.Path = path
		r2.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, s.o.BasePath)
		r = r2
	}
	s.idHeaders(w, r)
	s.mux.ServeHTTP(w, r)
}

func (s *Server) idHeaders(w http.ResponseWriter, r *http.Request) {
	id := newID()
	w.Header().Set("Request-Id", id)
	client := r.Header.Get("Client-Request-Id")
	if client == "" {
		client = id
	}
	w.Header().Set("Client-Request-Id", client)
	w.Header().Set("X-Ms-Ags-Diagnostic", `{"ServerInfo":{"DataCenter":"Nowhere","Slice":"E","Ring":"0","ScaleUnit":"000","RoleInstance":"FAKE"}}`)
}

// base is what links begin with.
func (s *Server) base(r *http.Request) string {
	if s.o.URL != "" {
		return s.o.URL
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + s.o.BasePath
}

// apiError is an answer that is not a success.
type apiError struct {
	status        int
	code, message string
	inner         string
	details       []any // below inner
	header        map[string]string
}

func fail(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *apiError {
	return fail(http.StatusBadRequest, "BadRequest", format, args...)
}

// writeError writes Graph's envelope.
func (s *Server) writeError(w http.ResponseWriter, e *apiError) {
	for k, v := range e.header {
		w.Header().Set(k, v)
	}
	inner := map[string]any{
		"date": s.o.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": w.Header().Get("Request-Id"),
		"client-request-id": w.Header().Get("Client-Request-Id"),
	}
	if e.inner != "" {
		inner["code"] = e.inner
	}
	if e.details != nil {
		inner["details"] = e.details
	}
	writeJSON(w, e.status, map[string]any{"error": map[string]any{"code": e.code, "message": e.message, "innerError": inner}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
	w.Header().Set("Odata-Version", "4.0")
	writeBody(w, status, v)
}

func writeBody(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client has gone
}

// newID returns a random GUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// recorder is an answer for the inside.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.body.Write(p)
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}
