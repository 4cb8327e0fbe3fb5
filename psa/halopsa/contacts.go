package halopsa

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// user is one contact on the wire. Its site_id is a number with a point, which site_id_int is not (HaloPSA's API
// description).
type user struct {
	ID          int64   `json:"id"`
	Name        string  `json:"name"`
	FirstName   string  `json:"firstname"`
	Surname     string  `json:"surname"`
	JobTitle    string  `json:"jobtitle"` // from memory
	Email       string  `json:"emailaddress"`
	Email2      string  `json:"email2"`
	Email3      string  `json:"email3"`
	Phone       string  `json:"phonenumber"`
	Mobile      string  `json:"mobilenumber"`
	Mobile2     string  `json:"mobilenumber2"`
	Home        string  `json:"homenumber"`
	Preferred   string  `json:"phonenumber_preferred"`
	ClientID    int64   `json:"client_id"`
	ClientName  string  `json:"client_name"`
	SiteID      float64 `json:"site_id"`
	SiteIDInt   int64   `json:"site_id_int"`
	SiteName    string  `json:"site_name"`
	Inactive    bool    `json:"inactive"`
	EntraID     string  `json:"azureoid"`
	LastUpdated string  `json:"ulastupdate"`
}

// company is a client on the wire.
type company struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Website     string `json:"website"` // from memory
	Domain      string `json:"domain"`  // from memory
	Inactive    bool   `json:"inactive"`
	LastUpdated string `json:"alastupdate"`
}

// page is a page of either. With pageinate it is always an object, with record_count.
type page struct {
	Count   *int      `json:"record_count"`
	Size    int       `json:"page_size"`
	Users   []user    `json:"users"`
	Clients []company `json:"clients"`
}

func (p *page) total() int {
	if p.Count == nil {
		return 0
	}
	return *p.Count
}

func (c *Client) contact(u *user) psa.Contact {
	out := psa.Contact{
		ID:         strconv.FormatInt(u.ID, 10),
		Company:    psa.Named{ID: positive(u.ClientID), Name: u.ClientName},
		Site:       psa.Named{ID: positive(u.SiteIDInt), Name: u.SiteName},
		Name:       u.Name,
		FirstName:  u.FirstName,
		LastName:   u.Surname,
		Title:      u.JobTitle,
		EntraID:    strings.TrimSpace(u.EntraID),
		Active:     !u.Inactive,
		ModifiedAt: parseDate(u.LastUpdated, c.opts.DateZone),
	}
	if out.Site.ID == "" && u.SiteID >= 1 && u.SiteID < 1<<31 {
		out.Site.ID = positive(int64(u.SiteID))
	}
	if strings.Trim(out.EntraID, "0-") == "" {
		out.EntraID = ""
	}
	if out.Name == "" {
		out.Name = strings.TrimSpace(u.FirstName + " " + u.Surname)
	}
	for _, e := range [...]string{u.Email, u.Email2, u.Email3} {
		if e = strings.TrimSpace(e); strings.Contains(e, "@") && !slices.ContainsFunc(out.Emails, func(o string) bool { return strings.EqualFold(o, e) }) {
			out.Emails = append(out.Emails, e)
		}
	}
	for _, p := range [...]psa.Phone{{Raw: u.Phone, Kind: "work"}, {Raw: u.Mobile, Kind: "mobile"}, {Raw: u.Mobile2, Kind: "mobile"}, {Raw: u.Home, Kind: "home"}, {Raw: u.Preferred}} {
		if p.Raw = strings.TrimSpace(p.Raw); p.Raw != "" && !slices.ContainsFunc(out.Phones, func(o psa.Phone) bool { return o.Raw == p.Raw }) {
			out.Phones = append(out.Phones, p)
		}
	}
	return out
}

func positive(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func (c *Client) company(k *company) psa.Company {
	out := psa.Company{
		ID: strconv.FormatInt(k.ID, 10), Name: k.Name, Active: !k.Inactive, ModifiedAt: parseDate(k.LastUpdated, c.opts.DateZone),
	}
	for _, s := range append([]string{k.Website}, strings.FieldsFunc(k.Domain, func(r rune) bool { return strings.ContainsRune(",; \t\n", r) })...) {
		if d := domainOf(s); d != "" && !slices.Contains(out.Domains, d) {
			out.Domains = append(out.Domains, d)
		}
	}
	return out
}

// domainOf reads the domain out of what people type for a web site.
func domainOf(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s = strings.TrimPrefix(s, "@")
	if i := strings.IndexAny(s, "/?#:"); i >= 0 {
		s = s[:i]
	}
	s = strings.TrimPrefix(s, "www.")
	if !strings.Contains(s, ".") || strings.ContainsAny(s, " @") {
		return ""
	}
	return s
}

// changed reports whether something that changed at the time belongs into a listing of q.
func (c *Client) changed(q psa.Query, at time.Time) bool {
	return q.Since.IsZero() || at.IsZero() || !at.Before(q.Since.Add(-c.opts.Overlap))
}

// listQuery is what the listings of users and of clients have in common.
func (c *Client) listQuery(q psa.Query) url.Values {
	v := url.Values{
		"pageinate": {"true"}, // HaloPSA's spelling; without it page_size is dropped
		"order":     {"id"}, "orderdesc": {"false"},
		"includeactive": {"true"}, "includeinactive": {strconv.FormatBool(q.Inactive)},
	}
	if c.opts.Since == AskLastUpdate && !q.Since.IsZero() {
		v.Set("lastupdatefromdate", q.Since.Add(-c.opts.Overlap).In(c.opts.DateZone).Format("2006-01-02T15:04:05"))
	}
	return v
}

func (c *Client) page(ctx context.Context, op, path string, v url.Values, number, size int) (page, error) {
	v.Set("page_no", strconv.Itoa(number))
	v.Set("page_size", strconv.Itoa(size))
	var got page
	err := c.get(ctx, op, path, v, &got)
	if err == nil && got.Count == nil { // another JSON, such as an error: it must not pass for a list of nobody
		err = &psa.Error{System: Name, Op: op, Status: http.StatusOK, Err: psa.ErrUnavailable, Advice: notHalo}
	}
	return got, err
}

// ListContacts lists the users of all clients, or of one. They are ordered by id, and what does not change meanwhile is
// never skipped; see [Paging]. With q.Since a page may be empty though more follow.
func (c *Client) ListContacts(ctx context.Context, q psa.Query) (psa.Page[psa.Contact], error) {
	v := c.listQuery(q)
	v.Set("exclude_agents", "true")
	if q.CompanyID != "" {
		if !isNumber(q.CompanyID) {
			return psa.Page[psa.Contact]{}, &psa.Error{System: Name, Op: opListContacts, Err: psa.ErrNotFound, Advice: "ids of clients are numbers"}
		}
		v.Set("client_id", q.CompanyID)
	}
	l := lister[user]{op: opListContacts, id: func(u *user) int64 { return u.ID }}
	l.fetch = func(ctx context.Context, number, size int) (pageOf[user], error) {
		got, err := c.page(ctx, opListContacts, "Users", v, number, size)
		return pageOf[user]{got.Users, got.total(), got.Size}, err
	}
	items, next, err := l.list(ctx, c, q)
	out := psa.Page[psa.Contact]{Next: next, Items: make([]psa.Contact, 0, len(items))}
	for i := range items {
		if one := c.contact(&items[i]); c.changed(q, one.ModifiedAt) {
			out.Items = append(out.Items, one)
		}
	}
	return out, err
}

// ListCompanies lists the clients, as [Client.ListContacts] does users.
func (c *Client) ListCompanies(ctx context.Context, q psa.Query) (psa.Page[psa.Company], error) {
	v := c.listQuery(q)
	l := lister[company]{op: opListCompanies, id: func(k *company) int64 { return k.ID }}
	l.fetch = func(ctx context.Context, number, size int) (pageOf[company], error) {
		got, err := c.page(ctx, opListCompanies, "Client", v, number, size)
		return pageOf[company]{got.Clients, got.total(), got.Size}, err
	}
	items, next, err := l.list(ctx, c, q)
	out := psa.Page[psa.Company]{Next: next, Items: make([]psa.Company, 0, len(items))}
	for i := range items {
		if one := c.company(&items[i]); c.changed(q, one.ModifiedAt) {
			out.Items = append(out.Items, one)
		}
	}
	return out, err
}

// maxFound bounds the pages that a search reads: HaloPSA's search finds much that only looks like it.
const maxFound = 20

// search reads what the search finds and keeps what really matches.
func (c *Client) search(ctx context.Context, v url.Values, match func(*psa.Contact) bool) ([]psa.Contact, error) {
	v.Set("pageinate", "true")
	v.Set("order", "id")
	v.Set("includeactive", "true")
	v.Set("includeinactive", "true")
	v.Set("exclude_agents", "true")
	var out []psa.Contact
	seen := map[string]bool{}
	for number := 1; number <= maxFound; number++ {
		got, err := c.page(ctx, opFindContacts, "Users", v, number, maxPage)
		if err != nil {
			return nil, err
		}
		for i := range got.Users {
			if one := c.contact(&got.Users[i]); !seen[one.ID] && match(&one) {
				seen[one.ID] = true
				out = append(out, one)
			}
		}
		if len(got.Users) == 0 || number*maxPage >= got.total() {
			return out, nil
		}
	}
	return nil, &psa.Error{
		System: Name, Op: opFindContacts, Err: psa.ErrUnsupported,
		Advice: fmt.Sprintf("the search finds more than %d contacts; set Options.PhoneDigits higher", maxFound*maxPage),
	}
}

// FindByEmail returns the users that have this address, also those who are not active. HaloPSA's search is broad, so each
// hit is compared.
func (c *Client) FindByEmail(ctx context.Context, email string) ([]psa.Contact, error) {
	email = strings.TrimSpace(email)
	if !strings.Contains(email, "@") || len(email) > 320 {
		return nil, fmt.Errorf("halopsa: find by e-mail: that is no address: %w", mspkit.ErrInvalid)
	}
	return c.search(ctx, url.Values{"search": {email}}, func(one *psa.Contact) bool {
		return slices.ContainsFunc(one.Emails, func(e string) bool { return strings.EqualFold(e, email) })
	})
}

// FindByPhone returns the users that have this number, also those who are not active. It searches for the last digits
// (Options.PhoneDigits), because numbers are stored as people type them, and compares the hits by [psa.SamePhone].
func (c *Client) FindByPhone(ctx context.Context, number string) ([]psa.Contact, error) {
	digits := psa.PhoneDigits(number)
	if len(digits) < 7 {
		return nil, fmt.Errorf("halopsa: find by phone: the number has less than 7 digits: %w", mspkit.ErrInvalid)
	}
	digits = digits[max(0, len(digits)-c.opts.PhoneDigits):]
	return c.search(ctx, url.Values{"search": {digits}, "search_phonenumbers": {"true"}}, func(one *psa.Contact) bool {
		return slices.ContainsFunc(one.Phones, func(p psa.Phone) bool { return psa.SamePhone(p.Raw, number) })
	})
}
