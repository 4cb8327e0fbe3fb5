package securesend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mspkit/mspkit"
)

// Run hands events to the recorder, ends what is over, deletes the files of what has ended and forgets what is old, until ctx
// ends; then it finishes the work in hand and returns nil. Failures are logged and tried again: a tenant whose recorder
// fails waits, up to a minute, and holds nobody up. Any number of instances may run. What has ended cannot be opened even
// where nothing runs: Run only cleans up.
func (s *Service) Run(ctx context.Context) error {
	pause := s.o.Poll
	for ctx.Err() == nil {
		err, broken := s.pass(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "securesend: background work failed, it is tried again", slog.Any("error", err))
		}
		if broken {
			pause = min(pause*2, time.Minute)
			sleep(ctx, pause, nil)
			continue
		}
		pause = s.o.Poll
		sleep(ctx, pause, s.wake)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}

// RunOnce does everything that is due once, for hosts that bring their own scheduler. It reports every failure and still
// does the rest.
func (s *Service) RunOnce(ctx context.Context) error {
	err, _ := s.pass(ctx)
	return err
}

const batch = 100

// pass does what is due and reports whether the store failed, as opposed to somebody's recorder or blob store.
func (s *Service) pass(ctx context.Context) (_ error, broken bool) { //nolint:revive // the failure of the store is the rarer outcome
	now := s.now()
	var errs []error
	for ctx.Err() == nil {
		n, err := s.store.Expire(ctx, now, batch)
		errs = append(errs, wrap("expire", err))
		if n < batch || err != nil {
			break
		}
	}
	recorders, err := s.handOver(ctx)
	errs = append(errs, wrap("hand over events", err))
	blobs, err := s.bury(ctx)
	errs = append(errs, wrap("delete files", err))
	_, err = s.store.DeleteExpired(ctx, now.Add(-s.o.Retention), now, 10*batch)
	errs = append(errs, wrap("delete", err))
	store := errors.Join(errs...)
	return errors.Join(store, wrap("hand over events", recorders), wrap("delete files", blobs)), store != nil
}

// bury deletes the files of what has ended. A record forgets its files only after they are gone, so that a crash leaves
// none behind.
func (s *Service) bury(ctx context.Context) (blobs, store error) {
	if len(s.regions) == 0 {
		return nil, nil
	}
	var failed []error
	regions := s.regions
	for ctx.Err() == nil && len(regions) > 0 {
		dead, err := s.store.Dead(ctx, regions, batch)
		if err != nil || len(dead) == 0 {
			return errors.Join(failed...), err
		}
		broken := map[string]bool{}
		for _, d := range dead {
			if broken[d.Region] {
				continue
			}
			if err := s.o.Blobs[d.Region].Delete(ctx, d.Ref); err != nil {
				broken[d.Region] = true
				failed = append(failed, fmt.Errorf("region %q: %w", d.Region, err))
				continue
			}
			if err := s.store.Forget(ctx, d.Ref); err != nil && !errors.Is(err, ErrNotFound) {
				return errors.Join(failed...), err
			}
		}
		var left []string
		for _, r := range regions {
			if !broken[r] {
				left = append(left, r)
			}
		}
		regions = left
	}
	return errors.Join(failed...), nil
}

// holdback is a tenant whose recorder failed.
type holdback struct {
	until time.Time
	pause time.Duration
}

// held returns the tenants to be left alone at now.
func (s *Service) held(now time.Time) []mspkit.TenantID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mspkit.TenantID
	for t, h := range s.holdbacks {
		if now.Before(h.until) {
			out = append(out, t)
		}
	}
	return out
}

// took notes whether the recorder took an event of a tenant.
func (s *Service) took(t mspkit.TenantID, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok {
		delete(s.holdbacks, t)
		return
	}
	h := s.holdbacks[t]
	h.pause = min(max(2*h.pause, s.o.Poll), time.Minute)
	h.until = s.now().Add(h.pause)
	s.holdbacks[t] = h
}

// handOver gives every stored event to the recorder, in order. Where the recorder fails, the tenant's later events wait and
// those of other tenants go on.
func (s *Service) handOver(ctx context.Context) (recorders, store error) {
	var errs []error
	q := EventQuery{Limit: batch, Skip: s.held(s.now())}
	for ctx.Err() == nil {
		events, err := s.store.Events(ctx, q)
		if err != nil {
			return errors.Join(errs...), err
		}
		if len(events) == 0 {
			break
		}
		failed := map[mspkit.TenantID]bool{}
		taken := make([]string, 0, len(events))
		for _, e := range events {
			if ctx.Err() != nil {
				break
			}
			if failed[e.Tenant] {
				continue
			}
			if err := s.record(ctx, e); err != nil {
				failed[e.Tenant] = true
				s.took(e.Tenant, false)
				q.Skip = append(q.Skip, e.Tenant)
				errs = append(errs, err)
				continue
			}
			s.took(e.Tenant, true)
			taken = append(taken, e.ID)
		}
		// What the recorder took is acknowledged even where ctx has ended since.
		if err := s.store.AckEvents(context.WithoutCancel(ctx), taken); err != nil {
			return errors.Join(errs...), err
		}
	}
	return errors.Join(errs...), nil
}

// record hands one event over. A recorder that panics has failed.
func (s *Service) record(ctx context.Context, e Event) error {
	if s.o.Recorder == nil {
		return nil
	}
	rctx, cancel := s.bounded(context.WithoutCancel(ctx)) // the work in hand is finished
	defer cancel()
	return call(func() error { return s.o.Recorder.Record(rctx, e) })
}
