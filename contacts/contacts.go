package contacts

import (
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// MaxAddresses is the most e-mail addresses, and the most phone numbers, that a contact of a source of this module has.
const MaxAddresses = 100

// Contact is one person of one tenant.
type Contact struct {
	Tenant mspkit.TenantID
	// ID is the host's own id of the person: opaque and stable. A source that has no id of the host's gives one of its
	// own, which is the same in every run.
	ID        string
	Name      string
	FirstName string
	LastName  string
	Company   string
	JobTitle  string
	// Manager is the ID of who the person reports to, as the source has it.
	Manager string
	// Photo is an address or a version of the picture, as the source has it; empty where there is none.
	Photo string
	// Locale is a BCP 47 tag such as "de-AT"; empty means the tenant's default.
	Locale string
	Emails []Address
	Phones []Address
	// Enabled is false for somebody who has left.
	Enabled   bool
	ChangedAt time.Time
	// Sources are the person's ids in other systems, by the name of the system: "entra" is the object id in Microsoft
	// Entra, "connectwise" the contact's id there.
	Sources map[string]string
}

// HasEmail reports whether one of the contact's addresses is email, whatever the case of its ASCII letters: other letters
// that some fold to them make another address.
func (c Contact) HasEmail(email string) bool {
	email = strings.TrimSpace(email)
	for _, a := range c.Emails {
		if email != "" && lower(a.Value) == lower(email) {
			return true
		}
	}
	return false
}

// lower is s with its ASCII letters in lower case.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// HasPhone reports whether one of the contact's numbers is e164, which is a number in E.164 form such as +12025550143.
// Numbers that the source could not bring into that form are never equal to one.
func (c Contact) HasPhone(e164 string) bool {
	for _, a := range c.Phones {
		if e164 != "" && a.Value == e164 {
			return true
		}
	}
	return false
}

// Address is an e-mail address or a phone number of a contact.
type Address struct {
	// Value is the e-mail address, or the phone number in E.164 form. It is empty where the number cannot be read as one
	// that a phone has, or has an extension: Raw is then for people to look at, and nothing is sent to it.
	Value string
	// Raw is the phone number as the source wrote it; empty for e-mail.
	Raw string
	// FirstSeen is when this value was first seen at its source. Zero means unknown, which counts as new.
	FirstSeen time.Time
	// TypedBy is the technician who typed the value by hand; empty where it came from a directory.
	TypedBy string
}
