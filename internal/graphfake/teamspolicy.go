package graphfake

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// TeamsPolicy is one of an administrator of Teams, such as an app setup policy.
type TeamsPolicy struct {
	// Type is such as "TeamsAppSetupPolicy", Name what the administrator called it.
	Type, Name string
	// ID is random where empty.
	ID string
}

// policyHolder is by what somebody has a policy.
type policyHolder struct {
	policy TeamsPolicy
	group  string // empty is by themselves
}

// teamsPolicies are those of a tenant, and who has which. Who has none has that of the whole organisation.
type teamsPolicies struct {
	list []TeamsPolicy
	// of are by user's id and type.
	of map[string]map[string]policyHolder
}

// AddTeamsPolicy adds a policy, as the admin center or PowerShell would, and returns its id.
func (t *Tenant) AddTeamsPolicy(p TeamsPolicy) string {
	if p.ID == "" {
		p.ID = newID()
	}
	t.set(func() { t.policies.list = append(t.policies.list, p) })
	return p.ID
}

// GiveTeamsPolicy gives somebody a policy that is there, by a group unless that is empty. It reports whether the policy is there.
func (t *Tenant) GiveTeamsPolicy(user, kind, name, group string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.policies.list, func(p TeamsPolicy) bool { return p.Type == kind && p.Name == name })
	if i < 0 {
		return false
	}
	t.give(strings.ToLower(user), policyHolder{t.policies.list[i], group})
	return true
}

// TeamsPolicyOf returns the name of the policy that somebody was given, empty where it is that of the organisation.
func (t *Tenant) TeamsPolicyOf(user, kind string) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.policies.of[strings.ToLower(user)][kind].policy.Name
}

func (t *Tenant) give(user string, h policyHolder) {
	if t.policies.of == nil {
		t.policies.of = map[string]map[string]policyHolder{}
	}
	if t.policies.of[user] == nil {
		t.policies.of[user] = map[string]policyHolder{}
	}
	t.policies.of[user][h.policy.Type] = h
}

// assignable are types of policies that can be assigned by Graph.
var assignable = []string{"TeamsAppSetupPolicy", "TeamsMeetingPolicy", "TeamsMessagingPolicy", "TeamsCallingPolicy", "TeamsAppPermissionPolicy"}

// manages lets applications in, and people who administer Teams.
func (c *call) manages() *apiError {
	if c.grant.user != "" && !c.teamsAdmin() {
		return denied()
	}
	return nil
}

// teamsPolicyID is getPolicyId(type='…',name='…').
func (c *call) teamsPolicyID() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.manages(); e != nil {
		return e
	}
	words, bad := tokenize(c.r.PathValue("function"))
	if bad != "" || len(words) != 8 || words[0] != "getPolicyId" || words[1] != "(" || words[4] != "," || words[7] != ")" {
		return badRequest("Resource not found for the segment '%s'.", c.r.PathValue("function"))
	}
	kind, ok := named(words[2], words[3], "type")
	name, ok2 := named(words[5], words[6], "name")
	if !ok || !ok2 {
		return badRequest("The parameters type and name are needed.")
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	list := []any{}
	for _, p := range c.t.policies.list {
		if strings.EqualFold(p.Type, kind) && strings.EqualFold(p.Name, name) {
			list = append(list, map[string]any{"name": "Tag:" + p.Name, "policyId": p.ID})
		}
	}
	return c.list("Collection(microsoft.graph.teamsAdministration.policyIdentifierDetail)", list)
}

func named(word, lit, name string) (string, bool) {
	s, ok := literal(lit)
	return s, ok && word == name+"="
}

// assignTeamsPolicies is POST /admin/teams/policy/userAssignments/assign, and unassign.
func (c *call) assignTeamsPolicies() *apiError {
	if e := c.manages(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	takes := strings.HasSuffix(c.r.URL.Path, "/unassign")
	body, e := object(c.body, "assign", "value")
	if e != nil {
		return e
	}
	var items []json.RawMessage
	if e := value(body, "value", &items); e != nil {
		return e
	}
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	var do []func()
	for _, raw := range items {
		const kind = "microsoft.graph.teamsAdministration.teamsPolicyUserAssignment"
		m, e := object(raw, kind, "@odata.type", "userId", "policyType", "policyId")
		if e != nil {
			return e
		}
		var typ, user, policyType, id string
		for name, v := range map[string]*string{"@odata.type": &typ, "userId": &user, "policyType": &policyType, "policyId": &id} {
			if e := value(m, name, v); e != nil {
				return e
			}
		}
		_, there := c.t.find(user)
		i := slices.IndexFunc(c.t.policies.list, func(p TeamsPolicy) bool { return p.ID == id && strings.EqualFold(p.Type, policyType) })
		switch {
		case typ != "#"+kind:
			return badRequest("The type of an assignment is missing.")
		case !there || !guidText.MatchString(user):
			return fail(http.StatusNotFound, "NotFound", "There is no user with that id.")
		case !slices.Contains(assignable, policyType):
			return badRequest("The policy type '%s' is not supported.", policyType)
		case takes:
			do = append(do, func() { delete(c.t.policies.of[strings.ToLower(user)], policyType) })
		case i < 0:
			return badRequest("There is no policy with that id.")
		default:
			p := c.t.policies.list[i]
			do = append(do, func() { c.t.give(strings.ToLower(user), policyHolder{policy: p}) })
		}
	}
	if len(items) == 0 {
		return badRequest("There are no assignments.")
	}
	for _, f := range do {
		f()
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// teamsUserConfiguration is what Teams knows of somebody: among it the policies that they really have.
func (c *call) teamsUserConfiguration() *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	if e := c.manages(); e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	_, u, e := c.person()
	if e != nil || !strings.EqualFold(u.ID, c.r.PathValue("user")) {
		return fail(http.StatusNotFound, "NotFound", "There is no user with that id.")
	}
	list := []any{}
	for kind, h := range c.t.policies.of[strings.ToLower(u.ID)] {
		a := map[string]any{"displayName": h.policy.Name, "policyId": h.policy.ID, "assignmentType": "direct", "groupId": nil}
		if h.group != "" {
			a["assignmentType"], a["groupId"] = "group", h.group
		}
		list = append(list, map[string]any{"policyType": kind, "policyAssignment": a})
	}
	m, e := c.choose(map[string]any{
		"id": u.ID, "userPrincipalName": u.UPN, "tenantId": c.t.ID, "accountType": "user", "effectivePolicyAssignments": list, "featureTypes": []string{"Teams"},
		"isEnterpriseVoiceEnabled": false, "telephoneNumbers": []any{}, "createdDateTime": rfc3339(u.CreatedAt), "modifiedDateTime": rfc3339(u.CreatedAt),
	})
	if e != nil {
		return e
	}
	m["@odata.context"] = c.context("admin/teams/userConfigurations/$entity")
	if c.t.catalog.quirks.Wrapped {
		return c.ok(map[string]any{"value": m})
	}
	return c.ok(m)
}
