package contacts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	maxStale    = 20 // how often another instance may be ahead before we leave the tenant to it
	maxRestarts = 2  // how often a run may begin anew because its cursor was refused
	maxPlans    = 3  // how often a plan is made anew because a sync was going on
)

// SyncOptions of one [Syncer.Sync]. Nil and the zero value are fine.
type SyncOptions struct {
	// Whole begins anew and lists everybody, whatever was reached before.
	Whole bool
	// AllowMassLeave lets this run mark any number of people as left: an administrator has looked at what
	// [Syncer.Plan] tells.
	AllowMassLeave bool
}

// Report is what became of a sync, or how far it is.
type Report struct {
	Job
	// Whole says that everybody was listed, Resumed that it went on in the middle of an earlier run.
	Whole, Resumed bool
	// Pages and Contacts were read by this call.
	Pages, Contacts int
	// Joined, Changed, Left and Same count people.
	Joined, Changed, Left, Same int
	// Photos is how many pictures were new or gone.
	Photos       int
	Began, Ended time.Time
	// Next is when the next run is due, after a failure the next try.
	Next time.Time
	// Err is why it failed, Why is that in words for an administrator. [ErrTenant] and the like do not mean that somebody
	// has left.
	Err error
	Why string
}

// Sync syncs one tenant now, in the caller's goroutine, from where the last run was, and returns what it did. After an error
// the report tells what was done until then, which stays; another call goes on from there. The end of ctx ends it after
// the page in hand.
func (s *Syncer) Sync(ctx context.Context, j Job, o *SyncOptions) (Report, error) {
	return s.sync(ctx, j, o, func(Report) {})
}

func (s *Syncer) sync(ctx context.Context, j Job, o *SyncOptions, watch func(Report)) (Report, error) {
	if o == nil {
		o = &SyncOptions{}
	}
	r := Report{Job: j, Began: s.o.Now()}
	err := s.check(j)
	if err != nil {
		r.Err, r.Why = err, "this source is not set up here"
		return r, err
	}
	at := &standing{}
	inStep := false
	if err = s.run(ctx, j, o, at, &r, watch); err == nil {
		inStep = true
		err = s.photos(ctx, j, &r, watch)
	}
	r.Ended = s.o.Now()
	if err == nil {
		return r, nil
	}
	r.Err, r.Why = err, s.explain(err)
	if inStep {
		r.Why = "the people are in step, but their pictures are not: " + r.Why
	}
	if ctx.Err() != nil {
		return r, err
	}
	if err := s.failed(ctx, j, at, inStep, &r); err != nil {
		return r, errors.Join(r.Err, fmt.Errorf("contacts: store that a sync failed: %w", err))
	}
	return r, r.Err
}

// standing is where a tenant stood when its sync began, and where it stands as far as this sync knows.
type standing struct {
	failures  int
	rev, runs int64
}

func (st *standing) note(c Checkpoint) { st.rev, st.runs = c.Rev, c.Run }

// forgotten reports whether c is another checkpoint than the one that we had: the source was forgotten meanwhile.
func (st *standing) forgotten(c Checkpoint) bool { return c.Rev < st.rev || c.Run < st.runs }

var errForgotten = fmt.Errorf("contacts: the source was forgotten while the tenant was synced: %w", ErrStale)

// failed stores that a sync has failed, and when the next one is due. What another instance does is not this one's failure,
// and neither is what becomes of a source that was forgotten.
func (s *Syncer) failed(ctx context.Context, j Job, at *standing, inStep bool, r *Report) error {
	if errors.Is(r.Err, ErrStale) {
		c, err := s.dir.Checkpoint(ctx, j.Tenant, j.Source)
		if r.Next = c.DueAt; err == nil && !c.DueAt.IsZero() && c.DueAt.Before(r.Ended.Add(leastRetry)) {
			r.Next = r.Ended.Add(leastRetry)
		}
		return err
	}
	c, err := s.set(ctx, j, func(c *Checkpoint) bool {
		if at.forgotten(*c) {
			return false
		}
		if errors.Is(r.Err, ErrMassLeave) || errors.Is(r.Err, ErrCursor) { // the pages before were no progress
			c.Failures = max(c.Failures, at.failures)
		}
		if errors.Is(r.Err, ErrMassLeave) && c.Rev == at.rev {
			restart(c) // what the pages said may have been the fault: nobody is to leave because of it later
		}
		c.Failures++
		c.Failure, c.FailedAt = r.Why, r.Ended
		if !c.DueAt.IsZero() && !inStep {
			c.DueAt = r.Ended.Add(retryAfter(c.Failures))
		}
		return true
	})
	if err != nil {
		return err
	}
	r.Next = c.DueAt
	s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "contacts: a tenant could not be synced", slog.String("tenant", string(j.Tenant)),
		slog.String("source", j.Source), slog.Int("failures", c.Failures), slog.String("why", r.Why))
	return nil
}

// retryAfter doubles from a minute.
func retryAfter(failures int) time.Duration {
	d := leastRetry
	for range min(failures-1, 20) {
		d = min(2*d, mostRetry)
	}
	return d
}

// run reads and stores pages until the run is complete.
func (s *Syncer) run(ctx context.Context, j Job, o *SyncOptions, st *standing, rep *Report, watch func(Report)) error {
	source := s.sources[j.Source]
	stale, restarts := 0, 0
	at, err := s.dir.Checkpoint(ctx, j.Tenant, j.Source)
	if err != nil {
		return err
	}
	st.failures = at.Failures
	st.note(at)
	// What an administrator allows is what the source says now, not what pages said that were read before.
	if o.Whole || o.AllowMassLeave && at.Running {
		if at, err = s.set(ctx, j, func(c *Checkpoint) bool { restart(c); return true }); err != nil {
			return err
		}
		st.note(at)
	}
	at.Tenant, at.Source = j.Tenant, j.Source
	rep.Resumed = at.Running
	r := resume(source, at, s.o.Limit)
	for {
		p, err := r.fetch(ctx)
		switch {
		case errors.Is(err, ErrCursor) && at.Cursor != "" && restarts < maxRestarts:
			restarts++
			refused := at.Cursor
			at, err = s.set(ctx, j, func(c *Checkpoint) bool {
				if c.Cursor != refused || st.forgotten(*c) {
					return false // another instance has begun anew already
				}
				restart(c)
				return true
			})
			switch {
			case err != nil:
				return err
			case st.forgotten(at):
				return errForgotten
			}
			st.note(at)
			r = resume(source, at, s.o.Limit)
			continue
		case err != nil:
			return err
		}
		b := Batch{At: at, Page: p, Now: s.o.Now(), Known: s.o.Known, MaxLeft: s.o.MaxLeft}
		if o.AllowMassLeave {
			b.MaxLeft = 0
		}
		if s.o.Every > 0 && !at.DueAt.IsZero() {
			b.DueAt = b.Now.Add(s.o.Every)
		}
		done, err := s.dir.Apply(ctx, b)
		if errors.Is(err, ErrStale) {
			if stale++; stale >= maxStale {
				return fmt.Errorf("contacts: another instance is syncing this tenant: %w", err)
			}
			if at, err = s.dir.Checkpoint(ctx, j.Tenant, j.Source); err != nil {
				return err
			}
			if st.forgotten(at) { // to go on would bring back what somebody has just removed
				return errForgotten
			}
			st.note(at)
			if at.DueAt.After(s.o.Now()) && !at.Running { // it has completed the run meanwhile
				rep.Next = at.DueAt
				return nil
			}
			r = resume(source, at, s.o.Limit)
			continue
		}
		if err != nil {
			return err
		}
		rep.add(p, done)
		at = done.At
		st.note(at)
		rep.Next = at.DueAt
		watch(*rep)
		if s.o.Watch != nil {
			s.o.Watch(*rep)
		}
		if rep.Joined+rep.Changed+rep.Left > 0 {
			s.nudged()
		}
		if !p.More {
			return nil
		}
	}
}

// restart makes the next page the first one of a run.
func restart(c *Checkpoint) { c.Cursor, c.Running, c.Whole = "", false, false }

// resume goes on where a checkpoint is.
func resume(source ContactSource, at Checkpoint, limit int) *run {
	r := &run{source: source, q: Query{Tenant: at.Tenant, Cursor: at.Cursor, Limit: limit}}
	if at.Running {
		r.pages, r.whole = int(at.Pages), at.Whole
	}
	return r
}

func (r *Report) add(p Page, done Applied) {
	r.Whole = p.Whole
	r.Pages++
	r.Contacts += len(p.Contacts) + len(p.Removed)
	r.Joined += done.Joined
	r.Changed += done.Changed
	r.Left += done.Left
	r.Same += done.Same
}

// explain puts err into words that may be stored.
func (s *Syncer) explain(err error) string {
	if s.o.Explain != nil {
		if words := s.o.Explain(err); words != "" {
			return words
		}
	}
	var e Explainer
	if errors.As(err, &e) {
		if words := e.Explain(); words != "" {
			return words
		}
	}
	switch {
	case errors.Is(err, ErrTenant):
		return "the source is not set up for this tenant: connect it"
	case errors.Is(err, ErrMassLeave):
		return "so many people would have left that nothing was changed: look at the plan, and allow it if it is right"
	case errors.Is(err, ErrCursor):
		return "the source refuses to go on, again and again: begin a whole run"
	case errors.Is(err, ErrSource):
		return "the source gives pages that contradict each other; nobody was marked as left"
	case errors.Is(err, ErrStale):
		return "another instance was syncing the tenant"
	case errors.Is(err, context.DeadlineExceeded):
		return "the source did not answer in time"
	}
	return "the source could not be read; the log of the source's own package says more"
}

// Plan reads what a sync would read and returns what it would change, without changing anything: the events in their order,
// with the report. The whole tenant is in memory meanwhile.
func (s *Syncer) Plan(ctx context.Context, j Job, o *SyncOptions) (events []Event, r Report, err error) {
	for range maxPlans { // a sync that goes on meanwhile makes a plan void
		if events, r, err = s.plan(ctx, j, o); !errors.Is(err, ErrStale) {
			break
		}
	}
	if err != nil {
		r.Err, r.Why = err, s.explain(err)
	}
	return events, r, err
}

func (s *Syncer) plan(ctx context.Context, j Job, o *SyncOptions) ([]Event, Report, error) {
	r := Report{Job: j, Began: s.o.Now()}
	if err := s.check(j); err != nil {
		return nil, r, err
	}
	at, err := s.dir.Checkpoint(ctx, j.Tenant, j.Source)
	if err != nil {
		return nil, r, err
	}
	at.Tenant, at.Source = j.Tenant, j.Source
	q := Query{Tenant: j.Tenant, Limit: s.o.Limit}
	if !at.Running && (o == nil || !o.Whole) { // in the middle of a run only a whole one tells everything
		q.Cursor = at.Cursor
	}
	restart(&at)
	page, err := collect(ctx, s.sources[j.Source], q, &r)
	if errors.Is(err, ErrCursor) && q.Cursor != "" {
		q.Cursor, r = "", Report{Job: j, Began: r.Began}
		page, err = collect(ctx, s.sources[j.Source], q, &r)
	}
	if err != nil {
		return nil, r, err
	}
	done, err := s.dir.Apply(ctx, Batch{At: at, Page: page, Now: s.o.Now(), Known: s.o.Known, DryRun: true})
	if err != nil {
		return nil, r, err
	}
	r.Whole = page.Whole
	r.Joined, r.Changed, r.Left, r.Same = done.Joined, done.Changed, done.Left, done.Same
	r.Ended = s.o.Now()
	return done.Events, r, nil
}

// collect makes one page of a run. Of who comes more than once the last one counts.
func collect(ctx context.Context, source ContactSource, q Query, r *Report) (Page, error) {
	var all Page
	index := map[string]int{}
	removed := map[string]bool{}
	for p, err := range Pages(ctx, source, q) {
		if err != nil {
			return Page{}, err
		}
		all.Whole = p.Whole
		r.Pages++
		r.Contacts += len(p.Contacts) + len(p.Removed)
		for _, c := range p.Contacts {
			delete(removed, c.ID)
			if i, ok := index[c.ID]; ok {
				all.Contacts[i] = c
				continue
			}
			index[c.ID] = len(all.Contacts)
			all.Contacts = append(all.Contacts, c)
		}
		for _, id := range p.Removed {
			removed[id] = true
		}
	}
	kept := all.Contacts[:0]
	for _, c := range all.Contacts {
		if !removed[c.ID] {
			kept = append(kept, c)
		}
	}
	all.Contacts = kept
	for id := range removed {
		all.Removed = append(all.Removed, id)
	}
	return all, nil
}

// Progress is how far a [Syncer.SyncAll] is.
type Progress struct {
	// Tenants is how many jobs there are, Done how many of them have ended, Failed how many of those with an error.
	Tenants, Done, Failed int
	Pages, Contacts       int
	// Photos is how many pictures were new or gone.
	Photos int
	// Rate is contacts per second since the beginning.
	Rate float64
	// Left is how long the rest will take if it goes on like this; negative where that is not known yet.
	Left time.Duration
	// Last is the report that changed last.
	Last Report
}

// SyncAll syncs many tenants, [SyncerOptions].Parallel at once, and returns a report for each, in the order of jobs. One
// that fails does not stop the others; the error is that of ctx only. progress, which may be nil, is told after each page
// and each tenant, one call at a time.
func (s *Syncer) SyncAll(ctx context.Context, list []Job, o *SyncOptions, progress func(Progress)) ([]Report, error) {
	t := &tally{s: s, began: s.o.Now(), at: make([]Report, len(list)), tell: progress}
	t.p.Tenants = len(list)
	next := make(chan int)
	var all sync.WaitGroup
	for range min(s.o.Parallel, len(list)) {
		all.Go(func() {
			for i := range next {
				r, _ := s.sync(ctx, list[i], o, func(r Report) { t.note(i, r, false) }) // the report has the error
				t.note(i, r, true)
			}
		})
	}
	for i := range list {
		if ctx.Err() != nil {
			t.at[i] = Report{Job: list[i], Err: ctx.Err(), Why: "it was not begun"}
			continue
		}
		next <- i
	}
	close(next)
	all.Wait()
	return t.at, ctx.Err()
}

// tally adds the reports of several tenants up.
type tally struct {
	s     *Syncer
	began time.Time
	tell  func(Progress)

	mu sync.Mutex
	at []Report
	p  Progress
}

func (t *tally) note(i int, r Report, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.Pages += r.Pages - t.at[i].Pages
	t.p.Contacts += r.Contacts - t.at[i].Contacts
	t.p.Photos += r.Photos - t.at[i].Photos
	t.at[i] = r
	if ended {
		t.p.Done++
		if r.Err != nil {
			t.p.Failed++
		}
	}
	spent := t.s.o.Now().Sub(t.began)
	t.p.Left = -1
	if spent > 0 {
		t.p.Rate = float64(t.p.Contacts) / spent.Seconds()
		if t.p.Done > 0 {
			t.p.Left = time.Duration(float64(spent) / float64(t.p.Done) * float64(t.p.Tenants-t.p.Done))
		}
	}
	t.p.Last = r
	if t.tell != nil {
		t.tell(t.p)
	}
}
