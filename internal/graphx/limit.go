package graphx

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
)

// Workload is a part of Microsoft 365 with limits of its own.
type Workload string

// The workloads. Requests of a tenant and workload share a limiter.
const (
	Directory Workload = "directory"
	Outlook   Workload = "outlook"
	// Mailboxes is for one small call to each of many mailboxes, such as for pictures: Outlook counts the calls of each
	// mailbox by itself, but those at once together.
	Mailboxes Workload = "mailboxes"
	Teams     Workload = "teams"
	// TeamsApps is for the catalog of apps and for those that people have installed, TeamsAppsDelete for deleting there.
	TeamsApps         Workload = "teams-apps"
	TeamsAppsDelete   Workload = "teams-apps-delete"
	Presence          Workload = "presence"
	ConditionalAccess Workload = "conditional-access"
	Partner           Workload = "partner"
	// App is no workload: its limit is for all requests of the client together.
	App Workload = "app"
)

// Limit is how many requests of a tenant and workload may go out. Of a request with several tries each counts; a batch
// counts as many as it has items. In [Options].Limits a zero takes the default of the workload, which is Directory's where
// it has none, and negative is no limit.
type Limit struct {
	// Requests may start in the time Per, spread over it except for a tenth of them.
	Requests int
	Per      time.Duration
	// Concurrent may be on their way at once, until their bodies have been read.
	Concurrent int
}

// defaultLimits stay below what Microsoft documents under "service-specific throttling limits": directories have 3,500
// resource units in 10 s at the least, a request for users costs 1 with $select; Outlook 10,000 requests in 10 minutes and
// 4 at once; the catalog of Teams apps and installed apps 30 a second, 15 for deleting; Conditional Access 1 a second; the
// app over all tenants 2,000 a second. That of presence is from memory.
var defaultLimits = map[Workload]Limit{
	Directory:         {Requests: 2500, Per: 10 * time.Second},
	Outlook:           {Requests: 9000, Per: 10 * time.Minute, Concurrent: 4},
	Mailboxes:         {Requests: 2500, Per: 10 * time.Second, Concurrent: 4},
	Teams:             {Requests: 30, Per: time.Second},
	TeamsApps:         {Requests: 30, Per: time.Second},
	TeamsAppsDelete:   {Requests: 15, Per: time.Second},
	Presence:          {Requests: 1500, Per: 30 * time.Second},
	ConditionalAccess: {Requests: 1, Per: time.Second},
	Partner:           {Requests: 50, Per: time.Second},
	App:               {Requests: 2000, Per: time.Second, Concurrent: -1},
}

// limitKey is what requests are counted under.
type limitKey struct {
	tenant   mspkit.TenantID
	workload Workload
	narrow   string
}

// maxGates is when idle gates are looked for and dropped.
const maxGates = 8192

// limiter holds back what would be throttled. The counts are of this process only.
type limiter struct {
	limits  map[Workload]Limit
	maxWait time.Duration

	mu    sync.Mutex
	gates map[limitKey]*gate
}

func newLimiter(given map[Workload]Limit, maxWait time.Duration) *limiter {
	l := &limiter{limits: maps.Clone(defaultLimits), maxWait: max(maxWait, 0), gates: make(map[limitKey]*gate)}
	for w, g := range given {
		d, ok := defaultLimits[w]
		if !ok {
			d = defaultLimits[Directory]
		}
		if g.Requests == 0 {
			g.Requests = d.Requests
			if g.Per == 0 {
				g.Per = d.Per
			}
		}
		if g.Per == 0 {
			g.Per = time.Second
		}
		if g.Concurrent == 0 {
			g.Concurrent = d.Concurrent
		}
		l.limits[w] = g
	}
	return l
}

// acquire waits until a request of that cost may go out. It fails with the context's error, or with an [*Error] where the
// wait would be longer than maxWait or go beyond the deadline. release gives back the places; it is called once.
func (l *limiter) acquire(ctx context.Context, key limitKey, cost int, deadline time.Time) (release func(), err error) {
	until := time.Now().Add(l.maxWait)
	if deadline.Before(until) {
		until = deadline
	}
	own, all := l.gate(key), l.gate(limitKey{workload: App})
	if err = own.enter(ctx, cost, until); err == nil {
		if err = all.enter(ctx, cost, until); err != nil {
			own.leave()
		}
	}
	if err != nil {
		l.done(own, all)
		return nil, err
	}
	return func() {
		all.leave()
		own.leave()
		l.done(own, all)
	}, nil
}

// pause holds back what has key for d.
func (l *limiter) pause(key limitKey, d time.Duration) {
	if d <= 0 {
		return
	}
	g := l.gate(key)
	g.pause(d)
	l.done(g)
}

func (l *limiter) gate(key limitKey) *gate {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gates[key]
	if g == nil {
		if len(l.gates) >= maxGates {
			l.evict()
		}
		limit, ok := l.limits[key.workload]
		if !ok {
			limit = l.limits[Directory]
		}
		g = newGate(limit)
		l.gates[key] = g
	}
	g.users++
	return g
}

func (l *limiter) done(gates ...*gate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range gates {
		g.users--
	}
}

// evict drops the gates that new ones would be like.
func (l *limiter) evict() {
	now := time.Now()
	for k, g := range l.gates {
		if g.users == 0 && g.idle(now) {
			delete(l.gates, k)
		}
	}
}

// gate is a token bucket that may be closed for a while, and a number of places.
type gate struct {
	users  int // of limiter.mu
	places chan struct{}

	mu     sync.Mutex
	rate   float64 // tokens a second; 0 is no limit
	burst  float64
	tokens float64 // below zero are promised to those who wait
	last   time.Time
	closed time.Time // until when
}

func newGate(l Limit) *gate {
	g := &gate{last: time.Now()}
	if l.Concurrent > 0 {
		g.places = make(chan struct{}, l.Concurrent)
	}
	if l.Requests > 0 {
		g.rate = float64(l.Requests) / l.Per.Seconds()
		g.burst = max(float64(l.Requests/10), 1)
		g.tokens = g.burst
	}
	return g
}

// enter takes a place and cost tokens.
func (g *gate) enter(ctx context.Context, cost int, until time.Time) error {
	if err := g.take(ctx, until); err != nil {
		return err
	}
	paid := false
	for {
		wait := g.shut()
		if wait <= 0 && !paid {
			wait, paid = g.pay(cost), true
		}
		if wait <= 0 {
			return nil
		}
		err := limited(wait)
		if time.Until(until) >= wait {
			err = sleep(ctx, wait)
		}
		if err != nil {
			if paid {
				g.pay(-cost)
			}
			g.leave()
			return err
		}
	}
}

func (g *gate) take(ctx context.Context, until time.Time) error {
	if g.places == nil {
		return nil
	}
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	left := time.Until(until)
	if left <= 0 {
		return limited(0)
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return limited(0)
	}
}

func (g *gate) leave() {
	if g.places != nil {
		<-g.places
	}
}

// shut returns for how long the gate is closed.
func (g *gate) shut() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.closed)
}

// pay takes cost tokens and returns how long it takes until they are there. A negative cost gives them back.
func (g *gate) pay(cost int) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rate == 0 {
		return 0
	}
	g.fill(time.Now())
	g.tokens -= float64(cost)
	return time.Duration(max(-g.tokens, 0) / g.rate * float64(time.Second))
}

func (g *gate) fill(now time.Time) {
	if now.After(g.last) {
		g.tokens = min(g.burst, g.tokens+now.Sub(g.last).Seconds()*g.rate)
		g.last = now
	}
}

// pause closes the gate. When it opens there is no burst.
func (g *gate) pause(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	until := now.Add(d)
	if !until.After(g.closed) {
		return
	}
	g.fill(now)
	g.closed, g.last = until, until
	g.tokens = min(g.tokens, 0)
}

func (g *gate) idle(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fill(now)
	return !g.closed.After(now) && g.tokens >= g.burst
}

func limited(wait time.Duration) error {
	return &Error{Status: http.StatusTooManyRequests, Code: codeLimited, RetryAfter: wait}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
