package phone

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"github.com/mspkit/mspkit"
)

// maxPhone bounds what is looked at, in bytes; digits of some scripts take four.
const maxPhone = 128

// Reader reads numbers as they are dialled in one region.
type Reader struct {
	// Region is an ISO 3166-1 code in upper case. Empty means that only international numbers are understood.
	Region string
	// AllowUnassigned takes numbers that are possible and not assigned as far as is known.
	AllowUnassigned bool
}

// KnownRegion reports whether code is one that a [Reader] can have.
func KnownRegion(code string) bool { return phonenumbers.GetSupportedRegions()[code] }

// E164 returns s in E.164 form, such as +4915112345678. It takes international numbers ("+49 151…", "0049 151…"),
// national ones where Region is set, digits of every script, and the punctuation that people use, also "(0)". It refuses
// extensions and letters. The error is [mspkit.ErrInvalid] and does not repeat the number.
func (r Reader) E164(s string) (string, error) {
	_, out, err := r.Read(s)
	return out, err
}

// Read is [Reader.E164] and returns the number in its parts, too.
func (r Reader) Read(s string) (*phonenumbers.PhoneNumber, string, error) {
	dial, err := dialled(s)
	if err != nil {
		return nil, "", err
	}
	if p, national, ok := direct(dial); ok {
		n, err := r.of(p, national)
		if err != nil {
			return nil, "", err
		}
		return n, dial, nil
	}
	n, err := r.read(dial)
	if err != nil {
		return nil, "", err
	}
	out := phonenumbers.Format(n, phonenumbers.E164)
	if !e164(out) {
		return nil, "", errNumber("has not the 7 to 15 digits of a phone number")
	}
	// Reading must be stable, so that one phone has one spelling and one limit.
	if dial != out {
		if again, err := r.read(out); err != nil || phonenumbers.Format(again, phonenumbers.E164) != out {
			return nil, "", errNumber("can be read in two ways: write it with + and the country code")
		}
	}
	return n, out, nil
}

// dialled returns what somebody would dial for s: ASCII digits, with a plus in front where s begins with one.
func dialled(s string) (string, error) {
	if len(s) > maxPhone {
		return "", errNumber("is too long")
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		d, isDigit := digit(r)
		switch {
		case isDigit:
			b.WriteByte(d)
		case r == '+' || r == '＋':
			if b.Len() > 0 {
				return "", errNumber("has a plus that is not at its start")
			}
			b.WriteByte('+')
		case r == unicode.ReplacementChar:
			return "", errNumber("is not valid text")
		case unicode.IsSpace(r) && !unicode.IsControl(r), r == '\t', unicode.Is(unicode.Cf, r), // address books paste bidi marks
			unicode.Is(unicode.Pd, r), strings.ContainsRune("−()./（）．／", r):
		case b.Len() > 4 && (unicode.IsLetter(r) || strings.ContainsRune("#;,＃；，×", r)):
			return "", errNumber("has an extension or letters, which no text message and no direct call reaches: keep the bare number")
		default:
			return "", errNumber("has a character that no phone number has")
		}
	}
	if n := len(strings.TrimPrefix(b.String(), "+")); n == 0 {
		return "", errNumber("has no digits")
	} else if n > 20 { // 15, and what may stand in front to dial abroad
		return "", errNumber("has too many digits")
	}
	return b.String(), nil
}

// read finds the number that dial means. A number without plus is dialled from the region, where "00" or what
// the region uses leads abroad; "00" is understood everywhere, because people write it everywhere.
func (r Reader) read(dial string) (*phonenumbers.PhoneNumber, error) {
	abroad, international := "+"+strings.TrimPrefix(dial, "00"), strings.HasPrefix(dial, "00")
	switch {
	case strings.HasPrefix(dial, "+"):
		if p, national, ok := direct(dial); ok {
			return r.of(p, national)
		}
		abroad, international = dial, true
	case r.Region != "":
		if n, err := phonenumbers.Parse(dial, r.Region); err == nil && r.usable(n) {
			return n, nil
		}
	case !international:
		return nil, errNumber("must begin with + and the country code")
	}
	if international {
		if n, err := phonenumbers.Parse(abroad, ""); err == nil && r.usable(n) {
			return n, nil
		}
	}
	return nil, errUnassigned()
}

// of returns the number with these parts, if it is one.
func (r Reader) of(p *plan, national string) (*phonenumbers.PhoneNumber, error) {
	n := p.number(national)
	if r.AllowUnassigned && !phonenumbers.IsPossibleNumber(n) || !r.AllowUnassigned && !p.valid(national) {
		return nil, errUnassigned()
	}
	return n, nil
}

func (r Reader) usable(n *phonenumbers.PhoneNumber) bool {
	if r.AllowUnassigned {
		return phonenumbers.IsPossibleNumber(n)
	}
	if p := planFor(int(n.GetCountryCode())); p != nil {
		return p.valid(phonenumbers.GetNationalSignificantNumber(n))
	}
	return phonenumbers.IsValidNumber(n)
}

// Country returns the ISO 3166-1 code of the country of n, "" for numbers of none. An unassigned number counts to the
// largest country with its country code.
func Country(n *phonenumbers.PhoneNumber) string {
	c := phonenumbers.GetRegionCodeForNumber(n)
	if c == "" {
		c = phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
	}
	if len(c) != 2 || c == "ZZ" { // 001 is satellites, international freephone and the like
		return ""
	}
	return c
}

// e164 reports whether s is +, a country code that does not begin with 0, and 7 to 15 digits in all.
func e164(s string) bool {
	d, ok := strings.CutPrefix(s, "+")
	return ok && len(d) >= 7 && len(d) <= 15 && d[0] != '0' && strings.Trim(d, "0123456789") == ""
}

// digit returns the ASCII form of a decimal digit of any script. Unicode has them in runs of ten, in order.
func digit(r rune) (byte, bool) {
	if r >= '0' && r <= '9' {
		return byte(r), true
	}
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	start := r
	for unicode.Is(unicode.Nd, start-1) {
		start--
	}
	return byte('0' + (r-start)%10), true
}

func errUnassigned() error {
	return errNumber("is not one that a phone can have: digits are missing, too many or wrong")
}

func errNumber(why string) error {
	return fmt.Errorf("the phone number %s: %w", why, mspkit.ErrInvalid)
}
