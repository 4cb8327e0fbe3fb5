package backlogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

func dueFinds(s *suite) {
	s.equal(s.due(), []string(nil), "what is due where there is nothing")
	for i, x := range []struct {
		tenant mspkit.TenantID
		key    string
		due    time.Duration
	}{
		{contoso, "c", -time.Second},
		{contoso, "a", -time.Minute},
		{fabrikam, "a", -time.Hour},
		{contoso, "a", -2 * time.Hour}, // behind the other one
		{contoso, "b", 0},
		{contoso, "later", time.Microsecond},
		{"adatum", "b", 0},
		{"adatum", "B", -time.Minute},
	} {
		it := s.item(x.key)
		it.Tenant, it.ID, it.Due = x.tenant, fmt.Sprint("x", i), s.now.Add(x.due)
		s.put(it)
	}
	want := []string{"fabrikam a", "contoso a", "adatum B", "contoso c", "contoso b", "adatum b"}
	s.equal(s.due(), want, "what is due")
	for n := range len(want) {
		list, err := s.st().Due(s.Context(), "other", s.now, n)
		s.ok(err)
		s.equal(len(list), n, "how many")
		for i, x := range list {
			s.equal([]string{x.Kind, string(x.Tenant) + " " + x.Key}, []string{"other", want[i]}, "a stream")
		}
	}
	list, err := s.st().Due(s.Context(), kind, s.now, -1)
	s.ok(err)
	s.equal(len(list), 0, "how many of less than none")
}

func dueLeavesOut(s *suite) {
	s.add("held")
	s.next("held", "one")
	failed := s.add("failed")
	s.add("failed")
	got := s.next("failed", "one")
	s.finish(got, "one", backlog.Outcome{Due: s.now.Add(time.Second), Fault: "x"})
	s.end(s.add("done"), done)
	s.end(s.add("dead"), dead)
	s.ok(s.st().Drop(s.Context(), contoso, s.add("dropped").ID, s.now))
	s.add("free")
	s.equal(s.due(), []string{"contoso free"}, "what is due")
	s.now = s.now.Add(time.Second)
	s.equal(s.due(), []string{"contoso free", "contoso failed"}, "what is due a second later")
	s.end(failed, dead)
	s.equal(s.due(), []string{"contoso failed", "contoso free"}, "what is due when the first one is dead")
}

func gets(s *suite) {
	it := s.add("a")
	s.same(s.get(it), it, "the item")
	for _, x := range []backlog.Item{{Tenant: fabrikam, ID: it.ID}, {Tenant: contoso, ID: "none"}, {Tenant: contoso}} {
		_, err := s.st().Get(s.Context(), x.Tenant, x.ID)
		s.is(err, backlog.ErrNotFound)
	}
	got := s.get(it)
	got.Sealed[5] ^= 1
	s.same(s.get(it), it, "the item after what was got was changed")
}

func lists(s *suite) {
	a1, b, a2 := s.add("a"), s.add("b"), s.add("a")
	other := s.item("a")
	other.Tenant = fabrikam
	s.put(other)
	d := s.add("d")
	s.end(d, done)
	s.end(a1, dead)
	s.ok(s.st().Drop(s.Context(), contoso, b.ID, s.now))
	for _, x := range []struct {
		f    backlog.Filter
		want []string
	}{
		{backlog.Filter{}, []string{a1.ID, b.ID, a2.ID, other.ID, d.ID}},
		{backlog.Filter{Tenant: contoso}, []string{a1.ID, b.ID, a2.ID, d.ID}},
		{backlog.Filter{Tenant: contoso, Key: "a"}, []string{a1.ID, a2.ID}},
		{backlog.Filter{Key: "a"}, []string{a1.ID, a2.ID, other.ID}},
		{backlog.Filter{State: backlog.Pending}, []string{a2.ID, other.ID}},
		{backlog.Filter{State: backlog.Done}, []string{d.ID}},
		{backlog.Filter{State: backlog.Dead}, []string{a1.ID}},
		{backlog.Filter{State: backlog.Dropped}, []string{b.ID}},
		{backlog.Filter{Tenant: fabrikam, State: backlog.Dead}, nil},
		{backlog.Filter{Tenant: contoso, After: s.get(b).Seq}, []string{a2.ID, d.ID}},
		{backlog.Filter{Limit: 2, After: s.get(a1).Seq}, []string{b.ID, a2.ID}},
		{backlog.Filter{Tenant: "none"}, nil},
	} {
		s.equal(s.listed(x.f), x.want, fmt.Sprintf("the list of %+v", x.f))
	}
	list, err := s.st().List(s.Context(), backlog.Filter{State: backlog.Dead})
	s.ok(err)
	want := a1
	want.State, want.Tries, want.EndedAt, want.Fault, want.Sealed = backlog.Dead, 1, s.now, "refused", nil
	s.same(list[0], want, "a listed item")
	_, err = s.st().List(s.Context(), backlog.Filter{State: "lost"})
	s.is(err, mspkit.ErrInvalid)
}

func listsMany(s *suite) {
	items := make([]backlog.Item, 510)
	for i := range items {
		items[i] = s.item("a")
	}
	s.put(items...)
	for limit, want := range map[int]int{0: 100, -1: 100, 7: 7, 500: 500, 501: 500} {
		s.equal(len(s.listed(backlog.Filter{Limit: limit})), want, fmt.Sprint("how many with limit ", limit))
	}
}

func counts(s *suite) {
	count := func(tenant mspkit.TenantID, want backlog.Counts) {
		s.Helper()
		got, err := s.st().Count(s.Context(), tenant)
		s.ok(err)
		s.at(got.Oldest, want.Oldest, "the oldest")
		got.Oldest, want.Oldest = time.Time{}, time.Time{}
		s.equal(got, want, "the counts")
	}
	count("", backlog.Counts{})
	begun := s.now
	s.end(s.add("x"), done)
	s.end(s.add("x"), dead)
	count("", backlog.Counts{Dead: 1})
	s.now = s.now.Add(time.Minute)
	s.add("a")
	s.next("a", "one") // is pending as well
	late := s.item("a")
	late.Tenant, late.AddedAt = fabrikam, begun
	s.put(late)
	s.add("b")
	count("", backlog.Counts{Pending: 3, Dead: 1, Oldest: begun})
	count(contoso, backlog.Counts{Pending: 2, Dead: 1, Oldest: s.now})
	count(fabrikam, backlog.Counts{Pending: 1, Oldest: begun})
	count("none", backlog.Counts{})
}

func replays(s *suite) {
	it, behind := s.add("a"), s.add("a")
	s.end(it, dead)
	was := s.get(it)
	last := s.add("other")
	s.now = s.now.Add(time.Hour)
	stream, err := s.st().Replay(s.Context(), contoso, it.ID, s.now)
	s.ok(err)
	s.equal(stream, mspkit.Stream{Tenant: contoso, Key: "a"}, "the stream")
	want := it
	want.Due = s.now
	s.same(s.get(it), want, "what is replayed")
	if seq := s.get(it).Seq; seq <= was.Seq || seq <= s.get(last).Seq {
		s.Fatalf("Seq is %d, it was %d, and the last one is %d", seq, was.Seq, s.get(last).Seq)
	}
	added := s.add("a")
	for _, want := range []backlog.Item{behind, it, added} {
		s.end(want, done)
	}
	for _, id := range []string{it.ID, last.ID} {
		_, err = s.st().Replay(s.Context(), contoso, id, s.now)
		s.is(err, backlog.ErrState)
	}
	_, err = s.st().Replay(s.Context(), fabrikam, it.ID, s.now)
	s.is(err, backlog.ErrNotFound)
}

func drops(s *suite) {
	first, second, third := s.add("a"), s.add("a"), s.add("a")
	s.end(first, dead)
	for _, it := range []backlog.Item{first, second} {
		s.ok(s.st().Drop(s.Context(), contoso, it.ID, s.now))
		got := s.get(it)
		s.equal([]any{got.State, len(got.Sealed), got.EndedAt.Equal(s.now)}, []any{backlog.Dropped, 0, true}, "what is dropped")
		s.is(s.st().Drop(s.Context(), contoso, it.ID, s.now), backlog.ErrState)
	}
	s.end(third, done)
	s.is(s.st().Drop(s.Context(), contoso, third.ID, s.now), backlog.ErrState)
	s.is(s.st().Drop(s.Context(), fabrikam, third.ID, s.now), backlog.ErrNotFound)
	s.is(s.st().Drop(s.Context(), contoso, "none", s.now), backlog.ErrNotFound)
	_, err := s.st().Replay(s.Context(), contoso, first.ID, s.now)
	s.is(err, backlog.ErrState)
}

func dropsHeld(s *suite) {
	it, behind := s.add("a"), s.add("a")
	s.next("a", "one")
	s.is(s.st().Drop(s.Context(), contoso, it.ID, s.now), backlog.ErrState)
	s.ok(s.st().Drop(s.Context(), contoso, behind.ID, s.now))
	s.now = s.now.Add(lease)
	s.ok(s.st().Drop(s.Context(), contoso, it.ID, s.now)) // whoever had it has gone
	s.nothing("a", "two", time.Time{})
	again := s.add("a")
	got := s.next("a", "one")
	s.finish(got, "one", backlog.Outcome{Due: s.now, Fault: "x"})
	s.ok(s.st().Drop(s.Context(), contoso, again.ID, s.now))
}

func expires(s *suite) {
	var gone []backlog.Item
	for range 5 {
		it := s.add("a")
		s.end(it, done)
		gone = append(gone, it)
	}
	dropped := s.add("b")
	s.ok(s.st().Drop(s.Context(), contoso, dropped.ID, s.now))
	gone = append(gone, dropped)
	deadOne, waiting := s.add("a"), s.add("b")
	s.end(deadOne, dead)
	s.now = s.now.Add(time.Hour)
	young := s.add("c")
	s.end(young, done)
	expire := func(before time.Time, limit, want int) {
		s.Helper()
		n, err := s.st().Expire(s.Context(), before, limit)
		s.ok(err)
		s.equal(n, want, "how many were forgotten")
	}
	expire(s.now.Add(-time.Hour), many, 0) // they ended then, not before
	expire(s.now, 0, 0)
	expire(s.now, 4, 4)
	expire(s.now, 4, 2)
	expire(s.now, 4, 0)
	s.equal(s.listed(backlog.Filter{}), []string{deadOne.ID, waiting.ID, young.ID}, "what is left")
	s.put(gone[0]) // is new again
	s.end(waiting, done)
}

func rewraps(s *suite) {
	pending, deadOne, doneOne, newer := s.add("a"), s.add("b"), s.add("c"), s.item("d")
	newer.Sealed = sealed("k2", newer.ID)
	s.put(newer)
	s.end(deadOne, dead)
	s.end(doneOne, done)
	var seen []string
	again := func(it backlog.Item) ([]byte, error) {
		if len(it.Sealed) == 0 {
			return nil, errBroken
		}
		seen = append(seen, it.ID)
		s.equal(it.Sealed, sealed("k1", it.ID), "what is sealed")
		return sealed("k2", "new "+it.ID), nil
	}
	rewrap := func(limit, want int) {
		s.Helper()
		n, err := s.st().Rewrap(s.Context(), "k2", again, limit)
		s.ok(err)
		s.equal(n, want, "how many")
	}
	rewrap(0, 0)
	rewrap(1, 1)
	rewrap(many, 1)
	rewrap(many, 0)
	slices.Sort(seen)
	s.equal(seen, []string{pending.ID, deadOne.ID}, "what was sealed again")
	s.equal(s.get(pending).Sealed, sealed("k2", "new "+pending.ID), "what is sealed now")
	s.equal(s.get(newer).Sealed, sealed("k2", newer.ID), "what was sealed so already")
	s.equal(len(s.get(doneOne).Sealed), 0, "what is sealed of what is done")
	s.end(pending, done)
}

var errBroken = errors.New("the record does not open")

func rewrapsOthers(s *suite) {
	items := make([]backlog.Item, 250)
	for i := range items {
		items[i] = s.item("a")
	}
	s.put(items...)
	n, err := s.st().Rewrap(s.Context(), "k2", func(it backlog.Item) ([]byte, error) {
		switch it.ID {
		case items[0].ID, items[100].ID:
			return nil, errBroken
		case items[1].ID:
			return []byte("in clear"), nil
		}
		return sealed("k2", it.ID), nil
	}, many)
	s.is(err, errBroken)
	if strings.Contains(err.Error(), "in clear") {
		s.Fatalf("the error holds what seal returned: %v", err)
	}
	s.equal(n, len(items)-3, "how many")
	for i, it := range items[:102] {
		want := sealed("k2", it.ID)
		if i < 2 || i == 100 {
			want = it.Sealed
		}
		s.equal(s.get(it).Sealed, want, "what is sealed")
	}
}

func tenantsApart(s *suite) {
	a := s.item("a")
	b := a
	b.Tenant, b.Sealed = fabrikam, sealed("k1", "fabrikam's")
	s.put(a, b)
	got := s.next("a", "one")
	s.equal(got.Tenant, contoso, "the tenant")
	s.equal(s.due(), []string{"fabrikam a"}, "what is due")
	forged := got
	forged.Tenant = fabrikam
	s.lost(forged, "one", done)
	s.ok(s.st().Release(s.Context(), streamOf(fabrikam, "a"), "one"))
	s.finish(got, "one", done)
	s.same(s.get(b), b, "the other tenant's item")
	s.end(b, done)
}

func ended(s *suite) {
	it := s.add("a")
	failed := s.add("dead")
	s.end(failed, dead)
	got := s.next("a", "one")
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	st := s.st()
	before := s.get(it)
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	_, err := st.Add(ctx, []backlog.Item{s.item("a")})
	note(err)
	_, err = st.Next(ctx, streamOf(contoso, "a"), "one", s.now, s.now.Add(lease))
	note(err)
	note(st.Finish(ctx, got, "one", done, s.now))
	note(st.Release(ctx, streamOf(contoso, "a"), "one"))
	_, err = st.Due(ctx, kind, s.now, many)
	note(err)
	_, err = st.Get(ctx, contoso, it.ID)
	note(err)
	_, err = st.List(ctx, backlog.Filter{})
	note(err)
	_, err = st.Count(ctx, "")
	note(err)
	_, err = st.Replay(ctx, contoso, failed.ID, s.now)
	note(err)
	note(st.Drop(ctx, contoso, failed.ID, s.now))
	_, err = st.Expire(ctx, s.now.Add(time.Hour), many)
	note(err)
	_, err = st.Rewrap(ctx, "k2", func(backlog.Item) ([]byte, error) { return sealed("k2", "x"), nil }, many)
	note(err)
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) {
			s.Fatalf("call %d returned %v", i, err)
		}
	}
	s.equal(s.get(it), before, "the item")
	s.equal(s.listed(backlog.Filter{}), []string{it.ID, failed.ID}, "the items")
	s.finish(got, "one", done)
}
