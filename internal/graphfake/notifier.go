package graphfake

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Notifier sends notifications of what changes by itself, as Graph does: it repeats what was not accepted, later each time, mixes
// tenants and subscriptions in a POST, and sends twice and in another order where it is told to.
type Notifier struct {
	s *Server
	o NotifierOptions

	mu    sync.Mutex
	queue []waiting
	wake  chan struct{}
	lost  int
	away  int // notices that are being sent
}

// NotifierOptions of a [Notifier].
type NotifierOptions struct {
	// App is the application that tokens are for.
	App string
	// Batch is the most that a POST has: 0 is 20.
	Batch int
	// Backoff is the first wait after a POST that was not accepted; it doubles up to MaxBackoff. 0 is a second, and no limit.
	// GiveUp is when no more is tried: 0 is 4 hours.
	Backoff, MaxBackoff, GiveUp time.Duration
	// Twice sends everything again, Shuffle in another order.
	Twice, Shuffle bool
	// Accepted is told of the notices of each POST that was accepted; nil is nobody.
	Accepted func(notices []Notice)
}

// waiting is a notice that was not accepted yet.
type waiting struct {
	n          Notice
	since, due time.Time
	backoff    time.Duration
}

// NewNotifier returns a notifier that nothing tells yet: see [Notifier.Follow].
func (s *Server) NewNotifier(o NotifierOptions) *Notifier {
	if o.Batch <= 0 {
		o.Batch = 20
	}
	if o.Backoff <= 0 {
		o.Backoff = time.Second
	}
	if o.GiveUp <= 0 {
		o.GiveUp = 4 * time.Hour
	}
	return &Notifier{s: s, o: o, wake: make(chan struct{}, 1)}
}

// Follow has what changes in a tenant sent. It takes the place of [Tenant.OnChange].
func (n *Notifier) Follow(t *Tenant) {
	t.OnChange(func(c Changed) { n.Add(n.s.Notices(c, n.o.App)...) })
}

// Add has notices sent.
func (n *Notifier) Add(notices ...Notice) {
	now := n.s.o.Now()
	n.mu.Lock()
	for _, x := range notices {
		n.queue = append(n.queue, waiting{n: x, since: now, due: now, backoff: n.o.Backoff})
		if n.o.Twice {
			n.queue = append(n.queue, waiting{n: x, since: now, due: now, backoff: n.o.Backoff})
		}
	}
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Waiting returns how many notices were not accepted yet, and how many were given up.
func (n *Notifier) Waiting() (waiting, lost int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.queue) + n.away, n.lost
}

// Flush sends what is due now, each once, and returns how many notices still wait.
func (n *Notifier) Flush(ctx context.Context) int {
	now := n.s.o.Now()
	n.mu.Lock()
	var due, rest []waiting
	for _, x := range n.queue {
		if x.due.After(now) {
			rest = append(rest, x)
		} else {
			due = append(due, x)
		}
	}
	n.queue = rest
	n.away += len(due)
	n.mu.Unlock()
	if n.o.Shuffle {
		rand.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] }) //nolint:gosec // an order, no secret
	}
	for len(due) > 0 && ctx.Err() == nil {
		to := due[0].n.To
		var part, others []waiting
		for _, x := range due {
			if x.n.To == to && len(part) < n.o.Batch {
				part = append(part, x)
			} else {
				others = append(others, x)
			}
		}
		due = others
		n.post(ctx, now, part)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue = append(due, n.queue...)
	n.away -= len(due)
	return len(n.queue)
}

// post sends one POST and keeps what was not accepted.
func (n *Notifier) post(ctx context.Context, now time.Time, part []waiting) {
	notices := make([]Notice, len(part))
	for i, x := range part {
		notices[i] = x.n
	}
	status, err := n.s.Send(ctx, notices...)
	accepted := err == nil && status/100 == http.StatusOK/100
	if accepted && n.o.Accepted != nil {
		n.o.Accepted(notices)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away -= len(part)
	if accepted {
		return
	}
	for _, x := range part {
		x.due, x.backoff = now.Add(x.backoff), 2*x.backoff
		if n.o.MaxBackoff > 0 {
			x.backoff = min(x.backoff, n.o.MaxBackoff)
		}
		if x.due.Sub(x.since) > n.o.GiveUp {
			n.lost++
			continue
		}
		n.queue = append(n.queue, x)
	}
}

// Run sends until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		n.Flush(ctx)
		wait := time.Minute
		n.mu.Lock()
		if len(n.queue) > 0 {
			first := slices.MinFunc(n.queue, func(a, b waiting) int { return a.due.Compare(b.due) })
			wait = max(first.due.Sub(n.s.o.Now()), time.Millisecond)
		}
		n.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-n.wake:
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}
