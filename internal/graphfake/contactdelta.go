package graphfake

import (
	"net/http"
	"slices"
	"strings"
)

// contactChange is that a contact of a mailbox was put into a folder or taken out of it.
type contactChange struct {
	id, folder string
	gone       bool
}

// DeleteMailboxContact removes a contact from the mailbox of a user; it reports whether there was one.
func (t *Tenant) DeleteMailboxContact(user, id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot, ok := t.find(user)
	if !ok {
		return false
	}
	u, _ := t.at(slot)
	box := t.box(u.ID)
	i := slices.IndexFunc(box.contacts, func(c MailboxContact) bool { return c.ID == id })
	if i < 0 {
		return false
	}
	box.changes = append(box.changes, contactChange{id: id, folder: box.contacts[i].Folder, gone: true})
	box.contacts = slices.Delete(box.contacts, i, i+1)
	return true
}

// folder returns the id of a folder of contacts, and makes it and those that it is in.
func (b *mailbox) folder(name string) string {
	if name == "" {
		return ""
	}
	if i := slices.IndexFunc(b.folders, func(f contactFolder) bool { return f.name == name }); i >= 0 {
		return b.folders[i].id
	}
	in := ""
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		in = b.folder(name[:i])
	}
	f := contactFolder{messageID(), in, name}
	b.folders = append(b.folders, f)
	return f.id
}

// contact returns the one of an id that is in a folder.
func (b *mailbox) contact(id, folder string) (MailboxContact, bool) {
	for _, m := range b.contacts {
		if m.ID == id {
			return m, m.Folder == folder
		}
	}
	return MailboxContact{}, false
}

// mailboxDelta tells of the contacts of one folder. A page of a first round goes on behind the change with which a contact
// came into the folder, so that one that is deleted meanwhile moves nobody.
//
// Source: https://learn.microsoft.com/graph/delta-query-contacts (by its shape; sizes by Prefer: odata.maxpagesize).
func (c *call) mailboxDelta(u *User) *apiError {
	size, e := c.pageSize()
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	box := c.t.boxes[u.ID]
	if box == nil {
		box = &mailbox{}
	}
	id, name := c.r.PathValue("folder"), ""
	if id != "" {
		i := slices.IndexFunc(box.folders, func(f contactFolder) bool { return f.id == id })
		if i < 0 {
			return fail(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
		}
		name = box.folders[i].name
	}
	k, e := c.round("mailbox "+u.ID+"/"+id, len(box.changes), func(string) *apiError { return c.checkSelect(mailboxContactProps) })
	if e != nil {
		return e
	}
	if max(k.At, k.Since, k.Until) > len(box.changes) {
		return badRequest("Badly formed token.")
	}
	c.q.Del("$select")
	if k.Select != "" {
		c.q.Set("$select", k.Select)
	}
	next := *k
	if next.Later && next.At == next.Since {
		next.Until = len(box.changes)
	}
	items, more, e := c.mailboxRound(box, &next, name, size)
	if e != nil {
		return e
	}
	out := map[string]any{"@odata.context": c.context("users('" + u.ID + "')/contacts"), "value": items}
	c.addLinks(out, &next, more, false)
	return c.ok(out)
}

func (c *call) mailboxRound(box *mailbox, k *linkToken, folder string, size int) ([]map[string]any, bool, *apiError) {
	id := "AAMkAGFha2UContacts"
	if folder != "" {
		id = box.folders[slices.IndexFunc(box.folders, func(f contactFolder) bool { return f.name == folder })].id
	}
	end := k.Since // what changes after the beginning is told by the next round
	if k.Later {
		end = k.Until
	}
	items := []map[string]any{}
	for ; k.At < end; k.At++ {
		if len(items) == size {
			return items, true, nil
		}
		ch := box.changes[k.At]
		last := !slices.ContainsFunc(box.changes[k.At+1:end], func(o contactChange) bool { return o.id == ch.id })
		m, there := box.contact(ch.id, folder)
		switch {
		case !last: // told once, where it changed last
		case there:
			one, e := c.chosen(m.wire(id), mailboxContactProps)
			if e != nil {
				return nil, false, e
			}
			items = append(items, one)
		case k.Later && slices.ContainsFunc(box.changes[:k.At+1], func(o contactChange) bool { return o.id == ch.id && o.folder == folder }):
			items = append(items, map[string]any{"@odata.type": "#microsoft.graph.contact", "id": ch.id, "@removed": map[string]any{"reason": "deleted"}})
		}
	}
	return items, false, nil
}
