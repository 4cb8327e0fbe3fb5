package entratest

import (
	"crypto"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tenant is one tenant of Microsoft 365. Make one with [Server.AddTenant].
type Tenant struct {
	s *Server
	// ID is its id, Name and Domain are what it is called.
	ID, Name, Domain string

	users    []*User
	consents map[string]bool // by application
	guests   map[*User]bool  // of other tenants, such as a partner's by GDAP
	closed   bool
}

// User is a person of a tenant. Fill one in for [Tenant.AddUser]; do not change it afterwards.
type User struct {
	// ObjectID is random where it is empty.
	ObjectID       string
	Name, Username string
	// Admin is a Global Administrator, who may consent for the whole tenant.
	Admin bool
	// DirectoryRoles are the template ids of more roles.
	DirectoryRoles []string
	// Roles are the application's roles that the person has in every application; see also [Server.Assign].
	Roles []string
	// ACRS are the authentication contexts that were satisfied, whether or not they are asked for; CanSatisfy are those that
	// the person satisfies when they are asked for (claims parameter). What is in neither is refused.
	ACRS, CanSatisfy []string
	// Groups are the ids of the groups that the person is in, for applications with GroupClaims.
	Groups []string
	// Provider is the issuer of the account where that is not the tenant's own, which makes the person a guest.
	Provider string
	// SignedInAt is when the person gave a password last; zero is the moment of each sign-in. prompt=login and max_age make
	// them give it again, which counts in the browser where they do.
	SignedInAt time.Time

	tenant *Tenant
	home   *User // whose guest account this is
}

// globalAdministrator is the template id of the role.
const globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"

// everyone is the template id of the role that every member has.
const everyone = "b79fbf4d-3ef9-4689-8143-76b194e85509"

// Tenant returns whose the person is.
func (u *User) Tenant() *Tenant { return u.tenant }

func (u *User) roles() []string {
	roles := slices.Clone(u.DirectoryRoles)
	if u.Admin {
		roles = append(roles, globalAdministrator)
	}
	return append(roles, everyone)
}

// App is an app registration. Fill one in for [Server.AddApp]; do not change it afterwards.
type App struct {
	// ID is random where it is empty.
	ID   string
	Name string
	// Secret is its client secret, Certificates are the public keys of its certificates, Assertion decides about the tokens of
	// its federated credentials. An application without any of them is a public client.
	Secret       string
	Certificates []crypto.PublicKey
	Assertion    func(jwt string) bool
	RedirectURIs []string
	// Permissions are the application permissions that a consent grants. They stand in its tokens as roles.
	Permissions []string
	// HideRoles leaves the directory roles of people out of their id tokens, as applications do that are not configured to
	// have them there.
	HideRoles bool
	// OptionalClaims are the optional claims of id tokens that it is configured for: auth_time, acrs, sid, acct and
	// login_hint. Nil is all of them, and an empty list none, as a new registration has it.
	OptionalClaims []string
	// GroupClaims puts the groups of people into id tokens or, where they are more than 200, the sources to ask.
	GroupClaims bool
	// AssignmentRequired lets only those sign in who have a role, or were assigned by [Server.Assign].
	AssignmentRequired bool
	// FrontChannelLogoutURL is loaded by browsers whose session is over, BackChannelLogoutURL gets a logout token then.
	FrontChannelLogoutURL, BackChannelLogoutURL string
}

// AddTenant makes a tenant with a random id.
func (s *Server) AddTenant(name, domain string) *Tenant {
	t := &Tenant{s: s, ID: newGUID(), Name: name, Domain: domain, consents: map[string]bool{}, guests: map[*User]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tenants[t.ID] = t
	return t
}

// AddUser adds a person to the tenant.
func (t *Tenant) AddUser(u User) *User {
	u.tenant = t
	if u.ObjectID == "" {
		u.ObjectID = newGUID()
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.users = append(t.users, &u)
	return &u
}

// ConsumersID is the tenant of all personal accounts.
const ConsumersID = "9188040d-6c67-4c5b-b112-36a304b66dad"

// Consumers returns the tenant of personal accounts, for [Tenant.AddUser]. Its people may sign in at /common and at /consumers,
// not at /organizations.
func (s *Server) Consumers() *Tenant {
	if t := s.tenant(ConsumersID); t != nil {
		return t
	}
	return s.AddTenantWithID(ConsumersID, "Personal accounts", "consumers")
}

// Invite makes a person of another tenant a guest of this one, with an object of their own here. When they sign in at this
// tenant's endpoints their tokens are of the guest, which is returned.
func (t *Tenant) Invite(u *User) *User {
	return t.AddUser(User{
		Name: u.Name, Username: u.Username, Provider: t.s.issuer(u.tenant.ID), ACRS: u.ACRS, CanSatisfy: u.CanSatisfy, SignedInAt: u.SignedInAt, home: u,
	})
}

// AddApp registers an application, which every tenant may consent to.
func (s *Server) AddApp(a App) *App {
	if a.ID == "" {
		a.ID = newGUID()
	}
	if a.Name == "" {
		a.Name = "An application"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[a.ID] = &a
	return &a
}

// Consent grants the application what it asks for in the tenant, as an administrator's consent does.
func (t *Tenant) Consent(appID string) { t.setConsent(appID, true) }

// Withdraw takes consent back. Tokens that are out stay good.
func (t *Tenant) Withdraw(appID string) { t.setConsent(appID, false) }

func (t *Tenant) setConsent(appID string, on bool) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.consents[strings.ToLower(appID)] = on
}

// Consented reports whether the application has consent in the tenant.
func (t *Tenant) Consented(appID string) bool {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.consents[strings.ToLower(appID)]
}

// Admit lets a person of another tenant get tokens here with their refresh token, as GDAP does; Expel ends that.
func (t *Tenant) Admit(u *User) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.guests[u] = true
}

// Expel ends what [Tenant.Admit] began.
func (t *Tenant) Expel(u *User) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	delete(t.guests, u)
}

// Close makes the tenant unknown, as one that was deleted.
func (t *Tenant) Close() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.closed = true
}

// SignIn says who is in front of the browser from now on; nil is nobody.
func (s *Server) SignIn(u *User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.out = u, false
}

// Decline says whether the person in front of the browser says no to what they are asked for.
func (s *Server) Decline(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decline = on
}

// tenant finds a tenant by id or domain, in whatever spelling. A closed one is not found.
func (s *Server) tenant(name string) *Tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findTenant(name)
}

func (s *Server) findTenant(name string) *Tenant {
	for _, t := range s.tenants {
		if !t.closed && (strings.EqualFold(t.ID, name) || strings.EqualFold(t.Domain, name)) {
			return t
		}
	}
	return nil
}

// app finds an application.
func (s *Server) app(id string) *App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apps[strings.ToLower(id)]
}

// user finds a person by object id.
func (s *Server) user(objectID string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tenants {
		for _, u := range t.users {
			if u.ObjectID == objectID {
				return u
			}
		}
	}
	return nil
}

// everybody returns all persons, for the form. Guests choose the account that they have at home.
func (s *Server) everybody() []*User {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*User
	for _, t := range s.tenants {
		for _, u := range t.users {
			if !t.closed && u.home == nil {
				out = append(out, u)
			}
		}
	}
	slices.SortFunc(out, func(a, b *User) int { return strings.Compare(a.Username, b.Username) })
	return out
}

// String names the person.
func (u *User) String() string { return fmt.Sprintf("%s (%s)", u.Name, u.tenant.Name) }
