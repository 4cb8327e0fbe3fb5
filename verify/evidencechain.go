package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mspkit/mspkit"
)

const (
	// chainBatch is how many events one step adds to chains: up to about a tenth of a second, for which an alert may wait.
	chainBatch = 1000
	// chainStuck is how many events of chains that fail are read past to get at those of others.
	chainStuck = 50_000
	// chainLost is how often another instance may be faster at the same head. Once is usual, and twice happens where events
	// and head are read one after the other.
	chainLost = 10
)

// chaining adds events to the chains of their tenants, a step at a time, within one pass.
type chaining struct {
	stuck int                      // events read in the last step that could not be added
	held  map[mspkit.TenantID]bool // tenants whose chain is left alone
	errs  []error
}

// loss is how often another instance was faster at a head.
type loss struct {
	head  int64
	times int
}

// chainNext adds events to their chains and reports whether more may be waiting. A chain that fails is left alone for a
// while, up to a minute; its events are handed over without a link meanwhile.
func (s *Service) chainNext(ctx context.Context, c *chaining) (more bool) {
	c.held = map[mspkit.TenantID]bool{}
	for _, t := range s.held(s.unchained, s.o.Now()) {
		c.held[t] = true
	}
	if c.held[""] {
		return false // the store failed
	}
	limit := chainBatch + c.stuck
	tails, err := s.store.Unchained(ctx, limit)
	if ctx.Err() != nil {
		return false
	}
	s.took(s.unchained, "", err == nil)
	if err != nil {
		c.held[""] = true
		c.errs = append(c.errs, fmt.Errorf("events that are in no chain: %w", err))
		return false
	}
	read, stuck := 0, 0
	for _, t := range tails {
		read += len(t.Events)
		if c.held[t.Tenant] || !s.chainTail(ctx, c, t) {
			stuck += len(t.Events)
		}
	}
	grows := stuck > c.stuck && stuck <= chainStuck
	c.stuck = min(stuck, chainStuck)
	return read >= limit && (stuck < read || grows) && ctx.Err() == nil
}

// chainTail adds t to its chain and reports whether it is in the chain now, by whomever.
func (s *Service) chainTail(ctx context.Context, c *chaining, t Tail) bool {
	s.secrets.evidence.extend(t.Tenant, t.Head, t.Events)
	err := s.store.Chain(ctx, t.Tenant, t.Head.N, t.Events)
	if ctx.Err() != nil {
		return false
	}
	if s.outrun(t, err) {
		return true
	}
	s.took(s.unchained, t.Tenant, err == nil)
	if err != nil {
		c.held[t.Tenant] = true
		c.errs = append(c.errs, fmt.Errorf("the chain of tenant %s cannot go on after number %d: %w", t.Tenant, t.Head.N, err))
	}
	return err == nil
}

// outrun reports whether err means that another instance was faster. That moves the head: where it stays, something else
// is wrong.
func (s *Service) outrun(t Tail, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !errors.Is(err, ErrConflict) {
		delete(s.losses, t.Tenant)
		return false
	}
	l := s.losses[t.Tenant]
	if l.head != t.Head.N {
		l = loss{head: t.Head.N}
	}
	l.times++
	s.losses[t.Tenant] = l
	return l.times < chainLost
}

// ready returns the events that can be handed over with their links: those of a tenant up to its first that is in no chain
// yet. Where the chain fails, they go without.
func (c *chaining) ready(events []Event) []Event {
	waits := map[mspkit.TenantID]bool{}
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool {
		if e.Link.N == 0 && !c.held[""] && !c.held[e.Tenant] {
			waits[e.Tenant] = true
		}
		return waits[e.Tenant]
	})
}
