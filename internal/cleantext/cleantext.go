// Package cleantext makes text that somebody else typed safe to stand inside our own sentences: names of
// people, companies and technicians, ticket numbers, actions.
//
// Such a text must not be able to become a link, to reorder the words around it, to hide characters, or to
// begin a new line or header. [Name] does all of that; [Line] leaves addresses alone and is for text that the
// tenant's administrator configured. Neither replaces escaping: HTML still goes through html/template.
//
// # Concurrency
//
// The functions are pure.
//
// # Errors
//
// Nothing here fails: what cannot be kept is dropped, and the result may be empty.
package cleantext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxName is the usual limit for a name, in runes.
	MaxName = 64
	// Removed stands where a link was. It is the same in every language.
	Removed = "[…]"

	maxInput = 4096 // bytes looked at; what is cut to some hundred runes anyway needs no more
	maxMarks = 3    // combining marks in a row; real scripts need two or three, "zalgo" text uses dozens
)

// Name returns s as one line of at most limit runes (0 or less means [MaxName]) that no mail or chat client
// turns into a link: control, bidi and invisible characters are dropped, white space and line breaks become
// one space, a token with "://" or a leading "www." becomes [Removed], the dots of anything that looks like a
// domain and the @ of an address become spaces. "Booking.com" so becomes "Booking com". Applying it twice
// changes nothing more.
func Name(s string, limit int) string {
	tokens := strings.Fields(fold(s))
	out := make([]string, 0, len(tokens))
	for _, t := range tokens {
		out = disarm(out, t)
	}
	return cut(strings.Join(out, " "), limit)
}

// disarm appends what unlink leaves of a token. What falls apart is looked at again: in "a@www.evil.com" the second
// part begins a link only once it stands alone.
func disarm(out []string, t string) []string {
	parts := strings.Fields(unlink(t))
	if len(parts) == 1 && parts[0] == t {
		return append(out, t)
	}
	for _, p := range parts {
		out = disarm(out, p)
	}
	return out
}

// Line is [Name] for trusted text: it drops the same characters and folds the same white space, but keeps
// addresses as they are.
func Line(s string, limit int) string {
	if clean(s, limit) {
		return s
	}
	return line(s, limit)
}

func line(s string, limit int) string {
	return cut(strings.Join(strings.Fields(fold(s)), " "), limit)
}

// clean finds out at once that nothing is to be done, as with most names of a long list.
func clean(s string, limit int) bool {
	if limit <= 0 {
		limit = MaxName
	}
	last := byte(' ')
	for i := range len(s) {
		b := s[i]
		if b < ' ' || b > '~' || b == ' ' && last == ' ' || b == '?' && last == '=' {
			return false
		}
		last = b
	}
	return len(s) <= min(limit, maxInput) && (s == "" || last != ' ')
}

// fold drops what must not be there and maps look-alikes of '.', ':', '/' and '@' to the ASCII character, so
// that they are treated alike.
func fold(s string) string {
	if len(s) > maxInput {
		s = s[:maxInput]
	}
	var b strings.Builder
	b.Grow(len(s))
	marks := 0
	for _, r := range s {
		r = ascii(r)
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
			marks = 0
			continue
		case r == utf8.RuneError, invisible(r):
			continue
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks {
				continue
			}
		default:
			marks = 0
		}
		b.WriteRune(r)
	}
	// In a mail's subject "=?" begins an encoded word, which the reader's program would decode to anything.
	return strings.ReplaceAll(b.String(), "=?", "= ?")
}

func ascii(r rune) rune {
	switch {
	case r >= 0xFF01 && r <= 0xFF5E: // full-width forms
		return r - 0xFEE0
	case r == 0x2024, r == 0x3002, r == 0xFE52, r == 0xFF61: // dots that IDNA or a reader takes for one
		return '.'
	case r == 0x2044, r == 0x2215, r == 0x29F8:
		return '/'
	case r == 0x2236, r == 0xA789, r == 0xFE13, r == 0xFE55:
		return ':'
	case r == 0xFE6B:
		return '@'
	case r == 0x2028, r == 0x2029:
		return ' '
	}
	return r
}

// invisible reports whether r shows nothing, or changes how its neighbours are shown.
func invisible(r rune) bool {
	switch {
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return true
	case r == 0x034F, r == 0x2800: // combining grapheme joiner, blank braille pattern
		return true
	}
	return !unicode.IsGraphic(r)
}

// unlink changes a token so that no client makes a link of it.
func unlink(t string) string {
	if strings.Contains(t, "://") {
		return Removed
	}
	if l := strings.ToLower(strings.TrimLeft(t, "([{<\"'*_~")); strings.HasPrefix(l, "www.") {
		return Removed
	}
	rs := []rune(t)
	numeric := 0 // dots between digits: from three on it is an IP address
	for i := 1; i+1 < len(rs); i++ {
		if rs[i] == '.' && unicode.IsDigit(rs[i-1]) && unicode.IsDigit(rs[i+1]) {
			numeric++
		}
	}
	for i := 1; i+1 < len(rs); i++ {
		switch rs[i] {
		case '@':
			rs[i] = ' '
		case '.':
			if word(rs[i-1]) && word(rs[i+1]) && (numeric > 2 || topLevel(rs[i+1:])) {
				rs[i] = ' '
			}
		}
	}
	return string(rs)
}

// topLevel reports whether what follows a dot can be the label of a domain: two or more characters with a
// letter among them. "J.R." and "2.5" are left alone.
func topLevel(rs []rune) bool {
	n, letters := 0, 0
	for _, r := range rs {
		if !word(r) {
			break
		}
		if n++; !unicode.IsDigit(r) {
			letters++
		}
	}
	return n > 1 && letters > 0
}

func word(r rune) bool {
	return r == '-' || r == '_' || unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.So)
}

// cut shortens s to limit runes, the last of which is then an ellipsis.
func cut(s string, limit int) string {
	if limit <= 0 {
		limit = MaxName
	}
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	rs := []rune(s)[:limit-1]
	return strings.TrimRight(string(rs), " @.:/=?") + "…" // nothing that is only half an address
}
