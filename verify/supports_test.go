package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

// numbersOnly is a channel that is answered by number match alone.
type numbersOnly struct{ *outbox }

func (numbersOnly) Authenticates() bool { return true }

func (numbersOnly) Supports(m verify.Method) bool { return m == verify.MethodNumber }

// withSignIn adds two channels on which the contact signs in.
func withSignIn(_ *world, o *verify.Options) {
	o.Channels["teams"] = &outbox{assurance: verify.AssuranceTeams}
	o.Channels["signin"] = numbersOnly{&outbox{assurance: verify.AssuranceSignIn}}
	o.Channels["signin-strong"] = numbersOnly{&outbox{assurance: verify.AssuranceStrong}}
}

func TestAMethodThatAChannelDoesNotSupportIsNeverTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSignIn)
	r := w.request()
	r.Subject = w.subjectWith("signin", "email")
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, []any{"signin", verify.MethodNumber}, []any{c.Channel, c.Method})

	r.Channel, r.Method = "signin", verify.MethodCode
	for _, listed := range []bool{false, true} {
		w.settings.Policy = verify.DefaultPolicy()
		if listed {
			w.settings.Policy[r.Action] = verify.Rule{
				Ways: []verify.Way{{Channel: "signin", Method: verify.MethodCode}}, Words: map[string]string{"en": "confirm who you are"},
			}
		}
		_, err = w.Start(t.Context(), r)
		require.ErrorIs(t, err, verify.ErrNoChannel, "listed %t", listed)
	}
	d, err := w.Explain(t.Context(), r)
	require.NoError(t, err)
	require.False(t, d.Allowed)
	require.Len(t, d.Ways, 1)
	require.Equal(t, `the channel "signin" is not answered by code`, d.Ways[0].Reason)

	// To check on the technician the next address is taken, and nobody is said to have been unreachable.
	tr := verify.TechnicianRequest{Tenant: tenant, Subject: w.subjectWith("signin", "email"), By: "jane"}
	tr.Subject.Destinations[1].Address = "dana@contoso.example"
	c, err = w.StartTechnician(t.Context(), tr)
	require.NoError(t, err)
	require.Equal(t, []any{"email", ""}, []any{c.Channel, c.Failover})
	tr.Channel = "signin"
	_, err = w.StartTechnician(t.Context(), tr)
	require.ErrorIs(t, err, verify.ErrNoChannel)
}

func TestASignInIsWorthMoreThanTeamsAndAStrongOneMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSignIn)
	channels := []string{"teams", "signin", "signin-strong"}
	for i, level := range []verify.Assurance{verify.AssuranceTeams, verify.AssuranceSignIn, verify.AssuranceStrong} {
		w.settings.Policy = verify.Policy{"pay": {Min: level, Words: map[string]string{"en": "pay an invoice"}}}
		for j, channel := range channels {
			r := w.request()
			r.Subject, r.Action, r.Channel = w.subjectWith(channels...), "pay", channel
			c, err := w.Start(t.Context(), r)
			if j < i {
				require.ErrorIs(t, err, verify.ErrPolicy, "%s for %s", channel, level)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, channel, c.Channel)
		}
	}
}

func TestARefusedSignInIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSignIn)
	r := w.request()
	r.Subject = w.subjectWith("signin")
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, w.HintSignIn(t.Context(), c.Ref, "another person\nsigned in"))
	}
	got, err := w.Get(t.Context(), c.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, []any{true, verify.StatePending, c.TriesLeft}, []any{got.Hinted, got.State, got.TriesLeft})
	require.Equal(t, []verify.EventKind{verify.EventStarted, verify.EventSent, verify.EventSignInRefused}, w.kinds(t))
	require.Equal(t, "another person signed in", w.events[2].Reason)
	require.False(t, verify.EventSignInRefused.Alert())

	require.ErrorIs(t, w.HintSignIn(t.Context(), verify.Ref{Tenant: tenant, ID: "none"}, "x"), verify.ErrNotFound)
	require.NoError(t, w.Cancel(t.Context(), c.Ref, "jane", ""))
	require.NoError(t, w.HintSignIn(t.Context(), c.Ref, "too late"))
}
