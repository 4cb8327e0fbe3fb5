package verifypage_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

func TestTheRightNumberConfirmsAndAReloadDoesNotTryAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.start("dana")
	page := w.get(link)
	for _, want := range []string{"Jane Doe", "Contoso IT", "Dana Smith", "Northwind", "4711", "confirm who you are", "just now", "You have 2 tries", "5 more minutes", `inputmode="numeric"`, `autocomplete="off"`, "tel:&#43;155500100"} {
		require.Contains(t, page, want)
	}
	require.NotContains(t, strings.ReplaceAll(page, "tel:&#43;155500100", ""), c.Number.Reveal()+"\"")

	body, at, code := w.post(link, answer(c.Number.Reveal()))
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, link, at)
	require.Contains(t, body, "Thank you, it is confirmed")
	require.Equal(t, verify.StateConfirmed, w.state(c).State)

	before := w.kinds()
	_, at, _ = w.post(link, answer(c.Number.Reveal())) // the browser's back button, then "send again"
	require.Equal(t, link, at)
	require.Equal(t, before, w.kinds(), "a form sent again changes nothing")
}

func TestAWrongNumberLeavesATryThenANewNumberIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.start("dana")
	body, at, _ := w.post(link, answer(other(c.Number.Reveal())))
	require.Equal(t, link+"?e=wrong", at)
	require.Contains(t, body, "That is not the number")
	require.Contains(t, body, "You have one try left")
	require.Contains(t, body, `aria-invalid="true"`)
	require.Contains(t, body, `role="alert"`)
	require.Equal(t, 1, w.state(c).TriesLeft)

	body, at, _ = w.post(link, answer(other(c.Number.Reveal())))
	require.Equal(t, link, at)
	require.Contains(t, body, "The tries for the last number are used up")
	require.Contains(t, w.get(link), "I have a new number")

	n, err := w.svc.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(t, err)
	require.Contains(t, w.get(link), `name="answer"`, "the same link shows the form again")
	_, _, _ = w.post(link, answer(n.Number.Reveal()))
	require.Equal(t, verify.StateConfirmed, w.state(c).State)
}

func TestNotMeTellsTheTechnicianAndTheWordsStopTheRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.start("dana")
	rec := w.do(http.MethodGet, link+"/not-me", nil)
	require.Equal(t, http.StatusSeeOther, rec.Code, "before it was pressed the second page leads back")

	body, at, _ := w.post(link+"/not-me", url.Values{})
	require.Equal(t, link+"/not-me", at)
	require.Contains(t, body, "Nothing has been confirmed")
	require.Equal(t, verify.StatePending, w.state(c).State, "a hint ends nothing")
	require.True(t, w.state(c).Hinted)
	require.Contains(t, w.kinds(), verify.EventDenialHint)
	require.Contains(t, w.get(link), `name="answer"`, "the real caller can still confirm")

	body, at, _ = w.post(link+"/not-me/confirm", word("wrong words"))
	require.Equal(t, link+"/not-me?e=wrong", at)
	require.Contains(t, body, "These are not the words")

	body, at, _ = w.post(link+"/not-me/confirm", word(c.Word.Reveal()))
	require.Equal(t, link, at)
	require.Contains(t, body, "The request is stopped")
	require.Equal(t, verify.StateDenied, w.state(c).State)
	sub, err := w.svc.Subject(t.Context(), tenant, "dana")
	require.NoError(t, err)
	require.Zero(t, sub.FrozenUntil, "a link never freezes")
}

func TestTheCallerChecksTheTechnician(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.startTechnician("dana", w.inCall())
	page := w.get(link)
	for _, want := range []string{"Jane Doe", "Contoso IT", "4711", "You called us", "3 minutes ago", "two words"} {
		require.Contains(t, page, want)
	}
	body, _, _ := w.post(link, answer("wrong words"))
	require.Contains(t, body, "These are not our words. Hang up.")
	require.Contains(t, body, `name="answer"`, "one more try for who misheard")
	require.Contains(t, w.kinds(), verify.EventMismatch)

	body, _, _ = w.post(link, answer(c.Word.Reveal()))
	require.Contains(t, body, "This is really Jane Doe from Contoso IT")
	require.Equal(t, verify.StateConfirmed, w.state(c).State)

	_, link = w.startTechnician("eve", w.inCall())
	_, _, _ = w.post(link, answer("wrong words"))
	body, _, _ = w.post(link, answer("wrong words"))
	require.Contains(t, body, "These are not our words. Hang up.")
	require.NotContains(t, body, `name="answer"`)
}

func TestWithoutACallThePageSaysHangUpAndAsksForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.startTechnician("dana", nil)
	body := w.get(link)
	require.Contains(t, body, "We know of no call with you")
	require.Contains(t, body, "hang up")
	require.NotContains(t, body, "<form")
	_, at, _ := w.post(link, answer("some words"))
	require.Equal(t, link, at)
	_, at, _ = w.post(link+"/not-me", url.Values{})
	require.Equal(t, link, at)
	require.Equal(t, 2, w.state(c).TriesLeft, "nobody has words to be tried")
	require.NotContains(t, w.kinds(), verify.EventDenialHint)
}
