package smschannel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"github.com/mspkit/mspkit"
)

// ErrCountry means that a number is in a country to which no text messages are sent; see [Options.Countries]. It
// is a [mspkit.ErrInvalid].
var ErrCountry = fmt.Errorf("text messages are not sent to this country: %w", mspkit.ErrInvalid)

// maxPhone bounds what Canonical looks at, in bytes; digits of some scripts take four.
const maxPhone = 128

// phones reads numbers and knows which are allowed.
type phones struct {
	region    string
	countries map[string]bool
	lenient   bool
}

func newPhones(o *Options) (phones, error) {
	p := phones{region: o.Region, countries: map[string]bool{}, lenient: o.AllowUnassigned}
	known := phonenumbers.GetSupportedRegions()
	var errs []error
	if o.Region != "" && !known[o.Region] {
		errs = append(errs, fmt.Errorf("Options.Region %q is not an ISO 3166-1 code in upper case such as \"DE\": %w", o.Region, mspkit.ErrInvalid))
	}
	countries := slices.Clone(o.Countries)
	if countries == nil && o.Region != "" {
		countries = []string{o.Region}
	}
	if len(countries) == 0 {
		errs = append(errs, fmt.Errorf("set Options.Region or Options.Countries: the countries must be named to which messages go: %w", mspkit.ErrInvalid))
	}
	for _, c := range o.Countries {
		if !known[c] {
			errs = append(errs, fmt.Errorf("Options.Countries: %q is not an ISO 3166-1 code in upper case such as \"DE\": %w", c, mspkit.ErrInvalid))
		}
	}
	for _, c := range countries {
		p.countries[c] = true
	}
	return p, errors.Join(errs...)
}

// Canonical returns address in E.164 form, such as +4915112345678. It takes international numbers ("+49 151…",
// "0049 151…"), national ones where [Options.Region] is set, digits of every script, and the punctuation that people
// use, also "(0)". It refuses extensions, letters, numbers that no phone has, numbers that are not a person's
// (premium-rate, toll-free and the like), and numbers outside the allowed countries. The error is
// [mspkit.ErrInvalid] or [ErrCountry] and does not repeat the number.
func (c *Channel) Canonical(address string) (string, error) { return c.phones.canonical(address) }

func (p phones) canonical(s string) (string, error) {
	dial, err := dialled(s)
	if err != nil {
		return "", err
	}
	n, err := p.read(dial)
	if err != nil {
		return "", err
	}
	out := phonenumbers.Format(n, phonenumbers.E164)
	if !e164(out) {
		return "", errNumber("has not the 7 to 15 digits of a phone number")
	}
	if !p.lenient && !personal(n) {
		return "", errNumber("is not a number that a person carries, such as a premium-rate or toll-free one")
	}
	country := countryOf(n)
	if !p.countries[country] {
		if country == "" {
			country = "of no single one"
		}
		return "", fmt.Errorf("country %s: %w", country, ErrCountry)
	}
	// Reading must be stable, so that one phone has one spelling and one limit.
	if again, err := p.read(out); err != nil || phonenumbers.Format(again, phonenumbers.E164) != out {
		return "", errNumber("can be read in two ways: write it with + and the country code")
	}
	return out, nil
}

// dialled returns what somebody would dial for s: ASCII digits, with a plus in front where s begins with one.
func dialled(s string) (string, error) {
	if len(s) > maxPhone {
		return "", errNumber("is too long")
	}
	var b strings.Builder
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
			return "", errNumber("has an extension or letters, which a text message cannot reach: keep the bare number")
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
func (p phones) read(dial string) (*phonenumbers.PhoneNumber, error) {
	abroad, international := "+"+strings.TrimPrefix(dial, "00"), strings.HasPrefix(dial, "00")
	switch {
	case strings.HasPrefix(dial, "+"):
		abroad, international = dial, true
	case p.region != "":
		if n, err := phonenumbers.Parse(dial, p.region); err == nil && p.usable(n) {
			return n, nil
		}
	case !international:
		return nil, errNumber("must begin with + and the country code")
	}
	if international {
		if n, err := phonenumbers.Parse(abroad, ""); err == nil && p.usable(n) {
			return n, nil
		}
	}
	return nil, errNumber("is not one that a phone can have: digits are missing, too many or wrong")
}

func (p phones) usable(n *phonenumbers.PhoneNumber) bool {
	if p.lenient {
		return phonenumbers.IsPossibleNumber(n)
	}
	return phonenumbers.IsValidNumber(n)
}

// country returns the ISO code of a canonical number, "ZZ" where it has none.
func (p phones) country(canonical string) string {
	if n, err := phonenumbers.Parse(canonical, ""); err == nil {
		if c := countryOf(n); c != "" {
			return c
		}
	}
	return "ZZ"
}

// countryOf returns the country of n, "" for numbers of none. An unassigned number counts to the largest country
// with its country code.
func countryOf(n *phonenumbers.PhoneNumber) string {
	c := phonenumbers.GetRegionCodeForNumber(n)
	if c == "" {
		c = phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
	}
	if len(c) != 2 || c == "ZZ" { // 001 is satellites, international freephone and the like
		return ""
	}
	return c
}

// personal leaves out what costs the caller or the called extra, or rings at no person. Personal numbering, such
// as 070 in the United Kingdom, forwards at the sender's cost.
func personal(n *phonenumbers.PhoneNumber) bool {
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST, phonenumbers.TOLL_FREE, phonenumbers.UAN,
		phonenumbers.VOICEMAIL, phonenumbers.PERSONAL_NUMBER, phonenumbers.PAGER:
		return false
	default:
		return true
	}
}

// e164 reports whether s is +, a country code that does not begin with 0, and 7 to 15 digits in all.
func e164(s string) bool {
	d, ok := strings.CutPrefix(s, "+")
	return ok && len(d) >= 7 && len(d) <= 15 && d[0] != '0' && strings.Trim(d, "0123456789") == ""
}

// digit returns the ASCII form of a decimal digit of any script. Unicode has them in runs of ten, in order.
func digit(r rune) (byte, bool) {
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	start := r
	for unicode.Is(unicode.Nd, start-1) {
		start--
	}
	return byte('0' + (r-start)%10), true
}

func errNumber(why string) error {
	return fmt.Errorf("the phone number %s: %w", why, mspkit.ErrInvalid)
}
