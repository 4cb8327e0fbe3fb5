package custom

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/mspkit/mspkit/psa"
)

// ListContacts calls ListContacts with a limit of at most Options.MaxPage.
func (s *System) ListContacts(ctx context.Context, q psa.Query) (psa.Page[psa.Contact], error) {
	if s.f.ListContacts == nil {
		return psa.Page[psa.Contact]{}, s.missing("list contacts", "ListContacts")
	}
	return list(ctx, s, "list contacts", s.o.ContactsSince, q, s.f.ListContacts)
}

// ListCompanies calls ListCompanies with a limit of at most Options.MaxPage.
func (s *System) ListCompanies(ctx context.Context, q psa.Query) (psa.Page[psa.Company], error) {
	if s.f.ListCompanies == nil {
		return psa.Page[psa.Company]{}, s.missing("list companies", "ListCompanies")
	}
	return list(ctx, s, "list companies", s.o.CompaniesSince, q, s.f.ListCompanies)
}

func list[T any](ctx context.Context, s *System, op string, since bool, q psa.Query, f func(context.Context, psa.Query) (psa.Page[T], error)) (psa.Page[T], error) {
	if q.Limit <= 0 || q.Limit > s.o.MaxPage {
		q.Limit = s.o.MaxPage
	}
	if q.Since = s.less(q.Since); !since {
		q.Since = time.Time{}
	}
	p, err := call(ctx, s, op, false, func(ctx context.Context) (psa.Page[T], error) { return f(ctx, q) })
	if err == nil && p.Next != "" && p.Next == q.Cursor {
		return psa.Page[T]{}, s.refuse(op, psa.ErrUnavailable, "the function returned the cursor that it was given: it would never end")
	}
	return p, err
}

// FindByEmail calls FindByEmail and keeps who has exactly that address. What is no address finds nobody and is not asked for.
func (s *System) FindByEmail(ctx context.Context, email string) ([]psa.Contact, error) {
	const op = "find contacts"
	if s.f.FindByEmail == nil {
		return nil, s.missing(op, "FindByEmail")
	}
	email = strings.TrimSpace(email)
	odd := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
	if at := strings.IndexByte(email, '@'); at < 1 || at == len(email)-1 || len(email) > 254 || strings.ContainsFunc(email, odd) {
		return nil, nil
	}
	list, err := call(ctx, s, op, false, func(ctx context.Context) ([]psa.Contact, error) { return s.f.FindByEmail(ctx, email) })
	return slices.DeleteFunc(list, func(c psa.Contact) bool {
		return !slices.ContainsFunc(c.Emails, func(e string) bool { return strings.EqualFold(e, email) })
	}), err
}

// FindByPhone calls FindByPhone and keeps who has that number; see psa.SamePhone. What has fewer than seven digits finds
// nobody and is not asked for.
func (s *System) FindByPhone(ctx context.Context, number string) ([]psa.Contact, error) {
	const op = "find contacts"
	if s.f.FindByPhone == nil {
		return nil, s.missing(op, "FindByPhone")
	}
	if !psa.SamePhone(number, number) {
		return nil, nil
	}
	list, err := call(ctx, s, op, false, func(ctx context.Context) ([]psa.Contact, error) { return s.f.FindByPhone(ctx, number) })
	return slices.DeleteFunc(list, func(c psa.Contact) bool {
		return !slices.ContainsFunc(c.Phones, func(p psa.Phone) bool { return psa.SamePhone(p.Raw, number) })
	}), err
}
