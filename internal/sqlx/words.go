package sqlx

import (
	"strings"
	"unicode/utf8"
)

// Words makes a text storable that comes from elsewhere: PostgreSQL refuses a zero byte and what is not UTF-8, so each of
// them becomes U+FFFD, on SQLite as well.
func Words(s string) string {
	if !utf8.ValidString(s) { // which is much faster than to make it valid
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return strings.ReplaceAll(s, "\x00", "\ufffd")
}
