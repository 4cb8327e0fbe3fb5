package people

import (
	"cmp"
	"slices"
	"time"

	"github.com/mspkit/mspkit/contacts"
)

// maxTyped is how many typed addresses that are not there a record remembers.
const maxTyped = 50

// tell returns the record after its source has told c; old is nil where the directory has no such record.
func (p *Page) tell(old *Record, c contacts.Contact) Record {
	r := Record{Key: Key{p.source, c.ID}, Run: p.Next.Run, Contact: c}
	if old == nil {
		floor := p.change.Now
		if p.change.First {
			floor = Time(floor.Add(-p.known))
		}
		r.Contact.Emails, r.Contact.Phones = p.vouch(c.Emails, nil, floor, floor), p.vouch(c.Phones, nil, floor, floor)
		return r
	}
	r.Person, r.Apart = old.Person, old.Apart
	was, floor := old.Contact, p.change.Now
	switch {
	case old.Status == Live:
		floor = time.Time{} // what was there without a break keeps its age
	case p.change.First:
		floor = Time(floor.Add(-p.known)) // a source that is connected again
	}
	r.Contact.Emails, r.Contact.Phones = p.vouch(c.Emails, was.Emails, floor, p.change.Now), p.vouch(c.Phones, was.Phones, floor, p.change.Now)
	r.Typed = typed(r.Contact, slices.Concat(was.Emails, was.Phones, old.Typed))
	for _, list := range [][]contacts.Address{r.Contact.Emails, r.Contact.Phones} {
		for i, a := range list {
			if j := find(old.Typed, a); j >= 0 && a.TypedBy == "" {
				list[i].TypedBy = old.Typed[j].TypedBy
			}
		}
	}
	return r
}

// vouch returns a list of addresses with what the directory can say of their age. An address that was there before is not
// older than floor, one that was not is not older than fresh. What the source says makes an address newer, never older.
func (p *Page) vouch(list, before []contacts.Address, floor, fresh time.Time) []contacts.Address {
	out := make([]contacts.Address, 0, len(list))
	for _, a := range list {
		given := earlier(a.FirstSeen, p.change.Now)
		a.FirstSeen = later(given, fresh)
		if i := find(before, a); i >= 0 {
			a.FirstSeen = later(given, later(before[i].FirstSeen, floor))
			a.TypedBy = cmp.Or(a.TypedBy, before[i].TypedBy)
		}
		out = append(out, a)
	}
	return out
}

// typed returns those of before that were typed by hand and are not in c.
func typed(c contacts.Contact, before []contacts.Address) []contacts.Address {
	var out []contacts.Address
	for _, a := range before {
		if a.TypedBy == "" || a.Value == "" || len(out) == maxTyped || find(out, a) >= 0 || find(c.Emails, a) >= 0 || find(c.Phones, a) >= 0 {
			continue
		}
		out = append(out, a)
	}
	return out
}

// known returns the addresses of the believed record with the age that all live records of the person vouch for: an address
// that another source has had for longer is as old as that. One that its own source says was typed stays that, and so does
// one that was typed at another source before it came here.
func known(list []contacts.Address, others [][]contacts.Address, typed []contacts.Address) []contacts.Address {
	out := slices.Clone(list)
	for i, a := range out {
		if a.TypedBy != "" {
			continue
		}
		for _, other := range others {
			if j := find(other, a); j >= 0 && older(other[j], out[i]) {
				out[i].FirstSeen, out[i].TypedBy = other[j].FirstSeen, other[j].TypedBy
			}
		}
		for rest := typed; out[i].TypedBy == ""; { // any of them, which may be known since different times
			j := find(rest, a)
			if j < 0 {
				break
			}
			if !rest[j].FirstSeen.After(out[i].FirstSeen) {
				out[i].TypedBy = rest[j].TypedBy
			}
			rest = rest[j+1:]
		}
	}
	return out
}

// older reports whether a was there before b, or at the same time and typed.
func older(a, b contacts.Address) bool {
	return a.FirstSeen.Before(b.FirstSeen) || a.FirstSeen.Equal(b.FirstSeen) && a.TypedBy != "" && b.TypedBy == ""
}

// renewed returns list as if all of it had come now: for a person whom the directory did not see with it.
func renewed(list []contacts.Address, now time.Time) []contacts.Address {
	out := slices.Clone(list)
	for i := range out {
		out[i].FirstSeen = now
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func sameAddresses(a, b []contacts.Address) bool {
	return slices.EqualFunc(a, b, func(a, b contacts.Address) bool {
		return a.Value == b.Value && a.Raw == b.Raw && a.TypedBy == b.TypedBy && a.FirstSeen.Equal(b.FirstSeen)
	})
}
