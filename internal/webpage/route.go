package webpage

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/mspkit/mspkit"
)

// Kind says what a route serves, and by that how requests are checked and how errors look.
type Kind int

// The kinds of route.
const (
	// PageKind shows a page: GET and HEAD.
	PageKind Kind = iota + 1
	// FormKind takes an urlencoded form by POST and answers with a page or a redirect. The form is parsed
	// before the handler runs; read it from Request.PostForm.
	FormKind
	// AssetKind serves a file: GET and HEAD. Errors are plain text.
	AssetKind
	// APIKind serves programs, with any one method. Errors are plain text.
	APIKind
	// UploadKind takes a form with files (multipart/form-data) by POST and answers like a [FormKind]. Before the handler
	// runs it is read into memory, never onto a disk: fields into Request.PostForm, files for [Uploaded].
	UploadKind
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case PageKind:
		return "page"
	case FormKind:
		return "form"
	case AssetKind:
		return "asset"
	case APIKind:
		return "api"
	case UploadKind:
		return "upload"
	}
	return "unknown"
}

// MaxForm is the default limit of a request body in bytes.
const MaxForm = 16 << 10

// Route is one route as data.
type Route struct {
	// Name is stable and unique; it stands in logs and tests in place of the path.
	Name string
	// Method is one method. GET answers HEAD as well.
	Method string
	// Pattern is a path pattern of [http.ServeMux] below the site's root, such as "/c/{token}". It ends in
	// a slash only as "/{$}", the root itself. "/assets/" is taken.
	Pattern string
	// Kind is required.
	Kind Kind
	// Handler is required. Its response already carries the header set.
	Handler http.HandlerFunc

	// FrameAncestors, FormAction, Script, Connect, Worker and DataImages loosen the header set, see [Headers].
	FrameAncestors []string
	FormAction     []string
	Script         bool
	Connect        bool
	Worker         bool
	DataImages     bool

	// Capability says that what allows the request stands in its path or body and never in a cookie, so
	// that a foreign page has nothing to ride on. Then a form with "Origin: null" and without fetch
	// metadata is accepted: that is what browsers send from a page with "Referrer-Policy: no-referrer"
	// where they send no metadata (before 2023, and on plain HTTP).
	Capability bool
	// MaxBody limits the request body in bytes. Zero means [MaxForm].
	MaxBody int64
	// MaxFile limits what is kept of one file of an [UploadKind], in bytes: of a larger one nothing is, but its size is
	// told, so that a page can say what was wrong with it. Zero means MaxBody.
	MaxFile int64

	set prepared // the header set
}

// Methods returns what the route answers, for example GET and HEAD.
func (r Route) Methods() []string {
	if r.Method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{r.Method}
}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// SamplePath returns a path that the pattern matches, for tests that walk all routes.
func (r Route) SamplePath() string {
	return wildcard.ReplaceAllString(strings.ReplaceAll(r.Pattern, "{$}", ""), "sample")
}

func (r Route) headers(https bool) Headers {
	return Headers{FrameAncestors: r.FrameAncestors, FormAction: r.FormAction, Script: r.Script, Connect: r.Connect, Worker: r.Worker, DataImages: r.DataImages, HTTPS: https}
}

func (r Route) validate() error {
	var errs []error
	fault := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("webpage: route %q: "+format+": %w", append(append([]any{r.Name}, args...), mspkit.ErrInvalid)...))
	}
	if r.Name == "" {
		fault("it has no name")
	}
	if !strings.HasPrefix(r.Pattern, "/") || strings.HasSuffix(r.Pattern, "/") || strings.ContainsAny(r.Pattern, " %?#") {
		fault("pattern %q must begin with a slash and not end in one", r.Pattern)
	}
	safe := r.Method == http.MethodGet
	switch r.Kind {
	case PageKind, AssetKind:
		if !safe {
			fault("a %s has the method GET, not %q", r.Kind, r.Method)
		}
	case FormKind, UploadKind:
		if r.Method != http.MethodPost {
			fault("the kind %s has the method POST, not %q", r.Kind, r.Method)
		}
	case APIKind:
		if r.Method == "" || r.Method == http.MethodHead || r.Method != strings.ToUpper(r.Method) {
			fault("method %q cannot be used", r.Method)
		}
	default:
		fault("it has no kind")
	}
	if r.Handler == nil {
		fault("it has no handler")
	}
	if r.MaxBody < 0 {
		fault("a body of %d bytes is not a limit", r.MaxBody)
	}
	if r.MaxFile < 0 || (r.MaxFile > 0 && r.Kind != UploadKind) {
		fault("a file of %d bytes is not a limit of a route of the kind %s", r.MaxFile, r.Kind)
	}
	if err := r.headers(false).validate(); err != nil {
		errs = append(errs, fmt.Errorf("webpage: route %q: %w", r.Name, err))
	}
	return errors.Join(errs...)
}
