package graphfake

import (
	"net/http"
	"strconv"
	"strings"
)

// group is one of Entra.
type group struct {
	name string
	// members are ids of users and of other groups.
	members []string
}

// AddGroup adds a group of users and other groups, by their ids, and returns its id.
func (t *Tenant) AddGroup(name string, members ...string) string {
	id := newID()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.installs.groups == nil {
		t.installs.groups = map[string]*group{}
	}
	t.installs.groups[id] = &group{name: name, members: members}
	return id
}

// SetMembers replaces the members of a group.
func (t *Tenant) SetMembers(id string, members ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.installs.groups[id].members = members
}

// users returns the people of a group and of those in it, each once. It is called with t.mu held.
func (t *Tenant) groupSlots(id string) []int {
	var out []int
	groups, people := map[string]bool{}, map[int]bool{}
	var walk func(id string)
	walk = func(id string) {
		g := t.installs.groups[id]
		if g == nil || groups[id] {
			return
		}
		groups[id] = true
		for _, m := range g.members {
			m = strings.ToLower(m)
			if t.installs.groups[m] != nil {
				walk(m)
				continue
			}
			if slot, ok := t.find(m); ok && !people[slot] {
				people[slot] = true
				out = append(out, slot)
			}
		}
	}
	walk(id)
	return out
}

func (c *call) group() (string, *apiError) {
	id := strings.ToLower(c.r.PathValue("group"))
	if c.t.installs.groups[id] == nil {
		return "", fail(http.StatusNotFound, "Request_ResourceNotFound",
			"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
	}
	return id, nil
}

// groupUsers is the members of a group that are users, also those of groups in it.
func (c *call) groupUsers() *apiError {
	if e := c.options("$select", "$top", "$count", "$skiptoken"); e != nil {
		return e
	}
	if e := c.advanced("an OData cast"); e != nil {
		return e
	}
	ps, _, e := c.selected(c.q.Get("$select"), false)
	if e != nil {
		return e
	}
	if ps == nil {
		ps = defaultProps
	}
	size, e := c.top(c.s.o.PageSize, maxTop)
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	id, e := c.group()
	if e != nil {
		return e
	}
	slots, at := c.t.groupSlots(id), 0
	if text, ok := c.q["$skiptoken"]; ok {
		k, e := c.open(text[0], "members/"+id)
		if e != nil {
			return e
		}
		at = min(k.At, len(slots))
	}
	b := c.head(size, "users")
	if at == 0 {
		b = append(b, `"@odata.count":`...)
		b = strconv.AppendInt(b, int64(len(slots)), 10)
		b = append(b, ',')
	}
	b = append(b, `"value":[`...)
	end := min(at+size, len(slots))
	for n, slot := range slots[at:end] {
		if n > 0 {
			b = append(b, ',')
		}
		u, _ := c.t.at(slot)
		b = append(b, '{')
		b = appendUser(b, &u, ps, false)
		b = append(b, '}')
	}
	b = append(b, ']')
	if end < len(slots) {
		k := linkToken{Tenant: c.t.ID, Kind: "members/" + id, At: end}
		b = append(b, `,"@odata.nextLink":`...)
		b = appendText(b, c.link("$skiptoken", k.String()))
	}
	return c.raw(append(b, '}'))
}

func (c *call) countGroupUsers() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if !c.eventual() {
		return unsupported("$count is an advanced query: the header 'ConsistencyLevel: eventual' is needed.")
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	id, e := c.group()
	if e != nil {
		return e
	}
	c.w.Header().Set("Content-Type", "text/plain")
	_, _ = c.w.Write(strconv.AppendInt(nil, int64(len(c.t.groupSlots(id))), 10))
	return nil
}
