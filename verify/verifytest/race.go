package verifytest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/verify"
)

// racers is how many goroutines race each verb, half of them on each instance.
const racers = race.Goroutines

// race runs f on every racer at once and waits.
func (s *suite) race(f func(st verify.Store, i int)) {
	s.Helper()
	race.On(s.stores, f)
}

// unexpected reports an error that is none of those allowed.
func (s *suite) unexpected(err error, allowed ...error) bool {
	s.Helper()
	for _, a := range allowed {
		if errors.Is(err, a) {
			return true
		}
	}
	if err != nil {
		s.Errorf("unexpected error: %v", err)
		return true
	}
	return false
}

func raceBeginKey(s *suite) {
	challenges := make([]verify.NewChallenge, racers)
	for i := range challenges {
		challenges[i] = s.fresh(contoso, "dana")
		challenges[i].Idempotency, challenges[i].Fingerprint = "key", "f"
	}
	var created atomic.Int32
	var ids sync.Map
	s.race(func(st verify.Store, i int) {
		r, existing, err := st.Begin(s.Context(), challenges[i], []verify.Limit{{Name: "l", Key: "l", Max: 5, Window: time.Hour}}, s.now)
		if s.unexpected(err) {
			return
		}
		if !existing {
			created.Add(1)
		}
		ids.Store(r.ID, true)
	})
	s.equal(int(created.Load()), 1, "challenges created with one key")
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	s.equal(n, 1, "different challenges returned for one key")
	s.equal(s.kinds(), "started", "events")
}

func raceBeginLimit(s *suite) {
	challenges := make([]verify.NewChallenge, racers)
	for i := range challenges {
		challenges[i] = s.fresh(contoso, fmt.Sprint("subject", i))
	}
	limits := []verify.Limit{{Name: "a", Key: "a", Max: 20, Window: time.Hour}, {Name: "b", Key: "b", Max: 7, Window: time.Hour}}
	var passed atomic.Int32
	s.race(func(st verify.Store, i int) {
		if _, _, err := st.Begin(s.Context(), challenges[i], limits, s.now); !s.unexpected(err, verify.ErrLimited) {
			passed.Add(1)
		}
	})
	s.equal(int(passed.Load()), 7, "challenges that passed a limit of 7")
	// The wider limit was counted by those that passed only.
	for i := range 13 {
		_, _, err := s.Begin(s.Context(), s.fresh(contoso, fmt.Sprint("more", i)), limits[:1], s.now)
		s.ok(err)
	}
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "last"), limits[:1], s.now)
	s.is(err, verify.ErrLimited)
}

func raceSent(s *suite) {
	r := s.begun()
	s.race(func(st verify.Store, i int) {
		status, kind := verify.DeliverySent, verify.EventSent
		if i%3 == 0 {
			status, kind = verify.DeliveryDelivered, verify.EventDelivered
		}
		s.unexpected(st.Sent(s.Context(), r.Ref, "m", status, s.stamp(kind), s.now))
	})
	s.equal(s.get(r.Ref).Delivery, verify.DeliveryDelivered, "delivery")
	if k := s.kinds(); k != "started delivered" && k != "started sent delivered" {
		s.Fatalf("events: %s", k)
	}
}

func raceAttempt(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Record.MaxTries = 5
	r := s.begin(n)
	var handed atomic.Int32
	s.race(func(st verify.Store, _ int) {
		got, _, err := st.Attempt(s.Context(), r.Ref, s.try(), s.now)
		if !s.unexpected(err) && len(got.MAC) > 0 {
			handed.Add(1)
		}
	})
	s.equal(int(handed.Load()), 5, "tries that got the MAC")
	s.equal(s.get(r.Ref).Tries, 5, "tries")
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	s.equal(sub.Failures, 5, "failures")
	s.equal(s.kinds(), "started attempted attempted attempted attempted attempted", "events")
}

func raceFinish(s *suite) {
	r := s.attempt(s.begun().Ref)
	var won atomic.Int32
	s.race(func(st verify.Store, i int) {
		o := verify.Outcome{State: verify.StateCancelled, Stamp: s.stamp(verify.EventCancelled)}
		if i%2 == 0 {
			o = s.confirmed()
		}
		if _, err := st.Finish(s.Context(), r.Ref, r.Version, o, s.now); !s.unexpected(err, verify.ErrConflict, verify.ErrNotPending) {
			won.Add(1)
		}
	})
	s.equal(int(won.Load()), 1, "outcomes")
	s.equal(s.kinds(), "started attempted "+string(s.get(r.Ref).State), "events")
}

func raceRenew(s *suite) {
	r := s.begun()
	var won atomic.Int32
	s.race(func(st verify.Store, _ int) {
		if _, err := st.Renew(s.Context(), r.Ref, r.Version, s.renewal(), nil, s.now); !s.unexpected(err, verify.ErrConflict) {
			won.Add(1)
		}
	})
	s.equal(int(won.Load()), 1, "renewals of one version")
	s.equal(s.get(r.Ref).Sends, 2, "sends")
	s.equal(s.kinds(), "started renewed", "events")
}

func raceRedeem(s *suite) {
	r := s.confirm(s.attempt(s.begun().Ref))
	var winners sync.Map
	s.race(func(st verify.Store, i int) {
		by := fmt.Sprint("job", i/4) // four racers each share a name
		if _, err := st.Redeem(s.Context(), r.Ref, by, s.stamp(verify.EventRedeemed), s.now); !s.unexpected(err, verify.ErrRedeemed) {
			winners.Store(by, true)
		}
	})
	n := 0
	winners.Range(func(any, any) bool { n++; return true })
	s.equal(n, 1, "uses of one proof")
	s.equal(s.kinds(), "started attempted confirmed redeemed", "events")
}

func raceHint(s *suite) {
	r := s.begun()
	until := s.now.Add(time.Hour)
	s.race(func(st verify.Store, i int) {
		if i%2 == 0 {
			s.unexpected(st.Hint(s.Context(), r.Ref, s.stamp(verify.EventDenialHint), s.now))
			return
		}
		s.unexpected(st.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	})
	count := map[verify.EventKind]int{}
	for _, e := range s.events() {
		count[e.Kind]++
	}
	s.equal(count, map[verify.EventKind]int{verify.EventStarted: 1, verify.EventDenialHint: 1, verify.EventFrozen: racers / 2}, "events")
}

func raceExpire(s *suite) {
	const challenges = 100
	for i := range challenges {
		s.begin(s.fresh(contoso, fmt.Sprint("subject", i)))
	}
	late := s.now.Add(time.Hour)
	var total atomic.Int64
	s.race(func(st verify.Store, i int) {
		if i%4 != 0 {
			s.unexpected(st.Ack(s.Context(), nil))
			return
		}
		n, err := st.Expire(s.Context(), late, 10)
		if !s.unexpected(err) {
			total.Add(int64(n))
		}
	})
	s.equal(int(total.Load()), challenges, "expired")
	seen := map[string]int{}
	for _, e := range s.events() {
		if e.Kind == verify.EventExpired {
			seen[e.Challenge]++
		}
	}
	s.equal(len(seen), challenges, "challenges with an event")
	for id, n := range seen {
		s.equal(n, 1, "events of "+id)
	}
}

func raceDue(s *suite) {
	const deliveries = 30
	for i := range deliveries {
		s.ok(s.Enqueue(s.Context(), verify.Queued{Tenant: contoso, ID: fmt.Sprint("q", i), Sealed: []byte("x"), At: s.now, Due: s.now}, nil, s.now))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	s.race(func(st verify.Store, _ int) {
		out, err := st.Due(s.Context(), s.now, time.Minute, 3)
		s.unexpected(err)
		mu.Lock()
		defer mu.Unlock()
		for _, q := range out {
			seen[q.ID]++
		}
	})
	s.equal(len(seen), deliveries, "deliveries handed out")
	for id, n := range seen {
		s.equal(n, 1, "times that "+id+" was handed out")
	}
}

// raceEvents lets writers and two readers go at once: whatever the interleaving, every event is read before it
// is gone, and the order of first sight is the order of Seq.
func raceEvents(s *suite) {
	const perRacer = 4
	challenges := make([][]verify.NewChallenge, racers)
	for i := range challenges {
		for range perRacer {
			challenges[i] = append(challenges[i], s.fresh(contoso, fmt.Sprint("subject", i)))
		}
	}
	var mu sync.Mutex
	var seen []verify.Event
	known := map[string]bool{}
	drain := func(st verify.Store) int {
		es, err := st.Events(s.Context(), verify.EventQuery{Limit: 20})
		if s.unexpected(err) {
			return 0
		}
		var ids []string
		for _, e := range es {
			mu.Lock()
			if !known[e.ID] {
				known[e.ID] = true
				seen = append(seen, e)
			}
			mu.Unlock()
			ids = append(ids, e.ID)
		}
		s.unexpected(st.Ack(s.Context(), ids))
		return len(es)
	}
	s.race(func(st verify.Store, i int) {
		for _, n := range challenges[i] {
			r, _, err := st.Begin(s.Context(), n, nil, s.now)
			if s.unexpected(err) {
				return
			}
			_, _, err = st.Attempt(s.Context(), r.Ref, s.try(), s.now)
			s.unexpected(err)
			if i < 2 { // one reader on each instance
				drain(st)
			}
		}
	})
	for drain(s.Store) > 0 {
		continue
	}
	s.equal(len(seen), 2*perRacer*racers, "events")
	per := map[string][]verify.EventKind{}
	for _, e := range seen {
		per[e.Challenge] = append(per[e.Challenge], e.Kind)
	}
	for id, kinds := range per {
		s.equal(kinds, []verify.EventKind{verify.EventStarted, verify.EventAttempted}, "order of "+id)
	}
}
