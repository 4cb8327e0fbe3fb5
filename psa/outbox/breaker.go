package outbox

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
)

// OpenBreaker is a ticket system of a tenant that is left alone by this process.
type OpenBreaker struct {
	Tenant mspkit.TenantID
	System string
	// Until is when it is tried again.
	Until time.Time
	// Failures is how many tries in a row have failed, 0 where the system only asked to wait.
	Failures int
	// Fault is the last failure in words.
	Fault string
}

// breakers are the breakers of this process.
type breakers struct {
	o     Breaker
	probe time.Duration // how long a probe may take before another one is let through
	keep  time.Duration // how long one is kept that nobody asks for: longer than any note waits

	mu     sync.Mutex
	all    map[system]*breaker
	pruned time.Time
}

type system struct {
	tenant mspkit.TenantID
	name   string
}

type breaker struct {
	fails   int
	until   time.Time // open until then
	paused  time.Time // the system asked to wait until then
	probing time.Time // a probe is on its way, until then at most
	last    time.Time // when something was tried last
	fault   string
}

// manyBreakers is from how many on those are looked for that nobody asks for.
const manyBreakers = 1000

// verdict is what a try says about the ticket system.
type verdict int

const (
	noVerdict verdict = iota // it was not asked, or said something that is neither
	works
	fails
)

// probeWait is how soon those come back that wait for the outcome of a probe.
const probeWait = time.Second

// enter reports whether a try may begin, and otherwise when to ask again. Who entered must leave.
func (b *breakers) enter(at system, now time.Time) (until time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.all[at]
	switch {
	case x == nil:
		return time.Time{}, true
	case x.paused.After(now):
		return x.paused, false
	case b.o.Failures < 0 || x.fails < b.o.Failures:
		return time.Time{}, true
	case x.until.After(now):
		return x.until, false
	case x.probing.After(now):
		return now.Add(probeWait), false
	}
	x.probing = now.Add(b.probe)
	return time.Time{}, true
}

// leave tells what the try said about the system. pause is the time until which it asked to be left alone, or zero.
func (b *breakers) leave(at system, v verdict, fault string, pause, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.all[at]
	if x == nil {
		if v != fails && pause.IsZero() {
			return
		}
		x = &breaker{}
		b.all[at] = x
	}
	x.probing, x.last = time.Time{}, now
	switch v {
	case works:
		x.fails, x.fault = 0, ""
	case fails:
		x.fails++
		x.fault = fault
		if b.o.Failures > 0 && x.fails >= b.o.Failures {
			x.until = now.Add(b.o.Open)
		}
	case noVerdict:
	}
	if pause.After(x.paused) {
		x.paused, x.fault = pause, fault
	}
	if x.fails == 0 && !x.paused.After(now) {
		delete(b.all, at)
	}
	if len(b.all) > manyBreakers && now.Sub(b.pruned) > time.Minute {
		b.prune(now)
	}
}

// prune forgets systems to which nothing is written any more: the notes are dead or dropped, or the name was never one.
func (b *breakers) prune(now time.Time) {
	b.pruned = now
	for at, x := range b.all {
		if now.Sub(x.last) > b.keep && !x.until.After(now) && !x.paused.After(now) {
			delete(b.all, at)
		}
	}
}

// open returns those that let nothing through now.
func (b *breakers) open(now time.Time) []OpenBreaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.prune(now)
	var out []OpenBreaker
	for at, x := range b.all {
		isOpen := b.o.Failures > 0 && x.fails >= b.o.Failures
		if !isOpen && !x.paused.After(now) {
			continue
		}
		until := x.paused
		if isOpen && x.until.After(until) {
			until = x.until
		}
		out = append(out, OpenBreaker{Tenant: at.tenant, System: at.name, Until: until, Failures: x.fails, Fault: x.fault})
	}
	slices.SortFunc(out, func(a, b OpenBreaker) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.System, b.System))
	})
	return out
}
