package teamschannel

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/langtag"
)

//go:embed texts/*.json
var files embed.FS

// fallback is the locale whose texts say which there are.
const fallback = "en"

// The longest texts of a host's own, in characters.
const (
	maxText = 600
	maxLine = 200 // what teamsapp takes
)

var (
	placeholder = regexp.MustCompile(`\{[^{}]*\}`)
	localeTag   = regexp.MustCompile(`^[a-z]{2,3}(-[a-z0-9]{1,8})*$`)
)

// texts are those of one locale, by key.
type texts map[string]string

// load returns the built-in texts with own in front of them, by locale in lower case.
func load(own map[string]map[string]string) (map[string]texts, error) {
	all := map[string]texts{}
	var errs []error
	for _, locale := range []string{fallback, "de"} {
		t := texts{}
		raw, err := files.ReadFile("texts/" + locale + ".json")
		if err == nil {
			err = json.Unmarshal(raw, &t)
		}
		errs = append(errs, err)
		all[locale] = t
	}
	known := maps.Clone(all[fallback])
	for _, locale := range slices.Sorted(maps.Keys(own)) {
		tag := langtag.Normal(locale)
		if !localeTag.MatchString(tag) {
			errs = append(errs, fmt.Errorf("Options.Texts: %q is not a locale such as \"de\" or \"pt-BR\": %w", locale, mspkit.ErrInvalid))
			continue
		}
		if all[tag] == nil {
			all[tag] = texts{}
		}
		for _, key := range slices.Sorted(maps.Keys(own[locale])) {
			if err := checkText(known, key, own[locale][key]); err != nil {
				errs = append(errs, fmt.Errorf("Options.Texts[%q][%q]: %w: %w", locale, key, err, mspkit.ErrInvalid))
			}
			all[tag][key] = own[locale][key]
		}
	}
	// What a locale lacks it takes from its language. A card in two languages would look like a forged one, so that a
	// language of its own has to be whole.
	for _, tag := range slices.Sorted(maps.Keys(all)) {
		for key := range known {
			for up := range langtag.Fallbacks(tag) {
				if all[tag][key] == "" {
					all[tag][key] = all[up][key]
				}
			}
			if all[tag][key] == "" {
				errs = append(errs, fmt.Errorf("Options.Texts: %q has no text %q, a language that is not built in needs all of texts/en.json: %w", tag, key, mspkit.ErrInvalid))
			}
		}
	}
	return all, errors.Join(errs...)
}

// checkText reports what is wrong with a text of a host's own.
func checkText(known texts, key, s string) error {
	english, ok := known[key]
	switch {
	case !ok:
		return errors.New("there is no such text")
	case strings.TrimSpace(s) == "":
		return errors.New("is empty")
	case utf8.RuneCountInString(s) > maxText:
		return fmt.Errorf("has more than %d characters", maxText)
	case oneLine(key) && utf8.RuneCountInString(placeholder.ReplaceAllString(s, strings.Repeat("x", cleantext.MaxName))) > maxLine:
		return fmt.Errorf("may be longer than %d characters with the longest names in it", maxLine)
	case !utf8.ValidString(s):
		return errors.New("is not valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return fmt.Errorf("has the control character %U", r)
		}
	}
	allowed := placeholder.FindAllString(english, -1)
	for _, p := range placeholder.FindAllString(s, -1) {
		if !slices.Contains(allowed, p) {
			return fmt.Errorf("%s does not exist here, there is %s", p, strings.Join(append(allowed, "nothing else"), ", "))
		}
	}
	return nil
}

// oneLine reports whether a text stands where a card has room for one line.
func oneLine(key string) bool {
	what, last, _ := strings.Cut(key, ".")
	return what == "fact" || slices.Contains([]string{"summary", "title", "label", "placeholder", "empty", "button"}, last[strings.LastIndexByte(last, '.')+1:])
}

// find returns the texts for de-AT, then de, then en, with the locale that they are in.
func find(all map[string]texts, locale string) (string, texts) {
	for tag := range langtag.Fallbacks(langtag.Normal(locale)) {
		if t, ok := all[tag]; ok {
			return tag, t
		}
	}
	return fallback, all[fallback]
}

// fill returns a text with its placeholders replaced: pairs of name and value. A value is never read for placeholders.
func (t texts) fill(key string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(t[key])
}
