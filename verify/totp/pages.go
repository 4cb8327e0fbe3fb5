package totp

import (
	"crypto/subtle"
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
	catalogs *webpage.Catalogs
	logos    *webpage.Logos
	secure   bool
}

// NewEnrolment returns the enrolment of c, which is a channel of svc. Both are required. It reports everything that is
// wrong with the options and their texts at once.
func NewEnrolment(c *Channel, svc *verify.Service, o *EnrolmentOptions) (*Enrolment, error) {
	if c == nil || svc == nil {
		return nil, fmt.Errorf("totp: new enrolment: a channel and a service are required: %w", mspkit.ErrInvalid)
	}
	e := &Enrolment{c: c, svc: svc, logos: webpage.NewLogos(svc)}
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
	own, err := fs.Sub(files, "texts")
	errs = append(errs, err)
	e.catalogs, err = webpage.LoadCatalogs(own, e.o.Texts, e.o.TenantTexts)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("totp: new enrolment: %w", err)
	}
	e.secure = strings.HasPrefix(svc.BaseURL(), "https://")
	templates, err := fs.Sub(files, "templates")
	if err == nil {
		e.site, err = webpage.New(e.routes(), &webpage.Options{
			Prefix: e.o.Prefix, HTTPS: e.secure, Brand: e.o.Brand, Logo: e.logos.Logo,
			Templates: templates, Catalog: e.catalogs.All(), Locale: e.o.Locale, Logger: e.log,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("totp: new enrolment: %w", err)
	}
	return e, nil
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

// unavailable answers what is neither the visitor's fault nor known: nothing was done that could be seen.
func (e *Enrolment) unavailable(w http.ResponseWriter, r *http.Request, what string, err error) {
	e.log.WarnContext(r.Context(), "totp: the answer was 503", slog.String("what", what), slog.Any("error", err))
	e.site.Error(w, r, http.StatusServiceUnavailable)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
