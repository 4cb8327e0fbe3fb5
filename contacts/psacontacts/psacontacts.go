package psacontacts

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/phone"
	"github.com/mspkit/mspkit/psa"
)

// The defaults of [Options].
const (
	// DefaultOverlap is how long before the last change that was seen a later run begins.
	DefaultOverlap = 10 * time.Minute
	// DefaultWholeEvery is how often everything is listed although the system tells what changed.
	DefaultWholeEvery = 24 * time.Hour
)

// Options of a [Source]. The zero value is usable.
type Options struct {
	// Region is the ISO 3166-1 code in upper case in which national phone numbers are read, for example "US". Empty means
	// that only numbers with their country code get an E.164 form; the others are there as they were written.
	Region string
	// Overlap must be longer than the clocks of the ticket system and of this machine differ. 0 means [DefaultOverlap], a
	// negative value none.
	Overlap time.Duration
	// WholeEvery is the longest time without a whole run; deleted contacts are noticed by those only. 0 means
	// [DefaultWholeEvery]; with a negative value only the first run is whole, and one after a change of the mappings.
	WholeEvery time.Duration
	// Logger gets the ids of contacts that are dropped; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Region != "" && !phone.KnownRegion(out.Region) {
		return out, fmt.Errorf("psacontacts: Options.Region %q is not an ISO 3166-1 code in upper case such as \"US\": %w", out.Region, mspkit.ErrInvalid)
	}
	switch {
	case out.Overlap == 0:
		out.Overlap = DefaultOverlap
	case out.Overlap < 0:
		out.Overlap = 0
	}
	if out.WholeEvery == 0 {
		out.WholeEvery = DefaultWholeEvery
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out, nil
}

// Source is a ticket system as a [contacts.ContactSource]. It is safe for concurrent use.
type Source struct {
	lister   psa.ContactLister
	mappings psa.MappingStore
	system   string
	phones   phone.Reader
	o        Options
}

var _ contacts.ContactSource = (*Source)(nil)

// New returns the contacts that lister lists, of the companies that mappings has for system, which is the name that the
// lister's Name returns if it has one. The lister may be a [psa.ContactFinder], and may have Capabilities to tell that it
// obeys [psa.Query.Since]; each client of this module does both.
func New(lister psa.ContactLister, mappings psa.MappingStore, system string, o *Options) (*Source, error) {
	opts, err := o.withDefaults()
	errs := []error{err}
	if lister == nil || mappings == nil {
		errs = append(errs, fmt.Errorf("psacontacts: a lister and a store of mappings are needed: %w", mspkit.ErrInvalid))
	}
	if err := (mspkit.Ticket{System: system, ID: "1"}).Validate(); err != nil || system == "" {
		errs = append(errs, fmt.Errorf("psacontacts: the name of the ticket system cannot be used: %w", mspkit.ErrInvalid))
	}
	if n, ok := lister.(interface{ Name() string }); ok && n.Name() != system {
		errs = append(errs, fmt.Errorf("psacontacts: the lister is of the system %q, and %q was named: their mappings differ: %w", n.Name(), system, mspkit.ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Source{lister: lister, mappings: mappings, system: system, phones: phone.Reader{Region: opts.Region}, o: opts}, nil
}

// ID returns the id of a contact of a ticket system: "connectwise:201".
func ID(system, contactID string) string { return system + ":" + contactID }

// FetchContacts returns a page of the contacts of one company of the tenant; see the package comment for which run lists
// what. A page may be empty although there is more, and where a lister does not obey the limit it is passed on as it is.
func (s *Source) FetchContacts(ctx context.Context, q contacts.Query) (contacts.Page, error) {
	if err := ctx.Err(); err != nil {
		return contacts.Page{}, err
	}
	if err := q.Validate(); err != nil {
		return contacts.Page{}, err
	}
	cs, err := s.companies(ctx, q.Tenant)
	if err != nil {
		return contacts.Page{}, err
	}
	st, err := s.state(q, cs)
	if err != nil {
		return contacts.Page{}, err
	}
	ask := psa.Query{CompanyID: st.Company, Cursor: string(st.PSA), Limit: q.Limit, Inactive: true}
	if !st.Whole {
		ask.Since = time.UnixMilli(st.Since).Add(-s.o.Overlap)
	}
	list, err := s.lister.ListContacts(ctx, ask)
	switch {
	case err != nil && ask.Cursor != "" && errors.Is(err, psa.ErrCursor):
		return contacts.Page{}, fmt.Errorf("psacontacts: list contacts of %s: %w: %w", s.system, contacts.ErrCursor, err)
	case err != nil:
		return contacts.Page{}, fmt.Errorf("psacontacts: list contacts of %s: %w", s.system, err)
	case list.Next != "" && list.Next == ask.Cursor:
		return contacts.Page{}, fmt.Errorf("psacontacts: %w: the pages of %s lead in a circle", contacts.ErrSource, s.system)
	}
	if err := s.unchanged(ctx, q.Tenant, cs); err != nil {
		return contacts.Page{}, err
	}
	p := contacts.Page{Whole: st.Whole, Contacts: s.convert(ctx, q.Tenant, cs.only(st.Company), list.Items)}
	for _, c := range list.Items {
		if at := c.ModifiedAt; !at.IsZero() {
			// A time that is yet to come would skip everything until then.
			st.Seen = max(st.Seen, min(at.UnixMilli(), st.Begun))
		}
	}
	p.Next, p.More, err = s.next(q.Tenant, st, cs, list.Next)
	if err != nil {
		return contacts.Page{}, err
	}
	return p, nil
}

// next returns where the run goes on, or what a later run begins with.
func (s *Source) next(tenant mspkit.TenantID, st state, cs companies, psaCursor string) (contacts.Cursor, bool, error) {
	st.PSA = []byte(psaCursor)
	if psaCursor == "" {
		i, _ := slices.BinarySearch(cs.ids, st.Company)
		if i++; i < len(cs.ids) {
			st.Company = cs.ids[i]
		} else {
			if !s.tellsChanges() || st.Seen <= 0 {
				return "", false, nil
			}
			later := state{Version: version, Companies: st.Companies, Since: max(st.Since, st.Seen), Full: st.Full}
			c, err := s.write(tenant, later)
			return c, false, err
		}
	}
	c, err := s.write(tenant, st)
	return c, true, err
}

// tellsChanges reports whether the system obeys [psa.Query.Since].
func (s *Source) tellsChanges() bool {
	c, ok := s.lister.(interface{ Capabilities() psa.Capabilities })
	return ok && c.Capabilities().ContactsSince
}

// companies are those of one tenant.
type companies struct {
	ids   []string // sorted
	names map[string]string
	sum   string
}

// only returns the set of one company.
func (c companies) only(id string) companies { return companies{ids: []string{id}, names: c.names} }

func (c companies) has(id string) bool {
	_, ok := slices.BinarySearch(c.ids, id)
	return ok
}

func (s *Source) companies(ctx context.Context, tenant mspkit.TenantID) (companies, error) {
	list, err := s.mappings.Mappings(ctx, s.system)
	if err != nil {
		return companies{}, fmt.Errorf("psacontacts: read the mappings of %s: %w", s.system, err)
	}
	out := companies{names: map[string]string{}}
	owner := map[string]mspkit.TenantID{}
	for _, m := range list {
		if m.System != s.system || m.CompanyID == "" { // an empty id would ask for everybody
			continue
		}
		if t, ok := owner[m.CompanyID]; ok && t != m.Tenant && (t == tenant || m.Tenant == tenant) {
			return companies{}, fmt.Errorf("psacontacts: a company of %s is mapped to two tenants, unmap it from one of them: %w", s.system, psa.ErrConflict)
		}
		owner[m.CompanyID] = m.Tenant
		if m.Tenant == tenant {
			out.ids = append(out.ids, m.CompanyID)
			out.names[m.CompanyID] = m.CompanyName
		}
	}
	if len(out.ids) == 0 {
		return companies{}, fmt.Errorf("psacontacts: %w: no company of %s is mapped to %s", contacts.ErrTenant, s.system, tenant)
	}
	slices.Sort(out.ids)
	out.ids = slices.Compact(out.ids)
	h := sha256.New()
	for _, id := range out.ids {
		writeText(h, id)
	}
	out.sum = base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
	return out, nil
}

// writeText adds a text so that two texts are never read as others.
func writeText(h hash.Hash, s string) {
	_, _ = fmt.Fprintf(h, "%d:%s", len(s), s)
}

// unchanged reads the mappings again: what came from the system meanwhile is handed out only if the tenant still has the
// same companies.
func (s *Source) unchanged(ctx context.Context, tenant mspkit.TenantID, before companies) error {
	after, err := s.companies(ctx, tenant)
	if err != nil {
		return err
	}
	if after.sum != before.sum {
		return errMappings()
	}
	return nil
}

func errMappings() error {
	return fmt.Errorf("psacontacts: the mappings of the tenant have changed: %w", contacts.ErrCursor)
}
