package cleantext

import (
	"strings"
	"unicode"
)

// Digit returns the value of a decimal digit of any script, and 0 for anything else. Unicode assigns the digits of a
// script in ascending order in runs of ten, so the value is the distance to the start of its run; only the mathematical
// digits put several runs into one range.
func Digit(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	return 0
}

// Digits counts the decimal digits of any script in s.
func Digits(s string) int {
	n := 0
	for _, r := range s {
		if unicode.IsDigit(r) {
			n++
		}
	}
	return n
}

// Typed returns the decimal digits of s, of any script, as ASCII. Spaces, dashes and what nobody sees are left out. Where
// there is anything else ok is false, and other is the first such character.
func Typed(s string) (digits string, other rune, ok bool) {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Nd, r):
			b.WriteByte(byte('0' + Digit(r)))
		case unicode.IsSpace(r), r == '-', unicode.Is(unicode.Cf, r), unicode.Is(unicode.Pd, r):
		default:
			return "", r, false
		}
	}
	return b.String(), 0, true
}
