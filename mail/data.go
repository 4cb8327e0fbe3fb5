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

// What [Data] may hold.
const (
	// MaxLines is how many lines a notification has at most.
	MaxLines   = 20
	maxAction  = 160
	maxHeading = 120
	maxLine    = 500
	maxLink    = 2048
)

// Data is what a mail says. Names, company, technician, ticket, action, role, heading and lines may come from people:
// they are cleaned, so that none becomes a link or markup, and cut, and what is empty is left out of the sentence. Each
// template uses what it needs and ignores the rest:
//
//	template                required                     shown where given
//	VerificationCode        Code, Expires                Name, Company, Technician, Ticket, Action
//	VerificationLink        Link, Expires                Name, Company, Technician, Ticket, Action
//	TechnicianLink          Link, Expires                Name, Company, Technician, Ticket, Action
//	SecurityNotice          Change, At                   Name, Company, Technician, Ticket, Left
//	OptIn                   Link, Expires, Consent       Name, Company, Technician, Number
//	SecureData              Link                         Name, Company, Technician, Ticket, Expires
//	PortalInvitation        Link, Expires                Name, Company, Technician
//	TechnicianInvitation    Link, Expires                Name, Technician, Role
//	PasswordReset           Link, Expires, Account       Name, Company
//	Notification            Heading, Lines               Name, Company, Ticket, Link, At
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
	// Link is an absolute https address (http on loopback only), shown once in text and HTML.
	Link mspkit.Redacted[string]
	// Code is 4 to 12 digits, shown in groups. Required by the code template.
	Code mspkit.Redacted[string]
	// Expires is how long link or code are valid from now, shown in whole minutes, at least 1; in the mails with long-lived
	// links from 2 hours on in whole hours and from 2 days on in whole days, rounded down.
	Expires time.Duration
	// Change is what a notice tells: one of [Changes]. At is when it happened, shown in UTC, and Left how many recovery
	// codes are left.
	Change string
	At     time.Time
	Left   int
	// Consent is what the opt-in letter asks for: one of [Consents]. Number is the telephone number that it concerns, of
	// which only the last two digits are shown.
	Consent string
	Number  string
	// Account is whose password is reset: one of [Accounts].
	Account string
	// Role is what an invited technician will be, as the MSP calls it.
	Role string
	// Heading and Lines are what a notification says: a few words for the subject, without a code, and 1 to [MaxLines] lines.
	Heading string
	Lines   []string
}

// Changes returns what a notice can tell of: that an authenticator app was "enrolled" or "removed", that there are new
// recovery codes ("recovery-renewed"), and that one was used ("recovery-used").
func Changes() []string { return []string{"enrolled", "removed", "recovery-renewed", "recovery-used"} }

// Consents returns what an opt-in letter can ask for: to write text messages ("sms"), to write in the company's chat
// ("chat"), or both ("sms-chat").
func Consents() []string { return []string{"sms", "chat", "sms-chat"} }

// Accounts returns whose password can be reset: that of an end user's account in the customer portal ("portal"), or of a
// technician's in the helpdesk ("technician").
func Accounts() []string { return []string{"portal", "technician"} }

// view is what templates see.
type view struct {
	Brand                                     brandView
	Name, Company, Technician, Ticket, Action string
	Link, Code                                string
	Minutes                                   int
	Count                                     int // of Unit, 0 where no time is given
	Unit                                      string
	Change, Time                              string
	Left                                      int
	Consent, Number, Account, Role, Heading   string
	Lines                                     []string
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
		Ticket: cleantext.Name(d.Ticket, 0), Action: cleantext.Name(d.Action, maxAction), Role: cleantext.Name(d.Role, 0),
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
	s := specs[name]
	if d.Expires < 0 || d.Expires == 0 && s.expires {
		fail("no time is given after which link or code expire")
	}
	v.Count, v.Unit = span(d.Expires)
	switch s.shows {
	case "Link":
		v.Link = d.Link.Reveal()
		if err := validLink(v.Link); err != nil {
			errs = append(errs, err)
		}
	case "Time":
		v.Left = d.Left
		if v.Time = timeText(d.At); v.Time == "" || d.Left < 0 {
			fail("a notice needs the time when it happened")
		}
	case "Code":
		v.Code = groupCode(d.Code.Reveal())
		if v.Code == "" {
			fail("a code must have 4 to 12 digits")
		}
	case "Lines":
		errs = append(errs, v.notify(d))
	}
	if c := s.choice; c != nil {
		if !slices.Contains(c.all(), *c.in(&d)) {
			fail(c.field + " must be one of " + strings.Join(c.all(), ", "))
		}
		v.Change, v.Consent, v.Account = d.Change, d.Consent, d.Account
		if c.field == "Consent" {
			v.Number = lastDigits(d.Number)
		}
	}
	return v, errors.Join(errs...)
}

// notify sets what a notification says.
func (v *view) notify(d Data) error {
	var errs []error
	if v.Heading = cleantext.Name(d.Heading, maxHeading); v.Heading == "" {
		errs = append(errs, fmt.Errorf("mail: a notification needs a heading: %w", mspkit.ErrInvalid))
	}
	if len(d.Lines) > MaxLines {
		errs = append(errs, fmt.Errorf("mail: a notification has %d lines, at most %d are allowed: %w", len(d.Lines), MaxLines, mspkit.ErrInvalid))
		d.Lines = d.Lines[:MaxLines]
	}
	for _, l := range d.Lines {
		if l = cleantext.Name(l, maxLine); l != "" {
			v.Lines = append(v.Lines, l)
		}
	}
	if len(v.Lines) == 0 {
		errs = append(errs, fmt.Errorf("mail: a notification needs a line: %w", mspkit.ErrInvalid))
	}
	if v.Link = d.Link.Reveal(); v.Link != "" {
		errs = append(errs, validLink(v.Link))
	}
	v.Time = timeText(d.At)
	return errors.Join(errs...)
}

// timeText returns t in UTC, or "" for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 MST")
}

// span returns d in the unit that people would say it in, rounded down so that nothing is promised for too long.
func span(d time.Duration) (int, string) {
	const day = 24 * time.Hour
	switch {
	case d <= 0:
		return 0, ""
	case d >= 2*day:
		return int(d / day), "day"
	case d >= 2*time.Hour:
		return int(d / time.Hour), "hour"
	}
	return max(1, int(d/time.Minute)), "minute"
}

// lastDigits returns the last two digits of a telephone number, or "" where these would be most of it.
func lastDigits(number string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
	if len(digits) < 6 {
		return ""
	}
	return digits[len(digits)-2:]
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
