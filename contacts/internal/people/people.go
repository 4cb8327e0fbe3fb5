package people

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

// Key names a record of a tenant.
type Key struct{ Source, ID string }

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
}

// Status says whether a source still has a record. The values are stored.
type Status uint8

// The states of a record.
const (
	// Live means that the source has it.
	Live Status = iota
	// Gone means that the source said that it has it no more.
	Gone
	// Forgotten means that the whole source was forgotten.
	Forgotten
)

// Record is what one source has, or had, of one person.
type Record struct {
	Key
	// Person is the ID in the directory.
	Person string
	Status Status
	// Apart is true where an administrator has separated the record: it is never linked by e-mail address.
	Apart bool
	// Run is the run of the source that told of it last.
	Run int64
	// Contact is what the source said last, made fit to be stored; ID is the source's, Manager the source's id of the manager.
	// FirstSeen and TypedBy of its addresses are the directory's own.
	Contact contacts.Contact
	// Typed are addresses that were typed by hand and that the source does not tell at present. They are remembered, so that
	// one that comes back, or comes late, is still known as typed.
	Typed []contacts.Address
}

// Person is somebody in the directory.
type Person struct {
	// Contact has the directory's ID. Its Manager is empty where it is stored: it is resolved where it is read, by Manager.
	Contact contacts.Contact
	// Manager is the record of who the person reports to, which the directory need not have; zero where there is none.
	Manager Key
}

// Manager is somebody who is named as a manager and in the directory.
type Manager struct{ ID, Name string }

// State is the part of a tenant that a change concerns. People and Records are complete for each other: for each record
// its person, for each person all records, gone ones, too.
type State struct {
	Tenant     mspkit.TenantID
	Precedence contacts.Precedence
	Records    []Record
	People     []Person
	// Managers are whom [State.ManagerKeys] names, as far as they are in the directory.
	Managers map[Key]Manager
}

// manager returns who has a record, the zero Manager where nobody has.
func (w *world) manager(k Key) Manager {
	r := w.records[k]
	if r == nil {
		return w.Managers[k]
	}
	if p := w.people[r.Person]; p != nil {
		return Manager{ID: r.Person, Name: p.Contact.Name}
	}
	return Manager{ID: r.Person, Name: r.Contact.Name}
}

// ManagerKeys returns the records that State.Managers has to have for this state and a page, which may be nil.
func (s State) ManagerKeys(p *Page) []Key {
	keys := map[Key]bool{}
	add := func(source, id string) {
		if id != "" {
			keys[Key{source, id}] = true
		}
	}
	for _, r := range s.Records {
		add(r.Source, r.Contact.Manager)
	}
	for _, p := range s.People {
		add(p.Manager.Source, p.Manager.ID)
	}
	if p != nil {
		for _, c := range p.contacts {
			add(p.source, c.Manager)
		}
	}
	return slices.SortedFunc(maps.Keys(keys), compareKeys)
}

// Plan is what is to be stored.
type Plan struct {
	// Records are new or replaced as a whole.
	Records []Record
	// Stamps are records of which nothing but the Run changes, to that of the page.
	Stamps []Key
	// People are new or replaced as a whole.
	People []Person
	// Dropped are people who are part of another one now: they and their pictures are deleted, their events stay.
	Dropped []string
	// Events are in order; Seq is to be set.
	Events []contacts.Event
	// Joined, Changed, Left and Same count people.
	Joined, Changed, Left, Same int
}

// Change is what a change is told with.
type Change struct {
	// Source is who tells of it, By the person who does it, Reason theirs.
	Source, By, Reason string
	Now                time.Time
	// First is true for the first listing of a tenant.
	First bool
}

// ID returns the ID of a person whom a record is the first of. It is the same each time.
func ID(tenant mspkit.TenantID, k Key) string {
	return hashed("person", string(tenant), k.Source, k.ID)
}

func hashed(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(fmt.Appendf(nil, "%d:%s,", len(p), p))
	}
	return "c-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// Clone returns a contact that shares nothing with c.
func Clone(c contacts.Contact) contacts.Contact {
	c.Emails, c.Phones, c.Sources = slices.Clone(c.Emails), slices.Clone(c.Phones), maps.Clone(c.Sources)
	return c
}

// world is a state that is being changed.
type world struct {
	State
	records map[Key]*Record
	of      map[string][]Key // by person
	people  map[string]*Person
	before  map[string]Person // as they were
	emails  map[string][]Key  // records by address
}

func newWorld(s State) *world {
	w := &world{
		State: s, records: make(map[Key]*Record, len(s.Records)), of: make(map[string][]Key, len(s.People)),
		people: make(map[string]*Person, len(s.People)), before: make(map[string]Person, len(s.People)), emails: map[string][]Key{},
	}
	for _, r := range s.Records {
		w.put(r)
	}
	for _, p := range s.People {
		w.people[p.Contact.ID] = &p
		w.before[p.Contact.ID] = p
	}
	return w
}

// put adds a record, or replaces one of the same person.
func (w *world) put(r Record) {
	if old := w.records[r.Key]; old != nil {
		w.take(r.Key)
	}
	w.records[r.Key] = &r
	w.of[r.Person] = append(w.of[r.Person], r.Key)
	slices.SortFunc(w.of[r.Person], compareKeys)
	for _, a := range r.Contact.Emails {
		w.emails[a.Value] = append(w.emails[a.Value], r.Key)
	}
}

func (w *world) take(k Key) {
	old, is := w.records[k], func(x Key) bool { return x == k }
	w.of[old.Person] = slices.DeleteFunc(w.of[old.Person], is)
	for _, a := range old.Contact.Emails {
		w.emails[a.Value] = slices.DeleteFunc(w.emails[a.Value], is)
	}
	delete(w.records, k)
}

// recordsOf returns the records of a person, ordered by source and id.
func (w *world) recordsOf(person string) []*Record {
	out := make([]*Record, 0, len(w.of[person]))
	for _, k := range w.of[person] {
		out = append(out, w.records[k])
	}
	return out
}
