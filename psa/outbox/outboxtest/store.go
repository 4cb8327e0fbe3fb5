package outboxtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa/outbox"
)

// start is the time at which the suite's clock begins.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")

	lease = time.Minute
	many  = 1000
)

// TestStore runs the whole suite. open returns a fresh, empty store for one part; what needs closing is closed by
// t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) outbox.Store) {
	t.Helper()
	TestStorePair(t, func(t *testing.T) (first, second outbox.Store) {
		t.Helper()
		s := open(t)
		return s, s
	})
}

// TestStorePair runs the whole suite on two instances in turn, and races them. open returns both on one fresh, empty
// database, as two processes have them.
func TestStorePair(t *testing.T, open func(t *testing.T) (first, second outbox.Store)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"Add stores every field", addStores},
		{"A key is added once, whatever became of the note", addsOnce},
		{"Each of several hashes is the key", addsOnceByAnyHash},
		{"Without a key everything is added", addsWithoutKey},
		{"Notes of a ticket come in the order in which they were added", keepsOrder},
		{"Tickets do not wait for each other", ticketsApart},
		{"Next takes the stream", nextTakes},
		{"Next renews for the same holder", nextRenews},
		{"A lease ends at its time exactly", leaseEnds},
		{"Where there is nothing, Next gives the stream up", nextNothing},
		{"What is not due holds up those behind it", nextNotDue},
		{"Next counts tries and marks them unclear", nextCounts},
		{"Finish stores a written note", finishWritten},
		{"Finish counts parts", finishParts},
		{"Finish stores when to try again", finishAgain},
		{"Finish ends what is dead and keeps its text", finishDead},
		{"An outcome that comes too late is lost", finishLost},
		{"Words of others are stored whatever is in them", finishWords},
		{"Release gives the stream up", releases},
		{"Due finds streams, those waiting longest first", dueFinds},
		{"Due leaves out what is held or has to wait", dueLeavesOut},
		{"Get finds by tenant and id", gets},
		{"List selects and pages", lists},
		{"List pages are limited", listsMany},
		{"Count counts", counts},
		{"Replay puts a dead note at the end", replays},
		{"Replay keeps what is written and what is unclear", replaysParts},
		{"Drop ends what is pending or dead", drops},
		{"What is being tried cannot be dropped", dropsTried},
		{"Events come until they are acknowledged", eventsStay},
		{"Expire forgets what ended", expires},
		{"Expire is limited and leaves streams in use alone", expiresLimited},
		{"Rewrap seals what may still be written", rewraps},
		{"Rewrap goes on behind what cannot be sealed", rewrapsOthers},
		{"Tenants do not see each other", tenantsApart},
		{"Streams of other kinds are nothing here", foreignStreams},
		{"Race: one holder gets the stream", raceNext},
		{"Race: one outcome of a try is stored", raceFinish},
		{"Race: a key is added once", raceAdd},
		{"Race: a note is dropped or tried", raceDrop},
		{"Race: a note is replayed once", raceReplay},
		{"Race: adding and draining, none twice and in order", raceDrain},
		{"Race: leases that run out, none twice and in order", raceTakeover},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			first, second := open(t)
			part.run(&suite{T: t, stores: []outbox.Store{first, second}, now: start})
		})
	}
}

// suite is one part with two instances and a clock.
type suite struct {
	*testing.T
	stores []outbox.Store
	now    time.Time
	ids    int
	calls  int
}

// st returns the instances in turn.
func (s *suite) st() outbox.Store {
	s.calls++
	return s.stores[s.calls%len(s.stores)]
}

func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

func (s *suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("the error is %v, it should be %v", err, want)
	}
}

func (s *suite) equal(got, want any, what string) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("%s: got\n%+v\nwant\n%+v", what, got, want)
	}
}

// at compares times to the microsecond, whatever their zone.
func (s *suite) at(got, want time.Time, what string) {
	s.Helper()
	if !got.Equal(want) {
		s.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// sealed looks like something that was sealed under a key.
func sealed(key, text string) []byte {
	return append([]byte{1, byte(len(key))}, key+"\x00\xff"+text...)
}

func hash(text string) []byte { return append([]byte{0, 0xff}, text...) }

func ticket(id string) mspkit.Ticket { return mspkit.Ticket{System: "halopsa", ID: id} }

func streamOf(tenant mspkit.TenantID, id string) mspkit.Stream {
	return outbox.Entry{Tenant: tenant, Ticket: ticket(id)}.Stream()
}

// note is a new entry of one part, due now. Ids sort as they were made, but for their end.
func (s *suite) note(ticketID string) outbox.Entry {
	s.ids++
	id := fmt.Sprintf("n%04d-%s", s.ids, rand.Text())
	return outbox.Entry{
		Tenant: contoso, ID: id, Ticket: ticket(ticketID), State: outbox.Pending, Sealed: sealed("k1", id), Parts: 1,
		Due: s.now, AddedAt: s.now,
	}
}

func (s *suite) put(e outbox.Entry) outbox.Entry {
	s.Helper()
	var keys [][]byte
	if len(e.Key) > 0 {
		keys = [][]byte{e.Key}
	}
	id, added, err := s.st().Add(s.Context(), e, keys)
	s.ok(err)
	if !added || id != e.ID {
		s.Fatalf("added %v, the id is %q", added, id)
	}
	return e
}

// add adds a note to a ticket of contoso.
func (s *suite) add(ticketID string) outbox.Entry {
	s.Helper()
	return s.put(s.note(ticketID))
}

// next takes what is next for a ticket of contoso.
func (s *suite) next(ticketID, holder string) outbox.Entry {
	s.Helper()
	e, err := s.st().Next(s.Context(), streamOf(contoso, ticketID), holder, s.now, s.now.Add(lease))
	s.ok(err)
	return e
}

// nothing checks that there is nothing to do, and until when.
func (s *suite) nothing(ticketID, holder string, due time.Time) {
	s.Helper()
	e, err := s.st().Next(s.Context(), streamOf(contoso, ticketID), holder, s.now, s.now.Add(lease))
	s.is(err, outbox.ErrNone)
	s.at(e.Due, due, "when to come back")
}

// held checks that another has the stream, and until when.
func (s *suite) held(ticketID, holder string, until time.Time) {
	s.Helper()
	e, err := s.st().Next(s.Context(), streamOf(contoso, ticketID), holder, s.now, s.now.Add(lease))
	s.is(err, outbox.ErrHeld)
	s.at(e.Due, until, "the end of the lease")
}

func (s *suite) finish(e outbox.Entry, holder string, o outbox.Outcome) {
	s.Helper()
	s.ok(s.st().Finish(s.Context(), e, holder, o, s.now))
}

func (s *suite) release(ticketID, holder string) {
	s.Helper()
	s.ok(s.st().Release(s.Context(), streamOf(contoso, ticketID), holder))
}

func written(e outbox.Entry) outbox.Outcome {
	return outbox.Outcome{NoteID: "psa-" + e.ID, EventID: "written-" + e.ID}
}

func died(e outbox.Entry) outbox.Outcome {
	return outbox.Outcome{Dead: true, Fault: "the ticket is closed", EventID: "dead-" + e.ID}
}

// deliver takes the next note of a ticket, which must be e, and writes it.
func (s *suite) deliver(e outbox.Entry) {
	s.Helper()
	got := s.next(e.Ticket.ID, "worker")
	s.equal(got.ID, e.ID, "the next note")
	s.finish(got, "worker", written(got))
	s.release(e.Ticket.ID, "worker")
}

// kill takes the next note of a ticket, which must be e, and gives it up.
func (s *suite) kill(e outbox.Entry) {
	s.Helper()
	got := s.next(e.Ticket.ID, "worker")
	s.equal(got.ID, e.ID, "the next note")
	s.finish(got, "worker", died(got))
	s.release(e.Ticket.ID, "worker")
}

func (s *suite) get(e outbox.Entry) outbox.Entry {
	s.Helper()
	got, err := s.st().Get(s.Context(), e.Tenant, e.ID)
	s.ok(err)
	return got
}

// told is the event of somebody who replays or drops e.
func (s *suite) told(kind outbox.EventKind, e outbox.Entry) outbox.Event {
	return outbox.Event{
		ID: string(kind) + "-" + rand.Text(), Kind: kind, At: s.now.Add(-time.Second), Tenant: e.Tenant, Note: e.ID, Ticket: e.Ticket,
		NoteIDs: []string{"1", `"2`}, By: "jane ü", Fault: "because",
	}
}

func (s *suite) events() []outbox.Event {
	s.Helper()
	list, err := s.st().Events(s.Context(), many)
	s.ok(err)
	for i := range list {
		list[i].At = list[i].At.UTC()
		if len(list[i].NoteIDs) == 0 {
			list[i].NoteIDs = nil
		}
	}
	return list
}

// streams returns the ticket ids that are due.
func (s *suite) due() []string {
	s.Helper()
	list, err := s.st().Due(s.Context(), s.now, many)
	s.ok(err)
	var out []string
	for _, x := range list {
		out = append(out, string(x.Tenant)+" "+x.Key)
	}
	return out
}

func (s *suite) listed(f outbox.Filter) []string {
	s.Helper()
	list, err := s.st().List(s.Context(), f)
	s.ok(err)
	var out []string
	for _, e := range list {
		if len(e.Sealed) > 0 {
			s.Fatalf("the list has what is sealed")
		}
		out = append(out, e.ID)
	}
	return out
}

// plain makes entries comparable: times in UTC, empty slices nil.
func plain(e outbox.Entry) outbox.Entry {
	for _, at := range []*time.Time{&e.TriedAt, &e.Due, &e.AddedAt, &e.EndedAt} {
		if at.IsZero() {
			*at = time.Time{}
		} else {
			*at = at.UTC()
		}
	}
	e.Key, e.Sealed, e.NoteIDs = nilled(e.Key), nilled(e.Sealed), nilled(e.NoteIDs)
	return e
}

func nilled[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}

// same compares an entry with what it should be. Seq, EndedAt and Due of what has ended are the store's own.
func (s *suite) same(got, want outbox.Entry, what string) {
	s.Helper()
	got, want = plain(got), plain(want)
	got.Seq, want.Seq, got.EndedAt, want.EndedAt = 0, 0, time.Time{}, time.Time{}
	if got.State != outbox.Pending {
		got.Due, want.Due = time.Time{}, time.Time{}
	}
	s.equal(got, want, what)
}
