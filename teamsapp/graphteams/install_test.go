package graphteams_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

func TestInstallUpgradeUninstall(t *testing.T) {
	t.Parallel()
	var told []bool
	e := newEstate(t, 1, &graphfake.Options{OnInstall: func(_, _, app string, installed bool) {
		require.Equal(t, helpdeskApp, app)
		told = append(told, installed)
	}})
	ctx, user := t.Context(), e.people[0]
	_, err := e.client.Installed(ctx, "contoso", e.app, user)
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	_, err = e.client.Chat(ctx, "contoso", e.app, user)
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	_, err = e.client.Upgrade(ctx, "contoso", e.app, user)
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	require.NoError(t, e.client.Uninstall(ctx, "contoso", e.app, user))

	i, err := e.client.Install(ctx, "contoso", e.app, strings.ToUpper(user))
	require.NoError(t, err)
	require.True(t, i.Fresh)
	require.NotEmpty(t, i.ID)
	require.Equal(t, "1.0.0", i.Version)
	again, err := e.client.Install(ctx, "contoso", e.app, "p0@contoso.example")
	require.NoError(t, err)
	require.False(t, again.Fresh)
	require.Equal(t, i.ID, again.ID)
	chat, err := e.client.Chat(ctx, "contoso", e.app, user)
	require.NoError(t, err)
	require.Contains(t, chat, "@unq.gbl.spaces")

	e.tenant.PutTeamsApp(helpdeskApp, "Helpdesk", graphfake.TeamsAppDefinition{Version: "1.1.0", GraphID: helpdeskBot})
	same, err := e.client.Upgrade(ctx, "contoso", e.app, user) // of the version that the caller knows nothing is to be done
	require.NoError(t, err)
	require.Equal(t, "1.0.0", same.Version)
	e.app.Version = "1.1.0"
	up, err := e.client.Upgrade(ctx, "contoso", e.app, "p0@contoso.example")
	require.NoError(t, err)
	require.Equal(t, "1.1.0", up.Version)
	require.Equal(t, "1.1.0", e.tenant.TeamsInstalls(user)[0].Version)

	e.app.ManifestID = "" // it is found by the id of the catalog, too
	up, err = e.client.Installed(ctx, "contoso", e.app, user)
	require.NoError(t, err)
	require.Equal(t, i.ID, up.ID)
	require.NoError(t, e.client.Uninstall(ctx, "contoso", e.app, "p0@contoso.example"))
	require.False(t, e.has(user))
	require.Equal(t, []bool{true, false}, told)
}

func TestWhySomebodyDoesNotGetTheApp(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(e *estate)
		want   error
		code   string
	}{
		"blocked by a policy":           {func(e *estate) { e.tenant.SetTeams(e.people[0], graphfake.TeamsBlocked) }, graphteams.ErrBlocked, "AccessDenied"},
		"no licence at all":             {func(e *estate) { e.tenant.Update(e.people[0], func(u *graphfake.User) { u.Licences = nil }) }, graphteams.ErrNotLicensed, "Forbidden"},
		"a licence without Teams":       {func(e *estate) { e.tenant.Update(e.people[0], func(u *graphfake.User) { u.NoTeams = true }) }, graphteams.ErrNotLicensed, "Forbidden"},
		"has never used Teams":          {func(e *estate) { e.tenant.SetTeams(e.people[0], graphfake.TeamsUnused) }, graphteams.ErrTeamsUnused, "NotFound"},
		"is not there":                  {func(e *estate) { e.tenant.Delete(e.people[0], true) }, graphteams.ErrNoUser, "NotFound"},
		"the app is not in the catalog": {func(e *estate) { e.tenant.Unpublish(e.app.CatalogID) }, graphteams.ErrNotPublished, "NotFound"},
		"the app is not for people": {func(e *estate) {
			e.tenant.PutTeamsApp(helpdeskApp, "Helpdesk", graphfake.TeamsAppDefinition{Scopes: []string{"team"}})
		}, graphteams.ErrScope, "BadRequest"},
		"the manifest names another application": {func(e *estate) { e.tenant.SetInstaller("00000000-1111-4222-8333-444444444444") }, graphteams.ErrDenied, "Forbidden"},
		"the permission is missing":              {func(e *estate) { e.tenant.Deny() }, graphteams.ErrDenied, "Authorization_RequestDenied"},
		"consent was withdrawn":                  {func(e *estate) { e.tenant.Revoke() }, graphteams.ErrConsent, "Authorization_IdentityNotFound"},
		"the licence cannot be looked up": {func(e *estate) {
			e.tenant.SetTeams(e.people[0], graphfake.TeamsRefused)
		}, graphteams.ErrDenied, "Forbidden"},
		"Graph is down": {func(e *estate) {
			e.fake.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 503}, "/installedApps"))
		}, graphteams.ErrTemporary, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t, 1, nil)
			tc.change(e)
			_, err := e.client.Install(t.Context(), "contoso", e.app, e.people[0])
			require.ErrorIs(t, err, tc.want)
			require.NotEmpty(t, graphteams.Explain(err))
			require.Contains(t, err.Error(), tc.code)
			require.NotContains(t, err.Error(), e.people[0])
			require.False(t, e.has(e.people[0]))
		})
	}
}

func TestInstallArguments(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 1, &graphfake.Options{Record: true})
	for name, user := range map[string]string{
		"nothing": "", "a name": "Dana", "a path": "../users/x@y", "a slash": "a/b@c.example", "a query": "a?b@c.example",
		"a dollar": "$a@c.example", "a space": "a b@c.example", "a control": "a\nb@c.example", "too long": strings.Repeat("a", 300) + "@c.example",
		"half a guid": "8239c8f3-ed78", "no host": "dana@", "no name": "@c.example", "another function": "x@y/$ref",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := e.client.Install(t.Context(), "contoso", e.app, user)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			_, err = e.client.Chat(t.Context(), "contoso", e.app, user)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorIs(t, e.client.Uninstall(t.Context(), "contoso", e.app, user), mspkit.ErrInvalid)
		})
	}
	for _, app := range []graphteams.App{{}, {CatalogID: "a/b"}, {CatalogID: "x'y"}, {CatalogID: e.app.CatalogID, ManifestID: "x' or 'y"}} {
		_, err := e.client.Install(t.Context(), "contoso", app, e.people[0])
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	_, err := e.client.Install(t.Context(), "", e.app, e.people[0])
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = e.client.Install(t.Context(), "fabrikam", e.app, e.people[0])
	require.Error(t, err)
	require.Empty(t, e.fake.Requests())
}

func TestNothingIsInstalledInTheCloudOf21Vianet(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 1, &graphfake.Options{Record: true})
	c := e.instance(t, func(o *graphteams.Options) { o.Cloud.Name = "china" })
	_, err := c.Install(t.Context(), "contoso", e.app, e.people[0])
	require.ErrorIs(t, err, graphteams.ErrCloud)
	require.NotEmpty(t, graphteams.Explain(err))
	_, _, err = c.InstallMany(t.Context(), graphteams.ManyRequest{Tenant: "contoso", App: e.app, Audience: graphteams.Audience{Everyone: true}})
	require.ErrorIs(t, err, graphteams.ErrCloud)
	require.Empty(t, e.fake.Requests())
}

func TestAGuestsNameIsEscaped(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 0, nil)
	id := e.add(graphfake.User{DisplayName: "Guest", UPN: "dana_other.example#EXT#@contoso.example", UserType: "Guest"})
	_, err := e.client.Install(t.Context(), "contoso", e.app, "dana_other.example#EXT#@contoso.example")
	require.NoError(t, err)
	require.True(t, e.has(id))
}

func TestAnInstallationWhoseAnswerIsLostIsNotDoneTwice(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 1, nil)
	e.fake.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.Method == http.MethodPost {
			e.fake.SetFault(nil)
			return &graphfake.Fault{Drop: true, After: true}
		}
		return nil
	})
	i, err := e.client.Install(t.Context(), "contoso", e.app, e.people[0])
	require.NoError(t, err)
	require.False(t, i.Fresh) // nobody can know
	require.Len(t, e.tenant.TeamsInstalls(e.people[0]), 1)
}

func TestWhatSomebodyElseRemovedIsRemoved(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 1, nil)
	_, err := e.client.Install(t.Context(), "contoso", e.app, e.people[0])
	require.NoError(t, err)
	status := http.StatusNotFound
	e.fake.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.Method == http.MethodDelete {
			return &graphfake.Fault{Status: status, Code: "NotFound"}
		}
		return nil
	})
	require.NoError(t, e.client.Uninstall(t.Context(), "contoso", e.app, e.people[0]))
	status = http.StatusForbidden
	require.ErrorIs(t, e.client.Uninstall(t.Context(), "contoso", e.app, e.people[0]), graphteams.ErrDenied)
}
