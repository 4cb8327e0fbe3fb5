package jobs

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// ErrRunning means that the loop runs already.
var ErrRunning = errors.New("jobs: the loop runs already")

// Options are the settings of a [Loop]. The zero value is fine.
type Options struct {
	// Workers is how many streams are drained at once; 0 is 4.
	Workers int
	// PerTenant is how many streams of one tenant are drained at once; 0 is as many as there are workers. It is for drains
	// that wait for what a tenant has set up, which may hang.
	PerTenant int
	// MaxStreams is how many streams may wait; 0 is 100,000, some 30 MB. Where more are woken, half of them is dropped,
	// those due last, and then those of the tenants that have the most: the owner's poll wakes them again.
	MaxStreams int
	// Backoff returns how long to wait after a drain failed so many times in a row, from 1; nil is the function [Backoff].
	Backoff func(fails int) time.Duration
	// Logger is told of drains that fail and of streams that are dropped; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (o *Options) validate() error {
	var errs []error
	if o.Workers < 0 {
		errs = append(errs, fmt.Errorf("option Workers must not be negative, it is %d", o.Workers))
	}
	if o.PerTenant < 0 {
		errs = append(errs, fmt.Errorf("option PerTenant must not be negative, it is %d", o.PerTenant))
	}
	if o.MaxStreams < 0 || o.MaxStreams == 1 {
		errs = append(errs, fmt.Errorf("option MaxStreams must be 2 or more, it is %d", o.MaxStreams))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("jobs: %w: %w", err, mspkit.ErrInvalid)
	}
	return nil
}

const (
	defaultWorkers    = 4
	defaultMaxStreams = 100_000
	firstBackoff      = time.Second
	lastBackoff       = 5 * time.Minute
	// A nap is the longest sleep, so that a clock that was set is noticed.
	nap = time.Minute
)

// Backoff is how long to wait after a drain failed so many times in a row, from 1: 1 s, doubled each time up to 5 minutes,
// with up to half of it taken off at random.
func Backoff(fails int) time.Duration {
	d := lastBackoff
	if fails < 10 {
		d = min(firstBackoff<<max(fails-1, 0), lastBackoff)
	}
	return d - token.Jitter(d/2)
}

// Loop drains streams in this process. It implements [mspkit.Queue].
type Loop struct {
	o    Options
	poke chan struct{} // something may be due or a worker may be free

	mu      sync.Mutex
	drains  map[string]mspkit.Drain
	tasks   map[mspkit.Stream]*task // those that wait and those that are drained
	waiting waiting
	ready   lanes
	seq     uint64
	busy    int
	busyOf  map[mspkit.TenantID]int
	running bool
	dropped int // since the last report
}

var _ mspkit.Queue = (*Loop)(nil)

// task is a stream that has to be drained or is being drained.
type task struct {
	stream mspkit.Stream
	at     time.Time // where it waits
	seq    uint64    // orders those of one time
	index  int       // in waiting; draining or due
	fails  int
	woken  bool // while it is drained, for wakeAt
	wakeAt time.Time
}

// Where a task is that does not wait.
const (
	draining = -1
	due      = -2 // in its lane
)

// New returns a loop; nil options are fine. Nothing happens before [Loop.Run].
func New(o *Options) (*Loop, error) {
	l := &Loop{poke: make(chan struct{}, 1), drains: map[string]mspkit.Drain{}, tasks: map[mspkit.Stream]*task{}, busyOf: map[mspkit.TenantID]int{}}
	if o != nil {
		l.o = *o
	}
	if err := l.o.validate(); err != nil {
		return nil, err
	}
	if l.o.Workers == 0 {
		l.o.Workers = defaultWorkers
	}
	if l.o.MaxStreams == 0 {
		l.o.MaxStreams = defaultMaxStreams
	}
	if l.o.Backoff == nil {
		l.o.Backoff = Backoff
	}
	if l.o.Logger == nil {
		l.o.Logger = slog.New(slog.DiscardHandler)
	}
	if l.o.Now == nil {
		l.o.Now = time.Now
	}
	return l, nil
}

// Handle names who drains the streams of a kind. It is called once for a kind, before the first [Loop.Wake] of it.
func (l *Loop) Handle(kind string, drain mspkit.Drain) error {
	if kind == "" || drain == nil {
		return fmt.Errorf("jobs: handle: a kind and a drain are needed: %w", mspkit.ErrInvalid)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drains[kind] != nil {
		return fmt.Errorf("jobs: handle: kind %q is handled already: %w", kind, mspkit.ErrInvalid)
	}
	l.drains[kind] = drain
	return nil
}

// Wake has s drained at the time at or soon after; the zero time is now. The earliest time wins. A stream that is being
// drained is drained again afterwards. Before [Loop.Run] it is kept until then. The context is not used: a wake does not
// wait for anything.
func (l *Loop) Wake(_ context.Context, s mspkit.Stream, at time.Time) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("jobs: wake: %w", err)
	}
	now := l.o.Now()
	if at.Before(now) {
		at = now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drains[s.Kind] == nil {
		return fmt.Errorf("jobs: wake: nobody handles streams of kind %q: call Handle first: %w", s.Kind, mspkit.ErrInvalid)
	}
	t := l.tasks[s]
	switch {
	case t == nil:
		t = &task{stream: s}
		l.tasks[s] = t
		l.wait(t, at)
	case t.index == due:
		return nil
	case t.index == draining:
		if !t.woken || at.Before(t.wakeAt) {
			t.woken, t.wakeAt = true, at
		}
		return nil
	case at.Before(t.at):
		t.at = at
		heap.Fix(&l.waiting, t.index)
	default:
		return nil
	}
	l.bound(now)
	if l.waiting.Len() > 0 && l.waiting[0] == t {
		l.nudge()
	}
	return nil
}

// wait has t drained at the time.
func (l *Loop) wait(t *task, at time.Time) {
	l.seq++
	t.at, t.seq, t.woken, t.wakeAt = at, l.seq, false, time.Time{}
	heap.Push(&l.waiting, t)
}

// bound gives up half of what waits where that is too much: first what is due last, then of the tenants with the most.
func (l *Loop) bound(now time.Time) {
	if l.waiting.Len()+l.ready.n <= l.o.MaxStreams {
		return
	}
	l.promote(now)
	most := l.o.MaxStreams / 2
	gone := l.ready.cut(most)
	l.waiting.sort() // what is sorted is a heap
	keep := min(most-l.ready.n, l.waiting.Len())
	for i, t := range l.waiting[keep:] {
		gone = append(gone, t)
		l.waiting[keep+i] = nil
	}
	l.waiting = l.waiting[:keep]
	for _, t := range gone {
		delete(l.tasks, t.stream)
	}
	l.dropped += len(gone)
	l.nudge() // to tell of it
}

// promote moves what is due to the lanes.
func (l *Loop) promote(now time.Time) {
	for l.waiting.Len() > 0 && !l.waiting[0].at.After(now) {
		t, _ := heap.Pop(&l.waiting).(*task)
		t.index = due
		l.ready.push(t)
	}
}

func (l *Loop) nudge() {
	select {
	case l.poke <- struct{}{}:
	default:
	}
}
