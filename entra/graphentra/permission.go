package graphentra

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipalswithappid"

	"github.com/mspkit/mspkit/entra"
)

// String returns the permission as plans have it: "delegated User.Read", and with a resource that is not Graph
// "application 00000002-0000-0ff1-ce00-000000000000/full_access_as_app".
func (p Permission) String() string {
	if p.Resource == "" || strings.EqualFold(p.Resource, GraphAppID) {
		return string(p.Kind) + " " + p.Name
	}
	return string(p.Kind) + " " + strings.ToLower(p.Resource) + "/" + p.Name
}

// parsePermission reads what [Permission.String] wrote.
func parsePermission(s string) (Permission, bool) {
	kind, rest, ok := strings.Cut(s, " ")
	p := Permission{Kind: PermissionKind(kind), Name: rest}
	if res, name, has := strings.Cut(rest, "/"); has {
		p.Resource, p.Name = res, name
	}
	if p.Resource == "" {
		p.Resource = GraphAppID
	}
	return p, ok && (p.Kind == Delegated || p.Kind == Application) && p.Name != "" && uuid.Validate(p.Resource) == nil
}

// graphIDs are the ids of permissions of Graph, application and delegated, as Microsoft documents them for the public cloud
// (https://learn.microsoft.com/graph/permissions-reference). What is looked up in a tenant is held against them; permissions that
// are not here are taken as the tenant has them.
var graphIDs = map[string][2]string{
	"User.Read.All":            {"df021288-bdef-4463-88db-98f22de89214", "a154be20-db9c-4678-8ab7-66f6cc099a59"},
	"User.ReadBasic.All":       {"97235f07-e226-4f63-ace3-39588e11d3a1", "b340eb25-3456-403f-be2f-af7a0d370277"},
	"User-Phone.ReadWrite.All": {"86ceff06-c822-49ff-989a-d912845ffe69", "e29d5979-5b06-4a7f-ae24-6a9348d2e1ff"},
	"ProfilePhoto.Read.All":    {"e24d31aa-e1ab-4c80-85fe-23018690335d", "469cd065-729e-4dee-b1fa-d92e0fab6310"},
	"OrgContact.Read.All":      {"e1a88a34-94c4-4418-be12-c87b00e26bea", "08432d1b-5911-483c-86df-7980af5cdee0"},
	"Contacts.Read":            {"089fe4d0-434a-44c5-8827-41ba8a0b17f5", "ff74d97f-43af-4b68-9f2a-b77ee6968c5d"},
	"Directory.Read.All":       {"7ab1d382-f21e-4acd-a863-ba3e13f7da61", "06da0dbc-49e2-44d2-8312-53f166ab848a"},
	"Mail.Send":                {"b633e1c5-b582-4048-a93e-9f11b44c7e96", "e383f46e-2787-4529-855e-0e479a3ffac0"},
	"Mail.ReadWrite":           {"e2a3a72e-5f79-4c64-b1b1-878b674786c9", "024d486e-b451-40bb-833d-3e66d98c5c73"},
	"MailboxSettings.Read":     {"40f97065-369a-49f4-947c-6a255697ae91", "87f447af-9fa4-4c32-9dfa-4a57a73d18ce"},
	"Chat.Read.All":            {"6b7d71aa-70aa-4810-a8d9-5d9fb2830017", ""},
	"ChannelMessage.Read.All":  {"7b2449af-6ccd-4f4d-9f78-e550c193f0d1", "767156cb-16ae-4d10-8f8b-41b657c8c8c8"},
	"TeamsAppInstallation.ReadWriteSelfForUser.All": {"908de74d-f8b2-4d6b-a9ed-2a17b3b78179", ""},
	"AppCatalog.ReadWrite.All":                      {"dc149144-f292-421e-b185-5953f2e98d7f", "1ca167d5-1655-44a1-8adf-1414072e1ef9"},
	"AppCatalog.Submit":                             {"", "3db89e36-7fa6-4012-b281-85f3d9d9fd2e"},
	"AppCatalog.Read.All":                           {"e12dae10-5a57-4817-b79d-dfbec5348930", "88e58d74-d3df-44f3-ad47-e89edf4472e4"},
	"TeamsPolicyUserAssign.ReadWrite.All":           {"1801e8f4-cf09-4c4e-a1b5-036dfcca6c90", "6997c35c-a586-440c-8a0b-4ffe5d118dc0"},
	"Application.Read.All":                          {"9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30", "c79f8feb-a9db-4090-85f9-90d820caa0eb"},
	"Application.ReadWrite.All":                     {"1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", "bdfbf15f-ee85-4955-8675-146e8e5296b5"},
	"Application.ReadWrite.OwnedBy":                 {"18a4783c-866b-4cc7-a460-3d5e5662c884", ""},
	"AppRoleAssignment.ReadWrite.All":               {"06b708a9-e830-4db3-a914-8e69da51d44f", "84bccea3-f856-4a8a-967b-dbe0a3d53a64"},
	"DelegatedPermissionGrant.ReadWrite.All":        {"8e8e4742-1d95-4f68-9d56-6ee75648c72a", "41ce6ca6-6826-4807-84f1-1c82854f7ee5"},
	"Policy.Read.All":                               {"246dd0d5-5bd0-4def-940b-0421030a5b68", "572fea84-0151-49b2-9301-11cb16974376"},
	"Policy.ReadWrite.ConditionalAccess":            {"01c0a623-fc9b-48e9-b794-0756f8e8f067", "ad902697-1014-4ef5-81ef-2b4301988e8c"},
	"DelegatedAdminRelationship.Read.All":           {"f6e9e124-4586-492f-adc0-c6f96e4823fd", "0c0064ea-477b-4130-82a5-4c2cc4ff68aa"},
	"UserAuthMethod-TAP.ReadWrite.All":              {"627169a8-8c15-451c-861a-5b80e383de5c", "05de4a66-e51a-4312-842a-30c8094698d2"},
	"UserAuthenticationMethod.Read.All":             {"38d9df27-64da-44fd-b7c5-a6fbac20248f", "aec28ec7-4d02-4e8c-b864-50163aea77eb"},
	"AuthenticationContext.Read.All":                {"381f742f-e1f8-4309-b4ab-e3d91ae4c5c1", "57b030f1-8c35-469c-b0d9-e4a077debe70"},
}

// resource is an application whose permissions ours may have, such as Microsoft Graph, as it is in the tenant.
type resource struct {
	appID string            // of the application
	id    string            // of its service principal in the tenant
	names map[string]string // by kind and id: the name
	ids   map[string]string // by kind and name: the id
}

// resource reads the service principal of a resource, once in a run.
func (t *tenant) resource(ctx context.Context, appID string) (*resource, error) {
	appID = strings.ToLower(appID)
	if r := t.resources[appID]; r != nil {
		return r, nil
	}
	sp, err := t.servicePrincipal(ctx, appID, "id", "appId", "appRoles", "oauth2PermissionScopes")
	if missing(err) {
		return nil, because(ErrNotFound, err, "The tenant has no application %s, whose permissions are wanted: it must be used in the tenant once, or its id is wrong.", appID)
	}
	if err != nil {
		return nil, err
	}
	r := &resource{appID: appID, id: text(sp.GetId()), names: map[string]string{}, ids: map[string]string{}}
	add := func(kind PermissionKind, id *uuid.UUID, name *string, enabled *bool) {
		if id == nil || text(name) == "" || (enabled != nil && !*enabled) {
			return
		}
		r.names[string(kind)+" "+id.String()] = text(name)
		r.ids[string(kind)+" "+text(name)] = id.String()
	}
	for _, role := range sp.GetAppRoles() {
		if role != nil && slices.Contains(role.GetAllowedMemberTypes(), "Application") {
			add(Application, role.GetId(), role.GetValue(), role.GetIsEnabled())
		}
	}
	for _, scope := range sp.GetOauth2PermissionScopes() {
		if scope != nil {
			add(Delegated, scope.GetId(), scope.GetValue(), scope.GetIsEnabled())
		}
	}
	t.resources[appID] = r
	return r, nil
}

// permission returns the id of a permission in the tenant.
func (r *resource) permission(p Permission, public bool) (string, error) {
	id, ok := r.ids[string(p.Kind)+" "+p.Name]
	if !ok {
		return "", because(ErrPermission, nil, "The resource has no %s permission %s in this tenant: look at its spelling and kind.", p.Kind, p.Name)
	}
	if known, ok := graphIDs[p.Name]; ok && public && r.appID == GraphAppID {
		want := known[0]
		if p.Kind == Delegated {
			want = known[1]
		}
		if want != "" && want != id {
			return "", because(ErrPermission, nil, "The %s permission %s has another id in this tenant than Microsoft documents: nothing is granted by it until that is understood.", p.Kind, p.Name)
		}
	}
	return id, nil
}

// permissionID returns the service principal of the resource of a permission and the permission's id.
func (t *tenant) permissionID(ctx context.Context, p Permission) (res *resource, id string, err error) {
	app := p.Resource
	if app == "" {
		app = GraphAppID
	}
	if res, err = t.resource(ctx, app); err != nil {
		return nil, "", err
	}
	id, err = res.permission(p, t.c.opts.Cloud.Name == entra.PublicCloud().Name)
	return res, id, err
}

// permissionOf returns the permission with an id. One that the resource does not have (any more) is named by its id.
func (r *resource) permissionOf(kind PermissionKind, id string) Permission {
	p := Permission{Resource: r.appID, Kind: kind, Name: r.names[string(kind)+" "+id]}
	if p.Name == "" {
		p.Name = unknownName + id
	}
	return p
}

// unknownName begins the name of a permission that is known by its id alone.
const unknownName = "id:"

// accesses returns what an application asks for, as names. A resource that is not in the tenant leaves its permissions unnamed.
func (t *tenant) accesses(ctx context.Context, list []models.RequiredResourceAccessable) ([]string, error) {
	var out []string
	for _, a := range list {
		app := strings.ToLower(text(a.GetResourceAppId()))
		r, err := t.resource(ctx, app)
		if err != nil {
			if !missing(err) {
				return nil, err
			}
			r = &resource{appID: app}
		}
		for _, one := range a.GetResourceAccess() {
			kind := Delegated
			if text(one.GetTypeEscaped()) == "Role" {
				kind = Application
			}
			if one.GetId() != nil {
				out = append(out, r.permissionOf(kind, one.GetId().String()).String())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// requiredAccess is the way back of accesses.
func (t *tenant) requiredAccess(ctx context.Context, names []string) ([]models.RequiredResourceAccessable, error) {
	by := map[string][]models.ResourceAccessable{}
	for _, s := range names {
		p, ok := parsePermission(s)
		if !ok {
			return nil, because(ErrPermission, nil, "%q is no permission.", s)
		}
		id, known := strings.CutPrefix(p.Name, unknownName)
		if !known {
			var err error
			if _, id, err = t.permissionID(ctx, p); err != nil {
				return nil, err
			}
		}
		u, err := uuid.Parse(id)
		if err != nil {
			return nil, because(ErrPermission, nil, "%q is no permission.", s)
		}
		a := models.NewResourceAccess()
		a.SetId(&u)
		kind := "Scope"
		if p.Kind == Application {
			kind = "Role"
		}
		a.SetTypeEscaped(&kind)
		by[p.Resource] = append(by[p.Resource], a)
	}
	out := []models.RequiredResourceAccessable{}
	for _, app := range slices.Sorted(maps.Keys(by)) {
		r := models.NewRequiredResourceAccess()
		r.SetResourceAppId(&app)
		r.SetResourceAccess(by[app])
		out = append(out, r)
	}
	return out, nil
}

// servicePrincipal reads the service principal of an application in the tenant.
func (t *tenant) servicePrincipal(ctx context.Context, appID string, selects ...string) (models.ServicePrincipalable, error) {
	b := serviceprincipalswithappid.NewServicePrincipalsWithAppIdRequestBuilderInternal(maps.Clone(t.base), t.adapter, &appID)
	sp, err := read(ctx, t, func(ctx context.Context) (models.ServicePrincipalable, error) {
		return b.Get(ctx, &serviceprincipalswithappid.ServicePrincipalsWithAppIdRequestBuilderGetRequestConfiguration{
			QueryParameters: &serviceprincipalswithappid.ServicePrincipalsWithAppIdRequestBuilderGetQueryParameters{Select: selects},
		})
	})
	if err != nil {
		return nil, err
	}
	if sp == nil || text(sp.GetId()) == "" {
		return nil, fmt.Errorf("service principal: %w", errEmpty)
	}
	return sp, nil
}

// servicePrincipals is where the SDK's calls for one of them begin.
func (t *tenant) servicePrincipals(id string) *serviceprincipals.ServicePrincipalItemRequestBuilder {
	return serviceprincipals.NewServicePrincipalsRequestBuilderInternal(maps.Clone(t.base), t.adapter).ByServicePrincipalId(id)
}
