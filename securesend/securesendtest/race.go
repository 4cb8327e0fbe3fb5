package securesendtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/securesend"
)

// racers is how many goroutines race each verb, half of them on each instance.
const racers = race.Goroutines

// race runs f on every racer at once and waits.
func (s *suite) race(f func(st securesend.SecretStore, i int)) {
	s.Helper()
	s.raced = true
	race.On(s.stores, f)
}

// rounds repeats f: as often as soak says, or, without MSPKIT_SOAK=1, until a second is over, once at least. A store in memory
// does all of them always.
func (s *suite) rounds(soak int, f func()) {
	s.Helper()
	begun := time.Now()
	for i := range soak {
		if i >= 1 && os.Getenv("MSPKIT_SOAK") == "" && time.Since(begun) > time.Second { //nolint:forbidigo // the switch of all soaks
			s.Logf("%d of %d rounds; MSPKIT_SOAK=1 does all", i, soak)
			return
		}
		f()
	}
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

// kinds returns how many events of each kind there are, and acknowledges all.
func (s *suite) kinds() map[securesend.EventKind]int {
	s.Helper()
	out := map[securesend.EventKind]int{}
	var ids []string
	for _, es := range s.events() {
		for _, e := range es {
			out[e.Kind]++
			ids = append(ids, e.ID)
		}
	}
	s.ok(s.stores[0].AckEvents(s.Context(), ids))
	return out
}

// prepare stores a record for a race, beside the model that the race leaves behind.
func (s *suite) prepare(r securesend.Record) {
	s.Helper()
	s.ok(s.stores[0].Put(s.Context(), r, s.stamp(securesend.EventCreated), s.now))
}

// claims returns the Take of a racer.
func (s *suite) claims(r securesend.Record, i int) securesend.Take {
	return securesend.Take{
		Claim: hash(fmt.Sprint("claim", i)), Auth: r.Auth, Number: securesend.MACs{r.KeyID: r.NumberMAC}, Stamp: s.seen(securesend.EventRevealed),
	}
}

// raceTake is what all is about: one reader, whatever happens.
func raceTake(s *suite) {
	s.rounds(200, func() {
		r := s.fresh(contoso)
		s.prepare(r)
		var won atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			got, err := st.Take(s.Context(), r.Ref, s.claims(r, i), s.now)
			if s.unexpected(err, securesend.ErrOpening) {
				if len(got.Half)+len(got.Inline) > 0 {
					s.Error("the half is handed out with an error")
				}
				return
			}
			if !bytes.Equal(got.Half, r.Half) || !bytes.Equal(got.Inline, r.Inline) {
				s.Error("the half is not what was stored")
			}
			won.Add(1)
		})
		s.equal(int(won.Load()), 1, "readers")
		s.equal(s.stat(r.Ref).Views, 1, "views")
		s.equal(s.kinds(), map[securesend.EventKind]int{securesend.EventCreated: 1, securesend.EventRevealed: 1}, "events")
	})
}

// raceSameClaim repeats a Take of which the answers were lost.
func raceSameClaim(s *suite) {
	s.rounds(10, func() {
		r := s.fresh(contoso)
		s.prepare(r)
		s.race(func(st securesend.SecretStore, _ int) {
			got, err := st.Take(s.Context(), r.Ref, s.claims(r, 0), s.now)
			if !s.unexpected(err) && !bytes.Equal(got.Half, r.Half) {
				s.Error("the half is not what was stored")
			}
		})
		got := s.stat(r.Ref)
		s.equal([]any{got.Views, got.Version}, []any{1, int64(2)}, "views and version")
		s.equal(s.kinds(), map[securesend.EventKind]int{securesend.EventCreated: 1, securesend.EventRevealed: 1}, "events")
	})
}

func raceTakeRevoke(s *suite) {
	s.rounds(20, func() {
		r := s.fresh(contoso)
		s.prepare(r)
		var won, revoked atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			if i%8 == 0 {
				if _, err := st.Revoke(s.Context(), r.Ref, s.stamp(securesend.EventRevoked), s.now); !s.unexpected(err, securesend.ErrEnded) {
					revoked.Add(1)
				}
				return
			}
			if _, err := st.Take(s.Context(), r.Ref, s.claims(r, i), s.now); !s.unexpected(err, securesend.ErrOpening, securesend.ErrEnded) {
				won.Add(1)
			}
		})
		s.equal(int(revoked.Load()), 1, "revocations")
		got, kinds := s.stat(r.Ref), s.kinds()
		s.equal([]any{got.State, got.Views, kinds[securesend.EventRevealed], kinds[securesend.EventRevoked]},
			[]any{securesend.StateRevoked, int(won.Load()), int(won.Load()), 1}, "the outcome")
		s.equal(won.Load() <= 1, true, "at most one reader")
	})
}

// raceTakeExpire lets a sweep be a moment ahead of readers.
func raceTakeExpire(s *suite) {
	s.rounds(20, func() {
		r := s.fresh(contoso)
		s.prepare(r)
		var won, swept atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			if i%4 == 0 {
				n, err := st.Expire(s.Context(), r.ExpiresAt, 10)
				s.unexpected(err)
				swept.Add(int32(n))
				return
			}
			if _, err := st.Take(s.Context(), r.Ref, s.claims(r, i), r.ExpiresAt.Add(-tick)); !s.unexpected(err, securesend.ErrOpening, securesend.ErrEnded) {
				won.Add(1)
			}
		})
		s.equal(int(won.Load()+swept.Load()), 1, "readers and sweeps")
		want := map[securesend.EventKind]int{securesend.EventCreated: 1, securesend.EventRevealed: 1}
		if swept.Load() == 1 {
			want = map[securesend.EventKind]int{securesend.EventCreated: 1, securesend.EventExpired: 1}
		}
		s.equal(s.kinds(), want, "events")
		_, err := s.next().Revoke(s.Context(), r.Ref, s.stamp(securesend.EventRevoked), s.now)
		s.unexpected(err, securesend.ErrEnded)
		s.kinds()
	})
}

// raceViews lets everybody take and acknowledge until the views are used up.
func raceViews(s *suite) {
	const views = 5
	s.rounds(10, func() {
		r := s.fresh(contoso)
		r.MaxViews = views
		s.prepare(r)
		var won atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			for {
				t := s.claims(r, i)
				_, err := st.Take(s.Context(), r.Ref, t, s.now)
				if errors.Is(err, securesend.ErrOpening) && s.Context().Err() == nil {
					continue
				}
				if s.unexpected(err, securesend.ErrEnded) {
					return
				}
				won.Add(1)
				_, err = st.Ack(s.Context(), r.Ref, t.Claim, t.Auth, s.seen(securesend.EventAcknowledged), s.now)
				s.unexpected(err)
				return
			}
		})
		got := s.stat(r.Ref)
		s.equal([]any{int(won.Load()), got.Views, got.State}, []any{views, views, securesend.StateAcknowledged}, "views")
		s.equal(s.kinds(), map[securesend.EventKind]int{securesend.EventCreated: 1, securesend.EventRevealed: views, securesend.EventAcknowledged: views}, "events")
	})
}

// raceAck acknowledges once while others sweep what has lapsed.
func raceAck(s *suite) {
	s.rounds(20, func() {
		r := s.fresh(contoso)
		s.prepare(r)
		t := s.claims(r, 0)
		_, err := s.stores[0].Take(s.Context(), r.Ref, t, s.now)
		s.ok(err)
		late := s.now.Add(securesend.Lease + securesend.LeaseMargin)
		var acked, swept atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			if i%4 == 0 {
				n, err := st.Expire(s.Context(), late, 10)
				s.unexpected(err)
				swept.Add(int32(n))
				return
			}
			if _, err := st.Ack(s.Context(), r.Ref, t.Claim, t.Auth, s.seen(securesend.EventAcknowledged), late); !s.unexpected(err, securesend.ErrEnded) {
				acked.Add(1)
			}
		})
		kinds := s.kinds()
		s.equal(kinds[securesend.EventAcknowledged]+kinds[securesend.EventLapsed], 1, "ends")
		s.equal([]any{swept.Load() == 1, acked.Load() == 0}, []any{kinds[securesend.EventLapsed] == 1, kinds[securesend.EventLapsed] == 1}, "who ended it")
	})
}

// raceNumbers guesses: whatever the interleaving, no more than the tries are compared.
func raceNumbers(s *suite) {
	s.rounds(20, func() {
		r := s.fresh(contoso)
		r.MaxTries = 5
		s.prepare(r)
		var compared, won atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			t := s.claims(r, i)
			if i != racers/2 {
				t.Number = securesend.MACs{"k1": hash(fmt.Sprint("guess", i))}
			}
			_, err := st.Take(s.Context(), r.Ref, t, s.now)
			switch {
			case errors.Is(err, securesend.ErrNumber):
				compared.Add(1)
			case !s.unexpected(err, securesend.ErrLocked, securesend.ErrOpening):
				won.Add(1)
			}
		})
		got, kinds := s.stat(r.Ref), s.kinds()
		s.equal([]int{kinds[securesend.EventRefused], got.Refusals, kinds[securesend.EventRevealed], got.Views}, []int{got.Tries, got.Tries, int(won.Load()), int(won.Load())}, "what was counted")
		if won.Load() == 0 {
			s.equal([]int{got.Tries, int(compared.Load()), kinds[securesend.EventLocked]}, []int{5, 4, 1}, "tries, when nobody got in")
		} else {
			s.equal([]bool{got.Tries < 5, int(compared.Load()) == got.Tries, kinds[securesend.EventLocked] == 0}, []bool{true, true, true}, "tries, when somebody got in")
		}
	})
}

func racePassphrases(s *suite) {
	s.rounds(10, func() {
		r := s.fresh(contoso)
		r.MaxPassTries, r.PassKeyID, r.PassMAC = 7, "k1", hash("pass")
		s.prepare(r)
		s.race(func(st securesend.SecretStore, i int) {
			t := s.claims(r, i)
			t.Pass = wrong()
			_, err := st.Take(s.Context(), r.Ref, t, s.now)
			if !s.unexpected(err, securesend.ErrPassphrase, securesend.ErrLocked) {
				s.Error("a wrong passphrase opens")
			}
		})
		kinds := s.kinds()
		s.equal([]int{s.stat(r.Ref).PassTries, kinds[securesend.EventRefused], kinds[securesend.EventLocked]}, []int{7, 7, 1}, "tries")
	})
}

func raceSendCode(s *suite) {
	s.rounds(10, func() {
		r := s.fresh(contoso)
		r.Gate = securesend.GateCode
		s.prepare(r)
		var sent atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			c := s.code(r.Auth, strconv.Itoa(i))
			c.Cooldown = 0
			if i%2 == 0 {
				c.Cooldown = time.Minute
			}
			if _, err := st.SendCode(s.Context(), r.Ref, c, s.now); !s.unexpected(err, securesend.ErrLimited) {
				sent.Add(1)
			}
		})
		s.equal([]int{int(sent.Load()), s.stat(r.Ref).CodeSends, s.kinds()[securesend.EventCodeSent]}, []int{3, 3, 3}, "codes")
	})
}

func racePut(s *suite) {
	s.rounds(10, func() {
		r := s.fresh(contoso)
		var stored sync.Map
		s.race(func(st securesend.SecretStore, i int) {
			r := r.Clone()
			r.Sender = fmt.Sprint("sender", i)
			if err := st.Put(s.Context(), r, s.stamp(securesend.EventCreated), s.now); !s.unexpected(err, securesend.ErrConflict) {
				stored.Store(r.Sender, true)
			}
		})
		n := 0
		stored.Range(func(any, any) bool { n++; return true })
		s.equal(n, 1, "records of one id")
		if _, ok := stored.Load(s.stat(r.Ref).Sender); !ok {
			s.Fatal("the record is not that of who stored it")
		}
		s.equal(s.kinds(), map[securesend.EventKind]int{securesend.EventCreated: 1}, "events")
	})
}

func raceCount(s *suite) {
	limits := []securesend.Limit{
		{Name: "one", Key: "contoso/one", Max: 9, Window: time.Hour},
		{Name: "two", Key: "contoso/two", Max: 5, Window: time.Hour},
		{Name: "all", Key: "all/three", Max: 100, Window: time.Hour, Global: true},
	}
	var counted atomic.Int32
	s.race(func(st securesend.SecretStore, i int) {
		given := limits
		if i%2 == 0 {
			given = []securesend.Limit{limits[1], limits[0], limits[2]} // in another order
		}
		if err := st.Count(s.Context(), given, s.now); !s.unexpected(err, securesend.ErrLimited) {
			counted.Add(1)
		}
	})
	s.equal(int(counted.Load()), 5, "counts")
	left := 0
	for s.stores[0].Count(s.Context(), limits[:1], s.now) == nil {
		left++
	}
	s.equal(left, 4, "what is left of the other limit")
	for s.stores[0].Count(s.Context(), limits[2:], s.now) == nil {
		left++
	}
	s.equal(left, 4+95, "what is left of the global limit")
}

func raceExpire(s *suite) {
	const sends = 100
	for range sends {
		s.prepare(s.fresh(contoso))
	}
	s.kinds()
	late := s.now.Add(2 * day)
	var total atomic.Int64
	s.race(func(st securesend.SecretStore, _ int) {
		n, err := st.Expire(s.Context(), late, 5)
		s.unexpected(err)
		total.Add(int64(n))
	})
	for {
		n, err := s.stores[0].Expire(s.Context(), late, 5)
		s.ok(err)
		if n == 0 {
			break
		}
		total.Add(int64(n))
	}
	s.equal(int(total.Load()), sends, "swept")
	seen := map[string]int{}
	for _, e := range s.events()[contoso] {
		if e.Kind == securesend.EventExpired {
			seen[e.Send]++
		}
	}
	s.equal(len(seen), sends, "sends with an event")
	for id, n := range seen {
		s.equal(n, 1, "events of "+id)
	}
}

func raceRenew(s *suite) {
	s.rounds(10, func() {
		r := s.fresh(contoso)
		s.prepare(r)
		var won atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			n := securesend.Renewal{KeyID: "k1", MAC: hash(strconv.Itoa(i)), Stamp: s.stamp(securesend.EventRenewed)}
			if _, err := st.Renew(s.Context(), r.Ref, 1, n, s.now); !s.unexpected(err, securesend.ErrConflict) {
				won.Add(1)
			}
		})
		s.equal([]int{int(won.Load()), s.stat(r.Ref).Renewals, s.kinds()[securesend.EventRenewed]}, []int{1, 1, 1}, "renewals of one version")
	})
}

func raceAdmit(s *suite) {
	s.rounds(10, func() {
		r := s.request(contoso)
		s.prepare(r)
		var won atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			a := securesend.Admission{Upload: hash(strconv.Itoa(i / 4)), Number: securesend.MACs{"k1": r.NumberMAC}, Stamp: s.seen(securesend.EventOpened)}
			if _, err := st.Admit(s.Context(), r.Ref, a, s.now); !s.unexpected(err, securesend.ErrOpening) {
				won.Add(1)
			}
		})
		s.equal([]int{int(won.Load()), s.kinds()[securesend.EventOpened]}, []int{4, 1}, "those that share an upload, and events")
	})
}

func raceCommit(s *suite) {
	s.rounds(10, func() {
		r := s.draft(contoso)
		s.prepare(r)
		var won atomic.Int32
		s.race(func(st securesend.SecretStore, i int) {
			c := s.content(r.Ref)
			c.Inline = hash(strconv.Itoa(i / 8)) // eight repeat the same
			if _, err := st.Commit(s.Context(), r.Ref, c, s.now); !s.unexpected(err, securesend.ErrConflict) {
				won.Add(1)
			}
		})
		s.equal([]int{int(won.Load()), int(s.stat(r.Ref).Version), s.kinds()[securesend.EventUploaded]}, []int{8, 2, 1}, "those of one content, the version, and events")
	})
}

// raceRewrap takes while the halves are sealed again: who takes gets one or the other, whole.
func raceRewrap(s *suite) {
	r := s.fresh(contoso)
	r.MaxViews = 1_000_000
	s.prepare(r)
	s.race(func(st securesend.SecretStore, i int) {
		if i%4 == 0 {
			_, err := st.Rewrap(s.Context(), fmt.Sprint("key", i), 10, func(r securesend.Record) (half, sealed []byte, err error) {
				return []byte(fmt.Sprint("half by key", i)), []byte(fmt.Sprint("sealed by key", i)), nil
			})
			s.unexpected(err)
			return
		}
		t := s.claims(r, i)
		got, err := st.Take(s.Context(), r.Ref, t, s.now)
		if s.unexpected(err, securesend.ErrOpening) {
			return
		}
		if got.HalfKey != "k1" && (string(got.Half) != "half by "+got.HalfKey || string(got.Sealed) != "sealed by "+got.HalfKey) {
			s.Errorf("a half %q that belongs to another key than %q", got.Half, got.HalfKey)
		}
		_, err = st.Ack(s.Context(), r.Ref, t.Claim, t.Auth, s.seen(securesend.EventAcknowledged), s.now)
		s.unexpected(err)
	})
}

// raceEvents lets writers and two readers go at once: whatever the interleaving, every event is read before it
// is gone, and the order of first sight is the order of what happened.
func raceEvents(s *suite) {
	const perRacer = 4
	records := make([][]securesend.Record, racers)
	for i := range records {
		for range perRacer {
			records[i] = append(records[i], s.fresh(contoso))
		}
	}
	var mu sync.Mutex
	var seen []securesend.Event
	known := map[string]bool{}
	drain := func(st securesend.SecretStore) int {
		es, err := st.Events(s.Context(), securesend.EventQuery{Limit: 20})
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
		s.unexpected(st.AckEvents(s.Context(), ids))
		return len(es)
	}
	s.race(func(st securesend.SecretStore, i int) {
		for _, r := range records[i] {
			if s.unexpected(st.Put(s.Context(), r, s.stamp(securesend.EventCreated), s.now)) {
				return
			}
			_, err := st.Take(s.Context(), r.Ref, s.claims(r, i), s.now)
			s.unexpected(err)
			if i < 2 { // one reader on each instance
				drain(st)
			}
		}
	})
	for drain(s.stores[0]) > 0 {
		continue
	}
	s.equal(len(seen), 2*perRacer*racers, "events")
	per := map[string][]securesend.EventKind{}
	for _, e := range seen {
		per[e.Send] = append(per[e.Send], e.Kind)
	}
	for id, kinds := range per {
		s.equal(kinds, []securesend.EventKind{securesend.EventCreated, securesend.EventRevealed}, "order of "+id)
	}
}
