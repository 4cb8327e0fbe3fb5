package mail

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/langtag"
)

const (
	maxAction = 160
	maxLink   = 2048
)

// Data is what a mail says. Names, company, technician, ticket and action may come from people: they are
// cleaned and cut, and what is empty is left out of the sentence.
type Data struct {
	// Tenant chooses the tenant's own templates. Empty means the shared ones.
	Tenant mspkit.TenantID
	// Brand is who writes. Its Name is required.
	Brand mspkit.Brand
	// Name is the recipient's.
	Name string
	// Company is the recipient's company.
	Company string
	// Technician is who asks.
	Technician string
	// Ticket is the ticket's number as people see it.
	Ticket string
	// Action says in the recipient's words what the verification is for, such as "reset your password".
	Action string
	// Link is an absolute https address (http on loopback only). Required by the link templates.
	Link mspkit.Redacted[string]
	// Code is 4 to 12 digits, shown in groups. Required by the code template.
	Code mspkit.Redacted[string]
	// Expires is how long link or code are valid from now. Required with them; shown in whole minutes, at least 1.
	Expires time.Duration
	// Change is what a notice tells: one of [Changes]. At is when it happened, shown in UTC, and Left how many recovery
	// codes are left. The first two are required by the notice template.
	Change string
	At     time.Time
	Left   int
}

// Changes returns what a notice can tell of: that an authenticator app was "enrolled" or "removed", that there are new
// recovery codes ("recovery-renewed"), and that one was used ("recovery-used").
func Changes() []string { return []string{"enrolled", "removed", "recovery-renewed", "recovery-used"} }

// view is what templates see.
type view struct {
	Brand                                     brandView
	Name, Company, Technician, Ticket, Action string
	Link, Code                                string
	Minutes                                   int
	Change, Time                              string
	Left                                      int
	Locale, Dir                               string
}

type brandView struct{ Name, Phone, Site, Color, OnColor string }

type layoutView struct {
	view
	Subject string
	Content htmltemplate.HTML
}

func (d Data) view(name, locale string) (view, error) {
	var errs []error
	fail := func(why string) { errs = append(errs, fmt.Errorf("mail: %s: %w", why, mspkit.ErrInvalid)) }
	if err := d.Brand.Validate(); err != nil {
		errs = append(errs, err)
	}
	v := view{
		Brand: brandView{
			Name: cleantext.Name(d.Brand.Name, 0), Phone: cleantext.Line(d.Brand.Phone, 0), Site: cleantext.Line(d.Brand.Site, 128),
			Color: d.Brand.Color,
		},
		Name: cleantext.Name(d.Name, 0), Company: cleantext.Name(d.Company, 0), Technician: cleantext.Name(d.Technician, 0),
		Ticket: cleantext.Name(d.Ticket, 0), Action: cleantext.Name(d.Action, maxAction),
		Minutes: max(1, int(d.Expires/time.Minute)),
		Locale:  locale, Dir: direction(locale),
	}
	if v.Brand.Name == "" {
		fail("the brand's name has no visible character")
	}
	if v.Brand.Color == "" {
		v.Brand.Color = defaultColor
	}
	v.Brand.OnColor = onColor(v.Brand.Color)
	if d.Expires <= 0 && required[name] != "Time" {
		fail("no time is given after which link or code expire")
	}
	switch required[name] {
	case "Link":
		v.Link = d.Link.Reveal()
		if err := validLink(v.Link); err != nil {
			errs = append(errs, err)
		}
	case "Time":
		v.Change, v.Time, v.Left = d.Change, d.At.UTC().Format("2006-01-02 15:04 MST"), d.Left
		if !slices.Contains(Changes(), d.Change) || d.At.IsZero() || d.Left < 0 {
			fail("a notice needs a known change and the time when it happened")
		}
	case "Code":
		v.Code = groupCode(d.Code.Reveal())
		if v.Code == "" {
			fail("a code must have 4 to 12 digits")
		}
	}
	return v, errors.Join(errs...)
}

// validLink accepts what a mail client turns into exactly this link. The error never repeats it.
func validLink(s string) error {
	bad := func(why string) error { return fmt.Errorf("mail: link %s: %w", why, mspkit.ErrInvalid) }
	if s == "" || len(s) > maxLink {
		return bad("is empty or longer than " + strconv.Itoa(maxLink) + " bytes")
	}
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune("<>\"'`\\{}|^", r) {
			return bad("has a character that is not allowed in a URL")
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil {
		return bad("is not an absolute URL")
	}
	if u.Scheme == "https" {
		return nil
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return bad("must begin with https://")
}

// groupCode returns "123 456" for "123456", or "" where s is not 4 to 12 digits with spaces between them.
func groupCode(s string) string {
	s = strings.ReplaceAll(s, " ", "")
	if len(s) < 4 || len(s) > 12 || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	size := 3
	if len(s)%4 == 0 {
		size = 4
	}
	var groups []string
	for len(s) > size+1 {
		groups, s = append(groups, s[:size]), s[size:]
	}
	return strings.Join(append(groups, s), " ")
}

const defaultColor = "#1f5fbf"

// onColor returns white or near-black, whichever is easier to read on color (WCAG relative luminance).
func onColor(color string) string {
	n, err := strconv.ParseUint(strings.TrimPrefix(color, "#"), 16, 32)
	if err != nil {
		return "#ffffff"
	}
	lin := func(c uint64) float64 {
		f := float64(c) / 255
		return f * f // close enough to the exact curve to choose between two colours
	}
	if l := 0.2126*lin(n>>16&255) + 0.7152*lin(n>>8&255) + 0.0722*lin(n&255); l > 0.19 {
		return "#111111"
	}
	return "#ffffff"
}

// localeChain returns "de-at", "de" for "de-AT" or "de_AT", and nothing for what is not a locale.
func localeChain(locale string) []string {
	l := langtag.Normal(locale)
	if !validLocale(l) {
		return nil
	}
	return slices.Collect(langtag.Fallbacks(l))
}

// validLocale reports whether s has the shape of a BCP 47 tag; whether the language exists does not matter.
func validLocale(s string) bool {
	if s == "" || len(s) > 35 || !utf8.ValidString(s) {
		return false
	}
	for i, sub := range strings.Split(s, "-") {
		if sub == "" || len(sub) > 8 || i == 0 && len(sub) < 2 {
			return false
		}
		for _, r := range sub {
			if r > unicode.MaxASCII || !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
				return false
			}
		}
	}
	return true
}

// direction returns "rtl" for languages and scripts that are written from right to left.
func direction(locale string) string {
	for i, sub := range strings.Split(strings.ToLower(locale), "-") {
		switch sub {
		case "arab", "hebr", "thaa", "syrc", "nkoo", "adlm":
			return "rtl"
		case "latn", "cyrl":
			return "ltr"
		case "ar", "he", "iw", "fa", "ur", "yi", "ps", "sd", "ug", "dv", "ckb", "nqo", "syr":
			if i == 0 && !strings.Contains(strings.ToLower(locale), "-latn") && !strings.Contains(strings.ToLower(locale), "-cyrl") {
				return "rtl"
			}
		}
	}
	return "ltr"
}
