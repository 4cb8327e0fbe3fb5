package accounts

import (
	"context"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/webpage"
)

//go:embed templates/*.html texts/*.json
var files embed.FS

// The kinds of sign-in that are registered with [entra.SSO.On].
const (
	kindSetup = "accounts/setup"
	kindLink  = "accounts/link"
	kindJoin  = "accounts/join"
)

// Client is a client of the MSP, for the form of invitations.
type Client struct {
	ID   mspkit.TenantID
	Name string
}

// PagesOptions are those of [Service.Handler]. ClientID is required.
type PagesOptions struct {
	// Cloud is the Microsoft cloud; zero is the public one. ClientID is the id of the app registration, which the wizard installs.
	Cloud    entra.Cloud
	ClientID string
	// Host says who is signed in to the host by its own session: the owner, and the id of the person's account. A person links the
	// account that their session is of, and nobody else's. Nobody is signed in who has yet to show a second factor: else their password
	// is enough to give the account to another person in Entra. The cookie of that session must come along from Microsoft's page, that is
	// with SameSite=Lax, and to the paths of [entra.SSO.Handler] as well. Nil means that the host has no sessions of its own, so that
	// people come by invitation only. It must be safe for concurrent use.
	Host func(r *http.Request) (owner, accountID string, ok bool)
	// HostSignIn is the path of the host's own sign-in, to which the page sends whoever wants to link an account and has no session.
	HostSignIn string
	// Clients returns the clients that may be invited to the portal. Nil means that nobody can on these pages. It must be safe for
	// concurrent use.
	Clients func(ctx context.Context) ([]Client, error)
	// Home is the path to go on to for technicians, PortalHome for people of the portal; empty means "/". The pages for admins and
	// that of the link lead back to Home; those for admins have a button that signs out of the SSO as well.
	Home, PortalHome string
	// Fresh is how long ago an admin may have stepped up, as [entra.SSO.RequireFresh] has it, to change accounts and to invite and revoke:
	// a session that was stolen then makes nobody an admin. Ten minutes are good. 0 asks for nothing more than a session.
	Fresh time.Duration
	// Brand is how the pages look. Zero means an unnamed helpdesk.
	Brand mspkit.Brand
	// Texts replaces texts of the pages: files such as "de.json" at its root, with some of the keys of this package's own files, or with
	// all keys for a new language.
	Texts fs.FS
	// Locale is for browsers that ask for no language we have. Empty means English.
	Locale string
}

func (o *PagesOptions) prepare() error {
	if o.Cloud == (entra.Cloud{}) {
		o.Cloud = entra.PublicCloud()
	}
	if o.Home == "" {
		o.Home = "/"
	}
	if o.PortalHome == "" {
		o.PortalHome = "/"
	}
	errs := []error{o.Cloud.Validate()}
	id, err := entra.CanonicalID(o.ClientID)
	if o.ClientID = id; err != nil {
		errs = append(errs, fmt.Errorf("accounts: ClientID is not the id of an application: %w", mspkit.ErrInvalid))
	}
	if o.Fresh < 0 {
		errs = append(errs, fmt.Errorf("accounts: Fresh must not be negative: %w", mspkit.ErrInvalid))
	}
	for name, at := range map[string]string{"Home": o.Home, "PortalHome": o.PortalHome, "HostSignIn": o.HostSignIn} {
		if at != "" && !webpage.LocalPath(at) {
			errs = append(errs, fmt.Errorf("accounts: %s is not a path of this host: %w", name, mspkit.ErrInvalid))
		}
	}
	return errors.Join(errs...)
}

// pages serve the wizard, the invitations and the list of accounts.
type pages struct {
	s      *Service
	sso    *entra.SSO
	o      PagesOptions
	site   *webpage.Site
	secure bool
}

// ConsentURI is the address to which Microsoft sends the browser back after the consent of [Service.Bootstrap]. It must be registered
// with the application as a redirect URI of the web platform, as that of the [entra.SSO].
func (s *Service) ConsentURI() string { return s.o.BaseURL + "/consented" }

// Handler returns the pages at [Options.BaseURL]: the wizard, the invitations and the list of accounts. prefix is the path that requests
// still carry, such as "/accounts"; leave it empty behind [http.StripPrefix] or a proxy that strips it. All sign-ins go over sso, which
// must be of the same owner; Handler registers them, so it must be called once for each sso and before its Handler. It loads the session
// by itself. It fails with [mspkit.ErrInvalid] where an option, a text or the prefix cannot be used.
//
//	GET      /                  the accounts and invitations, for those with [entra.PermissionInvitations], as everything below a/ and i/
//	GET POST /a/{id}            one account; POST /a/{id}/unlink and /a/{id}/remove
//	GET POST /invite            a new invitation; POST /i/{id}/revoke
//	GET POST /link              a technician links their own account
//	GET POST /setup/{token}     the first admin, by [Service.Bootstrap]; POST /setup/{token}/install, GET /consented
//	GET POST /join/{token}      an invitation
//	GET      /done              how it ended
func (s *Service) Handler(prefix string, sso *entra.SSO, o *PagesOptions) (http.Handler, error) {
	p := &pages{s: s, sso: sso, secure: strings.HasPrefix(strings.ToLower(s.o.BaseURL), "https://")}
	if o != nil {
		p.o = *o
	}
	if sso == nil {
		return nil, fmt.Errorf("accounts: an SSO is required: %w", mspkit.ErrInvalid)
	}
	if err := p.o.prepare(); err != nil {
		return nil, err
	}
	own, err := fs.Sub(files, "texts")
	if err != nil {
		return nil, err
	}
	templates, err := fs.Sub(files, "templates")
	if err != nil {
		return nil, err
	}
	catalogs, err := webpage.LoadCatalogs(own, p.o.Texts, nil)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	p.site, err = webpage.New(p.routes(), &webpage.Options{
		Prefix: prefix, HTTPS: p.secure, Brand: p.o.Brand, Templates: templates, Catalog: catalogs.All(), Locale: p.o.Locale, Logger: s.o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	sso.On(kindSetup, p.setUp)
	sso.On(kindLink, p.linked)
	sso.On(kindJoin, p.joined)
	return sso.Load(p.site), nil
}

func (p *pages) routes() []webpage.Route {
	page := func(name, pattern string, h http.HandlerFunc) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodGet, Pattern: pattern, Kind: webpage.PageKind, Handler: h}
	}
	form := func(name, pattern string, h http.HandlerFunc) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodPost, Pattern: pattern, Kind: webpage.FormKind, Handler: h}
	}
	// Browsers ask the page that has the form where its button may lead, redirects included: to Microsoft, to sign in or out.
	leads := func(r webpage.Route) webpage.Route {
		r.FormAction = p.leads()
		return r
	}
	// What allows the request stands in its path, and in no cookie.
	byLink := func(r webpage.Route) webpage.Route {
		r.Capability = true
		return leads(r)
	}
	return []webpage.Route{
		leads(page("accounts", "/{$}", p.admin(p.showAccounts))),
		leads(page("account", "/a/{id}", p.admin(p.showAccount))),
		leads(form("change", "/a/{id}", p.changes(p.changeAccount))),
		leads(form("unlink", "/a/{id}/unlink", p.changes(p.unlinkAccount))),
		leads(form("remove", "/a/{id}/remove", p.changes(p.removeAccount))),
		leads(page("invite", "/invite", p.admin(p.showInvite))),
		leads(form("invited", "/invite", p.changes(p.makeInvite))),
		leads(form("revoke", "/i/{id}/revoke", p.changes(p.revokeInvite))),
		leads(page("link", "/link", p.showLink)),
		leads(form("begin-link", "/link", p.beginLink)),
		leads(page("setup", "/setup/{token}", p.showSetup)),
		byLink(form("install", "/setup/{token}/install", p.beginInstall)),
		byLink(form("begin-setup", "/setup/{token}", p.beginSetup)),
		page("consented", "/consented", p.consented),
		leads(page("join", "/join/{token}", p.showJoin)),
		byLink(form("begin-join", "/join/{token}", p.beginJoin)),
		page("done", "/done", p.done),
	}
}

// leads are the origins that a sign-in passes: Microsoft's, that of the sign-in, and our own.
func (p *pages) leads() []string {
	out := p.sso.LoginOrigins()
	for _, at := range []string{p.sso.RedirectURL(), p.s.o.BaseURL} {
		if u, err := url.Parse(at); err == nil && !slices.Contains(out, u.Scheme+"://"+u.Host) {
			out = append(out, u.Scheme+"://"+u.Host)
		}
	}
	return out
}

// admin lets only those through who may invite.
func (p *pages) admin(h http.HandlerFunc) http.HandlerFunc {
	return p.sso.Require(entra.PermissionInvitations, p.owned(h)).ServeHTTP
}

// changes is [pages.admin] for what changes something.
func (p *pages) changes(h http.HandlerFunc) http.HandlerFunc {
	if p.o.Fresh == 0 {
		return p.admin(h)
	}
	return p.sso.RequireFresh(entra.PermissionInvitations, p.o.Fresh, p.owned(h)).ServeHTTP
}

// owned lets through who is of the owner.
func (p *pages) owned(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u := entra.UserOf(r.Context()); u == nil || u.Owner != p.s.o.Owner {
			p.site.Error(w, r, http.StatusNotFound)
			return
		}
		h(w, r)
	})
}

// by is who is signed in on a page of [pages.admin] or [pages.changes].
func by(r *http.Request) string { return entra.UserOf(r.Context()).ID }

// view is the data of the pages of the wizard and of invitations.
type view struct {
	Token       string // of the link
	Installed   bool
	Session     bool   // somebody is signed in to the host
	Account     string // whose account it is
	Inv         Invitation
	Days, Hours int // that are left
	Home        string
	Result      result
}

func (p *pages) render(w http.ResponseWriter, r *http.Request, template string, status int, data any) {
	p.site.Render(w, r, webpage.Page{Template: template, Status: status, Data: data})
}

// fault answers what is nobody's fault who looks at a page.
func (p *pages) fault(w http.ResponseWriter, r *http.Request, what string, err error) {
	p.s.o.Logger.ErrorContext(r.Context(), "accounts: a page failed", slog.String("what", what), slog.Any("error", err))
	p.site.Error(w, r, http.StatusServiceUnavailable)
}

// away sends the browser somewhere else.
func away(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}

// resultTTL is how long the page that says how it ended may be loaded again, maxResult how long its address is at most.
const (
	resultTTL = time.Hour
	maxResult = 4 << 10
)

// result is what the last page says, sealed in its address so that it can be loaded again.
type result struct {
	// What is "setup", "linked" or "joined", or the reason for which nothing came of it.
	What    string    `json:"w"`
	Refused bool      `json:"r,omitempty"`
	Code    string    `json:"c,omitempty"` // Microsoft's
	Name    string    `json:"n,omitempty"`
	Admin   bool      `json:"a,omitempty"`
	Portal  bool      `json:"p,omitempty"`
	Again   string    `json:"b,omitempty"` // the path below the site's root to try again at
	Until   time.Time `json:"u"`
}

// ended sends the browser to the page that says how it ended.
func (p *pages) ended(w http.ResponseWriter, r *http.Request, res result) {
	res.Until = p.s.now().Add(resultTTL)
	raw, err := json.Marshal(res)
	if err != nil {
		p.fault(w, r, "a result could not be shown", err)
		return
	}
	away(w, p.s.o.BaseURL+"/done?r="+base64.RawURLEncoding.EncodeToString(p.s.shown.Seal(raw, p.s.o.Owner)))
}

// stopped ends a sign-in that nothing came of.
func (p *pages) stopped(w http.ResponseWriter, r *http.Request, again string, err error) {
	reason := reasonOf(err)
	res := result{What: pageOf(reason), Refused: true, Again: again}
	if e, ok := errors.AsType[*entra.TokenError](err); ok {
		res.Code = e.Code
	}
	switch {
	case res.What == "unable":
		p.s.o.Logger.WarnContext(r.Context(), "accounts: a sign-in failed", slog.String("reason", string(reason)), slog.Any("error", err))
	case slices.Contains(final, res.What):
		res.Again = ""
	}
	p.ended(w, r, res)
}

// final are the texts of what does not get better by trying again.
var final = []string{"state", "account", "setup", "linked", "conflict", "disabled"}

// texts are those that a reason has where it is not "failed": what Microsoft or its answer said.
var texts = map[entra.Reason]string{
	entra.ReasonState: "state", entra.ReasonCookie: "state", entra.ReasonTenant: "tenant", entra.ReasonGuest: "guest", entra.ReasonDeclined: "declined",
	entra.ReasonFresh: "fresh", entra.ReasonRole: "role", entra.ReasonAccount: "account", entra.ReasonSession: "session", entra.ReasonPerson: "session",
	entra.ReasonFailed: "unable", entra.ReasonUnavailable: "unable", entra.ReasonCredentials: "unable",
	ReasonTaken: "taken", ReasonLinked: "linked", ReasonDisabled: "disabled", ReasonConflict: "conflict", ReasonSetUp: "setup",
}

// pageOf returns which text a reason has.
func pageOf(reason entra.Reason) string {
	if text, ok := texts[reason]; ok {
		return text
	}
	return "failed"
}

// done says how it ended.
func (p *pages) done(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("r")
	var res result
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil && len(text) <= maxResult {
		var raw []byte
		if raw, err = p.s.shown.Open(sealed, p.s.o.Owner); err == nil {
			err = json.Unmarshal(raw, &res)
		}
	}
	if err != nil || !p.s.now().Before(res.Until) {
		res = result{What: "state", Refused: true}
	}
	v := view{Result: res, Home: p.o.Home}
	if res.Portal {
		v.Home = p.o.PortalHome
	}
	if !res.Refused {
		p.render(w, r, "done", 0, v)
		return
	}
	p.render(w, r, "stopped", statusOf(res.What), v)
}

func statusOf(what string) int {
	switch what {
	case "state":
		return http.StatusNotFound
	case "taken", "linked", "setup", "conflict":
		return http.StatusConflict
	case "unable":
		return http.StatusServiceUnavailable
	case "failed":
		return http.StatusBadGateway
	}
	return http.StatusForbidden
}

// Is reports the result, for templates.
func (v view) Is(what string) bool { return v.Result.What == what }
