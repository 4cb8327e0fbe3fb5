package graphteams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/teamsapp"
)

// MaxSample is how many people [Client.VerifyPolicy] looks at.
const MaxSample = 100

// What [Client.VerifyPolicy] can find out about a policy.
const (
	// PolicyFound says that the policy is there.
	PolicyFound = "found"
	// PolicyMissing says that it is not.
	PolicyMissing = "missing"
	// PolicyUnknown says that it could not be asked: PolicyReport.Hidden has why.
	PolicyUnknown = "unknown"
)

// How somebody has a policy.
const (
	// ViaPerson is by themselves, which goes before all else.
	ViaPerson = "direct"
	// ViaGroup is by a group.
	ViaGroup = "group"
	// ViaGlobal is the org-wide default, which is everybody's who has no other.
	ViaGlobal = "global"
)

// PolicyReport is what became of a setup policy.
type PolicyReport struct {
	// Policy is its name, [GlobalPolicy] for the org-wide default.
	Policy string
	// State is [PolicyFound], [PolicyMissing] or [PolicyUnknown]. The org-wide default is always found.
	State string
	// Checked is when it was looked at.
	Checked time.Time
	// Hidden are reasons why parts could not be looked at, for an administrator; empty where all was.
	Hidden []string
	// People are those of the sample, in order.
	People []PolicyEffect
}

// Reached is how many of the sample have the app.
func (r *PolicyReport) Reached() int {
	n := 0
	for i := range r.People {
		if r.People[i].Installed {
			n++
		}
	}
	return n
}

// PolicyEffect is what a person has.
type PolicyEffect struct {
	// User is the object id.
	User string
	// Policy is the name of the setup policy that the person has, empty where that is not known, and Via how they have it:
	// [ViaPerson], [ViaGroup] or [ViaGlobal]. Group is the id of the group.
	Policy, Via, Group string
	// HasPolicy says that it is the one that was asked about.
	HasPolicy bool
	// Installed says that the person has the app, and Version which one.
	Installed bool
	Version   string
	// Err is why the person could not be looked at, or nil; it is an [*Error].
	Err error
	// Next is what to do, empty where the person has the policy and the app.
	Next string
}

// VerifyPolicy looks at the effect of a setup policy: whether it is there, and of a sample of people, named by object id, at
// most [MaxSample], which policy they have and whether they have the app. name may be empty or "Global" for the org-wide
// default. What may not be looked at is left out and said in the report. The report has what was found also where the error is
// not nil, such as for the end of ctx, or consent that is missing altogether.
//
// It needs TeamsUserConfiguration.Read.All for the policies that people have and TeamsPolicyUserAssign.ReadWrite.All, which is
// the least that Microsoft has for it, to see whether the policy is there; both in the public cloud only. For the app it
// needs what [Client.Installed] needs.
//
// Sources: https://learn.microsoft.com/graph/api/teamsadministration-teamsuserconfiguration-get and
// https://learn.microsoft.com/graph/api/teamsadministration-teamspolicyassignment-getpolicyid.
func (c *Client) VerifyPolicy(ctx context.Context, tenant mspkit.TenantID, name string, app App, users []string) (PolicyReport, error) {
	const op = "verify the policy"
	name = cmp.Or(name, GlobalPolicy)
	report := PolicyReport{Policy: name, State: PolicyUnknown, Checked: c.o.Now()}
	err := errors.Join(tenant.Validate(), app.validate(), objectIDs(users))
	if why := policyName(name); err == nil && why != "" {
		err = because(mspkit.ErrInvalid, nil, "The name of the policy %s.", why)
	}
	if err == nil && len(users) > MaxSample {
		err = because(mspkit.ErrInvalid, nil, "There are %d people in the sample, and %d are allowed.", len(users), MaxSample)
	}
	if err != nil {
		return report, c.failed(op, tenant, "", err)
	}
	v := &verification{c: c, tenant: tenant, app: app, report: &report, asks: nationalCloud(c.o.Cloud) == cloudPublic}
	if !v.asks {
		v.hide("Microsoft Graph tells of the policies of Teams in the public cloud only: look at them in the Teams admin center.")
	}
	if err := v.policy(ctx); err != nil {
		return report, c.failed(op, tenant, permAssign, err)
	}
	for _, u := range users {
		e := PolicyEffect{User: strings.ToLower(u)}
		err := v.person(ctx, &e)
		if err != nil && (lasting(err) || ctx.Err() != nil) {
			return report, c.failed(op, tenant, permEffects, err)
		}
		e.Next = v.next(&e)
		report.People = append(report.People, e)
	}
	return report, nil
}

// lasting reports whether an error is one that everybody else would meet as well.
func lasting(err error) bool {
	for _, is := range []error{azurecred.ErrNotConnected, ErrConsent, ErrSignIn} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// verification is one call of VerifyPolicy.
type verification struct {
	c      *Client
	tenant mspkit.TenantID
	app    App
	report *PolicyReport
	asks   bool // the policies of people can be asked for
	blind  bool // the apps of people cannot
}

func (v *verification) hide(why string) { v.report.Hidden = append(v.report.Hidden, why) }

// policy finds out whether it is there.
func (v *verification) policy(ctx context.Context) error {
	if strings.EqualFold(v.report.Policy, GlobalPolicy) {
		v.report.Policy, v.report.State = GlobalPolicy, PolicyFound
		return nil
	}
	if !v.asks {
		return nil
	}
	switch _, err := v.c.policyID(ctx, v.tenant, v.report.Policy); {
	case err == nil:
		v.report.State = PolicyFound
	case errors.Is(err, ErrNoPolicy):
		v.report.State = PolicyMissing
	case statusOf(err) == http.StatusForbidden:
		v.hide("Whether the policy is there cannot be seen without the permission " + permAssign + ".")
	default:
		return err
	}
	return nil
}

// person looks at one. The error is also in e, unless it is that of a permission that is missing, which the report has.
func (v *verification) person(ctx context.Context, e *PolicyEffect) error {
	if v.asks {
		err := v.effective(ctx, e)
		switch status := statusOf(err); {
		case status == http.StatusForbidden:
			v.asks = false
			v.hide("The policies that people have cannot be seen without the permission " + permEffects + ".")
		case status == http.StatusNotFound:
			e.Err = v.c.failed("look at the policies of a person", v.tenant, permEffects,
				because(ErrNoUser, err, "Nobody of this id is in the tenant, or Teams does not know them: they need a licence and a first sign-in."))
			return nil
		case err != nil:
			e.Err = v.c.failed("look at the policies of a person", v.tenant, permEffects, err)
			return e.Err
		}
	}
	if v.blind {
		return nil
	}
	i, err := v.c.Installed(ctx, v.tenant, v.app, e.User)
	switch {
	case err == nil:
		e.Installed, e.Version = true, i.Version
	case errors.Is(err, teamsapp.ErrNotInstalled):
	case errors.Is(err, ErrDenied):
		v.blind = true
		v.hide("Whether people have the app cannot be seen without the permission " + needsInstall + ".")
	default:
		e.Err = err
	}
	return e.Err
}

type wireConfiguration struct {
	Effective []struct {
		PolicyType string `json:"policyType"`
		Assignment struct {
			DisplayName    string `json:"displayName"`
			AssignmentType string `json:"assignmentType"`
			GroupID        string `json:"groupId"`
		} `json:"policyAssignment"`
	} `json:"effectivePolicyAssignments"`
}

// effective reads which setup policy somebody has. Microsoft's page shows the object below "value"; what is described
// elsewhere has it by itself.
func (v *verification) effective(ctx context.Context, e *PolicyEffect) error {
	var answer struct {
		wireConfiguration
		Value json.RawMessage `json:"value"`
	}
	err := v.c.graph.Do(ctx, &graphx.Request{
		Tenant: v.tenant, Workload: graphx.Teams, Path: "/admin/teams/userConfigurations/" + graphx.Segment(e.User),
		Query: url.Values{"$select": {"id,effectivePolicyAssignments"}},
	}, &answer)
	if err != nil {
		return err
	}
	conf := answer.wireConfiguration
	if len(answer.Value) > 0 {
		if err := json.Unmarshal(answer.Value, &conf); err != nil {
			return &graphx.AnswerError{What: "the configuration of a person cannot be read", Err: err}
		}
	}
	e.Policy, e.Via = GlobalPolicy, ViaGlobal
	for _, p := range conf.Effective {
		name := strings.TrimPrefix(p.Assignment.DisplayName, "Tag:")
		if !strings.EqualFold(p.PolicyType, setupPolicyType) || name == "" || strings.EqualFold(name, GlobalPolicy) {
			continue
		}
		e.Policy, e.Via = name, ViaPerson
		if strings.EqualFold(p.Assignment.AssignmentType, ViaGroup) {
			e.Via, e.Group = ViaGroup, p.Assignment.GroupID
		}
	}
	e.HasPolicy = strings.EqualFold(e.Policy, v.report.Policy)
	return nil
}

// next says what to do about a person.
func (v *verification) next(e *PolicyEffect) string {
	switch {
	case e.Err != nil:
		return Explain(e.Err)
	case e.Policy == "" && !e.Installed && !v.blind:
		return "The person does not have the app: look in the Teams admin center which setup policy they have."
	case e.Policy == "":
		return ""
	case v.report.State == PolicyMissing && !e.HasPolicy:
		return "The policy is not there: make it first."
	case !e.HasPolicy && e.Via == ViaPerson:
		return "The person has another setup policy of their own, which goes before that of a group: take it away, or put the app into it."
	case !e.HasPolicy && e.Via == ViaGroup:
		return "The person has another setup policy by a group with a lower rank: change the ranks, or put the app into that policy."
	case !e.HasPolicy:
		return "The person has the org-wide default: see that they are a direct member of a group that has the policy, and wait up to 24 hours."
	case !e.Installed && !v.blind:
		return "The policy has reached the person and the app has not: it comes within 24 hours, when they sign in to Teams; a policy that blocks the app would hold it up."
	}
	return ""
}
