package contactstest

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

// Source is a [contacts.ContactSource] in memory that tells what has changed since a run. The zero value is not usable;
// see [New]. It is safe for concurrent use.
type Source struct {
	mu      sync.Mutex
	max     int
	changes int
	era     int
	tenants map[mspkit.TenantID]map[string]entry
	fault   func(contacts.Query) error
	queries []contacts.Query
}

type entry struct {
	contacts.Contact
	at   int // the number of its last change
	gone bool
}

var _ contacts.ContactSource = (*Source)(nil)

// New returns a source with these contacts whose pages have at most maxPage; 0 means 100.
func New(maxPage int, list ...contacts.Contact) *Source {
	if maxPage <= 0 {
		maxPage = 100
	}
	s := &Source{max: maxPage, tenants: map[mspkit.TenantID]map[string]entry{}}
	s.Put(list...)
	return s
}

// Put adds contacts or replaces those with the same tenant and id.
func (s *Source) Put(list ...contacts.Contact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range list {
		s.set(c.Tenant, c.ID, entry{Contact: clone(c)})
	}
}

// Remove removes a contact: later runs that go on from an earlier one tell its id.
func (s *Source) Remove(tenant mspkit.TenantID, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.tenants[tenant][id]; ok && !e.gone {
		s.set(tenant, id, entry{Contact: contacts.Contact{Tenant: tenant, ID: id}, gone: true})
	}
}

func (s *Source) set(tenant mspkit.TenantID, id string, e entry) {
	if s.tenants[tenant] == nil {
		s.tenants[tenant] = map[string]entry{}
	}
	s.changes++
	e.at = s.changes
	s.tenants[tenant][id] = e
}

// Forget makes every cursor that was given so far a [contacts.ErrCursor].
func (s *Source) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.era++
}

// SetFault sets what decides whether a query fails, and with what; nil ends it. It is called without a lock, so it may
// use the source, for example to change something between two pages, and it may wait.
func (s *Source) SetFault(f func(contacts.Query) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Queries returns what was asked so far, in order.
func (s *Source) Queries() []contacts.Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

// FetchContacts returns a page by id. A run from the empty cursor is whole; one from the Next of a last page has what was
// put or removed since that run began.
func (s *Source) FetchContacts(ctx context.Context, q contacts.Query) (contacts.Page, error) {
	if err := ctx.Err(); err != nil {
		return contacts.Page{}, err
	}
	s.mu.Lock()
	s.queries = append(s.queries, q)
	fault := s.fault
	s.mu.Unlock()
	if err := q.Validate(); err != nil {
		return contacts.Page{}, err
	}
	if fault != nil {
		if err := fault(q); err != nil {
			return contacts.Page{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := cursor{began: s.changes}
	if q.Cursor != "" {
		var ok bool
		if c, ok = s.read(q.Tenant, q.Cursor); !ok {
			return contacts.Page{}, fmt.Errorf("contactstest: a cursor of another tenant, or a forgotten one: %w", contacts.ErrCursor)
		}
		if c.after == "" { // a new run
			c.since, c.began = c.began, s.changes
		}
	}
	return s.page(q, c), nil
}

func (s *Source) page(q contacts.Query, c cursor) contacts.Page {
	limit := s.max
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	p := contacts.Page{Whole: c.since == 0}
	all := slices.SortedFunc(maps.Values(s.tenants[q.Tenant]), func(a, b entry) int { return cmp.Compare(a.ID, b.ID) })
	for _, e := range all {
		if "="+e.ID <= c.after || e.at <= c.since || e.gone && p.Whole {
			continue
		}
		if len(p.Contacts)+len(p.Removed) == limit {
			p.More, p.Next = true, s.write(q.Tenant, c)
			return p
		}
		if e.gone {
			p.Removed = append(p.Removed, e.ID)
		} else {
			p.Contacts = append(p.Contacts, clone(e.Contact))
		}
		c.after = "=" + e.ID
	}
	p.Next = s.write(q.Tenant, cursor{began: c.began})
	return p
}

// cursor says that everything up to change since was told before, and all ids up to after in this run, which began with
// change began. after is empty for the beginning of a run, and "=" with the id otherwise.
type cursor struct {
	since, began int
	after        string
}

func (s *Source) write(tenant mspkit.TenantID, c cursor) contacts.Cursor {
	body := fmt.Sprintf("%d.%d.%d.%q%s", s.era, c.since, c.began, string(tenant), c.after)
	return contacts.Cursor(sum(body) + "." + body)
}

// sum finds out whether a test has changed a cursor.
func sum(body string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(body))
	return strconv.FormatUint(h.Sum64(), 36)
}

func (s *Source) read(tenant mspkit.TenantID, text contacts.Cursor) (c cursor, ok bool) {
	check, body, _ := strings.Cut(string(text), ".")
	parts := strings.SplitN(body, ".", 4)
	if check != sum(body) || len(parts) != 4 {
		return c, false
	}
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(parts[i]); err != nil || n[i] < 0 {
			return c, false
		}
	}
	c.since, c.began = n[1], n[2]
	c.after, ok = strings.CutPrefix(parts[3], strconv.Quote(string(tenant)))
	ok = ok && n[0] == s.era && c.since <= c.began && c.began <= s.changes && (c.after == "" || c.after[0] == '=')
	return c, ok
}

// clone keeps what a test changes afterwards out of the source.
func clone(c contacts.Contact) contacts.Contact {
	c.Emails, c.Phones, c.Sources = slices.Clone(c.Emails), slices.Clone(c.Phones), maps.Clone(c.Sources)
	return c
}
