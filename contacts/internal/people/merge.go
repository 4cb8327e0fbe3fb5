package people

import (
	"cmp"
	"maps"
	"slices"

	"github.com/mspkit/mspkit/contacts"
)

// merge returns a person of its records. Somebody whom no source has any more stays as they were, off.
func merge(s State, prev Person, records []*Record) Person {
	var live []*Record
	for _, r := range records {
		if r.Status == Live {
			live = append(live, r)
		}
	}
	if len(live) == 0 {
		if prev.Contact.Tenant != "" {
			prev.Contact.Enabled = false
			return prev
		}
		live = records // separated when it was gone already
	}
	out := Person{Contact: contacts.Contact{Tenant: s.Tenant, ID: prev.Contact.ID, ChangedAt: prev.Contact.ChangedAt, Sources: map[string]string{}}}
	c := &out.Contact
	for _, r := range live {
		if c.Sources[r.Source] == "" {
			c.Sources[r.Source] = r.ID
		}
	}
	believed := func(f contacts.Field, has func(contacts.Contact) bool) (contacts.Contact, string) {
		for _, r := range ranked(s.Precedence, f, live) {
			if has(r.Contact) {
				return r.Contact, r.Source
			}
		}
		return contacts.Contact{}, ""
	}
	name, _ := believed(contacts.FieldName, func(c contacts.Contact) bool { return c.Name != "" })
	c.Name, c.FirstName, c.LastName = name.Name, name.FirstName, name.LastName
	company, _ := believed(contacts.FieldCompany, func(c contacts.Contact) bool { return c.Company != "" })
	title, _ := believed(contacts.FieldJobTitle, func(c contacts.Contact) bool { return c.JobTitle != "" })
	photo, _ := believed(contacts.FieldPhoto, func(c contacts.Contact) bool { return c.Photo != "" })
	locale, _ := believed(contacts.FieldLocale, func(c contacts.Contact) bool { return c.Locale != "" })
	c.Company, c.JobTitle, c.Photo, c.Locale = company.Company, title.JobTitle, photo.Photo, locale.Locale
	if manager, source := believed(contacts.FieldManager, func(c contacts.Contact) bool { return c.Manager != "" }); source != "" {
		out.Manager = Key{source, manager.Manager}
	}
	emails, _ := believed(contacts.FieldEmails, func(c contacts.Contact) bool { return len(c.Emails) > 0 })
	phones, _ := believed(contacts.FieldPhones, func(c contacts.Contact) bool { return len(c.Phones) > 0 })
	var allEmails, allPhones [][]contacts.Address
	for _, r := range live {
		allEmails, allPhones = append(allEmails, r.Contact.Emails), append(allPhones, r.Contact.Phones)
	}
	var marked []contacts.Address
	for _, r := range records {
		marked = append(marked, r.Typed...)
		if r.Status != Live {
			marked = append(marked, typed(contacts.Contact{}, slices.Concat(r.Contact.Emails, r.Contact.Phones))...)
		}
	}
	c.Emails, c.Phones = known(emails.Emails, allEmails, marked), known(phones.Phones, allPhones, marked)
	c.Enabled = live[0].Status == Live && enabled(s.Precedence, records)
	return out
}

// enabled returns what the believed source says. A record that is gone says no where it said so at last, and where its
// source is named in the precedence: somebody whose account was deleted has not come back because the ticket system still
// lists them. A source that an administrator has forgotten says nothing of those who were on.
func enabled(p contacts.Precedence, records []*Record) bool {
	has := map[string]bool{}
	for _, r := range records {
		has[r.Source] = has[r.Source] || r.Status == Live
	}
	for _, r := range ranked(p, contacts.FieldEnabled, records) {
		switch {
		case r.Status == Live:
			return r.Contact.Enabled
		case has[r.Source]: // the source has another record of the same person
		case !r.Contact.Enabled:
			return false
		case r.Status == Gone && rank(p, contacts.FieldEnabled, r.Source) < unnamed:
			return false
		}
	}
	return false
}

const unnamed = 1 << 30

// rank is how much a source is believed; less is more.
func rank(p contacts.Precedence, f contacts.Field, source string) int {
	of := p.Of[f]
	if i := slices.Index(of, source); i >= 0 {
		return i
	}
	if i := slices.Index(p.Default, source); i >= 0 {
		return len(of) + i
	}
	return unnamed
}

// ranked returns records with the one that is believed most first.
func ranked(p contacts.Precedence, f contacts.Field, records []*Record) []*Record {
	if len(records) < 2 { // most people
		return records
	}
	return slices.SortedStableFunc(slices.Values(records), func(a, b *Record) int {
		return cmp.Or(cmp.Compare(rank(p, f, a.Source), rank(p, f, b.Source)), compareKeys(a.Key, b.Key))
	})
}

// sameContact compares all that is stored of a contact.
func sameContact(a, b contacts.Contact) bool {
	return a.Tenant == b.Tenant && a.ID == b.ID && a.Name == b.Name && a.FirstName == b.FirstName && a.LastName == b.LastName &&
		a.Company == b.Company && a.JobTitle == b.JobTitle && a.Manager == b.Manager && a.Photo == b.Photo && a.Locale == b.Locale &&
		a.Enabled == b.Enabled && a.ChangedAt.Equal(b.ChangedAt) && maps.Equal(a.Sources, b.Sources) &&
		sameAddresses(a.Emails, b.Emails) && sameAddresses(a.Phones, b.Phones)
}

func sameRecord(a, b Record) bool {
	return a.Key == b.Key && a.Person == b.Person && a.Status == b.Status && a.Apart == b.Apart && sameContact(a.Contact, b.Contact) &&
		sameAddresses(a.Typed, b.Typed)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
