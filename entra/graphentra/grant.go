package graphentra

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/oauth2permissiongrants"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"

	"github.com/mspkit/mspkit"
)

const (
	createDelegated Kind = "grant.delegated.create"
	updateDelegated Kind = "grant.delegated.update"
	removeDelegated Kind = "grant.delegated.remove"
	createAppGrant  Kind = "grant.application.create"
	removeAppGrant  Kind = "grant.application.remove"
)

// everybody is the consent type of what an administrator has granted for all people of the tenant.
const everybody = "AllPrincipals"

// grantPart is consent: which permissions the application has in the tenant, as opposed to those it asks for.
type grantPart struct{}

func (grantPart) prefix() string { return "grant." }

func (grantPart) plan(ctx context.Context, t *tenant, d *Desired, b *builder) error {
	if !d.Consent {
		return nil
	}
	g, err := t.grants(ctx)
	if err != nil && !missing(err) {
		return err
	}
	wanted := map[string][]string{} // by service principal of the resource: delegated permissions
	names := map[string]string{}    // its application id
	apps := map[string]bool{}       // application permissions, as text
	for _, p := range d.Permissions {
		res, _, err := t.permissionID(ctx, p)
		if err != nil {
			return err
		}
		if p.Kind == Application {
			apps[p.String()] = true
			continue
		}
		wanted[res.id], names[res.id] = append(wanted[res.id], p.String()), res.appID
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		planDelegated(d, g, names[id], id, wanted[id], b)
	}
	for _, p := range slices.Sorted(maps.Keys(apps)) {
		if !slices.ContainsFunc(g.application, func(a appGrant) bool { return a.permission == p }) {
			b.add(Step{
				Kind: createAppGrant, Op: Create, What: "consent to " + p, Danger: "The application may do this in the whole tenant, by itself.",
				Changes: []Change{{Field: "permission", To: value(p)}},
			})
		}
	}
	t.planOtherGrants(d, g, wanted, apps, b)
	return nil
}

// planDelegated plans the grant of one resource.
func planDelegated(d *Desired, g grants, appID, resourceID string, want []string, b *builder) {
	s := Step{Kind: createDelegated, Op: Create, What: "consent for everybody to delegated permissions of " + resourceName(appID), Changes: []Change{{Field: "scope", To: value(union(want, nil))}}}
	for _, have := range g.delegated {
		if have.resource != resourceID || have.principal != "" {
			continue
		}
		to := union(have.permissions, want)
		if d.Prune {
			to = union(want, nil)
		} else {
			for _, e := range without(have.permissions, want) {
				b.keep("consent", "%s", e)
			}
		}
		s.Kind, s.Op, s.Object = updateDelegated, Update, have.id
		s.Changes = nil
		if from := union(have.permissions, nil); !slices.Equal(from, to) {
			s.Changes = []Change{{Field: "scope", From: value(from), To: value(to)}}
		}
		break
	}
	b.change(s)
}

// planOtherGrants notes or removes what was granted and is not wanted.
func (t *tenant) planOtherGrants(d *Desired, g grants, wanted map[string][]string, apps map[string]bool, b *builder) {
	for _, have := range g.delegated {
		list := strings.Join(have.permissions, ", ")
		switch {
		case have.principal != "":
			b.keep("consent", "of one person (%s): %s", have.principal, list)
		case wanted[have.resource] != nil:
		case d.Prune:
			b.add(Step{
				Kind: removeDelegated, Op: Remove, Object: have.id, What: "consent for everybody to delegated permissions", Danger: "What needs them stops working.",
				Changes: []Change{{Field: "scope", From: value(union(have.permissions, nil))}},
			})
		default:
			b.keep("consent", "%s", list)
		}
	}
	for _, have := range g.application {
		switch {
		case apps[have.permission]:
		case d.Prune:
			b.add(Step{
				Kind: removeAppGrant, Op: Remove, What: "consent to " + have.permission, Danger: "What needs it stops working.",
				Changes: []Change{{Field: "permission", From: value(have.permission)}},
			})
		default:
			b.keep("consent", "%s", have.permission)
		}
	}
}

func resourceName(appID string) string {
	if appID == GraphAppID {
		return "Microsoft Graph"
	}
	return appID
}

func (grantPart) state(ctx context.Context, t *tenant, s *Step) (standing, error) {
	g, err := t.grants(ctx)
	if err != nil {
		return 0, err
	}
	if s.Kind == createAppGrant || s.Kind == removeAppGrant {
		p, err := grantStep(s)
		if err != nil {
			return 0, err
		}
		there := slices.ContainsFunc(g.application, func(a appGrant) bool { return a.permission == p.String() })
		if there == (s.Kind == createAppGrant) {
			return done, nil
		}
		return todo, nil
	}
	have, err := t.delegatedOf(ctx, g, s)
	if err != nil {
		return 0, err
	}
	switch {
	case have == nil && s.Kind == removeDelegated:
		return done, nil
	case have == nil && s.Kind == createDelegated:
		return todo, nil
	case have == nil:
		return changed, nil
	}
	now := fields{}
	now.set("scope", union(have.permissions, nil))
	state := stand(now, s.Changes)
	if s.Kind == removeDelegated && state == done { // without scopes, and still there
		state = todo
	}
	return state, nil
}

// delegatedOf finds the grant for everybody that a step is about; nil where there is none.
func (t *tenant) delegatedOf(ctx context.Context, g grants, s *Step) (*delegatedGrant, error) {
	var resourceID string
	if s.Object == "" {
		list, err := scopeStep(s)
		if err != nil {
			return nil, err
		}
		res, err := t.resource(ctx, list[0].Resource)
		if err != nil {
			return nil, err
		}
		resourceID = res.id
	}
	for i, have := range g.delegated {
		if have.principal == "" && (s.Object != "" && have.id == s.Object || s.Object == "" && have.resource == resourceID) {
			return &g.delegated[i], nil
		}
	}
	return nil, nil //nolint:nilnil // there is none, which is no error
}

// scopeStep reads the permissions that a step leads to, or removes. They are of one resource.
func scopeStep(s *Step) ([]Permission, error) {
	var list []string
	for _, c := range s.Changes {
		b := c.To
		if s.Op == Remove {
			b = c.From
		}
		if err := decode(b, &list); err != nil {
			return nil, err
		}
	}
	var out []Permission
	for _, one := range list {
		p, ok := parsePermission(one)
		if !ok || p.Kind != Delegated || (len(out) > 0 && p.Resource != out[0].Resource) {
			return nil, because(mspkit.ErrInvalid, nil, "The plan has delegated permissions that cannot be read.")
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, because(mspkit.ErrInvalid, nil, "The plan has a grant of nothing.")
	}
	return out, nil
}

// grantStep reads the application permission of a step.
func grantStep(s *Step) (Permission, error) {
	var v string
	for _, c := range s.Changes {
		b := c.To
		if s.Op == Remove {
			b = c.From
		}
		if err := decode(b, &v); err != nil {
			return Permission{}, err
		}
	}
	p, ok := parsePermission(v)
	if !ok || p.Kind != Application {
		return Permission{}, because(mspkit.ErrInvalid, nil, "The plan has an application permission that cannot be read.")
	}
	return p, nil
}

func (grantPart) do(ctx context.Context, t *tenant, s *Step) error {
	sp, err := t.enterprise(ctx)
	if err != nil {
		return err
	}
	me := text(sp.GetId())
	if s.Kind == createAppGrant {
		return t.grantApplication(ctx, me, s)
	}
	if s.Kind == removeAppGrant {
		return t.revokeApplication(ctx, me, s)
	}
	all := oauth2permissiongrants.NewOauth2PermissionGrantsRequestBuilderInternal(maps.Clone(t.base), t.adapter)
	if s.Kind == removeDelegated {
		_, err := write(ctx, t, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, all.ByOAuth2PermissionGrantId(s.Object).Delete(ctx, nil)
		})
		return err
	}
	list, err := scopeStep(s)
	if err != nil {
		return err
	}
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	scope := strings.Join(names, " ")
	body := models.NewOAuth2PermissionGrant()
	body.SetScope(&scope)
	_, err = write(ctx, t, func(ctx context.Context) (models.OAuth2PermissionGrantable, error) {
		if s.Kind == updateDelegated {
			return all.ByOAuth2PermissionGrantId(s.Object).Patch(ctx, body, nil)
		}
		res, err := t.resource(ctx, list[0].Resource)
		if err != nil {
			return nil, err
		}
		kind := everybody
		body.SetClientId(&me)
		body.SetConsentType(&kind)
		body.SetResourceId(&res.id)
		return all.Post(ctx, body, nil)
	})
	return err
}

func (t *tenant) grantApplication(ctx context.Context, me string, s *Step) error {
	p, err := grantStep(s)
	if err != nil {
		return err
	}
	res, id, err := t.permissionID(ctx, p)
	if err != nil {
		return err
	}
	body, err := appRoleAssignment(me, res.id, id)
	if err != nil {
		return err
	}
	_, err = write(ctx, t, func(ctx context.Context) (models.AppRoleAssignmentable, error) {
		return t.servicePrincipals(me).AppRoleAssignments().Post(ctx, body, nil)
	})
	return err
}

func (t *tenant) revokeApplication(ctx context.Context, me string, s *Step) error {
	p, err := grantStep(s)
	if err != nil {
		return err
	}
	g, err := t.grants(ctx)
	if err != nil {
		return err
	}
	for _, have := range g.application {
		if have.permission != p.String() {
			continue
		}
		if _, err := write(ctx, t, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, t.servicePrincipals(me).AppRoleAssignments().ByAppRoleAssignmentId(have.id).Delete(ctx, nil)
		}); err != nil {
			return err
		}
	}
	return nil
}

// appRoleAssignment is the body that gives somebody a role of a resource.
func appRoleAssignment(principal, resourceID, roleID string) (models.AppRoleAssignmentable, error) {
	var ids [3]uuid.UUID
	for i, s := range []string{principal, resourceID, roleID} {
		u, err := uuid.Parse(s)
		if err != nil {
			return nil, because(mspkit.ErrInvalid, err, "An id is no UUID.")
		}
		ids[i] = u
	}
	a := models.NewAppRoleAssignment()
	a.SetPrincipalId(&ids[0])
	a.SetResourceId(&ids[1])
	a.SetAppRoleId(&ids[2])
	return a, nil
}

// grants is what the application was granted in the tenant.
type grants struct {
	delegated   []delegatedGrant
	application []appGrant
}

type delegatedGrant struct {
	id, resource string // ids in the tenant
	principal    string // the person who it is for; empty is everybody
	permissions  []string
}

type appGrant struct {
	id         string
	permission string
	since      time.Time // zero is unknown
}

// grants reads them. Its error is [missing] where there is no enterprise application yet.
func (t *tenant) grants(ctx context.Context) (g grants, err error) {
	sp, err := t.enterprise(ctx)
	if err != nil {
		return g, err
	}
	one := t.servicePrincipals(text(sp.GetId()))
	delegated, err := pages(ctx, t, func(ctx context.Context, next string) (page[models.OAuth2PermissionGrantable], error) {
		if next != "" {
			return one.Oauth2PermissionGrants().WithUrl(next).Get(ctx, nil)
		}
		return one.Oauth2PermissionGrants().Get(ctx, &serviceprincipals.ItemOauth2PermissionGrantsRequestBuilderGetRequestConfiguration{})
	})
	if err != nil {
		return g, err
	}
	for _, d := range delegated {
		res, err := t.resourceByID(ctx, text(d.GetResourceId()))
		if err != nil {
			return g, err
		}
		one := delegatedGrant{id: text(d.GetId()), resource: text(d.GetResourceId())}
		if text(d.GetConsentType()) != everybody {
			one.principal = cmp.Or(text(d.GetPrincipalId()), "unknown")
		}
		for name := range strings.FieldsSeq(text(d.GetScope())) {
			one.permissions = append(one.permissions, Permission{Resource: res.appID, Name: name, Kind: Delegated}.String())
		}
		g.delegated = append(g.delegated, one)
	}
	roles, err := pages(ctx, t, func(ctx context.Context, next string) (page[models.AppRoleAssignmentable], error) {
		if next != "" {
			return one.AppRoleAssignments().WithUrl(next).Get(ctx, nil)
		}
		return one.AppRoleAssignments().Get(ctx, &serviceprincipals.ItemAppRoleAssignmentsRequestBuilderGetRequestConfiguration{})
	})
	if err != nil {
		return g, err
	}
	for _, r := range roles {
		res, err := t.resourceByID(ctx, keyID(r.GetResourceId()))
		if err != nil {
			return g, err
		}
		a := appGrant{id: text(r.GetId()), permission: res.permissionOf(Application, keyID(r.GetAppRoleId())).String()}
		if c := r.GetCreatedDateTime(); c != nil {
			a.since = c.UTC()
		}
		g.application = append(g.application, a)
	}
	return g, nil
}

// resourceByID reads a resource by its id in the tenant.
func (t *tenant) resourceByID(ctx context.Context, id string) (*resource, error) {
	for _, r := range t.resources {
		if strings.EqualFold(r.id, id) {
			return r, nil
		}
	}
	sp, err := read(ctx, t, func(ctx context.Context) (models.ServicePrincipalable, error) {
		return t.servicePrincipals(id).Get(ctx, &serviceprincipals.ServicePrincipalItemRequestBuilderGetRequestConfiguration{
			QueryParameters: &serviceprincipals.ServicePrincipalItemRequestBuilderGetQueryParameters{Select: []string{"id", "appId"}},
		})
	})
	if missing(err) { // removed from the tenant, while a grant for it is left
		return &resource{appID: "00000000-0000-0000-0000-000000000000", id: id}, nil
	}
	if err != nil {
		return nil, err
	}
	if sp == nil {
		return nil, errEmpty
	}
	return t.resource(ctx, text(sp.GetAppId()))
}
