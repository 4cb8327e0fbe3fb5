package verify_test

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// app is a checker that takes "123456" once, and "0123456789" as a recovery code.
type app struct {
	outbox
	since   map[string]time.Time // by subject
	used    map[string]bool
	asked   []verify.Question
	err     error
	looked  int    // how often it was asked who is enrolled
	triesAt func() // called while an answer is decided
}

func (a *app) Assurance() verify.Assurance { return verify.AssuranceTOTP }

func (a *app) Enrolled(_ context.Context, _ mspkit.TenantID, subject string) (time.Time, error) {
	a.looked++
	if t, ok := a.since[subject]; ok {
		return t, a.err
	}
	return time.Time{}, errors.Join(verify.ErrNotFound, a.err)
}

func (a *app) CheckAnswer(_ context.Context, q verify.Question, _ time.Time) (verify.Verdict, error) {
	a.asked = append(a.asked, q)
	if a.triesAt != nil {
		a.triesAt()
	}
	typed := q.Response.Reveal()
	right := !a.used[typed] && (typed == "123456" || typed == "0123456789")
	if right {
		a.used[typed] = true
	}
	return verify.Verdict{Right: right, Recovery: len(typed) == 10, Left: 3}, a.err
}

func newAppWorld(t testing.TB, change ...func(*world, *verify.Options)) (*world, *app) {
	t.Helper()
	a := &app{used: map[string]bool{}}
	w := newWorld(t, append([]func(*world, *verify.Options){func(w *world, o *verify.Options) {
		a.since = map[string]time.Time{"dana": w.clock.AddDate(0, -1, 0)}
		o.Channels["app"] = a
	}}, change...)...)
	return w, a
}

// byApp asks for a verification by the app.
func (w *world) byApp() verify.StartRequest {
	r := w.request()
	r.Method = verify.MethodTOTP
	return r
}

func TestAnAppNeedsNoDestinationAndNothingIsSent(t *testing.T) {
	t.Parallel()
	w, a := newAppWorld(t)
	r := w.byApp()
	r.Subject.Destinations = nil
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, []any{"app", verify.MethodTOTP, verify.AssuranceTOTP, verify.DeliveryPending, 5, ""}, []any{c.Channel, c.Method, c.Assurance, c.Delivery, c.TriesLeft, c.Number.Reveal() + c.Word.Reveal()})
	require.Zero(t, a.count()+w.mail.count()+w.sms.count())
	require.Equal(t, verify.StateWrong, w.check(t, c, "000000").State)
	res := w.check(t, c, "123 456")
	require.Equal(t, verify.StateConfirmed, res.State)
	require.NotEmpty(t, res.Proof.Reveal())
	require.Equal(t, verify.StateConfirmed, w.check(t, c, "123456").State, "it is over, and is said so")
	require.Len(t, a.asked, 2, "nobody was asked again")
	require.Equal(t, []verify.EventKind{verify.EventStarted, verify.EventAttempted, verify.EventAttempted, verify.EventConfirmed}, w.kinds(t))
}

func TestThePolicyTreatsAnAppAsAWayOfItsOwn(t *testing.T) {
	t.Parallel()
	way := func(ch string, m verify.Method) verify.Way { return verify.Way{Channel: ch, Method: m} }
	young := func(w *world, a *app, _ *verify.StartRequest) { a.since["dana"] = w.clock.AddDate(0, 0, -13) }
	none := func(_ *world, a *app, _ *verify.StartRequest) { delete(a.since, "dana") }
	for name, tc := range map[string]struct {
		rule   verify.Rule
		change func(*world, *app, *verify.StartRequest)
		want   verify.Way
		is     error
		says   string
	}{
		"number match comes before it":                 {want: way("email", verify.MethodNumber)},
		"it is taken where number match is not enough": {rule: verify.Rule{Min: verify.AssuranceTeamsCode}, want: way("app", verify.MethodTOTP)},
		"it is below number-matched Teams":             {rule: verify.Rule{Min: verify.AssuranceTeams}, is: verify.ErrPolicy, says: "authenticator app is less"},
		"it is taken before a code":                    {rule: verify.Rule{Min: verify.AssuranceEmailCode}, change: func(_ *world, _ *app, r *verify.StartRequest) { r.Method = verify.MethodTOTP }, want: way("app", verify.MethodTOTP)},
		"the policy's order":                           {rule: verify.Rule{Ways: []verify.Way{way("app", verify.MethodTOTP), way("email", verify.MethodNumber)}}, want: way("app", verify.MethodTOTP)},
		"the next way where there is none":             {rule: verify.Rule{Ways: []verify.Way{way("app", verify.MethodTOTP), way("email", verify.MethodNumber)}}, change: none, want: way("email", verify.MethodNumber)},
		"asked for where there is none":                {change: func(w *world, a *app, r *verify.StartRequest) { none(w, a, r); r.Channel = "app" }, is: verify.ErrNoChannel, says: "app is not set up for this person"},
		"asked for where it is not allowed":            {rule: verify.Rule{Ways: []verify.Way{way("email", verify.MethodNumber)}}, change: func(_ *world, _ *app, r *verify.StartRequest) { r.Channel = "app" }, is: verify.ErrPolicy, says: "the policy does not list app for"},
		"the guard does not trust a new one":           {change: func(w *world, a *app, r *verify.StartRequest) { young(w, a, r); r.Channel = "app" }, is: verify.ErrPolicy, says: "the authenticator app was set up less than 14 days ago"},
		"a new one may be refused altogether": {rule: verify.Rule{Min: verify.AssuranceUnproven}, change: func(w *world, a *app, r *verify.StartRequest) {
			young(w, a, r)
			r.Channel, w.settings.Freshness.Refuse = "app", true
		}, is: verify.ErrPolicy, says: "app was set up less than 14 days ago"},
		"a destination of the host does not make it older": {change: func(w *world, a *app, r *verify.StartRequest) {
			young(w, a, r)
			r.Channel = "app"
			r.Subject.Destinations = append(r.Subject.Destinations, verify.Destination{Channel: "app", Address: "dana", FirstSeen: w.clock.AddDate(-9, 0, 0)})
		}, is: verify.ErrPolicy, says: "less than 14 days ago"},
		"nor does it make one": {change: func(w *world, a *app, r *verify.StartRequest) {
			none(w, a, r)
			r.Method = verify.MethodTOTP
			r.Subject.Destinations = append(r.Subject.Destinations, verify.Destination{Channel: "app", Address: "dana", FirstSeen: w.clock.AddDate(-9, 0, 0)})
		}, is: verify.ErrNoChannel},
		"a number cannot be matched on it":   {change: func(_ *world, _ *app, r *verify.StartRequest) { r.Channel, r.Method = "app", verify.MethodNumber }, is: verify.ErrNoChannel},
		"nor is there a code of a mailbox's": {rule: verify.Rule{Ways: []verify.Way{way("email", verify.MethodTOTP)}}, is: verify.ErrNoChannel},
		"what is not known is not none": {change: func(_ *world, a *app, r *verify.StartRequest) {
			a.err, r.Method = errors.New("the disk is full"), verify.MethodTOTP
		}, says: "the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, a := newAppWorld(t)
			tc.rule.Words = map[string]string{"en": "do it"}
			w.settings.Policy = verify.Policy{"custom": tc.rule}
			r := w.request()
			r.Action = "custom"
			if tc.change != nil {
				tc.change(w, a, &r)
			}
			if name == "what is not known is not none" {
				a.since["dana"] = time.Time{}
			}
			c, err := w.Start(t.Context(), r)
			if tc.says != "" || tc.is != nil {
				require.ErrorContains(t, err, tc.says)
				if tc.is != nil {
					require.ErrorIs(t, err, tc.is)
				}
				require.Empty(t, w.kinds(t))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, way(c.Channel, c.Method))
		})
	}
	require.Equal(t, "authenticator app", verify.AssuranceTOTP.String())
	require.Greater(t, verify.AssuranceTOTP, verify.AssuranceTeamsCode)
	require.Less(t, verify.AssuranceTOTP, verify.AssuranceTeams)
}

func TestWhoHasAnAppIsAskedOnlyWhereTheAppIsAboutToBeUsed(t *testing.T) {
	t.Parallel()
	w, a := newAppWorld(t)
	c, err := w.Start(t.Context(), w.request())
	require.NoError(t, err)
	require.Equal(t, "email", c.Channel)
	r := w.request()
	r.Action = verify.ActionResetMFA // which no app is enough for
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrPolicy)
	require.Zero(t, a.looked)

	// Its turn comes: who has none goes the next way, and nobody needs to read that.
	list := verify.Rule{Words: map[string]string{"en": "x"}, Min: verify.AssuranceEmail, Ways: []verify.Way{{Channel: "app", Method: verify.MethodTOTP}, {Channel: "email", Method: verify.MethodNumber}}}
	w.settings.Policy = verify.Policy{verify.ActionIdentify: list}
	since := a.since["dana"]
	delete(a.since, "dana")
	c, err = w.Start(t.Context(), w.request())
	require.NoError(t, err)
	require.Equal(t, []any{"email", "", 1}, []any{c.Channel, c.Failover, a.looked})
	// One that is new, and one of which nobody knows, are passed over, and it is said why.
	a.since["dana"] = w.clock
	c, err = w.Start(t.Context(), w.request())
	require.NoError(t, err)
	require.Equal(t, "email", c.Channel)
	require.Contains(t, c.Failover, "app: needs e-mail with number match or better")
	require.Contains(t, c.Failover, "the authenticator app was set up less than 14 days ago")
	a.since["dana"], a.err = since, errors.New("the disk of dana is full")
	c, err = w.Start(t.Context(), w.request())
	require.NoError(t, err)
	require.Equal(t, []string{"email", "app: whether app is set up for this person could not be found out"}, []string{c.Channel, c.Failover})
	d, err := w.Explain(t.Context(), w.request())
	require.NoError(t, err)
	require.True(t, d.Allowed)
	require.Equal(t, "whether app is set up for this person could not be found out", d.Ways[0].Reason)
	a.err = nil
	c, err = w.Start(t.Context(), w.request())
	require.NoError(t, err)
	require.Equal(t, "app", c.Channel)
}

func TestOfTwoKindsOfAppsTheOneThatIsSetUpIsTaken(t *testing.T) {
	t.Parallel()
	other := &app{used: map[string]bool{}, since: map[string]time.Time{}}
	w, a := newAppWorld(t, func(w *world, o *verify.Options) {
		o.Channels["key"] = other
		other.since["dana"] = w.clock.AddDate(-1, 0, 0)
	})
	delete(a.since, "dana")
	d, err := w.Explain(t.Context(), w.byApp())
	require.NoError(t, err)
	require.True(t, d.Allowed)
	c, err := w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
	require.Equal(t, "key", c.Channel)
	require.Equal(t, verify.StateConfirmed, w.check(t, c, "123456").State)
	require.Empty(t, a.asked)
}

func TestWhoHasNoAppAndNothingElseIsToldWhatComesNearest(t *testing.T) {
	t.Parallel()
	w, a := newAppWorld(t)
	delete(a.since, "dana")
	r := w.request()
	r.Action = verify.ActionResetPassword // an app would do
	r.Subject.Destinations = r.Subject.Destinations[:1]
	d, err := w.Explain(t.Context(), r)
	require.NoError(t, err)
	require.Contains(t, d.Reason, "e-mail with number match is less")
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrPolicy)
	require.ErrorContains(t, err, d.Reason)
	r.Subject.Destinations = nil
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrNoChannel)
}

func TestATryOfAnAppIsCountedBeforeAnybodyDecides(t *testing.T) {
	t.Parallel()
	w, a := newAppWorld(t)
	c, err := w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
	counted := -1
	a.triesAt = func() {
		got, err := w.Get(t.Context(), c.Ref, jane.ID)
		require.NoError(t, err)
		counted = got.TriesLeft
	}
	a.err = errors.New("the disk is full")
	_, err = w.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: "123456", Technician: jane.ID})
	require.ErrorContains(t, err, "could not be checked")
	require.Equal(t, 4, counted)
	a.err, a.triesAt = nil, nil
	for left := 3; left >= 1; left-- {
		require.Equal(t, left, w.check(t, c, "000000").TriesLeft)
	}
	require.Equal(t, verify.StateFailed, w.check(t, c, "000000").State)
	asked := len(a.asked)
	require.Equal(t, verify.StateFailed, w.check(t, c, "123456").State)
	require.Len(t, a.asked, asked, "after the last try nobody is asked")
	sub, err := w.Subject(t.Context(), tenant, "dana")
	require.NoError(t, err)
	require.Equal(t, 5, sub.Failures, "the one that could not be decided counts too")

	// A new set of tries, and still nothing is sent.
	c, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
	require.NoError(t, err)
	require.Zero(t, a.count())
	require.Equal(t, 5, c.TriesLeft)
	require.Equal(t, c.CreatedAt, a.since["dana"].AddDate(0, 1, 0))
	require.True(t, a.asked[0].Since.Equal(a.since["dana"]), "the checker is told what the guard looked at")
	require.Equal(t, 4, w.check(t, c, "000000").TriesLeft)
	asked = len(a.asked)
	w.authorized = true
	require.NoError(t, w.Freeze(t.Context(), tenant, "dana", jane.ID, "a report", time.Hour))
	require.Equal(t, verify.StateFrozen, w.check(t, c, "123456").State)
	require.Len(t, a.asked, asked, "the code of somebody frozen is not looked at, and so not used up")
}

func TestNobodyButTheTechnicianAnswersForAnApp(t *testing.T) {
	t.Parallel()
	w, a := newAppWorld(t)
	c, err := w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
	for _, m := range []verify.Method{verify.MethodTOTP, verify.MethodNumber, verify.MethodCode} {
		_, err = w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: m, Response: "123456"})
		require.ErrorIs(t, err, verify.ErrInvalid, m)
	}
	_, err = w.Deny(t.Context(), verify.Denial{Ref: c.Ref, Word: "apple apple"})
	require.ErrorIs(t, err, verify.ErrInvalid)
	_, err = w.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: "123456", Technician: "mallory"})
	require.ErrorIs(t, err, verify.ErrForbidden)
	require.Empty(t, a.asked)
	require.Equal(t, verify.StateConfirmed, w.check(t, c, "123456").State)

	// Nor can an app be where the contact verifies the technician.
	s := w.dana()
	s.Destinations = []verify.Destination{{Channel: "app", Address: "dana", FirstSeen: w.clock.AddDate(-1, 0, 0)}}
	_, err = w.StartTechnician(t.Context(), verify.TechnicianRequest{Tenant: tenant, Subject: s, By: jane.ID})
	require.ErrorIs(t, err, verify.ErrNoChannel)
}

func TestARepeatedRequestForAnAppIsTheSameChallengeHoweverLate(t *testing.T) {
	t.Parallel()
	w, a := newAppWorld(t)
	r := w.byApp()
	r.IdempotencyKey = "request-1"
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	w.check(t, c, "000000")
	w.pass(2 * time.Minute) // a message would be thought lost by now
	again, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, c.Ref, again.Ref)
	require.Equal(t, 4, again.TriesLeft, "no new tries come of it")
	require.Zero(t, a.count())
}

func TestAppsHaveACounterOfTheirOwn(t *testing.T) {
	t.Parallel()
	w, _ := newAppWorld(t, func(w *world, _ *verify.Options) { w.settings.Limits.PerSubject = 2 })
	for range 2 {
		_, err := w.Start(t.Context(), w.byApp())
		require.NoError(t, err)
	}
	_, err := w.Start(t.Context(), w.byApp())
	var limit *verify.LimitError
	require.ErrorAs(t, err, &limit)
	require.Equal(t, verify.LimitChecks, limit.Limit)
	_, err = w.Start(t.Context(), w.request())
	require.NoError(t, err, "messages are not used up by it")
	w.settings.Limits.PerSubject = -1
	_, err = w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
}

func TestAMessageThatCannotBeDeliveredFailsOverToTheApp(t *testing.T) {
	t.Parallel()
	w, _ := newAppWorld(t)
	w.settings.Policy = verify.Policy{verify.ActionIdentify: {Words: map[string]string{"en": "x"}, Ways: []verify.Way{
		{Channel: "email", Method: verify.MethodNumber}, {Channel: "app", Method: verify.MethodTOTP},
	}}}
	w.mail.err = &verify.DeliveryError{Reason: "the mailbox is full"}
	c, err := w.Start(t.Context(), w.request())
	require.NoError(t, err)
	require.Equal(t, []string{"app", "email: the mailbox is full"}, []string{c.Channel, c.Failover})
	require.Equal(t, verify.StateConfirmed, w.check(t, c, "123456").State)
}

func TestAProofOfTooLittleAssuranceIsRefusedAndStaysUnused(t *testing.T) {
	t.Parallel()
	w, _ := newAppWorld(t)
	c, err := w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
	proof := w.check(t, c, "123456").Proof
	e := expect(c)
	e.Min = verify.AssuranceTeams
	err = w.Redeem(t.Context(), proof, e, "job-1")
	require.ErrorIs(t, err, verify.ErrProof)
	require.ErrorContains(t, err, "it was made by authenticator app, Teams with number match or better is needed")
	e.Min = verify.AssuranceTOTP
	require.NoError(t, w.Redeem(t.Context(), proof, e, "job-2"), "another use is still possible")
	e.Min = 0
	require.ErrorIs(t, w.Redeem(t.Context(), proof, e, "job-3"), verify.ErrRedeemed)
}

// attempts counts the tries that a store is asked for.
type attempts struct {
	verify.Store
	n int
}

func (s *attempts) Attempt(ctx context.Context, ref verify.Ref, t verify.Try, now time.Time) (verify.Record, verify.SubjectState, error) {
	s.n++
	return s.Store.Attempt(ctx, ref, t, now)
}

func TestACheckThatNamesTheMethodAsksTheStoreOnce(t *testing.T) {
	t.Parallel()
	st := &attempts{}
	w, a := newAppWorld(t, func(w *world, _ *verify.Options) { st.Store, w.store = w.store, st })
	c, err := w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
	check := verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: "000000", Technician: jane.ID}
	for method, want := range map[verify.Method]int{verify.MethodTOTP: 1, "": 2} {
		st.n, check.Method = 0, method
		res, err := w.Check(t.Context(), check)
		require.NoError(t, err)
		require.Equal(t, []any{verify.StateWrong, want}, []any{res.State, st.n}, "method %q", method)
	}
	got, err := w.Get(t.Context(), c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, 3, got.TriesLeft, "each is one try")
	check.Method, check.Response, st.n = verify.MethodTOTP, "123456", 0
	res, err := w.Check(t.Context(), check)
	require.NoError(t, err)
	require.Equal(t, []any{verify.StateConfirmed, 1}, []any{res.State, st.n})

	// A method that is not that of the challenge is refused and not counted, and no other way around the page.
	code, sent := w.startCode(t)
	number, err := w.Start(t.Context(), w.request())
	require.NoError(t, err)
	asked := len(a.asked)
	for _, tc := range []struct {
		c verify.Challenge
		m verify.Method
	}{{code, verify.MethodTOTP}, {number, verify.MethodNumber}, {number, verify.MethodTOTP}, {number, verify.MethodWord}} {
		_, err = w.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: tc.c.Ref.ID, Response: cmp.Or(tc.c.Number.Reveal(), sent), Technician: jane.ID, Method: tc.m})
		require.ErrorIs(t, err, verify.ErrInvalid)
	}
	require.Len(t, a.asked, asked)
	res, err = w.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: code.Ref.ID, Response: sent, Technician: jane.ID, Method: verify.MethodCode})
	require.NoError(t, err)
	require.Equal(t, []any{verify.StateConfirmed, code.TriesLeft - 1}, []any{res.State, res.TriesLeft})
}

func TestARecoveryCodeThatIsUsedUpIsToldEvenWhereItConfirmsNothing(t *testing.T) {
	t.Parallel()
	mail := &verifytest.Channel{Level: verify.AssuranceEmail}
	w, a := newAppWorld(t, talking(mail))
	c, err := w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
	a.triesAt = func() { require.NoError(t, w.Cancel(t.Context(), c.Ref, jane.ID, "hung up")) }
	require.Equal(t, verify.StateCancelled, w.check(t, c, "0123456789").State)
	require.Len(t, mail.Notices(), 1)
	require.Equal(t, []any{verify.NoticeRecoveryUsed, 3}, []any{mail.Notices()[0].Kind, mail.Notices()[0].Left})
	require.Contains(t, w.kinds(t), verify.EventRecoveryUsed)
}

func TestASandboxTenantHasNoFixedCodeOfAnApp(t *testing.T) {
	t.Parallel()
	w, a := newAppWorld(t)
	w.settings.Sandbox = verifytest.Sandbox(t)
	a.used[verifytest.SandboxCode[:6]] = true
	c, err := w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
	require.Equal(t, verify.StateWrong, w.check(t, c, verifytest.SandboxCode[:6]).State)
	require.Equal(t, verify.StateConfirmed, w.check(t, c, "0123456789").State)
}
