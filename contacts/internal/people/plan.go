package people

import (
	"slices"

	"github.com/mspkit/mspkit/contacts"
)

// Plan returns what a page does. A page that is applied again does nothing but stamp the records.
func (p *Page) Plan(s State) Plan {
	w := newWorld(s)
	var plan Plan
	newcomers, strangers := map[string]int{}, 0
	for _, c := range p.contacts { // those who are there first, so that newcomers are compared with what is true now
		k := Key{p.source, c.ID}
		old := w.records[k]
		if old == nil {
			strangers++
			for _, a := range c.Emails {
				newcomers[a.Value]++
			}
			continue
		}
		r := p.tell(old, c)
		if sameRecord(*old, r) {
			if old.Run != r.Run {
				plan.Stamps = append(plan.Stamps, k)
			}
			continue
		}
		w.put(r)
		plan.Records = append(plan.Records, r)
	}
	fresh, claims := make([]Record, 0, strangers), make(map[string]int, strangers)
	plan.Records = slices.Grow(plan.Records, strangers)
	plan.People, plan.Events = make([]Person, 0, strangers), make([]contacts.Event, 0, strangers)
	for _, c := range p.contacts {
		if w.records[Key{p.source, c.ID}] == nil {
			r := p.tell(nil, c)
			r.Person = w.joins(r, newcomers)
			claims[r.Person]++
			fresh = append(fresh, r)
		}
	}
	for _, r := range fresh {
		if r.Person == "" || claims[r.Person] > 1 {
			r.Person = ID(s.Tenant, r.Key)
		}
		w.put(r)
		plan.Records = append(plan.Records, r)
	}
	touched := newTouched()
	for _, c := range p.contacts {
		touched.add(w.records[Key{p.source, c.ID}].Person)
	}
	if p.Next.Whole && !p.Sweep {
		w.unlist(&plan, p.removed, p.Next.Run)
	} else {
		w.remove(&plan, touched, p.removed, Gone)
	}
	w.settle(&plan, touched.ids, p.change)
	return plan
}

// unlist makes records as if the run had not listed them, for its sweep to find: who is gone in a whole run is said at its
// end, where it is known how many they are.
func (w *world) unlist(plan *Plan, keys []Key, run int64) {
	for _, k := range keys {
		if old := w.records[k]; old != nil && old.Status == Live && old.Run == run {
			r := *old
			r.Run = run - 1
			w.put(r)
			plan.Records = append(plan.Records, r)
		}
	}
}

// Remove returns what it does that a source has records no more. Those that are gone already, and unknown ones, are left
// out.
func Remove(s State, keys []Key, c Change) Plan { return without(s, keys, c, Gone) }

// Forget returns what it does that a source is forgotten, for some of its records.
func Forget(s State, keys []Key, c Change) Plan { return without(s, keys, c, Forgotten) }

func without(s State, keys []Key, c Change, status Status) Plan {
	w, touched := newWorld(s), newTouched()
	var plan Plan
	w.remove(&plan, touched, keys, status)
	w.settle(&plan, touched.ids, c)
	return plan
}

func (w *world) remove(plan *Plan, touched *touched, keys []Key, status Status) {
	for _, k := range keys {
		old := w.records[k]
		if old == nil || old.Status == status || old.Status == Forgotten {
			continue
		}
		r := *old
		r.Status = status
		w.put(r)
		plan.Records = append(plan.Records, r)
		touched.add(r.Person)
	}
}

// joins returns the person whom a new record belongs to beyond doubt, or "".
func (w *world) joins(r Record, newcomers map[string]int) string {
	person := ""
	for _, a := range r.Contact.Emails {
		if newcomers[a.Value] > 1 {
			return ""
		}
		for _, k := range w.emails[a.Value] {
			q := w.records[k]
			if q.Source == r.Source || q.Apart || person != "" && q.Person != person {
				return ""
			}
			person = q.Person
		}
	}
	if p, ok := w.before[person]; !ok || !p.Contact.Enabled || !r.Contact.Enabled {
		return ""
	}
	for _, q := range w.recordsOf(person) {
		if q.Source == r.Source || contradicts(*q, r) || contradicts(r, *q) {
			return ""
		}
	}
	return person
}

// contradicts reports whether a says that its person has another id in the source of b.
func contradicts(a, b Record) bool {
	id := a.Contact.Sources[b.Source]
	return id != "" && id != b.ID
}

// touched are people in the order in which they were touched.
type touched struct {
	ids []string
	has map[string]bool
}

func newTouched() *touched { return &touched{has: map[string]bool{}} }

func (t *touched) add(id string) {
	if !t.has[id] {
		t.has[id] = true
		t.ids = append(t.ids, id)
	}
}

// settle makes people anew from their records, and events of what that changes.
func (w *world) settle(plan *Plan, ids []string, ch Change) {
	for _, id := range ids {
		if prev := w.before[id]; prev.Contact.ID == "" { // managers on the same page are found by name
			now := merge(w.State, Person{Contact: contacts.Contact{ID: id}}, w.recordsOf(id))
			w.people[id] = &now
		}
	}
	for _, id := range ids {
		e, now, was := w.person(id, ch)
		switch {
		case !was && now.Contact.Enabled:
			e.Kind, e.Changes = contacts.Joined, nil
			plan.Joined++
		case !was:
			plan.Same++ // nobody who is there: a record of somebody who has left
		case now.Contact.Enabled && !w.before[id].Contact.Enabled:
			e.Kind = contacts.Joined
			plan.Joined++
		case !now.Contact.Enabled && w.before[id].Contact.Enabled:
			e.Kind = contacts.Left
			plan.Left++
		case len(e.Changes) > 0:
			e.Kind = contacts.Changed
			plan.Changed++
		default:
			plan.Same++
		}
		w.store(plan, now, e, ch)
	}
}

// person returns somebody as they are now, whether they were there before, and an event without a kind.
func (w *world) person(id string, ch Change) (contacts.Event, Person, bool) {
	prev, was := w.before[id]
	if !was {
		prev.Contact.ID = id
	}
	now := merge(w.State, prev, w.recordsOf(id))
	e := contacts.Event{
		Tenant: w.Tenant, Contact: id, Name: now.Contact.Name, Manager: w.manager(now.Manager).ID, Source: ch.Source,
		By: text(ch.By), Reason: text(ch.Reason), First: ch.First, At: ch.Now,
	}
	if e.Manager == "" {
		e.Manager = w.manager(prev.Manager).ID
	}
	if was {
		e.Changes = w.diff(prev, now)
	}
	return e, now, was
}

// store adds somebody and their event to the plan where anything is new.
func (w *world) store(plan *Plan, now Person, e contacts.Event, ch Change) {
	id := now.Contact.ID
	prev, was := w.before[id]
	if e.Kind != "" {
		now.Contact.ChangedAt = ch.Now
		plan.Events = append(plan.Events, e)
	} else if !was {
		now.Contact.ChangedAt = ch.Now
	}
	if !was || prev.Manager != now.Manager || !sameContact(prev.Contact, now.Contact) {
		plan.People = append(plan.People, now)
	}
	w.people[id] = &now
}
