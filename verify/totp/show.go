package totp

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

// numberDigits is how many digits the technician says. Another count cannot be right, so it is not tried.
const numberDigits = 3

// The faults that a page shows beside its field.
const (
	faultNone   = ""
	faultEmpty  = "empty"
	faultFormat = "format"
	faultWrong  = "wrong"
)

// What a page shows where there is nothing to type.
const (
	nowDone    = "done"
	nowDead    = "dead"
	nowExpired = "expired"
	nowFrozen  = "frozen"
)

// page is the data of all pages.
type page struct {
	Path  string
	Fault string
	// Technician asked for it, Purpose is what for: "enrol" or "recovery".
	Technician, Purpose string
	Left                string // how long the link works, in words
	Tries               int
	// State is one of the now… where there is nothing to type.
	State string
	// QR is the path of the picture and Size the side of its view box; Key is the secret as text and Link the same for an
	// app on this device.
	QR   string
	Size int
	Key  string
	Link template.URL
	// Codes are the recovery codes.
	Codes []string
}

// Is reports the state, and Enrol what for, for templates.
func (p page) Is(s string) bool { return p.State == s }

// Enrol reports whether an app is set up, and not new recovery codes made.
func (p page) Enrol() bool { return p.Purpose == "enrol" }

// visit is a request to a link.
type visit struct {
	link
	st      *state
	session token.Secret
	now     time.Time
	// shown is set where the browser has the session of an open or finished link.
	shown bool
}

// open returns what the request's link leads to. Where it returns false it has answered.
func (e *Enrolment) open(w http.ResponseWriter, r *http.Request) (visit, bool) {
	v := visit{link: e.c.parseLink(r.PathValue("token")), now: e.o.Now()}
	st, err := e.c.factors.load(r.Context(), v.tenant, v.subject)
	if err != nil {
		e.unavailable(w, r, "a link could not be opened", err)
		return v, false
	}
	if st.Pending == nil || st.Pending.ID != v.id || e.o.Tenant != nil && e.o.Tenant(r) != v.tenant {
		e.site.Render(w, r, webpage.Page{Template: "gone", Status: http.StatusNotFound})
		return v, false
	}
	v.st = st
	if c, err := r.Cookie(e.cookieName(v.id)); err == nil {
		if raw, err := base64.RawURLEncoding.Strict().DecodeString(c.Value); err == nil && len(raw) == len(v.session) {
			copy(v.session[:], raw)
			v.shown = st.Pending.holds(v.session)
		}
	}
	return v, true
}

// cookieName has the link in it, so that two links in one browser do not disturb each other.
func (e *Enrolment) cookieName(id string) string {
	name := "mspkit-totp-" + id[:min(12, len(id))]
	if e.secure {
		name = "__Secure-" + name
	}
	return name
}

// remember gives the browser its session. The path of a cookie without one is that of the request up to its last slash,
// which is right below any prefix.
func (e *Enrolment) remember(w http.ResponseWriter, v visit) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // it is secure but where the service itself is on loopback without TLS
		Name: e.cookieName(v.id), Value: base64.RawURLEncoding.EncodeToString(v.session[:]),
		MaxAge: int(v.st.Pending.Until.Sub(v.now)/time.Second) + 1, HttpOnly: true, Secure: e.secure, SameSite: http.SameSiteStrictMode,
	})
}

func (e *Enrolment) show(w http.ResponseWriter, r *http.Request) {
	v, ok := e.open(w, r)
	if !ok {
		return
	}
	fault := faultNone
	if r.URL.Query().Get("e") == faultWrong {
		fault = faultWrong
	}
	e.render(w, r, v, fault)
}

// render shows what stage the link of v is in.
func (e *Enrolment) render(w http.ResponseWriter, r *http.Request, v visit, fault string) {
	brand, locale, err := e.svc.Brand(r.Context(), v.tenant)
	if err != nil {
		e.unavailable(w, r, "the settings of a tenant could not be read", err)
		return
	}
	pend := v.st.Pending
	if pend.Person.Locale != "" {
		locale = pend.Person.Locale
	}
	catalog := e.catalogs.Of(v.tenant)
	texts := catalog.Texts(locale)
	out := webpage.Page{Brand: brand, BrandKey: e.logos.Key(v.tenant), Catalog: catalog, Locale: texts.Lang()}
	if fault == faultEmpty || fault == faultFormat {
		out.Status = http.StatusUnprocessableEntity
	}
	p := page{Path: "e/" + url.PathEscape(r.PathValue("token")), Fault: fault, Technician: pend.Technician.Name, Purpose: "enrol"}
	if pend.For == verify.ActionRecoveryTOTP {
		p.Purpose = "recovery"
	}
	p.Left, err = left(texts, pend.Until.Sub(v.now))
	if err == nil {
		out.Template, err = e.fill(&p, v, brand.Name)
	}
	if err != nil {
		e.unavailable(w, r, "a page could not be made", err)
		return
	}
	out.Data = p
	e.site.Render(w, r, out)
}

// fill puts into p what its page needs and returns the template.
func (e *Enrolment) fill(p *page, v visit, issuer string) (string, error) {
	pend := v.st.Pending
	switch {
	case !v.now.Before(pend.Until):
		p.State = nowExpired
	case pend.dead():
		p.State = nowDead
	case pend.Stage == stageDone:
		p.State = nowDone
		if !v.shown || v.st.Active == nil {
			break
		}
		codes, err := e.c.recovery.Again(v.st.Active.Codes, v.session, string(v.tenant), v.subject)
		if err != nil || codes == nil {
			return "state", err
		}
		for _, c := range codes {
			half := len(c) / 2
			p.Codes = append(p.Codes, c[:half]+" "+c[half:])
		}
		return "codes", nil
	case v.shown && p.Enrol():
		p.Tries = verify.MaxCodeTries - pend.CodeTries
		u := totp.URL(pend.Secret, issuer, pend.Person.Name)
		qr, err := totp.QR(u)
		if err != nil {
			return "", err
		}
		p.QR, p.Size, p.Key = qr.Path(), qr.Size, totp.Text(pend.Secret)
		p.Link = template.URL(u) //nolint:gosec // it is made of escaped parts, and begins with otpauth:
		return "setup", nil
	case v.shown:
		p.Tries = verify.MaxCodeTries - pend.CodeTries
		return "setup", nil
	case pend.Tries >= verify.MaxNumberTries: // it is open in another browser
		p.State = nowDead
	default:
		p.Tries = verify.MaxNumberTries - pend.Tries
		return "number", nil
	}
	return "state", nil
}

func left(t *webpage.Texts, d time.Duration) (string, error) {
	if d < 2*time.Minute {
		return t.Text("left.minute")
	}
	return t.Text("left.minutes", "n", int(d/time.Minute))
}

// number takes the number that the technician says. It answers a try with a redirect, so that a reload does not try again.
func (e *Enrolment) number(w http.ResponseWriter, r *http.Request) {
	v, ok := e.usable(w, r)
	if !ok {
		return
	}
	typed, fault := digits(r.PostForm.Get("number"), numberDigits)
	switch {
	case v.shown: // an old form: the page goes on where it was
		e.back(w, r, faultNone)
		return
	case fault != faultNone:
		e.render(w, r, v, fault)
		return
	}
	v.session = token.NewSecret()
	opened, err := e.numberTried(r.Context(), v.link, typed, v.session, v.now)
	switch {
	case err != nil:
		e.unavailable(w, r, "a number could not be tried", err)
	case opened:
		e.remember(w, v)
		e.back(w, r, faultNone)
	default:
		e.back(w, r, faultWrong)
	}
}

// code takes the first code of the app.
func (e *Enrolment) code(w http.ResponseWriter, r *http.Request) {
	v, ok := e.usable(w, r)
	if !ok {
		return
	}
	if !v.shown || v.st.Pending.Stage != stageOpen {
		e.back(w, r, faultNone)
		return
	}
	typed, fault := digits(r.PostForm.Get("code"), totp.Digits)
	if fault != faultNone {
		e.render(w, r, v, fault)
		return
	}
	done, err := e.codeTried(r.Context(), v.link, typed, v.session, v.now)
	switch {
	case err != nil:
		e.unavailable(w, r, "a code could not be tried", err)
	case done:
		e.back(w, r, faultNone)
	default:
		e.back(w, r, faultWrong)
	}
}

// usable is open for a form: nothing is taken from a link that is over, or while the contact's verification is frozen.
func (e *Enrolment) usable(w http.ResponseWriter, r *http.Request) (visit, bool) {
	v, ok := e.open(w, r)
	if !ok {
		return v, false
	}
	sub, err := e.svc.Subject(r.Context(), v.tenant, v.subject)
	switch {
	case err != nil:
		e.unavailable(w, r, "a form could not be taken", err)
		return v, false
	case sub.FrozenUntil.After(v.now):
		e.frozen(w, r, v)
		return v, false
	case v.st.Pending.dead() || v.st.Pending.Stage == stageDone || !v.now.Before(v.st.Pending.Until):
		e.back(w, r, faultNone)
		return v, false
	}
	return v, true
}

func (e *Enrolment) frozen(w http.ResponseWriter, r *http.Request, v visit) {
	brand, locale, err := e.svc.Brand(r.Context(), v.tenant)
	if err != nil {
		e.unavailable(w, r, "the settings of a tenant could not be read", err)
		return
	}
	if l := v.st.Pending.Person.Locale; l != "" {
		locale = l
	}
	e.site.Render(w, r, webpage.Page{
		Template: "state", Brand: brand, BrandKey: e.logos.Key(v.tenant), Catalog: e.catalogs.Of(v.tenant), Locale: locale,
		Data: page{State: nowFrozen},
	})
}

// back redirects to the page of the link.
func (e *Enrolment) back(w http.ResponseWriter, r *http.Request, fault string) {
	to := "e/" + url.PathEscape(r.PathValue("token"))
	if fault != faultNone {
		to += "?e=" + fault
	}
	e.site.Redirect(w, r, to)
}

// digits returns what was typed as n ASCII digits, whatever the script, or what is wrong with it.
func digits(typed string, n int) (ascii, fault string) {
	if len(typed) > 256 {
		return "", faultFormat
	}
	ascii, _, ok := cleantext.Typed(typed)
	switch {
	case !ok:
		return "", faultFormat
	case ascii == "":
		return "", faultEmpty
	case len(ascii) != n:
		return "", faultFormat
	}
	return ascii, faultNone
}
