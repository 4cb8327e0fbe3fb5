package totp_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	mechanism "github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/totp"
)

func TestAContactSetsAnAppUpAndIsVerifiedByIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, link := w.browser(), w.begin(tenant, "dana")
	page := b.get(link)
	require.Contains(t, page, "Set up your authenticator app")
	require.Contains(t, page, "Jane Doe")
	require.NotContains(t, page, "otpauth")

	page = b.post(link, "number", " "+w.number[:1]+"-"+w.number[1:])
	require.Contains(t, page, "Scan this picture")
	require.Contains(t, page, `href="otpauth://totp/Contoso%20IT:Dana%20Smith?`)
	p := phone{secret: secretOn(t, page)}
	require.Equal(t, p.secret, secretOn(t, b.get(link)), "a reload shows the same")
	require.Contains(t, b.post(link, "number", "123"), "Scan this picture", "so does Back with an old form")

	s, err := w.app.Status(t.Context(), tenant, "dana")
	require.NoError(t, err)
	require.Zero(t, s.Since, "nothing is set up before a code was right")
	require.Equal(t, w.now().Add(verify.MaxTTL), s.Waiting)
	page = b.post(link+"/code", "code", p.shows(w.now(), 5))
	require.Contains(t, page, "not the code of this moment")
	require.Contains(t, b.post(link+"/code", "code", "12345"), "six digits and nothing else")
	page = b.post(link+"/code", "code", p.shows(w.now(), 0))
	require.Contains(t, page, "Your app is set up")
	codes := codesOn(page)
	require.Len(t, codes, 10)
	require.Equal(t, codes, codesOn(b.get(link)), "a reload does not lose them")
	require.Contains(t, w.browser().get(link), "It is done", "another browser sees none")
	require.Empty(t, codesOn(w.browser().get(link)))
	page = b.post(link+"/code", "code", p.shows(w.now(), 1))
	require.Equal(t, codes, codesOn(page), "an old form changes nothing")

	s, err = w.app.Status(t.Context(), tenant, "dana")
	require.NoError(t, err)
	require.Equal(t, totp.Status{Since: w.now(), Recovery: 10}, s)
	for _, ch := range []any{told(w.teams), told(w.mail), told(w.sms)} {
		require.Equal(t, []verify.NoticeKind{verify.NoticeEnrolled}, ch, "every address is told")
	}
	n := w.mail.Notices()[0]
	require.Equal(t, []any{"Dana Smith", "Northwind", "Jane Doe", "4711", "dana@northwind.example", w.now()}, []any{n.Name, n.Company, n.Technician, n.Ticket.ID, n.To, n.At})
	require.Len(t, w.teams.Notices(), 2, "the link went to Teams and nowhere else")
	kinds := w.kinds()
	require.Equal(t, []int{1, 1, 0}, []int{count(kinds, verify.EventFactorLink), count(kinds, verify.EventFactorAdded), count(kinds, verify.EventNoticeFailed)})

	// The code that set it up is used, and for 14 days it is worth little.
	_, err = w.svc.Start(t.Context(), verify.StartRequest{Tenant: tenant, Subject: subject("dana"), Action: verify.ActionIdentify, Technician: jane, Method: verify.MethodTOTP})
	require.ErrorIs(t, err, verify.ErrPolicy)
	require.ErrorContains(t, err, "app was set up less than 14 days ago")
	w.pass(15 * 24 * time.Hour)
	require.Contains(t, b.get(link), "has expired")
	c := w.ask(tenant, "dana")
	require.Equal(t, []any{"app", verify.MethodTOTP, verify.AssuranceTOTP, false}, []any{c.Channel, c.Method, c.Assurance, c.Fresh})
	require.Empty(t, c.Number.Reveal())
	res := w.check(t, c, p.shows(w.now(), 0))
	require.Equal(t, verify.StateConfirmed, res.State)
	require.NoError(t, w.svc.Redeem(t.Context(), res.Proof, verify.Expect{Tenant: tenant, Subject: "dana", Action: verify.ActionIdentify, Technician: jane.ID}, "job"))
}

func TestOnlyAProofOfNumberMatchedTeamsOrBetterSetsUpOrRemoves(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		action  verify.Action
		channel string
		method  verify.Method
		change  func(*world, *totp.Request)
		is      error
	}{
		"a text message":              {verify.ActionEnrolTOTP, "sms", verify.MethodNumber, nil, verify.ErrProof},
		"an e-mail":                   {verify.ActionEnrolTOTP, "email", verify.MethodNumber, nil, verify.ErrProof},
		"a code in Teams":             {verify.ActionEnrolTOTP, "teams", verify.MethodCode, nil, verify.ErrProof},
		"for another action":          {verify.ActionIdentify, "teams", verify.MethodNumber, nil, verify.ErrProof},
		"another action than it says": {verify.ActionIdentify, "teams", verify.MethodNumber, func(_ *world, r *totp.Request) { r.Expect.Action = verify.ActionEnrolTOTP }, verify.ErrProof},
		"of another contact":          {verify.ActionEnrolTOTP, "teams", verify.MethodNumber, func(_ *world, r *totp.Request) { r.Expect.Subject, r.Subject.ID = "erin", "erin" }, verify.ErrProof},
		"with another's addresses":    {verify.ActionEnrolTOTP, "teams", verify.MethodNumber, func(_ *world, r *totp.Request) { r.Subject.ID = "erin" }, verify.ErrInvalid},
		"of another tenant":           {verify.ActionEnrolTOTP, "teams", verify.MethodNumber, func(_ *world, r *totp.Request) { r.Expect.Tenant = "fabrikam" }, verify.ErrProof},
		"of another technician":       {verify.ActionEnrolTOTP, "teams", verify.MethodNumber, func(_ *world, r *totp.Request) { r.Expect.Technician = "mallory" }, verify.ErrProof},
		"redeemed already": {verify.ActionEnrolTOTP, "teams", verify.MethodNumber, func(w *world, r *totp.Request) {
			require.NoError(w.t, w.svc.Redeem(w.t.Context(), r.Proof, r.Expect, "somebody else"))
		}, verify.ErrRedeemed},
		"too old": {verify.ActionEnrolTOTP, "teams", verify.MethodNumber, func(w *world, _ *totp.Request) { w.pass(time.Hour) }, verify.ErrProofExpired},
		"of somebody who said not me": {verify.ActionEnrolTOTP, "teams", verify.MethodNumber, func(w *world, r *totp.Request) {
			require.NoError(w.t, w.svc.Freeze(w.t.Context(), tenant, r.Expect.Subject, jane.ID, "a report", time.Hour))
		}, verify.ErrFrozen},
		"forged": {verify.ActionEnrolTOTP, "teams", verify.MethodNumber, func(_ *world, r *totp.Request) { r.Proof = mspkit.Redact("x.k1.y") }, verify.ErrProof},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world, _ *totp.Options, _ *totp.EnrolmentOptions) {
				w.settings.Policy = verify.DefaultPolicy()
				for a, rule := range w.settings.Policy { // a tenant's policy cannot give this away
					rule.Min = verify.AssuranceUnproven
					w.settings.Policy[a] = rule
				}
			})
			w.enrolled(tenant, "dana")
			before, s := len(w.teams.Notices()), w.status("dana")
			r := w.proof(tenant, "dana", tc.action, tc.channel, tc.method)
			if tc.change != nil {
				tc.change(w, &r)
			}
			_, err := w.enrol.Begin(t.Context(), r)
			require.ErrorIs(t, err, tc.is)
			_, err = w.enrol.BeginRecovery(t.Context(), r)
			require.Error(t, err)
			require.Error(t, w.enrol.Remove(t.Context(), r))
			require.Len(t, w.teams.Notices(), before, "no link is sent")
			require.Equal(t, s, w.status("dana"), "and nothing is changed")
			if errors.Is(tc.is, verify.ErrProof) && tc.action == verify.ActionEnrolTOTP && tc.change == nil { // it was not used up by being refused
				require.NoError(t, w.svc.Redeem(t.Context(), r.Proof, r.Expect, "another use"))
			}
		})
	}
}

func (w *world) status(id string) totp.Status {
	w.t.Helper()
	s, err := w.app.Status(w.t.Context(), tenant, id)
	require.NoError(w.t, err)
	return s
}

func TestAFreshTeamsAddressSetsNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, _ *totp.Options, _ *totp.EnrolmentOptions) {
		w.settings.Policy = verify.Policy{verify.ActionEnrolTOTP: {Min: verify.AssuranceUnproven, Words: map[string]string{"en": "x"}}}
	})
	s := subject("dana")
	s.Destinations[0].FirstSeen = w.now().Add(-time.Hour)
	c, err := w.svc.Start(t.Context(), verify.StartRequest{Tenant: tenant, Subject: s, Action: verify.ActionEnrolTOTP, Technician: jane, Channel: "teams"})
	require.NoError(t, err)
	_, err = w.svc.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	c, err = w.svc.Get(t.Context(), c.Ref, jane.ID)
	require.NoError(t, err)
	_, err = w.enrol.Begin(t.Context(), totp.Request{Proof: c.Proof, By: "job", Subject: s, Expect: verify.Expect{
		Tenant: tenant, Subject: "dana", Action: verify.ActionEnrolTOTP, Technician: jane.ID,
	}})
	require.ErrorIs(t, err, verify.ErrProof)
}

func TestALinkTakesTwoNumbersAndIsThenDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, link := w.browser(), w.begin(tenant, "dana")
	require.Contains(t, b.post(link, "number", "12"), "three digits and nothing else")
	require.Contains(t, b.post(link, "number", ""), "Type the number that you are told")
	require.Contains(t, b.post(link, "number", other(w.number)), "That is not the number")
	require.Contains(t, b.get(link), "one try left")
	require.Contains(t, b.post(link, "number", other(w.number)), "This link is used up")
	require.Contains(t, b.post(link, "number", w.number), "This link is used up", "the third is not looked at")
	require.Empty(t, b.cookies)
	require.Equal(t, totp.Status{}, w.status("dana"))
	require.Equal(t, 1, count(w.kinds(), verify.EventFactorFailed))

	// A new link of the same proof and use is good again, and the old one is gone.
	w2 := newWorld(t)
	r := w2.proof(tenant, "dana", verify.ActionEnrolTOTP, "teams", verify.MethodNumber)
	_, err := w2.enrol.Begin(t.Context(), r)
	require.NoError(t, err)
	old := w2.link()
	p, err := w2.enrol.Begin(t.Context(), r)
	require.NoError(t, err)
	b = w2.browser()
	require.Contains(t, b.get(old), "This link does not work")
	require.Equal(t, http.StatusNotFound, b.last.Code)
	require.Contains(t, b.post(w2.link(), "number", p.Number.Reveal()), "Scan this picture")
}

func TestALinkIsForOneBrowserAndTheNextOneVoidsWhatItSaw(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, link := w.browser(), w.begin(tenant, "dana")
	seen := secretOn(t, first.post(link, "number", w.number))
	second := w.browser()
	require.NotContains(t, second.get(link), "otpauth", "the link alone shows nothing, open or not")
	page := second.post(link, "number", w.number)
	require.NotEqual(t, seen, secretOn(t, page))
	require.NotContains(t, first.get(link), "otpauth")
	first.post(link+"/code", "code", phone{secret: seen}.shows(w.now(), 0))
	require.Zero(t, w.status("dana").Since)
	require.Contains(t, w.browser().post(link, "number", w.number), "This link is used up")
	second.post(link+"/code", "code", phone{secret: secretOn(t, page)}.shows(w.now(), 0))
	require.NotZero(t, w.status("dana").Since)
}

func TestALinkExpiresAtEveryStage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, link := w.browser(), w.begin(tenant, "dana")
	w.pass(verify.MaxTTL)
	require.Contains(t, b.get(link), "has expired")
	require.Contains(t, b.post(link, "number", w.number), "has expired")
	require.Empty(t, b.cookies)

	link = w.begin(tenant, "dana")
	p := phone{secret: secretOn(t, b.post(link, "number", w.number))}
	w.pass(verify.MaxTTL)
	require.NotContains(t, b.get(link), "otpauth")
	require.Contains(t, b.post(link+"/code", "code", p.shows(w.now(), 0)), "has expired")
	require.Zero(t, w.status("dana").Since)
}

func TestNotMeStopsALinkThatIsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, link := w.browser(), w.begin(tenant, "dana")
	p := phone{secret: secretOn(t, b.post(link, "number", w.number))}
	require.NoError(t, w.svc.Freeze(t.Context(), tenant, "dana", jane.ID, "a report", time.Hour))
	require.Contains(t, b.post(link+"/code", "code", p.shows(w.now(), 0)), "Verification is paused")
	require.Zero(t, w.status("dana").Since)
	require.Contains(t, w.browser().post(link, "number", w.number), "Verification is paused")
}

func TestFiveWrongFirstCodesEndALink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, link := w.browser(), w.begin(tenant, "dana")
	p := phone{secret: secretOn(t, b.post(link, "number", w.number))}
	for range 4 {
		require.Contains(t, b.post(link+"/code", "code", p.shows(w.now(), 9)), "not the code of this moment")
	}
	require.Contains(t, b.post(link+"/code", "code", p.shows(w.now(), 9)), "This link is used up")
	require.Contains(t, b.post(link+"/code", "code", p.shows(w.now(), 0)), "This link is used up")
	require.NotContains(t, b.get(link), "otpauth")
	require.Zero(t, w.status("dana").Since)
	require.Equal(t, 1, count(w.kinds(), verify.EventFactorFailed))
}

func TestAnOldAppStaysGoodUntilTheNewOneIsConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.enrolled(tenant, "dana")
	b, link := w.browser(), w.begin(tenant, "dana")
	p := phone{secret: secretOn(t, b.post(link, "number", w.number))}
	require.Equal(t, verify.StateConfirmed, w.check(t, w.ask(tenant, "dana"), old.shows(w.now(), 0)).State)
	w.pass(time.Minute)

	// A verification that waits is not answered by what is set up meanwhile: nobody looked at how old that is.
	c := w.ask(tenant, "dana")
	require.Contains(t, b.post(link+"/code", "code", p.shows(w.now(), 0)), "Your app is set up")
	require.Equal(t, verify.StateWrong, w.check(t, c, p.shows(w.now(), 1)).State)
	require.Equal(t, verify.StateWrong, w.check(t, c, old.shows(w.now(), 0)).State, "the old app is gone")
	require.Equal(t, verify.StateWrong, w.check(t, c, old.recovery[0]).State, "and so are its recovery codes")
	require.Equal(t, w.now(), w.status("dana").Since)
}

func TestRemovingAnAppTellsEverybodyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrolled(tenant, "dana")
	c := w.ask(tenant, "dana")
	link := w.begin(tenant, "dana")
	r := w.proof(tenant, "dana", verify.ActionRemoveTOTP, "teams", verify.MethodNumber)
	w.mail.Fail(&verify.DeliveryError{Reason: "the mail server is away"})
	err := w.enrol.Remove(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrDelivery, "that somebody was not told is reported")
	require.ErrorContains(t, err, "email: the mail server is away")
	require.NotContains(t, err.Error(), "northwind")
	require.Equal(t, totp.Status{}, w.status("dana"), "and undoes nothing")
	require.Equal(t, []verify.NoticeKind{verify.NoticeEnrolled, verify.NoticeRemoved}, told(w.sms))
	require.Contains(t, w.logs.String(), "could not be told")
	require.Contains(t, w.browser().get(link), "This link does not work")
	require.Equal(t, verify.StateWrong, w.check(t, c, p.shows(w.now(), 0)).State)
	_, err = w.svc.Start(t.Context(), verify.StartRequest{Tenant: tenant, Subject: subject("dana"), Action: verify.ActionIdentify, Technician: jane, Method: verify.MethodTOTP})
	require.ErrorIs(t, err, verify.ErrNoChannel)
	require.ErrorIs(t, w.enrol.Remove(t.Context(), r), verify.ErrNotFound)
	kinds := w.kinds()
	require.Equal(t, []int{1, 1}, []int{count(kinds, verify.EventFactorRemoved), count(kinds, verify.EventNoticeFailed)})

	// Nothing that was there before comes back with a new app.
	w.mail.Fail(nil)
	w.enrolled(tenant, "dana")
	require.Equal(t, verify.StateWrong, w.check(t, w.ask(tenant, "dana"), p.shows(w.now(), 0)).State)
}

func TestRecoveryCodesWorkOnceAndTheirUseIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrolled(tenant, "dana")
	w.enrolled(tenant, "erin")
	res := w.check(t, w.ask(tenant, "dana"), " "+p.recovery[0][:5]+"-"+p.recovery[0][6:]+" ")
	require.Equal(t, verify.StateConfirmed, res.State)
	require.Equal(t, 9, w.status("dana").Recovery)
	n := w.mail.Notices()[len(w.mail.Notices())-1]
	require.Equal(t, []any{verify.NoticeRecoveryUsed, 9, "Jane Doe"}, []any{n.Kind, n.Left, n.Technician})
	require.Equal(t, 1, count(told(w.teams), verify.NoticeRecoveryUsed))
	c := w.ask(tenant, "dana")
	require.Equal(t, verify.StateWrong, w.check(t, c, p.recovery[0]).State, "once")
	require.Equal(t, verify.StateWrong, w.second.check(t, w.ask(tenant, "erin"), p.recovery[1]).State, "for its owner only")
	require.Equal(t, 1, count(w.kinds(), verify.EventRecoveryUsed))
	var confirmed []string
	for _, e := range w.events {
		if e.Kind == verify.EventConfirmed && e.Method == verify.MethodTOTP {
			confirmed = append(confirmed, e.Reason)
		}
	}
	require.Equal(t, []string{"with a recovery code"}, confirmed)

	// New ones need a link, the number, and a code of the app.
	pend, err := w.enrol.BeginRecovery(t.Context(), w.proof(tenant, "dana", verify.ActionRecoveryTOTP, "teams", verify.MethodNumber))
	require.NoError(t, err)
	b, link := w.browser(), w.link()
	require.Contains(t, b.get(link), "Get new recovery codes")
	page := b.post(link, "number", pend.Number.Reveal())
	require.Contains(t, page, "One code of your app")
	require.NotContains(t, page, "otpauth")
	require.Contains(t, b.post(link+"/code", "code", p.shows(w.now(), 7)), "not the code of this moment")
	since := w.status("dana").Since
	page = b.post(link+"/code", "code", p.shows(w.now(), 0))
	fresh := codesOn(page)
	require.Len(t, fresh, 10)
	require.NotContains(t, fresh, p.recovery[1])
	require.Equal(t, totp.Status{Since: since, Recovery: 10}, w.status("dana"), "the app is as old as it was")
	require.Equal(t, 1, count(told(w.sms), verify.NoticeRecoveryRenewed))
	c = w.ask(tenant, "dana")
	require.Equal(t, verify.StateWrong, w.check(t, c, p.recovery[1]).State)
	require.Equal(t, verify.StateWrong, w.check(t, c, p.shows(w.now(), 0)).State, "the code that was typed on the page is used")
	require.Equal(t, verify.StateConfirmed, w.check(t, c, fresh[4]).State)

	_, err = w.enrol.BeginRecovery(t.Context(), w.proof(tenant, "nobody", verify.ActionRecoveryTOTP, "teams", verify.MethodNumber))
	require.ErrorIs(t, err, verify.ErrNotFound)
}

func TestALinkThatDoesNotArriveIsReportedAndSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.proof(tenant, "dana", verify.ActionEnrolTOTP, "teams", verify.MethodNumber)
	w.teams.Fail(errors.New("POST https://teams.example/secret-token"))
	_, err := w.enrol.Begin(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrDelivery)
	require.NotContains(t, err.Error(), "secret-token")
	w.teams.Fail(nil)
	_, err = w.enrol.Begin(t.Context(), r)
	require.NoError(t, err)
	r.By = "another use"
	_, err = w.enrol.Begin(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrRedeemed)
}

func TestThePagesSpeakTheLanguageOfTheContact(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, _ *totp.Options, _ *totp.EnrolmentOptions) { w.settings.Locale = "de-AT" })
	b, link := w.browser(), w.begin(tenant, "dana")
	require.Contains(t, b.get(link), "Ihre Authenticator-App einrichten")
	require.Contains(t, b.get(link), `lang="de"`)
	page := b.post(link, "number", w.number)
	require.Contains(t, page, "Scannen Sie dieses Bild")
	page = b.post(link+"/code", "code", phone{secret: secretOn(t, page)}.shows(w.now(), 0))
	require.Contains(t, page, "Ihre App ist eingerichtet")
	require.NoError(t, w.svc.Freeze(t.Context(), tenant, "dana", jane.ID, "a report", time.Hour))
	require.Contains(t, w.browser().post(link, "number", w.number), "Die Prüfung ist angehalten")
}

func TestEveryFaultOfTheOptionsIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := totp.New(nil, nil, &totp.Options{Skew: 3})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, what := range []string{"store", "ring", "Skew is 3, at most 2"} {
		require.ErrorContains(t, err, what)
	}
	_, err = totp.NewEnrolment(nil, w.svc, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = totp.NewEnrolment(w.app, w.svc, &totp.EnrolmentOptions{TTL: 10 * time.Minute})
	require.ErrorContains(t, err, "TTL")
	_, err = totp.NewEnrolment(w.app, w.svc, &totp.EnrolmentOptions{Prefix: "no-slash"})
	require.ErrorContains(t, err, "prefix")
	require.Equal(t, mechanism.Digits, 6)
	require.NotEmpty(t, strings.TrimSpace(totp.Kind))
}
