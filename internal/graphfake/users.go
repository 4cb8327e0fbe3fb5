package graphfake

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// maxTop is the largest $top of users.
const maxTop = 999

func (c *call) listUsers() *apiError {
	if e := c.options("$select", "$top", "$filter", "$expand", "$count", "$orderby", "$search", "$skiptoken"); e != nil {
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
	expand, e := c.expandManager()
	if e != nil {
		return e
	}
	match, e := c.userFilter()
	if e != nil {
		return e
	}
	at := 0
	if text, ok := c.q["$skiptoken"]; ok {
		k, e := c.open(text[0], "list")
		if e != nil {
			return e
		}
		at = k.At
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	order, e := c.order()
	if e != nil {
		return e
	}
	b := c.head(size, "users")
	if c.counted() && c.eventual() && at == 0 {
		b = append(b, `"@odata.count":`...)
		b = strconv.AppendInt(b, int64(c.t.count(match)), 10)
		b = append(b, ',')
	}
	b = append(b, `"value":[`...)
	n := 0
	var u User
	var removed string
	for ; at < c.t.slots(); at++ {
		slot := at
		if order != nil {
			slot = order[at]
		}
		u, removed = c.t.at(slot)
		if removed != "" || match != nil && !match(&u) {
			continue
		}
		if n == size {
			break // there is one more, so there is one more page
		}
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = appendUser(b, &u, ps, false)
		b = c.t.appendManager(b, &u, expand)
		b = append(b, '}')
		n++
	}
	b = append(b, ']')
	if at < c.t.slots() {
		k := linkToken{Tenant: c.t.ID, Kind: "list", At: at}
		b = append(b, `,"@odata.nextLink":`...)
		b = appendText(b, c.link("$skiptoken", k.String()))
	}
	return c.raw(append(b, '}'))
}

// buffers are for large answers.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// head begins an answer.
func (c *call) head(items int, context string) []byte {
	var b []byte
	if items > 1 {
		c.buffer, _ = buffers.Get().(*[]byte)
		b = (*c.buffer)[:0]
	}
	b = append(b, `{"@odata.context":`...)
	b = appendText(b, c.context(context))
	return append(b, ',')
}

func (t *Tenant) count(match matcher) int {
	n := 0
	var u User
	var removed string
	for i := range t.slots() {
		if u, removed = t.at(i); removed == "" && (match == nil || match(&u)) {
			n++
		}
	}
	return n
}

func (c *call) countUsers() *apiError {
	if e := c.options("$filter", "$search"); e != nil {
		return e
	}
	if !c.eventual() {
		return unsupported("$count is an advanced query: the header 'ConsistencyLevel: eventual' is needed.")
	}
	c.q.Set("$count", "true")
	match, e := c.userFilter()
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	c.w.Header().Set("Content-Type", "text/plain")
	_, _ = c.w.Write(strconv.AppendInt(nil, int64(c.t.count(match)), 10))
	return nil
}

// userFilter reads $filter and $search.
func (c *call) userFilter() (matcher, *apiError) {
	var match matcher
	if text := c.q.Get("$filter"); text != "" {
		f, bad := parseFilter(text)
		if bad != "" {
			return nil, fail(http.StatusBadRequest, "BadRequest", "Invalid filter clause: %s", bad)
		}
		if f.advanced != "" {
			if e := c.advanced(f.advanced); e != nil {
				return nil, e
			}
		}
		match = f.match
	}
	if text := c.q.Get("$search"); text != "" {
		if !c.eventual() {
			return nil, unsupported("$search needs the header 'ConsistencyLevel: eventual'.")
		}
		name, word, ok := strings.Cut(strings.Trim(text, `"`), ":")
		p := userByName[name]
		if !ok || !strings.HasPrefix(text, `"`) || p == nil || p.text == nil {
			return nil, badRequest("Syntax error in $search: write \"property:text\".")
		}
		before := match
		match = func(u *User) bool {
			return strings.Contains(strings.ToLower(p.text(u)), strings.ToLower(word)) && (before == nil || before(u))
		}
	}
	return match, nil
}

// order reads $orderby and returns slots in order; nil is that of the tenant.
func (c *call) order() ([]int, *apiError) {
	text := c.q.Get("$orderby")
	if text == "" {
		return nil, nil
	}
	if c.q.Get("$filter") != "" {
		if e := c.advanced("$orderby with $filter"); e != nil {
			return nil, e
		}
	}
	name, dir, _ := strings.Cut(text, " ")
	if name != "displayName" && name != "userPrincipalName" || dir != "" && dir != "asc" && dir != "desc" {
		return nil, unsupported("Sorting by '%s' is not supported.", text)
	}
	p := userByName[name]
	keys, slots := make([]string, c.t.slots()), make([]int, c.t.slots())
	for i := range keys {
		u, _ := c.t.at(i)
		keys[i], slots[i] = strings.ToLower(p.text(&u)), i
	}
	slices.SortStableFunc(slots, func(a, b int) int { return strings.Compare(keys[a], keys[b]) })
	if dir == "desc" {
		slices.Reverse(slots)
	}
	return slots, nil
}

// expandManager reads $expand: manager with a $select, or nothing.
func (c *call) expandManager() ([]*property, *apiError) {
	text := c.q.Get("$expand")
	if text == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(text, "manager")
	if !ok {
		return nil, badRequest("'%s' cannot be expanded here.", text)
	}
	if rest == "" {
		return defaultProps, nil
	}
	sel, ok := strings.CutPrefix(rest, "($select=")
	sel, closed := strings.CutSuffix(sel, ")")
	if !ok || !closed {
		return nil, unsupported("The options of $expand '%s' are not supported.", text)
	}
	ps, _, e := c.selected(sel, false)
	return ps, e
}

// appendManager writes the expanded manager, where there is one.
func (t *Tenant) appendManager(b []byte, u *User, ps []*property) []byte {
	if ps == nil || u.ManagerID == "" {
		return b
	}
	slot, ok := t.find(u.ManagerID)
	if !ok {
		return b
	}
	m, _ := t.at(slot)
	b = append(b, `,"manager":{"@odata.type":"#microsoft.graph.user",`...)
	return append(appendUser(b, &m, ps, false), '}')
}

// user finds the user of the path.
func (c *call) user() (*User, *apiError) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	_, u, e := c.person()
	if e != nil {
		return nil, e
	}
	return u.clone(), nil
}

// person finds the user of the path by id or sign-in name: the directory does not know people by their address, as mailboxes
// are known.
func (c *call) person() (int, *User, *apiError) {
	id := c.r.PathValue("user")
	slot, ok := c.t.find(id)
	if ok {
		if u, _ := c.t.at(slot); strings.EqualFold(u.ID, id) || strings.EqualFold(u.UPN, id) {
			return slot, &u, nil
		}
	}
	return 0, nil, fail(http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
}

func (c *call) getUser() *apiError {
	if e := c.options("$select", "$expand"); e != nil {
		return e
	}
	ps, _, e := c.selected(c.q.Get("$select"), false)
	if e != nil {
		return e
	}
	if ps == nil {
		ps = defaultProps
	}
	expand, e := c.expandManager()
	if e != nil {
		return e
	}
	u, e := c.user()
	if e != nil {
		return e
	}
	b := c.head(1, "users/$entity")
	b = appendUser(b, u, ps, false)
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	return c.raw(append(c.t.appendManager(b, u, expand), '}'))
}

func (c *call) getManager() *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	ps, _, e := c.selected(c.q.Get("$select"), false)
	if e != nil {
		return e
	}
	if ps == nil {
		ps = defaultProps
	}
	u, e := c.user()
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	slot, ok := 0, false
	if u.ManagerID != "" {
		slot, ok = c.t.find(u.ManagerID)
	}
	if !ok {
		return fail(http.StatusNotFound, "Request_ResourceNotFound",
			"Resource 'manager' does not exist or one of its queried reference-property objects are not present.")
	}
	m, _ := c.t.at(slot)
	b := c.head(1, "directoryObjects/$entity")
	b = append(b, `"@odata.type":"#microsoft.graph.user",`...)
	return c.raw(append(appendUser(b, &m, ps, false), '}'))
}

// patchUser changes phone numbers, which is what User-Phone.ReadWrite.All allows.
func (c *call) patchUser() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	names := make([]string, 0, len(userProps))
	for _, p := range userProps {
		names = append(names, p.name)
	}
	m, e := object(c.body, "microsoft.graph.user", append(names, elsewhere...)...)
	if e != nil {
		return e
	}
	var mobile *string
	var business []string
	if e := value(m, "mobilePhone", &mobile); e != nil {
		return e
	}
	if e := value(m, "businessPhones", &business); e != nil {
		return e
	}
	_, hasMobile := m["mobilePhone"]
	_, hasBusiness := m["businessPhones"]
	for name := range m {
		if name != "mobilePhone" && name != "businessPhones" {
			return denied()
		}
	}
	u, e := c.user()
	switch {
	case e != nil:
		return e
	case c.grant.home != "" && !mayDo(c.t.delegated(c.grant), roleTemplates["User Administrator"], roleTemplates["Global Administrator"]):
		return denied()
	case len(m) == 0:
		return fail(http.StatusBadRequest, "Request_BadRequest", "The request has no property to update.")
	case u.Admin:
		return denied()
	case u.OnPremisesSync:
		return fail(http.StatusBadRequest, "Request_BadRequest",
			"The properties of an object that is mastered on premises cannot be changed here.")
	case hasBusiness && (business == nil || len(business) > 1):
		return fail(http.StatusBadRequest, "Request_BadRequest", "The property 'businessPhones' has one number at most.")
	case mobile != nil && len([]rune(*mobile)) > 64, hasBusiness && len(business) == 1 && len([]rune(business[0])) > 64:
		return fail(http.StatusBadRequest, "Request_BadRequest", "A phone number has 64 characters at most.")
	case mobile != nil && *mobile == "":
		return fail(http.StatusBadRequest, "Request_BadRequest", "The property 'mobilePhone' is cleared by null.")
	}
	c.t.Update(u.ID, func(u *User) {
		if hasMobile {
			u.MobilePhone = ""
			if mobile != nil {
				u.MobilePhone = *mobile
			}
		}
		if hasBusiness {
			u.BusinessPhones = business
		}
	})
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func denied() *apiError {
	return fail(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}
