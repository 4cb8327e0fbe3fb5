package entratest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// accessBad is Conditional Access's answer to what is wrong with a request.
func accessBad(format string, args ...any) *dirError {
	return dirFail(http.StatusBadRequest, "BadRequest", format, args...)
}

// access answers below /identity, /policies and /auditLogs.
func (d *Directory) access(c *dirCall) (int, any, *dirError) {
	n := 2
	if c.seg[0] == "identity" {
		n = 3
	}
	n = min(n, len(c.seg))
	at, rest := strings.Join(c.seg[:n], "/"), c.seg[n:]
	switch at {
	case "identity/conditionalAccess/policies":
		return d.policies(c, rest)
	case "identity/conditionalAccess/authenticationContextClassReferences":
		return d.readOnly(c, d.set("contexts", "authenticationContextClassReference"), at, rest)
	case "policies/authenticationStrengthPolicies":
		return d.readOnly(c, d.set("strengths", "authenticationStrengthPolicy"), at, rest)
	case "policies/identitySecurityDefaultsEnforcementPolicy":
		return d.securityDefaults(c)
	case "policies/defaultAppManagementPolicy":
		return d.appManagement(c)
	case "auditLogs/signIns":
		if d.o.NoPremium {
			return 0, nil, dirFail(http.StatusForbidden, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", "Neither tenant is B2C or tenant doesn't have premium license")
		}
		return d.signIns(c, rest)
	}
	return 0, nil, dirSegment(c.seg[len(c.seg)-1])
}

// readOnly answers about what cannot be changed here.
func (d *Directory) readOnly(c *dirCall, s *dirSet, context string, rest []string) (int, any, *dirError) {
	switch {
	case c.method != http.MethodGet:
		return 0, nil, dirMethod()
	case len(rest) == 0:
		return d.list(c, s, context, nil)
	case len(rest) > 1:
		return 0, nil, dirSegment(rest[1])
	}
	o := s.see(byID(rest[0]))
	if o == nil {
		return 0, nil, dirFail(http.StatusNotFound, "ResourceNotFound", "Resource '%s' could not be found.", rest[0])
	}
	return d.one(c, s, context, o, http.StatusOK)
}

func (d *Directory) securityDefaults(c *dirCall) (int, any, *dirError) {
	s := &dirSet{typ: dirTypes()["identitySecurityDefaultsEnforcementPolicy"]}
	o := &dirObject{id: "00000000-0000-0000-0000-000000000005", props: map[string]any{
		"id": "00000000-0000-0000-0000-000000000005", "displayName": "Security Defaults", "description": "Security defaults is a set of basic identity security mechanisms.",
		"isEnabled": d.o.SecurityDefaults,
	}}
	switch c.method {
	case http.MethodGet:
		return d.one(c, s, "policies/identitySecurityDefaultsEnforcementPolicy", o, http.StatusOK)
	case http.MethodPatch:
		in, e := c.accept(s.typ, c.body)
		if e != nil {
			return 0, nil, e
		}
		if on, is := in["isEnabled"].(bool); is {
			d.o.SecurityDefaults = on
		}
		return http.StatusNoContent, nil, nil
	}
	return 0, nil, dirMethod()
}

func (d *Directory) appManagement(c *dirCall) (int, any, *dirError) {
	if c.method != http.MethodGet {
		return 0, nil, dirMethod()
	}
	rules := []any{}
	rule := func(kind string, life any) {
		rules = append(rules, map[string]any{"restrictionType": kind, "state": "enabled", "maxLifetime": life, "restrictForAppsCreatedAfterDateTime": nil})
	}
	if d.o.NoSecrets {
		rule("passwordAddition", nil)
	}
	if d.o.MaxSecretLife > 0 {
		rule("passwordLifetime", isoDuration(d.o.MaxSecretLife))
	}
	s := &dirSet{typ: dirTypes()["tenantAppManagementPolicy"]}
	o := &dirObject{id: noRole, props: map[string]any{
		"id": noRole, "displayName": "Default app management tenant policy", "description": "Default tenant policy that enforces app management restrictions.",
		"isEnabled": len(rules) > 0, "applicationRestrictions": map[string]any{"passwordCredentials": rules},
	}}
	return d.one(c, s, "policies/defaultAppManagementPolicy", o, http.StatusOK)
}

// isoDuration is a duration in days, as policies have it.
func isoDuration(life time.Duration) string {
	days := int(life / (24 * time.Hour))
	text := []byte("P")
	for n := days; ; n /= 10 {
		text = slices.Insert(text, 1, byte('0'+n%10))
		if n < 10 {
			return string(append(text, 'D'))
		}
	}
}

// policies are those of Conditional Access.
func (d *Directory) policies(c *dirCall, rest []string) (int, any, *dirError) {
	const context = "identity/conditionalAccess/policies"
	s := d.set("conditionalAccessPolicies", "conditionalAccessPolicy")
	if c.method != http.MethodGet {
		if e := d.accessPossible(); e != nil {
			return 0, nil, e
		}
	}
	if len(rest) == 0 {
		switch c.method {
		case http.MethodGet:
			return d.list(c, s, context, nil)
		case http.MethodPost:
			props := map[string]any{
				"createdDateTime": d.o.Now().UTC().Format(graphTime), "modifiedDateTime": nil, "deletedDateTime": nil, "templateId": nil, "sessionControls": nil, "description": nil,
			}
			if e := d.changePolicy(c, s, props); e != nil {
				return 0, nil, e
			}
			return d.one(c, s, context, d.add(s, "", props), http.StatusCreated)
		}
		return 0, nil, dirMethod()
	}
	o := s.see(byID(rest[0]))
	switch {
	case len(rest) > 1:
		return 0, nil, dirSegment(rest[1])
	case o == nil:
		return 0, nil, dirFail(http.StatusNotFound, "NotFound", "%s could not be found.", rest[0])
	case c.method == http.MethodGet:
		return d.one(c, s, context, o, http.StatusOK)
	case c.method == http.MethodDelete:
		s.remove(o)
		return http.StatusNoContent, nil, nil
	case c.method != http.MethodPatch:
		return 0, nil, dirMethod()
	}
	props, _ := cloneJSON(o.props).(map[string]any)
	if e := d.changePolicy(c, s, props); e != nil {
		return 0, nil, e
	}
	props["modifiedDateTime"] = d.o.Now().UTC().Format(graphTime)
	o.props = props
	return http.StatusNoContent, nil, nil
}

// accessPossible refuses policies in tenants that cannot have any.
func (d *Directory) accessPossible() *dirError {
	switch {
	case d.o.NoPremium:
		return accessBad("1038: Cannot create or update policies without a premium licence.")
	case d.o.SecurityDefaults:
		return accessBad("1125: Cannot create or update policies while Security Defaults is enabled.")
	}
	return nil
}

// changePolicy checks what was sent and puts it into props, which are a copy.
func (d *Directory) changePolicy(c *dirCall, s *dirSet, props map[string]any) *dirError {
	sent := maps.Clone(c.body)
	in, e := c.accept(s.typ, sent)
	if e != nil {
		return e
	}
	s.typ.merge(props, in)
	if name, _ := props["displayName"].(string); name == "" {
		return accessBad("1004: Policy has no display name.")
	}
	if !slices.Contains([]any{"enabled", "disabled", "enabledForReportingButNotEnforced"}, props["state"]) {
		return accessBad("1005: Policy has no valid state.")
	}
	conditions, _ := props["conditions"].(map[string]any)
	if conditions == nil {
		return accessBad("1006: Policy has no conditions.")
	}
	if e := d.checkApplications(conditions); e != nil {
		return e
	}
	if e := d.checkUsers(conditions); e != nil {
		return e
	}
	for _, name := range []string{"clientAppTypes", "userRiskLevels", "signInRiskLevels", "servicePrincipalRiskLevels"} {
		if conditions[name] == nil {
			conditions[name] = []any{}
		}
	}
	if len(asList(conditions["clientAppTypes"])) == 0 {
		return accessBad("1007: Policy has no client app types.")
	}
	return d.checkControls(props)
}

func fillLists(m map[string]any, names ...string) {
	for _, name := range names {
		if m[name] == nil {
			m[name] = []any{}
		}
	}
}

func (d *Directory) checkApplications(conditions map[string]any) *dirError {
	apps, _ := conditions["applications"].(map[string]any)
	if apps == nil {
		return accessBad("1008: Policy has no applications.")
	}
	fillLists(apps, "includeApplications", "excludeApplications", "includeUserActions", "includeAuthenticationContextClassReferences")
	include := asList(apps["includeApplications"])
	if len(include)+len(asList(apps["includeUserActions"]))+len(asList(apps["includeAuthenticationContextClassReferences"])) == 0 {
		return accessBad("1008: Policy has no applications.")
	}
	for _, id := range append(slices.Clone(include), asList(apps["excludeApplications"])...) {
		text, _ := id.(string)
		if !slices.Contains([]string{"All", "None", "Office365", "MicrosoftAdminPortals"}, text) &&
			d.set("servicePrincipals", "servicePrincipal").see(byText("appId", text)) == nil {
			return accessBad("1011: Policy contains invalid applications: %s", text)
		}
	}
	return nil
}

func (d *Directory) checkUsers(conditions map[string]any) *dirError {
	users, _ := conditions["users"].(map[string]any)
	if users == nil {
		return accessBad("1009: Policy has no users.")
	}
	fillLists(users, "includeUsers", "excludeUsers", "includeGroups", "excludeGroups", "includeRoles", "excludeRoles")
	if len(asList(users["includeUsers"]))+len(asList(users["includeGroups"]))+len(asList(users["includeRoles"])) == 0 {
		return accessBad("1009: Policy has no users.")
	}
	for _, x := range []struct {
		name string
		set  *dirSet
	}{
		{"includeUsers", d.set("users", "user")},
		{"excludeUsers", d.set("users", "user")},
		{"includeGroups", d.set("groups", "group")},
		{"excludeGroups", d.set("groups", "group")},
	} {
		for _, id := range asList(users[x.name]) {
			text, _ := id.(string)
			if !slices.Contains([]string{"All", "None", "GuestsOrExternalUsers"}, text) && x.set.see(byID(text)) == nil {
				return accessBad("1012: Policy contains invalid users or groups: %s", text)
			}
		}
	}
	return nil
}

// checkControls fills in the authentication strength, which a client names by its id.
func (d *Directory) checkControls(props map[string]any) *dirError {
	grant, _ := props["grantControls"].(map[string]any)
	if grant == nil {
		if props["sessionControls"] == nil {
			return accessBad("1010: Policy has no controls.")
		}
		return nil
	}
	fillLists(grant, "builtInControls", "customAuthenticationFactors", "termsOfUse")
	strength, _ := grant["authenticationStrength"].(map[string]any)
	if strength == nil {
		grant["authenticationStrength"] = nil
		if len(asList(grant["builtInControls"])) == 0 {
			return accessBad("1010: Policy has no controls.")
		}
		return nil
	}
	if hasValue(grant["builtInControls"], "mfa") {
		return accessBad("1119: The control mfa cannot be combined with an authentication strength.")
	}
	id, _ := strength["id"].(string)
	o := d.set("strengths", "authenticationStrengthPolicy").see(byID(id))
	if o == nil {
		return accessBad("1120: Policy contains an invalid authentication strength: %s", id)
	}
	grant["authenticationStrength"] = cloneJSON(o.props)
	return nil
}

// DirectoryPolicyResult is what a policy made of a sign-in.
type DirectoryPolicyResult struct {
	// PolicyID is the id of the policy, Name its name.
	PolicyID, Name string
	// Result is Graph's word: "success", "failure", "notApplied", "reportOnlySuccess", "reportOnlyFailure",
	// "reportOnlyInterrupted", "reportOnlyNotApplied".
	Result string
}

// DirectorySignIn is a sign-in of the log.
type DirectorySignIn struct {
	At time.Time
	// UserID is the person's object id, AppID the application's.
	UserID, AppID string
	// ErrorCode is zero for one that succeeded.
	ErrorCode int
	Policies  []DirectoryPolicyResult
}

// AddSignIn writes into the sign-in log. It returns the id of the entry.
func (d *Directory) AddSignIn(s DirectorySignIn) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	applied := []any{}
	for _, p := range s.Policies {
		applied = append(applied, map[string]any{
			"id": p.PolicyID, "displayName": p.Name, "result": p.Result, "enforcedGrantControls": []any{"Phishing-resistant MFA"}, "enforcedSessionControls": []any{},
		})
	}
	props := map[string]any{
		"createdDateTime": s.At.UTC().Format(time.RFC3339Nano), "appId": s.AppID, "userId": s.UserID, "appliedConditionalAccessPolicies": applied,
		"appDisplayName": nil, "userDisplayName": nil, "userPrincipalName": nil, "clientAppUsed": "Browser", "conditionalAccessStatus": "notApplied",
		"correlationId": newGUID(), "ipAddress": "192.0.2.10", "isInteractive": true, "resourceDisplayName": nil, "resourceId": nil,
		"status": map[string]any{"errorCode": s.ErrorCode, "failureReason": "Other.", "additionalDetails": nil},
	}
	if u := d.set("users", "user").any(byID(s.UserID)); u != nil {
		props["userDisplayName"], props["userPrincipalName"] = u.props["displayName"], u.props["userPrincipalName"]
	}
	if sp := d.set("servicePrincipals", "servicePrincipal").any(byText("appId", s.AppID)); sp != nil {
		props["appDisplayName"] = sp.props["displayName"]
	}
	o := d.add(d.set("signIns", "signIn"), "", props)
	o.lag = 0
	return o.id
}

func (d *Directory) signIns(c *dirCall, rest []string) (int, any, *dirError) {
	s := d.set("signIns", "signIn")
	if d.o.HidePolicyResults {
		hidden := &dirSet{typ: s.typ}
		for _, o := range s.objects {
			props := maps.Clone(o.props)
			props["appliedConditionalAccessPolicies"] = []any{}
			hidden.objects = append(hidden.objects, &dirObject{id: o.id, props: props})
		}
		s = hidden
	}
	return d.readOnly(c, s, "auditLogs/signIns", rest)
}
