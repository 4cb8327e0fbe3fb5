package connectwise

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// quote makes a string of the condition grammar. There is no way to escape that is sure to work, so what could end the
// string is refused: quotes, brackets, backslashes and control characters, and what looks like them, because a database
// with other characters than Unicode may take the one for the other.
func quote(op, what, s string) (string, error) {
	odd := func(r rune) bool {
		return unicode.IsControl(r) || strings.ContainsRune("\"\\[]\u02ba\u201c\u201d\u201e\u201f\u2033\u2036\u301d\u301e\uff02\uff3b\uff3c\uff3d", r)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, odd) {
		return "", fail(op, mspkit.ErrInvalid, what+" has a character that ConnectWise cannot be asked for")
	}
	return `"` + s + `"`, nil
}

// and joins conditions, leaving empty ones out.
func and(list ...string) string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, " and ")
}

// since is the condition for what changed after t, less the overlap. The value has no fractions (developer guide).
func (c *Client) since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return "lastUpdated>[" + wire(t.Add(-c.opts.Overlap)) + "]"
}

// phonePattern finds a number in the ways in which people write it: the digits that all ways have in common, with anything
// between the groups of a North American number and between any two digits of another one.
func phonePattern(number string) string {
	d := psa.PhoneDigits(number)
	if len(d) == 10 && northAmerican(number) {
		return "%" + d[:3] + "%" + d[3:6] + "%" + d[6:] + "%"
	}
	return "%" + strings.Join(strings.Split(d, ""), "%") + "%"
}

// northAmerican reports whether a number of ten digits is written as one of the North American plan: with its country code,
// or without any and without the 0 that national numbers have elsewhere.
func northAmerican(number string) bool {
	s := number[max(0, strings.IndexAny(number, "+0123456789")):]
	return strings.HasPrefix(s, "+1") || !strings.HasPrefix(s, "+") && !strings.HasPrefix(s, "0")
}
