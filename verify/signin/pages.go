package signin

import (
	"context"
	"crypto/subtle"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

//go:embed templates/*.html texts/*.json
var files embed.FS

// PagesOptions are those of [NewPages]. ClientID and one of Secret and Assertion are required.
type PagesOptions struct {
	// Cloud is the Microsoft cloud; zero is the public one.
	Cloud entra.Cloud
	// ClientID, Secret and Assertion are as in [entra.FlowOptions]. The application must admit accounts of any organisation, have
	// [Pages.RedirectURL] among its addresses, and auth_time and acrs among the optional claims of its id tokens.
	ClientID  string
	Secret    mspkit.Redacted[string]
	Assertion func(ctx context.Context, audience string) (string, error)
	// Prefix is the path that requests still carry, such as "/verify/signin". Leave it empty behind [http.StripPrefix] or a
	// proxy that strips it.
	Prefix string
	// Brand is for pages that belong to no tenant, such as that of an unknown link. Zero means an unnamed helpdesk.
	Brand mspkit.Brand
	// Texts replaces texts for all tenants: files such as "de.json" at its root, with some of the keys of this package's own
	// files, or with all keys for a new language. Unknown keys and wrong placeholders are errors of NewPages.
	Texts fs.FS
	// TenantTexts replaces texts for single tenants, in front of Texts.
	TenantTexts map[mspkit.TenantID]fs.FS
	// Locale is for browsers that ask for no language we have, where no challenge says better. Empty means English.
	Locale string
	// Auditor gets an [entra.EventSignedIn] or [entra.EventSignInRefused] for each sign-in that came back from Microsoft, with Owner
	// as it stands here and the id of the challenge as the session; nil drops them. What concerns the verification is among the
	// events of package verify as well.
	Auditor entra.Auditor
	Owner   string
	// HTTPClient asks the token endpoint; nil is one of our own.
	HTTPClient *http.Client
	// Now is the clock: default time.Now. Give the same as to the service and the verifier.
	Now func() time.Time
	// Logger takes faults and refusals, with ids only. Nil discards.
	Logger *slog.Logger
}

// Pages is the [http.Handler] of the pages behind the links, and of Microsoft's answers. It serves any number of channels.
type Pages struct {
	svc      *verify.Service
	o        PagesOptions
	log      *slog.Logger
	flow     *entra.Flow
	links    *token.Codec
	sessions *seal.Box
	site     *webpage.Site
	catalogs *webpage.Catalogs
	logos    *webpage.Logos
	redirect string
	host     string // of Microsoft's own page
	secure   bool
}

// NewPages returns the pages of the channels of svc that this package made. verifier is for the application; its Tenants say who may
// sign in at all, and whose account a challenge wants is known besides. All are required. It reports everything that is wrong with
// the options and their texts at once, as [mspkit.ErrInvalid].
func NewPages(svc *verify.Service, ring *mspkit.KeyRing, verifier *entra.Verifier, o *PagesOptions) (*Pages, error) {
	if svc == nil || ring == nil || verifier == nil {
		return nil, fmt.Errorf("signin: new pages: a service, a key ring and a verifier are required: %w", mspkit.ErrInvalid)
	}
	p := &Pages{svc: svc, logos: webpage.NewLogos(svc)}
	if o != nil {
		p.o = *o
	}
	if p.o.Cloud == (entra.Cloud{}) {
		p.o.Cloud = entra.PublicCloud()
	}
	if p.o.Now == nil {
		p.o.Now = time.Now
	}
	if p.log = p.o.Logger; p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	base, _ := pagesAt(svc.BaseURL()) // the service has checked it
	p.redirect, p.secure = base+"/callback", strings.HasPrefix(base, "https://")
	var errs []error
	var err error
	p.flow, err = entra.NewFlow("signin", verifier, ring, &entra.FlowOptions{
		Cloud: p.o.Cloud, ClientID: p.o.ClientID, Secret: p.o.Secret, Assertion: p.o.Assertion, RedirectURL: p.redirect,
		HTTPClient: p.o.HTTPClient, Logger: p.log, Now: p.o.Now,
	})
	errs = append(errs, err)
	p.links, err = token.NewCodec(ring, "verify/signin/link")
	errs = append(errs, err)
	p.sessions, err = seal.New(ring, "verify/signin/session")
	errs = append(errs, err)
	own, err := fs.Sub(files, "texts")
	errs = append(errs, err)
	p.catalogs, err = webpage.LoadCatalogs(own, p.o.Texts, p.o.TenantTexts)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("signin: new pages: %w", err)
	}
	if login, err := url.Parse(p.o.Cloud.Login); err == nil { // the flow has checked it
		p.host = login.Host
	}
	templates, err := fs.Sub(files, "templates")
	if err == nil {
		p.site, err = webpage.New(p.routes(), &webpage.Options{
			Prefix: p.o.Prefix, HTTPS: p.secure, Brand: p.o.Brand, Logo: p.logos.Logo, Templates: templates, Catalog: p.catalogs.All(),
			Locale: p.o.Locale, Logger: p.log,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("signin: new pages: %w", err)
	}
	return p, nil
}

func (p *Pages) routes() []webpage.Route {
	page := func(name, pattern string, h http.HandlerFunc) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodGet, Pattern: pattern, Kind: webpage.PageKind, Handler: h}
	}
	// Capability: before the sign-in what a request is allowed stands in its path, and after it in its body as well, see
	// session.Form. The cookie alone leads nowhere.
	form := func(name, pattern string, h http.HandlerFunc) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodPost, Pattern: pattern, Kind: webpage.FormKind, Handler: h, Capability: true}
	}
	// Browsers ask the page that has the form where its button may lead, redirects included.
	link, notMe := page("link", "/s/{token}", p.show), page("not-me", "/s/{token}/not-me", p.showNotMe)
	link.FormAction, notMe.FormAction = p.flow.LoginOrigins(), p.flow.LoginOrigins()
	return []webpage.Route{
		link, notMe,
		form("begin", "/s/{token}", p.begin),
		form("hint", "/s/{token}/not-me", p.hint),
		form("answer", "/s/{token}/number", p.answer),
		form("deny", "/s/{token}/deny", p.deny),
		page("callback", "/callback", p.callback),
	}
}

// ServeHTTP implements [http.Handler].
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.site.ServeHTTP(w, r) }

// RedirectURL is what must be registered with the application, exactly.
func (p *Pages) RedirectURL() string { return p.redirect }

// unavailable answers what is neither the visitor's fault nor known.
func (p *Pages) unavailable(w http.ResponseWriter, r *http.Request, what string, err error) {
	p.log.WarnContext(r.Context(), "signin: the answer was 503", slog.String("what", what), slog.Any("error", err))
	p.site.Error(w, r, http.StatusServiceUnavailable)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
