package graphteams

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
)

// ErrNoPolicy means that the tenant has no setup policy of that name.
var ErrNoPolicy = errors.New("there is no setup policy of that name")

// The permissions that policies need, delegated or of an application.
// Source: https://learn.microsoft.com/graph/permissions-reference.
const (
	permAssign  = "TeamsPolicyUserAssign.ReadWrite.All"
	permEffects = "TeamsUserConfiguration.Read.All"
)

const (
	setupPolicyType = "TeamsAppSetupPolicy"
	// assignedAtOnce is how many people get a policy by one request. Microsoft documents no limit.
	assignedAtOnce = 20
	pathPolicy     = "/admin/teams/policy/"
)

// Assignment is what became of giving a policy to a person.
type Assignment struct {
	// User is the object id.
	User string
	// Err is why they did not get it, or nil; it is an [*Error].
	Err error
}

// AssignPolicy gives the setup policy of a name to people, named by object id, in the place of the one that they have. It is
// for few people: with a policy of their own they are not reached by those of groups any more. The result has everybody, in
// order; the error says why nothing was tried, such as [ErrNoPolicy], or why the rest was not.
//
// It needs TeamsPolicyUserAssign.ReadWrite.All, in the public cloud only. Microsoft documents the call for all types of policies
// and names this one nowhere, so look at the effect with [Client.VerifyPolicy].
//
// Source: https://learn.microsoft.com/graph/api/teamsadministration-teamspolicyuserassignment-assign.
func (c *Client) AssignPolicy(ctx context.Context, tenant mspkit.TenantID, name string, users []string) ([]Assignment, error) {
	const op = "assign the policy"
	if strings.EqualFold(name, GlobalPolicy) || name == "" {
		return nil, c.failed(op, tenant, permAssign, because(mspkit.ErrInvalid, nil, "The org-wide default is assigned to nobody: take the policy of a person away with UnassignPolicy."))
	}
	if err := c.mayAssign(name, users); err != nil {
		return nil, c.failed(op, tenant, permAssign, err)
	}
	id, err := c.policyID(ctx, tenant, name)
	if err != nil {
		return nil, c.failed(op, tenant, permAssign, err)
	}
	return c.assign(ctx, op, tenant, "assign", id, users)
}

// UnassignPolicy takes the setup policy of their own from people, so that they have that of a group, or the org-wide default.
// It is otherwise like [Client.AssignPolicy].
//
// Source: https://learn.microsoft.com/graph/api/teamsadministration-teamspolicyuserassignment-unassign.
func (c *Client) UnassignPolicy(ctx context.Context, tenant mspkit.TenantID, users []string) ([]Assignment, error) {
	const op = "take the policy away"
	if err := c.mayAssign("x", users); err != nil {
		return nil, c.failed(op, tenant, permAssign, err)
	}
	return c.assign(ctx, op, tenant, "unassign", "", users)
}

func (c *Client) mayAssign(name string, users []string) error {
	if nationalCloud(c.o.Cloud) != cloudPublic {
		return because(ErrCloud, nil, "Microsoft Graph assigns policies of Teams in the public cloud only: take the Teams admin center, or SetupPolicy.PowerShell.")
	}
	if why := policyName(name); why != "" {
		return because(mspkit.ErrInvalid, nil, "The name of the policy %s.", why)
	}
	return objectIDs(users)
}

func objectIDs(users []string) error {
	if len(users) == 0 {
		return because(mspkit.ErrInvalid, nil, "There is nobody in the list.")
	}
	for i, u := range users {
		if _, err := azurecred.CanonicalID(u); err != nil {
			return because(mspkit.ErrInvalid, nil, "Number %d of the list is no object id of a person.", i+1)
		}
	}
	return nil
}

// policyID returns Microsoft's id of a setup policy, or [ErrNoPolicy].
//
// Source: https://learn.microsoft.com/graph/api/teamsadministration-teamspolicyassignment-getpolicyid.
func (c *Client) policyID(ctx context.Context, tenant mspkit.TenantID, name string) (string, error) {
	var page struct {
		Value []struct {
			Name     string `json:"name"`
			PolicyID string `json:"policyId"`
		} `json:"value"`
	}
	err := c.graph.Do(ctx, &graphx.Request{
		Tenant: tenant, Workload: graphx.Teams,
		Path: pathPolicy + "getPolicyId(type='" + setupPolicyType + "',name='" + graphx.Segment(strings.ReplaceAll(name, "'", "''")) + "')",
	}, &page)
	if err != nil && statusOf(err) != http.StatusNotFound {
		return "", err
	}
	for _, p := range page.Value {
		if strings.EqualFold(strings.TrimPrefix(p.Name, "Tag:"), name) && p.PolicyID != "" { // "Tag:" is before the names that people gave
			return p.PolicyID, nil
		}
	}
	return "", because(ErrNoPolicy, err, "Make the policy in the Teams admin center, or by SetupPolicy.PowerShell; a new one takes some minutes to be known.")
}

type wireAssignment struct {
	Type       string `json:"@odata.type"`
	UserID     string `json:"userId"`
	PolicyType string `json:"policyType"`
	PolicyID   string `json:"policyId,omitempty"`
}

// assign sends groups of people, and where one is refused each of it alone, to know whom it is about.
func (c *Client) assign(ctx context.Context, op string, tenant mspkit.TenantID, verb, id string, users []string) ([]Assignment, error) {
	out := make([]Assignment, 0, len(users))
	send := func(users []string) error {
		list := make([]wireAssignment, len(users))
		for i, u := range users {
			list[i] = wireAssignment{"#microsoft.graph.teamsAdministration.teamsPolicyUserAssignment", strings.ToLower(u), setupPolicyType, id}
		}
		_, err := c.write(ctx, &graphx.Request{
			Tenant: tenant, Workload: graphx.Teams, Method: http.MethodPost, Path: pathPolicy + "userAssignments/" + verb,
			Body: map[string]any{"value": list}, Idempotent: true,
		})
		if statusOf(err) == http.StatusNotFound {
			err = because(ErrNoUser, err, "Nobody of this id is in the tenant, or Teams does not know them: they need a licence and a first sign-in.")
		}
		return c.failed(op, tenant, permAssign, err)
	}
	for len(users) > 0 {
		n := min(len(users), assignedAtOnce)
		err := send(users[:n])
		status := statusOf(err)
		alone := n > 1 && (status == http.StatusBadRequest || status == http.StatusNotFound)
		if err != nil && status != http.StatusBadRequest && status != http.StatusNotFound {
			return out, err // the others would meet the same
		}
		for _, u := range users[:n] {
			if alone {
				if err = send([]string{u}); err != nil && statusOf(err) != http.StatusBadRequest && statusOf(err) != http.StatusNotFound {
					return out, err
				}
			}
			out = append(out, Assignment{User: strings.ToLower(u), Err: err})
		}
		users = users[n:]
	}
	return out, nil
}
