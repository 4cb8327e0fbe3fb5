package entra

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// signOut ends the session here and goes on to Entra's own, where the person may still be signed in
// (https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc#send-a-sign-out-request).
func (s *SSO) signOut(w http.ResponseWriter, r *http.Request) {
	to := s.o.BaseURL + "/signedout"
	sess, u, err := s.load(r.Context(), r)
	if sess.ID != "" {
		if err := s.endSession(r.Context(), sess); err != nil {
			s.fault(w, r, "a session could not be ended", err)
			return
		}
	}
	if err := s.sessions.Delete(w, r); err != nil {
		s.fault(w, r, "a session could not be ended", err)
		return
	}
	if sess.ID == "" || errors.Is(err, ErrNoSession) { // there is nothing to end at Entra
		away(w, to)
		return
	}
	who := sess.Identity
	e := Event{Kind: EventSignedOut, TenantID: who.TenantID, ObjectID: who.ObjectID, Session: sess.ID}
	if u != nil {
		e.User = u.ID
	}
	s.audit(r.Context(), e)
	away(w, s.o.Cloud.Login+"/"+who.TenantID+"/oauth2/v2.0/logout?"+url.Values{"post_logout_redirect_uri": {to}}.Encode())
}

func (s *SSO) signedOut(w http.ResponseWriter, r *http.Request) {
	if s.o.SignedOut != "" {
		away(w, s.o.SignedOut)
		return
	}
	s.page(w, r, "signedout", 0, ssoView{})
}

// maxSID is in bytes; Entra's are GUIDs.
const maxSID = 128

// frontChannel is asked by Entra, in a frame in the browser, when the person signs out of another application
// (https://openid.net/specs/openid-connect-frontchannel-1_0.html). The browser sends no cookie of ours along from there, and nobody
// has signed the request: what it can do is to end the one session that Entra knows by sid, which nobody can guess.
func (s *SSO) frontChannel(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	tenant, ok := s.verifier.tenantOf(q.Get("iss"))
	sid := q.Get("sid")
	if r.Method != http.MethodGet || !ok || sid == "" || len(sid) > maxSID || len(q["iss"]) != 1 || len(q["sid"]) != 1 {
		http.Error(w, "iss and sid are required", http.StatusBadRequest)
		return
	}
	if !s.logouts.allow() {
		s.refused(r.Context(), &refusal{reason: ReasonFlood, sentinel: ErrThrottled})
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	if err := s.revoke(r.Context(), mark(markSID, tenant, sid), s.o.Now()); err != nil {
		s.fault(w, r, "a session could not be ended", err)
		return
	}
	s.audit(r.Context(), Event{Kind: EventSignedOut, Reason: "front-channel"})
	w.WriteHeader(http.StatusOK)
}

// backChannel is asked by the issuer's server (https://openid.net/specs/openid-connect-backchannel-1_0.html). Entra itself documents
// the front channel only; this is for what stands before it, such as a broker with the same keys.
func (s *SSO) backChannel(w http.ResponseWriter, r *http.Request) {
	err := s.logout(r.Context(), r)
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("{}\n"))
		return
	}
	reason := s.refused(r.Context(), err)
	status := http.StatusBadRequest
	if reason == ReasonFailed || reason == ReasonUnavailable {
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": string(reason)})
}

func (s *SSO) logout(ctx context.Context, r *http.Request) error {
	if len(r.PostForm["logout_token"]) != 1 {
		return badToken(ReasonLogout)
	}
	l, err := s.verifier.VerifyLogout(ctx, r.PostForm.Get("logout_token"))
	if err != nil {
		return err
	}
	// The token is used up last: where a store fails in between it is sent again. What it does twice makes no difference.
	once := mark(markJTI, l.TenantID, l.ID)
	switch used, err := s.o.Revocations.Revoked(ctx, s.o.Owner, []string{once}, l.IssuedAt); {
	case err != nil:
		return s.notNoted(ctx, err)
	case used:
		return badToken(ReasonReplay)
	}
	if err := s.logoutOf(ctx, l); err != nil {
		return s.notNoted(ctx, err)
	}
	switch first, err := s.o.Revocations.Revoke(ctx, s.o.Owner, once, farFuture, l.ExpiresAt.Add(2*skew)); {
	case err != nil:
		return s.notNoted(ctx, err)
	case !first:
		return badToken(ReasonReplay)
	}
	s.audit(ctx, Event{Kind: EventSignedOut, TenantID: l.TenantID, Reason: "back-channel"})
	return nil
}

// logoutOf ends the sessions that a logout token is about.
func (s *SSO) logoutOf(ctx context.Context, l Logout) error {
	now := s.o.Now()
	// The token says when it was made by a clock that may be behind; a session that began later than that stays.
	made := l.IssuedAt.Add(skew)
	if now.Before(made) {
		made = now
	}
	switch {
	case l.SID == "":
		return s.revoke(ctx, mark(markSubject, l.TenantID, l.Subject), made)
	case l.Subject != "": // one of the sessions without a name may be the one
		if err := s.revoke(ctx, mark(markNoSID, l.TenantID, l.Subject), made); err != nil {
			return err
		}
	}
	return s.revoke(ctx, mark(markSID, l.TenantID, l.SID), now)
}

// notNoted is a logout that the issuer must send again.
func (s *SSO) notNoted(ctx context.Context, err error) error {
	s.o.Logger.ErrorContext(ctx, "entra: a logout could not be noted", slog.Any("error", err))
	return errors.Join(ErrUnavailable, err)
}

// farFuture makes a mark one that is set once.
var farFuture = time.Unix(1<<33, 0)

// limiter lets a burst of logouts through and then some per second: each is a row in a store, and who asks is not known.
type limiter struct {
	now  func() time.Time
	mu   sync.Mutex
	used float64
	last time.Time
}

const (
	logoutBurst     = 500
	logoutPerSecond = 20
)

func (l *limiter) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if passed := now.Sub(l.last); passed > 0 {
		l.used = max(0, l.used-passed.Seconds()*logoutPerSecond)
		l.last = now
	}
	if l.used >= logoutBurst {
		return false
	}
	l.used++
	return true
}
