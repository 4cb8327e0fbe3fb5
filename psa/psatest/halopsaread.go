package psatest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/psa"
)

// haloUser is one contact on the wire. SiteID has a point.
type haloUser struct {
	ID         int             `json:"id"`
	Name       string          `json:"name"`
	FirstName  string          `json:"firstname"`
	Surname    string          `json:"surname"`
	JobTitle   string          `json:"jobtitle"`
	Email      string          `json:"emailaddress"`
	Email2     string          `json:"email2"`
	Email3     string          `json:"email3"`
	Phone      string          `json:"phonenumber"`
	Mobile     string          `json:"mobilenumber"`
	Mobile2    string          `json:"mobilenumber2"`
	Home       string          `json:"homenumber"`
	Preferred  string          `json:"phonenumber_preferred"`
	ClientID   int             `json:"client_id"`
	ClientName string          `json:"client_name"`
	SiteID     json.RawMessage `json:"site_id"`
	SiteIDInt  int             `json:"site_id_int"`
	SiteName   string          `json:"site_name"`
	Inactive   bool            `json:"inactive"`
	EntraID    string          `json:"azureoid"`
	Updated    string          `json:"ulastupdate,omitempty"`
}

func (h *halo) user(c *psa.Contact) haloUser {
	site := cmpOr(number(c.Site.ID), 18)
	u := haloUser{
		ID: number(c.ID), Name: c.Name, FirstName: c.FirstName, Surname: c.LastName, JobTitle: c.Title,
		ClientID: number(c.Company.ID), ClientName: c.Company.Name, SiteID: json.RawMessage(strconv.Itoa(site) + ".0"), SiteIDInt: site,
		SiteName: c.Site.Name, Inactive: !c.Active, EntraID: c.EntraID,
	}
	if u.SiteName == "" {
		u.SiteName = "Main"
	}
	if !h.o.NoLastUpdate {
		u.Updated = h.date(c.ModifiedAt)
	}
	for i, e := range c.Emails {
		*[]*string{&u.Email, &u.Email2, &u.Email3}[min(i, 2)] = e
	}
	for _, p := range c.Phones {
		switch {
		case p.Kind == "mobile" && u.Mobile == "":
			u.Mobile = p.Raw
		case p.Kind == "mobile":
			u.Mobile2 = p.Raw
		case p.Kind == "home":
			u.Home = p.Raw
		default:
			u.Phone = p.Raw
		}
	}
	return u
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

func (h *halo) users(w http.ResponseWriter, q url.Values) {
	f, number, size := h.filter(q)
	var items []psa.Contact
	var total int
	search := strings.ToLower(q.Get("search"))
	if search == "" && !h.o.Unordered {
		items, total = h.desk.contactPage(f)
	} else {
		items = h.desk.findContacts(math.MaxInt32, func(c *psa.Contact) bool {
			if !f.Inactive && !c.Active || f.Company != "" && f.Company != c.Company.ID {
				return false
			}
			return search == "" || haloFinds(c, search, q.Get("search_phonenumbers") == "true")
		})
		if h.o.Unordered {
			slices.SortStableFunc(items, func(a, b psa.Contact) int { return strings.Compare(a.LastName, b.LastName) })
		}
		total = len(items)
		items = items[min(f.Offset, total):min(f.Offset+f.Limit, total)]
	}
	users := make([]haloUser, 0, len(items))
	for i := range items {
		users = append(users, h.user(&items[i]))
	}
	h.answer(w, struct {
		Page  int        `json:"page_no"`
		Size  int        `json:"page_size"`
		Count int        `json:"record_count"`
		Users []haloUser `json:"users"`
	}{number, size, total, users})
}

// haloFinds is HaloPSA's search: anything that contains the text.
func haloFinds(c *psa.Contact, text string, phones bool) bool {
	for _, s := range append([]string{c.Name, c.FirstName, c.LastName}, c.Emails...) {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return phones && slices.ContainsFunc(c.Phones, func(p psa.Phone) bool { return strings.Contains(p.Raw, text) })
}

func (h *halo) clients(w http.ResponseWriter, q url.Values) {
	f, number, size := h.filter(q)
	items, total := h.desk.companyPage(f)
	list := []map[string]any{}
	for _, c := range items {
		one := map[string]any{"id": json.Number(c.ID), "name": c.Name, "inactive": !c.Active, "main_site_id": 18, "toplevel_id": 1}
		if len(c.Domains) > 0 {
			one["website"] = "https://www." + c.Domains[0] + "/"
		}
		if !h.o.NoLastUpdate {
			one["alastupdate"] = h.date(c.ModifiedAt)
		}
		list = append(list, one)
	}
	h.answer(w, map[string]any{"page_no": number, "page_size": size, "record_count": total, "clients": list})
}

// ticket is a ticket on the wire.
func (h *halo) ticket(t psa.Ticket, whole bool) map[string]any {
	m := map[string]any{
		"id": json.Number(t.ID), "summary": t.Title, "client_id": number(t.Company.ID), "client_name": t.Company.Name,
		"user_id": number(t.Contact.ID), "user_name": t.Contact.Name, "site_id": json.RawMessage("18.0"), "team": t.Queue.Name,
		"status_id": number(t.Status.ID), "priority_id": number(t.Priority.ID), "source": number(t.Source.ID),
		"tickettype_id": number(t.Type.ID), "category_1": t.Category.Name, "agent_id": number(t.Assignee.ID),
		"dateoccurred": h.date(t.CreatedAt), "lastactiondate": h.date(t.ModifiedAt),
	}
	if t.MergedInto != "" && !h.o.NoMergedInto {
		m["merged_into_id"] = number(t.MergedInto)
	}
	if whole || !h.o.KeylessLists {
		m["third_party_id_string"] = h.desk.ticketKey(t.ID)
	}
	return m
}

func (h *halo) tickets(w http.ResponseWriter, q url.Values) {
	key, search := q.Get("third_party_id_string"), strings.ToLower(q.Get("search"))
	if h.o.IgnoreKey {
		key = ""
	}
	list := []map[string]any{}
	for _, t := range h.desk.Tickets() {
		own := h.desk.ticketKey(t.ID)
		if key != "" && own != key || !h.o.IgnoreKey && q.Has("client_id") && q.Get("client_id") != t.Company.ID ||
			search != "" && !strings.Contains(strings.ToLower(t.Title+" "+own), search) {
			continue
		}
		list = append(list, h.ticket(t, false))
	}
	no, size := h.paging(q)
	total := len(list)
	list = list[min((no-1)*size, total):min(no*size, total)]
	h.answer(w, map[string]any{"page_no": no, "page_size": size, "record_count": total, "tickets": list})
}

func (h *halo) actions(w http.ResponseWriter, q url.Values) {
	notes := h.desk.Notes(q.Get("ticket_id"))
	slices.Reverse(notes) // the newest ones first
	total := len(notes) + h.o.SystemActions
	if q.Get("excludesys") != "true" {
		for i := range h.o.SystemActions {
			notes = append(notes, Note{ID: strconv.Itoa(900000 + i), Ticket: q.Get("ticket_id"), AuthorID: 1, Author: "System", Text: "The status was changed."})
		}
	}
	if h.o.MaxActions > 0 {
		notes = notes[:min(h.o.MaxActions, len(notes))]
	}
	if n, err := strconv.Atoi(q.Get("count")); err == nil {
		notes = notes[:min(n, len(notes))]
	}
	list := []map[string]any{}
	for _, n := range notes {
		if q.Get("excludeprivate") == "true" && !n.Public {
			continue
		}
		m := map[string]any{
			"id": json.Number(n.ID), "ticket_id": json.Number(n.Ticket), "who": n.Author, "who_type": 0, "who_agentid": n.AuthorID,
			"note": n.Text, "hiddenfromuser": !n.Public, "datetime": h.date(n.At), "outcome": h.o.Outcomes[0],
		}
		if n.AuthorID == 0 {
			m["who_type"] = 1
		}
		if q.Get("includehtmlnote") == "true" && !h.o.RefuseHTML {
			m["note_html"] = "<div>\r\n  " + haloHTML(n.Text) + "\r\n</div>"
		}
		list = append(list, m)
	}
	h.answer(w, map[string]any{"record_count": total, "actions": list})
}

// values answers the lists of what fields may have.
func (h *halo) values(w http.ResponseWriter, p string, q url.Values) {
	field, ok := map[string]psa.Field{
		"team": psa.FieldQueue, "status": psa.FieldStatus, "priority": psa.FieldPriority, "lookup": psa.FieldSource,
		"tickettype": psa.FieldType, "category": psa.FieldCategory, "agent": psa.FieldAssignee,
	}[p]
	if !ok {
		h.fail(w, http.StatusNotFound, "No HTTP resource was found that matches the request.")
		return
	}
	list := []map[string]any{}
	for _, o := range h.all(field) {
		m := map[string]any{"id": number(o.ID), "name": o.Name, "inactive": o.Inactive}
		switch {
		case field == psa.FieldPriority: // their id is another one
			m = map[string]any{"id": "0b8d0000-0000-4000-8000-" + fmt.Sprintf("%012d", number(o.ID)), "slaid": 1, "priorityid": number(o.ID), "name": o.Name}
			if s := q.Get("slaid"); s != "" && s != "1" {
				continue
			}
		case field == psa.FieldCategory:
			m = map[string]any{"id": number(o.ID), "value": o.Name}
		case field == psa.FieldSource && q.Get("lookupid") != "22":
			continue
		}
		list = append(list, m)
	}
	h.list(w, p+"s", list)
}

// all are the values of a field below any parent: HaloPSA lists them so.
func (h *halo) all(f psa.Field) (out []psa.Option) {
	h.desk.mu.Lock()
	defer h.desk.mu.Unlock()
	for _, o := range h.desk.options {
		if o.field == f {
			out = append(out, o.Option)
		}
	}
	return out
}

// chosen finds a value by its id, or by its name where only that is given.
func (h *halo) chosen(f psa.Field, n psa.Named) (psa.Named, bool) {
	if n.ID == "" && n.Name == "" {
		return psa.Named{}, true
	}
	for _, o := range h.all(f) {
		if n.ID != "" && o.ID == n.ID || n.ID == "" && strings.EqualFold(o.Name, n.Name) {
			return o.Named, true
		}
	}
	return psa.Named{}, false
}
