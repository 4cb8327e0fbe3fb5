package halopsa

import (
	"html"
	"strings"
	"unicode"
)

// toHTML writes plain text so that a reader of HTML sees it as it is.
func toHTML(text string) string {
	var b strings.Builder
	b.WriteString("<p>")
	space := true // the next space would be swallowed
	for _, r := range normal(text) {
		switch r {
		case '\n':
			b.WriteString("<br>")
		case '\t':
			b.WriteString("&emsp;")
		case ' ':
			if space {
				b.WriteString("&nbsp;")
			} else {
				b.WriteByte(' ')
			}
		case '<', '>', '&', '"', '\'':
			b.WriteString(html.EscapeString(string(r)))
		default:
			b.WriteRune(r)
		}
		space = r == ' ' && !space || r == '\n'
	}
	b.WriteString("</p>")
	return b.String()
}

// normal is text as it comes back: valid UTF-8, lines that end with \n and not with spaces, no control characters, and no
// empty space around it.
func normal(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\t':
			return r
		case '\r', '\u2028', '\u2029', '\u0085', '\v', '\f':
			return '\n'
		case '\u00a0':
			return ' '
		case '\u2003':
			return '\t'
		}
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// breaks is how many line breaks stand at least around an element; what is not in it stands in the line.
var breaks = map[string]int{
	"p": 2, "blockquote": 2, "pre": 2, "h1": 2, "h2": 2, "h3": 2, "h4": 2, "h5": 2, "h6": 2, "table": 2, "ul": 1, "ol": 1, "dl": 1, "hr": 1,
	"div": 1, "li": 1, "tr": 1, "section": 1, "article": 1, "header": 1, "footer": 1, "address": 1, "dt": 1, "dd": 1, "form": 1, "title": 1,
	"body": 1, "html": 1, "center": 1,
}

// unseen are elements whose content nobody sees.
var unseen = map[string]bool{"script": true, "style": true, "head": true, "template": true, "noscript": true, "iframe": true}

// fromHTML returns what a reader of HTML sees. It is for the notes of a ticket, of which only our own and those of mail
// programs are to be expected, so it knows the elements that they use and takes the rest as text in the line.
func fromHTML(s string) string {
	w := textWriter{}
	pre := 0
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			i = len(s)
		}
		w.text(html.UnescapeString(s[:i]), pre > 0)
		if s = s[i:]; s == "" {
			break
		}
		name, closing, rest, ok := tag(s)
		if !ok { // a "<" that begins nothing
			w.text("<", pre > 0)
			s = s[1:]
			continue
		}
		s = rest
		switch {
		case name == "":
		case unseen[name]:
			if !closing {
				s = skip(s, name)
			}
		case name == "br":
			w.newline()
		case name == "td", name == "th":
			if closing {
				w.gap()
			}
		case breaks[name] > 0:
			w.atLeast(breaks[name])
			switch {
			case name == "li" && !closing:
				w.put("-")
				w.space = true
			case name == "pre" && closing:
				pre = max(pre-1, 0)
			case name == "pre":
				pre++
			}
		}
	}
	return normal(w.b.String())
}

// tag reads the tag, the comment or the declaration at the beginning of s. name is empty for what is no element. ok is
// false where s begins with a "<" that is text.
func tag(s string) (name string, closing bool, rest string, ok bool) {
	if strings.HasPrefix(s, "<!--") {
		if _, rest, found := strings.Cut(s[4:], "-->"); found {
			return "", false, rest, true
		}
		return "", false, "", true
	}
	i := 1
	if closing = strings.HasPrefix(s, "</"); closing {
		i = 2
	}
	if i >= len(s) || !isLetter(s[i]) && s[i] != '!' && s[i] != '?' {
		return "", false, s, false
	}
	from := i
	for i < len(s) && (isLetter(s[i]) || s[i] >= '0' && s[i] <= '9') {
		i++
	}
	name = strings.ToLower(s[from:i])
	quote := byte(0)
	for ; i < len(s); i++ {
		switch ch := s[i]; {
		case quote != 0:
			if ch == quote {
				quote = 0
			}
		case (ch == '"' || ch == '\'') && s[i-1] == '=':
			quote = ch
		case ch == '>':
			return name, closing, s[i+1:], true
		}
	}
	return "", false, "", true // it never ends, and is not shown
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// skip returns what follows the end of an element.
func skip(s, name string) string {
	for i := 0; i+2+len(name) <= len(s); i++ {
		if s[i] == '<' && s[i+1] == '/' && strings.EqualFold(s[i+2:i+2+len(name)], name) {
			_, _, rest, _ := tag(s[i:])
			return rest
		}
	}
	return ""
}

// textWriter puts text together as a browser lays it out.
type textWriter struct {
	b     strings.Builder
	space bool // one is due before the next text
	lines int  // line breaks at the end
	due   int  // line breaks that are due before the next text
}

// text adds decoded text. Spaces in a row are one, as a browser has it.
func (w *textWriter) text(s string, verbatim bool) {
	if verbatim {
		w.put(s)
		return
	}
	for s != "" {
		i := strings.IndexAny(s, " \t\r\n\f")
		if i < 0 {
			w.put(s)
			return
		}
		if i > 0 {
			w.put(s[:i])
		}
		w.space = true
		s = strings.TrimLeft(s[i:], " \t\r\n\f")
	}
}

func (w *textWriter) put(s string) {
	if s == "" {
		return
	}
	w.breakDue()
	if w.space && w.b.Len() > 0 && w.lines == 0 {
		w.b.WriteByte(' ')
	}
	w.space = false
	w.b.WriteString(s)
	w.lines = 0
}

// breakDue writes the line breaks that are due.
func (w *textWriter) breakDue() {
	if w.b.Len() > 0 && w.due > w.lines {
		w.b.WriteString(strings.Repeat("\n", w.due-w.lines))
		w.lines = w.due
	}
	w.due = 0
}

func (w *textWriter) newline() {
	w.breakDue()
	w.space = false
	w.b.WriteByte('\n')
	w.lines++
}

func (w *textWriter) atLeast(n int) {
	w.due, w.space = max(w.due, n), false
}

func (w *textWriter) gap() { w.space = true }
