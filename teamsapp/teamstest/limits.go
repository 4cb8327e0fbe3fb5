package teamstest

import (
	"time"
)

// limit is at most n requests within any span of d.
type limit struct {
	n int
	d time.Duration
}

// Teams' limits, https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit.
var (
	tenantLimit   = []limit{{30, time.Second}}
	threadLimits  = []limit{{7, time.Second}, {8, 2 * time.Second}, {60, 30 * time.Second}, {1800, time.Hour}}
	membersLimits = []limit{{14, time.Second}, {16, 2 * time.Second}, {120, 30 * time.Second}, {3600, time.Hour}}
)

// counted names what a request counts for.
type counted struct {
	key    string
	limits []limit
}

// limiter remembers when requests were let through. What was refused does not count.
type limiter struct {
	seen map[string][]time.Time // oldest first
}

// take counts a request that came at now for all of cs, or for none and returns how long to wait.
func (l *limiter) take(now time.Time, cs ...counted) (wait time.Duration, ok bool) {
	for _, c := range cs {
		seen := l.seen[c.key]
		for _, lim := range c.limits {
			if len(seen) < lim.n {
				continue
			}
			if free := seen[len(seen)-lim.n].Add(lim.d); free.After(now) {
				wait = max(wait, free.Sub(now))
			}
		}
	}
	if wait > 0 {
		return wait, false
	}
	for _, c := range cs {
		longest := c.limits[len(c.limits)-1].d
		seen, old := l.seen[c.key], 0
		for old < len(seen) && !seen[old].Add(longest).After(now) {
			old++
		}
		l.seen[c.key] = append(seen[old:], now)
	}
	return 0, true
}

// Throttled returns how many requests broke a limit; see [Options.Limits].
func (s *Server) Throttled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.throttled
}

// admit counts a request to p's chat. It is called with s.mu held.
func (s *Server) admit(op Op, p *Person) (wait time.Duration, ok bool) {
	if !s.o.Limits {
		return 0, true
	}
	cs := []counted{{"tenant " + p.TenantID, tenantLimit}}
	switch op { //nolint:exhaustive // Microsoft names no limit per thread for the others
	case OpCreate:
		cs = append(cs, counted{"create " + p.ID, threadLimits})
	case OpSend, OpReply:
		cs = append(cs, counted{"send " + p.ID, threadLimits})
	case OpMember:
		cs = append(cs, counted{"members " + p.ID, membersLimits})
	}
	if wait, ok = s.limits.take(s.o.Now(), cs...); !ok {
		s.throttled++
	}
	return wait, ok
}
