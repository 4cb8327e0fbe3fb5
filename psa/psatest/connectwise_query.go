package psatest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// cwQuery is what a list is asked for.
type cwQuery struct {
	conditions, child cwConditions
	forward           bool
	after             string // by pageId
	page, size        int
}

// query reads paging and conditions, from the address or from the body of a search. It answers itself where it refuses.
func (f *connectWise) query(w http.ResponseWriter, r *http.Request) (cwQuery, bool) {
	v := r.URL.Query()
	q := cwQuery{forward: r.Header.Get("pagination-type") == "forward-only", after: v.Get("pageId"), page: 1, size: 25}
	text := map[string]string{"conditions": v.Get("conditions"), "childConditions": v.Get("childConditions"), "orderBy": v.Get("orderBy")}
	if r.Method == http.MethodPost {
		if json.NewDecoder(r.Body).Decode(&text) != nil {
			f.invalid(w, "InvalidSearch", "body")
			return q, false
		}
	}
	if n, err := strconv.Atoi(v.Get("pageSize")); err == nil && n > 0 {
		q.size = min(n, 1000)
	}
	if n, err := strconv.Atoi(v.Get("page")); err == nil && n > 0 {
		q.page = n
	}
	var errs [2]error
	q.conditions, errs[0] = cwParse(text["conditions"])
	q.child, errs[1] = cwParse(text["childConditions"])
	switch {
	case len(r.URL.RequestURI()) > 2000:
		f.refuse(w, http.StatusRequestURITooLong, "UriTooLong", "", "")
	case errs[0] != nil || errs[1] != nil:
		f.invalid(w, "InvalidCondition", "conditions")
	case q.forward && (v.Has("page") || text["orderBy"] != ""):
		f.invalid(w, "NotWithForwardOnly", "page")
	case text["orderBy"] != "" && text["orderBy"] != "id asc":
		f.invalid(w, "InvalidOrder", "orderBy")
	default:
		return q, true
	}
	return q, false
}

// filter is the query for the desk, of one row more than a page has.
func (q cwQuery) filter() filter {
	out := filter{After: q.after, Limit: q.size + 1, Inactive: true}
	if !q.forward {
		out.After, out.Offset = "", (q.page-1)*q.size
	}
	for _, c := range q.conditions {
		switch c.field + c.op {
		case "id>":
			out.After = c.value
		case "company/id=":
			out.Company = c.value
		case "inactiveFlag=", "deletedFlag=":
			out.Inactive = c.value != "False"
		case "lastUpdated>":
			out.Since = c.at
		}
	}
	return out
}

// link says where the next page is.
func (f *connectWise) link(w http.ResponseWriter, r *http.Request, q cwQuery, more bool, last string) {
	if f.o.NoLink {
		return
	}
	if !more {
		if q.forward {
			w.Header().Set("Link", "")
		} else if q.page > 1 {
			w.Header().Set("Link", "<"+f.address(r, "page", "1")+`>; rel="first"`)
		}
		return
	}
	if q.forward {
		w.Header().Set("Link", "<"+f.desk.nextPage(f.address(r, "pageId", last))+`>; rel="next"`)
		return
	}
	w.Header().Set("Link", "<"+f.desk.nextPage(f.address(r, "page", strconv.Itoa(q.page+1)))+`>; rel="next", <`+f.address(r, "page", "1")+`>; rel="first"`)
}

func (f *connectWise) address(r *http.Request, key, value string) string {
	v := r.URL.Query()
	v.Set(key, value)
	return (&url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: v.Encode()}).String()
}

// cwCondition is one comparison of a record's field.
type cwCondition struct {
	field, op, value string
	text             bool // value was in quotes
	at               time.Time
}

// cwConditions are comparisons that must all be true.
type cwConditions []cwCondition

type cwConditionError struct{}

func (cwConditionError) Error() string { return "psatest: a condition cannot be read" }

var (
	cwField    = regexp.MustCompile(`^\s*([A-Za-z]+(?:/[A-Za-z]+)*)\s*(=|!=|<=|>=|<|>|\s(?i:contains|like)\s)\s*`)
	cwValue    = regexp.MustCompile(`^(?:"([^"\\]*)"|\[([^\]]*)\]|(True|False|-?[0-9]+))`)
	cwAnd      = regexp.MustCompile(`^\s+(?i:and)\s+`)
	cwInstant  = "2006-01-02T15:04:05Z"
	cwOperator = map[string]string{"CONTAINS": "contains", "LIKE": "like"}
)

// cwParse reads conditions that are joined by "and".
func cwParse(s string) (cwConditions, error) {
	var out cwConditions
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	for {
		m := cwField.FindStringSubmatch(s)
		if m == nil {
			return nil, cwConditionError{}
		}
		c := cwCondition{field: m[1], op: strings.TrimSpace(m[2])}
		if word, ok := cwOperator[strings.ToUpper(c.op)]; ok {
			c.op = word
		}
		s = s[len(m[0]):]
		v := cwValue.FindStringSubmatch(s)
		if v == nil {
			return nil, cwConditionError{}
		}
		switch {
		case strings.HasPrefix(v[0], "["):
			at, err := time.Parse(cwInstant, v[2])
			if err != nil || v[2] != at.Format(cwInstant) { // no fractions
				return nil, cwConditionError{}
			}
			c.at = at
		case strings.HasPrefix(v[0], `"`):
			c.value, c.text = v[1], true
		default:
			c.value = v[3]
		}
		out = append(out, c)
		if s = s[len(v[0]):]; strings.TrimSpace(s) == "" {
			return out, nil
		}
		and := cwAnd.FindString(s)
		if and == "" {
			return nil, cwConditionError{}
		}
		s = s[len(and):]
	}
}

// get returns the condition on a field with an operator.
func (l cwConditions) get(field, op string) (cwCondition, bool) {
	for _, c := range l {
		if c.field == field && c.op == op {
			return c, true
		}
	}
	return cwCondition{}, false
}

// matchesItem reports whether one communication item fits all conditions.
func (l cwConditions) matchesItem(items []cwItem) bool {
	for _, it := range items {
		fits := true
		for _, c := range l {
			switch c.field {
			case "communicationItems/value":
				fits = fits && c.matches(it.Value)
			case "communicationItems/communicationType":
				fits = fits && c.matches(it.Kind)
			default:
				fits = false
			}
		}
		if fits {
			return true
		}
	}
	return false
}

func (c cwCondition) matches(s string) bool {
	switch c.op {
	case "=":
		return c.text && strings.EqualFold(s, c.value)
	case "contains":
		return strings.Contains(strings.ToLower(s), strings.ToLower(c.value))
	case "like":
		return cwLike(strings.ToLower(s), strings.ToLower(c.value))
	}
	return false
}

// cwLike matches SQL's wildcard %.
func cwLike(s, pattern string) bool {
	parts := strings.Split(pattern, "%")
	if len(parts) == 1 {
		return s == pattern
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}
