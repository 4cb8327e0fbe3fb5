package httpx

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/ratelimiter"
)

// Limit is how many tries may go out per key and time. Each key may use its share in a burst; then tries wait for
// the next period. The counts are of this process only.
type Limit struct {
	// Requests and Per say how many tries may start in which time.
	Requests uint
	Per      time.Duration
	// Key is what a request counts against, for example its tenant or host. nil is one key for all.
	Key func(*http.Request) string
	// MaxWait is how long a request may be held back; beyond that it fails with [ErrLimited]. 0 is 10 s; negative
	// does not wait.
	MaxWait time.Duration
}

// maxKeys is when idle keys are looked for and dropped.
const maxKeys = 4096

type limiter struct {
	limit Limit
	mu    sync.Mutex
	keys  map[string]*bucket
}

type bucket struct {
	ratelimiter.RateLimiter[*http.Response]
	users int
	used  time.Time
}

func newLimiter(l Limit) *limiter {
	switch {
	case l.MaxWait == 0:
		l.MaxWait = 10 * time.Second
	case l.MaxWait < 0:
		l.MaxWait = 0
	}
	return &limiter{limit: l, keys: make(map[string]*bucket)}
}

// wait blocks until r may go out, its context ends, or the wait would be too long.
func (l *limiter) wait(r *http.Request) error {
	var key string
	if l.limit.Key != nil {
		key = l.limit.Key(r)
	}
	b := l.acquire(key)
	defer l.release(b)
	ctx := r.Context()
	longest := l.limit.MaxWait
	if deadline, ok := ctx.Deadline(); ok {
		longest = min(longest, time.Until(deadline))
	}
	err := b.AcquirePermitWithMaxWait(ctx, max(longest, 0))
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("httpx: %w", ErrLimited)
	}
	return err
}

func (l *limiter) acquire(key string) *bucket {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.keys[key]
	if b == nil {
		if len(l.keys) >= maxKeys {
			l.evict()
		}
		b = &bucket{RateLimiter: ratelimiter.NewBursty[*http.Response](l.limit.Requests, l.limit.Per)}
		l.keys[key] = b
	}
	b.users++
	return b
}

func (l *limiter) release(b *bucket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.users--
	b.used = time.Now()
}

// evict drops the keys that a fresh bucket would treat alike: nobody waits and a whole period has gone by.
func (l *limiter) evict() {
	for k, b := range l.keys {
		if b.users == 0 && time.Since(b.used) >= l.limit.Per {
			delete(l.keys, k)
		}
	}
}
