package gdap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/graphx"
)

const (
	// pageOf is the largest page of relationships
	// (https://learn.microsoft.com/graph/api/tenantrelationship-list-delegatedadminrelationships).
	pageOf = "300"
	// asking is how many relationships are asked for their groups at once.
	asking = 8
	// maxName is in runes.
	maxName = 256
)

// relationshipID is what an id looks like: two GUIDs. It goes into a path.
var relationshipID = regexp.MustCompile(`^[A-Za-z0-9-]{1,100}$`)

type relationshipJSON struct {
	ID       string
	Name     string `json:"displayName"`
	Status   string
	Customer *struct {
		ID   string `json:"tenantId"`
		Name string `json:"displayName"`
	}
	Details  rolesJSON `json:"accessDetails"`
	Ends     time.Time `json:"endDateTime"`
	Extended string    `json:"autoExtendDuration"`
}

type rolesJSON struct {
	Roles []struct {
		ID string `json:"roleDefinitionId"`
	} `json:"unifiedRoles"`
}

type assignmentJSON struct {
	Status    string
	Container struct {
		ID string `json:"accessContainerId"`
	} `json:"accessContainer"`
	Details rolesJSON `json:"accessDetails"`
}

type contractJSON struct {
	Customer string `json:"customerId"`
	Domain   string `json:"defaultDomainName"`
	Name     string `json:"displayName"`
}

// ids returns the canonical ids of the roles.
func (r rolesJSON) ids() []string {
	var out []string
	for _, role := range r.Roles {
		if id, err := entra.CanonicalID(role.ID); err == nil {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Customers lists the partner's customers, ordered by name: those with a relationship of whatever state, and those with a
// reseller's contract. For each relationship that works it asks which security groups have which roles. It is all or nothing,
// except that groups which cannot be read are the customer's Problem.
//
// The application needs the delegated permissions DelegatedAdminRelationship.Read.All and, for the contracts,
// Directory.Read.All in the partner's tenant.
func (p *Partner) Customers(ctx context.Context) ([]Customer, error) {
	found := map[string]*Customer{}
	if err := p.relationships(ctx, found); err != nil {
		return nil, fmt.Errorf("gdap: list the relationships: %w", graphError(err))
	}
	if !p.o.SkipContracts {
		if err := p.contracts(ctx, found); err != nil {
			return nil, fmt.Errorf("gdap: list the contracts: %w", graphError(err))
		}
	}
	if err := p.assignments(ctx, found); err != nil {
		return nil, fmt.Errorf("gdap: list the groups of the relationships: %w", graphError(err))
	}
	out := make([]Customer, 0, len(found))
	for _, c := range found {
		c.judge(p.o.Roles, p.o.Now(), p.o.Warn)
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Customer) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.EntraID, b.EntraID))
	})
	return out, nil
}

func (p *Partner) request(path string, query url.Values) *graphx.Request {
	return &graphx.Request{Tenant: mspkit.TenantID(p.o.PartnerTenant), Workload: graphx.Partner, Path: path, Query: query}
}

// customer returns the customer of an id, nil where that is none.
func (p *Partner) customer(found map[string]*Customer, id string) *Customer {
	id, err := entra.CanonicalID(id)
	if err != nil || id == p.o.PartnerTenant {
		return nil
	}
	if found[id] == nil {
		found[id] = &Customer{EntraID: id}
	}
	return found[id]
}

func (p *Partner) relationships(ctx context.Context, found map[string]*Customer) error {
	seen := map[string]bool{}
	r := p.request("/tenantRelationships/delegatedAdminRelationships", url.Values{"$top": {pageOf}})
	for j, err := range graphx.ListOf[relationshipJSON](ctx, p.graph, r) {
		if err != nil {
			return err
		}
		// A list that changes while it is read may show one twice; one that nobody has accepted yet has no customer.
		if seen[j.ID] || j.Customer == nil {
			continue
		}
		if !relationshipID.MatchString(j.ID) {
			p.o.Logger.WarnContext(ctx, "a relationship is left out whose id is none", slog.String("name", p.o.Name))
			continue
		}
		seen[j.ID] = true
		c := p.customer(found, j.Customer.ID)
		if c == nil {
			continue
		}
		if name := cleantext.Line(j.Customer.Name, maxName); name != "" {
			c.Name = name
		}
		c.Relationships = append(c.Relationships, Relationship{
			ID: j.ID, Name: cleantext.Line(j.Name, maxName), Status: cleantext.Line(strings.ToLower(j.Status), 0), EndsAt: j.Ends,
			AutoExtend: extends(j.Extended), Roles: j.Details.ids(),
		})
	}
	return nil
}

// extends reads an ISO 8601 duration; "PT0S" is none.
func extends(duration string) bool {
	return strings.ContainsAny(duration, "123456789") && strings.HasPrefix(strings.ToUpper(duration), "P")
}

func (p *Partner) contracts(ctx context.Context, found map[string]*Customer) error {
	for j, err := range graphx.ListOf[contractJSON](ctx, p.graph, p.request("/contracts", url.Values{"$top": {"999"}})) {
		if err != nil {
			return err
		}
		c := p.customer(found, j.Customer)
		if c == nil {
			continue
		}
		c.Contract = true
		if name := cleantext.Line(j.Name, maxName); name != "" && c.Name == "" {
			c.Name = name
		}
		if domain := cleantext.Line(j.Domain, maxName); domain != "" {
			c.Domain = domain
		}
	}
	return nil
}

// assignments asks which groups have roles of the relationships that work.
func (p *Partner) assignments(ctx context.Context, found map[string]*Customer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	now := p.o.Now()
	places := make(chan struct{}, asking)
	var all sync.WaitGroup
	for _, c := range found {
		for i := range c.Relationships {
			r := &c.Relationships[i]
			if !r.Works(now) {
				continue
			}
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				continue
			}
			all.Go(func() {
				defer func() { <-places }()
				if err := p.assigned(ctx, r); err != nil {
					cancel(err)
				}
			})
		}
	}
	all.Wait()
	return context.Cause(ctx)
}

// assigned fills in the groups of one relationship. What Graph refuses for this one only is its fault, and no error.
func (p *Partner) assigned(ctx context.Context, r *Relationship) error {
	list := p.request("/tenantRelationships/delegatedAdminRelationships/"+url.PathEscape(r.ID)+"/accessAssignments", nil)
	for j, err := range graphx.ListOf[assignmentJSON](ctx, p.graph, list) {
		if e, ok := errors.AsType[*graphx.Error](err); ok && !errors.Is(err, graphx.ErrToken) && !errors.Is(err, graphx.ErrThrottled) {
			r.fault = e.Advice
			r.Assigned, r.Groups = nil, nil
			return nil
		}
		if err != nil {
			return err
		}
		if !strings.EqualFold(j.Status, "active") {
			continue // pending, deleting, deleted or in error
		}
		if id, err := entra.CanonicalID(j.Container.ID); err == nil {
			r.Groups = append(r.Groups, id)
		}
		for _, id := range j.Details.ids() {
			if slices.Contains(r.Roles, id) {
				r.Assigned = append(r.Assigned, id)
			}
		}
	}
	slices.Sort(r.Assigned)
	r.Assigned = slices.Compact(r.Assigned)
	slices.Sort(r.Groups)
	r.Groups = slices.Compact(r.Groups)
	return nil
}
