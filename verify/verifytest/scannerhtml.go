package verifytest

import (
	"html"
	"net/http"
	"strings"
	"unicode"
)

// page is what a scanner sees of an HTML page: enough to find links, forms and text, in any soup of tags.
type page struct {
	links []string
	forms []form
	text  []string // pieces of visible text
}

type form struct {
	method, action string
	fields         []field
}

// field is one named value of a form. A fixed one is sent as it is: hidden fields, buttons, ticked boxes.
type field struct {
	name, value string
	fixed       bool
}

func (f form) names() string {
	var b strings.Builder
	for _, field := range f.fields {
		b.WriteString(field.name + " ")
	}
	return b.String()
}

// free reports whether there is something to be filled in.
func (f form) free() bool {
	for _, field := range f.fields {
		if !field.fixed {
			return true
		}
	}
	return false
}

// guesses are the answers that the page itself suggests: every number, every word, and every two words in a row.
func (p page) guesses() []string {
	var out []string
	last := ""
	for _, t := range p.text {
		for _, w := range strings.FieldsFunc(t, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
			if strings.ContainsFunc(w, unicode.IsNumber) {
				out = append(out, w)
				continue
			}
			if last != "" {
				out = append(out, last+" "+w)
			}
			last = w
		}
	}
	// Numbers first: there are few, and one of them would be the worst to find.
	var numbers, words []string
	for _, g := range out {
		if strings.ContainsFunc(g, unicode.IsNumber) {
			numbers = append(numbers, g)
		} else {
			words = append(words, g)
		}
	}
	return append(numbers, words...)
}

// limits of one page, so that a hostile one costs no more than a large one.
const (
	maxTags       = 20_000
	maxAttributes = 64
)

// parsePage reads HTML. It never fails: what it does not understand it skips, as browsers do.
func parsePage(s string) page {
	var p page
	open, tags := -1, 0 // open is the index of the form that fields belong to
	for s != "" && tags < maxTags {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			p.addText(s)
			break
		}
		p.addText(s[:i])
		s = s[i:]
		tags++
		switch {
		case strings.HasPrefix(s, "<!--"):
			_, rest, _ := strings.Cut(s[4:], "-->")
			s = rest
			continue
		case len(s) < 2 || !letter(s[1]) && s[1] != '/' && s[1] != '!' && s[1] != '?':
			p.addText("<")
			s = s[1:]
			continue
		case s[1] == '!' || s[1] == '?':
			_, rest, _ := strings.Cut(s, ">")
			s = rest
			continue
		}
		var t tag
		t, s = readTag(s)
		switch t.name {
		case "form":
			p.forms = append(p.forms, form{method: method(t.attr["method"]), action: t.attr["action"]})
			open = len(p.forms) - 1
		case "/form":
			open = -1
		case "input", "button", "textarea", "select":
			if open >= 0 {
				p.forms = p.forms[open].control(t, p.forms)
			}
		}
		for _, name := range []string{"href", "src", "data", "poster", "cite"} {
			if a, ok := t.attr[name]; ok {
				p.links = append(p.links, a)
			}
		}
		if strings.EqualFold(t.attr["http-equiv"], "refresh") {
			if _, to, ok := strings.Cut(t.attr["content"], "="); ok {
				p.links = append(p.links, strings.Trim(to, `'" `))
			}
		}
		s = p.raw(t.name, s)
	}
	return p
}

// raw skips the inside of elements that hold no tags. What a textarea or title holds is text.
func (p *page) raw(name, s string) string {
	switch name {
	case "script", "style", "textarea", "title", "iframe", "xmp": // noscript is read: a scanner may run none
	default:
		return s
	}
	end := indexFold(s, "</"+name)
	if end < 0 {
		end = len(s)
	}
	if name == "textarea" || name == "title" {
		p.addText(s[:end])
	}
	return s[end:]
}

// indexFold finds an ASCII text in any case.
func indexFold(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if s[i] == sub[0] && strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}

func (p *page) addText(s string) {
	if s = strings.TrimSpace(html.UnescapeString(s)); s != "" {
		p.text = append(p.text, s)
	}
}

// control adds an input to f. A button that sends the form elsewhere makes a form of its own, which is added to
// forms.
func (f *form) control(t tag, forms []form) []form {
	if t.attr["name"] != "" && len(f.fields) < maxAttributes {
		f.fields = append(f.fields, fieldOf(t))
	}
	if a, ok := t.attr["formaction"]; ok {
		forms = append(forms, form{method: f.method, action: a, fields: append([]field(nil), f.fields...)})
	}
	return forms
}

func fieldOf(t tag) field {
	f := field{name: t.attr["name"], value: t.attr["value"]}
	switch strings.ToLower(t.attr["type"]) {
	case "hidden", "submit", "button", "image", "reset", "checkbox", "radio":
		f.fixed = true
		if f.value == "" && t.name == "input" {
			f.value = "on"
		}
	}
	if t.name == "button" {
		f.fixed = true
	}
	return f
}

func method(s string) string {
	if strings.EqualFold(s, http.MethodPost) {
		return http.MethodPost
	}
	return http.MethodGet
}

type tag struct {
	name string // in lower case, with a slash in front where it closes
	attr map[string]string
}

// readTag reads the tag at the start of s and returns what follows it.
func readTag(s string) (tag, string) {
	s = s[1:]
	end := strings.IndexAny(s[1:], " \t\n\f\r/>")
	if end < 0 {
		return tag{name: strings.ToLower(s)}, ""
	}
	t := tag{name: strings.ToLower(s[:end+1]), attr: map[string]string{}}
	s = s[end+1:]
	for {
		s = strings.TrimLeft(s, " \t\n\f\r/")
		if s == "" {
			return t, ""
		}
		if s[0] == '>' {
			return t, s[1:]
		}
		end := strings.IndexAny(s[1:], " \t\n\f\r/>=")
		if end < 0 {
			return t, ""
		}
		name := strings.ToLower(s[:end+1])
		s = strings.TrimLeft(s[end+1:], " \t\n\f\r")
		value := ""
		if strings.HasPrefix(s, "=") {
			value, s = readValue(strings.TrimLeft(s[1:], " \t\n\f\r"))
		}
		if _, dup := t.attr[name]; !dup && len(t.attr) < maxAttributes {
			t.attr[name] = html.UnescapeString(value)
		}
	}
}

func readValue(s string) (value, rest string) {
	if s == "" {
		return "", ""
	}
	if q := s[0]; q == '"' || q == '\'' {
		value, rest, _ = strings.Cut(s[1:], string(q))
		return value, rest
	}
	end := strings.IndexAny(s, " \t\n\f\r>")
	if end < 0 {
		return s, ""
	}
	return s[:end], s[end:]
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
