package outbox

import (
	"encoding/base32"
	"strconv"
	"strings"
	"unicode"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// A marker is the last line of what is written, for example "[ref k3v9-x2m7-q8dt-w4hj]": 80 bits of a keyed hash of
// tenant, note and part. It says nothing to a reader, and nobody without the ring can make the one of a note that is still
// to be written. Once it is written everybody who reads the ticket can copy it.
const (
	markerBytes  = 10
	markerPrefix = "[ref "
	markerSuffix = "]"
	// markerLen is a marker with the line break before it.
	markerLen = 1 + len(markerPrefix) + 19 + len(markerSuffix)
)

// No letter of it looks like another one, and no word comes about.
var markerLetters = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func marker(h *token.Hasher, tenant mspkit.TenantID, id string, part int) string {
	sum, _ := h.Sum(h.Primary(), string(tenant), id, strconv.Itoa(part)) // the primary key is always there
	s := markerLetters.EncodeToString(sum[:markerBytes])
	return markerPrefix + s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:] + markerSuffix
}

// endsWith reports whether a text that stands in a ticket ends with the marker. A ticket system may add white space, and a
// client that splits by itself "(1/3)".
func endsWith(text, marker string) bool {
	text = trimEnd(text)
	if strings.HasSuffix(text, marker) {
		return true
	}
	if open := strings.LastIndexByte(text, '('); open >= 0 && strings.HasSuffix(text, ")") {
		n, m, ok := strings.Cut(text[open+1:len(text)-1], "/")
		if ok && digits(n) && digits(m) {
			return strings.HasSuffix(trimEnd(text[:open]), marker)
		}
	}
	return false
}

func trimEnd(s string) string {
	return strings.TrimRightFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
}

func digits(s string) bool {
	return s != "" && len(s) <= 4 && strings.Trim(s, "0123456789") == ""
}
