package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
)

// Options of a [Directory]. The zero value is usable.
type Options struct {
	// Precedence says which source is believed.
	Precedence contacts.Precedence
}

// Directory is a [contacts.Directory] in memory. Use [New]. It is safe for concurrent use.
type Directory struct {
	prec contacts.Precedence

	mu          sync.RWMutex
	tenants     map[mspkit.TenantID]*tenant
	checkpoints map[place]contacts.Checkpoint
	handled     map[reader]int64
}

// place is a tenant at a source.
type place struct {
	tenant mspkit.TenantID
	source string
}

// reader is a consumer of a tenant's events.
type reader struct {
	consumer string
	tenant   mspkit.TenantID
}

var _ contacts.Directory = (*Directory)(nil)

// New returns an empty directory. The error is [mspkit.ErrInvalid] with all that is wrong with the options.
func New(o *Options) (*Directory, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if err := opts.Precedence.Validate(); err != nil {
		return nil, err
	}
	return &Directory{
		prec: opts.Precedence, tenants: map[mspkit.TenantID]*tenant{}, checkpoints: map[place]contacts.Checkpoint{}, handled: map[reader]int64{},
	}, nil
}

// tenant returns what there is of a tenant, which is empty where nothing is.
func (d *Directory) tenant(id mspkit.TenantID) *tenant {
	if t := d.tenants[id]; t != nil {
		return t
	}
	return newTenant(id)
}

// Apply implements [contacts.Directory].
func (d *Directory) Apply(ctx context.Context, b contacts.Batch) (contacts.Applied, error) {
	if err := ctx.Err(); err != nil {
		return contacts.Applied{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at := place{b.At.Tenant, b.At.Source}
	page, err := people.Begin(b, d.checkpoints[at])
	if err != nil {
		return contacts.Applied{}, err
	}
	t := d.tenant(b.At.Tenant)
	there := func(r people.Record) bool { return r.Status == people.Live && r.Contact.Enabled }
	total, gone := 0, 0
	if page.Sweep {
		total = len(t.keys(at.source, there))
		for _, k := range page.Removed() {
			if r, ok := t.records[k]; ok && there(r) {
				gone++
			}
		}
	}
	plan := page.Plan(t.pageState(d.prec, page))
	undo := []func(){t.write(plan, page.Next.Run)}
	back := func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}
	out := contacts.Applied{At: page.Next}
	add(&out, plan)
	if page.Sweep {
		old := t.keys(at.source, func(r people.Record) bool { return r.Status == people.Live && r.Run < page.Next.Run })
		for _, k := range old {
			if t.records[k].Contact.Enabled {
				gone++
			}
		}
		if err := people.CheckLeave(b, gone, total); err != nil {
			back()
			return contacts.Applied{}, err
		}
		plan := people.Remove(t.state(d.prec, t.owners(old), nil), old, page.Change())
		undo = append(undo, t.write(plan, 0))
		add(&out, plan)
	}
	if b.DryRun {
		back()
		return out, nil
	}
	out.Events = nil
	d.tenants[b.At.Tenant] = t
	d.checkpoints[at] = page.Next
	return out, nil
}

func add(out *contacts.Applied, p people.Plan) {
	out.Joined, out.Changed, out.Left, out.Same = out.Joined+p.Joined, out.Changed+p.Changed, out.Left+p.Left, out.Same+p.Same
	out.Events = append(out.Events, p.Events...)
}

// Forget implements [contacts.Directory].
func (d *Directory) Forget(_ context.Context, id mspkit.TenantID, source string, now time.Time) (contacts.Applied, error) {
	if err := people.ValidateSource(id, source); err != nil {
		return contacts.Applied{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.checkpoints, place{id, source})
	t := d.tenant(id)
	keys := t.keys(source, func(r people.Record) bool { return r.Status != people.Forgotten })
	plan := people.Forget(t.state(d.prec, t.owners(keys), nil), keys, people.Change{Source: source, Now: people.Time(now)})
	t.write(plan, 0)
	var out contacts.Applied
	add(&out, plan)
	out.Events = nil
	return out, nil
}

// Link implements [contacts.Directory].
func (d *Directory) Link(_ context.Context, id mspkit.TenantID, keep, other, by string, now time.Time) error {
	if err := id.Validate(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenant(id)
	plan, err := people.Link(t.state(d.prec, set[string]{keep: {}, other: {}}, nil), keep, other, people.Change{By: by, Now: people.Time(now)})
	if err != nil {
		return err
	}
	t.write(plan, 0)
	return nil
}

// Separate implements [contacts.Directory].
func (d *Directory) Separate(_ context.Context, id mspkit.TenantID, source, sourceID, by string, now time.Time) (string, error) {
	if err := people.ValidateSource(id, source); err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, k := d.tenant(id), people.Key{Source: source, ID: sourceID}
	state := t.state(d.prec, t.owners([]people.Key{k}), nil)
	plan, contact, err := people.Separate(state, k, people.Change{Source: source, By: by, Now: people.Time(now)})
	if err != nil {
		return "", err
	}
	t.write(plan, 0)
	return contact, nil
}

// Wrote implements [contacts.Directory].
func (d *Directory) Wrote(_ context.Context, w contacts.PhoneWrite, now time.Time) error {
	if err := people.ValidateSource(w.Tenant, w.Source); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenant(w.Tenant)
	plan, err := people.Wrote(t.state(d.prec, set[string]{w.ID: {}}, nil), w, people.Change{Now: people.Time(now)})
	if err != nil {
		return err
	}
	t.write(plan, 0)
	return nil
}

// Checkpoint implements [contacts.Directory].
func (d *Directory) Checkpoint(_ context.Context, id mspkit.TenantID, source string) (contacts.Checkpoint, error) {
	if err := people.ValidateSource(id, source); err != nil {
		return contacts.Checkpoint{}, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	c := d.checkpoints[place{id, source}]
	c.Tenant, c.Source = id, source
	return c, nil
}

// SetCheckpoint implements [contacts.Directory].
func (d *Directory) SetCheckpoint(_ context.Context, c contacts.Checkpoint) (contacts.Checkpoint, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := place{c.Tenant, c.Source}
	c, err := people.SetCheckpoint(d.checkpoints[at], c)
	if err == nil {
		d.checkpoints[at] = c
	}
	return c, err
}

// Due implements [contacts.Directory].
func (d *Directory) Due(_ context.Context, now time.Time, limit int) ([]contacts.Checkpoint, error) {
	limit, err := people.Limit(limit)
	if err != nil {
		return nil, err
	}
	list := d.list(func(c contacts.Checkpoint) bool { return !c.DueAt.IsZero() && !c.DueAt.After(now) })
	slices.SortStableFunc(list, func(a, b contacts.Checkpoint) int { return a.DueAt.Compare(b.DueAt) })
	return list[:min(limit, len(list))], nil
}

// Checkpoints implements [contacts.Directory].
func (d *Directory) Checkpoints(_ context.Context, id mspkit.TenantID) ([]contacts.Checkpoint, error) {
	if id != "" {
		if err := id.Validate(); err != nil {
			return nil, err
		}
	}
	return d.list(func(c contacts.Checkpoint) bool { return id == "" || c.Tenant == id }), nil
}

func (d *Directory) list(ok func(contacts.Checkpoint) bool) []contacts.Checkpoint {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []contacts.Checkpoint
	for _, c := range d.checkpoints {
		if ok(c) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b contacts.Checkpoint) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Source, b.Source))
	})
	return out
}

func notFound(id mspkit.TenantID) error {
	return fmt.Errorf("%w: tenant %s has no such contact", contacts.ErrNotFound, id)
}
