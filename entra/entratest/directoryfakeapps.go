package entratest

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // what Graph calls a certificate by
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const graphTime = "2006-01-02T15:04:05Z"

// dirKey splits "applications(appId='…')" into the name, the property and its value.
func dirKey(segment string) (name, key, value string) {
	name, rest, has := strings.Cut(segment, "(")
	if !has {
		return segment, "", ""
	}
	key, value, _ = strings.Cut(strings.TrimSuffix(rest, ")"), "=")
	value = strings.TrimSuffix(strings.TrimPrefix(value, "'"), "'")
	return name, key, strings.ReplaceAll(value, "''", "'")
}

func dirMethod() *dirError {
	return dirFail(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
}

func dirSegment(segment string) *dirError {
	return dirFail(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", segment)
}

// route answers a request. The caller holds the lock.
func (d *Directory) route(c *dirCall) (int, any, *dirError) {
	name, key, value := dirKey(c.seg[0])
	switch name {
	case "applications":
		return d.applications(c, key, value)
	case "servicePrincipals":
		return d.servicePrincipals(c, key, value)
	case "oauth2PermissionGrants":
		return d.grants(c)
	case "me", "users", "groups":
		return d.people(c)
	case "directoryObjects":
		return d.anything(c)
	case "organization", "subscribedSkus":
		return d.tenant(c)
	case "identity", "policies", "auditLogs":
		return d.access(c)
	}
	return 0, nil, dirSegment(c.seg[0])
}

// target finds the object that a path is about, by its id in the second segment or by an alternate key in the first. rest is
// what stands behind it; entity is false where the path is the collection.
func (d *Directory) target(c *dirCall, s *dirSet, key, value string, keys ...string) (o *dirObject, rest []string, entity bool, e *dirError) {
	if key != "" {
		if !slices.Contains(keys, key) {
			return nil, nil, false, dirBad("The property '%s' is no key.", key)
		}
		return s.see(byText(key, value)), c.seg[1:], true, nil
	}
	if len(c.seg) == 1 {
		return nil, nil, false, nil
	}
	return s.see(byID(c.seg[1])), c.seg[2:], true, nil
}

func (d *Directory) applications(c *dirCall, key, value string) (int, any, *dirError) {
	s := d.set("applications", "application")
	o, rest, entity, e := d.target(c, s, key, value, "appId", "uniqueName")
	switch {
	case e != nil:
		return 0, nil, e
	case !entity && c.method == http.MethodGet:
		return d.list(c, s, "applications", nil)
	case !entity && c.method == http.MethodPost:
		return d.newApplication(c, s, nil)
	case !entity:
		return 0, nil, dirMethod()
	case o == nil && c.method == http.MethodPatch && key == "uniqueName" && len(rest) == 0 && strings.Contains(c.header.Get("Prefer"), "create-if-missing"):
		return d.newApplication(c, s, map[string]any{"uniqueName": value})
	case o == nil:
		return 0, nil, dirGone(cmp.Or(value, c.seg[len(c.seg)-len(rest)-1]))
	case len(rest) == 0:
		return d.application(c, s, o)
	case rest[0] == "federatedIdentityCredentials":
		return d.federated(c, o, rest[1:])
	case len(rest) == 1 && c.method == http.MethodPost && rest[0] == "addPassword":
		return d.addPassword(c, o)
	case len(rest) == 1 && c.method == http.MethodPost && rest[0] == "removePassword":
		return d.removePassword(c, o)
	}
	return 0, nil, dirSegment(rest[0])
}

// newApplication registers an application. given are properties that stand in the path.
func (d *Directory) newApplication(c *dirCall, s *dirSet, given map[string]any) (int, any, *dirError) {
	in, e := c.accept(s.typ, c.body)
	if e != nil {
		return 0, nil, e
	}
	maps.Copy(in, given)
	if name, _ := in["displayName"].(string); name == "" {
		return 0, nil, dirBad("A value is required for property 'displayName' of resource 'Application'.")
	}
	props := map[string]any{
		"appId": newGUID(), "createdDateTime": d.o.Now().UTC().Format(graphTime), "deletedDateTime": nil, "description": nil, "uniqueName": nil,
		"publisherDomain": d.o.Domain, "signInAudience": "AzureADandPersonalMicrosoftAccount", "groupMembershipClaims": nil,
		"isFallbackPublicClient": nil, "optionalClaims": nil, "notes": nil,
		"api": map[string]any{"acceptMappedClaims": nil, "requestedAccessTokenVersion": nil},
		"info": map[string]any{
			"logoUrl": nil, "marketingUrl": nil, "privacyStatementUrl": nil, "supportUrl": nil, "termsOfServiceUrl": nil,
		},
		"publicClient": map[string]any{}, "spa": map[string]any{},
		"web": map[string]any{
			"homePageUrl": nil, "logoutUrl": nil,
			"implicitGrantSettings": map[string]any{"enableAccessTokenIssuance": false, "enableIdTokenIssuance": false},
		},
	}
	if e := d.changeApplication(s, nil, props, in); e != nil {
		return 0, nil, e
	}
	return d.one(c, s, "applications", d.add(s, "", props), http.StatusCreated)
}

func (d *Directory) application(c *dirCall, s *dirSet, o *dirObject) (int, any, *dirError) {
	switch c.method {
	case http.MethodGet:
		return d.one(c, s, "applications", o, http.StatusOK)
	case http.MethodDelete: // it goes with what came of it in this tenant
		s.remove(o)
		if sp := d.set("servicePrincipals", "servicePrincipal").any(byText("appId", o.text("appId"))); sp != nil {
			d.removeServicePrincipal(sp)
		}
		return http.StatusNoContent, nil, nil
	case http.MethodPatch:
		in, e := c.accept(s.typ, c.body)
		if e != nil {
			return 0, nil, e
		}
		props, _ := cloneJSON(o.props).(map[string]any)
		if e := d.changeApplication(s, o, props, in); e != nil {
			return 0, nil, e
		}
		o.props = props
		if sp := d.set("servicePrincipals", "servicePrincipal").any(byText("appId", o.text("appId"))); sp != nil {
			mirror(o, sp)
		}
		return http.StatusNoContent, nil, nil
	}
	return 0, nil, dirMethod()
}

// changeApplication checks what was sent and puts it into props, which are a copy of those of o. A nil o is a new one.
func (d *Directory) changeApplication(s *dirSet, o *dirObject, props, in map[string]any) *dirError {
	if v, sent := in["passwordCredentials"]; sent && v != nil && len(asList(v)) > 0 && !sameList(v, props["passwordCredentials"]) {
		return dirBad("New password credentials must be generated with service actions.")
	} else if list, _ := v.([]any); sent && len(list) > 0 {
		delete(in, "passwordCredentials")
	}
	if name, sent := in["uniqueName"].(string); sent && name != "" {
		if old, _ := props["uniqueName"].(string); old != "" && old != name {
			return dirBad("Property 'uniqueName' is immutable.")
		}
		if other := s.any(byText("uniqueName", name)); other != nil && other != o {
			return dirFail(http.StatusBadRequest, "Request_MultipleObjectsWithSameKeyValue", "Another object with the same value for property uniqueName already exists.")
		}
	}
	if e := d.checkURIs(s, o, props, in); e != nil {
		return e
	}
	if e := checkEntitlements(props["appRoles"], in["appRoles"]); e != nil {
		return e
	}
	api, _ := in["api"].(map[string]any)
	had, _ := props["api"].(map[string]any)
	if e := checkEntitlements(had["oauth2PermissionScopes"], api["oauth2PermissionScopes"]); e != nil {
		return e
	}
	if list, sent := in["keyCredentials"].([]any); sent {
		keys, e := d.acceptKeys(props["keyCredentials"], list)
		if e != nil {
			return e
		}
		in["keyCredentials"] = keys
	}
	switch v := in["signInAudience"]; v {
	case nil, "AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount":
	default:
		return dirBad("Invalid value specified for property 'signInAudience' of resource 'Application'.")
	}
	s.typ.merge(props, in)
	normalise(props)
	return nil
}

// sameList reports whether two lists have objects of the same ids.
func sameList(a, b any) bool {
	ids := func(v any) (out []string) {
		list, _ := v.([]any)
		for _, item := range list {
			m, _ := item.(map[string]any)
			out = append(out, fmt.Sprint(m["keyId"]))
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(ids(a), ids(b))
}

// checkURIs checks where people are sent, and the names of the application as an API.
func (d *Directory) checkURIs(s *dirSet, o *dirObject, props, in map[string]any) *dirError {
	for _, place := range []string{"web", "spa"} {
		m, _ := in[place].(map[string]any)
		list, _ := m["redirectUris"].([]any)
		seen := map[any]bool{}
		for _, uri := range list {
			text, _ := uri.(string)
			if seen[uri] {
				return dirFail(http.StatusBadRequest, "DuplicateValue", "Request contains a property with duplicate values.")
			}
			seen[uri] = true
			local := strings.HasPrefix(text, "http://localhost") || strings.HasPrefix(text, "http://127.0.0.1")
			if !strings.HasPrefix(text, "https://") && !local || strings.ContainsAny(text, "*#") {
				return dirBad("Reply URL '%s' is not valid: it must begin with 'https://' or 'http://localhost' and have no wildcard and no fragment.", text)
			}
		}
	}
	list, _ := in["identifierUris"].([]any)
	for _, uri := range list {
		text, _ := uri.(string)
		appID, _ := props["appId"].(string)
		if !strings.HasPrefix(text, "api://"+appID) && !strings.HasPrefix(text, "api://"+d.id) && !strings.HasPrefix(text, "https://"+d.o.Domain) {
			return dirFail(http.StatusBadRequest, "HostNameNotOnVerifiedDomain", "Values of identifierUris property must use a verified domain of the organization or its subdomain: '%s'", text)
		}
		if other := s.any(func(x *dirObject) bool { return x != o && hasValue(x.props["identifierUris"], uri) }); other != nil {
			return dirFail(http.StatusBadRequest, "Request_MultipleObjectsWithSameKeyValue", "Another object with the same value for property identifierUris already exists.")
		}
	}
	return nil
}

func hasValue(list, v any) bool {
	items, _ := list.([]any)
	return slices.Contains(items, v)
}

// checkEntitlements checks roles and scopes: ids and values are there once, and one that is enabled is neither changed in its
// value nor taken away.
func checkEntitlements(old, sent any) *dirError {
	list, is := sent.([]any)
	if !is {
		return nil
	}
	ids, values := map[string]map[string]any{}, map[string]bool{}
	for _, item := range list {
		m, _ := item.(map[string]any)
		id, _ := m["id"].(string)
		value, _ := m["value"].(string)
		if id == "" {
			return dirBad("Property 'id' of a role or scope is required.")
		}
		if ids[strings.ToLower(id)] != nil || value != "" && values[value] {
			return dirFail(http.StatusBadRequest, "DuplicateValue", "Request contains a property with duplicate values.")
		}
		if strings.ContainsAny(value, " \t") {
			return dirFail(http.StatusBadRequest, "InvalidValue", "Property 'value' of a role or scope has spaces.")
		}
		ids[strings.ToLower(id)], values[value] = m, true
		m["origin"] = "Application"
		if m["isEnabled"] == nil {
			m["isEnabled"] = true
		}
	}
	had, _ := old.([]any)
	for _, item := range had {
		m, _ := item.(map[string]any)
		if m["isEnabled"] != true {
			continue
		}
		id, _ := m["id"].(string)
		if now := ids[strings.ToLower(id)]; now == nil || now["value"] != m["value"] {
			return dirFail(http.StatusBadRequest, "CannotDeleteOrUpdateEnabledEntitlement", "Property value cannot be deleted or updated unless it is disabled first.")
		}
	}
	return nil
}

// acceptKeys checks certificates. One whose bytes are not sent again is one that is there.
func (d *Directory) acceptKeys(old any, list []any) ([]any, *dirError) {
	had, _ := old.([]any)
	var out []any
	for _, item := range list {
		m, _ := item.(map[string]any)
		if m["key"] == nil {
			i := slices.IndexFunc(had, func(x any) bool { return m["keyId"] != nil && asMap(x)["keyId"] == m["keyId"] })
			if i < 0 {
				return nil, dirFail(http.StatusBadRequest, "KeyCredentialsInvalidKey", "A key credential needs a key.")
			}
			out = append(out, had[i])
			continue
		}
		if m["type"] != "AsymmetricX509Cert" || m["usage"] != "Verify" {
			return nil, dirFail(http.StatusBadRequest, "KeyCredentialsInvalidType", "A key credential is an AsymmetricX509Cert for Verify.")
		}
		text, _ := m["key"].(string)
		der, _ := base64.StdEncoding.DecodeString(text)
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, dirFail(http.StatusBadRequest, "KeyCredentialsInvalidKey", "The key of a key credential is no certificate.")
		}
		if end, _ := m["endDateTime"].(string); end != "" {
			if at, err := time.Parse(time.RFC3339Nano, end); err != nil || at.After(cert.NotAfter) {
				return nil, dirFail(http.StatusBadRequest, "KeyCredentialsInvalidEndDate", "Key credential end date is invalid.")
			}
		} else {
			m["endDateTime"] = cert.NotAfter.UTC().Format(graphTime)
		}
		if m["startDateTime"] == nil {
			m["startDateTime"] = cert.NotBefore.UTC().Format(graphTime)
		}
		if m["keyId"] == nil {
			m["keyId"] = newGUID()
		}
		if m["displayName"] == nil {
			m["displayName"] = cert.Subject.String()
		}
		if m["customKeyIdentifier"] == nil {
			sum := sha1.Sum(der) //nolint:gosec // as above
			m["customKeyIdentifier"] = strings.ToUpper(hex.EncodeToString(sum[:]))
		}
		out = append(out, m)
	}
	return out, nil
}

// normalise gives an application the form in which Graph returns it: lists that are there, claims in full, and an order that
// is not the one in which it was sent.
func normalise(props map[string]any) {
	lists := func(m map[string]any, names ...string) {
		for _, name := range names {
			if m[name] == nil {
				m[name] = []any{}
			}
		}
	}
	lists(props, "identifierUris", "tags", "appRoles", "keyCredentials", "passwordCredentials", "requiredResourceAccess")
	for _, name := range []string{"api", "publicClient", "spa", "web", "info"} {
		if props[name] == nil {
			props[name] = map[string]any{}
		}
	}
	lists(asMap(props["api"]), "knownClientApplications", "oauth2PermissionScopes", "preAuthorizedApplications")
	for _, name := range []string{"publicClient", "spa", "web"} {
		m := asMap(props[name])
		lists(m, "redirectUris")
		sortTexts(asList(m["redirectUris"]))
	}
	web := asMap(props["web"])
	settings := []any{}
	for _, uri := range asList(web["redirectUris"]) {
		settings = append(settings, map[string]any{"uri": uri, "index": nil})
	}
	web["redirectUriSettings"] = settings
	if claims, is := props["optionalClaims"].(map[string]any); is {
		lists(claims, "accessToken", "idToken", "saml2Token")
		for _, name := range []string{"accessToken", "idToken", "saml2Token"} {
			for _, item := range asList(claims[name]) {
				m := asMap(item)
				lists(m, "additionalProperties")
				if m["essential"] == nil {
					m["essential"] = false
				}
				if _, has := m["source"]; !has {
					m["source"] = nil
				}
			}
		}
	}
	for _, item := range asList(props["requiredResourceAccess"]) {
		m := asMap(item)
		lists(m, "resourceAccess")
		list := asList(m["resourceAccess"])
		slices.SortFunc(list, func(a, b any) int {
			return strings.Compare(fmt.Sprint(asMap(a)["id"]), fmt.Sprint(asMap(b)["id"]))
		})
	}
}

func sortTexts(list []any) {
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(b), fmt.Sprint(a)) })
}

// secretForbidden is what a policy says to a new secret, or nil.
func (d *Directory) secretForbidden(end time.Time) *dirError {
	switch {
	case d.o.NoSecrets:
		return dirFail(http.StatusBadRequest, "CredentialTypeNotAllowedAsPerAppPolicy", "Credential type not allowed as per assigned policy.")
	case d.o.MaxSecretLife > 0 && end.Sub(d.o.Now()) > d.o.MaxSecretLife:
		return dirFail(http.StatusBadRequest, "CredentialInvalidLifetimeAsPerAppPolicy", "Credential lifetime exceeds the max value allowed as per assigned policy.")
	}
	return nil
}

func (d *Directory) addPassword(c *dirCall, o *dirObject) (int, any, *dirError) {
	sent, _ := c.body["passwordCredential"].(map[string]any)
	if len(c.body) > 1 || len(c.body) == 1 && sent == nil {
		return 0, nil, dirBad("The action takes a passwordCredential.")
	}
	in, e := c.accept(dirTypes()["passwordCredential"], sent)
	if e != nil {
		return 0, nil, e
	}
	now := d.o.Now().UTC()
	end := now.AddDate(2, 0, 0)
	if text, is := in["endDateTime"].(string); is {
		end, _ = time.Parse(time.RFC3339Nano, text) // it was accepted
		if !end.After(now) {
			return 0, nil, dirBad("The end date of a credential must be in the future.")
		}
	}
	if e := d.secretForbidden(end); e != nil {
		return 0, nil, e
	}
	start, is := in["startDateTime"].(string)
	if !is {
		start = now.Format(graphTime)
	}
	secret := "fake~" + randomText()[:35]
	cred := map[string]any{
		"keyId": newGUID(), "displayName": in["displayName"], "customKeyIdentifier": in["customKeyIdentifier"],
		"startDateTime": start, "endDateTime": end.UTC().Format(graphTime), "hint": secret[:3], "secretText": nil,
	}
	list, _ := o.props["passwordCredentials"].([]any)
	o.props["passwordCredentials"] = append(list, cred)
	out := maps.Clone(cred)
	out["secretText"] = secret
	out["@odata.context"] = c.base + "/$metadata#microsoft.graph.passwordCredential"
	return http.StatusOK, out, nil
}

func (d *Directory) removePassword(c *dirCall, o *dirObject) (int, any, *dirError) {
	id, _ := c.body["keyId"].(string)
	list, _ := o.props["passwordCredentials"].([]any)
	i := slices.IndexFunc(list, func(x any) bool { return id != "" && asMap(x)["keyId"] == id })
	if i < 0 || len(c.body) > 1 {
		return 0, nil, dirBad("No credentials found to be removed.")
	}
	o.props["passwordCredentials"] = slices.Delete(slices.Clone(list), i, i+1)
	return http.StatusNoContent, nil, nil
}

const maxFederated = 20

// federated are the trusts of an application in tokens of others.
func (d *Directory) federated(c *dirCall, app *dirObject, rest []string) (int, any, *dirError) {
	s := d.set("federatedIdentityCredentials", "federatedIdentityCredential")
	context := "applications('" + app.id + "')/federatedIdentityCredentials"
	own := func(o *dirObject) bool { return o.parent == app.id }
	if len(rest) == 0 {
		switch c.method {
		case http.MethodGet:
			return d.list(c, s, context, own)
		case http.MethodPost:
			in, e := c.accept(s.typ, c.body)
			if e == nil {
				e = d.checkFederated(s, app, nil, in)
			}
			if e != nil {
				return 0, nil, e
			}
			if _, has := in["description"]; !has {
				in["description"] = nil
			}
			return d.one(c, s, context, d.add(s, app.id, in), http.StatusCreated)
		}
		return 0, nil, dirMethod()
	}
	o := s.see(func(o *dirObject) bool { return own(o) && (o.id == rest[0] || o.text("name") == rest[0]) })
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
	case c.method != http.MethodPatch:
		return 0, nil, dirMethod()
	}
	in, e := c.accept(s.typ, c.body)
	if e != nil {
		return 0, nil, e
	}
	if name, sent := in["name"]; sent && name != o.props["name"] {
		return 0, nil, dirBad("Property 'name' is immutable.")
	}
	props := maps.Clone(o.props)
	maps.Copy(props, in)
	if e := d.checkFederated(s, app, o, props); e != nil {
		return 0, nil, e
	}
	o.props = props
	return http.StatusNoContent, nil, nil
}

func (d *Directory) checkFederated(s *dirSet, app, self *dirObject, in map[string]any) *dirError {
	for _, name := range []string{"name", "issuer", "subject"} {
		if v, _ := in[name].(string); v == "" {
			return dirBad("A value is required for property '%s' of resource 'FederatedIdentityCredential'.", name)
		}
	}
	if list, _ := in["audiences"].([]any); len(list) != 1 {
		return dirBad("Property 'audiences' must have exactly one value.")
	}
	count := 0
	for _, o := range s.objects {
		if o.parent != app.id || o == self {
			continue
		}
		count++
		if o.text("name") == in["name"] {
			return dirFail(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "FederatedIdentityCredential with name %v already exists.", in["name"])
		}
		if o.text("issuer") == in["issuer"] && o.text("subject") == in["subject"] {
			return dirFail(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "The issuer and subject combination already exists for the application.")
		}
	}
	if count >= maxFederated {
		return dirBad("The maximum of %d federated identity credentials is reached.", maxFederated)
	}
	return nil
}
