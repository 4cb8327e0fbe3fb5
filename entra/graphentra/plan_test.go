package graphentra_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

// foreign is what an administrator has added to our application by hand.
func foreign(t *testing.T, dir *entratest.Directory) {
	t.Helper()
	app := dir.Objects("applications")[0]
	roles := append(app["appRoles"].([]any), map[string]any{
		"id": "00000000-1111-4222-8333-444444444444", "value": "Auditor", "displayName": "Auditor", "description": "Reads.", "allowedMemberTypes": []any{"User"}, "isEnabled": true,
	})
	require.True(t, dir.Edit(app["id"].(string), map[string]any{
		"web":      map[string]any{"redirectUris": []any{"https://msp.example/auth/callback", "https://msp.example/auth/signedout", "https://theirs.example/cb"}, "logoutUrl": "https://msp.example/auth/frontchannel-logout"},
		"tags":     []any{"mspkit:signin", "theirs"},
		"appRoles": roles,
		"optionalClaims": map[string]any{"idToken": []any{
			map[string]any{"name": "acct"}, map[string]any{"name": "acrs", "essential": true}, map[string]any{"name": "auth_time"}, map[string]any{"name": "sid"}, map[string]any{"name": "upn"},
		}},
	}))
}

func TestWhatOthersAddedIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
		apply(t, c, plan(t, c, d))
		foreign(t, dir)
		stranger := dir.AddUser(entratest.DirectoryUser{Name: "Sam"})
		other := d
		other.Assignments = []graphentra.Assignment{{Principal: stranger, Kind: graphentra.User, Role: "Technician"}}
		apply(t, c, plan(t, c, other))

		p := plan(t, c, d)
		require.True(t, p.Empty(), p.String())
		require.ElementsMatch(t, []graphentra.Kept{
			{What: "redirect URI", Which: "https://theirs.example/cb"},
			{What: "app role", Which: "Auditor"},
			{What: "claim of the id token", Which: "upn"},
			{What: "assignment", Which: "user " + stranger + " as Technician"},
		}, p.Kept)
		require.Contains(t, p.String(), "https://theirs.example/cb")

		d.RedirectURIs = append(d.RedirectURIs, "https://msp.example/second")
		d.Claims = append(d.Claims, "login_hint")
		apply(t, c, plan(t, c, d))
		app := dir.Objects("applications")[0]
		require.ElementsMatch(t, []any{"https://msp.example/auth/callback", "https://msp.example/auth/signedout", "https://msp.example/second", "https://theirs.example/cb"}, app["web"].(map[string]any)["redirectUris"])
		require.Contains(t, app["tags"], "theirs")
		require.Len(t, app["appRoles"], 3)
		claims := app["optionalClaims"].(map[string]any)["idToken"].([]any)
		require.Len(t, claims, 6)
		for _, cl := range claims {
			if cl := cl.(map[string]any); cl["name"] == "acrs" {
				require.Equal(t, true, cl["essential"], "what else is in a claim of theirs stays")
			}
		}
	})
}

func TestPrune(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := everything(t, dir)
		apply(t, c, plan(t, c, d))
		foreign(t, dir)

		d.Prune = true
		d.Secrets, d.Certificates, d.Federated = nil, nil, nil
		d.Assignments = d.Assignments[:1]
		d.Permissions = graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth").Permissions
		p := plan(t, c, d)
		for _, s := range p.Steps {
			if s.Op == graphentra.Remove {
				require.NotEmpty(t, s.Danger, s.What)
			}
		}
		require.NotEmpty(t, p.Dangers())
		text := p.String()
		require.Contains(t, text, "- https://theirs.example/cb")
		require.Contains(t, text, "    ! ")
		apply(t, c, p)
		again := plan(t, c, d)
		require.True(t, again.Empty(), again.String())
		app := dir.Objects("applications")[0]
		require.ElementsMatch(t, []any{"https://msp.example/auth/callback", "https://msp.example/auth/signedout"}, app["web"].(map[string]any)["redirectUris"])
		require.Len(t, app["appRoles"], 2, "the role was switched off and then removed")
		require.Empty(t, app["passwordCredentials"])
		require.Empty(t, app["keyCredentials"])
		require.Empty(t, dir.Objects("federatedIdentityCredentials"))
		require.Len(t, dir.Objects("appRoleAssignments"), 1)
		require.Equal(t, "openid profile", dir.Objects("oauth2PermissionGrants")[0]["scope"])
		require.Contains(t, app["tags"], "theirs", "tags of others are never removed")

		// The whole plan once more, as somebody does who does not know that it was applied.
		writes := dir.Writes()
		for _, o := range apply(t, c, p).Outcomes {
			require.Equal(t, graphentra.Already, o)
		}
		require.Equal(t, writes, dir.Writes())
	})
}

func TestAnApplicationIsNeverFoundByItsName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
		theirs := graphentra.Desired{Key: "other", Name: "North IT"}
		apply(t, c, plan(t, c, theirs))
		apply(t, c, plan(t, c, d))
		require.Len(t, dir.Objects("applications"), 2)
		require.True(t, plan(t, c, theirs).Empty())
	})
}

func TestFoundByItsTag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
		other := graphentra.Desired{Key: "by-hand", Name: "Made by hand"}
		apply(t, c, plan(t, c, other))
		id := dir.Objects("applications")[0]["id"].(string)
		require.True(t, dir.Edit(id, map[string]any{"uniqueName": nil, "tags": []any{"mspkit:signin"}}))
		p := plan(t, c, d)
		require.Equal(t, graphentra.Update, p.Steps[0].Op)
		require.Equal(t, id, p.Steps[0].Object)
		require.Contains(t, p.String(), `displayName: Made by hand → North IT`)
		apply(t, c, p)
		require.True(t, plan(t, c, d).Empty())

		apply(t, c, plan(t, c, graphentra.Desired{Key: "second", Name: "Second"}))
		for _, app := range dir.Objects("applications") {
			require.True(t, dir.Edit(app["id"].(string), map[string]any{"uniqueName": nil, "tags": []any{"mspkit:signin"}}))
		}
		_, err := c.Plan(t.Context(), tenant, d)
		require.ErrorIs(t, err, graphentra.ErrAmbiguous)
		require.Contains(t, graphentra.Explain(err), "mspkit:signin")
	})
}

func TestARoleKeepsItsID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.SignIn("signin", "south", "North IT", "https://msp.example/auth")
		apply(t, c, plan(t, c, d))
		d = graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth") // with other ids
		p := plan(t, c, d)
		require.True(t, p.Empty(), p.String())
		require.Len(t, p.Kept, 2)
		dana := dir.AddUser(entratest.DirectoryUser{Name: "Dana"})
		d.Assignments = []graphentra.Assignment{{Principal: strings.ToUpper(dana), Kind: graphentra.User, Role: "Admin"}}
		apply(t, c, plan(t, c, d))
		require.Equal(t, graphentra.RoleID("south", "Admin"), dir.Objects("appRoleAssignments")[0]["appRoleId"])
		require.True(t, plan(t, c, d).Empty(), "ids are compared without case")
	})
}

func TestRoleIDsAreStable(t *testing.T) {
	t.Parallel()
	require.Equal(t, "3689267d-9a6d-5b62-8253-d945a6b596f7", graphentra.RoleID("north", "Admin"))
	require.NotEqual(t, graphentra.RoleID("north", "Admin"), graphentra.RoleID("north", "Technician"))
	require.NotEqual(t, graphentra.RoleID("a", "bAdmin"), graphentra.RoleID("ab", "Admin"))
	for _, r := range graphentra.Roles("north") {
		require.NotEqual(t, entra.RoleNone, entra.RoleOf([]string{r.Value}), "package entra reads it")
	}
}

func TestAnApplicationOfAnotherTenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const appID = "5a0b5f6e-0b1c-4f68-9f0c-0d7f6d1f2a3b"
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.TeamsMessenger("teams", "Messenger", "").At(appID)
		p := plan(t, c, d)
		_, err := c.Apply(t.Context(), p, nil)
		require.ErrorIs(t, err, graphentra.ErrNotFound, "nobody has such an application")

		dir.Publish(appID, "Messenger")
		apply(t, c, p)
		require.True(t, plan(t, c, d).Empty())
		require.Empty(t, dir.Objects("applications"))
	})
}

func TestAssignments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		group := dir.AddGroup("Technicians")
		d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
		for who, want := range map[graphentra.Assignment]error{
			{Principal: fixed, Kind: graphentra.User, Role: "Admin"}:  graphentra.ErrNotFound,
			{Principal: group, Kind: graphentra.User, Role: "Admin"}:  graphentra.ErrNotFound,
			{Principal: group, Kind: graphentra.Group, Role: "Owner"}: mspkit.ErrInvalid,
		} {
			d.Assignments = []graphentra.Assignment{who}
			_, err := c.Plan(t.Context(), tenant, d)
			require.ErrorIs(t, err, want)
		}

		d.Assignments = []graphentra.Assignment{{Principal: group, Kind: graphentra.Group, Role: "Technician"}}
		dir.Change(func(o *entratest.DirectoryOptions) { o.NoPremium = true })
		p := plan(t, c, d)
		res, err := c.Apply(t.Context(), p, nil)
		require.Error(t, err)
		require.Len(t, res.Remaining.Steps, 1, "all the rest is done")
		dir.Change(func(o *entratest.DirectoryOptions) { o.NoPremium = false })
		apply(t, c, res.Remaining)
		require.True(t, plan(t, c, d).Empty())
	})
}

func TestAssignmentIsDemandedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
		d.Unassigned = true
		p := plan(t, c, d)
		require.Contains(t, p.String(), "! Everybody in the tenant may sign in")
		apply(t, c, p)
		require.True(t, plan(t, c, d).Empty())
		d.Unassigned = false
		p = plan(t, c, d)
		require.Len(t, p.Steps, 1)
		require.Contains(t, p.String(), "appRoleAssignmentRequired: false → true")
		require.Empty(t, p.Dangers())
		apply(t, c, p)
		require.True(t, plan(t, c, d).Empty())
	})
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		for _, p := range []graphentra.Permission{
			{Name: "User.Read.Al", Kind: graphentra.Delegated},
			{Name: "AppCatalog.Submit", Kind: graphentra.Application},
		} {
			_, err := c.Plan(t.Context(), tenant, graphentra.Desired{Key: "x", Name: "X", Permissions: []graphentra.Permission{p}})
			require.ErrorIs(t, err, graphentra.ErrPermission)
			require.Contains(t, graphentra.Explain(err), p.Name)
		}
		_, err := c.Plan(t.Context(), tenant, graphentra.Desired{Key: "x", Name: "X", Permissions: []graphentra.Permission{{Resource: fixed, Name: "A", Kind: graphentra.Delegated}}})
		require.ErrorIs(t, err, graphentra.ErrNotFound)

		// A directory that says that a permission has the id of another one.
		for _, sp := range dir.Objects("servicePrincipals") {
			if sp["appId"] == graphentra.GraphAppID {
				for _, r := range sp["appRoles"].([]any) {
					if r := r.(map[string]any); r["value"] == "Mail.Send" {
						r["id"] = "e2a3a72e-5f79-4c64-b1b1-878b674786c8"
					}
				}
				require.True(t, dir.Edit(sp["id"].(string), map[string]any{"appRoles": sp["appRoles"]}))
			}
		}
		_, err = c.Plan(t.Context(), tenant, graphentra.OutboundMail("mail", "Mail", false))
		require.ErrorIs(t, err, graphentra.ErrPermission)
		require.Contains(t, graphentra.Explain(err), "another id")

		// One that is switched off, and one that people can have and no application.
		for field, is := range map[string]any{"isEnabled": false, "allowedMemberTypes": []any{"User"}} {
			dir = entratest.NewDirectory("", nil)
			for _, sp := range dir.Objects("servicePrincipals") {
				if sp["appId"] == graphentra.GraphAppID {
					for _, r := range sp["appRoles"].([]any) {
						if r := r.(map[string]any); r["value"] == "Mail.Send" {
							r[field] = is
						}
					}
					require.True(t, dir.Edit(sp["id"].(string), map[string]any{"appRoles": sp["appRoles"]}))
				}
			}
			_, err = client(t, dir).Plan(t.Context(), tenant, graphentra.OutboundMail("mail", "Mail", false))
			require.ErrorIs(t, err, graphentra.ErrPermission, field)
		}
	})
}

func TestWhatToThinkAboutIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		d := everything(t, dir)
		d.Audience, d.Unassigned = graphentra.AudienceAny, true
		p := plan(t, client(t, dir), d)
		for _, danger := range []string{
			"People of every tenant may sign in", "Everybody in the tenant may sign in", "An administrator of the application may do everything",
			"in the whole tenant, by itself", "Tokens of this issuer",
		} {
			require.True(t, slices.ContainsFunc(p.Dangers(), func(s graphentra.Step) bool { return strings.Contains(s.Danger, danger) }), danger)
			require.Contains(t, p.String(), danger)
		}
	})
}

func TestConsentIsWidenedAndNotNarrowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.TeamsMessenger("teams", "Messenger", "")
		apply(t, c, plan(t, c, d))
		less := d
		less.Permissions = []graphentra.Permission{{Name: "User.Read", Kind: graphentra.Delegated}, {Name: "Mail.Send", Kind: graphentra.Application}}
		p := plan(t, c, less)
		require.Contains(t, p.String(), "+ delegated User.Read")
		require.NotContains(t, p.String(), "- delegated")
		apply(t, c, p)
		scope := dir.Objects("oauth2PermissionGrants")[0]["scope"].(string)
		require.Contains(t, scope, "Chat.ReadWrite")
		require.Contains(t, strings.Fields(scope), "User.Read")
		require.True(t, plan(t, c, less).Empty())
		require.True(t, plan(t, c, d).Empty())
	})
}

func TestPlansAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		p := plan(t, client(t, dir), everything(t, dir))
		b, err := json.Marshal(p)
		require.NoError(t, err)
		var got graphentra.Plan
		require.NoError(t, json.Unmarshal(b, &got))
		require.Equal(t, p, &got)
	})
}

func TestPlansThatAreRefused(t *testing.T) {
	t.Parallel()
	const good = `{"version":1,"id":"11111111-2222-4333-8444-555555555555","tenant":"north","key":"signin","graph":"11111111-2222-4333-8444-555555555555",` +
		`"made":"2026-11-27T22:00:00Z","steps":[{"kind":"application.update","op":"update","object":"11111111-2222-4333-8444-555555555555","what":"x"}]}`
	_, err := graphentra.ParsePlan([]byte(good))
	require.NoError(t, err)
	for name, change := range map[string][2]string{
		"version":        {`"version":1`, `"version":2`},
		"no version":     {`"version":1,`, ``},
		"id":             {`"id":"1`, `"id":"x`},
		"tenant":         {`"tenant":"north"`, `"tenant":""`},
		"key":            {`"key":"signin"`, `"key":"' or 1 eq 1"`},
		"kind":           {`application.update`, `shell.run`},
		"no kind":        {`application.update`, ``},
		"op":             {`"op":"update"`, `"op":"drop"`},
		"object":         {`"object":"11111111`, `"object":"../../users`},
		"unknown field":  {`"what":"x"`, `"what":"x","then":"y"`},
		"something more": {`"what":"x"}]}`, `"what":"x"}]}{}`},
		"cut off":        {`"what":"x"}]}`, `"what":"x"`},
		"app":            {`"key":`, `"appId":"x","key":`},
		"kind prefix":    {`application.update`, `application`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := strings.Replace(good, change[0], change[1], 1)
			require.NotEqual(t, good, bad)
			_, err := graphentra.ParsePlan([]byte(bad))
			require.ErrorIs(t, err, mspkit.ErrInvalid)
		})
	}
}

func TestADamagedPlanWritesNothingWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := everything(t, dir)
		good, err := json.Marshal(plan(t, c, d))
		require.NoError(t, err)
		for _, change := range [][2]string{
			{`"field":"displayName"`, `"field":"passwordCredentials"`},
			{`"to":"North IT"`, `"to":["North IT"]`},
			{`delegated ChatMessage.Send`, `delegated Everything.All`},
		} {
			bad := strings.Replace(string(good), change[0], change[1], 1)
			require.NotEqual(t, string(good), bad)
			p, err := graphentra.ParsePlan([]byte(bad))
			require.NoError(t, err)
			_, err = c.Apply(t.Context(), p, nil)
			require.Error(t, err)
			require.Empty(t, dir.Objects("applications"))
		}
		// A certificate that is another one than the plan says.
		bad := strings.Replace(string(good), `"thumbprint":"`, `"thumbprint":"00`, 1)
		p, err := graphentra.ParsePlan([]byte(bad))
		require.NoError(t, err)
		_, err = c.Apply(t.Context(), p, nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.Empty(t, dir.Objects("applications")[0]["keyCredentials"])
	})
}

func TestNamesCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	p := &graphentra.Plan{Tenant: "north", Key: "signin", Steps: []graphentra.Step{{
		Kind: "application.update", Op: graphentra.Update, What: "x\x1b[2Ky\u202e", Danger: "a\nb",
		Changes: []graphentra.Change{{Field: "f\r", From: json.RawMessage(`"a\u0000"`), To: json.RawMessage(`{"k":["\u001b"]}`)}},
	}}, Kept: []graphentra.Kept{{What: "tag", Which: "\u2066"}}, Notes: []string{"\x07"}}
	for _, r := range p.String() {
		require.True(t, r == '\n' || r >= ' ' && r != 0x202e && r != 0x2066, "%U", r)
	}
	require.Contains(t, p.String(), `x\u001b[2Ky\u202e`)
}

func TestPrintedPlan(t *testing.T) {
	t.Parallel()
	p := &graphentra.Plan{Tenant: "north", Key: "signin", Steps: []graphentra.Step{
		{Kind: "application.update", Op: graphentra.Update, What: `application "A"`, Changes: []graphentra.Change{
			{Field: "displayName", From: json.RawMessage(`"B"`), To: json.RawMessage(`"A"`)},
			{Field: "notes", From: json.RawMessage(`"n"`)},
			{Field: "tags", From: json.RawMessage(`["a","b"]`), To: json.RawMessage(`["b","c"]`)},
			{Field: "keys", From: json.RawMessage(`["k"]`), To: json.RawMessage(`["k"]`)},
		}},
		{Kind: "secret.remove", Op: graphentra.Remove, What: "client secret", Danger: "Careful."},
	}, Made: time.Now()}
	require.Equal(t, `Plan for north (signin): 0 to create, 1 to change, 1 to remove.

~ application "A"
    displayName: B → A
    notes: n → none
    tags
      - a
      + c

- client secret
    ! Careful.
`, p.String())
	p.Steps = nil
	require.Equal(t, "Plan for north (signin): nothing to do.\n", p.String())
}
