package teamsapp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
)

// The limits of the texts of a [Brand] in characters (Unicode code points, as JSON Schema counts them), those of URLs and
// keys in bytes. They are those of Microsoft's schema
// (https://learn.microsoft.com/microsoftteams/platform/resources/schema/manifest-schema).
const (
	MaxShortName     = 30
	MaxFullName      = 100
	MaxSummary       = 80
	MaxDescription   = 4000
	MaxDeveloperName = 32
	MaxURL           = 2048
	MaxKey           = 128
	// MaxDomains is what the older versions of the schema take; 1.29 takes 100.
	MaxDomains = 16
	// MaxLanguages is how many translations a package may have: more than Teams has languages.
	MaxLanguages = 100
	// MaxLanguageTag is the longest tag of a language in characters.
	MaxLanguageTag = 26

	maxHost         = 253
	defaultLanguage = "en"
	shownValue      = 48 // characters of a value in an error
)

// Limit says how long a field of a [Brand] may be, so that a page needs no second list.
type Limit struct {
	// Field is the name as in [FieldError.Field], for example "ShortName" or "Developer.Website". Those of a Translation
	// follow its place: "More[0].ShortName".
	Field string
	// Max is how much of Unit ("characters", "bytes" or "entries") the field may have.
	Max  int
	Unit string
	// Required says that the field must not be empty, Lines that it may have line breaks and tabs.
	Required, Lines bool
}

// Limits returns the limit of each field of a [Brand], in the order of a form.
func Limits() []Limit {
	const chars, bytes = "characters", "bytes"
	return []Limit{
		{"Key", MaxKey, bytes, true, false},
		{"ShortName", MaxShortName, chars, true, false},
		{"FullName", MaxFullName, chars, false, false},
		{"Summary", MaxSummary, chars, true, false},
		{"Description", MaxDescription, chars, true, true},
		{"Language", MaxLanguageTag, chars, false, false},
		{"More", MaxLanguages, "entries", false, false},
		{"Developer.Name", MaxDeveloperName, chars, true, false},
		{"Developer.Website", MaxURL, bytes, true, false},
		{"Developer.Privacy", MaxURL, bytes, true, false},
		{"Developer.Terms", MaxURL, bytes, true, false},
		{"Domains", MaxDomains, "entries", false, false},
		{"Logo", DefaultMaxLogo, bytes, false, false},
	}
}

func limitOf(field string) Limit {
	all := Limits()
	return all[slices.IndexFunc(all, func(l Limit) bool { return l.Field == field })]
}

// TextLength returns how many characters of a limit a text uses up: Unicode code points, without white space around the
// text, and a line break of two characters counted as one.
func TextLength(s string) int { return utf8.RuneCountInString(cleanText(s)) }

// FieldError is one thing that is wrong with a [Brand] or [PackageOptions]. It is mspkit.ErrInvalid.
type FieldError struct {
	// Field is the name in Go, with the place in a list from 0: "ShortName", "More[1].Description", "Developer.Website",
	// "Domains[0]", "Logo", "PackageOptions.Schema".
	Field string
	// Reason says what is wrong and what to do, in English, and follows the field's name in a sentence.
	Reason string
	// Max is the limit that was passed, and Size how much there is; both 0 where it is not a matter of size.
	Max, Size int
	// Value is what was given, or its beginning, quoted: it has no character that could change how a text is shown. Of a
	// URL the query is left out, and what stands in front of an "@".
	Value string
}

// Error says field, limit and value.
func (e *FieldError) Error() string {
	s := "teamsapp: package: " + e.Field + " " + e.Reason
	if e.Value != "" {
		s += ": " + e.Value
	}
	return s
}

// Unwrap returns mspkit.ErrInvalid.
func (e *FieldError) Unwrap() error { return mspkit.ErrInvalid }

// Faults returns each [*FieldError] in an error of [NewPackage] or [NormalizeLogo], in the order in which they were found.
func Faults(err error) []*FieldError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*FieldError
		for _, e := range joined.Unwrap() {
			out = append(out, Faults(e)...)
		}
		return out
	}
	if f, ok := errors.AsType[*FieldError](err); ok {
		return []*FieldError{f}
	}
	return nil
}

func fault(field, value, reason string) error {
	return &FieldError{Field: field, Reason: reason, Value: quote(value)}
}

func tooMuch(field, value string, size, most int, unit string) error {
	return &FieldError{
		Field: field, Reason: fmt.Sprintf("has %d %s, at most %d are allowed", size, unit, most), Max: most, Size: size, Value: quote(value),
	}
}

// quote shows a value in an error: in quotes, what cannot be seen escaped, and not all of a long one.
func quote(v string) string {
	if v == "" {
		return ""
	}
	if before, _, ok := strings.Cut(v, "?"); ok && strings.Contains(before, "://") {
		v = before + "?…"
	}
	if scheme, rest, ok := strings.Cut(v, "://"); ok {
		if i := strings.LastIndex(rest, "@"); i >= 0 { // a user, perhaps with a password
			v = scheme + "://…" + rest[i:]
		}
	}
	v = strings.ToValidUTF8(v, "\uFFFD")
	if utf8.RuneCountInString(v) > shownValue {
		v = string([]rune(v)[:shownValue]) + "…"
	}
	return strconv.Quote(v)
}

// cleanText leaves out what nobody typed on purpose: white space around a text, and the carriage returns of forms.
func cleanText(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
}

// check reports all that is wrong with a clean brand but its logo.
func (b Brand) check() []error {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	note(checkKey(b.Key))
	note(checkGUID("BotID", b.BotID))
	if b.GraphID != b.BotID {
		note(checkGUID("GraphID", b.GraphID))
	}
	errs = append(errs, b.Texts.check("")...)
	errs = append(errs, b.checkLanguages()...)
	if _, err := parseAccent(b.Accent); err != nil {
		note(err)
	}
	d := b.Developer
	note(checkText("Developer.Name", d.Name, limitOf("Developer.Name")))
	note(checkURL("Developer.Website", d.Website))
	note(checkURL("Developer.Privacy", d.Privacy))
	note(checkURL("Developer.Terms", d.Terms))
	return append(errs, checkDomains(b.Domains)...)
}

func (t Texts) check(prefix string) []error {
	var errs []error
	for _, f := range []struct{ field, value string }{
		{"ShortName", t.ShortName},
		{"FullName", t.FullName},
		{"Summary", t.Summary},
		{"Description", t.Description},
	} {
		if err := checkText(prefix+f.field, f.value, limitOf(f.field)); err != nil {
			errs = append(errs, err)
		}
	}
	if t.Summary != "" && t.Summary == t.Description {
		errs = append(errs, fault(prefix+"Description", t.Description, "is the same as the summary: Microsoft wants a text that says more"))
	}
	return errs
}

func checkText(field, v string, l Limit) error {
	n := utf8.RuneCountInString(v)
	switch {
	case v == "" && l.Required:
		return &FieldError{Field: field, Reason: fmt.Sprintf("is missing: 1 to %d %s are needed", l.Max, l.Unit), Max: l.Max}
	case n > l.Max:
		return tooMuch(field, v, n, l.Max, l.Unit)
	case strings.EqualFold(v, "null"):
		return fault(field, v, "is a word that Microsoft's schema refuses")
	}
	if r, ok := hidden(v, l.Lines); ok {
		return fault(field, v, fmt.Sprintf("holds %s (%U), which cannot be seen or changes how its neighbours are shown: take it out", nameOf(r), r))
	}
	return nil
}

// hidden returns the first character that a text may not hold: controls, what turns or hides other characters, and what is
// none. Joiners between two characters stay, because Persian, Indian scripts and emoji are written with them.
func hidden(s string, lines bool) (rune, bool) {
	var last rune
	for i, r := range s {
		size := utf8.RuneLen(r)
		switch {
		case r == utf8.RuneError:
			return r, true
		case lines && (r == '\n' || r == '\t'):
		case r == 0x200C || r == 0x200D:
			next, _ := utf8.DecodeRuneInString(s[i+size:])
			if !joins(last) || !joins(next) {
				return r, true
			}
		case unicode.Is(unicode.Variation_Selector, r):
			if !joins(last) {
				return r, true
			}
		case unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point), r == 0x034F, r == 0x2800:
			return r, true
		}
		last = r
	}
	return 0, false
}

func joins(r rune) bool {
	return r != utf8.RuneError && unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.S, unicode.P)
}

func nameOf(r rune) string {
	switch {
	case r == utf8.RuneError:
		return "bytes that are no character"
	case r == '\n', r == '\r', r == 0x2028, r == 0x2029:
		return "a line break"
	case unicode.Is(unicode.Bidi_Control, r):
		return "a character that turns the direction of writing"
	case unicode.Is(unicode.Cc, r):
		return "a control character"
	}
	return "an invisible character"
}

func checkKey(k string) error {
	switch {
	case k == "":
		return &FieldError{Field: "Key", Reason: fmt.Sprintf("is missing: 1 to %d bytes are needed, which never change", MaxKey), Max: MaxKey}
	case len(k) > MaxKey:
		return tooMuch("Key", k, len(k), MaxKey, "bytes")
	}
	if r, ok := hidden(k, false); ok {
		return fault("Key", k, fmt.Sprintf("holds %s (%U): two keys could look alike", nameOf(r), r))
	}
	return nil
}

func checkGUID(field, v string) error {
	if v == "" {
		return &FieldError{Field: field, Reason: "is missing: it is the app id of an application in Entra, a GUID"}
	}
	u, err := uuid.Parse(v)
	if err != nil || len(v) != len(uuid.Nil.String()) {
		return fault(field, v, "is not a GUID of the form 01234567-89ab-cdef-0123-456789abcdef")
	}
	if u == uuid.Nil {
		return fault(field, v, "is the GUID of nothing: take the app id of the application in Entra")
	}
	return nil
}

// languageForm is narrower than the schema's pattern: a language begins with two or three letters.
var languageForm = regexp.MustCompile(`^[a-z]{2,3}(-[a-z0-9]{1,8}){0,2}$`)

func checkLanguage(field, tag string) error {
	if languageForm.MatchString(tag) {
		return nil
	}
	return fault(field, tag, `is not the tag of a language, such as "de", "pt-br" or "zh-hans-cn"`)
}

func (b Brand) checkLanguages() []error {
	var errs []error
	if err := checkLanguage("Language", b.Language); err != nil {
		errs = append(errs, err)
	}
	if n := len(b.More); n > MaxLanguages {
		return append(errs, tooMuch("More", "", n, MaxLanguages, "entries"))
	}
	seen := map[string]string{b.Language: "Language"}
	for i, t := range b.More {
		at := fmt.Sprintf("More[%d].", i)
		if err := checkLanguage(at+"Language", t.Language); err != nil {
			errs = append(errs, err)
		} else if first, ok := seen[t.Language]; ok {
			errs = append(errs, fault(at+"Language", t.Language, "is the language of "+first+" too: each may be there once, whether in capitals or not"))
		} else {
			seen[t.Language] = at + "Language"
		}
		errs = append(errs, t.check(at)...)
		if t.FullName != "" && b.FullName == "" {
			errs = append(errs, fault(at+"FullName", t.FullName, "translates a name that is not there: give the brand a full name too, or take this one away"))
		}
	}
	return errs
}

func parseAccent(v string) (rgb, error) {
	digits, ok := strings.CutPrefix(v, "#")
	c, err := hex.DecodeString(digits)
	if !ok || err != nil || len(c) != 3 {
		return rgb{}, fault("Accent", v, "is not a colour of the form #RRGGBB")
	}
	return rgb{c[0], c[1], c[2]}, nil
}

// checkURL takes https alone: Microsoft's schema allows http too, but a person who reads the privacy statement of what
// sends them codes should know who wrote it.
func checkURL(field, v string) error {
	switch {
	case v == "":
		return &FieldError{Field: field, Reason: fmt.Sprintf("is missing: an https URL of at most %d bytes is needed", MaxURL), Max: MaxURL}
	case len(v) > MaxURL:
		return tooMuch(field, v, len(v), MaxURL, "bytes")
	}
	for _, r := range v {
		if r <= ' ' || r > '~' {
			return fault(field, v, fmt.Sprintf("holds %U: write spaces and other letters as %%20 and so on, and hosts as xn--…", r))
		}
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		return fault(field, v, "is not a URL")
	case !strings.EqualFold(u.Scheme, "https"):
		return fault(field, v, "is not an https URL: Teams shows it as a link")
	case u.User != nil:
		return fault(field, "", "has a user name or password in it: take it out")
	case u.Opaque != "" || !hostForm.MatchString(strings.ToLower(u.Hostname())) || len(u.Hostname()) > maxHost:
		return fault(field, v, "has no host such as www.contoso.example")
	}
	return nil
}

var (
	hostForm   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`)
	number     = regexp.MustCompile(`^[0-9.]+$`)
	sharedHost = []string{
		"azurewebsites.net", "azurefd.net", "azureedge.net", "azurestaticapps.net", "cloudapp.net", "cloudapp.azure.com", "trafficmanager.net",
		"windows.net", "web.core.windows.net", "blob.core.windows.net", "cloudfront.net", "amazonaws.com", "github.io", "herokuapp.com",
		"ngrok.io", "ngrok-free.app", "devtunnels.ms", "pages.dev", "workers.dev", "vercel.app", "netlify.app", "web.app", "onmicrosoft.com",
		"microsoftonline.com", "microsoft.com", "sharepoint.com", "co.uk", "com.au", "co.nz", "co.jp", "com.br",
	}
)

// checkDomains refuses what is not a host, and wildcards for what belongs to everybody: a page there could then speak to
// Teams in the app's name (https://learn.microsoft.com/microsoftteams/platform/resources/schema/manifest-schema#validdomains).
func checkDomains(domains []string) []error {
	if n := len(domains); n > MaxDomains {
		return []error{tooMuch("Domains", "", n, MaxDomains, "entries")}
	}
	var errs []error
	seen := map[string]int{}
	for i, d := range domains {
		field := fmt.Sprintf("Domains[%d]", i)
		host := strings.TrimLeft(d, "*.") // a star stands for one label, and there may be several
		wild := strings.Count(d, "*.") > 0 && d == strings.Repeat("*.", strings.Count(d, "*."))+host
		first, twice := seen[d]
		switch {
		case len(d) > maxHost:
			errs = append(errs, tooMuch(field, d, len(d), maxHost, "bytes"))
		case !hostForm.MatchString(host) || number.MatchString(host) || !wild && host != d:
			errs = append(errs, fault(field, d, `is not a host such as "verify.contoso.example" or "*.contoso.example": leave out https://, port and path`))
		case wild && slices.Contains(sharedHost, host):
			errs = append(errs, fault(field, d, "names hosts that belong to others: name your own"))
		case twice:
			errs = append(errs, fault(field, d, fmt.Sprintf("is there already: Domains[%d]", first)))
		default:
			seen[d] = i
		}
	}
	return errs
}
