package graphentra

import (
	"context"
	"fmt"

	"github.com/mspkit/mspkit"
)

// Plan reads the tenant and returns what there is to do for the application to be as desired. It writes nothing. Its errors are of
// type [*Error].
func (c *Client) Plan(ctx context.Context, id mspkit.TenantID, d Desired) (*Plan, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	p, err := c.plan(ctx, id, &d)
	if err != nil {
		c.audit(ctx, id, "plan", err)
	}
	return p, err
}

func (c *Client) plan(ctx context.Context, id mspkit.TenantID, d *Desired) (*Plan, error) {
	p := &Plan{ID: newPlanID(), Tenant: id, Key: d.Key, AppID: d.AppID, Made: c.now().UTC()}
	t, err := c.open(ctx, id, d.Key, d.AppID, p.ID)
	if err != nil {
		return nil, err
	}
	t.seen = &seen{}
	graph, err := t.resource(ctx, GraphAppID)
	if err != nil {
		return nil, t.failed("plan", nil, err)
	}
	p.Graph = graph.id
	b := &builder{p}
	for _, part := range parts() {
		if err := part.plan(ctx, t, d, b); err != nil {
			return nil, t.failed("plan", nil, err)
		}
	}
	if len(p.Steps) > maxSteps {
		return nil, t.failed("plan", nil, because(mspkit.ErrInvalid, fmt.Errorf("%d steps", len(p.Steps)), "There is more to do than one plan may hold: assign groups instead of people."))
	}
	return p, nil
}
