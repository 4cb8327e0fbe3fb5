package teamstest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/teamsapp"
)

// storeRacers is how many goroutines race a method, half of them on each instance.
const storeRacers = race.Goroutines

// race runs f on every racer at once and waits.
func (s *storeSuite) race(f func(st teamsapp.Store, i int)) {
	s.Helper()
	race.On(s.stores, f)
	if s.Failed() {
		s.FailNow()
	}
}

// raced claims from within a race, where a test cannot be ended.
func (s *storeSuite) raced(st teamsapp.Store, c teamsapp.Claim, now time.Time) teamsapp.Claimed {
	s.Helper()
	got, err := st.Claim(s.Context(), c, now)
	s.noError(err)
	return got
}

func (s *storeSuite) noError(err error) {
	s.Helper()
	if err != nil {
		s.Errorf("unexpected error: %v", err)
	}
}

func raceClaim(s *storeSuite) {
	for round := range 4 {
		a, b := fmt.Sprint("a", round), fmt.Sprint("b", round)
		var winner atomic.Pointer[string]
		var won atomic.Int32
		s.race(func(st teamsapp.Store, i int) {
			owner := fmt.Sprint("owner", round, "-", i)
			got := s.raced(st, s.claim(owner, a, b), s.now)
			if got.Mine {
				won.Add(1)
				winner.Store(&owner)
				s.noError(st.Answer(s.Context(), owner, []byte(owner), s.now))
			}
		})
		s.check(won.Load() == 1, "%d of %d got the turn", won.Load(), storeRacers)
		s.replies(s.second, s.claim("late", a), *winner.Load())
		s.replies(s.Store, s.claim("late", b), *winner.Load())
	}
	s.deletes(s.now.Add(time.Hour), 100, 8)
}

// raceShared lets claims race that have a key of their own before and behind the one they share.
func raceShared(s *storeSuite) {
	for round := range 4 {
		shared := fmt.Sprint("m", round)
		var mu sync.Mutex
		var winner string
		won := 0
		s.race(func(st teamsapp.Store, i int) {
			owner := fmt.Sprint("owner", round, "-", i)
			c := s.claim(owner, owner+" a", shared, "z "+owner)
			if i%2 == 0 {
				slices.Reverse(c.Keys)
			}
			if s.raced(st, c, s.now).Mine {
				mu.Lock()
				defer mu.Unlock()
				won++
				winner = owner
			}
		})
		s.check(won == 1, "%d of %d got the turn", won, storeRacers)
		for i := range storeRacers {
			owner := fmt.Sprint("owner", round, "-", i)
			c := s.claim("late", owner+" a", "z "+owner)
			if owner == winner {
				s.taken(s.Store, c)
			} else if i < 8 { // those who lost took none of their keys
				s.mine(s.Store, c)
				s.ok(s.Answer(s.Context(), "late", nil, s.now))
			}
		}
	}
	s.deletes(s.now.Add(time.Hour), 100, 4*3)
}

// raceOrders claims, answers and forgets overlapping turns in every order of their keys: nobody may wait in a circle,
// and of the turns that overlap one at a time is anybody's.
func raceOrders(s *storeSuite) {
	var holders [4]atomic.Int32
	names := []string{"a", "b", "c", "d"}
	s.race(func(st teamsapp.Store, i int) {
		for round := range 4 {
			owner := fmt.Sprint("owner", i, "-", round)
			c := s.claim(owner)
			var held []int
			for k := range 1 + (i+round)%4 {
				n := (i/4 + k*(1+2*(i%2))) % 4 // a step of 1 or 3 meets each once
				held = append(held, n)
				c.Keys = append(c.Keys, teamsapp.ClaimKey{Key: names[n], Until: s.now.Add(remembered)})
			}
			if !s.raced(st, c, s.now).Mine {
				continue
			}
			for _, n := range held {
				if holders[n].Add(1) != 1 {
					s.Errorf("key %s has two owners", names[n])
				}
			}
			for _, n := range held {
				holders[n].Add(-1)
			}
			s.noError(st.Answer(s.Context(), owner, nil, s.now))
		}
	})
	s.deletes(s.now.Add(time.Hour), 100, 0)
	s.mine(s.Store, s.claim("last", names...))
}

// raceTakeover lets the owner answer while others try to take the turn, whose lease is over.
func raceTakeover(s *storeSuite) {
	for round := range 4 {
		a, b := fmt.Sprint("a", round), fmt.Sprint("b", round)
		s.mine(s.Store, s.claim("slow", a, b))
		over := s.now.Add(leased)
		var won atomic.Int32
		s.race(func(st teamsapp.Store, i int) {
			if i%16 == 0 {
				s.noError(st.Answer(s.Context(), "slow", []byte("slow"), over))
				return
			}
			c := s.claim(fmt.Sprint("owner", round, "-", i), a, b)
			if i%2 == 0 {
				slices.Reverse(c.Keys)
			}
			c.LeaseUntil = over.Add(leased)
			got := s.raced(st, c, over)
			if got.Mine {
				won.Add(1)
			}
			if got.Reply != nil && (got.Mine || string(got.Reply) != "slow") {
				s.Errorf("unexpected answer: %+v", got)
			}
		})
		s.check(won.Load() <= 1, "%d took the turn", won.Load())
		for _, key := range []string{a, b} {
			got, err := s.Claim(s.Context(), s.claim("late", key), over)
			s.ok(err)
			answered := string(got.Reply) == "slow"
			s.check(!got.Mine && answered == (won.Load() == 0), "%d took the turn, and then it is %+v", won.Load(), got)
		}
	}
}

func raceSave(s *storeSuite) {
	var all []teamsapp.Record
	for i := range storeRacers {
		r := s.record(ourBot, contoso, person(1, 1))
		r.Sealed = fmt.Append(nil, "version ", i)
		r.UpdatedAt = s.now.Add(time.Duration(i*37%storeRacers) * time.Microsecond)
		all = append(all, r)
	}
	s.race(func(st teamsapp.Store, i int) {
		s.noError(st.Save(s.Context(), all[i]))
	})
	newest := slices.MaxFunc(all, func(a, b teamsapp.Record) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	s.loads(newest)
	s.lists(teamsapp.Query{Bot: ourBot}, newest)
}

// raceDelete deletes while the same keys are claimed anew: what a claim has just taken must stay.
func raceDelete(s *storeSuite) {
	const keys = 120
	for i := range keys {
		s.mine(s.Store, s.claim(fmt.Sprint("owner", i), fmt.Sprint("key", i)))
	}
	later := s.now.Add(remembered)
	var deleted, renewed atomic.Int64
	s.race(func(st teamsapp.Store, i int) {
		if i%4 != 0 {
			n, err := st.DeleteExpired(s.Context(), later, 5)
			s.noError(err)
			deleted.Add(int64(n))
			return
		}
		c := teamsapp.Claim{Owner: fmt.Sprint("new", i), LeaseUntil: later.Add(leased)}
		for k := range 2 {
			c.Keys = append(c.Keys, teamsapp.ClaimKey{Key: fmt.Sprint("key", i+k), Until: later.Add(remembered)})
		}
		if s.raced(st, c, later).Mine {
			renewed.Add(1)
		}
	})
	s.check(renewed.Load() == storeRacers/4, "%d of %d turns were claimed again", renewed.Load(), storeRacers/4)
	for {
		n, err := s.DeleteExpired(s.Context(), later, 50)
		s.ok(err)
		if deleted.Add(int64(n)); n == 0 {
			break
		}
	}
	s.now = later
	for i := range storeRacers / 4 {
		s.taken(s.second, s.claim("late", fmt.Sprint("key", i*4)))
		s.taken(s.second, s.claim("late", fmt.Sprint("key", i*4+1)))
	}
	// A key was deleted once or taken over before that; those claimed again are left.
	s.check(deleted.Load() <= keys && deleted.Load() >= keys-storeRacers/2, "%d of %d keys were deleted", deleted.Load(), keys)
	s.deletes(later.Add(remembered), 1000, storeRacers/2)
}
