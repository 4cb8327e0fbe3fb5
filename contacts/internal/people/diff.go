package people

import (
	"maps"
	"strings"

	"github.com/mspkit/mspkit/contacts"
)

// Words of changes.
const (
	aPicture       = "a picture"
	anotherPicture = "another picture"
)

// diff returns what differs between two states of a person, but for whether they are there.
func (w *world) diff(a, b Person) []contacts.Change {
	var out []contacts.Change
	change := func(f contacts.Field, from, to string, differs bool) {
		if differs {
			out = append(out, contacts.Change{Field: f, Old: from, New: to})
		}
	}
	x, y := a.Contact, b.Contact
	change(contacts.FieldName, fullName(x), fullName(y), x.Name != y.Name || x.FirstName != y.FirstName || x.LastName != y.LastName)
	from, to := values(x.Emails), values(y.Emails)
	change(contacts.FieldEmails, from, to, from != to)
	change(contacts.FieldPhones, masked(x.Phones), masked(y.Phones), numbers(x.Phones) != numbers(y.Phones))
	change(contacts.FieldCompany, x.Company, y.Company, x.Company != y.Company)
	change(contacts.FieldJobTitle, x.JobTitle, y.JobTitle, x.JobTitle != y.JobTitle)
	change(contacts.FieldManager, w.managerName(a.Manager), w.managerName(b.Manager), a.Manager != b.Manager)
	change(contacts.FieldPhoto, picture(x.Photo, aPicture), picture(y.Photo, pictureAfter(x.Photo)), x.Photo != y.Photo)
	change(contacts.FieldLocale, x.Locale, y.Locale, x.Locale != y.Locale)
	from, to = sources(x), sources(y)
	change(contacts.FieldSources, from, to, !maps.Equal(x.Sources, y.Sources)) // the same names where only an id is another
	return out
}

// fullName is the name as it is shown, with its parts where these are something else.
func fullName(c contacts.Contact) string {
	parts := strings.TrimSpace(c.FirstName + " " + c.LastName)
	if parts == "" || parts == c.Name {
		return c.Name
	}
	return c.Name + " (" + parts + ")"
}

func values(list []contacts.Address) string {
	out := make([]string, 0, len(list))
	for _, a := range list {
		out = append(out, a.Value)
	}
	return strings.Join(out, ", ")
}

// numbers is what tells two lists of phone numbers apart. How a number that can be read is written does not matter.
func numbers(list []contacts.Address) string {
	var b strings.Builder
	for _, a := range list {
		b.WriteString(a.Value)
		if a.Value == "" {
			b.WriteString("\x00" + a.Raw)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func masked(list []contacts.Address) string {
	out := make([]string, 0, len(list))
	for _, a := range list {
		if a.Value != "" {
			out = append(out, Mask(a.Value))
		} else {
			out = append(out, Mask(a.Raw))
		}
	}
	return strings.Join(out, ", ")
}

// Mask returns a phone number as "…0143": the last four of its digits. What has less than seven shows none.
func Mask(number string) string {
	var digits []byte
	for i := range len(number) {
		if c := number[i]; c >= '0' && c <= '9' {
			digits = append(digits, c)
		}
	}
	if len(digits) < 7 {
		return "…"
	}
	return "…" + string(digits[len(digits)-4:])
}

// managerName is the name of a manager, or the source's id where the directory does not have them.
func (w *world) managerName(k Key) string {
	if m := w.manager(k); m.Name != "" {
		return m.Name
	}
	return k.ID
}

// picture says that there is one: what a source has of it may be an address that opens it.
func picture(photo, word string) string {
	if photo == "" {
		return ""
	}
	return word
}

func pictureAfter(before string) string {
	if before == "" {
		return aPicture
	}
	return anotherPicture
}

func sources(c contacts.Contact) string { return strings.Join(sortedKeys(c.Sources), ", ") }
