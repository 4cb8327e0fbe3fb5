package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// The kinds of ask that are the SSO's own.
const (
	kindSignIn = "entra/sign-in"
	kindStepUp = "entra/step-up"
)

// signInData is what a sign-in is for.
type signInData struct {
	To string `json:"t"`
}

// stepUpData is what a step-up is for: in the address of its page, sealed and bound to the session, and in the flow.
type stepUpData struct {
	To      string    `json:"t,omitempty"`
	Session string    `json:"s"`
	Claims  string    `json:"c,omitempty"` // the challenge of an API
	Repeat  bool      `json:"r,omitempty"` // what was asked for must be done again by the person
	Until   time.Time `json:"u,omitzero"`
}

// On registers what becomes of a sign-in of another kind, such as linking an account, which comes back to the same redirect URI. h
// gets what [Flow.Finish] returned and answers the request; an error has been audited. The allow-list of tenants, guests and accounts
// are not looked at: h must do so, unless [Ask.Tenant] named the one tenant. It panics where the kind is taken or no handler is given, and after [SSO.Handler].
func (s *SSO) On(kind string, h func(w http.ResponseWriter, r *http.Request, a Answer, err error)) {
	if _, taken := s.kinds[kind]; taken || kind == "" || kind == kindSignIn || kind == kindStepUp || h == nil || s.built {
		panic(fmt.Sprintf("entra: sso: the kind %q is taken, has no handler, or comes after SSO.Handler, which must be called last", kind))
	}
	s.kinds[kind] = h
}

// Begin sends the browser to Microsoft for a kind that [SSO.On] has registered. The request must be one that changes something, such
// as a POST that was checked to be of the same origin. It answers the request, also where it fails.
func (s *SSO) Begin(w http.ResponseWriter, r *http.Request, a Ask) {
	if _, ok := s.kinds[a.Kind]; !ok {
		s.fault(w, r, "a sign-in could not begin", fmt.Errorf("entra: sso: the kind %q is not registered: %w", a.Kind, mspkit.ErrInvalid))
		return
	}
	s.begin(w, r, a)
}

func (s *SSO) begin(w http.ResponseWriter, r *http.Request, a Ask) {
	at, err := s.flow.Begin(w, a)
	if err != nil {
		s.fault(w, r, "a sign-in could not begin", err)
		return
	}
	away(w, at)
}

// fault answers what is neither the person's fault nor Microsoft's.
func (s *SSO) fault(w http.ResponseWriter, r *http.Request, what string, err error) {
	s.o.Logger.ErrorContext(r.Context(), "entra: sso", slog.String("what", what), slog.Any("error", err))
	http.Error(w, "This is not possible now. Try again later.", http.StatusServiceUnavailable)
}

// beginSignIn sends the browser to Microsoft to sign in.
func (s *SSO) beginSignIn(w http.ResponseWriter, r *http.Request, to string, choose bool) {
	data, err := json.Marshal(signInData{To: to})
	if err != nil {
		s.fault(w, r, "a sign-in could not begin", err)
		return
	}
	a := Ask{Kind: kindSignIn, Data: data, SelectAccount: choose}
	if len(s.o.Tenants) == 1 {
		a.Tenant = s.o.Tenants[0]
	}
	s.begin(w, r, a)
}

// admit judges whether somebody may sign in by the allow-list.
func (s *SSO) admit(who Identity) error {
	switch {
	case !slices.Contains(s.o.Tenants, who.TenantID):
		return of(badToken(ReasonTenant), who)
	case who.Guest && !s.o.AllowGuests:
		return of(badToken(ReasonGuest), who)
	}
	return nil
}

// resolve asks the host who somebody is.
func (s *SSO) resolve(ctx context.Context, who Identity) (*User, error) {
	if s.o.Groups && who.GroupOverage {
		return nil, of(Refuse(ReasonGroups), who)
	}
	if !s.o.Groups {
		who.Groups = nil
	}
	if !slices.Contains(s.o.Tenants, who.TenantID) { // their administrator gives roles of the application as they like
		who.Roles = nil
	}
	u, err := s.o.Resolve(ctx, who)
	switch {
	case err != nil:
		if errors.Is(err, ErrForbidden) {
			return nil, &refusal{reason: ReasonOf(err), sentinel: ErrForbidden, who: &who}
		}
		return nil, fmt.Errorf("entra: who signed in could not be looked up: %w", err)
	case u == nil:
		return nil, of(Refuse(ReasonAccount), who)
	case u.Role == RoleNone:
		return nil, of(Refuse(ReasonRole), who)
	}
	own := *u // the host may hand out the same one twice
	own.Owner, own.TenantID, own.ObjectID = s.o.Owner, who.TenantID, who.ObjectID
	if own.Policy == (Policy{}) {
		own.Policy = s.o.Policy
	}
	return &own, nil
}

// SignIn makes a session for somebody whom a handler of [SSO.On] has accepted. Neither the allow-list of tenants nor guests are looked
// at, and roles of a token count for the tenants on the list only. The host must know the person: the error is [ErrForbidden] with its
// [Reason] where it does not. It writes a cookie, so it must come before the answer.
func (s *SSO) SignIn(w http.ResponseWriter, r *http.Request, who Identity) error {
	err := s.signIn(w, r, who, false)
	if err != nil {
		s.refused(r.Context(), err)
	}
	return err
}

func (s *SSO) signIn(w http.ResponseWriter, r *http.Request, who Identity, listed bool) error {
	u, err := s.resolve(r.Context(), who)
	if err != nil {
		return err
	}
	who = s.kept(who)
	now := s.o.Now()
	sess := Session{ID: token.Random(), Owner: s.o.Owner, Identity: who, Listed: listed, Begun: now, Seen: now}
	if s.o.ACR != "" && slices.Contains(who.ACRS, s.o.ACR) {
		sess.SteppedUp = who.IssuedAt
	}
	if old, err := s.sessions.Load(r); err == nil && old.ID != "" { // another one of this browser ends
		if err := s.endSession(r.Context(), old); err != nil {
			return err
		}
	}
	if err := s.save(w, r, sess); err != nil {
		if errors.Is(err, ErrTooLarge) {
			return &refusal{reason: ReasonSize, sentinel: ErrTooLarge, who: &who}
		}
		return err
	}
	s.audit(r.Context(), Event{Kind: EventSignedIn, User: u.ID, TenantID: who.TenantID, ObjectID: who.ObjectID, Session: sess.ID})
	return nil
}

// kept is what a session remembers of a person.
func (s *SSO) kept(who Identity) Identity {
	who.DirectoryRoles = nil
	if !s.o.Groups {
		who.Groups = nil
	}
	return who
}

// save writes a session with the time until which it is good.
func (s *SSO) save(w http.ResponseWriter, r *http.Request, sess Session) error {
	until := sess.Seen.Add(s.o.Idle)
	if end := sess.Begun.Add(s.o.TTL); end.Before(until) {
		until = end
	}
	return s.sessions.Save(w, r, sess, until)
}

// revoke remembers that what has the mark has ended.
func (s *SSO) revoke(ctx context.Context, mark string, at time.Time) error {
	return s.revokeFor(ctx, mark, at, s.o.TTL)
}

// revokeFor does so for as long as a session may last. What somebody has ended here stays ended for all that share the revocations,
// whose sessions may last longer, and where the TTL is raised meanwhile.
func (s *SSO) revokeFor(ctx context.Context, mark string, at time.Time, ttl time.Duration) error {
	_, err := s.o.Revocations.Revoke(context.WithoutCancel(ctx), s.o.Owner, mark, at, at.Add(ttl+2*skew))
	return err
}

// endSession ends one session, also where another instance, whose clock is ahead, has begun it.
func (s *SSO) endSession(ctx context.Context, sess Session) error {
	at := s.o.Now()
	if at.Before(sess.Begun) {
		at = sess.Begun
	}
	return s.revokeFor(ctx, mark(markSession, sess.ID), at, maxSessionTTL)
}

// EndSessions ends all sessions that a person has now, on every instance that shares the [Revocations]: for accounts that are unlinked
// or taken over. tenantID and objectID are those of an [Identity].
func (s *SSO) EndSessions(ctx context.Context, tenantID, objectID string) error {
	tenant, err := CanonicalID(tenantID)
	if err != nil {
		return err
	}
	object, err := CanonicalID(objectID)
	if err != nil {
		return err
	}
	return s.revokeFor(ctx, mark(markPerson, tenant, object), s.o.Now(), maxSessionTTL)
}

// callback takes Microsoft's answers. It is a GET that changes something, because OAuth has it so: without the cookie of the browser
// that began it does nothing, and HEAD never does.
func (s *SSO) callback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		s.site.Error(w, r, http.StatusMethodNotAllowed)
		return
	}
	a, err := s.flow.Finish(w, r)
	switch a.Kind {
	case kindSignIn:
		s.signedIn(w, r, a, err)
	case kindStepUp:
		s.steppedUp(w, r, a, err)
	default:
		if h := s.kinds[a.Kind]; h != nil {
			if err != nil {
				s.refused(r.Context(), err)
			}
			h(w, r, a, err)
			return
		}
		if err == nil {
			err = ErrState
		}
		s.stop(w, r, err, "")
	}
}

// signedIn is the end of a sign-in.
func (s *SSO) signedIn(w http.ResponseWriter, r *http.Request, a Answer, err error) {
	var data signInData
	if bad := json.Unmarshal(a.Data, &data); bad != nil {
		err = errors.Join(err, ErrState)
	}
	if err == nil {
		err = s.admit(a.Identity)
	}
	if err == nil {
		err = s.signIn(w, r, a.Identity, true)
	}
	if err != nil {
		s.stop(w, r, err, data.To)
		return
	}
	s.home(w, data.To)
}

// home sends the browser to a path of the host.
func (s *SSO) home(w http.ResponseWriter, to string) {
	if to == "" {
		to = s.o.Home
	}
	away(w, to)
}
