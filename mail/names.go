package mail

import (
	"slices"
	"time"

	"github.com/mspkit/mspkit"
)

// The templates. Each is three files, <locale>/<name>.subject.txt, <name>.text.txt and <name>.html, around
// which layout.html is laid. The name is also the [Message.Kind] by which a [Router] finds the mailer.
const (
	// VerificationCode carries a code that the recipient reads to the helpdesk that they called.
	VerificationCode = "verification-code"
	// VerificationLink carries a link to a page on which the recipient types the number that the technician says.
	VerificationLink = "verification-link"
	// TechnicianLink carries a link to a page on which the recipient makes sure who the technician is.
	TechnicianLink = "technician-link"
	// SecurityNotice tells the recipient of a change to what they verify with. It has neither code nor link.
	SecurityNotice = "security-notice"
	// OptIn asks a contact to agree that they are reached and verified by text message or chat. The link leads to a page
	// on which they say yes or no.
	OptIn = "opt-in"
	// SecureData carries a link to something that is destroyed once it was read.
	SecureData = "secure-data"
	// PortalInvitation invites an end user to the customer portal.
	PortalInvitation = "portal-invitation"
	// TechnicianInvitation invites somebody to work in the helpdesk.
	TechnicianInvitation = "technician-invitation"
	// PasswordReset carries a link to a page on which an end user or technician chooses a new password.
	PasswordReset = "password-reset"
	// Notification tells a technician or manager of something, such as that somebody left a client.
	Notification = "notification"
)

// Kinds of mail that package sendvia writes with the tenant's own words and not with a template.
const (
	KindSecureRequest = "secure-request"
	KindSecureCode    = "secure-code"
)

// names are all templates in the order in which a person reads of them.
var names = []string{
	OptIn, VerificationCode, VerificationLink, TechnicianLink, SecurityNotice, SecureData, PortalInvitation, TechnicianInvitation,
	PasswordReset, Notification,
}

// spec is what a template needs.
type spec struct {
	shows   string  // the placeholder that text and HTML must show, and that no subject may
	expires bool    // Data.Expires is required
	choice  *choice // the field that has one of a few values
	verify  bool    // package verify cannot work without it
}

// choice is a field of [Data] that must have one of a few values.
type choice struct {
	field string
	all   func() []string
	in    func(*Data) *string
}

var specs = map[string]spec{
	VerificationCode:     {shows: "Code", expires: true, verify: true},
	VerificationLink:     {shows: "Link", expires: true, verify: true},
	TechnicianLink:       {shows: "Link", expires: true, verify: true},
	SecurityNotice:       {shows: "Time", choice: &choice{"Change", Changes, func(d *Data) *string { return &d.Change }}, verify: true},
	OptIn:                {shows: "Link", expires: true, choice: &choice{"Consent", Consents, func(d *Data) *string { return &d.Consent }}},
	SecureData:           {shows: "Link"},
	PortalInvitation:     {shows: "Link", expires: true},
	TechnicianInvitation: {shows: "Link", expires: true},
	PasswordReset:        {shows: "Link", expires: true, choice: &choice{"Account", Accounts, func(d *Data) *string { return &d.Account }}},
	Notification:         {shows: "Lines"},
}

// Names returns the names of all templates.
func (t *Templates) Names() []string { return slices.Clone(names) }

// trials returns what a template is tried with at start: everything and as little as possible, for each of its choices.
func trials(name string) []Data {
	s := specs[name]
	full := Data{
		Brand: mspkit.Brand{Name: "Sample IT", Color: "#123456", Phone: "+1 555 0100", Site: "https://it.sample.example"},
		Name:  "Sample Person", Company: "Sample Company", Technician: "Sample Technician", Ticket: "4711", Action: "sample action",
		Expires: 5 * time.Minute, Number: "+1 555 0100", Role: "Sample Role", At: time.Unix(1e9, 0), Left: 7,
	}
	least := Data{Brand: mspkit.Brand{Name: "Sample IT"}}
	if s.expires {
		least.Expires = time.Minute
	}
	link := mspkit.Redact("https://verify.sample.example/v/abc?a=1&b=2#xyz")
	switch s.shows {
	case "Code":
		full.Code = mspkit.Redact("123456")
		least.Code = full.Code
	case "Link":
		full.Link, least.Link = link, link
	case "Time":
		least.At = full.At
	case "Lines":
		full.Heading, full.Lines, full.Link = "Sample heading", []string{"First sample line.", "Second sample line."}, link
		least.Heading, least.Lines = "Sample heading", []string{"Only sample line."}
	}
	if s.choice == nil {
		return []Data{full, least}
	}
	var out []Data
	for _, value := range s.choice.all() {
		for _, d := range []Data{full, least} {
			*s.choice.in(&d) = value
			out = append(out, d)
		}
	}
	return out
}
