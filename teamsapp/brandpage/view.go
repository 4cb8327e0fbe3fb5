package brandpage

import (
	"encoding/base64"
	"encoding/json"
	"html/template"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/teamsapp"
)

// view is the data of the page.
type view struct {
	Problem *problem // what is wrong with no field
	Faults  []fault  // all that are wrong with fields, in the order of the page

	Logo, Accent *field
	MaxLogo      int
	Kept         string // the logo in base64, for the next request
	Groups       []group
	Focus        string // what is read out first: "faults", "preview", "languages", or nothing
	Developer    []*field
	Version      *field // nil where the host knows
	Tags         []string
	Texts        string // those of the script, as JSON

	Scenes   []scene
	Warnings []string // about what no field is for
	Made     *made
}

type problem struct{ Title, Text string }

// fault is a line of the summary on top of the page, which leads to its field.
type fault struct{ ID, Label, Text string }

// group is the texts of one language.
type group struct {
	ID, Title string
	Remove    string // what the button says that removes it; empty without one
	Fields    []*field
}

// field is one thing to fill in.
type field struct {
	ID, Name, Label, Hint, Optional string
	Value                           string
	Lines                           int    // of a text area
	Lang                            string // of what is typed
	List                            string // the id of suggestions
	Code                            string // the inputmode of what is no prose
	Focus                           bool
	Max                             int // characters that are counted; 0 is none
	Count                           string
	Faults, Warnings                []string
}

// Describes names what belongs to the field, for programs that read a page out.
func (f *field) Describes() string {
	var ids []string
	if len(f.Faults) > 0 {
		ids = append(ids, f.ID+"-error")
	}
	if f.Hint != "" {
		ids = append(ids, f.ID+"-hint")
	}
	if f.Count != "" {
		ids = append(ids, f.ID+"-count")
	}
	return strings.Join(ids, " ")
}

// scene is the app in one theme of Teams.
type scene struct {
	Ground, Label                           string
	Color, Outline                          template.URL
	Short, Developer, Summary               string
	List, Chat, Message                     string
	AltBar, AltBarOn, AltSquare, AltHexagon string
	AltCircle, AltAccent                    string
	Accent                                  string // #rrggbb
}

// made is what a package would be.
type made struct{ ID, Version, Note string }

// tags are suggestions, those of what Teams is spoken in most.
var tags = strings.Fields("ar cs da de en en-gb es es-mx fi fr fr-ca he hu it ja ko nb nl pl pt-br pt-pt ru sv th tr uk vi zh-cn zh-tw")

// builder makes a view in one language. Its texts are those of the package, which all exist: the first that does not is
// kept in err.
type builder struct {
	texts  *webpage.Texts
	o      teamsapp.PackageOptions
	logo   []byte // that could not be read, if it was sent
	limits map[string]teamsapp.Limit
	err    error
}

func (b *builder) t(key string, pairs ...any) string {
	s, err := b.texts.Text(key, pairs...)
	if err != nil && b.err == nil {
		b.err = err
	}
	return s
}

// text returns the field of a text. path is its name in package teamsapp, such as "Developer.Website".
func (b *builder) text(id, name, path, value string) *field {
	f := &field{ID: id, Name: name, Label: b.t("field." + strings.TrimPrefix(name, more)), Value: value}
	l, limited := b.limits[path]
	if limited && !l.Required {
		f.Optional = b.t("optional")
	}
	if limited && l.Unit == "characters" && path != "Language" {
		n := teamsapp.TextLength(value)
		f.Max = l.Max
		f.Count = b.t("js.count", "n", n, "max", l.Max)
		if n > l.Max {
			f.Count = b.t("js.over", "n", n, "max", l.Max, "over", n-l.Max)
		}
	}
	if l.Lines {
		f.Lines = 6
	}
	return f
}

// group returns the fields of one language: i counts the further ones from 0, and is -1 for the first.
func (b *builder) group(i int, language string, texts teamsapp.Texts) group {
	prefix, suffix := "", ""
	g := group{ID: "texts", Title: b.t("main.title")}
	if i >= 0 {
		prefix, suffix = more, "-"+strconv.Itoa(i+1)
		g.ID, g.Title, g.Remove = "language"+suffix+"-texts", b.t("language.title", "n", i+2), doRemove+strconv.Itoa(i)
	}
	tag := b.text(fieldLanguage+suffix, prefix+fieldLanguage, "Language", language)
	tag.Hint, tag.List, tag.Code = b.t("hint.language"), "tags", "text"
	if i >= 0 {
		tag.Optional = ""
	}
	g.Fields = []*field{tag}
	for _, x := range []struct{ name, path, value string }{
		{fieldShort, "ShortName", texts.ShortName},
		{fieldFull, "FullName", texts.FullName},
		{fieldSummary, "Summary", texts.Summary},
		{fieldDescription, "Description", texts.Description},
	} {
		f := b.text(x.name+suffix, prefix+x.name, x.path, x.value)
		f.Lang = language
		f.Hint = b.t("hint." + x.name)
		g.Fields = append(g.Fields, f)
	}
	return g
}

// build returns what the page shows of a form.
func (b *builder) build(f form, maxLogo int, asksVersion bool) *view {
	b.limits = map[string]teamsapp.Limit{}
	for _, l := range teamsapp.Limits() {
		b.limits[l.Field] = l
	}
	v := &view{MaxLogo: maxLogo, Tags: tags}
	v.Logo = &field{ID: fieldLogo, Name: fieldLogo, Label: b.t("field.logo"), Hint: b.t("hint.logo", "most", mebibytes(maxLogo))}
	if len(f.brand.Logo) > 0 {
		v.Kept = base64.StdEncoding.EncodeToString(f.brand.Logo)
		v.Logo.Hint = b.t("hint.logo_kept", "most", mebibytes(maxLogo))
	}
	v.Accent = &field{ID: fieldAccent, Name: fieldAccent, Label: b.t("field.accent"), Hint: b.t("hint.accent"), Value: f.brand.Accent}
	v.Groups = append(v.Groups, b.group(-1, f.brand.Language, f.brand.Texts))
	for i, m := range f.brand.More {
		v.Groups = append(v.Groups, b.group(i, m.Language, m.Texts))
	}
	d := f.brand.Developer
	for _, x := range []struct{ name, path, value, code string }{
		{fieldDeveloper, "Developer.Name", d.Name, ""},
		{fieldWebsite, "Developer.Website", d.Website, "url"},
		{fieldPrivacy, "Developer.Privacy", d.Privacy, "url"},
		{fieldTerms, "Developer.Terms", d.Terms, "url"},
	} {
		field := b.text(x.name, x.name, x.path, x.value)
		field.Code = x.code
		v.Developer = append(v.Developer, field)
	}
	if asksVersion {
		v.Version = &field{
			ID: fieldVersion, Name: fieldVersion, Label: b.t("field.version"), Hint: b.t("hint.version"), Optional: b.t("optional"), Value: f.version, Code: "decimal",
		}
	}
	script, err := json.Marshal(b.texts.Below("js."))
	if err != nil && b.err == nil {
		b.err = err
	}
	v.Texts = string(script)
	return v
}

// mebibytes says a limit as people read it.
func mebibytes(n int) string {
	return strings.TrimSuffix(strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64), ".0")
}

// show puts the icons into the picture of Teams.
func (b *builder) show(v *view, f form, p *teamsapp.Package) {
	name := f.brand.ShortName
	if name == "" {
		name = b.t("field.short")
	}
	accent := accentOf(f.brand)
	for _, ground := range []string{"light", "dark"} {
		on := b.t("ground." + ground)
		v.Scenes = append(v.Scenes, scene{
			Ground: ground, Label: b.t("scene." + ground), Color: dataPNG(p.Color), Outline: dataPNG(p.Outline),
			Short: name, Developer: f.brand.Developer.Name, Summary: f.brand.Summary,
			List: b.t("scene.list"), Chat: b.t("scene.chat"), Message: b.t("scene.message"),
			AltBar: b.t("alt.bar", "ground", on), AltBarOn: b.t("alt.bar_on", "ground", on), AltSquare: b.t("alt.square", "ground", on),
			AltHexagon: b.t("alt.hexagon", "ground", on), AltCircle: b.t("alt.circle", "ground", on),
			AltAccent: b.t("alt.bar_accent", "ground", on), Accent: accent.String(),
		})
	}
}

// accentOf returns the accent colour, or that which a package has without one.
func accentOf(b teamsapp.Brand) webpage.Color {
	c, err := webpage.ParseColor(b.Accent)
	if err != nil {
		c, _ = webpage.ParseColor(teamsapp.DefaultAccent)
	}
	return c
}

// tell says which package this is.
func (b *builder) tell(v *view, was teamsapp.Published, p *teamsapp.Package, whole bool) {
	if !whole {
		return
	}
	v.Made = &made{ID: p.ID, Version: p.Version}
	switch was.Version {
	case "":
		v.Made.Note = b.t("made.first")
	case p.Version:
		v.Made.Note = b.t("made.same")
	default:
		v.Made.Note = b.t("made.raised", "version", was.Version)
	}
}

// dataPNG returns the address of a picture that stands in the page itself.
func dataPNG(png []byte) template.URL {
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png)) //nolint:gosec // base64 ends no attribute
}

// focus says where the page begins for somebody who reads with a screen reader, or has pressed a button far below.
func (v *view) focus(where string) {
	switch {
	case len(v.Faults) > 0 || v.Problem != nil:
		v.Focus = "faults"
	case where == doAdd:
		v.Groups[len(v.Groups)-1].Fields[0].Focus = true
	default:
		v.Focus = where
	}
}
