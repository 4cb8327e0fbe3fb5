package graphfake

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// OrgContact is a contact of the whole tenant: a mail contact in the address book.
type OrgContact struct {
	// ID is a GUID; empty is random.
	ID                                         string
	DisplayName, GivenName, Surname, Mail      string
	CompanyName, Department, JobTitle          string
	ProxyAddresses                             []string
	Mobile, Business, Fax, Street, City, State string
}

type orgEntry struct {
	c       OrgContact
	removed string
	last    int
}

// orgStore are the contacts of a tenant.
type orgStore struct {
	items []*orgEntry
	seq   int
}

// OrgContact adds a contact of the tenant or replaces the one with the same id, and returns its id.
func (t *Tenant) OrgContact(o OrgContact) string {
	if o.ID == "" {
		o.ID = newID()
	}
	o.ID = strings.ToLower(o.ID)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.org.seq++
	e := &orgEntry{c: o, last: t.org.seq}
	if i := slices.IndexFunc(t.org.items, func(e *orgEntry) bool { return e.c.ID == o.ID }); i >= 0 {
		t.org.items[i] = e
	} else {
		t.org.items = append(t.org.items, e)
	}
	return o.ID
}

// DeleteOrgContact removes one; it reports whether there was one.
func (t *Tenant) DeleteOrgContact(id string, permanent bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.org.items {
		if strings.EqualFold(e.c.ID, id) && e.removed == "" {
			t.org.seq++
			e.last, e.removed = t.org.seq, "changed"
			if permanent {
				e.removed = "deleted"
			}
			return true
		}
	}
	return false
}

var orgContactProps = []string{
	"id", "deletedDateTime", "addresses", "companyName", "department", "displayName", "givenName", "jobTitle", "mail", "mailNickname",
	"onPremisesLastSyncDateTime", "onPremisesProvisioningErrors", "onPremisesSyncEnabled", "phones", "proxyAddresses",
	"serviceProvisioningErrors", "surname",
}

func (o *OrgContact) wire() map[string]any {
	nick, _, _ := strings.Cut(o.Mail, "@")
	phones := []any{}
	for _, p := range []struct{ kind, number string }{{"mobile", o.Mobile}, {"business", o.Business}, {"businessFax", o.Fax}} {
		if p.number != "" {
			phones = append(phones, map[string]any{"type": p.kind, "number": p.number})
		}
	}
	addresses := []any{}
	if o.Street+o.City+o.State != "" {
		addresses = append(addresses, map[string]any{
			"street": null(o.Street), "city": null(o.City), "state": null(o.State), "countryOrRegion": nil, "postalCode": nil, "officeLocation": nil,
		})
	}
	return map[string]any{
		"id": o.ID, "deletedDateTime": nil, "addresses": addresses, "companyName": null(o.CompanyName), "department": null(o.Department),
		"displayName": null(o.DisplayName), "givenName": null(o.GivenName), "jobTitle": null(o.JobTitle), "mail": null(o.Mail),
		"mailNickname": null(nick), "onPremisesLastSyncDateTime": nil, "onPremisesProvisioningErrors": []any{}, "onPremisesSyncEnabled": nil,
		"phones": phones, "proxyAddresses": texts(o.ProxyAddresses), "serviceProvisioningErrors": []any{}, "surname": null(o.Surname),
	}
}

func (c *call) orgContacts() *apiError {
	if e := c.options("$select", "$top", "$count", "$skiptoken"); e != nil {
		return e
	}
	size, e := c.top(c.s.o.PageSize, maxTop)
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	items := []map[string]any{}
	for _, e := range c.t.org.items {
		if e.removed == "" {
			items = append(items, e.c.wire())
		}
	}
	return c.collection("contacts", orgContactProps, items, size)
}

func (c *call) orgContact() *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	for _, e := range c.t.org.items {
		if e.removed == "" && strings.EqualFold(e.c.ID, c.r.PathValue("contact")) {
			m, err := c.chosen(e.c.wire(), orgContactProps)
			if err != nil {
				return err
			}
			m["@odata.context"] = c.context("contacts/$entity")
			return c.ok(m)
		}
	}
	return fail(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist.", c.r.PathValue("contact"))
}

// orgContactsDelta tells of contacts whole, also where only something has changed.
func (c *call) orgContactsDelta() *apiError {
	size, e := c.pageSize()
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	k, e := c.round("contacts", c.t.org.seq, func(string) *apiError { return c.checkSelect(orgContactProps) })
	if e != nil {
		return e
	}
	c.q.Del("$select")
	if k.Select != "" {
		c.q.Set("$select", k.Select)
	}
	next := *k
	if k.Empty {
		next.Empty = false
	}
	items, more := []map[string]any{}, k.Empty
	if !k.Empty {
		var e *apiError
		if items, more, e = c.orgRound(&next, size); e != nil {
			return e
		}
	}
	out := map[string]any{"@odata.context": c.context("contacts"), "value": items}
	c.addLinks(out, &next, more, c.t.quirks.EmptyPages && !k.Empty)
	return c.ok(out)
}

func (c *call) orgRound(k *linkToken, size int) ([]map[string]any, bool, *apiError) {
	if k.Later && k.At == k.Since {
		k.Until = c.t.org.seq
	}
	// In a first round positions are those of the list, later those of changes.
	var todo []*orgEntry
	for i, e := range c.t.org.items {
		if !k.Later && i >= k.At || k.Later && e.last > k.At && e.last <= k.Until {
			todo = append(todo, e)
		}
	}
	if k.Later {
		slices.SortFunc(todo, func(a, b *orgEntry) int { return a.last - b.last })
	}
	items := []map[string]any{}
	for _, e := range todo {
		if len(items) == size {
			return items, true, nil
		}
		if k.At++; k.Later {
			k.At = e.last
		}
		switch {
		case k.Filter != nil && !slices.Contains(k.Filter, e.c.ID):
		case e.removed != "" && (k.Later || c.t.quirks.RemovedFirst):
			items = append(items, map[string]any{"id": e.c.ID, "@removed": map[string]any{"reason": e.removed}})
		case e.removed == "":
			one, err := c.chosen(e.c.wire(), orgContactProps)
			if err != nil {
				return nil, false, err
			}
			if !k.Later && !c.t.quirks.Nulls {
				for name, v := range one {
					if v == nil {
						delete(one, name)
					}
				}
			}
			items = append(items, one)
		}
	}
	return items, false, nil
}

// MailboxContact is one in somebody's mailbox.
type MailboxContact struct {
	ID                                                       string
	DisplayName, GivenName, Surname                          string
	Emails                                                   []Address
	Mobile                                                   string
	Business, Home                                           []string
	CompanyName, Department, JobTitle, OfficeLocation, Notes string
	// Folder is the name of a folder beside the main one, or "Suppliers/Former" of one in another; empty is the main one.
	Folder string
}

// contactFolder is one beside the main one. Its name has those of the folders that it is in before it.
type contactFolder struct{ id, parent, name string }

// MailboxContact adds a contact to the mailbox of a user, or replaces it, and returns its id; it is empty where there is no
// such user.
func (t *Tenant) MailboxContact(user string, m MailboxContact) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot, ok := t.find(user)
	if !ok {
		return ""
	}
	u, _ := t.at(slot)
	box := t.box(u.ID)
	if m.ID == "" {
		m.ID = messageID()
	}
	box.folder(m.Folder)
	box.changes = append(box.changes, contactChange{id: m.ID, folder: m.Folder})
	if i := slices.IndexFunc(box.contacts, func(c MailboxContact) bool { return c.ID == m.ID }); i >= 0 {
		box.contacts[i] = m
	} else {
		box.contacts = append(box.contacts, m)
	}
	return m.ID
}

// box returns the mailbox of a user id. The caller holds the lock for writing.
func (t *Tenant) box(id string) *mailbox {
	b := t.boxes[id]
	if b == nil {
		b = &mailbox{drafts: map[string]*Mail{}}
		t.boxes[id] = b
	}
	return b
}

var mailboxContactProps = []string{
	"id", "categories", "changeKey", "createdDateTime", "lastModifiedDateTime", "assistantName", "birthday", "businessAddress",
	"businessHomePage", "businessPhones", "children", "companyName", "department", "displayName", "emailAddresses", "fileAs", "generation",
	"givenName", "homeAddress", "homePhones", "imAddresses", "initials", "jobTitle", "manager", "middleName", "mobilePhone", "nickName",
	"officeLocation", "otherAddress", "parentFolderId", "personalNotes", "profession", "spouseName", "surname", "title",
	"yomiCompanyName", "yomiGivenName", "yomiSurname", "primaryEmailAddress", "secondaryEmailAddress", "tertiaryEmailAddress",
}

func (m *MailboxContact) wire(folder string) map[string]any {
	emails := []any{}
	for _, a := range m.Emails {
		emails = append(emails, map[string]any{"name": null(a.Name), "address": null(a.Address)})
	}
	return map[string]any{
		"@odata.etag": `W/"EQAAABYAAAA` + m.ID[len(m.ID)-8:] + `"`,
		"id":          m.ID, "categories": []string{}, "businessPhones": texts(m.Business), "companyName": null(m.CompanyName),
		"department": null(m.Department), "displayName": null(m.DisplayName), "emailAddresses": emails, "fileAs": null(m.DisplayName),
		"givenName": null(m.GivenName), "homePhones": texts(m.Home), "imAddresses": []string{}, "jobTitle": null(m.JobTitle),
		"mobilePhone": null(m.Mobile), "officeLocation": null(m.OfficeLocation), "parentFolderId": folder, "personalNotes": m.Notes,
		"surname": null(m.Surname), "birthday": nil, "children": []string{}, "middleName": nil, "nickName": nil, "title": nil, "manager": nil,
	}
}

// outlookPage reads $top and $skip as Exchange has them: 10 where nothing is said, 1,000 at most.
func (c *call) outlookPage() (skip, size int, e *apiError) {
	if size, e = c.top(10, 1000); e != nil {
		return 0, 0, fail(http.StatusBadRequest, "ErrorInvalidParameter", "Invalid value for $top: it must be between 1 and 1000.")
	}
	if text, ok := c.q["$skip"]; ok {
		n, err := strconv.Atoi(text[0])
		if err != nil || n < 0 {
			return 0, 0, fail(http.StatusBadRequest, "ErrorInvalidParameter", "Invalid value for $skip.")
		}
		skip = n
	}
	return skip, size, nil
}

// outlookList answers a page with a link by $skip.
func (c *call) outlookList(context string, known []string, items []map[string]any) *apiError {
	if e := c.options("$select", "$top", "$skip", "$count"); e != nil {
		return e
	}
	skip, size, e := c.outlookPage()
	if e != nil {
		return e
	}
	if e := c.checkSelect(known); e != nil {
		return e
	}
	page := []map[string]any{}
	for _, it := range items[min(skip, len(items)):min(skip+size, len(items))] {
		one, e := c.chosen(it, known)
		if e != nil {
			return e
		}
		page = append(page, one)
	}
	out := map[string]any{"@odata.context": c.context(context), "value": page}
	if c.counted() {
		out["@odata.count"] = len(items)
	}
	if skip+size < len(items) {
		out["@odata.nextLink"] = c.link("$skip", strconv.Itoa(skip+size))
	}
	return c.ok(out)
}

func (c *call) mailboxContacts(u *User) *apiError {
	folder := c.r.PathValue("folder")
	c.t.mu.RLock()
	var items []map[string]any
	name, ok := "", folder == ""
	id := "AAMkAGFha2UContacts"
	if box := c.t.boxes[u.ID]; box != nil {
		for _, f := range box.folders {
			if f.id == folder {
				name, ok, id = f.name, true, f.id
			}
		}
		for _, m := range box.contacts {
			if m.Folder == name {
				items = append(items, m.wire(id))
			}
		}
	}
	c.t.mu.RUnlock()
	if !ok {
		return fail(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
	}
	return c.outlookList("users('"+u.ID+"')/contacts", mailboxContactProps, items)
}

// contactFolders lists those of the first level, or those in one.
func (c *call) contactFolders(u *User) *apiError {
	parent := c.r.PathValue("folder")
	found := parent == ""
	c.t.mu.RLock()
	var items []map[string]any
	if box := c.t.boxes[u.ID]; box != nil {
		for _, f := range box.folders {
			if found = found || f.id == parent; f.parent != parent {
				continue
			}
			in := f.parent
			if in == "" {
				in = "AAMkAGFha2URoot"
			}
			items = append(items, map[string]any{"id": f.id, "displayName": f.name[strings.LastIndexByte(f.name, '/')+1:], "parentFolderId": in})
		}
	}
	c.t.mu.RUnlock()
	if !found {
		return fail(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
	}
	return c.outlookList("users('"+u.ID+"')/contactFolders", []string{"id", "displayName", "parentFolderId"}, items)
}
