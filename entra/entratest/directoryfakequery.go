package entratest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dirObject is one object of a directory.
type dirObject struct {
	seq    int
	id     string
	parent string // the object that it belongs to
	lag    int    // how many requests do not see it yet
	props  map[string]any
}

// text returns a property that is a string.
func (o *dirObject) text(name string) string {
	s, _ := o.props[name].(string)
	return s
}

// dirSet are the objects of a type, in the order in which they were made.
type dirSet struct {
	typ     *dirType
	objects []*dirObject
}

func (d *Directory) set(name, typ string) *dirSet {
	s := d.sets[name]
	if s == nil {
		s = &dirSet{typ: dirTypes()[typ]}
		d.sets[name] = s
	}
	return s
}

// add makes an object. props holds its id already, or it gets one.
func (d *Directory) add(s *dirSet, parent string, props map[string]any) *dirObject {
	id, _ := props["id"].(string)
	if id == "" {
		id = newGUID()
		props["id"] = id
	}
	d.seq++
	o := &dirObject{seq: d.seq, id: id, parent: parent, lag: d.o.Lag, props: props}
	s.objects = append(s.objects, o)
	return o
}

func (s *dirSet) remove(o *dirObject) {
	s.objects = slices.DeleteFunc(s.objects, func(x *dirObject) bool { return x == o })
}

// any returns an object as the directory itself sees it, without a lag.
func (s *dirSet) any(match func(o *dirObject) bool) *dirObject {
	if i := slices.IndexFunc(s.objects, match); i >= 0 {
		return s.objects[i]
	}
	return nil
}

// see returns an object as a request sees it: one that was just made is not there yet.
func (s *dirSet) see(match func(o *dirObject) bool) *dirObject {
	o := s.any(match)
	if o == nil || !o.seen() {
		return nil
	}
	return o
}

func (o *dirObject) seen() bool {
	if o.lag > 0 {
		o.lag--
		return false
	}
	return true
}

func byID(id string) func(o *dirObject) bool {
	return func(o *dirObject) bool { return strings.EqualFold(o.id, id) }
}

func byText(name, v string) func(o *dirObject) bool {
	return func(o *dirObject) bool { return v != "" && strings.EqualFold(o.text(name), v) }
}

// selected reads $select; nil is none given.
func (c *dirCall) selected(t *dirType) ([]string, *dirError) {
	text := c.query.Get("$select")
	if text == "" {
		return nil, nil
	}
	names := strings.Split(text, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if t.props[names[i]] == nil {
			return nil, dirFail(http.StatusBadRequest, "BadRequest", "Parsing OData Select and Expand failed: Could not find a property named '%s' on type 'microsoft.graph.%s'.", name, t.name)
		}
	}
	return names, nil
}

// options refuses the options of the query that are not understood.
func (c *dirCall) options(known ...string) *dirError {
	for name, values := range c.query {
		if !slices.Contains(known, name) || len(values) > 1 {
			return dirFail(http.StatusBadRequest, "BadRequest", "The query specified in the URI is not valid: the option '%s' is not supported here, or there twice.", name)
		}
	}
	return nil
}

// selectedOnly are the properties of people that are given to those alone who ask for them by $select.
//
// Source: https://learn.microsoft.com/graph/api/resources/user.
var selectedOnly = []string{"accountEnabled", "userType", "createdDateTime", "deletedDateTime"}

// view is an object as an answer has it.
func (c *dirCall) view(t *dirType, o *dirObject, names []string, single bool) map[string]any {
	props, _ := cloneJSON(o.props).(map[string]any)
	if t.name == "application" || t.name == "servicePrincipal" {
		hideCredentials(props, single && slices.Contains(names, "keyCredentials"))
	}
	if names == nil {
		if _, person := props["userPrincipalName"]; person && t.name == "user" { // groups are listed among people
			maps.DeleteFunc(props, func(name string, _ any) bool { return slices.Contains(selectedOnly, name) })
		}
		return props
	}
	out := map[string]any{}
	for _, name := range append(names, "id") {
		if _, has := t.props[name]; has {
			out[name] = props[name]
		}
	}
	return out
}

// hideCredentials leaves out what is never given again. The bytes of a certificate are given to those who ask for them.
func hideCredentials(props map[string]any, keys bool) {
	for _, name := range []string{"passwordCredentials", "keyCredentials"} {
		list, _ := props[name].([]any)
		for _, item := range list {
			m, _ := item.(map[string]any)
			if name == "passwordCredentials" {
				m["secretText"] = nil
			} else if !keys {
				m["key"] = nil
			}
		}
	}
}

// one answers with an object.
func (d *Directory) one(c *dirCall, s *dirSet, context string, o *dirObject, status int) (int, any, *dirError) {
	if e := c.options("$select"); e != nil {
		return 0, nil, e
	}
	names, e := c.selected(s.typ)
	if e != nil {
		return 0, nil, e
	}
	v := c.view(s.typ, o, names, true)
	v["@odata.context"] = c.base + "/$metadata#" + context + "/$entity"
	return status, v, nil
}

const maxTop = 999

// list answers with a page of the objects that match.
func (d *Directory) list(c *dirCall, s *dirSet, context string, match func(o *dirObject) bool) (int, any, *dirError) {
	if e := c.options("$select", "$filter", "$top", "$skiptoken", "$count", "$orderby"); e != nil {
		return 0, nil, e
	}
	names, e := c.selected(s.typ)
	if e != nil {
		return 0, nil, e
	}
	filter, e := c.filter(s.typ)
	if e != nil {
		return 0, nil, e
	}
	size := d.o.PageSize
	if text := c.query.Get("$top"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxTop {
			return 0, nil, dirBad("Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", text, maxTop)
		}
		size = min(size, n)
	}
	after := 0
	if text := c.query.Get("$skiptoken"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return 0, nil, dirFail(http.StatusBadRequest, "Directory_ExpiredPageToken", "The specified page token value has expired and can no longer be included in your request.")
		}
		after = n
	}
	all, e := s.ordered(c)
	if e != nil {
		return 0, nil, e
	}
	items, next, count := []any{}, 0, 0
	for i, o := range all {
		if match != nil && !match(o) || !filter(o) || !o.seen() {
			continue
		}
		count++
		switch {
		case i < after:
		case len(items) < size:
			items = append(items, c.view(s.typ, o, names, false))
		case next == 0:
			next = i
		}
	}
	page := map[string]any{"@odata.context": c.base + "/$metadata#" + context, "value": items}
	if c.query.Get("$count") == "true" {
		page["@odata.count"] = count
	}
	if next > 0 {
		page["@odata.nextLink"] = c.next(next)
	}
	return http.StatusOK, page, nil
}

// ordered are the objects in the order that was asked for: of sign-ins the newest are first anyway.
func (s *dirSet) ordered(c *dirCall) ([]*dirObject, *dirError) {
	order, all := c.query.Get("$orderby"), slices.Clone(s.objects)
	if order == "" && s.typ.name == "signIn" {
		order = "createdDateTime desc"
	}
	if order == "" {
		return all, nil
	}
	name, direction, _ := strings.Cut(order, " ")
	if p := s.typ.props[name]; p == nil || !p.filter || direction != "" && direction != "asc" && direction != "desc" {
		return nil, dirFail(http.StatusBadRequest, "Request_UnsupportedQuery", "Sorting not supported for '%s'.", order)
	}
	slices.SortStableFunc(all, func(a, b *dirObject) int {
		n := strings.Compare(a.text(name), b.text(name))
		if direction == "desc" {
			n = -n
		}
		return n
	})
	return all, nil
}

// next is the URL of the next page.
func (c *dirCall) next(at int) string {
	q := url.Values{}
	maps.Copy(q, c.query)
	q.Set("$skiptoken", strconv.Itoa(at))
	return c.base + (&url.URL{Path: c.path}).EscapedPath() + "?" + q.Encode()
}

type dirMatch = func(o *dirObject) bool

// filter reads $filter: comparisons joined by and, or, not and parentheses, "in", startswith, and "any" over a list.
func (c *dirCall) filter(t *dirType) (dirMatch, *dirError) {
	text := c.query.Get("$filter")
	if text == "" {
		return func(*dirObject) bool { return true }, nil
	}
	p := &dirParser{t: t, words: dirWords(text)}
	m, err := p.or()
	if err == nil && p.i < len(p.words) {
		err = fmt.Errorf("syntax error: unexpected '%s' in '%s'", p.words[p.i], text)
	}
	if err != nil {
		return nil, dirFail(http.StatusBadRequest, "BadRequest", "Invalid filter clause: %v", err)
	}
	switch {
	case p.unsupported != "":
		return nil, dirFail(http.StatusBadRequest, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", p.unsupported, t.name)
	case p.advanced && (!strings.EqualFold(c.header.Get("ConsistencyLevel"), "eventual") || c.query.Get("$count") != "true"):
		return nil, dirFail(http.StatusBadRequest, "Request_UnsupportedQuery", "Operator is not supported without the header ConsistencyLevel and $count.")
	}
	return m, nil
}

// dirWords splits a filter into names, literals with their quotes, and signs. A text that does not end is a word without its
// last quote.
func dirWords(s string) (words []string) {
	for i := 0; i < len(s); {
		j := i + 1
		switch {
		case s[i] == ' ':
			i++
			continue
		case strings.IndexByte("(),:", s[i]) >= 0:
		case s[i] == '\'':
			for j < len(s) {
				if s[j] == '\'' {
					if j++; j >= len(s) || s[j] != '\'' {
						break
					}
				}
				j++
			}
		default:
			for j < len(s) && strings.IndexByte(" (),'", s[j]) < 0 && (s[j] != ':' || '0' <= s[i] && s[i] <= '9') {
				j++
			}
		}
		words = append(words, s[i:j])
		i = j
	}
	return words
}

type dirParser struct {
	t           *dirType
	words       []string
	i, depth    int
	unsupported string // a property that cannot be filtered
	advanced    bool
}

func (p *dirParser) next() string {
	if p.i >= len(p.words) {
		return ""
	}
	p.i++
	return p.words[p.i-1]
}

func (p *dirParser) take(word string) bool {
	if p.i < len(p.words) && p.words[p.i] == word {
		p.i++
		return true
	}
	return false
}

func (p *dirParser) must(words ...string) error {
	for _, w := range words {
		if !p.take(w) {
			return fmt.Errorf("'%s' is expected at word %d", w, p.i)
		}
	}
	return nil
}

func (p *dirParser) or() (dirMatch, error) {
	left, err := p.and()
	for err == nil && p.take("or") {
		var right dirMatch
		l := left
		if right, err = p.and(); err == nil {
			left = func(o *dirObject) bool { return l(o) || right(o) }
		}
	}
	return left, err
}

func (p *dirParser) and() (dirMatch, error) {
	left, err := p.term()
	for err == nil && p.take("and") {
		var right dirMatch
		l := left
		if right, err = p.term(); err == nil {
			left = func(o *dirObject) bool { return l(o) && right(o) }
		}
	}
	return left, err
}

const maxDepth = 32

func (p *dirParser) term() (dirMatch, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("there are more than %d terms", maxDepth)
	}
	switch {
	case p.take("not"):
		p.advanced = true
		m, err := p.term()
		return func(o *dirObject) bool { return !m(o) }, err
	case p.take("("):
		m, err := p.or()
		if err == nil {
			err = p.must(")")
		}
		return m, err
	case p.take("startswith"):
		return p.startsWith()
	}
	name := p.next()
	if list, is := strings.CutSuffix(name, "/any"); is {
		return p.lambda(list)
	}
	prop, err := p.property(name, false)
	if err != nil {
		return nil, err
	}
	return p.compare(prop)
}

// property finds what a filter is about.
func (p *dirParser) property(name string, list bool) (*dirProp, error) {
	prop := p.t.props[name]
	if prop == nil {
		return nil, fmt.Errorf("could not find a property named '%s' on type 'microsoft.graph.%s'", name, p.t.name)
	}
	if !prop.filter || prop.list != list {
		p.unsupported = name
	}
	return prop, nil
}

func (p *dirParser) startsWith() (dirMatch, error) {
	if err := p.must("("); err != nil {
		return nil, err
	}
	prop, err := p.property(p.next(), false)
	if err != nil {
		return nil, err
	}
	if err := p.must(","); err != nil {
		return nil, err
	}
	v, err := p.literal("string")
	if err != nil {
		return nil, err
	}
	prefix, _ := v.(string)
	return func(o *dirObject) bool {
		return strings.HasPrefix(strings.ToLower(o.text(prop.name)), strings.ToLower(prefix))
	}, p.must(")")
}

// lambda reads "(t:t eq 'x')" behind the any of a list.
func (p *dirParser) lambda(name string) (dirMatch, error) {
	prop, err := p.property(name, true)
	if err != nil {
		return nil, err
	}
	if err := p.must("("); err != nil {
		return nil, err
	}
	v := p.next()
	if err := p.must(":", v, "eq"); err != nil {
		return nil, err
	}
	want, err := p.literal(prop.kind)
	if err != nil {
		return nil, err
	}
	return func(o *dirObject) bool {
		list, _ := o.props[prop.name].([]any)
		return slices.ContainsFunc(list, func(item any) bool { return dirCompare(prop, item, want) == 0 })
	}, p.must(")")
}

func (p *dirParser) compare(prop *dirProp) (dirMatch, error) {
	op := p.next()
	if op == "in" {
		return p.in(prop)
	}
	want, err := p.literal(prop.kind)
	if err != nil {
		return nil, err
	}
	var good func(n int) bool
	switch op {
	case "eq":
		good = func(n int) bool { return n == 0 }
	case "ne":
		p.advanced = true
		good = func(n int) bool { return n != 0 }
	case "ge":
		good = func(n int) bool { return n >= 0 }
	case "gt":
		good = func(n int) bool { return n > 0 }
	case "le":
		good = func(n int) bool { return n <= 0 }
	case "lt":
		good = func(n int) bool { return n < 0 }
	default:
		return nil, fmt.Errorf("the operator '%s' is not known", op)
	}
	return func(o *dirObject) bool { return good(dirCompare(prop, o.props[prop.name], want)) }, nil
}

func (p *dirParser) in(prop *dirProp) (dirMatch, error) {
	if err := p.must("("); err != nil {
		return nil, err
	}
	var wants []any
	for {
		want, err := p.literal(prop.kind)
		if err != nil {
			return nil, err
		}
		wants = append(wants, want)
		if !p.take(",") {
			break
		}
	}
	return func(o *dirObject) bool {
		return slices.ContainsFunc(wants, func(want any) bool { return dirCompare(prop, o.props[prop.name], want) == 0 })
	}, p.must(")")
}

// literal reads a value. A text has quotes, and nothing else has them but an id.
func (p *dirParser) literal(kind string) (any, error) {
	w := p.next()
	text, quoted := strings.CutPrefix(w, "'")
	if quoted {
		if !strings.HasSuffix(text, "'") {
			return nil, fmt.Errorf("there is an unterminated string literal at word %d", p.i)
		}
		text = strings.ReplaceAll(strings.TrimSuffix(text, "'"), "''", "'")
	}
	if w == "null" {
		return nil, nil //nolint:nilnil // null is a value
	}
	var ok bool
	switch kind {
	case "bool":
		return text == "true", p.literalError(!quoted && (text == "true" || text == "false"), w)
	case "time":
		_, err := time.Parse(time.RFC3339Nano, text)
		ok = err == nil && !quoted
	case "guid":
		ok = isGUID(text)
	default:
		ok = quoted
	}
	return text, p.literalError(ok, w)
}

func (p *dirParser) literalError(ok bool, w string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("a binary operator with incompatible types was detected at '%s'", w)
}

// dirCompare compares a property with a literal, texts without their case.
func dirCompare(p *dirProp, have, want any) int {
	if have == nil || want == nil {
		if have == want {
			return 0
		}
		return -1
	}
	if a, is := have.(bool); is {
		if a == want {
			return 0
		}
		return 1
	}
	a, _ := have.(string)
	b, _ := want.(string)
	if p.kind == "time" {
		x, errX := time.Parse(time.RFC3339Nano, a)
		y, errY := time.Parse(time.RFC3339Nano, b)
		if errX == nil && errY == nil {
			return x.Compare(y)
		}
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}
