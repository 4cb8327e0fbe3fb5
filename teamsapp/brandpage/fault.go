package brandpage

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/teamsapp"
)

// named is a field with its name in package teamsapp.
type named struct {
	path string
	*field
}

// fields returns those of a view, in the order of the page.
func (v *view) fields() []named {
	all := []named{{"Logo", v.Logo}, {"Accent", v.Accent}}
	for i, g := range v.Groups {
		prefix := ""
		if i > 0 {
			prefix = "More[" + strconv.Itoa(i-1) + "]."
		}
		for j, name := range []string{"Language", "ShortName", "FullName", "Summary", "Description"} {
			all = append(all, named{prefix + name, g.Fields[j]})
		}
	}
	for i, name := range []string{"Developer.Name", "Developer.Website", "Developer.Privacy", "Developer.Terms"} {
		all = append(all, named{name, v.Developer[i]})
	}
	if v.Version != nil {
		all = append(all, named{"PackageOptions.Previous.Version", v.Version})
	}
	return all
}

// blame writes faults to their fields, and all of them into the summary.
func (b *builder) blame(v *view, faults []*teamsapp.FieldError) {
	all := v.fields()
	for _, e := range faults {
		i := slices.IndexFunc(all, func(n named) bool { return n.path == e.Field })
		if i < 0 {
			// What people cannot edit, such as the bot's id, is for the host to put right.
			v.Faults = append(v.Faults, fault{Text: b.t("fault.host", "field", e.Field, "reason", e.Reason)})
			continue
		}
		all[i].Faults = append(all[i].Faults, b.reason(e))
	}
	for _, n := range all {
		label := n.Label
		if in, _, ok := strings.Cut(strings.TrimPrefix(n.path, "More["), "]"); ok {
			i, _ := strconv.Atoi(in) // fields wrote it
			label = b.t("fault.in", "field", label, "n", i+2)
		}
		for _, text := range n.Faults {
			v.Faults = append(v.Faults, fault{ID: n.ID, Label: label, Text: text})
		}
	}
}

// reasons are the words of the page for those of package teamsapp, by how they begin. A test meets each of them.
var reasons = []struct {
	begins, key string
	value       bool // the words repeat it
}{
	{"is missing", "fault.missing", false},
	{"is a word", "fault.word", true},
	{"is the same as the summary", "fault.same", false},
	{"translates a name that is not there", "fault.no_full", false},
	{"is the language of", "fault.language_twice", true},
	{"is not the tag of a language", "fault.language", true},
	{"is not a colour", "fault.accent", true},
	{"is not of the form 1.2.3", "fault.version", true},
	{"has a user name or password", "fault.url_user", false},
	{"is not a URL", "fault.url", true},
	{"is not an https URL", "fault.url", true},
	{"has no host", "fault.url", true},
}

// reason says a fault in the language of the page.
func (b *builder) reason(e *teamsapp.FieldError) string {
	path := e.Field
	if _, name, ok := strings.Cut(path, "]."); ok {
		path = name
	}
	switch {
	case path == "Logo":
		return b.logoReason(e)
	case e.Size > 0 && e.Max > 0 && b.limits[path].Unit == "bytes":
		return b.t("fault.bytes", "size", e.Size, "max", e.Max)
	case e.Size > 0 && e.Max > 0:
		return b.t("fault.characters", "size", e.Size, "max", e.Max)
	case strings.HasPrefix(e.Reason, "holds ") && b.limits[path].Unit == "bytes":
		return b.t("fault.url", "value", e.Value)
	case strings.HasPrefix(e.Reason, "holds "):
		return b.t("fault.hidden", "value", e.Value)
	}
	for _, r := range reasons {
		if !strings.HasPrefix(e.Reason, r.begins) {
			continue
		}
		if r.value {
			return b.t(r.key, "value", e.Value)
		}
		return b.t(r.key)
	}
	return b.t("fault.other", "reason", e.Reason)
}

// logoReason says what is wrong with a logo.
func (b *builder) logoReason(e *teamsapp.FieldError) string {
	head := bytes.ToLower(b.logo[:min(len(b.logo), 1<<10)])
	switch {
	case e.Size > 0 && e.Max == cmp.Or(b.o.MaxPixels, teamsapp.DefaultMaxPixels):
		return b.t("fault.logo_pixels", "size", e.Size, "max", e.Max)
	case e.Size > 0 && e.Max == cmp.Or(b.o.MaxLogo, teamsapp.DefaultMaxLogo):
		return b.t("fault.logo_bytes", "size", e.Size, "max", e.Max)
	case bytes.Contains(head, []byte("<svg")):
		return b.t("fault.logo_svg")
	case len(b.logo) > 0 && mspkit.Brand{Logo: b.logo}.LogoType() == "":
		return b.t("fault.logo_format")
	case strings.HasPrefix(e.Reason, "is an animation"):
		return b.t("fault.logo_animation")
	}
	return b.t("fault.logo_broken")
}

// warn writes the warnings to their fields, and those about the icons below these.
func (b *builder) warn(v *view, f form, warnings []teamsapp.Warning) {
	for _, w := range warnings {
		if w.Code == teamsapp.WarnAccent {
			white, _ := webpage.ParseColor("#ffffff")
			ratio := strconv.FormatFloat(webpage.Contrast(white, accentOf(f.brand)), 'f', 1, 64)
			v.Accent.Warnings = append(v.Accent.Warnings, b.t("warning.accent", "ratio", ratio))
			continue
		}
		text, err := b.texts.Text("warning." + strings.ReplaceAll(w.Code, "-", "_"))
		if err != nil { // of a kind that is newer than this page
			text = w.Text
		}
		v.Warnings = append(v.Warnings, text)
	}
}
