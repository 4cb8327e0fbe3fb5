package workflows

import (
	"context"
	"slices"
	"sync"
	"time"
)

// window admits up to n posts in any span of length per.
type window struct {
	n   int
	per time.Duration
}

// pacer keeps the posts of each connection within limits. A connection is drained by one worker at a time on all
// instances, so that the counts of one process are nearly those of all.
type pacer struct {
	windows []window
	longest time.Duration

	mu    sync.Mutex
	lines map[key][]time.Time // when posts were let out, in order
	swept time.Time
}

// newPacer returns a pacer for so many posts in a second and in 300 seconds; negative is no limit. Spans are 2 % longer,
// because posts do not arrive as evenly as they are sent.
func newPacer(perSecond, per5Minutes int) *pacer {
	p := &pacer{lines: map[key][]time.Time{}}
	for _, w := range []window{{perSecond, time.Second}, {per5Minutes, 300 * time.Second}} {
		if w.n > 0 {
			w.per += w.per / 50
			p.windows = append(p.windows, w)
			p.longest = max(p.longest, w.per)
		}
	}
	return p
}

// reserve lets the next post of a connection out and returns how long it must wait before. Where that is more than most,
// it lets nothing out. Its caller calls answered with now and the wait added up.
func (p *pacer) reserve(at key, now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	if len(p.windows) == 0 {
		return 0, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(now)
	line := p.lines[at]
	when := now
	if n := len(line); n > 0 && line[n-1].After(when) {
		when = line[n-1] // behind those who wait already
	}
	for _, w := range p.windows {
		if n := len(line); n >= w.n {
			if free := line[n-w.n].Add(w.per); free.After(when) {
				when = free
			}
		}
	}
	if wait = when.Sub(now); wait > most {
		return wait, false
	}
	p.lines[at] = append(line, when)
	return wait, true
}

// answered counts the post that was let out at when from now on: it arrived between the two, and Microsoft counts arrivals.
func (p *pacer) answered(at key, when, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.lines[at]
	if i, ok := slices.BinarySearchFunc(line, when, time.Time.Compare); ok && now.After(when) {
		line = slices.Delete(line, i, i+1)
		i, _ = slices.BinarySearchFunc(line, now, time.Time.Compare)
		p.lines[at] = slices.Insert(line, i, now)
	}
}

// sweep forgets what counts no more, now and then. A clock that was set back forgets everything.
func (p *pacer) sweep(now time.Time) {
	if now.Before(p.swept) {
		clear(p.lines)
	} else if now.Sub(p.swept) < time.Minute {
		return
	}
	p.swept = now
	for at, line := range p.lines {
		old := 0
		for old < len(line) && now.Sub(line[old]) > p.longest {
			old++
		}
		if old == len(line) {
			delete(p.lines, at)
			continue
		}
		p.lines[at] = append([]time.Time(nil), line[old:]...)
	}
}

// sleep waits and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
