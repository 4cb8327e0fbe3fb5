package people

import (
	"maps"
	"slices"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

// InQuestion reports whether the addresses of a record say something of who is who: it is live, enabled, and nobody has
// separated it.
func (r Record) InQuestion() bool { return r.Status == Live && r.Contact.Enabled && !r.Apart }

// Holding is an address that a person has by a record that is in question.
type Holding struct{ Email, Person string }

// Conflicts returns the addresses that more than one person has.
func Conflicts(tenant mspkit.TenantID, list []Holding) []contacts.Conflict {
	of := map[string]map[string]bool{}
	for _, h := range list {
		if of[h.Email] == nil {
			of[h.Email] = map[string]bool{}
		}
		of[h.Email][h.Person] = true
	}
	var out []contacts.Conflict
	for _, email := range slices.Sorted(maps.Keys(of)) {
		if len(of[email]) > 1 {
			out = append(out, contacts.Conflict{Tenant: tenant, Email: email, Contacts: slices.Sorted(maps.Keys(of[email]))})
		}
	}
	return out
}
