package backlogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/race"
)

const rounds = 4

// race runs f on both instances in turn from goroutines that begin together. f reports by Errorf only.
func (s *suite) race(f func(st backlog.Store, i int)) {
	s.Helper()
	race.On(s.stores, f)
	if s.Failed() {
		s.FailNow()
	}
}

func raceNext(s *suite) {
	for round := range rounds {
		key := fmt.Sprint("t", round)
		it := s.add(key)
		s.add(key)
		var won atomic.Int32
		s.race(func(st backlog.Store, i int) {
			got, err := st.Next(s.Context(), it.Stream(kind), fmt.Sprint("holder ", i), s.now, s.now.Add(lease))
			switch {
			case err == nil && got.ID == it.ID && got.Tries == 1:
				won.Add(1)
			case !errors.Is(err, backlog.ErrHeld) || !got.Due.Equal(s.now.Add(lease)):
				s.Errorf("another got %q until %v, %v", got.ID, got.Due, err)
			}
		})
		s.equal(won.Load(), int32(1), "who got the stream")
		s.equal(s.get(it).Tries, 1, "tries")
	}
}

func raceFinish(s *suite) {
	for round := range rounds {
		it := s.add(fmt.Sprint("t", round))
		got := s.next(it.Key, "a")
		var won atomic.Int32
		s.race(func(st backlog.Store, i int) {
			o := []backlog.Outcome{done, dead, {Due: s.now, Fault: "no answer"}}[i%3]
			switch err := st.Finish(s.Context(), got, "a", o, s.now); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, backlog.ErrLost):
				s.Error(err)
			}
		})
		s.equal(won.Load(), int32(1), "whose outcome was stored")
	}
}

// raceAdd has every id added by several at once, alone and with others.
func raceAdd(s *suite) {
	for round := range rounds {
		ids := make([]backlog.Item, race.Goroutines)
		for i := range ids {
			ids[i] = s.item(fmt.Sprint("t", round, "-", i%5))
		}
		var added atomic.Int32
		s.race(func(st backlog.Store, i int) {
			list := []backlog.Item{ids[i], ids[(i+1)%len(ids)]}
			if i%4 == 3 {
				list = list[:1]
			}
			n, err := st.Add(s.Context(), list)
			if err != nil || n < 0 || n > len(list) {
				s.Errorf("add returned %d, %v", n, err)
			}
			added.Add(int32(n))
		})
		s.equal(int(added.Load()), len(ids), "how many were new, of all that added")
		c, err := s.st().Count(s.Context(), "")
		s.ok(err)
		s.equal(c.Pending, len(ids)*(round+1), "how many there are")
	}
}

func raceDrop(s *suite) {
	for round := range rounds {
		it := s.add(fmt.Sprint("t", round))
		var took, dropped atomic.Int32
		s.race(func(st backlog.Store, i int) {
			if i/2%2 == 0 {
				switch err := st.Drop(s.Context(), contoso, it.ID, s.now); {
				case err == nil:
					dropped.Add(1)
				case !errors.Is(err, backlog.ErrState):
					s.Error(err)
				}
				return
			}
			switch _, err := st.Next(s.Context(), it.Stream(kind), fmt.Sprint("holder ", i), s.now, s.now.Add(lease)); {
			case err == nil:
				took.Add(1)
			case !errors.Is(err, backlog.ErrHeld) && !errors.Is(err, backlog.ErrNone):
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
		it := s.add(fmt.Sprint("t", round))
		s.end(it, dead)
		var won atomic.Int32
		s.race(func(st backlog.Store, _ int) {
			switch _, err := st.Replay(s.Context(), contoso, it.ID, s.now); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, backlog.ErrState):
				s.Error(err)
			}
		})
		s.equal(won.Load(), int32(1), "how many replayed it")
		s.end(it, done)
	}
}

// raceEnding adds with contexts of which many end at any moment: what was answered is there, and what was refused is there
// once or not at all.
func raceEnding(s *suite) {
	items := make([]backlog.Item, 4*race.Goroutines)
	for i := range items {
		items[i] = s.item(fmt.Sprint("t", i%3))
	}
	var answered sync.Map
	s.race(func(st backlog.Store, i int) {
		for n := range 4 {
			it := items[4*i+n]
			ctx, cancel := context.WithCancel(s.Context())
			if (i+n)%2 == 0 {
				time.AfterFunc(time.Duration(i*50)*time.Microsecond, cancel)
			}
			switch _, err := st.Add(ctx, []backlog.Item{it}); {
			case err == nil:
				answered.Store(it.ID, true)
			case !errors.Is(err, context.Canceled):
				s.Error(err)
			}
			cancel()
		}
	})
	n := 0
	answered.Range(func(id, _ any) bool {
		n++
		_, err := s.st().Get(s.Context(), contoso, fmt.Sprint(id))
		s.ok(err)
		return true
	})
	if n < len(items)/4 {
		s.Fatalf("%d of %d were stored", n, len(items))
	}
	for _, it := range items { // adding again is safe
		_, err := s.st().Add(s.Context(), []backlog.Item{it})
		s.ok(err)
	}
	c, err := s.st().Count(s.Context(), "")
	s.ok(err)
	s.equal(c.Pending, len(items), "how many there are")
}

// desk is where items are done, and notices two who have one stream at once.
type desk struct {
	sync.Mutex
	inside map[mspkit.Stream]string
	done   map[mspkit.Stream][]backlog.Item
	tries  map[string]int
}

func newDesk() *desk {
	return &desk{inside: map[mspkit.Stream]string{}, done: map[mspkit.Stream][]backlog.Item{}, tries: map[string]int{}}
}

// raceDrain adds with half of the goroutines and drains with the others; some items die and are replayed meanwhile.
func raceDrain(s *suite) {
	const each, streams = 8, 3
	adders := race.Goroutines / 2
	d := newDesk()
	items := make([][]backlog.Item, adders)
	for i := range items {
		for n := range each {
			it := s.item(fmt.Sprint("t", n%streams))
			it.ID = fmt.Sprintf("%02d-%03d", i, n)
			items[i] = append(items[i], it)
		}
	}
	var adding atomic.Int32
	adding.Store(int32(adders))
	s.race(func(st backlog.Store, i int) {
		if i/2%2 == 0 { // on both instances
			k := i/4*2 + i%2
			defer adding.Add(-1)
			for n := 0; n < each; n += 2 {
				if n, err := st.Add(s.Context(), items[k][n:n+2]); err != nil || n != 2 {
					s.Errorf("add returned %d, %v", n, err)
				}
			}
			return
		}
		for !s.Failed() {
			last := adding.Load() == 0
			list, err := st.Due(s.Context(), kind, s.now, 10)
			if err != nil {
				s.Error(err)
				return
			}
			if len(list) == 0 && last {
				return
			}
			for _, stream := range list {
				s.drain(st, d, stream, fmt.Sprint("holder ", i))
			}
		}
	})
	n := 0
	for stream, list := range d.done {
		last := map[string]string{}
		for k, it := range list {
			n++
			if k > 0 && it.Seq <= list[k-1].Seq {
				s.Fatalf("%s: %s with Seq %d was done after %s with %d", stream.Key, it.ID, it.Seq, list[k-1].ID, list[k-1].Seq)
			}
			if d.tries[it.ID] == 1 && it.ID <= last[it.ID[:2]] {
				s.Fatalf("%s: %s was done after %s", stream.Key, it.ID, last[it.ID[:2]])
			}
			if d.tries[it.ID] == 1 {
				last[it.ID[:2]] = it.ID
			}
		}
	}
	s.equal(n, adders*each, "how many were done")
	c, err := s.st().Count(s.Context(), "")
	s.ok(err)
	s.equal(c, backlog.Counts{}, "what is left")
}

// drain does what there is in a stream. Every seventh item is dead at first, and replayed.
func (s *suite) drain(st backlog.Store, d *desk, stream mspkit.Stream, holder string) {
	for !s.Failed() {
		it, err := st.Next(s.Context(), stream, holder, s.now, s.now.Add(lease))
		if errors.Is(err, backlog.ErrNone) || errors.Is(err, backlog.ErrHeld) {
			return
		}
		if err != nil {
			s.Error(err)
			return
		}
		d.Lock()
		if other := d.inside[stream]; other != "" {
			s.Errorf("%s has a stream that %s has", holder, other)
		}
		d.inside[stream] = holder
		d.tries[it.ID]++
		o := done
		if it.ID[5] == '6' && d.tries[it.ID] == 1 {
			o = dead
		} else {
			d.done[stream] = append(d.done[stream], it)
		}
		d.Unlock()
		if it.Tries != 1 {
			s.Errorf("%s was tried before", it.ID)
		}
		d.Lock()
		d.inside[stream] = ""
		d.Unlock()
		if err := st.Finish(s.Context(), it, holder, o, s.now); err != nil {
			s.Error(err)
			return
		}
		if o.Dead {
			if _, err := st.Replay(s.Context(), it.Tenant, it.ID, s.now); err != nil {
				s.Error(err)
			}
		}
	}
}

// raceTakeover has leases run out while they are held: whatever is done again was done before, and the first times are in order.
func raceTakeover(s *suite) {
	const total, streams = 16, 2
	d := newDesk()
	var want [streams][]string
	for i := range total {
		it := s.add(fmt.Sprint("t", i%streams))
		want[i%streams] = append(want[i%streams], it.ID)
	}
	var clock atomic.Int64
	s.race(func(st backlog.Store, i int) {
		holder := fmt.Sprint("holder ", i)
		for !s.Failed() {
			now := start.Add(time.Duration(clock.Add(1)) * lease / race.Goroutines) // leases run out after one more look of each
			c, err := st.Count(s.Context(), "")
			if err != nil {
				s.Error(err)
				return
			}
			if c.Pending == 0 {
				return
			}
			list, err := st.Due(s.Context(), kind, now, streams)
			if err != nil {
				s.Error(err)
				return
			}
			for _, stream := range list {
				s.tryOnce(st, d, stream, holder, now)
			}
		}
	})
	for i, ids := range want {
		var got []string
		for _, it := range d.done[streamOf(contoso, fmt.Sprint("t", i))] {
			got = append(got, it.ID)
		}
		s.equal(got, ids, "what was done")
	}
}

func (s *suite) tryOnce(st backlog.Store, d *desk, stream mspkit.Stream, holder string, now time.Time) {
	it, err := st.Next(s.Context(), stream, holder, now, now.Add(lease))
	if errors.Is(err, backlog.ErrNone) || errors.Is(err, backlog.ErrHeld) {
		return
	}
	if err != nil {
		s.Error(err)
		return
	}
	d.Lock()
	d.tries[it.ID]++
	if !slices.ContainsFunc(d.done[stream], func(x backlog.Item) bool { return x.ID == it.ID }) {
		d.done[stream] = append(d.done[stream], it)
	}
	crash := d.tries[it.ID] == 1 && len(d.done[stream])%4 == 0
	d.Unlock()
	if crash { // the outcome is never told
		return
	}
	if err := st.Finish(s.Context(), it, holder, done, now); err != nil && !errors.Is(err, backlog.ErrLost) {
		s.Error(err)
	}
}
