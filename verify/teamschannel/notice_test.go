package teamschannel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

const setupLink = "https://help.example/verify/totp/e/abc"

// A proof made by a card brings a link into the same chat, and the number of that link is in no card.
func TestALinkGoesToTheChatInWhichTheContactWasVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := request(verify.MethodNumber)
	r.Action = verify.ActionEnrolTOTP
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	w.press(t, w.last(t), "verify.answer", c.Number.Reveal())
	c, err = w.Get(t.Context(), c.Ref, "jane")
	require.NoError(t, err)
	reply, err := w.second.RedeemReply(t.Context(), c.Proof, verify.Expect{
		Tenant: "contoso", Subject: "dana", Action: verify.ActionEnrolTOTP, Technician: "jane", Ticket: r.Ticket, Min: verify.AssuranceTeams,
	}, "job-1")
	require.NoError(t, err)
	require.Equal(t, []string{"Dana Ruiz", "Jane Doe", "set up an authenticator app for calls to us"}, []string{reply.Name(), reply.Technician(), reply.Purpose()})
	before := len(w.teams.Messages(w.dana))
	require.NoError(t, reply.SendLink(t.Context(), mspkit.Redact(setupLink), 9*time.Minute))
	require.Len(t, w.teams.Messages(w.dana), before+1)
	card := shown(w.last(t).Card)
	for _, want := range []string{setupLink, "Action.OpenUrl", "Jane Doe", "Northwind IT", "set up an authenticator app", "Did somebody call you?", "2026-11-22 14:14 UTC", "+1 202 555 0100"} {
		require.Contains(t, card, want)
	}
	require.NotContains(t, card, "Input.")
	require.NotContains(t, w.logs.String(), setupLink)
}

func TestANoticeSaysWhatHappenedAndWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, tc := range []struct {
		kind         verify.NoticeKind
		locale, says string
	}{
		{verify.NoticeEnrolled, "en", "An authenticator app was set up for you"},
		{verify.NoticeRemoved, "en", "Your authenticator app was removed"},
		{verify.NoticeRecoveryRenewed, "en", "You have new recovery codes"},
		{verify.NoticeRecoveryUsed, "en", "Codes that are left: 7"},
		{verify.NoticeEnrolled, "de-AT", "Für Sie wurde eine Authenticator-App eingerichtet"},
		{verify.NoticeRemoved, "de", "Ihre Authenticator-App wurde entfernt"},
		{verify.NoticeRecoveryRenewed, "de", "Sie haben neue Wiederherstellungscodes"},
		{verify.NoticeRecoveryUsed, "de", "Codes, die übrig sind: 7"},
	} {
		s := subject(tc.locale)
		require.NoError(t, w.Tell(t.Context(), verify.Change{
			Tenant: "contoso", Subject: s, Kind: tc.kind, By: "jane", Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
			Ticket: mspkit.Ticket{System: "psa", ID: "4711"}, Left: 7,
		}))
		card := shown(w.last(t).Card)
		for _, want := range []string{tc.says, "Jane Doe", "Northwind IT", "Dana Ruiz", "4711", "2026-11-22 14:05 UTC", "+1 202 555 0100"} {
			require.Contains(t, card, want)
		}
		over(t, w.last(t).Card)
	}
}

func TestANoticeDoesNotGoToAPersonOfAnotherClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := subject("")
	s.Destinations[0].Address = fabrikamTID + "/" + eveOID
	err := w.Tell(t.Context(), verify.Change{Tenant: "contoso", Subject: s, Kind: verify.NoticeRemoved, By: "jane"})
	require.ErrorIs(t, err, verify.ErrDelivery)
	require.ErrorContains(t, err, "does not belong to this client")
	require.NotContains(t, fmt.Sprint(err), eveOID)
	require.Empty(t, w.teams.Messages(w.dana))
}
