package graphentra

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/identity"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

// The states of a policy, in Graph's words.
const (
	stateEnforced   = "enabled"
	stateReportOnly = "enabledForReportingButNotEnforced"
)

// The fields of a policy.
const (
	fieldState         = "state"
	fieldApplications  = "applications"
	fieldIncludeUsers  = "includeUsers"
	fieldExcludeGroups = "excludeGroups"
	fieldClients       = "clientAppTypes"
	fieldStrength      = "authenticationStrength"
)

// thisApplication stands for the application in fields, because its id is not known when a policy is planned for a new one.
const thisApplication = "this application"

// emptyFields are fields that the policy has none of. What an administrator puts there is seen as a difference.
var emptyFields = []string{
	"excludeApplications", "excludeUsers", "includeGroups", "includeRoles", "excludeRoles", "builtInControls", "termsOfUse", "otherConditions", "sessionControls",
}

// wantedConditional is what the policy is like, apart from its name and state.
func wantedConditional(group string) fields {
	f := fields{}
	f.set(fieldApplications, []string{thisApplication})
	f.set(fieldIncludeUsers, []string{"All"})
	f.set(fieldExcludeGroups, []string{group})
	f.set(fieldClients, []string{"all"})
	f.set(fieldStrength, PhishingResistant)
	for _, name := range emptyFields {
		f[name] = nil
	}
	return f
}

// newConditional is the policy as it is made: never enforced.
func newConditional(name, appID, group string) models.ConditionalAccessPolicyable {
	p := models.NewConditionalAccessPolicy()
	state := models.ENABLEDFORREPORTINGBUTNOTENFORCED_CONDITIONALACCESSPOLICYSTATE
	p.SetDisplayName(&name)
	p.SetState(&state)
	p.SetConditions(conditionsOf(appID, group))
	p.SetGrantControls(controlsOf())
	return p
}

func conditionsOf(appID, group string) models.ConditionalAccessConditionSetable {
	apps, users, c := models.NewConditionalAccessApplications(), models.NewConditionalAccessUsers(), models.NewConditionalAccessConditionSet()
	apps.SetIncludeApplications([]string{appID})
	users.SetIncludeUsers([]string{"All"})
	users.SetExcludeGroups([]string{group})
	c.SetApplications(apps)
	c.SetUsers(users)
	c.SetClientAppTypes([]models.ConditionalAccessClientApp{models.ALL_CONDITIONALACCESSCLIENTAPP})
	return c
}

func controlsOf() models.ConditionalAccessGrantControlsable {
	strength, grant := models.NewAuthenticationStrengthPolicy(), models.NewConditionalAccessGrantControls()
	id, or := PhishingResistant, "OR"
	strength.SetId(&id)
	grant.SetOperator(&or)
	grant.SetBuiltInControls([]models.ConditionalAccessGrantControl{})
	grant.SetAuthenticationStrength(strength)
	return grant
}

// policies is where the SDK's calls for policies begin.
func (t *tenant) policies() *identity.ConditionalAccessPoliciesRequestBuilder {
	return identity.NewConditionalAccessPoliciesRequestBuilderInternal(maps.Clone(t.base), t.adapter)
}

// conditional returns our policy, or nil where there is none. name may be empty where it is not known.
func (t *tenant) conditional(ctx context.Context, name string) (models.ConditionalAccessPolicyable, error) {
	appID, err := t.applicationID(ctx)
	if missing(err) {
		return nil, nil //nolint:nilnil // no application has no policy
	}
	if err != nil {
		return nil, err
	}
	all, err := pages(ctx, t, func(ctx context.Context, next string) (page[models.ConditionalAccessPolicyable], error) {
		if err := t.accessTurn(ctx); err != nil {
			return nil, err
		}
		if next != "" {
			return t.policies().WithUrl(next).Get(ctx, nil)
		}
		return t.policies().Get(ctx, nil)
	})
	if err != nil {
		return nil, err
	}
	var own, named []models.ConditionalAccessPolicyable
	for _, p := range all {
		apps := included(p)
		called := name != "" && text(p.GetDisplayName()) == name
		switch {
		case len(apps) == 1 && strings.EqualFold(apps[0], appID) && (called || strengthOf(p) != ""):
			own = append(own, p)
		case called && slices.ContainsFunc(apps, func(a string) bool { return a == "All" || strings.EqualFold(a, appID) }):
			named = append(named, p) // an administrator has made it one for more applications
		}
	}
	if len(own) == 0 {
		own = named
	}
	switch len(own) {
	case 0:
		return nil, nil //nolint:nilnil // there is none, which is no error
	case 1:
		return own[0], nil
	}
	return nil, because(ErrAmbiguous, nil, "Several Conditional Access policies are for this application and demand an authentication strength: remove all but one.")
}

// included are the applications that a policy is for.
func included(p models.ConditionalAccessPolicyable) []string {
	c := p.GetConditions()
	if c == nil || c.GetApplications() == nil {
		return nil
	}
	return c.GetApplications().GetIncludeApplications()
}

// strengthOf is the id of the authentication strength that a policy demands, or "".
func strengthOf(p models.ConditionalAccessPolicyable) string {
	g := p.GetGrantControls()
	if g == nil || g.GetAuthenticationStrength() == nil {
		return ""
	}
	return text(g.GetAuthenticationStrength().GetId())
}

func stateOf(p models.ConditionalAccessPolicyable) string {
	if s := p.GetState(); s != nil {
		return s.String()
	}
	return ""
}

// conditionalFields returns what matters of a policy.
func (t *tenant) conditionalFields(ctx context.Context, p models.ConditionalAccessPolicyable) (fields, error) {
	appID, err := t.applicationID(ctx)
	if err != nil {
		return nil, err
	}
	f := fields{}
	f.set(fieldName, text(p.GetDisplayName()))
	f.set(fieldState, stateOf(p))
	f.set(fieldStrength, strengthOf(p))
	if c := p.GetConditions(); c != nil {
		conditionFields(f, c, appID)
	}
	if g := p.GetGrantControls(); g != nil {
		var built []string
		for _, b := range g.GetBuiltInControls() {
			built = append(built, b.String())
		}
		f.set("builtInControls", union(built, nil))
		f.set("termsOfUse", union(g.GetTermsOfUse(), nil))
	}
	if s := p.GetSessionControls(); s != nil && (s.GetSignInFrequency() != nil || s.GetPersistentBrowser() != nil || s.GetCloudAppSecurity() != nil ||
		s.GetApplicationEnforcedRestrictions() != nil || s.GetDisableResilienceDefaults() != nil) {
		f.set("sessionControls", true)
	}
	return f, nil
}

func conditionFields(f fields, c models.ConditionalAccessConditionSetable, appID string) {
	if a := c.GetApplications(); a != nil {
		var apps []string
		for _, id := range a.GetIncludeApplications() {
			if strings.EqualFold(id, appID) {
				id = thisApplication
			}
			apps = append(apps, id)
		}
		f.set(fieldApplications, union(apps, union(a.GetIncludeUserActions(), a.GetIncludeAuthenticationContextClassReferences())))
		f.set("excludeApplications", union(a.GetExcludeApplications(), nil))
	}
	if u := c.GetUsers(); u != nil {
		for _, l := range []struct {
			name string
			list []string
		}{
			{fieldIncludeUsers, u.GetIncludeUsers()},
			{"excludeUsers", u.GetExcludeUsers()},
			{"includeGroups", u.GetIncludeGroups()},
			{fieldExcludeGroups, u.GetExcludeGroups()},
			{"includeRoles", u.GetIncludeRoles()},
			{"excludeRoles", u.GetExcludeRoles()},
		} {
			f.set(l.name, union(l.list, nil))
		}
	}
	var clients, other []string
	for _, k := range c.GetClientAppTypes() {
		clients = append(clients, k.String())
	}
	f.set(fieldClients, union(clients, nil))
	for name, is := range map[string]bool{
		"locations": c.GetLocations() != nil, "platforms": c.GetPlatforms() != nil, "devices": c.GetDevices() != nil,
		"clientApplications": c.GetClientApplications() != nil, "authenticationFlows": c.GetAuthenticationFlows() != nil,
		"userRiskLevels": len(c.GetUserRiskLevels()) > 0, "signInRiskLevels": len(c.GetSignInRiskLevels()) > 0,
		"servicePrincipalRiskLevels": len(c.GetServicePrincipalRiskLevels()) > 0,
		"excludeGuests":              c.GetUsers() != nil && c.GetUsers().GetExcludeGuestsOrExternalUsers() != nil,
		"includeGuests":              c.GetUsers() != nil && c.GetUsers().GetIncludeGuestsOrExternalUsers() != nil,
		"applicationFilter":          c.GetApplications() != nil && c.GetApplications().GetApplicationFilter() != nil,
	} {
		if is {
			other = append(other, name)
		}
	}
	f.set("otherConditions", union(other, nil))
}

// conditionalByID returns what matters of the policy with that id.
func (t *tenant) conditionalByID(ctx context.Context, id string) (fields, error) {
	p, err := read(ctx, t, func(ctx context.Context) (models.ConditionalAccessPolicyable, error) {
		if err := t.accessTurn(ctx); err != nil {
			return nil, err
		}
		return t.policies().ByConditionalAccessPolicyId(id).Get(ctx, nil)
	})
	if missing(err) {
		return nil, because(ErrChanged, err, "The Conditional Access policy is gone: plan again.")
	}
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, errEmpty
	}
	return t.conditionalFields(ctx, p)
}

// restoreConditional puts back what an administrator has changed. The state stays as it is.
func (t *tenant) restoreConditional(ctx context.Context, id string, to fields) error {
	have, err := t.conditionalByID(ctx, id)
	if err != nil {
		return err
	}
	var groups []string
	if err := have.get(fieldExcludeGroups, &groups); err != nil {
		return err
	}
	if to[fieldExcludeGroups] != nil {
		if err := decode(to[fieldExcludeGroups], &groups); err != nil {
			return err
		}
	}
	if len(groups) != 1 {
		return because(ErrBreakGlass, nil, "The Conditional Access policy excludes other groups than when the plan was made: plan again.")
	}
	appID, err := t.applicationID(ctx)
	if err != nil {
		return err
	}
	if to["otherConditions"] != nil || hasField(have, "otherConditions") || hasField(have, "sessionControls") {
		return because(ErrRefused, nil, "The Conditional Access policy has conditions or session controls that cannot be taken away here (%s): do it in the portal.", driftText(diff(have, to)))
	}
	body := models.NewConditionalAccessPolicy()
	body.SetConditions(conditionsOf(appID, groups[0]))
	u := body.GetConditions().GetUsers()
	u.SetExcludeUsers([]string{})
	u.SetIncludeGroups([]string{})
	u.SetIncludeRoles([]string{})
	u.SetExcludeRoles([]string{})
	body.GetConditions().GetApplications().SetExcludeApplications([]string{})
	body.SetGrantControls(controlsOf())
	body.GetGrantControls().SetTermsOfUse([]string{})
	return t.patchPolicy(ctx, id, body)
}

func hasField(f fields, name string) bool { return len(canonical(f[name])) > 0 }

// patchPolicy changes a policy.
func (t *tenant) patchPolicy(ctx context.Context, id string, body models.ConditionalAccessPolicyable) error {
	_, err := write(ctx, t, func(ctx context.Context) (models.ConditionalAccessPolicyable, error) {
		if err := t.accessTurn(ctx); err != nil {
			return nil, err
		}
		return t.policies().ByConditionalAccessPolicyId(id).Patch(ctx, body, nil)
	})
	return err
}
