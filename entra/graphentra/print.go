package graphentra

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// String is what [Plan.Print] writes.
func (p *Plan) String() string {
	var b strings.Builder
	_ = p.Print(&b)
	return b.String()
}

// Print writes the plan for people: a line for each step, with + for what is made, ~ for what is changed and - for what is removed,
// below it what exactly, and with ! what to think about. Characters that cannot be seen, or that would move the cursor, are written
// as their numbers, because names in a tenant are chosen by others.
func (p *Plan) Print(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Plan for %s (%s):", visible(string(p.Tenant)), visible(p.Key))
	if p.Empty() {
		b.WriteString(" nothing to do.\n")
	} else {
		n := map[Op]int{}
		for _, s := range p.Steps {
			n[s.Op]++
		}
		fmt.Fprintf(&b, " %d to create, %d to change, %d to remove.\n", n[Create], n[Update], n[Remove])
	}
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "\n%s %s\n", s.Op.sign(), visible(s.What))
		for _, c := range s.Changes {
			printChange(&b, c)
		}
		if s.Danger != "" {
			fmt.Fprintf(&b, "    ! %s\n", visible(s.Danger))
		}
	}
	if len(p.Kept) > 0 {
		b.WriteString("\nNot asked for, and kept:\n")
		for _, k := range p.Kept {
			fmt.Fprintf(&b, "    %s %s\n", visible(k.What), visible(k.Which))
		}
	}
	if len(p.Notes) > 0 {
		b.WriteString("\nNotes:\n")
		for _, n := range p.Notes {
			fmt.Fprintf(&b, "    %s\n", visible(n))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (o Op) sign() string {
	switch o {
	case Create:
		return "+"
	case Remove:
		return "-"
	case Update:
	}
	return "~"
}

// printChange writes one difference: of lists what comes and goes, of anything else from and to.
func printChange(b *bytes.Buffer, c Change) {
	if same(c.From, c.To) {
		return // a condition, not a change
	}
	from, isFrom := items(c.From)
	to, isTo := items(c.To)
	switch {
	case isFrom || isTo:
		fmt.Fprintf(b, "    %s\n", visible(c.Field))
		for _, s := range without(from, to) {
			fmt.Fprintf(b, "      - %s\n", s)
		}
		for _, s := range without(to, from) {
			fmt.Fprintf(b, "      + %s\n", s)
		}
	case len(c.From) == 0:
		fmt.Fprintf(b, "    %s: %s\n", visible(c.Field), scalar(c.To))
	case len(c.To) == 0:
		fmt.Fprintf(b, "    %s: %s → none\n", visible(c.Field), scalar(c.From))
	default:
		fmt.Fprintf(b, "    %s: %s → %s\n", visible(c.Field), scalar(c.From), scalar(c.To))
	}
}

// items returns the items of a list, each as a text.
func items(b json.RawMessage) ([]string, bool) {
	var list []json.RawMessage
	if len(b) == 0 || json.Unmarshal(b, &list) != nil || list == nil {
		return nil, false
	}
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = scalar(one)
	}
	return out, true
}

// longest is how much of a single value is printed.
const longest = 160

// scalar returns a value as a text: a string as it is, an object as its fields.
func scalar(b json.RawMessage) string {
	var (
		s string
		m map[string]json.RawMessage
	)
	switch {
	case json.Unmarshal(b, &s) == nil:
	case json.Unmarshal(b, &m) == nil && m != nil:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if k == "der" {
				continue // said by the thumbprint
			}
			parts = append(parts, visible(k)+" "+scalar(m[k]))
		}
		return strings.Join(parts, ", ")
	default:
		s = string(canonical(b))
	}
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return visible(s)
}

// invisible reports whether a character cannot be seen or moves others.
func invisible(r rune) bool {
	return !unicode.IsPrint(r) // control, format (bidi), private use, unassigned, and spaces but U+0020
}

// visible writes characters that cannot be seen as their numbers.
func visible(s string) string {
	if !strings.ContainsFunc(s, invisible) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if invisible(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
