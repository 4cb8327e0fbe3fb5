package graphteams_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// settled is an office whose first person has the app and was heard of.
func (c *campus) settled(t *testing.T, people int) *office {
	t.Helper()
	of := c.office(t, people)
	_, err := of.client.Install(t.Context(), "contoso", of.app, of.people[0])
	require.NoError(t, err)
	return of
}

// brief is what is known of the app when somebody asks.
var brief = graphteams.App{ManifestID: helpdeskApp}

func forbid(part string) func(*http.Request) *graphfake.Fault {
	return graphfake.Times(-1, graphfake.Fault{Status: http.StatusForbidden, Code: "Forbidden"}, part)
}

// stores is a reachability that fails.
type brokenReach struct{}

func (brokenReach) Reference(context.Context, teamsapp.User) (teamsapp.Reference, error) {
	return teamsapp.Reference{}, errors.New("the database is down")
}

// elsewhere is a bot for which the person is of another tenant.
type elsewhere struct{}

func (elsewhere) Reference(context.Context, teamsapp.User) (teamsapp.Reference, error) {
	return teamsapp.Reference{Tenant: "fabrikam", Known: true, Conversation: true}, nil
}

// quiet is a bot that has heard of the person and knows no conversation with them.
type quiet struct{}

func (quiet) Reference(context.Context, teamsapp.User) (teamsapp.Reference, error) {
	return teamsapp.Reference{Tenant: "contoso", Known: true}, nil
}

// poor is a bot whose credentials fail.
type poor struct {
	*teamsapp.Bot

	err error
}

func (p poor) CheckCredentials(context.Context) error { return p.err }

// sendError is what a bot says when Teams answers so.
func sendError(t *testing.T, of *office, fail func()) error {
	t.Helper()
	fail()
	_, err := of.bot.Notify(t.Context(), of.hello(0))
	require.Error(t, err)
	return err
}

func TestDiagnoseFindsEachCause(t *testing.T) {
	t.Parallel()
	const (
		fine      = graphteams.Reachable
		stopped   = graphteams.Unreachable
		uncertain = graphteams.Uncertain
	)
	type codes = []graphteams.Code
	all := newCampus(t, nil)
	for name, tc := range map[string]struct {
		change  func(t *testing.T, of *office, o *graphteams.DiagnoseOptions)
		verdict graphteams.Verdict
		want    codes
	}{
		"all is well": {nil, fine, codes{graphteams.CodeReachable}},
		"an older version": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.tenant.PutTeamsApp(helpdeskApp, "Helpdesk", graphfake.TeamsAppDefinition{Version: "2.0.0", GraphID: helpdeskBot})
		}, fine, codes{graphteams.CodeOutdated, graphteams.CodeReachable}},
		"consent withdrawn, and the app is there": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.tenant.Revoke()
		}, uncertain, codes{graphteams.CodeConsent, graphteams.CodeUnchecked, graphteams.CodeUnchecked}},
		"consent withdrawn, and the tenant is told": {func(_ *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			o.EntraTenant = of.tenant.ID
			of.tenant.Revoke()
		}, fine, codes{graphteams.CodeConsent, graphteams.CodeUnchecked, graphteams.CodeReachable}},
		"the tenant was never onboarded": {func(_ *testing.T, _ *office, o *graphteams.DiagnoseOptions) {
			o.EntraTenant = "00000000-1111-4222-8333-444444444444"
		}, stopped, codes{graphteams.CodeTenantUnknown, graphteams.CodeWrongTenant}},
		"another tenant's": {func(_ *testing.T, _ *office, o *graphteams.DiagnoseOptions) {
			o.Bot = elsewhere{}
		}, stopped, codes{graphteams.CodeWrongTenant}},
		"nobody": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.tenant.Delete(of.people[0], true)
		}, stopped, codes{graphteams.CodeNoUser}},
		"a guest": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.tenant.Update(of.people[0], func(u *graphfake.User) { u.UserType = "Guest" })
		}, uncertain, codes{graphteams.CodeGuest}},
		"a guest, whose licence is in another tenant": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.tenant.Update(of.people[0], func(u *graphfake.User) { u.UserType, u.Licences = "Guest", nil })
		}, uncertain, codes{graphteams.CodeGuest}},
		"heard of, without a conversation": {func(_ *testing.T, _ *office, o *graphteams.DiagnoseOptions) {
			o.Bot = quiet{}
		}, uncertain, codes{graphteams.CodeNoReference}},
		"a disabled account": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.tenant.Update(of.people[0], func(u *graphfake.User) { u.Disabled = true })
		}, stopped, codes{graphteams.CodeDisabled}},
		"no licence": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.tenant.Update(of.people[0], func(u *graphfake.User) { u.Licences = nil })
		}, stopped, codes{graphteams.CodeNotLicensed}},
		"a licence without Teams": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.tenant.Update(of.people[0], func(u *graphfake.User) { u.NoTeams = true })
		}, stopped, codes{graphteams.CodeNotLicensed}},
		"Teams never used": {func(t *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.remove(t)
			of.tenant.SetTeams(of.people[0], graphfake.TeamsUnused)
		}, stopped, codes{graphteams.CodeTeamsUnused, graphteams.CodeNotInstalled}},
		"not in the catalog": {func(t *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.remove(t)
			of.tenant.Unpublish(of.app.CatalogID)
		}, stopped, codes{graphteams.CodeNotPublished, graphteams.CodeNotInstalled}},
		"in review": {func(t *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.remove(t)
			of.tenant.Unpublish(of.app.CatalogID)
			of.tenant.PutTeamsApp(helpdeskApp, "Helpdesk", graphfake.TeamsAppDefinition{State: "submitted"})
		}, stopped, codes{graphteams.CodeInReview, graphteams.CodeNotInstalled}},
		"rejected": {func(t *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.remove(t)
			of.tenant.Unpublish(of.app.CatalogID)
			of.tenant.PutTeamsApp(helpdeskApp, "Helpdesk", graphfake.TeamsAppDefinition{State: "rejected"})
		}, stopped, codes{graphteams.CodeInReview, graphteams.CodeNotInstalled}},
		"not installed": {func(t *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.remove(t)
		}, stopped, codes{graphteams.CodeNotInstalled}},
		"removed where Graph cannot be asked": {func(t *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.remove(t)
			of.fake.SetFault(forbid("/installedApps"))
		}, stopped, codes{graphteams.CodeNotInstalled, graphteams.CodeUnchecked}},
		"the manifest names another application": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.tenant.SetInstaller(helpdeskApp)
		}, stopped, codes{graphteams.CodeNotInstalled}},
		"blocked by a policy, by trying": {func(t *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			of.remove(t)
			of.tenant.SetTeams(of.people[0], graphfake.TeamsBlocked)
			o.TryInstall = true
		}, stopped, codes{graphteams.CodeBlockedByPolicy, graphteams.CodeNotInstalled}},
		"blocked by a policy, as the notifier saw": {func(t *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			of.remove(t)
			of.tenant.SetTeams(of.people[0], graphfake.TeamsBlocked)
			n := of.notifier(t, graphteams.NotifierOptions{})
			_, err := n.Notify(t.Context(), of.hello(0))
			require.ErrorIs(t, err, graphteams.ErrBlocked)
			o.Bot = n
		}, stopped, codes{graphteams.CodeBlockedByPolicy, graphteams.CodeNotInstalled}},
		"blocked by the administrator, as the bot saw": {func(t *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			o.Last = sendError(t, of, func() { of.teams.DisableByAdmin(of.tenant.ID) })
		}, stopped, codes{graphteams.CodeBlockedByPolicy}},
		"installed by trying": {func(t *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			of.remove(t)
			o.TryInstall = true
		}, uncertain, codes{graphteams.CodeNoReference}},
		"no permission to install": {func(t *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			of.remove(t)
			o.TryInstall = true
			of.tenant.SetTeams(of.people[0], graphfake.TeamsRefused)
		}, stopped, codes{graphteams.CodeConsent, graphteams.CodeNotInstalled}},
		"the bot has not heard": {func(t *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			o.Bot = of.instanceOfBot(t, nil)
		}, uncertain, codes{graphteams.CodeNoReference}},
		"installed again and nobody told": {func(t *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			require.NoError(t, of.persons[0].Uninstall(t.Context()))
		}, uncertain, codes{graphteams.CodeNoReference}},
		"the chat is gone": {func(t *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			o.Last = sendError(t, of, func() {
				of.persons[0].Lose()
				of.persons[0].UninstallSilently()
			})
		}, uncertain, codes{graphteams.CodeNoReference}},
		"blocked by the person": {func(t *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			o.Last = sendError(t, of, of.persons[0].Block)
			o.LastAt = time.Date(2026, 11, 27, 9, 30, 0, 0, time.UTC)
		}, stopped, codes{graphteams.CodeBlockedByUser}},
		"blocked by the person, as the notifier saw": {func(t *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			n := of.notifier(t, graphteams.NotifierOptions{})
			of.persons[0].BlockOld()
			_, err := n.Notify(t.Context(), of.hello(0))
			require.ErrorIs(t, err, teamsapp.ErrBlockedByUser)
			o.Bot = n
		}, stopped, codes{graphteams.CodeBlockedByUser}},
		"wrong credentials": {func(_ *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			o.Bot = poor{of.bot, teamsapp.ErrCredentials}
		}, stopped, codes{graphteams.CodeBotCredentials}},
		"another cloud": {func(_ *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			o.Bot = poor{of.bot, teamsapp.ErrCloud}
		}, stopped, codes{graphteams.CodeCloud}},
		"Entra is down for the bot": {func(_ *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			o.Bot = poor{of.bot, teamsapp.ErrUnavailable}
		}, fine, codes{graphteams.CodeUnchecked, graphteams.CodeReachable}},
		"another error": {func(_ *testing.T, _ *office, o *graphteams.DiagnoseOptions) {
			o.Last = teamsapp.ErrTooLarge
		}, uncertain, codes{graphteams.CodeLastMessage}},
		"the tenant is not connected": {func(_ *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			o.EntraTenant = of.tenant.ID
			of.client = of.unconnected
		}, fine, codes{graphteams.CodeNotConnected, graphteams.CodeUnchecked, graphteams.CodeReachable}},
		"nothing of the bot": {func(_ *testing.T, _ *office, o *graphteams.DiagnoseOptions) {
			o.Bot = nil
		}, uncertain, codes{graphteams.CodeUnchecked}},
		"a bot whose store is down": {func(_ *testing.T, _ *office, o *graphteams.DiagnoseOptions) {
			o.Bot = brokenReach{}
		}, uncertain, codes{graphteams.CodeUnchecked}},
		"no permission for people": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.fake.SetFault(func(r *http.Request) *graphfake.Fault {
				if strings.HasSuffix(r.URL.Path, of.people[0]) {
					return &graphfake.Fault{Status: 403, Code: "Authorization_RequestDenied"}
				}
				return nil
			})
		}, fine, codes{graphteams.CodeUnchecked, graphteams.CodeReachable}},
		"no permission for the catalog": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.fake.SetFault(forbid("/appCatalogs/"))
		}, fine, codes{graphteams.CodeUnchecked, graphteams.CodeReachable}},
		"no permission for the organization": {func(_ *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			of.fake.SetFault(forbid("/organization"))
			o.EntraTenant = strings.ToUpper(of.tenant.ID)
		}, fine, codes{graphteams.CodeUnchecked, graphteams.CodeReachable}},
		"no permission for anything": {func(_ *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			of.tenant.Deny()
			o.Bot = nil
		}, uncertain, codes{graphteams.CodeConsent, graphteams.CodeUnchecked, graphteams.CodeUnchecked, graphteams.CodeUnchecked, graphteams.CodeUnchecked, graphteams.CodeUnchecked}},
		"Graph is down": {func(_ *testing.T, of *office, o *graphteams.DiagnoseOptions) {
			of.fake.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 503}))
			o.EntraTenant = of.tenant.ID
		}, fine, codes{graphteams.CodeUnchecked, graphteams.CodeReachable}},
		"an app that is installed though it is not in the catalog": {func(_ *testing.T, of *office, _ *graphteams.DiagnoseOptions) {
			of.fake.SetFault(func(r *http.Request) *graphfake.Fault {
				if strings.Contains(r.URL.Path, "/appCatalogs/") {
					return &graphfake.Fault{Body: `{"value":[]}`}
				}
				return nil
			})
		}, fine, codes{graphteams.CodeReachable}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of := all.settled(t, 1)
			o := &graphteams.DiagnoseOptions{Bot: of.bot}
			if tc.change != nil {
				tc.change(t, of, o)
			}
			sent := len(of.teams.Messages(of.persons[0]))
			user := of.people[0]
			d, err := of.client.Diagnose(t.Context(), "contoso", brief, user, o)
			require.NoError(t, err)
			require.Equal(t, tc.verdict, d.Verdict, "%+v", d.Findings)
			got := codes{}
			for _, f := range d.Findings {
				got = append(got, f.Code)
				require.NotEmpty(t, f.Seen)
				require.NotEmpty(t, f.Next, f.Seen)
				for _, secret := range []string{"Person 0", "contoso.example", of.people[0], of.tenant.ID} {
					require.NotContains(t, f.Seen+f.Next, secret)
				}
				require.True(t, strings.HasSuffix(f.Seen, ".") && strings.HasSuffix(f.Next, "."), "%q %q", f.Seen, f.Next)
			}
			require.Equal(t, tc.want, got, "%+v", d.Findings)
			require.True(t, d.Has(tc.want[0]))
			require.False(t, d.Has("x"))
			stops := slices.ContainsFunc(d.Findings, func(f graphteams.Finding) bool { return f.Weight == graphteams.Stops })
			require.Equal(t, stops, d.Verdict == stopped)
			require.Len(t, of.teams.Messages(of.persons[0]), sent, "something was sent")
		})
	}
}

// remove takes the app from the first person, and the bot hears of it.
func (of *office) remove(t *testing.T) {
	t.Helper()
	of.tenant.RemoveTeamsInstall(of.people[0])
	require.NoError(t, of.persons[0].Uninstall(t.Context()))
}

func TestDiagnoseByName(t *testing.T) {
	t.Parallel()
	of := newCampus(t, nil).settled(t, 2)
	d, err := of.client.Diagnose(t.Context(), "contoso", brief, "p0@contoso.example", &graphteams.DiagnoseOptions{Bot: of.bot})
	require.NoError(t, err)
	require.Equal(t, graphteams.Reachable, d.Verdict)
	require.Equal(t, of.user(0), d.User)
	// What is not known of somebody is not guessed.
	of.fake.SetFault(forbid("/users/"))
	d, err = of.client.Diagnose(t.Context(), "contoso", brief, "p0@contoso.example", &graphteams.DiagnoseOptions{Bot: of.bot})
	require.NoError(t, err)
	require.Equal(t, graphteams.Uncertain, d.Verdict)
	require.Zero(t, d.User)
	// With TryInstall a name is enough.
	of.fake.SetFault(nil)
	_, err = of.client.Diagnose(t.Context(), "contoso", brief, "p1@contoso.example", &graphteams.DiagnoseOptions{Bot: of.bot, TryInstall: true})
	require.NoError(t, err)
	require.True(t, of.has(of.people[1]))
	d, err = of.client.Diagnose(t.Context(), "contoso", brief, "p1@contoso.example", &graphteams.DiagnoseOptions{Bot: of.bot})
	require.NoError(t, err)
	require.Equal(t, graphteams.Reachable, d.Verdict)
	require.Zero(t, of.teams.Count(teamstest.OpSend)+of.teams.Count(teamstest.OpCreate), "the bot was heard of")
}

func TestDiagnoseArguments(t *testing.T) {
	t.Parallel()
	of := newCampus(t, nil).settled(t, 1)
	for name, tc := range map[string]struct {
		tenant mspkit.TenantID
		app    graphteams.App
		user   string
		entra  string
	}{
		"no tenant":          {"", brief, of.people[0], ""},
		"no app":             {"contoso", graphteams.App{}, of.people[0], ""},
		"an app by path":     {"contoso", graphteams.App{ManifestID: "x' or 'y"}, of.people[0], ""},
		"a catalog by path":  {"contoso", graphteams.App{ManifestID: helpdeskApp, CatalogID: "a/b"}, of.people[0], ""},
		"no person":          {"contoso", brief, "", ""},
		"a person by path":   {"contoso", brief, "../x@y", ""},
		"an unusable tenant": {"contoso", brief, of.people[0], "contoso"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := of.client.Diagnose(t.Context(), tc.tenant, tc.app, tc.user, &graphteams.DiagnoseOptions{EntraTenant: tc.entra})
			require.ErrorIs(t, err, mspkit.ErrInvalid)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := of.client.Diagnose(ctx, "contoso", brief, of.people[0], nil)
	require.ErrorIs(t, err, context.Canceled)
}
