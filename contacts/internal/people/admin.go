package people

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/contacts"
)

// Link makes other a part of keep. The state has both with all their records. Addresses that come to keep that way are new:
// the directory did not see them with that person.
func Link(s State, keep, other string, ch Change) (Plan, error) {
	w := newWorld(s)
	switch {
	case text(ch.By) == "":
		return Plan{}, invalid("a link needs the person who says so")
	case keep == other:
		return Plan{}, invalid("a contact cannot be linked to itself")
	case w.people[keep] == nil || w.people[other] == nil:
		return Plan{}, fmt.Errorf("%w: one of the two contacts of tenant %s", contacts.ErrNotFound, s.Tenant)
	}
	has := map[string]bool{}
	for _, r := range w.recordsOf(keep) {
		has[r.Source] = has[r.Source] || r.Status == Live
	}
	var plan Plan
	for _, r := range w.recordsOf(other) {
		if r.Status == Live && has[r.Source] {
			return Plan{}, fmt.Errorf("%w: both contacts are in the source %s, which says that they are two", contacts.ErrConflict, r.Source)
		}
		moved := *r
		moved.Person, moved.Apart = keep, false
		moved.Contact.Emails, moved.Contact.Phones = renewed(r.Contact.Emails, ch.Now), renewed(r.Contact.Phones, ch.Now)
		w.put(moved)
		plan.Records = append(plan.Records, moved)
	}
	plan.Dropped = []string{other}
	w.decided(&plan, keep, other, contacts.Linked, ch)
	return plan, nil
}

// Separate makes a record a person of its own, and returns its ID. The state has the record's person with all records.
func Separate(s State, k Key, ch Change) (Plan, string, error) {
	w := newWorld(s)
	r := w.records[k]
	switch {
	case text(ch.By) == "":
		return Plan{}, "", invalid("to separate a record needs the person who says so")
	case r == nil:
		return Plan{}, "", fmt.Errorf("%w: a record of source %s in tenant %s", contacts.ErrNotFound, k.Source, s.Tenant)
	}
	var plan Plan
	apart, old := *r, r.Person
	apart.Apart = true
	if len(w.of[old]) == 1 { // it is one already, and stays so
		if !r.Apart {
			w.put(apart)
			plan.Records = []Record{apart}
			w.decided(&plan, old, "", contacts.Separated, ch)
		}
		return plan, old, nil
	}
	id := hashed("separated", string(s.Tenant), k.Source, k.ID, old, strconv.FormatInt(ch.Now.UnixMicro(), 10))
	apart.Person = id
	apart.Contact.Emails, apart.Contact.Phones = renewed(r.Contact.Emails, ch.Now), renewed(r.Contact.Phones, ch.Now)
	w.take(k)
	w.put(apart)
	plan.Records = []Record{apart}
	w.decided(&plan, id, old, contacts.Separated, ch)
	w.decided(&plan, old, id, contacts.Separated, ch)
	return plan, id, nil
}

// decided tells of what an administrator decided about somebody, and whether that makes them come or go.
func (w *world) decided(plan *Plan, id, other string, kind contacts.EventKind, ch Change) {
	e, now, was := w.person(id, ch)
	before := w.before[id].Contact.Enabled
	e.Kind, e.Other = kind, other
	w.store(plan, now, e, ch)
	switch {
	case was && before && !now.Contact.Enabled:
		e.Kind = contacts.Left
		plan.Left++
	case was && !before && now.Contact.Enabled:
		e.Kind = contacts.Joined
		plan.Joined++
	default:
		return
	}
	e.Changes = nil
	plan.Events = append(plan.Events, e)
}

var typedNumber = regexp.MustCompile(`\+?[0-9](?:[ \x{a0}()./\-\x{2010}-\x{2015}]{0,3}[0-9]){6,}`)

// withoutNumbers is the reason of who writes numbers, in which they may have typed these numbers again, or the ones that were
// there: the history shows no more than their last digits.
func withoutNumbers(pw contacts.PhoneWrite, r *Record) string {
	var secret []string
	for _, n := range []*string{pw.Mobile, pw.Business} {
		if n != nil {
			secret = append(secret, *n)
		}
	}
	if r != nil {
		for _, a := range r.Contact.Phones {
			secret = append(secret, a.Value, a.Raw)
		}
	}
	const same = 7 // digits at the end; how the country and the area are written differs
	return typedNumber.ReplaceAllStringFunc(pw.Reason, func(s string) string {
		typed := digits(s)
		for _, n := range secret {
			if d := digits(n); len(d) >= same && strings.HasSuffix(typed, d[len(d)-same:]) {
				return Mask(s)
			}
		}
		return s
	})
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// Wrote returns what it does that a person has written numbers to a record. They are there at once, typed and new; one that
// was removed is there until the source tells.
func Wrote(s State, pw contacts.PhoneWrite, ch Change) (Plan, error) {
	w := newWorld(s)
	k := Key{pw.Source, pw.SourceID}
	r := w.records[k]
	ch.Source, ch.By, ch.Reason = pw.Source, text(pw.By), text(withoutNumbers(pw, r))
	switch {
	case ch.By == "" || ch.Reason == "":
		return Plan{}, invalid("who writes a phone number, and why, is needed")
	case pw.Mobile == nil && pw.Business == nil:
		return Plan{}, invalid("no number to write was given")
	case r == nil || r.Person != pw.ID || r.Status != Live:
		return Plan{}, fmt.Errorf("%w: the contact has no such record of source %s in tenant %s", contacts.ErrNotFound, pw.Source, s.Tenant)
	}
	written := *r
	written.Contact.Phones = slices.Clone(r.Contact.Phones)
	for _, n := range []*string{pw.Mobile, pw.Business} {
		if n == nil || *n == "" {
			continue
		}
		if !E164(*n) {
			return Plan{}, invalid("a number is not in E.164 form, such as +12025550143")
		}
		a := contacts.Address{Value: *n, Raw: *n, FirstSeen: ch.Now, TypedBy: ch.By}
		if i := find(written.Contact.Phones, a); i >= 0 {
			written.Contact.Phones[i] = a
		} else {
			written.Contact.Phones = append(written.Contact.Phones, a)
		}
	}
	w.put(written)
	plan := Plan{Records: []Record{written}, Changed: 1}
	e, now, _ := w.person(pw.ID, ch)
	e.Kind = contacts.Changed
	if len(e.Changes) == 0 { // the history tells of it although the number was there, or is not the one that is believed
		e.Changes = []contacts.Change{{Field: contacts.FieldPhones, Old: masked(r.Contact.Phones), New: masked(written.Contact.Phones)}}
	}
	w.store(&plan, now, e, ch)
	return plan, nil
}
