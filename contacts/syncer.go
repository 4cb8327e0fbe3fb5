package contacts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
)

// SyncKind is the kind of the syncer's streams. Their key is the name of the source.
const SyncKind = "contacts-sync"

// The defaults of [SyncerOptions].
const (
	// DefaultEvery is how long after the end of a run the next one begins.
	DefaultEvery = 15 * time.Minute
	// DefaultParallel is how many tenants are synced at once.
	DefaultParallel = 8
	// DefaultMaxLeft is the share of a tenant's people that one run may mark as left.
	DefaultMaxLeft = 0.5
	// DefaultPhotoEvery is how often a picture is looked at.
	DefaultPhotoEvery = 7 * 24 * time.Hour
	// DefaultPoll is how often it is looked for what is due.
	DefaultPoll = 30 * time.Second
)

const (
	leastRetry, mostRetry = time.Minute, 6 * time.Hour
	defaultConsumer       = "syncer"
)

// Job is one tenant to be synced from one source.
type Job struct {
	Tenant mspkit.TenantID
	// Source is the name under which the source was given to [NewSyncer].
	Source string
}

func (j Job) stream() mspkit.Stream {
	return mspkit.Stream{Kind: SyncKind, Tenant: j.Tenant, Key: j.Source}
}

// SyncerOptions of a [Syncer]. Nil and the zero value are fine.
type SyncerOptions struct {
	// Queue says when which tenant is synced; nil is a loop within [Syncer.Run], for one process.
	Queue mspkit.Queue
	// Every is how long after the end of a run the next one begins: 0 means [DefaultEvery]; negative never by itself.
	Every time.Duration
	// Parallel is how many tenants are synced at once by [Syncer.SyncAll] and by the loop: 0 means [DefaultParallel].
	Parallel int
	// Limit is the most contacts of a page; 0 leaves it to the source.
	Limit int
	// Known is how long the addresses of those who are listed for the first time are taken to be known already. Zero counts
	// them as new, so that the freshness guard of package verify holds for everybody in the first days.
	Known time.Duration
	// MaxLeft is the largest share of a tenant's people that one whole run may mark as left: 0 means [DefaultMaxLeft],
	// negative allows everything.
	MaxLeft float64
	// Explain puts an error of a source into words for an administrator. What it returns is stored and shown, so it must
	// not hold what is secret. Where it is nil or returns "", the error is asked itself, see [Explainer].
	Explain func(error) string
	// Hook is told of everybody who joined, changed or left, at least once, in order per tenant, from within [Syncer.Run]
	// or RunOnce. After an error the event comes again, later each time. Where several instances run, each may tell of the
	// same event, one of them after the other has told of later ones: Tenant and Seq say which it is.
	// An error holds up the tenant's later events, so return one for what may work again only: a manager who is not there any
	// more ([ErrNotFound]) is none.
	Hook func(ctx context.Context, e Event) error
	// Consumer is the name under which it is stored what Hook has handled: "syncer" where empty.
	Consumer string
	// Photos are the pictures of sources by name; they are looked at after a run, each every PhotoEvery: 0 means
	// [DefaultPhotoEvery].
	Photos     map[string]PhotoSource
	PhotoEvery time.Duration
	// Watch is told after each page how far a run is. It must return soon.
	Watch func(Report)
	// Poll is how often Run looks for what is due: 0 means [DefaultPoll].
	Poll time.Duration
	// Logger gets what fails; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Explainer is implemented by errors that can say in words for an administrator what is wrong and what to do. The words
// are stored and shown: they hold nothing secret.
type Explainer interface {
	Explain() string
}

func (o *SyncerOptions) withDefaults() (SyncerOptions, error) {
	var out SyncerOptions
	if o != nil {
		out = *o
	}
	var errs []error
	if out.Limit < 0 || out.Parallel < 0 || out.Known < 0 || out.PhotoEvery < 0 || out.Poll < 0 {
		errs = append(errs, fmt.Errorf("contacts: Limit, Parallel, Known, PhotoEvery and Poll of SyncerOptions cannot be negative: %w", mspkit.ErrInvalid))
	}
	if out.MaxLeft > 1 {
		errs = append(errs, fmt.Errorf("contacts: SyncerOptions.MaxLeft is a share between 0 and 1: %w", mspkit.ErrInvalid))
	}
	out.Every = cmp.Or(out.Every, DefaultEvery)
	out.Parallel = cmp.Or(out.Parallel, DefaultParallel)
	out.PhotoEvery = cmp.Or(out.PhotoEvery, DefaultPhotoEvery)
	out.Poll = cmp.Or(out.Poll, DefaultPoll)
	switch {
	case out.MaxLeft == 0:
		out.MaxLeft = DefaultMaxLeft
	case out.MaxLeft < 0:
		out.MaxLeft = 0
	}
	out.Consumer = cmp.Or(out.Consumer, defaultConsumer)
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out, errors.Join(errs...)
}

// Syncer keeps a [Directory] in step with its sources: a whole run first, changes afterwards, each page stored together
// with where the next one is. It is safe for concurrent use, and any number of instances may share a directory; where two
// work on the same tenant, one of them loses a page and goes on from where the other is.
type Syncer struct {
	dir     Directory
	sources map[string]ContactSource
	o       SyncerOptions
	queue   mspkit.Queue
	loop    *jobs.Loop // nil where the host has a queue
	running atomic.Bool
	nudge   chan struct{}
}

// NewSyncer returns a syncer from sources, each with its name, such as "entra", which is the key in [Contact.Sources] and
// stays the same for ever. It registers with the queue; nothing runs before [Syncer.Run].
func NewSyncer(dir Directory, sources map[string]ContactSource, o *SyncerOptions) (*Syncer, error) {
	opts, err := o.withDefaults()
	errs := []error{err}
	if dir == nil || len(sources) == 0 {
		errs = append(errs, fmt.Errorf("contacts: a syncer needs a directory and sources: %w", mspkit.ErrInvalid))
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if sources[name] == nil || (mspkit.Ticket{System: name, ID: "1"}).Validate() != nil || name == "" {
			errs = append(errs, fmt.Errorf("contacts: the source %q is nil, or its name cannot be used: %w", name, mspkit.ErrInvalid))
		}
	}
	for name := range opts.Photos {
		if sources[name] == nil {
			errs = append(errs, fmt.Errorf("contacts: SyncerOptions.Photos names %q, which is no source: %w", name, mspkit.ErrInvalid))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := &Syncer{dir: dir, sources: maps.Clone(sources), o: opts, queue: opts.Queue, nudge: make(chan struct{}, 1)}
	if s.queue == nil {
		if s.loop, err = jobs.New(&jobs.Options{Workers: opts.Parallel, Logger: opts.Logger, Now: opts.Now}); err != nil {
			return nil, err
		}
		s.queue = s.loop
	}
	if err := s.queue.Handle(SyncKind, s.Drain); err != nil {
		return nil, err
	}
	return s, nil
}

// check reports whether a job can be done here.
func (s *Syncer) check(j Job) error {
	if err := j.Tenant.Validate(); err != nil {
		return err
	}
	if s.sources[j.Source] == nil {
		return fmt.Errorf("contacts: there is no source %q: %w", j.Source, mspkit.ErrInvalid)
	}
	return nil
}

// Schedule has a tenant synced at a time, the zero time is now, and regularly afterwards.
func (s *Syncer) Schedule(ctx context.Context, j Job, at time.Time) error {
	if err := s.check(j); err != nil {
		return err
	}
	if at.IsZero() {
		at = s.o.Now()
	}
	if _, err := s.set(ctx, j, func(c *Checkpoint) bool { c.DueAt = at; return true }); err != nil {
		return err
	}
	return s.queue.Wake(ctx, j.stream(), at)
}

// Pause ends the regular runs of a tenant. What is known of it stays, and [Syncer.Schedule] goes on from there.
func (s *Syncer) Pause(ctx context.Context, j Job) error {
	if err := s.check(j); err != nil {
		return err
	}
	_, err := s.set(ctx, j, func(c *Checkpoint) bool { c.DueAt = time.Time{}; return true })
	return err
}

// set changes a checkpoint whatever others do to it meanwhile. Where change is false it stays as it is.
func (s *Syncer) set(ctx context.Context, j Job, change func(*Checkpoint) bool) (Checkpoint, error) {
	for range maxStale {
		c, err := s.dir.Checkpoint(ctx, j.Tenant, j.Source)
		if err != nil {
			return c, err
		}
		c.Tenant, c.Source = j.Tenant, j.Source
		if !change(&c) {
			return c, nil
		}
		c, err = s.dir.SetCheckpoint(ctx, c)
		if !errors.Is(err, ErrStale) {
			return c, err
		}
	}
	return Checkpoint{}, ErrStale
}

// Drain syncs the tenant of a stream, see [mspkit.Drain]. It is for queues of the host's; [NewSyncer] registers it.
func (s *Syncer) Drain(ctx context.Context, st mspkit.Stream) (again time.Time, err error) {
	j := Job{Tenant: st.Tenant, Source: st.Key}
	if err := s.check(j); err != nil {
		return time.Time{}, err
	}
	c, err := s.dir.Checkpoint(ctx, j.Tenant, j.Source)
	if err != nil {
		return time.Time{}, err
	}
	if c.DueAt.IsZero() || c.DueAt.After(s.o.Now()) { // paused or done meanwhile
		return c.DueAt, nil
	}
	r, err := s.Sync(ctx, j, nil)
	if err != nil && ctx.Err() == nil && r.Next.IsZero() { // it could not even be stored that it failed
		return time.Time{}, err
	}
	if ctx.Err() != nil {
		return s.o.Now(), nil //nolint:nilerr // it goes on from the last page
	}
	return r.Next, nil
}
