package contracts

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

// driveInstalls installs the app for people in each way that there is, looks at it, and removes it.
func driveInstalls(t *testing.T, w *world) {
	t.Helper()
	const manifest, bot = "8239c8f3-ed78-4512-933e-babfd28856f2", "07338883-af76-47b3-86e4-2603c50be639"
	ctx := t.Context()
	tenant := w.partner // whose people nobody else counts
	var ids []string
	for i := range 130 {
		ids = append(ids, tenant.Put(graphfake.User{
			DisplayName: fmt.Sprint("Agent ", i), Mail: fmt.Sprintf("a%d@northwind.example", i), Licences: []string{"SPE_E3"},
		}))
	}
	tenant.PutTeamsApp(manifest, "Installs", graphfake.TeamsAppDefinition{BotID: bot, GraphID: bot})
	c, err := graphteams.New(w, &graphteams.Options{Cloud: w.cloud, HTTPClient: w.rec.client(), Retry: retry, TenantRate: -1})
	require.NoError(t, err)
	app, err := c.Find(ctx, "northwind", manifest)
	require.NoError(t, err)

	_, err = c.Install(ctx, "northwind", app, ids[0])
	require.NoError(t, err)
	_, err = c.Chat(ctx, "northwind", app, "a0@northwind.example")
	require.NoError(t, err)
	tenant.SetTeams(ids[1], graphfake.TeamsUnlicensed)
	_, err = c.Install(ctx, "northwind", app, ids[1]) // why not is looked up
	require.ErrorIs(t, err, graphteams.ErrDenied)
	tenant.PutTeamsApp(manifest, "Installs", graphfake.TeamsAppDefinition{Version: "1.1.0", BotID: bot, GraphID: bot})
	app.Version = "1.1.0"
	_, err = c.Upgrade(ctx, "northwind", app, ids[0])
	require.NoError(t, err)
	require.NoError(t, c.Uninstall(ctx, "northwind", app, ids[0]))
	_, err = c.Installed(ctx, "northwind", app, ids[0])
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)

	tenant.PutTeamsInstall(ids[2], app.CatalogID, "1.0.0")
	group := tenant.AddGroup("Agents", ids...)
	for _, a := range []graphteams.Audience{{Users: ids[:45]}, {Group: group}, {Everyone: true}} {
		_, counts, err := c.InstallMany(ctx, graphteams.ManyRequest{Tenant: "northwind", App: app, Audience: a, Upgrade: true})
		require.NoError(t, err)
		require.GreaterOrEqual(t, counts.Done(), 45)
	}
	// What one answer does not tell is looked up once the permission is gone.
	w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: http.StatusForbidden, Code: "Forbidden"}, "/installedApps"))
	_, _, err = c.InstallMany(ctx, graphteams.ManyRequest{Tenant: "northwind", App: app, Audience: graphteams.Audience{Everyone: true}})
	require.ErrorIs(t, err, graphteams.ErrDenied)
	w.SetFault(nil)
	n := 0
	_, _, err = c.InstallMany(ctx, graphteams.ManyRequest{
		Tenant: "northwind", App: app, Audience: graphteams.Audience{Users: ids[:120]}, // the second page is one request, which no other can end
		Progress: func(graphteams.Progress) {
			if n++; n == 5 { // the first page is done
				w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: http.StatusForbidden, Code: "Forbidden"}, "/installedApps"))
			}
		},
	})
	w.SetFault(nil)
	require.ErrorIs(t, err, graphteams.ErrDenied)
	d, err := c.Diagnose(ctx, "northwind", graphteams.App{ManifestID: manifest}, ids[3], nil)
	require.NoError(t, err)
	require.Equal(t, graphteams.Uncertain, d.Verdict, "%+v", d.Findings)
	_, counts, err := c.UninstallMany(ctx, graphteams.ManyRequest{Tenant: "northwind", App: app, Audience: graphteams.Audience{Group: group}})
	require.NoError(t, err)
	require.Equal(t, 129, counts.Removed)
}

// checkUpgrade knows that an upgrade has no body, or the permissions that are consented to.
func checkUpgrade(r *request) error {
	if len(r.Body) > 0 || r.URL.RawQuery != "" {
		return errors.New("an upgrade of an app that asks for no permissions has no body and no query")
	}
	return nil
}
