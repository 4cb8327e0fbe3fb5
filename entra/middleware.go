package entra

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

type sessionKey struct{}

// current is the session of a request.
type current struct {
	sso     *SSO
	session Session
}

// sessionOf returns the session that [SSO.Load] has found.
func (s *SSO) sessionOf(ctx context.Context) (Session, bool) {
	c, ok := ctx.Value(sessionKey{}).(*current)
	if !ok || c.sso != s {
		return Session{}, false
	}
	return c.session, true
}

// Load puts who is signed in into the context of the request, for [UserOf], [Authorize] and [SSO.Require], where the browser has a good
// session: one that is not too old, was not ended, and whose person the host still knows. It answers nothing but where nobody can say
// whether the session is good; that is 503. An answer that says with its own Cache-Control that caches may show it to others must not
// stand behind it: it may carry the session's cookie.
func (s *SSO) Load(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sess, u, err := s.load(r.Context(), r)
		switch {
		case err == nil:
			// What is for one person, and may renew their cookie, is kept by no cache that others ask. The host may say more.
			w.Header().Set("Cache-Control", "private")
			s.touch(w, r, &sess)
			ctx := context.WithValue(r.Context(), sessionKey{}, &current{s, sess})
			r = r.WithContext(WithUser(ctx, u))
		case errors.Is(err, ErrNoSession), errors.Is(err, ErrForbidden), errors.Is(err, ErrToken):
			if reason := ReasonOf(err); reason != ReasonSession {
				s.refused(r.Context(), err)
			}
			if sess.ID != "" || ReasonOf(err) == ReasonCookie {
				if err := s.sessions.Delete(w, r); err != nil {
					s.o.Logger.WarnContext(r.Context(), "entra: a session could not be deleted", slog.Any("error", err))
				}
			}
			r = r.WithContext(WithUser(r.Context(), nil))
		default:
			s.fault(w, r, "a session could not be checked", err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// load returns the session of a request and who has it.
func (s *SSO) load(ctx context.Context, r *http.Request) (Session, *User, error) {
	sess, err := s.sessions.Load(r)
	if err != nil {
		return Session{}, nil, err
	}
	now := s.o.Now()
	if sess.ID == "" || sess.Owner != s.o.Owner {
		return sess, nil, errBadCookie
	}
	if !now.Before(sess.Begun.Add(s.o.TTL)) || !now.Before(sess.Seen.Add(s.o.Idle)) {
		return sess, nil, ErrNoSession
	}
	switch over, err := s.o.Revocations.Revoked(ctx, s.o.Owner, sess.marks(), sess.Begun); {
	case err != nil:
		return sess, nil, err
	case over:
		return sess, nil, ErrNoSession
	}
	if sess.Listed {
		if err := s.admit(sess.Identity); err != nil {
			return sess, nil, err
		}
	}
	u, err := s.resolve(ctx, sess.Identity)
	if err != nil {
		return sess, nil, err
	}
	u.Session, u.AuthTime, u.ACRS, u.Factor = sess.ID, sess.Identity.AuthTime, slices.Clone(sess.Identity.ACRS), sess.Factor
	return sess, u, nil
}

// touch notes that a session is in use. Not with files of a page, which a cache might keep with the cookie.
func (s *SSO) touch(w http.ResponseWriter, r *http.Request, sess *Session) {
	now := s.o.Now()
	if now.Sub(sess.Seen) < min(touchEvery, s.o.Idle/4) || !slices.Contains([]string{"", "document", "iframe", "empty"}, r.Header.Get("Sec-Fetch-Dest")) {
		return
	}
	sess.Seen = now
	if err := s.save(w, r, *sess); err != nil {
		s.o.Logger.WarnContext(r.Context(), "entra: a session could not be kept", slog.Any("error", err))
	}
}

// Require lets only those through who have the permission; everybody else never reaches next. Who is not signed in is sent to the
// sign-in page where the browser shows pages, and comes back afterwards; otherwise the answer is 401 with
// the header WWW-Authenticate: SignIn. Who is signed in and may not gets
// [SSOOptions.Forbidden], or 403. It must stand behind [SSO.Load]; somebody whom another owner's has found is not signed in here.
func (s *SSO) Require(p Permission, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.allowed(w, r, p) {
			next.ServeHTTP(w, r)
		}
	})
}

// allowed reports whether the request may go on. Where it returns false it has answered.
func (s *SSO) allowed(w http.ResponseWriter, r *http.Request, p Permission) bool {
	err := Authorize(r.Context(), p)
	u := UserOf(r.Context())
	switch {
	case u != nil && u.Owner != "" && u.Owner != s.o.Owner, errors.Is(err, ErrNoSession): // signed in next door is not signed in
		s.askToSignIn(w, r)
		return false
	case err == nil:
		return true
	}
	if u.MFA && u.Factor.IsZero() && s.o.FactorPath != "" && navigates(r) && u.Policy.Allows(u.Role, u.UI, p) {
		s.private(w)
		away(w, withTo(s.o.FactorPath, r))
		return false
	}
	s.audit(r.Context(), Event{Kind: EventForbidden, User: u.ID, TenantID: u.TenantID, ObjectID: u.ObjectID, Session: u.Session, Reason: p.String()})
	s.private(w)
	if s.o.Forbidden != nil {
		s.o.Forbidden.ServeHTTP(w, r)
		return false
	}
	http.Error(w, "You may not do this.", http.StatusForbidden)
	return false
}

func (s *SSO) askToSignIn(w http.ResponseWriter, r *http.Request) {
	s.private(w)
	if navigates(r) {
		away(w, withTo(s.SignInPath(), r))
		return
	}
	w.Header().Set("WWW-Authenticate", "SignIn")
	http.Error(w, "Sign in first.", http.StatusUnauthorized)
}

// private keeps caches from answering others with what is for one.
func (s *SSO) private(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// withTo adds where the browser is, to come back to it after a GET.
func withTo(at string, r *http.Request) string {
	if r.Method != http.MethodGet {
		return at
	}
	to, ok := here(r)
	if !ok {
		return at
	}
	sep := "?"
	if strings.Contains(at, "?") {
		sep = "&"
	}
	return at + sep + "to=" + url.QueryEscape(to)
}

// navigates reports whether the answer is a page that a browser will show.
func navigates(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// RequireFresh is [SSO.Require] for what takes more than a session: the person must have stepped up within the given time, that is
// satisfied [SSOOptions.ACR], or where there is none given their credentials. Otherwise the browser is sent to do so, and comes back
// afterwards; what was not a GET must be repeated by the person, and a page says so. Programs get 401 with the header
// WWW-Authenticate: StepUp. Less than a minute is taken for a minute, in which nobody would come back.
func (s *SSO) RequireFresh(p Permission, within time.Duration, next http.Handler) http.Handler {
	within = max(within, time.Minute)
	return s.Require(p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sess, ok := s.sessionOf(r.Context())
		if !ok {
			s.askToSignIn(w, r)
			return
		}
		at := sess.Identity.AuthTime
		if s.o.ACR != "" {
			at = sess.SteppedUp
		}
		if age := s.o.Now().Sub(at); !at.IsZero() && age <= within && age >= -skew {
			next.ServeHTTP(w, r)
			return
		}
		s.stepUp(w, r, sess, "")
	}))
}

// NoteFactor remembers that the host has seen a second factor of who is signed in, in this session only. It writes a cookie, so it must
// come before the answer, and takes effect with the next request. [ErrNoSession] is a request without session.
func (s *SSO) NoteFactor(w http.ResponseWriter, r *http.Request) error {
	sess, ok := s.sessionOf(r.Context())
	if !ok {
		return ErrNoSession
	}
	now := s.o.Now()
	sess.Factor, sess.Seen = now, now
	return s.save(w, r, sess)
}
