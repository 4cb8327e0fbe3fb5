package contacts

import (
	"time"

	"github.com/mspkit/mspkit"
)

// Contact is one person of one tenant.
type Contact struct {
	Tenant mspkit.TenantID
	// ID is the host's own id of the person: opaque and stable.
	ID        string
	Name      string
	FirstName string
	LastName  string
	Company   string
	JobTitle  string
	// Locale is a BCP 47 tag such as "de-AT"; empty means the tenant's default.
	Locale string
	Emails []Address
	Phones []Address
	// Enabled is false for somebody who has left.
	Enabled   bool
	ChangedAt time.Time
}

// Address is an e-mail address or a phone number of a contact.
type Address struct {
	// Value is the e-mail address, or the phone number in E.164 form where it is known.
	Value string
	// Raw is the phone number as the source wrote it; empty for e-mail.
	Raw string
	// FirstSeen is when this value was first seen at its source. Zero means unknown, which counts as new.
	FirstSeen time.Time
	// TypedBy is the technician who typed the value by hand; empty where it came from a directory.
	TypedBy string
}
