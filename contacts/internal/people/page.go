package people

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

// MassLeaveFrom is how many people must be gone at least for [contacts.Batch.MaxLeft] to matter: more than ten.
const MassLeaveFrom = 11

// Page is a batch that is fit to be applied.
type Page struct {
	// Keys are the records that the page tells of, Emails the addresses on it: the state has all records of both, with
	// everybody whom they belong to.
	Keys   []Key
	Emails []string
	// Next is the checkpoint to be stored.
	Next contacts.Checkpoint
	// Sweep is true for the last page of a whole run: records of the source that are live and have a Run before Next.Run
	// are gone, once the plan of the page is stored.
	Sweep bool

	source   string
	contacts []contacts.Contact
	removed  []Key
	change   Change
	known    time.Duration
}

// Begin checks a batch against the checkpoint that is stored, which has Rev 0 where there is none, and cleans it.
func Begin(b contacts.Batch, stored contacts.Checkpoint) (*Page, error) {
	if err := ValidateSource(b.At.Tenant, b.At.Source); err != nil {
		return nil, err
	}
	var errs []error
	if b.Now.IsZero() {
		errs = append(errs, invalid("Batch.Now is not set"))
	}
	if b.Known < 0 || !(b.MaxLeft >= 0 && b.MaxLeft <= 1) {
		errs = append(errs, invalid("Batch.Known is not negative, and MaxLeft is between 0 and 1"))
	}
	if len(b.Page.Next) > contacts.MaxCursor {
		errs = append(errs, invalid("the cursor has %d bytes, at most %d are allowed", len(b.Page.Next), contacts.MaxCursor))
	}
	if b.Page.More && b.Page.Next == "" {
		errs = append(errs, fmt.Errorf("%w: it says that there is more and does not say where", contacts.ErrSource))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if b.DryRun { // it is a run of its own, whatever run is in hand
		stored.Cursor, stored.Running, stored.Whole = "", false, false
		b.At.Cursor, b.At.Running, b.At.Whole = "", false, false
	}
	if !current(stored, b.At) {
		return nil, Stale(stored, b.At)
	}
	stored.Tenant, stored.Source = b.At.Tenant, b.At.Source
	if stored.Running && stored.Whole != b.Page.Whole {
		return nil, fmt.Errorf("%w: a run is whole on one page and not on another (tenant %s, source %s)", contacts.ErrSource, b.At.Tenant, b.At.Source)
	}
	p := &Page{
		source: b.At.Source, Sweep: b.Page.Whole && !b.Page.More, Next: next(stored, b), known: b.Known,
		change: Change{Source: b.At.Source, Now: Time(b.Now), First: b.Page.Whole && stored.WholeAt.IsZero()},
	}
	if err := p.read(b); err != nil {
		return nil, err
	}
	return p, nil
}

// next returns the checkpoint after a page.
func next(c contacts.Checkpoint, b contacts.Batch) contacts.Checkpoint {
	now := Time(b.Now)
	if !c.Running {
		c.Run, c.Pages, c.Contacts, c.BegunAt = c.Run+1, 0, 0, now
	}
	c.Running, c.Whole, c.Cursor = b.Page.More, b.Page.Whole, b.Page.Next
	c.Pages, c.Contacts, c.Rev = c.Pages+1, c.Contacts+int64(len(b.Page.Contacts)), c.Rev+1
	c.Failures, c.Failure, c.FailedAt = 0, "", time.Time{}
	if !b.Page.More {
		c.EndedAt, c.DueAt = now, Time(b.DueAt)
		if c.Whole {
			c.WholeAt = now
		}
	}
	return c
}

// Stale is the error for a checkpoint that is not the stored one.
func Stale(stored, given contacts.Checkpoint) error {
	return fmt.Errorf("%w: tenant %s, source %s, revision %d is stored and %d was read", contacts.ErrStale, given.Tenant, given.Source, stored.Rev, given.Rev)
}

// read cleans the contacts. Of those that come more than once the last one counts; who is removed, too, is removed.
func (p *Page) read(b contacts.Batch) error {
	n := len(b.Page.Contacts)
	at, emails := make(map[string]int, n), make(map[string]bool, n)
	p.contacts, p.Keys = make([]contacts.Contact, 0, n), make([]Key, 0, n+len(b.Page.Removed))
	for _, c := range b.Page.Contacts {
		if c.Tenant != b.At.Tenant {
			return fmt.Errorf("%w: it gives a contact of another tenant (tenant %s, source %s)", contacts.ErrSource, b.At.Tenant, p.source)
		}
		c, err := clean(c)
		if err != nil {
			return fmt.Errorf("tenant %s, source %s: %w", b.At.Tenant, p.source, err)
		}
		if i, ok := at[c.ID]; ok {
			p.contacts[i] = c
			continue
		}
		at[c.ID] = len(p.contacts)
		p.contacts = append(p.contacts, c)
	}
	removed := map[string]bool{}
	for _, id := range b.Page.Removed {
		if validID(id) != nil || removed[id] {
			continue // nobody has such an id
		}
		removed[id] = true
		p.removed = append(p.removed, Key{p.source, id})
	}
	p.contacts = slices.DeleteFunc(p.contacts, func(c contacts.Contact) bool { return removed[c.ID] })
	for _, c := range p.contacts {
		p.Keys = append(p.Keys, Key{p.source, c.ID})
		for _, a := range c.Emails {
			emails[a.Value] = true
		}
	}
	p.Keys = append(p.Keys, p.removed...)
	p.Emails = slices.Sorted(maps.Keys(emails))
	return nil
}

// CheckLeave is [contacts.ErrMassLeave] where more of the source's live and enabled records would be gone than the batch
// allows: gone of total. gone are those of an older run and those that the last page removes.
func CheckLeave(b contacts.Batch, gone, total int) error {
	if b.MaxLeft == 0 || gone < MassLeaveFrom || float64(gone) <= b.MaxLeft*float64(total) {
		return nil
	}
	return fmt.Errorf("%w: %d of %d people of tenant %s are missing at the source %s; look there, and allow it if it is true",
		contacts.ErrMassLeave, gone, total, b.At.Tenant, b.At.Source)
}

// Change is what the sweep after the page is told with.
func (p *Page) Change() Change { return p.change }

// Removed are the records that the page removes, without those that a sweep finds.
func (p *Page) Removed() []Key { return p.removed }

// ValidateSource reports a tenant or a name of a source that cannot be stored.
func ValidateSource(tenant mspkit.TenantID, source string) error {
	if err := tenant.Validate(); err != nil {
		return err
	}
	if validID(source) != nil {
		return invalid("the name of the source has 1 to %d bytes of printable text", mspkit.MaxID)
	}
	return nil
}

func validID(id string) error {
	if id == "" {
		return mspkit.ErrInvalid
	}
	return mspkit.Ticket{ID: id}.Validate()
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("contacts: "+format+": %w", append(args, mspkit.ErrInvalid)...)
}

// Time is t as each directory keeps it: in UTC, to the microsecond.
func Time(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
