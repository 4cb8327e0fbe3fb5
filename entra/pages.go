package entra

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
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/webpage"
)

//go:embed templates/*.html texts/*.json
var files embed.FS

// pages serve the links.
type pages struct {
	c    *Consent
	site *webpage.Site
}

// Handler returns the pages behind the links. prefix is the path that requests still carry, such as "/connect"; leave it empty
// behind [http.StripPrefix] or a proxy that strips it. It fails with [mspkit.ErrInvalid] where a text or the prefix cannot be
// used.
func (c *Consent) Handler(prefix string) (http.Handler, error) {
	p := &pages{c: c}
	own, err := fs.Sub(files, "texts")
	if err != nil {
		return nil, err
	}
	templates, err := fs.Sub(files, "templates")
	if err != nil {
		return nil, err
	}
	catalogs, err := webpage.LoadCatalogs(own, c.o.Texts, nil)
	if err != nil {
		return nil, fmt.Errorf("entra: consent: %w", err)
	}
	page := func(name, pattern string, h http.HandlerFunc) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodGet, Pattern: pattern, Kind: webpage.PageKind, Handler: h}
	}
	// Browsers ask the page that has the form where its button may lead, redirects included.
	link := page("link", "/c/{token}", p.show)
	link.FormAction = loginOrigins(c.o.Cloud)
	p.site, err = webpage.New([]webpage.Route{
		link,
		{Name: "begin", Method: http.MethodPost, Pattern: "/c/{token}", Kind: webpage.FormKind, Capability: true, Handler: p.begin},
		page("callback", c.o.RedirectPath, p.callback),
		page("connected", "/connected", p.connected),
	}, &webpage.Options{
		Prefix: prefix, HTTPS: c.flow.secure, Brand: c.o.Brand, Templates: templates, Catalog: catalogs.All(), Locale: c.o.Locale, Logger: c.o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("entra: consent: %w", err)
	}
	return p.site, nil
}

// view is the data of all pages.
type view struct {
	Asking
	Integration Integration
	Permissions []shown
	Path        string // of the link below the site's root; empty where there is none any more
	Days, Hours int    // that are left
	Reason      string // for which nothing was connected
	Code        string // Microsoft's
	Org, Domain string // that was connected
}

// shown is a permission with the key of its text, or the host's text.
type shown struct{ Name, Key, Text string }

// known has a text for the permissions that are asked for most, by the end of its key.
var known = map[string]string{
	"User.Read.All": "users", "User.ReadBasic.All": "users_basic", "User-Phone.ReadWrite.All": "phones", "ProfilePhoto.Read.All": "photos",
	"OrgContact.Read.All": "org_contacts", "Contacts.Read": "contacts", "Directory.Read.All": "directory", "Mail.Send": "send",
	"Mail.ReadWrite": "mail", "Presence.Read.All": "presence", "Organization.Read.All": "organization", "MailboxSettings.Read": "mailboxes",
}

// describe returns what the pages of a link say.
func (p *pages) describe(ctx context.Context, s LinkState) (view, error) {
	asking, err := p.c.o.Describe(ctx, s)
	if err != nil {
		return view{}, err
	}
	v := view{Asking: asking}
	v.Integration, _ = p.c.integration(s.Integration)
	if v.Integration.Title == "" {
		v.Integration.Title = s.Integration
	}
	for _, perm := range v.Integration.Permissions {
		one := shown{Name: perm.Name, Text: perm.Text}
		if key, ok := known[perm.Name]; ok && perm.Text == "" {
			one.Key = "permission." + key
		}
		v.Permissions = append(v.Permissions, one)
	}
	return v, nil
}

func (p *pages) render(w http.ResponseWriter, r *http.Request, template string, status int, v view) {
	p.site.Render(w, r, webpage.Page{Template: template, Status: status, Brand: v.Brand, Locale: v.Locale, Data: v})
}

// fault answers what is neither the administrator's fault nor the link's.
func (p *pages) fault(w http.ResponseWriter, r *http.Request, what string, err error) {
	p.c.o.Logger.ErrorContext(r.Context(), "entra: consent", slog.String("what", what), slog.Any("error", err))
	p.site.Error(w, r, http.StatusServiceUnavailable)
}

// link returns what the token of a page stands for. Where it returns false it has answered: a link that is used, too old or
// made up looks the same.
func (p *pages) link(w http.ResponseWriter, r *http.Request, text string) (opened, view, bool) {
	l, err := p.c.open(r.Context(), text)
	switch {
	case errors.Is(err, ErrState):
		p.render(w, r, "stopped", http.StatusNotFound, view{Reason: reasonState})
		return l, view{}, false
	case err != nil:
		p.fault(w, r, "a link could not be opened", err)
		return l, view{}, false
	}
	v, err := p.describe(r.Context(), l.state)
	if err != nil {
		p.fault(w, r, "a link could not be described", err)
		return l, view{}, false
	}
	v.Path = "c/" + url.PathEscape(text)
	left := l.state.ExpiresAt.Sub(p.c.o.Now()) + time.Minute // a link of seven days does not begin with six
	v.Days, v.Hours = int(left/(24*time.Hour)), int(left/time.Hour)
	return l, v, true
}

func (p *pages) show(w http.ResponseWriter, r *http.Request) {
	if _, v, ok := p.link(w, r, r.PathValue("token")); ok {
		p.render(w, r, "link", 0, v)
	}
}

// begin sends the browser to Microsoft for the consent.
func (p *pages) begin(w http.ResponseWriter, r *http.Request) {
	l, v, ok := p.link(w, r, r.PathValue("token"))
	if !ok {
		return
	}
	state, err := p.c.flow.carry(w, carried{Kind: stepConsent, Data: []byte(l.token)})
	if err != nil {
		p.fault(w, r, "a flow could not begin", err)
		return
	}
	away(w, p.c.consentURL(v.Integration, state))
}

// away sends the browser to Microsoft.
func away(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}

// callback takes Microsoft's answers. It is a GET that changes something, because OAuth has it so: without the cookie of the
// browser that began it does nothing, and HEAD never does.
func (p *pages) callback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		p.site.Error(w, r, http.StatusMethodNotAllowed)
		return
	}
	f, q, err := p.c.flow.resume(w, r)
	if err != nil {
		p.render(w, r, "stopped", http.StatusBadRequest, view{Reason: reasonState})
		return
	}
	l, v, ok := p.link(w, r, string(f.Data))
	if !ok {
		return
	}
	switch f.Kind {
	case stepConsent:
		if s := consented(q); s != nil {
			p.stopped(w, r, v, s)
			return
		}
		p.signIn(w, r, l)
	case stepSignIn:
		conn, s := p.c.finish(r.Context(), l, f, q)
		if s != nil {
			v.Org, v.Domain = conn.Name, conn.Domain
			p.stopped(w, r, v, s)
			return
		}
		p.done(w, r, conn)
	default:
		p.stopped(w, r, v, &stop{reason: reasonState})
	}
}

// signIn sends the browser to Microsoft for the administrator's own sign-in.
func (p *pages) signIn(w http.ResponseWriter, r *http.Request, l opened) {
	at, err := p.c.flow.Begin(w, Ask{Kind: stepSignIn, Data: []byte(l.token)})
	if err != nil {
		p.fault(w, r, "a sign-in could not begin", err)
		return
	}
	away(w, at)
}

// stopped says why nothing was connected.
func (p *pages) stopped(w http.ResponseWriter, r *http.Request, v view, s *stop) {
	if s.err != nil {
		p.c.o.Logger.WarnContext(r.Context(), "entra: consent ended without a connection", slog.String("reason", s.reason), slog.Any("error", s.err))
	}
	v.Reason, v.Code = s.reason, s.code
	status := http.StatusForbidden
	switch s.reason {
	case reasonState:
		v.Path, status = "", http.StatusNotFound
	case reasonOwned, reasonTaken: // the link is used up
		v.Path, status = "", http.StatusConflict
	case reasonUnable:
		status = http.StatusServiceUnavailable
	case reasonFailed:
		status = http.StatusBadGateway
	}
	p.render(w, r, "stopped", status, v)
}

// result is what the last page says, sealed in its address so that it can be loaded again.
type result struct {
	State       LinkState
	Org, Domain string
	Until       time.Time
}

func (p *pages) done(w http.ResponseWriter, r *http.Request, conn Connection) {
	raw, err := json.Marshal(result{
		State: LinkState{Tenant: conn.Tenant, Owner: conn.Owner, Integration: conn.Integration},
		Org:   conn.Name, Domain: conn.Domain, Until: p.c.o.Now().Add(resultTTL),
	})
	if err != nil {
		p.fault(w, r, "a result could not be shown", err)
		return
	}
	p.site.Redirect(w, r, "connected?r="+base64.RawURLEncoding.EncodeToString(p.c.results.Seal(raw)))
}

// maxResult is in bytes.
const maxResult = 8 << 10

// connected says which organisation was connected.
func (p *pages) connected(w http.ResponseWriter, r *http.Request) {
	var res result
	text := r.URL.Query().Get("r")
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil && len(text) <= maxResult {
		var raw []byte
		if raw, err = p.c.results.Open(sealed); err == nil {
			err = json.Unmarshal(raw, &res)
		}
	}
	if err != nil || !p.c.o.Now().Before(res.Until) {
		p.render(w, r, "stopped", http.StatusNotFound, view{Reason: reasonState})
		return
	}
	v, err := p.describe(r.Context(), res.State)
	if err != nil {
		p.fault(w, r, "a result could not be described", err)
		return
	}
	v.Org, v.Domain = res.Org, res.Domain
	if v.Org == "" {
		v.Org, v.Domain = v.Domain, ""
	}
	p.render(w, r, "connected", 0, v)
}

// Is reports the reason, for templates.
func (v view) Is(reason string) bool { return v.Reason == reason }

// Address returns the customer's name as it is, or nothing.
func (v view) Address() string { return strings.TrimSpace(v.Customer) }
