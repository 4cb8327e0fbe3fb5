package gdap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// problemPrefix begins the problems of connections that this package notes, which it may take back. Those of others stay.
const problemPrefix = "GDAP: "

// Connect connects a tenant of the host's, of [Options.Owner], to a customer of [Partner.Customers] for an integration. The
// connection ends with the customer's relationships unless [Partner.Refresh] finds that they were extended. Roles that are
// missing are the connection's Problem and no error. The error is [ErrRelationship] where no relationship works, and
// [entra.ErrOwned] or [entra.ErrTaken] where the store refuses.
func (p *Partner) Connect(ctx context.Context, customer Customer, tenant mspkit.TenantID, integration string) (entra.Connection, error) {
	if err := p.hasConnections(); err != nil {
		return entra.Connection{}, err
	}
	now := p.o.Now()
	id, err := entra.CanonicalID(customer.EntraID)
	switch {
	case err != nil:
		return entra.Connection{}, err
	case id == p.o.PartnerTenant:
		return entra.Connection{}, fmt.Errorf("gdap: the partner's own tenant is no customer: %w", mspkit.ErrInvalid)
	case !customer.Works(now):
		return entra.Connection{}, &refusal{text: customer.without(now), is: ErrRelationship}
	}
	c := entra.Connection{
		Tenant: tenant, Owner: p.o.Owner, Integration: integration, EntraID: id, Domain: customer.Domain, Name: customer.Name,
		Via: entra.ViaGDAP, ConnectedAt: now, ExpiresAt: customer.EndsAt, Problem: noted(customer.Problem),
	}
	if c.Problem != "" {
		c.CheckedAt = now
	}
	if err := p.o.Connections.Connect(ctx, c); err != nil {
		return entra.Connection{}, fmt.Errorf("gdap: connect the tenant %q: %w", tenant, err)
	}
	p.tokens.forget(id)
	return c, nil
}

func (p *Partner) hasConnections() error {
	if p.o.Connections == nil {
		return fmt.Errorf("gdap: Options.Connections is not set: %w", mspkit.ErrInvalid)
	}
	return nil
}

func noted(problem string) string {
	if problem == "" {
		return ""
	}
	return problemPrefix + problem
}

// Refreshed is what [Partner.Refresh] found.
type Refreshed struct {
	// Customers are all customers, as [Partner.Customers] lists them.
	Customers []Customer
	// Connected is how many connections of the owner were made by this package. Of these Updated got a new end, name or
	// problem, and Ended have no relationship any more that works.
	Connected, Updated, Ended int
}

// Refresh lists the customers and brings the connections of [Options.Owner] up to date that were made by [Partner.Connect]:
// their end, their name, and as their Problem a relationship that has ended or lacks roles. It releases none and deletes
// nothing. A connection that cannot be updated does not keep it from the others; the error joins what went wrong. Call it
// daily, on one instance: an extension that it has not seen ends a connection. A connection is read again right before it is
// written; one that is released in that very moment may come back.
func (p *Partner) Refresh(ctx context.Context) (Refreshed, error) {
	if err := p.hasConnections(); err != nil {
		return Refreshed{}, err
	}
	customers, err := p.Customers(ctx)
	if err != nil {
		return Refreshed{}, err
	}
	connections, err := p.o.Connections.Connections(ctx, p.o.Owner)
	if err != nil {
		return Refreshed{}, fmt.Errorf("gdap: list the connections: %w", err)
	}
	byID := make(map[string]Customer, len(customers))
	for _, c := range customers {
		byID[c.EntraID] = c
	}
	res := Refreshed{Customers: customers}
	var errs []error
	for _, c := range connections {
		if c.Via != entra.ViaGDAP {
			continue
		}
		res.Connected++
		customer, ok := byID[c.EntraID]
		if !ok {
			customer.Problem = "the partner has no relationship with this customer any more: ask the customer to approve a new one"
		}
		works := customer.Works(p.o.Now())
		if !works {
			res.Ended++
		}
		updated, err := p.update(ctx, c, customer, works)
		if updated {
			res.Updated++
		}
		if err != nil && !errors.Is(err, entra.ErrNotConnected) { // it was released meanwhile
			errs = append(errs, fmt.Errorf("gdap: refresh the connection of %q: %w", c.Tenant, err))
		}
	}
	return res, errors.Join(errs...)
}

// update writes what has changed of one connection.
func (p *Partner) update(ctx context.Context, c entra.Connection, customer Customer, works bool) (bool, error) {
	next := c
	if works {
		next.ExpiresAt = customer.EndsAt
		if customer.Name != "" {
			next.Name = customer.Name
		}
		if customer.Domain != "" {
			next.Domain = customer.Domain
		}
	}
	updated := false
	if !next.ExpiresAt.Equal(c.ExpiresAt) || next.Name != c.Name || next.Domain != c.Domain {
		// Read again right before it is written: who has released it since the list was read must not get it back, and what
		// was noted meanwhile stays.
		now, err := p.o.Connections.Connection(ctx, c.Tenant, c.Integration)
		if err != nil {
			return false, err
		}
		if now.EntraID != c.EntraID || now.Owner != c.Owner || now.Via != c.Via {
			return false, entra.ErrNotConnected
		}
		now.ExpiresAt, now.Name, now.Domain = next.ExpiresAt, next.Name, next.Domain
		if err := p.o.Connections.Connect(ctx, now); err != nil {
			return false, err
		}
		c, updated = now, true
	}
	problem := noted(customer.Problem)
	if problem == c.Problem || problem == "" && !strings.HasPrefix(c.Problem, problemPrefix) {
		return updated, nil
	}
	if err := p.o.Connections.Checked(ctx, c.Tenant, c.Integration, p.o.Now(), problem); err != nil {
		return updated, err
	}
	if !works {
		p.tokens.forget(c.EntraID)
	}
	return true, nil
}
