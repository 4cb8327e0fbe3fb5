package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/verify"
)

// In a real host these come from its own database and ticket system.

const day = 24 * time.Hour

// technician is somebody who works at the helpdesk.
type technician struct {
	verify.Technician
	Role string
	Lead bool // may freeze, unfreeze, unlock and cancel what others began
}

var technicians = []technician{
	{verify.Technician{ID: "jane", Name: "Jane Doe"}, "Technician", false},
	{verify.Technician{ID: "sam", Name: "Sam Okafor"}, "Team lead", true},
}

func technicianByID(id string) (technician, bool) {
	i := slices.IndexFunc(technicians, func(t technician) bool { return t.ID == id })
	if i < 0 {
		return technician{}, false
	}
	return technicians[i], true
}

// clients are the companies that the helpdesk serves; each is a tenant.
var clients = map[mspkit.TenantID]string{"contoso": "Contoso", "fabrikam": "Fabrikam"}

// person is a contact with the ticket that is open for them.
type person struct {
	contacts.Contact
	Hint   string // what a player should try with this person
	Ticket mspkit.Ticket
	About  string
}

// people returns the contacts as of now, the addresses of dana replaced where a real phone or mailbox is to be used.
func people(now time.Time, email, phone string) []person {
	known := now.Add(-700 * day)
	address := func(v string, seen time.Time) []contacts.Address {
		return []contacts.Address{{Value: v, FirstSeen: seen}}
	}
	ps := []person{
		{contacts.Contact{
			Tenant: "contoso", ID: "dana", Name: "Dana Whitfield", FirstName: "Dana", JobTitle: "Head of Finance", Locale: "en",
			Emails: address("dana@contoso.example", known), Phones: address("+1 202 555 0143", known),
		}, "The usual case: known for years, phone and mailbox on record.", mspkit.Ticket{System: "psa", ID: "4711"}, "Cannot sign in after the holidays"},
		{contacts.Contact{
			Tenant: "contoso", ID: "lukas", Name: "Lukas Brandt", FirstName: "Lukas", JobTitle: "Vertrieb, Wien", Locale: "de-AT",
			Emails: address("lukas@contoso.example", known), Phones: address("+43 664 5550143", known),
		}, "Reads German: messages and pages follow the contact.", mspkit.Ticket{System: "psa", ID: "4712"}, "VPN asks for a password again and again"},
		{contacts.Contact{
			Tenant: "contoso", ID: "mira", Name: "Mira Castellan", FirstName: "Mira", JobTitle: "Office manager", Locale: "en",
			Emails: address("mira@contoso.example", known), Phones: address("+1 202 555 0198", now.Add(-day)),
		}, "Her phone number was changed yesterday. An attacker may have done that.", mspkit.Ticket{System: "psa", ID: "4713"}, "New phone, wants the password reset"},
		{contacts.Contact{
			Tenant: "fabrikam", ID: "omar", Name: "Omar Haddad", FirstName: "Omar", JobTitle: "Plant engineer", Locale: "en",
			Emails: address("omar@fabrikam.example", known),
		}, "Only a mailbox is on record, which is not enough for a password.", mspkit.Ticket{System: "psa", ID: "5120"}, "Account locked at the shop floor terminal"},
		{contacts.Contact{
			Tenant: "fabrikam", ID: "ines", Name: "Inês Carvalho", FirstName: "Inês", JobTitle: "Chief executive", Locale: "en",
			Emails: address("ines@fabrikam.example", known), Phones: address("+351 912 345 678", known),
		}, "The person attackers like to be.", mspkit.Ticket{System: "psa", ID: "5121"}, "Lost her authenticator while travelling"},
	}
	for i := range ps {
		ps[i].Company, ps[i].Enabled = clients[ps[i].Tenant], true
	}
	if email != "" {
		ps[0].Emails = address(email, known)
	}
	if phone != "" {
		ps[0].Phones = address(phone, known)
	}
	return ps
}

// subject is the person as package verify wants them: the phone first, then the mailbox.
func (p person) subject() verify.Subject {
	s := verify.Subject{ID: p.ID, Name: p.Name, Company: p.Company, Locale: p.Locale}
	for _, a := range p.Phones {
		s.Destinations = append(s.Destinations, verify.Destination{Channel: "sms", Address: a.Value, FirstSeen: a.FirstSeen, TypedBy: a.TypedBy})
	}
	for _, a := range p.Emails {
		s.Destinations = append(s.Destinations, verify.Destination{Channel: "email", Address: a.Value, FirstSeen: a.FirstSeen, TypedBy: a.TypedBy})
	}
	return s
}

// noter is a ticket system that forgets everything when the program ends.
type noter struct {
	mu    sync.Mutex
	notes []note
	keys  map[string]bool
	now   func() time.Time
}

type note struct {
	ref psa.TicketRef
	psa.Note
	at    time.Time
	alert bool
}

var _ psa.TicketNoter = (*noter)(nil)

// AddNote keeps a note once per key, as psa.TicketNoter asks.
func (n *noter) AddNote(_ context.Context, ref psa.TicketRef, nt psa.Note) (string, error) {
	if err := ref.Validate(); err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.keys[nt.Key] {
		return nt.Key, nil
	}
	n.keys[nt.Key] = true
	n.notes = append(n.notes, note{ref, nt, n.now(), strings.HasPrefix(nt.Title, "ALERT")})
	return nt.Key, nil
}

func (n *noter) of(ref psa.TicketRef) []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []note
	for _, nt := range slices.Backward(n.notes) {
		if nt.ref == ref {
			out = append(out, nt)
		}
	}
	return out
}
