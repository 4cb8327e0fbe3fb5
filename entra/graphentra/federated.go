package graphentra

import (
	"cmp"
	"context"
	"slices"

	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mspkit/mspkit"
)

const (
	createFederated Kind = "federated.create"
	updateFederated Kind = "federated.update"
	removeFederated Kind = "federated.remove"
)

// exchangeAudience is the audience that Microsoft recommends for tokens of other issuers.
const exchangeAudience = "api://AzureADTokenExchange"

// federatedPart is the trust in tokens of other issuers.
type federatedPart struct{}

func (federatedPart) prefix() string { return "federated." }

func (federatedPart) plan(ctx context.Context, t *tenant, d *Desired, b *builder) error {
	if t.foreign != "" {
		return nil
	}
	var have []models.FederatedIdentityCredentialable
	_, err := t.application(ctx)
	switch {
	case err == nil:
		if have, err = t.federated(ctx); err != nil {
			return err
		}
	case !missing(err):
		return err
	}
	wanted := map[string]bool{}
	for _, f := range d.Federated {
		wanted[f.Name] = true
		want := fields{}
		want.set("name", f.Name)
		want.set("issuer", f.Issuer)
		want.set("subject", f.Subject)
		want.set("audiences", []string{cmp.Or(f.Audience, exchangeAudience)})
		want.set("description", f.Description)
		s := Step{Kind: createFederated, Op: Create, What: "federated credential " + quoted(f.Name), Danger: "Tokens of this issuer for this subject act as the application."}
		is := fields{}
		if i := slices.IndexFunc(have, func(h models.FederatedIdentityCredentialable) bool { return text(h.GetName()) == f.Name }); i >= 0 {
			is = federatedFields(have[i])
			s.Kind, s.Op, s.Object = updateFederated, Update, text(have[i].GetId())
		}
		s.Changes = diff(is, want)
		b.change(s)
	}
	for _, h := range have {
		switch name := text(h.GetName()); {
		case wanted[name]:
		case d.Prune:
			b.add(Step{
				Kind: removeFederated, Op: Remove, Object: text(h.GetId()), What: "federated credential " + quoted(name), Danger: "What signs in with it stops working.",
				Changes: []Change{{Field: "name", From: value(name)}},
			})
		default:
			b.keep("federated credential", "%s", name)
		}
	}
	return nil
}

func (federatedPart) state(ctx context.Context, t *tenant, s *Step) (standing, error) {
	if _, err := t.application(ctx); err != nil {
		return 0, err
	}
	have, err := t.federated(ctx)
	if err != nil {
		return 0, err
	}
	var name string
	if err := decode(target(s.Changes)["name"], &name); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(have, func(h models.FederatedIdentityCredentialable) bool {
		if s.Object != "" {
			return text(h.GetId()) == s.Object
		}
		return text(h.GetName()) == name
	})
	switch {
	case i < 0 && s.Kind == removeFederated:
		return done, nil
	case i < 0 && s.Kind == createFederated, i >= 0 && s.Kind == removeFederated:
		return todo, nil
	case i < 0:
		return changed, nil
	}
	now := stand(federatedFields(have[i]), s.Changes)
	if s.Kind == createFederated && now == todo {
		return changed, nil // somebody else made one of that name
	}
	return now, nil
}

func (federatedPart) do(ctx context.Context, t *tenant, s *Step) error {
	app, err := t.application(ctx)
	if err != nil {
		return err
	}
	all := t.applications(text(app.GetId())).FederatedIdentityCredentials()
	if s.Kind == removeFederated {
		_, err = write(ctx, t, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, all.ByFederatedIdentityCredentialId(s.Object).Delete(ctx, nil)
		})
		return err
	}
	body := models.NewFederatedIdentityCredential()
	for name, b := range target(s.Changes) {
		if name == "audiences" {
			var v []string
			if err := decode(b, &v); err != nil {
				return err
			}
			body.SetAudiences(v)
			continue
		}
		set := map[string]func(*string){"name": body.SetName, "issuer": body.SetIssuer, "subject": body.SetSubject, "description": body.SetDescription}[name]
		if set == nil {
			return because(mspkit.ErrInvalid, nil, "The plan has a field that no federated credential has.")
		}
		var v string
		if err := decode(b, &v); err != nil {
			return err
		}
		set(&v)
	}
	_, err = write(ctx, t, func(ctx context.Context) (models.FederatedIdentityCredentialable, error) {
		if s.Kind == createFederated {
			return all.Post(ctx, body, nil)
		}
		return all.ByFederatedIdentityCredentialId(s.Object).Patch(ctx, body, nil)
	})
	return err
}

// federated reads the federated credentials; the application is known.
func (t *tenant) federated(ctx context.Context) ([]models.FederatedIdentityCredentialable, error) {
	b := t.applications(t.result.ObjectID).FederatedIdentityCredentials()
	return pages(ctx, t, func(ctx context.Context, next string) (page[models.FederatedIdentityCredentialable], error) {
		if next != "" {
			return b.WithUrl(next).Get(ctx, nil)
		}
		return b.Get(ctx, &applications.ItemFederatedIdentityCredentialsRequestBuilderGetRequestConfiguration{})
	})
}

func federatedFields(c models.FederatedIdentityCredentialable) fields {
	f := fields{}
	f.set("name", text(c.GetName()))
	f.set("issuer", text(c.GetIssuer()))
	f.set("subject", text(c.GetSubject()))
	f.set("audiences", union(c.GetAudiences(), nil))
	f.set("description", text(c.GetDescription()))
	return f
}
