package psatest

import (
	"cmp"
	"slices"
)

// table keeps records by id and its ids in order, so that a page of a hundred thousand needs no sorting.
type table[T any] struct {
	byID map[string]*T
	ids  []string
}

func (t *table[T]) get(id string) *T { return t.byID[id] }

// put stores v. What was there is replaced, not changed: pages that were read stay as they are.
func (t *table[T]) put(id string, v *T) {
	if t.byID == nil {
		t.byID = map[string]*T{}
	}
	if _, ok := t.byID[id]; !ok {
		i, _ := t.find(id)
		t.ids = slices.Insert(t.ids, i, id)
	}
	t.byID[id] = v
}

func (t *table[T]) remove(id string) {
	if i, ok := t.find(id); ok {
		t.ids = slices.Delete(t.ids, i, i+1)
		delete(t.byID, id)
	}
}

func (t *table[T]) find(id string) (int, bool) { return slices.BinarySearchFunc(t.ids, id, byID) }

func (t *table[T]) all() []T {
	out := make([]T, 0, len(t.ids))
	for _, id := range t.ids {
		out = append(out, *t.byID[id])
	}
	return out
}

// page returns up to limit records that match, after the id, and beyond that without the first offset of them. A nil match
// is every record. total is how many match in all; it is counted only where count is set.
func (t *table[T]) page(after string, offset, limit int, count bool, match func(*T) bool) (items []T, total int) {
	from := 0
	if after != "" {
		i, found := t.find(after)
		if from = i; found {
			from++
		}
	}
	items = make([]T, 0, max(0, min(limit, len(t.ids)-from-offset)))
	if match == nil {
		for _, id := range t.ids[min(from+offset, len(t.ids)):min(from+offset+limit, len(t.ids))] {
			items = append(items, *t.byID[id])
		}
		return items, len(t.ids)
	}
	begin := from
	if count {
		begin = 0
	}
	skipped := 0
	for i := begin; i < len(t.ids); i++ {
		v := t.byID[t.ids[i]]
		if !match(v) {
			continue
		}
		total++
		switch {
		case i < from:
		case skipped < offset:
			skipped++
		case len(items) < limit:
			items = append(items, *v)
		case !count:
			return items, 0
		}
	}
	return items, total
}

// byID orders ids that are numbers in text.
func byID(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
