package azurecred

import (
	"context"
	"fmt"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/graphx"
)

// Organization asks a connected tenant what it is called, which works where the application has a token there and may read
// the organization (https://learn.microsoft.com/graph/api/organization-list). It is what [entra.ConsentOptions.Check] wants.
// The tenant asked is c.EntraID, whatever the lookup of the App says.
func (a *App) Organization(ctx context.Context, c entra.Connection) (entra.Organization, error) {
	id, err := entra.CanonicalID(c.EntraID)
	if err != nil {
		return entra.Organization{}, err
	}
	graph, err := graphx.New(fixed{a, id}, &graphx.Options{
		BaseURL: a.o.Cloud.Graph, Scope: a.o.Cloud.Scope(), HTTPClient: a.o.HTTPClient, Logger: a.o.Logger, Now: a.o.Now,
	})
	if err != nil {
		return entra.Organization{}, err
	}
	var answer struct {
		Value []struct {
			ID      string `json:"id"`
			Name    string `json:"displayName"`
			Domains []struct {
				Name    string `json:"name"`
				Default bool   `json:"isDefault"`
			} `json:"verifiedDomains"`
		} `json:"value"`
	}
	if err := graph.Do(ctx, &graphx.Request{
		Tenant: c.Tenant, Workload: graphx.Directory, Path: "/organization", Query: url.Values{"$select": {"id,displayName,verifiedDomains"}},
	}, &answer); err != nil {
		return entra.Organization{}, err
	}
	for _, o := range answer.Value {
		if got, err := entra.CanonicalID(o.ID); err != nil || got != id {
			continue
		}
		org := entra.Organization{Name: o.Name}
		for _, d := range o.Domains {
			if d.Default || org.Domain == "" {
				org.Domain = d.Name
			}
		}
		return org, nil
	}
	return entra.Organization{}, fmt.Errorf("azurecred: the answer of Microsoft Graph is not about the tenant that was asked: %w", entra.ErrNotConnected)
}

// fixed is the credential of one tenant of Microsoft 365, whoever asks.
type fixed struct {
	app     *App
	entraID string
}

// TenantCredential implements [TenantCredentials].
func (f fixed) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	h, err := f.app.credential(f.entraID, tenant)
	if err != nil {
		return nil, err
	}
	return &direct{f.app, h}, nil
}
