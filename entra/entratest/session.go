package entratest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// session is the sign-in of a person at the issuer in one browser.
type session struct {
	id       string // the claim sid
	user     *User
	at       time.Time // when they gave their credentials there; zero where the user says when
	contexts []string  // of Conditional Access, satisfied since
	apps     []*App    // that they went to
}

// sessionCookie keeps a browser's session.
const sessionCookie = "entratest"

// remembered returns the session of the browser, where it has one that is not over. The caller holds the lock.
func (s *Server) remembered(r *http.Request) *session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(s.sessions, func(e *session) bool { return e.id == cookie.Value })
	if i < 0 {
		return nil
	}
	return s.sessions[i]
}

// silent returns who is signed in already: whom the browser remembers or, where nobody fills in forms, whom [Server.SignIn]
// named and who has not signed out since. A login_hint that names somebody else is nobody.
func (s *Server) silent(r *http.Request) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	var u *User
	if e := s.remembered(r); e != nil {
		u = e.user
	} else if !s.o.Forms && !s.out {
		u = s.current
	}
	if hint := r.Form.Get("login_hint"); u != nil && hint != "" && hint != u.Username {
		return nil
	}
	return u
}

// entry is what came of a sign-in: the session, and the authentication contexts satisfied.
type entry struct {
	session  *session
	contexts []string
}

// enter signs a person in: again where they are in, unless the request wants their credentials. It reports what it cannot
// fulfil as an error of OAuth and a description.
func (s *Server) enter(r *http.Request, u *User, app *App, x wish) (e entry, oauth, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	is := s.remembered(r)
	if is == nil || is.user != u {
		is = &session{id: newGUID(), user: u, at: u.SignedInAt}
	}
	at := is.at
	if at.IsZero() {
		at = now
	}
	again := x.prompt == "login" || x.maxAge == 0 || x.maxAge > 0 && now.Sub(at) > x.maxAge
	has := slices.Concat(u.ACRS, is.contexts)
	satisfied := len(x.values) == 0 || slices.ContainsFunc(x.values, func(v string) bool { return slices.Contains(has, v) })
	switch {
	case x.prompt == "none" && again:
		return entry{}, "login_required", "AADSTS50058: The sign-in is too old for a silent one."
	case x.prompt == "none" && !satisfied:
		return entry{}, "interaction_required", "AADSTS50076: The user must use multi-factor authentication."
	}
	if !satisfied {
		i := slices.IndexFunc(x.values, func(v string) bool { return slices.Contains(u.CanSatisfy, v) })
		if i < 0 {
			return entry{}, "access_denied", "AADSTS53003: Access has been blocked by Conditional Access policies."
		}
		is.contexts = append(is.contexts, x.values[i])
		has = append(has, x.values[i])
	}
	if again {
		is.at = now
	}
	if !slices.Contains(is.apps, app) {
		is.apps = append(is.apps, app)
	}
	if !slices.Contains(s.sessions, is) {
		s.sessions = append(s.sessions, is)
	}
	s.out = false
	return entry{is, slices.Compact(slices.Sorted(slices.Values(has)))}, "", ""
}

// remember gives the browser its session.
func (s *Server) remember(w http.ResponseWriter, e entry) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever there is TLS
		Name: sessionCookie, Value: e.session.id, Path: s.o.Prefix + "/", HttpOnly: true, Secure: !s.o.PlainHTTP, SameSite: http.SameSiteLaxMode,
	})
}

// sessionsOf returns the sessions of a person, and ends them where over is set.
func (s *Server) sessionsOf(u *User, over bool) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var of, others []*session
	for _, e := range s.sessions {
		if e.user == u {
			of = append(of, e)
		} else {
			others = append(others, e)
		}
	}
	if over {
		s.sessions = others
		s.out = s.out || s.current == u
	}
	return of
}

// Sessions returns the ids (claim sid) of the sessions of a person that are not over, the oldest first: one for each
// browser, where a client that keeps no cookies is a new browser every time.
func (s *Server) Sessions(u *User) []string {
	var ids []string
	for _, e := range s.sessionsOf(u, false) {
		ids = append(ids, e.id)
	}
	return ids
}

// Visit plays a browser without cookies that opens an address of the issuer, and returns where it is sent to next, which is
// empty where a page is shown.
func (s *Server) Visit(ctx context.Context, address string) (location string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", fmt.Errorf("entratest: %w", err)
	}
	client := *s.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("entratest: %w", err)
	}
	_ = res.Body.Close() // is not read
	return res.Header.Get("Location"), nil
}
