package people

import (
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// The most runes of what is stored; longer text is cut. It fits into the columns and indexes of every database.
const (
	MaxText  = 256
	MaxPhoto = 1024
	MaxRaw   = cleantext.MaxName
	// MaxHints is how many ids in other systems a source may tell of a person.
	MaxHints = 20
)

// clean returns a contact of a source fit to be stored: text without control characters and of bounded length, canonical
// e-mail addresses only, numbers whose Value is in E.164 form or empty, no address twice. An id that cannot be used is an
// error, as it would be somebody else's if it were changed.
func clean(c contacts.Contact) (contacts.Contact, error) {
	if validID(c.ID) != nil {
		return c, invalid("the source gave a contact whose id %.20q is not 1 to %d bytes of printable text", c.ID, mspkit.MaxID)
	}
	out := contacts.Contact{
		Tenant: c.Tenant, ID: c.ID, Name: text(c.Name), FirstName: text(c.FirstName), LastName: text(c.LastName),
		Company: text(c.Company), JobTitle: text(c.JobTitle), Photo: cleantext.Line(c.Photo, MaxPhoto), Locale: cleantext.Line(c.Locale, MaxRaw),
		Enabled: c.Enabled, ChangedAt: Time(c.ChangedAt),
	}
	if out.Name == "" {
		out.Name = strings.TrimSpace(out.FirstName + " " + out.LastName)
	}
	if validID(c.Manager) == nil {
		out.Manager = c.Manager
	}
	for _, a := range c.Emails {
		v, err := contacts.CanonicalEmail(a.Value)
		if err != nil || out.HasEmail(v) || len(out.Emails) == contacts.MaxAddresses {
			continue
		}
		out.Emails = append(out.Emails, contacts.Address{Value: v, FirstSeen: Time(a.FirstSeen), TypedBy: text(a.TypedBy)})
	}
	for _, a := range c.Phones {
		a = contacts.Address{Value: a.Value, Raw: cleantext.Line(a.Raw, MaxRaw), FirstSeen: Time(a.FirstSeen), TypedBy: text(a.TypedBy)}
		if !E164(a.Value) {
			if a.Raw == "" {
				a.Raw = cleantext.Line(a.Value, MaxRaw)
			}
			a.Value = ""
		}
		if a.Value == "" && a.Raw == "" || find(out.Phones, a) >= 0 || len(out.Phones) == contacts.MaxAddresses {
			continue
		}
		out.Phones = append(out.Phones, a)
	}
	for _, name := range sortedKeys(c.Sources) {
		if len(out.Sources) == MaxHints {
			break
		}
		if id := c.Sources[name]; validID(name) == nil && validID(id) == nil {
			if out.Sources == nil {
				out.Sources = map[string]string{}
			}
			out.Sources[name] = id
		}
	}
	return out, nil
}

func text(s string) string { return cleantext.Line(s, MaxText) }

// E164 reports whether s is +, a country code that does not begin with 0, and 7 to 15 digits in all.
func E164(s string) bool {
	d, ok := strings.CutPrefix(s, "+")
	return ok && len(d) >= 7 && len(d) <= 15 && d[0] != '0' && strings.Trim(d, "0123456789") == ""
}

// find returns where list has the same address as a, or -1. Numbers that cannot be read are the same where they are
// written alike.
func find(list []contacts.Address, a contacts.Address) int {
	for i, b := range list {
		if a.Value == b.Value && (a.Value != "" || a.Raw == b.Raw) {
			return i
		}
	}
	return -1
}
