package graphfake

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// deltaLife is how long a link of a directory works.
const deltaLife = 7 * 24 * time.Hour

// pageSize reads Prefer: odata.maxpagesize.
func (c *call) pageSize() (int, *apiError) {
	size := c.s.o.PageSize
	for _, line := range c.r.Header.Values("Prefer") {
		for p := range strings.SplitSeq(line, ",") {
			text, ok := strings.CutPrefix(strings.TrimSpace(p), "odata.maxpagesize=")
			if !ok {
				continue
			}
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return 0, badRequest("Invalid page size specified in the header 'Prefer'.")
			}
			size = min(n, maxTop)
			c.w.Header().Set("Preference-Applied", "odata.maxpagesize="+text)
		}
	}
	return min(size, c.s.o.MaxPageSize), nil
}

// round reads where a delta request stands.
func (c *call) round(kind string, now int, check func(sel string) *apiError) (*linkToken, *apiError) {
	if e := c.options("$select", "$filter", "$skiptoken", "$deltatoken"); e != nil {
		return nil, e
	}
	skip, hasSkip := c.q["$skiptoken"]
	delta, hasDelta := c.q["$deltatoken"]
	hasDelta = hasDelta && delta[0] != ""
	if hasSkip || hasDelta && delta[0] != "latest" {
		if hasSkip && hasDelta || c.q.Has("$filter") {
			return nil, badRequest("A link of a delta query cannot be combined with other query options.")
		}
		text := skip
		if !hasSkip {
			text = delta
		}
		k, e := c.open(text[0], kind)
		if e != nil {
			return nil, e
		}
		if sel, ok := c.q["$select"]; ok && sel[0] != k.Select {
			return nil, badRequest("$select cannot be changed in the middle of a delta query.")
		}
		code := ""
		switch {
		case k.Epoch != c.t.epoch:
			code = c.t.gone
		case c.s.o.Now().Sub(time.Unix(k.Made, 0)) > deltaLife:
			code = "syncStateNotFound"
		}
		if code != "" {
			set := []string{"$deltatoken", ""}
			if k.Select != "" {
				set = []string{"$select", k.Select, "$deltatoken", ""}
			}
			e := fail(http.StatusGone, code, "The sync state is gone: begin anew at the URL in the header Location.")
			e.header = map[string]string{"Location": c.link(set...)}
			return nil, e
		}
		return k, nil
	}
	k := &linkToken{Tenant: c.t.ID, Kind: kind, Epoch: c.t.epoch, Made: c.s.o.Now().Unix(), Select: c.q.Get("$select"), Since: now}
	if e := check(k.Select); e != nil {
		return nil, e
	}
	if text := c.q.Get("$filter"); text != "" {
		ids, e := idFilter(text)
		if e != nil {
			return nil, e
		}
		k.Filter = ids
	}
	if hasDelta { // latest
		k.Later, k.At, k.Until = true, now, now
	}
	k.Empty = c.t.quirks.EmptyPages && !hasDelta
	return k, nil
}

// idFilter reads id eq '…' or id eq '…', the only filter of delta.
func idFilter(text string) ([]string, *apiError) {
	words, bad := tokenize(text)
	var ids []string
	for i := 0; i < len(words) && bad == ""; i += 4 {
		if i+2 >= len(words) || words[i] != "id" || words[i+1] != "eq" || i+3 < len(words) && words[i+3] != "or" {
			bad = "only id eq"
			break
		}
		id, ok := literal(words[i+2])
		if !ok {
			bad = "no literal"
		}
		ids = append(ids, strings.ToLower(id))
	}
	if bad != "" || len(ids) == 0 || len(ids) > 50 {
		return nil, unsupported("A delta query can be filtered by id eq '…' only, 50 of them at most.")
	}
	return ids, nil
}

func (c *call) usersDelta() *apiError {
	size, e := c.pageSize()
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	k, e := c.round("users", len(c.t.log), func(sel string) *apiError {
		_, _, e := c.selected(sel, true)
		return e
	})
	if e != nil {
		return e
	}
	if k.Again > c.t.slots() || max(k.Since, k.Until) > len(c.t.log) {
		return badRequest("Badly formed token.")
	}
	ps, manager, e := c.selected(k.Select, true)
	if e != nil {
		return e
	}
	if len(ps) == 0 && !manager {
		ps = defaultProps
	}
	ps = withID(ps)
	d := &deltaPage{t: c.t, ps: ps, manager: manager, size: size, b: c.head(size, "users")}
	d.b = append(d.b, `"value":[`...)
	next := *k
	switch {
	case k.Empty:
		next.Empty = false
	case !k.Later:
		d.first(&next)
	default:
		d.later(&next)
	}
	d.b = append(d.b, ']')
	return c.raw(c.appendLinks(d.b, &next, d.more || k.Empty, c.t.quirks.EmptyPages && !k.Empty))
}

// links are what a page of a delta query leads to: one of both.
func (c *call) links(next *linkToken, more, empty bool) (nextLink, deltaLink string) {
	if more {
		next.Empty = empty
		return c.link("$skiptoken", next.String()), ""
	}
	since := next.Since
	if next.Later {
		since = next.Until
	}
	k := linkToken{
		Tenant: next.Tenant, Kind: next.Kind, Epoch: next.Epoch, Made: c.s.o.Now().Unix(), Select: next.Select, Filter: next.Filter,
		Later: true, Since: since, At: since,
	}
	return "", c.link("$deltatoken", k.String())
}

func (c *call) addLinks(out map[string]any, next *linkToken, more, empty bool) {
	if n, d := c.links(next, more, empty); more {
		out["@odata.nextLink"] = n
	} else {
		out["@odata.deltaLink"] = d
	}
}

// appendLinks ends a page.
func (c *call) appendLinks(b []byte, next *linkToken, more, empty bool) []byte {
	n, d := c.links(next, more, empty)
	if more {
		return append(appendText(append(b, `,"@odata.nextLink":`...), n), '}')
	}
	return append(appendText(append(b, `,"@odata.deltaLink":`...), d), '}')
}

func withID(ps []*property) []*property {
	id := userByName["id"]
	if slices.Contains(ps, id) {
		return ps
	}
	return append(slices.Clone(ps), id)
}

// deltaPage writes the items of a page.
type deltaPage struct {
	t       *Tenant
	ps      []*property
	manager bool
	size    int
	b       []byte
	n       int
	more    bool
}

func (d *deltaPage) begin() {
	if d.n > 0 {
		d.b = append(d.b, ',')
	}
	d.n++
}

// first is a page of the round that tells of everybody.
func (d *deltaPage) first(k *linkToken) {
	if k.Again > 0 {
		d.whole(k.Again - 1)
		k.Again = 0
	}
	last := -1
	var u User
	var removed string
	for ; k.At < d.t.slots(); k.At++ {
		u, removed = d.t.at(k.At)
		if removed != "" && !d.t.quirks.RemovedFirst || k.Filter != nil && !slices.Contains(k.Filter, u.ID) {
			continue
		}
		if d.n >= d.size {
			d.more = true
			break
		}
		d.begin()
		d.item(&u, removed, bitAll, "", !d.t.quirks.Nulls)
		last = k.At
	}
	if d.more && d.t.quirks.Repeat {
		k.Again = last + 1
	}
}

func (d *deltaPage) whole(slot int) {
	u, removed := d.t.at(slot)
	d.begin()
	d.item(&u, removed, bitAll, "", !d.t.quirks.Nulls)
}

// later is a page of a round that tells of changes. Everybody comes once a round, at the place of their last change in it.
func (d *deltaPage) later(k *linkToken) {
	if k.Until == 0 || k.At == k.Since {
		k.Until = len(d.t.log)
	}
	if k.Again > 0 {
		d.whole(k.Again - 1)
		k.Again = 0
	}
	tracked := uint32(0)
	for _, p := range d.ps {
		if p.name != "id" {
			tracked |= p.bit
		}
	}
	if d.manager {
		tracked |= bitManager
	}
	type sum struct {
		last   int
		mask   uint32
		before string // the manager before the first change of it
	}
	sums := map[int]*sum{}
	for i := k.Since; i < k.Until; i++ {
		ch := d.t.log[i]
		m := sums[ch.slot]
		if m == nil {
			m = &sum{}
			sums[ch.slot] = m
		}
		if m.mask&bitManager == 0 {
			m.before = ch.before
		}
		m.last, m.mask = i, m.mask|ch.mask
	}
	last := -1
	for ; k.At < k.Until; k.At++ {
		slot := d.t.log[k.At].slot
		if sums[slot].last != k.At {
			continue
		}
		mask, before := sums[slot].mask, sums[slot].before
		u, removed := d.t.at(slot)
		if mask != bitAll && mask&tracked == 0 || k.Filter != nil && !slices.Contains(k.Filter, u.ID) {
			continue
		}
		if d.n >= d.size {
			d.more = true
			break
		}
		d.begin()
		if d.t.quirks.WholeItems {
			mask |= tracked
		}
		d.item(&u, removed, mask, before, false)
		last = slot
	}
	if d.more && d.t.quirks.Repeat {
		k.Again = last + 1
	}
}

// item writes one user: whole, the properties in the mask, or that it is removed.
func (d *deltaPage) item(u *User, removed string, mask uint32, before string, skipNull bool) {
	d.b = append(d.b, '{')
	if removed != "" {
		d.b = append(append(append(d.b, `"id":"`...), u.ID...), `","@removed":{"reason":"`...)
		d.b = append(append(d.b, removed...), `"}}`...)
		return
	}
	if mask == bitAll {
		d.b = appendUser(d.b, u, d.ps, skipNull)
	} else {
		ps := make([]*property, 0, len(d.ps))
		for _, p := range d.ps {
			if p.name == "id" || p.bit&mask != 0 {
				ps = append(ps, p)
			}
		}
		d.b = appendUser(d.b, u, ps, skipNull)
	}
	if d.manager && mask&bitManager != 0 {
		d.appendManager(u.ManagerID, before)
	}
	d.b = append(d.b, '}')
}

func (d *deltaPage) appendManager(now, before string) {
	if before == now {
		before = ""
	}
	if now == "" && before == "" {
		return
	}
	const user = `{"@odata.type":"#microsoft.graph.user","id":"`
	d.b = append(d.b, `,"manager@delta":[`...)
	if before != "" {
		d.b = append(append(append(d.b, user...), before...), `","@removed":{"reason":"deleted"}}`...)
		if now != "" {
			d.b = append(d.b, ',')
		}
	}
	if now != "" {
		d.b = append(append(append(d.b, user...), now...), `"}`...)
	}
	d.b = append(d.b, ']')
}
