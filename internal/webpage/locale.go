package webpage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/internal/langtag"
)

// maxAccept bounds how much of an Accept-Language header is read.
const maxAccept = 512

// rightToLeft are the languages written from right to left.
var rightToLeft = []string{"ar", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"}

// Texts are the texts of one locale, with fallbacks: de-AT, then de, then en.
type Texts struct {
	tag   string
	chain []map[string]message
}

// Lang returns the locale's tag for the lang attribute.
func (t *Texts) Lang() string { return t.tag }

// Dir returns "rtl" or "ltr".
func (t *Texts) Dir() string {
	language, _, _ := strings.Cut(t.tag, "-")
	if slices.Contains(rightToLeft, language) {
		return "rtl"
	}
	return "ltr"
}

// Parts returns a text in pieces. pairs are names and values of all its placeholders: a missing, a
// surplus or an unnamed one is an error, and so is an unknown key.
func (t *Texts) Parts(key string, pairs ...any) ([]Part, error) {
	var m message
	for _, texts := range t.chain {
		if m = texts[key]; m != nil {
			break
		}
	}
	if m == nil {
		return nil, fmt.Errorf("webpage: text %q: there is no such text", key)
	}
	values := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok || i+1 == len(pairs) {
			return nil, fmt.Errorf("webpage: text %q: placeholders are given as name and value", key)
		}
		values[name] = fmt.Sprint(pairs[i+1])
	}
	names := m.names()
	out := make([]Part, len(m))
	for i, p := range m {
		if p.Name != "" {
			v, ok := values[p.Name]
			if !ok {
				return nil, fmt.Errorf("webpage: text %q: no value for {%s}", key, p.Name)
			}
			p.Text = v
		}
		out[i] = p
	}
	for name := range values {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("webpage: text %q: it has no placeholder {%s}", key, name)
		}
	}
	return out, nil
}

// Text returns a text with its placeholders filled in; see [Texts.Parts] for pairs. Values are not escaped:
// html/template does that where the text is shown.
func (t *Texts) Text(key string, pairs ...any) (string, error) {
	parts, err := t.Parts(key, pairs...)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String(), nil
}

// Below returns all texts whose keys begin with prefix, by what follows it, with placeholders as they are written: {name}.
// They are for scripts, which fill them in themselves and show them as text.
func (t *Texts) Below(prefix string) map[string]string {
	out := map[string]string{}
	for _, texts := range slices.Backward(t.chain) { // the nearest locale comes first in the chain, and wins
		for key, m := range texts {
			rest, ok := strings.CutPrefix(key, prefix)
			if !ok {
				continue
			}
			var b strings.Builder
			for _, p := range m {
				if p.Name != "" {
					b.WriteString("{" + p.Name + "}")
				} else {
					b.WriteString(p.Text)
				}
			}
			out[rest] = b.String()
		}
	}
	return out
}

// Texts returns the texts for one tag, or for the nearest locale that the catalogue has: the same without
// region, another region of the language, or English.
func (c *Catalog) Texts(tag string) *Texts {
	locale := c.match(tag)
	if locale == "" {
		locale = baseLocale
	}
	t := &Texts{tag: locale}
	for l := range langtag.Fallbacks(locale) {
		if texts := c.locales[l]; texts != nil {
			t.chain = append(t.chain, texts)
		}
	}
	t.chain = append(t.chain, c.locales[baseLocale])
	return t
}

// Negotiate returns the texts for an Accept-Language header (RFC 9110, section 12.5.4): the most wanted
// locale that the catalogue has, else fallback, else English.
func (c *Catalog) Negotiate(accept, fallback string) *Texts {
	type want struct {
		tag string
		q   float64
	}
	var wants []want
	for part := range strings.SplitSeq(accept[:min(len(accept), maxAccept)], ",") {
		tag, params, _ := strings.Cut(part, ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || !(f > 0 && f <= 1) {
				continue
			}
			q = f
		}
		wants = append(wants, want{strings.TrimSpace(tag), q})
	}
	slices.SortStableFunc(wants, func(a, b want) int {
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	for _, w := range wants {
		if c.match(w.tag) != "" {
			return c.Texts(w.tag)
		}
	}
	return c.Texts(fallback)
}

// match returns the locale that serves tag, or "".
func (c *Catalog) match(tag string) string {
	locales := c.Locales()
	var wanted string
	for wanted = range langtag.Fallbacks(tag) {
		for _, l := range locales {
			if strings.EqualFold(l, wanted) {
				return l
			}
		}
	}
	// Another region of the same language is nearer than English; the pseudo locale is no language.
	for _, l := range locales {
		if language, _, ok := strings.Cut(l, "-"); ok && l != PseudoLocale && strings.EqualFold(language, wanted) {
			return l
		}
	}
	return ""
}
