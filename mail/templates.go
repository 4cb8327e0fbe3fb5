package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"text/template"

	"github.com/mspkit/mspkit"
)

//go:embed templates
var defaults embed.FS

// The parts of a template, by the end of the file name.
const (
	subjectPart = ".subject.txt"
	textPart    = ".text.txt"
	htmlPart    = ".html"
	layoutFile  = "layout.html"
	maxFile     = 64 << 10
)

// TemplateOptions configures [NewTemplates]. The zero value gives the built-in templates.
type TemplateOptions struct {
	// Override replaces built-in files, or adds locales, for every tenant. It is laid out like the built-in
	// files: "layout.html" and "<locale>/<name>.subject.txt", ".text.txt", ".html". A file that it lacks is taken
	// from the built-in templates; in a locale of its own, a template needs all three files.
	Override fs.FS
	// Tenants does the same for one tenant each, on top of Override.
	Tenants map[mspkit.TenantID]fs.FS
	// Fallback is the locale when neither the asked one nor its parents exist. Empty means "en". It must have the mails of
	// package verify (codes, links and notices); others that it lacks are sent in English.
	Fallback string
}

// Templates renders the mails of the module. It is immutable and safe for concurrent use.
type Templates struct {
	base     *layer
	tenants  map[mspkit.TenantID]*layer
	fallback string
}

// layer is what one tenant sees where it differs, or everything for the base.
type layer struct {
	layout *htmltemplate.Template
	mails  map[string]parts // by "<locale in lower case>/<name>"
}

type parts struct {
	locale  string // as the folder is written
	subject *template.Template
	text    *template.Template
	html    *htmltemplate.Template
}

// builtin parses and tries the embedded templates once per process: they cannot change, and a host may build
// many sets.
var builtin = sync.OnceValues(func() (*layer, error) {
	fsys, err := fs.Sub(defaults, "templates")
	if err != nil {
		return nil, err
	}
	t := &Templates{base: &layer{mails: map[string]parts{}}}
	return t.base, t.load(t.base, "built-in", fsys)
})

// NewTemplates parses every file, checks that it names only what exists, that the link or code is shown and
// stays out of the subject, and that nothing is loaded from the network, and renders each template once. All
// faults are reported together, each with [ErrTemplate], the file and what to do.
func NewTemplates(o *TemplateOptions) (*Templates, error) {
	if o == nil {
		o = &TemplateOptions{}
	}
	std, err := builtin()
	if err != nil {
		return nil, err
	}
	t := &Templates{
		base:     &layer{layout: std.layout, mails: maps.Clone(std.mails)},
		tenants:  map[mspkit.TenantID]*layer{},
		fallback: strings.ToLower(o.Fallback),
	}
	if t.fallback == "" {
		t.fallback = "en"
	}
	var errs []error
	if o.Override != nil {
		errs = append(errs, t.load(t.base, "override", o.Override))
	}
	for id, fsys := range o.Tenants {
		if err := id.Validate(); err != nil {
			errs = append(errs, err)
			continue
		}
		l := &layer{mails: map[string]parts{}}
		t.tenants[id] = l
		errs = append(errs, t.load(l, fmt.Sprintf("tenant %q", id), fsys))
	}
	for _, name := range names {
		if _, ok := t.base.mails[t.fallback+"/"+name]; !ok && specs[name].verify {
			errs = append(errs, fmt.Errorf("%w: fallback locale %q has no template %q: add it or choose another fallback", ErrTemplate, t.fallback, name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// load reads fsys into l, whose missing parts come from the base.
func (t *Templates) load(l *layer, source string, fsys fs.FS) error {
	files, newLayout := map[string]string{}, false
	var errs []error
	fail := func(file, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: %s: %s: %s", ErrTemplate, source, file, fmt.Sprintf(format, args...)))
	}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if why := unknownFile(p); why != "" {
			fail(p, "%s", why)
			return nil
		}
		if info, err := d.Info(); err != nil {
			return err
		} else if info.Size() > maxFile {
			fail(p, "has %d bytes, at most %d are allowed", info.Size(), maxFile)
			return nil
		}
		b, err := fs.ReadFile(fsys, p)
		files[p] = string(b)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %s: cannot be read: %w", ErrTemplate, source, err)
	}
	if text, ok := files[layoutFile]; ok {
		if l.layout, err = parseHTML(layoutFile, text, layoutFields); err != nil {
			fail(layoutFile, "%v", err)
		} else if !shows(l.layout.Tree, "Content") {
			fail(layoutFile, "does not show {{.Content}}: put it where the mail's own text belongs")
		}
		newLayout = true
		delete(files, layoutFile)
	}
	type mail struct{ locale, name string }
	var mails []mail
	for p := range files {
		m := mail{path.Dir(p), strings.SplitN(path.Base(p), ".", 2)[0]}
		if !slices.Contains(mails, m) {
			mails = append(mails, m)
		}
	}
	if newLayout { // a new layout is tried with every mail that it will be laid around
		for k, p := range t.base.mails {
			m := mail{p.locale, path.Base(k)}
			if !slices.Contains(mails, m) {
				mails = append(mails, m)
			}
		}
	}
	slices.SortFunc(mails, func(a, b mail) int { return strings.Compare(a.locale+a.name, b.locale+b.name) })
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, m := range mails {
		key := strings.ToLower(m.locale) + "/" + m.name
		p := t.base.mails[key]
		p.locale = m.locale
		stem, before, own := m.locale+"/"+m.name, len(errs), false
		if s, ok := files[stem+subjectPart]; ok {
			own = true
			if p.subject, err = parseText(stem+subjectPart, strings.TrimSpace(s), subjectFields); err != nil {
				fail(stem+subjectPart, "%v", err)
			} else if strings.ContainsAny(strings.TrimSpace(s), "\r\n") {
				fail(stem+subjectPart, "has more than one line: keep the subject on one line")
			}
		}
		if s, ok := files[stem+textPart]; ok {
			own = true
			if p.text, err = parseText(stem+textPart, s, bodyFields); err != nil {
				fail(stem+textPart, "%v", err)
			} else if !showsAll(p.text.Tree, m.name) {
				fail(stem+textPart, "does not show %s: the mail would be useless without it, add it", mustShow(m.name))
			}
		}
		if s, ok := files[stem+htmlPart]; ok {
			own = true
			if p.html, err = parseHTML(stem+htmlPart, s, bodyFields); err != nil {
				fail(stem+htmlPart, "%v", err)
			} else if !showsAll(p.html.Tree, m.name) {
				fail(stem+htmlPart, "does not show %s: the mail would be useless without it, add it", mustShow(m.name))
			}
		}
		for part, missing := range map[string]bool{subjectPart: p.subject == nil, textPart: p.text == nil, htmlPart: p.html == nil} {
			if missing && len(errs) == before {
				fail(stem+part, "is missing: locale %q is not built in, so each of its templates needs all three files", m.locale)
			}
		}
		if len(errs) > before {
			continue
		}
		if err := trial(m.name, p, l.layoutOr(t.base)); err != nil {
			fail(stem, "%v", err)
			continue
		}
		if own {
			l.mails[key] = p
		}
	}
	return errors.Join(errs...)
}

func (l *layer) layoutOr(base *layer) *htmltemplate.Template {
	if l.layout != nil {
		return l.layout
	}
	return base.layout
}

func unknownFile(p string) string {
	if p == layoutFile {
		return ""
	}
	locale, file := path.Split(p)
	locale = strings.TrimSuffix(locale, "/")
	if !validLocale(locale) {
		return "is not in a folder named after a locale such as \"en\" or \"de-AT\": move or remove it"
	}
	for _, part := range []string{subjectPart, textPart, htmlPart} {
		if name, ok := strings.CutSuffix(file, part); ok && slices.Contains(names, name) {
			return ""
		}
	}
	return "is not a known template: use <name>.subject.txt, <name>.text.txt or <name>.html with one of " +
		strings.Join(names, ", ")
}

// trial renders p with everything that Data can hold and with as little as it may hold, and with each of its choices: the
// placeholder must be there every time, so that it does not hang on a condition.
func trial(name string, p parts, layout *htmltemplate.Template) error {
	for _, d := range trials(name) {
		v, err := d.view(name, p.locale)
		if err != nil {
			return err
		}
		subject, text, body, err := p.render(layout, v)
		if err != nil {
			return err
		}
		if strings.TrimSpace(subject) == "" {
			return errors.New("the subject is empty")
		}
		body = html.UnescapeString(body)
		for field, values := range map[string][]string{"Code": {v.Code}, "Link": {v.Link}, "Time": {v.Time}, "Lines": v.Lines} {
			if field == "Time" && specs[name].shows != field {
				continue // a notification may leave it out
			}
			for _, want := range values { // those that the mail does not have are empty
				switch {
				case !strings.Contains(text, want):
					return fmt.Errorf("the text shows {{.%s}} only sometimes: move it out of the condition", field)
				case !strings.Contains(body, want):
					return fmt.Errorf("the HTML shows {{.%s}} only sometimes, or changed: move it out of the condition", field)
				}
			}
		}
	}
	return nil
}

// Render returns the mail name for one person, in the best locale there is: for "de-AT" that is de-AT, then
// de, then the fallback. It validates and cleans d. The error matches [ErrTemplate] or [mspkit.ErrInvalid].
func (t *Templates) Render(name, locale string, d Data) (subject, text, html string, err error) {
	if !slices.Contains(names, name) {
		return "", "", "", unknownTemplate(name)
	}
	p, layout := t.find(d.Tenant, name, locale)
	v, err := d.view(name, p.locale)
	if err != nil {
		return "", "", "", err
	}
	return p.render(layout, v)
}

func unknownTemplate(name string) error {
	return fmt.Errorf("%w: there is no template %q, there are %s", ErrTemplate, name, strings.Join(names, ", "))
}

// Locales returns the locales in which name exists for tenant, sorted.
func (t *Templates) Locales(tenant mspkit.TenantID, name string) []string {
	var out []string
	for _, l := range []*layer{t.base, t.tenants[tenant]} {
		if l == nil {
			continue
		}
		for k, p := range l.mails {
			if path.Base(k) == name && !slices.Contains(out, p.locale) {
				out = append(out, p.locale)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (t *Templates) find(tenant mspkit.TenantID, name, locale string) (parts, *htmltemplate.Template) {
	own := t.tenants[tenant]
	layout := t.base.layout
	if own != nil {
		layout = own.layoutOr(t.base)
	}
	for _, l := range append(localeChain(locale), t.fallback, "en") {
		if own != nil {
			if p, ok := own.mails[l+"/"+name]; ok {
				return p, layout
			}
		}
		if p, ok := t.base.mails[l+"/"+name]; ok {
			return p, layout
		}
	}
	return t.base.mails["en/"+name], layout // which is built in
}

func (p parts) render(layout *htmltemplate.Template, v view) (subject, text, html string, err error) {
	var s, tx, c, h bytes.Buffer
	if err := p.subject.Execute(&s, v); err != nil {
		return "", "", "", execError(err)
	}
	if err := p.text.Execute(&tx, v); err != nil {
		return "", "", "", execError(err)
	}
	if err := p.html.Execute(&c, v); err != nil {
		return "", "", "", execError(err)
	}
	subject = strings.Join(strings.Fields(s.String()), " ")
	// The content was escaped for the place where a body element stands, which is where layout.html has it.
	err = layout.Execute(&h, layoutView{view: v, Subject: subject, Content: htmltemplate.HTML(c.String())}) //nolint:gosec // our own template's output
	if err != nil {
		return "", "", "", execError(err)
	}
	return subject, strings.TrimSpace(tx.String()) + "\n", h.String(), nil
}

// execError keeps the template's file and line; exec errors name fields, never their values.
func execError(err error) error { return fmt.Errorf("%w: %w", ErrTemplate, err) }
