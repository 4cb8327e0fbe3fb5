package verify_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/verifytest"
	"github.com/stretchr/testify/require"
)

// stuck is a store that fails.
type stuck struct{ verify.Store }

func (stuck) Begin(context.Context, verify.NewChallenge, []verify.Limit, time.Time) (verify.Record, bool, error) {
	return verify.Record{}, false, errors.New("connection refused")
}

func (stuck) DeleteExpired(context.Context, time.Time, time.Time, time.Time, int) (int, error) {
	return 0, errors.New("connection refused")
}

// paths are the ways through a service, each with every counter that it moves.
var paths = map[string]struct {
	change func(*world, *verify.Options)
	play   func(*testing.T, *world, *chat)
	want   []string
}{
	"a number is confirmed and its proof redeemed": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			c := w.start(t, w.by("email", verify.MethodNumber))
			_, _ = w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: "0000"})
			_, _ = w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
			c, err := w.Wait(t.Context(), c.Ref, jane.ID)
			require.NoError(t, err)
			e := verify.Expect{Tenant: tenant, Subject: "dana", Action: verify.ActionIdentify, Technician: "jane", Ticket: mspkit.Ticket{System: "psa", ID: "4711"}}
			require.NoError(t, w.Redeem(t.Context(), c.Proof, e, "job-1"))
			require.ErrorIs(t, w.Redeem(t.Context(), c.Proof, e, "job-2"), verify.ErrRedeemed)
			require.ErrorIs(t, w.Redeem(t.Context(), c.Proof, verify.Expect{Tenant: "fabrikam"}, "job-1"), verify.ErrProof)
			require.NoError(t, w.RunOnce(t.Context()))
		},
		want: []string{
			"ended channel=email method=number action=identify outcome=confirmed 1",
			"events kind=attempted outcome=ok 2", "events kind=confirmed outcome=ok 1", "events kind=redeemed outcome=ok 1",
			"events kind=sent outcome=ok 1", "events kind=started outcome=ok 1",
			"messages channel=email outcome=sent 1",
			"proofs outcome=ok 1", "proofs outcome=proof 1", "proofs outcome=redeemed-already 1",
			"refused verb=redeem reason=proof limit= 1", "refused verb=redeem reason=redeemed-already limit= 1",
			"started channel=email method=number action=identify 1",
			"tries verb=answer outcome=confirmed 1", "tries verb=answer outcome=wrong 1",
		},
	},
	"a code fails, is renewed and confirmed, and the phone says that it arrived": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			w.settings.Limits.CodeTries = 1
			r := w.by("sms", verify.MethodCode)
			r.Action = verify.ActionUnlock
			c := w.start(t, r)
			check := verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: "0000000", Technician: jane.ID}
			_, err := w.Check(ctx, check)
			require.NoError(t, err)
			require.NoError(t, w.Delivered(ctx, w.sms.last(t).Key, verify.DeliveryDelivered, ""))
			require.NoError(t, w.Delivered(ctx, w.sms.last(t).Key, verify.DeliveryDelivered, ""), "told twice")
			_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
			require.NoError(t, err)
			check.Response = w.sms.last(t).Code.Reveal()
			_, err = w.Check(ctx, check)
			require.NoError(t, err)
			check.Response = "code"
			_, err = w.Check(ctx, check)
			require.ErrorIs(t, err, verify.ErrFormat)
			check.Response, check.ID = "123456", "nobody"
			_, err = w.Check(ctx, check)
			require.ErrorIs(t, err, verify.ErrNotFound)
		},
		want: []string{
			"ended channel=sms method=code action=unlock-account outcome=confirmed 1",
			"ended channel=sms method=code action=unlock-account outcome=failed 1",
			"messages channel=sms outcome=delivered 1", "messages channel=sms outcome=sent 2",
			"refused verb=check reason=format limit= 1", "refused verb=check reason=not-found limit= 1",
			"renewed channel=sms method=code 1",
			"started channel=sms method=code action=unlock-account 1",
			"tries verb=check outcome=confirmed 1", "tries verb=check outcome=failed 1", "tries verb=check outcome=format 1",
			"tries verb=check outcome=not-found 1",
		},
	},
	"a second technician approves": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			w.settings.Approval = verify.Approval{Subjects: []string{"dana"}}
			c := w.start(t, w.by("email", verify.MethodNumber))
			_, err := w.Approve(ctx, c.Ref, "omar", "too early")
			require.ErrorIs(t, err, verify.ErrNotPending)
			_, err = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
			require.NoError(t, err)
			_, err = w.Approve(ctx, c.Ref, jane.ID, "it is her")
			require.ErrorIs(t, err, verify.ErrForbidden)
			_, err = w.Approve(ctx, c.Ref, "omar", "spoke to her too")
			require.NoError(t, err)
		},
		want: []string{
			"approved outcome=forbidden 1", "approved outcome=not-pending 1", "approved outcome=ok 1",
			"ended channel=email method=number action=identify outcome=confirmed 1",
			"messages channel=email outcome=sent 1",
			"refused verb=approve reason=forbidden limit= 1", "refused verb=approve reason=not-pending limit= 1",
			"started channel=email method=number action=identify 1",
			"tries verb=answer outcome=confirmed 1",
		},
	},
	"a repeated request starts once": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			r := w.by("email", verify.MethodNumber)
			r.IdempotencyKey = "press-1"
			w.start(t, r)
			w.start(t, r)
			r.Subject.ID = "erin"
			_, err := w.Start(t.Context(), r)
			require.ErrorIs(t, err, verify.ErrConflict)
		},
		want: []string{
			"messages channel=email outcome=sent 1", "refused verb=start reason=conflict limit= 1",
			"started channel=email method=number action=identify 1",
		},
	},
	"every refusal": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			w.settings.Limits = verify.Limits{Cooldown: time.Minute, LockAfter: 1}
			start := func(is error, change func(*verify.StartRequest)) {
				t.Helper()
				r := w.by("sms", verify.MethodCode)
				r.Action = verify.ActionUnlock
				change(&r)
				_, err := w.Start(ctx, r)
				require.ErrorIs(t, err, is)
			}
			start(verify.ErrPolicy, func(r *verify.StartRequest) { r.Action = "no such thing" })
			start(verify.ErrPolicy, func(r *verify.StartRequest) { r.Action = verify.ActionResetMFA })
			start(verify.ErrNoChannel, func(r *verify.StartRequest) { r.Channel = "fax" })
			start(verify.ErrInvalid, func(r *verify.StartRequest) { r.Technician.Name = "" })
			start(nil, func(*verify.StartRequest) {})
			start(verify.ErrLimited, func(*verify.StartRequest) {})
			open, err := w.Open(ctx, tenant, jane.ID)
			require.NoError(t, err)
			_, err = w.Check(ctx, verify.CheckRequest{Tenant: tenant, ID: open[0].Ref.ID, Response: "0000000", Technician: jane.ID})
			require.NoError(t, err)
			w.pass(2 * time.Minute)
			start(verify.ErrLocked, func(*verify.StartRequest) {})
			require.NoError(t, w.Freeze(ctx, tenant, "dana", jane.ID, "phone stolen", time.Hour))
			start(verify.ErrFrozen, func(*verify.StartRequest) {})
			require.NoError(t, w.Unfreeze(ctx, tenant, "dana", jane.ID, "found"))
			require.NoError(t, w.Unlock(ctx, tenant, "dana", jane.ID, "spoke to the manager"))
			_, err = w.Renew(ctx, verify.RenewRequest{Ref: open[0].Ref, Technician: "mallory"})
			require.ErrorIs(t, err, verify.ErrForbidden)
		},
		want: []string{
			"messages channel=sms outcome=sent 1",
			"refused verb=renew reason=forbidden limit= 1",
			"refused verb=start reason=frozen limit= 1", "refused verb=start reason=invalid limit= 1",
			"refused verb=start reason=limit limit=cooldown 1", "refused verb=start reason=locked limit= 1",
			"refused verb=start reason=no-channel limit= 1", "refused verb=start reason=policy limit= 2",
			"started channel=sms method=code action=unlock-account 1",
			"subjects change=frozen 1", "subjects change=locked 1", "subjects change=unfrozen 1", "subjects change=unlocked 1",
			"tries verb=check outcome=wrong 1",
		},
	},
	"the chat cannot be reached and the next way is taken": {
		play: func(t *testing.T, w *world, ch *chat) {
			t.Helper()
			ch.err = errors.New("blocked")
			w.start(t, w.inChat())
		},
		want: []string{
			"ended channel=chat method=number action=identify outcome=failed-over 1",
			"failover from=chat to=email 1",
			"messages channel=chat outcome=failed 1", "messages channel=email outcome=sent 1",
			"started channel=chat method=number action=identify 1", "started channel=email method=number action=identify 1",
		},
	},
	"nobody can be reached": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			w.sms.err = errors.New("blocked")
			_, err := w.Start(t.Context(), w.by("sms", verify.MethodNumber))
			require.ErrorIs(t, err, verify.ErrDelivery)
		},
		want: []string{"messages channel=sms outcome=failed 1", "started channel=sms method=number action=identify 1"},
	},
	"not me, in the chat, by the technician's word, and only pressed": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			c := w.start(t, w.by("email", verify.MethodNumber))
			require.NoError(t, w.Hint(ctx, c.Ref))
			_, err := w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: "no word"})
			require.NoError(t, err)
			_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: c.Word.Reveal()})
			require.NoError(t, err)
			c = w.start(t, w.inChat())
			_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "erin@chat"})
			require.ErrorIs(t, err, verify.ErrForbidden)
			_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "dana@chat"})
			require.NoError(t, err)
			_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "dana@chat"})
			require.NoError(t, err)
		},
		want: []string{
			"ended channel=chat method=number action=identify outcome=denied 1",
			"ended channel=email method=number action=identify outcome=denied 1",
			"hints kind=denial-hint 1",
			"messages channel=chat outcome=sent 1", "messages channel=email outcome=sent 1",
			"refused verb=deny reason=forbidden limit= 1",
			"started channel=chat method=number action=identify 1", "started channel=email method=number action=identify 1",
			"subjects change=frozen 2",
			"tries verb=deny outcome=denied 2", "tries verb=deny outcome=forbidden 1", "tries verb=deny outcome=frozen 1", "tries verb=deny outcome=wrong 1",
		},
	},
	"somebody else poses as the technician": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			c, err := w.Ask(ctx, verify.AskRequest{Tenant: tenant, Channel: "chat", From: "dana@chat"})
			require.NoError(t, err)
			for range 2 {
				_, err = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodWord, Response: "wrong word", From: "dana@chat"})
				require.NoError(t, err)
			}
			_, err = w.Ask(ctx, verify.AskRequest{Tenant: tenant, Channel: "chat", From: "erin@chat"})
			require.ErrorIs(t, err, verify.ErrNoChannel)
		},
		want: []string{
			"ended channel=chat method=word action= outcome=failed 1", "hints kind=mismatch 2",
			"messages channel=chat outcome=sent 1", "refused verb=ask reason=no-channel limit= 1",
			"started channel=chat method=word action= 1",
			"tries verb=answer outcome=failed 1", "tries verb=answer outcome=wrong 1",
		},
	},
	"the technician sends a link for the other way round": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			_, err := w.StartTechnician(t.Context(), verify.TechnicianRequest{Tenant: tenant, Subject: w.dana(), By: jane.ID})
			require.NoError(t, err)
			_, err = w.StartTechnician(t.Context(), verify.TechnicianRequest{Tenant: tenant, Subject: verify.Subject{ID: "erin"}, By: jane.ID})
			require.ErrorIs(t, err, verify.ErrNoChannel)
		},
		want: []string{
			"messages channel=email outcome=sent 1", "refused verb=start-technician reason=no-channel limit= 1",
			"started channel=email method=word action= 1",
		},
	},
	"the public form is answered until its limit": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			for range 4 {
				_ = w.RequestTechnician(t.Context(), verify.PublicRequest{Tenant: tenant, Address: "dana@contoso.example"})
			}
			w.pass(time.Minute)
			require.NoError(t, w.Freeze(t.Context(), tenant, "dana", jane.ID, "phone stolen", time.Hour))
			require.NoError(t, w.RunOnce(t.Context()))
		},
		want: []string{
			"events kind=frozen outcome=ok 1",
			"refused verb=answer-request reason=frozen limit= 3",
			"refused verb=request reason=limit limit=public requests 1",
			"subjects change=frozen 1",
		},
	},
	"what nobody answers is cancelled, expires and is deleted": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			c := w.start(t, w.by("email", verify.MethodNumber))
			w.start(t, w.by("email", verify.MethodNumber))
			w.start(t, w.by("sms", verify.MethodNumber))
			require.NoError(t, w.Cancel(ctx, c.Ref, jane.ID, "hung up"))
			w.pass(time.Hour)
			require.NoError(t, w.RunOnce(ctx))
		},
		want: []string{
			"ended channel=email method=number action=identify outcome=cancelled 1",
			"events kind=cancelled outcome=ok 1", "events kind=expired outcome=ok 2", "events kind=sent outcome=ok 3", "events kind=started outcome=ok 3",
			"expired 2",
			"messages channel=email outcome=sent 2", "messages channel=sms outcome=sent 1",
			"started channel=email method=number action=identify 2", "started channel=sms method=number action=identify 1",
		},
	},
	"what is old is deleted": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			require.NoError(t, w.Freeze(t.Context(), tenant, "dana", jane.ID, "phone stolen", time.Hour))
			require.NoError(t, w.RequestTechnician(t.Context(), verify.PublicRequest{Tenant: tenant, Address: "dana@contoso.example"}))
			w.pass(2 * time.Hour) // the three counters of the form are over
			require.NoError(t, w.RunOnce(t.Context()))
		},
		want: []string{
			"deleted 3", "events kind=frozen outcome=ok 1", "messages channel=email outcome=sent 1",
			"started channel=email method=word action= 1", "subjects change=frozen 1",
		},
	},
	"a recorder that fails": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			w.start(t, w.by("email", verify.MethodNumber))
			w.recordErr = errors.New("ticket system down")
			require.Error(t, w.RunOnce(t.Context()))
		},
		want: []string{
			"events kind=started outcome=error 1", "messages channel=email outcome=sent 1",
			"started channel=email method=number action=identify 1",
		},
	},
	"a proof pays for a link, and what is told of it is no change of a subject": {
		change: func(_ *world, o *verify.Options) {
			o.Channels["email"] = &verifytest.Channel{Level: verify.AssuranceEmail}
		},
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			c := w.start(t, w.by("email", verify.MethodNumber))
			_, _ = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
			c, err := w.Get(ctx, c.Ref, jane.ID)
			require.NoError(t, err)
			_, err = w.RedeemReply(ctx, c.Proof, expect(c), "job-1")
			require.NoError(t, err)
			_, err = w.RedeemReply(ctx, c.Proof, expect(c), "job-2")
			require.ErrorIs(t, err, verify.ErrRedeemed)
			require.NoError(t, w.Note(ctx, tenant, "dana", verify.EventFactorLink, jane.ID, ""))
			require.NoError(t, w.Tell(ctx, w.change()))
		},
		want: []string{
			"ended channel=email method=number action=identify outcome=confirmed 1",
			"messages channel=email outcome=sent 1",
			"proofs outcome=ok 1", "proofs outcome=redeemed-already 1",
			"refused verb=redeem reason=redeemed-already limit= 1",
			"started channel=email method=number action=identify 1",
			"tries verb=answer outcome=confirmed 1",
		},
	},
	"an action of a tenant's own": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			w.settings.Policy = verify.Policy{"open the safe of Dana": {Min: verify.AssuranceEmail, Words: map[string]string{"en": "x"}}}
			r := w.by("email", verify.MethodNumber)
			r.Action = "open the safe of Dana"
			w.start(t, r)
		},
		want: []string{"messages channel=email outcome=sent 1", "started channel=email method=number action=custom 1"},
	},
	"a store that fails refuses nobody": {
		change: func(w *world, _ *verify.Options) { w.store = stuck{w.store} },
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			_, err := w.Start(t.Context(), w.by("email", verify.MethodNumber))
			require.Error(t, err)
			require.Error(t, w.RunOnce(t.Context()))
		},
		want: []string{},
	},
}
