package verify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

const sam = "sam" // the second technician

// listed returns a world in which dana is listed and everybody may approve.
func listed(t testing.TB, change ...func(*world, *verify.Options)) *world {
	t.Helper()
	w := newWorld(t, change...)
	w.authorized = true
	w.settings.Approval.Subjects = []string{"ceo", "DANA"}
	return w
}

// confirmed starts and confirms a verification and returns it as its technician sees it.
func (w *world) confirmed(t testing.TB, r verify.StartRequest) verify.Challenge {
	t.Helper()
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	w.answer(t, c, c.Number.Reveal())
	c, err = w.Wait(t.Context(), c.Ref, r.Technician.ID)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, c.State)
	return c
}

// proofOf returns the proof as the technician who began gets it, which they do where the challenge is approved.
func proofOf(t testing.TB, w *world, c verify.Challenge, approved bool) verify.Proof {
	t.Helper()
	got, err := w.Get(t.Context(), c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, approved, got.Proof.Reveal() != "")
	return got.Proof
}

func TestAListedPersonNeedsASecondTechnicianBeforeThereIsAProof(t *testing.T) {
	t.Parallel()
	w := listed(t)
	ctx := t.Context()
	c := w.confirmed(t, w.request())
	require.True(t, c.NeedsApproval)
	require.Empty(t, c.Proof.Reveal(), "no proof before the second technician")
	require.Empty(t, c.ApprovedBy)
	require.Equal(t, w.now().Add(verify.MaxTTL), c.ProofUntil)

	waiting, err := w.Unapproved(ctx, tenant)
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	require.Equal(t, []any{c.Ref, "Dana", "confirm who you are", jane.ID}, []any{waiting[0].Ref, waiting[0].Name, waiting[0].Purpose, waiting[0].Technician})
	require.Empty(t, waiting[0].Proof.Reveal()+waiting[0].Number.Reveal()+waiting[0].Word.Reveal())
	elsewhere, err := w.Unapproved(ctx, "fabrikam")
	require.NoError(t, err)
	require.Empty(t, elsewhere)

	got, err := w.Approve(ctx, c.Ref, sam, "called her\nassistant back")
	require.NoError(t, err)
	require.Equal(t, []any{sam, w.now()}, []any{got.ApprovedBy, got.ApprovedAt})
	require.Empty(t, got.Proof.Reveal(), "the second technician gets no proof")
	again, err := w.Approve(ctx, c.Ref, "kim", "me too")
	require.NoError(t, err)
	require.Equal(t, sam, again.ApprovedBy, "the first approval stays")
	other, err := w.Get(ctx, c.Ref, sam)
	require.NoError(t, err)
	require.Empty(t, other.Proof.Reveal())

	waiting, err = w.Unapproved(ctx, tenant)
	require.NoError(t, err)
	require.Empty(t, waiting)
	require.NoError(t, w.Redeem(ctx, proofOf(t, w, c, true), expect(c), "job"))
	require.Equal(t, []verify.EventKind{
		verify.EventStarted, verify.EventSent, verify.EventAttempted, verify.EventConfirmed, verify.EventApproved, verify.EventRedeemed,
	}, w.kinds(t))
	require.Equal(t, "a second technician must approve", w.events[3].Reason)
	require.Equal(t, []any{sam, "called her assistant back", jane.ID}, []any{w.events[4].By, w.events[4].Reason, w.events[4].Technician})
}

func TestNeitherTechnicianAloneGetsToTheProofOfAListedPerson(t *testing.T) {
	t.Parallel()
	w := listed(t)
	ctx := t.Context()
	c := w.confirmed(t, w.request())
	approve := func(by, reason string) error {
		_, err := w.Approve(ctx, c.Ref, by, reason)
		return err
	}
	for _, herself := range []string{"jane", "JANE", "Jane"} {
		require.ErrorIs(t, approve(herself, "it is me"), verify.ErrForbidden, herself)
	}
	require.ErrorIs(t, approve(sam, " \t"), verify.ErrInvalid, "without a reason")
	require.ErrorIs(t, approve("", "x"), verify.ErrInvalid)
	require.ErrorIs(t, approve(" jane", "x"), verify.ErrInvalid, "another spelling of the same")
	w.authorized = false
	require.ErrorIs(t, approve(sam, "she is known to me"), verify.ErrForbidden, "the host does not let everybody approve")
	w.authorized = true
	_, err := w.Approve(ctx, verify.Ref{Tenant: "fabrikam", ID: c.Ref.ID}, sam, "x")
	require.ErrorIs(t, err, verify.ErrNotFound, "another tenant's")
	proofOf(t, w, c, false)

	// Sam begins one of his own: then Sam is the first technician and cannot be the second.
	r := w.request()
	r.Technician = verify.Technician{ID: sam, Name: "Sam"}
	own := w.confirmed(t, r)
	require.Empty(t, own.Proof.Reveal())
	_, err = w.Approve(ctx, own.Ref, "SAM", "x")
	require.ErrorIs(t, err, verify.ErrForbidden)

	// Whoever has a proof cannot make another of it, and the store knows what is not approved whatever comes.
	require.NoError(t, approve(sam, "called back"))
	p := proofOf(t, w, c, true)
	unapproved := w.confirmed(t, w.request())
	forged := mspkit.Redact(strings.Replace(p.Reveal(), c.Ref.ID, unapproved.Ref.ID, 1))
	require.ErrorIs(t, w.Redeem(ctx, forged, expect(unapproved), "job"), verify.ErrProof)
	_, err = w.store.Redeem(ctx, unapproved.Ref, "job", verify.Stamp{ID: "x", Kind: verify.EventRedeemed}, w.now())
	require.ErrorIs(t, err, verify.ErrUnapproved)
}

func TestACodeThatWasCheckedGivesNoProofBeforeTheApproval(t *testing.T) {
	t.Parallel()
	w := listed(t)
	c, code := w.startCode(t)
	res := w.check(t, c, code)
	require.Equal(t, verify.StateConfirmed, res.State)
	require.True(t, res.NeedsApproval)
	require.Empty(t, res.Proof.Reveal())
	_, err := w.Approve(t.Context(), c.Ref, sam, "met her in the hall")
	require.NoError(t, err)
	require.Equal(t, []any{verify.StateConfirmed, ""}, []any{w.check(t, c, code).State, w.check(t, c, code).Proof.Reveal()}, "a code is answered once")
	proofOf(t, w, c, true)
}

func TestWhatIsNotConfirmedFrozenOrOverCannotBeApproved(t *testing.T) {
	t.Parallel()
	w := listed(t)
	ctx := t.Context()
	pending, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	_, err = w.Approve(ctx, pending.Ref, sam, "x")
	require.ErrorIs(t, err, verify.ErrNotPending)

	c := w.confirmed(t, w.request())
	require.NoError(t, w.Freeze(ctx, tenant, "dana", sam, "odd", time.Minute))
	_, err = w.Approve(ctx, c.Ref, sam, "x")
	require.ErrorIs(t, err, verify.ErrFrozen)
	require.NoError(t, w.Unfreeze(ctx, tenant, "dana", sam, "not odd"))
	w.pass(verify.MaxTTL)
	_, err = w.Approve(ctx, c.Ref, sam, "x")
	require.ErrorIs(t, err, verify.ErrProofExpired)
	waiting, err := w.Unapproved(ctx, tenant)
	require.NoError(t, err)
	require.Empty(t, waiting, "what is over is not waited for")

	w.settings.Approval.Subjects = nil
	c = w.confirmed(t, w.request())
	require.False(t, c.NeedsApproval)
	require.NotEmpty(t, c.Proof.Reveal())
	_, err = w.Approve(ctx, c.Ref, sam, "x")
	require.ErrorIs(t, err, verify.ErrNotPending, "there is nothing to approve")
}

func TestTakingAPersonFromTheListDoesNotFreeWhatWasBegun(t *testing.T) {
	t.Parallel()
	w := listed(t)
	c := w.confirmed(t, w.request())
	w.settings.Approval = verify.Approval{}
	proofOf(t, w, c, false)
}

func TestWhoIsListedForWhat(t *testing.T) {
	t.Parallel()
	group := func(_ context.Context, subject string, a verify.Action) (bool, error) {
		return subject == "dana" && a == verify.ActionUnlock, nil
	}
	for name, tc := range map[string]struct {
		approval verify.Approval
		action   verify.Action
		want     bool
	}{
		"nobody":                        {verify.Approval{}, verify.ActionIdentify, false},
		"somebody else":                 {verify.Approval{Subjects: []string{"danas", "dan"}}, verify.ActionIdentify, false},
		"everything":                    {verify.Approval{Subjects: []string{"dana"}}, verify.ActionIdentify, true},
		"this":                          {verify.Approval{Subjects: []string{"dana"}, Actions: []verify.Action{verify.ActionUnlock}}, verify.ActionUnlock, true},
		"another action":                {verify.Approval{Subjects: []string{"dana"}, Actions: []verify.Action{verify.ActionResetMFA}}, verify.ActionUnlock, false},
		"the host's group":              {verify.Approval{Needs: group}, verify.ActionUnlock, true},
		"the host's group, not for it":  {verify.Approval{Needs: group}, verify.ActionIdentify, false},
		"the list adds to the group":    {verify.Approval{Needs: group, Subjects: []string{"dana"}}, verify.ActionIdentify, true},
		"the group adds to the actions": {verify.Approval{Needs: group, Actions: []verify.Action{verify.ActionResetMFA}}, verify.ActionUnlock, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.settings.Approval = tc.approval
			r := w.request()
			r.Action = tc.action
			d, err := w.Explain(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, tc.want, d.Approval != "")
			if tc.want {
				require.Equal(t, "a second technician must approve, because this person is listed for “"+verify.DefaultPolicy()[tc.action].Words["en"]+"”", d.Approval)
			}
			c, err := w.Start(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, tc.want, c.NeedsApproval)
		})
	}
	w := newWorld(t)
	down := errors.New("the directory is down")
	w.settings.Approval.Needs = func(context.Context, string, verify.Action) (bool, error) { return false, down }
	_, err := w.Start(t.Context(), w.request())
	require.ErrorIs(t, err, down, "unknown is no")
	require.Zero(t, w.mail.count())
	_, err = w.Explain(t.Context(), w.request())
	require.ErrorIs(t, err, down)
}

func TestWaitApprovedReturnsWithTheProofOrWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := listed(t, func(_ *world, o *verify.Options) { o.Now = time.Now })
		w.clock = time.Now()
		type outcome struct {
			c   verify.Challenge
			err error
		}
		waitFor := func(c verify.Challenge) chan outcome {
			done := make(chan outcome, 1)
			go func() {
				c, err := w.WaitApproved(t.Context(), c.Ref, jane.ID)
				done <- outcome{c, err}
			}()
			return done
		}
		c, err := w.Start(t.Context(), w.request())
		require.NoError(t, err)
		done := waitFor(c) // from before the confirmation on
		time.Sleep(time.Minute)
		w.answer(t, c, c.Number.Reveal())
		time.Sleep(time.Minute)
		require.Empty(t, done, "it is not approved yet")
		_, err = w.Approve(t.Context(), c.Ref, sam, "called back")
		require.NoError(t, err)
		got := <-done
		require.NoError(t, got.err)
		require.NotEmpty(t, got.c.Proof.Reveal())

		c, err = w.Start(t.Context(), w.request())
		require.NoError(t, err)
		w.answer(t, c, c.Number.Reveal())
		begun := time.Now()
		got = <-waitFor(c)
		require.NoError(t, got.err)
		require.Empty(t, got.c.Proof.Reveal()+got.c.ApprovedBy)
		require.InDelta(t, verify.MaxTTL.Seconds(), time.Since(begun).Seconds(), 3)

		w.settings.Approval = verify.Approval{}
		c, err = w.Start(t.Context(), w.request())
		require.NoError(t, err)
		w.answer(t, c, c.Number.Reveal())
		got = <-waitFor(c)
		require.NotEmpty(t, got.c.Proof.Reveal(), "nobody has to approve")
		c, err = w.Start(t.Context(), w.request())
		require.NoError(t, err)
		require.NoError(t, w.Cancel(t.Context(), c.Ref, jane.ID, ""))
		require.Equal(t, verify.StateCancelled, (<-waitFor(c)).c.State)
	})
}
