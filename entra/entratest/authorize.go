package entratest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	session                *session // nil where nobody sat at a browser
	contexts               []string // of Conditional Access, satisfied for this request
	expires                time.Time
	used                   bool
	family                 string // of refresh tokens
}

// back is an authorization request whose redirect address was checked.
type back struct {
	app             *App
	redirect, state string
	post            bool   // response_mode=form_post
	issuer          string // for RFC 9207; empty where it is not sent
}

// origin checks who asks and where the answer goes. Where it returns false it has answered: with a page, because an answer
// must not go to an address that nobody registered.
func (s *Server) origin(w http.ResponseWriter, r *http.Request) (back, bool) {
	b := back{
		app: s.app(r.Form.Get("client_id")), redirect: r.Form.Get("redirect_uri"), state: r.Form.Get("state"),
		post: r.Form.Get("response_mode") == "form_post",
	}
	if s.o.ResponseIssuer {
		b.issuer = s.issuer("{tenantid}")
		if t := s.tenant(r.PathValue("tenant")); t != nil {
			b.issuer = s.issuer(t.ID)
		}
	}
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
	answer := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		answer.Set(pairs[i], pairs[i+1])
	}
	if b.state != "" {
		answer.Set("state", b.state)
	}
	if b.issuer != "" {
		answer.Set("iss", b.issuer)
	}
	if b.post {
		html(w, "post", map[string]any{"To": u.String(), "Fields": answer})
		return
	}
	q := u.Query()
	maps.Copy(q, answer)
	u.RawQuery = q.Encode()
	w.Header().Set("Location", u.String())
	w.WriteHeader(http.StatusFound)
}

// refuse sends the browser back with one of Entra's numbers.
func (b back) refuse(w http.ResponseWriter, oauth, description string) {
	b.to(w, "error", oauth, "error_description", description)
}

// cancel sends the browser back with what Entra says when a person cancels.
func (b back) cancel(w http.ResponseWriter) {
	b.to(w, "error", "access_denied", "error_subcode", "cancel", "error_description", "AADSTS65004: The user declined to consent.")
}

// person returns who is in front of the browser. Where it returns nil it has answered, with the form or, where they
// cancelled there, to the application.
func (s *Server) person(w http.ResponseWriter, r *http.Request, b back, ask string) *User {
	if s.o.Forms {
		if r.Method == http.MethodPost {
			if u := s.user(r.PostForm.Get("user")); u != nil {
				return u
			}
			if r.PostForm.Get("answer") == "no" {
				b.cancel(w)
				return nil
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

// wish is what an authorization request wants besides a code.
type wish struct {
	prompt string
	maxAge time.Duration // negative is any
	values []string      // authentication contexts, of which one must be satisfied; none is no wish
}

// read reports what is wrong with the request, as an error of OAuth and a description.
func (x *wish) read(f url.Values) (oauth, description string) {
	x.prompt, x.maxAge = f.Get("prompt"), -1
	switch {
	case f.Get("response_type") != "code", !slices.Contains([]string{"", "query", "form_post"}, f.Get("response_mode")):
		return "unsupported_response_type", "AADSTS700051: The response type or mode is not supported here."
	case !slices.Contains(strings.Fields(f.Get("scope")), "openid"):
		return "invalid_scope", "AADSTS70011: The scope has no openid."
	case f.Get("code_challenge") == "" || f.Get("code_challenge_method") != "S256":
		return "invalid_request", "AADSTS9002325: PKCE with S256 is required."
	case !slices.Contains([]string{"", "login", "none", "consent", "select_account"}, x.prompt):
		return "invalid_request", "AADSTS90023: The prompt is not supported."
	}
	if text := f.Get("max_age"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 1<<31 {
			return "invalid_request", "AADSTS90023: max_age is not a number of seconds."
		}
		x.maxAge = time.Duration(n) * time.Second
	}
	if text := f.Get("claims"); text != "" {
		type asked struct {
			ACRS struct {
				Value  string   `json:"value"`
				Values []string `json:"values"`
			} `json:"acrs"`
		}
		var c struct {
			ID     asked `json:"id_token"`
			Access asked `json:"access_token"`
		}
		if json.Unmarshal([]byte(text), &c) != nil {
			return "invalid_request", "AADSTS900144: The claims are no JSON object."
		}
		for _, one := range []asked{c.ID, c.Access} {
			x.values = append(x.values, one.ACRS.Values...)
			if one.ACRS.Value != "" {
				x.values = append(x.values, one.ACRS.Value)
			}
		}
	}
	return "", ""
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	b, ok := s.origin(w, r)
	if !ok {
		return
	}
	var x wish
	if oauth, description := x.read(r.Form); oauth != "" {
		b.refuse(w, oauth, description)
		return
	}
	var u *User
	if x.prompt == "none" {
		if u = s.silent(r); u == nil {
			b.refuse(w, "login_required", "AADSTS50058: A silent sign-in request was sent but no user is signed in.")
			return
		}
	} else if u = s.person(w, r, b, "Sign in"); u == nil {
		return
	}
	u, number := s.resident(u, r.PathValue("tenant"))
	if u != nil && b.issuer != "" {
		b.issuer = s.issuer(u.tenant.ID)
	}
	switch {
	case number != "":
		b.refuse(w, "access_denied", number)
		return
	case s.declined(r):
		b.cancel(w)
		return
	case b.app.AssignmentRequired && !s.assigned(u, b.app.ID):
		b.refuse(w, "access_denied", "AADSTS50105: The signed in user is not assigned to a role for the application.")
		return
	}
	e, oauth, description := s.enter(r, u, b.app, x)
	if oauth != "" {
		b.refuse(w, oauth, description)
		return
	}
	s.remember(w, e)
	b.to(w, "code", s.newCode(r.Form, b, u, e), "session_state", newGUID())
}

// newCode returns a code for a sign-in, or the one before where that was wanted.
func (s *Server) newCode(f url.Values, b back, u *User, e entry) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replay && s.lastCode != "" {
		s.replay = false
		return s.lastCode
	}
	s.lastCode = randomText()
	s.codes[s.lastCode] = &grant{
		user: u, app: b.app, redirect: b.redirect, scope: f.Get("scope"), nonce: f.Get("nonce"), challenge: f.Get("code_challenge"),
		session: e.session, contexts: e.contexts, expires: s.o.Now().Add(codeLife),
	}
	return s.lastCode
}

// resident returns who a person is at a path: themselves, or the guest that they are in the tenant there. number says why
// they may not sign in there.
func (s *Server) resident(u *User, path string) (who *User, number string) {
	personal := u.tenant.ID == ConsumersID
	if shared(path) {
		if personal && path == organizations {
			return nil, "AADSTS500200: The user account is a personal Microsoft account."
		}
		return u, ""
	}
	t := s.tenant(path)
	if t == u.tenant && t != nil {
		return u, ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t != nil {
		for _, guest := range t.users {
			if guest.home == u {
				return guest, ""
			}
		}
	}
	return nil, "AADSTS50020: The user does not exist in this tenant."
}

func (s *Server) adminConsent(w http.ResponseWriter, r *http.Request) {
	b, ok := s.origin(w, r)
	if !ok {
		return
	}
	if r.Form.Get("scope") == "" {
		b.refuse(w, "invalid_request", "AADSTS900144: The request must have a scope.")
		return
	}
	u := s.person(w, r, b, "Accept for the whole organisation")
	switch {
	case u == nil:
		return
	case s.declined(r):
		b.cancel(w)
		return
	case !u.Admin:
		b.refuse(w, "access_denied", "AADSTS90094: An administrator must grant the permissions.")
		return
	}
	u.tenant.Consent(b.app.ID)
	b.to(w, "admin_consent", "True", "tenant", u.tenant.ID, "scope", r.Form.Get("scope"))
}
