package contactstest

import (
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/race"
)

var eventParts = []directoryPart{
	{"Events tell what happened, with numbers masked", eventsTell},
	{"Events are read after a number", eventsRead},
	{"A consumer handles events once and in order", eventsHandled},
	{"No tenant keeps the others waiting", eventsFair},
	{"The history is of one contact, the latest first", histories},
}

func eventsTell(d *directory) {
	c := calling(someone("1", "Dana Whitfield", "dana@contoso.example"), number1)
	c.FirstName, c.LastName, c.JobTitle, c.Company, c.Photo, c.Locale = "Dana", "Whitfield", "Clerk", "Contoso", "https://pictures.example/?token=s3cret", "de-AT"
	d.whole("entra", c)
	id := d.by("entra", "1").ID
	e := d.last()
	d.equal(e, contacts.Event{Tenant: contoso, Seq: 1, Kind: contacts.Joined, Contact: id, Name: "Dana Whitfield", Source: "entra", First: true, At: d.now}, "who joined")
	d.equal(d.by("entra", "1").ChangedAt, d.now, "when they changed")
	d.pass(day)
	c = calling(c, number2, number1)
	c.Name, c.LastName, c.JobTitle, c.Company, c.Photo, c.Locale = "Dana Lee", "Lee", "Head of IT", "", "v2", "en"
	c.Emails[0].Value = "dana.lee@contoso.example"
	d.delta("entra", c)
	e = d.last()
	d.equal(e.Changes, []contacts.Change{
		{Field: contacts.FieldName, Old: "Dana Whitfield", New: "Dana Lee"},
		{Field: contacts.FieldEmails, Old: "dana@contoso.example", New: "dana.lee@contoso.example"},
		{Field: contacts.FieldPhones, Old: "…0143", New: "…0199, …0143"},
		{Field: contacts.FieldCompany, Old: "Contoso", New: ""},
		{Field: contacts.FieldJobTitle, Old: "Clerk", New: "Head of IT"},
		{Field: contacts.FieldPhoto, Old: "a picture", New: "another picture"},
		{Field: contacts.FieldLocale, Old: "de-AT", New: "en"},
	}, "what changed")
	e.Changes = nil
	d.equal(e, contacts.Event{Tenant: contoso, Seq: 2, Kind: contacts.Changed, Contact: id, Name: "Dana Lee", Source: "entra", At: d.now}, "who changed")
	d.equal(d.by("entra", "1").ChangedAt, d.now, "when they changed again")
	d.delta("entra", off(c))
	d.equal([2]any{d.last().Kind, len(d.last().Changes)}, [2]any{contacts.Left, 0}, "who left")
	d.counts(d.delta("entra", off(someone("2", "Off from the beginning"))), 0, 0, 0, 1, "who is off from the beginning")
	d.equal(len(d.events(contoso)), 3, "events, none of who was never there")
	d.delta("entra", someone("2", "Off from the beginning"))
	d.equal([2]any{d.last().Kind, d.last().First}, [2]any{contacts.Joined, false}, "who is on at last")
	for _, e := range d.events(contoso) {
		if s := fmt.Sprintf("%+v", e); strings.Contains(s, "2025550") || strings.Contains(s, "s3cret") {
			d.Fatalf("an event has a whole number or an address of a picture: %s", s)
		}
	}
}

// people joins n at a tenant.
func (d *directory) people(tenant mspkit.TenantID, n int) {
	d.Helper()
	var list []contacts.Contact
	for i := range n {
		list = append(list, someone(fmt.Sprintf("%s-%d", tenant, i), fmt.Sprintf("Person %d", i)))
	}
	d.apply(d.batch(tenant, "entra", contacts.Page{Contacts: list, Whole: true}))
}

func numbersOf(list []contacts.Event) string {
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%.1s%d", e.Tenant, e.Seq))
	}
	return strings.Join(out, " ")
}

func eventsRead(d *directory) {
	ctx := d.Context()
	d.people(contoso, 60)
	d.people(fabrikam, 3)
	for _, c := range []struct {
		after int64
		limit int
		n     int
		first int64
	}{{0, 0, 50, 1}, {0, 1000, 60, 1}, {57, 0, 3, 58}, {10, 5, 5, 11}, {60, 0, 0, 0}, {1 << 60, 0, 0, 0}, {-5, 2, 2, 1}} {
		list, err := d.both[1].Events(ctx, contoso, c.after, c.limit)
		d.ok(err)
		if len(list) != c.n || c.n > 0 && list[0].Seq != c.first {
			d.Fatalf("%d events after %d, at most %d, begin with %s", len(list), c.after, c.limit, numbersOf(list))
		}
	}
	for _, limit := range []int{-1, 1001} {
		_, err := d.Events(ctx, contoso, 0, limit)
		d.is(err, mspkit.ErrInvalid, "a limit")
		_, err = d.Unhandled(ctx, "mail", limit)
		d.is(err, mspkit.ErrInvalid, "a limit")
		_, err = d.History(ctx, contoso, "x", limit)
		d.is(err, mspkit.ErrInvalid, "a limit")
	}
	_, err := d.Events(ctx, "", 0, 0)
	d.is(err, mspkit.ErrInvalid, "no tenant")
}

func eventsHandled(d *directory) {
	ctx := d.Context()
	unhandled := func(consumer string, limit int) string {
		d.Helper()
		list, err := d.both[1].Unhandled(ctx, consumer, limit)
		d.ok(err)
		return numbersOf(list)
	}
	d.equal(unhandled("mail", 0), "", "what nobody has told")
	d.people(contoso, 3)
	d.equal(unhandled("mail", 0), "c1 c2 c3", "all events")
	d.ok(d.Handled(ctx, "mail", contoso, 2))
	d.equal(unhandled("mail", 0), "c3", "the rest")
	d.ok(d.Handled(ctx, "mail", contoso, 1))
	d.equal(unhandled("mail", 0), "c3", "after an older one was handled again")
	d.equal(unhandled("teams", 2), "c1 c2", "another consumer")
	d.is(d.Handled(ctx, "mail", contoso, 4), mspkit.ErrInvalid, "an event that is not there")
	d.is(d.Handled(ctx, "mail", contoso, -1), mspkit.ErrInvalid, "an event before the first")
	d.is(d.Handled(ctx, "mail", fabrikam, 1), mspkit.ErrInvalid, "an event of a tenant that has none")
	for _, consumer := range []string{"", "a\x00", "\xff", strings.Repeat("x", 1000)} {
		d.is(d.Handled(ctx, consumer, contoso, 1), mspkit.ErrInvalid, "a consumer's name")
		_, err := d.Unhandled(ctx, consumer, 0)
		d.is(err, mspkit.ErrInvalid, "a consumer's name")
	}
	race.On(d.both, func(instance contacts.Directory, i int) {
		if err := instance.Handled(ctx, "mail", contoso, int64(i%4)); err != nil {
			d.Errorf("one of many: %v", err)
		}
	})
	d.equal(unhandled("mail", 0), "", "after many have handled them")
	d.equal(unhandled("teams", 0), "c1 c2 c3", "another consumer")
	list, err := d.Unhandled(ctx, "teams", 1)
	d.ok(err)
	events := d.events(contoso)
	d.equal(list, events[:1], "an event that is not handled is the whole event")
}

func eventsFair(d *directory) {
	d.people("a", 200)
	d.people("b", 2)
	d.people("c", 3)
	list, err := d.Unhandled(d.Context(), "mail", 9)
	d.ok(err)
	d.equal(numbersOf(list), "a1 b1 c1 a2 b2 c2 a3 c3 a4", "the first nine")
	d.ok(d.Handled(d.Context(), "mail", "a", 150))
	d.ok(d.Handled(d.Context(), "mail", "b", 2))
	list, err = d.Unhandled(d.Context(), "mail", 4)
	d.ok(err)
	d.equal(numbersOf(list), "a151 c1 a152 c2", "the next four")
}

func histories(d *directory) {
	ctx := d.Context()
	for i := range 60 {
		d.delta("entra", someone("1", fmt.Sprintf("Dana %d", i)), someone("2", fmt.Sprintf("Omar %d", i)))
	}
	id := d.by("entra", "1").ID
	list, err := d.History(ctx, contoso, id, 0)
	d.ok(err)
	d.equal(len(list), 50, "events of a history without a limit")
	d.equal([2]any{list[0].Name, list[49].Name}, [2]any{"Dana 59", "Dana 10"}, "the latest and the last of them")
	for i, e := range list {
		if e.Contact != id || i > 0 && e.Seq >= list[i-1].Seq {
			d.Fatalf("event %d in the history is %+v", i, e)
		}
	}
	list, err = d.History(ctx, contoso, id, 1000)
	d.ok(err)
	d.equal([2]any{len(list), list[59].Kind}, [2]any{60, contacts.Joined}, "the whole history")
	list, err = d.History(ctx, fabrikam, id, 0)
	d.ok(err)
	d.equal(len(list), 0, "the history in another tenant")
	list, err = d.History(ctx, contoso, "", 0)
	d.ok(err)
	d.equal(len(list), 0, "the history of nobody")
	_, err = d.History(ctx, "", id, 0)
	d.is(err, mspkit.ErrInvalid, "the history in no tenant")
}
