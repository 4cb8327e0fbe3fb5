package contactstest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

// DirectoryOptions of [TestDirectory]. The zero value is usable.
type DirectoryOptions struct {
	// Histories is how many random histories are compared with a model; 0 is 20, a negative value none.
	Histories int
	// Seed is of the first history, the next ones have the next numbers; 0 takes one from the clock. A failure prints it.
	Seed uint64
}

// Precedence is that of the directories in the suite.
func precedence() contacts.Precedence {
	return contacts.Precedence{
		Default: []string{"entra", "psa"},
		Of:      map[contacts.Field][]string{contacts.FieldPhones: {"psa", "entra"}, contacts.FieldCompany: {"psa"}},
	}
}

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")
	day      = 24 * time.Hour
)

// TestDirectory runs a directory through every sentence of [contacts.Directory]. storage makes a fresh, empty storage for
// one part and returns what opens an instance on it that believes the sources as p says. Two instances race each other, and
// an instance opened later must find what an earlier one stored. Instances that need closing are closed by t.Cleanup.
func TestDirectory(t *testing.T, storage func(t *testing.T, p contacts.Precedence) (open func() contacts.Directory), o *DirectoryOptions) {
	t.Helper()
	var opts DirectoryOptions
	if o != nil {
		opts = *o
	}
	for _, part := range append(directoryParts(), directoryPart{"Random histories are what a model says", opts.histories}) {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			fresh := func() *directory {
				open := storage(t, precedence())
				d := &directory{T: t, open: open, now: time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)}
				d.both = []contacts.Directory{open(), open()}
				d.Directory = d.both[0]
				return d
			}
			d := fresh()
			d.fresh = fresh
			part.run(d)
		})
	}
}

type directoryPart struct {
	name string
	run  func(*directory)
}

func directoryParts() []directoryPart {
	return slices.Concat(pageParts, whoParts, ageParts, findParts, eventParts, photoParts)
}

// directory is one part with its storage, two instances on it, and a clock.
type directory struct {
	*testing.T
	contacts.Directory // the first instance
	both               []contacts.Directory
	open               func() contacts.Directory
	fresh              func() *directory
	now                time.Time
}

func (d *directory) ok(err error) {
	d.Helper()
	if err != nil {
		d.Fatalf("unexpected error: %v", err)
	}
}

func (d *directory) is(err, want error, what string) {
	d.Helper()
	if !errors.Is(err, want) {
		d.Fatalf("%s: the error is %v, it should be %v", what, err, want)
	}
}

// equal compares what is printed: an empty list is nil or not, and times are in UTC.
func (d *directory) equal(got, want any, what string) {
	d.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		d.Fatalf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func (d *directory) pass(t time.Duration) { d.now = d.now.Add(t) }

// batch is a page of a run as it would come next.
func (d *directory) batch(tenant mspkit.TenantID, source string, p contacts.Page) contacts.Batch {
	d.Helper()
	at, err := d.Checkpoint(d.Context(), tenant, source)
	d.ok(err)
	p.Contacts = slices.Clone(p.Contacts)
	for i := range p.Contacts {
		p.Contacts[i].Tenant = tenant
	}
	return contacts.Batch{At: at, Page: p, Now: d.now}
}

func (d *directory) apply(b contacts.Batch) contacts.Applied {
	d.Helper()
	a, err := d.Apply(d.Context(), b)
	d.ok(err)
	return a
}

// whole lists everybody of Contoso on one page.
func (d *directory) whole(source string, list ...contacts.Contact) contacts.Applied {
	d.Helper()
	return d.apply(d.batch(contoso, source, contacts.Page{Contacts: list, Whole: true, Next: "later"}))
}

// delta tells what has changed at Contoso.
func (d *directory) delta(source string, list ...contacts.Contact) contacts.Applied {
	d.Helper()
	return d.apply(d.batch(contoso, source, contacts.Page{Contacts: list, Next: "later"}))
}

// gone tells who is gone at Contoso.
func (d *directory) gone(source string, ids ...string) contacts.Applied {
	d.Helper()
	return d.apply(d.batch(contoso, source, contacts.Page{Removed: ids, Next: "later"}))
}

// by returns somebody by the id in a source.
func (d *directory) by(source, id string) contacts.Contact {
	d.Helper()
	c, err := d.BySource(d.Context(), contoso, source, id)
	if err != nil {
		d.Fatalf("%s %s: %v", source, id, err)
	}
	return c
}

// together checks whether two records are one person.
func (d *directory) together(want bool, a, b [2]string, why string) {
	d.Helper()
	if got := d.by(a[0], a[1]).ID == d.by(b[0], b[1]).ID; got != want {
		d.Fatalf("%s: %v and %v are one person: %t", why, a, b, got)
	}
}

func (d *directory) events(tenant mspkit.TenantID) []contacts.Event {
	d.Helper()
	var out []contacts.Event
	for {
		list, err := d.Events(d.Context(), tenant, int64(len(out)), 1000)
		d.ok(err)
		out = append(out, list...)
		if len(list) < 1000 {
			break
		}
	}
	for i, e := range out {
		if e.Seq != int64(i)+1 || e.Tenant != tenant {
			d.Fatalf("event %d of %s has the number %d and the tenant %s", i+1, tenant, e.Seq, e.Tenant)
		}
	}
	return out
}

// last returns the newest event of Contoso.
func (d *directory) last() contacts.Event {
	d.Helper()
	list := d.events(contoso)
	if len(list) == 0 {
		d.Fatal("there is no event")
	}
	return list[len(list)-1]
}

func (d *directory) counts(a contacts.Applied, joined, changed, left, same int, what string) {
	d.Helper()
	d.equal([4]int{a.Joined, a.Changed, a.Left, a.Same}, [4]int{joined, changed, left, same}, what+": joined, changed, left, same")
}

// conflicts checks which addresses of Contoso are in doubt, and between how many people.
func (d *directory) conflicts(want map[string]int, what string) {
	d.Helper()
	list, err := d.Conflicts(d.Context(), contoso)
	d.ok(err)
	got := map[string]int{}
	for _, c := range list {
		got[c.Email] = len(c.Contacts)
		if c.Tenant != contoso || !slices.IsSorted(c.Contacts) {
			d.Fatalf("%s: a conflict of tenant %q between %v", what, c.Tenant, c.Contacts)
		}
	}
	d.equal(got, want, what+": conflicts")
}

// someone is an enabled contact of a source.
func someone(id, name string, emails ...string) contacts.Contact {
	c := contacts.Contact{ID: id, Name: name, Enabled: true}
	for _, e := range emails {
		c.Emails = append(c.Emails, contacts.Address{Value: e})
	}
	return c
}

// calling returns c with phone numbers.
func calling(c contacts.Contact, numbers ...string) contacts.Contact {
	c.Phones = nil
	for _, n := range numbers {
		c.Phones = append(c.Phones, contacts.Address{Value: n, Raw: n})
	}
	return c
}

// off returns c as somebody whose account is off.
func off(c contacts.Contact) contacts.Contact {
	c.Enabled = false
	return c
}
