package contactstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/race"
)

var pageParts = []directoryPart{
	{"A page is stored with its checkpoint", pageStored},
	{"A page that is repeated changes nothing", pageRepeated},
	{"Who is on no page of a whole run has left, and nobody else", pagesSwept},
	{"A run that is begun anew does not forget its own pages", runAnew},
	{"A stale checkpoint stores nothing", pageStale},
	{"A checkpoint that was forgotten is stale", pageForgotten},
	{"Race: one of many stores a page", racePage},
	{"Too many who leave at once are a fault", massLeave},
	{"A dry run tells everything and stores nothing", dryRun},
	{"What cannot be stored is refused as a whole", pageRefused},
	{"A checkpoint is set if it is the stored one", checkpointSet},
	{"Checkpoints are due by their time", checkpointsDue},
	{"A source that is forgotten", forgets},
	{"Tenants with the same ids do not see each other", tenantsApart},
	{"A restart loses nothing", restarts},
}

func pageStored(d *directory) {
	ctx := d.Context()
	at, err := d.Checkpoint(ctx, contoso, "entra")
	d.ok(err)
	d.equal(at, contacts.Checkpoint{Tenant: contoso, Source: "entra"}, "the checkpoint of nothing")
	first := d.apply(d.batch(contoso, "entra", contacts.Page{
		Contacts: []contacts.Contact{someone("1", "Dana Whitfield"), someone("2", "Omar Haddad")}, Whole: true, More: true, Next: "page 2",
	}))
	d.counts(first, 2, 0, 0, 0, "the first page")
	want := contacts.Checkpoint{
		Tenant: contoso, Source: "entra", Cursor: "page 2", Running: true, Whole: true, Run: 1, Pages: 1, Contacts: 2, Rev: 1, BegunAt: d.now,
	}
	d.equal(first.At, want, "the checkpoint after the first page")
	begun := d.now
	d.pass(time.Minute)
	b := d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{someone("3", "Ann Lee")}, Whole: true, Next: "later"})
	d.equal(b.At, want, "the checkpoint as it is read")
	b.DueAt = d.now.Add(time.Hour)
	second := d.apply(b)
	want = contacts.Checkpoint{
		Tenant: contoso, Source: "entra", Cursor: "later", Whole: true, Run: 1, Pages: 2, Contacts: 3, Rev: 2, BegunAt: begun, EndedAt: d.now,
		WholeAt: d.now, DueAt: d.now.Add(time.Hour),
	}
	d.equal(second.At, want, "the checkpoint after the last page")
	d.counts(second, 1, 0, 0, 0, "the last page, on which nobody of the first is")
	whole := d.now
	d.pass(time.Minute)
	third := d.delta("entra", someone("1", "Dana Whitfield-Lee"))
	want = contacts.Checkpoint{
		Tenant: contoso, Source: "entra", Cursor: "later", Run: 2, Pages: 1, Contacts: 1, Rev: 3, BegunAt: d.now, EndedAt: d.now, WholeAt: whole,
	}
	d.equal(third.At, want, "the checkpoint after what changed")
	d.counts(third, 0, 1, 0, 0, "a change")
	c := d.by("entra", "1")
	d.equal(c.Name, "Dana Whitfield-Lee", "the name")
	d.equal(c.Sources, map[string]string{"entra": "1"}, "the sources")
	d.equal(c.Tenant, contoso, "the tenant")
	got, err := d.Get(ctx, contoso, c.ID)
	d.ok(err)
	d.equal(got, c, "the contact by its ID")
	_, err = d.Get(ctx, contoso, "1")
	d.is(err, contacts.ErrNotFound, "an id of a source")
	_, err = d.BySource(ctx, contoso, "entra", "4")
	d.is(err, contacts.ErrNotFound, "an unknown id")
	_, err = d.BySource(ctx, contoso, "psa", "1")
	d.is(err, contacts.ErrNotFound, "an id of another source")
}

func pageRepeated(d *directory) {
	list := []contacts.Contact{
		calling(someone("1", "Dana Whitfield", "dana@contoso.example"), "+12025550143"), someone("2", "Omar Haddad"), off(someone("3", "Ann Lee")),
	}
	list[0].Manager, list[0].Locale, list[0].Photo, list[0].JobTitle = "2", "de-AT", "v1", "Clerk"
	list[0].ChangedAt = d.now.Add(-time.Hour)
	b := d.batch(contoso, "entra", contacts.Page{Contacts: list, Removed: []string{"nobody"}, Whole: true, More: true, Next: "2"})
	d.counts(d.apply(b), 2, 0, 0, 1, "a page")
	before, events := d.by("entra", "1"), d.events(contoso)
	for range 3 {
		d.pass(time.Hour)
		b := d.batch(contoso, "entra", b.Page)
		d.counts(d.apply(b), 0, 0, 0, 3, "the page again")
	}
	d.equal(d.by("entra", "1"), before, "the contact after the page was repeated")
	d.equal(d.events(contoso), events, "the events after the page was repeated")
	// The same contact twice on a page: the last counts. Who is told and removed is removed.
	a := d.apply(d.batch(contoso, "entra", contacts.Page{
		Contacts: []contacts.Contact{someone("4", "Old Name"), someone("4", "New Name"), someone("5", "Jo Ray")}, Removed: []string{"5", "5"}, Whole: true, More: true, Next: "3",
	}))
	d.counts(a, 1, 0, 0, 0, "one contact twice, one removed on the same page")
	d.equal(d.by("entra", "4").Name, "New Name", "the last one counts")
	d.equal(len(d.events(contoso)), len(events)+1, "events")
	_, err := d.BySource(d.Context(), contoso, "entra", "5")
	d.is(err, contacts.ErrNotFound, "who was told and removed")
}

func pagesSwept(d *directory) {
	d.whole("psa", someone("1", "Same id at another source"))
	d.whole("entra", someone("1", "Dana"), someone("2", "Omar"), someone("3", "Ann"))
	d.counts(d.delta("entra", someone("1", "Dana")), 0, 0, 0, 1, "what changed, without two others")
	d.pass(time.Hour)
	page := func(last bool, list ...contacts.Contact) contacts.Applied {
		return d.apply(d.batch(contoso, "entra", contacts.Page{Contacts: list, Whole: true, More: !last, Next: "next"}))
	}
	d.counts(page(false, someone("1", "Dana")), 0, 0, 0, 1, "the first page")
	d.counts(page(false, someone("4", "Jo")), 1, 0, 0, 0, "the second page")
	d.equal(d.by("entra", "2").Enabled, true, "somebody who is on no page so far")
	d.counts(page(true, someone("3", "Ann")), 0, 0, 1, 1, "the last page")
	omar := d.by("entra", "2")
	d.equal(omar.Enabled, false, "who is on no page")
	d.equal(omar.Name, "Omar", "their name")
	e := d.last()
	d.equal(e.Kind, contacts.Left, "the event")
	d.equal(e.Contact, omar.ID, "its contact")
	d.equal(d.by("psa", "1").Enabled, true, "the other source")
	d.pass(time.Hour)
	d.counts(d.whole("entra", someone("1", "Dana"), someone("2", "Omar"), someone("3", "Ann"), someone("4", "Jo")), 1, 0, 0, 3, "one comes back")
	d.equal(d.by("entra", "2").ID, omar.ID, "the ID of who came back")
	d.equal(d.last().Kind, contacts.Joined, "the event of who came back")
	d.counts(d.gone("entra", "2", "2", "nobody"), 0, 0, 1, 0, "one is removed")
	d.counts(d.gone("entra", "2"), 0, 0, 0, 0, "one is removed again")
	d.counts(d.whole("entra"), 0, 0, 3, 0, "nobody is left")
}

func runAnew(d *directory) {
	d.whole("entra", someone("1", "Dana"), someone("2", "Omar"), someone("3", "Ann"))
	d.apply(d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{someone("1", "Dana")}, Whole: true, More: true, Next: "2"}))
	at, err := d.Checkpoint(d.Context(), contoso, "entra")
	d.ok(err)
	at.Cursor, at.Running = "", false
	_, err = d.SetCheckpoint(d.Context(), at)
	d.ok(err)
	d.apply(d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{someone("2", "Omar")}, Whole: true, More: true, Next: "2"}))
	a := d.apply(d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{someone("3", "Ann")}, Whole: true}))
	d.counts(a, 0, 0, 1, 1, "the last page of the second try")
	d.equal(a.At.Run, int64(3), "runs")
	d.equal(a.At.Pages, int64(2), "pages of the last run")
	d.equal(d.by("entra", "1").Enabled, false, "who was on a page of the first try only")
}

func pageStale(d *directory) {
	old := d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{someone("1", "Dana")}, Whole: true})
	other := old
	other.Page.Contacts = []contacts.Contact{someone("2", "Omar")}
	other.Page.Contacts[0].Tenant = contoso
	d.apply(old)
	for _, instance := range d.both {
		_, err := instance.Apply(d.Context(), other)
		d.is(err, contacts.ErrStale, "a page for a checkpoint that has moved on")
		other.DryRun = true
		_, err = instance.Apply(d.Context(), other)
		d.is(err, contacts.ErrStale, "the same, dry")
		other.DryRun = false
	}
	_, err := d.BySource(d.Context(), contoso, "entra", "2")
	d.is(err, contacts.ErrNotFound, "somebody of the stale page")
	d.equal(len(d.events(contoso)), 1, "events")
}

func pageForgotten(d *directory) {
	ctx := d.Context()
	d.whole("entra", someone("1", "Dana"))
	late := d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{someone("2", "Omar")}, Whole: true})
	_, err := d.Forget(ctx, contoso, "entra", d.now)
	d.ok(err)
	_, err = d.Apply(ctx, late)
	d.is(err, contacts.ErrStale, "a page of before the source was forgotten")
	d.pass(time.Minute)
	d.whole("entra", someone("1", "Dana")) // has the same revision
	_, err = d.Apply(ctx, late)
	d.is(err, contacts.ErrStale, "the same page after the source was listed anew")
}

func racePage(d *directory) {
	for n := range 5 {
		b := d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{
			someone("1", fmt.Sprintf("Dana %d", n)), someone(fmt.Sprintf("new %d", n), "Somebody"),
		}, Whole: true, More: true, Next: "next"})
		var stored, stale atomic.Int64
		race.On(d.both, func(instance contacts.Directory, _ int) {
			switch _, err := instance.Apply(d.Context(), b); {
			case err == nil:
				stored.Add(1)
			case errors.Is(err, contacts.ErrStale):
				stale.Add(1)
			default:
				d.Errorf("one of many: %v", err)
			}
		})
		if stored.Load() != 1 || stale.Load() != race.Goroutines-1 {
			d.Fatalf("%d stored the page, %d were told that it is stale", stored.Load(), stale.Load())
		}
		d.equal(len(d.events(contoso)), 2*(n+1), "events after the race")
	}
	// Sources of one tenant, and tenants, at the same time: events without a gap all the same.
	race.On(d.both, func(instance contacts.Directory, i int) {
		tenant, source := contoso, fmt.Sprintf("source %d", i)
		if i%4 == 0 {
			tenant = fabrikam
		}
		c := someone("1", "Somebody", "shared@contoso.example")
		c.Tenant = tenant
		_, err := instance.Apply(d.Context(), contacts.Batch{
			At: contacts.Checkpoint{Tenant: tenant, Source: source}, Page: contacts.Page{Contacts: []contacts.Contact{c}, Whole: true}, Now: d.now,
		})
		if err != nil {
			d.Errorf("%s of many sources: %v", source, err)
		}
	})
	d.equal(len(d.events(contoso)), 10+race.Goroutines*3/4, "events of one tenant by many sources")
	d.equal(len(d.events(fabrikam)), race.Goroutines/4, "events of another one")
}

func massLeave(d *directory) {
	people := func(n int) []contacts.Contact {
		var out []contacts.Contact
		for i := range n {
			out = append(out, someone(fmt.Sprintf("p%03d", i), fmt.Sprintf("Person %03d", i)))
		}
		return append(out, off(someone("off", "Gone already")))
	}
	d.whole("entra", people(40)...)
	before, events := d.by("entra", "p000"), d.events(contoso)
	try := func(list []contacts.Contact, removed []string, most float64, dry bool) error {
		b := d.batch(contoso, "entra", contacts.Page{Contacts: list, Removed: removed, Whole: true, Next: "later"})
		b.MaxLeft, b.DryRun = most, dry
		_, err := d.Apply(d.Context(), b)
		return err
	}
	changed := people(20)
	changed[0].Name = "Changed on the same page"
	for _, dry := range []bool{true, false} {
		d.is(try(changed, nil, 0.25, dry), contacts.ErrMassLeave, "half of the people missing")
		d.is(try(nil, nil, 0.99, dry), contacts.ErrMassLeave, "all of the people missing")
		d.is(try(people(30), []string{"p000"}, 0.25, dry), contacts.ErrMassLeave, "ten missing and one removed")
	}
	d.equal(d.by("entra", "p000"), before, "a contact on a page that was refused")
	d.equal(d.events(contoso), events, "events of a page that was refused")
	at, err := d.Checkpoint(d.Context(), contoso, "entra")
	d.ok(err)
	d.equal(at.Rev, int64(1), "the checkpoint of a page that was refused")
	// A source that says of them on earlier pages that they are gone, as after its options were changed, is no other case.
	var ids []string
	for i := range 20 {
		ids = append(ids, fmt.Sprintf("p%03d", i))
	}
	d.apply(d.batch(contoso, "entra", contacts.Page{Contacts: people(5), Whole: true, More: true, Next: "2"}))
	d.counts(d.apply(d.batch(contoso, "entra", contacts.Page{Removed: ids, Whole: true, More: true, Next: "3"})), 0, 0, 0, 0, "who is removed within a whole run")
	d.is(try(people(40)[20:], nil, 0.25, false), contacts.ErrMassLeave, "half of the people removed by an earlier page")
	d.equal(d.events(contoso), events, "events of them")
	d.ok(try(people(40), nil, 0.25, false)) // they are listed again after that, so they are there
	d.equal(d.events(contoso), events, "events of those who are listed again")
	d.apply(d.batch(contoso, "entra", contacts.Page{Contacts: people(40), Whole: true, More: true, Next: "2"}))
	d.apply(d.batch(contoso, "entra", contacts.Page{Removed: []string{"p039", "off"}, Whole: true, More: true, Next: "3"}))
	d.ok(try(nil, nil, 0.25, false))
	d.equal(d.by("entra", "p039").Enabled, false, "who was listed and then removed in one run")
	d.equal(len(d.events(contoso)), len(events)+1, "events of one who has left")
	d.ok(try(people(30), nil, 0.1, false)) // ten are never too many
	d.ok(try(people(19), nil, 0.5, false))
	d.ok(try(people(8), nil, 0, false)) // everything is allowed
	d.equal(d.by("entra", "p008").Enabled, false, "who left in the end")
}

func dryRun(d *directory) {
	d.whole("entra", someone("1", "Dana", "dana@contoso.example"), someone("2", "Omar"))
	at, err := d.Checkpoint(d.Context(), contoso, "entra")
	d.ok(err)
	dana, events := d.by("entra", "1"), d.events(contoso)
	b := d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{someone("1", "Dana Lee"), someone("3", "Ann")}, Whole: true})
	b.DryRun = true
	var first contacts.Applied
	for i := range 2 {
		a := d.apply(b)
		d.counts(a, 1, 1, 1, 0, "a dry run")
		kinds := map[contacts.EventKind]string{}
		for _, e := range a.Events {
			kinds[e.Kind] = e.Name
			d.equal(e.Seq, int64(0), "the number of an event that is not there")
		}
		d.equal(kinds, map[contacts.EventKind]string{contacts.Joined: "Ann", contacts.Changed: "Dana Lee", contacts.Left: "Omar"}, "events of a dry run")
		if i == 0 {
			first = a
		}
		d.equal(a, first, "a dry run again")
	}
	d.equal(d.by("entra", "1"), dana, "a contact after a dry run")
	d.equal(d.by("entra", "2").Enabled, true, "who would have left")
	d.equal(d.events(contoso), events, "events after a dry run")
	_, err = d.BySource(d.Context(), contoso, "entra", "3")
	d.is(err, contacts.ErrNotFound, "who would have joined")
	after, err := d.Checkpoint(d.Context(), contoso, "entra")
	d.ok(err)
	d.equal(after, at, "the checkpoint after a dry run")
	found, err := d.Find(d.Context(), contacts.Search{Tenant: contoso, Email: "dana@contoso.example"})
	d.ok(err)
	d.equal(len(found), 1, "found after a dry run")
	b.DryRun = false
	a := d.apply(b)
	d.counts(a, 1, 1, 1, 0, "the same in earnest")
	d.equal(len(a.Events), 0, "events that come with a page that is stored")
}

func pageRefused(d *directory) {
	d.whole("entra", someone("1", "Dana"))
	for name, c := range map[string]struct {
		want   error
		change func(*contacts.Batch)
	}{
		"no tenant":             {mspkit.ErrInvalid, func(b *contacts.Batch) { b.At.Tenant = "" }},
		"a tenant of bytes":     {mspkit.ErrInvalid, func(b *contacts.Batch) { b.At.Tenant = "contoso\x00" }},
		"no source":             {mspkit.ErrInvalid, func(b *contacts.Batch) { b.At.Source = "" }},
		"a source of bytes":     {mspkit.ErrInvalid, func(b *contacts.Batch) { b.At.Source = "en\xfftra" }},
		"no time":               {mspkit.ErrInvalid, func(b *contacts.Batch) { b.Now = time.Time{} }},
		"a share of two":        {mspkit.ErrInvalid, func(b *contacts.Batch) { b.MaxLeft = 2 }},
		"less than known":       {mspkit.ErrInvalid, func(b *contacts.Batch) { b.Known = -1 }},
		"a long cursor":         {mspkit.ErrInvalid, func(b *contacts.Batch) { b.Page.Next = contacts.Cursor(strings.Repeat("x", contacts.MaxCursor+1)) }},
		"more without a cursor": {contacts.ErrSource, func(b *contacts.Batch) { b.Page.More = true }},
		"another tenant":        {contacts.ErrSource, func(b *contacts.Batch) { b.Page.Contacts[1].Tenant = fabrikam }},
		"no id":                 {mspkit.ErrInvalid, func(b *contacts.Batch) { b.Page.Contacts[1].ID = "" }},
		"an id with a NUL":      {mspkit.ErrInvalid, func(b *contacts.Batch) { b.Page.Contacts[1].ID = "2\x003" }},
		"an id of bytes":        {mspkit.ErrInvalid, func(b *contacts.Batch) { b.Page.Contacts[1].ID = "2\xff" }},
		"a long id":             {mspkit.ErrInvalid, func(b *contacts.Batch) { b.Page.Contacts[1].ID = strings.Repeat("2", mspkit.MaxID+1) }},
	} {
		b := d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{someone("1", "Changed"), someone("2", "New")}})
		c.change(&b)
		_, err := d.Apply(d.Context(), b)
		d.is(err, c.want, name)
	}
	ctx, cancel := context.WithCancel(d.Context())
	cancel()
	_, err := d.Apply(ctx, d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{someone("1", "Changed")}}))
	d.is(err, context.Canceled, "a context that is over")
	d.equal(d.by("entra", "1").Name, "Dana", "a contact on a page that was refused")
	d.equal(len(d.events(contoso)), 1, "events")
	d.apply(d.batch(contoso, "entra", contacts.Page{Whole: true, More: true, Next: "2"}))
	_, err = d.Apply(d.Context(), d.batch(contoso, "entra", contacts.Page{}))
	d.is(err, contacts.ErrSource, "a run that is whole on one page and not on another")
}

func checkpointSet(d *directory) {
	ctx := d.Context()
	want := contacts.Checkpoint{
		Tenant: contoso, Source: "entra", Cursor: "c", Running: true, Whole: true, BegunAt: d.now, EndedAt: d.now.Add(1e6), WholeAt: d.now.Add(2e6),
		DueAt: d.now.Add(3e6), Failures: 2, Failure: "the consent was withdrawn", FailedAt: d.now.Add(4e6),
	}
	got, err := d.SetCheckpoint(ctx, want)
	d.ok(err)
	want.Rev = 1
	d.equal(got, want, "what is stored")
	got, err = d.both[1].Checkpoint(ctx, contoso, "entra")
	d.ok(err)
	d.equal(got, want, "what is read")
	stale := want
	stale.Rev = 0
	_, err = d.SetCheckpoint(ctx, stale)
	d.is(err, contacts.ErrStale, "an older revision")
	counted := want
	counted.Run, counted.Pages, counted.Contacts, counted.Failure = 7, 8, 9, "a\x00b\xff"+strings.Repeat("x", 100_000)
	got, err = d.SetCheckpoint(ctx, counted)
	d.ok(err)
	d.equal([3]int64{got.Run, got.Pages, got.Contacts}, [3]int64{}, "the counters of the run")
	if !strings.HasPrefix(got.Failure, "abxxx") || len(got.Failure) > 10_000 {
		d.Fatalf("a failure in hostile words is stored in %d bytes: %.10q", len(got.Failure), got.Failure)
	}
	var set atomic.Int64
	race.On(d.both, func(instance contacts.Directory, i int) {
		c := got
		c.Failures = i
		if _, err := instance.SetCheckpoint(ctx, c); err == nil {
			set.Add(1)
		} else if !errors.Is(err, contacts.ErrStale) {
			d.Errorf("one of many: %v", err)
		}
	})
	d.equal(set.Load(), int64(1), "how many of many set a checkpoint")
	a := d.apply(d.batch(contoso, "entra", contacts.Page{Whole: true}))
	d.equal([2]any{a.At.Failures, a.At.Failure}, [2]any{0, ""}, "failures after a page")
	for name, c := range map[string]contacts.Checkpoint{
		"no tenant": {Source: "entra"}, "no source": {Tenant: contoso}, "a long cursor": {Tenant: contoso, Source: "x", Cursor: contacts.Cursor(strings.Repeat("x", contacts.MaxCursor+1))},
	} {
		_, err := d.SetCheckpoint(ctx, c)
		d.is(err, mspkit.ErrInvalid, name)
	}
	_, err = d.Checkpoint(ctx, "", "entra")
	d.is(err, mspkit.ErrInvalid, "the checkpoint of no tenant")
}

func checkpointsDue(d *directory) {
	ctx := d.Context()
	for i, c := range []contacts.Checkpoint{
		{Tenant: "t2", Source: "entra", DueAt: d.now.Add(-time.Minute)},
		{Tenant: "t1", Source: "psa", DueAt: d.now},
		{Tenant: "t1", Source: "entra", DueAt: d.now},
		{Tenant: "t3", Source: "entra", DueAt: d.now.Add(time.Millisecond)},
		{Tenant: "t4", Source: "entra"},
		{Tenant: "t5", Source: "entra", DueAt: d.now.Add(-time.Hour)},
	} {
		_, err := d.both[i%2].SetCheckpoint(ctx, c)
		d.ok(err)
	}
	names := func(list []contacts.Checkpoint, err error) string {
		d.Helper()
		d.ok(err)
		var out []string
		for _, c := range list {
			out = append(out, string(c.Tenant)+"/"+c.Source)
		}
		return strings.Join(out, " ")
	}
	d.equal(names(d.Due(ctx, d.now, 0)), "t5/entra t2/entra t1/entra t1/psa", "due")
	d.equal(names(d.Due(ctx, d.now, 2)), "t5/entra t2/entra", "the first two due")
	d.equal(names(d.Due(ctx, d.now.Add(-2*time.Hour), 0)), "", "due earlier")
	d.equal(names(d.Checkpoints(ctx, "")), "t1/entra t1/psa t2/entra t3/entra t4/entra t5/entra", "all checkpoints")
	d.equal(names(d.Checkpoints(ctx, "t1")), "t1/entra t1/psa", "those of a tenant")
	for _, limit := range []int{-1, 1001} {
		_, err := d.Due(ctx, d.now, limit)
		d.is(err, mspkit.ErrInvalid, fmt.Sprintf("a limit of %d", limit))
	}
}

func forgets(d *directory) {
	ctx := d.Context()
	list := []contacts.Contact{calling(someone("1", "Dana", "dana@contoso.example"), "+12025550143"), someone("2", "Omar"), off(someone("3", "Ann", "ann@contoso.example"))}
	d.whole("entra", list...)
	d.whole("psa", someone("p1", "Dana", "dana@contoso.example"))
	d.apply(d.batch(fabrikam, "entra", contacts.Page{Contacts: list, Whole: true}))
	id, seen := d.by("entra", "1").ID, d.by("entra", "1").Phones[0].FirstSeen
	d.pass(time.Hour)
	a, err := d.Forget(ctx, contoso, "entra", d.now)
	d.ok(err)
	d.counts(a, 0, 1, 1, 1, "a source forgotten")
	at, err := d.Checkpoint(ctx, contoso, "entra")
	d.ok(err)
	d.equal(at, contacts.Checkpoint{Tenant: contoso, Source: "entra"}, "the checkpoint")
	dana := d.by("psa", "p1")
	d.equal(dana.ID, id, "who is in another source, too")
	d.equal(dana.Enabled, true, "who is in another source is there")
	d.equal(dana.Sources, map[string]string{"psa": "p1"}, "their sources")
	d.equal(d.by("entra", "2").Enabled, false, "who is in no other source")
	a, err = d.Forget(ctx, contoso, "entra", d.now)
	d.ok(err)
	d.counts(a, 0, 0, 0, 0, "a source forgotten again")
	there, err := d.BySource(ctx, fabrikam, "entra", "2")
	d.ok(err)
	d.equal(there.Enabled, true, "the tenant next door")
	// Connected again, the same people are there, and a number is not older than it was.
	b := d.batch(contoso, "entra", contacts.Page{Contacts: list, Whole: true})
	b.Known = 100 * day
	a = d.apply(b)
	d.counts(a, 1, 1, 0, 1, "a source connected again")
	d.equal(d.by("entra", "1").ID, id, "the ID")
	d.equal(d.by("entra", "1").Phones[0].FirstSeen, seen, "since when the number is known")
}

func tenantsApart(d *directory) {
	ctx := d.Context()
	c := calling(someone("1", "Dana", "dana@contoso.example"), "+12025550143")
	d.apply(d.batch(contoso, "entra", contacts.Page{Contacts: []contacts.Contact{c}, Whole: true}))
	c.Name = "Dana of Fabrikam"
	d.apply(d.batch(fabrikam, "entra", contacts.Page{Contacts: []contacts.Contact{c}, Whole: true}))
	d.apply(d.batch(fabrikam, "psa", contacts.Page{Contacts: []contacts.Contact{someone("9", "Dana", "dana@contoso.example")}, Whole: true}))
	here := d.by("entra", "1")
	there, err := d.BySource(ctx, fabrikam, "entra", "1")
	d.ok(err)
	if here.ID == there.ID || here.Name != "Dana" || there.Name != "Dana of Fabrikam" || len(here.Sources) != 1 || len(there.Sources) != 2 {
		d.Fatalf("the same id in two tenants: %+v and %+v", here, there)
	}
	_, err = d.Get(ctx, fabrikam, here.ID)
	d.is(err, contacts.ErrNotFound, "a contact of the tenant next door")
	_, err = d.BySource(ctx, contoso, "psa", "9")
	d.is(err, contacts.ErrNotFound, "a record of the tenant next door")
	d.is(d.Link(ctx, contoso, here.ID, there.ID, "joe", d.now), contacts.ErrNotFound, "a link to the tenant next door")
	_, err = d.Separate(ctx, contoso, "psa", "9", "joe", d.now)
	d.is(err, contacts.ErrNotFound, "to separate a record of the tenant next door")
	number := "+12025550199"
	d.is(d.Wrote(ctx, contacts.PhoneWrite{Tenant: contoso, ID: there.ID, Source: "entra", SourceID: "1", Mobile: &number, By: "joe", Reason: "asked"}, d.now),
		contacts.ErrNotFound, "a number for the tenant next door")
	d.ok(d.setPhoto(there.ID, picture("1", d.now)))
	_, err = d.Photo(ctx, there.Tenant, there.ID)
	d.is(err, contacts.ErrNotFound, "a picture for the tenant next door")
	for _, s := range []contacts.Search{{Phone: "+12025550143"}, {Email: "dana@contoso.example"}, {Name: "dana"}} {
		s.Tenant = contoso
		found, err := d.Find(ctx, s)
		d.ok(err)
		if len(found) != 1 || found[0].ID != here.ID {
			d.Fatalf("a search finds %+v", found)
		}
	}
	history, err := d.History(ctx, contoso, there.ID, 0)
	d.ok(err)
	d.equal(len(history), 0, "the history of a contact of the tenant next door")
	d.equal(len(d.events(contoso)), 1, "events here")
	d.equal(len(d.events(fabrikam)), 2, "events there")
	_, err = d.Apply(ctx, d.batch(fabrikam, "entra", contacts.Page{Whole: true}))
	d.ok(err)
	d.equal(d.by("entra", "1").Enabled, true, "who is here after everybody there has left")
}

func restarts(d *directory) {
	ctx := d.Context()
	c := calling(someone("1", "Dana", "dana@contoso.example"), "+12025550143")
	c.FirstName, c.LastName, c.Company, c.JobTitle, c.Photo, c.Locale, c.Manager = "Dana", "Whitfield", "Contoso", "Clerk", "v1", "de-AT", "1"
	d.whole("entra", c)
	want, events := d.by("entra", "1"), d.events(contoso)
	d.equal(want.Manager, want.ID, "the manager")
	again := d.open()
	got, err := again.Get(ctx, contoso, want.ID)
	d.ok(err)
	d.equal(got, want, "a contact after a restart")
	list, err := again.Events(ctx, contoso, 0, 0)
	d.ok(err)
	d.equal(list, events, "events after a restart")
}
