package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

// DeadPost is a post that was refused, or did not get through for too long. It waits for somebody to replay or drop it.
type DeadPost struct {
	Tenant mspkit.TenantID
	// Connection is the id of the connection, ID that of the post.
	Connection, ID string
	// Seq is its place, for the next page of [Service.DeadPosts].
	Seq int64
	// Tries is how often it was tried, Fault why the last try failed, in words.
	Tries int
	Fault string
	// AddedAt is when it was accepted, EndedAt when it became dead.
	AddedAt, EndedAt time.Time
}

func deadPost(it Item) DeadPost {
	return DeadPost{
		Tenant: it.Tenant, Connection: it.Key, ID: it.ID, Seq: it.Seq, Tries: it.Tries, Fault: it.Fault, AddedAt: it.AddedAt, EndedAt: it.EndedAt,
	}
}

// dead is told by the worker, which has logged it.
func (s *Service) dead(ctx context.Context, it Item) {
	if s.o.OnDead != nil {
		s.o.OnDead(ctx, deadPost(it))
	}
}

// DeadPosts lists dead posts of a tenant, oldest first, of one connection or, where that is empty, of all. after is the Seq
// of the last one of the page before; limit is at most 500, and 0 is 100.
func (s *Service) DeadPosts(ctx context.Context, tenant mspkit.TenantID, connection string, after int64, limit int) ([]DeadPost, error) {
	if err := tenant.Validate(); err != nil { // an empty one would be all
		return nil, fmt.Errorf("workflows: dead posts: %w", err)
	}
	its, err := s.posts.List(ctx, Filter{Tenant: tenant, Key: connection, State: backlog.Dead, After: after, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("workflows: dead posts: %w", err)
	}
	out := make([]DeadPost, len(its))
	for i, it := range its {
		out[i] = deadPost(it)
	}
	return out, nil
}

// Counts returns how many posts of a tenant wait and how many are dead.
func (s *Service) Counts(ctx context.Context, tenant mspkit.TenantID) (Counts, error) {
	if err := tenant.Validate(); err != nil {
		return Counts{}, fmt.Errorf("workflows: counts: %w", err)
	}
	c, err := s.posts.Count(ctx, tenant)
	if err != nil {
		return Counts{}, fmt.Errorf("workflows: counts: %w", err)
	}
	return c, nil
}

// PostText returns the text of a post that waits or is dead, for an administrator who decides about it. It is what people
// wrote: escape it, and do not log it. The error is [ErrNotFound], or [ErrState] where it has ended.
func (s *Service) PostText(ctx context.Context, tenant mspkit.TenantID, id string) (string, error) {
	it, err := s.posts.Get(ctx, tenant, id)
	if err != nil {
		return "", fmt.Errorf("workflows: post text: %w", ours(err))
	}
	if len(it.Sealed) == 0 {
		return "", fmt.Errorf("workflows: post text: %w", ErrState)
	}
	b, err := s.bodies.Open(it.Sealed, place(it)...)
	if err != nil {
		return "", fmt.Errorf("workflows: post text: %w", err)
	}
	var p payload
	if err := json.Unmarshal(b, &p); err != nil {
		return "", errors.New("workflows: post text: it is no JSON")
	}
	return p.Text, nil
}

// ReplayPost has a dead post tried again, behind those that wait. The error is [ErrNotFound], or [ErrState] where it is not
// dead.
func (s *Service) ReplayPost(ctx context.Context, tenant mspkit.TenantID, id string) error {
	if err := s.worker.Replay(ctx, tenant, id); err != nil {
		return fmt.Errorf("workflows: replay: %w", ours(err))
	}
	return nil
}

// DropPost gives up a post that is dead or waits; what it says is destroyed. The error is [ErrNotFound], or [ErrState]
// where it has ended or is on its way.
func (s *Service) DropPost(ctx context.Context, tenant mspkit.TenantID, id string) error {
	if err := s.worker.Drop(ctx, tenant, id); err != nil {
		return fmt.Errorf("workflows: drop: %w", ours(err))
	}
	return nil
}

// ReplayPosts has all dead posts of a connection tried again, in the order in which they were accepted: for when its flow
// was mended. It returns how many.
func (s *Service) ReplayPosts(ctx context.Context, tenant mspkit.TenantID, connection string) (int, error) {
	its, err := s.all(ctx, tenant, connection, backlog.Dead)
	if err != nil {
		return 0, fmt.Errorf("workflows: replay: %w", err)
	}
	n := 0
	for _, it := range its {
		err := s.worker.Replay(ctx, tenant, it.ID)
		if err != nil && !settled(err) {
			return n, fmt.Errorf("workflows: replay: %w", err)
		} else if err == nil {
			n++
		}
	}
	return n, nil
}

// dropAll drops what a connection has left.
func (s *Service) dropAll(ctx context.Context, tenant mspkit.TenantID, connection string) error {
	for _, state := range []backlog.State{backlog.Pending, backlog.Dead} {
		its, err := s.all(ctx, tenant, connection, state)
		if err != nil {
			return err
		}
		for _, it := range its {
			if err := s.worker.Drop(ctx, tenant, it.ID); err != nil && !settled(err) {
				return err
			}
		}
	}
	return nil
}

// all lists the posts of a connection in a state, all that there are now.
func (s *Service) all(ctx context.Context, tenant mspkit.TenantID, connection string, state backlog.State) ([]Item, error) {
	if err := tenant.Validate(); err != nil {
		return nil, err
	}
	if connection == "" { // which would be all
		return nil, ErrNotFound
	}
	const page = 500
	var out []Item
	for after := int64(0); ; {
		its, err := s.posts.List(ctx, Filter{Tenant: tenant, Key: connection, State: state, After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		out = append(out, its...)
		if len(its) < page {
			return out, nil
		}
		after = its[len(its)-1].Seq
	}
}

// settled reports whether somebody else did it, or it is in a worker's hand, which does.
func settled(err error) bool {
	return errors.Is(err, backlog.ErrState) || errors.Is(err, backlog.ErrNotFound)
}

// ours returns the sentinel of this package for one of the backlog.
func ours(err error) error {
	switch {
	case errors.Is(err, backlog.ErrNotFound):
		return ErrNotFound
	case errors.Is(err, backlog.ErrState):
		return ErrState
	}
	return err
}
