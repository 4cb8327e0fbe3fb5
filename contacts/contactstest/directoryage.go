package contactstest

import (
	"fmt"
	"time"

	"github.com/mspkit/mspkit/contacts"
)

var ageParts = []directoryPart{
	{"An address is known since the directory saw it", agesKept},
	{"A number that moves from somebody else is new", ageOfMoved},
	{"The first listing can be known already, and nothing else", agesOfFirstListing},
	{"A source makes an address newer and never older", agesOfSources},
	{"A typed number stays typed", typedStays},
	{"A number that was typed at one of several sources was typed", typedSomewhere},
	{"Another source vouches for what it has had for longer", agesOfTwoSources},
}

const (
	number1 = "+12025550143"
	number2 = "+12025550199"
)

// age checks since when a number of somebody is known, and who typed it.
func (d *directory) age(source, id, number string, since time.Time, by, what string) {
	d.Helper()
	c := d.by(source, id)
	for _, a := range append(c.Phones, c.Emails...) {
		if a.Value == number {
			if !a.FirstSeen.Equal(since) || a.TypedBy != by {
				d.Fatalf("%s: known since %v, typed by %q; it should be %v, %q", what, a.FirstSeen, a.TypedBy, since, by)
			}
			return
		}
	}
	d.Fatalf("%s: the address is not there", what)
}

func agesKept(d *directory) {
	dana := func(numbers ...string) contacts.Contact {
		return calling(someone("1", "Dana", "dana@contoso.example"), numbers...)
	}
	d.whole("entra", dana(number1))
	begun := d.now
	d.pass(day)
	d.whole("entra", dana(number1))
	d.age("entra", "1", number1, begun, "", "told again")
	d.age("entra", "1", "dana@contoso.example", begun, "", "an e-mail address told again")
	d.pass(day)
	d.delta("entra", dana(number2, number1))
	d.age("entra", "1", number1, begun, "", "in another place")
	d.age("entra", "1", number2, d.now, "", "a second number")
	d.pass(day)
	d.delta("entra", dana(number2))
	d.pass(day)
	d.delta("entra", dana(number1, number2))
	d.age("entra", "1", number1, d.now, "", "gone and back")
	d.pass(day)
	d.gone("entra", "1")
	d.pass(day)
	d.delta("entra", dana(number1))
	d.age("entra", "1", number1, d.now, "", "the person was gone and is back")
	d.age("entra", "1", "dana@contoso.example", d.now, "", "an e-mail address of who was gone and is back")
	back := d.now
	d.pass(day)
	raw := dana(number1)
	raw.Phones[0].Raw = "(202) 555-0143"
	d.counts(d.delta("entra", raw), 0, 0, 0, 1, "written otherwise")
	d.age("entra", "1", number1, back, "", "written otherwise")
	d.pass(day)
	d.delta("entra", off(raw))
	d.pass(day)
	d.delta("entra", raw)
	d.age("entra", "1", number1, back, "", "off and on again")
}

func ageOfMoved(d *directory) {
	d.whole("entra", calling(someone("1", "Dana"), number1), calling(someone("2", "Omar"), number2))
	d.pass(30 * day)
	d.delta("entra", calling(someone("1", "Dana"), number2), calling(someone("2", "Omar"), number1))
	d.age("entra", "1", number2, d.now, "", "a number that was somebody else's")
	d.age("entra", "2", number1, d.now, "", "a number that was somebody else's")
}

func agesOfFirstListing(d *directory) {
	page := func(source string, whole, more bool, list ...contacts.Contact) {
		d.Helper()
		b := d.batch(contoso, source, contacts.Page{Contacts: list, Whole: whole, More: more, Next: "next"})
		b.Known = 100 * day
		d.apply(b)
	}
	known := d.now.Add(-100 * day)
	page("entra", true, true, calling(someone("1", "Dana"), number1))
	d.age("entra", "1", number1, known, "", "the first page of the first listing")
	d.pass(time.Hour)
	page("entra", true, false, calling(someone("2", "Omar"), number1), calling(someone("1", "Dana"), number1, number2))
	d.age("entra", "2", number1, d.now.Add(-100*day), "", "the last page of the first listing")
	d.age("entra", "1", number1, known, "", "told twice in the first listing")
	d.age("entra", "1", number2, d.now, "", "a number that came while the first listing went on")
	d.pass(time.Hour)
	page("entra", false, false, calling(someone("3", "Ann"), number1))
	d.age("entra", "3", number1, d.now, "", "who came after the first listing")
	d.pass(time.Hour)
	page("entra", true, false, calling(someone("1", "Dana"), number1), calling(someone("4", "Jo"), number1))
	d.age("entra", "4", number1, d.now, "", "who came with the second whole listing")
	d.age("entra", "1", number1, known, "", "who is in the second whole listing, too")
	events := d.events(contoso)
	var first []string
	for _, e := range events {
		first = append(first, fmt.Sprintf("%s %s %t", e.Kind, e.Name, e.First))
	}
	d.equal(first, []string{
		"joined Dana true", "joined Omar true", "changed Dana true", "joined Ann false", "changed Dana false", "joined Jo false", "left Omar false", "left Ann false",
	}, "who is there from the beginning")
	page("psa", false, false, calling(someone("p", "Kim"), number1))
	d.age("psa", "p", number1, d.now, "", "a source that tells changes before it has listed everybody")
}

func agesOfSources(d *directory) {
	dana := func(given time.Time) contacts.Contact {
		c := calling(someone("1", "Dana"), number1)
		c.Phones[0].FirstSeen = given
		return c
	}
	begun := d.now
	d.whole("entra", dana(begun.Add(-1000*day)))
	d.age("entra", "1", number1, begun, "", "the source says that it is old")
	d.pass(10 * day)
	d.delta("entra", dana(begun.Add(-1000*day)))
	d.age("entra", "1", number1, begun, "", "and says so again")
	d.delta("entra", dana(begun.Add(5*day)))
	d.age("entra", "1", number1, begun.Add(5*day), "", "the source says that it came anew")
	d.delta("entra", dana(begun.Add(-1000*day)))
	d.age("entra", "1", number1, begun.Add(5*day), "", "the source takes that back")
	d.delta("entra", dana(d.now.Add(1000*day)))
	d.age("entra", "1", number1, d.now, "", "a time that is yet to come")
	b := d.batch(contoso, "psa", contacts.Page{Contacts: []contacts.Contact{dana(d.now.Add(-3 * day))}, Whole: true})
	b.Known = 100 * day
	d.apply(b)
	d.age("psa", "1", number1, d.now.Add(-3*day), "", "the source says that it is newer than what counts as known")
}

func typedStays(d *directory) {
	dana := func(by string, numbers ...string) contacts.Contact {
		c := calling(someone("1", "Dana"), numbers...)
		for i := range c.Phones {
			c.Phones[i].TypedBy = by
		}
		return c
	}
	d.whole("entra", dana("joe", number1))
	begun := d.now
	for range 3 {
		d.pass(10 * day)
		d.delta("entra", dana("", number1))
		d.age("entra", "1", number1, begun, "joe", "the source does not say it again")
	}
	d.delta("entra", dana("", number2))
	d.pass(day)
	d.delta("entra", dana("", number1))
	d.age("entra", "1", number1, d.now, "joe", "gone and back")
	d.gone("entra", "1")
	d.pass(day)
	d.delta("entra", dana("", number1))
	d.age("entra", "1", number1, d.now, "joe", "the person was gone and is back")
	d.pass(day)
	d.delta("entra", dana("ann", number1))
	d.age("entra", "1", number1, d.now.Add(-day), "ann", "somebody else typed it")
}

func typedSomewhere(d *directory) {
	dana := func(by string, numbers ...string) contacts.Contact {
		c := calling(someone("1", "Dana", "dana@contoso.example"), numbers...)
		for i := range c.Phones {
			c.Phones[i].TypedBy = by
		}
		return c
	}
	d.delta("entra", dana("joe", number1))
	d.delta("csv", dana(""))
	d.pass(10 * day)
	d.delta("psa", dana("", number1))
	d.pass(10 * day)
	d.delta("csv", dana("ann", number1)) // later than at psa, which says nothing of that
	d.gone("csv", "1")
	d.gone("entra", "1")
	d.together(true, [2]string{"psa", "1"}, [2]string{"csv", "1"}, "one address")
	d.age("psa", "1", number1, d.now.Add(-10*day), "joe", "what two sources had that are gone")
}

func agesOfTwoSources(d *directory) {
	dana := func(by string, numbers ...string) contacts.Contact {
		c := calling(someone("1", "Dana", "dana@contoso.example"), numbers...)
		for i := range c.Phones {
			c.Phones[i].TypedBy = by
		}
		return c
	}
	begun := d.now
	d.whole("entra", dana("", number1))
	d.pass(10 * day)
	d.whole("psa", dana("", number1, number2)) // which is believed
	d.age("psa", "1", number1, begun, "", "a number that the other source has had for longer")
	d.age("psa", "1", number2, d.now, "", "a number that it has not")
	second := d.now
	d.pass(10 * day)
	d.delta("psa", dana("joe", number1))
	d.age("psa", "1", number1, second, "joe", "the believed source says that it was typed")
	d.delta("entra", dana("", number2))
	d.delta("psa", dana("", number2))
	d.age("psa", "1", number2, d.now, "", "gone from one and back")
	// A number that was typed at one source and then copied to the other was typed.
	d.pass(10 * day)
	typed := d.now
	d.delta("entra", dana("eve", "+12025550111"))
	d.pass(10 * day)
	d.delta("psa", dana("", "+12025550111"))
	d.age("psa", "1", "+12025550111", typed, "eve", "typed at one source and copied to the other")
	// What another source has stops to count where it is gone there.
	d.delta("entra", dana("", number1))
	d.age("psa", "1", "+12025550111", d.now, "eve", "the other source has it no more, and that it was typed is not forgotten")
}
