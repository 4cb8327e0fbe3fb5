package verifytest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// Start is the time at which the suite's records begin, so that a test does not depend on the clock.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")
)

// TestStore runs the whole suite. storage makes a fresh, empty storage for one part and returns a function that
// opens an instance on it. The function is called several times: two instances race each other, and an instance
// opened later must find what an earlier one stored. Instances that need closing are closed by t.Cleanup.
func TestStore(t *testing.T, storage func(t *testing.T) (open func() verify.Store)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"Begin stores what it is given and hides the MACs", beginStores},
		{"Begin repeats an idempotency key", beginRepeats},
		{"Begin refuses frozen and locked subjects", beginRefuses},
		{"Limits are counted all together or not at all", limitsTogether},
		{"A limit's window ends", limitsEnd},
		{"A limit of less than one refuses everything", limitsBelowOne},
		{"What is refused begins no window", limitsRefusedBegin},
		{"A confirmed challenge gives refundable counts back", limitsRefund},
		{"Sent only rises", sentRises},
		{"Attempt counts before it hands out the MACs", attemptCounts},
		{"Attempt hands out nothing where nothing can be answered", attemptRefuses},
		{"Attempt counts only what fits, and failures of callers only", attemptFits},
		{"Attempt counts only for the address that a challenge is bound to", attemptBound},
		{"Attempt locks a subject after too many failures", attemptLocks},
		{"Finish ends a challenge once", finishOnce},
		{"Finish does not confirm what expired or froze in between", finishRefuses},
		{"Finish freezes in the same step", finishFreezes},
		{"Renew replaces the answer", renewReplaces},
		{"Renew refuses", renewRefuses},
		{"Hint is stored once", hintOnce},
		{"Redeem works once", redeemOnce},
		{"Approve is by somebody else, and comes before Redeem", approves},
		{"A limit that is reached is told where it wants to", limitAlerts},
		{"Expiry goes by the given time", expiry},
		{"List selects and sorts", listSelects},
		{"Subjects are changed with an event", changeSubject},
		{"Events come in order until they are acknowledged", eventsInOrder},
		{"Old things are deleted and others kept", deletes},
		{"A chain grows at its end", chainGrows},
		{"A chain is deleted from its beginning", chainDeletes},
		{"The queue leases and forgets", queueLeases},
		{"Asked for nothing, nothing is handed out or done", nothingAsked},
		{"A freeze ends at its time exactly", freezeEnds},
		{"Events that come with others have every field", eventsBeside},
		{"Names are not taken for others", namesApart},
		{"A name that cannot be stored counts nothing", namesRefused},
		{"Tenants do not see each other", tenants},
		{"A clock that is a minute behind or ahead does no harm", clockSkew},
		{"A restart loses nothing", restart},
		{"Race: Begin with one key", raceBeginKey},
		{"Race: Begin at a limit", raceBeginLimit},
		{"Race: Sent", raceSent},
		{"Race: Attempt", raceAttempt},
		{"Race: Finish", raceFinish},
		{"Race: Renew", raceRenew},
		{"Race: Redeem", raceRedeem},
		{"Race: Approve", raceApprove},
		{"Race: Chain", raceChain},
		{"Race: Hint and ChangeSubject", raceHint},
		{"Race: Expire", raceExpire},
		{"Race: Due", raceDue},
		{"Race: no event is lost between change and hand-over", raceEvents},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			open := storage(t)
			s := &suite{T: t, open: open, now: start}
			s.stores = []verify.Store{open(), open()}
			s.Store = s.stores[0]
			part.run(s)
		})
	}
}

// suite is one part with its storage, two instances on it, and a clock.
type suite struct {
	*testing.T
	verify.Store // the first instance
	stores       []verify.Store
	open         func() verify.Store
	now          time.Time
	ids          int
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

func (s *suite) stamp(kind verify.EventKind) verify.Stamp {
	return verify.Stamp{ID: verify.NewEventID(), Kind: kind, By: "suite", Reason: "because"}
}

// try is one by the caller, of the method of fresh.
func (s *suite) try() verify.Try {
	return verify.Try{Method: verify.MethodNumber, Stamp: s.stamp(verify.EventAttempted)}
}

// fresh returns a challenge with every field set that a caller sets.
func (s *suite) fresh(tenant mspkit.TenantID, subject string) verify.NewChallenge {
	s.ids++
	return verify.NewChallenge{
		Record: verify.Record{
			Ref:  verify.Ref{Tenant: tenant, ID: fmt.Sprintf("challenge-%d", s.ids)},
			Kind: verify.KindCaller, State: verify.StatePending, Method: verify.MethodNumber, Channel: "email",
			Subject: subject, Action: verify.ActionIdentify, Technician: "jane",
			Ticket: mspkit.Ticket{System: "psa", ID: "47'11 ü"}, Assurance: verify.AssuranceEmail,
			KeyID: "k1", MAC: []byte{1, 2, 3, 0, 255}, WordMAC: []byte{4, 5, 6}, Sealed: []byte{7, 8, 9, 0},
			MaxTries: 2, Sends: 1, Messages: 1, LockAfter: 100, CreatedAt: s.now, ExpiresAt: s.now.Add(5 * time.Minute),
		},
		Stamp: s.stamp(verify.EventStarted),
	}
}

func (s *suite) begin(n verify.NewChallenge, limits ...verify.Limit) verify.Record {
	s.Helper()
	r, existing, err := s.Begin(s.Context(), n, limits, s.now)
	s.ok(err)
	if existing {
		s.Fatal("a new challenge is said to exist already")
	}
	return r
}

func (s *suite) begun() verify.Record {
	s.Helper()
	return s.begin(s.fresh(contoso, "dana"))
}

func (s *suite) get(ref verify.Ref) verify.Record {
	s.Helper()
	r, _, err := s.Get(s.Context(), ref)
	s.ok(err)
	return r
}

func (s *suite) attempt(ref verify.Ref) verify.Record {
	s.Helper()
	r, _, err := s.Attempt(s.Context(), ref, s.try(), s.now)
	s.ok(err)
	return r
}

func (s *suite) confirm(r verify.Record) verify.Record {
	s.Helper()
	r, err := s.Finish(s.Context(), r.Ref, r.Version, s.confirmed(), s.now)
	s.ok(err)
	return r
}

func (s *suite) confirmed() verify.Outcome {
	return verify.Outcome{State: verify.StateConfirmed, Stamp: s.stamp(verify.EventConfirmed), ProofUntil: s.now.Add(10 * time.Minute)}
}

// kinds returns the kinds of all events that were not acknowledged.
func (s *suite) kinds() string {
	s.Helper()
	var out []string
	for _, e := range s.events() {
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

func (s *suite) events() []verify.Event {
	s.Helper()
	es, err := s.Events(s.Context(), verify.EventQuery{Limit: 100_000})
	s.ok(err)
	return es
}

func (s *suite) hidden(r verify.Record) {
	s.Helper()
	if len(r.MAC) != 0 || len(r.WordMAC) != 0 {
		s.Fatal("the MACs are handed out without counting a try")
	}
}

// same compares records; times must be equal to the microsecond, empty slices equal nil.
func (s *suite) same(got, want verify.Record) {
	s.Helper()
	for _, r := range []*verify.Record{&got, &want} {
		for _, at := range []*time.Time{&r.CreatedAt, &r.ExpiresAt, &r.DecidedAt, &r.ProofUntil, &r.RedeemedAt, &r.ApprovedAt} {
			if !at.IsZero() {
				*at = at.UTC().Truncate(time.Microsecond)
			}
		}
		if len(r.Refund) == 0 {
			r.Refund = nil
		}
		if len(r.MAC) == 0 {
			r.MAC = nil
		}
		if len(r.WordMAC) == 0 {
			r.WordMAC = nil
		}
	}
	s.equal(got, want, "the record")
}
