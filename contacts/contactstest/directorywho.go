package contactstest

import (
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

var whoParts = []directoryPart{
	{"A field is of the source that is believed", fieldsBelieved},
	{"One address of one person joins two sources", joinsByEmail},
	{"What is in doubt is not joined", doubts},
	{"A re-used address is of somebody else", reused},
	{"Who is off or deleted where it counts has left", leavesWhereItCounts},
	{"Conflicts are listed until they are resolved", conflictsListed},
	{"Somebody links two contacts", links},
	{"Somebody separates a record", separates},
	{"Managers are found in the directory", managers},
	{"A number that was written is there, typed, and in the history", wrote},
}

func fieldsBelieved(d *directory) {
	e := calling(someone("1", "Dana Whitfield", "dana@contoso.example", "d.whitfield@contoso.example"), "+12025550143")
	e.FirstName, e.LastName, e.JobTitle, e.Company, e.Locale, e.Photo = "Dana", "Whitfield", "Head of IT", "Contoso Ltd", "de-AT", "v1"
	d.whole("entra", e)
	p := calling(someone("p1", "Whitfield, D.", "dana@contoso.example", "private@mail.example"), "+12025550177", "+12025550178")
	p.JobTitle, p.Company = "IT", "Contoso"
	a := d.whole("psa", p)
	d.counts(a, 0, 1, 0, 0, "a second source of a person")
	ev := d.last()
	d.equal([3]any{ev.Kind, ev.Source, ev.First}, [3]any{contacts.Changed, "psa", true}, "the event of the second source")
	want := map[contacts.Field][2]string{
		contacts.FieldPhones:  {"…0143", "…0177, …0178"},
		contacts.FieldCompany: {"Contoso Ltd", "Contoso"},
		contacts.FieldSources: {"entra", "entra, psa"},
	}
	d.equal(changed(ev), want, "the changes")
	check := func(what, name, title, company, locale, emails, phones string) {
		d.Helper()
		c := d.by("psa", "p1")
		d.equal([]string{c.Name, c.JobTitle, c.Company, c.Locale, addresses(c.Emails), addresses(c.Phones)}, []string{name, title, company, locale, emails, phones}, what)
	}
	const both = "dana@contoso.example d.whitfield@contoso.example"
	check("by precedence", "Dana Whitfield", "Head of IT", "Contoso", "de-AT", both, "+12025550177 +12025550178")
	d.equal(d.by("psa", "p1").Sources, map[string]string{"entra": "1", "psa": "p1"}, "sources")
	p.Phones, p.Company = nil, ""
	d.delta("psa", p)
	check("where the believed source has no value", "Dana Whitfield", "Head of IT", "Contoso Ltd", "de-AT", both, "+12025550143")
	e.Name, e.FirstName, e.LastName, e.JobTitle = "", "", "", ""
	d.delta("entra", e)
	check("where the first source has no value any more", "Whitfield, D.", "IT", "Contoso Ltd", "de-AT", both, "+12025550143")
	e.Emails = nil
	d.delta("entra", e)
	check("addresses are not mixed", "Whitfield, D.", "IT", "Contoso Ltd", "de-AT", "dana@contoso.example private@mail.example", "+12025550143")
	d.gone("psa", "p1")
	c := d.by("entra", "1")
	d.equal([]any{c.Name, c.Company, c.Emails, c.Sources, c.Enabled}, []any{"", "Contoso Ltd", []contacts.Address{}, map[string]string{"entra": "1"}, true},
		"what is left where a source has the person no more")
	other := someone("z", "From elsewhere")
	d.whole("a-third-source", other)
	d.equal(d.by("a-third-source", "z").Name, "From elsewhere", "a source that the precedence does not name")
}

func changed(e contacts.Event) map[contacts.Field][2]string {
	out := map[contacts.Field][2]string{}
	for _, c := range e.Changes {
		out[c.Field] = [2]string{c.Old, c.New}
	}
	return out
}

func addresses(list []contacts.Address) string {
	var out []string
	for _, a := range list {
		out = append(out, a.Value)
	}
	return strings.Join(out, " ")
}

func joinsByEmail(d *directory) {
	d.whole("entra", someone("1", "Dana", "dana@contoso.example", "d.w@contoso.example"), someone("2", "Omar", "omar@contoso.example"))
	d.whole("psa", someone("p1", "D. W.", "D.W@Contoso.example"), someone("p2", "Nobody else"), someone("p3", "Ann", "ann@contoso.example"))
	d.together(true, [2]string{"entra", "1"}, [2]string{"psa", "p1"}, "one address of two, in another case")
	d.together(false, [2]string{"psa", "p2"}, [2]string{"entra", "2"}, "without an address")
	d.delta("entra", someone("3", "Ann Lee", "ann@contoso.example"))
	d.together(true, [2]string{"entra", "3"}, [2]string{"psa", "p3"}, "the other way round")
	d.whole("csv", someone("c1", "Ann", "ann@contoso.example"))
	d.together(true, [2]string{"csv", "c1"}, [2]string{"psa", "p3"}, "a third source")
	id := d.by("psa", "p1").ID
	d.delta("psa", someone("p1", "D. W.", "somebody.else@contoso.example"))
	d.equal(d.by("psa", "p1").ID, id, "the person of a record whose address has changed")
	d.gone("psa", "p1")
	d.delta("psa", someone("p1", "D. W.", "dana@contoso.example"))
	d.equal(d.by("psa", "p1").ID, id, "the person of a record that came back")
	d.conflicts(map[string]int{}, "without doubt")
}

func doubts(d *directory) {
	twins := []contacts.Contact{someone("1", "Dana", "dana@contoso.example"), someone("2", "Omar", "shared@contoso.example"), someone("3", "Ann", "shared@contoso.example")}
	d.whole("entra", append(twins, off(someone("4", "Gone", "gone@contoso.example")), someone("5", "Jo", "jo@contoso.example"), someone("6", "Kim", "kim@contoso.example"))...)
	jo, kim := someone("p8", "Jo", "jo@contoso.example"), off(someone("p9", "Kim", "kim@contoso.example"))
	jo.Sources = map[string]string{"psa": "8", "entra": "6"}
	d.whole("psa",
		someone("p1", "Dana", "dana@contoso.example"), someone("p2", "Another Dana", "dana@contoso.example"), someone("p3", "Shared", "shared@contoso.example"),
		someone("p4", "Not gone", "gone@contoso.example"), someone("p5", "Two", "two@contoso.example", "five@contoso.example"), jo, kim)
	for record, why := range map[[2]string]string{
		{"psa", "p1"}: "two new records of a source with one address", {"psa", "p2"}: "two new records of a source with one address",
		{"psa", "p3"}: "two people have the address", {"psa", "p4"}: "who had the address has left",
		{"psa", "p8"}: "the record says that it is somebody else", {"psa", "p9"}: "the record is of somebody who has left",
	} {
		if c := d.by(record[0], record[1]); len(c.Sources) != 1 {
			d.Fatalf("%v is linked to %v although %s", record, c.Sources, why)
		}
	}
	d.whole("csv", someone("c1", "Dana", "lee@contoso.example", "dana.lee@contoso.example"))
	d.delta("psa", someone("p10", "Dana Lee", "lee@contoso.example"), someone("p11", "Dana", "dana.lee@contoso.example"))
	d.equal(d.by("csv", "c1").Sources, map[string]string{"csv": "c1"}, "two new records of a source, each with another address of somebody")
	d.gone("psa", "p10", "p11")
	d.delta("entra", someone("7", "Two", "two@contoso.example"))
	d.together(true, [2]string{"entra", "7"}, [2]string{"psa", "p5"}, "one of two addresses")
	d.delta("entra", someone("8", "Five", "five@contoso.example"))
	d.together(false, [2]string{"entra", "8"}, [2]string{"psa", "p5"}, "the person is in the source already")
	d.delta("entra", someone("9", "Over two", "two@contoso.example", "jo@contoso.example"))
	d.equal(d.by("entra", "9").Sources, map[string]string{"entra": "9"}, "addresses of two people")
	d.conflicts(map[string]int{
		"dana@contoso.example": 3, "shared@contoso.example": 3, "jo@contoso.example": 3, "five@contoso.example": 2, "two@contoso.example": 2,
	}, "in doubt")
}

func reused(d *directory) {
	d.whole("entra", someone("1", "Dana", "desk@contoso.example"), someone("2", "Omar", "omar@contoso.example"), someone("3", "Ann", "ann@contoso.example"))
	d.gone("entra", "1")
	d.delta("entra", off(someone("2", "Omar", "omar@contoso.example")))
	old := d.by("entra", "1").ID
	d.whole("psa", someone("p1", "New at the desk", "desk@contoso.example"), someone("p2", "New Omar", "omar@contoso.example"), someone("p3", "Ann", "ann@contoso.example"))
	if d.by("psa", "p1").ID == old || d.by("psa", "p2").ID == d.by("entra", "2").ID {
		d.Fatal("a newcomer was given the history of somebody who has left")
	}
	d.gone("entra", "3") // and still in the ticket system
	d.delta("entra", someone("4", "New Ann", "ann@contoso.example"))
	d.together(false, [2]string{"entra", "4"}, [2]string{"psa", "p3"}, "a new account with the address of a deleted one, which the ticket system still has")
	d.delta("entra", someone("1", "Dana", "dana@contoso.example"))
	d.equal(d.by("entra", "1").ID, old, "who came back with the same id of the source")
	d.whole("rmm", someone("r1", "Kim", "kim@contoso.example"))
	d.whole("csv", someone("c1", "Kim", "kim@contoso.example", "lab@contoso.example"))
	d.gone("rmm", "r1")
	d.delta("rmm", someone("r2", "Somebody new", "lab@contoso.example"))
	d.together(false, [2]string{"rmm", "r2"}, [2]string{"csv", "c1"}, "a source that had the person under another id")
	d.conflicts(map[string]int{"ann@contoso.example": 2, "lab@contoso.example": 2}, "after addresses were used again")
}

func leavesWhereItCounts(d *directory) {
	d.whole("entra", someone("1", "Dana", "dana@contoso.example"), someone("2", "Omar", "omar@contoso.example"))
	d.whole("psa", someone("p1", "Dana", "dana@contoso.example"), someone("p2", "Omar", "omar@contoso.example"))
	d.counts(d.delta("psa", off(someone("p1", "Dana", "dana@contoso.example"))), 0, 0, 0, 1, "off where it does not count")
	d.counts(d.delta("entra", off(someone("1", "Dana", "dana@contoso.example"))), 0, 0, 1, 0, "off where it counts")
	d.counts(d.delta("psa", someone("p1", "Dana", "dana@contoso.example")), 0, 0, 0, 1, "on where it does not count")
	d.equal(d.by("psa", "p1").Enabled, false, "who is off")
	left := d.last()
	d.equal([2]any{left.Kind, left.Source}, [2]any{contacts.Left, "entra"}, "the event")
	a := d.gone("entra", "1") // deleted a month after it was off
	d.equal(a.Joined, 0, "who joined because a disabled account was deleted")
	d.equal(d.by("psa", "p1").Enabled, false, "whose disabled account was deleted")
	d.counts(d.gone("entra", "2"), 0, 0, 1, 0, "deleted where it counts")
	d.equal(d.by("psa", "p2").Enabled, false, "whose account was deleted")
	d.counts(d.delta("entra", someone("2", "Omar", "omar@contoso.example")), 1, 0, 0, 0, "restored")
	d.counts(d.gone("psa", "p2"), 0, 1, 0, 0, "gone where somebody else says it as well")
}

func conflictsListed(d *directory) {
	ctx := d.Context()
	info := func(id, name string) contacts.Contact { return someone(id, name, "info@contoso.example") }
	d.whole("psa", info("p1", "Dana"), info("p2", "Omar"), info("p3", "Ann"))
	d.conflicts(map[string]int{"info@contoso.example": 3}, "three with an address")
	d.whole("entra", info("1", "Dana"))
	d.conflicts(map[string]int{"info@contoso.example": 4}, "a fourth of another source")
	d.ok(d.Link(ctx, contoso, d.by("entra", "1").ID, d.by("psa", "p1").ID, "joe", d.now))
	d.conflicts(map[string]int{"info@contoso.example": 3}, "after a link")
	_, err := d.Separate(ctx, contoso, "psa", "p2", "joe", d.now)
	d.ok(err)
	d.conflicts(map[string]int{"info@contoso.example": 2}, "after one is separated")
	d.delta("psa", off(info("p3", "Ann")))
	d.conflicts(map[string]int{}, "after one has left")
	d.delta("psa", info("p3", "Ann"))
	d.conflicts(map[string]int{"info@contoso.example": 2}, "after one has come back")
	d.delta("psa", someone("p3", "Ann", "ann@contoso.example"))
	d.conflicts(map[string]int{}, "after one has another address")
	other, err := d.Conflicts(ctx, fabrikam)
	d.ok(err)
	d.equal(len(other), 0, "conflicts of another tenant")
}

func links(d *directory) {
	ctx := d.Context()
	d.whole("entra", calling(someone("1", "Dana Whitfield", "dana@contoso.example"), "+12025550143"), someone("2", "Omar"))
	d.whole("psa", calling(someone("p1", "D. Whitfield", "dw@private.example"), "+12025550199"), someone("p2", "Another"), off(someone("p3", "Left")))
	d.pass(30 * day)
	keep, other := d.by("entra", "1"), d.by("psa", "p1")
	for name, c := range map[string]struct {
		keep, other, by string
		want            error
	}{
		"an unknown contact":    {keep.ID, "nobody", "joe", contacts.ErrNotFound},
		"another unknown one":   {"nobody", keep.ID, "joe", contacts.ErrNotFound},
		"itself":                {keep.ID, keep.ID, "joe", mspkit.ErrInvalid},
		"by nobody":             {keep.ID, other.ID, "", mspkit.ErrInvalid},
		"by nobody visible":     {keep.ID, other.ID, "\x00\u200b", mspkit.ErrInvalid},
		"two of the one source": {keep.ID, d.by("entra", "2").ID, "joe", contacts.ErrConflict},
	} {
		d.is(d.Link(ctx, contoso, c.keep, c.other, c.by, d.now), c.want, name)
	}
	n := len(d.events(contoso))
	d.ok(d.Link(ctx, contoso, keep.ID, other.ID, "joe", d.now))
	dana := d.by("psa", "p1")
	d.equal(dana.ID, keep.ID, "the ID that is kept")
	d.equal(dana.Sources, map[string]string{"entra": "1", "psa": "p1"}, "the sources")
	_, err := d.Get(ctx, contoso, other.ID)
	d.is(err, contacts.ErrNotFound, "the other ID")
	d.equal(len(d.events(contoso)), n+1, "events of a link")
	e := d.last()
	d.equal([5]any{e.Kind, e.Contact, e.Other, e.By, e.Source}, [5]any{contacts.Linked, keep.ID, other.ID, "joe", ""}, "the event of a link")
	d.equal(changed(e), map[contacts.Field][2]string{contacts.FieldPhones: {"…0143", "…0199"}, contacts.FieldSources: {"entra", "entra, psa"}}, "its changes")
	// Whoever talks a technician into a link must not be verified by the number that comes with it.
	d.equal(dana.Phones[0].Value, "+12025550199", "the number that is believed")
	d.equal(dana.Phones[0].FirstSeen, d.now, "since when it is known for this person")
	for _, id := range []string{keep.ID, other.ID} {
		history, err := d.History(ctx, contoso, id, 0)
		d.ok(err)
		d.equal(history[0].Kind, contacts.Linked, "the newest event in the history of both")
	}
	a := d.delta("psa", calling(someone("p1", "D. Whitfield", "dw@private.example"), "+12025550199"))
	d.counts(a, 0, 0, 0, 1, "the record is told again")
	d.equal(d.by("psa", "p1").ID, keep.ID, "an administrator's link stays")
	left := d.by("psa", "p3").ID
	d.whole("csv", someone("c1", "Still there"))
	d.ok(d.Link(ctx, contoso, left, d.by("csv", "c1").ID, "joe", d.now))
	d.equal([2]any{d.by("csv", "c1").ID, d.by("csv", "c1").Enabled}, [2]any{left, false}, "who is linked to somebody that the believed source has off")
	// Who has left comes back by a link where nobody says otherwise, and an event tells of it.
	d.whole("rmm", someone("r1", "Was away"))
	d.gone("rmm", "r1")
	d.whole("crm", someone("x1", "Is back"))
	d.ok(d.Link(ctx, contoso, d.by("rmm", "r1").ID, d.by("crm", "x1").ID, "joe", d.now))
	d.equal([2]any{d.last().Kind, d.last().Contact}, [2]any{contacts.Joined, d.by("rmm", "r1").ID}, "the last event")
}

func separates(d *directory) {
	ctx := d.Context()
	d.whole("entra", calling(someone("1", "Dana", "dana@contoso.example"), "+12025550143"), someone("2", "Omar", "omar@contoso.example"))
	d.whole("psa", calling(someone("p1", "Not Dana", "dana@contoso.example"), "+12025550199"))
	dana := d.by("entra", "1").ID
	_, err := d.Separate(ctx, contoso, "psa", "nobody", "joe", d.now)
	d.is(err, contacts.ErrNotFound, "an unknown record")
	_, err = d.Separate(ctx, contoso, "psa", "p1", "", d.now)
	d.is(err, mspkit.ErrInvalid, "by nobody")
	d.pass(30 * day)
	n := len(d.events(contoso))
	id, err := d.Separate(ctx, contoso, "psa", "p1", "joe", d.now)
	d.ok(err)
	c := d.by("psa", "p1")
	d.equal(c.ID, id, "the ID")
	if id == dana {
		d.Fatal("a separated record kept the person's ID")
	}
	d.equal(addresses(d.by("entra", "1").Phones), "+12025550143", "the number of who stays")
	d.equal(addresses(c.Phones), "+12025550199", "the number of the new contact")
	d.equal(c.Phones[0].FirstSeen, d.now, "since when it is known for them")
	events := d.events(contoso)[n:]
	d.equal(len(events), 2, "events")
	d.equal([4]string{string(events[0].Kind), events[0].Contact, events[0].Other, events[0].By}, [4]string{"separated", id, dana, "joe"}, "the first event")
	d.equal([4]string{string(events[1].Kind), events[1].Contact, events[1].Other, events[1].By}, [4]string{"separated", dana, id, "joe"}, "the second event")
	again, err := d.Separate(ctx, contoso, "psa", "p1", "joe", d.now)
	d.ok(err)
	d.equal(again, id, "the ID where it is separated again")
	d.equal(len(d.events(contoso)), n+2, "events where it is separated again")
	d.delta("psa", calling(someone("p1", "Not Dana", "dana@contoso.example"), "+12025550199"))
	d.equal(d.by("psa", "p1").ID, id, "an administrator's word stays")
	d.conflicts(map[string]int{}, "after somebody has decided")
	d.gone("psa", "p1")
	d.delta("psa", calling(someone("p1", "Not Dana", "dana@contoso.example"), "+12025550199"))
	d.equal(d.by("psa", "p1").ID, id, "and stays when the record comes back")
	// The first record of a person can be the one that goes.
	d.whole("csv", someone("c2", "Omar", "omar@contoso.example"))
	omar := d.by("csv", "c2").ID
	id, err = d.Separate(ctx, contoso, "entra", "2", "joe", d.now)
	d.ok(err)
	d.equal(d.by("csv", "c2").ID, omar, "who stays")
	d.equal(d.by("entra", "2").ID, id, "who goes")
	// A record that was separated is not joined by a newcomer.
	d.whole("rmm", someone("r1", "Omar", "omar@contoso.example"))
	d.equal(d.by("rmm", "r1").Sources, map[string]string{"rmm": "r1"}, "a newcomer with an address that a separated record has")
	// Linked again, they are one.
	d.ok(d.Link(ctx, contoso, omar, id, "ann", d.now))
	d.together(true, [2]string{"csv", "c2"}, [2]string{"entra", "2"}, "linked after they were separated")
	_, err = d.Get(ctx, contoso, id)
	d.is(err, contacts.ErrNotFound, "the ID that was made by separating")
}

func managers(d *directory) {
	boss, dana := someone("9", "The Boss"), someone("1", "Dana")
	dana.Manager = "9"
	d.whole("entra", dana)
	d.equal(d.by("entra", "1").Manager, "", "a manager whom the directory does not know")
	d.delta("entra", boss)
	id := d.by("entra", "9").ID
	d.equal(d.by("entra", "1").Manager, id, "a manager who came later")
	dana.JobTitle = "Clerk"
	d.delta("entra", dana)
	d.equal(d.last().Manager, id, "the manager in an event")
	d.gone("entra", "1")
	d.equal([2]any{d.last().Kind, d.last().Manager}, [2]any{contacts.Left, id}, "the manager in the event of who left")
	dana.Manager = "8"
	d.delta("entra", someone("8", "New Boss"), dana)
	d.equal([2]any{d.last().Kind, d.last().Manager}, [2]any{contacts.Joined, d.by("entra", "8").ID}, "the manager of who is back, on the same page")
	d.equal(changed(d.last())[contacts.FieldManager], [2]string{"The Boss", "New Boss"}, "the change")
	d.whole("psa", someone("b", "The Boss"))
	d.ok(d.Link(d.Context(), contoso, d.by("psa", "b").ID, d.by("entra", "8").ID, "joe", d.now))
	d.equal(d.by("entra", "1").Manager, d.by("psa", "b").ID, "a manager who was linked")
	// Accounts are often switched off and taken from their team at once.
	former := d.by("psa", "b").ID
	dana.Manager = ""
	d.delta("entra", off(dana))
	d.equal([2]any{d.last().Kind, d.last().Manager}, [2]any{contacts.Left, former}, "the manager of who left and has none any more")
}

func wrote(d *directory) {
	ctx := d.Context()
	d.whole("entra", calling(someone("1", "Dana"), "+12025550143"))
	dana := d.by("entra", "1")
	d.pass(30 * day)
	number, empty, bad := "+12025550199", "", "0043 1 5550199"
	write := contacts.PhoneWrite{Tenant: contoso, ID: dana.ID, Source: "entra", SourceID: "1", Mobile: &number, Business: &empty, By: "joe", Reason: "Dana called"}
	for name, c := range map[string]struct {
		want   error
		change func(*contacts.PhoneWrite)
	}{
		"nobody":            {mspkit.ErrInvalid, func(w *contacts.PhoneWrite) { w.By = "" }},
		"no reason":         {mspkit.ErrInvalid, func(w *contacts.PhoneWrite) { w.Reason = "\u200b" }},
		"no number":         {mspkit.ErrInvalid, func(w *contacts.PhoneWrite) { w.Mobile, w.Business = nil, nil }},
		"a number as typed": {mspkit.ErrInvalid, func(w *contacts.PhoneWrite) { w.Mobile = &bad }},
		"no tenant":         {mspkit.ErrInvalid, func(w *contacts.PhoneWrite) { w.Tenant = "" }},
		"another contact":   {contacts.ErrNotFound, func(w *contacts.PhoneWrite) { w.ID = "nobody" }},
		"another record":    {contacts.ErrNotFound, func(w *contacts.PhoneWrite) { w.SourceID = "2" }},
		"another source":    {contacts.ErrNotFound, func(w *contacts.PhoneWrite) { w.Source = "psa" }},
	} {
		w := write
		c.change(&w)
		err := d.Wrote(ctx, w, d.now)
		d.is(err, c.want, name)
		if strings.Contains(err.Error(), "5550199") {
			d.Fatalf("%s: the error has the number: %v", name, err)
		}
	}
	n := len(d.events(contoso))
	d.ok(d.Wrote(ctx, write, d.now))
	d.equal(len(d.events(contoso)), n+1, "events")
	e := d.last()
	d.equal([6]string{string(e.Kind), e.Contact, e.Source, e.By, e.Reason, changed(e)[contacts.FieldPhones][1]},
		[6]string{"changed", dana.ID, "entra", "joe", "Dana called", "…0143, …0199"}, "the event")
	typed := func(what, value, by string, since any) {
		d.Helper()
		for _, a := range d.by("entra", "1").Phones {
			if a.Value == value {
				d.equal([]any{a.TypedBy, a.FirstSeen}, []any{by, since}, what)
				return
			}
		}
		d.Fatalf("%s: the number is not there", what)
	}
	typed("a number that was written", number, "joe", d.now)
	typed("the one that was there", "+12025550143", "", dana.Phones[0].FirstSeen)
	found, err := d.Find(ctx, contacts.Search{Tenant: contoso, Phone: number})
	d.ok(err)
	d.equal(len(found), 1, "found by the number")
	at := d.now
	d.pass(day)
	// The source tells of it late, or first of the old one: it was typed all the same.
	d.delta("entra", calling(someone("1", "Dana"), "+12025550143"))
	d.equal(addresses(d.by("entra", "1").Phones), "+12025550143", "what the source says")
	d.pass(day)
	d.delta("entra", calling(someone("1", "Dana"), number))
	typed("a number that the source tells late", number, "joe", d.now)
	if !d.now.After(at) {
		d.Fatal("time stands still")
	}
	// The same number again makes it new again.
	d.pass(30 * day)
	d.ok(d.Wrote(ctx, contacts.PhoneWrite{Tenant: contoso, ID: dana.ID, Source: "entra", SourceID: "1", Business: &number, By: "ann", Reason: "again"}, d.now))
	typed("a number that was written again", number, "ann", d.now)
	d.equal(d.last().Reason, "again", "the event of a number that was there")
	again, added := "+12025550177", "Ticket 20261127: not (202) 555\u20110199, +1 202-555.0177 and 2025550177 are theirs; 0043 1 5550123"
	d.ok(d.Wrote(ctx, contacts.PhoneWrite{Tenant: contoso, ID: dana.ID, Source: "entra", SourceID: "1", Mobile: &again, By: "ann", Reason: added}, d.now))
	d.equal(d.last().Reason, "Ticket 20261127: not (…0199, …0177 and …0177 are theirs; 0043 1 5550123", "numbers in a reason")
	d.whole("entra", someone("2", "Omar"))
	d.is(d.Wrote(ctx, write, d.now), contacts.ErrNotFound, "a number for somebody who has left")
}
