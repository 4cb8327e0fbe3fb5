package psatest

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mspkit/mspkit/psa"
)

// The identity with which the client under test signs in, as authors of notes.
const (
	OurName = "mspkit bot"
	OurID   = 90
)

// Desk is what is in the fake ticket system. It is safe for concurrent use. Ids are numbers in text, as both vendors have
// them.
type Desk struct {
	mu        sync.Mutex
	now       func() time.Time
	last      int
	companies table[psa.Company]
	contacts  table[psa.Contact]
	tickets   table[ticket]
	inactive  int // contacts
	next      func(own string) string
	options   []option
	times     []TimeEntry
	contactly []ContactNote
	fault     func(Op) Fault
	down      bool
	ops       []Op
	keepOps   bool
}

type ticket struct {
	psa.Ticket
	key   string
	notes []Note
}

type option struct {
	field  psa.Field
	parent string // the id of the value that it belongs to, empty where it stands alone
	psa.Option
}

// Note is a note in a ticket of the desk.
type Note struct {
	ID     string
	Ticket string
	// AuthorID is OurID for what the client under test wrote, another number for a technician, 0 for a contact.
	AuthorID int
	Author   string
	// Text is what a reader sees: a wire format that carries HTML reads it before it stores it.
	Text   string
	Public bool
	// Mailed is true where the system would have mailed the contact.
	Mailed bool
	At     time.Time
}

// ContactNote is a note on a contact.
type ContactNote struct {
	ID, Contact, Text string
	At                time.Time
}

// TimeEntry is working time that was entered.
type TimeEntry struct {
	ID, Ticket string
	psa.TimeEntry
}

// Op is one request to the desk, in words.
type Op struct {
	// Name is for example "add note", "list contacts", "token".
	Name string
	// ID is the record that it is about, where there is one.
	ID           string
	Method, Path string
}

// Fault is how a request goes wrong. The zero value is not at all.
type Fault struct {
	// Status answers with this instead of acting; Header and Body are what comes with it.
	Status int
	Header map[string]string
	Body   string
	// Cut cuts the connection without acting.
	Cut bool
	// Lost acts and cuts the connection without an answer.
	Lost bool
	// Late cuts the connection, or lets the client wait where Hang is set, and acts that much later.
	Late time.Duration
	// Hang keeps the client waiting until it gives up.
	Hang bool
	// Delay waits before acting.
	Delay time.Duration
}

// NewDesk returns a small helpdesk: companies Contoso (12) and Fabrikam (13) with a few contacts and open tickets 4711 and
// 5120, and the options that tickets have. now is the desk's clock; nil is time.Now.
func NewDesk(now func() time.Time) *Desk {
	if now == nil {
		now = time.Now
	}
	d := &Desk{now: now, last: 10000}
	d.PutCompany(psa.Company{ID: "12", Key: "CONTOSO", Name: "Contoso", Domains: []string{"contoso.example"}, Active: true})
	d.PutCompany(psa.Company{ID: "13", Key: "FABRIKAM", Name: "Fabrikam", Domains: []string{"fabrikam.example"}, Active: true})
	d.PutContact(psa.Contact{
		ID: "201", Company: psa.Named{ID: "12", Name: "Contoso"}, FirstName: "Dana", LastName: "Whitfield", Title: "Head of Finance", Active: true,
		Emails: []string{"dana@contoso.example"}, Phones: []psa.Phone{{Raw: "2025550143", Kind: "mobile"}},
		EntraID: "2f6b1c8e-0a4d-4e7b-9c35-61d8f0a2b301",
	})
	d.PutContact(psa.Contact{
		ID: "202", Company: psa.Named{ID: "13", Name: "Fabrikam"}, FirstName: "Omar", LastName: "Haddad", Title: "Plant engineer", Active: true,
		Emails: []string{"omar@fabrikam.example"},
	})
	d.options = []option{
		{psa.FieldQueue, "", psa.Option{Named: psa.Named{ID: "1", Name: "Service Desk"}}},
		{psa.FieldQueue, "", psa.Option{Named: psa.Named{ID: "2", Name: "Projects"}}},
		{psa.FieldQueue, "", psa.Option{Named: psa.Named{ID: "3", Name: "Old board"}, Inactive: true}},
		{psa.FieldStatus, "1", psa.Option{Named: psa.Named{ID: "16", Name: "New"}}},
		{psa.FieldStatus, "1", psa.Option{Named: psa.Named{ID: "17", Name: "In Progress"}}},
		{psa.FieldStatus, "1", psa.Option{Named: psa.Named{ID: "18", Name: "Closed"}, Closed: true}},
		{psa.FieldStatus, "2", psa.Option{Named: psa.Named{ID: "26", Name: "Planned"}}},
		{psa.FieldPriority, "", psa.Option{Named: psa.Named{ID: "4", Name: "Medium"}}},
		{psa.FieldPriority, "", psa.Option{Named: psa.Named{ID: "5", Name: "High"}}},
		{psa.FieldSource, "", psa.Option{Named: psa.Named{ID: "6", Name: "Phone"}}},
		{psa.FieldType, "1", psa.Option{Named: psa.Named{ID: "7", Name: "Security"}}},
		{psa.FieldType, "2", psa.Option{Named: psa.Named{ID: "27", Name: "Rollout"}}},
		{psa.FieldSubType, "7", psa.Option{Named: psa.Named{ID: "8", Name: "Identity"}}},
		{psa.FieldCategory, "8", psa.Option{Named: psa.Named{ID: "9", Name: "Password"}}},
		{psa.FieldAssignee, "", psa.Option{Named: psa.Named{ID: "31", Name: "Jane Doe"}}},
	}
	d.PutTicket(psa.Ticket{ID: "4711", Title: "Cannot sign in after the holidays", Company: psa.Named{ID: "12"}, Contact: psa.Named{ID: "201"}})
	d.PutTicket(psa.Ticket{ID: "5120", Title: "Account locked at the shop floor terminal", Company: psa.Named{ID: "13"}, Contact: psa.Named{ID: "202"}})
	return d
}

// SetFault sets what decides about each request; nil ends it. It is called without a lock and may be called by many
// requests at once.
func (d *Desk) SetFault(f func(Op) Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// SetDown pulls the plug: every request is cut without acting, until it is put back.
func (d *Desk) SetDown(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

// Down reports whether the plug is pulled.
func (d *Desk) Down() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.down
}

// Ops returns the requests since the first call of Ops, which returns none.
func (d *Desk) Ops() []Op {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keepOps = true
	return slices.Clone(d.ops)
}

// NextID returns a new id.
func (d *Desk) NextID() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.nextID()
}

func (d *Desk) nextID() string {
	d.last++
	return strconv.Itoa(d.last)
}

// PutCompany stores c, as changed now where it does not say when.
func (d *Desk) PutCompany(c psa.Company) psa.Company {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.ID == "" {
		c.ID = d.nextID()
	}
	if c.ModifiedAt.IsZero() {
		c.ModifiedAt = d.now()
	}
	d.companies.put(c.ID, &c)
	return c
}

// PutContact stores c, as changed now where it does not say when.
func (d *Desk) PutContact(c psa.Contact) psa.Contact {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.ID == "" {
		c.ID = d.nextID()
	}
	if c.ModifiedAt.IsZero() {
		c.ModifiedAt = d.now()
	}
	if c.Name == "" {
		c.Name = c.FirstName + " " + c.LastName
	}
	if k := d.companies.get(c.Company.ID); k != nil {
		c.Company.Name = k.Name
	}
	d.removed(d.contacts.get(c.ID))
	if !c.Active {
		d.inactive++
	}
	d.contacts.put(c.ID, &c)
	return c
}

// DeleteContact removes a contact.
func (d *Desk) DeleteContact(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removed(d.contacts.get(id))
	d.contacts.remove(id)
}

func (d *Desk) removed(c *psa.Contact) {
	if c != nil && !c.Active {
		d.inactive--
	}
}

// PutTicket stores t, in the first queue and status where it names none.
func (d *Desk) PutTicket(t psa.Ticket) psa.Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.putTicket(t, "")
}

func (d *Desk) putTicket(t psa.Ticket, key string) psa.Ticket {
	if t.ID == "" {
		t.ID = d.nextID()
	}
	if t.Queue.IsZero() {
		t.Queue = psa.Named{ID: "1", Name: "Service Desk"}
	}
	if t.Status.IsZero() {
		t.Status = psa.Named{ID: "16", Name: "New"}
	}
	if c := d.companies.get(t.Company.ID); c != nil {
		t.Company.Name = c.Name
	}
	if c := d.contacts.get(t.Contact.ID); c != nil {
		t.Contact.Name = c.Name
	}
	if t.CreatedAt.IsZero() {
		t.CreatedAt = d.now()
	}
	t.ModifiedAt = d.now()
	old := d.tickets.get(t.ID)
	if old == nil {
		old = &ticket{}
		d.tickets.put(t.ID, old)
	}
	old.Ticket = t
	if key != "" {
		old.key = key
	}
	return t
}

// CloseTicket closes a ticket; into names the one that took it over, or nothing.
func (d *Desk) CloseTicket(id, into string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.tickets.get(id); t != nil {
		t.Closed, t.MergedInto, t.Status = true, into, psa.Named{ID: "18", Name: "Closed"}
	}
}

// Write adds a note as somebody else would: a technician (authorID 31) or a contact (0).
func (d *Desk) Write(ticketID string, authorID int, author, text string, public bool) (Note, error) {
	return d.addNote(Note{Ticket: ticketID, AuthorID: authorID, Author: author, Text: text, Public: public})
}

func (d *Desk) addNote(n Note) (Note, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tickets.get(n.Ticket)
	if t == nil {
		return Note{}, fmt.Errorf("psatest: there is no ticket %q", n.Ticket)
	}
	n.ID, n.At = d.nextID(), d.now()
	t.notes = append(t.notes, n)
	return n, nil
}

// Notes returns the notes of a ticket, oldest first.
func (d *Desk) Notes(ticketID string) []Note {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.tickets.get(ticketID); t != nil {
		return slices.Clone(t.notes)
	}
	return nil
}

// ContactNotes returns the notes on contacts, oldest first.
func (d *Desk) ContactNotes() []ContactNote {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.contactly)
}

// Times returns the working time that was entered.
func (d *Desk) Times() []TimeEntry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.times)
}

// Ticket returns a ticket.
func (d *Desk) Ticket(id string) (psa.Ticket, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.tickets.get(id); t != nil {
		return t.Ticket, true
	}
	return psa.Ticket{}, false
}

// Tickets returns all tickets by id.
func (d *Desk) Tickets() []psa.Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]psa.Ticket, 0, len(d.tickets.ids))
	for _, id := range d.tickets.ids {
		out = append(out, d.tickets.get(id).Ticket)
	}
	return out
}

// Contacts returns all contacts by id.
func (d *Desk) Contacts() []psa.Contact {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.contacts.all()
}

// Companies returns all companies by id.
func (d *Desk) Companies() []psa.Company {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.companies.all()
}

// Options returns the values of a field below a parent.
func (d *Desk) Options(f psa.Field, parent string) []psa.Option {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []psa.Option
	for _, o := range d.options {
		if o.field == f && (o.parent == "" || o.parent == parent) {
			out = append(out, o.Option)
		}
	}
	return out
}
