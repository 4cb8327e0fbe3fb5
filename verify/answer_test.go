package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/stretchr/testify/require"
)

// other returns a number of the same length that is not the right one.
func other(number string) string {
	if number[0] == '9' {
		return "0" + number[1:]
	}
	return string(number[0]+1) + number[1:]
}

func (w *world) codeRequest() verify.StartRequest {
	r := w.request()
	r.Channel, r.Method = "sms", verify.MethodCode
	return r
}

func (w *world) startCode(t testing.TB) (verify.Challenge, string) {
	t.Helper()
	c, err := w.Start(t.Context(), w.codeRequest())
	require.NoError(t, err)
	return c, w.sms.last(t).Code.Reveal()
}

func (w *world) check(t testing.TB, c verify.Challenge, response string) verify.Result {
	t.Helper()
	res, err := w.Check(t.Context(), verify.CheckRequest{Tenant: c.Ref.Tenant, ID: c.Ref.ID, Response: response, Technician: jane.ID})
	require.NoError(t, err)
	return res
}

func (w *world) answer(t testing.TB, c verify.Challenge, response string) verify.Result {
	t.Helper()
	m := verify.MethodNumber
	if c.Kind == verify.KindTechnician {
		m = verify.MethodWord
	}
	res, err := w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: m, Response: response})
	require.NoError(t, err)
	return res
}

func expect(c verify.Challenge) verify.Expect {
	return verify.Expect{Tenant: c.Ref.Tenant, Subject: c.Subject, Action: c.Action, Technician: c.Technician, Ticket: c.Ticket}
}

func TestACodeIsReadToTheTechnician(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, code := w.startCode(t)
	require.Len(t, code, 6)
	require.Empty(t, c.Number.Reveal(), "there is no number to say")
	require.Empty(t, w.sms.last(t).Link.Reveal())
	require.Equal(t, verify.AssuranceSMSCode, c.Assurance, "a code ranks below number match on the same channel")
	res := w.check(t, c, code)
	require.Equal(t, verify.StateConfirmed, res.State)
	require.NoError(t, w.Redeem(t.Context(), res.Proof, expect(c), "job"))
	require.Equal(t, verify.StateConfirmed, w.check(t, c, code).State, "the state is told")
	require.Empty(t, w.check(t, c, code).Proof.Reveal(), "but a used code gives no proof again")
}

// Guarantee 4.
func TestACodeLivesTenMinutesAtMostWorksOnceAndDiesAfterFiveWrongTries(t *testing.T) {
	t.Parallel()
	t.Run("lives as long as the setting", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.settings.Limits.TTL = verify.MaxTTL
		c, code := w.startCode(t)
		w.pass(verify.MaxTTL - time.Second)
		require.Equal(t, verify.StateConfirmed, w.check(t, c, code).State)
		c, code = w.startCode(t)
		w.pass(verify.MaxTTL)
		require.Equal(t, verify.StateExpired, w.check(t, c, code).State)
	})
	t.Run("no setting and no renewal exceeds the cap", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.settings.Limits.TTL = verify.MaxTTL + time.Second
		_, err := w.Start(t.Context(), w.codeRequest())
		require.ErrorIs(t, err, verify.ErrInvalid)
		w.settings.Limits.TTL = 5 * time.Minute
		c, _ := w.startCode(t)
		for range 2 {
			w.pass(3 * time.Minute)
			c, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
			require.NoError(t, err)
			require.LessOrEqual(t, c.ExpiresAt.Sub(c.CreatedAt), verify.MaxTTL)
		}
		w.pass(3 * time.Minute)
		require.Equal(t, verify.StateExpired, w.check(t, c, w.sms.last(t).Code.Reveal()).State)
	})
	t.Run("dies after five wrong tries", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		c, code := w.startCode(t)
		for i := 4; i > 0; i-- {
			res := w.check(t, c, other(code))
			require.Equal(t, verify.StateWrong, res.State)
			require.Equal(t, i, res.TriesLeft)
		}
		require.Equal(t, verify.StateFailed, w.check(t, c, other(code)).State)
		require.Equal(t, verify.StateFailed, w.check(t, c, code).State, "the right code comes too late")
		require.Contains(t, w.kinds(t), verify.EventFailed)
	})
	t.Run("a number dies after two", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		c, err := w.Start(t.Context(), w.request())
		require.NoError(t, err)
		require.Equal(t, verify.StateWrong, w.answer(t, c, other(c.Number.Reveal())).State)
		require.Equal(t, verify.StateFailed, w.answer(t, c, other(c.Number.Reveal())).State)
		require.Equal(t, verify.StateFailed, w.answer(t, c, c.Number.Reveal()).State)
	})
	t.Run("caps hold", func(t *testing.T) {
		t.Parallel()
		for name, l := range map[string]verify.Limits{
			"CodeTries": {CodeTries: 6}, "NumberTries": {NumberTries: 3}, "LockAfter": {LockAfter: 101},
			"TTL": {TTL: 11 * time.Minute}, "ProofTTL": {ProofTTL: 11 * time.Minute}, "CodeDigits": {CodeDigits: 4},
			"negative TTL": {TTL: -1}, "negative CodeTries": {CodeTries: -1}, "negative LockAfter": {LockAfter: -1},
		} {
			w := newWorld(t)
			w.settings.Limits = l
			_, err := w.Start(t.Context(), w.request())
			require.ErrorIs(t, err, verify.ErrInvalid, name)
			require.ErrorContains(t, err, strings.TrimPrefix(name, "negative "))
		}
	})
	t.Run("a subject locks after 100 failures in a row", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.authorized = true
		w.settings.Limits = verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1}
		for range verify.MaxLockAfter / verify.MaxCodeTries {
			c, code := w.startCode(t)
			for range verify.MaxCodeTries {
				w.check(t, c, other(code))
			}
		}
		_, err := w.Start(t.Context(), w.codeRequest())
		require.ErrorIs(t, err, verify.ErrLocked)
		require.Contains(t, w.kinds(t), verify.EventLocked)
		w.pass(365 * 24 * time.Hour)
		_, err = w.Start(t.Context(), w.codeRequest())
		require.ErrorIs(t, err, verify.ErrLocked, "waiting does not unlock")
		require.NoError(t, w.Unlock(t.Context(), tenant, "dana", "jane", "called back"))
		c, code := w.startCode(t)
		require.Equal(t, verify.StateConfirmed, w.check(t, c, code).State)
	})
}

func TestResponsesAreReadGenerouslyAndRefusedClearly(t *testing.T) {
	t.Parallel()
	full := strings.NewReplacer("0", "０", "1", "１", "2", "２", "3", "３", "4", "４", "5", "５", "6", "６", "7", "７", "8", "８", "9", "９")
	arabic := strings.NewReplacer("0", "٠", "1", "١", "2", "٢", "3", "٣", "4", "٤", "5", "٥", "6", "٦", "7", "٧", "8", "٨", "9", "٩")
	bold := strings.NewReplacer("0", "𝟎", "1", "𝟏", "2", "𝟐", "3", "𝟑", "4", "𝟒", "5", "𝟓", "6", "𝟔", "7", "𝟕", "8", "𝟖", "9", "𝟗")
	mono := strings.NewReplacer("0", "𝟶", "1", "𝟷", "2", "𝟸", "3", "𝟹", "4", "𝟺", "5", "𝟻", "6", "𝟼", "7", "𝟽", "8", "𝟾", "9", "𝟿")
	for name, spell := range map[string]func(string) string{
		"as it is":             func(c string) string { return c },
		"grouped":              func(c string) string { return c[:3] + " " + c[3:] },
		"dashes and spaces":    func(c string) string { return "  " + c[:2] + "-" + c[2:4] + " – " + c[4:] + "\n" },
		"no-break space":       func(c string) string { return c[:3] + "\u00a0" + c[3:] },
		"full-width":           full.Replace,
		"Arabic":               arabic.Replace,
		"mathematical bold":    bold.Replace,
		"mathematical typed":   mono.Replace,
		"with a direction run": func(c string) string { return "\u200e" + c },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, code := w.startCode(t)
			require.Equal(t, verify.StateConfirmed, w.check(t, c, spell(code)).State)
		})
	}
	for name, bad := range map[string]string{
		"letters": "12a456", "letter O": "12O456", "empty": "", "blank": "   ", "symbols": "123+456", "endless": strings.Repeat("1", 300),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, code := w.startCode(t)
			for range 10 {
				_, err := w.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: bad, Technician: jane.ID})
				require.ErrorIs(t, err, verify.ErrFormat)
			}
			require.Equal(t, verify.StateConfirmed, w.check(t, c, code).State, "a typing mistake is not counted")
		})
	}
}

func TestTheSecretTravelsInOneDirectionOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	c, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	_, err = w.Check(ctx, verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: c.Number.Reveal(), Technician: jane.ID})
	require.ErrorIs(t, err, verify.ErrInvalid, "the technician knows the number, so typing it proves nothing")
	got, err := w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, verify.StatePending, got.State)

	c, code := w.startCode(t)
	_, err = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: code})
	require.ErrorIs(t, err, verify.ErrInvalid, "the mailbox knows the code, so typing it on a page proves nothing")
	_, err = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodCode, Response: code})
	require.ErrorIs(t, err, verify.ErrInvalid)
	for range verify.MaxCodeTries {
		_, err = w.Check(ctx, verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: code, Technician: "joe"})
		require.ErrorIs(t, err, verify.ErrForbidden, "another technician")
		_, err = w.Check(ctx, verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: code})
		require.ErrorIs(t, err, verify.ErrInvalid, "no technician")
	}
	require.Equal(t, verify.StateConfirmed, w.check(t, c, code).State, "none of that was counted")
}

// Guarantee 5.
func TestAProofIsBoundAndRedeemedOnceWithinTenMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	confirmed := func() (verify.Challenge, verify.Proof) {
		c, code := w.startCode(t)
		res := w.check(t, c, code)
		require.Equal(t, verify.StateConfirmed, res.State)
		return c, res.Proof
	}
	c, p := confirmed()
	for name, change := range map[string]func(*verify.Expect){
		"tenant":        func(e *verify.Expect) { e.Tenant = "fabrikam" },
		"subject":       func(e *verify.Expect) { e.Subject = "erin" },
		"action":        func(e *verify.Expect) { e.Action = verify.ActionResetMFA },
		"technician":    func(e *verify.Expect) { e.Technician = "joe" },
		"ticket id":     func(e *verify.Expect) { e.Ticket.ID = "4712" },
		"ticket system": func(e *verify.Expect) { e.Ticket.System = "other" },
		"no ticket":     func(e *verify.Expect) { e.Ticket = mspkit.Ticket{} },
	} {
		e := expect(c)
		change(&e)
		require.ErrorIs(t, w.Redeem(ctx, p, e, "job"), verify.ErrProof, name)
	}
	first := "x"
	if strings.HasPrefix(p.Reveal(), first) { // one id in 32
		first = "y"
	}
	for name, bad := range map[string]string{
		"empty": "", "no dots": "abc", "one dot": "abc.k1", "altered": p.Reveal()[:len(p.Reveal())-1] + "!",
		"other challenge": first + p.Reveal()[1:], "unknown key": strings.Replace(p.Reveal(), ".k1.", ".k9.", 1),
	} {
		require.ErrorIs(t, w.Redeem(ctx, mspkit.Redact(bad), expect(c), "job"), verify.ErrProof, name)
	}
	require.ErrorIs(t, w.Redeem(ctx, p, expect(c), ""), verify.ErrInvalid)
	require.NoError(t, w.Redeem(ctx, p, expect(c), "job"))
	require.ErrorIs(t, w.Redeem(ctx, p, expect(c), "another job"), verify.ErrRedeemed)

	c, p = confirmed()
	w.pass(verify.MaxTTL - time.Second)
	got, err := w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, p.Reveal(), got.Proof.Reveal(), "every instance gives the same proof")
	foreign, err := w.Get(ctx, c.Ref, "joe")
	require.NoError(t, err)
	require.Empty(t, foreign.Proof.Reveal(), "another technician gets none")
	w.pass(time.Second)
	require.ErrorIs(t, w.Redeem(ctx, p, expect(c), "job"), verify.ErrProofExpired)
	got, err = w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Empty(t, got.Proof.Reveal())

	// A pending, a wrong and a technician's challenge prove nothing, whatever the store would say.
	c, _ = w.startCode(t)
	require.ErrorIs(t, w.Redeem(ctx, p, expect(c), "job"), verify.ErrProofExpired, "the old proof names the old challenge")
}

func TestARaceOfRightAnswersGivesOneProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, code := w.startCode(t)
	var proofs, confirmations atomic.Int32
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			res, err := w.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: code, Technician: jane.ID})
			if err != nil {
				t.Error(err)
			}
			if res.Proof.Reveal() != "" {
				proofs.Add(1)
			}
			if res.State == verify.StateConfirmed {
				confirmations.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, proofs.Load())
	require.Positive(t, confirmations.Load())
	n := 0
	for _, k := range w.kinds(t) {
		if k == verify.EventConfirmed {
			n++
		}
	}
	require.Equal(t, 1, n, "events of confirmation")
}

func TestNotMeFromALinkNeedsTheTechniciansWordAndNeverFreezes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	c, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	require.NoError(t, w.Hint(ctx, c.Ref))
	require.NoError(t, w.Hint(ctx, c.Ref))
	got, err := w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.True(t, got.Hinted, "the technician is told")
	require.Equal(t, verify.StatePending, got.State, "but nothing ends")

	res, err := w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: "wrong words"})
	require.NoError(t, err)
	require.Equal(t, verify.StateWrong, res.State)
	_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: "  "})
	require.ErrorIs(t, err, verify.ErrFormat)
	res, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: strings.ToUpper(strings.ReplaceAll(c.Word.Reveal(), " ", " - "))})
	require.NoError(t, err)
	require.Equal(t, verify.StateDenied, res.State)
	sub, err := w.Subject(ctx, tenant, "dana")
	require.NoError(t, err)
	require.Zero(t, sub.FrozenUntil)
	require.Equal(t, verify.StateDenied, w.answer(t, c, c.Number.Reveal()).State, "the right number comes too late")
	require.Equal(t, []verify.EventKind{
		verify.EventStarted, verify.EventSent, verify.EventDenialHint, verify.EventAttempted, verify.EventAttempted, verify.EventDenied,
	}, w.kinds(t))
	require.NoError(t, w.Hint(ctx, c.Ref), "after the end it changes nothing")
}

func TestTheNumberDoesNotDenyAndTheWordDoesNotConfirm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, err := w.Start(t.Context(), w.request())
	require.NoError(t, err)
	_, err = w.Deny(t.Context(), verify.Denial{Ref: c.Ref, Word: c.Number.Reveal()})
	require.ErrorIs(t, err, verify.ErrFormat)
	_, err = w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodWord, Response: c.Word.Reveal()})
	require.ErrorIs(t, err, verify.ErrInvalid)
}

func TestAuthorizeIsAskedAndNilRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *verify.Options) { o.Authorize = nil })
	ctx := t.Context()
	c, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	require.ErrorIs(t, w.Freeze(ctx, tenant, "dana", "jane", "x", time.Hour), verify.ErrForbidden)
	require.ErrorIs(t, w.Unfreeze(ctx, tenant, "dana", "jane", "x"), verify.ErrForbidden)
	require.ErrorIs(t, w.Unlock(ctx, tenant, "dana", "jane", "x"), verify.ErrForbidden)
	require.ErrorIs(t, w.Cancel(ctx, c.Ref, "joe", "x"), verify.ErrForbidden)
	require.ErrorIs(t, w.Cancel(ctx, c.Ref, "", "x"), verify.ErrForbidden)
	require.NoError(t, w.Cancel(ctx, c.Ref, jane.ID, "hung up"), "one's own needs no permission")
	require.Equal(t, verify.StateCancelled, w.answer(t, c, c.Number.Reveal()).State)
	require.ErrorIs(t, w.Cancel(ctx, c.Ref, jane.ID, "again"), verify.ErrNotPending)
}

func TestRenewGivesANewNumberAndTheOldIsDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	c, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	old := c.Number.Reveal()
	w.answer(t, c, other(old))
	require.Equal(t, verify.StateFailed, w.answer(t, c, other(old)).State)

	renewed, err := w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(t, err)
	require.NotEqual(t, old, renewed.Number.Reveal())
	require.Equal(t, verify.StatePending, renewed.State)
	require.Equal(t, 1, w.mail.count(), "a new number needs no new message")
	require.Equal(t, verify.StateWrong, w.answer(t, c, old).State)
	require.Equal(t, verify.StateConfirmed, w.answer(t, c, renewed.Number.Reveal()).State)
	_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.ErrorIs(t, err, verify.ErrNotPending)
}

func TestRenewIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings.Limits.Cooldown = 45 * time.Second
	ctx := t.Context()
	c, err := w.Start(ctx, w.codeRequest())
	require.NoError(t, err)
	first := w.sms.last(t).Code.Reveal()
	_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	var le *verify.LimitError
	require.ErrorAs(t, err, &le)
	require.Equal(t, verify.LimitCooldown, le.Limit)
	require.Equal(t, 45*time.Second, le.RetryAfter)
	require.Equal(t, 1, w.sms.count())
	_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: "joe"})
	require.ErrorIs(t, err, verify.ErrForbidden)
	for range 2 {
		w.pass(46 * time.Second)
		_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
		require.NoError(t, err)
	}
	w.pass(46 * time.Second)
	_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.ErrorAs(t, err, &le)
	require.Equal(t, verify.LimitSends, le.Limit)
	require.Equal(t, 3, w.sms.count())
	if last := w.sms.last(t).Code.Reveal(); last != first {
		require.Equal(t, verify.StateWrong, w.check(t, c, first).State, "the first code is dead")
		require.Equal(t, verify.StateConfirmed, w.check(t, c, last).State)
	}
}

func TestTheContactVerifiesTheTechnician(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	r := verify.TechnicianRequest{
		Tenant: tenant, Subject: w.dana(), By: jane.ID,
		Call: &verify.Call{Technician: jane, Ticket: mspkit.Ticket{ID: "4711"}, Began: w.clock.Add(-time.Minute), By: verify.SideTechnician},
	}
	c, err := w.StartTechnician(ctx, r)
	require.NoError(t, err)
	require.Equal(t, verify.KindTechnician, w.mail.last(t).Kind)
	tok := strings.TrimPrefix(w.mail.last(t).Link.Reveal(), w.BaseURL()+"/v/")
	v, err := w.View(ctx, tok)
	require.NoError(t, err)
	require.Equal(t, []any{true, "Jane Doe", "4711", verify.SideTechnician, w.clock.Add(-time.Minute)},
		[]any{v.InCall, v.Technician, v.Ticket.ID, v.CallBy, v.CallBegan})
	require.Equal(t, verify.StateConfirmed, w.answer(t, c, strings.ToUpper(c.Word.Reveal())).State)
	got, err := w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Empty(t, got.Proof.Reveal(), "verifying a technician proves nothing about the contact")

	c, err = w.StartTechnician(ctx, r)
	require.NoError(t, err)
	require.Equal(t, verify.StateWrong, w.answer(t, c, "other words").State)
	require.Contains(t, w.kinds(t), verify.EventMismatch, "a mismatch alerts at once")
	require.True(t, verify.EventMismatch.Alert())
	require.Equal(t, verify.StateFailed, w.answer(t, c, "other words").State)
	_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: c.Word.Reveal()})
	require.ErrorIs(t, err, verify.ErrInvalid, "there is nothing to deny")
	sub, err := w.Subject(ctx, tenant, "dana")
	require.NoError(t, err)
	require.Zero(t, sub.Failures, "wrong words are no failures of the contact")

	typed := w.dana()
	for i := range typed.Destinations {
		typed.Destinations[i].TypedBy = "jane"
	}
	r.Subject = typed
	_, err = w.StartTechnician(ctx, r)
	require.ErrorIs(t, err, verify.ErrNoChannel, "never to an address that somebody typed")
}

func TestThePublicFormAnswersBeforeAnybodyLooks(t *testing.T) {
	t.Parallel()
	looked := 0
	var w *world
	w = newWorld(t, func(_ *world, o *verify.Options) {
		o.Lookup = func(_ context.Context, tn mspkit.TenantID, address string) (*verify.TechnicianRequest, error) {
			looked++
			if tn != tenant || !strings.EqualFold(address, "dana@contoso.example") {
				return nil, nil
			}
			return &verify.TechnicianRequest{Subject: w.dana()}, nil
		}
	})
	ctx := t.Context()
	require.Error(t, w.PublicForm(), "nobody would answer")
	require.NoError(t, w.RunOnce(ctx))
	require.NoError(t, w.PublicForm())
	for _, address := range []string{"Dana@contoso.example", "nobody@contoso.example"} {
		require.NoError(t, w.RequestTechnician(ctx, verify.PublicRequest{Tenant: tenant, Address: address}))
	}
	require.NoError(t, w.RunOnce(ctx))
	require.Zero(t, looked, "not at once, so that nobody feels it in the next request")
	w.pass(5 * time.Second)
	require.NoError(t, w.RunOnce(ctx))
	require.Equal(t, 2, looked)
	require.Equal(t, 1, w.mail.count())
	d := w.mail.last(t)
	require.Equal(t, []any{verify.KindTechnician, "dana@contoso.example", ""}, []any{d.Kind, d.To, d.Technician})
	v, err := w.View(ctx, strings.TrimPrefix(d.Link.Reveal(), w.BaseURL()+"/v/"))
	require.NoError(t, err)
	require.False(t, v.InCall, "the page says that there is no call")
	require.NoError(t, w.RunOnce(ctx))
	require.Equal(t, 1, w.mail.count(), "answered once")

	for range 2 {
		require.NoError(t, w.RequestTechnician(ctx, verify.PublicRequest{Tenant: tenant, Address: "DANA@contoso.example"}))
	}
	require.ErrorIs(t, w.RequestTechnician(ctx, verify.PublicRequest{Tenant: tenant, Address: "dana@contoso.example"}), verify.ErrLimited)
	require.ErrorIs(t, w.RequestTechnician(ctx, verify.PublicRequest{Tenant: tenant}), verify.ErrInvalid)
}

func TestALookupThatFailsIsTriedAgainAndGivenUp(t *testing.T) {
	t.Parallel()
	looked := 0
	w := newWorld(t, func(_ *world, o *verify.Options) {
		o.Lookup = func(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) {
			looked++
			return nil, errors.New("directory is down")
		}
	})
	ctx := t.Context()
	require.NoError(t, w.RequestTechnician(ctx, verify.PublicRequest{Tenant: tenant, Address: "a@b.example"}))
	for range 20 {
		_ = w.RunOnce(ctx)
		w.pass(time.Minute)
	}
	require.Equal(t, 10, looked, "once a minute for ten minutes")
}

func TestPublicTagsNameTheirTenantOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tag := w.PublicTag("contoso")
	got, err := w.ParsePublicTag(tag)
	require.NoError(t, err)
	require.Equal(t, tenant, got)
	_, err = w.ParsePublicTag(tag[1:])
	require.ErrorIs(t, err, verify.ErrNotFound)
	_, err = w.ParseLink(tag)
	require.ErrorIs(t, err, verify.ErrNotFound, "a tag is not a link")
}

func TestDeliveryStatusesRiseAndBelongToTheirMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	c, _ := w.startCode(t)
	first := w.sms.last(t).Key
	_, err := w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
	require.NoError(t, err)
	require.NoError(t, w.Delivered(ctx, first, verify.DeliveryDelivered, ""))
	got, err := w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, verify.DeliverySent, got.Delivery, "the status of the first message says nothing of the second")
	second := w.sms.last(t).Key
	require.NoError(t, w.Delivered(ctx, second, verify.DeliveryDelivered, ""))
	require.NoError(t, w.Delivered(ctx, second, verify.DeliverySent, ""))
	got, err = w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, verify.DeliveryDelivered, got.Delivery)
	require.ErrorIs(t, w.Delivered(ctx, "forged", verify.DeliveryDelivered, ""), verify.ErrNotFound)
	require.ErrorIs(t, w.Delivered(ctx, second, 9, ""), verify.ErrInvalid)
}

func TestWaitReturnsWhenThereIsAnOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.clock = time.Now()
		c, err := w.Start(t.Context(), w.request())
		require.NoError(t, err)
		go func() {
			time.Sleep(20 * time.Second)
			if _, err := w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()}); err != nil {
				t.Error(err)
			}
		}()
		begun := time.Now()
		got, err := w.Wait(t.Context(), c.Ref, jane.ID)
		require.NoError(t, err)
		require.Equal(t, verify.StateConfirmed, got.State)
		require.NotEmpty(t, got.Proof.Reveal())
		require.InDelta(t, 20, time.Since(begun).Seconds(), 2.1)

		c, err = w.Start(t.Context(), w.request())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = w.Wait(ctx, c.Ref, jane.ID)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestRunHandsOverAtLeastOnceInOrderAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	var got []string
	broken := map[mspkit.TenantID]bool{"contoso": true}
	w := newWorld(t, func(_ *world, o *verify.Options) {
		o.Recorder = verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			if broken[e.Tenant] {
				return errors.New("the ticket system is down")
			}
			got = append(got, fmt.Sprint(e.Tenant, " ", e.Kind))
			return nil
		})
	})
	ctx := t.Context()
	for _, tn := range []mspkit.TenantID{"contoso", "fabrikam"} {
		r := w.request()
		r.Tenant = tn
		_, err := w.Start(ctx, r)
		require.NoError(t, err)
	}
	require.ErrorContains(t, w.RunOnce(ctx), "the ticket system is down")
	require.Equal(t, []string{"fabrikam started", "fabrikam sent"}, got)
	require.NoError(t, w.RunOnce(ctx), "a tenant whose recorder fails is left alone for a while")
	broken["contoso"] = false
	w.pass(time.Minute)
	require.NoError(t, w.RunOnce(ctx))
	require.Equal(t, []string{"fabrikam started", "fabrikam sent", "contoso started", "contoso sent"}, got)
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.clock = time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		c, err := w.Start(t.Context(), w.request())
		require.NoError(t, err)
		synctest.Wait()
		w.pass(6 * time.Minute)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		got, err := w.Get(t.Context(), c.Ref, jane.ID)
		require.NoError(t, err)
		require.Equal(t, verify.StateExpired, got.State)
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, verify.EventExpired, w.events[len(w.events)-1].Kind)
	})
}
