package verify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

// screened is a channel that finds out something about addresses.
type screened struct {
	*outbox
	asked []string
	found verify.Screening
	err   error
	stuck bool
}

func (s *screened) Screen(ctx context.Context, address string) (verify.Screening, error) {
	s.asked = append(s.asked, address)
	if s.stuck {
		<-ctx.Done()
		return verify.Screening{}, ctx.Err()
	}
	return s.found, s.err
}

func screening(t testing.TB) (*world, *screened) {
	t.Helper()
	var ch *screened
	w := newWorld(t, func(w *world, o *verify.Options) {
		ch = &screened{outbox: w.sms}
		o.Channels["sms"] = ch
	})
	return w, ch
}

func TestWhatIsFoundAboutANumberCountsBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	const needs = "needs text message with number match or better, because the action is “reset your password”; "
	for name, tc := range map[string]struct {
		found  verify.Screening
		err    error
		refuse bool
		action verify.Action
		reason string
		have   verify.Assurance
	}{
		"nothing":                            {action: verify.ActionResetPassword, have: verify.AssuranceSMS},
		"a landline":                         {found: verify.Screening{Refuse: "is a landline"}, action: "greet", reason: "the phone number is a landline"},
		"a new SIM card":                     {found: verify.Screening{Doubt: "has a new\nSIM card"}, action: verify.ActionResetPassword, reason: needs + "the phone number has a new SIM card, so that it proves next to nothing"},
		"a new SIM card, for little":         {found: verify.Screening{Doubt: "has a new SIM card"}, action: "greet", have: verify.AssuranceUnproven},
		"a new SIM card, and such are taboo": {found: verify.Screening{Doubt: "has a new SIM card"}, refuse: true, action: "greet", reason: "the phone number has a new SIM card"},
		"a failure":                          {err: errors.New("+15550100123: vendor is down"), action: "greet", reason: "the phone number could not be checked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ch := screening(t)
			ch.found, ch.err = tc.found, tc.err
			w.settings.Freshness.Refuse = tc.refuse
			w.settings.Policy = verify.DefaultPolicy()
			w.settings.Policy["greet"] = verify.Rule{Min: verify.AssuranceUnproven, Words: map[string]string{"en": "say hello"}}
			r := w.request()
			r.Action, r.Channel = tc.action, "sms"
			d, err := w.Explain(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, []any{tc.reason == "", tc.reason}, []any{d.Allowed, d.Reason})
			require.Equal(t, []string{"+15550100123"}, ch.asked, "once for all ways to a number")
			c, err := w.Start(t.Context(), r)
			require.Len(t, ch.asked, 2)
			if tc.reason != "" {
				var pe *verify.PolicyError
				require.ErrorAs(t, err, &pe)
				require.Equal(t, tc.reason, pe.Reason)
				require.Zero(t, w.sms.count())
				require.Empty(t, w.kinds(t), "nothing is stored")
				return
			}
			require.NoError(t, err)
			require.Equal(t, []any{tc.have, tc.have == verify.AssuranceUnproven}, []any{c.Assurance, c.Fresh})
			require.Equal(t, d.Ways[0].Assurance, c.Assurance)
			_, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
			require.NoError(t, err)
			require.Len(t, ch.asked, 2, "a renewal does not ask again")
		})
	}
}

func TestANumberIsLookedUpOnlyWhereAMessageIsToGoThere(t *testing.T) {
	t.Parallel()
	w, ch := screening(t)
	ch.found.Refuse = "is a landline"
	_, err := w.Start(t.Context(), w.request()) // e-mail first
	require.NoError(t, err)
	require.Empty(t, ch.asked)
	r := w.request()
	r.Action = verify.ActionResetMFA // which no text message is enough for
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrPolicy)
	require.Empty(t, ch.asked)

	// The way that is screened out is passed over, and it is said why.
	r = w.request()
	r.Subject.Destinations[0], r.Subject.Destinations[1] = r.Subject.Destinations[1], r.Subject.Destinations[0]
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, []string{"email", "sms: the phone number is a landline"}, []string{c.Channel, c.Failover})
	require.Len(t, ch.asked, 1)

	// Where the first way fails and the next is screened out, the first challenge stands and can be renewed.
	w.mail.err = errors.New("down")
	c, err = w.Start(t.Context(), w.request())
	require.ErrorIs(t, err, verify.ErrDelivery)
	require.Equal(t, []any{"email", verify.StatePending}, []any{c.Channel, c.State})
	require.NotContains(t, w.kinds(t), verify.EventFailedOver)
	ch.found = verify.Screening{}
	c, err = w.Start(t.Context(), w.request())
	require.NoError(t, err)
	require.Equal(t, []string{"sms", "email: the channel could not deliver"}, []string{c.Channel, c.Failover})
}

func TestStartDoesWhatExplainSaysWhereOneOfTheNumbersIsScreenedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *verify.Options) { o.Channels["sms"] = landline{w.sms} })
	r := w.request()
	r.Channel = "sms"
	second := r.Subject.Destinations[1]
	second.Address = "+15550100999"
	r.Subject.Destinations[1].Address = "+15550100000" // a landline
	r.Subject.Destinations = append(r.Subject.Destinations, second)
	d, err := w.Explain(t.Context(), r)
	require.NoError(t, err)
	require.True(t, d.Allowed)
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, []string{"••• 99", "sms: the phone number is a landline"}, []string{c.To, c.Failover})
	// But a message that does not arrive goes nowhere else where the channel is named.
	w.sms.err = errors.New("down")
	r.Subject.Destinations[1].Address = "+15550100777"
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrDelivery)
	require.Equal(t, 1, w.sms.count())
	require.NotContains(t, w.kinds(t), verify.EventFailedOver)

	// What is said where nothing is left is the same as well.
	r = w.request()
	r.Subject.Destinations[0].Address = " "
	r.Subject.Destinations[1].Address = "+15550100000"
	d, err = w.Explain(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, "the e-mail address cannot be used: is empty or longer than 320 bytes", d.Reason)
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrInvalid)
	require.ErrorContains(t, err, d.Reason)
}

// landline is a channel that refuses numbers that end with 000.
type landline struct{ *outbox }

func (landline) Screen(_ context.Context, address string) (verify.Screening, error) {
	if strings.HasSuffix(address, "000") {
		return verify.Screening{Refuse: "is a landline"}, nil
	}
	return verify.Screening{}, nil
}

func TestALinkForCheckingTheTechnicianIsScreenedToo(t *testing.T) {
	t.Parallel()
	w, ch := screening(t)
	ask := verify.TechnicianRequest{Tenant: tenant, Subject: w.dana(), Channel: "sms", By: jane.ID, Call: &verify.Call{Technician: jane}}
	ch.found.Refuse = "is a premium-rate number"
	_, err := w.StartTechnician(t.Context(), ask)
	require.ErrorIs(t, err, verify.ErrPolicy)
	require.ErrorContains(t, err, "the phone number is a premium-rate number")
	ch.found = verify.Screening{Doubt: "has a new SIM card"}
	_, err = w.StartTechnician(t.Context(), ask)
	require.NoError(t, err)
	w.settings.Freshness.Refuse = true
	_, err = w.StartTechnician(t.Context(), ask)
	require.ErrorIs(t, err, verify.ErrPolicy)
	require.Equal(t, 1, w.sms.count())
}

func TestAScreeningThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, ch := screening(t)
		ch.stuck = true
		r := w.request()
		r.Channel = "sms"
		begun := time.Now()
		_, err := w.Start(t.Context(), r)
		require.ErrorIs(t, err, verify.ErrPolicy)
		require.ErrorContains(t, err, "could not be checked")
		require.Equal(t, 15*time.Second, time.Since(begun))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // whoever asked is gone: nothing was found out
		defer cancel()
		_, err = w.Start(ctx, r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, verify.ErrPolicy)
		_, err = w.Explain(ctx, r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, w.sms.count())
	})
}
