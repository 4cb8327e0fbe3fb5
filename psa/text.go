package psa

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Split cuts text into parts of at most limit bytes that together are the whole text but for line breaks where it was
// cut: at the end of a paragraph, line, sentence or word where there is one in the second half of a part, and never within a
// character. Each part but an only one ends with a line such as "(1/3)". limit must leave room for that: below 64 bytes it
// is 64. The same text and limit give the same parts.
func Split(text string, limit int) []string {
	limit = max(limit, 64)
	if len(text) <= limit {
		return []string{text}
	}
	for digits := 3; ; digits++ { // of the number of parts, mostly fewer than a thousand
		room := len("\n(/)") + 2*digits
		parts := cut(text, limit-room)
		if len(strconv.Itoa(len(parts))) > digits {
			continue
		}
		for i := range parts {
			parts[i] = fmt.Sprintf("%s\n(%d/%d)", strings.TrimRight(parts[i], "\n"), i+1, len(parts))
		}
		return parts
	}
}

// cut cuts text into pieces of at most limit bytes, which must be 4 or more.
func cut(text string, limit int) []string {
	var parts []string
	for len(text) > limit {
		n := cutAt(text, limit)
		parts = append(parts, text[:n])
		text = text[n:]
	}
	return append(parts, text)
}

func cutAt(s string, limit int) int {
	end := limit
	for end > limit-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	if !utf8.RuneStart(s[end]) { // this is not UTF-8: there is no character to keep whole
		end = limit
	}
	for _, sep := range []string{"\n\n", "\n", ". ", " "} {
		if i := strings.LastIndex(s[:end], sep); i >= end/2 {
			return i + len(sep)
		}
	}
	return end
}

// Plain replaces what a system refuses that keeps text in two-byte characters: every character beyond U+FFFF, such as an
// emoji, becomes its number in brackets, "[U+1F512]", so that nothing is lost. Line breaks become "\n", and control
// characters but those and tabs are dropped.
func Plain(text string) string {
	var b strings.Builder
	for _, r := range strings.ReplaceAll(text, "\r\n", "\n") {
		switch {
		case r > 0xffff:
			fmt.Fprintf(&b, "[U+%04X]", r)
		case r == '\r':
			b.WriteByte('\n')
		case r < ' ' && r != '\n' && r != '\t', r >= 0x7f && r < 0xa0:
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// minPhone is the fewest digits that tell a line.
const minPhone = 7

// SamePhone reports whether two ways to write a number mean the same line as far as a ticket system can tell, where people
// write numbers as they like. Two international numbers ("+49 30 901820", "0049 30 901820") are compared as a whole.
// Otherwise the last ten digits are, or all where there are 7 to 9, without the country code of an international and
// without the 0 in front of a national number ("030 901820"). Two countries may have the same national number, so it is for
// finding who calls, never for sending.
func SamePhone(a, b string) bool {
	x, y := readPhone(a), readPhone(b)
	if x.country != "" && y.country != "" {
		return x == y && len(x.digits) >= minPhone
	}
	same := func(p, q string) bool { return len(p) >= minPhone && p == q }
	return same(x.national(), y.national()) || same(lastTen(x.digits), lastTen(y.digits))
}

// PhoneDigits returns the last ten digits of a number, without an extension, without the country code of an international
// number and without a 0 in front: what all ways to write it have in common. It is for searching for part of a number;
// compare what is found by [SamePhone].
func PhoneDigits(s string) string { return readPhone(s).national() }

// phone is a number as it is written.
type phone struct {
	digits  string // all of them, without an extension and without "00" in front
	country string // the code with which they begin, where they are international
}

func (p phone) national() string { return lastTen(strings.TrimLeft(p.digits[len(p.country):], "0")) }

func lastTen(d string) string { return d[max(0, len(d)-10):] }

func readPhone(s string) phone {
	s = strings.ToLower(s)
	s = s[max(0, strings.IndexAny(s, "+0123456789")):]
	international := strings.HasPrefix(s, "+") || strings.HasPrefix(s, "00")
	if international {
		s = strings.Replace(s, "(0)", "", 1) // "+49 (0)30"
	}
	var d strings.Builder
	for _, r := range s {
		if strings.ContainsRune("ex#;,", r) && d.Len() >= minPhone { // "ext. 12", "x12", "#12", ";ext=12", ",12"
			break
		}
		if r >= '0' && r <= '9' {
			d.WriteRune(r)
		}
	}
	p := phone{digits: d.String()}
	if international {
		p.digits = strings.TrimPrefix(p.digits, "00")
		p.country = p.digits[:min(countryCode(p.digits), len(p.digits))]
	}
	return p
}

// twoDigits are the country codes of two digits (ITU-T E.164). Those of one begin with 1 and 7, all others have three.
const twoDigits = " 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 "

// countryCode is how many digits the country code has with which an international number begins.
func countryCode(digits string) int {
	switch {
	case digits == "":
		return 0
	case digits[0] == '1' || digits[0] == '7':
		return 1
	case len(digits) >= 2 && strings.Contains(twoDigits, " "+digits[:2]+" "):
		return 2
	}
	return 3
}
