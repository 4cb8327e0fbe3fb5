package outboxtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa/outbox"
)

func dueFinds(s *suite) {
	ctx := s.Context()
	s.equal(len(s.due()), 0, "streams that are due")
	for i, name := range []string{"c", "a", "d", "b"} {
		e := s.note(name)
		e.Due = s.now.Add(time.Duration(i-10) * time.Minute)
		s.put(e)
	}
	early := s.note("a") // waits longer, but behind another
	early.Due = s.now.Add(-time.Hour)
	s.put(early)
	want := []string{"contoso halopsa/c", "contoso halopsa/a", "contoso halopsa/d", "contoso halopsa/b"}
	s.equal(s.due(), want, "streams that are due")
	list, err := s.st().Due(ctx, s.now, 2)
	s.ok(err)
	s.equal(list, []mspkit.Stream{streamOf(contoso, "c"), streamOf(contoso, "a")}, "the first two")
	theirs := s.note("a")
	theirs.Tenant = fabrikam
	s.put(theirs)
	s.equal(s.due(), append(want, "fabrikam halopsa/a"), "streams that are due")
}

func dueLeavesOut(s *suite) {
	ctx := s.Context()
	s.add("held")
	s.next("held", "a")
	later := s.note("later")
	later.Due = s.now.Add(time.Hour)
	s.put(later)
	s.add("later") // due, but behind one that is not
	s.deliver(s.add("delivered"))
	s.kill(s.add("dead"))
	dropped := s.add("dropped")
	s.ok(s.st().Drop(ctx, contoso, dropped.ID, s.told(outbox.EventDropped, dropped), s.now))
	s.equal(len(s.due()), 0, "streams that are due")

	s.now = s.now.Add(lease - time.Microsecond)
	s.equal(len(s.due()), 0, "streams that are due")
	s.now = s.now.Add(time.Microsecond)
	s.equal(s.due(), []string{"contoso halopsa/held"}, "what the end of a lease leaves")
	s.now = later.Due
	s.equal(s.due(), []string{"contoso halopsa/held", "contoso halopsa/later"}, "streams that are due")
	s.finish(s.next("held", "a"), "a", outbox.Outcome{Due: s.now.Add(time.Microsecond), Fault: "no answer"})
	s.now = s.now.Add(time.Microsecond)
	s.equal(s.due(), []string{"contoso halopsa/later"}, "streams that are due")
	s.release("held", "a")
	s.equal(s.due(), []string{"contoso halopsa/later", "contoso halopsa/held"}, "streams that are due")
}

func gets(s *suite) {
	ctx := s.Context()
	e := s.add("1")
	for _, at := range [][2]string{{"fabrikam", e.ID}, {"contoso", "none"}, {"", e.ID}, {"contoso", ""}} {
		_, err := s.st().Get(ctx, mspkit.TenantID(at[0]), at[1])
		s.is(err, outbox.ErrNotFound)
	}
	got := s.get(e)
	if len(got.Sealed) > 0 { // what is returned is the caller's own
		got.Sealed[0]++
	}
	s.same(s.get(e), e, "the entry")
}

func lists(s *suite) {
	ctx := s.Context()
	s.equal(len(s.listed(outbox.Filter{})), 0, "entries")
	var all, ours, pending []string
	for i := range 12 {
		e := s.note(fmt.Sprint("t", i))
		if i%3 == 2 {
			e.Tenant = fabrikam
		}
		s.put(e)
		all = append(all, e.ID)
		if e.Tenant != contoso {
			pending = append(pending, e.ID)
			continue
		}
		ours = append(ours, e.ID)
		switch i {
		case 0, 6:
			s.deliver(e)
		case 1:
			s.kill(e)
		case 3:
			s.ok(s.st().Drop(ctx, contoso, e.ID, s.told(outbox.EventDropped, e), s.now))
		default:
			pending = append(pending, e.ID)
		}
	}
	s.equal(s.listed(outbox.Filter{}), all, "all")
	s.equal(s.listed(outbox.Filter{Tenant: contoso}), ours, "of one tenant")
	s.equal(s.listed(outbox.Filter{State: outbox.Pending}), pending, "pending")
	s.equal(s.listed(outbox.Filter{State: outbox.Delivered}), []string{all[0], all[6]}, "delivered")
	s.equal(s.listed(outbox.Filter{Tenant: contoso, State: outbox.Dead}), []string{all[1]}, "dead")
	s.equal(s.listed(outbox.Filter{Tenant: contoso, State: outbox.Dropped}), []string{all[3]}, "dropped")
	s.equal(len(s.listed(outbox.Filter{Tenant: fabrikam, State: outbox.Dead})), 0, "dead of the other tenant")

	var paged []string
	f := outbox.Filter{Tenant: contoso, Limit: 3}
	for range 10 {
		page := s.listed(f)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		f.After = page[len(page)-1]
	}
	s.equal(paged, ours, "in pages")
	list, err := s.st().List(ctx, outbox.Filter{State: outbox.Delivered, Limit: 1})
	s.ok(err)
	got := s.get(outbox.Entry{Tenant: contoso, ID: all[0]})
	s.same(list[0], got, "the entry in the list")
}

func listsMany(s *suite) {
	for range 501 {
		s.add("1")
	}
	s.equal(len(s.listed(outbox.Filter{})), 100, "without a limit")
	s.equal(len(s.listed(outbox.Filter{Limit: 499})), 499, "with a limit")
	s.equal(len(s.listed(outbox.Filter{Limit: 10_000})), 500, "with a limit that is too high")
}

func counts(s *suite) {
	count := func(tenant mspkit.TenantID, pending, dead int, oldest time.Time, when string) {
		s.Helper()
		c, err := s.st().Count(s.Context(), tenant)
		s.ok(err)
		s.equal([]int{c.Pending, c.Dead}, []int{pending, dead}, when)
		s.at(c.Oldest, oldest, when)
	}
	count("", 0, 0, time.Time{}, "at first")
	first := s.add("1")
	s.now = s.now.Add(time.Hour)
	second := s.add("2")
	theirs := s.note("3")
	theirs.Tenant, theirs.AddedAt = fabrikam, start.Add(-time.Hour)
	s.put(theirs)
	count("", 3, 0, start.Add(-time.Hour), "all")
	count(contoso, 2, 0, start, "contoso")
	count(fabrikam, 1, 0, start.Add(-time.Hour), "fabrikam")
	s.kill(first)
	count(contoso, 1, 1, second.AddedAt, "with a dead one")
	s.deliver(second)
	count(contoso, 0, 1, time.Time{}, "without a pending one")
	_, err := s.st().Replay(s.Context(), contoso, first.ID, s.told(outbox.EventReplayed, first), s.now)
	s.ok(err)
	count(contoso, 1, 0, start, "replayed")
	count("nobody", 0, 0, time.Time{}, "of an unknown tenant")
}

func replays(s *suite) {
	ctx := s.Context()
	e := s.note("1")
	e.Key = hash("key")
	s.put(e)
	s.kill(e)
	before := s.get(e).Seq
	second, third := s.add("1"), s.add("1")
	s.now = s.now.Add(time.Hour)
	ev := s.told(outbox.EventReplayed, e)
	stream, err := s.st().Replay(ctx, contoso, e.ID, ev, s.now)
	s.ok(err)
	s.equal(stream, e.Stream(), "its stream")
	got := s.get(e)
	s.equal([]any{got.State, got.Tries, got.Fault, got.EndedAt.IsZero()}, []any{outbox.Pending, 0, "", true}, "state, tries, fault and end")
	s.equal(got.Sealed, e.Sealed, "the text")
	s.at(got.Due, s.now, "when it is due")
	if got.Seq <= before || got.Seq <= s.get(third).Seq {
		s.Fatalf("it is not at the end: %d", got.Seq)
	}
	list := s.events()
	s.equal(list[len(list)-1], ev, "the event")
	fourth := s.add("1")
	if s.get(fourth).Seq <= got.Seq {
		s.Fatal("what is added later is not behind it")
	}
	s.addAgain(e, e.Key)
	for _, next := range []outbox.Entry{second, third, e, fourth} {
		s.deliver(next)
	}
	for _, state := range []outbox.State{outbox.Delivered, outbox.Pending, outbox.Dropped} {
		one := s.add("2")
		switch state {
		case outbox.Delivered:
			s.deliver(one)
		case outbox.Dropped:
			s.ok(s.st().Drop(ctx, contoso, one.ID, s.told(outbox.EventDropped, one), s.now))
		case outbox.Pending, outbox.Dead:
			one = s.add("3")
		}
		_, err := s.st().Replay(ctx, contoso, one.ID, s.told(outbox.EventReplayed, one), s.now)
		s.is(err, outbox.ErrState)
		s.equal(s.get(one).State, state, "the state")
		if state == outbox.Pending {
			break
		}
	}
	n := len(s.events())
	_, err = s.st().Replay(ctx, contoso, "none", ev, s.now)
	s.is(err, outbox.ErrNotFound)
	_, err = s.st().Replay(ctx, fabrikam, e.ID, ev, s.now)
	s.is(err, outbox.ErrNotFound)
	s.equal(len(s.events()), n, "events")
}

func replaysParts(s *suite) {
	e := s.note("1")
	e.Parts = 2
	s.put(e)
	s.finish(s.next("1", "a"), "a", outbox.Outcome{NoteID: "77"})
	s.now = s.now.Add(time.Second)
	tried := s.now
	o := died(e)
	o.Unclear = true
	s.finish(s.next("1", "a"), "a", o)
	s.release("1", "a")
	s.now = s.now.Add(time.Hour)
	_, err := s.st().Replay(s.Context(), contoso, e.ID, s.told(outbox.EventReplayed, e), s.now)
	s.ok(err)
	got := s.next("1", "a")
	s.equal([]any{got.Done, got.NoteIDs, got.Unclear, got.Tries}, []any{1, []string{"77"}, true, 1}, "parts, ids, unclear, tries")
	s.at(got.TriedAt, tried, "when the part was first tried")
	s.finish(got, "a", outbox.Outcome{NoteID: "78", EventID: "event"})
	s.equal(s.get(e).NoteIDs, []string{"77", "78"}, "ids")
}

func drops(s *suite) {
	ctx := s.Context()
	drop := func(e outbox.Entry) {
		s.Helper()
		ev := s.told(outbox.EventDropped, e)
		s.ok(s.st().Drop(ctx, contoso, e.ID, ev, s.now))
		got := s.get(e)
		s.equal([]any{got.State, len(got.Sealed)}, []any{outbox.Dropped, 0}, "state and text")
		s.at(got.EndedAt, s.now, "when it ended")
		list := s.events()
		s.equal(list[len(list)-1], ev, "the event")
	}
	first, second, third, fourth := s.add("1"), s.add("1"), s.add("1"), s.add("1")
	s.kill(first)
	drop(first)
	drop(third) // behind another
	s.finish(s.next("1", "a"), "a", outbox.Outcome{Unclear: true, Due: s.now.Add(time.Hour), Fault: "no answer"})
	s.release("1", "a")
	drop(second) // waiting, perhaps written
	s.deliver(fourth)
	s.nothing("1", "a", time.Time{})

	n := len(s.events())
	for _, e := range []outbox.Entry{first, second, fourth} {
		s.is(s.st().Drop(ctx, contoso, e.ID, s.told(outbox.EventDropped, e), s.now), outbox.ErrState)
	}
	s.is(s.st().Drop(ctx, contoso, "none", s.told(outbox.EventDropped, first), s.now), outbox.ErrNotFound)
	fifth := s.add("1")
	s.is(s.st().Drop(ctx, fabrikam, fifth.ID, s.told(outbox.EventDropped, fifth), s.now), outbox.ErrNotFound)
	s.equal(len(s.events()), n, "events")
	s.deliver(fifth)
}

func dropsTried(s *suite) {
	ctx := s.Context()
	refused := func(e outbox.Entry) {
		s.Helper()
		n := len(s.events())
		before := s.get(e)
		s.is(s.st().Drop(ctx, contoso, e.ID, s.told(outbox.EventDropped, e), s.now), outbox.ErrState)
		s.same(s.get(e), before, "the entry")
		s.equal(len(s.events()), n, "events")
	}
	first, second, third := s.add("1"), s.add("1"), s.add("1")
	s.next("1", "a")
	refused(first)
	s.ok(s.st().Drop(ctx, contoso, second.ID, s.told(outbox.EventDropped, second), s.now))
	s.now = s.now.Add(lease / 2)
	tried := s.next("1", "a") // renewed
	s.now = s.now.Add(lease - time.Microsecond)
	refused(first)
	s.finish(tried, "a", written(tried))
	got := s.next("1", "a")
	s.equal(got.ID, third.ID, "the next note")
	refused(third)
	s.now = s.now.Add(lease) // a is believed dead
	s.ok(s.st().Drop(ctx, contoso, third.ID, s.told(outbox.EventDropped, third), s.now))
	s.is(s.st().Finish(ctx, got, "a", written(got), s.now), outbox.ErrLost)
	s.nothing("1", "b", time.Time{})

	fourth := s.add("1")
	s.next("1", "b")
	refused(fourth)
	s.release("1", "b")
	parts := s.note("2")
	parts.Parts = 2
	s.put(parts)
	s.finish(s.next("2", "a"), "a", outbox.Outcome{NoteID: "77"})
	refused(parts) // a has the stream, and will go on at once
	s.finish(s.next("2", "a"), "a", outbox.Outcome{Due: s.now.Add(time.Second), Fault: "busy"})
	s.ok(s.st().Drop(ctx, contoso, parts.ID, s.told(outbox.EventDropped, parts), s.now)) // a has to wait
	s.ok(s.st().Drop(ctx, contoso, fourth.ID, s.told(outbox.EventDropped, fourth), s.now))
}

func eventsStay(s *suite) {
	ctx := s.Context()
	s.equal(len(s.events()), 0, "events")
	var want []string
	for i := range 6 {
		e := s.add(fmt.Sprint("t", i%2))
		s.now = s.now.Add(time.Second)
		s.deliver(e)
		want = append(want, "written-"+e.ID)
	}
	names := func(limit int) []string {
		s.Helper()
		list, err := s.st().Events(ctx, limit)
		s.ok(err)
		var out []string
		for _, e := range list {
			out = append(out, e.ID)
		}
		return out
	}
	s.equal(names(many), want, "events, oldest first")
	s.equal(names(2), want[:2], "the first two, and again")
	s.equal(names(2), want[:2], "the first two, and again")
	s.equal(len(names(0)), 0, "no events")
	s.ok(s.st().Ack(ctx, nil))
	s.ok(s.st().Ack(ctx, []string{want[0], want[2], "none"}))
	s.equal(names(many), []string{want[1], want[3], want[4], want[5]}, "what was not acknowledged")
	s.ok(s.st().Ack(ctx, []string{want[0]}))
	n, err := s.st().Expire(ctx, s.now.Add(time.Hour), many)
	s.ok(err)
	s.equal(n, 6, "how many are forgotten")
	s.equal(names(many), []string{want[1], want[3], want[4], want[5]}, "events outlive their notes")
	s.ok(s.st().Ack(ctx, want))
	s.equal(len(s.events()), 0, "events")
	var lots []string
	for i := range 2500 {
		lots = append(lots, fmt.Sprint("none", i))
	}
	s.ok(s.st().Ack(ctx, lots))
}

func expires(s *suite) {
	ctx := s.Context()
	expire := func(before time.Time, want int) {
		s.Helper()
		n, err := s.st().Expire(ctx, before, many)
		s.ok(err)
		s.equal(n, want, "how many are forgotten")
	}
	expire(s.now, 0)
	delivered, dropped, dead, pending := s.add("1"), s.add("2"), s.add("3"), s.add("4")
	s.now = s.now.Add(time.Hour)
	s.deliver(delivered)
	s.ok(s.st().Drop(ctx, contoso, dropped.ID, s.told(outbox.EventDropped, dropped), s.now))
	s.kill(dead)
	expire(s.now, 0)
	s.equal(s.get(delivered).State, outbox.Delivered, "the state")
	expire(s.now.Add(time.Microsecond), 2)
	for _, e := range []outbox.Entry{delivered, dropped} {
		_, err := s.st().Get(ctx, contoso, e.ID)
		s.is(err, outbox.ErrNotFound)
	}
	expire(s.now.Add(1000*time.Hour), 0) // dead and pending notes stay
	s.equal(s.get(dead).State, outbox.Dead, "the state")
	_, err := s.st().Replay(ctx, contoso, dead.ID, s.told(outbox.EventReplayed, dead), s.now)
	s.ok(err)
	s.deliver(dead)
	s.deliver(pending)
	expire(s.now.Add(time.Hour), 2)
	s.equal(len(s.listed(outbox.Filter{})), 0, "entries")
	s.deliver(s.add("1")) // its stream is begun anew
}

func expiresLimited(s *suite) {
	ctx := s.Context()
	for range 5 {
		s.deliver(s.add("1"))
	}
	e := s.add("2")
	s.next("2", "a")
	s.now = s.now.Add(time.Second)
	for _, want := range []int{2, 2, 1, 0} {
		n, err := s.st().Expire(ctx, s.now, 2)
		s.ok(err)
		s.equal(n, want, "how many are forgotten")
	}
	n, err := s.st().Expire(ctx, s.now, 0)
	s.ok(err)
	s.equal(n, 0, "how many are forgotten")
	s.held("2", "b", start.Add(lease))
	s.now = s.now.Add(2 * lease)
	_, err = s.st().Expire(ctx, s.now, many)
	s.ok(err)
	s.equal(s.due(), []string{"contoso halopsa/2"}, "what a dead worker left")
	s.deliver(e)
}

// rewrapped seals anew and notes what it got.
type rewrapped struct{ ids []string }

func (r *rewrapped) seal(key string) func(outbox.Entry) ([]byte, error) {
	return func(e outbox.Entry) ([]byte, error) {
		r.ids = append(r.ids, e.ID)
		return sealed(key, e.ID), nil
	}
}

func rewraps(s *suite) {
	ctx := s.Context()
	var all []outbox.Entry
	for i := range 6 {
		e := s.note(fmt.Sprint("t", i))
		e.Parts = 2
		all = append(all, s.put(e))
	}
	s.finish(s.next("t0", "a"), "a", outbox.Outcome{NoteID: "77"})
	s.kill(all[1])
	s.ok(s.st().Drop(ctx, contoso, all[2].ID, s.told(outbox.EventDropped, all[2]), s.now))
	newer := s.note("t6")
	newer.Sealed = sealed("k2", "newer")
	s.put(newer)

	var r rewrapped
	n, err := s.st().Rewrap(ctx, "k1", r.seal("k1"), many) // all but one are
	s.ok(err)
	s.equal(n, 1, "how many were sealed")
	s.equal(r.ids, []string{newer.ID}, "what was sealed")

	var got []outbox.Entry
	n, err = s.st().Rewrap(ctx, "k3", func(e outbox.Entry) ([]byte, error) {
		got = append(got, e)
		return sealed("k3", e.ID), nil
	}, 4)
	s.ok(err)
	s.equal([]int{n, len(got)}, []int{4, 4}, "how many were sealed")
	for _, e := range got {
		if !slices.ContainsFunc(append(all, newer), func(x outbox.Entry) bool { return x.ID == e.ID && x.Tenant == e.Tenant }) || len(e.Sealed) == 0 {
			s.Fatalf("what is given to be sealed is not an entry: %+v", e)
		}
		now := s.get(e)
		s.equal(now.Sealed, sealed("k3", e.ID), "what is stored")
		e.Sealed, now.Sealed = nil, nil
		s.same(now, e, "the rest")
	}
	r = rewrapped{}
	n, err = s.st().Rewrap(ctx, "k3", r.seal("k3"), many)
	s.ok(err)
	s.equal([]int{n, len(r.ids)}, []int{2, 2}, "how many were sealed")
	r = rewrapped{}
	n, err = s.st().Rewrap(ctx, "k3", r.seal("k3"), many)
	s.ok(err)
	s.equal([]int{n, len(r.ids)}, []int{0, 0}, "how many were sealed")
	s.equal(len(s.get(all[2]).Sealed), 0, "what is dropped stays empty")
	s.equal(s.get(all[1]).Sealed, sealed("k3", all[1].ID), "what is dead is sealed")
	next := s.next("t3", "a")
	s.equal(next.Sealed, sealed("k3", all[3].ID), "what a worker gets")
}

func rewrapsOthers(s *suite) {
	ctx := s.Context()
	bad, good := s.add("1"), s.add("2")
	n, err := s.st().Rewrap(ctx, "k2", func(e outbox.Entry) ([]byte, error) {
		if e.ID == bad.ID {
			return nil, errBroken
		}
		return sealed("k2", e.ID), nil
	}, many)
	s.is(err, errBroken)
	s.equal(n, 1, "how many were sealed")
	s.equal(s.get(bad).Sealed, bad.Sealed, "what could not be sealed")
	s.equal(s.get(good).Sealed, sealed("k2", good.ID), "what could")
}

func tenantsApart(s *suite) {
	ctx := s.Context()
	ours, theirs := s.note("1"), s.note("1")
	theirs.Tenant = fabrikam
	ours.Key, theirs.Key = hash("key"), hash("key")
	s.put(ours)
	s.put(theirs)
	s.is(s.st().Drop(ctx, fabrikam, ours.ID, s.told(outbox.EventDropped, ours), s.now), outbox.ErrNotFound)
	s.equal(s.next("1", "a").ID, ours.ID, "the next note")
	got, err := s.st().Next(ctx, theirs.Stream(), "b", s.now, s.now.Add(lease))
	s.ok(err)
	s.equal([]any{got.ID, got.Tenant}, []any{theirs.ID, fabrikam}, "the next note of the other tenant")
	moved := got
	moved.Tenant = contoso
	s.is(s.st().Finish(ctx, moved, "b", written(got), s.now), outbox.ErrLost)
	s.ok(s.st().Finish(ctx, got, "b", written(got), s.now))
	s.equal(s.get(ours).State, outbox.Pending, "ours")
	s.equal(s.get(theirs).State, outbox.Delivered, "theirs")
	s.equal(s.listed(outbox.Filter{Tenant: contoso}), []string{ours.ID}, "ours")
	s.equal(s.listed(outbox.Filter{Tenant: fabrikam}), []string{theirs.ID}, "theirs")
	s.ok(s.st().Release(ctx, theirs.Stream(), "b"))
	s.held("1", "c", s.now.Add(lease))
}

func foreignStreams(s *suite) {
	s.add("1")
	stream := streamOf(contoso, "1")
	stream.Kind = "something else"
	if e, err := s.st().Next(s.Context(), stream, "a", s.now, s.now.Add(lease)); err == nil {
		s.Fatalf("a stream of another kind has %q", e.ID)
	}
	s.equal(s.due(), []string{"contoso halopsa/1"}, "streams that are due")
}
