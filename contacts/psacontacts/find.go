package psacontacts

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/psa"
)

// minDigits is the fewest digits by which [psa.SamePhone] compares.
const minDigits = 7

// FindByEmail returns the tenant's contacts that have this address, whatever its case, also those who are not enabled.
// None is no error. The ticket system is asked each time.
func (s *Source) FindByEmail(ctx context.Context, tenant mspkit.TenantID, email string) ([]contacts.Contact, error) {
	canonical, err := contacts.CanonicalEmail(email)
	if err != nil {
		return nil, fmt.Errorf("psacontacts: %w", err)
	}
	has := func(c psa.Contact) bool {
		return slices.ContainsFunc(c.Emails, func(e string) bool {
			e, err := contacts.CanonicalEmail(e) // more than a comparison without case: "ſ" is no "s"
			return err == nil && e == canonical
		})
	}
	return s.find(ctx, tenant, "find by e-mail", func(f psa.ContactFinder) ([]psa.Contact, error) { return f.FindByEmail(ctx, canonical) }, has)
}

// FindByPhone returns the tenant's contacts that have this number, in E.164 form or as the system's users write it, also
// those who are not enabled. Numbers are compared as [psa.SamePhone] does, so that two contacts may be found: it tells
// who may be calling, and nobody is verified by it. None is no error. The ticket system is asked each time.
func (s *Source) FindByPhone(ctx context.Context, tenant mspkit.TenantID, number string) ([]contacts.Contact, error) {
	if len(psa.PhoneDigits(number)) < minDigits {
		return nil, fmt.Errorf("psacontacts: a phone number needs %d digits at least to be searched for: %w", minDigits, mspkit.ErrInvalid)
	}
	has := func(c psa.Contact) bool {
		return slices.ContainsFunc(c.Phones, func(p psa.Phone) bool { return psa.SamePhone(p.Raw, number) })
	}
	return s.find(ctx, tenant, "find by phone", func(f psa.ContactFinder) ([]psa.Contact, error) { return f.FindByPhone(ctx, number) }, has)
}

// find leaves out who does not have what was searched for, because systems search broadly, and who is of another tenant.
func (s *Source) find(ctx context.Context, tenant mspkit.TenantID, op string, ask func(psa.ContactFinder) ([]psa.Contact, error), has func(psa.Contact) bool) ([]contacts.Contact, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := tenant.Validate(); err != nil {
		return nil, err
	}
	f, ok := s.lister.(psa.ContactFinder)
	if !ok {
		return nil, &psa.Error{System: s.system, Op: op, Err: psa.ErrUnsupported}
	}
	if _, err := s.companies(ctx, tenant); err != nil { // before the system learns what was searched for
		return nil, err
	}
	list, err := ask(f)
	if err != nil {
		return nil, fmt.Errorf("psacontacts: %s in %s: %w", op, s.system, err)
	}
	cs, err := s.companies(ctx, tenant) // as they are now: one may have been unmapped meanwhile
	if err != nil {
		return nil, err
	}
	// Another tenant's contacts are no fault here: the system was asked for all of its companies.
	list = slices.DeleteFunc(slices.Clone(list), func(c psa.Contact) bool { return !cs.has(c.Company.ID) || !has(c) })
	out := s.convert(ctx, tenant, cs, list)
	slices.SortStableFunc(out, func(a, b contacts.Contact) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b contacts.Contact) bool { return a.ID == b.ID }), nil
}
