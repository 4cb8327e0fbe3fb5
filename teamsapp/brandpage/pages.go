package brandpage

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/teamsapp"
)

//go:embed templates/*.html texts/*.json static
var files embed.FS

// ErrConflict is what [Options.Save] returns where the app was packaged by somebody else since the page was loaded.
var ErrConflict = errors.New("brandpage: the app was packaged by somebody else meanwhile")

// State is what a host keeps of one MSP's app.
type State struct {
	// Brand is what the app looks like. People edit its texts, developer, accent and logo. What they cannot edit comes
	// from the host each time: Key, BotID, GraphID, Domains and NotificationOnly.
	Brand teamsapp.Brand
	// Published is the package that was made last; zero is none.
	Published teamsapp.Published
}

// Options are the optional parts of [Pages]. Nil and the zero value are fine.
type Options struct {
	// Prefix is the path that requests still carry, such as "/brand". Leave it empty behind [http.StripPrefix].
	Prefix string
	// HTTPS says that the page is only ever reached by HTTPS, and makes browsers remember it.
	HTTPS bool
	// Save keeps what was packaged, before it is handed out. was is the package that load told of for this request, so that
	// a host can compare and swap: where another one is there by now it returns [ErrConflict] and keeps that. Nil keeps
	// nothing: then the form asks which version is in Teams. It must be safe for concurrent use.
	Save func(r *http.Request, was teamsapp.Published, s State) error
	// Package are the limits of logos and the schema of manifests. Its Previous is ignored.
	Package teamsapp.PackageOptions
	// Brand is how the page itself looks. Zero means an unnamed helpdesk.
	Brand mspkit.Brand
	// Texts replaces texts: files such as "de.json" at its root, with some of the keys of this package's own files, or with
	// all keys for a new language. Unknown keys and wrong placeholders are errors of New.
	Texts fs.FS
	// Locale is for browsers that ask for no language we have. Empty means English.
	Locale string
	// Logger takes faults. Nil discards.
	Logger *slog.Logger
}

const (
	// builds is how many packages are made at once: a logo that is unpacked takes memory.
	builds = 2
	// uploads is how many forms are read and answered at once: each is in memory with its logo.
	uploads = 8
	// uploadTime is how long a form may take to come, where the server has no time of its own for that: a slow one is in the
	// way of others.
	uploadTime = 2 * time.Minute
)

// Pages is the [http.Handler] of the page.
type Pages struct {
	load    func(*http.Request) (State, error)
	o       Options
	log     *slog.Logger
	site    *webpage.Site
	catalog *webpage.Catalog
	upload  chan struct{} // holds what is being read and answered
	build   chan struct{} // holds what is being built
}

// New returns the page. load returns the app of whoever sends a request, for its Key and BotID and for what the form shows
// first; an error is answered with 503, and logged. It must be safe for concurrent use. New reports everything that is wrong
// with the options at once.
func New(load func(*http.Request) (State, error), o *Options) (*Pages, error) {
	p := &Pages{load: load, upload: make(chan struct{}, uploads), build: make(chan struct{}, builds)}
	if o != nil {
		p.o = *o
	}
	if p.log = p.o.Logger; p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	if load == nil {
		errs = append(errs, fmt.Errorf("a function that loads the brand is required: %w", mspkit.ErrInvalid))
	}
	p.o.Package.Previous = teamsapp.Published{}
	if _, err := teamsapp.NewPackage(sample(teamsapp.Brand{}), &p.o.Package); err != nil {
		return nil, fmt.Errorf("brandpage: new: %w", errors.Join(append(errs, err)...))
	}
	sub := func(dir string) fs.FS {
		out, err := fs.Sub(files, dir)
		errs = append(errs, err)
		return out
	}
	catalogs, err := webpage.LoadCatalogs(sub("texts"), p.o.Texts, nil)
	if err != nil {
		return nil, fmt.Errorf("brandpage: new: %w", errors.Join(append(errs, err)...))
	}
	p.catalog = catalogs.All()
	p.site, err = webpage.New(p.routes(), &webpage.Options{
		Prefix: p.o.Prefix, HTTPS: p.o.HTTPS, Brand: p.o.Brand, Templates: sub("templates"), Assets: sub("static"),
		Catalog: p.catalog, Locale: p.o.Locale, Logger: p.log,
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("brandpage: new: %w", err)
	}
	return p, nil
}

func (p *Pages) routes() []webpage.Route {
	return []webpage.Route{
		{Name: "show", Method: http.MethodGet, Pattern: "/{$}", Kind: webpage.PageKind, Script: true, DataImages: true, Handler: p.show},
		{
			Name: "send", Method: http.MethodPost, Pattern: "/{$}", Kind: webpage.UploadKind, Script: true, DataImages: true,
			MaxFile: int64(p.maxLogo()), MaxBody: p.maxBody(), Handler: p.send,
		},
	}
}

// ServeHTTP implements [http.Handler].
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		select { // who waits takes no memory: nothing of the form is read yet
		case p.upload <- struct{}{}:
			defer func() { <-p.upload }()
		case <-r.Context().Done():
			return
		}
		if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ReadTimeout <= 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadTime)) //nolint:forbidigo // of the connection; some servers know none
		}
	}
	p.site.ServeHTTP(w, r)
}

// maxLogo is the limit of a logo in bytes.
func (p *Pages) maxLogo() int { return cmp.Or(p.o.Package.MaxLogo, teamsapp.DefaultMaxLogo) }

// maxBody leaves room for a logo that is too large, so that the page can say so at its field.
func (p *Pages) maxBody() int64 { return 2*int64(p.maxLogo()) + maxTexts }
