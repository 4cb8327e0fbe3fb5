package entratest

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// noRole is the id of the role that stands for access without a role.
const noRole = "00000000-0000-0000-0000-000000000000"

func (d *Directory) servicePrincipals(c *dirCall, key, value string) (int, any, *dirError) {
	s := d.set("servicePrincipals", "servicePrincipal")
	o, rest, entity, e := d.target(c, s, key, value, "appId")
	switch {
	case e != nil:
		return 0, nil, e
	case !entity && c.method == http.MethodGet:
		return d.list(c, s, "servicePrincipals", nil)
	case !entity && c.method == http.MethodPost:
		return d.newServicePrincipal(c, s)
	case !entity:
		return 0, nil, dirMethod()
	case o == nil:
		return 0, nil, dirGone(cmp.Or(value, c.seg[len(c.seg)-len(rest)-1]))
	case len(rest) == 0:
		return d.servicePrincipal(c, s, o)
	}
	switch rest[0] {
	case "appRoleAssignedTo":
		return d.assignments(c, "servicePrincipals('"+o.id+"')/appRoleAssignedTo", "resourceId", o, rest[1:])
	case "appRoleAssignments":
		return d.assignments(c, "servicePrincipals('"+o.id+"')/appRoleAssignments", "principalId", o, rest[1:])
	case "oauth2PermissionGrants":
		if c.method == http.MethodGet && len(rest) == 1 {
			return d.list(c, d.set("oauth2PermissionGrants", "oAuth2PermissionGrant"), "oauth2PermissionGrants",
				func(g *dirObject) bool { return strings.EqualFold(g.text("clientId"), o.id) })
		}
	}
	return 0, nil, dirSegment(rest[0])
}

func (d *Directory) newServicePrincipal(c *dirCall, s *dirSet) (int, any, *dirError) {
	in, e := c.accept(s.typ, c.body)
	if e != nil {
		return 0, nil, e
	}
	appID, _ := in["appId"].(string)
	if appID == "" {
		return 0, nil, dirBad("A value is required for property 'appId' of resource 'ServicePrincipal'.")
	}
	if s.any(byText("appId", appID)) != nil {
		return 0, nil, dirFail(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue",
			"The service principal cannot be created, updated, or restored because the service principal name %s is already in use.", appID)
	}
	app := d.set("applications", "application").see(byText("appId", appID))
	name, outside := d.outside[strings.ToLower(appID)]
	if app == nil && !outside {
		return 0, nil, dirFail(http.StatusBadRequest, "NoBackingApplicationObject", "The appId '%s' of the service principal does not reference a valid application object.", appID)
	}
	sp := d.addServicePrincipal(appID, name)
	maps.Copy(sp.props, in)
	if app != nil {
		sp.props["appOwnerOrganizationId"] = d.id
		mirror(app, sp)
	}
	return d.one(c, s, "servicePrincipals", sp, http.StatusCreated)
}

// addServicePrincipal makes a service principal with what all have.
func (d *Directory) addServicePrincipal(appID, name string) *dirObject {
	return d.add(d.set("servicePrincipals", "servicePrincipal"), "", map[string]any{
		"appId": appID, "displayName": name, "appDisplayName": name, "accountEnabled": true, "appRoleAssignmentRequired": false,
		"servicePrincipalType": "Application", "servicePrincipalNames": []any{appID}, "tags": []any{}, "replyUrls": []any{},
		"appRoles": []any{}, "oauth2PermissionScopes": []any{}, "createdDateTime": d.o.Now().UTC().Format(graphTime), "deletedDateTime": nil,
		"appOwnerOrganizationId": "f8cdef31-a31e-4b4a-93e4-5f571e91255a", "signInAudience": "AzureADMultipleOrgs",
	})
}

// mirror gives a service principal what it has of its application.
func mirror(app, sp *dirObject) {
	copied := map[string]any{
		"displayName": app.props["displayName"], "appDisplayName": app.props["displayName"], "signInAudience": app.props["signInAudience"],
		"appRoles": app.props["appRoles"],
	}
	if web, is := app.props["web"].(map[string]any); is {
		copied["replyUrls"] = web["redirectUris"]
	}
	if api, is := app.props["api"].(map[string]any); is {
		copied["oauth2PermissionScopes"] = api["oauth2PermissionScopes"]
	}
	uris, _ := app.props["identifierUris"].([]any)
	copied["servicePrincipalNames"] = append([]any{app.props["appId"]}, uris...)
	clone, _ := cloneJSON(copied).(map[string]any)
	maps.Copy(sp.props, clone)
}

func (d *Directory) servicePrincipal(c *dirCall, s *dirSet, o *dirObject) (int, any, *dirError) {
	switch c.method {
	case http.MethodGet:
		return d.one(c, s, "servicePrincipals", o, http.StatusOK)
	case http.MethodDelete:
		d.removeServicePrincipal(o)
		return http.StatusNoContent, nil, nil
	case http.MethodPatch:
		in, e := c.accept(s.typ, c.body)
		if e != nil {
			return 0, nil, e
		}
		if appID, sent := in["appId"]; sent && appID != o.props["appId"] {
			return 0, nil, dirBad("Property 'appId' is immutable.")
		}
		maps.Copy(o.props, in)
		return http.StatusNoContent, nil, nil
	}
	return 0, nil, dirMethod()
}

// removeServicePrincipal takes away what was granted to it and by it as well.
func (d *Directory) removeServicePrincipal(sp *dirObject) {
	d.set("servicePrincipals", "servicePrincipal").remove(sp)
	assigned, granted := d.set("appRoleAssignments", "appRoleAssignment"), d.set("oauth2PermissionGrants", "oAuth2PermissionGrant")
	assigned.objects = slices.DeleteFunc(assigned.objects, func(a *dirObject) bool {
		return a.text("principalId") == sp.id || a.text("resourceId") == sp.id
	})
	granted.objects = slices.DeleteFunc(granted.objects, func(g *dirObject) bool {
		return g.text("clientId") == sp.id || g.text("resourceId") == sp.id
	})
}

// dirOpaqueID is an id as Graph gives it to assignments and grants.
func dirOpaqueID() string {
	return base64.RawURLEncoding.EncodeToString([]byte(randomText()[:32]))
}

// assignments are who has which role of an application, and which permissions an application has; side is the end at which
// the path stands.
func (d *Directory) assignments(c *dirCall, context, side string, at *dirObject, rest []string) (int, any, *dirError) {
	s := d.set("appRoleAssignments", "appRoleAssignment")
	own := func(o *dirObject) bool { return o.text(side) == at.id }
	if len(rest) == 0 {
		switch c.method {
		case http.MethodGet:
			return d.list(c, s, context, own)
		case http.MethodPost:
			return d.newAssignment(c, s, context, side, at)
		}
		return 0, nil, dirMethod()
	}
	o := s.see(func(o *dirObject) bool { return own(o) && o.id == rest[0] })
	switch {
	case len(rest) > 1:
		return 0, nil, dirSegment(rest[1])
	case o == nil:
		return 0, nil, dirGone(rest[0])
	case c.method == http.MethodGet:
		return d.one(c, s, context, o, http.StatusOK)
	case c.method == http.MethodDelete:
		s.remove(o)
		return http.StatusNoContent, nil, nil
	}
	return 0, nil, dirMethod()
}

func (d *Directory) newAssignment(c *dirCall, s *dirSet, context, side string, at *dirObject) (int, any, *dirError) {
	in, e := c.accept(s.typ, c.body)
	if e != nil {
		return 0, nil, e
	}
	id := func(name string) string { v, _ := in[name].(string); return strings.ToLower(v) }
	for _, name := range []string{"principalId", "resourceId", "appRoleId"} {
		if id(name) == "" {
			return 0, nil, dirBad("A value is required for property '%s' of resource 'AppRoleAssignment'.", name)
		}
	}
	if id(side) != at.id {
		return 0, nil, dirBad("The %s does not match the object in the path.", side)
	}
	kind, principal := d.principal(id("principalId"))
	if principal == nil {
		return 0, nil, dirGone(id("principalId"))
	}
	resource := d.set("servicePrincipals", "servicePrincipal").see(byID(id("resourceId")))
	if resource == nil {
		return 0, nil, dirGone(id("resourceId"))
	}
	if kind == "Group" && d.o.NoPremium {
		return 0, nil, dirBad("Groups are not available for assignment due to your Active Directory plan level.")
	}
	if e := rolePossible(resource, kind, id("appRoleId")); e != nil {
		return 0, nil, e
	}
	if s.any(func(o *dirObject) bool {
		return o.text("principalId") == principal.id && o.text("resourceId") == resource.id && o.text("appRoleId") == id("appRoleId")
	}) != nil {
		return 0, nil, dirBad("Permission being assigned already exists on the object")
	}
	o := d.add(s, "", map[string]any{
		"id": dirOpaqueID(), "principalId": principal.id, "resourceId": resource.id, "appRoleId": id("appRoleId"), "deletedDateTime": nil,
		"principalType": kind, "principalDisplayName": principal.props["displayName"], "resourceDisplayName": resource.props["displayName"],
		"createdDateTime": d.o.Now().UTC().Format(graphTime),
	})
	return d.one(c, s, context, o, http.StatusCreated)
}

// rolePossible refuses a role that the application does not have for such a principal. Access without a role is for
// applications that have none for people.
func rolePossible(resource *dirObject, kind, role string) *dirError {
	member := "User"
	if kind == "ServicePrincipal" {
		member = "Application"
	}
	list, _ := resource.props["appRoles"].([]any)
	some := false
	for _, item := range list {
		m, _ := item.(map[string]any)
		if m["isEnabled"] != true || !hasValue(m["allowedMemberTypes"], member) {
			continue
		}
		some = true
		if id, _ := m["id"].(string); strings.EqualFold(id, role) {
			return nil
		}
	}
	if role == noRole && !some {
		return nil
	}
	return dirBad("Permission being assigned was not found on application '%s'.", resource.text("appId"))
}

// principal finds whoever roles are assigned to.
func (d *Directory) principal(id string) (kind string, o *dirObject) {
	for _, x := range []struct{ kind, set, typ string }{
		{"User", "users", "user"}, {"Group", "groups", "group"}, {"ServicePrincipal", "servicePrincipals", "servicePrincipal"},
	} {
		if o := d.set(x.set, x.typ).see(byID(id)); o != nil {
			return x.kind, o
		}
	}
	return "", nil
}

// grants are the delegated permissions that applications have.
func (d *Directory) grants(c *dirCall) (int, any, *dirError) {
	s := d.set("oauth2PermissionGrants", "oAuth2PermissionGrant")
	if len(c.seg) == 1 {
		switch c.method {
		case http.MethodGet:
			return d.list(c, s, "oauth2PermissionGrants", nil)
		case http.MethodPost:
			return d.newGrant(c, s)
		}
		return 0, nil, dirMethod()
	}
	o := s.see(func(o *dirObject) bool { return o.id == c.seg[1] })
	switch {
	case len(c.seg) > 2:
		return 0, nil, dirSegment(c.seg[2])
	case o == nil:
		return 0, nil, dirGone(c.seg[1])
	case c.method == http.MethodGet:
		return d.one(c, s, "oauth2PermissionGrants", o, http.StatusOK)
	case c.method == http.MethodDelete:
		s.remove(o)
		return http.StatusNoContent, nil, nil
	case c.method != http.MethodPatch:
		return 0, nil, dirMethod()
	}
	in, e := c.accept(s.typ, c.body)
	if e != nil {
		return 0, nil, e
	}
	for name, v := range in {
		if name != "scope" && v != o.props[name] {
			return 0, nil, dirBad("Property '%s' is immutable.", name)
		}
	}
	maps.Copy(o.props, in)
	return http.StatusNoContent, nil, nil
}

func (d *Directory) newGrant(c *dirCall, s *dirSet) (int, any, *dirError) {
	in, e := c.accept(s.typ, c.body)
	if e != nil {
		return 0, nil, e
	}
	text := func(name string) string { v, _ := in[name].(string); return v }
	sps := d.set("servicePrincipals", "servicePrincipal")
	for _, name := range []string{"clientId", "resourceId"} {
		if text(name) == "" {
			return 0, nil, dirBad("A value is required for property '%s' of resource 'OAuth2PermissionGrant'.", name)
		}
		if sps.see(byID(text(name))) == nil {
			return 0, nil, dirGone(text(name))
		}
	}
	switch text("consentType") {
	case "AllPrincipals":
		if text("principalId") != "" {
			return 0, nil, dirBad("A grant for AllPrincipals has no principalId.")
		}
	case "Principal":
		if d.set("users", "user").see(byID(text("principalId"))) == nil {
			return 0, nil, dirGone(text("principalId"))
		}
	default:
		return 0, nil, dirBad("Invalid value specified for property 'consentType' of resource 'OAuth2PermissionGrant'.")
	}
	if s.any(func(o *dirObject) bool {
		return o.text("clientId") == text("clientId") && o.text("resourceId") == text("resourceId") &&
			o.text("consentType") == text("consentType") && o.text("principalId") == text("principalId")
	}) != nil {
		return 0, nil, dirFail(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "Permission entry already exists.")
	}
	props := map[string]any{"principalId": nil}
	maps.Copy(props, in)
	props["id"] = dirOpaqueID()
	return d.one(c, s, "oauth2PermissionGrants", d.add(s, "", props), http.StatusCreated)
}
