package graphfake

import (
	"slices"
	"strings"
)

// collection answers a page of objects that are small and few. known are the properties that exist; those that an object does
// not have are null.
func (c *call) collection(context string, known []string, items []map[string]any, size int) *apiError {
	at := 0
	if text, ok := c.q["$skiptoken"]; ok {
		k, e := c.open(text[0], context)
		if e != nil {
			return e
		}
		at = min(k.At, len(items))
	}
	end := min(at+size, len(items))
	page := []map[string]any{}
	for _, it := range items[at:end] {
		one, e := c.chosen(it, known)
		if e != nil {
			return e
		}
		page = append(page, one)
	}
	if e := c.checkSelect(known); e != nil {
		return e
	}
	out := map[string]any{"@odata.context": c.context(context), "value": page}
	if c.counted() {
		out["@odata.count"] = len(items)
	}
	if end < len(items) {
		k := linkToken{Tenant: c.t.ID, Kind: context, At: end}
		out["@odata.nextLink"] = c.link("$skiptoken", k.String())
	}
	return c.ok(out)
}

// checkSelect refuses properties that do not exist, also where nobody is there who could have them.
func (c *call) checkSelect(known []string) *apiError {
	sel, ok := c.q["$select"]
	if !ok {
		return nil
	}
	for name := range strings.SplitSeq(sel[0], ",") {
		if !slices.Contains(known, strings.TrimSpace(name)) {
			return badRequest("Could not find a property named '%s'.", name)
		}
	}
	return nil
}

// chosen applies $select.
func (c *call) chosen(it map[string]any, known []string) (map[string]any, *apiError) {
	sel, ok := c.q["$select"]
	if !ok {
		return it, nil
	}
	if e := c.checkSelect(known); e != nil {
		return nil, e
	}
	out := map[string]any{}
	for name := range strings.SplitSeq(sel[0], ",") {
		name = strings.TrimSpace(name)
		out[name] = it[name]
	}
	for _, name := range []string{"id", "@odata.type", "@odata.etag"} {
		if v, ok := it[name]; ok {
			out[name] = v
		}
	}
	return out, nil
}

// null is nil where a text is empty.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// texts is an empty list rather than null.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
