package graphentra

import (
	"context"
	"maps"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"
)

const (
	createEnterprise Kind = "enterprise.create"
	updateEnterprise Kind = "enterprise.update"
)

const fieldRequired = "appRoleAssignmentRequired"

// galleryTag makes the portal list a service principal among the enterprise applications.
const galleryTag = "WindowsAzureActiveDirectoryIntegratedApp"

// enterprisePart is the application's service principal in the tenant, which the portal calls the enterprise application.
type enterprisePart struct{}

func (enterprisePart) prefix() string { return "enterprise." }

func (enterprisePart) plan(ctx context.Context, t *tenant, d *Desired, b *builder) error {
	sp, err := t.enterprise(ctx)
	if err != nil && !missing(err) {
		return err
	}
	have, want := fields{}, fields{}
	if sp != nil {
		have = enterpriseFields(sp)
	}
	var tags []string
	if err := have.get(fieldTags, &tags); err != nil {
		return err
	}
	want.set(fieldTags, union(tags, []string{tagOf(d.Key), galleryTag}))
	want.set(fieldRequired, !d.Unassigned)
	s := Step{Kind: createEnterprise, Op: Create, What: "enterprise application " + quoted(enterpriseName(d, sp)), Changes: diff(have, want)}
	if d.Unassigned && string(have[fieldRequired]) != "false" {
		s.Danger = "Everybody in the tenant may sign in, also guests."
	}
	if sp == nil {
		b.add(s)
		return nil
	}
	if on := sp.GetAccountEnabled(); on != nil && !*on {
		b.note("The enterprise application is switched off in the tenant: nobody can sign in until an administrator switches it on.")
	}
	s.Kind, s.Op, s.Object = updateEnterprise, Update, text(sp.GetId())
	b.change(s)
	return nil
}

func enterpriseName(d *Desired, sp models.ServicePrincipalable) string {
	switch {
	case sp != nil && text(sp.GetDisplayName()) != "":
		return text(sp.GetDisplayName())
	case d.Name != "":
		return d.Name
	}
	return d.AppID
}

func (enterprisePart) state(ctx context.Context, t *tenant, s *Step) (standing, error) {
	sp, err := t.enterprise(ctx)
	if missing(err) && s.Kind == createEnterprise {
		return todo, nil
	}
	if err != nil {
		return 0, err
	}
	if s.Object != "" && text(sp.GetId()) != s.Object {
		return changed, nil
	}
	now := enterpriseFields(sp)
	if s.Kind == createEnterprise {
		// What Graph sets by itself when it makes one is no change of somebody else's.
		for _, c := range s.Changes {
			if !same(now[c.Field], c.To) {
				return todo, nil
			}
		}
		return done, nil
	}
	return stand(now, s.Changes), nil
}

func (enterprisePart) do(ctx context.Context, t *tenant, s *Step) error {
	to := target(s.Changes)
	body := models.NewServicePrincipal()
	var (
		tags     []string
		required *bool
	)
	if err := decode(to[fieldTags], &tags); err != nil {
		return err
	}
	if err := decode(to[fieldRequired], &required); err != nil {
		return err
	}
	sp, err := t.enterprise(ctx)
	if err != nil && (s.Kind != createEnterprise || !missing(err)) {
		return err
	}
	if sp != nil && to[fieldTags] != nil {
		tags = union(tags, sp.GetTags())
	}
	if to[fieldTags] != nil {
		body.SetTags(tags)
	}
	if required != nil {
		body.SetAppRoleAssignmentRequired(required)
	}
	if sp != nil {
		_, err = write(ctx, t, func(ctx context.Context) (models.ServicePrincipalable, error) {
			return t.servicePrincipals(text(sp.GetId())).Patch(ctx, body, nil)
		})
		return err
	}
	appID, err := t.applicationID(ctx)
	if err != nil {
		return err
	}
	body.SetAppId(&appID)
	sp, err = write(ctx, t, func(ctx context.Context) (models.ServicePrincipalable, error) {
		return serviceprincipals.NewServicePrincipalsRequestBuilderInternal(maps.Clone(t.base), t.adapter).Post(ctx, body, nil)
	})
	if err == nil && sp != nil {
		t.result.ServicePrincipal = text(sp.GetId())
	}
	return err
}

// enterpriseSelect is what is read of the service principal.
var enterpriseSelect = []string{"id", "appId", "displayName", "tags", "appRoleAssignmentRequired", "accountEnabled", "appRoles"}

// applicationID returns the application (client) id of ours. Its error is [missing] where there is no application yet.
func (t *tenant) applicationID(ctx context.Context) (string, error) {
	if t.foreign != "" {
		t.result.AppID = t.foreign
		return t.foreign, nil
	}
	if t.result.AppID == "" {
		// Within a plan this is what was read already, missing or not.
		if _, err := t.application(ctx); err != nil {
			return "", err
		}
	}
	return t.result.AppID, nil
}

// enterprise reads the service principal of our application. Its error is [missing] where there is none yet. A plan reads it once.
func (t *tenant) enterprise(ctx context.Context) (models.ServicePrincipalable, error) {
	if t.seen == nil {
		return t.readEnterprise(ctx)
	}
	if !t.seen.gotService {
		t.seen.sp, t.seen.spErr = t.readEnterprise(ctx)
		t.seen.gotService = true
	}
	return t.seen.sp, t.seen.spErr
}

func (t *tenant) readEnterprise(ctx context.Context) (models.ServicePrincipalable, error) {
	appID, err := t.applicationID(ctx)
	if err != nil {
		return nil, err
	}
	sp, err := t.servicePrincipal(ctx, appID, enterpriseSelect...)
	if err != nil {
		return nil, err
	}
	t.result.ServicePrincipal = text(sp.GetId())
	return sp, nil
}

func enterpriseFields(sp models.ServicePrincipalable) fields {
	f := fields{}
	f.set(fieldTags, union(sp.GetTags(), nil))
	f.set(fieldRequired, sp.GetAppRoleAssignmentRequired())
	return f
}
