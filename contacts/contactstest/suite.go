package contactstest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/race"
)

// Fixture says what is in a source under test.
type Fixture struct {
	// Tenant has the contacts IDs, five at least, as [contacts.Contact.ID] has them. They stay as they are, whatever Change
	// does; the tenant may have more.
	Tenant mspkit.TenantID
	IDs    []string
	// Other is another tenant of the same source with the contacts OtherIDs, of which none is in IDs. It is empty where the
	// source is of one tenant only.
	Other    mspkit.TenantID
	OtherIDs []string
	// Unknown is a tenant that the source has nothing of.
	Unknown mspkit.TenantID
	// Change changes, adds or removes something of Tenant that is not in IDs, in another way each time, so that what comes
	// after it moves. Nil means that the source cannot change.
	Change func(t *testing.T)
	// Touch changes the contact with this id, one of IDs, without changing its id. Nil means that the source cannot tell
	// what changed.
	Touch func(t *testing.T, id string)
}

// TestSource runs the suite. open makes a source with what the fixture says, anew for each part.
func TestSource(t *testing.T, open func(t *testing.T) (contacts.ContactSource, Fixture)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"A run ends and has everybody", endsWithAll},
		{"A limit is obeyed, and pages of any size have the same contacts", limits},
		{"A cursor goes on where its page ended, more than once", resumes},
		{"A foreign or damaged cursor is refused", cursors},
		{"Tenants do not see each other", tenants},
		{"A tenant that is unknown has nobody", unknown},
		{"What cannot be asked is refused", refuses},
		{"What does not change is in the run, whatever changes meanwhile", changes},
		{"A later run has what changed since", later},
		{"A context that is over ends it", cancelled},
		{"Many at once", concurrent},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			source, fixture := open(t)
			if len(fixture.IDs) < 5 {
				t.Fatalf("the fixture has %d contacts, the suite needs five", len(fixture.IDs))
			}
			part.run(&suite{T: t, source: source, Fixture: fixture})
		})
	}
}

type suite struct {
	*testing.T
	Fixture
	source contacts.ContactSource
}

// result is what a run had.
type result struct {
	contacts map[string]contacts.Contact
	removed  []string
	pages    []contacts.Page
	next     contacts.Cursor
	whole    bool
}

// read reads a run to its end. each is called after each page that another one follows.
func (s *suite) read(q contacts.Query, each func()) (result, error) {
	r := result{contacts: map[string]contacts.Contact{}}
	for p, err := range contacts.Pages(s.Context(), s.source, q) {
		if err != nil {
			return r, err
		}
		for _, c := range p.Contacts {
			r.contacts[c.ID] = c
		}
		r.removed = append(r.removed, p.Removed...)
		r.pages, r.next, r.whole = append(r.pages, p), p.Next, p.Whole
		if len(r.pages) > 10_000 {
			s.Fatal("a run has more than 10,000 pages")
		}
		if p.More && each != nil {
			each()
		}
	}
	return r, nil
}

func (s *suite) mustRead(q contacts.Query) result {
	s.Helper()
	r, err := s.read(q, nil)
	if err != nil {
		s.Fatalf("a run of %s: %v", q.Tenant, err)
	}
	return r
}

func (s *suite) hasAll(r result, ids []string) {
	s.Helper()
	for _, id := range ids {
		if _, ok := r.contacts[id]; !ok {
			s.Errorf("the run does not have %q", id)
		}
	}
}

func endsWithAll(s *suite) {
	r := s.mustRead(contacts.Query{Tenant: s.Tenant})
	s.hasAll(r, s.IDs)
	if !r.whole {
		s.Error("a run from the empty cursor is not whole")
	}
	for id, c := range r.contacts {
		for _, a := range c.Phones {
			if a.Value == "" && a.Raw == "" {
				s.Errorf("contact %q has a phone number that is empty", id)
			}
			if a.Value != "" && (a.Value[0] != '+' || strings.Trim(a.Value[1:], "0123456789") != "") {
				s.Errorf("contact %q has a phone number whose value is not in E.164 form", id)
			}
		}
		for _, a := range c.Emails {
			if v, err := contacts.CanonicalEmail(a.Value); err != nil || v != a.Value {
				s.Errorf("contact %q has an e-mail address that is not canonical", id)
			}
		}
	}
}

func limits(s *suite) {
	whole := s.mustRead(contacts.Query{Tenant: s.Tenant})
	for _, limit := range []int{1, 2, 3, len(s.IDs), 1_000_000_000} {
		r := s.mustRead(contacts.Query{Tenant: s.Tenant, Limit: limit})
		for _, p := range r.pages {
			if len(p.Contacts) > limit {
				s.Errorf("a page has %d contacts where %d were asked for at most", len(p.Contacts), limit)
			}
		}
		if got, want := ids(r), ids(whole); !slices.Equal(got, want) {
			s.Errorf("with pages of %d the run has %d contacts, and %d otherwise", limit, len(got), len(want))
		}
	}
}

func ids(r result) []string { return slices.Sorted(maps.Keys(r.contacts)) }

func resumes(s *suite) {
	r := s.mustRead(contacts.Query{Tenant: s.Tenant, Limit: 2})
	if len(r.pages) < 3 {
		s.Fatalf("five contacts and more came in %d pages of two", len(r.pages))
	}
	for i, p := range r.pages[:len(r.pages)-1] {
		for range 2 { // a host that stopped before it had stored the page asks again
			next, err := s.source.FetchContacts(s.Context(), contacts.Query{Tenant: s.Tenant, Limit: 2, Cursor: p.Next})
			if err != nil {
				s.Fatalf("page %d, asked for again: %v", i+2, err)
			}
			if got, want := pageIDs(next), pageIDs(r.pages[i+1]); !slices.Equal(got, want) {
				s.Errorf("page %d has other contacts when it is asked for again", i+2)
			}
		}
		if len(p.Next) > contacts.MaxCursor {
			s.Errorf("the cursor of page %d has %d bytes", i+2, len(p.Next))
		}
	}
}

func pageIDs(p contacts.Page) []string {
	out := make([]string, 0, len(p.Contacts))
	for _, c := range p.Contacts {
		out = append(out, c.ID)
	}
	return out
}

func cursors(s *suite) {
	p, err := s.source.FetchContacts(s.Context(), contacts.Query{Tenant: s.Tenant, Limit: 2})
	if err != nil || !p.More {
		s.Fatalf("a first page of two: more %t, %v", p.More, err)
	}
	bad := []contacts.Cursor{
		"x", "0", "-1", "null", "{}", "e30", "bnVsbA", "\x00", "\xff\xfe", "../../etc/passwd", "https://evil.example/",
		p.Next + "x", "x" + p.Next, p.Next[:len(p.Next)/2], p.Next + p.Next, contacts.Cursor(strings.Repeat("A", contacts.MaxCursor)),
		contacts.Cursor(strings.Repeat("A", contacts.MaxCursor+1)),
	}
	for _, c := range bad {
		got, err := s.source.FetchContacts(s.Context(), contacts.Query{Tenant: s.Tenant, Limit: 2, Cursor: c})
		if !errors.Is(err, contacts.ErrCursor) {
			s.Errorf("the cursor %.40q is %v, and not contacts.ErrCursor", c, err)
		}
		if len(got.Contacts) > 0 {
			s.Errorf("the cursor %.40q gives contacts", c)
		}
	}
	// One byte changed either is noticed or at least gives nobody of another tenant.
	for i := range len(p.Next) {
		b := []byte(p.Next)
		b[i] ^= 1
		got, err := s.source.FetchContacts(s.Context(), contacts.Query{Tenant: s.Tenant, Limit: 2, Cursor: contacts.Cursor(b)})
		if err != nil && !errors.Is(err, contacts.ErrCursor) {
			s.Errorf("a cursor with byte %d changed is %v, and not contacts.ErrCursor", i, err)
		}
		s.own(got, s.Tenant, s.OtherIDs)
	}
	if s.Other != "" {
		got, err := s.source.FetchContacts(s.Context(), contacts.Query{Tenant: s.Other, Limit: 2, Cursor: p.Next})
		if !errors.Is(err, contacts.ErrCursor) {
			s.Errorf("the cursor of another tenant is %v, and not contacts.ErrCursor", err)
		}
		s.own(got, s.Other, s.IDs)
	}
}

// own checks that a page is of one tenant and has none of the others.
func (s *suite) own(p contacts.Page, tenant mspkit.TenantID, others []string) {
	s.Helper()
	for _, c := range p.Contacts {
		if c.Tenant != tenant {
			s.Errorf("a page of %s has a contact of %q", tenant, c.Tenant)
		}
		if slices.Contains(others, c.ID) {
			s.Errorf("a page of %s has %q, who is of another tenant", tenant, c.ID)
		}
	}
	for _, id := range p.Removed {
		if slices.Contains(others, id) {
			s.Errorf("a page of %s tells that %q is gone, who is of another tenant", tenant, id)
		}
	}
}

func tenants(s *suite) {
	if s.Other == "" {
		s.Skip("the source is of one tenant only")
	}
	for _, limit := range []int{0, 2} {
		a := s.mustRead(contacts.Query{Tenant: s.Tenant, Limit: limit})
		b := s.mustRead(contacts.Query{Tenant: s.Other, Limit: limit})
		s.hasAll(b, s.OtherIDs)
		for _, p := range a.pages {
			s.own(p, s.Tenant, s.OtherIDs)
		}
		for _, p := range b.pages {
			s.own(p, s.Other, s.IDs)
		}
	}
}

func unknown(s *suite) {
	if s.Unknown == "" {
		s.Skip("the fixture names no unknown tenant")
	}
	r, err := s.read(contacts.Query{Tenant: s.Unknown}, nil)
	if err != nil && !errors.Is(err, contacts.ErrTenant) {
		s.Errorf("a run of an unknown tenant is %v, and neither empty nor contacts.ErrTenant", err)
	}
	if len(r.contacts) > 0 {
		s.Errorf("an unknown tenant has %d contacts", len(r.contacts))
	}
}

func refuses(s *suite) {
	for name, q := range map[string]contacts.Query{
		"no tenant":         {},
		"a negative limit":  {Tenant: s.Tenant, Limit: -1},
		"a tenant of bytes": {Tenant: "contoso\xff"},
	} {
		if _, err := s.source.FetchContacts(s.Context(), q); !errors.Is(err, mspkit.ErrInvalid) {
			s.Errorf("%s is %v, and not mspkit.ErrInvalid", name, err)
		}
	}
}

// changes reads runs between whose pages something else changes. A source may give up a run by ErrCursor.
func changes(s *suite) {
	if s.Change == nil {
		s.Skip("the source cannot change")
	}
	finished := 0
	for _, limit := range []int{1, 2, 3} {
		r, err := s.read(contacts.Query{Tenant: s.Tenant, Limit: limit}, func() { s.Change(s.T) })
		switch {
		case errors.Is(err, contacts.ErrCursor):
			r = s.mustRead(contacts.Query{Tenant: s.Tenant, Limit: limit}) // begun again, and left alone
		case err != nil:
			s.Fatalf("a run while something changes: %v", err)
		default:
			finished++
		}
		s.hasAll(r, s.IDs)
	}
	s.Logf("%d of 3 runs ended although something changed after each page", finished)
}

func later(s *suite) {
	if s.Touch == nil {
		s.Skip("the source cannot tell what changed")
	}
	first := s.mustRead(contacts.Query{Tenant: s.Tenant, Limit: 2})
	if first.next == "" {
		s.Fatal("the last page of the first run has no cursor for a later one")
	}
	touched := s.IDs[3]
	s.Touch(s.T, touched)
	for range 2 { // from the same cursor: the host may have lost what it read
		r := s.mustRead(contacts.Query{Tenant: s.Tenant, Cursor: first.next})
		if _, ok := r.contacts[touched]; !ok {
			s.Errorf("the later run does not have %q, who changed", touched)
		}
		if slices.Contains(r.removed, touched) {
			s.Errorf("the later run tells that %q is gone, who changed only", touched)
		}
		if r.whole {
			s.hasAll(r, s.IDs)
		}
	}
	// Changes made between two pages of a run are in that run or in the next one.
	r, err := s.read(contacts.Query{Tenant: s.Tenant, Limit: 1}, func() { s.Touch(s.T, s.IDs[0]) })
	if err != nil {
		s.Fatalf("a run while a contact changes: %v", err)
	}
	if next := s.mustRead(contacts.Query{Tenant: s.Tenant, Cursor: r.next}); next.contacts[s.IDs[0]].ID == "" {
		s.Errorf("a change of %q in the middle of a run is not in the next one", s.IDs[0])
	}
	if s.Other != "" {
		if _, err := s.source.FetchContacts(s.Context(), contacts.Query{Tenant: s.Other, Cursor: first.next}); !errors.Is(err, contacts.ErrCursor) {
			s.Errorf("the cursor of another tenant's later run is %v, and not contacts.ErrCursor", err)
		}
	}
}

func cancelled(s *suite) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	p, err := s.source.FetchContacts(ctx, contacts.Query{Tenant: s.Tenant})
	if !errors.Is(err, context.Canceled) {
		s.Errorf("with a context that is over the error is %v, and not context.Canceled", err)
	}
	if len(p.Contacts) > 0 {
		s.Error("with a context that is over there are contacts")
	}
	s.hasAll(s.mustRead(contacts.Query{Tenant: s.Tenant}), s.IDs) // and it works afterwards
}

func concurrent(s *suite) {
	race.On([]contacts.ContactSource{s.source}, func(source contacts.ContactSource, i int) {
		tenant, want, others := s.Tenant, s.IDs, s.OtherIDs
		if s.Other != "" && i%3 == 0 {
			tenant, want, others = s.Other, s.OtherIDs, s.IDs
		}
		seen := map[string]bool{}
		for p, err := range contacts.Pages(s.Context(), source, contacts.Query{Tenant: tenant, Limit: 1 + i%4}) {
			if err != nil {
				s.Errorf("a run of %s, one of many at once: %v", tenant, err)
				return
			}
			s.own(p, tenant, others)
			for _, c := range p.Contacts {
				seen[c.ID] = true
			}
		}
		for _, id := range want {
			if !seen[id] {
				s.Errorf("a run of %s, one of many at once, does not have %q", tenant, id)
			}
		}
	})
}
