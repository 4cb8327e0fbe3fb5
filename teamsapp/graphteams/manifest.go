package graphteams

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/mspkit/mspkit/internal/graphx"
)

// ManifestError says why Microsoft does not take a package. Its text names fields, and holds nothing of what is in them.
type ManifestError struct {
	// Problems has one entry for each that Microsoft told of; it may be empty.
	Problems []ManifestProblem
	err      error
}

// ManifestProblem is one thing that is wrong with a package.
type ManifestProblem struct {
	// Code is Microsoft's, such as "SchemaError_MaximumLength".
	Code string
	// Field is where it is in the manifest, such as "developer.websiteUrl"; empty where Microsoft does not say.
	Field string
	// Text says it in words.
	Text string
}

// Error says all problems.
func (e *ManifestError) Error() string {
	if len(e.Problems) == 0 {
		return ErrManifest.Error() + ", and Microsoft does not say why"
	}
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.Text
	}
	return ErrManifest.Error() + ": " + strings.Join(texts, "; ")
}

// Is reports whether target is [ErrManifest].
func (e *ManifestError) Is(target error) bool { return target == ErrManifest }

// Unwrap returns the error of Graph.
func (e *ManifestError) Unwrap() error { return e.err }

// fieldNames are what people call the fields of a manifest.
var fieldNames = map[string]string{
	"$schema": "the address of the schema", "manifestVersion": "the version of the schema", "version": "the version", "id": "the id",
	"name.short": "the short name", "name.full": "the full name", "description.short": "the summary", "description.full": "the description",
	"developer": "the developer", "developer.name": "the developer's name", "developer.websiteUrl": "the developer's website",
	"developer.privacyUrl": "the address of the privacy statement", "developer.termsOfUseUrl": "the address of the terms of use",
	"icons": "the icons", "icons.color": "the colour icon", "icons.outline": "the outline icon", "accentColor": "the accent colour",
	"name": "the name", "description": "the description", "bots": "the bot", "validDomains": "the list of domains",
	"webApplicationInfo": "the application of the app", "localizationInfo": "the list of languages", "manifest.json": "the manifest",
}

// fieldWords are all there may be in a path to a field that is repeated in a text: the names in a manifest that is made here.
var fieldWords = strings.Fields(`$schema manifestVersion version id developer name websiteUrl privacyUrl termsOfUseUrl mpnId short full description
	icons color outline color32x32 accentColor bots botId scopes isNotificationOnly supportsFiles supportsCalling supportsVideo commandLists commands
	title validDomains webApplicationInfo resource localizationInfo defaultLanguageTag defaultLanguageFile additionalLanguages languageTag file
	defaultInstallScope defaultBlockUntilAdminAction permissions configurableProperties authorization resourceSpecific type packageName manifest.json`)

var index = regexp.MustCompile(`\[[0-9]{1,4}\]`)

// field returns a path where all of it are names of a manifest, and "" otherwise: what else a server says may be a text that
// somebody wrote.
func field(target string) string {
	target = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(target, "#/"), "/"), "$.")
	if target == "manifest.json" || target == "$schema" {
		return target
	}
	bare := index.ReplaceAllString(strings.ReplaceAll(target, "/", "."), "")
	if len(target) > 100 || bare == "" {
		return ""
	}
	for word := range strings.SplitSeq(bare, ".") {
		if !slices.Contains(fieldWords, word) {
			return ""
		}
	}
	return strings.ReplaceAll(target, "/", ".")
}

// called returns what a field is called in a sentence.
func called(field string) string {
	switch name := fieldNames[index.ReplaceAllString(field, "")]; {
	case field == "":
		return "a field"
	case name != "":
		return name + " (" + field + ")"
	}
	return field
}

// words say what the codes mean; "%" stands for the field. They are those of
// https://learn.microsoft.com/graph/api/teamsapp-publish that a package for a bot can meet.
var words = map[string]string{
	"Serialization_FileNotValidJson":                "% is not valid JSON",
	"Serialization_TrailingCommaInManifestJsonFile": "the manifest is not valid JSON: it has a comma too many",
	"Serialization_ManifestVersionPropertyMissing":  "the version of the schema is missing (manifestVersion)",
	"Serialization_FileMissing":                     "% names a file that is not in the package",
	"SchemaError_Required":                          "% is missing, or something in it",
	"SchemaError_MaximumLength":                     "% is too long",
	"SchemaError_MinimumLength":                     "% is too short",
	"SchemaError_Pattern":                           "% is not of the form that it must have",
	"SchemaError_Format":                            "% is not of the form that it must have",
	"SchemaError_Type":                              "% is of another type than it must be",
	"SchemaError_Enum":                              "% is none of the values that it may have",
	"SchemaError_Const":                             "% is not the value that it must have",
	"SchemaError_AdditionalProperties":              "% is not known in this version of the schema",
	"SchemaError_MaximumItems":                      "% has too many entries",
	"SchemaError_MinimumItems":                      "% has too few entries",
	"SchemaError_UniqueItems":                       "% has an entry twice",
	"SchemaError_Maximum":                           "% is too large",
	"SchemaError_Minimum":                           "% is too small",
	"CommonAppIdIsNotGuid":                          "the id is no GUID (id)",
	"CommonAppIdIsRequiredField":                    "the id is missing (id)",
	"CommonManifestVersionIsRequiredField":          "the version of the schema is missing (manifestVersion)",
	"CommonSchemaUrlIsRequiredField":                "the address of the schema is missing ($schema)",
	"DeveloperNameIsRequiredField":                  "the developer's name is missing (developer.name)",
	"DeveloperNameLengthCheck":                      "the developer's name has more than 32 characters (developer.name)",
	"DeveloperWebsiteUrlIsRequiredField":            "the developer's website is missing (developer.websiteUrl)",
	"DeveloperWebsiteUrlMustBeHttps":                "the developer's website is not https (developer.websiteUrl)",
	"DeveloperPrivacyUrlIsRequiredField":            "the address of the privacy statement is missing (developer.privacyUrl)",
	"DeveloperPrivacyUrlMustBeHttps":                "the address of the privacy statement is not https (developer.privacyUrl)",
	"DeveloperTermsOfUseUrlIsRequiredField":         "the address of the terms of use is missing (developer.termsOfUseUrl)",
	"DeveloperTermsOfUseUrlMustBeHttps":             "the address of the terms of use is not https (developer.termsOfUseUrl)",
	"ShortNameIsRequiredField":                      "the short name is missing (name.short)",
	"ShortNameLengthCheck":                          "the short name has more than 30 characters (name.short)",
	"ShortNameEqualsReservedName":                   "the short name is one that Microsoft keeps for itself (name.short)",
	"ShortDescriptionCannotBeEmpty":                 "the summary is empty (description.short)",
	"ShortDescriptionLengthCheck":                   "the summary has more than 80 characters (description.short)",
	"FullDescriptionCannotBeEmpty":                  "the description is empty (description.full)",
	"FullDescriptionLengthCheck":                    "the description has more than 4,000 characters (description.full)",
	"InvalidColorIconHeightAndWidth":                "the colour icon does not have 192 by 192 pixels (icons.color)",
	"InvalidColor32x32IconHeightAndWidth":           "the small colour icon does not have 32 by 32 pixels (icons.color32x32)",
	"InvalidOutlineIconHeightAndWidth":              "the outline icon does not have 32 by 32 pixels (icons.outline)",
	"InvalidOutlineIconTransparency":                "the outline icon has pixels that are neither white nor transparent (icons.outline)",
	"BotIdIsNotGuid":                                "the id of the bot is no GUID (bots[0].botId)",
	"VersionCannotBeEmpty":                          "the version is missing (version)",
	"VersionContainsOnlyNumbersDotSeparated":        "the version is not of the form 1.2.3 (version)",
	"VersionHasMajorLessThan1":                      "the version begins with 0 (version)",
}

// maxProblems is how many problems are kept.
const maxProblems = 20

// refusedPackage returns the error of an answer that says that a package is refused, nil where it says something else.
func refusedPackage(e *graphx.Error) error {
	const unparsable = "UnableToParseTeamsAppManifest"
	if e.Status == http.StatusRequestEntityTooLarge {
		return because(ErrManifest, &ManifestError{err: e}, "Microsoft does not take a package of this size: use a smaller logo, or fewer languages.")
	}
	m := &ManifestError{err: e}
	for _, d := range e.Details {
		text, known := words[d.Code]
		if !known && e.InnerCode != unparsable && !strings.HasPrefix(d.Code, "SchemaError_") && !strings.HasPrefix(d.Code, "Serialization_") {
			continue
		}
		if len(m.Problems) == maxProblems {
			break
		}
		p := ManifestProblem{Code: (&graphx.Error{Code: d.Code}).PlainCode(), Field: field(d.Target)}
		if !known {
			text = "% is not accepted, code " + p.Code
		}
		p.Text = strings.ReplaceAll(text, "%", called(p.Field))
		if !slices.Contains(m.Problems, p) {
			m.Problems = append(m.Problems, p)
		}
	}
	switch {
	case len(m.Problems) > 0:
		var texts []string
		for _, p := range m.Problems {
			texts = append(texts, p.Text)
		}
		return because(ErrManifest, m, "Microsoft refuses the package: %s. Correct the brand and make the package anew.", strings.Join(texts, "; "))
	case e.InnerCode == unparsable, e.Code == unparsable:
		return because(ErrManifest, m, "Microsoft refuses the package and does not say why: make it anew, with another version of the manifest's schema if need be.")
	}
	return nil
}

// meant returns an error that came with a status of success with the status that its code stands for.
func meant(e *graphx.Error) error {
	if e.Status/100 != 2 {
		return e
	}
	for _, code := range []string{e.InnerCode, e.Code} {
		if status, ok := statusOfCode[strings.ToLower(code)]; ok {
			e.Status = status
			return e
		}
	}
	e.Status = http.StatusBadRequest
	if len(e.Details) == 0 {
		e.Status = http.StatusBadGateway // it is not known whether anything was done
	}
	return e
}

var statusOfCode = map[string]int{
	"badrequest": http.StatusBadRequest, "unabletoparseteamsappmanifest": http.StatusBadRequest, "invalidrequest": http.StatusBadRequest,
	"unauthorized": http.StatusUnauthorized, "unauthenticated": http.StatusUnauthorized, "invalidauthenticationtoken": http.StatusUnauthorized,
	"forbidden": http.StatusForbidden, "authorization_requestdenied": http.StatusForbidden, "accessdenied": http.StatusForbidden,
	"notfound": http.StatusNotFound, "conflict": http.StatusConflict, "appdefinitionalreadyexists": http.StatusConflict,
	"preconditionfailed": http.StatusPreconditionFailed, "toomanyrequests": http.StatusTooManyRequests,
	"internalservererror": http.StatusInternalServerError, "serviceunavailable": http.StatusServiceUnavailable, "unknownerror": http.StatusInternalServerError,
}

// uploadError says of the error of an upload what it means.
func uploadError(err error, review bool) error {
	e, ok := errors.AsType[*graphx.Error](err)
	if !ok {
		return err
	}
	if refused := refusedPackage(e); refused != nil {
		return refused
	}
	switch {
	case e.Status == http.StatusForbidden && review:
		return because(ErrDenied, err, "A person must be signed in, and the application needs the delegated permission AppCatalog.Submit with consent. "+
			"There is no permission by which an application could submit an app by itself.")
	case e.Status == http.StatusForbidden:
		return because(ErrDenied, err, "%s People without the role can submit the app for review.", publishAdvice)
	case e.Status == http.StatusPreconditionFailed: // no precondition was sent
		return because(ErrDelegated, err, "%s", publishAdvice)
	}
	return err
}
