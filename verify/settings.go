package verify

import (
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
)

// Settings are what a tenant decides. The zero value is the safe default; [Settings.Brand] alone is required.
type Settings struct {
	// Brand is shown on pages and in messages.
	Brand mspkit.Brand
	// Locale is used for subjects without one; empty means "en".
	Locale string
	// Policy is what each action needs; nil means [DefaultPolicy].
	Policy    Policy
	Limits    Limits
	Freshness Freshness
	// Approval lists the people for whom a second technician must agree.
	Approval Approval
	// Sandbox is for the tests of those who build on this package; see verifytest.Sandbox.
	Sandbox Sandbox
}

// Limits bound what can be tried and sent. Zero means the default; where a negative value is named, it turns
// the limit off. Caps come from NIST SP 800-63B-4 and cannot be exceeded.
type Limits struct {
	// TTL is how long a code or number lives: default 5 minutes, cap [MaxTTL].
	TTL time.Duration
	// CodeDigits is the length of a code: default 6, 6 to 8.
	CodeDigits int
	// CodeTries is how often a code may be tried: default and cap 5.
	CodeTries int
	// NumberTries is how often a number or word may be tried: default and cap 2.
	NumberTries int
	// Sends is how often one challenge may be sent or given a new number: default 3, cap 5.
	Sends int
	// Cooldown is the least time between two messages to one destination, over all tenants: default 45 s,
	// negative turns it off.
	Cooldown time.Duration
	// PerDestination is how many messages one destination may get in 24 hours over all tenants: default 10,
	// negative turns it off.
	PerDestination int
	// UnverifiedPerDestination is how many messages one destination may get in 24 hours over all tenants without any of
	// them being confirmed, on a channel that costs money ([Budgeter]): default 5, negative turns it off. The message
	// that reaches it stores an [EventLimit].
	UnverifiedPerDestination int
	// PerSubject is how many messages one subject may get in 24 hours: default 20, negative turns it off.
	PerSubject int
	// LockAfter is how many failures in a row lock a subject: default and cap 100.
	LockAfter int
	// ProofTTL is how long a proof can be redeemed: default and cap [MaxTTL].
	ProofTTL time.Duration
	// FreezeFor is how long "not me" from an authenticated channel freezes a subject: default 1 hour.
	FreezeFor time.Duration
}

// Freshness guards against addresses that an attacker has just put on record.
type Freshness struct {
	// MinAge is how long an address must have been known: default 14 days, negative turns the guard off.
	MinAge time.Duration
	// Refuse makes a fresh address unusable. Otherwise it is used, with [AssuranceUnproven].
	Refuse bool
}

// The hard caps.
const (
	// MaxTTL is the cap for codes, numbers and proofs: the 10 minutes of SP 800-63B-4 less the minute by which the
	// clocks of two instances may differ.
	MaxTTL       = 9 * time.Minute
	MaxCodeTries = 5
	// MaxNumberTries is the cap for numbers and words.
	MaxNumberTries = 2
	MaxLockAfter   = 100
)

const day = 24 * time.Hour

// withDefaults returns s with every zero replaced, or everything that is wrong with it.
func (s Settings) withDefaults() (Settings, error) {
	var errs []error
	if err := s.Brand.Validate(); err != nil {
		errs = append(errs, err)
	}
	if s.Locale == "" {
		s.Locale = "en"
	}
	if s.Policy == nil {
		s.Policy = DefaultPolicy()
	}
	errs = append(errs, s.Policy.validate())
	l := &s.Limits
	errs = append(errs,
		inRange("TTL", &l.TTL, 5*time.Minute, 30*time.Second, MaxTTL, false),
		inRange("CodeDigits", &l.CodeDigits, 6, 6, 8, false),
		inRange("CodeTries", &l.CodeTries, MaxCodeTries, 1, MaxCodeTries, false),
		inRange("NumberTries", &l.NumberTries, MaxNumberTries, 1, MaxNumberTries, false),
		inRange("Sends", &l.Sends, 3, 1, 5, false),
		inRange("Cooldown", &l.Cooldown, 45*time.Second, time.Second, day, true),
		inRange("PerDestination", &l.PerDestination, 10, 1, 1_000_000, true),
		inRange("UnverifiedPerDestination", &l.UnverifiedPerDestination, 5, 1, 1_000_000, true),
		inRange("PerSubject", &l.PerSubject, 20, 1, 1_000_000, true),
		inRange("LockAfter", &l.LockAfter, MaxLockAfter, 1, MaxLockAfter, false),
		inRange("ProofTTL", &l.ProofTTL, MaxTTL, 10*time.Second, MaxTTL, false),
		inRange("FreezeFor", &l.FreezeFor, time.Hour, time.Minute, 30*day, false),
		inRange("MinAge", &s.Freshness.MinAge, 14*day, time.Minute, 10*365*day, true),
	)
	return s, errors.Join(errs...)
}

// inRange sets *v to def where it is zero and checks it against lo and hi; off allows negative values.
func inRange[T int | time.Duration](name string, v *T, def, lo, hi T, off bool) error {
	switch {
	case *v == 0:
		*v = def
	case *v < 0 && off:
	case *v < lo || *v > hi:
		return fmt.Errorf("settings: %s is %v, it must be %v to %v: %w", name, *v, lo, hi, ErrInvalid)
	}
	return nil
}

// fresh returns why d is worth little at now, as the end of a sentence that begins with the address, or "".
func (f Freshness) fresh(d Destination, now time.Time) string {
	switch {
	case f.MinAge < 0:
		return ""
	case d.TypedBy != "":
		return "was typed by hand"
	case d.FirstSeen.IsZero():
		return "has no date since when it is on record"
	case now.Sub(d.FirstSeen) < f.MinAge:
		return "is less than " + age(f.MinAge) + " old"
	}
	return ""
}

// age says a duration in words as far as it is whole days.
func age(d time.Duration) string {
	if d > day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}
