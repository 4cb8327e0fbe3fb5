package verifypage

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

//go:embed templates/*.html texts/*.json
var files embed.FS

// Options are the optional parts of [Pages].
type Options struct {
	// Prefix is the path that requests still carry, such as "/verify". Leave it empty behind
	// [http.StripPrefix] or a proxy that strips it.
	Prefix string
	// Brand is for pages that belong to no tenant, such as that of an unknown link. Zero means an unnamed
	// helpdesk.
	Brand mspkit.Brand
	// Texts replaces texts for all tenants: files such as "de.json" at its root, with some of the keys of this
	// package's own files, or with all keys for a new language. Unknown keys and wrong placeholders are errors
	// of New.
	Texts fs.FS
	// TenantTexts replaces texts for single tenants, in front of Texts.
	TenantTexts map[mspkit.TenantID]fs.FS
	// Locale is for browsers that ask for no language we have, where no challenge says better. Empty means
	// English.
	Locale string
	// Tenant binds requests to a tenant, for example by host name. A link or form of another tenant is then
	// not found; so is every one where Tenant returns "". Nil serves all tenants. It must be safe for
	// concurrent use.
	Tenant func(*http.Request) mspkit.TenantID
	// TrustedProxies may name the client in X-Forwarded-For. Without them the client is the peer of the
	// connection. It counts for the limits of the public form only.
	TrustedProxies []netip.Prefix
	// PublicForm serves the page "Is this call real?". It needs verify.Options.Lookup and a running
	// verify.Service.Run; see [Pages.Check].
	PublicForm bool
	// Now is the clock for "3 minutes ago": default time.Now.
	Now func() time.Time
	// Logger takes faults. Nil discards.
	Logger *slog.Logger
}

// Pages is the [http.Handler] of all pages.
type Pages struct {
	svc      *verify.Service
	o        Options
	log      *slog.Logger
	site     *webpage.Site
	catalogs *webpage.Catalogs
	logos    *webpage.Logos
}

// New returns the pages of svc. It reports everything that is wrong with the options and their texts at once.
func New(svc *verify.Service, o *Options) (*Pages, error) {
	if svc == nil {
		return nil, fmt.Errorf("verifypage: a service is required: %w", verify.ErrInvalid)
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
	if err := svc.PublicForm(); p.o.PublicForm && errors.Is(err, verify.ErrInvalid) {
		errs = append(errs, err) // that Run is not going yet is for Check to say
	}
	own, err := fs.Sub(files, "texts")
	errs = append(errs, err)
	p.catalogs, err = webpage.LoadCatalogs(own, p.o.Texts, p.o.TenantTexts)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("verifypage: new: %w", err)
	}
	templates, err := fs.Sub(files, "templates")
	if err == nil {
		p.site, err = webpage.New(p.routes(), &webpage.Options{
			Prefix: p.o.Prefix, HTTPS: strings.HasPrefix(svc.BaseURL(), "https://"), Brand: p.o.Brand, Logo: p.logos.Logo,
			Templates: templates, Catalog: p.catalogs.All(), Locale: p.o.Locale, Logger: p.log,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("verifypage: new: %w", err)
	}
	return p, nil
}

func (p *Pages) routes() []webpage.Route {
	page := func(name, pattern string, h http.HandlerFunc) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodGet, Pattern: pattern, Kind: webpage.PageKind, Handler: h}
	}
	form := func(name, pattern string, h http.HandlerFunc) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodPost, Pattern: pattern, Kind: webpage.FormKind, Handler: h, Capability: true}
	}
	routes := []webpage.Route{
		page("link", "/v/{token}", p.showLink),
		form("answer", "/v/{token}", p.answer),
		page("not-me", "/v/{token}/not-me", p.showNotMe),
		form("hint", "/v/{token}/not-me", p.hint),
		form("deny", "/v/{token}/not-me/confirm", p.deny),
	}
	if p.o.PublicForm {
		routes = append(
			routes,
			page("who", "/who/{tag}", p.showWho),
			form("ask", "/who/{tag}", p.ask),
			page("asked", "/who/{tag}/sent", p.showAsked),
		)
	}
	return routes
}

// ServeHTTP implements [http.Handler].
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.site.ServeHTTP(w, r) }

// Check reports whether everything that the pages need is there: with the public form, that verify.Service.Run
// is going in this process. Call it once the program has started; until it returns nil the form answers 503.
func (p *Pages) Check() error {
	if !p.o.PublicForm {
		return nil
	}
	if err := p.svc.PublicForm(); err != nil {
		return fmt.Errorf("verifypage: check: %w", err)
	}
	return nil
}

// PublicURL returns the address of a tenant's page "Is this call real?", to be put on its website. It differs
// each time; every one stays good as long as the service's ring holds the key that was primary.
func (p *Pages) PublicURL(tenant mspkit.TenantID) string {
	return p.svc.BaseURL() + "/who/" + url.PathEscape(p.svc.PublicTag(tenant))
}

// texts returns the texts of a tenant: in locale where there is one, else as the browser wants.
func (p *Pages) texts(r *http.Request, tenant mspkit.TenantID, locale string) (c *webpage.Catalog, t *webpage.Texts) {
	c = p.catalogs.Of(tenant)
	if t = c.Texts(locale); locale == "" {
		t = c.Negotiate(strings.Join(r.Header.Values("Accept-Language"), ","), p.o.Locale)
	}
	return c, t
}

// bound reports whether a request may see what belongs to tenant.
func (p *Pages) bound(r *http.Request, tenant mspkit.TenantID) bool {
	return p.o.Tenant == nil || p.o.Tenant(r) == tenant
}

// unavailable answers what is neither the visitor's fault nor known: nothing was confirmed.
func (p *Pages) unavailable(w http.ResponseWriter, r *http.Request, what string, err error) {
	p.log.WarnContext(r.Context(), "verifypage: the answer was 503", slog.String("what", what), slog.Any("error", err))
	p.site.Error(w, r, http.StatusServiceUnavailable)
}
