package contracts

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

// signedIn is the credential of a person in one tenant.
type signedIn struct {
	w            *world
	tenant, user string
}

func (s signedIn) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	return bearer(func() string { return s.w.UserBearer(s.tenant, s.user) }), nil
}

// driveTeamsApps sends what both parts of the package send.
func driveTeamsApps(t *testing.T, w *world) {
	t.Helper()
	driveInstalls(t, w)
	driveCatalog(t, w)
}

// driveCatalog publishes an app, has a version reviewed, gives a policy to people and looks at its effect, and withdraws the app.
func driveCatalog(t *testing.T, w *world) {
	t.Helper()
	ctx := t.Context()
	const tenant = "northwind"
	admin := w.partner.Put(graphfake.User{DisplayName: "Ines", Mail: "ines@northwind.example", Admin: true, Roles: []string{"Teams Administrator"}})
	user := w.partner.Put(graphfake.User{DisplayName: "Dana", Mail: "dana@northwind.example"})
	client := func(who string) *graphteams.Client {
		c, err := graphteams.New(signedIn{w, w.partner.ID, who}, &graphteams.Options{Cloud: w.cloud, HTTPClient: w.rec.client(), Retry: retry})
		require.NoError(t, err)
		return c
	}
	c := client(admin)
	pack := func(summary string, previous teamsapp.Published) *teamsapp.Package {
		p, err := teamsapp.NewPackage(teamsapp.Brand{
			Key: "northwind", BotID: "07338883-af76-47b3-86e4-2603c50be638", Texts: teamsapp.Texts{
				ShortName: "Northwind Helpdesk", FullName: "Northwind Helpdesk", Summary: summary, Description: "The helpdesk of Northwind IT.",
			},
			Developer: teamsapp.Developer{
				Name: "Northwind IT", Website: "https://northwind.example", Privacy: "https://northwind.example/p", Terms: "https://northwind.example/t",
			},
		}, &teamsapp.PackageOptions{Previous: previous})
		require.NoError(t, err)
		return p
	}
	first := pack("Helpdesk.", teamsapp.Published{})
	pub, err := c.Publish(ctx, tenant, first, nil)
	require.NoError(t, err)
	require.True(t, pub.Created && pub.Seen)

	second := pack("The helpdesk.", first.Published)
	pub, err = client(user).Publish(ctx, tenant, second, &graphteams.PublishOptions{Review: true})
	require.NoError(t, err)
	require.True(t, pub.Updated && pub.InReview)
	approve := func(p *teamsapp.Package) {
		list, err := c.Definitions(ctx, tenant, p.ID)
		require.NoError(t, err)
		for _, d := range list {
			if d.Version == p.Version {
				_, err = c.Approve(ctx, tenant, d)
				require.NoError(t, err)
			}
		}
	}
	approve(second)
	third := pack("Your helpdesk.", second.Published)
	w.partner.SetCatalogQuirks(graphfake.CatalogQuirks{NoETags: true}) // then the etag is asked for
	_, err = client(user).Publish(ctx, tenant, third, &graphteams.PublishOptions{Review: true})
	require.NoError(t, err)
	approve(third)
	w.partner.SetCatalogQuirks(graphfake.CatalogQuirks{})
	app, err := c.Find(ctx, tenant, first.ID)
	require.NoError(t, err)
	require.Equal(t, third.Version, app.Version)

	w.partner.AddTeamsPolicy(graphfake.TeamsPolicy{Type: "TeamsAppSetupPolicy", Name: "Northwind's apps"})
	done, err := c.AssignPolicy(ctx, tenant, "Northwind's apps", []string{admin, user})
	require.NoError(t, err)
	require.NoError(t, errors.Join(done[0].Err, done[1].Err))
	report, err := c.VerifyPolicy(ctx, tenant, "Northwind's apps", app, []string{admin, user})
	require.NoError(t, err)
	require.Empty(t, report.Hidden)
	require.True(t, report.People[0].HasPolicy)
	done, err = c.UnassignPolicy(ctx, tenant, []string{user})
	require.NoError(t, err)
	require.NoError(t, done[0].Err)

	require.NoError(t, c.Withdraw(ctx, tenant, first.ID))
	_, err = client(user).Publish(ctx, tenant, first, &graphteams.PublishOptions{Review: true})
	require.NoError(t, err)
	require.NoError(t, client(user).Withdraw(ctx, tenant, first.ID))
	require.NotContains(t, w.partner.TeamsApps(), first.ID)
}

var policyID = regexp.MustCompile(`^/v1\.0/admin/teams/policy/getPolicyId\(type='[A-Za-z]+',name='(?:[^']|'')+'\)$`)

// checkPolicyID knows the function that finds a policy.
func checkPolicyID(r *request) error {
	if !policyID.MatchString(r.URL.Path) || r.URL.RawQuery != "" || len(r.Body) > 0 {
		return errors.New("the id of a policy is asked for in another way than documented")
	}
	return nil
}

// checkConfiguration knows what Teams knows of a person.
func checkConfiguration(r *request) error {
	if r.URL.Query().Get("$select") != "id,effectivePolicyAssignments" || len(r.URL.Query()) != 1 || r.Method != http.MethodGet {
		return errors.New("more is asked of a person than the policies")
	}
	return nil
}
