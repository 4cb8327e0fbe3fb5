package webpage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
)

// Options are the optional parts of a [Site].
type Options struct {
	// Prefix is the path that the site strips from requests, such as "/verify". Leave it empty behind
	// [http.StripPrefix]. Links are relative and need neither.
	Prefix string
	// HTTPS says that the site is only ever reached by HTTPS; see [Headers].
	HTTPS bool
	// Brand is for pages that are not a tenant's, such as an unknown path. Zero means an unnamed helpdesk.
	Brand mspkit.Brand
	// Logo returns the logo for a [Page.BrandKey], or nil where there is none. Nil means that the pages of
	// tenants show their name only. It must be safe for concurrent use.
	Logo func(ctx context.Context, key string) ([]byte, error)
	// Templates holds the pages, *.html at its root.
	Templates fs.FS
	// Assets holds further files to be served, at its root; [View.Asset] gives their address.
	Assets fs.FS
	// Catalog holds the texts. Nil means those of the error pages only.
	Catalog *Catalog
	// Locale is for browsers that ask for no language we have. Empty means English.
	Locale string
	// Logger takes faults. Nil discards.
	Logger *slog.Logger
}

func (o *Options) validate() error {
	var errs []error
	if o.Prefix != "" && (!strings.HasPrefix(o.Prefix, "/") || path.Clean(o.Prefix) != o.Prefix || o.Prefix == "/") {
		errs = append(errs, fmt.Errorf("webpage: prefix %q must begin with a slash and not end in one: %w", o.Prefix, mspkit.ErrInvalid))
	}
	if o.Brand.Name == "" {
		o.Brand.Name = "Helpdesk"
	}
	return errors.Join(append(errs, o.Brand.Validate())...)
}

// Site serves a set of routes. It is an [http.Handler].
type Site struct {
	opts      Options
	log       *slog.Logger
	routes    []Route
	mux       *http.ServeMux
	protect   *http.CrossOriginProtection
	assets    *assets
	templates map[string]*pageTemplate
	strictest prepared // where no route is known yet
}

// New returns a site of routes. It reports everything that is wrong with routes, templates, assets and
// options at once, also a template that asks for a text that the catalogue does not have.
func New(routes []Route, opts *Options) (*Site, error) {
	s := &Site{mux: http.NewServeMux(), protect: http.NewCrossOriginProtection(), log: slog.New(slog.DiscardHandler)}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Logger != nil {
		s.log = s.opts.Logger
	}
	s.strictest = Headers{HTTPS: s.opts.HTTPS}.prepare()
	errs := []error{s.opts.validate()}
	var err error
	if s.opts.Catalog == nil {
		s.opts.Catalog, err = LoadCatalog(nil)
		errs = append(errs, err)
	}
	s.assets, err = loadAssets(s.opts.Assets)
	errs = append(errs, err)
	if s.opts.Catalog != nil && s.assets != nil {
		s.templates, err = loadTemplates(s.opts.Templates, s.opts.Catalog, s.assets)
		errs = append(errs, err)
	}
	s.routes = append(slices.Clone(routes),
		Route{Name: "asset", Method: http.MethodGet, Pattern: "/assets/{file}", Kind: AssetKind, Handler: s.serveAsset},
		Route{Name: "logo", Method: http.MethodGet, Pattern: "/assets/logo/{hash}/{key}", Kind: AssetKind, Handler: s.serveLogo})
	errs = append(errs, s.register())
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Routes returns all routes, those of the assets included.
func (s *Site) Routes() []Route { return slices.Clone(s.routes) }

func (s *Site) register() error {
	var errs []error
	names := map[string]bool{}
	var patterns []string
	byPattern := map[string]map[string]*Route{}
	for i := range s.routes {
		route := &s.routes[i]
		route.set = route.headers(s.opts.HTTPS).prepare()
		errs = append(errs, route.validate())
		if names[route.Name] {
			errs = append(errs, fmt.Errorf("webpage: route %q: the name is taken: %w", route.Name, mspkit.ErrInvalid))
		}
		names[route.Name] = true
		if byPattern[route.Pattern] == nil {
			byPattern[route.Pattern] = map[string]*Route{}
			patterns = append(patterns, route.Pattern)
		}
		for _, m := range route.Methods() {
			if byPattern[route.Pattern][m] != nil {
				errs = append(errs, fmt.Errorf("webpage: route %q: %s %s is taken: %w", route.Name, m, route.Pattern, mspkit.ErrInvalid))
			}
			byPattern[route.Pattern][m] = route
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, p := range append(patterns, "/") {
		errs = append(errs, s.handle(p, byPattern[p]))
	}
	return errors.Join(errs...)
}

// handle turns the panic of ServeMux on a bad or ambiguous pattern into an error.
func (s *Site) handle(pattern string, methods map[string]*Route) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("webpage: pattern %q: %v: %w", pattern, v, mspkit.ErrInvalid)
		}
	}()
	if methods == nil {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.Error(w, r, http.StatusNotFound) })
		return nil
	}
	var allow []string
	for m := range methods {
		allow = append(allow, m)
	}
	slices.Sort(allow)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if route := methods[r.Method]; route != nil {
			s.serve(route, w, r)
			return
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		s.Error(w, r, http.StatusMethodNotAllowed)
	})
	return nil
}

// ServeHTTP implements [http.Handler].
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &response{ResponseWriter: w, head: r.Method == http.MethodHead}
	s.strictest.apply(w.Header())
	r, ok := s.strip(r)
	defer func() {
		if v := recover(); v != nil {
			s.recovered(v, out, r)
		}
	}()
	if !ok {
		s.Error(out, r, http.StatusNotFound)
		return
	}
	s.mux.ServeHTTP(out, r)
}

// strip takes the prefix off and refuses paths that ServeMux would answer with a redirect: the redirect
// would lose a prefix that somebody else has stripped.
func (s *Site) strip(r *http.Request) (*http.Request, bool) {
	escaped := r.URL.EscapedPath()
	if s.opts.Prefix != "" {
		rest, ok := strings.CutPrefix(escaped, s.opts.Prefix)
		if !ok {
			return r, false
		}
		plain, err := url.PathUnescape(rest)
		if err != nil {
			return r, false
		}
		u := *r.URL
		u.Path, u.RawPath, escaped = plain, rest, rest
		r2 := *r
		r2.URL = &u
		r = &r2
	}
	if !strings.HasPrefix(escaped, "/") {
		return r, false
	}
	clean := path.Clean(escaped)
	if clean != "/" && strings.HasSuffix(escaped, "/") {
		clean += "/"
	}
	return r, clean == escaped
}

type routeKey struct{}

// serve applies what the route's kind demands, then calls the handler.
func (s *Site) serve(route *Route, w http.ResponseWriter, r *http.Request) {
	route.set.apply(w.Header())
	r = r.WithContext(context.WithValue(r.Context(), routeKey{}, route))
	if route.Method != http.MethodGet {
		if !s.sameOrigin(route, r) {
			s.Error(w, r, http.StatusForbidden)
			return
		}
		limit := route.MaxBody
		if limit == 0 {
			limit = MaxForm
		}
		// The server's own writer, so that it closes the connection instead of reading the rest.
		inner := w
		if out, ok := w.(*response); ok {
			inner = out.ResponseWriter
		}
		r.Body = http.MaxBytesReader(inner, r.Body, limit)
	}
	status := 0
	switch route.Kind {
	case FormKind:
		status = parseForm(r)
	case UploadKind:
		r, status = parseUpload(r, route)
	default: // the handler reads the body, if there is one
	}
	if status != 0 {
		s.Error(w, r, status)
		return
	}
	route.Handler(w, r)
}

func (s *Site) sameOrigin(route *Route, r *http.Request) bool {
	if route.Capability && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" {
		return true
	}
	return s.protect.Check(r) == nil
}

func parseForm(r *http.Request) (status int) {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || t != "application/x-www-form-urlencoded" {
		return http.StatusUnsupportedMediaType
	}
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return http.StatusRequestEntityTooLarge
		}
		return http.StatusBadRequest
	}
	return 0
}

// recovered answers a panic. The value may hold anything, so only its type is logged, or the text where it
// is the runtime's own.
func (s *Site) recovered(v any, w *response, r *http.Request) {
	if v == http.ErrAbortHandler { //nolint:errorlint // the server compares the panic value in the same way
		panic(v)
	}
	what := fmt.Sprintf("%T", v)
	if re, ok := v.(runtime.Error); ok {
		what = re.Error()
	}
	s.log.ErrorContext(r.Context(), "webpage: panic", slog.String("panic", what), slog.String("stack", stack()))
	if w.wrote {
		panic(http.ErrAbortHandler) // a half-written response must not look complete
	}
	s.strictest.apply(w.Header())
	s.Error(w, r, http.StatusInternalServerError)
}

// stack names the functions and lines that led to a panic. Unlike debug.Stack it prints no arguments, and a
// number that somebody was told may be one.
func stack() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs)])
	var b strings.Builder
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		b.WriteString(f.Function + " " + path.Base(f.File) + ":" + strconv.Itoa(f.Line) + "\n")
	}
	return b.String()
}

// response knows whether anything was written, and writes no body to HEAD.
type response struct {
	http.ResponseWriter
	wrote, head bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *response) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.wrote = true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *response) Write(b []byte) (int, error) {
	w.wrote = true
	if w.head {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets [http.ResponseController] reach the server's own writer.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
