package entratest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/entratest"
)

// direct has connections of its own: a server that another test closes ends those of the default client.
var direct = &http.Client{Transport: &http.Transport{}}

const userRole = "5e8a4b8f-0f2c-4d3e-9a51-1f6f0b6d2a01"

// dirClient asks a directory on the wire.
type dirClient struct {
	t    testing.TB
	d    *entratest.Directory
	base string // up to and with /v1.0
	head http.Header
}

func newDirectory(t testing.TB, o *entratest.DirectoryOptions) *dirClient {
	t.Helper()
	d := entratest.NewDirectory("", o)
	srv := httptest.NewServer(http.StripPrefix("/below", d))
	t.Cleanup(srv.Close)
	return &dirClient{t: t, d: d, base: srv.URL + "/below/v1.0", head: http.Header{}}
}

type object = map[string]any

// try sends a request and returns the status and the body.
func (c *dirClient) try(method, path string, body any) (int, object, http.Header) {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		require.NoError(c.t, err)
		in = bytes.NewReader(raw)
	}
	at := path
	if !strings.HasPrefix(at, "http") {
		at = c.base + path
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, at, in)
	require.NoError(c.t, err)
	r.Header = c.head.Clone()
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer x")
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := direct.Do(r)
	if err != nil {
		return 0, nil, nil
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	var out object
	if len(raw) > 0 {
		require.NoError(c.t, json.Unmarshal(raw, &out), string(raw))
	}
	return res.StatusCode, out, res.Header
}

// do sends a request that must have that status.
func (c *dirClient) do(status int, method, path string, body any) object {
	c.t.Helper()
	got, out, _ := c.try(method, path, body)
	require.Equal(c.t, status, got, "%s %s: %v", method, path, out)
	return out
}

// refused sends a request that must be refused so.
func (c *dirClient) refused(status int, code, method, path string, body any) {
	c.t.Helper()
	got, out, _ := c.try(method, path, body)
	require.Equal(c.t, status, got, "%s %s: %v", method, path, out)
	e, _ := out["error"].(object)
	require.Equal(c.t, code, e["code"], "%s %s: %v", method, path, out)
}

func (c *dirClient) ids(path string) []string {
	c.t.Helper()
	var out []string
	for path != "" {
		page := c.do(200, "GET", path, nil)
		for _, item := range page["value"].([]any) {
			out = append(out, item.(object)["id"].(string))
		}
		path, _ = page["@odata.nextLink"].(string)
	}
	return out
}

// portal registers an application with a role for people, with its service principal.
func (c *dirClient) portal() (app, sp object) {
	c.t.Helper()
	app = c.do(201, "POST", "/applications", object{
		"displayName": "Portal", "signInAudience": "AzureADMyOrg", "uniqueName": "portal", "tags": []string{"mspkit"},
		"web":            object{"redirectUris": []string{"https://a.example/cb", "https://b.example/cb"}},
		"appRoles":       []object{{"id": userRole, "allowedMemberTypes": []string{"User"}, "displayName": "Admin", "value": "Admin", "description": "x"}},
		"optionalClaims": object{"idToken": []object{{"name": "acrs"}}},
	})
	return app, c.do(201, "POST", "/servicePrincipals", object{"appId": app["appId"]})
}

func TestDirectoryApplications(t *testing.T) {
	t.Parallel()
	c := newDirectory(t, nil)
	app, sp := c.portal()
	id, appID := app["id"].(string), app["appId"].(string)
	require.NotEqual(t, id, appID)
	for _, path := range []string{"/applications/" + id, "/applications(appId='" + appID + "')", "/applications(uniqueName='portal')"} {
		require.Equal(t, id, c.do(200, "GET", path, nil)["id"], path)
	}
	for _, filter := range []string{"displayName eq 'Portal'", "appId eq '" + appID + "'", "tags/any(t:t eq 'mspkit')", "startswith(displayName,'Por')", "uniqueName in ('x','portal')"} {
		require.Equal(t, []string{id}, c.ids("/applications?$filter="+url.QueryEscape(filter)), filter)
		require.Empty(t, c.ids("/applications?$filter="+url.QueryEscape("displayName eq 'Other' and ("+filter+")")), filter)
	}

	t.Log("what comes back is not what was sent")
	require.Equal(t, []any{object{"name": "acrs", "source": nil, "essential": false, "additionalProperties": []any{}}}, app["optionalClaims"].(object)["idToken"])
	require.Equal(t, []any{"https://b.example/cb", "https://a.example/cb"}, app["web"].(object)["redirectUris"])
	require.Equal(t, "Admin", sp["appRoles"].([]any)[0].(object)["value"])

	t.Log("a complex property is merged, a list replaced")
	c.do(204, "PATCH", "/applications/"+id, object{"web": object{"logoutUrl": "https://a.example/out"}, "tags": []string{"other"}})
	app = c.do(200, "GET", "/applications/"+id, nil)
	require.Len(t, app["web"].(object)["redirectUris"], 2)
	require.Equal(t, []any{"other"}, app["tags"])

	t.Log("an enabled role is not taken away at once")
	c.refused(400, "CannotDeleteOrUpdateEnabledEntitlement", "PATCH", "/applications/"+id, object{"appRoles": []object{}})
	role := app["appRoles"].([]any)[0].(object)
	role["isEnabled"] = false
	delete(role, "origin")
	c.do(204, "PATCH", "/applications/"+id, object{"appRoles": []object{role}})
	c.do(204, "PATCH", "/applications/"+id, object{"appRoles": []object{}})

	t.Log("refused")
	for _, x := range []struct {
		status int
		code   string
		body   object
	}{
		{400, "Request_BadRequest", object{}},
		{400, "Request_BadRequest", object{"displayName": "X", "colour": "red"}},
		{400, "Request_BadRequest", object{"displayName": "X", "web": object{"colour": "red"}}},
		{400, "Request_BadRequest", object{"displayName": "X", "appId": userRole}},
		{400, "Request_BadRequest", object{"displayName": 7}},
		{400, "Request_BadRequest", object{"displayName": "X", "signInAudience": "Everybody"}},
		{400, "Request_BadRequest", object{"displayName": "X", "web": object{"redirectUris": []string{"http://evil.example"}}}},
		{400, "DuplicateValue", object{"displayName": "X", "web": object{"redirectUris": []string{"https://a.example", "https://a.example"}}}},
		{400, "Request_MultipleObjectsWithSameKeyValue", object{"displayName": "X", "uniqueName": "portal"}},
		{400, "HostNameNotOnVerifiedDomain", object{"displayName": "X", "identifierUris": []string{"api://portal"}}},
		{400, "Request_BadRequest", object{"displayName": "X", "passwordCredentials": []object{{"displayName": "s"}}}},
		{400, "KeyCredentialsInvalidKey", object{"displayName": "X", "keyCredentials": []object{{"type": "AsymmetricX509Cert", "usage": "Verify", "key": "AAAA"}}}},
		{400, "DuplicateValue", object{"displayName": "X", "appRoles": []object{{"id": userRole, "value": "A"}, {"id": userRole, "value": "B"}}}},
	} {
		c.refused(x.status, x.code, "POST", "/applications", x.body)
	}
	require.Len(t, c.ids("/applications"), 1)
	c.refused(404, "Request_ResourceNotFound", "GET", "/applications/"+userRole, nil)
	c.refused(404, "Request_ResourceNotFound", "GET", "/applications(uniqueName='none')", nil)
	c.refused(400, "Request_BadRequest", "PATCH", "/applications/"+id, object{"uniqueName": "other"})

	t.Log("by its unique name it is made once")
	c.head.Set("Prefer", "create-if-missing")
	c.do(201, "PATCH", "/applications(uniqueName='second')", object{"displayName": "Second"})
	c.do(204, "PATCH", "/applications(uniqueName='second')", object{"displayName": "Renamed"})
	require.Len(t, c.ids("/applications"), 2)

	t.Log("and goes with what came of it")
	c.do(204, "DELETE", "/applications/"+id, nil)
	c.refused(404, "Request_ResourceNotFound", "GET", "/servicePrincipals(appId='"+appID+"')", nil)
}

func TestDirectorySecrets(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	c := newDirectory(t, &entratest.DirectoryOptions{Now: func() time.Time { return now }})
	app, _ := c.portal()
	at := "/applications/" + app["id"].(string)
	made := c.do(200, "POST", at+"/addPassword", object{"passwordCredential": object{"displayName": "one", "endDateTime": "2027-05-01T00:00:00Z"}})
	require.NotEmpty(t, made["secretText"])
	require.Equal(t, "2027-05-01T00:00:00Z", made["endDateTime"])
	list := c.do(200, "GET", at, nil)["passwordCredentials"].([]any)
	require.Len(t, list, 1)
	require.Nil(t, list[0].(object)["secretText"], "it is shown once")
	require.Equal(t, made["keyId"], list[0].(object)["keyId"])
	c.refused(400, "Request_BadRequest", "POST", at+"/removePassword", object{"keyId": userRole})
	c.do(204, "POST", at+"/removePassword", object{"keyId": made["keyId"]})
	require.Empty(t, c.do(200, "GET", at, nil)["passwordCredentials"])
	c.refused(400, "Request_BadRequest", "POST", at+"/addPassword", object{"passwordCredential": object{"endDateTime": "2020-01-01T00:00:00Z"}})

	c.d.Change(func(o *entratest.DirectoryOptions) { o.MaxSecretLife = 90 * 24 * time.Hour })
	c.refused(400, "CredentialInvalidLifetimeAsPerAppPolicy", "POST", at+"/addPassword", object{"passwordCredential": object{"displayName": "long"}})
	c.d.Change(func(o *entratest.DirectoryOptions) { o.NoSecrets = true })
	c.refused(400, "CredentialTypeNotAllowedAsPerAppPolicy", "POST", at+"/addPassword", object{})
	rules := c.do(200, "GET", "/policies/defaultAppManagementPolicy", nil)["applicationRestrictions"].(object)["passwordCredentials"].([]any)
	require.Equal(t, "P90D", rules[1].(object)["maxLifetime"])

	t.Log("trusts in tokens of others")
	fic := object{"name": "ci", "issuer": "https://issuer.example", "subject": "repo:x", "audiences": []string{"api://AzureADTokenExchange"}}
	made = c.do(201, "POST", at+"/federatedIdentityCredentials", fic)
	c.refused(409, "Request_MultipleObjectsWithSameKeyValue", "POST", at+"/federatedIdentityCredentials", fic)
	c.refused(400, "Request_BadRequest", "POST", at+"/federatedIdentityCredentials", object{"name": "x", "issuer": "i", "subject": "s", "audiences": []string{}})
	c.do(204, "PATCH", at+"/federatedIdentityCredentials/ci", object{"subject": "repo:y"})
	require.Equal(t, "repo:y", c.do(200, "GET", at+"/federatedIdentityCredentials/"+made["id"].(string), nil)["subject"])
	c.refused(400, "Request_BadRequest", "PATCH", at+"/federatedIdentityCredentials/ci", object{"name": "other"})
	c.do(204, "DELETE", at+"/federatedIdentityCredentials/ci", nil)
	require.Empty(t, c.ids(at+"/federatedIdentityCredentials"))
}

func TestDirectoryAssignments(t *testing.T) {
	t.Parallel()
	c := newDirectory(t, nil)
	app, sp := c.portal()
	anna, group := c.d.AddUser(entratest.DirectoryUser{Name: "Anna", UPN: "anna@contoso.example"}), c.d.AddGroup("Technicians")
	at := "/servicePrincipals/" + sp["id"].(string)
	c.refused(409, "Request_MultipleObjectsWithSameKeyValue", "POST", "/servicePrincipals", object{"appId": app["appId"]})
	c.refused(400, "NoBackingApplicationObject", "POST", "/servicePrincipals", object{"appId": userRole})
	c.d.Publish(userRole, "Of a vendor")
	require.Equal(t, "Of a vendor", c.do(201, "POST", "/servicePrincipals", object{"appId": userRole})["displayName"])
	c.do(204, "PATCH", at, object{"appRoleAssignmentRequired": true})
	require.Equal(t, true, c.do(200, "GET", "/servicePrincipals(appId='"+app["appId"].(string)+"')", nil)["appRoleAssignmentRequired"])

	assign := func(who, role string) object {
		return object{"principalId": who, "resourceId": sp["id"], "appRoleId": role}
	}
	made := c.do(201, "POST", at+"/appRoleAssignedTo", assign(anna, userRole))
	require.Equal(t, "User", made["principalType"])
	c.refused(400, "Request_BadRequest", "POST", at+"/appRoleAssignedTo", assign(anna, userRole))
	c.refused(400, "Request_BadRequest", "POST", at+"/appRoleAssignedTo", assign(anna, "00000000-0000-0000-0000-000000000000"))
	c.refused(400, "Request_BadRequest", "POST", at+"/appRoleAssignedTo", assign(anna, app["appId"].(string)))
	c.refused(404, "Request_ResourceNotFound", "POST", at+"/appRoleAssignedTo", assign(app["appId"].(string), userRole))
	c.refused(400, "Request_BadRequest", "POST", at+"/appRoleAssignedTo", object{"principalId": anna, "resourceId": anna, "appRoleId": userRole})
	c.do(201, "POST", at+"/appRoleAssignedTo", assign(group, userRole))
	c.d.Change(func(o *entratest.DirectoryOptions) { o.NoPremium = true })
	c.refused(400, "Request_BadRequest", "POST", at+"/appRoleAssignedTo", assign(c.d.AddGroup("More"), userRole))
	require.Len(t, c.ids(at+"/appRoleAssignedTo"), 2)
	c.do(204, "DELETE", at+"/appRoleAssignedTo/"+made["id"].(string), nil)
	require.Len(t, c.ids(at+"/appRoleAssignedTo"), 1)

	t.Log("permissions of Microsoft Graph")
	graph := c.do(200, "GET", "/servicePrincipals(appId='"+entratest.GraphAppID+"')", nil)
	const readAll = "df021288-bdef-4463-88db-98f22de89214"
	grant := object{"principalId": sp["id"], "resourceId": graph["id"], "appRoleId": readAll}
	c.do(201, "POST", at+"/appRoleAssignments", grant)
	c.refused(400, "Request_BadRequest", "POST", at+"/appRoleAssignments", grant)
	require.Len(t, c.ids(at+"/appRoleAssignments?$filter=resourceId%20eq%20"+graph["id"].(string)), 1)

	delegated := object{"clientId": sp["id"], "resourceId": graph["id"], "consentType": "AllPrincipals", "scope": "User.Read"}
	made = c.do(201, "POST", "/oauth2PermissionGrants", delegated)
	c.refused(409, "Request_MultipleObjectsWithSameKeyValue", "POST", "/oauth2PermissionGrants", delegated)
	c.do(204, "PATCH", "/oauth2PermissionGrants/"+made["id"].(string), object{"scope": "User.Read openid"})
	c.refused(400, "Request_BadRequest", "PATCH", "/oauth2PermissionGrants/"+made["id"].(string), object{"consentType": "Principal"})
	require.Len(t, c.ids("/oauth2PermissionGrants?$filter="+url.QueryEscape("clientId eq '"+sp["id"].(string)+"' and consentType eq 'AllPrincipals'")), 1)
	require.Len(t, c.ids(at+"/oauth2PermissionGrants"), 1)
	c.refused(400, "Request_BadRequest", "POST", "/oauth2PermissionGrants", object{"clientId": sp["id"], "resourceId": graph["id"], "consentType": "Everybody", "scope": "x"})
	c.do(204, "DELETE", "/servicePrincipals/"+sp["id"].(string), nil)
	require.Empty(t, c.ids("/oauth2PermissionGrants"), "what was granted went with it")
}

func TestDirectoryPeople(t *testing.T) {
	t.Parallel()
	c := newDirectory(t, &entratest.DirectoryOptions{PageSize: 2})
	c.refused(400, "BadRequest", "GET", "/me", nil)
	var people []string
	for i := range 5 {
		people = append(people, c.d.AddUser(entratest.DirectoryUser{Name: fmt.Sprint("P", i), UPN: fmt.Sprintf("p%d@contoso.example", i)}))
	}
	require.Equal(t, people, c.ids("/users"), "of three pages")
	require.Equal(t, people, c.ids("/users?$top=1&$select=id"))
	inner := c.d.AddGroup("Inner", people[1])
	outer := c.d.AddGroup("Outer", people[0], inner)
	require.ElementsMatch(t, []string{people[0], inner}, c.ids("/groups/"+outer+"/members"))
	require.ElementsMatch(t, []string{people[0], people[1], inner}, c.ids("/groups/"+outer+"/transitiveMembers"))
	require.ElementsMatch(t, []string{people[0], people[1]}, c.ids("/groups/"+outer+"/transitiveMembers/graph.user"))
	require.Equal(t, []string{inner}, c.ids("/users/"+people[1]+"/memberOf"))
	require.ElementsMatch(t, []string{inner, outer}, c.ids("/users/p1@contoso.example/transitiveMemberOf"))
	c.d.Change(func(o *entratest.DirectoryOptions) { o.Me = people[3] })
	require.Equal(t, "P3", c.do(200, "GET", "/me?$select=displayName", nil)["displayName"])
	require.Equal(t, true, c.do(200, "GET", "/users/"+people[0]+"?$select=id,accountEnabled", nil)["accountEnabled"])
	for _, path := range []string{"/me", "/users/" + people[0], "/users", "/groups/" + outer + "/transitiveMembers", "/groups/" + inner + "/members/graph.user"} {
		got := c.do(200, "GET", path, nil)
		require.NotContains(t, fmt.Sprint(got), "accountEnabled", "%s: who wants it asks for it", path)
		require.Contains(t, fmt.Sprint(got), "userPrincipalName", path)
	}
	require.Equal(t, "#microsoft.graph.group", c.do(200, "GET", "/directoryObjects/"+inner, nil)["@odata.type"])
	for i := range 8 { // who is in a group is there once, whatever else has their id
		id := c.d.AddUser(entratest.DirectoryUser{Name: fmt.Sprint("Leaver ", i)})
		group := c.d.AddGroup("Leavers", id)
		require.True(t, c.d.Edit(id, object{"accountEnabled": false}))
		require.Equal(t, false, c.do(200, "GET", "/users/"+id+"?$select=accountEnabled", nil)["accountEnabled"])
		require.True(t, c.d.Remove(id))
		c.refused(404, "Request_ResourceNotFound", "GET", "/users/"+id, nil)
		require.Empty(t, c.ids("/groups/"+group+"/members"))
		require.False(t, c.d.Remove(id))
	}
	require.True(t, c.d.Remove(people[3]))
	c.refused(404, "Request_ResourceNotFound", "GET", "/directoryObjects/"+people[3], nil)
	c.refused(404, "Request_ResourceNotFound", "GET", "/users/"+people[3], nil)
	require.Equal(t, c.d.ID(), c.ids("/organization")[0])
	sku := c.do(200, "GET", "/subscribedSkus", nil)["value"].([]any)[0].(object)
	require.Contains(t, fmt.Sprint(sku["servicePlans"]), "AAD_PREMIUM")
	c.d.Change(func(o *entratest.DirectoryOptions) { o.NoPremium = true })
	sku = c.do(200, "GET", "/subscribedSkus", nil)["value"].([]any)[0].(object)
	require.NotContains(t, fmt.Sprint(sku["servicePlans"]), "AAD_PREMIUM")
}

func TestDirectoryQueries(t *testing.T) {
	t.Parallel()
	c := newDirectory(t, nil)
	c.portal()
	for _, x := range []struct{ code, query string }{
		{"Request_UnsupportedQuery", "$filter=" + url.QueryEscape("description eq 'x'")},
		{"Request_UnsupportedQuery", "$filter=" + url.QueryEscape("displayName ne 'x'")},
		{"Request_UnsupportedQuery", "$filter=" + url.QueryEscape("not displayName eq 'x'")},
		{"BadRequest", "$filter=" + url.QueryEscape("colour eq 'x'")},
		{"BadRequest", "$filter=" + url.QueryEscape("displayName eq 'x")},
		{"BadRequest", "$filter=" + url.QueryEscape("appId eq "+userRole)},
		{"BadRequest", "$filter=" + url.QueryEscape("displayName eq 'x' displayName")},
		{"BadRequest", "$filter=" + url.QueryEscape("(displayName eq 'x'")},
		{"BadRequest", "$filter=" + url.QueryEscape("displayName like 'x'")},
		{"BadRequest", "$filter=" + url.QueryEscape(strings.Repeat("(", 100))},
		{"BadRequest", "$select=colour"},
		{"BadRequest", "$expand=owners"},
		{"Request_BadRequest", "$top=0"},
		{"Request_BadRequest", "$top=5000"},
		{"Directory_ExpiredPageToken", "$skiptoken=x"},
		{"Request_UnsupportedQuery", "$orderby=description"},
	} {
		c.refused(400, x.code, "GET", "/applications?"+x.query, nil)
	}
	c.head.Set("ConsistencyLevel", "eventual")
	require.Len(t, c.ids("/applications?$count=true&$filter="+url.QueryEscape("displayName ne 'it''s'")), 1)
	c.refused(400, "BadRequest", "GET", "/nonsense", nil)
	c.refused(405, "Request_BadRequest", "DELETE", "/applications", nil)
}

func policy(app any, group string) object {
	return object{
		"displayName": "Portal: phishing-resistant MFA", "state": "enabledForReportingButNotEnforced",
		"conditions": object{
			"clientAppTypes": []string{"all"}, "applications": object{"includeApplications": []any{app}},
			"users": object{"includeUsers": []string{"All"}, "excludeGroups": []string{group}},
		},
		"grantControls": object{"operator": "OR", "builtInControls": []string{}, "authenticationStrength": object{"id": "00000000-0000-0000-0000-000000000004"}},
	}
}

func TestDirectoryConditionalAccess(t *testing.T) {
	t.Parallel()
	const at = "/identity/conditionalAccess/policies"
	c := newDirectory(t, nil)
	app, _ := c.portal()
	group := c.d.AddGroup("Break glass")
	made := c.do(201, "POST", at, policy(app["appId"], group))
	strength := made["grantControls"].(object)["authenticationStrength"].(object)
	require.Len(t, strength["allowedCombinations"], 3, "the whole strength comes back")
	c.do(204, "PATCH", at+"/"+made["id"].(string), object{"state": "enabled"})
	require.Equal(t, "enabled", c.do(200, "GET", at+"/"+made["id"].(string), nil)["state"])
	for name, change := range map[string]func(p object){
		"unknown":  func(p object) { p["colour"] = "red" },
		"no state": func(p object) { p["state"] = "on" },
		"application": func(p object) {
			p["conditions"].(object)["applications"] = object{"includeApplications": []any{userRole}}
		},
		"group":       func(p object) { p["conditions"].(object)["users"].(object)["excludeGroups"] = []any{userRole} },
		"no users":    func(p object) { delete(p["conditions"].(object), "users") },
		"mfa too":     func(p object) { p["grantControls"].(object)["builtInControls"] = []any{"mfa"} },
		"strength":    func(p object) { p["grantControls"].(object)["authenticationStrength"] = object{"id": userRole} },
		"no controls": func(p object) { delete(p, "grantControls") },
	} {
		p := policy(app["appId"], group)
		change(p)
		t.Log(name)
		c.refused(400, "BadRequest", "POST", at, p)
	}
	c.do(204, "PATCH", "/policies/identitySecurityDefaultsEnforcementPolicy", object{"isEnabled": true})
	c.refused(400, "BadRequest", "POST", at, policy(app["appId"], group))
	c.d.Change(func(o *entratest.DirectoryOptions) { o.SecurityDefaults, o.NoPremium = false, true })
	c.refused(400, "BadRequest", "POST", at, policy(app["appId"], group))
	c.refused(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", "GET", "/auditLogs/signIns", nil)
	c.d.Change(func(o *entratest.DirectoryOptions) { o.NoPremium = false })
	require.Len(t, c.ids("/policies/authenticationStrengthPolicies"), 3)
	require.Equal(t, []string{"c1"}, c.ids("/identity/conditionalAccess/authenticationContextClassReferences"))
	require.True(t, c.d.Edit(made["id"].(string), map[string]any{"state": "disabled"}))
	require.Equal(t, "disabled", c.d.Objects("conditionalAccessPolicies")[0]["state"])
	c.do(204, "DELETE", at+"/"+made["id"].(string), nil)
	require.Empty(t, c.ids(at))

	t.Log("what would have been")
	anna := c.d.AddUser(entratest.DirectoryUser{Name: "Anna", UPN: "anna@contoso.example"})
	day := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	var log []string
	for i := range 3 {
		log = append(log, c.d.AddSignIn(entratest.DirectorySignIn{
			At: day.AddDate(0, 0, i), UserID: anna, AppID: app["appId"].(string),
			Policies: []entratest.DirectoryPolicyResult{{PolicyID: made["id"].(string), Name: "x", Result: "reportOnlyFailure"}},
		}))
	}
	filter := url.QueryEscape("createdDateTime ge 2026-11-21T00:00:00Z and appId eq '" + app["appId"].(string) + "'")
	require.Equal(t, []string{log[2], log[1]}, c.ids("/auditLogs/signIns?$filter="+filter), "the newest first")
	require.Len(t, c.do(200, "GET", "/auditLogs/signIns/"+log[0], nil)["appliedConditionalAccessPolicies"], 1)
	c.d.Change(func(o *entratest.DirectoryOptions) { o.HidePolicyResults = true })
	require.Empty(t, c.do(200, "GET", "/auditLogs/signIns/"+log[0], nil)["appliedConditionalAccessPolicies"])
}

func TestDirectoryMisbehaves(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	c := newDirectory(t, &entratest.DirectoryOptions{
		Lag: 2, AccessPace: time.Second, Denied: []string{"POST /oauth2PermissionGrants"},
		Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
	})
	t.Log("replication lag")
	app := c.do(201, "POST", "/applications", object{"displayName": "Portal"})
	c.refused(404, "Request_ResourceNotFound", "GET", "/applications/"+app["id"].(string), nil)
	c.refused(400, "NoBackingApplicationObject", "POST", "/servicePrincipals", object{"appId": app["appId"]})
	c.do(200, "GET", "/applications/"+app["id"].(string), nil)

	t.Log("throttling without Retry-After, and with")
	const policies = "/identity/conditionalAccess/policies"
	c.do(200, "GET", policies, nil)
	status, _, header := c.try("GET", policies, nil)
	require.Equal(t, 429, status)
	require.Empty(t, header.Get("Retry-After"))
	mu.Lock()
	now = now.Add(time.Second)
	mu.Unlock()
	c.do(200, "GET", policies, nil)
	c.d.Fail(entratest.DirectoryFault{Status: 429, RetryAfter: "7", Skip: 1})
	c.do(200, "GET", "/users", nil)
	status, out, header := c.try("GET", "/users", nil)
	require.Equal(t, 429, status)
	require.Equal(t, "7", header.Get("Retry-After"))
	inner := out["error"].(object)["innerError"].(object)
	require.Equal(t, "2026-11-27T10:00:01", inner["date"])
	require.Equal(t, header.Get("request-id"), inner["request-id"])

	t.Log("permissions")
	c.refused(403, "Authorization_RequestDenied", "POST", "/oauth2PermissionGrants", object{})
	c.do(200, "GET", "/oauth2PermissionGrants", nil)

	t.Log("the connection ends before the write, and after it")
	before := len(c.d.Objects("applications"))
	c.d.Fail(entratest.DirectoryFault{Method: "POST", Path: "/applications", Drop: true})
	status, _, _ = c.try("POST", "/applications", object{"displayName": "Never"})
	require.Zero(t, status)
	require.Len(t, c.d.Objects("applications"), before)
	c.d.Fail(entratest.DirectoryFault{Writes: true, Drop: true, After: true})
	status, _, _ = c.try("POST", "/applications", object{"displayName": "Done"})
	require.Zero(t, status)
	require.Len(t, c.d.Objects("applications"), before+1)
	c.d.Fail(entratest.DirectoryFault{Writes: true, Status: 502, Code: "x", After: true})
	c.refused(502, "x", "POST", "/applications", object{"displayName": "Done as well"})
	require.Len(t, c.d.Objects("applications"), before+2)

	t.Log("death after two writes")
	var died atomic.Int32
	c.d.DieAfter(2, func() { died.Add(1) })
	c.do(201, "POST", "/applications", object{"displayName": "A"})
	c.refused(400, "Request_BadRequest", "POST", "/applications", object{})
	status, _, _ = c.try("POST", "/applications", object{"displayName": "B"})
	require.Zero(t, status)
	c.do(201, "POST", "/applications", object{"displayName": "C"})
	require.EqualValues(t, 1, died.Load())
	requests := c.d.Requests()
	require.JSONEq(t, `{"displayName":"C"}`, requests[len(requests)-1].Body)
	require.Equal(t, 6, c.d.Writes())
}

// die can be called while the directory is in use: it holds no lock then.
func TestDirectoryDieMayAsk(t *testing.T) {
	t.Parallel()
	c := newDirectory(t, nil)
	var asked atomic.Int64
	c.d.DieAfter(1, func() { asked.Store(int64(c.d.Writes())) })
	c.try("POST", "/applications", object{"displayName": "A"})
	require.EqualValues(t, 1, asked.Load())
}

func TestDirectorySnapshot(t *testing.T) {
	t.Parallel()
	fill := func(c *dirClient, extra bool) {
		anna := c.d.AddUser(entratest.DirectoryUser{Name: "Anna", UPN: "anna@contoso.example"})
		app, sp := c.portal()
		c.do(204, "PATCH", "/applications/"+app["id"].(string), object{"identifierUris": []string{"api://" + app["appId"].(string) + "/x"}})
		c.do(201, "POST", "/servicePrincipals/"+sp["id"].(string)+"/appRoleAssignedTo", object{"principalId": anna, "resourceId": sp["id"], "appRoleId": userRole})
		c.do(200, "POST", "/applications/"+app["id"].(string)+"/addPassword", object{"passwordCredential": object{"displayName": "one"}})
		if extra {
			c.do(200, "POST", "/applications/"+app["id"].(string)+"/addPassword", object{"passwordCredential": object{"displayName": "one"}})
		}
	}
	a, b, twice := newDirectory(t, nil), newDirectory(t, nil), newDirectory(t, nil)
	fill(a, false)
	fill(b, false)
	fill(twice, true)
	require.Empty(t, a.d.Snapshot().Diff(b.d.Snapshot()))
	require.True(t, a.d.Snapshot().Equal(b.d.Snapshot()))
	require.False(t, a.d.Snapshot().Equal(twice.d.Snapshot()), "one thing twice is a difference")
	require.Equal(t, 2, strings.Count(a.d.Snapshot().Diff(twice.d.Snapshot()), "\n"))
	text := strings.Join(a.d.Snapshot(), "\n")
	for _, name := range []string{"<user anna@contoso.example>", "<role Admin of Portal>", "api://<appId of Portal>/x"} {
		require.Contains(t, text, name)
	}
	require.NotContains(t, text, "fake~")
}

func TestDirectories(t *testing.T) {
	t.Parallel()
	var graph entratest.Directories
	s, err := entratest.Start(&entratest.Options{Graph: &graph})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	app := s.AddApp(entratest.App{Secret: "secret"})
	ask := func(tenant *entratest.Tenant) string {
		res, err := s.Client().PostForm(s.URL()+"/"+tenant.ID+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {app.ID}, "client_secret": {"secret"}, "scope": {"https://graph.microsoft.com/.default"},
		})
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		var got struct {
			AccessToken string `json:"access_token"`
		}
		require.NoError(t, json.NewDecoder(res.Body).Decode(&got))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Cloud().Graph+"/v1.0/users?$top=1", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+got.AccessToken)
		res, err = s.Client().Do(r)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		raw, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return string(raw)
	}
	contoso, fabrikam, nobody := s.AddTenant("Contoso", "contoso.example"), s.AddTenant("Fabrikam", "fabrikam.example"), s.AddTenant("Nobody", "nobody.example")
	for _, x := range []*entratest.Tenant{contoso, fabrikam, nobody} {
		x.Consent(app.ID)
	}
	contoso.AddUser(entratest.User{Name: "Anna", Username: "anna@contoso.example"})
	contoso.AddUser(entratest.User{Name: "Adam", Username: "adam@contoso.example"})
	require.Contains(t, ask(contoso), "InvalidAuthenticationToken", "no directory yet")
	graph.Add(contoso, nil)
	graph.Add(fabrikam, nil).AddUser(entratest.DirectoryUser{Name: "Fred", UPN: "fred@fabrikam.example"})
	require.Contains(t, ask(contoso), "anna@contoso.example")
	require.Contains(t, ask(contoso), s.URL()+"/graph/v1.0/users?", "the next page is where the client is")
	require.Contains(t, ask(fabrikam), "fred@fabrikam.example")
	require.Contains(t, ask(nobody), "InvalidAuthenticationToken")
}

func TestDirectoryWire(t *testing.T) {
	t.Parallel()
	c := newDirectory(t, &entratest.DirectoryOptions{TokenTenant: func(token string) (string, bool) { return token, true }})
	c.refused(401, "InvalidAuthenticationToken", "GET", "/users", nil)
	c.head.Set("Authorization", "Bearer "+c.d.ID())
	c.do(200, "GET", "/users", nil)
	c.refused(400, "BadRequest", "GET", strings.Replace(c.base, "v1.0", "beta", 1)+"/users", nil)
	send := func(body []byte, header ...string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.base+"/applications", bytes.NewReader(body))
		require.NoError(t, err)
		r.Header = c.head.Clone()
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := direct.Do(r)
		require.NoError(t, err)
		_ = res.Body.Close()
		return res.StatusCode
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(`{"displayName":"Packed"}`))
	require.NoError(t, z.Close())
	const kind, js = "Content-Type", "application/json"
	require.Equal(t, 201, send(packed.Bytes(), kind, js, "Content-Encoding", "gzip"))
	require.Equal(t, 400, send([]byte("plain"), kind, js, "Content-Encoding", "gzip"))
	require.Equal(t, 415, send([]byte(`{}`)))
	for _, body := range []string{"", "[]", "null", `{"displayName":"X"} {}`, `{"displayName":`} {
		require.Equal(t, 400, send([]byte(body), kind, js), body)
	}
}

func FuzzDirectory(f *testing.F) {
	f.Add("GET", "/applications", "$filter=displayName eq 'x'", "")
	f.Add("GET", "/applications", "$filter=tags/any(t:t eq 'it''s')&$top=1", "")
	f.Add("POST", "/applications", "", `{"displayName":"x","web":{"redirectUris":["https://a.example"]},"optionalClaims":{"idToken":[{"name":"a"}]}}`)
	f.Add("PATCH", "/applications(uniqueName='x')", "", `{"appRoles":[null]}`)
	f.Add("POST", "/identity/conditionalAccess/policies", "", `{"displayName":"x","state":"enabled","conditions":{"applications":{}}}`)
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		d := entratest.NewDirectory("", nil)
		for _, given := range []string{`{"displayName":"x","uniqueName":"x"}`, body} {
			r := httptest.NewRequest(http.MethodPost, "/v1.0/applications", strings.NewReader(given))
			if given == body {
				r.Method, r.URL = method, &url.URL{Path: "/v1.0" + path, RawQuery: query}
			}
			r.Header.Set("Authorization", "Bearer x")
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			d.ServeHTTP(w, r)
			if w.Code < 200 || w.Code > 499 {
				t.Fatalf("the status is %d", w.Code)
			}
			if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("the body is no JSON: %s", w.Body)
			}
		}
		d.Snapshot()
	})
}

func ExampleNewDirectory() {
	d := entratest.NewDirectory("", &entratest.DirectoryOptions{Name: "Contoso", Lag: 1})
	srv := httptest.NewServer(d)
	defer srv.Close()
	// … point the program under test at srv.URL + "/v1.0", with any bearer …
	d.AddGroup("Break glass", d.AddUser(entratest.DirectoryUser{Name: "Emergency", UPN: "emergency@contoso.example"}))
	_, _ = fmt.Fprintln(os.Stdout, len(d.Snapshot()), "objects")
	// Output: 0 objects
}
