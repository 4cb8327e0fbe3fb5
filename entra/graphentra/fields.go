package graphentra

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Change is one difference: of a field, what it is and what it is to be. Both are JSON; null or empty is that there is none.
type Change struct {
	Field string          `json:"field"`
	From  json.RawMessage `json:"from,omitempty"`
	To    json.RawMessage `json:"to,omitempty"`
}

// fields is what something in the tenant is like, as far as it matters here: names of fields and their values as JSON with
// sorted lists, so that equal things have equal bytes. A field that is not there, and one that is null, are the same.
type fields map[string]json.RawMessage

// set puts a value under a name. Values that are empty are left out.
func (f fields) set(name string, value any) {
	b, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("graphentra: field %s: %v", name, err)) // only values of ours, which can be marshalled
	}
	if s := string(b); s == "null" || s == `""` || s == "[]" || s == "{}" {
		return
	}
	f[name] = b
}

// get reads a field into v, which stays as it is where there is none.
func (f fields) get(name string, v any) error {
	b, ok := f[name]
	if !ok || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("field %s: %w", name, err)
	}
	return nil
}

// diff returns what has to change for have to become want, by the names of want: a field that only have knows is left alone. An
// empty value in want says that there is to be none; set leaves these out, so clear them with nil.
func diff(have, want fields) []Change {
	var out []Change
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !same(have[name], want[name]) {
			out = append(out, Change{name, have[name], want[name]})
		}
	}
	return out
}

// same compares two values as JSON.
func same(a, b json.RawMessage) bool {
	return bytes.Equal(canonical(a), canonical(b))
}

// canonical returns the value without spaces and with sorted keys. What is no JSON is compared as it is.
func canonical(b json.RawMessage) []byte {
	if len(b) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return b
	}
	if v == nil {
		return nil
	}
	out, err := json.Marshal(v)
	if err != nil {
		return b
	}
	return out
}

// standing is where the tenant stands with regard to a step.
type standing int

const (
	todo    standing = iota // as when it was planned
	done                    // as it is to be
	changed                 // neither
)

// stand compares what there is now with the changes of a step.
func stand(now fields, changes []Change) standing {
	state := done
	for _, c := range changes {
		switch is := now[c.Field]; {
		case same(is, c.To):
		case same(is, c.From):
			if state == done {
				state = todo
			}
		default:
			state = changed
		}
	}
	return state
}

// target returns the fields that a step leads to.
func target(changes []Change) fields {
	out := make(fields, len(changes))
	for _, c := range changes {
		out[c.Field] = c.To
	}
	return out
}

// union returns the sorted values of both lists, each once.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// without returns the sorted values of a that are not in b.
func without(a, b []string) []string {
	out := slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
	slices.Sort(out)
	return slices.Compact(out)
}
