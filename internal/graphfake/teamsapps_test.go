package graphfake

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	catalogPath = "/v1.0/appCatalogs/teamsApps"
	appManifest = "8239c8f3-ed78-4512-933e-babfd28856f1"
	zipType     = "Content-Type: application/zip"
)

// appZip makes a package that is taken; change is laid over its manifest, and a name in without is left out of the zip.
func appZip(t testing.TB, version string, change map[string]any, without ...string) string {
	t.Helper()
	m := map[string]any{
		"$schema": "https://developer.microsoft.com/json-schemas/teams/v1.19/MicrosoftTeams.schema.json", "manifestVersion": "1.19", "version": version, "id": appManifest,
		"developer": map[string]any{"name": "MSP", "websiteUrl": "https://msp.example", "privacyUrl": "https://msp.example/p", "termsOfUseUrl": "https://msp.example/t"},
		"name":      map[string]any{"short": "Helpdesk"}, "description": map[string]any{"short": "Short.", "full": "Full."},
		"icons": map[string]any{"color": "c.png", "outline": "o.png"}, "accentColor": "#0A64A4",
		"bots":               []any{map[string]any{"botId": "07338883-AF76-47b3-86e4-2603c50be638", "scopes": []any{"personal"}}},
		"webApplicationInfo": map[string]any{"id": "07338883-AF76-47b3-86e4-2603c50be638", "resource": "x"},
	}
	maps.Copy(m, change)
	manifest, err := json.Marshal(m)
	require.NoError(t, err)
	files := map[string][]byte{"manifest.json": manifest, "c.png": nil, "o.png": nil}
	for _, name := range without {
		delete(files, name)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		f, err := z.Create(name)
		require.NoError(t, err)
		_, err = f.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.String()
}

func newCatalog(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t, nil)
	admin := f.tenant.Put(User{DisplayName: "A", Mail: "a@fabrikam.example", Admin: true, Roles: []string{"Teams Administrator"}})
	f.token = f.s.UserBearer(f.tenant.ID, admin)
	return f
}

// member is the header of somebody who administers nothing.
func (f *fixture) member() string {
	return "Authorization: Bearer " + f.s.UserBearer(f.tenant.ID, f.tenant.Put(User{DisplayName: "M", Mail: "m@fabrikam.example"}))
}

func innerOf(a answered) map[string]any {
	e, _ := a.m["error"].(map[string]any)
	in, _ := e["innerError"].(map[string]any)
	return in
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	f := newCatalog(t)
	app := "Authorization: Bearer " + f.s.Bearer(f.tenant.ID)
	require.Equal(t, 403, f.do(http.MethodPost, catalogPath, appZip(t, "1.0.0", nil), zipType, app).status, "no application can")
	require.Equal(t, 403, f.do(http.MethodPost, catalogPath, appZip(t, "1.0.0", nil), zipType, f.member()).status, "not without a review")
	require.Equal(t, 415, f.do(http.MethodPost, catalogPath, appZip(t, "1.0.0", nil)).status)
	require.Equal(t, 400, f.do(http.MethodPost, catalogPath+"?requiresReview=maybe", appZip(t, "1.0.0", nil), zipType).status)
	require.Equal(t, 400, f.do(http.MethodPost, catalogPath+"?review=true", appZip(t, "1.0.0", nil), zipType).status)

	a := f.do(http.MethodPost, catalogPath, appZip(t, "1.0.0", nil), zipType)
	require.Equal(t, 201, a.status, a.body)
	id, _ := a.m["id"].(string)
	require.Equal(t, appManifest, a.m["externalId"])
	require.Equal(t, "organization", a.m["distributionMethod"])
	require.True(t, strings.HasSuffix(a.header.Get("Location"), "/"+id))
	a = f.do(http.MethodPost, catalogPath, appZip(t, "1.0.1", nil), zipType)
	require.Equal(t, 409, a.status)
	require.Equal(t, "AppDefinitionAlreadyExists", innerOf(a)["code"])

	f.tenant.AddStoreApp("com.example.store", "Store")
	query := "?$filter=externalId eq '" + strings.ToUpper(appManifest) + "'&$expand=appDefinitions"
	a = f.get(catalogPath+query, app)
	require.Len(t, a.value(), 1)
	def, _ := a.value()[0]["appDefinitions"].([]any)[0].(map[string]any)
	require.Equal(t, "published", def["publishingState"])
	require.NotEmpty(t, def["@odata.etag"])
	require.Len(t, f.get(catalogPath).value(), 2)
	require.NotContains(t, f.get(catalogPath).value()[0], "appDefinitions")
	require.Len(t, f.get(catalogPath+"?$filter=distributionMethod eq 'organization' and displayName ne 'x'&$select=id").value(), 1)
	for _, q := range []string{"?$filter=nope eq 'x'", "?$filter=id eq x", "?$filter=id gt 'x'", "?$filter=id eq 'x' or id eq 'y'", "?$expand=nope", "?$select=nope", "?$search=x"} {
		require.Equal(t, 400, f.get(catalogPath+q).status, q)
	}

	defs := catalogPath + "/" + id + "/appDefinitions"
	require.Equal(t, 409, f.do(http.MethodPost, defs, appZip(t, "1.0.0", nil), zipType).status)
	require.Equal(t, 404, f.do(http.MethodPost, catalogPath+"/x/appDefinitions", appZip(t, "1.0.1", nil), zipType).status)
	require.Equal(t, 403, f.do(http.MethodPost, catalogPath+"/com.example.store/appDefinitions", appZip(t, "1.0.1", nil), zipType).status)
	require.Equal(t, 400, f.do(http.MethodPost, defs, appZip(t, "1.0.1", map[string]any{"id": newID()}), zipType).status, "of another app")
	a = f.do(http.MethodPost, defs, appZip(t, "1.0.1", nil), zipType)
	require.Equal(t, 201, a.status)
	require.Equal(t, "1.0.1", a.m["version"])
	apps := f.tenant.TeamsApps()
	require.Equal(t, "1.0.1", apps[0].Published().Version)
	require.Equal(t, "07338883-af76-47b3-86e4-2603c50be638", apps[0].Published().BotID)
	require.Equal(t, []string{"personal"}, apps[0].Published().Scopes)

	require.Equal(t, 403, f.do(http.MethodDelete, catalogPath+"/"+id, "", f.member()).status)
	require.Equal(t, 403, f.do(http.MethodDelete, catalogPath+"/com.example.store", "").status)
	require.Equal(t, 204, f.do(http.MethodDelete, catalogPath+"/"+id, "").status)
	require.Equal(t, 404, f.do(http.MethodDelete, catalogPath+"/"+id, "").status)
	id, err := f.tenant.Publish([]byte(appZip(t, "1.0.0", nil)))
	require.NoError(t, err)
	require.True(t, f.tenant.Unpublish(id))
	require.False(t, f.tenant.Unpublish(id))
	_, err = f.tenant.Publish([]byte("no zip"))
	require.Error(t, err)
}

func TestCatalogReview(t *testing.T) {
	t.Parallel()
	f := newCatalog(t)
	member := f.member()
	require.Equal(t, 201, f.do(http.MethodPost, catalogPath+"?requiresReview=true", appZip(t, "1.0.0", nil), zipType, member).status)
	d := f.tenant.TeamsApps()[0].Definitions[0]
	require.Equal(t, "submitted", d.State)
	require.Nil(t, f.tenant.TeamsApps()[0].Published())
	at := catalogPath + "/" + f.tenant.TeamsApps()[0].ID + "/appDefinitions/" + url.PathEscape(d.ID)
	require.Equal(t, d.ETag, f.get(at).header.Get("Etag"))
	require.Equal(t, 404, f.get(at+"x").status)
	const yes = `{"publishingState":"published"}`
	require.Equal(t, 403, f.do(http.MethodPatch, at, yes, "If-Match: "+d.ETag, member).status)
	require.Equal(t, 428, f.do(http.MethodPatch, at, yes).status)
	require.Equal(t, 412, f.do(http.MethodPatch, at, yes, "If-Match: other").status)
	require.Equal(t, 400, f.do(http.MethodPatch, at, `{"publishingState":"submitted"}`, "If-Match: "+d.ETag).status)
	require.Equal(t, 400, f.do(http.MethodPatch, at, `{"version":"2"}`, "If-Match: "+d.ETag).status)
	require.Equal(t, 200, f.do(http.MethodPatch, at, yes, "If-Match: "+d.ETag).status)
	require.Equal(t, "1.0.0", f.tenant.TeamsApps()[0].Published().Version)
	require.Equal(t, 404, f.do(http.MethodPatch, at, yes, "If-Match: "+d.ETag).status, "the id has changed with the state")

	// Beside what is published another one waits, and can be taken back.
	id := f.tenant.TeamsApps()[0].ID
	require.Equal(t, 201, f.do(http.MethodPost, catalogPath+"/"+id+"/appDefinitions?requiresReview=true", appZip(t, "1.1.0", nil), zipType, member).status)
	require.Len(t, f.tenant.TeamsApps()[0].Definitions, 2)
	defs := catalogPath + "/" + id + "/appDefinitions/"
	require.Equal(t, 400, f.do(http.MethodDelete, defs+url.PathEscape(f.tenant.TeamsApps()[0].Definitions[0].ID), "", member).status)
	require.Equal(t, 204, f.do(http.MethodDelete, defs+url.PathEscape(f.tenant.TeamsApps()[0].Definitions[1].ID), "", member).status)
	require.Len(t, f.tenant.TeamsApps()[0].Definitions, 1)
}

func TestCatalogRefusesPackages(t *testing.T) {
	t.Parallel()
	f := newCatalog(t)
	for name, tc := range map[string]struct {
		zip, code, target string
	}{
		"no manifest":   {appZip(t, "1.0.0", nil, "manifest.json"), "Serialization_FileMissing", "manifest.json"},
		"no icon":       {appZip(t, "1.0.0", nil, "o.png"), "Serialization_FileMissing", "icons.outline"},
		"packageName":   {appZip(t, "1.0.0", map[string]any{"packageName": "x"}), "SchemaError_AdditionalProperties", "packageName"},
		"a long name":   {appZip(t, "1.0.0", map[string]any{"name": map[string]any{"short": strings.Repeat("x", 31)}}), "SchemaError_MaximumLength", "name.short"},
		"no name":       {appZip(t, "1.0.0", map[string]any{"name": map[string]any{}}), "SchemaError_Required", "name.short"},
		"an id":         {appZip(t, "1.0.0", map[string]any{"id": "x"}), "CommonAppIdIsNotGuid", "id"},
		"a version":     {appZip(t, "v1", nil), "SchemaError_Pattern", "version"},
		"no schema":     {appZip(t, "1.0.0", map[string]any{"$schema": ""}), "CommonSchemaUrlIsRequiredField", "$schema"},
		"a wrong link":  {appZip(t, "1.0.0", map[string]any{"developer": map[string]any{"name": "x", "websiteUrl": "javascript:x", "privacyUrl": "https://x", "termsOfUseUrl": "https://x"}}), "SchemaError_Pattern", "developer.websiteUrl"},
		"a wrong color": {appZip(t, "1.0.0", map[string]any{"accentColor": "red"}), "SchemaError_Pattern", "accentColor"},
	} {
		a := f.do(http.MethodPost, catalogPath, tc.zip, zipType)
		require.Equal(t, 400, a.status, name)
		require.Equal(t, "UnableToParseTeamsAppManifest", innerOf(a)["code"])
		details, _ := innerOf(a)["details"].([]any)
		require.Len(t, details, 1, name)
		d, _ := details[0].(map[string]any)
		require.Equal(t, tc.code, d["code"], name)
		require.Equal(t, tc.target, d["target"], name)
	}
	require.Equal(t, 400, f.do(http.MethodPost, catalogPath, "PK", zipType).status)
	require.Empty(t, f.tenant.TeamsApps())
	f.tenant.SetCatalogQuirks(CatalogQuirks{ErrorsAsSuccess: true})
	a := f.do(http.MethodPost, catalogPath, appZip(t, "v1", nil), zipType)
	require.Equal(t, 200, a.status)
	require.Equal(t, "BadRequest", a.code())
}

func TestCatalogQuirks(t *testing.T) {
	t.Parallel()
	f := newCatalog(t)
	f.tenant.SetCatalogQuirks(CatalogQuirks{OK: true, NoContent: true, Delay: time.Minute, NoETags: true})
	require.Equal(t, 200, f.do(http.MethodPost, catalogPath, appZip(t, "1.0.0", nil), zipType).status)
	list := catalogPath + "?$expand=appDefinitions"
	require.Empty(t, f.get(list).value(), "it is not seen at once")
	require.Equal(t, 409, f.do(http.MethodPost, catalogPath, appZip(t, "1.0.0", nil), zipType).status, "and is there")
	f.now = f.now.Add(time.Minute)
	version := func() any {
		d, _ := f.get(list).value()[0]["appDefinitions"].([]any)[0].(map[string]any)
		require.NotContains(t, d, "@odata.etag")
		return d["version"]
	}
	require.Equal(t, "1.0.0", version())
	require.Equal(t, 204, f.do(http.MethodPost, catalogPath+"/"+f.tenant.TeamsApps()[0].ID+"/appDefinitions", appZip(t, "1.0.1", nil), zipType).status)
	require.Equal(t, "1.0.0", version(), "the former one is seen until then")
	f.now = f.now.Add(time.Minute)
	require.Equal(t, "1.0.1", version())
}

func TestTeamsPolicies(t *testing.T) {
	t.Parallel()
	f := newCatalog(t)
	user := f.tenant.Put(User{DisplayName: "M", Mail: "m@fabrikam.example"})
	id := f.tenant.AddTeamsPolicy(TeamsPolicy{Type: "TeamsAppSetupPolicy", Name: "O'Brien's"})
	at := func(name string) string {
		return "/v1.0/admin/teams/policy/getPolicyId(type='TeamsAppSetupPolicy',name='" + url.PathEscape(strings.ReplaceAll(name, "'", "''")) + "')"
	}
	require.Equal(t, []map[string]any{{"name": "Tag:O'Brien's", "policyId": id}}, f.get(at("O'Brien's")).value())
	require.Empty(t, f.get(at("x")).value())
	require.Equal(t, 403, f.get(at("x"), f.member()).status)
	for _, fn := range []string{"getPolicyId", "getPolicyId(type='x')", "getPolicyId(name='x',type='y')", "getPolicyId(type='x',name=y)"} {
		require.Equal(t, 400, f.get("/v1.0/admin/teams/policy/"+fn).status, fn)
	}
	body := func(user, kind, policy string) string {
		b, err := json.Marshal(map[string]any{"value": []any{map[string]any{
			"@odata.type": "#microsoft.graph.teamsAdministration.teamsPolicyUserAssignment", "userId": user, "policyType": kind, "policyId": policy,
		}}})
		require.NoError(t, err)
		return string(b)
	}
	const assign, take = "/v1.0/admin/teams/policy/userAssignments/assign", "/v1.0/admin/teams/policy/userAssignments/unassign"
	require.Equal(t, 404, f.do(http.MethodPost, assign, body(newID(), "TeamsAppSetupPolicy", id)).status)
	require.Equal(t, 404, f.do(http.MethodPost, assign, body("m@fabrikam.example", "TeamsAppSetupPolicy", id)).status, "ids only")
	require.Equal(t, 400, f.do(http.MethodPost, assign, body(user, "TeamsAppSetupPolicy", "x")).status)
	require.Equal(t, 400, f.do(http.MethodPost, assign, body(user, "Nope", id)).status)
	require.Equal(t, 400, f.do(http.MethodPost, assign, `{"value":[]}`).status)
	require.Equal(t, 400, f.do(http.MethodPost, assign, `{"value":[{"userId":"`+user+`","policyType":"TeamsAppSetupPolicy","policyId":"`+id+`"}]}`).status, "no type")
	require.Equal(t, 400, f.do(http.MethodPost, assign, `{"value":[{"user":"x"}]}`).status)
	require.Equal(t, 403, f.do(http.MethodPost, assign, body(user, "TeamsAppSetupPolicy", id), f.member()).status)
	require.Equal(t, 204, f.do(http.MethodPost, assign, body(user, "TeamsAppSetupPolicy", id)).status)
	require.Equal(t, "O'Brien's", f.tenant.TeamsPolicyOf(user, "TeamsAppSetupPolicy"))

	conf := "/v1.0/admin/teams/userConfigurations/" + user
	a := f.get(conf + "?$select=effectivePolicyAssignments")
	require.Equal(t, []any{map[string]any{"policyType": "TeamsAppSetupPolicy", "policyAssignment": map[string]any{
		"displayName": "O'Brien's", "policyId": id, "assignmentType": "direct", "groupId": nil,
	}}}, a.m["effectivePolicyAssignments"])
	require.True(t, f.tenant.GiveTeamsPolicy(user, "TeamsAppSetupPolicy", "O'Brien's", "g"))
	require.False(t, f.tenant.GiveTeamsPolicy(user, "TeamsAppSetupPolicy", "x", "g"))
	f.tenant.SetCatalogQuirks(CatalogQuirks{Wrapped: true})
	a = f.get(conf)
	require.Contains(t, a.body, `"assignmentType":"group"`)
	require.Contains(t, a.m, "value")
	require.Equal(t, 404, f.get("/v1.0/admin/teams/userConfigurations/m@fabrikam.example").status)
	require.Equal(t, 400, f.get(conf+"?$select=nope").status)
	require.Equal(t, 204, f.do(http.MethodPost, take, body(user, "TeamsAppSetupPolicy", "")).status)
	require.Empty(t, f.tenant.TeamsPolicyOf(user, "TeamsAppSetupPolicy"))
}
