package teamschannel_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

func TestTheNumberThatTheTechnicianSaysConfirms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, m := w.begin(t, verify.MethodNumber)
	require.Equal(t, verify.AssuranceTeams, c.Assurance)
	require.Equal(t, verify.DeliverySent, c.Delivery)
	require.Equal(t, "Northwind IT: is this you on the phone?", m.Summary)
	for _, part := range []string{
		"Northwind IT", "Jane Doe", "reset your password", "4711", "Contoso", "Dana Ruiz", "If somebody called you", "+1 202 555 0100",
		"Type the number that Jane Doe tells you on the phone", "2026-11-22 14:10 UTC",
	} {
		require.Contains(t, shown(m.Card), part)
	}
	require.NotContains(t, string(m.Raw), "http://help")
	require.NotContains(t, string(m.Raw), base, "a card needs no link")

	r := w.press(t, m, "verify.answer", " "+c.Number.Reveal()[:1]+" "+c.Number.Reveal()[1:])
	require.Contains(t, shown(r.Card), "Thank you, it is confirmed")
	require.Contains(t, shown(r.Card), "Jane Doe")
	over(t, r.Card)
	state, _ := w.state(t, c.Ref)
	require.Equal(t, verify.StateConfirmed, state)
	got, err := w.Get(t.Context(), c.Ref, "jane")
	require.NoError(t, err)
	q := request("")
	require.NoError(t, w.Redeem(t.Context(), got.Proof, verify.Expect{
		Tenant: "contoso", Subject: "dana", Action: q.Action, Technician: "jane", Ticket: q.Ticket,
	}, "job"))
}

func TestClientsWithoutActionExecuteConfirmAsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.dana.OldClient = true
	c, m := w.begin(t, verify.MethodNumber)
	w.press(t, m, "verify.answer", another(c.Number.Reveal()))
	again := w.teams.Message(m.ID)
	require.Contains(t, shown(again.Card), "That was not the number")
	w.press(t, again, "verify.answer", c.Number.Reveal())
	done := w.teams.Message(m.ID)
	require.Contains(t, shown(done.Card), "Thank you, it is confirmed")
	over(t, done.Card)
}

func TestAWrongNumberIsCountedAndTheCardSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, m := w.begin(t, verify.MethodNumber)
	wrong := another(c.Number.Reveal())
	r := w.press(t, m, "verify.answer", wrong)
	require.Contains(t, shown(r.Card), "That was not the number.")
	require.Contains(t, shown(r.Card), "You have one try left.")
	require.Contains(t, shown(r.Card), "Input.Text")
	require.NotRegexp(t, `\b`+wrong+`\b`, shown(r.Card), "what was typed is not repeated")
	state, left := w.state(t, c.Ref)
	require.Equal(t, verify.StatePending, state)
	require.Equal(t, 1, left)

	r = w.press(t, w.teams.Message(m.ID), "verify.answer", wrong+" ")
	require.Contains(t, shown(r.Card), "Ask for a new number")
	over(t, r.Card)
	state, _ = w.state(t, c.Ref)
	require.Equal(t, verify.StateFailed, state)
}

func TestWhatCannotBeTheNumberIsNotCounted(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"12", "1234", "12a", "abc", "１２", "-", "12.5", "123456789012345678901234"} {
		t.Run(typed, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			c, m := w.begin(t, verify.MethodNumber)
			r := w.press(t, m, "verify.answer", typed)
			require.Contains(t, shown(r.Card), "Nothing was counted as a try.")
			require.Contains(t, shown(r.Card), "Input.Text")
			_, left := w.state(t, c.Ref)
			require.Equal(t, 2, left)
		})
	}
}

func TestAForwardedCardIsRefusedAndNotCounted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ tid, oid, text string }{
		"another person of the client":           {contosoTID, eveOID, "This request is for somebody else. Nothing was done."},
		"a person of another client":             {fabrikamTID, eveOID, "This request does not exist any more."},
		"the same object id in another tenant":   {fabrikamTID, danaOID, "This request does not exist any more."},
		"a person of a tenant that nobody knows": {strangeTID, eveOID, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			eve := w.teams.AddPerson(tc.tid, tc.oid, "Eve", "en-US")
			if tc.tid != strangeTID {
				require.NoError(t, eve.Install(t.Context()))
			}
			c, m := w.begin(t, verify.MethodNumber)
			for _, button := range []string{"verify.answer", "verify.not-me"} {
				var inputs map[string]string
				if button == "verify.answer" {
					inputs = map[string]string{"answer": c.Number.Reveal()}
				}
				r, err := w.dana.PressAs(t.Context(), eve, m, button, inputs)
				require.NoError(t, err)
				if tc.text == "" {
					require.Equal(t, http.StatusForbidden, r.HTTPStatus)
					continue
				}
				require.Equal(t, teamstest.TypeMessage, r.Type)
				require.Equal(t, tc.text, r.Text)
				require.Nil(t, r.Card)
			}
			state, left := w.state(t, c.Ref)
			require.Equal(t, verify.StatePending, state)
			require.Equal(t, 2, left)
			st, err := w.Subject(t.Context(), "contoso", "dana")
			require.NoError(t, err)
			require.Zero(t, st)
			require.NoError(t, w.RunOnce(t.Context()))
			require.NotContains(t, w.kinds(), verify.EventAttempted)
			if tc.tid == contosoTID {
				require.Contains(t, w.logs.String(), "sent to somebody else")
				require.Contains(t, w.logs.String(), eveOID)
			}
			require.NotRegexp(t, `\bEve\b`, w.logs.String())
			require.NotContains(t, w.logs.String(), "Dana")
		})
	}
}

func TestNotMeFreezesUntilATechnicianUnfreezes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, m := w.begin(t, verify.MethodNumber)
	r := w.press(t, m, "This was not me", "")
	require.Contains(t, shown(r.Card), "The request is stopped")
	require.Contains(t, shown(r.Card), "nobody can be verified in your name for a while")
	over(t, r.Card)
	state, _ := w.state(t, c.Ref)
	require.Equal(t, verify.StateDenied, state)
	_, err := w.Start(t.Context(), request(verify.MethodNumber))
	require.ErrorIs(t, err, verify.ErrFrozen)
	require.NoError(t, w.RunOnce(t.Context()))
	require.Contains(t, w.kinds(), verify.EventDenied)
	require.Contains(t, w.kinds(), verify.EventFrozen)
	settled := w.settle(t, m)
	require.JSONEq(t, string(r.Card), string(settled.Card), "settling paints what the press showed")

	require.NoError(t, w.Unfreeze(t.Context(), "contoso", "dana", "jane", "she pressed it by mistake"))
	_, m = w.begin(t, verify.MethodNumber)
	require.Contains(t, shown(m.Card), "Is this you on the phone?")
}

func TestNotMeAfterTheEndFreezesAndSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, m := w.begin(t, verify.MethodNumber)
	w.press(t, m, "verify.answer", c.Number.Reveal())
	r := w.press(t, m, "verify.not-me", "") // m is the card as it was, on a client that has not heard of its end
	require.Contains(t, shown(r.Card), "This request was over already.")
	require.NotContains(t, shown(r.Card), "Nothing has been confirmed")
	st, err := w.Subject(t.Context(), "contoso", "dana")
	require.NoError(t, err)
	require.True(t, st.FrozenUntil.After(w.clock.Now()))
	got, err := w.Get(t.Context(), c.Ref, "jane")
	require.NoError(t, err)
	q := request("")
	err = w.Redeem(t.Context(), got.Proof, verify.Expect{
		Tenant: "contoso", Subject: "dana", Action: q.Action, Technician: "jane", Ticket: q.Ticket,
	}, "job")
	require.ErrorIs(t, err, verify.ErrFrozen)
}

func TestARenewalWithoutAMessageGivesTheFieldBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, m := w.begin(t, verify.MethodNumber)
	wrong := another(c.Number.Reveal())
	w.press(t, m, "verify.answer", wrong)
	w.press(t, m, "verify.answer", wrong+" ")
	m = w.settle(t, m)
	over(t, m.Card)

	renewed, err := w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: "jane"})
	require.NoError(t, err)
	m = w.settle(t, m)
	require.Contains(t, shown(m.Card), "Input.Text")
	require.NotContains(t, shown(m.Card), "That was not the number")
	require.Len(t, w.teams.Messages(w.dana), 1)
	r := w.press(t, m, "verify.answer", renewed.Number.Reveal())
	require.Contains(t, shown(r.Card), "Thank you")
}

func TestARenewalWithAMessageMarksTheOldCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, old := w.begin(t, verify.MethodNumber)
	renewed, err := w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: "jane", Send: true})
	require.NoError(t, err)
	m := w.last(t)
	require.NotEqual(t, old.ID, m.ID)
	marked := w.teams.Message(old.ID)
	require.Contains(t, shown(marked.Card), "There is a newer request")
	over(t, marked.Card)
	m = w.settle(t, m)
	require.Contains(t, shown(m.Card), "Input.Text")
	require.Contains(t, shown(w.teams.Message(old.ID).Card), "There is a newer request")
	w.press(t, m, "verify.answer", renewed.Number.Reveal())
	state, _ := w.state(t, c.Ref)
	require.Equal(t, verify.StateConfirmed, state)
}

func TestAnOldCardThatCannotBeMarkedDoesNotFailTheNewOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, old := w.begin(t, verify.MethodNumber)
	w.teams.Fail(teamstest.Fault{Op: teamstest.OpUpdate, Status: http.StatusBadRequest, Code: "BadSyntax", Times: -1})
	renewed, err := w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: "jane", Send: true})
	require.NoError(t, err)
	require.Equal(t, verify.DeliverySent, renewed.Delivery)
	require.NotEqual(t, old.ID, w.last(t).ID)
	require.Contains(t, w.logs.String(), "could not be marked as replaced")
}

func TestAPressAfterTheEndShowsTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, m := w.begin(t, verify.MethodNumber)
	w.clock.Add(6 * time.Minute)
	r := w.press(t, m, "verify.answer", c.Number.Reveal())
	require.Contains(t, shown(r.Card), "This request has expired")
	require.Contains(t, shown(r.Card), "2026-11-22 14:05 UTC")
	over(t, r.Card)

	c, m = w.begin(t, verify.MethodNumber)
	require.NoError(t, w.Cancel(t.Context(), c.Ref, "jane", "hung up"))
	r = w.press(t, m, "verify.answer", c.Number.Reveal())
	require.Contains(t, shown(r.Card), "This request was withdrawn")
	over(t, r.Card)
}

func TestEveryEndIsPaintedByAnotherInstance(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end  func(t *testing.T, w *world, c verify.Challenge, m *teamstest.Message)
		want string
	}{
		"expired": {func(_ *testing.T, w *world, _ verify.Challenge, _ *teamstest.Message) { w.clock.Add(6 * time.Minute) }, "This request has expired"},
		"cancelled": {func(t *testing.T, w *world, c verify.Challenge, _ *teamstest.Message) {
			require.NoError(t, w.Cancel(t.Context(), c.Ref, "jane", "hung up"))
		}, "This request was withdrawn"},
		"confirmed": {func(t *testing.T, w *world, c verify.Challenge, _ *teamstest.Message) {
			from := contosoTID + "/" + danaOID
			_, err := w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal(), From: from})
			require.NoError(t, err)
		}, "Thank you, it is confirmed"},
		"failed": {func(t *testing.T, w *world, c verify.Challenge, _ *teamstest.Message) {
			for range 2 {
				_, err := w.Answer(t.Context(), verify.Answer{
					Ref: c.Ref, Method: verify.MethodNumber, Response: another(c.Number.Reveal()), From: contosoTID + "/" + danaOID,
				})
				require.NoError(t, err)
			}
		}, "Ask for a new number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			c, m := w.begin(t, verify.MethodNumber)
			tc.end(t, w, c, m)
			m = w.settle(t, m)
			require.Contains(t, shown(m.Card), tc.want)
			require.False(t, m.Alert, "nobody is woken by it")
			over(t, m.Card)
		})
	}
}

func TestACardSpeaksTheContactsLanguageAndTheReplyTheClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.o.Location = func(_ mspkit.TenantID) *time.Location { return time.FixedZone("CET", 3600) }
	})
	q := request(verify.MethodNumber)
	q.Subject.Locale = "de-AT"
	c, err := w.Start(t.Context(), q)
	require.NoError(t, err)
	m := w.last(t)
	require.Equal(t, "Northwind IT: Sind Sie das am Telefon?", m.Summary)
	require.Contains(t, shown(m.Card), "Ihr Kennwort zurücksetzen")
	require.Contains(t, shown(m.Card), "2026-11-22 15:10 CET")
	require.Contains(t, shown(m.Card), `"lang":"de"`)
	r := w.press(t, m, "Das war ich nicht", "")
	require.Contains(t, shown(r.Card), "Die Anfrage ist gestoppt")

	eve := w.teams.AddPerson(contosoTID, eveOID, "Eve", "de-DE")
	require.NoError(t, eve.Install(t.Context()))
	refused, err := w.dana.PressAs(t.Context(), eve, m, "verify.answer", map[string]string{"answer": c.Number.Reveal()})
	require.NoError(t, err)
	require.Equal(t, "Diese Anfrage ist für jemand anderen. Es ist nichts geschehen.", refused.Text)
}

func TestOptionsThatCannotBeUsedAreReportedTogether(t *testing.T) {
	t.Parallel()
	o := &teamschannel.Options{
		Commands: []string{"who is", "wer", "WER"},
		Texts: map[string]map[string]string{
			"en":      {"number.titel": "x", "number.lead": "Hello {name}", "number.title": ""},
			"fr":      {"number.title": "C'est vous ?"},
			"no good": {},
			"de-CH":   {"number.title": "Grüezi, sind Sie das?"},
		},
	}
	_, err := teamschannel.New(nil, o)
	require.ErrorContains(t, err, "a bot is required")
	rerr := teamschannel.Register(nil, nil, o)
	require.ErrorContains(t, rerr, "a bot and a service are required")
	for _, e := range []error{err, rerr} {
		for _, part := range []string{
			`"who is" is not one word`, `"WER" is not one word`, `["number.titel"]: there is no such text`, "{name} does not exist here",
			`["number.title"]: is empty`, `"fr" has no text "code.lead"`, `"no good" is not a locale`,
		} {
			require.ErrorContains(t, e, part)
		}
		require.NotContains(t, e.Error(), "de-ch")
	}
}
