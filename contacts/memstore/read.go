package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
)

// Get implements [contacts.Directory].
func (d *Directory) Get(_ context.Context, id mspkit.TenantID, contact string) (contacts.Contact, error) {
	if err := id.Validate(); err != nil {
		return contacts.Contact{}, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	c, ok := d.tenant(id).contact(contact)
	if !ok {
		return contacts.Contact{}, notFound(id)
	}
	return c, nil
}

// BySource implements [contacts.Directory].
func (d *Directory) BySource(_ context.Context, id mspkit.TenantID, source, sourceID string) (contacts.Contact, error) {
	if err := people.ValidateSource(id, source); err != nil {
		return contacts.Contact{}, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	t := d.tenant(id)
	c, ok := t.contact(t.records[people.Key{Source: source, ID: sourceID}].Person)
	if !ok {
		return contacts.Contact{}, notFound(id)
	}
	return c, nil
}

// Find implements [contacts.Directory].
func (d *Directory) Find(_ context.Context, s contacts.Search) ([]contacts.Contact, error) {
	q, err := people.NewQuery(s)
	if err != nil {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.tenant(q.Tenant).find(q), nil
}

func (t *tenant) find(q people.Query) []contacts.Contact {
	var found []found
	look := func(id string) {
		c := t.people[id].Contact
		names := people.Names(c)
		match := q.Phone != "" || q.Email != "" ||
			q.Name != "" && slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, q.Name) }) ||
			q.Company != "" && strings.HasPrefix(people.Fold(c.Company), q.Company)
		if match && (q.Left || c.Enabled) {
			found = append(found, hit(names[0], id))
		}
	}
	switch {
	case q.Phone != "":
		for id := range t.phones[q.Phone] {
			look(id)
		}
	case q.Email != "":
		for id := range t.emails[q.Email] {
			look(id)
		}
	default:
		for id := range t.people {
			look(id)
		}
	}
	slices.SortFunc(found, compareFound)
	out := make([]contacts.Contact, 0, min(len(found), q.Limit))
	for _, f := range found[:min(len(found), q.Limit)] {
		c, _ := t.contact(f.id)
		out = append(out, c)
	}
	return out
}

// found is somebody with what they are sorted by.
type found struct{ name, id string }

func hit(name, id string) found { return found{name, id} }

func compareFound(a, b found) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
}

// FindCaller implements [contacts.Directory].
func (d *Directory) FindCaller(_ context.Context, phone string, limit int) ([]contacts.Contact, error) {
	q, err := people.NewQuery(contacts.Search{Tenant: "any", Phone: phone, Limit: limit})
	if err != nil {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []contacts.Contact
	for _, id := range slices.Sorted(maps.Keys(d.tenants)) {
		out = append(out, d.tenants[id].find(q)...)
		if len(out) >= q.Limit {
			break
		}
	}
	return out[:min(len(out), q.Limit)], nil
}

// Events implements [contacts.Directory].
func (d *Directory) Events(_ context.Context, id mspkit.TenantID, after int64, limit int) ([]contacts.Event, error) {
	limit, err := people.Limit(limit)
	if err == nil {
		err = id.Validate()
	}
	if err != nil {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	events := d.tenant(id).events
	from := min(max(after, 0), int64(len(events)))
	return copies(events[from:min(int(from)+limit, len(events))]), nil
}

func copies(events []contacts.Event) []contacts.Event {
	out := make([]contacts.Event, 0, len(events))
	for _, e := range events {
		e.Changes = slices.Clone(e.Changes)
		out = append(out, e)
	}
	return out
}

// History implements [contacts.Directory].
func (d *Directory) History(_ context.Context, id mspkit.TenantID, contact string, limit int) ([]contacts.Event, error) {
	limit, err := people.Limit(limit)
	if err == nil {
		err = id.Validate()
	}
	if err != nil || contact == "" {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []contacts.Event
	for _, e := range slices.Backward(d.tenant(id).events) {
		if len(out) < limit && (e.Contact == contact || e.Other == contact) {
			out = append(out, e)
		}
	}
	return copies(out), nil
}

// Unhandled implements [contacts.Directory].
func (d *Directory) Unhandled(_ context.Context, consumer string, limit int) ([]contacts.Event, error) {
	limit, err := people.Limit(limit)
	if err == nil {
		err = people.ValidateConsumer(consumer)
	}
	if err != nil {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []contacts.Event
	ids := slices.Sorted(maps.Keys(d.tenants))
	for n, more := int64(0), true; more; n++ {
		more = false
		for _, id := range ids {
			events, done := d.tenants[id].events, d.handled[reader{consumer, id}]
			if done+n >= int64(len(events)) {
				continue
			}
			if len(out) == limit {
				return copies(out), nil
			}
			out, more = append(out, events[done+n]), true
		}
	}
	return copies(out), nil
}

// Handled implements [contacts.Directory].
func (d *Directory) Handled(_ context.Context, consumer string, id mspkit.TenantID, seq int64) error {
	if err := people.ValidateConsumer(consumer); err != nil {
		return err
	}
	if err := id.Validate(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if last := int64(len(d.tenant(id).events)); seq < 0 || seq > last {
		return fmt.Errorf("contacts: event %d of tenant %s cannot be handled, there are %d: %w", seq, id, last, mspkit.ErrInvalid)
	}
	r := reader{consumer, id}
	d.handled[r] = max(d.handled[r], seq)
	return nil
}

// Conflicts implements [contacts.Directory].
func (d *Directory) Conflicts(_ context.Context, id mspkit.TenantID) ([]contacts.Conflict, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	t := d.tenant(id)
	var list []people.Holding
	for email, keys := range t.recordEmails {
		for k := range keys {
			if r := t.records[k]; r.InQuestion() {
				list = append(list, people.Holding{Email: email, Person: r.Person})
			}
		}
	}
	return people.Conflicts(id, list), nil
}

// Photo implements [contacts.Directory].
func (d *Directory) Photo(_ context.Context, id mspkit.TenantID, contact string) (contacts.Photo, error) {
	if err := id.Validate(); err != nil {
		return contacts.Photo{}, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	p := d.tenant(id).photos[contact]
	if len(p.Data) == 0 {
		return contacts.Photo{}, fmt.Errorf("%w: no picture of that contact of tenant %s", contacts.ErrNotFound, id)
	}
	p.Data = bytes.Clone(p.Data)
	return p, nil
}

// SetPhotos implements [contacts.Directory].
func (d *Directory) SetPhotos(_ context.Context, id mspkit.TenantID, photos map[string]contacts.Photo) error {
	if err := id.Validate(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenant(id)
	now := make(map[string]contacts.Photo, len(photos))
	for contact, p := range photos {
		p, err := people.SetPhoto(t.photos[contact], p)
		if err != nil {
			return err
		}
		if _, ok := t.people[contact]; ok {
			now[contact] = p
		}
	}
	maps.Copy(t.photos, now)
	return nil
}

// PhotosDue implements [contacts.Directory].
func (d *Directory) PhotosDue(_ context.Context, id mspkit.TenantID, source string, before time.Time, limit int) ([]contacts.PhotoDue, error) {
	limit, err := people.Limit(limit)
	if err == nil {
		err = people.ValidateSource(id, source)
	}
	if err != nil {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	t := d.tenant(id)
	var out []contacts.PhotoDue
	for _, k := range t.keys(source, func(r people.Record) bool { return r.Status == people.Live }) {
		person := t.people[t.records[k].Person].Contact
		if photo := t.photos[person.ID]; person.Enabled && person.Sources[source] == k.ID && photo.CheckedAt.Before(before) {
			out = append(out, contacts.PhotoDue{ID: person.ID, SourceID: k.ID, Version: photo.Version})
		}
	}
	slices.SortFunc(out, func(a, b contacts.PhotoDue) int {
		return cmp.Or(t.photos[a.ID].CheckedAt.Compare(t.photos[b.ID].CheckedAt), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(limit, len(out))], nil
}
