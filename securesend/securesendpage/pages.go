package securesendpage

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/securesend"
)

//go:embed templates/*.html texts/*.json static
var files embed.FS

// Options are the optional parts of [Pages].
type Options struct {
	// Prefix is the path that requests still carry, such as "/send". Leave it empty behind [http.StripPrefix] or a proxy
	// that strips it.
	Prefix string
	// Brand is for pages that belong to no tenant, such as that of an unknown link. Zero means an unnamed helpdesk.
	Brand mspkit.Brand
	// Texts replaces texts for all tenants: files such as "de.json" at its root, with some of the keys of this package's
	// own files, or with all keys for a new language. Unknown keys and wrong placeholders are errors of New.
	Texts fs.FS
	// TenantTexts replaces texts for single tenants, in front of Texts.
	TenantTexts map[mspkit.TenantID]fs.FS
	// Locale is for browsers that ask for no language we have, where nothing says better. Empty means English.
	Locale string
	// Tenant binds requests to a tenant, for example by host name. A link of another tenant is then not found; so is every
	// one where Tenant returns "". Nil serves all tenants. It must be safe for concurrent use.
	Tenant func(*http.Request) mspkit.TenantID
	// Now is the clock that answers tell beside times, so that browsers whose clock is wrong count right: default time.Now.
	Now func() time.Time
	// Logger takes faults. Nil discards.
	Logger *slog.Logger
}

// Pages is the [http.Handler] of all pages.
type Pages struct {
	svc      *securesend.Service
	o        Options
	log      *slog.Logger
	site     *webpage.Site
	worker   []byte
	catalogs *webpage.Catalogs
	logos    *webpage.Logos
}

// New returns the pages of svc. It reports everything that is wrong with the options and their texts at once.
func New(svc *securesend.Service, o *Options) (*Pages, error) {
	if svc == nil {
		return nil, fmt.Errorf("securesendpage: a service is required: %w", securesend.ErrInvalid)
	}
	p := &Pages{svc: svc, logos: webpage.NewLogos(svc)}
	if o != nil {
		p.o = *o
	}
	if p.o.Now == nil {
		p.o.Now = time.Now
	}
	if p.log = p.o.Logger; p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	sub := func(dir string) fs.FS {
		out, err := fs.Sub(files, dir)
		errs = append(errs, err)
		return out
	}
	texts, templates, static := sub("texts"), sub("templates"), sub("static")
	var err error
	p.worker, err = fs.ReadFile(files, "static/"+workerFile)
	errs = append(errs, err)
	p.catalogs, err = webpage.LoadCatalogs(texts, p.o.Texts, p.o.TenantTexts)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("securesendpage: new: %w", err)
	}
	p.site, err = webpage.New(p.routes(), &webpage.Options{
		Prefix: p.o.Prefix, HTTPS: strings.HasPrefix(svc.BaseURL(), "https://"), Brand: p.o.Brand, Logo: p.logos.Logo,
		Templates: templates, Assets: static, Catalog: p.catalogs.All(), Locale: p.o.Locale, Logger: p.log,
	})
	if err != nil {
		return nil, fmt.Errorf("securesendpage: new: %w", err)
	}
	return p, nil
}

// workerFile is the script of the service worker. It is served beside the pages as well, because a worker serves what is
// below its own address only.
const workerFile = "sw.js"

const (
	// maxCommit is for a manifest of the longest text in base64, with the sizes of the most files.
	maxCommit = 2 << 20
	// maxPart is the longest part of a file, sealed.
	maxPart = securesend.PartChunks * (securesend.ChunkSize + securesend.Overhead)
)

func (p *Pages) routes() []webpage.Route {
	routes := []webpage.Route{{
		Name: "worker", Method: http.MethodGet, Pattern: "/" + workerFile, Kind: webpage.AssetKind, Handler: p.showWorker,
		Script: true, Connect: true,
	}, {
		// The worker answers what is below this path. Where it does not, this answer leaves the page as it is.
		Name: "download", Method: http.MethodGet, Pattern: "/d/{id}", Kind: webpage.AssetKind,
		Handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	}}
	for _, k := range kinds {
		page := func(name, below string, h func(http.ResponseWriter, *http.Request, kind)) {
			routes = append(routes, webpage.Route{
				Name: k.name + name, Method: http.MethodGet, Pattern: "/" + k.letter + "/{token}" + below, Kind: webpage.PageKind,
				Script: true, Connect: true, Worker: true, Handler: func(w http.ResponseWriter, r *http.Request) { h(w, r, k) },
			})
		}
		api := func(name string, most int64, h func(http.ResponseWriter, *http.Request, kind)) {
			routes = append(routes, webpage.Route{
				Name: k.name + " " + strings.TrimSuffix(name, "/{file}/{n}"), Method: http.MethodPost, Pattern: "/" + k.letter + "/{token}/" + name,
				Kind: webpage.APIKind, Capability: true, MaxBody: most, Handler: func(w http.ResponseWriter, r *http.Request) { h(w, r, k) },
			})
		}
		page("", "", p.show)
		if k.opens {
			api("open", 0, p.open)
			api("code", 0, p.sendCode)
			api("verify", 0, p.verify)
			api("take", 0, p.take)
			api("chunks", 0, p.chunks)
			api("ack", 0, p.ack)
			continue
		}
		if k.kind == securesend.KindRequest {
			api("open", 0, p.asked)
			api("begin", 0, p.admit)
		} else {
			api("begin", 0, p.begin)
		}
		api("part/{file}/{n}", maxPart, p.part)
		api("parts", 0, p.parts)
		api("commit", maxCommit, p.commit)
	}
	return routes
}

// kind is what the letter in a link says.
type kind struct {
	name, letter string
	kind         securesend.Kind
	held         bool // and opens
	opens        bool // as opposed to being filled
}

var kinds = []kind{
	{"send", string(securesend.LinkSend), securesend.KindSend, false, true},
	{"held", string(securesend.LinkHeld), securesend.KindSend, true, true},
	{"request", string(securesend.LinkRequest), securesend.KindRequest, false, false},
	{"compose", string(securesend.LinkCompose), securesend.KindSend, false, false},
}

// fits reports whether a link of the kind k may lead to what was found.
func (k kind) fits(v securesend.View) bool { return v.Kind == k.kind && (!k.opens || v.Held == k.held) }

// ServeHTTP implements [http.Handler].
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.site.ServeHTTP(w, r) }

// ref returns what a request's token names, or [securesend.ErrNotFound]. That it is there, only the store knows.
func (p *Pages) ref(r *http.Request) (securesend.Ref, error) {
	ref, err := p.svc.ParseToken(r.PathValue("token"))
	if err == nil && p.o.Tenant != nil && p.o.Tenant(r) != ref.Tenant {
		err = securesend.ErrNotFound
	}
	return ref, err
}

// check returns [securesend.ErrNotFound] where what a link of the kind k leads to is of another kind.
func (p *Pages) check(r *http.Request, ref securesend.Ref, k kind) error {
	v, err := p.svc.View(r.Context(), ref)
	if err == nil && !k.fits(v) {
		err = securesend.ErrNotFound
	}
	return err
}
