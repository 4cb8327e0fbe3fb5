package entratest

import (
	"maps"
	"slices"
	"time"
)

// maxGroups is how many groups a JWT of Entra names at most
// (https://learn.microsoft.com/security/zero-trust/develop/configure-tokens-group-claims-app-roles#group-overages).
const maxGroups = 200

// IDClaims returns what stands in an id token of a person for an application, so that a test may change it and [Server.Sign]
// it. It is of no browser's session: sid is that of nobody, and auth_time is SignedInAt, or now where that is zero.
func (s *Server) IDClaims(u *User, appID, nonce string) map[string]any {
	return s.idClaims(&grant{user: u, app: s.app(appID), nonce: nonce, contexts: u.ACRS}, appID)
}

func (s *Server) idClaims(g *grant, appID string) map[string]any {
	u, now := g.user, s.o.Now()
	at, sid := u.SignedInAt, newGUID()
	if g.session != nil {
		at, sid = s.signedIn(g.session), g.session.id
	}
	if at.IsZero() {
		at = now
	}
	claims := map[string]any{
		"iss": s.issuer(u.tenant.ID), "aud": appID, "sub": "sub-" + u.ObjectID, "tid": u.tenant.ID, "oid": u.ObjectID, "ver": "2.0",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"name": u.Name, "preferred_username": u.Username, "uti": randomText()[:22], "rh": "0." + randomText(),
	}
	guest := 0
	if u.Provider != "" {
		claims["idp"] = u.Provider
		if u.Provider != s.issuer(u.tenant.ID) {
			guest = 1
		}
	}
	optional := map[string]any{"auth_time": at.Unix(), "sid": sid, "acct": guest, "login_hint": "hint-" + u.ObjectID}
	if len(g.contexts) > 0 {
		optional["acrs"] = g.contexts
	}
	if g.app != nil && g.app.OptionalClaims != nil {
		maps.DeleteFunc(optional, func(name string, _ any) bool { return !slices.Contains(g.app.OptionalClaims, name) })
	}
	maps.Copy(claims, optional)
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if roles := s.appRoles(u, appID); len(roles) > 0 {
		claims["roles"] = roles
	}
	if g.app == nil || !g.app.HideRoles {
		claims["wids"] = u.roles()
	}
	if g.app != nil && g.app.GroupClaims {
		s.groupClaims(claims, u)
	}
	return claims
}

// groupClaims names the groups of a person or, where they are too many, says where to ask for them.
func (s *Server) groupClaims(claims map[string]any, u *User) {
	switch {
	case len(u.Groups) > maxGroups:
		claims["_claim_names"] = map[string]any{"groups": "src1"}
		claims["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": s.Cloud().Graph + "/v1.0/users/" + u.ObjectID + "/getMemberObjects"}}
		claims["hasgroups"] = true
	case len(u.Groups) > 0:
		claims["groups"] = u.Groups
	}
}

func (s *Server) signedIn(e *session) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.at
}

// seat is a person at an application.
type seat struct {
	user *User
	app  string
}

// Assign assigns a person to an application, with its roles, or with the default access where there are none. Roles of a
// person besides those of [User] are for this application only.
func (s *Server) Assign(u *User, appID string, roles ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assignments[seat{u, appID}] = slices.Clone(roles)
}

// Unassign takes back what [Server.Assign] gave. Tokens that are out stay as they are.
func (s *Server) Unassign(u *User, appID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.assignments, seat{u, appID})
}

// assigned reports whether a person may sign in where an assignment is required.
func (s *Server) assigned(u *User, appID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.assignments[seat{u, appID}]
	return ok || len(u.Roles) > 0
}

func (s *Server) appRoles(u *User, appID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(u.Roles, s.assignments[seat{u, appID}])
}
