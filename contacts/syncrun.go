package contacts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
)

// ErrRunning means that [Syncer.Run] is running already.
var ErrRunning = errors.New("contacts: the syncer runs already")

const (
	duePage    = 1000
	eventPage  = 200
	mostEvents = 1000
	photoList  = 500  // people whose picture is due, read at once
	photoPage  = 100  // pictures in memory at once
	maxPhotos  = 2000 // pictures that one run looks at, so that the next run of the tenant is not held up
	maxTenants = 20   // tenants whose hook fails, in one round
)

// Run syncs what is due and tells the hook, until ctx ends; then it finishes the page in hand and returns nil. Failures
// are stored, logged and tried again. Any number of instances may run, each Syncer once at a time: the second Run of one
// is [ErrRunning].
func (s *Syncer) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer s.running.Store(false)
	var all sync.WaitGroup
	if s.loop != nil {
		all.Go(func() {
			if err := s.loop.Run(ctx); err != nil {
				s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "contacts: the loop ended", slog.Any("error", err))
			}
		})
	}
	if s.o.Hook != nil {
		all.Go(func() { jobs.Repeat(ctx, s.o.Poll, s.nudge, s.tell, s.troubled) })
	}
	jobs.Repeat(ctx, s.o.Poll, nil, s.wake, s.troubled)
	all.Wait()
	return nil
}

// RunOnce syncs what is due and tells the hook, once, in this goroutine, for a host that has a timer instead of a
// long-lived process. It does not use the queue. It returns nil when ctx ends after the work in hand; what failed is in
// the checkpoints, and the error tells of the directory and the hook only.
func (s *Syncer) RunOnce(ctx context.Context) error {
	var errs []error
	seen := map[Job]bool{}
	for ctx.Err() == nil {
		list, err := s.due(ctx, seen)
		if err != nil {
			errs = append(errs, err)
		}
		for _, j := range list {
			if ctx.Err() != nil {
				break
			}
			seen[j] = true
			if _, err := s.Drain(ctx, j.stream()); err != nil {
				errs = append(errs, err)
			}
		}
		if len(list) == 0 {
			break
		}
	}
	if s.o.Hook != nil && ctx.Err() == nil {
		errs = append(errs, s.tell(ctx))
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end of ctx is no failure
	}
	return errors.Join(errs...)
}

func (s *Syncer) troubled(ctx context.Context, err error) {
	s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "contacts: background work failed, it is tried again", slog.Any("error", err))
}

func (s *Syncer) nudged() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// wake tells the queue of what is due.
func (s *Syncer) wake(ctx context.Context) error {
	list, err := s.due(ctx, nil)
	if err != nil {
		return err
	}
	for _, j := range list {
		if err := s.queue.Wake(ctx, j.stream(), time.Time{}); err != nil {
			return fmt.Errorf("contacts: wake a stream: %w", err)
		}
	}
	return nil
}

// due returns what is due of this syncer's sources, but for what is in skip, the earliest first. The directory may have
// those of other programs, too, which may be due for ever: where they leave no room for ours, all are looked at.
func (s *Syncer) due(ctx context.Context, skip map[Job]bool) ([]Job, error) {
	now := s.o.Now()
	list, err := s.dir.Due(ctx, now, duePage)
	if err != nil {
		return nil, fmt.Errorf("contacts: look for what is due: %w", err)
	}
	ours := s.ours(list, skip)
	if len(list) < duePage || len(ours) == len(list) {
		return ours, nil
	}
	all, err := s.dir.Checkpoints(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("contacts: look for what is due: %w", err)
	}
	all = slices.DeleteFunc(all, func(c Checkpoint) bool { return c.DueAt.IsZero() || c.DueAt.After(now) })
	slices.SortStableFunc(all, func(a, b Checkpoint) int { return a.DueAt.Compare(b.DueAt) })
	ours = s.ours(all, skip)
	return ours[:min(duePage, len(ours))], nil
}

func (s *Syncer) ours(list []Checkpoint, skip map[Job]bool) []Job {
	var out []Job
	for _, c := range list {
		if j := (Job{Tenant: c.Tenant, Source: c.Source}); !skip[j] && s.sources[j.Source] != nil {
			out = append(out, j)
		}
	}
	return out
}

// tell hands events to the hook. A tenant whose event fails waits with all later ones, the others do not.
func (s *Syncer) tell(ctx context.Context) error {
	var errs []error
	failed := map[mspkit.TenantID]bool{}
	for limit := eventPage; ctx.Err() == nil && len(failed) < maxTenants; {
		list, err := s.dir.Unhandled(ctx, s.o.Consumer, limit)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("contacts: read events: %w", err))...)
		}
		done := map[mspkit.TenantID]int64{}
		for _, e := range list {
			if failed[e.Tenant] || ctx.Err() != nil {
				continue
			}
			if err := s.o.Hook(ctx, e); err != nil {
				failed[e.Tenant] = true
				errs = append(errs, fmt.Errorf("contacts: the hook failed for %s: %w", e.Tenant, err))
				continue
			}
			done[e.Tenant] = e.Seq
		}
		for tenant, seq := range done {
			// Also where ctx has ended: what was handled is not to be handled again.
			if err := s.dir.Handled(context.WithoutCancel(ctx), s.o.Consumer, tenant, seq); err != nil {
				return errors.Join(append(errs, fmt.Errorf("contacts: store what was handled: %w", err))...)
			}
		}
		if len(list) < limit {
			break
		}
		if len(done) == 0 { // the page holds only tenants that wait
			if limit == mostEvents {
				break
			}
			limit = min(2*limit, mostEvents)
		}
	}
	return errors.Join(errs...)
}

// photos looks at the pictures that are due.
func (s *Syncer) photos(ctx context.Context, j Job, r *Report, watch func(Report)) error {
	source := s.o.Photos[j.Source]
	if source == nil {
		return nil
	}
	for looked := 0; looked < maxPhotos; {
		now := s.o.Now()
		due, err := s.dir.PhotosDue(ctx, j.Tenant, j.Source, now.Add(-s.o.PhotoEvery), photoList)
		if err != nil {
			return fmt.Errorf("contacts: look for pictures that are due: %w", err)
		}
		for list := range slices.Chunk(due, photoPage) {
			if err := s.photoPage(ctx, source, j.Tenant, list, now, r); err != nil {
				return err
			}
			watch(*r)
		}
		if looked += len(due); len(due) < photoList {
			break
		}
	}
	return nil
}

func (s *Syncer) photoPage(ctx context.Context, source PhotoSource, tenant mspkit.TenantID, list []PhotoDue, now time.Time, r *Report) error {
	got, err := source.FetchPhotos(ctx, tenant, list)
	if err != nil {
		return fmt.Errorf("contacts: read pictures: %w", err)
	}
	if len(got) != len(list) {
		return fmt.Errorf("%w: it gives %d pictures for %d people", ErrSource, len(got), len(list))
	}
	photos := make(map[string]Photo, len(list))
	for i, p := range got {
		p.CheckedAt = now
		photos[list[i].ID] = p
		if p.Version != list[i].Version {
			r.Photos++
		}
	}
	err = s.dir.SetPhotos(ctx, tenant, photos)
	if errors.Is(err, mspkit.ErrInvalid) {
		err = s.usable(ctx, tenant, list, photos, r)
	}
	if err != nil {
		return fmt.Errorf("contacts: store pictures: %w", err)
	}
	return nil
}

// usable stores pictures one by one, because one of them is none: whose it is has no picture until the next look.
func (s *Syncer) usable(ctx context.Context, tenant mspkit.TenantID, list []PhotoDue, photos map[string]Photo, r *Report) error {
	for _, d := range list {
		p := photos[d.ID]
		err := s.dir.SetPhotos(ctx, tenant, map[string]Photo{d.ID: p})
		if errors.Is(err, mspkit.ErrInvalid) {
			s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "contacts: a source gave a picture that cannot be used",
				slog.String("tenant", string(tenant)), slog.String("contact", d.ID))
			if p.Version != d.Version && d.Version == "" {
				r.Photos-- // there was none and there is none
			}
			err = s.dir.SetPhotos(ctx, tenant, map[string]Photo{d.ID: {CheckedAt: p.CheckedAt}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
