package riverqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
)

// jobKind is the kind of the jobs in River, whatever the kind of the stream.
const jobKind = "mspkit_drain"

// args are the arguments of a job: which stream, and the how manieth job of it where others seem to run.
type args struct {
	Stream string `json:"kind"`
	Tenant string `json:"tenant"`
	Key    string `json:"key"`
	Turn   int    `json:"turn"`
}

// Kind is for River.
func (args) Kind() string { return jobKind }

type worker struct {
	river.WorkerDefaults[args]
	q *Queue
}

// Timeout is for River.
func (w *worker) Timeout(*river.Job[args]) time.Duration { return w.q.o.Timeout }

// NextRetry is for River, which takes its own policy where this lies in the past by its clock.
func (w *worker) NextRetry(job *river.Job[args]) time.Time {
	return w.q.o.Now().Add(max(w.q.o.Backoff(max(job.Attempt, 1)), 0) + time.Millisecond)
}

// Work drains a stream until it wants to rest.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	s := mspkit.Stream{Kind: job.Args.Stream, Tenant: mspkit.TenantID(job.Args.Tenant), Key: job.Args.Key}
	if err := s.Validate(); err != nil {
		return river.JobCancel(fmt.Errorf("riverqueue: this is no job of ours: %w", err))
	}
	drain, mine := w.q.begin(s)
	if drain == nil {
		return fmt.Errorf("riverqueue: nobody handles streams of kind %q in this process: call Handle before the client starts", s.Kind)
	}
	if mine == nil { // the other job of this process drains once more; that one stays if this process dies
		return nil
	}
	defer w.q.end(s, mine)
	for round := 1; ; round++ {
		again, err := jobs.Call(ctx, s, drain)
		if err != nil {
			if ctx.Err() != nil { // River sees why, and does not count it where its client stops
				return fmt.Errorf("riverqueue: drain: %w: %w", err, ctx.Err())
			}
			return fmt.Errorf("riverqueue: drain: %w", err)
		}
		next, pause := w.q.rest(s, mine, again, round >= maxRounds || ctx.Err() != nil)
		switch next {
		case stepDone:
			return nil
		case stepRest:
			return river.JobSnooze(pause)
		case stepOn:
		}
	}
}

// begin takes the stream for this process. Where the process is at it, that drains it once more, and mine is nil.
func (q *Queue) begin(s mspkit.Stream) (drain mspkit.Drain, mine *wakes) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if drain = q.drains[s.Kind]; drain == nil {
		return nil, nil
	}
	if w := q.here[s]; w != nil {
		w.add(time.Time{})
		return drain, nil
	}
	mine = &wakes{}
	q.here[s] = mine
	return drain, mine
}

// step is what comes after a drain.
type step int

const (
	stepDone step = iota // nothing is left
	stepRest             // the job comes back later
	stepOn               // drain again
)

// rest says what comes after a drain that wants to be called again at the time. Where that is not at once, or the job has
// to give way, it gives up the stream in the same step, so that no wake is lost.
func (q *Queue) rest(s mspkit.Stream, mine *wakes, again time.Time, giveWay bool) (step, time.Duration) {
	now := q.o.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if mine.any && (again.IsZero() || mine.at.Before(again)) {
		again = mine.at
	} else if again.IsZero() {
		delete(q.here, s)
		return stepDone, 0
	}
	pause := max(again.Sub(now), 0)
	if pause > 0 || giveWay {
		delete(q.here, s)
		return stepRest, pause
	}
	*mine = wakes{}
	return stepOn, 0
}

// end gives up the stream where that was not done: after an error.
func (q *Queue) end(s mspkit.Stream, mine *wakes) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.here[s] == mine {
		delete(q.here, s)
	}
}
