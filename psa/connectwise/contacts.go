package connectwise

import (
	"context"
	"net/url"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// contact is a row of /company/contacts. Any field but the id may be missing. There is no e-mail field: addresses and
// numbers are communication items.
type contact struct {
	ID           int64     `json:"id"`
	FirstName    string    `json:"firstName"`
	LastName     string    `json:"lastName"`
	Title        string    `json:"title"`
	Inactive     bool      `json:"inactiveFlag"`
	Company      reference `json:"company"`
	Site         reference `json:"site"`
	DefaultType  string    `json:"defaultPhoneType"`
	DefaultPhone string    `json:"defaultPhoneNbr"`
	Items        []struct {
		Type    reference `json:"type"`
		Value   string    `json:"value"`
		Default bool      `json:"defaultFlag"`
		Kind    string    `json:"communicationType"`
	} `json:"communicationItems"`
	Info struct {
		LastUpdated string `json:"lastUpdated"`
	} `json:"_info"`
}

func contactID(c *contact) int64 { return c.ID }

// convert makes a contact of a row. The default address and number come first.
func (c *contact) convert() psa.Contact {
	out := psa.Contact{
		ID: id(c.ID), Company: c.Company.named(), Site: c.Site.named(), FirstName: c.FirstName, LastName: c.LastName,
		Name: strings.TrimSpace(c.FirstName + " " + c.LastName), Title: c.Title, Active: !c.Inactive, ModifiedAt: stamp(c.Info.LastUpdated),
	}
	for _, first := range [...]bool{true, false} {
		for i := range c.Items {
			it := &c.Items[i]
			if it.Default != first || it.Value == "" {
				continue
			}
			switch {
			case strings.EqualFold(it.Kind, "Email"):
				out.Emails = append(out.Emails, it.Value)
			case strings.EqualFold(it.Kind, "Phone"):
				out.Phones = append(out.Phones, psa.Phone{Raw: it.Value, Kind: phoneKind(it.Type.Name)})
			}
		}
	}
	if c.DefaultPhone != "" {
		for _, p := range out.Phones {
			if p.Raw == c.DefaultPhone || psa.SamePhone(p.Raw, c.DefaultPhone) {
				return out
			}
		}
		out.Phones = append([]psa.Phone{{Raw: c.DefaultPhone, Kind: phoneKind(c.DefaultType)}}, out.Phones...)
	}
	return out
}

// phoneKind reads the name of a communication type, which an MSP can change.
func phoneKind(name string) string {
	name = strings.ToLower(name)
	for _, k := range [...]struct{ word, kind string }{
		{"cell", "mobile"}, {"mobil", "mobile"}, {"home", "home"}, {"direct", "work"}, {"office", "work"}, {"work", "work"},
	} {
		if strings.Contains(name, k.word) {
			return k.kind
		}
	}
	return ""
}

// ListContacts returns one page of contacts in the order of their ids.
func (c *Client) ListContacts(ctx context.Context, q psa.Query) (psa.Page[psa.Contact], error) {
	l := listing{op: opListContacts, path: []string{"company", "contacts"}}
	company := ""
	if q.CompanyID != "" {
		n, err := number(l.op, "the company's id", q.CompanyID)
		if err != nil {
			return psa.Page[psa.Contact]{}, err
		}
		company = "company/id=" + id(n)
	}
	active := ""
	if !q.Inactive {
		active = "inactiveFlag=False"
	}
	l.conditions = and(company, active, c.since(q.Since))
	rows, next, err := page(ctx, c, l, q.Cursor, q.Limit, contactID)
	if err != nil {
		return psa.Page[psa.Contact]{}, err
	}
	out := psa.Page[psa.Contact]{Items: make([]psa.Contact, len(rows)), Next: next}
	for i := range rows {
		out.Items[i] = rows[i].convert()
	}
	return out, nil
}

// FindByEmail returns the contacts with this address, active or not.
func (c *Client) FindByEmail(ctx context.Context, email string) ([]psa.Contact, error) {
	email = strings.TrimSpace(email)
	if email == "" {
		return nil, fail(opFindContacts, mspkit.ErrInvalid, "there is no address")
	}
	value, err := quote(opFindContacts, "the address", email)
	if err != nil {
		return nil, err
	}
	return c.find(ctx, `communicationItems/value=`+value+` AND communicationItems/communicationType="Email"`, func(p *psa.Contact) bool {
		for _, e := range p.Emails {
			if strings.EqualFold(e, email) {
				return true
			}
		}
		return false
	})
}

// FindByPhone returns the contacts with this number, active or not, as [psa.SamePhone] tells. ConnectWise keeps numbers as
// they were typed, usually national digits.
func (c *Client) FindByPhone(ctx context.Context, phone string) ([]psa.Contact, error) {
	if len(psa.PhoneDigits(phone)) < 7 {
		return nil, fail(opFindContacts, mspkit.ErrInvalid, "the number has less than seven digits")
	}
	value, err := quote(opFindContacts, "the number", phonePattern(phone))
	if err != nil {
		return nil, err
	}
	return c.find(ctx, `communicationItems/value like `+value, func(p *psa.Contact) bool {
		for _, n := range p.Phones {
			if psa.SamePhone(n.Raw, phone) {
				return true
			}
		}
		return false
	})
}

// find asks for contacts and looks again at each of them: what ConnectWise finds may be like what was asked for.
func (c *Client) find(ctx context.Context, child string, same func(*psa.Contact) bool) ([]psa.Contact, error) {
	var out []psa.Contact
	l := listing{op: opFindContacts, path: []string{"company", "contacts"}, child: child}
	err := each(ctx, c, l, contactID, func(rows []contact) error {
		for i := range rows {
			if p := rows[i].convert(); same(&p) {
				out = append(out, p)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type company struct {
	ID         int64     `json:"id"`
	Identifier string    `json:"identifier"`
	Name       string    `json:"name"`
	Status     reference `json:"status"`
	Website    string    `json:"website"`
	Deleted    bool      `json:"deletedFlag"`
	Info       struct {
		LastUpdated string `json:"lastUpdated"`
	} `json:"_info"`
}

func companyID(c *company) int64 { return c.ID }

// active reports whether the company is a client now. The name of the status is an MSP's own; "Inactive" is ConnectWise's.
func (c *company) active() bool { return !c.Deleted && !strings.EqualFold(c.Status.Name, "Inactive") }

func (c *company) convert() psa.Company {
	out := psa.Company{ID: id(c.ID), Key: c.Identifier, Name: c.Name, Active: c.active(), ModifiedAt: stamp(c.Info.LastUpdated)}
	if d := webDomain(c.Website); d != "" {
		out.Domains = []string{d}
	}
	return out
}

// webDomain reads the domain of a company's website. Companies have no e-mail field.
func webDomain(site string) string {
	site = strings.TrimSpace(site)
	if site == "" {
		return ""
	}
	if !strings.Contains(site, "://") {
		site = "https://" + site
	}
	u, err := url.Parse(site)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(u.Hostname()), "www."), ".")
}

// ListCompanies returns one page of companies in the order of their ids. A page can be shorter than the limit where some
// are not active.
func (c *Client) ListCompanies(ctx context.Context, q psa.Query) (psa.Page[psa.Company], error) {
	l := listing{op: opListCompanies, path: []string{"company", "companies"}}
	active := ""
	if !q.Inactive {
		active = "deletedFlag=False"
	}
	l.conditions = and(active, c.since(q.Since))
	rows, next, err := page(ctx, c, l, q.Cursor, q.Limit, companyID)
	if err != nil {
		return psa.Page[psa.Company]{}, err
	}
	out := psa.Page[psa.Company]{Next: next}
	for i := range rows {
		if q.Inactive || rows[i].active() {
			out.Items = append(out.Items, rows[i].convert())
		}
	}
	return out, nil
}
