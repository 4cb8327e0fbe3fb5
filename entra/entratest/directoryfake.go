package entratest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// DirectoryOptions are what is true of a [Directory], and how it misbehaves. [Directory.Change] changes them while it runs.
type DirectoryOptions struct {
	// Name and Domain are the organization's: default Contoso, contoso.onmicrosoft.com.
	Name, Domain string
	// Me is the object id of the person whose token is used, which /me answers with. Empty is a token of an application.
	Me string
	// NoPremium is a tenant without Entra ID P1: no Conditional Access, no sign-in log, and no groups on applications.
	NoPremium bool
	// SecurityDefaults are on, which rules Conditional Access out.
	SecurityDefaults bool
	// NoSecrets is an application management policy that forbids client secrets. MaxSecretLife is one that bounds how long
	// they are good for; zero is no bound.
	NoSecrets     bool
	MaxSecretLife time.Duration
	// Denied are requests that the token has no permission for: "POST /oauth2PermissionGrants", or "/applications" for all
	// methods. A path denies what is below it as well.
	Denied []string
	// HidePolicyResults leaves appliedConditionalAccessPolicies of sign-ins empty, as Graph does for a token that may not read
	// policies.
	HidePolicyResults bool
	// Lag is how many requests do not see an object yet that was just made: Graph has replicas.
	Lag int
	// PageSize bounds the pages of lists: default 100.
	PageSize int
	// AccessPace is the time between two requests for Conditional Access that are answered; what comes sooner is refused with
	// 429 and without a Retry-After. Graph's is a second. Zero is no bound.
	AccessPace time.Duration
	// TokenTenant returns the tenant that a token is for, as [Server.AccessTokenTenant] does. Nil takes any token that is not
	// empty.
	TokenTenant func(token string) (tenant string, ok bool)
	// Now is the clock: default time.Now.
	Now func() time.Time
}

// Directory is the directory of one tenant as Microsoft Graph v1.0 serves it: applications, service principals, what is
// granted to them and who is assigned, people and groups, Conditional Access and the sign-in log. Make one with
// [NewDirectory], or with [Directories.Add] where several tenants stand behind one URL.
//
// It is a [http.Handler] for everything below /v1.0, under whatever prefix. It keeps state, answers with Graph's statuses
// and its envelope of errors, and refuses what Graph refuses: unknown properties, read-only ones, filters on what cannot be
// filtered, duplicates, references to what is not there. Where Graph's text of an error is not known it has its own: match
// the status and the code.
type Directory struct {
	id string

	mu       sync.Mutex
	o        DirectoryOptions
	sets     map[string]*dirSet
	seq      int
	faults   []*DirectoryFault
	requests []DirectoryRequest
	writes   int
	dieAt    int // the count of writes at which die is called; 0 is never
	die      func()
	accessAt time.Time // when Conditional Access answers again
	outside  map[string]string
}

// NewDirectory returns the directory of the tenant with that id, with nobody in it; an empty id is a random one. Of
// applications it has Microsoft Graph, with the permissions that this module asks for.
func NewDirectory(tenantID string, o *DirectoryOptions) *Directory {
	d := &Directory{id: strings.ToLower(tenantID), sets: map[string]*dirSet{}, outside: map[string]string{}}
	if d.id == "" {
		d.id = newGUID()
	}
	if o != nil {
		d.o = *o
	}
	d.defaults()
	d.addBuiltIn()
	return d
}

// defaults fills in what is empty in the options. The caller holds the lock, or nobody has the directory yet.
func (d *Directory) defaults() {
	if d.o.Name == "" {
		d.o.Name = "Contoso"
	}
	if d.o.Domain == "" {
		d.o.Domain = "contoso.onmicrosoft.com"
	}
	if d.o.PageSize <= 0 {
		d.o.PageSize = 100
	}
	if d.o.Now == nil {
		d.o.Now = time.Now
	}
}

// ID is the id of the tenant.
func (d *Directory) ID() string { return d.id }

// Change changes the options, for requests from now on.
func (d *Directory) Change(f func(o *DirectoryOptions)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.o)
	d.defaults()
}

// dirAnswer is an answer before it is sent. A body of nil sends none.
type dirAnswer struct {
	status int
	header http.Header
	body   any
}

// dirCall is one request.
type dirCall struct {
	d      *Directory
	method string
	base   string   // the URL up to and with /v1.0
	path   string   // behind it
	seg    []string // of the path
	query  url.Values
	header http.Header
	body   map[string]any // of a write
	raw    []byte
	id     string // request-id
	client string // client-request-id
}

const (
	dirVersion = "/v1.0"
	maxDirBody = 1 << 20 // in bytes
)

// ServeHTTP implements [http.Handler].
func (d *Directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, refused := d.newCall(w, r)
	var (
		a     dirAnswer
		fault *DirectoryFault
		die   func()
	)
	switch {
	case refused != nil:
		a = refused.answer(c, d.now())
		d.note(c, a.status)
	default:
		a, fault, die = d.serve(c)
	}
	if die != nil {
		die()
		panic(http.ErrAbortHandler)
	}
	if fault != nil && fault.Drop {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("request-id", c.id)
	h.Set("client-request-id", c.client)
	maps.Copy(h, a.header)
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	h.Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body)
}

func (d *Directory) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.o.Now()
}

// newCall reads a request.
func (d *Directory) newCall(w http.ResponseWriter, r *http.Request) (*dirCall, *dirError) {
	c := &dirCall{d: d, method: r.Method, query: r.URL.Query(), header: r.Header, id: newGUID(), client: r.Header.Get("client-request-id")}
	if c.client == "" {
		c.client = c.id
	}
	at := strings.Index(r.URL.Path, dirVersion+"/")
	if at < 0 {
		return c, dirFail(http.StatusBadRequest, "BadRequest", "Invalid version")
	}
	c.path = strings.TrimSuffix(r.URL.Path[at+len(dirVersion):], "/")
	c.seg = strings.Split(c.path[1:], "/")
	c.base = dirBase(r)
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		return c, dirFail(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty.")
	}
	d.mu.Lock()
	whose := d.o.TokenTenant
	d.mu.Unlock()
	if whose != nil {
		if tenant, ok := whose(token); !ok || !strings.EqualFold(tenant, d.id) {
			return c, dirFail(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure.")
		}
	}
	e := c.readBody(w, r)
	return c, e
}

// dirBase is the URL that a request was sent to, up to and with the version. A prefix that was stripped on the way is in
// what the client sent.
func dirBase(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if path == "" || !strings.HasPrefix(path, "/") {
		path = r.URL.EscapedPath()
	}
	at := strings.Index(path, dirVersion+"/")
	return scheme + r.Host + path[:max(at, 0)] + dirVersion
}

// readBody reads the body of a write: JSON, which the clients of Microsoft compress.
func (c *dirCall) readBody(w http.ResponseWriter, r *http.Request) *dirError {
	if r.Method != http.MethodPost && r.Method != http.MethodPatch {
		return nil
	}
	bad := func(what string) *dirError { return dirFail(http.StatusBadRequest, "BadRequest", "%s", what) }
	var in io.Reader = http.MaxBytesReader(w, r.Body, maxDirBody)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return bad("The body is not compressed as its header says.")
		}
		in = io.LimitReader(z, maxDirBody)
	}
	raw, err := io.ReadAll(in)
	if err != nil {
		return bad("The body cannot be read.")
	}
	c.raw = raw
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return dirFail(http.StatusUnsupportedMediaType, "Request_BadRequest", "A write needs a Content-Type of application/json.")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&c.body); err != nil || c.body == nil || dec.More() {
		return bad("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	return nil
}

// serve answers a request, or lets it fail as was asked for.
func (d *Directory) serve(c *dirCall) (a dirAnswer, f *DirectoryFault, die func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f = d.fault(c)
	if f != nil && !f.After {
		a = f.answer(c, d.o.Now())
		d.log(c, a.status)
		return a, f, nil
	}
	if e := d.admit(c); e != nil {
		a = e.answer(c, d.o.Now())
		d.log(c, a.status)
		return a, nil, nil
	}
	status, body, e := d.route(c)
	switch {
	case e != nil:
		a = e.answer(c, d.o.Now())
	default:
		a = dirAnswer{status: status, body: body}
		if c.method != http.MethodGet {
			d.writes++
		}
	}
	d.log(c, a.status)
	if e == nil && c.method != http.MethodGet && d.dieAt > 0 && d.writes >= d.dieAt {
		die, d.dieAt, d.die = d.die, 0, nil
	}
	if f != nil { // after it was done
		if e != nil || f.Drop {
			return a, f, die
		}
		a = f.answer(c, d.o.Now())
	}
	return a, f, die
}

// admit checks what comes before the request itself: permissions, and the pace of Conditional Access.
func (d *Directory) admit(c *dirCall) *dirError {
	for _, denied := range d.o.Denied {
		method, path, both := strings.Cut(denied, " ")
		if !both {
			method, path = "", denied
		}
		below := c.path == path || strings.HasPrefix(c.path, path+"/") || strings.HasPrefix(c.path, path+"(")
		if below && (method == "" || method == c.method) {
			return dirFail(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
		}
	}
	if strings.HasPrefix(c.path, "/identity/conditionalAccess") && d.o.AccessPace > 0 {
		now := d.o.Now()
		if now.Before(d.accessAt) {
			return dirFail(http.StatusTooManyRequests, "TooManyRequests", "Too many requests")
		}
		d.accessAt = now.Add(d.o.AccessPace)
	}
	return nil
}

// Directories are the directories of several tenants behind one URL, told apart by the tokens. The zero value is ready; it
// fits [Options.Graph].
type Directories struct {
	mu sync.Mutex
	by map[string]*Directory
	s  *Server
}

// Add makes the directory of a tenant. Its name and domain are those of the tenant where o leaves them empty, and its people
// are there with their object ids. All tenants must be of one server.
func (ds *Directories) Add(t *Tenant, o *DirectoryOptions) *Directory {
	var own DirectoryOptions
	if o != nil {
		own = *o
	}
	if own.Name == "" {
		own.Name = t.Name
	}
	if own.Domain == "" {
		own.Domain = t.Domain
	}
	if own.TokenTenant == nil {
		own.TokenTenant = t.s.AccessTokenTenant
	}
	d := NewDirectory(t.ID, &own)
	t.s.mu.Lock()
	people := append([]*User(nil), t.users...)
	t.s.mu.Unlock()
	for _, u := range people {
		d.AddUser(DirectoryUser{ID: u.ObjectID, Name: u.Name, UPN: u.Username})
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.by == nil {
		ds.by = map[string]*Directory{}
	}
	ds.by[d.id], ds.s = d, t.s
	return d
}

// ServeHTTP implements [http.Handler].
func (ds *Directories) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ds.mu.Lock()
	s := ds.s
	ds.mu.Unlock()
	var d *Directory
	if s != nil {
		tenant, _ := s.AccessTokenTenant(r.Header.Get("Authorization"))
		ds.mu.Lock()
		d = ds.by[strings.ToLower(tenant)]
		ds.mu.Unlock()
	}
	if d == nil {
		e := dirFail(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure.")
		a := e.answer(&dirCall{id: newGUID()}, time.Now())
		writeJSON(w, a.status, a.body)
		return
	}
	d.ServeHTTP(w, r)
}
