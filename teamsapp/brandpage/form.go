package brandpage

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/teamsapp"
)

const (
	// maxMore is how many further languages the form takes. Teams itself has some sixty.
	maxMore = 64
	// maxTexts is what the texts of a form may take, in bytes, with all languages.
	maxTexts = 2 << 20
)

// The names of fields. Those of further languages come several times, in order.
const (
	fieldLogo        = "logo"
	fieldKept        = "logo_kept" // the logo as it was read before, in base64
	fieldAccent      = "accent"
	fieldVersion     = "version"
	fieldLanguage    = "language"
	fieldShort       = "short"
	fieldFull        = "full"
	fieldSummary     = "summary"
	fieldDescription = "description"
	fieldDeveloper   = "developer"
	fieldWebsite     = "website"
	fieldPrivacy     = "privacy"
	fieldTerms       = "terms"
	fieldDo          = "do"

	more = "more_" // stands before the names of fields of further languages
)

// What the buttons say in fieldDo; without it a form is a preview.
const (
	doAdd      = "add"
	doRemove   = "remove-" // and the index of the language
	doDownload = "download"
)

// form is what somebody has typed, as it shall stand there again.
type form struct {
	brand   teamsapp.Brand // with the texts as typed, and the logo as it was read
	version string         // that is in Teams, where the host keeps none
	refused []byte         // a logo that could not be read
}

// readForm puts what was typed in place of what the host has.
func readForm(b teamsapp.Brand, in url.Values) form {
	text := func(name string, i int) string {
		if all := in[name]; i < len(all) {
			return typed(all[i])
		}
		return ""
	}
	texts := func(prefix string, i int) teamsapp.Texts {
		return teamsapp.Texts{
			ShortName: text(prefix+fieldShort, i), FullName: text(prefix+fieldFull, i),
			Summary: text(prefix+fieldSummary, i), Description: text(prefix+fieldDescription, i),
		}
	}
	b.Texts, b.Language = texts("", 0), text(fieldLanguage, 0)
	b.More = nil
	for i := range min(len(in[more+fieldLanguage]), maxMore) {
		b.More = append(b.More, teamsapp.Translation{Language: text(more+fieldLanguage, i), Texts: texts(more, i)})
	}
	b.Accent = text(fieldAccent, 0)
	b.Developer = teamsapp.Developer{
		Name: text(fieldDeveloper, 0), Website: text(fieldWebsite, 0), Privacy: text(fieldPrivacy, 0), Terms: text(fieldTerms, 0),
	}
	return form{brand: b, version: text(fieldVersion, 0)}
}

// typed returns what was typed, without spaces around it. Browsers send the lines of a text with CR LF.
func typed(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\r\n", "\n"))
}

// change adds or removes a language where a button says so, and reports whether one did.
func (f *form) change(do string) bool {
	if do == doAdd {
		if len(f.brand.More) < maxMore {
			f.brand.More = append(f.brand.More, teamsapp.Translation{})
		}
		return true
	}
	n, ok := strings.CutPrefix(do, doRemove)
	if i, err := strconv.Atoi(n); ok && err == nil && i >= 0 && i < len(f.brand.More) {
		f.brand.More = slices.Delete(slices.Clone(f.brand.More), i, i+1)
	}
	return ok
}

// kept returns the logo that a form carries from one page to the next, or nil. It is as foreign as one that is uploaded.
func kept(in url.Values) []byte {
	b, err := base64.StdEncoding.DecodeString(in.Get(fieldKept))
	if err != nil {
		return nil
	}
	return b
}
