package entratest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// logoutEvent is what a logout token says (https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logout ends the session of the browser, tells the applications, and sends the browser on to an address that one of them
// registered. Without forms nobody sits there to load its frames, so that the server asks for what they would.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	over := s.leaves(r)
	var frames []string
	var apps []*App
	for _, e := range over {
		apps = append(apps, e.apps...)
		for _, app := range e.apps {
			if app.FrontChannelLogoutURL != "" {
				frames = append(frames, s.frame(e, app))
			}
			_ = s.backChannel(r.Context(), e, app) // who cannot be reached is not told
		}
	}
	next := s.onward(r.Form, apps)
	if s.o.Forms {
		html(w, "signedout", map[string]any{"Frames": frames, "Next": next})
		return
	}
	for _, at := range frames {
		_ = s.get(r.Context(), at)
	}
	if next == "" {
		s.page(w, http.StatusOK, "You are signed out.")
		return
	}
	w.Header().Set("Location", next)
	w.WriteHeader(http.StatusFound)
}

// leaves ends the sessions that the request is about: the browser's, those of the logout_hint or, where nobody fills in forms,
// those of the person in front of the browser.
func (s *Server) leaves(r *http.Request) []*session {
	s.mu.Lock()
	var u *User
	e := s.remembered(r)
	switch hint := r.Form.Get("logout_hint"); {
	case e != nil:
		s.sessions = slices.DeleteFunc(s.sessions, func(other *session) bool { return other == e })
		s.out = s.out || s.current == e.user
		s.mu.Unlock()
		return []*session{e}
	case hint != "":
		for _, other := range s.sessions {
			if hint == "hint-"+other.user.ObjectID || strings.EqualFold(hint, other.user.Username) {
				u = other.user
			}
		}
	case !s.o.Forms:
		u = s.current
	}
	s.mu.Unlock()
	if u == nil {
		return nil
	}
	return s.sessionsOf(u, true)
}

// onward returns where the browser goes next; empty where that is nobody's address. It must be one of the application's that
// asks or, where that is not said, of those in the session.
func (s *Server) onward(f url.Values, apps []*App) string {
	to := f.Get("post_logout_redirect_uri")
	if id := f.Get("client_id"); id != "" {
		apps = nil
		if app := s.app(id); app != nil {
			apps = []*App{app}
		}
	} else if len(apps) == 0 {
		s.mu.Lock()
		for _, app := range s.apps {
			apps = append(apps, app)
		}
		s.mu.Unlock()
	}
	u, err := url.Parse(to)
	if err != nil || to == "" || !slices.ContainsFunc(apps, func(a *App) bool { return slices.Contains(a.RedirectURIs, to) }) {
		return ""
	}
	if state := f.Get("state"); state != "" {
		q := u.Query()
		q.Set("state", state)
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// frame is the address that a browser loads for a session of an application that is over.
func (s *Server) frame(e *session, app *App) string {
	sep := "?"
	if strings.Contains(app.FrontChannelLogoutURL, "?") {
		sep = "&"
	}
	return app.FrontChannelLogoutURL + sep + url.Values{"iss": {s.issuer(e.user.tenant.ID)}, "sid": {e.id}}.Encode()
}

// FrontChannelLogout ends all sessions of a person and tells the applications as browsers do: with a GET of the
// FrontChannelLogoutURL with iss and sid. It carries no cookie, because browsers send none of another site's to a frame, as
// long as those are SameSite=Lax. The error tells of applications that did not answer with 200.
func (s *Server) FrontChannelLogout(ctx context.Context, u *User) error {
	var errs []error
	for _, e := range s.sessionsOf(u, true) {
		for _, app := range e.apps {
			if app.FrontChannelLogoutURL != "" {
				errs = append(errs, s.get(ctx, s.frame(e, app)))
			}
		}
	}
	return errors.Join(errs...)
}

// BackChannelLogout ends all sessions of a person and posts a logout token for each to the BackChannelLogoutURL of the
// applications they went to. The error tells of applications that did not answer with 200.
//
// Entra does not list the back channel in its metadata, other issuers do.
func (s *Server) BackChannelLogout(ctx context.Context, u *User) error {
	var errs []error
	for _, e := range s.sessionsOf(u, true) {
		for _, app := range e.apps {
			errs = append(errs, s.backChannel(ctx, e, app))
		}
	}
	return errors.Join(errs...)
}

func (s *Server) backChannel(ctx context.Context, e *session, app *App) error {
	if app.BackChannelLogoutURL == "" {
		return nil
	}
	return s.SendLogoutToken(ctx, app, s.Sign(s.LogoutClaims(e.user, app.ID, e.id), &SignOptions{Type: "logout+jwt"}))
}

// LogoutClaims returns what stands in a logout token, so that a test may change it, [Server.Sign] it and
// [Server.SendLogoutToken]. Without sid it is about all sessions of the person.
func (s *Server) LogoutClaims(u *User, appID, sid string) map[string]any {
	now := s.o.Now()
	claims := map[string]any{
		"iss": s.issuer(u.tenant.ID), "aud": appID, "sub": "sub-" + u.ObjectID, "tid": u.tenant.ID, "jti": randomText(),
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "events": map[string]any{logoutEvent: map[string]any{}},
	}
	if sid != "" {
		claims["sid"] = sid
	}
	return claims
}

// SendLogoutToken posts a logout token to the BackChannelLogoutURL of an application.
func (s *Server) SendLogoutToken(ctx context.Context, app *App, token string) error {
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.BackChannelLogoutURL, body)
	if err != nil {
		return fmt.Errorf("entratest: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.send(req)
}

func (s *Server) get(ctx context.Context, at string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return fmt.Errorf("entratest: %w", err)
	}
	return s.send(req)
}

func (s *Server) send(req *http.Request) error {
	client := s.client
	if s.o.HTTPClient != nil {
		client = s.o.HTTPClient
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("entratest: %w", err)
	}
	_ = res.Body.Close() // is not read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("entratest: %s answered %d", req.URL.Redacted(), res.StatusCode)
	}
	return nil
}
