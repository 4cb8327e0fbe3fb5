package teamschannel_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

var grouped = regexp.MustCompile(`"(\d{3})[\x{00A0} ](\d{3})"`)

// codeOf returns the code that a card shows.
func codeOf(t *testing.T, card json.RawMessage) string {
	t.Helper()
	m := grouped.FindStringSubmatch(string(card))
	require.Len(t, m, 3, "the code is shown in two groups")
	return m[1] + m[2]
}

func TestTheCodeOnTheCardConfirmsWhenReadAloud(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	q := request(verify.MethodCode)
	q.Action = verify.ActionUnlock
	c, err := w.Start(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, verify.AssuranceTeamsCode, c.Assurance)
	m := w.last(t)
	code := codeOf(t, m.Card)
	require.Contains(t, shown(m.Card), "Read it to Jane Doe only")
	require.Contains(t, shown(m.Card), "tell nobody the code")
	require.NotContains(t, string(m.Card), "Input.")
	require.NotContains(t, string(m.Card), "verify.answer")
	require.Equal(t, "Northwind IT: a code for your call with us", m.Summary)

	res, err := w.Check(t.Context(), verify.CheckRequest{Tenant: "contoso", ID: c.Ref.ID, Response: code, Technician: "jane"})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
	m = w.settle(t, m)
	require.Contains(t, shown(m.Card), "Thank you, it is confirmed")
	require.NotRegexp(t, grouped, string(m.Card))
	over(t, m.Card)
	require.NotRegexp(t, `\b`+code+`\b`, w.logs.String())
}

func TestARenewedCodeTakesTheOldOneAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	q := request(verify.MethodCode)
	q.Action = verify.ActionUnlock
	c, err := w.Start(t.Context(), q)
	require.NoError(t, err)
	old := w.last(t)
	_, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: "jane"})
	require.NoError(t, err)
	m := w.last(t)
	require.NotEqual(t, old.ID, m.ID)
	code := codeOf(t, m.Card)
	marked := w.teams.Message(old.ID)
	require.Contains(t, shown(marked.Card), "There is a newer request")
	require.NotRegexp(t, grouped, string(marked.Card))

	m = w.settle(t, m) // of the renewal: nobody but the message knows the code
	require.Equal(t, code, codeOf(t, m.Card))
	for range 5 {
		_, err = w.Check(t.Context(), verify.CheckRequest{Tenant: "contoso", ID: c.Ref.ID, Response: "000000", Technician: "jane"})
		require.NoError(t, err)
	}
	m = w.settle(t, m)
	if state, _ := w.state(t, c.Ref); state == verify.StateFailed { // unless the code is 000000
		require.Contains(t, shown(m.Card), "Ask for a new code")
	}
	over(t, m.Card)
}

func TestNotMeOnACodeCardFreezes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	q := request(verify.MethodCode)
	q.Action = verify.ActionUnlock
	c, err := w.Start(t.Context(), q)
	require.NoError(t, err)
	r := w.press(t, w.last(t), "verify.not-me", "")
	require.Contains(t, shown(r.Card), "The request is stopped")
	state, _ := w.state(t, c.Ref)
	require.Equal(t, verify.StateDenied, state)
}

func TestACodeCannotBeAnsweredOnACard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	q := request(verify.MethodCode)
	q.Action = verify.ActionUnlock
	c, err := w.Start(t.Context(), q)
	require.NoError(t, err)
	code := codeOf(t, w.last(t).Card)
	r := w.forge(t, "verify.answer", map[string]any{"id": c.Ref.ID, "answer": code})
	require.Equal(t, "This request does not exist any more.", r.Text)
	state, left := w.state(t, c.Ref)
	require.Equal(t, verify.StatePending, state)
	require.Equal(t, 5, left)
}

func TestTheContactSeesWhoIsCallingAndChecksTheWords(t *testing.T) {
	t.Parallel()
	for _, ask := range []string{"who", "Who?", "WHO is this", "wer ruft an?"} {
		t.Run(ask, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			_, err := w.dana.Say(t.Context(), ask)
			require.NoError(t, err)
			ms := w.teams.Messages(w.dana)
			require.Len(t, ms, 1, "the card is the answer")
			m := ms[0]
			require.Equal(t, "Northwind IT: check who is on the phone", m.Summary)
			for _, part := range []string{
				"Is this really us?", "Jane Doe", "Northwind IT", "We called you, 2026-11-22 14:02 UTC", "4711", "Contoso", "Hang up", "password",
			} {
				require.Contains(t, shown(m.Card), part)
			}
			c := w.open(t)
			r := w.press(t, m, "verify.answer", "12")
			require.Contains(t, shown(r.Card), "Nothing was counted as a try.")
			r = w.press(t, m, "verify.answer", strings.ToUpper(c.Word.Reveal()))
			require.Contains(t, shown(r.Card), "This is really Jane Doe from Northwind IT")
			over(t, r.Card)
			require.JSONEq(t, string(r.Card), string(w.settle(t, m).Card))
		})
	}
}

func TestOtherWordsAlertAndTheCardSaysHangUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, err := w.dana.Say(t.Context(), "who")
	require.NoError(t, err)
	m := w.last(t)
	r := w.press(t, m, "verify.answer", "wrong words")
	require.Contains(t, shown(r.Card), "These are not our words. Hang up.")
	require.Contains(t, shown(r.Card), "You have one try left.")
	require.Contains(t, shown(r.Card), "Input.Text")
	require.NoError(t, w.RunOnce(t.Context()))
	require.Contains(t, w.kinds(), verify.EventMismatch)
	r = w.press(t, w.teams.Message(m.ID), "verify.answer", "other words")
	require.Contains(t, shown(r.Card), "These are not our words. Hang up.")
	require.Contains(t, shown(r.Card), "+1 202 555 0100")
	over(t, r.Card)
}

func TestWhereNobodyCallsTheCardWarnsAndCannotBeAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.lookup = func(string) *verify.TechnicianRequest { return &verify.TechnicianRequest{Subject: subject("")} }
	_, err := w.dana.Say(t.Context(), "who")
	require.NoError(t, err)
	m := w.last(t)
	require.Equal(t, "Northwind IT: we know of no call with you", m.Summary)
	require.Contains(t, shown(m.Card), "none of our technicians was on the phone with you")
	require.Contains(t, shown(m.Card), "2026-11-22 14:05 UTC")
	over(t, m.Card)
	c, err := w.History(t.Context(), "contoso", "dana", 1)
	require.NoError(t, err)
	r := w.forge(t, "verify.answer", map[string]any{"id": c[0].Ref.ID, "answer": "other words"})
	require.Contains(t, shown(r.Card), "We know of no call with you")
	state, left := w.state(t, c[0].Ref)
	require.Equal(t, verify.StatePending, state)
	require.Equal(t, 2, left)
	w.clock.Add(10 * time.Minute)
	m = w.settle(t, m)
	require.Equal(t, "Northwind IT: we know of no call with you", m.Summary, "the warning stays true of its time")
	require.Contains(t, shown(m.Card), "2026-11-22 14:05 UTC")
}

func TestWhoIsNotOnRecordLearnsNothingAndGetsNoCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	eve := w.teams.AddPerson(contosoTID, eveOID, "Eve", "de")
	require.NoError(t, eve.Install(t.Context()))
	_, err := eve.Say(t.Context(), "wer")
	require.NoError(t, err)
	ms := w.teams.Messages(eve)
	require.Len(t, ms, 1)
	require.Nil(t, ms[0].Card)
	require.Contains(t, ms[0].Text, "Wir wissen hier von keinem Anruf mit Ihnen.")

	// Somebody who is on record, but not at this address, learns the same.
	w.lookup = func(string) *verify.TechnicianRequest { return &verify.TechnicianRequest{Subject: subject("")} }
	_, err = eve.Say(t.Context(), "wer")
	require.NoError(t, err)
	again := w.teams.Messages(eve)
	require.Equal(t, ms[0].Text, again[1].Text)
	require.Empty(t, w.teams.Messages(w.dana))
}

func TestAskingOftenIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 100 {
		_, err := w.dana.Say(t.Context(), "who")
		require.NoError(t, err)
		if m := w.last(t); m.Card == nil {
			require.Contains(t, m.Text, "Please try again later.")
			return
		}
	}
	t.Fatal("there is no limit")
}

func TestHelpSaysWhatToDoAndItsButtonAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.o.Help = true })
	_, err := w.dana.Say(t.Context(), "hello")
	require.NoError(t, err)
	m := w.last(t)
	require.Contains(t, shown(m.Card), "write “who”")
	r := w.press(t, m, "Who is calling me?", "")
	require.Nil(t, r.Card)
	ms := w.teams.Messages(w.dana)
	require.Len(t, ms, 2)
	require.Contains(t, shown(ms[1].Card), "Is this really us?")
}

func TestWithoutHelpOtherMessagesAreTheHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, err := w.dana.Say(t.Context(), "hello")
	require.NoError(t, err)
	require.Empty(t, w.teams.Messages(w.dana))
}

func TestMalformedDataIsARequestThatDoesNotExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, _ := w.begin(t, verify.MethodNumber)
	for name, data := range map[string]map[string]any{
		"nothing":         {},
		"another id":      {"id": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "answer": "123"},
		"a number":        {"id": 7, "answer": "123"},
		"true":            {"id": true, "answer": "123"},
		"a long one":      {"id": strings.Repeat("a", 129), "answer": "123"},
		"a nul":           {"id": c.Ref.ID + "\x00", "answer": "123"},
		"a tenant of its": {"id": "", "tenant": "contoso", "answer": "123"},
	} {
		for _, verb := range []string{"verify.answer", "verify.not-me"} {
			r := w.forge(t, verb, data)
			require.Equal(t, "This request does not exist any more.", r.Text, "%s %s", verb, name)
		}
	}
	for _, answer := range []any{nil, "", "  ", true, 123} {
		data := map[string]any{"id": c.Ref.ID}
		if answer != nil {
			data["answer"] = answer
		}
		r := w.forge(t, "verify.answer", data)
		require.Contains(t, shown(r.Card), "Type the number that you are told on the phone.")
		require.NotContains(t, shown(r.Card), "Nothing was counted", "there was nothing to count")
		require.Contains(t, shown(r.Card), "Input.Text")
	}
	_, left := w.state(t, c.Ref)
	require.Equal(t, 2, left)
	require.NoError(t, w.RunOnce(t.Context()))
	require.False(t, slices.Contains(w.kinds(), verify.EventAttempted))
}
