package graphentra

import (
	"context"
	"fmt"
	"sync"

	"github.com/mspkit/mspkit"
)

// ManyOptions configure [Client.PlanMany].
type ManyOptions struct {
	// Workers is how many tenants are read at once; 0 is 8. Within a tenant requests follow each other, at most [Options].Rate a second.
	Workers int
	// Progress is told of each tenant when it is over; nil is not told. It is called by one goroutine at a time.
	Progress func(ManyProgress)
}

// ManyProgress is how far a [Client.PlanMany] is.
type ManyProgress struct {
	// Over of Total tenants are over. Of them Changes have something to do, and Failed could not be read.
	Over, Total, Changes, Failed int
	// Last is the tenant that is over now.
	Last TenantPlan
}

// TenantPlan is the plan of one tenant, or why there is none.
type TenantPlan struct {
	Tenant mspkit.TenantID
	Plan   *Plan
	Err    error
}

// PlanMany plans in many tenants, with a bounded number at once. desired says what is desired in each; it is called by several
// goroutines, and its error is that of the tenant. A tenant that cannot be read does not keep the others from being read: its error
// is in its place. The result has the order of tenants, and the error is that of ctx alone: what was not begun has it as well.
func (c *Client) PlanMany(ctx context.Context, tenants []mspkit.TenantID, desired func(context.Context, mspkit.TenantID) (Desired, error), o *ManyOptions) ([]TenantPlan, error) {
	if o == nil {
		o = &ManyOptions{}
	}
	if desired == nil || o.Workers < 0 {
		return nil, fmt.Errorf("graphentra: many plans need to know what is desired, and workers: %w", mspkit.ErrInvalid)
	}
	workers := o.Workers
	if workers == 0 {
		workers = 8
	}
	var (
		out  = make([]TenantPlan, len(tenants))
		next = make(chan int)
		wg   sync.WaitGroup
		mu   sync.Mutex
		now  = ManyProgress{Total: len(tenants)}
	)
	over := func(i int) {
		mu.Lock()
		defer mu.Unlock()
		now.Over++
		now.Last = out[i]
		switch {
		case out[i].Err != nil:
			now.Failed++
		case !out[i].Plan.Empty():
			now.Changes++
		}
		if o.Progress != nil {
			o.Progress(now)
		}
	}
	for range min(workers, len(tenants)) {
		wg.Go(func() {
			for i := range next {
				out[i].Plan, out[i].Err = c.planOne(ctx, tenants[i], desired)
				over(i)
			}
		})
	}
	for i, id := range tenants {
		out[i].Tenant = id
	}
	for i := range tenants {
		if ctx.Err() == nil {
			select {
			case next <- i:
				continue
			case <-ctx.Done():
			}
		}
		out[i].Err = ctx.Err()
		over(i)
	}
	close(next)
	wg.Wait()
	return out, ctx.Err()
}

func (c *Client) planOne(ctx context.Context, id mspkit.TenantID, desired func(context.Context, mspkit.TenantID) (Desired, error)) (*Plan, error) {
	d, err := desired(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("graphentra: what is desired in %s: %w", id, err)
	}
	return c.Plan(ctx, id, d)
}
