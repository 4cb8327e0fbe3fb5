package verify_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mspkit/mspkit/verify"
	"github.com/stretchr/testify/require"
)

func TestWhatCannotBeDeliveredGoesTheNextWay(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t)
	ctx := t.Context()
	ch.err = &verify.DeliveryError{Reason: "the app is not installed for this person", Permanent: true}
	r := w.inChat()
	r.Action, r.IdempotencyKey = verify.ActionResetPassword, "press-1" // text message or better
	c, err := w.Start(ctx, r)
	require.NoError(t, err)
	require.Equal(t, "sms", c.Channel, "e-mail is not enough for a password")
	require.Equal(t, verify.AssuranceSMS, c.Assurance)
	require.Equal(t, "chat: the app is not installed for this person", c.Failover)
	shown, err := w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, c.Failover, shown.Failover)
	require.Equal(t, []verify.EventKind{
		verify.EventStarted, verify.EventUndelivered, verify.EventFailedOver, verify.EventStarted, verify.EventSent,
	}, w.kinds(t))
	require.Equal(t, verify.StateCancelled, w.events[2].State)
	require.Equal(t, "the app is not installed for this person", w.events[2].Reason)
	require.Equal(t, c.Failover, w.events[3].Reason)

	again, err := w.Start(ctx, r)
	require.NoError(t, err)
	require.Equal(t, c.Ref, again.Ref, "a repeated request finds the second challenge")
	require.Equal(t, 1, w.sms.count())
	_, err = w.Answer(ctx, verify.Answer{Ref: verify.Ref{Tenant: tenant, ID: w.events[0].Challenge}, Method: verify.MethodNumber, Response: "000", From: "dana@chat"})
	require.NoError(t, err)
	got, err := w.Get(ctx, verify.Ref{Tenant: tenant, ID: w.events[0].Challenge}, jane.ID)
	require.NoError(t, err)
	require.Equal(t, verify.StateCancelled, got.State, "the card that perhaps arrived is dead")
}

func TestFailoverStaysWithinThePolicyAndTheRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  func(*world, *verify.StartRequest)
		channel string
		err     error
	}{
		"the action needs Teams":           {func(_ *world, r *verify.StartRequest) { r.Action = verify.ActionResetMFA }, "chat", verify.ErrDelivery},
		"the technician chose the channel": {func(_ *world, r *verify.StartRequest) { r.Channel = "chat" }, "chat", verify.ErrDelivery},
		"the ways of the tenant come in its order": {func(w *world, _ *verify.StartRequest) {
			w.settings.Policy = verify.Policy{verify.ActionIdentify: {Min: verify.AssuranceEmail, Words: map[string]string{"en": "x"}, Ways: []verify.Way{
				{Channel: "chat", Method: verify.MethodNumber}, {Channel: "email", Method: verify.MethodNumber}, {Channel: "sms", Method: verify.MethodNumber},
			}}}
		}, "email", nil},
		"nobody can be reached": {func(w *world, _ *verify.StartRequest) {
			w.sms.err, w.mail.err = errors.New("secret text"), errors.New("secret text")
		}, "sms", verify.ErrDelivery},
		"a limit of the next way": {func(w *world, r *verify.StartRequest) {
			r.Action = verify.ActionResetPassword
			w.settings.Limits = verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: 1}
		}, "", verify.ErrLimited},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ch := newChatWorld(t)
			ch.err = &verify.DeliveryError{Reason: "blocked"}
			r := w.inChat()
			test.change(w, &r)
			c, err := w.Start(t.Context(), r)
			require.ErrorIs(t, err, test.err)
			require.Equal(t, test.channel, c.Channel)
			require.NotContains(t, c.Failover, "secret text")
		})
	}
}

func TestAnAddressThatCannotBeReachedIsNotTriedByAnotherMethod(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t)
	ch.err = &verify.DeliveryError{Reason: "the app is not installed for this person", Permanent: true}
	w.settings.Policy = verify.Policy{verify.ActionIdentify: {Min: verify.AssuranceEmail, Words: map[string]string{"en": "x"}, Ways: []verify.Way{
		{Channel: "chat", Method: verify.MethodNumber}, {Channel: "chat", Method: verify.MethodCode}, {Channel: "email", Method: verify.MethodNumber},
	}}}
	c, err := w.Start(t.Context(), w.inChat())
	require.NoError(t, err)
	require.Equal(t, "email", c.Channel)
	require.Equal(t, "chat: the app is not installed for this person", c.Failover, "said once")
	require.Equal(t, []verify.EventKind{
		verify.EventStarted, verify.EventUndelivered, verify.EventFailedOver, verify.EventStarted, verify.EventSent,
	}, w.kinds(t))
}

func TestACardThatArrivedAllTheSameCounts(t *testing.T) {
	t.Parallel()
	slow := &answered{chat: &chat{repainting: &repainting{outbox: &outbox{assurance: verify.AssuranceTeams}}}}
	w, _ := newChatWorld(t, func(w *world, o *verify.Options) {
		slow.w = w
		o.Channels["chat"] = slow
	})
	c, err := w.Start(t.Context(), w.inChat())
	require.NoError(t, err)
	require.Equal(t, verify.StateDenied, c.State)
	require.Zero(t, w.sms.count()+w.mail.count(), "somebody who said not me is not asked again by another way")
}

// answered is a channel whose message arrives and is answered although it reports a failure.
type answered struct {
	*chat
	w *world
}

func (a *answered) Deliver(ctx context.Context, d verify.Delivery) (verify.Receipt, error) {
	if _, err := a.w.Deny(ctx, verify.Denial{Ref: d.Ref, From: d.To}); err != nil {
		return verify.Receipt{}, err
	}
	return verify.Receipt{}, &verify.DeliveryError{Reason: "no answer in time"}
}

// slow is a channel that takes its time to fail.
type slow struct {
	*outbox
	w     *world
	takes time.Duration
	tried int
}

func (s *slow) Deliver(context.Context, verify.Delivery) (verify.Receipt, error) {
	s.tried++
	s.w.pass(s.takes)
	return verify.Receipt{}, &verify.DeliveryError{Reason: "no answer in time"}
}

func TestFailoverTakesNoLongerThanTwoDeliveries(t *testing.T) {
	t.Parallel()
	var first, second *slow
	w := newWorld(t, func(w *world, o *verify.Options) {
		first, second = &slow{outbox: w.sms, w: w, takes: 15 * time.Second}, &slow{outbox: w.mail, w: w, takes: 15 * time.Second}
		o.Channels["chat"], o.Channels["sms"] = first, second
		first.assurance = verify.AssuranceTeams
	})
	first.outbox = &outbox{assurance: verify.AssuranceTeams}
	second.outbox = &outbox{assurance: verify.AssuranceSMS}
	r := w.inChat()
	r.Subject.Destinations[1], r.Subject.Destinations[2] = r.Subject.Destinations[2], r.Subject.Destinations[1] // chat, sms, mail
	began := w.now()
	c, err := w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrDelivery)
	require.Equal(t, "sms", c.Channel)
	require.Equal(t, 30*time.Second, w.now().Sub(began))
	require.Zero(t, w.mail.count(), "somebody is on the phone: the technician decides how to go on")
	require.Equal(t, 1, first.tried, "a number that did not arrive is not followed by a code to the same address")
	require.Equal(t, began.Add(15*time.Second), c.CreatedAt, "the second challenge has all its time")
}

func TestAKeyThatIsUsedForOtherDestinationsIsAConflict(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t)
	ch.err = &verify.DeliveryError{Reason: "not installed"}
	r := w.inChat()
	r.IdempotencyKey = "press-1"
	_, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	for i := range r.Subject.Destinations {
		if r.Subject.Destinations[i].Channel == "email" {
			r.Subject.Destinations[i].Address = "other@contoso.example"
		}
	}
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrConflict, "or there would be two messages for one press")
}
