package psatest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit/psa"
)

// page reads what both listings have in common.
func (*homegrown) page(r *http.Request) (f filter, ok bool) {
	q := r.URL.Query()
	f = filter{After: q.Get("after"), Limit: HomegrownPage, Company: q.Get("company"), Inactive: q.Get("inactive") == "1"}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return f, false
		}
		f.Limit = min(n, HomegrownPage)
	}
	if _, err := strconv.ParseUint(f.After, 10, 32); f.After != "" && err != nil {
		return f, false
	}
	var err error
	f.Since, err = when(r, "since")
	return f, err == nil
}

type homegrownContact struct {
	ID       string      `json:"id"`
	Company  psa.Named   `json:"company"`
	First    string      `json:"first"`
	Last     string      `json:"last"`
	Title    string      `json:"title"`
	Emails   []string    `json:"emails"`
	Phones   []psa.Phone `json:"phones"`
	Entra    string      `json:"entra,omitempty"`
	Active   bool        `json:"active"`
	Modified time.Time   `json:"modified"`
}

func (h *homegrown) contacts(r *http.Request) any {
	f, ok := h.page(r)
	if !ok {
		return refusal{Code: "bad_cursor"}
	}
	q := r.URL.Query()
	var items []psa.Contact
	more := false
	switch {
	case q.Has("email"):
		items = h.desk.findContacts(HomegrownPage, func(c *psa.Contact) bool {
			for _, e := range c.Emails {
				if like(strings.ToLower(e), strings.ToLower(q.Get("email"))) {
					return true
				}
			}
			return false
		})
	case q.Has("phone"):
		items = h.desk.findContacts(HomegrownPage, func(c *psa.Contact) bool {
			for _, p := range c.Phones {
				if strings.Contains(p.Raw, q.Get("phone")) {
					return true
				}
			}
			return false
		})
	default:
		f.Limit++ // to see whether there is more
		items, _ = h.desk.contactPage(f)
		if more = len(items) == f.Limit; more {
			items = items[:len(items)-1]
		}
	}
	out := make([]homegrownContact, 0, len(items))
	for _, c := range items {
		out = append(out, homegrownContact{
			c.ID, c.Company, c.FirstName, c.LastName, c.Title, c.Emails, c.Phones, c.EntraID, c.Active, c.ModifiedAt.UTC(),
		})
	}
	return answer{"contacts": out, "more": more}
}

// like is what a database does with a pattern.
func like(s, pattern string) bool {
	if pattern == "" {
		return s == ""
	}
	switch pattern[0] {
	case '%':
		return like(s, pattern[1:]) || s != "" && like(s[1:], pattern)
	case '_':
		return s != "" && like(s[1:], pattern[1:])
	}
	return s != "" && s[0] == pattern[0] && like(s[1:], pattern[1:])
}

func (h *homegrown) companies(r *http.Request) any {
	f, ok := h.page(r)
	if !ok {
		return refusal{Code: "bad_cursor"}
	}
	f.Limit++
	f.Since = time.Time{} // it has no such thing for companies
	items, _ := h.desk.companyPage(f)
	more := len(items) == f.Limit
	if more {
		items = items[:len(items)-1]
	}
	type wire struct {
		ID       string    `json:"id"`
		Key      string    `json:"key"`
		Name     string    `json:"name"`
		Domains  []string  `json:"domains"`
		Active   bool      `json:"active"`
		Modified time.Time `json:"modified"`
	}
	out := make([]wire, 0, len(items))
	for _, c := range items {
		out = append(out, wire{c.ID, c.Key, c.Name, c.Domains, c.Active, c.ModifiedAt.UTC()})
	}
	return answer{"companies": out, "more": more}
}

func (h *homegrown) options(r *http.Request) any {
	f := psa.Field(r.PathValue("field"))
	if f == psa.FieldAssignee || !slices.Contains(psa.Fields, f) { // people are not in its list of values
		return refusal{Code: "no_such_field"}
	}
	type wire struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Closed   bool   `json:"closed"`
		Inactive bool   `json:"inactive"`
	}
	out := []wire{}
	for _, o := range h.desk.Options(f, r.URL.Query().Get("parent")) {
		out = append(out, wire{o.ID, o.Name, o.Closed, o.Inactive})
	}
	return answer{"options": out}
}
