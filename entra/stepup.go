package entra

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/mspkit/mspkit/internal/webpage"
)

// Challenge answers a request that could not be done because an API wants the person to prove more (a claims challenge): it sends the
// browser to sign in again with these claims, a JSON object, which [ClaimsChallenge] finds in the answer of the API. The person comes
// back to where they were, as after [SSO.RequireFresh].
func (s *SSO) Challenge(w http.ResponseWriter, r *http.Request, claims string) {
	sess, ok := s.sessionOf(r.Context())
	if !ok {
		s.askToSignIn(w, r)
		return
	}
	if _, err := askClaims(claims, ""); err != nil || claims == "" {
		s.fault(w, r, "a claims challenge cannot be passed on", errors.Join(err, ErrRefused))
		return
	}
	s.stepUp(w, r, sess, claims)
}

// stepUp sends the browser to the page that asks for a step-up.
func (s *SSO) stepUp(w http.ResponseWriter, r *http.Request, sess Session, claims string) {
	s.private(w)
	if !navigates(r) {
		w.Header().Set("WWW-Authenticate", "StepUp")
		http.Error(w, "Sign in again first.", http.StatusUnauthorized)
		return
	}
	d := stepUpData{Session: sess.ID, Claims: claims, Until: s.o.Now().Add(stepUpTTL)}
	if to, ok := here(r); ok && r.Method == http.MethodGet {
		d.To = to
	} else {
		d.Repeat = true
	}
	raw, err := json.Marshal(d)
	if err != nil {
		s.fault(w, r, "a step-up could not begin", err)
		return
	}
	away(w, s.base+"/stepup?for="+base64.RawURLEncoding.EncodeToString(s.asks.Seal(raw, s.o.Owner, sess.ID)))
}

// maxAsked is in bytes, of the sealed text in an address.
const maxAsked = 6 << 10

// asked returns what the page of a step-up is for, and of which session.
func (s *SSO) asked(r *http.Request, text string) (Session, stepUpData, error) {
	sess, _, err := s.load(r.Context(), r)
	if err != nil {
		return sess, stepUpData{}, err
	}
	var d stepUpData
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(text) > maxAsked {
		return sess, d, ErrState
	}
	raw, err := s.asks.Open(sealed, s.o.Owner, sess.ID)
	if err != nil || json.Unmarshal(raw, &d) != nil || d.Session != sess.ID || !s.o.Now().Before(d.Until) {
		return sess, d, ErrState
	}
	return sess, d, nil
}

func (s *SSO) showStepUp(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("for")
	_, d, err := s.asked(r, text)
	if err != nil {
		s.stop(w, r, err, "")
		return
	}
	s.page(w, r, "stepup", 0, ssoView{For: text, Strong: s.o.ACR != "" || d.Claims != "", Repeat: d.Repeat})
}

func (s *SSO) beginStepUp(w http.ResponseWriter, r *http.Request) {
	sess, d, err := s.asked(r, r.PostForm.Get("for"))
	if err != nil {
		s.stop(w, r, err, "")
		return
	}
	raw, err := json.Marshal(stepUpData{To: d.To, Session: d.Session, Repeat: d.Repeat})
	if err != nil {
		s.fault(w, r, "a step-up could not begin", err)
		return
	}
	a := Ask{Kind: kindStepUp, Data: raw, Tenant: sess.Identity.TenantID, LoginHint: sess.Identity.PreferredUsername}
	switch {
	case d.Claims != "":
		a.Claims = d.Claims
	case s.o.ACR != "":
		a.ACR = s.o.ACR
	default:
		a.Fresh = true
	}
	s.begin(w, r, a)
}

// steppedUp is the end of a step-up.
func (s *SSO) steppedUp(w http.ResponseWriter, r *http.Request, a Answer, err error) {
	var d stepUpData
	if bad := json.Unmarshal(a.Data, &d); bad != nil {
		err = errors.Join(err, ErrState)
	}
	if err != nil {
		s.stop(w, r, err, "")
		return
	}
	sess, u, err := s.load(r.Context(), r)
	who := a.Identity
	switch {
	case err != nil:
		s.stop(w, r, err, d.To)
		return
	case sess.ID != d.Session:
		s.stop(w, r, of(badState(ReasonSession), who), d.To)
		return
	case who.TenantID != sess.Identity.TenantID || who.ObjectID != sess.Identity.ObjectID:
		s.stop(w, r, of(badToken(ReasonPerson), who), d.To)
		return
	}
	now := s.o.Now()
	sess.Seen, sess.Identity = now, s.kept(who)
	if s.o.ACR != "" && slices.Contains(who.ACRS, s.o.ACR) {
		sess.SteppedUp = who.IssuedAt
	}
	if err := s.save(w, r, sess); err != nil {
		s.stop(w, r, err, d.To)
		return
	}
	s.audit(r.Context(), Event{
		Kind: EventSteppedUp, User: u.ID, TenantID: who.TenantID, ObjectID: who.ObjectID, Session: sess.ID, Reason: strings.Join(who.ACRS, " "),
	})
	if d.Repeat {
		s.page(w, r, "repeat", 0, ssoView{Home: s.o.Home})
		return
	}
	s.home(w, d.To)
}

// ssoView is the data of the pages.
type ssoView struct {
	To, For, Home  string
	Strong, Repeat bool
	Reason, Code   string
	Text           string // the key of the texts
	Again          bool   // a sign-in may be begun from here
}

func (s *SSO) page(w http.ResponseWriter, r *http.Request, template string, status int, v ssoView) {
	s.site.Render(w, r, webpage.Page{Template: template, Status: status, Data: v})
}
