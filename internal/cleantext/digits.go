package cleantext

import "unicode"

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
