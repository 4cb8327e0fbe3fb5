package mfa

import (
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/internal/webpage"
)

// page is the data of all pages.
type page struct {
	// Back is where to go afterwards, Home and SignIn are paths of the host.
	Back, Home, SignIn string
	// Fault is what was wrong, Note what was done; both are empty mostly.
	Fault, Note string
	Status
	HasApp, HasKeys bool
	// Forced is whether there must be a factor and is none, SignInFirst whether a first one needs a sign-in that is newer, Full
	// whether there are passkeys enough.
	Forced, SignInFirst, Full bool
	// Wait is how many minutes no code is taken.
	Wait int
	ceremony
	// QR, Size, Key and Link put a secret into an app.
	QR, Key string
	Size    int
	Link    template.URL
	Tries   int
	// Codes are recovery codes.
	Codes []string
	// One is the factor that may be removed.
	One Factor
	// Last is whether it is the last one of somebody who must have one.
	Last bool
}

// Is reports a kind of factor, for templates.
func (f Factor) Is(kind string) bool { return string(f.Kind) == kind }

// day is a date as pages show it: with hyphens at which no line ends, and isolated, so that it reads the same in a text from
// right to left.
func day(t time.Time) string {
	return "\u2066" + strings.ReplaceAll(t.UTC().Format(time.DateOnly), "-", "\u2011") + "\u2069"
}

// Day returns when the factor was enrolled, UsedDay when it was used last, as pages show it.
func (f Factor) Day() string { return day(f.Since) }

// UsedDay returns when the factor was used last, as pages show it.
func (f Factor) UsedDay() string { return day(f.Used) }

func (p *pages) render(w http.ResponseWriter, r *http.Request, v *visit, template string, status int, d page) {
	d.Back, d.Home, d.SignIn = v.back, p.s.o.Home, p.s.o.SignIn
	if d.Fault == "" {
		d.Fault = said(r, "e", faults)
	}
	d.Note = said(r, "n", notes)
	if v.st != nil {
		d.Status = v.st.status()
		d.HasApp, d.HasKeys, d.Full = v.st.App != nil, len(v.st.Keys) > 0, len(v.st.Keys) >= MaxPasskeys
		d.Wait = minutes(v.st.Typed.Until.Sub(v.now))
		d.Forced = v.u.MFA && !v.st.has()
		d.SignInFirst = !v.st.has() && v.st.mayChange(v.u, v.now, p.s.o.Fresh) != nil
	}
	p.site.Render(w, r, webpage.Page{Template: template, Status: status, Data: d})
}

// minutes rounds up.
func minutes(d time.Duration) int { return max(0, int((d+time.Minute-1)/time.Minute)) }

// home shows what there is and what can be added. Who must show a factor and has one goes to the challenge first.
func (p *pages) home(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.u.MFA && v.u.Factor.IsZero() && v.st.has() {
		p.to(w, r, v, "challenge", "", "")
		return
	}
	p.render(w, r, v, "home", 0, page{})
}

func (p *pages) challenge(w http.ResponseWriter, r *http.Request, v *visit) {
	switch {
	case !v.st.has():
		p.to(w, r, v, "", "", "")
		return
	case v.back != "" && fresh(v.u.Factor, v.now, p.s.o.Fresh) && said(r, "e", faults) == "": // somebody went back
		away(w, v.back)
		return
	}
	c, err := p.s.askGet(v.u, v.st)
	if err != nil {
		p.fault(w, r, "a challenge could not be made", err)
		return
	}
	p.render(w, r, v, "challenge", 0, page{ceremony: c})
}

func (p *pages) recovery(w http.ResponseWriter, r *http.Request, v *visit) {
	if !v.st.has() {
		p.to(w, r, v, "", "", "")
		return
	}
	p.render(w, r, v, "recovery", 0, page{})
}

// app shows the secret to the session that began.
func (p *pages) app(w http.ResponseWriter, r *http.Request, v *visit) {
	pend := v.st.waiting(v.u, v.now)
	if pend == nil {
		p.to(w, r, v, "", "e", ReasonExpired)
		return
	}
	u := totp.URL(pend.Secret, p.s.o.Name, personOf(v.u, v.st).WebAuthnName())
	qr, err := totp.QR(u)
	if err != nil {
		p.fault(w, r, "a picture could not be made", err)
		return
	}
	p.render(w, r, v, "app", 0, page{
		QR: qr.Path(), Size: qr.Size, Key: totp.Text(pend.Secret), Tries: p.s.o.MaxTries - pend.Tries,
		Link: template.URL(u), //nolint:gosec // it is made of escaped parts, and begins with otpauth:
	})
}

func (p *pages) passkey(w http.ResponseWriter, r *http.Request, v *visit) {
	c, err := p.s.askCreate(v.u, v.st)
	if err != nil {
		p.failed(w, r, v, "", err)
		return
	}
	p.render(w, r, v, "passkey", 0, page{ceremony: c})
}

// codes shows new recovery codes to the browser that got them.
func (p *pages) codes(w http.ResponseWriter, r *http.Request, v *visit) {
	var codes []string
	if shown, ok := p.remembered(r); ok {
		var err error
		if codes, err = p.s.shownCodes(v.st, v.u, shown); err != nil {
			p.fault(w, r, "the recovery codes could not be shown", err)
			return
		}
	}
	if codes == nil {
		p.to(w, r, v, "", "", "")
		return
	}
	for i, c := range codes {
		codes[i] = c[:len(c)/2] + " " + c[len(c)/2:]
	}
	p.render(w, r, v, "codes", 0, page{Codes: codes})
}

// remove asks whether a factor is to be removed.
func (p *pages) remove(w http.ResponseWriter, r *http.Request, v *visit) {
	if err := v.st.mayChange(v.u, v.now, p.s.o.Fresh); err != nil {
		p.failed(w, r, v, "", err)
		return
	}
	id := r.PathValue("id")
	for _, f := range v.st.status().Factors {
		if f.ID == id {
			p.render(w, r, v, "remove", 0, page{One: f, Last: v.u.MFA && v.st.factors() == 1})
			return
		}
	}
	p.to(w, r, v, "", "", "") // it is gone already
}
