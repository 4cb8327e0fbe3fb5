package contactstest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit/contacts"
)

// model is one tenant of a directory, as simple as it can be said: a list of records that is looked through each time.
type model struct {
	list   []*told
	folk   map[int]*somebody
	next   int
	events []string // since they were compared last
	listed map[string]bool
	run    map[string]int
	counts [4]int
}

// told is a record.
type told struct {
	source, id    string
	who           int
	live, gone    bool // neither: forgotten
	apart         bool
	on            bool
	name          string
	emails        []string
	phones        []string
	seen          map[string]time.Time
	typed         map[string]string
	once          map[string]string    // typed, and not there at present
	onceSeen      map[string]time.Time // since when they were known then
	run           int
	company, hint string
}

// somebody is a person as they are shown.
type somebody struct {
	on    bool
	shown string
	ages  string
}

func newModel() *model {
	return &model{folk: map[int]*somebody{}, listed: map[string]bool{}, run: map[string]int{}}
}

func (m *model) find(source, id string) *told {
	for _, e := range m.list {
		if e.source == source && e.id == id {
			return e
		}
	}
	return nil
}

func (m *model) of(who int) []*told {
	var out []*told
	for _, e := range m.list {
		if e.who == who {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *told) int { return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.id, b.id)) })
	return out
}

// believed returns the live records of somebody, the one that is believed first.
func (m *model) believed(who int, order ...string) []*told {
	var out []*told
	for _, source := range append(order, "csv") {
		for _, e := range m.of(who) {
			if e.live && e.source == source {
				out = append(out, e)
			}
		}
	}
	return out
}

// show works somebody out anew, and returns whether they are new, and how they were.
func (m *model) show(who int) (was *somebody, now *somebody) {
	was = m.folk[who]
	live := m.believed(who, "entra", "psa")
	if len(live) == 0 {
		if was == nil {
			panic("the model has no separated records that are gone")
		}
		gone := *was
		gone.on = false
		return was, &gone
	}
	name, company := "", ""
	sources := map[string]string{}
	var emails, phones []string
	var from [2]*told
	for _, e := range live {
		name = cmp.Or(name, e.name)
		sources[e.source] = cmp.Or(sources[e.source], e.id)
		if emails == nil && len(e.emails) > 0 {
			emails, from[0] = e.emails, e
		}
	}
	for _, e := range m.believed(who, "psa", "entra") {
		company = cmp.Or(company, e.company)
		if phones == nil && len(e.phones) > 0 {
			phones, from[1] = e.phones, e
		}
	}
	now = &somebody{on: m.on(who), shown: fmt.Sprint(name, "|", company, "|", emails, "|", phones, "|", sources)}
	for i, list := range [][]string{emails, phones} {
		for _, a := range list {
			now.ages += a + " " + m.age(who, from[i], a) + "\n"
		}
	}
	return was, now
}

// age says since when an address is known that e, who is believed, has.
func (m *model) age(who int, e *told, a string) string {
	since, by := e.seen[a], e.typed[a]
	if by == "" {
		for _, other := range m.of(who) {
			if s, ok := other.seen[a]; ok && other.live && (s.Before(since) || s.Equal(since) && by == "") {
				if s.Before(since) || other.typed[a] != "" {
					since, by = s, other.typed[a]
				}
			}
		}
		for _, other := range m.of(who) {
			if t, ok := other.once[a]; ok && by == "" && !other.onceSeen[a].After(since) {
				by = t
			}
			if t := other.typed[a]; t != "" && !other.live && by == "" && !other.seen[a].After(since) {
				by = t
			}
		}
	}
	// Who typed it first is not told apart: that somebody did is what matters.
	return fmt.Sprint(since.UnixMicro(), " ", by != "")
}

func (m *model) on(who int) bool {
	for _, source := range []string{"entra", "psa", "csv"} {
		no := false
		var live *told
		for _, e := range m.of(who) {
			switch {
			case e.source != source:
			case e.live && live == nil:
				live = e
			case !e.live:
				no = no || !e.on || e.gone && source != "csv"
			}
		}
		if live != nil {
			return live.on
		}
		if no {
			return false
		}
	}
	return false
}

// settle works people out anew and notes what happened to them.
func (m *model) settle(whom []int) {
	done := map[int]bool{}
	for _, who := range whom {
		if done[who] {
			continue
		}
		done[who] = true
		was, now := m.show(who)
		m.folk[who] = now
		kind, n := "", 3
		switch {
		case now.on && (was == nil || !was.on):
			kind, n = "joined", 0
		case was != nil && was.on && !now.on:
			kind, n = "left", 2
		case was != nil && was.shown != now.shown:
			kind, n = "changed", 1
		}
		m.counts[n]++
		if kind != "" {
			m.events = append(m.events, fmt.Sprint(kind, " ", who))
		}
	}
}

// page applies a page.
func (m *model) page(source string, p contacts.Page, begun bool, now time.Time, known time.Duration) {
	m.counts = [4]int{}
	if begun {
		m.run[source]++
	}
	first := p.Whole && !m.listed[source]
	last := map[string]contacts.Contact{}
	var order []string
	for _, c := range p.Contacts {
		if _, ok := last[c.ID]; !ok {
			order = append(order, c.ID)
		}
		last[c.ID] = c
	}
	order = slices.DeleteFunc(order, func(id string) bool { return slices.Contains(p.Removed, id) })
	var newcomers []string
	for _, id := range order {
		if e := m.find(source, id); e != nil {
			m.tell(e, last[id], first, now, known)
		} else {
			newcomers = append(newcomers, id)
		}
	}
	var made []*told
	for _, id := range newcomers {
		e := &told{source: source, id: id, who: -1, seen: map[string]time.Time{}, typed: map[string]string{}, once: map[string]string{}, onceSeen: map[string]time.Time{}}
		m.fill(e, last[id])
		for _, a := range slices.Concat(e.emails, e.phones) {
			e.seen[a] = now
			if first {
				e.seen[a] = now.Add(-known)
			}
		}
		made = append(made, e)
	}
	claims := map[int]int{}
	for _, e := range made {
		e.who = m.joins(e, made)
		claims[e.who]++
	}
	for _, e := range made {
		if claims[e.who] > 1 {
			e.who = -1
		}
	}
	for _, e := range made {
		if e.who < 0 {
			e.who = m.next
			m.next++
		}
		m.list = append(m.list, e)
	}
	var touched []int
	for _, id := range order {
		e := m.find(source, id)
		e.run = m.run[source]
		touched = append(touched, e.who)
	}
	for _, id := range p.Removed {
		if e := m.find(source, id); e != nil && e.live {
			if p.Whole && p.More { // they leave at the end of the run
				e.run = min(e.run, m.run[source]-1)
				continue
			}
			e.live, e.gone = false, true
			touched = append(touched, e.who)
		}
	}
	m.settle(touched)
	if !p.Whole || p.More {
		return
	}
	m.listed[source] = true
	touched = nil
	for _, e := range m.list {
		if e.source == source && e.live && e.run < m.run[source] {
			e.live, e.gone = false, true
			touched = append(touched, e.who)
		}
	}
	m.settle(touched)
}

// fill sets what a source says, without ages.
func (m *model) fill(e *told, c contacts.Contact) {
	e.live, e.gone, e.on, e.name, e.company, e.hint = true, false, c.Enabled, c.Name, c.Company, c.Sources["entra"]
	e.emails, e.phones = nil, nil
	for _, a := range c.Emails {
		e.emails = append(e.emails, a.Value)
	}
	for _, a := range c.Phones {
		e.phones = append(e.phones, a.Value)
	}
	for _, a := range c.Phones {
		if a.TypedBy != "" {
			e.typed[a.Value] = a.TypedBy
		}
	}
}

// told is a record that was there before.
func (m *model) tell(e *told, c contacts.Contact, first bool, now time.Time, known time.Duration) {
	live, seen, typed := e.live, e.seen, e.typed
	e.seen, e.typed = map[string]time.Time{}, map[string]string{}
	m.fill(e, c)
	for _, a := range slices.Concat(e.emails, e.phones) {
		since, had := seen[a]
		switch {
		case !had:
			since = now
		case live:
		case first && !since.After(now.Add(-known)):
			since = now.Add(-known)
		case !first:
			since = now
		}
		e.seen[a] = since
		if e.typed[a] = cmp.Or(e.typed[a], typed[a], e.once[a]); e.typed[a] == "" {
			delete(e.typed, a)
		}
		delete(e.once, a)
	}
	for a, by := range typed {
		if _, there := e.seen[a]; !there {
			e.once[a], e.onceSeen[a] = by, seen[a]
		}
	}
}

// joins returns whom a new record joins, -1 for nobody.
func (m *model) joins(e *told, made []*told) int {
	share := func(a, b *told) bool {
		return slices.ContainsFunc(a.emails, func(x string) bool { return slices.Contains(b.emails, x) })
	}
	for _, other := range made {
		if other != e && share(e, other) {
			return -1
		}
	}
	whom := map[int]bool{}
	for _, other := range m.list {
		if share(e, other) {
			if other.apart || other.source == e.source {
				return -1
			}
			whom[other.who] = true
		}
	}
	if len(whom) != 1 || !e.on {
		return -1
	}
	for who := range whom {
		if !m.folk[who].on {
			return -1
		}
		for _, other := range m.of(who) {
			if other.source == e.source || other.source == "entra" && e.hint != "" && e.hint != other.id || e.source == "entra" && other.hint != "" && other.hint != e.id {
				return -1
			}
		}
		return who
	}
	return -1
}

// forget forgets a source.
func (m *model) forget(source string) {
	m.counts = [4]int{}
	delete(m.listed, source)
	var touched []int
	for _, e := range m.list {
		if e.source == source && (e.live || e.gone) {
			e.live, e.gone = false, false
			touched = append(touched, e.who)
		}
	}
	m.settle(touched)
}

// link makes other a part of keep where it can be.
func (m *model) link(keep, other int, now time.Time) bool {
	for _, a := range m.of(keep) {
		for _, b := range m.of(other) {
			if a.live && b.live && a.source == b.source {
				return false
			}
		}
	}
	for _, e := range m.of(other) {
		e.who, e.apart = keep, false
		for a := range e.seen {
			e.seen[a] = now
		}
	}
	delete(m.folk, other)
	m.decided("linked", keep)
	return true
}

// separate makes a record a person of its own.
func (m *model) separate(e *told, now time.Time) {
	was := e.who
	if len(m.of(was)) == 1 {
		if !e.apart {
			e.apart = true
			m.decided("separated", was)
		}
		return
	}
	e.who, e.apart = m.next, true
	m.next++
	for a := range e.seen {
		e.seen[a] = now
	}
	m.decided("separated", e.who)
	m.decided("separated", was)
}

func (m *model) decided(kind string, who int) {
	was, now := m.show(who)
	m.folk[who] = now
	m.events = append(m.events, fmt.Sprint(kind, " ", who))
	if was != nil && was.on != now.on {
		m.events = append(m.events, fmt.Sprint(map[bool]string{true: "joined", false: "left"}[now.on], " ", who))
	}
}

// wrote notes a number.
func (m *model) wrote(e *told, number, by string, now time.Time) {
	if _, ok := e.seen[number]; !ok || !slices.Contains(e.phones, number) {
		e.phones = append(e.phones, number)
	}
	e.seen[number], e.typed[number] = now, by
	_, after := m.show(e.who)
	m.folk[e.who] = after
	m.events = append(m.events, fmt.Sprint("changed ", e.who))
}

// conflicts returns the addresses in doubt, with whom.
func (m *model) conflicts() map[string][]int {
	out := map[string][]int{}
	for _, e := range m.list {
		for _, a := range e.emails {
			if e.live && e.on && !e.apart && !slices.Contains(out[a], e.who) {
				out[a] = append(out[a], e.who)
			}
		}
	}
	maps.DeleteFunc(out, func(_ string, list []int) bool { return len(list) < 2 })
	return out
}

func (m *model) String() string {
	var b strings.Builder
	for _, e := range m.list {
		fmt.Fprintf(&b, "%s %s is %d: live %t gone %t apart %t on %t %v %v hint %q\n", e.source, e.id, e.who, e.live, e.gone, e.apart, e.on, e.emails, e.phones, e.hint)
	}
	return b.String()
}
