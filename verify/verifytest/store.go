package verifytest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
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
		{"A confirmed challenge gives refundable counts back", limitsRefund},
		{"Sent only rises", sentRises},
		{"Attempt counts before it hands out the MACs", attemptCounts},
		{"Attempt hands out nothing where nothing can be answered", attemptRefuses},
		{"Attempt counts only what fits, and failures of callers only", attemptFits},
		{"Attempt locks a subject after too many failures", attemptLocks},
		{"Finish ends a challenge once", finishOnce},
		{"Finish does not confirm what expired or froze in between", finishRefuses},
		{"Finish freezes in the same step", finishFreezes},
		{"Renew replaces the answer", renewReplaces},
		{"Renew refuses", renewRefuses},
		{"Hint is stored once", hintOnce},
		{"Redeem works once", redeemOnce},
		{"Expiry goes by the given time", expiry},
		{"List selects and sorts", listSelects},
		{"Subjects are changed with an event", changeSubject},
		{"Events come in order until they are acknowledged", eventsInOrder},
		{"Old things are deleted and others kept", deletes},
		{"The queue leases and forgets", queueLeases},
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

func beginStores(s *suite) {
	n := s.fresh(contoso, "dana")
	want := n.Record
	r := s.begin(n)
	s.hidden(r)
	want.Version, want.MAC, want.WordMAC = 1, nil, nil
	s.same(r, want)
	got := s.get(n.Record.Ref)
	s.hidden(got)
	s.same(got, want)

	tried := s.attempt(n.Record.Ref)
	s.equal(tried.MAC, n.Record.MAC, "MAC")
	s.equal(tried.WordMAC, n.Record.WordMAC, "WordMAC")

	e := s.events()[0]
	e.Seq = 0
	want.Tries = 0
	s.equal(e, want.Event(n.Stamp, s.now), "the event")

	if _, _, err := s.Begin(s.Context(), n, nil, s.now); !errors.Is(err, verify.ErrConflict) {
		s.Fatalf("the same id twice: %v", err)
	}
	_, _, err := s.Get(s.Context(), verify.Ref{Tenant: contoso, ID: "none"})
	s.is(err, verify.ErrNotFound)
}

// same compares records; times must be equal to the microsecond, empty slices equal nil.
func (s *suite) same(got, want verify.Record) {
	s.Helper()
	for _, r := range []*verify.Record{&got, &want} {
		for _, at := range []*time.Time{&r.CreatedAt, &r.ExpiresAt, &r.DecidedAt, &r.ProofUntil, &r.RedeemedAt} {
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

func beginRepeats(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Idempotency, n.Fingerprint = "key", "same"
	limit := verify.Limit{Name: "one", Key: "one", Max: 1, Window: time.Hour}
	first := s.begin(n, limit)

	again := s.fresh(contoso, "dana")
	again.Idempotency, again.Fingerprint = "key", "same"
	r, existing, err := s.Begin(s.Context(), again, []verify.Limit{limit}, s.now)
	s.ok(err)
	if !existing {
		s.Fatal("the repeat is not recognised")
	}
	s.hidden(r)
	s.same(r, first)

	other := s.fresh(contoso, "dana")
	other.Idempotency, other.Fingerprint = "key", "another request"
	_, _, err = s.Begin(s.Context(), other, nil, s.now)
	s.is(err, verify.ErrConflict)

	tenant := s.fresh(fabrikam, "dana")
	tenant.Idempotency, tenant.Fingerprint = "key", "same"
	s.begin(tenant) // another tenant's key is another key
	s.equal(s.kinds(), "started started", "events")
}

func beginRefuses(s *suite) {
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), nil, s.now)
	s.is(err, verify.ErrFrozen)
	s.begin(s.fresh(contoso, "erin"))
	s.begin(s.fresh(fabrikam, "dana"))
	s.now = until
	s.begun()

	n := s.fresh(contoso, "kim")
	n.Record.LockAfter, n.Record.MaxTries = 3, 5
	r := s.begin(n)
	for range 3 {
		s.attempt(r.Ref)
	}
	locked := s.fresh(contoso, "kim")
	locked.Record.LockAfter = 3
	_, _, err = s.Begin(s.Context(), locked, nil, s.now)
	s.is(err, verify.ErrLocked)
}

func limitsTogether(s *suite) {
	wide := verify.Limit{Name: "wide", Key: "wide", Max: 2, Window: time.Hour}
	tight := verify.Limit{Name: "tight", Key: "tight", Max: 1, Window: time.Minute}
	s.begin(s.fresh(contoso, "dana"), wide, tight)
	for range 5 { // refused by the second limit: the first must not be counted
		_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{wide, tight}, s.now)
		var le *verify.LimitError
		if !errors.As(err, &le) || le.Limit != "tight" || le.RetryAfter != time.Minute {
			s.Fatalf("the refusal is %v (%+v)", err, le)
		}
	}
	s.begin(s.fresh(contoso, "dana"), wide)
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{wide}, s.now)
	s.is(err, verify.ErrLimited)
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{{Name: "none", Key: "none", Max: 0, Window: time.Hour}}, s.now)
	s.is(err, verify.ErrLimited)
	s.equal(s.kinds(), "started started", "events")
	rs, err := s.List(s.Context(), verify.Query{Tenant: contoso})
	s.ok(err)
	s.equal(len(rs), 2, "records after refusals")
}

func limitsEnd(s *suite) {
	l := verify.Limit{Name: "l", Key: "l", Max: 1, Window: time.Minute}
	s.begin(s.fresh(contoso, "dana"), l)
	s.now = s.now.Add(time.Minute - time.Microsecond)
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{l}, s.now)
	s.is(err, verify.ErrLimited)
	s.now = s.now.Add(time.Microsecond)
	s.begin(s.fresh(contoso, "dana"), l)
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{l}, s.now)
	s.is(err, verify.ErrLimited)
}

func limitsRefund(s *suite) {
	budget := verify.Limit{Name: "budget", Key: "budget", Max: 1, Window: time.Hour, Refund: true}
	plain := verify.Limit{Name: "plain", Key: "plain", Max: 2, Window: time.Hour}
	r := s.begin(s.fresh(contoso, "dana"), budget, plain)
	s.equal(r.Refund, []string{"budget"}, "counters to refund")
	_, _, err := s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{budget}, s.now)
	s.is(err, verify.ErrLimited)
	s.confirm(s.attempt(r.Ref))
	r = s.begin(s.fresh(contoso, "dana"), budget, plain) // the budget is back, the plain limit counts on
	r = s.attempt(r.Ref)
	_, err = s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{State: verify.StateFailed, Stamp: s.stamp(verify.EventFailed)}, s.now)
	s.ok(err)
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{budget}, s.now)
	s.is(err, verify.ErrLimited) // only a confirmation gives back
}

func sentRises(s *suite) {
	r := s.begun()
	sent := func(status verify.DeliveryStatus, receipt string) {
		s.Helper()
		kind := map[verify.DeliveryStatus]verify.EventKind{verify.DeliverySent: verify.EventSent, verify.DeliveryDelivered: verify.EventDelivered, verify.DeliveryFailed: verify.EventUndelivered}[status]
		s.ok(s.Sent(s.Context(), r.Ref, receipt, status, s.stamp(kind), s.now))
	}
	sent(verify.DeliveryDelivered, "m1")
	sent(verify.DeliverySent, "m2")
	sent(verify.DeliveryDelivered, "m3")
	got := s.get(r.Ref)
	s.equal(got.Delivery, verify.DeliveryDelivered, "delivery")
	s.equal(got.ReceiptID, "m1", "receipt")
	s.equal(got.Version, r.Version, "version: a delivery must not disturb an answer")
	s.equal(s.kinds(), "started delivered", "events")
	sent(verify.DeliveryFailed, "m4")
	s.equal(s.get(r.Ref).Delivery, verify.DeliveryDelivered, "delivery after a late failure")

	r = s.begin(s.fresh(contoso, "erin")) // the channel's answer comes after its callback
	sent(verify.DeliveryFailed, "")
	sent(verify.DeliveryDelivered, "")
	sent(verify.DeliverySent, "m5")
	got = s.get(r.Ref)
	s.equal([]any{got.Delivery, got.ReceiptID}, []any{verify.DeliveryDelivered, "m5"}, "delivery that overtook its receipt")
	s.equal(s.kinds(), "started delivered started undelivered delivered", "events")
	s.is(s.Sent(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, "", verify.DeliverySent, s.stamp(verify.EventSent), s.now), verify.ErrNotFound)
}

func attemptCounts(s *suite) {
	r := s.begun()
	for i := 1; i <= 2; i++ {
		got, sub, err := s.Attempt(s.Context(), r.Ref, s.try(), s.now)
		s.ok(err)
		s.equal([]int{got.Tries, sub.Failures}, []int{i, i}, "tries and failures")
		s.equal(got.Version, r.Version, "version")
		if len(got.MAC) == 0 {
			s.Fatal("no MAC was handed out")
		}
		stored := s.get(r.Ref)
		s.equal(stored.Tries, i, "stored tries")
	}
	got := s.attempt(r.Ref)
	s.hidden(got)
	s.equal(got.Effective(verify.SubjectState{}, s.now), verify.StateFailed, "state")
	s.equal(got.Tries, 2, "tries")
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	s.equal(sub.Failures, 2, "failures")
	s.equal(s.kinds(), "started attempted attempted", "events")
	_, _, err = s.Attempt(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, s.try(), s.now)
	s.is(err, verify.ErrNotFound)
}

func attemptRefuses(s *suite) {
	for name, prepare := range map[string]func() verify.Record{
		"expired": func() verify.Record {
			r := s.begin(s.fresh(contoso, "a"))
			s.now = r.ExpiresAt
			return r
		},
		"confirmed": func() verify.Record { return s.confirm(s.attempt(s.begin(s.fresh(contoso, "b")).Ref)) },
		"frozen": func() verify.Record {
			r := s.begin(s.fresh(contoso, "c"))
			until := s.now.Add(time.Hour)
			s.ok(s.ChangeSubject(s.Context(), contoso, "c", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
			return r
		},
		"pending": func() verify.Record { // answered by another method
			n := s.fresh(contoso, "e")
			n.Record.Method = verify.MethodCode
			return s.begin(n)
		},
		"locked": func() verify.Record {
			n := s.fresh(contoso, "d")
			n.Record.LockAfter = 1
			r := s.begin(n)
			s.attempt(r.Ref)
			return r
		},
	} {
		r := prepare()
		before := s.get(r.Ref)
		events := len(s.events())
		got, sub, err := s.Attempt(s.Context(), r.Ref, s.try(), s.now)
		s.ok(err)
		s.hidden(got)
		s.same(got, before)
		if state := got.Effective(sub, s.now); string(state) != name {
			s.Fatalf("%s: the state is %s", name, state)
		}
		s.equal(len(s.events()), events, name+": events")
		s.same(s.get(r.Ref), before)
	}
}

func attemptFits(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Record.Technician = "jane"
	r := s.begin(n)
	t := s.try()
	t.Technician = "joe"
	got, _, err := s.Attempt(s.Context(), r.Ref, t, s.now)
	s.ok(err)
	s.hidden(got)
	s.equal(got.Tries, 0, "tries of another technician")
	t.Technician = "jane"
	got, _, err = s.Attempt(s.Context(), r.Ref, t, s.now)
	s.ok(err)
	s.equal(got.Tries, 1, "tries")

	// A contact who verifies a technician neither fails nor is cleared of failures.
	tech := s.fresh(contoso, "dana")
	tech.Record.Kind = verify.KindTechnician
	failures := func() int {
		s.Helper()
		sub, err := s.Subject(s.Context(), contoso, "dana")
		s.ok(err)
		return sub.Failures
	}
	v := s.attempt(s.begin(tech).Ref)
	s.equal(v.Tries, 1, "tries of the technician's verification")
	s.equal(failures(), 1, "failures")
	s.confirm(v)
	s.equal(failures(), 1, "failures after the technician was verified")
	s.confirm(got)
	s.equal(failures(), 0, "failures after the caller was verified")
}

func attemptLocks(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Record.MaxTries, n.Record.LockAfter = 5, 2
	r := s.begin(n)
	s.attempt(r.Ref)
	t := s.try()
	got, _, err := s.Attempt(s.Context(), r.Ref, t, s.now)
	s.ok(err)
	if len(got.MAC) == 0 {
		s.Fatal("the try that reaches the limit may still be right")
	}
	s.equal(s.kinds(), "started attempted attempted locked", "events")
	s.equal(s.events()[3].ID, t.Stamp.ID+"-locked", "id of the lock event")
	s.hidden(s.attempt(r.Ref))

	s.confirm(got) // the right answer clears the failures
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	s.equal(sub.Failures, 0, "failures")
}

func finishOnce(s *suite) {
	r := s.attempt(s.begun().Ref)
	_, err := s.Finish(s.Context(), r.Ref, r.Version+1, s.confirmed(), s.now)
	s.is(err, verify.ErrConflict)
	o := s.confirmed()
	done, err := s.Finish(s.Context(), r.Ref, r.Version, o, s.now)
	s.ok(err)
	s.hidden(done)
	s.equal(done.State, verify.StateConfirmed, "state")
	if !done.DecidedAt.Equal(s.now) || !done.ProofUntil.Equal(o.ProofUntil) || done.Version <= r.Version {
		s.Fatalf("the outcome is not stored: %+v", done)
	}
	s.same(s.get(r.Ref), done)
	for _, version := range []int64{r.Version, done.Version} {
		_, err = s.Finish(s.Context(), r.Ref, version, verify.Outcome{State: verify.StateDenied, Stamp: s.stamp(verify.EventDenied)}, s.now)
		s.is(err, verify.ErrNotPending)
	}
	_, err = s.Finish(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, 1, s.confirmed(), s.now)
	s.is(err, verify.ErrNotFound)
	s.equal(s.kinds(), "started attempted confirmed", "events")
}

func finishRefuses(s *suite) {
	r := s.attempt(s.begun().Ref)
	_, err := s.Finish(s.Context(), r.Ref, r.Version, s.confirmed(), r.ExpiresAt)
	s.is(err, verify.ErrNotPending)
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	_, err = s.Finish(s.Context(), r.Ref, r.Version, s.confirmed(), s.now)
	s.is(err, verify.ErrFrozen)
	s.equal(s.get(r.Ref).State, verify.StatePending, "state")
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	s.equal(sub.Failures, 1, "failures")
	// It may still be cancelled or denied.
	_, err = s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{State: verify.StateDenied, Stamp: s.stamp(verify.EventDenied)}, s.now)
	s.ok(err)
	s.equal(s.kinds(), "started attempted frozen denied", "events")
}

func finishFreezes(s *suite) {
	r := s.begun()
	until := s.now.Add(time.Hour).Truncate(time.Microsecond)
	_, err := s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{
		State: verify.StateDenied, Stamp: s.stamp(verify.EventDenied), FreezeUntil: until, FreezeStamp: s.stamp(verify.EventFrozen),
	}, s.now)
	s.ok(err)
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	if !sub.FrozenUntil.Equal(until) {
		s.Fatalf("frozen until %v, it should be %v", sub.FrozenUntil, until)
	}
	s.equal(s.kinds(), "started denied frozen", "events")
}

func (s *suite) renewal() verify.Renewal {
	return verify.Renewal{
		KeyID: "k2", MAC: []byte("new"), WordMAC: []byte("word"), Sealed: []byte("sealed"), MaxTries: 5,
		ExpiresAt: s.now.Add(7 * time.Minute), Send: true, Stamp: s.stamp(verify.EventRenewed),
	}
}

func renewReplaces(s *suite) {
	r := s.begun()
	s.ok(s.Sent(s.Context(), r.Ref, "m1", verify.DeliverySent, s.stamp(verify.EventSent), s.now))
	s.ok(s.Hint(s.Context(), r.Ref, s.stamp(verify.EventDenialHint), s.now))
	s.attempt(r.Ref)
	old := s.attempt(r.Ref)
	_, err := s.Finish(s.Context(), r.Ref, old.Version, verify.Outcome{State: verify.StateFailed, Stamp: s.stamp(verify.EventFailed)}, s.now)
	s.ok(err)
	failed := s.get(r.Ref)
	n := s.renewal()
	got, err := s.Renew(s.Context(), r.Ref, failed.Version, n, []verify.Limit{{Name: "l", Key: "l", Max: 1, Window: time.Hour, Refund: true}}, s.now)
	s.ok(err)
	s.hidden(got)
	want := failed
	want.Renewed(n, []string{"l"})
	s.same(got, want.Hidden())
	s.same(s.get(r.Ref), got)
	s.equal([]any{got.State, got.Tries, got.Sends, got.Delivery, got.ReceiptID, got.Hinted}, []any{verify.StatePending, 0, 2, verify.DeliveryPending, "", false}, "renewed fields")
	tried := s.attempt(r.Ref)
	s.equal(tried.MAC, n.MAC, "the new MAC")
	s.equal(tried.WordMAC, n.WordMAC, "the new word's MAC")

	// An answer to the old number must not be able to finish.
	_, err = s.Finish(s.Context(), r.Ref, old.Version, s.confirmed(), s.now)
	s.is(err, verify.ErrConflict)

	// Without a send the delivery stays.
	s.ok(s.Sent(s.Context(), r.Ref, "m2", verify.DeliveryDelivered, s.stamp(verify.EventDelivered), s.now))
	quiet := s.renewal()
	quiet.Send = false
	got, err = s.Renew(s.Context(), r.Ref, got.Version, quiet, nil, s.now)
	s.ok(err)
	s.equal([]any{got.Delivery, got.ReceiptID, got.Sends}, []any{verify.DeliveryDelivered, "m2", 3}, "delivery after a renewal without a send")
}

func renewRefuses(s *suite) {
	r := s.begun()
	_, err := s.Renew(s.Context(), r.Ref, r.Version+1, s.renewal(), nil, s.now)
	s.is(err, verify.ErrConflict)
	_, err = s.Renew(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, 1, s.renewal(), nil, s.now)
	s.is(err, verify.ErrNotFound)
	_, err = s.Renew(s.Context(), r.Ref, r.Version, s.renewal(), []verify.Limit{{Name: "none", Key: "none", Max: 0, Window: time.Hour}}, s.now)
	s.is(err, verify.ErrLimited)
	_, err = s.Renew(s.Context(), r.Ref, r.Version, s.renewal(), nil, r.ExpiresAt)
	s.is(err, verify.ErrNotPending)
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	_, err = s.Renew(s.Context(), r.Ref, r.Version, s.renewal(), nil, s.now)
	s.is(err, verify.ErrFrozen)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &time.Time{}, Stamp: s.stamp(verify.EventUnfrozen)}, s.now))

	done := s.confirm(s.attempt(r.Ref))
	_, err = s.Renew(s.Context(), r.Ref, done.Version, s.renewal(), nil, s.now)
	s.is(err, verify.ErrNotPending)

	n := s.fresh(contoso, "kim")
	n.Record.LockAfter = 1
	r = s.attempt(s.begin(n).Ref)
	_, err = s.Renew(s.Context(), r.Ref, r.Version, s.renewal(), nil, s.now)
	s.is(err, verify.ErrLocked)
	s.equal(s.kinds(), "started frozen unfrozen attempted confirmed started attempted locked", "events")
}

func hintOnce(s *suite) {
	r := s.begun()
	for range 3 {
		s.ok(s.Hint(s.Context(), r.Ref, s.stamp(verify.EventDenialHint), s.now))
	}
	got := s.get(r.Ref)
	s.equal([]any{got.Hinted, got.State, got.Version}, []any{true, verify.StatePending, r.Version}, "after a hint")
	s.equal(s.kinds(), "started denial-hint", "events")
	s.is(s.Hint(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, s.stamp(verify.EventDenialHint), s.now), verify.ErrNotFound)
	s.confirm(s.attempt(r.Ref))
	s.is(s.Hint(s.Context(), r.Ref, s.stamp(verify.EventDenialHint), s.now), verify.ErrNotPending)
}

func redeemOnce(s *suite) {
	r := s.begun()
	redeem := func(by string, now time.Time) error {
		_, err := s.Redeem(s.Context(), r.Ref, by, s.stamp(verify.EventRedeemed), now)
		return err
	}
	s.is(redeem("a", s.now), verify.ErrProof)
	r = s.confirm(s.attempt(r.Ref))
	s.is(redeem("a", r.ProofUntil), verify.ErrProofExpired)
	s.ok(redeem("a", s.now))
	s.ok(redeem("a", s.now))
	s.is(redeem("b", s.now), verify.ErrRedeemed)
	s.is(redeem("a", r.ProofUntil), verify.ErrProofExpired)
	got := s.get(r.Ref)
	if got.RedeemedBy != "a" || !got.RedeemedAt.Equal(s.now) {
		s.Fatalf("who redeemed is not stored: %+v", got)
	}
	s.equal(s.kinds(), "started attempted confirmed redeemed", "events")
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	s.is(redeem("a", s.now), verify.ErrFrozen)

	n := s.fresh(contoso, "erin")
	n.Record.Kind = verify.KindTechnician
	r = s.confirm(s.attempt(s.begin(n).Ref))
	s.is(redeem("a", s.now), verify.ErrProof) // verifying a technician proves nothing about the contact
	_, err := s.Redeem(s.Context(), verify.Ref{Tenant: contoso, ID: "none"}, "a", s.stamp(verify.EventRedeemed), s.now)
	s.is(err, verify.ErrNotFound)
}

func expiry(s *suite) {
	r, kept := s.begun(), s.fresh(contoso, "erin")
	kept.Record.ExpiresAt = s.now.Add(time.Hour)
	s.begin(kept)
	done := s.confirm(s.attempt(s.begin(s.fresh(contoso, "kim")).Ref))
	n, err := s.Expire(s.Context(), r.ExpiresAt.Add(-time.Microsecond), 10)
	s.ok(err)
	s.equal(n, 0, "expired too early")
	n, err = s.Expire(s.Context(), r.ExpiresAt, 10)
	s.ok(err)
	s.equal(n, 1, "expired")
	got := s.get(r.Ref)
	s.equal(got.State, verify.StateExpired, "state")
	if got.DecidedAt.IsZero() {
		s.Fatal("an expired challenge has no time of decision, so it would never be deleted")
	}
	s.equal(s.get(kept.Record.Ref).State, verify.StatePending, "the other challenge")
	s.equal(s.get(done.Ref).State, verify.StateConfirmed, "the ended challenge")
	last := s.events()[len(s.events())-1]
	s.equal([]any{last.Kind, last.Challenge, last.State}, []any{verify.EventExpired, r.ID, verify.StateExpired}, "the event")
	if last.ID == "" {
		s.Fatal("the event has no id")
	}
	for range 5 {
		s.begin(s.fresh(contoso, "lee"))
	}
	n, err = s.Expire(s.Context(), s.now.Add(24*time.Hour), 3)
	s.ok(err)
	s.equal(n, 3, "expired with a limit of 3")
}

func listSelects(s *suite) {
	var want []string
	for i := range 6 {
		n := s.fresh(contoso, []string{"dana", "erin"}[i%2])
		n.Record.Technician = []string{"jane", "joe", "jane"}[i%3]
		n.Record.CreatedAt = s.now.Add(time.Duration(i) * time.Second)
		s.begin(n)
		want = append(want, n.Record.ID)
	}
	s.begin(s.fresh(fabrikam, "dana"))
	slices.Reverse(want)
	ids := func(q verify.Query) []string {
		s.Helper()
		q.Tenant = contoso
		rs, err := s.List(s.Context(), q)
		s.ok(err)
		var out []string
		for _, r := range rs {
			s.hidden(r)
			out = append(out, r.ID)
		}
		return out
	}
	s.equal(ids(verify.Query{}), want, "all")
	s.equal(ids(verify.Query{Limit: 2}), want[:2], "limit")
	s.equal(ids(verify.Query{Technician: "joe"}), []string{want[1], want[4]}, "technician")
	s.equal(ids(verify.Query{Subject: "erin"}), []string{want[0], want[2], want[4]}, "subject")
	s.equal(ids(verify.Query{Subject: "erin", Technician: "joe"}), []string{want[4]}, "both")

	s.confirm(s.attempt(verify.Ref{Tenant: contoso, ID: want[0]}))
	r := s.attempt(verify.Ref{Tenant: contoso, ID: want[1]})
	_, err := s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{State: verify.StateFailed, Stamp: s.stamp(verify.EventFailed)}, s.now)
	s.ok(err)
	s.equal(ids(verify.Query{OpenAt: s.now}), want[1:], "open: pending and failed")
	s.equal(ids(verify.Query{OpenAt: s.now.Add(time.Hour)}), []string(nil), "open after expiry")
}

func changeSubject(s *suite) {
	state := func() verify.SubjectState {
		s.Helper()
		st, err := s.Subject(s.Context(), contoso, "dana")
		s.ok(err)
		return st
	}
	s.equal(state(), verify.SubjectState{}, "unknown subject")
	s.attempt(s.begun().Ref)
	until := s.now.Add(time.Hour)
	st := s.stamp(verify.EventFrozen)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: st}, s.now))
	if got := state(); !got.FrozenUntil.Equal(until) || got.Failures != 1 {
		s.Fatalf("after freezing: %+v", got)
	}
	events := s.events()
	last := events[len(events)-1]
	last.Seq = 0
	s.equal(last, verify.SubjectEvent(contoso, "dana", st, s.now), "the event")
	shorter := s.now.Add(time.Minute)
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &shorter, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	denied := s.fresh(contoso, "dana")
	s.now = until
	r := s.begin(denied)
	s.now = until.Add(-time.Hour)
	_, err := s.Finish(s.Context(), r.Ref, r.Version, verify.Outcome{
		State: verify.StateDenied, Stamp: s.stamp(verify.EventDenied), FreezeUntil: shorter, FreezeStamp: s.stamp(verify.EventFrozen),
	}, s.now)
	s.ok(err)
	if got := state(); !got.FrozenUntil.Equal(until) {
		s.Fatalf("a shorter freeze replaced a longer one: %+v", got)
	}
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{Unlock: true, Stamp: s.stamp(verify.EventUnlocked)}, s.now))
	if got := state(); !got.FrozenUntil.Equal(until) || got.Failures != 0 {
		s.Fatalf("after unlocking: %+v", got)
	}
	s.ok(s.ChangeSubject(s.Context(), contoso, "dana", verify.SubjectChange{FrozenUntil: &time.Time{}, Stamp: s.stamp(verify.EventUnfrozen)}, s.now))
	if got := state(); got.FrozenUntil.After(s.now) {
		s.Fatalf("after unfreezing: %+v", got)
	}
}

func eventsInOrder(s *suite) {
	var want []string
	for i := range 7 {
		n := s.fresh([]mspkit.TenantID{contoso, fabrikam}[i%2], "dana")
		s.begin(n)
		want = append(want, n.Stamp.ID)
	}
	ids := func(q verify.EventQuery) []string {
		s.Helper()
		es, err := s.Events(s.Context(), q)
		s.ok(err)
		var out []string
		var seq int64
		for _, e := range es {
			if e.Seq <= seq {
				s.Fatalf("events are not in the order of Seq: %d after %d", e.Seq, seq)
			}
			seq = e.Seq
			out = append(out, e.ID)
		}
		return out
	}
	s.equal(ids(verify.EventQuery{Limit: 3}), want[:3], "first")
	s.equal(ids(verify.EventQuery{Limit: 3}), want[:3], "again, not acknowledged")
	s.equal(ids(verify.EventQuery{Limit: 2, Skip: []mspkit.TenantID{contoso}}), []string{want[1], want[3]}, "skipping a tenant")
	s.equal(ids(verify.EventQuery{Limit: 9, Skip: []mspkit.TenantID{contoso, fabrikam}}), []string(nil), "skipping both")
	s.ok(s.Ack(s.Context(), []string{want[0], want[2], "unknown"}))
	s.ok(s.Ack(s.Context(), []string{want[0]}))
	s.ok(s.Ack(s.Context(), nil))
	s.equal(ids(verify.EventQuery{Limit: 9}), append([]string{want[1]}, want[3:]...), "after Ack")
}

func deletes(s *suite) {
	old := s.fresh(contoso, "dana")
	old.Idempotency, old.Fingerprint = "key", "f"
	done := s.confirm(s.attempt(s.begin(old, verify.Limit{Name: "l", Key: "l", Max: 1, Window: time.Minute}).Ref))
	pending := s.fresh(contoso, "erin")
	pending.Record.ExpiresAt = s.now.Add(1000 * time.Hour)
	s.begin(pending)
	var ids []string
	for _, e := range s.events() {
		ids = append(ids, e.ID)
	}
	s.ok(s.Ack(s.Context(), ids[:2]))
	later := s.now.Add(time.Hour)

	_, err := s.DeleteExpired(s.Context(), s.now.Add(-time.Hour), s.now, 100) // nothing is old
	s.ok(err)
	s.get(done.Ref)

	n, err := s.DeleteExpired(s.Context(), later, later, 100)
	s.ok(err)
	s.equal(n, 4, "one challenge, two events, one counter")
	_, _, err = s.Get(s.Context(), done.Ref)
	s.is(err, verify.ErrNotFound)
	s.get(pending.Record.Ref)
	s.equal(len(s.events()), len(ids)-2, "events that were not acknowledged")
	n, err = s.DeleteExpired(s.Context(), later, later, 100)
	s.ok(err)
	s.equal(n, 0, "deleted again")

	again := s.fresh(contoso, "dana") // the key went with its challenge
	again.Idempotency, again.Fingerprint = "key", "another"
	s.begin(again)

	for range 4 {
		s.confirm(s.attempt(s.begin(s.fresh(contoso, "kim")).Ref))
	}
	n, err = s.DeleteExpired(s.Context(), later, later, 3)
	s.ok(err)
	s.equal(n, 3, "deleted with a limit of 3")
}

func queueLeases(s *suite) {
	limit := verify.Limit{Name: "q", Key: "q", Max: 2, Window: time.Hour}
	q := verify.Queued{Tenant: contoso, ID: "q1", Sealed: []byte{1, 0, 2}, At: s.now, Due: s.now}
	s.ok(s.Enqueue(s.Context(), q, []verify.Limit{limit}, s.now))
	q2 := q
	q2.ID, q2.Tenant = "q2", fabrikam
	s.ok(s.Enqueue(s.Context(), q2, []verify.Limit{limit}, s.now))
	q3 := q
	q3.ID = "q3"
	s.is(s.Enqueue(s.Context(), q3, []verify.Limit{limit}, s.now), verify.ErrLimited)

	due := func(limit int) []verify.Queued {
		s.Helper()
		out, err := s.Due(s.Context(), s.now, time.Minute, limit)
		s.ok(err)
		for i := range out {
			out[i].At, out[i].Due = out[i].At.UTC(), time.Time{}
		}
		return out
	}
	late := q
	late.ID, late.Due = "late", s.now.Add(time.Hour)
	s.ok(s.Enqueue(s.Context(), late, nil, s.now))
	q.Due, q2.Due = time.Time{}, time.Time{}
	q.Attempts, q2.Attempts = 1, 1
	q.At, q2.At = s.now.UTC(), s.now.UTC()
	s.equal(due(1), []verify.Queued{q}, "first")
	s.equal(due(9), []verify.Queued{q2}, "second")
	s.equal(len(due(9)), 0, "all leased")
	s.now = s.now.Add(time.Minute)
	q.Attempts, q2.Attempts = 2, 2
	s.equal(due(9), []verify.Queued{q, q2}, "after the lease")
	s.ok(s.Done(s.Context(), fabrikam, "q1")) // another tenant's
	s.ok(s.Done(s.Context(), contoso, "q1"))
	s.ok(s.Done(s.Context(), contoso, "unknown"))
	s.now = s.now.Add(time.Minute)
	q2.Attempts = 3
	s.equal(due(9), []verify.Queued{q2}, "after Done")
}

func tenants(s *suite) {
	r := s.confirm(s.attempt(s.begun().Ref))
	p := s.begin(s.fresh(contoso, "erin"))
	events := len(s.events())
	foreign, open := verify.Ref{Tenant: fabrikam, ID: r.ID}, verify.Ref{Tenant: fabrikam, ID: p.ID}
	ctx := s.Context()
	_, _, err := s.Get(ctx, foreign)
	s.is(err, verify.ErrNotFound)
	_, _, err = s.Attempt(ctx, open, s.try(), s.now)
	s.is(err, verify.ErrNotFound)
	_, err = s.Finish(ctx, open, p.Version, s.confirmed(), s.now)
	s.is(err, verify.ErrNotFound)
	_, err = s.Renew(ctx, open, p.Version, s.renewal(), nil, s.now)
	s.is(err, verify.ErrNotFound)
	_, err = s.Redeem(ctx, foreign, "a", s.stamp(verify.EventRedeemed), s.now)
	s.is(err, verify.ErrNotFound)
	s.is(s.Hint(ctx, open, s.stamp(verify.EventDenialHint), s.now), verify.ErrNotFound)
	s.is(s.Sent(ctx, open, "m", verify.DeliverySent, s.stamp(verify.EventSent), s.now), verify.ErrNotFound)
	rs, err := s.List(ctx, verify.Query{Tenant: fabrikam})
	s.ok(err)
	s.equal(len(rs), 0, "records of the other tenant")
	until := s.now.Add(time.Hour)
	s.ok(s.ChangeSubject(ctx, fabrikam, "erin", verify.SubjectChange{FrozenUntil: &until, Stamp: s.stamp(verify.EventFrozen)}, s.now))
	sub, err := s.Subject(ctx, contoso, "erin")
	s.ok(err)
	s.equal(sub, verify.SubjectState{}, "subject of the same name in another tenant")
	s.equal(len(s.events()), events+1, "events")
	same := s.fresh(fabrikam, "dana")
	same.Record.ID = r.ID // two tenants may have the same id
	s.begin(same)
	s.equal(s.get(r.Ref).State, verify.StateConfirmed, "the first tenant's record")
}

func clockSkew(s *suite) {
	r := s.begun()
	behind, ahead := s.now.Add(-time.Minute), s.now.Add(time.Minute)
	got, _, err := s.stores[1].Attempt(s.Context(), r.Ref, s.try(), behind)
	s.ok(err)
	if len(got.MAC) == 0 {
		s.Fatal("an instance whose clock is behind cannot check")
	}
	done, err := s.stores[1].Finish(s.Context(), r.Ref, got.Version, s.confirmed(), behind)
	s.ok(err)
	_, err = s.Redeem(s.Context(), r.Ref, "a", s.stamp(verify.EventRedeemed), ahead)
	s.ok(err)
	_, err = s.stores[1].Redeem(s.Context(), done.Ref, "b", s.stamp(verify.EventRedeemed), behind)
	s.is(err, verify.ErrRedeemed)

	l := verify.Limit{Name: "l", Key: "l", Max: 1, Window: 45 * time.Second}
	s.begin(s.fresh(contoso, "dana"), l)
	_, _, err = s.stores[1].Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{l}, behind)
	s.is(err, verify.ErrLimited)
}

func restart(s *suite) {
	n := s.fresh(contoso, "dana")
	n.Idempotency, n.Fingerprint = "key", "f"
	l := verify.Limit{Name: "l", Key: "l", Max: 1, Window: time.Hour}
	r := s.begin(n, l)
	s.attempt(r.Ref)
	want := s.get(r.Ref)
	events := s.events()
	s.Store = s.open()
	s.same(s.get(r.Ref), want)
	s.equal(s.events(), events, "events")
	sub, err := s.Subject(s.Context(), contoso, "dana")
	s.ok(err)
	s.equal(sub.Failures, 1, "failures")
	_, _, err = s.Begin(s.Context(), s.fresh(contoso, "dana"), []verify.Limit{l}, s.now)
	s.is(err, verify.ErrLimited)
	_, existing, err := s.Begin(s.Context(), n, []verify.Limit{l}, s.now)
	s.ok(err)
	s.equal(existing, true, "the repeat")
}
