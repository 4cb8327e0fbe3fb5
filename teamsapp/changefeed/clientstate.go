package changefeed

import (
	"crypto/rand"
	"strings"
)

// tagLength is how many characters the tag of a try to subscribe has.
const tagLength = 26

// newClientState returns the clientState of a new try to subscribe, at most 128 characters, and its tag. It is tag.secret: by
// the tag the record is found, also before the id that Graph gives is stored.
func newClientState() (state, tag string) {
	tag = rand.Text() // 26 characters with 130 bits
	return tag + "." + rand.Text() + rand.Text(), tag
}

// tagOf returns the tag in the clientState of a notification; ok is false where it has none.
func tagOf(state string) (tag string, ok bool) {
	tag, secret, ok := strings.Cut(state, ".")
	return tag, ok && len(tag) == tagLength && secret != "" && len(state) <= 128 && strings.Trim(tag, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}
