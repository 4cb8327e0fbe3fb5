package securesendtest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// start is the time at which the suite's records begin, so that a test does not depend on the clock.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")

	tick = time.Microsecond
	day  = 24 * time.Hour
)

// TestStore runs the whole suite. storage makes a fresh, empty storage for one part and returns a function that
// opens an instance on it. The function is called several times: two instances take turns and race each other, and an
// instance opened later must find what an earlier one stored. Instances that need closing are closed by t.Cleanup.
func TestStore(t *testing.T, storage func(t *testing.T) (open func() securesend.SecretStore)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"Put stores every field and hides what it must", putStores},
		{"Put refuses what exists, and what would never end", putRefuses},
		{"Commit completes a draft once", commits},
		{"Admit lets one answer a request", admits},
		{"Open notes the first look", opens},
		{"Take hands out to one claim", takes},
		{"Take counts views, and a first view may shorten the life", takesViews},
		{"Extend notes what was fetched", extends},
		{"Ack ends the view, once", acks},
		{"A wrong auth changes and counts nothing", wrongAuth},
		{"Numbers are counted and lock", numbers},
		{"Codes are limited and end", codes},
		{"Passphrases are counted and lock", passphrases},
		{"Another's word lets through", proofs},
		{"A region that is not served is refused before anything is counted", regions},
		{"Renew replaces the number, of one version and not for ever", renews},
		{"Revoke burns, also while it is being opened", revokes},
		{"Note changes nothing", notes},
		{"Expire ends what is over at its time exactly", expires},
		{"Expire leaves a lease and its margin alone", lapses},
		{"What was not forgotten is found, and nothing else", forgets},
		{"Old things are deleted and others kept", deletes},
		{"Rewrap changes what did not change meanwhile", rewraps},
		{"Asked for nothing, nothing is handed out or done", nothingAsked},
		{"Limits are counted all together or not at all", counts},
		{"A limit of less than one refuses everything", countsBelowOne},
		{"What is refused begins no window", countsRefusedBegin},
		{"List selects and sorts", lists},
		{"List returns a thousand at most", listsMany},
		{"Events come in order until they are acknowledged", eventsInOrder},
		{"Events outlive their record", eventsStay},
		{"Tenants do not see each other", tenants},
		{"Names are not taken for others", namesApart},
		{"A name that cannot be stored leaves nothing", namesRefused},
		{"A clock that is a minute behind or ahead does no harm", clockSkew},
		{"A restart loses nothing", restart},
		{"By chance, 1", random(1)},
		{"By chance, 2", random(2)},
		{"By chance, 3", random(3)},
		{"By chance, 4", random(4)},
		{"By chance, 5", random(5)},
		{"By chance, 6", random(6)},
		{"By chance, 7", random(7)},
		{"By chance, 8", random(8)},
		{"Race: Take", raceTake},
		{"Race: Take by one claim", raceSameClaim},
		{"Race: Take and Revoke", raceTakeRevoke},
		{"Race: Take and Expire", raceTakeExpire},
		{"Race: Take and Ack with several views", raceViews},
		{"Race: Ack and Expire", raceAck},
		{"Race: numbers", raceNumbers},
		{"Race: passphrases", racePassphrases},
		{"Race: SendCode", raceSendCode},
		{"Race: Put", racePut},
		{"Race: Count", raceCount},
		{"Race: Expire", raceExpire},
		{"Race: Renew", raceRenew},
		{"Race: Admit", raceAdmit},
		{"Race: Commit", raceCommit},
		{"Race: Rewrap", raceRewrap},
		{"Race: no event is lost between change and hand-over", raceEvents},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			s := newSuite(t, storage(t))
			part.run(s)
			s.settled()
		})
	}
}

// suite is one part with its storage, two instances on it, a model of what they hold, and a clock.
type suite struct {
	*testing.T
	stores []securesend.SecretStore
	open   func() securesend.SecretStore
	model  *model
	now    time.Time
	ids    int
	calls  int
	// raced is set where verbs were called beside the model.
	raced bool
	trail []string
}

func newSuite(t *testing.T, open func() securesend.SecretStore) *suite {
	t.Helper()
	return &suite{T: t, open: open, now: start, model: newModel(), stores: []securesend.SecretStore{open(), open()}}
}

// next returns the instances in turn.
func (s *suite) next() securesend.SecretStore {
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

// limited checks which limit refused.
func (s *suite) limited(err error, limit string) {
	s.Helper()
	var e *securesend.LimitError
	if !errors.As(err, &e) {
		s.Fatalf("the error is %v, it should be of the limit %q", err, limit)
	}
	s.equal(e.Limit, limit, "the limit")
}

func (s *suite) equal(got, want any, what string) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("%s: got\n%+v\nwant\n%+v", what, got, want)
	}
}

// same compares records; times must be equal to the microsecond, empty slices equal nil.
func (s *suite) same(got, want securesend.Record, what string) {
	s.Helper()
	got, want = plain(got), plain(want)
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("%s of %q differs:\n%s", what, want.Ref, brief(fields(got), fields(want)))
	}
}

// fields prints a struct with a field in a line.
func fields(v any) string {
	var b strings.Builder
	val := reflect.ValueOf(v)
	for i := range val.NumField() {
		fmt.Fprintf(&b, "%s: %v\n", val.Type().Field(i).Name, val.Field(i))
	}
	return b.String()
}

func (s *suite) stamp(kind securesend.EventKind) securesend.Stamp {
	return securesend.Stamp{ID: securesend.NewEventID(), Kind: kind, By: "jane ü", Reason: "because", Files: []int{3, 1}}
}

// seen is the stamp of what a recipient does.
func (s *suite) seen(kind securesend.EventKind) securesend.Stamp {
	return securesend.Stamp{ID: securesend.NewEventID(), Kind: kind, By: securesend.ByRecipient}
}

func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// fresh returns a send that is ready, with a gate by number and two files.
func (s *suite) fresh(tenant mspkit.TenantID) securesend.Record {
	s.ids++
	id := fmt.Sprintf("send%d", s.ids)
	return securesend.Record{
		Ref: securesend.Ref{Tenant: tenant, ID: id}, Kind: securesend.KindSend, State: securesend.StateReady,
		Region: "europe", Purpose: "files", Sender: "jane", Subject: "dana", Ticket: mspkit.Ticket{System: "psa", ID: "47'11 ü"},
		Log:  securesend.Log{To: "ticket", Public: true},
		Gate: securesend.GateNumber, KeyID: "k1", NumberMAC: hash("number" + id), MaxTries: 2, MaxPassTries: 3,
		Upload: hash("upload" + id), Auth: hash("auth" + id), Header: []byte{1, 0, 20}, Half: hash("half" + id), HalfKey: "k1",
		Sealed: []byte{9, 0, 8}, Inline: []byte("manifest of " + id), Sizes: []int64{5, 3<<20 + 1}, MaxViews: 1,
		CreatedAt: s.now, ReadyAt: s.now, Expiry: s.now.Add(day), ExpiresAt: s.now.Add(day), Blobs: true,
	}
}

// draft returns a send whose content is being uploaded.
func (s *suite) draft(tenant mspkit.TenantID) securesend.Record {
	r := s.fresh(tenant)
	r.State, r.ReadyAt, r.Auth, r.Header, r.Half, r.HalfKey, r.Inline, r.Sizes = securesend.StateDraft, time.Time{}, nil, nil, nil, "", nil, nil
	return r
}

// request returns one that nobody has begun to answer.
func (s *suite) request(tenant mspkit.TenantID) securesend.Record {
	r := s.draft(tenant)
	r.Kind, r.Upload = securesend.KindRequest, nil
	r.Auth, r.Half, r.HalfKey = hash("auth"+r.ID), hash("half"+r.ID), "k1"
	return r
}

// begun stores a send that is ready.
func (s *suite) begun() securesend.Ref {
	s.Helper()
	return s.put(s.fresh(contoso))
}

// number is the right one.
func (s *suite) number(ref securesend.Ref) securesend.MACs {
	r := s.model.records[ref]
	return securesend.MACs{"k0": hash("another key"), r.KeyID: r.NumberMAC}
}

// wrong is a number or passphrase that is wrong under every key.
func wrong() securesend.MACs {
	return securesend.MACs{"k0": hash("w0"), "k1": hash("w1"), "k2": hash("w2")}
}

// asks returns the Take of somebody who has everything that is needed.
func (s *suite) asks(ref securesend.Ref, claim string) securesend.Take {
	t := securesend.Take{Claim: hash(claim), Auth: hash("auth" + ref.ID), Stamp: s.seen(securesend.EventRevealed)}
	if r := s.model.records[ref]; r != nil {
		t.Number, t.Allowed = s.number(ref), true
		if len(r.PassMAC) > 0 {
			t.Pass = securesend.MACs{r.PassKeyID: r.PassMAC}
		}
	}
	return t
}
