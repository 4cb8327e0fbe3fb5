package smschannel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// Facts is what is known about a number.
type Facts struct {
	// Line is the vendor's word for the kind of line, of those that Twilio and most others use: "mobile", "landline",
	// "nonFixedVoip" and so on. Empty or unknown words say nothing.
	Line string
	// SIMChangedAt is when its SIM card was changed last; zero where nobody knows.
	SIMChangedAt time.Time
	// SIMChanged is for vendors who say only that it was changed within a period that is agreed with them.
	SIMChanged bool
}

// Line is a kind of line.
type Line string

// The kinds of lines.
const (
	LineMobile   Line = "mobile"
	LineVoIP     Line = "voip"
	LineLandline Line = "landline"
	LinePremium  Line = "premium"   // calls and messages cost the sender extra
	LineTollFree Line = "toll-free" // a company's
	LineOther    Line = "other"     // shared cost, pager, voicemail, personal numbering, universal access
	LineUnknown  Line = ""
)

// Measure is what follows from something that was found out.
type Measure int

// The measures.
const (
	// MeasureDefault is what each field says that its default is.
	MeasureDefault Measure = iota
	// Accept uses the number as if nothing had been found.
	Accept
	// Doubt uses it like a number that is new: with verify.AssuranceUnproven, or not at all where the tenant refuses
	// fresh addresses.
	Doubt
	// Refuse sends nothing to it.
	Refuse
)

// Checks says what is found out about a number before a message goes there, and what follows. NIST SP 800-63B-4 asks to
// consider SIM changes before a text message is relied on.
type Checks struct {
	// Ask finds out about a number in E.164. Nil asks nobody, and then nothing else here matters. It must keep to the
	// deadline of ctx and be safe for concurrent use. It is called before every challenge that would go to a number, and
	// by verify.Service.Explain; vendors charge for it.
	Ask func(ctx context.Context, number string) (Facts, error)
	// Lines says what follows from the kind of line. Those not named keep the default: Accept for mobile and unknown
	// ones, Doubt for VoIP, which whoever knows a password can read from anywhere, Refuse for the others, which are not
	// a person's or cost extra.
	Lines map[Line]Measure
	// SIMAge is how long ago the SIM card must have been changed: default 7 days, negative does not care.
	SIMAge time.Duration
	// OnSIMChange is what follows from a younger one: default Doubt. Where nothing is known of the SIM card, which is so
	// in many countries, nothing follows.
	OnSIMChange Measure
	// OnFailure is what follows where Ask fails: default Refuse.
	OnFailure Measure
	// Timeout bounds Ask, for somebody is on the phone: default 5 s.
	Timeout time.Duration
	// Now is the clock: default time.Now.
	Now func() time.Time
}

// withDefaults returns c with every zero replaced, or everything that is wrong with it.
func (c Checks) withDefaults() (Checks, error) {
	var errs []error
	lines := map[Line]Measure{
		LineUnknown: Accept, LineMobile: Accept, LineVoIP: Doubt,
		LineLandline: Refuse, LinePremium: Refuse, LineTollFree: Refuse, LineOther: Refuse,
	}
	for line, m := range c.Lines {
		if _, ok := lines[line]; !ok {
			errs = append(errs, fmt.Errorf("Options.Checks.Lines: there is no kind of line %q: %w", line, mspkit.ErrInvalid))
		}
		if m != MeasureDefault {
			lines[line] = m
		}
		errs = append(errs, m.validate("Lines"))
	}
	errs = append(errs, c.OnSIMChange.validate("OnSIMChange"), c.OnFailure.validate("OnFailure"))
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("Options.Checks.Timeout is negative: %w", mspkit.ErrInvalid))
	}
	c.Lines = lines
	c.SIMAge, c.Timeout = cmp.Or(c.SIMAge, 7*24*time.Hour), cmp.Or(c.Timeout, 5*time.Second)
	c.OnSIMChange, c.OnFailure = cmp.Or(c.OnSIMChange, Doubt), cmp.Or(c.OnFailure, Refuse)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, errors.Join(errs...)
}

func (m Measure) validate(field string) error {
	if m < MeasureDefault || m > Refuse {
		return fmt.Errorf("Options.Checks.%s: there is no measure %d: %w", field, m, mspkit.ErrInvalid)
	}
	return nil
}

// Screen finds out about a number as [Options.Checks] says. It fails only where ctx ends.
func (c *Channel) Screen(ctx context.Context, address string) (verify.Screening, error) {
	k := c.checks
	if k.Ask == nil {
		return verify.Screening{}, nil
	}
	actx, cancel := context.WithTimeout(ctx, k.Timeout)
	f, err := k.Ask(actx, address)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return verify.Screening{}, ctx.Err()
		}
		return k.OnFailure.of("could not be checked for a changed SIM card and the kind of line"), nil
	}
	line := lineOf(f.Line)
	out := k.Lines[line].of(map[Line]string{
		LineVoIP: "is an internet number (VoIP), which can be read from anywhere", LineLandline: "is a landline",
		LinePremium: "is a premium-rate number", LineTollFree: "is a company's toll-free number",
		LineOther: "is not a person's number", LineMobile: "is a mobile number", LineUnknown: "is of an unknown kind",
	}[line])
	if k.SIMAge < 0 {
		return out, nil
	}
	sim := verify.Screening{}
	switch {
	case !f.SIMChangedAt.IsZero() && k.Now().Sub(f.SIMChangedAt) < k.SIMAge:
		sim = k.OnSIMChange.of("has a SIM card that was changed less than " + age(k.SIMAge) + " ago")
	case f.SIMChangedAt.IsZero() && f.SIMChanged:
		sim = k.OnSIMChange.of("has a SIM card that was changed lately")
	}
	return verify.Screening{Refuse: cmp.Or(out.Refuse, sim.Refuse), Doubt: cmp.Or(sim.Doubt, out.Doubt)}, nil
}

func (m Measure) of(why string) verify.Screening {
	switch m {
	case Refuse:
		return verify.Screening{Refuse: why}
	case Doubt:
		return verify.Screening{Doubt: why}
	case Accept, MeasureDefault: // a default is filled in
	}
	return verify.Screening{}
}

// age says a duration in words as far as it is whole days.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	if d > day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// lineOf reads a vendor's word. Twilio's are listed at
// https://www.twilio.com/docs/lookup/v2-api/line-type-intelligence#type-property-values.
func lineOf(word string) Line {
	switch word {
	case "mobile":
		return LineMobile
	case "fixedVoip", "nonFixedVoip", "voip":
		return LineVoIP
	case "landline":
		return LineLandline
	case "premium":
		return LinePremium
	case "tollFree", "toll-free":
		return LineTollFree
	case "sharedCost", "uan", "voicemail", "pager", "personal", "other":
		return LineOther
	}
	return LineUnknown
}
