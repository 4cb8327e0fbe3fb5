package graphfake

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
)

// refusal is what the catalog says about one field of a manifest.
type refusal struct{ code, message, target string }

// refuse is the error of a package that is not taken.
func refuse(rs ...refusal) *apiError {
	var texts []string
	var details []any
	for _, r := range rs {
		texts = append(texts, r.target+" | "+r.message)
		details = append(details, map[string]any{"code": r.code, "message": r.message, "target": r.target})
	}
	return &apiError{
		status: http.StatusBadRequest, code: "BadRequest", message: strings.Join(texts, "; "), inner: "UnableToParseTeamsAppManifest", details: details,
	}
}

// rootProps are what a manifest may have. "packageName" is not among them any more.
var rootProps = []string{
	"$schema", "manifestVersion", "version", "id", "developer", "name", "description", "localizationInfo", "icons", "accentColor", "configurableTabs",
	"staticTabs", "bots", "connectors", "composeExtensions", "permissions", "devicePermissions", "validDomains", "webApplicationInfo", "showLoadingIndicator",
	"isFullScreen", "activities", "configurableProperties", "supportedChannelTypes", "defaultBlockUntilAdminAction", "publisherDocsUrl",
	"defaultInstallScope", "defaultGroupCapability", "subscriptionOffer", "meetingExtensionDefinition", "authorization", "extensions",
	"dashboardCards", "copilotAgents", "intuneInfo", "supportsChannelFeatures",
}

var (
	guidText    = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	versionText = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$`)
	colorText   = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	linkText    = regexp.MustCompile(`^[Hh][Tt][Tt][Pp][Ss]?://`)
)

// maxUnpacked is the longest file of a package that is read.
const maxUnpacked = 4 << 20

// readPackage reads what the catalog keeps of a package, and the id in its manifest.
func readPackage(b []byte) (TeamsAppDefinition, string, *apiError) {
	var none TeamsAppDefinition
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return none, "", &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "The zip file cannot be read.", inner: "UnableToParseTeamsAppManifest"}
	}
	names := map[string]bool{}
	var manifest []byte
	for _, f := range z.File {
		names[f.Name] = true
		if f.Name != "manifest.json" {
			continue
		}
		r, err := f.Open()
		if err == nil {
			manifest, err = io.ReadAll(io.LimitReader(r, maxUnpacked))
			_ = r.Close()
		}
		if err != nil {
			return none, "", refuse(refusal{"Serialization_FileMissing", "The file manifest.json cannot be read.", "manifest.json"})
		}
	}
	if manifest == nil {
		return none, "", refuse(refusal{"Serialization_FileMissing", "The file manifest.json couldn't be found in the app package.", "manifest.json"})
	}
	var m map[string]any
	if json.Unmarshal(manifest, &m) != nil {
		return none, "", refuse(refusal{"Serialization_FileNotValidJson", "The file couldn't be parsed as a JSON object.", "manifest.json"})
	}
	k := &manifestCheck{m: m}
	k.all(names)
	if len(k.bad) > 0 {
		return none, "", refuse(k.bad...)
	}
	d := TeamsAppDefinition{
		Version: k.text("version"), Name: k.text("name", "short"), ShortDescription: k.text("description", "short"), Description: k.text("description", "full"),
		GraphID: strings.ToLower(k.text("webApplicationInfo", "id")),
	}
	if bots, ok := m["bots"].([]any); ok && len(bots) > 0 {
		if bot, ok := bots[0].(map[string]any); ok {
			id, _ := bot["botId"].(string)
			d.BotID = strings.ToLower(id)
			scopes, _ := bot["scopes"].([]any)
			for _, s := range scopes {
				if s, ok := s.(string); ok {
					d.Scopes = append(d.Scopes, s)
				}
			}
		}
	}
	return d, strings.ToLower(k.text("id")), nil
}

// manifestCheck holds a manifest against the rules of which the catalog's answers are documented.
type manifestCheck struct {
	m   map[string]any
	bad []refusal
}

func (k *manifestCheck) say(code, target, format string, args ...any) {
	k.bad = append(k.bad, refusal{code, fmt.Sprintf(format, args...), target})
}

// text returns the text at a path, empty where there is none.
func (k *manifestCheck) text(path ...string) string {
	var v any = k.m
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

func (k *manifestCheck) all(files map[string]bool) {
	for name := range k.m {
		if !slices.Contains(rootProps, name) {
			k.say("SchemaError_AdditionalProperties", name, "Property %q hasn't been defined and the schema doesn't allow additional properties.", name)
		}
	}
	if k.text("$schema") == "" {
		k.say("CommonSchemaUrlIsRequiredField", "$schema", "Schema URL must be present.")
	}
	for _, path := range []string{
		"manifestVersion", "version", "id", "developer.name", "developer.websiteUrl", "developer.privacyUrl", "developer.termsOfUseUrl", "name.short",
		"description.short", "description.full", "icons.color", "icons.outline", "accentColor",
	} {
		if k.text(strings.Split(path, ".")...) == "" {
			k.say("SchemaError_Required", path, "Required properties are missing from object: [].")
		}
	}
	for path, most := range map[string]int{
		"name.short": 30, "name.full": 100, "description.short": 80, "description.full": 4000, "developer.name": 32, "developer.websiteUrl": 2048,
	} {
		if s := k.text(strings.Split(path, ".")...); len(utf16.Encode([]rune(s))) > most {
			k.say("SchemaError_MaximumLength", path, "String %q exceeds maximum length of %d.", s, most)
		}
	}
	if id := k.text("id"); id != "" && !guidText.MatchString(id) {
		k.say("CommonAppIdIsNotGuid", "id", "Field 'ID' isn't a Guid in the manifest.")
	}
	for path, want := range map[string]*regexp.Regexp{
		"version": versionText, "accentColor": colorText, "developer.websiteUrl": linkText, "developer.privacyUrl": linkText, "developer.termsOfUseUrl": linkText,
	} {
		if s := k.text(strings.Split(path, ".")...); s != "" && !want.MatchString(s) {
			k.say("SchemaError_Pattern", path, "String %q does not match regex pattern \"%s\".", s, want)
		}
	}
	for _, path := range []string{"icons.color", "icons.outline"} {
		if s := k.text(strings.Split(path, ".")...); s != "" && !files[s] {
			k.say("Serialization_FileMissing", path, "The file %s couldn't be found in the app package.", s)
		}
	}
	slices.SortFunc(k.bad, func(a, b refusal) int { return strings.Compare(a.target+a.code, b.target+b.code) })
}
