package verifypage

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

const (
	// numberDigits is how many digits the technician says. Another count cannot be right, so it is not tried.
	numberDigits = 3
	// memory is how long after its end a request is still told apart from other old ones. Later its page
	// names nobody: links stay in mailboxes for years.
	memory = 15 * time.Minute
	// over is the state of such a page.
	over verify.State = "over"
)

// The faults that a page shows beside its field.
const (
	faultNone   = ""
	faultEmpty  = "empty"  // nothing was typed
	faultFormat = "format" // what was typed cannot be a number, or has no letters
	faultWrong  = "wrong"  // it was tried and is wrong
)

// link is the data of all pages below a link.
type link struct {
	verify.View
	Path  string // of the link below the site's root
	State verify.State
	Fault string
	// Asked is when the technician asked, Began when the call began, Left how long the link works: in words.
	Asked, Began, Left string
}

// Is reports the state, for templates.
func (l link) Is(s string) bool { return string(l.State) == s }

// Caller reports whether the caller is verified, and not the technician.
func (l link) Caller() bool { return l.Kind == verify.KindCaller }

// CalledUs reports whether the contact began the call.
func (l link) CalledUs() bool { return l.CallBy == verify.SideContact }

// open returns what the request's link leads to. Where it returns false it has answered.
func (p *Pages) open(w http.ResponseWriter, r *http.Request) (verify.View, bool) {
	v, err := p.svc.View(r.Context(), r.PathValue("token"))
	switch {
	case errors.Is(err, verify.ErrNotFound):
	case err != nil:
		p.unavailable(w, r, "a link could not be opened", err)
		return v, false
	case p.bound(r, v.Ref.Tenant) && v.Method != verify.MethodCode && v.Method != verify.MethodTOTP:
		return v, true
	}
	p.gone(w, r)
	return v, false
}

// gone answers a link that leads nowhere, whatever the reason, with the same bytes.
func (p *Pages) gone(w http.ResponseWriter, r *http.Request) {
	p.site.Render(w, r, webpage.Page{Template: "gone", Status: http.StatusNotFound})
}

func (p *Pages) showLink(w http.ResponseWriter, r *http.Request) {
	v, ok := p.open(w, r)
	if !ok {
		return
	}
	fault := faultNone
	if r.URL.Query().Get("e") == faultWrong {
		fault = faultWrong
	}
	p.render(w, r, v, fault, false)
}

// render shows the page of v: the form while it is pending, else what has become of it.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, v verify.View, fault string, notMe bool) {
	now := p.o.Now()
	catalog, texts := p.texts(r, v.Ref.Tenant, v.Locale)
	l := link{View: v, Path: "v/" + url.PathEscape(r.PathValue("token")), State: v.State, Fault: fault}
	if v.State != verify.StatePending && now.After(v.ExpiresAt.Add(memory)) {
		l.State = over
	}
	page := webpage.Page{Brand: v.Brand, BrandKey: p.logos.Key(v.Ref.Tenant), Catalog: catalog, Locale: texts.Lang()}
	switch {
	case l.State != verify.StatePending:
		page.Template = "state"
	case notMe:
		page.Template = "notme"
	case l.Caller():
		page.Template = "caller"
	default:
		page.Template = "technician"
	}
	if fault == faultEmpty || fault == faultFormat {
		page.Status = http.StatusUnprocessableEntity
	}
	var err [3]error
	l.Asked, err[0] = ago(texts, now.Sub(v.CreatedAt))
	l.Began, err[1] = ago(texts, now.Sub(v.CallBegan))
	l.Left, err[2] = span(texts, "left", v.ExpiresAt.Sub(now))
	if err := errors.Join(err[:]...); err != nil {
		p.unavailable(w, r, "a text could not be made", err)
		return
	}
	page.Data = l
	p.site.Render(w, r, page)
}

// ago says how long ago something was. Relative times need no time zone, which a page without script does not
// know.
func ago(t *webpage.Texts, d time.Duration) (string, error) {
	if d < time.Minute {
		return t.Text("ago.now")
	}
	return span(t, "ago", d)
}

func span(t *webpage.Texts, key string, d time.Duration) (string, error) {
	switch {
	case d < 2*time.Minute:
		return t.Text(key + ".minute")
	case d < time.Hour:
		return t.Text(key+".minutes", "n", int(d/time.Minute))
	case d < 2*time.Hour:
		return t.Text(key + ".hour")
	}
	return t.Text(key+".hours", "n", int(d/time.Hour))
}

// answer takes the number or the words. It answers a try with a redirect, so that a reload does not try again.
func (p *Pages) answer(w http.ResponseWriter, r *http.Request) {
	v, ok := p.open(w, r)
	if !ok {
		return
	}
	if v.State != verify.StatePending || v.Kind == verify.KindTechnician && !v.InCall {
		p.back(w, r, "")
		return
	}
	typed := r.PostForm.Get("answer")
	fault := faultNone
	switch {
	case strings.TrimSpace(typed) == "":
		fault = faultEmpty
	case v.Method == verify.MethodNumber && cleantext.Digits(typed) != numberDigits:
		fault = faultFormat
	}
	if fault != faultNone {
		p.render(w, r, v, fault, false)
		return
	}
	res, err := p.svc.Answer(r.Context(), verify.Answer{Ref: v.Ref, Method: v.Method, Response: typed})
	p.answered(w, r, v, res, err, false)
}

// answered shows what became of a try.
func (p *Pages) answered(w http.ResponseWriter, r *http.Request, v verify.View, res verify.Result, err error, notMe bool) {
	switch {
	case errors.Is(err, verify.ErrFormat):
		p.render(w, r, v, faultFormat, notMe)
	case errors.Is(err, verify.ErrNotFound): // deleted since it was opened
		p.gone(w, r)
	case err != nil:
		p.unavailable(w, r, "an answer could not be taken", err)
	case res.State == verify.StateWrong && notMe:
		p.back(w, r, "/not-me?e="+faultWrong)
	case res.State == verify.StateWrong:
		p.back(w, r, "?e="+faultWrong)
	default:
		p.back(w, r, "")
	}
}

// back redirects to the page of the link, or to what is below it.
func (p *Pages) back(w http.ResponseWriter, r *http.Request, below string) {
	p.site.Redirect(w, r, "v/"+url.PathEscape(r.PathValue("token"))+below)
}

// hint takes "this is not me" from somebody who proves nothing: the technician is told.
func (p *Pages) hint(w http.ResponseWriter, r *http.Request) {
	v, ok := p.open(w, r)
	if !ok {
		return
	}
	if v.State != verify.StatePending || v.Kind != verify.KindCaller {
		p.back(w, r, "")
		return
	}
	switch err := p.svc.Hint(r.Context(), v.Ref); {
	case errors.Is(err, verify.ErrNotFound):
		p.gone(w, r)
	case err != nil:
		p.unavailable(w, r, `"not me" could not be noted`, err)
	default:
		p.back(w, r, "/not-me")
	}
}

// showNotMe is the second page of "this is not me". Before "not me" was pressed it leads back.
func (p *Pages) showNotMe(w http.ResponseWriter, r *http.Request) {
	v, ok := p.open(w, r)
	if !ok {
		return
	}
	if v.State != verify.StatePending || v.Kind != verify.KindCaller || !v.Hinted {
		p.back(w, r, "")
		return
	}
	fault := faultNone
	if r.URL.Query().Get("e") == faultWrong {
		fault = faultWrong
	}
	p.render(w, r, v, fault, true)
}

// deny takes the words that prove "this is not me".
func (p *Pages) deny(w http.ResponseWriter, r *http.Request) {
	v, ok := p.open(w, r)
	if !ok {
		return
	}
	if v.State != verify.StatePending || v.Kind != verify.KindCaller {
		p.back(w, r, "")
		return
	}
	word := r.PostForm.Get("word")
	if strings.TrimSpace(word) == "" {
		p.render(w, r, v, faultEmpty, true)
		return
	}
	res, err := p.svc.Deny(r.Context(), verify.Denial{Ref: v.Ref, Word: word})
	p.answered(w, r, v, res, err, true)
}
