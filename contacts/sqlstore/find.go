package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// scanContact reads contactColumns.
func scanContact(row scanner) (contacts.Contact, error) {
	var c contacts.Contact
	var data []byte
	var manager sql.NullString
	if err := row.Scan(&c.Tenant, &c.ID, &data, &manager); err != nil {
		return contacts.Contact{}, err
	}
	if _, err := decode(data, &c); err != nil {
		return contacts.Contact{}, err
	}
	c.Manager = manager.String
	return c, nil
}

func notFound(tenant mspkit.TenantID) error {
	return fmt.Errorf("%w: tenant %s has no such contact", contacts.ErrNotFound, tenant)
}

func (s *Store) one(ctx context.Context, method, query string, tenant mspkit.TenantID, args ...any) (contacts.Contact, error) {
	c, err := scanContact(s.db.QueryRowContext(ctx, query, append([]any{string(tenant)}, args...)...))
	if errors.Is(err, sql.ErrNoRows) {
		return contacts.Contact{}, notFound(tenant)
	}
	return c, wrap(method, err)
}

// Get implements [contacts.Directory].
func (s *Store) Get(ctx context.Context, tenant mspkit.TenantID, id string) (contacts.Contact, error) {
	if err := tenant.Validate(); err != nil {
		return contacts.Contact{}, err
	}
	return s.one(ctx, "get", s.q.get, tenant, sqlx.Words(id))
}

// BySource implements [contacts.Directory].
func (s *Store) BySource(ctx context.Context, tenant mspkit.TenantID, source, id string) (contacts.Contact, error) {
	if err := people.ValidateSource(tenant, source); err != nil {
		return contacts.Contact{}, err
	}
	return s.one(ctx, "by source", s.q.bySource, tenant, source, sqlx.Words(id))
}

// Find implements [contacts.Directory]. A phone number, an e-mail address and the beginning of a name or company are looked
// up in an index. Of a beginning that very many share all of them are sorted.
func (s *Store) Find(ctx context.Context, search contacts.Search) ([]contacts.Contact, error) {
	q, err := people.NewQuery(search)
	if err != nil {
		return nil, err
	}
	tenant, left := string(q.Tenant), truth(q.Left)
	switch {
	case q.Phone != "":
		return s.findAddress(ctx, "find", s.q.findPhone, q.Limit, tenant, q.Phone, left)
	case q.Email != "":
		return s.findAddress(ctx, "find", s.q.findEmail, q.Limit, tenant, q.Email, left)
	case q.Name != "":
		return s.find(ctx, "find", s.q.findName, tenant, left, tenant, q.Name, end(q.Name), tenant, q.Name, end(q.Name), q.Limit)
	default:
		return s.find(ctx, "find", s.q.findCompany, tenant, left, q.Company, end(q.Company), q.Limit)
	}
}

func (s *Store) find(ctx context.Context, method, text string, args ...any) ([]contacts.Contact, error) {
	rows, err := s.db.QueryContext(ctx, text, args...)
	out, err := all(rows, err, scanContact)
	return out, wrap(method, err)
}

// findAddress finds who has an address. Few have the same, so they are sorted here: the database sorts, and needs a longer
// statement for it, only where more have it than are wanted.
func (s *Store) findAddress(ctx context.Context, method string, q lookup, limit int, args ...any) ([]contacts.Contact, error) {
	out, err := s.find(ctx, method, q.any, append(args, limit+1)...)
	if err != nil || len(out) < 2 {
		return out[:min(len(out), limit)], err
	}
	if len(out) > limit {
		return s.find(ctx, method, q.sorted, append(args, limit)...)
	}
	names := make(map[string]string, len(out))
	for _, c := range out {
		names[c.ID] = people.Fold(c.Name)
	}
	slices.SortFunc(out, func(a, b contacts.Contact) int {
		if q.byTenant && a.Tenant != b.Tenant {
			return cmp.Compare(a.Tenant, b.Tenant)
		}
		return cmp.Or(cmp.Compare(names[a.ID], names[b.ID]), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// end is what comes after every text that begins with prefix, in the order of bytes.
func end(prefix string) string { return prefix + "\U0010ffff" }

// FindCaller implements [contacts.Directory].
func (s *Store) FindCaller(ctx context.Context, phone string, limit int) ([]contacts.Contact, error) {
	q, err := people.NewQuery(contacts.Search{Tenant: "any", Phone: phone, Limit: limit})
	if err != nil {
		return nil, err
	}
	return s.findAddress(ctx, "find caller", s.q.findCaller, q.Limit, q.Phone, 0)
}
