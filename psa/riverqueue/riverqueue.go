package riverqueue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
)

// ErrNoClient means that the queue has no client to insert jobs with.
var ErrNoClient = errors.New("riverqueue: there is no client yet: call Use after river.NewClient")

// Options are the settings of a [Queue]. The zero value is fine.
type Options struct {
	// Queue is the queue of River whose workers drain; empty is [river.QueueDefault]. It has to be one of
	// [river.Config.Queues] of some client, or nothing is drained.
	Queue string
	// Priority is River's, from 1, the highest, to 4; 0 is 1.
	Priority int
	// Timeout is how long a drain may take before its context ends; 0 is 5 minutes. River rescues the job of a killed
	// worker no earlier, so it cannot be turned off.
	Timeout time.Duration
	// MaxAttempts is how often River tries a job whose drain fails before it discards it, which is not the end: the next
	// wake makes a new one. 0 is 25.
	MaxAttempts int
	// Backoff returns how long to wait after a drain failed so many times, from 1. Nil is 1 s, doubled each time up to 5
	// minutes, with up to half of it taken off at random.
	Backoff func(fails int) time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

const (
	defaultTimeout     = 5 * time.Minute
	defaultMaxAttempts = 25
	// A drain that is asked for again while it runs is repeated so many times before other jobs get the worker.
	maxRounds = 10
	// There may be so many jobs of a stream that run or whose workers were killed; then it is left to River's rescue.
	turns = 8
)

func (o *Options) validate() error {
	var errs []error
	if o.Priority < 0 || o.Priority > 4 {
		errs = append(errs, fmt.Errorf("option Priority must be 1 to 4, it is %d", o.Priority))
	}
	if o.Timeout < 0 {
		errs = append(errs, fmt.Errorf("option Timeout must not be negative, it is %s: River would never rescue the job of a killed worker", o.Timeout))
	}
	if o.MaxAttempts < 0 || o.MaxAttempts > 1000 {
		errs = append(errs, fmt.Errorf("option MaxAttempts must be 1 to 1000, it is %d", o.MaxAttempts))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("riverqueue: %w: %w", err, mspkit.ErrInvalid)
	}
	return nil
}

// Client is the part of a [river.Client] that the queue uses; a *river.Client of any driver is one.
type Client interface {
	Insert(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	JobRetry(ctx context.Context, id int64) (*rivertype.JobRow, error)
}

// Queue has streams drained by River's workers. It implements [mspkit.Queue].
type Queue struct {
	o Options

	mu     sync.Mutex
	client Client
	drains map[string]mspkit.Drain
	here   map[mspkit.Stream]*wakes // those that this process drains
}

var _ mspkit.Queue = (*Queue)(nil)

// wakes are those that came during a drain.
type wakes struct {
	any bool
	at  time.Time // the earliest
}

// New returns a queue; nil options are fine.
func New(o *Options) (*Queue, error) {
	q := &Queue{drains: map[string]mspkit.Drain{}, here: map[mspkit.Stream]*wakes{}}
	if o != nil {
		q.o = *o
	}
	if err := q.o.validate(); err != nil {
		return nil, err
	}
	if q.o.Queue == "" {
		q.o.Queue = river.QueueDefault
	}
	if q.o.Priority == 0 {
		q.o.Priority = river.PriorityDefault
	}
	if q.o.Timeout == 0 {
		q.o.Timeout = defaultTimeout
	}
	if q.o.MaxAttempts == 0 {
		q.o.MaxAttempts = defaultMaxAttempts
	}
	if q.o.Backoff == nil {
		q.o.Backoff = jobs.Backoff
	}
	if q.o.Now == nil {
		q.o.Now = time.Now
	}
	return q, nil
}

// AddTo adds the queue's worker to those that the host gives to [river.NewClient]. A process that only wakes needs none;
// its client must then have no workers at all, or [river.Config.SkipUnknownJobCheck].
func (q *Queue) AddTo(workers *river.Workers) error {
	if workers == nil {
		return fmt.Errorf("riverqueue: there are no workers to add to: %w", mspkit.ErrInvalid)
	}
	if err := river.AddWorkerSafely(workers, &worker{q: q}); err != nil {
		return fmt.Errorf("riverqueue: add the worker: %w: %w", err, mspkit.ErrInvalid)
	}
	return nil
}

// Use names the client through which jobs are inserted. It is called once, before the first [Queue.Wake] and before the
// client starts.
func (q *Queue) Use(client Client) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if client == nil || q.client != nil {
		return fmt.Errorf("riverqueue: one client is needed, once: %w", mspkit.ErrInvalid)
	}
	q.client = client
	return nil
}

// Handle names who drains the streams of a kind, once for a kind, before the client starts. Every process whose client
// works on the queue of [Options.Queue] has to handle the same kinds.
func (q *Queue) Handle(kind string, drain mspkit.Drain) error {
	if kind == "" || drain == nil {
		return fmt.Errorf("riverqueue: handle: a kind and a drain are needed: %w", mspkit.ErrInvalid)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.drains[kind] != nil {
		return fmt.Errorf("riverqueue: handle: kind %q is handled already: %w", kind, mspkit.ErrInvalid)
	}
	q.drains[kind] = drain
	return nil
}

// Wake has s drained at the time at or soon after; the zero time is now. The package comment says when that is. It
// inserts a job or finds the one that waits, in its own transaction: it is called after the rows that are to be drained
// were committed.
func (q *Queue) Wake(ctx context.Context, s mspkit.Stream, at time.Time) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("riverqueue: wake: %w", err)
	}
	now := q.o.Now()
	if !at.After(now) {
		at = time.Time{}
	}
	q.mu.Lock()
	client, w := q.client, q.here[s]
	if client != nil && w != nil {
		w.add(at)
		q.mu.Unlock()
		return nil
	}
	q.mu.Unlock()
	if client == nil {
		return ErrNoClient
	}
	err := q.wake(ctx, client, s, at)
	if errors.Is(err, errMoved) {
		err = q.wake(ctx, client, s, at)
	}
	if err != nil {
		return fmt.Errorf("riverqueue: wake: %w", err)
	}
	return nil
}

// errMoved means that a job was brought forward when it was over.
var errMoved = errors.New("the job of the stream is another one now")

// wake inserts the job of the first turn that nobody is at.
func (q *Queue) wake(ctx context.Context, client Client, s mspkit.Stream, at time.Time) error {
	for turn := range turns {
		res, err := client.Insert(ctx, args{Stream: s.Kind, Tenant: string(s.Tenant), Key: s.Key, Turn: turn}, &river.InsertOpts{
			Queue: q.o.Queue, Priority: q.o.Priority, MaxAttempts: q.o.MaxAttempts, ScheduledAt: at, UniqueOpts: unique(),
		})
		if err != nil {
			return err
		}
		job := res.Job
		if !res.UniqueSkippedAsDuplicate {
			return nil
		}
		if job.State != rivertype.JobStateRunning {
			when := at
			if when.IsZero() {
				when = q.o.Now()
			}
			if !job.ScheduledAt.After(when) {
				return nil
			}
			if _, err = client.JobRetry(ctx, job.ID); err != nil {
				return fmt.Errorf("%w: %w", errMoved, err)
			}
			return nil
		}
		// It may be past its last look at the rows, or its worker may be killed. Another one that begins now sees what
		// there is, or comes back when the lease of that one ends.
	}
	return nil
}

// unique is one job of a stream and turn that is not over.
func unique() river.UniqueOpts {
	return river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}}
}

func (w *wakes) add(at time.Time) {
	if !w.any || at.Before(w.at) {
		w.any, w.at = true, at
	}
}
