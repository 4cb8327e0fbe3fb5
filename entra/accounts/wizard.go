package accounts

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/token"
)

// flowTTL is how long an administrator may take at Microsoft for the consent.
const flowTTL = time.Hour

// setupCookie is of the browser that installs the application: it has the token of the link, so that it need not travel to Microsoft.
func (p *pages) setupCookie() string {
	if p.secure {
		return "__Host-mspkit-accounts-setup"
	}
	return "mspkit-accounts-setup"
}

func (p *pages) setCookie(w http.ResponseWriter, value string, age time.Duration) {
	seconds := int(age / time.Second)
	if seconds <= 0 {
		seconds = -1
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever there is TLS
		Name: p.setupCookie(), Value: value, Path: "/", MaxAge: seconds, Secure: p.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// installing is what that browser remembers.
type installing struct {
	Token string    `json:"t"`
	State string    `json:"s"`
	Until time.Time `json:"u"`
}

// byToken returns the invitation behind the token of a page. Where it returns false it has answered: a link that is used, revoked, too
// old or made up looks the same.
func (p *pages) byToken(w http.ResponseWriter, r *http.Request, bootstrap bool) (view, bool) {
	text := r.PathValue("token")
	inv, err := p.s.Open(r.Context(), text)
	if err == nil && (inv.Kind == Bootstrap) != bootstrap {
		err = ErrState
	}
	switch {
	case errors.Is(err, ErrState):
		p.render(w, r, "stopped", http.StatusNotFound, view{Result: result{What: "state", Refused: true}})
		return view{}, false
	case err != nil:
		p.fault(w, r, "a link could not be opened", err)
		return view{}, false
	}
	left := inv.ExpiresAt.Sub(p.s.now()) + time.Minute // a link of seven days does not begin with six
	return view{Token: url.PathEscape(text), Inv: inv, Days: int(left / (24 * time.Hour)), Hours: int(left / time.Hour)}, true
}

func (p *pages) showSetup(w http.ResponseWriter, r *http.Request) {
	if v, ok := p.byToken(w, r, true); ok {
		v.Installed = r.URL.Query().Has("installed") // which only decides what stands out
		p.render(w, r, "setup", 0, v)
	}
}

// beginInstall sends the browser to Microsoft for the consent of an administrator
// (https://learn.microsoft.com/entra/identity-platform/v2-admin-consent).
func (p *pages) beginInstall(w http.ResponseWriter, r *http.Request) {
	v, ok := p.byToken(w, r, true)
	if !ok {
		return
	}
	state := token.Random()
	raw, err := json.Marshal(installing{Token: v.Token, State: state, Until: p.s.now().Add(flowTTL)})
	if err != nil {
		p.fault(w, r, "the installation could not begin", err)
		return
	}
	p.setCookie(w, base64.RawURLEncoding.EncodeToString(p.s.flows.Seal(raw, p.s.o.Owner)), flowTTL)
	away(w, p.o.Cloud.Login+"/"+p.s.o.TenantID+"/v2.0/adminconsent?"+url.Values{
		"client_id": {p.o.ClientID}, "scope": {p.o.Cloud.Scope()}, "redirect_uri": {p.s.ConsentURI()}, "state": {state},
	}.Encode())
}

// consented takes Microsoft's answer to the consent. Nobody has signed it, so nothing is believed of it but that it is worth to go on:
// the sign-in that follows proves the tenant. Without the cookie of the browser that began it leads nowhere.
func (p *pages) consented(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, ok := p.installing(r, q.Get("state"))
	if !ok {
		p.render(w, r, "stopped", http.StatusNotFound, view{Result: result{What: "state", Refused: true}})
		return
	}
	if r.Method != http.MethodGet { // HEAD uses nothing up
		w.Header().Set("Allow", http.MethodGet)
		p.site.Error(w, r, http.StatusMethodNotAllowed)
		return
	}
	p.setCookie(w, "", 0)
	again := "setup/" + f.Token
	switch {
	case q.Get("error") != "":
		what := "failed"
		if q.Get("error") == "access_denied" || q.Get("error") == "consent_required" {
			what = "declined"
		}
		p.ended(w, r, result{What: what, Refused: true, Again: again})
	case !strings.EqualFold(q.Get("admin_consent"), "true"):
		p.ended(w, r, result{What: "declined", Refused: true, Again: again})
	default:
		p.site.Redirect(w, r, again+"?installed")
	}
}

func (p *pages) installing(r *http.Request, state string) (installing, bool) {
	var f installing
	cookie, err := r.Cookie(p.setupCookie())
	if err != nil {
		return f, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return f, false
	}
	raw, err := p.s.flows.Open(sealed, p.s.o.Owner)
	if err != nil || json.Unmarshal(raw, &f) != nil || !p.s.now().Before(f.Until) {
		return f, false
	}
	return f, subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) == 1
}

// beginSetup sends the browser to Microsoft for the sign-in that proves the tenant.
func (p *pages) beginSetup(w http.ResponseWriter, r *http.Request) {
	if v, ok := p.byToken(w, r, true); ok {
		p.sso.Begin(w, r, entra.Ask{Kind: kindSetup, Data: []byte(v.Token), Tenant: p.s.o.TenantID, Fresh: true})
	}
}

// setUp is the end of that sign-in: the first admin is there.
func (p *pages) setUp(w http.ResponseWriter, r *http.Request, answer entra.Answer, err error) {
	text, again := string(answer.Data), "setup/"+string(answer.Data)+"?installed"
	var a Account
	if err == nil {
		hostID, _ := p.host(r)
		a, err = p.s.Accept(r.Context(), text, answer, hostID)
	}
	p.entered(w, r, "setup", again, a, answer, err)
}

// entered signs somebody in whose account has just been made or linked.
func (p *pages) entered(w http.ResponseWriter, r *http.Request, what, again string, a Account, answer entra.Answer, err error) {
	if err != nil {
		p.stopped(w, r, again, err)
		return
	}
	if a.Kind == Technician {
		if err := p.sso.SignIn(w, r, answer.Identity); err != nil { // they are linked, and can sign in later
			p.s.o.Logger.WarnContext(r.Context(), "accounts: who was let in could not be signed in")
		}
	}
	p.ended(w, r, result{What: what, Name: a.Name, Admin: a.Role == entra.RoleAdmin, Portal: a.Kind == Portal})
}

// host returns by which id the host's own session knows who asks.
func (p *pages) host(r *http.Request) (id string, ok bool) {
	if p.o.Host == nil {
		return "", false
	}
	owner, id, ok := p.o.Host(r)
	if !ok || owner != p.s.o.Owner || id == "" {
		return "", false
	}
	return id, true
}

// showLink shows a technician how to link their own account.
func (p *pages) showLink(w http.ResponseWriter, r *http.Request) {
	id, ok := p.host(r)
	if !ok {
		p.render(w, r, "link", http.StatusUnauthorized, view{Home: p.o.HostSignIn})
		return
	}
	a, err := p.s.Get(r.Context(), id)
	v := view{Session: true, Account: a.Title(), Home: p.o.Home}
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		p.fault(w, r, "an account could not be shown", err)
	case err != nil || a.Kind != Technician:
		p.render(w, r, "stopped", http.StatusForbidden, view{Result: result{What: "account", Refused: true}})
	case a.Disabled():
		p.render(w, r, "stopped", http.StatusForbidden, view{Result: result{What: "disabled", Refused: true}})
	case a.Linked():
		p.render(w, r, "done", 0, view{Home: p.o.Home, Result: result{What: "linked", Name: v.Account}})
	default:
		p.render(w, r, "link", 0, v)
	}
}

func (p *pages) beginLink(w http.ResponseWriter, r *http.Request) {
	id, ok := p.host(r)
	if !ok {
		p.showLink(w, r)
		return
	}
	p.sso.Begin(w, r, entra.Ask{Kind: kindLink, Data: []byte(id), Tenant: p.s.o.TenantID, Fresh: true})
}

// linked is the end of that sign-in. Whoever comes back must still be signed in to the host as who left.
func (p *pages) linked(w http.ResponseWriter, r *http.Request, answer entra.Answer, err error) {
	asked := string(answer.Data)
	if err == nil {
		if id, ok := p.host(r); !ok {
			err = entra.ErrNoSession
		} else if id != asked {
			err = entra.Refuse(entra.ReasonPerson)
		}
		if err != nil {
			p.s.refused(r.Context(), asked, answer, err)
		}
	}
	var a Account
	if err == nil {
		a, err = p.s.Link(r.Context(), asked, answer)
	}
	if err != nil {
		p.stopped(w, r, "link", err)
		return
	}
	p.ended(w, r, result{What: "linked", Name: a.Name, Admin: a.Role == entra.RoleAdmin})
}

func (p *pages) showJoin(w http.ResponseWriter, r *http.Request) {
	if v, ok := p.byToken(w, r, false); ok {
		p.render(w, r, "join", 0, v)
	}
}

// beginJoin sends the browser to Microsoft for the sign-in by which an invitation is accepted.
func (p *pages) beginJoin(w http.ResponseWriter, r *http.Request) {
	v, ok := p.byToken(w, r, false)
	if !ok {
		return
	}
	tenants, err := p.s.tenantsFor(r.Context(), v.Inv.Kind, v.Inv.Client)
	if err != nil {
		p.fault(w, r, "an invitation could not be accepted", err)
		return
	}
	ask := entra.Ask{Kind: kindJoin, Data: []byte(v.Token), Fresh: true}
	if len(tenants) == 1 {
		ask.Tenant = tenants[0]
	}
	p.sso.Begin(w, r, ask)
}

// joined is the end of that sign-in.
func (p *pages) joined(w http.ResponseWriter, r *http.Request, answer entra.Answer, err error) {
	text := string(answer.Data)
	var a Account
	if err == nil {
		a, err = p.s.Accept(r.Context(), text, answer, "")
	}
	p.entered(w, r, "joined", "join/"+text, a, answer, err)
}
