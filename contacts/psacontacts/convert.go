package psacontacts

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/psa"
)

const (
	maxText   = 256 // runes of a name; what is longer is no name
	maxLogged = 10  // contacts of a page
)

// convert returns the contacts that belong to one of the companies.
func (s *Source) convert(ctx context.Context, tenant mspkit.TenantID, cs companies, list []psa.Contact) []contacts.Contact {
	out := make([]contacts.Contact, 0, len(list))
	dropped := 0
	for _, c := range list {
		var why string
		switch {
		case (mspkit.Ticket{ID: c.ID}).Validate() != nil, c.ID == "", len(ID(s.system, c.ID)) > mspkit.MaxID:
			why = "the ticket system gave a contact whose id cannot be used"
		case !cs.has(c.Company.ID):
			why = "the ticket system gave a contact of a company that was not asked for"
		default:
			out = append(out, s.contact(tenant, cs, c))
			continue
		}
		if dropped++; dropped <= maxLogged {
			s.o.Logger.WarnContext(ctx, "psacontacts: a contact was dropped", slog.String("why", why), slog.String("system", s.system),
				slog.String("tenant", string(tenant)), slog.String("contact", cleantext.Line(c.ID, cleantext.MaxName)),
				slog.String("company", cleantext.Line(c.Company.ID, cleantext.MaxName)))
		}
	}
	if dropped > maxLogged {
		s.o.Logger.WarnContext(ctx, "psacontacts: more contacts were dropped", slog.String("system", s.system), slog.String("tenant", string(tenant)), slog.Int("dropped", dropped))
	}
	return out
}

func (s *Source) contact(tenant mspkit.TenantID, cs companies, c psa.Contact) contacts.Contact {
	out := contacts.Contact{
		Tenant: tenant, ID: ID(s.system, c.ID), Name: text(c.Name), FirstName: text(c.FirstName), LastName: text(c.LastName),
		Company: text(c.Company.Name), JobTitle: text(c.Title), Enabled: c.Active, ChangedAt: c.ModifiedAt,
		Sources: map[string]string{s.system: c.ID},
	}
	if out.Name == "" {
		out.Name = strings.TrimSpace(out.FirstName + " " + out.LastName)
	}
	if out.Company == "" {
		out.Company = text(cs.names[c.Company.ID])
	}
	if id := strings.ToLower(strings.TrimSpace(c.EntraID)); strings.Trim(id, "0-") != "" && (mspkit.Ticket{ID: id}).Validate() == nil {
		out.Sources["entra"] = id // a field that nobody has filled is zeros in some systems
	}
	for _, e := range c.Emails {
		if len(out.Emails) == contacts.MaxAddresses {
			break
		}
		if v, err := contacts.CanonicalEmail(e); err == nil && !out.HasEmail(v) {
			out.Emails = append(out.Emails, contacts.Address{Value: v})
		}
	}
	for _, p := range c.Phones {
		if len(out.Phones) == contacts.MaxAddresses {
			break
		}
		a := contacts.Address{Raw: cleantext.Line(p.Raw, cleantext.MaxName)}
		if v, err := s.phones.E164(p.Raw); err == nil {
			a.Value = v
		}
		same := func(b contacts.Address) bool { return b.Raw == a.Raw || a.Value != "" && b.Value == a.Value }
		if a.Raw != "" && !slices.ContainsFunc(out.Phones, same) {
			out.Phones = append(out.Phones, a)
		}
	}
	return out
}

func text(s string) string { return cleantext.Line(s, maxText) }
