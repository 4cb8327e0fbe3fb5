package graphentra_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

// This file is the program of section 8 of docs/technicians.md: every block of that section stands here, word for word.

// setup sets our own tenant up. Whoever is behind the client's credentials signs in for it: entra/azurecred, with a device code.
type setup struct {
	client                 *graphentra.Client
	technicians, emergency string // the object ids of groups; of the accounts for emergencies, too
	keep                   func(ctx context.Context, s graphentra.NewSecret) error
	out                    io.Writer
}

// desk is the application by which technicians sign in.
func (s *setup) desk() graphentra.Desired {
	d := graphentra.SignIn("desk", "northwind", "Northwind IT", "https://desk.northwind.example/auth")
	// What Service.ConsentURI returns.
	d.RedirectURIs = append(d.RedirectURIs, "https://desk.northwind.example/accounts/consented")
	d.Secrets = []graphentra.Secret{{Name: "main"}} // better Certificates or Federated, which are no secrets
	d.Assignments = []graphentra.Assignment{{Principal: s.technicians, Kind: graphentra.Group, Role: "Technician"}}
	d.Conditional = &graphentra.Conditional{BreakGlass: s.emergency}
	return d
}

// callers is the application by which callers sign in, each in the tenant of their own.
func (s *setup) callers() graphentra.Desired {
	return graphentra.Desired{
		Key: "callers", Name: "Northwind IT: who is calling", Audience: graphentra.AudienceAny, Unassigned: true, Consent: true,
		RedirectURIs: []string{"https://desk.northwind.example/verify/signin/callback"},
		Permissions:  []graphentra.Permission{{Name: "openid", Kind: graphentra.Delegated}, {Name: "profile", Kind: graphentra.Delegated}},
		Claims:       []string{"auth_time", "acrs", "acct"}, Secrets: []graphentra.Secret{{Name: "main"}},
	}
}

// set plans, shows the plan, and does exactly that where somebody agrees. It may run as often as one likes.
func (s *setup) set(ctx context.Context, d graphentra.Desired, agree func() bool) error {
	plan, err := s.client.Plan(ctx, "northwind", d)
	if err != nil {
		return fmt.Errorf("%w: %s", err, graphentra.Explain(err))
	}
	if err := plan.Print(s.out); err != nil || plan.Empty() || !agree() {
		return err
	}
	res, err := s.client.Apply(ctx, plan, &graphentra.ApplyOptions{Keep: s.keep})
	if errors.Is(err, graphentra.ErrNotVisible) || errors.Is(err, graphentra.ErrTemporary) {
		_, err = s.client.Apply(ctx, res.Remaining, &graphentra.ApplyOptions{Keep: s.keep}) // goes on; a stored plan does as well
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, graphentra.Explain(err))
	}
	return nil
}

// enforce switches the policy on that was report-only until now, once somebody has seen whom it would have blocked. me is the object
// id of who does it, who must not lock themselves out.
func (s *setup) enforce(ctx context.Context, me string, agree func() bool) error {
	impact, err := s.client.Impact(ctx, "northwind", s.desk(), nil)
	if err != nil {
		return fmt.Errorf("%w: %s", err, graphentra.Explain(err))
	}
	if err := impact.Print(s.out); err != nil || !agree() {
		return err
	}
	_, err = s.client.Enforce(ctx, "northwind", s.desk(), impact.Token, &graphentra.EnforceOptions{Caller: me})
	if err != nil {
		return fmt.Errorf("%w: %s", err, graphentra.Explain(err))
	}
	return nil
}

// look is for every day: what ends soon, and what was taken back.
func (s *setup) look(ctx context.Context, alert func(string)) error {
	ends, err := s.client.Expiring(ctx, "northwind", "desk", 30*24*time.Hour)
	if err != nil {
		return err
	}
	for _, c := range ends {
		if !c.Replaced {
			alert(fmt.Sprintf("the %s %s ends on %s", c.Kind, c.Name, c.Expires.Format(time.DateOnly)))
		}
	}
	report, err := s.client.Report(ctx, "northwind", s.desk())
	if err != nil {
		return err
	}
	for _, p := range report.Missing() {
		alert(fmt.Sprintf("%s is not granted; an administrator agrees at %s", p.Permission, report.URL))
	}
	return nil
}

func TestTheGuideSetsATenantUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", &entratest.DirectoryOptions{AccessPace: time.Second, Lag: 2})
		anna, glass := dir.AddUser(entratest.DirectoryUser{Name: "Anna", UPN: "anna@northwind.example"}), dir.AddUser(entratest.DirectoryUser{Name: "Glass"})
		var out bytes.Buffer
		var kept, alerts []string
		s := &setup{
			client: client(t, dir), technicians: dir.AddGroup("Technicians", anna), emergency: dir.AddGroup("Break glass", glass), out: &out,
			keep: func(_ context.Context, n graphentra.NewSecret) error {
				kept = append(kept, n.Name)
				return nil
			},
		}
		yes, no := func() bool { return true }, func() bool { return false }
		require.NoError(t, s.set(t.Context(), s.desk(), no))
		require.Contains(t, out.String(), "report-only")
		require.Zero(t, dir.Writes(), "a plan writes nothing")
		require.NoError(t, s.set(t.Context(), s.desk(), yes))
		require.NoError(t, s.set(t.Context(), s.callers(), yes))
		require.Equal(t, []string{"main", "main"}, kept)
		writes := dir.Writes()
		never := func() bool {
			require.Fail(t, "nobody is asked where there is nothing to do")
			return true
		}
		require.NoError(t, s.set(t.Context(), s.desk(), never))
		require.NoError(t, s.set(t.Context(), s.callers(), never))
		require.Equal(t, writes, dir.Writes(), "the second plan is empty")

		app, policy := application(dir, "Northwind IT"), dir.Objects("conditionalAccessPolicies")[0]
		require.ErrorIs(t, s.enforce(t.Context(), anna, yes), graphentra.ErrUnproven, "nobody has signed in yet")
		signIn := func(user, result string) {
			dir.AddSignIn(entratest.DirectorySignIn{
				At: time.Now().Add(-time.Hour), UserID: user, AppID: app["appId"].(string),
				Policies: []entratest.DirectoryPolicyResult{{PolicyID: policy["id"].(string), Name: "ours", Result: result}},
			})
		}
		otto := dir.AddUser(entratest.DirectoryUser{Name: "Otto", UPN: "otto@northwind.example"})
		signIn(otto, "reportOnlyFailure")
		require.ErrorIs(t, s.enforce(t.Context(), otto, yes), graphentra.ErrLockout)
		signIn(anna, "reportOnlySuccess")
		out.Reset()
		require.NoError(t, s.enforce(t.Context(), anna, no))
		require.Contains(t, out.String(), "otto@northwind.example: blocked 1")
		require.Equal(t, "enabledForReportingButNotEnforced", dir.Objects("conditionalAccessPolicies")[0]["state"])
		require.NoError(t, s.enforce(t.Context(), anna, yes))
		require.Equal(t, "enabled", dir.Objects("conditionalAccessPolicies")[0]["state"])

		alert := func(text string) { alerts = append(alerts, text) }
		require.NoError(t, s.look(t.Context(), alert))
		require.Empty(t, alerts)
		time.Sleep(160 * 24 * time.Hour)
		for _, g := range dir.Objects("oauth2PermissionGrants") {
			dir.Remove(g["id"].(string))
		}
		require.NoError(t, s.look(t.Context(), alert))
		require.Len(t, alerts, 3, "%v", alerts)
		require.Contains(t, alerts[0], "the secret ")
		require.Contains(t, alerts[1], "openid")
	})
}

// application finds one by what people see.
func application(dir *entratest.Directory, name string) map[string]any {
	for _, o := range dir.Objects("applications") {
		if o["displayName"] == name {
			return o
		}
	}
	return nil
}
