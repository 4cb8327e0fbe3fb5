package psacontacts_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit/psa"
)

// desk is a ticket system that lists contacts by id.
type desk struct {
	mu       sync.Mutex
	contacts map[string]psa.Contact
	since    bool // it tells what changed
	max      int
	skew     time.Duration // its clock is that far ahead
	now      func() time.Time
	asked    []psa.Query
	// listed is called before a page is returned and may change it.
	listed func(psa.Query, *psa.Page[psa.Contact]) error
}

var start = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

func newDesk() *desk {
	return &desk{contacts: map[string]psa.Contact{}, max: 3, now: func() time.Time { return start }}
}

func (d *desk) Name() string                   { return "desk" }
func (d *desk) Capabilities() psa.Capabilities { return psa.Capabilities{ContactsSince: d.since} }

func (d *desk) put(company string, ids ...string) {
	for _, id := range ids {
		d.set(psa.Contact{ID: id, Company: psa.Named{ID: company}, Name: id, Active: true})
	}
}

// set stores a contact, which is changed thereby.
func (d *desk) set(c psa.Contact) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.ModifiedAt.IsZero() {
		c.ModifiedAt = d.now().Add(d.skew)
	}
	d.contacts[c.ID] = c
}

func (d *desk) remove(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.contacts, id)
}

func (d *desk) ListContacts(ctx context.Context, q psa.Query) (psa.Page[psa.Contact], error) {
	d.mu.Lock()
	d.asked = append(d.asked, q)
	after, ok := strings.CutPrefix(q.Cursor, "after:")
	if q.Cursor != "" && !ok {
		d.mu.Unlock()
		return psa.Page[psa.Contact]{}, &psa.Error{System: "desk", Op: "list contacts", Err: psa.ErrCursor}
	}
	limit := d.max
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	var all []psa.Contact
	for _, c := range d.contacts {
		if c.Company.ID == q.CompanyID && c.ID > after && (c.Active || q.Inactive) && (!d.since || c.ModifiedAt.After(q.Since)) {
			all = append(all, c)
		}
	}
	listed := d.listed
	d.mu.Unlock()
	slices.SortFunc(all, func(a, b psa.Contact) int { return cmp.Compare(a.ID, b.ID) })
	p := psa.Page[psa.Contact]{Items: all}
	if len(all) > limit {
		p.Items, p.Next = all[:limit], "after:"+all[limit-1].ID
	}
	if listed != nil {
		if err := listed(q, &p); err != nil {
			return psa.Page[psa.Contact]{}, err
		}
	}
	return p, ctx.Err()
}

func (d *desk) FindByEmail(_ context.Context, email string) ([]psa.Contact, error) {
	return d.find(func(c psa.Contact) bool { return strings.Contains(strings.ToLower(fmt.Sprint(c.Emails)), email) })
}

func (d *desk) FindByPhone(_ context.Context, number string) ([]psa.Contact, error) {
	return d.find(func(c psa.Contact) bool {
		return slices.ContainsFunc(c.Phones, func(p psa.Phone) bool { return strings.HasSuffix(psa.PhoneDigits(p.Raw), psa.PhoneDigits(number)[3:]) })
	})
}

// find searches broadly, as real ones do, in all companies.
func (d *desk) find(match func(psa.Contact) bool) ([]psa.Contact, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []psa.Contact
	for _, c := range d.contacts {
		if match(c) {
			out = append(out, c, c)
		}
	}
	return out, nil
}

func (d *desk) queries() []psa.Query {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.asked
	d.asked = nil
	return out
}
