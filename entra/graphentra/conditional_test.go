package graphentra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

// accessWorld is a tenant with emergency accounts, and a client whose clock moves when it waits.
type accessWorld struct {
	*Client

	t          *testing.T
	d          *entratest.Directory
	desired    Desired
	group      string
	anna, glas string // an administrator, and an emergency account

	mu  sync.Mutex
	at  time.Time
	saw time.Duration // waited in all
}

func (w *accessWorld) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

// TenantCredential implements [Credentials], and GetToken azcore.TokenCredential.
func (w *accessWorld) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	return w, nil
}

func (w *accessWorld) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func newAccessWorld(t *testing.T, o *entratest.DirectoryOptions) *accessWorld {
	t.Helper()
	w := &accessWorld{t: t, at: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	if o == nil {
		o = &entratest.DirectoryOptions{}
	}
	o.Now = w.clock
	w.d = entratest.NewDirectory("", o)
	w.anna = w.d.AddUser(entratest.DirectoryUser{Name: "Anna", UPN: "anna@contoso.example"})
	w.glas = w.d.AddUser(entratest.DirectoryUser{Name: "Glass", UPN: "glass@contoso.example"})
	w.group = w.d.AddGroup("Break glass", w.glas)
	srv := httptest.NewServer(w.d)
	t.Cleanup(srv.Close)
	cloud := entra.PublicCloud()
	cloud.Graph = srv.URL
	var err error
	w.Client, err = New(w, &Options{Cloud: cloud, Rate: -1, Now: w.clock})
	require.NoError(t, err)
	w.sleep = func(ctx context.Context, d time.Duration) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.at, w.saw = w.at.Add(d), w.saw+d
		return ctx.Err()
	}
	w.desired = Desired{Key: "portal", Name: "Portal", Conditional: &Conditional{BreakGlass: strings.ToUpper(w.group)}}
	return w
}

func (w *accessWorld) plan() *Plan {
	w.t.Helper()
	p, err := w.Plan(w.t.Context(), "contoso", w.desired)
	require.NoError(w.t, err)
	return p
}

// apply plans and applies, and returns the policy.
func (w *accessWorld) apply() map[string]any {
	w.t.Helper()
	_, err := w.Apply(w.t.Context(), w.plan(), nil)
	require.NoError(w.t, err)
	all := w.d.Objects("conditionalAccessPolicies")
	require.Len(w.t, all, 1)
	return all[0]
}

// signIn writes into the log what the policy would have made of a sign-in some hours ago.
func (w *accessWorld) signIn(user, result string, hours int) {
	w.t.Helper()
	w.d.AddSignIn(entratest.DirectorySignIn{
		At: w.clock().Add(-time.Duration(hours) * time.Hour), UserID: user, AppID: w.d.Objects("applications")[0]["appId"].(string),
		Policies: []entratest.DirectoryPolicyResult{
			{PolicyID: uuid.NewString(), Name: "of others", Result: "success"},
			{PolicyID: w.d.Objects("conditionalAccessPolicies")[0]["id"].(string), Name: "ours", Result: result},
		},
	})
}

// notes are all notes of a plan.
func notes(p *Plan) string { return strings.Join(p.Notes, "\n") }

func TestConditionalIsReportOnly(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t, &entratest.DirectoryOptions{AccessPace: time.Second})
	left := w.d.AddUser(entratest.DirectoryUser{ID: "00000000-0000-4000-8000-000000000001", Name: "Who has left"})
	w.d.Edit(left, map[string]any{"accountEnabled": false})
	w.d.SetMembers(w.group, left, w.glas) // one who may sign in is enough
	p := w.plan()
	require.Contains(t, p.String(), "+ Conditional Access policy \"Portal: phishing-resistant MFA\", report-only")
	made := w.apply()
	require.Equal(t, "enabledForReportingButNotEnforced", made["state"])
	raw, err := json.Marshal(made)
	require.NoError(t, err)
	for _, part := range []string{
		`"excludeGroups":["` + w.group + `"]`, `"includeUsers":["All"]`, `"builtInControls":[]`,
		`"includeApplications":["` + w.d.Objects("applications")[0]["appId"].(string) + `"]`, `"id":"` + PhishingResistant + `"`,
	} {
		require.Contains(t, string(raw), part)
	}
	for _, r := range w.d.Requests() {
		require.NotEqual(t, 429, r.Status, "no faster than a request a second: %s", r.Path)
		if strings.Contains(r.Path, "conditionalAccess") {
			require.NotContains(t, r.Body, `"enabled"`, "never enforced")
		}
	}
	second := w.plan()
	require.Empty(t, second.Steps)
	require.Contains(t, notes(second), "report-only")
	require.NotContains(t, notes(second), "is not as it was made")
}

func TestConditionalIsNotPossible(t *testing.T) {
	t.Parallel()
	empty := func(w *accessWorld) { w.d.SetMembers(w.group) }
	for name, x := range map[string]struct {
		change func(w *accessWorld)
		is     error
		says   string
	}{
		"no licence": {
			func(w *accessWorld) { w.d.Change(func(o *entratest.DirectoryOptions) { o.NoPremium = true }) }, ErrLicence, "Entra ID P1",
		},
		"security defaults": {
			func(w *accessWorld) { w.d.Change(func(o *entratest.DirectoryOptions) { o.SecurityDefaults = true }) }, ErrSecurityDefaults, "switch security defaults off",
		},
		"no group":       {func(w *accessWorld) { w.desired.Conditional.BreakGlass = uuid.NewString() }, ErrBreakGlass, "is not in the tenant"},
		"an empty group": {empty, ErrBreakGlass, "has nobody in it"},
		"accounts that are switched off": {
			func(w *accessWorld) { w.d.Edit(w.glas, map[string]any{"accountEnabled": false}) }, ErrBreakGlass, "has nobody in it who may sign in",
		},
		"a group of groups": {func(w *accessWorld) { w.d.SetMembers(w.group, w.d.AddGroup("Nobody")) }, ErrBreakGlass, "has nobody in it"},
		"group not named":   {func(w *accessWorld) { w.desired.Conditional.BreakGlass = "" }, mspkit.ErrInvalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAccessWorld(t, nil)
			x.change(w)
			_, err := w.Plan(t.Context(), "contoso", w.desired)
			require.ErrorIs(t, err, x.is)
			require.Contains(t, Explain(err), x.says)
			require.Zero(t, w.d.Writes(), "nothing was half made")
		})
	}

	t.Log("what became impossible after the plan")
	for name, x := range map[string]struct {
		change func(w *accessWorld)
		is     error
	}{
		"no licence": {func(w *accessWorld) { w.d.Change(func(o *entratest.DirectoryOptions) { o.NoPremium = true }) }, ErrLicence},
		"security defaults": {
			func(w *accessWorld) { w.d.Change(func(o *entratest.DirectoryOptions) { o.SecurityDefaults = true }) }, ErrSecurityDefaults,
		},
		"an empty group":          {empty, ErrBreakGlass},
		"an account switched off": {func(w *accessWorld) { w.d.Edit(w.glas, map[string]any{"accountEnabled": false}) }, ErrBreakGlass},
		"not allowed": {
			func(w *accessWorld) {
				w.d.Change(func(o *entratest.DirectoryOptions) { o.Denied = []string{"POST /identity/conditionalAccess/policies"} })
			}, ErrDenied,
		},
	} {
		t.Run(name+" later", func(t *testing.T) {
			t.Parallel()
			w := newAccessWorld(t, nil)
			p := w.plan()
			x.change(w)
			res, err := w.Apply(t.Context(), p, nil)
			require.ErrorIs(t, err, x.is)
			require.NotEmpty(t, Explain(err))
			require.Len(t, res.Remaining.Steps, 1, "the rest was done")
			require.Empty(t, w.d.Objects("conditionalAccessPolicies"))
		})
	}
}

// What may not be read is no reason to refuse, and is said.
func TestConditionalWithoutARightToLook(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t, nil)
	w.d.Change(func(o *entratest.DirectoryOptions) {
		o.Denied = []string{"/organization", "/policies/identitySecurityDefaultsEnforcementPolicy"}
	})
	p := w.plan()
	require.Contains(t, notes(p), "Entra ID P1 could not be read")
	require.Contains(t, notes(p), "security defaults are switched on could not be read")
	w.apply()
}

func TestALicenceThatHasEndedIsNone(t *testing.T) {
	t.Parallel()
	for status, is := range map[string]bool{"Enabled": true, "Warning": true, "Suspended": false, "Deleted": false, "LockedOut": false, "": false} {
		for _, id := range premiumPlans {
			o, plan, guid := models.NewOrganization(), models.NewAssignedPlan(), uuid.MustParse(id)
			plan.SetServicePlanId(&guid)
			plan.SetCapabilityStatus(&status)
			o.SetAssignedPlans([]models.AssignedPlanable{plan})
			require.Equal(t, is, premium(o), status)
			guid = uuid.New()
			require.False(t, premium(o), "another plan")
		}
	}
}

func TestOfTwoPoliciesNoneIsChosen(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t, nil)
	w.apply()
	run, err := w.open(t.Context(), "contoso", w.desired.Key, "", "")
	require.NoError(t, err)
	_, err = run.policies().Post(t.Context(), newConditional("Another", w.d.Objects("applications")[0]["appId"].(string), w.group), nil)
	require.NoError(t, err)
	writes := w.d.Writes()
	_, err = w.Plan(t.Context(), "contoso", w.desired)
	require.ErrorIs(t, err, ErrAmbiguous)
	_, err = w.Enforce(t.Context(), "contoso", w.desired, "", nil)
	require.ErrorIs(t, err, ErrAmbiguous)
	require.ErrorIs(t, w.Relax(t.Context(), "contoso", w.desired), ErrAmbiguous)
	require.Equal(t, writes, w.d.Writes())
}

func TestConditionalPlanIsNotTrusted(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t, nil)
	for i, change := range []func(c *Change){
		func(c *Change) {
			if c.Field == fieldExcludeGroups {
				c.To = nil
			}
		},
		func(c *Change) {
			if c.Field == fieldState {
				c.To = value(stateEnforced)
			}
		},
	} {
		p := w.plan()
		s := &p.Steps[len(p.Steps)-1]
		require.Equal(t, createConditional, s.Kind)
		for j := range s.Changes {
			change(&s.Changes[j])
		}
		_, err := w.Apply(t.Context(), p, nil)
		if i == 0 {
			require.ErrorIs(t, err, ErrBreakGlass)
			require.Empty(t, w.d.Objects("conditionalAccessPolicies"))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, stateReportOnly, w.d.Objects("conditionalAccessPolicies")[0]["state"], "whatever the plan says")
	}
}

func TestConditionalSurvives(t *testing.T) {
	t.Parallel()
	const path = "/conditionalAccess/policies"
	for name, f := range map[string]entratest.DirectoryFault{
		"dropped before":     {Method: "POST", Path: path, Drop: true},
		"dropped after":      {Method: "POST", Path: path, Drop: true, After: true},
		"gateway after":      {Method: "POST", Path: path, Status: 502, After: true},
		"outage":             {Method: "POST", Path: path, Status: 503, Times: 3},
		"throttled":          {Path: path, Status: 429, Times: 4},
		"throttled for long": {Path: path, Status: 429, RetryAfter: "40", Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAccessWorld(t, nil)
			p := w.plan()
			w.d.Fail(f)
			w.d.Change(func(o *entratest.DirectoryOptions) { o.Lag = 2 })
			_, err := w.Apply(t.Context(), p, nil)
			require.NoError(t, err)
			require.Len(t, w.d.Objects("conditionalAccessPolicies"), 1, "nothing twice")
			require.Empty(t, w.plan().Steps)
		})
	}
}

func TestConditionalDrift(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t, nil)
	id := w.apply()["id"].(string)
	writes := w.d.Writes()
	w.d.Edit(id, map[string]any{
		"displayName": "Renamed", "state": "enabled",
		"conditions": map[string]any{"users": map[string]any{"excludeUsers": []any{w.anna}}},
	})
	p := w.plan()
	require.Empty(t, p.Steps, "it is an administrator's")
	require.Contains(t, notes(p), `excludeUsers is ["`+w.anna+`"] in place of none`)
	require.Contains(t, notes(p), `is called "Renamed"`)
	require.Contains(t, fmt.Sprint(p.Kept), w.anna)
	require.Equal(t, writes, w.d.Writes())

	t.Log("put back only where that was asked for, and what is enforced stays so")
	w.desired.Conditional.Restore = true
	p = w.plan()
	require.Len(t, p.Steps, 1)
	require.Contains(t, p.Steps[0].Danger, "blocked at once")
	_, err := w.Apply(t.Context(), p, nil)
	require.NoError(t, err)
	now := w.d.Objects("conditionalAccessPolicies")[0]
	require.Equal(t, "enabled", now["state"])
	require.Equal(t, "Renamed", now["displayName"])
	require.Empty(t, now["conditions"].(map[string]any)["users"].(map[string]any)["excludeUsers"])
	require.Empty(t, w.plan().Steps)

	t.Log("also what it demands")
	w.d.Edit(id, map[string]any{"displayName": "Portal: phishing-resistant MFA", "grantControls": map[string]any{"builtInControls": []any{"compliantDevice"}, "authenticationStrength": nil}})
	p = w.plan()
	require.Len(t, p.Steps, 1)
	_, err = w.Apply(t.Context(), p, nil)
	require.NoError(t, err)
	require.Empty(t, w.plan().Steps)
	w.d.Edit(id, map[string]any{"conditions": map[string]any{"users": map[string]any{"excludeUsers": []any{w.anna}}}})
	p = w.plan()
	w.d.Edit(id, map[string]any{"conditions": map[string]any{"users": map[string]any{"excludeUsers": []any{w.glas}}}})
	_, err = w.Apply(t.Context(), p, nil)
	require.ErrorIs(t, err, ErrChanged, "and again, since the plan")
	w.d.Edit(id, map[string]any{"conditions": map[string]any{
		"users": map[string]any{"excludeUsers": []any{}}, "locations": map[string]any{"includeLocations": []any{"All"}},
	}})
	p = w.plan()
	require.Contains(t, p.String(), "locations")
	_, err = w.Apply(t.Context(), p, nil)
	require.ErrorIs(t, err, ErrRefused, "what cannot be put back is said")
	require.Contains(t, Explain(err), "portal")
	w.d.Edit(id, map[string]any{"conditions": map[string]any{"locations": nil}})

	t.Log("a group that became empty is said")
	w.d.SetMembers(w.group)
	w.desired.Conditional.Restore = false
	require.Contains(t, notes(w.plan()), "Danger: The group")

	t.Log("one for more applications is ours by its name only")
	all := []any{w.d.Objects("applications")[0]["appId"], entratest.GraphAppID}
	w.d.SetMembers(w.group, w.glas)
	w.d.Edit(id, map[string]any{"conditions": map[string]any{"applications": map[string]any{"includeApplications": all}}})
	require.Contains(t, notes(w.plan()), "applications is [")
	w.d.Edit(id, map[string]any{"displayName": "Of somebody else"})
	require.Len(t, w.plan().Steps, 1, "the application has none")

	t.Log("without the policy there is a new one")
	w.d.SetMembers(w.group, w.glas)
	w.d.Remove(id)
	w.apply()
	w.d.Edit(w.d.Objects("conditionalAccessPolicies")[0]["id"].(string), map[string]any{"state": "disabled"})
	require.Contains(t, notes(w.plan()), "switched off")
}

func TestConditionalImpactAndEnforce(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t, nil)
	ctx := t.Context()
	_, err := w.Impact(ctx, "contoso", w.desired, nil)
	require.ErrorIs(t, err, ErrNotFound, "there is no application yet")
	w.apply()
	bert := w.d.AddUser(entratest.DirectoryUser{Name: "Bert", UPN: "bert\u202e@contoso.example"})
	caller := &EnforceOptions{Caller: strings.ToUpper(w.anna)}

	t.Log("without any sign-in")
	i, err := w.Impact(ctx, "contoso", w.desired, nil)
	require.NoError(t, err)
	require.Zero(t, i.SignIns)
	_, err = w.Enforce(ctx, "contoso", w.desired, i.Token, caller)
	require.ErrorIs(t, err, ErrUnproven)

	for n := range 12 {
		w.signIn(bert, "reportOnlyFailure", 20+n)
	}
	w.signIn(bert, "reportOnlySuccess", 60)
	w.signIn(bert, "reportOnlyFailure", 24*8) // before
	w.signIn(w.anna, "reportOnlySuccess", 30)
	w.signIn(w.anna, "reportOnlyInterrupted", 3)
	w.signIn(w.glas, "reportOnlyNotApplied", 5)
	w.signIn(w.anna, "reportOnlySuccess", 1)
	w.d.AddSignIn(entratest.DirectorySignIn{At: w.clock().Add(-time.Hour), UserID: bert, AppID: entratest.GraphAppID})

	t.Log("the report")
	w.d.Change(func(o *entratest.DirectoryOptions) { o.PageSize = 4 })
	i, err = w.Impact(ctx, "contoso", w.desired, nil)
	require.NoError(t, err)
	require.Equal(t, 17, i.SignIns)
	require.Equal(t, map[Verdict]int{Blocked: 12, Interrupted: 1, Passed: 3, Excluded: 1}, i.Counts)
	require.Equal(t, bert, i.Users[0].ID)
	require.Len(t, i.Users[0].Blocked, 10)
	require.Equal(t, w.clock().Add(-20*time.Hour).Truncate(time.Second).Hour(), i.Users[0].Blocked[0].Hour())
	require.Equal(t, Passed, i.Users[1].Last)
	require.Contains(t, i.String(), "it would have blocked 12, interrupted 1, let 3 pass; 1 were excluded, of 0 nothing is known")
	require.Contains(t, i.String(), `bert\u202e@contoso.example: blocked 12`)
	again, err := w.Impact(ctx, "contoso", w.desired, &ImpactOptions{Period: 24 * time.Hour})
	require.NoError(t, err)
	require.NotEqual(t, i.Token, again.Token)

	refused := func(token string, is error, o *EnforceOptions) {
		t.Helper()
		_, err := w.Enforce(ctx, "contoso", w.desired, token, o)
		require.ErrorIs(t, err, is)
		require.NotEmpty(t, Explain(err))
		require.Equal(t, stateReportOnly, w.d.Objects("conditionalAccessPolicies")[0]["state"])
	}
	t.Log("unseen, old, changed")
	shown, err := w.Enforce(ctx, "contoso", w.desired, "", caller)
	require.ErrorIs(t, err, ErrUnseen)
	require.Equal(t, 17, shown.SignIns, "it is shown")
	for _, token := range []string{"x", "v1.1.2.x", strings.Replace(i.Token, "v1", "v2", 1), i.Token + "x", strings.Repeat("1", 500)} {
		refused(token, ErrUnseen, caller)
	}
	refused(i.Token[:len(i.Token)-3]+"AAA", ErrChanged, caller)
	run, err := w.open(ctx, "contoso", w.desired.Key, "", "")
	require.NoError(t, err)
	policy, err := run.ownConditional(ctx, &w.desired)
	require.NoError(t, err)
	day := w.clock().Truncate(time.Second)
	ahead, err := run.impact(ctx, policy, day.Add(-24*time.Hour), day.Add(2*time.Hour))
	require.NoError(t, err)
	refused(ahead.Token, ErrUnseen, caller) // it would be good for a day from then on
	w.signIn(bert, "reportOnlyFailure", 40) // late in the log
	refused(i.Token, ErrChanged, caller)
	i, err = w.Impact(ctx, "contoso", w.desired, nil)
	require.NoError(t, err)

	t.Log("the caller's own account")
	refused(i.Token, ErrLockout, &EnforceOptions{Caller: bert})
	refused(i.Token, ErrLockout, &EnforceOptions{Caller: uuid.NewString()})
	refused(i.Token, mspkit.ErrInvalid, nil)
	_, err = w.Enforce(ctx, "contoso", w.desired, i.Token, &EnforceOptions{Caller: "anna"})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	w.d.Change(func(o *entratest.DirectoryOptions) { o.Me = bert })
	refused(i.Token, ErrLockout, caller)
	w.d.Change(func(o *entratest.DirectoryOptions) { o.Me = w.anna })

	t.Log("the emergency accounts, and an administrator's changes")
	w.d.SetMembers(w.group)
	refused(i.Token, ErrBreakGlass, nil)
	w.d.SetMembers(w.group, w.glas)
	w.d.Edit(w.glas, map[string]any{"accountEnabled": false})
	refused(i.Token, ErrBreakGlass, nil)
	w.d.Edit(w.glas, map[string]any{"accountEnabled": true})
	id := i.PolicyID
	users := func(group ...any) map[string]any {
		return map[string]any{"conditions": map[string]any{"users": map[string]any{"excludeGroups": group}}}
	}
	w.d.Edit(id, users())
	now, err := w.Impact(ctx, "contoso", w.desired, nil)
	require.NoError(t, err)
	require.NotEqual(t, i.Token, now.Token, "the policy is part of the report")
	refused(now.Token, ErrChanged, nil)
	w.d.Edit(id, users(w.group))
	w.d.Edit(id, map[string]any{"state": "disabled"})
	off, err := w.Impact(ctx, "contoso", w.desired, nil)
	require.NoError(t, err)
	_, err = w.Enforce(ctx, "contoso", w.desired, off.Token, nil)
	require.ErrorIs(t, err, ErrChanged, "whoever switched it off has not seen what it would do now")
	require.Equal(t, "disabled", w.d.Objects("conditionalAccessPolicies")[0]["state"])
	w.d.Edit(id, map[string]any{"state": stateReportOnly})

	t.Log("seen")
	w.d.Fail(entratest.DirectoryFault{Method: "PATCH", Drop: true, After: true})
	got, err := w.Enforce(ctx, "contoso", w.desired, i.Token, nil)
	require.NoError(t, err)
	require.Equal(t, i.Token, got.Token)
	require.Equal(t, "enabled", w.d.Objects("conditionalAccessPolicies")[0]["state"])
	require.Empty(t, w.plan().Steps)
	writes := w.d.Writes()
	_, err = w.Enforce(ctx, "contoso", w.desired, "", nil)
	require.NoError(t, err, "it is enforced already")
	require.Equal(t, writes, w.d.Writes())

	t.Log("and back")
	require.NoError(t, w.Relax(ctx, "contoso", w.desired))
	require.NoError(t, w.Relax(ctx, "contoso", w.desired))
	require.Equal(t, writes+1, w.d.Writes())
	require.Equal(t, stateReportOnly, w.d.Objects("conditionalAccessPolicies")[0]["state"])

	t.Log("a day later")
	w.mu.Lock()
	w.at = w.at.Add(25 * time.Hour)
	w.mu.Unlock()
	refused(i.Token, ErrUnseen, nil)
}

// A log without results says that nobody would be blocked, and must not be believed.
func TestConditionalUnproven(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t, &entratest.DirectoryOptions{HidePolicyResults: true})
	ctx := t.Context()
	w.apply()
	w.signIn(w.anna, "reportOnlyFailure", 2)
	i, err := w.Impact(ctx, "contoso", w.desired, nil)
	require.NoError(t, err)
	require.Equal(t, map[Verdict]int{Unknown: 1}, i.Counts)
	_, err = w.Enforce(ctx, "contoso", w.desired, i.Token, &EnforceOptions{Caller: w.anna})
	require.ErrorIs(t, err, ErrUnproven)
	_, err = w.Enforce(ctx, "contoso", w.desired, i.Token, &EnforceOptions{Caller: w.anna, Unproven: true})
	require.ErrorIs(t, err, ErrLockout, "nothing says that Anna can still sign in")
	_, err = w.Enforce(ctx, "contoso", w.desired, i.Token, &EnforceOptions{Caller: w.glas, Unproven: true})
	require.NoError(t, err)

	w.d.Change(func(o *entratest.DirectoryOptions) { o.NoPremium = true })
	_, err = w.Impact(ctx, "contoso", w.desired, nil)
	require.ErrorIs(t, err, ErrLicence)
	w.d.Change(func(o *entratest.DirectoryOptions) { o.NoPremium, o.Denied = false, []string{"/auditLogs"} })
	_, err = w.Impact(ctx, "contoso", w.desired, nil)
	require.ErrorIs(t, err, ErrDenied)
	require.Contains(t, Explain(err), "AuditLog.Read.All")
	for _, p := range []time.Duration{-1, time.Minute, 31 * 24 * time.Hour} {
		_, err = w.Impact(ctx, "contoso", w.desired, &ImpactOptions{Period: p})
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	w.desired.Conditional = nil
	_, err = w.Impact(ctx, "contoso", w.desired, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestAccessPace(t *testing.T) {
	t.Parallel()
	var p pacer
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	require.Zero(t, p.turn("a", now))
	require.Equal(t, accessPace, p.turn("a", now))
	require.Equal(t, 2*accessPace, p.turn("a", now))
	require.Zero(t, p.turn("b", now), "each tenant has its own")
	require.Zero(t, p.turn("a", now.Add(time.Minute)))
	for i := range 5 * maxPaced {
		p.turn(mspkit.TenantID(strconv.Itoa(i)), now.Add(time.Duration(i)*time.Second))
	}
	require.LessOrEqual(t, len(p.next), maxPaced+1, "it does not grow without end")
}

func FuzzParseToken(f *testing.F) {
	f.Add("v1.1764000000.1764604800.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("v1.9223372036854775807.-9223372036854775808.x")
	f.Fuzz(func(t *testing.T, token string) {
		from, to, err := parseToken(token)
		if err != nil {
			if !errors.Is(err, errToken) {
				t.Fatal(err)
			}
			return
		}
		if period := to.Sub(from); period < time.Hour || period > maxImpactPeriod {
			t.Fatalf("a period of %v", period)
		}
	})
}
