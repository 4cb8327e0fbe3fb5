package graphfake

import (
	"net/url"
	"slices"
	"strings"
)

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// filter is a condition on a user; advanced ones need a header.
type filter struct {
	match    func(u *User) bool
	advanced string // what makes it so
}

// parser reads the part of the $filter grammar that users of a directory need.
type parser struct {
	words []string
	i     int
	f     filter
}

// parseFilter reads a $filter. The error is a sentence.
func parseFilter(text string) (filter, string) {
	words, bad := tokenize(text)
	if bad != "" {
		return filter{}, bad
	}
	p := &parser{words: words}
	m, bad := p.or()
	if bad == "" && p.i < len(words) {
		bad = "Syntax error: unexpected '" + words[p.i] + "'."
	}
	if bad != "" {
		return filter{}, bad
	}
	p.f.match = m
	return p.f, ""
}

// tokenize splits into words, literals with their quotes, and signs.
func tokenize(s string) (words []string, bad string) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ':
			i++
		case strings.IndexByte("(),:", c) >= 0:
			words = append(words, s[i:i+1])
			i++
		case c == '\'':
			j := i + 1
			for ; j < len(s); j++ {
				if s[j] == '\'' {
					if j+1 < len(s) && s[j+1] == '\'' {
						j++
						continue
					}
					break
				}
			}
			if j >= len(s) {
				return nil, "There is an unterminated string literal."
			}
			words = append(words, s[i:j+1])
			i = j + 1
		default:
			j := i
			for j < len(s) && strings.IndexByte(" (),:'", s[j]) < 0 {
				j++
			}
			words = append(words, s[i:j])
			i = j
		}
	}
	return words, ""
}

func (p *parser) next() string {
	if p.i >= len(p.words) {
		return ""
	}
	p.i++
	return p.words[p.i-1]
}

func (p *parser) peek() string {
	if p.i >= len(p.words) {
		return ""
	}
	return p.words[p.i]
}

func (p *parser) take(word string) bool {
	if p.peek() == word {
		p.i++
		return true
	}
	return false
}

type matcher = func(u *User) bool

func (p *parser) or() (matcher, string) {
	left, bad := p.and()
	for bad == "" && p.take("or") {
		var right matcher
		l := left
		if right, bad = p.and(); bad == "" {
			left = func(u *User) bool { return l(u) || right(u) }
		}
	}
	return left, bad
}

func (p *parser) and() (matcher, string) {
	left, bad := p.term()
	for bad == "" && p.take("and") {
		var right matcher
		l := left
		if right, bad = p.term(); bad == "" {
			left = func(u *User) bool { return l(u) && right(u) }
		}
	}
	return left, bad
}

func (p *parser) term() (matcher, string) {
	switch word := p.next(); word {
	case "(":
		m, bad := p.or()
		if bad == "" && !p.take(")") {
			bad = "Syntax error: a ')' is missing."
		}
		return m, bad
	case "not":
		p.f.advanced = "'not'"
		m, bad := p.term()
		return func(u *User) bool { return !m(u) }, bad
	case "startswith", "startsWith", "endswith", "endsWith":
		return p.function(strings.ToLower(word))
	default:
		return p.comparison(word)
	}
}

func (p *parser) function(name string) (matcher, string) {
	if name == "endswith" {
		p.f.advanced = "'endsWith'"
	}
	if !p.take("(") {
		return nil, "Syntax error: a '(' is missing after '" + name + "'."
	}
	prop := userByName[p.next()]
	comma := p.take(",")
	lit, ok := literal(p.next())
	if prop == nil || prop.text == nil || !comma || !ok || !p.take(")") {
		return nil, "Invalid arguments of '" + name + "'."
	}
	return func(u *User) bool {
		v := strings.ToLower(prop.text(u))
		if name == "endswith" {
			return strings.HasSuffix(v, strings.ToLower(lit))
		}
		return strings.HasPrefix(v, strings.ToLower(lit))
	}, ""
}

func (p *parser) comparison(word string) (matcher, string) {
	name, isAny := strings.CutSuffix(word, "/any")
	prop := userByName[name]
	if prop == nil || prop.value == nil {
		return nil, "Could not find a property named '" + name + "' that can be filtered."
	}
	if isAny {
		return p.any(prop)
	}
	op, want := p.next(), p.next()
	if op == "in" {
		return p.in(prop, want)
	}
	if op != "eq" && op != "ne" {
		return nil, "The operator '" + op + "' is not supported for '" + name + "'."
	}
	if op == "ne" {
		p.f.advanced = "'ne'"
	}
	var eq matcher
	switch lit, quoted := literal(want); {
	case quoted && prop.text != nil:
		eq = func(u *User) bool { return strings.EqualFold(prop.text(u), lit) }
	case want == "null" && !prop.list:
		eq = prop.isNull
	case (want == "true" || want == "false") && prop.text == nil && !prop.list:
		eq = func(u *User) bool { return string(prop.value(nil, u)) == want }
	default:
		return nil, "A value of '" + name + "' cannot be compared with " + want + "."
	}
	if op == "ne" {
		return func(u *User) bool { return !eq(u) }, ""
	}
	return eq, ""
}

func (p *parser) in(prop *property, open string) (matcher, string) {
	var list []string
	for open == "(" {
		lit, ok := literal(p.next())
		if !ok {
			break
		}
		list = append(list, strings.ToLower(lit))
		if p.take(",") {
			continue
		}
		if p.take(")") && prop.text != nil && len(list) <= 15 {
			return func(u *User) bool { return slices.Contains(list, strings.ToLower(prop.text(u))) }, ""
		}
		break
	}
	return nil, "Invalid list after 'in'."
}

// any is prop/any(x:x eq '…') and prop/any(x:startswith(x,'…')).
func (p *parser) any(prop *property) (matcher, string) {
	const bad = "Invalid lambda expression."
	if prop.all == nil || !p.take("(") {
		return nil, bad
	}
	v := p.next()
	if !p.take(":") {
		return nil, bad
	}
	var test func(s, lit string) bool
	var lit string
	var ok bool
	switch word := p.next(); strings.ToLower(word) {
	case "startswith":
		if !p.take("(") || !p.take(v) || !p.take(",") {
			return nil, bad
		}
		lit, ok = literal(p.next())
		ok = ok && p.take(")")
		test = strings.HasPrefix
	case strings.ToLower(v):
		if !p.take("eq") {
			return nil, bad
		}
		lit, ok = literal(p.next())
		test = strings.EqualFold
	}
	if !ok || !p.take(")") {
		return nil, bad
	}
	if prop.name == "businessPhones" {
		p.f.advanced = "a filter on 'businessPhones'"
	}
	return func(u *User) bool {
		return slices.ContainsFunc(prop.all(u), func(s string) bool { return test(strings.ToLower(s), strings.ToLower(lit)) })
	}, ""
}

func literal(word string) (string, bool) {
	if len(word) < 2 || word[0] != '\'' || word[len(word)-1] != '\'' {
		return "", false
	}
	return strings.ReplaceAll(word[1:len(word)-1], "''", "'"), true
}
