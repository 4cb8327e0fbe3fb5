package outboxtest

import (
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa/outbox"
)

func addStores(s *suite) {
	e := s.note("47'11 ü/x")
	e.Key, e.Parts, e.Due = hash("key"), 3, s.now.Add(time.Hour)
	s.put(e)
	s.same(s.get(e), e, "the entry")
	bare := s.note("4712")
	bare.Ticket.System, bare.Sealed, bare.Parts = "", nil, 1
	s.put(bare)
	s.same(s.get(bare), bare, "the entry without a system")
	s.equal(len(s.listed(outbox.Filter{})), 2, "how many")
}

// addAgain adds another entry under keys and expects that e is there.
func (s *suite) addAgain(e outbox.Entry, keys ...[]byte) {
	s.Helper()
	other := s.note("another ticket")
	other.Tenant, other.Key = e.Tenant, keys[0]
	id, added, err := s.st().Add(s.Context(), other, keys)
	s.ok(err)
	if added || id != e.ID {
		s.Fatalf("added %v, the id is %q and should be %q", added, id, e.ID)
	}
	_, err = s.st().Get(s.Context(), other.Tenant, other.ID)
	s.is(err, outbox.ErrNotFound)
}

func addsOnce(s *suite) {
	keyed := func(key string) outbox.Entry {
		e := s.note("of " + key)
		e.Key = hash(key)
		return s.put(e)
	}
	pending, delivered, dead, dropped := keyed("pending"), keyed("delivered"), keyed("dead"), keyed("dropped")
	s.deliver(delivered)
	s.kill(dead)
	s.ok(s.st().Drop(s.Context(), contoso, dropped.ID, s.told(outbox.EventDropped, dropped), s.now))
	for _, e := range []outbox.Entry{pending, delivered, dead, dropped} {
		s.addAgain(e, e.Key)
		s.addAgain(e, e.Key)
	}
	theirs := s.note("of pending")
	theirs.Tenant, theirs.Key = fabrikam, pending.Key
	s.put(theirs) // the same key of another tenant is another note
	s.addAgain(theirs, theirs.Key)
	s.addAgain(pending, pending.Key)

	s.now = s.now.Add(time.Hour)
	n, err := s.st().Expire(s.Context(), s.now, many)
	s.ok(err)
	s.equal(n, 2, "how many are forgotten")
	for _, key := range []string{"delivered", "dropped"} {
		again := s.note("of " + key)
		again.Key = hash(key)
		s.put(again)
		s.addAgain(again, again.Key)
	}
	s.addAgain(dead, dead.Key)
}

func addsOnceByAnyHash(s *suite) {
	e := s.note("1")
	e.Key = hash("under the old key")
	s.put(e)
	s.addAgain(e, hash("under the new key"), hash("under the old key"))
	s.addAgain(e, hash("under the old key"), hash("under the new key"))
	s.addAgain(e, hash("under the newest key"), hash("a"), hash("b"), hash("under the old key"))
	s.addAgain(e, hash("under the old key"))

	both := s.note("2")
	both.Key = hash("new")
	id, added, err := s.st().Add(s.Context(), both, [][]byte{hash("new"), hash("old")})
	s.ok(err)
	s.equal([]any{id, added}, []any{both.ID, true}, "what was added")
	s.same(s.get(both), both, "the entry")
	s.addAgain(both, hash("new"))
	s.addAgain(both, hash("new"), hash("old"))
	s.addAgain(both, hash("newer"), hash("new"))
	s.equal(len(s.listed(outbox.Filter{})), 2, "how many")
}

func addsWithoutKey(s *suite) {
	for range 3 {
		s.add("1")
	}
	none := s.note("1")
	id, added, err := s.st().Add(s.Context(), none, [][]byte{})
	s.ok(err)
	s.equal([]any{id, added}, []any{none.ID, true}, "what was added")
	s.equal(len(s.listed(outbox.Filter{})), 4, "how many")
}

func keepsOrder(s *suite) {
	var all []outbox.Entry
	for i := range 20 {
		e := s.note("1")
		e.ID = fmt.Sprintf("%02d-%s", 99-i, e.ID) // against the order of ids
		e.Due = s.now.Add(-time.Duration(i) * time.Hour)
		all = append(all, s.put(e))
	}
	var last int64
	for _, e := range all {
		seq := s.get(e).Seq
		if seq <= last {
			s.Fatalf("Seq %d comes behind %d", seq, last)
		}
		last = seq
		s.deliver(e)
	}
	s.nothing("1", "worker", time.Time{})
}

func ticketsApart(s *suite) {
	names := []mspkit.Ticket{
		{System: "halopsa", ID: "1"},
		{System: "connectwise", ID: "1"},
		{ID: "1"},
		{ID: "halopsa/1"},
		{System: "halopsa", ID: "1/1"},
		{System: "halopsa", ID: "1%"},
		{System: "halopsa", ID: "Ä"},
		{System: "halopsa", ID: "ä"},
		{System: "HaloPSA", ID: "1"},
	}
	var all []outbox.Entry
	for _, tenant := range []mspkit.TenantID{contoso, fabrikam} {
		for _, n := range names {
			e := s.note("")
			e.Tenant, e.Ticket = tenant, n
			all = append(all, s.put(e))
		}
	}
	s.equal(len(s.due()), len(all), "streams that are due")
	for i, e := range all { // all are taken at once
		got, err := s.st().Next(s.Context(), e.Stream(), fmt.Sprint("holder ", i), s.now, s.now.Add(lease))
		s.ok(err)
		s.equal([]any{got.ID, got.Tenant, got.Ticket}, []any{e.ID, e.Tenant, e.Ticket}, "the next note")
		s.equal(got.Sealed, e.Sealed, "what is sealed")
	}
	s.equal(len(s.due()), 0, "streams that are due")
}
