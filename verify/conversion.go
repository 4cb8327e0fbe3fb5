package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
)

// Conversion is a [Recorder] that tells how many of the started verifications are confirmed, by channel and method,
// without a metrics system. Where messages go to people who were never on the phone, the rate of their channel falls:
// that is how SMS pumping, a leaked technician's account or a broken channel shows first.
//
// It follows each challenge of the window from its start to its end, so an event that is handed over twice counts once.
// One that is still pending is left out of the rate, and so is one that failed over, because the person was asked by
// another way, whose challenge counts. A cancelled one counts as not confirmed. A failed one that is renewed is pending
// again.
//
// It knows what passes through it. Where one instance calls [Service.Run], or all hand their events to a recorder
// behind which there is one Conversion, it sees what all of them do. Where each has its own, each has a part of the
// starts and of the ends: add the [Rate]s up before dividing, and set no alarm on a part. It forgets everything when the
// process ends, and keeps a few hundred bytes for each challenge of the window. It is safe for concurrent use.
type Conversion struct {
	o ConversionOptions

	mu    sync.Mutex
	seen  map[Ref]*journey
	order []*journey // as they were first seen
	rates map[rateKey]*Rate
	low   map[rateKey]bool // told, and not recovered since
}

// ConversionOptions are the options of [NewConversion].
type ConversionOptions struct {
	// Next gets every event after it was counted, and its error is returned; nil drops them.
	Next Recorder
	// Window is how far back starts count: default 1 hour, 10 minutes to 7 days.
	Window time.Duration
	// Alarm is called when the rate of a channel and method falls under Below, and again only after it has recovered.
	// It is called inline and must return soon. Nil calls nobody.
	Alarm func(ctx context.Context, r Rate)
	// Below is the least rate that is fine: default 0.5, at most 1.
	Below float64
	// AtLeast is how many challenges must have ended before the rate says anything: default 20.
	AtLeast int
	// PerTenant keeps the tenants apart. Without it [Rate.Tenant] is empty.
	PerTenant bool
	// Now is the clock: default time.Now.
	Now func() time.Time
}

// Rate counts the challenges of one channel and method in the window, by what has become of them.
type Rate struct {
	Tenant  mspkit.TenantID
	Channel string
	Method  Method
	Started int
	// How they ended.
	Confirmed, Denied, Failed, Expired, Cancelled int
	// FailedOver were given up for another way.
	FailedOver int
}

// Ended returns how many have ended and count for the rate.
func (r Rate) Ended() int { return r.Confirmed + r.Denied + r.Failed + r.Expired + r.Cancelled }

// Value returns which part of those that ended was confirmed, 0 to 1; it is 0 where none has ended.
func (r Rate) Value() float64 { return float64(r.Confirmed) / float64(max(r.Ended(), 1)) }

// Add returns the sum of r and what another instance counted.
func (r Rate) Add(o Rate) Rate {
	r.Started += o.Started
	r.Confirmed += o.Confirmed
	r.Denied += o.Denied
	r.Failed += o.Failed
	r.Expired += o.Expired
	r.Cancelled += o.Cancelled
	r.FailedOver += o.FailedOver
	return r
}

type rateKey struct {
	tenant  mspkit.TenantID
	channel string
	method  Method
}

// journey is one challenge of the window.
type journey struct {
	ref     Ref
	key     rateKey
	at      time.Time
	started bool // its start was seen
	state   State
}

// stateFailedOver is the state of a journey that went on by another way.
const stateFailedOver State = "failed-over"

var _ Recorder = (*Conversion)(nil)

// NewConversion returns a Conversion that has seen nothing. The error is [ErrInvalid].
func NewConversion(o *ConversionOptions) (*Conversion, error) {
	c := &Conversion{seen: map[Ref]*journey{}, rates: map[rateKey]*Rate{}, low: map[rateKey]bool{}}
	if o != nil {
		c.o = *o
	}
	var below error
	if c.o.Below == 0 {
		c.o.Below = 0.5
	}
	if !(c.o.Below > 0 && c.o.Below <= 1) {
		below = fmt.Errorf("settings: Below is %v, it must be more than 0 and at most 1: %w", c.o.Below, ErrInvalid)
	}
	if c.o.Now == nil {
		c.o.Now = time.Now
	}
	err := errors.Join(
		below,
		inRange("Window", &c.o.Window, time.Hour, 10*time.Minute, 7*day, false),
		inRange("AtLeast", &c.o.AtLeast, 20, 1, 1_000_000, false),
	)
	if err != nil {
		return nil, fmt.Errorf("verify: new conversion: %w", err)
	}
	return c, nil
}

// Record counts e, calls the alarm where there is reason to, and hands e to the next recorder.
func (c *Conversion) Record(ctx context.Context, e Event) error {
	if fallen, alarm := c.count(e); alarm && c.o.Alarm != nil {
		c.o.Alarm(ctx, fallen)
	}
	if c.o.Next == nil {
		return nil
	}
	return c.o.Next.Record(ctx, e)
}

// Rates returns what is counted at this moment, by tenant, channel and method.
func (c *Conversion) Rates() []Rate {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slide()
	out := make([]Rate, 0, len(c.rates))
	for _, r := range c.rates {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Rate) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Method, b.Method))
	})
	return out
}

// count returns the rate that e belongs to and whether it has just fallen too low.
func (c *Conversion) count(e Event) (Rate, bool) {
	if e.Challenge == "" {
		return Rate{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.slide()
	ref := Ref{e.Tenant, e.Challenge}
	j := c.seen[ref]
	if j == nil {
		if e.At.Before(since) || e.Kind != EventStarted && !e.Kind.ends() {
			return Rate{}, false // late news of what is forgotten
		}
		j = &journey{ref: ref, key: rateKey{"", e.Channel, e.Method}, at: e.At, state: StatePending}
		if c.o.PerTenant {
			j.key.tenant = e.Tenant
		}
		c.seen[ref] = j
		c.order = append(c.order, j)
	} else {
		c.tally(j, -1)
	}
	j.started = j.started || e.Kind == EventStarted
	j.state = j.after(e)
	c.tally(j, 1)
	return c.judge(j.key)
}

// ends reports whether a challenge has ended with an event of this kind; with a mismatch it may have.
func (k EventKind) ends() bool {
	switch k { //nolint:exhaustive // all others do not
	case EventConfirmed, EventDenied, EventFailed, EventMismatch, EventExpired, EventCancelled, EventFailedOver:
		return true
	}
	return false
}

// after returns the state after e. What has ended stays as it is, whatever is handed over late or twice; only a renewal
// gives what failed another chance.
func (j *journey) after(e Event) State {
	switch {
	case j.state == StateFailed && e.Kind == EventRenewed:
		return StatePending
	case j.state != StatePending || !e.Kind.ends():
		return j.state
	case e.Kind == EventFailedOver:
		return stateFailedOver
	}
	return e.State
}

func (c *Conversion) tally(j *journey, n int) {
	r := c.rates[j.key]
	if r == nil {
		r = &Rate{Tenant: j.key.tenant, Channel: j.key.channel, Method: j.key.method}
		c.rates[j.key] = r
	}
	if j.started {
		r.Started += n
	}
	switch j.state { //nolint:exhaustive // a record has no other
	case StateConfirmed:
		r.Confirmed += n
	case StateDenied:
		r.Denied += n
	case StateFailed:
		r.Failed += n
	case StateExpired:
		r.Expired += n
	case StateCancelled:
		r.Cancelled += n
	case stateFailedOver:
		r.FailedOver += n
	}
	if *r == (Rate{Tenant: r.Tenant, Channel: r.Channel, Method: r.Method}) {
		delete(c.rates, j.key)
	}
}

// slide forgets what was started before the window, and returns when that begins.
func (c *Conversion) slide() time.Time {
	since := c.o.Now().Add(-c.o.Window)
	n := 0
	for n < len(c.order) && c.order[n].at.Before(since) {
		j := c.order[n]
		c.tally(j, -1)
		delete(c.seen, j.ref)
		if c.rates[j.key] == nil {
			delete(c.low, j.key)
		}
		c.order[n] = nil
		n++
	}
	c.order = c.order[n:]
	return since
}

// judge reports whether a rate has fallen too low since it was last judged.
func (c *Conversion) judge(k rateKey) (Rate, bool) {
	r := c.rates[k]
	if r == nil || r.Ended() < c.o.AtLeast {
		return Rate{}, false
	}
	was, low := c.low[k], r.Value() < c.o.Below
	c.low[k] = low
	return *r, low && !was
}
