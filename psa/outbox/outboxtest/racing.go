package outboxtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa/outbox"
)

var errBroken = errors.New("the record does not open")

const (
	racers = 8
	rounds = 10
)

// race runs f on both instances in turn from goroutines that begin together. f reports by Errorf only.
func (s *suite) race(f func(st outbox.Store, i int)) {
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			<-begin
			f(s.stores[i%len(s.stores)], i)
		})
	}
	close(begin)
	wg.Wait()
	if s.Failed() {
		s.FailNow()
	}
}

func raceNext(s *suite) {
	for round := range rounds {
		ticketID := fmt.Sprint("t", round)
		e := s.add(ticketID)
		s.add(ticketID)
		var won atomic.Int32
		s.race(func(st outbox.Store, i int) {
			got, err := st.Next(s.Context(), e.Stream(), fmt.Sprint("holder ", i), s.now, s.now.Add(lease))
			switch {
			case err == nil && got.ID == e.ID && got.Tries == 1 && !got.Unclear:
				won.Add(1)
			case !errors.Is(err, outbox.ErrHeld) || !got.Due.Equal(s.now.Add(lease)):
				s.Errorf("another got %q until %v, %v", got.ID, got.Due, err)
			}
		})
		s.equal(won.Load(), int32(1), "who got the stream")
		s.equal(s.get(e).Tries, 1, "tries")
	}
}

func raceFinish(s *suite) {
	for round := range rounds {
		ticketID := fmt.Sprint("t", round)
		e := s.add(ticketID)
		got := s.next(ticketID, "a")
		var won atomic.Int32
		s.race(func(st outbox.Store, i int) {
			o := written(got)
			if i%3 == 1 {
				o = died(got)
			}
			if i%3 == 2 {
				o = outbox.Outcome{Due: s.now, Fault: "no answer"}
			}
			switch err := st.Finish(s.Context(), got, "a", o, s.now); {
			case err == nil && o.NoteID == "" && !o.Dead: // the same try may wait more than once, and then end
			case err == nil:
				won.Add(1)
			case !errors.Is(err, outbox.ErrLost):
				s.Error(err)
			}
		})
		if state := s.get(e).State; won.Load() > 1 || (state != outbox.Pending) != (won.Load() == 1) {
			s.Fatalf("it is %s, and ended %d times", state, won.Load())
		}
		s.equal(len(s.events()), int(won.Load()), "events")
		for _, ev := range s.events() {
			s.ok(s.st().Ack(s.Context(), []string{ev.ID}))
		}
	}
}

func raceAdd(s *suite) {
	for round := range rounds {
		older, newer := hash(fmt.Sprint("old ", round)), hash(fmt.Sprint("new ", round))
		entries := make([]outbox.Entry, racers)
		for i := range entries {
			entries[i] = s.note(fmt.Sprint("t", round))
		}
		var won atomic.Int32
		var ids sync.Map
		s.race(func(st outbox.Store, i int) {
			e, keys := entries[i], [][]byte{newer, older}
			if i%4 > 1 { // instances for which the newer key is the primary one, and others for which it is not yet
				keys = [][]byte{older, newer}
			}
			e.Key = keys[0]
			id, added, err := st.Add(s.Context(), e, keys)
			if err != nil || added && id != e.ID {
				s.Errorf("add returned %q, %v", id, err)
			}
			if added {
				won.Add(1)
			}
			ids.Store(id, true)
		})
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		s.equal([]int{int(won.Load()), n}, []int{1, 1}, "how many were added, and how many ids")
	}
	s.equal(len(s.listed(outbox.Filter{})), rounds, "entries")
}

func raceDrop(s *suite) {
	for round := range rounds {
		ticketID := fmt.Sprint("t", round)
		e := s.add(ticketID)
		var took, dropped atomic.Int32
		s.race(func(st outbox.Store, i int) {
			if i%2 == 0 {
				switch err := st.Drop(s.Context(), contoso, e.ID, s.told(outbox.EventDropped, e), s.now); {
				case err == nil:
					dropped.Add(1)
				case !errors.Is(err, outbox.ErrState):
					s.Error(err)
				}
				return
			}
			switch _, err := st.Next(s.Context(), e.Stream(), fmt.Sprint("holder ", i), s.now, s.now.Add(lease)); {
			case err == nil:
				took.Add(1)
			case !errors.Is(err, outbox.ErrHeld) && !errors.Is(err, outbox.ErrNone):
				s.Error(err)
			}
		})
		if took.Load()+dropped.Load() != 1 {
			s.Fatalf("tried by %d, dropped by %d", took.Load(), dropped.Load())
		}
	}
}

func raceReplay(s *suite) {
	for round := range rounds {
		e := s.add(fmt.Sprint("t", round))
		s.kill(e)
		before := len(s.events())
		var won atomic.Int32
		s.race(func(st outbox.Store, _ int) {
			switch _, err := st.Replay(s.Context(), contoso, e.ID, s.told(outbox.EventReplayed, e), s.now); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, outbox.ErrState):
				s.Error(err)
			}
		})
		s.equal([]int{int(won.Load()), len(s.events()) - before}, []int{1, 1}, "how many replayed it, and events")
	}
}

// desk is a ticket system of which it is known what was written, and that notices two who write to one ticket at once.
type desk struct {
	sync.Mutex
	written map[string][]string
	inside  map[string]string
	tries   map[string]int
}

func newDesk() *desk {
	return &desk{written: map[string][]string{}, inside: map[string]string{}, tries: map[string]int{}}
}

// raceDrain adds with four goroutines and drains with four others.
func raceDrain(s *suite) {
	const adders, each, tickets = 4, 25, 3
	d := newDesk()
	var adding sync.WaitGroup
	adding.Add(adders)
	notes := make([][]outbox.Entry, adders)
	for i := range notes {
		for n := range each {
			e := s.note(fmt.Sprint("t", n%tickets))
			e.ID = fmt.Sprintf("%d-%03d", i, n)
			notes[i] = append(notes[i], e)
		}
	}
	done := make(chan struct{})
	go func() { adding.Wait(); close(done) }()
	s.race(func(st outbox.Store, i int) {
		if i%4 < 2 { // on both instances
			k := i/4*2 + i%2
			defer adding.Done()
			for _, e := range notes[k] {
				if _, added, err := st.Add(s.Context(), e, nil); err != nil || !added {
					s.Errorf("add returned %v, %v", added, err)
				}
			}
			return
		}
		holder := fmt.Sprint("holder ", i)
		for !s.Failed() {
			ended := false
			select {
			case <-done:
				ended = true
			default:
			}
			list, err := st.Due(s.Context(), s.now, 10)
			if err != nil {
				s.Error(err)
				return
			}
			if len(list) == 0 && ended {
				return
			}
			for _, stream := range list {
				s.drain(st, d, stream, holder)
			}
		}
	})
	n := 0
	for key, ids := range d.written {
		last := map[byte]string{}
		for _, id := range ids {
			n++
			if id <= last[id[0]] {
				s.Fatalf("%s: %s was written after %s", key, id, last[id[0]])
			}
			last[id[0]] = id
		}
	}
	// Whoever held a stream when the last one looked has drained it since.
	s.equal(n, adders*each, "how many were written")
	s.equal(len(s.events()), adders*each, "events")
	c, err := s.st().Count(s.Context(), "")
	s.ok(err)
	s.equal(c, outbox.Counts{}, "what is left")
}

// drain writes what there is for a stream.
func (s *suite) drain(st outbox.Store, d *desk, stream mspkit.Stream, holder string) {
	for {
		e, err := st.Next(s.Context(), stream, holder, s.now, s.now.Add(lease))
		if errors.Is(err, outbox.ErrNone) || errors.Is(err, outbox.ErrHeld) {
			return
		}
		if err != nil {
			s.Error(err)
			return
		}
		d.Lock()
		if other := d.inside[stream.Key]; other != "" {
			s.Errorf("%s has a stream that %s has", holder, other)
		}
		d.inside[stream.Key] = holder
		d.Unlock()
		if e.Tries != 1 || e.Unclear {
			s.Errorf("%s was tried before", e.ID)
		}
		d.Lock()
		d.written[stream.Key] = append(d.written[stream.Key], e.ID)
		d.inside[stream.Key] = ""
		d.Unlock()
		if err := st.Finish(s.Context(), e, holder, written(e), s.now); err != nil {
			s.Error(err)
			return
		}
	}
}

// raceTakeover has leases run out while they are held: what was written is looked up before it is written again.
func raceTakeover(s *suite) {
	const total, tickets = 48, 2
	d := newDesk()
	var want [tickets][]string
	for i := range total {
		e := s.add(fmt.Sprint("t", i%tickets))
		want[i%tickets] = append(want[i%tickets], e.ID)
	}
	var clock atomic.Int64
	s.race(func(st outbox.Store, i int) {
		holder := fmt.Sprint("holder ", i)
		for !s.Failed() {
			now := start.Add(time.Duration(clock.Add(1)) * lease / 4) // leases run out after four more looks
			list, err := st.Due(s.Context(), now, tickets)
			if err != nil {
				s.Error(err)
				return
			}
			if c, err := st.Count(s.Context(), ""); err != nil || c.Pending == 0 {
				if err != nil {
					s.Error(err)
				}
				return
			}
			for _, stream := range list {
				s.tryOnce(st, d, stream, holder, now)
			}
		}
	})
	for i, ids := range want {
		s.equal(d.written[fmt.Sprint("halopsa/t", i)], ids, "what was written")
	}
	s.equal(len(s.events()), total, "events")
}

func (s *suite) tryOnce(st outbox.Store, d *desk, stream mspkit.Stream, holder string, now time.Time) {
	e, err := st.Next(s.Context(), stream, holder, now, now.Add(lease))
	if errors.Is(err, outbox.ErrNone) || errors.Is(err, outbox.ErrHeld) {
		return
	}
	if err != nil {
		s.Error(err)
		return
	}
	d.Lock()
	d.tries[e.ID]++
	known := false
	for _, id := range d.written[stream.Key] {
		known = known || id == e.ID
	}
	if !known {
		d.written[stream.Key] = append(d.written[stream.Key], e.ID)
	}
	crash := d.tries[e.ID] == 1 && len(d.written[stream.Key])%3 == 0
	d.Unlock()
	if crash { // the outcome is never told
		return
	}
	if err := st.Finish(s.Context(), e, holder, written(e), now); err != nil && !errors.Is(err, outbox.ErrLost) {
		s.Error(err)
	}
}
