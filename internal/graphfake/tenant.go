package graphfake

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Tenant is one of Microsoft 365. [Server.AddTenant] makes it.
type Tenant struct {
	// ID is the tenant's GUID in lower case, Domain its verified default domain.
	ID, Name, Domain string

	s      *Server
	mu     sync.RWMutex
	people population     // slots 0 to people.n-1, unless overlaid
	over   map[int]*entry // people who were changed, by slot
	extra  []*entry       // slots from people.n
	byID   map[string]int // ids of extra
	byName map[string]int // sign-in names and addresses of over and extra
	log    []change       // what happened to users, in order; a position in it is a time
	quirks Quirks
	epoch  int    // delta links of earlier ones are dead
	gone   string // the code that dead links get

	revoked, denied bool
	tokenError      int

	org   orgStore
	boxes map[string]*mailbox // by user id
	sent  []Mail
	// scope, where it is not nil, are the ids of the mailboxes that the application may use.
	scope map[string]bool
	// sendAs are further addresses that a mailbox may send from, in lower case.
	sendAs map[string][]string

	partner  partner
	installs installs
	catalog  catalog
	policies teamsPolicies

	subs  subscriptions
	chats chats
	// hosted are the pictures within messages, by their ids.
	hosted map[string]hosted
}

// entry is a user that is kept.
type entry struct {
	u User
	// removed is "changed" after a deletion that can be undone, "deleted" after one that cannot.
	removed string
}

// change is one thing that happened.
type change struct {
	slot   int
	mask   uint32
	before string // the manager before, where that has changed
}

// Quirks are what delta pages may do and seldom do.
type Quirks struct {
	// RemovedFirst tells of removed users in the first round too.
	RemovedFirst bool
	// EmptyPages puts an empty page with a nextLink after every page.
	EmptyPages bool
	// Repeat gives the last item of a page again as the first of the next.
	Repeat bool
	// WholeItems gives changed users with every property that is tracked, rather than with those that have changed.
	WholeItems bool
	// Nulls gives properties without a value as null in the first round too, rather than leaving them out.
	Nulls bool
}

func newTenant(s *Server, id, name, domain string) *Tenant {
	if domain == "" {
		domain = "tenant-" + id[:min(8, len(id))] + ".example"
	}
	if name == "" {
		name = domain
	}
	return &Tenant{
		ID: id, Name: name, Domain: domain, s: s, over: map[int]*entry{}, byID: map[string]int{}, byName: map[string]int{},
		boxes: map[string]*mailbox{},
	}
}

// SetQuirks changes how delta pages look from now on.
func (t *Tenant) SetQuirks(q Quirks) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.quirks = q
}

// ExpireDelta lets all links to pages and changes die: they are answered 410 with the code given, "syncStateNotFound" where
// it is empty, or "resyncRequired".
func (t *Tenant) ExpireDelta(code string) {
	if code == "" {
		code = "syncStateNotFound"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch++
	t.gone = code
}

// Revoke withdraws the consent: the application has no identity in the tenant any more. Graph answers 401 to tokens that are still
// good, the token endpoint AADSTS65001 to a refresh token and AADSTS700016 to an application of its own.
func (t *Tenant) Revoke() { t.set(func() { t.revoked = true }) }

// Deny takes the permissions away: tokens are given, and Graph answers 403.
func (t *Tenant) Deny() { t.set(func() { t.denied = true }) }

// Restore takes Revoke and Deny back.
func (t *Tenant) Restore() { t.set(func() { t.revoked, t.denied = false, false }) }

// SetTokenError makes the token endpoint answer with an AADSTS number, such as 53003; 0 ends that.
func (t *Tenant) SetTokenError(aadsts int) { t.set(func() { t.tokenError = aadsts }) }

func (t *Tenant) set(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

// access says why a token that is good opens nothing here.
func (t *Tenant) access(g grant) *apiError {
	t.mu.RLock()
	revoked, refused := t.revoked, t.denied
	t.mu.RUnlock()
	switch {
	case revoked:
		return fail(http.StatusUnauthorized, "Authorization_IdentityNotFound", "The application has no identity in this tenant.")
	case refused:
		return denied()
	case g.home != "" && len(t.delegated(g)) == 0:
		return fail(http.StatusForbidden, "Authorization_RequestDenied", "User was not found.") // the relationship has ended meanwhile
	}
	return nil
}

// delegated are the relationships by which a partner's user is here.
func (t *Tenant) delegated(g grant) []Relationship {
	if home := t.s.Tenant(g.home); home != nil {
		return home.works(t.ID)
	}
	return nil
}

// Put adds a user, or replaces the one with the same id, and returns its id. A user that was deleted is restored.
func (t *Tenant) Put(u User) string {
	c := u.clone()
	if c.ID == "" {
		c.ID = newID()
	}
	c.ID = strings.ToLower(c.ID)
	if c.UPN == "" {
		if c.UPN = c.Mail; c.UPN == "" {
			c.UPN = c.ID + "@" + t.Domain
		}
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = t.s.o.Now()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	slot, ok := t.slot(c.ID)
	if !ok {
		slot = t.people.n + len(t.extra)
		t.extra = append(t.extra, &entry{u: *c})
		t.byID[c.ID] = slot
		t.index(slot, c)
		t.note(slot, bitAll, "")
		return c.ID
	}
	old, removed := t.at(slot)
	mask := bitAll
	if removed == "" {
		mask = changes(&old, c)
	}
	t.store(slot, c, "")
	t.note(slot, mask, old.ManagerID)
	return c.ID
}

// Update changes a user; it reports whether there is one. The id stays, and so does the photo of somebody made up unless f sets
// another.
func (t *Tenant) Update(id string, f func(*User)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot, ok := t.find(id)
	if !ok {
		return false
	}
	old, _ := t.at(slot)
	c := old.clone()
	f(c)
	c.ID = old.ID
	mask := changes(&old, c)
	t.store(slot, c, "")
	if mask != 0 {
		t.note(slot, mask, old.ManagerID)
	}
	return true
}

// Delete removes a user, for good or so that it can be restored for 30 days. It reports whether there is one.
func (t *Tenant) Delete(id string, permanent bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot, ok := t.slot(strings.ToLower(id))
	if !ok {
		return false
	}
	u, removed := t.at(slot)
	if removed == "deleted" || removed == "changed" && !permanent {
		return false
	}
	reason := "changed"
	if permanent {
		reason = "deleted"
	}
	t.store(slot, u.clone(), reason)
	t.note(slot, bitAll, "")
	return true
}

// User returns a user by id or sign-in name.
func (t *Tenant) User(id string) (User, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	slot, ok := t.find(id)
	if !ok {
		return User{}, false
	}
	u, _ := t.at(slot)
	u.Photo = t.drawn(slot, u.Photo)
	return *u.clone(), true
}

// Users returns everybody who is there, in the order of listing. Photos of people whom [Tenant.Seed] made up are in
// [Tenant.User] only.
func (t *Tenant) Users() []User {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]User, 0, t.slots())
	for i := range t.slots() {
		if u, removed := t.at(i); removed == "" {
			if len(u.Photo) > 0 && &u.Photo[0] == &madeUp[0] {
				u.Photo = nil
			}
			out = append(out, *u.clone())
		}
	}
	return out
}

// slots is how many there are or were.
func (t *Tenant) slots() int { return t.people.n + len(t.extra) }

// at returns the user of a slot. What is in it belongs to the tenant.
func (t *Tenant) at(slot int) (User, string) {
	if slot >= t.people.n {
		e := t.extra[slot-t.people.n]
		return e.u, e.removed
	}
	if e := t.over[slot]; e != nil {
		return e.u, e.removed
	}
	return t.people.user(slot), ""
}

// slot finds whoever is or was there by id.
func (t *Tenant) slot(id string) (int, bool) {
	if slot, ok := t.byID[id]; ok {
		return slot, true
	}
	return t.people.slot(id)
}

// find finds who is there by id or sign-in name.
func (t *Tenant) find(id string) (int, bool) {
	id = strings.ToLower(id)
	slot, ok := t.slot(id)
	if !ok {
		if slot, ok = t.byName[id]; !ok {
			slot, ok = t.people.named(id)
		}
		if !ok {
			return 0, false
		}
		if u, _ := t.at(slot); !strings.EqualFold(u.UPN, id) && !strings.EqualFold(u.Mail, id) {
			return 0, false // it has another name now
		}
	}
	_, removed := t.at(slot)
	return slot, removed == ""
}

func (t *Tenant) store(slot int, u *User, removed string) {
	e := &entry{u: *u, removed: removed}
	if slot >= t.people.n {
		t.extra[slot-t.people.n] = e
	} else {
		t.over[slot] = e
	}
	t.index(slot, u)
}

// index lets names find a slot. Old names stay and are checked by find.
func (t *Tenant) index(slot int, u *User) {
	for _, name := range []string{u.UPN, u.Mail} {
		if name != "" {
			t.byName[strings.ToLower(name)] = slot
		}
	}
}

// note writes a change down.
func (t *Tenant) note(slot int, mask uint32, before string) {
	t.log = append(t.log, change{slot, mask, before})
}

// derivedID makes a GUID of a text.
func derivedID(s string) string {
	sum := sha256.Sum256([]byte(s))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (c *call) organization() *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	org := map[string]any{
		"id": c.t.ID, "displayName": c.t.Name, "tenantType": "AAD", "countryLetterCode": "US", "preferredLanguage": "en",
		"createdDateTime": "2020-01-01T00:00:00Z", "businessPhones": []string{}, "technicalNotificationMails": []string{},
		"onPremisesSyncEnabled": nil, "city": nil, "country": nil, "postalCode": nil, "state": nil, "street": nil,
		"verifiedDomains": []any{
			map[string]any{"name": c.t.Domain, "isDefault": true, "isInitial": false, "type": "Managed", "capabilities": "Email"},
			map[string]any{"name": c.t.ID[:8] + ".onmicrosoft.example", "isDefault": false, "isInitial": true, "type": "Managed", "capabilities": "Email"},
		},
	}
	item, e := c.choose(org)
	if e != nil {
		return e
	}
	return c.list("organization", []any{item})
}

// choose applies $select to an object that has every property.
func (c *call) choose(m map[string]any) (map[string]any, *apiError) {
	sel, ok := c.q["$select"]
	if !ok {
		return m, nil
	}
	out := map[string]any{}
	for name := range strings.SplitSeq(sel[0], ",") {
		name = strings.TrimSpace(name)
		v, ok := m[name]
		if !ok {
			return nil, badRequest("Could not find a property named '%s'.", name)
		}
		out[name] = v
	}
	if id, ok := m["id"]; ok {
		out["id"] = id
	}
	return out, nil
}

// rfc3339 is a time of Graph.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }
