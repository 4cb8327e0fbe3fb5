package changefeed

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxHTML is how much of a body is read. Teams takes about 100 KiB.
const maxHTML = 512 << 10

// What elements of HTML mean for plain text. Others leave nothing but what is in them.
var (
	// blocks stand on lines of their own.
	blocks = setOf("address article aside blockquote body codeblock dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr html li main nav ol p pre section table tbody tfoot thead tr ul")
	// hidden elements are left out with all that is in them. Browsers do not read tags within those of them that are raw.
	hidden = setOf("head iframe math noembed noframes noscript object script style svg template textarea title xmp")
)

func setOf(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// plainText returns what a reader sees of a body in HTML as plain text: lines where there are blocks and breaks, a dash before
// items of a list, what an emoji or a picture says it is, the names in mentions; no tags, no scripts, no attachments. Control
// characters and those that reorder text are dropped. It takes time in proportion to the length of s, whatever is in it.
//
// The result is text: to be shown on a page it has to be escaped like any other.
func plainText(s string) string {
	if len(s) > maxHTML {
		s = s[:maxHTML]
	}
	w := &textWriter{}
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			w.text(s)
			break
		}
		w.text(s[:i])
		s = s[i:]
		if !tagAhead(s) {
			w.text("<")
			s = s[1:]
			continue
		}
		if strings.HasPrefix(s, "<!--") {
			_, s, _ = strings.Cut(s[4:], "-->")
			continue
		}
		var t tag
		t, s = readTag(s)
		if hidden[t.name] && !t.end && !t.empty {
			s = skipElement(s, t.name)
			continue
		}
		w.tag(t)
	}
	return w.String()
}

// tagAhead reports whether the < that s begins with begins a tag or a comment.
func tagAhead(s string) bool {
	if len(s) < 2 {
		return false
	}
	c := s[1]
	if c == '/' && len(s) > 2 {
		c = s[2]
	}
	return c == '!' || c == '?' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// tag is a tag of HTML.
type tag struct {
	name       string
	end, empty bool
	// alt is the attribute of that name.
	alt string
}

// readTag reads the tag that s begins with and returns what follows it. A > in quotes does not end a tag.
func readTag(s string) (t tag, rest string) {
	s = s[1:]
	if s, t.end = strings.CutPrefix(s, "/"); s == "" {
		return t, ""
	}
	n := strings.IndexAny(s, " \t\r\n\f/>")
	if n < 0 {
		return tag{}, ""
	}
	t.name, s = strings.ToLower(s[:n]), s[n:]
	for {
		s = strings.TrimLeft(s, " \t\r\n\f")
		switch {
		case s == "":
			return tag{}, "" // it does not end: browsers drop it
		case s[0] == '>':
			return t, s[1:]
		case s[0] == '/':
			t.empty = strings.HasPrefix(s, "/>")
			s = s[1:]
			continue
		}
		var name, value string
		name, value, s = readAttribute(s)
		if strings.EqualFold(name, "alt") && t.alt == "" {
			t.alt = value
		}
	}
}

// readAttribute reads name=value, name="value", name='value' or name. It takes at least one byte.
func readAttribute(s string) (name, value, rest string) {
	n := strings.IndexAny(s[1:], " \t\r\n\f/>=")
	if n < 0 {
		return "", "", ""
	}
	name, s = s[:n+1], s[n+1:]
	after := strings.TrimLeft(s, " \t\r\n\f")
	if !strings.HasPrefix(after, "=") {
		return name, "", s
	}
	s = strings.TrimLeft(after[1:], " \t\r\n\f")
	if s == "" {
		return "", "", ""
	}
	if q := s[0]; q == '"' || q == '\'' {
		end := strings.IndexByte(s[1:], q)
		if end < 0 {
			return "", "", ""
		}
		return name, s[1 : end+1], s[end+2:]
	}
	end := strings.IndexAny(s, " \t\r\n\f>")
	if end < 0 {
		return "", "", ""
	}
	return name, s[:end], s[end:]
}

// skipElement returns what follows the end of an element whose beginning was read; nothing where it does not end.
func skipElement(s, name string) string {
	for {
		i := strings.Index(s, "</")
		if i < 0 {
			return ""
		}
		s = s[i:]
		if len(s) >= 2+len(name) && strings.EqualFold(s[2:2+len(name)], name) {
			_, rest := readTag(s)
			return rest
		}
		s = s[2:]
	}
}

// textWriter puts text together: white space becomes one space, or the line break that a block asks for.
type textWriter struct {
	b     strings.Builder
	space bool
	// lines is how many line breaks are to come before the next text.
	lines int
	pre   int
}

func (w *textWriter) tag(t tag) {
	switch {
	case t.name == "br":
		w.lines = min(w.lines+1, 3)
	case t.name == "td" || t.name == "th":
		w.space = true
	case (t.name == "img" || t.name == "emoji") && !t.end:
		w.text(t.alt)
	case blocks[t.name]:
		w.lines = max(w.lines, 1)
		if t.name == "pre" || t.name == "codeblock" {
			if t.end {
				w.pre = max(w.pre-1, 0)
			} else if !t.empty {
				w.pre++
			}
		}
		if t.name == "li" && !t.end {
			w.text("-")
			w.space = true
		}
	}
}

func (w *textWriter) text(s string) {
	for _, r := range html.UnescapeString(s) {
		switch {
		case r == '\n' && w.pre > 0:
			w.lines = min(w.lines+1, 3)
		case unicode.IsSpace(r):
			w.space = true
		case dropped(r):
		default:
			w.rune(r)
		}
	}
}

func (w *textWriter) rune(r rune) {
	if w.b.Len() > 0 {
		switch {
		case w.lines > 0:
			w.b.WriteString("\n\n\n"[:w.lines])
		case w.space:
			w.b.WriteByte(' ')
		}
	}
	w.lines, w.space = 0, false
	w.b.WriteRune(r)
}

func (w *textWriter) String() string { return w.b.String() }

// dropped are characters that nobody sees but that change what is seen: controls, and those that reorder text.
func dropped(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 ||
		r == 0x200e || r == 0x200f || r == 0x061c || r == 0xfeff || r >= 0xe0000 && r <= 0xe007f
}

// cleanText is a body that is text already, with the same characters dropped.
func cleanText(s string) string {
	if len(s) > maxHTML {
		s = s[:maxHTML]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && dropped(r) {
			return -1
		}
		return r
	}, s))
}
