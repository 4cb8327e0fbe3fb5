package main

import (
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/verify"
)

// In a real host these come from its own database and ticket system.

const day = 24 * time.Hour

// technician is somebody who works at the helpdesk, and what they may do there now.
type technician struct {
	verify.Technician
	user *entra.User
}

func (t technician) may(p entra.Permission) bool { return t.user.May(p) }

// lead is whether the technician may overrule: freeze, unfreeze, unlock, approve, and end what others began.
func (t technician) lead() bool { return t.may(entra.PermissionVerification) }

// demoClients are the companies that the helpdesk serves in the demonstration; each is a tenant.
var demoClients = map[mspkit.TenantID]string{"contoso": "Contoso", "fabrikam": "Fabrikam"}

// person is a contact with the ticket that is open for them.
type person struct {
	contacts.Contact
	Hint   string // what a player should try with this person
	Ticket mspkit.Ticket
	About  string
	// Teams is who they are in Teams, "tenant id/object id", and empty where nobody knows. Since when it is known matters
	// as it does for a phone number.
	Teams      string
	TeamsSince time.Time
	NoApp      bool // the bot's app is not installed for them
	// Entra is who they are in their own Microsoft 365, "tenant id/object id", for callers who sign in.
	Entra string
}

// Who the clients and their people are in Entra. A host has it from its contacts in Microsoft 365.
const (
	contosoEntra  = "7a1c0d1e-5b0f-4c58-9d0a-3f6a2f1d0c01"
	fabrikamEntra = "b94e6c20-17d8-4b3e-8a65-90c4d2e7fa02"
)

// people returns the contacts as of now, the addresses of dana replaced where a real phone, mailbox or Teams is to be
// used. In a real Teams there are none of the others.
func people(now time.Time, cfg config) []person {
	known := now.Add(-700 * day)
	address := func(v string, seen time.Time) []contacts.Address {
		return []contacts.Address{{Value: v, FirstSeen: seen}}
	}
	ps := []person{
		{Contact: contacts.Contact{
			Tenant: "contoso", ID: "dana", Name: "Dana Whitfield", FirstName: "Dana", JobTitle: "Head of Finance", Locale: "en",
			Emails: address("dana@contoso.example", known), Phones: address("+1 202 555 0143", known),
		}, Hint: "The usual case: Teams on the phone, a number and a mailbox, all known for years.", Ticket: mspkit.Ticket{System: "psa", ID: "4711"}, About: "Cannot sign in after the holidays", Teams: contosoEntra + "/2f6b1c8e-0a4d-4e7b-9c35-61d8f0a2b301"},
		{Contact: contacts.Contact{
			Tenant: "contoso", ID: "lukas", Name: "Lukas Brandt", FirstName: "Lukas", JobTitle: "Vertrieb, Wien", Locale: "de-AT",
			Emails: address("lukas@contoso.example", known), Phones: address("+43 664 5550143", known),
		}, Hint: "Teams is not installed for him: the helpdesk falls back to his phone. He reads German, and so are his messages.", Ticket: mspkit.Ticket{System: "psa", ID: "4712"}, About: "VPN asks for a password again and again", Teams: contosoEntra + "/5d0e9a37-c1f2-4b86-a7d4-08e3b6c9f402", NoApp: true},
		{Contact: contacts.Contact{
			Tenant: "contoso", ID: "mira", Name: "Mira Castellan", FirstName: "Mira", JobTitle: "Office manager", Locale: "en",
			Emails: address("mira@contoso.example", known), Phones: address("+1 202 555 0198", now.Add(-day)),
		}, Hint: "Her phone number was changed yesterday, perhaps by an attacker: it is not good for a password, Teams is.", Ticket: mspkit.Ticket{System: "psa", ID: "4713"}, About: "New phone, wants the password reset", Teams: contosoEntra + "/8e47d2b5-3f90-4a1c-b6e8-5c7a19d0e503"},
		{Contact: contacts.Contact{
			Tenant: "fabrikam", ID: "omar", Name: "Omar Haddad", FirstName: "Omar", JobTitle: "Plant engineer", Locale: "en",
			Emails: address("omar@fabrikam.example", known),
		}, Hint: "Only a mailbox is on record, which is not enough for a password.", Ticket: mspkit.Ticket{System: "psa", ID: "5120"}, About: "Account locked at the shop floor terminal"},
		{Contact: contacts.Contact{
			Tenant: "fabrikam", ID: "ines", Name: "Inês Carvalho", FirstName: "Inês", JobTitle: "Chief executive", Locale: "en",
			Emails: address("ines@fabrikam.example", known), Phones: address("+351 912 345 678", known),
		}, Hint: "The person attackers like to be: she is listed, so a second technician must approve, and that is Sam, the admin.", Ticket: mspkit.Ticket{System: "psa", ID: "5121"}, About: "Lost her authenticator while travelling", Teams: fabrikamEntra + "/c3a8f614-6e2b-4d97-8f01-b2d5e4a7c604"},
	}
	for i := range ps {
		ps[i].Company, ps[i].Enabled, ps[i].TeamsSince = demoClients[ps[i].Tenant], true, known
		if cfg.publicURL == "" { // a phone elsewhere does not reach the Entra that is played here
			ps[i].Entra = ps[i].Teams
		}
		if cfg.realTeams {
			ps[i].Teams = ""
		}
	}
	if cfg.demoEmail != "" {
		ps[0].Emails = address(cfg.demoEmail, known)
	}
	if cfg.demoPhone != "" {
		ps[0].Phones = address(cfg.demoPhone, known)
	}
	if cfg.realTeams {
		ps[0].Teams = cfg.demoTeams
	}
	return ps
}

// subject is the person as package verify wants them: Teams first, then the phone, then the mailbox, and a sign-in last, which
// takes the caller longest.
func (p person) subject() verify.Subject {
	s := verify.Subject{ID: p.ID, Name: p.Name, Company: p.Company, Locale: p.Locale}
	if p.Teams != "" {
		s.Destinations = append(s.Destinations, verify.Destination{Channel: "teams", Address: p.Teams, FirstSeen: p.TeamsSince})
	}
	for _, a := range p.Phones {
		s.Destinations = append(s.Destinations, verify.Destination{Channel: "sms", Address: a.Value, FirstSeen: a.FirstSeen, TypedBy: a.TypedBy})
	}
	for _, a := range p.Emails {
		s.Destinations = append(s.Destinations, verify.Destination{Channel: "email", Address: a.Value, FirstSeen: a.FirstSeen, TypedBy: a.TypedBy})
	}
	if p.Entra != "" {
		s.Destinations = append(s.Destinations, verify.Destination{Channel: "signin", Address: p.Entra, FirstSeen: p.TeamsSince})
	}
	return s
}

// addresses returns everything by which p is reached.
func (p person) addresses() []string {
	var out []string
	for _, d := range p.subject().Destinations {
		out = append(out, d.Address)
	}
	return out
}

// sentBy remembers by what the links of sends went out, until the program ends.
type sentBy struct {
	mu sync.Mutex
	by map[string][]string // by the id of the send
}

func newSentBy() *sentBy { return &sentBy{by: map[string][]string{}} }

func (s *sentBy) went(send, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.by[send], by) {
		s.by[send] = append(s.by[send], by)
	}
}

func (s *sentBy) of(send string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.by[send])
}
