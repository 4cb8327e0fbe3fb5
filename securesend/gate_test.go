package securesend_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// wrong returns another number of as many digits.
func wrong(number string) string {
	return fmt.Sprintf("%c%s", '0'+(number[0]-'0'+1)%10, number[1:])
}

func (w *world) lastEvent() securesend.Event {
	w.t.Helper()
	require.NoError(w.t, w.RunOnce(w.t.Context()))
	return w.events[len(w.events)-1]
}

func TestTheNumberHasTwoTries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("hunter2"))
	number := sent.Number.Reveal()
	dana := w.reader(sent)
	o := dana.open()
	require.Equal(t, 2, o.TriesLeft)
	require.Equal(t, securesend.GateNumber, o.Gate)
	w.kinds()

	// What is no number is no guess.
	for _, typed := range []string{"", " ", "abc", "12a", "#"} {
		dana.take.Number = typed
		_, err := dana.takes()
		require.ErrorIs(t, err, securesend.ErrNumber)
		var refused *securesend.Refusal
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 2, refused.TriesLeft, "%q", typed)
	}
	require.Empty(t, w.kinds())

	dana.take.Number = wrong(number)
	_, err := dana.takes()
	require.ErrorIs(t, err, securesend.ErrNumber)
	var refused *securesend.Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 1, refused.TriesLeft)
	require.Equal(t, []securesend.EventKind{"refused"}, w.kinds())
	require.Equal(t, "number", w.lastEvent().Reason)

	dana.take.Number = wrong(wrong(number))
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrLocked)
	require.ErrorAs(t, err, &refused)
	require.Zero(t, refused.TriesLeft)
	require.Equal(t, []securesend.EventKind{"refused", "locked"}, w.kinds(), "the sender is told")
	require.True(t, w.lastEvent().Kind.Alert())
	require.Equal(t, 2, w.lastEvent().Refusals)

	dana.take.Number = number
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrLocked, "the right one comes too late")
	require.True(t, dana.open().Locked)
	st, err := w.Status(t.Context(), sent.Ref, "jane")
	require.NoError(t, err)
	require.True(t, st.Locked)
	require.Equal(t, 2, st.Refusals)
	require.Equal(t, securesend.StateReady, st.State, "and nothing is burnt")

	st, err = w.Renew(t.Context(), sent.Ref, "jane")
	require.NoError(t, err)
	require.NotEqual(t, number, st.Number.Reveal())
	require.Equal(t, 2, st.TriesLeft)
	require.False(t, st.Locked)
	require.Equal(t, 1, st.Renewals)
	require.Equal(t, []securesend.EventKind{"renewed"}, w.kinds())
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrNumber, "the old one is wrong now")
	dana.take.Number = " " + st.Number.Reveal()[:1] + "-" + st.Number.Reveal()[1:] + " "
	text, _ := dana.reads()
	require.Equal(t, "hunter2", text)

	_, err = w.Renew(t.Context(), sent.Ref, "jane")
	require.ErrorIs(t, err, securesend.ErrOpening)
	require.NoError(t, dana.acks())
	_, err = w.Renew(t.Context(), sent.Ref, "jane")
	require.ErrorIs(t, err, securesend.ErrEnded)
}

func TestANumberIsRenewedAndIsNeverTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 300 { // of a thousand numbers
		sent := w.create(w.text("x"))
		was := sent.Number.Reveal()
		for range securesend.MaxRenewals {
			st, err := w.Renew(t.Context(), sent.Ref, "jane")
			require.NoError(t, err)
			require.NotEqual(t, was, st.Number.Reveal())
			was = st.Number.Reveal()
		}
		_, err := w.Renew(t.Context(), sent.Ref, "jane")
		require.ErrorIs(t, err, securesend.ErrLimited)
	}
	sent := w.create(w.text("x"))
	_, err := w.Renew(t.Context(), sent.Ref, "sam")
	require.ErrorIs(t, err, securesend.ErrForbidden)
	w.authorized = func(technician string, p securesend.Permission) error {
		require.Equal(t, securesend.PermissionRenewOther, p)
		return nil
	}
	st, err := w.Renew(t.Context(), sent.Ref, "sam")
	require.NoError(t, err)
	require.NotEmpty(t, st.Number.Reveal())
}

func TestAWrongKeyChangesAndCountsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("x")
	r.Passphrase = mspkit.Redact("open sesame")
	sent := w.create(r)
	before := w.stored(sent.Ref)
	w.kinds()
	mallory := w.reader(sent)
	for _, auth := range [][]byte{nil, {}, securesend.RandomKey(), mallory.take.Auth[1:], securesend.AuthHash(mallory.take.Auth)} {
		mallory.take.Auth = auth
		mallory.take.Number = wrong(sent.Number.Reveal())
		mallory.take.PassAuth = securesend.RandomKey()
		_, err := mallory.takes()
		require.ErrorIs(t, err, securesend.ErrAuth)
		_, err = w.Open(t.Context(), sent.Ref, auth)
		require.ErrorIs(t, err, securesend.ErrAuth)
		require.ErrorIs(t, mallory.acks(), securesend.ErrAuth)
		_, err = mallory.chunks(0, 0, 1)
		require.ErrorIs(t, err, securesend.ErrAuth)
		require.ErrorIs(t, w.SendCode(t.Context(), sent.Ref, auth), securesend.ErrAuth)
	}
	require.Equal(t, before, w.stored(sent.Ref))
	require.Empty(t, w.kinds())
}

func TestAPassphraseIsCountedAndNeverBurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.set.PassphraseTries = 3 })
	r := w.text("hunter2")
	r.Passphrase = mspkit.Redact("open sesame")
	sent := w.create(r)
	dana := w.reader(sent)
	o := dana.open()
	require.True(t, o.Passphrase)
	require.Equal(t, 3, o.PassTriesLeft)
	w.kinds()
	_, err := dana.takes()
	require.ErrorIs(t, err, securesend.ErrPassphrase, "not given")
	require.Empty(t, w.kinds(), "which is no guess")
	for i := range 3 {
		dana.take.PassAuth = securesend.RandomKey()
		_, err := dana.takes()
		var refused *securesend.Refusal
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 2-i, refused.PassTriesLeft)
		require.Equal(t, 2, refused.TriesLeft)
		if i < 2 {
			require.ErrorIs(t, err, securesend.ErrPassphrase)
			require.Equal(t, []securesend.EventKind{"refused"}, w.kinds())
			require.Equal(t, "passphrase", w.lastEvent().Reason)
		} else {
			require.ErrorIs(t, err, securesend.ErrLocked)
			require.Equal(t, []securesend.EventKind{"refused", "locked"}, w.kinds())
		}
	}
	dana.says("open sesame")
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrLocked)
	require.True(t, dana.open().Locked, "the page says so")
	st, err := w.Status(t.Context(), sent.Ref, "jane")
	require.NoError(t, err)
	require.True(t, st.Locked, "and the sender sees it")
	require.Equal(t, securesend.StateReady, st.State)

	st, err = w.Renew(t.Context(), sent.Ref, "jane")
	require.NoError(t, err)
	require.False(t, st.Locked)
	require.Equal(t, 3, dana.open().PassTriesLeft)
	dana.take.Number = st.Number.Reveal()
	text, _ := dana.reads()
	require.Equal(t, "hunter2", text)
	dana.take.PassAuth = nil
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrPassphrase, "repeating needs it too")
}

func (w *world) withCode(r securesend.SendRequest) securesend.SendRequest {
	r.Choice.Gate = securesend.GateCode
	r.Code = securesend.Destination{Sender: "sms", Address: "+12025550123"}
	return r
}

func TestACodeGoesAnotherWayThanTheLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.Create(t.Context(), w.to(w.withCode(w.text("x"))))
	require.ErrorIs(t, err, securesend.ErrInvalid)
	require.ErrorContains(t, err, "another way")

	r := w.withCode(w.text("hunter2"))
	r.Deliver = []securesend.Destination{{Sender: "mail", Address: "dana@client.example"}}
	sent := w.create(r)
	require.Empty(t, sent.Number.Reveal())
	dana := w.reader(sent)
	o := dana.open()
	require.Equal(t, securesend.GateCode, o.Gate)
	require.False(t, o.CodeSent)
	require.Equal(t, 5, o.TriesLeft)
	dana.take.Number = "123456"
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrNumber, "none was sent")
	require.Equal(t, 5, dana.open().TriesLeft, "so that is no guess")
	w.kinds()

	require.NoError(t, w.SendCode(t.Context(), sent.Ref, dana.take.Auth))
	m := w.sms.last(t)
	code := m.Code.Reveal()
	require.Regexp(t, `^[0-9]{6}$`, code)
	require.Equal(t, "Contoso IT: "+code+" is your code to open what you were sent. It is good for 5 minutes. Give it to nobody.", m.Text.Reveal())
	require.Equal(t, "Your code from Contoso IT", m.Subject)
	require.Equal(t, "+12025550123", m.To)
	require.Empty(t, m.Link.Reveal())
	require.Equal(t, []securesend.EventKind{"code-sent"}, w.kinds())
	require.Equal(t, "sms", w.lastEvent().Reason)
	require.True(t, dana.open().CodeSent)

	for i := range 4 {
		dana.take.Number = wrong(code)
		_, err = dana.takes()
		require.ErrorIs(t, err, securesend.ErrNumber)
		require.Equal(t, 4-i, dana.open().TriesLeft)
	}
	dana.take.Number = code[:3] + " " + code[3:]
	text, _ := dana.reads()
	require.Equal(t, "hunter2", text)

	// It is over after five minutes.
	sent = w.create(w.withCode(w.text("x")))
	w.pass(time.Minute)
	dana = w.reader(sent)
	require.NoError(t, w.SendCode(t.Context(), sent.Ref, dana.take.Auth))
	dana.take.Number = w.sms.last(t).Code.Reveal()
	w.pass(5 * time.Minute)
	require.False(t, dana.open().CodeSent)
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrNumber)
	require.Equal(t, 5, dana.open().TriesLeft)
	old := dana.take.Number
	require.NoError(t, w.SendCode(t.Context(), sent.Ref, dana.take.Auth))
	if old != w.sms.last(t).Code.Reveal() {
		_, err = dana.takes()
		require.ErrorIs(t, err, securesend.ErrNumber)
	}
	dana.take.Number = w.sms.last(t).Code.Reveal()
	_, err = dana.takes()
	require.NoError(t, err)
}

func TestCodesHaveLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(r securesend.SendRequest) error {
		sent := w.create(r)
		return w.SendCode(t.Context(), sent.Ref, w.reader(sent).take.Auth)
	}
	limited := func(err error, limit string, after time.Duration) {
		t.Helper()
		require.ErrorIs(t, err, securesend.ErrLimited)
		var l *securesend.LimitError
		require.ErrorAs(t, err, &l)
		require.Equal(t, limit, l.Limit)
		require.Equal(t, after, l.RetryAfter)
	}
	sent := w.create(w.withCode(w.text("x")))
	dana := w.reader(sent)
	for i := range 3 {
		require.NoError(t, w.SendCode(t.Context(), sent.Ref, dana.take.Auth), i)
		w.pass(20 * time.Second)
		if i < 2 {
			limited(w.SendCode(t.Context(), sent.Ref, dana.take.Auth), securesend.LimitCooldown, 25*time.Second)
		}
		w.pass(25 * time.Second)
	}
	err := w.SendCode(t.Context(), sent.Ref, dana.take.Auth)
	require.ErrorIs(t, err, securesend.ErrLimited)
	require.ErrorContains(t, err, securesend.LimitCodes)
	_, err = w.Renew(t.Context(), sent.Ref, "jane")
	require.NoError(t, err, "the sender allows more")
	require.NoError(t, w.SendCode(t.Context(), sent.Ref, dana.take.Auth))
	require.Len(t, w.sms.sent, 4)

	// One address, over all tenants and however it is written.
	other := w.withCode(w.text("x"))
	other.Tenant, other.Code.Address = "fabrikam", " +12025550123"
	limited(ask(other), securesend.LimitCooldown, 45*time.Second)
	for range 6 {
		w.pass(45 * time.Second)
		other.Subject = "somebody else"
		require.NoError(t, ask(other))
	}
	w.pass(45 * time.Second)
	err = ask(other)
	require.ErrorIs(t, err, securesend.ErrLimited)
	require.ErrorContains(t, err, securesend.LimitDestination)
	require.Len(t, w.sms.sent, 10)
	w.pass(24 * time.Hour)
	require.NoError(t, ask(other))

	// One person, at whatever address.
	r := w.withCode(w.text("x"))
	r.Subject = "sam"
	for i := range 20 {
		r.Code.Address = fmt.Sprintf("+1202555%04d", i)
		require.NoError(t, ask(r))
	}
	r.Code.Address = "+12025559999"
	err = ask(r)
	require.ErrorIs(t, err, securesend.ErrLimited)
	require.ErrorContains(t, err, securesend.LimitSubject)
	r.Tenant = "fabrikam"
	require.NoError(t, ask(r), "another tenant's sam is somebody else")

	// A send without such a gate has no codes.
	sent = w.create(w.text("x"))
	require.ErrorIs(t, w.SendCode(t.Context(), sent.Ref, w.reader(sent).take.Auth), securesend.ErrInvalid)
}

func TestACodeThatCannotBeSentIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.o.CodeTTL = 30 * time.Second })
	sent := w.create(w.withCode(w.text("x")))
	dana := w.reader(sent)
	w.kinds()
	w.sms.fail = func(m securesend.Message) error {
		return errors.New("cannot reach " + m.To + " with " + m.Code.Reveal())
	}
	err := w.SendCode(t.Context(), sent.Ref, dana.take.Auth)
	require.ErrorIs(t, err, securesend.ErrDelivery)
	require.NotContains(t, err.Error(), "2025550123")
	require.NotContains(t, w.logs.String(), "2025550123")
	require.Contains(t, w.logs.String(), "could not be sent")
	require.Equal(t, []securesend.EventKind{"code-sent", "unsent"}, w.kinds())
	w.sms.fail = nil
	w.pass(45 * time.Second)
	require.NoError(t, w.SendCode(t.Context(), sent.Ref, dana.take.Auth))
	require.Contains(t, w.sms.last(t).Text.Reveal(), "30 seconds")
	dana.take.Number = w.sms.last(t).Code.Reveal()
	_, err = dana.takes()
	require.NoError(t, err)
}

// doorman is a gate that lets one claim of each send in.
type doorman struct {
	mu     sync.Mutex
	asked  []securesend.Reveal
	begun  []securesend.Reveal
	passed bool
	in     map[string]string
	err    error
}

func (d *doorman) Allow(ctx context.Context, r securesend.Reveal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		return errors.New("there is no deadline")
	}
	d.asked = append(d.asked, r)
	switch {
	case d.err != nil:
		return d.err
	case !d.passed || d.in[r.Ref.ID] != "" && d.in[r.Ref.ID] != r.Claim:
		return securesend.ErrGate
	}
	if d.in == nil {
		d.in = map[string]string{}
	}
	d.in[r.Ref.ID] = r.Claim
	return nil
}

// starter is a doorman whom the page can ask to begin.
type starter struct{ *doorman }

func (d starter) Start(_ context.Context, r securesend.Reveal) (securesend.GateStatus, error) {
	d.begun = append(d.begun, r)
	if d.passed {
		return securesend.GateStatus{State: securesend.GatePassed}, nil
	}
	return securesend.GateStatus{State: securesend.GateWaiting, Hint: "Teams"}, nil
}

func TestAProofLetsOneClaimIn(t *testing.T) {
	t.Parallel()
	d := &doorman{}
	w := newWorld(t, func(w *world) { w.o.Gate = starter{d} })
	r := w.text("hunter2")
	r.Choice.Gate = securesend.GateProof
	r.Passphrase = mspkit.Redact("open sesame")
	nobody := r
	nobody.Subject = ""
	_, err := w.Create(t.Context(), nobody)
	require.ErrorIs(t, err, securesend.ErrInvalid)
	require.ErrorContains(t, err, "Subject")

	sent := w.create(r)
	require.Empty(t, sent.Number.Reveal())
	dana := w.reader(sent)
	start := func(r *reader) (securesend.GateStatus, error) {
		return w.StartGate(t.Context(), r.ref, r.take.Auth, r.take.Claim)
	}

	// Who has not the whole link reaches no gate.
	mallory := dana.another()
	mallory.take.Auth = securesend.RandomKey()
	_, err = mallory.takes()
	require.ErrorIs(t, err, securesend.ErrAuth)
	_, err = start(mallory)
	require.ErrorIs(t, err, securesend.ErrAuth)
	// Nor who does not give the passphrase.
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrPassphrase)
	var refused *securesend.Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 10, refused.PassTriesLeft)
	require.Empty(t, d.asked)
	require.Empty(t, d.begun)

	dana.says("open sesame")
	status, err := start(dana)
	require.NoError(t, err)
	require.Equal(t, securesend.GateStatus{State: securesend.GateWaiting, Hint: "Teams"}, status)
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrGate, "not yet")
	d.err = errors.New("the gate is away")
	_, err = dana.takes()
	require.ErrorIs(t, err, d.err, "what is not known is not let through")
	d.err = nil
	d.passed = true
	text, _ := dana.reads()
	require.Equal(t, "hunter2", text)
	last := d.asked[len(d.asked)-1]
	require.Equal(t, sent.Ref, last.Ref)
	require.Equal(t, "reveal:"+sent.Ref.ID, last.Action())
	require.Equal(t, "dana", last.Subject)
	require.Equal(t, "jane", last.Sender)
	require.Equal(t, ticket, last.Ticket)
	for _, a := range d.asked {
		require.Equal(t, d.asked[0].Claim, a.Claim, "one claim has one name")
	}
	require.NotContains(t, fmt.Sprint(last), string(dana.take.Claim))

	// Others, while it is opened, use nothing up.
	asked, begun := len(d.asked), len(d.begun)
	sam := dana.another()
	_, err = sam.takes()
	require.ErrorIs(t, err, securesend.ErrOpening)
	_, err = start(sam)
	require.ErrorIs(t, err, securesend.ErrOpening)
	// Dana may repeat, whatever has become of the proof.
	d.passed = false
	text, _ = dana.reads()
	require.Equal(t, "hunter2", text)
	status, err = start(dana)
	require.NoError(t, err)
	require.Equal(t, securesend.GatePassed, status.State)
	require.Len(t, d.asked, asked)
	require.Len(t, d.begun, begun)
	require.NoError(t, dana.acks())
	_, err = start(dana)
	require.ErrorIs(t, err, securesend.ErrEnded)
	_, err = sam.takes()
	require.ErrorIs(t, err, securesend.ErrEnded)
	require.Len(t, d.asked, asked)
}

func TestALockedPassphraseUsesNoProofUp(t *testing.T) {
	t.Parallel()
	d := &doorman{passed: true}
	w := newWorld(t, func(w *world) { w.o.Gate, w.set.PassphraseTries = d, 1 })
	r := w.text("x")
	r.Choice.Gate, r.Passphrase = securesend.GateProof, mspkit.Redact("open sesame")
	sent := w.create(r)
	dana := w.reader(sent)
	dana.take.PassAuth = securesend.RandomKey()
	_, err := dana.takes()
	require.ErrorIs(t, err, securesend.ErrLocked)
	asked := len(d.asked)
	dana.says("open sesame")
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrLocked)
	require.Len(t, d.asked, asked)
	_, err = w.Renew(t.Context(), sent.Ref, "jane")
	require.NoError(t, err)
	_, err = dana.takes()
	require.NoError(t, err, "the same claim")
}

func TestAGateIsAskedForItsOwnSendsOnly(t *testing.T) {
	t.Parallel()
	d := &doorman{passed: true}
	w := newWorld(t, func(w *world) { w.o.Gate = starter{d} })
	sent := w.create(w.text("x"))
	dana := w.reader(sent)
	_, err := w.StartGate(t.Context(), sent.Ref, dana.take.Auth, dana.take.Claim)
	require.ErrorIs(t, err, securesend.ErrInvalid)
	_, err = w.StartGate(t.Context(), sent.Ref, dana.take.Auth, nil)
	require.ErrorIs(t, err, securesend.ErrInvalid)
	dana.take.Number = wrong(sent.Number.Reveal())
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrNumber, "the gate does not stand in for the number")
	require.Empty(t, d.asked)

	r := w.text("x")
	r.Choice.Gate = securesend.GateProof
	sent = w.create(r)
	dana = w.reader(sent)
	plain := w.instance(func(o *securesend.Options) { o.Gate = d })
	_, err = plain.StartGate(t.Context(), sent.Ref, dana.take.Auth, dana.take.Claim)
	require.ErrorIs(t, err, securesend.ErrUnsupported)
	none := w.instance(func(o *securesend.Options) { o.Gate = nil })
	dana.svc = none
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrGate, "an instance without the gate lets nobody in")
}

func TestAnOpenGateIsWarnedOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("x")
	r.Choice.Gate = securesend.GateNone
	sent := w.create(r)
	require.Contains(t, sent.Warning, "The opening gate is off")
	require.Empty(t, sent.Number.Reveal())
	st, err := w.Status(t.Context(), sent.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, sent.Warning, st.Warning)
	_, _ = w.reader(sent).reads()

	r.Text = mspkit.Redact("")
	grant, err := w.Grant(t.Context(), r)
	require.NoError(t, err)
	require.NotEmpty(t, grant.Warning)
	b := w.composes(grant)
	b.seals("", "x", nil)
	done, err := b.commits()
	require.NoError(t, err)
	require.NotEmpty(t, done.Warning)
	asked, err := w.Ask(t.Context(), r, "what?")
	require.NoError(t, err)
	require.Contains(t, asked.Warning, "can answer")
}

func TestNumbersAreReadInEveryScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("x"))
	dana := w.reader(sent)
	arabic := strings.Map(func(d rune) rune { return 0x0660 + d - '0' }, sent.Number.Reveal())
	dana.take.Number = "\u200f" + arabic
	_, err := dana.takes()
	require.NoError(t, err)
}
