package mfa

import (
	"net/http"
	"net/url"

	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/totp"
)

// maxTyped is the longest text in which a code is looked for, in bytes.
const maxTyped = 256

// typed returns what was typed as n ASCII digits, whatever the script, or what is wrong with it. What cannot be a code is not
// tried.
func typed(text string, n int) (digits, fault string) {
	if len(text) > maxTyped {
		return "", faultFormat
	}
	digits, _, ok := cleantext.Typed(text)
	switch {
	case ok && digits == "":
		return "", faultEmpty
	case !ok || len(digits) != n:
		return "", faultFormat
	}
	return digits, ""
}

func (p *pages) appBegin(w http.ResponseWriter, r *http.Request, v *visit) {
	if err := p.s.beginApp(r.Context(), v.u); err != nil {
		p.failed(w, r, v, "", err)
		return
	}
	p.to(w, r, v, "app", "", "")
}

func (p *pages) appCode(w http.ResponseWriter, r *http.Request, v *visit) {
	code, fault := typed(r.PostForm.Get("code"), totp.Digits)
	if fault != "" {
		p.to(w, r, v, "app", "e", fault)
		return
	}
	shown := token.NewSecret()
	given, err := p.s.confirmApp(r.Context(), v.u, code, shown)
	if err != nil {
		p.failed(w, r, v, "app", err)
		return
	}
	p.enrolled(w, r, v, shown, given)
}

func (p *pages) passkeyAnswer(w http.ResponseWriter, r *http.Request, v *visit) {
	shown := token.NewSecret()
	given, err := p.s.register(r.Context(), v.u, r.PostForm.Get("challenge"), r.PostForm.Get("answer"), r.PostForm.Get("name"), shown)
	if err != nil {
		p.failed(w, r, v, "passkey", err)
		return
	}
	p.enrolled(w, r, v, shown, given)
}

// seen goes on after a factor was used.
func (p *pages) seen(w http.ResponseWriter, r *http.Request, v *visit) {
	if !p.passed(w, r) {
		return
	}
	to := v.back
	if to == "" {
		to = p.s.o.Home
	}
	away(w, to)
}

func (p *pages) challengeCode(w http.ResponseWriter, r *http.Request, v *visit) {
	p.code(w, r, v, "challenge", totp.Digits)
}

func (p *pages) recoveryCode(w http.ResponseWriter, r *http.Request, v *visit) {
	p.code(w, r, v, "recovery", totp.RecoveryDigits)
}

// code takes a code of n digits. It answers a wrong one with a redirect, so that a reload does not try again.
func (p *pages) code(w http.ResponseWriter, r *http.Request, v *visit, at string, n int) {
	code, fault := typed(r.PostForm.Get("code"), n)
	if fault != "" {
		p.to(w, r, v, at, "e", fault)
		return
	}
	if err := p.s.useCode(r.Context(), v.u, code); err != nil {
		p.failed(w, r, v, at, err)
		return
	}
	p.seen(w, r, v)
}

func (p *pages) challengePasskey(w http.ResponseWriter, r *http.Request, v *visit) {
	if err := p.s.assert(r.Context(), v.u, r.PostForm.Get("challenge"), r.PostForm.Get("answer")); err != nil {
		p.failed(w, r, v, "challenge", err)
		return
	}
	p.seen(w, r, v)
}

func (p *pages) codesNew(w http.ResponseWriter, r *http.Request, v *visit) {
	shown := token.NewSecret()
	if err := p.s.newCodes(r.Context(), v.u, shown); err != nil {
		p.failed(w, r, v, "", err)
		return
	}
	p.remember(w, shown)
	p.to(w, r, v, "codes", "", "")
}

func (p *pages) codesKept(w http.ResponseWriter, r *http.Request, v *visit) {
	if err := p.s.keptCodes(r.Context(), v.u); err != nil {
		p.fault(w, r, "the recovery codes could not be put away", err)
		return
	}
	p.setCookie(w, "", -1)
	if v.back != "" {
		away(w, v.back)
		return
	}
	p.to(w, r, v, "", "n", "kept")
}

func (p *pages) removeFactor(w http.ResponseWriter, r *http.Request, v *visit) {
	id := r.PathValue("id")
	if err := p.s.remove(r.Context(), v.u, id); err != nil {
		p.failed(w, r, v, "remove/"+url.PathEscape(id), err)
		return
	}
	p.to(w, r, v, "", "n", "removed")
}
