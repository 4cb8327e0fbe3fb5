package ticketlog

import (
	"strings"
	"unicode"

	"github.com/mspkit/mspkit/internal/cleantext"
)

// From how many digits on a number is hidden. What technicians and channels give as a reason may repeat a code; a name may
// be a phone number; an id of that many digits is more likely one than an id.
const (
	codeDigits = 6
	nameDigits = 7
	idDigits   = 9
)

const (
	maxReason = 200
	maxWord   = 64
	maxInput  = 1024
)

// plain makes what somebody else typed fit to stand in a note: one line of at most limit characters, no link, no address, no
// number of least digits or more.
func plain(s string, limit, least int) string {
	words := strings.Fields(cleantext.Line(s, maxInput))
	for i, w := range words {
		if at := strings.IndexByte(w, '@'); at > 0 && at < len(w)-1 {
			words[i] = cleantext.Removed
		}
	}
	return cleantext.Name(hide(cleantext.Name(strings.Join(words, " "), maxInput), least), limit)
}

// plainID is [plain] for the id of a person, which is shown where nobody knows a name.
func plainID(id string) string {
	if isUUID(id) {
		return id
	}
	return plain(id, maxWord, idDigits)
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

// hide replaces every number of least digits or more, however it is written, by a mark.
func hide(s string, least int) string {
	rs := []rune(s)
	var b strings.Builder
	for i := 0; i < len(rs); {
		end, n := number(rs[i:])
		switch {
		case n == 0:
			b.WriteRune(rs[i])
			i++
			continue
		case n >= least:
			if before, plus := strings.CutSuffix(b.String(), "+"); plus {
				b.Reset()
				b.WriteString(before)
			}
			b.WriteString(cleantext.Removed)
		default:
			b.WriteString(string(rs[i : i+end]))
		}
		i += end
	}
	return b.String()
}

// number returns how far a number at the beginning of rs goes and how many digits it has. Up to three characters may stand
// between two digits: spaces, dashes, dots, brackets, and what else people write into phone numbers.
func number(rs []rune) (end, digits int) {
	if len(rs) == 0 || !unicode.IsNumber(rs[0]) {
		return 0, 0
	}
	for i, r := range rs {
		switch {
		case unicode.IsNumber(r):
			digits++
			end = i + 1
		case i-end < 3 && (unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.M) || strings.ContainsRune("./()[]_,·:;+", r)):
		default:
			return end, digits
		}
	}
	return end, digits
}
