package entratest

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// codeLife is how long a code is good for.
const codeLife = 10 * time.Minute

// grant is what a code or a refresh token stands for.
type grant struct {
	user                   *User
	app                    *App
	redirect, scope, nonce string
	challenge              string
	expires                time.Time
	used                   bool
	family                 string // of refresh tokens
}

// back is an authorization request whose redirect address was checked.
type back struct {
	app             *App
	redirect, state string
}

// origin checks who asks and where the answer goes. Where it returns false it has answered: with a page, because an answer
// must not go to an address that nobody registered.
func (s *Server) origin(w http.ResponseWriter, r *http.Request) (back, bool) {
	b := back{app: s.app(r.Form.Get("client_id")), redirect: r.Form.Get("redirect_uri"), state: r.Form.Get("state")}
	switch {
	case b.app == nil:
		s.page(w, http.StatusBadRequest, "AADSTS700016: The application was not found.")
	case !slices.Contains(b.app.RedirectURIs, b.redirect):
		s.page(w, http.StatusBadRequest, "AADSTS50011: The redirect URI is not one of the application's.")
	default:
		return b, true
	}
	return b, false
}

// to sends the browser back.
func (b back) to(w http.ResponseWriter, pairs ...string) {
	u, err := url.Parse(b.redirect)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	q := u.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	if b.state != "" {
		q.Set("state", b.state)
	}
	u.RawQuery = q.Encode()
	w.Header().Set("Location", u.String())
	w.WriteHeader(http.StatusFound)
}

// person returns who is in front of the browser. Where it returns nil it has answered, with the form.
func (s *Server) person(w http.ResponseWriter, r *http.Request, b back, ask string) *User {
	if s.o.Forms {
		if r.Method == http.MethodPost {
			if u := s.user(r.PostForm.Get("user")); u != nil {
				return u
			}
		}
		s.form(w, r, b, ask)
		return nil
	}
	s.mu.Lock()
	u := s.current
	s.mu.Unlock()
	if u == nil {
		s.page(w, http.StatusOK, "Nobody is signed in: call SignIn, or set Options.Forms.")
	}
	return u
}

func (s *Server) declined(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.decline || r.PostForm.Get("answer") == "no"
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	b, ok := s.origin(w, r)
	if !ok {
		return
	}
	f := r.Form
	switch {
	case f.Get("response_type") != "code", !slices.Contains([]string{"", "query"}, f.Get("response_mode")):
		b.to(w, "error", "unsupported_response_type", "error_description", "AADSTS700051: The response type or mode is not supported here.")
		return
	case !slices.Contains(strings.Fields(f.Get("scope")), "openid"):
		b.to(w, "error", "invalid_scope", "error_description", "AADSTS70011: The scope has no openid.")
		return
	case f.Get("code_challenge") == "" || f.Get("code_challenge_method") != "S256":
		b.to(w, "error", "invalid_request", "error_description", "AADSTS9002325: PKCE with S256 is required.")
		return
	}
	u := s.person(w, r, b, "Sign in")
	if u == nil {
		return
	}
	name := r.PathValue("tenant")
	if !shared(name) {
		if t := s.tenant(name); t == nil || t != u.tenant {
			b.to(w, "error", "access_denied", "error_description", "AADSTS50020: The user does not exist in this tenant.")
			return
		}
	}
	if s.declined(r) {
		b.to(w, "error", "access_denied", "error_subcode", "cancel", "error_description", "AADSTS65004: The user declined to consent.")
		return
	}
	code := randomText()
	s.mu.Lock()
	s.codes[code] = &grant{
		user: u, app: b.app, redirect: b.redirect, scope: f.Get("scope"), nonce: f.Get("nonce"), challenge: f.Get("code_challenge"),
		expires: s.o.Now().Add(codeLife),
	}
	s.mu.Unlock()
	b.to(w, "code", code, "session_state", newGUID())
}

func (s *Server) adminConsent(w http.ResponseWriter, r *http.Request) {
	b, ok := s.origin(w, r)
	if !ok {
		return
	}
	if r.Form.Get("scope") == "" {
		b.to(w, "error", "invalid_request", "error_description", "AADSTS900144: The request must have a scope.")
		return
	}
	u := s.person(w, r, b, "Accept for the whole organisation")
	switch {
	case u == nil:
		return
	case s.declined(r):
		b.to(w, "error", "access_denied", "error_subcode", "cancel", "error_description", "AADSTS65004: The user declined to consent.")
		return
	case !u.Admin:
		b.to(w, "error", "access_denied", "error_description", "AADSTS90094: An administrator must grant the permissions.")
		return
	}
	u.tenant.Consent(b.app.ID)
	b.to(w, "admin_consent", "True", "tenant", u.tenant.ID, "scope", r.Form.Get("scope"))
}

var formPage = template.Must(template.New("form").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Ask}} (test)</title><style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 28rem; padding: 0 1rem; overflow-wrap: anywhere; color: #1b1b1b; background: #f2f2f2 }
main { background: #fff; padding: 2rem; border-radius: .5rem } button, select { font: inherit; padding: .6rem 1rem; width: 100%; min-height: 2.75rem; margin: .25rem 0 }
button[value=yes] { background: #0067b8; border: 0; color: #fff }
</style></head><body><main>
<p><strong>This is a test and not Microsoft.</strong></p><h1>{{.Ask}}</h1>
<p>{{.App}} asks for: {{.Scope}}</p>
<form method="post"><label for="user">Who are you?</label>
<select id="user" name="user">{{range .Users}}<option value="{{.ObjectID}}">{{.Name}}, {{.Tenant.Name}}{{if .Admin}} (administrator){{end}}</option>{{end}}</select>
<button name="answer" value="yes">{{.Ask}}</button><button name="answer" value="no">Cancel</button>
</form></main></body></html>
`))

// form asks who signs in. The request's own query goes along with it.
func (s *Server) form(w http.ResponseWriter, r *http.Request, b back, ask string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = formPage.Execute(w, map[string]any{"Ask": ask, "App": b.app.Name, "Scope": r.Form.Get("scope"), "Users": s.everybody()})
}

func (s *Server) page(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
