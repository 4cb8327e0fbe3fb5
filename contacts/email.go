package contacts

import (
	"fmt"
	"net/mail"
	"strings"

	"github.com/mspkit/mspkit"
)

const (
	maxEmail = 254 // bytes, RFC 5321 with its correction
	maxLocal = 64
)

// CanonicalEmail returns an address in the one spelling that this module compares: without spaces around it and in lower
// case. It takes one bare ASCII address, name@domain. Everything else, such as "Dana <dana@contoso.example>", two
// addresses, quotes or an internationalised domain that is not in punycode (xn--), is [mspkit.ErrInvalid]; the error does
// not repeat it.
func CanonicalEmail(s string) (string, error) {
	s = strings.TrimSpace(s)
	for _, r := range s { // before the case: the Kelvin sign becomes a k
		if r > '~' {
			return "", errEmail("has a character outside ASCII, an internationalised domain is written in punycode (xn--)")
		}
	}
	s = strings.ToLower(s)
	local, domain, ok := strings.Cut(s, "@")
	switch {
	case s == "":
		return "", errEmail("is empty")
	case len(s) > maxEmail || len(local) > maxLocal:
		return "", errEmail("is too long")
	case !ok || local == "" || domain == "":
		return "", errEmail("is not of the form name@domain")
	}
	for _, r := range s {
		if r <= ' ' || strings.ContainsRune(`"(),:;<>[\]`, r) {
			return "", errEmail("has a character that no bare address has")
		}
	}
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s || a.Name != "" || !validDomain(domain) {
		return "", errEmail("is not of the form name@domain")
	}
	return s, nil
}

func validDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
				return false
			}
		}
	}
	return true
}

func errEmail(why string) error {
	return fmt.Errorf("the e-mail address %s: %w", why, mspkit.ErrInvalid)
}
