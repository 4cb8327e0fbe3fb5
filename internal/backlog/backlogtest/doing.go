package backlogtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

func addStores(s *suite) {
	it := s.item("a/b c")
	it.ID = "Grüße 👋/?"
	it.Key = strings.Repeat("ü", mspkit.MaxStreamKey/2)
	it.Sealed = sealed("k1", strings.Repeat("\x00\xff", 5000))
	it.AddedAt = s.now.In(time.FixedZone("far", 3*3600)).Add(999 * time.Nanosecond) // is cut
	it.Due = s.now.Add(-time.Hour)
	given := it
	given.State, given.Seq, given.Tries, given.Fault, given.EndedAt = backlog.Dead, 77, 5, "x", s.now // are not used
	s.put(given)
	it.AddedAt = s.now
	got := s.get(it)
	s.same(got, it, "what was stored")
	if got.Seq < 1 {
		s.Fatalf("Seq is %d", got.Seq)
	}
	if got.Due.Location() != time.UTC || got.AddedAt.Location() != time.UTC {
		s.Fatalf("the times are not in UTC")
	}
	plain := s.item("b")
	plain.Due = time.Time{}
	s.put(plain)
	s.at(s.get(plain).Due, s.now, "Due where none was given")
	n, err := s.st().Add(s.Context(), nil)
	s.ok(err)
	s.equal(n, 0, "how many of none are new")
}

func addsMany(s *suite) {
	for _, n := range []int{2, 3, 7, 64, 65, 300, backlog.MaxItems} {
		items := make([]backlog.Item, n)
		var want []string
		key := fmt.Sprint("many", n)
		for i := range items {
			items[i] = s.item(key)
			if i%3 == 2 {
				items[i].Key = fmt.Sprint(key, "-", i%5)
			} else {
				want = append(want, items[i].ID)
			}
		}
		s.put(items...)
		var got []string
		for after := int64(0); ; {
			page, err := s.st().List(s.Context(), backlog.Filter{Tenant: contoso, Key: key, After: after, Limit: 500})
			s.ok(err)
			if len(page) == 0 {
				break
			}
			for _, it := range page {
				got, after = append(got, it.ID), it.Seq
			}
		}
		s.equal(got, want, "the order of a stream")
	}
}

func addsOnce(s *suite) {
	states := map[string]backlog.Item{"pending": s.add("p"), "done": s.add("d"), "dead": s.add("x"), "dropped": s.add("y")}
	s.end(states["done"], done)
	s.end(states["dead"], dead)
	s.ok(s.st().Drop(s.Context(), contoso, states["dropped"].ID, s.now))
	fresh := s.item("p")
	for name, it := range states {
		before := s.get(it)
		again := it
		again.Key, again.Sealed, again.AddedAt = "elsewhere", sealed("k2", "other"), s.now.Add(time.Hour)
		n, err := s.st().Add(s.Context(), []backlog.Item{again})
		s.ok(err)
		s.equal(n, 0, "how many are new of a repeat of what is "+name)
		s.equal(s.get(it), before, "what is "+name)
	}
	twin := fresh
	twin.Sealed = sealed("k2", "twin")
	n, err := s.st().Add(s.Context(), []backlog.Item{states["done"], fresh, twin, states["dead"]})
	s.ok(err)
	s.equal(n, 1, "how many are new")
	s.same(s.get(fresh), fresh, "the first of two with the same id")
	other := fresh
	other.Tenant = fabrikam
	s.put(other)
}

func addRefuses(s *suite) {
	good := s.item("a")
	for name, change := range map[string]func(*backlog.Item){
		"no tenant":                func(it *backlog.Item) { it.Tenant = "" },
		"a tenant with a zero":     func(it *backlog.Item) { it.Tenant = "a\x00b" },
		"no key":                   func(it *backlog.Item) { it.Key = "" },
		"a key that is too long":   func(it *backlog.Item) { it.Key = strings.Repeat("k", mspkit.MaxStreamKey+1) },
		"a key with a zero":        func(it *backlog.Item) { it.Key = "a\x00" },
		"a key that is not UTF-8":  func(it *backlog.Item) { it.Key = "a\xff" },
		"no id":                    func(it *backlog.Item) { it.ID = "" },
		"an id that is too long":   func(it *backlog.Item) { it.ID = strings.Repeat("i", backlog.MaxID+1) },
		"an id with a zero":        func(it *backlog.Item) { it.ID = "a\x00b" },
		"an id that is not UTF-8":  func(it *backlog.Item) { it.ID = "\xc3" },
		"nothing sealed":           func(it *backlog.Item) { it.Sealed = nil },
		"something in clear":       func(it *backlog.Item) { it.Sealed = []byte("Dana's message") },
		"too much":                 func(it *backlog.Item) { it.Sealed = sealed("k1", strings.Repeat("x", backlog.MaxSealed)) },
		"no time at which it came": func(it *backlog.Item) { it.AddedAt = time.Time{} },
	} {
		bad := s.item("a")
		change(&bad)
		n, err := s.st().Add(s.Context(), []backlog.Item{good, bad})
		if s.is(err, mspkit.ErrInvalid); n != 0 {
			s.Fatalf("%s: %d were added", name, n)
		}
		if strings.Contains(err.Error(), "Dana") {
			s.Fatalf("the error holds the content: %v", err)
		}
	}
	items := make([]backlog.Item, backlog.MaxItems+1)
	for i := range items {
		items[i] = s.item("a")
	}
	_, err := s.st().Add(s.Context(), items)
	s.is(err, mspkit.ErrInvalid)
	s.equal(s.listed(backlog.Filter{}), []string(nil), "what was stored")
}

func keepsOrder(s *suite) {
	a1, b1, a2, a3 := s.add("a"), s.add("b"), s.add("a"), s.add("a")
	first := s.next("a", "one")
	s.equal(first.ID, a1.ID, "the first of a")
	s.end(b1, done)
	s.nothing("b", "two", time.Time{})
	s.finish(first, "one", done)
	s.end(a2, dead) // does not hold up
	s.end(a3, done)
	s.nothing("a", "one", time.Time{})
}

func nextTakes(s *suite) {
	it := s.add("a")
	s.add("a")
	got := s.next("a", "one")
	want := it
	want.Tries = 1
	s.same(got, want, "what is handed over")
	s.same(s.get(it), want, "what is stored")
	s.held("a", "two", s.now.Add(lease))
	s.equal(s.get(it).Tries, 1, "tries")
	_, err := s.st().Next(s.Context(), streamOf(contoso, "a"), "", s.now, s.now.Add(lease))
	s.is(err, mspkit.ErrInvalid)
	_, err = s.st().Next(s.Context(), mspkit.Stream{Kind: "another", Tenant: contoso, Key: "a"}, "two", s.now, s.now.Add(lease))
	s.is(err, backlog.ErrHeld)
}

func nextRenews(s *suite) {
	it := s.add("a")
	s.next("a", "one")
	s.now = s.now.Add(lease / 2)
	got := s.next("a", "one")
	s.equal([]any{got.ID, got.Tries}, []any{it.ID, 2}, "the item and its tries")
	s.held("a", "two", s.now.Add(lease))
	s.finish(got, "one", done)
}

func leaseEnds(s *suite) {
	s.add("a")
	s.next("a", "one")
	end := s.now.Add(lease)
	s.now = end.Add(-time.Microsecond)
	s.held("a", "two", end)
	s.equal(s.due(), []string(nil), "what is due within the lease")
	s.now = end
	s.equal(s.due(), []string{"contoso a"}, "what is due at its end")
	s.equal(s.next("a", "two").Tries, 2, "tries")
	s.held("a", "one", s.now.Add(lease))
}

func nextNothing(s *suite) {
	s.nothing("a", "one", time.Time{})
	it := s.add("a")
	s.end(it, done)
	s.nothing("a", "one", time.Time{})
	next := s.add("a")
	s.equal(s.next("a", "two").ID, next.ID, "what another gets")
}

func nextNotDue(s *suite) {
	first := s.item("a")
	first.Due = s.now.Add(time.Hour)
	s.put(first)
	s.add("a")
	s.nothing("a", "one", first.Due)
	s.equal(s.due(), []string(nil), "what is due")
	s.now = first.Due.Add(-time.Microsecond)
	s.nothing("a", "one", first.Due)
	s.now = first.Due
	got := s.next("a", "one")
	s.equal(got.ID, first.ID, "the first")
	s.now = s.now.Add(-time.Minute) // a clock was set: what is in hand is not due for its holder any more
	s.nothing("a", "one", first.Due)
	s.lost(got, "one", done)
	s.nothing("a", "two", first.Due)
}

func finishDone(s *suite) {
	it := s.add("a")
	got := s.next("a", "one")
	s.now = s.now.Add(time.Second)
	s.finish(got, "one", backlog.Outcome{Due: s.now.Add(time.Second), Fault: "no answer"})
	s.now = s.now.Add(time.Second)
	got = s.next("a", "one")
	s.finish(got, "one", done)
	want := it
	want.State, want.Tries, want.EndedAt, want.Sealed, want.Due = backlog.Done, 2, s.now, nil, s.now
	s.same(s.get(it), want, "what is done")
	s.lost(got, "one", done)
	s.nothing("a", "one", time.Time{})
}

func finishDead(s *suite) {
	it := s.add("a")
	s.end(it, dead)
	want := it
	want.State, want.Tries, want.EndedAt, want.Fault = backlog.Dead, 1, s.now, "refused"
	s.same(s.get(it), want, "what is dead")
	s.nothing("a", "one", time.Time{})
}

func finishAgain(s *suite) {
	it := s.add("a")
	s.add("a")
	got := s.next("a", "one")
	due := s.now.Add(time.Minute + time.Microsecond)
	s.finish(got, "one", backlog.Outcome{Due: due.Add(500), Fault: "no answer"})
	want := it
	want.Tries, want.Due, want.Fault = 1, due, "no answer"
	s.same(s.get(it), want, "what waits")
	s.nothing("a", "one", due)
	s.nothing("a", "two", due)
	s.now = due
	got = s.next("a", "two")
	s.equal([]any{got.ID, got.Tries, got.Fault}, []any{it.ID, 2, "no answer"}, "what is tried again")
}

func finishLost(s *suite) {
	it := s.add("a")
	one := s.next("a", "one")
	s.lost(one, "two", done)
	s.now = s.now.Add(2 * lease)
	s.finish(one, "one", backlog.Outcome{Due: s.now, Fault: "late"}) // nobody else took it
	one = s.next("a", "one")
	again := s.next("a", "one")
	s.lost(one, "one", done) // another try
	s.now = s.now.Add(lease)
	two := s.next("a", "two")
	s.lost(again, "one", done)
	s.lost(two, "one", done)
	s.equal(s.get(it).State, backlog.Pending, "the state")
	s.finish(two, "two", dead)
	s.lost(two, "two", done)
	_, err := s.st().Replay(s.Context(), contoso, it.ID, s.now)
	s.ok(err)
	s.lost(two, "two", done)
	three := s.next("a", "two")
	old := three
	old.Seq = two.Seq
	s.lost(old, "two", done)
	s.finish(three, "two", done)
	never := s.item("a")
	never.Seq, never.Tries = 1, 1
	s.lost(never, "two", done)
}

func finishRefuses(s *suite) {
	s.add("a")
	it := s.next("a", "one")
	for _, o := range []backlog.Outcome{{}, {Fault: "x"}, {Done: true, Dead: true}, {Done: true, Due: s.now}, {Dead: true, Due: s.now}} {
		s.is(s.st().Finish(s.Context(), it, "one", o, s.now), mspkit.ErrInvalid)
	}
	s.is(s.st().Finish(s.Context(), it, "", done, s.now), mspkit.ErrInvalid)
	s.finish(it, "one", done)
}

func finishWords(s *suite) {
	const words, want = "a\x00b \xff' \"; -- 👋", "a\ufffdb \ufffd' \"; -- 👋"
	it := s.add("a")
	got := s.next("a", "one")
	s.finish(got, "one", backlog.Outcome{Due: s.now, Fault: words})
	s.equal(s.get(it).Fault, want, "the fault of what waits")
	s.end(it, backlog.Outcome{Dead: true, Fault: words})
	s.equal(s.get(it).Fault, want, "the fault of what is dead")
}

func releases(s *suite) {
	s.add("a")
	got := s.next("a", "one")
	s.ok(s.st().Release(s.Context(), streamOf(contoso, "a"), "two"))
	s.ok(s.st().Release(s.Context(), streamOf(contoso, "a"), ""))
	s.held("a", "two", s.now.Add(lease))
	s.ok(s.st().Release(s.Context(), streamOf(contoso, "a"), "one"))
	s.lost(got, "one", done)
	s.equal(s.due(), []string{"contoso a"}, "what is due")
	s.equal(s.next("a", "two").Tries, 2, "tries")
	s.ok(s.st().Release(s.Context(), streamOf(contoso, "none"), "one"))
}
