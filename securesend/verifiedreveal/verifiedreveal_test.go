package verifiedreveal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	sendmem "github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/verifiedreveal"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
)

// sms keeps what it was given.
type sms struct{ sent []verify.Delivery }

func (s *sms) Deliver(_ context.Context, d verify.Delivery) (verify.Receipt, error) {
	s.sent = append(s.sent, d)
	return verify.Receipt{ID: "1"}, nil
}

func (*sms) Assurance() verify.Assurance { return verify.AssuranceSMS }

type world struct {
	verify *verify.Service
	send   *securesend.Service
	sms    *sms
	now    time.Time
	find   verifiedreveal.Find
}

func newWorld(t *testing.T, o *verifiedreveal.Options) *world {
	t.Helper()
	w := &world{sms: &sms{}, now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	brand := mspkit.Brand{Name: "Contoso IT"}
	w.verify, err = verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(verify.Settings{Brand: brand, Limits: verify.Limits{Cooldown: -1}}), &verify.Options{
		Channels: map[string]verify.Channel{"sms": w.sms, "teams": w.sms}, Now: clock,
	})
	require.NoError(t, err)
	w.find = func(_ context.Context, r securesend.Reveal) (verify.StartRequest, error) {
		if r.Subject != "dana" {
			return verify.StartRequest{}, errors.New("no such contact")
		}
		return verify.StartRequest{
			Subject: verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{
				{Channel: "sms", Address: "+4915112345678", FirstSeen: w.now.AddDate(-1, 0, 0)},
			}},
			Technician: verify.Technician{ID: r.Sender, Name: "Jane"},
		}, nil
	}
	gate, err := verifiedreveal.New(w.verify, func(ctx context.Context, r securesend.Reveal) (verify.StartRequest, error) { return w.find(ctx, r) }, o)
	require.NoError(t, err)
	w.send, err = securesend.New(sendmem.New(), ring, "https://help.example/send", securesend.Same(securesend.Settings{Brand: brand}), &securesend.Options{
		Gate: gate, Now: clock,
	})
	require.NoError(t, err)
	return w
}

type recipient struct {
	ref         securesend.Ref
	auth, claim []byte
}

func (w *world) create(t *testing.T) recipient {
	t.Helper()
	sent, err := w.send.Create(t.Context(), securesend.SendRequest{
		Tenant: "contoso", By: securesend.Technician{ID: "jane"}, Subject: "dana", Text: mspkit.Redact("hunter2"),
		Ticket: mspkit.Ticket{ID: "4711"}, Choice: securesend.Choice{Gate: securesend.GateProof},
	})
	require.NoError(t, err)
	link, err := securesend.ParseLink(sent.Link.Reveal())
	require.NoError(t, err)
	return recipient{sent.Ref, securesend.Auth(link.Fragment.Reveal()), securesend.RandomKey()}
}

func (w *world) take(t *testing.T, r recipient) error {
	t.Helper()
	_, err := w.send.Take(t.Context(), r.ref, securesend.TakeRequest{Auth: r.auth, Claim: r.claim})
	return err
}

func (w *world) start(t *testing.T, r recipient) string {
	t.Helper()
	st, err := w.send.StartGate(t.Context(), r.ref, r.auth, r.claim)
	require.NoError(t, err)
	return st.State
}

// answer types a number behind the link of the i-th message.
func (w *world) answer(t *testing.T, i int, right bool) {
	t.Helper()
	d := w.sms.sent[i]
	c, err := w.verify.Get(t.Context(), d.Ref, "jane")
	require.NoError(t, err)
	number := c.Number.Reveal()
	if !right {
		number = map[bool]string{true: "999", false: "000"}[number == "000"]
	}
	_, err = w.verify.Answer(t.Context(), verify.Answer{Ref: d.Ref, Method: verify.MethodNumber, Response: number})
	require.NoError(t, err)
}

func TestAVerifiedRecipientOpensIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.create(t)
	require.Equal(t, "waiting", w.start(t, r))
	require.Equal(t, "waiting", w.start(t, r))
	require.Len(t, w.sms.sent, 1, "asking again sends nothing")
	require.Equal(t, verify.Action("reveal:"+r.ref.ID), verify.Action(securesend.Reveal{Ref: r.ref}.Action()))
	require.ErrorIs(t, w.take(t, r), securesend.ErrGate)
	w.answer(t, 0, true)
	require.Equal(t, "passed", w.start(t, r))
	require.NoError(t, w.take(t, r))
	require.NoError(t, w.take(t, r), "a lost response is fetched again")
	require.NoError(t, w.send.Ack(t.Context(), r.ref, r.auth, r.claim))
	require.ErrorIs(t, w.take(t, r), securesend.ErrEnded)
}

func TestAProofOpensForTheClaimThatEarnedIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.create(t)
	w.start(t, r)
	w.answer(t, 0, true)
	thief := r
	thief.claim = securesend.RandomKey()
	require.ErrorIs(t, w.take(t, thief), securesend.ErrGate, "it has the link, and a verification of its own to pass")
	require.NoError(t, w.take(t, r))

	other := w.create(t)
	other.claim = r.claim
	require.ErrorIs(t, w.take(t, other), securesend.ErrGate, "a proof is for one send")
}

func TestAWrongLinkStartsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.create(t)
	r.auth = securesend.RandomKey()
	_, err := w.send.StartGate(t.Context(), r.ref, r.auth, r.claim)
	require.ErrorIs(t, err, securesend.ErrAuth)
	require.ErrorIs(t, w.take(t, r), securesend.ErrAuth)
	require.Empty(t, w.sms.sent)
}

func TestFailedVerificationsAreBegunAgainAFewTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &verifiedreveal.Options{Attempts: 2})
	r := w.create(t)
	w.start(t, r)
	w.answer(t, 0, false)
	w.answer(t, 0, false)
	require.Equal(t, "waiting", w.start(t, r), "the next one")
	require.Len(t, w.sms.sent, 2)
	w.now = w.now.Add(verify.MaxTTL)
	require.Equal(t, "refused", w.start(t, r))
	require.ErrorIs(t, w.take(t, r), securesend.ErrGate)
	require.Len(t, w.sms.sent, 2)
}

func TestTheHintSaysWhereToLook(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"+4915112345678": "••• 78", "tenant/person": "Teams"} {
		w := newWorld(t, nil)
		channel := "sms"
		if want == "Teams" {
			channel = "teams"
		}
		find := w.find
		w.find = func(ctx context.Context, r securesend.Reveal) (verify.StartRequest, error) {
			out, err := find(ctx, r)
			out.Subject.Destinations = []verify.Destination{{Channel: channel, Address: address, FirstSeen: w.now.AddDate(-1, 0, 0)}}
			return out, err
		}
		r := w.create(t)
		st, err := w.send.StartGate(t.Context(), r.ref, r.auth, r.claim)
		require.NoError(t, err)
		require.Equal(t, want, st.Hint)
		require.NotContains(t, st.Hint, address)
	}
}

func TestNotMeEndsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.create(t)
	w.start(t, r)
	c, err := w.verify.Get(t.Context(), w.sms.sent[0].Ref, "jane")
	require.NoError(t, err)
	_, err = w.verify.Deny(t.Context(), verify.Denial{Ref: c.Ref, Word: c.Word.Reveal()})
	require.NoError(t, err)
	require.Equal(t, "refused", w.start(t, r))
	require.ErrorIs(t, w.take(t, r), securesend.ErrGate)
	require.Len(t, w.sms.sent, 1)
}

func TestALateProofOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.create(t)
	w.start(t, r)
	w.answer(t, 0, true)
	w.now = w.now.Add(verify.MaxTTL)
	require.Equal(t, "refused", w.start(t, r))
	require.ErrorIs(t, w.take(t, r), securesend.ErrGate)
}

func TestMoreAssuranceCanBeAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &verifiedreveal.Options{Min: verify.AssuranceTeams})
	r := w.create(t)
	w.start(t, r)
	w.answer(t, 0, true)
	require.ErrorIs(t, w.take(t, r), securesend.ErrGate)
}

func TestWhatIsNotKnownIsNoRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.create(t)
	w.find = func(context.Context, securesend.Reveal) (verify.StartRequest, error) {
		return verify.StartRequest{}, errors.New("the directory is down")
	}
	err := w.take(t, r)
	require.ErrorContains(t, err, "the directory is down")
	require.NotErrorIs(t, err, securesend.ErrGate)
}

func TestNewReportsWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := verifiedreveal.New(nil, nil, &verifiedreveal.Options{Attempts: 11})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "a verifier")
	require.ErrorContains(t, err, "Attempts is 11")
}
