package webpage

import (
	"bytes"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
)

// Page is what [Site.Render] shows.
type Page struct {
	// Template is the file's name without ".html".
	Template string
	// Status is the HTTP status. Zero means 200.
	Status int
	// Brand is the tenant's. A zero Brand means that of the site.
	Brand mspkit.Brand
	// BrandKey stands in the address of the tenant's logo and is given to [Options.Logo]. It is public, so
	// it must not be a tenant id; a keyed tag, as links carry it, is right. Empty means no logo.
	BrandKey string
	// Catalog has the tenant's own texts. Nil means that of the site.
	Catalog *Catalog
	// Locale is the language to be used whatever the browser wants. Empty means what the browser wants.
	Locale string
	// Data is for the template, as .Data.
	Data any
}

// View is the dot of a template.
type View struct {
	// Brand is how the tenant looks; its name is never empty.
	Brand mspkit.Brand
	// Data is what the handler gave.
	Data any
	// Root is the relative path to the site's root, "./" or "../" and so on; links are {{.Root}}path.
	Root string

	texts  *Texts
	site   *Site
	accent Color
	logo   string
}

// Lang returns the language of the page for its lang attribute.
func (v *View) Lang() string { return v.texts.Lang() }

// Dir returns the direction of the page, "ltr" or "rtl".
func (v *View) Dir() string { return v.texts.Dir() }

// T returns a text; see [Texts.Text].
func (v *View) T(key string, pairs ...any) (string, error) { return v.texts.Text(key, pairs...) }

// Parts returns a text in pieces, for the template "rich" of the layout, which makes values stand out; see
// [Texts.Parts].
func (v *View) Parts(key string, pairs ...any) ([]Part, error) { return v.texts.Parts(key, pairs...) }

// Asset returns the address of a file of the site, such as "app.css".
func (v *View) Asset(name string) (string, error) {
	hashed, ok := v.site.assets.names[name]
	if !ok {
		return "", fmt.Errorf("webpage: there is no asset %q", name)
	}
	return v.Root + "assets/" + hashed, nil
}

// Accent returns the address of the stylesheet of the brand's colour.
func (v *View) Accent() string { return v.Root + "assets/" + generated(v.accent, "css") }

// Icon returns the address of the icon for the browser's tab.
func (v *View) Icon() string { return v.Root + "assets/" + generated(v.accent, "svg") }

// Logo returns the address of the brand's logo, or "" where there is none.
func (v *View) Logo() string { return v.logo }

// ThemeLight returns the colour of the page's ground in light mode.
func (v *View) ThemeLight() string { light, _ := Palette(v.accent); return light.Page.String() }

// ThemeDark returns the colour of the page's ground in dark mode.
func (v *View) ThemeDark() string { _, dark := Palette(v.accent); return dark.Page.String() }

// PhoneLink returns a tel: address of the brand's phone, or "" where it has none that can be dialled.
func (v *View) PhoneLink() template.URL {
	number := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, v.Brand.Phone)
	if len(number) < 3 {
		return ""
	}
	if strings.HasPrefix(strings.TrimSpace(v.Brand.Phone), "+") {
		number = "+" + number
	}
	return template.URL("tel:" + number) //nolint:gosec // digits and a plus only
}

// SiteLink returns the brand's web address as a link, or "" where it is not one of http or https.
func (v *View) SiteLink() string {
	site := strings.TrimSpace(v.Brand.Site)
	if site != "" && !strings.Contains(site, "://") {
		site = "https://" + site
	}
	u, err := url.Parse(site)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return u.String()
}

// SiteName returns the brand's web address as people read it, without scheme and trailing slash.
func (v *View) SiteName() string {
	_, name, ok := strings.Cut(strings.TrimSpace(v.Brand.Site), "://")
	if !ok {
		name = strings.TrimSpace(v.Brand.Site)
	}
	return strings.TrimSuffix(name, "/")
}

// Render writes a page. It is rendered into memory first and written with its length, so that a fault in the
// template becomes a clean 500 page, which is logged, and equal pages are equal bytes.
func (s *Site) Render(w http.ResponseWriter, r *http.Request, p Page) {
	body, texts, err := s.render(r, p)
	if err != nil {
		s.log.ErrorContext(r.Context(), "webpage: render", slog.String("template", p.Template), slog.Any("error", err))
		s.Error(w, r, http.StatusInternalServerError)
		return
	}
	writePage(w, p.Status, texts, body)
}

func writePage(w http.ResponseWriter, status int, texts *Texts, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", texts.Lang())
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // html/template has escaped what is data in it
}

func (s *Site) render(r *http.Request, p Page) ([]byte, *Texts, error) {
	t := s.templates[p.Template]
	if t == nil {
		return nil, nil, fmt.Errorf("webpage: there is no template %q", p.Template)
	}
	catalog := p.Catalog
	if catalog == nil {
		catalog = s.opts.Catalog
	}
	v := &View{Brand: p.Brand, Data: p.Data, Root: Root(r), site: s}
	if p.Locale != "" {
		v.texts = catalog.Texts(p.Locale)
	} else {
		v.texts = catalog.Negotiate(strings.Join(r.Header.Values("Accept-Language"), ","), s.opts.Locale)
	}
	key := p.BrandKey
	if v.Brand.Name == "" {
		v.Brand, key = s.opts.Brand, defaultBrandKey
	}
	if len(v.Brand.Logo) > 0 && key != "" && (key == defaultBrandKey || s.opts.Logo != nil) {
		v.logo = v.Root + "assets/logo/" + contentHash(v.Brand.Logo) + "/" + url.PathEscape(key)
	}
	var err error
	if v.accent, err = ParseColor(v.Brand.Color); err != nil {
		v.accent, _ = ParseColor(DefaultColor)
	}
	var buf bytes.Buffer
	if err := t.set.ExecuteTemplate(&buf, "layout", v); err != nil {
		return nil, nil, err
	}
	return buf.Bytes(), v.texts, nil
}

// errorStatuses are those that have texts of their own.
var errorStatuses = map[int]bool{400: true, 403: true, 404: true, 405: true, 413: true, 415: true, 429: true, 500: true, 503: true}

// Error writes the error page of a status, plain text where the route serves files or programs. It says
// nothing about the cause.
func (s *Site) Error(w http.ResponseWriter, r *http.Request, status int) {
	if route, ok := r.Context().Value(routeKey{}).(*Route); !ok || (route.Kind != AssetKind && route.Kind != APIKind) {
		key := status
		switch {
		case errorStatuses[status]:
		case status >= 500:
			key = http.StatusInternalServerError
		default:
			key = http.StatusBadRequest
		}
		body, texts, err := s.render(r, Page{Template: "error", Data: errorData{Status: status, Key: "page.error." + strconv.Itoa(key)}})
		if err == nil {
			writePage(w, status, texts, body)
			return
		}
		s.log.ErrorContext(r.Context(), "webpage: render", slog.String("template", "error"), slog.Any("error", err))
	}
	text := http.StatusText(status) + "\n"
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

type errorData struct {
	Status int
	Key    string
}

// Title is the key of the page's heading.
func (e errorData) Title() string { return e.Key + ".title" }

// Text is the key of what the page says.
func (e errorData) Text() string { return e.Key + ".text" }

// Ours reports whether the fault lies with the site.
func (e errorData) Ours() bool { return e.Status >= http.StatusInternalServerError }

// Redirect answers a form with 303: the browser gets path, a path below the site's root without leading
// slash, and a reload does not send the form again. The address is relative and keeps whatever prefix the
// site is mounted under. path must be escaped (url.PathEscape for each segment that is data).
func (s *Site) Redirect(w http.ResponseWriter, r *http.Request, path string) {
	h := w.Header()
	h.Set("Location", Root(r)+strings.TrimLeft(path, "/"))
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}

// Root returns the relative path from the page that r asked for to the root of its site, for example "../"
// for "/c/token". Slashes that are part of a segment (%2F) do not count, as they do not for the browser.
func Root(r *http.Request) string {
	depth := strings.Count(r.URL.EscapedPath(), "/") - 1
	if depth <= 0 {
		return "./"
	}
	return strings.Repeat("../", depth)
}
