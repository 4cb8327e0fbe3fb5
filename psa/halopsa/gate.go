package halopsa

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/psa"
)

// gate lets requests through while HaloPSA takes them. After a 429 all of them wait, and then go one by one until one was
// answered otherwise.
type gate struct {
	maxWait time.Duration
	now     func() time.Time
	slot    chan struct{} // holds one value while a request goes alone

	mu      sync.Mutex
	limited bool
	until   time.Time
	backoff time.Duration // where HaloPSA does not say how long
}

const (
	firstBackoff = 2 * time.Second
	longBackoff  = time.Minute
)

func newGate() gate { return gate{slot: make(chan struct{}, 1)} }

// answered looks at each response.
func (g *gate) answered(resp *http.Response) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if resp.StatusCode != http.StatusTooManyRequests {
		g.limited, g.backoff = false, 0
		return
	}
	wait, told := httpx.ParseRetryAfter(resp.Header, g.now())
	if !told {
		g.backoff = min(max(2*g.backoff, firstBackoff), longBackoff)
		wait = g.backoff
	}
	g.limited = true
	if until := g.now().Add(wait); until.After(g.until) {
		g.until = until
	}
}

func (g *gate) state() (limited bool, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limited, g.until.Sub(g.now())
}

// enter waits until the request of s may go. A nil s waits, but takes no turn.
func (g *gate) enter(ctx context.Context, s *call, op string) error {
	limited, wait := g.state()
	if !limited {
		return nil
	}
	refuse := func(wait time.Duration) error {
		return &psa.Error{System: Name, Op: op, Err: psa.ErrRateLimited, RetryAfter: max(wait, 0), Advice: "HaloPSA has asked this client to wait; nothing was sent"}
	}
	most := max(g.maxWait, 0)
	if wait > most {
		return refuse(wait)
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	if s != nil && !s.slot {
		select {
		case g.slot <- struct{}{}:
			s.slot = true
		case <-timer.C:
			return refuse(0)
		case <-ctx.Done():
			return stopped(op, ctx)
		}
	}
	for {
		if limited, wait = g.state(); !limited || wait <= 0 {
			return nil
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-timer.C:
			pause.Stop()
			return refuse(wait)
		case <-ctx.Done():
			pause.Stop()
			return stopped(op, ctx)
		}
	}
}

// pace holds back what httpx repeats.
func (g *gate) pace(r *http.Request) error {
	s, _ := r.Context().Value(callKey{}).(*call) // nil for what signs in, which others wait for
	return g.enter(r.Context(), s, "repeat")
}

func (g *gate) leave(s *call) {
	if s.slot {
		s.slot = false
		<-g.slot
	}
}

// stopped tells that the caller gave up before anything was sent.
func stopped(op string, ctx context.Context) error { //nolint:revive // the context is what is told about
	return &psa.Error{System: Name, Op: op, Err: &cause{psa.ErrUnavailable, context.Cause(ctx)}}
}

// cause is a sentinel with the reason of a context.
type cause struct{ sentinel, reason error }

func (e *cause) Error() string   { return e.sentinel.Error() }
func (e *cause) Unwrap() []error { return []error{e.sentinel, e.reason} }
