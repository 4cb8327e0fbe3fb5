package phone

import (
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/nyaruka/phonenumbers"
)

// plan is what the metadata of the library says of one country code, with its patterns compiled. The library answers the
// same in some 50 to 100 µs: for each of a dozen kinds of numbers it builds the text of a pattern, looks it up behind a
// lock and matches it twice, and that for the region of a number and then for its validity.
type plan struct {
	code int
	// trunk matches where the library would take a prefix away, such as the 0 in +49 0151; nil where there is none.
	trunk *regexp.Regexp
	// regions are those with the code, in the order in which the library asks them.
	regions []region
}

// region is a region of a plan.
type region struct {
	leading *regexp.Regexp // of the numbers that are the region's, nil where only validity tells
	general kind
	kinds   []kind
	other   bool // the metadata has it under another country code, and no number with this one is valid in it
}

// kind is a kind of numbers, such as mobile ones.
type kind struct {
	lengths []int32 // none means those of the region
	pattern *regexp.Regexp
}

// plans are made when a number with their code is first read. Codes have one to three digits.
var plans [1000]atomic.Pointer[plan]

// regions is the metadata by region, and by code where it is of none, as for satellites.
var regions = sync.OnceValue(func() map[string]*phonenumbers.PhoneMetadata {
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		return nil // the library would not have come up
	}
	out := map[string]*phonenumbers.PhoneMetadata{}
	for _, m := range all.GetMetadata() {
		out[regionKey(m.GetId(), int(m.GetCountryCode()))] = m
	}
	return out
})

func regionKey(id string, code int) string {
	if id == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
		return id + strconv.Itoa(code)
	}
	return id
}

// planFor returns the plan of a country code, nil where it is none or its metadata is not as expected.
func planFor(code int) *plan {
	if code <= 0 || code >= len(plans) || !phonenumbers.GetSupportedCallingCodes()[code] {
		return nil
	}
	if p := plans[code].Load(); p != nil {
		return p
	}
	p := newPlan(code)
	if p != nil {
		plans[code].Store(p)
	}
	return p
}

func newPlan(code int) *plan {
	p := &plan{code: code}
	for i, id := range phonenumbers.GetRegionCodesForCountryCode(code) {
		m := regions()[regionKey(id, code)]
		if m == nil || m.GetGeneralDesc() == nil {
			return nil
		}
		if s := m.GetNationalPrefixForParsing(); i == 0 && s != "" { // the first region counts for all
			p.trunk = regexp.MustCompile("^(?:" + s + ")")
		}
		r := region{general: newKind(m.GetGeneralDesc()), other: int(m.GetCountryCode()) != code}
		if s := m.GetLeadingDigits(); s != "" {
			r.leading = regexp.MustCompile("^(?:" + s + ")")
		}
		kinds := []*phonenumbers.PhoneNumberDesc{
			m.GetFixedLine(), m.GetTollFree(), m.GetPremiumRate(), m.GetSharedCost(), m.GetVoip(), m.GetPersonalNumber(),
			m.GetPager(), m.GetUan(), m.GetVoicemail(),
		}
		if !m.GetSameMobileAndFixedLinePattern() {
			kinds = slices.Insert(kinds, 0, m.GetMobile()) // most numbers of people are
		}
		for _, d := range kinds {
			if d.GetNationalNumberPattern() != "" {
				r.kinds = append(r.kinds, newKind(d))
			}
		}
		p.regions = append(p.regions, r)
	}
	if len(p.regions) == 0 {
		return nil
	}
	return p
}

func newKind(d *phonenumbers.PhoneNumberDesc) kind {
	return kind{lengths: d.GetPossibleLength(), pattern: regexp.MustCompile("^(?:" + d.GetNationalNumberPattern() + ")$")}
}

// valid is phonenumbers.IsValidNumber of national digits.
func (p *plan) valid(national string) bool {
	for i := range p.regions {
		r := &p.regions[i]
		switch {
		case r.leading != nil && len(p.regions) > 1:
			if r.leading.MatchString(national) { // it is of this region, valid or not
				return !r.other && r.valid(national)
			}
		case r.valid(national):
			return !r.other
		}
	}
	return false
}

func (r *region) valid(national string) bool {
	if !r.general.has(national) {
		return false
	}
	for i := range r.kinds {
		if r.kinds[i].has(national) {
			return true
		}
	}
	return false
}

func (k *kind) has(national string) bool {
	return (len(k.lengths) == 0 || slices.Contains(k.lengths, int32(len(national)))) && k.pattern.MatchString(national)
}

// split returns the plan of the country code at the start of digits, and what follows it.
func split(digits string) (*plan, string) {
	for n := 1; n <= 3 && n < len(digits); n++ { // no code begins with another one
		code, err := strconv.Atoi(digits[:n])
		if err != nil {
			return nil, ""
		}
		if phonenumbers.GetSupportedCallingCodes()[code] {
			return planFor(code), digits[n:]
		}
	}
	return nil, ""
}

// direct reads what is dialled with a plus and has the form of E.164 as it is, so that its spelling is its own. It reports
// false where the library has to look, because there may be a prefix to take away or the code is unknown.
func direct(dial string) (p *plan, national string, ok bool) {
	if !e164(dial) {
		return nil, "", false
	}
	p, national = split(dial[1:])
	if p == nil || len(national) < 2 || p.trunk != nil && p.trunk.MatchString(national) {
		return nil, "", false
	}
	return p, national, true
}

// number is what the library makes of a number with these parts.
func (p *plan) number(national string) *phonenumbers.PhoneNumber {
	zeros := 0
	for zeros < len(national)-1 && national[zeros] == '0' { // the last one is the number itself
		zeros++
	}
	value, _ := strconv.ParseUint(national, 10, 64) // 15 digits at the most
	code := int32(p.code)
	n := &phonenumbers.PhoneNumber{CountryCode: &code, NationalNumber: &value}
	if zeros > 0 {
		n.ItalianLeadingZero = new(true)
	}
	if zeros > 1 {
		count := int32(zeros)
		n.NumberOfLeadingZeros = &count
	}
	return n
}
