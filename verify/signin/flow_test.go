package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/verify"
)

func TestTheContactSignsInAndTypesTheNumber(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]verify.Assurance{"signin": verify.AssuranceSignIn, "signin-strong": verify.AssuranceStrong} {
		w := newWorld(t)
		c, link := w.begin(channel)
		require.Equal(t, want, c.Assurance)
		require.Equal(t, "•••", c.To)
		b := w.browser().open(link)
		require.Equal(t, "Confirm with a sign-in", b.heading())
		for _, s := range []string{"Jane Doe", "Northwind IT", "reset your multi-factor sign-in", "4711", "Dana Smith", "Contoso Ltd", "Did somebody call you?", "+1 5550 0100"} {
			require.Contains(t, b.text, s)
		}
		require.NotContains(t, b.text, c.Number.Reveal())
		w.SignIn(w.dana)
		b.press("")
		require.Equal(t, link, b.at.String(), "nothing of Microsoft's answer stays in the address")
		require.Equal(t, "Type the number", b.heading())
		require.Equal(t, verify.StatePending, w.get(c).State, "a sign-in alone confirms nothing")
		b.press("/number", "number", c.Number.Reveal())
		require.Equal(t, "Thank you, it is confirmed", b.heading())
		c = w.get(c)
		require.Equal(t, verify.StateConfirmed, c.State)
		require.NoError(t, w.svc.Redeem(t.Context(), c.Proof, verify.Expect{
			Tenant: tenant, Subject: "dana", Action: verify.ActionResetMFA, Technician: jane.ID, Ticket: c.Ticket, Min: want,
		}, "job-1"))
		require.Equal(t, []string{""}, w.reasons())
		require.Contains(t, w.kinds(), verify.EventConfirmed)
	}
}

// What a person needs to go on is in their browser, sealed: any process takes any step.
func TestAnotherProcessTakesEachStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin-strong")
	w.SignIn(w.dana)
	b := w.browser().open(link).stays()
	w.serve(w.second)
	to := b.press("").header.Get("Location")
	require.True(t, strings.HasPrefix(to, w.Cloud().Login+"/"+w.contoso.ID+"/"), "the contact's own tenant is asked: %s", to)
	asked, err := url.Parse(to)
	require.NoError(t, err)
	q := asked.Query()
	require.Equal(t, []string{"login", "0"}, []string{q.Get("prompt"), q.Get("max_age")})
	require.JSONEq(t, `{"id_token": {"acrs": {"essential": true, "value": "c7"}}}`, q.Get("claims"))
	back := b.open(to).header.Get("Location")
	w.serve(w.start()) // one that was started meanwhile
	b.open(back)
	require.Equal(t, http.StatusSeeOther, b.status)
	w.serve(w.second)
	b.open(link)
	w.serve(w.start())
	b.press("/number", "number", c.Number.Reveal())
	require.Equal(t, verify.StateConfirmed, w.get(c).State)
}

func TestAWrongNumberUsesUpATry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	b := w.signIn(w.browser(), link, w.dana)
	for typed, says := range map[string]string{"": "Type the number that you are told", "12": "three digits", "words": "three digits", "1234": "three digits"} {
		require.Equal(t, http.StatusUnprocessableEntity, b.press("/number", "number", typed).status)
		require.Contains(t, b.text, says)
	}
	require.Equal(t, 2, w.get(c).TriesLeft, "that was no try")
	b.press("/number", "number", other(c.Number.Reveal()))
	require.Contains(t, b.text, "That is not the number")
	require.Contains(t, b.text, "You have one try left.")
	b.press("/number", "number", other(c.Number.Reveal()))
	require.Equal(t, "Ask for a new number", b.heading())
	require.Equal(t, verify.StateFailed, w.get(c).State)
	require.Equal(t, 2, count(w.kinds(), verify.EventAttempted))

	c, err := w.svc.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(t, err)
	b.open(link)
	require.Equal(t, "Type the number", b.heading(), "the sign-in still counts")
	b.press("/number", "number", c.Number.Reveal())
	require.Equal(t, verify.StateConfirmed, w.get(c).State)
}

func TestNotMeAfterTheSignInFreezesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	b := w.signIn(w.browser(), link, w.dana).press("/deny")
	require.Equal(t, "The request is stopped", b.heading())
	require.Equal(t, verify.StateDenied, w.get(c).State)
	require.True(t, w.frozen())
	_, err := w.svc.Start(t.Context(), w.request("signin"))
	require.ErrorIs(t, err, verify.ErrFrozen)
}

// Somebody was talked into it and thinks better of it.
func TestNotMeAfterTheEndStopsTheProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	b := w.signIn(w.browser(), link, w.dana).press("/number", "number", c.Number.Reveal())
	c = w.get(c)
	require.Equal(t, verify.StateConfirmed, c.State)
	b.press("/deny")
	require.Equal(t, "Thank you, we have stopped it", b.heading())
	require.True(t, w.frozen())
	require.ErrorIs(t, w.svc.Redeem(t.Context(), c.Proof, verify.Expect{
		Tenant: tenant, Subject: "dana", Action: verify.ActionResetMFA, Technician: jane.ID, Ticket: c.Ticket,
	}, "job"), verify.ErrFrozen)
}

func TestNotMeBeforeTheSignInIsAHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	require.Equal(t, "Confirm with a sign-in", w.browser().open(link+"/not-me").heading(), "nobody has pressed it")
	b := w.browser().open(link).press("/not-me")
	require.Equal(t, "Good that you said so", b.heading())
	c = w.get(c)
	require.True(t, c.Hinted)
	require.Equal(t, verify.StatePending, c.State)
	require.False(t, w.frozen())
	w.SignIn(w.dana)
	require.Equal(t, "Type the number", b.press("").heading())
	require.Equal(t, "The request is stopped", b.press("/deny").heading())
	require.True(t, w.frozen())
}

func TestASignInCountsForFiveMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	b := w.signIn(w.browser(), link, w.dana)
	w.pass(5*time.Minute - time.Second)
	require.Equal(t, "Type the number", b.open(link).heading())
	w.pass(time.Second)
	b.press("/number", "number", c.Number.Reveal())
	require.Equal(t, "Confirm with a sign-in", b.heading())
	require.Contains(t, b.text, "You signed in too long ago")
	require.Equal(t, 2, w.get(c).TriesLeft)
	b.press("").press("/number", "number", c.Number.Reveal())
	require.Equal(t, verify.StateConfirmed, w.get(c).State)
}

// The five minutes begin when the credentials were given, and a clock that is ahead adds nothing.
func TestASignInCountsFromWhenTheCredentialsWereGiven(t *testing.T) {
	t.Parallel()
	for at, left := range map[time.Duration]time.Duration{-4 * time.Minute: time.Minute, 3 * time.Minute: 5 * time.Minute} {
		w := newWorld(t)
		_, link := w.begin("signin")
		w.Tamper(0, entratest.Set("auth_time", w.now().Add(at).Unix()))
		b := w.signIn(w.browser(), link, w.dana)
		w.pass(left - time.Second)
		require.Equal(t, "Type the number", b.open(link).heading(), at)
		w.pass(time.Second)
		require.Equal(t, "Confirm with a sign-in", b.open(link).heading(), at)
	}
}

func TestALinkThatIsSentAgainGoesOnWhereTheFirstWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	b := w.signIn(w.browser(), link, w.dana)
	c, err := w.svc.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
	require.NoError(t, err)
	require.NotEqual(t, link, w.link())
	require.Equal(t, "Confirm with a sign-in", w.browser().open(w.link()).heading())
	require.Equal(t, "Type the number", b.open(w.link()).heading())
	b.press("/number", "number", c.Number.Reveal())
	require.Equal(t, verify.StateConfirmed, w.get(c).State)
	require.Equal(t, "Thank you, it is confirmed", b.open(link).heading())
}

func TestARequestThatEndedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end   func(w *world, c verify.Challenge)
		title string
	}{
		"cancelled": {func(w *world, c verify.Challenge) {
			require.NoError(w.t, w.svc.Cancel(w.t.Context(), c.Ref, jane.ID, "the caller hung up"))
		}, "This request was withdrawn"},
		"expired":  {func(w *world, _ verify.Challenge) { w.pass(8 * time.Minute) }, "This link has expired"},
		"long ago": {func(w *world, _ verify.Challenge) { w.pass(time.Hour) }, "This request is over"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, link := w.begin("signin")
			w.SignIn(w.dana)
			away := w.browser().open(link).stays().press("")
			form := w.signIn(w.browser(), link, w.dana)
			tc.end(w, c)
			require.Equal(t, tc.title, w.browser().open(link).heading())
			require.NotEqual(t, "Type the number", form.press("/number", "number", c.Number.Reveal()).heading())
			require.NotEqual(t, verify.StateConfirmed, w.get(c).State)
			require.Equal(t, tc.title, w.browser().open(link).heading())
			if name == "long ago" { // then the sign-in itself is too old
				return
			}
			away.c.CheckRedirect = nil
			require.Equal(t, tc.title, away.open(away.header.Get("Location")).heading(), "somebody was at Microsoft")
			require.False(t, w.frozen())
			require.Equal(t, "Thank you, we have stopped it", away.press("/deny").heading(), "and did not want it")
			require.True(t, w.frozen())
		})
	}
}

func TestAnErasedRequestIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, link := w.begin("signin")
	for range 2 { // it ends, and then nobody needs it any more
		w.pass(100 * 24 * time.Hour)
		require.NoError(t, w.svc.RunOnce(t.Context()))
	}
	b := w.browser().open(link)
	require.Equal(t, http.StatusNotFound, b.status)
	require.Equal(t, "This link does not work", b.heading())
}

func TestPagesSpeakTheContactsLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.request("signin")
	r.Subject.Locale = "de-AT"
	c, err := w.svc.Start(t.Context(), r)
	require.NoError(t, err)
	b := w.browser().open(w.link())
	require.Equal(t, "Mit einer Anmeldung bestätigen", b.heading())
	require.Contains(t, b.text, "Ihre Mehr-Faktor-Anmeldung zurücksetzen")
	w.SignIn(w.otto)
	require.Equal(t, "Das ist ein anderes Konto", b.press("").heading())
	require.Equal(t, "Geben Sie die Zahl ein", w.signIn(b, w.link(), w.dana).heading())
	b.press("/number", "number", c.Number.Reveal())
	require.Equal(t, "Danke, das ist bestätigt", b.heading())
}
