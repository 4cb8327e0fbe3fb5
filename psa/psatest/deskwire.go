package psatest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit/psa"
)

// The errors of what a wire format does at the desk. Each format tells them in its own way.
var (
	errNoRecord = errors.New("psatest: there is no such record")
	errNoOption = errors.New("psatest: there is no such value")
)

// filter chooses contacts or companies as the wire formats do.
type filter struct {
	// After is the id after which the page begins, Offset how many matching ones it leaves out beyond that. The first
	// drifts never, the second whenever something before the page goes or comes.
	After  string
	Offset int
	// Limit is the most of a page.
	Limit int
	// Count has all that match counted.
	Count bool
	// Company restricts contacts to one company.
	Company string
	// Since leaves out what did not change after it.
	Since time.Time
	// Inactive keeps those who are not active.
	Inactive bool
}

// contactPage returns a page of contacts by id, and how many there are in all where that is asked for.
func (d *Desk) contactPage(f filter) (items []psa.Contact, total int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	match := func(c *psa.Contact) bool {
		return (f.Inactive || c.Active) && (f.Company == "" || c.Company.ID == f.Company) && (f.Since.IsZero() || c.ModifiedAt.After(f.Since))
	}
	if (f.Inactive || d.inactive == 0) && f.Company == "" && f.Since.IsZero() {
		match = nil
	}
	return d.contacts.page(f.After, f.Offset, f.Limit, f.Count, match)
}

// companyPage is contactPage for companies.
func (d *Desk) companyPage(f filter) (items []psa.Company, total int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.companies.page(f.After, f.Offset, f.Limit, f.Count, func(c *psa.Company) bool {
		return (f.Inactive || c.Active) && (f.Since.IsZero() || c.ModifiedAt.After(f.Since))
	})
}

// findContacts returns the contacts that match, by id, at most limit.
func (d *Desk) findContacts(limit int, match func(*psa.Contact) bool) []psa.Contact {
	d.mu.Lock()
	defer d.mu.Unlock()
	items, _ := d.contacts.page("", 0, limit, false, match)
	return items
}

// contact returns one contact.
func (d *Desk) contact(id string) (psa.Contact, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.contacts.get(id); c != nil {
		return *c, true
	}
	return psa.Contact{}, false
}

// company returns one company.
func (d *Desk) company(id string) (psa.Company, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.companies.get(id); c != nil {
		return *c, true
	}
	return psa.Company{}, false
}

// ticketByKey returns the ticket of a company that was created with a key. The empty key finds nothing.
func (d *Desk) ticketByKey(companyID, key string) (psa.Ticket, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if key != "" {
		for _, id := range d.tickets.ids {
			if t := d.tickets.get(id); t.key == key && t.Company.ID == companyID {
				return t.Ticket, true
			}
		}
	}
	return psa.Ticket{}, false
}

// ticketKey returns the key with which a ticket was created.
func (d *Desk) ticketKey(id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.tickets.get(id); t != nil {
		return t.key
	}
	return ""
}

// createTicket creates a ticket, marked with key where that is not empty. It does not look for the key: a system that
// forbids two of one key asks ticketByKey first. text is the description: where it is not empty it becomes the first note,
// by us.
func (d *Desk) createTicket(t psa.Ticket, key, text string, public bool) psa.Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.ID = "" // new
	t = d.putTicket(t, key)
	if text != "" {
		n := Note{ID: d.nextID(), Ticket: t.ID, AuthorID: OurID, Author: OurName, Text: text, Public: public, At: d.now()}
		d.tickets.get(t.ID).notes = append(d.tickets.get(t.ID).notes, n)
	}
	return t
}

// resolve finds the value of a field by id, or by name where the id is empty, among those below parent.
func (d *Desk) resolve(f psa.Field, parent string, n psa.Named) (psa.Option, bool) {
	for _, o := range d.Options(f, parent) {
		if n.ID != "" && o.ID == n.ID || n.ID == "" && strings.EqualFold(o.Name, n.Name) {
			return o, true
		}
	}
	return psa.Option{}, false
}

// setStatus gives a ticket a status of its queue, by id or by name; a status of closed tickets closes it, another one
// opens it again.
func (d *Desk) setStatus(ticketID string, status psa.Named) (psa.Ticket, error) {
	t, ok := d.Ticket(ticketID)
	if !ok {
		return psa.Ticket{}, fmt.Errorf("%w: ticket %q", errNoRecord, ticketID)
	}
	o, ok := d.resolve(psa.FieldStatus, t.Queue.ID, status)
	if !ok {
		return psa.Ticket{}, fmt.Errorf("%w: status %q", errNoOption, status)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.tickets.get(ticketID)
	known.Status, known.Closed, known.ModifiedAt = o.Named, o.Closed, d.now()
	return known.Ticket, nil
}

// addContactNote adds a note to a contact.
func (d *Desk) addContactNote(contactID, text string) (ContactNote, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.contacts.get(contactID) == nil {
		return ContactNote{}, fmt.Errorf("%w: contact %q", errNoRecord, contactID)
	}
	n := ContactNote{ID: d.nextID(), Contact: contactID, Text: text, At: d.now()}
	d.contactly = append(d.contactly, n)
	return n, nil
}

// logTime enters working time on a ticket.
func (d *Desk) logTime(ticketID string, e psa.TimeEntry) (TimeEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tickets.get(ticketID) == nil {
		return TimeEntry{}, fmt.Errorf("%w: ticket %q", errNoRecord, ticketID)
	}
	out := TimeEntry{ID: d.nextID(), Ticket: ticketID, TimeEntry: e}
	d.times = append(d.times, out)
	return out, nil
}

// SetNext has the desk name the next page otherwise than it is: own is the address that the wire format would give, and
// what f returns is what it gives instead. nil ends it. Formats without addresses of pages do not ask.
func (d *Desk) SetNext(f func(own string) string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = f
}

// nextPage is the address of the next page to give, where own is the true one.
func (d *Desk) nextPage(own string) string {
	d.mu.Lock()
	f := d.next
	d.mu.Unlock()
	if f == nil {
		return own
	}
	return f(own)
}
