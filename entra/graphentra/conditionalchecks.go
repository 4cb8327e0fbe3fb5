package graphentra

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/organization"
	"github.com/microsoftgraph/msgraph-sdk-go/policies"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"github.com/mspkit/mspkit"
)

// accessPace is the time between two requests for Conditional Access in one tenant. Microsoft allows one a second and says not when
// to come again; a little more is for what the network does to the distance.
//
// Source: https://learn.microsoft.com/graph/throttling-limits.
const accessPace = 1100 * time.Millisecond

// pacer keeps requests of a tenant apart, over all runs of a client. The zero value is ready.
type pacer struct {
	mu   sync.Mutex
	next map[mspkit.TenantID]time.Time
}

// maxPaced is how many tenants are remembered before those are forgotten whose time is over.
const maxPaced = 1024

// turn takes the next turn of a tenant and returns how long to wait for it.
func (p *pacer) turn(id mspkit.TenantID, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = map[mspkit.TenantID]time.Time{}
	}
	if len(p.next) >= maxPaced {
		maps.DeleteFunc(p.next, func(_ mspkit.TenantID, at time.Time) bool { return at.Before(now) })
	}
	at := p.next[id]
	if at.Before(now) {
		at = now
	}
	p.next[id] = at.Add(accessPace)
	return at.Sub(now)
}

// accessTurn waits until the tenant may be asked about Conditional Access again.
func (t *tenant) accessTurn(ctx context.Context) error {
	if wait := t.c.access.turn(t.id, t.c.now()); wait > 0 {
		return t.c.sleep(ctx, wait)
	}
	return nil
}

// premiumPlans are the service plans with Conditional Access: Microsoft Entra ID P1 and P2, which larger licences contain.
//
// Source: https://learn.microsoft.com/entra/identity/users/licensing-service-plan-reference.
var premiumPlans = []string{"41781fb2-bc02-4b7c-bd55-b576c07bb09d", "eec0eb4f-6444-4f95-aba0-50c24d67f998"}

// conditionalPossible finds out why Conditional Access would be refused. What may not be read is no reason; note is told.
func (t *tenant) conditionalPossible(ctx context.Context, note func(format string, args ...any)) error {
	denied := func(err error) bool {
		a, ok := errors.AsType[*answer](err)
		return ok && a.status == http.StatusForbidden
	}
	orgs, err := pages(ctx, t, func(ctx context.Context, next string) (page[models.Organizationable], error) {
		b := organization.NewOrganizationRequestBuilderInternal(maps.Clone(t.base), t.adapter)
		if next != "" {
			return b.WithUrl(next).Get(ctx, nil)
		}
		return b.Get(ctx, &organization.OrganizationRequestBuilderGetRequestConfiguration{
			QueryParameters: &organization.OrganizationRequestBuilderGetQueryParameters{Select: []string{"id", "assignedPlans"}},
		})
	})
	switch {
	case denied(err):
		note("Whether the tenant has Microsoft Entra ID P1 could not be read, which Conditional Access needs.")
	case err != nil:
		return err
	case !slices.ContainsFunc(orgs, premium):
		return because(ErrLicence, nil, "Conditional Access needs Microsoft Entra ID P1, which the tenant has no licence for: buy it, or plan without Conditional Access and use security defaults.")
	}
	defaults, err := read(ctx, t, func(ctx context.Context) (models.IdentitySecurityDefaultsEnforcementPolicyable, error) {
		return policies.NewIdentitySecurityDefaultsEnforcementPolicyRequestBuilderInternal(maps.Clone(t.base), t.adapter).Get(ctx, nil)
	})
	switch {
	case denied(err):
		note("Whether security defaults are switched on could not be read, which exclude Conditional Access.")
	case err != nil:
		return err
	case defaults != nil && defaults.GetIsEnabled() != nil && *defaults.GetIsEnabled():
		return because(ErrSecurityDefaults, nil, "Security defaults are switched on in the tenant and exclude Conditional Access. Have policies ready that do the same for everybody, "+
			"then switch security defaults off, then plan again. Nothing here switches them off.")
	}
	return nil
}

// premium reports whether an organization has a plan with Conditional Access.
func premium(o models.Organizationable) bool {
	return slices.ContainsFunc(o.GetAssignedPlans(), func(p models.AssignedPlanable) bool {
		return p.GetServicePlanId() != nil && slices.Contains(premiumPlans, strings.ToLower(p.GetServicePlanId().String())) &&
			slices.Contains([]string{"Enabled", "Warning"}, text(p.GetCapabilityStatus()))
	})
}

// breakGlass returns the object ids of the people in a group, also of those in groups in it, and whether one of them may sign in.
func (t *tenant) breakGlass(ctx context.Context, group string) (people map[string]bool, usable bool, err error) {
	members := groups.NewItemTransitiveMembersRequestBuilderInternal(maps.Clone(t.base), t.adapter)
	members.PathParameters["group%2Did"] = group
	list, err := pages(ctx, t, func(ctx context.Context, next string) (page[models.DirectoryObjectable], error) {
		if next != "" {
			return members.WithUrl(next).Get(ctx, nil)
		}
		return members.Get(ctx, nil)
	})
	if err != nil {
		return nil, false, err
	}
	people = map[string]bool{}
	for _, m := range list {
		if _, is := m.(models.Userable); is {
			people[strings.ToLower(text(m.GetId()))] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(people)) {
		if usable, err = t.enabled(ctx, id); usable || err != nil {
			return people, usable, err
		}
	}
	return people, false, nil
}

// enabled reports whether a person may sign in, which no list of members says: the property has to be asked for by its name.
//
// Source: https://learn.microsoft.com/graph/api/resources/user.
func (t *tenant) enabled(ctx context.Context, id string) (bool, error) {
	one := users.NewUserItemRequestBuilderInternal(maps.Clone(t.base), t.adapter)
	one.PathParameters["user%2Did"] = id
	u, err := read(ctx, t, func(ctx context.Context) (models.Userable, error) {
		return one.Get(ctx, &users.UserItemRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UserItemRequestBuilderGetQueryParameters{Select: []string{"id", "accountEnabled"}},
		})
	})
	if missing(err) {
		return false, nil
	}
	return err == nil && u != nil && u.GetAccountEnabled() != nil && *u.GetAccountEnabled(), err
}

// checkBreakGlass makes sure that the group of emergency accounts is there and has somebody in it who may sign in.
func (t *tenant) checkBreakGlass(ctx context.Context, group string) error {
	_, usable, err := t.breakGlass(ctx, group)
	if missing(err) {
		return because(ErrBreakGlass, err, "The group %s of emergency accounts is not in the tenant: make it, with two accounts that nobody uses daily, and give its object id.", group)
	}
	if err != nil {
		return err
	}
	if !usable {
		return because(ErrBreakGlass, nil, "The group %s of emergency accounts has nobody in it who may sign in: without an account that is excluded, one mistake locks everybody out.", group)
	}
	return nil
}
