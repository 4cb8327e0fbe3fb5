package verify

import (
	"crypto/sha256"
	"time"
)

// story follows what the events tell of each challenge and finds what contradicts itself. A challenge ends within minutes
// and so does its proof, so it is forgotten when an hour has passed since it was heard of.
type story struct {
	clocks      time.Duration
	whole       bool // the chain is there from its beginning
	from        time.Time
	began       time.Time // of now
	last        time.Time
	now, before map[[sha256.Size]byte]chapter // by the hash of the id, which may be long where somebody made it up
}

type chapter struct{ started, ended, confirmed, redeemed bool }

const (
	storyMemory = time.Hour
	storyMost   = 1 << 20 // challenges that are remembered of one hour
)

func (s *story) begin(whole bool, clocks time.Duration) {
	s.whole, s.clocks, s.now = whole, clocks, map[[sha256.Size]byte]chapter{}
}

func (s *story) tell(c *checker, e Event) {
	s.times(c, e)
	if e.Challenge == "" {
		return
	}
	id := sha256.Sum256([]byte(e.Challenge))
	ch, known := s.now[id]
	if !known {
		ch = s.before[id]
	}
	// Of what began before the first event nothing is known.
	sure := s.whole || e.At.After(s.from)
	wrong := func(when bool, text string) {
		if when {
			c.find(FindingStory, e.Link.N, e.Link.N, "challenge %q %s", brief(e.Challenge), text)
		}
	}
	switch e.Kind {
	case EventStarted:
		wrong(ch.started, "is started a second time: one of the two events was made up")
		ch.started = true
	case EventRenewed:
		wrong(ch.confirmed, "is renewed after it was confirmed")
		ch.ended = false
	case EventConfirmed:
		wrong(sure && !ch.started, "is confirmed without having been started: the event was made up, or the one before removed")
		wrong(ch.ended, "is confirmed after it had ended")
		ch.ended, ch.confirmed = true, true
	case EventApproved:
		wrong(sure && !ch.confirmed, "is approved without having been confirmed")
	case EventRedeemed:
		wrong(sure && !ch.confirmed, "is redeemed without having been confirmed: somebody acted without a verification, or an event was removed")
		wrong(ch.redeemed, "is redeemed a second time")
		ch.redeemed = true
	case EventDenied, EventFailed, EventExpired, EventCancelled, EventFailedOver:
		wrong(ch.confirmed, "ends a second time after it was confirmed")
		ch.ended = true
	default:
	}
	s.now[id] = ch
}

// times finds a time that jumps back, and forgets.
func (s *story) times(c *checker, e Event) {
	if s.began.IsZero() {
		s.began, s.from = e.At, e.At.Add(storyMemory)
	}
	// What ends what has expired stores the time at which it began to.
	if e.Kind != EventExpired {
		if e.At.Before(s.last.Add(-s.clocks)) {
			c.find(FindingStory, e.Link.N, e.Link.N, "its time lies %s before that of the event before it: a clock was wrong, or the event was added to the chain late",
				s.last.Sub(e.At).Round(time.Second))
		}
		s.last = e.At
	}
	full := len(s.now) >= storyMost
	if full {
		s.whole, s.from = false, e.At.Add(storyMemory)
	}
	if full || e.At.Sub(s.began) > storyMemory {
		s.before, s.now, s.began = s.now, map[[sha256.Size]byte]chapter{}, e.At
	}
}
