package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
)

// Run drains streams until ctx ends, and returns nil when the drains in hand, whose context ends with it, have returned.
// What waits then is kept for another Run. It is [ErrRunning] where it runs already.
func (l *Loop) Run(ctx context.Context) error {
	l.mu.Lock()
	if l.running {
		l.mu.Unlock()
		return ErrRunning
	}
	l.running = true
	l.mu.Unlock()
	var wg sync.WaitGroup
	defer func() {
		wg.Wait()
		l.mu.Lock()
		l.running = false
		l.mu.Unlock()
	}()
	timer := time.NewTimer(nap)
	defer timer.Stop()
	for ctx.Err() == nil {
		t, drain, sleep := l.next(ctx)
		if t != nil {
			wg.Go(func() { l.work(ctx, t, drain) })
			continue
		}
		timer.Reset(sleep)
		select {
		case <-ctx.Done():
		case <-l.poke:
		case <-timer.C:
		}
	}
	return nil
}

// next takes the stream that is due, or says how long there is nothing to do unless somebody pokes.
func (l *Loop) next(ctx context.Context) (*task, mspkit.Drain, time.Duration) {
	now := l.o.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped > 0 {
		l.o.Logger.WarnContext(ctx, "jobs: too many streams wait; those due last are left to the owner's poll", slog.Int("dropped", l.dropped))
		l.dropped = 0
	}
	if l.busy >= l.o.Workers {
		return nil, nil, nap
	}
	l.promote(now)
	t := l.ready.pop(func(tenant mspkit.TenantID) bool { return l.o.PerTenant == 0 || l.busyOf[tenant] < l.o.PerTenant })
	switch {
	case t == nil && l.waiting.Len() == 0:
		return nil, nil, nap
	case t == nil:
		return nil, nil, min(l.waiting[0].at.Sub(now), nap)
	}
	t.index = draining
	l.busy++
	l.busyOf[t.stream.Tenant]++
	return t, l.drains[t.stream.Kind], 0
}

// work drains one stream once.
func (l *Loop) work(ctx context.Context, t *task, drain mspkit.Drain) {
	again, err := time.Time{}, errors.New("jobs: the drain ended its goroutine")
	defer func() { l.settle(ctx, t, again, err) }()
	again, err = Call(ctx, t.stream, drain)
}

// Call drains s and makes a panic an error that says where it was, but not with what, which may hold anything.
func Call(ctx context.Context, s mspkit.Stream, drain mspkit.Drain) (again time.Time, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("jobs: the drain panicked: %w\n%s", p, debug.Stack())
		default:
			err = fmt.Errorf("jobs: the drain panicked with a %T\n%s", p, debug.Stack())
		}
	}()
	return drain(ctx, s)
}

// settle puts t back or forgets it after a drain.
func (l *Loop) settle(ctx context.Context, t *task, again time.Time, err error) {
	var pause time.Duration
	if err != nil && ctx.Err() == nil {
		t.fails++
		pause = max(l.o.Backoff(t.fails), 0)
		l.o.Logger.ErrorContext(ctx, "jobs: drain failed", slog.String("kind", t.stream.Kind), slog.String("tenant", string(t.stream.Tenant)),
			slog.String("stream", t.stream.Key), slog.Int("fails", t.fails), slog.Duration("again_in", pause), slog.Any("error", err))
	}
	now := l.o.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	if l.busyOf[t.stream.Tenant]--; l.busyOf[t.stream.Tenant] == 0 {
		delete(l.busyOf, t.stream.Tenant)
	}
	defer l.nudge()
	if err != nil { // at once where it was only told to stop
		again = now.Add(pause)
	} else {
		t.fails = 0
	}
	if t.woken && (again.IsZero() || t.wakeAt.Before(again)) {
		again = t.wakeAt
	}
	if again.IsZero() {
		delete(l.tasks, t.stream)
		return
	}
	if again.Before(now) { // behind those that wait already
		again = now
	}
	l.wait(t, again)
	l.bound(now)
}

// waiting is a heap of tasks by the time at which they are due.
type waiting []*task

func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return compare(w[i], w[j]) < 0 }
func (w waiting) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}

// Push is for container/heap.
func (w *waiting) Push(x any) {
	t, _ := x.(*task)
	t.index = len(*w)
	*w = append(*w, t)
}

// Pop is for container/heap.
func (w *waiting) Pop() any {
	last := len(*w) - 1
	t := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	t.index = draining
	return t
}

func (w waiting) sort() {
	slices.SortFunc(w, compare)
	for i, t := range w {
		t.index = i
	}
}

func compare(a, b *task) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq))
}
