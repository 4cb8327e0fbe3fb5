// Package powershell writes values into scripts of PowerShell that somebody else will run, so that a value is never more than
// a value.
//
//	fmt.Fprintf(&script, "Grant-CsTeamsAppSetupPolicy -Group %s -PolicyName %s\n", powershell.Quote(group), powershell.Quote(name))
//
// # Security
//
// PowerShell takes five characters for a single quotation mark, four of them curly. And Windows PowerShell reads a file without
// a byte order mark in the code page of the machine, where a byte in the middle of another letter can become one of those: the
// Cyrillic letter io, which is D1 91 in UTF-8, is read as two characters of which the second ends a text. Doubling marks is no
// protection from that. So what [Quote] returns is printable ASCII only, on one line; whatever else is in a value is written by
// its number.
//
// Sources: https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_quoting_rules and
// https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_character_encoding.
//
// Put no value into a script in another way, also not into a comment.
//
// # Concurrency
//
// The functions have no state.
//
// # Errors
//
// There are none: every text can be written. Bytes that are not UTF-8 become U+FFFD.
package powershell

import (
	"fmt"
	"strings"
)

// Quote returns a literal of PowerShell with the value s, which may stand where an argument or an operand does. It is a text
// in single quotes, or, where s has more than printable ASCII, an expression in parentheses that is put together of such texts
// and characters.
func Quote(s string) string {
	plain := true
	for _, r := range s {
		plain = plain && printable(r)
	}
	if plain {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteString("('") // the first operand is a text, so that + joins texts
	open := true
	for _, r := range s { // a byte that is not UTF-8 is U+FFFD here
		if printable(r) {
			if !open {
				b.WriteString(" + '")
				open = true
			}
			if r == '\'' {
				b.WriteByte('\'')
			}
			b.WriteRune(r)
			continue
		}
		if open {
			b.WriteByte('\'')
			open = false
		}
		if r > 0xffff {
			fmt.Fprintf(&b, " + [char]::ConvertFromUtf32(0x%X)", r)
		} else {
			fmt.Fprintf(&b, " + [char]0x%04X", r)
		}
	}
	if open {
		b.WriteByte('\'')
	}
	b.WriteByte(')')
	return b.String()
}

func printable(r rune) bool { return r >= ' ' && r <= '~' }
