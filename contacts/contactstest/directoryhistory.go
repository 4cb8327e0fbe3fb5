package contactstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

// histories compares random histories with the model.
func (o DirectoryOptions) histories(d *directory) {
	n, seed := o.Histories, o.Seed
	switch {
	case n == 0:
		n = 20
	case n < 0:
		d.Skip("the options say none")
	}
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for i := range uint64(n) {
		h := &history{directory: d.fresh(), r: rand.New(rand.NewPCG(seed+i, 0)), models: map[mspkit.TenantID]*model{}, ids: map[mspkit.TenantID]map[int]string{}, seq: map[mspkit.TenantID]int64{}} //nolint:gosec // a test that can be repeated
		h.run(seed + i)
	}
}

// history is one random history.
type history struct {
	*directory
	r      *rand.Rand
	models map[mspkit.TenantID]*model
	ids    map[mspkit.TenantID]map[int]string // whom the model and the directory name
	seq    map[mspkit.TenantID]int64
}

func (h *history) run(seed uint64) {
	defer func() {
		if h.Failed() {
			h.Logf("the seed is %d", seed)
		}
	}()
	for _, tenant := range []mspkit.TenantID{contoso, fabrikam} {
		h.models[tenant], h.ids[tenant] = newModel(), map[int]string{}
	}
	for range 60 {
		h.pass(time.Second + time.Duration(h.r.IntN(72))*time.Hour)
		h.Directory = h.both[h.r.IntN(2)]
		tenant := contoso
		if h.r.IntN(4) == 0 {
			tenant = fabrikam
		}
		m := h.models[tenant]
		what := h.step(tenant, m)
		h.compare(tenant, m, what)
	}
}

func (h *history) pick(list ...string) string { return list[h.r.IntN(len(list))] }

// step does one thing in both, and says what.
func (h *history) step(tenant mspkit.TenantID, m *model) string {
	ctx := h.Context()
	var e, other *told
	if len(m.list) > 0 {
		e, other = m.list[h.r.IntN(len(m.list))], m.list[h.r.IntN(len(m.list))]
	}
	switch n := h.r.IntN(100); {
	case n < 8 && e != nil && e.who != other.who:
		err := h.Link(ctx, tenant, h.ids[tenant][e.who], h.ids[tenant][other.who], "joe", h.now)
		keep, gone := e.who, other.who
		if ok := m.link(keep, gone, h.now); !ok {
			h.is(err, contacts.ErrConflict, "a link of two people of one source")
			return "a link that was refused"
		}
		h.ok(err)
		return fmt.Sprintf("link %d and %d", keep, gone)
	case n < 16 && e != nil && (e.live || len(m.of(e.who)) == 1):
		_, err := h.Separate(ctx, tenant, e.source, e.id, "joe", h.now)
		h.ok(err)
		m.separate(e, h.now)
		return fmt.Sprintf("separate %s %s", e.source, e.id)
	case n < 22 && e != nil && e.live:
		number := "+1202555010" + h.pick("0", "1", "2", "3", "4")
		h.ok(h.Wrote(ctx, contacts.PhoneWrite{
			Tenant: tenant, ID: h.ids[tenant][e.who], Source: e.source, SourceID: e.id, Mobile: &number, By: "ann", Reason: "asked",
		}, h.now))
		m.wrote(e, number, "ann", h.now)
		return fmt.Sprintf("write %s to %s %s", number, e.source, e.id)
	case n < 25:
		source := h.pick("entra", "psa", "csv")
		a, err := h.Forget(ctx, tenant, source, h.now)
		h.ok(err)
		m.forget(source)
		h.counted(a, m, "forget "+source)
		return "forget " + source
	}
	return h.page(tenant, m)
}

// page applies a random page.
func (h *history) page(tenant mspkit.TenantID, m *model) string {
	source := h.pick("entra", "psa", "csv")
	at, err := h.Checkpoint(h.Context(), tenant, source)
	h.ok(err)
	p := contacts.Page{Whole: h.r.IntN(2) == 0, More: h.r.IntN(3) == 0, Next: "next"}
	if at.Running {
		p.Whole = at.Whole
	}
	for range h.r.IntN(6) {
		p.Contacts = append(p.Contacts, h.contact())
	}
	if !p.Whole || h.r.IntN(4) == 0 {
		for range h.r.IntN(3) {
			p.Removed = append(p.Removed, h.id())
		}
	}
	b := h.batch(tenant, source, p)
	b.Known = time.Duration(h.r.IntN(3)) * 50 * day
	what := fmt.Sprintf("a page of %s: %+v", source, b.Page)
	var dry contacts.Applied
	if h.r.IntN(4) == 0 && !at.Running { // in the middle of a run it would be another one
		b.DryRun = true
		dry = h.apply(b)
		b.DryRun = false
	}
	a := h.apply(b)
	m.page(source, b.Page, !at.Running, h.now, b.Known)
	h.counted(a, m, what)
	if len(dry.Events) > 0 {
		h.equal([]int{dry.Joined, dry.Changed, dry.Left, dry.Same, len(dry.Events)}, []int{a.Joined, a.Changed, a.Left, a.Same, len(m.events)}, "dry, "+what)
	}
	return what
}

func (h *history) counted(a contacts.Applied, m *model, what string) {
	h.Helper()
	if got := [4]int{a.Joined, a.Changed, a.Left, a.Same}; got != m.counts {
		h.Fatalf("%s\njoined, changed, left, same are %v, the model says %v\n%s", what, got, m.counts, m)
	}
}

func (h *history) id() string { return h.pick("1", "2", "3", "4", "5", "6", "7") }

func (h *history) contact() contacts.Contact {
	c := someone(h.id(), h.pick("Dana", "Omar", "Ann", ""))
	c.Company = h.pick("", "", "Contoso", "Fabrikam")
	c.Enabled = h.r.IntN(5) > 0
	if h.r.IntN(8) == 0 {
		c.Sources = map[string]string{"entra": h.id()}
	}
	for i := range 6 {
		if h.r.IntN(6) == 0 {
			c.Emails = append(c.Emails, contacts.Address{Value: fmt.Sprintf("e%d@contoso.example", i)})
		}
	}
	for i := range 5 {
		if h.r.IntN(5) == 0 {
			a := contacts.Address{Value: fmt.Sprintf("+1202555010%d", i)}
			if h.r.IntN(6) == 0 {
				a.TypedBy = "joe"
			}
			c.Phones = append(c.Phones, a)
		}
	}
	return c
}

// compare checks a tenant against the model.
func (h *history) compare(tenant mspkit.TenantID, m *model, what string) {
	h.Helper()
	fail := func(format string, args ...any) {
		h.Helper()
		h.Fatalf("after %s\n%s\n%s", what, fmt.Sprintf(format, args...), m)
	}
	ids := h.ids[tenant]
	for _, e := range m.list {
		c, err := h.BySource(h.Context(), tenant, e.source, e.id)
		if err != nil {
			fail("%s %s: %v", e.source, e.id, err)
		}
		if ids[e.who] == "" {
			for who, id := range ids {
				if id == c.ID {
					if _, there := m.folk[who]; there {
						fail("%s %s has the ID of %d and not one of its own", e.source, e.id, who)
					}
				}
			}
			ids[e.who] = c.ID
		}
		if ids[e.who] != c.ID {
			fail("%s %s is the contact %s, and not %s, who is %d", e.source, e.id, c.ID, ids[e.who], e.who)
		}
		want := m.folk[e.who]
		shown := fmt.Sprint(c.Name, "|", c.Company, "|", list(c.Emails), "|", list(c.Phones), "|", c.Sources)
		var ages strings.Builder
		for _, a := range slices.Concat(c.Emails, c.Phones) {
			fmt.Fprintln(&ages, a.Value, a.FirstSeen.UnixMicro(), a.TypedBy != "")
		}
		if c.Enabled != want.on || shown != want.shown || ages.String() != want.ages {
			fail("%d is there %t as %s with\n%s\nthe model says %t, %s,\n%s", e.who, c.Enabled, shown, ages.String(), want.on, want.shown, want.ages)
		}
	}
	h.compareEvents(tenant, m, fail)
	list, err := h.Conflicts(h.Context(), tenant)
	h.ok(err)
	want := m.conflicts()
	for _, c := range list {
		var people []string
		for _, who := range want[c.Email] {
			people = append(people, ids[who])
		}
		slices.Sort(people)
		if !slices.Equal(people, c.Contacts) {
			fail("the conflict of %s is between %v, the model says %v", c.Email, c.Contacts, people)
		}
	}
	if len(list) != len(want) {
		fail("%d conflicts, the model says %v", len(list), want)
	}
}

func (h *history) compareEvents(tenant mspkit.TenantID, m *model, fail func(string, ...any)) {
	h.Helper()
	events, err := h.Events(h.Context(), tenant, h.seq[tenant], 1000)
	h.ok(errors.Join(err))
	var got, want []string
	for _, e := range events {
		if h.seq[tenant]++; e.Seq != h.seq[tenant] {
			fail("event %d comes where %d should", e.Seq, h.seq[tenant])
		}
		got = append(got, fmt.Sprint(e.Kind, " ", e.Contact))
	}
	for _, e := range m.events {
		var kind string
		var who int
		_, err := fmt.Sscan(e, &kind, &who)
		h.ok(err)
		want = append(want, kind+" "+h.ids[tenant][who])
	}
	m.events = nil
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		fail("events %v, the model says %v", got, want)
	}
}

func list(addresses []contacts.Address) []string {
	var out []string
	for _, a := range addresses {
		out = append(out, a.Value)
	}
	return out
}
