package teamsapp

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// window admits up to n requests in any span of length per.
type window struct {
	n   int
	per time.Duration
}

// threadWindows are what Teams lets one bot do in one conversation
// (https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit).
var threadWindows = widen(window{7, time.Second}, window{8, 2 * time.Second}, window{60, 30 * time.Second}, window{1800, time.Hour})

// widen makes windows 2 % longer, because requests do not arrive as evenly as they are sent.
func widen(ws ...window) []window {
	for i := range ws {
		ws[i].per += ws[i].per / 50
	}
	return ws
}

// pacer keeps requests within Teams' limits. Each tenant has a queue: repeats go first, because somebody has waited
// for them already, then whoever must be done first by the deadline of their context, so that news for everybody do not
// hold up a card for somebody on the phone, then whoever came first; each as their conversation admits them. It runs on the real clock and not on
// Options.Now, since it waits for somebody else's. Between calls there is nothing but a timer while somebody waits.
type pacer struct {
	tenantWindows []window
	now           func() time.Time
	start         time.Time

	mu      sync.Mutex
	tenants map[string]*lane
	threads map[string]*meter
	sweepAt int // how many keys there are when idle ones are looked for
}

// minSweep is how many keys are not worth a sweep.
const minSweep = 1024

// newPacer returns a pacer that lets rate requests per second out for one tenant, or any number where it is negative.
func newPacer(rate int, now func() time.Time) *pacer {
	p := &pacer{now: now, start: now(), tenants: map[string]*lane{}, threads: map[string]*meter{}, sweepAt: minSweep}
	if rate > 0 {
		p.tenantWindows = widen(window{rate, time.Second})
	}
	return p
}

// lane is the queue of one tenant.
type lane struct {
	meter

	repeats, firsts list.List // of *waiter
	timer           *time.Timer
}

type waiter struct {
	thread *meter
	until  time.Time     // the deadline of its context, or far away
	ready  chan struct{} // closed when its turn has come
	queue  *list.List
	place  *list.Element // nil when its turn has come
}

// wait blocks until a request of this tenant and thread may go out and counts it. The error is ctx's.
func (p *pacer) wait(ctx context.Context, tenant, thread string, repeat bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	p.sweep()
	l := p.lane(tenant)
	w := &waiter{thread: p.thread(tenant, thread), ready: make(chan struct{}), queue: &l.firsts, until: farAway}
	if repeat {
		w.queue = &l.repeats
	}
	if deadline, ok := ctx.Deadline(); ok {
		w.until = deadline
		if free := w.thread.free(threadWindows) - p.now().Sub(p.start); free > 0 && p.now().Add(free).After(deadline) {
			p.mu.Unlock()
			return &heldError{free}
		}
	}
	w.join()
	p.pump(l)
	p.mu.Unlock()

	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.place == nil { // both at once: it is counted, and the request will fail by itself
		return nil
	}
	w.leave()
	p.pump(l) // the timer may have been for w alone
	return ctx.Err()
}

// farAway is later than every deadline.
var farAway = time.Unix(1<<40, 0)

// heldError means that a conversation is held for longer than the caller has.
type heldError struct{ free time.Duration }

func (t *heldError) Error() string { return "the conversation is held for " + t.free.String() }

// join stands behind everybody who must be done no later.
func (w *waiter) join() {
	w.thread.users++
	before := w.queue.Back()
	for ; before != nil; before = before.Prev() {
		if other := before.Value.(*waiter); !other.until.After(w.until) { //nolint:errcheck,forcetypeassert // nothing else is put there
			w.place = w.queue.InsertAfter(w, before)
			return
		}
	}
	w.place = w.queue.PushFront(w)
}

func (w *waiter) leave() {
	w.queue.Remove(w.place)
	w.place = nil
	w.thread.users--
}

// hold keeps requests of the thread back for d, because Teams asked for it.
func (p *pacer) hold(tenant, thread string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	m := p.thread(tenant, thread)
	m.held = max(m.held, p.now().Sub(p.start)+d)
	p.pump(p.lane(tenant))
}

// pump lets everybody go whose turn has come and sets the timer for the next.
func (p *pacer) pump(l *lane) {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	now := p.now().Sub(p.start)
	next := time.Duration(-1)
	for _, queue := range []*list.List{&l.repeats, &l.firsts} {
		for e := queue.Front(); e != nil; {
			w := e.Value.(*waiter) //nolint:errcheck,forcetypeassert // nothing else is put there
			e = e.Next()
			at := max(l.free(p.tenantWindows), w.thread.free(threadWindows))
			if at <= now {
				l.take(now, p.tenantWindows)
				w.thread.take(now, threadWindows)
				w.leave()
				close(w.ready)
				continue
			}
			if next < 0 || at < next {
				next = at
			}
			if l.free(p.tenantWindows) > now {
				e = nil // the tenant is full: nobody behind can go earlier
			}
		}
	}
	if next >= 0 {
		l.timer = time.AfterFunc(next-now, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.pump(l)
		})
	}
}

func (p *pacer) lane(tenant string) *lane {
	l := p.tenants[tenant]
	if l == nil {
		l = &lane{}
		p.tenants[tenant] = l
	}
	return l
}

func (p *pacer) thread(tenant, thread string) *meter {
	key := tenant + "/" + thread
	m := p.threads[key]
	if m == nil {
		m = &meter{}
		p.threads[key] = m
	}
	return m
}

// sweep drops what a fresh meter would treat alike. It looks only when the number of keys has doubled since the last
// time, which costs little per key, and keeps no more than twice those that count.
func (p *pacer) sweep() {
	if len(p.tenants)+len(p.threads) < p.sweepAt {
		return
	}
	now := p.now().Sub(p.start)
	for k, m := range p.threads {
		if m.users == 0 && m.idle(now, threadWindows) {
			delete(p.threads, k)
		}
	}
	for k, l := range p.tenants {
		if l.repeats.Len() == 0 && l.firsts.Len() == 0 && l.idle(now, p.tenantWindows) {
			delete(p.tenants, k)
		}
	}
	p.sweepAt = max(minSweep, 2*(len(p.tenants)+len(p.threads)))
}

// meter is the log of one sliding window: when requests went out, in ascending order, since the pacer's start.
type meter struct {
	log   []time.Duration
	held  time.Duration // nothing goes out before
	users int           // who wait
}

// free returns the earliest time at which all windows admit one more.
func (m *meter) free(ws []window) time.Duration {
	at := m.held
	for _, w := range ws {
		if i := len(m.log) - w.n; i >= 0 {
			at = max(at, m.log[i]+w.per)
		}
	}
	return at
}

// take counts a request at now and forgets those that no window looks at any more.
func (m *meter) take(now time.Duration, ws []window) {
	if len(ws) == 0 {
		return
	}
	m.log = append(m.log, now)
	longest := ws[len(ws)-1]
	old := max(len(m.log)-longest.n, 0)
	for old < len(m.log) && m.log[old]+longest.per <= now {
		old++
	}
	if old > len(m.log)/2 { // rarely, because it copies
		m.log = append(m.log[:0:0], m.log[old:]...)
	}
}

func (m *meter) idle(now time.Duration, ws []window) bool {
	n := len(m.log)
	return m.held <= now && (n == 0 || len(ws) == 0 || m.log[n-1]+ws[len(ws)-1].per <= now)
}
