package signin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

const (
	// numberDigits is how many digits the technician says. Another count cannot be right, so it is not tried.
	numberDigits = 3
	// memory is how long after its end a request is still told apart from other old ones. Later its page names nobody: links
	// stay in mailboxes for years.
	memory = 15 * time.Minute
	// over is the state of such a page, late that of one on which "not me" was pressed after the end.
	over verify.State = "over"
	late verify.State = "late"
)

// The faults that a page shows.
const (
	faultNone   = ""
	faultEmpty  = "empty"  // nothing was typed
	faultFormat = "format" // what was typed cannot be a number
	faultWrong  = "wrong"  // it was tried and is wrong
	faultOver   = "over"   // the sign-in is too long ago
)

// page is the data of all pages below a link.
type page struct {
	verify.View
	State verify.State
	Path  string // of the link below the site's root; empty where there is none
	Form  string // of the session; empty where nobody has signed in
	Fault string
	// Reason is why a sign-in did not count, Code Microsoft's own.
	Reason, Code string
	// Host is where Microsoft asks for the password.
	Host string
	// Asked is when the technician asked, Left how long the link works: in words.
	Asked, Left string
}

// Is reports the state, for templates.
func (p page) Is(s string) bool { return string(p.State) == s }

// visit is a request with a link that leads somewhere.
type visit struct {
	invitation
	token   string
	view    verify.View
	session *session
}

func (v visit) pending() bool { return v.view.State == verify.StatePending }

func (v visit) path() string { return "s/" + url.PathEscape(v.token) }

// open returns what a link leads to. Where it returns false it has answered, and the same whatever is wrong with the link.
func (p *Pages) open(w http.ResponseWriter, r *http.Request, tok string) (visit, bool) {
	v := visit{token: tok}
	i, lerr := decode(p.links, tok)
	if lerr != nil { // the store is asked all the same, so that it takes as long
		i = invitation{ref: verify.Ref{Tenant: "-", ID: token.ID(token.NewSecret())}}
	}
	view, err := p.svc.Facts(r.Context(), i.ref, i.from())
	switch {
	case errors.Is(err, verify.ErrNotFound), errors.Is(err, verify.ErrForbidden):
	case err != nil:
		p.unavailable(w, r, "a link could not be opened", err)
		return v, false
	case lerr == nil && view.Kind == verify.KindCaller && view.Method == verify.MethodNumber:
		v.invitation, v.view, v.session = i, view, p.session(r, i)
		return v, true
	}
	p.gone(w, r)
	return v, false
}

func (p *Pages) gone(w http.ResponseWriter, r *http.Request) {
	p.site.Render(w, r, webpage.Page{Template: "gone", Status: http.StatusNotFound})
}

// back redirects to the page of the link, or to what is below it.
func (p *Pages) back(w http.ResponseWriter, r *http.Request, v visit, below string) {
	p.site.Redirect(w, r, v.path()+below)
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) {
	v, ok := p.open(w, r, r.PathValue("token"))
	if !ok {
		return
	}
	d := page{}
	switch fault := r.URL.Query().Get("e"); {
	case fault == faultWrong && v.session != nil, fault == faultOver && v.session == nil:
		d.Fault = fault
	}
	p.render(w, r, v, "", d)
}

// render shows a page of v: the named one, or what its state and session ask for.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, v visit, template string, d page) {
	now := p.o.Now()
	catalog := p.catalogs.Of(v.view.Ref.Tenant)
	texts := catalog.Texts(v.view.Locale)
	if v.view.Locale == "" {
		texts = catalog.Negotiate(strings.Join(r.Header.Values("Accept-Language"), ","), p.o.Locale)
	}
	d.View, d.Path, d.Host = v.view, v.path(), p.host
	if d.State == "" {
		d.State = v.view.State
	}
	if v.session != nil {
		d.Form = v.session.Form
	}
	pg := webpage.Page{Brand: v.view.Brand, BrandKey: p.logos.Key(v.view.Ref.Tenant), Catalog: catalog, Locale: texts.Lang()}
	switch {
	case template != "":
		pg.Template = template
	case d.State != verify.StatePending:
		pg.Template = "state"
		if now.After(v.view.ExpiresAt.Add(memory)) && d.State != late {
			d.State = over
		}
	case v.session != nil:
		pg.Template = "number"
	default:
		pg.Template = "ask"
	}
	switch {
	case d.Reason != "":
		pg.Status = statusOf(d.Reason)
	case d.Fault == faultEmpty, d.Fault == faultFormat:
		pg.Status = http.StatusUnprocessableEntity
	}
	var err [2]error
	d.Asked, err[0] = ago(texts, now.Sub(v.view.CreatedAt))
	d.Left, err[1] = left(texts, v.view.ExpiresAt.Sub(now))
	if err := errors.Join(err[:]...); err != nil {
		p.unavailable(w, r, "a text could not be made", err)
		return
	}
	pg.Data = d
	p.site.Render(w, r, pg)
}

func ago(t *webpage.Texts, d time.Duration) (string, error) {
	switch {
	case d < time.Minute:
		return t.Text("ago.now")
	case d < 2*time.Minute:
		return t.Text("ago.minute")
	}
	return t.Text("ago.minutes", "n", int(d/time.Minute))
}

func left(t *webpage.Texts, d time.Duration) (string, error) {
	if d < 2*time.Minute {
		return t.Text("left.minute")
	}
	return t.Text("left.minutes", "n", int(d/time.Minute))
}

// begin sends the browser to Microsoft, to the tenant of the contact.
func (p *Pages) begin(w http.ResponseWriter, r *http.Request) {
	v, ok := p.open(w, r, r.PathValue("token"))
	if !ok {
		return
	}
	if !v.pending() {
		p.back(w, r, v, "")
		return
	}
	to, err := p.flow.Begin(w, entra.Ask{Kind: "verify", Data: []byte(v.token), Tenant: v.tid, Fresh: true, ACR: v.context()})
	if err != nil {
		p.unavailable(w, r, "a sign-in could not begin", err)
		return
	}
	w.Header().Set("Location", to)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}

// hint takes "this is not me" from somebody who proves nothing: the technician is told.
func (p *Pages) hint(w http.ResponseWriter, r *http.Request) {
	v, ok := p.open(w, r, r.PathValue("token"))
	if !ok {
		return
	}
	if !v.pending() {
		p.back(w, r, v, "")
		return
	}
	switch err := p.svc.Hint(r.Context(), v.ref); {
	case errors.Is(err, verify.ErrNotFound): // deleted since it was opened
		p.gone(w, r)
	case err != nil:
		p.unavailable(w, r, `"not me" could not be noted`, err)
	default:
		p.back(w, r, v, "/not-me")
	}
}

// showNotMe is the page after that. It leads to the sign-in that makes it count, and back where nobody pressed anything.
func (p *Pages) showNotMe(w http.ResponseWriter, r *http.Request) {
	v, ok := p.open(w, r, r.PathValue("token"))
	if !ok {
		return
	}
	if !v.pending() || !v.view.Hinted || v.session != nil {
		p.back(w, r, v, "")
		return
	}
	p.render(w, r, v, "notme", page{})
}

// signedIn returns the visit of a form that stands on the page of somebody who has signed in. Where it returns false it has
// answered.
func (p *Pages) signedIn(w http.ResponseWriter, r *http.Request) (visit, bool) {
	v, ok := p.open(w, r, r.PathValue("token"))
	if !ok {
		return v, false
	}
	if v.session == nil || !equal(v.session.Form, r.PostForm.Get("form")) {
		p.back(w, r, v, "?e="+faultOver)
		return v, false
	}
	return v, true
}

// answer takes the number. It answers a try with a redirect, so that a reload does not try again.
func (p *Pages) answer(w http.ResponseWriter, r *http.Request) {
	v, ok := p.signedIn(w, r)
	if !ok {
		return
	}
	if !v.pending() {
		p.back(w, r, v, "")
		return
	}
	typed := r.PostForm.Get("number")
	switch {
	case strings.TrimSpace(typed) == "":
		p.render(w, r, v, "", page{Fault: faultEmpty})
		return
	case cleantext.Digits(typed) != numberDigits:
		p.render(w, r, v, "", page{Fault: faultFormat})
		return
	}
	res, err := p.svc.Answer(r.Context(), verify.Answer{Ref: v.ref, Method: verify.MethodNumber, Response: typed, From: v.from()})
	switch {
	case errors.Is(err, verify.ErrFormat):
		p.render(w, r, v, "", page{Fault: faultFormat})
	case errors.Is(err, verify.ErrNotFound), errors.Is(err, verify.ErrForbidden):
		p.gone(w, r)
	case err != nil:
		p.unavailable(w, r, "an answer could not be taken", err)
	case res.State == verify.StateWrong:
		p.back(w, r, v, "?e="+faultWrong)
	default:
		p.back(w, r, v, "")
	}
}

// deny takes "this is not me" from the contact, also where the request is over: somebody asked who should not have.
func (p *Pages) deny(w http.ResponseWriter, r *http.Request) {
	v, ok := p.signedIn(w, r)
	if !ok {
		return
	}
	res, err := p.svc.Deny(r.Context(), verify.Denial{Ref: v.ref, From: v.from()})
	switch {
	case errors.Is(err, verify.ErrNotFound), errors.Is(err, verify.ErrForbidden):
		p.gone(w, r)
	case err != nil:
		p.unavailable(w, r, `"not me" could not be taken`, err)
	case res.State == verify.StateDenied:
		p.back(w, r, v, "")
	default:
		p.render(w, r, v, "", page{State: late})
	}
}
