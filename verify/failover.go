package verify

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mspkit/mspkit/internal/cleantext"
)

// walk begins with the first way that may be used and goes on to the next where a message cannot be delivered. Each way
// has a challenge of its own, so that what is proven is bound to the way by which it was proven. Where the message may
// have arrived all the same, its challenge is dead before the next one begins. After the time of two deliveries it gives
// up, and where the request names a channel it goes on to no other message.
func (s *Service) walk(ctx context.Context, ways []verdict, b beginning) (Challenge, error) {
	ways = distinct(ways)
	key, began := b.key, s.o.Now()
	for _, v := range ways {
		if v.kind == allowed {
			b.ways = append(b.ways, v.way.Channel, v.address)
		}
	}
	rest := picker{ways: ways, screen: s.screening(ctx, b.set, b.rule, b.tenant, b.record.Subject)}
	p, skipped, ok := rest.next(ctx)
	if !ok {
		return Challenge{}, rest.none(ctx, b.record.Action, b.rule, b.channel)
	}
	if b.channel != "" {
		rest.ways = nil
	}
	for first := true; ; first = false {
		b.pick, b.now = p, s.o.Now()
		b.details.Failover = cleantext.Line(joined(b.details.Failover, skipped), 200)
		if key != "" && !first { // so that a repeated request finds every challenge of the first one
			b.key = key + "\x00" + p.way.Channel + "\x00" + p.address
		}
		c, failed, err := s.begin(ctx, b)
		if late := s.o.Now().Sub(began) >= 2*s.o.DeliverTimeout; failed == "" || late { // somebody is on the phone
			return c, err
		}
		last := p.way.Channel
		if p, skipped, ok = rest.next(ctx); !ok {
			return c, err
		}
		skipped = joined(last+": "+failed, skipped)
		if c.State != StatePending {
			continue // a repeated request: the first one came this far
		}
		now := s.o.Now()
		_, err = s.store.Finish(ctx, c.Ref, c.Version, Outcome{
			State: StateCancelled, Stamp: stamp(EventFailedOver, BySystem, cleantext.Line(failed, 200)),
		}, now)
		s.nudge()
		if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotPending) {
			return s.present(ctx, c.Ref, now) // it did arrive, and was answered
		}
		if err != nil {
			return c, err
		}
		s.m.failedOver(ctx, last, p.way.Channel)
	}
}

// present returns a challenge as it stands, for the one who began it.
func (s *Service) present(ctx context.Context, ref Ref, now time.Time) (Challenge, error) {
	r, sub, err := s.store.Get(ctx, ref)
	if err != nil {
		return Challenge{}, err
	}
	return s.challenge(r, sub, now, true)
}

// distinct keeps the first way to each address: what did not get there by number match does not by code. What is refused
// stays for the error.
func distinct(ways []verdict) []verdict {
	var out []verdict
	for _, v := range ways {
		if v.kind != allowed || !slices.ContainsFunc(out, func(o verdict) bool {
			return o.kind == allowed && o.way.Channel == v.way.Channel && o.address == v.address
		}) {
			out = append(out, v)
		}
	}
	return out
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
