package teamsapp

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// The limits, in characters but for the first. Teams states two: a message of 28 KB reaches all clients, and six
// buttons are shown (https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/design-effective-cards).
// The others keep one text from pushing the rest out of sight.
const (
	maxCard      = 28 << 10 // bytes
	maxActions   = 6
	maxCardLine  = 200  // what stands on one line: headings, labels, titles
	maxFact      = 1000 // the value of a fact
	maxParagraph = 4000 // a paragraph
	maxCardName  = 64   // verbs, ids, names in data
	maxCardURL   = 2048
)

// Validate returns all that is wrong with the card, each with its place ("body[2]: …") and each [mspkit.ErrInvalid]. A
// card that is right but larger than 28 KiB as JSON is [ErrTooLarge] as well. No error repeats a text of the card.
func (c *Card) Validate() error { return c.check(maxCard) }

// check is Validate with another limit for the bytes.
func (c *Card) check(limit int) error {
	_, err := c.encode(limit)
	return err
}

// faults returns what is wrong with the card but for its size.
func (c *Card) faults() error {
	k := cardChecker{secrets: c.secrets(), ids: map[string]bool{}}
	k.line("summary", c.Summary, maxCardLine)
	k.hidden("summary", c.Summary)
	if c.Locale != "" && !isLocale(c.Locale) {
		k.fault("locale", "it is not a language tag")
	}
	k.hidden("locale", c.Locale)
	walkCard(c.Body, "body", k.element)
	if len(c.Actions) > maxActions {
		k.fault("actions", "there are more than "+strconv.Itoa(maxActions))
	}
	for i, a := range c.Actions {
		k.action(pathIndex("actions", i), a)
	}
	if len(k.errs) == 0 {
		return nil
	}
	return fmt.Errorf("teamsapp: card: %w", errors.Join(k.errs...))
}

// cardChecker collects faults.
type cardChecker struct {
	errs    []error
	secrets []string        // folded
	ids     map[string]bool // of inputs
}

func (k *cardChecker) fault(where, text string) {
	k.errs = append(k.errs, fmt.Errorf("%s: %s: %w", where, text, mspkit.ErrInvalid))
}

// element checks one element, but not what stands in it.
func (k *cardChecker) element(at string, depth int, e Element) {
	if depth > maxCardDepth {
		k.fault(at, "it stands deeper than "+strconv.Itoa(maxCardDepth)+" elements")
		return
	}
	switch e := e.(type) {
	case Heading:
		k.line(at, e.Text, maxCardLine)
	case Text:
		k.lines(at, e.Text, maxParagraph)
		k.color(at, e.Color)
	case Facts:
		for i, f := range e {
			k.fact(pathIndex(at, i), f)
		}
	case Secret:
		k.line(at+": label", e.Label, maxCardLine)
		k.line(at+": value", e.Value.Reveal(), maxCardLine)
		if foldCode(e.Value.Reveal()) == "" {
			k.fault(at+": value", "it is nothing but spaces and dashes")
		}
	case Input:
		k.input(at, e)
	case Image:
		k.url(at+": url", e.URL, false)
		k.line(at+": alt", e.Alt, maxCardLine)
		k.hidden(at+": alt", e.Alt)
		if e.Width < 0 {
			k.fault(at+": width", "it is negative")
		}
	case Columns:
		if len(e) == 0 || slices.ContainsFunc(e, func(c []Element) bool { return len(c) == 0 }) {
			k.fault(at, "there is no column, or one is empty")
		}
	case Section:
		if len(e.Body) == 0 {
			k.fault(at, "it is empty")
		}
		k.color(at, e.Color)
	case nil:
		k.fault(at, "it is nil")
	default:
		k.fault(at, fmt.Sprintf("%T is not an element; give the value, not a pointer", e))
	}
}

func (k *cardChecker) fact(at string, f Fact) {
	if visible(f.Value) == "" && unshowable(f.Value) == "" {
		return // it is not drawn
	}
	k.line(at+": name", f.Name, maxCardLine)
	k.lines(at+": value", f.Value, maxFact)
}

func (k *cardChecker) input(at string, i Input) {
	k.id(at+": id", i.ID)
	if k.ids[i.ID] {
		k.fault(at+": id", "another input has it")
	}
	k.ids[i.ID] = true
	k.line(at+": label", i.Label, maxCardLine)
	if i.Placeholder != "" {
		k.line(at+": placeholder", i.Placeholder, maxCardLine)
	}
	if i.Required || i.Error != "" {
		k.line(at+": error", i.Error, maxCardLine)
	}
	if i.MaxLength < 0 {
		k.fault(at+": max length", "it is negative")
	}
	for _, s := range []string{i.ID, i.Label, i.Placeholder, i.Error} {
		k.hidden(at, s)
	}
}

func (k *cardChecker) action(at string, a Action) {
	switch a := a.(type) {
	case Press:
		k.title(at, a.Title)
		k.line(at+": verb", a.Verb, maxCardName)
		k.hidden(at+": verb", a.Verb)
		if a.Primary && a.Danger {
			k.fault(at, "it is both primary and danger")
		}
		for _, name := range slices.Sorted(maps.Keys(a.Data)) {
			k.data(at+": data", name, a.Data[name])
		}
	case OpenURL:
		k.title(at, a.Title)
		k.url(at+": url", a.URL, true)
	case nil:
		k.fault(at, "it is nil")
	default:
		k.fault(at, fmt.Sprintf("%T is not an action; give the value, not a pointer", a))
	}
}

func (k *cardChecker) title(at, s string) {
	k.line(at+": title", s, maxCardLine)
	k.hidden(at+": title", s)
}

func (k *cardChecker) data(at, name, value string) {
	switch {
	case name == "" || !utf8.ValidString(name) || !utf8.ValidString(value):
		k.fault(at, "a name is empty, or a text is not UTF-8")
		return
	case reservedName(name):
		k.fault(at, "a name has a meaning of its own")
	case k.ids[name]:
		k.fault(at, "a name is an input's id, which would replace it")
	}
	k.hidden(at, name)
	k.hidden(at, value)
}

// id checks a name that comes back in the data of a turn.
func (k *cardChecker) id(at, s string) {
	ok := len(s) <= maxCardName
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		ok = ok && (letter || i > 0 && (r == '_' || r >= '0' && r <= '9'))
	}
	switch {
	case s == "" || !ok:
		k.fault(at, "it is not a letter and up to 63 letters, digits and underscores")
	case reservedName(s):
		k.fault(at, "it has a meaning of its own")
	}
}

// reservedName reports whether a name in data is our verb, or that under which Teams looks for orders to the client
// (https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-actions).
func reservedName(name string) bool { return name == SubmitVerb || strings.EqualFold(name, "msteams") }

// line checks a text that is required and stands on one line.
func (k *cardChecker) line(at, s string, limit int) {
	k.lines(at, s, limit)
	if strings.ContainsAny(s, "\r\n\u0085\u2028\u2029") {
		k.fault(at, "it is more than one line")
	}
}

// lines checks a text that is required.
func (k *cardChecker) lines(at, s string, limit int) {
	if why := unshowable(s); why != "" {
		k.fault(at, why)
	} else if visible(s) == "" {
		k.fault(at, "it is required")
	}
	if utf8.RuneCountInString(s) > limit {
		k.fault(at, "it is longer than "+strconv.Itoa(limit)+" characters")
	}
}

// unshowable says why s cannot be shown, or nothing.
func unshowable(s string) string {
	if !utf8.ValidString(s) {
		return "it is not UTF-8"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\r\n\t\u0085", r) }) {
		return "there is a control character in it"
	}
	return ""
}

func (k *cardChecker) color(at string, c Color) {
	switch c {
	case ColorDefault, ColorAccent, ColorGood, ColorWarning, ColorAttention:
	default:
		k.fault(at+": color", "it is not one of the colors")
	}
}

// oddInURL reports whether clients differ in what they make of r in an address, or show it as something else.
func oddInURL(r rune) bool {
	return r == '\\' || r == utf8.RuneError || unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
}

// url checks an address. Without https there are those of this machine only, where here allows them.
func (k *cardChecker) url(at, s string, here bool) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" && (!here || u.Scheme != "http" || !loopbackHost(u.Hostname())) || u.Hostname() == "" || len(s) > maxCardURL || strings.ContainsFunc(s, oddInURL):
		k.fault(at, "it is not an https URL of at most "+strconv.Itoa(maxCardURL)+" bytes")
	case u.User != nil:
		k.fault(at, "there is a user in it")
	}
	k.hidden(at, s)
}

// hidden checks that a text that others may see, or that leaves the card, does not give a secret away.
func (k *cardChecker) hidden(at, s string) {
	if holds(s, k.secrets) {
		k.fault(at, "a secret of the card is in it")
	}
}

// secrets returns the values of all secrets, folded.
func (c *Card) secrets() []string {
	var out []string
	walkCard(c.Body, "", func(_ string, _ int, e Element) {
		if s, ok := e.(Secret); ok {
			if v := foldCode(s.Value.Reveal()); v != "" {
				out = append(out, v)
			}
		}
	})
	return out
}

// holds reports whether one of the folded secrets is in s, however it is spelled.
func holds(s string, secrets []string) bool {
	if len(secrets) == 0 {
		return false
	}
	s = foldCode(s)
	return slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(s, secret) })
}

// foldCode makes the spellings of a code equal: without spaces, dashes and what nobody sees, digits of any script as ASCII,
// letters in lower case.
func foldCode(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0xFF01 && r <= 0xFF5E:
			r -= 0xFEE0
		case unicode.Is(unicode.Nd, r):
			return '0' + cleantext.Digit(r)
		}
		if r == '\u2212' || unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// isLocale reports whether s has the form of a BCP 47 tag.
func isLocale(s string) bool {
	for i, part := range strings.Split(s, "-") {
		for _, r := range part {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			if !letter && (i == 0 || r < '0' || r > '9') {
				return false
			}
		}
		if len(part) == 0 || len(part) > 8 || i == 0 && (len(part) < 2 || len(part) > 3) {
			return false
		}
	}
	return len(s) <= 35
}

func pathIndex(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
