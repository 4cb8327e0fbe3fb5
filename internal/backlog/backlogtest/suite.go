package backlogtest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

// start is the time at which the suite's clock begins.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")
	kind     = "suite"

	lease = time.Minute
	many  = 1000
)

// TestStore runs the whole suite. open returns a fresh, empty store for one part; what needs closing is closed by t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) backlog.Store) {
	t.Helper()
	TestPair(t, func(t *testing.T) (first, second backlog.Store) {
		t.Helper()
		s := open(t)
		return s, s
	})
}

// TestPair runs the whole suite on two instances in turn, and races them. open returns both on one fresh, empty database, as
// two processes have them.
func TestPair(t *testing.T, open func(t *testing.T) (first, second backlog.Store)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"Add stores every field", addStores},
		{"Add takes many at once, in order", addsMany},
		{"An id is added once, whatever became of it", addsOnce},
		{"Add refuses what cannot be stored, and then stores nothing", addRefuses},
		{"Items of a stream come in order, and streams do not wait for each other", keepsOrder},
		{"Next takes the stream", nextTakes},
		{"Next renews for the same holder", nextRenews},
		{"A lease ends at its time exactly", leaseEnds},
		{"Where there is nothing, there is nothing to hold", nextNothing},
		{"What is not due holds up those behind it", nextNotDue},
		{"Finish stores what is done", finishDone},
		{"Finish stores what is dead", finishDead},
		{"Finish stores when to try again", finishAgain},
		{"An outcome that comes too late is lost", finishLost},
		{"An outcome is one thing", finishRefuses},
		{"Words of others are stored whatever is in them", finishWords},
		{"Release gives the stream up", releases},
		{"Due finds streams, those waiting longest first", dueFinds},
		{"Due leaves out what is held or has to wait", dueLeavesOut},
		{"Get finds by tenant and id", gets},
		{"List selects and pages", lists},
		{"List pages are limited", listsMany},
		{"Count counts", counts},
		{"Replay puts a dead item at the end", replays},
		{"Drop ends what is pending or dead", drops},
		{"What is in hand cannot be dropped", dropsHeld},
		{"Expire forgets what ended", expires},
		{"Rewrap seals what may still be done", rewraps},
		{"Rewrap goes on behind what cannot be sealed", rewrapsOthers},
		{"Tenants do not see each other", tenantsApart},
		{"A context that has ended changes nothing", ended},
		{"Race: one holder gets the stream", raceNext},
		{"Race: one outcome of a try is stored", raceFinish},
		{"Race: an id is added once", raceAdd},
		{"Race: an item is dropped or tried", raceDrop},
		{"Race: an item is replayed once", raceReplay},
		{"Race: contexts that end while items are added", raceEnding},
		{"Race: adding and draining, none twice and in order", raceDrain},
		{"Race: leases that run out, in order", raceTakeover},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			first, second := open(t)
			part.run(&suite{T: t, stores: []backlog.Store{first, second}, now: start})
		})
	}
}

// suite is one part with two instances and a clock.
type suite struct {
	*testing.T
	stores []backlog.Store
	now    time.Time
	ids    int
	calls  int
}

// st returns the instances in turn.
func (s *suite) st() backlog.Store {
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

func streamOf(tenant mspkit.TenantID, key string) mspkit.Stream {
	return mspkit.Stream{Kind: kind, Tenant: tenant, Key: key}
}

// item is a new item of one part, due now. Ids sort as they were made.
func (s *suite) item(key string) backlog.Item {
	s.ids++
	id := fmt.Sprintf("i%05d", s.ids)
	return backlog.Item{
		Tenant: contoso, Key: key, ID: id, State: backlog.Pending, Sealed: sealed("k1", id), AddedAt: s.now, Due: s.now,
	}
}

// put adds items that must be new.
func (s *suite) put(items ...backlog.Item) {
	s.Helper()
	n, err := s.st().Add(s.Context(), items)
	s.ok(err)
	s.equal(n, len(items), "how many were new")
}

// add adds an item to a stream of contoso.
func (s *suite) add(key string) backlog.Item {
	s.Helper()
	it := s.item(key)
	s.put(it)
	return it
}

// next takes what is next in a stream of contoso.
func (s *suite) next(key, holder string) backlog.Item {
	s.Helper()
	it, err := s.st().Next(s.Context(), streamOf(contoso, key), holder, s.now, s.now.Add(lease))
	s.ok(err)
	return it
}

// nothing checks that there is nothing to do, and until when.
func (s *suite) nothing(key, holder string, due time.Time) {
	s.Helper()
	it, err := s.st().Next(s.Context(), streamOf(contoso, key), holder, s.now, s.now.Add(lease))
	s.is(err, backlog.ErrNone)
	s.at(it.Due, due, "when to come back")
}

// held checks that another has the stream, and until when.
func (s *suite) held(key, holder string, until time.Time) {
	s.Helper()
	it, err := s.st().Next(s.Context(), streamOf(contoso, key), holder, s.now, s.now.Add(lease))
	s.is(err, backlog.ErrHeld)
	s.at(it.Due, until, "the end of the lease")
}

func (s *suite) finish(it backlog.Item, holder string, o backlog.Outcome) {
	s.Helper()
	s.ok(s.st().Finish(s.Context(), it, holder, o, s.now))
}

func (s *suite) lost(it backlog.Item, holder string, o backlog.Outcome) {
	s.Helper()
	s.is(s.st().Finish(s.Context(), it, holder, o, s.now), backlog.ErrLost)
}

var (
	done = backlog.Outcome{Done: true}
	dead = backlog.Outcome{Dead: true, Fault: "refused"}
)

// end takes the next item of a stream, which must be it, and ends it so.
func (s *suite) end(it backlog.Item, o backlog.Outcome) {
	s.Helper()
	got, err := s.st().Next(s.Context(), it.Stream(kind), "worker", s.now, s.now.Add(lease))
	s.ok(err)
	s.equal(got.ID, it.ID, "the next item")
	s.finish(got, "worker", o)
}

func (s *suite) get(it backlog.Item) backlog.Item {
	s.Helper()
	got, err := s.st().Get(s.Context(), it.Tenant, it.ID)
	s.ok(err)
	return got
}

// due returns the streams that are due.
func (s *suite) due() []string {
	s.Helper()
	list, err := s.st().Due(s.Context(), kind, s.now, many)
	s.ok(err)
	var out []string
	for _, x := range list {
		s.equal(x.Kind, kind, "the kind of a stream")
		out = append(out, string(x.Tenant)+" "+x.Key)
	}
	return out
}

func (s *suite) listed(f backlog.Filter) []string {
	s.Helper()
	list, err := s.st().List(s.Context(), f)
	s.ok(err)
	var out []string
	last := int64(0)
	for _, it := range list {
		if len(it.Sealed) > 0 {
			s.Fatalf("the list has what is sealed")
		}
		if it.Seq <= last {
			s.Fatalf("the list is not in order: %d after %d", it.Seq, last)
		}
		last = it.Seq
		out = append(out, it.ID)
	}
	return out
}

// same compares an item with what it should be, but for Seq.
func (s *suite) same(got, want backlog.Item, what string) {
	s.Helper()
	for _, it := range []*backlog.Item{&got, &want} {
		for _, at := range []*time.Time{&it.Due, &it.AddedAt, &it.EndedAt} {
			if at.IsZero() {
				*at = time.Time{}
			} else {
				*at = at.UTC()
			}
		}
		if len(it.Sealed) == 0 {
			it.Sealed = nil
		}
		it.Seq = 0
	}
	s.equal(got, want, what)
}
