package teamsapp

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// DefaultSchema is the version of the manifest's schema that is used unless another is asked for. It is an older one
	// on purpose: an app with a bot of its own needs nothing newer, Microsoft keeps accepting it
	// (https://learn.microsoft.com/microsoftteams/platform/resources/schema/manifest-schema: "previous versions … are each
	// supported"), and tenants in government clouds get new versions later.
	DefaultSchema = "1.19"

	oldestMinor, newestMinor = 12, 29
	newestSchema             = "1.29"
	schemaBase               = "https://developer.microsoft.com/json-schemas/teams/v"
)

// Schemas lists the versions of the manifest's schema that [NewPackage] knows, oldest first: 1.12, the oldest that
// Microsoft names for new apps, to 1.29. There is no 1.18
// (https://learn.microsoft.com/microsoftteams/platform/resources/schema/manifest-schema). It writes only keys that all of
// them have. A newer one is tried all the same, with a warning.
func Schemas() []string {
	var out []string
	for n := oldestMinor; n <= newestMinor; n++ {
		if n != 18 {
			out = append(out, "1."+strconv.Itoa(n))
		}
	}
	return out
}

var schemaForm = regexp.MustCompile(`^1\.([1-9][0-9])$`)

func schemaMinor(schema string) (int, bool) {
	m := schemaForm.FindStringSubmatch(schema)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil && n >= oldestMinor && n != 18
}

// manifest is manifest.json. The order of the fields is that of the file.
type manifest struct {
	Schema          string        `json:"$schema"`
	ManifestVersion string        `json:"manifestVersion"`
	Version         string        `json:"version"`
	ID              string        `json:"id"`
	Localization    *localization `json:"localizationInfo,omitempty"`
	Developer       struct {
		Name    string `json:"name"`
		Website string `json:"websiteUrl"`
		Privacy string `json:"privacyUrl"`
		Terms   string `json:"termsOfUseUrl"`
	} `json:"developer"`
	Name struct {
		Short string `json:"short"`
		Full  string `json:"full,omitempty"`
	} `json:"name"`
	Description struct {
		Short string `json:"short"`
		Full  string `json:"full"`
	} `json:"description"`
	Icons struct {
		Outline string `json:"outline"`
		Color   string `json:"color"`
	} `json:"icons"`
	Accent       string        `json:"accentColor"`
	Bots         []manifestBot `json:"bots"`
	ValidDomains []string      `json:"validDomains,omitempty"`
	Application  struct {
		ID       string `json:"id"`
		Resource string `json:"resource"`
	} `json:"webApplicationInfo"`
}

type manifestBot struct {
	BotID            string   `json:"botId"`
	Scopes           []string `json:"scopes"`
	NotificationOnly bool     `json:"isNotificationOnly"`
}

type localization struct {
	Default string         `json:"defaultLanguageTag"`
	More    []languageFile `json:"additionalLanguages"`
}

type languageFile struct {
	Tag  string `json:"languageTag"`
	File string `json:"file"`
}

// languageTexts is the file of a language.
type languageTexts struct {
	Schema           string `json:"$schema"`
	NameShort        string `json:"name.short"`
	NameFull         string `json:"name.full,omitempty"`
	DescriptionShort string `json:"description.short"`
	DescriptionFull  string `json:"description.full"`
}

// newManifest returns the manifest of a brand that is clean and checked, without its version.
func newManifest(b Brand, id, schema string) manifest {
	m := manifest{
		Schema: schemaBase + schema + "/MicrosoftTeams.schema.json", ManifestVersion: schema, ID: id,
		Accent: b.Accent, ValidDomains: b.Domains,
		Bots: []manifestBot{{BotID: b.BotID, Scopes: []string{"personal"}, NotificationOnly: b.NotificationOnly}},
	}
	m.Developer.Name, m.Developer.Website, m.Developer.Privacy, m.Developer.Terms = b.Developer.Name, b.Developer.Website, b.Developer.Privacy, b.Developer.Terms
	m.Name.Short, m.Name.Full = b.ShortName, b.FullName
	m.Description.Short, m.Description.Full = b.Summary, b.Description
	m.Icons.Outline, m.Icons.Color = outlineName, colorName
	// The resource is the form that Entra and the Bot Service know a bot's application by; nothing signs in to it here.
	m.Application.ID, m.Application.Resource = b.GraphID, "api://botid-"+b.BotID
	if len(b.More) > 0 || b.Language != defaultLanguage {
		m.Localization = &localization{Default: b.Language, More: []languageFile{}}
		for _, t := range b.More {
			m.Localization.More = append(m.Localization.More, languageFile{t.Language, languageName(t.Language)})
		}
	}
	return m
}

// languageName is the name of the file of a language. A tag alone could be "manifest".
func languageName(tag string) string { return "lang." + tag + ".json" }

// languageFiles returns the files of the further languages of a clean brand, in the order of their tags.
func languageFiles(b Brand, schema string) []file {
	out := make([]file, 0, len(b.More))
	for _, t := range b.More {
		data, err := encodeJSON(languageTexts{
			Schema:    schemaBase + schema + "/MicrosoftTeams.Localization.schema.json",
			NameShort: t.ShortName, NameFull: t.FullName, DescriptionShort: t.Summary, DescriptionFull: t.Description,
		})
		if err == nil { // a struct of strings can be encoded
			out = append(out, file{languageName(t.Language), data})
		}
	}
	return out
}

func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return buf.Bytes(), err
}

// clean returns the brand as it is written: what may be spelled in several ways is spelled in one, so that a space does
// not change the package. It checks nothing, and leaves the caller's slices as they were.
func (b Brand) clean() Brand {
	b.BotID, b.GraphID = strings.ToLower(b.BotID), strings.ToLower(cmp.Or(b.GraphID, b.BotID))
	b.Texts = b.Texts.clean()
	b.Language = strings.ToLower(cmp.Or(b.Language, defaultLanguage))
	b.Accent = strings.ToUpper(cmp.Or(strings.TrimSpace(b.Accent), DefaultAccent))
	d := &b.Developer
	for _, s := range []*string{&d.Name, &d.Website, &d.Privacy, &d.Terms} {
		*s = cleanText(*s)
	}
	b.More = slices.Clone(b.More)
	for i := range b.More {
		b.More[i].Language, b.More[i].Texts = strings.ToLower(b.More[i].Language), b.More[i].clean()
	}
	b.Domains = slices.Clone(b.Domains)
	for i := range b.Domains {
		b.Domains[i] = strings.ToLower(b.Domains[i])
	}
	return b
}

func (t Texts) clean() Texts {
	for _, s := range []*string{&t.ShortName, &t.FullName, &t.Summary, &t.Description} {
		*s = cleanText(*s)
	}
	if t.FullName == t.ShortName { // Microsoft wants two names or one
		t.FullName = ""
	}
	return t
}

// settle puts in order what may come in any, in a brand that is clean and checked.
func (b Brand) settle() Brand {
	slices.SortFunc(b.More, func(x, y Translation) int { return cmp.Compare(x.Language, y.Language) })
	slices.Sort(b.Domains)
	return b
}
