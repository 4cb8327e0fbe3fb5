package memstore

import (
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
)

type set[K comparable] map[K]struct{}

// index is a map of sets.
type index[K, V comparable] map[K]set[V]

func (x index[K, V]) add(k K, v V) {
	if x[k] == nil {
		x[k] = set[V]{}
	}
	x[k][v] = struct{}{}
}

func (x index[K, V]) remove(k K, v V) {
	if delete(x[k], v); len(x[k]) == 0 {
		delete(x, k)
	}
}

// tenant is what the directory has of one tenant.
type tenant struct {
	id      mspkit.TenantID
	records map[people.Key]people.Record
	people  map[string]people.Person
	photos  map[string]contacts.Photo
	events  []contacts.Event

	of           index[string, people.Key] // records by person
	recordEmails index[string, people.Key]
	emails       index[string, string] // people by what is believed
	phones       index[string, string]
}

func newTenant(id mspkit.TenantID) *tenant {
	return &tenant{
		id: id, records: map[people.Key]people.Record{}, people: map[string]people.Person{}, photos: map[string]contacts.Photo{},
		of: index[string, people.Key]{}, recordEmails: index[string, people.Key]{}, emails: index[string, string]{}, phones: index[string, string]{},
	}
}

func (t *tenant) putRecord(r people.Record) {
	t.dropRecord(r.Key)
	t.records[r.Key] = r
	t.of.add(r.Person, r.Key)
	for _, a := range r.Contact.Emails {
		t.recordEmails.add(a.Value, r.Key)
	}
}

func (t *tenant) dropRecord(k people.Key) {
	r, ok := t.records[k]
	if !ok {
		return
	}
	delete(t.records, k)
	t.of.remove(r.Person, k)
	for _, a := range r.Contact.Emails {
		t.recordEmails.remove(a.Value, k)
	}
}

func (t *tenant) putPerson(p people.Person) {
	id := p.Contact.ID
	t.dropPerson(id)
	t.people[id] = p
	for _, a := range p.Contact.Emails {
		t.emails.add(a.Value, id)
	}
	for _, a := range p.Contact.Phones {
		if a.Value != "" {
			t.phones.add(a.Value, id)
		}
	}
}

func (t *tenant) dropPerson(id string) {
	p, ok := t.people[id]
	if !ok {
		return
	}
	delete(t.people, id)
	for _, a := range p.Contact.Emails {
		t.emails.remove(a.Value, id)
	}
	for _, a := range p.Contact.Phones {
		t.phones.remove(a.Value, id)
	}
}

// write stores a plan and returns what takes it back.
func (t *tenant) write(plan people.Plan, run int64) (undo func()) {
	var steps []func()
	record := func(k people.Key) {
		old, ok := t.records[k]
		steps = append(steps, func() {
			if t.dropRecord(k); ok {
				t.putRecord(old)
			}
		})
	}
	person := func(id string) {
		old, ok := t.people[id]
		photo, pictured := t.photos[id]
		steps = append(steps, func() {
			if t.dropPerson(id); ok {
				t.putPerson(old)
			}
			if pictured {
				t.photos[id] = photo
			}
		})
	}
	for _, r := range plan.Records {
		record(r.Key)
		t.putRecord(r)
	}
	for _, k := range plan.Stamps {
		record(k)
		r := t.records[k]
		r.Run = run
		t.records[k] = r
	}
	for _, p := range plan.People {
		person(p.Contact.ID)
		t.putPerson(p)
	}
	for _, id := range plan.Dropped {
		person(id)
		t.dropPerson(id)
		delete(t.photos, id)
	}
	n := len(t.events)
	for _, e := range plan.Events {
		e.Seq = int64(len(t.events)) + 1
		t.events = append(t.events, e)
	}
	return func() {
		for _, step := range slices.Backward(steps) {
			step()
		}
		clear(t.events[n:])
		t.events = t.events[:n]
	}
}

// state returns what concerns people: with all their records, and who is named as a manager.
func (t *tenant) state(prec contacts.Precedence, folk set[string], p *people.Page) people.State {
	s := people.State{Tenant: t.id, Precedence: prec, Managers: map[people.Key]people.Manager{}}
	for id := range folk {
		if person, ok := t.people[id]; ok {
			s.People = append(s.People, person)
		}
		for k := range t.of[id] {
			s.Records = append(s.Records, t.records[k])
		}
	}
	for _, k := range s.ManagerKeys(p) {
		if r, ok := t.records[k]; ok {
			s.Managers[k] = people.Manager{ID: r.Person, Name: t.people[r.Person].Contact.Name}
		}
	}
	return s
}

// owners returns the people of records.
func (t *tenant) owners(keys []people.Key) set[string] {
	out := set[string]{}
	for _, k := range keys {
		if r, ok := t.records[k]; ok {
			out[r.Person] = struct{}{}
		}
	}
	return out
}

// pageState returns what concerns a page.
func (t *tenant) pageState(prec contacts.Precedence, p *people.Page) people.State {
	folk := t.owners(p.Keys)
	for _, email := range p.Emails {
		for k := range t.recordEmails[email] {
			folk[t.records[k].Person] = struct{}{}
		}
	}
	return t.state(prec, folk, p)
}

// keys returns the records of a source for which ok is true, in order.
func (t *tenant) keys(source string, ok func(people.Record) bool) []people.Key {
	var out []people.Key
	for k, r := range t.records {
		if k.Source == source && ok(r) {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b people.Key) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// contact returns a person as the directory shows them.
func (t *tenant) contact(id string) (contacts.Contact, bool) {
	p, ok := t.people[id]
	if !ok {
		return contacts.Contact{}, false
	}
	c := people.Clone(p.Contact)
	c.Manager = t.records[p.Manager].Person
	return c, true
}
