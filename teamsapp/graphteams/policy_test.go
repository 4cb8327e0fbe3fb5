package graphteams_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/powershell"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

const (
	groupA = "75ae6229-35fe-4b01-ae7f-7c50439d239c"
	groupB = "f7593e81-772a-4455-88a3-fc9e5ebc1e4a"
)

func setupPolicy() graphteams.SetupPolicy {
	return graphteams.SetupPolicy{
		EntraID: "87D349ED-44d7-43e1-9a83-5f2406dee5bd", App: graphteams.App{CatalogID: "06805b9e-77e3-4b93-ac81-525eb87513b8", Name: "Northwind Helpdesk"},
		Name: "Northwind's apps", Description: "Made by Northwind IT", Pin: true,
		Groups: []graphteams.PolicyGroup{{ID: groupA, Name: "All staff", Rank: 2}, {ID: groupB, Rank: 1, Replace: true}},
	}
}

func TestPolicyScript(t *testing.T) {
	t.Parallel()
	p := setupPolicy()
	s, err := p.PowerShell()
	require.NoError(t, err)
	for _, want := range []string{
		"$tenant = '87d349ed-44d7-43e1-9a83-5f2406dee5bd'\n", "$app = '06805b9e-77e3-4b93-ac81-525eb87513b8'\n", "$name = 'Northwind''s apps'\n",
		"$identity = 'Tag:Northwind''s apps'\n", "Connect-MicrosoftTeams -TenantId $tenant | Out-Null\n", "throw 'This is another tenant: nothing was changed.'",
		"Set-CsTeamsAppSetupPolicy -Identity $name @set\n", "New-CsTeamsAppSetupPolicy -Identity $name ", "$set.Description = 'Made by Northwind IT'\n",
		"if ($pinned -notcontains $app) { $pinned += $app }\n", "@{ Id = '" + groupA + "'; Rank = 2; Replace = $false }\n", "@{ Id = '" + groupB + "'; Rank = 1; Replace = $true }\n",
		"Grant-CsTeamsAppSetupPolicy -Group $g.Id -PolicyName $name -Rank $g.Rank", "-gt 64)", "Microsoft asks to make and change setup policies in the Teams admin center",
		"24 hours",
	} {
		require.Contains(t, s, want)
	}
	// One statement that ends before it changes anything where it is the wrong tenant, or a group has another policy.
	_, code, ok := strings.Cut(s, "& ")
	require.True(t, ok)
	require.Equal(t, len(code)-2, strings.LastIndex(code, "}"))
	depth := 0
	for i, r := range strings.ReplaceAll(strings.ReplaceAll(code, "''", ""), "@{", " {") {
		switch r {
		case '{':
			depth++
		case '}':
			depth--
			require.True(t, depth > 0 || i > len(code)/2, "the block ends before its end")
		}
	}
	require.Zero(t, depth)
	change := strings.Index(s, "    Set-CsTeamsAppSetupPolicy")
	for _, guard := range []string{"This is another tenant", "has another setup policy: nothing", "Only 64 groups", "cannot be read: nothing"} {
		require.Less(t, strings.Index(s, guard), change, guard)
		require.Positive(t, strings.Index(s, guard), guard)
	}
	require.Less(t, strings.Index(s, groupB), strings.Index(s, groupA), "in the order of the ranks")
	require.NotContains(t, s, "All staff", "names that nothing is done with are not in a script")

	p.Name, p.Groups, p.Pin, p.Description = "", nil, false, ""
	p.Cloud = azurecred.Cloud{Name: "usgov", Login: "https://login.microsoftonline.us", Graph: "https://graph.microsoft.us"}
	s, err = p.PowerShell()
	require.NoError(t, err)
	for _, want := range []string{"$name = 'Global'\n", "$identity = 'Global'\n", "-TeamsEnvironmentName 'TeamsGCCH'", "Set-CsTeamsAppSetupPolicy"} {
		require.Contains(t, s, want)
	}
	for _, not := range []string{"New-CsTeamsAppSetupPolicy -Identity", "Grant-", "$pinned += $app", "Description"} {
		require.NotContains(t, s, not)
	}
	p.Cloud = azurecred.Cloud{Name: "usgov-dod", Login: graphURL, Graph: graphURL}
	s, err = p.PowerShell()
	require.NoError(t, err)
	require.Contains(t, s, "'TeamsDOD'")
}

func TestPolicyIsChecked(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*graphteams.SetupPolicy){
		"EntraID":                  func(p *graphteams.SetupPolicy) { p.EntraID = "x'; Remove-CsTeam" },
		"App.CatalogID":            func(p *graphteams.SetupPolicy) { p.App.CatalogID = "" },
		"App.Name":                 func(p *graphteams.SetupPolicy) { p.App.Name = "a\nb" },
		"Name has a '*'":           func(p *graphteams.SetupPolicy) { p.Name = "*" },
		"Name has characters":      func(p *graphteams.SetupPolicy) { p.Name = "safe\u202eetad" },
		"Name has characters that": func(p *graphteams.SetupPolicy) { p.Name = "Glo\u034fbal" },
		"App.Name has characters":  func(p *graphteams.SetupPolicy) { p.App.Name = "Help\u3164desk" },
		"Description has char":     func(p *graphteams.SetupPolicy) { p.Description = "x\ufe0f" },
		"Name has 65":              func(p *graphteams.SetupPolicy) { p.Name = strings.Repeat("ä", 65) },
		"Name begins":              func(p *graphteams.SetupPolicy) { p.Name = " x" },
		"Description":              func(p *graphteams.SetupPolicy) { p.Description = "a\x1b[2J" },
		"Groups must be empty":     func(p *graphteams.SetupPolicy) { p.Name = "global" },
		"Groups[0].ID is no GUID":  func(p *graphteams.SetupPolicy) { p.Groups[0].ID = "staff" },
		"Groups[1].ID is there":    func(p *graphteams.SetupPolicy) { p.Groups[1].ID = strings.ToUpper(groupA) },
		"Groups[1].Rank is there":  func(p *graphteams.SetupPolicy) { p.Groups[1].Rank = 2 },
		"Groups[0].Rank must":      func(p *graphteams.SetupPolicy) { p.Groups[0].Rank = 0 },
		"Groups[0].Name":           func(p *graphteams.SetupPolicy) { p.Groups[0].Name = "\u2028" },
		"64 are allowed": func(p *graphteams.SetupPolicy) {
			p.Groups = nil
			for i := range 65 {
				p.Groups = append(p.Groups, graphteams.PolicyGroup{ID: fmt.Sprintf("00000000-0000-0000-0000-%012d", i), Rank: i + 1})
			}
		},
	} {
		p := setupPolicy()
		change(&p)
		_, err := p.PowerShell()
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "Remove-CsTeam")
		_, err = p.Steps()
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	p := setupPolicy()
	p.EntraID, p.Name = "", "a*"
	err := p.Validate()
	require.ErrorContains(t, err, "EntraID")
	require.ErrorContains(t, err, "Name has", "all faults together")
	p = setupPolicy()
	p.Cloud = azurecred.Cloud{Name: "china", Login: graphURL, Graph: graphURL}
	require.ErrorIs(t, p.Validate(), graphteams.ErrCloud)
}

func TestPolicySteps(t *testing.T) {
	t.Parallel()
	p := setupPolicy()
	steps, err := p.Steps()
	require.NoError(t, err)
	all := strings.Join(steps, "\n")
	for _, want := range []string{
		"https://admin.teams.microsoft.com", "87d349ed-44d7-43e1-9a83-5f2406dee5bd", `"Northwind Helpdesk" (App ID 06805b9e-77e3-4b93-ac81-525eb87513b8)`, `"Northwind's apps"`,
		"Pinned apps", `the group "All staff" (Object ID ` + groupA + `), choose the rank 2`, "the group " + groupB + ", choose the rank 1", "remove that before", "24 hours", "64 groups",
		`"Made by Northwind IT"`,
	} {
		require.Contains(t, all, want)
	}
	p.Name, p.Groups, p.Pin = "Global", nil, false
	p.Cloud = azurecred.Cloud{Login: graphURL, Graph: "https://graph.microsoft.us"}
	steps, err = p.Steps()
	require.NoError(t, err)
	all = strings.Join(steps, "\n")
	require.Contains(t, all, "Global (Org-wide default)")
	require.Contains(t, all, "https://admin.gov.teams.microsoft.us")
	require.NotContains(t, all, "Pinned")
	require.NotContains(t, all, "rank")

	steps, err = graphteams.Trial{Name: "Northwind Helpdesk", File: "northwind.zip"}.Steps()
	require.NoError(t, err)
	all = strings.Join(steps, "\n")
	for _, want := range []string{`"northwind.zip"`, "Upload a custom app", "Setup policies", "remove it"} {
		require.Contains(t, all, want)
	}
	_, err = graphteams.Trial{Name: "a\nb"}.Steps()
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "Trial.Name")
	require.ErrorContains(t, err, "Trial.File")
}

// FuzzPolicyScript holds that whatever is in the values the script is the same but for these values, each of which is a
// literal on a line that was there before.
func FuzzPolicyScript(f *testing.F) {
	for _, s := range []string{"x", "'", "\u2019; Remove-CsTeam; #", "\u0451", "a\nb", "$(x)", "`", "\U0001F600", "}", "'@", "Global"} {
		f.Add(s, s)
	}
	plain := setupPolicy()
	base, err := plain.PowerShell()
	require.NoError(f, err)
	want := strings.Split(base, "\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		p := plain
		p.Name, p.Description, p.App.Name = name, text, text
		p.Groups = append([]graphteams.PolicyGroup{}, plain.Groups...)
		p.Groups[0].Name = text
		s, err := p.PowerShell()
		if err != nil {
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Empty(t, s)
			return
		}
		if text == "" {
			return // a line less
		}
		got := strings.Split(s, "\n")
		require.Len(t, got, len(want))
		for i, line := range got {
			switch {
			case strings.HasPrefix(line, "  $name = "):
				require.Equal(t, "  $name = "+powershell.Quote(name), line)
			case strings.HasPrefix(line, "  $identity = "):
				require.Equal(t, "  $identity = "+powershell.Quote("Tag:"+name), line)
			case strings.HasPrefix(line, "  $set.Description = "):
				require.Equal(t, "  $set.Description = "+powershell.Quote(text), line)
			default:
				require.Equal(t, want[i], line)
			}
		}
	})
}

func TestAssignPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.who = "" // an application may
	c := w.client(t)
	ctx := t.Context()
	_, err := c.AssignPolicy(ctx, contoso, "O'Brien & co", []string{w.user})
	require.ErrorIs(t, err, graphteams.ErrNoPolicy)
	asError(t, err)
	w.tenant.AddTeamsPolicy(graphfake.TeamsPolicy{Type: "TeamsMeetingPolicy", Name: "O'Brien & co"})
	_, err = c.AssignPolicy(ctx, contoso, "O'Brien & co", []string{w.user})
	require.ErrorIs(t, err, graphteams.ErrNoPolicy, "of another type")
	w.tenant.AddTeamsPolicy(graphfake.TeamsPolicy{Type: "TeamsAppSetupPolicy", Name: "O'Brien & co"})

	var users []string
	for i := range 45 {
		users = append(users, w.tenant.Put(graphfake.User{DisplayName: "P", Mail: fmt.Sprintf("p%d@contoso.example", i)}))
	}
	const nobody = "00000000-0000-4000-8000-00000000abcd"
	users[25] = nobody
	w.Forget()
	done, err := c.AssignPolicy(ctx, contoso, "O'Brien & co", users)
	require.NoError(t, err)
	require.Len(t, done, 45)
	for i, a := range done {
		require.Equal(t, users[i], a.User)
		if i == 25 {
			require.ErrorIs(t, a.Err, graphteams.ErrNoUser, "and it holds up nobody else")
			asError(t, a.Err)
			continue
		}
		require.NoError(t, a.Err)
		require.Equal(t, "O'Brien & co", w.tenant.TeamsPolicyOf(a.User, "TeamsAppSetupPolicy"))
	}
	require.Len(t, w.sent(), 1+3+20, "the id, three groups of people, and each of the one that was refused")

	done, err = c.UnassignPolicy(ctx, contoso, users[:2])
	require.NoError(t, err)
	require.Len(t, done, 2)
	require.Empty(t, w.tenant.TeamsPolicyOf(users[0], "TeamsAppSetupPolicy"))

	for name, call := range map[string]func() ([]graphteams.Assignment, error){
		"nobody": func() ([]graphteams.Assignment, error) { return c.AssignPolicy(ctx, contoso, "x", nil) },
		"no id": func() ([]graphteams.Assignment, error) {
			return c.AssignPolicy(ctx, contoso, "x", []string{"dana@contoso.example"})
		},
		"the default":  func() ([]graphteams.Assignment, error) { return c.AssignPolicy(ctx, contoso, "Global", users) },
		"no name":      func() ([]graphteams.Assignment, error) { return c.AssignPolicy(ctx, contoso, "", users) },
		"a path":       func() ([]graphteams.Assignment, error) { return c.AssignPolicy(ctx, contoso, "x')/../y", users) },
		"no id, again": func() ([]graphteams.Assignment, error) { return c.UnassignPolicy(ctx, contoso, []string{""}) },
	} {
		_, err := call()
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		asError(t, err)
	}
	w.Forget()
	gov := w.clientOf(t, creds{contoso: w.bearer}, azurecred.Cloud{Name: "usgov", Login: graphURL, Graph: graphURL})
	_, err = gov.AssignPolicy(ctx, contoso, "x", users)
	require.ErrorIs(t, err, graphteams.ErrCloud)
	require.Empty(t, w.sent())

	w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 403, Code: "Forbidden"}, "userAssignments"))
	done, err = c.AssignPolicy(ctx, contoso, "O'Brien & co", users)
	require.ErrorIs(t, err, graphteams.ErrDenied)
	require.Contains(t, asError(t, err).Advice, "TeamsPolicyUserAssign.ReadWrite.All")
	require.Empty(t, done)
	w.SetFault(nil)
	w.who = w.user
	_, err = w.client(t).AssignPolicy(ctx, contoso, "O'Brien & co", users)
	require.ErrorIs(t, err, graphteams.ErrDenied, "somebody who is no administrator")
}

func TestVerifyPolicy(t *testing.T) {
	t.Parallel()
	for _, wrapped := range []bool{false, true} {
		w := newWorld(t)
		id, err := w.tenant.Publish(pkg(t, "1.0.0").Zip)
		require.NoError(t, err)
		app := graphteams.App{CatalogID: id, ManifestID: manifestID, Name: "Northwind Helpdesk", Version: "1.0.0", State: graphteams.StatePublished}
		w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{Wrapped: wrapped})
		w.who = ""
		c := w.client(t)
		people := []string{w.admin, w.user, w.person}
		report, err := c.VerifyPolicy(t.Context(), contoso, "MspBot", app, people)
		require.NoError(t, err)
		require.Equal(t, graphteams.PolicyMissing, report.State)
		require.Empty(t, report.Hidden)
		require.Contains(t, report.People[0].Next, "make it first")
		require.Zero(t, report.Reached())

		w.tenant.AddTeamsPolicy(graphfake.TeamsPolicy{Type: "TeamsAppSetupPolicy", Name: "MspBot"})
		w.tenant.AddTeamsPolicy(graphfake.TeamsPolicy{Type: "TeamsAppSetupPolicy", Name: "Frontline"})
		w.tenant.AddTeamsPolicy(graphfake.TeamsPolicy{Type: "TeamsMeetingPolicy", Name: "MspBot"})
		require.True(t, w.tenant.GiveTeamsPolicy(w.admin, "TeamsAppSetupPolicy", "MspBot", groupA))
		require.True(t, w.tenant.GiveTeamsPolicy(w.user, "TeamsAppSetupPolicy", "Frontline", ""))
		require.True(t, w.tenant.GiveTeamsPolicy(w.person, "TeamsMeetingPolicy", "MspBot", ""))
		w.tenant.PutTeamsInstall(w.admin, id, "1.0.0")
		const nobody = "00000000-0000-4000-8000-00000000abcd"
		late := w.tenant.Put(graphfake.User{DisplayName: "Late", Mail: "late@contoso.example"})
		other := w.tenant.Put(graphfake.User{DisplayName: "Other", Mail: "other@contoso.example"})
		require.True(t, w.tenant.GiveTeamsPolicy(late, "TeamsAppSetupPolicy", "MspBot", ""))
		require.True(t, w.tenant.GiveTeamsPolicy(other, "TeamsAppSetupPolicy", "Frontline", groupB))
		report, err = c.VerifyPolicy(t.Context(), contoso, "MspBot", app, append(people, late, other, nobody))
		require.NoError(t, err)
		require.Equal(t, graphteams.PolicyFound, report.State)
		require.Equal(t, 1, report.Reached())
		for i, want := range []graphteams.PolicyEffect{
			{User: w.admin, Policy: "MspBot", Via: graphteams.ViaGroup, Group: groupA, HasPolicy: true, Installed: true, Version: "1.0.0"},
			{User: w.user, Policy: "Frontline", Via: graphteams.ViaPerson},
			{User: w.person, Policy: "Global", Via: graphteams.ViaGlobal},
			{User: late, Policy: "MspBot", Via: graphteams.ViaPerson, HasPolicy: true},
			{User: other, Policy: "Frontline", Via: graphteams.ViaGroup, Group: groupB},
		} {
			got := report.People[i]
			require.Equal(t, i == 0, got.Next == "", got.Next)
			got.Next = ""
			require.Equal(t, want, got)
		}
		require.Contains(t, report.People[1].Next, "of their own")
		require.Contains(t, report.People[2].Next, "direct member")
		require.Contains(t, report.People[3].Next, "within 24 hours")
		require.Contains(t, report.People[4].Next, "lower rank")
		require.ErrorIs(t, report.People[5].Err, graphteams.ErrNoUser)
		require.NotEmpty(t, report.People[5].Next)

		report, err = c.VerifyPolicy(t.Context(), contoso, "", app, []string{w.person})
		require.NoError(t, err)
		require.Equal(t, graphteams.GlobalPolicy, report.Policy)
		require.True(t, report.People[0].HasPolicy)
	}
}

func TestVerifyPolicyWithWhatItMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, err := w.tenant.Publish(pkg(t, "1.0.0").Zip)
	require.NoError(t, err)
	app := graphteams.App{CatalogID: id, ManifestID: manifestID}
	w.tenant.PutTeamsInstall(w.user, id, "1.0.0")
	w.who = ""
	c := w.client(t)
	people := []string{w.user, w.person}

	w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 403, Code: "Forbidden"}, "/admin/teams/"))
	report, err := c.VerifyPolicy(t.Context(), contoso, "MspBot", app, people)
	require.NoError(t, err)
	require.Equal(t, graphteams.PolicyUnknown, report.State)
	require.Len(t, report.Hidden, 2)
	require.Contains(t, report.Hidden[1], "TeamsUserConfiguration.Read.All")
	require.True(t, report.People[0].Installed)
	require.Empty(t, report.People[0].Next)
	require.Contains(t, report.People[1].Next, "does not have the app")

	w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 403, Code: "Forbidden"}, "/installedApps"))
	report, err = c.VerifyPolicy(t.Context(), contoso, "MspBot", app, people)
	require.NoError(t, err)
	require.Equal(t, graphteams.PolicyMissing, report.State)
	require.Len(t, report.Hidden, 1)
	require.Contains(t, report.Hidden[0], "TeamsAppInstallation")

	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if strings.Contains(r.URL.Path, w.user) {
			return &graphfake.Fault{Status: 503}
		}
		return nil
	})
	report, err = c.VerifyPolicy(t.Context(), contoso, "MspBot", app, people)
	require.NoError(t, err, "one who cannot be looked at holds up nobody")
	require.ErrorIs(t, report.People[0].Err, graphteams.ErrTemporary)
	require.NoError(t, report.People[1].Err)

	w.SetFault(nil)
	w.Forget()
	gov := w.clientOf(t, creds{contoso: w.bearer}, azurecred.Cloud{Name: "usgov", Login: graphURL, Graph: graphURL})
	report, err = gov.VerifyPolicy(t.Context(), contoso, "MspBot", app, people)
	require.NoError(t, err)
	require.Equal(t, graphteams.PolicyUnknown, report.State)
	require.Len(t, report.Hidden, 1)
	require.True(t, report.People[0].Installed)
	for _, s := range w.sent() {
		require.NotContains(t, s, "/admin/")
	}

	for name, call := range map[string]func() (graphteams.PolicyReport, error){
		"too many": func() (graphteams.PolicyReport, error) {
			return c.VerifyPolicy(t.Context(), contoso, "x", app, make101(w.user))
		},
		"nobody": func() (graphteams.PolicyReport, error) { return c.VerifyPolicy(t.Context(), contoso, "x", app, nil) },
		"no app": func() (graphteams.PolicyReport, error) {
			return c.VerifyPolicy(t.Context(), contoso, "x", graphteams.App{}, people)
		},
		"a name": func() (graphteams.PolicyReport, error) {
			return c.VerifyPolicy(t.Context(), contoso, "a*", app, people)
		},
	} {
		_, err := call()
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		asError(t, err)
	}
	w.tenant.Revoke()
	_, err = c.VerifyPolicy(t.Context(), contoso, "", app, people)
	require.ErrorIs(t, err, graphteams.ErrConsent, "what everybody would meet is told once")
}

func make101(user string) []string {
	out := make([]string, 101)
	for i := range out {
		out[i] = user
	}
	return out
}
