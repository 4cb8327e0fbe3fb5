package securesend

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// The regions that most hosts need; any other name of the host's own does as well.
const (
	RegionCanada    = "Canada Central"
	RegionUS        = "Central US"
	RegionEurope    = "Europe"
	RegionAustralia = "Australia East"
	RegionUK        = "UK South"
)

// european are the members of the European Economic Area, and Switzerland.
var european = strings.Fields("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO CH")

// RegionOf returns the preset for a country, an ISO 3166-1 code of two letters such as "DE", or "" where there is none near.
func RegionOf(country string) string {
	switch c := strings.ToUpper(country); {
	case c == "CA":
		return RegionCanada
	case c == "US":
		return RegionUS
	case c == "AU" || c == "NZ":
		return RegionAustralia
	case c == "GB":
		return RegionUK
	case slices.Contains(european, c):
		return RegionEurope
	}
	return ""
}

// MaxTTL is the longest life of a send.
const MaxTTL = 30 * day

const day = 24 * time.Hour

// Settings are what a tenant decides. The zero value is the safe default; [Settings.Brand] alone is required.
type Settings struct {
	// Brand is shown on pages and in messages; Locale is their language where nobody says better: default "en".
	Brand  mspkit.Brand
	Locale string
	// Country is the tenant's, for the default of Region: a code as in [RegionOf].
	Country string
	// Defaults are for sends that do not say otherwise.
	Defaults Choice
	// LockTechnician makes [Choice] the tenant's alone: a technician who gives any field of it gets a
	// [*LockedFieldError].
	LockTechnician bool

	// FilesOff refuses files.
	FilesOff bool
	// MaxText is the longest text in bytes: default 256 KiB, cap 512 KiB. MaxSize is the most that the files of one
	// send may have together: default 1 GiB. MaxFiles is how many: default 20, cap [MaxFiles].
	MaxText  int
	MaxSize  int64
	MaxFiles int
	// TextTTL is how long a text lives, FileTTL a send with files: default 1 day each, cap MaxTTL of this struct.
	TextTTL, FileTTL time.Duration
	// MaxTTL is the longest life that a technician may choose: default and cap [MaxTTL].
	MaxTTL time.Duration
	// NumberTries is how often the number may be tried: default and cap 2. CodeTries is for [GateCode]: default and cap 5.
	// PassphraseTries is for the passphrase: default 10, cap 20.
	NumberTries, CodeTries, PassphraseTries int
	// Templates are the messages with a link by the name of their sender, such as "sms": default [DefaultTemplate].
	// They must contain ${link} and may contain ${brand} and ${technician}.
	Templates map[string]string
	// Subject is that of mails: default "A secure message from ${brand}". It must not contain ${link}.
	Subject string
}

// Choice is what a technician may decide for one send, unless [Settings.LockTechnician] is set. Zero takes the tenant's.
type Choice struct {
	// TTL is how long it lives. In [Settings.Defaults] it must be zero: there TextTTL and FileTTL say it.
	TTL time.Duration
	// Views is how often it can be opened: default 1, cap 100.
	Views int
	// AfterView is how long it lives at most after the first view: default until its end.
	AfterView time.Duration
	// Region names the blob store: default by [Settings.Country], or the only one that there is.
	Region string
	// Gate is what the recipient must bring besides the link: default [GateNumber].
	Gate Gate
	// Header is shown on the page above everything, Message with the content: at most 300 and 2000 characters.
	Header, Message string
	// LogTo is where events go: "ticket" (the default), "contact" or "none". LogPublic lets the client see them.
	LogTo     string
	LogPublic bool
	// Held puts the whole key into the path of the link, for hosts whose messages lose fragments: off by default. The
	// server sees it when the link is opened, and so does whoever logs paths: a weaker promise.
	Held bool
	// DataToNote writes what is sent into an internal note, in clear: off by default. It needs [Options.DataNoter] and a
	// ticket, and works with [Service.Create] only.
	DataToNote bool
}

// DefaultTemplate is the message with a link where a tenant has none of its own.
const DefaultTemplate = "${brand}: ${technician} has sent you something that can be opened once: ${link}"

const defaultSubject = "A secure message from ${brand}"

// Same returns a settings function that gives every tenant the same settings.
func Same(s Settings) func(context.Context, mspkit.TenantID) (Settings, error) {
	return func(context.Context, mspkit.TenantID) (Settings, error) { return s, nil }
}

// given returns the names of the fields of c that are set.
func (c Choice) given() []string {
	var out []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"TTL", c.TTL != 0},
		{"Views", c.Views != 0},
		{"AfterView", c.AfterView != 0},
		{"Region", c.Region != ""},
		{"Gate", c.Gate != ""},
		{"Header", c.Header != ""},
		{"Message", c.Message != ""},
		{"LogTo", c.LogTo != ""},
		{"LogPublic", c.LogPublic},
		{"Held", c.Held},
		{"DataToNote", c.DataToNote},
	} {
		if f.set {
			out = append(out, f.name)
		}
	}
	return out
}

// over returns c with its zeros replaced by those of d.
func (c Choice) over(d Choice) Choice {
	pick(&c.TTL, d.TTL)
	pick(&c.Views, d.Views)
	pick(&c.AfterView, d.AfterView)
	pick(&c.Region, d.Region)
	pick(&c.Gate, d.Gate)
	pick(&c.Header, d.Header)
	pick(&c.Message, d.Message)
	pick(&c.LogTo, d.LogTo)
	pick(&c.LogPublic, d.LogPublic)
	pick(&c.Held, d.Held)
	pick(&c.DataToNote, d.DataToNote)
	return c
}

func pick[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c *Choice) validate(maxTTL time.Duration) error {
	errs := []error{
		inRange("Views", &c.Views, 1, 1, 100),
	}
	if c.TTL < time.Minute || c.TTL > maxTTL {
		errs = append(errs, fmt.Errorf("TTL is %s, it must be 1m to %s: %w", c.TTL, maxTTL, ErrInvalid))
	}
	if c.AfterView < 0 || c.AfterView > 0 && c.AfterView < Lease {
		errs = append(errs, fmt.Errorf("AfterView is %s, it must be %s or more: %w", c.AfterView, Lease, ErrInvalid))
	}
	switch c.Gate {
	case GateNumber, GateCode, GateProof, GateNone:
	default:
		errs = append(errs, fmt.Errorf("Gate %q is none of number, code, proof and none: %w", c.Gate, ErrInvalid))
	}
	switch c.LogTo {
	case "ticket", "contact", "none":
	default:
		errs = append(errs, fmt.Errorf("LogTo %q is none of ticket, contact and none: %w", c.LogTo, ErrInvalid))
	}
	for _, t := range []struct {
		name  string
		value string
		most  int
	}{{"Header", c.Header, 300}, {"Message", c.Message, 2000}, {"Region", c.Region, 64}} {
		if n := len([]rune(t.value)); n > t.most {
			errs = append(errs, fmt.Errorf("%s has %d characters, at most %d are allowed: %w", t.name, n, t.most, ErrInvalid))
		}
	}
	return errors.Join(errs...)
}

// withDefaults returns s with every zero replaced, or everything that is wrong with it.
func (s Settings) withDefaults() (Settings, error) {
	pick(&s.Locale, "en")
	errs := []error{
		s.Brand.Validate(), checkLocale(s.Locale),
		inRange("MaxText", &s.MaxText, 256<<10, 1, 512<<10),
		inRange("MaxSize", &s.MaxSize, 1<<30, 1, MaxFileSize),
		inRange("MaxFiles", &s.MaxFiles, 20, 1, MaxFiles),
		inRange("MaxTTL", &s.MaxTTL, MaxTTL, time.Minute, MaxTTL),
		inRange("NumberTries", &s.NumberTries, 2, 1, 2),
		inRange("CodeTries", &s.CodeTries, 5, 1, 5),
		inRange("PassphraseTries", &s.PassphraseTries, 10, 1, 20),
	}
	errs = append(errs,
		inRange("TextTTL", &s.TextTTL, min(day, s.MaxTTL), time.Minute, s.MaxTTL),
		inRange("FileTTL", &s.FileTTL, min(day, s.MaxTTL), time.Minute, s.MaxTTL),
	)
	if s.Defaults.TTL != 0 {
		errs = append(errs, fmt.Errorf("Defaults.TTL is set: use TextTTL and FileTTL: %w", ErrInvalid))
	}
	s.Defaults = s.Defaults.over(Choice{Views: 1, Region: RegionOf(s.Country), Gate: GateNumber, LogTo: "ticket"})
	check := s.Defaults
	check.TTL = s.TextTTL
	errs = append(errs, check.validate(s.MaxTTL))
	for name, t := range s.Templates {
		errs = append(errs, CheckTemplate(name, t))
	}
	pick(&s.Subject, defaultSubject)
	switch {
	case strings.Contains(s.Subject, "${link}"):
		errs = append(errs, fmt.Errorf("%s contains ${link}: subjects are shown on locked screens: %w", "Subject", ErrInvalid))
	case len(s.Subject) > 200 || !printable(s.Subject):
		errs = append(errs, fmt.Errorf("%s has more than 200 bytes or is not one line of text: %w", "Subject", ErrInvalid))
	default:
		errs = append(errs, checkPlaceholders("Subject", s.Subject))
	}
	if err := errors.Join(errs...); err != nil {
		return s, fmt.Errorf("settings: %w", err)
	}
	return s, nil
}

// Validate reports everything that is wrong with s, for a page on which a tenant changes them.
func (s Settings) Validate() error {
	_, err := s.withDefaults()
	if err != nil {
		return fmt.Errorf("securesend: %w", err)
	}
	return nil
}

// inRange sets *v to def where it is zero and checks it against lo and hi.
func inRange[T int | int64 | time.Duration](name string, v *T, def, lo, hi T) error {
	if *v == 0 {
		*v = def
	}
	if *v < lo || *v > hi {
		return fmt.Errorf("%s is %v, it must be %v to %v: %w", name, *v, lo, hi, ErrInvalid)
	}
	return nil
}

// checkLocale reports whether s is empty or may be a language tag.
func checkLocale(s string) error {
	if len(s) > 35 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return fmt.Errorf("%s is not a language tag such as de-AT: %w", "Locale", ErrInvalid)
	}
	return nil
}

var placeholder = regexp.MustCompile(`\$\{[^}]*\}?`)

// CheckTemplate reports whether a message of the sender name may look like t: it must contain ${link} once, and nothing
// but ${brand} and ${technician} besides.
func CheckTemplate(name, t string) error {
	if n := strings.Count(t, "${link}"); n != 1 {
		return fmt.Errorf("template %q contains ${link} %d times, it must contain it once: %w", name, n, ErrInvalid)
	}
	if len(t) > 2000 {
		return fmt.Errorf("template %q has %d bytes, at most 2000 are allowed: %w", name, len(t), ErrInvalid)
	}
	return checkPlaceholders(fmt.Sprintf("template %q", name), t)
}

func checkPlaceholders(what, t string) error {
	for _, p := range placeholder.FindAllString(t, -1) {
		if !slices.Contains([]string{"${link}", "${brand}", "${technician}"}, p) {
			return fmt.Errorf("%s contains %q, there are ${link}, ${brand} and ${technician}: %w", what, p, ErrInvalid)
		}
	}
	return nil
}

// fill replaces the placeholders of a template. A value is not searched for placeholders again, and cannot bring an
// address of another site.
func fill(t, link, brand, technician string) string {
	return strings.NewReplacer("${link}", link, "${brand}", cleantext.Name(brand, 64), "${technician}", cleantext.Name(technician, 64)).Replace(t)
}
