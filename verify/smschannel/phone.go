package smschannel

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nyaruka/phonenumbers"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/phone"
)

// ErrCountry means that a number is in a country to which no text messages are sent; see [Options.Countries]. It
// is a [mspkit.ErrInvalid].
var ErrCountry = fmt.Errorf("text messages are not sent to this country: %w", mspkit.ErrInvalid)

// phones reads numbers and knows which are allowed.
type phones struct {
	reader    phone.Reader
	countries map[string]bool
}

func newPhones(o *Options) (phones, error) {
	p := phones{reader: phone.Reader{Region: o.Region, AllowUnassigned: o.AllowUnassigned}, countries: map[string]bool{}}
	var errs []error
	if o.Region != "" && !phone.KnownRegion(o.Region) {
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
		if !phone.KnownRegion(c) {
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
	n, out, err := p.reader.Read(s)
	if err != nil {
		return "", err
	}
	if !p.reader.AllowUnassigned && !personal(n) {
		return "", fmt.Errorf("the phone number is not one that a person carries, such as a premium-rate or toll-free one: %w", mspkit.ErrInvalid)
	}
	country := phone.Country(n)
	if !p.countries[country] {
		if country == "" {
			country = "of no single one"
		}
		return "", fmt.Errorf("country %s: %w", country, ErrCountry)
	}
	return out, nil
}

// country returns the ISO code of a canonical number, "ZZ" where it has none.
func (p phones) country(canonical string) string {
	if n, err := phonenumbers.Parse(canonical, ""); err == nil {
		if c := phone.Country(n); c != "" {
			return c
		}
	}
	return "ZZ"
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
