package verify_test

import (
	"context"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/stretchr/testify/require"
)

// chat is a channel that knows who answers.
type chat struct {
	*repainting
	views []verify.View
}

func (*chat) Authenticates() bool { return true }

func (c *chat) Settle(_ context.Context, _ verify.Receipt, v verify.View) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.views = append(c.views, v)
	return nil
}

// newChatWorld is a world in which Dana has a chat too.
func newChatWorld(t testing.TB, change ...func(*world, *verify.Options)) (*world, *chat) {
	t.Helper()
	ch := &chat{repainting: &repainting{outbox: &outbox{assurance: verify.AssuranceTeams}}}
	return newWorld(t, append([]func(*world, *verify.Options){func(_ *world, o *verify.Options) { o.Channels["chat"] = ch }}, change...)...), ch
}

// inChat asks for a verification of somebody whose first address is the chat.
func (w *world) inChat() verify.StartRequest {
	r := w.request()
	r.Subject.Destinations = append([]verify.Destination{
		{Channel: "chat", Address: "dana@chat", FirstSeen: w.clock.Add(-365 * 24 * time.Hour)},
	}, r.Subject.Destinations...)
	return r
}

func TestOnlyTheAddressAnswersWhereItIsKnown(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t)
	ctx := t.Context()
	c, err := w.Start(ctx, w.inChat())
	require.NoError(t, err)
	require.Equal(t, "chat", c.Channel)
	require.Equal(t, verify.AssuranceTeams, c.Assurance)
	require.Empty(t, ch.last(t).Link.Reveal(), "nobody gets a link that could be passed on")

	answer := verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()}
	for _, from := range []string{"", "erin@chat", "dana@chat2", "DANA@chat"} {
		answer.From = from
		_, err = w.Answer(ctx, answer)
		require.ErrorIs(t, err, verify.ErrForbidden, from)
		_, err = w.Facts(ctx, c.Ref, from)
		require.ErrorIs(t, err, verify.ErrForbidden, from)
	}
	_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: c.Word.Reveal()})
	require.ErrorIs(t, err, verify.ErrForbidden, "the words of a page are nothing here")
	answer.From, answer.Ref.Tenant = "dana@chat", "fabrikam"
	_, err = w.Answer(ctx, answer)
	require.ErrorIs(t, err, verify.ErrNotFound)

	got, err := w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, 2, got.TriesLeft, "nothing of that was counted")
	answer.Ref = c.Ref
	view, err := w.Facts(ctx, c.Ref, "dana@chat")
	require.NoError(t, err)
	require.Equal(t, "Jane Doe", view.Technician)
	res, err := w.Answer(ctx, answer)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
	require.Empty(t, res.Proof.Reveal())
}

func TestALinkIsNotAnsweredFromAChat(t *testing.T) {
	t.Parallel()
	w, _ := newChatWorld(t)
	c, err := w.Start(t.Context(), w.request()) // by e-mail
	require.NoError(t, err)
	for _, from := range []string{"dana@chat", "dana@contoso.example"} {
		_, err = w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal(), From: from})
		require.ErrorIs(t, err, verify.ErrForbidden, "the id of a challenge is no secret: it must not replace the link")
		_, err = w.Facts(t.Context(), c.Ref, from)
		require.ErrorIs(t, err, verify.ErrForbidden)
	}
}

func TestABoundChallengeSurvivesANewKey(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t)
	c, err := w.Start(t.Context(), w.inChat())
	require.NoError(t, err)
	rotated, err := mspkit.NewKeyRing(mspkit.NewKey("k2"), w.key)
	require.NoError(t, err)
	after, err := verify.New(w.store, rotated, "https://help.example/verify", verify.Same(w.settings), &verify.Options{
		Channels: map[string]verify.Channel{"chat": ch}, Now: w.now,
	})
	require.NoError(t, err)
	res, err := after.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal(), From: "dana@chat"})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
}

func TestNotMeFromAnAuthenticatedChannelFreezes(t *testing.T) {
	t.Parallel()
	w, _ := newChatWorld(t)
	ctx := t.Context()
	c, err := w.Start(ctx, w.inChat())
	require.NoError(t, err)
	second, code := w.startCode(t)
	for _, from := range []string{"erin@chat", "dana@chat ", "DANA@chat"} {
		_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: from})
		require.ErrorIs(t, err, verify.ErrForbidden, "only the person addressed may say so")
	}
	_, err = w.Deny(ctx, verify.Denial{Ref: second.Ref, From: "dana@chat"})
	require.ErrorIs(t, err, verify.ErrForbidden, "a text message is answered by nobody in a chat")
	res, err := w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "dana@chat"})
	require.NoError(t, err)
	require.Equal(t, verify.StateDenied, res.State)
	_, err = w.Start(ctx, w.request())
	require.ErrorIs(t, err, verify.ErrFrozen)
	require.Equal(t, verify.StateFrozen, w.check(t, second, code).State, "the other verification of the same person stops too")

	require.ErrorIs(t, w.Unfreeze(ctx, tenant, "dana", "jane", "spoke to Dana"), verify.ErrForbidden)
	w.authorized = true
	require.ErrorIs(t, w.Unfreeze(ctx, tenant, "dana", "jane", " "), verify.ErrInvalid, "a reason is required")
	require.NoError(t, w.Unfreeze(ctx, tenant, "dana", "jane", "spoke to Dana"))
	require.Equal(t, verify.StateConfirmed, w.check(t, second, code).State)

	// After the end it still freezes, and stops the proof.
	_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "dana@chat"})
	require.NoError(t, err)
	got, err := w.Get(ctx, second.Ref, jane.ID)
	require.NoError(t, err)
	require.ErrorIs(t, w.Redeem(ctx, got.Proof, expect(second), "job"), verify.ErrFrozen)
	w.pass(time.Hour)
	_, err = w.Start(ctx, w.request())
	require.NoError(t, err, "a freeze ends by itself")

	require.NoError(t, w.Freeze(ctx, tenant, "dana", "sam", "her Teams account is taken over", 30*24*time.Hour))
	_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "dana@chat"})
	require.NoError(t, err)
	require.NoError(t, w.Freeze(ctx, tenant, "dana", "jane", "short", time.Nanosecond))
	w.pass(24 * time.Hour)
	_, err = w.Start(ctx, w.request())
	require.ErrorIs(t, err, verify.ErrFrozen, "neither an old card nor another freeze shortens a freeze")
}

func TestACodeInAChatIsReadToTheTechnician(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t)
	r := w.inChat()
	r.Method, r.Channel = verify.MethodCode, "chat"
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, verify.AssuranceTeamsCode, c.Assurance)
	res := w.check(t, c, ch.last(t).Code.Reveal())
	require.Equal(t, verify.StateConfirmed, res.State)
	require.NotEmpty(t, res.Proof.Reveal())
}

func TestAMessageIsPaintedAsItsChallengeStands(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t)
	ctx := t.Context()
	c, err := w.Start(ctx, w.inChat())
	require.NoError(t, err)
	w.kinds(t)
	require.Empty(t, ch.views, "nothing has changed yet")
	for range 2 {
		_, err = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: other(c.Number.Reveal()), From: "dana@chat"})
		require.NoError(t, err)
	}
	w.kinds(t)
	require.Len(t, ch.views, 1)
	require.Equal(t, verify.StateFailed, ch.views[0].State)
	require.Equal(t, "confirm who you are", ch.views[0].Purpose, "the message keeps its facts")

	renewed, err := w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(t, err)
	w.kinds(t)
	require.Len(t, ch.views, 2)
	require.Equal(t, verify.StatePending, ch.views[1].State, "the field is back")
	require.Equal(t, 1, ch.count(), "without another message")

	_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
	require.NoError(t, err)
	require.Equal(t, verify.Receipt{ID: "m1"}, ch.last(t).Replaces)
	require.NotEqual(t, verify.StateConfirmed, renewed.State)
}

func TestAPaintingChannelThatHangsHoldsUpNothing(t *testing.T) {
	t.Parallel()
	hung := &hanging{outbox: &outbox{assurance: verify.AssuranceTeams}}
	w := newWorld(t, func(_ *world, o *verify.Options) {
		o.Channels["chat"] = hung
		o.DeliverTimeout = 20 * time.Millisecond
	})
	w.settings.Limits = verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1}
	for range 3 * 8 {
		r := w.inChat()
		c, err := w.Start(t.Context(), r)
		require.NoError(t, err)
		require.NoError(t, w.Cancel(t.Context(), c.Ref, jane.ID, ""))
	}
	require.Contains(t, w.kinds(t), verify.EventCancelled)
	n := len(w.events)
	w.kinds(t)
	require.Len(t, w.events, n, "the events were acknowledged all the same")
}

// hanging is a channel whose painting never ends by itself.
type hanging struct{ *outbox }

func (*hanging) Settle(ctx context.Context, _ verify.Receipt, _ verify.View) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAContactAsksInTheirChatWhoIsCalling(t *testing.T) {
	t.Parallel()
	var w *world
	call := &verify.Call{Technician: jane, Ticket: mspkit.Ticket{System: "psa", ID: "4711"}, By: verify.SideTechnician}
	w, ch := newChatWorld(t, func(w *world, o *verify.Options) {
		o.Lookup = func(_ context.Context, ten mspkit.TenantID, address string) (*verify.TechnicianRequest, error) {
			if ten != tenant || address != "dana@chat" {
				return nil, nil
			}
			return &verify.TechnicianRequest{Subject: w.inChat().Subject, Call: call}, nil
		}
	})
	w.settings.Limits = verify.Limits{} // with the cooldown of 45 s
	ctx := t.Context()
	_, err := w.Start(ctx, w.inChat())
	require.NoError(t, err)
	asked := verify.AskRequest{Tenant: tenant, Channel: "chat", From: "Dana@Chat", IdempotencyKey: "turn-1"}
	c, err := w.Ask(ctx, asked)
	require.NoError(t, err, "a card that has just come is the very reason to ask")
	require.Equal(t, verify.KindTechnician, c.Kind)
	d := ch.last(t)
	require.True(t, d.InCall)
	require.Equal(t, verify.SideTechnician, d.CallBy)
	require.Equal(t, "Jane Doe", d.Technician)
	again, err := w.Ask(ctx, asked)
	require.NoError(t, err)
	require.Equal(t, c.Ref, again.Ref)

	seen, err := w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	res, err := w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodWord, Response: seen.Word.Reveal(), From: "dana@chat"})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)

	asked.IdempotencyKey = ""
	asked.From = "erin@chat"
	_, err = w.Ask(ctx, asked)
	require.ErrorIs(t, err, verify.ErrNotFound)
	asked.From, asked.Tenant = "dana@chat", "fabrikam"
	_, err = w.Ask(ctx, asked)
	require.ErrorIs(t, err, verify.ErrNotFound)
	asked.Tenant, asked.Channel = tenant, "email"
	_, err = w.Ask(ctx, asked)
	require.ErrorIs(t, err, verify.ErrNoChannel, "a mail's sender is not known")
	asked.Channel = "chat"
	for range 40 {
		if _, err = w.Ask(ctx, asked); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, verify.ErrLimited)
}

func TestAskingGoesToTheAskerOnlyAndNeverToWhatWasTyped(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t, func(w *world, o *verify.Options) {
		o.Lookup = func(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) {
			s := w.inChat().Subject
			s.Destinations[0].TypedBy = "jane"
			return &verify.TechnicianRequest{Subject: s}, nil
		}
	})
	_, err := w.Ask(t.Context(), verify.AskRequest{Tenant: tenant, Channel: "chat", From: "dana@chat"})
	require.ErrorIs(t, err, verify.ErrNoChannel)
	require.Zero(t, ch.count()+w.mail.count()+w.sms.count())
}

func TestNotMeEndsAChallengeThatIsStoppedForNow(t *testing.T) {
	t.Parallel()
	w, _ := newChatWorld(t)
	w.authorized = true
	ctx := t.Context()
	first, err := w.Start(ctx, w.inChat())
	require.NoError(t, err)
	second, err := w.Start(ctx, w.inChat())
	require.NoError(t, err)
	for _, c := range []verify.Challenge{first, second} { // the second one while the person is frozen
		_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "dana@chat"})
		require.NoError(t, err)
	}
	require.NoError(t, w.Unfreeze(ctx, tenant, "dana", "sam", "spoke to Dana"))
	for _, c := range []verify.Challenge{first, second} {
		got, err := w.Get(ctx, c.Ref, jane.ID)
		require.NoError(t, err)
		require.Equal(t, verify.StateDenied, got.State, "what Dana stopped does not go on when she is unfrozen")
		_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
		require.ErrorIs(t, err, verify.ErrNotPending)
	}
	denied := 0
	for _, k := range w.kinds(t) {
		if k == verify.EventDenied {
			denied++
		}
	}
	require.Equal(t, 2, denied)

	used, err := w.Start(ctx, w.inChat())
	require.NoError(t, err)
	for range 2 {
		_, _, err = w.store.Attempt(ctx, used.Ref, verify.Try{Method: verify.MethodNumber, Answerers: []string{answerer(t, w, used)}, Stamp: verify.Stamp{ID: verify.NewEventID()}}, w.now())
		require.NoError(t, err)
	}
	_, err = w.Deny(ctx, verify.Denial{Ref: used.Ref, From: "dana@chat"})
	require.NoError(t, err)
	got, err := w.Get(ctx, used.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, verify.StateDenied, got.State, "also where the tries are used up and nobody has said so yet")
}

func TestAnAnswererIsOfOneChallenge(t *testing.T) {
	t.Parallel()
	w, _ := newChatWorld(t)
	for range 2 {
		_, err := w.Start(t.Context(), w.inChat())
		require.NoError(t, err)
	}
	rs, err := w.store.List(t.Context(), verify.Query{Tenant: tenant})
	require.NoError(t, err)
	require.NotEmpty(t, rs[0].Answerer)
	require.NotEqual(t, rs[0].Answerer, rs[1].Answerer, "one could be copied to another challenge, and it would tell who is the same")
	require.NotContains(t, rs[0].Answerer, "dana")
}

func TestARenewalThatDoesNotArriveLeavesTheOldMessageToBePainted(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t)
	ctx := t.Context()
	r := w.inChat()
	r.Channel = "chat"
	c, err := w.Start(ctx, r)
	require.NoError(t, err)
	ch.err = &verify.DeliveryError{Reason: "no answer in time"}
	_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
	require.ErrorIs(t, err, verify.ErrDelivery)
	w.kinds(t)
	ch.views = nil
	require.NoError(t, w.Cancel(ctx, c.Ref, jane.ID, ""))
	w.kinds(t)
	require.Len(t, ch.views, 1)
	require.Equal(t, verify.StateCancelled, ch.views[0].State)
}

func TestAskingIsCountedPerAddressAndPersonAndAnsweredAtTheAskersAddressOnly(t *testing.T) {
	t.Parallel()
	var subject string
	w, ch := newChatWorld(t, func(w *world, o *verify.Options) {
		o.Lookup = func(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) {
			s := w.inChat().Subject
			s.ID = subject
			old := s.Destinations[0]
			old.Address = "dana.private@chat"
			s.Destinations = append([]verify.Destination{old}, s.Destinations...)
			return &verify.TechnicianRequest{Subject: s}, nil
		}
	})
	ask := func(from string) error {
		_, err := w.Ask(t.Context(), verify.AskRequest{Tenant: tenant, Channel: "chat", From: from})
		return err
	}
	subject = "dana"
	require.NoError(t, ask("dana@chat"))
	require.Equal(t, "dana@chat", ch.last(t).To, "not the first address on record")
	for range 19 {
		require.NoError(t, ask("dana@chat"))
	}
	subject = "somebody else"
	require.ErrorIs(t, ask("dana@chat"), verify.ErrLimited, "the address is counted")
	require.NoError(t, ask("dana.private@chat"))
	subject = "dana"
	require.ErrorIs(t, ask("dana.private@chat"), verify.ErrLimited, "the person is counted")
}

// answerer returns the hash of whom c is bound to.
func answerer(t *testing.T, w *world, c verify.Challenge) string {
	t.Helper()
	r, _, err := w.store.Get(t.Context(), c.Ref)
	require.NoError(t, err)
	return r.Answerer
}

func TestAFreezeAndItsEndShowOnOpenMessages(t *testing.T) {
	t.Parallel()
	w, ch := newChatWorld(t)
	w.authorized = true
	ctx := t.Context()
	for range 2 {
		_, err := w.Start(ctx, w.inChat())
		require.NoError(t, err)
	}
	_, err := w.Start(ctx, w.request()) // by e-mail, which cannot be repainted
	require.NoError(t, err)
	w.kinds(t)
	states := func() (out []verify.State) {
		w.kinds(t)
		for _, v := range ch.views {
			out = append(out, v.State)
		}
		ch.views = nil
		return out
	}
	require.NoError(t, w.Freeze(ctx, tenant, "dana", "sam", "odd call", time.Hour))
	require.Equal(t, []verify.State{verify.StateFrozen, verify.StateFrozen}, states())
	require.NoError(t, w.Unfreeze(ctx, tenant, "dana", "sam", "spoke to Dana"))
	require.Equal(t, []verify.State{verify.StatePending, verify.StatePending}, states(), "the fields are back")
	require.NoError(t, w.Freeze(ctx, tenant, "erin", "sam", "odd call", time.Hour))
	require.Empty(t, states(), "somebody else's")
}
