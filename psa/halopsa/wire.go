package halopsa

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rows is a list, which comes as an array, as an object with record_count and the array, or as one record.
type rows[T any] struct {
	Items []T
	Count int
	none  bool // it was null
}

var errShape = errors.New("halopsa: an answer is neither a list nor a record")

// UnmarshalJSON reads any of the three.
func (r *rows[T]) UnmarshalJSON(b []byte) error {
	*r = rows[T]{}
	b = bytes.TrimSpace(b)
	switch {
	case len(b) > 0 && b[0] == '[':
		if err := json.Unmarshal(b, &r.Items); err != nil {
			return err
		}
		r.Count = len(r.Items)
		return nil
	case len(b) == 0 || b[0] != '{':
		if string(b) == "null" {
			r.none = true
			return nil
		}
		return errShape
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if _, one := fields["id"]; one {
		r.Items, r.Count = make([]T, 1), 1
		return json.Unmarshal(b, &r.Items[0])
	}
	_ = json.Unmarshal(fields["record_count"], &r.Count)
	names := make([]string, 0, len(fields))
	for name, v := range fields {
		if len(v) > 0 && v[0] == '[' {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		if r.Count == 0 && fields["record_count"] != nil {
			return nil
		}
		return errShape
	}
	slices.Sort(names) // there is one; where there are more it is at least always the same
	if err := json.Unmarshal(fields[names[0]], &r.Items); err != nil {
		return err
	}
	r.Count = max(r.Count, len(r.Items))
	return nil
}

// saved is the answer to a write: the record, or an array of it.
type saved struct{ list rows[ticketRow] }

// UnmarshalJSON reads what [rows] reads.
func (s *saved) UnmarshalJSON(b []byte) error { return s.list.UnmarshalJSON(b) }

// id returns the id of the first record, empty where there is none.
func (s *saved) id() string {
	if len(s.list.Items) == 0 {
		return ""
	}
	return s.list.Items[0].ID.String()
}

// num is an id, which comes as 18, as 18.0, as "18" or as null. It is 0 where there is none.
type num int64

// UnmarshalJSON reads any of them. What is no number is 0: a UUID is not an id that we use.
func (n *num) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	*n = 0
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = num(i)
		return nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		*n = num(f)
	}
	return nil
}

// String returns the id in text, empty where there is none.
func (n num) String() string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

// dateForms are how HaloPSA writes times, without the zone; fractions of seconds are read as well.
var dateForms = []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02"}

// parseDate reads a time. Without a zone of its own it is in zone. What cannot be read, and the years in which databases
// keep what is not set, are the zero time.
func parseDate(s string, zone *time.Location) time.Time {
	const day = len("2006-01-02")
	if len(s) < day || len(s) > 40 {
		return time.Time{}
	}
	with := ""
	if strings.ContainsAny(s[day:], "Z+-") {
		with = "Z07:00"
	}
	for _, form := range dateForms {
		if t, err := time.ParseInLocation(form+with, s, zone); err == nil {
			if t = t.UTC(); t.Year() <= 1970 || t.Year() > 9999 {
				return time.Time{}
			}
			return t
		}
	}
	return time.Time{}
}

// formatDate writes a time for HaloPSA, with its zone so that nothing is left to guess.
func formatDate(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// isNumber reports whether s is an id as HaloPSA has them: digits that fit.
func isNumber(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && n > 0 && s == strconv.FormatInt(n, 10)
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
