package totp

import (
	"context"
	"crypto/subtle"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

//go:embed templates/*.html texts/*.json
var files embed.FS

// EnrolmentOptions are the optional parts of an [Enrolment].
type EnrolmentOptions struct {
	// Prefix is the path that requests still carry, such as "/verify/totp". Leave it empty behind [http.StripPrefix] or a
	// proxy that strips it.
	Prefix string
	// Brand is for pages that belong to no tenant, such as that of an unknown link. Zero means an unnamed helpdesk.
	Brand mspkit.Brand
	// Texts replaces texts for all tenants: files such as "de.json" at its root, with some of the keys of this package's own
	// files, or with all keys for a new language. Unknown keys and wrong placeholders are errors of NewEnrolment.
	Texts fs.FS
	// TenantTexts replaces texts for single tenants, in front of Texts.
	TenantTexts map[mspkit.TenantID]fs.FS
	// Locale is for browsers that ask for no language we have, where no link says better. Empty means English.
	Locale string
	// Tenant binds requests to a tenant, for example by host name. A link of another tenant is then not found. Nil serves all
	// tenants. It must be safe for concurrent use.
	Tenant func(*http.Request) mspkit.TenantID
	// TTL is how long a link works: default and cap [verify.MaxTTL].
	TTL time.Duration
	// Now is the clock: default time.Now. Give the same as to the service.
	Now func() time.Time
	// Logger takes faults. Nil discards.
	Logger *slog.Logger
}

// Enrolment sets apps up and removes them, and is the [http.Handler] of the pages on which contacts do their part. They
// stand at the service's base URL with "/totp" behind it.
type Enrolment struct {
	c        *Channel
	svc      *verify.Service
	o        EnrolmentOptions
	log      *slog.Logger
	site     *webpage.Site
	catalog  *webpage.Catalog
	catalogs map[mspkit.TenantID]*webpage.Catalog
	secure   bool
	mu       sync.Mutex
	tags     map[mspkit.TenantID]string // the tags that name the logos
}

// NewEnrolment returns the enrolment of c, which is a channel of svc. Both are required. It reports everything that is
// wrong with the options and their texts at once.
func NewEnrolment(c *Channel, svc *verify.Service, o *EnrolmentOptions) (*Enrolment, error) {
	if c == nil || svc == nil {
		return nil, fmt.Errorf("totp: new enrolment: a channel and a service are required: %w", mspkit.ErrInvalid)
	}
	e := &Enrolment{c: c, svc: svc, catalogs: map[mspkit.TenantID]*webpage.Catalog{}, tags: map[mspkit.TenantID]string{}}
	if o != nil {
		e.o = *o
	}
	if e.o.Now == nil {
		e.o.Now = time.Now
	}
	if e.log = e.o.Logger; e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	switch {
	case e.o.TTL == 0:
		e.o.TTL = verify.MaxTTL
	case e.o.TTL < time.Minute || e.o.TTL > verify.MaxTTL:
		errs = append(errs, fmt.Errorf("EnrolmentOptions.TTL is %v, it must be a minute to %v: %w", e.o.TTL, verify.MaxTTL, mspkit.ErrInvalid))
	}
	errs = append(errs, e.loadTexts())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("totp: new enrolment: %w", err)
	}
	e.secure = strings.HasPrefix(svc.BaseURL(), "https://")
	templates, err := fs.Sub(files, "templates")
	if err == nil {
		e.site, err = webpage.New(e.routes(), &webpage.Options{
			Prefix: e.o.Prefix, HTTPS: e.secure, Brand: e.o.Brand, Logo: e.logo,
			Templates: templates, Catalog: e.catalog, Locale: e.o.Locale, Logger: e.log,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("totp: new enrolment: %w", err)
	}
	return e, nil
}

func (e *Enrolment) loadTexts() error {
	own, err := fs.Sub(files, "texts")
	if err != nil {
		return err
	}
	if e.catalog, err = webpage.LoadCatalog(own); err != nil {
		return err
	}
	if e.catalog, err = e.catalog.With(e.o.Texts); err != nil {
		return err
	}
	var errs []error
	for tenant, texts := range e.o.TenantTexts {
		c, err := e.catalog.With(texts)
		if err != nil {
			errs = append(errs, fmt.Errorf("texts of tenant %q: %w", tenant, err))
		}
		e.catalogs[tenant] = c
	}
	return errors.Join(errs...)
}

func (e *Enrolment) routes() []webpage.Route {
	// Capability: what a request is allowed stands in its path. The cookie alone leads nowhere, and a foreign page has the
	// path as little as it has the cookie.
	return []webpage.Route{
		{Name: "link", Method: http.MethodGet, Pattern: "/e/{token}", Kind: webpage.PageKind, Handler: e.show},
		{Name: "number", Method: http.MethodPost, Pattern: "/e/{token}", Kind: webpage.FormKind, Handler: e.number, Capability: true},
		{Name: "code", Method: http.MethodPost, Pattern: "/e/{token}/code", Kind: webpage.FormKind, Handler: e.code, Capability: true},
	}
}

// ServeHTTP implements [http.Handler].
func (e *Enrolment) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.site.ServeHTTP(w, r) }

// tag names a tenant in the address of its logo. A tag is made once, so that browsers may keep the logo.
func (e *Enrolment) tag(tenant mspkit.TenantID) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tags[tenant] == "" {
		e.tags[tenant] = e.svc.PublicTag(tenant)
	}
	return e.tags[tenant]
}

func (e *Enrolment) logo(ctx context.Context, tag string) ([]byte, error) {
	tenant, err := e.svc.ParsePublicTag(tag)
	if err != nil {
		return nil, nil //nolint:nilerr // an unknown tag has no logo: 404
	}
	b, _, err := e.svc.Brand(ctx, tenant)
	return b.Logo, err
}

// unavailable answers what is neither the visitor's fault nor known: nothing was done that could be seen.
func (e *Enrolment) unavailable(w http.ResponseWriter, r *http.Request, what string, err error) {
	e.log.WarnContext(r.Context(), "totp: the answer was 503", slog.String("what", what), slog.Any("error", err))
	e.site.Error(w, r, http.StatusServiceUnavailable)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
