package mfa

import (
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/webpage"
)

//go:embed templates/*.html texts/*.json static/*
var files embed.FS

// returnField is the parameter that says where to go afterwards, as (*entra.SSO).Require sends it to SSOOptions.FactorPath.
const returnField = "to"

// pages are the handler.
type pages struct {
	s    *Service
	site *webpage.Site
}

// Handler returns the pages: what there is and what can be added, an app, a passkey, the challenge, recovery codes. They stand
// at Options.Path, behind what puts the [entra.User] into the context of a request, such as (*entra.SSO).Load, and not behind
// what asks for a permission, because who lacks a factor has none. prefix is the path that requests still carry; leave it empty
// behind [http.StripPrefix] or a proxy that strips it. It fails with [mspkit.ErrInvalid] where a text or the prefix cannot be
// used.
func (s *Service) Handler(prefix string) (http.Handler, error) {
	p := &pages{s: s}
	sub := func(name string) fs.FS {
		f, _ := fs.Sub(files, name) // it fails for names that no path can be
		return f
	}
	catalogs, err := webpage.LoadCatalogs(sub("texts"), s.o.Texts, nil)
	if err != nil {
		return nil, fmt.Errorf("mfa: handler: %w", err)
	}
	p.site, err = webpage.New(p.routes(), &webpage.Options{
		Prefix: prefix, HTTPS: s.secure, Brand: s.o.Brand, Templates: sub("templates"), Assets: sub("static"), Catalog: catalogs.All(),
		Locale: s.o.Locale, Logger: s.o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("mfa: handler: %w", err)
	}
	return p.site, nil
}

func (p *pages) routes() []webpage.Route {
	page := func(name, pattern string, h func(http.ResponseWriter, *http.Request, *visit)) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodGet, Pattern: pattern, Kind: webpage.PageKind, Handler: p.with(h), Script: true}
	}
	form := func(name, pattern string, h func(http.ResponseWriter, *http.Request, *visit)) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodPost, Pattern: pattern, Kind: webpage.FormKind, Handler: p.with(h), Script: true, MaxBody: maxForm}
	}
	return []webpage.Route{
		page("home", "/{$}", p.home),
		page("app", "/app", p.app), form("app-begin", "/app", p.appBegin), form("app-code", "/app/code", p.appCode),
		page("passkey", "/passkey", p.passkey), form("passkey-answer", "/passkey", p.passkeyAnswer),
		page("challenge", "/challenge", p.challenge), form("challenge-code", "/challenge", p.challengeCode),
		form("challenge-passkey", "/challenge/passkey", p.challengePasskey),
		page("recovery", "/recovery", p.recovery), form("recovery-code", "/recovery", p.recoveryCode),
		page("codes", "/codes", p.codes), form("codes-kept", "/codes", p.codesKept), form("codes-new", "/codes/new", p.codesNew),
		page("remove", "/remove/{id}", p.remove), form("remove-factor", "/remove/{id}", p.removeFactor),
	}
}

// maxForm is the largest form: an answer and a challenge, three times as long where every byte is escaped.
const maxForm = 3 * (maxAnswer + maxChallenge)

// visit is a request of whoever is signed in.
type visit struct {
	u   *entra.User
	st  *state
	now time.Time
	// back is a path of the host to go to afterwards, or empty.
	back string
}

// with calls h for whoever is signed in, and shows anybody else where to do so.
func (p *pages) with(h func(http.ResponseWriter, *http.Request, *visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{u: p.s.o.User(r.Context()), now: p.s.o.Now()}
		from := r.URL.Query()
		if r.Method == http.MethodPost {
			from = r.PostForm
		}
		if back := from.Get(returnField); webpage.LocalPath(back) {
			v.back = back
		}
		switch {
		case v.u == nil:
			p.render(w, r, v, "signin", http.StatusUnauthorized, page{})
			return
		case v.u.Session == "" || v.u.Owner == "" || v.u.ID == "":
			p.fault(w, r, "somebody is signed in", errNoSession)
			return
		}
		var err error
		if v.st, err = p.s.cell.Load(r.Context(), v.u.Owner, v.u.ID); err != nil {
			p.fault(w, r, "what there is could not be read", err)
			return
		}
		h(w, r, v)
	}
}

// fault answers what is not the person's fault.
func (p *pages) fault(w http.ResponseWriter, r *http.Request, what string, err error) {
	p.s.o.Logger.ErrorContext(r.Context(), "mfa: the answer was 503", slog.String("what", what), slog.Any("error", err))
	p.site.Error(w, r, http.StatusServiceUnavailable)
}

// failed answers an error of a change: a refusal by the page again, which says what was wrong, anything else as a fault.
func (p *pages) failed(w http.ResponseWriter, r *http.Request, v *visit, at string, err error) {
	switch why := reasonOf(err); why {
	case "":
		p.fault(w, r, "a change could not be made", err)
	case ReasonNotFresh:
		p.stale(w, r, v)
	default:
		p.to(w, r, v, at, "e", why)
	}
}

// stale takes somebody who wants to change factors to the challenge, and from there back to the list. Who has no factor is told
// to sign in anew.
func (p *pages) stale(w http.ResponseWriter, r *http.Request, v *visit) {
	if !v.st.has() {
		p.to(w, r, v, "", "", "")
		return
	}
	v.back = p.s.o.Path + "/"
	p.to(w, r, v, "challenge", "e", ReasonNotFresh)
}

// to redirects to another of the pages and keeps where to go afterwards.
func (p *pages) to(w http.ResponseWriter, r *http.Request, v *visit, at, key, value string) {
	q := url.Values{}
	if v.back != "" {
		q.Set(returnField, v.back)
	}
	if key != "" {
		q.Set(key, value)
	}
	if len(q) > 0 {
		at += "?" + q.Encode()
	}
	p.site.Redirect(w, r, at)
}

// passed tells the host that a factor was seen. Where it returns false it has answered.
func (p *pages) passed(w http.ResponseWriter, r *http.Request) bool {
	if err := p.s.o.Passed(w, r); err != nil {
		p.fault(w, r, "the session could not remember the factor", err)
		return false
	}
	return true
}

// enrolled goes on after a factor was enrolled: to the recovery codes, if there are new ones, else back.
func (p *pages) enrolled(w http.ResponseWriter, r *http.Request, v *visit, shown token.Secret, given bool) {
	if given {
		p.remember(w, shown)
	}
	switch {
	case !p.passed(w, r):
	case given:
		p.to(w, r, v, "codes", "n", "added")
	case v.back != "":
		away(w, v.back)
	default:
		p.to(w, r, v, "", "n", "added")
	}
}

func (p *pages) cookieName() string {
	if p.s.secure {
		return "__Host-mspkit-mfa-codes"
	}
	return "mspkit-mfa-codes"
}

// remember gives the browser what leads to its recovery codes, for as long as they can be shown.
func (p *pages) remember(w http.ResponseWriter, shown token.Secret) {
	p.setCookie(w, base64.RawURLEncoding.EncodeToString(shown[:]), int(p.s.o.TTL/time.Second))
}

func (p *pages) setCookie(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever there is TLS
		Name: p.cookieName(), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: p.s.secure, SameSite: http.SameSiteStrictMode,
	})
}

func (p *pages) remembered(r *http.Request) (shown token.Secret, ok bool) {
	c, err := r.Cookie(p.cookieName())
	if err != nil {
		return shown, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(c.Value)
	if err != nil || len(raw) != len(shown) {
		return shown, false
	}
	return token.Secret(raw), true
}

// faults are what an address may say was wrong, notes what it may say was done.
var (
	faults = []string{
		ReasonCode, ReasonUsed, ReasonLocked, ReasonExpired, ReasonChallenge, ReasonReplayed, ReasonMalformed, ReasonOrigin, ReasonRPID,
		ReasonVerification, ReasonPasskey, ReasonKnown, ReasonCounter, ReasonSignature, ReasonNotFresh, ReasonLast, ReasonFull, faultEmpty, faultFormat,
	}
	notes = []string{"added", "removed", "kept"}
)

// What a form says of what was typed, besides the reasons.
const (
	faultEmpty  = "empty"
	faultFormat = "format"
)

// said returns a parameter of the address where it is one of list.
func said(r *http.Request, key string, list []string) string {
	if text := r.URL.Query().Get(key); slices.Contains(list, text) {
		return text
	}
	return ""
}
