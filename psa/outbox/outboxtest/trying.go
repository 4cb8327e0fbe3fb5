package outboxtest

import (
	"errors"
	"time"

	"github.com/mspkit/mspkit/psa/outbox"
)

func nextTakes(s *suite) {
	e := s.add("1")
	s.add("1")
	got := s.next("1", "a")
	want := e
	want.Tries, want.TriedAt = 1, s.now
	s.same(got, want, "the next note")
	s.held("1", "b", s.now.Add(lease))
	s.now = s.now.Add(lease - time.Microsecond)
	s.held("1", "b", start.Add(lease))
	want.Unclear = true
	s.same(s.get(e), want, "what is stored")
}

func nextRenews(s *suite) {
	e := s.add("1")
	s.next("1", "a")
	s.now = s.now.Add(lease / 2)
	got := s.next("1", "a")
	want := e
	want.Tries, want.TriedAt, want.Unclear = 2, start, true
	s.same(got, want, "the same note again")
	s.held("1", "b", s.now.Add(lease))
	s.now = s.now.Add(lease * 2) // over, but nobody else was there
	s.next("1", "a")
	s.held("1", "b", s.now.Add(lease))
}

func leaseEnds(s *suite) {
	e := s.add("1")
	s.next("1", "a")
	s.now = s.now.Add(lease)
	got := s.next("1", "b")
	want := e
	want.Tries, want.TriedAt, want.Unclear = 2, start, true // a may have written it
	s.same(got, want, "the note that another has tried")
	s.held("1", "a", s.now.Add(lease))
}

func nextNothing(s *suite) {
	s.nothing("1", "a", time.Time{})
	s.nothing("1", "b", time.Time{})
	e := s.add("1")
	s.deliver(e)
	s.nothing("1", "a", time.Time{})
	s.nothing("1", "b", time.Time{})

	e = s.add("1")
	got := s.next("1", "a")
	s.equal(got.ID, e.ID, "the next note")
	s.finish(got, "a", written(got))
	s.held("1", "b", s.now.Add(lease)) // a may go on
	s.nothing("1", "a", time.Time{})
	s.nothing("1", "b", time.Time{}) // a gave it up

	// Who does not have the stream gives up nothing.
	s.add("2")
	s.next("2", "a")
	s.held("2", "b", s.now.Add(lease))
	s.held("2", "b", s.now.Add(lease))
}

func nextNotDue(s *suite) {
	first := s.note("1")
	first.Due = s.now.Add(time.Hour)
	s.put(first)
	second := s.add("1")
	s.nothing("1", "a", first.Due)
	s.nothing("1", "b", first.Due)
	s.equal(s.get(first).Tries, 0, "tries")
	s.equal(s.get(second).Tries, 0, "tries")
	s.now = first.Due.Add(-time.Microsecond)
	s.nothing("1", "a", first.Due)
	s.now = first.Due
	got := s.next("1", "a")
	s.equal(got.ID, first.ID, "the next note")
	s.finish(got, "a", outbox.Outcome{Due: s.now.Add(time.Minute), Fault: "busy"})
	s.nothing("1", "a", s.now.Add(time.Minute))
	s.nothing("1", "b", s.now.Add(time.Minute))
	s.now = s.now.Add(time.Minute)
	s.deliver(first)
	s.deliver(second)
}

func nextCounts(s *suite) {
	e := s.add("1")
	want := e
	want.TriedAt = s.now
	for i := range 4 {
		got := s.next("1", "a")
		want.Tries++
		s.same(got, want, "the note")
		unclear := i%2 == 0
		s.finish(got, "a", outbox.Outcome{Unclear: unclear, Due: s.now.Add(time.Minute), Fault: "why it failed"})
		want.Unclear, want.Due, want.Fault = unclear, s.now.Add(time.Minute), "why it failed"
		s.same(s.get(e), want, "what is stored")
		s.now = s.now.Add(time.Minute)
	}
}

func finishWritten(s *suite) {
	e := s.note("1")
	e.Key = hash("key")
	s.put(e)
	s.finish(s.next("1", "a"), "a", outbox.Outcome{Unclear: true, Due: s.now, Fault: "no answer"})
	got := s.next("1", "a")
	s.now = s.now.Add(time.Second)
	s.finish(got, "a", outbox.Outcome{NoteID: "77", EventID: "event"})
	want := e
	want.State, want.Sealed, want.Done, want.NoteIDs = outbox.Delivered, nil, 1, []string{"77"}
	have := s.get(e)
	s.same(have, want, "what is stored")
	s.at(have.EndedAt, s.now, "when it ended")
	s.equal(s.events(), []outbox.Event{{
		ID: "event", Kind: outbox.EventDelivered, At: s.now, Tenant: contoso, Note: e.ID, Ticket: e.Ticket, NoteIDs: []string{"77"},
	}}, "events")
	s.nothing("1", "a", time.Time{})
}

func finishParts(s *suite) {
	e := s.note("1")
	e.Parts = 3
	s.put(e)
	behind := s.add("1")
	want := e
	for i, id := range []string{"a 1", `"2",`, "ü3"} {
		s.now = s.now.Add(time.Second)
		want.Tries, want.Unclear, want.TriedAt = 1, false, s.now
		got := s.next("1", "a")
		s.same(got, want, "the part")
		s.finish(got, "a", outbox.Outcome{Unclear: true, Due: s.now, Fault: "no answer"})
		want.Tries, want.Unclear, want.Fault, want.Due = 2, true, "no answer", s.now
		got = s.next("1", "a")
		s.same(got, want, "the part again")
		s.now = s.now.Add(time.Second)
		s.finish(got, "a", outbox.Outcome{NoteID: id, EventID: "the end"})
		want.Done, want.NoteIDs = i+1, append(want.NoteIDs, id)
		want.Tries, want.Unclear, want.TriedAt, want.Fault, want.Due = 0, false, time.Time{}, "", s.now
		if i < 2 {
			s.same(s.get(e), want, "what is stored")
			s.equal(len(s.events()), 0, "events")
		}
	}
	want.State, want.Sealed = outbox.Delivered, nil
	s.same(s.get(e), want, "what is stored")
	list := s.events()
	s.equal(len(list), 1, "events")
	s.equal(list[0].NoteIDs, []string{"a 1", `"2",`, "ü3"}, "the ids of the parts")
	s.release("1", "a")
	s.deliver(behind)
}

func finishAgain(s *suite) {
	e := s.add("1")
	got := s.next("1", "a")
	later := s.now.Add(time.Hour)
	s.finish(got, "a", outbox.Outcome{Due: later, Fault: "the ticket system is down"})
	want := e
	want.Tries, want.TriedAt, want.Due, want.Fault = 1, s.now, later, "the ticket system is down"
	s.same(s.get(e), want, "what is stored")
	s.equal(len(s.events()), 0, "events")
	s.now = later
	got = s.next("1", "a")
	want.Tries = 2
	s.same(got, want, "the note again")
	s.finish(got, "a", outbox.Outcome{Unclear: true, Due: later, Fault: "no answer"})
	want.Unclear, want.Fault = true, "no answer"
	s.same(s.get(e), want, "what is stored")
	s.release("1", "a")
	s.deliver(e)
}

func finishDead(s *suite) {
	for _, unclear := range []bool{false, true} {
		e := s.note("1")
		e.Parts = 2
		s.put(e)
		s.finish(s.next("1", "a"), "a", outbox.Outcome{NoteID: "77"})
		got := s.next("1", "a")
		o := died(e)
		o.Unclear = unclear
		s.finish(got, "a", o)
		want := e
		want.State, want.Tries, want.TriedAt, want.Unclear, want.Fault = outbox.Dead, 1, s.now, unclear, o.Fault
		want.Done, want.NoteIDs = 1, []string{"77"}
		s.same(s.get(e), want, "what is stored")
		list := s.events()
		s.equal(list[len(list)-1], outbox.Event{
			ID: "dead-" + e.ID, Kind: outbox.EventDead, At: s.now, Tenant: contoso, Note: e.ID, Ticket: e.Ticket, NoteIDs: []string{"77"},
			Fault: o.Fault,
		}, "the event")
		s.release("1", "a")
		s.deliver(s.add("1")) // those behind it go on, for the same holder or another
		s.nothing("1", "a", time.Time{})
	}
}

func finishLost(s *suite) {
	ctx := s.Context()
	lost := func(e outbox.Entry, holder, why string) {
		s.Helper()
		before, events := s.get(e), len(s.events())
		for _, o := range []outbox.Outcome{written(e), died(e), {Due: s.now.Add(time.Hour), Fault: "late"}} {
			if err := s.st().Finish(ctx, e, holder, o, s.now); !errors.Is(err, outbox.ErrLost) {
				s.Fatalf("%s: the error is %v", why, err)
			}
		}
		s.same(s.get(e), before, why)
		s.equal(len(s.events()), events, why)
	}
	s.add("1")
	tried := s.next("1", "a")
	lost(tried, "b", "another finishes")
	s.next("1", "a")
	lost(tried, "a", "it was tried again since")
	s.now = s.now.Add(lease)
	mine := s.next("1", "b")
	lost(mine, "a", "the stream is another's")
	s.finish(mine, "b", written(mine))
	lost(mine, "b", "it is finished already")

	e := s.add("2")
	tried = s.next("2", "a")
	s.release("2", "a")
	lost(tried, "a", "the stream was given up")
	s.next("2", "a")
	lost(tried, "a", "it was tried again since")
	s.release("2", "a")
	s.ok(s.st().Drop(ctx, contoso, e.ID, s.told(outbox.EventDropped, e), s.now))
	s.add("2")
	s.next("2", "a")
	lost(tried, "a", "it was dropped")

	e = s.note("3")
	e.Parts = 2
	s.put(e)
	tried = s.next("3", "a")
	s.finish(tried, "a", outbox.Outcome{NoteID: "1"})
	again := s.next("3", "a") // as many tries, another part
	lost(tried, "a", "it is about another part")
	s.finish(again, "a", died(again))
	_, err := s.st().Replay(ctx, contoso, e.ID, s.told(outbox.EventReplayed, e), s.now)
	s.ok(err)
	s.next("3", "a")
	lost(again, "a", "it was replayed since")

	unknown := s.note("3")
	s.is(s.st().Finish(ctx, unknown, "a", written(unknown), s.now), outbox.ErrLost)
}

func finishWords(s *suite) {
	e := s.add("1")
	got := s.next("1", "a")
	s.finish(got, "a", outbox.Outcome{Due: s.now, Fault: "x\x00y\xffz"})
	got = s.next("1", "a")
	s.equal(got.ID, e.ID, "the note")
	s.finish(got, "a", outbox.Outcome{NoteID: `i"d,\`, EventID: "event"})
	s.equal(s.get(e).NoteIDs, []string{`i"d,\`}, "the id")
}

func releases(s *suite) {
	e := s.add("1")
	s.release("1", "a") // what nobody has
	s.next("1", "a")
	s.release("1", "b")
	s.held("1", "b", s.now.Add(lease))
	s.release("1", "a")
	got := s.next("1", "b")
	want := e
	want.Tries, want.TriedAt, want.Unclear = 2, s.now, true // nobody said what became of the first try
	s.same(got, want, "the note")
	s.release("1", "a") // a has nothing any more
	s.held("1", "a", s.now.Add(lease))
}
