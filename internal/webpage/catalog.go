package webpage

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
)

// Limits of a catalogue, so that a wrong file is an error and not a page of a megabyte.
const (
	maxTextFile = 256 << 10
	maxText     = 4 << 10
)

// baseLocale is complete in every catalogue and ends every chain of fallbacks.
const baseLocale = "en"

// PseudoLocale is made from the English texts, written from right to left. It shows in tests what a
// right-to-left language will look like, and is chosen only where it is asked for by its full name.
const PseudoLocale = "ar-XB"

//go:embed texts/*.json
var ownTexts embed.FS

var (
	localeSyntax = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)
	keySyntax    = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$`)
	nameSyntax   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// Part is a piece of a text: literal text, or the value of a placeholder, whose name it then bears.
type Part struct{ Name, Text string }

type message []Part

// names returns the placeholders, sorted and each once.
func (m message) names() []string {
	var names []string
	for _, p := range m {
		if p.Name != "" && !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// parseMessage reads a text with placeholders of the form {name}.
func parseMessage(s string) (message, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return nil, errors.New("it is empty")
	case len(s) > maxText:
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(s), maxText)
	case !utf8.ValidString(s):
		return nil, errors.New("it is not valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return nil, errors.New("it has a control character")
	}
	var m message
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			return append(m, Part{Text: s}), nil
		}
		if i > 0 {
			m = append(m, Part{Text: s[:i]})
		}
		end := strings.IndexByte(s, '}')
		if s[i] == '}' || end < 0 || !nameSyntax.MatchString(s[i+1:end]) {
			return nil, errors.New("a brace that is not part of a {placeholder}")
		}
		m = append(m, Part{Name: s[i+1 : end]})
		s = s[end+1:]
	}
	return m, nil
}

// Catalog holds texts by locale and key. A text may have placeholders such as {technician}; it is always
// shown as text, so markup in it is harmless and useless.
type Catalog struct {
	locales map[string]map[string]message
}

// LoadCatalog reads a package's own texts, files such as "en.json" with one object of strings each. en.json
// must exist, and every other file must have the same keys with the same placeholders. The texts that the
// layout and the error pages need are added under keys beginning with "page.".
func LoadCatalog(texts fs.FS) (*Catalog, error) {
	own, err := fs.Sub(ownTexts, "texts")
	if err != nil {
		return nil, err
	}
	c := &Catalog{locales: map[string]map[string]message{}}
	var errs []error
	for _, fsys := range []fs.FS{own, texts} {
		if fsys == nil {
			continue
		}
		files, err := readTexts(fsys)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		base := files[baseLocale]
		if base == nil {
			errs = append(errs, fmt.Errorf("webpage: texts have no %s.json: %w", baseLocale, mspkit.ErrInvalid))
			continue
		}
		for _, locale := range slices.Sorted(maps.Keys(files)) {
			errs = append(errs, compare(locale, files[locale], base, true))
			c.add(locale, files[locale])
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.locales[PseudoLocale] = pseudo(c.locales[baseLocale])
	return c, nil
}

// With returns a catalogue in which the texts of overrides stand in front of those of c. Everything is
// checked: an unknown key, a missing or an unknown placeholder and bad syntax are errors that name file and
// key. A file may hold some keys of a language that c has, or all keys of a language that is new. A nil
// overrides returns c.
func (c *Catalog) With(overrides fs.FS) (*Catalog, error) {
	if overrides == nil {
		return c, nil
	}
	files, err := readTexts(overrides)
	if err != nil {
		return nil, err
	}
	d := &Catalog{locales: make(map[string]map[string]message, len(c.locales))}
	for locale, texts := range c.locales {
		d.locales[locale] = maps.Clone(texts)
	}
	base := c.locales[baseLocale]
	var errs []error
	for _, locale := range slices.Sorted(maps.Keys(files)) {
		_, known := c.locales[locale]
		language, _, _ := strings.Cut(locale, "-")
		_, covered := c.locales[language]
		errs = append(errs, compare(locale, files[locale], base, !known && !covered))
		d.add(locale, files[locale])
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return d, nil
}

func (c *Catalog) add(locale string, texts map[string]message) {
	if c.locales[locale] == nil {
		c.locales[locale] = map[string]message{}
	}
	maps.Copy(c.locales[locale], texts)
}

// Locales returns the tags of all locales, sorted.
func (c *Catalog) Locales() []string { return slices.Sorted(maps.Keys(c.locales)) }

// Keys returns all keys, sorted.
func (c *Catalog) Keys() []string { return slices.Sorted(maps.Keys(c.locales[baseLocale])) }

// Placeholders returns the sorted placeholders of a text, and whether the catalogue has the key.
func (c *Catalog) Placeholders(key string) ([]string, bool) {
	m, ok := c.locales[baseLocale][key]
	return m.names(), ok
}

// compare reports keys and placeholders in which texts differs from base.
func compare(locale string, texts, base map[string]message, complete bool) error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("webpage: texts %s.json, key %q: "+format+": %w", append(append([]any{locale, key}, args...), mspkit.ErrInvalid)...))
	}
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		want, ok := base[key]
		if !ok {
			fault(key, "there is no such text")
			continue
		}
		for _, n := range want.names() {
			if !slices.Contains(texts[key].names(), n) {
				fault(key, "the placeholder {%s} is missing", n)
			}
		}
		for _, n := range texts[key].names() {
			if !slices.Contains(want.names(), n) {
				fault(key, "there is no placeholder {%s}", n)
			}
		}
	}
	if complete {
		for _, key := range slices.Sorted(maps.Keys(base)) {
			if _, ok := texts[key]; !ok {
				fault(key, "the text is missing")
			}
		}
	}
	return errors.Join(errs...)
}

// readTexts reads all files at the root of fsys. A file that is not named <locale>.json is an error: it
// would be silently without effect.
func readTexts(fsys fs.FS) (map[string]map[string]message, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("webpage: read texts: %w", err)
	}
	files := map[string]map[string]message{}
	var errs []error
	for _, e := range entries {
		locale, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || e.IsDir() || !localeSyntax.MatchString(locale) || locale == PseudoLocale {
			errs = append(errs, fmt.Errorf("webpage: texts %q: a file of texts is named like de.json or de-AT.json: %w", e.Name(), mspkit.ErrInvalid))
			continue
		}
		texts, err := readTextFile(fsys, e.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files[locale] = texts
	}
	return files, errors.Join(errs...)
}

func readTextFile(fsys fs.FS, name string) (map[string]message, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("webpage: texts %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxTextFile+1))
	if err != nil {
		return nil, fmt.Errorf("webpage: texts %s: %w", name, err)
	}
	if len(data) > maxTextFile {
		return nil, fmt.Errorf("webpage: texts %s: more than %d bytes: %w", name, maxTextFile, mspkit.ErrInvalid)
	}
	return parseTexts(name, data)
}

// parseTexts walks tokens because json.Unmarshal would let the second of two equal keys win in silence.
func parseTexts(name string, data []byte) (map[string]message, error) {
	bad := func(why string) error { return fmt.Errorf("webpage: texts %s: %s: %w", name, why, mspkit.ErrInvalid) }
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, bad("the file is not a JSON object")
	}
	texts := map[string]message{}
	var errs []error
	for dec.More() {
		kt, err := dec.Token()
		if err != nil {
			return nil, bad("bad JSON: " + err.Error())
		}
		key, _ := kt.(string)
		vt, err := dec.Token()
		if err != nil {
			return nil, bad(fmt.Sprintf("key %q: bad JSON: %v", key, err))
		}
		text, ok := vt.(string)
		if !ok {
			return nil, bad(fmt.Sprintf("key %q: it is not a string", key))
		}
		if _, dup := texts[key]; dup {
			errs = append(errs, bad(fmt.Sprintf("key %q: it stands there twice", key)))
		}
		if !keySyntax.MatchString(key) {
			errs = append(errs, bad(fmt.Sprintf("key %q: a key is lower case words with dots", key)))
		}
		m, err := parseMessage(text)
		if err != nil {
			errs = append(errs, bad(fmt.Sprintf("key %q: %v", key, err)))
		}
		texts[key] = m
	}
	if _, err := dec.Token(); err != nil {
		return nil, bad("bad JSON: " + err.Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, bad("there is something after the object")
	}
	return texts, errors.Join(errs...)
}

// pseudo overrides the direction of all literal text; the values of placeholders keep their own.
func pseudo(texts map[string]message) map[string]message {
	out := make(map[string]message, len(texts))
	for key, m := range texts {
		n := make(message, len(m))
		for i, p := range m {
			if p.Name == "" {
				p.Text = "\u202e" + p.Text + "\u202c"
			}
			n[i] = p
		}
		out[key] = n
	}
	return out
}
